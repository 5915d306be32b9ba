"""RuleSegmenter: one answer for one rule, whatever dataframe the customers come in."""

from __future__ import annotations

import datetime as dt
import pickle
import warnings
from decimal import Decimal

import duckdb
import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from segmentation.exceptions import ColumnError, CustomerTableError, EmptySegmentWarning, RuleError
from segmentation.segmenters import RuleSegmenter
from segmentation.testing import check_segmenter

UTC = dt.UTC
NAN, INF = float("nan"), float("inf")

IDS = ["c1", "c2", "c3", "c4", "c5", "c6"]
CUSTOMERS = pa.table(
    {
        "customer_id": IDS,
        "age": pa.array([25, 40, None, 17, 70, 30], pa.int64()),
        "orders": pa.array([4, 0, 2, None, 1, 5], pa.int64()),
        "spend": pa.array([100.0, 0.0, NAN, None, INF, 62.5], pa.float64()),
        "refund": pa.array([0.0, 0.0, 1.0, 5.0, INF, NAN], pa.float64()),
        "job": ["student", "clerk", None, "pupil", "", "Student"],
        "member": pa.array([True, False, None, True, None, False]),
        "signup": pa.array(
            [dt.date(2024, 1, 31), dt.date(2024, 2, 1), None, dt.date(1999, 12, 31), dt.date(9999, 12, 31), None]
        ),
        "first": pa.array([dt.date(2024, 1, 31), dt.date(2024, 1, 1), dt.date(2020, 1, 1), None, None, None]),
        "seen": pa.array(
            [
                dt.datetime(2024, 2, 1),
                dt.datetime(2024, 2, 1, 0, 0, 1),
                None,
                dt.datetime(1960, 5, 5),
                dt.datetime(2024, 1, 31, 23, 59, 59, 999999),
                None,
            ],
            pa.timestamp("us"),
        ),
        "paid": pa.array(
            # in Berlin: 00:30 on 1 February, 23:30 on 31 January, -, 00:00 on 1 February, summer time, -
            [
                dt.datetime(2024, 1, 31, 23, 30, tzinfo=UTC),
                dt.datetime(2024, 1, 31, 22, 30, tzinfo=UTC),
                None,
                dt.datetime(2024, 1, 31, 23, 0, tzinfo=UTC),
                dt.datetime(2024, 7, 1, tzinfo=UTC),
                None,
            ],
            pa.timestamp("us", tz="Europe/Berlin"),
        ),
        "price": pa.array(
            [Decimal("0.57"), Decimal("1.10"), None, Decimal("-3.00"), Decimal("100000.01"), Decimal("0.00")],
            pa.decimal128(12, 2),
        ),
        "tier": pa.array(["gold", "silver", None, "gold", "bronze", "silver"]).dictionary_encode(),
        "small": pa.array([100, -100, None, 3, 0, 127], pa.int8()),
        "tiny": pa.array([0.5, 0.1, None, 2.0, NAN, -1.0], pa.float32()),
        "code": pa.array([2**53 + 1, 2**53, 2, 1, -(2**53) - 1, 0], pa.int64()),
        "big": pa.array([2**64 - 1, 0, 3, 2**63, 7, 1], pa.uint64()),
        "nothing": pa.nulls(6),
        "tags": pa.array([["a"], [], None, ["b"], ["c"], None], pa.list_(pa.string())),
        "odd name": pa.array([1, 2, 3, None, 5, 6], pa.int64()),
        "it's; -- odd": pa.array([1, 2, 3, None, 5, 6], pa.int64()),
        "naïve": pa.array([1, 2, 3, None, 5, 6], pa.int64()),
    }
)


DUCKDB = duckdb.connect()  # older relations do not keep their connection alive
DUCKDB.execute("set timezone = 'Europe/Berlin'")  # columns have the zone of the session


def _nullable(table: pa.Table) -> pd.DataFrame:
    with np.errstate(invalid="ignore"):  # older pandas casts before it checks
        return table.to_pandas(date_as_object=False).convert_dtypes()


FRAME_KINDS = {
    "pandas": lambda table: table.to_pandas(date_as_object=False),
    "pandas objects": lambda table: table.to_pandas().astype(object),
    "pandas nullable": _nullable,
    "pandas arrow": lambda table: table.to_pandas(types_mapper=pd.ArrowDtype),
    "polars": pl.from_arrow,
    "polars lazy": lambda table: pl.from_arrow(table).lazy(),
    "pyarrow": lambda table: table,
    "duckdb": DUCKDB.from_arrow,
}

EVERYBODY = "c1 c2 c3 c4 c5 c6"

