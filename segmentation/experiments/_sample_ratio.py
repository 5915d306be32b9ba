"""Did each arm get the customers it was planned to get: where not, the experiment is broken, whatever it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from segmentation._format import name_some, percent
from segmentation._frames import kind_of
from segmentation.experiments._analyze_intake import label_of
from segmentation.experiments._moments import Floats
from segmentation.governance._association import holm

__all__ = ["OVERALL", "check_ratio", "planned_shares", "verdict_of"]

OVERALL = "all"
WARN, FAIL = 0.01, 0.001


def planned_shares(shares: Any, arms: Sequence[str], segments: Sequence[str]) -> tuple[Floats, bool, bool]:
    """Read planned shares: per arm, or per segment and arm.

    Returns
    -------
    (array (segments, arms), bool, bool)
        Rows sum to 1; whether shares were given; whether segments differ.
    """
    if shares is None:
        return np.full((len(segments), len(arms)), 1 / len(arms)), False, False
    if not isinstance(shares, Mapping) or not shares:
        raise TypeError(f"shares maps each arm to its planned share, got {kind_of(shares)}.")
    nested = [isinstance(value, Mapping) for value in shares.values()]
    if any(nested):
        if not all(nested):
            raise TypeError("shares maps each arm to its share, or each segment to such a mapping; not both.")
        by_segment = {str(label_of(name)): value for name, value in shares.items()}
        absent = [name for name in segments if name not in by_segment]
        if absent:
            raise ValueError(f"shares per segment lack {name_some(absent)}: plan every segment.")
        planned = np.array([_one(by_segment[name], arms) for name in segments])
        return planned, True, bool(np.ptp(planned, axis=0).max() > 1e-12) if len(planned) else False
    return np.tile(_one(shares, arms), (len(segments), 1)), True, False


def _one(shares: Mapping[Any, Any], arms: Sequence[str]) -> Floats:
    named = {str(label_of(name)): value for name, value in shares.items()}
    if set(named) != set(arms):
        raise ValueError(
            f"shares name the arms {name_some(sorted(named))}, and the arms are {name_some(arms)}: give each its share."
        )
    try:
        values = np.array([float(named[name]) for name in arms])
    except (TypeError, ValueError) as error:
        raise TypeError(f"planned shares must be numbers, got {name_some(named[name] for name in arms)}.") from error
    if not (np.isfinite(values).all() and (values > 0).all()):
        raise ValueError(f"planned shares must be above 0, got {name_some(values.tolist())} for {name_some(arms)}.")
    return np.asarray(values / values.sum())


def check_ratio(
    counts: Floats,
    planned: Floats,
    segments: Sequence[str],
    arms: Sequence[str],
    overall: Floats,
    planned_overall: Floats,
) -> pd.DataFrame:
    """Compare counts with plan by chi-squared, for all customers and per segment (Holm over segments).

    Parameters
    ----------
    counts, planned : arrays (segments, arms)
    overall, planned_overall : arrays (arms,)

    Returns
    -------
    pandas.DataFrame
        Index ``segment`` ("all" first); ``n``, per arm ``n_<arm>`` and ``planned_<arm>`` (share), ``chi_squared``,
        ``p_value``, ``p_adjusted``, ``verdict`` ("ok", "warning" below .01, "failed" below .001, by the corrected p).
    """
    table = np.vstack([overall, counts])
    plan = np.vstack([planned_overall, planned])
    n = table.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = plan * n[:, None]
        statistic = np.where(n > 0, ((table - expected) ** 2 / expected).sum(axis=1), np.nan)
    p = stats.chi2.sf(statistic, len(arms) - 1) if len(arms) > 1 else np.full(len(n), np.nan)
    adjusted = np.full(len(n), np.nan)
    adjusted[0] = p[0]
    some = np.flatnonzero(np.isfinite(p[1:])) + 1
    if len(some):
        adjusted[some] = holm(p[some])
    made: dict[str, Any] = {"n": n.astype(np.int64)}
    made |= {f"n_{arm}": table[:, i].astype(np.int64) for i, arm in enumerate(arms)}
    made |= {f"planned_{arm}": plan[:, i] for i, arm in enumerate(arms)}
    made |= {"chi_squared": statistic, "p_value": p, "p_adjusted": adjusted}
    result = pd.DataFrame(made, index=pd.Index([OVERALL, *segments], name="segment"))
    return result.assign(verdict=[verdict_of(value) for value in adjusted])


def verdict_of(p_value: float) -> str:
    """Return what a p-value of the check means.

    Examples
    --------
    >>> [verdict_of(p) for p in (0.5, 0.0086, 0.0001)]
    ['ok', 'warning', 'failed']
    """
    if not np.isfinite(p_value):
        return "nobody"
    return "failed" if p_value < FAIL else "warning" if p_value < WARN else "ok"


def ratio_notes(table: pd.DataFrame, arms: Sequence[str], *, given: bool, unit: str) -> list[str]:
    """Say what the check found, in words."""
    notes = []
    for segment, row in table.iterrows():
        if row["verdict"] not in ("warning", "failed"):
            continue
        got = ", ".join(f"{arm} {percent(row[f'n_{arm}'] / row['n'])} (planned {percent(row[f'planned_{arm}'])})"
                        for arm in arms)  # fmt: skip
        where = "" if segment == OVERALL else f" in segment {segment!r}"
        weight = (
            "Something moved customers between arms or lost them: find it before you believe any effect."
            if row["verdict"] == "failed"
            else "Look for customers that were lost or counted in one arm only."
        )
        notes.append(
            f"sample ratio {row['verdict']}{where}: {unit} came as {got}, p = {row['p_adjusted']:.2g}. {weight}"
        )
    if not given:
        notes.append(
            f"planned shares were not given (shares=), so the sample-ratio check took equal ones for {len(arms)} arms."
        )
    return notes
