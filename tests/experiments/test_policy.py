"""Values of rules and targeting curves: hand computations, brute force, invariances, honest intervals, bad input."""

from itertools import permutations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from segmentation.exceptions import ColumnError, CustomerTableError
from segmentation.experiments import PolicyDisplay, TargetingDisplay, policy_value, qini, targeting_curve

SHARES = {"none": 0.5, "mail": 0.3, "call": 0.2}


def experiment(n=1500, seed=0, effects=((0, 2, 0), (0, -1, 1), (0, 0, 0)), spread=5.0):
    rng = np.random.default_rng(seed)
    s, a, x = rng.integers(0, 3, n), rng.choice(3, n, p=list(SHARES.values())), rng.normal(size=n)
    y = 10 + s + x + np.array(effects)[s, a] + rng.normal(0, spread, n)
    return pd.DataFrame({"segment": np.array(["a", "b", "c"])[s], "arm": np.array(list(SHARES))[a], "y": y, "x": x,
                         "house": np.arange(n) // 3})  # fmt: skip


def valued(rows, policy=None, **more):
    keys = {"outcome": "y", "arm": "arm", "control": "none", "segment": "segment", "same_data": False,
            "random_state": 0} | more  # fmt: skip
    return policy_value(rows, policy, **keys)


def curve(rows, order, **more):
    keys = {"outcome": "y", "arm": "arm", "control": "none", "segment": "segment", "treated": "mail",
            "same_data": False, "random_state": 0} | more  # fmt: skip
    return targeting_curve(rows, order, **keys)


RULE = {"a": "mail", "b": "call", "c": "none"}


def figure(found, method, policy, column="value"):
    table = found.estimates
    return table[(table["method"] == method) & (table["policy"] == policy)][column].item()


# ---------------------------------------------------------------- by hand
def test_inverse_probability_by_hand():
    rows = pd.DataFrame({"segment": list("aabb"), "arm": ["mail", "none", "none", "mail"], "y": [8.0, 1, 6, 3]})
    found = valued(rows, {"a": "mail", "b": "none"}, propensity={"mail": 0.25, "none": 0.75}, cost=2.0, margin=0.5,
                   n_folds=2)  # fmt: skip
    # half of 8 at 1 / .25 and half of 6 at 1 / .75, over four; half of the customers cost 2
    assert figure(found, "ipw", "rule") == pytest.approx((4 / 0.25 + 3 / 0.75) / 4 - 1)
    assert figure(found, "hajek", "rule") == pytest.approx((4 / 0.25 + 3 / 0.75) / (1 / 0.25 + 1 / 0.75) - 1)
    assert figure(found, "ipw", "nobody") == pytest.approx((0.5 + 3) / 0.75 / 4)
    psi = np.array([16.0, 0, 4, 0]) - np.array([2, 2, 0, 0])
    assert figure(found, "ipw", "rule", "se") == pytest.approx(psi.std(ddof=1) / 2)
    difference = psi - np.array([0, 0.5, 3, 0]) / 0.75
    assert figure(found, "ipw", "rule - nobody", "se") == pytest.approx(difference.std(ddof=1) / 2)


def test_estimated_shares_are_poststratification():
    """With shares of the rows in each segment, both weighted estimates are the segments' means by their sizes."""
    rows = experiment()
    found = valued(rows, RULE, propensity="segment")
    means = rows.groupby(["segment", "arm"])["y"].mean()
    share = rows["segment"].value_counts(normalize=True)
    expected = sum(share[s] * means[s, a] for s, a in RULE.items())
    assert figure(found, "ipw", "rule") == pytest.approx(expected, rel=1e-12)
    assert figure(found, "hajek", "rule") == pytest.approx(expected, rel=1e-12)
    # textbook variance: within segments, and between segments because their sizes are drawn too
    v = rows.groupby(["segment", "arm"])["y"].var(ddof=1)
    n = rows.groupby(["segment", "arm"]).size()
    within = sum(share[s] ** 2 * v[s, a] / n[s, a] for s, a in RULE.items())
    between = sum(share[s] * (means[s, a] - expected) ** 2 for s, a in RULE.items()) / len(rows)
    assert figure(found, "ipw", "rule", "se") == pytest.approx(np.sqrt(within + between), rel=1e-3)


def test_doubly_robust_by_loops():
    """Cross-fitted means by segment and arm, one customer at a time."""
    from segmentation.experiments._policy_input import read_trial
    from segmentation.experiments._policy_scores import folds_of

    rows = experiment(200)
    found = valued(rows, RULE, propensity=SHARES, random_state=3)
    trial = read_trial(rows, outcome="y", arm="arm", control="none", segment="segment", propensity=SHARES)
    fold = folds_of(trial, 5, np.random.default_rng(3))
    scores = []
    for i, row in rows.iterrows():
        others = rows[(fold != fold[i]) & (rows["segment"] == row["segment"])]
        mean = others.groupby("arm")["y"].mean()
        wanted = RULE[row["segment"]]
        scores.append(mean[wanted] + (row["arm"] == wanted) / SHARES[row["arm"]] * (row["y"] - mean[row["arm"]]))
    assert found.table.loc["rule", "value"] == pytest.approx(np.mean(scores), rel=1e-10)
    assert found.table.loc["rule", "se"] == pytest.approx(np.std(scores, ddof=1) / np.sqrt(200), rel=1e-10)
    mine = rows["segment"] == "a"
    nobody = valued(rows, "none", propensity=SHARES, random_state=3)
    total = float(found.by_segment["n_customers"] @ found.by_segment["change"]) / 200
    assert total == pytest.approx(found.table.loc["rule", "value"] - nobody.table.loc["rule", "value"])
    assert found.by_segment.loc["a", "n_customers"] == mine.sum()
    assert found.by_segment.loc["c", ["change", "change_low", "change_high"]].tolist() == [0, 0, 0]


def test_regression_takes_a_covariate_out():
    rows = experiment(3000)
    rows["y"] += 10 * rows["x"]
    plain = valued(rows, RULE, propensity=SHARES).differences.loc["nobody"]
    adjusted = valued(rows, RULE, propensity=SHARES, covariates=["x"]).differences.loc["nobody"]
    assert adjusted["se"] < 0.55 * plain["se"]
    assert abs(adjusted["difference"] - plain["difference"]) < 3 * plain["se"]
    exact = rows.assign(y=2 * rows["x"] + np.where(rows["arm"] == "mail", 3.0, 0.0))
    found = valued(exact, "mail", propensity=SHARES, covariates=["x"]).differences.loc["nobody"]
    assert found["difference"] == pytest.approx(3.0, abs=1e-9)
    assert found["se"] == pytest.approx(0.0, abs=1e-9)


def test_clusters_of_equal_rows_count_once():
    rows = experiment(600)
    many = rows.loc[rows.index.repeat(4)].reset_index(drop=True).assign(house=np.repeat(np.arange(600), 4))
    for method in ("ipw", "hajek"):
        once = valued(rows, RULE, propensity=SHARES, method=method)
        four = valued(many, RULE, propensity=SHARES, cluster="house", method=method)
        np.testing.assert_allclose(four.table[["value", "se"]], once.table[["value", "se"]], rtol=1e-10)


# ---------------------------------------------------------------- invariances
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), factor=st.floats(0.01, 1000), level=st.floats(-100, 100))
def test_scale_and_level(seed, factor, level):
    rows = experiment(300, seed)
    first = valued(rows, RULE, propensity="segment")
    other = valued(rows.assign(y=level + factor * rows["y"]), RULE, propensity="segment")
    np.testing.assert_allclose(other.table["se"], factor * first.table["se"], rtol=1e-6)
    np.testing.assert_allclose(other.differences["difference"], factor * first.differences["difference"],
                               rtol=1e-6, atol=1e-8 * (factor + abs(level)))  # fmt: skip
    np.testing.assert_allclose(other.table["value"], level + factor * first.table["value"], rtol=1e-8, atol=1e-8)


