"""K-means segments with scaling that suits customer data, degrees of membership and a stable order."""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from segmentation._format import count, name_some, percent
from segmentation._tags import SegmentationTags
from segmentation._why import Evidence, Why, sort_evidence, what_decides
from segmentation.base import Segmenter
from segmentation.exceptions import CustomerTableError, EmptySegmentWarning, FitDiagnosisWarning, SmallSegmentWarning
from segmentation.segmenters._scaling import Scale, apply_scaling, learn_scaling, undo_scaling

__all__ = ["KMeansSegmenter"]

SMALL_SHARE = 0.01
# One customer is no group; among fewer customers than this nothing is.
ALONE_AMONG = 40
# Two starts reached the same solution when their objectives agree to this relative difference: a few customers on a
# border may differ (up to 8e-6 among 5,900), but different solutions can be as close as 2e-5 (mcdonalds, k = 4).
SAME_OBJECTIVE = 1e-5


class KMeansSegmenter(Segmenter):
    """Put customers who are close in all their features into one segment.

    Parameters
    ----------
    n_clusters : int, default=5
        Number of segments.
    scale : {"auto", "standard"} or None, default="auto"
        How columns are brought to a common scale before distances are computed, learnt in ``fit``:

        - "auto": heavy-tailed columns (skewness above 1, or below -1, that a logarithm brings nearer to 0)
          log(1 + x) where no value is negative, else asinh(x / median of |x|), which treats both signs alike, then
          standardised; columns of two values become 0 and 1; other columns standardised. ``scaling_`` shows what
          was chosen. A later negative value in a column of log(1 + x) counts as 0.
        - "standard": every column standardised.
        - None: bare k-means on the values as they are.

        A column without spread counts nothing with "auto" and "standard".
    membership : {"fuzzy", "hard"}, default="fuzzy"
        "fuzzy": the degrees of fuzzy c-means with fuzzifier 2 at the fitted centres,
        ``(1 / d_k^2) / sum_j (1 / d_j^2)`` with d_k the distance to centre k: near 1 close to a centre, near
        ``1 / n_clusters`` between all of them. "hard": 0 or 1.
    n_init : int, default=10
        Starts with k-means++; the best is kept.
    max_iter : int, default=300
        Iterations per start at most.
    random_state : int, RandomState or None, default=None
        Seed; pass an int for the same segments every time.

    Attributes
    ----------
    segments_ : ndarray of shape (n_clusters,)
        ``"segment_1"``, ``"segment_2"``, ...: the largest first; equal sizes by the first centre coordinate.
    labels_ : ndarray of shape (n_customers,)
    cluster_centers_ : ndarray of shape (n_clusters, n_features)
        Centres in the original units. Of a logged column it is ``exp(mean(log(1 + x))) - 1``, which lies below the
        mean, like a median: the profile has the means.
    centers_ : pandas.DataFrame
        The same as a table: index ``segment``, one column per feature.
    scaled_centers_ : ndarray of shape (n_clusters, n_features)
        Centres on the scale on which distances are computed.
    scaling_ : pandas.DataFrame
        What was done to each column: index ``feature``; ``treatment``, ``unit``, ``center``,
        ``width``, ``skewness``.
    inertia_ : float
        Sum of squared distances to the nearest centre, on the scaled columns.
    restarts_ : int
        How many of the `n_init` starts reached the best objective (to a relative 1e-5). A small number says that
        the solution is hard to find: raise `n_init`, and mind that near-optimal solutions may look different.
    restart_inertias_ : ndarray of shape (n_init,)
        Objective of every start, in their order.
    n_iter_ : int
        Iterations of the best start.

    Warns
    -----
    SmallSegmentWarning
        If a segment has fewer than 1 % of the customers, or only one of 40 or more: more likely outliers than a group.
    FitDiagnosisWarning
        If the best start was stopped at `max_iter`.
    EmptySegmentWarning
        If there are fewer different customers than segments; the segments without customers stay visible.

    Raises
    ------
    CustomerTableError
        If there are fewer customers than segments, or values are not finite.
    ColumnError
        If a column is not numeric, or columns are not those of ``fit``.

    See Also
    --------
    sklearn.cluster.KMeans : The algorithm underneath. It orders its labels by chance and does not scale.

    Notes
    -----
    k-means always returns the number of segments it is asked for, whether or not the data have any.

    References
    ----------
    .. [1] Lloyd (1982), Least squares quantization in PCM, IEEE Trans. Information Theory 28(2),
       doi:10.1109/TIT.1982.1056489.
    .. [2] Arthur, Vassilvitskii (2007), k-means++: the advantages of careful seeding, SODA.
    .. [3] Bezdek, Ehrlich, Full (1984), FCM: the fuzzy c-means clustering algorithm, Computers & Geosciences
       10(2-3), doi:10.1016/0098-3004(84)90020-7.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.segmenters import KMeansSegmenter
    >>> customers = pd.DataFrame({"visits": [1, 2, 1, 2, 30, 31], "spend": [5.0, 6, 5, 7, 900, 950]})
    >>> model = KMeansSegmenter(n_clusters=2, random_state=0).fit(customers)
    >>> model.predict(customers)
    array([0, 0, 0, 0, 1, 1])
    >>> model.centers_.round(1).to_dict("index")
    {'segment_1': {'visits': 1.5, 'spend': 5.7}, 'segment_2': {'visits': 30.5, 'spend': 925.0}}
    """

    def __init__(
        self,
        n_clusters: int = 5,
        *,
        scale: Scale = "auto",
        membership: Literal["fuzzy", "hard"] = "fuzzy",
        n_init: int = 10,
        max_iter: int = 300,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.scale = scale
        self.membership = membership
        self.n_init = n_init
        self.max_iter = max_iter
        self.random_state = random_state

    def __sklearn_tags__(self) -> SegmentationTags:
        tags = super().__sklearn_tags__()
        tags.segmenter_tags.membership = "hard" if self.membership == "hard" else "soft"
        return tags

    def _fit(self, X: NDArray[np.float64], y: Any) -> Sequence[str]:
        self._check_parameters(len(X))
        names = getattr(self, "feature_names_in_", [f"x{i}" for i in range(X.shape[1])])
        self.scaling_ = learn_scaling(X, names, self.scale)
        scaled = apply_scaling(X, self.scaling_)
        centers = self._best_of_starts(scaled)
        order, sizes = _canonical_order(scaled, centers)
        self.scaled_centers_ = centers[order]
        self.cluster_centers_ = undo_scaling(self.scaled_centers_, self.scaling_)
        segments = [f"segment_{i}" for i in range(1, len(centers) + 1)]
        self.centers_ = pd.DataFrame(
            self.cluster_centers_, index=pd.Index(segments, name="segment"), columns=list(names)
        )
        self._warn_of_sizes(segments, sizes)
        return segments

    def _check_parameters(self, n_customers: int) -> None:
        for name in ("n_clusters", "n_init", "max_iter"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
                raise ValueError(f"{name} must be a positive integer, got {value!r}.")
        self._check_membership()
        if n_customers < self.n_clusters:
            raise CustomerTableError(
                f"fewer customers than segments: n_samples={n_customers} should be >= n_clusters={self.n_clusters}. "
                "Lower n_clusters, or learn from more customers."
            )

    def _check_membership(self) -> None:
        if self.membership not in ("fuzzy", "hard"):
            raise ValueError(f"membership must be 'fuzzy' or 'hard', got {self.membership!r}.")

    def _best_of_starts(self, scaled: NDArray[np.float64]) -> NDArray[np.float64]:
        """Run every start by itself, so that their agreement can be reported; return the best centres."""
        from sklearn.cluster import KMeans  # heavy: only when used

        rng = check_random_state(self.random_state)
        seeds = rng.randint(np.iinfo(np.int32).max, size=self.n_init)
        fits = []
        with warnings.catch_warnings():
            # fewer different customers than clusters: said below in our words
            warnings.filterwarnings("ignore", category=ConvergenceWarning, message="Number of distinct clusters")
            for seed in seeds:
                # tol=0: with the default, starts end at slightly different points of one and the same solution
                model = KMeans(self.n_clusters, n_init=1, max_iter=self.max_iter, tol=0.0, random_state=int(seed))
                fits.append(model.fit(scaled))
        self.restart_inertias_ = np.array([model.inertia_ for model in fits])
        best = fits[int(self.restart_inertias_.argmin())]
        margin = SAME_OBJECTIVE * max(float(best.inertia_), np.finfo(np.float64).tiny)
        self.restarts_ = int((self.restart_inertias_ <= best.inertia_ + margin).sum())
        self.inertia_ = float(best.inertia_)
        self.n_iter_ = int(best.n_iter_)
        if self.n_iter_ >= self.max_iter:
            warnings.warn(
                f"the best start was stopped after max_iter={self.max_iter} iterations and may not have converged; "
                "its segments could still shift a little. Raise max_iter.",
                FitDiagnosisWarning,
                stacklevel=6,
            )
        centers: NDArray[np.float64] = best.cluster_centers_
        return centers

    def _warn_of_sizes(self, segments: list[str], sizes: NDArray[np.int64]) -> None:
        n = int(sizes.sum())
        empty = [name for name, size in zip(segments, sizes, strict=True) if size == 0]
        if empty:
            warnings.warn(
                f"{count(len(empty), 'segment has', 'segments have')} no customers ({name_some(empty)}): there are "
                f"fewer different customers than n_clusters={self.n_clusters}. Lower n_clusters.",
                EmptySegmentWarning,
                stacklevel=5,
            )
        small = [
            f"{name} ({count(int(size), 'customer')})"
            for name, size in zip(segments, sizes, strict=True)
            if 0 < size < SMALL_SHARE * n or (size == 1 and n >= ALONE_AMONG)
        ]
        if small:
            scaling = "" if self.scale == "auto" else ", or use scale='auto'"
            warnings.warn(
                f"{name_some(small)} below {percent(SMALL_SHARE)} of {n:,} customers, or one alone: more likely "
                f"outliers than a group. Look at these customers, lower n_clusters{scaling}.",
                SmallSegmentWarning,
                stacklevel=5,
            )

    _explanation_unit = "difference of distances on the scaled columns; contributions are of squared distances"

    def _explain(self, X: NDArray[np.float64], membership: NDArray[np.float64], codes: NDArray[np.int64]) -> list[Why]:
        """Split the difference of squared distances to the two nearest centres over the columns: it adds up."""
        scaled, names, segments = apply_scaling(X, self.scaling_), list(self.centers_.columns), list(self.segments_)
        distances = _squared_distances(scaled, self.scaled_centers_)
        result = []
        for x, z, d, own in zip(X, scaled, distances, codes, strict=True):
            other = int(np.where(np.arange(len(d)) == own, np.inf, d).argmin()) if len(d) > 1 else -1
            if other < 0:
                result.append(Why(-1, np.nan, "there is only one segment"))
                continue
            difference = (z - self.scaled_centers_[other]) ** 2 - (z - self.scaled_centers_[own]) ** 2
            near, far = self.cluster_centers_[own], self.cluster_centers_[other]
            evidence = sort_evidence(
                Evidence(str(name), float(x[j]), float(near[j]), float(far[j]), float(difference[j]))
                for j, name in enumerate(names)
            )
            margin = max(float(np.sqrt(d[other]) - np.sqrt(d[own])), 0.0)
            text = f"nearest to {segments[own]!r}, then {segments[other]!r}; "
            result.append(Why(other, margin, text + what_decides(segments, int(own), other, evidence), evidence))
        return result

    def _membership(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        self._check_membership()
        distances = _squared_distances(apply_scaling(X, self.scaling_), self.scaled_centers_)
        return _fuzzy(distances) if self.membership == "fuzzy" else _one_hot(distances)


def _canonical_order(
    scaled: NDArray[np.float64], centers: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the order of the centres, largest segment first and equal ones by their centres, and the sizes in it.

    Coordinates are compared without their last digits, which depend on the order of the customers. A customer as near
    to one centre as to another goes to the first of them, so a new order may move one and asks for another look.
    """
    rounded = np.round(centers / max(np.abs(centers).max(), np.finfo(np.float64).tiny), 9)
    by_center = np.lexsort(rounded.T[::-1])
    distances = _squared_distances(scaled, centers[by_center])
    order = np.arange(len(centers))
    for _ in range(len(centers)):
        sizes = np.bincount(distances[:, order].argmin(axis=1), minlength=len(centers))
        by_size = order[np.lexsort((order, -sizes))]
        if (by_size == order).all():
            break
        order = by_size
    return by_center[order], sizes


def _squared_distances(X: NDArray[np.float64], centers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared distances, shape (n_customers, n_clusters); exactly 0 for a customer that is a centre.

    One centre at a time, from differences: the usual expansion |x|^2 - 2xc + |c|^2 loses the small distances.
    """
    result = np.empty((len(X), len(centers)))
    for k, center in enumerate(centers):
        difference = X - center
        np.einsum("ij,ij->i", difference, difference, out=result[:, k])
    return result


def _fuzzy(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fuzzy c-means degrees (m = 2); a customer on a centre belongs fully to it, on several to each equally.

    Distances are divided by the smallest of the row, so that nothing overflows. The nearest centre has the largest
    degree also after rounding.
    """
    smallest = distances.min(axis=1, keepdims=True)
    on_center = smallest == 0
    closeness = np.where(
        on_center, distances == 0, np.divide(smallest, distances, out=np.zeros_like(distances), where=~on_center)
    )
    result: NDArray[np.float64] = closeness / closeness.sum(axis=1, keepdims=True)
    nearest = distances.argmin(axis=1)
    rounded_away = np.flatnonzero(result.argmax(axis=1) != nearest)
    result[rounded_away, nearest[rounded_away]] = np.nextafter(result[rounded_away].max(axis=1), 1.0)
    return result


def _one_hot(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    result = np.zeros_like(distances)
    result[np.arange(len(distances)), distances.argmin(axis=1)] = 1.0
    return result
