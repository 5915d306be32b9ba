"""check_purchases: every check at its thresholds, figures by hand, what each finding would lead to, bad input."""

import json
import math
from dataclasses import FrozenInstanceError

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from segmentation.datasets import load_cdnow, make_market
from segmentation.exceptions import ColumnError, CustomerTableError
from segmentation.features import btyd_table, rfm_table
from segmentation.scorers import PurchaseChecks, check_purchases

COLUMNS = {"customer_id": "customer_id", "timestamp": "timestamp", "amount": "amount"}


def table_of(frequency, recency, T, spend=None):
    table = pd.DataFrame({"frequency": frequency, "recency": recency, "T": T}, dtype=float)
    table["monetary_value"] = np.where(table["frequency"] > 0, 10.0 + np.arange(len(table)) % 7, 0.0)
    if spend is not None:
        table["monetary_value"] = spend
    return table


def healthy(n=400, seed=0):
    """Customers who began evenly over 400 days, half of them back within weeks, spend apart from frequency."""
    rng = np.random.default_rng(seed)
    T = np.floor(np.linspace(1, 400, n))
    x = np.where(rng.random(n) < 0.5, rng.integers(1, 9, n), 0).astype(float)
    recency = np.where(x > 0, np.ceil(T * rng.uniform(0.3, 1.0, n)), 0.0)
    recency[n - 1] = T[n - 1] if x[n - 1] else 0.0
    return table_of(x, recency, T, np.where(x > 0, np.round(rng.gamma(6, 5, n), 2) + 0.01, 0.0))


@pytest.fixture(scope="module")
def cdnow():
    return btyd_table(load_cdnow(), **COLUMNS, observation_end="1997-09-30")


# --- a table without a fault, and a real one -------------------------------------------------------------------------


def test_a_healthy_table_passes():
    found = check_purchases(healthy(), horizon_days=365)
    assert found.passed
    assert [check.status for check in found.checks] == ["ok"] * len(found.checks)
    assert [check.advice for check in found.checks] == [""] * len(found.checks)
    assert str(found).startswith("400 customers, horizon 365 days: nothing speaks against a fit")


def test_cdnow(cdnow):
    found = check_purchases(cdnow, horizon_days=270)
    assert found.passed
    assert found["repeat_customers"].evidence == {"n_customers": 2357, "n_repeaters": 946, "share": 946 / 2357}
    # all began in the first twelve weeks: a chosen cohort, which a table cannot tell from old customers
    assert [check.name for check in found.checks if check.status == "note"] == ["old_customers_as_new"]
    repeat = cdnow[cdnow["frequency"] > 0]
    rho = spearmanr(repeat["frequency"], repeat["monetary_value"])
    figures = found["spend_and_frequency"].evidence
    assert figures["rank_correlation"] == pytest.approx(rho.statistic)
    assert np.log(figures["p_value"]) == pytest.approx(np.log(rho.pvalue), rel=0.05)  # ours is normal, scipy's is t
    gap = found["history_for_rhythm"].evidence
    assert gap["median_gap_days"] == np.median(repeat["recency"] / repeat["frequency"])
    assert gap["median_T_days"] == cdnow["T"].median()


def test_a_simulated_market_passes():
    market = make_market(2000, random_state=0)
    table = btyd_table(market.orders, **COLUMNS, observation_end=market.observation_end)
    assert check_purchases(table).passed


# --- check by check --------------------------------------------------------------------------------------------------


def test_nobody_was_observed():
    found = check_purchases(table_of([0, 0], [0, 0], [0, 0]))
    assert found["time_observed"].status == found["repeat_customers"].status == "impossible"
    assert [check.name for check in found.checks] == ["time_observed", "repeat_customers"]
    assert not found.passed
    assert "impossible: time_observed, repeat_customers" in str(found)


def test_nobody_bought_again():
    found = check_purchases(table_of([0] * 40, [0] * 40, range(1, 41)))
    check = found["repeat_customers"]
    assert (check.status, check.finding) == ("impossible", "0 of 40 customers have bought again")
    assert "ids are not new with every order" in check.advice
    with pytest.raises(KeyError, match="no check 'spend_varies'; there are time_observed"):
        found["spend_varies"]


@pytest.mark.parametrize(("n", "status"), [(1, "doubtful"), (29, "doubtful"), (30, "note"), (99, "note"), (100, "ok")])
def test_repeat_customers(n, status):
    x = np.r_[np.ones(n), np.zeros(200)]
    found = check_purchases(table_of(x, x * 5, [100] * len(x)))["repeat_customers"]
    assert found.status == status
    assert found.finding.startswith(f"{n} of {n + 200} customers {'has' if n == 1 else 'have'} bought again")