def test_forms_of_a_policy_agree():
    rows = experiment()
    by_row = rows["segment"].map(RULE)
    first = valued(rows, RULE, propensity=SHARES)
    forms = [by_row, by_row.sample(frac=1, random_state=0), by_row.to_numpy(), pd.Series(RULE),
             lambda frame: frame["segment"].map(RULE), lambda frame: RULE]  # fmt: skip
    for form in forms:
        np.testing.assert_allclose(valued(rows, form, propensity=SHARES).table["value"], first.table["value"])
    constant = valued(rows, "mail", propensity=SHARES)
    assert constant.differences.loc["all mail", ["difference", "se", "p_value"]].tolist() == [0, 0, 1]
    named = valued(
        rows, RULE, propensity=SHARES, compare={"other": {"a": "mail", "b": "none", "c": "none"}}, name="mine"
    )
    assert list(named.differences.index) == ["nobody", "all call", "all mail", "other"]
    assert named.table.index[0] == "mine"


@pytest.mark.parametrize("engine", [pl.from_pandas, lambda t: pa.Table.from_pandas(t, preserve_index=False),
                                    lambda t: t.convert_dtypes()])  # fmt: skip
def test_engines_agree(engine):
    rows = experiment(500)
    one, other = valued(rows, RULE), valued(engine(rows), RULE)
    np.testing.assert_allclose(one.table.to_numpy(), other.table.to_numpy())
    a, b = curve(rows, list("abc")), curve(engine(rows), list("abc"))
    np.testing.assert_allclose(a.table.to_numpy(), b.table.to_numpy())


