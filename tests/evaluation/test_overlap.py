"""Overlap of segments and agreement of segmentations, against sets of Python, scikit-learn and statsmodels."""

import matplotlib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

from segmentation.assignment import UNASSIGNED
from segmentation.evaluation import OverlapDisplay, overlap
from segmentation.evaluation._overlap_membership import combinations_of
from segmentation.evaluation._overlap_pairs import soft_overlaps, wilson
from segmentation.exceptions import AssignmentError, ColumnError, CustomerTableError
from segmentation.segmenters import RuleSegmenter

matplotlib.use("Agg")

tables = hnp.arrays(bool, st.tuples(st.integers(1, 30), st.integers(2, 11)))


def members_of(array, **columns):
    names = [f"s{j}" for j in range(array.shape[1])]
    index = pd.Index([f"c{i}" for i in range(len(array))], name="customer_id")
    return pd.DataFrame(array, columns=names, index=index).assign(**columns)


@settings(max_examples=25, deadline=None)
@given(tables)
def test_pairs_and_combinations_equal_sets(array):
    """Every count, share and combination against Python's sets."""
    table = members_of(array)
    report = overlap(table, top=1000, ids=True)
    sets = {name: set(table.index[table[name]]) for name in table}
    assert len(report.table) == len(sets) * (len(sets) - 1) / 2
    for _, row in report.table.iterrows():
        one, other = sets[row["first"]], sets[row["second"]]
        assert row["n_both"] == len(one & other)
        assert row["n_either"] == len(one | other)
        for name, whole in (("jaccard", one | other), ("share_of_first", one), ("share_of_second", other)):
            if whole:
                assert row[name] == len(one & other) / len(whole)
                assert 0 <= row[f"{name}_low"] <= row[name] <= row[f"{name}_high"] <= 1
            else:
                assert np.isnan(row[name])
    keys = {i: tuple(name for name in sets if i in sets[name]) for i in table.index}
    counted = report.intersections.set_index("segments")["n_customers"].to_dict()
    assert counted == {key: list(keys.values()).count(key) for key in set(keys.values())}
    assert report.multiplicity["n_customers"].tolist() == np.bincount([len(key) for key in keys.values()]).tolist()
    alone = report.segments.set_index("segment")["n_exclusive"].to_dict()
    assert alone == {name: sum(key == (name,) for key in keys.values()) for name in sets}
    conflicts = {i for i, key in keys.items() if len(key) > 1}
    assert set(report.conflict_ids.index) == conflicts
    assert report.settings["n_in_conflict"] == len(conflicts) == report.conflicts["n_customers"].sum()


def test_combinations_of_many_segments():
    """Rows of over 64 segments no longer fit into one number."""
    rng = np.random.default_rng(0)
    member = rng.random((500, 70)) < 0.03
    rows, codes, counts = combinations_of(member)
    assert (rows[codes] == member).all()
    assert len(np.unique(member, axis=0)) == len(rows)
    assert (np.bincount(codes) == counts).all()


def test_order_of_customers_does_not_matter():
    rng = np.random.default_rng(1)
    table = members_of(rng.random((400, 5)) < 0.3)
    one, other = overlap(table), overlap(table.sample(frac=1, random_state=0))
    pd.testing.assert_frame_equal(one.table, other.table)
    pd.testing.assert_frame_equal(one.intersections, other.intersections)
    pd.testing.assert_frame_equal(one.conflicts, other.conflicts)


def test_top_counts_the_rest():
    rng = np.random.default_rng(2)
    report = overlap(members_of(rng.random((300, 6)) < 0.4), top=5)
    s = report.settings
    assert len(report.intersections) == 5
    assert s["n_combinations"] == 5 + s["n_other_combinations"]
    assert report.intersections["n_customers"].sum() + s["n_in_other_combinations"] == 300


def test_wilson_equals_statsmodels():
    from statsmodels.stats.proportion import proportion_confint

    k, n = np.array([0, 1, 7, 50, 50]), np.array([10, 9, 70, 51, 50])
    low, high = wilson(k, n, 0.9)
    expected = proportion_confint(k, n, alpha=0.1, method="wilson")
    np.testing.assert_allclose(low, expected[0], atol=1e-12)
    np.testing.assert_allclose(high, expected[1], atol=1e-12)


