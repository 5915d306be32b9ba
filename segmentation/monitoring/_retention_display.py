"""Pictures of retention: a triangle of cohorts, or a curve per segment."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import count
from segmentation._plotting import COLOURS, axes_or_new, shorten, take_literally, tidy
from segmentation.monitoring._retention_result import EVERYONE, Retention
from segmentation.monitoring._returns_panels import panel_axes

__all__ = ["RetentionDisplay"]

KINDS = ("auto", "triangle", "lines", "survival")
MOST_WRITTEN = 24
MOST_PANELS = 12
MOST_LABELS = 30


class RetentionDisplay:
    """A picture of `Retention`.

    Parameters
    ----------
    retention : Retention
    kind : {"auto", "triangle", "lines", "survival"}, default="auto"
        A field per cohort and n; or a panel per group with the share who bought in period n, or who have not lapsed.
        "auto" is the triangle for cohorts and lines for segments.
    n_groups : int, default=12
        So many panels, those of the most customers. The triangle shows all.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        After `plot`; with several panels, the first of them.
    drawn_ : pandas.DataFrame
        The figures drawn.

    Notes
    -----
    Blank fields are not known yet: the period was not over when the observation ended. Period 0, in which all bought,
    has no field. In panels the grey line is everyone.
    """

    def __init__(self, retention: Retention, *, kind: str = "auto", n_groups: int = MOST_PANELS) -> None:
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {list(KINDS)}, got {kind!r}.")
        if isinstance(n_groups, bool) or not isinstance(n_groups, int | np.integer) or n_groups < 1:
            raise ValueError(f"n_groups must be a whole number of at least 1, got {n_groups!r}.")
        if kind == "auto":
            kind = "triangle" if retention.settings["by"] == "cohort" else "lines"
        self.retention, self.kind, self.n_groups = retention, kind, int(n_groups)

    @classmethod
    def from_retention(cls, retention: Retention, **options: Any) -> RetentionDisplay:
        """Make the picture; options as for the class."""
        return cls(retention, **options)

    def plot(self, ax: Any = None) -> RetentionDisplay:
        """Draw into `ax`, or into a new figure."""
        drawn = self._triangle(ax) if self.kind == "triangle" else self._lines(ax)
        take_literally(drawn.ax_)
        return drawn

    def _triangle(self, ax: Any) -> RetentionDisplay:
        shares = self.retention.triangle()
        if self.retention.settings["since"] is None:
            shares = shares.drop(columns=0)
        self.drawn_ = shares
        n_rows, n_columns = shares.shape
        ax = axes_or_new(ax, min(3.0 + 0.5 * n_columns, 13.0), min(1.6 + 0.32 * n_rows, 11.0))
        values = shares.to_numpy(dtype=np.float64)
        # The colours end at the largest share, so that differences among small ones can be seen.
        top = float(np.nanmax(values)) if np.isfinite(values).any() else 1.0
        image = ax.imshow(np.ma.masked_invalid(values), aspect="auto", cmap="Blues", vmin=0.0, vmax=max(top, 0.01))
        written = n_columns <= MOST_WRITTEN and n_rows <= MOST_LABELS + 1
        for i, j in zip(*np.nonzero(np.isfinite(values)), strict=True) if written else ():
            dark = values[i, j] > 0.6 * max(top, 0.01)
            ax.text(
                j,
                i,
                f"{100 * values[i, j]:.0f}",
                ha="center",
                va="center",
                fontsize=7,
                color="white" if dark else "black",
            )
        sizes = self.retention.table.drop_duplicates("group").set_index("group")["n_customers"]
        at = list(range(0, n_rows, max(1, -(-n_rows // (MOST_LABELS + 1)))))
        ax.set_yticks(at, [f"{shorten(shares.index[i], 30)}  ({sizes[shares.index[i]]:,})" for i in at], fontsize=8)
        step = max(1, -(-n_columns // MOST_WRITTEN))
        ax.set_xticks(list(range(0, n_columns, step)), [str(n) for n in shares.columns[::step]], fontsize=8)
        if shares.index[-1] == EVERYONE and n_rows > 1:
            ax.axhline(n_rows - 1.5, color="white", linewidth=3)
        unit = self.retention.settings["period"]
        tidy(ax, title=f"Share of customers who bought in {unit} n, in %", x=f"{unit}s after the first", y="")
        ax.grid(visible=False)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        if not written:
            ax.figure.colorbar(image, ax=ax, format=lambda share, _: f"{100 * share:.0f} %")
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _lines(self, ax: Any) -> RetentionDisplay:
        survival = self.kind == "survival"
        table = self.retention.survival if survival else self.retention.table
        x, y = ("day", "not_lapsed") if survival else ("n", "active")
        table = table[table[y].notna()]
        sizes = self.retention.table.drop_duplicates("group").set_index("group")["n_customers"]
        names = [name for name in sizes.index if name != EVERYONE] or [EVERYONE]
        chosen = sorted(names, key=lambda name: -sizes[name])[: self.n_groups]
        chosen = [name for name in names if name in chosen]
        self.drawn_ = table[table["group"].isin(chosen)].reset_index(drop=True)
        everyone = table[table["group"] == EVERYONE]
        axes, title = panel_axes(ax, len(chosen))
        later = self.drawn_[self.drawn_[x] > 0]
        top = 1.02 if survival or not len(later) else min(1.02, 1.15 * float(later[f"{y}_high"].max()))
        style = "steps-post" if survival else "default"
        for panel, name in zip(axes, chosen, strict=True):
            tidy(panel, title="", x="", y="")
            panel.plot(everyone[x], everyone[y], color=COLOURS["quiet"], linewidth=1.0, drawstyle=style)
            self._curve(panel, self.drawn_[self.drawn_["group"] == name], x, y, style)
            panel.set_title(f"{shorten(name, 30)} ({sizes[name]:,})", loc="left", fontsize=10)
            panel.set_ylim(0, top)
            panel.tick_params(labelsize=8)
        settings = self.retention.settings
        what = (
            f"Not yet lapsed (no purchase for {settings['inactive_after']} days), by days since the start"
            if survival
            else f"Share who bought in {settings['period']} n after the start"
        )
        text = f"{what}; {100 * settings['level']:g} % interval, grey: everyone"
        more = len(names) - len(chosen)
        title(f"{text}\n{count(more, 'smaller group')} not drawn" if more else text)
        axes[0].set_ylabel("share")
        self.ax_, self.figure_ = axes[0], axes[0].figure
        return self

    @staticmethod
    def _curve(ax: Any, own: pd.DataFrame, x: str, y: str, style: str) -> None:
        step = "post" if style == "steps-post" else None
        ax.fill_between(
            own[x], own[f"{y}_low"], own[f"{y}_high"], color=COLOURS["model"], alpha=0.2, linewidth=0, step=step
        )
        marker = "" if step else "o"
        ax.plot(own[x], own[y], color=COLOURS["model"], linewidth=1.8, drawstyle=style, marker=marker, markersize=3.5)
