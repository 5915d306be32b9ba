"""Curves fitted to data: an independent least squares, recovery of the truth, remedies, carry-over, what is refused."""

import json

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.optimize import curve_fit

from segmentation.curves import (
    CurveFit,
    ExponentialCurve,
    HillCurve,
    LinearCurve,
    LogCurve,
    PowerCurve,
    curve_from_dict,
    fit_response_curve,
)
from segmentation.curves._fit import LIMITS, _outside
from segmentation.curves._profile import Fitted, Form, first_pass, solve
from segmentation.curves._resample import bootstrap_weights, leverages
from segmentation.curves._rows import read_rows
from segmentation.exceptions import FitError

TRUTHS = [
    ExponentialCurve(30.0, 0.4),
    LogCurve(15.0, 1.0),
    PowerCurve(12.0, 0.5),
    LinearCurve(8.0, 3.5),
    HillCurve(40.0, 2.5, 2.0),
]
ids = [curve.family for curve in TRUTHS]


def sample(curve, n=3000, seed=0, noise=10.0, levels=None):
    rng = np.random.default_rng(seed)
    x = rng.gamma(2.0, 1.5, n) * (rng.random(n) < 0.75) if levels is None else rng.choice(levels, n)
    return x, 200.0 + curve.value(x) + rng.normal(0, noise, n)


def fit(*args, n_draws=200, random_state=0, randomized=True, **kwargs):
    return fit_response_curve(*args, n_draws=n_draws, random_state=random_state, randomized=randomized, **kwargs)


@pytest.mark.parametrize("curve", TRUTHS, ids=ids)
def test_estimate_is_the_least_squares_of_scipy(curve):
    x, y = sample(curve)
    found = fit(x, y, family=curve.family, n_draws=20)
    names = [*curve.parameter_names]

    def mean(x, baseline, *params):
        return baseline + type(curve)._value(np.array(params), x)

    start = [200.0, *curve.parameters.values()]
    ours = np.sum((y - mean(x, *[found.estimates[name] for name in ["baseline", *names]])) ** 2)
    params, _ = curve_fit(
        mean, x, y, p0=start, bounds=([-np.inf, *[1e-3] * len(names)], np.inf), xtol=1e-12, ftol=1e-14
    )
    theirs = np.sum((y - mean(x, *params)) ** 2)
    assert ours <= theirs * (1 + 1e-9)
    if curve.family != "linear":  # its sum of squares has flat pieces
        assert [found.estimates[n] for n in ["baseline", *names]] == pytest.approx(params, rel=2e-3)


@pytest.mark.parametrize("curve", TRUTHS, ids=ids)
def test_truth_is_inside_wide_intervals(curve):
    x, y = sample(curve, n=4000, seed=1)
    found = fit(x, y, family=curve.family, level=0.999, n_draws=1000)
    at = np.array([0.5, 2.0, 5.0])
    table = found.at(at)
    assert (table["value_low"] <= curve.value(at)).all()
    assert (curve.value(at) <= table["value_high"]).all()
    assert table["value"].to_numpy() == pytest.approx(curve.value(at), rel=0.15)
    assert (table["value_high"] - table["value_low"] < 0.6 * table["value"]).to_numpy()[1:].all()


