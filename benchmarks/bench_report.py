"""Time, size and memory of a report: 30 segments with long names, 20 features, a cloud of 100,000 customers.

Run: python benchmarks/bench_report.py [--quick]
"""

import argparse
import time
import tracemalloc

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import segmentation as sg
from segmentation.evaluation import describe_segments
from segmentation.prioritizers import ValuePrioritizer
from segmentation.reporting import Report, personas

LARGEST_FILE, LONGEST = 5_000_000, 10.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="10,000 customers instead of 100,000")
    n = 10_000 if parser.parse_args().quick else 100_000
    rng = np.random.default_rng(0)
    names = np.array([f"segment {i} with a name that goes on and on, as names of rules do " * 2 for i in range(30)])
    index = pd.RangeIndex(n, name="customer_id")
    segment = pd.Series(names[rng.integers(0, 30, n)], index=index)
    features = pd.DataFrame(rng.normal(size=(n, 20)), index=index).rename(columns="feature_{}".format)
    scores = pd.DataFrame({"clv": rng.lognormal(3, 1, n)}, index=index)
    profile = sg.profile_segments(segment, scores=scores, features=features)
    plan = ValuePrioritizer(by="clv_total").prioritize(profile)
    description = describe_segments(segment, features, n_medoids=0, random_state=0)
    cloud = Figure(figsize=(7, 5))
    cloud.subplots().scatter(features["feature_0"], features["feature_1"], s=2)

    def make() -> Report:
        return Report.from_segmentation(
            segment,
            profile,
            plan,
            features=features,
            results={"Words": personas(description, profile=profile), "Markers": description, "Cloud": cloud},
            date="2027-03-31",
        )

    start, busy = time.perf_counter(), time.process_time()
    report = make()
    html = report.to_html()
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    tracemalloc.start()
    again = make().to_html()
    peak = tracemalloc.get_traced_memory()[1]
    size = len(html.encode())
    print(f"{n:,} customers, 30 segments, 20 features, {html.count('<svg')} pictures, {html.count('<tr')} rows")
    print(f"size        {size / 1e6:6.2f} MB  limit {LARGEST_FILE / 1e6:.0f} MB  {verdict(size <= LARGEST_FILE)}")
    print(f"time        {busy:6.1f} s   limit {LONGEST:.0f} s  {verdict(busy <= LONGEST)} (by the clock {seconds:.1f})")
    print(f"peak memory {peak / 2**20:6.0f} MiB (of Python's allocations, while it is made)")
    print(f"equal again: {verdict(html == again)}; fingerprint {report.fingerprint[:12]}")


def verdict(passed: bool) -> str:
    return "PASS" if passed else "MISS"


if __name__ == "__main__":
    main()
