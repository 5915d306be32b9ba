"""The customer table: ids from a column or an index, and every way in which they can be wrong."""

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import segmentation as sg
from segmentation import Segmenter, as_customers
from segmentation._validation import customer_index, select_columns
from segmentation.exceptions import ColumnError, CustomerTableError, SegmentationWarning
from segmentation.segmenters import KMeansSegmenter
from segmentation.testing import make_customers


def table(ids, **columns):
    return pd.DataFrame({"customer_id": ids, "x": range(len(ids)), **columns})


# --- where the ids come from


def test_the_index_is_the_id_where_there_is_no_column():
    frame = pd.DataFrame({"x": [1, 2]}, index=["b", "a"])
    result = as_customers(frame)
    assert result.index.tolist() == ["b", "a"]
    assert result.index.name == "customer_id"
    assert frame.index.name is None


def test_a_table_that_is_one_already_stays_as_it_is():
    frame = pd.DataFrame({"x": [1, 2]}, index=pd.Index(["b", "a"], name="customer_id"))
    pd.testing.assert_frame_equal(as_customers(frame), frame)
    pd.testing.assert_frame_equal(as_customers(as_customers(frame)), frame)


def test_the_index_can_be_named_as_the_id():
    frame = pd.DataFrame({"x": [1, 2]}, index=pd.Index([7, 8], name="Kunde"))
    assert as_customers(frame, "Kunde").index.tolist() == [7, 8]
    assert as_customers(frame, "Kunde").index.name == "customer_id"


def test_a_column_called_customer_id_goes_before_an_unnamed_index():
    frame = table(["a", "b"]).set_axis([10, 20])
    assert as_customers(frame).index.tolist() == ["a", "b"]


def test_integer_column_labels_can_be_ids():
    frame = pd.DataFrame({0: ["a", "b"], 1: [1, 2]})
    result = as_customers(frame, 0)
    assert result.index.tolist() == ["a", "b"]
    assert list(result.columns) == [1]
    with pytest.raises(ColumnError, match="no column 7 to take customer ids from; missing: 7; present: 0, 1"):
        as_customers(frame, 7)


def test_other_columns_keep_their_order_and_types():
    frame = pd.DataFrame({"z": ["u"], "customer_id": [1], "a": [True], "m": pd.array([None], dtype="Int64")})
    result = as_customers(frame)
    assert list(result.columns) == ["z", "a", "m"]
    assert result.dtypes.to_dict() == frame.drop(columns="customer_id").dtypes.to_dict()


def test_a_table_of_ids_alone_is_one():
    assert as_customers(pd.DataFrame({"customer_id": [1, 2]})).shape == (2, 0)


@pytest.mark.parametrize(
    ("frame", "customer_id"),
    [
        (table([1, 2]).set_index(pd.Index([1, 2], name="customer_id")), None),
        (table([1, 2]).set_index(pd.Index([1, 2], name="customer_id")), "customer_id"),
        (pd.DataFrame({"id": [1, 2]}, index=pd.Index([3, 4], name="customer_id")), "id"),
        (pd.DataFrame({"id": [1, 2]}, index=pd.Index([3, 4], name="id")), "id"),
        (pd.DataFrame({"id": [1, 2]}, index=pd.MultiIndex.from_arrays([[1, 2], [3, 4]], names=["d", "id"])), "id"),
    ],
)
def test_ids_in_a_column_and_in_the_index_are_refused(frame, customer_id):
    with pytest.raises(ColumnError, match="which of them holds the ids"):
        as_customers(frame, customer_id)


def test_a_second_column_called_customer_id_is_refused():
    with pytest.raises(ColumnError, match="ids are taken from 'id', and there is another column 'customer_id'"):
        as_customers(table([1, 2], id=[3, 4]), "id")
    frame = table([1, 2]).set_index(pd.Index([3, 4], name="id"))
    with pytest.raises(ColumnError, match="ids are taken from 'id', and there is another column 'customer_id'"):
        as_customers(frame, "id")


# --- ids that identify nobody


