"""Consent: who may be in a table for a purpose, who was left out and why, and a guard that insists on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

from segmentation._format import count, name_some, percent
from segmentation._frames import is_frame, is_pandas, kind_of
from segmentation._validation import CUSTOMER_ID, as_customers
from segmentation.exceptions import ConsentError
from segmentation.governance._decisions import ABSENT, moment, read_decisions, standing

__all__ = ["ConsentGuard", "ConsentResult", "filter_consent", "require_consent"]

# Reason -> in words; the order is that of the printed table.
REASONS = {
    ABSENT: "never asked about this purpose",
    "refused": "said no",
    "withdrawn": "said yes once, and took it back",
    "expired": "the consent has run out",
    "contradictory": "decisions of the same moment disagree",
    "no answer": "the latest decision is missing",
    "undated": "a grant without a date among dated ones",
    "after as_of": "all decisions are later than as_of",
}


@dataclass(frozen=True, repr=False, eq=False)
class ConsentResult:
    """Who may be used for a purpose, and who may not and why.

    Attributes
    ----------
    customers : pandas.DataFrame
        The customers with consent, index ``customer_id``, their rows unchanged and in their order.
    left_out : pandas.Series
        Reason for each customer that was left out, indexed by ``customer_id``.
    purpose : str
    as_of : pandas.Timestamp
        The moment, in UTC.
    n_without_customer : int
        Persons with a decision about this purpose who are not in the customer table.
    """

    customers: pd.DataFrame
    left_out: pd.Series[Any]
    purpose: str
    as_of: pd.Timestamp
    n_without_customer: int

    def to_pandas(self) -> pd.DataFrame:
        """Return the counts: index ``reason`` ("kept" first), columns ``n_customers``, ``share``, ``meaning``."""
        counts = self.left_out.value_counts()
        n = {"kept": len(self.customers)} | {reason: int(counts.get(reason, 0)) for reason in REASONS}
        n = {reason: number for reason, number in n.items() if number or reason == "kept"}
        total = max(len(self.customers) + len(self.left_out), 1)
        return pd.DataFrame(
            {
                "n_customers": list(n.values()),
                "share": [number / total for number in n.values()],
                "meaning": ["agreed, and it holds" if reason == "kept" else REASONS[reason] for reason in n],
            },
            index=pd.Index(list(n), name="reason"),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return purpose, moment and counts as plain values; no ids."""
        return {
            "purpose": self.purpose,
            "as_of": self.as_of.isoformat(),
            "n_kept": len(self.customers),
            "n_left_out": len(self.left_out),
            "left_out": {str(k): int(v) for k, v in self.to_pandas()["n_customers"].items() if k != "kept"},
            "n_without_customer": self.n_without_customer,
        }

    def __str__(self) -> str:
        kept, total = len(self.customers), len(self.customers) + len(self.left_out)
        lines = [f"Consent for {self.purpose!r} at {self.as_of:%Y-%m-%d %H:%M} UTC: {kept:,} of {total:,} customers"]
        lines += [
            f"  left out, {reason}: {int(row.n_customers):,} ({percent(row.share)}; {row.meaning})"
            for reason, row in self.to_pandas().drop(index="kept").iterrows()
        ]
        if self.n_without_customer:
            lines.append(f"  {count(self.n_without_customer, 'person', 'persons')} with a decision, not in the table")
        return "\n".join(lines)

    __repr__ = __str__  # the counts; ids do not belong into a log

    def _repr_html_(self) -> str:
        table = self.to_pandas().to_html(float_format=percent)
        return f"<p>Consent for {escape(repr(self.purpose))} at {self.as_of:%Y-%m-%d %H:%M} UTC</p>{table}"