def test_no_one_time_buyers():
    table = healthy()
    found = check_purchases(table[table["frequency"] > 0])["one_time_buyers"]
    assert found.status == "doubtful"
    assert "put them back (frequency 0, recency 0)" in found.advice
    assert check_purchases(table)["one_time_buyers"].evidence["n_one_time_buyers"] == (table["frequency"] == 0).sum()


@pytest.mark.parametrize(("horizon", "status"), [(400, "ok"), (401, "note"), (800, "note"), (801, "doubtful")])
def test_history_against_the_horizon(horizon, status):
    found = check_purchases(healthy(), horizon_days=horizon)["history_for_horizon"]
    assert found.status == status
    assert ("Forecast at most 400 days" in found.advice) == (status != "ok")


@pytest.mark.parametrize(("gap", "status"), [(50, "ok"), (51, "note"), (100, "note"), (101, "doubtful")])
def test_history_against_the_rhythm(gap, status):
    """Half of the customers are observed for 100 days or more."""
    x = np.r_[np.ones(60), np.zeros(60)]
    T = np.r_[[300.0] * 60, [100.0] * 60]
    T[:1] = 100.0
    found = check_purchases(table_of(x, np.minimum(x * gap, T), T))["history_for_rhythm"]
    assert found.evidence["median_T_days"] == pytest.approx(100)
    assert found.evidence["median_gap_days"] == gap
    assert found.status == status


def test_a_dominant_customer():
    table = healthy()
    total = table["frequency"].sum()
    table.loc[399, ["frequency", "recency", "monetary_value"]] = [np.ceil(total / 3), table.loc[399, "T"], 60.0]
    found = check_purchases(table)
    assert found["one_customer"].status == "note"
    assert found["one_customer"].evidence["share"] > 0.2
    assert found["spend_of_one"].status == "note"
    assert found.passed


@pytest.mark.parametrize(
    ("days", "status"), [(0, "ok"), (3, "ok"), (4, "note"), (14, "note"), (15, "doubtful"), (90, "doubtful")]
)
def test_a_quiet_end(days, status):
    """About one last purchase a day until the end that was moved; weekends and short gaps are no finding."""
    table = healthy(2000)
    since = table["T"] - table["recency"]
    table = table[since > 0] if days else table
    found = check_purchases(table.assign(T=table["T"] + max(days - 1, 0)))["quiet_end"]
    assert found.evidence["days_without_purchase"] == days
    assert found.status == status


def test_the_chance_of_a_quiet_end_is_right():
    """Poisson streams cut at an arbitrary day: the chance is uniform, so it is below 0.1 in a tenth of 400 of them."""
    rng, low = np.random.default_rng(1), 0
    for _ in range(400):
        since = np.cumsum(rng.exponential(5.0, 60))
        T = np.full(60, 400.0) + rng.uniform(0, 1, 60)
        found = check_purchases(table_of(np.ones(60), np.maximum(T - since, 0.5), T), spend=False)["quiet_end"]
        low += found.evidence["chance"] < 0.1
    assert 22 <= low <= 60


def test_old_customers_look_new():
    table = healthy()
    crowd = pd.concat([table, table[table["T"] > 390].sample(90, replace=True, random_state=0)], ignore_index=True)
    share = (crowd["T"] >= 360).mean()
    found = check_purchases(crowd)["old_customers_as_new"]
    assert (found.status, found.evidence["share_of_first_purchases"]) == ("note", share)
    assert check_purchases(table)["old_customers_as_new"].status == "ok"


def test_one_cohort():
    table = healthy()
    same = table.assign(T=400.0)
    found = check_purchases(same)
    assert (found["one_cohort"].status, found["one_cohort"].finding) == ("note", "T is 400 days for everybody")
    assert found["old_customers_as_new"].status == "ok"


@pytest.mark.parametrize(
    ("zero", "negative", "status"), [(0, 0, "ok"), (5, 5, "note"), (6, 5, "doubtful"), (60, 40, "impossible")]
)
def test_spend_that_is_not_positive(zero, negative, status):
    """Of 100 repeat customers; up to 10 % are worth knowing."""
    spend = np.r_[np.zeros(zero), np.full(negative, -3.0), np.linspace(5, 9, 100 - zero - negative), np.zeros(50)]
    x = np.r_[np.ones(100), np.zeros(50)]
    found = check_purchases(table_of(x, x * 5, np.linspace(50, 90, 150), spend))["positive_spend"]
    assert found.status == status
    assert found.evidence == {"n_zero": zero, "n_negative": negative, "share": (zero + negative) / 100}


