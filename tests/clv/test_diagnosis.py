"""Findings about fits: every way in which a fit can end has its words."""

import itertools

import numpy as np
import pytest
from scipy.stats import spearmanr

from segmentation.clv._diagnosis import purchase_findings, rank_correlation, spend_findings
from segmentation.clv._fit import Fit
from segmentation.clv._formulas import PURCHASE_MODELS

X = np.r_[np.zeros(60), np.full(40, 2.0)]
T = np.full(100, 400.0)
SPEND = np.linspace(5, 50, 40)


def ended(n=4, *, bound=None, upwards=False, undetermined=(), converged=True):
    """A fit that ended in a given way; parameters are named by position."""
    return Fit(
        params=(1.0,) * n,
        log_likelihood=-10.0,
        converged=converged,
        at_bound=tuple(i == bound for i in range(n)),
        towards_infinity=tuple(i == bound and upwards for i in range(n)),
        undetermined=tuple(i in undetermined for i in range(n)),
    )


def about_spend(fit, values=SPEND, left_out=0, correlation=0.0, mean=20.0, fallback=None):
    return spend_findings(fit, values, left_out, correlation, mean, fallback)


def test_a_good_fit_has_no_findings():
    assert purchase_findings("mbg_nbd", ended(), X, T, 365) == []
    assert about_spend(ended(3)) == []


@pytest.mark.parametrize("model", sorted(PURCHASE_MODELS))
@pytest.mark.parametrize(("position", "upwards"), list(itertools.product(range(4), (True, False))))
def test_every_limit_of_a_purchase_parameter_is_explained(model, position, upwards):
    (finding,) = purchase_findings(model, ended(bound=position, upwards=upwards), X, T, 365)
    name, direction = PURCHASE_MODELS[model].parameters[position], "infinity" if upwards else "zero"
    assert finding.doubtful
    assert f"{name} ran towards {direction}" in finding.text


@pytest.mark.parametrize(("position", "upwards"), list(itertools.product(range(3), (True, False))))
def test_every_limit_of_a_spend_parameter_is_explained(position, upwards):
    (finding,) = about_spend(ended(3, bound=position, upwards=upwards))
    assert finding.doubtful
    assert f"{'pqv'[position]} ran towards {'infinity' if upwards else 'zero'}" in finding.text


def test_parameters_the_data_say_nothing_about_are_named():
    (finding,) = purchase_findings("mbg_nbd", ended(undetermined=(2, 3)), X, T, 365)
    assert "next to nothing about a and b" in finding.text
    # a time runs along with its shape: on its own it is no finding
    assert purchase_findings("pareto_nbd", ended(undetermined=(1, 3)), X, T, 365) == []


def test_fits_that_did_not_settle():
    (finding,) = purchase_findings("bg_nbd", ended(converged=False), X, T, 365)
    assert finding.doubtful
    assert "did not settle" in finding.text
    (finding,) = about_spend(ended(3, converged=False))
    assert "did not settle" in finding.text


@pytest.mark.parametrize(("correlation", "found", "doubtful"), [(0.2, 0, 0), (0.4, 1, 0), (-0.4, 1, 0), (0.6, 1, 1)])
def test_spend_that_depends_on_frequency(correlation, found, doubtful):
    findings = about_spend(ended(3), correlation=correlation)
    assert (len(findings), sum(f.doubtful for f in findings)) == (found, doubtful)
    assert all(("more" if correlation > 0 else "less") in f.text for f in findings)
    # among a few customers a correlation is chance
    assert about_spend(ended(3), SPEND[:20], correlation=correlation) == []


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


def test_rank_correlation_is_spearmans():
    rng = np.random.default_rng(0)
    first = rng.integers(0, 5, 200).astype(float)
    second = first + rng.normal(size=200)
    assert rank_correlation(first, second) == pytest.approx(spearmanr(first, second).statistic)
    assert rank_correlation(np.ones(3), np.array([1.0, 2.0, 3.0])) == 0.0
    assert rank_correlation(np.ones(1), np.ones(1)) == 0.0
