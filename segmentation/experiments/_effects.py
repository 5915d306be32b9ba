"""Means of every arm in every segment with their variances, raw or adjusted, and the lifts between arms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from segmentation.experiments._moments import Floats, Moments

__all__ = ["Arms", "Lifts", "adjusted", "fieller", "lifts_of", "linearised", "raw", "slopes_of", "stratified"]


@dataclass(frozen=True, eq=False)
class Arms:
    """Estimated means of s scopes (segments, or all customers) by a arms.

    Parameters
    ----------
    mean : array (s, a)
        Less `base`.
    own : array (s, a)
        Variance from the customers of the arm itself.
    common : array (s, a, a)
        Covariance that arms share, because the covariates of all customers of the scope are a sample too.
    df : array (s, a)
        Degrees of freedom of `own`.
    df_common : array (s,)
    base : float
        To be added to `mean`: differences of means near 1e9 keep their digits without it.
    """

    mean: Floats
    own: Floats
    common: Floats
    df: Floats
    df_common: Floats
    base: float = 0.0


@dataclass(frozen=True, eq=False)
class Lifts:
    """Lift of one arm over control in s scopes, with what relative lifts need beside it."""

    lift: Floats
    variance: Floats
    df: Floats
    control: Floats
    treated: Floats
    variance_control: Floats
    variance_treated: Floats
    covariance: Floats

    @property
    def se(self) -> Floats:
        """Standard error of the lift."""
        return np.sqrt(self.variance)

    def interval(self, level: float) -> tuple[Floats, Floats]:
        """Return the bounds of the lift, by Student's t; none where the spread is unknown or zero."""
        reach = np.where(self.variance > 0, self.critical(level) * self.se, np.nan)
        return self.lift - reach, self.lift + reach

    def critical(self, level: float) -> Floats:
        """Return the quantile that the interval reaches to."""
        with np.errstate(invalid="ignore"):
            return np.asarray(stats.t.ppf(0.5 + level / 2, self.df), dtype=float)

    def p_value(self) -> Floats:
        """Two-sided p-value of no lift."""
        with np.errstate(invalid="ignore", divide="ignore"):
            statistic = np.where(self.variance > 0, self.lift / self.se, np.nan)
            return np.asarray(2 * stats.t.sf(np.abs(statistic), self.df), dtype=float)


def linearised(moments: Moments) -> Moments:
    """Turn (numerator, denominator, covariates) into (ratio, covariates): the delta method.

    The ratio r of two means behaves as the mean of ``r + (numerator - r denominator) / mean denominator``, so all that
    holds for means holds for it (Deng, Knoblich, Lu 2018, doi:10.1145/3219819.3219919). The ratio is that of the group.
    """
    whole = moments.mean[..., :2] + moments.origin[:2]
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where((moments.n > 0) & (whole[..., 1] != 0), whole[..., 0] / whole[..., 1], np.nan)
        weights = np.stack([np.ones_like(ratio), -ratio], axis=-1) / whole[..., 1:2]
    k = moments.mean.shape[-1]
    matrix = np.zeros((*ratio.shape, k - 1, k))
    matrix[..., 0, :2] = np.where(np.isfinite(weights), weights, 0.0)
    matrix[..., np.arange(1, k - 1), np.arange(2, k)] = 1.0
    mean = np.concatenate([ratio[..., None], moments.mean[..., 2:]], axis=-1)
    cross = matrix @ moments.cross @ np.swapaxes(matrix, -1, -2)
    cross[np.isnan(ratio) & (moments.n > 0), 0, 0] = np.nan  # no ratio, so no spread of it either
    return Moments(moments.n, mean, cross, np.concatenate([[0.0], moments.origin[2:]]))


