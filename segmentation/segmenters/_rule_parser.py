"""From the text of a rule to its tree, refusing everything that is not in the language."""

from __future__ import annotations

import ast
import io
import math
import tokenize
from collections.abc import Mapping
from typing import Any

from segmentation._frames import kind_of
from segmentation.exceptions import RuleError
from segmentation.segmenters._rule_source import Place, RuleText
from segmentation.segmenters._rule_syntax import LANGUAGE, Syntax, read_syntax
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

__all__ = ["parse_rule", "parse_rules"]

COMPARISONS: Mapping[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
ARITHMETIC: Mapping[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}

# What people try, and what to write instead; anything else gets the summary of the language.
INSTEAD: Mapping[type[ast.AST], str] = {
    ast.BitAnd: "write 'and' between two conditions, not '&'",
    ast.BitOr: "write 'or' between two conditions, not '|'",
    ast.Pow: "'**' is not part of the language; multiply, or make a column of the power",
    ast.Mod: "'%' is not part of the language; make a column of the remainder",
    ast.FloorDiv: "'//' is not part of the language; use '/', or make a column of the whole part",
    ast.Invert: "write 'not' before a condition, not '~'",
    ast.UAdd: "leave out the plus sign",
    ast.Is: "'is' is not part of the language; write == to compare, is_missing(x) to ask for a missing value",
    ast.IsNot: "'is not' is not part of the language; write != to compare, not is_missing(x) to ask for a value",
    ast.NamedExpr: "':=' is not part of the language; write == to compare",
    ast.Attribute: 'attributes are not available; a column with a dot in its name is written col("the.name")',
    ast.Subscript: 'square brackets are not available here; a column is written by its name or col("the name")',
    ast.IfExp: "'if ... else' is not part of the language; use and / or",
    ast.JoinedStr: "an f-string is not a constant; write the text itself",
}


def parse_rules(rules: Any) -> list[Rule]:
    """Parse rules, in their order.

    Parameters
    ----------
    rules : mapping of segment name to rule

    Returns
    -------
    list of Rule

    Raises
    ------
    TypeError
        If `rules` is no mapping, or a name or a rule is no text.
    RuleError
        If there is no rule, or one of them is not in the language.

    Examples
    --------
    >>> [rule.normalised for rule in parse_rules({"adults": "age>=18 # or older"})]
    ['age >= 18']
    """
    if not isinstance(rules, Mapping):
        raise TypeError(
            f"rules must map each segment name to its rule, as in {{'young': 'age < 30'}}; got {kind_of(rules)}."
        )
    if not rules:
        raise RuleError("rules is empty: name at least one segment, as in {'young': 'age < 30'}.")
    return [parse_rule(name, text) for name, text in rules.items()]


def parse_rule(name: Any, text: Any) -> Rule:
    """Parse one rule; `name` is that of its segment."""
    if not isinstance(name, str):
        raise TypeError(f"a segment name must be a text, got {name!r:.60} ({kind_of(name)}).")
    if not name.strip():
        raise RuleError(f"a segment name must not be empty, got {name!r}.")
    if not isinstance(text, str):
        raise TypeError(f"rule {name!r} must be a text, as in 'age < 30'; got {kind_of(text)}.")
    source = RuleText(name, text)
    syntax = read_syntax(source)
    root = _Reader(syntax).node(syntax.tree)
    rule = Rule(source, root, ast.unparse(syntax.tree))
    if not rule.columns():
        raise source.error(
            "it names no column, so it would match everybody or nobody. For everybody that no other rule matches "
            "there is otherwise='...'.",
            root.place,
        )
    return rule


class _Reader:
    """Translate Python's tree into ours, refusing what is not in the language."""

    def __init__(self, syntax: Syntax) -> None:
        self.source = syntax.source
        self.place = syntax.place
        self.error = syntax.error

    def node(self, node: ast.expr) -> Node:
        """Read any part of a rule."""
        match node:
            case ast.Name():
                return Column(self.place(node), node.id)
            case ast.Constant():
                return self.constant(node)
            case ast.BoolOp():
                return self.connected(node)
            case ast.UnaryOp():
                return self.signed(node)
            case ast.BinOp():
                return self.arithmetic(node)
            case ast.Compare():
                return self.compared(node)
            case ast.Call():
                return self.called(node)
        raise self.error(node, f"{INSTEAD.get(type(node), 'this is not part of the language; ' + LANGUAGE)}.")

    def constant(self, node: ast.Constant) -> Constant:
        """Read a number, a text, True or False."""
        value = node.value
        if value is None:
            raise self.error(node, "None cannot be compared; write is_missing(x), or not is_missing(x).")
        if not isinstance(value, bool | int | float | str):
            raise self.error(node, f"{kind_of(value)} is not part of the language; {LANGUAGE}.")
        if isinstance(value, str):
            self.check_text(node, value)
        elif not _fits_float(value):
            raise self.error(node, "this number is too large; the largest is about 1.8e308.")
        return Constant(self.place(node), value)

    def check_text(self, node: ast.expr, value: str) -> None:
        """Refuse what is no text in every engine, and two texts where a comma was forgotten between them."""
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise self.error(node, "this text has half a character (a lone surrogate) in it.") from error
        if "\x00" in value:
            raise self.error(node, "this text has a null character in it.")
        written = self.source.at(self.place(node))
        if _count_literals(written) > 1:
            raise self.error(node, "two texts stand side by side; there is a comma missing between them.")

    def connected(self, node: ast.BoolOp) -> Node:
        """Read conditions joined by and / or."""
        operands = tuple(self.node(value) for value in node.values)
        return And(self.place(node), operands) if isinstance(node.op, ast.And) else Or(self.place(node), operands)

    def signed(self, node: ast.UnaryOp) -> Node:
        """Read not x and -x."""
        if isinstance(node.op, ast.Not):
            return Not(self.place(node), self.node(node.operand))
        if not isinstance(node.op, ast.USub):
            raise self.error(node, f"{INSTEAD[type(node.op)]}.")
        operand = self.node(node.operand)
        if isinstance(operand, Constant) and not isinstance(operand.value, bool | str):
            return Constant(self.place(node), -operand.value)
        return Negative(self.place(node), operand)

    def arithmetic(self, node: ast.BinOp) -> Node:
        """Read x + y and the like."""
        operator = ARITHMETIC.get(type(node.op))
        if operator is None:
            raise self.error(node, f"{INSTEAD.get(type(node.op), 'this operator is not part of the language')}.")
        return Arithmetic(self.place(node), operator, self.node(node.left), self.node(node.right))

    def compared(self, node: ast.Compare) -> Node:
        """Read a chain: a < b < c means a < b and b < c."""
        operands = [node.left, *node.comparators]
        links = tuple(
            self.link(operator, left, right)
            for operator, left, right in zip(node.ops, operands[:-1], operands[1:], strict=True)
        )
        return links[0] if len(links) == 1 else And(self.place(node), links)

    def link(self, operator: ast.cmpop, left: ast.expr, right: ast.expr) -> Node:
        """Read one comparison of a chain."""
        first, last = self.place(left), self.place(right)
        place = Place(first.line, first.start, last.stop_line, last.stop)
        if isinstance(operator, ast.In | ast.NotIn):
            is_in = IsIn(place, self.node(left), self.options(right))
            return is_in if isinstance(operator, ast.In) else Not(place, is_in)
        sign = COMPARISONS.get(type(operator))
        if sign is None:
            raise self.source.error(f"{INSTEAD[type(operator)]}.", place)
        return Comparison(place, sign, self.node(left), self.node(right))

    def options(self, node: ast.expr) -> tuple[Constant, ...]:
        """Read the list after ``in``."""
        if isinstance(node, ast.Constant):
            self.constant(node)
            raise self.error(node, f"after 'in' comes a list; with one value write ({node.value!r:.40},) or use ==.")
        if not isinstance(node, ast.Tuple | ast.List | ast.Set):
            raise self.error(node, "after 'in' comes a list of constants, as in ('a', 'b').")
        if not node.elts:
            raise self.error(node, "the list after 'in' is empty, so it would never match.")
        options = []
        for written in node.elts:
            option = self.node(written)
            if not isinstance(option, Constant):
                raise self.error(written, "the list after 'in' holds constants only: numbers, or texts in quotes.")
            options.append(option)
        return tuple(options)

    def called(self, node: ast.Call) -> Node:
        """Read is_missing(x) and col("name"), the only two calls there are."""
        name = node.func.id if isinstance(node.func, ast.Name) else None
        if name not in {"is_missing", "col"}:
            raise self.error(node.func, 'this cannot be called; the only functions are is_missing(x) and col("name").')
        if len(node.args) != 1 or node.keywords or isinstance(node.args[0], ast.Starred):
            raise self.error(node, f"{name} takes exactly one argument.")
        argument = node.args[0]
        if name == "is_missing":
            return IsMissing(self.place(node), self.asked(argument))
        if not isinstance(argument, ast.Constant) or not isinstance(argument.value, str):
            raise self.error(argument, 'col takes the name of a column in quotes, as in col("Total spend").')
        self.check_text(argument, argument.value)
        return Column(self.place(node), argument.value)

    def asked(self, node: ast.expr) -> Node:
        """Read the argument of is_missing."""
        operand = self.node(node)
        if not any(isinstance(part, Column) for part in operand.walk()):
            raise self.error(node, "is_missing takes a column, or a computation with one.")
        return operand


def _fits_float(value: float) -> bool:
    """Tell whether a number, however large an integer, fits a float."""
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def _count_literals(written: str) -> int:
    """Count the string literals that Python joined into one constant."""
    tokens = tokenize.generate_tokens(io.StringIO(f"({written})").readline)
    return sum(token.type == tokenize.STRING for token in tokens)
