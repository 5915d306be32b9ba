"""Retention: counted by hand, and equal to survival estimates of others on censored data."""

import datetime as dt
import warnings

import numpy as np
import pandas as pd
import pytest
from statsmodels.duration.survfunc import SurvfuncRight
from statsmodels.stats.proportion import proportion_confint

from segmentation.exceptions import ColumnError
from segmentation.monitoring import RetentionDisplay, retention
from segmentation.monitoring._retention_estimates import product_limit, wilson
from segmentation.monitoring._retention_read import last_day, period_label, period_number

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

NAMES = {"customer_id": "customer", "timestamp": "day"}


def orders_of(days):
    """Orders from {customer: [days]}."""
    return pd.DataFrame([{"customer": who, "day": day} for who, own in days.items() for day in own])


HAND = orders_of(
    {
        "a": ["2024-01-05", "2024-02-20", "2024-02-25", "2024-04-01"],
        "b": ["2024-01-31", "2024-03-01"],
        "c": ["2024-02-03"],
        "d": ["2024-04-30"],
    }
)


def simulated(n=1500, seed=0):
    """Customers who start over a year, buy at random and stop at random; observed for a year and a half."""
    rng = np.random.default_rng(seed)
    rows = []
    for customer in range(n):
        start = int(rng.integers(0, 365))
        life = rng.exponential(200 if customer % 2 else 500)
        t, rate = 0.0, rng.gamma(3, 1 / 90)
        while t <= life and start + t < 540:
            rows.append((customer, dt.date(2023, 1, 1) + dt.timedelta(days=start + int(t))))
            t += rng.exponential(1 / rate)
    return pd.DataFrame(rows, columns=["customer", "day"])


def durations(orders, end, inactive_after, who=None):
    """Find lapses in a loop over days of each customer: the definition, word for word."""
    found = []
    for customer, days in orders.groupby("customer")["day"]:
        if who is not None and customer not in who:
            continue
        days = set(days)
        start = day = min(days)
        last = day
        while True:
            if day in days:
                last = day
            if (day - last).days >= inactive_after:
                found.append(((day - start).days, True))
                break
            if day == end:
                found.append(((day - start).days, False))
                break
            day += dt.timedelta(days=1)
    table = np.array(found)
    return table[:, 0], table[:, 1].astype(bool)


# ------------------------------------------------------------------ bought in period n
def test_counted_by_hand():
    found = retention(HAND, **NAMES, as_of="2024-04-30")
    shares = found.triangle()
    assert shares.index.tolist() == ["2024-01", "2024-02", "2024-04", "everyone"]
    assert shares.loc["2024-01"].tolist() == [1, 0.5, 0.5, 0.5]
    assert shares.loc["2024-02"].tolist()[:3] == [1, 0, 0]
    assert shares.loc["2024-02"].isna().tolist() == [False, False, False, True]
    assert shares.loc["2024-04"].isna().tolist() == [False, True, True, True]
    assert shares.loc["everyone"].tolist() == pytest.approx([1, 1 / 3, 1 / 3, 1 / 2])
    everyone = found.table[found.table["group"] == "everyone"]
    assert everyone["n_observed"].tolist() == [4, 3, 3, 2]
    assert everyone["n_censored"].tolist() == [0, 1, 1, 2]
    assert everyone["n_active"].tolist() == [4, 1, 1, 1]


def test_a_period_that_is_not_over_is_censored_and_said():
    found = retention(HAND, **NAMES, as_of="2024-04-29")
    assert found.triangle().loc["2024-01"].tolist() == [1, 0.5, 0.5]
    assert found.settings["last_complete_period"] == "2024-03"
    assert any("2024-04 was not over on 2024-04-29" in text for text in found.warnings)
    assert any("1 after as_of" in text for text in found.warnings)


