"""How people answer, whatever is asked: the same answer all the way, or yes to everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from segmentation._format import count, name_some, number

__all__ = ["response_styles", "style_warnings"]

Floats = NDArray[np.float64]

# Half of the questionnaire in one string of equal answers: Curran (2016), doi:10.1016/j.jesp.2015.07.006.
LONG_STRING_SHARE = 0.5
# A string counts only if fewer than this many customers in all would have one so long by chance.
CHANCE_STRINGS = 0.05
# Beyond three standard deviations lie 0.135 % of a normal distribution on each side.
UNUSUAL = 3.0
UNUSUAL_SHARE = 0.00135
# From the 5 % to the 95 % quantile of a normal distribution, in standard deviations.
NORMAL_RANGE = 3.2897072539029444


def response_styles(
    answers: pd.DataFrame, keys: Mapping[str, Sequence[str]], reverse: frozenset[str], middle: Mapping[str, float]
) -> pd.DataFrame:
    """Return how each customer answers, from the answers as they were given.

    Parameters
    ----------
    answers : DataFrame
        The items, in the order of the questionnaire.
    keys : mapping of scale to items
    reverse : set of items
    middle : mapping of item to the middle of its range

    Returns
    -------
    pandas.DataFrame
        Index as `answers`; ``n_answered``; ``longest_string`` (equal answers one after the other; missing ones are
        passed over); ``straight_lining``; ``acquiescence`` (mean answer minus the middle, over items of both keyings in
        equal parts, so that the content cancels out; NaN where a scale has one keying only, or is not answered on
        both sides); ``acquiescent`` and ``disacquiescent``.
    """
    X = answers.to_numpy(dtype=np.float64)
    n_answered = (~np.isnan(X)).sum(axis=1)
    longest = _longest_string(X)
    straight = (longest >= shortest_string(X)) & (longest >= LONG_STRING_SHARE * n_answered)
    index = _acquiescence(answers, keys, reverse, middle)
    center, width = _robust(index)
    with np.errstate(invalid="ignore"):
        high, low = index > center + UNUSUAL * width, index < center - UNUSUAL * width
    return pd.DataFrame(
        {
            "n_answered": n_answered,
            "longest_string": longest,
            "straight_lining": straight,
            "acquiescence": index,
            "acquiescent": high,
            "disacquiescent": low,
        },
        index=answers.index,
    )


def shortest_string(X: Floats) -> float:
    """Return from which length on a string of equal answers is more than chance, infinite if no length is.

    If customers answered every item by itself, with the shares of answers that the item has, a string of level v and
    length L or more would begin at item i with probability ``(1 - p[i-1, v]) * p[i, v] * ... * p[i+L-1, v]``; summed
    over levels and places, times the customers, that is how many to expect.
    """
    levels = np.unique(X[~np.isnan(X)])
    answered = np.maximum((~np.isnan(X)).sum(axis=0), 1)
    shares = [(level == X).sum(axis=0) / answered for level in levels]
    p = np.array(shares).reshape(len(levels), X.shape[1]).T  # (n_items, n_levels)
    n_items = len(p)
    before = np.vstack([np.zeros(p.shape[1]), p[:-1]])
    product = np.ones_like(p)  # of p[i : i + length], by place i
    for length in range(1, n_items + 1):
        product = product[: n_items - length + 1] * p[length - 1 :]
        expected = len(X) * float(((1.0 - before[: len(product)]) * product).sum())
        if expected < CHANCE_STRINGS:
            return float(length)
    return float("inf")


def _longest_string(X: Floats) -> NDArray[np.int64]:
    """Length of the longest run of equal answers of each customer, over missing ones."""
    longest = np.zeros(len(X), dtype=np.int64)
    current = np.zeros(len(X), dtype=np.int64)
    last = np.full(len(X), np.nan)
    for answer in X.T:
        given = ~np.isnan(answer)
        current = np.where(given, np.where(answer == last, current + 1, 1), current)
        last = np.where(given, answer, last)
        longest = np.maximum(longest, current)
    return longest


def _acquiescence(
    answers: pd.DataFrame, keys: Mapping[str, Sequence[str]], reverse: frozenset[str], middle: Mapping[str, float]
) -> Floats:
    parts = []
    for items in keys.values():
        forward = [item for item in items if item not in reverse]
        backward = [item for item in items if item in reverse]
        if forward and backward:
            sides = [(answers[side] - pd.Series(middle)[side]).mean(axis=1) for side in (forward, backward)]
            parts.append(((sides[0] + sides[1]) / 2).to_numpy(dtype=np.float64))
    if not parts:
        return np.full(len(answers), np.nan)
    table = np.column_stack(parts)
    seen = ~np.isnan(table)
    with np.errstate(invalid="ignore"):
        return np.where(seen.any(axis=1), np.nansum(table, axis=1) / np.maximum(seen.sum(axis=1), 1), np.nan)


def _robust(x: Floats) -> tuple[float, float]:
    """Median, and the range of the middle 90 % as a standard deviation; infinite where there is no spread.

    The median absolute deviation would be too coarse: the index of a few items has few values.
    """
    x = x[~np.isnan(x)]
    if not len(x):
        return 0.0, np.inf
    low, center, high = np.quantile(x, [0.05, 0.5, 0.95])
    return float(center), float(high - low) / NORMAL_RANGE if high > low else np.inf


def style_warnings(styles: pd.DataFrame, answers: pd.DataFrame, n_reverse: int) -> list[str]:
    """Say in words who answers in a style, with their number and up to five ids."""
    found = []
    straight = styles.index[styles["straight_lining"]]
    if len(straight):
        found.append(
            f"straight-lining: {count(len(straight), 'customer')} gave one answer in half or more of the items they "
            f"answered, one after the other: {name_some(straight)}."
        )
    if np.isinf(shortest_string(answers.to_numpy(dtype=np.float64))):
        found.append(
            f"straight-lining cannot be told among {count(len(answers.columns), 'item')}: equal answers all the way "
            "occur by chance."
        )
    asked = int(styles["acquiescence"].notna().sum())
    if not asked:
        why = "no item is reverse-keyed" if not n_reverse else "no scale has items of both keyings"
        found.append(f"acquiescence cannot be told from agreement: {why}.")
        return found
    expected = UNUSUAL_SHARE * asked
    for column, words in (("acquiescent", "agree"), ("disacquiescent", "disagree")):
        flagged = styles.index[styles[column]]
        if len(flagged) > stats.poisson.ppf(0.95, expected):
            found.append(
                f"acquiescence: {count(len(flagged), 'customer')} {words} with items and their opposites alike, beyond "
                f"three standard deviations (by chance about {number(round(expected, 1))}): "
                f"{name_some(flagged)}."
            )
    return found
