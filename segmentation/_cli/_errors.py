"""The one kind of error that the command answers with a line and an exit status instead of a traceback."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

__all__ = ["CommandError", "needs_extra", "one_line", "refused_as"]


class CommandError(Exception):
    """Something in the arguments or the data that the user can put right; the message is one line."""


def one_line(text: object) -> str:
    r"""Write a message without line breaks and control characters, which a terminal would obey.

    Examples
    --------
    >>> one_line("wrong:\n  this")
    'wrong: this'
    """
    words = " ".join(str(text).split())
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in words)


def needs_extra(extra: str, package: str, what: str) -> CommandError:
    """Return the error for an optional package that is not installed, with the command that installs it."""
    return CommandError(
        f"{what} needs the package {package!r}, which is not installed: pip install 'customer-segments[{extra}]'"
    )


@contextmanager
def refused_as(*kinds: type[Exception], words: Mapping[str, str] | None = None) -> Iterator[None]:
    """Turn the library's refusals of the input into a line for the user, with some words replaced.

    Only around calls whose errors of these kinds speak about the data; anything else is a bug and keeps its
    traceback.
    """
    try:
        yield
    except kinds as error:
        text = one_line(error)
        for word, replacement in (words or {}).items():
            text = text.replace(word, replacement)
        raise CommandError(text) from error
