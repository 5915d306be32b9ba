"""ChurnScorer: calibration against simulated truth for both kinds, its definitions, columns, diagnosis, state."""

import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone

from segmentation import clv, datasets, features, score_customers
from segmentation.exceptions import ColumnError, CustomerTableError, FitDiagnosisWarning, FitError
from segmentation.scorers import ChurnScorer
from segmentation.testing import check_scorer, make_customers

# parameters in days: about a purchase in three weeks
TRUTHS = {
    "mbg_nbd": clv.ModifiedBetaGeoNBD.from_params(1.2, 25.0, 0.7, 3.0),
    "bg_nbd": clv.BetaGeoNBD.from_params(1.2, 25.0, 0.7, 3.0),
    "pareto_nbd": clv.ParetoNBD.from_params(1.2, 25.0, 0.8, 150.0),
}
CONTRACTS = {
    "sbg": clv.ShiftedBetaGeo.from_params(0.8, 5.0),
    "bdw": clv.BetaDiscreteWeibull.from_params(0.8, 9.0, 1.5),
}


@pytest.fixture(scope="module")
def cdnow():
    columns = {"customer_id": "customer_id", "timestamp": "timestamp", "amount": "amount"}
    return features.btyd_table(datasets.load_cdnow(), **columns, observation_end="1997-09-30")


@pytest.fixture(scope="module")
def fitted(cdnow):
    return ChurnScorer(horizon_days=180).fit(cdnow)


def contracts(truth, n, horizon, random_state):
    """Customers who joined over 1 to 12 periods, and who of those still there leaves within the horizon."""
    observed = np.resize(np.arange(1, 13), n)
    period, left = truth.simulate(n, observed + horizon, random_state)
    gone = left & (period <= observed)
    table = pd.DataFrame(
        {"tenure": np.minimum(period, observed), "churned": gone}, index=pd.RangeIndex(n, name="customer_id")
    )
    return table, left & ~gone


def calibrated(predicted, happened, n_bins):
    """Compare mean and share in bins of the prediction, within 4 Monte Carlo errors and half a point of estimation."""
    for places in np.array_split(np.argsort(predicted, kind="stable"), n_bins):
        p = predicted[places]
        error = np.sqrt(np.sum(p * (1 - p))) / len(p)
        assert abs(happened[places].mean() - p.mean()) < 4 * error + 0.005


# --- calibration -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", TRUTHS)
def test_calibrated_without_contract(model):
    rng = np.random.default_rng(3)
    n, horizon = 20000, 60
    sample = TRUTHS[model].simulate(n, rng.integers(60, 400, n), rng, horizon=horizon)
    table = pd.DataFrame({"frequency": sample.frequency, "recency": sample.recency, "T": sample.T})
    table.index.name = "customer_id"
    scorer = ChurnScorer(model=model, horizon_days=horizon).fit(table)
    scores = scorer.score_customers(table)
    calibrated(scores["churn"].to_numpy(), sample.holdout_frequency == 0, 10)
    calibrated(scores["p_alive"].to_numpy(), sample.alive, 10)
    assert scorer.params_ == pytest.approx(TRUTHS[model].params_, rel=0.2)
    assert scores["churn"].std() > 0.2  # it tells customers apart


@pytest.mark.parametrize("model", CONTRACTS)
def test_calibrated_with_contract(model):
    table, leaves = contracts(CONTRACTS[model], 40000, 3, 5)
    scorer = ChurnScorer("contractual", model=model, horizon_periods=3).fit(table)
    scores = scorer.score_customers(table)
    there = ~table["churned"].to_numpy()
    for tenure in range(1, 13):
        some = there & (table["tenure"] == tenure).to_numpy()
        calibrated(scores["churn"].to_numpy()[some], leaves[some], 1)
    for name, value in CONTRACTS[model].params_.items():
        assert abs(scorer.params_[name] - value) < 3.5 * scorer.model_.standard_errors_[name]


def test_duration_dependence_matters():
    """Where leaving depends on tenure, sBG is wrong about it and BdW is not."""
    table, leaves = contracts(clv.BetaDiscreteWeibull.from_params(3.0, 90.0, 1.6), 40000, 3, 6)
    there, error = ~table["churned"].to_numpy(), {}
    for model in ("sbg", "bdw"):
        scorer = ChurnScorer("contractual", model=model, horizon_periods=3)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            churn = scorer.fit(table).score_samples(table)
        # rising churn looks to sBG like customers who are all alike, and it says so
        assert [w.category for w in caught] == [FitDiagnosisWarning] * (model == "sbg")
        long = there & (table["tenure"] >= 9).to_numpy()
        noise = np.sqrt(np.sum(churn[long] * (1 - churn[long]))) / long.sum()
        error[model] = abs(churn[long].mean() - leaves[long].mean()) / noise
    assert error["bdw"] < 4 < 10 < error["sbg"]


