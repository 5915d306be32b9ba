"""One boundary for all dataframes: whatever kind the customers come in, every result is the same."""

import datetime as dt
from decimal import Decimal

import duckdb
import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import segmentation as sg
from segmentation import _frames
from segmentation._frames import as_eager, as_lazy, is_frame, is_pandas, kind_of, to_pandas
from segmentation.exceptions import ColumnError, CustomerTableError
from segmentation.segmenters import KMeansSegmenter

DATA = {
    "customer_id": ["c3", "c1", "c2", "c5", "c4", "c6"],
    "spend": [10.5, 20.0, 3.25, 400.0, 410.0, 12.0],
    "orders": [1, 2, 1, 30, 31, 1],
    "region": ["north", None, "south", "south", "north", "north"],
    "optin": [True, None, False, True, True, False],
    "signup": [dt.date(2024, 1, 1), dt.date(2024, 1, 2), None, dt.date(2024, 3, 1), dt.date(2024, 3, 4), None],
    "last_seen": [dt.datetime(2024, 5, d, 12) if d != 3 else None for d in range(1, 7)],
    "limit": [Decimal("1.50"), None, Decimal("2.50"), Decimal("7.25"), Decimal("7.75"), Decimal("0.25")],
}
NUMBERS = ["customer_id", "spend", "orders"]


def nullable(frame):
    with np.errstate(invalid="ignore"):  # pandas 2.2 tries whether infinity is an integer
        return frame.convert_dtypes()


def kinds(data):
    """Build the same table as every kind of dataframe that the library promises to take."""
    arrow = pa.table(data)
    polars = pl.DataFrame(data)
    return {
        "pandas": lambda: pd.DataFrame(data),
        "pandas nullable": lambda: nullable(pd.DataFrame(data)),
        "pandas arrow": lambda: arrow.to_pandas(types_mapper=pd.ArrowDtype),
        "polars": lambda: polars,
        "polars lazy": lambda: polars.lazy(),
        "pyarrow": lambda: arrow,
        "duckdb": lambda: duckdb.from_arrow(arrow),
    }


@pytest.fixture(params=list(kinds({"a": [1]})))
def frame_of(request):
    """Return a function that makes a dataframe of one kind out of a dictionary of columns."""
    return lambda data: kinds(data)[request.param]()


def snapshot(frame):
    """Return the content of a frame and, of a pandas one, its index and dtypes."""
    if is_pandas(frame):
        return frame.to_dict("list"), frame.index.tolist(), frame.index.names, frame.dtypes.tolist(), list(frame)
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    return frame.to_arrow() if hasattr(frame, "to_arrow") else frame.fetchall() if hasattr(frame, "fetchall") else frame


def number_columns():
    return {name: DATA[name] for name in NUMBERS}


# --- the boundary itself


def test_every_kind_is_a_frame_and_becomes_the_same_pandas(frame_of):
    frame = frame_of(number_columns())
    assert is_frame(frame)
    table = to_pandas(frame)
    assert is_pandas(table)
    assert {name: table[name].tolist() for name in table} == number_columns()


@pytest.mark.parametrize(
    "thing", [None, 1, "text", [1, 2], {"a": [1]}, np.eye(2), pd.Series([1]), pl.Series([1]), dict]
)
def test_other_things_are_no_frames(thing):
    assert not is_frame(thing)
    for read in (as_lazy, as_eager, to_pandas):
        with pytest.raises(TypeError, match=r"orders must be a dataframe .* got .*pandas\.DataFrame"):
            read(thing, name="orders")


def test_a_pandas_frame_is_handed_through_uncopied():
    frame = pd.DataFrame({"a": [1]})
    assert to_pandas(frame) is frame


def test_lazy_frames_stay_lazy_until_collected(frame_of):
    lazy = as_lazy(frame_of(number_columns()))
    assert isinstance(lazy, nw.LazyFrame)
    eager = as_eager(frame_of(number_columns()))
    assert isinstance(eager, nw.DataFrame)
    assert sorted(eager["orders"].to_list()) == sorted(DATA["orders"])


