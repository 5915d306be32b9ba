"""Audit a table of customers: what is wrong with it, how sure that is, and what can be done."""

from __future__ import annotations

import datetime as dt
from collections.abc import Hashable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import name_some
from segmentation._frames import to_pandas
from segmentation.exceptions import ColumnError
from segmentation.sources._audit_columns import column_checks, constant, pair_checks, sample_rows
from segmentation.sources._audit_consistency import consistency_checks
from segmentation.sources._audit_dates import date_checks, dates_in, stale
from segmentation.sources._audit_expectations import check_expectations, expectation_findings
from segmentation.sources._audit_finding import SEVERITIES, Finding
from segmentation.sources._audit_missing import missing_checks
from segmentation.sources._audit_numbers import number_checks
from segmentation.sources._audit_numerals import numbers_in
from segmentation.sources._audit_placeholders import placeholder_words
from segmentation.sources._audit_report import DataQualityReport
from segmentation.sources._audit_scales import scale_checks
from segmentation.sources._audit_table import Column, Table
from segmentation.sources._audit_text import MIN_SHARE_PARSED, text_checks
from segmentation.sources._audit_unique import row_checks

__all__ = ["audit"]


def audit(
    customers: Any, *, expectations: Any = None, as_of: str | dt.date | dt.datetime | pd.Timestamp | None = None
) -> DataQualityReport:
    """Find what is wrong with a table before a segmentation rests on it.

    Looks by itself for missing values and what they depend on, placeholders (words, number codes, days, zeros,
    one value far too often), outliers, impossible values, constant, near-unique, redundant and leaking columns,
    numbers and dates kept as text, mixed date formats, spellings of one category, damaged encoding, rare levels,
    repeated ids and rows, and contradictions between columns. No threshold was fitted to data: each one is
    reasoned in its check and listed in the docs.

    Parameters
    ----------
    customers : dataframe
        One row per customer (pandas, polars, pyarrow). Tables of orders or events can be audited too; that ids repeat
        there is noted. Never changed.
    expectations : mapping or pandera schema, optional
        What you know of the table: column -> rules out of ``min``, ``max``, ``values``, ``dtype`` (``"number"``,
        ``"integer"``, ``"text"``, ``"date"``, ``"boolean"``), ``unique``, ``required``.
    as_of : date or str, optional
        The day from which ages and future dates are judged; given without a time it means the whole day. Default:
        today, which lets dates pass that lay in the future when the table was drawn.

    Returns
    -------
    report : DataQualityReport

    Raises
    ------
    TypeError
        If `customers` is no dataframe, or `expectations` neither mapping nor schema.
    ValueError
        If `as_of` is no date, or a rule is unknown.
    ColumnError
        If two columns have the same name, or a bound cannot be compared with its column.

    Notes
    -----
    Time grows with rows times columns; pairs of columns are compared on at most 20,000 rows drawn with a fixed seed,
    all counts are of the whole table. The same table gives the same report.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation import sources
    >>> customers = pd.DataFrame({
    ...     "customer_id": range(1, 121),
    ...     "birth_year": [1893, *range(1950, 2000), *range(1950, 2000), *range(1960, 1979)],
    ...     "city": ["Berlin", "Bonn", "berlin", "unknown"] + ["Berlin", "Bonn"] * 58,
    ... })
    >>> report = sources.audit(customers, as_of="2024-06-30")
    >>> print(report)
    Data quality of 120 rows, 3 columns: 1 error, 2 warnings, 0 notes
      error   impossible_value:birth_year: 1 (0.8 %). no year of birth of a living person in 2024: 1893
      warning placeholder_word:city: 1 (0.8 %). says that nothing is known: 'unknown' (1)
      warning spelling_variants:city: 1 (0.8 %). 1 value written in several ways: 'Berlin' (59) / 'berlin' (1)
    """
    check_expectations(expectations)
    frame = to_pandas(customers, name="customers")
    repeated = list(frame.columns[frame.columns.duplicated()])
    if frame.columns.nlevels > 1:
        raise ColumnError(
            f"customers has {frame.columns.nlevels} levels of column names, such as {frame.columns[0]!r}; flatten them "
            "first: customers.columns = ['_'.join(map(str, names)) for names in customers.columns]."
        )
    if repeated:
        raise ColumnError(f"columns must have names of their own; repeated: {name_some(repeated)}. Rename them first.")
    table = Table(frame, _day(as_of), as_of_given=as_of is not None)
    # numbers near the largest float overflow in differences and squares; an infinite spread then finds nothing
    with np.errstate(over="ignore", invalid="ignore"):
        found = list(_all_findings(table, expectations))
    return _report(table, found)


