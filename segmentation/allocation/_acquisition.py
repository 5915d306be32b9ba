"""What acquiring a customer costs, against what a customer is worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from segmentation._format import name_some, percent
from segmentation.allocation._acquisition_input import Values, plain_numbers, read_margins, read_values
from segmentation.allocation._acquisition_result import AcquisitionCost

__all__ = ["acquisition_cost"]

Array = NDArray[np.float64]
NOBODY = "nobody acquired"
NOTHING_SPENT = "nothing spent"
LOSES = "costs more than it brings"
EARNS = "brings more than it costs"
UNKNOWN = "cannot be told"


def acquisition_cost(
    spend: Any,
    acquired: Any,
    value: Any = None,
    *,
    n_customers: Any = None,
    score: str | None = None,
    cumulative_margin: Any = None,
    margin_per_day: Any = None,
    horizon_days: float | None = None,
    level: float = 0.9,
    n_draws: int = 10_000,
    random_state: Any = 0,
) -> AcquisitionCost:
    """Set what acquiring a customer costs against what one is worth, per segment, with intervals.

    Parameters
    ----------
    spend : mapping or Series
        Segment to the money spent on acquiring its customers.
    acquired : mapping or Series
        Segment to how many customers that brought, whole numbers, 0 or more.
    value : optional
        What a customer is worth. One of:

        * segment to a number (mapping or Series): taken as known, which the result says;
        * segment to draws of the mean value of its customers (mapping to arrays, or a table with a row per draw and a
          column per segment, of which rows belong together). Totals from `sample_segments` with `n_customers`;
        * a profile from `profile_segments` with a score: its mean, and interval where it was given draws (of the
          same `level`).

        By default the last day of `cumulative_margin`.
    n_customers : mapping or Series, optional
        Divides draws that are totals of so many customers.
    score : str, optional
        Which score of a profile; by default the only one with ``<score>_mean``.
    cumulative_margin : mapping, Series or table, optional
        What a customer has brought by each day after acquisition: segment to a Series indexed by day, or to draws
        (rows) by day (columns), as `newcomer_value` gives; or one such for all segments. The last day is the horizon.
    margin_per_day : mapping, Series or float, optional
        Instead: a constant margin per customer and day, until `horizon_days` where given.
    horizon_days : float, optional
        How far to look for the payback; of a table no further than its last day.
    level : float, default=0.9
        Of the intervals, of equal tails.
    n_draws : int, default=10,000
        Draws of the cost; draws of values are taken again from their first where they are fewer.
    random_state : int, RandomState or None, default=0

    Returns
    -------
    AcquisitionCost
        Its ``table`` has one row per segment:

        ``spend``, ``acquired``
        ``cost``, ``cost_low``, ``cost_high``
            Spend per customer acquired. Where nobody was acquired: infinite, with a lower bound only.
        ``value``, ``value_low``, ``value_high``
            What a customer is worth; bounds NaN where it is taken as known.
        ``ratio``, ``ratio_low``, ``ratio_high``
            Value over cost. Where nobody was acquired: 0, with an upper bound only (its lower is 0).
        ``p_below_1``
            Probability that a customer costs more than one is worth.
        ``net_value``, ``net_low``, ``net_high``
            ``acquired * value - spend``: what this spend has earned, for those who came; its interval is that of the
            value alone.
        ``payback_days``, ``payback_low``, ``payback_high``
            The day on which the margin has paid the cost; infinite where it does not within the horizon. Only with
            margins.
        ``payback``
            The same in words, such as "not within 365 days".
        ``verdict``
            "costs more than it brings" where the interval of the ratio lies below 1, "brings more than it costs" where
            above, "cannot be told", "nobody acquired" or "nothing spent".

    Raises
    ------
    TypeError, ValueError
        If money is negative or missing, counts are not whole, or a segment is in one table and not in another.

    Notes
    -----
    The count of acquired customers varies as a Poisson one around what such a spend brings; its rate is drawn from the
    posterior under Jeffreys' prior, Gamma(n + 1/2, 1), whose intervals cover as promised down to small counts (Brown,
    Cai, DasGupta (2003), Interval estimation in exponential families, Statistica Sinica 13, 19-49). Where nobody was
    acquired the bound is one-sided at the same level: with 90 % at most ``-log(0.1) = 2.3`` were to be expected.
    Cost and value are taken as independent. The cost is an average: what the *next* customer costs is the slope of a
    response curve (`segmentation.curves`), and mostly more.

    Examples
    --------
    >>> from segmentation.allocation import acquisition_cost
    >>> result = acquisition_cost(
    ...     {"search": 9000.0, "fairs": 8000.0}, {"search": 300, "fairs": 40},
    ...     {"search": 95.0, "fairs": 120.0}, margin_per_day=0.25, horizon_days=365)
    >>> result.table[["cost", "ratio", "ratio_low", "ratio_high"]].round(2)  # doctest: +NORMALIZE_WHITESPACE
              cost  ratio  ratio_low  ratio_high
    segment
    search    30.0   3.17       2.88        3.48
    fairs    200.0   0.60       0.46        0.77
    >>> result.table["payback"].tolist()
    ['120 days (109 to 132)', 'not within 365 days']
    >>> result.table["verdict"].tolist()
    ['brings more than it costs', 'costs more than it brings']
    """
    if isinstance(level, bool) or not isinstance(level, int | float | np.number) or not 0 < level < 1:
        raise ValueError(f"level must be a number between 0 and 1, got {level!r}.")
    if isinstance(n_draws, bool) or not isinstance(n_draws, int | np.integer) or n_draws < 100:
        raise ValueError(f"n_draws must be a whole number of at least 100, got {n_draws!r}.")
    money = plain_numbers(spend, "spend")
    segments = list(money)
    counts = plain_numbers(acquired, "acquired", segments=segments, whole=True)
    margins = read_margins(cumulative_margin, margin_per_day, horizon_days, segments)
    values = read_values(value, margins, segments, n_customers=n_customers, score=score, level=float(level))
    rng = check_random_state(random_state)
    rate = {s: rng.gamma(counts[s] + 0.5, size=int(n_draws)) for s in segments}
    drawn = {s: None if values.draws[s] is None else np.resize(_array(values.draws[s]), int(n_draws)) for s in segments}
    rows = [_row(s, money[s], int(counts[s]), values, rate[s], drawn[s], float(level)) for s in segments]
    table = pd.DataFrame(rows, index=pd.Index(segments, name="segment"))
    if margins is not None:
        paid = [margins[s].payback(money[s], int(counts[s]), rate[s], float(level)) for s in segments]
        for name in ("payback_days", "payback_low", "payback_high", "payback"):
            table[name] = [one[name] for one in paid]
    table["verdict"] = [_verdict(row) for _, row in table.iterrows()]
    total, low, high = _total(table, drawn, float(level))
    settings = {
        "level": float(level),
        "n_draws": int(n_draws),
        "random_state": random_state,
        "value_from": values.source,
        "score": values.score,
        "horizon_days": None if margins is None else max(m.horizon for m in margins.values()),
        "n_segments": len(segments),
    }
    return AcquisitionCost(
        table=table,
        net_total=total,
        net_total_low=low,
        net_total_high=high,
        settings=settings,
        warnings=_warnings(table, values, float(level)),
    )


def _array(values: Any) -> Array:
    return np.asarray(values, dtype=np.float64)


def _interval(draws: Array, level: float) -> tuple[float, float]:
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _row(
    segment: Any, money: float, n: int, values: Values, rate: Array, drawn: Array | None, level: float
) -> dict[str, Any]:
    worth = values.mean[segment]
    v_low, v_high = (np.nan, np.nan) if drawn is None else _interval(drawn, level)
    row: dict[str, Any] = {"spend": money, "acquired": n}
    one = np.full(len(rate), worth) if drawn is None else drawn
    if money == 0:
        cost, ratio, below = (0.0 if n else np.nan), np.nan, np.nan
        cost_low = cost_high = r_low = r_high = np.nan
    elif n == 0:
        # one-sided: so many at most were to be expected
        most = -np.log(1 - level)
        cost, cost_low, cost_high = np.inf, money / most, np.inf
        ratio, r_low, r_high = 0.0, 0.0, float(np.quantile(one, level)) * most / money
        below = float((one * rate < money).mean())
    else:
        cost, ratio = money / n, worth * n / money
        few, many = _interval(rate, level)
        cost_low, cost_high = money / many, money / few
        draws = one * rate / money
        r_low, r_high = _interval(draws, level)
        below = float((draws < 1).mean())
    row |= {"cost": cost, "cost_low": cost_low, "cost_high": cost_high}
    row |= {"value": worth, "value_low": v_low, "value_high": v_high}
    row |= {"ratio": ratio, "ratio_low": r_low, "ratio_high": r_high, "p_below_1": below}
    return row | {"net_value": n * worth - money, "net_low": n * v_low - money, "net_high": n * v_high - money}


def _verdict(row: pd.Series[Any]) -> str:
    if row["spend"] == 0:
        return NOTHING_SPENT
    if row["acquired"] == 0:
        return f"{NOBODY}, {LOSES}" if row["ratio_high"] < 1 else NOBODY
    if row["ratio_high"] < 1:
        return LOSES
    return EARNS if row["ratio_low"] > 1 else UNKNOWN


def _total(table: pd.DataFrame, drawn: Mapping[Any, Array | None], level: float) -> tuple[float, float, float]:
    """Return the net value of all segments together; draws of the same number belong together."""
    total = float(table["net_value"].sum())
    some = [s for s in drawn if drawn[s] is not None]
    if not some:
        return total, np.nan, np.nan
    known = float(sum(table.loc[s, "acquired"] * table.loc[s, "value"] for s in drawn if drawn[s] is None))
    draws = sum(float(table.loc[s, "acquired"]) * _array(drawn[s]) for s in some)
    low, high = _interval(_array(draws) + known - float(table["spend"].sum()), level)
    return total, low, high


def _warnings(table: pd.DataFrame, values: Values, level: float) -> tuple[str, ...]:
    said = [*values.notes]
    nobody = table.index[(table["acquired"] == 0) & (table["spend"] > 0)]
    if len(nobody):
        said.append(
            f"Nobody was acquired for {name_some(nobody)}: the cost has a lower bound only "
            f"({100 * level:g} %, one-sided)."
        )
    for_nothing = table.index[table["spend"] == 0]
    if len(for_nothing):
        said.append(f"Nothing was spent for {name_some(for_nothing)}: there is no ratio to a cost of nothing.")
    if len(table) > 1:
        said.append(
            f"Intervals are for one segment each: of {len(table)} segments that bring just what they cost, "
            f"{percent((1 - level) / 2)} each would be flagged below 1 by chance."
        )
    said.append(
        "Cost is spend over customers acquired, all of them counted as due to it: who would have come anyway makes it "
        "look lower than it is."
    )
    return tuple(said)
