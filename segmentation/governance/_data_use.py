"""The data-use sheet of a segmentation: what it was made of, for what, and who is not in it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd

from segmentation._format import count, name_some, percent
from segmentation._frames import is_frame, kind_of
from segmentation._results import records
from segmentation._validation import as_customers
from segmentation.assignment import UNASSIGNED, as_assignment
from segmentation.exceptions import ColumnError

__all__ = ["DataUseSheet", "data_use_sheet"]

UNKNOWN = "not stated"
# Words in the names of columns that often are about a protected attribute; a hint for a person to look, no more.
# After the list in Article 21 of the Charter of Fundamental Rights of the European Union, and what stands in for it.
HINTS = (
    "gender", "sex", "age", "birth", "ethnic", "race", "nationality", "citizen", "language", "religion", "belief",
    "politic", "union", "disab", "health", "orientation", "marital", "married", "pregnan", "genetic", "kids", "child",
    "postcode", "zip",
)  # fmt: skip


@dataclass(frozen=True, repr=False)
class DataUseSheet:
    """What a segmentation uses and for what; what nobody stated says so.

    Attributes
    ----------
    name : str
    made_on : datetime.date
    facts : dict of str to str
        Heading -> text: purposes, basis of consent, retention, sources, who is left out, and so on.
    columns : pandas.DataFrame
        Index ``column``; ``used`` (by the segmenter: yes, no, not stated), ``source``, ``protected`` (stated, name
        suggests it, no sign of it).
    """

    name: str
    made_on: dt.date
    facts: dict[str, str]
    columns: pd.DataFrame

    @property
    def not_stated(self) -> tuple[str, ...]:
        """The headings that nobody has filled in."""
        return tuple(heading for heading, text in self.facts.items() if text == UNKNOWN)

    def to_pandas(self) -> pd.DataFrame:
        """Return a copy of the columns."""
        return self.columns.copy()

    def to_dict(self) -> dict[str, Any]:
        """Return the sheet as plain values."""
        return {
            "name": self.name,
            "made_on": self.made_on.isoformat(),
            "facts": dict(self.facts),
            "columns": records(self.columns, index=True),
            "not_stated": list(self.not_stated),
        }

    def to_markdown(self) -> str:
        """Return the sheet as Markdown."""
        lines = [f"# Data use: {_cell(self.name)}", "", f"Made on {self.made_on.isoformat()}.", ""]
        for heading, text in self.facts.items():
            lines += [f"**{heading}**: {_cell(text)}", ""]
        lines += ["| column | used | source | protected |", "|---|---|---|---|"]
        lines += [
            f"| {' | '.join(_cell(str(value)) for value in (column, *row))} |"
            for column, row in zip(self.columns.index, self.columns.itertuples(index=False), strict=True)
        ]
        return "\n".join(lines) + "\n"

    def __str__(self) -> str:
        lines = [f"Data use of {self.name!r}, {self.made_on.isoformat()}"]
        lines += [f"  {heading}: {text}" for heading, text in self.facts.items()]
        lines.append(f"  {count(len(self.columns), 'column')}: {name_some(self.columns.index, 12)}")
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{escape(key)}</th><td>{escape(text)}</td></tr>" for key, text in self.facts.items())
        head = f"<h4>Data use: {escape(self.name)}</h4><p>Made on {self.made_on.isoformat()}.</p>"
        return f"{head}<table>{rows}</table>{self.columns.to_html(escape=True)}"


def data_use_sheet(
    name: str,
    *,
    model: Any = None,
    customers: Any = None,
    merged: Any = None,
    consent: Any = None,
    assignment: Any = None,
    audit: Any = None,
    purposes: str | Iterable[str] = (),
    basis: str | None = None,
    retention: str | None = None,
    sources: Mapping[Any, str] | None = None,
    protected: Iterable[Any] | None = None,
    left_out: Iterable[str] = (),
    responsible: str | None = None,
    made_on: dt.date | None = None,
) -> DataUseSheet:
    """Write down what a segmentation uses: columns, sources, purposes, retention, who is left out.

    Everything is optional. What is given as an object is read from it, what is given as words is taken as said, and
    what neither says stands in the sheet as "not stated".

    Parameters
    ----------
    name : str
        Name of the segmentation.
    model : fitted Segmenter or Pipeline, optional
        The columns it uses (``feature_names_in_``) and its kind.
    customers : dataframe, optional
        The customer table: all columns that were there, used or not.
    merged : result of ``segmentation.sources.merge_sources``, optional
        Sources of each column, from its ``lineage``; customers in one source only, from ``unmatched``.
    consent : ConsentResult, optional
        Purpose and who was left out.
    assignment : dataframe, optional
        Size, segments, customers in none.
    audit : ProxyAudit, optional
        Whether segments or features stand in for a protected attribute.
    purposes : str or sequence of str, optional
    basis : str, optional
        On what basis the data are used, in your words.
    retention : str, optional
        How long the tables are kept, in your words.
    sources : mapping of column to source, optional
    protected : sequence of columns, optional
        Columns that are protected attributes; an empty sequence states that there are none.
    left_out : sequence of str, optional
        Further people who are left out, in words.
    responsible : str, optional
        Whom to ask.
    made_on : date, optional
        Today by default.

    Returns
    -------
    DataUseSheet
        ``to_markdown()`` and ``to_dict()`` for your records. It has counts and names of columns, no customers.

    Raises
    ------
    ColumnError
        If `sources` or `protected` name a column that is nowhere.
    TypeError, ValueError
        If an object is not of its kind, or `name` is empty.

    Notes
    -----
    The sheet records what it is told. It does not find out whether a use is allowed.

    Examples
    --------
    >>> import datetime as dt
    >>> import pandas as pd
    >>> from segmentation.governance import data_use_sheet
    >>> people = pd.DataFrame({"spend": [1.0], "age": [30]}, index=pd.Index(["a"], name="customer_id"))
    >>> sheet = data_use_sheet("spring mailing", customers=people, purposes="mailing",
    ...                        sources={"spend": "shop"}, made_on=dt.date(2026, 3, 1))
    >>> sheet.columns
              used      source          protected
    column
    spend   not stated     shop     no sign of it
    age     not stated  not stated  name suggests it
    >>> sheet.not_stated
    ('Basis', 'Retention', 'Responsible', 'Method', 'Left out', 'Stand-ins for protected attributes')
    """
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"name must be a non-empty text, got {name!r}.")
    used = _used_columns(model)
    lineage = _lineage(merged)
    columns = _all_columns(used, customers, merged)
    for what, named in (("sources", sources or {}), ("protected", protected or ())):
        unknown = [column for column in named if column not in columns] if columns else []
        if unknown:
            raise ColumnError(f"{what} names {name_some(unknown)}; the columns are {name_some(columns, 12)}.")
    if not columns:
        columns = list(dict.fromkeys([*(sources or {}), *(protected or ())]))
    table = pd.DataFrame(
        {
            "used": [UNKNOWN if used is None else "yes" if column in used else "no" for column in columns],
            "source": [(sources or {}).get(column, lineage.get(column, UNKNOWN)) for column in columns],
            "protected": [_protection(column, protected) for column in columns],
        },
        index=pd.Index(columns, name="column", dtype=object),
    )
    stated = [purposes] if isinstance(purposes, str) else list(purposes)
    if consent is not None:
        _needs(consent, "consent", ("purpose", "left_out", "customers"))
        stated = list(dict.fromkeys([*stated, consent.purpose]))
    facts = {
        "Purposes": "; ".join(stated) or UNKNOWN,
        "Basis": _basis(basis, consent),
        "Retention": retention or UNKNOWN,
        "Responsible": responsible or UNKNOWN,
        "Method": _method(model),
        "Customers": _customers(assignment, customers),
        "Sources": _sources(merged, sources, lineage),
        "Left out": "; ".join(_left_out(consent, assignment, merged, left_out)) or UNKNOWN,
        "Protected attributes": _protected(table, protected),
        "Stand-ins for protected attributes": _stand_ins(audit),
    }
    return DataUseSheet(name, made_on or dt.date.today(), facts, table)


def _needs(value: Any, name: str, attributes: tuple[str, ...]) -> None:
    missing = [attribute for attribute in attributes if not hasattr(value, attribute)]
    if missing:
        raise TypeError(
            f"{name} must have {name_some(missing)}, which {kind_of(value)} has not: give the result itself."
        )


def _used_columns(model: Any) -> list[Any] | None:
    """Return the columns that the first step of a model was fitted on, None where it saw an array or there is none."""
    if model is None:
        return None
    for step in [model, *(step for _, step in getattr(model, "steps", []))]:
        names = getattr(step, "feature_names_in_", None)
        if names is not None:
            return list(names)
    return None


def _lineage(merged: Any) -> dict[Any, str]:
    """Return the sources of each column in words, most frequent first."""
    if merged is None:
        return {}
    _needs(merged, "merged", ("customers", "lineage"))
    return {
        column: ", ".join(str(source) for source in values.dropna().astype(str).value_counts().index) or UNKNOWN
        for column, values in merged.lineage.items()
    }


def _all_columns(used: list[Any] | None, customers: Any, merged: Any) -> list[Any]:
    tables = [table for table in (customers, getattr(merged, "customers", None)) if table is not None]
    wrong = [table for table in tables if not is_frame(table)]
    if wrong:
        raise TypeError(f"customers must be a table, got {kind_of(wrong[0])}.")
    return list(dict.fromkeys([*(used or ()), *(name for table in tables for name in as_customers(table).columns)]))


def _protection(column: Any, protected: Iterable[Any] | None) -> str:
    if protected is not None and column in protected:
        return "stated"
    return "name suggests it" if _suggests(str(column)) else "no sign of it"


def _suggests(name: str) -> bool:
    """Tell whether a part of the name begins like one of the hints: ``age_group`` does, ``average`` does not."""
    parts = "".join(f" {c.lower()}" if c.isupper() else c if c.isalnum() else " " for c in name).split()
    whole = name.lower().replace("_", " ").split()
    return any(
        part == hint or part == f"{hint}s" or (len(hint) > 4 and part.startswith(hint))
        for part in [*parts, *whole]
        for hint in HINTS
    )


def _basis(basis: str | None, consent: Any) -> str:
    if consent is None:
        return basis or UNKNOWN
    kept = len(consent.customers)
    shown = f"consent for {consent.purpose!r} at {consent.as_of:%Y-%m-%d %H:%M} UTC, {count(kept, 'customer')}"
    return f"{basis}; {shown}" if basis else shown


def _method(model: Any) -> str:
    if model is None:
        return UNKNOWN
    last = model.steps[-1][1] if getattr(model, "steps", None) else model
    known = len(getattr(last, "segments_", ()))
    return f"{type(last).__name__}, {count(known, 'segment')}" if known else f"{type(last).__name__}, not fitted"


def _customers(assignment: Any, customers: Any) -> str:
    if assignment is not None:
        return f"{len(as_assignment(assignment)):,} in the assignment"
    return UNKNOWN if customers is None else f"{len(as_customers(customers)):,} in the table"


def _sources(merged: Any, sources: Mapping[Any, str] | None, lineage: dict[Any, str]) -> str:
    named = list((sources or {}).values())
    summary = getattr(merged, "summary", None)
    if isinstance(summary, pd.DataFrame) and summary.index.name == "source":
        named += [str(source) for source in summary.index]
    else:
        named += [one for text in lineage.values() if text != UNKNOWN for one in text.split(", ")]
    return ", ".join(dict.fromkeys(named)) or UNKNOWN


def _left_out(consent: Any, assignment: Any, merged: Any, stated: Iterable[str]) -> list[str]:
    texts = []
    if consent is not None:
        reasons = consent.left_out.value_counts()
        detail = f" ({', '.join(f'{reason} {n:,}' for reason, n in reasons.items())})" if len(reasons) else ""
        texts.append(f"without consent: {len(consent.left_out):,}{detail}")
    if assignment is not None:
        table = as_assignment(assignment)
        n = int((table["segment"] == UNASSIGNED).sum())
        texts.append(f"in no segment: {n:,} ({percent(n / len(table) if len(table) else 0.0)})")
    rows = getattr(merged, "left_out", None)
    if isinstance(rows, pd.DataFrame):
        texts.append(f"rows of sources that belong to no customer or are too late: {len(rows):,}")
    return [*texts, *([stated] if isinstance(stated, str) else stated)]


def _protected(table: pd.DataFrame, protected: Iterable[Any] | None) -> str:
    parts = []
    if protected is not None:
        named = list(table.index[table["protected"] == "stated"])
        parts.append(f"stated: {name_some(named)}" if named else "stated: none")
    hints = list(table.index[table["protected"] == "name suggests it"])
    if hints:
        parts.append(f"by their names, to be looked at: {name_some(hints)}")
    return "; ".join(parts) or UNKNOWN


def _stand_ins(audit: Any) -> str:
    if audit is None:
        return UNKNOWN
    _needs(audit, "audit", ("proxies", "table"))
    found = [
        f"{row.carrier!r} for {row.protected!r} ({row.strength}, V {row.cramers_v:.2f})"
        for row in audit.proxies.itertuples()
    ]
    return "; ".join(found) or f"none found among {count(len(audit.table), 'comparison')}"


def _cell(text: str) -> str:
    """Write a text so that it stays within its place in Markdown."""
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
