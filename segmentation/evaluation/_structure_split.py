"""Which groups of segments are apart where they were learnt, and along which line that can be tested elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from segmentation.evaluation._dip import dip_statistic

__all__ = ["APART", "LEAST_IN_GROUP", "LONELIER", "Border", "Learnt", "band_loneliness", "learn_groups"]

Points = NDArray[np.float64]

# Groups count as apart on the customers they were learnt from at this much of sqrt(n) * dip, p = .1 of an even crowd:
# segments less apart than that are taken together where this leaves any two groups.
APART = 0.49
# Stretches to test, from either end of the line, as shares of the customers of both groups; and the whole line: the one
# that shows the groups farthest apart where they are learnt. The dip hardly sees one in ten beside all of the others.
STRETCHES = (0.12, 0.2, 0.35)
LEAST_ON_STRETCH = 30
# Fewer customers than this are outliers rather than a group.
LEAST_IN_GROUP = 10
# The band around the border, as a share of the way between the two centres, to each side.
BAND = 0.15
LEAST_IN_BAND = 3
NEIGHBOURS = 5
# Chance that a customer in the band is farther from the neighbours than another one. It is a half where the border
# runs through a cloud as dense there as anywhere: a ring cut in two has two modes on a line, and is no two groups. The
# band is laid where the fewest are, which lifts it. On customers learnt from, the borders of 25
# rings and 15 arches reached .76 at most (median .6), those of 35 worlds of groups five deviations apart had .80 at
# least (median .93).
LONELIER = 0.77
# Directions beside the discriminant in which neighbours are looked for: in more, everybody is equally lonely.
BESIDE = 2
# Directions this much narrower than the widest have no width: the discriminant itself, and repeated columns.
FLAT = 1e-9
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
        The stretch to test: from one end of the line to beyond the border, or all of it. Any stretch of a distribution
        with one mode has one mode.
    apartness : float
        Dip on that stretch times the root of the customers there, for the customers learnt from: about .5 at p = .1
        for an even crowd, whatever their number. 0 where customers at the border are no lonelier than elsewhere.
    distance : float
        Between the centres, in standard deviations within the groups.
    """

    group: int
    neighbour: int
    weights: Points
    start: float
    window: tuple[float, float]
    apartness: float
    distance: float

    def project(self, points: Points) -> Points:
        """Return where customers stand on the line."""
        projected: Points = points @ self.weights - self.start
        return projected

    def turned(self) -> Border:
        """Return the same line seen from the other group."""
        low, high = self.window
        return replace(
            self,
            group=self.neighbour,
            neighbour=self.group,
            weights=-self.weights,
            start=-self.start - 1,
            window=(1 - high, 1 - low),
        )


