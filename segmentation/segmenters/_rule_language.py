"""The compiler of the rule language: from a tree and typed columns to narwhals expressions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw

from segmentation._format import name_some, nearest
from segmentation.exceptions import RuleError
from segmentation.segmenters._rule_columns import Kind, Table, Typed
from segmentation.segmenters._rule_logic import (
    COMPARE,
    MIRRORED,
    UNKNOWN,
    Condition,
    Truth,
    all_of,
    any_of,
    both,
    compare,
    decided,
)
from segmentation.segmenters._rule_numbers import (
    compare_number,
    compare_number_columns,
    compute,
    compute_constants,
    number_is_in,
)
from segmentation.segmenters._rule_times import compare_time, compare_time_columns, read_time
from segmentation.segmenters._rule_tree import (
    And,
    Arithmetic,
    Column,
    Comparison,
    Constant,
    IsIn,
    IsMissing,
    Negative,
    Node,
    Not,
    Or,
    Rule,
)

__all__ = ["check_columns", "compile_rule"]

MISSING_WORDS = {"nan", "null", "na", "none", "nil", "missing"}
TIMES = {Kind.DATE, Kind.TIME}


def check_columns(rule: Rule, present: Iterable[Any]) -> None:
    """Raise RuleError at the first column of a rule that is not there, with what may have been meant."""
    there = dict.fromkeys(present)
    for name, node in rule.columns().items():
        if name not in there:
            raise rule.source.error(_unknown_column(rule, node, list(there)), node.place)


def _unknown_column(rule: Rule, node: Column, present: list[Any]) -> str:
    written, name = rule.source.at(node.place), node.name
    message = f"there is no column {name!r}" + ("" if name.isascii() else f" (in ASCII {name!a})")
    if name.lower() in MISSING_WORDS:
        return f"{message}; to ask for a missing value write is_missing(x)."
    if name.lower() in {"true", "false"}:
        return f"{message}; write {name.capitalize()}."
    if written.isidentifier() and written != name:
        message += f'; Python takes {written!r} for it, col("{written}") is the name as it is written'
    close = nearest(name, present)
    if close:
        return f"{message}; nearest: {name_some(close)}."
    return f"{message}; there are: {name_some(present, 12) or 'none'}. A text stands in quotes."


def compile_rule(rule: Rule, table: Table) -> Condition:
    """Compile a rule for a table that has all its columns.

    Parameters
    ----------
    rule : Rule
    table : Table

    Returns
    -------
    Condition
        Where the rule is true and where it is false, for ``table.frame``.

    Raises
    ------
    RuleError
        If types clash; the message points at the place. A column without any value clashes with nothing: its
        type is an accident of how it was read, and differs between dataframes.
    """
    try:
        return _Compiler(rule, table).condition(rule.root)
    except RuleError:
        empty = table.without_values(list(rule.columns()))
        if not empty:
            raise
        return _Compiler(rule, table.emptied(empty)).condition(rule.root)


@dataclass(frozen=True, eq=False)
class Value:
    """Something that can be compared: a column, a constant, a computation or a condition.

    Attributes
    ----------
    node : Node
        Where it stands.
    kind : Kind
    known : Truth
        Where there is a value.
    constant : int, float or str, optional
    column : Typed, optional
    floats : narwhals.Expr, optional
        Numbers as Float64.
    nan_is_null : bool
        Whether the engine itself takes NaN for missing in `floats`.
    condition : Condition, optional
        For what is true or false.
    """

    node: Node
    kind: Kind
    known: Truth = True
    constant: Any = None
    column: Typed | None = None
    floats: nw.Expr | None = None
    nan_is_null: bool = True
    condition: Condition | None = None


class _Compiler:
    """Compiles one rule for one table."""

    def __init__(self, rule: Rule, table: Table) -> None:
        self.source = rule.source
        self.table = table

    def error(self, node: Node, message: str) -> RuleError:
        """Build the error that points at a node."""
        return self.source.error(message, node.place)

    def describe(self, value: Value) -> str:
        """Name a value and what it is."""
        written = " ".join(self.source.at(value.node.place).split())
        written = written if len(written) <= 40 else written[:37] + "..."
        kind = "true or false" if value.condition else value.kind.value
        return f"{written} is {kind}" + (f" ({value.column.written})" if value.column else "")

    # -- conditions ----------------------------------------------------------------------------------------

    def condition(self, node: Node) -> Condition:
        """Compile what must be true or false."""
        match node:
            case And():
                return all_of([self.condition(part) for part in node.operands])
            case Or():
                return any_of([self.condition(part) for part in node.operands])
            case Not():
                return self.condition(node.operand).negated()
            case Comparison():
                return self.compare(node.operator, self.value(node.left), self.value(node.right))
            case IsIn():
                return self.is_in(self.value(node.operand), [self.value(option) for option in node.options])
            case IsMissing():
                return decided(True, self.value(node.operand).known).negated()
        value = self.value(node)
        if value.condition is not None:
            return value.condition
        if value.kind is Kind.EMPTY:
            return UNKNOWN
        raise self.error(node, f"{self.describe(value)}, which is no condition; compare it with something.")

    def is_in(self, value: Value, options: Sequence[Value]) -> Condition:
        """Compile a list; engines look up numbers and texts in one step."""
        for option in options:
            self.check("==", value, option)
        constants = [option.constant for option in options]
        if value.kind is Kind.NUMBER and value.floats is not None:
            return decided(value.known, number_is_in(value.floats, value.column, constants))
        if value.kind is Kind.TEXT and value.column is not None:
            return decided(value.known, value.column.values.is_in(constants))
        return any_of([self.compare("==", value, option) for option in options])

    # -- values --------------------------------------------------------------------------------------------

    def value(self, node: Node) -> Value:
        """Compile what can be compared."""
        match node:
            case Column():
                return self.column(node)
            case Constant():
                return self.constant(node)
            case Arithmetic():
                return self.arithmetic(node)
            case Negative():
                minus_one = Value(node, Kind.NUMBER, constant=-1)
                return self.computed(node, "*", self.number(node.operand, "-"), minus_one)
        return self.truth(node, self.condition(node))

    def truth(self, node: Node, condition: Condition, column: Typed | None = None) -> Value:
        return Value(node, Kind.BOOLEAN, condition.known, condition=condition, column=column)

    def column(self, node: Column) -> Value:
        typed = self.table.columns[node.name]
        if typed.kind is Kind.EMPTY:
            return Value(node, Kind.EMPTY, known=False)
        if typed.kind is Kind.BOOLEAN:
            return self.truth(node, decided(typed.known, typed.values), typed)
        floats = typed.floats if typed.kind is Kind.NUMBER else None
        return Value(node, typed.kind, typed.known, column=typed, floats=floats, nan_is_null=typed.nan_is_null)

    def constant(self, node: Constant) -> Value:
        if isinstance(node.value, bool):
            return self.truth(node, Condition(node.value, not node.value))
        kind = Kind.TEXT if isinstance(node.value, str) else Kind.NUMBER
        return Value(node, kind, constant=node.value)

    def arithmetic(self, node: Arithmetic) -> Value:
        left, right = self.number(node.left, node.operator), self.number(node.right, node.operator)
        return self.computed(node, node.operator, left, right)

    def number(self, node: Node, operator: str) -> Value:
        """Compile an operand of a computation."""
        value = self.value(node)
        if value.kind not in {Kind.NUMBER, Kind.EMPTY}:
            hint = (
                "compare dates with dates, or make a column of the number of days"
                if value.kind in TIMES
                else "only numbers can be computed with"
            )
            raise self.error(node, f"{self.describe(value)}, so {operator!r} cannot take it; {hint}.")
        return value

    def computed(self, node: Node, operator: str, left: Value, right: Value) -> Value:
        """Compute with numbers; the result is known where it is a number and nothing was divided by zero."""
        unknown = Value(node, Kind.EMPTY, known=False)
        if Kind.EMPTY in {left.kind, right.kind} or (operator == "/" and right.constant == 0):
            return unknown
        if left.floats is None and right.floats is None:
            constant = compute_constants(operator, left.constant, right.constant)
            return unknown if constant is None else Value(node, Kind.NUMBER, constant=constant)
        operands = [float(v.constant) if v.floats is None else v.floats for v in (left, right)]
        floats = compute(operator, *operands)
        nan_is_null = left.nan_is_null and right.nan_is_null
        known = ~floats.is_null() if nan_is_null else ~floats.is_null() & ~floats.is_nan()
        return Value(node, Kind.NUMBER, known, floats=floats, nan_is_null=nan_is_null)

    # -- comparisons ---------------------------------------------------------------------------------------

    def compare(self, sign: str, left: Value, right: Value) -> Condition:
        """Compile one comparison, after its types were checked."""
        self.check(sign, left, right)
        if Kind.EMPTY in {left.kind, right.kind}:
            return UNKNOWN
        if left.constant is not None and right.constant is not None:
            return decided(True, bool(COMPARE[sign](left.constant, right.constant)))
        if left.constant is not None:
            left, right, sign = right, left, MIRRORED[sign]
        if Kind.BOOLEAN in {left.kind, right.kind}:
            return _compare_truths(sign, _as_condition(left), _as_condition(right))
        return decided(both(left.known, right.known), self.outcome(sign, left, right))

    def outcome(self, sign: str, left: Value, right: Value) -> Truth:
        """Compare a column or computation with another one or with a constant."""
        if left.floats is not None:
            if right.floats is None:
                return compare_number(sign, left.floats, left.column, right.constant)
            return compare_number_columns(sign, (left.floats, left.column), (right.floats, right.column))
        if left.column is None:
            raise AssertionError("only numbers are computed, so anything else here is a column")
        if left.kind in TIMES:
            return self.outcome_of_times(sign, left.column, right)
        return compare(sign, left.column.values, right.constant if right.column is None else right.column.values)

    def outcome_of_times(self, sign: str, left: Typed, right: Value) -> Truth:
        try:
            if right.column is not None:
                return compare_time_columns(sign, left, right.column, self.table.engine)
            return compare_time(sign, left, read_time(right.constant))
        except ValueError as error:
            raise self.error(right.node, f"{error}.") from error

    def check(self, sign: str, left: Value, right: Value) -> None:
        """Refuse to compare what cannot be compared."""
        for value in (left, right):
            if value.kind is Kind.OTHER:
                raise self.error(value.node, f"{self.describe(value)}; the only question to it is is_missing(x).")
        kinds = {left.kind, right.kind}
        if kinds == {Kind.BOOLEAN} and sign not in {"==", "!="}:
            raise self.error(right.node, f"what is true or false has no order, so {sign!r} cannot compare it.")
        if len(kinds) == 1 or Kind.EMPTY in kinds or kinds == TIMES:
            return
        constant = next((value for value in (left, right) if value.constant is not None), None)
        if constant and kinds <= {*TIMES, Kind.TEXT}:
            return  # whether the text is a date will be seen when it is read
        if constant and kinds == {Kind.BOOLEAN, Kind.NUMBER} and constant.constant in {0, 1} and sign in {"==", "!="}:
            return
        other, wrong = (right, left) if constant is left and right.constant is None else (left, right)
        raise self.error(
            wrong.node,
            f"{self.describe(other)}, {self.describe(wrong)}: they cannot be compared{_hint(other, wrong)}.",
        )


def _hint(value: Value, wrong: Value) -> str:
    """Say what to write instead of a constant of the wrong kind, or what to do with a column of it."""
    if wrong.constant is None and wrong.condition is None:
        return "; convert one of them first"
    if value.kind in TIMES and wrong.kind is Kind.NUMBER:
        return "; write a date in quotes, as in '2024-05-01'"
    if value.kind is Kind.NUMBER and wrong.kind is Kind.BOOLEAN:
        return "; write 1 for True and 0 for False"
    if value.kind is Kind.NUMBER and _is_number(wrong.constant):
        return "; write the number without quotes"
    if value.kind is Kind.TEXT and wrong.kind is Kind.NUMBER and value.constant is None:
        return f"; write it in quotes, as in '{wrong.constant}'"
    if value.kind is Kind.BOOLEAN:
        return "; compare it with True or False, or write it alone"
    return ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _as_condition(value: Value) -> Condition:
    """Take 1 for True and 0 for False."""
    return value.condition or Condition(value.constant == 1, value.constant == 0)


def _compare_truths(sign: str, left: Condition, right: Condition) -> Condition:
    """Compare two conditions: equal where both are true or both are false, unknown where one of them is."""
    same = any_of([all_of([left, right]), all_of([left.negated(), right.negated()])])
    return same if sign == "==" else same.negated()
