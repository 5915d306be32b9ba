"""The analysis with what stands on top of it: family bounds, anytime looks, pooled lifts, best segment, decisions."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from scipy import stats

mpl.use("Agg")

import matplotlib.pyplot as plt

from segmentation.experiments import aggregate_experiment, analyze_experiment, best_segment, pool_effects
from segmentation.experiments._anytime import anytime_p, anytime_reach

KEYS = {"segment": "tier", "arm": "arm", "outcomes": ["spend", "visit"], "control": "none"}


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def rows(n=6000, tiers="abcde", lift=0.0, seed=0):
    rng = np.random.default_rng(seed)
    made = pd.DataFrame({"tier": rng.choice(list(tiers), n), "arm": rng.choice(["mail", "none"], n)})
    on = (made["arm"] == "mail") & (made["tier"] == "c")
    return made.assign(spend=rng.gamma(2, 5, n) + lift * on, visit=rng.random(n) < 0.2 + 0.02 * lift * on)


@pytest.fixture(scope="module")
def found():
    return analyze_experiment(rows(lift=4.0), **KEYS)


def test_pooled_and_best_are_those_of_the_functions(found):
    part = found.pooled[found.pooled["outcome"] == "spend"].set_index("segment")
    alone = pool_effects(found.estimates("spend")).table
    assert part["pooled_low"].to_numpy() == pytest.approx(alone["pooled_low"].to_numpy())
    row = found.best.set_index("outcome").loc["spend"]
    expected = best_segment(found.estimates("spend"))
    assert (row["segment"], row["estimate"], row["low"], row["high"]) == (
        "c", expected.estimate, expected.low, expected.high)  # fmt: skip
    assert row["as_measured"] == found.estimates("spend").loc["c", "estimate"]
    assert found.best_segment("spend", method="conditional").settings["method"] == "conditional"


def test_the_best_segment_is_named_in_the_headline_only_where_segments_differ(found):
    named = [line for line in found.headline.splitlines() if "once corrected for having been picked" in line]
    assert len(named) == (found.interaction["p_adjusted"] < 0.05).sum() > 0
    assert "the largest lift is that of segment 'c'" in named[0]
    calm = analyze_experiment(rows(), **KEYS)
    assert (calm.interaction["p_adjusted"] > 0.05).all()
    assert "picked" not in calm.headline


def test_family_bounds_are_of_the_same_method_at_the_family_level(found):
    m = found.segments["p_value"].notna().sum()
    assert found.settings["family"] == (
        f"{m} comparisons (5 segments x 1 arm x 2 outcomes) and 2 tests of a difference between segments"
    )
    wide = analyze_experiment(rows(lift=4.0), **KEYS, level=1 - 0.05 / m).segments
    assert found.segments["family_low"].to_numpy() == pytest.approx(wide["lift_low"].to_numpy())
    assert found.segments["family_high"].to_numpy() == pytest.approx(wide["lift_high"].to_numpy())


@pytest.mark.parametrize("correction", ["bonferroni", "sidak", "bh", "by"])
def test_other_corrections(found, correction):
    made = analyze_experiment(aggregate_experiment(rows(lift=4.0), segment="tier", arm="arm",
                              outcomes=["spend", "visit"]), control="none", correction=correction)  # fmt: skip
    table = made.segments
    claimed = table["p_adjusted"] < 0.05
    assert claimed.any()
    if correction in ("bh", "by"):
        assert (table["family_low"].notna() == claimed).all()
    else:
        assert (claimed == ((table["family_low"] > 0) | (table["family_high"] < 0))).all()
    assert made.settings["correction"] == correction


def test_anytime_bounds_are_those_of_a_confidence_sequence(found):
    made = analyze_experiment(rows(lift=4.0), **KEYS, anytime=True)
    for table, usual in ((made.segments, found.segments), (made.overall, found.overall)):
        n = table["n_control"] + table["n_treated"]
        few = np.where(np.isinf(table["df"]), 1, stats.t.ppf(0.975, table["df"]) / stats.norm.ppf(0.975))
        reach = anytime_reach(n, 0.95) * few * table["se"]
        assert table["lift_high"].to_numpy() == pytest.approx((table["lift"] + reach).to_numpy())
        p = anytime_p(table["lift"] / table["se"] / few, n, 0.95)
        assert table["p_value"].to_numpy() == pytest.approx(p)
        assert ((table["lift_high"] - table["lift_low"]) > 1.3 * (usual["lift_high"] - usual["lift_low"])).all()
        assert (table["detectable_lift"] > usual["detectable_lift"]).all()
        # relative bounds exclude 0 where the others do
        both = table["rel_lift_low"].notna()
        assert ((table["rel_lift_low"] > 0) == (table["lift_low"] > 0))[both].all()
        assert table["method"].str.endswith("at any time").all()
        assert not table["method"].str.contains("score").any()
    assert any("hold at every look" in text for text in made.warnings)
    assert made.settings["anytime"] == 1000
    assert analyze_experiment(rows(), **KEYS, anytime=5000).settings["anytime"] == 5000


def test_anytime_interaction_is_bonferroni_of_contrasts():
    made = analyze_experiment(rows(lift=4.0), **KEYS, anytime=True)
    e = made.estimates("spend")
    p = []
    for name in e.index:
        others = e.drop(name)
        w = 1 / others["se"] ** 2
        z = (e.loc[name, "estimate"] - (w @ others["estimate"]) / w.sum()) / np.sqrt(
            e.loc[name, "se"] ** 2 + 1 / w.sum()
        )
        few = stats.t.ppf(0.975, e.loc[name, "df"]) / stats.norm.ppf(0.975)
        p.append(float(anytime_p(z / few, 6000, 0.95)))
    assert made.interaction["p_value"].iloc[0] == pytest.approx(min(1, 5 * min(p)), rel=1e-6)


def test_peeking_at_an_analysis():
    """20 experiments without an effect, looked at 6 times each: what is ever claimed, with and without."""
    claims = {False: 0, True: 0}
    for run in range(20):
        table = rows(3000, "ab", seed=100 + run)
        for anytime in claims:
            ever = False
            for stop in range(500, 3001, 500):
                got = analyze_experiment(table[:stop], segment="tier", arm="arm", outcomes="spend", control="none",
                                         anytime=anytime)  # fmt: skip
                ever |= bool((got.overall["p_value"] < 0.05).any())
            claims[anytime] += ever
    assert claims[True] <= 20 * 0.05 + 2.6 * np.sqrt(20 * 0.05 * 0.95)
    assert claims[False] > claims[True]


def test_two_segments_are_not_pooled_but_have_a_best_one():
    made = analyze_experiment(rows(tiers="ab"), **KEYS)
    assert len(made.pooled) == 0
    assert len(made.best) == 2
    assert not made.pool("spend").pooled
    assert "Partially pooled" not in str(made)
    assert len(made.plot().collections) > 0


def test_segments_without_an_estimate_are_left_out_of_pooling():
    table = rows(2000)
    table = table[~((table["tier"] == "a") & (table["arm"] == "mail"))]
    table.loc[table["tier"] == "b", "spend"] = 7.0  # no variation: no standard error to weigh by
    made = analyze_experiment(table, **KEYS)
    part = made.pooled[made.pooled["outcome"] == "spend"].set_index("segment")
    assert part["pooled"].isna().to_dict() == {"a": True, "b": True, "c": False, "d": False, "e": False}
    assert made.decide("spend", customers=10).table.loc["b", "decision"] == "no estimate"


def test_nothing_to_pool_is_said():
    table = pd.DataFrame({"tier": ["a", "a", "b", "b"], "arm": ["mail", "none"] * 2, "spend": 7.0, "visit": 0.0})
    made = analyze_experiment(table, segment="tier", arm="arm", outcomes="spend", control="none")
    with pytest.raises(ValueError, match="nothing to pool"):
        made.pool()
    with pytest.raises(ValueError, match="none can be the best"):
        made.best_segment()
    assert len(made.pooled) == len(made.best) == 0
    assert made.plot() is not None


def test_decisions_of_a_failed_sample_ratio_are_marked():
    table = rows(lift=4.0)
    lost = table[~((table["arm"] == "mail") & (np.arange(len(table)) % 5 == 0))]
    made = analyze_experiment(lost, **KEYS)
    assert not made.trustworthy
    plan = made.decide("spend", customers=100, margin=0.3, cost=0.1)
    assert plan.headline.startswith("NOT TO BE USED")
    assert "sample-ratio" in plan.warnings[0]


def test_text_html_dict_and_picture(found):
    text = str(found)
    assert "Partially pooled" in text
    assert "Best segment, corrected for having been picked" in text
    assert "Partially pooled" in found._repr_html_()
    made = found.to_dict()
    assert len(made["pooled"]) == 10
    assert len(made["best"]) == 2
    for relative in (False, True):
        ax = found.plot(outcome="spend", relative=relative)
        assert "partially pooled" in ax.get_xlabel()
        points = [np.asarray(each.get_offsets())[:, 0] for each in ax.collections if len(each.get_offsets()) == 5]
        expected = found.pool("spend", relative=relative).table["pooled"].to_numpy()
        assert points[-1] == pytest.approx(expected)
    assert "partially pooled" not in found.plot(outcome="spend", pooled=False).get_xlabel()


def test_dollars_in_names_are_not_read_as_formulas():
    table = rows().replace({"tier": {"a": "$0 - $100", "b": "$100 - $200"}})
    ax = analyze_experiment(table, **KEYS).plot()
    ax.figure.canvas.draw()
    assert not any(label.get_parse_math() for label in ax.get_yticklabels())


@pytest.mark.parametrize(
    ("more", "message"),
    [({"correction": "tukey"}, "correction must be one of"), ({"anytime": 0}, "anytime must be True, False"),
     ({"anytime": "yes"}, "anytime must be True, False")],
)  # fmt: skip
def test_bad_options(more, message):
    with pytest.raises(ValueError, match=message):
        analyze_experiment(rows(100), **KEYS, **more)
