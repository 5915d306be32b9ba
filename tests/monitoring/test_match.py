"""Matching of segments: known answers, the rules at their borders, chance, centres, names and codes."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact
from statsmodels.stats.multitest import multipletests

from segmentation._multiplicity import holm
from segmentation.exceptions import AssignmentError, ColumnError, CustomerTableError
from segmentation.monitoring import MatchDisplay, match_segments
from segmentation.monitoring._match_evidence import chance_of, count_pairs
from segmentation.monitoring._match_names import are_numbered, carry_on


def table(names, start=0):
    return pd.Series(list(names), index=pd.RangeIndex(start, start + len(names), name="customer_id"))


def blocks(**sizes):
    return table([name for name, size in sizes.items() for _ in range(size)])


def events(match):
    rows = match.table.astype(object).where(match.table.notna(), None)
    return sorted(zip(rows["event"], rows["old"], rows["new"], strict=True), key=str)


def test_same_groups_under_other_names_and_order_keep_names_and_codes():
    old = blocks(gold=40, silver=35, new=25)
    new = old.map({"gold": "segment_3", "silver": "segment_1", "new": "segment_2"})
    match = match_segments(old, new)
    assert match.names == {"segment_1": "silver", "segment_2": "new", "segment_3": "gold"}
    assert match.segments == ("gold", "new", "silver")
    assert match.codes == {"segment_1": 2, "segment_2": 1, "segment_3": 0}
    assert set(match.old["event"]) == set(match.new["event"]) == {"renamed"}
    again = match.relabel(new)
    assert (again["segment"].astype(str) == old).all()
    assert list(again["segment"].cat.categories) == ["gold", "new", "silver", "unassigned"]


def test_split_in_halves_gives_neither_half_the_name():
    match = match_segments(blocks(a=100, b=100), blocks(x=50, y=50, b=100))
    assert events(match) == [("continued", "b", "b"), ("split", "a", "x"), ("split", "a", "y")]
    assert match.retired == ("a",)
    assert match.segments == ("a", "b", "x", "y")
    assert match.codes == {"b": 1, "x": 2, "y": 3}
    assert not match.events("split")["carried"].any()
    assert "50.0 % of 'a' is in 'x'" in match.events("split")["reason"][0]


def test_the_larger_part_of_a_split_carries_the_name_on():
    match = match_segments(blocks(a=100, b=100), blocks(x=60, y=40, b=100))
    assert match.names == {"b": "b", "x": "a", "y": "y"}
    split = match.events("split").set_index("new")
    assert split["carried"].to_dict() == {"x": True, "y": False}
    assert split["share_of_old"].to_dict() == {"x": 0.6, "y": 0.4}


def test_merger_of_equals_gets_a_name_of_its_own_and_of_unequals_that_of_the_larger():
    match = match_segments(blocks(a=50, b=50, c=60), blocks(x=100, c=60))
    assert events(match) == [("continued", "c", "c"), ("merged", "a", "x"), ("merged", "b", "x")]
    assert match.names["x"] == "x"
    assert match.retired == ("a", "b")
    match = match_segments(blocks(a=80, b=20, c=60), blocks(x=100, c=60))
    assert match.names["x"] == "a"
    assert match.new["event"].to_dict() == {"c": "continued", "x": "merged"}
    assert match.old["event"].to_dict() == {"a": "merged", "b": "merged", "c": "continued"}


def test_a_small_segment_absorbed_is_merged_and_the_large_one_simply_continues():
    match = match_segments(blocks(a=950, b=50, c=300), blocks(a=1000, c=300))
    assert match.old["event"].to_dict() == {"a": "continued", "b": "merged", "c": "continued"}
    assert match.new["event"].to_dict() == {"a": "continued", "c": "continued"}


def test_a_vanished_segment_died_and_a_gathered_one_is_born():
    old = blocks(a=300, b=300, c=300, d=90)
    new = old.copy()
    new.iloc[900:] = ["a", "b", "c"] * 30
    match = match_segments(old, new)
    assert match.old["event"].to_dict() == {"a": "continued", "b": "continued", "c": "continued", "d": "died"}
    assert match_segments(new, old).new["event"].to_dict()["d"] == "born"
    row = match.events("died").iloc[0]
    assert row["nearest"] in "abc"
    assert row["name"] is None
    assert "no new segment is its successor" in row["reason"]


def test_a_segment_that_grew_goes_on_unless_it_grew_beyond_recognition():
    for grown, event in ((4, "continued"), (6, "died")):
        old = pd.concat([blocks(a=100), table(["unassigned"] * 1000, 100)])
        new = old.copy()
        new.iloc[: 100 * grown] = "a"
        assert match_segments(old, new).old["event"].to_dict()["a"] == event


@pytest.mark.parametrize("seed", range(30))
def test_random_overlap_is_never_a_continuation_however_large_the_segments(seed):
    rng = np.random.default_rng(seed)
    shares = [0.85, 0.1, 0.05]
    old, new = (table(rng.choice(list("abc"), 500, p=shares)) for _ in range(2))
    match = match_segments(old, new, alpha=0.001)
    assert set(match.table["event"]) == {"died", "born"}
    assert match.table["jaccard"].max() > 0.6  # by sizes alone


def test_evidence_is_what_scipy_and_statsmodels_say():
    rng = np.random.default_rng(0)
    old = rng.integers(-1, 4, 300)
    new = np.where(rng.random(300) < 0.4, old, rng.integers(-1, 3, 300)).clip(-1, 2)
    counts = count_pairs(old, new, 4, 3)
    p = chance_of(counts)
    for i, j in itertools.product(range(4), range(3)):
        inside = ((old == i) & (new == j)).sum()
        table_2x2 = [[inside, (old == i).sum() - inside], [(new == j).sum() - inside, ((old != i) & (new != j)).sum()]]
        assert p[i, j] == pytest.approx(fisher_exact(table_2x2, alternative="greater").pvalue, rel=1e-8)
    assert holm(p).ravel() == pytest.approx(multipletests(p.ravel(), method="holm")[1])


@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(-1, 4)), min_size=1, max_size=150))
@settings(max_examples=60, deadline=None)
def test_every_segment_has_one_fate_and_no_name_or_code_is_given_twice(pairs):
    old = table([f"old {a}" if a >= 0 else "unassigned" for a, _ in pairs])
    new = table([f"old {b}" if b >= 0 else "unassigned" for _, b in pairs])
    match = match_segments(old, new)
    assert len(set(match.names.values())) == len(set(match.codes.values())) == len(match.new)
    assert len(set(match.segments)) == len(match.segments)
    assert all(match.segments[match.codes[came]] == name for came, name in match.names.items())
    assert match.segments[: len(match.old)] == tuple(match.old.index)
    carried = match.table[match.table["carried"]]
    assert (carried["name"] == carried["old"]).all()
    assert sorted(carried["old"]) == sorted(match.old.index[match.old["successor"].notna()])
    named = match.table.dropna(subset=["new"])
    assert set(named["new"]) == set(match.new.index)
    back = match_segments(new, old)  # time reversed: births are deaths
    assert (back.table["event"] == "died").sum() == (match.table["event"] == "born").sum()
    assert list(match.relabel(new)["segment"].isna()) == [False] * len(new)


def test_the_same_few_customers_go_on_though_chance_could_do_it():
    match = match_segments(table("aabb"), table("yyxx"))
    assert set(match.old["event"]) == {"renamed"}
    assert "cannot be told from chance" in match.warnings[0]
    assert set(match_segments(table("aabb"), table("yyxy")).old["event"]) == {"died"}


def test_names_that_died_are_not_given_to_others():
    old = table(["segment_1"] * 60 + ["segment_2"] * 60)
    new = pd.concat([old.iloc[:60], table(["unassigned"] * 60, 60), table(["segment_2"] * 5, 120)])
    new.iloc[60:115] = "unassigned"
    assert match_segments(old, new).names == {"segment_1": "segment_1", "segment_2": "segment_3"}
    assert carry_on(["gold"], ["gold"], np.array([-1])).names == ("gold (2)",)
    assert carry_on(["a", "b"], ["b", "c"], np.array([1, 0]), keep_new_names=True).codes == (1, 0)
    assert are_numbered(["segment_1", "Cluster 2", "3"])
    assert not are_numbered(["top 10 %"])


def test_empty_segments_go_on_by_name_alone():
    categories = pd.CategoricalDtype(["a", "b", "nobody"])
    old, new = blocks(a=30, b=30).astype(categories), blocks(a=30, b=30).astype(categories)
    match = match_segments(old, new)
    assert match.old["event"].to_dict() == {"a": "continued", "b": "continued", "nobody": "continued"}
    assert "no customers before and after" in match.table.set_index("old")["reason"].to_dict()["nobody"]
    gone = match_segments(old, blocks(a=30, b=30))
    assert "nobody" not in set(gone.table["old"])  # it was gone before
    assert gone.old["event"].to_dict()["nobody"] == "retired"
    assert gone._headline().endswith("in both): 2 continued")


def test_a_segment_dies_once_in_a_chain_of_tables():
    first = match_segments(blocks(a=60, b=60, c=60), blocks(a=60, b=60, unassigned=60))
    assert first.old["event"].to_dict() == {"a": "continued", "b": "continued", "c": "died"}
    later = first.relabel(blocks(a=60, b=60, unassigned=60))
    second = match_segments(later, blocks(a=60, b=60, d=60))
    assert second.old["event"].to_dict() == {"a": "continued", "b": "continued", "c": "retired"}
    assert set(second.table["event"]) == {"continued", "born"}
    assert second.segments == ("a", "b", "c", "d")  # the name and the code stay reserved
    assert second.retired == ("c",)


def test_customers_in_one_table_only_are_counted_not_compared():
    old, new = blocks(a=100, b=100), blocks(a=100, b=100).iloc[20:]
    new = pd.concat([new, table(["b"] * 7, 500)])
    match = match_segments(old, new)
    assert match.settings["n_compared"] == 180
    assert match.old["n_customers"].to_dict() == {"a": 100, "b": 100}
    assert match.new["n_customers"].to_dict() == {"a": 80, "b": 107}
    assert match.warnings[0].startswith("20 of 200 old customers and 7 of 187 new ones")


def groups(centres, n, rng, start):
    values = np.concatenate([centre + rng.normal(size=(n, 2)) for centre in np.atleast_2d(centres)])
    index = pd.RangeIndex(start, start + len(values), name="customer_id")
    return pd.DataFrame(values, columns=["x", "y"], index=index)


CENTRES = np.array([[0.0, 0.0], [8.0, 0.0], [0.0, 8.0]])


def test_by_centres_when_all_customers_are_others():
    rng = np.random.default_rng(0)
    first, second = groups(CENTRES, 60, rng, 0), groups(CENTRES[[2, 0, 1]] + 0.3, 60, rng, 1000)
    old = pd.Series(np.repeat(["a", "b", "c"], 60), index=first.index)
    new = pd.Series(np.repeat(["x", "y", "z"], 60), index=second.index)
    match = match_segments(old, new, features_old=first, features_new=second * 1.0)
    assert match.names == {"x": "c", "y": "a", "z": "b"}
    assert match.settings["by"] == "centres"
    assert match.events("renamed")["distance"].max() < 1
    assert "centres are compared" in match.warnings[0]
    scaled = match_segments(old, new, features_old=first * [1, 1e6], features_new=second * [1, 1e6])
    assert scaled.names == match.names  # whatever the units
    with pytest.raises(AssignmentError, match=r"no customer in common.*features_old"):
        match_segments(old, new)


def test_by_centres_a_group_elsewhere_is_another_one_though_it_is_the_nearest():
    rng = np.random.default_rng(1)
    moved = np.array([[0.0, 0.0], [8.0, 0.0], [0.0, 40.0]])
    first, second = groups(CENTRES, 60, rng, 0), groups(moved, 60, rng, 1000)
    old = pd.Series(np.repeat(["a", "b", "c"], 60), index=first.index)
    new = pd.Series(np.repeat(["x", "y", "z"], 60), index=second.index)
    match = match_segments(old, new, features_old=first, features_new=second)
    assert match.old["event"].to_dict() == {"a": "renamed", "b": "renamed", "c": "died"}
    assert match.events("died")["distance"].iloc[0] > 10


def test_by_centres_splits_mergers_and_random_segments():
    rng = np.random.default_rng(2)
    first, second = groups(CENTRES, 80, rng, 0), groups(CENTRES, 80, rng, 1000)
    old = pd.Series(np.repeat(["a", "b", "c"], 80), index=first.index)
    new = pd.Series(np.repeat(["x", "y", "z"], 80), index=second.index)
    split = new.mask((new == "x") & (second["x"] > 0), "x2")
    match = match_segments(old, split, features_old=first, features_new=second)
    assert match.old["event"].to_dict() == {"a": "split", "b": "renamed", "c": "renamed"}
    match = match_segments(old, new.replace("z", "x"), features_old=first, features_new=second)
    assert match.old["event"].to_dict() == {"a": "merged", "b": "renamed", "c": "merged"}
    shuffled = pd.Series(rng.permutation(new.to_numpy()), index=new.index)
    match = match_segments(old, shuffled, features_old=first, features_new=second)
    assert set(match.table["event"]) == {"died", "born"}


def test_auto_follows_customers_where_half_of_them_are_there():
    old = blocks(a=50, b=50)
    features = pd.DataFrame({"x": np.arange(100.0)}, index=old.index)
    assert match_segments(old, old, features_old=features, features_new=features).settings["by"] == "customers"
    both = {"features_old": features, "features_new": features}
    assert match_segments(old, old, by="centres", **both).settings["by"] == "centres"


def test_colours_belong_to_segments():
    old = blocks(a=50, b=50, c=50)
    before = match_segments(old, old).colours()
    after = match_segments(old, old.map({"a": "z", "b": "y", "c": "x"})).colours()
    assert before == after
    assert len(set(before.values())) == 4
    assert match_segments(old, old).colours(["red"])["c"] == "red"
    with pytest.raises(ValueError, match="at least one colour"):
        match_segments(old, old).colours([])


def test_result_prints_escapes_and_converts():
    old = table(["<b>"] * 60 + ["plain"] * 60)
    match = match_segments(old, old.replace("plain", "n" * 80))
    text = str(match)
    assert text.splitlines()[0] == (
        "Match of segments (2 segments before, 2 after; compared on 120 customers in both): 1 continued, 1 renamed"
    )
    assert "…" in text
    assert "n" * 80 not in text
    assert "<b>" not in match._repr_html_()
    assert match.to_dict()["events"][0]["old"] == "<b>"
    copy = match.to_pandas()
    copy["event"] = "changed"
    assert "changed" not in set(match.table["event"])
    with pytest.raises(ValueError, match="event must be one of"):
        match.events("exploded")


def test_retired_segments_can_be_left_out_of_the_categories():
    match = match_segments(blocks(a=100, b=100), blocks(x=50, y=50, b=100))
    new = blocks(x=50, y=50, b=100)
    assert list(match.relabel(new)["segment"].cat.categories) == ["a", "b", "x", "y", "unassigned"]
    assert list(match.relabel(new, retired=False)["segment"].cat.categories) == ["b", "x", "y", "unassigned"]
    with pytest.raises(AssignmentError, match="not matched: 'other'"):
        match.relabel(table(["other"]))


def test_picture_has_a_label_for_every_segment_and_says_what_it_leaves_out():
    plt = pytest.importorskip("matplotlib.pyplot")
    old = blocks(a=997, b=3, c=1000)
    display = MatchDisplay.from_match(match_segments(old, old.replace({"c": "x"}))).plot()
    texts = [text.get_text() for text in display.ax_.texts]
    assert texts == ["a  997", "b  3", "c  1,000", "a  997", "b  3", "c (x)  1,000"]
    assert "0.1 % of the customers are too thin" in display.ax_.get_title(loc="left")
    plt.close("all")
    nothing = match_segments(table(["unassigned"] * 60), table(["a"] * 60))
    assert nothing.plot().texts[0].get_text() == "No customers in common."
    plt.close("all")
    with pytest.raises(TypeError, match="must come from match_segments"):
        MatchDisplay(3)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"by": "names"}, ValueError, "by must be"),
        ({"by": "centres"}, ValueError, "needs features_old"),
        ({"features_old": pd.DataFrame({"x": [1.0]})}, ValueError, "go together"),
        ({"min_jaccard": 0}, ValueError, "min_jaccard must be"),
        ({"alpha": True}, ValueError, "alpha must be"),
        ({"old": 3}, TypeError, "an assignment is a table"),
    ],
)
def test_bad_arguments(change, error, text):
    arguments = {"old": blocks(a=3, b=3), "new": blocks(a=3, b=3)} | change
    with pytest.raises(error, match=text):
        match_segments(**arguments)


def test_bad_features():
    old, new = blocks(a=30, b=30), table(["a"] * 60, 100)
    first = pd.DataFrame({"x": np.arange(60.0), "name": "n"}, index=old.index)
    second = pd.DataFrame({"x": np.arange(60.0)}, index=new.index)
    with pytest.raises(ColumnError, match=r"features_new lacks columns.*missing: 'x'"):
        match_segments(old, new, features_old=first, features_new=second.rename(columns={"x": "z"}))
    with pytest.raises(CustomerTableError, match="features_new lacks customers of the assignment: 100"):
        match_segments(old, new, features_old=first, features_new=second.iloc[1:])
    with pytest.raises(ColumnError, match="missing or infinite in 'x'"):
        match_segments(old, new, features_old=first, features_new=second.replace(3.0, np.nan))
    with pytest.raises(ColumnError, match="no numeric column"):
        match_segments(old, new, features_old=first[["name"]], features_new=second)
