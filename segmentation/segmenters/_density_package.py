"""The hdbscan package: the only module that knows it. Plain arrays come out, none of its objects."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation._format import name_some

__all__ = ["METRICS", "DensitySettings", "PackageResult", "resolve_size", "run_hdbscan"]

# Metrics that both the package and scikit-learn's trees know, and that keep the triangle inequality the trees need.
METRICS = ("canberra", "chebyshev", "euclidean", "hamming", "haversine", "jaccard", "manhattan")
DEFAULT_SHARE = 0.02
DEFAULT_LEAST = 15


@dataclass(frozen=True)
class DensitySettings:
    """What is handed to the package, checked."""

    min_cluster_size: int
    min_samples: int
    cluster_selection_method: str = "eom"
    cluster_selection_epsilon: float = 0.0
    metric: str = "euclidean"
    approx_min_span_tree: bool = True

    def __post_init__(self) -> None:
        _check_count("min_samples", self.min_samples, 1)
        if self.cluster_selection_method not in ("eom", "leaf"):
            raise ValueError(
                f"cluster_selection_method must be 'eom' or 'leaf', got {self.cluster_selection_method!r}."
            )
        epsilon: Any = self.cluster_selection_epsilon
        if isinstance(epsilon, bool) or not isinstance(epsilon, numbers.Real) or not 0 <= float(epsilon) < np.inf:
            raise ValueError(
                f"cluster_selection_epsilon must be a distance on the scaled columns, 0 or more, got {epsilon!r}."
            )
        if self.metric not in METRICS:
            raise ValueError(
                f"metric must be one of {name_some(METRICS, len(METRICS))}, got {self.metric!r}. For cosine, bring "
                "rows to length 1 (sklearn.preprocessing.Normalizer) and use 'euclidean' with scale=None."
            )


def _check_count(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}.")


def resolve_size(min_cluster_size: Any, n_customers: int) -> int:
    """Turn a count, a share or None into the least number of customers of a segment.

    Examples
    --------
    >>> resolve_size(40, 2000), resolve_size(0.05, 2000), resolve_size(None, 2000), resolve_size(None, 100)
    (40, 100, 40, 15)
    """
    if min_cluster_size is None:
        return max(DEFAULT_LEAST, round(DEFAULT_SHARE * n_customers))
    if isinstance(min_cluster_size, numbers.Integral) and not isinstance(min_cluster_size, bool):
        _check_count("min_cluster_size", min_cluster_size, 2)
        return int(min_cluster_size)
    if isinstance(min_cluster_size, numbers.Real) and not isinstance(min_cluster_size, bool):
        share = float(min_cluster_size)
        if 0 < share < 1:
            return max(2, round(share * n_customers))
    raise ValueError(
        "min_cluster_size must be a number of customers (an integer of at least 2), a share of them (a float "
        f"between 0 and 1) or None, got {min_cluster_size!r}."
    )


@dataclass(frozen=True)
class PackageResult:
    """What the package found.

    Attributes
    ----------
    labels : ndarray of shape (n_rows,), int64
        As the package numbers them; -1 for noise.
    parent, child, density : ndarrays of shape (n_edges,)
        The condensed tree. Nodes below n_rows are rows, n_rows is the root; `density` (lambda = 1 / distance) is
        where the child leaves its parent.
    validity : float
        The package's ``relative_validity_``; NaN where it was not asked for or is not defined.
    """

    labels: NDArray[np.int64]
    parent: NDArray[np.int64]
    child: NDArray[np.int64]
    density: NDArray[np.float64]
    validity: float = float("nan")


def run_hdbscan(
    rows: NDArray[np.float64], settings: DensitySettings, *, validity: bool = False, memory: Any = None
) -> PackageResult:
    """Run the package on a copy of the rows.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_columns)
    settings : DensitySettings
    validity : bool, default=False
        Whether to compute the relative validity.
    memory : joblib.Memory, optional
        Where the package keeps the tree of distances, which several values of min_cluster_size share.

    Returns
    -------
    PackageResult
    """
    # All customers alike: the package answers one group or none, depending on how many there are. A group is denser
    # than what lies around it, and around these lies nothing.
    if len(rows) < 2 * settings.min_cluster_size or not np.ptp(rows, axis=0).any():
        return _nothing_found(len(rows))
    from hdbscan import HDBSCAN  # heavy: only when used

    model = HDBSCAN(
        min_cluster_size=settings.min_cluster_size,
        min_samples=int(settings.min_samples),
        cluster_selection_method=settings.cluster_selection_method,
        cluster_selection_epsilon=float(settings.cluster_selection_epsilon),
        metric=settings.metric,
        approx_min_span_tree=bool(settings.approx_min_span_tree),
        gen_min_span_tree=validity,
        core_dist_n_jobs=1,
        **({} if memory is None else {"memory": memory}),
    ).fit(np.array(rows, dtype=np.float64, order="C"))
    tree = model.condensed_tree_.to_numpy()
    labels = np.asarray(model.labels_, dtype=np.int64)
    return PackageResult(
        labels,
        tree["parent"].astype(np.int64),
        tree["child"].astype(np.int64),
        tree["lambda_val"].astype(np.float64),
        _relative_validity(model, labels) if validity else float("nan"),
    )


def _nothing_found(n_rows: int) -> PackageResult:
    """Return what the package would: a segment has a sibling of its own size, so there can be none.

    It is not asked, because it fails on a single row.
    """
    return PackageResult(
        np.full(n_rows, -1, dtype=np.int64),
        np.full(n_rows, n_rows, dtype=np.int64),
        np.arange(n_rows, dtype=np.int64),
        np.ones(n_rows),
    )


def _relative_validity(model: Any, labels: NDArray[np.int64]) -> float:
    if len(_distinct(labels)) < 2:
        return float("nan")
    with np.errstate(all="ignore"):  # 0 / 0 where repeated rows lie at distance 0
        return float(model.relative_validity_)


def _distinct(labels: NDArray[np.int64]) -> Sequence[int]:
    found: list[int] = np.unique(labels[labels >= 0]).tolist()
    return found
