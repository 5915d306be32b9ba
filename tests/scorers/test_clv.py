"""CLVScorer: published numbers through the public interface, the formula of clv, columns, diagnosis, state."""

import json
import pickle
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from segmentation import score_customers
from segmentation.clv import BetaGeoCNBD, BetaGeoNBD, GammaGamma, ModifiedBetaGeoNBD, ParetoNBD
from segmentation.datasets import load_cdnow
from segmentation.exceptions import ColumnError, CustomerTableError, FitDiagnosisWarning, FitError
from segmentation.features import btyd_table, calibration_holdout, rfm_table
from segmentation.scorers import CLVScorer
from segmentation.testing import check_scorer

ORDERS = {"customer_id": "customer_id", "timestamp": "timestamp", "amount": "amount"}
CLASSES = {"bg_nbd": BetaGeoNBD, "mbg_nbd": ModifiedBetaGeoNBD, "pareto_nbd": ParetoNBD}
MODELS = sorted(CLASSES)


@pytest.fixture(scope="module")
def cdnow():
    return btyd_table(load_cdnow(), **ORDERS, observation_end="1997-09-30")


@pytest.fixture(scope="module")
def fitted(cdnow):
    return {model: CLVScorer(model).fit(cdnow) for model in MODELS}


def quietly(scorer, table):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitDiagnosisWarning)
        return scorer.fit(table)


