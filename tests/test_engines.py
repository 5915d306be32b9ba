"""One call gives the same result on every engine: Dask and PySpark beside those of the other tests.

Slow engines have a module of their own; the tests of features and rules cover pandas, polars, pyarrow and DuckDB.
"""

import dataclasses
import importlib.util
import os
import shutil
import warnings
from pathlib import Path

import duckdb
import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from segmentation import datasets, features
from segmentation.evaluation import affinity
from segmentation.exceptions import EmptySegmentWarning
from segmentation.segmenters import RuleSegmenter

ZONE = "Europe/Berlin"
ENGINES = ["pandas", "nullable", "arrow", "polars", "polars lazy", "pyarrow", "duckdb", "dask", "pyspark"]
COLUMNS = {"customer_id": "customer", "timestamp": "at", "amount": "money"}

pytestmark = [
    # narwhals announces that Dask moves to a package of its own, which is not released yet (2026-11)
    pytest.mark.filterwarnings("ignore:Dask support is moving out of Narwhals:FutureWarning"),
    # PySpark 4 says so of pandas 3, and works for what is used here (2026-11)
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:pyspark"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


def missing(what):
    """Skip by name; the project's own run provides every engine and does not accept it."""
    if os.environ.get("SEGMENTATION_REQUIRE_ALL"):
        pytest.fail(f"{what} is missing, and SEGMENTATION_REQUIRE_ALL is set")
    pytest.skip(f"{what} is missing")


@pytest.fixture(scope="module")
def spark():
    if importlib.util.find_spec("pyspark") is None:
        missing("pyspark (pip install 'customer-segments[spark]')")
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        missing("Java, which Spark needs")
    from pyspark.sql import SparkSession

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        session = (
            SparkSession.builder.master("local[1]")
            .config("spark.ui.enabled", "false")
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.sql.shuffle.partitions", "1")
            .config("spark.sql.session.timeZone", ZONE)
            .config("spark.sql.timestampType", "TIMESTAMP_NTZ")  # times without a zone stay so
            .config("spark.sql.execution.arrow.pyspark.enabled", "true")
            .getOrCreate()
        )
        session.sparkContext.setLogLevel("OFF")
        yield session
        session.stop()


DUCKDB = duckdb.connect()
DUCKDB.execute(f"SET TimeZone = '{ZONE}'")


@pytest.fixture(scope="module", params=ENGINES)
def build(request):
    """Give the function that turns an Arrow table into the frame of one engine."""
    kind = request.param
    if kind == "dask" and importlib.util.find_spec("dask") is None:
        missing("dask (pip install 'customer-segments[dask]')")
    session = request.getfixturevalue("spark") if kind == "pyspark" else None

    def frame(table):
        if kind == "dask":
            import dask.dataframe as dd

            return dd.from_pandas(table.to_pandas(types_mapper=pd.ArrowDtype), npartitions=2)
        if kind == "pyspark":
            return session.createDataFrame(table)
        return {
            "pandas": lambda: table.to_pandas(date_as_object=False),
            "nullable": lambda: table.to_pandas(date_as_object=False).convert_dtypes(),
            "arrow": lambda: table.to_pandas(types_mapper=pd.ArrowDtype),
            "polars": lambda: pl.from_arrow(table),
            "polars lazy": lambda: pl.from_arrow(table).lazy(),
            "pyarrow": lambda: table,
            "duckdb": lambda: DUCKDB.from_arrow(table),
        }[kind]()

    frame.kind = kind
    return frame


def orders():
    """Orders with everything that can be wrong with them, and sub-day times in a zone."""
    rng = np.random.default_rng(7)
    n = 400
    at = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.sort(rng.uniform(0, 200, n)), unit="D").round("s")
    money = rng.gamma(2, 20, n).round(2) * np.where(rng.random(n) < 0.1, -1, 1)
    return pa.table(
        {
            "customer": pa.array(rng.integers(1, 60, n), pa.int64(), mask=rng.random(n) < 0.05),
            "at": pa.array(at.as_unit("us"), pa.timestamp("us"), mask=rng.random(n) < 0.03),
            "money": pa.array(np.where(rng.random(n) < 0.02, np.nan, money), pa.float64(), mask=rng.random(n) < 0.03),
        }
    )


CALLS = {
    "rfm": lambda frame, **more: features.rfm_table(frame, **COLUMNS, as_of="2024-06-30", **more),
    "btyd": lambda frame, **more: features.btyd_table(frame, **COLUMNS, **more),
    "btyd weeks": lambda frame, **more: features.btyd_table(frame, **COLUMNS, granularity="W", **more),
    "split": lambda frame, **more: features.calibration_holdout(frame, **COLUMNS, calibration_end="2024-04-15", **more),
}