def raw(moments: Moments, *, proportion: bool) -> Arms:
    """Means without adjustment: Welch's variances, or those of proportions.

    A proportion of 0 or 1 gets the variance of (events + 1) of (n + 2) customers: none at all would say that it is
    known exactly.
    """
    n, mean = moments.n, moments.mean[..., 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        if proportion:
            share = mean + moments.origin[0]
            edge = (share <= 0) | (share >= 1)
            moved = np.where(edge, (n * share + 1) / (n + 2), share)
            own = np.where(n > 0, moved * (1 - moved) / n, np.nan)
            df = np.where(n > 0, np.inf, np.nan)
        else:
            own = np.where(n > 1, moments.cross[..., 0, 0] / (n - 1) / n, np.nan)
            df = np.where(n > 1, n - 1, np.nan)
        mean = np.where(n > 0, mean, np.nan)
    s, a = n.shape
    return Arms(mean, own, np.zeros((s, a, a)), df, np.full(s, np.inf), float(moments.origin[0]))


def slopes_of(moments: Moments, method: str) -> tuple[Floats, NDArray[np.int64]]:
    """Return slopes on the covariates per scope and arm, and how many covariates vary in each.

    "lin": each arm has its own. "cuped": one for all arms of the scope, from the spread within arms, so that the
    adjusted lift is that of an analysis of covariance.
    """
    cross = moments.cross
    if method == "cuped":
        cross = np.broadcast_to(cross.sum(axis=-3, keepdims=True), cross.shape)
    within, beside = cross[..., 1:, 1:], cross[..., 1:, :1]
    # in units of their own spread, so that income in cents and a share are both well conditioned
    scale = np.sqrt(np.einsum("...kk->...k", within))
    unit = np.where(scale > 0, scale, 1.0)
    inverse = np.linalg.pinv(within / unit[..., :, None] / unit[..., None, :], rcond=1e-11, hermitian=True)
    slopes = (inverse @ (beside / unit[..., :, None]))[..., 0] / unit
    rank = np.rint(np.trace(inverse @ (within / unit[..., :, None] / unit[..., None, :]), axis1=-2, axis2=-1))
    return slopes, rank.astype(np.int64)


def adjusted(moments: Moments, method: str) -> Arms:
    """Means at the covariates of all customers of the scope.

    "lin" is the regression with interactions (Lin 2013, doi:10.1214/12-AOAS583): a regression in every arm, predicted
    at the mean of the covariates over all arms, each arm with its own residual variance. "cuped" takes out one slope
    (Deng, Xu, Kohavi, Walker 2013, doi:10.1145/2433396.2433413) and compares what is left as Welch does. Both add the
    variance that the mean of the covariates has as an estimate of that of future customers.
    """
    slopes, rank = slopes_of(moments, method)
    together = moments.pooled(axis=-1)
    n, total = moments.n, together.n[..., None]
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = together.mean[..., None, 1:] - moments.mean[..., 1:]
        mean = np.where(n > 0, moments.mean[..., 0] + (slopes * apart).sum(axis=-1), np.nan)
        syy, sxy = moments.cross[..., 0, 0], moments.cross[..., 0, 1:]
        sxx = moments.cross[..., 1:, 1:]
        explained = np.einsum("...k,...kl,...l->...", slopes, sxx, slopes)
        left = np.maximum(syy - 2 * (slopes * sxy).sum(axis=-1) + explained, 0.0)
        left = np.where(left <= 1e-13 * syy, 0.0, left)
        if method == "lin":
            df = n - 1 - rank
            reach = np.einsum("...k,...kl,...l->...", apart, _inverse(sxx), apart)
            own = np.where(df > 0, left / df * (1 / n + reach), np.nan)
        else:
            df = n - 1
            own = np.where(df > 0, left / df / n, np.nan)
        df = np.where(df > 0, df, np.nan).astype(float)
        spread = together.cross[..., 1:, 1:] / ((total - 1) * total)[..., None]
        common = np.einsum("sak,skl,sbl->sab", slopes, spread, slopes)
    return Arms(mean, own, common, df, together.n - 1, float(moments.origin[0]))


def _inverse(sxx: Floats) -> Floats:
    scale = np.sqrt(np.einsum("...kk->...k", sxx))
    unit = np.where(scale > 0, scale, 1.0)
    inverse = np.linalg.pinv(sxx / unit[..., :, None] / unit[..., None, :], rcond=1e-11, hermitian=True)
    return np.asarray(inverse / unit[..., :, None] / unit[..., None, :])


def lifts_of(arms: Arms, control: int, treated: int) -> Lifts:
    """Compare one arm with control in every scope; degrees of freedom by Welch and Satterthwaite."""
    c, t = control, treated
    shared = arms.common[:, t, t] + arms.common[:, c, c] - 2 * arms.common[:, t, c]
    variance = arms.own[:, t] + arms.own[:, c] + shared
    with np.errstate(invalid="ignore", divide="ignore"):
        parts = arms.own[:, t] ** 2 / arms.df[:, t] + arms.own[:, c] ** 2 / arms.df[:, c]
        parts = parts + np.where(shared > 0, shared**2 / arms.df_common, 0.0)
        df = np.where(parts > 0, variance**2 / parts, np.where(np.isfinite(variance), np.inf, np.nan))
    return Lifts(
        arms.mean[:, t] - arms.mean[:, c],
        variance,
        df,
        arms.mean[:, c] + arms.base,
        arms.mean[:, t] + arms.base,
        arms.own[:, c] + arms.common[:, c, c],
        arms.own[:, t] + arms.common[:, t, t],
        arms.common[:, t, c],
    )


def fieller(lifts: Lifts, level: float) -> tuple[Floats, Floats, Floats]:
    """Relative lift and its bounds (Fieller 1954, doi:10.1111/j.2517-6161.1954.tb00159.x).

    They exclude 0 exactly where the bounds of the lift do. Missing where control's mean is not above 0; without bounds
    where it is not shown to be.
    """
    t, c, crit = lifts.treated, lifts.control, lifts.critical(level) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.where(c > 0, lifts.lift / c, np.nan)
        a = c**2 - crit * lifts.variance_control
        # in terms of the lift d = t - c, whose digits are the ones that matter: d = rho c
        covariance = lifts.covariance - lifts.variance_control
        b = lifts.lift * c - crit * covariance
        inside = b**2 - a * (lifts.lift**2 - crit * lifts.variance)
        root = np.sqrt(np.maximum(inside, 0.0))
        known = (c > 0) & (a > 0) & (lifts.variance > 0) & np.isfinite(t)
        return relative, np.where(known, (b - root) / a, np.nan), np.where(known, (b + root) / a, np.nan)


def stratified(lifts: Lifts, weights: Floats) -> Lifts:
    """Average lifts over segments by the customers in them; segments without an estimate are left out.

    Where the arms have other shares in other segments this is the effect, and the plain difference is a mixture.
    """
    usable = np.isfinite(lifts.lift) & np.isfinite(lifts.variance)
    share = np.asarray(np.where(usable, weights, 0.0), dtype=float)
    total = share.sum()
    if not total:
        none = np.full(1, np.nan)
        return Lifts(none, none, none, none, none, none, none, none)
    share = share / total

    def mean(values: Floats) -> Floats:
        return np.asarray([np.sum(share[usable] * values[usable])], dtype=float)

    def between(first: Floats, second: Floats) -> Floats:  # the sizes of segments are a sample as well
        a, b = first - mean(first), second - mean(second)
        return np.asarray(mean(a * b) / total)

    squares = share**2
    inner = np.array([np.sum((squares * lifts.variance)[usable])])
    with np.errstate(invalid="ignore", divide="ignore"):
        parts = np.sum(((squares * lifts.variance) ** 2 / lifts.df)[usable])
        df = inner**2 / parts if parts > 0 else np.array([np.inf])

    def pooled(values: Floats, first: Floats, second: Floats) -> Floats:
        return np.array([np.sum((squares * values)[usable])]) + between(first, second)

    return Lifts(
        mean(lifts.lift),
        inner + between(lifts.lift, lifts.lift),
        df,
        mean(lifts.control),
        mean(lifts.treated),
        pooled(lifts.variance_control, lifts.control, lifts.control),
        pooled(lifts.variance_treated, lifts.treated, lifts.treated),
        pooled(lifts.covariance, lifts.treated, lifts.control),
    )
