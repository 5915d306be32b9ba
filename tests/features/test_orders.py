"""What the three functions make of ids, timestamps and amounts as they come, and what they refuse."""

import datetime as dt
import decimal
import math
import uuid
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from segmentation.exceptions import ColumnError, DroppedRowsWarning
from segmentation.features import btyd_table, calibration_holdout, rfm_table

COLUMNS = {"customer_id": "who", "timestamp": "when", "amount": "paid"}
TABLES = [rfm_table, btyd_table, lambda *args, **kw: calibration_holdout(*args, **kw, calibration_end="2024-01-04")]
every_table = pytest.mark.parametrize("make", TABLES, ids=["rfm", "btyd", "calibration"])


def orders(**columns):
    """Four orders of three customers, with columns replaced."""
    plain = {
        "who": [1, 1, 2, 3],
        "when": pd.to_datetime(["2024-01-01", "2024-01-03", "2024-01-05", "2024-02-01"]),
        "paid": [1.0, 2.0, 3.0, 4.0],
    }
    return pd.DataFrame({**plain, **columns})


def counted(frame, **settings):
    """Return the RFM table and the reasons for which rows were left out."""
    table, report = rfm_table(frame, **{**COLUMNS, **settings}, return_report=True)
    return table, {reason: number for reason, number in report.left_out.items() if number}


# Customers


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([17850.0, np.nan, 2.0, np.inf], [2, 17850]),
        (pd.array([2**60 + 1, None, 2, None], dtype="Int64"), [2, 2**60 + 1]),
        (pd.Series([2**60 + 1, None, 2, None], dtype=object), [2, 2**60 + 1]),
        (pd.Series([7.0, None, 2, np.nan], dtype=object), [2, 7]),
        (pd.Series([np.int64(7), None, 2, None], dtype=object), [2, 7]),
        (pd.Categorical([9, None, 2, None]), [2, 9]),
        (pd.Categorical.from_codes([0, 0, -1, -1], np.array([9], dtype="uint8")), [9]),
    ],
)
def test_whole_numbers_are_returned_as_integers(ids, expected):
    table, left_out = counted(orders(who=ids))
    assert list(table.index) == expected
    assert table.index.dtype == "int64"
    assert left_out == {"n_missing_customer": 2}


def test_fractional_ids_stay_floats():
    table, _ = counted(orders(who=[1.5, 1.5, 2.0, 2.0]))
    assert list(table.index) == [1.5, 2.0]


def test_ids_beyond_int64_stay_exact():
    table, _ = counted(orders(who=np.array([2**63 + 5, 2, 2, 3], dtype="uint64")))
    assert list(table.index) == [2, 3, 2**63 + 5]


@pytest.mark.parametrize("categorical", [False, True])
def test_blank_text_is_no_customer_in_any_engine(build, categorical):
    ids = pa.array(["b", "", None, " \t", "a", "B", "é", "b"], pa.string())
    table = pa.table(
        {
            "who": ids.dictionary_encode() if categorical else ids,
            "when": pa.array([dt.date(2024, 1, 1)] * 8, pa.date32()),
            "paid": [1.0] * 8,
        }
    )
    result, left_out = counted(build(table))
    assert list(result.index) == ["B", "a", "b", "é"]
    assert result.index.dtype == pd.Index(["a"]).dtype
    assert result.loc["b", "total_spend"] == 2.0
    assert left_out == {"n_missing_customer": 3}


def test_null_and_nan_ids_are_missing_in_every_engine(build):
    table = pa.table(
        {
            "who": pa.array([17850.0, None, float("nan"), 12.0], pa.float64()),
            "when": pa.array([dt.date(2024, 1, 1)] * 4, pa.date32()),
        }
    )
    result, report = rfm_table(build(table), customer_id="who", timestamp="when", return_report=True)
    assert list(result.index) == [12, 17850]
    assert result.index.dtype == "int64"
    assert report.n_missing_customer == 2


