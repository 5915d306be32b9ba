"""Probabilities of an outcome: calibrated, out of fold, and honest about what they rest on."""

import builtins
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV, calibration_curve
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from segmentation import score_customers
from segmentation.exceptions import ColumnError, CustomerTableError, FitDiagnosisWarning, FitError
from segmentation.scorers import PropensityScorer, _propensity
from segmentation.scorers._calibration import (
    PlattCalibrator,
    calibration_measures,
    logistic_line,
    reliability_table,
)
from segmentation.testing import check_scorer, make_customers


def simulated(n=1500, seed=0):
    """Customers of mixed columns, their outcome, and its true probability."""
    rng = np.random.default_rng(seed)
    region = rng.choice(["north", "south", "west"], n)
    spend = rng.lognormal(3, 1, n)
    customers = pd.DataFrame(
        {
            "spend": np.where(rng.random(n) < 0.1, np.nan, spend),
            "region": region,
            "member": rng.random(n) < 0.3,
            "since": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 700, n), unit="D"),
        },
        index=pd.Index([f"C{i}" for i in rng.permutation(n)], name="customer_id"),
    )
    p = expit(-4 + 0.9 * np.log(spend) + 1.2 * (region == "west") - 0.8 * customers["member"].to_numpy())
    return customers, (rng.random(n) < p).astype(int), p


@pytest.fixture(scope="module")
def market():
    return simulated()


@pytest.fixture(scope="module")
def fitted(market):
    customers, y, _ = market
    return PropensityScorer(LogisticRegression(), random_state=0).fit(customers, y)


# -- the measures, against scikit-learn -------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(60, 400))
def test_measures_are_those_of_scikit_learn(seed, n):
    rng = np.random.default_rng(seed)
    p = rng.beta(1, 3, n).round(2) * 0.98 + 0.01
    y = (rng.random(n) < p).astype(float)
    if y.sum() < 3:
        return
    got = calibration_measures(y, p, 0.9)["estimate"]
    line = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(logit(p)[:, None], y)
    assert got["calibration_slope"] == pytest.approx(line.coef_[0, 0], abs=2e-4)
    assert got["calibration_intercept"] == pytest.approx(line.intercept_[0], abs=2e-4)
    assert got["brier"] == pytest.approx(brier_score_loss(y, p))
    assert got["log_loss"] == pytest.approx(log_loss(y, p))
    assert got["roc_auc"] == pytest.approx(roc_auc_score(y, p))
    assert got["base_rate"] == pytest.approx(y.mean())


def test_intervals_cover_at_the_stated_rate():
    """400 samples of 300 customers whose probabilities are right: 90 % intervals of slope and AUC."""
    rng = np.random.default_rng(1)
    hits = np.zeros(3)
    population = rng.beta(2, 4, 200_000)
    happened = rng.random(200_000) < population
    area = roc_auc_score(happened, population)
    for _ in range(400):
        rows = rng.integers(0, 200_000, 300)
        got = calibration_measures(happened[rows].astype(float), population[rows], 0.9)
        truth = {"calibration_slope": 1.0, "roc_auc": area, "base_rate": happened.mean()}
        hits += [got.loc[name, "low"] <= value <= got.loc[name, "high"] for name, value in truth.items()]
    # 99 % binomial band of 90 % in 400 runs
    assert ((hits >= 344) & (hits <= 375)).all(), hits


@pytest.mark.parametrize("n_bins", [5, 10])
def test_reliability_table_is_calibration_curve(n_bins):
    rng = np.random.default_rng(0)
    p = rng.random(1000)  # no ties: quantile bins are the same
    y = (rng.random(1000) < p**1.5).astype(float)
    observed, predicted = calibration_curve(y, p, n_bins=n_bins, strategy="quantile")
    table = reliability_table(y, p, n_bins, 0.9)
    np.testing.assert_allclose(table["observed"], observed, atol=0.011)  # a customer on an edge may change sides
    np.testing.assert_allclose(table["predicted"], predicted, atol=0.002)
    assert table["n_customers"].sum() == 1000
    assert ((table["observed_low"] <= table["observed"]) & (table["observed"] <= table["observed_high"])).all()


