"""From effects to curves, beliefs, profiles, and what other tools found."""

import itertools
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from segmentation.exceptions import SegmentationWarning
from segmentation.experiments import (
    BeliefDisplay,
    analyze_experiment,
    curves_from_experiment,
    effects_to_profile,
    from_tea_tasting,
    pool_effects,
    update_effects,
)
from segmentation.prioritizers import ValuePrioritizer

EFFECTS = pd.DataFrame({"estimate": [2.0, 1.0, 3.0, 0.5], "se": [0.5, 0.4, 0.6, 0.3]}, index=list("abcd"))


def analysis(n=4000, arms=("none", "mail"), seed=0, **more):
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame(
        {"segment": rng.choice(list("abc"), n), "arm": rng.choice(arms, n), "orders": 1 + rng.poisson(1, n)}
    )
    rows["spend"] = 10 + 2 * (rows["arm"] != "none") + rng.gamma(1, 4, n)
    keys = {"segment": "segment", "arm": "arm", "outcomes": "spend", "control": "none"} | more
    return analyze_experiment(rows, **keys)


# ---------------------------------------------------------------- curves
def test_curves_go_through_the_effects():
    curves = curves_from_experiment(EFFECTS, effort=2, pooled=False, n_draws=20000, random_state=0)
    for name, row in EFFECTS.iterrows():
        assert float(curves[name].value(2.0)) == pytest.approx(row["estimate"])
        draws = curves[name].value_draws(2.0)
        assert draws.std() == pytest.approx(row["se"], rel=0.1)
        assert curves[name].randomized


def test_pooled_curves_have_the_joint_posterior():
    curves = curves_from_experiment(EFFECTS, effort=1, margin=3.0, n_draws=20000, random_state=0)
    pooled = pool_effects(EFFECTS)
    draws = pooled.draws(20000, random_state=1)
    for name in EFFECTS.index:
        assert float(curves[name].value(1.0)) == pytest.approx(3 * pooled.table.loc[name, "pooled"])
        mine = curves[name].value_draws(1.0) / 3
        expected = np.maximum(draws[name], 0)
        np.testing.assert_allclose(
            np.quantile(mine, [0.1, 0.5, 0.9]), np.quantile(expected, [0.1, 0.5, 0.9]), atol=0.04
        )
        assert any("partially pooled" in text for text in curves[name].notes)
    mine = np.corrcoef(curves["a"].value_draws(1.0), curves["b"].value_draws(1.0))[0, 1]
    assert mine == pytest.approx(np.corrcoef(draws["a"], draws["b"])[0, 1], abs=0.04)
    again = curves_from_experiment(pooled, effort=1, margin=3.0, n_draws=200, random_state=0)
    assert float(again["c"].value(1.0)) == pytest.approx(float(curves["c"].value(1.0)))


def test_curves_of_segments_are_totals():
    found = analysis()
    one = curves_from_experiment(found, effort=1.5, family="linear", random_state=0)
    profile = pd.DataFrame({"n_customers": [100, 200, 300]}, index=list("abc"))
    many = curves_from_experiment(found, effort={"a": 1.5, "b": 1.5, "c": 1.5}, n_customers=profile, family="linear",
                                  random_state=0)  # fmt: skip
    for name, n in profile["n_customers"].items():
        assert float(many[name].value(1.5 * n)) == pytest.approx(n * float(one[name].value(1.5)))
        np.testing.assert_allclose(many[name].value_draws(1.5 * n), n * one[name].value_draws(1.5))


def test_several_arms_become_actions():
    found = analysis(arms=("none", "mail", "call"))
    curves = curves_from_experiment(found, effort={"mail": 1, "call": 5}, arm=["mail", "call"], random_state=0)
    assert {name: list(actions) for name, actions in curves.items()} == {s: ["mail", "call"] for s in "abc"}
    with pytest.raises(ValueError, match="arm must be one of"):
        curves_from_experiment(found, effort=1)
    with pytest.raises(ValueError, match="'call' is missing"):
        curves_from_experiment(found, effort={"mail": 1}, arm=["mail", "call"])


