"""Probability of an outcome, calibrated, and judged on customers the model has not seen."""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.isotonic import IsotonicRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from segmentation._format import count, name_some, nearest
from segmentation._tags import SegmentationTags
from segmentation.base import Scorer
from segmentation.exceptions import ColumnError, CustomerTableError, FitDiagnosisWarning, FitError
from segmentation.scorers import _propensity_columns as columns_of
from segmentation.scorers._calibration import (
    PlattCalibrator,
    calibration_measures,
    log_odds,
    reliability_table,
    roc_auc,
)

__all__ = ["PropensityScorer"]

Floats = NDArray[np.float64]
Calibration = Literal["sigmoid", "isotonic"]

# An area under the ROC curve that real outcomes do not reach, and what a column alone must reach to be named.
SUSPICIOUS_AUC, TELLING_AUC = 0.98, 0.95
# With fewer customers of a class, isotonic steps and the calibration slope are mostly noise.
FEW_OF_A_CLASS = 50
# A slope outside, whose interval leaves 1 out, is worth a warning.
SLOPE_LIMITS = (0.8, 1.25)
# Smaller trees and smaller steps than scikit-learn's defaults (31 and 0.1), which overfit some hundred customers. A
# model that overfits is also hard to calibrate out of fold, because how much it does depends on the size of the part.
LEARNING_RATE, MOST_LEAVES = 0.05, 8
CAUSES = "columns that were recorded after the outcome, or because of it"