def test_ties_stay_together():
    p = np.repeat([0.1, 0.5], [70, 30])
    table = reliability_table(np.repeat([0.0, 1.0], 50), p, 10, 0.9)
    assert table["n_customers"].tolist() == [70, 30]
    assert table["observed"].tolist() == pytest.approx([20 / 70, 1.0])
    assert len(reliability_table(np.repeat([0.0, 1.0], 5), np.full(10, 0.3), 10, 0.9)) == 1


def test_separated_and_constant_scores_stay_finite():
    x = np.linspace(-1, 1, 40)
    _, _, covariance = logistic_line(x, (x > 0).astype(float))
    assert np.isnan(covariance).all()
    assert np.isfinite(PlattCalibrator().fit(x, (x > 0).astype(float)).predict(x)).all()
    flat = PlattCalibrator().fit(np.zeros(10), np.repeat([0.0, 1.0], 5))
    np.testing.assert_allclose(flat.predict(np.zeros(3)), 0.5)


# -- out of fold ------------------------------------------------------------------------------------------------------


def test_without_calibration_it_is_cross_val_predict(market):
    """Oracle: the same folds, the same encoding by hand."""
    customers, y, _ = market
    numbers = np.log(customers[["spend"]].fillna(1.0))
    model = PropensityScorer(LogisticRegression(), calibration=None, cv=4, random_state=3).fit(numbers, y)
    seed = np.random.RandomState(3).randint(np.iinfo(np.int32).max)
    folds = StratifiedKFold(4, shuffle=True, random_state=seed)
    expected = cross_val_predict(
        make_pipeline(StandardScaler(), LogisticRegression()), numbers, y, cv=folds, method="predict_proba"
    )[:, 1]
    np.testing.assert_allclose(model.out_of_fold_, expected, rtol=1e-6)


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibration_agrees_with_calibrated_classifier_cv(market, method):
    """The calibration of the final model: scikit-learn's, with cross-validated scores in one calibrator."""
    customers, y, _ = market
    numbers = customers[["spend"]].fillna(0.0).assign(member=customers["member"].astype(float))
    model = PropensityScorer(LogisticRegression(), calibration=method, random_state=0, out_of_fold=False).fit(
        numbers, y
    )
    seed = np.random.RandomState(0).randint(np.iinfo(np.int32).max)
    oracle = CalibratedClassifierCV(
        make_pipeline(StandardScaler(), LogisticRegression()),
        method=method,
        cv=StratifiedKFold(5, shuffle=True, random_state=seed),
        ensemble=False,
    ).fit(numbers, y)
    expected = oracle.predict_proba(numbers)[:, 1]
    np.testing.assert_allclose(model.score_samples(numbers), expected, atol=2e-3)


@pytest.mark.parametrize("method", ["sigmoid", "isotonic", None])
def test_no_customers_outcome_touches_their_own_probability(market, method, monkeypatch):
    """Turn the outcomes of one fold round: its own probabilities stay, to the bit."""
    customers, y = market[0].iloc[:400], market[1][:400]
    cut = list(StratifiedKFold(3, shuffle=True, random_state=0).split(customers, y))
    real = _propensity._folds

    class Fixed:
        """The same folds, whatever the outcomes; folds within folds as ever."""

        def __init__(self, cv, seed):
            self.inner = real(cv, seed)

        def split(self, table, outcome):
            return cut if len(table) == 400 else self.inner.split(table, outcome)

    monkeypatch.setattr(_propensity, "_folds", Fixed)
    model = PropensityScorer(LogisticRegression(), calibration=method, cv=3, random_state=0)
    fold = cut[0][1]
    turned = y.copy()
    turned[fold] = 1 - y[fold]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitDiagnosisWarning)
        before = clone(model).fit(customers, y).out_of_fold_
        after = clone(model).fit(customers, turned).out_of_fold_
    np.testing.assert_array_equal(before.iloc[fold], after.iloc[fold])
    assert not np.array_equal(before.iloc[cut[1][1]], after.iloc[cut[1][1]])


