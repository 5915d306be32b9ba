"""Compare what is published with what this library computes."""

from __future__ import annotations

import math

import pandas as pd

from segmentation.verification import _published, _recompute
from segmentation.verification._result import Verification

__all__ = ["verify"]


def verify() -> Verification:
    """Recompute published figures of the purchase and spend models, and compare.

    It takes a second or two, needs no network, and changes nothing.

    Returns
    -------
    Verification
        One row per figure; ``passed`` says whether all came out as published.

    Raises
    ------
    FileNotFoundError
        If the data are not there: CDNOW and the donations stand in the `lifetimes` distribution.

    Notes
    -----
    Log-likelihoods must agree to 0.01, parameters to 0.5 %, everything else to half a unit of the last printed
    digit, counts exactly (the points of the Gamma-Gamma model to 0.1, because they are printed beside rounded
    parameters). A figure that cannot be computed has failed. Where ``source`` begins with "recomputation", the figure
    was not printed by the authors of the model, but computed from their formulas, independently of this library.

    Examples
    --------
    >>> from segmentation.verification import verify
    >>> result = verify()
    >>> result.passed
    True
    >>> table = result.to_pandas().set_index(["group", "what"])
    >>> table.loc[("BG/NBD on CDNOW, weeks", "log-likelihood"), ["published", "computed"]].round(3).tolist()
    [-9582.429, -9582.429]
    """
    data = _recompute.Data.load()
    rows, problems = [], []
    for group in _published.PUBLISHED:
        try:
            figures = _recompute.RECOMPUTE[group.key](data)
        except Exception as error:  # whatever goes wrong in a model, its figures have not been reproduced
            figures = {}
            problems.append(f"{group.title}: {type(error).__name__}: {error}")
        rows += [_compared(group, value, float(figures.get(value.name, math.nan))) for value in group.figures]
    return Verification(pd.DataFrame(rows), tuple(problems))


def _compared(group: _published.Group, value: _published.Value, computed: float) -> dict[str, object]:
    difference = computed - value.published
    return {
        "group": group.title,
        "what": value.name,
        "published": value.published,
        "computed": computed,
        "difference": difference,
        "tolerance": value.tolerance,
        "passed": bool(abs(difference) <= value.tolerance),  # False for NaN
        "source": _published.SOURCES[value.source],
    }