@pytest.mark.parametrize(
    "ids",
    [
        [uuid.UUID(int=number) for number in (1, 1, 2, 3)],
        [("x", 1), ("x", 1), ("y", 2), ("z", 0)],
        [dt.date(2024, 1, day) for day in (1, 1, 2, 3)],
    ],
    ids=["uuid", "tuple", "date"],
)
def test_objects_of_one_type_are_kept(ids):
    table, _ = counted(orders(who=ids))
    assert list(table.index) == ids[1:]
    assert table.index.name == "customer_id"


def test_a_mixture_of_id_types_is_refused():
    with pytest.raises(TypeError, match=r"'who' mixes types \('int', 'str'\).*astype\(str\)"):
        rfm_table(orders(who=[1, "1", 2, 3]), **COLUMNS)


# Timestamps


def test_text_that_is_no_date_is_counted_in_every_engine(build):
    when = ["2024-01-01", "2024-02-30", " 20240103 ", "soon", None, "", "2024-01-04T23:59:59+00:00"]
    table = pa.table({"who": ["a"] * 7, "when": pa.array(when, pa.string()), "paid": [1.0] * 7})
    result, report = rfm_table(build(table), **COLUMNS, return_report=True)
    assert result.loc["a"].tolist() == [0.0, 3.0, 3.0]
    assert report.n_bad_timestamp == 4
    assert report.observation_end == dt.date(2024, 1, 4)


def test_dates_that_are_another_format_are_refused_in_every_engine(build):
    when = ["2024-01-01", "31/12/2023", "01/02/2024", None]
    table = pa.table({"who": ["a"] * 4, "when": pa.array(when, pa.string()), "paid": [1.0] * 4})
    message = r"1 of 3 texts in the timestamp column 'when' are ISO 8601.*(31/12/2023|01/02/2024).*pandas.to_datetime"
    with pytest.raises(ValueError, match=message):
        rfm_table(build(table), **COLUMNS)


def test_half_of_the_texts_are_enough():
    _, left_out = counted(orders(when=["2024-01-01", "2024-01-02", "x", "y"]))
    assert left_out == {"n_bad_timestamp": 2}


def test_years_of_placeholders_are_bad(build):
    when = [dt.datetime(1699, 12, 31), dt.datetime(1700, 1, 1), dt.datetime(2199, 12, 31, 23), dt.datetime(2200, 1, 1)]
    table = pa.table({"who": ["a"] * 4, "when": pa.array(when, pa.timestamp("us")), "paid": [1.0] * 4})
    result, report = rfm_table(build(table), **COLUMNS, return_report=True)
    assert report.n_bad_timestamp == 2
    assert result.loc["a", "n_purchases"] == 2


def test_a_placeholder_in_seconds_is_bad_too():
    when = np.array(["0001-01-01", "2024-01-01", "9999-12-31", "2024-01-05"], dtype="datetime64[s]")
    table, left_out = counted(orders(when=when))
    assert left_out == {"n_bad_timestamp": 2}
    assert table["days_since_last_purchase"].tolist() == [4.0, 0.0]


def test_the_change_of_the_clocks_is_no_part_of_a_day(build):
    """From half past eleven in the evening to half past midnight two days later: 24 hours, two days."""
    local = [dt.datetime(2024, 3, 30, 23, 30), dt.datetime(2024, 4, 1, 0, 30)]
    utc = [
        (moment - dt.timedelta(hours=hours)).replace(tzinfo=dt.UTC) for moment, hours in zip(local, (1, 2), strict=True)
    ]
    assert utc[1] - utc[0] == dt.timedelta(hours=24)
    table = pa.table({"who": ["a", "a"], "when": pa.array(utc, pa.timestamp("us", tz="Europe/Berlin"))})
    columns = {"customer_id": "who", "timestamp": "when"}
    assert btyd_table(build(table), **columns).loc["a"].tolist() == pytest.approx([1.0, 2.0, 2.0, math.log(2)])
    end = dt.datetime(2024, 4, 1, 22, 30, tzinfo=dt.UTC)
    assert rfm_table(build(table), **columns, as_of=end).loc["a"].tolist() == [1.0, 2.0]


