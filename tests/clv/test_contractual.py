"""sBG and BdW: published numbers, closed forms, properties, recovery, degenerate and bad data."""

import itertools
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import hyp2f1

from segmentation.clv import BetaDiscreteWeibull, ShiftedBetaGeo
from segmentation.exceptions import CustomerTableError, FitError

# Fader, Hardie (2007): share of customers still there, in %, years 0 to 7
REGULAR = [100, 63.1, 46.8, 38.2, 32.6, 28.9, 26.2, 24.1]
HIGH_END = [100, 86.9, 74.3, 65.3, 59.3, 55.1, 51.7, 49.1]
MODELS = [ShiftedBetaGeo, BetaDiscreteWeibull]
SBG = ShiftedBetaGeo.from_params(0.6681, 3.8061)
BDW = BetaDiscreteWeibull.from_params(0.26, 1.7, 1.58)

both = pytest.mark.parametrize("model", MODELS)


def cohort(percentages):
    return 10 * np.array(percentages)


@st.composite
def contracts(draw, most=9):
    """Possible customers."""
    left = draw(st.lists(st.booleans(), min_size=1, max_size=8))
    tenure = [draw(st.integers(int(gone), most)) for gone in left]
    return np.array(tenure), np.array(left)


@st.composite
def models(draw):
    """Return either model, with moderate parameters."""
    alpha, beta = (math.exp(draw(st.floats(-4, 4))) for _ in range(2))
    if draw(st.booleans()):
        return ShiftedBetaGeo.from_params(alpha, beta)
    return BetaDiscreteWeibull.from_params(alpha, beta, math.exp(draw(st.floats(-1.5, 1.2))))


# --- published numbers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("survivors", "alpha", "beta", "log_likelihood"),
    [(REGULAR, 0.7041, 1.1820, -1680.265), (HIGH_END, 0.6681, 3.8061, -1611.158)],
    ids=["regular", "high end"],
)
def test_published_sbg(survivors, alpha, beta, log_likelihood):
    """Seven years of 1,000 customers; parameters and log-likelihoods are recomputations."""
    model = ShiftedBetaGeo().fit_survivors(cohort(survivors))
    assert model.params_ == pytest.approx({"alpha": alpha, "beta": beta}, rel=0.005)
    assert model.log_likelihood_ == pytest.approx(log_likelihood, abs=0.01)
    assert model.diagnosis_ == ()
    assert model.converged_
    assert model.n_customers_ == 1000
    assert abs(model.survival(7) - survivors[7] / 100) < 0.01


@pytest.mark.parametrize("survivors", [REGULAR, HIGH_END], ids=["regular", "high end"])
def test_bdw_beside_sbg(survivors):
    """It contains sBG, so it fits no worse; Regular is compatible with c = 1, High End is not."""
    simple, model = (m().fit_survivors(cohort(survivors)) for m in MODELS)
    assert model.log_likelihood_ >= simple.log_likelihood_
    test = model.likelihood_ratio_test(simple)
    assert test.statistic == pytest.approx(2 * (model.log_likelihood_ - simple.log_likelihood_))
    assert test.df == 1
    assert (test.p_value < 0.01) == (survivors is HIGH_END)
    assert test.p_value == pytest.approx(math.erfc(math.sqrt(test.statistic / 2)), rel=1e-9)


