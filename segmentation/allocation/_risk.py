"""Plans that look at more than the mean: what is maximised over the draws of the curves.

`_risk_plan.plan_with_risk` is what `allocate(risk=...)` calls.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation._format import name_some

__all__ = ["CVaR", "Mean", "MeanVariance", "Quantile", "Risk", "as_risk"]

Array = NDArray[np.float64]
NAMES = ("mean", "quantile", "cvar", "mean-variance")


@dataclass(frozen=True)
class Mean:
    """The mean of the total over the draws: neutral to risk.

    Not the same as the total at the curves' own parameters, which `allocate` maximises without ``risk``: curves bend,
    so the mean over what they may be is not the curve at their mean.

    Examples
    --------
    >>> from segmentation.allocation import Mean
    >>> Mean().of([1.0, 2.0, 6.0])
    3.0
    """

    def of(self, totals: Any) -> float:
        """Return the criterion of totals, one per draw."""
        return float(np.mean(_totals(totals)))

    def __str__(self) -> str:
        return "mean"


@dataclass(frozen=True)
class Quantile:
    """The total that is missed in a share of the draws only (value at risk).

    Parameters
    ----------
    share : float, above 0 and below 1
        0.1: nine in ten draws bring at least so much.

    Examples
    --------
    >>> from segmentation.allocation import Quantile
    >>> Quantile(0.1).of(range(1, 21))
    2.0
    """

    share: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "share", _share(self.share, "Quantile"))

    def of(self, totals: Any) -> float:
        """Return the criterion of totals, one per draw: the smallest that at least this share of them do not exceed."""
        values = np.sort(_totals(totals))
        return float(values[n_below(self.share, len(values))])

    def __str__(self) -> str:
        return f"{100 * self.share:g} % quantile"


@dataclass(frozen=True)
class CVaR:
    """The mean of the total over the worst share of the draws (conditional value at risk, expected shortfall).

    Concave where curves are, so that the best plan can be found and proven [1]_.

    Parameters
    ----------
    share : float, above 0 and below 1
        0.1: the mean over the worst tenth.

    References
    ----------
    .. [1] Rockafellar, Uryasev (2000), Optimization of conditional value-at-risk, Journal of Risk 2(3), 21-41,
       doi:10.21314/JOR.2000.038.

    Examples
    --------
    >>> from segmentation.allocation import CVaR
    >>> CVaR(0.1).of(range(1, 21))
    1.5
    """

    share: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "share", _share(self.share, "CVaR"))

    def of(self, totals: Any) -> float:
        """Return the criterion of totals, one per draw; a part of a draw counts in part."""
        values = np.sort(_totals(totals))
        size = self.share * len(values)
        weights = np.clip(size - np.arange(len(values)), 0.0, 1.0)
        return float(weights @ values / size)

    def __str__(self) -> str:
        return f"mean of the worst {100 * self.share:g} %"


@dataclass(frozen=True)
class MeanVariance:
    """The mean of the total less `aversion` times its variance over the draws.

    Parameters
    ----------
    aversion : float, 0 or more
        In 1 / unit of the outcome: with 0.001 a standard deviation of 100 costs as much as 10 of the mean. Punishes
        good surprises as well as bad ones.

    Examples
    --------
    >>> from segmentation.allocation import MeanVariance
    >>> MeanVariance(0.5).of([1.0, 3.0])
    1.5
    """

    aversion: float

    def __post_init__(self) -> None:
        value = _number(self.aversion, "MeanVariance: aversion")
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"MeanVariance: aversion must be finite and 0 or more, got {self.aversion!r}.")
        object.__setattr__(self, "aversion", value)

    def of(self, totals: Any) -> float:
        """Return the criterion of totals, one per draw."""
        values = _totals(totals)
        return float(values.mean() - self.aversion * values.var())

    def __str__(self) -> str:
        return f"mean less {self.aversion:g} x variance"


Risk = Mean | Quantile | CVaR | MeanVariance


def as_risk(risk: Any) -> Risk:
    """Return what is to be maximised: a `Risk` as it is, ``"mean"`` or a pair such as ``("quantile", 0.1)``.

    Examples
    --------
    >>> as_risk(("cvar", 0.1)), as_risk("mean")
    (CVaR(share=0.1), Mean())
    """
    if isinstance(risk, Risk):
        return risk
    if isinstance(risk, str) and risk == "mean":
        return Mean()
    if isinstance(risk, tuple | list) and len(risk) == 2:
        kinds: dict[str, Any] = {"quantile": Quantile, "cvar": CVaR, "mean-variance": MeanVariance}
        if risk[0] in kinds:
            chosen: Risk = kinds[risk[0]](risk[1])
            return chosen
    hint = f"; with its share, such as ({risk!r}, 0.1)" if risk in NAMES[1:3] else ""
    raise ValueError(
        'risk must be "mean", ("quantile", share), ("cvar", share) or ("mean-variance", aversion), or Mean(), '
        f"Quantile(share), CVaR(share), MeanVariance(aversion); got {risk!r}{hint}."
    )


def n_below(share: float, n_draws: int) -> int:
    """Return how many draws may fall short of the quantile; rounding of ``share * n_draws`` does not count."""
    return max(math.ceil(share * n_draws * (1 - 1e-12)) - 1, 0)


def _totals(totals: Any) -> Array:
    values = np.asarray(list(totals) if isinstance(totals, range) else totals, dtype=np.float64)
    if values.ndim != 1 or not len(values):
        raise ValueError(f"totals must be one number per draw, got shape {values.shape}.")
    if not np.isfinite(values).all():
        raise ValueError(f"totals must be finite, got {name_some(values[~np.isfinite(values)])}.")
    return values


def _number(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise TypeError(f"{what} must be a number, got {value!r}.")
    return float(value)


def _share(value: Any, kind: str) -> float:
    share = _number(value, f"{kind}: share")
    if not 0 < share < 1:
        raise ValueError(f"{kind}: share must be above 0 and below 1 (0.1 is the worst tenth), got {value!r}.")
    return share