@pytest.mark.parametrize(("more", "text"), [
    ({"effort": {"a": 1}}, "effort has nothing for"),
    ({"effort": 0}, "above 0"),
    ({"effort": 1, "n_customers": {"a": 5}}, "n_customers has nothing"),
    ({"effort": 1, "segments": ["z"]}, "no effect with a standard error for 'z'"),
    ({"effort": 1, "margin": 0}, "margin"),
])  # fmt: skip
def test_bad_curves(more, text):
    with pytest.raises(ValueError, match=text):
        curves_from_experiment(EFFECTS, **more)


def test_untrustworthy_and_unfit_outcomes_are_refused():
    with pytest.raises(ValueError, match="sample-ratio check"):
        curves_from_experiment(analysis(shares={"none": 0.8, "mail": 0.2}), effort=1)
    from segmentation.experiments import Outcome

    for outcome in (Outcome("spend", log=True), Outcome("spend", per="orders")):
        with pytest.raises(ValueError, match="not an amount per customer"):
            curves_from_experiment(analysis(outcomes=outcome), effort=1)
    with pytest.raises(TypeError, match="effects come from"):
        curves_from_experiment([1.0], effort=1)
    with pytest.raises(ValueError, match="no segment has an effect"):
        curves_from_experiment(EFFECTS.assign(se=np.nan), effort=1)


# ---------------------------------------------------------------- profile
def test_profile_columns_and_priorities():
    profile = pd.DataFrame({"n_customers": [10, 20, 30, 40, 5]}, index=[*"abcd", "unassigned"])
    told = effects_to_profile(profile, EFFECTS, cost=1.0, margin=2.0, pooled=False, random_state=0, n_draws=40000)
    np.testing.assert_allclose(told["effect_mean"][:4], 2 * EFFECTS["estimate"] - 1)
    np.testing.assert_allclose(told["effect_total"][:4], (2 * EFFECTS["estimate"] - 1) * [10, 20, 30, 40])
    np.testing.assert_allclose(
        told["effect_mean_high"][:4], 2 * EFFECTS["estimate"] - 1 + 2 * 1.645 * EFFECTS["se"], atol=0.03
    )
    expected = stats.norm.sf(0.5, EFFECTS["estimate"], EFFECTS["se"])
    np.testing.assert_allclose(told["effect_positive"][:4], expected, atol=0.01)
    assert told.loc["unassigned"].isna().sum() == 7
    assert list(profile.columns) == ["n_customers"]
    assert ValuePrioritizer(by="effect_total").prioritize(told[:4]).index[0] == "c"
    with pytest.raises(ValueError, match="has 'effect_mean'"):
        effects_to_profile(told, EFFECTS)
    with pytest.raises(ValueError, match="no segment of the profile"):
        effects_to_profile(profile.rename(index=str.upper), EFFECTS)


# ---------------------------------------------------------------- belief
def table(values, se=0.5):
    return pd.DataFrame({"estimate": values, "se": se}, index=list("ab")[: len(values)])


THREE = [("2023-01-01", [2.0, 1.0], 0.5), ("2023-07-02", [1.0, 1.5], 0.3), ("2024-01-01", [0.5, 1.0], 0.8)]


@pytest.mark.parametrize("model", [{}, {"half_life": 200}, {"drift_sd": 0.4}, {"between_sd": 0.3}, {"prior": (0, 1)},
                                   {"half_life": 100, "prior": (0, 1), "between_sd": 0.1}])  # fmt: skip
def test_order_does_not_matter(model):
    beliefs = []
    for order in itertools.permutations(THREE):
        belief = None
        for day, values, se in order:
            belief = update_effects(belief, table(values, se), when=day, **(model if belief is None else {}))
        beliefs.append(belief)
    for other in beliefs[1:]:
        pd.testing.assert_frame_equal(other.table, beliefs[0].table)
        pd.testing.assert_frame_equal(other.evidence, beliefs[0].evidence)