# rule -> who matches; hand-made from the table above
ANSWERS = {
    # comparisons, and their negations with missing values
    "age > 30": "c2 c5",
    "not age > 30": "c1 c4 c6",
    "not (not age > 30)": "c2 c5",
    "age != 25": "c2 c4 c5 c6",
    "not age != 25": "c1",
    "age == age": "c1 c2 c4 c5 c6",
    "18 <= age <= 30": "c1 c6",
    "not 18 <= age <= 30": "c2 c4 c5",
    "30 >= age": "c1 c4 c6",
    "age > 24.5": "c1 c2 c5 c6",
    "age >= 25.0": "c1 c2 c5 c6",
    "age < 25.5 and age <= 25.5 and age >= 24.5": "c1",
    "age == 25.5": "",
    "age != 25.5": "c1 c2 c4 c5 c6",
    "age < 1e300": "c1 c2 c4 c5 c6",
    "age > 100000000000000000000000000000000": "",
    "not age > 100000000000000000000000000000000": "c1 c2 c4 c5 c6",
    "spend > 0": "c1 c5 c6",
    "not spend > 0": "c2",
    "spend != 100": "c2 c5 c6",
    "spend <= 62.5": "c2 c6",
    # Kleene's tables: a known side can decide
    "age > 30 and spend > 0": "c5",
    "not (age > 30 and spend > 0)": "c1 c2 c4 c6",
    "age > 30 or spend > 0": "c1 c2 c5 c6",
    "not (age > 30 or spend > 0)": "",
    "age > 30 or member": "c1 c2 c4 c5",
    "not (age < 100 and spend < 0)": "c1 c2 c5 c6",
    "(age > 30) == (orders > 0)": "c5",
    "(age > 30) != (orders > 0)": "c1 c2 c6",
    # lists
    "job in ('student', 'pupil')": "c1 c4",
    "job not in ('student', 'pupil')": "c2 c5 c6",
    "not job in ['student', 'pupil']": "c2 c5 c6",
    "job in {'student'}": "c1",
    "age in (25, 30.0, 70.5, 1e30)": "c1 c6",
    "age not in (25, 30)": "c2 c4 c5",
    "age in (0.5, 1e30)": "",
    "spend in (0, 62.5)": "c2 c6",
    "spend * -1 in (0, 7)": "c2",
    "signup in ('2024-01-31', '1999-12-31')": "c1 c4",
    "signup not in ('2024-01-31', '1999-12-31')": "c2 c5",
    "member in (1, 0)": "c1 c2 c4 c6",
    "member in (True,)": "c1 c4",
    # text
    "job == 'student'": "c1",
    "job != 'student'": "c2 c4 c5 c6",
    "job == ''": "c5",
    "job < 'clerk'": "c5 c6",
    "'pupil' <= job": "c1 c4",
    "job == tier": "",
    "job != tier": "c1 c2 c4 c5 c6",
    "tier == 'gold'": "c1 c4",
    "tier != 'gold'": "c2 c5 c6",
    "tier in ('bronze', 'silver')": "c2 c5 c6",
    "tier > 'bronze'": "c1 c2 c4 c6",
    # true and false
    "member": "c1 c4",
    "not member": "c2 c6",
    "member == True": "c1 c4",
    "member != True": "c2 c6",
    "member == 0": "c2 c6",
    "1 == member": "c1 c4",
    "member and age > 20": "c1",
    "member or age > 20": "c1 c2 c4 c5 c6",
    "member == (age > 20)": "c1",
    "True and member": "c1 c4",
    "False or member": "c1 c4",
    # arithmetic
    "spend / orders > 12": "c1 c5 c6",
    "not spend / orders > 12": "",
    "spend / orders == 25": "c1",
    "orders / spend > 0": "c1 c6",
    "age / orders > 10": "c5",
    "not age / orders > 10": "c1 c6",
    "is_missing(age / orders) or age / (orders - 1) < 0": "c2 c3 c4",
    "spend - refund > 0": "c1",
    "not spend - refund > 0": "c2",
    "spend * refund == 0": "c1 c2",
    "spend + refund > 1e300": "c5",
    "small * 100 > 10000": "c6",
    "small * small == 10000": "c1 c2",
    "-small > 0": "c2",
    "-age < -30": "c2 c5",
    "age + 1 == 26": "c1",
    "age * 2 - 10 == 40 and age / 5 == 5": "c1",
    "age > orders": "c1 c2 c5 c6",
    "age > orders * 10": "c2 c5",
    "age < spend": "c1 c5 c6",
    "1 / 0 > age": "",
    "not 1 / 0 > age": "",
    "2 * 3 + 1 > orders": "c1 c2 c3 c5 c6",
    "small == 1000 or small < -1000": "",
    "not (small == 1000 or small < -1000)": "c1 c2 c4 c5 c6",
    "tiny == 0.5 or tiny > 1": "c1 c4",
    "tiny < orders": "c1 c6",
    "code == 9007199254740993": "c1",
    "code > 9007199254740992": "c1",
    "code in (9007199254740993, 1)": "c1 c4",
    "code / 2 > 4503599627370495": "c1 c2",
    "code < 0": "c5",
    "code > orders": "c1 c2",
    "big == 18446744073709551615": "c1",
    "big > 5": "c1 c4 c5",
    "big >= 0": EVERYBODY,
    "big in (7, 1, -1)": "c5 c6",
    "big < -1": "",
    "big / 2 > 1e18": "c1 c4",
    "big > code": "c1 c3 c4 c5 c6",
    # decimals
    "price == 0.57": "c1",
    "price == 1.1": "c2",
    "price in (0.57, 0)": "c1 c6",
    "price < 0": "c4",
    "price * 2 == 200000.02": "c5",
    "price > age": "c5",
    # missing
    "is_missing(age)": "c3",
    "not is_missing(age)": "c1 c2 c4 c5 c6",
    "is_missing(spend)": "c3 c4",
    "is_missing(spend) or spend > 0": "c1 c3 c4 c5 c6",
    "is_missing(spend / orders)": "c2 c3 c4",
    "is_missing(spend - refund)": "c3 c4 c5 c6",
    "is_missing(job)": "c3",
    "is_missing(tier)": "c3",
    "is_missing(member)": "c3 c5",
    "is_missing(signup) and is_missing(seen)": "c3 c6",
    "is_missing(tags)": "c3 c6",
    "is_missing(member and age > 30)": "c3 c5",
    # a column that is missing for everybody takes part in anything, and decides nothing
    "nothing > 5": "",
    "not nothing > 5": "",
    "nothing == 'a' or nothing in ('b', 'c') or nothing < '2024-01-01' or nothing": "",
    "nothing > 5 or age > 30": "c2 c5",
    "not (nothing > 5 and age > 30)": "c1 c4 c6",
    "nothing + age > 5 or -nothing > 5": "",
    "is_missing(nothing)": EVERYBODY,
    "not is_missing(nothing)": "",
    # dates and times
    "signup >= '2024-01-31'": "c1 c2 c5",
    "signup == '2024-01-31'": "c1",
    "signup != '2024-01-31'": "c2 c4 c5",
    "not signup < '2024-02-01'": "c2 c5",
    "'2024-01-01' <= signup < '2024-02-01'": "c1",
    "signup > '2024-01-31T12:00'": "c2 c5",
    "signup == '9999-12-31'": "c5",
    "signup == first": "c1",
    "signup > first": "c2",
    "first < seen": "c1 c2",
    "signup == seen": "",
    "signup > seen": "c4 c5",
    "seen == '2024-02-01'": "c1",
    "seen >= '2024-02-01'": "c1 c2",
    "seen < '2024-02-01 00:00:00'": "c4 c5",
    "seen < '2024-01-31T23:59:59.999999'": "c4",
    "seen > '0001-01-01' and seen < '9999-12-31T23:59:59'": "c1 c2 c4 c5",
    "seen in ('1960-05-05', '2024-02-01T00:00:01')": "c2 c4",
    "paid >= '2024-02-01'": "c1 c4 c5",
    "paid == '2024-02-01'": "c4",
    "paid == '2024-01-31T23:00:00Z'": "c4",
    "paid > '2024-02-01T00:00+01:00'": "c1 c5",
    "paid < '2024-07-01T02:00'": "c1 c2 c4",
    "paid == '2024-07-01T02:00'": "c5",
    "paid > '0001-01-01' and paid < '9999-12-31'": "c1 c2 c4 c5",
    # names
    'col("odd name") > 2': "c3 c5 c6",
    'col("it\'s; -- odd") > 2': "c3 c5 c6",
    "naïve > 2": "c3 c5 c6",
    "age == 25 # a comment": "c1",
    "age > 20\n  and job in (\n    'student',  # the first\n    'clerk',\n  )": "c1 c2",
}