def filter_consent(customers: Any, consent: Any, *, purpose: str, as_of: Any = None) -> ConsentResult:
    """Keep the customers who have agreed to a purpose; without a valid yes, a customer is left out.

    Parameters
    ----------
    customers : dataframe
        One row per customer, with ids: a column ``customer_id`` or an index of ids.
    consent : dataframe
        One row per decision: ``customer_id``, ``purpose``, ``granted`` (true or false, 1 or 0, yes or no), and where
        known ``timestamp`` (when it was decided) and ``expires`` (from this moment on it no longer holds; a day
        means the start of that day). Times without a zone are taken as UTC.
    purpose : str
        What the customers are to be used for, written exactly as in the table.
    as_of : date, time or text, optional
        The moment that counts, now by default; a day without a time means its end. Later decisions are not yet known.

    Returns
    -------
    ConsentResult
        Customers kept, and for each one left out the reason: "absent" (never asked), "refused", "withdrawn",
        "expired", "contradictory" (decisions of the same moment disagree), "no answer", "undated" (a grant without a
        date in a table that has dates), "after as_of".

    Raises
    ------
    ConsentError
        If the customers have no ids, or nobody was ever asked about the purpose.
    ColumnError, CustomerTableError, TypeError, ValueError
        If a table is not what it should be.

    Notes
    -----
    The latest decision wins. Doubt is a no: missing answers, undated grants and contradictions leave the customer out.
    This compares two tables; whether a consent is valid in law is not for a function to say.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.governance import filter_consent
    >>> people = pd.DataFrame({"age": [31, 45, 28]}, index=pd.Index(["a", "b", "c"], name="customer_id"))
    >>> decisions = pd.DataFrame({
    ...     "customer_id": ["a", "b", "b"], "purpose": "profiling", "granted": [True, True, False],
    ...     "timestamp": pd.to_datetime(["2026-01-05", "2026-01-05", "2026-02-01"])})
    >>> print(filter_consent(people, decisions, purpose="profiling", as_of="2026-03-01"))
    Consent for 'profiling' at 2026-03-01 23:59 UTC: 1 of 3 customers
      left out, absent: 1 (33.3 %; never asked about this purpose)
      left out, withdrawn: 1 (33.3 %; said yes once, and took it back)
    """
    table = _identified(customers)
    when = moment(as_of)
    decided = standing(read_decisions(consent, purpose), when)
    _refuse_other_kind(table.index, decided.index)
    word = decided.reindex(table.index).fillna(ABSENT).astype(object)
    kept = (word == "granted").to_numpy(dtype=bool)
    return ConsentResult(
        customers=table[kept],
        left_out=word[~kept].rename("reason"),
        purpose=purpose,
        as_of=when,
        n_without_customer=int((~decided.index.isin(table.index)).sum()),
    )


def require_consent(customers: Any, consent: Any, *, purpose: str, as_of: Any = None) -> Any:
    """Return the customers as they are, or raise ConsentError if one of them has not agreed to the purpose.

    For the line before an export or before ``fit``. Parameters are those of `filter_consent`.

    Returns
    -------
    customers
        The object that was given.

    Raises
    ------
    ConsentError
        If a customer has no valid consent; the message counts them by reason and names none.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.governance import require_consent
    >>> people = pd.DataFrame({"age": [31, 45]}, index=pd.Index(["a", "b"], name="customer_id"))
    >>> decisions = pd.DataFrame({"customer_id": ["a"], "purpose": ["profiling"], "granted": [True]})
    >>> require_consent(people, decisions, purpose="profiling")
    Traceback (most recent call last):
        ...
    segmentation.exceptions.ConsentError: 1 of 2 customers have no consent for 'profiling' (absent: 1). Keep the
    others with filter_consent(customers, consent, purpose='profiling').customers.
    """
    result = filter_consent(customers, consent, purpose=purpose, as_of=as_of)
    if len(result.left_out):
        reasons = ", ".join(f"{reason}: {n:,}" for reason, n in result.to_dict()["left_out"].items())
        total = len(result.left_out) + len(result.customers)
        raise ConsentError(
            f"{len(result.left_out):,} of {total:,} customers have no consent for {purpose!r} ({reasons}). "
            f"Keep the others with filter_consent(customers, consent, purpose={purpose!r}).customers."
        )
    return customers


