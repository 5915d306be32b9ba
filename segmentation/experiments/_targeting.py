"""What is gained by treating segments, or customers, one after the other in an order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse, stats

from segmentation._format import count, name_some
from segmentation.curves._fit import seed_of
from segmentation.experiments._analyze_intake import label_of
from segmentation.experiments._moments import Floats
from segmentation.experiments._policy_input import Codes, Trial, amounts, check_level, finite, read_trial
from segmentation.experiments._policy_scores import folds_of, predictions
from segmentation.experiments._targeting_area import AREAS, area_of, permuted
from segmentation.experiments._targeting_order import places_of
from segmentation.experiments._targeting_result import TargetingCurve

__all__ = ["qini", "targeting_curve"]

KNOTS = 100
BAND_DRAWS = 10_000
STRATA, PER_STRATUM = 10, 100


def targeting_curve(
    data: Any,
    order: Any,
    *,
    outcome: str,
    arm: str,
    control: Any,
    treated: Any = None,
    segment: str | None = None,
    propensity: Any = None,
    covariates: Sequence[str] | None = None,
    cost: Any = None,
    margin: float = 1.0,
    cluster: str | None = None,
    same_data: bool | None = None,
    held_out: str | None = None,
    method: str = "aipw",
    level: float = 0.95,
    n_folds: int = 5,
    n_permutations: int = 999,
    random_state: Any = None,
) -> TargetingCurve:
    """Say what is gained by treating the first of an order, the first two, and so on, from a randomized experiment.

    Parameters
    ----------
    data : dataframe
        One row per customer.
    order : sequence, mapping, str, Series or array
        Segments, first treated first; a mapping (or Series) of segments to scores, highest first; or scores of
        customers, highest first: a column, a Series by index, an array by row. Customers with equal scores are
        treated together.
    outcome, arm, control, segment, propensity, covariates, cost, margin, cluster, held_out
        As in `policy_value`.
    treated : label, optional
        The arm that is given, needed where there are several besides control.
    same_data : bool, optional
        Whether the order was made from these rows. True is refused: the curve would be too good.
    method : {"aipw", "ipw"}, default="aipw"
        Doubly robust, or plain inverse probability.
    level : float, default=0.95
    n_folds : int, default=5
        Parts of the customers, for outcome models made on others.
    n_permutations : int, default=999
        Orders at random that the order is compared with (all of them up to 7 segments; of customers at least 199, fewer
        than asked for where there are very many).
    random_state : int, numpy Generator or RandomState, optional

    Returns
    -------
    TargetingCurve

    Raises
    ------
    ColumnError, CustomerTableError, TypeError, ValueError
        If columns are missing, the order lacks a segment or a score, or was made from the same rows.

    Notes
    -----
    ``gain`` at a share u is what treating that share in order brings more than treating nobody, per customer of all
    (not of those treated), after cost. The Qini curve [1]_ is this gain, there in counts of extra sales among the
    treated; ``qini`` is the area between it and the straight line of an order at random, the integral of
    gain(u) - u gain(1). ``autoc`` is the mean over u of gain(u) / u - gain(1), which weighs the first ones more [2]_;
    both are rank-weighted average treatment effects. Standard errors are those of influence values, in which the ranks
    are estimates as well. The pointwise interval is for one share that was fixed before; the band holds all knots at
    once, so that the best of them may be looked for (maximum of the correlated normal deviations, simulated).

    Two tests: ``p_value`` of a normal deviation from 0, two-sided; ``p_permutation``, of the same gains in an order at
    random being as large, one-sided: it takes the effects of segments as they are and asks about the order only. With
    few segments there are few orders, and no p-value is small: of 3, the smallest is 1 / 6.

    References
    ----------
    .. [1] Radcliffe, N. J. (2007). Using control groups to target on predicted lift: building and assessing uplift
       models. Direct Marketing Analytics Journal.
    .. [2] Yadlowsky, S., Fleming, S., Shah, N., Brunskill, E., Wager, S. (2025). Evaluating treatment prioritization
       rules via rank-weighted average treatment effects. Journal of the American Statistical Association 120.
       arXiv:2111.07966

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from segmentation.experiments import targeting_curve
    >>> rng = np.random.default_rng(1)
    >>> rows = pd.DataFrame({"tier": rng.choice(["gold", "basic"], 4000), "arm": rng.choice(["mail", "none"], 4000)})
    >>> rows["spend"] = rng.normal(20, 5, 4000) + 3.0 * ((rows["tier"] == "gold") & (rows["arm"] == "mail"))
    >>> found = targeting_curve(rows, ["gold", "basic"], outcome="spend", arm="arm", control="none", segment="tier",
    ...                         cost=1.0, same_data=False, random_state=0)
    >>> found.table["gain"].round(1).to_dict()
    {'gold': 1.0, 'basic': 0.5}
    """
    if same_data and held_out is None:
        raise ValueError(
            "an order made from these rows looks better on them than it is. Name in held_out= the column that is true "
            "for customers it was not made from, or bring other rows."
        )
    if method not in ("aipw", "ipw"):
        raise ValueError(f"method must be 'aipw' or 'ipw', got {method!r}.")
    for name, value, least in (("n_folds", n_folds, 2), ("n_permutations", n_permutations, 1)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}.")
    check_level(level)
    more = [order] if isinstance(order, str) else []
    trial = read_trial(
        data, outcome=outcome, arm=arm, control=control, segment=segment, propensity=propensity,
        covariates=covariates, cluster=cluster, margin=finite(margin, "margin"), held_out=held_out, more=more,
    )  # fmt: skip
    arm_code = _treated(trial, treated)
    notes: list[str] = []
    group, names = places_of(order, trial, notes)
    if segment is None:
        trial = _stratified(trial, group)
    seed = seed_of(random_state)
    rng = np.random.default_rng(seed)
    score = _effect_scores(trial, arm_code, method, n_folds, rng) - amounts(cost, trial.arms, "cost")[arm_code]
    table = _table(trial, group, names, score, level, rng)
    areas, n_orders = _areas(trial, group, score, level, n_permutations, rng, whole=names is not None)
    notes = [*trial.warnings, *notes]
    if same_data is None and held_out is None:
        notes.append(
            "That the order was not made from these rows is taken from you: one that was looks better than it is."
        )
    if np.isnan(areas["p_permutation"]).all():
        notes.append("Customers of a cluster move together, so they are not put in orders at random: no p_permutation.")
    settings = trial.settings | {
        "treated": trial.arms[arm_code], "cost": float(amounts(cost, trial.arms, "cost")[arm_code]), "method": method,
        "level": level, "n_folds": n_folds, "n_orders": n_orders, "random_state": seed, "same_data": same_data,
        "by": "segment" if names is not None else "customer",
    }  # fmt: skip
    return TargetingCurve(table, areas, settings, tuple(notes))


def qini(data: Any, order: Any, **options: Any) -> pd.Series[Any]:
    """Return the Qini area of an order: what it gains more than an order at random, over all shares.

    Parameters
    ----------
    data, order, **options
        As in `targeting_curve`.

    Returns
    -------
    pandas.Series
        ``value`` (per customer), ``se``, ``low``, ``high``, ``p_value``, ``p_permutation``.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.experiments import qini
    >>> rows = pd.DataFrame({"tier": ["gold", "basic"] * 100, "arm": ["mail", "mail", "none", "none"] * 50,
    ...                      "spend": [12.0, 5.0, 10.0, 4.0, 14.0, 6.0, 11.0, 5.0] * 25})
    >>> round(float(qini(rows, ["gold", "basic"], outcome="spend", arm="arm", control="none", segment="tier",
    ...                  method="ipw", same_data=False)["value"]), 4)
    0.1875
    """
    areas: Any = targeting_curve(data, order, **options).areas
    row: pd.Series[Any] = areas.loc["qini"]
    return row


def _treated(trial: Trial, treated: Any) -> int:
    others = trial.arms[1:]
    if treated is None:
        if len(others) > 1:
            raise ValueError(f"treated must say which arm is given: one of {name_some(others, 12)}.")
        return 1
    name = str(label_of(treated))
    if name not in others:
        raise ValueError(f"treated must be one of {name_some(others, 12)}, got {treated!r}.")
    return trial.arms.index(name)


def _stratified(trial: Trial, group: Codes) -> Trial:
    """Without segments, tenths of the order are what outcome models and shares are made of."""
    n = max(1, min(STRATA, trial.n // PER_STRATUM))
    rank = np.argsort(np.argsort(group, kind="stable"), kind="stable")
    # customers with equal scores belong together
    first = np.full(int(group.max()) + 1, trial.n)
    np.minimum.at(first, group, rank)
    stratum = np.unique(first[group] * n // trial.n, return_inverse=True)[1].astype(np.int64)
    made = replace(trial, segment=stratum, segments=tuple(f"part {i + 1}" for i in range(int(stratum.max()) + 1)))
    return made.part(np.ones(trial.n, dtype=bool))


def _effect_scores(trial: Trial, arm: int, method: str, n_folds: int, rng: np.random.Generator) -> Floats:
    """Return, per customer, a score whose mean over any customers estimates their mean effect."""
    counts = np.zeros((len(trial.segments), 2))
    for i, a in enumerate((0, arm)):
        counts[:, i] = np.bincount(trial.segment[trial.arm == a], minlength=len(trial.segments))
    empty = [f"{trial.segments[s]}: {trial.arms[(0, arm)[i]]}" for s, i in zip(*np.nonzero(counts == 0), strict=True)]
    if empty:
        raise ValueError(f"nobody got the arm in {name_some(empty)}, so nothing is known of the effect there.")
    sign = ((trial.arm == arm).astype(float) - (trial.arm == 0)) / trial.received
    if method == "ipw":
        return np.asarray(sign * trial.y)
    if trial.n_clusters < 2 * n_folds:
        raise ValueError(
            f"{count(trial.n_clusters, 'customer or cluster', 'customers or clusters')} are too few for {n_folds} "
            'parts (n_folds); give fewer, or method="ipw".'
        )
    model = predictions(trial, folds_of(trial, n_folds, rng), n_folds)
    left = trial.y - model[np.arange(trial.n), trial.arm]
    return np.asarray(model[:, arm] - model[:, 0] + sign * left)


def _covariance(trial: Trial, bins: Codes, score: Floats, k: int) -> tuple[Floats, Floats]:
    """Return the covariances of cumulative gain and share at `k` knots, (2k, 2k), and both: clusters independent."""
    rows, n = trial.cluster, trial.n_clusters
    parts = [sparse.csr_matrix((values, (rows, bins)), shape=(n, k)) for values in (score, np.ones(trial.n))]
    sums = sparse.hstack(parts).tocsr()
    size = np.bincount(rows, minlength=n).astype(float)
    gram, crossed = (sums.T @ sums).toarray(), sums.T @ size
    upper = np.kron(np.eye(2), np.tril(np.ones((k, k))))  # cumulative sums, of scores and of customers
    gram, crossed = upper @ gram @ upper.T, upper @ crossed
    mean = upper @ np.asarray(sums.sum(axis=0)).ravel() / trial.n
    centred = gram - np.outer(crossed, mean) - np.outer(mean, crossed) + (size @ size) * np.outer(mean, mean)
    return centred * n / (n - 1) / trial.n**2, mean


def _table(
    trial: Trial, group: Codes, names: list[str] | None, score: Floats, level: float, rng: np.random.Generator
) -> pd.DataFrame:
    """Return gain, interval and band at the knots: each segment, or about a hundred shares of customers."""
    cumulative = np.cumsum(np.bincount(group)) / trial.n
    if names is None and len(cumulative) > KNOTS:
        last = np.unique(np.searchsorted(cumulative, np.arange(1, KNOTS + 1) / KNOTS - 1e-12))
        bins = np.searchsorted(last, group)
    else:
        bins = group
    k = int(bins.max()) + 1
    covariance, mean = _covariance(trial, bins.astype(np.int64), score, k)
    gain, share = mean[:k], mean[k:]
    share[-1] = 1.0
    reach = float(stats.t.ppf(0.5 + level / 2, trial.n_clusters - 1))
    se = np.sqrt(np.maximum(np.diag(covariance)[:k], 0.0))
    wide = _band(covariance[:k, :k], se, level, reach, rng)
    # gain less that of an order at random: d = gain - share * gain(1)
    contrast = np.hstack([np.eye(k), -gain[-1] * np.eye(k)])
    contrast[:, k - 1] -= share
    over = gain - share * gain[-1]
    over_se = np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", contrast, covariance, contrast), 0.0))
    over[-1] = over_se[-1] = 0.0
    size = np.bincount(bins).astype(np.int64)
    effect = np.bincount(bins, score) / size
    off = _reach_within(trial, bins, score - effect[bins], size.astype(float), level)
    index = pd.Index(names, name="segment") if names is not None else pd.RangeIndex(1, k + 1, name="knot")
    return pd.DataFrame(
        {
            "n_customers": size, "share": share, "gain": gain, "low": gain - reach * se, "high": gain + reach * se,
            "se": se, "band_low": gain - wide * se, "band_high": gain + wide * se, "over_random": over,
            "over_random_low": over - reach * over_se, "over_random_high": over + reach * over_se, "effect": effect,
            "effect_low": effect - off, "effect_high": effect + off,
        },
        index=index,
    )  # fmt: skip


def _reach_within(trial: Trial, bins: Codes, residual: Floats, size: Floats, level: float) -> Floats:
    """Return how far intervals of groups' means reach; clusters are independent, one alone says nothing of errors."""
    shape = (trial.n_clusters, len(size))
    sums, there = (
        sparse.csr_matrix((values, (trial.cluster, bins)), shape=shape) for values in (residual, np.ones(trial.n))
    )
    squares = np.asarray(sums.multiply(sums).sum(axis=0)).ravel()
    groups = np.asarray((there > 0).sum(axis=0)).ravel()
    free = np.maximum(groups - 1, 1)
    reach = stats.t.ppf(0.5 + level / 2, free) * np.sqrt(squares * groups / free) / size
    return np.where(groups > 1, reach, np.nan)


