"""Three-valued logic on columns: conditions that are true, false or unknown, and how they combine.

Every condition is two columns: where it is *true* and where it is *false*. Where it is neither it is unknown,
so *known* is true-or-false, and the pair carries Kleene's logic [1]_: ``and`` is true where both are true and
false where one is false, whether the other is known or not; ``or`` is its mirror image; ``not`` swaps the two.

Keeping true and false, rather than true and known, lets each operand stand once in each of the results, so a
rule compiles to an expression of its own size. Neither is ever null: `decided` cuts down whatever an engine
answers to where the operands are known.

References
----------
.. [1] S. C. Kleene (1952), Introduction to Metamathematics, section 64.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw

__all__ = [
    "COMPARE",
    "MIRRORED",
    "UNKNOWN",
    "Condition",
    "Truth",
    "all_of",
    "any_of",
    "both",
    "compare",
    "decided",
    "either",
]

Truth = nw.Expr | bool
"""A column of true and false, or one of them for everybody."""

COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
MIRRORED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def compare(sign: str, left: nw.Expr, right: Any) -> nw.Expr:
    """Let the engine compare a column with another one or with a constant."""
    outcome: nw.Expr = COMPARE[sign](left, right)
    return outcome


@dataclass(frozen=True, eq=False)
class Condition:
    """Where something is true, and where it is false."""

    true: Truth
    false: Truth

    @property
    def known(self) -> Truth:
        """Where it is one of the two."""
        return either(self.true, self.false)

    def negated(self) -> Condition:
        """Return ``not`` of it."""
        return Condition(self.false, self.true)


UNKNOWN = Condition(true=False, false=False)


def decided(known: Truth, outcome: Truth) -> Condition:
    """Make a condition of what an engine answers (`outcome`, anything where not known) and where that counts."""
    return Condition(both(known, outcome), both(known, _opposite(outcome)))


def all_of(conditions: Sequence[Condition]) -> Condition:
    """Join conditions by Kleene's ``and``."""
    return Condition(both(*(part.true for part in conditions)), either(*(part.false for part in conditions)))


def any_of(conditions: Sequence[Condition]) -> Condition:
    """Join conditions by Kleene's ``or``."""
    return Condition(either(*(part.true for part in conditions)), both(*(part.false for part in conditions)))


def both(*parts: Truth) -> Truth:
    """Join columns that are never null by ``and``; constants are settled here."""
    if any(part is False for part in parts):
        return False
    columns = [part for part in parts if not isinstance(part, bool)]
    return balanced(columns, operator.and_) if columns else True


def either(*parts: Truth) -> Truth:
    """Join columns that are never null by ``or``; constants are settled here."""
    if any(part is True for part in parts):
        return True
    columns = [part for part in parts if not isinstance(part, bool)]
    return balanced(columns, operator.or_) if columns else False


def _opposite(part: Truth) -> Truth:
    return not part if isinstance(part, bool) else ~part


def balanced(parts: Sequence[nw.Expr], join: Callable[[Any, Any], nw.Expr]) -> nw.Expr:
    """Join in halves: a chain of a thousand would recurse a thousand deep in the engines."""
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    return join(balanced(parts[:middle], join), balanced(parts[middle:], join))