def test_half_life_by_hand():
    belief = update_effects(None, table([2.0], 0.5), when="2024-01-01", half_life=100, between_sd=0)
    belief = update_effects(belief, table([1.0], 0.5), when="2024-04-10")
    w = np.array([0.5, 1]) / 0.25
    assert belief.table.loc["a", "estimate"] == pytest.approx(w @ [2, 1] / w.sum())
    assert belief.table.loc["a", "se"] == pytest.approx(w.sum() ** -0.5)
    assert belief.evidence["weight"].tolist() == pytest.approx([1 / 3, 2 / 3])
    later = belief.at("2024-07-19")
    assert later.table.loc["a", "estimate"] == pytest.approx(belief.table.loc["a", "estimate"])
    assert later.table.loc["a", "se"] == pytest.approx(belief.table.loc["a", "se"] * 2**0.5)


def test_drift_is_a_kalman_filter():
    drift = 0.4
    belief = None
    for day, values, se in THREE:
        belief = update_effects(belief, table(values, se), when=day, drift_sd=drift)
    mean, variance, before = THREE[0][1][0], THREE[0][2] ** 2, pd.Timestamp(THREE[0][0])
    for day, values, se in THREE[1:]:
        variance += drift**2 * (pd.Timestamp(day) - before).days / 365.25
        gain = variance / (variance + se**2)
        mean, variance, before = mean + gain * (values[0] - mean), (1 - gain) * variance, pd.Timestamp(day)
    assert belief.table.loc["a", "estimate"] == pytest.approx(mean, rel=1e-10)
    assert belief.table.loc["a", "se"] == pytest.approx(variance**0.5, rel=1e-10)
    assert belief.at("2025-01-01").table.loc["a", "se"] > belief.table.loc["a", "se"]


def test_between_and_plain_are_meta_analysis():
    """Estimates of effects that differ: DerSimonian and Laird's by hand in one segment."""
    x, se = np.array([2.0, 0.0, 1.0]), np.array([0.3, 0.3, 0.5])
    belief = None
    for i in range(3):
        belief = update_effects(belief, table([x[i]], se[i]), when="2024-01-01", name=f"test {i}")
    w = 1 / se**2
    q = w @ (x - w @ x / w.sum()) ** 2
    between = (q - 2) / (w.sum() - (w**2).sum() / w.sum())
    assert belief.between_sd == pytest.approx(between**0.5)
    v = 1 / (se**2 + between)
    assert belief.table.loc["a", "estimate"] == pytest.approx(v @ x / v.sum())
    assert belief.table.loc["a", "p_value"] == pytest.approx(stats.chi2.sf(q, 2))
    assert any("contradict" in text for text in belief.warnings)


def test_belief_covers_a_drifting_truth():
    """Simulated from the model: intervals hold the effect of now."""
    rng, hits = np.random.default_rng(0), []
    days = pd.to_datetime(["2021-01-01", "2022-01-01", "2023-01-01", "2024-01-01"])
    for _ in range(40):
        truth, belief = rng.normal(1, 1, 2), None
        for i, day in enumerate(days):
            truth = truth + (rng.normal(0, 0.5, 2) if i else 0)
            seen = pd.DataFrame({"estimate": truth + rng.normal(0, 0.4, 2), "se": 0.4}, index=list("ab"))
            belief = update_effects(belief, seen, when=day, drift_sd=0.5 * (365.25 / 365) ** 0.5)
        hits += list((belief.table["low"] <= truth) & (truth <= belief.table["high"]))
    assert abs(np.mean(hits) - 0.95) <= 0.015 + 2.6 * np.sqrt(0.95 * 0.05 / 80)


def test_new_segments_and_use_of_a_belief():
    belief = update_effects(None, analysis(), when="2024-01-01", arm="mail", outcome="spend")
    belief = update_effects(belief, EFFECTS, when="2024-06-01", name="second")
    assert belief.table["n_experiments"].to_dict() == {"a": 2, "b": 2, "c": 2, "d": 1}
    curves = curves_from_experiment(belief, effort=1, random_state=0)
    assert set(curves) == set("abcd")
    assert "2 experiments until 2024-06-01" in str(belief)
    assert "<table" in belief._repr_html_()
    assert len(belief.to_dict()["evidence"]) == 7
    with pytest.raises(ValueError, match="about arm"):
        belief.estimates(arm="call")
    pd.testing.assert_frame_equal(belief.to_pandas(), belief.table)