def test_probabilities_by_segment_and_by_column():
    rows = experiment()
    column = rows["arm"].map(SHARES)
    first = valued(rows, RULE, propensity=SHARES)
    nested = valued(rows, RULE, propensity=dict.fromkeys("abc", SHARES))
    by_column = valued(rows.assign(p=column), RULE, propensity="p")
    np.testing.assert_allclose(nested.table["se"], first.table["se"])
    np.testing.assert_allclose(by_column.table["se"], first.table["se"])
    assert any(
        "sample ratio failed" in text for text in valued(rows, RULE, propensity=dict.fromkeys(SHARES, 1 / 3)).warnings
    )


# ---------------------------------------------------------------- honest values
def test_intervals_hold_the_truth():
    hits, runs = [], 300
    for seed in range(runs):
        found = valued(experiment(600, seed), RULE, propensity=SHARES, cost=0.5).differences.loc["nobody"]
        hits.append(found["low"] <= (2 + 1 - 1.0) / 3 <= found["high"])
    assert abs(np.mean(hits) - 0.95) <= 0.015 + 2.6 * np.sqrt(0.95 * 0.05 / runs)


def test_learnt_on_others_is_unbiased_and_on_itself_is_not():
    """Segments and arms that mean nothing: any rule earns nothing more than treating nobody."""
    honest, naive = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        rows = pd.DataFrame({"segment": rng.integers(0, 15, 900), "arm": rng.choice(["none", "mail"], 900),
                             "y": rng.normal(0, 1, 900)})  # fmt: skip
        found = valued(rows, learn="pooled", propensity={"none": 0.5, "mail": 0.5}, n_repeats=2)
        honest.append(found.differences.loc["nobody", "difference"])
        naive.append(found.settings["uncorrected"])
    error = np.std(honest) / np.sqrt(60)
    assert abs(np.mean(honest)) < 2.6 * error
    assert np.mean(naive) > 5 * np.std(naive) / np.sqrt(60)


def test_learnt_rule_finds_what_is_there():
    rows = experiment(6000, effects=((0, 3, 0), (0, -3, 3), (0, -3, -3)))
    for scheme in ("forward", "cross-fit"):
        found = valued(rows, learn="pooled", propensity=SHARES, scheme=scheme)
        assert found.by_segment["arm"].to_dict() == {"a": "mail", "b": "call", "c": "none"}
        assert found.differences.loc["nobody", "difference"] == pytest.approx(2.0, abs=0.7)
    assert any("too short" in text for text in found.warnings)
    own = valued(rows, learn=lambda part: dict.fromkeys("abc", "mail"), propensity=SHARES)
    assert own.differences.loc["all mail", ["difference", "se"]].tolist() == [0, 0]


def test_equal_seeds_give_equal_results():
    rows = experiment()
    first, second = (valued(rows, learn="pooled", random_state=7) for _ in range(2))
    pd.testing.assert_frame_equal(first.estimates, second.estimates)
    assert not first.estimates.equals(valued(rows, learn="pooled", random_state=8).estimates)