# --- published numbers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "published", "log_likelihood"),
    [
        ("bg_nbd", {"r": 0.2426, "alpha": 4.4136, "a": 0.7929, "b": 2.4259}, -9582.429),
        ("mbg_nbd", {"r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614}, -9582.136),
        ("pareto_nbd", {"r": 0.5533, "alpha": 10.578, "s": 0.6062, "beta": 11.669}, -9594.976),
    ],
)
def test_published_parameters(fitted, model, published, log_likelihood):
    """Times in weeks by default, as in the papers; sources in tests/clv/test_fit.py."""
    scorer, spend = fitted[model], {"p": 6.25, "q": 3.74, "v": 15.44}
    assert list(scorer.params_) == [*published, *spend]
    assert scorer.params_ == pytest.approx(published | spend, rel=0.005)
    assert scorer.log_likelihood_ == pytest.approx(log_likelihood, abs=0.01)
    assert scorer.spend_log_likelihood_ == pytest.approx(-4055.92, abs=0.01)
    assert (scorer.n_customers_, scorer.n_repeaters_, scorer.n_left_out_of_spend_) == (2357, 946, 0)
    assert scorer.converged_
    assert scorer.diagnosis_ == ("the horizon of 365 days is longer than the longest history (272 days): "
                                 "forecasts beyond it rest on the form of the model alone.",)  # fmt: skip


def test_published_forecast_and_spend(cdnow):
    """Customer 4 (x = 2, t_x = 30.43, T = 38.86 weeks): 1.226 purchases in 39 weeks; spend of note 025."""
    scores = CLVScorer("bg_nbd", horizon_days=39 * 7).fit(cdnow).score_customers(cdnow)
    assert scores.loc[4, "expected_purchases"] == pytest.approx(1.226, abs=0.001)
    assert scores.loc[[4, 21, 18], "expected_value"].to_numpy() == pytest.approx([24.65, 18.91, 35.17], abs=0.1)


def test_holdout_of_cdnow():
    """BG/NBD expects 1,653 purchases in the 39 weeks in which 1,882 were made: too few, and known to be."""
    table = calibration_holdout(load_cdnow(), **ORDERS, calibration_end="1997-09-30")
    assert table["frequency_holdout"].sum() == 1882
    scorer = CLVScorer("bg_nbd", horizon_days=39 * 7, spend_model=None).fit(table)
    assert scorer.score_samples(table).sum() == pytest.approx(1653, abs=1)


# --- the scores ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_scores_are_the_formulas(fitted, cdnow, model):
    scorer = fitted[model]
    scores = scorer.score_customers(cdnow)
    assert list(scores.columns) == ["clv", "expected_purchases", "expected_value", "p_alive"]
    assert scores.index.equals(cdnow.index)
    weekly = CLASSES[model].from_params({name: scorer.params_[name] for name in CLASSES[model].parameters})
    history = [cdnow["frequency"], cdnow["recency"] / 7, cdnow["T"] / 7]
    np.testing.assert_allclose(scores["expected_purchases"], weekly.expected_purchases(365 / 7, *history), rtol=1e-9)
    np.testing.assert_allclose(scores["p_alive"], weekly.p_alive(*history), rtol=1e-9)
    spend = GammaGamma.from_params({name: scorer.params_[name] for name in "pqv"})
    value = spend.expected_spend(cdnow["frequency"], cdnow["monetary_value"])
    np.testing.assert_allclose(scores["expected_value"], value, rtol=1e-12)
    np.testing.assert_array_equal(scores["clv"], scores["expected_purchases"] * scores["expected_value"])


@pytest.mark.parametrize("model", MODELS)
def test_discounting_week_by_week(cdnow, fitted, model):
    """clv = margin * value * sum over weeks of (purchases expected in it) / (1 + rate)^(its middle / 365)."""
    scorer = pickle.loads(pickle.dumps(fitted[model])).set_params(horizon_days=31, annual_discount_rate=0.2, margin=0.3)
    some = cdnow.iloc[:50]
    scores = scorer.score_customers(some)
    until, total = np.zeros(50), np.zeros(50)
    for start, end in ((0, 7), (7, 14), (14, 21), (21, 28), (28, 31)):
        expected = scorer.set_params(horizon_days=end).score_customers(some)["expected_purchases"].to_numpy()
        total += (expected - until) * 1.2 ** (-(start + end) / 2 / 365)
        until = expected
    np.testing.assert_allclose(scores["clv"], 0.3 * scores["expected_value"] * total, rtol=1e-9)
    np.testing.assert_array_equal(scores["expected_purchases"], until)


def test_no_discount_is_exactly_the_product(cdnow, fitted):
    scorer = pickle.loads(pickle.dumps(fitted["mbg_nbd"])).set_params(margin=0.25)
    scores = scorer.score_customers(cdnow)
    product = 0.25 * scores["expected_purchases"] * scores["expected_value"]
    np.testing.assert_array_equal(scores["clv"], product)
    nearly = scorer.set_params(annual_discount_rate=1e-12).score_customers(cdnow)
    np.testing.assert_allclose(nearly["clv"], product, rtol=1e-9)


def test_without_money(cdnow, fitted):
    scorer = CLVScorer(spend_model=None).fit(cdnow.drop(columns="monetary_value"))
    scores = scorer.score_customers(cdnow)
    assert list(scores.columns) == ["expected_purchases", "p_alive"]
    assert list(scorer.params_) == ["r", "alpha", "a", "b"]
    assert scorer.__sklearn_tags__().scorer_tags.unit == "count"
    assert CLVScorer().__sklearn_tags__().scorer_tags.unit == "currency"
    assert scorer.spend_log_likelihood_ is None
    with_money = fitted["mbg_nbd"].score_customers(cdnow)
    pd.testing.assert_frame_equal(scores, with_money[["expected_purchases", "p_alive"]])


@pytest.mark.parametrize("model", MODELS)
def test_time_unit_changes_parameters_only(cdnow, fitted, model):
    weekly, some = fitted[model], cdnow.iloc[:100]
    for unit, days in (("D", 1.0), ("month", 365.25 / 12)):
        other = CLVScorer(model, time_unit=unit).fit(cdnow)
        factor = 7 / days
        for name, value in weekly.params_.items():
            assert other.params_[name] == pytest.approx(
                value * factor if name in ("alpha", "beta") else value, rel=1e-12
            )
        shift = -cdnow["frequency"].sum() * np.log(factor)
        assert other.log_likelihood_ == pytest.approx(weekly.log_likelihood_ + shift, abs=1e-6)
        np.testing.assert_array_equal(other.transform(some), weekly.transform(some))


def test_customers_never_seen_new_ones_included(fitted):
    new = pd.DataFrame(
        {"frequency": [0, 0, 3], "recency": [0, 0, 100], "T": [0, 400, 101], "monetary_value": [np.nan, -3.0, 12.0]},
        index=pd.Index(["new", "old", "busy"], name="customer_id"),
    )
    for scorer in fitted.values():
        scores = scorer.score_customers(new)
        assert np.isfinite(scores.to_numpy()).all()
        assert scores.loc["new", "expected_purchases"] > scores.loc["old", "expected_purchases"]
        assert scores.loc["busy", "expected_purchases"] > scores.loc["new", "expected_purchases"]
        assert scores.loc["new", "expected_value"] == pytest.approx(scorer.population_spend_)
        assert 12 < scores.loc["busy", "expected_value"] < scorer.population_spend_


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 10_000), st.floats(0.001, 1), st.floats(1, 5000), st.floats(0.01, 1e6),
    st.floats(0.1, 5000), st.sampled_from(MODELS),
)  # fmt: skip
def test_any_possible_customer_gets_finite_scores(fitted, x, part, T, spend, horizon, model):
    scorer = fitted[model]
    table = pd.DataFrame({"frequency": [x], "recency": [part * T if x else 0.0], "T": [T], "monetary_value": [spend]})
    try:
        clv, purchases, value, p_alive = scorer.set_params(horizon_days=horizon).transform(table)[0]
        longer = scorer.set_params(horizon_days=2 * horizon).transform(table)[0]
    finally:
        scorer.set_params(horizon_days=365)
    assert 0 <= p_alive <= 1
    assert 0 <= purchases <= longer[1] * (1 + 1e-6)
    assert (
        min(spend, scorer.population_spend_) * (1 - 1e-9) <= value <= max(spend, scorer.population_spend_) * (1 + 1e-9)
    )
    assert clv == purchases * value


