"""Curves of several efforts fitted together: exact posteriors, recovery and coverage, what is told apart, bad input."""

import itertools
import json
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.special import ndtr

from segmentation.allocation import Resource, allocate
from segmentation.curves import ExponentialCurve, HillCurve, LinearCurve, fit_response_curve, fit_response_curves
from segmentation.curves._joint_forms import Candidates, Expectation, carried, form_for, log_prior
from segmentation.curves._joint_sample import PERSISTENCE, Errors, Series, draw_curves
from segmentation.curves._rows import read_rows
from segmentation.exceptions import FitError

RATE = 0.4


def fit(efforts, outcome, n_draws=400, random_state=0, randomized=True, **kwargs):
    return fit_response_curves(
        efforts, outcome, n_draws=n_draws, random_state=random_state, randomized=randomized, **kwargs
    )


def lasting(rng, n, k, correlation):
    new = rng.normal(size=(n + 50, k)) @ np.linalg.cholesky((1 - correlation) * np.eye(k) + correlation).T
    for t in range(1, n + 50):
        new[t] = 0.5 * new[t - 1] + np.sqrt(0.75) * new[t]
    return new[50:]


def world(seed, shares=(0.2, 0.1), correlation=0.0, retention=0.0, noise=5.0, n=200):
    """A baseline of 100, efforts and errors of which half lasts; what each effort truly brings, as a share."""
    rng = np.random.default_rng([seed, 5])
    x = np.exp(0.6 * lasting(rng, n, len(shares), correlation) + 1.0)
    each = np.column_stack(
        [ExponentialCurve(100 * s / 0.65, RATE).value(carried(c, retention)) for s, c in zip(shares, x.T, strict=True)]
    )
    outcome = 100 + each.sum(axis=1) + noise * lasting(rng, n, 1, 0.0)[:, 0]
    return pd.DataFrame(x, columns=list("abcdefghij"[: len(shares)])), outcome, each.mean(axis=0) / outcome.mean()


@pytest.fixture(scope="module")
def three():
    efforts, outcome, truth = world(0, (0.2, 0.1, 0.0), 0.3)
    return efforts, outcome, truth, fit(efforts, outcome, n_draws=1000)


# ---------------------------------------------------------------------- the parts, against independent ones
@pytest.mark.parametrize("retention", [0.0, 0.3, 0.9])
def test_carry_over_is_that_of_one_effort(retention):
    x = np.random.default_rng(0).gamma(1.0, 2.0, 40)
    rows = read_rows(x, x, customer=None, period=np.arange(40), weights=None, controls=None, adjust=None, ordered=True)
    assert carried(x, retention) == pytest.approx(rows.stock(retention), rel=1e-12)


def test_errors_that_last_are_generalised_least_squares():
    rng = np.random.default_rng(1)
    n, p = 30, 0.6
    held = np.column_stack([np.ones(n), rng.normal(size=n)])
    columns = rng.normal(size=(n, 3))
    inverse = np.linalg.inv(p ** np.abs(np.subtract.outer(np.arange(n), np.arange(n))) / (1 - p**2))
    middle = np.linalg.inv(held.T @ inverse @ held)
    whole = inverse - inverse @ held @ middle @ held.T @ inverse
    errors = Errors.of(held, p)
    assert errors.apply(columns) == pytest.approx(whole @ columns)
    assert errors.left(columns) == pytest.approx(np.diag(columns.T @ whole @ columns))
    size = held / np.sqrt((held**2).mean(axis=0))
    restricted = 0.5 * np.linalg.slogdet(inverse)[1] - 0.5 * np.linalg.slogdet(size.T @ inverse @ size)[1]
    assert errors.log_weight == pytest.approx(restricted)


