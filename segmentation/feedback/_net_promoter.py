"""The net promoter score by segment."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some
from segmentation.exceptions import ColumnError, CustomerTableError
from segmentation.feedback._cells import MINIMUM
from segmentation.feedback._groups import Answers, differ_at_all
from segmentation.feedback._input import Rows, check_level, check_whole, read_rows
from segmentation.feedback._survey import (
    corrected,
    differences_of,
    figures,
    hidden_segments,
    hide_parts,
    pairs_of,
    periods_of,
    trend_of,
)
from segmentation.feedback._survey_result import NetPromoter

__all__ = ["net_promoter"]

PROMOTER, PASSIVE = 9, 7
PARTS = ["promoters", "passives", "detractors"]


def net_promoter(
    answers: Any,
    assignment: Any,
    *,
    score: Any = "nps",
    customer_id: Any = "customer_id",
    timestamp: Any = None,
    period: Any = None,
    against: Any = "rest",
    level: float = 0.95,
    alpha: float = 0.05,
    minimum: int = MINIMUM,
) -> NetPromoter:
    """Compute the net promoter score of each segment, with intervals, differences and change over time.

    Parameters
    ----------
    answers : dataframe, or Series of answers indexed by customer
        One row per answer from 0 to 10; a customer may have given several.
    assignment : dataframe or Series
        From `segmentation.assign`.
    score, customer_id : column names
    timestamp : column name, optional
        Time of the answer; then the score is given by period, and its change tested.
    period : str, optional
        Length of a period as pandas writes it: "M" (default), "Q", "W", "Y".
    against : {"rest", "pairs"} or the name of a segment, default="rest"
        Whom each segment is compared with: all other segments shown, each other one, or one segment.
    level : float, default=0.95
        Level of the intervals.
    alpha : float, default=0.05
        Chance to call any difference one where all segments are the same.
    minimum : int, default=10
        Fewest customers behind a figure.

    Returns
    -------
    NetPromoter

    Raises
    ------
    TypeError, ColumnError, CustomerTableError, ValueError
        If a table is not what it should be, an answer is no whole number from 0 to 10, or nobody in a segment answered.

    Notes
    -----
    The score is the share of answers of 9 and 10 less that of 0 to 6, times 100 (Reichheld 2003, Harvard Business
    Review 81(12)). Its interval is Tango's (1998) score interval of the difference of two shares of one sample, which
    holds for few answers and where hardly anybody detracts. Answers of one customer are alike: how much so is measured
    over all segments, and the number of answers reduced to what they are worth. Differences are compared by Welch's t
    after adding three answers to both sides (Rocks 2016), corrected by Holm.

    A segment in which fewer than `minimum` customers answered is blanked, and the next one if its number would
    follow; shares of promoters, passives and detractors where one of them, or the two others together, stand for fewer.
    The score and its interval stay: whoever knows the number of answers can narrow the shares down from them.

    References
    ----------
    Tango (1998), doi:10.1002/(SICI)1097-0258(19980430)17:8<891::AID-SIM780>3.0.CO;2-B. Rocks (2016),
    doi:10.1080/00031305.2016.1198278.

    Examples
    --------
    >>> from segmentation.datasets import make_market
    >>> from segmentation.feedback import net_promoter
    >>> market = make_market(5_000, random_state=0)
    >>> result = net_promoter(market.feedback, market.truth["segment"])
    >>> result.table["nps"].round(1).to_dict()
    {'bargain': -19.4, 'convenience': -14.6, 'inspiration': -6.2, 'quality': -19.4, 'reassurance': -25.5}
    """
    check_level(level=level, alpha=alpha)
    check_whole(2, minimum=minimum)
    columns = [score] if timestamp is None else [score, timestamp]
    rows = read_rows(answers, assignment, columns=columns, customer_id=customer_id, what="answers", single=score)
    rows, values = _scores(rows, score)
    enough(rows, minimum)
    sign = np.where(values >= PROMOTER, 1.0, np.where(values >= PASSIVE, 0.0, -1.0))
    n = len(rows.segments)
    hidden = hidden_segments(rows, minimum)
    each = Answers.of("promoters", sign, rows.customer, rows.segment)
    group = each.by(rows.segment, n, level)
    table = _table(group, sign, rows.segment, n, minimum)
    table.index = pd.Index(rows.segments, name="segment", dtype=object)
    table.loc[hidden] = np.nan
    everybody = np.zeros(len(sign), dtype=np.int64)
    overall = _table(each.by(everybody, 1, level), sign, everybody, 1, minimum)
    overall.index = pd.Index(["all"], name="segment", dtype=object)
    shown = ~hidden & (group.n_customers > 0)
    differences = corrected(
        differences_of(each, rows, pairs_of(against, rows.segments, shown), shown, level, 100.0), alpha
    )
    periods = periods_of(rows, timestamp, period)
    trend, changes = pd.DataFrame(), pd.DataFrame()
    if periods is not None:
        trend, changes = trend_of(each, rows, periods, hidden, "nps", level, minimum, 100.0)
        changes["changes"] = changes["p_adjusted"] <= alpha
    settings = settings_of(rows, each, level, alpha, minimum, against, period if timestamp is not None else None)
    settings["score"] = str(score)
    settings["p_value_all"] = differ_at_all(group, shown)
    return NetPromoter(table, overall, differences, trend, changes, settings, tuple(warnings_of(rows, hidden, minimum)))


def _scores(rows: Rows, score: Any) -> tuple[Rows, NDArray[np.float64]]:
    rows = with_answers(rows, [score])
    values = rows.table[score].to_numpy(dtype=np.float64)
    wrong = (values < 0) | (values > 10) | (values != np.round(values))
    if wrong.any():
        raise ColumnError(
            f"the column {score!r} must hold whole numbers from 0 to 10, the answers to 'how likely are you to "
            f"recommend us'; got {name_some(np.unique(values[wrong]).tolist())}."
        )
    return rows, values


def with_answers(rows: Rows, columns: list[Any]) -> Rows:
    """Leave out rows without any answer, which are counted; answers must be numbers."""
    for name in columns:
        dtype = rows.table[name].dtype
        if not pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype):
            raise ColumnError(f"the column {name!r} must hold numbers, got {dtype}.")
    known = rows.table[columns].notna().any(axis=1).to_numpy()
    if not known.any():
        raise CustomerTableError(f"nobody in a segment answered: {name_some(columns)} is missing in every row.")
    if known.all():
        return rows
    rows.warnings.append(f"{count(int((~known).sum()), 'row')} without an answer left out.")
    return rows.keep(known)


def enough(rows: Rows, minimum: int) -> Rows:
    """Raise if fewer than `minimum` customers answered at all; return the rows."""
    if len(rows.ids) < minimum:
        raise CustomerTableError(f"fewer than {minimum} customers in a segment answered; minimum= sets the number.")
    return rows


def _table(group: Any, sign: Any, of: Any, n: int, minimum: int) -> pd.DataFrame:
    counts = np.column_stack([np.bincount(of[sign == value], minlength=n) for value in (1.0, 0.0, -1.0)])
    table = pd.DataFrame({"n_answers": group.n_answers, "n_customers": group.n_customers})
    with np.errstate(invalid="ignore", divide="ignore"):
        for name, column in zip(PARTS, counts.T, strict=True):
            table[name] = column / group.n_answers
    hide_parts(table, PARTS, counts, group.n_answers, minimum)
    for name, values in figures(group, "nps", 100.0).items():
        table[name] = values
    return table


def settings_of(
    rows: Rows, answers: Answers, level: float, alpha: float, minimum: int, against: Any, period: Any
) -> dict[str, Any]:
    """Return the settings that all results of a survey have."""
    return {
        "n_answers": len(rows.table),
        "n_customers": len(rows.ids),
        "alike_within_customers": answers.alike,
        "level": float(level),
        "alpha": float(alpha),
        "minimum": int(minimum),
        "against": str(against),
        "period": None if period is None else str(period),
    }


def warnings_of(rows: Rows, hidden: Any, minimum: int) -> list[str]:
    """Return what was left out and what is blanked."""
    notes = list(rows.warnings)
    if hidden.any():
        names = name_some([rows.segments[i] for i in np.flatnonzero(hidden)])
        notes.append(
            f"{count(int(hidden.sum()), 'segment')} not shown ({names}): fewer than {minimum} customers answered, or "
            "needed so that the number of such a segment cannot be computed."
        )
    return notes