def test_bootstrap_spread_is_the_sandwich_of_a_straight_line():
    rng = np.random.default_rng(5)
    n, customers = 6000, 300
    who = np.repeat(np.arange(customers), n // customers)
    x = rng.choice([0.0, 1.0], n)
    y = 5 + 2 * x + rng.normal(0, 3, customers)[who] * x + rng.normal(0, 1 + x, n)
    found = fit(x, y, family="linear", customer=who, n_draws=4000)
    design = np.column_stack([np.ones(n), x])
    beta, *_ = np.linalg.lstsq(design, y, rcond=None)
    score = design * (y - design @ beta)[:, None]
    sums = np.array([score[who == c].sum(axis=0) for c in range(customers)])
    bread = np.linalg.inv(design.T @ design)
    spread = np.sqrt(np.diag(bread @ sums.T @ sums @ bread))
    assert found.draws[["baseline", "slope_value"]].std().to_numpy() == pytest.approx(spread, rel=0.08)
    assert found.estimates["slope_value"] == pytest.approx(beta[1])
    ignoring = fit(x, y, family="linear", n_draws=4000).draws["slope_value"].std()
    assert ignoring < 0.7 * spread[1]


def test_leverage_is_the_eigenvalue_of_the_hat_matrix():
    rng = np.random.default_rng(2)
    who = np.repeat(np.arange(20), 6)
    x = rng.integers(0, 5, 20).astype(float)[who]
    w = rng.uniform(0.5, 2.0, len(x))
    rows = read_rows(
        x,
        3 + 2 * x + rng.normal(0, 1, len(x)),
        customer=who,
        period=None,
        weights=w,
        controls=None,
        adjust=None,
        ordered=False,
    )
    form = Form("linear", {"cap": (4.0, 4.0)})
    first = first_pass(form, rows, rows.cluster, points_per_axis=1)
    found = leverages(form, rows, solve(form, rows, first, points_per_axis=1), rows.cluster)
    design = np.sqrt(w)[:, None] * np.column_stack([np.ones_like(x), x])
    hat = design @ np.linalg.inv(design.T @ design) @ design.T
    assert found == pytest.approx([np.linalg.eigvalsh(hat[np.ix_(who == c, who == c)])[-1] for c in range(20)])
    draws = bootstrap_weights(found, 200_000, rng)
    assert draws.mean(axis=0) == pytest.approx(np.ones(20), abs=0.02)
    assert draws.std(axis=0) == pytest.approx(1 / (1 - found), rel=0.03)


def test_many_rows_are_resampled_in_random_sets_with_the_same_spread():
    x, y = sample(ExponentialCurve(30.0, 0.4), n=6000, seed=2, levels=[0.0, 4.0])
    found = fit(x, y, family="linear", n_draws=4000)
    exact = np.sqrt(sum(y[x == level].var() / (x == level).sum() for level in (0.0, 4.0))) / 4.0
    assert found.draws["slope_value"].std() == pytest.approx(exact, rel=0.08)


def test_coverage_of_value_intervals():
    truth, hits = ExponentialCurve(30.0, 0.4), []
    for seed in range(120):
        x, y = sample(truth, n=600, seed=seed, noise=25.0, levels=np.arange(7.0))
        row = fit(x, y, n_draws=200, random_state=seed).at(3.0).iloc[0]
        hits.append(row["value_low"] <= truth.value(3.0) <= row["value_high"])
    # 86 to 94 % in the benchmark; here plus or minus 2.5 Monte Carlo standard errors
    assert 0.79 <= np.mean(hits) <= 0.985


def test_weights_are_repeated_rows():
    x, y = sample(TRUTHS[0], n=400)
    times = np.random.default_rng(0).integers(0, 4, 400)
    weighted = fit(x, y, weights=times, n_draws=20)
    repeated = fit(np.repeat(x, times), np.repeat(y, times), n_draws=20)
    assert weighted.estimates == pytest.approx(repeated.estimates, rel=1e-5)
    assert any("of weight 0 left out" in text for text in weighted.warnings)


def test_order_of_rows_does_not_matter_to_the_estimate_and_seeds_repeat():
    x, y = sample(TRUTHS[0], n=900)
    first, again = fit(x, y), fit(x, y)
    assert first.curve == again.curve
    other = np.random.default_rng(1).permutation(900)
    assert fit(x[other], y[other]).estimates == pytest.approx(first.estimates, rel=1e-6)
    generator = [fit(x, y, random_state=np.random.default_rng(7)).curve for _ in range(2)]
    assert generator[0] == generator[1]
    assert fit(x, y, random_state=np.random.RandomState(7)).settings["random_state"] >= 0


def test_kinds_of_columns_agree():
    x, y = sample(TRUTHS[0], n=300)
    who = [f"c{i % 60}" for i in range(300)]
    plain = fit(x, y, customer=who)
    for frame in (
        pd.DataFrame({"x": x, "y": y, "who": who}, index=np.arange(300)[::-1]).convert_dtypes(),
        pl.DataFrame({"x": x, "y": y, "who": who}),
    ):
        assert fit(frame["x"], frame["y"], customer=frame["who"]).curve == plain.curve


@pytest.mark.parametrize("family", ids)
@pytest.mark.parametrize(("outcome", "effort"), [(1e6, 1e-4), (1e-5, 1e6)])
def test_other_units_give_the_same_curve(family, outcome, effort):
    x, y = sample(TRUTHS[0], n=500)
    plain, other = fit(x, y, family=family), fit(x * effort, y * outcome, family=family)
    at = np.array([0.5, 2.0, 5.0])
    expected = plain.curve.rescaled(outcome=outcome, effort=effort)
    assert other.curve.value(at * effort) == pytest.approx(expected.value(at * effort), rel=1e-4)
    low, high = expected.interval(at * effort)
    table = other.at(at * effort)
    assert table["value_low"].to_numpy() == pytest.approx(low, rel=0.02)
    assert table["value_high"].to_numpy() == pytest.approx(high, rel=0.02)


# ---------------------------------------------------------------------- what cannot be told
def test_two_levels_give_a_line_unless_the_form_is_assumed():
    x, y = sample(TRUTHS[0], levels=[0.0, 4.0])
    line = fit(x, y)
    assert isinstance(line.curve, LinearCurve)
    assert line.curve.cap == 4.0
    assert line.curve.value(4.0) == pytest.approx(y[x == 4].mean() - y[x == 0].mean())
    assert any("two values (0 and 4)" in text and "half=" in text for text in line.warnings)
    assumed = fit(x, y, half=2.0)
    assert isinstance(assumed.curve, ExponentialCurve)
    assert assumed.curve.rate == pytest.approx(np.log(2) / 2)
    assert assumed.curve.value(4.0) == pytest.approx(line.curve.value(4.0))
    assert any("half=2 is an assumption" in text for text in assumed.warnings)
    assert not any("two values" in text for text in assumed.warnings)


def test_three_levels_do_not_tell_the_shape_of_a_hill_curve():
    x, y = sample(TRUTHS[4], levels=[0.0, 1.0, 5.0])
    found = fit(x, y, family="hill")
    assert found.curve.shape == 1.0
    assert any("shape=1 is assumed" in text for text in found.warnings)
    assert "hill" in fit(*sample(TRUTHS[4], levels=[0.0, 1.0, 5.0]), family="auto").selection.index


def test_no_rise_is_no_response_and_says_so():
    x, y = sample(TRUTHS[0], noise=1.0)
    found = fit(x, 500.0 - y)
    assert found.curve.value(3.0) == 0.0
    assert found.at_efforts["value_high"].max() == 0.0
    assert any("does not rise with the effort" in text for text in found.warnings)
    rng = np.random.default_rng(0)
    nothing = fit(rng.choice(5.0 * np.arange(4), 2000), rng.normal(0, 1, 2000))
    assert nothing.at_efforts["value_low"].max() < 0.05
    assert any("of the draws the outcome does not rise" in text for text in nothing.warnings)


def test_no_saturation_seen_is_said():
    x, y = sample(LinearCurve(5.0), noise=2.0)
    found = fit(x, y)
    assert any("No saturation is seen up to the highest effort" in text for text in found.warnings)
    assert found.curve.value(5.0) == pytest.approx(25.0, rel=0.05)


def test_outcomes_that_are_never_negative_have_no_negative_baseline():
    rng = np.random.default_rng(3)
    x = rng.uniform(8, 10, 400)  # no row without effort: the baseline is extrapolated
    y = np.maximum(0.5 * x**2 + rng.normal(0, 3, 400), 0.0)
    found = fit(x, y)
    assert (found.draws["baseline"] >= -1e-9).all()
    assert found.baseline == pytest.approx(0.0, abs=1e-6)
    assert any("No row is without effort" in text for text in found.warnings)
    assert fit(x, y - 40.0).baseline < -10.0


# ---------------------------------------------------------------------- the choice of the family
def test_auto_finds_a_strong_form_and_gives_the_reason():
    x, y = sample(TRUTHS[4], noise=3.0)
    found = fit(x, y, family="auto")
    assert found.settings["family"] == "hill"
    assert found.selection.index[0] == "hill"
    assert found.warnings[0].startswith("The hill curve has the lowest cross-validated error of 5 families.")
    assert found.selection.loc["hill", "cv_error"] == pytest.approx(9.0, rel=0.1)
    x, y = sample(TRUTHS[3], noise=1.0)
    assert fit(x, y, family="auto").settings["family"] == "linear"


def test_auto_takes_hill_only_where_it_is_clearly_better():
    chosen = []
    for seed in range(12):
        x, y = sample(TRUTHS[0], n=500, seed=seed, noise=25.0)
        found = fit(x, y, family="auto", n_draws=20, random_state=seed)
        chosen.append(found.settings["family"])
        assert "do not contain the choice of the family" in found.warnings[0]
    assert chosen.count("hill") <= 2


# ---------------------------------------------------------------------- effort that was not randomized
def confounded(seed=0, n=800, periods=6):
    rng = np.random.default_rng(seed)
    value = rng.gamma(2.0, 20.0, (n, 1))
    effort = rng.poisson(0.05 * value, (n, periods)).astype(float)
    outcome = value + ExponentialCurve(30.0, 0.4).value(effort) + rng.normal(0, 10, (n, periods))
    who, when = np.indices((n, periods))
    return {"effort": effort.ravel(), "outcome": outcome.ravel(), "customer": who.ravel(), "period": when.ravel()}


def test_remedies_take_their_part_of_the_bias():
    data, truth = confounded(), ExponentialCurve(30.0, 0.4).value(3.0)
    plain, within, lagged = (fit(**data, adjust=a, randomized=False) for a in (None, "within", "lagged"))
    bias = [found.curve.value(3.0) - truth for found in (plain, within, lagged)]
    assert bias[0] > 15
    assert abs(bias[1]) < 0.1 * bias[0]
    assert abs(bias[1]) < abs(bias[2]) < 0.7 * bias[0]
    row = within.at(3.0).iloc[0]
    assert row["value_low"] < truth < row["value_high"]
    assert LIMITS["within"] in within.warnings
    assert LIMITS["lagged"] in lagged.warnings
    assert any("800 rows left out: the first period" in text for text in lagged.warnings)


def test_within_is_a_regression_on_customer_dummies():
    data = confounded(n=25, periods=5)
    found = fit(**data, adjust="within", half=2.0, n_draws=20)
    g = 1 - 0.5 ** (data["effort"] / 2.0)
    design = np.column_stack([g, pd.get_dummies(data["customer"]).to_numpy(dtype=float)])
    beta, *_ = np.linalg.lstsq(design, data["outcome"], rcond=None)
    assert found.estimates["top"] == pytest.approx(beta[0])
    assert found.baseline == pytest.approx(beta[1:].mean())


@pytest.mark.parametrize("adjust", [None, "within"])
def test_controls_are_columns_of_the_regression(adjust):
    data = confounded(n=25, periods=5)
    z = np.column_stack([data["period"], data["period"] ** 2, np.full(125, 3.0)])
    found = fit(**data, controls=z, half=2.0, n_draws=20, adjust=adjust)
    g = 1 - 0.5 ** (data["effort"] / 2.0)
    fixed = pd.get_dummies(data["customer"]).to_numpy(dtype=float) if adjust else np.ones((125, 1))
    beta, *_ = np.linalg.lstsq(np.column_stack([g, z[:, :2], fixed]), data["outcome"], rcond=None)
    assert found.estimates["top"] == pytest.approx(beta[0])
    assert fit(**data, controls=data["period"], n_draws=20).settings["n_controls"] == 1


@pytest.mark.parametrize("randomized", [True, False, None])
def test_a_sentence_stands_beside_every_result_that_is_not_randomized(randomized):
    x, y = sample(TRUTHS[0], n=300)
    found = fit(x, y, randomized=randomized)
    about = [text for text in found.warnings if "assigned at random" in text]
    assert len(about) == (0 if randomized else 1)
    assert found.curve.randomized is randomized
    for text in about:
        assert text in str(found)
        assert text in found._repr_html_()
        assert text in found.curve.rescaled(effort=2.0).caveats


# ---------------------------------------------------------------------- carry-over
def test_stock_is_a_running_mean():
    effort = np.array([1.0, 5.0, 0.0, 2.0, 8.0, 2.0, 2.0, 2.0, 2.0, 4.0, 1.0])
    who = ["b"] * 3 + ["a"] * 8
    when = [2, 3, 4, 1, 2, 3, 4, 5, 6, 7, 8]
    order = np.random.default_rng(0).permutation(11)
    rows = read_rows(
        effort[order],
        np.arange(11.0),
        customer=np.array(who)[order],
        period=np.array(when)[order],
        weights=None,
        controls=None,
        adjust=None,
        ordered=True,
    )
    stock = rows.stock(0.25)
    expected = []
    for mine in (effort[3:], effort[:3]):
        last = mine.mean()
        for now in mine:
            last = 0.75 * now + 0.25 * last
            expected.append(last)
    assert stock == pytest.approx(expected)
    assert rows.stock(0.0) == pytest.approx(np.r_[effort[3:], effort[:3]])


def series(retention=0.5, n=150, periods=16, seed=0):
    rng = np.random.default_rng(seed)
    effort = rng.integers(0, 7, (n, periods)).astype(float)
    last, outcome = np.full(n, 3.0), np.zeros((n, periods))
    for t in range(periods):
        last = (1 - retention) * effort[:, t] + retention * last
        outcome[:, t] = 20 + ExponentialCurve(30.0, 0.4).value(last) + rng.normal(0, 8, n)
    who, when = np.indices((n, periods))
    return {"effort": effort.ravel(), "outcome": outcome.ravel(), "customer": who.ravel(), "period": when.ravel()}


def test_retention_is_estimated_with_an_interval():
    found = fit(**series(), carry_over="geometric")
    row = found.table.loc["retention"]
    assert row["low"] < 0.5 < row["high"]
    assert row["high"] - row["low"] < 0.15
    assert found.curve.value(3.0) == pytest.approx(ExponentialCurve(30.0, 0.4).value(3.0), rel=0.1)
    assert fit(**series(), carry_over=0.5).table.loc["retention", ["low", "high"]].tolist() == [0.5, 0.5]
    ignored = fit(**series())
    assert ignored.curve.value(3.0) < 0.8 * found.curve.value(3.0)
    assert "retention" not in ignored.table.index


def test_one_series_is_resampled_in_stretches():
    data = series(n=1, periods=160, seed=4)
    del data["customer"]
    found = fit(**data, carry_over="geometric")
    assert found.settings["resampled"] == "stretches of periods"
    assert found.settings["n_resampled"] == 18
    assert any("18 independent units" in text for text in found.warnings)
    dated = {**data, "period": pd.date_range("2024-01-01", periods=160, freq="W")}
    assert fit(**dated, carry_over="geometric").curve == found.curve


def test_few_customers_share_what_happens_in_a_period():
    assert fit(**series(n=5)).settings["resampled"] == "stretches of periods"
    assert fit(**series(n=5, periods=9)).settings["resampled"] == "periods"
    assert fit(**series(n=25)).settings["resampled"] == "customers"


# ---------------------------------------------------------------------- refused input
X, Y = np.tile([0.0, 1.0, 2.0, 3.0], 10), np.arange(40.0)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"effort": np.ones(40)}, FitError, "effort is 1 in every row"),
        ({"outcome": np.zeros(40)}, FitError, "outcome is 0 in every row: there is no response to fit"),
        ({"effort": -X}, ValueError, "effort must be 0 or more; it is negative in 30 rows: -1.0, -2.0"),
        (
            {"effort": np.where(X == 3, np.nan, X)},
            ValueError,
            r"effort is missing \(NaN\) or infinite in 10 rows: 3, 7",
        ),
        ({"outcome": np.where(Y == 3, np.inf, Y)}, ValueError, "outcome is missing .* in 1 row: 3"),
        ({"outcome": Y[:-1]}, ValueError, "outcome has 39 rows, effort has 40"),
        ({"effort": X.reshape(20, 2)}, ValueError, "effort must have one dimension"),
        ({"effort": X[:6], "outcome": Y[:6]}, FitError, "at least 8 rows, got 6"),
        ({"effort": ["many"] * 40}, TypeError, "effort must hold numbers"),
        ({"weights": -X}, ValueError, "weights must be 0 or more"),
        ({"customer": Y[:-1]}, ValueError, "customer has 39 rows, effort has 40"),
        ({"customer": [None, *range(39)]}, ValueError, "customer is missing in 1 row: 0"),
        ({"customer": np.arange(40) // 10}, FitError, "at least 8 independent customers, got 4"),
        ({"adjust": "within"}, ValueError, "give customer="),
        ({"adjust": "both"}, ValueError, "adjust must be None or one of 'within', 'lagged', got 'both'"),
        ({"adjust": "lagged"}, ValueError, "give period="),
        (
            {"adjust": "within", "customer": np.tile(np.arange(20), 2), "effort": np.tile(np.arange(20.0), 2)},
            FitError,
            "no customer's effort differs",
        ),
        ({"carry_over": "geometric"}, ValueError, "give period="),
        ({"carry_over": 1.0}, ValueError, "carry_over must be None, 'geometric' or a retention in"),
        ({"carry_over": 0.5, "period": X}, ValueError, "a period that has one already"),
        (
            {"carry_over": 0.5, "customer": np.arange(40) // 20, "period": np.r_[np.arange(20), np.arange(0, 40, 2)]},
            ValueError,
            "periods are missing between two rows of a customer .10 gaps.",
        ),
        ({"controls": np.ones((3, 2))}, ValueError, "controls must have one row for each of the 40 efforts"),
        ({"controls": np.where(Y == 2, np.nan, Y)}, ValueError, "controls are missing or infinite in 1 row: 2"),
        (
            {"family": "cubic"},
            ValueError,
            "family must be one of 'exponential', 'log', 'power', 'linear', 'hill', 'auto'",
        ),
        ({"level": 90}, ValueError, "level must be between 0 and 1, got 90"),
        ({"n_draws": 3}, ValueError, "n_draws must be a whole number of at least 20, got 3"),
        ({"randomized": "no"}, TypeError, "randomized must be True, False or None"),
        ({"random_state": "x"}, ValueError, "random_state must be"),
        ({"half": -1.0}, ValueError, "half must be a finite effort above 0, got -1"),
        ({"half": 1.0, "family": "power"}, ValueError, "half= has no meaning for the power curve"),
    ],
)
def test_errors(arguments, error, message):
    with pytest.raises(error, match=message):
        fit_response_curve(**{"effort": X, "outcome": Y, **arguments})


# ---------------------------------------------------------------------- the result
def test_result_protocol():
    x, y = sample(TRUTHS[0], n=400)
    found = fit(x, y, random_state=3)
    assert isinstance(found, CurveFit)
    assert list(found.table.columns) == ["estimate", "low", "high", "meaning"]
    assert list(found.table.index) == list(found.draws.columns) == ["baseline", "top", "rate"]
    assert found.curve.draws == pytest.approx(found.draws[["top", "rate"]].to_numpy())
    assert found.settings["random_state"] == 3
    assert found.settings["n_rows"] == found.settings["n_resampled"] == 400
    assert str(found).splitlines()[0].startswith("Response curve (exponential) from 400 rows, effort 0 to ")
    as_dict = json.loads(json.dumps(found.to_dict()))
    assert curve_from_dict(as_dict["curve"]) == found.curve
    assert as_dict["parameters"]["top"]["estimate"] == found.curve.top
    assert found.to_pandas().equals(found.table)
    quantiles = found.draws.quantile([0.05, 0.95]).T.to_numpy()
    assert found.table[["low", "high"]].to_numpy() == pytest.approx(quantiles)


def test_power_curve_has_an_infinite_first_slope_and_no_nan():
    x, y = sample(TRUTHS[2], n=400)
    row = fit(x, y, family="power").at(0.0).iloc[0]
    assert row["slope"] == row["slope_high"] == np.inf
    assert row["value_low"] == row["value_high"] == 0.0


def test_bins_hold_the_data():
    x, y = sample(TRUTHS[0], n=900, levels=[0.0, 1.0, 4.0])
    bins = fit(x, y).bins
    assert bins["effort"].tolist() == [0.0, 1.0, 4.0]
    assert bins["outcome"].to_list() == pytest.approx([y[x == level].mean() for level in (0, 1, 4)])
    assert bins["n_rows"].sum() == 900
    data = confounded(n=200)
    adjusted = fit(**data, adjust="within").bins
    truth = adjusted["outcome"].iloc[0] + ExponentialCurve(30.0, 0.4).value(adjusted["effort"].to_numpy())
    assert adjusted["outcome"].iloc[:5].to_numpy() == pytest.approx(truth[:5], abs=5.0)


def test_one_large_row_and_weak_outcomes_are_said():
    rng = np.random.default_rng(0)
    y = np.where(rng.random(400) < 0.02, 10.0, 0.0)
    y[7] = 500.0
    found = fit(rng.choice(np.arange(4.0), 400), y)
    assert any(text.startswith("One row holds") for text in found.warnings)
    assert found.settings["share_zero_outcome"] > 0.9


@pytest.mark.parametrize("n_controls", [0, 70])
def test_interval_is_that_of_least_squares_whatever_the_number_of_controls(n_controls):
    """Controls leave residuals too small: else the interval with 70 for 208 rows is too short by a fifth."""
    ratios = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x, z = rng.integers(0, 2, 208).astype(float), rng.normal(size=(208, n_controls))
        y = 100 + 20 * x + z.sum(axis=1) + rng.normal(0, 10, 208)
        fit = fit_response_curve(x, y, family="linear", controls=z, randomized=True, n_draws=500, random_state=seed)
        design = np.column_stack([np.ones(208), x, z])
        rest = y - design @ np.linalg.lstsq(design, y)[0]
        error = np.sqrt(np.linalg.inv(design.T @ design)[1, 1] * (rest @ rest) / (208 - 2 - n_controls))
        ratios.append(
            (fit.table.loc["slope_value", "high"] - fit.table.loc["slope_value", "low"]) / (2 * 1.645 * error)
        )
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.06)
    assert any("70 controls for 208 rows" in text for text in fit.warnings) == (n_controls == 70)