def test_jaccard_interval_covers():
    """Of samples from a known base, 90 % intervals hold the base's Jaccard about 90 times of 100."""
    rng = np.random.default_rng(3)
    share = {"both": 0.06, "one": 0.1, "other": 0.04}
    truth = share["both"] / sum(share.values())
    hits, runs = 0, 250
    for _ in range(runs):
        drawn = rng.choice(4, 400, p=[*share.values(), 1 - sum(share.values())])
        row = overlap(members_of(np.column_stack([drawn <= 1, (drawn == 0) | (drawn == 2)]))).table.iloc[0]
        hits += row["jaccard_low"] <= truth <= row["jaccard_high"]
    assert abs(hits / runs - 0.9) < 2.6 * np.sqrt(0.9 * 0.1 / runs) + 0.01


def test_soft_overlap_is_apart_from_the_hard_one():
    """Two segments of degrees 0.4 throughout share everything softly and, from 0.5 on, nobody."""
    table = members_of(np.array([[0.4, 0.4], [0.9, 0.3], [0.0, 1.0]]))
    row = overlap(table).table.iloc[0]
    assert row["soft_overlap"] == pytest.approx((0.4 + 0.3) / (0.4 + 0.9 + 1.0))
    assert row["n_both"] == 0
    assert row["n_first"] == row["n_second"] == 1
    assert "soft" in str(overlap(table, threshold=0.3))
    assert overlap(table, threshold=0.3).table["n_both"].iloc[0] == 2
    assert overlap(table).segments["degree_total"].tolist() == pytest.approx([1.3, 1.7])
    assert "soft_overlap" not in overlap(table.round()).table


def test_soft_interval_equals_bootstrap():
    rng = np.random.default_rng(4)
    degrees = rng.beta(0.5, 1.5, (1500, 2))
    degrees[:, 1] = 0.5 * degrees[:, 0] + 0.5 * degrees[:, 1]
    (ratio,), (low,), (high,) = soft_overlaps(degrees, [(0, 1)], 0.9)
    again = []
    for _ in range(1000):
        drawn = degrees[rng.integers(0, len(degrees), len(degrees))]
        again.append(drawn.min(axis=1).sum() / drawn.max(axis=1).sum())
    assert ratio == pytest.approx(degrees.min(axis=1).sum() / degrees.max(axis=1).sum())
    np.testing.assert_allclose([low, high], np.quantile(again, [0.05, 0.95]), atol=0.002)


def test_near_duplicates_and_nesting_are_named():
    base = np.arange(200)
    table = members_of(np.column_stack([base < 100, base < 96, base < 30, base > 150]))
    report = overlap(table, near_duplicate=0.9)
    assert report.near_duplicates[["first", "second"]].to_numpy().tolist() == [["s0", "s1"]]
    inside = {(row["first"], row["second"]): row["contained"] for _, row in report.nested.iterrows()}
    assert inside == {("s0", "s1"): "both", ("s0", "s2"): "second", ("s1", "s2"): "second"}
    assert "'s0 / s1'" in str(report)
    assert "'s2 in s1', 's2 in s0'" in str(report)
    assert overlap(table, near_duplicate=0.97).near_duplicates.empty


def test_matrix_is_the_table():
    rng = np.random.default_rng(5)
    report = overlap(members_of(rng.random((100, 4)) < 0.4))
    shares = report.matrix("share")
    row = report.table.iloc[0]
    assert shares.loc[row["first"], row["second"]] == row["share_of_first"]
    assert shares.loc[row["second"], row["first"]] == row["share_of_second"]
    both = report.matrix("n_both")
    assert (np.diag(both) == report.segments["n_customers"]).all()
    assert (both.to_numpy() == both.to_numpy().T).all()
    with pytest.raises(ValueError, match="soft_overlap"):
        report.matrix("soft_overlap")


