"""Why a customer is in a segment: as a table, and in plain words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import count, name_some, nearest
from segmentation._frames import is_frame
from segmentation._results import plain
from segmentation._validation import as_customers
from segmentation._why import Why
from segmentation.assignment import UNASSIGNED
from segmentation.base import Segmenter
from segmentation.compose import prepared
from segmentation.exceptions import CustomerTableError

__all__ = ["Explanation", "explain"]


@dataclass(frozen=True, repr=False)
class Explanation:
    """The reasons for the segments of some customers.

    Attributes
    ----------
    table : pandas.DataFrame
        Index ``customer_id``: ``segment``; ``alternative`` (the nearest other segment; missing where there is none);
        ``margin`` (how far the decision is from it; missing where the method has no distance); ``reason`` in words.
    evidence : pandas.DataFrame
        One row per customer and column that has something to say: ``customer_id``, ``column``, ``value``,
        ``typical_of_segment``, ``typical_of_alternative``, ``contribution`` (positive: speaks for the segment and
        against the alternative), the strongest first.
    unit : str
        What ``margin`` and ``contribution`` are measured in.
    """

    table: pd.DataFrame
    evidence: pd.DataFrame
    unit: str

    def to_pandas(self) -> pd.DataFrame:
        """Return a copy of ``table``."""
        return self.table.copy()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values: unit, and per customer segment, alternative, margin, reason and evidence."""
        evidence: dict[Any, list[Any]] = {one: [] for one in self.table.index}
        for row in self.evidence.to_dict("records"):
            evidence[row.pop("customer_id")].append(row)
        customers = [
            {"customer_id": one, **row.to_dict(), "evidence": evidence[one]} for one, row in self.table.iterrows()
        ]
        whole: dict[str, Any] = plain({"unit": self.unit, "customers": customers})
        return whole

    def __str__(self) -> str:
        return "\n".join(f"{one}: {row.segment}: {row.reason}" for one, row in self.table.iterrows())

    def __repr__(self) -> str:
        return f"Explanation of {count(len(self.table), 'customer')} (margin: {self.unit})\n{self}"

    def _repr_html_(self) -> str:
        with pd.option_context("display.max_colwidth", None):
            html: str = self.table.to_html(escape=True)
        return html


def explain(model: Any, X: Any, ids: Iterable[Any] | None = None) -> Explanation:
    """Say why customers are in their segments.

    Parameters
    ----------
    model : fitted Segmenter, or fitted Pipeline that ends in one
        The columns that a pipeline's last step sees are explained, in the units it sees.
    X : dataframe or array of shape (n_customers, n_features)
        The customers, as for `assign`.
    ids : iterable of customer ids, or one id, optional
        By default all customers of `X`.

    Returns
    -------
    Explanation
        ``table`` with segment, nearest alternative, margin and reason in words; ``evidence`` with what each column
        contributes. The segment is always the one that `assign` gives.

    Raises
    ------
    CustomerTableError
        If an id is not among the customers.
    TypeError, ColumnError
        As for `assign`.

    Notes
    -----
    How a segment is explained depends on the method: rules by the rule that matches and its values, k-means by the
    difference of squared distances per column (they add up to the whole difference), RFM by scores, other methods by
    substitution: by how much the lead over the alternative shrinks when one column gets the alternative's typical
    value.

    Examples
    --------
    >>> import pandas as pd
    >>> import segmentation as sg
    >>> from segmentation.segmenters import RuleSegmenter
    >>> people = pd.DataFrame({"age": [22, 64, None]}, index=pd.Index(["a", "b", "c"], name="customer_id"))
    >>> rules = RuleSegmenter({"young": "age < 30", "old": "age >= 60"}).fit(people)
    >>> print(sg.explain(rules, people))
    a: young: the rule 'age < 30' matches: age is 22
    b: old: the rule 'age >= 60' matches: age is 64
    c: unassigned: no rule matches: 'young' cannot be decided (age is missing); 'old' cannot be decided (age is missing)
    """
    data, index, segmenter = prepared(model, X, Segmenter, "explain")
    names = _names_of_steps(model, segmenter)
    table, positions = _chosen(data, index, ids)
    hooks, own_index, membership = segmenter._apply(table)
    customers = own_index if index is None else index[positions]
    codes = segmenter._apply_codes(hooks, membership)
    reasons = segmenter._explain(hooks, membership, codes) if len(codes) else []
    return _explanation(customers, codes, [_renamed(why, names) for why in reasons], segmenter)


def _names_of_steps(model: Any, segmenter: Segmenter) -> dict[str, str]:
    """Return what the columns x0, x1, ... of the last step of a pipeline are called by the steps before it."""
    steps = getattr(model, "steps", [])
    if len(steps) < 2 or hasattr(segmenter, "feature_names_in_"):
        return {}
    try:
        names = model[:-1].get_feature_names_out()
    except (AttributeError, ValueError):  # a step that cannot name its columns
        return {}
    return {f"x{i}": f"{name} (after {steps[-2][0]})" for i, name in enumerate(names)}


def _renamed(why: Why, names: dict[str, str]) -> Why:
    """Give the columns of the evidence, and of the words, the names of a pipeline."""
    if not names:
        return why
    evidence = tuple(replace(one, column=names.get(one.column, one.column)) for one in why.evidence)
    text = re.sub(r"\bx\d+\b", lambda found: names.get(found.group(), found.group()), why.text)
    return replace(why, text=text, evidence=evidence)


def _chosen(data: Any, index: pd.Index | None, ids: Any) -> tuple[Any, Any]:
    """Take the rows of the chosen customers; a customer's result does not depend on the others."""
    if index is None and is_frame(data):
        data = as_customers(data)
        index = data.index
    if index is None:
        index = pd.RangeIndex(len(data))
    if ids is None:
        return data, np.arange(len(index))
    wanted = [ids] if isinstance(ids, str) or not isinstance(ids, Iterable) else list(ids)
    positions = index.get_indexer(pd.Index(wanted))
    unknown = [one for one, position in zip(wanted, positions, strict=True) if position < 0]
    if unknown:
        close = nearest(unknown[0], index[:10_000])
        raise CustomerTableError(
            f"no customer {name_some(unknown)} among {len(index):,}"
            f"{f'; nearest: {name_some(close)}' if close else ''}. "
            f"Ids look like {name_some(index[:3])} ({index.dtype})."
        )
    rows = data.iloc[positions] if hasattr(data, "iloc") else np.asarray(data)[positions]
    return rows, positions


def _explanation(customers: pd.Index, codes: Any, reasons: list[Why], segmenter: Segmenter) -> Explanation:
    """Put the reasons into tables."""
    names = [*segmenter.segments_, UNASSIGNED]
    table = pd.DataFrame(
        {
            "segment": [names[code] for code in codes],
            "alternative": [names[why.alternative] if why.alternative >= 0 else None for why in reasons],
            "margin": np.array([why.margin for why in reasons], dtype=np.float64),
            "reason": [why.text for why in reasons],
        },
        index=customers,
    )
    rows = [
        (customer, one.column, one.value, one.own, one.other, one.contribution)
        for customer, why in zip(customers, reasons, strict=True)
        for one in why.evidence
    ]
    columns = ["customer_id", "column", "value", "typical_of_segment", "typical_of_alternative", "contribution"]
    return Explanation(table, pd.DataFrame(rows, columns=columns), segmenter._explanation_unit)