class PropensityScorer(Scorer):
    """Probability that a customer does something: respond, buy, cancel.

    Any scikit-learn classifier, made to work on a table of mixed columns and calibrated. Every figure about its
    quality, and by default also the score of every customer of ``fit``, comes from models that have not seen that
    customer.

    Parameters
    ----------
    classifier : scikit-learn classifier, optional
        Cloned, never changed. By default gradient boosting
        (`sklearn.ensemble.HistGradientBoostingClassifier` with 100 trees of 8 leaves and learning rate 0.05, which
        does not overfit some hundred customers as larger trees do): it takes numbers, text and
        missing values as they are and finds interactions. It is fitted 31 times for the nested calibration of 5 parts,
        half a minute for 45,000 customers with 15 columns. Another classifier gets its columns as
        numbers: missing numbers filled with the median and flagged, numbers standardised, a 0/1 column per level
        of text. A `sklearn.pipeline.Pipeline` gets the table as it is.
    calibration : {"sigmoid", "isotonic"} or None, default="sigmoid"
        "sigmoid": a logistic line on the log odds [1]_, which is right for most classifiers and needs few
        customers. "isotonic": any increasing steps, for 1,000 and more customers with the outcome. None: the
        probabilities of the classifier as they are.
    cv : int, default=5
        Number of parts the customers are cut into, at random and stratified by outcome.
    positive : value, optional
        Which of the two outcomes the probability is of. Needed where they are not 0 and 1 or False and True.
    columns : list of column, optional
        What to learn from; by default all columns that are not constant.
    out_of_fold : bool, default=True
        Give customers of ``fit`` their out-of-fold probability; see Notes. Used in scoring only.
    level : float, default=0.9
        Of the intervals of `performance_` and `calibration_table`.
    random_state : int, RandomState or None, default=None
        How customers are cut into parts, and the classifier's own randomness.

    Attributes
    ----------
    out_of_fold_ : pandas.Series
        Probability of every customer of ``fit`` from a model, and a calibration, that have not seen them.
    performance_ : pandas.DataFrame
        Of `out_of_fold_`: index ``figure``, columns ``estimate``, ``low``, ``high``.
    calibration_slope_, calibration_intercept_ : float
        Of a logistic regression of the outcome on the log odds of `out_of_fold_` [2]_. 1 and 0 are right; a slope
        below 1 says that the probabilities are too extreme, above 1 that they are too close to the mean.
    brier_, log_loss_, roc_auc_, base_rate_ : float
        Mean squared error, mean negative log likelihood and area under the ROC curve of `out_of_fold_`; share of
        the outcome.
    n_customers_, n_positive_ : int
    positive_ : value
    constant_columns_ : tuple
        Columns of ``fit`` with one value only; they are not used and not needed for scoring.
    diagnosis_ : tuple of str
        What makes the result doubtful, in plain words; empty when nothing does.
    model_ : fitted classifier
        Learnt from all customers, with its encoding, before calibration.

    Raises
    ------
    FitError
        If the outcome is missing for some customers, has one value or more than two, or too few customers have it
        (fewer than ``2 * cv`` of either kind).
    ColumnError, CustomerTableError
        If a column is neither numbers, booleans, dates nor text, changes from one to the other, or is infinite.
    ValueError, TypeError
        If a parameter cannot be used.

    Warns
    -----
    FitDiagnosisWarning
        If the area under the ROC curve is at least 0.98 (the columns that alone reach 0.95 are named: a column
        recorded after the outcome gives it away), if it does not differ from 0.5, if either kind of customer counts
        fewer than 50, or if the calibration slope is outside 0.8 to 1.25 and its interval leaves 1 out.

    Notes
    -----
    **Outcome.** ``y`` has one value per customer. A pandas Series whose index is not simply 0, 1, 2, ... is matched
    by customer id, in whatever order; everything else by position.

    **Out of fold.** For each of the `cv` parts the classifier learns from the others, and so does its calibration:
    within the others, by cross-validation again, so neither has seen a customer of the part. That takes
    ``cv * (cv + 1) + 1`` fits, ``cv + 1`` without calibration. The final model learns from all customers; its
    calibration from out-of-fold predictions.

    **Who gets which.** A customer whose id *and* values are those of ``fit`` gets the out-of-fold probability; a
    new one, or one whose values have changed since, gets that of the final model. So a customer's score depends on
    that customer alone, and ids that are only row numbers do no harm. With ``out_of_fold=False`` everybody gets the
    final model: right for comparing two customers, too good to be true for judging the model on those of ``fit``.

    **Probabilities are not effects.** A customer likely to buy need not be one whom a campaign moves.

    ``calibration="isotonic"`` gives no customer a probability below 1 / (n + 2) or above (n + 1) / (n + 2). Where
    logarithms are taken, probabilities are kept 1e-6 away from 0 and 1. Intervals are for these customers and
    folds, as if predictions were independent. Levels of text with fewer than 10 customers are put together; a level
    that ``fit`` has not seen counts as missing (as none, with a classifier of your own). Dates become days.

    References
    ----------
    .. [1] Platt (1999), Probabilistic outputs for support vector machines, in Advances in Large Margin
       Classifiers, MIT Press, 61-74.
    .. [2] Van Calster, McLernon, van Smeden, Wynants, Steyerberg (2019), Calibration: the Achilles heel of
       predictive analytics, BMC Medicine 17, 230, doi:10.1186/s12916-019-1466-7.

    Examples
    --------
    >>> import numpy as np
    >>> from segmentation.scorers import PropensityScorer
    >>> from segmentation.testing import make_customers
    >>> customers = make_customers(900)
    >>> bought = np.random.default_rng(0).random(900) < customers["age"] / 100
    >>> model = PropensityScorer(columns=["age", "region", "income"], cv=3, random_state=0).fit(customers, bought)
    >>> model.performance_["estimate"].round(2)
    figure
    calibration_slope        1.01
    calibration_intercept    0.01
    brier                    0.22
    log_loss                 0.63
    roc_auc                  0.68
    base_rate                0.42
    Name: estimate, dtype: float64
    >>> model.score_customers(customers).head(3).round(2)
                 propensity
    customer_id
    C00577             0.33
    C00712             0.39
    C00770             0.49
    """

    def __init__(
        self,
        classifier: Any = None,
        *,
        calibration: Calibration | None = "sigmoid",
        cv: int = 5,
        positive: Any = None,
        columns: Sequence[Any] | None = None,
        out_of_fold: bool = True,
        level: float = 0.9,
        random_state: Any = None,
    ) -> None:
        self.classifier = classifier
        self.calibration = calibration
        self.cv = cv
        self.positive = positive
        self.columns = columns
        self.out_of_fold = out_of_fold
        self.level = level
        self.random_state = random_state

    def __sklearn_tags__(self) -> SegmentationTags:
        tags = super().__sklearn_tags__()
        tags.scorer_tags.unit = "probability"
        tags.scorer_tags.dataframe_only = True
        tags.input_tags.two_d_array = False
        tags.input_tags.allow_nan = True
        tags.target_tags.required = True
        return tags

    def _required_columns(self) -> Sequence[Any] | None:
        if self.columns is None:
            return None
        if isinstance(self.columns, str) or not len(self.columns):
            raise ValueError(f"columns must be a list of columns, got {self.columns!r}.")
        return list(self.columns)

    def _check_parameters(self) -> None:
        if self.calibration is not None and self.calibration not in get_args(Calibration):
            close = nearest(self.calibration, get_args(Calibration))
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ValueError(f"calibration must be 'sigmoid', 'isotonic' or None, got {self.calibration!r}.{hint}")
        if not isinstance(self.cv, numbers.Integral) or isinstance(self.cv, bool) or self.cv < 2:
            raise ValueError(f"cv must be a whole number of parts, 2 or more, got {self.cv!r}.")
        if not isinstance(self.level, numbers.Real) or not 0 < self.level < 1:
            raise ValueError(f"level must lie between 0 and 1, got {self.level!r}.")
        model = self.classifier
        if model is None:
            return
        if isinstance(model, type) or not is_classifier(model):
            raise TypeError(
                f"classifier must be an instance of a scikit-learn classifier, got {model!r}: for example "
                "LogisticRegression()."
            )
        if not any(hasattr(model, name) for name in ("predict_proba", "decision_function")):
            raise TypeError(f"classifier {model!r} has neither predict_proba nor decision_function.")
        if self.calibration is None and not hasattr(model, "predict_proba"):
            raise TypeError(f"classifier {model!r} has no probabilities; use calibration='sigmoid'.")

    def _fit(self, X: pd.DataFrame, y: Any) -> Sequence[str]:
        self._check_parameters()
        outcome, self.positive_ = read_outcome(y, X.index, self.positive)
        self._refuse_small_classes(outcome)
        self._takes_table = isinstance(self.classifier, Pipeline)
        plain = self._learn_columns(X)
        table = X[list(plain.columns)] if self._takes_table else plain
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        template = self._template(seed)
        p, raw = self._cross_fit(template, table, outcome, seed)
        self.model_ = clone(template).fit(table, outcome)
        self._calibrator = _calibrator(self.calibration, raw, outcome)
        self.out_of_fold_ = pd.Series(p, index=X.index, name="propensity")
        self._outcome = outcome
        self._fingerprints = columns_of.fingerprints(plain)
        self._report(outcome, p, plain)
        return ["propensity"]

    def _refuse_small_classes(self, outcome: Floats) -> None:
        self.n_customers_, self.n_positive_ = len(outcome), int(outcome.sum())
        smaller, fewest = min(self.n_positive_, self.n_customers_ - self.n_positive_), 2 * int(self.cv)
        if smaller < fewest:
            raise FitError(
                f"{self.n_positive_:,} of {count(self.n_customers_, 'customer')} have the outcome {self.positive_!r}: "
                f"cv={self.cv} needs at least {fewest} with and {fewest} without it. Collect more, or lower cv."
            )

    def _learn_columns(self, X: pd.DataFrame) -> pd.DataFrame:
        """Record the columns in use and their kinds; return them as numbers and text."""
        plain = columns_of.plain_table(X, type(self).__name__)
        constant = columns_of.constant_names(plain)
        used = [name for name in X if name not in constant]
        if not used:
            raise FitError(f"no column has more than one value: {name_some(constant)}; there is nothing to learn from.")
        self.constant_columns_ = tuple(constant)
        self.feature_names_in_, self.n_features_in_ = np.array(used, dtype=object), len(used)
        plain = plain[used]
        self._numbers = columns_of.numeric_names(plain)
        return plain

    def _plain(self, X: pd.DataFrame) -> pd.DataFrame:
        """Read a table in the types of ``fit``; refuse a column that has become something else."""
        plain = columns_of.plain_table(X[list(self.feature_names_in_)], type(self).__name__)
        for name in plain:
            is_number = plain[name].dtype == np.float64
            if is_number == (name in self._numbers):
                continue
            if plain[name].isna().all():  # nothing in it: neither number nor text
                plain[name] = plain[name].astype(np.float64 if name in self._numbers else object)
                continue
            kinds = ("numbers", "text") if is_number else ("text", "numbers")
            raise ColumnError(f"column {name!r} holds {kinds[0]}, in fit it held {kinds[1]}.")
        return plain

    def _template(self, seed: int) -> Any:
        """Return the unfitted classifier with the encoding it needs."""
        if isinstance(self.classifier, Pipeline):
            return _seeded(clone(self.classifier), seed)
        names = [name for name in self.feature_names_in_ if name not in self._numbers]
        if self.classifier is not None:
            encode = columns_of.dummies_encoder(self._numbers, names)
            return Pipeline([("encode", encode), ("classify", _seeded(clone(self.classifier), seed))])
        return _boosting(self._numbers, names, seed)

    def _cross_fit(self, template: Any, table: Any, y: Floats, seed: int) -> tuple[Floats, Floats]:
        """Return out-of-fold probabilities, calibrated without the fold, and out-of-fold log odds."""
        p, raw = np.empty(len(y)), np.empty(len(y))
        for train, test in _folds(self.cv, seed).split(table, y):
            model = clone(template).fit(table.iloc[train], y[train])
            raw[test] = _raw(model, table.iloc[test])
            inner = (
                raw[:0]
                if self.calibration is None
                else _out_of_fold(template, table.iloc[train], y[train], self.cv, seed)
            )
            p[test] = _calibrator(self.calibration, inner, y[train]).predict(raw[test])
        return p, raw

    def _report(self, y: Floats, p: Floats, plain: pd.DataFrame) -> None:
        self.performance_ = calibration_measures(y, p, float(self.level))
        estimate = self.performance_["estimate"]
        self.calibration_slope_ = float(estimate["calibration_slope"])
        self.calibration_intercept_ = float(estimate["calibration_intercept"])
        self.brier_, self.log_loss_ = float(estimate["brier"]), float(estimate["log_loss"])
        self.roc_auc_, self.base_rate_ = float(estimate["roc_auc"]), float(estimate["base_rate"])
        self.diagnosis_ = tuple(self._doubts(y, plain))
        if self.diagnosis_:
            numbered = " ".join(f"({i}) {text}" for i, text in enumerate(self.diagnosis_, 1))
            warnings.warn(  # four levels up is the caller of fit
                f"{type(self).__name__} is fitted, but its scores are doubtful: {numbered}",
                FitDiagnosisWarning,
                stacklevel=4,
            )

    def _doubts(self, y: Floats, plain: pd.DataFrame) -> list[str]:
        doubts = []
        rows = {
            str(name): [float(value) for value in row]
            for name, row in zip(self.performance_.index, self.performance_.to_numpy(), strict=True)
        }
        smaller = min(self.n_positive_, self.n_customers_ - self.n_positive_)
        if smaller < FEW_OF_A_CLASS:
            doubts.append(
                f"{count(smaller, 'customer is', 'customers are')} of the rarer outcome; below {FEW_OF_A_CLASS} "
                "the probabilities, and the figures about them, are rough."
            )
        if self.roc_auc_ >= SUSPICIOUS_AUC:
            doubts.append(self._leak(y, plain))
        elif rows["roc_auc"][1] <= 0.5:
            doubts.append(
                f"out of fold the area under the ROC curve is {self.roc_auc_:.2f}, from "
                f"{rows['roc_auc'][1]:.2f} to {rows['roc_auc'][2]:.2f}: no better than chance, so "
                f"the base rate {self.base_rate_:.3g} says as much as the scores."
            )
        slope, low, high = rows["calibration_slope"]
        if not SLOPE_LIMITS[0] <= slope <= SLOPE_LIMITS[1] and not low <= 1 <= high and not np.isnan(low):
            what = "too extreme" if slope < 1 else "too close to the mean"
            remedy = "; calibration='sigmoid' corrects it" if self.calibration is None else ""
            doubts.append(f"the calibration slope is {slope:.2f}: the probabilities are {what}{remedy}.")
        return doubts

    def _leak(self, y: Floats, plain: pd.DataFrame) -> str:
        """Name the columns that give the outcome away by themselves."""
        telling: list[tuple[float, Any]] = []
        for name in plain:
            texts = [] if name in self._numbers else [name]
            alone = _boosting([] if texts else [name], texts, 0)
            auc, _ = roc_auc(y, _out_of_fold(alone, plain[[name]], y, 2, 0))
            if auc >= TELLING_AUC:
                telling.append((auc, name))
        found = (
            f"the area under the ROC curve is {self.roc_auc_:.3f}, which real outcomes do not allow: look for {CAUSES}."
        )
        if not telling:
            return f"{found} No column does it alone."
        telling.sort(key=lambda one: -one[0])
        return (
            f"{found} By themselves do it: {name_some([name for _, name in telling])}. Leave out what is not known "
            "when the score is needed: columns=[...]."
        )

    def _scores(self, X: pd.DataFrame) -> Floats:
        plain = self._plain(X)
        p, known = np.full(len(X), np.nan), np.zeros(len(X), dtype=bool)
        if self.out_of_fold:
            at = self.out_of_fold_.index.get_indexer(X.index)
            # the values too: an id that comes back with new ones is not the customer that the fold left out
            known = (at >= 0) & (self._fingerprints[at] == columns_of.fingerprints(plain))
            p[known] = self.out_of_fold_.to_numpy()[at[known]]
        if not known.all():
            table = X[list(self.feature_names_in_)] if self._takes_table else plain
            p[~known] = self._calibrator.predict(_raw(self.model_, table.loc[~known]))
        return p[:, None]

    def calibration_table(self, n_bins: int = 10) -> pd.DataFrame:
        """Set what happened beside what was predicted, out of fold.

        Parameters
        ----------
        n_bins : int, default=10
            Groups of customers by predicted probability, as equal in size as ties allow.

        Returns
        -------
        pandas.DataFrame
            Index ``bin``: ``from`` and ``to`` (smallest and largest probability), ``n_customers``, ``predicted``
            (mean), ``observed`` (share with the outcome), ``observed_low`` and ``observed_high`` (Wilson interval).
        """
        check_is_fitted(self)
        if not isinstance(n_bins, numbers.Integral) or isinstance(n_bins, bool) or n_bins < 1:
            raise ValueError(f"n_bins must be a whole number, 1 or more, got {n_bins!r}.")
        bins = min(int(n_bins), self.n_customers_)
        return reliability_table(self._outcome, self.out_of_fold_.to_numpy(), bins, float(self.level))

    def plot_calibration(self, n_bins: int = 10, *, ax: Any = None) -> Any:
        """Draw `calibration_table`: on the diagonal, what was predicted is what happened.

        Parameters
        ----------
        n_bins : int, default=10
        ax : matplotlib Axes, optional
            By default a new figure.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        ImportError
            If matplotlib is not installed; the message has the command.
        """
        table = self.calibration_table(n_bins)
        try:
            import matplotlib.pyplot as plt
        except ImportError as error:
            raise ImportError('plot_calibration needs matplotlib: pip install "customer-segments[plot]"') from error
        if ax is None:
            _, ax = plt.subplots(figsize=(5.5, 5.5), layout="constrained")
        most = min(1.0, 1.1 * float(table[["predicted", "observed_high"]].to_numpy().max()))
        ax.plot([0, most], [0, most], color="0.6", linewidth=1, linestyle="--", label="as predicted", zorder=1)
        spread = [table["observed"] - table["observed_low"], table["observed_high"] - table["observed"]]
        ax.errorbar(
            table["predicted"],
            table["observed"],
            yerr=np.clip(spread, 0, None),
            marker="o",
            markersize=4,
            linewidth=1,
            capsize=2,
            color="#1f5a99",
            label=f"{count(len(table), 'group')} of customers, {100 * self.level:g} % interval",
        )
        # where the customers are, as ticks along the bottom
        marks = np.quantile(self.out_of_fold_.to_numpy(), np.linspace(0.005, 0.995, 100))
        ax.plot(marks, np.zeros_like(marks), "|", color="0.35", markersize=8, label="customers, one in a hundred")
        ax.set(
            xlim=(0, most),
            ylim=(0, most),
            aspect="equal",
            xlabel=f"predicted probability of {self.positive_!r}, out of fold",
            ylabel="share with the outcome",
            title=f"calibration slope {self.calibration_slope_:.2f}, area under ROC {self.roc_auc_:.2f}, "
            f"n = {self.n_customers_:,}",
        )
        ax.title.set_fontsize("medium")
        ax.legend(frameon=False, fontsize="small", loc="upper left")
        return ax