def test_a_fixed_offset_is_a_zone():
    offset = dt.timezone(dt.timedelta(hours=5, minutes=30))
    when = pd.to_datetime(["2024-01-01T23:30"] * 4).tz_localize(offset)
    table, _ = counted(orders(when=when), as_of="2024-01-01T20:00:00Z")
    assert table["days_since_last_purchase"].tolist() == [1.0, 1.0, 1.0]


def test_times_within_a_day_are_one_purchase(build):
    when = [dt.datetime(2024, 1, 1, hour, 59, 59, 999_999) for hour in (0, 12, 23)]
    table = pa.table({"who": ["a"] * 3, "when": pa.array(when, pa.timestamp("us")), "paid": [1.0, 2.0, 3.0]})
    assert rfm_table(build(table), **COLUMNS).loc["a"].tolist() == [0.0, 1.0, 6.0]
    assert btyd_table(build(table), **COLUMNS).loc["a"].tolist() == [0.0, 0.0, 0.0, 0.0, 0.0]


def test_objects_of_dates_and_texts_mix():
    when = [pd.Timestamp("2024-01-01 00:30+01:00"), dt.date(2024, 1, 2), "2024-01-03", np.datetime64("2024-01-04")]
    table, left_out = counted(orders(when=when, who=[1, 1, 1, 1]))
    assert table.loc[1].tolist() == [0.0, 4.0, 10.0]
    assert left_out == {}


@pytest.mark.parametrize("missing", [None, pd.NaT])
def test_no_timestamp_at_all(missing):
    with pytest.raises(ValueError, match="none of the 4 rows of orders can be used: 4 without a date in 'when'"):
        rfm_table(orders(when=[missing] * 4), **COLUMNS)


@pytest.mark.parametrize(
    "when",
    [
        [20240131] * 4,
        [1.7e9] * 4,
        [True] * 4,
        pd.period_range("2024-01", periods=4, freq="M"),
        pd.to_timedelta([1, 2, 3, 4]),
        pd.Series([20240131] * 4, dtype=object),
        [dt.time(1)] * 4,
        [["2024-01-01"]] * 4,
    ],
    ids=["int", "float", "bool", "period", "timedelta", "object", "time", "list"],
)
@every_table
def test_other_types_of_time_are_refused_with_the_remedy(make, when):
    with pytest.raises(TypeError, match=r"timestamp column 'when' holds .*pandas.to_datetime\(orders\['when'\]"):
        make(orders(when=when), **COLUMNS)


def test_numbers_are_refused_in_every_engine(build):
    with pytest.raises(TypeError, match="'when' holds Int64, no dates"):
        rfm_table(build(pa.table({"who": [1], "when": [20240131], "paid": [1.0]})), **COLUMNS)


# Amounts


def test_decimals_are_numbers_in_every_engine(build):
    paid = [decimal.Decimal("1.10"), decimal.Decimal("2.20"), None]
    table = pa.table(
        {
            "who": ["a"] * 3,
            "when": pa.array([dt.date(2024, 1, day) for day in (1, 2, 3)], pa.date32()),
            "paid": pa.array(paid, pa.decimal128(10, 2)),
        }
    )
    result, report = rfm_table(build(table), **COLUMNS, return_report=True)
    assert result.loc["a", "total_spend"] == pytest.approx(3.3)
    assert result["total_spend"].dtype == "float64"
    assert report.n_bad_amount == 1


@pytest.mark.parametrize(
    ("paid", "total", "bad"),
    [
        ([1, 2, 3, 4], 10.0, 0),
        (pd.array([1, None, 3, 4], dtype="Int64"), 8.0, 1),
        (pd.Series([1, pd.NA, decimal.Decimal(3), 4.0], dtype=object), 8.0, 1),
        ([decimal.Decimal(1), decimal.Decimal("NaN"), decimal.Decimal(3), None], 4.0, 2),
        ([1.0, np.nan, np.inf, -np.inf], 1.0, 3),
    ],
)
def test_amounts_that_are_not_finite_are_left_out(paid, total, bad):
    table, left_out = counted(orders(paid=paid))
    assert table["total_spend"].sum() == total
    assert left_out == ({"n_bad_amount": bad} if bad else {})