def test_equal_customers_get_equal_scores_in_any_order(cdnow, fitted):
    twice = pd.concat([cdnow, cdnow.set_axis(cdnow.index + 100_000)]).sample(frac=1, random_state=0)
    scores, alone = fitted["mbg_nbd"].score_customers(twice), fitted["mbg_nbd"].score_customers(cdnow)
    np.testing.assert_array_equal(scores.loc[cdnow.index], alone)
    np.testing.assert_array_equal(scores.loc[cdnow.index + 100_000], alone)


# --- what it takes in and keeps --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kwargs", [{"annual_discount_rate": 0.1}, {"spend_model": None}], ids=str)
def test_conformance(kwargs):
    check_scorer(CLVScorer(**kwargs))


def test_polars_and_other_columns(cdnow, fitted):
    frame = pl.from_pandas(cdnow.reset_index()[["T", "monetary_value", "customer_id", "recency", "frequency"]])
    scores = score_customers(fitted["mbg_nbd"], frame.with_columns(pl.lit("x").alias("note")))
    pd.testing.assert_frame_equal(scores, fitted["mbg_nbd"].score_customers(cdnow))


def test_nullable_columns(cdnow, fitted):
    some = cdnow.iloc[:40]
    np.testing.assert_array_equal(fitted["mbg_nbd"].transform(some.convert_dtypes()), fitted["mbg_nbd"].transform(some))


def test_numbers_kept_as_objects(cdnow, fitted):
    """Decimals and missing values from a database come as Python objects."""
    some = cdnow.iloc[:40]
    spend = [Decimal(str(value)) if value else None for value in some["monetary_value"]]
    objects = some.assign(monetary_value=spend, T=some["T"].astype(object))
    assert [str(dtype) for dtype in objects.dtypes].count("object") == 2
    np.testing.assert_array_equal(fitted["mbg_nbd"].transform(objects), fitted["mbg_nbd"].transform(some))


@pytest.mark.parametrize("model", MODELS)
def test_state_is_plain_and_survives_pickling(cdnow, fitted, model):
    scorer = fitted[model]
    copies = [pickle.loads(pickle.dumps(scorer)), CLVScorer.from_json(scorer.to_json())]
    for again in copies:
        np.testing.assert_array_equal(again.transform(cdnow), scorer.transform(cdnow))
        assert again.get_params() == scorer.get_params()
        assert again.to_dict() == scorer.to_dict()
        pd.testing.assert_frame_equal(again.summary(), scorer.summary())
        draws = [one.sample_customers(cdnow.iloc[:50], 3, random_state=0) for one in (again, scorer)]
        np.testing.assert_array_equal(*draws)
    assert len(pickle.dumps(scorer)) < 10_000  # numbers and names, not the customers
    assert clone(scorer).get_params() == scorer.get_params()
    assert not hasattr(clone(scorer), "params_")