def read_outcome(y: Any, index: pd.Index, positive: Any) -> tuple[Floats, Any]:
    """Return the outcome as 0 and 1 in the order of the customers, and the value that is 1."""
    if y is None:
        raise ValueError("PropensityScorer learns from an outcome: fit(customers, y) with one value per customer.")
    values = _in_order(y, index)
    missing = values.isna().to_numpy()
    if missing.any():
        customers = index[missing]
        raise FitError(
            f"the outcome is missing for {count(len(customers), 'customer')}: {name_some(customers)}. Fit on those "
            "whose outcome is known; unknown is not 'no'."
        )
    levels = sorted(values.unique().tolist(), key=str)
    if len(levels) == 1:
        raise FitError(f"the outcome is {levels[0]!r} for every customer; there is nothing to tell apart.")
    if len(levels) > 2:
        raise FitError(f"the outcome must have two values, it has {len(levels):,}: {name_some(levels)}.")
    if positive is None:
        if not all(isinstance(level, bool | numbers.Real) and level in (0, 1) for level in levels):
            raise FitError(
                f"the outcome has the values {name_some(levels)}: say which one with positive={levels[1]!r}."
            )
        positive = next(level for level in levels if level == 1)
    elif positive not in levels:
        raise FitError(f"positive={positive!r} is no value of the outcome; it has {name_some(levels)}.")
    return (values == positive).to_numpy(dtype=np.float64), positive


