"""Checks of text: numbers kept as text, spaces, spellings of one category, damaged encoding, odd codes, rare levels."""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from segmentation._format import count, name_some, percent
from segmentation.sources._audit_finding import Finding
from segmentation.sources._audit_numerals import decimal_marks, parse_number
from segmentation.sources._audit_table import Column, Table
from segmentation.sources._audit_words import is_blank, is_missing_word

__all__ = ["repair_encoding", "text_checks"]

MIN_SHARE_PARSED = 0.9
"""A column is one of numbers (dates) where nine in ten values read as such; the rest is then what is wrong with it."""
_ENTITY = re.compile(r"&(#\d{2,5}|#x[0-9a-fA-F]{2,4}|[a-zA-Z]{2,8});")
_OPEN_CLASS = re.compile(r"[<>≤≥]=?\s*\d+|\d+\s*(\+|(or|and) (more|over|older|less|under))")
_LOST_LETTER = re.compile(r"[A-Za-z]\?[a-z]")


def repair_encoding(text: str) -> str | None:
    """Undo UTF-8 that was read as Windows-1252 or Latin-1; None where that is not what happened.

    Examples
    --------
    >>> repair_encoding("MÃ¼nchen"), repair_encoding("München"), repair_encoding("Munich")
    ('München', None, None)
    """
    if text.isascii():
        return None
    for encoding in ("cp1252", "latin-1"):
        try:
            repaired = text.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
        return repaired
    return None


def rows_with(column: Column, values: list[object]) -> NDArray[np.bool_]:
    """Return which rows hold one of these values."""
    return np.asarray(column.series.isin(values).to_numpy(), dtype=bool)


def _shown(values: list[str]) -> str:
    return name_some(value if len(value) <= 40 else value[:37] + "..." for value in values)


class Text:
    """A column of text with what several checks ask of it."""

    def __init__(self, table: Table, column: Column) -> None:
        self.table = table
        self.column = column
        self.texts = column.texts
        self.raw = list(column.distinct[0])
        self.counts = column.distinct[1]
        self.total = int(self.counts.sum())
        # Free text is told apart by its length and by seldom repeating: spellings of a sentence are no categories
        sample = self.texts[:2000]
        n_words = np.mean([len(text.split()) for text in sample]) if sample else 0.0
        self.is_free = bool(n_words > 4) or (n_words > 2.5 and len(self.texts) > 0.5 * self.total)
        self.is_category = not self.is_free and len(self.texts) <= max(50, self.total**0.5)

    def rows(self, chosen: list[int]) -> NDArray[np.bool_]:
        """Return the rows whose value is one of these distinct values."""
        return rows_with(self.column, [self.raw[i] for i in chosen])


def text_checks(
    table: Table, column: Column, parsed: NDArray[np.float64], *, is_dates: bool = False
) -> Iterator[Finding]:
    """Run all checks of one text column; `parsed` holds its distinct values as numbers."""
    text = Text(table, column)
    if not text.texts:
        return
    yield from _mixed_types(text)
    yield from _numbers_as_text(text, parsed)
    yield from _whitespace(text, parsed)
    yield from _case_variants(text)
    yield from _encoding(text)
    mostly_numbers = text.counts[~np.isnan(parsed)].sum() >= MIN_SHARE_PARSED * text.total
    if not is_dates and (not mostly_numbers or _one_length(text, ~np.isnan(parsed))):
        yield from _odd_codes(text)
    yield from _rare_categories(text)


def _mixed_types(text: Text) -> Iterator[Finding]:
    kinds: Counter[str] = Counter()
    for value, n in zip(text.raw, text.counts, strict=True):
        kinds[type(value).__name__] += int(n)
    if len(kinds) < 2:
        return
    usual = kinds.most_common(1)[0][0]
    chosen = [i for i, value in enumerate(text.raw) if type(value).__name__ != usual]
    odd = np.zeros(text.table.n_rows, dtype=bool)
    odd[:] = [type(value).__name__ != usual for value in text.column.series.astype(object)]
    odd &= ~text.column.missing
    yield text.table.finding(
        "mixed_types", "warning", [text.column.name], odd,
        f"most cells hold {usual}, {count(int(odd.sum()), 'cell')} something else: "
        f"{_shown([text.texts[i] for i in chosen])}",
        "Make the column one type where it is read.",
    )  # fmt: skip


