"""Migration: counts by hand and by crosstab, intervals against statsmodels, the check of equal rates, shares ahead."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2_contingency
from statsmodels.stats.proportion import proportion_confint

from segmentation.exceptions import AssignmentError, CustomerTableError
from segmentation.monitoring import MigrationDisplay, migration
from segmentation.monitoring._migration_stationarity import _shuffled, _statistic

RATES = np.array([[0.8, 0.15, 0.05], [0.2, 0.7, 0.1], [0.05, 0.15, 0.8]])


def series(**segments):
    return pd.Series(segments)


def history(n, n_dates, seed, rates=RATES, last=None):
    """Simulate customers who move at these rates, at others in the last step."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, len(rates), n)
    tables = []
    for date in range(n_dates):
        if date:
            now = last if last is not None and date == n_dates - 1 else rates
            codes = (rng.random(n)[:, None] > now[codes].cumsum(axis=1)).sum(axis=1).clip(0, len(rates) - 1)
        tables.append(pd.Series([f"s{code}" for code in codes], index=pd.RangeIndex(n, name="customer_id")))
    return tables


def test_counts_entries_exits_and_values_by_hand():
    before = series(a="loyal", b="loyal", c="new", d="new")
    after = series(a="loyal", b="new", c="loyal", e="new")
    worth = pd.Series({"a": 1.0, "b": 2.0, "c": 4.0, "d": 8.0, "e": 16.0})
    result = migration(before, after, value=worth)
    rows = result.table.set_index(["from", "to"])
    assert rows["n"].to_dict() == {
        ("loyal", "loyal"): 1, ("loyal", "new"): 1, ("new", "loyal"): 1, ("new", "(left)"): 1, ("(entered)", "new"): 1,
    }  # fmt: skip
    assert rows["kind"].to_list() == ["stayed", "moved", "moved", "left", "entered"]
    assert rows["value_before"].to_list() == [1, 2, 4, 8, 0]
    assert rows["value_after"].to_list() == [1, 2, 4, 0, 16]
    assert rows["rate"].to_list() == [0.5, 0.5, 0.5, 0.5, 1.0]
    segments = result.segments
    assert segments["value_before"].to_dict() == {"loyal": 3.0, "new": 12.0}
    assert segments["value_after"].to_dict() == {"loyal": 5.0, "new": 18.0}
    flow = segments["n_before"] - segments["moved_out"] - segments["left"] + segments["moved_in"] + segments["entered"]
    assert (flow == segments["n_after"]).all()
    assert result.rates.loc["new", "(left)"] == 0.5
    both = migration(before, after, value=(worth, worth * 10))
    assert both.segments["value_after"].to_dict() == {"loyal": 50.0, "new": 180.0}


def test_counts_are_the_crosstab_and_rows_of_rates_add_up():
    first, second = history(500, 2, 0)
    first, second = first.iloc[:450], second.iloc[40:]
    result = migration(first, second)
    table = pd.crosstab(first.reindex(range(500)).fillna("(entered)"), second.reindex(range(500)).fillna("(left)"))
    names = ["s0", "s1", "s2"]
    np.testing.assert_array_equal(result.counts.loc[names, [*names, "(left)"]], table.loc[names, [*names, "(left)"]])
    np.testing.assert_array_equal(result.counts.loc["(entered)", names], table.loc["(entered)", names])
    np.testing.assert_allclose(result.rates.sum(axis=1), 1)
    for row in result.table.to_dict("records"):
        low, high = proportion_confint(row["n"], row["n_from"], alpha=0.05, method="wilson")
        assert (row["rate_low"], row["rate_high"]) == pytest.approx((low, high))


def test_small_cells_are_marked_and_said():
    before = pd.Series(["a"] * 50 + ["b"] * 5)
    after = pd.Series(["a"] * 47 + ["b"] * 3 + ["b"] * 5)
    result = migration(before, after)
    small = result.table.set_index(["from", "to"])["small"].to_dict()
    assert small == {("a", "a"): False, ("a", "b"): True, ("b", "b"): True}
    assert "2 transitions rest on fewer than 10 customers" in result.warnings[0]
    assert not migration(before, after, minimum=2).table["small"].any()


def test_unassigned_is_a_state_and_renamed_segments_are_hinted_at():
    result = migration(pd.Series(["a", "unassigned"]), pd.Series(["a", "a"]))
    assert list(result.segments.index) == ["a", "unassigned"]
    assert result.counts.loc["unassigned", "a"] == 1
    hint = migration(pd.Series(["a"] * 20), pd.Series(["x"] * 20)).warnings
    assert any("match_segments(before, after).relabel(after)" in text for text in hint)


