"""How many segments: what each number costs and gives, side by side, and a recommendation with its reason."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from segmentation._format import name_some, percent
from segmentation.evaluation._n_segments_result import SegmentNumbers
from segmentation.evaluation._refits import (
    Customers,
    check_segmenter,
    last_step,
    name_of,
    needs_prediction,
    root_seed,
    seeded_clone,
    seeds_of,
    starts_of,
)
from segmentation.evaluation._stability_path import find_parameter
from segmentation.evaluation._structure_plan import with_starts
from segmentation.evaluation._structure_space import space_of
from segmentation.evaluation._structure_stability import OPTIMISER_AGREES, stability_by_number
from segmentation.evaluation._structure_words import LEAST_ARI, LEAST_SLSW, reproducible
from segmentation.exceptions import SegmentationWarning

__all__ = ["suggest_n_segments"]

STARTS = 10
SILHOUETTE_SAMPLE = 2000
# Splitting one of several good segments costs the adjusted Rand index little, but more than this.
CLEAR_DROP = 0.05


def suggest_n_segments(
    segmenter: Any,
    X: Any,
    n_segments: Iterable[int] = range(2, 9),
    *,
    parameter: str | None = None,
    min_share: float = 0.05,
    n_pairs: int = 50,
    n_jobs: int | None = None,
    random_state: Any = None,
) -> SegmentNumbers:
    """Compare numbers of segments by stability, separation and size, and say whether one of them stands out.

    Parameters
    ----------
    segmenter : Segmenter, or Pipeline that ends in one
        With a parameter for the number of segments. Copied, never changed; given at least ten starts.
    X : dataframe or array of shape (n_customers, n_features)
    n_segments : iterable of int, default=range(2, 9)
    parameter : str, optional
        Name of the parameter; found by itself where there is one candidate.
    min_share : float, default=0.05
        Share of the customers that the smallest segment must have to be worth a plan of its own.
    n_pairs : int, default=50
        Pairs of samples for the stability (see `segment_stability`).
    n_jobs : int, optional
    random_state : int, RandomState or None, default=None

    Returns
    -------
    SegmentNumbers
        ``recommended`` (a number, or None), ``reason``, ``table``, ``settings``, ``warnings``.

    Raises
    ------
    TypeError, OutOfSampleError, ValueError
        If the segmenter or a parameter cannot be used.

    Notes
    -----
    The rule: of the numbers whose segments come back in refits (median adjusted Rand index at least .80, median SLSW of
    the weakest segment at least .60) and whose smallest segment has `min_share` of the customers, the finest before
    which the stability does not clearly drop, and after which it does. A clear drop is one of at least .05 in the
    median adjusted Rand index where the quartiles do not overlap. Two segments are nearly always stabler
    than three, so the largest value says nothing; where stability does not drop, or nothing comes back, no number
    stands out: choose by use, by what can be told apart and served.

    The rule knows nothing of what the segments are for, and a stable number is not yet a natural one
    (`structure_verdict`). The silhouette is measured in the columns the segmenter measures distances in, on at most
    2,000 customers; it is shown and not used.

    Examples
    --------
    >>> import numpy as np
    >>> from segmentation.evaluation import suggest_n_segments
    >>> from segmentation.segmenters import KMeansSegmenter
    >>> rng = np.random.default_rng(0)
    >>> customers = np.concatenate([rng.normal(centre, 1, (100, 2)) for centre in ([0, 0], [9, 0], [0, 9])])
    >>> numbers = suggest_n_segments(KMeansSegmenter(), customers, range(2, 6), n_pairs=10, random_state=0)
    >>> numbers.recommended
    3
    """
    who = "suggest_n_segments"
    check_segmenter(segmenter, who)
    needs_prediction(segmenter, who)
    if isinstance(min_share, bool) or not isinstance(min_share, int | float | np.number) or not 0 <= min_share < 1:
        raise ValueError(f"min_share must be a share of the customers, from 0 to below 1, got {min_share!r}.")
    if isinstance(n_pairs, bool) or not isinstance(n_pairs, int | np.integer) or n_pairs < 2:
        raise ValueError(f"n_pairs must be a whole number of at least 2, got {n_pairs!r}.")
    name = find_parameter(segmenter) if parameter is None else parameter
    customers, root = Customers.of(X), root_seed(random_state)
    numbers = _numbers(n_segments, len(customers))
    (for_stability, for_sample), for_fits = seeds_of(root, 2, len(numbers))
    models = {k: with_starts(clone(segmenter).set_params(**{name: k}), STARTS) for k in numbers}
    found = stability_by_number(models, customers, n_pairs, for_stability, n_jobs)
    table = found.table.copy()
    table["silhouette"] = [
        _silhouette(model, customers, seed, for_sample) for model, seed in zip(models.values(), for_fits, strict=True)
    ]
    table["stable"] = reproducible(table)
    table["large_enough"] = table["smallest_share"] >= min_share
    recommended, reason = recommend(table, min_share)
    settings = {
        "segmenter": name_of(segmenter),
        "parameter": name,
        "starts": starts_of(with_starts(segmenter, STARTS)),
        "n_segments": numbers,
        "min_share": min_share,
        "n_pairs": n_pairs,
        "scheme": found.scheme,
        "least_ari": LEAST_ARI,
        "least_slsw": LEAST_SLSW,
        "n_customers": len(customers),
        "silhouette_sample": min(SILHOUETTE_SAMPLE, len(customers)),
        "random_state": root,
    }
    return SegmentNumbers(recommended, reason, table, settings, (*found.notes, *_optimiser(table)))


def _numbers(n_segments: Iterable[int], n_customers: int) -> list[int]:
    if not isinstance(n_segments, Iterable):
        raise TypeError(f"n_segments must be numbers of segments such as range(2, 9), got {n_segments!r}.")
    numbers = list(n_segments)
    wrong = [k for k in numbers if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 2]
    if wrong or not numbers:
        raise ValueError(f"n_segments must be whole numbers of at least 2, got {name_some(wrong) or 'none'}.")
    if max(numbers) > n_customers // 2:
        raise ValueError(f"{max(numbers)} segments are too many for {n_customers:,} customers: two each at least.")
    return sorted({int(k) for k in numbers})


def _silhouette(
    model: Any, customers: Customers, seed: np.random.SeedSequence, for_sample: np.random.SeedSequence
) -> float:
    """Return the mean silhouette of a sample in the segmenter's own space; NaN where there are no two segments."""
    from sklearn.metrics import silhouette_score

    copy = seeded_clone(model, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SegmentationWarning)
        copy.fit(customers.data)
    codes, points = np.asarray(last_step(copy).labels_), space_of(copy, customers)
    rng = np.random.default_rng(np.random.SeedSequence(for_sample.entropy, spawn_key=for_sample.spawn_key))
    rows = np.flatnonzero(codes >= 0)
    if len(rows) > SILHOUETTE_SAMPLE:
        rows = rng.choice(rows, SILHOUETTE_SAMPLE, replace=False)
    if not 2 <= len(np.unique(codes[rows])) < len(rows):
        return np.nan
    return float(silhouette_score(points[rows], codes[rows]))


