"""Forgetting people: out of tables, results and files, and a search that shows that they are gone."""

from __future__ import annotations

import pickle
import warnings
from collections import Counter
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from segmentation._format import count, name_some
from segmentation._frames import is_frame, to_pandas
from segmentation._validation import CUSTOMER_ID
from segmentation.exceptions import ColumnError, SegmentationWarning
from segmentation.governance._erase import Eraser
from segmentation.governance._erase_files import READABLE, clean_file, files_in
from segmentation.governance._traces import Traces, as_text

__all__ = ["ForgetResult", "forget"]

# Bytes of a pickle up to which an object is also printed in full.
PRINTED_WHOLE = 1_000_000


@dataclass(frozen=True, repr=False, eq=False)
class ForgetResult:
    """What was removed where, and what a search found afterwards. It names nobody.

    Attributes
    ----------
    objects : tuple
        The objects without these people, in the order given; put them in the place of yours.
    removed : pandas.DataFrame
        Columns ``place``, ``what`` (rows, columns, entries, categories, mentions in text), ``n``.
    searched : pandas.DataFrame
        Columns ``place``, ``how`` (values, pickle, repr, bytes), ``n_found``: the search after the removal.
    n_ids, n_not_found : int
        People to be forgotten, and those who were nowhere to be found before.
    notes : tuple of str
        What the search could not see.
    """

    objects: tuple[Any, ...]
    removed: pd.DataFrame
    searched: pd.DataFrame
    n_ids: int
    n_not_found: int
    notes: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        """Whether the search found nobody."""
        return int(self.searched["n_found"].sum()) == 0

    def to_pandas(self) -> pd.DataFrame:
        """Return a copy of what was removed where."""
        return self.removed.copy()

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the objects as plain values."""
        return {
            "n_ids": self.n_ids,
            "n_not_found": self.n_not_found,
            "is_clean": self.is_clean,
            "removed": self.removed.to_dict("records"),
            "searched": self.searched.to_dict("records"),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        lines = [f"Forgotten: {count(self.n_ids, 'customer')}, of whom {self.n_not_found:,} were nowhere to be found"]
        lines += [f"  {row.place}: {row.n:,} {row.what} removed" for row in self.removed.itertuples()]
        left = self.searched[self.searched["n_found"] > 0]
        searches = count(len(self.searched), "search", "searches")
        lines.append(f"  afterwards: {searches}, {'nothing found' if self.is_clean else 'STILL THERE:'}")
        lines += [f"    {row.place}, {row.how}: {row.n_found:,}" for row in left.itertuples()]
        return "\n".join([*lines, *(f"  Note: {note}." for note in self.notes)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


def forget(
    customer_ids: Any, *objects: Any, files: Any = (), id_columns: Iterable[Any] = (), also: Iterable[str] = ()
) -> ForgetResult:
    """Remove people from tables, results and files, and search everything for them afterwards.

    Parameters
    ----------
    customer_ids : id, or sequence, Series, Index of ids
        Whom to forget.
    *objects
        Tables, Series, indexes, merged sources, assignments, audits, fitted pipelines: anything that may hold them.
        Objects are not changed; what comes back takes their place. Aggregates (a profile, a model) keep the share
        these people had in them until they are computed again.
    files : path or sequence of paths, optional
        Files (.csv, .tsv, .parquet, .json, .jsonl) or folders. These **are** rewritten in place. Files of other kinds
        in a folder are searched only.
    id_columns : sequence of labels, optional
        Columns, names of indexes and keys that hold these ids beside ``customer_id``, such as ``household_id``.
    also : sequence of str, optional
        Other texts that name these people, such as their e-mail addresses (5 letters or more).

    Returns
    -------
    ForgetResult

    Raises
    ------
    ValueError
        If nobody is named, a text in `also` is too short, or a file is of a kind that cannot be rewritten.
    TypeError
        If an array has rows that only a list of ids beside it names.
    FileNotFoundError
        If a path is not there.

    Warns
    -----
    SegmentationWarning
        If the search finds somebody afterwards; the result says where.

    Notes
    -----
    Rows go whose ``customer_id`` (column, index, or one of `id_columns`) is one of the ids; likewise columns of draws,
    entries of lists and mappings of ids, records in JSON, unused categories. The number 7, 7.0 and the text "7" are
    one person here. An id that cannot be in a text by chance (a number of 6 digits or more, a text of 5 letters or
    more of which one is no letter) is also replaced by "[forgotten]" wherever it is mentioned, and afterwards looked
    for in the pickled bytes and printed forms; shorter ids are looked for where ids stand. What is out of reach:
    your own other references to the old objects, copies of files, free space of a disk, rows that say who somebody is
    without an id.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.governance import forget
    >>> segments = pd.DataFrame({"segment": ["a", "b"]}, index=pd.Index(["c-1001", "c-1002"], name="customer_id"))
    >>> notes = {"remarks": ["called c-1002 on Monday"]}
    >>> result = forget(["c-1002"], segments, notes)
    >>> segments, notes = result.objects
    >>> segments.index.tolist(), notes
    (['c-1001'], {'remarks': ['called [forgotten] on Monday']})
    >>> print(result)
    Forgotten: 1 customer, of whom 0 were nowhere to be found
      object 1 (DataFrame): 1 rows removed
      object 2 (dict)['remarks']: 1 mentions in text removed
      afterwards: 6 searches, nothing found
    """
    ids, extra = _ids(customer_ids), _texts(also)
    names = list(id_columns) if not isinstance(id_columns, str) else [id_columns]
    traces = Traces(ids, extra, names)
    eraser = Eraser(traces)
    paths = files_in(files)
    labels = [f"object {i} ({type(one).__name__})" for i, one in enumerate(objects, start=1)]
    cleaned = tuple(eraser.clean(one, label) for one, label in zip(objects, labels, strict=True))
    readable = {path: clean_file(path, eraser, _file_label(path, traces)) for path in paths}
    n_not_found = len(traces.ids - traces.seen)
    removed = pd.DataFrame(
        [(place, what, n) for (place, what), n in eraser.removed.items() if n], columns=["place", "what", "n"]
    )
    # a fresh set of traces, so that the search does not rest on what the removal remembers
    again = Traces(ids, extra, names)
    found = [
        *(row for label, one in zip(labels, cleaned, strict=True) for row in _search(one, label, again)),
        *(row for path, ours in readable.items() for row in _search_file(path, again, readable=ours)),
    ]
    searched = pd.DataFrame(found, columns=["place", "how", "n_found"])
    # -1: it could not be searched that way, and a note says so
    unseen = searched[searched["n_found"] < 0]
    searched = searched[searched["n_found"] >= 0].reset_index(drop=True)
    result = ForgetResult(
        objects=cleaned,
        removed=removed,
        searched=searched,
        n_ids=len(traces.ids),
        n_not_found=n_not_found,
        notes=_notes(traces, eraser, unseen),
    )
    if not result.is_clean:
        left = searched[searched["n_found"] > 0]
        warnings.warn(
            f"people who were to be forgotten are still there: {name_some(left['place'].unique())}; the result's "
            "table 'searched' says where.",
            SegmentationWarning,
            stacklevel=2,
        )
    return result


def _ids(customer_ids: Any) -> list[Any]:
    if isinstance(customer_ids, str | bytes) or not hasattr(customer_ids, "__iter__"):
        listed = [customer_ids]
    elif is_frame(customer_ids):
        table = to_pandas(customer_ids)
        if CUSTOMER_ID not in table.columns and table.index.name != CUSTOMER_ID:
            raise ColumnError(f"a table of people to forget needs a column or index {CUSTOMER_ID!r}.")
        listed = list(table[CUSTOMER_ID] if CUSTOMER_ID in table.columns else table.index)
    else:
        listed = list(customer_ids)
    if not listed:
        raise ValueError("nobody to forget: customer_ids is empty.")
    wrong = [position for position, value in enumerate(listed) if as_text(value) in (None, "")]
    if wrong:
        raise ValueError(f"an id is a text or a whole number; entries {name_some(wrong)} of customer_ids are not.")
    return listed


def _texts(also: Any) -> list[str]:
    listed = [also] if isinstance(also, str) else list(also)
    short = [position for position, text in enumerate(listed) if not isinstance(text, str) or len(text.strip()) < 5]
    if short:
        raise ValueError(
            f"also: entries {name_some(short)} are no texts of 5 letters or more; shorter ones are found in others."
        )
    return listed


def _file_label(path: Path, traces: Traces) -> str:
    return f"file {traces.without(path.name)}"


def _notes(traces: Traces, eraser: Eraser, unseen: pd.DataFrame) -> tuple[str, ...]:
    notes = []
    if traces.n_short:
        notes.append(
            f"{count(traces.n_short, 'id')} so short that others may contain them: looked for where ids stand, not in "
            "running text or bytes"
        )
    if eraser.unsearched:
        notes.append(
            f"columns that look like ids and hold equal values were left alone: "
            f"{name_some(sorted(eraser.unsearched))}; if these are the same ids, name them in id_columns"
        )
    notes += [f"{row.place} could not be searched as {row.how}" for row in unseen.itertuples()]
    return tuple(notes)


def _search(value: Any, place: str, traces: Traces) -> list[tuple[str, str, int]]:
    """Look for the people in an object: in its values, in its pickled bytes, in every printed form."""
    second = Eraser(traces)
    second.clean(value, place)
    found = [(place, "values", second.removed.total())]
    size = 0
    try:
        pickled = pickle.dumps(value)
        size = len(pickled)
        found.append((place, "pickle", traces.in_bytes(pickled)))
    except Exception:  # what keeps an object from being pickled is its own affair
        found.append((place, "pickle", -1))
    # tables print in part only; each is printed whole, unless that would take longer than anybody reads
    whole = ("display.max_rows", None, "display.max_columns", None, "display.max_colwidth", None)
    try:
        with pd.option_context(*whole) if size <= PRINTED_WHOLE else nullcontext():
            printed = [repr(value), str(value)]
            html = getattr(value, "_repr_html_", None)
            printed += [str(html())] if callable(html) and not isinstance(value, type) else []
        found.append((place, "repr", sum(traces.in_text(text) for text in printed)))
    except Exception:
        found.append((place, "repr", -1))
    return found


def _search_file(path: Path, traces: Traces, *, readable: bool) -> list[tuple[str, str, int]]:
    place = _file_label(path, traces)
    found = [(place, "bytes", traces.in_bytes(path.read_bytes()) + traces.in_text(path.name))]
    if readable:
        counter = Eraser(traces)
        counter.removed = Counter()
        # reading it again; nothing is written where nothing is found
        found.append((place, "values", _count_only(path, counter, place)))
    return found


def _count_only(path: Path, eraser: Eraser, place: str) -> int:
    READABLE[path.suffix.lower()](path, eraser, place)
    return eraser.removed.total()
