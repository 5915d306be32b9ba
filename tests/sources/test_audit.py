"""The audit: planted faults are found, clean tables stay quiet, the report says and does what it promises."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation.exceptions import ColumnError
from segmentation.sources import DataQualityReport, audit

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
from audit_tables import FAULTS, FOLLOWS, TRUE_OF_CLEAN, clean_table

AS_OF = "2024-06-30"


@pytest.fixture(scope="module")
def clean():
    return clean_table(1000, 7)


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_fault_is_found_with_its_count_and_rows(fault, clean):
    table, check, columns, count = FAULTS[fault](clean, np.random.default_rng(3))
    report = audit(table, as_of=AS_OF)
    (found,) = [f for f in report.findings if f.check == check and set(f.columns) == set(columns)]
    assert found.count == count
    assert found.share == pytest.approx(count / len(table))
    assert len(found.examples) == min(count, 5)
    allowed = FOLLOWS.get(fault, set())
    others = [f.name for f in report.findings if f != found and (f.check, f.columns) not in TRUE_OF_CLEAN]
    assert [name for name in others if name.split(":")[0] not in allowed] == []


def test_clean_tables_raise_fewer_than_two_alarms_each():
    reports = [audit(clean_table(n, 90_000 + n), as_of=AS_OF) for n in (200, 300, 700, 1500, 3000)]
    alarms = [f.name for report in reports for f in report.findings if (f.check, f.columns) not in TRUE_OF_CLEAN]
    assert len(alarms) <= 3, alarms


def test_examples_are_ids_of_the_rows_concerned(clean):
    table = clean.copy()
    table["age"] = table["age"].astype(float)
    table.loc[[10, 500], "age"] = 234.0
    found = audit(table, as_of=AS_OF)["impossible_value:age"]
    assert found.examples == tuple(table["customer_id"].iloc[[10, 500]])
    indexed = audit(table.set_index("customer_id"), as_of=AS_OF)["impossible_value:age"]
    assert indexed.examples == found.examples


def test_years_of_birth_are_judged_from_as_of():
    years = pd.DataFrame({"birth_year": [1893, *range(1920, 1999)] * 2})
    assert audit(years, as_of="1999-06-30").find("impossible_value") == ()
    assert audit(years, as_of="2010-06-30")["impossible_value:birth_year"].count == 2


def test_future_means_after_the_whole_day_unless_a_time_is_given():
    moments = pd.DataFrame({"seen": pd.to_datetime(["2024-01-31 23:59"] * 30 + ["2024-02-01 00:00"])})
    assert audit(moments, as_of="2024-01-31").find("future_date")[0].count == 1
    assert audit(moments, as_of="2024-01-31 12:00").find("future_date")[0].count == 31


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0])
def test_lognormal_amounts_have_no_outliers(sigma):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({f"m{i}": rng.lognormal(3, sigma, 4000) for i in range(20)})
    assert audit(table).find("outlier") == ()


def test_namibia_is_a_country_among_codes_and_a_gap_among_words():
    codes = pd.DataFrame({"country": ["NA", "DE", "FR", "GB", "IT"] * 20})
    words = pd.DataFrame({"country": ["NA", "Germany", "France", "Italy", "Spain"] * 20})
    assert audit(codes)["placeholder_word:country"].severity == "note"
    assert audit(words)["placeholder_word:country"].severity == "warning"


def test_open_classes_and_postcodes_are_no_numbers():
    table = pd.DataFrame({"children": ["0", "1", "2", "3+"] * 100, "zip": [f"0{i}" for i in range(1000, 1400)]})
    assert audit(table).find("number_as_text") == ()


def test_orders_are_audited_and_their_repeating_ids_noted():
    rng = np.random.default_rng(1)
    orders = pd.DataFrame({"customer_id": rng.integers(0, 100, 1000), "quantity": rng.poisson(3, 1000) + 1})
    orders.loc[:9, "quantity"] = 0
    report = audit(orders)
    assert report["repeated_id:customer_id"].severity == "note"
    assert report["zero_for_missing:quantity"].count == 10
    assert report.find("duplicate_id") == ()


# --- expectations


def test_expectations_name_what_breaks_them():
    table = pd.DataFrame({"age": [17, 40, 130, None], "plan": ["a", "b", "z", "a"], "code": ["1", "2", "2", "3"]})
    expected = {
        "age": {"min": 18, "max": 120, "required": True},
        "plan": {"values": ["a", "b"]},
        "code": {"unique": True, "dtype": "number"},
        "Age2": {"min": 0},
        "maybe": {"min": 0, "required": False},
    }
    report = audit(table, expectations=expected)
    counts = {f.name: f.count for f in report.findings if f.check.startswith("expected")}
    assert counts == {
        "expected_min:age": 1, "expected_max:age": 1, "expected_required:age": 1, "expected_values:plan": 1,
        "expected_unique:code": 2, "expected_dtype:code": 4, "expected_column:Age2": 4,
    }  # fmt: skip
    repaired, log = report.apply(table, fixes=["expected_min:age", "expected_values:plan", "expected_dtype:code"])
    assert repaired["age"].isna().sum() == 2
    assert repaired["plan"].isna().sum() == 1
    assert repaired["code"].tolist() == [1, 2, 2, 3]
    assert log["n_changed"].tolist() == [1, 1, 4]


@pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")
def test_pandera_schema():
    pandera = pytest.importorskip("pandera.pandas", reason="schemas need the optional package pandera")
    schema = pandera.DataFrameSchema({"age": pandera.Column(int, pandera.Check.ge(18)), "plan": pandera.Column(str)})
    table = pd.DataFrame({"age": [17, 40, 3], "plan": ["a", "b", "c"]}, index=["x", "y", "z"])
    (found,) = audit(table, expectations=schema).find("schema")
    assert (found.columns, found.count, found.examples) == (("age",), 2, ("x", "z"))
    assert audit(table.iloc[[1]], expectations=schema).find("schema") == ()


@pytest.mark.parametrize(
    ("expectations", "error", "match"),
    [
        ([1], TypeError, "map columns to rules"),
        ({"age": 5}, TypeError, r"expectations\['age'\]"),
        ({"age": {"minimum": 5}}, ValueError, "unknown rules: 'minimum'"),
        ({"age": {"dtype": "float7"}}, ValueError, "expected one of 'number'"),
        ({"plan": {"min": 5}}, ColumnError, "cannot be compared with 5"),
    ],
)
def test_expectations_that_make_no_sense(expectations, error, match):
    with pytest.raises(error, match=match):
        audit(pd.DataFrame({"age": [1, 2], "plan": ["a", "b"]}), expectations=expectations)


def test_bad_input():
    with pytest.raises(TypeError, match="customers must be a dataframe"):
        audit([1, 2])
    with pytest.raises(ValueError, match="as_of must be a date"):
        audit(pd.DataFrame({"a": [1]}), as_of="someday")
    with pytest.raises(ColumnError, match="repeated: 'a'"):
        audit(pd.DataFrame([[1, 2]], columns=["a", "a"]))


# --- the report


def test_report_as_table_dictionary_text_and_html(clean):
    table = clean.assign(city=clean["city"].where(clean.index > 2, "<b>unknown</b>"))
    table.loc[5, "city"] = "unknown"
    report = audit(table, as_of=AS_OF, expectations={"<i>": {}})
    frame = report.to_pandas()
    assert frame.index.tolist() == [f.name for f in report.findings]
    assert json.loads(json.dumps(report.to_dict(), default=str))["n_rows"] == 1000
    assert "placeholder_word:city: 1 (0.1 %)" in str(report)
    page = report._repr_html_()
    assert "<i>" not in page
    assert "&lt;i&gt;" in page
    assert [f.severity for f in report.findings] == sorted(
        (f.severity for f in report.findings), key=("error", "warning", "note").index
    )
    with pytest.raises(KeyError, match="nearest: 'placeholder_word:city'"):
        report["placeholder_words:city"]
    with pytest.raises(ValueError, match="severity must be one of"):
        report.find(severity="bad")


def test_plot_draws_one_bar_for_each_finding(clean):
    pytest.importorskip("matplotlib", reason="pictures need matplotlib").use("Agg")
    import matplotlib.pyplot as plt

    report = audit(clean, as_of=AS_OF)
    ax = report.plot()
    assert [label.get_text() for label in ax.get_yticklabels()] == [f.name for f in report.findings]
    DataQualityReport((), 0, 0, {}, pd.DataFrame()).plot()
    plt.close("all")


def test_empty_and_tiny_tables():
    assert len(audit(pd.DataFrame())) == 0
    assert len(audit(pd.DataFrame({"a": []}))) == 0
    assert [f.check for f in audit(pd.DataFrame({"a": [None, None]})).findings] == ["missing"]


def test_polars_and_pyarrow_give_the_same_report(clean):
    polars = pytest.importorskip("polars", reason="polars is optional")
    pytest.importorskip("pyarrow", reason="polars to pandas needs pyarrow")
    table, *_ = FAULTS["word"](clean.drop(columns="contract"), np.random.default_rng(0))
    want = audit(table, as_of=AS_OF)
    for other in (polars.from_pandas(table), polars.from_pandas(table).to_arrow()):
        assert [(f.name, f.count) for f in audit(other, as_of=AS_OF).findings] == [
            (f.name, f.count) for f in want.findings
        ]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.floats(), st.integers(-(10**6), 10**6)),
            st.one_of(st.none(), st.text(max_size=8)),
            st.one_of(st.none(), st.datetimes(pd.Timestamp("1800-01-01"), pd.Timestamp("2200-01-01"))),
        ),
        max_size=60,
    )
)
def test_any_table_can_be_audited_and_is_left_alone(rows):
    table = pd.DataFrame(rows, columns=["number", "text", "day"])
    before = table.copy(deep=True)
    report = audit(table)
    pd.testing.assert_frame_equal(table, before)
    for f in report.findings:
        assert 0 < f.count <= len(table)
        assert len(f.examples) == min(f.count, 5)
    repaired, log = report.apply(
        table, fixes=[f for f in report.findings if f.fix and f.fix["action"] == "set_missing"]
    )
    pd.testing.assert_frame_equal(table, before)
    assert len(repaired) == len(table)
    assert (log["n_changed"] >= 0).all()
