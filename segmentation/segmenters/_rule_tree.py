"""The tree of a rule: plain values that know their place, made by the parser and read by the compiler.

A tree holds no data and no dataframe; it can be pickled, compared and walked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

from segmentation.segmenters._rule_source import Place, RuleText

__all__ = [
    "And",
    "Arithmetic",
    "Column",
    "Comparison",
    "Constant",
    "IsIn",
    "IsMissing",
    "Negative",
    "Node",
    "Not",
    "Or",
    "Rule",
]


@dataclass(frozen=True, slots=True)
class Node:
    """Any part of a rule."""

    place: Place

    def parts(self) -> Iterator[Node]:
        """Yield the nodes directly below this one, left to right."""
        for field in fields(self):
            value = getattr(self, field.name)
            for part in value if isinstance(value, tuple) else (value,):
                if isinstance(part, Node):
                    yield part

    def walk(self) -> Iterator[Node]:
        """Yield this node and all below it, left to right."""
        yield self
        for part in self.parts():
            yield from part.walk()


@dataclass(frozen=True, slots=True)
class Column(Node):
    """A column of the customer table."""

    name: str


@dataclass(frozen=True, slots=True)
class Constant(Node):
    """A number, a text, or True / False."""

    value: bool | int | float | str


@dataclass(frozen=True, slots=True)
class Arithmetic(Node):
    """left operator right, where operator is one of + - * /."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Negative(Node):
    """A minus sign before something."""

    operand: Node


@dataclass(frozen=True, slots=True)
class Comparison(Node):
    """left operator right, where operator is one of == != < <= > >=."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class IsIn(Node):
    """Whether something equals one of the constants; ``not in`` is a `Not` around it."""

    operand: Node
    options: tuple[Constant, ...]


@dataclass(frozen=True, slots=True)
class IsMissing(Node):
    """is_missing(operand)."""

    operand: Node


@dataclass(frozen=True, slots=True)
class Not(Node):
    """Not operand."""

    operand: Node


@dataclass(frozen=True, slots=True)
class And(Node):
    """All of the operands; a chain a < b < c is the `And` of its comparisons."""

    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or(Node):
    """Any of the operands."""

    operands: tuple[Node, ...]


@dataclass(frozen=True)
class Rule:
    """A parsed rule.

    Attributes
    ----------
    source : RuleText
        Name and text.
    root : Node
    normalised : str
        The rule on one line, with the spacing and the quotes of the language and without comments.
    """

    source: RuleText
    root: Node
    normalised: str

    @property
    def name(self) -> str:
        """The name of the segment."""
        return self.source.name

    def columns(self) -> dict[str, Column]:
        """Return the columns the rule uses, each with the first node that names it, in the order of reading."""
        found: dict[str, Column] = {}
        for node in self.root.walk():
            if isinstance(node, Column):
                found.setdefault(node.name, node)
        return found
