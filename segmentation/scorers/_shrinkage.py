"""Empirical-Bayes shrinkage of customers towards segments, and of segments towards the population: pure maths.

Two levels of credibility: a customer's mean of n answers keeps the weight n / (n + k), k the variance of answers of
one customer over that between customers of a segment; a segment's mean keeps a weight that grows with its size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Levels", "Rates", "fit_levels", "fit_rates"]

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Levels:
    """What answers vary by, and the means that customers are drawn to.

    Attributes
    ----------
    within, between : float
        Variance of the answers of one customer; of customers' means within a segment. NaN where too few customers
        have several answers to tell them apart.
    prior_answers : float
        k: how many answers the mean of the segment is worth; infinite where customers do not differ.
    between_segments : float
        Variance of the segments' means.
    population : float
        Mean over all customers, those who have not answered included at their segment's mean.
    segments : ndarray of shape (n_segments,)
        Means, drawn towards the mean of the segments.
    segment_shrinkage : ndarray of shape (n_segments,)
        Weight of the mean of the segments in them: 1 where a segment has no answer.
    """

    within: float
    between: float
    prior_answers: float
    between_segments: float
    population: float
    segments: Floats
    segment_shrinkage: Floats

    def prior(self, segment: Codes) -> Floats:
        """Return what a customer without answers is expected to say; code -1 is no known segment."""
        means = np.append(self.segments, self.population)  # -1 takes the last
        return np.asarray(means[segment], dtype=np.float64)

    def shrinkage(self, n: Floats) -> Floats:
        """Return the weight of the prior for a customer with `n` answers: 1 for none."""
        if np.isinf(self.prior_answers):
            return np.ones_like(n)
        total = n + self.prior_answers
        return np.divide(self.prior_answers, total, out=np.ones_like(n), where=(n > 0) & (total > 0))

    def expected(self, n: Floats, mean: Floats, segment: Codes) -> Floats:
        """Return the shrunk mean; `mean` is ignored where `n` is 0."""
        weight = self.shrinkage(n)
        return np.where(n > 0, (1 - weight) * np.where(n > 0, mean, 0.0), 0.0) + weight * self.prior(segment)


def fit_levels(
    n: Floats, mean: Floats, squares: Floats, segment: Codes, n_segments: int, prior_answers: float | None
) -> Levels:
    """Estimate the variances by the method of moments, then the means.

    Parameters
    ----------
    n, mean, squares : ndarray of shape (n_customers,)
        Number of answers, their mean, and the sum of squared deviations from it.
    segment : ndarray of int64
        Codes; -1 for none. Customers without a segment count for the variances and the population only.
    n_segments : int
    prior_answers : float or None
        k, where it is given; estimated otherwise, for which some customers must have several answers.
    """
    everybody = np.where(segment < 0, n_segments, segment)
    has = n > 0
    n, mean, squares, segment = n[has], mean[has], squares[has], segment[has]
    # those without a segment are a group of their own while variances are estimated
    group = np.where(segment < 0, n_segments, segment)
    size = np.bincount(group, weights=n, minlength=n_segments + 1)
    sums = np.bincount(group, weights=n * mean, minlength=n_segments + 1)
    centre = np.divide(sums, size, out=np.zeros_like(size), where=size > 0)
    spread = float(np.sum(n * (mean - centre[group]) ** 2))
    customers = len(n) - np.count_nonzero(size)
    within, between = np.nan, np.nan
    repeats = float(np.sum(n - 1))
    if repeats > 0:
        within = float(squares.sum() / repeats)
        unevenness = np.bincount(group, weights=n**2, minlength=n_segments + 1)
        room = float(n.sum() - np.divide(unevenness, size, out=np.zeros_like(size), where=size > 0).sum())
        between = max(0.0, (spread - customers * within) / room) if room > 0 else 0.0
    if prior_answers is None:
        k = within / between if between > 0 else np.inf
    else:
        # only their sum is seen where everybody answered once
        k = float(prior_answers)
        total = (spread + float(squares.sum())) / max(float(n.sum()) - np.count_nonzero(size), 1.0)
        share = 1.0 if np.isinf(k) else k / (1 + k)
        within, between = total * share, total * (1 - share)
    # the variance of a customer's mean, between + within / n, is unit / weight
    weight, unit = (n / (1 + n / k), within) if k > 0 else (np.ones_like(n), between)
    precision = np.bincount(group, weights=weight, minlength=n_segments + 1)
    sums = np.bincount(group, weights=weight * mean, minlength=n_segments + 1)
    own = np.divide(sums, precision, out=np.full_like(sums, np.nan), where=precision > 0)
    variance = np.divide(unit, precision, out=np.full_like(precision, np.inf), where=precision > 0)
    centre_of_segments, omega, shrinkage = _groups(own[:n_segments], variance[:n_segments])
    if np.isnan(centre_of_segments):
        centre_of_segments = float(sums.sum() / precision.sum())
    segments = np.where(precision[:n_segments] > 0, (1 - shrinkage) * own[:n_segments], 0.0)
    segments = segments + np.where(precision[:n_segments] > 0, shrinkage, 1.0) * centre_of_segments
    # everybody counts in the population, whether they answered or not; those without a segment at their own mean
    members = np.bincount(everybody, minlength=n_segments + 1).astype(np.float64)
    means = np.append(segments, own[-1] if precision[-1] > 0 else 0.0)
    members[-1] = members[-1] if precision[-1] > 0 else 0.0
    population = float(np.sum(members * means) / members.sum())
    return Levels(float(within), float(between), float(k), omega, population, segments, shrinkage)


def _groups(own: Floats, variance: Floats) -> tuple[float, float, Floats]:
    """Return the mean over groups, their variance (DerSimonian and Laird) and the weight of the mean for each."""
    seen = np.isfinite(variance)
    shrinkage = np.ones_like(own)
    if not seen.any():
        return np.nan, 0.0, shrinkage
    mean, spread = own[seen], variance[seen]
    if (spread <= 0).any():  # no variance at all: every mean is known
        shrinkage[seen] = 0.0
        return float(mean.mean()), float(mean.var()), shrinkage
    weight = 1 / spread
    fixed = float(np.sum(weight * mean) / weight.sum())
    q = float(np.sum(weight * (mean - fixed) ** 2))
    room = float(weight.sum() - np.sum(weight**2) / weight.sum())
    omega = max(0.0, (q - (len(mean) - 1)) / room) if room > 0 else 0.0
    weight = 1 / (spread + omega)
    shrinkage[seen] = spread / (spread + omega)
    return float(np.sum(weight * mean) / weight.sum()), omega, shrinkage


@dataclass(frozen=True)
class Rates:
    """Gamma-distributed rates of Poisson counts.

    Attributes
    ----------
    shape : float
        Of the gamma distribution of rates within a segment; infinite where they do not differ.
    population : float
        Mean rate per unit of exposure.
    segments, segment_shrinkage : ndarray of shape (n_segments,)
        As in `Levels`.
    """

    shape: float
    population: float
    segments: Floats
    segment_shrinkage: Floats

    def prior(self, segment: Codes) -> Floats:
        """Return the mean rate of a customer of whom nothing is known."""
        rates = np.append(self.segments, self.population)
        return np.asarray(rates[segment], dtype=np.float64)

    def expected(self, count: Floats, exposure: Floats, segment: Codes) -> Floats:
        """Return the posterior mean of the rate: (shape + count) / (shape / prior + exposure)."""
        prior = self.prior(segment)
        if np.isinf(self.shape):
            return prior
        return prior * (self.shape + count) / (self.shape + prior * exposure)

    def any(self, count: Floats, exposure: Floats, segment: Codes) -> Floats:
        """Return the probability of at least one count in one further unit of exposure."""
        prior = self.prior(segment)
        if np.isinf(self.shape):
            return -np.expm1(-prior)
        # with rate parameter b = shape / prior + exposure: 1 - (b / (b + 1)) ** (shape + count)
        b = self.shape + prior * exposure
        return -np.expm1(-(self.shape + count) * np.log1p(prior / b))


def fit_rates(count: Floats, exposure: Floats, segment: Codes, n_segments: int) -> Rates:
    """Estimate rates of segments and population, and the spread of customers' rates, by the method of moments."""
    seen = exposure > 0
    count, exposure, segment = count[seen], exposure[seen], segment[seen]
    population = float(count.sum() / exposure.sum())
    known = segment >= 0
    total = np.bincount(segment[known], weights=count[known], minlength=n_segments)
    time = np.bincount(segment[known], weights=exposure[known], minlength=n_segments)
    if population <= 0:
        return Rates(np.inf, 0.0, np.zeros(n_segments), np.ones(n_segments))
    own = np.divide(total, time, out=np.full(n_segments, population), where=time > 0)
    mean = np.append(own, population)[segment] * exposure
    square = float(np.sum(mean**2))
    excess = float(np.sum((count - mean) ** 2 - count)) / square if square > 0 else 0.0
    shape = 1 / excess if excess > 0 else np.inf
    unevenness = np.bincount(segment[known], weights=exposure[known] ** 2, minlength=n_segments)
    # variance of a segment's rate, with the population's in place of its own, which may be 0
    noise = population * time + max(excess, 0.0) * population**2 * unevenness
    variance = np.divide(noise, time**2, out=np.full(n_segments, np.inf), where=time > 0)
    middle, _, shrinkage = _groups(own, variance)
    if np.isnan(middle):
        middle = population
    segments = np.where(time > 0, shrinkage * middle + (1 - shrinkage) * own, middle)
    return Rates(shape, population, np.maximum(segments, 0.0), shrinkage)