def test_decimals_become_floats_on_the_way(frame_of):
    table = to_pandas(frame_of({"d": [Decimal("0.57"), None, Decimal("-2.25")]}))
    values = table["d"]
    if not isinstance(values.dtype, np.dtype):
        values = values.astype(np.float64)
    assert values.dtype != object or isinstance(values[0], Decimal)  # a pandas frame is returned as it is
    assert [float(values[0]), float(values[2])] == [0.57, -2.25]  # to the last digit
    assert pd.isna(values[1])


@pytest.mark.parametrize(
    ("thing", "name"),
    [([1], "list"), (None, "NoneType"), (np.eye(1), "numpy.ndarray"), (pl.DataFrame(), "polars.DataFrame")],
)
def test_kind_of_names_the_kind(thing, name):
    assert kind_of(thing) == name


def test_a_missing_pyarrow_is_named_with_the_command(monkeypatch):
    def no_pyarrow(frame, **kwargs):
        raise ModuleNotFoundError("No module named 'pyarrow'", name="pyarrow")

    class Eager:
        schema = {}  # noqa: RUF012
        with_columns = staticmethod(lambda *_: Eager)
        to_pandas = staticmethod(lambda: no_pyarrow(None))

    monkeypatch.setattr(_frames, "as_eager", lambda frame, name: Eager)
    with pytest.raises(ImportError, match=r"polars\.DataFrame needs the package 'pyarrow'.*pip install"):
        to_pandas(pl.DataFrame({"a": [1]}))


# --- customers, of every kind


@pytest.mark.parametrize("customer_id", [None, "customer_id"])
def test_as_customers_gives_the_same_table(frame_of, customer_id):
    table = sg.as_customers(frame_of(number_columns()), customer_id)
    assert isinstance(table, pd.DataFrame)
    assert table.index.name == "customer_id"
    assert table.index.tolist() == DATA["customer_id"]
    assert list(table.columns) == ["spend", "orders"]
    assert table["spend"].tolist() == DATA["spend"]
    assert table["orders"].tolist() == DATA["orders"]


def test_as_customers_takes_ids_from_a_column_of_any_name(frame_of):
    data = {"spend": DATA["spend"], "Kunde": DATA["customer_id"]}
    table = sg.as_customers(frame_of(data), "Kunde")
    assert table.index.name == "customer_id"
    assert table.index.tolist() == DATA["customer_id"]
    assert list(table.columns) == ["spend"]
    with pytest.raises(ColumnError, match=r"no column 'kunde' .* \(nearest: 'Kunde'\); present: 'spend', 'Kunde'"):
        sg.as_customers(frame_of(data), "kunde")


def test_without_an_id_column_the_row_number_is_the_id(frame_of):
    table = sg.as_customers(frame_of({"spend": [1.0, 2.0]}))
    assert table.index.tolist() == [0, 1]
    assert table.index.name == "customer_id"


@pytest.mark.parametrize(
    "ids",
    [["a", None, "b"], [1, None, 2], [1.5, None, 2.5], [1.5, float("nan"), 2.5], [dt.date(2024, 1, 1), None, None]],
    ids=["text", "integer", "float", "nan", "date"],
)
def test_missing_ids_are_refused_in_every_kind(frame_of, ids):
    frame = frame_of({"customer_id": ids, "spend": [1.0, 2.0, 3.0]})
    with pytest.raises(CustomerTableError, match=r"no customer id \(rows 1"):
        sg.as_customers(frame)


@pytest.mark.parametrize("ids", [["a", "b", "a"], [7, 8, 7], [0.5, 1.5, 0.5]], ids=["text", "integer", "float"])
def test_duplicate_ids_are_refused_in_every_kind(frame_of, ids):
    frame = frame_of({"customer_id": ids, "spend": [1.0, 2.0, 3.0]})
    with pytest.raises(CustomerTableError, match=f"1 customer id stands in more than one row: {ids[0]!r}"):
        sg.as_customers(frame)


def test_no_customers_are_a_table_without_rows(frame_of):
    table = sg.as_customers(frame_of({"customer_id": pa.array([], pa.string()), "spend": pa.array([], pa.float64())}))
    assert table.shape == (0, 1)
    assert table.index.name == "customer_id"


def test_one_customer_is_enough(frame_of):
    table = sg.as_customers(frame_of({"customer_id": ["only"], "spend": [1.0]}))
    assert table["spend"].to_dict() == {"only": 1.0}


