"""Numbers that did not form the segments: differences of means, tested by shuffling, with intervals for skewed ones."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from segmentation.evaluation._descriptors_bounds import (
    Shuffled,
    Sums,
    enough_shuffles,
    mean_and_variance,
    shift_bounds,
)

__all__ = ["MeanTests", "explained", "mean_differences", "shuffle_means", "tail_p_value"]

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

# A mean is compared where this many have a value, so that there is a variance.
FEWEST = 2
# A segment without any spread (nobody spent anything) is not infinitely sure of its mean.
LEAST_VARIANCE = 0.01
# Fewer shuffles than this beyond the figure observed count too coarsely: the tail is fitted.
FEWEST_BEYOND = 10
LARGE_TABLE = 20_000
# A bound at a twentieth is known to .007 from so many shuffles; tests need more of them.
SHUFFLES_FOR_BOUNDS = 999


class MeanTests(NamedTuple):
    """P-values of each variable, shape (n_variables,), and of each segment against the rest, (n_segments, ...).

    ``low`` and ``high`` are bounds of the difference of the segment's mean from the rest's, of the same shape; None
    where no level was asked for, or there are too few shuffles for it.
    """

    overall: Floats
    against_rest: Floats
    low: Floats | None = None
    high: Floats | None = None


def shuffle_means(
    values: Floats,
    codes: Codes,
    n_segments: int,
    *,
    n_permutations: int,
    rng: np.random.Generator,
    level: float | None = None,
) -> MeanTests:
    """Test differences of means by shuffling customers, with statistics that are divided by their standard errors.

    Shuffling alone tests that segments are alike in every way; dividing each difference by its own standard error
    makes the test one of means, also where variances and sizes differ (Janssen 1997, doi:10.1016/S0167-7152(97)00043-6;
    Pauly, Brunner, Konietschke 2015, doi:10.1111/rssb.12073).

    Parameters
    ----------
    values : ndarray of shape (n_customers, n_variables)
        NaN where missing.
    codes : ndarray of shape (n_customers,)
        0 .. n_segments - 1; n_segments for the unassigned, who are in the rest.
    n_segments : int
    n_permutations : int
    rng : Generator
    level : float, optional
        Level of the bounds of differences, from the same shuffles (`shift_bounds`).
    """
    order = np.argsort(codes, kind="stable")
    size = np.bincount(codes, minlength=n_segments + 1)
    there = np.flatnonzero(size)
    ends = np.cumsum(size[there])
    segments = there[there < n_segments]
    rows = np.arange(len(segments))
    known = ~np.isnan(values)
    gaps = np.flatnonzero(~known.all(axis=0))
    some = known.any(axis=0)
    centre, spread = (of(np.where(some, values, 0.0), axis=0) for of in (np.nanmean, np.nanstd))
    y = np.where(known, (values - centre) / np.where(spread > 0, spread, 1.0), 0.0)
    # who has a value is shuffled along only where somebody has none
    wide = np.hstack([y, y**2, known[:, gaps]])
    p = values.shape[1]

    def sums_of(shuffled: NDArray[Any]) -> tuple[Sums, Sums]:
        ones = np.ones(len(shuffled), dtype=shuffled.dtype)
        blocks = zip((0, *ends[:-1]), ends, strict=True)
        sums = np.stack([ones[start:end] @ shuffled[start:end] for start, end in blocks]).astype(np.float64)
        n = np.repeat(size[there].astype(np.float64)[:, None], p, axis=1)
        n[:, gaps] = sums[:, 2 * p :]
        whole = Sums(n.sum(axis=0), sums[:, :p].sum(axis=0), sums[:, p : 2 * p].sum(axis=0))
        return Sums(n[rows], sums[rows, :p], sums[rows, p : 2 * p]), whole

    parts, whole = sums_of(wide[order])
    overall, contrast = _welch_anova(parts), _against_rest(parts, whole)
    fast = wide.astype(np.float32) if len(wide) > LARGE_TABLE else wide
    drawn_overall = np.empty((n_permutations, p))
    drawn_contrast = np.empty((n_permutations, *contrast.shape))
    bounded = level is not None and enough_shuffles(min(n_permutations, SHUFFLES_FOR_BOUNDS), level)
    kept: list[tuple[Floats, ...]] = []
    for i in range(n_permutations):
        shuffle = rng.permutation(len(fast))
        drawn, everything = sums_of(fast[shuffle])
        drawn_overall[i], drawn_contrast[i] = _welch_anova(drawn), _against_rest(drawn, everything)
        if bounded and i < SHUFFLES_FOR_BOUNDS:
            stayed = shuffle[codes[shuffle] == codes[order]]
            kept.append((*drawn, *_own(fast, stayed, codes[stayed], segments, p, gaps)))
    p_overall = np.array([tail_p_value(overall[j], drawn_overall[:, j]) for j in range(p)])
    p_contrast = np.full((n_segments, p), np.nan)
    for i, code in enumerate(segments):
        for j in range(p):
            p_contrast[code, j] = tail_p_value(contrast[i, j], drawn_contrast[:, i, j])
    if not bounded or level is None:
        return MeanTests(p_overall, p_contrast)
    shuffled = Shuffled(*(np.stack([one[place] for one in kept]) for place in range(5)))
    bounds = np.full((2, n_segments, p), np.nan)
    bounds[:, segments] = shift_bounds(parts, whole, shuffled, level)
    low, high = bounds * np.where(spread > 0, spread, 1.0)
    return MeanTests(p_overall, p_contrast, low, high)


def _own(
    values: NDArray[Any], rows: NDArray[np.int64], codes: Codes, segments: Codes, p: int, gaps: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Count and add, per segment, the values of those whom a shuffle left in their own; codes rise along the rows."""
    ends = np.searchsorted(codes, segments, side="right")
    starts = np.searchsorted(codes, segments, side="left")
    sums = np.stack([values[rows[a:b]].sum(axis=0, dtype=np.float64) for a, b in zip(starts, ends, strict=True)])
    n = np.repeat((ends - starts).astype(np.float64)[:, None], p, axis=1)
    n[:, gaps] = sums[:, 2 * p :]
    return n, sums[:, :p]