@pytest.mark.parametrize(
    "paid",
    [["1", "2", "3", "4"], [True] * 4, pd.Series([1, "x", 2, 3], dtype=object), [[1]] * 4, [uuid.UUID(int=1)] * 4],
)
@every_table
def test_amounts_that_are_no_numbers_are_refused(make, paid):
    with pytest.raises(TypeError, match=r"amount column 'paid' holds .*pandas.to_numeric\(orders\['paid'\]\)"):
        make(orders(paid=paid), **COLUMNS)


# Refunds


def refunds_of_one_customer():
    return pd.DataFrame(
        [
            ("a", "2023-12-01", -100.0),
            ("a", "2024-01-01", 50.0),
            ("a", "2024-01-01", -10.0),
            ("a", "2024-01-10", 30.0),
            ("a", "2024-01-10", -5.0),
            ("a", "2024-01-20", 0.0),
            ("a", "2024-01-31", -3.0),
        ],
        columns=["who", "when", "paid"],
    )


def test_refunds_netted():
    frame = refunds_of_one_customer()
    assert rfm_table(frame, **COLUMNS).loc["a"].tolist() == [11.0, 3.0, -38.0]
    # After the first day: 30 - 5 + 0 - 3 over two repeat purchases.
    assert btyd_table(frame, **COLUMNS).loc["a"].tolist() == pytest.approx([2.0, 19.0, 30.0, 11.0, math.log(9 * 10)])


def test_refunds_dropped():
    frame = refunds_of_one_customer()
    with pytest.warns(DroppedRowsWarning, match=r'4 rows of 7 left out: 4 with a negative amount \(refunds="drop"\)'):
        assert rfm_table(frame, **COLUMNS, refunds="drop").loc["a"].tolist() == [0.0, 3.0, 80.0]
    table, _ = btyd_table(frame, **COLUMNS, refunds="drop", return_report=True)
    assert table.loc["a"].tolist() == pytest.approx([2.0, 19.0, 19.0, 15.0, math.log(9 * 10)])


def test_refunds_in_the_holdout():
    split = calibration_holdout(refunds_of_one_customer(), **COLUMNS, calibration_end="2024-01-05")
    # One purchase before; 30 - 5 + 0 - 3 over two purchases after.
    assert split.loc["a"].tolist() == [0.0, 0.0, 4.0, 0.0, 0.0, 2.0, 11.0, 26.0]


def test_a_refund_without_repeat_purchase_leaves_no_money():
    frame = orders(paid=[5.0, -2.0, 3.0, 4.0])
    assert btyd_table(frame, **COLUMNS).loc[1, "monetary_value"] == 0.0


@every_table
def test_refunds_refused(make):
    frame = pd.DataFrame({"who": range(9), "when": pd.date_range("2024-01-01", periods=9), "paid": [-1.0] * 8 + [1.0]})
    message = r"8 refunds \(negative amounts in 'paid'\), of the customers 0, 1, 2, 3, 4, ... \(8 in all\).*'drop'"
    with pytest.raises(ValueError, match=message):
        make(frame, **COLUMNS, refunds="raise")


def test_refunds_after_the_end_are_not_refused():
    frame = orders(paid=[1.0, 2.0, 3.0, -4.0])
    assert len(rfm_table(frame, **COLUMNS, refunds="raise", as_of="2024-01-31")) == 2


def test_nothing_but_refunds():
    with pytest.raises(ValueError, match=r"no customer of orders has a purchase.*Check the sign"):
        rfm_table(orders(paid=[-1.0] * 4), **COLUMNS)


# The frame and the settings


@every_table
def test_a_missing_column_names_the_nearest(make):
    with pytest.raises(ColumnError, match=r"missing: 'Paid' \(nearest: 'paid'\); present: 'who', 'when', 'paid'"):
        make(orders(), **{**COLUMNS, "amount": "Paid"})


def test_a_missing_column_in_every_engine(build):
    table = pa.table({"who": [1], "when": [dt.date(2024, 1, 1)], "paid": [1.0]})
    with pytest.raises(ColumnError, match="missing: 'whom'"):
        rfm_table(build(table), **{**COLUMNS, "customer_id": "whom"})