def test_refitting_without_money_forgets_the_spend(cdnow):
    scorer = CLVScorer().fit(cdnow).set_params(spend_model=None).fit(cdnow)
    assert "p" not in scorer.params_
    assert scorer.population_spend_ is None
    assert scorer.transform(cdnow).shape[1] == 2


def test_models_are_those_of_fit(cdnow, fitted):
    scorer = pickle.loads(pickle.dumps(fitted["mbg_nbd"])).set_params(purchase_model="pareto_nbd", spend_model=None)
    np.testing.assert_array_equal(scorer.transform(cdnow), fitted["mbg_nbd"].transform(cdnow))


def test_summary(fitted):
    table = fitted["pareto_nbd"].summary()
    assert table["value"].to_dict() == fitted["pareto_nbd"].params_
    assert table.index.name == "parameter"
    assert "per week" in table.loc["beta", "meaning"]


# --- columns that cannot be ------------------------------------------------------------------------------------------


def changed(table, **columns):
    return table.iloc[:100].assign(**columns)


BAD_TABLES = {
    "negative frequency": (lambda t: changed(t, frequency=-1), "whole number.*100 customers .4, 18, 21, 50, 60, "),
    "half a purchase": (lambda t: changed(t, frequency=t["frequency"] + 0.5), "whole number"),
    "recency beyond T": (lambda t: changed(t, recency=t["recency"] * 7), "cannot exceed T"),
    "negative T": (lambda t: changed(t, recency=-1.0, T=-1.0), "durations in days; negative"),
    "recency as in RFM": (lambda t: changed(t, recency=t["T"] - t["recency"]), "days since the last purchase"),
    "frequency counts all": (lambda t: changed(t, frequency=t["frequency"] + 1), "subtract 1"),
    "missing T": (
        lambda t: changed(t, T=t["T"].where(t.index > 30)),
        "T is missing or infinite for 3 customers .4, 18",
    ),
    "infinite T": (lambda t: changed(t, T=np.inf), "T is missing or infinite"),
    "missing spend": (
        lambda t: changed(t, monetary_value=t["monetary_value"].where(t.index > 30)),
        "monetary_value is missing or infinite although frequency is positive for 2 customers .4, 21",
    ),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_impossible_values_name_the_customers(cdnow, fitted, name):
    make, message = BAD_TABLES[name]
    with pytest.raises(CustomerTableError, match=message):
        CLVScorer().fit(make(cdnow))
    with pytest.raises(CustomerTableError, match=message):
        fitted["mbg_nbd"].transform(make(cdnow))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda t: t["T"].astype(str), "to_numeric"),
        (lambda t: t["T"].astype(str).astype(object), "to_numeric"),
        (lambda t: pd.to_timedelta(t["T"], unit="D"), "turn it into days"),
        (lambda t: pd.Timestamp("1997-01-01") + pd.to_timedelta(t["T"], unit="D"), "takes numbers"),
        (lambda t: pd.Series([object()] * len(t), index=t.index), "takes numbers"),
    ],
    ids=["text", "text as objects", "durations", "dates", "objects"],
)
def test_columns_that_are_no_numbers(cdnow, make, message):
    with pytest.raises(ColumnError, match=message):
        CLVScorer().fit(cdnow.assign(T=make(cdnow)))


def test_an_rfm_table_is_recognised(cdnow):
    with pytest.raises(ColumnError, match=r"looks like an RFM table.*btyd_table"):
        CLVScorer().fit(rfm_table(load_cdnow(), **ORDERS))
    with pytest.raises(ColumnError, match="monetary_value") as caught:
        CLVScorer().fit(cdnow.drop(columns="monetary_value"))
    assert "RFM" not in str(caught.value)


@pytest.mark.parametrize(
    "kwargs",
    [
        {"purchase_model": "bgnbd"}, {"spend_model": "normal"}, {"time_unit": "hour"}, {"horizon_days": 0},
        {"horizon_days": "365"}, {"annual_discount_rate": np.inf}, {"annual_discount_rate": -0.1}, {"margin": True},
        {"margin": 0.0},
    ],
    ids=str,
)  # fmt: skip
def test_parameters_that_mean_nothing(cdnow, fitted, kwargs):
    (name, value), *_ = kwargs.items()
    with pytest.raises(ValueError, match=f"{name} must be .*, got {value!r}"):
        CLVScorer(**kwargs).fit(cdnow)
    scorer = pickle.loads(pickle.dumps(fitted["mbg_nbd"])).set_params(**kwargs)
    with pytest.raises(ValueError, match=f"{name} must be"):
        scorer.transform(cdnow)