def test_likelihood_ratio_needs_the_same_customers():
    simple, model = (m().fit_survivors(cohort(REGULAR)) for m in MODELS)
    for other, message in (
        (ShiftedBetaGeo().fit_survivors(REGULAR), "different customers"), (SBG, "fitted to data"),
        (model, "BetaDiscreteWeibull is not nested in BetaDiscreteWeibull"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            model.likelihood_ratio_test(other)
    with pytest.raises(ValueError, match="fitted to data"):
        BDW.likelihood_ratio_test(simple)


# --- closed forms and oracles ----------------------------------------------------------------------------------------


def test_recursion_of_the_paper():
    """P(T = 1) = alpha / (alpha + beta), P(T = t) = (beta + t - 2) / (alpha + beta + t - 1) P(T = t - 1)."""
    alpha, beta = SBG.params_.values()
    p = [alpha / (alpha + beta)]
    for t in range(2, 40):
        p.append((beta + t - 2) / (alpha + beta + t - 1) * p[-1])
    np.testing.assert_allclose(1 - SBG.survival(np.arange(1, 40)), np.cumsum(p), rtol=1e-10)
    t = np.arange(1, 40)
    np.testing.assert_allclose(SBG.retention_rate(t), (beta + t - 1) / (alpha + beta + t - 1), rtol=1e-10)
    for i in range(39):
        assert SBG.log_likelihood(i + 1, True) == pytest.approx(math.log(p[i]))


@pytest.mark.parametrize("rate", [1e-5, 0.01, 0.1, 1.0])
def test_discounted_lifetime_closed_form(rate):
    """DERL of Fader, Hardie (2010), Marketing Science 29(1), with Gauss's hypergeometric function."""
    alpha, beta = SBG.params_.values()
    n = np.array([1, 2, 5, 50])
    mp = pytest.importorskip("mpmath")
    factor = [float(mp.hyp2f1(1, beta + k, alpha + beta + k, 1 / (1 + mp.mpf(rate)))) for k in n]
    closed = (beta + n - 1) / (alpha + beta + n - 1) * np.array(factor)
    np.testing.assert_allclose(SBG.discounted_expected_remaining(rate, n - 1), closed, rtol=1e-6)
    if rate == 0.1:
        np.testing.assert_allclose(factor, hyp2f1(1, beta + n, alpha + beta + n, 1 / 1.1), rtol=1e-9)


def test_bdw_mpmath():
    mp = pytest.importorskip("mpmath").mp.clone()
    mp.dps = 50
    for params, t in itertools.product(
        [(0.26, 1.7, 1.58), (0.01, 200.0, 0.3), (900.0, 0.01, 2.0), (5.0, 3.0, 15.0)], [1, 2, 7, 300, 10**6]
    ):
        alpha, beta, c = map(mp.mpf, params)
        survival = lambda t: mp.beta(alpha, beta + mp.mpf(t) ** c) / mp.beta(alpha, beta)  # noqa: B023, E731
        model = BetaDiscreteWeibull.from_params(*params)
        stays, leaves = mp.log(survival(t)), mp.log(survival(t - 1) - survival(t))
        assert model.log_likelihood(t, False) == pytest.approx(float(stays), rel=1e-8, abs=1e-8)
        if leaves > -600:
            assert model.log_likelihood(t, True) == pytest.approx(float(leaves), rel=1e-8, abs=1e-8)


@settings(deadline=None, max_examples=40)
@given(models(), contracts())
def test_gradient(model, rows):
    tenure, left = rows[0].astype(float), rows[1]
    theta = np.log(list(model.params_.values()))

    def value(at):
        return model.from_params(*np.exp(at)).log_likelihood(tenure, left)

    gone, stayed = tenure[left], tenure[~left]
    params = tuple(np.exp(theta))
    slope = model._churn_slopes(params, gone).sum(axis=1) + model._survival_slopes(params, stayed).sum(axis=1)
    numerical = [(value(theta + h) - value(theta - h)) / 2e-5 for h in 1e-5 * np.eye(len(theta))]
    np.testing.assert_allclose(slope, numerical, rtol=1e-4, atol=1e-5 * (1 + np.abs(slope).max()))


# --- properties ------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=50)
@given(models(), st.integers(0, 15), st.integers(1, 15))
def test_predictions_agree_with_each_other(model, tenure, horizon):
    curve = model.survival(np.arange(tenure + horizon + 1))
    assert curve[0] == 1
    assert np.all(np.diff(curve) <= 0)
    assert np.all((curve > 0) & (curve <= 1))
    conditional = curve[tenure:] / curve[tenure]
    assert model.churn_probability(horizon, tenure) == pytest.approx(1 - conditional[-1], abs=1e-9)
    assert model.expected_remaining_periods(horizon, tenure) == pytest.approx(conditional[1:].sum(), rel=1e-7)
    assert model.retention_rate(tenure + 1) == pytest.approx(conditional[1], abs=1e-9)
    # the chances to leave in each period and to stay sum to 1
    leaves = [math.exp(model.log_likelihood(t, True)) for t in range(1, tenure + horizon + 1)]
    assert sum(leaves) + curve[-1] == pytest.approx(1, abs=1e-8)
    assert model.churn_probability(0, tenure) == 0
    assert model.expected_remaining_periods(0, tenure) == 0
    discounted = model.discounted_expected_remaining(0, tenure, horizon=horizon)
    assert discounted == pytest.approx(model.expected_remaining_periods(horizon, tenure), rel=1e-12)
    weights = 1.1 ** -np.arange(horizon)
    part = model.discounted_expected_remaining(0.1, tenure, horizon=horizon)
    assert part == pytest.approx(float(weights @ conditional[1:]), rel=1e-7)
    assert part <= model.discounted_expected_remaining(0.1, tenure) * (1 + 1e-9) <= 11 * (1 + 1e-6)


@settings(deadline=None, max_examples=20)
@given(st.floats(-4, 4), st.floats(-4, 4), contracts())
def test_bdw_with_c_1_is_sbg(log_alpha, log_beta, rows):
    params = math.exp(log_alpha), math.exp(log_beta)
    simple, model = ShiftedBetaGeo.from_params(*params), BetaDiscreteWeibull.from_params(*params, 1.0)
    assert model.log_likelihood(*rows) == pytest.approx(simple.log_likelihood(*rows), rel=1e-7, abs=1e-9)
    np.testing.assert_allclose(model.churn_probability(5, rows[0]), simple.churn_probability(5, rows[0]), rtol=1e-7)


@settings(deadline=None, max_examples=20)
@given(st.sampled_from(MODELS), contracts(), st.data())
def test_weights_are_exploded_rows(model, rows, data):
    weights = data.draw(st.lists(st.integers(0, 4), min_size=len(rows[0]), max_size=len(rows[0])))
    many = [np.repeat(column, weights) for column in rows]
    if many[0].any():
        left, right = model().fit(*rows, weights=weights), model().fit(*many)
        assert left.params_ == pytest.approx(right.params_)
        assert left.log_likelihood_ == pytest.approx(right.log_likelihood_)
        assert left.log_likelihood(*many) == pytest.approx(left.log_likelihood(*rows, weights=weights))
        assert left.log_likelihood(*many) == pytest.approx(left.log_likelihood_, abs=1e-6)


@both
def test_survivors_are_customers(model):
    counts = [50, 30, 22, 20]
    tenure = [1] * 20 + [2] * 8 + [3] * 22
    left = [True] * 30 + [False] * 20
    assert model().fit_survivors(counts).params_ == pytest.approx(model().fit(tenure, left).params_)


# --- simulation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "truth",
    [SBG, BetaDiscreteWeibull.from_params(1.5, 6.0, 1.3), BetaDiscreteWeibull.from_params(1.0, 4.0, 0.7)],
    ids=repr,
)
def test_recovery(truth):
    periods = np.resize([4, 9, 14], 30000)
    tenure, left = truth.simulate(30000, periods, 2)
    assert np.all(tenure <= periods)
    assert np.all(tenure[left] >= 1)
    for t in (1, 4):
        share = np.mean(~left | (tenure > t))
        assert abs(share - truth.survival(t)) < 4 * math.sqrt(share * (1 - share) / 30000) or t == 4
    model = type(truth)().fit(tenure, left)
    for name, value in truth.params_.items():
        assert abs(model.params_[name] - value) < 3.5 * model.standard_errors_[name]
    assert model.log_likelihood_ >= truth.log_likelihood(tenure, left)


def test_likelihood_ratio_keeps_its_level():
    """Under c = 1 the test at 5 % rejects at most 11 of 80 samples (99.9 % of the binomial distribution)."""
    rng, truth, rejected = np.random.default_rng(4), ShiftedBetaGeo.from_params(1.0, 3.0), 0
    for _ in range(80):
        tenure, left = truth.simulate(2000, 8, rng)
        simple, model = (m().fit(tenure, left) for m in MODELS)
        rejected += model.likelihood_ratio_test(simple).p_value < 0.05
    assert 1 <= rejected <= 11


# --- degenerate data -------------------------------------------------------------------------------------------------

BATTERY = {
    "one who left": ([3], [True], None, "differ|stopped"),
    "one who stays": ([3], [False], None, "nobody has left"),
    "nobody left": ([5] * 100, [False] * 100, None, "nobody has left"),
    "all left at once": ([1] * 100, [True] * 100, None, "everybody left in the first period"),
    "all left in period 4": ([4] * 100, [True] * 100, None, "stopped|next to nothing"),
    "constant tenure": ([4] * 100, [True] * 50 + [False] * 50, None, "stopped|next to nothing"),
    "one period": ([1, 1], [True, False], [30, 70], "only 1 period observed"),
    "two periods": ([1, 2, 2], [True, True, False], [30, 20, 50], None),
    "new customers": ([0, 0, 1, 2], [False, False, True, False], [500, 500, 5, 5], None),
    "alike": (
        np.arange(1, 31),
        [True] * 30,
        1000 * 0.2 * 0.8 ** np.arange(30),
        "stopped|next to nothing|hardly differ",
    ),
    "huge counts": ([1, 2, 3, 4, 4], [True] * 4 + [False], [3e11, 2e11, 1e11, 5e10, 1e12], None),
    "tiny weights": ([1, 2, 3, 3], [True, True, True, False], [1e-7, 1e-7, 1e-7, 1e-6], "differ"),
    "long": ([10**6, 10**6, 3], [False, True, True], [1000, 10, 10], None),
    "late": ([1000, 1001, 1002, 1003], [True] * 4, [9, 9, 9, 9], "stopped|next to nothing"),
    "either way": ([1, 100], [True, False], [50, 50], "stopped|next to nothing"),
}


@both
@pytest.mark.parametrize("case", BATTERY)
def test_degenerate(model, case):
    """No numerical error, warning, NaN or infinity; the diagnosis says what cannot be known."""
    tenure, left, weights, said = BATTERY[case]
    fitted = model().fit(tenure, left, weights)
    numbers = [*fitted.params_.values(), *fitted.standard_errors_.values(), fitted.log_likelihood_, fitted.bic_]
    assert np.all(np.isfinite(numbers))
    assert np.all(np.isfinite(fitted.covariance_))
    if said is not None:
        assert any(word in text for text in fitted.diagnosis_ for word in said.split("|")), fitted.diagnosis_
    stayed = np.append(tenure, [0, 50, 10**6])
    churn = fitted.churn_probability(12, stayed)
    assert np.all((churn >= 0) & (churn <= 1))
    left_over = fitted.expected_remaining_periods(12, stayed)
    assert np.all((left_over >= 0) & (left_over <= 12))
    for rate in (1e-6, 0.1):
        total = fitted.discounted_expected_remaining(rate, stayed)
        assert np.all((total >= 0) & (total <= (1 + 1 / rate) * (1 + 1e-6)))
    assert np.all(np.diff(fitted.survival(np.arange(2000))) <= 1e-10)
    sample = fitted.simulate(200, 20, 0)
    assert np.all(np.isfinite(sample.tenure))
    assert np.all((sample.tenure >= 1) & (sample.tenure <= 20))


@both
def test_sensible_where_undetermined(model):
    stay, leave = model().fit([6], [False], [500]), model().fit([1], [True], [500])
    assert stay.churn_probability(1, 6) < 0.001
    assert leave.churn_probability(1, 0) > 0.99
    # only the share of the first period is known, and it is reproduced
    once = model().fit([1, 1], [True, False], [300, 700])
    assert once.survival(1) == pytest.approx(0.7, abs=1e-4)


@both
def test_pickle(model):
    fitted = model().fit_survivors(cohort(REGULAR))
    other = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(other.survival(np.arange(9)), fitted.survival(np.arange(9)))


def test_scalars_and_arrays():
    assert isinstance(SBG.survival(3), float)
    assert SBG.survival([[1, 2], [3, 4]]).shape == (2, 2)
    assert isinstance(SBG.expected_remaining_periods(3), float)
    assert SBG.expected_remaining_periods(3, [0, 5]).shape == (2,)
    assert SBG.discounted_expected_remaining(0.1, []).shape == (0,)


# --- bad input -------------------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize(
    ("tenure", "left", "said"),
    [
        ([1.5], [True], "whole number of periods"),
        ([-1], [False], "whole number of periods"),
        ([0], [True], "period 1 or later"),
        ([2], [0.5], "True or False"),
        ([np.nan, 1], [True, True], "missing"),
        ([3, 0, 0], [True, True, True], r"row 1: tenure 0, churned 1, and 1 more row"),
    ],
)
def test_impossible_customers(model, tenure, left, said):
    with pytest.raises(CustomerTableError, match=said):
        model().fit(tenure, left)


