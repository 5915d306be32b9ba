"""Score intervals of two proportions: difference and ratio (Miettinen and Nurminen 1985)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import stats

from segmentation.experiments._moments import Floats

__all__ = ["score_difference", "score_ratio"]

STEPS = 100  # at most; about 15 are needed
CLOSE = 1e-11  # in standard errors
FAR = 10.0  # beyond, only the sign counts


def score_difference(
    events: tuple[Floats, Floats], n: tuple[Floats, Floats], level: float
) -> tuple[Floats, Floats, Floats]:
    """Return bounds of the difference treated - control and the p-value of none.

    The interval holds the differences that the score test does not reject (Miettinen, Nurminen 1985,
    doi:10.1002/sim.4780040211), so it excludes 0 exactly where the p-value is below 1 - level, keeps within -1 and 1,
    and has a width where all or no customers convert.

    Parameters
    ----------
    events, n : pairs of arrays (s,)
        Treated first, control second.
    """
    (y1, y2), (n1, n2) = events, n
    some = (n1 > 0) & (n2 > 0)
    n1, n2 = np.where(some, n1, 1.0), np.where(some, n2, 1.0)
    p1, p2 = y1 / n1, y2 / n2
    crit = float(stats.norm.ppf(0.5 + level / 2))

    def statistic(delta: Floats) -> Floats:
        return _scaled(p1 - p2 - delta, _variance_difference(p1, p2, n1, n2, delta), n1, n2)

    middle = p1 - p2
    low, high = _bounds(statistic, crit, -np.ones_like(p1), middle, np.ones_like(p1))
    p = 2 * stats.norm.sf(np.abs(statistic(np.zeros_like(p1))))
    p = np.where((middle == 0) & ((p1 == 0) | (p1 == 1)), 1.0, p)
    blank = np.where(some, 0.0, np.nan)
    return low + blank, high + blank, p + blank


def score_ratio(events: tuple[Floats, Floats], n: tuple[Floats, Floats], level: float) -> tuple[Floats, Floats]:
    """Return bounds of the ratio treated / control: both missing without events in control, from 0 without treated."""
    (y1, y2), (n1, n2) = events, n
    some = (n1 > 0) & (n2 > 0) & (y2 > 0)
    m1, m2, e2 = np.where(some, n1, 2.0), np.where(some, n2, 2.0), np.where(some, y2, 1.0)
    e1 = np.where(some, y1, 1.0)
    crit = float(stats.norm.ppf(0.5 + level / 2))

    def statistic(log_ratio: Floats) -> Floats:
        ratio = np.exp(log_ratio)
        # control's share if the ratio held
        a, b, c = (m1 + m2) * ratio, -(m1 * ratio + e1 + m2 + e2 * ratio), e1 + e2
        q2 = np.clip(2 * c / (-b + np.sqrt(np.maximum(b**2 - 4 * a * c, 0.0))), 0.0, 1.0)
        q1 = np.clip(q2 * ratio, 0.0, 1.0)
        variance = q1 * (1 - q1) / m1 + ratio**2 * q2 * (1 - q2) / m2
        return _scaled(e1 / m1 - ratio * e2 / m2, variance, m1, m2)

    with np.errstate(divide="ignore"):
        middle = np.where(e1 > 0, np.log(np.maximum(e1, 1e-300) / m1) - np.log(e2 / m2), -30.0)
    ends = np.full_like(middle, 40.0)
    low, high = (np.exp(bound) for bound in _bounds(statistic, crit, -ends, middle, ends))
    low = np.where(e1 > 0, low, 0.0)
    blank = np.where(some, 0.0, np.nan)
    return low + blank, high + blank


def _bounds(
    statistic: Callable[[Floats], Floats], crit: float, lowest: Floats, middle: Floats, highest: Floats
) -> tuple[Floats, Floats]:
    """Return where a falling statistic is crit (below the middle) and -crit (above): halving, then false position."""

    def distance(points: Floats) -> Floats:
        values = np.stack([statistic(points[0]) - crit, statistic(points[1]) + crit])
        return np.clip(values, -FAR, FAR)

    left, right = np.stack([lowest, middle]), np.stack([middle, highest])
    f_left, f_right = np.full_like(left, FAR), np.full_like(right, -FAR)
    found, done, side = left, np.zeros(left.shape, dtype=bool), np.zeros(left.shape)
    for step in range(STEPS):
        width = f_left - f_right
        secant = (left * -f_right + right * f_left) / np.where(width > 0, width, 1.0)
        # a halving now and then bounds the number of steps, whatever the form of the function
        point = (left + right) / 2 if step < 4 or step % 5 == 4 else secant
        value = distance(point)
        above = value > 0
        # Illinois: an end that stays twice counts half, else false position creeps up to it
        f_right = np.where(above, np.where(side > 0, f_right / 2, f_right), value)
        f_left = np.where(above, value, np.where(side < 0, f_left / 2, f_left))
        side = np.where(above, 1, -1)
        left, right = np.where(above, point, left), np.where(above, right, point)
        found = np.where(done, found, point)
        done |= (np.abs(value) < CLOSE) | (right - left < 1e-15)
        if done.all():
            break
    return found[0], found[1]


def _scaled(distance: Floats, variance: Floats, n1: Floats, n2: Floats) -> Floats:
    total = n1 + n2
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled = distance / np.sqrt(variance * total / (total - 1))
    return np.where(variance > 0, scaled, np.where(distance == 0, 0.0, np.copysign(np.inf, distance)))


def _variance_difference(p1: Floats, p2: Floats, n1: Floats, n2: Floats, delta: Floats) -> Floats:
    """Variance of the difference where both shares are the likeliest ones that differ by `delta`.

    Closed form of Farrington and Manning (1990, doi:10.1002/sim.4780091208), appendix.
    """
    theta = n2 / n1
    a = 1 + theta
    b = -(1 + theta + p1 + theta * p2 + delta * (theta + 2))
    c = delta**2 + delta * (2 * p1 + theta + 1) + p1 + theta * p2
    d = -p1 * delta * (1 + delta)
    v = b**3 / (27 * a**3) - b * c / (6 * a**2) + d / (2 * a)
    u = np.where(v < 0, -1.0, 1.0) * np.sqrt(np.maximum(b**2 / (9 * a**2) - c / (3 * a), 0.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        angle = np.where(u != 0, v / u**3, 0.0)
    w = (np.pi + np.arccos(np.clip(angle, -1.0, 1.0))) / 3
    q1 = np.clip(2 * u * np.cos(w) - b / (3 * a), 0.0, 1.0)
    q2 = np.clip(q1 - delta, 0.0, 1.0)
    return np.asarray(q1 * (1 - q1) / n1 + q2 * (1 - q2) / n2)
