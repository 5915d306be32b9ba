"""Checks between columns: end before start, part above total, sums that do not add up, age against year of birth."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some
from segmentation.sources._audit_columns import sample_rows
from segmentation.sources._audit_finding import Finding
from segmentation.sources._audit_numbers import rule_broken
from segmentation.sources._audit_table import Column, Table, naive

__all__ = ["consistency_checks"]

# What happens first in a customer's life; columns of the same step are not compared.
_STEPS = (
    {"birth", "birthday", "birthdate", "dob", "born"},
    {"signup", "registered", "registration", "joined", "join", "created", "creation", "enrolled", "acquired", "since"},
    {"first"},
    {"last", "latest", "recent", "updated"},
)
_PAIRS = (
    ({"start", "begin", "from", "opened", "begins", "starts"},
     {"end", "until", "to", "closed", "ends", "finish", "expiry", "expires", "cancelled", "canceled"}),
    ({"order", "ordered", "invoice"}, {"shipped", "ship", "shipping", "delivered", "delivery", "paid", "returned"}),
    ({"shipped", "ship", "shipping"}, {"delivered", "delivery", "returned"}),
    ({"signup", "registered", "joined", "created"}, {"closed", "cancelled", "canceled", "churned", "end", "left"}),
)  # fmt: skip
_WHOLE = {"total", "sum", "overall", "gross", "all"}
_UPPER = {"max", "maximum", "limit"}


def consistency_checks(table: Table, dates: list[Column]) -> Iterator[Finding]:
    """Run all checks between columns; `dates` holds every column of dates, those kept as text too."""
    yield from _order_of_dates(table, dates)
    numbers = [c for c in table.columns if c.kind == "number" and not c.looks_like_id and c.n_distinct > 2]
    yield from _age_and_birth(table, numbers, dates)
    if table.n_rows >= 30:
        for total in numbers:
            if total.words & (_WHOLE | _UPPER):
                yield from _parts(table, total, [c for c in numbers if c.name != total.name])


def _must_not_be_later(first: Column, second: Column) -> bool:
    for early, late in _PAIRS:
        if first.words & early and second.words & late and not (first.words & late):
            return True
    steps = [next((i for i, words in enumerate(_STEPS) if c.words & words), None) for c in (first, second)]
    return steps[0] is not None and steps[1] is not None and steps[0] < steps[1]


def _order_of_dates(table: Table, dates: list[Column]) -> Iterator[Finding]:
    """Start and end, birth and joining, first and last, by the words in their names; at most half may break it."""
    for first in dates:
        for second in dates:
            if first is second or not _must_not_be_later(first, second):
                continue
            a, b = pd.Series(naive(first.series)), pd.Series(naive(second.series))
            early, late = a.to_numpy().astype("datetime64[us]"), b.to_numpy().astype("datetime64[us]")
            known = a.notna().to_numpy() & b.notna().to_numpy()
            if known.any() and (early[known] == early[known].astype("datetime64[D]")).all():
                late = late.astype("datetime64[D]")  # a day against a moment: compare days
            elif known.any() and (late[known] == late[known].astype("datetime64[D]")).all():
                early = early.astype("datetime64[D]")
            bad = known & (early > late)
            if 0 < bad.sum() <= 0.5 * known.sum():
                yield table.finding(
                    "end_before_start", "error", [first.name, second.name], bad,
                    f"{first.name!r} lies after {second.name!r} in {count(int(bad.sum()), 'row')}",
                    "Correct from the source; the two may have changed places.",
                )  # fmt: skip


def _age_and_birth(table: Table, numbers: list[Column], dates: list[Column]) -> Iterator[Finding]:
    """Age plus year of birth is one of two neighbouring years for everybody asked in one year.

    The year is the one that most rows agree on, so that the table's own day need not be known. Where fewer than
    half agree, people were asked in different years and nothing can be said.
    """
    ages = [c for c in numbers if "age" in c.words and c.n_distinct > 10]
    year_words = {"birth", "yob", "born", "birthyear"}
    births = [(c, c.numbers) for c in numbers if c.words & year_words and c.n_distinct > 10]
    for column in dates:
        if column.words & {"birth", "birthday", "birthdate", "dob", "born"}:
            years = pd.Series(naive(column.series)).dt.year.to_numpy(dtype=float, na_value=np.nan)
            births.append((column, years))
    for age in ages:
        for birth, years in births:
            sums = np.floor(age.numbers) + years
            known = np.isfinite(sums)
            if known.sum() < 20:
                continue
            found, counts = np.unique(sums[known], return_counts=True)
            year = found[np.argmax(counts)]
            bad = known & (np.abs(sums - year) > 1)
            if 0 < bad.sum() < 0.5 * known.sum():
                yield table.finding(
                    "age_and_birth", "error", [age.name, birth.name], bad,
                    f"{age.name!r} and {birth.name!r} do not belong to the same person "
                    f"in {count(int(bad.sum()), 'row')} "
                    f"(most add up to {year:.0f})",
                    "Correct from the source; of the two the date of birth does not age.",
                )  # fmt: skip


def _stem(column: Column) -> frozenset[str]:
    return column.words - _WHOLE - _UPPER - {"n", "of", "the", "number", "count", "num", "per", "in"}


def _parts(table: Table, total: Column, others: list[Column]) -> Iterator[Finding]:
    """A total and its parts: columns that share a word with it and never, or almost never, exceed it."""
    stem = _stem(total)
    related = [c for c in others if not (c.words & (_WHOLE | _UPPER)) and _related(stem, c)]
    if total.words & _WHOLE:
        sums = _sum_rule(table, total, related)
        if sums is not None:
            yield sums
    for part in related:
        difference = total.numbers - part.numbers
        known = np.isfinite(difference)
        # to the hundredth part of a unit: sums of floats
        difference = np.where(np.abs(difference) < 1e-6 * np.maximum(np.abs(total.numbers), 1), 0.0, difference)
        bad = known & (difference < 0)
        if not bad.any() or not _belongs(part, total, difference, known):
            continue
        yield table.finding(
            "part_exceeds_total", "error", [part.name, total.name], bad,
            f"{part.name!r} is above {total.name!r} in {count(int(bad.sum()), 'row')}, "
            "and below or equal in all others",
            "One of the two was taken from another period or source.",
        )  # fmt: skip


def _related(stem: frozenset[str], column: Column) -> bool:
    """Whether two columns share a word, singular and plural alike."""
    mine = {re.sub(r"s$", "", word) for word in stem}
    return bool(mine & {re.sub(r"s$", "", word) for word in _stem(column)})


def _belongs(part: Column, total: Column, difference: NDArray[np.float64], known: NDArray[np.bool_]) -> bool:
    """Whether "part <= total" is a rule: broken abruptly, and ten times less often than with rows shuffled."""
    values, counts = np.unique(difference[known], return_counts=True)
    if not rule_broken(values, counts) and not _rarely(values, counts):
        return False
    rows = sample_rows(len(difference))
    rows = rows[known[rows]]
    shuffled = np.random.default_rng(0).permutation(part.numbers[rows])
    by_chance = float(np.mean(shuffled > total.numbers[rows])) if len(rows) else 0.0
    return bool(by_chance >= 10 * float(counts[values < 0].sum() / counts.sum()))


def _rarely(values: NDArray[np.float64], counts: NDArray[np.int64]) -> bool:
    """Whether at most one row in a hundred breaks it; names already say that it should hold."""
    return bool(float(counts[values < 0].sum()) <= 0.01 * counts.sum())


def _sum_rule(table: Table, total: Column, related: list[Column]) -> Finding | None:
    """The related columns add up to the total in eight of ten rows or more: then the others do not add up."""
    if len(related) < 2:
        return None
    parts = np.sum([c.numbers for c in related], axis=0)
    off = np.abs(parts - total.numbers)
    known = np.isfinite(off)
    # half a cent for each part that was rounded
    allowed = np.maximum(0.0051 * (len(related) + 1), 1e-6 * np.abs(total.numbers))
    bad = known & (off > allowed)
    if not bad.any() or bad.sum() > 0.2 * known.sum():
        return None
    return table.finding(
        "sum_mismatch", "error", [total.name, *(c.name for c in related)], bad,
        f"{total.name!r} is not the sum of {name_some(c.name for c in related)} in {count(int(bad.sum()), 'row')}, "
        "as it is in all others",
        "Recompute the total, or find the row of another period.",
    )  # fmt: skip