def test_prior_is_a_density_over_the_range():
    x = np.random.default_rng(0).gamma(2.0, 1.0, 100)
    for family, carry_over in itertools.product(["exponential", "log", "power", "linear", "hill"], [None, "geometric"]):
        form = form_for(family, x, carry_over)
        these = Candidates.of(form, x, Expectation(0.2, 0.5, float(np.median(x))))
        # a grid of a dozen values per axis sums a density roughly
        assert np.exp(these.weight).sum() == pytest.approx(1.0, abs=0.1)
        narrow = these.narrowed(these.prior_points(500, np.random.default_rng(0)))
        assert narrow.columns.shape == these.columns.shape
        assert these.narrowed(these.points[:10]) is these
    assert log_prior(form_for("exponential", x, None), 2.0, "rate", np.log(2) / np.array([2.0, 4.0])) == pytest.approx(
        [0.0, -0.5 * np.log(2) ** 2]
    )


def whole_posterior(series, candidates):
    """Return the chance that the effort works, and the mean and deviation of its share, by sums over all there is."""
    n, p = series.held.shape
    scale = np.linspace(0, 1.0, 1501)[1:]
    total, first, second, nothing = 0.0, 0.0, 0.0, 0.0
    best = -np.inf
    parts = []
    for persistence in PERSISTENCE:
        errors = Errors.of(series.held, float(persistence))
        yy = errors.left(series.outcome[:, None])[0]
        parts.append((errors.log_weight - 0.5 * (n - p) * np.log(yy) + np.log(1 - candidates.expected.works), None))
        applied = errors.apply(series.outcome)
        for k in range(len(candidates.mean)):
            g = candidates.columns[:, k]
            share = scale
            beta = share / candidates.mean[k]
            squares = yy - 2 * beta * (g @ applied) + beta**2 * errors.left(g[:, None])[0]
            inside = share <= series.whole
            log = (
                errors.log_weight
                - 0.5 * (n - p) * np.log(squares)
                + candidates.weight[k]
                + np.log(candidates.expected.works)
                - np.log(candidates.expected.share)
                - share / candidates.expected.share
                + np.log(scale[1] - scale[0])
            )
            parts.append((np.where(inside, log, -np.inf), share))
    best = max(float(np.max(log)) for log, _ in parts)
    for log, share in parts:
        weight = np.exp(log - best)
        total += weight.sum()
        if share is None:
            nothing += float(weight)
        else:
            first += float((weight * share).sum())
            second += float((weight * share**2).sum())
    mean = first / total
    return 1 - nothing / total, mean, np.sqrt(second / total - mean**2)


@pytest.mark.parametrize(("size", "noise"), [(8.0, 4.0), (2.0, 6.0), (0.0, 6.0)])
def test_draws_of_one_effort_are_those_of_the_whole_posterior(size, noise):
    """An independent sum over every persistence, rate and scale; spread integrated out."""
    rng = np.random.default_rng(3)
    n = 80
    x = np.exp(0.7 * rng.normal(size=n))
    y = 20 + size * -np.expm1(-0.7 * x) + noise * lasting(rng, n, 1, 0.0)[:, 0]
    series = Series(y / y.mean(), np.column_stack([np.ones(n), rng.normal(size=n)]), 1.0)
    these = Candidates.of(form_for("exponential", x, None), x, Expectation(0.2, 0.5, float(np.median(x))))
    works, mean, deviation = whole_posterior(series, these)
    sample, _ = draw_curves(series, [these], 8000, np.random.default_rng(0))
    share = sample.share.ravel()
    assert (share > 0).mean() == pytest.approx(works, abs=0.04)
    assert share.mean() == pytest.approx(mean, abs=0.08 * deviation)
    assert share.std() == pytest.approx(deviation, rel=0.1)