# --- diagnosis -------------------------------------------------------------------------------------------------------


def test_nothing_to_learn_from_is_a_diagnosis(cdnow):
    nobody = cdnow.assign(frequency=0, recency=0.0)
    with pytest.raises(FitError, match=r"none of the 2,357 customers has bought again.*Likely causes"):
        CLVScorer().fit(nobody)
    with pytest.raises(FitError, match=r"T is 0 for all.*observation_end"):
        CLVScorer().fit(nobody.assign(T=0.0))
    with pytest.raises(
        FitError, match=r"none of the 946 repeat customers has a positive monetary_value.*spend_model=None"
    ):
        CLVScorer().fit(cdnow.assign(monetary_value=0.0))


def spend(table, values):
    return table.assign(monetary_value=np.where(table["frequency"] > 0, values, 0.0))


RNG = np.random.default_rng(1)
DOUBTFUL = {
    "few repeaters": (lambda t: t.iloc[:50], "only 18 of 50 customers have bought again"),
    "all repeat": (lambda t: t[t["frequency"] > 0], "every customer has bought again"),
    "one customer": (lambda t: t.iloc[:1], "only 1 of 1 customer"),
    "frequency cut at 1": (lambda t: t.assign(frequency=t["frequency"].clip(upper=1)), "r ran towards infinity"),
    "spend grows with frequency": (lambda t: spend(t, t["frequency"] * 10.0), r"rank correlation \+1.00"),
    "wild spend": (lambda t: spend(t, np.exp(RNG.normal(3, 3, len(t)))), "infinite .q is at most 1"),
    "many refunds": (
        lambda t: spend(t, np.where(np.arange(len(t)) % 4, 20.0 + np.arange(len(t)) % 7, -5.0)),
        "left out",
    ),
    "two prices": (lambda t: spend(t, np.where(t.index % 2, 10.0, 20.0)), "p ran towards infinity"),
}


@pytest.mark.parametrize("name", DOUBTFUL)
def test_doubtful_fits_warn_and_still_score(cdnow, name):
    make, message = DOUBTFUL[name]
    table = make(cdnow)
    scorer = CLVScorer()
    with pytest.warns(FitDiagnosisWarning, match=message) as caught:
        scorer.fit(table)
    assert caught[0].filename == __file__  # the warning points at the call of fit
    assert any(message.replace("\\", "").replace(" .q", " (q")[:20] in text for text in scorer.diagnosis_)
    scores = scorer.transform(table)
    assert np.isfinite(scores).all()
    assert (scores >= 0).all()


NOTED = {
    "a reseller": (lambda t: t.assign(frequency=t["frequency"].where(t.index != 4, 5000)), "one customer makes"),
    "one price": (lambda t: spend(t, 9.99), "all repeat customers spend the same per purchase (9.99)"),
    "few refunds": (lambda t: spend(t, t["monetary_value"].where(t.index != 4, -1.0)), "1 repeat customer (0.1 %)"),
}


@pytest.mark.parametrize("name", NOTED)
def test_findings_that_are_only_worth_knowing_do_not_warn(cdnow, name):
    make, message = NOTED[name]
    scorer = CLVScorer(horizon_days=200).fit(make(cdnow))
    assert len(scorer.diagnosis_) == 1
    assert message in scorer.diagnosis_[0]


def test_good_data_have_an_empty_diagnosis():
    assert CLVScorer().fit(btyd_table(load_cdnow(), **ORDERS)).diagnosis_ == ()


def test_refunds_beyond_the_spend_count_as_no_spend(cdnow):
    """Not as the population's spend, which would make a customer who gives everything back worth more than before."""
    table = cdnow.assign(monetary_value=cdnow["monetary_value"].where(cdnow.index != 4, -1.0))
    scorer = CLVScorer().fit(table)
    assert scorer.n_left_out_of_spend_ == 1
    nothing, little = (
        scorer.score_customers(table.assign(monetary_value=table["monetary_value"].where(table.index != 4, spend)))
        for spend in (0.0, 1.0)
    )
    refunded = scorer.score_customers(table)
    assert refunded.loc[4, "expected_value"] == nothing.loc[4, "expected_value"]
    assert 0 < refunded.loc[4, "expected_value"] < little.loc[4, "expected_value"] < scorer.population_spend_


