"""The three interfaces that plug-ins implement: Segmenter, Scorer and Prioritizer.

Each is a template: the public methods are final and do validation, names and index; a plug-in writes the
underscored hooks. ``segmentation.testing`` has the checks that a plug-in must pass.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClusterMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from segmentation._format import name_some
from segmentation._frames import is_frame, kind_of
from segmentation._notes import with_notes
from segmentation._priorities import Override, rank_segments
from segmentation._tags import ScorerTags, SegmentationTags, SegmenterTags, extend_tags
from segmentation._validation import as_customers, numeric_customers, refuse_missing, select_columns
from segmentation._why import Why, by_substitution, typical_values
from segmentation.assignment import UNASSIGNED, make_assignment
from segmentation.exceptions import CustomerTableError, OutputError

__all__ = ["Override", "Prioritizer", "Scorer", "ScorerTags", "Segmenter", "SegmenterTags"]

# Degrees may leave [0, 1], and rows of a hard or soft membership may leave their sum, by rounding only.
ROUNDING = 1e-9


class _CustomerEstimator(BaseEstimator, ABC):
    """What Segmenter and Scorer share: how customers come in."""

    n_features_in_: int
    feature_names_in_: NDArray[np.object_]

    def _required_columns(self) -> Sequence[str] | None:
        """Return the columns this estimator uses, or None for all; called at the start of ``fit``."""
        return None

    @abstractmethod
    def _needs_table(self) -> bool:
        """Tell whether the tags ask for a table with named columns."""

    def _customers(self, X: Any, *, reset: bool) -> tuple[Any, pd.Index]:
        """Validate `X`; return what the hooks get, and the customer ids."""
        if not self._needs_table():
            return numeric_customers(self, X, reset=reset)
        who = type(self).__name__
        if not is_frame(X):
            raise TypeError(
                f"{who} needs a table with named columns (pandas, polars, pyarrow, ...), got {kind_of(X)}: "
                "pandas.DataFrame(X, columns=[...]) makes one."
            )
        table = as_customers(X)
        if reset:
            needed = self._required_columns()
            used = list(table.columns if needed is None else needed)
        else:
            used = list(self.feature_names_in_)
        table = select_columns(table, used, f"{who} needs columns that are not there;")
        if reset and not len(table):
            raise CustomerTableError(f"{who} cannot learn from a table without customers (0 rows, n_samples=0).")
        if not self.__sklearn_tags__().input_tags.allow_nan:
            refuse_missing(table, who)
        if reset:
            self.feature_names_in_ = np.asarray(used, dtype=object)
            self.n_features_in_ = len(used)
        return table, table.index


class Segmenter(ClusterMixin, TransformerMixin, _CustomerEstimator):
    """Base class of everything that puts customers into segments.

    A subclass writes two hooks, ``_fit`` and ``_membership``; it may override ``_fit_membership``, ``_codes``,
    ``_required_columns`` and ``_explain``, and states its capabilities in ``__sklearn_tags__``. All public methods
    are final. A fitted attribute ``notes_`` (sentences) is printed below the tables that come from it.

    Attributes
    ----------
    segments_ : ndarray of shape (n_segments,), object
        Segment names, in the order of their codes.
    labels_ : ndarray of shape (n_customers,), int64
        Code of each customer of ``fit``; -1 where the customer is in no segment.
    n_features_in_ : int
        Number of columns used.
    feature_names_in_ : ndarray of shape (n_features_in_,), object
        Their names, where ``fit`` saw a table.

    Notes
    -----
    Customers come in as any dataframe or as an array. A dataframe with duplicate or missing ids is refused
    (`CustomerTableError`); a column called ``customer_id`` is the id. ``fit`` refuses a table without rows;
    ``predict``, ``transform`` and ``assign`` return empty results for one. Values that are not finite are
    refused by name unless the estimator's tags allow NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from segmentation import Segmenter
    >>> class Halves(Segmenter):
    ...     def _fit(self, X, y):
    ...         self.cut_ = np.median(X[:, 0])
    ...         return ["low", "high"]
    ...     def _membership(self, X):
    ...         high = X[:, 0] > self.cut_
    ...         return np.column_stack([~high, high]).astype(float)
    >>> Halves().fit([[1.0], [2.0], [9.0]]).predict([[0.0], [99.0]])
    array([0, 1])
    """

    segments_: NDArray[np.object_]
    labels_: NDArray[np.int64]

    @abstractmethod
    def _fit(self, X: Any, y: Any) -> Sequence[str]:
        """Learn from the customers; return the segment names in the order of their codes."""

    @abstractmethod
    def _membership(self, X: Any) -> NDArray[np.float64]:
        """Return the degree of membership, shape (n_customers, n_segments), each in [0, 1]."""

    def _fit_membership(self, X: Any) -> NDArray[np.float64]:
        """Return the membership of the customers just learnt from; override where ``_fit`` already knows it."""
        return self._membership(X)

    def _codes(self, X: Any, membership: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return one code per customer: by default the largest degree, -1 where all degrees are zero."""
        return largest_degree(membership)

    _explanation_unit = "degrees of membership"

    def _explain(self, X: Any, membership: NDArray[np.float64], codes: NDArray[np.int64]) -> list[Why]:
        """Return why each customer is where they are; by default found by substitution (see `by_substitution`).

        An override also sets ``_explanation_unit``: what margin and contributions are measured in.
        """
        return by_substitution(self, X, membership, codes, self._typical)

    def __sklearn_tags__(self) -> SegmentationTags:
        return extend_tags(super().__sklearn_tags__())

    def _needs_table(self) -> bool:
        return bool(self.__sklearn_tags__().segmenter_tags.dataframe_only)

    def _learn(self, X: Any, y: Any) -> tuple[NDArray[np.float64], pd.Index]:
        """Fit, set the fitted attributes, and return membership and ids of the customers learnt from."""
        data, index = self._customers(X, reset=True)
        names = self._fit(data, y)
        self.segments_ = _checked_names(names, "segment", type(self).__name__)
        membership = self._checked_membership(self._fit_membership(data), len(index))
        self.labels_ = self._checked_codes(self._codes(data, membership), len(index))
        if type(self)._explain is Segmenter._explain:  # only substitution needs it
            names = getattr(self, "feature_names_in_", [f"x{i}" for i in range(self.n_features_in_)])
            self._typical = typical_values(data, names, self.labels_, len(self.segments_))
        return membership, index

    def _apply(self, X: Any) -> tuple[Any, pd.Index, NDArray[np.float64]]:
        """Validate new customers and compute their membership, once."""
        check_is_fitted(self)
        data, index = self._customers(X, reset=False)
        if not len(index):  # an empty batch is a defined result; no hook has to think of it
            return data, index, np.zeros((0, len(self.segments_)))
        return data, index, self._checked_membership(self._membership(data), len(index))

    def _apply_codes(self, data: Any, membership: NDArray[np.float64]) -> NDArray[np.int64]:
        if not len(membership):
            return np.zeros(0, dtype=np.int64)
        return self._checked_codes(self._codes(data, membership), len(membership))

    def _table(self, codes: NDArray[np.int64], membership: NDArray[np.float64], index: pd.Index) -> pd.DataFrame:
        """Make the assignment table; what a segmenter has to say about its segments (``notes_``) goes with it."""
        return with_notes(make_assignment(codes, membership, self.segments_, index), getattr(self, "notes_", ()))

    @final
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn segments from customers.

        Parameters
        ----------
        X : dataframe or array of shape (n_customers, n_features)
            The customers.
        y : ignored or passed on
            Most segmenters ignore it.

        Returns
        -------
        self
        """
        self._learn(X, y)
        return self

    @final
    def predict(self, X: Any) -> NDArray[np.int64]:
        """Return the code of each customer: a position in ``segments_``, or -1 for none.

        Parameters
        ----------
        X : dataframe or array of shape (n_customers, n_features)

        Returns
        -------
        ndarray of shape (n_customers,), int64
        """
        data, _, membership = self._apply(X)
        return self._apply_codes(data, membership)

    @final
    def fit_predict(self, X: Any, y: Any = None) -> NDArray[np.int64]:
        """Fit, and return ``labels_``."""
        self._learn(X, y)
        return self.labels_

    @final
    def transform(self, X: Any) -> NDArray[np.float64]:
        """Return the degree of membership of each customer in each segment.

        Parameters
        ----------
        X : dataframe or array of shape (n_customers, n_features)

        Returns
        -------
        ndarray of shape (n_customers, n_segments), float64 in [0, 1]
            A table instead after ``set_output(transform="pandas")``.
        """
        return self._apply(X)[2]

    @final
    def fit_transform(self, X: Any, y: Any = None) -> NDArray[np.float64]:
        """Fit, and return the membership of the same customers."""
        return self._learn(X, y)[0]

    @final
    def assign(self, X: Any) -> pd.DataFrame:
        """Return the assignment table of the customers.

        Parameters
        ----------
        X : dataframe or array of shape (n_customers, n_features)

        Returns
        -------
        pandas.DataFrame
            Index ``customer_id``; ``segment`` (Categorical: all segments, then "unassigned") and
            ``membership`` (degree in the assigned segment; 0 where unassigned). Where the segmenter has
            ``notes_``, they stand in ``attrs["notes"]`` and are printed below the table.
        """
        data, index, membership = self._apply(X)
        return self._table(self._apply_codes(data, membership), membership, index)

    @final
    def fit_assign(self, X: Any, y: Any = None) -> pd.DataFrame:
        """Fit, and return the assignment table of the same customers.

        Works for every segmenter, also for one that cannot predict for other customers.
        """
        membership, index = self._learn(X, y)
        return self._table(self.labels_, membership, index)

    @final
    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the segment names: the columns of ``transform``."""
        check_is_fitted(self)
        return self.segments_.copy()

    def _checked_membership(self, membership: Any, n_customers: int) -> NDArray[np.float64]:
        """Refuse a membership of the wrong shape, type or range; clip what is rounding."""
        who = type(self).__name__
        array = _checked_matrix(membership, (n_customers, len(self.segments_)), "membership", who)
        if array.size and (array.min() < -ROUNDING or array.max() > 1 + ROUNDING):
            raise OutputError(f"{who}: membership must lie in [0, 1], got {array.min():g} to {array.max():g}.")
        return np.clip(array, 0.0, 1.0)

    def _checked_codes(self, codes: Any, n_customers: int) -> NDArray[np.int64]:
        """Refuse codes of the wrong shape, type or range."""
        who, array = type(self).__name__, np.asarray(codes)
        if array.shape != (n_customers,) or array.dtype.kind not in "iu":
            raise OutputError(
                f"{who}: codes must be integers of shape ({n_customers},), got {array.dtype} of shape {array.shape}."
            )
        highest = len(self.segments_) - 1
        if array.size and (array.min() < -1 or array.max() > highest):
            raise OutputError(f"{who}: codes must lie in -1..{highest}, got {array.min()} to {array.max()}.")
        return array.astype(np.int64, copy=False)


