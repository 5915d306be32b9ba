"""What `pool_effects` returns, and its words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import count
from segmentation._results import Result
from segmentation.curves._fit import seed_of
from segmentation.experiments._normal_mixture import NormalMixture
from segmentation.experiments._vectors import per_segment

__all__ = ["PooledEffects", "alone_headline", "pooled_headline"]


@dataclass(frozen=True, repr=False, eq=False)
class PooledEffects(Result):
    """Effects of segments, each weighed against all others.

    Attributes
    ----------
    headline : str
    table : pandas.DataFrame
        Index ``segment``: ``estimate``, ``se`` (as given), ``pooled`` (posterior mean), ``pooled_low``,
        ``pooled_high``, ``pooled_se``, ``own_weight`` (share of the own estimate in it), ``probability_positive``.
        Missing for segments without an estimate.
    mean : mapping
        ``mean``, ``low``, ``high`` of the distribution that the effects come from. Missing where nothing is pooled.
    between_sd : mapping
        ``median``, ``low``, ``high`` of the spread of the true effects between segments.
    pooled : bool
        False with one or two segments.
    settings : mapping
    warnings : tuple of str
    """

    headline: str
    table: pd.DataFrame
    mean: Mapping[str, float]
    between_sd: Mapping[str, float]
    pooled: bool
    settings: Mapping[str, Any]
    warnings: tuple[str, ...]
    _posterior: Any = field(default=None)
    _names: Any = field(default=None)

    def draws(self, n_draws: int = 1000, *, random_state: Any = None) -> pd.DataFrame:
        """Draw effects of all segments together, as the pooled posterior has them.

        Parameters
        ----------
        n_draws : int, default=1000
        random_state : int, numpy Generator or RandomState, optional

        Returns
        -------
        pandas.DataFrame of shape (n_draws, segments)
            Index ``draw``; segments without an estimate are not in it.

        Examples
        --------
        >>> from segmentation.experiments import pool_effects
        >>> pool_effects([1.0, 2.0, 3.0], [0.5, 0.5, 0.5]).draws(100, random_state=0).shape
        (100, 3)
        """
        if isinstance(n_draws, bool) or not isinstance(n_draws, int | np.integer) or n_draws < 1:
            raise ValueError(f"n_draws must be a whole number of at least 1, got {n_draws!r}.")
        given = isinstance(random_state, np.random.Generator)
        source = random_state if given else np.random.default_rng(seed_of(random_state))
        values = self._posterior.draws(int(n_draws), source)
        made = pd.DataFrame(values, columns=pd.Index(self._names, name="segment"))
        return made.rename_axis(index="draw")

    def combine(self, weights: Any) -> dict[str, float]:
        """Return a weighted sum of effects with its interval, for instance over customers of chosen segments.

        Parameters
        ----------
        weights : mapping, Series or array of shape (segments,)
            One per segment of `table`; those without an estimate must have 0 or missing.

        Returns
        -------
        dict
            ``mean``, ``low``, ``high``, ``sd``, ``probability_positive``.

        Examples
        --------
        >>> from segmentation.experiments import pool_effects
        >>> found = pool_effects({"a": 1.0, "b": 2.0, "c": 3.0}, {"a": 0.5, "b": 0.5, "c": 0.5})
        >>> round(found.combine({"a": 100, "b": 100, "c": 0})["mean"])
        320
        """
        factors = per_segment(weights, "weights", self.table.index)
        factors = np.where(np.isnan(factors), 0.0, factors)
        known = self.table["pooled"].notna().to_numpy()
        if not np.isfinite(factors).all():
            raise ValueError("weights must be finite (missing ones count as 0).")
        if (factors[~known] != 0).any():
            raise ValueError("weights of segments without an estimate must be 0: nothing is known of them.")
        return self._summary(factors[known])

    def _summary(self, factors: Any) -> dict[str, float]:
        if not np.any(factors):
            return {"mean": 0.0, "low": 0.0, "high": 0.0, "sd": 0.0, "probability_positive": 0.0}
        whole: NormalMixture = self._posterior.combined(factors)
        tail = (1 - self.settings["level"]) / 2
        return {
            "mean": whole.expectation().item(), "low": whole.quantile(tail).item(),
            "high": whole.quantile(1 - tail).item(), "sd": whole.deviation().item(),
            "probability_positive": 1 - whole.cdf(0.0).item(),
        }  # fmt: skip

    def plot(self, ax: Any = None) -> Any:
        """Draw estimates and pooled effects, segment by segment, with the pooled mean as a band.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        from segmentation.experiments._pooling_display import PoolingDisplay

        return PoolingDisplay.from_pooled(self).plot(ax).ax_

    def _facts(self) -> dict[str, Any]:
        return {
            "headline": self.headline, "table": self.table.reset_index(), "mean": dict(self.mean),
            "between_sd": dict(self.between_sd), "pooled": self.pooled, "settings": self.settings,
            "warnings": self.warnings,
        }  # fmt: skip

    def __str__(self) -> str:
        shown = self.table.to_string(float_format="{:.4g}".format)
        return "\n".join([self.headline, "", shown, "", *(f"Note: {text}" for text in self.warnings)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        notes = "".join(f"<p>Note: {escape(text)}</p>" for text in self.warnings)
        return f"<p>{escape(self.headline)}</p>{self.table.to_html(float_format='{:.4g}'.format)}{notes}"


def pooled_headline(table: pd.DataFrame, mean: Mapping[str, float], between: Mapping[str, float], level: float) -> str:
    """Say the mean, how much segments differ, and how many are shown to be above or below 0."""
    above, below = int((table["pooled_low"] > 0).sum()), int((table["pooled_high"] < 0).sum())
    n = int(table["pooled"].notna().sum())
    return (
        f"{count(n, 'segment')} pooled: mean effect {mean['mean']:.4g} ({mean['low']:.4g} to {mean['high']:.4g}), "
        f"spread between segments {between['median']:.3g} ({between['low']:.2g} to {between['high']:.3g}); the "
        f"{100 * level:g} % interval lies above 0 in {above}, below 0 in {below}."
    )


def alone_headline(n: int) -> str:
    """Say that nothing is pooled."""
    return f"{count(n, 'segment')}: not pooled, effects stand as estimated."