@every_table
def test_one_column_has_one_role(make):
    with pytest.raises(ColumnError, match="must be different columns of orders, got 'who', 'when', 'who'"):
        make(orders(), **{**COLUMNS, "amount": "who"})


def test_two_columns_of_one_name():
    twice = pd.concat([orders(), orders()[["paid"]]], axis=1)
    with pytest.raises(ColumnError, match="orders has 2 columns named 'paid'"):
        rfm_table(twice, **COLUMNS)


def test_a_column_that_is_the_index():
    with pytest.raises(ColumnError, match=r"'who' is the index of orders.*orders.reset_index\(\)"):
        rfm_table(orders().set_index("who"), **COLUMNS)


def test_names_of_columns_need_not_be_text():
    frame = orders().set_axis([0, 1, ("paid", "net")], axis=1)
    table = rfm_table(frame, customer_id=0, timestamp=1, amount=("paid", "net"))
    pd.testing.assert_frame_equal(table, rfm_table(orders(), **COLUMNS))


def test_a_list_is_no_name():
    with pytest.raises(TypeError, match=r"names of one column each, got 'who', 'when', \['paid'\]"):
        rfm_table(orders(), **{**COLUMNS, "amount": ["paid"]})


@pytest.mark.parametrize("nothing", [None, [1, 2], orders()["who"]], ids=["None", "list", "Series"])
@every_table
def test_no_frame(make, nothing):
    with pytest.raises(TypeError, match="orders must be a dataframe"):
        make(nothing, **COLUMNS)


def test_no_rows_in_any_engine(build):
    table = pa.table({"who": [1], "when": [dt.date(2024, 1, 1)], "paid": [1.0]}).slice(0, 0)
    with pytest.raises(ValueError, match="orders has no rows"):
        rfm_table(build(table), **COLUMNS)


@every_table
def test_unknown_choices(make):
    with pytest.raises(
        ValueError, match=r"refunds must be one of 'net', 'drop', 'raise', got 'dropp'. Did you mean 'drop'"
    ):
        make(orders(), **COLUMNS, refunds="dropp")


@pytest.mark.parametrize("make", TABLES[1:], ids=["btyd", "calibration"])
@pytest.mark.parametrize("granularity", ["M", "day", 7, None])
def test_unknown_granularity(make, granularity):
    with pytest.raises(ValueError, match=f"granularity must be one of 'D', 'W', got {granularity!r}"):
        make(orders(), **COLUMNS, granularity=granularity)


def test_nothing_usable_says_why():
    frame = orders(who=[None, "a", "b", "c"], when=["2024-01-01", None, "2024-01-01", "2024-05-01"])
    frame["paid"] = [1.0, 1.0, np.nan, 1.0]
    message = (
        "none of the 4 rows of orders can be used: 1 without a customer id in 'who', 1 without a date in 'when', "
        "1 without a finite amount in 'paid', 1 after as_of 2024-04-01"
    )
    with pytest.raises(ValueError, match=message):
        rfm_table(frame, **COLUMNS, as_of="2024-04-01")


def test_the_input_is_not_changed():
    frame = orders(when=["2024-01-01", "x", "2024-01-03", "2024-01-05"], who=pd.Categorical(list("aabc")))
    before = frame.copy(deep=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DroppedRowsWarning)
        for make in TABLES:
            make(frame, **COLUMNS)
    pd.testing.assert_frame_equal(frame, before)


def test_the_index_of_the_input_does_not_matter():
    shuffled = orders().set_axis([5, 5, 0, 1]).iloc[[3, 0, 2, 1]]
    pd.testing.assert_frame_equal(btyd_table(shuffled, **COLUMNS), btyd_table(orders(), **COLUMNS))


# Warnings


def test_one_warning_counts_by_reason_and_points_at_the_caller():
    frame = orders(who=[1, None, 2, 3], paid=[1.0, 1.0, np.nan, 2.0])
    with pytest.warns(DroppedRowsWarning) as caught:
        rfm_table(frame, **COLUMNS)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert str(caught[0].message) == (
        "2 rows of 4 left out: 1 without a customer id, 1 with an amount that is missing or not finite. "
        "return_report=True returns all counts and does not warn."
    )