def largest_degree(membership: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the code of the largest degree in each row, -1 where all are zero.

    Examples
    --------
    >>> largest_degree(np.array([[0.2, 0.8], [0.0, 0.0]]))
    array([ 1, -1])
    """
    if not membership.shape[1]:
        return np.full(len(membership), -1, dtype=np.int64)
    return np.where(membership.any(axis=1), membership.argmax(axis=1), -1).astype(np.int64)


def _has_draws(estimator: Any) -> bool:
    if estimator.__sklearn_tags__().scorer_tags.draws:
        return True
    raise AttributeError(
        f"{type(estimator).__name__} does not carry its uncertainty (tag draws=False), so it has no draws."
    )


class Scorer(TransformerMixin, _CustomerEstimator):
    """Base class of everything that gives customers numbers: value, risk, engagement.

    A subclass writes two hooks, ``_fit`` and ``_scores``; it may override ``_sample`` (with the tag
    ``draws=True``) and ``_required_columns``. All public methods are final.

    Attributes
    ----------
    score_names_ : ndarray of shape (n_scores,), object
        Names of the scores; the first is the primary one.
    n_features_in_ : int
        Number of columns used.
    feature_names_in_ : ndarray of shape (n_features_in_,), object
        Their names, where ``fit`` saw a table.

    Notes
    -----
    A score may be NaN where a customer has none; it is never infinite. Ids, columns and values are checked as
    for `Segmenter`.

    Examples
    --------
    >>> import numpy as np
    >>> from segmentation import Scorer
    >>> class Total(Scorer):
    ...     def _fit(self, X, y):
    ...         return ["total"]
    ...     def _scores(self, X):
    ...         return X.sum(axis=1, keepdims=True)
    >>> Total().fit([[1.0, 2.0]]).score_samples([[3.0, 4.0]])
    array([7.])
    """

    score_names_: NDArray[np.object_]

    @abstractmethod
    def _fit(self, X: Any, y: Any) -> Sequence[str]:
        """Learn from the customers; return the names of the scores, the primary one first."""

    @abstractmethod
    def _scores(self, X: Any) -> NDArray[np.float64]:
        """Return the scores, shape (n_customers, n_scores)."""

    def _sample(self, X: Any, n_draws: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return draws of the primary score, shape (n_draws, n_customers).

        Each draw of the parameters is shared by all customers, so that sums over customers keep their spread.
        """
        raise OutputError(f"{type(self).__name__} has the tag draws=True but does not implement _sample.")

    def _table_attrs(self) -> dict[str, Any]:
        """Return labels that go with the table of scores (its ``attrs``), such as the currency."""
        return {}

    def __sklearn_tags__(self) -> SegmentationTags:
        return extend_tags(super().__sklearn_tags__())

    def _needs_table(self) -> bool:
        return bool(self.__sklearn_tags__().scorer_tags.dataframe_only)

    def _apply(self, X: Any) -> tuple[pd.Index, NDArray[np.float64]]:
        """Validate customers and score them, once."""
        check_is_fitted(self)
        data, index = self._customers(X, reset=False)
        shape = (len(index), len(self.score_names_))
        if not shape[0]:
            return index, np.zeros(shape)
        return index, _checked_matrix(self._scores(data), shape, "scores", type(self).__name__, nan=True)

    @final
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from customers.

        Parameters
        ----------
        X : dataframe or array of shape (n_customers, n_features)
        y : array of shape (n_customers,), optional
            Only for scorers that learn from an outcome.

        Returns
        -------
        self
        """
        data, _ = self._customers(X, reset=True)
        self.score_names_ = _checked_names(self._fit(data, y), "score", type(self).__name__)
        if not len(self.score_names_):
            raise OutputError(f"{type(self).__name__}: _fit must return at least one score name.")
        return self

    @final
    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """Return the primary score of each customer, shape (n_customers,)."""
        return self._apply(X)[1][:, 0]

    @final
    def transform(self, X: Any) -> NDArray[np.float64]:
        """Return all scores, shape (n_customers, n_scores)."""
        return self._apply(X)[1]

    @final
    def score_customers(self, X: Any) -> pd.DataFrame:
        """Return all scores as a table.

        Returns
        -------
        pandas.DataFrame
            Index ``customer_id``, one column per score, the primary one first.
        """
        index, scores = self._apply(X)
        # nobody else has the array, so the copy that pandas would take is spared
        table = pd.DataFrame(scores, index=index, columns=list(self.score_names_), copy=False)
        table.attrs |= self._table_attrs()
        return table

    @available_if(_has_draws)  # type: ignore[untyped-decorator]  # scikit-learn ships no types
    @final
    def sample_customers(self, X: Any, n_draws: int = 1000, random_state: Any = None) -> NDArray[np.float64]:
        """Draw the primary score from its uncertainty.

        Parameters
        ----------
        X : dataframe or array of shape (n_customers, n_features)
        n_draws : int, default=1000
        random_state : int, RandomState or None, default=None

        Returns
        -------
        ndarray of shape (n_draws, n_customers)
            A row is one possible world for all customers: aggregate within rows, then take quantiles.
        """
        check_is_fitted(self)
        if not isinstance(n_draws, int | np.integer) or isinstance(n_draws, bool) or n_draws < 1:
            raise ValueError(f"n_draws must be a positive integer, got {n_draws!r}.")
        data, index = self._customers(X, reset=False)
        if not len(index):
            return np.zeros((n_draws, 0))
        seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
        draws = self._sample(data, int(n_draws), np.random.default_rng(seed))
        return _checked_matrix(draws, (n_draws, len(index)), "draws", type(self).__name__, nan=True)

    @final
    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the scores: the columns of ``transform``."""
        check_is_fitted(self)
        return self.score_names_.copy()


class Prioritizer(BaseEstimator, ABC):
    """Base class of everything that says which segment comes first.

    A subclass writes ``_priority_scores``; it may override ``_exclusions`` and ``_reasons``. The hooks see the
    profile without its unassigned and empty rows.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation import Prioritizer
    >>> class LargestFirst(Prioritizer):
    ...     def _priority_scores(self, profile):
    ...         return profile["n_customers"].to_numpy(float)
    >>> profile = pd.DataFrame({"n_customers": [10, 30]}, index=pd.Index(["a", "b"], name="segment"))
    >>> LargestFirst().prioritize(profile)["priority"].to_dict()
    {'b': 1, 'a': 2}
    """

    @abstractmethod
    def _priority_scores(self, profile: pd.DataFrame) -> NDArray[np.float64]:
        """Return one number per row of the profile: the larger, the earlier."""

    def _exclusions(self, profile: pd.DataFrame) -> Mapping[str, str]:
        """Return the segments not to act on, each with the reason."""
        return {}

    def _reasons(self, profile: pd.DataFrame, scores: NDArray[np.float64]) -> Sequence[str]:
        """Return one sentence per row of the profile: why it stands where it stands."""
        return [f"priority score {score:,.4g}" for score in scores]

    @final
    def prioritize(
        self,
        profile: pd.DataFrame,
        *,
        overrides: Mapping[str, Override | tuple[Any, ...]] | None = None,
    ) -> pd.DataFrame:
        """Order the segments of a profile.

        Parameters
        ----------
        profile : pandas.DataFrame
            From `profile_segments`: one row per segment, column ``n_customers``.
        overrides : mapping of segment to (priority, reason) or (priority, reason, expires), optional
            Human judgement that goes before the computed order, kept visible in ``reason``. A priority of None
            excludes the segment. An override whose date has passed is ignored with a warning.

        Returns
        -------
        pandas.DataFrame
            Index ``segment``, every segment of the profile once: ``priority`` (Int64, 1 = act first, <NA> if
            excluded), ``priority_score`` (float; NaN if excluded) and ``reason``. Excluded, unassigned and empty
            segments stand last. Equal scores: the larger segment first, then by name; the reason says so.
        """
        return rank_segments(self, profile, overrides)


def _checked_names(names: Any, what: str, who: str) -> NDArray[np.object_]:
    """Refuse names that are not unique, non-empty text."""
    is_list = isinstance(names, Iterable) and not isinstance(names, str)
    listed = list(names) if is_list else [names]
    wrong = [name for name in listed if not isinstance(name, str) or not name.strip()]
    if wrong or not is_list:
        raise OutputError(
            f"{who}: _fit must return a list of {what} names, each a non-empty text; got {name_some(listed)}."
        )
    repeated = [name for i, name in enumerate(listed) if name in listed[:i]]
    if repeated:
        raise OutputError(f"{who}: {what} names must be unique; repeated: {name_some(repeated)}.")
    if what == "segment" and UNASSIGNED in listed:
        raise OutputError(f"{who}: {UNASSIGNED!r} is the name of being in no segment; choose another one.")
    result = np.empty(len(listed), dtype=object)
    result[:] = [str(name) for name in listed]
    return result


def _checked_matrix(
    values: Any, shape: tuple[int, int], what: str, who: str, *, nan: bool = False
) -> NDArray[np.float64]:
    """Refuse a matrix of the wrong shape or type, infinities, and NaN unless allowed."""
    try:
        array = np.asarray(values)
    except ValueError as error:  # rows of different length
        raise OutputError(f"{who}: {what} must be numbers of shape {shape}: {error}") from error
    if array.shape != shape or array.dtype.kind not in "fiub":
        raise OutputError(f"{who}: {what} must be numbers of shape {shape}, got {array.dtype} of shape {array.shape}.")
    array = array.astype(np.float64, copy=False)
    wrong = np.isinf(array) if nan else ~np.isfinite(array)
    if wrong.any():
        rows = np.flatnonzero(wrong.any(axis=1))
        raise OutputError(f"{who}: {what} must be finite; they are not in rows {name_some(rows)}.")
    return array
