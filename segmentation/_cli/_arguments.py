"""The arguments of ``python -m segmentation``, each checked as it is read."""

from __future__ import annotations

import argparse
import codecs
import datetime as dt
import math
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from segmentation import __version__
from segmentation._cli import _cells, _write
from segmentation._cli._errors import CommandError
from segmentation._format import name_some
from segmentation.governance._anonymity import MINIMUM

__all__ = ["COMPARE", "FILE_ARGUMENTS", "VERIFY", "compare_parser", "parser", "verify_parser"]

LONGEST_HORIZON = 36_500
# Digits of a whole number that is read at all; Python refuses to convert those of thousands of digits.
LONGEST_NUMBER = 18
# As the first argument they ask for another job; files of orders have an ending, so none is called so.
COMPARE, VERIFY = "compare", "verify"
# These say something about a file, so they need one.
FILE_ARGUMENTS = ("customer_id", "timestamp", "amount", "timestamp_format", "encoding", "separator", "decimal", "sheet")


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line like all others."""

    def error(self, message: str) -> NoReturn:
        raise CommandError(f"{message} (--help lists the arguments).")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command; its errors are `CommandError`."""
    result = _Parser(
        prog="python -m segmentation",
        usage=(
            f"%(prog)s [FILE] [arguments]\n       %(prog)s {COMPARE} BEFORE AFTER [arguments]\n"
            f"       %(prog)s {VERIFY} [--json]"
        ),
        description=(
            "Put customers into segments, estimate what they are worth, and say which segment comes first. "
            "Without FILE, on CDNOW: 6,919 real orders of an online music shop."
        ),
        epilog=(
            f"'{VERIFY}' in place of FILE recomputes published figures of the value models instead, and says whether "
            f"they come out ('{VERIFY} --help'); '{COMPARE} BEFORE AFTER' compares two runs ('{COMPARE} --help'). "
            "Exit status: 0 done, 2 arguments or data cannot be used (one line says why), 130 interrupted."
        ),
        allow_abbrev=False,
    )
    result.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="orders, one row each: .csv, .parquet, .xlsx"
    )
    result.add_argument("--version", action="version", version=f"customer-segments {__version__}")
    _add_file_arguments(result.add_argument_group("the file"))
    _add_job_arguments(result.add_argument_group("the job"))
    _add_output_arguments(result.add_argument_group("the results"))
    return result


def verify_parser() -> argparse.ArgumentParser:
    """Return the parser of what follows the word `VERIFY`; its errors are `CommandError`."""
    result = _Parser(
        prog=f"python -m segmentation {VERIFY}",
        description=(
            "Recompute published figures of the purchase and spend models on the data that come with this package, and "
            "show both, their difference, its limit and the source."
        ),
        epilog="Exit status: 0 all reproduced, 1 some are not, 2 the arguments or the data cannot be used.",
        allow_abbrev=False,
    )
    result.add_argument("--json", action="store_true", help="print JSON in place of the table")
    return result


def compare_parser() -> argparse.ArgumentParser:
    """Return the parser of what follows the word `COMPARE`; its errors are `CommandError`."""
    result = _Parser(
        prog=f"python -m segmentation {COMPARE}",
        description=(
            "Compare two runs: which segments go on, who moved where, what drifted, what changed the spend and the "
            "value, how much of it is customers who moved and how much is definitions that did, and whether to keep, "
            "refit or rebuild the segments."
        ),
        epilog="Exit status: 0 done, 2 arguments or folders cannot be used (one line says why), 130 interrupted.",
        allow_abbrev=False,
    )
    result.add_argument("before", type=Path, metavar="BEFORE", help="folder that the earlier run wrote with --output")
    result.add_argument("after", type=Path, metavar="AFTER", help="folder that the later run wrote with --output")
    result.add_argument(
        "--output", type=Path, metavar="DIR", help="folder for tables and comparison.html, made if needed"
    )
    result.add_argument("--format", choices=_write.FORMATS, help="of the tables (default: csv)")
    result.add_argument(
        "--report",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="whether comparison.html is written (default: where jinja2 and matplotlib are installed)",
    )
    result.add_argument("--force", action="store_true", help="replace such files if they are there")
    result.add_argument(
        "--advice",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="whether to ask if the segments should be refreshed, which fits them many times (default: yes)",
    )
    result.add_argument(
        "--minimum-cell",
        type=_whole(0),
        default=MINIMUM,
        metavar="N",
        help=f"figures that rest on fewer customers are not shown, 0 shows all (default: {MINIMUM})",
    )
    result.add_argument(
        "--random-state", type=_whole(0, 2**32 - 1), default=0, metavar="SEED", help="of all draws (default: 0)"
    )
    result.add_argument(
        "--progress",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="on standard error (default: where it is a terminal)",
    )
    return result