def test_a_history_has_the_steps_shares_and_customers():
    tables = history(300, 4, 1)
    tables[2] = tables[2].iloc[:250]
    dated = dict(zip(["2011-Q1", "2011-Q2", "2011-Q3", "2011-Q4"], tables, strict=True))
    result = migration(dated, n_simulations=19, value=pd.Series(2.0, index=range(300)))
    assert result.dates == ("2011-Q1", "2011-Q2", "2011-Q3", "2011-Q4")
    for step, (first, second) in zip(result.steps, itertools.pairwise(tables), strict=True):
        pd.testing.assert_frame_equal(step.counts.loc[["s0", "s1", "s2"]], migration(first, second).counts.loc[
            ["s0", "s1", "s2"], step.counts.columns])  # fmt: skip
    shares = result.shares()
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert shares.loc["2011-Q3", "s1"] == pytest.approx((tables[2] == "s1").mean())
    assert result.table["value"].sum() == 2 * (300 + 300 + 250 + 300)
    assert result.customers["2011-Q3"].isna().sum() == 50
    assert result.transitions["n"].sum() == 300 + 300 + 300
    assert set(result.transitions["date_to"]) == {"2011-Q2", "2011-Q3", "2011-Q4"}


def test_likelihood_ratio_is_that_of_scipy():
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 30, (4, 1, 5))  # steps, one segment, goals
    expected = chi2_contingency(counts[:, 0], lambda_="log-likelihood", correction=False).statistic
    assert _statistic(counts)[0] == pytest.approx(expected)


