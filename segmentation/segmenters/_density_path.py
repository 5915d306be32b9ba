"""Segments, share unassigned and validity over the settings of HDBSCAN."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import pandas as pd

from segmentation._progress import progress
from segmentation.segmenters._density_learn import Learnt, learn_density, prepare
from segmentation.segmenters._density_package import DensitySettings, resolve_size
from segmentation.segmenters._hdbscan import HDBSCANSegmenter
from segmentation.segmenters._scaling import Scale

__all__ = ["density_path"]


def density_path(
    X: Any,
    min_cluster_sizes: Iterable[int | float],
    min_samples: int | Iterable[int] = 10,
    *,
    cluster_selection_method: Literal["eom", "leaf"] = "eom",
    cluster_selection_epsilon: float = 0.0,
    metric: str = "euclidean",
    scale: Scale = "auto",
    approx_min_span_tree: bool = True,
    max_fit_customers: int | None = None,
    random_state: int | np.random.RandomState | None = None,
    show_progress: bool | None = None,
) -> pd.DataFrame:
    """Show what HDBSCAN finds over a range of settings.

    Look for a stretch of settings that agree, not for the best row: where the number of segments changes with every
    setting, or most customers stay unassigned throughout, the customers have no dense groups to be found.

    Parameters
    ----------
    X : dataframe or array of shape (n_customers, n_features)
        The customers.
    min_cluster_sizes : iterable of int or float
        Counts or shares, as the parameter ``min_cluster_size`` of `HDBSCANSegmenter`.
    min_samples : int or iterable of int, default=10
    cluster_selection_method, cluster_selection_epsilon, metric, scale, approx_min_span_tree, max_fit_customers, \
random_state
        As in `HDBSCANSegmenter`.
    show_progress : bool or None, default=None
        Whether to show how far it is; None: only on a terminal.

    Returns
    -------
    pandas.DataFrame
        One row per setting, `min_samples` changing slowest, with

        - ``min_cluster_size`` (as a count) and ``min_samples``;
        - ``n_segments``;
        - ``n_unassigned`` and ``share_unassigned``: customers in no dense group, before any treatment of noise;
        - ``share_largest``: share of all customers in the largest segment;
        - ``validity``: density-based cluster validity [1]_ in [-1, 1] by the package's quick approximation
          (``relative_validity_``): how far segments are apart relative to their sparsest link, weighted by their
          share of all customers, so that unassigned ones count 0. It compares rows of one table and means nothing
          by itself; NaN with fewer than two segments.

    Raises
    ------
    ValueError
        If a setting is not one, or there is none.
    CustomerTableError, ColumnError
        As in `HDBSCANSegmenter`.

    Notes
    -----
    Distances are worked out once per value of `min_samples` and kept in a temporary folder meanwhile, so that more
    values of `min_cluster_sizes` cost little.

    References
    ----------
    .. [1] Moulavi, Jaskowiak, Campello, Zimek, Sander (2014), Density-based clustering validation, SDM,
       doi:10.1137/1.9781611973440.96.

    Examples
    --------
    >>> import numpy as np
    >>> from segmentation.segmenters import density_path
    >>> rng = np.random.default_rng(0)
    >>> customers = np.concatenate([rng.normal(center, 1, size=(150, 2)) for center in ([0, 0], [9, 0], [0, 9])])
    >>> path = density_path(customers, [15, 30, 0.4])
    >>> path[["min_cluster_size", "n_segments"]].to_numpy().tolist()
    [[15, 3], [30, 3], [180, 0]]
    """
    base = HDBSCANSegmenter(max_fit_customers=max_fit_customers)
    customers = np.asarray(base._customers(X, reset=True)[0])
    prepared = prepare(customers, base._names(customers), scale, max_fit_customers, random_state)
    several: list[Any] = list(min_samples) if isinstance(min_samples, Iterable) else [min_samples]
    settings = [
        DensitySettings(
            min_cluster_size=resolve_size(size, len(prepared.positions)),
            min_samples=least,
            cluster_selection_method=cluster_selection_method,
            cluster_selection_epsilon=cluster_selection_epsilon,
            metric=metric,
            approx_min_span_tree=approx_min_span_tree,
        )
        for sizes in [list(min_cluster_sizes)]
        for least in several
        for size in sizes
    ]
    if not settings:
        raise ValueError("density_path needs at least one value in min_cluster_sizes and in min_samples.")
    from joblib import Memory

    with tempfile.TemporaryDirectory(prefix="density_path_") as folder:
        memory = Memory(folder, verbose=0)
        rows = [
            _row(setting, learn_density(prepared, setting, validity=True, memory=memory))
            for setting in progress(settings, what="density path", unit="setting", show=show_progress)
        ]
    return pd.DataFrame(rows)


def _row(settings: DensitySettings, learnt: Learnt) -> dict[str, Any]:
    codes = learnt.density.code[learnt.density.row_node]
    sizes = np.bincount(codes[codes >= 0], minlength=1)
    return {
        "min_cluster_size": settings.min_cluster_size,
        "min_samples": settings.min_samples,
        "n_segments": learnt.density.n_segments,
        "n_unassigned": int((codes < 0).sum()),
        "share_unassigned": float((codes < 0).mean()),
        "share_largest": float(sizes.max() / len(codes)),
        "validity": learnt.validity,
    }