@pytest.fixture(scope="module", params=FRAME_KINDS)
def customers(request):
    return FRAME_KINDS[request.param](CUSTOMERS)


def test_match_table_gives_the_same_answer_for_every_kind_of_dataframe(customers):
    table = RuleSegmenter({rule: rule for rule in ANSWERS}).match_table(customers)
    assert list(table.index) == IDS
    assert table.index.name == "customer_id"
    assert set(map(str, table.drop(columns="segment").dtypes)) == {"bool"}
    matching = {rule: " ".join(table.index[table[rule]]) for rule in ANSWERS}
    assert matching == ANSWERS


def test_transform_gives_the_same_answer_for_every_kind_of_dataframe(customers):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EmptySegmentWarning)
        fitted = RuleSegmenter({rule: rule for rule in ANSWERS}).fit(customers)
    degrees = pd.DataFrame(fitted.transform(customers), index=IDS, columns=list(fitted.segments_))
    matching = {rule: " ".join(degrees.index[degrees[rule] == 1]) for rule in ANSWERS}
    assert matching == ANSWERS
    assert set(np.unique(degrees)) == {0.0, 1.0}


# -- what the segmenter does with the matches ----------------------------------------------------------------

PEOPLE = pd.DataFrame(
    {
        "age": [19.0, 24.0, 51.0, np.nan, 70.0],
        "job": ["pupil", "clerk", "clerk", "student", None],
        "unused": [object()] * 5,
    },
    index=pd.Index(["a", "b", "c", "d", "e"], name="customer_id"),
)
RULES = {"young": "age < 25", "in training": "job in ('student', 'pupil')", "clerks": "job == 'clerk'"}


def test_transform_shows_all_rules_and_predict_the_first():
    fitted = RuleSegmenter(RULES).fit(PEOPLE)
    assert fitted.segments_.tolist() == ["young", "in training", "clerks"]
    assert fitted.transform(PEOPLE).tolist() == [[1, 1, 0], [1, 0, 1], [0, 0, 1], [0, 1, 0], [0, 0, 0]]
    assert fitted.transform(PEOPLE).dtype == np.float64
    assert fitted.predict(PEOPLE).tolist() == fitted.labels_.tolist() == [0, 0, 2, 1, -1]
    assigned = fitted.assign(PEOPLE)
    assert assigned["segment"].tolist() == ["young", "young", "clerks", "in training", "unassigned"]
    assert assigned["membership"].tolist() == [1, 1, 1, 1, 0]
    assert fitted.rules_ == RULES


def test_otherwise_names_those_that_no_rule_matches():
    fitted = RuleSegmenter(RULES, otherwise="others").fit(PEOPLE)
    assert fitted.segments_.tolist() == ["young", "in training", "clerks", "others"]
    assert fitted.transform(PEOPLE)[:, 3].tolist() == [0, 0, 0, 0, 1]
    assert fitted.predict(PEOPLE).tolist() == [0, 0, 2, 1, 3]
    assert fitted.n_unmatched_ == 1
    nobody = fitted.assign(PEOPLE.head(0))
    assert nobody["segment"].cat.categories.tolist() == ["young", "in training", "clerks", "others", "unassigned"]


