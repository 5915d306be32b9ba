"""Pictures of a profile: how large the segments are, what they are worth, and how they differ."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from segmentation._plotting import COLOURS, new_figure, shorten, tidy
from segmentation.governance._cells import score_groups

__all__ = ["features_of", "profile_figures", "value_of"]

FEATURES_AT_MOST, PANELS_A_ROW = 12, 3
NAME_WIDTH = 26


def value_of(profile: pd.DataFrame) -> str | None:
    """Return the first score of which the segments have a share that can be drawn."""
    for name in score_groups(list(profile.columns)):
        share = profile.get(f"{name}_share")
        if share is not None and share.notna().any():
            return name
    return None


def features_of(profile: pd.DataFrame) -> list[str]:
    """Return the numeric columns that describe the segments: means, and shares of levels."""
    taken = {"n_customers", "share", "priority", "priority_score", "reason"}
    taken |= {column for columns in score_groups(list(profile.columns)).values() for column in columns}
    numeric = [
        name
        for name in profile.columns
        if name not in taken and pd.api.types.is_numeric_dtype(profile[name].dtype) and profile[name].notna().any()
    ]
    return [name for name in numeric if not _is_bound(name, numeric)]


def _is_bound(name: Any, names: list[Any]) -> bool:
    return any(str(name) == f"{other}{bound}" for other in names for bound in ("_low", "_high"))


def profile_figures(profile: pd.DataFrame) -> list[tuple[str, Any]]:
    """Return pictures with their captions; the caller closes the figures.

    Segments whose size is missing, because it is not published, are left out, and the titles say how many.
    """
    shown = profile[profile["n_customers"].notna()]
    gone = len(profile) - len(shown)
    if not len(shown):
        return []
    left_out = f" ({gone} not shown)" if gone else ""
    figures = [("Size and value of the segments", _sizes(shown, value_of(shown), left_out))]
    features = features_of(shown)
    if features and len(shown) > 1:
        figures.append(("How the segments differ", _features(shown, features, left_out)))
    return figures


def _sizes(profile: pd.DataFrame, value: str | None, left_out: str) -> Any:
    """Draw per segment its share of the customers and, with its interval, of the value."""
    n = len(profile)
    figure = new_figure(5.4, 1.5 + (0.5 if value else 0.34) * n)
    ax = figure.subplots()
    places = np.arange(n, dtype=float)
    height, shift = (0.36, 0.19) if value else (0.6, 0.0)
    share = 100 * _floats(profile["share"])
    ax.barh(places - shift, share, height=height, color=COLOURS["quiet"], label="customers")
    edge = share.copy()
    _write_shares(ax, places - shift, share, share)
    if value is not None:
        worth = 100 * _floats(profile[f"{value}_share"])
        ax.barh(places + shift, np.nan_to_num(worth), height=height, color=COLOURS["model"], label=shorten(value))
        ends = worth.copy()
        if f"{value}_share_low" in profile.columns:
            low, high = (100 * _floats(profile[f"{value}_share_{bound}"]) for bound in ("low", "high"))
            ax.hlines(places + shift, low, high, color=COLOURS["actual"], linewidth=1.5, label="interval")
            ends = np.fmax(worth, high)
        _write_shares(ax, places + shift, worth, ends)
        edge = np.fmax(edge, ends)
    ax.set_yticks(places, [shorten(name, NAME_WIDTH) for name in profile.index])
    ax.set_ylim(n - 0.4, -0.6)
    ax.set_xlim(0, 1.16 * float(np.nanmax(edge, initial=1e-9)))
    title = "Share of customers" + (f" and of {shorten(value)}" if value else "") + left_out
    tidy(ax, title=title, x="share of all, %", y="")
    ax.grid(visible=False, axis="y")
    if value is not None:
        handles, labels = ax.get_legend_handles_labels()
        bars = [i for i, label in enumerate(labels) if label != "interval"]
        order = [*bars, *(i for i in range(len(labels)) if i not in bars)]
        figure.legend(
            [handles[i] for i in order],
            [labels[i] for i in order],
            loc="outside lower right",
            ncols=3,
            frameon=False,
            fontsize=8,
        )
    return figure


def _write_shares(ax: Any, places: Any, shares: Any, ends: Any) -> None:
    for place, share, end in zip(places, shares, ends, strict=True):
        if math.isfinite(share):
            ax.annotate(
                f"{share:.1f}", (end, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8
            )


def _features(profile: pd.DataFrame, features: list[str], left_out: str) -> Any:
    """Draw one panel per feature: the mean of each segment, and of all that are shown as a line."""
    drawn = features[:FEATURES_AT_MOST]
    across = min(PANELS_A_ROW, len(drawn))
    down = math.ceil(len(drawn) / across)
    n = len(profile)
    figure = new_figure(2.2 + 2.4 * across, 0.6 + (1.0 + 0.22 * n) * down)
    panels = figure.subplots(down, across, sharey=True, squeeze=False).ravel()
    places = np.arange(n)
    weights = _floats(profile["n_customers"])
    for ax, name in zip(panels, drawn, strict=False):
        values = _floats(profile[name])
        ax.barh(places, np.nan_to_num(values), height=0.7, color=COLOURS["model"])
        known = ~np.isnan(values)
        if weights[known].sum() > 0:
            mean = float(np.average(values[known], weights=weights[known]))
            ax.axvline(mean, color=COLOURS["actual"], linewidth=1.2, linestyle=(0, (4, 2)))
        tidy(ax, title=shorten(name, 28), x="", y="")
        ax.grid(visible=False, axis="y")
        ax.title.set_fontsize(9)
        ax.tick_params(labelsize=8)
        ax.locator_params(axis="x", nbins=4)
    for ax in panels[len(drawn) :]:
        ax.set_visible(False)
    panels[0].set_yticks(places, [shorten(name, NAME_WIDTH) for name in profile.index])
    panels[0].set_ylim(n - 0.4, -0.6)
    more = f"; first {len(drawn)} of {len(features)}" if len(features) > len(drawn) else ""
    figure.suptitle(f"Means per segment; dashed: all segments drawn{more}{left_out}", x=0.01, ha="left", fontsize=10)
    return figure


def _floats(column: Any) -> Any:
    return np.array(pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan))