def test_known_customers_get_their_out_of_fold_probability(fitted, market):
    customers, _, _ = market
    np.testing.assert_array_equal(fitted.score_samples(customers), fitted.out_of_fold_)
    some = customers.sample(50, random_state=1)
    np.testing.assert_array_equal(fitted.score_samples(some), fitted.out_of_fold_.loc[some.index])
    in_sample = clone(fitted).set_params(out_of_fold=False)
    in_sample.__dict__.update({k: v for k, v in vars(fitted).items() if k not in fitted.get_params()})
    final = in_sample.score_samples(customers)
    assert not np.allclose(final, fitted.out_of_fold_)
    # the same values under new ids, and new values under the same ids, are new customers
    stranger = customers.set_axis(customers.index.map(lambda one: f"X{one}"))
    np.testing.assert_array_equal(fitted.score_samples(stranger), final)
    changed = customers.assign(spend=customers["spend"].fillna(1.0) + 1)
    expected = in_sample.score_samples(changed)
    np.testing.assert_array_equal(fitted.score_samples(changed), expected)


def test_known_customers_in_other_dataframes(market):
    import polars as pl

    customers, y, _ = market
    customers = customers.iloc[:300]
    model = PropensityScorer(LogisticRegression(), cv=2, random_state=0).fit(customers, y[:300])
    for other in (customers.convert_dtypes(), pl.from_pandas(customers.reset_index())):
        np.testing.assert_array_equal(model.score_samples(other), model.out_of_fold_)


# -- calibration, against the truth -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "classifier",
    [None, LogisticRegression(), RandomForestClassifier(60, random_state=0), GaussianNB(), LinearSVC(C=0.01)],
    ids=lambda one: type(one).__name__,
)
def test_every_classifier_comes_out_calibrated(market, classifier):
    customers, y, p = market
    model = PropensityScorer(classifier, random_state=0).fit(customers, y)
    low, high = model.performance_.loc["calibration_slope", ["low", "high"]]
    assert low <= 1.1
    assert high >= 0.9
    oof = model.out_of_fold_.to_numpy()
    assert np.mean((oof - p) ** 2) < 0.75 * np.mean((y.mean() - p) ** 2)


def test_calibration_repairs_what_overfits(market):
    customers, y, _ = market
    raw = RandomForestClassifier(60, max_depth=None, random_state=0)
    with pytest.warns(FitDiagnosisWarning, match=r"too extreme; calibration='sigmoid' corrects it"):
        without = PropensityScorer(raw, calibration=None, cv=3, random_state=0).fit(customers, y)
    with_it = PropensityScorer(raw, cv=3, random_state=0).fit(customers, y)
    assert without.calibration_slope_ < 0.7
    assert with_it.log_loss_ < without.log_loss_


@pytest.mark.parametrize("file", ["bank_full", "bank_additional_full"])
def test_calibration_slope_on_bank_marketing(shared_data, file):
    """A quarter of the customers, without the duration of the call; full size in benchmarks/bench_scorers.py."""
    table = pd.read_parquet(shared_data / "bank_marketing" / f"{file}.parquet").sample(10_000, random_state=0)
    y = table.pop("y")
    model = PropensityScorer(positive="yes", cv=3, random_state=0).fit(table.drop(columns="duration"), y)
    # 0.9 to 1.1 at full size, widened by two standard errors of this one, 0.03
    assert 0.85 < model.calibration_slope_ < 1.15
    assert model.roc_auc_ > 0.75
    assert "unknown" in set(table["job"])


# -- columns ----------------------------------------------------------------------------------------------------------


def test_mixed_columns_in_every_form(market):
    customers, y, _ = market
    other = pd.DataFrame(
        {
            "spend": customers["spend"].astype("Float64"),
            "region": customers["region"].astype("category"),
            "member": customers["member"].astype(object),
            "since": customers["since"].dt.date,
        }
    )
    plain = PropensityScorer(LogisticRegression(), cv=2, random_state=0).fit(customers, y)
    same = PropensityScorer(LogisticRegression(), cv=2, random_state=0).fit(other, y)
    np.testing.assert_allclose(plain.out_of_fold_, same.out_of_fold_)


def test_rare_and_unseen_levels_and_constant_columns(market):
    customers, y, _ = market
    many = customers.assign(name=[f"n{i}" for i in range(len(customers))], same="x", empty=np.nan)
    model = PropensityScorer(random_state=0).fit(many, y)
    assert model.constant_columns_ == ("same", "empty")
    assert "same" not in model.feature_names_in_
    new = many.drop(columns=["same", "empty"]).assign(region="east").head(3)
    assert np.isfinite(model.score_samples(new)).all()
    none = many.assign(region=None, spend=np.nan).head(3)
    assert np.isfinite(model.score_samples(none)).all()


