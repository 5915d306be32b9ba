"""Covariates: derivatives, recovery, penalty, invariance, prediction for new customers, bad input."""

import importlib.util
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from segmentation.clv import BetaGeoNBD, ModifiedBetaGeoNBD, ParetoNBD
from segmentation.clv._covariates import read_covariates
from segmentation.clv._purchase_fit import _collapse
from segmentation.exceptions import ColumnError

PATH = Path(__file__).resolve().parents[2] / "benchmarks" / "bench_clv_covariates.py"
specification = importlib.util.spec_from_file_location("bench_clv_covariates", PATH)
study = importlib.util.module_from_spec(specification)
specification.loader.exec_module(study)

MODELS = [BetaGeoNBD, ModifiedBetaGeoNBD, ParetoNBD]
every_model = pytest.mark.parametrize("model", MODELS)


def market(model, n=600, seed=0):
    return study.market(model.__name__, n, seed, study.EFFECTS)


# --- statistics: the small size of benchmarks/bench_clv_covariates.py ------------------------------------------------


@every_model
def test_intervals_hold_the_truth(model):
    """90 % intervals of 4 coefficients in 60 markets; 86 and 94 % are widened by the Monte Carlo error."""
    z = np.array([study.errors_of(model.__name__, 800, 500 + seed)[0] for seed in range(60)])
    covered = np.mean(np.abs(z) < study.Z)
    error = 2.58 * math.sqrt(0.9 * 0.1 / z.size)
    assert 0.86 - error < covered < 0.94 + error
    assert np.all(np.abs(z.mean(axis=0)) < 3.5 / math.sqrt(60) + 0.1)


@pytest.mark.parametrize("model", [ModifiedBetaGeoNBD])
def test_likelihood_ratio_test_keeps_its_size(model):
    rejected = sum(study.p_value(model.__name__, 300, 900 + seed) < 0.05 for seed in range(200))
    low, high = binom.interval(0.99, 200, 0.05)
    assert low <= rejected <= high


@every_model
def test_likelihood_ratio_test_sees_effects(model):
    history, z = market(model)
    larger, smaller = model().fit(*history, covariates=z), model().fit(*history)
    test = larger.likelihood_ratio_test(smaller)
    assert test.statistic == pytest.approx(2 * (larger.log_likelihood_ - smaller.log_likelihood_))
    assert test.df == 4
    assert test.p_value < 1e-6
    middle = model().fit(*history, covariates={"purchase": z})
    assert larger.likelihood_ratio_test(middle).df == 2
    with pytest.raises(ValueError, match="fewer parameters"):
        smaller.likelihood_ratio_test(larger)
    with pytest.raises(ValueError, match="different customers"):
        larger.likelihood_ratio_test(model().fit(*(column[:300] for column in history)))
    with pytest.raises(ValueError, match="penalty=0 only"):
        model(penalty=1.0).fit(*history, covariates=z).likelihood_ratio_test(smaller)


# --- the objective ---------------------------------------------------------------------------------------------------


@every_model
@pytest.mark.parametrize("penalty", [0.0, 3.0])
def test_gradient_is_the_differences(model, penalty):
    history, z = market(model, 80)
    table = read_covariates({"purchase": z, "dropout": z[:, :1] * 100 + 7}, 80)
    histories, places = _collapse(history, np.linspace(0.5, 2, 80), table)
    scaled = histories.scaled(1 / 500)
    fitter = model(penalty=penalty)
    standards = fitter._standards(scaled.weights, table, places)
    objective, _ = fitter._regression(scaled, table, places, standards)
    for start in ([0.5, 0.1, 0.8, 2.5], [300.0, 40.0, 0.01, 50.0], [0.02, 1e-4, 5.0, 0.01]):
        theta = np.concatenate([np.log(start), [0.4, -0.5, 0.3]])
        value, gradient = objective.value_and_gradient(theta)
        steps = 1e-5 * np.eye(7)
        numeric = [
            (objective.value_and_gradient(theta + h)[0] - objective.value_and_gradient(theta - h)[0]) / 2e-5
            for h in steps
        ]
        np.testing.assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-6 * np.abs(gradient).max())
        # by the definition: alpha exp(-g'z), and a exp(h'z) or beta exp(-h'z), of standardised z
        buying, leaving = (s.apply(m) for s, m in zip(standards, (table.purchase, table.dropout), strict=True))
        params = [np.full(80, v) for v in start]
        params[1] = params[1] * np.exp(-buying @ theta[4:6])
        drop, sign = (3, -1) if model is ParetoNBD else (2, 1)
        params[drop] = params[drop] * np.exp(sign * leaving @ theta[6:])
        rows = fitter._log_likelihood_rows(params, history[0], history[1] / 500, history[2] / 500)
        spread = np.concatenate([standards[0].spread, standards[1].spread])
        shrunk = penalty * float(((theta[4:] / spread) ** 2).sum())
        assert value == pytest.approx(float(np.linspace(0.5, 2, 80) @ rows) - shrunk, rel=1e-10)