def test_the_order_of_the_rules_decides():
    turned = {name: RULES[name] for name in ("in training", "young", "clerks")}
    assigned = RuleSegmenter(turned).fit(PEOPLE).assign(PEOPLE)["segment"]
    assert assigned.tolist() == ["in training", "young", "clerks", "in training", "unassigned"]
    assert assigned.cat.categories.tolist() == ["in training", "young", "clerks", "unassigned"]


def test_coverage_counts_every_customer():
    coverage = RuleSegmenter(RULES).fit(PEOPLE).coverage_
    assert coverage.index.name == "segment"
    assert coverage.reset_index().to_dict("list") == {
        "segment": ["young", "in training", "clerks", "unassigned"],
        "n_matched": [2, 2, 2, 0],
        "n_alone": [0, 1, 1, 0],
        "n_together": [2, 1, 1, 0],
        "n_first": [2, 1, 1, 1],
        "share": [0.4, 0.2, 0.2, 0.2],
    }
    rest = RuleSegmenter(RULES, otherwise="others").fit(PEOPLE).coverage_.loc["others"]
    assert rest.tolist() == [1, 1, 0, 1, 0.2]


@pytest.mark.parametrize("seed", range(5))
def test_coverage_agrees_with_transform_and_predict(seed):
    rng = np.random.default_rng(seed)
    people = pd.DataFrame({name: rng.random(200) for name in "xyz"}).mask(rng.random((200, 3)) < 0.2)
    fitted = RuleSegmenter({"a": "x > .7", "b": "x + y > 1", "c": "z < .5 or y < .1"}).fit(people)
    degrees, coverage = fitted.transform(people), fitted.coverage_
    assert coverage["n_matched"].tolist()[:3] == degrees.sum(axis=0).tolist()
    assert coverage["n_alone"].tolist()[:3] == degrees[degrees.sum(axis=1) == 1].sum(axis=0).tolist()
    assert coverage["n_together"].tolist()[:3] == degrees[degrees.sum(axis=1) > 1].sum(axis=0).tolist()
    assert coverage["n_first"].tolist() == [(fitted.labels_ == code).sum() for code in (0, 1, 2, -1)]
    assert coverage["n_first"].sum() == 200
    assert coverage["share"].sum() == pytest.approx(1)
    assert fitted.n_unmatched_ == (degrees.sum(axis=1) == 0).sum()


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("age > 100", r"rule 'nobody' matches no customer\.$"),
        ("job == 'studnet'", r"'studnet' does not occur in column 'job'; nearest: 'student'"),
        ("age > 10 and 'Clerk' == job", r"'Clerk' does not occur in column 'job'; nearest: 'clerk'"),
        (
            "job in ('nurse', 'dentist') or age > 100",
            r"'nurse', 'dentist' does not occur in column 'job'; there are: 'cl",
        ),
        ("job in ('clerk', 'nurse') and age > 100", r"'nurse' does not occur in column 'job'"),
        ("job not in ('clerk', 'nurse') and age > 100", r"matches no customer\.$"),
        ("score > 3", "Every value is missing in 'score'"),
        ("score == 'high'", "Every value is missing in 'score'"),
    ],
)
def test_a_rule_that_matches_nobody_stays_and_warns_why(rule, message):
    with pytest.warns(EmptySegmentWarning, match=message) as caught:
        fitted = RuleSegmenter({"nobody": rule, "young": "age < 25"}).fit(PEOPLE.assign(score=np.nan))
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert fitted.coverage_.loc["nobody"].tolist() == [0, 0, 0, 0, 0]
    assert fitted.segments_.tolist() == ["nobody", "young"]
    assert fitted.assign(PEOPLE.assign(score=np.nan))["segment"].cat.categories[0] == "nobody"


def test_a_rule_behind_others_warns_who_takes_its_customers():
    with pytest.warns(EmptySegmentWarning, match=r"'late' matches 3 customers, and .* all: 'young' \(2\), 'old' \(1\)"):
        fitted = RuleSegmenter({"young": "age < 25", "old": "age > 65", "late": "age < 25 or age > 65"}).fit(PEOPLE)
    assert fitted.coverage_.loc["late", ["n_matched", "n_first"]].tolist() == [3, 0]


def test_only_the_columns_that_rules_use_count():
    fitted = RuleSegmenter(RULES).fit(PEOPLE)
    assert fitted.feature_names_in_.tolist() == ["age", "job"]
    assert fitted.n_features_in_ == 2
    turned = PEOPLE[["job", "age"]]
    assert fitted.predict(turned).tolist() == fitted.predict(PEOPLE).tolist()
    assert fitted.get_feature_names_out().tolist() == list(RULES)
    with pytest.raises(ColumnError, match=r"missing: 'age' \(nearest: 'Age'\)"):
        fitted.predict(PEOPLE.rename(columns={"age": "Age"}))


def test_fit_names_the_rule_whose_column_is_not_there():
    with pytest.raises(RuleError, match=r"rule 'in training': there is no column 'job'; nearest: 'jobs'"):
        RuleSegmenter(RULES).fit(PEOPLE.rename(columns={"job": "jobs"}))
    with pytest.raises(RuleError, match="'customer_id' identifies customers and is no feature"):
        RuleSegmenter({"a": "customer_id == 'a'"}).fit(PEOPLE.reset_index())


@pytest.mark.parametrize(
    ("otherwise", "error", "message"),
    [
        ("young", RuleError, "otherwise='young' is also the name of a rule"),
        ("unassigned", RuleError, "that is what otherwise=None does"),
        ("", RuleError, "otherwise must not be empty"),
        (5, TypeError, "otherwise must be the name of a segment or None, got 5"),
    ],
)
def test_otherwise_must_be_a_name_of_its_own(otherwise, error, message):
    with pytest.raises(error, match=message):
        RuleSegmenter(RULES, otherwise=otherwise).fit(PEOPLE)


