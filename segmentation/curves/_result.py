"""What a fit of a response curve returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, number, percent
from segmentation._results import Result
from segmentation.curves._base import ResponseCurve, check_efforts

__all__ = ["CurveFit"]

MEANINGS = {
    "baseline": "mean outcome without effort",
    "top": "what the most effort brings above it",
    "rate": "how fast, per unit of effort",
    "scale": "size of the response",
    "exponent": "percent more outcome per percent more effort",
    "slope_value": "what a unit of effort brings",
    "cap": "effort above which nothing more comes",
    "half": "effort that brings half of the top",
    "shape": "above 1: S-shaped",
    "retention": "share of an effort's work that is left one period later",
}


@dataclass(frozen=True, repr=False, eq=False)
class CurveFit(Result):
    """A fitted response curve with what is not known about it.

    Attributes
    ----------
    curve : ResponseCurve
        Above the baseline, with draws; its ``notes`` and ``randomized`` travel with it.
    draws : pandas.DataFrame
        One row per draw: ``baseline``, the parameters of the curve, ``retention`` where it was estimated or given.
    estimates : dict
        The same parameters, least squares.
    bins : pandas.DataFrame
        Mean outcome of the rows by effort, other things equal, with its standard error.
    efforts : ndarray
        Typical efforts of the data.
    selection : pandas.DataFrame or None
        Cross-validated errors of the families under ``family="auto"``.
    settings : dict
        All parameters as they were used, and counts.
    warnings : tuple of str
        What must stand beside the result.
    """

    curve: ResponseCurve
    draws: pd.DataFrame
    estimates: Mapping[str, float]
    bins: pd.DataFrame
    efforts: NDArray[np.float64]
    selection: pd.DataFrame | None
    settings: dict[str, Any]
    warnings: tuple[str, ...]

    @property
    def baseline(self) -> float:
        """Mean outcome without effort."""
        return self.estimates["baseline"]

    @property
    def table(self) -> pd.DataFrame:
        """One row per parameter: ``estimate``, ``low``, ``high`` and ``meaning``."""
        low, high = self._bounds(self.draws.to_numpy())
        names = list(self.draws.columns)
        return pd.DataFrame(
            {
                "estimate": [self.estimates[name] for name in names],
                "low": low,
                "high": high,
                "meaning": [MEANINGS[name] for name in names],
            },
            index=pd.Index(names, name="parameter"),
        )

    @property
    def at_efforts(self) -> pd.DataFrame:
        """What typical efforts of the data bring: ``value`` and ``slope``, each with ``_low`` and ``_high``."""
        return self.at(self.efforts)

    def at(self, effort: Any) -> pd.DataFrame:
        """Return value (above the baseline) and slope at these efforts, with intervals."""
        efforts = np.atleast_1d(check_efforts(effort))
        if efforts.ndim > 1:
            raise ValueError(f"effort must be a number or a list of them, got shape {efforts.shape}.")
        columns: dict[str, Any] = {}
        for name, point, draws in (
            ("value", self.curve.value(efforts), self.curve.value_draws(efforts)),
            ("slope", self.curve.slope(efforts), self.curve.slope_draws(efforts)),
        ):
            low, high = self._bounds(draws)
            columns.update({name: point, f"{name}_low": low, f"{name}_high": high})
        return pd.DataFrame(columns, index=pd.Index(efforts, name="effort"))

    def _bounds(self, draws: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        level = self.settings["level"]
        # between two infinite draws (a power curve's first slope) there is nothing to interpolate
        method: Any = "linear" if np.isfinite(draws).all() else "inverted_cdf"
        low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0, method=method)
        return low, high

    def _facts(self) -> dict[str, Any]:
        return {
            "curve": self.curve.to_dict(),
            "parameters": self.table.drop(columns="meaning").to_dict("index"),
            "at_efforts": self.at_efforts.reset_index(),
            "settings": self.settings,
            "warnings": self.warnings,
        }

    def _headline(self) -> str:
        s = self.settings
        units = (
            count(s["n_resampled"], s["resampled"][:-1])
            if s["resampled"] != "stretches of periods"
            else (count(s["n_resampled"], "stretch of periods", "stretches of periods"))
        )
        rows = count(s["n_rows"], "row")
        where = rows if s["resampled"] == "rows" else f"{rows} ({units})"
        seen = f"effort {number(s['effort_low'])} to {number(s['effort_high'])}"
        return f"Response curve ({s['family']}) from {where}, {seen}"

    def __str__(self) -> str:
        level = percent(self.settings["level"])
        lines = [f"{self._headline()}; intervals of {level}"]
        for name, row in self.table.iterrows():
            lines.append(
                f"  {name!s:<12}{number(row['estimate']):>10}  ({number(row['low'])} to {number(row['high'])})  "
                f"{row['meaning']}"
            )
        for effort, row in self.at_efforts.iterrows():
            lines.append(
                f"  effort {number(effort)} brings {number(row['value'])} ({number(row['value_low'])} to "
                f"{number(row['value_high'])}); one unit more {number(row['slope'])} ({number(row['slope_low'])} to "
                f"{number(row['slope_high'])})"
            )
        return "\n".join([*lines, *(f"  Note: {text}" for text in self.warnings)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        notes = "".join(f"<p>Note: {escape(text)}</p>" for text in self.warnings)
        return f"<p>{escape(self._headline())}</p>{self.table.to_html()}{self.at_efforts.to_html()}{notes}"

    def plot(self, ax: Any = None, **kwargs: Any) -> Any:
        """Draw the curve over the data; arguments as in `CurveDisplay.from_fit`.

        Returns
        -------
        matplotlib Axes
        """
        from segmentation.curves._display import CurveDisplay

        return CurveDisplay.from_fit(self, **kwargs).plot(ax).ax_