# --- definitions -----------------------------------------------------------------------------------------------------


def test_scores_are_those_of_the_model(cdnow, fitted):
    scores = fitted.score_customers(cdnow)
    assert list(scores.columns) == ["churn", "p_alive", "days_to_next_purchase"]
    model = clv.ModifiedBetaGeoNBD().fit(cdnow["frequency"], cdnow["recency"], cdnow["T"])
    history = [cdnow[name].to_numpy() for name in ("frequency", "recency", "T")]
    silent = model.probability_of_purchases(0, 180, *history)
    np.testing.assert_allclose(scores["churn"], silent, atol=1e-6)
    np.testing.assert_allclose(scores["p_alive"], model.p_alive(*history), atol=1e-6)
    assert scores["days_to_next_purchase"].between(0, 180).all()
    assert (scores["churn"] >= 1 - scores["p_alive"] - 1e-12).all()
    # half of those who buy within the horizon have bought by the median
    for customer in cdnow.index[:5]:
        wait = scores.loc[customer, "days_to_next_purchase"]
        by_then = model.next_purchase(wait, *cdnow.loc[customer, ["frequency", "recency", "T"]]).probability[0]
        assert by_then == pytest.approx((1 - scores.loc[customer, "churn"]) / 2, rel=1e-4)


def test_longer_horizons_lose_fewer(cdnow, fitted):
    churn = [clone(fitted).set_params(horizon_days=d).fit(cdnow).score_samples(cdnow) for d in (1e-3, 30, 180, 3650)]
    assert all(np.all(np.diff(column) <= 1e-12) for column in np.transpose(churn))
    assert churn[0].min() > 0.99


def test_horizon_may_change_without_fitting_again(cdnow, fitted):
    other = clone(fitted).fit(cdnow).set_params(horizon_days=30)
    np.testing.assert_array_equal(other.transform(cdnow), ChurnScorer(horizon_days=30).fit(cdnow).transform(cdnow))


def test_contractual_definitions():
    table, _ = contracts(CONTRACTS["sbg"], 2000, 4, 8)
    scorer = ChurnScorer("contractual", horizon_periods=4).fit(table)
    scores = scorer.score_customers(table)
    assert list(scores.columns) == ["churn", "retention", "remaining_periods"]
    gone = table["churned"]
    np.testing.assert_array_equal(scores[gone], np.tile([1.0, 0.0, 0.0], (gone.sum(), 1)))
    there, tenure = scores[~gone], table.loc[~gone, "tenure"].to_numpy()
    model = clv.ShiftedBetaGeo().fit(table["tenure"], gone)
    stays = model.survival(tenure[:, None] + np.arange(5)) / model.survival(tenure)[:, None]
    np.testing.assert_allclose(there["churn"], 1 - stays[:, 4])
    np.testing.assert_allclose(there["retention"], stays[:, 1])
    np.testing.assert_allclose(there["remaining_periods"], stays[:, 1:].sum(axis=1))
    # names of columns, and 0 and 1 instead of truth values
    renamed = table.astype({"churned": int}).rename(columns={"tenure": "months", "churned": "left"})
    other = ChurnScorer("contractual", horizon_periods=4, tenure="months", churned="left").fit(renamed)
    np.testing.assert_array_equal(other.transform(renamed), scores)


# --- interface -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["mbg_nbd", "bg_nbd"])  # the scorer is the same; fits of Pareto/NBD take longer
def test_conformance_without_contract(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitDiagnosisWarning)
        check_scorer(ChurnScorer(model=model))


@pytest.mark.parametrize("model", CONTRACTS)
def test_conformance_with_contract(model):
    table = make_customers()
    tenure, churned = CONTRACTS[model].simulate(len(table), np.resize([3, 6, 12], len(table)), 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitDiagnosisWarning)
        check_scorer(ChurnScorer("contractual", model=model), table.assign(tenure=tenure, churned=churned))


def test_tags():
    tags = ChurnScorer().__sklearn_tags__().scorer_tags
    assert (tags.unit, tags.higher_is_better, tags.dataframe_only, tags.draws) == ("probability", False, True, False)