def test_no_rule_is_called_unassigned():
    with pytest.raises(RuleError, match="'unassigned' is the name of being in no segment"):
        RuleSegmenter({"unassigned": "age > 1"}).fit(PEOPLE)


def test_arrays_and_unfitted_models_are_refused():
    with pytest.raises(TypeError, match="RuleSegmenter needs a table with named columns"):
        RuleSegmenter(RULES).fit(np.zeros((3, 2)))
    with pytest.raises(NotFittedError):
        RuleSegmenter(RULES).predict(PEOPLE)


def test_it_clones_pickles_and_takes_parameters():
    model = RuleSegmenter(RULES, otherwise="others")
    copy = clone(model)
    assert copy.get_params() == {"rules": RULES, "otherwise": "others"}
    fitted = copy.fit(PEOPLE)
    again = pickle.loads(pickle.dumps(fitted))
    assert again.predict(PEOPLE).tolist() == fitted.predict(PEOPLE).tolist()
    assert again.coverage_.equals(fitted.coverage_)
    model.set_params(rules={"old": "age > 50"}, otherwise=None)
    assert model.fit(PEOPLE).segments_.tolist() == ["old"]
    fitted.set_params(rules={"old": "age > 50"})
    assert fitted.predict(PEOPLE).tolist() == again.predict(PEOPLE).tolist()  # until the next fit
    assert fitted.fit(PEOPLE).segments_.tolist() == ["old", "others"]


def test_it_states_its_capabilities():
    tags = RuleSegmenter(RULES).__sklearn_tags__()
    assert tags.segmenter_tags.membership == "overlapping"
    assert tags.segmenter_tags.unassigned
    assert tags.segmenter_tags.dataframe_only
    assert not tags.input_tags.two_d_array
    assert tags.input_tags.allow_nan


def test_it_passes_the_conformance_kit():
    rules = {
        "north": "region == 'north' and age > 30",
        "spenders": "total_spend / n_purchases > 60 or is_missing(income)",
        "recent": "signed_up >= '2025-01-01' and not is_member",
    }
    for otherwise in (None, "rest"):
        check_segmenter(RuleSegmenter(rules, otherwise=otherwise))


def test_the_input_is_never_changed():
    people = PEOPLE.assign(tier=pd.Categorical(list("xyxyx")), day=[dt.date(2024, 1, 1)] * 5)
    before = people.copy(deep=True)
    model = RuleSegmenter({"a": "tier == 'x' and day > '2023-01-01'", "b": "age < 25"})
    model.fit(people).assign(people)
    model.match_table(people)
    model.match_table(people, collect=False)
    pd.testing.assert_frame_equal(people, before)


# -- match_table ---------------------------------------------------------------------------------------------


def test_match_table_needs_no_fit_and_is_a_table_of_customers():
    table = RuleSegmenter(RULES, otherwise="others").match_table(PEOPLE)
    assert table.index.equals(PEOPLE.index)
    assert list(table.columns) == ["young", "in training", "clerks", "segment"]
    assert table["segment"].tolist() == ["young", "young", "clerks", "in training", "others"]
    assert table["segment"].cat.categories.tolist() == ["young", "in training", "clerks", "others", "unassigned"]
    assert table.equals(RuleSegmenter(RULES, otherwise="others").fit(PEOPLE).match_table(PEOPLE))


@pytest.mark.parametrize("kind", FRAME_KINDS)
def test_match_table_can_stay_in_its_engine(kind):
    frame = FRAME_KINDS[kind](CUSTOMERS)
    rules = RuleSegmenter({"old": "age > 30", "buyer": "orders > 0", "odd \"'; name": "is_missing(age)"})
    stayed = rules.match_table(frame, collect=False)
    assert type(stayed) is type(frame)
    local = nw.from_native(stayed).lazy().collect().to_dict(as_series=False)
    assert local == {
        "customer_id": IDS,
        "old": [False, True, False, False, True, False],
        "buyer": [True, False, True, False, True, True],
        "odd \"'; name": [False, False, True, False, False, False],
        "segment": ["buyer", "old", "buyer", "unassigned", "old", "buyer"],
    }
    assert rules.match_table(frame)["segment"].tolist() == local["segment"]


@pytest.mark.parametrize("n_rules", [1, 2, 3, 300])
@pytest.mark.parametrize("kind", ["pandas", "polars lazy", "duckdb"])
def test_the_first_match_in_the_engine_is_that_of_predict(n_rules, kind):
    numbers = pa.table({"customer_id": range(310), "x": range(310)})
    rules = {f"from {i}": f"x >= {i * 10 % n_rules}" for i in reversed(range(n_rules))}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EmptySegmentWarning)
        model = RuleSegmenter(rules, otherwise="rest").fit(numbers)
    stayed = nw.from_native(model.match_table(FRAME_KINDS[kind](numbers), collect=False)).lazy().collect()
    assert stayed["segment"].to_list() == model.assign(numbers)["segment"].tolist()


@pytest.mark.parametrize("kind", FRAME_KINDS)
def test_customer_ids_may_have_another_name_or_none(kind):
    table = pa.table({"client": ["x", "y"], "age": [20, 40]})
    rules = RuleSegmenter({"old": "age > 30"})
    named = rules.match_table(FRAME_KINDS[kind](table), customer_id="client")
    assert named.index.name == "customer_id"
    assert named["old"].to_dict() == {"x": False, "y": True}
    numbered = rules.match_table(FRAME_KINDS[kind](table))
    assert numbered["old"].to_dict() == {0: False, 1: True}
    with pytest.raises(RuleError, match="'client' identifies customers"):
        RuleSegmenter({"a": "client == 'x'"}).match_table(FRAME_KINDS[kind](table), customer_id="client")
    with pytest.raises(ColumnError, match=r"no column 'clent' to take customer ids from.*nearest: 'client'"):
        rules.match_table(FRAME_KINDS[kind](table), customer_id="clent")


