"""What the data tell of each effort that shares a series of outcomes with others, and what they do not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import name_some, number, percent
from segmentation.curves._joint_forms import Candidates, Expectation
from segmentation.curves._joint_input import BASELINE, Periods
from segmentation.curves._joint_sample import Sample, largest_ratio

__all__ = ["MOSTLY_EXPECTED", "expected_together", "identification", "warnings_of"]

# Efforts of which others explain 90 % are hard to see by themselves.
MUCH_EXPLAINED = 10.0
# Shares that move against each other like this from draw to draw cannot be told apart.
AGAINST = -0.4
# An interval of this share of the width expected before the data says little that the data told.
MOSTLY_EXPECTED = 0.6
DISAGREE = 1.1
EXPECTED_DRAWS = 20_000


def identification(
    periods: Periods, shares: pd.DataFrame, level: float, expected: Sequence[Expectation]
) -> pd.DataFrame:
    """Return what tells efforts apart: by the data before any fit, and by how draws move against each other."""
    names, held = periods.names, periods.held
    centred = periods.efforts - periods.efforts.mean(axis=0)
    left = centred - held @ np.linalg.lstsq(held, centred, rcond=None)[0]
    size = np.sqrt((left**2).sum(axis=0))
    alike = (left / size).T @ (left / size)
    # what controls explain of an effort counts as well
    inflation = np.diag(np.linalg.inv(alike)) * (centred**2).sum(axis=0) / size**2
    drawn = shares[list(names)].to_numpy()
    spread = drawn.std(axis=0)
    rows = []
    against = np.corrcoef(drawn, rowvar=False) if len(names) > 1 and (spread > 0).all() else np.zeros((len(names),) * 2)
    against = np.atleast_2d(against)
    for j, name in enumerate(names):
        others = [k for k in range(len(names)) if k != j]
        near = max(others, key=lambda k: abs(alike[j, k])) if others else None
        rival = min(others, key=lambda k: against[j, k]) if others else None
        low, high = np.quantile(drawn[:, j], [(1 - level) / 2, (1 + level) / 2])
        rows.append(
            (
                name,
                inflation[j],
                None if near is None else names[near],
                math.nan if near is None else alike[j, near],
                None if rival is None else names[rival],
                math.nan if rival is None else against[j, rival],
                (high - low) / _expected_width(expected[j], level),
            )
        )
    columns = ["effort", "vif", "most_alike", "correlation", "rival", "draw_correlation", "width_left"]
    table = pd.DataFrame(rows, columns=columns).set_index("effort")
    values = np.linalg.eigvalsh(alike)
    table.attrs["condition"] = math.sqrt(values[-1] / max(values[0], 1e-300))
    return table


def _expected_width(expected: Expectation, level: float) -> float:
    """Return the width of the interval of the share before the data."""
    chances = np.array([(1 + level) / 2, (1 - level) / 2])  # of being above
    chances = np.minimum(chances / expected.works, 1.0)
    low, high = -expected.share * np.log(chances)
    return float(high - low)


def expected_together(share: Sequence[float], works: float, level: float, bounded: bool) -> tuple[float, float]:
    """Return the interval of the share of all efforts before the data, by simulation."""
    rng = np.random.default_rng(0)
    shape = (EXPECTED_DRAWS, len(share))
    drawn = (rng.standard_exponential(shape) * np.array(share) * (rng.random(shape) < works)).sum(axis=1)
    if bounded and (drawn <= 1).any():
        drawn = drawn[drawn <= 1]
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def warnings_of(
    periods: Periods,
    whole: Sequence[Candidates],
    families: Sequence[str],
    shares: pd.DataFrame,
    found: pd.DataFrame,
    sample: Sample,
    level: float,
) -> tuple[list[str], dict[Any, list[str]]]:
    """Return what stands beside the whole, and beside the curve of each effort."""
    names = periods.names
    own: dict[Any, list[str]] = {name: [] for name in names}
    told: list[str] = []

    def say(those: Sequence[Any], one: str, all_of_them: str) -> None:
        if those:
            told.append(all_of_them.format(names=name_some(those, 8)))
            for name in those:
                own[name].append(one)

    told.append("What is expected of each effort before the data (expected_share, works) is part of the intervals.")
    low, high = np.quantile(1.0 - shares[BASELINE], [(1 - level) / 2, (1 + level) / 2])
    before = expected_together(
        [c.expected.share for c in whole], whole[0].expected.works, level, periods.outcome.min() >= 0
    )
    if high - low >= MOSTLY_EXPECTED * (before[1] - before[0]):
        told.append(
            f"Of all efforts together {percent(before[0])} to {percent(before[1])} of the outcome was expected before "
            "the data, which take little from that."
        )
    straight = [n for n, c, f in zip(names, whole, families, strict=True) if c.form.family != f]
    say(
        straight,
        "The effort takes two values: a straight line stands here.",
        "Efforts of two values, which give one slope and no curvature, have a straight line: {names}.",
    )
    mostly = [n for n in names if found.loc[n, "width_left"] >= MOSTLY_EXPECTED]
    say(
        mostly,
        "The data say little of this effort: its interval is mostly what was expected before them.",
        "The data say little of these efforts, their intervals are mostly what was expected before them: {names}.",
    )
    pairs = sorted(
        {
            tuple(sorted((names.index(n), names.index(row["rival"]))))
            for n, row in found.iterrows()
            if row["draw_correlation"] <= AGAINST
        }
    )
    if pairs:
        listed = ", ".join(f"{names[i]!r} and {names[j]!r}" for i, j in pairs[:5])
        more = f", ... ({len(pairs)} in all)" if len(pairs) > 5 else ""
        told.append(f"Not told apart, what one gets the other loses from draw to draw: {listed}{more}.")
        for name in dict.fromkeys(names[i] for pair in pairs for i in pair):
            own[name].append("What this effort brings is not told apart from what another one brings.")
    say(
        [n for n in names if found.loc[n, "vif"] > MUCH_EXPLAINED],
        "Other efforts and controls explain more than 90 % of the variation of this effort.",
        "Other efforts and controls explain more than 90 % of the variation of: {names}.",
    )
    say(
        [n for n, x in zip(names, periods.efforts.T, strict=True) if x.min() > 0],
        "No period is without this effort: what all of it brings is extrapolated by the form of the curve.",
        "No period is without these efforts, so what all of each brings is extrapolated by the form of its curve: "
        "{names}.",
    )
    everything = float((shares[BASELINE] <= 0.01).mean())
    if periods.outcome.min() >= 0 and everything >= 0.02:
        told.append(
            f"In {percent(everything)} of the draws the efforts bring the whole outcome, and only that they cannot "
            "bring more bounds them: the data do not."
        )
    lasting = float(sample.persistence.mean())
    if lasting > 0.75:
        told.append(
            f"Errors last ({number(lasting)} of each is left one period later): a trend or season may be missing."
        )
    ratio = largest_ratio(sample)
    if ratio > DISAGREE:
        told.append(f"Chains of draws do not agree (ratio {number(ratio)}): give fewer efforts, or more draws.")
    return told, own