def _in_order(y: Any, index: pd.Index) -> pd.Series:
    """Return the outcome as a Series in the order of the customers."""
    if hasattr(y, "ndim") and y.ndim == 2 and y.shape[1] == 1:
        y = y.iloc[:, 0] if isinstance(y, pd.DataFrame) else y[:, 0]
    if isinstance(y, pd.Series) and not y.index.equals(pd.RangeIndex(len(y))) and not y.index.equals(index):
        if not y.index.is_unique:
            raise CustomerTableError(f"y has customers twice: {name_some(y.index[y.index.duplicated()].unique())}.")
        absent = index.difference(y.index, sort=False)
        if len(absent):
            raise CustomerTableError(f"y lacks {count(len(absent), 'customer')} of the table: {name_some(absent)}.")
        y = y.reindex(index)
    values = (
        y if isinstance(y, pd.Series) else pd.Series(np.asarray(y) if not hasattr(y, "to_pandas") else y.to_pandas())
    )
    if len(values) != len(index):
        raise CustomerTableError(f"y has {count(len(values), 'value')}, the table {count(len(index), 'customer')}.")
    return values.astype(object)


def _folds(cv: Any, seed: int) -> StratifiedKFold:
    return StratifiedKFold(int(cv), shuffle=True, random_state=seed)


