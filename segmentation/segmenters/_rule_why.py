"""Why rules put a customer into a segment: the rule that matches, or what keeps each from matching."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import name_some, number
from segmentation._why import Evidence, Why
from segmentation.segmenters._rule_match import match_matrix
from segmentation.segmenters._rule_tree import And, Node, Not, Rule

__all__ = ["explain_rules"]


def explain_rules(rules: Sequence[Rule], X: pd.DataFrame, codes: NDArray[np.int64], otherwise: bool) -> list[Why]:
    """Explain customers by rules.

    Parameters
    ----------
    rules : sequence of Rule
    X : pandas.DataFrame
        The customers, with the columns of the rules.
    codes : ndarray of shape (n_customers,)
        Their segments; `len(rules)` is the segment of those that no rule matches, -1 is none.
    otherwise : bool
        Whether those that no rule matches have a segment.
    """
    matches = match_matrix(rules, X)
    failing = _Failing(rules, X)
    result = []
    for i, code in enumerate(codes.tolist()):
        if 0 <= code < len(rules):
            rule = rules[code]
            later = [j for j in np.flatnonzero(matches[i]).tolist() if j > code]
            text = f"the rule {rule.normalised!r} matches: {_values(rule, X, i)}"
            if later:
                text += f"; {name_some(rules[j].name for j in later)} would match too, but comes later"
            other = int(later[0]) if later else (len(rules) if otherwise else -1)
            result.append(Why(other, np.nan, text, _evidence(rule, X, i)))
            continue
        reasons = "; ".join(failing.reason(j, i) for j in range(len(rules)))
        result.append(Why(-1, np.nan, f"no rule matches: {reasons}"))
    return result


def _values(rule: Rule, X: pd.DataFrame, i: int) -> str:
    return ", ".join(f"{name} is {number(_plain(X[name].iloc[i]))}" for name in rule.columns())


def _plain(value: Any) -> Any:
    """Return None for any kind of missing value."""
    return None if pd.api.types.is_scalar(value) and pd.isna(value) else value


def _evidence(rule: Rule, X: pd.DataFrame, i: int) -> tuple[Evidence, ...]:
    return tuple(Evidence(name, _plain(X[name].iloc[i]), None, None, np.nan) for name in rule.columns())


class _Failing:
    """Finds, once for all customers, which part of each rule is not true, and whether it is false or unknown."""

    def __init__(self, rules: Sequence[Rule], X: pd.DataFrame) -> None:
        self.rules, self.X = rules, X
        self.parts = [list(rule.root.operands) if isinstance(rule.root, And) else [rule.root] for rule in rules]
        self.true = [match_matrix([_part(rule, part) for part in parts], X) for rule, parts in self._pairs()]
        self.false = [match_matrix([_part(rule, _negated(part)) for part in parts], X) for rule, parts in self._pairs()]

    def _pairs(self) -> list[tuple[Rule, list[Node]]]:
        return list(zip(self.rules, self.parts, strict=True))

    def reason(self, j: int, i: int) -> str:
        """Say what keeps rule j from matching customer i: a part that is false, else the parts that are unknown."""
        rule, parts = self.rules[j], self.parts[j]
        for k, part in enumerate(parts):
            if self.false[j][i, k]:
                one = _part(rule, part)
                return f"{rule.name!r} fails at {rule.source.at(part.place)!r} ({_values(one, self.X, i)})"
        unknown = [part for k, part in enumerate(parts) if not self.true[j][i, k]]
        one = _part(rule, And(rule.root.place, tuple(unknown)))
        missing = [name for name in one.columns() if _plain(self.X[name].iloc[i]) is None]
        why = f"{_join(missing)} is missing" if missing else _values(one, self.X, i)
        return f"{rule.name!r} cannot be decided ({why})"


def _join(names: Sequence[str]) -> str:
    """Join column names with commas and "and"."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 2 else names)


def _part(rule: Rule, node: Node) -> Rule:
    """Return a part of a rule as a rule of its own."""
    return Rule(rule.source, node, rule.normalised)


def _negated(node: Node) -> Node:
    return Not(node.place, node)