# ---------------------------------------------------------------- what is refused and said
@pytest.mark.parametrize(("change", "error", "text"), [
    ({"policy": {"a": "mail"}}, ValueError, "no arm for 'b', 'c'"),
    ({"policy": dict.fromkeys("abc", "fax")}, ValueError, "'fax', which is no arm"),
    ({"policy": ["mail"]}, ValueError, "one arm per row"),
    ({"same_data": True}, ValueError, "made from these rows"),
    ({"policy": None}, ValueError, "neither"),
    ({"learn": "pooled"}, ValueError, "both"),
    ({"policy": None, "learn": "best"}, ValueError, "'best'"),
    ({"control": "nothing"}, ValueError, "control must be one of"),
    ({"outcome": "money"}, ColumnError, "money"),
    ({"outcome": "segment"}, ColumnError, "must be numbers"),
    ({"level": 1.5}, ValueError, "between 0 and 1"),
    ({"method": "dr"}, ValueError, "'aipw'"),
    ({"propensity": {"none": 0.5, "mail": 0.5}}, ValueError, "give each its share"),
    ({"propensity": [0.5]}, TypeError, "propensity maps"),
    ({"propensity": "x"}, ValueError, "above 0"),
    ({"cost": {"fax": 1}}, ValueError, "no arm"),
    ({"compare": {"nobody": "none"}}, ValueError, "taken"),
    ({"n_folds": 1}, ValueError, "n_folds"),
    ({"margin": np.inf}, ValueError, "margin"),
])  # fmt: skip
def test_bad_input(change, error, text):
    with pytest.raises(error, match=text):
        valued(experiment(60), **({"policy": RULE} | change))


def test_an_arm_that_nobody_got():
    rows = experiment()
    rows = rows[~((rows["segment"] == "b") & (rows["arm"] == "call"))]
    with pytest.raises(ValueError, match="nobody got what the policy says in 'b: call'"):
        valued(rows, RULE)


def test_missing_values_are_counted():
    rows = experiment()
    rows.loc[:9, "y"] = np.nan
    rows.loc[10:14, "arm"] = None
    rows.loc[20:29, "segment"] = None
    rows.loc[40:49, "x"] = np.nan
    with pytest.raises(ValueError, match=r"no arm for 'unassigned' \(10 customers\)"):
        valued(rows, RULE)
    found = valued(rows, RULE | {"unassigned": "none"}, covariates="x")
    assert found.settings["n_customers"] == 1485
    assert (found.settings["n_without_outcome"], found.settings["n_without_arm"]) == (10, 5)
    text = " ".join(found.warnings)
    for part in ("10 rows without an outcome", "5 rows without an arm", "10 customers in no segment", "'x' is missing"):
        assert part in text
    # a policy by row keeps to its rows
    by_row = np.where(rows["segment"].isna(), "none", rows["segment"].map(RULE))
    np.testing.assert_allclose(valued(rows, by_row, covariates="x").table["value"], found.table["value"])
    with pytest.raises(CustomerTableError, match="no row"):
        valued(rows.assign(y=np.nan), RULE)


def test_held_out_and_what_is_taken_for_granted():
    rows = experiment()
    rows["test"] = np.arange(len(rows)) % 2 == 0
    part = valued(rows, RULE, held_out="test", same_data=True, propensity=SHARES)
    alone = valued(rows[rows["test"]], RULE, propensity=SHARES)
    np.testing.assert_allclose(part.table["value"], alone.table["value"])
    said = valued(rows, RULE, same_data=None, propensity=SHARES)
    assert any("taken from you" in text for text in said.warnings)
    assert not any(
        "taken from you" in text for text in valued(rows, "mail", same_data=None, propensity=SHARES).warnings
    )


def test_result_is_complete():
    found = valued(experiment(), {"a": "mail", "b": "<b>".replace("<b>", "call"), "c": "none"}, cost=0.2, name="<rule>")
    assert "per customer" in str(found)
    assert "&lt;rule&gt;" in found._repr_html_()
    assert set(found.to_dict()) == {
        "headline",
        "table",
        "differences",
        "by_segment",
        "estimates",
        "settings",
        "warnings",
    }
    assert found.table.loc["nobody", "cost"] == 0
    assert found.table.loc["all mail", "cost"] == pytest.approx(0.2)
    assert found.to_pandas() is not found.table
    display = PolicyDisplay.from_value(found, by_segment=True).plot()
    assert [text.get_text() for text in display.ax_.get_yticklabels()] == ["a: mail", "b: call", "c: none"]
    assert [text.get_text() for text in found.plot().get_yticklabels()] == [
        "against nobody", "against all call", "against all mail"]  # fmt: skip


# ---------------------------------------------------------------- targeting
def brute(rows, order, cost=0.0):
    """Gain of treating the first k segments, from the means of treated and control in each."""
    share = rows["segment"].value_counts(normalize=True)
    means = rows.groupby(["segment", "arm"])["y"].mean()
    gain = [share[s] * (means[s, "mail"] - means[s, "none"] - cost) for s in order]
    return np.cumsum([share[s] for s in order]), np.cumsum(gain)