@pytest.mark.parametrize(("more", "text"), [
    ({"when": "2024-01-01"}, "in the belief already"),
    ({"when": "not a day"}, "must be a date"),
    ({"when": None}, "must be a date"),
    ({"when": "2024-02-01", "half_life": 0}, "above 0"),
    ({"when": "2024-02-01", "half_life": 9, "drift_sd": 1}, "not both"),
    ({"when": "2024-02-01", "prior": (0, 0)}, "prior"),
    ({"when": "2024-02-01", "between_sd": np.nan}, "finite"),
    ({"when": "2024-02-01", "level": 2}, "level"),
])  # fmt: skip
def test_bad_updates(more, text):
    belief = update_effects(None, table([1.0, 2.0]), when="2024-01-01")
    with pytest.raises(ValueError, match=text):
        update_effects(belief, table([1.0, 2.0]), **more)
    with pytest.raises(ValueError, match="knows nothing of later ones"):
        belief.at("2023-01-01")


# ---------------------------------------------------------------- tea-tasting
def metric(effect, se, df=np.inf, control=10.0):
    reach = stats.t.ppf(0.975, df)
    t = effect / se
    return SimpleNamespace(control=control, treatment=control + effect, effect_size=effect, statistic=t,
                           effect_size_ci_lower=effect - reach * se, effect_size_ci_upper=effect + reach * se,
                           rel_effect_size=effect / control, pvalue=2 * stats.t.sf(abs(t), df))  # fmt: skip


def test_standard_errors_come_back():
    found = from_tea_tasting({"a": {"spend": metric(1.0, 0.5, 12.0)}, "b": {"spend": metric(-2.0, 0.7)},
                              "c": {"spend": metric(0.0, 0.3)}})  # fmt: skip
    got = found.estimates()
    np.testing.assert_allclose(got["se"], [0.5, 0.7, 0.3])
    assert got.loc["a", "df"] == pytest.approx(12.0, rel=1e-6)
    assert got.loc["b", "df"] == np.inf
    assert found.interaction["q"].item() > 5
    assert found.trustworthy
    assert any("no sample-ratio check" in text for text in found.warnings)
    assert set(curves_from_experiment(found, effort=1, random_state=0)) == set("abc")
    assert "tea-tasting" in str(found)
    assert "<table" in found._repr_html_()


def test_several_variants_and_sample_ratio():
    broken = SimpleNamespace(control=1000, treatment=800, pvalue=1e-5)
    quantile = SimpleNamespace(control=1.0, treatment=2.0, effect_size=1.0)
    result = {("none", "mail"): {"spend": metric(1.0, 0.5), "ratio": broken, "median": quantile},
              ("none", "call"): {"spend": metric(2.0, 0.5)}}  # fmt: skip
    found = from_tea_tasting(result)
    assert found.table["arm"].tolist() == ["mail", "call"]
    assert not found.trustworthy
    assert any("'median'" in text for text in found.warnings)
    assert found.estimates(arm="call")["estimate"].to_dict() == {"all": 2.0}
    with pytest.raises(ValueError, match="sample-ratio check"):
        curves_from_experiment(found, effort=1, arm="mail")
    with pytest.raises(ValueError, match="arm must be one of"):
        found.estimates()
    assert from_tea_tasting({"a": result, "b": result}).interaction["n_segments"].tolist() == [2, 2]


@pytest.mark.parametrize("bad", [None, {}, 5, {"a": {}}, {"spend": SimpleNamespace(control=1)}, {"a": {"m": 3}}])
def test_bad_results(bad):
    with pytest.raises((TypeError, ValueError)):
        from_tea_tasting(bad)


