"""Partial pooling of segment effects, the spread between segments integrated out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import special, stats

from segmentation._format import count, name_some
from segmentation.experiments._moments import Floats
from segmentation.experiments._normal_mixture import NormalMixture
from segmentation.experiments._pooling_result import PooledEffects, alone_headline, pooled_headline
from segmentation.experiments._vectors import Vectors, as_vectors, check_level, widened

__all__ = ["FEWEST", "PRIOR_SCALE", "Posterior", "pool_effects", "posterior_of"]

FEWEST = 3
# Ten standard errors: nearly flat where it matters, and still proper. Smaller scales (1 to 3) lose coverage with three
# to five segments that truly differ, a flat prior has infinite moments with three (benchmarks/bench_pooling.py).
PRIOR_SCALE = 10.0
NEGLIGIBLE = 1e-10
ALONE = 0.05


@dataclass(frozen=True, eq=False)
class Posterior:
    """Joint posterior of the effects: given the spread ``tau[j]`` it is normal, of probability ``weight[j]``.

    Given tau, effects are ``own * estimate + (1 - own) * mean`` with variance ``own * se ** 2``, and the mean is normal
    with ``centre`` and ``spread``.
    """

    weight: Floats
    tau: Floats
    centre: Floats
    spread: Floats
    own: Floats
    estimate: Floats
    se: Floats

    def effects(self) -> NormalMixture:
        """Return the effect of every segment."""
        mean = self.own * self.estimate + (1 - self.own) * self.centre[:, None]
        sd = np.sqrt(self.own * self.se**2 + ((1 - self.own) * self.spread[:, None]) ** 2)
        return NormalMixture(self.weight, mean, sd)

    def average(self) -> NormalMixture:
        """Return the mean of the effects' distribution."""
        return NormalMixture(self.weight, self.centre[:, None], self.spread[:, None])

    def combined(self, factors: Floats) -> NormalMixture:
        """Return a sum of effects times factors; effects share the mean, so they are not independent."""
        mean = self.effects().mean @ factors
        own = (self.own * self.se**2) @ factors**2
        shared = ((1 - self.own) @ factors) * self.spread
        return NormalMixture(self.weight, mean[:, None], np.sqrt(own + shared**2)[:, None])

    def draws(self, n: int, rng: np.random.Generator) -> Floats:
        """Return joint draws (n, segments)."""
        node = rng.choice(len(self.weight), size=n, p=self.weight)
        centre = self.centre[node] + self.spread[node] * rng.standard_normal(n)
        own = self.own[node]
        noise = np.sqrt(own) * self.se * rng.standard_normal(own.shape)
        return np.asarray(own * self.estimate + (1 - own) * centre[:, None] + noise)

    def between(self, p: float) -> float:
        """Return a quantile of the spread between segments."""
        cumulated = np.cumsum(self.weight) - 0.5 * self.weight
        return float(np.interp(p, cumulated, self.tau))


def posterior_of(estimate: Floats, se: Floats, scale: float = PRIOR_SCALE) -> Posterior:
    """Integrate the spread between segments out, on a grid of its logarithm (trapezoid rule).

    Parameters
    ----------
    estimate, se : array (segments,), three and more
    scale : float
        Of the half-Cauchy prior, in geometric means of the standard errors.
    """
    k = len(estimate)
    typical = float(np.exp(np.mean(np.log(se))))
    widest = max(float(se.max()), float(np.ptp(estimate)))
    low, high = np.log(1e-4 * se.min()), np.log(1e4 * widest)
    step = min(0.06, 0.5 / np.sqrt(2 * k))  # the posterior of log(tau) has a spread of 1 / sqrt(2 k) and more
    grid = np.linspace(low, high, int(np.ceil((high - low) / step)) + 1)
    tau = np.exp(grid)
    variance = se**2 + tau[:, None] ** 2
    precision = 1 / variance
    total = precision.sum(axis=1)
    offset = float(np.average(estimate, weights=1 / se**2))  # digits of large estimates
    centre = precision @ (estimate - offset) / total
    squares = np.sum(precision * (estimate - offset - centre[:, None]) ** 2, axis=1)
    log_prior = -np.log1p((tau / (scale * typical)) ** 2) + grid
    log_density = -0.5 * (np.log(variance).sum(axis=1) + np.log(total) + squares) + log_prior
    weight = np.exp(log_density - log_density.max())
    kept = weight > NEGLIGIBLE
    weight, tau, variance = weight[kept], tau[kept], variance[kept]
    return Posterior(
        weight / weight.sum(), tau, centre[kept] + offset, 1 / np.sqrt(total[kept]), tau[:, None] ** 2 / variance,
        estimate, se,
    )  # fmt: skip


