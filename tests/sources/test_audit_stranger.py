"""The audit on tables as strangers bring them: number formats of other countries, nested cells, zones, long ids."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from segmentation.exceptions import ColumnError
from segmentation.sources import audit
from segmentation.sources._audit_numbers import outlier_bounds, zero_apart
from segmentation.sources._audit_numerals import decimal_marks, parse_number, parse_numbers
from segmentation.sources._audit_text import by_chance, rare_from

AS_OF = "2024-06-30"


def audited(column, name="value", **more):
    return audit(pd.DataFrame({name: column, **more}), as_of=AS_OF)


# --- numbers as people write them


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2\u202f410,50", 2410.5), ("1 234,5", 1234.5), ("10'904.33", 10904.33), ("10\u2019904,33", 10904.33),
        ("(66.90)", -66.9), ("66,90-", -66.9), ("\u22125.08", -5.08), ("-€5.00", -5.0), ("(1.234,50 €)", -1234.5),
        ("1.234.567", 1234567.0), ("1,234,567", 1234567.0), ("0,123", 0.123), ("1e5", 1e5), ("1.2.3", np.nan),
        ("12,34,56", np.nan), ("5-7", np.nan), ("()", np.nan), ("-", np.nan),
    ],
)  # fmt: skip
def test_numbers_of_several_countries(text, value):
    proven = decimal_marks([text])[0]
    read = parse_number(text, decimal=proven if len(proven) == 1 else None)
    assert read == value or (np.isnan(read) and np.isnan(value))


def test_the_column_tells_what_a_point_before_three_digits_means():
    german = pd.Series(["1.234", "960,92", "2.080,62", "17"])
    english = pd.Series(["1,234", "960.92", "2,080.62", "17"])
    assert parse_numbers(german).tolist() == parse_numbers(english).tolist() == [1234.0, 960.92, 2080.62, 17.0]
    assert parse_numbers(pd.Series(["0,123", "1,500"])).tolist() == [0.123, 1.5]
    assert parse_numbers(pd.Series(["1.234", "2.500"]), decimal=",").tolist() == [1234.0, 2500.0]


def test_thousands_that_may_be_decimals_are_left_to_a_person():
    (found,) = audited([f"{i}.{100 + i}" for i in range(1, 61)]).find("number_as_text")
    assert found.fix is None
    assert "every point stands before three digits" in found.evidence
    table = pd.DataFrame({"value": ["2.429", "5.503"] * 30})
    repaired, _ = audit(table).apply(table, fixes=[{"action": "to_number", "columns": ["value"], "decimal": ","}])
    assert repaired["value"].tolist()[:2] == [2429.0, 5503.0]


def test_commas_are_thousands_where_numbers_without_one_stay_below():
    table = pd.DataFrame({"value": ["950", "1,234", "12,500", "7"] * 20 + ["999", "1,000"] * 20})
    (found,) = audit(table).find("number_as_text")
    assert found.fix == {"action": "to_number", "columns": ["value"], "decimal": "."}
    repaired, _ = audit(table).apply(table, fixes=[found])
    assert repaired["value"].iloc[:4].tolist() == [950, 1234, 12500, 7]


def test_points_and_commas_in_one_column_are_said():
    (found,) = audited(["1.5", "2,5", "1.234", "7,25"] * 20).find("number_as_text")
    assert found.fix is None
    assert "some have a decimal point and others a decimal comma" in found.evidence


def test_numbers_as_text_are_neither_ids_nor_badly_spaced():
    rng = np.random.default_rng(0)
    french = [f"{x:,.2f}".replace(",", "\u202f").replace(".", ",") for x in rng.lognormal(7, 1, 200)]
    assert {f.check for f in audited(french).findings} == {"number_as_text"}


def test_quantities_are_no_spellings_of_one_another():
    sizes = [".50 OZ", "50 OZ", "14 OZ", "14. OZ", "2.5 OZ", "25 OZ", "1-2", "12"] * 20
    assert audited(sizes).find("spelling_variants") == ()
    assert audited(["New-York", "new york", "Bonn", "Ulm"] * 20).find("spelling_variants")[0].count == 20


# --- cells and types


@pytest.mark.parametrize(
    "cells",
    [
        [[1, 2], None, "x"], [{"a": 1}, "x", None], [np.arange(2), None, "x"], [pd.Timedelta(1, "D"), None, None],
        [1 + 2j, None, 2j], [dt.time(1), None, dt.time(2)], [pd.Period("2024-01"), None, None],
    ],
)  # fmt: skip
def test_cells_that_no_check_can_read_are_said_so(cells):
    report = audited(cells * 20, number=range(60))
    (found,) = report.find("not_checked")
    assert found.count == 60 - 20 * sum(cell is None for cell in cells)
    assert report.find("missing", column="value")[0].count == 60 - found.count


def test_nested_polars_columns():
    polars = pytest.importorskip("polars", reason="polars is optional")
    frame = polars.DataFrame({"many": [[1]] * 60, "pair": [{"a": 1}] * 60, "n": range(60)})
    assert [f.columns for f in audit(frame).find("not_checked")] == [("many",), ("pair",)]


def test_levels_of_column_names_are_refused_with_what_to_do():
    table = pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")]))
    with pytest.raises(ColumnError, match=r"2 levels of column names.*flatten them"):
        audit(table)


def test_ids_too_long_for_floats_are_told_apart():
    ids = np.arange(100, dtype=np.int64) + 2**60
    report = audit(pd.DataFrame({"customer_id": ids, "reference": ids[::-1], "big": [2**70 + i for i in range(100)]}))
    assert report.find("constant") == ()
    assert report.find("repeated_id") == report.find("duplicate_id") == ()
    assert report.settings["id_column"] == "customer_id"
    assert {f.columns[0] for f in report.find("identifier_like")} == {"reference", "big"}


def test_setting_missing_keeps_long_numbers_booleans_and_levels():
    table = pd.DataFrame(
        {
            "long": np.array([2**60 + 1, 5, 7], dtype=np.int64),
            "level": pd.Categorical(["lo", "unknown", "hi"], categories=["lo", "hi", "unknown"], ordered=True),
            "flag": [True, False, True],
        }
    )
    report = audit(table)
    fixes = [
        {"action": "set_missing", "columns": ["long"], "values": [5]},
        {"action": "set_missing", "columns": ["level"], "values": ["unknown"]},
        {"action": "set_missing", "columns": ["flag"], "values": [False]},
        {"action": "strip_whitespace", "columns": ["level"]},
    ]
    repaired, log = report.apply(table, fixes=fixes)
    assert repaired["long"].tolist() == [2**60 + 1, pd.NA, 7]
    assert repaired["level"].dtype == pd.CategoricalDtype(["lo", "hi"], ordered=True)
    assert repaired["flag"].dtype == "boolean"
    assert log["n_changed"].tolist() == [1, 1, 1, 0]


def test_most_cells_means_rows_not_values():
    report = audited(["2024-01-01", "2024-01-02"] * 20 + list(range(45_000, 45_020)))
    assert report.find("mixed_types")[0].count == 20


def test_expectations_of_an_empty_table_are_checked():
    report = audit(pd.DataFrame({"a": []}), expectations={"b": {"min": 0}})
    assert [f.name for f in report.findings] == ["expected_column:b"]


# --- days


def days_of_2020(n=300):
    rng = np.random.default_rng(0)
    days = [dt.date(2020, 1, 1) + dt.timedelta(int(i)) for i in rng.integers(0, 900, n)]
    days[5] = days[9] = dt.date(9999, 12, 31)
    days[7] = dt.date(1900, 1, 1)
    return days


@pytest.mark.parametrize("kind", ["date", "zone", "text", "category", "arrow"])
def test_sentinel_days_of_every_kind_are_found_and_can_be_blanked(kind):
    days = days_of_2020()
    if kind == "arrow":
        pytest.importorskip("pyarrow", reason="arrow dates need pyarrow")
    column = {
        "date": lambda: pd.Series(days, dtype=object),
        "zone": lambda: pd.Series(np.array(days, dtype="datetime64[us]")).dt.tz_localize("Europe/Berlin"),
        "text": lambda: pd.Series([str(day) for day in days]),
        "category": lambda: pd.Series(pd.Categorical(np.array(days, dtype="datetime64[us]"))),
        "arrow": lambda: pd.Series(pd.array(days, dtype="date32[pyarrow]")),
    }[kind]()
    table = pd.DataFrame({"seen": column})
    found = audit(table, as_of="2023-01-01")["placeholder_date:seen"]
    assert found.count == 3
    repaired, log = audit(table).apply(table, fixes=[found])
    assert log["n_changed"].tolist() == [3]
    assert repaired["seen"].isna().sum() == 3


def test_times_of_several_zones_in_one_column():
    summer = dt.timezone(dt.timedelta(hours=2))
    moments = [dt.datetime(2024, 1, 1, tzinfo=dt.UTC), dt.datetime(2024, 7, 2, 1, tzinfo=summer)]
    table = pd.DataFrame({"at": pd.Series(moments * 30, dtype=object), "gap": [None, 1.0] * 30})
    report = audit(table, as_of="2024-06-30")
    assert report["future_date:at"].count == 30
    repaired, log = report.apply(table, fixes=["future_date:at"])
    assert log["n_changed"].tolist() == [30]
    assert repaired["at"].isna().sum() == 30


# --- what counts as far off


def test_one_height_far_below_is_an_outlier():
    heights = pd.Series([*np.linspace(150, 195, 150).round(), 57.0])
    values, counts = np.unique(heights, return_counts=True)
    low, high, _ = outlier_bounds(values, counts)
    assert 57 < low < 150
    assert high == np.inf


def test_a_step_between_rounded_rates_is_no_outlier():
    rng = np.random.default_rng(1)
    rates = rng.choice([5.0, 6.5, 7.0, 8.5, 9.0, 10.5, 11.0, 12.5, 13.0, 14.5, 15.0, 16.5, 17.0, 20.0, 21.5], 5000)
    rates[:300] = rng.choice([26.0, 27.0, 28.5], 300)
    values, counts = np.unique(rates, return_counts=True)
    assert outlier_bounds(values, counts) is None


def test_nine_times_a_million_among_thousands_is_one():
    rng = np.random.default_rng(2)
    amounts = np.append(rng.lognormal(3.6, 1.2, 1980), [1e6] * 9)
    values, counts = np.unique(amounts, return_counts=True)
    assert outlier_bounds(values, counts)[1] < 1e6


def test_zero_where_the_tail_does_not_reach():
    rng = np.random.default_rng(3)
    assert audited(np.append(rng.normal(120, 25, 700).clip(44).round(), [0] * 5), "glucose")[
        "zero_for_missing:glucose"
    ].count == 5  # fmt: skip
    for values in (
        rng.poisson(4, 2000),
        rng.lognormal(3, 1, 2000) * (rng.random(2000) < 0.98),
        rng.uniform(0, 9, 2000),
    ):
        distinct, counts = np.unique(np.append(values, 0), return_counts=True)
        assert not zero_apart(distinct.astype(float), counts)


def test_a_difference_of_prices_may_be_negative():
    rng = np.random.default_rng(4)
    both = pd.DataFrame({"PriceGap": rng.normal(0.2, 0.3, 500), "price": rng.lognormal(3, 0.3, 500)})
    both.loc[3, "price"] = -5.0
    assert [f.columns for f in audit(both).find("impossible_value")] == [("price",)]


def test_rare_levels_against_a_broken_stick():
    rng = np.random.default_rng(5)
    pieces = np.sort(rng.dirichlet(np.ones(6), 20_000), axis=1)
    assert np.mean(pieces[:, 1] / pieces[:, 0] >= 10) == pytest.approx(by_chance(10, 5, 6), abs=0.01)
    assert np.mean(pieces[:, 2] / pieces[:, 1] >= 5) == pytest.approx(by_chance(5, 4, 6), abs=0.01)
    shares = rng.dirichlet(np.ones(6), 1000)
    alarms = [rare_from(sorted((1 + np.round(5000 * s)).astype(int), reverse=True), 5006) is not None for s in shares]
    assert np.mean(alarms) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1000)
    assert rare_from([864, 580, 480, 232, 77, 3, 2, 2], 2240) == 5


# --- rows


def test_equal_answers_to_a_short_survey_are_no_duplicates_and_copies_of_long_rows_are():
    rng = np.random.default_rng(6)
    survey = pd.DataFrame({f"yes{i}": rng.integers(0, 2, 400) for i in range(9)})
    assert audit(survey).find("duplicate_rows") == ()
    wide = pd.DataFrame({f"m{i}": rng.normal(size=400) for i in range(4)})
    wide.iloc[7] = wide.iloc[3]
    assert audit(wide)["duplicate_rows"].count == 1


def test_columns_in_one_order_are_redundant_and_names_of_rows_are_not():
    rng = np.random.default_rng(7)
    income = rng.lognormal(10, 1, 300)
    table = pd.DataFrame({"inc": income, "incsq": income**2, "rest": 1e7 - income, "other": rng.normal(size=300)})
    assert {f.columns[0] for f in audit(table).find("redundant_column")} == {"incsq", "rest"}
    twice = pd.DataFrame(
        {"email": [f"a{i}@x.org" for i in range(200)], "text": [f"note {i} of it all" for i in range(200)]}
    )
    twice = pd.concat([twice, twice.head(60)], ignore_index=True)
    assert audit(twice).find("redundant_column") == ()
