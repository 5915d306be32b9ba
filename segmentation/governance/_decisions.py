"""Reading a table of consent decisions: whose latest decision about a purpose holds at a moment."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import column_difference, name_some, nearest
from segmentation._frames import is_frame, kind_of, to_pandas
from segmentation._validation import CUSTOMER_ID
from segmentation.exceptions import ColumnError, ConsentError

__all__ = ["ABSENT", "moment", "read_decisions", "standing"]

ABSENT = "absent"

# How a yes and a no are written in files; any other text is refused, because nothing is to be taken for a yes.
WORDS = {"true": True, "yes": True, "false": False, "no": False}


def moment(as_of: Any) -> pd.Timestamp:
    """Return a moment in UTC, without zone; a day without a time means the end of that day, None means now.

    Examples
    --------
    >>> moment("2026-03-31")
    Timestamp('2026-03-31 23:59:59.999999')
    """
    if as_of is None:
        return pd.Timestamp.now("UTC").tz_localize(None)
    try:
        stamp = pd.Timestamp(as_of)
    except (TypeError, ValueError) as error:
        raise ValueError(f"as_of must be a date, a time or None for now, got {as_of!r}.") from error
    if pd.isna(stamp):
        raise ValueError("as_of is missing (NaT): give a date or a time, or leave it out for now.")
    day_only = (isinstance(as_of, dt.date) and not isinstance(as_of, dt.datetime)) or (
        isinstance(as_of, str) and len(as_of.strip()) == len("2026-03-31")
    )
    if day_only:
        stamp = stamp + pd.Timedelta(days=1) - pd.Timedelta(microseconds=1)
    return stamp if stamp.tzinfo is None else stamp.tz_convert("UTC").tz_localize(None)


def read_decisions(consent: Any, purpose: str) -> pd.DataFrame:
    """Return the decisions about one purpose: customer_id, granted (nullable), dated, expires (UTC, no zone), has_time.

    Where no decision has a time, all stand at one moment (``has_time`` is false).

    Raises
    ------
    TypeError, ColumnError
        If it is no such table.
    ConsentError
        If nobody was ever asked about this purpose.
    """
    if not isinstance(purpose, str) or not purpose.strip():
        raise ValueError(f"purpose must be a non-empty text, got {purpose!r}.")
    if not is_frame(consent):
        raise TypeError(f"consent must be a table with one row per decision, got {kind_of(consent)}.")
    table = to_pandas(consent)
    if CUSTOMER_ID not in table.columns and CUSTOMER_ID in table.index.names:
        table = table.reset_index()
    needed = [CUSTOMER_ID, "purpose", "granted"]
    if any(name not in table.columns for name in needed):
        raise ColumnError(
            f"the consent table {column_difference(needed, list(table.columns))}. Also read, where they are there: "
            "'timestamp' (when it was decided) and 'expires'."
        )
    asked = table["purpose"].astype(object)
    if len(table) and not (asked == purpose).any():
        known = sorted({str(value) for value in asked.dropna()})
        close = nearest(purpose, known)
        raise ConsentError(
            f"nobody was asked about the purpose {purpose!r}; the consent table has {name_some(known)}."
            f"{f' Did you mean {name_some(close)}?' if close else ''}"
        )
    table = table[(asked == purpose).to_numpy(dtype=bool)]
    return pd.DataFrame(
        {
            CUSTOMER_ID: table[CUSTOMER_ID].array,
            "granted": _answers(table["granted"]),
            "dated": _times(table, "timestamp"),
            "expires": _times(table, "expires"),
            "has_time": "timestamp" in table.columns and bool(table["timestamp"].notna().any()),
        }
    )


def _answers(column: pd.Series[Any]) -> Any:
    """Return yes, no and missing as a nullable boolean array; anything else is refused by value."""
    answers: list[Any] = []
    strange: list[Any] = []
    for value in column.astype(object):
        if pd.isna(value):
            answers.append(pd.NA)
        elif isinstance(value, str) and value.strip().lower() in WORDS:
            answers.append(WORDS[value.strip().lower()])
        elif isinstance(value, bool | np.bool_ | int | float | np.number) and value in (0, 1):
            answers.append(bool(value))
        else:
            strange.append(value)
    if strange:
        raise ColumnError(
            f"'granted' must be true or false (or 1 and 0, yes and no), got {name_some(dict.fromkeys(strange))}: "
            "nothing else is taken for a yes."
        )
    return pd.array(answers, dtype="boolean")


def _times(table: pd.DataFrame, name: str) -> Any:
    """Return a column of times in UTC without zone, all missing where it is not there."""
    if name not in table.columns:
        return pd.Series(pd.NaT, index=range(len(table)), dtype="datetime64[ns]").array
    try:
        times = pd.to_datetime(table[name].reset_index(drop=True), utc=True)
    except (TypeError, ValueError) as error:
        raise ColumnError(f"{name!r} of the consent table must be dates or times: {error}.") from error
    return times.dt.tz_localize(None).astype("datetime64[ns]").array


def standing(decisions: pd.DataFrame, as_of: pd.Timestamp) -> pd.Series[Any]:
    """Return one word per customer who was asked: "granted", or why not.

    Every doubt is a no: a grant without a date where others have one, an answer that is missing, decisions of the
    same moment that disagree. An undated refusal may be the latest, so it holds.
    """
    if not len(decisions):
        return pd.Series([], index=pd.Index([], name=CUSTOMER_ID), dtype=object)
    known = decisions[decisions[CUSTOMER_ID].notna()]
    with_time = bool(known["has_time"].any())
    undated = known["dated"].isna() & with_time
    later = known["dated"] > as_of
    current = known[~undated & ~later]
    latest = current["dated"].fillna(pd.Timestamp.min)
    is_last = latest == latest.groupby(current[CUSTOMER_ID]).transform("max")
    last, before = current[is_last], current[~is_last]
    result = pd.Series("after as_of", index=pd.Index(known[CUSTOMER_ID].unique(), name=CUSTOMER_ID), dtype=object)

    def mark(rows: pd.DataFrame, word: str) -> None:
        result.loc[result.index.isin(rows[CUSTOMER_ID])] = word

    yes = last["granted"].fillna(False).astype(bool)
    no = last["granted"].eq(False).fillna(False).astype(bool)
    over = yes & last["expires"].notna() & (last["expires"] <= as_of)
    # from the weakest to the strongest: each line overrules the ones before
    mark(
        known[undated & known["granted"].fillna(False).astype(bool) & ~known[CUSTOMER_ID].isin(last[CUSTOMER_ID])],
        "undated",
    )
    mark(last[last["granted"].isna()], "no answer")
    mark(last[yes & ~over], "granted")
    mark(last[over], "expired")
    mark(last[no], "refused")
    once = before.loc[before["granted"].fillna(False).astype(bool), CUSTOMER_ID]
    mark(last[no & last[CUSTOMER_ID].isin(once)], "withdrawn")
    said_no = last[no | last["granted"].isna()]
    mark(said_no[said_no[CUSTOMER_ID].isin(last.loc[yes, CUSTOMER_ID])], "contradictory")
    mark(known[undated & known["granted"].eq(False).fillna(False).astype(bool)], "refused")
    return result