def test_draws_of_two_efforts_are_those_of_the_whole_posterior():
    """Efforts of two levels have one figure each: all pairs of scales can be summed over."""
    rng = np.random.default_rng(4)
    n = 60
    x = (rng.random((n, 2)) < 0.5).astype(float)
    x[:, 1] = np.where(rng.random(n) < 0.7, x[:, 0], x[:, 1])
    y = 20 + 2.5 * x[:, 0] + 1.0 * x[:, 1] + rng.normal(0, 3, n)
    series = Series(y / y.mean(), np.ones((n, 1)), 1.0)
    these = [Candidates.of(form_for("linear", c, None), c, Expectation(0.2, 0.5, 1.0)) for c in x.T]
    grid = np.linspace(0, 0.5, 251)
    step = grid[1]
    prior = np.exp(-grid / 0.2) / 0.2 * step * 0.5
    prior[0] = 0.5
    both = np.zeros((251, 251))
    for persistence in PERSISTENCE:
        errors = Errors.of(series.held, float(persistence))
        columns = np.column_stack([series.outcome, *(c.columns[:, 0] / c.mean[0] for c in these)])
        m = columns.T @ errors.apply(columns)
        a, b = grid[:, None], grid[None, :]
        squares = m[0, 0] - 2 * a * m[0, 1] - 2 * b * m[0, 2] + a**2 * m[1, 1] + b**2 * m[2, 2] + 2 * a * b * m[1, 2]
        both += np.exp(errors.log_weight - 0.5 * (n - 1) * np.log(squares)) * prior[:, None] * prior[None, :]
    both /= both.sum()
    sample, _ = draw_curves(series, these, 8000, np.random.default_rng(0))
    drawn = sample.share.reshape(-1, 2)
    assert (drawn[:, 0] > 0).mean() == pytest.approx(1 - both[0].sum(), abs=0.04)
    assert (drawn[:, 1] > 0).mean() == pytest.approx(1 - both[:, 0].sum(), abs=0.04)
    assert ((drawn > 0).all(axis=1)).mean() == pytest.approx(both[1:, 1:].sum(), abs=0.04)
    assert drawn[:, 0].mean() == pytest.approx((both.sum(axis=1) * grid).sum(), rel=0.06)
    assert (drawn[:, 0] * drawn[:, 1]).mean() == pytest.approx((both * grid[:, None] * grid).sum(), rel=0.15)


# ---------------------------------------------------------------------- what it finds
def test_shares_are_found_and_add_up_in_every_draw(three):
    efforts, outcome, truth, found = three
    assert found.table["share"].sum() == pytest.approx(1.0)
    assert found.shares.sum(axis=1).to_numpy() == pytest.approx(np.ones(1000))
    assert (found.shares.to_numpy() >= -1e-12).all()
    assert found.table["outcome"].sum() == pytest.approx(outcome.mean())
    assert found.table.loc[["a", "b", "c"], "share"].to_numpy() == pytest.approx(truth, abs=0.04)
    for j, (name, curve) in enumerate(found.curves.items()):
        # the draws of the curve are those of the share
        brought = curve.value_draws(efforts[name].to_numpy()).mean(axis=1) / outcome.mean()
        assert brought == pytest.approx(found.shares[name].to_numpy(), abs=1e-9)
        low, high = curve.interval(3.0)
        assert low <= ExponentialCurve(100 * (0.2, 0.1, 0.0)[j] / 0.65, RATE).value(3.0) <= high
        assert low <= curve.value(3.0) <= high
    parts = found.decomposition
    assert parts["outcome"].to_numpy() == pytest.approx(parts.drop(columns="outcome").sum(axis=1).to_numpy())
    assert parts[["baseline", "a", "b", "c"]].mean().to_numpy() == pytest.approx(found.table["outcome"].to_numpy())
    assert found.settings["persistence"] == pytest.approx(0.5, abs=0.2)


def test_an_effort_that_does_nothing_claims_next_to_nothing(three):
    *_, found = three
    row = found.table.loc["c"]
    assert row["share_low"] == 0
    assert row["share"] < 0.02
    assert row["nothing"] > 0.05
    rng = np.random.default_rng(0)
    efforts, outcome, _ = world(3)
    before = fit(efforts, outcome)
    after = fit(efforts.assign(noise=rng.gamma(2.0, 1.0, len(outcome))), outcome)
    assert after.table.loc["noise", "share_low"] == 0
    assert after.table.loc["noise", "share"] < 0.02
    # and takes next to nothing from the others
    change = (after.table["share"] - before.table["share"])[["a", "b"]].abs()
    assert (change < 0.02).all()