def unpooled(estimate: Floats, se: Floats) -> Posterior:
    """Return every segment by itself, in the same shape: own weight 1."""
    none = np.full(1, np.nan)
    return Posterior(np.ones(1), none, np.zeros(1), np.zeros(1), np.ones((1, len(estimate))), estimate, se)


def pool_effects(estimates: Any, standard_errors: Any = None, *, df: Any = None, level: float = 0.95) -> PooledEffects:
    """Estimate what each segment's effect is, given what all segments show (partial pooling).

    A segment's own estimate is noisy, the mean of all is not its own: a random-effects model weighs the two by how much
    segments seem to differ. That spread is uncertain itself, above all with few segments, and is integrated out, not
    plugged in: intervals from plugged-in spreads are too short.

    Parameters
    ----------
    estimates : dataframe, mapping, Series or array of shape (segments,)
        One effect per segment; a dataframe with ``estimate``, ``se`` and ``df``, as `ExperimentAnalysis.estimates`
        returns; segments in the index, or in a column ``segment``. Missing ones are left out, and said.
    standard_errors : mapping, Series or array of shape (segments,), optional
        Above 0. Not needed with a dataframe.
    df : mapping, Series, number or array, optional
        Degrees of freedom of the standard errors; they are then widened to reach as far as Student's t.
    level : float, default=0.95

    Returns
    -------
    PooledEffects
        With one or two segments nothing is pooled, because the spread between them cannot be learnt: the estimates stay
        as they are and ``pooled`` is False.

    Raises
    ------
    ValueError
        If names or lengths differ, a standard error is 0, negative or infinite, or no segment has an estimate.

    Notes
    -----
    Estimates are normal around the effects theta_i with known standard errors and independent (other customers in every
    segment); theta_i ~ N(mu, tau^2). mu has a flat prior; **tau a half-Cauchy prior** (Gelman 2006,
    doi:10.1214/06-BA117A) with a scale of ten typical (geometric mean) standard errors: half of it lies below 10
    standard errors, within which it is nearly flat. Among flat, half-Cauchy of scales 1 to 10, uniform shrinkage and
    DuMouchel's priors this one held at least 93 % at every spread from 0 to 10 standard errors with 3 to 20 segments
    and stays proper with three. Given tau all is normal, so the posterior is a mixture of normals over a grid of tau;
    intervals are quantiles of that mixture.

    **A lone outlier is drawn towards the others**, who say that segments hardly differ. Averaged over segments the
    intervals hold; for the one segment that truly differs they hold less often. A segment that the others do not
    predict is named in ``warnings``.

    Examples
    --------
    >>> from segmentation.experiments import pool_effects
    >>> found = pool_effects({"new": 3.0, "regular": 1.0, "lapsed": -1.0, "vip": 1.5}, {"new": 1.0, "regular": 0.5,
    ...                      "lapsed": 1.0, "vip": 1.5})
    >>> found.table[["estimate", "pooled", "pooled_low", "pooled_high"]].round(1).loc["new"].to_list()
    [3.0, 2.4, 0.6, 4.4]
    """
    level = check_level(level)
    given = as_vectors(estimates, standard_errors, df)
    known = given.known
    if not known.any():
        raise ValueError("no segment has an estimate with a standard error: nothing to pool.")
    estimate = given.estimate[known]
    se = widened(given.se[known], given.df[known], level)
    pooled = int(known.sum()) >= FEWEST
    posterior = posterior_of(estimate, se) if pooled else unpooled(estimate, se)
    table = _table(given, posterior, level, pooled=pooled)
    notes = _notes(given, pooled=pooled)
    if pooled:
        notes += _outlier(given.names[known], posterior, table[known])
    average = posterior.average()
    tail = (1 - level) / 2
    mean = {
        "mean": average.expectation().item() if pooled else np.nan,
        "low": average.quantile(tail).item() if pooled else np.nan,
        "high": average.quantile(1 - tail).item() if pooled else np.nan,
    }
    between = {
        "median": posterior.between(0.5) if pooled else np.nan,
        "low": posterior.between(tail) if pooled else np.nan,
        "high": posterior.between(1 - tail) if pooled else np.nan,
    }
    settings = {
        "level": level, "n_segments": int(known.sum()), "n_left_out": int((~known).sum()), "pooled": pooled,
        "prior": f"half-Cauchy, scale {PRIOR_SCALE:g} typical standard errors" if pooled else None,
        "prior_scale": PRIOR_SCALE * float(np.exp(np.mean(np.log(se)))) if pooled else None,
    }  # fmt: skip
    text = pooled_headline(table, mean, between, level) if pooled else alone_headline(int(known.sum()))
    return PooledEffects(text, table, mean, between, pooled, settings, tuple(notes), posterior, given.names[known])


