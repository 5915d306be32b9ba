"""What `decompose_change` returns."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import pandas as pd

from segmentation._format import count, number, percent
from segmentation._results import Result
from segmentation.monitoring._whole_html import whole_html

__all__ = ["ChangeDecomposition"]

SHOWN = 12


@dataclass(frozen=True, repr=False, eq=False)
class ChangeDecomposition(Result):
    """The change of a metric and what it is made of.

    Attributes
    ----------
    table : pandas.DataFrame
        By component: ``estimate``, ``estimate_low``, ``estimate_high``, ``share_of_change``.
    segments : pandas.DataFrame
        By segment: ``n_before``, ``n_after``, ``metric_before``, ``metric_after``, and each component with ``_low`` and
        ``_high``.
    before, after : float
        The metric at the two dates.
    settings : dict
    warnings : tuple of str
    """

    table: pd.DataFrame
    segments: pd.DataFrame
    before: float
    after: float
    settings: dict[str, Any]
    warnings: tuple[str, ...]

    @property
    def components(self) -> list[str]:
        """Names of the components, in their order."""
        return [str(name) for name in self.table.index if name != "total"]

    def _facts(self) -> dict[str, Any]:
        return {
            "settings": self.settings,
            "warnings": self.warnings,
            "before": self.before,
            "after": self.after,
            "components": self.table.to_dict("index"),
            "segments": self.segments.to_dict("index"),
        }

    def _headline(self) -> str:
        metric, kind, of = self.settings["metric"], self.settings["kind"], self.settings["of"]
        what = f"{metric} per {self.settings['denominator']}" if kind == "ratio" else f"{kind} {metric}"
        who = f" of {', '.join(of)}" if of else ""
        return (
            f"Change of {what}{who}: {number(self.before)} to {number(self.after)}, "
            f"{'+' if self.after >= self.before else ''}{number(self.after - self.before)} "
            f"({count(self.settings['n_before'], 'customer')}, then {self.settings['n_after']:,}; "
            f"{self.settings['n_both']:,} in both)"
        )

    def __str__(self) -> str:
        level = percent(self.settings["level"])
        lines = [self._headline()]
        for name, row in self.table.iterrows():
            bounds = f"{number(row['estimate_low'])} to {number(row['estimate_high'])}"
            lines.append(f"  {name:<11} {number(row['estimate']):>10}   ({bounds}, {level})")
        short = self.segments[["n_before", "n_after", "metric_before", "metric_after", *self.components, "total"]]
        ranked = short.reindex(short["total"].abs().sort_values(ascending=False, kind="stable").index)
        text = ranked.head(SHOWN).map(lambda value: f"{value:,.0f}" if float(value).is_integer() else number(value))
        lines += [f"  {line}" for line in text.to_string().splitlines()]
        if len(short) > SHOWN:
            lines.append(f"  ... {len(short) - SHOWN} more segments in .segments")
        return "\n".join([*lines, *(f"Note: {text}" for text in self.warnings)])

    def _repr_html_(self) -> str:
        notes = "".join(f"<p>Note: {html.escape(text)}</p>" for text in self.warnings)
        tables = f"{whole_html(self.table.round(4))}{whole_html(self.segments.round(4))}"
        return f"<p>{html.escape(self._headline())}</p>{tables}{notes}"

    def plot(self, ax: Any = None, *, by: str = "component") -> Any:
        """Draw the waterfall of the change, see `WaterfallDisplay`; return its axes."""
        from segmentation.monitoring._decompose_display import WaterfallDisplay

        return WaterfallDisplay.from_report(self).plot(ax, by=by).ax_