@pytest.mark.parametrize(("shares", "correlation", "retention"), [((0.2, 0.1), 0.8, 0.0), ((0.2, 0.1, 0.0), 0.5, 0.5)])
def test_coverage(shares, correlation, retention):
    inside, value, together = [], [], []
    for seed in range(12):
        efforts, outcome, truth = world(seed, shares, correlation, retention)
        found = fit(efforts, outcome, 200, seed, carry_over="geometric" if retention else None)
        table = found.table.drop(index="baseline")
        inside.append((table["share_low"] <= truth) & (truth <= table["share_high"]))
        low, high = np.quantile(1 - found.shares["baseline"], [0.05, 0.95])
        together.append(low <= truth.sum() <= high)
        for name, share in zip("ab", shares, strict=False):
            low, high = found.curves[name].interval([1.5, 3.0])
            right = ExponentialCurve(100 * share / 0.65, RATE).value([1.5, 3.0])
            value.append((low <= right) & (right <= high))
    # 86 % and more in the benchmark; here less 2.5 Monte Carlo standard errors of 12 series
    assert np.mean(inside) >= 0.86 - 2.5 * np.sqrt(0.09 / 18)
    assert np.mean(together) >= 0.86 - 2.5 * np.sqrt(0.09 / 12)
    assert np.mean(value) >= 0.86 - 2.5 * np.sqrt(0.09 / 18)


def test_one_effort_agrees_with_the_fit_of_one():
    rng = np.random.default_rng(11)
    x = np.exp(0.6 * rng.normal(size=400) + 1.0)
    y = 100 + ExponentialCurve(30.0, RATE).value(x) + rng.normal(0, 3, 400)
    one = fit_response_curve(x, y, randomized=True, random_state=0).curve
    many = fit({"x": x}, y, n_draws=1000)
    at = np.array([1.0, 3.0, 6.0])
    low, high = one.interval(at)
    assert (np.abs(many.curves["x"].value(at) - one.value(at)) < 0.35 * (high - low)).all()
    bottom, top = many.curves["x"].interval(at)
    assert (top - bottom) == pytest.approx(high - low, rel=0.35)
    assert np.isnan(many.identification.loc["x", "correlation"])


def test_together_they_claim_no_more_than_there_is():
    """Five efforts that move together: one by one they claim what all bring, several times over."""
    efforts, outcome, truth = world(1, (0.05,) * 5, 0.9)
    found = fit(efforts, outcome)
    low, high = np.quantile(1 - found.shares["baseline"], [0.05, 0.95])
    assert low <= truth.sum() <= high
    alone = sum(
        fit_response_curve(efforts[name], outcome, period=np.arange(200), randomized=True, n_draws=20, random_state=0)
        .curve.value(efforts[name])
        .mean()
        for name in efforts
    )
    assert alone / outcome.mean() > 2 * truth.sum()
    # where efforts could bring everything, only that they cannot bring more bounds them
    rng = np.random.default_rng(0)
    x = rng.uniform(0.5, 1.5, (100, 2))
    greedy = fit({"a": x[:, 0], "b": x[:, 1]}, 50 * x[:, 0] + 50 * x[:, 1] + rng.normal(0, 10, 100), family="linear")
    assert (greedy.shares["baseline"] >= 0).all()
    assert greedy.shares["baseline"].mean() < 0.15
    assert any("bring the whole outcome" in text for text in greedy.warnings)