def _day(as_of: Any) -> pd.Timestamp:
    if as_of is None:
        return pd.Timestamp(dt.datetime.now(tz=dt.UTC).date())
    try:
        day = pd.Timestamp(as_of)
    except (ValueError, TypeError) as error:
        raise ValueError(f"as_of must be a date such as '2024-12-31', got {as_of!r}.") from error
    if pd.isna(day):
        raise ValueError(f"as_of must be a date such as '2024-12-31', got {as_of!r}.")
    return day.tz_convert("UTC").tz_localize(None) if day.tzinfo is not None else day


def _all_findings(table: Table, expectations: Any) -> Iterator[Finding]:
    yield from expectation_findings(table, expectations)
    if table.n_rows == 0:
        return
    yield from row_checks(table)
    dates: list[Column] = []
    for column in table.columns:
        if column.kind == "other":
            yield _not_checked(table, column)
            continue
        n_dates = len(dates)
        yield from _of_column(table, column, dates)
        if len(dates) == n_dates:  # days of a year may well be all different
            yield from column_checks(table, column)
        else:
            yield from constant(table, column)
    yield from stale(table, dates)
    yield from missing_checks(table)
    yield from pair_checks(table)
    yield from consistency_checks(table, dates)
    yield from scale_checks(table)


def _not_checked(table: Table, column: Column) -> Finding:
    held = ", ".join(dict.fromkeys(type(value).__name__ for value in column.series.dropna().head(20)))
    return table.finding(
        "not_checked", "note", [column.name], ~column.missing,
        f"holds {held}, which no check can read; only missing values were counted",
        "Flatten it into columns of numbers, text or dates.",
    )  # fmt: skip


def _of_column(table: Table, column: Column, dates: list[Column]) -> Iterator[Finding]:
    """Check the values of one column by its kind; text that holds numbers or dates is checked as these too."""
    as_dates: Column | None = column if column.kind == "date" else None
    for item in dates_in(table, column):
        if isinstance(item, Column):
            as_dates = item
        else:
            yield item
    if column.kind == "text":
        yield from placeholder_words(table, column)
        parsed = numbers_in(column)
        yield from text_checks(table, column, parsed, is_dates=as_dates is not None)
        weights = column.distinct[1]
        good = ~np.isnan(parsed)
        mostly_numbers = weights.sum() > 0 and weights[good].sum() >= MIN_SHARE_PARSED * weights.sum()
        if mostly_numbers and as_dates is None and len(parsed) > 10 and not column.looks_like_id:
            yield from number_checks(table, column, _cells(column, parsed))
    elif column.kind == "number" and as_dates is None:
        yield from number_checks(table, column, column.numbers)
    if as_dates is not None:
        dates.append(as_dates)
        yield from date_checks(table, as_dates)


def _cells(column: Column, parsed: np.ndarray) -> np.ndarray:
    values: Mapping[Any, float] = dict(zip(column.distinct[0], parsed, strict=True))
    return column.series.astype(object).map(values).to_numpy(dtype=float, na_value=np.nan)


def _report(table: Table, found: list[Finding]) -> DataQualityReport:
    order: dict[Hashable, int] = {name: i for i, name in enumerate(table.frame.columns)}

    def place(finding: Finding) -> tuple[int, int]:
        first = order.get(finding.columns[0], -1) if finding.columns else -1
        return SEVERITIES.index(finding.severity), first

    about: dict[Hashable, int] = dict.fromkeys(order, 0)
    for finding in found:
        for name in finding.columns:
            if name in about:
                about[name] += 1
    columns = pd.DataFrame(
        {
            "kind": [column.kind for column in table.columns],
            "n_missing": [column.n_missing for column in table.columns],
            "n_distinct": [column.n_distinct for column in table.columns],
            "n_findings": list(about.values()),
        },
        index=pd.Index(list(order), name="column", dtype=object),
    )
    return DataQualityReport(
        findings=tuple(sorted(found, key=place)),
        n_rows=table.n_rows,
        n_columns=len(table.columns),
        settings={
            "as_of": f"{table.as_of:%Y-%m-%d}" + ("" if table.as_of_given else " (today)"),
            "id_column": table.id_column.name if table.id_column is not None else None,
            "rows_for_pairs": len(sample_rows(table.n_rows)),
        },
        columns=columns,
    )