def test_rules_and_frames_of_any_kind():
    """The table of `match_table` with its segment, in pandas and polars, with ids as a column."""
    people = pd.DataFrame({"customer_id": range(6), "age": [20, 25, 35, 45, 55, 70], "visits": [1, 5, 5, 1, 5, 0]})
    table = RuleSegmenter({"young": "age < 30", "loyal": "visits >= 5"}).match_table(people)
    report = overlap(table)
    assert report.table["n_both"].tolist() == [1]
    assert "'segment' is no segment" in str(report)
    other = overlap(pl.DataFrame(table.drop(columns="segment").reset_index()))
    pd.testing.assert_frame_equal(report.table, other.table)


def test_missing_membership_is_counted():
    table = members_of(np.ones((4, 2), dtype=bool)).astype("boolean")
    table.iloc[0, 0] = pd.NA
    report = overlap(table)
    assert report.table["n_both"].tolist() == [3]
    assert any("1 for 's0'" in text for text in report.warnings)
    objects = table.astype(object).where(table.notna(), None)
    assert overlap(objects).table.equals(report.table)


def test_exclusive_schemes():
    array = np.array([[1, 1, 0, 0], [1, 0, 1, 1], [0, 1, 1, 0], [0, 0, 0, 1]], dtype=bool)
    report = overlap(members_of(array), exclusive={"value": ["s0", "s1"], "stage": ["s2", "s3"]}, ids=True)
    assert report.conflicts[["scheme", "conflict", "n_customers"]].to_numpy().tolist() == [
        ["stage", "s2 + s3", 1],
        ["value", "s0 + s1", 1],
    ]
    assert report.conflict_ids["scheme"].to_dict() == {"c0": "value", "c1": "stage"}
    with pytest.raises(ValueError, match="'s9'"):
        overlap(members_of(array), exclusive=["s0", "s9"])


def test_ids_can_be_suppressed():
    table = members_of(np.ones((50, 2), dtype=bool))
    assert overlap(table).conflict_ids is None
    assert "c1" not in str(overlap(table).to_dict())
    assert len(overlap(table, ids=7).conflict_ids) == 7
    assert any("7 conflicts of 50" in text for text in overlap(table, ids=7).warnings)
    with pytest.raises(ValueError, match="ids"):
        overlap(table, ids=-1)


labels = st.lists(st.sampled_from(["a", "b", "c", UNASSIGNED]), min_size=4, max_size=40)


@settings(max_examples=25, deadline=None)
@given(labels, st.randoms(use_true_random=False))
def test_agreement_equals_scikit_learn(first, random):
    second = [random.choice([one, "x", "y"]) for one in first]
    report = overlap({"one": pd.Series(first), "two": pd.Series(second)}, random_state=0)
    row = report.agreement.iloc[0]
    assert row["ari_with_unassigned"] == pytest.approx(adjusted_rand_score(first, second))
    assert row["ami_with_unassigned"] == pytest.approx(adjusted_mutual_info_score(first, second))
    both = [(a, b) for a, b in zip(first, second, strict=True) if UNASSIGNED not in (a, b)]
    assert row["n_assigned_in_both"] == len(both)
    if len(both) > 1:
        assert row["ari"] == pytest.approx(adjusted_rand_score(*zip(*both, strict=True)))
        assert row["ari_low"] <= row["ari"] <= row["ari_high"]
    else:
        assert np.isnan(row["ari"])
    counts = report.crosstabs["one", "two"]
    expected = pd.crosstab(pd.Series(first, name="one"), pd.Series(second, name="two"))
    assert counts.to_numpy().sum() == len(first)
    for a in expected.index:
        for b in expected.columns:
            assert counts.loc[a, b] == expected.loc[a, b]


def test_ari_interval_is_that_of_resampled_customers():
    rng = np.random.default_rng(6)
    first = rng.integers(0, 3, 600)
    second = np.where(rng.random(600) < 0.7, first, rng.integers(0, 3, 600))
    row = overlap([pd.Series(first), pd.Series(second)], random_state=0).agreement.iloc[0]
    again = []
    for _ in range(400):
        drawn = rng.integers(0, 600, 600)
        again.append(adjusted_rand_score(first[drawn], second[drawn]))
    np.testing.assert_allclose([row["ari_low"], row["ari_high"]], np.quantile(again, [0.05, 0.95]), atol=0.015)


