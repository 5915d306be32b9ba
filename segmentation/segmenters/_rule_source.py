"""The text of a rule and places in it, so that every error can show where it is."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cached_property

from segmentation.exceptions import RuleError

__all__ = ["Place", "RuleText"]

SHOWN_WIDTH = 90
SHOWN_BEFORE = 40


@dataclass(frozen=True, slots=True)
class Place:
    """Where a part of a rule stands: lines from 1, characters (not bytes) from 0, the stop exclusive."""

    line: int
    start: int
    stop_line: int
    stop: int


@dataclass(frozen=True)
class RuleText:
    """A rule as it was written, under the name of its segment.

    Examples
    --------
    >>> print(RuleText("young", "agee < 30").error("no column 'agee'", Place(1, 0, 1, 4)))
    rule 'young': no column 'agee'
        agee < 30
        ^^^^
    """

    name: str
    text: str

    @cached_property
    def lines(self) -> list[str]:
        """The lines as Python counts them (which is not how ``str.splitlines`` does)."""
        return self.text.replace("\r\n", "\n").replace("\r", "\n").split("\n")

    def at(self, place: Place) -> str:
        """Return the text that stands at a place."""
        lines = self.lines[place.line - 1 : place.stop_line]
        lines[-1] = lines[-1][: place.stop]
        lines[0] = lines[0][place.start :]
        return "\n".join(lines)

    def error(self, message: str, place: Place | None = None) -> RuleError:
        """Build the error that names this rule and, where there is a place, points at it."""
        if place is None or not 1 <= place.line <= len(self.lines):
            return RuleError(f"rule {self.name!r}: {message}")
        where = f", line {place.line}" if len(self.lines) > 1 else ""
        return RuleError(f"rule {self.name!r}{where}: {message}\n{self._pointed(place)}")

    def _pointed(self, place: Place) -> str:
        """Show the line of a place with carets under it; of a long line only what is near."""
        line = self.lines[place.line - 1]
        start = min(max(place.start, 0), len(line))
        stop = place.stop if place.stop_line == place.line else len(line)
        stop = max(start + 1, min(stop, max(len(line), 1)))
        begin = 0 if len(line) <= SHOWN_WIDTH else max(0, start - SHOWN_BEFORE)
        end = min(len(line), begin + SHOWN_WIDTH)
        before, after = ("..." if begin else ""), ("..." if end < len(line) else "")
        shown = before + _printable(line[begin:end]) + after
        offset = len(before) + _width(line[begin:start])
        carets = "^" * max(1, _width(line[start : min(stop, end)]))
        return f"    {shown}\n    {' ' * offset}{carets}"


def _printable(text: str) -> str:
    """Replace what would move the cursor (tabs, escape codes) by spaces, so that carets stay below."""
    return "".join(character if character.isprintable() else " " for character in text)


def _width(text: str) -> int:
    """Count the columns that a text takes in a terminal: wide characters two, combining marks none."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(bool(unicodedata.combining(character)) for character in text)
