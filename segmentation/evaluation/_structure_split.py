"""Which groups of segments are apart where they were learnt, and along which line that can be tested elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from segmentation.evaluation._dip import dip_p_value, dip_statistic

__all__ = ["APART", "LEAST_IN_GROUP", "LONELIER", "Border", "Learnt", "band_loneliness", "learn_groups"]

Points = NDArray[np.float64]

# Segments that the customers they were learnt from do not show apart are parts of one group.
APART = 0.1
# Fewer customers than this are outliers rather than a group.
LEAST_IN_GROUP = 10
# The band around the border, as a share of the way between the two centres, to each side.
BAND = 0.15
LEAST_IN_BAND = 3
NEIGHBOURS = 5
# Chance that a customer in the band is farther from the neighbours than another one. It is a half where the border
# runs through a cloud as dense there as anywhere: a ring cut in two has two modes on a line, and is no two groups. The
# band is laid where the fewest are, which alone brought rings to .6; groups five deviations apart had .86 to .92.
LONELIER = 0.65
# Directions beside the discriminant in which neighbours are looked for: in more, everybody is equally lonely.
BESIDE = 2
# Ridge added to the within-group scatter, as a share of its mean diagonal.
RIDGE = 1e-6


@dataclass(frozen=True, eq=False)
class Border:
    """The line between a group and its nearest neighbour, learnt from some customers, good for any.

    Attributes
    ----------
    group, neighbour : int
        Positions among the groups.
    weights, start
        Projection: ``points @ weights - start`` is 0 at the centre of the group and 1 at that of its neighbour.
    window : tuple of float
        The stretch to test: all of the smaller group and as many of the larger, those next to the border. The dip
        hardly sees a group of one in ten otherwise, and a stretch of a distribution with one mode has one mode.
    p_value : float
        Of the dip test on the customers learnt from.
    distance : float
        Between the centres, in standard deviations within the groups.
    """

    group: int
    neighbour: int
    weights: Points
    start: float
    window: tuple[float, float]
    p_value: float
    distance: float

    def project(self, points: Points) -> Points:
        """Return where customers stand on the line."""
        projected: Points = points @ self.weights - self.start
        return projected

    def turned(self) -> Border:
        """Return the same line seen from the other group."""
        low, high = self.window
        return Border(
            self.neighbour, self.group, -self.weights, -self.start - 1, (1 - high, 1 - low), self.p_value, self.distance
        )


@dataclass(frozen=True, eq=False)
class Learnt:
    """Groups of segments that are apart on the customers they were learnt from.

    Attributes
    ----------
    groups : tuple of tuple of int
        Codes of the segments in each group.
    borders : tuple of Border
        Of each group with its nearest neighbour; empty where there is one group.
    """

    groups: tuple[tuple[int, ...], ...]
    borders: tuple[Border, ...]

    @property
    def p_value(self) -> float:
        """The p-value of the least separated group, on the customers learnt from."""
        return max((border.p_value for border in self.borders), default=1.0)

    def group_of(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the group of each customer, -1 for none."""
        lookup = np.full(max((max(group) for group in self.groups), default=0) + 2, -1, dtype=np.int64)
        for position, group in enumerate(self.groups):
            lookup[list(group)] = position
        return lookup[np.where((codes < 0) | (codes >= len(lookup) - 1), len(lookup) - 1, codes)]


def learn_groups(points: Points, codes: NDArray[np.int64], n_segments: int) -> Learnt:
    """Take together the segments that are not apart, and learn the border of each group with its nearest neighbour.

    Parameters
    ----------
    points : ndarray of shape (n_customers, n_features)
    codes : ndarray of shape (n_customers,)
        -1 for customers in no segment, who count nowhere.
    n_segments : int
    """
    members = [points[codes == k] for k in range(n_segments)]
    present = [k for k in range(n_segments) if len(members[k]) >= 1]
    together = np.eye(len(present), dtype=np.bool_)
    for i, k in enumerate(present):
        for j, other in enumerate(present[:i]):
            together[i, j] = not _apart(members[k], members[other])
    n_groups, labels = connected_components(together, directed=False)
    groups = tuple(tuple(k for k, label in zip(present, labels, strict=True) if label == g) for g in range(n_groups))
    if n_groups < 2:
        return Learnt(groups, ())
    return Learnt(groups, _nearest([np.concatenate([members[k] for k in group]) for group in groups]))


def _apart(first: Points, second: Points) -> bool:
    """Tell whether two segments are apart; too few customers never are."""
    if min(len(first), len(second)) < LEAST_IN_GROUP:
        return False
    border = _border(0, 1, first, second)
    if border.p_value > APART:
        return False
    points = np.concatenate([first, second])
    loneliness, n_band = band_loneliness(points, border, np.ones(len(points), dtype=np.bool_))
    return n_band < LEAST_IN_BAND or loneliness >= LONELIER


