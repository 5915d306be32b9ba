"""Figures of the literature and of lifetimes, on CDNOW and on Online Retail II."""

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from segmentation.datasets import load_cdnow
from segmentation.exceptions import DroppedRowsWarning
from segmentation.features import btyd_table, calibration_holdout, rfm_table

CDNOW = {"customer_id": "customer_id", "timestamp": "timestamp", "amount": "amount"}
RETAIL = {"customer_id": "Customer ID", "timestamp": "InvoiceDate", "amount": "amount"}
GRANULARITIES = [("D", 1), ("W", 7)]


def in_days(summary, days, columns):
    """Lifetimes gives times in the unit of its `freq`, as floats throughout."""
    return summary.sort_index().assign(**{name: summary[name] * days for name in columns})


@pytest.mark.parametrize("end", [None, "1997-09-30"])
@pytest.mark.parametrize(("granularity", "days"), GRANULARITIES)
def test_btyd_table_equals_lifetimes_on_cdnow(lifetimes_utils, granularity, days, end):
    orders = load_cdnow()
    theirs = lifetimes_utils.summary_data_from_transaction_data(
        orders, "customer_id", "timestamp", "amount", observation_period_end=end, freq=granularity
    )
    ours = btyd_table(orders, **CDNOW, observation_end=end, granularity=granularity)
    counts = ["frequency", "recency", "T"]
    theirs = in_days(theirs, days, ["recency", "T"])
    assert_frame_equal(ours[counts], theirs[counts], check_dtype=False, check_exact=True)
    assert_frame_equal(ours[theirs.columns], theirs, check_dtype=False, rtol=1e-12)


@pytest.mark.parametrize(("granularity", "days"), GRANULARITIES)
def test_calibration_equals_lifetimes_on_cdnow(lifetimes_utils, granularity, days):
    orders = load_cdnow()
    theirs = lifetimes_utils.calibration_and_holdout_data(
        orders, "customer_id", "timestamp", "1997-09-30", freq=granularity, monetary_value_col="amount"
    )
    ours = calibration_holdout(orders, **CDNOW, calibration_end="1997-09-30", granularity=granularity)
    theirs.columns = theirs.columns.str.removesuffix("_cal")
    # Both ends are Tuesdays, so a whole number of weeks apart; the money of the holdout is defined otherwise.
    theirs = in_days(theirs, days, ["recency", "T", "duration_holdout"])
    same = ["frequency", "recency", "T", "monetary_value", "frequency_holdout", "duration_holdout"]
    assert_frame_equal(ours[same], theirs[same], check_dtype=False, rtol=1e-12)


def test_holdout_money_is_per_purchase_day_and_not_per_line():
    orders = load_cdnow()
    ours = calibration_holdout(orders, **CDNOW, calibration_end="1997-09-30")
    holdout = orders[orders["timestamp"] > "1997-09-30"]
    total = holdout["amount"].sum()
    assert (ours["monetary_value_holdout"] * ours["frequency_holdout"]).sum() == pytest.approx(total)
    assert (ours.loc[ours["frequency_holdout"] == 0, "monetary_value_holdout"] == 0).all()


@pytest.mark.parametrize(
    ("granularity", "whole_period", "cut", "holdout"), [("D", 2_457, 2_457, 1_882), ("W", 2_248, 2_216, 1_788)]
)
def test_repeat_purchases_on_cdnow(granularity, whole_period, cut, holdout):
    """The 2,457 and 1,882 repeat purchases by day are those of Fader, Hardie and Lee (2005)."""
    orders = load_cdnow()
    observed = btyd_table(orders, **CDNOW, observation_end="1997-09-30", granularity=granularity)
    split = calibration_holdout(orders, **CDNOW, calibration_end="1997-09-30", granularity=granularity)
    assert observed["frequency"].sum() == whole_period
    assert split["frequency"].sum() == cut
    assert split["frequency_holdout"].sum() == holdout