def _numbers_as_text(text: Text, parsed: NDArray[np.float64]) -> Iterator[Finding]:
    """Numbers as text, unless they are codes, and numbers mixed with words.

    Digits are a code where the column is an id, values start with 0, as postcodes do, or all have one length; whole
    numbers of few levels may be either and are only noted. Open classes ("5+") are no numbers, nor are those beside
    them.
    """
    stands_for_missing = np.array([is_blank(t) or is_missing_word(t) for t in text.texts])
    weights = np.where(stands_for_missing, 0, text.counts)
    good = ~np.isnan(parsed)
    total = int(weights.sum())
    if not good.any() or total == 0:
        return
    share = float(weights[good].sum() / total)
    examples = [text.texts[i] for i in np.flatnonzero(good)[:3]]
    is_code = text.column.looks_like_id or any(re.match(r"0\d", t) for t in text.texts) or _one_length(text, good)
    others = np.flatnonzero(~good & ~stands_for_missing).tolist()
    # 1, 2, 3+: classes, whose names are right; in a column of many values "> 9000" is just another cell
    if text.is_category and any(_OPEN_CLASS.fullmatch(text.texts[i].strip()) for i in others):
        return
    if share >= MIN_SHARE_PARSED and not is_code and not _compact_dates(text, parsed):
        few = text.is_category and all(t.strip().isdigit() for t, g in zip(text.texts, good, strict=True) if g)
        rest = (
            f"; {count(int(weights[others].sum()), 'cell')} cannot be read: {_shown([text.texts[i] for i in others])}"
        )
        doubt, fix = _marks(text, good)
        yield text.table.finding(
            "number_as_text", "note" if few else "warning", [text.column.name],
            text.rows(list(np.flatnonzero(good))),
            f"{percent(share)} of the values are numbers written as text, such as {_shown(examples)}"
            + (rest if others else "") + doubt,
            "Turn it into a number, unless the digits are names of categories." if fix else
            "Find out what the point or comma parts, and turn it into a number with "
            "{'action': 'to_number', 'columns': [...], 'decimal': ...}.",
            fix,
        )  # fmt: skip
    elif 0.05 <= share < MIN_SHARE_PARSED and not is_code and _mixes_numbers(text, good, others):
        yield text.table.finding(
            "numbers_and_words", "warning", [text.column.name], text.rows(list(np.flatnonzero(good))),
            f"numbers ({_shown(examples)}) stand beside labels that hold a number "
            f"({_shown([text.texts[i] for i in others])})",
            "Write a scale in one way: give every label its number, or every number its label.",
        )  # fmt: skip


def _marks(text: Text, good: NDArray[np.bool_]) -> tuple[str, dict[str, object] | None]:
    """Say what is open about points and commas, and give the fix where nothing is.

    Where points and commas only ever stand before three digits, ``1.234`` may be a thousand or a little more than
    one. A comma is then taken to part thousands where the numbers without one stay below a thousand, as they must.
    """
    texts = [t for t, g in zip(text.texts, good, strict=True) if g]
    proven, open_ = decimal_marks(texts)
    fix: dict[str, object] = {"action": "to_number", "columns": [text.column.name]}
    if proven == ".,":
        both = "; some have a decimal point and others a decimal comma"
        return (f"{both}, and what has three digits behind can be read both ways", None) if open_ else (both, fix)
    if proven:
        return "", {**fix, "decimal": proven}
    if not open_:
        return "", fix
    marked = [t for t in texts if "," in t or "." in t]
    plain = [abs(parse_number(t)) for t in texts if "," not in t and "." not in t]
    if plain and max(plain) < 1000 and not any("." in t for t in marked):
        return "", {**fix, "decimal": "."}
    mark = "point" if "." in marked[0] else "comma"
    return f"; every {mark} stands before three digits, so that it may part thousands or decimals", None


