"""The analysis of an experiment: engines, aggregates, what is refused, and what stands in the result."""

import io

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from segmentation.exceptions import ColumnError, CustomerTableError
from segmentation.experiments import ExperimentAggregates, Outcome, aggregate_experiment, analyze_experiment

ENGINES = {
    "pandas": lambda table: table,
    "nullable": lambda table: table.convert_dtypes(),
    "polars": pl.from_pandas,
    "polars nan": lambda table: pl.from_pandas(table, nan_to_null=False),
    "polars lazy": lambda table: pl.from_pandas(table).lazy(),
    "pyarrow": lambda table: pa.Table.from_pandas(table, preserve_index=False),
    "duckdb": lambda table: duckdb.from_arrow(pa.Table.from_pandas(table, preserve_index=False)),
}
OUTCOMES = ["visit", "spend", Outcome("spend", per="orders"), Outcome("spend", log=True), Outcome("spend", cap=1e9 + 2)]
FIGURES = ["control", "treated", "lift", "lift_low", "lift_high", "se", "df", "p_value", "rel_lift"]


def experiment(n=2000, level=0.0, seed=0, missing=False):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "segment": rng.choice(["a", "b", "c"], n),
            "arm": rng.choice(["none", "mail", "call"], n),
            "age": rng.normal(40, 10, n),
            "orders": rng.poisson(1, n) + 1.0,
            "store": rng.integers(0, 30, n),
            "visit": rng.random(n) < 0.2,
        }
    )
    table["spend"] = level + rng.gamma(1, 5, n) + 0.1 * table["age"]
    if missing:
        table.loc[rng.random(n) < 0.1, "spend"] = np.nan
        table.loc[rng.random(n) < 0.1, "age"] = np.nan
        table.loc[rng.random(n) < 0.05, "orders"] = np.nan
        table.loc[:20, "segment"] = None
    return table


def analysed(data, outcomes="spend", **more):
    keys = {} if isinstance(data, ExperimentAggregates) else {"segment": "segment", "arm": "arm"}
    return analyze_experiment(data, **keys, outcomes=outcomes, control=more.pop("control", "none"), **more)


def assert_same(first, second, rtol=1e-10):
    for a, b in ((first.segments, second.segments), (first.overall, second.overall)):
        for name in [*FIGURES, "n_control", "n_treated", "n_missing"]:
            np.testing.assert_allclose(a[name], b[name], rtol=rtol, err_msg=name)
    np.testing.assert_allclose(first.interaction["q"], second.interaction["q"], rtol=rtol)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("missing", [False, True])
def test_engines_agree(engine, missing):
    table = experiment(missing=missing)
    outcomes = ["visit", "spend", Outcome("spend", per="orders"), Outcome("spend", log=True), Outcome("spend", cap=9)]
    got = analysed(ENGINES[engine](table), outcomes, covariates=["age"])
    oracle = analysed(table, outcomes, covariates=["age"])
    # logs are computed by the engine; pyarrow and DuckDB differ from numpy in their last digit
    assert_same(got, oracle, rtol=1e-9)
    assert got.warnings == oracle.warnings


@pytest.mark.parametrize("engine", ["pandas", "polars lazy", "duckdb"])
def test_amounts_near_a_billion_keep_their_digits(engine):
    low, high = experiment(), experiment()
    # eighths have no rounding of their own at this height
    for table in (low, high):
        table["spend"] = np.round(table["spend"] * 8) / 8
    high["spend"] += 1e9
    got, oracle = analysed(ENGINES[engine](high)), analysed(low)
    for name in ("lift", "lift_low", "lift_high", "se", "p_value"):
        np.testing.assert_allclose(got.segments[name], oracle.segments[name], rtol=1e-10)
        np.testing.assert_allclose(got.overall[name], oracle.overall[name], rtol=1e-10)
    np.testing.assert_allclose(got.segments["control"], oracle.segments["control"] + 1e9, rtol=1e-15)


@pytest.mark.parametrize("engine", ["pandas", "polars", "duckdb", "pyarrow"])
def test_segments_that_lie_far_apart_keep_their_digits(engine):
    low, high = experiment(), experiment()
    for table in (low, high):
        table["spend"] = np.round(table["spend"] * 8) / 8
    high["spend"] += np.where(high["segment"] == "b", 1e9, 0.0)
    got, oracle = analysed(ENGINES[engine](high)), analysed(low)
    np.testing.assert_allclose(got.segments["se"], oracle.segments["se"], rtol=1e-10)
    # means that lie 1e9 apart have one origin: what is left of a lift is 1e-16 of the mean
    np.testing.assert_allclose(got.segments["lift"], oracle.segments["lift"], atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"covariates": ["age"]}, {"covariates": ["age"], "adjust": "cuped"}])
