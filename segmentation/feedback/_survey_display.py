"""Pictures of the net promoter score and of satisfaction by segment."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import name_some
from segmentation._plotting import COLOURS, axes_or_new, shorten, take_literally, tidy

__all__ = ["NetPromoterDisplay", "SatisfactionDisplay"]

PALE = {"detractors": "#E8A37C", "passives": "#E3E3E3", "promoters": "#7FB8DA"}


class NetPromoterDisplay:
    """Bars of detractors, passives and promoters, and the score with its interval above them.

    Parameters
    ----------
    table : pandas.DataFrame
        Of `NetPromoter`.
    overall : float
        Score of all answers, drawn as a line.

    Attributes
    ----------
    ax_, figure_
        After `plot`.
    """

    def __init__(self, table: pd.DataFrame, overall: float) -> None:
        self.table = table
        self.overall = overall

    @classmethod
    def from_result(cls, result: Any) -> NetPromoterDisplay:
        """Take the segments, the highest score first, those not shown last.

        Parameters
        ----------
        result : NetPromoter
        """
        return cls(
            result.table.sort_values("nps", ascending=False, kind="stable"), float(result.overall["nps"].iloc[0])
        )

    def plot(self, ax: Any = None) -> NetPromoterDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        NetPromoterDisplay
            Itself, with ``ax_`` and ``figure_``.
        """
        table = self.table
        places = np.arange(len(table))
        ax = axes_or_new(ax, 7.5, 1.9 + 0.32 * len(table))
        shares = 100 * table[["detractors", "passives", "promoters"]].fillna(0.0)
        # detractors to the left of 0, promoters to the right; passives, which count 0, are not drawn
        ax.barh(places, -shares["detractors"], color=PALE["detractors"], height=0.62, label="detractors")
        ax.barh(places, shares["promoters"], color=PALE["promoters"], height=0.62, label="promoters")
        seen = table["nps"].notna().to_numpy()
        ax.hlines(places[seen], table["nps_low"][seen], table["nps_high"][seen], color=COLOURS["actual"], linewidth=1.6)
        ax.scatter(table["nps"][seen], places[seen], color=COLOURS["actual"], s=26, zorder=3, label="score")
        ax.axvline(0, color="#666666", linewidth=0.8)
        ax.axvline(self.overall, color=COLOURS["quiet"], linestyle="--", linewidth=1.2, label="all answers")
        for place in places[~seen]:
            ax.annotate(
                "too few answers", (0, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8
            )
        ax.set_yticks(places, [shorten(name, 30) for name in table.index])
        ax.set_ylim(len(table) - 0.4, -0.6)
        reach = max(
            20.0,
            float(shares.drop(columns="passives").to_numpy().max(initial=0)),
            float(np.nanmax(np.abs(table[["nps_low", "nps_high"]].to_numpy()))) if seen.any() else 0.0,
        )
        ax.set_xlim(-1.06 * reach, 1.06 * reach)
        tidy(ax, title="", x="percent of answers; score with interval", y="")
        ax.set_title("Net promoter score", loc="left", fontsize=11, pad=24)
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4, fontsize=8, frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        take_literally(self.ax_)
        return self


class SatisfactionDisplay:
    """Mean of a question by segment, with its interval.

    Parameters
    ----------
    table : pandas.DataFrame
        Rows of one question, indexed by segment.
    item : str
    overall : float
    scale : (lowest, highest)

    Attributes
    ----------
    ax_, figure_
        After `plot`.
    """

    def __init__(self, table: pd.DataFrame, item: str, overall: float, scale: tuple[float, float]) -> None:
        self.table = table
        self.item = item
        self.overall = overall
        self.scale = scale

    @classmethod
    def from_result(cls, result: Any, *, item: Any = None) -> SatisfactionDisplay:
        """Take one question.

        Parameters
        ----------
        result : Satisfaction
        item : str, optional
            By default the first.
        """
        names = list(result.overall.index)
        name = names[0] if item is None else str(item)
        if name not in names:
            raise ValueError(f"item must be one of {name_some(names)}, got {item!r}.")
        rows = result.table[result.table["item"] == name].astype({"segment": object}).set_index("segment")
        ordered = rows.sort_values("mean", ascending=False, kind="stable")
        return cls(ordered, name, float(result.overall.loc[name, "mean"]), result.settings["scale"])

    def plot(self, ax: Any = None) -> SatisfactionDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        SatisfactionDisplay
            Itself, with ``ax_`` and ``figure_``.
        """
        table = self.table
        places = np.arange(len(table))
        ax = axes_or_new(ax, 7.5, 1.6 + 0.3 * len(table))
        seen = table["mean"].notna().to_numpy()
        ax.hlines(places[seen], table["mean_low"][seen], table["mean_high"][seen], color=COLOURS["model"], linewidth=2)
        ax.scatter(table["mean"][seen], places[seen], color=COLOURS["model"], zorder=3)
        ax.axvline(self.overall, color=COLOURS["quiet"], linestyle="--", linewidth=1.2)
        for place in places[~seen]:
            ax.annotate(
                "too few answers",
                (self.overall, place),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
            )
        ax.set_yticks(places, [shorten(name, 30) for name in table.index])
        ax.set_ylim(len(table) - 0.4, -0.6)
        low, high = self.scale
        x = f"mean with interval, scale {low:g} to {high:g}; dashed: all answers"
        tidy(ax, title=f"Satisfaction: {shorten(self.item, 50)}", x=x, y="")
        self.ax_, self.figure_ = ax, ax.figure
        take_literally(self.ax_)
        return self