def test_more_controls_than_rows_can_bear_are_refused():
    rng = np.random.default_rng(0)
    x, y, z = rng.random(60), rng.random(60), rng.random((60, 50))
    with pytest.raises(FitError, match="could fit 50 of 60 rows by themselves"):
        fit_response_curve(x, y, controls=z, randomized=True)


def test_an_estimate_outside_of_its_interval_is_said():
    x = np.tile([0.0, 1.0, 2.0, 4.0], 10)
    none = dict.fromkeys(("customer", "period", "weights", "controls", "adjust"))
    rows = read_rows(x, x + np.sin(np.arange(40)), **none, ordered=False)
    form, at = Form("linear", {"cap": (4.0, 4.0)}), np.full((100, 1), 4.0)
    draws = Fitted(np.linspace(1.0, 2.0, 100), np.zeros(100), at)
    (told,) = _outside(form, rows, Fitted(np.array([0.5]), np.zeros(1), at[:1]), draws)
    assert told.startswith("The estimate at effort 1 (0.5) lies outside of its own interval (1.05 to 1.95)")
    assert _outside(form, rows, Fitted(np.array([1.5]), np.zeros(1), at[:1]), draws) == []


def test_hill_grid_is_the_hill_curve():
    rng = np.random.default_rng(0)
    stock, half, shape = rng.gamma(1, 3, 50), rng.uniform(0.1, 40, 30), rng.choice([0.3, 1.0, 4.2], 30)
    stock[:5] = 0.0
    form = Form("hill", {"half": (0.1, 40.0), "shape": (0.3, 6.0)})
    grid = form.values(stock, np.column_stack([half, shape]))
    each = [HillCurve(1.0, h, s).value(stock) for h, s in zip(half, shape, strict=True)]
    assert grid == pytest.approx(np.array(each).T, rel=1e-12, abs=1e-300)


