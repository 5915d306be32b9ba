"""Variances where customers come in clusters (households, stores): sandwich estimates from moments per cluster."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segmentation.experiments._effects import Lifts
from segmentation.experiments._moments import Floats, Moments

__all__ = ["ClusterArms", "cluster_arms", "cluster_lift"]


@dataclass(frozen=True, eq=False)
class ClusterArms:
    """One scope: estimated mean per arm, and what every cluster moves it by.

    ``influence`` (clusters, arms) is corrected by CR2 or not at all; ``reach`` and ``leverage`` serve the degrees of
    freedom. ``n_clusters`` counts the clusters with customers in each arm.
    """

    mean: Floats
    base: float
    influence: Floats
    reach: list[Floats]
    diagonal: Floats
    n_clusters: NDArray[np.int64]
    present: NDArray[np.bool_]
    n: Floats
    rank: NDArray[np.int64]


def cluster_arms(
    moments: Moments, arm: NDArray[np.int64], cluster: NDArray[np.int64], n_arms: int, *, corrected: bool
) -> ClusterArms:
    """Estimate the mean of each arm, at the covariates of all, from moments per arm and cluster of one scope.

    It is the regression of the outcome on arms, covariates and their products, every arm by itself, with
    bias-reduced linearization (CR2; Bell and McCaffrey 2002; Pustejovsky and Tipton 2018,
    doi:10.1080/07350015.2016.1247004). Residuals of single customers are never needed: for f analytic,
    ``X' f(X M X') e = f(X'X M) X'e``.
    """
    n_clusters_all = int(cluster.max()) + 1 if len(cluster) else 0
    p = moments.mean.shape[1] - 1
    everyone = moments.pooled(axis=0)
    centre = everyone.mean[1:]
    total = float(everyone.n)
    apart = moments.mean[:, 1:] - centre
    influence = np.zeros((n_clusters_all, n_arms))
    present = np.zeros((n_clusters_all, n_arms), dtype=bool)
    mean, n, rank = np.full(n_arms, np.nan), np.zeros(n_arms), np.zeros(n_arms, dtype=np.int64)
    reach: list[Floats] = []
    diagonal = np.zeros((n_clusters_all, n_arms))
    moved = np.zeros((n_clusters_all, p))
    np.add.at(moved, cluster, moments.n[:, None] * apart / max(total, 1.0))
    for a in range(n_arms):
        mine = (arm == a) & (moments.n > 0)
        n[a] = moments.n[mine].sum()
        present[cluster[mine], a] = True
        if not n[a]:
            reach.append(np.zeros((n_clusters_all, 1)))
            continue
        part, away = moments.chosen(mine), apart[mine]
        blocks = _products(part.n, away, part.cross[:, 1:, 1:])
        beside = np.concatenate(
            [
                (part.n * part.mean[:, 0])[:, None],
                part.cross[:, 1:, 0] + (part.n * part.mean[:, 0])[:, None] * away,
            ],
            axis=1,
        )
        whole = blocks.sum(axis=0)
        unit = np.sqrt(np.maximum(np.diag(whole), 1e-300))
        root_values, vectors = np.linalg.eigh(whole / np.outer(unit, unit))
        keep = root_values > 1e-11 * root_values.max()
        rank[a] = int(keep.sum())
        half = (vectors[:, keep] / np.sqrt(root_values[keep])) / unit[:, None]  # M = half half'
        bread = half @ half.T
        slopes = bread @ beside.sum(axis=0)
        # a second step for digits, the residuals of the first being small
        score = beside - blocks @ slopes
        slopes = slopes + bread @ score.sum(axis=0)
        score = beside - blocks @ slopes
        mean[a] = slopes[0]
        hats = half.T @ blocks @ half  # (clusters, rank, rank), between 0 and 1
        values, sides = np.linalg.eigh(hats)
        left = 1.0 - values
        weight = np.where(left > 1e-10, 1 / np.sqrt(np.maximum(left, 1e-300)), 0.0) if corrected else np.ones_like(left)
        lifted = sides * weight[:, None, :] @ np.swapaxes(sides, 1, 2)
        scores = np.einsum("gij,gj->gi", lifted, score @ half)
        influence[cluster[mine], a] = scores @ half[0]
        effect = np.einsum("gij,gjk,k->gi", lifted, hats, half[0])  # u = (I - AM)^-1/2 A M e1, in the basis of half
        full = np.zeros((n_clusters_all, int(keep.sum())))
        full[cluster[mine]] = effect
        second = sides * (weight**2)[:, None, :] @ np.swapaxes(sides, 1, 2)
        diagonal[cluster[mine], a] = np.einsum("i,gij,gjk,k->g", half[0], second, hats, half[0])
        reach.append(full)
        if p:
            influence[:, a] += moved @ slopes[1:]
    return ClusterArms(
        mean, float(moments.origin[0]), influence, reach, diagonal, present.sum(axis=0), present, n, rank
    )


def _products(n: Floats, away: Floats, within: Floats) -> Floats:
    """Return sums of products of (1, covariates - centre) per cluster."""
    k = away.shape[1] + 1
    blocks = np.empty((len(n), k, k))
    blocks[:, 0, 0] = n
    blocks[:, 0, 1:] = blocks[:, 1:, 0] = n[:, None] * away
    blocks[:, 1:, 1:] = within + n[:, None, None] * away[:, :, None] * away[:, None, :]
    return blocks


def cluster_lift(arms: ClusterArms, control: int, treated: int, *, corrected: bool) -> Lifts:
    """Compare two arms: CR2 with the degrees of freedom of Bell and McCaffrey, or CR1 with clusters - 1."""
    c, t = control, treated
    if min(arms.n_clusters[c], arms.n_clusters[t]) < 2:
        none = np.full(1, np.nan)
        lift = np.array([arms.mean[t] - arms.mean[c]])
        return Lifts(
            lift, none, none, np.array([arms.mean[c] + arms.base]), np.array([arms.mean[t] + arms.base]),
            none, none, none,
        )  # fmt: skip
    factor, df = 1.0, np.inf
    both = arms.present[:, c] | arms.present[:, t]
    if corrected:
        df = _freedom(arms, c, t)
    else:
        groups, rows = int(both.sum()), float(arms.n[c] + arms.n[t])
        factor = groups / (groups - 1) * (rows - 1) / max(rows - arms.rank[c] - arms.rank[t], 1.0)
        df = groups - 1.0
    ic, it = arms.influence[:, c], arms.influence[:, t]

    def one(value: float) -> Floats:
        return np.array([value])

    return Lifts(
        one(arms.mean[t] - arms.mean[c]),
        one(factor * float(((it - ic) ** 2).sum())),
        one(df),
        one(arms.mean[c] + arms.base),
        one(arms.mean[t] + arms.base),
        one(factor * float(ic @ ic)),
        one(factor * float(it @ it)),
        one(factor * float(it @ ic)),
    )


def _freedom(arms: ClusterArms, c: int, t: int) -> float:
    """Degrees of freedom of Bell and McCaffrey (2002), from sums over clusters only."""
    d = arms.diagonal[:, c] + arms.diagonal[:, t]
    pairs = [arms.reach[c], arms.reach[t]]
    own = sum((u**2).sum(axis=1) for u in pairs)
    trace = float(np.sum(d - own))
    square = float(np.sum(d**2) - 2 * np.sum(d * own))
    for u in pairs:
        for v in pairs:
            square += float(((u.T @ v) ** 2).sum())
    return trace**2 / square if square > 0 else np.nan
