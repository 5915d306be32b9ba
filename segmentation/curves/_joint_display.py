"""Pictures of a joint fit: the share of the outcome that each effort brings, with its interval."""

from __future__ import annotations

from collections import Counter
from typing import Any, Self

import numpy as np
import pandas as pd

from segmentation._format import percent
from segmentation._plotting import COLOURS, axes_or_new, new_figure, shorten, take_literally, tidy
from segmentation.curves._joint_input import BASELINE
from segmentation.curves._joint_result import CurveFits

__all__ = ["SharesDisplay"]

WIDTH = 32
MAX_EFFORTS = 30
ROW, HEAD = 0.3, 1.9


class SharesDisplay:
    """Shares of the outcome as points with intervals, the largest effort above; made by `from_fits`.

    Attributes
    ----------
    values : pandas.DataFrame
        One row per effort drawn, from top to bottom: ``share``, ``share_low``, ``share_high``, ``label``; ``expected``
        where its interval is mostly what was expected before the data.
    together : tuple of float
        Share of all efforts together, and its bounds.
    title : str
    ax_, figure_
        After `plot`.
    """

    def __init__(
        self, values: pd.DataFrame, together: tuple[float, float, float], level: float, title: str, left_out: int
    ) -> None:
        self.values, self.together, self.level, self.title, self.left_out = values, together, level, title, left_out

    @classmethod
    def from_fits(cls, fits: CurveFits, *, name: str = "") -> Self:
        """Return the picture of a joint fit; `name` is for the title, such as the market."""
        from segmentation.curves._joint_told import MOSTLY_EXPECTED

        table = fits.table.drop(index=BASELINE).sort_values("share", ascending=False, kind="stable")
        values = table.head(MAX_EFFORTS)[["share", "share_low", "share_high"]].copy()
        values["expected"] = fits.identification["width_left"].reindex(values.index) >= MOSTLY_EXPECTED
        values["label"] = _labels(values.index)
        all_of_them = 1.0 - fits.shares[BASELINE].to_numpy()
        level = float(fits.settings["level"])
        low, high = np.quantile(all_of_them, [(1 - level) / 2, (1 + level) / 2])
        doubt = {True: "", False: "not randomized: an association", None: "not known to be causal"}
        lines = [shorten(name, 48) if name else "What efforts bring", doubt[fits.settings["randomized"]]]
        return cls(
            values,
            (float(all_of_them.mean()), float(low), float(high)),
            level,
            "\n".join(line for line in lines if line),
            len(table) - len(values),
        )

    def plot(self, ax: Any = None) -> Self:
        """Draw on the axes given, or on new ones."""
        rows = len(self.values) + 1
        own = ax is None
        ax = new_figure(7.5, HEAD + ROW * rows).subplots() if own else axes_or_new(ax)
        self._draw(ax, np.array([0.0]), pd.DataFrame([self.together]), "first", "all efforts together", "D")
        where = np.arange(1, rows, dtype=np.float64)
        bounds = self.values[["share", "share_low", "share_high"]]
        sure = ~self.values["expected"].to_numpy(dtype=bool)
        told = f"{percent(self.level)} interval"
        self._draw(ax, where[sure], bounds[sure], "model", told, "o")
        self._draw(ax, where[~sure], bounds[~sure], "quiet", f"{told}, mostly expected before the data", "o")
        ax.set_yticks(np.arange(rows), ["all efforts together", *self.values["label"]])
        ax.set_ylim(rows - 0.5, -0.5)
        ax.axhline(0.5, color=COLOURS["quiet"], linewidth=0.8)
        tidy(ax, title=self.title, x=self._axis(), y="")
        highest = max(self.together[2], float(self.values["share_high"].max()))
        ax.set_xlim(-0.02 * highest, 1.05 * max(highest, 1e-6))
        ax.xaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
        if own:  # below, where no interval can lie
            ax.figure.legend(frameon=False, fontsize=9, loc="outside lower right")
        else:
            ax.legend(frameon=False, fontsize=9, loc="lower right")
        self.ax_, self.figure_ = ax, ax.figure
        take_literally(ax)
        return self

    def _axis(self) -> str:
        text = "share of the outcome"
        return f"{text} (the {MAX_EFFORTS} largest; {self.left_out} more not drawn)" if self.left_out else text

    def _draw(self, ax: Any, where: Any, bounds: pd.DataFrame, colour: str, label: str, marker: str) -> None:
        if not len(where):
            return
        share, low, high = bounds.to_numpy(dtype=np.float64).T
        ax.errorbar(
            share,
            where,
            xerr=np.maximum(np.vstack([share - low, high - share]), 0.0),
            fmt=marker,
            color=COLOURS[colour],
            markersize=6,
            linewidth=2,
            label=label,
        )


def _labels(names: Any) -> list[str]:
    """Return short names that differ: those that look alike when cut get their row."""
    short = [shorten(name, WIDTH) for name in names]
    times = Counter(short)
    return [text if times[text] == 1 else shorten(f"({i}) {text}", WIDTH) for i, text in enumerate(short, start=1)]