def test_efforts_that_cannot_be_told_apart_are_named():
    rng = np.random.default_rng(2)
    both = np.exp(0.6 * rng.normal(size=150) + 1)
    efforts = pd.DataFrame(
        {"tv": both, "radio": both * np.exp(0.03 * rng.normal(size=150)), "mail": rng.gamma(2, 1, 150)}
    )
    outcome = 100 + ExponentialCurve(30.0, RATE).value(both) + 3 * efforts["mail"] + rng.normal(0, 3, 150)
    found = fit(efforts, outcome, n_draws=800)
    assert any("Not told apart" in text and "'tv' and 'radio'" in text for text in found.warnings)
    assert found.identification.loc["tv", "vif"] > 10
    assert found.identification.loc["tv", "most_alike"] == "radio"
    assert found.identification.loc["tv", "rival"] == "radio"
    assert any("more than 90 % of the variation of: 'tv', 'radio'" in text for text in found.warnings)
    assert any("not told apart" in text for text in found.curves["radio"].notes)
    assert not any("told apart" in text for text in found.curves["mail"].notes)
    each = found.shares[["tv", "radio"]].std().min()
    assert found.shares[["tv", "radio"]].sum(axis=1).std() < 0.75 * each
    design = (efforts - efforts.mean()) / efforts.std()
    inverse = np.linalg.inv(np.corrcoef(design.to_numpy(), rowvar=False))
    assert found.identification["vif"].to_numpy() == pytest.approx(np.diag(inverse))


def test_what_is_held_equal_is_not_credited_to_efforts():
    rng = np.random.default_rng(6)
    t = np.arange(208)
    wave = np.sin(2 * np.pi * t / 52)
    x = np.exp(0.4 * rng.normal(size=208) + 0.8 * wave)
    y = 100 + 10 * wave + 0.05 * t + rng.normal(0, 2, 208)
    naive, held = fit({"x": x}, y), fit({"x": x}, y, trend=True, season=52.0)
    # what nothing accounts for lasts from one period to the next
    assert naive.settings["persistence"] > 0.6 > 0.2 > held.settings["persistence"]
    assert any("a trend or season may be missing" in text for text in naive.warnings)
    assert held.table.loc["x", "share_low"] == 0
    assert held.table.loc["x", "share"] < 0.02
    assert held.settings["n_controls"] == 5
    by_hand = np.column_stack([t, *(f(2 * np.pi * k * t / 52) for k in (1, 2) for f in (np.sin, np.cos))])
    same = fit({"x": x}, y, controls=by_hand)
    assert same.table["share"].to_numpy() == pytest.approx(held.table["share"].to_numpy(), abs=0.01)


def test_what_is_expected_counts_where_data_say_little():
    efforts, outcome, _ = world(4, (0.05, 0.05), 0.5, noise=30.0, n=60)
    little = fit(efforts, outcome, expected_share={"a": 0.01})
    much = fit(efforts, outcome, expected_share={"a": 0.4})
    assert little.table.loc["a", "share"] < 0.5 * much.table.loc["a", "share"]
    assert any("The data say little of these efforts" in text for text in little.warnings)
    assert little.settings["expected_share"] == {"a": 0.01, "b": 0.2}
    together = (1 - much.shares["baseline"]).quantile([0.05, 0.95]).diff().iloc[-1]
    said = any("of the outcome was expected before the data, which take little" in text for text in much.warnings)
    assert said == (together >= 0.6 * np.diff(much.settings["expected_together"])[0])
    noise = fit(efforts[:20], np.random.default_rng(0).gamma(1.0, 100.0, 20), expected_share=0.1)
    assert any("of the outcome was expected before the data, which take little" in text for text in noise.warnings)
    low, high = much.settings["expected_together"]
    by_hand = np.random.default_rng(1).exponential((0.4, 0.2), (50_000, 2)) * (
        np.random.default_rng(2).random((50_000, 2)) < 0.9
    )
    total = by_hand.sum(axis=1)
    assert (low, high) == pytest.approx(tuple(np.quantile(total[total <= 1], [0.05, 0.95])), abs=0.02)
    always = fit(efforts, outcome, works=1.0)
    assert (always.table["nothing"].dropna() == 0).all()
    assert fit(*world(0)[:2], n_draws=50).settings["expected_share"] == {"a": 0.2, "b": 0.2}