@pytest.mark.parametrize(
    "ids",
    [
        ["a", None],
        [1.0, np.nan],
        [pd.Timestamp("2024-01-01"), pd.NaT],
        pd.Series(["a", pd.NA], dtype=object),
        pd.Series(["a", float("nan")], dtype=object),
        pd.Series(["a", pd.NaT], dtype=object),
        pd.array([1, pd.NA], dtype="Int64"),
        pd.array(["a", pd.NA], dtype="string"),
        pd.array(["a", None], dtype=pd.ArrowDtype(pa.string())),
        pd.Categorical(["a", None]),
        pd.arrays.ArrowExtensionArray(pa.array([1.0, float("nan")])),  # NaN is no null in Arrow
        pd.array([0.0, 1.0], dtype="Float64") / pd.array([1.0, np.nan], dtype="Float64"),
    ],
)
def test_missing_ids_are_refused_whatever_marks_them(ids):
    message = r"1 row has no customer id \(rows 1\)\. Drop them"
    with pytest.raises(CustomerTableError, match=message):
        as_customers(pd.DataFrame({"customer_id": ids, "x": [1, 2]}))
    with pytest.raises(CustomerTableError, match=message):
        as_customers(pd.DataFrame({"x": [1, 2]}, index=pd.Index(ids)))


def test_at_most_five_missing_ids_are_named():
    with pytest.raises(
        CustomerTableError, match=r"8 rows have no customer id \(rows 0, 1, 2, 3, 4, \.\.\. \(8 in all\)"
    ):
        as_customers(table([None] * 8))


@pytest.mark.parametrize(
    ("ids", "named"),
    [
        (["a", "b", "a", "a"], "1 customer id stands in more than one row: 'a'"),
        ([3, 3, 4, 4], "2 customer ids stand in more than one row: 3, 4"),
        (pd.Series([1, 1.0], dtype=object), "1 customer id stands"),  # equal, so the same customer
        (pd.array([5, 5], dtype="Int64"), "more than one row: 5"),
        (pd.to_datetime(["2024-01-01", "2024-01-01"]), "1 customer id stands"),
        (np.repeat(np.arange(9), 2), r"9 customer ids stand in more than one row: 0, 1, 2, 3, 4, \.\.\. \(9 in all\)"),
    ],
)
def test_duplicate_ids_are_refused_and_named(ids, named):
    with pytest.raises(CustomerTableError, match=named):
        as_customers(pd.DataFrame({"customer_id": ids, "x": range(len(ids))}))


@pytest.mark.parametrize("names", [[None, None], ["customer_id", "day"], ["a", "b"]])
def test_a_multiindex_is_refused(names):
    index = pd.MultiIndex.from_tuples([(1, 2), (1, 3)], names=names)
    frame = pd.DataFrame({"x": [1, 2]}, index=index)
    with pytest.raises(CustomerTableError, match=r"needs one id, but the index has 2 levels .* join them into one"):
        as_customers(frame)


def test_a_multiindex_without_meaning_gives_way_to_a_column():
    index = pd.MultiIndex.from_tuples([(1, 2), (1, 3)])
    assert as_customers(table(["a", "b"]).set_index(index)).index.tolist() == ["a", "b"]


def test_ids_may_be_of_any_type_that_can_be_compared():
    for ids in ([(1, 2), (1, 3)], [dt.date(2024, 1, 1), "x"], pd.Categorical(["u", "v"]), [0, -1]):
        frame = pd.DataFrame({"customer_id": pd.Series(ids, dtype=getattr(ids, "dtype", object)), "x": [1, 2]})
        assert as_customers(frame).index.tolist() == list(ids)


def test_customer_index_returns_the_very_index_where_it_is_right():
    index = pd.Index([1, 2], name="customer_id")
    assert customer_index(index) is index


# --- columns


def test_repeated_columns_are_refused():
    with pytest.raises(ColumnError, match="column names must be unique; repeated: 'a'"):
        as_customers(pd.DataFrame([[1, 2, 3]], columns=["a", "b", "a"]))
    with pytest.raises(ColumnError, match="repeated: 'customer_id'"):
        as_customers(pd.DataFrame([[1, 2]], columns=["customer_id", "customer_id"]))


def test_columns_of_several_levels_are_refused():
    columns = pd.MultiIndex.from_tuples([("a", "sum"), ("a", "mean")])
    with pytest.raises(ColumnError, match="columns have 2 levels; flatten them"):
        as_customers(pd.DataFrame([[1, 2]], columns=columns))


@pytest.mark.parametrize("thing", [None, "table", [1, 2], {"x": [1]}, np.eye(2), pd.Series([1], name="x")])
def test_what_is_no_dataframe_is_refused(thing):
    with pytest.raises(TypeError, match="expected a dataframe with one row per customer"):
        as_customers(thing)


