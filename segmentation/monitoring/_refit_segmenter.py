"""A segmenter whose codes and names go on with those of an earlier one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_array, check_is_fitted

from segmentation._format import column_difference, name_some
from segmentation._frames import is_frame, kind_of
from segmentation._tags import SegmentationTags
from segmentation._validation import CUSTOMER_ID, as_customers
from segmentation._why import Why
from segmentation.assignment import as_assignment, make_assignment
from segmentation.base import Segmenter
from segmentation.compose import assign
from segmentation.exceptions import AssignmentError, ColumnError, OutOfSampleError
from segmentation.monitoring._match import FIVEFOLD, check_numbers, match_assignments, segment_codes
from segmentation.monitoring._match_evidence import count_pairs, evidence_of_customers
from segmentation.monitoring._match_names import are_numbered
from segmentation.monitoring._match_result import SegmentMatch

__all__ = ["ContinuedSegmenter", "last_step", "retired_of", "unfrozen", "without_past"]


def last_step(model: Any) -> Any:
    """Return the segmenter at the end of a pipeline, or the segmenter itself."""
    steps = getattr(model, "steps", None)
    return steps[-1][1] if steps else model


def unfrozen(model: Any) -> Any:
    """Return what scikit-learn's FrozenEstimator holds, or the model itself."""
    return model.estimator if type(model).__name__ == "FrozenEstimator" else model


def retired_of(model: Any) -> set[str]:
    """Return the names of segments that a fitted model knows only because they once were."""
    last = last_step(unfrozen(model))
    if not isinstance(last, ContinuedSegmenter):
        return set()
    gone = np.delete(last.segments_, last.codes_)
    return {str(name) for name in gone} | retired_of(last.segmenter_)


def without_past(model: Any) -> Any:
    """Return a fitted model without what it goes on from: its own segments alone, under their names."""
    model = unfrozen(model)
    last = last_step(model)
    if not isinstance(last, ContinuedSegmenter):
        return model
    check_is_fitted(last)
    own = without_past(last.segmenter_)
    if last is model:
        return own
    return Pipeline([*model.steps[:-1], *(getattr(own, "steps", None) or [(model.steps[-1][0], own)])])