def _nearest(members: list[Points]) -> tuple[Border, ...]:
    """Return the border of each group with its nearest neighbour."""
    borders = {(a, b): _border(a, b, members[a], members[b]) for b in range(len(members)) for a in range(b)}
    result = []
    for group in range(len(members)):
        around = [border for pair, border in borders.items() if group in pair]
        nearest = min(around, key=lambda border: border.distance)
        result.append(nearest if nearest.group == group else nearest.turned())
    return tuple(result)


def _border(group: int, neighbour: int, first: Points, second: Points) -> Border:
    """Learn Fisher's discriminant of two groups and the stretch of it to test."""
    scatter = (_scatter(first) + _scatter(second)) / max(len(first) + len(second) - 2, 1)
    size = len(scatter)
    scatter = scatter + np.eye(size) * (RIDGE * np.trace(scatter) / size + np.finfo(np.float64).tiny)
    centre = first.mean(axis=0)
    way = second.mean(axis=0) - centre
    weights = np.linalg.solve(scatter, way)
    squared = float(way @ weights)
    if not (np.isfinite(squared) and squared > 0):
        return Border(group, neighbour, np.zeros(size), 0.0, (-np.inf, np.inf), 1.0, 0.0)
    weights = weights / squared
    start = float(centre @ weights)
    low, high = first @ weights - start, second @ weights - start
    window = _window(low, high)
    projection = np.concatenate([low, high])
    inside = projection[(projection >= window[0]) & (projection <= window[1])]
    p_value = dip_p_value(dip_statistic(inside), len(inside))
    return Border(group, neighbour, weights, start, window, p_value, float(np.sqrt(squared)))


def _scatter(points: Points) -> Points:
    centred = points - points.mean(axis=0)
    scatter: Points = centred.T @ centred
    return scatter


def _window(low: Points, high: Points) -> tuple[float, float]:
    """Return the stretch with all of the smaller group and as many of the larger, those next to the border."""
    if len(low) > len(high):
        return float(np.partition(low, len(low) - len(high))[len(low) - len(high)]), np.inf
    if len(high) > len(low):
        return -np.inf, float(np.partition(high, len(low) - 1)[len(low) - 1])
    return -np.inf, np.inf


def band_loneliness(points: Points, border: Border, counted: NDArray[np.bool_]) -> tuple[float, int]:
    """Compare how lonely customers at the border are with how lonely the others are.

    Parameters
    ----------
    points : ndarray of shape (n_customers, n_features)
        The customers of both groups, all of whom can be neighbours.
    border : Border
    counted : ndarray of bool
        Who is compared.

    Returns
    -------
    (float, int)
        Chance that a customer in the band around the emptiest place between the centres is farther from the
        neighbours than one outside; and how many customers are in the band. NaN and 0 where the band is empty.
    """
    line = border.project(points)
    middle = _emptiest(line)
    in_band = np.abs(line - middle) <= BAND
    inside, outside = counted & in_band, counted & ~in_band
    if not inside.any() or not outside.any():
        return np.nan, 0
    coordinates = _plane(points, line, border.weights)
    distances, _ = cKDTree(coordinates).query(coordinates, k=[min(NEIGHBOURS + 1, len(points))])
    lonely = distances[:, 0]
    ordered = np.sort(lonely[outside])
    below = np.searchsorted(ordered, lonely[inside], side="left") + np.searchsorted(ordered, lonely[inside], "right")
    return float(below.mean() / (2 * len(ordered))), int(inside.sum())


def _emptiest(line: Points) -> float:
    """Return the middle of the band between the centres (0 and 1) that holds the fewest customers."""
    middles = np.linspace(0.25, 0.75, 21)
    ordered = np.sort(line)
    held = np.searchsorted(ordered, middles + BAND) - np.searchsorted(ordered, middles - BAND)
    fewest = middles[held == held.min()]
    return float(fewest[np.abs(fewest - 0.5).argmin()])


def _plane(points: Points, line: Points, weights: Points) -> Points:
    """Return where customers stand along the discriminant and along the widest directions beside it."""
    spread = line.std()
    first = (line / spread if spread > 0 else line)[:, None]
    normal = weights / max(float(np.linalg.norm(weights)), np.finfo(np.float64).tiny)
    centred = points - points.mean(axis=0)
    beside = centred - np.outer(centred @ normal, normal)
    _, vectors = np.linalg.eigh(beside.T @ beside)
    others = beside @ vectors[:, ::-1][:, : min(BESIDE, points.shape[1] - 1)]
    widths = others.std(axis=0)
    return np.hstack([first, others / np.where(widths > 0, widths, 1.0)])