def test_moves_between_segments_of_the_same_names():
    before = pd.Series(["a", "a", "b", "b", None], index=list("vwxyz"))
    after = pd.Series(["a", "b", "b", None, "a"], index=list("vwxyz"))
    report = overlap({"May": before, "June": after}, ids=True)
    assert report.settings["matched_by"] == {"May -> June": "name"}
    assert report.conflict_ids["conflict"].to_dict() == {
        "w": "a -> b",
        "y": "b -> unassigned",
        "z": "unassigned -> a",
    }
    assert report.settings["n_in_conflict"] == {"May -> June": 3}
    assert "3 customers (60.0 %)" in str(report)


def test_segments_of_other_names_are_matched_by_their_customers():
    one = pd.Series([0] * 50 + [1] * 30 + [2] * 20)
    other = one.map({0: "x", 1: "y", 2: "z"}).where(one.index % 10 != 0, "z")
    report = overlap({"clusters": one, "rules": other})
    assert report.settings["matched_by"] == {"clusters -> rules": "largest shared numbers"}
    assert report.settings["n_in_conflict"]["clusters -> rules"] == 8
    best = report.matches[report.matches["segmentation"] == "clusters"].set_index("segment")
    assert best["best_match"].to_dict() == {"0": "x", "1": "y", "2": "z"}
    assert best.loc["0", "jaccard"] == 45 / 50
    assert best.loc["0", "share_in_match"] == 0.9


def test_ids_on_one_side_only_are_counted():
    one = pd.Series(["a", "b", "b"], index=[1, 2, 3])
    other = pd.Series(["a", "b", "a"], index=[2, 3, 4])
    report = overlap({"one": one, "other": other})
    assert report.settings["n_customers"] == 2
    assert report.settings["n_left_out"] == {"one": 1, "other": 1}
    assert any("1 customer of 'one' is not in all other" in text for text in report.warnings)
    with pytest.raises(CustomerTableError, match="no customer is in all"):
        overlap([one, pd.Series(["a"], index=["q"])])


def test_pairs_of_segmentations_leave_out_their_own():
    rng = np.random.default_rng(7)
    parts = {name: pd.Series(rng.choice(list("ab"), 100)) for name in ("one", "two", "three")}
    report = overlap(parts, random_state=0)
    assert len(report.table) == 3 * 4
    assert len(report.agreement) == 3
    assert report.settings["segmentations"] == ["one", "two", "three"]
    again = overlap(parts, random_state=0)
    pd.testing.assert_frame_equal(report.agreement, again.agreement)


def test_reports_are_plain_values():
    import json

    rng = np.random.default_rng(8)
    soft = overlap(members_of(rng.random((30, 3))), ids=True)
    hard = overlap([pd.Series(rng.choice(list("ab"), 30)), pd.Series(rng.choice(list("ab"), 30))])
    for report in (soft, hard):
        assert json.loads(json.dumps(report.to_dict()))["settings"]["level"] == 0.9
        assert repr(report) == str(report)
    evil = overlap(members_of(rng.random((30, 2)) < 0.5).set_axis(["<script>alert(1)</script>", "b"], axis=1))
    assert "<script>" not in evil._repr_html_()


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (pd.DataFrame({"segment": ["a", "b"]}), AssignmentError, "give two or more"),
        (members_of(np.ones((3, 1), dtype=bool)), ColumnError, "at least two columns"),
        (members_of(np.full((3, 2), 1.5)), ColumnError, "lie in"),
        (members_of(np.ones((3, 2), dtype=bool), city="Bonn"), ColumnError, "'city' of membership holds string"),
        (members_of(np.ones((0, 2), dtype=bool)), CustomerTableError, "0 rows"),
        ([pd.Series(["a"])], ValueError, "two or more"),
        ("segments", TypeError, "a table with a column per segment"),
        (np.ones(3), ValueError, "shape"),
    ],
)
def test_bad_input(given, error, message):
    with pytest.raises(error, match=message):
        overlap(given)