def _against_rest(parts: Sums, whole: Sums) -> Floats:
    """|Welch's t| of every segment against the rest; NaN where one of them has no variance to speak of."""
    rest = Sums(*(total - part for total, part in zip(whole, parts, strict=True)))
    mean, variance = mean_and_variance(parts)
    other, other_variance = mean_and_variance(rest)
    squared = variance / np.maximum(parts.n, 1.0) + other_variance / np.maximum(rest.n, 1.0)
    usable = (parts.n >= FEWEST) & (rest.n >= FEWEST) & (squared > 1e-9)
    return np.divide(np.abs(mean - other), np.sqrt(squared), out=np.full_like(mean, np.nan), where=usable)


def _welch_anova(parts: Sums) -> Floats:
    """Weighted squared distance of the means from their common mean, weights n / variance."""
    mean, variance = mean_and_variance(parts)
    weight = np.where(parts.n >= FEWEST, parts.n / np.maximum(variance, LEAST_VARIANCE), 0.0)
    common = (weight * mean).sum(axis=0) / np.maximum(weight.sum(axis=0), 1e-12)
    compared = (weight > 0).sum(axis=0) >= 2
    statistic: Floats = np.where(compared, (weight * (mean - common) ** 2).sum(axis=0), np.nan)
    return statistic