def test_ids_may_stand_in_the_index_of_pandas():
    table = PEOPLE.rename_axis("client")
    assert RuleSegmenter(RULES).match_table(table, customer_id="client").index.tolist() == list("abcde")
    stayed = RuleSegmenter(RULES).match_table(table, customer_id="client", collect=False)
    assert stayed.index.equals(table.index)
    assert "client" not in stayed.columns


@pytest.mark.parametrize("kind", ["pandas", "polars", "duckdb"])
def test_ids_that_identify_nobody_are_refused(kind):
    rules = RuleSegmenter({"old": "age > 30"})
    twice = FRAME_KINDS[kind](pa.table({"customer_id": ["x", "x"], "age": [20, 40]}))
    with pytest.raises(CustomerTableError, match="'x'"):
        rules.match_table(twice)
    missing = FRAME_KINDS[kind](pa.table({"customer_id": ["x", None], "age": [20, 40]}))
    with pytest.raises(CustomerTableError, match="no customer id"):
        rules.match_table(missing)


def test_names_that_would_clash_in_the_table_are_refused():
    with pytest.raises(ColumnError, match="'segment'"):
        RuleSegmenter({"segment": "age > 1"}).match_table(PEOPLE)
    with pytest.raises(ColumnError, match="'customer_id'"):
        RuleSegmenter({"customer_id": "age > 1"}).match_table(PEOPLE.reset_index())
    with pytest.raises(TypeError, match="match_table takes a dataframe"):
        RuleSegmenter(RULES).match_table({"age": [1]})


def test_names_that_differ_by_capitals_only_are_not_mixed_up():
    table = pa.table({"customer_id": ["x", "y"], "age": [20, 40]})
    rules = RuleSegmenter({"Old": "age > 30", "old": "age > 10"})
    for kind in FRAME_KINDS:
        found = rules.match_table(FRAME_KINDS[kind](table))
        assert (found["Old"].tolist(), found["old"].tolist()) == ([False, True], [True, True]), kind
    assert rules.match_table(pl.from_arrow(table), collect=False)["Old"].to_list() == [False, True]
    with pytest.raises(ColumnError, match="'Old', 'old' differ by small and capital letters only"):
        rules.match_table(FRAME_KINDS["duckdb"](table), collect=False)


@pytest.mark.parametrize("kind", FRAME_KINDS)
def test_a_table_without_rows_gives_one_without_rows(kind):
    frame = FRAME_KINDS[kind](CUSTOMERS.slice(0, 0))
    table = RuleSegmenter({"old": "age > 30", "gold": "tier == 'gold' and code > 3 and big > 3"}).match_table(frame)
    assert list(table.columns) == ["old", "gold", "segment"]
    assert len(table) == 0


# -- types beyond the table at the top -----------------------------------------------------------------------


def same_in(frames, rules):
    """Return what every frame answers, which must be the same."""
    answers = [RuleSegmenter(rules).match_table(frame).drop(columns="segment").to_dict("list") for frame in frames]
    assert all(answer == answers[0] for answer in answers)
    return answers[0]


def test_resolutions_of_time_are_compared_exactly():
    moments = [dt.datetime(2024, 1, 1), dt.datetime(1969, 12, 31, 23, 59, 59), None, dt.datetime(2025, 1, 1)]
    table = pa.table({unit: pa.array(moments, pa.timestamp(unit)) for unit in ("s", "ms", "us", "ns")})
    frames = [FRAME_KINDS[kind](table) for kind in FRAME_KINDS]
    for unit in ("s", "ms", "us", "ns"):
        assert same_in(
            frames,
            {
                "a": f"{unit} < '2024-01-01T00:00:00.000001'",
                "b": f"{unit} == '2024-01-01'",
                "c": f"{unit} > '0001-01-01' and {unit} < '9999-12-31'",
                "d": f"{unit} == s and ms == {unit} and {unit} <= us and {unit} >= ns",
                "e": f"{unit} != '9999-12-31' and {unit} != '0001-01-01'",
                "f": f"{unit} in ('1969-12-31T23:59:59', '9999-12-31')",
            },
        ) == {
            "a": [True, True, False, False],
            "b": [True, False, False, False],
            "c": [True, True, False, True],
            "d": [True, True, False, True],
            "e": [True, True, False, True],
            "f": [False, True, False, False],
        }


def test_nanoseconds_are_not_rounded_away():
    table = pa.table({"t": pa.array([1_704_067_200_000_000_001, 1_704_067_200_000_000_000, -1], pa.timestamp("ns"))})
    frames = [FRAME_KINDS[kind](table) for kind in FRAME_KINDS if kind != "pandas objects"]  # Timestamps, by design
    found = same_in(frames, {"after": "t > '2024-01-01'", "at": "t == '2024-01-01'", "before": "t < '1970-01-01'"})
    assert found == {"after": [True, False, False], "at": [False, True, False], "before": [False, False, True]}