@pytest.mark.parametrize("cluster", [None, "store"])
def test_aggregates_give_the_figures_of_rows_and_add_up_over_days(options, cluster):
    table = experiment(level=1e9)
    outcomes = OUTCOMES if cluster is None else ["visit", "spend"]
    keys = {"segment": "segment", "arm": "arm", "outcomes": outcomes, "cluster": cluster}
    covariates = options.get("covariates")
    whole = aggregate_experiment(table, covariates=covariates, **keys)
    days = [aggregate_experiment(part, covariates=covariates, **keys) for part in (table[:700], table[700:])]
    saved = io.StringIO()
    whole.to_table().to_csv(saved, index=False)
    saved.seek(0)
    loaded = ExperimentAggregates.from_table(pd.read_csv(saved))
    rows = analyze_experiment(table, control="none", **keys, **options)
    more = {name: value for name, value in options.items() if name != "covariates"}
    for parts in (whole, loaded):
        assert_same(rows, analyze_experiment(parts, control="none", **more))
    # logs near 1e9 have a spread of 1e-9: their own rounding shows in nine digits
    assert_same(rows, analyze_experiment(sum(days), control="none", **more), rtol=1e-6 if cluster is None else 1e-10)
    plain = ["visit", "spend"]
    assert_same(
        analyze_experiment(whole, outcomes=plain, control="none", **more),
        analyze_experiment(sum(days), outcomes=plain, control="none", **more),
    )


def test_sums_of_a_database_give_the_figures_of_rows():
    table = experiment()
    table["visit"] = table["visit"].astype(int)
    columns = ["visit", "spend", "orders", "age"]
    products = {f"sum_{a}_{b}": table[a] * table[b] for i, a in enumerate(columns) for b in columns[: i + 1]}
    named = table.rename(columns={name: f"sum_{name}" for name in columns}).assign(n=1, **products)
    sums = named.groupby(["segment", "arm"]).sum().reset_index()
    outcomes = ["visit", Outcome("spend", per="orders")]
    keys = {"segment": "segment", "arm": "arm", "outcomes": outcomes, "covariates": ["age"]}
    made = ExperimentAggregates.from_sums(sums, **keys)
    assert_same(analyze_experiment(made, control="none"), analyze_experiment(table, control="none", **keys), rtol=1e-9)
    with pytest.raises(ColumnError, match=r"sum_age_age|not complete"):
        ExperimentAggregates.from_sums(sums.drop(columns="sum_age_age"), **keys)


def test_sums_that_have_lost_their_digits_are_refused():
    table = experiment(level=1e9)
    sums = table.assign(n=1, sum_spend=table["spend"], sum_spend_spend=table["spend"] ** 2)
    grouped = sums.groupby(["segment", "arm"])[["n", "sum_spend", "sum_spend_spend"]].sum().reset_index()
    with pytest.raises(ColumnError, match="lost in rounding"):
        ExperimentAggregates.from_sums(grouped, segment="segment", arm="arm", outcomes="spend")


def test_what_needs_rows_is_refused_on_aggregates_with_the_reason():
    made = aggregate_experiment(experiment(), segment="segment", arm="arm", outcomes=["spend"])
    for options, reason in (
        ({"outcomes": Outcome("spend", trim=0.1)}, "sorted values"),
        ({"variance": "hc2"}, "residual of every customer"),
        ({"outcomes": Outcome("spend", log=True)}, "sums are those of the logs"),
        ({"cluster": "store"}, "sums per cluster"),
        ({"covariates": ["age"]}, "without 'age'"),
    ):
        with pytest.raises(ValueError, match=reason):
            analyze_experiment(made, control="none", **options)
    with pytest.raises(ValueError, match="sorted values"):
        aggregate_experiment(experiment(), segment="segment", arm="arm", outcomes=Outcome("spend", trim=0.1))
    with pytest.raises(ValueError, match="add up"):
        made + aggregate_experiment(experiment(), segment="segment", arm="arm", outcomes=["visit"])
    twice = pd.concat([made.to_table(), made.to_table()])
    with pytest.raises(CustomerTableError, match="twice"):
        ExperimentAggregates.from_table(twice)