def test_intervals_are_wilsons():
    hits, trials = np.array([0, 3, 50]), np.array([10, 10, 50])
    low, high = wilson(hits, trials, 0.9)
    expected = proportion_confint(hits, trials, alpha=0.1, method="wilson")
    np.testing.assert_allclose(low, expected[0], atol=1e-12)
    np.testing.assert_allclose(high, expected[1], atol=1e-12)
    found = retention(simulated(200), **NAMES, level=0.8)
    row = found.table[(found.table["group"] == "everyone") & (found.table["n"] == 3)].iloc[0]
    expected = proportion_confint(row["n_active"], row["n_observed"], alpha=0.2, method="wilson")
    assert [row["active_low"], row["active_high"]] == pytest.approx(expected)


@pytest.mark.parametrize("period", ["week", "month", "quarter", "year"])
def test_periods_are_those_of_pandas(period):
    days = pd.date_range("2019-12-20", "2024-03-05", freq="11D")
    ordinals = np.array([day.toordinal() for day in days])
    theirs = days.to_period({"week": "W-SUN", "month": "M", "quarter": "Q", "year": "Y"}[period])
    numbers = period_number(ordinals, period)
    np.testing.assert_array_equal(np.diff(numbers), np.diff(theirs.astype("int64")))
    for number, their in zip(numbers, theirs, strict=True):
        assert period_label(int(number), period) == (str(their.start_time.date()) if period == "week" else str(their))
        assert last_day(int(number), period) == their.end_time.toordinal()


def test_the_table_agrees_with_pandas_on_random_orders():
    orders = simulated(300)
    found = retention(orders, **NAMES, period="quarter", as_of="2024-06-30").triangle("n_active")
    quarter = pd.to_datetime(orders["day"]).dt.to_period("Q")
    first = quarter.groupby(orders["customer"]).transform("min")
    n = (quarter - first).map(lambda step: step.n)
    counted = orders.assign(first=first.astype(str), n=n).groupby(["first", "n"])["customer"].nunique()
    for (cohort, step), value in counted.items():
        assert found.loc[cohort, step] == value


# ------------------------------------------------------------------ not yet lapsed
def test_lapses_by_hand():
    days = orders_of({"a": ["2024-01-01", "2024-01-11"], "b": ["2024-01-01", "2024-01-12"], "c": ["2024-01-20"]})
    found = retention(days, **NAMES, as_of="2024-01-25", inactive_after=10)
    everyone = found.survival[found.survival["group"] == "everyone"]
    # b lapses on day 10 (and comes back), a on day 20, because a purchase on the tenth day is in time; c is censored
    assert everyone["day"].tolist() == [0, 10, 20]
    assert everyone["n_lapsed"].tolist() == [0, 1, 1]
    assert everyone["n_at_risk"].tolist() == [3, 2, 1]
    assert everyone["not_lapsed"].tolist() == [1, 0.5, 0]
    assert (found.settings["n_lapsed"], found.settings["n_censored"], found.settings["n_returned"]) == (2, 1, 1)
    assert any("50.0 % of those who lapsed bought again" in text for text in found.warnings)


@pytest.mark.parametrize("inactive_after", [120, 250])
def test_survival_equals_the_definition_and_statsmodels(inactive_after):
    orders = simulated(400)
    end = max(orders["day"])
    found = retention(orders, **NAMES, inactive_after=inactive_after)
    days, lapsed = durations(orders, end, inactive_after)
    assert 0.05 < lapsed.mean() < 0.98  # censoring matters
    theirs = SurvfuncRight(days, lapsed.astype(float))
    own = found.survival[(found.survival["group"] == "everyone") & (found.survival["day"] > 0)]
    np.testing.assert_array_equal(own["day"], theirs.surv_times)
    np.testing.assert_allclose(own["not_lapsed"], theirs.surv_prob, atol=1e-12)
    np.testing.assert_array_equal(own["n_at_risk"], theirs.n_risk)


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_survival_and_its_intervals_equal_lifelines(level):
    lifelines = pytest.importorskip("lifelines", reason="lifelines is not installed")
    orders = simulated(600, seed=1)
    segment = pd.Series(
        {customer: "odd" if customer % 2 else "even" for customer in orders["customer"].unique()}, name="segment"
    )
    found = retention(orders, segment, by="segment", inactive_after=100, level=level, **NAMES)
    for name in ("odd", "even"):
        who = set(segment.index[segment == name])
        days, lapsed = durations(orders, max(orders["day"]), 100, who)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of lifelines, about pandas
            theirs = lifelines.KaplanMeierFitter(alpha=1 - level).fit(days, lapsed)
        own = found.survival[found.survival["group"] == name].set_index("day")
        curve = theirs.survival_function_.iloc[:, 0]
        ends = theirs.confidence_interval_
        assert len(own) > 50
        np.testing.assert_allclose(own["not_lapsed"], curve.loc[own.index], atol=1e-12)
        inside = own.index[(own["not_lapsed"] < 1) & (own["not_lapsed"] > 0)]
        np.testing.assert_allclose(own.loc[inside, "not_lapsed_low"], ends.loc[inside].iloc[:, 0], atol=1e-12)
        np.testing.assert_allclose(own.loc[inside, "not_lapsed_high"], ends.loc[inside].iloc[:, 1], atol=1e-12)
        median = theirs.median_survival_time_
        assert found.medians[name] == median or (np.isinf(median) and np.isnan(found.medians[name]))