def _one_length(text: Text, good: NDArray[np.bool_]) -> bool:
    """Whether the digits are numbers of things: four or more, all of one length, and many different ones."""
    digits = [t.strip() for t, g in zip(text.texts, good, strict=True) if g]
    return (
        len(digits) >= 50
        and all(t.isdigit() for t in digits)
        and len({len(t) for t in digits}) == 1 < len(digits[0]) - 2
    )


def _compact_dates(text: Text, parsed: NDArray[np.float64]) -> bool:
    """Whether the digits are days written as yyyymmdd."""
    values = parsed[~np.isnan(parsed)]
    return bool(len(values) and np.all((values > 18000101) & (values < 21001231) & (values % 100 <= 31))
                and all(len(t.strip()) == 8 for t in text.texts[:50] if t.strip()[:1].isdigit()))  # fmt: skip


def _mixes_numbers(text: Text, good: NDArray[np.bool_], others: list[int]) -> bool:
    """Whether words with a signed number stand among bare signed numbers, as in "+3" and "I love it!+5".

    "5+", "<18" and "20-29" are classes of a scale and no mixture: they hold no word.
    """
    signed = any(text.texts[i].strip()[:1] in "+-" for i in np.flatnonzero(good))
    return text.is_category and signed and any(re.search(r"[A-Za-z]{2,}.*[+-]\d+$", text.texts[i]) for i in others)


def _whitespace(text: Text, parsed: NDArray[np.float64]) -> Iterator[Finding]:
    chosen = [
        i for i, t in enumerate(text.texts) if t != " ".join(t.split()) and not is_blank(t) and not repair_encoding(t)
    ]
    # inside a number a (no-break) space parts thousands
    chosen = [i for i in chosen if np.isnan(parsed[i]) or text.texts[i] != text.texts[i].strip()]
    if text.is_free:  # inside a free text spaces and line ends are the writer's own
        chosen = [i for i in chosen if text.texts[i] != text.texts[i].strip()]
    if not chosen:
        return
    yield text.table.finding(
        "whitespace", "note" if text.is_free else "warning", [text.column.name], text.rows(chosen),
        f"spaces before, after or doubled inside: {_shown([text.texts[i] for i in chosen])}",
        "Strip them: they split one value into two.",
        {"action": "strip_whitespace", "columns": [text.column.name]},
    )  # fmt: skip