# ---------------------------------------------------------------------- families, units, order, kinds of tables
def test_families_by_effort():
    rng = np.random.default_rng(8)
    x = pd.DataFrame(
        {"calls": rng.gamma(2.0, 1.5, 300), "visits": rng.gamma(2.0, 1.5, 300), "fair": rng.integers(0, 2, 300)}
    )
    y = 100 + HillCurve(40.0, 3.0, 3.0).value(x["calls"]) + 4 * np.log1p(x["visits"]) + 5 * x["fair"]
    y = y + rng.normal(0, 2, 300)
    found = fit(x, y, family={"calls": "hill", "visits": "log"})
    assert isinstance(found.curves["calls"], HillCurve)
    assert found.curves["calls"].shape > 1.7
    assert found.curves["calls"].value(3.0) == pytest.approx(20.0, rel=0.15)
    assert found.curves["visits"].family == "log"
    assert isinstance(found.curves["fair"], LinearCurve)
    assert found.curves["fair"].value(1.0) == pytest.approx(5.0, abs=1.0)
    assert any("Efforts of two values" in text and "'fair'" in text for text in found.warnings)
    assert set(found.parameters.index) >= {("calls", "shape"), ("visits", "rate"), ("fair", "slope_value")}
    power = fit(x[["visits"]], y, family="power", n_draws=50)
    assert power.curves["visits"].family == "power"
    assert json.loads(json.dumps(power.to_dict()))["settings"]["n_draws"] == 50


def test_carry_over_by_effort():
    efforts, outcome, truth = world(2, (0.2, 0.2), 0.0, 0.6, 2.0)
    found = fit(efforts, outcome, carry_over={"a": "geometric", "b": 0.6})
    low, high = found.parameters.loc[("a", "retention"), ["low", "high"]]
    assert low <= 0.6 <= high
    assert found.parameters.loc[("b", "retention"), "estimate"] == pytest.approx(0.6)
    assert found.table.loc[["a", "b"], "share"].to_numpy() == pytest.approx(truth, abs=0.08)
    assert found.settings["carry_over"] == {"a": "geometric", "b": 0.6}
    assert fit(efforts, outcome, carry_over={"a": 0.0}, n_draws=50).settings["carry_over"] == {"a": 0.0, "b": None}


def test_units_do_not_matter():
    efforts, outcome, _ = world(0)
    plain, other = fit(efforts, outcome), fit(efforts * 1e5, outcome * 1e-3)
    assert other.table["share"].to_numpy() == pytest.approx(plain.table["share"].to_numpy(), abs=0.01)
    assert other.curves["a"].value(3e5) == pytest.approx(1e-3 * plain.curves["a"].value(3.0), rel=0.05)


def test_seeds_repeat_and_periods_are_put_in_order():
    efforts, outcome, _ = world(0)
    weeks = pd.date_range("2021-01-04", periods=200, freq="W-MON")
    first = fit(efforts, outcome, period=weeks, carry_over=0.3, n_draws=100)
    mixed = np.random.default_rng(1).permutation(200)
    again = fit(efforts.iloc[mixed], outcome[mixed], period=weeks[mixed], carry_over=0.3, n_draws=100)
    assert first.curves == again.curves
    assert list(first.decomposition.index) == list(weeks)
    frame = pl.DataFrame({name: efforts[name].to_numpy() for name in efforts})
    assert (
        fit(frame, pl.Series(outcome), period=pl.Series(weeks.to_numpy()), carry_over=0.3, n_draws=100).curves
        == first.curves
    )
    assert fit(efforts, outcome, n_draws=50, random_state=np.random.default_rng(3)).settings["random_state"] >= 0


def test_outcomes_below_zero_have_no_upper_bound():
    rng = np.random.default_rng(9)
    x = rng.gamma(2.0, 1.0, 200)
    y = -20 + 15 * x + rng.normal(0, 5, 200)
    found = fit({"x": x}, y, family="linear")
    assert y.min() < 0 < y.mean()
    assert found.table.loc["x", "share"] > 1
    assert found.table.loc["baseline", "share_high"] < 0