def test_the_input_is_never_changed(frame_of):
    frame = frame_of(DATA)
    before = snapshot(frame)
    table = sg.as_customers(frame)
    table["spend"] = 0.0
    table.loc["c1", "orders"] = -1
    table.index.name = "changed"
    assert snapshot(frame) == before


# --- estimators, on every kind


@pytest.fixture(scope="module")
def expected():
    """What the customers give as the plainest kind: pandas, floats, ids in the index."""
    table = pd.DataFrame(number_columns()).set_index("customer_id").astype(float)
    model = KMeansSegmenter(n_clusters=2, random_state=0).fit(table)
    return model, model.assign(table)


def test_fit_predict_assign_give_equal_results(frame_of, expected):
    model, assignment = expected
    frame = frame_of(number_columns())
    before = snapshot(frame)
    refitted = KMeansSegmenter(n_clusters=2, random_state=0).fit(frame)
    np.testing.assert_array_equal(refitted.cluster_centers_, model.cluster_centers_)
    np.testing.assert_array_equal(refitted.labels_, model.labels_)
    assert refitted.feature_names_in_.tolist() == ["spend", "orders"]
    for one in (model, refitted):
        np.testing.assert_array_equal(one.predict(frame), model.labels_)
        np.testing.assert_array_equal(one.transform(frame)[:, 0], model.transform(frame)[:, 0])
        table = sg.assign(one, frame)
        assert table.index.tolist() == DATA["customer_id"]
        assert table["segment"].tolist() == assignment["segment"].tolist()
        assert table["membership"].tolist() == assignment["membership"].tolist()
    assert snapshot(frame) == before


def test_columns_in_another_order_are_refused_not_mixed_up(frame_of, expected):
    data = {name: DATA[name] for name in ["customer_id", "orders", "spend"]}
    with pytest.raises(ColumnError, match=r"(?s)same order.*take those of fit, in their order: 'spend', 'orders'"):
        expected[0].predict(frame_of(data))


def test_missing_and_extra_columns_are_named_with_the_nearest(frame_of, expected):
    with pytest.raises(ColumnError, match=r"missing: 'spend' \(nearest: 'spends'\); present: 'spends', 'orders'"):
        expected[0].predict(frame_of({"spends": [1.0], "orders": [1]}))
    with pytest.raises(ColumnError, match=r"unseen at fit time:\n- extra"):
        expected[0].predict(frame_of({"spend": [1.0], "orders": [1], "extra": [1]}))


def test_missing_values_are_refused_with_column_and_customer(frame_of, expected):
    data = number_columns() | {"orders": [1, None, 1, 30, None, 1]}
    with pytest.raises(
        CustomerTableError, match=r"contains NaN.*Values by column: 'orders': 2; 2 customers: 'c1', 'c4'\. Impute"
    ):
        expected[0].predict(frame_of(data))
    with pytest.raises(CustomerTableError, match="Input X contains NaN"):
        KMeansSegmenter(2).fit(frame_of(data))


@pytest.mark.parametrize("value", [float("inf"), float("-inf")])
def test_infinite_values_are_refused_with_column_and_customer(frame_of, expected, value):
    data = number_columns() | {"spend": [1.0, value, 1.0, value, 1.0, 1.0]}
    with pytest.raises(CustomerTableError, match=r"infinity \(inf\).*'spend': 2; 2 customers: 'c1', 'c5'"):
        expected[0].predict(frame_of(data))


def test_decimals_and_booleans_are_numbers(frame_of, expected):
    money = number_columns() | {"spend": [Decimal(str(value)) for value in DATA["spend"]]}
    np.testing.assert_allclose(
        expected[0].transform(frame_of(money)), expected[0].transform(frame_of(number_columns()))
    )
    flags = {"customer_id": ["a", "b", "c"], "x": [0.0, 1.0, 9.0], "flag": [True, False, True]}
    model = KMeansSegmenter(2, random_state=0).fit(frame_of(flags))
    assert model.scaling_.loc["flag", "treatment"] == "binary"
    missing = flags | {"flag": [True, None, True]}
    with pytest.raises(CustomerTableError, match=r"NaN.*'flag': 1; 1 customer: 'b'"):
        model.predict(frame_of(missing))
    decimals = number_columns() | {"spend": [Decimal("1.5"), None, *[Decimal("2.5")] * 4]}
    with pytest.raises(CustomerTableError, match=r"NaN.*'spend': 1; 1 customer: 'c1'"):
        expected[0].predict(frame_of(decimals))


