"""The sum of the logarithms of the days between purchases, against pandas, and what it does not depend on."""

import narwhals as nw
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation.datasets import load_cdnow
from segmentation.features import _intervals, btyd_table, calibration_holdout

COLUMNS = {"customer_id": "who", "timestamp": "when", "amount": "paid"}
CDNOW = {"customer_id": "customer_id", "timestamp": "timestamp", "amount": "amount"}


def by_pandas(orders, customer, day):
    days = orders[[customer, day]].drop_duplicates().sort_values([customer, day])
    return np.log(days.groupby(customer)[day].diff().dt.days).groupby(days[customer]).sum()


@pytest.mark.parametrize("end", ["1997-09-30", "1998-06-30"])
def test_cdnow(end):
    orders = load_cdnow()
    expected = by_pandas(orders[orders["timestamp"] <= end], "customer_id", "timestamp")
    found = btyd_table(orders, **CDNOW, observation_end=end)
    pd.testing.assert_series_equal(found["sum_log_intervals"], expected, check_names=False)
    assert (found.loc[found["frequency"] == 0, "sum_log_intervals"] == 0).all()
    if end == "1997-09-30":
        split = calibration_holdout(orders, **CDNOW, calibration_end=end)
        pd.testing.assert_series_equal(split["sum_log_intervals"], found["sum_log_intervals"], rtol=1e-12)


def test_weeks_are_counted_in_days():
    orders = load_cdnow()
    weeks = orders.assign(timestamp=orders["timestamp"] - pd.to_timedelta(orders["timestamp"].dt.day_of_week, unit="D"))
    found = btyd_table(orders, **CDNOW, granularity="W")["sum_log_intervals"]
    pd.testing.assert_series_equal(found, by_pandas(weeks, "customer_id", "timestamp"), check_names=False)


lines = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 60), st.integers(0, 9)), min_size=1, max_size=25)


@settings(deadline=None, max_examples=40)
@given(rows=lines, shuffled=st.randoms(use_true_random=False), refunds=lines)
def test_only_the_days_with_a_purchase_matter(rows, shuffled, refunds):
    """Neither the order of the lines, nor several a day, nor refunds change the intervals."""

    def table(triples):
        frame = pd.DataFrame(triples, columns=["who", "when", "paid"])
        frame["when"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(frame["when"], unit="D")
        result, _ = btyd_table(frame, **COLUMNS, observation_end="2024-12-31", return_report=True)
        return result

    expected = table(rows)
    more = [*rows, *rows[::2], *((who, day, -1 - paid) for who, day, paid in refunds)]
    shuffled.shuffle(more)
    found = table(more)
    pd.testing.assert_series_equal(found["sum_log_intervals"], expected["sum_log_intervals"], rtol=1e-12)
    x, recency = expected["frequency"].to_numpy(), expected["recency"].to_numpy()
    most = x * np.log(np.where(x > 0, recency, 1) / np.maximum(x, 1))
    assert (expected["sum_log_intervals"] <= most + 1e-9).all()


def test_customers_without_a_purchase_have_no_sum():
    codes, counted, days = np.array([0, 1, 1, 2, 1]), np.array([0, 1, 1, 0, 0]), np.array([5, 700_000, 700_008, 9, 3])
    assert _intervals._log_intervals(codes, 3, counted, days).sum() == pytest.approx(np.log(8))
    assert (_intervals._log_intervals(codes, 3, 0 * counted, days) == 0).all()


def test_texts_are_numbered_without_pyarrow_too(monkeypatch):
    polars = pytest.importorskip("polars")
    frame = nw.from_native(polars.DataFrame({"customer_id": ["b", "a", "b"], "n": [1, 1, 1], "day": [3, 4, 8]}))
    with_pyarrow = _intervals._of_frame(frame, "n", "day")
    monkeypatch.setattr(_intervals, "_dictionary", lambda texts: None)
    assert with_pyarrow.sum() == _intervals._of_frame(frame, "n", "day").sum() == np.log(5)
