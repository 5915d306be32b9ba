"""Run compiled rules on a table, in the engine that the table lives in."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._validation import CUSTOMER_ID
from segmentation.segmenters._rule_columns import Table, read_table, refuse_qualified_names
from segmentation.segmenters._rule_language import compile_rule
from segmentation.segmenters._rule_logic import balanced
from segmentation.segmenters._rule_tree import Rule

__all__ = ["match_in_engine", "match_matrix", "match_rules", "plain_names", "used_columns"]


def used_columns(rules: Sequence[Rule]) -> list[str]:
    """Return the columns that rules use, in the order of their first appearance."""
    return list(dict.fromkeys(name for rule in rules for name in rule.columns()))


def match_rules(rules: Sequence[Rule], frame: Any, ids: str | None = None) -> Any:
    """Evaluate rules where the table lives.

    Parameters
    ----------
    rules : sequence of Rule
    frame : dataframe
        It has all columns of the rules.
    ids : str, optional
        A column to carry along; not for pandas, which has its index.

    Returns
    -------
    narwhals DataFrame or LazyFrame
        ``customer_id`` where there are ids, then ``rule_0``, ``rule_1``, ... : one column of true and false per
        rule, never null. Plain names, because engines read meaning into others.
    """
    table = read_table(frame, used_columns(rules))
    kept = []
    if ids is not None:
        refuse_qualified_names(table.engine, [ids])
        kept = [nw.col(ids).alias(CUSTOMER_ID)]
    matches = [_as_column(rule, table).alias(name) for rule, name in zip(rules, plain_names(rules), strict=True)]
    return table.frame.select(*kept, *matches)


def plain_names(rules: Sequence[Rule]) -> list[str]:
    """Return the names of the columns that `match_rules` makes."""
    return [f"rule_{i}" for i in range(len(rules))]


def _as_column(rule: Rule, table: Table) -> nw.Expr:
    true = compile_rule(rule, table).true
    if not isinstance(true, bool):
        return true
    # a bare literal would be one row, not one for each customer
    somewhere = nw.col(next(iter(rule.columns()))).is_null()
    return (somewhere | True) if true else (somewhere & False)


def match_matrix(rules: Sequence[Rule], customers: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which customer of a pandas table matches which rule, shape (n_customers, n_rules)."""
    matches = nw.to_native(match_rules(rules, customers))
    return np.column_stack([matches[name].to_numpy(dtype=bool) for name in plain_names(rules)])


def match_in_engine(rules: Sequence[Rule], frame: Any, ids: str | None, none: str, segment: str) -> Any:
    """Return the table of matches as a dataframe of the kind that came, lazy where it was lazy.

    Parameters
    ----------
    rules : sequence of Rule
    frame : dataframe other than pandas
    ids : str or None
        The column with the customer ids.
    none : str
        The segment of those that no rule matches.
    segment : str
        What to call the column with the first match.
    """
    matches = match_rules(rules, frame, ids).with_columns(_first_match(list(enumerate(rules)), none).alias(segment))
    kept = [] if ids is None else [nw.col(CUSTOMER_ID).alias(ids)]
    named = [nw.col(plain).alias(rule.name) for plain, rule in zip(plain_names(rules), rules, strict=True)]
    result = matches.select(*kept, *named, nw.col(segment))
    eager = isinstance(nw.from_native(frame), nw.DataFrame)
    return nw.to_native(result.collect() if eager else result)


def _first_match(rules: Sequence[tuple[int, Rule]], none: str) -> nw.Expr:
    """Return the name of the first rule that matches, or `none`.

    It splits the rules in halves, because a chain of hundreds of conditions would be too deep for the engines.
    """
    middle = (len(rules) + 1) // 2
    early, late = rules[:middle], rules[middle:]
    found = balanced([nw.col(f"rule_{position}") for position, _ in early], operator.or_)
    first = nw.lit(early[0][1].name) if middle == 1 else _first_match(early, none)
    return nw.when(found).then(first).otherwise(_first_match(late, none) if late else nw.lit(none))
