"""The picture of who moved where that may be published: what is hidden in the table is hidden in it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from segmentation._plotting import axes_or_new, shorten, take_literally
from segmentation.governance._flow_cells import Flows

__all__ = ["PublishedTransitions"]

NAME_WIDTH = 26
WRITTEN_AT_MOST = 12
DARK = 0.55


class PublishedTransitions:
    """A heatmap of where the customers of each segment went, without the cells that are hidden.

    Parameters
    ----------
    counts : pandas.DataFrame
        From, to; the last row is who entered, the last column who left.
    flows : Flows
    minimum : int
    """

    def __init__(self, counts: pd.DataFrame, flows: Flows, minimum: int) -> None:
        self.counts, self.flows, self.minimum = counts, flows, minimum

    def plot(self, ax: Any = None) -> Any:
        """Draw into `ax`, or into a new figure; return the axes."""
        counts, cells = self.counts.to_numpy(dtype=np.float64), self.flows.cells
        sizes = counts.sum(axis=1)
        k = len(counts) - 1
        known = np.append(~self.flows.n_before, True)
        rates = np.where(cells, np.nan, counts / np.maximum(sizes, 1)[:, None])
        rows = [f"{_name(one)}  {sizes[i]:,.0f}" if known[i] else _name(one) for i, one in enumerate(self.counts.index)]
        written = len(rows) <= WRITTEN_AT_MOST
        cell = 0.62 if written else 0.25
        ax = axes_or_new(ax, max(5.0, 3.4 + cell * (k + 1)), max(3.2, 2.0 + cell * (k + 1)))
        image = ax.imshow(np.ma.masked_invalid(rates), cmap="Blues", vmin=0, vmax=1, aspect="auto")
        ax.set_facecolor("#EEEEEE")
        font = 9 if written else 7
        ax.set_yticks(range(k + 1), rows, fontsize=font)
        ax.set_xticks(
            range(k + 1), [_name(one) for one in self.counts.columns], rotation=40, ha="right",
            rotation_mode="anchor", fontsize=font,
        )  # fmt: skip
        if written:
            for i, j in np.ndindex(k + 1, k + 1):
                if cells[i, j]:
                    ax.text(j, i, "·", ha="center", va="center", fontsize=8, color="black")
                elif counts[i, j]:
                    colour = "white" if rates[i, j] > DARK else "black"
                    ax.text(j, i, _share(float(rates[i, j])), ha="center", va="center", fontsize=8, color=colour)
        else:
            ax.figure.colorbar(image, ax=ax, shrink=0.6).set_label("share of the row")
        ax.axhline(k - 0.5, color="white", linewidth=3)
        ax.axvline(k - 0.5, color="white", linewidth=3)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        ax.set_ylabel("from (customers)")
        ax.set_xlabel("to")
        ax.set_title(
            f"Where the customers of each segment went\ngrey: not shown, cells of fewer than {self.minimum} and others",
            loc="left",
            fontsize=11,
        )
        take_literally(ax)
        return ax


def _name(text: Any) -> str:
    return shorten(text, NAME_WIDTH)


def _share(rate: float) -> str:
    return f"{100 * rate:.0f} %" if rate >= 0.005 else "<1 %"
