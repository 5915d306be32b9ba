"""What users bring by mistake: each gets an error that names it with its remedy, or a result that says it."""

import sqlite3

import numpy as np
import pandas as pd
import pytest

from segmentation.exceptions import AssignmentError, ColumnError, CustomerTableError
from segmentation.monitoring import (
    ReturnLedger,
    decompose_change,
    feature_drift,
    match_segments,
    migration,
    recommend_refresh,
    retention,
    segment_drift,
    segment_quality,
    split_migration,
)
from segmentation.segmenters import RuleSegmenter

N = 120
IDS = pd.RangeIndex(N, name="customer_id")
SEGMENTS = pd.Series(np.where(np.arange(N) < 60, "a", "b"), index=IDS)
MOVED = pd.Series(np.where(np.arange(N) < 80, "a", "b"), index=IDS)
MONEY = pd.Series(np.linspace(-5, 20, N), index=IDS)
TABLE = pd.DataFrame({"spend": np.random.default_rng(0).lognormal(3, 1, N), "plan": np.tile(["x", "y"], N // 2)}, IDS)
RULES = RuleSegmenter({"a": "spend >= 20", "b": "spend < 20"}).fit(TABLE[["spend"]])
DRAWS = {"n_draws": 99, "random_state": 0}
LATER = TABLE.assign(spend=TABLE["spend"] * 1.1)[["spend"]]

BAD_VALUES = [
    (pd.Series("much", index=IDS), TypeError, r"must hold numbers, got .*'much'.*to_numeric"),
    (pd.Series(pd.Timestamp("2024-01-01"), index=IDS), TypeError, "must hold numbers, got datetime64"),
    (MONEY.replace(MONEY[7], np.inf), CustomerTableError, "infinite for 1 customer: 7"),
    (pd.concat([MONEY, MONEY[:1]]), CustomerTableError, "these stand twice: 0"),
    (MONEY.set_axis(MONEY.index.astype(str)), CustomerTableError, "no figure for any customer|lack 120 customers"),
    ([1.0, 2.0], TypeError, "Series"),
]


@pytest.mark.parametrize(("value", "error", "words"), BAD_VALUES)
@pytest.mark.parametrize(
    "call",
    [
        lambda value: migration(SEGMENTS, MOVED, value=value if isinstance(value, pd.Series) else [value, value]),
        lambda value: split_migration(RULES, TABLE[["spend"]], RULES, LATER, value=value),
        lambda value: segment_drift(SEGMENTS, MOVED, values=(value, value), **DRAWS),
        lambda value: recommend_refresh(RULES, TABLE[["spend"]], LATER, values=value, n_refits=5, **DRAWS),
    ],
)
def test_values_of_customers(call, value, error, words):
    with pytest.raises(error, match=words):
        call(value)


def test_missing_values_of_customers_are_counted():
    holes = MONEY.where(IDS > 9)
    assert "10 customers have no value and count 0 there." in migration(SEGMENTS, MOVED, value=holes).warnings
    drift = segment_drift(SEGMENTS, MOVED, values=(MONEY, holes), **DRAWS)
    assert "10 customers without a value after, left out of its means." in drift.warnings
    assert not any("before, left out" in text for text in drift.warnings)


def test_assignments():
    with pytest.raises(CustomerTableError, match="old has no customers"):
        match_segments(SEGMENTS[:0], SEGMENTS)
    with pytest.raises(CustomerTableError, match=r"no customers in assignment 2 of 2: leave it out"):
        migration(SEGMENTS, SEGMENTS[:0])
    with pytest.raises(AssignmentError, match=r"'\(all segments\)'.*relabel"):
        migration([SEGMENTS.replace("a", "(all segments)"), MOVED, SEGMENTS], n_simulations=19)
    days = pd.DataFrame({"c": [0, 1, 119, 500], "t": ["2024-01-01", "2024-02-01", "2024-02-03", "2024-02-02"]})
    called = SEGMENTS.replace("a", "(not in the assignment)")
    with pytest.raises(ValueError, match="not in the assignment"):
        retention(days, called, customer_id="c", timestamp="t", by="segment")


def test_history_in_another_order_is_said():
    dates = {"2024-03": SEGMENTS, "2024-01": MOVED, "2024-02": SEGMENTS}
    assert any("not ascending (2024-01" in text for text in migration(dates, n_simulations=19).warnings)
    assert not any("ascending" in text for text in migration(dict(sorted(dates.items())), n_simulations=19).warnings)
    mixed = {1: SEGMENTS, "b": MOVED}  # cannot be ordered
    assert migration(mixed, n_simulations=19).dates == (1, "b")


def test_generators_are_seeds():
    given = [migration([SEGMENTS, MOVED, SEGMENTS], n_simulations=19, random_state=np.random.default_rng(4))] * 2
    assert given[0].memory_p_value == given[1].memory_p_value
    shares = [given[0].ahead(2, n_draws=100, random_state=np.random.default_rng(1)) for _ in range(2)]
    pd.testing.assert_frame_equal(*shares)


def test_ids_of_different_kinds_are_said():
    texts = TABLE.set_axis(TABLE.index.astype(str), axis=0)
    words = "ids are of different kinds (integer, string: 0 and '0')"
    assert any(text.startswith(words) for text in feature_drift(TABLE, texts, **DRAWS).warnings)
    named = MOVED.set_axis(MOVED.index.astype(str))
    assert any(text.startswith(words) for text in segment_drift(SEGMENTS, named, **DRAWS).warnings)
    tables = [TABLE.assign(segment=SEGMENTS), texts.assign(segment=named)]
    assert any(text.startswith(words) for text in decompose_change("spend", *tables, n_resamples=99).warnings)
    with pytest.raises(AssignmentError, match="no customer in common"):
        match_segments(SEGMENTS, named)
    other = TABLE.set_axis(TABLE.index + N, axis=0)
    assert not any("kinds" in text for text in feature_drift(TABLE, other, **DRAWS).warnings)


def test_columns_of_drift():
    with pytest.raises(ColumnError, match="the current table lacks columns; missing: 'plan'"):
        feature_drift(TABLE, TABLE[["spend"]], **DRAWS)
    with pytest.raises(ColumnError, match="names some twice: 'spend'"):
        feature_drift(TABLE, TABLE, columns=["spend", "plan", "spend"], **DRAWS)
    levels = TABLE.assign(plan=np.where(IDS < 60, "missing", "rare levels"))
    bins = feature_drift(levels, levels.assign(plan=levels["plan"].where(IDS > 9)), **DRAWS).bins
    assert list(bins.loc[bins["feature"] == "plan", "bin"]) == ["'missing'", "'rare levels'", "missing"]


def test_quality_counts_everybody_and_everything():
    now = TABLE.assign(spend=TABLE["spend"].where(IDS > 2, np.inf), extra=1)[:100]
    report = segment_quality({"May": (TABLE, SEGMENTS[:90]), "June": (now, SEGMENTS.replace("b", "c"))})
    for words in (
        "May: 30 customers without segment left out.",
        "June: 'spend' is infinite for 3 customers, counted as missing.",
        "June: 20 customers without features left out.",
        "June: columns that the first period does not have are not looked at: 'extra'.",
        "segments that the first period does not have are not compared: 'c'.",
        "June: segments of the first period without customers: 'b'.",
    ):
        assert words in report.warnings
    row = report.table[(report.table["period"] == "June") & (report.table["feature"] == "spend")].iloc[0]
    assert (row["segment"], row["n_missing"], row["n_customers"]) == ("a", 3, 60)
    lists = TABLE.assign(plan=[[1]] * 60 + [[2]] * 60)
    assert segment_quality({1: (lists, SEGMENTS), 2: (lists, SEGMENTS)}).table["n_different"].max() == 60
    with pytest.raises(ColumnError, match="period 2 lacks columns; missing: 'plan'"):
        segment_quality({1: (TABLE, SEGMENTS), 2: (TABLE[["spend"]], SEGMENTS)})
    with pytest.raises(CustomerTableError, match="Do both use the same ids"):
        segment_quality({1: (TABLE, SEGMENTS), 2: (TABLE, SEGMENTS.set_axis(SEGMENTS.index + N))})


def test_decomposition_says_whose_metric_is_gone():
    then, now = TABLE.assign(segment=SEGMENTS), TABLE.assign(segment=MOVED)
    then = then.assign(spend=then["spend"].where(IDS > 4))
    change = decompose_change("spend", then, now.assign(spend=now["spend"].where(IDS < 100)), n_resamples=99)
    words = "25 customers in both tables with a metric at one date only: 20 counted among the exits and 5 among the "
    words += "entries."
    assert words in change.warnings
    with pytest.raises(ColumnError, match="before lacks columns; missing: 'spnd' \\(nearest: 'spend'\\)"):
        decompose_change("spnd", then, now)


@pytest.mark.parametrize("cross", [False, True])
@pytest.mark.parametrize("separate", [False, True])
def test_ratio_adds_up_where_a_segment_has_no_denominator(cross, separate):
    rng = np.random.default_rng(3)
    tables = [
        pd.DataFrame(
            {
                "segment": rng.choice(["a", "b", None], N),
                "spend": rng.normal(5, 40, N),
                "orders": rng.integers(0, 3, N),
            },
            index=IDS + 20 * i,
        )
        for i in (0, 1)
    ]
    tables[1].loc[tables[1]["segment"] == "b", "orders"] = 0
    given = {"after_old": tables[1]["segment"].replace("a", "c")} if cross else {}
    change = decompose_change("spend", *tables, denominator="orders", separate=separate, n_resamples=99, **given)
    ends = [table["spend"].sum() / table["orders"].sum() for table in tables]
    assert (change.before, change.after) == pytest.approx(tuple(ends), abs=1e-12)
    assert change.table.loc[change.components, "estimate"].sum() == pytest.approx(ends[1] - ends[0], abs=1e-9)
    by_segment = change.segments[change.components].sum(axis=1)
    assert (by_segment - change.segments["total"]).abs().max() < 1e-9
    assert change.segments["total"].sum() == pytest.approx(ends[1] - ends[0], abs=1e-9)
    assert any("denominator of 'b'" in text for text in change.warnings)


def test_intervals_of_shares_are_about_the_change_and_not_about_none():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        then, now = (pd.Series(np.where(rng.random(200) < share, "a", "b")) for share in (0.2, 0.8))
        now.index += 1000
        row = segment_drift(then, now, n_draws=99, random_state=0).table.iloc[0]
        hits += row["change_low"] <= 0.6 <= row["change_high"]
    assert 0.84 <= hits / 200 <= 0.95  # those of a pooled share would be a third wider, and hold it in 97 of 100
    both = pd.Series("a", index=IDS), pd.Series("b", index=IDS)
    changed = segment_drift(*both, n_draws=99).table.iloc[0]
    assert (changed["change"], changed["change_low"], changed["change_high"]) == (-1, -1, -1)


def test_advice_without_anybody_in_force():
    nobody = pd.Series([None] * N, index=IDS, dtype=object)
    advice = recommend_refresh(RULES, TABLE[["spend"]], LATER, in_force=nobody, n_refits=5, **DRAWS)
    assert advice.action == "rebuild"
    assert advice.names
    more = pd.concat([SEGMENTS, pd.Series({900: "a"})])
    advice = recommend_refresh(RULES, TABLE[["spend"]], LATER, in_force=more, n_refits=5, **DRAWS)
    assert "1 customer of in_force not in the current table: not compared." in advice.warnings


def test_ledger_texts_plans_and_costs(tmp_path):
    with ReturnLedger(tmp_path / "returns.db") as ledger:
        for text in ("a\0b", "a\ud800"):
            with pytest.raises(ValueError, match="segment holds a"):
                ledger.add(segment=text, period="2024", cost=1.0)
            with pytest.raises(ValueError, match="period holds a"):
                ledger.add(period=text, cost=1.0)
        table = pd.DataFrame({"period": ["2024-01", None, "2024-03", None], "cost": 1.0})
        with pytest.raises(ValueError, match=r"period is missing.*in 'row 1', 'row 3'"):
            ledger.import_table(table)
        assert len(ledger) == 0
        ledger.add(segment="a", period="2024-01", cost=2.0, outcome=5.0)
        ledger.add(segment="a", period="2024-02", cost=np.nan, outcome=7.0)
        notes = ledger.returns(plan=pd.DataFrame({"segment": ["a", "b"], "cost": [4.0, np.nan]})).warnings
    assert "1 row of the plan without a figure of cost, counted as 0." in notes
    assert any("No cost is entered for '2024-02' (outcome 7.00)" in text for text in notes)


def test_ledger_where_one_may_not_write(tmp_path, monkeypatch):
    def refused(*arguments, **options):
        raise PermissionError(13, "Permission denied", str(tmp_path))

    with monkeypatch.context() as patch:
        patch.setattr("tempfile.mkstemp", refused)
        with pytest.raises(PermissionError, match=r"no ledger can be made in .*: Permission denied. Give a path in"):
            ReturnLedger(tmp_path / "returns.db")
    assert not list(tmp_path.iterdir())
    path = tmp_path / "returns.db"
    with ReturnLedger(path) as ledger:
        ledger.add(period="2024", cost=1.0)
        with pytest.raises(OSError, match="right to write to the file and its folder"), ledger._store.translated():
            raise sqlite3.OperationalError("attempt to write a readonly database")