def _seeded(model: Any, seed: int) -> Any:
    """Fix every randomness of a classifier that was left open."""
    parameters = model.get_params()
    open_ones = [name for name, value in parameters.items() if name.split("__")[-1] == "random_state" and value is None]
    return model.set_params(**dict.fromkeys(open_ones, seed))


def _boosting(numbers_: list[Any], texts: list[Any], seed: int) -> Pipeline:
    """Return the default classifier with its encoding: numbers first, then the codes of text."""
    positions = list(range(len(numbers_), len(numbers_) + len(texts)))
    model = HistGradientBoostingClassifier(
        learning_rate=LEARNING_RATE,
        max_leaf_nodes=MOST_LEAVES,
        categorical_features=positions or None,
        early_stopping=False,  # it would set a random tenth of the customers aside, and depend on it
        random_state=seed,
    )
    return Pipeline([("encode", columns_of.codes_encoder(numbers_, texts)), ("classify", model)])


def _raw(model: Any, table: Any) -> Floats:
    """Return what is calibrated: log odds, or the classifier's own decision where it has no probabilities."""
    if hasattr(model, "predict_proba"):
        return log_odds(np.asarray(model.predict_proba(table), dtype=np.float64)[:, 1])
    return np.asarray(model.decision_function(table), dtype=np.float64)


def _out_of_fold(template: Any, table: Any, y: Floats, cv: Any, seed: int) -> Floats:
    raw = np.empty(len(y))
    for train, test in _folds(cv, seed).split(table, y):
        raw[test] = _raw(clone(template).fit(table.iloc[train], y[train]), table.iloc[test])
    return raw


class _AsItIs:
    """No calibration: log odds back to probabilities."""

    def predict(self, raw: Floats) -> Floats:
        return np.asarray(1.0 / (1.0 + np.exp(-raw)), dtype=np.float64)


def _calibrator(method: str | None, raw: Floats, y: Floats) -> Any:
    """Learn how log odds become probabilities."""
    if method is None:
        return _AsItIs()
    if method == "sigmoid":
        return PlattCalibrator().fit(raw, y)
    least = 1.0 / (len(y) + 2)
    return IsotonicRegression(y_min=least, y_max=1 - least, out_of_bounds="clip").fit(raw, y)