@pytest.mark.parametrize("name", ["signup", "last_seen"])
def test_dates_are_no_numbers_and_the_column_is_named(frame_of, name):
    data = {"customer_id": DATA["customer_id"], "spend": DATA["spend"], name: DATA[name]}
    with pytest.raises(ColumnError, match=f"KMeansSegmenter takes numbers; column '{name}' .*days since then"):
        KMeansSegmenter(2).fit(frame_of(data))


def test_text_is_no_number_and_the_column_is_named(frame_of):
    data = {"customer_id": ["a", "b"], "spend": ["1.5", "2.5"]}
    with pytest.raises(ColumnError, match=r"column 'spend' is .* \(values: '1\.5', '2\.5'\): encode it .*to_numeric"):
        KMeansSegmenter(2).fit(frame_of(data))


def test_predict_on_no_customers_gives_empty_results(frame_of, expected):
    nobody = frame_of(
        {
            "customer_id": pa.array([], pa.string()),
            "spend": pa.array([], pa.float64()),
            "orders": pa.array([], pa.int64()),
        }
    )
    model = expected[0]
    assert model.predict(nobody).shape == (0,)
    assert model.predict(nobody).dtype == np.int64
    assert model.transform(nobody).shape == (0, 2)
    table = model.assign(nobody)
    assert table.shape == (0, 2)
    assert table["segment"].cat.categories.tolist() == ["segment_1", "segment_2", "unassigned"]
    with pytest.raises(CustomerTableError, match=r"KMeansSegmenter cannot learn from a table without customers"):
        KMeansSegmenter(2).fit(nobody)


# --- the profile, of every kind


def test_profile_is_the_same(frame_of):
    segments = pd.Series(["a", "a", "b", "c", "c", "b"], index=pd.Index(DATA["customer_id"], name="customer_id"))
    columns = ["customer_id", "region", "optin", "signup", "last_seen", "limit"]
    profile = sg.profile_segments(
        segments,
        scores=frame_of(number_columns()),
        features=frame_of({name: DATA[name] for name in columns}),
    )
    assert list(profile.columns) == [
        *("n_customers", "share"),
        *("spend_mean", "spend_total", "spend_share", "spend_n"),
        *("orders_mean", "orders_total", "orders_share", "orders_n"),
        *("region=north", "region=south", "optin", "signup", "last_seen", "limit"),
    ]
    assert profile["spend_total"].tolist() == [30.5, 15.25, 810.0]
    assert profile["orders_mean"].tolist() == [1.5, 1.0, 30.5]
    assert profile["region=north"].tolist() == [1.0, 0.5, 0.5]
    assert profile["optin"].tolist() == [1.0, 0.0, 1.0]
    assert pd.to_datetime(profile["signup"]).tolist() == [
        pd.Timestamp("2024-01-01 12:00"),
        pd.NaT,
        pd.Timestamp("2024-03-02 12:00"),
    ]
    assert pd.to_datetime(profile["last_seen"]).tolist() == [
        pd.Timestamp("2024-05-02 00:00"),
        pd.Timestamp("2024-05-06 12:00"),
        pd.Timestamp("2024-05-05 00:00"),
    ]
    assert profile["limit"].tolist() == [1.5, 1.375, 7.5]
    assert profile.attrs["unmatched"] == {
        "scores": {"only_in_scores": 0, "only_in_assignment": 0},
        "features": {"only_in_features": 0, "only_in_assignment": 0},
    }


def test_an_assignment_may_come_in_any_kind(frame_of):
    assignment = frame_of({"customer_id": ["x", "y", "z"], "segment": ["b", None, "a"]})
    profile = sg.profile_segments(assignment)
    assert profile["n_customers"].to_dict() == {"a": 1, "b": 1, "unassigned": 1}
    renamed = sg.relabel(assignment, {"b": "best"})
    assert renamed["segment"].to_dict() == {"x": "best", "y": "unassigned", "z": "a"}