LEVELS = np.tile([0.0, 1.0, 2.0, 4.0], 15)
RISING = 10 + LEVELS + np.sin(np.arange(60))


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"effort": pd.date_range("2020", periods=60)}, TypeError, "effort must hold numbers, got dates"),
        ({"effort": pd.to_timedelta(LEVELS, unit="D")}, TypeError, "effort must hold numbers, got durations"),
        ({"outcome": pd.Series(pd.date_range("2020", periods=60))}, TypeError, "outcome must hold numbers, got dates"),
        ({"effort": LEVELS + 1j}, TypeError, "got complex numbers"),
        ({"effort": [], "outcome": []}, FitError, "at least 8 rows, got 0"),
        ({"outcome": RISING * 1e200}, ValueError, "outcome goes up to .* use another unit"),
        ({"outcome": RISING * 1e-200}, ValueError, "outcome goes up to .* use another unit"),
        ({"controls": ["north", "south"] * 30}, TypeError, "get_dummies"),
        ({"controls": 1e200 * RISING}, ValueError, "controls go up to"),
        ({"half": "2"}, TypeError, "half must be a number"),
        ({"half": [1, 2]}, TypeError, "half must be a number"),
        ({"level": "0.9"}, ValueError, "level must be between 0 and 1"),
        ({"n_draws": True}, ValueError, "n_draws must be a whole number"),
    ],
)
def test_input_that_is_no_effort_and_outcome(change, error, words):
    with pytest.raises(error, match=words):
        fit_response_curve(**{"effort": LEVELS, "outcome": RISING, "randomized": True} | change)


