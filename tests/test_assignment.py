"""The assignment table: made, read and relabelled."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation import UNASSIGNED, relabel
from segmentation.assignment import as_assignment, make_assignment
from segmentation.exceptions import AssignmentError, CustomerTableError

IDS = pd.Index([11, 12, 13, 14, 15], name="customer_id")


@pytest.fixture
def assignment():
    """Declared order c, b, a, e; nobody in e; customer 15 in no segment."""
    categories = pd.Index(["c", "b", "a", "e", "unassigned"], dtype=object)
    segment = pd.Categorical(["a", "b", "c", "a", "unassigned"], categories=categories)
    return pd.DataFrame({"segment": segment, "membership": [0.5, 0.6, 0.7, 1.0, 0.0]}, index=IDS)


# --- making one


def test_the_degree_is_that_of_the_assigned_segment():
    membership = np.array([[0.9, 0.1], [0.9, 0.1], [0.2, 0.3]])
    table = make_assignment(np.array([1, 0, -1]), membership, ["x", "y"], IDS[:3])
    assert table["segment"].tolist() == ["y", "x", "unassigned"]
    assert table["membership"].tolist() == [0.1, 0.9, 0.0]
    assert table["segment"].cat.categories.tolist() == ["x", "y", "unassigned"]
    assert table["segment"].cat.categories.dtype == object
    assert table.index.equals(IDS[:3])


# --- reading one


def test_a_valid_table_stays_as_it_is(assignment):
    pd.testing.assert_frame_equal(as_assignment(assignment), assignment)
    pd.testing.assert_frame_equal(as_assignment(assignment.assign(extra=1)), assignment)


def test_names_become_categories_in_sorted_order():
    table = as_assignment(pd.Series(["b", None, "a", "unassigned", np.nan], index=IDS))
    assert table["segment"].cat.categories.tolist() == ["a", "b", "unassigned"]
    assert table["segment"].tolist() == ["b", "unassigned", "a", "unassigned", "unassigned"]
    assert table["membership"].tolist() == [1.0, 0.0, 1.0, 0.0, 0.0]


def test_numbers_as_names_are_sorted_as_numbers():
    table = as_assignment(pd.Series([10, 2, 1, 2, 10], index=IDS))
    assert table["segment"].cat.categories.tolist() == ["1", "2", "10", "unassigned"]
    assert as_assignment(pd.Series([1, "b"], dtype=object))["segment"].cat.categories.tolist() == [
        "1",
        "b",
        "unassigned",
    ]


def test_unassigned_goes_to_the_end_of_given_categories():
    segment = pd.Categorical(["b", "unassigned"], categories=["unassigned", "b", "a"])
    table = as_assignment(pd.Series(segment, index=IDS[:2]))
    assert table["segment"].cat.categories.tolist() == ["b", "a", "unassigned"]


@pytest.mark.parametrize("thing", [None, "a", ["a"], {"segment": ["a"]}, np.array(["a"])])
def test_what_is_no_table_is_refused(thing):
    with pytest.raises(TypeError, match="an assignment is a table with a column 'segment'"):
        as_assignment(thing)


def test_a_table_without_segments_is_refused():
    with pytest.raises(AssignmentError, match="needs a column 'segment', got 'group', 'x'"):
        as_assignment(pd.DataFrame({"group": ["a"], "x": [1]}))


def test_names_that_are_equal_as_text_are_refused():
    with pytest.raises(AssignmentError, match="segment names must be unique as text; repeated: '1'"):
        as_assignment(pd.Series([1, "1"], dtype=object))


@pytest.mark.parametrize("ids", [[1, 1], [1, None]])
def test_ids_that_identify_nobody_are_refused(ids):
    with pytest.raises(CustomerTableError):
        as_assignment(pd.DataFrame({"customer_id": ids, "segment": ["a", "b"]}))


@pytest.mark.parametrize(
    ("membership", "message"),
    [
        ([1.5, 0.0], r"it does not for 1 customer: 11 \(values 1.5\)"),
        ([-0.1, np.nan], r"it does not for 2 customers: 11, 12 \(values -0.1, nan\)"),
        (["much", "little"], r"membership must be numbers in \[0, 1\]"),
    ],
)
def test_a_membership_out_of_range_is_refused(membership, message):
    table = pd.DataFrame({"segment": ["a", "b"], "membership": membership}, index=IDS[:2])
    with pytest.raises(AssignmentError, match=message):
        as_assignment(table)


# --- relabelling


def test_renaming_keeps_order_customers_and_membership(assignment):
    before = assignment.copy(deep=True)
    renamed = relabel(assignment, {"a": "loyal", "e": "nobody"})
    assert renamed["segment"].tolist() == ["loyal", "b", "c", "loyal", "unassigned"]
    assert renamed["segment"].cat.categories.tolist() == ["c", "b", "loyal", "nobody", "unassigned"]
    assert renamed["membership"].tolist() == [0.5, 0.6, 0.7, 1.0, 0.0]
    assert renamed.index.equals(IDS)
    pd.testing.assert_frame_equal(assignment, before)


def test_two_segments_with_one_name_become_one_where_the_first_stood(assignment):
    merged = relabel(assignment, {"a": "both", "c": "both"})
    assert merged["segment"].tolist() == ["both", "b", "both", "both", "unassigned"]
    assert merged["segment"].cat.categories.tolist() == ["both", "b", "e", "unassigned"]
    assert merged["membership"].tolist() == [0.5, 0.6, 0.7, 1.0, 0.0]


def test_a_segment_can_be_merged_into_another_that_keeps_its_name(assignment):
    merged = relabel(assignment, {"a": "b"})
    assert merged["segment"].tolist() == ["b", "b", "c", "b", "unassigned"]
    assert merged["segment"].cat.categories.tolist() == ["c", "b", "e", "unassigned"]


def test_names_can_be_exchanged(assignment):
    swapped = relabel(assignment, {"a": "b", "b": "a"})
    assert swapped["segment"].tolist() == ["b", "a", "c", "b", "unassigned"]
    assert swapped["segment"].cat.categories.tolist() == ["c", "a", "b", "e", "unassigned"]


def test_a_segment_can_be_dissolved(assignment):
    dissolved = relabel(assignment, {"a": UNASSIGNED})
    assert dissolved["segment"].tolist() == ["unassigned", "b", "c", "unassigned", "unassigned"]
    assert dissolved["segment"].cat.categories.tolist() == ["c", "b", "e", "unassigned"]
    assert dissolved["membership"].tolist() == [0.0, 0.6, 0.7, 0.0, 0.0]


def test_no_names_change_nothing(assignment):
    pd.testing.assert_frame_equal(relabel(assignment, {}), assignment)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"A": "x"}, r"cannot rename 'A': the segments are 'c', 'b', 'a', 'e'\. Did you mean 'a'\?"),
        ({"zzz": "x"}, r"cannot rename 'zzz': the segments are 'c', 'b', 'a', 'e'\.$"),
        ({"unassigned": "x"}, "Being unassigned is no segment and keeps its name"),
        ({"a": ""}, "a new name must be a non-empty text, got ''"),
        ({"a": " "}, "a new name must be a non-empty text, got ' '"),
        ({"a": None}, "a new name must be a non-empty text, got None"),
        ({"a": 1}, "a new name must be a non-empty text, got 1"),
    ],
)
def test_names_that_cannot_be_are_refused(assignment, names, message):
    with pytest.raises(AssignmentError, match=message):
        relabel(assignment, names)


@given(
    codes=st.lists(st.integers(-1, 3), min_size=1, max_size=20),
    new=st.lists(st.sampled_from(["a", "b", "c", "d", "u", "unassigned"]), min_size=4, max_size=4),
)
@settings(deadline=None, max_examples=50)
def test_every_customer_gets_the_new_name_of_the_old_segment(codes, new):
    old = ["a", "b", "c", "d"]
    names = dict(zip(old, new, strict=True))
    table = make_assignment(np.array(codes), np.ones((len(codes), 4)), old, pd.RangeIndex(len(codes)))
    renamed = relabel(table, names)
    expected = [names[old[code]] if code >= 0 else UNASSIGNED for code in codes]
    assert renamed["segment"].tolist() == expected
    assert renamed["membership"].tolist() == [0.0 if name == UNASSIGNED else 1.0 for name in expected]
    assert renamed["segment"].cat.categories.tolist() == [*dict.fromkeys(n for n in new if n != UNASSIGNED), UNASSIGNED]


def test_labels_of_a_clusterer_are_an_assignment():
    """-1 is in no segment; an unassigned customer has no membership, whatever the table says."""
    ids = pd.Index(["a", "b", "c", "d"], name="customer_id")
    table = as_assignment(pd.Series([0, -1, 10, 2], index=ids))
    assert table["segment"].tolist() == ["0", "unassigned", "10", "2"]
    assert table["segment"].cat.categories.tolist() == ["0", "2", "10", "unassigned"]
    assert table["membership"].tolist() == [1.0, 0.0, 1.0, 1.0]
    kept = as_assignment(pd.DataFrame({"segment": ["x", None], "membership": [0.4, 0.7]}, index=ids[:2]))
    assert kept["membership"].tolist() == [0.4, 0.0]
