"""What ``compare`` does between its arguments and the library."""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from segmentation._cli import _compare_report, _report, _write
from segmentation._cli._compare import STEPS, compare
from segmentation._cli._compare_publish import TABLES, Published, publish
from segmentation._cli._compare_show import show
from segmentation._cli._errors import CommandError, needs_extra, one_line
from segmentation._cli._record import read_run
from segmentation._cli._show import wrapped
from segmentation._format import count
from segmentation._progress import progress

__all__ = ["run"]

PAGE = "comparison"


def run(arguments: argparse.Namespace) -> str:
    """Compare two runs, write what is asked for, and return what is printed.

    Raises
    ------
    CommandError
        If the arguments or the folders cannot be used.
    """
    start = time.perf_counter()
    with_report = _checked(arguments)
    said: list[str] = []
    with _collected(said), progress(what="reading", total=len(STEPS) + 1, show=arguments.progress) as bar:

        def step(what: str) -> None:
            bar.update()
            bar.set_description_str(what)

        old, new = read_run(arguments.before), read_run(arguments.after)
        found = compare(
            old,
            new,
            advice=arguments.advice,
            minimum=arguments.minimum_cell,
            random_state=arguments.random_state,
            step=step,
        )
        published = publish(found, arguments.minimum_cell)
        pages = {}
        if with_report:
            pages[PAGE] = _compare_report.report_of(found, published, arguments.minimum_cell).to_html()
    written = _written(arguments, published, pages)
    notes = [wrapped("note: ", text, "  ") for text in said]
    lines = [show(found, published), *notes, "", written, f"Done in {time.perf_counter() - start:.1f} s."]
    return "\n".join(lines)


def _checked(arguments: argparse.Namespace) -> bool:
    """Say what cannot work before the work begins; return whether a page is written."""
    before, after, output = arguments.before, arguments.after, arguments.output
    if os.path.isdir(before) and os.path.isdir(after) and os.path.samefile(before, after):
        raise CommandError(f"{str(before)!r} and {str(after)!r} are the same folder: give the folders of two runs.")
    if output is None:
        if arguments.force or arguments.format or arguments.report:
            raise CommandError("--format, --force and --report need --output DIR; without it nothing is written.")
        return False
    for folder in (before, after):
        if os.path.isdir(folder) and os.path.isdir(output) and os.path.samefile(folder, output):
            raise CommandError(f"--output {str(output)!r} is one of the runs: give another folder.")
    arguments.format = arguments.format or _write.FORMATS[0]
    if arguments.report and not _report.is_possible():
        raise needs_extra("report", _report.missing(), "--report")
    with_report = arguments.report is not False and _report.is_possible()
    others = [f"{PAGE}.html"] if with_report else []
    _write.check_output(output, list(TABLES), arguments.format, force=arguments.force, others=others)
    return with_report


def _written(arguments: argparse.Namespace, published: Published, pages: dict[str, str]) -> str:
    output: Path | None = arguments.output
    if output is None:
        return "Nothing was written; --output DIR writes the tables and a page to read."
    paths = _write.write_tables(published.tables, output, arguments.format, pages)
    sizes = [count(len(table), "row") for table in published.tables.values()] + ["open it in a browser"] * len(pages)
    lines = [f"Written: {path} ({size})" for path, size in zip(paths, sizes, strict=True)]
    if not pages and arguments.report is None:
        lines.append(f"No {PAGE}.html: it needs {_report.missing()}, not installed here: {_report.INSTALL}")
    return "\n".join(lines)


@contextmanager
def _collected(said: list[str]) -> Iterator[None]:
    """Collect what the library warns of, each text once; other warnings stay what they are."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield
    for warning in caught:
        if not issubclass(warning.category, UserWarning):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        elif (text := one_line(warning.message)) not in said:
            said.append(text)
