"""Every check of the review passes, warns and fails where it should, and says what was found."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import segmentation as sg
from segmentation.evaluation import describe_segments, review, segment_stability
from segmentation.exceptions import AssignmentError, ColumnError, CustomerTableError
from segmentation.segmenters import HDBSCANSegmenter, KMeansSegmenter, RuleSegmenter

SEGMENTS = ["a", "b", "c"]


def ids(n):
    return pd.RangeIndex(n, name="customer_id")


def segments(*sizes, unassigned=0):
    """Return an assignment with segments a, b, c of these sizes."""
    names = np.repeat([*SEGMENTS[: len(sizes)], "unassigned"], [*sizes, unassigned])
    return sg.assignment.as_assignment(pd.Series(names, index=ids(len(names))))


def report(**medians):
    """Return what the check reads of a stability report."""
    return SimpleNamespace(slsw=pd.DataFrame({name: [value] * 3 for name, value in medians.items()}))


def status(name, *args, **options):
    return review(*args, **options)[name].status


# -- measurable ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("unassigned", "expected"), [(0, "pass"), (5, "pass"), (20, "warn"), (60, "fail")])
def test_measurable_by_the_unassigned(unassigned, expected):
    table = segments(60 - unassigned // 2, 40 - (unassigned - unassigned // 2), unassigned=unassigned)
    found = review(table)["measurable"]
    assert found.status == expected
    assert found.figures["share_unassigned"] == pytest.approx(unassigned / 100)


@pytest.mark.parametrize(("missing", "expected"), [(0, "pass"), (10, "pass"), (30, "warn"), (60, "fail")])
def test_measurable_by_missing_values(missing, expected):
    table = segments(60, 40)
    features = pd.DataFrame({"visits": np.arange(100.0), "income": np.arange(100.0)}, index=table.index)
    features.loc[:, "income"] = features["income"].where(np.arange(100) >= missing)
    found = review(table, features=features)["measurable"]
    assert found.status == expected
    assert ("'income'" in found.evidence) == (missing > 0)
    assert ("'income'" in found.recommendation) == (expected != "pass")


def test_customers_without_features_count_as_missing():
    table = segments(60, 40)
    features = pd.DataFrame({"visits": np.arange(100.0)}, index=table.index).iloc[:70]
    found = review(table, features=features)["measurable"]
    assert found.figures["share_missing"] == pytest.approx(0.3)
    assert found.figures["n_without_features"] == 30


def test_a_model_that_cannot_place_new_customers_is_a_warning():
    X = pd.DataFrame({"x": np.r_[np.zeros(50), np.ones(50)], "y": np.arange(100.0)}, index=ids(100))
    model = KMeansSegmenter(n_clusters=2, random_state=0).fit(X)
    assert status("measurable", sg.assign(model, X), model=model) == "pass"

    class Here(RuleSegmenter):
        def __sklearn_tags__(self):
            tags = super().__sklearn_tags__()
            tags.segmenter_tags.out_of_sample = False
            return tags

    rules = Here({"low": "x < 1", "high": "x >= 1"}).fit(X)
    found = review(sg.assign(rules, X), model=rules)["measurable"]
    assert (found.status, found.figures["places_new_customers"]) == ("warn", False)


# -- substantial ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "minimum", "expected"),
    [
        ((500, 300, 200), 150, "pass"),
        ((500, 450, 50), 150, "warn"),  # 5 % of the customers
        ((500, 300, 200), 250, "fail"),  # 20 % of them
        ((500, 495, 5), 6, "fail"),  # fewer than ten
        ((500, 495, 5), None, "fail"),
        ((2000, 1985, 15), None, "warn"),
        ((500, 300, 200), {"a": 400, "b": 300, "c": 199.5}, "pass"),
        ((500, 300, 200), {"a": 501, "b": 300, "c": 200}, "fail"),
    ],
)
def test_substantial_by_size(sizes, minimum, expected):
    found = review(segments(*sizes), minimum_size=minimum)["substantial"]
    assert found.status == expected
    assert ("customers needed" in found.evidence) == (expected != "pass")


@pytest.mark.parametrize(("cost", "expected"), [(100, "pass"), (300, "warn"), (500, "fail")])
def test_substantial_by_worth(cost, expected):
    table = segments(600, 400)
    found = review(table, values=pd.Series(1.0, index=table.index), running_cost=cost)
    assert found["substantial"].status == expected
    assert found.segments["value"].tolist() == [600.0, 400.0]
    assert ("'b'" in found["substantial"].recommendation) == (expected != "pass")


def test_a_score_table_gives_its_first_column_as_value():
    table = segments(60, 40)
    scores = pd.DataFrame({"clv": 2.0, "p_alive": 0.5}, index=table.index)
    assert review(table, values=scores).segments["value"].tolist() == [120.0, 80.0]


# -- accessible ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("share", "expected"), [(0.8, "pass"), (0.3, "warn"), (0.1, "fail")])
def test_accessible_by_channel(share, expected):
    table = segments(100, 100)
    channels = pd.DataFrame({"mail": [True] * 100 + [False] * 100, "phone": False}, index=table.index)
    channels.iloc[100 : 100 + int(100 * share), 1] = True
    found = review(table, reachable=channels)
    assert found["accessible"].status == expected
    assert found.segments["reachable"].tolist() == pytest.approx([1.0, share])


def test_accessible_by_descriptors():
    rng = np.random.default_rng(0)
    table = segments(400, 300, 300)
    code = table["segment"].cat.codes.to_numpy()
    told = pd.DataFrame({"age": rng.normal(30 + 15 * code, 8), "region": rng.choice(["n", "s"], 1000)}, table.index)
    found = review(table, descriptors=told, random_state=0)
    assert found["accessible"].status == "pass"
    assert (found.segments["auc"] > 0.75).all()
    nothing = pd.DataFrame({"shoe_size": rng.normal(size=1000)}, table.index)
    found = review(table, descriptors=nothing, random_state=0)
    assert found["accessible"].status == "fail"
    assert (found.segments["auc"] < 0.6).all()
    table = segments(400, 400, 200)
    member = pd.DataFrame({"member": np.repeat(["yes", "no"], [800, 200])}, table.index)
    found = review(table, descriptors=member, random_state=0)
    assert found["accessible"].status == "warn"  # c from all others, a and b only from c
    # a third of those outside of a, or b, are in c
    assert found.segments["auc"].tolist() == pytest.approx([2 / 3, 2 / 3, 1.0], abs=1e-9)


def test_descriptors_that_tell_nothing_seldom_seem_to():
    """A lower bound above chance for half of the segments occurs in at most 5 % of noise, here 40 tables."""
    rng = np.random.default_rng(1)
    table = segments(120, 90, 90)
    found = [
        review(table, descriptors=pd.DataFrame({"x": rng.normal(size=300)}, table.index), random_state=0)["accessible"]
        for _ in range(40)
    ]
    assert sum(check.figures["n_not_found"] < 3 for check in found) <= 7  # 99.9 % of a binomial of 40 and 0.05


# -- differentiable ------------------------------------------------------------------------------------------


def test_differentiable_by_what_marks_segments():
    rng = np.random.default_rng(2)
    table = segments(200, 200, 200)
    code = table["segment"].cat.codes.to_numpy()
    marked = pd.DataFrame({"likes": (rng.random(600) < np.array([0.1, 0.5, 0.95])[code]).astype(int)}, table.index)
    flat = pd.DataFrame({"likes": (rng.random(600) < 0.5).astype(int)}, table.index)
    found = review(table, features=marked)
    assert found["differentiable"].status == "warn"  # b is like everybody
    assert found.segments["n_distinguishing"].tolist() == [1, 0, 1]
    assert "'b'" in found["differentiable"].evidence
    assert status("differentiable", table, features=flat) == "fail"
    age = pd.DataFrame({"age": rng.normal(40 + 10.0 * code, 5)}, table.index)
    description = describe_segments(table, marked, descriptors=age, random_state=0)
    # b has neither a mark nor another age than all
    assert review(table, description=description).segments["n_distinguishing"].tolist()[::2] == [2, 2]
    city = pd.DataFrame({"city": np.array(["x", "y", "z"])[code]}, table.index)
    assert status("differentiable", table, features=marked, descriptors=city) == "pass"


@pytest.mark.parametrize(("merges", "expected"), [([], "pass"), ([("a", "b")], "warn"), ([("a", "b", "c")], "fail")])
def test_differentiable_by_the_merge_plan(merges, expected):
    plan = SimpleNamespace(merges=pd.DataFrame({"segments": pd.Series(merges, dtype=object)}))
    found = review(segments(50, 50, 50), granularity=plan)["differentiable"]
    assert found.status == expected
    assert ("merge them" in found.recommendation.lower()) == bool(merges)


# -- actionable ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        ({"a": "call", "b": "mail", "c": "visit"}, "pass"),
        ({"a": "call", "b": "Mail ", "c": "mail"}, "warn"),  # the same action
        ({"a": "call", "b": "mail"}, "warn"),  # none for 6 %
        ({"a": "mail", "b": "mail", "c": "mail"}, "fail"),
        ({"a": "mail"}, "fail"),
        ({"a": "mail", "b": None, "c": " "}, "fail"),
    ],
)
def test_actionable(actions, expected):
    found = review(segments(500, 440, 60), actions=actions)
    assert found["actionable"].status == expected


# -- stable --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("weakest", "expected"), [(0.8, "pass"), (0.7, "warn"), (0.5, "fail")])
def test_stable(weakest, expected):
    found = review(segments(50, 50), stability=report(a=0.9, b=weakest))
    assert found["stable"].status == expected
    assert found.segments["stability"].tolist() == pytest.approx([0.9, weakest])
    assert ("'b'" in found["stable"].recommendation) == (expected != "pass")


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [("natural", "pass"), ("reproducible", "pass"), ("constructive", "warn"), ("cannot tell", "warn")],
)
def test_stable_by_verdict(verdict, expected):
    assert status("stable", segments(50, 50), verdict=SimpleNamespace(verdict=verdict)) == expected


def test_a_real_stability_report_is_read():
    rng = np.random.default_rng(3)
    X = pd.DataFrame({"x": np.r_[rng.normal(0, 1, 100), rng.normal(20, 1, 60)], "y": rng.normal(size=160)}, ids(160))
    model = KMeansSegmenter(n_clusters=2, random_state=0).fit(X)
    stability = segment_stability(model, X, n_pairs=3, random_state=0)
    found = review(sg.assign(model, X), stability=stability)["stable"]
    assert (found.status, found.figures["weakest"]) == ("pass", 1.0)


def test_a_report_of_another_segmentation_is_refused():
    with pytest.raises(ColumnError, match="no segment 'b'"):
        review(segments(50, 50), stability=report(a=0.9, x=0.9))


# -- private, not a proxy ------------------------------------------------------------------------------------


def test_private():
    table = segments(500, 500)
    assert status("private", table) == "pass"
    assert status("private", segments(500, 5)) == "fail"
    coarse = pd.DataFrame({"region": ["n", "s"] * 500}, index=table.index)
    assert status("private", table, quasi_identifiers=coarse) == "pass"
    some = pd.DataFrame({"age": [99] * 12 + [30] * 488 + [30] * 495 + [98] * 5}, index=table.index)
    found = review(table, quasi_identifiers=some)["private"]
    assert (found.status, found.figures["k"]) == ("warn", 5)
    fine = pd.DataFrame({"income": np.arange(1000)}, index=table.index)
    found = review(table, quasi_identifiers=fine)["private"]
    assert (found.status, found.figures["k"], found.figures["share_in_small_classes"]) == ("fail", 1, 1.0)


@pytest.mark.parametrize(("share", "expected"), [(0.5, "pass"), (0.61, "warn"), (0.95, "fail")])
def test_not_a_proxy(share, expected):
    table = segments(1000, 1000)
    first = np.arange(2000) % 1000 < 1000 * share
    sex = pd.Series(np.where(first == (np.arange(2000) < 1000), "f", "m"), index=table.index, name="sex")
    found = review(table, protected=sex, random_state=0)["not_a_proxy"]
    assert found.status == expected
    assert ("'sex'" in found.evidence) is True


# -- the review as a whole -----------------------------------------------------------------------------------


def test_what_was_not_given_is_not_checked():
    found = review(segments(60, 40))
    assert list(found.table.index) == [
        "measurable", "substantial", "accessible", "differentiable", "actionable", "stable", "private", "not_a_proxy",
    ]  # fmt: skip
    assert found.table["status"].tolist() == ["pass", "pass", *["not checked"] * 4, "pass", "not checked"]
    assert found.status == "pass"
    assert all(row.startswith("Give ") for row in found.table.loc["accessible":"stable", "recommendation"])
    assert found.settings["given"] == []


def test_the_review_reads_and_writes():
    found = review(segments(60, 40), actions={"a": "<script>alert(1)</script>"}, minimum_size=50)
    assert found.status == "fail"
    text = str(found)
    assert text.splitlines()[0] == (
        "Review of 2 segments, 100 customers - fail: substantial, actionable; pass: measurable, private; "
        "not checked: accessible, differentiable, stable, not_a_proxy"
    )
    assert max(map(len, text.splitlines()[1:])) <= 120
    assert "<script>" not in found._repr_html_()
    assert found.to_dict()["checks"][1]["figures"]["n_too_small"] == 1
    assert found.to_pandas().equals(found.table)
    with pytest.raises(KeyError, match="no check 'size'"):
        found["size"]


def test_empty_segments_are_named_and_left_out():
    table = segments(60, 40)
    table["segment"] = table["segment"].cat.set_categories(["a", "b", "nobody", "unassigned"])
    found = review(table)
    assert list(found.segments.index) == ["a", "b"]
    assert found.warnings == ("1 empty segment left out: 'nobody'.",)


def test_density_segments_can_be_reviewed():
    rng = np.random.default_rng(4)
    X = pd.DataFrame(np.r_[rng.normal(0, 1, (150, 2)), rng.normal(12, 1, (100, 2))], ids(250), ["x", "y"])
    model = HDBSCANSegmenter(min_cluster_size=30).fit(X)
    found = review(sg.assign(model, X), model=model, features=X)
    assert found["measurable"].figures["places_new_customers"] is True


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"actions": ["call"]}, TypeError, "mapping of segment to action"),
        ({"actions": {"z": "call"}}, ColumnError, "'z'"),
        ({"minimum_size": 0}, ValueError, "above 0"),
        ({"minimum_size": {"a": 5}}, ColumnError, "not named 'b'"),
        ({"running_cost": -1}, ValueError, "running_cost"),
        ({"running_cost": 5}, ValueError, "needs values"),
        ({"values": pd.Series(["much"] * 100, index=ids(100))}, ColumnError, "must be money"),
        ({"values": pd.Series([1.0] * 3, index=pd.Index(["x", "y", "z"]))}, CustomerTableError, "no customer"),
        ({"reachable": pd.Series(["by phone"] * 100, index=ids(100))}, ColumnError, "true or false"),
        ({"features": 3}, TypeError, "one row per customer"),
        ({"quasi_identifiers": pd.DataFrame({"segment": [1] * 100}, ids(100))}, ColumnError, "rename"),
        ({"descriptors": pd.DataFrame({"mail": [f"{i}@x" for i in range(100)]}, ids(100))}, ColumnError, "of its own"),
    ],
)
def test_bad_input(options, error, words):
    with pytest.raises(error, match=words):
        review(segments(60, 40), **options)


def test_nobody_to_review():
    with pytest.raises(AssignmentError, match="nothing to review"):
        review(segments(0, 0, unassigned=10))


# -- what people hand in -------------------------------------------------------------------------------------


def test_equal_seeds_give_equal_reviews_of_any_kind_of_random_state():
    rng = np.random.default_rng(0)
    table = segments(60, 40)
    X = pd.DataFrame({"x": rng.normal(size=100), "y": rng.normal(size=100)}, ids(100))
    age = pd.DataFrame({"age": rng.normal(40, 9, 100), "sex": rng.choice(["f", "m"], 100)}, ids(100))
    given = {"features": X, "descriptors": age, "protected": age["sex"]}
    first = review(table, **given, random_state=3)
    assert str(review(table, **given, random_state=3)) == str(first)
    for state in (np.random.default_rng(1), np.random.RandomState(1), None):
        drawn = review(table, **given, random_state=state)
        again = review(table, **given, random_state=drawn.settings["random_state"])
        assert drawn.segments.equals(again.segments)
    assert review(table).settings["random_state"] is None  # nothing was drawn


def test_ids_on_one_side_are_counted():
    found = review(
        segments(60, 40),
        values=pd.Series(1.0, index=pd.Index([*ids(100)[:90], "elsewhere"], name="customer_id")),
        reachable=pd.Series(1, index=ids(100)),
    )
    assert found.warnings == (
        "values: 10 customers of the assignment not in it, 1 customer in it not in the assignment.",
    )
    assert found["substantial"].figures["n_without_value"] == 10
    assert "10 customers without a value count as 0." in found["substantial"].evidence
    assert found.segments["value"].sum() == 90


@pytest.mark.parametrize("dtype", ["boolean", "bool[pyarrow]", object, "Int64"])
def test_missing_answers_cannot_be_reached_in_any_dtype(dtype):
    if dtype == "bool[pyarrow]":
        pytest.importorskip("pyarrow")
    answers = pd.Series([True, None] * 50, index=ids(100), dtype=object).astype(dtype)
    assert review(segments(60, 40), reachable=answers).segments["reachable"].tolist() == [0.5, 0.5]


@pytest.mark.parametrize("dtype", [object, "Float64", "float64[pyarrow]", "Int64"])
def test_money_in_any_dtype(dtype):
    if "pyarrow" in str(dtype):
        pytest.importorskip("pyarrow")
    found = review(segments(60, 40), values=pd.Series(2.0, index=ids(100)).astype(dtype))
    assert found.segments["value"].tolist() == [120, 80]


def test_segments_too_small_to_learn_from_are_not_given_an_auc():
    age = pd.DataFrame({"age": np.arange(65.0)}, ids(65))
    found = review(segments(60, 5), descriptors=age, random_state=0)["accessible"]
    assert "AUC" not in found.evidence
    assert "'a', 'b'" in found.evidence
    assert found.figures["lowest_auc"] is None


def test_a_missing_action_is_none():
    found = review(segments(60, 40), actions=pd.Series({"a": "call", "b": np.nan}))["actionable"]
    assert found.figures["n_with_action"] == 1
    assert found.evidence.startswith("1 of 2 segments has an action; 1 different action.")


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"stability": 0.9}, TypeError, "segment_stability, got float"),
        ({"verdict": "natural"}, TypeError, "structure_verdict"),
        ({"description": 3}, TypeError, "describe_segments"),
        ({"granularity": 3}, TypeError, "review_granularity"),
        ({"model": pd.DataFrame({"x": [1]})}, TypeError, "a fitted segmenter"),
        ({"minimum_size": "10"}, ValueError, "numbers of customers"),
        ({"values": pd.Series(1.0, ids(100)), "running_cost": "10"}, ValueError, "running_cost"),
        ({"values": pd.Series(np.inf, ids(100))}, ColumnError, "infinite for"),
        ({"values": pd.Series(np.nan, ids(100))}, ColumnError, "empty"),
        ({"values": pd.Series(True, index=ids(100))}, ColumnError, "must be money"),
        ({"descriptors": pd.DataFrame({"age": np.nan}, ids(100))}, ColumnError, "no value in any column"),
    ],
)
def test_what_is_no_such_thing_is_refused(options, error, words):
    with pytest.raises(error, match=words):
        review(segments(60, 40), **options)