def test_select_columns_takes_those_needed_in_their_order():
    frame = pd.DataFrame({"a": [1], "b": [2], "c": [3]})
    assert list(select_columns(frame, ["c", "a"], "X needs;")) == ["c", "a"]
    assert select_columns(frame, ["a", "b", "c"], "X needs;") is frame
    many = [f"m{i}" for i in range(7)]
    with pytest.raises(
        ColumnError, match=r"^X needs; missing: 'm0', 'm1', 'm2', 'm3', 'm4', \.\.\. \(7 in all\); pres"
    ):
        select_columns(frame, many, "X needs;")


# --- numbers


@pytest.fixture(scope="module")
def model():
    customers = pd.DataFrame({"a": [0.0, 1.0, 9.0, 10.0], "b": [0.0, 1.0, 9.0, 10.0]}, index=list("wxyz"))
    return KMeansSegmenter(2, random_state=0).fit(customers)


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([True, False]),
        pd.Series([1, 0], dtype="int8"),
        pd.Series([1, 0], dtype="uint64"),
        pd.Series([1, 0], dtype="float32"),
        pd.array([1, 0], dtype="Int64"),
        pd.array([True, False], dtype="boolean"),
        pd.array([1.0, 0.0], dtype="Float32"),
        pd.array([1, 0], dtype=pd.ArrowDtype(pa.int16())),
        pd.array([True, False], dtype=pd.ArrowDtype(pa.bool_())),
        pd.arrays.SparseArray([1, 0]),
        pd.Series([1, 0.0], dtype=object),
        pd.Series([True, False], dtype=object),
    ],
)
def test_every_type_of_number_is_the_same_number(model, column):
    customers = pd.DataFrame({"a": column, "b": [1.0, 0.0]})
    expected = model.transform(pd.DataFrame({"a": [1.0, 0.0], "b": [1.0, 0.0]}))
    np.testing.assert_array_equal(model.transform(customers), expected)


@pytest.mark.parametrize(
    "column",
    [
        pd.array([pd.NA, 1], dtype="Int64"),
        pd.array([None, True], dtype="boolean"),
        pd.array([None, 1], dtype=pd.ArrowDtype(pa.int64())),
        pd.Series([None, 1], dtype=object),
        pd.Series([pd.NA, 1.5], dtype=object),
        pd.Series([None, True], dtype=object),
    ],
)
def test_every_kind_of_missing_number_is_named(model, column):
    customers = pd.DataFrame({"customer_id": ["p", "q"], "a": column, "b": [1.0, 0.0]})
    with pytest.raises(CustomerTableError, match=r"contains NaN.*Values by column: 'a': 1; 1 customer: 'p'\. Impute"):
        model.predict(customers)


@pytest.mark.parametrize(
    ("column", "remedy"),
    [
        (["x", "y"], r"\(values: 'x', 'y'\): encode it"),
        (["1", "2"], r"\(values: '1', '2'\): encode it .*pandas\.to_numeric"),
        (pd.Series([1, "2"], dtype=object), r"object \(values: 1, '2'\)"),
        (pd.Categorical([1, 2]), r"category \(values: 1, 2\): encode it"),
        (pd.Series([{"u": 1}, [2]], dtype=object), r"object \(values: \{'u': 1\}, \[2\]\)"),
        (pd.to_datetime(["2024-01-01", "2024-01-02"]), "days since then"),
        (pd.to_datetime(["2024-01-01", "2024-01-02"]).tz_localize("UTC"), "days since then"),
        (pd.Series([dt.date(2024, 1, 1), None], dtype=object), "days since then"),
        (pd.to_timedelta([1, 2], unit="D"), "days since then"),
        (pd.PeriodIndex(["2024-01", "2024-02"], freq="M"), "days since then"),
    ],
)
def test_what_is_no_number_is_refused_with_the_column_and_a_remedy(model, column, remedy):
    customers = pd.DataFrame({"a": [1.0, 2.0], "b": column})
    with pytest.raises(ColumnError, match=f"(?s)KMeansSegmenter takes numbers; column 'b' is .*{remedy}"):
        model.predict(customers)


def test_both_infinities_at_once_are_refused_by_name(model):
    customers = pd.DataFrame({"a": [np.inf, -np.inf, 0.0], "b": 0.0}, index=["p", "q", "r"])
    with pytest.raises(CustomerTableError, match=r"infinity \(inf\).*'a': 2; 2 customers: 'p', 'q'"):
        model.predict(customers)