def _add_file_arguments(group: Any) -> None:
    group.add_argument("--customer-id", metavar="COLUMN", help="column with the customer (default: customer_id)")
    group.add_argument("--timestamp", metavar="COLUMN", help="column with the time of the order (default: timestamp)")
    group.add_argument(
        "--amount",
        metavar="COLUMN",
        help="column with the money, refunds negative (default: amount; without one, money plays no part)",
    )
    group.add_argument(
        "--timestamp-format",
        type=_argument(_cells.check_timestamp_format),
        metavar="FORMAT",
        help="how texts in the time column are read, as for strptime, for example '%%m/%%d/%%Y %%H:%%M' "
        "(default: ISO 8601)",
    )
    group.add_argument("--decimal", choices=[".", ","], help="decimal mark of amounts (default: .)")
    group.add_argument(
        "--separator", type=_argument(_separator), metavar="MARK", help="between the fields of a CSV (default: found)"
    )
    group.add_argument(
        "--encoding", type=_argument(_encoding), metavar="NAME", help="of a CSV (default: UTF-8, else Windows-1252)"
    )
    group.add_argument("--sheet", metavar="NAME", help="of a workbook (default: the first)")
    group.add_argument(
        "--refunds",
        choices=["net", "drop", "raise"],
        default="net",
        help="negative amounts: subtract them, leave them out, or stop (default: net)",
    )


def _add_job_arguments(group: Any) -> None:
    group.add_argument("--segments", type=_whole(1), default=5, metavar="K", help="how many (default: 5)")
    group.add_argument(
        "--as-of",
        type=_argument(_date),
        metavar="DATE",
        help="last day that counts, as 2024-01-31 (default: day of the last order)",
    )
    group.add_argument(
        "--horizon-days",
        type=_whole(1, LONGEST_HORIZON),
        default=365,
        metavar="DAYS",
        help="how far ahead value is estimated (default: 365)",
    )
    group.add_argument(
        "--margin",
        type=_number(0, above=True, highest=1),
        default=1.0,
        metavar="SHARE",
        help="of the amounts that is profit (default: 1)",
    )
    group.add_argument(
        "--annual-discount-rate", type=_number(0), default=0.0, metavar="RATE", help="0.1 is 10 %% (default: 0)"
    )
    group.add_argument(
        "--purchase-model",
        choices=["mbg_nbd", "bg_nbd", "pareto_nbd"],
        default="mbg_nbd",
        help="model of when customers buy (default: mbg_nbd)",
    )
    group.add_argument(
        "--resources",
        type=Path,
        metavar="PLAN",
        help="a TOML file of resources, costs and response curves: what each segment should get of them "
        "(default: no plan; without FILE, an illustration)",
    )
    group.add_argument(
        "--random-state", type=_whole(0, 2**32 - 1), default=0, metavar="SEED", help="of the segments (default: 0)"
    )


def _add_output_arguments(group: Any) -> None:
    group.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="folder for customers.*, segments.*, allocation.* (with --resources), report.html and run.json, made if "
        "needed",
    )
    group.add_argument("--format", choices=_write.FORMATS, help="of these files (default: csv)")
    group.add_argument(
        "--report",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="whether report.html is written (default: where jinja2 and matplotlib are installed)",
    )
    group.add_argument("--force", action="store_true", help="replace such files if they are there")
    group.add_argument(
        "--minimum-cell",
        type=_whole(0),
        default=MINIMUM,
        metavar="N",
        help=f"figures of segments that rest on fewer customers are not shown, 0 shows all (default: {MINIMUM})",
    )
    group.add_argument(
        "--progress",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="on standard error (default: where it is a terminal)",
    )


def _argument(read: Any) -> Any:
    """Let a function that raises CommandError, with the remedy, read an argument."""

    def checked(text: str) -> Any:
        try:
            return read(text)
        except CommandError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return checked


def _whole(lowest: int, highest: int | None = None) -> Any:
    limits = f"a whole number from {lowest}" + ("" if highest is None else f" to {highest:,}")

    def read(text: str) -> int:
        if (
            not text.isdecimal()
            or len(text) > LONGEST_NUMBER
            or int(text) < lowest
            or (highest is not None and int(text) > highest)
        ):
            raise argparse.ArgumentTypeError(f"must be {limits}, got {text!r}")
        return int(text)

    return read


def _number(lowest: float, *, above: bool = False, highest: float = math.inf) -> Any:
    limits = f"a number {'above' if above else 'from'} {lowest:g}{'' if above or highest < math.inf else ' on'}"
    if highest < math.inf:
        limits += f" and at most {highest:g}"

    def read(text: str) -> float:
        with suppress(ValueError):
            value = float(text)
            if math.isfinite(value) and (value > lowest or (value == lowest and not above)) and value <= highest:
                return value
        raise argparse.ArgumentTypeError(f"must be {limits}, got {text!r}")

    return read


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise CommandError(f"must be a date such as 2024-01-31, got {text!r}") from error


def _separator(text: str) -> str:
    mark = {"tab": "\t", "\\t": "\t"}.get(text, text)
    if len(mark) != 1 or mark in '"\r\n\0':
        raise CommandError(f"must be one character (or 'tab'), got {text!r}")
    return mark


def _encoding(text: str) -> str:
    try:
        codecs.lookup(text)
        "".encode(text)
    except (LookupError, UnicodeError, ValueError) as error:
        raise CommandError(f"is no encoding of text: {text!r} (examples: {name_some(['utf-8', 'cp1252'])})") from error
    return text
