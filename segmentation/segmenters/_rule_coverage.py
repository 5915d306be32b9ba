"""How many customers rules match, alone and together, and why a rule matches nobody."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some, nearest
from segmentation.assignment import UNASSIGNED
from segmentation.exceptions import EmptySegmentWarning
from segmentation.segmenters._rule_tree import Column, Comparison, Constant, IsIn, Node, Not, Rule

__all__ = ["coverage_table", "warn_empty"]


def coverage_table(matches: NDArray[np.bool_], names: Sequence[str], otherwise: str | None) -> pd.DataFrame:
    """Count customers by rule.

    Parameters
    ----------
    matches : ndarray of shape (n_customers, n_rules)
    names : sequence of str
    otherwise : str or None

    Returns
    -------
    pandas.DataFrame
        As ``RuleSegmenter.coverage_``.

    Examples
    --------
    >>> matches = np.array([[True, True], [False, True], [False, False], [False, False]])
    >>> print(coverage_table(matches, ["a", "b"], None).reset_index().to_string(index=False))
       segment  n_matched  n_alone  n_together  n_first  share
             a          1        0           1        1   0.25
             b          2        1           1        1   0.25
    unassigned          0        0           0        2   0.50
    """
    per_customer = matches.sum(axis=1)
    matched = matches.sum(axis=0)
    alone = matches[per_customer == 1].sum(axis=0)
    first = np.bincount(matches[per_customer > 0].argmax(axis=1), minlength=len(names))
    unmatched = int((per_customer == 0).sum())
    of_rest = 0 if otherwise is None else unmatched
    table = pd.DataFrame(
        {
            "n_matched": [*matched, of_rest],
            "n_alone": [*alone, of_rest],
            "n_together": [*(matched - alone), 0],
            "n_first": [*first, unmatched],
        },
        index=pd.Index([*names, UNASSIGNED if otherwise is None else otherwise], name="segment", dtype=object),
        dtype=np.int64,
    )
    table["share"] = table["n_first"] / len(matches)
    return table


def warn_empty(rules: Sequence[Rule], matches: NDArray[np.bool_], customers: pd.DataFrame, stacklevel: int) -> None:
    """Warn of every rule that matches nobody, or whose customers all belong to earlier rules."""
    for position, rule in enumerate(rules):
        matched = matches[:, position]
        earlier = matches[matched][:, :position]
        if not matched.any():
            message = f"rule {rule.name!r} matches no customer.{_reason(rule, customers)}"
        elif position and earlier.any(axis=1).all():
            taken = np.bincount(earlier.argmax(axis=1), minlength=position)
            by = [f"{rules[i].name!r} ({taken[i]:,})" for i in np.flatnonzero(taken).tolist()]
            message = (
                f"rule {rule.name!r} matches {count(len(earlier), 'customer')}, and rules before it take them all: "
                f"{', '.join(by[:5])}{', ...' if len(by) > 5 else ''}. predict gives it nobody; put it before them, "
                "or look at transform, which shows all rules."
            )
        else:
            continue
        warnings.warn(message, EmptySegmentWarning, stacklevel=stacklevel + 1)


def _reason(rule: Rule, customers: pd.DataFrame) -> str:
    """Say what in the data makes a rule match nobody, where that can be seen."""
    missing = [name for name in rule.columns() if customers[name].isna().all()]
    if missing:
        return f" Every value is missing in {name_some(missing)}."
    for name, texts in _asked_texts(rule.root):
        found = customers[name].dropna().unique().tolist()
        if not all(isinstance(value, str) for value in found):
            continue
        absent = [text for text in texts if text not in found]
        if absent:
            close = nearest(absent[0], found)
            there = f"nearest: {name_some(close)}" if close else f"there are: {name_some(sorted(found))}"
            return f" {name_some(absent)} does not occur in column {name!r}; {there}."
    return ""


def _asked_texts(node: Node) -> Iterator[tuple[str, list[str]]]:
    """Yield each column that is asked to equal texts, and the texts; what stands under ``not`` is left out."""
    match node:
        case Not():
            return
        case Comparison(operator="==", left=Column(name=name), right=Constant(value=str(text))):
            yield name, [text]
        case Comparison(operator="==", left=Constant(value=str(text)), right=Column(name=name)):
            yield name, [text]
        case IsIn(operand=Column(name=name), options=options):
            yield name, [option.value for option in options if isinstance(option.value, str)]
    for part in node.parts():
        yield from _asked_texts(part)
