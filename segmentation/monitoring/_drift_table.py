"""The rows of a drift report: measures beside limits, shares by bin, the greatest change in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some
from segmentation.monitoring._drift_encode import Encoded
from segmentation.monitoring._drift_measures import MEASURES
from segmentation.monitoring._drift_null import Panel, Rows

__all__ = ["bins_table", "drift_row", "remarks_of"]


def drift_row(
    panel: Panel,
    feature: Encoded,
    segments: list[str],
    p: float,
    alpha: float,
    values: NDArray[np.float64],
    limits: NDArray[np.float64],
    rows: Rows,
    strata: NDArray[np.int64],
) -> dict[str, Any]:
    """Return the row of a feature, of all customers or of one segment."""
    shares = _shares(panel)
    inside = strata == panel.segment
    levels = _new_levels(feature, inside, rows) if feature.kind == "categorical" else 0
    row: dict[str, Any] = {
        "feature": feature.name,
        "segment": segments[panel.segment] if segments else "",
        "kind": feature.kind,
        "drifted": bool(p <= alpha),
        "p_adjusted": float(p),
    }
    for measure, value, limit in zip(MEASURES, values, limits, strict=True):
        row |= {measure: float(value), f"{measure}_limit": float(limit)}
    return row | {
        "superiority": _superiority(*shares) if feature.kind == "numeric" else np.nan,
        "missing_reference": float(shares[0][-1]),
        "missing_current": float(shares[1][-1]),
        "n_new_levels": levels,
        "n_reference": int(panel.sizes[0]),
        "n_current": int(panel.sizes[1]),
        "what": _what(panel, feature),
    }


def _shares(panel: Panel) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    total = sum(panel.sizes)
    before = np.clip(panel.pooled - panel.gap * panel.sizes[1] / total, 0.0, 1.0)
    return before, np.clip(panel.pooled + panel.gap * panel.sizes[0] / total, 0.0, 1.0)


def _superiority(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """Return the chance that a known value of the second exceeds one of the first, ties counting half."""
    p, q = before[:-1], after[:-1]
    if p.sum() <= 0 or q.sum() <= 0:
        return float("nan")
    return float(((np.cumsum(p) - p / 2) / p.sum() * q / q.sum()).sum())


def _new_levels(feature: Encoded, inside: NDArray[np.bool_], rows: Rows) -> int:
    """Count the levels that only the current table has, here."""
    present = [np.unique(feature.codes[inside & (rows.is_current == now)]) for now in (False, True)]
    fresh = np.setdiff1d(present[1], present[0])
    return int((fresh != feature.missing).sum())


def _wide(shares: NDArray[np.float64], feature: Encoded) -> NDArray[np.float64]:
    return np.bincount(feature.coarse, weights=shares, minlength=len(feature.labels)).astype(np.float64)


def _what(panel: Panel, feature: Encoded) -> str:
    """Say which bin changed most."""
    before, after = (_wide(shares, feature) for shares in _shares(panel))
    change = after - before
    most = int(np.abs(change).argmax())
    text = f"{feature.labels[most]}: {before[most]:.1%} to {after[most]:.1%}".replace("%", " %")
    if feature.new_levels and feature.kind == "categorical" and feature.labels[most] in feature.new_levels:
        text += " (new)"
    return text


def bins_table(panels: Sequence[Panel], features: Sequence[Encoded], segments: list[str]) -> pd.DataFrame:
    """Return the shares of the wide bins of every panel."""
    parts = []
    for panel in panels:
        feature = features[panel.feature]
        before, after = (_wide(shares, feature) for shares in _shares(panel))
        part = pd.DataFrame(
            {"feature": feature.name, "bin": feature.labels, "share_reference": before, "share_current": after}
        )
        if segments:
            part.insert(1, "segment", segments[panel.segment])
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def remarks_of(features: Sequence[Encoded], alpha: float, n_draws: int) -> list[str]:
    """Say what a reader of the report must know."""
    said = []
    fresh = {feature.name: feature.new_levels for feature in features if feature.new_levels}
    for name, levels in list(fresh.items())[:5]:
        said.append(
            f"{name!r} has {count(len(levels), 'level')} that the reference does not have: {name_some(levels)}."
        )
    if len(fresh) > 5:
        said.append(f"{count(len(fresh) - 5, 'more feature has', 'more features have')} levels that are new.")
    if alpha * (n_draws + 1) < 1:
        said.append(f"{n_draws} draws cannot show a chance below {1 / (n_draws + 1):.3g}: nothing can be found.")
    said.append(
        "what moves everybody at once, such as a season or a promotion, is drift here; compare equal seasons where "
        "there are any."
    )
    return said