class ConsentGuard(TransformerMixin, BaseEstimator):
    """A first step of a Pipeline that lets nobody through without consent, in ``fit`` and in ``predict``.

    Customers pass unchanged; where one of them has no valid consent, `ConsentError` is raised and nothing is computed.

    Parameters
    ----------
    consent : dataframe or callable
        The table of decisions (see `filter_consent`), or a function without arguments that returns it. With a
        function each call sees the decisions of that day, and a saved pipeline holds no personal data.
    purpose : str
    as_of : date, time or text, optional
        The moment that counts; by default the moment of each call.

    Examples
    --------
    >>> import pandas as pd
    >>> import segmentation as sg
    >>> from sklearn.pipeline import make_pipeline
    >>> from segmentation.governance import ConsentGuard
    >>> from segmentation.segmenters import KMeansSegmenter
    >>> people = pd.DataFrame({"spend": [1.0, 2.0, 90.0, 95.0]}, index=pd.Index(list("abcd"), name="customer_id"))
    >>> decisions = pd.DataFrame({"customer_id": list("abcd"), "purpose": "profiling", "granted": True})
    >>> guard = ConsentGuard(decisions, purpose="profiling")
    >>> model = make_pipeline(guard, KMeansSegmenter(2, random_state=0)).fit(people)
    >>> sg.assign(model, people)["segment"].nunique()
    2
    >>> stranger = pd.DataFrame({"spend": [5.0]}, index=pd.Index(["e"], name="customer_id"))
    >>> sg.assign(model, stranger)
    Traceback (most recent call last):
        ...
    segmentation.exceptions.ConsentError: 1 of 1 customers have no consent for 'profiling' (absent: 1). ...
    """

    def __init__(self, consent: Any | Callable[[], Any], *, purpose: str, as_of: Any = None) -> None:
        self.consent = consent
        self.purpose = purpose
        self.as_of = as_of

    def _check(self, X: Any) -> Any:
        consent = self.consent() if callable(self.consent) else self.consent
        return require_consent(X, consent, purpose=self.purpose, as_of=self.as_of)

    def fit(self, X: Any, y: Any = None) -> Self:
        """Check the customers; there is nothing to learn but the names of the columns.

        Raises
        ------
        ConsentError
            If a customer has no valid consent, or the table does not say who they are.
        """
        table = as_customers(self._check(X))
        self.feature_names_in_ = np.asarray(table.columns, dtype=object)
        self.n_features_in_ = len(table.columns)
        return self

    def transform(self, X: Any) -> Any:
        """Return the customers as they are, or raise `ConsentError`."""
        return self._check(X)

    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """Return the columns, which do not change."""
        return np.asarray(self.feature_names_in_ if input_features is None else input_features, dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.two_d_array = False
        return tags


def _identified(customers: Any) -> pd.DataFrame:
    """Return the customer table, refusing one that would get row numbers for ids: they could meet a real id."""
    if not is_frame(customers):
        raise ConsentError(
            f"consent is looked up by customer id, and {kind_of(customers)} has none: give a table with the column or "
            f"index {CUSTOMER_ID!r}. In a Pipeline the guard is the first step."
        )
    if CUSTOMER_ID not in list(getattr(customers, "columns", [])):
        index = customers.index if is_pandas(customers) else None
        if index is None or (isinstance(index, pd.RangeIndex) and index.name is None):
            raise ConsentError(
                f"consent is looked up by customer id, and the table has no column {CUSTOMER_ID!r}: row numbers are "
                "not taken for ids. segmentation.as_customers(frame, customer_id='...') names it."
            )
    return as_customers(customers)


def _refuse_other_kind(customers: pd.Index, asked: pd.Index) -> None:
    """Say so where ids are numbers in one table and text in the other: everybody would seem never asked."""
    if not len(customers) or not len(asked) or customers.isin(asked).any():
        return
    text = [pd.api.types.infer_dtype(index) == "string" for index in (customers, asked)]
    if text[0] != text[1]:
        raise ConsentError(
            f"no customer is in the consent table: ids of the customers look like {name_some(customers[:3])} "
            f"({customers.dtype}), those of the consent table like {name_some(asked[:3])} ({asked.dtype})."
        )