def test_a_pipeline_gets_the_table_as_it_is(market):
    customers, y, _ = market
    mine = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression())
    model = PropensityScorer(mine, columns=["region", "member"], cv=3, random_state=0).fit(customers, y)
    assert model.roc_auc_ > 0.55
    assert model.model_[0].categories_[0].tolist() == ["north", "south", "west"]
    assert np.isfinite(model.score_samples(customers.assign(region="east"))).all()


def test_columns_that_cannot_be_used(market):
    customers, y, _ = market
    with pytest.raises(ColumnError, match=r"column 'tags' holds 'list'"):
        PropensityScorer().fit(customers.assign(tags=[["a"]] * len(customers)), y)
    infinite = customers.copy()
    infinite.iloc[3, 0] = np.inf
    with pytest.raises(CustomerTableError, match=rf"columns 'spend', 1 customer: '{customers.index[3]}'"):
        PropensityScorer().fit(infinite, y)
    with pytest.raises(FitError, match="no column has more than one value: 'a'"):
        PropensityScorer().fit(pd.DataFrame({"a": np.ones(60)}), np.arange(60) % 2)
    model = PropensityScorer(LogisticRegression(), cv=2, random_state=0).fit(customers, y)
    with pytest.raises(ColumnError, match=r"column 'spend' holds text, in fit it held numbers"):
        model.score_samples(customers.assign(spend="much"))


# -- outcome ----------------------------------------------------------------------------------------------------------


def test_outcome_by_customer_and_by_position(market):
    customers, y, _ = market
    series = pd.Series(y, index=customers.index)
    model = PropensityScorer(LogisticRegression(), cv=2, random_state=0)
    expected = model.fit(customers, y).out_of_fold_
    for outcome in (series.sample(frac=1, random_state=0), pd.Series(y), y.astype(bool), y[:, None], y.tolist()):
        np.testing.assert_array_equal(clone(model).fit(customers, outcome).out_of_fold_, expected)
    text = clone(model).set_params(positive="yes").fit(customers, np.where(y == 1, "yes", "no"))
    np.testing.assert_array_equal(text.out_of_fold_, expected)
    assert text.positive_ == "yes"
    turned = clone(model).set_params(positive=0).fit(customers, y)
    np.testing.assert_allclose(turned.out_of_fold_, 1 - expected, atol=1e-3)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda y: None, ValueError, "learns from an outcome"),
        (lambda y: np.zeros_like(y), FitError, "the outcome is 0 for every customer"),
        (lambda y: np.arange(len(y)) % 3, FitError, "must have two values, it has 3: 0, 1, 2"),
        (lambda y: y + 1, FitError, r"values 1, 2: say which one with positive=2"),
        (lambda y: np.where(y == 1, "yes", "no"), FitError, r"say which one with positive='yes'"),
        (lambda y: np.where(np.arange(len(y)) == 2, np.nan, y), FitError, "missing for 1 customer: 'C"),
        (
            lambda y: (np.arange(len(y)) < 4).astype(int),
            FitError,
            "4 of 1,500 customers have the outcome 1: cv=5 needs",
        ),
        (lambda y: y[:-1], CustomerTableError, "y has 1,499 values, the table 1,500 customers"),
        (lambda y: pd.Series(y, index=[f"Z{i}" for i in range(len(y))]), CustomerTableError, "y lacks 1,500 customers"),
        (lambda y: pd.Series(y, index=["a"] * len(y)), CustomerTableError, "y has customers twice: 'a'"),
    ],
)
def test_outcomes_that_cannot_be_used(market, change, error, message):
    customers, y, _ = market
    with pytest.raises(error, match=message):
        PropensityScorer().fit(customers, change(y))


def test_positive_must_be_there(market):
    customers, y, _ = market
    with pytest.raises(FitError, match="positive='yes' is no value of the outcome; it has 0, 1"):
        PropensityScorer(positive="yes").fit(customers, y)


# -- warnings ---------------------------------------------------------------------------------------------------------


