"""What the caller expects of the table, as a plain mapping or a pandera schema."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import name_some, nearest
from segmentation.exceptions import ColumnError
from segmentation.sources._audit_finding import Finding
from segmentation.sources._audit_table import Table

__all__ = ["check_expectations", "expectation_findings"]

_RULES = ("dtype", "max", "min", "required", "unique", "values")
_DTYPES: Mapping[str, Callable[[Any], bool]] = {
    "number": pd.api.types.is_numeric_dtype,
    "integer": pd.api.types.is_integer_dtype,
    "boolean": pd.api.types.is_bool_dtype,
    "date": pd.api.types.is_datetime64_any_dtype,
    "text": lambda dtype: bool(pd.api.types.is_string_dtype(dtype) or pd.api.types.is_object_dtype(dtype)),
}


def is_pandera(expectations: Any) -> bool:
    """Whether the expectations are a schema of pandera, without importing it."""
    kind = expectations if isinstance(expectations, type) else type(expectations)
    return any(base.__module__.split(".")[0] == "pandera" for base in kind.__mro__)


def check_expectations(expectations: Any) -> None:
    """Refuse what is neither a schema nor a mapping of columns to rules.

    Raises
    ------
    TypeError
        If it is neither.
    ValueError
        If a rule is unknown.
    """
    if expectations is None or is_pandera(expectations):
        return
    if not isinstance(expectations, Mapping):
        raise TypeError(
            f"expectations must map columns to rules, or be a pandera schema; got {type(expectations).__name__}."
        )
    for column, rules in expectations.items():
        if not isinstance(rules, Mapping):
            raise TypeError(f"expectations[{column!r}] must be a mapping of rules such as {{'min': 0}}, got {rules!r}.")
        unknown = [rule for rule in rules if rule not in _RULES]
        if unknown:
            raise ValueError(
                f"expectations[{column!r}] has unknown rules: {name_some(unknown)}; there are {name_some(_RULES, 6)}."
            )
        if "dtype" in rules and rules["dtype"] not in _DTYPES:
            raise ValueError(
                f"expectations[{column!r}]['dtype'] is {rules['dtype']!r}; expected one of {name_some(_DTYPES)}."
            )


def expectation_findings(table: Table, expectations: Any) -> Iterator[Finding]:
    """Compare the table with what is expected of it."""
    if expectations is None:
        return
    if is_pandera(expectations):
        yield from _pandera(table, expectations)
        return
    for column, rules in expectations.items():
        yield from _of_column(table, column, rules)


def _of_column(table: Table, column: Hashable, rules: Mapping[str, Any]) -> Iterator[Finding]:
    if column not in table.frame.columns:
        close = nearest(column, table.frame.columns)
        if rules.get("required", True):
            yield table.finding(
                "expected_column", "error", [column], np.ones(table.n_rows, dtype=bool),
                f"there is no column {column!r}" + (f"; nearest: {name_some(close)}" if close else ""),
                "Rename the column, or leave it out of the expectations (required=False).",
            )  # fmt: skip
        return
    series = table.frame[column]
    present = series.notna().to_numpy()
    fix = {"action": "set_missing", "columns": [column]}
    if "dtype" in rules and not _DTYPES[rules["dtype"]](series.dtype):
        yield table.finding(
            "expected_dtype", "error", [column], present, f"expected {rules['dtype']}, is {series.dtype}",
            "Convert it.",
            {"action": {"number": "to_number", "date": "to_date"}[rules["dtype"]], "columns": [column]}
            if rules["dtype"] in {"number", "date"} else None,
        )  # fmt: skip
    for rule, word in (("min", "below"), ("max", "above")):
        if rule in rules:
            bad = present & _beyond(series, rules[rule], word, column)
            if bad.any():
                worst = series[bad].min() if rule == "min" else series[bad].max()
                yield table.finding(
                    f"expected_{rule}", "error", [column], bad, f"{word} {rules[rule]}: up to {worst}",
                    "Correct or set missing.", {**fix, word: rules[rule]},
                )  # fmt: skip
    if "values" in rules:
        bad = present & ~series.isin(list(rules["values"])).to_numpy()
        if bad.any():
            others = list(series[bad].unique())
            yield table.finding(
                "expected_values", "error", [column], bad, f"not among the expected values: {name_some(others)}",
                "Correct, set missing, or expect them too.", {**fix, "values": others},
            )  # fmt: skip
    if rules.get("unique"):
        bad = present & series.duplicated(keep=False).to_numpy()
        if bad.any():
            yield table.finding(
                "expected_unique", "error", [column], bad, f"repeated: {name_some(series[bad].unique())}",
                "Merge the rows.", {"action": "drop_duplicates", "columns": [column]},
            )  # fmt: skip
    if rules.get("required") and not present.all():
        yield table.finding("expected_required", "error", [column], ~present, "missing where a value is required",
                            "Fill it in at the source.")  # fmt: skip


def _beyond(series: pd.Series, bound: Any, word: str, column: Hashable) -> Any:
    try:
        compared = series < bound if word == "below" else series > bound
    except TypeError as error:
        raise ColumnError(
            f"column {column!r} ({series.dtype}) cannot be compared with {bound!r}; expect another type of bound, "
            "or convert the column first."
        ) from error
    return compared.fillna(False).to_numpy(dtype=bool)


def _pandera(table: Table, schema: Any) -> Iterator[Finding]:
    """Validate lazily and turn each failed check of a column into one finding."""
    errors_of = importlib.import_module("pandera.errors")

    try:
        schema.validate(table.frame.reset_index(drop=True), lazy=True)
    except errors_of.SchemaErrors as errors:
        cases = errors.failure_cases
        for (column, check), group in cases.groupby(["column", "check"], dropna=False, sort=False):
            rows = np.zeros(table.n_rows, dtype=bool)
            positions = [int(i) for i in group["index"].dropna()]
            rows[positions if positions else slice(None)] = True
            yield table.finding(
                "schema", "error", [] if pd.isna(column) else [column], rows,
                f"fails {check}: {name_some(group['failure_case'].unique())}", "Correct, or change the schema.",
            )  # fmt: skip