class ContinuedSegmenter(Segmenter):
    """Fit a segmenter anew and let its codes and names go on with those of an earlier segmentation.

    `refit` makes one; use it directly inside a grid search or a pipeline.

    Parameters
    ----------
    segmenter : Segmenter, or Pipeline that ends in one
        It is cloned, never changed.
    previous : fitted Segmenter or Pipeline, or assignment table, optional
        What is to go on. A fitted model is asked where it puts the customers of ``fit``, so that definitions are
        compared; an assignment is matched on the customers who stand in both. ``clone`` unfits a model that is a
        parameter: wrap it in ``sklearn.frozen.FrozenEstimator`` where this object will be cloned. None: as it comes.
    names : {"auto", "previous", "new"}, default="auto"
        "previous": segments that go on take the old name. "new": they keep the name that the segmenter gives them. In
        that case a name that was there before is the same segment. "auto": "previous" where the new names are mere
        numbers ("segment_1"), "new" where a person or a rule chose them.
    retired : {"keep", "drop"}, default="keep"
        "keep": segments that are gone stay in ``segments_``, without customers, so that every code means what it
        meant; they died once, and are "retired" in later matches. Codes of customers may then have gaps. "drop": they
        are left out, and later codes move up.
    min_jaccard : float, default=0.2
    alpha : float, default=0.01
        See `match_segments`.

    Attributes
    ----------
    segments_ : ndarray of shape (n_segments,)
        The old names in their order, then new ones.
    labels_ : ndarray of shape (n_customers,)
    segmenter_ : fitted segmenter or Pipeline
        The copy underneath, its ``segments_`` renamed, in its own order.
    codes_ : ndarray of shape (n_own_segments,)
        Code here of every segment of ``segmenter_``.
    match_ : SegmentMatch or None
        What became of the old segments; None without `previous`.

    Raises
    ------
    TypeError
        If `segmenter` is no segmenter, or `previous` neither a model nor an assignment.
    NotFittedError
        If `previous` is a model that is not fitted.
    OutOfSampleError
        If `previous` is a model that cannot say anything about other customers: give its assignment instead.
    AssignmentError
        If `previous` is an assignment without any of these customers.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.monitoring import ContinuedSegmenter
    >>> from segmentation.segmenters import KMeansSegmenter
    >>> customers = pd.DataFrame({"spend": [5.0, 6, 5, 6, 90, 95]}, index=pd.Index(list("abcdef"), name="customer_id"))
    >>> before = pd.Series(["low"] * 4 + ["high"] * 2, index=customers.index)
    >>> model = ContinuedSegmenter(KMeansSegmenter(2, random_state=0), previous=before).fit(customers)
    >>> list(model.segments_), model.predict(customers)
    (['high', 'low'], array([1, 1, 1, 1, 0, 0]))
    """

    def __init__(
        self,
        segmenter: Any,
        *,
        previous: Any = None,
        names: Literal["auto", "previous", "new"] = "auto",
        retired: Literal["keep", "drop"] = "keep",
        min_jaccard: float = FIVEFOLD,
        alpha: float = 0.01,
    ) -> None:
        self.segmenter = segmenter
        self.previous = previous
        self.names = names
        self.retired = retired
        self.min_jaccard = min_jaccard
        self.alpha = alpha

    @property
    def _in_steps(self) -> bool:
        return bool(getattr(self.segmenter, "steps", None))

    def __sklearn_tags__(self) -> SegmentationTags:
        tags = super().__sklearn_tags__()
        last = last_step(self.segmenter)
        if not isinstance(last, Segmenter):  # refused in fit, where it can be said
            return tags
        own = last.__sklearn_tags__()
        tags.segmenter_tags = own.segmenter_tags
        if self._in_steps:
            tags.segmenter_tags.dataframe_only = False  # the first step decides
            tags.input_tags.allow_nan = own.input_tags.allow_nan
        else:
            tags.input_tags = own.input_tags
        return tags

    def _required_columns(self) -> Sequence[str] | None:
        return None if self._in_steps else last_step(self.segmenter)._required_columns()

    def _customers(self, X: Any, *, reset: bool) -> tuple[Any, pd.Index]:
        """Take customers as the segmenter does; for a fitted pipeline return what its last step sees."""
        if not isinstance(last_step(self.segmenter), Segmenter):
            raise TypeError(
                f"segmenter must be a Segmenter or a Pipeline that ends in one, got {kind_of(self.segmenter)}."
            )
        if not self._in_steps:
            data, index = super()._customers(X, reset=reset)
        elif is_frame(X):
            data = as_customers(X)
            index = data.index
        else:
            # whatever the steps can take, but two-dimensional and dense
            data = check_array(X, dtype=None, ensure_all_finite=False, ensure_min_samples=int(reset), estimator=self)
            index = pd.RangeIndex(len(data), name=CUSTOMER_ID)
        if reset:
            self._ids = index
            if self._in_steps:
                self._learn_columns(data)
        elif self._in_steps and len(index):
            steps, last = self.segmenter_[:-1], self.segmenter_[-1]
            data, _ = last._customers(self._through(steps, data), reset=False)
        return data, index

    def _through(self, steps: Any, data: Any) -> Any:
        """Run the steps before the segmenter; where columns are missing that `fit` had, say which."""
        try:
            return steps.transform(data)
        except ValueError as error:
            names = list(getattr(self, "feature_names_in_", []))
            if not isinstance(data, pd.DataFrame) or not set(names) - set(data.columns):
                raise
            raise ColumnError(
                f"a step before {type(self.segmenter_[-1]).__name__} fails, and columns of fit are not there; "
                f"{column_difference(names, list(data.columns))}."
            ) from error

    def _learn_columns(self, data: Any) -> None:
        self.n_features_in_ = data.shape[1]
        self.__dict__.pop("feature_names_in_", None)
        if isinstance(data, pd.DataFrame):
            self.feature_names_in_ = np.asarray(data.columns, dtype=object)

    def _named(self, data: Any) -> Any:
        """Give an array its columns back, which the segmenter underneath wants to know too."""
        names = getattr(self, "feature_names_in_", None)
        if names is None or isinstance(data, pd.DataFrame):
            return data
        return pd.DataFrame(data, columns=names, index=pd.Index(self._ids, name=CUSTOMER_ID))

    def _fit(self, X: Any, y: Any) -> Sequence[str]:
        self._check_parameters()
        table = self._named(X)
        self.segmenter_ = clone(self.segmenter)
        fitted = self.segmenter_.fit_transform(table) if y is None else self.segmenter_.fit_transform(table, y)
        last = last_step(self.segmenter_)
        came = [str(name) for name in last.segments_]
        after = make_assignment(np.asarray(last.labels_), np.asarray(fitted), came, self._ids)
        self.match_ = self._match(table, after)
        names, codes, segments = self._carried(came)
        _rename(last, dict(zip(came, names, strict=True)))
        self.codes_ = np.array(codes, dtype=np.int64)
        self._explanation_unit = last._explanation_unit
        self.__dict__.pop("notes_", None)
        if getattr(last, "notes_", ()):
            self.notes_ = tuple(last.notes_)
        self._own_fit = (np.asarray(fitted, dtype=np.float64), np.asarray(last.labels_))
        del self._ids
        return segments

    def _check_parameters(self) -> None:
        check_numbers(self.min_jaccard, self.alpha)
        for name, allowed in (("names", ("auto", "previous", "new")), ("retired", ("keep", "drop"))):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {name_some(allowed)}, got {getattr(self, name)!r}.")

    def _match(self, table: Any, after: pd.DataFrame) -> SegmentMatch | None:
        """Compare with the previous segments on these customers."""
        if self.previous is None:
            return None
        before = self._before(table)
        notes: list[str] = []
        shared = before.index.intersection(after.index)
        if not len(shared):
            raise AssignmentError(
                f"previous has none of these customers: ids {name_some(before.index)} and {name_some(after.index)}. "
                "Give the fitted model instead of its assignment, or a table with the same ids."
            )
        if len(shared) < max(len(before), len(after)):
            notes.append(
                f"{len(before) - len(shared):,} customers stand in the previous assignment only and "
                f"{len(after) - len(shared):,} in the new table only; they are not compared."
            )
        first, old = segment_codes(before.loc[shared])
        second, new = segment_codes(after.loc[shared])
        evidence = evidence_of_customers(count_pairs(first, second, len(old), len(new)), self.alpha)
        settings = {"by": "customers", "min_jaccard": float(self.min_jaccard), "alpha": float(self.alpha)}
        keep = self.names == "new" or (self.names == "auto" and not are_numbered(new))
        previous = unfrozen(self.previous)
        gone = None if is_frame(previous) or isinstance(previous, pd.Series) else retired_of(previous)
        return match_assignments(before, after, evidence, settings, notes, keep_new_names=keep, settled=True, gone=gone)

    def _before(self, table: Any) -> pd.DataFrame:
        """Return where the previous segmentation puts, or put, the customers."""
        previous = unfrozen(self.previous)
        if is_frame(previous) or isinstance(previous, pd.Series):
            return as_assignment(previous)
        last = last_step(previous)
        if not isinstance(last, Segmenter):
            raise TypeError(
                f"previous must be a fitted Segmenter, a Pipeline that ends in one, or an assignment table, got "
                f"{kind_of(previous)}."
            )
        try:
            check_is_fitted(last)
        except NotFittedError as error:
            raise NotFittedError(
                f"previous, a {type(last).__name__}, is not fitted. If it was, clone has unfitted it: wrap it in "
                "sklearn.frozen.FrozenEstimator, or give its assignment."
            ) from error
        if not last.__sklearn_tags__().segmenter_tags.out_of_sample:
            raise OutOfSampleError(
                f"previous, a {type(last).__name__}, cannot say where it puts other customers than its own: give "
                "its assignment (from fit_assign) as previous."
            )
        before = assign(previous, table)
        return before.set_axis(self._ids, axis=0) if not isinstance(table, pd.DataFrame) else before

    def _carried(self, came: list[str]) -> tuple[list[str], list[int], list[str]]:
        """Return the names and codes of the segmenter's own segments, and all names."""
        if self.match_ is None:
            return came, list(range(len(came))), came
        names, codes = list(self.match_.names.values()), list(self.match_.codes.values())
        segments = list(self.match_.segments)
        if self.retired == "drop":
            order = sorted(codes)
            segments = [segments[code] for code in order]
            codes = [order.index(code) for code in codes]
        return names, codes, segments

    def _learn(self, X: Any, y: Any) -> tuple[NDArray[np.float64], pd.Index]:
        """Fit; membership and codes are those that the segmenter underneath gave while fitting."""
        data, index = self._customers(X, reset=True)
        names = self._fit(data, y)
        self.segments_ = np.array(names, dtype=object)
        own, labels = self.__dict__.pop("_own_fit")
        self.labels_ = self._outer_codes(labels)
        return self._outer(own), index

    def _outer(self, own: NDArray[np.float64]) -> NDArray[np.float64]:
        """Put the columns of the segmenter's membership where its segments stand here."""
        n_segments = len(self.match_.segments) if self.match_ is not None else len(self.codes_)
        if self.match_ is not None and self.retired == "drop":
            n_segments = len(self.codes_)
        membership = np.zeros((len(own), n_segments))
        membership[:, self.codes_] = own
        return membership

    def _outer_codes(self, own: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.append(self.codes_, -1)[own].astype(np.int64)  # -1 takes the last, which is -1

    def _inner_codes(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        back = np.full(len(self.segments_) + 1, -1, dtype=np.int64)
        back[self.codes_] = np.arange(len(self.codes_))
        return back[codes]

    def _fit_membership(self, X: Any) -> NDArray[np.float64]:
        own = self.__dict__.get("_own_fit")
        return self._membership(X) if own is None else self._outer(own[0])

    def _membership(self, X: Any) -> NDArray[np.float64]:
        return self._outer(np.asarray(last_step(self.segmenter_)._membership(X), dtype=np.float64))

    def _codes(self, X: Any, membership: NDArray[np.float64]) -> NDArray[np.int64]:
        last = last_step(self.segmenter_)
        return self._outer_codes(np.asarray(last._codes(X, membership[:, self.codes_])))

    def _explain(self, X: Any, membership: NDArray[np.float64], codes: NDArray[np.int64]) -> list[Why]:
        last = last_step(self.segmenter_)
        reasons = last._explain(X, membership[:, self.codes_], self._inner_codes(codes))
        self._explanation_unit = last._explanation_unit
        places = np.append(self.codes_, -1)
        return [Why(int(places[why.alternative]), why.margin, why.text, why.evidence) for why in reasons]


def _rename(segmenter: Any, names: dict[str, str]) -> None:
    """Give the segments of a fitted segmenter other names, also in its tables and notes."""
    if all(old == new for old, new in names.items()):
        return
    renamed = np.empty(len(names), dtype=object)
    renamed[:] = [names[str(name)] for name in segmenter.segments_]
    segmenter.segments_ = renamed
    for attribute, value in vars(segmenter).items():
        if attribute.endswith("_") and isinstance(value, pd.DataFrame) and value.index.name == "segment":
            setattr(segmenter, attribute, value.rename(index=names))
    pattern = re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in sorted(names, key=len, reverse=True)))
    if getattr(segmenter, "notes_", ()):
        segmenter.notes_ = tuple(pattern.sub(lambda found: names[found.group()], note) for note in segmenter.notes_)