def tail_p_value(observed: float, drawn: Floats) -> float:
    """Return how often chance gives at least the figure observed; NaN where there is none.

    The share of draws, the observed one counted among them. Where fewer than ten draws lie beyond it, a generalised
    Pareto tail is fitted to the largest tenth of them (Knijnenburg et al. 2009, doi:10.1093/bioinformatics/btp211), by
    probability weighted moments and never shorter than an exponential tail: statistics of tests have shorter ones, so
    the p-value is too large rather than too small.

    Examples
    --------
    >>> drawn = np.abs(np.random.default_rng(0).normal(size=4999))
    >>> tail_p_value(1.96, drawn).__round__(2), 2e-9 < tail_p_value(6.0, drawn) < 1e-4
    (0.05, True)
    """
    if not np.isfinite(observed):
        return float("nan")
    drawn = np.sort(drawn[np.isfinite(drawn)])
    beyond = len(drawn) - int(np.searchsorted(drawn, observed - 1e-9 * max(1.0, abs(observed)), side="left"))
    if beyond >= FEWEST_BEYOND or len(drawn) < 100:
        return (1 + beyond) / (1 + len(drawn))
    n_tail = max(len(drawn) // 10, 25)
    threshold = (drawn[-n_tail] + drawn[-n_tail - 1]) / 2
    excess = drawn[-n_tail:] - threshold
    mean = float(excess.mean())
    if mean <= 0:
        return (1 + beyond) / (1 + len(drawn))
    # the plotting positions of Hosking and Wallis (1987), doi:10.1080/00401706.1987.10488243
    weight = 1 - (np.arange(1, n_tail + 1) - 0.35) / n_tail
    weighted = float((weight * excess).mean())
    shape = min(max(2 - mean / (mean - 2 * weighted), 0.0), 0.9) if mean > 2 * weighted else 0.0
    scale = mean * (1 - shape)
    share = n_tail / len(drawn)
    tail = float(share * stats.genpareto.sf(max(observed - threshold, 0.0), shape, scale=scale))
    return float(np.clip(tail, np.finfo(np.float64).tiny, 1.0))


def mean_differences(y: Floats, group: Codes, n_segments: int, level: float) -> Floats:
    """Return mean, mean of the rest, difference and its bounds per segment: shape (n_segments, 6), first the counts.

    These bounds are for levels that have too few shuffles (see `shuffle_means`): Welch's, with Hall's transformation
    for skewness in the form for two samples (Hall 1992, J. Royal Statistical Society B 54, 221-228; Zhou, Dinh 2005,
    Biostatistics 6, 187-200). Of 100 lognormal values against 900, 90 % bounds hold in 87 of 100 samples.
    """
    result = np.full((n_segments, 6), np.nan)
    result[:, 0] = 0
    if not len(y):
        return result
    centre = y.mean()
    z = y - centre
    moments = [np.bincount(group, weights=z**k, minlength=n_segments + 1) for k in range(4)]
    whole = [moment.sum() for moment in moments]
    for code in range(n_segments):
        n1 = moments[0][code]
        n2 = whole[0] - n1
        result[code, 0] = n1
        if not n1:
            continue
        m1, v1, t1 = _moments(*(moment[code] for moment in moments))
        result[code, 1] = centre + m1
        if not n2:
            continue
        m2, v2, t2 = _moments(*(total - moment[code] for total, moment in zip(whole, moments, strict=True)))
        result[code, 2] = centre + m2
        result[code, 3] = m1 - m2
        squared = v1 / n1 + v2 / n2
        if min(n1, n2) < FEWEST or not squared > 0:
            continue
        df = squared**2 / ((v1 / n1) ** 2 / (n1 - 1) + (v2 / n2) ** 2 / (n2 - 1))
        skew = (t1 / n1**2 - t2 / n2**2) / squared**1.5
        quantile = stats.t.ppf((1 + level) / 2, df)
        ends = _untransform(np.array([quantile, -quantile]), skew)
        result[code, 4:6] = (m1 - m2) - ends * np.sqrt(squared)
    return result


def _moments(n: float, s: float, q: float, c: float) -> tuple[float, float, float]:
    """Mean, variance and third central moment from sums of powers."""
    mean = s / n
    variance = max(q / n - mean**2, 0.0)
    third = c / n - 3 * mean * q / n + 2 * mean**3
    return mean, variance * n / max(n - 1, 1), third


def _untransform(x: Floats, skew: float) -> Floats:
    """Inverse of Hall's monotone cubic transformation; `skew` is the skewness of the difference itself."""
    if abs(skew) < 1e-6:
        return x
    ends: Floats = 3 / skew * (np.cbrt(1 + skew * (x - skew / 6)) - 1)
    return ends


def explained(y: Floats, group: Codes, n_segments: int, level: float) -> tuple[float, float, float]:
    """Share of the variance that lies between segments, corrected for bias (epsilon squared), and its bounds.

    The bounds are those of the influence curve of the share, to whose variance that of a share which is zero is added:
    near zero the curve is flat and would promise too much. Of heavy-tailed values the variance itself is badly known,
    and the interval too short: 90 % bounds held in 84 to 88 % of lognormal samples of 1,000.

    Examples
    --------
    >>> y, group = np.array([1.0, 2.0, 1.5, 9.0, 8.0, 9.5]), np.array([0, 0, 0, 1, 1, 1])
    >>> [round(figure, 2) for figure in explained(y, group, 2, 0.9)]
    [0.97, 0.95, 0.99]
    """
    assigned = group < n_segments
    y, group = y[assigned], group[assigned]
    size = np.bincount(group, minlength=n_segments)
    k, n = int((size > 0).sum()), len(y)
    whole = float(((y - y.mean()) ** 2).mean()) if n else 0.0
    if k < 2 or n <= k or not whole > 0:
        return float("nan"), float("nan"), float("nan")
    z = y - y.mean()
    mean = np.bincount(group, weights=z, minlength=n_segments) / np.maximum(size, 1)
    within = float(((z - mean[group]) ** 2).mean())
    share = 1 - within / whole * (n - 1) / (n - k)
    raw = 1 - within / whole
    curve = ((1 - raw) * z**2 - (z - mean[group]) ** 2) / whole
    error = np.sqrt(float((curve**2).mean()) / n + 2 * (k - 1) * (1 - raw) ** 2 / n**2)
    share = min(max(share, 0.0), 1.0)
    half = float(stats.norm.ppf((1 + level) / 2)) * error
    if not 0 < share < 1:
        return share, share, min(share + half, 1.0)
    # the root of a share is a correlation: Fisher's transformation makes its interval hold near 0 and 1
    root = np.sqrt(share)
    centre, half = np.arctanh(root), half / (2 * root * (1 - share))
    return share, float(np.tanh(max(centre - half, 0.0)) ** 2), float(np.tanh(centre + half) ** 2)