def recommend(table: Any, min_share: float) -> tuple[int | None, str]:
    """Return the number that stands out, or None, and the reason."""
    numbers = list(table.index)
    stable = [k for k in numbers if table.loc[k, "stable"]]
    use = "choose by use: by which segments can be told apart, reached and served differently"
    if not stable:
        best = table["ari"].max()
        return None, f"no number stands out: segments of none come back in refits (best median ARI {best:.2f}); {use}."
    usable = [k for k in stable if table.loc[k, "large_enough"]]
    if not usable:
        return None, (
            f"no number stands out: of those that come back ({name_some(stable, 12)}), every one has a segment below "
            f"{percent(min_share)} of the customers; {use}, or accept a smaller one (min_share)."
        )
    for k in reversed(usable):
        after = numbers[numbers.index(k) + 1 :]
        behind = any(_drops(table, coarser, k) for coarser in usable if coarser < k)
        if after and not behind and _drops(table, k, after[0]):
            coarser = [other for other in usable if other < k]
            also = f"; {name_some(coarser, 12)} also come back and are coarser" if coarser else ""
            return k, (
                f"{k} is the finest number whose segments come back in refits (median ARI {table.loc[k, 'ari']:.2f}) "
                f"before the stability drops (to {table.loc[after[0], 'ari']:.2f} with {after[0]}), and the smallest "
                f"segment has {percent(table.loc[k, 'smallest_share'])} of the customers{also}."
            )
    listed = name_some(usable, 12)
    return None, f"no number stands out: {listed} come back in refits, and stability does not clearly drop; {use}."


def _drops(table: Any, coarse: int, fine: int) -> bool:
    """Tell whether the finer number is clearly less stable: quartiles apart, and by more than hardly anything."""
    apart = table.loc[coarse, "ari_q25"] > table.loc[fine, "ari_q75"]
    return bool(apart and table.loc[coarse, "ari"] - table.loc[fine, "ari"] >= CLEAR_DROP)


def _optimiser(table: pd.DataFrame) -> list[str]:
    noisy = list(table.index[table["restart_ari"] < OPTIMISER_AGREES])
    if not noisy:
        return []
    return [
        f"With {name_some(noisy, 12)} segments, restarts on the same customers disagree (median ARI below "
        f"{OPTIMISER_AGREES:.2f}): part of the instability is the optimiser's. More starts would tell."
    ]
