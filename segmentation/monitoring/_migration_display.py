"""Pictures of migration: rates as a heatmap, flows, and shares over time."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd

from segmentation._format import count, percent
from segmentation._plotting import COLOURS, axes_or_new, label_lines, shorten, take_literally, tidy
from segmentation.monitoring._colours import NOBODY, PALETTE, identity_colours
from segmentation.monitoring._inputs import date_label
from segmentation.monitoring._migration_alluvial import draw_flows
from segmentation.monitoring._migration_history import MigrationHistory
from segmentation.monitoring._migration_input import ENTERED, LEFT
from segmentation.monitoring._migration_result import Migration

__all__ = ["MigrationDisplay"]

NAME_WIDTH = 26
KINDS = ("heatmap", "alluvial", "shares")
# From so many segments on, figures no longer fit into the cells of a heatmap.
LABELLED_AT_MOST = 12

Kind = Literal["heatmap", "alluvial", "shares"]


class MigrationDisplay:
    """A picture of a `Migration` or a `MigrationHistory`.

    Parameters
    ----------
    result : Migration or MigrationHistory
    kind : {"heatmap", "alluvial", "shares"}, optional
        "heatmap": the rates from segment (rows) to segment (columns), of all steps together for a history. "alluvial":
        flows between the dates, coloured by where they come from. "shares": the share of every segment over time, for a
        history. By default "heatmap" for two dates and "shares" for more.
    outside : bool, default=True
        Whether who entered and who left is drawn.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        After `plot`.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.monitoring import MigrationDisplay, migration
    >>> result = migration(pd.Series(["a", "a", "b"]), pd.Series(["a", "b", "b"]), minimum=1)
    >>> MigrationDisplay.from_migration(result).plot().ax_.get_title(loc="left")
    'Where the customers of each segment went: 1 of 3 changed (33.3 %)'
    """

    def __init__(self, result: Migration | MigrationHistory, *, kind: Kind | None = None, outside: bool = True) -> None:
        if not isinstance(result, Migration | MigrationHistory):
            raise TypeError(f"result must come from migration, got {type(result).__name__}.")
        several = isinstance(result, MigrationHistory)
        if kind is None:
            kind = "shares" if several else "heatmap"
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {list(KINDS)}, got {kind!r}.")
        if kind == "shares" and not several:
            raise ValueError("kind='shares' draws shares over time and needs a history: migration([first, second]).")
        self.result = result
        self.kind = kind
        self.outside = outside

    @classmethod
    def from_migration(cls, result: Migration | MigrationHistory, **options: Any) -> MigrationDisplay:
        """Make the picture of a result; options as for the class."""
        return cls(result, **options)

    @classmethod
    def from_assignments(cls, before: Any, after: Any = None, **options: Any) -> MigrationDisplay:
        """Make the picture of assignments, see `migration`; options as for the class."""
        from segmentation.monitoring._migration import migration

        return cls(migration(before, after), **options)

    def plot(self, ax: Any = None) -> MigrationDisplay:
        """Draw into `ax`, or into a new figure whose size fits the segments."""
        if self.kind == "heatmap":
            self._heatmap(ax)
        elif self.kind == "alluvial":
            self._alluvial(ax)
        else:
            self._shares(ax)
        take_literally(self.ax_)
        return self

    def _steps(self) -> tuple[Migration, ...]:
        return self.result.steps if isinstance(self.result, MigrationHistory) else (self.result,)

    def _keep(self, ax: Any) -> None:
        self.ax_ = ax
        self.figure_ = ax.figure

    def _changed(self) -> tuple[int, int]:
        steps = self._steps()
        return sum(s.settings["n_changed"] for s in steps), sum(s.settings["n_both"] for s in steps)

    def _heatmap(self, ax: Any) -> None:
        steps = self._steps()
        counts = sum((step.counts.to_numpy() for step in steps), start=np.zeros(steps[0].counts.shape, dtype=np.int64))
        names = list(steps[0].segments.index)
        rows, columns = [*names, ENTERED], [*names, LEFT]
        keep_row = counts.sum(axis=1) > 0
        keep_column = counts.sum(axis=0) > 0
        keep = (keep_row | keep_column)[:-1]
        keep_row, keep_column = (
            np.append(keep, keep_row[-1] and self.outside),
            np.append(keep, keep_column[-1] and self.outside),
        )
        sizes = counts.sum(axis=1)
        shown = counts[keep_row][:, keep_column]
        rates = shown / np.maximum(sizes[keep_row], 1)[:, None]
        rows = [name for name, kept in zip(rows, keep_row, strict=True) if kept]
        columns = [name for name, kept in zip(columns, keep_column, strict=True) if kept]
        cell = 0.62 if len(rows) <= LABELLED_AT_MOST else 0.25
        ax = axes_or_new(ax, max(5.0, 3.4 + cell * len(columns)), max(3.2, 2.0 + cell * len(rows)))
        image = ax.imshow(rates, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        font = 9 if len(rows) <= LABELLED_AT_MOST else 7
        labels = [f"{shorten(name, NAME_WIDTH)}  {n:,}" for name, n in zip(rows, sizes[keep_row], strict=True)]
        ax.set_yticks(range(len(rows)), labels, fontsize=font)
        ax.set_xticks(
            range(len(columns)), [shorten(name, NAME_WIDTH) for name in columns], rotation=40, ha="right",
            rotation_mode="anchor", fontsize=font,
        )  # fmt: skip
        if len(rows) <= LABELLED_AT_MOST:
            self._cells(ax, shown, rates, sizes[keep_row])
        else:
            bar = ax.figure.colorbar(image, ax=ax, shrink=0.6)
            bar.set_label("share of the row")
        for i in range(int(keep.sum())):  # who stayed
            ax.add_patch(_frame(i))
        if rows[-1] == ENTERED:
            ax.axhline(len(rows) - 1.5, color="white", linewidth=3)
        if columns[-1] == LEFT:
            ax.axvline(len(columns) - 1.5, color="white", linewidth=3)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        ax.set_ylabel("from (customers)")
        ax.set_xlabel("to")
        changed, n = self._changed()
        each = "" if len(steps) == 1 else f" over {len(steps)} steps"
        title = f"Where the customers of each segment went{each}: {changed:,} of {n:,} changed ({percent(changed / n)})"
        if len(rows) <= LABELLED_AT_MOST and self._any_small(shown):
            title += f"\n* fewer than {steps[0].settings['minimum']} customers"
        ax.set_title(title, loc="left", fontsize=11, wrap=True)
        self._keep(ax)

    def _any_small(self, shown: Any) -> bool:
        return bool(((shown > 0) & (shown < self._steps()[0].settings["minimum"])).any())

    def _cells(self, ax: Any, shown: Any, rates: Any, sizes: Any) -> None:
        """Write the rates; a star marks what rests on few customers."""
        minimum = self._steps()[0].settings["minimum"]
        for i, j in zip(*np.nonzero(shown), strict=True):
            star = "*" if shown[i, j] < minimum or sizes[i] < minimum else ""
            text = f"{100 * rates[i, j]:.0f} %{star}" if rates[i, j] >= 0.005 else f"<1 %{star}"
            colour = "white" if rates[i, j] > 0.55 else "black"
            ax.text(j, i, text, ha="center", va="center", fontsize=8, color=colour)

    def _alluvial(self, ax: Any) -> None:
        steps = self._steps()
        names = [*steps[0].segments.index, ENTERED]
        several = isinstance(self.result, MigrationHistory)
        dates = (
            list(self.result.dates) if isinstance(self.result, MigrationHistory) else list(steps[0].settings["dates"])
        )
        flows = [step.counts.to_numpy().copy() for step in steps]
        for flow in flows:
            if not self.outside:
                flow[-1, :] = flow[:, -1] = 0
        colours = {**identity_colours(names[:-1]), ENTERED: NOBODY}
        columns = [["(elsewhere)" if name == ENTERED else name for name in names] for _ in dates]
        colours["(elsewhere)"] = NOBODY
        height = max(3.6, 1.2 + 0.26 * len(names)) if len(names) <= LABELLED_AT_MOST else 1.2 + 0.19 * len(names)
        ax = axes_or_new(ax, 8.5 + 0.9 * (len(dates) - 2), height)
        drawn = draw_flows(ax, flows, columns, [colours] * len(dates), dates)
        changed, n = self._changed()
        what = "from date to date" if several else "between the dates"
        title = f"Flows of customers {what}: {changed:,} of {n:,} changed segment ({percent(changed / n)})"
        if drawn < 1:
            title += f"\nflows of {percent(1 - drawn)} of the customers are too thin to draw"
        ax.set_title(title, loc="left", fontsize=11, wrap=True)
        self._keep(ax)

    def _shares(self, ax: Any) -> None:
        assert isinstance(self.result, MigrationHistory)  # noqa: S101  (the constructor sees to it)
        result = self.result
        shares = result.shares()
        named = _most_telling(shares)
        colours = {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(named)}
        if len(shares.columns) <= len(PALETTE):
            colours = {name: colour for name, colour in result.colours().items() if name in colours}
        ax = axes_or_new(ax, 8.5, 4.6)
        places = np.arange(len(shares))
        table = result.table.set_index(["segment", "date"])
        for name in shares.columns:
            if name not in colours:
                ax.plot(places, shares[name], color=NOBODY, linewidth=1, zorder=1)
        for name, colour in colours.items():
            rows = table.loc[name]
            ax.fill_between(places, rows["share_low"], rows["share_high"], color=colour, alpha=0.18, linewidth=0)
            ax.plot(places, rows["share"], color=colour, marker="o", markersize=4, zorder=3)
        n_quiet = len(shares.columns) - len(colours)
        title = f"Share of each segment over time, {count(len(result.customers), 'customer')}"
        if n_quiet:
            title += f"\nnamed: the {len(colours)} whose share changed most; {n_quiet} others in grey"
        tidy(ax, title=title, x="", y="share of customers")
        labels = [date_label(date) for date in shares.index]
        ax.set_xticks(places, labels)
        if len(shares) > 8 or max(len(label) for label in labels) > 8:
            ax.tick_params(axis="x", rotation=30)
        ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
        ax.set_ylim(0, None)
        ax.set_xlim(-0.2, len(shares) - 1)
        ends = [(shorten(name, NAME_WIDTH), float(shares[name].iloc[-1]), colour) for name, colour in colours.items()]
        label_lines(ax, float(places[-1]), ends)
        self._keep(ax)


def _most_telling(shares: pd.DataFrame) -> list[str]:
    """Return the segments to name: all if there are colours for them, else by how much they changed, then by size."""
    if len(shares.columns) <= len(PALETTE):
        return list(shares.columns)
    change, last = (shares.max() - shares.min()).to_dict(), shares.iloc[-1].to_dict()
    order = sorted(shares.columns, key=lambda name: (-change[name], -last[name]))
    chosen = set(order[: len(PALETTE) - 1])
    return [name for name in shares.columns if name in chosen]


def _frame(i: int) -> Any:
    """Return the frame around the cell of those who stayed."""
    from matplotlib.patches import Rectangle

    return Rectangle((i - 0.48, i - 0.48), 0.96, 0.96, fill=False, edgecolor=COLOURS["first"], linewidth=1.2)