@every_model
def test_log_likelihood_is_that_at_the_parameters(model):
    history, z = market(model)
    for penalty in (0.0, 20.0):
        fitted = model(penalty=penalty).fit(*history, covariates=z)
        assert fitted.converged_
        assert fitted.log_likelihood(*history, covariates=z) == pytest.approx(fitted.log_likelihood_, abs=1e-6)
    # no other point is better
    fitted = model().fit(*history, covariates=z)
    names, rng = list(fitted.params_), np.random.default_rng(0)
    for _ in range(10):
        moved = fitted.draw_params(1, rng)[0].tolist()
        other = model.from_params(dict(zip(names, moved, strict=True)))
        assert other.log_likelihood(*history, covariates=z) < fitted.log_likelihood_


@every_model
def test_penalty_shrinks_to_no_covariates(model):
    history, z = market(model)
    sizes = []
    for penalty in (0.0, 30.0, 1e3, 1e8):
        fitted = model(penalty=penalty).fit(*history, covariates=z)
        sizes.append(sum(fitted.params_[name] ** 2 for name in study.EFFECTS))
        assert fitted.converged_
    assert sizes[0] > sizes[1] > sizes[2] > sizes[3]
    assert sizes[3] < 1e-8
    plain = model().fit(*history)
    assert fitted.log_likelihood_ == pytest.approx(plain.log_likelihood_, abs=1e-3)
    assert [fitted.params_[n] for n in model.parameters] == pytest.approx(list(plain.params_.values()), rel=1e-3)
    for wrong in (-1, np.nan, np.inf, [1]):
        with pytest.raises(ValueError, match="penalty must be"):
            model(penalty=wrong).fit(*history, covariates=z)


# --- invariance ------------------------------------------------------------------------------------------------------


@every_model
def test_location_and_scale_of_covariates_change_nothing_but_their_unit(model):
    history, z = market(model)
    plain, moved = model().fit(*history, covariates=z), model().fit(*history, covariates=1990 + 5 * z)
    assert moved.log_likelihood_ == pytest.approx(plain.log_likelihood_, abs=1e-6)
    for name in study.EFFECTS:
        assert moved.params_[name] * 5 == pytest.approx(plain.params_[name], rel=1e-3, abs=1e-4)
        assert moved.standard_errors_[name] * 5 == pytest.approx(plain.standard_errors_[name], rel=1e-3)
    np.testing.assert_allclose(
        moved.expected_purchases(50, *history, covariates=1990 + 5 * z),
        plain.expected_purchases(50, *history, covariates=z),
        rtol=1e-3,
    )
    # draws of parameters so far from the data belong together, and predict as those near it
    totals = []
    for fitted, table in ((plain, z), (moved, 1990 + 5 * z)):
        names = list(fitted.params_)
        rows = fitted.draw_params(200, 0).tolist()
        models = [fitted._with_params(dict(zip(names, row, strict=True))) for row in rows]
        totals.append([one.expected_purchases(50, *history, covariates=table).sum() for one in models])
    assert np.mean(totals[1]) == pytest.approx(np.mean(totals[0]), rel=0.02)
    assert np.std(totals[1]) == pytest.approx(np.std(totals[0]), rel=0.35)


@every_model
def test_units_of_time_and_weights(model):
    history, z = market(model, 300)
    x, t_x, T = history
    days, weeks = model().fit(*history, covariates=z), model().fit(x, t_x / 7, T / 7, covariates=z)
    assert weeks.log_likelihood_ == pytest.approx(days.log_likelihood_ + x.sum() * math.log(7), abs=1e-6)
    scaled = days.rescaled(1 / 7)
    assert scaled.params_ == pytest.approx(weeks.params_, rel=1e-4)
    doubled = model().fit(*history, weights=np.full(300, 2.0), covariates=z)
    exploded = model().fit(*(np.tile(c, 2) for c in history), covariates=np.tile(z, (2, 1)))
    assert doubled.params_ == pytest.approx(exploded.params_, rel=1e-6)
    assert doubled.standard_errors_ == pytest.approx(exploded.standard_errors_, rel=1e-6)


@every_model
def test_columns_are_known_by_name(model):
    history, z = market(model, 300)
    table = pd.DataFrame(z, columns=["age", "region"])
    fitted = model().fit(*history, covariates=table)
    assert list(fitted.params_)[4:] == ["purchase_age", "purchase_region", "dropout_age", "dropout_region"]
    expected = fitted.expected_purchases(50, *history, covariates=table)
    turned = table[["region", "age"]].assign(other=1.0)
    np.testing.assert_array_equal(fitted.expected_purchases(50, *history, covariates=turned), expected)
    again = model.from_dict(json.loads(json.dumps(fitted.to_dict())))
    np.testing.assert_array_equal(again.expected_purchases(50, *history, covariates=turned), expected)
    np.testing.assert_array_equal(again.draw_params(3, 0), fitted.draw_params(3, 0))
    same = model.from_params(fitted.params_)
    np.testing.assert_array_equal(same.expected_purchases(50, *history, covariates=turned), expected)
    with pytest.raises(ValueError, match="covariates of purchase lack 'age'"):
        fitted.p_alive(*history, covariates=table[["region"]])
    with pytest.raises(ValueError, match="was fitted with covariates"):
        fitted.p_alive(*history)
    with pytest.raises(ValueError, match="was fitted without covariates"):
        model().fit(*history).p_alive(*history, covariates=table)