def test_efforts_to_look_at_must_be_numbers():
    fit = fit_response_curve(LEVELS, RISING, randomized=True, n_draws=20, random_state=0)
    with pytest.raises(TypeError, match="effort must be a number"):
        fit.at("a")
    with pytest.raises(ValueError, match="a number or a list of them"):
        fit.at(np.ones((2, 2)))


def test_dates_that_are_missing_for_all_are_said():
    weeks = pd.date_range("2024-01-01", periods=70, freq="W")
    settings = {"carry_over": 0.3, "randomized": True, "n_draws": 20, "random_state": 0}
    whole = fit_response_curve(LEVELS, RISING, period=weeks[:60], **settings)
    gap = fit_response_curve(LEVELS, RISING, period=weeks[:30].append(weeks[40:]), **settings)
    assert not any("Between two periods" in text for text in whole.warnings)
    assert any("Between two periods lie up to 77 days, usually 7" in text for text in gap.warnings)


def test_an_effort_that_may_bring_everything_is_said():
    """No week without effort, and sales in proportion to it: nothing tells what comes without."""
    rng = np.random.default_rng(0)
    x = rng.uniform(5, 10, 100)
    all_of_it = fit_response_curve(x, 3 * x + rng.normal(0, 3, 100), randomized=True, n_draws=200, random_state=0)
    assert any("the effort brings the whole outcome" in text for text in all_of_it.warnings)
    # where rows without effort have no outcome, the data do say so
    seen = fit_response_curve(LEVELS, 3 * LEVELS, randomized=True, n_draws=50, random_state=0)
    assert not any("the effort brings the whole outcome" in text for text in seen.warnings)