def test_infinite_mean_spend_has_a_finite_fallback(cdnow):
    rng = np.random.default_rng(0)
    table = spend(cdnow, np.exp(rng.normal(3, 3, len(cdnow))))
    scorer = quietly(CLVScorer(), table)
    assert scorer.params_["q"] < 1
    repeaters = table[table["frequency"] > 0]
    assert scorer.population_spend_ == pytest.approx(repeaters["monetary_value"].mean())
    values = scorer.score_customers(repeaters)["expected_value"]
    between = np.sort(np.column_stack([repeaters["monetary_value"], np.full(len(values), scorer.population_spend_)]))
    assert ((between[:, 0] <= values + 1e-9) & (values <= between[:, 1] + 1e-9)).all()


def test_one_price_is_everybodys_value(cdnow):
    scorer = CLVScorer().fit(spend(cdnow, 9.99))
    np.testing.assert_allclose(
        scorer.score_customers(cdnow.assign(monetary_value=9.99))["expected_value"], 9.99, rtol=0.002
    )


def test_a_margin_in_percent_is_refused(cdnow):
    with pytest.raises(
        ValueError, match=r"margin is the share of the spend that is earned, at most 1, got 30; 30 % is 0\.3"
    ):
        CLVScorer(margin=30).fit(cdnow)


# --- engines, covariates, horizons, labels ---------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_both_engines_find_the_same(cdnow, fitted, model):
    old = CLVScorer(model, engine="lifetimes").fit(cdnow)
    assert old.converged_
    assert old.params_ == pytest.approx(fitted[model].params_, rel=1e-4)
    assert old.log_likelihood_ == pytest.approx(fitted[model].log_likelihood_, abs=1e-5)
    np.testing.assert_allclose(old.transform(cdnow), fitted[model].transform(cdnow), rtol=1e-3)


def test_what_the_lifetimes_engine_cannot_do(cdnow):
    table = cdnow.assign(z=1.0)
    for kwargs in ({"purchase_model": "mbg_cnbd"}, {"covariates": ["z"]}):
        with pytest.raises(ValueError, match=r"engine='lifetimes' fits .* without covariates; use engine='native'"):
            CLVScorer(**kwargs, engine="lifetimes").fit(table)
    with pytest.raises(ValueError, match="engine must be one of 'native', 'lifetimes', got 'pymc'"):
        CLVScorer(engine="pymc").fit(table)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("horizon", [365, 3651.5])
def test_long_horizons_are_discounted_week_by_week_too(cdnow, fitted, model, horizon):
    """The curve is interpolated; the sum over all weeks is the oracle. A new customer bends it most."""
    new = pd.DataFrame({"frequency": [0], "recency": [0.0], "T": [0.0], "monetary_value": [0.0]})
    some = pd.concat([new, cdnow.iloc[:40]])
    scorer = pickle.loads(pickle.dumps(fitted[model])).set_params(horizon_days=horizon, annual_discount_rate=0.2)
    found = scorer.transform(some)
    history = [some[name].to_numpy(float) for name in ("frequency", "recency", "T")]
    ends = np.append(np.arange(7, horizon, 7), horizon)
    until = np.array([scorer.purchase_model_.expected_purchases(end, *history) for end in ends])
    bought = np.diff(until, axis=0, prepend=0.0)
    middles = (np.append(0.0, ends[:-1]) + ends) / 2
    discounted = 1.2 ** (-middles / 365) @ bought
    np.testing.assert_allclose(found[:, 0], discounted * found[:, 2], rtol=1e-6)