def test_shuffled_tables_keep_their_margins_and_have_the_hypergeometric_mean():
    groups = np.array([[[5, 0, 3], [2, 9, 1], [0, 0, 4]], [[1, 1, 0], [0, 0, 0], [7, 2, 2]]])
    tables = _shuffled(groups, 4000, np.random.default_rng(0))
    assert (tables >= 0).all()
    np.testing.assert_array_equal(tables.sum(axis=2), np.broadcast_to(groups.sum(axis=1), (4000, 2, 3)))
    np.testing.assert_array_equal(tables.sum(axis=3), np.broadcast_to(groups.sum(axis=2), (4000, 2, 3)))
    rows, columns = groups.sum(axis=2, keepdims=True), groups.sum(axis=1, keepdims=True)
    expected = rows * columns / groups.sum(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(tables.mean(axis=0), expected, atol=0.12)


def test_equal_rates_are_rarely_rejected_and_shifted_ones_mostly_found():
    """Of 40: at most 2 + 2 standard errors of false alarms at 5 %; a rate 20 points lower found in 90 %."""
    shifted = RATES.copy()
    shifted[0] = [0.6, 0.35, 0.05]
    alarms = found = 0
    for seed in range(40):
        alarms += migration(history(300, 3, seed), n_simulations=99).stationarity["p_value"].iloc[0] <= 0.05
        changed = migration(history(900, 3, seed, last=shifted), n_simulations=99).stationarity
        found += changed["p_value"].iloc[0] <= 0.05 and changed["p_adjusted"].iloc[1] <= 0.05
    assert alarms <= 5
    assert found >= 36


def test_memory_is_found_where_there_is_some():
    rng = np.random.default_rng(0)
    loyal = rng.random(600) < 0.5  # half of the customers never move: where they were tells who they are
    tables = history(600, 4, 2)
    stuck = [table.where(~loyal, tables[0]) for table in tables]
    assert migration(stuck, n_simulations=99).memory_p_value <= 0.02
    assert migration(tables, n_simulations=99).memory_p_value > 0.05
    assert np.isnan(migration(tables[:2], n_simulations=99).memory_p_value)
    assert np.isnan(migration(tables[:2], n_simulations=99).stationarity["p_value"].iloc[0])


def test_shares_ahead_are_powers_of_the_rates_and_hold_what_comes():
    tables = history(3000, 4, 5)
    result = migration(tables, n_simulations=19)
    ahead = result.ahead(3, rates="pooled", entries=False, n_draws=4000)
    now = np.array([(tables[-1] == name).sum() for name in ("s0", "s1", "s2")])
    pooled = result.rates[["s0", "s1", "s2"]].to_numpy()
    for step in (1, 2, 3):
        expected = now @ np.linalg.matrix_power(pooled, step)
        np.testing.assert_allclose(ahead.loc[step, "n"], expected, rtol=0.01)
    assert (ahead["share_low"] < ahead["share"]).all()
    assert (ahead["share"] < ahead["share_high"]).all()
    wider = result.ahead(3, rates="vary", entries=False, n_draws=4000)
    assert (wider["n_high"] - wider["n_low"]).mean() > (ahead["n_high"] - ahead["n_low"]).mean()
    pd.testing.assert_frame_equal(ahead, result.ahead(3, rates="pooled", entries=False, n_draws=4000))


def test_shares_ahead_count_entries_and_exits():
    index = [pd.RangeIndex(100 * i, 1000 + 100 * i, name="customer_id") for i in range(4)]  # 100 leave, 100 enter
    tables = [pd.Series("only", index=one) for one in index]
    result = migration(tables, n_simulations=19)
    assert result.ahead(1).loc[(1, "only"), "n"] == pytest.approx(1000, abs=4)
    assert result.ahead(1, entries=False).loc[(1, "only"), "n"] == pytest.approx(900, abs=4)
    assert np.isnan(result.stationarity["p_value"].iloc[0]) or result.stationarity["p_value"].iloc[0] > 0.5


def test_same_seed_same_p_values():
    tables = history(200, 4, 3)
    first, second = (migration(tables, n_simulations=49, random_state=7).stationarity for _ in range(2))
    pd.testing.assert_frame_equal(first, second)


def test_prints_and_converts():
    tables = [table.replace("s0", "<b>" + "n" * 80) for table in history(300, 3, 0)]
    step, several = migration(tables[0], tables[1]), migration(tables, n_simulations=19)
    for result in (step, several):
        assert "<b>" not in result._repr_html_()
        assert "n" * 80 not in str(result)
        assert "…" in str(result)
    changed = (tables[0] != tables[1]).sum()
    assert str(step).startswith(f"Migration: {changed:,} of 300 customers there at both dates changed segment")
    assert str(several).startswith("Migration history of 300 customers over 3 dates (1 to 3), 3 segments")
    assert step.to_dict()["settings"]["n_both"] == 300
    assert len(several.to_dict()["table"]) == 9


def test_a_long_history_prints_some_dates_and_says_so():
    tables = history(300, 37, 0)
    dates = [f"2024-{month:02d}" for month in range(1, 13)] + [f"week {i:03d} of a year" for i in range(25)]
    long = migration(dict(zip(dates, tables, strict=True)), n_simulations=19)
    text = str(long)
    assert "Shares at 6 of 37 dates (all in .table):" in text  # 120 characters hold 6 names of 18
    body = text.split("Shares at")[1].split("Note:")[0].splitlines()[1:]
    assert max(len(line) for line in body) <= 120
    assert dates[0] in body[0]
    assert dates[-1] in body[0]
    assert len(long.table) == 3 * 37
    assert "Shares at 6 of 37" in long._repr_html_()
    short = migration(dict(zip(range(16, 53), tables, strict=True)), n_simulations=19)
    assert "Shares at 8 of 37 dates" in str(short)
    assert str(short).split("(all in .table):\n")[1].split("\n")[0].split() == [
        "date", "16", "21", "26", "31", "37", "42", "47", "52"
    ]  # fmt: skip
    assert "Shares:\n" in str(migration(tables[:10], n_simulations=19))


@pytest.mark.parametrize("kind", ["heatmap", "alluvial"])
@pytest.mark.parametrize("n_dates", [2, 7])
def test_titles_fit_into_a_figure_of_seven_inches(kind, n_dates):
    plt = pytest.importorskip("matplotlib.pyplot")
    tables = {f"2024-{m:02d}-29": one.replace("s0", "n" * 80) for m, one in enumerate(history(4000, n_dates, 0), 1)}
    result = migration(tables, n_simulations=19)
    for one in (result, result.steps[0]):
        figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
        one.plot(ax, kind=kind)
        figure.draw_without_rendering()
        title = next(text for text in ax.get_children() if getattr(text, "get_text", str)() == ax.get_title(loc="left"))
        box = title.get_window_extent()
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.width
        assert box.y1 <= figure.bbox.height
        labels = [label.get_window_extent() for label in ax.get_xticklabels()]
        if kind == "alluvial":
            turned = ax.get_xticklabels()[0].get_rotation() != 0
            assert turned == (len(labels) > 2)
    plt.close("all")


def test_pictures_show_every_segment_and_figure():
    plt = pytest.importorskip("matplotlib.pyplot")
    tables = history(400, 3, 0)
    step, several = migration(tables[0].iloc[:380], tables[1]), migration(tables, n_simulations=19)
    ax = step.plot()
    assert [label.get_text() for label in ax.get_xticklabels()] == ["s0", "s1", "s2"]  # nobody left
    assert [label.get_text().split("  ")[0] for label in ax.get_yticklabels()] == ["s0", "s1", "s2", "(entered)"]
    cells = [text.get_text() for text in ax.texts]
    rates = step.table["rate"]
    assert [cell.rstrip("*") for cell in cells] == [f"{100 * rate:.0f} %" for rate in rates]
    assert [cell.endswith("*") for cell in cells] == step.table["small"].to_list()
    inside = MigrationDisplay.from_migration(step, outside=False).plot().ax_
    assert len(inside.get_yticklabels()) == 3
    ax = step.plot(kind="alluvial")
    assert len(ax.texts) == 7  # three segments on both sides, and who entered
    ax = several.plot()
    assert [text.get_text() for text in ax.texts] == ["s0", "s1", "s2"]
    assert len(several.plot(kind="alluvial").get_xticklabels()) == 3
    several.plot(kind="heatmap")
    plt.close("all")
    with pytest.raises(ValueError, match="needs a history"):
        MigrationDisplay(step, kind="shares")
    with pytest.raises(ValueError, match="kind must be one of"):
        MigrationDisplay(step, kind="pie")
    with pytest.raises(TypeError, match="must come from migration"):
        MigrationDisplay(3)


def test_pictures_of_thirty_segments_name_the_most_changed():
    plt = pytest.importorskip("matplotlib.pyplot")
    rng = np.random.default_rng(0)
    names = np.array([f"segment {i} of the families who travel by train every summer and winter" for i in range(30)])
    tables = [pd.Series(names[rng.integers(0, 30, 2000)]) for _ in range(3)]
    several = migration(tables, n_simulations=19)
    ax = several.plot()
    assert len(ax.texts) == 6
    assert "24 others in grey" in ax.get_title(loc="left")
    ax = several.plot(kind="heatmap")
    assert len(ax.texts) == 0
    assert len(ax.get_yticklabels()) == 30
    assert all(len(text.get_text()) <= 40 for text in several.plot(kind="alluvial").texts)
    plt.close("all")


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((pd.Series(["a"]), None), TypeError, "one assignment shows no migration"),
        (([pd.Series(["a"])], None), ValueError, "at least two dates, got 1"),
        ((7, None), TypeError, "a list or mapping"),
        ((pd.Series(["a"]), 7), TypeError, "assignment 2 of 2 must be"),
        ((series(a="x"), series(b="x")), CustomerTableError, "no customer is in two assignments"),
        ((pd.Series(["(left)"]), pd.Series(["a"])), AssignmentError, "means something else .* rename"),
    ],
)
def test_bad_tables(arguments, error, text):
    with pytest.raises(error, match=text):
        migration(*arguments)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"level": 1.0}, "level must be"),
        ({"minimum": 0}, "minimum must be"),
        ({"n_simulations": 3}, "n_simulations must be"),
        ({"value": [pd.Series([1.0])]}, "1 came for 2 dates"),
    ],
)
def test_bad_options(options, text):
    with pytest.raises(ValueError, match=text):
        migration(pd.Series(["a"]), pd.Series(["a"]), **options)


def test_bad_values_and_projections():
    tables = history(100, 3, 0)
    with pytest.raises(CustomerTableError, match="value has no figure for any customer"):
        migration(tables[0], tables[1], value=pd.Series({"z": 1.0}))
    with pytest.raises(TypeError, match="value must be a pandas Series"):
        migration(tables[0], tables[1], value=3)
    with pytest.raises(CustomerTableError, match="stand twice: 0"):
        migration(tables[0], tables[1], value=pd.Series([1.0, 2.0], index=[0, 0]))
    noted = migration(tables[0], tables[1], value=pd.Series(1.0, index=range(90)))
    assert "10 customers have no value and count 0" in noted.warnings[0]
    result = migration(tables, n_simulations=19)
    with pytest.raises(ValueError, match="n_steps must be"):
        result.ahead(0)
    with pytest.raises(ValueError, match="rates must be"):
        result.ahead(1, rates="last")
