"""Time, peak memory and agreement of `HDBSCANSegmenter`, beside the bare package and scikit-learn's HDBSCAN.

    python benchmarks/bench_hdbscan.py [--customers 2000 20000] [--repeat 3]

Customers in five dimensions: six crowds of unequal size and density in 15 % of scattered ones; as many unseen ones to
be assigned. All contenders get the same scaled values and settings. Every contender runs in a process of its own, so
that its peak memory is its own: the high-water mark of the resident set above what was there before (Linux only).

"bare" is `hdbscan.HDBSCAN(prediction_data=True)` and `approximate_predict`; with "degrees" also `membership_vector` for
all unseen customers, which is what `HDBSCANSegmenter` always computes. scikit-learn's HDBSCAN cannot predict. Then the
figures that say whether the answers are the same, on the generated customers and, where the folder of real data
named by SEGMENTATION_DATA holds them, on real tables with the default settings. Exits with status 1 if agreement on
unseen customers of continuous data is below its limit.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import multiprocessing
import os
import re
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

MIN_SAMPLES = 10
LIMIT = 0.99
Table = np.ndarray[Any, np.dtype[np.float64]]


def generate(n: int, seed: int) -> Table:
    """Draw customers; the crowds are the same for every seed."""
    shape = np.random.default_rng(0)
    centers, widths = shape.uniform(-12, 12, size=(6, 5)), shape.uniform(0.5, 1.5, size=6)
    rng = np.random.default_rng(seed)
    crowd = rng.choice(6, size=n, p=[0.3, 0.25, 0.2, 0.12, 0.08, 0.05])
    values = rng.normal(centers[crowd], widths[crowd][:, None])
    scattered = rng.random(n) < 0.15
    values[scattered] = rng.uniform(-18, 18, size=(scattered.sum(), 5))
    return values


def least(n: int) -> int:
    return max(15, round(0.02 * n))


def fit_ours(train: Table, **parameters: Any) -> Any:
    from segmentation.segmenters import HDBSCANSegmenter

    return HDBSCANSegmenter(least(len(train)), min_samples=MIN_SAMPLES, scale=None, **parameters).fit(train)


def fit_sample(train: Table) -> Any:
    return fit_ours(train, max_fit_customers=len(train) // 4, random_state=0)


def fit_bare(train: Table) -> Any:
    import hdbscan

    return hdbscan.HDBSCAN(least(len(train)), min_samples=MIN_SAMPLES, prediction_data=True, core_dist_n_jobs=1).fit(
        train.copy()
    )


def fit_sklearn(train: Table) -> Any:
    from sklearn.cluster import HDBSCAN

    return HDBSCAN(min_cluster_size=least(len(train)), min_samples=MIN_SAMPLES, copy=True).fit(train)


def predict_ours(model: Any, new: Table) -> Any:
    return model.predict(new)


def predict_bare(model: Any, new: Table) -> Any:
    import hdbscan

    return hdbscan.approximate_predict(model, new)[0]


def degrees_bare(model: Any, new: Table) -> Any:
    import hdbscan

    hdbscan.membership_vector(model, new)
    return predict_bare(model, new)


CONTENDERS: dict[str, tuple[Callable[..., Any], Callable[..., Any] | None]] = {
    "bare": (fit_bare, predict_bare),
    "bare, with degrees": (fit_bare, degrees_bare),
    "HDBSCANSegmenter": (fit_ours, predict_ours),
    "the same, sample of 1/4": (fit_sample, predict_ours),
    "scikit-learn's HDBSCAN": (fit_sklearn, None),
}


def resident(field: str) -> float:
    """Return VmRSS or VmHWM of this process in MiB, NaN where there is no /proc."""
    status = Path("/proc/self/status")
    found = re.search(rf"{field}:\s+(\d+) kB", status.read_text()) if status.is_file() else None
    return int(found.group(1)) / 1024 if found else float("nan")


def settle() -> float:
    """Give freed memory back, forget the peak, and return what is resident."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")
    return resident("VmRSS")


def clock(function: Callable[[], Any], repeat: int) -> tuple[float, float, Any]:
    """Return the fastest time, the peak memory of the first run in MiB, and the result."""
    before = settle()
    start = time.perf_counter()
    result = function()
    seconds = [time.perf_counter() - start]
    peak = resident("VmHWM") - before
    for _ in range(repeat - 1):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return min(seconds), peak, result


def measure(name: str, n: int, repeat: int, answers: Any) -> None:
    fit, predict = CONTENDERS[name]
    small = generate(200, 9)
    warnings.simplefilter("ignore")
    warm = fit(small)  # imports are not what is measured
    if predict is not None:
        predict(warm, small)
    train, new = generate(n, 1), generate(n, 2)
    fit_seconds, fit_peak, model = clock(lambda: fit(train), repeat)
    row = {"fit s": fit_seconds, "fit MiB": fit_peak, "predict s": np.nan, "predict MiB": np.nan}
    codes = None
    if predict is not None:
        row["predict s"], row["predict MiB"], codes = clock(lambda: predict(model, new), repeat)
    labels = getattr(model, "hdbscan_labels_", model.labels_)
    answers.put((row, np.asarray(labels), codes, float((np.asarray(model.labels_) < 0).mean())))


