"""Sentences from templates, each with the figures it states, so that text and tables can be held against each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from segmentation._format import count, money, number
from segmentation._plotting import shorten

__all__ = ["Fact", "Phrases", "Sentence", "joined", "listing", "markdown", "merged", "quoted", "share_text"]

# Longer names of variables and categories are cut in their middle.
LONGEST_NAME = 80
ALL, OTHERS = "all customers", "other customers"
MARKDOWN = str.maketrans({**{sign: f"\\{sign}" for sign in "\\`*_{}[]#|!~"}, "<": "&lt;", ">": "&gt;", "&": "&amp;"})


@dataclass(frozen=True)
class Fact:
    """One figure of a sentence, and where it is from.

    Attributes
    ----------
    source : str
        The table: "sizes", "table", "contrasts", "profile", "affinity" or "pain_points".
    segment, variable, level : str
        Its row.
    figure : str
        Its column.
    value : float
    text : str
        As it stands in the sentence.
    """

    source: str
    segment: str
    variable: str
    level: str
    figure: str
    value: float
    text: str


@dataclass(frozen=True)
class Sentence:
    """A sentence and the figures in it; one without figures says what is not known."""

    text: str
    facts: tuple[Fact, ...] = ()


def quoted(name: Any) -> str:
    """Put a name in quotation marks, on one line and not endless.

    Examples
    --------
    >>> quoted("do   sports"), quoted("the “best” ones")
    ('“do sports”', "“the 'best' ones”")
    """
    return f"“{shorten(name, LONGEST_NAME).replace('“', chr(39)).replace('”', chr(39))}”"


def share_text(share: float) -> str:
    """Write a share with one decimal, a very small one with two digits that say something.

    Examples
    --------
    >>> share_text(0.614), share_text(0.00043), share_text(0.0)
    ('61.4 %', '0.043 %', '0.0 %')
    """
    return f"{100 * share:.2g} %" if 0 < abs(share) < 0.001 else f"{100 * share:.1f} %"


def markdown(text: str) -> str:
    r"""Write text so that Markdown shows it as it is.

    Examples
    --------
    >>> print(markdown("<b> a*b_c"))
    &lt;b&gt; a\*b\_c
    """
    return " ".join(text.split()).translate(MARKDOWN)


@dataclass(frozen=True)
class Phrases:
    """How figures are written in one set of personas.

    Attributes
    ----------
    labels : mapping of variable to what readers call it
    money : frozenset of variables that are amounts
    currency : str
        Stands before amounts, "EUR" for instance.
    minimum : int
        Fewer customers than this are not counted out; 1 counts everybody out.
    """

    labels: dict[str, str]
    money: frozenset[str]
    currency: str
    minimum: int

    def name(self, variable: str) -> str:
        """Return what readers call a variable, in quotation marks."""
        return quoted(self.labels.get(variable, variable))

    def amount(self, variable: str, value: float) -> str:
        """Write a mean or total of a variable, an amount of money with its currency."""
        if variable not in self.money:
            return number(value)
        return f"{self.currency} {money(value)}".strip()

    def size(self, segment: str, name: str, n: int, share: float) -> Sentence:
        """Say how large a segment is."""
        facts = (
            Fact("sizes", segment, "", "", "n_customers", n, f"{n:,}"),
            Fact("sizes", segment, "", "", "share", share, share_text(share)),
        )
        return Sentence(f"{quoted(name)} has {count(n, 'customer')}, {share_text(share)} of all.", facts)

    def item(self, source: str, segment: str, row: dict[str, Any], against: str) -> tuple[str, tuple[Fact, ...]]:
        """Write a figure of a segment beside that of others: ``against`` is the column "total" or "rest"."""
        variable, level, kind = str(row["variable"]), str(row["level"]), row["kind"]
        others = ALL if against == "total" else OTHERS
        shares = kind in ("binary", "category")
        texts = {
            figure: share_text(row[figure]) if shares else self.amount(variable, row[figure])
            for figure in ("value", against)
        }
        if shares:
            texts["value"] = self._few(row["value"], row["n"], texts["value"])
        facts = tuple(
            Fact(source, segment, variable, level, figure, float(row[figure]), text) for figure, text in texts.items()
        )
        head = f"{self.name(variable)} is {quoted(level)}" if level else self.name(variable)
        middle = "for" if shares else "averages"
        return f"{head} {middle} {texts['value']} ({others}: {texts[against]})", facts

    def _few(self, share: float, n: int, text: str) -> str:
        """Do not count out a handful of customers."""
        inside = round(share * n)
        if 0 < inside < self.minimum:
            return f"fewer than {count(self.minimum, 'customer')}"
        if 0 < n - inside < self.minimum:
            return f"all but fewer than {count(self.minimum, 'customer')}"
        return text

    def score(self, segment: str, score: str, row: dict[str, Any]) -> Sentence:
        """Say what a segment is worth on a score of the profile, with its interval where there is one."""

        def fact(column: str, text: str) -> Fact:
            return Fact("profile", segment, score, "", column, float(row[column]), text)

        mean = self.amount(score, row[f"{score}_mean"])
        facts = [fact(f"{score}_mean", mean)]
        text = f"On average, {self.name(score)} is {mean}"
        low, high = row.get(f"{score}_mean_low"), row.get(f"{score}_mean_high")
        if low is not None and high is not None and low == low and high == high:
            ends = self.amount(score, low), self.amount(score, high)
            facts += [fact(f"{score}_mean_low", ends[0]), fact(f"{score}_mean_high", ends[1])]
            text += f" (between {ends[0]} and {ends[1]})"
        share = row.get(f"{score}_share")
        if share is not None and share == share:
            facts.append(fact(f"{score}_share", share_text(share)))
            text += f", {share_text(share)} of the total of all segments"
        return Sentence(f"{text}.", tuple(facts))


def listing(lead: str, items: Sequence[tuple[str, tuple[Fact, ...]]], n_more: int) -> Sentence:
    """Join items into one sentence behind a lead; what is left out is counted."""
    text = f"{lead} {'; '.join(text for text, _ in items)}{f'; and {n_more:,} more' if n_more else ''}."
    return Sentence(text, tuple(fact for _, facts in items for fact in facts))


def merged(sentences: Sequence[Sentence]) -> Sentence:
    """Return sentences as one text with all their facts."""
    return Sentence(joined(sentences), tuple(fact for one in sentences for fact in one.facts))


def joined(sentences: Iterable[Sentence]) -> str:
    """Write sentences one after the other."""
    return " ".join(sentence.text for sentence in sentences)