def test_real_results_equal_ours():
    tea = pytest.importorskip("tea_tasting")
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"segment": rng.choice(list("abc"), 3000), "variant": rng.integers(0, 2, 3000)})
    rows["spend"] = 10 + rows["variant"] + rng.normal(0, 4, 3000)
    plan = tea.Experiment(spend=tea.Mean("spend"), ratio=tea.SampleRatio())
    results = {name: plan.analyze(part) for name, part in rows.groupby("segment")}
    found = from_tea_tasting(results)
    ours = analyze_experiment(rows, segment="segment", arm="variant", outcomes="spend", control=0)
    np.testing.assert_allclose(found.estimates()["estimate"], ours.estimates()["estimate"], rtol=1e-9)
    np.testing.assert_allclose(found.estimates()["se"], ours.estimates()["se"], rtol=1e-9)
    np.testing.assert_allclose(found.estimates()["df"], ours.estimates()["df"], rtol=1e-3)
    np.testing.assert_allclose(found.interaction["q"], ours.interaction["q"], rtol=1e-9)
    assert len(found.sample_ratio) == 3
    whole = from_tea_tasting(plan.analyze(rows))
    assert whole.estimates().index.tolist() == ["all"]
    several = from_tea_tasting(
        plan.analyze(rows.assign(variant=rng.integers(0, 3, 3000)), control=0, all_variants=True)
    )
    assert set(several.table["arm"]) >= {"1", "2"}


# ---------------------------------------------------------------- what must not pass unsaid
def test_segments_that_are_left_out_are_named():
    some = EFFECTS.assign(se=[0.5, 0.0, 0.6, 0.3])
    curves = curves_from_experiment(some, effort=1, n_customers={**dict.fromkeys("abcd", 10), "z": 5}, random_state=0)
    assert list(curves) == ["a", "c", "d"]
    assert "No curve for 'b', 'z': without an effect and its standard error." in curves["a"].notes
    chosen = curves_from_experiment(some, effort=1, n_customers={"a": 10, "z": 5}, segments=["a"], random_state=0)
    assert not any("'z'" in text for text in chosen["a"].notes)
    profile = pd.DataFrame({"n_customers": [10, 20]}, index=["a", "c"])
    with pytest.warns(SegmentationWarning, match="1 segment with an effect not in the profile, left out: 'd'"):
        effects_to_profile(profile, some, random_state=0)
    belief = update_effects(None, some, when="2024-01-01", name="first")
    (text,) = [text for text in belief.warnings if "left out" in text]
    assert text == "1 segment without an effect or a standard error above 0 in 'first', left out: 'b'."
    later = update_effects(belief, EFFECTS, when="2024-02-01", name="second")
    assert any("in 'first', left out: 'b'" in text for text in later.warnings)
    assert not any("left out" in text for text in later.without("first").warnings)


@pytest.mark.parametrize("kind", ["column", "polars", "pyarrow"])
def test_tables_of_other_libraries(kind):
    other = EFFECTS.rename_axis("segment").reset_index()
    sizes = pd.DataFrame({"segment": list("abcd"), "n_customers": [10, 20, 30, 40]})
    if kind == "polars":
        other, sizes = (pytest.importorskip("polars").from_pandas(each) for each in (other, sizes))
    elif kind == "pyarrow":
        other, sizes = (pytest.importorskip("pyarrow").Table.from_pandas(each) for each in (other, sizes))
    expected = effects_to_profile(
        pd.DataFrame({"n_customers": [10, 20, 30, 40]}, index=pd.Index(list("abcd"), name="segment")), EFFECTS,
        random_state=0,
    )  # fmt: skip
    pd.testing.assert_frame_equal(effects_to_profile(sizes, other, random_state=0), expected, check_dtype=False)
    curves = curves_from_experiment(other, effort=1, n_customers=sizes, random_state=0)
    same = curves_from_experiment(EFFECTS, effort=1, n_customers=expected, random_state=0)
    assert [float(curves[s].value(3.0)) for s in "abcd"] == [float(same[s].value(3.0)) for s in "abcd"]


