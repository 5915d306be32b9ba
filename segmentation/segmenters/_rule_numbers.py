"""Numbers in rules: compared exactly where they are integers, computed with as Float64."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import narwhals as nw

from segmentation.segmenters._rule_columns import Typed
from segmentation.segmenters._rule_logic import Truth, compare, either

__all__ = ["compare_number", "compare_number_columns", "compute", "compute_constants", "number_is_in"]

COMPUTE: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
LAST_INT64 = 2**63 - 1
LAST_UINT64 = 2**64 - 1


def compare_number(sign: str, floats: nw.Expr, column: Typed | None, constant: float) -> Truth:
    """Compare numbers with a constant.

    Integers are never converted: a constant beyond their type is decided at once, and one between two integers
    is moved to the next. So no engine rounds, wraps or refuses.

    Parameters
    ----------
    sign : str
    floats : narwhals.Expr
        The numbers as Float64.
    column : Typed, optional
        The column they are, where they are no computation.
    constant : int or float
    """
    if column is None or column.bounds is None:
        return compare(sign, floats, float(constant))
    low, high = column.bounds
    if not low <= constant <= high:
        return sign in ({"<", "<=", "!="} if constant > high else {">", ">=", "!="})
    if constant != math.floor(constant):
        if sign in {"==", "!="}:
            return sign == "!="
        constant = math.floor(constant) if sign in {"<=", ">"} else math.ceil(constant)
    return _compare_integer(sign, column, int(constant))


def _compare_integer(sign: str, column: Typed, constant: int) -> Truth:
    if column.bounds != (0, LAST_UINT64):
        return compare(sign, column.values, constant)
    # Arrow takes a bare literal for a signed integer, and has no way to write one that is not
    if constant > LAST_INT64:
        return compare(sign, column.floats, float(constant))
    return compare(sign, column.values, nw.lit(constant, dtype=nw.UInt64))


def number_is_in(floats: nw.Expr, column: Typed | None, constants: Sequence[float]) -> Truth:
    """Tell where a number is one of the constants."""
    if column is None or column.bounds is None:
        if 0 in constants:  # to Arrow -0.0 is not in [0.0]; adding makes both 0.0
            floats = floats + 0.0
        return floats.is_in([float(constant) + 0.0 for constant in constants])
    if column.bounds == (0, LAST_UINT64):
        return either(*(compare_number("==", floats, column, constant) for constant in constants))
    low, high = column.bounds
    whole = [int(constant) for constant in constants if low <= constant <= high and constant == math.floor(constant)]
    return column.values.is_in(whole) if whole else False


def compare_number_columns(sign: str, left: tuple[nw.Expr, Typed | None], right: tuple[nw.Expr, Typed | None]) -> Truth:
    """Compare two columns or computations: integers as they are, anything else as Float64."""
    columns = [column for _, column in (left, right) if column is not None and column.bounds is not None]
    unsigned_64 = sum(column.bounds == (0, LAST_UINT64) for column in columns)
    if len(columns) == 2 and unsigned_64 in {0, 2}:
        return compare(sign, columns[0].values, columns[1].values)
    return compare(sign, left[0], right[0])


def compute(sign: str, left: nw.Expr | float, right: nw.Expr | float) -> nw.Expr:
    """Compute with Float64; a division by zero gives null, whatever the engine thinks of it."""
    if sign == "/" and isinstance(right, nw.Expr):
        right = nw.when(right != 0.0).then(right)
    result: nw.Expr = COMPUTE[sign](left, right)
    return result


def compute_constants(sign: str, left: float, right: float) -> float | None:
    """Compute with two constants; None where the result is unknown."""
    if sign == "/" and right == 0:
        return None
    result = float(COMPUTE[sign](float(left), float(right)))
    return None if math.isnan(result) else result
