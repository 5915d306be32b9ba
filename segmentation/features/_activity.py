"""How active customers are: recency, frequency, sessions, decayed activity and channels, beside the types of events.

What needs only days is computed from counts per customer and day; sessions need the times of single events in order,
which stay in their engine.
"""

from __future__ import annotations

import numbers
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from narwhals.dtypes import DType

from segmentation._frames import to_pandas
from segmentation.features import _orders
from segmentation.features._gaps import GAP, with_gaps
from segmentation.features._labels import MISSING, choose_labels, label_columns
from segmentation.features._orders import CUSTOMER, DAY, TEXT, TIME

__all__ = [
    "ACTIVITY",
    "CHANNEL",
    "SECOND",
    "activity_columns",
    "channel_columns",
    "checked_minutes",
    "seconds_of_pandas",
    "with_seconds",
]

CHANNEL, SECOND = "channel", "second"

ACTIVITY = ("days_since_last_event", "n_events", "n_active_days", "n_sessions", "decayed_events")

SECONDS_PER_DAY, SECONDS_PER_HOUR, SECONDS_PER_MINUTE = 86_400, 3_600, 60


def checked_minutes(value: Any) -> float:
    """Return the gap that ends a session."""
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not np.isfinite(float(value)) or value <= 0:
        raise ValueError(f"session_minutes must be a positive number of minutes, got {value!r}.")
    return float(value)


def with_seconds(frame: nw.LazyFrame[Any], dtype: DType) -> nw.LazyFrame[Any]:
    """Add `SECOND`: whole seconds on a line of time, so that differences are durations.

    For times with a zone they are those that passed, also where clocks change. DuckDB has no way to them through
    narwhals: there, as for times without a zone, it is the wall clock.
    """
    if SECOND in frame.collect_schema().names():
        return frame
    time = nw.col(TIME)
    zoned = getattr(dtype, "time_zone", None) is not None
    implementation = frame.implementation
    if _orders._is_text(dtype):
        clock = _clock_of_text(nw.col(TEXT))
    elif isinstance(dtype, nw.Date):
        clock = nw.lit(0)
    elif zoned and implementation.is_spark_like():
        return frame.with_columns(time.cast(nw.Int64).alias(SECOND))  # which are seconds in Spark
    elif zoned and not implementation.is_duckdb():
        return frame.with_columns((time.dt.timestamp("ms") // 1000).cast(nw.Int64).alias(SECOND))
    else:
        local = time.dt.replace_time_zone(None) if zoned else time
        hour, minute, second = (
            part.fill_null(0).cast(nw.Int64) for part in (local.dt.hour(), local.dt.minute(), local.dt.second())
        )
        clock = hour * SECONDS_PER_HOUR + minute * SECONDS_PER_MINUTE + second
    return frame.with_columns((nw.col(DAY) * SECONDS_PER_DAY + clock).cast(nw.Int64).alias(SECOND))


def seconds_of_pandas(column: pd.Series) -> pd.Series:
    """Return the seconds of times of pandas with a zone that narwhals cannot read."""
    since = column.dt.tz_convert("UTC").dt.tz_localize(None) - pd.Timestamp(0)
    seconds: pd.Series = (since // pd.Timedelta(seconds=1)).fillna(0).astype("int64")
    return seconds


def _clock_of_text(text: nw.Expr) -> nw.Expr:
    """Return the seconds after midnight that an ISO 8601 text gives, as written; 0 where it is only a date."""
    dashed = text.str.slice(4, 1) == "-"
    after_date = nw.when(dashed).then(text.str.slice(11)).otherwise(text.str.slice(9))
    digits = after_date.str.replace_all(r"[.,Z +-].*$", "").str.replace_all(":", "", literal=True)
    padded = nw.concat_str([digits, nw.lit("000000")]).str.slice(0, 6)
    valid = padded.str.contains("^[0-9]{6}$").fill_null(False)  # engines cast every text, also of rows left out
    safe = nw.when(valid).then(padded).otherwise(nw.lit("000000"))
    hour, minute, second = (safe.str.slice(start, 2).cast(nw.Int64) for start in (0, 2, 4))
    return hour * SECONDS_PER_HOUR + minute * SECONDS_PER_MINUTE + second


def activity_columns(
    events: nw.LazyFrame[Any], rows: pd.DataFrame, table: pd.DataFrame, *, end: int, minutes: float, eager: bool
) -> pd.DataFrame:
    """Return the columns `ACTIVITY` for the customers of a table.

    Parameters
    ----------
    events : LazyFrame
        Those that count, with `CUSTOMER` and `SECOND`.
    rows : DataFrame
        The same events, counted by customer, type and day.
    table : DataFrame
        Their decayed counts by type, whose index the result has.
    """
    days = rows.groupby([CUSTOMER, DAY])["n"].sum().reset_index()
    by_customer = days.groupby(CUSTOMER).agg(last=(DAY, "max"), n_events=("n", "sum"), n_active_days=(DAY, "size"))
    by_customer = _in_order(by_customer, table)
    starts = (nw.col(GAP) >= minutes * SECONDS_PER_MINUTE).cast(nw.Int64)
    gaps = with_gaps(events.select(CUSTOMER, SECOND), SECOND, eager=eager).with_columns(starts.alias("starts"))
    sessions = to_pandas(gaps.group_by(CUSTOMER).agg(nw.col("starts").sum())).set_index(CUSTOMER)
    return pd.DataFrame(
        {
            "days_since_last_event": (end - by_customer["last"]).to_numpy(dtype="float64"),
            "n_events": by_customer["n_events"].to_numpy(dtype="int64"),
            "n_active_days": by_customer["n_active_days"].to_numpy(dtype="int64"),
            # the first event starts one, as does every event after a long enough gap
            "n_sessions": 1 + _in_order(sessions, table)["starts"].to_numpy(dtype="int64"),
            "decayed_events": table.to_numpy().sum(axis=1),
        },
        index=table.index,
    )


def channel_columns(
    events: nw.LazyFrame[Any], table: pd.DataFrame, wanted: int | list[str]
) -> tuple[pd.DataFrame, int]:
    """Return how many events customers have in each channel, and which share that is; and those without a channel."""
    cells = to_pandas(events.group_by(CUSTOMER, CHANNEL).agg(nw.len().alias("n")))
    cells[CHANNEL] = cells[CHANNEL].astype(str)
    names = label_columns("", choose_labels(cells.groupby(CHANNEL).size(), wanted, "channels"))
    label_of = {label: name for name, label in names.items() if label is not None}
    column = cells[CHANNEL].map(label_of).fillna("_other")
    wide = cells.assign(column=column, n=cells["n"].astype("int64")).pivot_table(
        index=CUSTOMER, columns="column", values="n", aggfunc="sum", fill_value=0
    )
    counts = _in_order(wide, table).reindex(columns=list(names), fill_value=0).to_numpy(dtype="int64")
    shares = counts / counts.sum(axis=1, keepdims=True)
    n_missing = int(cells.loc[cells[CHANNEL] == MISSING, "n"].sum())
    columns = {f"n_channel_events{name}": counts[:, i] for i, name in enumerate(names)}
    columns |= {f"channel_share{name}": shares[:, i] for i, name in enumerate(names)}
    return pd.DataFrame(columns, index=table.index), n_missing


def _in_order(by_customer: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Bring rows by the customers of an engine into the order of the table, whose ids may be of a plainer type."""
    ordered = by_customer.sort_index()
    if len(ordered) != len(table):  # pragma: no cover  (the same events stand behind both)
        raise ValueError("customers of the activity differ from those of the table.")
    return ordered.set_axis(table.index, axis=0)
