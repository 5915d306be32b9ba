"""The finding of an experiment in words, which names a segment only where a corrected test supports it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from segmentation._format import count, name_some, percent

__all__ = ["headline"]


def headline(
    interaction: pd.DataFrame, overall: pd.DataFrame, segments: pd.DataFrame, settings: Mapping[str, Any], *,
    trustworthy: bool,
) -> str:  # fmt: skip
    """Write the finding: trust first, then whether segments differ, then all customers, then single segments."""
    alpha = 1 - settings["level"]
    lines = []
    if not trustworthy:
        lines.append(
            "NOT TO BE USED: the sample-ratio check failed, arms are not comparable. What follows is marked by it."
        )
    lines.append(_interaction(interaction, alpha))
    lines += _overall(overall, alpha)
    lines += _segments(interaction, segments, alpha)
    return "\n".join(lines)


def _interaction(table: pd.DataFrame, alpha: float) -> str:
    tested: Any = table[table["p_value"].notna()] if len(table) else table
    if not len(tested):
        return "Whether the effect differs between segments cannot be tested: fewer than two segments have an estimate."
    differs = tested[tested["p_adjusted"] < alpha]
    if len(differs):
        named = "; ".join(
            f"of {row['arm']!r} on {row['outcome']!r} (p = {_p(row['p_adjusted'])})" for _, row in differs.iterrows()
        )
        return f"The effect differs between segments: {named}, corrected for {count(len(tested), 'test')}."
    least = tested.loc[tested["p_value"].idxmin()]
    corrected = "one test"
    if len(tested) > 1:
        corrected = f"{_p(least['p_adjusted'])} after correction for {count(len(tested), 'test')}"
    elif least["p_adjusted"] > least["p_value"]:
        corrected = f"{_p(least['p_adjusted'])} corrected for looking at each segment too"
    return (
        f"No difference between segments is shown (smallest p = {_p(least['p_value'])}, {corrected}): treat "
        "differences "
        "between their lifts as chance, and decide by the effect on all customers."
    )


def _overall(table: pd.DataFrame, alpha: float) -> list[str]:
    lines = []
    n_tests = int(table["p_value"].notna().sum())
    for _, row in table.iterrows():
        if not pd.notna(row["lift_low"]):
            lines.append(
                f"All customers, {row['arm']!r} on {row['outcome']!r}: no estimate ({row['note'] or 'no data'})."
            )
            continue
        unit = " points" if row["kind"] == "proportion" else ""
        figure = _figure(row, "lift") + unit
        bounds = f"{_figure(row, 'lift_low')} to {_figure(row, 'lift_high')}"
        relative = f", {row['rel_lift']:+.1%}" if pd.notna(row["rel_lift"]) else ""
        shown = ""
        if row["lift_low"] <= 0 <= row["lift_high"]:
            shown = "no effect shown, "
        elif not row["p_adjusted"] < alpha:
            shown = (
                f"no effect shown after correction for {count(n_tests, 'comparison')} (p = {_p(row['p_adjusted'])}), "
            )
        lines.append(f"All customers, {row['arm']!r} on {row['outcome']!r}: {shown}lift {figure} ({bounds}){relative}.")
    return lines


def _figure(row: Any, name: str) -> str:
    value = row[name]
    if row["kind"] == "proportion":
        return f"{100 * value:+.2f}"
    return f"{value:+,.0f}" if abs(value) >= 1000 else f"{value:+.4g}"


def _segments(interaction: pd.DataFrame, table: pd.DataFrame, alpha: float) -> list[str]:
    if not len(table):
        return []
    shown: Any = table[table["p_adjusted"] < alpha]
    n_tests = int(table["p_value"].notna().sum())
    if not len(shown):
        return [f"In no single segment is a lift shown after correction for {count(n_tests, 'comparison')}."]
    lines = []
    for (outcome, arm), rows in shown.groupby(["outcome", "arm"], sort=False):
        of: Any = interaction[(interaction["outcome"] == outcome) & (interaction["arm"] == arm)]
        differs = bool((of["p_adjusted"] < alpha).any())
        every = table[(table["outcome"] == outcome) & (table["arm"] == arm)]
        up, down = rows[rows["lift"] > 0]["segment"], rows[rows["lift"] < 0]["segment"]
        parts = []
        for names, sign in ((list(up), "above"), (list(down), "below")):
            if names:
                which = f"all {len(names)} segments" if len(names) == len(every) else f"segments {name_some(names)}"
                parts.append(f"{sign} 0 in {which}")
        text = f"{arm!r} on {outcome!r}: a lift {' and '.join(parts)} is shown by itself (corrected)"
        if not differs and len(every) > 1:
            text += "; that they respond better or worse than others is not shown"
        lines.append(f"{text}.")
    return lines


def _p(value: float) -> str:
    """Write a p-value.

    Examples
    --------
    >>> [_p(p) for p in (0.5123, 0.0342, 0.00012, 1e-9)]
    ['.51', '.034', '.00012', '< .0001']
    """
    if value < 0.0001:
        return "< .0001"
    if value < 0.001:
        return f"{value:.2g}".lstrip("0") if "e" not in f"{value:.2g}" else f"{value:.5f}".lstrip("0")
    return "1" if value > 0.995 else f"{value:.2g}".lstrip("0")


def attrition(row: Mapping[str, Any]) -> str:
    """Say that outcomes are missing more in one arm than in others."""
    shares = ", ".join(f"{arm} {percent(share)}" for arm, share in row["shares"].items())
    return (
        f"{row['outcome']!r} is missing in unequal shares of the arms ({shares}; p = {_p(row['p_value'])}): who is "
        "measured may depend on the treatment, and then the arms are not comparable for it."
    )