def test_repeat_buyers_on_cdnow():
    """946 customers enter the Gamma-Gamma model of Fader and Hardie (2013), note 025."""
    table = btyd_table(load_cdnow(), **CDNOW, observation_end="1997-09-30")
    assert (table["frequency"] > 0).sum() == 946
    assert (table["monetary_value"] > 0).sum() == 946


def test_rfm_table_on_cdnow():
    orders = load_cdnow()
    table = rfm_table(orders, **CDNOW)
    assert len(table) == 2_357
    assert round((table["n_purchases"] == 1).mean(), 3) == 0.517
    assert table["total_spend"].sum() == pytest.approx(orders["amount"].sum())
    assert table["days_since_last_purchase"].min() == 0
    assert [str(dtype) for dtype in table.dtypes] == ["float64", "int64", "float64"]
    assert table.index.name == "customer_id"


@pytest.fixture(scope="module")
def retail(shared_data):
    """Online Retail II with the overlap of its two sheets cut, and the amount derived."""
    lines = pd.read_parquet(shared_data / "online_retail_ii" / "online_retail_ii_rebuilt.parquet")
    second = lines["sheet"] == "Year 2010-2011"
    starts = lines.loc[second, "InvoiceDate"].min().normalize()
    lines = lines[second | (lines["InvoiceDate"] < starts)]
    return lines.assign(amount=lines["Quantity"] * lines["Price"])


@pytest.mark.parametrize("end", [None, "2011-06-30"])
@pytest.mark.parametrize(("granularity", "days"), GRANULARITIES)
def test_btyd_table_equals_lifetimes_on_online_retail(lifetimes_utils, retail, granularity, days, end):
    clean = retail[retail["Customer ID"].notna() & (retail["amount"] >= 0)].astype({"Customer ID": "int64"})
    theirs = lifetimes_utils.summary_data_from_transaction_data(
        clean, "Customer ID", "InvoiceDate", "amount", observation_period_end=end, freq=granularity
    )
    ours, report = btyd_table(
        retail, **RETAIL, refunds="drop", granularity=granularity, observation_end=end, return_report=True
    )
    theirs = in_days(theirs, days, ["recency", "T"]).rename_axis("customer_id")
    counts = ["frequency", "recency", "T"]
    assert_frame_equal(ours[counts], theirs[counts], check_dtype=False, check_exact=True)
    assert_frame_equal(ours[theirs.columns], theirs, check_dtype=False, rtol=1e-12)
    assert report.n_missing_customer == 235_287
    assert report.n_used == report.n_rows - report.n_left_out


def test_rfm_table_on_online_retail(retail):
    table, report = rfm_table(retail, **RETAIL, return_report=True)
    assert table.index.dtype == "int64"
    assert report.n_rows == 1_044_847
    assert report.left_out == {
        "n_missing_customer": 235_287,
        "n_bad_timestamp": 0,
        "n_bad_amount": 0,
        "n_after_end": 0,
        "n_refunds_dropped": 0,
        "n_refund_only_rows": 128,
        "n_new_in_holdout_rows": 0,
    }
    named = retail[retail["Customer ID"].notna()]
    buyers = named.groupby("Customer ID")["amount"].transform("max") >= 0
    assert len(table) == named.loc[buyers, "Customer ID"].nunique() == 5_881
    assert report.n_refund_only_customers == named["Customer ID"].nunique() - 5_881
    assert table["total_spend"].sum() == pytest.approx(named.loc[buyers, "amount"].sum())
    days = named[named["amount"] >= 0].assign(day=named["InvoiceDate"].dt.normalize())
    assert (table["n_purchases"] == days.groupby("Customer ID")["day"].nunique().to_numpy()).all()


def test_the_warning_on_online_retail_counts_and_names(retail):
    with pytest.warns(DroppedRowsWarning, match=r"235,415 rows of 1,044,847 left out: 235,287 without a customer"):
        rfm_table(retail, **RETAIL)
