"""Satisfaction by segment: means and top boxes of one or several questions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import name_some, number
from segmentation._frames import is_frame, to_pandas
from segmentation.exceptions import ColumnError
from segmentation.feedback._cells import MINIMUM, protect
from segmentation.feedback._groups import Answers, differ_at_all
from segmentation.feedback._input import Rows, check_level, check_whole, read_rows
from segmentation.feedback._net_promoter import enough, settings_of, warnings_of, with_answers
from segmentation.feedback._survey import (
    corrected,
    customers_by,
    differences_of,
    figures,
    hide_parts,
    pairs_of,
    periods_of,
    trend_of,
)
from segmentation.feedback._survey_result import Satisfaction

__all__ = ["satisfaction"]


def satisfaction(
    answers: Any,
    assignment: Any,
    *,
    items: Sequence[Any] | None = None,
    scale: tuple[float, float] | None = None,
    top: int = 2,
    compare: str = "mean",
    customer_id: Any = "customer_id",
    timestamp: Any = None,
    period: Any = None,
    against: Any = "rest",
    level: float = 0.95,
    alpha: float = 0.05,
    minimum: int = MINIMUM,
) -> Satisfaction:
    """Compute means, top boxes and bottom boxes of questions by segment.

    Parameters
    ----------
    answers : dataframe, or Series of answers indexed by customer
        One row per questionnaire, one column of whole numbers per question (more is better); a customer may have
        several rows, and leave questions out.
    assignment : dataframe or Series
        From `segmentation.assign`.
    items : list of column names, optional
        The questions; by default all columns of numbers.
    scale : (lowest, highest), optional
        Ends of the scale, such as (1, 5); by default the least and largest answer, which the result then notes.
    top : int, default=2
        How many of the highest answers are the top box, and of the lowest the bottom box.
    compare : {"mean", "top_box"}, default="mean"
        What differences and changes are about.
    customer_id, timestamp, period, against, level, alpha, minimum
        As in `net_promoter`; p-values are corrected for all segments and questions together.

    Returns
    -------
    Satisfaction

    Raises
    ------
    TypeError, ColumnError, CustomerTableError, ValueError
        If a table is not what it should be, answers lie outside the scale, or `top` is more than half of it.

    Notes
    -----
    Shares have Wilson's (1927) score interval, means Student's t; where customers answered several times, the number of
    answers is reduced to what they are worth (see `net_promoter`). Shares are blanked where they or their complement
    stand for fewer than `minimum` answers. Means treat the distance between neighbouring answers as the same.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from segmentation.feedback import satisfaction
    >>> ids = pd.RangeIndex(200, name="customer_id")
    >>> answers = pd.DataFrame({"service": np.tile([2, 4, 5, 5], 50)}, index=ids)
    >>> segments = pd.Series(np.repeat(["a", "b"], 100), index=ids)
    >>> result = satisfaction(answers, segments, scale=(1, 5))
    >>> result.table[["segment", "item", "mean", "top_box"]].values.tolist()
    [['a', 'service', 4.0, 0.75], ['b', 'service', 4.0, 0.75]]
    """
    check_level(level=level, alpha=alpha)
    check_whole(2, minimum=minimum)
    check_whole(1, top=top)
    if compare not in ("mean", "top_box"):
        raise ValueError(f"compare must be 'mean' or 'top_box', got {compare!r}.")
    questions = _questions(answers, items, customer_id, timestamp)
    columns = questions if timestamp is None else [*questions, timestamp]
    single = questions[0] if isinstance(answers, pd.Series) else None
    rows = read_rows(answers, assignment, columns=columns, customer_id=customer_id, what="answers", single=single)
    rows = enough(with_answers(rows, questions), minimum)
    low, high, assumed = _scale(rows, questions, scale, top)
    n = len(rows.segments)
    tables, overall, differences, trends, changes, alike = [], [], [], [], [], []
    hidden_anywhere = np.zeros(n, dtype=bool)
    p_all: dict[str, float] = {}
    for item in questions:
        part = rows.keep(rows.table[item].notna().to_numpy())
        values = part.table[item].to_numpy(dtype=np.float64)
        hidden = protect(customers_by(part, part.segment, n), minimum)
        hidden_anywhere |= hidden
        boxes = {"top_box": values > high - top, "bottom_box": values < low + top}
        table, group = _table(part, part.segment, n, values, boxes, level, minimum)
        table.loc[hidden, list(table.columns)] = np.nan
        table.insert(0, "item", str(item))
        table.insert(0, "segment", pd.Series(pd.Categorical(part.segments, categories=part.segments)))
        tables.append(table)
        whole, _ = _table(part, np.zeros(len(values), dtype=np.int64), 1, values, boxes, level, minimum)
        if len(part.ids) < minimum:
            whole.loc[:, :] = np.nan
        overall.append(whole.assign(item=str(item)).set_index("item"))
        each = (
            Answers.of("mean", values, part.customer, part.segment)
            if compare == "mean"
            else Answers.of("share", boxes["top_box"].astype(np.float64), part.customer, part.segment)
        )
        alike.append(each)
        shown = ~hidden & (group.n_customers > 0)
        difference = differences_of(each, part, pairs_of(against, part.segments, shown), shown, level)
        difference.insert(0, "item", str(item))
        differences.append(difference)
        p_all[str(item)] = differ_at_all(each.by(part.segment, n, level), shown)
        periods = periods_of(part, timestamp, period)
        if periods is not None:
            trend, change = trend_of(each, part, periods, hidden, compare, level, minimum)
            trend.insert(0, "item", str(item))
            change.insert(0, "item", str(item))
            trends.append(trend)
            changes.append(change)
    settings = settings_of(rows, alike[0], level, alpha, minimum, against, period if timestamp is not None else None)
    settings |= {"scale": (low, high), "top": int(top), "compare": compare, "p_value_all": p_all}
    settings["alike_within_customers"] = {str(item): each.alike for item, each in zip(questions, alike, strict=True)}
    notes = warnings_of(rows, hidden_anywhere, minimum)
    if assumed:
        notes.append(f"scale taken from the answers: {number(low)} to {number(high)}; give it as scale=.")
    change_table = pd.DataFrame()
    if changes:
        change_table = corrected(pd.concat(changes, ignore_index=True).drop(columns="p_adjusted"), alpha)
        change_table = change_table.rename(columns={"differs": "changes"})
    return Satisfaction(
        pd.concat(tables, ignore_index=True),
        pd.concat(overall),
        corrected(pd.concat(differences, ignore_index=True), alpha),
        pd.concat(trends, ignore_index=True) if trends else pd.DataFrame(),
        change_table,
        settings,
        tuple(notes),
    )


def _questions(answers: Any, items: Sequence[Any] | None, customer_id: Any, timestamp: Any) -> list[Any]:
    if isinstance(answers, pd.Series):
        return ["answer" if answers.name is None else answers.name]
    if items is not None:
        names = [items] if isinstance(items, str) else list(items)
        if not names or len(set(names)) < len(names):
            raise ValueError(f"items must name at least one question, each once, got {name_some(names) or 'none'}.")
        return names
    if not is_frame(answers):
        return []  # `read_rows` says what came
    table = to_pandas(answers)
    names = [
        name
        for name in table.columns
        if name not in (customer_id, timestamp)
        and pd.api.types.is_numeric_dtype(table[name].dtype)
        and not pd.api.types.is_bool_dtype(table[name].dtype)
    ]
    if not names:
        raise ColumnError(
            f"answers has no column of numbers, only {name_some(table.columns)}; items= names the questions."
        )
    return names


def _scale(rows: Rows, items: list[Any], scale: Any, top: int) -> tuple[float, float, bool]:
    values = rows.table[items].to_numpy(dtype=np.float64, na_value=np.nan)
    least, most = float(np.nanmin(values)), float(np.nanmax(values))
    if not np.isfinite([least, most]).all():
        raise ColumnError(f"answers must be finite, got {number(least)} to {number(most)}.")
    if scale is None and least == most:
        raise ValueError(f"all answers are {number(least)}, which says nothing of the scale: give it as scale=.")
    if scale is not None and (isinstance(scale, str) or np.shape(scale) != (2,)):
        raise ValueError(f"scale must be (lowest, highest), got {scale!r}.")
    low, high = (least, most) if scale is None else (float(scale[0]), float(scale[1]))
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise ValueError(f"scale must be (lowest, highest), got {scale!r}.")
    if least < low or most > high:
        raise ColumnError(f"answers run from {number(least)} to {number(most)}, outside of the scale {scale!r}.")
    if 2 * top > high - low + 1:
        raise ValueError(f"top={top} is more than half of a scale from {number(low)} to {number(high)}.")
    return low, high, scale is None


def _table(
    rows: Rows, of: Any, n: int, values: Any, boxes: dict[str, Any], level: float, minimum: int
) -> tuple[pd.DataFrame, Any]:
    """Return the figures of one question by group; how alike answers are is measured within segments."""
    group = Answers.of("mean", values, rows.customer, rows.segment).by(of, n, level)
    table = pd.DataFrame({"n_answers": group.n_answers, "n_customers": group.n_customers, **figures(group, "mean")})
    for name, flags in boxes.items():
        share = Answers.of("share", flags.astype(np.float64), rows.customer, rows.segment).by(of, n, level)
        for column, figure in figures(share, name).items():
            table[column] = figure
        counts = np.bincount(of[flags], minlength=n)[:, None]
        hide_parts(table, list(figures(share, name)), counts, group.n_answers, minimum)
    return table, group