# ---------------------------------------------------------------------- into the allocation
def test_plans_keep_draws_together():
    rng = np.random.default_rng(2)
    both = np.exp(0.6 * rng.normal(size=150) + 1)
    efforts = pd.DataFrame({"tv": both, "radio": both * np.exp(0.03 * rng.normal(size=150))})
    outcome = 100 + ExponentialCurve(30.0, RATE).value(both) + rng.normal(0, 3, 150)
    found = fit(efforts, outcome, randomized=False)
    now = found.mean_efforts
    plan = allocate(found.curves, Resource("budget", sum(now.values())), bounds=found.bounds, current=now)
    drawn = sum(curve.value_draws(plan.efforts[name, "effort"]) for name, curve in found.curves.items())
    assert (plan.total_low, plan.total_high) == pytest.approx(tuple(np.quantile(drawn, [0.05, 0.95])))
    wide = sum(np.subtract(*curve.interval(now[name])[::-1]) ** 2 for name, curve in found.curves.items()) ** 0.5
    here = np.quantile(sum(curve.value_draws(now[name]) for name, curve in found.curves.items()), [0.05, 0.95])
    assert here[1] - here[0] < 0.6 * wide
    assert any("assigned at random" in text for text in plan.warnings)
    assert found.warnings[0].startswith("The effort was not assigned at random")
    assert not any("assigned at random" in text for text in fit(efforts, outcome, n_draws=50).warnings)


def test_result_as_text_html_and_values(three):
    *_, found = three
    lines = str(found).splitlines()
    assert lines[0].startswith(
        "Joint response curves of 3 efforts (exponential) from 200 periods: together they bring "
    )
    assert [line.split()[0] for line in lines[3:7]] == ["baseline", "a", "b", "c"]
    assert all(f"Note: {text}" in str(found) for text in found.warnings)
    assert repr(found) == str(found)
    assert "<table" in found._repr_html_()
    values = json.loads(json.dumps(found.to_dict()))
    assert [row["effort"] for row in values["table"]] == ["baseline", "a", "b", "c"]
    assert found.to_pandas().equals(found.table)
    assert pickle.loads(pickle.dumps(found)).curves == found.curves
    at = found.at({"a": 2.0})
    assert at.loc["a", "value"] == pytest.approx(found.curves["a"].value(2.0))
    assert found.at()["amount"].to_dict() == pytest.approx(found.mean_efforts)
    with pytest.raises(ValueError, match="no effort is named 'x'; efforts: 'a', 'b', 'c'"):
        found.at({"x": 1.0})
    with pytest.raises(ValueError, match="effort 'a' must be 0 or more"):
        found.at({"a": -1.0})


# ---------------------------------------------------------------------- what is refused
GOOD = np.random.default_rng(0).gamma(2.0, 1.0, (40, 2))
OUT = 50 + GOOD.sum(axis=1) + np.random.default_rng(1).normal(0, 1, 40)


def table(**more):
    return {"tv": GOOD[:, 0], "radio": GOOD[:, 1], **more}