def rounded(report):
    """Sums of money agree up to the rounding of floating-point addition, whose order is the engine's."""
    return dataclasses.replace(report, refunds_total=round(report.refunds_total, 6))


@pytest.mark.parametrize("call", CALLS)
def test_features_are_equal_on_every_engine(call, build):
    expected, counts = CALLS[call](orders().to_pandas(), return_report=True)
    table, report = CALLS[call](build(orders()), return_report=True)
    pd.testing.assert_frame_equal(table, expected, rtol=1e-12)
    assert rounded(report) == rounded(counts)


@pytest.mark.parametrize("call", CALLS)
def test_features_can_stay_in_their_engine(call, build):
    expected, counts = CALLS[call](orders().to_pandas(), return_report=True)
    frame = build(orders())
    stayed, report = CALLS[call](frame, return_report=True, collect=False)
    assert type(stayed) is type(frame)
    assert rounded(report) == rounded(counts)
    local = nw.from_native(stayed).lazy().collect().to_pandas()
    local = local.astype(dict(expected.dtypes.items()))
    local = local.astype({"customer_id": "int64"}).set_index("customer_id").sort_index()
    pd.testing.assert_frame_equal(local, expected, rtol=1e-12, check_index_type=False)


def lines_and_events():
    """Add to the orders what order lines and events have beside them."""
    table, rng = orders(), np.random.default_rng(8)
    n = len(table)
    columns = {
        "order": pa.array(rng.integers(1, 150, n), pa.int64(), mask=rng.random(n) < 0.1),
        "kind": pa.array(rng.choice(["tea", "cups", "pots", " "], n), mask=rng.random(n) < 0.1),
        "units": pa.array(np.where(rng.random(n) < 0.05, np.nan, rng.integers(-1, 5, n)), mask=rng.random(n) < 0.1),
        "off": pa.array(rng.gamma(1, 2, n).round(2) * (rng.random(n) < 0.5), mask=rng.random(n) < 0.1),
        "what": pa.array(rng.choice(["visit", "cart"], n)),
    }
    for name, column in columns.items():
        table = table.append_column(name, column)
    return table


def test_order_features_are_equal_on_every_engine(build):
    call = {**COLUMNS, "order_id": "order", "category": "kind", "quantity": "units", "discount": "off"}
    call |= {"as_of": "2024-06-30", "categories": 2, "return_report": True}
    expected, counts = features.order_features(lines_and_events().to_pandas(), **call)
    table, report = features.order_features(build(lines_and_events()), **call)
    pd.testing.assert_frame_equal(table, expected, rtol=1e-9, atol=1e-12)
    assert rounded(report) == rounded(counts)


def test_order_features_can_stay_in_their_engine(build):
    expected = features.order_features(orders().to_pandas(), **COLUMNS, as_of="2024-06-30", return_report=True)[0]
    frame = build(orders())
    stayed, _ = features.order_features(frame, **COLUMNS, as_of="2024-06-30", return_report=True, collect=False)
    assert type(stayed) is type(frame)
    local = nw.from_native(stayed).lazy().collect().to_pandas()
    local = local.astype(dict(expected.dtypes.items()))
    local = local.astype({"customer_id": "int64"}).set_index("customer_id").sort_index()
    pd.testing.assert_frame_equal(local, expected, rtol=1e-9, atol=1e-12, check_index_type=False)


def test_activity_is_equal_on_every_engine(build):
    call = {"customer_id": "customer", "timestamp": "at", "event_type": "what", "channel": "kind", "activity": True}
    call |= {"session_minutes": 600, "as_of": "2024-06-30", "return_report": True}
    expected, counts = features.engagement_table(lines_and_events().to_pandas(), **call)
    table, report = features.engagement_table(build(lines_and_events()), **call)
    pd.testing.assert_frame_equal(table, expected, check_index_type=False)
    assert report == counts
    assert (expected["n_sessions"] < expected["n_events"]).any()


