"""From the text of a rule to Python's syntax tree, with limits and readable errors.

Python's own parser reads the text; nothing is ever evaluated. The limits stand here because they come first:
no rule can exhaust the parser, the recursion that follows, or the engine that runs the result.
"""

from __future__ import annotations

import ast
import keyword
import re
import warnings
from dataclasses import dataclass

from segmentation.exceptions import RuleError
from segmentation.segmenters._rule_source import Place, RuleText

__all__ = ["LANGUAGE", "MAX_CHARACTERS", "MAX_DEPTH", "MAX_NODES", "Syntax", "read_syntax"]

MAX_CHARACTERS = 10_000
MAX_NODES = 1_000
MAX_DEPTH = 50

LANGUAGE = (
    "a rule is made of columns, numbers, texts in quotes, comparisons, and / or / not, in (...), + - * /, "
    'is_missing(x) and col("a name with spaces")'
)

AND_OR = 'two conditions need and / or between them, two values a comma; a name with spaces is written col("the name")'


@dataclass(frozen=True)
class Syntax:
    """Python's tree of a rule, and how its places relate to those of the rule.

    Attributes
    ----------
    source : RuleText
    tree : ast.expr
    shift : int
        Characters by which the first line moved to the right on its way to Python: one for a parenthesis put
        before a rule on several lines, less than none for spaces taken away.
    """

    source: RuleText
    tree: ast.expr
    shift: int

    def place(self, node: ast.expr) -> Place:
        """Turn Python's place of a node, which counts bytes, into one of the rule, which counts characters."""
        last, stop = node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
        return Place(node.lineno, self._character(node.lineno, node.col_offset), last, self._character(last, stop))

    def _character(self, line: int, byte: int) -> int:
        if line > len(self.source.lines):
            return 0
        written = self.source.lines[line - 1]
        if line > 1:
            return len(written.encode()[:byte].decode())
        moved = "(" * self.shift + written[max(0, -self.shift) :]
        return max(0, len(moved.encode()[:byte].decode()) - self.shift)

    def error(self, node: ast.expr, message: str) -> RuleError:
        """Build an error that points at a node."""
        return self.source.error(message, self.place(node))


def read_syntax(source: RuleText) -> Syntax:
    """Parse a rule within the limits; whatever the parser raises becomes one RuleError."""
    if len(source.text) > MAX_CHARACTERS:
        raise source.error(
            f"it has {len(source.text):,} characters, the limit is {MAX_CHARACTERS:,}. "
            "A long list of values is better a column of its own, made before."
        )
    if not source.text.strip():
        raise source.error("it is empty.")
    # in parentheses a rule may go over several lines
    several = len(source.lines) > 1
    text = "(" + "\n".join(source.lines) + "\n)" if several else source.text.strip()
    shift = 1 if several else len(source.text.lstrip()) - len(source.text)
    try:
        with warnings.catch_warnings():  # "1 is 2" and "\\d" warn; neither gets further than this
            warnings.simplefilter("ignore")
            tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise _unreadable(source, error, shift) from error
    if several:
        _refuse_own_parenthesis(source, tree)
    _refuse_large(source, tree)
    return Syntax(source, tree, shift)


def _refuse_own_parenthesis(source: RuleText, tree: ast.expr) -> None:
    """Refuse a rule on several lines that is empty, or that closes the parenthesis put before it."""
    if isinstance(tree, ast.Tuple) and not tree.elts:
        raise source.error("it is empty.")
    grouped = isinstance(tree, ast.Tuple | ast.GeneratorExp)  # these count the parentheses as their own
    if (tree.lineno, tree.col_offset) == (1, 0) and not grouped:
        raise source.error("a ')' closes what was never opened.")


def _refuse_large(source: RuleText, tree: ast.expr) -> None:
    """Count nodes and depth without recursion, before anything recurses."""
    level, depth, nodes = [tree], 0, 0
    while level:
        depth, nodes = depth + 1, nodes + len(level)
        if depth > MAX_DEPTH:
            raise source.error(f"it is nested more than {MAX_DEPTH} deep; split it, or make columns of its parts.")
        if nodes > MAX_NODES:
            raise source.error(
                f"it has more than {MAX_NODES:,} parts; split it, or make a column of a long list of values."
            )
        level = [child for node in level for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]


def _unreadable(source: RuleText, error: Exception, shift: int) -> RuleError:
    """Say what Python could not read, at the place where it stopped."""
    if isinstance(error, MemoryError | RecursionError):
        return source.error("it is nested too deeply to be read.")
    if not isinstance(error, SyntaxError):
        return source.error(f"it cannot be read: {error}.")
    reason = _shortened(error.msg)
    place = _error_place(source, error, shift)
    if "was never closed" in reason and place is not None and place.start < 0:
        return source.error("a '(' is never closed.")
    if place is not None and reason == "invalid syntax" and _is_end(source, place):
        return source.error("it ends before it is complete.", place)
    hint = _hint(source, place, error.msg)
    return source.error(f"{reason}{f': {hint}' if hint else ''}.", place)


def _shortened(message: str) -> str:
    """Keep of Python's reason what concerns a rule."""
    return message.split(". ")[0].split("; ")[0].split(" (detected")[0].rstrip(".")


def _error_place(source: RuleText, error: SyntaxError, shift: int) -> Place | None:
    """Find the place of a syntax error: Python counts characters from 1, and 0 means the end."""
    if error.lineno is None or error.offset is None:
        return None
    if error.lineno > len(source.lines) or error.offset == 0:
        last = len(source.lines)
        end = len(source.lines[-1].rstrip())
        return Place(last, end, last, end + 1)
    moved = 1 + (shift if error.lineno == 1 else 0)
    start = error.offset - moved
    stop = (error.end_offset or 0) - moved if error.end_lineno == error.lineno else start
    return Place(error.lineno, start, error.lineno, max(stop, start + 1))


def _is_end(source: RuleText, place: Place) -> bool:
    return place.line == len(source.lines) and place.start >= len(source.lines[-1].rstrip())


def _hint(source: RuleText, place: Place | None, reason: str) -> str:
    """Guess what was meant, from the reason and from what stands at the place."""
    if "leading zeros" in reason:
        return "write a date in quotes, as in '2024-05-01', and a number without leading zeros"
    if "meant '=='" in reason:
        return "write == to compare"
    if place is None:
        return ""
    line = source.lines[place.line - 1]
    here, word = line[max(place.start, 0) :], _word_at(line, place.start)
    if here.startswith("=") and not here.startswith("=="):
        return "write == to compare"
    if here.startswith(("&", "|", "!", "<>", ">", "\u2265", "\u2264", "\u2260")):
        return "the operators are == != < <= > >= and the words and, or, not"
    if word.lower() in {"and", "or", "not", "in"} and not word.islower():
        return f"write {word.lower()} in small letters"
    if word.lower() in {"like", "between", "is", "null"}:
        return LANGUAGE
    if keyword.iskeyword(word) and word not in {"and", "or", "not", "in", "is", "if", "else"}:
        return f'{word!r} means something in Python; a column of that name is written col("{word}")'
    if "comma" in reason or re.search(r"[\w'\"]\s+$", line[: max(place.start, 0)]):
        return AND_OR
    return ""


def _word_at(line: str, position: int) -> str:
    for match in re.finditer(r"\w+", line):
        if match.start() <= position < match.end():
            return match.group()
    return ""