def test_unlimited_horizon(cdnow, fitted):
    """Beyond 80 years at 20 % nothing is left; days instead of weeks would differ by less than .2 %."""
    endless = pickle.loads(pickle.dumps(fitted["pareto_nbd"])).set_params(horizon_days=np.inf, annual_discount_rate=0.2)
    found = endless.score_customers(cdnow)
    long = endless.set_params(horizon_days=80 * 365.0).score_customers(cdnow)
    np.testing.assert_allclose(found["clv"], long["clv"], rtol=2e-3)
    endless.set_params(horizon_days=np.inf)
    again = CLVScorer.from_json(endless.to_json())
    assert again.horizon_days == np.inf
    np.testing.assert_array_equal(again.transform(cdnow), found)
    with pytest.raises(ValueError, match="needs an annual_discount_rate above 0"):
        endless.set_params(annual_discount_rate=0.0).transform(cdnow)
    with pytest.raises(ValueError, match=r"horizon_days=inf is for purchase_model='pareto_nbd': the MBG/NBD has no"):
        CLVScorer(horizon_days=np.inf, annual_discount_rate=0.1).fit(cdnow)
    with pytest.raises(ValueError, match="the BG/NBD has no closed form"):
        pickle.loads(pickle.dumps(fitted["bg_nbd"])).set_params(horizon_days=np.inf).transform(cdnow)


@pytest.mark.parametrize("model", MODELS)
def test_covariates_of_a_simulated_market(model):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(3000, 2))
    params = {"r": 1.0, "alpha": 40.0, "s": 0.8, "beta": 300.0, "a": 0.8, "b": 2.5}
    truth = {"purchase_income": 0.4, "dropout_web": 0.6}
    names = CLASSES[model].parameters
    world = CLASSES[model].from_params({name: params[name] for name in names} | truth)
    tables = {"purchase": pd.DataFrame({"income": z[:, 0]}), "dropout": pd.DataFrame({"web": z[:, 1]})}
    market = world.simulate(3000, rng.uniform(100, 700, 3000), rng, covariates=tables)
    table = pd.DataFrame({"frequency": market.frequency, "recency": market.recency, "T": market.T})
    table[["income", "web"]] = z
    roles = {"purchase": ["income"], "dropout": ["web"]}
    scorer = CLVScorer(model, spend_model=None, covariates=roles).fit(table)
    assert list(scorer.params_) == [*names, *truth]
    for name, value in truth.items():
        assert abs(scorer.params_[name] - value) < 3.5 * scorer.standard_errors_[name]
        assert scorer.standard_errors_[name] < 0.15
    assert "exp(coefficient)" in scorer.summary().loc["purchase_income", "meaning"]
    again = CLVScorer.from_json(scorer.to_json())
    np.testing.assert_array_equal(again.transform(table), scorer.transform(table))
    draws = [one.sample_customers(table.iloc[:30], 3, 0) for one in (again, scorer)]
    np.testing.assert_array_equal(*draws)
    without = CLVScorer(model, spend_model=None).fit(table)
    assert scorer.purchase_model_.likelihood_ratio_test(without.purchase_model_).p_value < 1e-6
    strong = CLVScorer(model, spend_model=None, covariates=roles, covariate_penalty=1e6).fit(table)
    assert abs(strong.params_["purchase_income"]) < 0.01
    with pytest.raises(ColumnError, match="web"):
        scorer.transform(table.drop(columns="web"))
    with pytest.raises(ColumnError, match="covariates of dropout are missing or infinite in 'web'"):
        scorer.transform(table.assign(web=np.nan))
    with pytest.raises(ValueError, match="covariates are for"):
        CLVScorer("mbg_cnbd", covariates=["web"]).fit(table.assign(monetary_value=1.0, sum_log_intervals=0.0))
    with pytest.raises(ValueError, match=r"covariates is a list of columns.*\['web'\]"):
        CLVScorer(model, covariates="web").fit(table)


def test_regular_buyers(cdnow):
    scorer = CLVScorer("mbg_cnbd").fit(cdnow)
    assert scorer.purchase_model_.k_ == 1
    np.testing.assert_allclose(scorer.transform(cdnow), CLVScorer().fit(cdnow).transform(cdnow), rtol=1e-4)
    with pytest.raises(ColumnError, match="sum_log_intervals"):
        CLVScorer("mbg_cnbd").fit(cdnow.drop(columns="sum_log_intervals"))
    with pytest.raises(CustomerTableError, match=r"sum_log_intervals is missing or infinite .*4"):
        scorer.fit(cdnow.assign(sum_log_intervals=cdnow["sum_log_intervals"].where(cdnow.index != 4)))
    again = CLVScorer.from_json(CLVScorer("bg_cnbd").fit(cdnow).to_json())
    np.testing.assert_allclose(again.transform(cdnow), CLVScorer("bg_nbd").fit(cdnow).transform(cdnow), rtol=1e-4)


