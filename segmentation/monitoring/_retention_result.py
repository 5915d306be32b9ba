"""What `retention` returns."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import count, percent
from segmentation._plotting import shorten
from segmentation._results import Result

__all__ = ["Retention"]

SHOWN_ROWS, SHOWN_COLUMNS = 15, 9
EVERYONE = "everyone"


@dataclass(frozen=True, eq=False, repr=False)
class Retention(Result):
    """Who is still active after n periods.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per group (and "everyone", last) and n:

        ``group``, ``n``, ``n_customers``
            The cohort or segment, the number of the period after the start, customers who started.
        ``n_observed``, ``n_censored``
            For whom period n was over when the observation ended, and for whom not.
        ``n_active``, ``active``, ``active_low``, ``active_high``
            Customers who bought in it, as a share of those observed, with its interval.
    survival : pandas.DataFrame
        The product-limit estimate by group: ``day`` since the start, ``n_at_risk``, ``n_lapsed``, ``n_censored``
        (until before the next row), ``not_lapsed`` with ``_low``, ``_high``. It holds from its day until the next.
    settings : dict
    warnings : tuple of str
    """

    table: pd.DataFrame
    survival: pd.DataFrame
    settings: Mapping[str, Any]
    warnings: tuple[str, ...]
    _followed_to: Mapping[str, int] = field(repr=False)

    def triangle(self, value: str = "active") -> pd.DataFrame:
        """Return a row per group and a column per n; NaN is not known yet.

        Parameters
        ----------
        value : str, default="active"
            A column of `table`, such as ``n_active`` or ``active_low``.
        """
        if value not in self.table.columns[2:]:
            raise ValueError(f"value must be one of {list(self.table.columns[2:])}, got {value!r}.")
        groups = list(dict.fromkeys(self.table["group"]))
        return self.table.pivot(index="group", columns="n", values=value).loc[groups]  # noqa: PD010

    def not_lapsed_at(self, days: Any) -> pd.DataFrame:
        """Return the share not lapsed at some days after the start, by group; NaN beyond what was observed.

        Parameters
        ----------
        days : int or list of int

        Returns
        -------
        pandas.DataFrame
            ``group``, ``day``, ``not_lapsed``, ``not_lapsed_low``, ``not_lapsed_high``.
        """
        wanted = np.atleast_1d(np.asarray(days, dtype=np.int64))
        if (wanted < 0).any():
            raise ValueError(f"days must be at least 0, got {days!r}.")
        parts = []
        for name, curve in self.survival.groupby("group", sort=False):
            at = np.searchsorted(curve["day"].to_numpy(), wanted, side="right") - 1
            part = curve.iloc[at][["not_lapsed", "not_lapsed_low", "not_lapsed_high"]].reset_index(drop=True)
            part.loc[wanted > self._followed_to[str(name)]] = np.nan
            part.insert(0, "day", wanted)
            part.insert(0, "group", name)
            parts.append(part)
        return pd.concat(parts, ignore_index=True)

    @property
    def medians(self) -> pd.Series[Any]:
        """The first day by which half of a group have lapsed; NaN where fewer have."""
        half = self.survival[self.survival["not_lapsed"] <= 0.5]
        groups = list(dict.fromkeys(self.survival["group"]))
        found: pd.Series[Any] = half.groupby("group", sort=False)["day"].min().astype("float64").reindex(groups)
        return found.rename("median_days")

    def _facts(self) -> dict[str, Any]:
        return {"table": self.table, "survival": self.survival, "settings": self.settings, "warnings": self.warnings}

    def _headline(self) -> str:
        unit = self.settings["period"]
        all_rows = self.table[self.table["group"] == EVERYONE]
        text = f"Retention of {count(self.settings['n_customers'], 'customer')} by {self.settings['by']}"
        n = int(all_rows["n"].max())
        if n:
            n = min(n, 12)
            row = all_rows[all_rows["n"] == n].iloc[0]
            text += (
                f": {percent(row['active'])} bought in {unit} {n} "
                f"({100 * self.settings['level']:g} % interval {100 * row['active_low']:.1f} to "
                f"{100 * row['active_high']:.1f} %)"
            )
        median = self.medians[EVERYONE]
        days = self.settings["inactive_after"]
        half = f"half had lapsed after {median:.0f} days" if np.isfinite(median) else "fewer than half had lapsed"
        return f"{text}; {half} (no purchase for {days} days)"

    def _short_table(self) -> pd.DataFrame:
        shares = self.triangle()
        columns = [n for n in _some([int(n) for n in shares.columns], SHOWN_COLUMNS) if n > 0]
        groups = list(shares.index)
        if len(groups) > SHOWN_ROWS:
            groups = [*groups[: SHOWN_ROWS - 1], groups[-1]]
        sizes = self.table.drop_duplicates("group").set_index("group")["n_customers"]
        shown = pd.DataFrame(
            {
                self.settings["by"]: [shorten(name, 40) for name in groups],
                "customers": [f"{sizes[name]:,}" for name in groups],
            }
        )
        by_n = self.table.set_index(["group", "n"])
        for n in columns:
            cells = []
            for name in groups:
                if (name, n) not in by_n.index:
                    cells.append("")
                    continue
                row = by_n.loc[(name, n)]
                share = f"{100 * row['active']:.0f} %"
                cells.append(share if self.settings["by"] == "cohort" else f"{share} ({_range(row, 'active')})")
            shown[f"{self.settings['period']} {n}"] = cells
        medians = self.medians
        shown["median days"] = [f"{medians[name]:.0f}" if np.isfinite(medians[name]) else "-" for name in groups]
        return shown

    def __str__(self) -> str:
        lines = [self._headline(), "", self._short_table().to_string(index=False)]
        more = self.table["group"].nunique() - SHOWN_ROWS
        if more > 0:
            lines.append(f"... and {count(more, 'group')} more in .table")
        return "\n".join([*lines, *(f"Note: {text}" for text in self.warnings)])

    def _repr_html_(self) -> str:
        notes = "".join(f"<p>Note: {html.escape(text)}</p>" for text in self.warnings)
        table = self._short_table().to_html(index=False, escape=True)
        return f"<p>{html.escape(self._headline())}</p>{table}{notes}"

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw a triangle of cohorts, or a line per segment; options as in `RetentionDisplay`."""
        from segmentation.monitoring._retention_display import RetentionDisplay

        return RetentionDisplay.from_retention(self, **options).plot(ax).ax_


def _range(row: Any, name: str) -> str:
    return f"{100 * row[f'{name}_low']:.0f} to {100 * row[f'{name}_high']:.0f}"


def _some(values: list[int], most: int) -> list[int]:
    """Return at most so many values, evenly spread, the first ones and the last among them."""
    if len(values) <= most:
        return values
    places = np.unique(np.linspace(1, len(values) - 1, most - 1).round().astype(int))
    return [values[i] for i in places]