@pytest.mark.parametrize(
    ("efforts", "settings", "error", "match"),
    [
        (GOOD, {}, TypeError, "one named column per effort"),
        ({}, {}, ValueError, "efforts has no column"),
        (table(baseline=GOOD[:, 0]), {}, ValueError, "'baseline', which has a meaning"),
        (pd.DataFrame(GOOD, columns=["tv", "tv"]), {}, ValueError, "different names; repeated: 'tv'"),
        (table(mail=-GOOD[:, 0]), {}, ValueError, "effort 'mail' must be 0 or more; it is negative in 40 rows"),
        (table(mail=np.r_[np.nan, GOOD[1:, 0]]), {}, ValueError, r"effort 'mail' is missing \(NaN\).* in 1 row: 0"),
        (table(mail=["x"] * 40), {}, TypeError, "effort 'mail' must hold numbers"),
        (table(mail=np.full(40, 3.0)), {}, FitError, "effort 'mail' is 3 in every period"),
        (table(mail=GOOD[:30, 0]), {}, ValueError, "one row per period each.*'mail': 30"),
        (table(mail=3 * GOOD[:, 0]), {}, FitError, "efforts 'tv' and 'mail' move exactly together"),
        (table(total=GOOD.sum(axis=1)), {}, FitError, r"is a sum of others \('radio', 'total'\)"),
        (table(), {"controls": 2 * GOOD[:, 1] + 1}, FitError, "controls explain effort 'radio' wholly"),
        (table(), {"controls": np.random.default_rng(2).normal(size=(40, 36))}, FitError, "41 figures .* 40 periods"),
        (table(), {"controls": np.ones((39, 1))}, ValueError, "controls must have one row for each of the 40"),
        (table(), {"period": np.repeat(np.arange(20), 2)}, ValueError, "one row per period; several have 0, 1, 2"),
        (table(), {"period": np.arange(30)}, ValueError, "period has 30 rows"),
        (table(), {"family": "auto"}, ValueError, "family='auto' is for a single effort"),
        (table(), {"family": "cubic"}, ValueError, "family must be one of"),
        (table(), {"family": {"tw": "log"}}, ValueError, "family names 'tw', no effort; efforts: 'tv', 'radio'"),
        (table(), {"carry_over": {"tv": 1.0}}, ValueError, "carry_over of 'tv' must be None"),
        (table(), {"carry_over": "weibull"}, ValueError, "carry_over of 'tv' must be None, 'geometric'"),
        (table(), {"expected_share": {"radio": 0}}, ValueError, "expected_share of 'radio' must be between 0 and 1"),
        (table(), {"works": 0.0}, ValueError, "works must be a chance above 0"),
        (table(), {"season": 1}, ValueError, "season must be the number of periods of one cycle"),
        (table(), {"trend": "linear"}, TypeError, "trend must be True or False"),
        (table(), {"level": 1.0}, ValueError, "level must be between 0 and 1"),
        (table(), {"n_draws": 5}, ValueError, "n_draws must be a whole number"),
        (table(), {"randomized": "yes"}, TypeError, "randomized must be True, False or None"),
    ],
)
def test_bad_input(efforts, settings, error, match):
    with pytest.raises(error, match=match):
        fit_response_curves(efforts, OUT, **settings)


def test_bad_outcomes():
    for outcome, error, match in [
        (OUT[:30], ValueError, "outcome has 30 rows, efforts have 40"),
        (np.full(40, 2.0), FitError, "outcome is 2 in every period"),
        (-OUT, FitError, "the mean outcome is -"),
        (np.r_[np.inf, OUT[1:]], ValueError, "outcome is missing"),
    ]:
        with pytest.raises(error, match=match):
            fit_response_curves(table(), outcome)
    with pytest.raises(FitError, match="at least 8 periods, got 5"):
        fit_response_curves({"tv": GOOD[:5, 0]}, OUT[:5])


def test_few_periods_are_said():
    found = fit(table(), OUT, n_draws=50, controls=np.random.default_rng(2).normal(size=(40, 6)))
    assert any("40 periods for 11 figures" in text for text in found.warnings)
    gap = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.r_[np.arange(20), np.arange(40, 60)] * 7, unit="D")
    assert any("lie up to" in text for text in fit(table(), OUT, n_draws=50, period=gap).warnings)


def test_truncated_normal_draws_stay_inside():
    """Far out in either tail, where differences of distribution functions vanish."""
    rng = np.random.default_rng(0)
    n = 60
    x = rng.gamma(2.0, 1.0, n)
    for slope in (-30.0, 30.0):
        y = 100 + slope * (x - x.mean()) + rng.normal(0, 0.1, n)
        found = fit({"x": x}, np.maximum(y, 0.0), n_draws=50, works=1.0)
        share = found.shares["x"].to_numpy()
        assert np.isfinite(share).all()
        assert ((share >= 0) & (share <= 1 + 1e-12)).all()
    assert ndtr(-40) == pytest.approx(0, abs=1e-300)
