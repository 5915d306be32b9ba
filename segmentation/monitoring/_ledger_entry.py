"""What an entry of a ledger may hold: fields read, checked and written in one way."""

from __future__ import annotations

import datetime as dt
import decimal
import hashlib
import json
import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import name_some, nearest
from segmentation.monitoring._ledger_errors import LedgerError

__all__ = ["AMOUNTS", "ARMS", "CELL", "FIELDS", "as_text", "content_of", "one_entry", "period_text", "table_entries"]

CELL = ("segment", "action", "period", "arm", "unit")
AMOUNTS = ("effort", "cost", "outcome", "n_customers")
FIELDS = (*CELL, *AMOUNTS, "note")
NEVER_NEGATIVE = ("effort", "n_customers")
ARMS = ("treated", "control")


def as_text(value: Any, name: str) -> str:
    """Return a name as text, "" for none."""
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and np.isnan(value)):
        return ""
    if isinstance(value, bool | np.bool_) or not isinstance(value, str | numbers.Integral):
        raise TypeError(f"{name} must be a text or missing, got {value!r} ({type(value).__name__}).")
    return _storable(str(value).strip(), name)


def _storable(text: str, name: str) -> str:
    """Refuse what databases cannot keep as text."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{name} holds a character that is no text, got {text!r}: read its source again as UTF-8."
        ) from error
    if "\0" in text:
        raise ValueError(f"{name} holds a NUL character, which is no text, got {text!r}: take it out.")
    return text


def period_text(value: Any) -> str:
    """Return a period as text: what pandas calls a period, the day of a date, or the text itself.

    Examples
    --------
    >>> period_text(pd.Period("2024-03", "M")), period_text(dt.date(2024, 3, 1)), period_text("2024Q1")
    ('2024-03', '2024-03-01', '2024Q1')
    """
    if isinstance(value, np.datetime64):
        value = pd.Timestamp(value)
    if value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        raise ValueError("period is missing: every entry belongs to one, for instance '2024-03' or '2024Q1'.")
    if isinstance(value, pd.Period):
        return str(value)
    if isinstance(value, dt.datetime):  # pandas.Timestamp among them
        return value.date().isoformat()
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, bool | np.bool_) or not isinstance(value, str | numbers.Integral):
        raise TypeError(f"period must be a text, a date or a pandas.Period, got {value!r} ({type(value).__name__}).")
    text = str(value).strip()
    if not text:
        raise ValueError("period is empty: every entry belongs to one, for instance '2024-03' or '2024Q1'.")
    return _storable(text, "period")


def _amount(value: Any, name: str) -> float | None:
    if value is None or value is pd.NA:
        return None
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real | decimal.Decimal):
        raise TypeError(f"{name} must be a number or missing, got {value!r} ({type(value).__name__}).")
    number = float(value)
    if np.isnan(number):
        return None
    _refuse(np.array([number]), name, ["this entry"])
    return number


def _refuse(values: Any, name: str, where: Sequence[Any]) -> None:
    """Raise where amounts are infinite, or negative where that means nothing."""
    infinite = np.flatnonzero(np.isinf(values))
    if infinite.size:
        raise ValueError(f"{name} must be finite; it is not in {name_some(where[int(i)] for i in infinite)}.")
    negative = np.flatnonzero(values < 0)
    if negative.size and name in NEVER_NEGATIVE:
        named = name_some(where[int(i)] for i in negative)
        raise ValueError(
            f"{name} cannot be negative, got {name_some(values[negative])} in {named}. A wrong entry is corrected with "
            "ReturnLedger.correct."
        )


def _arm(text: str) -> str:
    if text not in ARMS:
        close = nearest(text, ARMS)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"arm must be one of {name_some(ARMS)}, got {text!r}.{hint}")
    return text


def one_entry(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of one entry as they are stored.

    Raises
    ------
    TypeError, ValueError
        If a field is not what it should be, or there is no amount at all.
    """
    entry: dict[str, Any] = {name: as_text(fields.get(name), name) for name in ("segment", "action", "unit", "note")}
    entry["period"] = period_text(fields.get("period"))
    entry["arm"] = _arm(as_text(fields.get("arm"), "arm") or "treated")
    for name in AMOUNTS:
        entry[name] = _amount(fields.get(name), name)
    if all(entry[name] is None for name in AMOUNTS):
        raise ValueError(f"an entry needs at least one of {name_some(AMOUNTS)}; all are missing.")
    return entry


def table_entries(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table with columns named as `FIELDS` as entries, checked column by column."""
    where = [f"row {i}" for i in range(len(frame))]
    columns: dict[str, list[Any]] = {}
    for name in FIELDS:
        if name in AMOUNTS:
            columns[name] = _amounts(frame, name, where)
        elif name not in frame.columns:
            columns[name] = ["treated" if name == "arm" else ""] * len(frame)
        else:
            columns[name] = _texts(frame[name], name)
    empty = [
        where[i] for i, amounts in enumerate(zip(*(columns[name] for name in AMOUNTS), strict=True))
        if all(value is None for value in amounts)
    ]  # fmt: skip
    if empty:
        raise ValueError(
            f"an entry needs at least one of {name_some(AMOUNTS)}; all are missing in {name_some(empty)}. "
            "Leave such rows out."
        )
    return [dict(zip(FIELDS, row, strict=True)) for row in zip(*(columns[name] for name in FIELDS), strict=True)]


def _texts(column: pd.Series[Any], name: str) -> list[str]:
    """Read each different value once: there are few."""
    pandas: Any = pd
    codes, different = pandas.factorize(column, use_na_sentinel=False)
    texts = []
    for code, value in enumerate(different):
        try:
            texts.append(_read(_whole(value), name))
        except (TypeError, ValueError) as error:
            rows = name_some(f"row {i}" for i in np.flatnonzero(codes == code).tolist())
            raise type(error)(f"{str(error).rstrip('.')}; in {rows}.") from error
    return [texts[code] for code in codes.tolist()]


def _read(value: Any, name: str) -> str:
    if name == "period":
        return period_text(value)
    text = as_text(value, name)
    return _arm(text or "treated") if name == "arm" else text


def _whole(value: Any) -> Any:
    """Return names that became floats because some are missing, such as 3.0, as whole numbers again."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _amounts(frame: pd.DataFrame, name: str, where: list[str]) -> list[float | None]:
    if name not in frame.columns:
        return [None] * len(frame)
    column = frame[name]
    if pd.api.types.is_bool_dtype(column.dtype):
        raise TypeError(f"the column {name!r} holds true and false, no numbers.")
    if not pd.api.types.is_numeric_dtype(column.dtype):
        column = pd.Series([_amount(value, f"{name} of row {i}") for i, value in enumerate(column)], dtype="float64")
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    _refuse(values, name, where)
    return [None if value != value else value for value in values.tolist()]


def content_of(entry: Mapping[str, Any]) -> str:
    """Return a hash of what an entry says.

    Examples
    --------
    >>> one = one_entry({"segment": "loyal", "period": "2024-01", "cost": 5})
    >>> content_of(one) == content_of(one_entry({"segment": "loyal", "period": "2024-01", "cost": 5.0}))
    True
    """
    text = json.dumps([entry[name] for name in FIELDS], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def checked_key(key: Any) -> str:
    """Return an import key as text."""
    text = as_text(_whole(key), "key")
    if not text:
        raise LedgerError("an import key cannot be missing or empty: it tells one row of the source from all others.")
    return text