@pytest.mark.parametrize(("effects", "text"), [
    (EFFECTS.assign(se=[-1, 1, 1, 1]), "standard errors are negative in segments 'a'"),
    (EFFECTS.assign(estimate=[np.inf, 1, 1, 1]), "effects are infinite in segments 'a'"),
    (EFFECTS.assign(estimate=["much", 1, 1, 1]), "must be numbers"),
])  # fmt: skip
def test_bad_effects(effects, text):
    for work in (
        lambda: curves_from_experiment(effects, effort=1),
        lambda: effects_to_profile(pd.DataFrame(index=list("abcd")), effects),
        lambda: update_effects(None, effects, when="2024-01-01"),
    ):
        with pytest.raises(ValueError, match=text):
            work()


def test_one_effect_is_not_two_actions():
    for source in (EFFECTS, pool_effects(EFFECTS), update_effects(None, EFFECTS, when="2024-01-01")):
        with pytest.raises(ValueError, match="one effect per segment"):
            curves_from_experiment(source, effort={"mail": 1, "call": 5}, arm=["mail", "call"])
    with pytest.raises(ValueError, match="effort must be numbers"):
        curves_from_experiment(EFFECTS, effort=dict.fromkeys("abcd", "much"))


@pytest.mark.parametrize(("profile", "more", "error", "text"), [
    (pd.DataFrame(index=list("aabcd")), {}, ValueError, "twice in the profile: 'a'"),
    (pd.DataFrame({"n_customers": list("wxyz")}, index=list("abcd")), {}, ValueError, "'n_customers' of the profile"),
    (pd.DataFrame({"n_customers": 1, "effect_total_low": 1}, index=list("abcd")), {}, ValueError, "effect_total_low"),
    (pd.DataFrame(index=list("abcd")), {"cost": {"a": 1}}, ValueError, "cost must be a finite number"),
    ([1, 2], {}, TypeError, "profile must be a dataframe"),
])  # fmt: skip
def test_bad_profiles(profile, more, error, text):
    with pytest.raises(error, match=text):
        effects_to_profile(profile, EFFECTS, **more)


def test_more_bad_updates():
    belief = update_effects(None, EFFECTS, when="2024-01-01", half_life=1e-3)
    with pytest.raises(ValueError, match="nothing is left of what was known of 'a'"):
        belief.at("2030-01-01")
    told = update_effects(None, EFFECTS, when="2024-01-01", half_life=1e-3, prior=(1.0, 2.0)).at("2030-01-01")
    assert told.table["estimate"].to_list() == pytest.approx([1.0] * 4)
    with pytest.raises(TypeError, match="belief must be what update_effects returned"):
        update_effects("spring", EFFECTS, when="2024-01-01")
    with pytest.raises(TypeError, match="pooled effects would count"):
        update_effects(None, pool_effects(EFFECTS), when="2024-01-01")
    for when in (5, True, 20240101):
        with pytest.raises(ValueError, match="must be a date, not the number"):
            update_effects(None, EFFECTS, when=when)
    for prior in (3, "ab", (1, 2, 3)):
        with pytest.raises(ValueError, match="prior must be two numbers"):
            update_effects(None, EFFECTS, when="2024-01-01", prior=prior)


def test_a_belief_as_plain_values_and_without_an_experiment():
    spring = update_effects(None, EFFECTS, when="2024-03-01", name="spring", between_sd=0.1)
    both = update_effects(spring, EFFECTS.assign(estimate=1.0), when="2024-09-01", name="autumn")
    plain = json.loads(json.dumps(both.to_dict()))
    assert plain["settings"]["as_of"] == "2024-09-01T00:00:00"
    assert plain["table"][0]["latest"] == "2024-09-01T00:00:00"
    assert plain["evidence"][0]["when"] == "2024-03-01T00:00:00"
    assert plain["headline"] == both.headline
    pd.testing.assert_frame_equal(both.without("autumn").table, spring.table)
    assert spring.without("spring") is None
    with pytest.raises(ValueError, match="no experiment 'winter'"):
        both.without("winter")