@both
def test_nothing_to_learn(model):
    for rows in (([], []), ([0, 0], [False, False])):
        with pytest.raises(FitError, match="nobody could have left yet"):
            model().fit(*rows)
    for counts in ([], [5], [0, 0]):
        with pytest.raises(FitError, match="survivors must start"):
            model().fit_survivors(counts)
    for counts, said in (([100, 60, 61], "number 2 is 61 after 60"), ([100, -1], "number 1 is -1"), ([np.nan], "nan")):
        with pytest.raises(CustomerTableError, match=said):
            model().fit_survivors(counts)


def test_bad_arguments():
    for call, said in (
        (lambda: SBG.survival(-1), "from 0 on"),
        (lambda: SBG.survival(1.5), "whole periods"),
        (lambda: SBG.survival(np.nan), "whole periods"),
        (lambda: SBG.retention_rate(0), "from 1 on"),
        (lambda: SBG.churn_probability(1.5), "whole number"),
        (lambda: SBG.churn_probability(np.inf), "finite"),
        (lambda: SBG.churn_probability([1, 2]), "one whole number"),
        (lambda: SBG.discounted_expected_remaining(0), "positive discount rate"),
        (lambda: SBG.discounted_expected_remaining(-1), "from 0 on"),
        (lambda: SBG.simulate(-1, 5), "n_customers"),
        (lambda: SBG.simulate(3, [1, 2]), "one for each"),
        (lambda: ShiftedBetaGeo().survival(1), "no parameters yet"),
        (lambda: ShiftedBetaGeo.from_params(1.0), "missing"),
        (lambda: BetaDiscreteWeibull.from_params(1.0, 1.0, 0.0), "positive"),
    ):
        with pytest.raises(ValueError, match=said):
            call()


def test_change_with_tenure_alone_is_no_doubt():
    """Alike customers: alpha and beta are known by their ratio only, which is no reason to doubt the model."""
    tenure, left, weights, _ = BATTERY["alike"]
    model = BetaDiscreteWeibull().fit(tenure, left, weights)
    (finding,) = model._findings
    assert not finding.doubtful
    assert f"c = {model.params_['c']:.2f} alone" in finding.text
    assert model.retention_rate(5) == pytest.approx(0.8, abs=0.01)