def test_at_most_five_columns_and_customers_are_named():
    wide = pd.DataFrame(np.full((9, 9), np.nan), columns=[f"f{i}" for i in range(9)])
    with pytest.raises(
        CustomerTableError, match=r"'f4': 9, \.\.\.; 9 customers: 0, 1, 2, 3, 4, \.\.\. \(9 in all\)\. Impute"
    ) as error:
        KMeansSegmenter(2).fit(wide)
    assert "f5" not in str(error.value)


def test_values_whose_sum_overflows_are_finite(model):
    labels = model.predict(pd.DataFrame({"a": [1e308, 1e308, 0.0], "b": [0.0, 0.0, 0.0]}))
    assert labels.shape == (3,)


def test_rows_of_an_array_are_not_called_customers(model):
    array = np.array([[0.0, 1.0], [np.nan, 1.0]])
    with pytest.raises(CustomerTableError, match=r"Values by column: 'x0': 1; 1 row: 1\. Impute"):
        KMeansSegmenter(1).fit(array)


def test_a_table_without_a_column_of_numbers_is_refused():
    with pytest.raises(ColumnError, match="KMeansSegmenter needs at least one column beside the ids"):
        KMeansSegmenter(1).fit(pd.DataFrame({"customer_id": [1, 2]}))


def test_a_series_is_refused_with_a_remedy(model):
    with pytest.raises(ValueError, match=r"Expected 2D array or dataframe, got a pandas Series .*to_frame"):
        model.predict(pd.Series([1.0, 2.0]))


# --- labels that are no text


def test_exchanged_integer_columns_are_refused():
    customers = pd.DataFrame({0: [0.0, 1.0, 9.0], 1: [5.0, 4.0, 1.0]})
    model = KMeansSegmenter(2, random_state=0).fit(customers)
    assert model.feature_names_in_.tolist() == ["0", "1"]
    np.testing.assert_array_equal(model.predict(customers), model.labels_)
    with pytest.raises(ColumnError, match="same order"):
        model.predict(customers[[1, 0]])


def test_labels_that_are_equal_as_text_are_refused():
    with pytest.raises(ColumnError, match="column names must be unique; repeated: '1'"):
        KMeansSegmenter(1).fit(pd.DataFrame([[1.0, 2.0]], columns=[1, "1"]))


def test_mixed_labels_are_text():
    model = KMeansSegmenter(1).fit(pd.DataFrame([[1.0, 2.0]], columns=[1, "b"]))
    assert list(model.centers_.columns) == ["1", "b"]


def test_a_column_that_looks_like_the_id_is_pointed_out():
    """A frame without an index of its own, as from polars: the id would be a feature in silence."""
    frame = pd.DataFrame({"CustomerID": range(10_000, 10_040), "spend": np.arange(40.0) % 7})
    with pytest.warns(SegmentationWarning, match=r"'CustomerID' as a feature, and it looks like the customer id"):
        KMeansSegmenter(2, random_state=0).fit(frame)
    KMeansSegmenter(2, random_state=0).fit(sg.as_customers(frame, customer_id="CustomerID"))
    KMeansSegmenter(2, random_state=0).fit(frame.rename(columns={"CustomerID": "paid"}))


def test_columns_that_do_not_belong_are_named_before_their_values():
    customers = make_customers()
    model = KMeansSegmenter(2, random_state=0).fit(customers[["age", "total_spend"]])
    with pytest.raises(ColumnError, match="all columns are there; take those of fit, in their order"):
        model.predict(customers[["age", "total_spend", "region"]])


def test_missing_values_of_a_table_estimator_are_refused_unless_it_takes_them():
    class Regions(Segmenter):
        def __sklearn_tags__(self):
            tags = super().__sklearn_tags__()
            tags.segmenter_tags.dataframe_only = True
            tags.input_tags.two_d_array = False
            return tags

        def _required_columns(self):
            return ["region"]

        def _fit(self, X, y):
            return ["all"]

        def _membership(self, X):
            return np.ones((len(X), 1))

    customers = make_customers(30)
    model = Regions().fit(customers)
    some = customers.assign(region=customers["region"].where(customers.index != customers.index[4]))
    with pytest.raises(
        CustomerTableError, match=f"Regions cannot use missing values .*'region': 1; 1 customer: '{customers.index[4]}'"
    ):
        model.predict(some)