def test_segments_learnt_from_the_outcome_are_refused_or_split():
    table = experiment().assign(unseen=lambda t: np.arange(len(t)) % 3 > 0)
    with pytest.raises(ValueError, match="learnt from 'spend'"):
        analysed(table, segments_from=["spend", "age"])
    with pytest.raises(ValueError, match="learnt from 'orders'"):
        analysed(table, Outcome("spend", per="orders"), segments_from="orders")
    split = analysed(table, segments_from=["spend"], held_out="unseen")
    assert_same(split, analysed(table[table["unseen"]]))
    assert any("667 customers not held out" in text for text in split.warnings)
    assert not any("segments are taken as made" in text for text in split.warnings)
    assert any("segments are taken as made" in text for text in analysed(table).warnings)


def test_aggregates_know_whether_they_hold_only_unseen_customers():
    table = experiment().assign(unseen=lambda t: np.arange(len(t)) % 2 == 0)
    keys = {"segment": "segment", "arm": "arm", "outcomes": "spend"}
    all_of_them = aggregate_experiment(table, **keys)
    unseen = aggregate_experiment(table, held_out="unseen", **keys)
    with pytest.raises(ValueError, match="not known to hold only customers with 'unseen'"):
        analyze_experiment(all_of_them, control="none", segments_from=["spend"], held_out="unseen")
    with pytest.raises(ValueError, match="learnt from 'spend'"):
        analyze_experiment(all_of_them, control="none", segments_from=["spend"])
    with pytest.raises(ValueError, match="the same held_out="):
        all_of_them + unseen
    loaded = ExperimentAggregates.from_table(unseen.to_table(), held_out="unseen")
    for made in (unseen, loaded):
        assert_same(
            analyze_experiment(made, control="none", segments_from=["spend"]),
            analysed(table, segments_from=["spend"], held_out="unseen"),
        )


@pytest.mark.parametrize("kind", [int, float, bool, str])
def test_arms_may_be_numbers_and_segments_sort_as_people_count(kind):
    table = experiment(900)
    table["arm"] = (table["arm"] == "mail").astype(int).astype(kind)
    table["segment"] = table["segment"].map({"a": "tier 2", "b": "tier 10", "c": "tier 1"})
    names = sorted(table["arm"].unique())
    got = analysed(table, control=names[0], shares={names[0]: 2, names[1]: 1})
    assert got.segments["segment"].to_list() == ["tier 1", "tier 2", "tier 10"]
    assert got.trustworthy


def cells(**columns):
    return pd.DataFrame(columns)


def test_a_segment_with_one_arm_only_has_no_effect_and_no_weight():
    table = experiment()
    lonely = table[(table["segment"] != "c") | (table["arm"] == "none")]
    got = analysed(lonely, ["visit", "spend"])
    of_c = got.segments[got.segments["segment"] == "c"]
    assert of_c["lift"].isna().all()
    assert (of_c["note"] == "nobody in this arm").all()
    assert (got.interaction["n_segments"] == 2).all()
    assert got.interaction["p_value"].notna().all()
    others = got.segments[got.segments["segment"] != "c"]["p_value"].notna().sum()
    assert others == 8
    stratified = analysed(lonely, "spend", overall="stratified")
    assert stratified.overall["lift"].notna().all()


