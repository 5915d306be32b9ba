"""Pictures of a randomization: shares of the arms per segment, and how alike the arms are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from segmentation._format import number
from segmentation._plotting import COLOURS, axes_or_new, shorten, take_literally, tidy

if TYPE_CHECKING:
    from segmentation.experiments._randomize import Randomization
    from segmentation.experiments._randomize_balance import BalanceCheck

__all__ = ["BalanceDisplay", "RandomizationDisplay"]

MOST = 30
WIDTH = 28
MARKS = ("o", "s", "^", "D", "v", "P", "X", "*")
PALETTE = ("model", "first", "second", "third", "quiet")
RULE_OF_THUMB = 0.1


def short_labels(names: Any) -> list[str]:
    """Return short names that differ."""
    short = [shorten(name, WIDTH) for name in names]
    return [
        text if short.count(text) == 1 else shorten(f"({row}) {text}", WIDTH) for row, text in enumerate(short, start=1)
    ]


@dataclass
class BalanceDisplay:
    """A love plot: standardised differences of each covariate, and the range that chance gives.

    Attributes
    ----------
    values : pandas.DataFrame
        Index covariate (largest difference on top), one column per arm.
    chance : float
        Half-width of the range that holds 95 % of the differences of a single covariate under random assignment.
    title : str
    ax_, figure_
        After `plot`.
    """

    values: pd.DataFrame
    chance: float
    title: str
    ax_: Any = field(default=None, repr=False)
    figure_: Any = field(default=None, repr=False)

    @classmethod
    def from_check(cls, check: BalanceCheck, *, max_covariates: int = MOST) -> BalanceDisplay:
        """Take the figures from a `BalanceCheck`; the covariates with the largest differences are drawn."""
        table = check.table
        wide = table.pivot_table(index="covariate", columns="arm", values="std_difference", sort=False, dropna=False)
        order = wide.abs().max(axis=1).sort_values(ascending=False, kind="stable").index
        fewest = table["n_arm"].min()
        chance = 1.96 * np.sqrt(1 / fewest + 1 / table["n_control"].min())
        left_out = len(order) - max_covariates
        more = f" ({left_out} smaller ones not shown)" if left_out > 0 else ""
        title = f"Balance before the experiment: p = {number(check.p_value)} for all{more}"
        return cls(wide.loc[order[:max_covariates]], float(chance), title)

    def plot(self, ax: Any = None) -> BalanceDisplay:
        """Draw it."""
        n = len(self.values)
        ax = axes_or_new(ax, 7.0, 1.8 + 0.27 * n)
        ax.axvspan(-self.chance, self.chance, color="#EFEFEF", label="95 % of one covariate by chance", zorder=0)
        for place in (-RULE_OF_THUMB, RULE_OF_THUMB):
            ax.axvline(place, color=COLOURS["quiet"], linestyle=":", linewidth=1)
        ax.axvline(0, color=COLOURS["actual"], linewidth=0.8)
        places = np.arange(n)[::-1]
        for k, arm in enumerate(self.values.columns):
            shift = 0.0 if self.values.shape[1] == 1 else 0.16 * (k - (self.values.shape[1] - 1) / 2)
            ax.scatter(
                self.values[arm],
                places - shift,
                marker=MARKS[k % len(MARKS)],
                color=COLOURS[PALETTE[k % len(PALETTE)]],
                label=shorten(arm, WIDTH),
                s=26,
                zorder=3,
            )
        ax.set_yticks(places, short_labels(self.values.index), fontsize=9)
        ax.set_ylim(-0.7, n - 0.3)
        finite = self.values.to_numpy(dtype=float)
        finite = np.abs(finite[np.isfinite(finite)])
        reach = 1.1 * max(float(finite.max(initial=0.0)), self.chance, RULE_OF_THUMB * 1.1)
        ax.set_xlim(-reach, reach)
        tidy(ax, title=self.title, x="standardised difference to the control (dotted: 0.1)", y="")
        ax.grid(visible=False, axis="y")
        ax.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        self.ax_, self.figure_ = ax, ax.figure
        take_literally(self.ax_)
        return self


@dataclass
class RandomizationDisplay:
    """Share of each arm per segment, as dots beside the shares asked for.

    Attributes
    ----------
    shares : pandas.DataFrame
        Index segment, one column per arm: its share of those not held out.
    asked : dict of str to float
    sizes : pandas.Series
    title : str
    ax_, figure_
        After `plot`.
    """

    shares: pd.DataFrame
    asked: dict[str, float]
    sizes: pd.Series[Any]
    title: str
    ax_: Any = field(default=None, repr=False)
    figure_: Any = field(default=None, repr=False)

    @classmethod
    def from_randomization(cls, result: Randomization, *, max_segments: int = MOST) -> RandomizationDisplay:
        """Take the figures from a `Randomization`; the largest segments are drawn."""
        asked = {name: float(share) for name, share in result.manifest.arms.items()}
        table = result.table
        largest = table["n_customers"].sort_values(ascending=False, kind="stable").index[:max_segments]
        table = table.loc[[name for name in table.index if name in set(largest)]]
        counts = table[[f"n_{name}" for name in asked]].set_axis(list(asked), axis=1)
        sizes = counts.sum(axis=1)
        left_out = len(result.table) - len(table)
        more = f" ({left_out} smaller segments not shown)" if left_out else ""
        shares = counts.div(sizes.where(sizes > 0), axis=0)
        return cls(shares, asked, sizes, f"Shares of the arms: {shorten(result.manifest.salt, WIDTH)}{more}")

    def plot(self, ax: Any = None) -> RandomizationDisplay:
        """Draw it."""
        n = len(self.shares)
        ax = axes_or_new(ax, 7.0, 1.8 + 0.27 * n)
        places = np.arange(n)[::-1]
        for k, (arm, share) in enumerate(self.asked.items()):
            colour = COLOURS[PALETTE[k % len(PALETTE)]]
            label = f"{shorten(arm, WIDTH)}: {share:.3g}"
            ax.axvline(share, color=colour, linewidth=1, linestyle="--")
            ax.scatter(
                self.shares[arm], places, marker=MARKS[k % len(MARKS)], color=colour, s=30, zorder=3, label=label
            )
        labels = [f"{name} ({size:,})" for name, size in zip(short_labels(self.shares.index), self.sizes, strict=True)]
        ax.set_yticks(places, labels, fontsize=9)
        ax.set_ylim(-0.7, n - 0.3)
        ax.set_xlim(0, min(1.0, 1.15 * float(np.nanmax(self.shares.to_numpy(dtype=float), initial=0.1))))
        tidy(ax, title=self.title, x="share of the customers not held out (dashed: asked for)", y="")
        ax.grid(visible=False, axis="y")
        ax.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        self.ax_, self.figure_ = ax, ax.figure
        take_literally(self.ax_)
        return self
