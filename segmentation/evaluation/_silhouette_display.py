"""Silhouette and shadow plots: every segment a bundle of bars, sorted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from segmentation._format import name_some
from segmentation._plotting import COLOURS, axes_or_new, shorten, take_literally, tidy
from segmentation.evaluation._validity import validity
from segmentation.evaluation._validity_input import Placed, place_customers
from segmentation.evaluation._validity_report import ValidityReport

__all__ = ["SilhouetteDisplay", "shadow_values"]

# A bundle is drawn from this many quantiles at most: a picture has no more lines.
LINES = 400
TITLES = {
    "silhouette": "Silhouettes by segment",
    "shadow": "Shadow values by segment",
}
AXES = {
    "silhouette": "silhouette (1: far nearer to the own segment,\nbelow 0, orange: nearer to another)",
    "shadow": "shadow (0: at the own centre, 1: on the border,\nabove 1, orange: nearer to another centre)",
}


@dataclass(eq=False)
class SilhouetteDisplay:
    """Silhouettes, or shadow values, of the customers of every segment as sorted bars.

    Make one by `from_report` or `from_assignment`; ``report.plot()`` does.

    Parameters
    ----------
    scores : dict of str to ndarray
        Segment and its customers' values, largest first.
    sizes : dict of str to int
        Customers of each segment, of whom `scores` may be a sample.
    means : dict of str to float
    mean : float
        Of all customers.
    kind : {"silhouette", "shadow"}
    note : str, default=""
        Written below the title.
    notes : tuple of str, default=()
        What must be known beside the picture.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Of the last ``plot``.
    """

    scores: dict[str, NDArray[np.float64]]
    sizes: dict[str, int]
    means: dict[str, float]
    mean: float
    kind: Literal["silhouette", "shadow"] = "silhouette"
    note: str = ""
    notes: tuple[str, ...] = ()
    ax_: Any = field(default=None, init=False, repr=False)
    figure_: Any = field(default=None, init=False, repr=False)

    @classmethod
    def from_report(cls, report: ValidityReport) -> SilhouetteDisplay:
        """Take the silhouettes of a validity report.

        Parameters
        ----------
        report : ValidityReport

        Raises
        ------
        ValueError
            If it has none, as with a single segment.
        """
        if not len(report.samples):
            raise ValueError("there are no silhouettes to draw: at least two segments with customers are needed.")
        by_segment = report.samples.groupby("segment", observed=True)["silhouette"]
        values = {str(name): -np.sort(-part.to_numpy()) for name, part in by_segment}
        table = report.table.loc[list(values)]
        s = report.settings
        parts = [f"{s['n_evaluated']:,} of {s['n_assigned']:,} customers"] if s["method"] == "sampled" else []
        parts += [f"{s['n_unassigned']:,} unassigned left out"] if s["n_unassigned"] else []
        mean = float(np.average(table["silhouette"], weights=table["n_customers"]))
        return cls(
            values,
            {str(name): int(n) for name, n in table["n_customers"].items()},
            {str(name): float(value) for name, value in table["silhouette"].items()},
            mean,
            "silhouette",
            "; ".join(parts),
            report.warnings,
        )

    @classmethod
    def from_assignment(
        cls,
        X: Any,
        assignment: Any,
        *,
        kind: Literal["silhouette", "shadow"] = "silhouette",
        space: Any = None,
        **options: Any,
    ) -> SilhouetteDisplay:
        """Work out silhouettes or shadow values of customers in their segments.

        Parameters
        ----------
        X, assignment, space
            As in `validity`.
        kind : {"silhouette", "shadow"}, default="silhouette"
            "shadow": twice the Euclidean distance to the own centre over the sum of the distances to it and to the
            nearest other centre [1]_: quick for any number of customers, and about centres, as k-means is. Where
            everybody is nearest to the own centre it is at most 1.
        **options
            Of `validity`, for silhouettes.

        Raises
        ------
        ValueError, and those of `validity`

        References
        ----------
        .. [1] Leisch (2010), Neighborhood graphs, stripes and shadow plots for cluster visualization, Statistics and
           Computing 20, doi:10.1007/s11222-009-9137-8.
        """
        if kind == "silhouette":
            return cls.from_report(validity(X, assignment, space=space, **options))
        if kind != "shadow":
            raise ValueError(f"kind must be 'silhouette' or 'shadow', got {kind!r}.")
        if options:
            raise ValueError(f"{name_some(options)} {'are' if len(options) > 1 else 'is'} about silhouettes only.")
        placed = place_customers(X, assignment, space, "SilhouetteDisplay")
        shadows = shadow_values(placed)
        inside = placed.codes >= 0
        values = {
            name: -np.sort(-shadows[placed.codes == code])
            for code, name in enumerate(placed.segments)
            if placed.sizes[code]
        }
        left = int((~inside).sum())
        return cls(
            values,
            {name: len(part) for name, part in values.items()},
            {name: float(part.mean()) for name, part in values.items()},
            float(shadows[inside].mean()),
            "shadow",
            f"{left:,} unassigned left out" if left else "",
            placed.warnings,
        )

    def plot(self, ax: Any = None) -> SilhouetteDisplay:
        """Draw one bundle per segment; its height says how many customers there are, with a least that can be seen.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        self
        """
        k = len(self.scores)
        ax = axes_or_new(ax, 7.5, min(2.0 + 0.45 * k, 12.0))
        total = sum(self.sizes.values())
        heights = {name: max(self.sizes[name] / total, 0.35 / k) for name in self.scores}
        gap, top, ticks = 0.15 / k, 0.0, []
        good, bad = COLOURS["model"], COLOURS["first"]
        border = 0.0 if self.kind == "silhouette" else 1.0
        for name, values in self.scores.items():
            quantiles = -np.quantile(-values, np.linspace(0, 1, min(len(values), LINES))) if len(values) > 1 else values
            edges = np.linspace(top, top + heights[name], len(quantiles) + 1)
            drawn, y = np.repeat(quantiles, 2), np.repeat(edges, 2)[1:-1]
            wrong = drawn < border if self.kind == "silhouette" else drawn > border
            ax.fill_betweenx(y, 0, drawn, color=good, linewidth=0)
            ax.fill_betweenx(y, 0, drawn, where=wrong, color=bad, linewidth=0)
            ax.vlines(self.means[name], top, top + heights[name], color="white", linewidth=2.6)
            ax.vlines(self.means[name], top, top + heights[name], color=COLOURS["actual"], linewidth=1.2)
            ticks.append(
                ((edges[0] + edges[-1]) / 2, f"{shorten(name)}  {self.means[name]:.2f}  ({self.sizes[name]:,})")
            )
            top += heights[name] + gap
        ax.axvline(self.mean, color=COLOURS["actual"], linestyle="--", linewidth=1.2)
        ax.set_yticks([y for y, _ in ticks], [text for _, text in ticks], fontsize=9 if k <= 15 else 8)
        ax.set_ylim(top, -gap)
        lowest = min(float(values.min()) for values in self.scores.values())
        highest = max(float(values.max()) for values in self.scores.values())
        ax.set_xlim(min(0.0, lowest) - 0.02, max(1.0, highest) + 0.02)
        note = f"\n{self.note}" if self.note else ""
        tidy(
            ax,
            title=f"{TITLES[self.kind]}{note}",
            x=f"{AXES[self.kind]}\nlines: means; dashed: of all, {self.mean:.2f}",
            y="",
        )
        ax.grid(visible=False, axis="y")
        ax.tick_params(axis="y", length=0)
        self.ax_, self.figure_ = ax, ax.figure
        take_literally(self.ax_)
        return self


def shadow_values(placed: Placed) -> NDArray[np.float64]:
    """Shadow value of every customer; NaN for the unassigned, 0 for somebody on the own and another centre."""
    found = np.flatnonzero(placed.sizes)
    if len(found) < 2:
        raise ValueError("shadow values need at least two segments with customers.")
    centres = np.stack([placed.points[placed.codes == code].mean(axis=0) for code in found])
    distances = np.stack([np.sqrt(((placed.points - centre) ** 2).sum(axis=1)) for centre in centres], axis=1)
    inside = placed.codes >= 0
    own = np.searchsorted(found, placed.codes[inside])
    result = np.full(len(placed.codes), np.nan)
    some, rows = distances[inside], np.arange(int(inside.sum()))
    mine = some[rows, own]
    some[rows, own] = np.inf
    both = mine + some.min(axis=1)
    result[inside] = np.where(both > 0, 2.0 * mine / np.where(both > 0, both, 1.0), 0.0)
    return result