def test_no_variation_and_all_converted():
    n = 60
    table = cells(
        segment=["a"] * n + ["b"] * n,
        arm=["none", "mail"] * n,
        same=[5.3] * (2 * n),
        all=[1] * n + [1, 0] * (n // 2),
        none=[0] * n + [0, 0, 0, 1] * (n // 4),
    )
    got = analysed(table, ["same", "all", "none"])
    rows = got.segments.set_index(["outcome", "segment"])
    same = rows.loc[("same", "a")]
    assert (same["lift"], same["se"]) == (0, 0)
    assert np.isnan(same["lift_low"])
    assert same["note"] == "no variation in either arm: no interval"
    for outcome in ("all", "none"):
        row = rows.loc[(outcome, "a")]
        assert row["lift"] == 0
        assert row["p_value"] == 1
        assert row["lift_low"] == pytest.approx(-row["lift_high"], abs=1e-9)
        assert 0.05 < row["lift_high"] < 0.15  # the score bound of 30 of 30 against 30 of 30
        assert row["se"] > 0
        assert row["note"] == "all or none converted in an arm"
    tests = got.interaction.set_index("outcome")
    assert tests.loc["same", "n_segments"] == 0
    assert tests.loc["all", "n_segments"] == 2


def test_one_customer_per_cell():
    table = cells(
        segment=["a", "a", "b", "b"], arm=["none", "mail"] * 2, spend=[1.0, 3.0, 2.0, 2.5], visit=[0, 1, 1, 1]
    )
    got = analysed(table, ["spend", "visit"])
    spend = got.segments[got.segments["outcome"] == "spend"]
    assert spend["lift"].to_list() == [2.0, 0.5]
    assert spend["se"].isna().all()
    assert spend["note"].str.startswith("one customer in an arm").all()
    assert got.overall.loc[0, "se"] > 0
    visit = got.segments[got.segments["outcome"] == "visit"].iloc[0]
    assert visit["lift_low"] < 0 < visit["lift_high"]
    adjusted = analyze_experiment(
        table.assign(age=[1.0, 2, 3, 4]),
        segment="segment",
        arm="arm",
        outcomes="spend",
        control="none",
        covariates=["age"],
    )
    assert adjusted.segments["se"].isna().all()


def test_unequal_allocation_needs_its_shares_and_then_is_no_failure():
    rng = np.random.default_rng(1)
    table = experiment(6000)
    table["arm"] = rng.choice(["none", "mail"], 6000, p=[0.1, 0.9])
    assert not analysed(table).trustworthy
    planned = analysed(table, shares={"none": 0.1, "mail": 0.9})
    assert planned.trustworthy
    assert planned.sample_ratio["verdict"].eq("ok").all()
    assert not any("shares" in text for text in planned.warnings)


def test_shares_that_differ_by_segment_make_the_overall_effect_stratified():
    rng = np.random.default_rng(2)
    n = 8000
    segment = rng.choice(["rich", "poor"], n)
    chance = np.where(segment == "rich", 0.8, 0.2)
    treated = rng.random(n) < chance
    table = cells(
        segment=segment,
        arm=np.where(treated, "mail", "none"),
        spend=np.where(segment == "rich", 100, 10) + rng.normal(size=n),
    )
    shares = {"rich": {"mail": 0.8, "none": 0.2}, "poor": {"mail": 0.2, "none": 0.8}}
    got = analysed(table, shares=shares)
    assert got.settings["overall"] == "stratified"
    assert abs(got.overall.loc[0, "lift"]) < 0.2  # the plain difference is above 50
    assert got.trustworthy
    plain = analysed(table, shares={"mail": 0.5, "none": 0.5})
    assert plain.overall.loc[0, "lift"] > 50
    assert any("also mixes segments" in text for text in plain.warnings)


def test_a_failed_sample_ratio_marks_everything():
    table = experiment(6000)
    lost = table[~((table["arm"] == "mail") & (np.arange(6000) % 5 == 0))]
    got = analysed(lost)
    assert not got.trustworthy
    assert got.sample_ratio.loc["all", "verdict"] == "failed"
    assert got.headline.startswith("NOT TO BE USED")
    assert any(text.startswith("sample ratio failed: customers came as none") for text in got.warnings)
    assert got.overall["lift"].notna().all()


def test_whole_clusters_are_what_the_sample_ratio_counts():
    rng = np.random.default_rng(4)
    store = rng.integers(0, 60, 3000)
    sizes = np.where(store < 30, 1, 3)  # treated stores are larger: no reason to distrust the draw of stores
    table = cells(store=np.repeat(store, sizes), spend=rng.normal(size=sizes.sum())).assign(
        segment="a", arm=lambda t: np.where(t["store"] < 30, "none", "mail")
    )
    got = analysed(table, cluster="store")
    assert got.sample_ratio.loc["all", ["n", "n_none", "n_mail"]].to_list() == [60, 30, 30]
    assert got.trustworthy


def test_missing_outcomes_are_counted_and_unequal_loss_is_said():
    table = experiment(4000)
    gone = (table["arm"] == "mail") & (np.arange(4000) % 4 == 0)
    table.loc[gone, "spend"] = np.nan
    got = analysed(table, ["spend", "visit"], covariates=["age"])
    mail = got.overall.set_index(["outcome", "arm"])
    assert mail.loc[("spend", "mail"), "n_missing"] == gone.sum()
    assert mail.loc[("visit", "mail"), "n_missing"] == 0
    assert any("missing in unequal shares" in text for text in got.warnings)
    complete = analysed(table[~gone], "spend", covariates=["age"])
    np.testing.assert_allclose(got.overall["lift"][:2], complete.overall["lift"], rtol=1e-10)


def test_customers_without_arm_or_segment_are_counted():
    table = experiment(1000)
    table.loc[:9, "arm"] = None
    table.loc[10:29, "segment"] = None
    table.loc[30:34, "segment"] = "unassigned"
    got = analysed(table)
    assert got.settings["n_without_arm"] == 10
    assert got.settings["n_unassigned"] == 25
    assert got.settings["n_customers"] == 990
    assert set(got.segments["segment"]) == {"a", "b", "c"}
    assert got.overall["n_control"].iloc[0] == (table["arm"] == "none").sum()
    assert got.segments["n_control"].iloc[:6].sum() < 2 * (table["arm"] == "none").sum()


def test_declared_order_and_empty_segments_stay():
    table = experiment(600)
    table["segment"] = pd.Categorical(table["segment"], categories=["c", "empty", "b", "a", "unassigned"])
    got = analysed(table, "visit")
    assert got.segments["segment"].to_list() == ["c", "empty", "b", "a"] * 2
    assert got.segments.set_index("segment").loc["empty", "note"].to_list() == ["nobody in either arm"] * 2


def test_adjustment_narrows_intervals_and_the_raw_ones_stay():
    rng = np.random.default_rng(6)
    table = experiment(3000)
    table["before"] = rng.normal(50, 10, 3000)
    table["spend"] = table["before"] + rng.normal(0, 3, 3000)
    got, raw = analysed(table, covariates=["before"]), analysed(table)
    np.testing.assert_allclose(got.segments["raw_lift"], raw.segments["lift"], rtol=1e-12)
    np.testing.assert_allclose(got.segments["raw_lift_low"], raw.segments["lift_low"], rtol=1e-12)
    np.testing.assert_allclose(got.segments["control"], raw.segments["control"], rtol=1e-12)
    assert (got.segments["se"] < 0.5 * got.segments["raw_se"]).all()


def test_a_covariate_without_variation_changes_nothing():
    table = experiment(900).assign(same=3.0)
    got, oracle = analysed(table, covariates=["age", "same"]), analysed(table, covariates=["age"])
    np.testing.assert_allclose(got.segments["se"], oracle.segments["se"], rtol=1e-10)


def test_detectable_lift_is_found_with_its_power():
    # by simulation: a true lift of this size is significant in 80 % of experiments
    rng = np.random.default_rng(8)
    n, runs = 200, 4000
    sd_lift = np.sqrt(2 / n)
    table = cells(segment="a", arm=["none", "mail"] * n, spend=rng.normal(size=2 * n))
    detectable = analysed(table).segments.loc[0]
    true = detectable["detectable_lift"] / detectable["se"] * sd_lift
    found = 0
    for _ in range(runs):
        a, b = rng.normal(true, 1, n), rng.normal(0, 1, n)
        se = np.sqrt(a.var(ddof=1) / n + b.var(ddof=1) / n)
        found += abs(a.mean() - b.mean()) / se > 1.966
    assert found / runs == pytest.approx(0.8, abs=0.02)


def test_headline_names_a_segment_only_with_support():
    rng = np.random.default_rng(9)
    n = 6000
    table = cells(segment=rng.choice(["a", "b", "c"], n), arm=rng.choice(["none", "mail"], n), spend=rng.normal(size=n))
    nothing = analysed(table)
    assert "No difference between segments is shown" in nothing.headline
    assert "In no single segment is a lift shown" in nothing.headline
    table["spend"] += np.where((table["segment"] == "b") & (table["arm"] == "mail"), 0.6, 0)
    there = analysed(table)
    assert "The effect differs between segments: of 'mail' on 'spend'" in there.headline
    assert "a lift above 0 in segments 'b' is shown by itself" in there.headline
    table["spend"] += np.where((table["segment"] != "b") & (table["arm"] == "mail"), 0.6, 0)
    everywhere = analysed(table)
    assert "a lift above 0 in all 3 segments is shown by itself" in everywhere.headline
    assert "that they respond better or worse than others is not shown" in everywhere.headline


def test_estimates_are_what_later_steps_build_on():
    got = analysed(experiment(), ["spend", "visit"])
    part = got.estimates("visit", "call")
    assert part.index.to_list() == ["a", "b", "c"]
    rows = got.segments[(got.segments["outcome"] == "visit") & (got.segments["arm"] == "call")]
    assert part["estimate"].to_list() == rows["lift"].to_list()
    assert list(part.columns) == ["estimate", "se", "df", "n_control", "n_treated"]
    with pytest.raises(ValueError, match="arm must be one of 'call', 'mail'"):
        got.estimates("visit")


def test_result_speaks_the_protocol():
    table = experiment(900).replace({"segment": {"a": "<b>young</b>"}})
    got = analysed(table, ["spend", "visit"])
    assert str(got).splitlines()[0] == got.headline.splitlines()[0]
    assert repr(got) == str(got)
    assert "<b>young" not in got._repr_html_()
    assert "&lt;b&gt;young" in got._repr_html_()
    plain = got.to_dict()
    assert plain["settings"]["n_customers"] == 900
    assert len(plain["segments"]) == len(got.to_pandas()) == 12
    with pytest.raises(AttributeError):
        got.headline = "other"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"control": "letter"}, ValueError, "control must be one of the arms 'call', 'mail', 'none', got 'letter'"),
        ({"outcomes": "spent"}, ColumnError, "nearest: 'spend'"),
        ({"outcomes": "arm"}, ColumnError, "must be numbers"),
        ({"outcomes": []}, ValueError, "outcomes is empty"),
        ({"outcomes": ["spend", "spend"]}, ValueError, "one name: 'spend'"),
        ({"outcomes": 3}, TypeError, "column names or Outcome"),
        ({"covariates": ["spend"]}, ValueError, "is an outcome of it"),
        ({"covariates": ["age", "age"]}, ValueError, "twice"),
        ({"adjust": "lin"}, ValueError, "needs covariates="),
        ({"adjust": "magic"}, ValueError, "adjust must be one of"),
        ({"variance": "cr2"}, ValueError, "needs cluster="),
        ({"cluster": "store", "variance": "hc2"}, ValueError, "takes rows as single"),
        ({"covariates": ["age"], "adjust": "cuped", "variance": "hc3"}, ValueError, "is of a regression"),
        ({"level": 1.5}, ValueError, "level must be at least .5"),
        ({"shares": {"none": 1, "mail": 1}}, ValueError, "shares name the arms 'mail', 'none'"),
        ({"shares": {"none": 1, "mail": 0, "call": 1}}, ValueError, "above 0"),
        ({"shares": {"a": {"none": 1, "mail": 1, "call": 1}}}, ValueError, "lack 'b', 'c'"),
        ({"outcomes": Outcome("spend", trim=0.1), "covariates": ["age"]}, ValueError, "trimmed means are not adjusted"),
        ({"outcomes": Outcome("orders", kind="proportion")}, ValueError, "other values than 0 and 1"),
        ({"segments_from": 7}, TypeError, "segments_from lists"),
    ],
)
def test_bad_requests_say_what_to_do(options, error, message):
    with pytest.raises(error, match=message):
        analysed(experiment(300), **options)