def _spelling_key(text: str) -> str:
    """Write a value without case and separators; a point, dash or stroke at a digit says how much and stays.

    Examples
    --------
    >>> _spelling_key("New-York") == _spelling_key("NEW YORK"), _spelling_key(".50 oz") == _spelling_key("50 oz")
    (True, False)
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(re.sub(r"(?<!\d)[_\-./]+(?!\d)|[\s_]+", " ", folded).split()) or folded


def _case_variants(text: Text) -> Iterator[Finding]:
    """Values that differ in case, spaces, hyphens or underscores only; the most frequent spelling is taken as meant."""
    if text.is_free or len(text.texts) > 0.9 * text.total > 45:
        return
    groups: dict[str, list[int]] = defaultdict(list)
    for i, t in enumerate(text.texts):
        if any(c.isalpha() for c in t):
            groups[_spelling_key(t)].append(i)
    several = [sorted(g, key=lambda i: -text.counts[i]) for g in groups.values() if len(g) > 1]
    # what differs in spaces alone is the matter of the check of spaces
    several = [g for g in several if len({" ".join(text.texts[i].split()) for i in g}) > 1]
    if not several:
        return
    mapping = {text.raw[i]: " ".join(text.texts[group[0]].split()) for group in several for i in group[1:]}
    shown = "; ".join(" / ".join(f"{text.texts[i]!r} ({text.counts[i]:,})" for i in group[:4]) for group in several[:3])
    yield text.table.finding(
        "spelling_variants", "warning", [text.column.name], rows_with(text.column, list(mapping)),
        f"{count(len(several), 'value')} written in several ways: {shown}",
        "Use one spelling; the fix takes the most frequent one.",
        {"action": "map_values", "columns": [text.column.name], "mapping": mapping},
    )  # fmt: skip


def _encoding(text: Text) -> Iterator[Finding]:
    damaged = [i for i, t in enumerate(text.texts) if repair_encoding(t) or "\ufffd" in t or _has_entity(t)]
    if not text.is_free and not text.column.looks_like_id:
        # "M?nchen": a lost letter; in free text a question mark without a space is only bad typing
        damaged += [i for i, t in enumerate(text.texts) if "?" in t and _LOST_LETTER.search(t) and "/" not in t]
    if not damaged:
        return
    first = [text.texts[i] for i in damaged]
    repaired = [new for new in (repair_encoding(t) for t in first) if new]
    hint = f"; read as UTF-8: {_shown(repaired)}" if repaired else ""
    yield text.table.finding(
        "encoding_damage", "warning", [text.column.name], text.rows(damaged),
        f"letters that were damaged on the way: {_shown(first)}{hint}",
        "Read the file again in the right encoding; the fix repairs what can be worked out from the text.",
        {"action": "repair_text", "columns": [text.column.name]},
    )  # fmt: skip


def _has_entity(text: str) -> bool:
    return "&" in text and _ENTITY.search(text) is not None and html.unescape(text) != text


def _shape(text: str) -> str:
    """Write runs of digits as 9 and of letters as A, everything else as it is.

    Examples
    --------
    >>> _shape("C489434"), _shape("7590-VHVEG")
    ('A9', '9-A')
    """
    return re.sub(r"[^\W\d_]+", "A", re.sub(r"\d+", "9", text.strip()))


def _odd_codes(text: Text) -> Iterator[Finding]:
    """Codes built unlike the others: cancelled invoices, postage among the articles.

    A column is one of codes where nine in ten of its values hold a digit and they are many. The usual shape, or else
    the usual kind of the first character, must cover nine in ten rows, so that there is a rule to break.
    """
    if text.is_free or len(text.texts) < 50:
        return
    keep = [i for i, t in enumerate(text.texts) if not is_blank(t) and not is_missing_word(t)]
    if not keep or np.mean([any(c.isdigit() for c in text.texts[i]) for i in keep]) < MIN_SHARE_PARSED:
        return
    for how in (_shape, lambda t: _shape(t)[:1]):
        shapes = {i: how(text.texts[i]) for i in keep}
        rows: Counter[str] = Counter()
        for i, shape in shapes.items():
            rows[shape] += int(text.counts[i])
        usual, n_usual = rows.most_common(1)[0]
        if n_usual < MIN_SHARE_PARSED * sum(rows.values()):
            continue
        odd = [i for i in keep if shapes[i] != usual]
        # numbers with and without a sign or point are one shape of number, not two of code
        odd = [i for i in odd if np.isnan(parse_number(text.texts[i])) or usual not in ("9", "9.9")]
        if odd and usual[:1] in ("9", "A"):
            yield _odd_code_finding(text, odd, usual)
        return


def _odd_code_finding(text: Text, odd: list[int], usual: str) -> Finding:
    odd = sorted(odd, key=lambda i: -text.counts[i])
    kinds: Counter[str] = Counter()
    for i in odd:
        kinds[_shape(text.texts[i])] += int(text.counts[i])
    shapes = ", ".join(f"{shape!r}: {n:,}" for shape, n in kinds.most_common(5))
    return text.table.finding(
        "odd_code", "warning", [text.column.name], text.rows(odd),
        f"most codes read {usual!r} (9: digits, A: letters); not so: {shapes}; such as "
        f"{_shown([text.texts[i] for i in odd])}",
        "Find out what they stand for (cancellations, fees, tests) and keep them apart from the others.",
    )  # fmt: skip


def _rare_categories(text: Text) -> Iterator[Finding]:
    """Levels whose frequency falls far below the next: jokes, typing errors, leftovers.

    Log frequencies of levels in order have gaps. Were all gaps of one exponential distribution, a gap `g` after `k`
    gaps that sum to `S` has the tail probability ``(1 + g / S) ** -k`` (the F distribution with 2 and 2k degrees of
    freedom). Two gaps of ln 2 are put before, so that three levels are enough. That test knows nothing of how near to
    zero the shares of ordinary levels come by themselves; the broken stick does: of shares drawn uniformly from all
    that sum to one (MacArthur 1957, :doi:`10.1073/pnas.43.3.293`), so many are so much smaller than the next with
    probability `by_chance`. A gap counts that is below 5 % by both and at least tenfold, and only for levels that
    together hold 1 % or less.
    """
    keep = [i for i, t in enumerate(text.texts) if not is_blank(t) and not is_missing_word(t)]
    if not text.is_category or len(keep) < 4:
        return
    spelled: Counter[str] = Counter()
    for i in keep:
        spelled[_spelling_key(text.texts[i])] += int(text.counts[i])
    levels = spelled.most_common()
    cut = rare_from([n for _, n in levels], text.total)
    if cut is None:
        return
    names = {name for name, _ in levels[cut:]}
    rare = [i for i in keep if _spelling_key(text.texts[i]) in names]
    shown = ", ".join(f"{text.texts[i]!r} ({text.counts[i]:,})" for i in rare[:5])
    yield text.table.finding(
        "rare_category", "warning", [text.column.name], text.rows(rare),
        f"far rarer than every other level (the next has {levels[cut - 1][1]:,}): {shown}",
        "Ask whether they are meant; join them with another level or set them missing.",
        {"action": "set_missing", "columns": [text.column.name], "values": [text.raw[i] for i in rare]},
    )  # fmt: skip


def rare_from(counts: list[int], total: int) -> int | None:
    """Return from which position of descending counts the levels are far rarer than those before; None where nowhere.

    Examples
    --------
    >>> rare_from([864, 580, 480, 232, 77, 3, 2], 2238), rare_from([500, 300, 150, 50], 1000)
    (5, None)
    """
    gaps = -np.diff(np.log(np.asarray(counts, dtype=float)))
    for cut in range(2, len(counts)):
        gap, before = gaps[cut - 1], gaps[: cut - 1]
        k, spread = len(before) + 2, float(before.sum()) + 2 * np.log(2)
        if sum(counts[cut:]) > total / 100:
            continue
        if (
            gap >= np.log(10)
            and (1 + gap / spread) ** -k < 0.05
            and by_chance(float(np.exp(gap)), cut, len(counts)) < 0.05
        ):
            return cut
    return None


def by_chance(ratio: float, cut: int, n_levels: int) -> float:
    """Return how likely a broken stick leaves all pieces after `cut` smaller than the next by `ratio` or more.

    The spacings of ordered pieces are independent exponentials with rates 1 ... `n_levels` (Renyi), so the sum of the
    first `n_levels - cut` of them is compared with the following one, whose rate is `cut`: a product of Laplace
    transforms.

    Examples
    --------
    >>> round(by_chance(10, 5, 6), 3), by_chance(26, 5, 8) < 0.001
    (0.118, True)
    """
    rates = np.arange(cut + 1, n_levels + 1)
    return float(np.prod(1 / (1 + (ratio - 1) * cut / rates)))


def first_of(mapping: Mapping[str, int], n: int = 5) -> str:
    """Name the values of a count, most frequent first."""
    ordered = sorted(mapping.items(), key=lambda item: -item[1])[:n]
    return ", ".join(f"{value!r} ({number:,})" for value, number in ordered)