def test_censoring_is_not_ignored():
    """Stopping rates are recovered where counting only those whose end was seen would not."""
    rng = np.random.default_rng(3)
    true, end = rng.exponential(300, 4000), rng.uniform(100, 400, 4000)
    days = np.minimum(true, end).round().astype(np.int64)
    curve = product_limit(days, true <= end, 0.9).set_index("day")["not_lapsed"]
    assert curve.loc[:200].iloc[-1] == pytest.approx(np.exp(-200 / 300), abs=0.03)
    naive = (days[true <= end] > 200).mean()
    assert abs(naive - np.exp(-200 / 300)) > 0.2


def test_not_lapsed_at_days():
    found = retention(HAND, **NAMES, as_of="2024-04-30", inactive_after=40)
    table = found.not_lapsed_at([0, 40, 4000]).set_index(["group", "day"])["not_lapsed"]
    assert table["everyone", 0] == 1
    assert np.isnan(table["everyone", 4000])
    with pytest.raises(ValueError, match="at least 0"):
        found.not_lapsed_at(-1)


# ------------------------------------------------------------------ segments
def test_segments_unassigned_and_customers_on_one_side_only():
    assignment = pd.Series({"a": "loyal", "b": None, "z": "loyal"}, name="segment")
    found = retention(HAND, assignment, by="segment", **NAMES)
    sizes = found.table.drop_duplicates("group").set_index("group")["n_customers"].to_dict()
    assert sizes == {"loyal": 1, "unassigned": 1, "(not in the assignment)": 2, "everyone": 4}
    text = " ".join(found.warnings)
    assert "1 customer of the assignment without a purchase" in text
    assert "2 customers of the orders not in the assignment" in text
    assert "since=" in text  # segments learnt from later purchases look better


def test_followed_since_the_day_of_the_assignment():
    assignment = pd.Series({"a": "x", "b": "y", "c": "y", "d": "y"}, name="segment")
    found = retention(
        HAND, assignment, by="segment", since="2024-02-29", as_of="2024-04-30", inactive_after=25, **NAMES
    )
    shares = found.triangle()
    assert shares.loc["x"].tolist() == [1, 0, 1]
    assert shares.loc["y"].tolist() == [0.5, 0.5, 0]  # b and c; d came later
    assert any("1 customer first bought after 2024-02-29: left out" in text for text in found.warnings)
    # b (last purchase January 31) and c (February 3) had lapsed on February 25 and 28; b's purchase came too late
    assert found.settings["n_lapsed_before"] == 2
    x = found.survival[found.survival["group"] == "x"]
    assert x["day"].tolist() == [0, 21]  # February 25 and 25 days


def test_only_customers_of_the_assignment_are_followed_by_cohort():
    found = retention(HAND, pd.Series({"a": "x", "c": "x"}, name="segment"), **NAMES)
    assert found.settings["n_customers"] == 2
    assert any("2 customers of the orders not in the assignment: not followed" in text for text in found.warnings)


