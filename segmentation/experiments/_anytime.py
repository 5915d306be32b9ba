"""Intervals and p-values that hold however often one looks, and whenever one stops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from segmentation._format import count
from segmentation._results import Result
from segmentation.experiments._moments import Floats
from segmentation.experiments._vectors import check_level

__all__ = ["TIGHTEST_AT", "ConfidenceSequence", "anytime_p", "anytime_reach", "confidence_sequence"]

TIGHTEST_AT = 1000
FEW = 100


@dataclass(frozen=True, repr=False, eq=False)
class ConfidenceSequence(Result):
    """Looks at a running experiment.

    Attributes
    ----------
    headline : str
    table : pandas.DataFrame
        One row per look: ``n``, ``estimate``, ``se``, ``low``, ``high``, ``p_value``, ``running_low``,
        ``running_high``, ``running_p`` (what all looks so far leave), ``fixed_low``, ``fixed_high`` (of one look that
        was planned; wrong for who peeks).
    first_shown : int or None
        n at the first look at which 0 was outside.
    settings : mapping
    warnings : tuple of str
    """

    headline: str
    table: pd.DataFrame
    first_shown: int | None
    settings: Mapping[str, Any]
    warnings: tuple[str, ...]

    def plot(self, ax: Any = None) -> Any:
        """Draw estimates with both kinds of bounds over n.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        from segmentation._plotting import COLOURS, axes_or_new, tidy

        ax = axes_or_new(ax)
        n = self.table["n"]
        ax.fill_between(n, self.table["low"], self.table["high"], color="#D6E6F2", linewidth=0, label="at any time")
        for name, label in (("fixed_low", "one planned look"), ("fixed_high", None)):
            ax.plot(n, self.table[name], color=COLOURS["quiet"], linestyle="--", linewidth=1.2, label=label)
        ax.plot(n, self.table["estimate"], color=COLOURS["model"], marker="o", markersize=3.5, label="estimate")
        ax.axhline(0, color=COLOURS["actual"], linewidth=1)
        level = f"{100 * self.settings['level']:g} %"
        tidy(ax, title=f"Effect, {level} bounds that hold at every look", x="customers so far", y="effect")
        ax.legend(frameon=False, fontsize=9)
        return ax

    def to_pandas(self) -> pd.DataFrame:
        """Return the looks."""
        return self.table.copy()

    def _facts(self) -> dict[str, Any]:
        return {
            "headline": self.headline, "table": self.table, "first_shown": self.first_shown,
            "settings": self.settings, "warnings": self.warnings,
        }  # fmt: skip

    def __str__(self) -> str:
        shown = self.table.to_string(index=False, float_format="{:.4g}".format)
        return "\n".join([self.headline, "", shown, "", *(f"Note: {text}" for text in self.warnings)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        notes = "".join(f"<p>Note: {escape(text)}</p>" for text in self.warnings)
        return f"<p>{escape(self.headline)}</p>{self.table.to_html(index=False, float_format='{:.4g}'.format)}{notes}"


def _prior_size(n: Any, level: float, tightest_at: float) -> Floats:
    """Return n rho^2, rho chosen so that the bounds are tightest at `tightest_at` (Waudby-Smith et al., section 2)."""
    twice = -2 * np.log(1 - level)
    return np.asarray(np.asarray(n, dtype=float) / tightest_at * (twice + np.log(twice + 1)))


def anytime_reach(n: Any, level: float, tightest_at: float = TIGHTEST_AT) -> Floats:
    """Return how many standard errors the bounds reach at n customers.

    Examples
    --------
    >>> anytime_reach([100, 1000, 10_000], 0.95).round(2).tolist()
    [3.86, 3.04, 3.24]
    """
    a = _prior_size(n, level, tightest_at)
    with np.errstate(divide="ignore"):
        return np.asarray(np.sqrt((a + 1) / a * (np.log(a + 1) - 2 * np.log(1 - level))))


def anytime_p(z: Any, n: Any, level: float, tightest_at: float = TIGHTEST_AT) -> Floats:
    """Return p-values of no effect that hold at any time: below 1 - level exactly where the bounds exclude 0.

    Examples
    --------
    >>> anytime_p([3.0284, 6.0], [1000, 1000], 0.95).round(4).tolist()
    [0.0509, 0.0]
    """
    a = _prior_size(n, level, tightest_at)
    with np.errstate(under="ignore"):
        made = np.exp(0.5 * np.log(a + 1) - 0.5 * np.square(np.asarray(z, dtype=float)) * a / (a + 1))
    return np.asarray(np.minimum(1.0, made))


def confidence_sequence(
    estimates: Any, standard_errors: Any, n: Any, *, level: float = 0.95, tightest_at: float = TIGHTEST_AT
) -> ConfidenceSequence:
    """Make bounds of an effect that hold at all looks together, for those who look while the experiment runs.

    The usual 95 % interval is for one look, planned beforehand. Who looks twenty times and stops when 0 is outside
    finds an effect in a quarter of experiments without one. These bounds hold at every n at once, at the price of being
    about one and a half times as wide.

    Parameters
    ----------
    estimates, standard_errors : array of shape (looks,), or numbers
        Effect and standard error at each look, from all customers so far.
    n : array of shape (looks,), or number
        Customers so far, in both arms together, rising.
    level : float, default=0.95
    tightest_at : float, default=1000
        The n at which the bounds shall be tightest, fixed before the experiment starts: choosing it by the data undoes
        the guarantee. Rather too small than too large.

    Returns
    -------
    ConfidenceSequence

    Raises
    ------
    ValueError
        If lengths differ, n does not rise, standard errors are not above 0, or something is missing.

    Notes
    -----
    Asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024, doi:10.1214/24-AOS2408,
    theorem 2.2; the normal mixture of Robbins, as in Howard et al. 2021, doi:10.1214/20-AOS1991): estimate +- se
    sqrt((a + 1) / a (log(a + 1) - 2 log(1 - level))) with a = n rho^2. It holds for any outcome with a variance once
    the first look has customers enough for a normal approximation (30 events in each arm is a fair rule). Standard
    errors have to shrink as 1 / sqrt(n), as they do where the mix of customers stays the same.

    Examples
    --------
    >>> from segmentation.experiments import confidence_sequence
    >>> looks = confidence_sequence([0.9, 0.7, 0.6], [0.4, 0.25, 0.15], [400, 1000, 2800])
    >>> looks.table[["n", "low", "high", "p_value"]].round(3).values.tolist()
    [[400.0, -0.35, 2.15, 0.298], [1000.0, -0.059, 1.459, 0.092], [2800.0, 0.137, 1.063, 0.002]]
    >>> looks.first_shown
    2800
    """
    level = check_level(level)
    try:
        values = [np.atleast_1d(np.asarray(each, dtype=float)) for each in (estimates, standard_errors, n)]
    except (TypeError, ValueError) as error:
        raise TypeError(f"estimates, standard_errors and n must be numbers: {error}.") from error
    for what, found in zip(("estimates", "standard_errors", "n"), values, strict=True):
        if found.ndim != 1 or len(found) != len(values[0]):
            raise ValueError(
                f"estimates, standard_errors and n need one number per look: estimates have {len(values[0])}, {what} "
                f"the shape {found.shape}."
            )
        if not np.isfinite(found).all():
            raise ValueError(f"{what} has missing or infinite values: leave out looks without an estimate.")
    estimate, se, customers = values
    if not len(estimate):
        raise ValueError("no looks: at least one estimate is expected.")
    if (se <= 0).any():
        raise ValueError("standard_errors must be above 0 at every look; wait until outcomes vary in both arms.")
    if (customers < 1).any() or (np.diff(customers) <= 0).any():
        raise ValueError("n must be 1 and more and rise from look to look: estimates are of all customers so far.")
    number = isinstance(tightest_at, int | float | np.number) and not isinstance(tightest_at, bool)
    if not number or not np.isfinite(tightest_at) or tightest_at < 1:
        raise ValueError(f"tightest_at must be a number of customers of 1 and more, got {tightest_at!r}.")
    reach = anytime_reach(customers, level, tightest_at) * se
    fixed = stats.norm.ppf(0.5 + level / 2) * se
    p = anytime_p(estimate / se, customers, level, tightest_at)
    table = pd.DataFrame({
        "n": customers.astype(np.int64), "estimate": estimate, "se": se, "low": estimate - reach,
        "high": estimate + reach, "p_value": p, "running_low": np.maximum.accumulate(estimate - reach),
        "running_high": np.minimum.accumulate(estimate + reach), "running_p": np.minimum.accumulate(p),
        "fixed_low": estimate - fixed, "fixed_high": estimate + fixed,
    })  # fmt: skip
    outside = (table["low"] > 0) | (table["high"] < 0)
    first = int(customers[np.argmax(outside.to_numpy())]) if outside.any() else None
    settings = {"level": level, "tightest_at": tightest_at, "n_looks": len(table)}
    return ConfidenceSequence(_headline(table, first, level), table, first, settings, tuple(_notes(table, tightest_at)))


def _headline(table: pd.DataFrame, first: int | None, level: float) -> str:
    last = table.iloc[-1]
    text = (
        f"After {count(len(table), 'look')} and {count(int(last['n']), 'customer')}: effect {last['estimate']:.4g} "
        f"({last['low']:.4g} to {last['high']:.4g}, {100 * level:g} % at all looks together)"
    )
    return text + ("; no effect shown." if first is None else f"; an effect is shown since {count(first, 'customer')}.")


def _notes(table: pd.DataFrame, tightest_at: float) -> list[str]:
    notes = [
        f"bounds are tightest at {tightest_at:,.0f} customers, which has to be fixed before the first look "
        "(tightest_at=)."
    ]
    if table["n"].iloc[0] < FEW:
        notes.append(
            f"the first look has {int(table['n'].iloc[0])} customers: the bounds rest on a normal approximation, which "
            "wants 30 events in each arm."
        )
    if (table["running_low"] > table["running_high"]).any():
        notes.append("looks contradict each other: the effect changes over time, or the mix of customers does.")
    return notes
