"""Checks of numbers: the impossible, the wrong sign, codes, answers outside the scale, typed patterns, outliers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from segmentation._format import count, number
from segmentation.sources import _audit_placeholders as placeholders
from segmentation.sources._audit_finding import Finding
from segmentation.sources._audit_table import Column, Table

__all__ = ["number_checks", "outlier_bounds"]

Numbers = NDArray[np.float64]
Counts = NDArray[np.int64]
MIN_FOR_STATISTICS = 30
FENCE, MAX_TAIL = 1.5, 500
"""Outside the quartiles by so many quartile distances (Tukey) lie candidates, which the test of gaps then decides on;
the tail that it learns from is the last tenth, 20 to 500 values: a tail is one only far out."""
ALPHA = 0.001
"""Of an outlier test, a side of a column: one false alarm in ten tables of 50 columns, at most."""
OLDEST = 110
"""Years: about one person in ten million lives longer, so a higher age in a customer table is a typing error."""


class _Range(NamedTuple):
    low: float
    high: float
    why: str


def number_checks(table: Table, column: Column, numbers: Numbers) -> Iterator[Finding]:
    """Run all checks of one column of numbers; what a check explains is left out of the next ones."""
    infinite = np.isinf(numbers)
    if infinite.any():
        yield table.finding(
            "infinite", "error", [column.name], infinite, "infinite: a division by zero upstream", "Set missing.",
            {"action": "set_missing", "columns": [column.name], "values": [float("inf"), float("-inf")]},
        )  # fmt: skip
    values, counts = np.unique(numbers[np.isfinite(numbers)], return_counts=True)
    if len(values) < 3 or _is_identifier(column, values, counts, table.n_rows):
        return
    unread = np.ones(len(values), dtype=bool)
    for check in (_codes, _impossible, _wrong_sign, _zeros, _out_of_scale, _patterns, _spikes, _outliers):
        for finding, chosen in check(table, column, numbers, values[unread], counts[unread]):
            yield finding
            unread &= ~np.isin(values, chosen)
        if unread.sum() < 3:
            return


Found = Iterator[tuple[Finding, Numbers]]


def _is_identifier(column: Column, values: Numbers, counts: Counts, n_rows: int) -> bool:
    """Whether numbers are names of things: called so, or whole numbers without a gap as a row number is."""
    if column.looks_like_id or column.words & {"zip", "postcode", "plz", "upc", "ean", "sku", "phone", "fax", "iban"}:
        return True
    consecutive = bool(values[-1] - values[0] + 1 == len(values) and np.all(values == np.floor(values)))
    return consecutive and bool(counts.max() == 1) and len(values) > 20


def _codes(table: Table, column: Column, numbers: Numbers, values: Numbers, counts: Counts) -> Found:
    chosen = placeholders.code_values(values, counts, is_price=_is_money(column))
    if chosen.any():
        finding = placeholders.code_finding(table, column, numbers, values[chosen], counts[chosen])
        yield finding, values[chosen]


def _is_money(column: Column) -> bool:
    money = {"price", "amount", "cost", "fee", "spend", "revenue", "sales", "value", "payment", "charge", "charges"}
    return bool(column.words & money)


def _possible(column: Column, table: Table, values: Numbers, counts: Counts) -> _Range | None:
    """Return the range that the name of a column and the bulk of its values call for together."""
    words = column.words
    middle = float(values[np.searchsorted(np.cumsum(counts), counts.sum() / 2)])
    if "age" in words and not words & {"account", "days", "months", "group", "band", "class"} and 5 <= middle <= 100:
        return _Range(0, OLDEST, "no age of a person")
    if words & {"birth", "yob", "born", "birthyear"} and 1850 <= middle <= 2100:
        year = table.as_of.year
        return _Range(year - OLDEST, year, f"no year of birth of a living person in {year}")
    if words & {"price", "unitprice"} and not words & {"diff", "difference", "change", "delta"}:
        return _Range(0, np.inf, "a price below zero: a correction, not a sale")
    if words & {"salary", "wage", "wages", "height", "weight"}:
        return _Range(0, np.inf, "below zero")
    if words & {"latitude", "lat"} and np.abs(values).max() >= 90:
        return _Range(-90, 90, "no latitude")
    if words & {"longitude", "lon", "lng"}:
        return _Range(-180, 180, "no longitude")
    if words & {"probability", "prob"} and 0 <= middle <= 1:
        return _Range(0, 1, "no probability")
    if words == {"month"} and 1 <= middle <= 12 and column.is_whole:
        return _Range(1, 12, "no month")
    if words == {"hour"} and 0 <= middle <= 24 and column.is_whole:
        return _Range(0, 24, "no hour")
    return None


def _impossible(table: Table, column: Column, numbers: Numbers, values: Numbers, counts: Counts) -> Found:
    possible = _possible(column, table, values, counts)
    if possible is None:
        return
    low, high, why = possible
    outside = (values < low) | (values > high)
    bad = values[outside]
    # where more than one in twenty break the rule, the name means something else: a difference of prices
    if 0 < counts[outside].sum() <= 0.05 * counts.sum():
        fix = {"action": "set_missing", "columns": [column.name], "values": placeholders.fix_values(column, bad)}
        yield table.finding(
            "impossible_value", "error", [column.name], np.isin(numbers, bad),
            f"{why}: {placeholders.listed(bad)}", "Correct from the source, or set missing.", fix,
        ), bad  # fmt: skip


def _wrong_sign(table: Table, column: Column, numbers: Numbers, values: Numbers, counts: Counts) -> Found:
    bad = values < 0
    n_bad = int(counts[bad].sum())
    if n_bad and rule_broken(values, counts):
        yield table.finding(
            "negative_value", "warning", [column.name], numbers < 0,
            f"{count(n_bad, 'value')} below zero, down to {number(values[0])}, in a column that otherwise starts there",
            "Returns and corrections: treat them apart; typing errors: set missing.",
            {"action": "set_missing", "columns": [column.name], "values": placeholders.fix_values(column, values[bad])}
            if n_bad <= 1000 else {"action": "set_missing", "columns": [column.name], "below": 0},
        ), values[bad]  # fmt: skip


def rule_broken(values: Numbers, counts: Counts) -> bool:
    """Tell whether "not below zero" is a rule of these values that few of them break.

    A smooth curve through zero is about as dense on both sides. The rule is taken as one where at most one value in
    twenty is negative, and the density drops twentyfold across zero: as far above it as half of the negative values
    lie below, there are ten times as many values as there are negative ones, and at least twenty.
    """
    bad = values < 0
    n_bad = int(counts[bad].sum())
    if n_bad == 0 or n_bad > 0.05 * counts.sum():
        return False
    below = np.sort(-values[bad])
    weights = counts[bad][::-1]
    reach = float(below[np.searchsorted(np.cumsum(weights), n_bad / 2)])
    above = int(counts[(values >= 0) & (values <= reach)].sum())
    return above >= max(20, 10 * n_bad)


def _zeros(table: Table, column: Column, numbers: Numbers, values: Numbers, counts: Counts) -> Found:
    n_zero = int(counts[values == 0].sum())
    if not n_zero:
        return
    if placeholders.zeros(values, counts):
        why = f"0 lies far below all other values, which start at {number(values[values > 0][0])}"
    elif zero_apart(values, counts):
        why = f"0 lies further below the others, which start at {number(values[1])}, than their tail reaches"
    elif _zero_by_name(table, column, n_zero / counts.sum()):
        why = "nothing is sold for nothing, and nothing at a price: gifts, corrections, or not recorded"
    else:
        return
    yield placeholders.zero_finding(table, column, numbers, why), np.array([0.0])


def _zero_by_name(table: Table, column: Column, share: float) -> bool:
    """Zero prices anywhere, zero quantities and amounts in order lines; where most are zero, that is what it means."""
    if share > 0.05:
        return False
    if column.words & {"price", "unitprice", "height", "weight", "salary"}:
        return True
    line = {"quantity", "qty", "amount", "sales", "dollars", "cds", "units"}
    return not table.one_row_per_customer and bool(column.words & line)


def _out_of_scale(table: Table, column: Column, numbers: Numbers, values: Numbers, counts: Counts) -> Found:
    """Answers outside a scale of few whole numbers: the core has every step, its ends are well filled.

    The steps of the core each hold 1 % or more and together 95 %; what lies outside is not next to the core (then
    it may be the tail of a count) and holds less than a twentieth of the nearer end of the core.
    """
    if len(values) > 40 or not np.all(values == np.floor(values)) or counts.sum() < MIN_FOR_STATISTICS:
        return
    core = values[counts >= 0.01 * counts.sum()]
    if not 3 <= len(core) <= 11 or core[-1] - core[0] + 1 != len(core):
        return
    inside = np.isin(values, core)
    outside = ~inside & ((values > core[-1] + 1) | (values < core[0] - 1))
    n_out = int(counts[outside].sum())
    if not n_out or np.any(~inside & ~outside) or counts[inside].sum() < 0.95 * counts.sum():
        return
    ends = counts[values == core[-1]][0], counts[values == core[0]][0]
    if n_out * 20 > min(ends):
        return
    bad = values[outside]
    yield table.finding(
        "out_of_scale", "error", [column.name], np.isin(numbers, bad),
        f"{placeholders.listed(bad)} on a scale from {number(core[0])} to {number(core[-1])}",
        "Correct from the form, or set missing.",
        {"action": "set_missing", "columns": [column.name], "values": placeholders.fix_values(column, bad)},
    ), bad  # fmt: skip


def _patterns(table: Table, column: Column, numbers: Numbers, values: Numbers, counts: Counts) -> Found:
    """Whole numbers of five digits or more that are one digit repeated, or 1 2 3 4 5 6: typed, not measured.

    With `n` distinct whole numbers of `d` digits, `10 n / 9 10**(d - 1)` such patterns come by chance; they count
    where so many or more have a Poisson probability below 1 %.
    """
    whole = values[(values == np.floor(values)) & (values >= 10_000) & (values < 1e12)]
    if not len(whole):
        return
    digits = np.floor(np.log10(whole) + 1e-12).astype(int) + 1
    bad: list[float] = []
    for d in np.unique(digits):
        same = whole[digits == d]
        typed = [*(float(str(k) * d) for k in range(1, 10)), float("123456789012"[:d])]
        found = same[np.isin(same, typed)]
        expected = len(typed) * len(same) / (9 * 10.0 ** (d - 1))
        if len(found) and stats.poisson.sf(len(found) - 1, expected) < 0.01:
            bad += found.tolist()
    if bad:
        chosen = np.array(bad)
        yield table.finding(
            "typed_pattern", "warning", [column.name], np.isin(numbers, chosen),
            f"{', '.join(f'{v:,.0f}' for v in chosen[:5])}: a pattern of the keyboard; median of the others "
            f"{number(float(np.median(numbers[np.isfinite(numbers) & ~np.isin(numbers, chosen)])))}",
            "Set missing unless the source confirms it.",
            {"action": "set_missing", "columns": [column.name], "values": placeholders.fix_values(column, chosen)},
        ), chosen  # fmt: skip


def _spikes(table: Table, column: Column, numbers: Numbers, values: Numbers, counts: Counts) -> Found:
    chosen = placeholders.spikes(values, counts)
    for i in np.flatnonzero(chosen):
        inside = counts[placeholders.inner(values)]
        next_most = int(inside[inside < counts[i]].max(initial=0))
        finding = placeholders.spike_finding(table, column, numbers, float(values[i]), int(counts[i]), next_most)
        yield finding, values[[i]]


def _outliers(table: Table, column: Column, numbers: Numbers, values: Numbers, counts: Counts) -> Found:
    bounds = outlier_bounds(values, counts)
    if bounds is None:
        return
    low, high, scale = bounds
    apart = ((values < low) & ((values > 1e-9 * float(np.median(values))) | (values[0] < 0))) | (values > high)
    bad, inside = values[apart], values[~apart & (values != 0)]
    shown = ", ".join(number(v) for v in (bad[::-1] if bad[-1] > high else bad)[:5])
    fix: dict[str, object] = {"action": "set_missing", "columns": [column.name]}
    fix |= {"values": placeholders.fix_values(column, bad)} if len(bad) <= 100 else {
        **({"below": float(inside[0])} if bad[0] < low else {}),
        **({"above": float(inside[-1])} if bad[-1] > high else {}),
    }  # fmt: skip
    yield table.finding(
        "outlier", "warning", [column.name], np.isin(numbers, bad),
        f"{shown} lie apart from the others, which run from {number(inside[0])} to {number(inside[-1])} "
        f"(judged on the {scale} scale)",
        "Check them one by one: real large customers stay, wrong units and typing errors go.",
        fix,
    ), bad  # fmt: skip


def outlier_bounds(values: Numbers, counts: Counts) -> tuple[float, float, str] | None:
    """Return below and above what values are outliers, and the scale this was judged on; None without any.

    An outlier must (1) lie outside the quartiles by 1.5 quartile distances [1]_, on the scale - raw, or the
    logarithm of positive values - on which the middle three quarters are more symmetric; and (2) be parted from the
    rest by a gap that the tail does not leave. A generalised Pareto tail is fitted to the tenth of the values before
    the gap, by probability-weighted moments [2]_, its shape taken a standard error heavier than estimated and never
    lighter than exponential, so that the test errs on the side of silence. On the scale that makes such a tail
    exponential the spacings of ordered values, each times its rank, are independent and exponential [3]_; a rank is
    the number of rows there, over how often a value of the tail occurs. The spacing of rank `i` is tested at
    ``0.001 / (i (i + 1))``, which sums to 0.001 a side.

    Parameters
    ----------
    values : array of shape (n_distinct,)
        Ascending.
    counts : array of shape (n_distinct,)
        How often each one occurs.

    References
    ----------
    .. [1] Tukey, J. W. (1977). *Exploratory Data Analysis*: "outside" values.
    .. [2] Hosking, J. R. M. & Wallis, J. R. (1987). Parameter and quantile estimation for the generalized Pareto
       distribution. Technometrics 29, 339-349. :doi:`10.1080/00401706.1987.10488243`
    .. [3] Renyi, A. (1953). On the theory of order statistics. Acta Math. Hung. 4, 191-231. :doi:`10.1007/BF02127580`

    Examples
    --------
    >>> import numpy as np
    >>> income = np.array([*range(20_000, 80_000, 500), 900_000.0])
    >>> low, high, scale = outlier_bounds(income, np.ones(len(income), dtype=int))
    >>> high < 900_000, scale
    (True, 'raw')
    """
    if values[0] >= 0:  # zeros of amounts are a class of their own, and with them what rounding leaves of a zero
        keep = values > 1e-9 * float(np.median(values))
        values, counts = values[keep], counts[keep]
    n = int(counts.sum())
    if n < MIN_FOR_STATISTICS or len(values) < 15:
        return None
    scale, scaled = _scale_of(values, counts)
    sides = [_side(values, counts, scaled, scale, sign) for sign in (-1, 1)]
    if scale == "logarithmic" and sides[0] is None:
        # what is far below on the plain scale too: heights of 150 to 200 with one of 57
        sides[0] = _side(values, counts, values, "raw", -1)
        scale = "raw" if sides[0] is not None and sides[1] is None else scale
    if sides == [None, None]:
        return None
    return (-np.inf if sides[0] is None else sides[0]), (np.inf if sides[1] is None else sides[1]), scale


def _side(values: Numbers, counts: Counts, scaled: Numbers, scale: str, sign: int) -> float | None:
    """Return the bound below (`sign` -1) or above (1) which values are outliers; None where none are."""
    low, middle, high = _weighted(scaled, counts, (0.25, 0.5, 0.75))
    spread = high - low
    if spread <= 0:
        return None
    # Counts and rounded numbers lie on a grid: the first step of any gap is the grid's
    unit = float(np.diff(values).min())
    shifted = values - sign * unit
    inward = np.log(np.maximum(shifted, unit / 2)) if scale == "logarithmic" else shifted
    distance, nearer = sign * (scaled - middle) / spread, sign * (inward - middle) / spread
    quarter = max(float(sign * ((high if sign > 0 else low) - middle) / spread), 0.0)
    # On logarithms the steps of a small unit look wide: below, only what is ten times too small is too small
    least = np.log(10) / spread if scale == "logarithmic" and sign < 0 else 0.0
    turn = slice(None, None, sign)
    cut = _gap(distance[turn], nearer[turn], counts[turn], quarter + FENCE, least)
    return None if cut is None else float(values[turn][cut] + values[turn][cut - 1]) / 2


def zero_apart(values: Numbers, counts: Counts) -> bool:
    """Tell whether 0, and nothing else, lies below the others as an outlier does on the plain scale.

    Examples
    --------
    >>> import numpy as np
    >>> height = np.array([0, *range(160, 195)])
    >>> zero_apart(height, np.ones(36, dtype=int)), zero_apart(np.arange(36), np.ones(36, dtype=int))
    (True, False)
    """
    if values[0] != 0 or len(values) < 15 or counts.sum() < MIN_FOR_STATISTICS:
        return False
    bound = _side(values, counts, values.astype(float), "raw", -1)
    return bool(bound is not None and bound < values[1])


def _weighted(values: Numbers, counts: Counts, levels: tuple[float, ...]) -> list[float]:
    cumulative = np.cumsum(counts) / counts.sum()
    return [float(values[min(int(np.searchsorted(cumulative, level)), len(values) - 1)]) for level in levels]


def _scale_of(values: Numbers, counts: Counts) -> tuple[str, Numbers]:
    """Return the scale on which the octiles lie more evenly around the median."""
    if values[0] <= 0:
        return "raw", values
    logs = np.log(values)
    skews = []
    for scaled in (values, logs):
        low, middle, high = _weighted(scaled, counts, (0.125, 0.5, 0.875))
        skews.append(abs(high + low - 2 * middle) / (high - low) if high > low else 0.0)
    return ("raw", values) if skews[0] <= skews[1] else ("logarithmic", logs)


def _gap(distance: Numbers, nearer: Numbers, counts: Counts, fence: float, least: float) -> int | None:
    """Return the first position beyond the fence that a gap parts from all before it; None where none does."""
    beyond = int(np.searchsorted(distance, fence, side="right"))
    n = int(counts.sum())
    n_beyond = int(counts[beyond:].sum())
    if n_beyond == 0 or n_beyond > 0.05 * n or beyond == 0:
        return None
    ranks = n - np.concatenate([[0], np.cumsum(counts)])[:-1].astype(float)  # how many lie at or beyond each value
    gaps = nearer[1:] - distance[:-1]
    weighted = gaps[beyond - 1 :] * ranks[beyond:]
    # the widest gaps only: each trial fits a tail
    for step in sorted(np.argsort(-weighted, kind="stable")[:5].tolist()):
        cut = beyond + step
        if gaps[cut - 1] <= least:
            continue
        start = int(np.searchsorted(-ranks, -(ranks[cut] + max(20.0, min(0.1 * n, MAX_TAIL), 5 * ranks[cut]))))
        start = min(start, cut - 1)
        excess, weights = distance[start:cut] - distance[start], counts[start:cut]
        if _tail_spacing(excess, weights, float(nearer[cut] - distance[start]), ranks[cut], len(counts) - cut):
            return int(cut)
    return None


def _tail_spacing(excess: Numbers, weights: Counts, value: float, rank: float, n_distinct: int) -> bool:
    """Tell whether `value` is further from the last excess than a Pareto tail explains.

    `rank` rows and `n_distinct` different values lie at or beyond it. Where rates or rounded sums repeat, rows are not
    draws of their own, and any step would be significant: `rank` is divided by how often a value of the tail occurs.
    """
    if len(excess) < 5:
        return False
    place = max(float(n_distinct), rank / float(weights.mean()))
    # what lies beyond counts as if it lay at the last value before: censored, or the tail would look too short
    weights = weights.astype(float)
    weights[-1] += rank
    k = float(weights.sum())
    mean = float((excess * weights).sum() / (k - rank))
    plain = float((excess * weights).sum() / k)
    if mean <= 0:
        return False
    # probability-weighted moments: 1 - F at the middle of each run of equal values
    above = 1 - (np.cumsum(weights) - weights / 2) / k
    first = float((excess * weights * above).sum() / k)
    shape = 2 - plain / (plain - 2 * first) if plain > 2 * first else 0.9
    # a standard error to the heavy side; lighter than exponential is taken as exponential
    shape = float(np.clip(shape + 1 / np.sqrt(k), 0.01, 0.9))
    size = mean * (1 - shape)
    steps = np.log1p(shape * np.array([excess[-1], value]) / size) / shape
    return bool(np.exp(-(steps[1] - steps[0]) * place) < ALPHA / (place * (place + 1)))