def test_currency_is_a_label(cdnow, fitted):
    scorer = CLVScorer(currency="USD").fit(cdnow)
    scores = scorer.score_customers(cdnow)
    assert scores.attrs == {"currency": "USD"}
    np.testing.assert_array_equal(scores, fitted["mbg_nbd"].score_customers(cdnow))
    assert fitted["mbg_nbd"].score_customers(cdnow).attrs == {}


def test_new_customers(fitted):
    curve = fitted["bg_nbd"].expected_purchases_new_customer([1.0, 7.0, 21.0])
    np.testing.assert_allclose(curve, [0.0078, 0.0532, 0.1506], atol=5e-5)


def test_json_of_something_else(fitted):
    state = fitted["mbg_nbd"].to_dict()
    with pytest.raises(ValueError, match=r"describes a 'Other' in format 1; CLVScorer of this version reads format 1"):
        CLVScorer.from_dict(state | {"class": "Other"})
    with pytest.raises(ValueError, match="in format 99"):
        CLVScorer.from_dict(state | {"format": 99})


def test_a_discount_rate_in_percent_is_refused(cdnow):
    with pytest.raises(ValueError, match=r"annual_discount_rate is a share per year, at most 1, got 15; 15 % is 0\.15"):
        CLVScorer(annual_discount_rate=15).fit(cdnow)


def test_summary_of_regular_buyers():
    market = BetaGeoCNBD.from_params(r=2.0, alpha=60.0, a=0.5, b=3.0, k=3).simulate(1500, T=700, random_state=0)
    table = pd.DataFrame({"frequency": market.frequency, "recency": market.recency, "T": market.T})
    table["sum_log_intervals"] = market.sum_log_intervals
    scorer = CLVScorer("mbg_cnbd", spend_model=None).fit(table)
    summary = scorer.summary()
    assert summary.loc["k", "value"] == 3
    assert summary.loc["alpha", "meaning"].endswith("r / (3 alpha) is the mean number of purchases per week")
    assert "k=3" in repr(scorer.purchase_model_)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"horizon_days": 1e9}, "horizon_days must be at most 1,000,000 or inf"),
        ({"currency": b"EUR"}, "currency is a label such as 'EUR' or None, got b'EUR'"),
        ({"covariate_penalty": "x"}, "covariate_penalty must be a number from 0 on, got 'x'"),
        ({"covariates": {"purchase": "z"}}, r"covariates of 'purchase' must be a list of columns, got 'z'; .*\['z'\]"),
        ({"covariates": 3}, "covariates must be a list of columns, or a mapping"),
    ],
)
def test_settings_that_mean_nothing(cdnow, kwargs, message):
    with pytest.raises(ValueError, match=message):
        CLVScorer(**kwargs).fit(cdnow.assign(z=1.0))


def test_covariates_changed_after_fit(cdnow, fitted):
    table = cdnow.assign(z=np.arange(len(cdnow)) % 7.0, y=np.arange(len(cdnow)) % 3.0)
    scorer = pickle.loads(pickle.dumps(fitted["mbg_nbd"])).set_params(covariates=["z"])
    with pytest.raises(ValueError, match=r"covariates was None in fit and is \['z'\] now: fit again"):
        scorer.transform(table)
    with_z = CLVScorer(covariates=pd.Index(["z", "y"])).fit(table)
    for changed_to in (None, ["z"]):
        with pytest.raises(ValueError, match="now: fit again"):
            pickle.loads(pickle.dumps(with_z)).set_params(covariates=changed_to).sample_customers(table, 2)


def test_damaged_states_are_refused(fitted):
    state = json.loads(fitted["mbg_nbd"].to_json())
    for damage in (
        {key: value for key, value in state.items() if key != "params_"},
        state | {"purchase_model_": state["purchase_model_"] | {"model": "Evil"}},
        state | {"purchase_model_": state["purchase_model_"] | {"covariance_": [[1.0]]}},
        state | {"purchase_model_": {k: v for k, v in state["purchase_model_"].items() if k != "params"}},
        [],
    ):
        with pytest.raises(ValueError, match=r"damaged|no state of a CLVScorer"):
            CLVScorer.from_dict(damage)
