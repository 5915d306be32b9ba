"""Effects and variances equal statsmodels and scipy, or the formula written out, to 1e-8 and better."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from segmentation.experiments import Outcome, analyze_experiment
from segmentation.experiments._effects_proportions import score_difference, score_ratio
from segmentation.experiments._interaction import interaction_test
from segmentation.experiments._sample_ratio import check_ratio, planned_shares

COVARIATES = ["before", "age"]
CASES = [(30, 1000, 20, 900), (5, 50, 9, 60), (300, 21000, 200, 21300), (1, 40, 7, 90), (45, 50, 40, 50)]


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(7)
    n = 3000
    table = pd.DataFrame(
        {
            "segment": rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2]),
            "arm": rng.choice(["none", "mail"], n, p=[0.4, 0.6]),
            "before": rng.gamma(2, 10, n),
            "age": rng.normal(45, 12, n),
            "orders": rng.poisson(2, n) + 1,
            "store": rng.integers(0, 40, n),
        }
    )
    lift = np.where(table["arm"] == "mail", 2 + 0.1 * table["before"], 0.0)
    effect = rng.normal(0, 2, 40)[table["store"]]
    table["spend"] = 5 + 0.7 * table["before"] + lift + effect + rng.gamma(1, 8, n)
    table["visit"] = (rng.random(n) < 0.1 + 0.002 * table["before"]).astype(int)
    return table


def analysed(rows, outcomes="spend", **more):
    return analyze_experiment(
        rows, segment="segment", arm="arm", outcomes=outcomes, control="none", shares={"none": 0.4, "mail": 0.6}, **more
    )


def arms_of(rows, column, segment=None):
    part = rows if segment is None else rows[rows["segment"] == segment]
    return (part.loc[part["arm"] == name, column].to_numpy(dtype=float) for name in ("mail", "none"))


def test_means_are_those_of_welch(rows):
    sm = pytest.importorskip("statsmodels.stats.api")
    table = analysed(rows).segments.set_index("segment")
    for name in "abc":
        treated, control = arms_of(rows, "spend", name)
        oracle = sm.CompareMeans.from_data(treated, control)
        got = table.loc[name]
        assert got["p_value"] == pytest.approx(oracle.ttest_ind(usevar="unequal")[1], rel=1e-8)
        assert got["df"] == pytest.approx(oracle.dof_satt(), rel=1e-8)
        assert [got["lift_low"], got["lift_high"]] == pytest.approx(oracle.tconfint_diff(usevar="unequal"), rel=1e-8)


@pytest.mark.parametrize("case", CASES)
def test_proportions_equal_statsmodels_where_it_is_exact(case):
    from statsmodels.stats import proportion as sm

    y1, n1, y2, n2 = case
    events, n = tuple(np.array([float(v)]) for v in (y1, y2)), tuple(np.array([float(v)]) for v in (n1, n2))
    low, high = score_ratio(events, n, 0.95)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its root finding steps outside
        oracle = sm.confint_proportions_2indep(*case, compare="ratio", method="score", correction=True)
        test = sm.test_proportions_2indep(*case, compare="diff", method="score", correction=True)
    assert [low[0], high[0]] == pytest.approx(oracle, rel=1e-8)
    assert score_difference(events, n, 0.95)[2][0] == pytest.approx(test.pvalue, rel=1e-8)


@pytest.mark.parametrize("case", CASES)
def test_score_interval_of_the_difference_by_brute_likelihood(case):
    # statsmodels' restricted shares are not quite the likeliest (its z at these bounds is 1.9608, not 1.9600)
    y1, n1, y2, n2 = case
    low, high, _ = score_difference(
        tuple(np.array([float(v)]) for v in (y1, y2)), tuple(np.array([float(v)]) for v in (n1, n2)), 0.95
    )

    def z(delta):
        def minus(p):
            shares = np.array([p, 1 - p, p - delta, 1 - p + delta])
            return -np.array([y1, n1 - y1, y2, n2 - y2]) @ np.log(np.maximum(shares, 1e-300))

        found = optimize.minimize_scalar(
            minus, bounds=(max(0, delta), min(1, 1 + delta)), method="bounded", options={"xatol": 1e-13}
        )
        p1, p2 = found.x, found.x - delta
        variance = (p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2) * (n1 + n2) / (n1 + n2 - 1)
        return (y1 / n1 - y2 / n2 - delta) / np.sqrt(variance)

    assert z(low[0]) == pytest.approx(1.959964, abs=2e-5)
    assert z(high[0]) == pytest.approx(-1.959964, abs=2e-5)


def test_score_interval_and_p_value_agree_at_no_difference():
    rng = np.random.default_rng(5)
    n = tuple(rng.integers(2, 400, 300).astype(float) for _ in range(2))
    events = tuple(np.floor(rng.random(300) * (size + 1)).clip(0, size) for size in n)
    low, high, p = score_difference(events, n, 0.95)
    assert ((p < 0.05) == ((low > 0) | (high < 0))).all()
    assert (low >= -1 - 1e-12).all()
    assert (high <= 1 + 1e-12).all()
    assert (low <= high).all()


@pytest.mark.parametrize("kind", ["arms", "hc2", "hc3"])
@pytest.mark.parametrize("outcome", ["spend", "visit"])
def test_regression_in_each_arm_equals_statsmodels(rows, kind, outcome):
    import statsmodels.api as sm

    table = analysed(rows, outcome, covariates=COVARIATES, variance=kind).segments.set_index("segment")
    part = rows[rows["segment"] == "b"]
    x = part[COVARIATES] - part[COVARIATES].mean()
    treated = (part["arm"] == "mail").astype(float)
    design = pd.concat([treated.rename("t"), x, x.mul(treated, axis=0).add_prefix("t:")], axis=1)
    y = part[outcome].astype(float)
    fit = sm.OLS(y, sm.add_constant(design)).fit(cov_type={"hc2": "HC2", "hc3": "HC3"}.get(kind, "nonrobust"))
    assert table.loc["b", "lift"] == pytest.approx(fit.params["t"], rel=1e-10)
    slopes = fit.params[[f"t:{name}" for name in COVARIATES]].to_numpy()
    # that the mean of the covariates is estimated is no part of the sandwich
    common = slopes @ np.cov(part[COVARIATES].T) @ slopes / len(part)
    if kind == "arms":
        fits = [sm.OLS(y[treated == t], sm.add_constant(x[treated == t])).fit() for t in (0, 1)]
        own = sum(one.bse["const"] ** 2 for one in fits)
    else:
        own = fit.bse["t"] ** 2
    assert table.loc["b", "se"] ** 2 == pytest.approx(own + common, rel=1e-8)


def test_cuped_is_analysis_of_covariance_with_welchs_variance(rows):
    import statsmodels.api as sm

    table = analysed(rows, covariates=["before"], adjust="cuped").segments.set_index("segment")
    part = rows[rows["segment"] == "a"]
    treated = (part["arm"] == "mail").astype(float)
    fit = sm.OLS(part["spend"], sm.add_constant(pd.concat([treated, part["before"]], axis=1))).fit()
    left = part["spend"] - fit.params["before"] * part["before"]
    welch = stats.ttest_ind(left[treated == 1], left[treated == 0], equal_var=False)
    assert table.loc["a", "lift"] == pytest.approx(fit.params["arm"], rel=1e-10)
    assert table.loc["a", "p_value"] == pytest.approx(welch.pvalue, rel=1e-8)
    assert table.loc["a", "se"] < 0.8 * table.loc["a", "raw_se"]


def test_ratio_is_welch_of_linearised_values(rows):
    table = analysed(rows, Outcome("spend", per="orders")).overall.iloc[0]
    lifts, parts = [], []
    for y, d in zip(arms_of(rows, "spend"), arms_of(rows, "orders"), strict=True):
        ratio = y.mean() / d.mean()
        lifts.append(ratio)
        parts.append(np.var((y - ratio * d) / d.mean(), ddof=1) / len(y))
    assert table["lift"] == pytest.approx(lifts[0] - lifts[1], rel=1e-10)
    assert table["se"] == pytest.approx(np.sqrt(sum(parts)), rel=1e-10)


def test_adjusted_ratio_is_the_regression_of_linearised_values(rows):
    got = analysed(rows, Outcome("spend", per="orders"), covariates=["before"], variance="hc2").overall.iloc[0]
    plain = analysed(rows, Outcome("spend", per="orders"), covariates=["before"]).overall.iloc[0]
    table = rows.copy()
    for name in ("mail", "none"):
        where = table["arm"] == name
        y, d = table.loc[where, "spend"], table.loc[where, "orders"]
        table.loc[where, "z"] = y.mean() / d.mean() + (y - y.mean() / d.mean() * d) / d.mean()
    for variance, one in (("hc2", got), ("arms", plain)):
        oracle = analysed(table, "z", covariates=["before"], variance=variance).overall.iloc[0]
        assert one["lift"] == pytest.approx(oracle["lift"], rel=1e-9)
        assert one["se"] == pytest.approx(oracle["se"], rel=1e-9)


def test_trimmed_means_are_yuens(rows):
    table = analysed(rows, Outcome("spend", trim=0.05)).segments.set_index("segment")
    for name in "abc":
        treated, control = arms_of(rows, "spend", name)
        oracle = stats.ttest_ind(treated, control, equal_var=False, trim=0.05)
        assert table.loc[name, "p_value"] == pytest.approx(oracle.pvalue, rel=1e-8)
        assert table.loc[name, "control"] == pytest.approx(stats.trim_mean(control, 0.05), rel=1e-10)


def test_logs_and_caps_are_means_of_the_changed_values(rows):
    changed = rows.assign(logs=np.log1p(rows["spend"]), capped=rows["spend"].clip(upper=40))
    got = analysed(rows, [Outcome("spend", log=True), Outcome("spend", cap=40)])
    oracle = analysed(changed, ["logs", "capped"])
    for name in ("lift", "lift_low", "lift_high", "se", "df"):
        np.testing.assert_allclose(got.segments[name], oracle.segments[name], rtol=1e-9)
    first = got.overall.iloc[0]
    assert first["rel_lift"] == pytest.approx(np.expm1(first["lift"]), rel=1e-12)


def test_plain_sandwich_of_clusters_equals_statsmodels(rows):
    import statsmodels.api as sm

    table = analysed(rows, cluster="store", variance="cr1").segments.set_index("segment")
    part = rows[rows["segment"] == "a"]
    design = sm.add_constant((part["arm"] == "mail").astype(float))
    fit = sm.OLS(part["spend"], design).fit(cov_type="cluster", cov_kwds={"groups": part["store"]})
    assert table.loc["a", "lift"] == pytest.approx(fit.params["arm"], rel=1e-10)
    assert table.loc["a", "se"] == pytest.approx(fit.bse["arm"], rel=1e-8)
    assert table.loc["a", "df"] == part["store"].nunique() - 1


@pytest.mark.parametrize("covariates", [None, COVARIATES])
def test_reduced_bias_of_clusters_equals_the_matrices_written_out(rows, covariates):
    got = analysed(rows[:800], cluster="store", covariates=covariates).overall.iloc[0]
    part = rows[:800]
    treated = (part["arm"] == "mail").to_numpy(dtype=float)
    x = (part[COVARIATES] - part[COVARIATES].mean()).to_numpy() if covariates else np.zeros((len(part), 0))
    design = np.column_stack([np.ones(len(part)), treated, x, x * treated[:, None]])
    bread = np.linalg.inv(design.T @ design)
    beta = bread @ design.T @ part["spend"].to_numpy()
    residual = part["spend"].to_numpy() - design @ beta
    hat = design @ bread @ design.T
    contrast = np.eye(len(beta))[1]
    variance, moved = 0.0, []
    for store in part["store"].unique():
        inside = (part["store"] == store).to_numpy()
        values, sides = np.linalg.eigh(np.eye(inside.sum()) - hat[np.ix_(inside, inside)])
        lifted = sides @ np.diag(values**-0.5) @ sides.T
        weights = lifted @ design[inside] @ bread @ contrast
        common = x[inside].sum(axis=0) @ beta[2 + x.shape[1] :] / len(part)
        variance += (weights @ residual[inside] + common) ** 2
        moved.append((np.eye(len(part)) - hat)[:, inside] @ weights)
    gram = np.array(moved) @ np.array(moved).T
    assert got["lift"] == pytest.approx(beta[1], rel=1e-9)
    assert got["se"] == pytest.approx(np.sqrt(variance), rel=1e-8)
    assert got["df"] == pytest.approx(np.trace(gram) ** 2 / (gram**2).sum(), rel=1e-6)


def test_ratio_and_cuped_with_clusters_are_those_of_changed_values(rows):
    table = rows.copy()
    for name in ("mail", "none"):
        where = table["arm"] == name
        y, d = table.loc[where, "spend"], table.loc[where, "orders"]
        table.loc[where, "z"] = y.mean() / d.mean() + (y - y.mean() / d.mean() * d) / d.mean()
    got = analysed(rows, Outcome("spend", per="orders"), cluster="store").overall.iloc[0]
    oracle = analysed(table, "z", cluster="store").overall.iloc[0]
    assert [got["lift"], got["se"], got["df"]] == pytest.approx([oracle["lift"], oracle["se"], oracle["df"]], rel=1e-8)

    apart = rows[["spend", "before"]] - rows.groupby("arm")[["spend", "before"]].transform("mean")
    slope = (apart["spend"] @ apart["before"]) / (apart["before"] @ apart["before"])
    table["left"] = rows["spend"] - slope * (rows["before"] - rows["before"].mean())
    got = analysed(rows, cluster="store", covariates=["before"], adjust="cuped").overall.iloc[0]
    oracle = analysed(table, "left", cluster="store").overall.iloc[0]
    assert [got["lift"], got["se"], got["df"]] == pytest.approx([oracle["lift"], oracle["se"], oracle["df"]], rel=1e-8)


def test_fiellers_bounds_are_where_the_contrast_is_at_its_limit(rows):
    got = analysed(rows).segments.set_index("segment").loc["c"]
    treated, control = arms_of(rows, "spend", "c")
    for bound in (got["rel_lift_low"], got["rel_lift_high"]):
        ratio = 1 + bound
        se = np.sqrt(treated.var(ddof=1) / len(treated) + ratio**2 * control.var(ddof=1) / len(control))
        z = (treated.mean() - ratio * control.mean()) / se
        assert abs(z) == pytest.approx(stats.t.ppf(0.975, got["df"]), rel=1e-8)


def test_stratified_effect_is_the_mean_of_the_segments(rows):
    got = analysed(rows, overall="stratified").overall.iloc[0]
    table = analysed(rows).segments.set_index("segment")
    share = rows["segment"].value_counts(normalize=True)[table.index]
    assert got["lift"] == pytest.approx(float(share @ table["lift"]), rel=1e-10)
    within = float(share**2 @ table["se"] ** 2)
    between = float(share @ (table["lift"] - got["lift"]) ** 2) / len(rows)
    assert got["se"] == pytest.approx(np.sqrt(within + between), rel=1e-10)


def test_interaction_is_cochrans_q_referred_to_welchs_f():
    # Welch's own heteroscedastic analysis of variance of three groups is the same statistic
    from statsmodels.stats.oneway import anova_oneway

    rng = np.random.default_rng(3)
    groups = [rng.normal(0, sd, n) for sd, n in ((1, 12), (3, 9), (2, 15))]
    means = np.array([g.mean() for g in groups])
    se = np.array([g.std(ddof=1) / np.sqrt(len(g)) for g in groups])
    df = np.array([len(g) - 1.0 for g in groups])
    got = interaction_test(means, se, df)
    oracle = anova_oneway(groups, use_var="unequal", welch_correction=True)
    assert got.p_value == pytest.approx(oracle.pvalue, rel=1e-8)
    weights = 1 / se**2
    q = float(weights @ (means - weights @ means / weights.sum()) ** 2)
    assert got.q == pytest.approx(q, rel=1e-12)
    assert got.p_chi_squared == pytest.approx(stats.chi2.sf(q, 2), rel=1e-12)
    known = interaction_test(means, se, np.full(3, np.inf))
    assert known.p_value == known.p_chi_squared


def test_interaction_leaves_out_segments_without_an_estimate():
    got = interaction_test(np.array([1.0, np.nan, 2.0]), np.array([1.0, 1.0, 0.0]), np.full(3, np.inf))
    assert got.n_segments == 1
    assert np.isnan(got.p_value)


def test_sample_ratio_is_the_chi_squared_of_counts():
    counts = np.array([[480.0, 520.0], [300.0, 200.0]])
    planned, _, _ = planned_shares({"c": 1, "t": 1}, ["c", "t"], ["x", "y"])
    table = check_ratio(counts, planned, ["x", "y"], ["c", "t"], counts.sum(axis=0), np.array([0.5, 0.5]))
    assert table.loc["y", "p_value"] == pytest.approx(stats.chisquare([300, 200]).pvalue, rel=1e-12)
    assert table.loc["x", "p_adjusted"] == pytest.approx(stats.chisquare([480, 520]).pvalue, rel=1e-12)
    assert table["verdict"].to_list() == ["ok", "ok", "failed"]