def test_polars_and_other_columns(cdnow, fitted):
    frame = pl.from_pandas(cdnow.reset_index()[["T", "customer_id", "recency", "frequency"]])
    scores = score_customers(fitted, frame.with_columns(pl.lit("x").alias("note")))
    pd.testing.assert_frame_equal(scores, fitted.score_customers(cdnow))


def test_nullable_columns():
    table, _ = contracts(CONTRACTS["sbg"], 500, 1, 9)
    plain = ChurnScorer("contractual").fit(table)
    np.testing.assert_array_equal(
        ChurnScorer("contractual").fit(table.convert_dtypes()).transform(table.convert_dtypes()), plain.transform(table)
    )


def test_pickle(cdnow, fitted):
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).transform(cdnow), fitted.transform(cdnow))


def test_new_customers(fitted):
    new = pd.DataFrame({"frequency": [0], "recency": [0.0], "T": [0.0]}, index=pd.Index(["new"], name="customer_id"))
    scores = fitted.score_customers(new)
    assert np.all(np.isfinite(scores))
    assert 0 < scores.loc["new", "churn"] < 1


# --- diagnosis and bad input -----------------------------------------------------------------------------------------


def test_doubts_are_said_aloud():
    table = pd.DataFrame({"tenure": [5] * 20, "churned": [False] * 20})
    table.index.name = "customer_id"
    with pytest.warns(FitDiagnosisWarning, match="nobody has left"):
        scorer = ChurnScorer("contractual").fit(table)
    assert any("nobody has left" in text for text in scorer.diagnosis_)
    assert scorer.score_samples(table).max() < 0.01


def test_nothing_to_learn():
    table = pd.DataFrame({"tenure": [0, 0], "churned": [False, False]}, index=pd.Index([1, 2], name="customer_id"))
    with pytest.raises(FitError, match="nobody could have left yet"):
        ChurnScorer("contractual").fit(table)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"kind": "subscription"}, "kind must be one of 'non_contractual', 'contractual', got 'subscription'"),
        ({"model": "sbg"}, "model must be one of 'mbg_nbd', 'bg_nbd', 'pareto_nbd' or None"),
        ({"horizon_days": 0}, "horizon_days must be a positive number, got 0"),
        ({"horizon_days": np.inf}, "horizon_days"),
        ({"horizon_periods": 1.5}, "whole number of periods"),
        ({"horizon_periods": True}, "whole number of periods"),
    ],
)
def test_parameters(cdnow, parameters, said):
    with pytest.raises(ValueError, match=said):
        ChurnScorer(**parameters).fit(cdnow)


def test_kind_cannot_change_after_fit(cdnow):
    scorer = ChurnScorer().fit(cdnow).set_params(kind="contractual")
    with pytest.raises(ValueError, match="fit again"):
        scorer.score_customers(cdnow)


def test_the_wrong_table(cdnow):
    table, _ = contracts(CONTRACTS["sbg"], 20, 1, 1)
    with pytest.raises(ColumnError, match=r'take ChurnScorer\("non_contractual"\)'):
        ChurnScorer("contractual").fit(cdnow)
    with pytest.raises(ColumnError, match=r'take ChurnScorer\("contractual"\)'):
        ChurnScorer().fit(table)
    with pytest.raises(ColumnError, match="RFM table"):
        ChurnScorer().fit(make_customers(numeric=True))
    with pytest.raises(ColumnError, match="'tenure'"):
        ChurnScorer("contractual").fit(table.rename(columns={"tenure": "age"}))


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"tenure": 1.5}, CustomerTableError, "'tenure' must be a whole number"),
        ({"tenure": -1}, CustomerTableError, "'tenure' must be a whole number"),
        ({"churned": 2}, CustomerTableError, "'churned' must be True or False"),
        ({"tenure": 0, "churned": True}, CustomerTableError, "period 1 or later"),
        ({"churned": "yes"}, ColumnError, "write True for customers who left and False for the others"),
        ({"tenure": np.nan}, CustomerTableError, "missing|finite"),
    ],
)
def test_impossible_contracts(change, error, said):
    table, _ = contracts(CONTRACTS["sbg"], 8, 1, 1)
    with pytest.raises(error, match=said):
        ChurnScorer("contractual").fit(table.assign(**change))
    with pytest.raises(CustomerTableError, match="recency"):
        ChurnScorer().fit(pd.DataFrame({"customer_id": [1], "frequency": [1], "recency": [9], "T": [5]}))