def integral(share, gain, what):
    fine = (np.arange(400_000) + 0.5) / 400_000
    height = np.interp(fine, np.r_[0, share], np.r_[0, gain])
    return float(np.mean(height - fine * gain[-1]) if what == "qini" else np.mean(height / fine) - gain[-1])


def test_curve_and_areas_against_brute_force():
    rows = experiment(effects=((0, 3, 0), (0, 1, 0), (0, -2, 0)))
    found = curve(rows, ["a", "b", "c"], method="ipw", cost=0.4)
    share, gain = brute(rows, "abc", 0.4)
    np.testing.assert_allclose(found.table["share"], share)
    np.testing.assert_allclose(found.table["gain"], gain)
    np.testing.assert_allclose(found.table["over_random"], gain - share * gain[-1], atol=1e-12)
    for what in ("qini", "autoc"):
        assert found.areas.loc[what, "value"] == pytest.approx(integral(share, gain, what), rel=1e-5)
    assert found.areas.loc["qini", "value"] > 0
    back = curve(rows, ["c", "b", "a"], method="ipw", cost=0.4)
    assert back.areas.loc["qini", "value"] == pytest.approx(-found.areas.loc["qini", "value"], rel=1e-9)
    assert back.table["gain"].iloc[-1] == pytest.approx(found.table["gain"].iloc[-1])


def test_curve_of_customers_against_brute_force():
    rows = experiment(300)
    rows["score"] = np.round(rows["x"], 1)  # with ties
    found = curve(rows, "score", method="ipw", segment=None, propensity=SHARES)
    sign = np.where(rows["arm"] == "mail", 1 / 0.3, np.where(rows["arm"] == "none", -1 / 0.5, 0.0))
    effect = (sign * rows["y"]).to_numpy()
    values = np.sort(rows["score"].unique())[::-1]
    share = np.array([(rows["score"] >= v).mean() for v in values])
    gain = np.array([effect[rows["score"] >= v].sum() / 300 for v in values])
    np.testing.assert_allclose(found.table["share"], share)
    np.testing.assert_allclose(found.table["gain"], gain)
    for what in ("qini", "autoc"):
        assert found.areas.loc[what, "value"] == pytest.approx(integral(share, gain, what), abs=2e-4 * np.ptp(gain))


@pytest.fixture
def narrow(monkeypatch):
    """Few draws for the band, which is not looked at."""
    monkeypatch.setattr("segmentation.experiments._targeting.BAND_DRAWS", 50)


