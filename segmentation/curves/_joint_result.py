"""What a joint fit of several efforts returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, number, percent
from segmentation._results import Result, records
from segmentation.curves._base import ResponseCurve, check_efforts
from segmentation.curves._joint_input import BASELINE

__all__ = ["CurveFits"]

Array = NDArray[np.float64]


@dataclass(frozen=True, repr=False, eq=False)
class CurveFits(Result):
    """Curves of several efforts that were fitted together, with what is not known about them.

    Attributes
    ----------
    curves : dict
        Effort -> `ResponseCurve`, for `allocate`. The d-th draws of all of them belong together.
    shares : pandas.DataFrame
        One row per draw: the share of the outcome of ``baseline`` and of each effort as it was; rows add up to 1.
    draws : pandas.DataFrame
        One row per draw, columns (effort, parameter).
    identification : pandas.DataFrame
        What tells the efforts apart, one row each: ``vif`` (how many times the variance of a straight effect is larger
        because others and controls move with it), ``most_alike`` and ``correlation`` (the nearest other effort, what
        is held equal taken out), ``rival`` and ``draw_correlation`` (the effort whose share moves most against this one
        from draw to draw), ``width_left`` (width of the interval of the share over that before the data).
    decomposition : pandas.DataFrame
        One row per period: ``outcome``, ``baseline``, what each effort brought (means over draws), and what is
        ``left``.
    mean_outcome : float
    efforts : pandas.DataFrame
        ``mean`` and ``highest`` of each effort.
    settings : dict
        All parameters as they were used, and counts.
    warnings : tuple of str
        What must stand beside the result.
    """

    curves: Mapping[Any, ResponseCurve]
    shares: pd.DataFrame
    draws: pd.DataFrame
    identification: pd.DataFrame
    decomposition: pd.DataFrame
    mean_outcome: float
    efforts: pd.DataFrame
    settings: dict[str, Any]
    warnings: tuple[str, ...]

    @property
    def table(self) -> pd.DataFrame:
        """One row for the baseline and for each effort, over the periods as they were.

        ``share`` of the outcome (mean over draws) with ``share_low`` and ``share_high``, ``outcome`` per period with
        its bounds, ``nothing`` (the share of the draws in which the effort brings nothing) and ``vif``.
        """
        mean = self.shares.mean()
        low, high = self._bounds(self.shares.to_numpy())
        # nearly all draws may be nothing: the mean is then above all but a few
        low, high = np.minimum(low, mean), np.maximum(high, mean)
        table = pd.DataFrame({"share": mean, "share_low": low, "share_high": high})
        for end in ("", "_low", "_high"):
            table[f"outcome{end}"] = table[f"share{end}"] * self.mean_outcome
        table["nothing"] = (self.shares == 0).mean()
        table.loc[BASELINE, "nothing"] = np.nan
        table["vif"] = self.identification["vif"].reindex(table.index)
        return table.rename_axis("effort")

    @property
    def parameters(self) -> pd.DataFrame:
        """One row per effort and parameter: ``estimate``, ``low``, ``high``.

        Of the draws in which the effort works; estimates are those of the curve, of a retention the mean.
        """
        rows = []
        for name, curve in self.curves.items():
            drawn: pd.DataFrame = self.draws[name]
            working = drawn[drawn[curve.parameter_names[0]] > 0]
            for parameter in drawn:
                used = drawn if parameter == curve.parameter_names[0] or not len(working) else working
                low, high = self._bounds(used[parameter].to_numpy())
                at = curve.parameters.get(str(parameter), float(used[parameter].mean()))
                rows.append((name, parameter, at, float(low), float(high)))
        table = pd.DataFrame(rows, columns=["effort", "parameter", "estimate", "low", "high"])
        return table.set_index(["effort", "parameter"])

    @property
    def mean_efforts(self) -> dict[Any, float]:
        """The mean of each effort, for ``allocate(current=...)``."""
        return {name: float(value) for name, value in self.efforts["mean"].items()}

    @property
    def bounds(self) -> dict[Any, tuple[float, float]]:
        """From none to the highest of each effort seen, for ``allocate(bounds=...)``."""
        return {name: (0.0, float(value)) for name, value in self.efforts["highest"].items()}

    def at(self, efforts: Mapping[Any, float] | None = None) -> pd.DataFrame:
        """Return value (above the baseline) and slope of each effort at an amount, by default its mean.

        Returns
        -------
        pandas.DataFrame
            One row per effort: ``amount``, ``value`` and ``slope``, each with ``_low`` and ``_high``.
        """
        wanted = self.mean_efforts if efforts is None else dict(efforts)
        unknown = [name for name in wanted if name not in self.curves]
        if unknown:
            raise ValueError(f"no effort is named {unknown[0]!r}; efforts: {', '.join(map(repr, self.curves))}.")
        rows = []
        for name, amount in wanted.items():
            curve, at = self.curves[name], float(check_efforts(amount, f"effort {name!r}"))
            row = [name, at]
            for value, drawn in ((curve.value(at), curve.value_draws(at)), (curve.slope(at), curve.slope_draws(at))):
                row += [float(value), *map(float, self._bounds(drawn))]
            rows.append(row)
        columns = ["effort", "amount", "value", "value_low", "value_high", "slope", "slope_low", "slope_high"]
        return pd.DataFrame(rows, columns=columns).set_index("effort")

    def _bounds(self, draws: Array) -> tuple[Any, Any]:
        level = self.settings["level"]
        method: Any = "linear" if np.isfinite(draws).all() else "inverted_cdf"
        low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0, method=method)
        return low, high

    def _facts(self) -> dict[str, Any]:
        return {
            "curves": {str(name): curve.to_dict() for name, curve in self.curves.items()},
            "table": records(self.table, index=True),
            "parameters": records(self.parameters, index=True),
            "identification": records(self.identification, index=True),
            "settings": self.settings,
            "warnings": self.warnings,
        }

    def _opening(self) -> tuple[str, ...]:
        s = self.settings
        families = ", ".join(dict.fromkeys(s["family"].values()))
        together = 1.0 - self.shares[BASELINE]
        low, high = self._bounds(together.to_numpy())
        return (
            f"Joint response curves of {count(len(self.curves), 'effort')} ({families}) from "
            f"{count(s['n_periods'], 'period')}: together they bring {percent(float(together.mean()))} "
            f"({percent(float(low))} to {percent(float(high))}) of the outcome; intervals of {percent(s['level'])}",
        )

    def _shown(self) -> pd.DataFrame:
        table = self.table
        text = pd.DataFrame(index=table.index)
        text["share"] = [percent(value) for value in table["share"]]
        text["interval"] = [
            f"{percent(low)} to {percent(high)}"
            for low, high in zip(table["share_low"], table["share_high"], strict=True)
        ]
        text["outcome per period"] = [number(value) for value in table["outcome"]]
        text["brings nothing in"] = ["" if np.isnan(v) else f"{percent(v)} of draws" for v in table["nothing"]]
        text["vif"] = ["" if np.isnan(v) else number(float(v)) for v in table["vif"]]
        return text

    def __str__(self) -> str:
        return "\n".join([*self._opening(), self._shown().to_string(), *self._closing()])

    def plot(self, ax: Any = None, **kwargs: Any) -> Any:
        """Draw the shares with their intervals; arguments as in `SharesDisplay.from_fits`.

        Returns
        -------
        matplotlib Axes
        """
        from segmentation.curves._joint_display import SharesDisplay

        return SharesDisplay.from_fits(self, **kwargs).plot(ax).ax_