def _band(covariance: Floats, se: Floats, level: float, reach: float, rng: np.random.Generator) -> float:
    """Return how many standard errors hold all knots at once: the quantile of the largest of correlated normals."""
    some = se > 0
    if some.sum() < 2:
        return reach
    correlation = covariance[np.ix_(some, some)] / np.outer(se[some], se[some])
    values, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    largest = np.abs(rng.standard_normal((BAND_DRAWS, len(values))) @ root.T).max(axis=1)
    # as much wider than the normal quantile as the simulated one is
    return max(reach, float(np.quantile(largest, level)) / float(stats.norm.ppf(0.5 + level / 2)) * reach)


def _areas(
    trial: Trial, group: Codes, score: Floats, level: float, n_permutations: int, rng: np.random.Generator, *,
    whole: bool,
) -> tuple[pd.DataFrame, int]:  # fmt: skip
    size = np.bincount(group) / trial.n
    total = np.bincount(group, score) / trial.n
    share, gain = np.cumsum(size), np.cumsum(total)
    share[-1] = 1.0
    reach = float(stats.t.ppf(0.5 + level / 2, trial.n_clusters - 1))
    possible = whole or trial.n_clusters == trial.n
    p_orders, n_orders = permuted(size, total, group, score, n_permutations, rng, whole=whole) if possible else ({}, 0)
    rows = {}
    for what in AREAS:
        area = area_of(what, share, gain)
        heights, places = (np.cumsum(part[::-1])[::-1][group] for part in (area.by_gain, area.by_share))
        influence = heights * score + places - float(area.by_gain @ gain + area.by_share @ share)
        se = float(trial.error(influence))
        p = 2 * float(stats.t.sf(abs(area.value) / se, trial.n_clusters - 1)) if se > 0 else 1.0
        rows[what] = {
            "value": area.value, "se": se, "low": area.value - reach * se, "high": area.value + reach * se,
            "p_value": p, "p_permutation": p_orders.get(what, np.nan),
        }  # fmt: skip
    return pd.DataFrame(rows).T.rename_axis("area"), n_orders
