"""Findings about fits: every way in which a fit can end has its words."""

import itertools

import numpy as np
import pytest
from scipy.stats import spearmanr

from segmentation.clv import BetaGeoNBD, GammaGamma, ModifiedBetaGeoNBD, ParetoNBD
from segmentation.clv._diagnosis import purchase_findings, rank_correlation, spend_findings
from segmentation.clv._optimise import Optimum
from segmentation.clv._rows import Histories

MODELS = [BetaGeoNBD, ModifiedBetaGeoNBD, ParetoNBD]
X = np.r_[np.zeros(60), np.full(40, 2.0)]
SPEND = np.linspace(5, 50, 40)


def ended(n=4, *, bound=None, upwards=False, undetermined=(), converged=True):
    """A fit that ended in a given way; parameters are named by position."""
    at_bound = np.arange(n) == bound
    return Optimum(
        theta=np.zeros(n),
        value=-10.0,
        covariance=np.eye(n),
        information=np.eye(n),
        converged=converged,
        sharp=bound is None,
        at_bound=at_bound,
        towards_infinity=at_bound & upwards,
        undetermined=np.isin(np.arange(n), undetermined),
    )


def about(model, optimum, x=X):
    x = np.asarray(x, dtype=float)
    return purchase_findings(model(), optimum, Histories.of(x, x, np.full(len(x), 400.0), np.ones(len(x))))


def about_spend(optimum, values=SPEND, left_out=0, mean=20.0, fallback=None, frequency=None, q=3.0):
    frequency = 2.0 - np.arange(len(values)) % 2 if frequency is None else frequency
    return spend_findings(optimum, frequency, values, np.ones(len(values)), left_out, mean, fallback, q)


def test_a_good_fit_has_no_findings():
    assert about(ModifiedBetaGeoNBD, ended()) == []
    assert about_spend(ended(3)) == []


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("position", "upwards"), list(itertools.product(range(4), (True, False))))
def test_every_limit_of_a_purchase_parameter_is_explained(model, position, upwards):
    (finding,) = about(model, ended(bound=position, upwards=upwards))
    name, direction = model.parameters[position], "infinity" if upwards else "zero"
    assert finding.doubtful
    assert f"{model.title}: {name} ran towards {direction}" in finding.text
    assert "more extreme than any number" not in finding.text


@pytest.mark.parametrize(("position", "upwards"), list(itertools.product(range(3), (True, False))))
def test_every_limit_of_a_spend_parameter_is_explained(position, upwards):
    (finding,) = about_spend(ended(3, bound=position, upwards=upwards))
    assert finding.doubtful
    assert f"{'pqv'[position]} ran towards {'infinity' if upwards else 'zero'}" in finding.text


def test_parameters_the_data_say_nothing_about_are_named():
    (finding,) = about(ModifiedBetaGeoNBD, ended(undetermined=(2, 3)))
    assert "next to nothing about a and b" in finding.text
    # a time runs along with its shape: on its own it is no finding
    assert about(ParetoNBD, ended(undetermined=(1, 3))) == []
    # neither is what ran to its limit named twice
    (finding,) = about(ParetoNBD, ended(bound=0, undetermined=(0,)))
    assert "ran towards zero" in finding.text


def test_fits_that_did_not_settle():
    (finding,) = about(BetaGeoNBD, ended(converged=False))
    assert finding.doubtful
    assert "did not settle" in finding.text
    (finding,) = about_spend(ended(3, converged=False))
    assert "did not settle" in finding.text


def test_customers_that_make_a_fit_doubtful():
    (few,) = about(BetaGeoNBD, ended(), X[:61])
    assert few.text.startswith("only 1 of 61 customers has bought again")
    (all_repeat,) = about(BetaGeoNBD, ended(), X[60:])
    assert all_repeat.text.startswith("every customer has bought again")
    (giant,) = about(BetaGeoNBD, ended(), np.append(X, 80.0))
    assert giant.text.startswith("one customer makes 50.0 % of all repeat purchases (80)")
    assert (few.doubtful, all_repeat.doubtful, giant.doubtful) == (True, True, False)


@pytest.mark.parametrize(("share", "found", "doubtful"), [(0.0, 0, 0), (0.3, 1, 0), (1.0, 1, 1)])
@pytest.mark.parametrize("sign", [1, -1])
def test_spend_that_depends_on_frequency(share, found, doubtful, sign):
    rng = np.random.default_rng(0)
    values = np.linspace(5, 50, 400)
    frequency = 100 + sign * (share * values / 13 + (1 - share) * rng.normal(size=400))
    assert share == 1 or abs(rank_correlation(frequency, values)) < 0.5
    findings = about_spend(ended(3), values, frequency=frequency)
    assert (len(findings), sum(f.doubtful for f in findings)) == (found, doubtful)
    assert all(("more" if sign > 0 else "less") in f.text for f in findings)
    # among a few customers a correlation is chance
    assert about_spend(ended(3), values[:20], frequency=frequency[:20]) == []


@pytest.mark.parametrize(("left_out", "doubtful"), [(2, False), (20, True)])
def test_customers_left_out_of_the_spend_model(left_out, doubtful):
    (finding,) = about_spend(ended(3), left_out=left_out)
    assert finding.doubtful is doubtful
    assert f"{left_out} repeat customers" in finding.text


def test_fallbacks_name_both_means():
    (infinite,) = about_spend(ended(3), mean=np.inf, fallback=27.5)
    assert "infinite" in infinite.text
    (far,) = about_spend(ended(3), mean=5000.0, fallback=27.5)
    assert "5,000" in far.text
    assert "27.50" in far.text
    (variance,) = about_spend(ended(3), q=1.8)
    assert "variance of spend is infinite (q is 1.8, at most 2)" in variance.text
    assert not variance.doubtful


def test_spend_that_does_not_vary():
    (alike,) = about_spend(ended(3, bound=0, upwards=True), np.full(40, 9.0))
    assert alike.text.startswith("all repeat customers spend the same per purchase (9")
    (single,) = about_spend(ended(3), np.array([9.0]))
    assert single.text.startswith("only one repeat customer has a spend (9")
    assert (alike.doubtful, single.doubtful) == (False, True)
    assert GammaGamma().fit([3], [9.0]).diagnosis_[0] == single.text


def test_rank_correlation_is_spearmans():
    rng = np.random.default_rng(0)
    first = rng.integers(0, 5, 200).astype(float)
    second = first + rng.normal(size=200)
    assert rank_correlation(first, second) == pytest.approx(spearmanr(first, second).statistic)
    weights = rng.integers(0, 4, 200)
    assert rank_correlation(first, second, weights.astype(float)) == pytest.approx(
        spearmanr(first.repeat(weights), second.repeat(weights)).statistic
    )
    assert rank_correlation(np.ones(3), np.array([1.0, 2.0, 3.0])) == 0.0
    assert rank_correlation(np.ones(1), np.ones(1)) == 0.0