@every_model
def test_new_customers_are_predicted_from_their_covariates(model):
    base = study.BASE[model.__name__]
    with_effects = model.from_params(base | study.EFFECTS)
    z = [1.0, 1.0]
    own = dict(base)
    own["alpha"] *= math.exp(-(0.4 - 0.5))
    if model is ParetoNBD:
        own["beta"] *= math.exp(-(0.3 + 0.5))
    else:
        own["a"] *= math.exp(0.3 + 0.5)
    same = model.from_params(own)
    curve = with_effects.expected_purchases_new_customer([10.0, 300.0], covariates=[z])
    assert curve == pytest.approx(same.expected_purchases_new_customer([10.0, 300.0]), rel=1e-12)
    history = [0, 2], [0, 50.0], [90.0, 100.0]
    both = [z, z]
    for name, arguments in (
        ("p_alive", ()), ("expected_purchases", (50,)), ("simulate_purchases", (50,)),
        ("probability_of_purchases", (np.arange(3), 50)),
    ):  # fmt: skip
        extra = {"random_state": 0} if name == "simulate_purchases" else {}
        ours = getattr(with_effects, name)(*arguments, *history, covariates=both, **extra)
        np.testing.assert_allclose(ours, getattr(same, name)(*arguments, *history, **extra), rtol=1e-12)
    for ours, theirs in zip(
        with_effects.next_purchase(50, *history, covariates=both), same.next_purchase(50, *history), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    market_of_one_kind = with_effects.simulate(50, 100.0, 1, covariates=[z] * 50)
    np.testing.assert_allclose(market_of_one_kind.recency, same.simulate(50, 100.0, 1).recency, rtol=1e-12)


# --- what cannot be learnt -------------------------------------------------------------------------------------------


@every_model
def test_collinear_columns_are_said_and_share_their_effect(model):
    history, z = market(model)
    twice = np.column_stack([z[:, 0], z[:, 0]])
    fitted, single = model().fit(*history, covariates=twice), model().fit(*history, covariates=z[:, :1])
    assert fitted.converged_
    assert fitted.log_likelihood_ == pytest.approx(single.log_likelihood_, abs=1e-5)
    total = fitted.params_["purchase_z1"] + fitted.params_["purchase_z2"]
    assert total == pytest.approx(single.params_["purchase_z1"], rel=1e-3)
    (finding,) = [text for text in fitted.diagnosis_ if "next to nothing" in text]
    assert "purchase_z1 and purchase_z2" in finding
    draws = fitted.draw_params(30, 0)
    assert np.all(np.isfinite(draws))
    sums = draws[:, 4] + draws[:, 5]
    assert abs(sums.mean() - total) < 3 * single.standard_errors_["purchase_z1"]


@every_model
def test_few_customers_and_many_covariates_stay_finite(model, monkeypatch):
    monkeypatch.setattr("segmentation.clv._optimise.RESAMPLES", 10)
    history, _ = market(model, 12)
    z = np.random.default_rng(0).normal(size=(12, 4))
    fitted = model().fit(*history, covariates=z)
    assert fitted.diagnosis_
    names = list(fitted.params_)
    for row in fitted.draw_params(20, 0).tolist():
        other = fitted._with_params(dict(zip(names, row, strict=True)))
        assert np.all(np.isfinite(other.expected_purchases(50, *history, covariates=z)))
        assert np.all(np.isfinite(other.simulate_purchases(50, *history, 0, covariates=z)))


@every_model
def test_bad_covariates(model):
    history, z = market(model, 50)
    for covariates, error, message in (
        (np.ones((50, 1)), ColumnError, "z1.* the same for all"),
        (np.full((50, 1), 0.1), ColumnError, "the same for all"),
        (z[:49], ValueError, "one row per customer: 50 rows"),
        (np.where(z > 1, np.nan, z), ColumnError, "missing or infinite in 'z1'"),
        (np.full((50, 1), "red"), ColumnError, "must be numbers"),
        ({"leaving": z}, ValueError, "'leaving'"),
        ({}, ValueError, "empty"),
        (pd.DataFrame(z, columns=["a", "a"]), ColumnError, "different names"),
        (
            1e9 + np.random.default_rng(0).normal(size=(50, 1)) * (1 + history[0][:, None]),
            ColumnError,
            "Subtract the mean",
        ),
    ):
        with pytest.raises(error, match=message):
            model().fit(*history, covariates=covariates)