def test_a_column_that_gives_the_outcome_away_is_named(market):
    customers, y, _ = market
    rng = np.random.default_rng(0)
    leaking = customers.assign(
        invoice=np.where(y == 1, 50 + rng.random(len(y)), np.nan), note=np.where(y == 1, "welcome", "none yet")
    )
    with pytest.warns(FitDiagnosisWarning, match=r"By themselves do it: 'invoice', 'note'\. Leave out"):
        model = PropensityScorer(cv=2, random_state=0).fit(leaking, y)
    assert model.roc_auc_ > 0.98
    bits = np.random.default_rng(0).integers(0, 2, (2, len(y)))
    table = pd.DataFrame({"a": bits[0], "b": bits[1]})
    with pytest.warns(FitDiagnosisWarning, match="No column does it alone"):
        PropensityScorer(RandomForestClassifier(20), cv=2, random_state=0).fit(table, bits[0] ^ bits[1])


def test_noise_and_few_customers_are_said():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.random(90)})
    with pytest.warns(FitDiagnosisWarning, match="no better than chance") as caught:
        model = PropensityScorer(cv=3, random_state=0).fit(table, rng.permutation(np.arange(90) % 3 == 0))
    assert "30 customers are of the rarer outcome" in str(caught[0].message)
    assert len(model.diagnosis_) >= 2
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"calibration": "isotonik"}, ValueError, "Did you mean 'isotonic'"),
        ({"cv": 1}, ValueError, "cv must be a whole number"),
        ({"cv": True}, ValueError, "cv must be a whole number"),
        ({"level": 1.0}, ValueError, "level must lie between 0 and 1"),
        ({"columns": "spend"}, ValueError, "columns must be a list"),
        ({"classifier": LogisticRegression}, TypeError, "must be an instance of a scikit-learn classifier"),
        ({"classifier": StandardScaler()}, TypeError, "must be an instance of a scikit-learn classifier"),
        ({"classifier": LinearSVC(), "calibration": None}, TypeError, "has no probabilities"),
    ],
)
def test_bad_parameters(market, parameters, error, message):
    customers, y, _ = market
    with pytest.raises(error, match=message):
        PropensityScorer(**parameters).fit(customers, y)


# -- the interface ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model",
    [
        PropensityScorer(cv=2),
        PropensityScorer(LogisticRegression(max_iter=500), calibration=None, cv=2, columns=["age", "region", "income"]),
        PropensityScorer(RandomForestClassifier(5), calibration="isotonic", cv=2, out_of_fold=False),
    ],
    ids=["default", "columns", "final"],
)
def test_conformance(model):
    y = (np.random.default_rng(0).random(120) < make_customers()["age"] / 100).to_numpy(int)
    results = check_scorer(model, make_customers(), y=y)
    skipped = [result.check for result in results if result.status != "passed"]
    assert skipped == ["check_draws"]


def test_pickle_and_pipeline_function(fitted, market):
    customers, _, _ = market
    again = pickle.loads(pickle.dumps(fitted))
    new = customers.set_axis(customers.index.map(lambda one: f"X{one}"))
    for table in (customers, new):
        np.testing.assert_array_equal(again.score_samples(table), fitted.score_samples(table))
    assert score_customers(fitted, customers).columns.tolist() == ["propensity"]


def test_calibration_table_and_plot(fitted, monkeypatch):
    plt = pytest.importorskip("matplotlib.pyplot", reason="drawing needs matplotlib")
    plt.switch_backend("agg")
    table = fitted.calibration_table(5)
    assert table["n_customers"].sum() == fitted.n_customers_
    assert np.average(table["observed"], weights=table["n_customers"]) == pytest.approx(fitted.base_rate_)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # those of matplotlib's own imports
        ax = fitted.plot_calibration(5)
        np.testing.assert_allclose(ax.containers[0].lines[0].get_xdata(orig=False), table["predicted"])
        np.testing.assert_allclose(ax.containers[0].lines[0].get_ydata(orig=False), table["observed"])
        assert fitted.plot_calibration(ax=plt.figure().add_subplot()).get_ylabel() == "share with the outcome"
        plt.close("all")
    with pytest.raises(ValueError, match="n_bins must be a whole number"):
        fitted.calibration_table(0)
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r'pip install "customer-segments\[plot\]"'):
        fitted.plot_calibration()
