"""The main job from the shell: ``python -m segmentation [FILE]``; and its ``compare`` and ``verify``.

A thin skin over the library: it reads the arguments, calls the parts that a script would call, and prints. What
it accepts, prints, writes and returns is described in ``docs/command_line.md``.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from segmentation import __version__
from segmentation._cli import _files, _job, _plan, _record, _report, _show, _write
from segmentation._cli._arguments import COMPARE, FILE_ARGUMENTS, VERIFY, compare_parser, parser, verify_parser
from segmentation._cli._errors import CommandError, needs_extra, one_line
from segmentation._format import count
from segmentation._progress import progress
from segmentation.exceptions import FitDiagnosisWarning
from segmentation.verification import verify

__all__ = ["main"]

OK, NOT_REPRODUCED, BAD_INPUT, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 130, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments, without the name of the program. Default: those of the process.

    Returns
    -------
    int
        0 done; 1 published figures were not reproduced; 2 the arguments, the file or the data cannot be used, said in
        one line on standard error; 130 interrupted; 141 nobody read the output to its end.
    """
    try:
        status = _run(argv)
        if sys.stdout is not None:
            sys.stdout.flush()
    except CommandError as error:
        print(f"segmentation: error: {one_line(error)}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("segmentation: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        _forget_output()
        return PIPE_CLOSED
    return status


def _run(argv: Sequence[str] | None) -> int:
    words = sys.argv[1:] if argv is None else list(argv)
    if words[:1] == [VERIFY]:
        return _verify(words[1:])
    return _compare(words[1:]) if words[:1] == [COMPARE] else _main_job(words)


def _verify(words: Sequence[str]) -> int:
    try:
        arguments = verify_parser().parse_args(words)
    except SystemExit as done:  # --help
        return int(done.code or 0)
    try:
        result = verify()
    except FileNotFoundError as error:
        raise CommandError(one_line(error)) from error
    print(result.to_json() if arguments.json else f"customer-segments {__version__}\n\n{result}")
    return OK if result.passed else NOT_REPRODUCED


def _compare(words: Sequence[str]) -> int:
    try:
        arguments = compare_parser().parse_args(words)
    except SystemExit as done:  # --help
        return int(done.code or 0)
    # not when the command starts: most of the library is behind it
    from segmentation._cli import _compare_job

    text = _compare_job.run(arguments)
    print(f"customer-segments {__version__}\n\n{text}")
    return OK


def _main_job(words: Sequence[str]) -> int:
    try:
        arguments = parser().parse_args(words)
    except SystemExit as done:  # --help and --version
        return int(done.code or 0)
    start = time.perf_counter()
    settings = _settings(arguments)
    names = ["customers", "segments", *(["allocation"] if arguments.resources is not None else [])]
    with_report = _with_report(arguments)
    if arguments.output is not None:
        others = [*(["report.html"] if with_report else []), f"{_record.RUN}.json"]
        _write.check_output(arguments.output, names, arguments.format, force=arguments.force, others=others)
    notes: list[str] = []
    doubts: list[str] = []
    with _collected(notes, doubts), progress(what="reading", total=len(_job.STEPS) + 2, show=arguments.progress) as bar:
        orders = _orders(arguments)
        bar.update()
        result = _job.run(orders, settings, bar)
        bar.set_description_str("planning")
        # the example's curves are those of the embedded orders
        wanted = arguments.file is None or arguments.resources is not None
        plan = _plan.plan_of(arguments.resources, result, settings) if wanted else None
        bar.update()
    remarks = _labelled(notes, doubts, result.diagnosis)
    pages: dict[str, str] = {}
    if with_report:
        more: list[str] = []
        with _collected(more, more):
            pages["report"] = _report.report_of(orders, result, settings, remarks, plan).to_html()
        remarks += [("note", text) for text in more]
    record = _record.run_record(orders, result, settings, arguments.format)
    written = _write_result(arguments, result, plan, pages, record)
    print(f"customer-segments {__version__}\n")
    print(_show.show(orders, result, settings, remarks))
    if plan is not None:
        print(f"\n{_plan.show_plan(plan)}")
    print(f"\n{written}\nDone in {time.perf_counter() - start:.1f} s.")
    return OK


def _orders(arguments: argparse.Namespace) -> _files.Orders:
    if arguments.file is None:
        try:
            return _files.cdnow()
        except FileNotFoundError as error:
            raise CommandError(one_line(error)) from error
    columns = {role: getattr(arguments, role) for role in _files.ROLES if getattr(arguments, role) is not None}
    return _files.read_orders(
        arguments.file,
        _files.FileOptions(
            columns=columns,
            timestamp_format=arguments.timestamp_format,
            encoding=arguments.encoding,
            separator=arguments.separator,
            decimal=arguments.decimal or ".",
            sheet=arguments.sheet,
        ),
    )


def _settings(arguments: argparse.Namespace) -> _job.Settings:
    given = [f"--{name.replace('_', '-')}" for name in FILE_ARGUMENTS if getattr(arguments, name) is not None]
    if arguments.file is None and given:
        verb = "say" if len(given) > 1 else "says"
        raise CommandError(f"{', '.join(given)} {verb} something about a file, and no FILE is given.")
    if arguments.output is None and (arguments.force or arguments.format or arguments.report):
        raise CommandError("--format, --force and --report need --output DIR; without it nothing is written.")
    arguments.format = arguments.format or _write.FORMATS[0]
    return _job.Settings(
        n_segments=arguments.segments,
        as_of=arguments.as_of,
        horizon_days=arguments.horizon_days,
        refunds=arguments.refunds,
        purchase_model=arguments.purchase_model,
        annual_discount_rate=arguments.annual_discount_rate,
        margin=arguments.margin,
        random_state=arguments.random_state,
        minimum_cell=arguments.minimum_cell,
    )


def _with_report(arguments: argparse.Namespace) -> bool:
    """Whether a report is written: where it is asked for, or can be."""
    if arguments.output is None or arguments.report is False:
        return False
    if arguments.report and not _report.is_possible():
        raise needs_extra("report", _report.missing(), "--report")
    return _report.is_possible()


def _write_result(
    arguments: argparse.Namespace,
    result: _job.Result,
    plan: _plan.Plan | None,
    pages: dict[str, str],
    record: dict[str, Any],
) -> str:
    """Write the tables, the report where that is wanted, and what a comparison needs; say what was written."""
    if arguments.output is None:
        return "Nothing was written; --output DIR writes the tables of customers and segments, and a report."
    tables = {"customers": result.customers, "segments": result.segments}
    if plan is not None and not plan.is_example:  # invented figures are shown, and not left lying about
        tables["allocation"] = plan.table
    paths = _write.write_tables(tables, arguments.output, arguments.format, pages, {_record.RUN: record})
    sizes = [count(len(table), "row") for table in tables.values()] + ["open it in a browser"] * len(pages)
    sizes.append(f"what '{COMPARE}' needs")
    lines = [f"Written: {path} ({size})" for path, size in zip(paths, sizes, strict=True)]
    if not pages and arguments.report is None:
        lines.append(f"No report.html: it needs {_report.missing()}, not installed here: {_report.INSTALL}")
    return "\n".join(lines)


@contextmanager
def _collected(notes: list[str], doubts: list[str]) -> Iterator[None]:
    """Collect what the library warns of, each text once; other warnings stay what they are."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield
    for warning in caught:
        if not issubclass(warning.category, UserWarning):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
            continue
        texts, text = doubts if issubclass(warning.category, FitDiagnosisWarning) else notes, one_line(warning.message)
        if text not in texts:
            texts.append(text)


def _labelled(notes: Sequence[str], doubts: Sequence[str], findings: Sequence[str]) -> list[tuple[str, str]]:
    """Say of each finding of a fit, one by one, whether the warning that sums them up rests on it."""
    labelled = [("doubtful" if any(one in doubt for doubt in doubts) else "note", one) for one in findings]
    unexplained = [("doubtful", doubt) for doubt in doubts if not any(one in doubt for one in findings)]
    return [*(("note", note) for note in notes), *unexplained, *sorted(labelled, key=lambda pair: pair[0])]


def _forget_output() -> None:
    """Point standard output nowhere, so that closing it does not complain about the closed pipe again."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    for _stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a letter shows its number instead of ending the command.
        with suppress(AttributeError):
            _stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.exit(main())