def test_constant_spend():
    table = healthy()
    found = check_purchases(table.assign(monetary_value=12.5))
    assert (found["spend_varies"].status, found["spend_varies"].finding) == (
        "note",
        "all repeat customers spend 12.50 per purchase",
    )
    assert "spend_and_frequency" not in found.to_pandas().index


def correlated(strength, n=200):
    rng = np.random.default_rng(5)
    x = np.arange(1, n + 1, dtype=float)
    order = strength * (x - x.mean()) / x.std() + math.sqrt(1 - strength**2) * rng.normal(size=n)
    return table_of(x, x, np.linspace(300, 400, n), np.exp(0.2 * order))


@pytest.mark.parametrize(("strength", "status"), [(0.15, "ok"), (0.3, "note"), (-0.42, "note"), (0.8, "doubtful")])
def test_spend_that_depends_on_frequency(strength, status):
    table = correlated(strength)
    found = check_purchases(table)["spend_and_frequency"]
    assert found.status == status
    assert found.evidence["rank_correlation"] == pytest.approx(
        spearmanr(table["frequency"], table["monetary_value"]).statistic
    )
    often = table.loc[table["frequency"] >= np.quantile(table["frequency"], 0.9), "monetary_value"].mean()
    rare = table.loc[table["frequency"] == 1, "monetary_value"].mean()
    assert found.evidence["spend_of_frequent_to_rare"] == pytest.approx(often / rare)


def test_p_values_of_small_tables_are_permuted():
    table = correlated(0.3, n=50)
    found = check_purchases(table)["spend_and_frequency"].evidence
    assert found["p_value"] == pytest.approx(spearmanr(table["frequency"], table["monetary_value"]).pvalue, abs=0.03)
    assert found == check_purchases(table)["spend_and_frequency"].evidence


# --- properties and bad input ----------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(1, 300), st.integers(0, 300), st.floats(-50, 500)),
        min_size=1,
        max_size=60,
    ),
    st.floats(0.1, 5000),
)
def test_any_possible_table_is_answered_with_finite_figures(rows, horizon):
    x, recency, more, spend = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    table = table_of(x, np.where(x > 0, recency, 0), np.where(x > 0, recency, 0) + more, spend)
    found = check_purchases(table, horizon_days=horizon)
    assert all(math.isfinite(value) for check in found.checks for value in check.evidence.values())
    assert all(bool(check.advice) == (check.status != "ok") for check in found.checks)
    shuffled = check_purchases(table.sample(frac=1, random_state=0), horizon_days=horizon)
    assert [check.status for check in shuffled.checks] == [check.status for check in found.checks]
    json.dumps(found.to_dict(), allow_nan=False)


def test_missing_columns(cdnow):
    with pytest.raises(ColumnError, match=r"check_purchases missing: 'monetary_value'.*Without money: spend=False"):
        check_purchases(cdnow.drop(columns="monetary_value"))
    assert check_purchases(cdnow.drop(columns="monetary_value"), spend=False).passed
    with pytest.raises(ColumnError, match=r"looks like an RFM table; make this one with segmentation.features.btyd"):
        check_purchases(rfm_table(load_cdnow(), **COLUMNS))


def test_impossible_values_are_errors_not_findings(cdnow):
    with pytest.raises(CustomerTableError, match=r"check_purchases: recency .* cannot exceed T"):
        check_purchases(cdnow.assign(T=1.0))


@pytest.mark.parametrize("horizon", [0, -1, float("nan"), float("inf"), "year", True])
def test_horizons_that_mean_nothing(cdnow, horizon):
    with pytest.raises(ValueError, match="horizon_days must be a positive number"):
        check_purchases(cdnow, horizon_days=horizon)


def test_an_empty_table(cdnow):
    with pytest.raises(ValueError, match="the table has no customers"):
        check_purchases(cdnow.iloc[:0])


def test_any_frame(cdnow):
    frame = pl.from_pandas(cdnow.reset_index())
    assert check_purchases(frame).to_dict() == check_purchases(cdnow).to_dict()


def test_the_result_is_a_value(cdnow):
    found = check_purchases(cdnow.iloc[:20])
    assert isinstance(found, PurchaseChecks)
    with pytest.raises(FrozenInstanceError):
        found.n_customers = 3
    table = found.to_pandas()
    assert table.loc["repeat_customers", "status"] == "doubtful"
    assert table.index.tolist() == [check.name for check in found.checks]
    assert found.to_dict()["passed"] is False
    assert "doubtful: repeat_customers" in found._repr_html_()
    assert "-> Use a longer history or more customers" in " ".join(str(found).split())