@pytest.mark.parametrize("n", [2, 6, 50])
def test_display_has_before_newest_and_now(n):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = [f"$x_{i}$ <b>" + " and more of the name" * 4 for i in range(n)]
    effects = pd.DataFrame({"estimate": np.linspace(0, 2, n), "se": 0.5}, index=names)
    spring = update_effects(None, effects, when="2024-03-01", name="spring", half_life=200)
    both = update_effects(spring, effects.iloc[1:] + 0.2, when="2024-09-01", name="autumn")
    display = BeliefDisplay.from_belief(both)
    ax = both.plot()
    assert len(ax.get_yticklabels()) == min(n, 40)
    assert display.rows["now"].to_list() == both.table.loc[display.rows.index, "estimate"].to_list()
    before = spring.at("2024-09-01").table.loc[display.rows.index]
    assert display.rows["before"].to_list() == pytest.approx(before["estimate"].to_list())
    assert display.rows["before_low"].to_list() == pytest.approx(before["low"].to_list())
    newest = effects["estimate"].iloc[1:] + 0.2
    assert display.rows["newest"].dropna().to_dict() == newest[newest.index.isin(display.rows.index)].to_dict()
    assert "grey: without autumn\nblue: autumn\norange: believed on 2024-09-01" in ax.get_xlabel()
    assert ax.get_title(loc="left").startswith(f"{n} segments after 2 experiments")
    assert ("10 tested before not drawn" in ax.get_title(loc="left")) is (n == 50)
    alone = spring.plot()
    assert "grey" not in alone.get_xlabel()
    ax.figure.canvas.draw()
    plt.close(ax.figure)
    plt.close(alone.figure)


def test_an_estimated_spread_counts_with_its_degrees_of_freedom():
    one = update_effects(None, EFFECTS, when="2024-01-01", name="one")
    assert one.estimates()["df"].eq(np.inf).all()
    two = update_effects(one, EFFECTS.iloc[:3] + 0.3, when="2024-02-01", name="two")
    assert two.estimates()["df"].eq(3).all()
    row = two.table.loc["a"]
    assert row["high"] - row["estimate"] == pytest.approx(stats.t.ppf(0.975, 3) * row["se"])
    for more in ({"between_sd": 0.2}, {"drift_sd": 0.2}):
        given = update_effects(one, EFFECTS.iloc[:3] + 0.3, when="2024-02-01", name="two", **more)
        assert given.estimates()["df"].eq(np.inf).all()
        row = given.table.loc["a"]
        assert row["high"] - row["estimate"] == pytest.approx(stats.norm.ppf(0.975) * row["se"])
    # pooled further, the errors reach as far
    assert (pool_effects(two.estimates()).table["pooled_se"] > pool_effects(two.estimates()[["estimate", "se"]]).table[
        "pooled_se"]).all()  # fmt: skip


@pytest.mark.parametrize("between", [0.0, 1.0, 3.0])
def test_belief_holds_where_experiments_differ(between):
    """Three segments, two experiments, effects that differ between experiments: the interval of their mean."""
    rng, hits, naive = np.random.default_rng(1), [], []
    for _ in range(150):
        truth, belief = rng.normal(0, 1, 3), None
        for name in ("one", "two"):
            seen = truth + rng.normal(0, between, 3) + rng.normal(0, 1, 3)
            effects = pd.DataFrame({"estimate": seen, "se": 1.0}, index=list("abc"))
            belief = update_effects(belief, effects, when="2024-01-01", name=name)
        hits += list((belief.table["low"] <= truth) & (truth <= belief.table["high"]))
        naive += list(np.abs(belief.table["estimate"] - truth) <= 1.96 * belief.table["se"])
    # the three of an experiment share the estimated spread, so they count as somewhat more than one
    error = np.sqrt(0.95 * 0.05 / 250)
    assert np.mean(hits) >= 0.95 - 3 * error
    if between == 3:
        assert np.mean(naive) < 0.91