def test_bad_tables_say_what_to_do():
    table = experiment(300)
    with pytest.raises(TypeError, match="rows need 'arm', 'outcomes'"):
        analyze_experiment(table, segment="segment", control="none")
    with pytest.raises(ColumnError, match="infinite values are in 'spend'"):
        analysed(table.assign(spend=np.where(np.arange(300) == 5, np.inf, 1.0)))
    with pytest.raises(ColumnError, match=r"needs values of at least 0; 'spend' goes down to"):
        analysed(table.assign(spend=-1.0), Outcome("spend", log=True))
    with pytest.raises(ValueError, match="every customer is in 'none'"):
        analysed(table.assign(arm="none"))
    with pytest.raises(CustomerTableError, match="no row"):
        analysed(table[:0])
    with pytest.raises(CustomerTableError, match="without a cluster"):
        analysed(table.assign(store=np.where(np.arange(300) == 5, None, "s")), cluster="store")
    with pytest.raises(ColumnError, match="no table of"):
        ExperimentAggregates.from_table(table)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trim": 0.6}, "below .5"), ({"cap": np.inf}, "finite"), ({"kind": "count"}, "kind must be"),
        ({"trim": 0.1, "cap": 3}, "at most one"), ({"kind": "proportion", "log": True}, "has no meaning"),
    ],
)  # fmt: skip
def test_outcomes_refuse_what_makes_no_sense(options, message):
    with pytest.raises(ValueError, match=message):
        Outcome("spend", **options)