def test_sessions_of_times_with_a_zone_and_of_texts(build):
    """Gaps of 20, 40 and 29:30 minutes; the table in a zone, and as texts of different forms."""
    clocks = ["2024-06-30T23:50:00", "2024-07-01T00:10:00", "20240701T0050", "2024-07-01T01:19:30Z"]
    zoned = pd.to_datetime(["2024-06-30 23:50:00", "2024-07-01 00:10:00", "2024-07-01 00:50:00", "2024-07-01 01:19:30"])
    zoned = zoned.tz_localize(ZONE).as_unit("us")
    call = {"customer_id": "who", "event_type": "what", "timestamp": "at", "activity": True}
    table = pa.table({"who": ["a"] * 4, "what": ["visit"] * 4, "at": pa.array(zoned), "text": clocks})
    shown = ["n_sessions", "n_active_days"]
    for timestamp in ("at", "text"):
        found = features.engagement_table(build(table), **{**call, "timestamp": timestamp})
        assert found[shown].iloc[0].tolist() == [2, 2], timestamp


def test_cdnow_is_the_same_on_every_engine(build):
    columns = {"customer_id": "customer_id", "timestamp": "timestamp", "amount": "amount"}
    cdnow = pa.Table.from_pandas(datasets.load_cdnow(), preserve_index=False)
    at = cdnow.schema.get_field_index("timestamp")
    cdnow = cdnow.set_column(at, "timestamp", cdnow["timestamp"].cast(pa.timestamp("us")))
    summary = features.btyd_table(build(cdnow), **columns, observation_end="1997-09-30")
    assert summary["frequency"].sum() == 2457
    assert len(summary) == 2357


def rules_and_customers():
    """Load the table of rules that the tests of the segmenter hold every other engine to."""
    path = Path(__file__).parent / "segmenters" / "test_rules.py"
    spec = importlib.util.spec_from_file_location("rules_of_the_segmenter", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.ANSWERS, module.CUSTOMERS


def test_rules_have_one_answer_on_every_engine(build):
    answers, customers = rules_and_customers()
    if build.kind == "pyspark":
        # Spark has no unsigned integers, takes no dictionaries from Arrow, and no times at the ends of the calendar
        tier = customers.schema.get_field_index("tier")
        customers = customers.set_column(tier, "tier", customers["tier"].cast(pa.string())).drop_columns(["big"])
        answers = {rule: answer for rule, answer in answers.items() if "big" not in rule and "0001" not in rule}
        assert len(answers) > 140
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EmptySegmentWarning)
        table = RuleSegmenter({rule: rule for rule in answers}).match_table(build(customers))
    found = {rule: " ".join(sorted(table.index[table[rule]])) for rule in answers}
    assert found == answers


def test_rules_can_stay_in_their_engine(build):
    customers = pa.table({"customer_id": ["a", "b", "c"], "age": pa.array([20, 40, None], pa.int64())})
    frame = build(customers)
    stayed = RuleSegmenter({"old": "age > 30"}, otherwise="rest").match_table(frame, collect=False)
    assert type(stayed) is type(frame)
    local = nw.from_native(stayed).lazy().collect().to_pandas().sort_values("customer_id")
    assert local["segment"].tolist() == ["rest", "old", "rest"]
    assert local["old"].tolist() == [False, True, False]


def test_affinities_are_equal_on_every_engine(build):
    rng = np.random.default_rng(3)
    n = 900
    lines = pa.table(
        {
            "customer": pa.array(rng.integers(1, 200, n), pa.int64(), mask=rng.random(n) < 0.03),
            "kind": pa.array(
                rng.choice(["tea", "cola", "bread", " ", "egg"], n), pa.string(), mask=rng.random(n) < 0.03
            ),
            "shelf": pa.array(rng.integers(1, 6, n), pa.int64()),  # with gaps pandas makes floats of them
            "money": pa.array(
                np.where(rng.random(n) < 0.1, -1.0, rng.gamma(2, 5, n).round(2)), mask=rng.random(n) < 0.03
            ),
        }
    )
    ids = pd.RangeIndex(1, 181, name="customer_id")
    segments = pd.Series(rng.choice(["a", "b", "unassigned"], 180), index=ids)
    for category, options in (("kind", {"measure": "spend", "amount": "money"}), ("shelf", {"direction": "both"})):

        def report(frame, category=category, options=options):
            return affinity(
                segments, frame, category, customer_id="customer", n_permutations=99, random_state=0, **options
            )

        expected, found = report(lines.to_pandas(types_mapper=pd.ArrowDtype)), report(build(lines))
        pd.testing.assert_frame_equal(found.table, expected.table)
        assert found.settings == expected.settings
        assert found.warnings == expected.warnings
        assert found.settings["n_missing_customer"] > 0
        assert (found.settings["n_missing_category"] > 0) == (category == "kind")
