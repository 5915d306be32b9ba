"""Power of one comparison, and what it takes: the formulas that plans and minimum sizes share."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from scipy import optimize, stats

__all__ = ["MOST", "SIDES", "Comparison", "difference_variance", "ratio_sd"]

SIDES = {"two-sided": 2, "one-sided": 1}
MOST = 1e12  # more customers than there are people: the lift is too small to be seen


@dataclass(frozen=True)
class Comparison:
    """One comparison of a treatment with the control; `ratio` is treated per control.

    Methods take the `mean` of the control, the `lift`, the `sd` of a customer (None for a proportion), and `kept`, the
    share of the variance that a covariate from before leaves (1 - correlation squared).
    """

    alpha: float
    power: float
    sides: int
    ratio: float

    def n_control(self, mean: float, lift: float, sd: float | None, kept: float = 1.0) -> float:
        """Customers in the control arm; infinite where none is enough."""
        if not self.possible(mean, lift, sd):
            return math.inf
        short: Callable[[float], float] = (  # noqa: E731
            lambda log_n: self.reached(mean, lift, sd, math.exp(log_n), kept) - self.power
        )
        low, high = math.log(2.0), math.log(MOST)
        if short(low) >= 0:
            return 2.0
        if short(high) < 0:
            return math.inf
        return math.exp(optimize.brentq(short, low, high, xtol=1e-10))

    def possible(self, mean: float, lift: float, sd: float | None) -> bool:
        return sd is not None or 0 <= mean + lift <= 1

    def reached(self, mean: float, lift: float, sd: float | None, n: float, kept: float = 1.0) -> float:
        """Power with `n` customers in the control arm, in the direction of the lift."""
        if sd is not None:
            lift, sd = abs(lift), sd * math.sqrt(kept)
            if sd == 0:
                return 1.0
            df = n * (1 + self.ratio) - 2
            shift = lift / (sd * math.sqrt((1 + 1 / self.ratio) / n))
            limit = stats.t.isf(self.alpha / self.sides, df)
            if df > 1e5 or shift > 30:  # right to 1e-11 there, where the series of the noncentral t is slow
                spread = math.sqrt(1 + limit**2 / (2 * df))
                return float(stats.norm.sf((limit * (1 - 1 / (4 * df)) - shift) / spread))
            return float(stats.nct.sf(limit, df, shift))
        treated = mean + lift
        pooled = (mean + self.ratio * treated) / (1 + self.ratio)
        null = math.sqrt(pooled * (1 - pooled) * (1 + 1 / self.ratio))
        other = math.sqrt(mean * (1 - mean) + treated * (1 - treated) / self.ratio)
        gap = abs(lift) * math.sqrt(n / kept) - stats.norm.isf(self.alpha / self.sides) * null
        return float(gap > 0) if other == 0 else float(stats.norm.cdf(gap / other))

    def detectable(self, mean: float, sd: float | None, n: float, sign: float, kept: float = 1.0) -> float:
        """Smallest lift in the direction of `sign` that `n` in the control arm can show."""
        if n < 2:
            return math.nan
        room = 1 - mean if sign > 0 else mean
        most = room if sd is None else 1e3 * sd
        short: Callable[[float], float] = (  # noqa: E731
            lambda size: self.reached(mean, sign * size, sd, n, kept) - self.power
        )
        if most <= 0 or short(most) < 0:
            return math.nan
        return sign * float(optimize.brentq(short, most * 1e-12, most))


def difference_variance(mean: float, lift: float, sd: float | None, control: float, treated: float) -> float:
    """Variance of the difference of two arms of so many customers, each with its own variance for a proportion."""
    if sd is not None:
        return sd**2 * (1 / control + 1 / treated)
    other = min(max(mean + lift, 0.0), 1.0)
    return mean * (1 - mean) / control + other * (1 - other) / treated


def ratio_sd(
    numerator_mean: float, numerator_sd: float, denominator_mean: float, denominator_sd: float, correlation: float
) -> float:
    """Standard deviation of a customer in a ratio of means, by the delta method.

    Examples
    --------
    >>> ratio_sd(10, 3, 2, 0, 0)
    1.5
    """
    ratio = numerator_mean / denominator_mean
    variance = numerator_sd**2 + (ratio * denominator_sd) ** 2 - 2 * ratio * correlation * numerator_sd * denominator_sd
    return math.sqrt(max(variance, 0.0)) / abs(denominator_mean)