@pytest.mark.parametrize("ignored", [None, "1"])
def test_time_zones(monkeypatch, ignored):
    """A text without offset is read in the zone of its column; two columns are compared as instants."""
    if ignored:  # what importing pandera or pyspark.pandas sets for the whole process
        monkeypatch.setenv("PYARROW_IGNORE_TIMEZONE", ignored)
    else:
        monkeypatch.delenv("PYARROW_IGNORE_TIMEZONE", raising=False)
    moments = [dt.datetime(2024, 3, 10, 6, 30, tzinfo=UTC), dt.datetime(2024, 11, 3, 5, 30, tzinfo=UTC), None]
    table = pa.table(
        {
            "york": pa.array(moments, pa.timestamp("us", tz="America/New_York")),
            "york_ns": pa.array(moments, pa.timestamp("ns", tz="America/New_York")),
            "kolkata": pa.array(moments, pa.timestamp("us", tz="Asia/Kolkata")),
            "utc": pa.array(moments, pa.timestamp("ms", tz="UTC")),
        }
    )
    frames = [FRAME_KINDS[kind](table) for kind in FRAME_KINDS if kind != "duckdb"]  # it has one zone a session
    rules = {
        "midnight there": "york >= '2024-11-03'",
        "half past one": "york == '2024-11-03T01:30' and york_ns == '2024-11-03 01:30:00'",
        "elsewhere": "kolkata == '2024-03-10T12:00'",
        "an instant": "kolkata == '2024-03-10T06:30Z' and york == '2024-03-10T01:30-05:00'",
        "the same": "york == kolkata and york == utc and york_ns <= kolkata and utc >= york_ns",
        "not before": "york < kolkata or york_ns != utc",
        "always": "york > '0001-01-01' and york < '9999-12-31T23:59:59' and york_ns < '9999-12-31'",
    }
    assert same_in(frames, rules) == {
        "midnight there": [False, True, False],
        "half past one": [False, True, False],
        "elsewhere": [True, False, False],
        "an instant": [True, False, False],
        "the same": [True, True, False],
        "not before": [False, False, False],
        "always": [True, True, False],
    }


def test_a_zone_may_be_an_offset():
    moments = [dt.datetime(2024, 3, 10, 6, 30, tzinfo=UTC), None]
    table = pa.table({"t": pa.array(moments, pa.timestamp("us", tz="+05:30"))})
    frames = [table, table.to_pandas(), table.to_pandas(types_mapper=pd.ArrowDtype)]
    assert same_in(frames, {"a": "t == '2024-03-10T12:00'", "b": "t >= '2024-03-10T12:01'"}) == {
        "a": [True, False],
        "b": [False, False],
    }


def test_objects_of_pandas_are_what_they_hold():
    berlin = dt.timezone(dt.timedelta(hours=1))
    frame = pd.DataFrame(
        {
            "flag": [True, None, False],
            "whole": [1, None, 10**15],
            "huge": [10**30, None, -(10**30)],
            "real": [0.5, None, 2],
            "price": [Decimal("0.57"), None, Decimal("NaN")],
            "text": ["x", None, "y"],
            "day": [dt.date(2024, 1, 1), None, dt.date(9999, 12, 31)],
            "time": [dt.datetime(2024, 1, 1, 12), None, dt.datetime(1, 1, 1)],
            "zoned": [dt.datetime(2024, 1, 1, tzinfo=berlin), None, dt.datetime(2024, 1, 2, tzinfo=berlin)],
            "none": [None, None, None],
        },
        dtype=object,
    )
    rules = {
        "not flag": ([False, False, True]),
        "flag": ([True, False, False]),
        "whole == 1000000000000000": ([False, False, True]),
        "huge > 0": ([True, False, False]),
        "real * 2 == 1": ([True, False, False]),
        "price == 0.57": ([True, False, False]),
        "is_missing(price)": ([False, True, True]),
        "text > 'x'": ([False, False, True]),
        "day > '2024-01-01'": ([False, False, True]),
        "time == '2024-01-01 12:00'": ([True, False, False]),
        "time < '2000-01-01'": ([False, False, True]),
        "zoned <= '2024-01-01'": ([True, False, False]),
        "zoned == '2023-12-31T23:00Z'": ([True, False, False]),
        "not none == 1": ([False, False, False]),
    }
    for index in (None, [7, 7, 7]):  # ids that stand twice are refused when collected, not by the language
        found = RuleSegmenter({rule: rule for rule in rules}).match_table(
            frame if index is None else frame.set_axis(index), collect=False
        )
        assert {rule: found[rule].tolist() for rule in rules} == rules


@pytest.mark.parametrize(
    ("values", "described"),
    [
        ([1, "a"], "Python objects: 'int', 'str'"),
        ([True, "a"], "Python objects: 'bool', 'str'"),
        ([b"a", b"b"], "Python objects: 'bytes'"),
        ([[1], [2]], "Python objects: 'list'"),
        ([dt.time(1), dt.time(2)], "Python objects: 'time'"),
        ([dt.timedelta(1), dt.timedelta(2)], "timedelta64"),
        ([1j, 2j], "complex128"),
        (pd.period_range("2024", periods=2, freq="D"), "period"),
        (pd.cut([1.0, 2.0], 2), "Interval"),
        (
            [dt.datetime(2024, 1, 1, tzinfo=UTC), dt.datetime(2024, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1)))],
            "times of several time zones",
        ),
    ],
)
def test_what_has_no_type_for_rules_can_only_be_missing(values, described):
    frame = pd.DataFrame({"x": pd.Series(values)})
    assert RuleSegmenter({"a": "is_missing(x)"}).match_table(frame)["a"].tolist() == [False, False]
    for rule in ("x == 'a'", "x > 1", "x", "x + 1 > 1", "x in (1, 2)"):
        with pytest.raises(RuleError, match="of a type that rules cannot use") as caught:
            RuleSegmenter({"a": rule}).match_table(frame)
        assert described in str(caught.value)


