"""Returns: known answers, everything adds up, and nothing is dropped."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from segmentation._multiplicity import holm
from segmentation.allocation import Resource, allocate
from segmentation.curves import LogCurve
from segmentation.exceptions import ColumnError
from segmentation.monitoring import LedgerError, ReturnLedger, ReturnsDisplay
from segmentation.monitoring._returns_estimates import natural, ratio, trend

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")


@pytest.fixture
def ledger(tmp_path):
    with ReturnLedger(tmp_path / "returns.db") as opened:
        yield opened


def rows(n_periods=6, seed=0, segments=("loyal", "new")):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        [
            {
                "segment": segment, "action": action, "period": f"2024-{month:02d}", "cost": rng.lognormal(4, 0.3),
                "outcome": rng.lognormal(5, 0.3), "effort": 10.0, "unit": "contacts",
            }
            for segment in segments
            for action in ("mail", "call")
            for month in range(1, n_periods + 1)
        ]
    )  # fmt: skip


# ------------------------------------------------------------------ estimates
def test_the_interval_is_that_of_the_jackknife():
    cost, outcome = np.array([10.0, 30, 20, 25]), np.array([20.0, 80, 35, 70])
    value, low, high = ratio(cost, outcome, 0.9)
    assert value == pytest.approx(205 / 85)
    without = np.array([(205 - outcome[i]) / (85 - cost[i]) for i in range(4)])
    error = np.sqrt(3 / 4 * ((without - value) ** 2).sum())
    assert high - value == pytest.approx(stats.t.ppf(0.95, 3) * error)
    assert value - low == pytest.approx(high - value)


def test_ratios_without_an_interval_or_a_value():
    assert ratio(np.array([2.0]), np.array([3.0]), 0.9)[0] == 1.5
    assert np.isnan(ratio(np.array([2.0]), np.array([3.0]), 0.9)[1:]).all()
    assert np.isnan(ratio(np.zeros(3), np.ones(3), 0.9)).all()


def test_the_trend_is_weighted_least_squares():
    rng = np.random.default_rng(1)
    x, cost = np.arange(8.0), rng.lognormal(3, 0.5, 8)
    outcome = cost * (2 + 0.1 * x + rng.normal(0, 0.2, 8))
    fitted = sm.WLS(outcome / cost, sm.add_constant(x), weights=cost).fit(cov_type="HC3", use_t=True)
    slope, low, high, p = trend(x, cost, outcome, 0.9)
    assert slope == pytest.approx(fitted.params[1])
    assert [low, high] == pytest.approx(fitted.conf_int(0.1)[1])
    assert p == pytest.approx(fitted.pvalues[1])


def test_trends_on_a_line_and_of_too_few_periods():
    x, cost = np.arange(4.0), np.ones(4)
    assert trend(x, cost, np.full(4, 2.0), 0.9)[3] == 1.0
    assert trend(x, cost, 1 + x, 0.9)[3] == 0.0
    assert np.isnan(trend(x[:2], cost[:2], x[:2], 0.9)).all()


def test_holm_equals_statsmodels():
    p = np.array([0.03, 0.001, 0.2, 0.04, 0.04])
    from statsmodels.stats.multitest import multipletests

    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])


def test_periods_are_sorted_as_people_count(ledger):
    for week in (10, 9, 1):
        ledger.add(period=f"week {week}", cost=1, outcome=week)
    result = ledger.returns("period")
    assert result.table["period"].tolist() == ["week 1", "week 9", "week 10"]
    assert sorted(["2024-W10", "2024-W9", "2023-W52"], key=natural) == ["2023-W52", "2024-W9", "2024-W10"]


def test_intervals_cover():
    """Coverage of 90 % intervals with eight periods; the benchmark has more."""
    rng, runs, hit = np.random.default_rng(5), 800, 0
    for _ in range(runs):
        cost = rng.lognormal(7, 0.5, 8)
        _, low, high = ratio(cost, cost * 2.5 * rng.normal(1, 0.3, 8), 0.9)
        hit += low <= 2.5 <= high
    assert abs(hit / runs - 0.9) < 0.02 + 3 * np.sqrt(0.09 / runs)


# ------------------------------------------------------------------ sums
def test_returns_by_segment(ledger):
    table = rows()
    ledger.import_table(table)
    result = ledger.returns()
    own = table.groupby("segment")[["cost", "outcome"]].sum()
    found = result.table.set_index("segment")
    assert found["cost"].to_dict() == pytest.approx(own["cost"].to_dict())
    assert found["return_on_investment"].to_dict() == pytest.approx((own["outcome"] / own["cost"]).to_dict())
    months = table[table["segment"] == "new"].groupby("period")[["cost", "outcome"]].sum().to_numpy()
    expected = ratio(months[:, 0], months[:, 1], 0.9)
    columns = ["return_on_investment", "return_on_investment_low", "return_on_investment_high"]
    assert found.loc["new", columns].tolist() == pytest.approx(expected)
    assert result.total["cost"] == pytest.approx(table["cost"].sum())
    assert found["net"].sum() == pytest.approx((table["outcome"] - table["cost"]).sum())


@pytest.mark.parametrize(
    "by", [None, "segment", "action", ("segment", "action"), "period", ("period", "segment"), "unit"]
)
def test_every_grouping_adds_up_to_the_ledger(ledger, by):
    table = rows()
    ledger.import_table(table)
    ledger.add(period="2024-01", cost=7, outcome=3)
    ledger.add(period="2024-01", segment="loyal", cost=5)
    ledger.correct(1, cost=1.0)
    result = ledger.returns(by)
    cost = table["cost"].sum() - table["cost"].iloc[0] + 1 + 7 + 5
    assert result.table["cost"].sum() == pytest.approx(cost)
    assert result.table["outcome"].sum() == pytest.approx(table["outcome"].sum() + 3)
    assert result.over_time["cost"].sum() == pytest.approx(cost)
    assert result.amounts.loc["all entries", "cost"] == pytest.approx(cost)
    parts = result.amounts.iloc[1:]
    assert parts["cost"].sum() == pytest.approx(cost)
    assert parts["n_entries"].sum() == result.amounts.loc["all entries", "n_entries"]


def test_what_is_not_attributed_is_a_row_and_a_warning(ledger):
    ledger.import_table(rows())
    ledger.add(period="2024-02", cost=100)
    result = ledger.returns()
    assert result.table["segment"].tolist()[0] == ""
    assert "(no segment)" in str(result)
    assert any("not attributed to a segment" in text for text in result.warnings)
    row = result.table.iloc[0]
    assert row["cost"] == 100
    assert np.isnan(row["return_on_investment"])  # no outcome was stated: unknown, not nothing
    assert "without segment: cost 100" in str(result)


def test_over_time_to_date(ledger):
    ledger.import_table(pd.DataFrame({"period": ["a1", "a2", "a3"], "cost": [1.0, 2, 1], "outcome": [3.0, 2, 4]}))
    table = ledger.returns("period").table
    assert table["return_on_investment"].tolist() == [3, 1, 4]
    assert table["to_date"].tolist() == pytest.approx([3, 5 / 3, 9 / 4])
    assert table["to_date_low"].isna().tolist() == [True, False, False]


def test_few_periods_are_said(ledger):
    ledger.add(period="2024-01", segment="a", cost=10, outcome=20)
    one = ledger.returns()
    assert any("no interval can be given" in text for text in one.warnings)
    assert np.isnan(one.table["return_on_investment_low"]).all()
    assert one.table["trend_says"].tolist() == ["too few periods"]
    ledger.add(period="2024-02", segment="a", cost=10, outcome=30)
    two = ledger.returns()
    assert any("2 periods only" in text for text in two.warnings)
    wide = two.table["return_on_investment_high"] - two.table["return_on_investment_low"]
    assert wide.iloc[0] > 6 * 0.5  # Student's t with one degree of freedom


def test_different_units_are_not_added_up(ledger):
    ledger.add(period="p", effort=10, unit="mails", cost=1, outcome=1)
    ledger.add(period="p", effort=3, unit="hours", cost=1, outcome=1)
    result = ledger.returns(None)
    assert np.isnan(result.table["effort"]).all()
    assert any("different units ('hours', 'mails')" in text for text in result.warnings)
    assert ledger.returns("unit").table.set_index("unit")["effort"].to_dict() == {"mails": 10, "hours": 3}


def test_months_without_outcomes_yet_are_named(ledger):
    ledger.import_table(rows(3))
    ledger.add(period="2024-04", segment="new", cost=50)
    assert any("No outcome is entered yet for '2024-04'" in text for text in ledger.returns().warnings)


def test_trends_are_found_and_corrected_for_all_groups(ledger):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        [
            {
                "segment": f"s{s}",
                "period": f"q{q}",
                "cost": 100.0,
                "outcome": 200 + 30 * q * (s == 0) + rng.normal(0, 20),
            }
            for s in range(5)
            for q in range(10)
        ]
    )
    ledger.import_table(table)
    found = ledger.returns().table.set_index("segment")
    assert found.loc["s0", "trend_says"] == "rising"
    assert (found["trend_says"] == "not shown").sum() == 4
    assert (found["trend_p_adjusted"] >= found["trend_p"]).all()
    assert found.loc["s0", "trend"] == pytest.approx(0.3, abs=0.1)


# ------------------------------------------------------------------ control groups
def test_incremental_outcome_is_treated_less_scaled_control(ledger):
    for month, (treated, control) in enumerate([(500, 40), (520, 30), (460, 35)], 1):
        period = f"2024-{month:02d}"
        ledger.add(segment="a", action="mail", period=period, cost=100, outcome=treated, n_customers=1000)
        ledger.add(segment="a", action="mail", period=period, outcome=control, n_customers=100, arm="control")
    result = ledger.returns()
    row = result.table.iloc[0]
    more = np.array([500 - 400, 520 - 300, 460 - 350.0])
    assert row["incremental_outcome"] == pytest.approx(more.sum())
    expected = ratio(np.full(3, 100.0), more, 0.9)
    assert [row[f"incremental_return{end}"] for end in ("", "_low", "_high")] == pytest.approx(expected)
    assert row["basis"] == "control"
    assert row["outcome"] == 1480  # the controls' outcome is no outcome of the effort
    assert result.amounts.loc["control groups", "outcome"] == 105
    assert not any("no control group" in text for text in result.warnings)


def test_a_control_of_the_segment_serves_all_its_actions_and_its_cost_is_taken_off(ledger):
    for action in ("mail", "call"):
        ledger.add(segment="a", action=action, period="p", cost=50, outcome=100, n_customers=10)
    ledger.add(segment="a", period="p", arm="control", outcome=30, cost=10, n_customers=5)
    found = ledger.returns("action").table
    assert found["incremental_outcome"].tolist() == [40, 40]
    assert found["incremental_cost"].tolist() == [30, 30]
    ledger.add(segment="a", action="mail", period="p", arm="control", outcome=10, n_customers=10)
    found = ledger.returns("action").table.set_index("action")["incremental_outcome"]
    assert found.to_dict() == {"mail": 90, "call": 40}


def test_controls_that_cannot_be_used_are_said(ledger):
    ledger.add(segment="a", action="mail", period="p1", cost=50, outcome=100)
    ledger.add(segment="a", action="mail", period="p1", arm="control", outcome=30, n_customers=5)
    ledger.add(segment="b", action="mail", period="p1", arm="control", outcome=30, n_customers=5)
    result = ledger.returns()
    assert result.table["basis"].tolist() == ["gross"]
    assert np.isnan(result.table["incremental_outcome"]).all()
    text = " ".join(result.warnings)
    assert "without n_customers in both arms" in text
    assert "1 control cell without anybody treated: 'b / mail / p1'" in text


def test_part_of_the_cost_with_a_control(ledger):
    ledger.add(segment="a", period="p", cost=75, outcome=100, n_customers=10)
    ledger.add(segment="a", period="p", arm="control", outcome=2, n_customers=1)
    ledger.add(segment="b", period="p", cost=25, outcome=100)
    result = ledger.returns(None)
    assert result.table["basis"].tolist() == ["part"]
    assert result.table["incremental_return"].iloc[0] == pytest.approx(80 / 75)
    assert any("75.0 % of the cost has a control group" in text for text in result.warnings)


# ------------------------------------------------------------------ plan and budget
def test_against_a_plan_nothing_is_dropped(ledger):
    ledger.import_table(rows(4))
    plan = pd.DataFrame({"segment": ["loyal", "gone"], "cost": [1000.0, 200], "outcome": [900.0, 100]})
    result = ledger.returns(plan=plan, budget=5000)
    found = result.table.set_index("segment")
    assert found.index.tolist() == ["loyal", "new", "gone"]
    assert found["planned_cost"].sum() == 1200
    assert found.loc["loyal", "not_spent"] == pytest.approx(1000 - found.loc["loyal", "cost"])
    assert found.loc["gone", ["cost", "not_spent", "beyond_plan"]].tolist() == [0, 200, -100]
    assert found.loc["new", "not_spent"] == -found.loc["new", "cost"]
    assert found["in_plan"].tolist() == [True, False, True]
    low, high = found.loc["loyal", ["beyond_plan_low", "beyond_plan_high"]]
    assert low < found.loc["loyal", "beyond_plan"] < high
    assert result.amounts.loc["not spent of the budget", "cost"] == pytest.approx(5000 - found["cost"].sum())
    assert "not spent of the budget" in str(result)


def test_a_plan_for_each_period_and_by_period(ledger):
    ledger.import_table(rows(4))
    plan = pd.DataFrame({"segment": ["loyal", "new"], "cost": [100.0, 50]})
    assert ledger.returns(plan=plan, plan_for="each period").table["planned_cost"].tolist() == [400, 200]
    by_period = ledger.returns("period", plan=plan, plan_for="each period").table
    assert by_period["planned_cost"].tolist() == [150] * 4
    dated = pd.DataFrame({"period": ["2024-01", "2024-09"], "cost": [10.0, 20]})
    table = ledger.returns("period", plan=dated).table
    assert table["period"].tolist()[-1] == "2024-09"
    assert table["planned_cost"].tolist() == [10, 0, 0, 0, 20]


def test_against_an_allocation(ledger):
    ledger.import_table(rows(2))
    curves = {("loyal", "mail"): LogCurve(100.0, 1.0), ("new", "mail"): LogCurve(50.0, 1.0)}
    plan = allocate(curves, Resource("budget", 400, price=1.0))
    result = ledger.returns(("segment", "action"), plan=plan)
    assert result.table["planned_cost"].sum() == pytest.approx(400)
    assert result.table["planned_outcome"].sum() == pytest.approx(plan.table["outcome"].sum())
    assert len(result.table) == 4


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"by": "segmnt"}, ValueError, "Did you mean 'segment'"),
        ({"level": 1}, ValueError, "level"),
        ({"budget": -1}, ValueError, "budget"),
        ({"plan_for": "month"}, ValueError, "plan_for"),
        ({"plan": 3}, TypeError, "Allocation or a table"),
        ({"plan": pd.DataFrame({"segment": ["a"]})}, ColumnError, "a plan needs"),
        ({"plan": pd.DataFrame({"action": ["a"], "cost": [1]})}, ValueError, "no column 'segment'"),
        ({"by": "period", "plan": pd.DataFrame({"action": ["a"], "cost": [1]})}, ValueError, "plan_for='each period'"),
        ({"plan": pd.DataFrame({"segment": ["a"], "cost": ["much"]})}, ColumnError, "must hold numbers"),
    ],
)
def test_returns_that_are_refused(ledger, options, error, words):
    ledger.import_table(rows(2))
    with pytest.raises(error, match=words):
        ledger.returns(**options)


def test_an_empty_ledger_has_no_returns(ledger):
    with pytest.raises(LedgerError, match="no entries that count"):
        ledger.returns()


# ------------------------------------------------------------------ result and picture
def test_as_a_result(ledger):
    ledger.import_table(rows(3, segments=("<b>bold</b>", "new")))
    result = ledger.returns()
    assert "<b>" not in result._repr_html_()
    assert repr(result) == str(result)
    assert result.to_dict()["settings"]["n_periods"] == 3
    changed = result.to_pandas()
    changed["cost"] = 0
    assert (result.table["cost"] > 0).all()
    assert str(result).startswith("Returns over 3 periods (2024-01 to 2024-03): ")


def test_the_picture_has_a_panel_per_group(ledger):
    ledger.import_table(rows(6))
    ledger.add(period="2024-01", cost=3)  # nothing to draw
    display = ReturnsDisplay.from_returns(ledger.returns())
    figure = display.plot().figure_
    titles = [ax.get_title(loc="left") for ax in figure.axes if ax.get_visible()]
    assert sorted(titles) == ["loyal", "new"]
    assert "1 group without cost or outcome not drawn" in figure.get_suptitle()
    panel = figure.axes[0]
    dots = [own for own in panel.get_lines() if own.get_marker() in "o^v" and own.get_marker()]
    assert sum(len(own.get_xdata()) for own in dots) == 6
    low, high = panel.get_ylim()
    assert low <= 1 <= high
    matplotlib.pyplot.close(figure)


def test_pictures_of_many_groups_in_given_axes_and_of_one(ledger):
    ledger.import_table(rows(5, segments=[f"{'long ' * 16}{i}" for i in range(30)]))
    display = ReturnsDisplay(ledger.returns(), n_groups=6).plot()
    assert display.drawn_["panel"].nunique() == 6
    assert "24 groups of smaller cost" in display.figure_.get_suptitle()
    _, ax = matplotlib.pyplot.subplots()
    ledger.returns().plot(ax, n_groups=2)
    assert len(ax.child_axes) == 2
    one = ledger.returns(None).plot()
    assert one.get_title(loc="left").startswith("Return per 1 spent")
    matplotlib.pyplot.close("all")


def test_pictures_that_cannot_be_drawn(ledger):
    ledger.import_table(rows(2))
    with pytest.raises(ValueError, match="no control groups"):
        ledger.returns().plot(measure="incremental")
    with pytest.raises(ValueError, match="measure"):
        ledger.returns().plot(measure="net")
    with pytest.raises(ValueError, match="n_groups"):
        ledger.returns().plot(n_groups=0)
