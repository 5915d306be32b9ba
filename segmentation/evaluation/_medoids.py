"""The most typical real customers of each segment."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some
from segmentation.evaluation._describe_variables import Variable

__all__ = ["medoid_table"]


def medoid_table(
    variables: Sequence[Variable],
    features: pd.DataFrame,
    codes: NDArray[np.int64],
    segments: Sequence[str],
    *,
    n_medoids: int,
    minimum: int,
    ids: bool,
) -> tuple[pd.DataFrame, list[str]]:
    """Return the customers nearest to the middle of their segment, and what is to be said about them.

    With squared Euclidean distance on standardised variables the customer with the least summed distance to all of the
    segment *is* the one nearest to its mean, so no distances between customers are needed.

    Parameters
    ----------
    variables : sequence of Variable
    features : pandas.DataFrame of shape (n_customers, n_variables)
        The same as they came, to show.
    codes : ndarray of shape (n_customers,)
    segments : sequence of str
    n_medoids : int
        How many per segment; 0 for none.
    minimum : int
        Segments of fewer customers show none.
    ids : bool
        Whether the table says who they are.
    """
    points = _standardised(variables)
    complete: NDArray[np.bool_] = np.logical_not(np.isnan(points).any(axis=1))
    parts, few, incomplete = [], [], []
    for code, segment in enumerate(segments):
        members = np.flatnonzero(codes == code)
        if 0 < len(members) < minimum:
            few.append(segment)
        if len(members) < minimum or not n_medoids:
            continue
        inside = members[complete[members]]
        if not len(inside):
            incomplete.append(segment)
            continue
        away = ((points[inside] - points[inside].mean(axis=0)) ** 2).mean(axis=1)
        nearest = np.argsort(away, kind="stable")[:n_medoids]
        part = features.iloc[inside[nearest]].reset_index(drop=True)
        head = {"segment": segment, "rank": np.arange(1, len(nearest) + 1), "distance": np.sqrt(away[nearest])}
        for place, (name, values) in enumerate(head.items()):
            part.insert(place, f"_{name}" if name in features.columns else name, values)
        if ids:
            part.insert(
                1,
                "_customer_id" if "customer_id" in features.columns else "customer_id",
                features.index[inside[nearest]],
            )
        parts.append(part)
    notes = []
    if few and n_medoids:
        notes.append(
            f"no typical customers are shown for {name_some(few)}: "
            f"{'it has' if len(few) == 1 else 'they have'} fewer than {count(minimum, 'customer')}."
        )
    if incomplete:
        notes.append(f"no typical customers for {name_some(incomplete)}: every customer there lacks a value.")
    return (pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()), notes


def _standardised(variables: Sequence[Variable]) -> NDArray[np.float64]:
    """Give every variable the same weight; the levels of a category share theirs."""
    columns = []
    for variable in variables:
        of_this = [values for _, values in variable.columns()]
        spread = np.sqrt(sum(float(np.nanvar(values)) if variable.known.any() else 0.0 for values in of_this))
        if spread > 0:
            columns += [values / spread for values in of_this]
    n = len(variables[0].numbers)
    return np.column_stack(columns) if columns else np.zeros((n, 1))