def test_refunds_are_no_purchases_and_lines_left_out_are_counted():
    orders = HAND.assign(amount=[1.0, -1, 0, 1, 1, 1, 1, 1])
    orders.loc[len(orders)] = [None, "2024-01-01", 1.0]
    found = retention(orders, **NAMES, amount="amount", as_of="2024-04-30")
    text = " ".join(found.warnings)
    assert "1 without a customer id" in text
    assert "1 that are refunds" in text
    assert found.triangle().loc["2024-01"].tolist() == [1, 0.5, 0.5, 0.5]  # February 25 cost nothing, and counts


@pytest.mark.parametrize("kind", ["polars", "pyarrow", "duckdb"])
def test_orders_of_other_libraries(kind):
    library = pytest.importorskip(kind)
    orders = HAND.assign(day=pd.to_datetime(HAND["day"]))
    if kind == "polars":
        theirs = library.from_pandas(orders).lazy()
    elif kind == "pyarrow":
        theirs = library.Table.from_pandas(orders)
    else:
        theirs = library.from_df(orders)
    pd.testing.assert_frame_equal(retention(theirs, **NAMES).table, retention(orders, **NAMES).table)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"by": "segmen"}, ValueError, "Did you mean 'segment'"),
        ({"by": "segment"}, ValueError, "needs an assignment"),
        ({"period": "day"}, ValueError, "period must be one of"),
        ({"inactive_after": 0}, ValueError, "inactive_after"),
        ({"inactive_after": 1.5}, ValueError, "inactive_after"),
        ({"level": 0}, ValueError, "level"),
        ({"since": "2025-01-01"}, ValueError, "is after the last day"),
        ({"since": "2023-01-01"}, ValueError, "no customer had bought"),
        ({"timestamp": "date"}, ColumnError, "date"),
        ({"assignment": pd.Series({"y": "x"}, name="segment")}, ValueError, "are the ids of one kind"),
        ({"assignment": pd.Series({"a": "everyone"}, name="segment"), "by": "segment"}, ValueError, "relabel"),
    ],
)
def test_arguments_that_are_refused(options, error, words):
    with pytest.raises(error, match=words):
        retention(HAND, **(NAMES | options))


def test_nothing_but_refunds():
    with pytest.raises(ValueError, match="no purchase"):
        retention(HAND.assign(amount=-1.0), **NAMES, amount="amount")


# ------------------------------------------------------------------ result and pictures
def test_as_a_result():
    found = retention(simulated(200), **NAMES)
    assert str(found).startswith("Retention of 200 customers by cohort: ")
    assert "everyone" in str(found)
    assert found.to_dict()["settings"]["inactive_after"] == 180
    assert "<table" in found._repr_html_()
    assert found.triangle("n_active").loc["everyone", 0] == 200
    with pytest.raises(ValueError, match="value must be"):
        found.triangle("share")


def test_the_triangle_shows_what_is_known():
    found = retention(HAND, **NAMES, as_of="2024-04-30")
    display = RetentionDisplay.from_retention(found).plot()
    texts = [text.get_text() for text in display.ax_.texts]
    assert len(texts) == found.triangle().drop(columns=0).notna().to_numpy().sum()
    assert "50" in texts
    labels = [tick.get_text() for tick in display.ax_.get_yticklabels()]
    assert labels == ["2024-01  (2)", "2024-02  (1)", "2024-04  (1)", "everyone  (4)"]
    matplotlib.pyplot.close("all")


@pytest.mark.parametrize("kind", ["lines", "survival"])
def test_a_panel_per_segment(kind):
    orders = simulated(300)
    names = pd.Series({customer: f"{'word ' * 16}{customer % 30}" for customer in orders["customer"].unique()})
    found = retention(orders, names.rename("segment"), by="segment", **NAMES)
    display = RetentionDisplay(found, kind=kind, n_groups=4).plot()
    assert display.drawn_["group"].nunique() == 4
    assert "26 smaller groups not drawn" in display.figure_.get_suptitle()
    _, ax = matplotlib.pyplot.subplots()
    found.plot(ax, kind=kind, n_groups=2)
    assert len(ax.child_axes) == 2
    with pytest.raises(ValueError, match="kind"):
        found.plot(kind="pie")
    matplotlib.pyplot.close("all")