def test_other_storage_of_pandas_works():
    frame = pd.DataFrame(
        {
            "sparse": pd.arrays.SparseArray([0, 0, 5]),
            "half": np.array([0.5, np.nan, 2], dtype="float16"),
            "long": np.array([0.5, np.nan, 2], dtype="longdouble"),
            "scores": pd.Categorical([3, None, 4]),
            "weights": pd.Categorical([0.5, None, 2.0]),
            "days": pd.Categorical(pd.to_datetime(["2024-01-01", None, "2024-02-01"])),
            "tier": pd.Categorical(["gold", None, "silver"], categories=["silver", "gold", "none"], ordered=True),
            "blank": pd.Categorical([None, None, None]),
            "whole": pd.array([1, None, 3], dtype="Int8"),
            "real": pd.array([0.1, None, 0.2], dtype="Float32"),
            "flags": pd.array([True, None, False], dtype="boolean"),
            "name": pd.array(["a", None, "b"], dtype="string"),
        }
    )
    frame["nan inside"] = pd.array([0.0, None, 1.0], dtype="Float64") / pd.array([0.0, 1.0, 1.0], dtype="Float64")
    rules = {
        "sparse > 1": [False, False, True],
        "half < 1": [True, False, False],
        "not half < 1": [False, False, True],
        "not long < 1": [False, False, True],
        "weights * 2 == 1": [True, False, False],
        "days >= '2024-01-02'": [False, False, True],
        "tier > 'h'": [False, False, True],  # as text, whatever the order of the categories
        "not tier in ('gold', 'none')": [False, False, True],
        "blank == 'x' or not blank > 5": [False, False, False],
        "scores >= 4": [False, False, True],
        "scores != 4": [True, False, False],
        "whole * 100 > 250": [False, False, True],
        "not real > 0.15": [True, False, False],
        "not flags": [False, False, True],
        "not name == 'a'": [False, False, True],
        "is_missing(col('nan inside'))": [True, True, False],
        "not col('nan inside') > 5": [False, False, True],
    }
    found = RuleSegmenter({rule: rule for rule in rules}).match_table(frame)
    assert {rule: found[rule].tolist() for rule in rules} == rules


def test_other_types_of_polars_and_duckdb_work():
    frame = pl.DataFrame(
        {
            "level": pl.Series(["low", None, "high"], dtype=pl.Enum(["low", "high"])),
            "total": pl.Series([1, None, 2**40], dtype=getattr(pl, "Int128", pl.Int64)),
            "time": pl.Series([dt.time(1), None, dt.time(2)]),
        }
    )
    rules = {"a": "level == 'low' or level < 'i' and total > 5", "b": "total > 0 and not is_missing(time)"}
    assert same_in([frame, frame.lazy()], rules) == {"a": [True, False, True], "b": [True, False, True]}
    sql = DUCKDB.sql(
        "select x, sum(x) over () as total, x::decimal(9, 2) / 100 as ratio, "
        "case when x = 1 then 'low' when x = 3 then 'high' end::enum('low', 'high') as level, time '12:00' as time "
        "from (values (1), (2), (3)) as t(x) order by x"
    )
    assert same_in(
        [sql],
        {
            "a": "total == 6 and level == 'low'",
            "b": "ratio == 0.03",
            "c": "is_missing(level)",
            "d": "not level in ('low',)",
            "e": "is_missing(time)",
        },
    ) == {
        "a": [True, False, False],
        "b": [False, False, True],
        "c": [False, True, False],
        "d": [False, False, True],
        "e": [False, False, False],
    }
    for table in (frame, sql):
        with pytest.raises(RuleError, match="time is of a type that rules cannot use"):
            RuleSegmenter({"a": "time > '12:00'"}).match_table(table)


def test_integers_never_wrap_and_floats_are_what_they_are():
    table = pa.table(
        {
            "i8": pa.array([100, None], pa.int8()),
            "u8": pa.array([0, 255], pa.uint8()),
            "f": pa.array([0.1, 0.5], pa.float32()),
        }
    )
    frames = [FRAME_KINDS[kind](table) for kind in FRAME_KINDS if kind != "pandas objects"]  # objects are doubles
    rules = {
        "a": "i8 * 100 == 10000",
        "b": "u8 - 1 < 0",
        "c": "-u8 == -255",
        "d": "i8 > u8 - 300",
        "e": "f == 0.5",
        "f": "f == 0.1",
    }
    assert same_in(frames, rules) == {
        "a": [True, False],
        "b": [True, False],
        "c": [False, True],
        "d": [True, False],
        "e": [False, True],
        "f": [False, False],  # a float32 of 0.1 is 0.10000000149...
    }


def test_what_the_documentation_says_of_pandas_query():
    frame = pd.DataFrame({"age": [20.0, np.nan, 40.0], "n": [1.0, 1.0, 0.0]})
    assert frame.query("not (age > 30)").index.tolist() == [0, 1]
    assert frame.query("age / n > 30").index.tolist() == [2]
    found = RuleSegmenter({"a": "not (age > 30)", "b": "age / n > 30"}).match_table(frame)
    assert (found["a"].tolist(), found["b"].tolist()) == ([True, False, False], [False, False, False])


def test_the_rules_are_shown_in_the_order_that_decides():
    rules = RuleSegmenter({"zeta": "age < 30", "alpha": "age < 60"}, otherwise="rest")
    assert repr(rules) == "RuleSegmenter(rules={'zeta': 'age < 30', 'alpha': 'age < 60'}, otherwise='rest')"
