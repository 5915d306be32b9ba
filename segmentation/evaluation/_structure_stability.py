"""Stability for each number of segments, as far as a verdict needs it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import count
from segmentation._progress import progress
from segmentation.evaluation._refits import Customers, last_step
from segmentation.evaluation._stability import segment_stability
from segmentation.exceptions import FitError, SegmentationWarning

__all__ = ["StabilityByNumber", "stability_by_number"]

OPTIMISER_AGREES = 0.95
N_RESTARTS = 4
COLUMNS = ("smallest", "smallest_share", "ari", "ari_q25", "ari_q75", "weakest_slsw", "restart_ari")


@dataclass(frozen=True, eq=False)
class StabilityByNumber:
    """Stability for each number of segments.

    Attributes
    ----------
    table : pandas.DataFrame
        Index ``n_segments``; ``smallest`` (customers of the smallest segment), ``smallest_share``; ``ari`` (median of
        the adjusted Rand index over pairs), ``ari_q25``, ``ari_q75``; ``weakest_slsw`` (the smallest median SLSW of
        any segment); ``restart_ari`` (median agreement of restarts on the same customers).
    scheme : str
    notes : tuple of str
    """

    table: pd.DataFrame
    scheme: str
    notes: tuple[str, ...]


def stability_by_number(
    models: Mapping[int, Any], customers: Customers, n_pairs: int, seed: np.random.SeedSequence, n_jobs: int | None
) -> StabilityByNumber:
    """Measure the stability of every number of segments, with the same samples."""
    # density methods take the repeated customers of a bootstrap sample for crowds
    unassigned = any(last_step(model).__sklearn_tags__().segmenter_tags.unassigned for model in models.values())
    scheme: Any = "subsample" if unassigned else "bootstrap"
    state = int(seed.generate_state(1)[0] % np.iinfo(np.int32).max)
    rows, failed = [], []
    for k, model in progress(models.items(), what="stability", total=len(models), unit="number"):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SegmentationWarning)
                report = segment_stability(
                    model, customers.data, n_pairs, scheme, n_restarts=N_RESTARTS, n_jobs=n_jobs, random_state=state
                )
        except FitError as error:
            failed.append(f"No stability for {count(k, 'segment')}: {error}")
            rows.append((np.nan,) * len(COLUMNS))
            continue
        sizes = report.table["n_customers"]
        low, middle, high = np.quantile(report.global_stability, [0.25, 0.5, 0.75])
        again = report.restart_agreement
        weakest = report.table["median"].min()
        agreed = float(np.median(again)) if len(again) else 1.0
        rows.append((int(sizes.min()), sizes.min() / len(customers), middle, low, high, weakest, agreed))
    table = pd.DataFrame(rows, columns=list(COLUMNS), index=pd.Index(list(models), name="n_segments"))
    return StabilityByNumber(table, scheme, tuple(failed))