def test_what_the_user_asked_for_does_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rfm_table(orders(), **COLUMNS, as_of="2024-01-03")
        btyd_table(orders(), **COLUMNS, observation_end="2024-01-03")
        calibration_holdout(orders(), **COLUMNS, calibration_end="2024-01-03")
        rfm_table(orders(who=[1, None, 2, 3]), **COLUMNS, return_report=True)


# The dates of a split


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"calibration_end": "2023-12-31"}, "2023-12-31. lies before the first order .2024-01-01."),
        ({"calibration_end": "2024-02-01"}, "no order lies after calibration_end .2024-02-01.: the last one used"),
        ({"calibration_end": "2024-01-05", "observation_end": "2024-01-05"}, "must be after calibration_end"),
        ({"calibration_end": "2024-01-05", "observation_end": "2024-01-20"}, "no order lies after calibration_end"),
        ({"calibration_end": None}, "calibration_end must be given"),
        ({"calibration_end": "5 January"}, "calibration_end must be a date"),
    ],
)
def test_dates_that_leave_one_side_empty(settings, message):
    with pytest.raises(ValueError, match=message):
        calibration_holdout(orders(), **COLUMNS, **settings)


def test_the_first_day_may_be_the_whole_calibration():
    table = calibration_holdout(orders(), **COLUMNS, calibration_end="2024-01-01")
    assert table.loc[1].tolist() == [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 31.0]


def test_only_refunds_before_the_split():
    frame = orders(paid=[-1.0, -2.0, 3.0, 4.0])
    with pytest.raises(ValueError, match="no customer of orders has a purchase in the period"):
        calibration_holdout(frame, **COLUMNS, calibration_end="2024-01-04")


def test_customers_of_the_holdout_are_counted_and_not_in_the_table():
    table, report = calibration_holdout(orders(), **COLUMNS, calibration_end="2024-01-04", return_report=True)
    assert list(table.index) == [1]
    assert (report.n_new_in_holdout_customers, report.n_new_in_holdout_rows) == (2, 2)


def test_the_week_of_the_split_is_divided():
    """Tuesday belongs to the calibration, Wednesday of the same week to the holdout."""
    frame = pd.DataFrame(
        {"who": ["a"] * 3, "when": ["2024-01-01", "2024-01-09", "2024-01-10"], "paid": [1.0, 2.0, 4.0]}
    )
    split = calibration_holdout(frame, **COLUMNS, calibration_end="2024-01-09", granularity="W")
    assert split.loc["a"].tolist() == pytest.approx([1.0, 7.0, 7.0, 2.0, math.log(7), 1.0, 4.0, 1.0])
    whole = btyd_table(frame, **COLUMNS, observation_end="2024-01-09", granularity="W")
    assert whole.loc["a"].tolist() == pytest.approx([1.0, 7.0, 7.0, 6.0, math.log(7)])


@pytest.mark.parametrize("zone", ["America/New_York", "Etc/GMT+5", "America/Port-au-Prince", "Europe/Berlin", "-05:00"])
def test_a_day_is_a_local_day_in_any_zone(zone):
    """narwhals does not know the type of a column of pandas whose zone has an underscore or a plus in its name."""
    local = pd.to_datetime(pd.Series(["2020-01-01 23:30", "2020-03-01 00:10", "2020-03-01 23:50"])).dt.tz_localize(zone)
    orders = pd.DataFrame({"c": [1, 1, 1], "t": local, "a": [5.0, 6.0, 7.0]})
    as_of = pd.Timestamp("2020-03-03 12:00", tz="UTC")
    table, report = rfm_table(orders, customer_id="c", timestamp="t", amount="a", as_of=as_of, return_report=True)
    assert table.loc[1].tolist() == [2.0, 2.0, 18.0]
    assert report.observation_end.isoformat() == "2020-03-03"
    arrow = orders.assign(t=orders["t"].astype(pd.ArrowDtype(pa.timestamp("us", tz="UTC" if zone[0] == "-" else zone))))
    days = btyd_table(arrow, customer_id="c", timestamp="t")["frequency"]
    assert days[1] == (2 if zone[0] == "-" else 1)