@pytest.mark.parametrize("name", ["threshold", "near_duplicate", "contained", "level", "top"])
def test_bad_settings(name):
    table = members_of(np.ones((3, 2), dtype=bool))
    for value in (0, -1, True, "much"):
        with pytest.raises(ValueError, match=name):
            overlap(table, **{name: value})


@pytest.mark.parametrize("n_segments", [2, 6, 30])
def test_upset_shows_the_largest_combinations(n_segments):
    rng = np.random.default_rng(9)
    table = members_of(rng.random((400, n_segments)) < 0.2).rename(columns={"s0": "x" * 80})
    report = overlap(table)
    display = OverlapDisplay.from_report(report, n_largest=10).plot()
    heights = [patch.get_height() for patch in display.bars_.patches if patch.get_height() > 0]
    assert heights[: len(report.intersections.head(10))] == report.intersections.head(10)["n_customers"].tolist()
    by_size = report.segments.sort_values("n_customers", ascending=False, kind="stable")
    names = [tick.get_text() for tick in display.dots_.get_yticklabels()]
    assert len(names) == n_segments
    assert max(len(name) for name in names) <= 28
    assert names[0] == by_size["segment"].iloc[0] or by_size["segment"].iloc[0].startswith("xxx")
    title = display.ax_.get_title(loc="left")
    left = report.settings["n_combinations"] - min(10, len(report.intersections))
    assert "400 customers" in title
    assert (f"{left} more combination" in title) == (left > 0)
    matplotlib.pyplot.close(display.figure_)


def test_heatmap_and_conflicts():
    rng = np.random.default_rng(10)
    report = overlap(members_of(rng.random((200, 3)) < 0.5))
    figure, (left, right) = matplotlib.pyplot.subplots(1, 2)
    heat = OverlapDisplay.from_report(report, kind="heatmap", measure="share").plot(left)
    assert heat.ax_ is left
    written = {text.get_text() for text in left.texts}
    assert f"{report.table['share_of_first'].iloc[0]:.2f}" in written
    assert len(left.texts) == 6
    OverlapDisplay.from_report(report, kind="conflicts").plot(right)
    assert [patch.get_width() for patch in right.patches] == report.conflicts["n_customers"].tolist()
    assert [tick.get_text() for tick in right.get_yticklabels()] == report.conflicts["conflict"].tolist()
    matplotlib.pyplot.close(figure)
    across = overlap({"one": pd.Series(list("aabb")), "two": pd.Series(list("xyyy"))})
    ax = across.plot(kind="heatmap")
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["one: a", "one: b"]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["two: x", "two: y"]
    matplotlib.pyplot.close(ax.figure)
    nobody = overlap(members_of(np.eye(3, dtype=bool))).plot(kind="conflicts")
    assert nobody.get_title(loc="left") == "No customer is in conflict"
    matplotlib.pyplot.close(nobody.figure)
    with pytest.raises(ValueError, match="kind"):
        OverlapDisplay.from_report(report, kind="venn")


def test_segments_are_named_as_text_in_schemes():
    rng = np.random.default_rng(0)
    members = pd.DataFrame(rng.random((50, 3)) < 0.5)
    assert overlap(members, exclusive=[0, 2]).settings["exclusive"] == {"exclusive segments": ["0", "2"]}
    for wrong in (5, {"scheme": "0"}, {"scheme": 1}):
        with pytest.raises(TypeError, match="exclusive"):
            overlap(members, exclusive=wrong)


def test_an_agreement_that_cannot_be_known_is_not_written_as_a_number():
    ids = pd.RangeIndex(20, name="customer_id")
    some, nobody = pd.Series(["a", "b"] * 10, index=ids), pd.Series("unassigned", index=ids)
    said = str(overlap({"some": some, "nobody": nobody}, random_state=0))
    assert said.startswith(
        "2 segmentations of 20 customers: adjusted Rand index unknown (0 customers in a segment of both); "
    )
    assert "nan" not in str(overlap([nobody, nobody, nobody], random_state=0))
    rng = np.random.default_rng(1)
    for _ in range(10):
        pair = [pd.Series(rng.choice(["a", "b"], 20), index=ids) for _ in range(2)]
        assert "-0.00" not in str(overlap(pair, random_state=0))