@dataclass(frozen=True, eq=False)
class Learnt:
    """One way to take segments together as groups, with the border of each group, learnt from some customers.

    Attributes
    ----------
    groups : tuple of tuple of int
        Codes of the segments in each group.
    borders : tuple of Border
        Of each group with its nearest neighbour; empty where there is one group.
    """

    groups: tuple[tuple[int, ...], ...]
    borders: tuple[Border, ...] = ()

    @property
    def apartness(self) -> float:
        """That of the least separated group, on the customers learnt from; 0 where there is one group."""
        return min((border.apartness for border in self.borders), default=0.0)

    def group_of(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the group of each customer, -1 for none."""
        lookup = np.full(max((max(group) for group in self.groups), default=0) + 2, -1, dtype=np.int64)
        for position, group in enumerate(self.groups):
            lookup[list(group)] = position
        return lookup[np.where((codes < 0) | (codes >= len(lookup) - 1), len(lookup) - 1, codes)]


def learn_groups(points: Points, codes: NDArray[np.int64], n_segments: int) -> tuple[Learnt, ...]:
    """Take segments together, the least separated two first, until one group is left; learn the borders every time.

    Of the ways with two groups, one segment against all others counts, too, where that is farther apart.

    Parameters
    ----------
    points : ndarray of shape (n_customers, n_features)
    codes : ndarray of shape (n_customers,)
        -1 for customers in no segment, who count nowhere.
    n_segments : int

    Returns
    -------
    tuple of Learnt
        The way with one group first, then with two, and so on.
    """
    present = [k for k in range(n_segments) if (codes == k).any()]
    groups: list[tuple[int, ...]] = [(k,) for k in present]
    members = [points[codes == k] for k in present]
    borders = {(a, b): _border(a, b, members[a], members[b]) for b in range(len(groups)) for a in range(b)}
    alive, ways = list(range(len(groups))), []
    while len(alive) > 1:
        ways.append(_way(groups, borders, alive))
        a, b = min(borders, key=lambda pair: (borders[pair].apartness, borders[pair].distance))
        alive = [group for group in alive if group not in (a, b)]
        borders = {pair: border for pair, border in borders.items() if not {a, b} & {*pair}}
        new = len(groups)
        groups.append(tuple(sorted(groups[a] + groups[b])))
        members.append(np.concatenate([members[a], members[b]]))
        borders |= {(old, new): _border(old, new, members[old], members[new]) for old in alive}
        alive.append(new)
    if len(ways) > 1:
        ways[-1] = max(ways[-1], *_one_and_the_rest(points, codes, n_segments), key=lambda way: way.apartness)
    return (Learnt(tuple(groups[group] for group in alive)), *reversed(ways))


def _one_and_the_rest(points: Points, codes: NDArray[np.int64], n_segments: int) -> list[Learnt]:
    """Return the ways to set one segment against all others, by which a small group is found beside a cut large one."""
    present = [k for k in range(n_segments) if (codes == k).any()]
    ways = []
    for k in present:
        border = _border(0, 1, points[codes == k], points[(codes >= 0) & (codes != k)])
        ways.append(Learnt(((k,), tuple(other for other in present if other != k)), (border, border.turned())))
    return ways


def _way(groups: list[tuple[int, ...]], borders: dict[tuple[int, int], Border], alive: list[int]) -> Learnt:
    """Return the groups that are left, each with the border to its nearest neighbour."""
    place = {group: position for position, group in enumerate(alive)}
    nearest = []
    for group in alive:
        around = [border for pair, border in borders.items() if group in pair]
        border = min(around, key=lambda border: border.distance)
        border = border if border.group == group else border.turned()
        nearest.append(replace(border, group=place[border.group], neighbour=place[border.neighbour]))
    return Learnt(tuple(groups[group] for group in alive), tuple(nearest))


def _border(group: int, neighbour: int, first: Points, second: Points) -> Border:
    """Learn Fisher's discriminant of two groups and the stretch of it to test."""
    scatter = (_scatter(first) + _scatter(second)) / max(len(first) + len(second) - 2, 1)
    size = len(scatter)
    scatter = scatter + np.eye(size) * (RIDGE * np.trace(scatter) / size + np.finfo(np.float64).tiny)
    centre = first.mean(axis=0)
    way = second.mean(axis=0) - centre
    weights = np.linalg.solve(scatter, way)
    squared = float(way @ weights)
    nothing = Border(group, neighbour, np.zeros(size), 0.0, (-np.inf, np.inf), 0.0, 0.0)
    if not (np.isfinite(squared) and squared > 0):
        return nothing
    weights = weights / squared
    start = float(centre @ weights)
    window, apartness = _window(np.sort(np.concatenate([first, second]) @ weights - start))
    border = Border(group, neighbour, weights, start, window, apartness, float(np.sqrt(squared)))
    if min(len(first), len(second)) < LEAST_IN_GROUP:
        return replace(border, apartness=0.0)
    if apartness < APART:
        return border
    points = np.concatenate([first, second])
    loneliness, n_band = band_loneliness(points, border, np.ones(len(points), dtype=np.bool_))
    return replace(border, apartness=0.0) if n_band >= LEAST_IN_BAND and loneliness < LONELIER else border


def _scatter(points: Points) -> Points:
    centred = points - points.mean(axis=0)
    scatter: Points = centred.T @ centred
    return scatter


def _window(line: Points) -> tuple[tuple[float, float], float]:
    """Return the stretch of a line, in order, on which it is farthest from one mode, and how far that is.

    Only stretches from one end to beyond the emptiest place between the centres are looked at.
    """
    middle, n = _emptiest(line), len(line)
    windows = [(-np.inf, np.inf)]
    for share in STRETCHES:
        size = int(share * n)
        if size >= LEAST_ON_STRETCH:
            low, high = float(line[n - size]), float(line[size - 1])
            windows += [(low, np.inf)] * (low < middle - BAND) + [(-np.inf, high)] * (high > middle + BAND)
    best = (windows[0], 0.0)
    for window in windows:
        inside = line[np.searchsorted(line, window[0]) : np.searchsorted(line, window[1], side="right")]
        apartness = float(np.sqrt(len(inside)) * dip_statistic(inside))
        if apartness > best[1]:
            best = (window, apartness)
    return best


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
    coordinates = _plane(points, line, border.weights, in_band)
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


def _plane(points: Points, line: Points, weights: Points, in_band: NDArray[np.bool_]) -> Points:
    """Return where customers stand along the discriminant and along the directions beside it that bend the most.

    Those are where customers at the border are spread widest compared with the others: the other diameter of a ring
    that is cut in two, the height of an arch. Along the line alone, both would be lonely at the border.
    """
    spread = line.std()
    first = (line / spread if spread > 0 else line)[:, None]
    normal = weights / max(float(np.linalg.norm(weights)), np.finfo(np.float64).tiny)
    centred = points - points.mean(axis=0)
    beside = centred - np.outer(centred @ normal, normal)
    widths, vectors = np.linalg.eigh(beside.T @ beside / len(beside))
    kept = widths > FLAT * max(widths.max(), np.finfo(np.float64).tiny)
    white = beside @ vectors[:, kept] / np.sqrt(widths[kept])
    at_border, elsewhere = (white[who].T @ white[who] / max(int(who.sum()), 1) for who in (in_band, ~in_band))
    _, directions = np.linalg.eigh(at_border - elsewhere)
    return np.hstack([first, white @ directions[:, ::-1][:, :BESIDE]])
