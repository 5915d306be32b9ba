"""What merging gave: the customers, where each value came from, what disagreed, and counts that add up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd

from segmentation._format import count, name_some, percent
from segmentation._plotting import COLOURS, axes_or_new, tidy

__all__ = ["MergedSources"]


@dataclass(frozen=True, eq=False)
class MergedSources:
    """One row per customer from several sources, with the account of how it came about.

    Attributes
    ----------
    customers : pandas.DataFrame, index ``customer_id``
        One row per customer of any source, sorted; the columns of all sources.
    lineage : pandas.DataFrame of the same shape
        The source of each value (categorical), missing where the value is; a value that a precedence function made
        and no source has bears the name of the function. Where sources agree it names the first in precedence.
    conflicts : pandas.DataFrame
        One row per customer, column, source and different value that was passed over: ``customer_id``, ``column``,
        ``kept``, ``kept_from``, ``other``, ``other_from``, ``why``.
    unmatched : pandas.DataFrame
        Customers found in one source only: ``source``, ``customer_id``.
    left_out : pandas.DataFrame
        Rows that belong to no customer or are too late: ``source``, ``record``, ``reason``.
    summary : pandas.DataFrame, index ``source``
        ``n_rows = n_used + n_copies + n_left_out``: rows read, rows used, exact copies of a used row, rows in
        `left_out`. ``n_customers``, of whom ``n_unmatched`` are in no other source and ``n_repeated`` have more than
        one row used here. ``n_values``: values of the result that come from here; ``n_overruled``: known values that
        lost against a different one.
    settings : dict
        ``as_of``, and ``precedence`` by column in words.
    notes : tuple of str
        What was done to types, what could not be matched.
    """

    customers: pd.DataFrame
    lineage: pd.DataFrame
    conflicts: pd.DataFrame
    unmatched: pd.DataFrame
    left_out: pd.DataFrame
    summary: pd.DataFrame
    settings: Mapping[str, Any]
    notes: tuple[str, ...] = ()

    def to_pandas(self) -> pd.DataFrame:
        """Return a copy of the customers."""
        return self.customers.copy()

    def to_dict(self) -> dict[str, Any]:
        """Return counts, settings and notes as plain values that can be written as JSON; nobody's data is in it."""
        return {
            "n_customers": len(self.customers),
            "n_conflicts": len(self.conflicts),
            "sources": self.summary.to_dict("index"),
            "conflicts": {str(name): int(n) for name, n in self._conflicts_by_column().items()},
            "settings": dict(self.settings),
            "notes": list(self.notes),
        }

    def columns_table(self) -> pd.DataFrame:
        """Return one row per column of `customers`.

        Index ``column``: ``n_known``, one count per source of the values that come from it, ``n_conflicts`` (rows
        of `conflicts`) and ``n_conflicting_customers``.
        """
        from_source = self.lineage.apply(lambda column: column.astype(object).value_counts())
        labels = [*self.summary.index, *(name for name in from_source.index if name not in self.summary.index)]
        table = from_source.reindex(labels).T.fillna(0).astype("int64")
        table = table.reindex(self.customers.columns, fill_value=0)
        table.insert(0, "n_known", self.lineage.notna().sum())
        by_column = self.conflicts.groupby("column")["customer_id"]
        table["n_conflicts"] = by_column.size().reindex(table.index, fill_value=0)
        table["n_conflicting_customers"] = by_column.nunique().reindex(table.index, fill_value=0)
        named: pd.DataFrame = table.rename_axis(index="column", columns=None)
        return named

    def plot(self, ax: Any = None) -> Any:
        """Show, for each column, from which source how many of its values come, and how many nobody knows.

        Needs matplotlib (``pip install "customer-segments[plot]"``). Returns the axes.
        """
        columns = self.columns_table()
        axes = axes_or_new(ax, 7.5, 1.6 + 0.32 * max(len(columns), 2))
        places = range(len(columns))
        labels = [name for name in columns.columns if not str(name).startswith("n_")]
        colours = [COLOURS[name] for name in ("model", "first", "second", "third")] + ["#E69F00", "#56B4E9", "#F0E442"]
        left = pd.Series(0.0, index=columns.index)
        for place, label in enumerate(labels):
            share = columns[label] / len(self.customers)
            axes.barh(places, share, left=left, color=colours[place % len(colours)], label=str(label), height=0.7)
            left = left + share
        axes.barh(places, 1 - left, left=left, color="#E6E6E6", label="nobody knows", height=0.7)
        axes.set_yticks(list(places), [str(name) for name in columns.index])
        axes.invert_yaxis()
        tidy(axes, title="Where the values come from", x="share of customers", y="")
        axes.set_xlim(0, 1)
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
        return axes

    def _conflicts_by_column(self) -> pd.Series:
        return self.conflicts["column"].value_counts(sort=False)

    def __str__(self) -> str:
        lines = [self._headline()]
        for name, row in self.summary.iterrows():
            lines.append(f"  {name}: {self._source_line(row)}")
        lines.extend(self._conflict_lines())
        if len(self.left_out):
            lines.append(f"rows left out, {len(self.left_out):,}:")
            reasons = self.left_out.groupby(["source", "reason"], sort=False).size()
            lines.extend(
                f"  {n:,} of {source}: {reason}"
                for (source, reason), n in zip(reasons.index.tolist(), reasons, strict=True)
            )
        lines.extend(f"note: {note}" for note in self.notes)
        return "\n".join(lines)

    def _headline(self) -> str:
        share = float(self.lineage.notna().to_numpy().mean()) if self.lineage.size else 0.0
        return (
            f"{count(len(self.customers), 'customer')} from {count(len(self.summary), 'source')}, "
            f"{count(self.customers.shape[1], 'column')}, {percent(share)} of the values known"
        )

    def _source_line(self, row: Any) -> str:
        extra = [f"{row['n_copies']:,} exact copies"] if row["n_copies"] else []
        extra += [f"{row['n_left_out']:,} left out"] if row["n_left_out"] else []
        extra += [f"{count(row['n_repeated'], 'customer')} with several rows"] if row["n_repeated"] else []
        return (
            f"{count(row['n_rows'], 'row')}, {row['n_used']:,} used: {count(row['n_customers'], 'customer')}, "
            f"{row['n_unmatched']:,} in no other source" + "".join(f"; {part}" for part in extra)
        )

    def _conflict_lines(self) -> list[str]:
        if self.conflicts.empty:
            return ["no conflicts"]
        customers = self.conflicts["customer_id"].nunique()
        lines = [f"conflicts, {len(self.conflicts):,} of {count(customers, 'customer')}:"]
        for name, n in self._conflicts_by_column().items():
            rule = self.settings["precedence"][str(name)]
            lines.append(f"  {name}: {n:,} ({rule})")
        return lines

    __repr__ = __str__

    def _repr_html_(self) -> str:
        lines = [*self._conflict_lines(), *self.notes]
        if len(self.left_out):
            reasons = name_some(self.left_out["reason"].unique())
            lines.append(f"{count(len(self.left_out), 'row')} left out: {reasons}")
        said = "".join(f"<p>{escape(line)}</p>" for line in lines)
        return f"<p>{escape(self._headline())}</p>{self.summary.to_html()}{said}"