def in_own_process(*args: Any) -> Any:
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=measure, args=(*args, answers))
    process.start()
    answer = answers.get(timeout=900)
    process.join()
    return answer


def speed(n: int, repeat: int) -> bool:
    """Print time and memory of all contenders beside the first; tell whether the answers agree."""
    from sklearn.metrics import adjusted_rand_score

    columns = ["fit s", "fit MiB", "predict s", "predict MiB"]
    print(f"\n{n:,} customers" + " " * 13 + "".join(f"{name:>12} {'ratio':>6}" for name in columns), flush=True)
    found, reference = {}, {}
    for name in CONTENDERS:
        row, *found[name] = in_own_process(name, n, repeat)
        reference = reference or row
        cells = "".join(f"{row[c]:12.3f} {row[c] / reference[c]:6.2f}" for c in columns)
        print(f"{name:29}{cells}", flush=True)
    labels, codes, _ = found["bare"]
    ours_fit, ours_new, unassigned = found["HDBSCANSegmenter"]
    agreed = agreement(labels, ours_fit, codes, ours_new)
    print(f"unassigned {unassigned:.3f}; on unseen customers agreement with approximate_predict: {agreed:.4f}")
    print(f"labels of fit, adjusted Rand index to the package's: {adjusted_rand_score(labels, ours_fit):.4f}")
    for name in ("the same, sample of 1/4", "scikit-learn's HDBSCAN"):
        if name.startswith("scikit"):
            print(f"scikit-learn's labels, adjusted Rand index: {adjusted_rand_score(labels, found[name][0]):.4f}")
        else:
            print(f"unseen customers, learnt from a sample, index: {adjusted_rand_score(codes, found[name][1]):.4f}")
    return agreed >= LIMIT


def agreement(theirs_fit: Any, ours_fit: Any, theirs_new: Any, ours_new: Any) -> float:
    """Return the share of unseen customers with the same label, labels being matched through those of fit."""
    codes = [np.bincount(ours_fit[theirs_fit == label]).argmax() for label in range(theirs_fit.max() + 1)]
    return float((np.array([*codes, -1])[theirs_new] == ours_new).mean())


def real_table(folder: Path, name: str) -> pd.DataFrame | None:
    path = folder / name / f"{name}.parquet"
    if not path.is_file():
        return None
    table = pd.read_parquet(path)
    if name == "cc_general":
        table = table.drop(columns="CUST_ID")
    elif name == "marketing_campaign":
        table = table[["Income", "Recency", *(c for c in table if c.startswith(("Mnt", "Num")))]]
    elif name == "mcdonalds":
        table = table.iloc[:, :11] == "Yes"
    elif name == "volunteers":
        table = table.drop(columns=["GENDER", "AGEG"])
    elif name == "bfi":
        table = table[[f"{scale}{i}" for scale in "ACENO" for i in range(1, 6)]]
    table = table.astype(float)
    return table.fillna(table.median())


def quality() -> bool:
    """Print, on real tables, what was found and how it agrees; tell whether continuous ones do."""
    import hdbscan

    from segmentation.segmenters import HDBSCANSegmenter
    from segmentation.segmenters._scaling import apply_scaling

    folder = Path(os.environ.get("SEGMENTATION_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    good = True
    heads = "".join(f"{head:>11}" for head in ("rows", "repeated", "segments", "unassigned", "relabelled"))
    print(f"\n{'real tables':20}{heads} agreement")
    for name in ("cc_general", "marketing_campaign", "mcdonalds", "volunteers", "vacmot", "bfi"):
        table = real_table(folder, name)
        if table is None:
            print(f"{name:20} is not here")
            continue
        values = table.to_numpy()[np.random.default_rng(1).permutation(len(table))]
        train, new = np.split(values, [int(0.75 * len(values))])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            whole, model = HDBSCANSegmenter().fit(table), HDBSCANSegmenter().fit(train)
            bare = hdbscan.HDBSCAN(model.min_cluster_size_, min_samples=10, prediction_data=True, core_dist_n_jobs=1)
            bare.fit(apply_scaling(train, model.scaling_))
            theirs, _ = hdbscan.approximate_predict(bare, apply_scaling(new, model.scaling_))
        agreed = agreement(bare.labels_, model.hdbscan_labels_, theirs, model.predict(new))
        tied = whole.share_repeated_ > 0.1
        good &= tied or agreed >= LIMIT
        print(
            f"{name:20}{len(table):11,}{whole.share_repeated_:11.3f}{len(whole.segments_):11}"
            f"{whole.share_unassigned_:11.3f}{whole.n_relabelled_:11} {agreed:9.4f} "
            f"{'(tied: no limit)' if tied else f'(limit {LIMIT})'}",
            flush=True,
        )
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, nargs="+", default=[2000, 20_000])
    parser.add_argument("--repeat", type=int, default=3, help="runs for the clock; the fastest counts")
    options = parser.parse_args()
    good = [speed(n, options.repeat) for n in options.customers]
    good.append(quality())
    return int(not all(good))


if __name__ == "__main__":
    sys.exit(main())