def _table(given: Vectors, posterior: Posterior, level: float, *, pooled: bool) -> pd.DataFrame:
    effects = posterior.effects()
    tail = (1 - level) / 2
    known = given.known
    own = posterior.weight @ posterior.own
    columns = {
        "pooled": effects.expectation(), "pooled_low": effects.quantile(tail),
        "pooled_high": effects.quantile(1 - tail), "pooled_se": effects.deviation(), "own_weight": own,
        "probability_positive": 1 - effects.cdf(0.0),
    }  # fmt: skip
    made = pd.DataFrame({"estimate": given.estimate, "se": given.se}, index=given.names.rename("segment"))
    for name, values in columns.items():
        made[name] = np.nan
        made.loc[known, name] = values
    return made


def _notes(given: Vectors, *, pooled: bool) -> list[str]:
    notes = []
    left = given.names[~given.known]
    if len(left):
        notes.append(
            f"{count(len(left), 'segment')} without an estimate or standard error left out: {name_some(left)}."
        )
    n = int(given.known.sum())
    if not pooled:
        notes.append(
            f"not pooled: {count(n, 'segment')} cannot say how much segments differ, pooling needs {FEWEST}. "
            "Effects stand as estimated, each by itself, and the largest of them is likely too large."
        )
        return notes
    notes.append(
        "segments are taken as alike before the data: nothing known beforehand says which respond more, and the "
        "estimates are independent (no customer in two segments)."
    )
    if n <= 5:
        notes.append(
            f"{n} segments say little about how much effects differ, so the interval of the spread is wide; pooled "
            "intervals allow for that."
        )
    return notes


def _outlier(names: pd.Index[Any], posterior: Posterior, table: pd.DataFrame) -> list[str]:
    """Name the segment that the others do not predict, and say what pooling did to it."""
    k = len(names)
    if k <= FEWEST:
        return []
    typical = posterior.between(0.5)
    away = np.abs(posterior.estimate - float(posterior.weight @ posterior.centre))
    i = int(np.argmax(away / np.sqrt(posterior.se**2 + typical**2)))
    others = np.arange(k) != i
    rest = posterior_of(posterior.estimate[others], posterior.se[others])
    spread = np.sqrt(rest.spread**2 + rest.tau**2 + posterior.se[i] ** 2)
    z = (posterior.estimate[i] - rest.centre) / spread
    p = float(2 * min(rest.weight @ special.ndtr(z), rest.weight @ special.ndtr(-z)))
    if p * k >= ALONE:
        return []
    row = table.iloc[i]
    moved = abs(row["pooled"] - row["estimate"]) / row["se"]
    return [
        f"segment {names[i]!r} stands alone: the other {k - 1} do not predict its {row['estimate']:.4g} (p = "
        f"{min(1.0, p * k):.1g}, the farthest of {k}). Pooling moved it by {moved:.2g} standard errors towards them, "
        f"to {row['pooled']:.4g}; if it truly differs from all others that is too far, and its pooled interval holds "
        "less often than its level says. Its own estimate stands beside; a new test of this segment decides."
    ]


def plug_in(estimate: Floats, se: Floats, level: float, *, method: str) -> tuple[Floats, Floats, Floats, float]:
    """Pool with an estimated spread taken as known, for comparison: it understates uncertainty.

    Parameters
    ----------
    estimate, se : array (segments,)
    level : float
    method : {"dl", "reml"}
        Moments of DerSimonian and Laird (doi:10.1016/0197-2456(86)90046-2), or restricted maximum likelihood.

    Returns
    -------
    pooled, low, high : array (segments,)
    tau : float
    """
    tau = float(np.sqrt(_moments(estimate, se) if method == "dl" else _reml(estimate, se)))
    precision = 1 / (se**2 + tau**2)
    centre = float(precision @ estimate / precision.sum())
    own = tau**2 * precision
    sd = np.sqrt(own * se**2 + (1 - own) ** 2 / precision.sum())
    pooled = own * estimate + (1 - own) * centre
    z = stats.norm.ppf(0.5 + level / 2)
    return pooled, pooled - z * sd, pooled + z * sd, tau


def _moments(estimate: Floats, se: Floats) -> float:
    w = 1 / se**2
    q = float(w @ (estimate - w @ estimate / w.sum()) ** 2)
    return max(0.0, (q - (len(se) - 1)) / float(w.sum() - (w**2).sum() / w.sum()))


def _reml(estimate: Floats, se: Floats) -> float:
    variance = _moments(estimate, se)
    for _ in range(200):
        w = 1 / (se**2 + variance)
        centre = w @ estimate / w.sum()
        new = float(w**2 @ ((estimate - centre) ** 2 - se**2) / (w**2).sum() + 1 / w.sum())
        new = max(0.0, new)
        if abs(new - variance) <= 1e-10 * float(se.min()) ** 2:
            return new
        variance = new
    return variance