def test_errors_of_areas_are_those_of_a_bootstrap(narrow):
    rows = experiment(400, effects=((0, 3, 0), (0, 1, 0), (0, -2, 0)), spread=3.0)
    rows["score"] = rows["x"] + (rows["segment"] == "a")
    rng = np.random.default_rng(0)
    for order, segment in ((list("abc"), "segment"), ("score", None)):
        keys = {"method": "ipw", "propensity": SHARES, "segment": segment, "n_permutations": 1}
        found = curve(rows, order, **keys)
        draws = []
        for _ in range(300):
            again = rows.iloc[rng.integers(0, 400, 400)].reset_index(drop=True)
            again["score"] += 1e-9 * rng.random(400)  # twins do not tie
            one = curve(again, order, **keys)
            over = one.table["over_random"].iloc[len(one.table) // 2]
            draws.append([*one.areas["value"], one.table["gain"].iloc[0], over])
        se = np.std(draws, axis=0)
        np.testing.assert_allclose(found.areas["se"], se[:2], rtol=0.15)
        if segment:
            half = (found.table["over_random_high"] - found.table["over_random"]).iloc[1] / 1.966
            np.testing.assert_allclose([found.table["se"].iloc[0], half], se[2:], rtol=0.15)


def test_all_orders_are_counted():
    rows = experiment(effects=((0, 3, 0), (0, 1, 0), (0, -2, 0)))
    areas = {order: curve(rows, list(order), method="ipw").areas for order in permutations("abc")}
    for found in areas.values():
        beyond = np.mean([other.loc["qini", "value"] >= found.loc["qini", "value"] - 1e-12 for other in areas.values()])
        assert found.loc["qini", "p_permutation"] == pytest.approx(beyond)
    assert areas["a", "b", "c"].loc["qini", "p_permutation"] == pytest.approx(1 / 6)


def test_forms_of_an_order_agree():
    rows = experiment()
    first = curve(rows, ["b", "a", "c"]).table
    for order in ({"a": 1, "b": 5, "c": -1}, pd.Series({"c": 0, "a": 1, "b": 2}), pd.Index(["b", "a", "c"])):
        pd.testing.assert_frame_equal(curve(rows, order).table, first)
    score = rows["segment"].map({"a": 1, "b": 5, "c": -1})
    for order in (score, score.to_numpy(), score.sample(frac=1, random_state=1)):
        np.testing.assert_allclose(curve(rows, order).table["gain"], first["gain"])
    keys = {"outcome": "y", "arm": "arm", "control": "none", "treated": "mail", "segment": "segment", "random_state": 0}
    area = qini(rows, ["b", "a", "c"], **keys)
    assert area["value"] == pytest.approx(curve(rows, ["b", "a", "c"]).areas.loc["qini", "value"])


def test_null_orders_are_rejected_as_often_as_they_say(narrow):
    p = []
    for seed in range(200):
        rows = experiment(400, seed).assign(score=np.random.default_rng(seed + 999).random(400))
        p.append(curve(rows, "score", segment=None, n_permutations=199).areas.loc["qini", ["p_value", "p_permutation"]])
    rate = (np.array(p, dtype=float) <= 0.05).mean(axis=0)
    assert (rate <= 0.062 + 2.6 * np.sqrt(0.05 * 0.95 / 200)).all()


def test_band_is_wider_and_clusters_count_once():
    rows = experiment(600)
    found = curve(rows, list("abc"))
    assert (found.table["band_low"] < found.table["low"]).all()
    many = rows.loc[rows.index.repeat(3)].reset_index(drop=True).assign(house=np.repeat(np.arange(600), 3))
    once = curve(rows, list("abc"), method="ipw", propensity=SHARES)
    three = curve(many, list("abc"), method="ipw", propensity=SHARES, cluster="house")
    np.testing.assert_allclose(three.table[["gain", "se"]], once.table[["gain", "se"]], rtol=1e-9)
    np.testing.assert_allclose(three.areas["se"], once.areas["se"], rtol=1e-9)
    by_customer = curve(many, "x", segment=None, cluster="house", propensity=SHARES)
    assert by_customer.areas["p_permutation"].isna().all()
    assert any("no p_permutation" in text for text in by_customer.warnings)


@pytest.mark.parametrize(("change", "text"), [
    ({"order": ["a", "b"]}, "lacks 'c'"),
    ({"order": ["a", "b", "c", "a"]}, "twice"),
    ({"order": "money"}, "column"),
    ({"order": {"a": 1, "b": np.nan, "c": 0}}, "no score for 'b'"),
    ({"order": pd.Series([1.0] * 60)[:59]}, "every row"),
    ({"order": ["a", "b", "c"], "segment": None}, "needs segment="),
    ({"treated": None}, "which arm"),
    ({"treated": "none"}, "treated must be"),
    ({"same_data": True}, "made from these rows"),
    ({"method": "hajek"}, "'aipw' or 'ipw'"),
])  # fmt: skip
def test_bad_orders(change, text):
    with pytest.raises((ValueError, ColumnError), match=text):
        curve(experiment(60), **({"order": ["a", "b", "c"]} | change))


def test_missing_scores_and_arms_are_refused():
    rows = experiment(60)
    rows.loc[:2, "x"] = np.nan
    with pytest.raises(ValueError, match="missing for 3 customers"):
        curve(rows, "x")
    with pytest.raises(ValueError, match="nobody got the arm in 'b: mail'"):
        curve(rows[~((rows["segment"] == "b") & (rows["arm"] == "mail"))], list("abc"))


def test_targeting_result_is_complete():
    found = curve(experiment(effects=((0, 3, 0), (0, 1, 0), (0, -2, 0))), list("abc"), cost=0.1)
    assert "gains more than one at random" in found.headline
    assert "Qini" in str(found)
    assert "<table" in found._repr_html_()
    assert set(found.to_dict()) == {"headline", "table", "areas", "settings", "warnings"}
    display = TargetingDisplay.from_curve(found).plot()
    line = display.ax_.get_lines()[2]
    np.testing.assert_allclose(line.get_ydata(), np.r_[0, found.table["gain"]])
    assert [text.get_text() for text in display.ax_.texts] == ["a", "b", "c"]
    customers = curve(experiment(), "x", segment=None)
    assert len(customers.table) == 100
    assert not customers.plot().texts
    assert "knots in .table" in str(customers)


# ---------------------------------------------------------------- what must not pass unsaid
def test_segments_that_nobody_is_in_are_said():
    rows = experiment(600)
    plain, more = valued(rows, RULE), valued(rows, RULE | {"z": "mail"})
    pd.testing.assert_frame_equal(plain.table, more.table)
    assert any("the policy names 'z', where the data have no customer" in text for text in more.warnings)
    assert not any("have no customer" in text for text in valued(rows, RULE | {"unassigned": "none"}).warnings)
    other = valued(rows, RULE, compare={"other": RULE | {"y": "mail"}})
    assert any("policy 'other' names 'y'" in text for text in other.warnings)
    order = curve(rows, ["c", "x", "a", "b"])
    assert any("The order names 'x'" in text for text in order.warnings)
    assert list(order.table.index) == ["c", "a", "b"]


def test_a_function_that_sorts_is_matched_by_index():
    rows = experiment(600)
    sorted_on_the_way = valued(rows, lambda part: part.sort_values("x")["arm"])
    pd.testing.assert_frame_equal(sorted_on_the_way.table, valued(rows, lambda part: part["arm"]).table)
    with pytest.raises(ValueError, match="no arm for 300 rows"):
        valued(rows, lambda part: part["arm"].iloc[:300])


def test_an_arm_that_was_never_tried_in_a_segment_is_not_learnt_there():
    rows = experiment(1500, effects=((0, 9, 9), (0, 9, 9), (0, 9, 9)))
    rows = rows[(rows["segment"] != "a") | (rows["arm"] == "none")]
    found = valued(rows, learn="pooled", propensity=SHARES)
    assert found.by_segment["arm"].to_dict() == {"a": "none", "b": "call", "c": "mail"} or (
        found.by_segment["arm"]["a"] == "none")  # fmt: skip
    assert set(found.by_segment["arm"][["b", "c"]]) <= {"mail", "call"}
    with pytest.raises(ValueError, match="the rule learnt says in 'a: mail'"):
        valued(rows, learn=lambda part: dict.fromkeys("abc", "mail"), propensity=SHARES)
    without = experiment(1500)
    without = without[(without["segment"] != "a") | (without["arm"] != "none")]
    for more in ({"policy": dict.fromkeys("abc", "mail")}, {"learn": "pooled"}):
        with pytest.raises(ValueError, match="treating nobody says in 'a: none'"):
            valued(without, **more)


def test_probabilities_that_cannot_be_are_said():
    rows = experiment(1500)
    right = rows.assign(p=rows["arm"].map(SHARES))
    assert not any("do not fit" in text for text in valued(right, RULE, propensity="p").warnings)
    # half of the arms by whole clusters: shares differ from the plan by chance, and clusters allow for it
    house = np.random.default_rng(5).choice(list(SHARES), 30, p=list(SHARES.values()))[np.arange(1500) % 30]
    grouped = rows.assign(arm=house, p=pd.Series(house).map(SHARES), house=np.arange(1500) % 30)
    said = valued(grouped, "mail", propensity="p", cluster="house", segment=None).warnings
    assert not any("do not fit" in text for text in said)
    (text, *_) = [text for text in valued(rows.assign(p=1.0), RULE, propensity="p").warnings if "do not fit" in text]
    share = (rows["arm"] == "none").mean()
    assert f"{100 * share:.4g} % of the customers" in text
    rare = right.assign(p=right["p"].where(right.index != right.index[right["arm"] == "mail"][0], 1e-9))
    assert any("One customer of 'mail' makes 100 % of its weight" in text
               for text in valued(rare, RULE, propensity="p").warnings)  # fmt: skip


@pytest.mark.parametrize(("change", "error", "text"), [
    ({"compare": ["mail"]}, TypeError, "compare must map"),
    ({"name": "nobody"}, ValueError, "taken by a simple one"),
    ({"name": "all mail"}, ValueError, "taken by a simple one"),
    ({"segment": None}, ValueError, "needs segment="),
])  # fmt: skip
def test_more_bad_input(change, error, text):
    with pytest.raises(error, match=text):
        valued(experiment(60), **({"policy": RULE} | change))


def test_columns_that_stand_twice_are_refused():
    rows = experiment(60)
    with pytest.raises(ColumnError, match="several columns called 'y'"):
        valued(pd.concat([rows, rows[["y"]]], axis=1), RULE)


@pytest.mark.parametrize("make", [pl.Series, pa.array, np.array, pd.Series])
def test_scores_of_any_library_go_by_position(make):
    rows = experiment(300)
    expected = curve(rows, "x", segment=None)
    found = curve(rows, make(rows["x"].to_numpy()), segment=None)
    pd.testing.assert_frame_equal(found.table, expected.table)


@pytest.mark.parametrize(("change", "text"), [
    ({"order": {"a": "first", "b": 1, "c": 0}}, "scores, which must be numbers"),
    ({"order": {"a": None, "b": 1, "c": 0}}, "no score for 'a'"),
    ({"order": "house", "margin": np.nan}, "margin must be a finite number"),
    ({"order": "segment"}, "must hold scores"),
    ({"order": [0.5] * 60, "segment": None}, "not as a list"),
])  # fmt: skip
def test_more_bad_orders(change, text):
    with pytest.raises(ValueError, match=text):
        curve(experiment(60), **change)


def test_small_segments_have_intervals_of_their_own_size():
    rows = experiment(600)
    few = pd.DataFrame({"segment": ["z"] * 2, "arm": ["none", "mail"], "y": [10.0, 12.0], "x": 0.0, "house": 900})
    rows = pd.concat([rows, few], ignore_index=True)
    rule = RULE | {"z": "mail"}
    found = valued(rows, rule, propensity=SHARES)
    nobody = valued(rows, "none", propensity=SHARES)
    assert (nobody.by_segment[["change", "change_low", "change_high"]] == 0).all().all()
    # of two customers: half their difference is the error, and Student's t has one degree of freedom
    width = found.by_segment.loc["z", "change_high"] - found.by_segment.loc["z", "change"]
    curved = curve(rows, list("abcz"), propensity=SHARES)
    effect = curved.table.loc["z"]
    assert width == pytest.approx(effect["effect_high"] - effect["effect"], rel=1e-9)
    assert width / stats.t.ppf(0.975, 1) < 0.1 * width
    # in one household there is nothing to tell the error from
    for more in ({}, {"learn": "pooled", "policy": None}):
        one = valued(rows, **({"policy": rule, "propensity": SHARES, "cluster": "house"} | more)).by_segment
        assert np.isfinite(one.loc["z", "change"])
        assert one.loc["z", ["change_low", "change_high"]].isna().all()
        assert np.isfinite(one.loc[list("ab"), "change_low"].astype(float)).all()
    alone = curve(rows, list("abcz"), propensity=SHARES, cluster="house").table
    assert alone.loc["z", ["effect_low", "effect_high"]].isna().all()
    assert np.isfinite(alone.drop(columns=["effect_low", "effect_high"]).to_numpy(dtype=float)).all()


def test_intervals_of_segments_are_students():
    rows = experiment(900)
    found = valued(rows, dict.fromkeys("abc", "mail"), propensity=SHARES).by_segment
    effect = curve(rows, list("abc"), propensity=SHARES).table
    np.testing.assert_allclose(found["change"], effect["effect"].loc[list("abc")], rtol=1e-9)
    np.testing.assert_allclose(found["change_low"], effect["effect_low"].loc[list("abc")], rtol=1e-9)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("k", [2, 6, 30])
def test_legend_and_names_do_not_lie_on_each_other(sign, k):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rng = np.random.default_rng(3)
    names = [f"${100 * i} - ${100 * i + 100} of a long name of a segment" for i in range(k)]
    rows = experiment(1800).assign(segment=np.array(names)[rng.permutation(np.arange(1800) % k)])
    rows["y"] += sign * 6.0 * (rows["arm"] == "mail")
    ax = curve(rows, names, n_permutations=9).plot()
    ax.figure.canvas.draw()
    legend = ax.get_legend().get_window_extent()
    written = [text.get_window_extent() for text in ax.texts]
    assert len(written) >= min(k, 12)
    assert not any(legend.overlaps(box) for box in written)
    (line,) = [line for line in ax.lines if line.get_label() == "this order"]
    assert not line.get_path().transformed(line.get_transform()).intersects_bbox(legend, filled=False)
    plt.close(ax.figure)


def test_titles_of_policies_fit():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    found = valued(experiment(300), RULE, name="by what they bought and when they bought it the last time")
    for by_segment in (False, True):
        ax = found.plot(by_segment=by_segment)
        ax.figure.canvas.draw()
        title = next(text for text in (ax.title, ax._left_title) if text.get_text())
        assert title.get_window_extent().x1 <= ax.figure.bbox.x1
        plt.close(ax.figure)
