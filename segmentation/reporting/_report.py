"""One file that shows what was found: `Report`."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import pandas as pd

from segmentation._format import count
from segmentation._frames import kind_of
from segmentation._validation import as_customers
from segmentation.assignment import as_assignment
from segmentation.governance._anonymity import MINIMUM
from segmentation.profile import profile_segments
from segmentation.reporting._html import clean, frame_of, page
from segmentation.reporting._report_page import Context, Page, page_of
from segmentation.reporting._sections import Section, read

__all__ = ["Report"]


class Report:
    """Results of this library, tables, pictures and words in one HTML file that needs nothing else.

    The file holds its styles, its pictures (inline SVG) and the one script that sorts tables; a Content-Security-Policy
    in it forbids every request to the outside. It opens without a network, on a phone and in print.

    Parameters
    ----------
    title : str
        Stands at the top.
    results : mapping of title to result, or iterable of results, optional
        As if each were given to `add`.
    text : str, optional
        Opens the summary: what this is about, for whom. Empty lines part paragraphs, lines that begin with ``- `` are
        the items of a list; everything else is shown as it is written.
    minimum_cell : int, default=10
        Figures of segments that rest on fewer customers are not shown, nor are those from which they could be computed
        (see `segmentation.governance.suppress_small_cells`); 0 shows everything.
    date : date or ISO text, optional
        Of the report, by default today. With it, equal inputs give an equal file.

    Raises
    ------
    TypeError
        If a result is of a kind that a report does not take.
    ValueError
        If `title` is empty, or `minimum_cell` or `date` cannot be used.
    ImportError
        If jinja2, or matplotlib where there is something to draw, is not installed; the message has the command.

    Notes
    -----
    **What is taken.** Results of this library and of packages that follow its protocol: the first line of ``str()`` is
    the headline; ``table`` or ``to_pandas()`` is shown as a sortable table, ``findings`` as a list; ``warnings`` and
    ``notes`` stand above the figures; ``settings`` below them; ``plot()`` is drawn. Tables of pandas, polars and
    pyarrow; a profile and a plan are recognised by their columns. Figures, axes and displays of matplotlib. Text.

    Each is read when it is added: what happens to it later does not reach the report.

    **What is not shown.** Tables with a row per customer, and columns that name customers (``examples``), unless
    ``add(..., customers=True)``: of an assignment the sizes of the segments are shown. Of segments that are not shown
    (see `minimum_cell`) also the rows of other results, the sentences that name them, and the pictures of such
    results; each section says so. A picture, and text, that you add yourself is shown as it is.

    **The fingerprint** is the SHA-256 of titles, texts, settings, published tables, and versions of the packages
    underneath, not of the date and the pictures. It is taken after small cells were blanked: it gives none away.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.reporting import Report
    >>> profile = pd.DataFrame(
    ...     {"n_customers": [300, 200], "share": [0.6, 0.4], "age": [31.0, 52.0]},
    ...     index=pd.Index(["young", "old"], name="segment"))
    >>> report = Report("Readers", [profile], text="Subscribers of the paper.", date="2027-03-31")
    >>> report
    Report 'Readers' of 2027-03-31: 1 section (The segments)
    >>> print(report.summary)
    Subscribers of the paper.
    500 customers in 2 segments.
    The largest is young: 300 customers (60.0 %).
    """

    def __init__(
        self,
        title: str,
        results: Mapping[str, Any] | Iterable[Any] | None = None,
        *,
        text: str | None = None,
        minimum_cell: int = MINIMUM,
        date: str | dt.date | None = None,
    ) -> None:
        if not isinstance(title, str) or not title.strip():
            raise ValueError(f"title must be a text that says what the report is about, got {title!r}.")
        if isinstance(minimum_cell, bool) or not isinstance(minimum_cell, int) or minimum_cell < 0:
            raise ValueError(f"minimum_cell must be a whole number from 0, got {minimum_cell!r}.")
        self.title = title
        self.text = text or ""
        self.minimum_cell = minimum_cell
        self.date = _date(date)
        self._sections: list[Section] = []
        self._people: tuple[pd.DataFrame | None, pd.DataFrame | None] = (None, None)
        self._page: Page | None = None
        for name, result in _named(results):
            self.add(result, name)

    @classmethod
    def from_segmentation(
        cls,
        assignment: Any,
        profile: pd.DataFrame | None = None,
        plan: pd.DataFrame | None = None,
        *,
        scores: Any = None,
        features: Any = None,
        results: Mapping[str, Any] | Iterable[Any] | None = None,
        title: str = "Customer segments",
        text: str | None = None,
        minimum_cell: int = MINIMUM,
        date: str | dt.date | None = None,
    ) -> Self:
        """Make the usual report of a segmentation: the segments, what to do first, then other results.

        Parameters
        ----------
        assignment : dataframe or Series
            From `segmentation.assign`. No customer of it is shown.
        profile : pandas.DataFrame, optional
            From `segmentation.profile_segments`; by default made of `scores` and `features`.
        plan : pandas.DataFrame, optional
            From ``Prioritizer.prioritize``. Without one nothing is said about what to do first.
        scores, features : dataframe, optional
            One row per customer. With `features` it is known for how many customers of each segment a value is known,
            which small cells are judged by.
        results : mapping of title to result, or iterable of results, optional
            Shown after them.
        title, text, minimum_cell, date
            As for `Report`.

        Returns
        -------
        Report

        Examples
        --------
        >>> import pandas as pd
        >>> from segmentation.reporting import Report
        >>> segments = pd.Series(["young"] * 30 + ["old"] * 20, index=pd.RangeIndex(50, name="customer_id"))
        >>> Report.from_segmentation(segments, date="2027-03-31")
        Report 'Customer segments' of 2027-03-31: 1 section (The segments)
        """
        report = cls(title, text=text, minimum_cell=minimum_cell, date=date)
        table = as_assignment(assignment)
        people = as_customers(features) if features is not None else None
        if profile is None:
            profile = profile_segments(table, scores=scores, features=people)
        report.add(profile)
        if plan is not None:
            report.add(plan)
        report._people = (table, people)
        for name, result in _named(results):
            report.add(result, name)
        return report

    def add(
        self,
        result: Any,
        title: str | None = None,
        text: str | None = None,
        *,
        tables: Iterable[str] = (),
        plot: bool = True,
        customers: bool = False,
    ) -> Self:
        """Add a section; return the report, so that calls can follow each other.

        Parameters
        ----------
        result : object
            See the notes of the class.
        title : str, optional
            Of the section; by default the kind of result.
        text : str, optional
            Stands above the result.
        tables : iterable of str, optional
            Names of further tables of the result (attributes) to show besides its main one.
        plot : bool, default=True
            Whether a profile, or a result that can draw itself, is drawn.
        customers : bool, default=False
            Whether tables with a row per customer, and columns that name customers, are shown.

        Returns
        -------
        Report
        """
        if isinstance(tables, str):
            raise TypeError(f"tables must be a list of names, got the text {tables!r}: put it in brackets.")
        self._sections.append(
            read(result, title, text, tables=tables, plot=plot, customers=customers, minimum=self.minimum_cell)
        )
        self._page = None
        return self

    @property
    def summary(self) -> str:
        """The summary as text."""
        made = self._made()
        return "\n".join([*([self.text] if self.text else []), *map(str, made.facts)])

    @property
    def fingerprint(self) -> str:
        """SHA-256 of titles, texts, settings, published tables and versions, in hexadecimal."""
        return self._made().fingerprint

    def to_html(self) -> str:
        """Return the file as text."""
        made = self._made()
        return page(
            title=clean(self.title),
            date=self.date.isoformat(),
            version=made.version,
            fingerprint=made.fingerprint,
            opening=made.opening,
            facts=made.facts,
            sections=made.shown(),
            privacy=made.privacy,
            versions=made.versions,
        )

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the file, whole or not at all.

        Parameters
        ----------
        path : path
            Ends in ``.html`` or ``.htm``.
        overwrite : bool, default=False
            Whether a file that is there already may be replaced.

        Returns
        -------
        pathlib.Path

        Raises
        ------
        FileExistsError
            If the file is there and `overwrite` is not given.
        ValueError
            If the name has another ending: browsers go by it.
        """
        target = Path(path)
        if target.suffix.lower() not in (".html", ".htm"):
            raise ValueError(f"a report is an HTML file: the name must end in .html, got {target.name!r}.")
        if os.path.lexists(target) and not overwrite:
            raise FileExistsError(f"{str(target)!r} is there already: give overwrite=True to replace it.")
        document = self.to_html().encode("utf-8")
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            draft.write_bytes(document)
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
        return target

    def __repr__(self) -> str:
        titles = ", ".join(section.title for section in self._sections)
        named = f" ({titles})" if titles else ""
        return f"Report {self.title!r} of {self.date}: {count(len(self._sections), 'section')}{named}"

    def _repr_html_(self) -> str:
        return frame_of(self.to_html(), f"Report: {self.title}")

    def _made(self) -> Page:
        """Return what the page shows, made once for the sections there are."""
        if self._page is None:
            assignment, features = self._people
            context = Context(self.title, self.text, self.minimum_cell, assignment, features)
            self._page = page_of(tuple(self._sections), context)
        return self._page


def _named(results: Mapping[str, Any] | Iterable[Any] | None) -> list[tuple[str | None, Any]]:
    if results is None:
        return []
    if isinstance(results, Mapping):
        return list(results.items())
    if isinstance(results, str | pd.DataFrame) or not isinstance(results, Iterable):
        raise TypeError(
            f"results must be a mapping of titles to results, or a list of results, got {kind_of(results)}: put a "
            "single result in brackets."
        )
    return [(None, result) for result in results]


def _date(given: str | dt.date | None) -> dt.date:
    if given is None:
        return dt.date.today()
    if isinstance(given, dt.date):
        return given.date() if isinstance(given, dt.datetime) else given
    try:
        return dt.date.fromisoformat(given)
    except (TypeError, ValueError) as error:
        raise ValueError(f"date must be a date or ISO text such as '2027-03-31', got {given!r}.") from error
