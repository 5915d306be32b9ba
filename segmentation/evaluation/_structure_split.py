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
# Beside the whole line, a stretch of it from the end of the smaller group, with so many times its customers, is tried:
# the one that shows the groups farther apart where they are learnt. The dip hardly sees one in ten beside all others.
STRETCH = 1.55
LEAST_ON_STRETCH = 1.55
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
# Times that customers are put on the likelier side of a border, and it is learnt anew; the groups remain the same ones
# down to this Jaccard coefficient.
ROUNDS = 5
SAME = 0.5
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

    @property
    def separation(self) -> float:
        """Apartness times distance: the dip alone hardly tells half of a crowd from a group where it was learnt."""
        return self.apartness * self.distance

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

    @property
    def separation(self) -> float:
        """That of the least separated group."""
        return min((border.separation for border in self.borders), default=0.0)

    def group_of(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the group of each customer, -1 for none."""
        lookup = np.full(max((max(group) for group in self.groups), default=0) + 2, -1, dtype=np.int64)
        for position, group in enumerate(self.groups):
            lookup[list(group)] = position
        return lookup[np.where((codes < 0) | (codes >= len(lookup) - 1), len(lookup) - 1, codes)]


def learn_groups(points: Points, codes: NDArray[np.int64], n_segments: int) -> tuple[Learnt, ...]:
    """Take segments together, the least separated two first, until one group is left; learn the borders every time.

    Of the ways with two groups, one segment against all others counts, too, where that separates them more.

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
        a, b = min(borders, key=lambda pair: (borders[pair].separation, borders[pair].distance))
        alive = [group for group in alive if group not in (a, b)]
        borders = {pair: border for pair, border in borders.items() if not {a, b} & {*pair}}
        new = len(groups)
        groups.append(tuple(sorted(groups[a] + groups[b])))
        members.append(np.concatenate([members[a], members[b]]))
        borders |= {(old, new): _border(old, new, members[old], members[new]) for old in alive}
        alive.append(new)
    if len(ways) > 1:
        ways[-1] = max(ways[-1], *_one_and_the_rest(points, codes, n_segments), key=lambda way: way.separation)
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
    """Learn Fisher's discriminant of two groups and the stretch of it to test.

    Customers are put on the side where a normal distribution around its centre makes them likelier, and the
    discriminant is learnt anew, a few times: k-means gives a small group the edge of a large one, which turns the line.
    """
    points = np.concatenate([first, second])
    in_second = np.repeat([False, True], [len(first), len(second)])
    border = _discriminant(group, neighbour, points, in_second)
    if border is None:
        return Border(group, neighbour, np.zeros(points.shape[1]), 0.0, (-np.inf, np.inf), 0.0, 0.0)
    moved, sides = border, in_second
    for _ in range(ROUNDS):
        now = moved.project(points) > 0.5 - np.log(sides.mean() / (1 - sides.mean())) / moved.distance**2
        if (now == sides).all() or not _same_groups(in_second, now):
            break
        found = _discriminant(group, neighbour, points, now)
        if found is None:
            break
        moved, sides = found, now
    return _judged(moved, points, sides)


def _same_groups(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> bool:
    """Tell whether both sides have remained the groups that they were."""
    return all(int((a & b).sum()) >= SAME * int((a | b).sum()) for a, b in ((before, after), (~before, ~after)))


def _discriminant(group: int, neighbour: int, points: Points, in_second: NDArray[np.bool_]) -> Border | None:
    """Return Fisher's discriminant of the two sides, None where it has no direction."""
    first, second = points[~in_second], points[in_second]
    scatter = (_scatter(first) + _scatter(second)) / max(len(points) - 2, 1)
    size = len(scatter)
    scatter = _shrunken(scatter, len(points))
    scatter = scatter + np.eye(size) * (RIDGE * np.trace(scatter) / size + np.finfo(np.float64).tiny)
    centre = first.mean(axis=0)
    way = second.mean(axis=0) - centre
    weights = np.linalg.solve(scatter, way)
    squared = float(way @ weights)
    if not (np.isfinite(squared) and squared > 0):
        return None
    weights = weights / squared
    return Border(group, neighbour, weights, float(centre @ weights), (-np.inf, np.inf), 0.0, float(np.sqrt(squared)))


def _judged(border: Border, points: Points, in_second: NDArray[np.bool_]) -> Border:
    """Return the border with the stretch to test and how far apart the groups are on it."""
    window, apartness = _window(np.sort(border.project(points)))
    border = replace(border, window=window, apartness=apartness)
    if min(int(in_second.sum()), int((~in_second).sum())) < LEAST_IN_GROUP:
        return replace(border, apartness=0.0)
    if apartness < APART:
        return border
    loneliness, n_band = band_loneliness(points, border, np.ones(len(points), dtype=np.bool_))
    return replace(border, apartness=0.0) if n_band >= LEAST_IN_BAND and loneliness < LONELIER else border


def _shrunken(scatter: Points, n: int) -> Points:
    """Return a covariance with its correlations drawn towards none, by the part of their squares that chance makes.

    Schaefer and Strimmer (2005), doi:10.2202/1544-6115.1175, for normal values. With 700 customers and ten columns,
    chance correlations turn a discriminant by some ten degrees.
    """
    width = np.sqrt(np.diag(scatter))
    width = np.where(width > 0, width, 1.0)
    correlation = scatter / np.outer(width, width)
    off = correlation[np.triu_indices(len(scatter), 1)]
    squared = float((off**2).sum())
    chance = float(((1 - off**2) ** 2).sum()) / max(n - 1, 1)
    kept = max(0.0, 1.0 - chance / squared) if squared > 0 else 0.0
    return np.asarray(np.where(np.eye(len(scatter), dtype=np.bool_), scatter, kept * scatter), dtype=np.float64)


def _scatter(points: Points) -> Points:
    centred = points - points.mean(axis=0)
    scatter: Points = centred.T @ centred
    return scatter


def _window(line: Points) -> tuple[tuple[float, float], float]:
    """Return the stretch of a line, in order, on which it is farthest from one mode, and how far that is.

    All of it, or the end with the fewer customers beyond the emptiest place between the centres, and others next to it.
    """
    n, below = len(line), int(np.searchsorted(line, _emptiest(line)))
    windows = [(-np.inf, np.inf)]
    size = int(STRETCH * min(below, n - below))
    if LEAST_ON_STRETCH <= size < n:
        windows.append((-np.inf, float(line[size - 1])) if below <= n - below else (float(line[n - size]), np.inf))
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
