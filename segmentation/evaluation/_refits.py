"""Fitting a segmenter again and again: customers to draw from, copies with their own seed, what each fit said."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from segmentation._format import count
from segmentation._frames import is_frame, kind_of
from segmentation._validation import CUSTOMER_ID, as_customers
from segmentation.base import Segmenter
from segmentation.exceptions import OutOfSampleError

__all__ = [
    "Customers",
    "Refit",
    "Scheme",
    "check_segmenter",
    "draw_rows",
    "last_step",
    "left_to_chance",
    "name_of",
    "needs_prediction",
    "random_states",
    "refit",
    "root_seed",
    "seeded_clone",
    "seeds_of",
    "starts_of",
    "was_fitted",
]

Scheme = Literal["bootstrap", "subsample", "split"]
LARGEST_SEED = np.iinfo(np.int32).max
ERROR_WIDTH = 300


@dataclass(frozen=True, eq=False)
class Customers:
    """The customers of one call: a pandas table or an array, their ids, and `y` where the segmenter takes one."""

    data: Any
    index: pd.Index
    y: Any = None

    @classmethod
    def of(cls, X: Any, y: Any = None) -> Customers:
        """Take any frame, or anything that numpy makes an array of."""
        data = as_customers(X) if is_frame(X) else np.asarray(X)
        if data.ndim != 2:
            raise ValueError(f"customers must be a table or an array of two dimensions, got {data.ndim}: {kind_of(X)}.")
        index = data.index if isinstance(data, pd.DataFrame) else pd.RangeIndex(len(data), name=CUSTOMER_ID)
        if y is not None and len(y) != len(index):
            raise ValueError(f"y must have one value per customer: {len(y):,} came for {len(index):,} customers.")
        return cls(data, index, y)

    def __len__(self) -> int:
        return len(self.index)

    @property
    def is_table(self) -> bool:
        """Whether the customers came as a table."""
        return isinstance(self.data, pd.DataFrame)

    def rows(self, positions: NDArray[np.int64], *, keep_ids: bool = False) -> Customers:
        """Return the customers at these positions, with new ids, because a customer may be drawn more than once."""
        y = None
        if self.y is not None:
            y = self.y.iloc[positions] if isinstance(self.y, pd.Series) else np.asarray(self.y)[positions]
        index = self.index[positions] if keep_ids else pd.Index(np.arange(len(positions)), name=CUSTOMER_ID)
        if not self.is_table:
            return Customers(self.data[positions], index, y)
        # not a RangeIndex, which says that a table has no ids of its own and that a column may hold them
        return Customers(self.data.iloc[positions].set_axis(index, axis=0), index, y)


@dataclass(frozen=True, eq=False)
class Refit:
    """What one fit gave: codes of all customers, or why there are none."""

    codes: NDArray[np.int64] | None = None
    segments: tuple[str, ...] = ()
    error: str = ""
    best_starts: float = np.nan
    heard: tuple[tuple[str, str], ...] = field(default=())

    @property
    def n_segments(self) -> int:
        """How many segments it found."""
        return len(self.segments)


def last_step(model: Any) -> Any:
    """Return the segmenter at the end of a pipeline, or the segmenter itself."""
    steps = getattr(model, "steps", None)
    return steps[-1][1] if steps else model


def name_of(model: Any) -> str:
    """Name the segmenter, and the pipeline it stands in."""
    name = type(last_step(model)).__name__
    return f"{name} in a pipeline of {count(len(model.steps), 'step')}" if getattr(model, "steps", None) else name


def check_segmenter(model: Any, function: str) -> None:
    """Raise TypeError unless it is a Segmenter or a Pipeline that ends in one."""
    if isinstance(model, type) or not isinstance(last_step(model), Segmenter):
        raise TypeError(
            f"{function} takes a Segmenter, or a Pipeline that ends in one; got {kind_of(model)}. A clusterer of "
            "scikit-learn becomes one by segmentation.segmenters.ClustererSegmenter(clusterer)."
        )


def needs_prediction(model: Any, function: str) -> None:
    """Raise OutOfSampleError where the segmenter says nothing about customers that it was not fitted on."""
    last = last_step(model)
    if last.__sklearn_tags__().segmenter_tags.out_of_sample:
        return
    raise OutOfSampleError(
        f"{function} learns from a sample of the customers and asks for the segments of all of them, and "
        f"{type(last).__name__} as given cannot predict for customers that it was not fitted on (tag "
        "out_of_sample=False). Give it a way to predict: ClustererSegmenter(clusterer, "
        "classifier=KNeighborsClassifier()) learns to tell the segments apart."
    )


def was_fitted(model: Any) -> bool:
    """Tell whether the segmenter is fitted."""
    try:
        check_is_fitted(last_step(model))
    except NotFittedError:
        return False
    return True


def root_seed(random_state: Any) -> int:
    """Resolve a random state once, to one number that gives the same results when it is passed again.

    Parameters
    ----------
    random_state : int, RandomState, Generator or None
    """
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(LARGEST_SEED))
    rng = check_random_state(random_state)
    if isinstance(random_state, int | np.integer):
        return int(random_state)
    return int(rng.randint(LARGEST_SEED))


def seeds_of(root: int, *counts: int) -> list[list[np.random.SeedSequence]]:
    """Return independent seeds for several kinds of work; more of one kind do not change those of another."""
    kinds = np.random.SeedSequence(root).spawn(len(counts))
    return [kind.spawn(n) for kind, n in zip(kinds, counts, strict=True)]


def random_states(model: Any) -> list[str]:
    """Name every parameter, of every step and of what is nested in it, that holds a random state."""
    return sorted(name for name in model.get_params(deep=True) if name.split("__")[-1] == "random_state")


def left_to_chance(model: Any) -> list[str]:
    """Name the random states that make a difference to a fit.

    That of a wrapper only seeds what is nested in it, and that of a sample to learn from is idle while all are used.
    """
    parameters = model.get_params(deep=True)
    names = []
    for name in random_states(model):
        owner = name.removesuffix("random_state")
        sample_size = f"{owner}max_fit_customers"
        if f"{owner}clusterer" in parameters or (sample_size in parameters and parameters[sample_size] is None):
            continue
        names.append(name)
    return names


def seeded_clone(model: Any, seed: np.random.SeedSequence) -> Any:
    """Copy the model, unfitted, and seed every random state in it."""
    copy = clone(model)
    names = random_states(copy)
    numbers = seed.generate_state(max(len(names), 1)) % LARGEST_SEED
    copy.set_params(**{name: int(number) for name, number in zip(names, numbers, strict=False)})
    return copy


def starts_of(model: Any) -> str:
    """Say in words how many starts every fit makes, and whether chance plays a part in it at all."""
    if not left_to_chance(model):
        return "nothing in it is left to chance"
    parameters = model.get_params(deep=True)
    names = [name for name in parameters if name.split("__")[-1] in ("n_init", "n_starts", "n_restarts")]
    if not names:
        return "one start per fit (no parameter sets more)"
    if [parameters[name] for name in names] == [1]:
        return f"one start per fit ({names[0]}=1)"
    return " and ".join(f"{name}={parameters[name]!r} starts per fit, the best of them kept" for name in sorted(names))


def draw_rows(
    rng: np.random.Generator, n: int, scheme: Scheme, share: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw the rows of the two samples of a pair."""
    if scheme == "bootstrap":
        return rng.integers(n, size=n), rng.integers(n, size=n)
    if scheme == "subsample":
        size = max(1, round(share * n))
        return rng.choice(n, size, replace=False), rng.choice(n, size, replace=False)
    order = rng.permutation(n)
    return order[: n // 2], order[n // 2 :]


def refit(
    model: Any,
    learn_from: Customers,
    seed: np.random.SeedSequence,
    predict_for: Customers | None = None,
) -> Refit:
    """Fit a seeded copy and predict, or take the segments of those it learnt from; a failure is a result, not an end.

    Warnings are kept instead of shown: a hundred refits would say the same thing a hundred times.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            copy = seeded_clone(model, seed)
            copy.fit(learn_from.data) if learn_from.y is None else copy.fit(learn_from.data, learn_from.y)
            last = last_step(copy)
            codes = last.labels_ if predict_for is None else copy.predict(predict_for.data)
            segments = tuple(str(name) for name in last.segments_)
            best_starts = float(getattr(last, "restarts_", np.nan))
        except Exception as error:  # whatever a plug-in raises, the refit is counted and named
            return Refit(error=_in_short(error), heard=_heard(caught))
    return Refit(np.asarray(codes), segments, "", best_starts, _heard(caught))


def _in_short(error: BaseException) -> str:
    text = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return text if len(text) <= ERROR_WIDTH else f"{text[:ERROR_WIDTH]}…"


def _heard(caught: Sequence[warnings.WarningMessage]) -> tuple[tuple[str, str], ...]:
    """Return category and text of each kind of warning, once."""
    first: dict[str, str] = {}
    for warning in caught:
        first.setdefault(warning.category.__name__, " ".join(str(warning.message).split()))
    return tuple(first.items())
