"""Quotes that give nobody away: only words that stand next to each other in the texts of many customers are shown."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from segmentation.feedback._masking import readable
from segmentation.feedback._patterns import MASKS

__all__ = ["Candidate", "Run", "candidate_sentences", "choose", "customers_of_runs", "runs_of"]

Run = tuple[str, ...]
# A run of so many words must be known from many customers, or it is not shown.
RUN = 3
SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_WORD = re.compile(r"[^\W_]+(?:['\u2019\-][^\W_]+)*|[\ue000-\ue004]")
LONGEST, SHORTEST = 30, 3
SHOWN_AT_LEAST = 0.6
GAP = "…"


@dataclass(frozen=True)
class Candidate:
    """A sentence of one customer that mentions a theme."""

    sentence: str
    customer: int


def sentences(text: str) -> list[str]:
    """Split a text into its sentences."""
    return [part.strip() for part in SENTENCE.split(text) if part.strip()]


def runs_of(text: str) -> list[Run]:
    """Return the runs of three neighbouring words of a text; of a shorter stretch, all of its words."""
    return [run for _, run in _placed_runs([found.group().lower() for found in _WORD.finditer(text)])]


def _placed_runs(words: Sequence[str]) -> list[tuple[int, Run]]:
    """Return runs with the place of their first word; masks end a stretch."""
    runs: list[tuple[int, Run]] = []
    start = 0
    for end in range(len(words) + 1):
        if end == len(words) or words[end] in MASKS:
            if start < end < start + RUN:
                runs.append((start, tuple(words[start:end])))
            runs += [(at, tuple(words[at : at + RUN])) for at in range(start, end - RUN + 1)]
            start = end + 1
    return runs


def customers_of_runs(texts: Sequence[str], customers: Iterable[int], wanted: set[Run]) -> dict[Run, int]:
    """Count the customers who wrote each wanted run. Texts of one customer must stand next to each other."""
    counts = dict.fromkeys(wanted, 0)
    last: dict[Run, int] = dict.fromkeys(wanted, -1)
    sizes = sorted({len(run) for run in wanted})
    for text, customer in zip(texts, customers, strict=True):
        words = [found.group() for found in _WORD.finditer(text.lower())]
        for size in sizes:
            for run in zip(*(words[shift:] for shift in range(size)), strict=False):
                if run in last and last[run] != customer:
                    last[run] = customer
                    counts[run] += 1
    return counts


def shown(sentence: str, known: Mapping[Run, int], minimum: int) -> tuple[str, float, float]:
    """Return the sentence with a gap for what few customers wrote, the share of words shown, and how usual they are."""
    places = list(_WORD.finditer(sentence))
    words = [found.group().lower() for found in places]
    stretches, usual = _stretches(words, known, minimum)
    n_words = sum(word not in MASKS for word in words)
    n_shown = sum(end - start for start, end in stretches)
    if not n_shown:
        return "", 0.0, 0.0
    parts: list[str] = []
    at = 0
    for start, end in [*stretches, (len(words), len(words))]:
        masks = "".join(f"{word} " for word in words[at:start] if word in MASKS)
        hidden = start > at + len(masks) // 2 or (at and start == at and start < len(words))
        parts.append(f"{GAP} {masks}" if hidden else masks)
        if start < end:
            # what follows the last word belongs to the quote only where the sentence ends with it
            stop = len(sentence) if end == len(words) else places[end - 1].end()
            parts.append(f"{sentence[places[start].start() : stop]} ")
        at = end
    text = re.sub(r"[^\w\s.,;:!?'\u2019\-…()/&%\ue000-\ue004]", "", "".join(parts)).strip()
    return readable(text), n_shown / n_words, sum(usual) / len(usual)


def _stretches(
    words: Sequence[str], known: Mapping[Run, int], minimum: int
) -> tuple[list[tuple[int, int]], list[float]]:
    """Return from where to where words are shown, so that every run in a stretch is known from `minimum` customers."""
    stretches: list[tuple[int, int]] = []
    usual = []
    last = -2
    for at, run in _placed_runs(words):
        n = known.get(run, 0)
        if n < minimum:
            continue
        usual.append(math.log(n))
        if stretches and at == last + 1 and stretches[-1][1] == at + len(run) - 1:
            stretches[-1] = (stretches[-1][0], at + len(run))
        elif not stretches or at >= stretches[-1][1]:
            stretches.append((at, at + len(run)))
        else:
            continue  # it overlaps a stretch that it does not continue
        last = at
    return stretches, usual


def choose(
    candidates: Sequence[Candidate],
    known: Mapping[Run, int],
    minimum: int,
    most: int,
    mentions: Callable[[str], int],
) -> list[str]:
    """Choose the most typical sentences, one per customer, none like another."""
    rated = []
    for candidate in candidates:
        text, share, usual = shown(candidate.sentence, known, minimum)
        n_terms = mentions(text)
        if share >= SHOWN_AT_LEAST and n_terms and len(text.split()) >= SHORTEST:
            rated.append((-n_terms, -round(share, 2), -usual, text, candidate.customer))
    chosen: list[tuple[set[str], int, str]] = []
    for *_, text, customer in sorted(rated):
        words = set(text.lower().split())
        if all(customer != who and len(words & other) < 0.5 * len(words | other) for other, who, _ in chosen):
            chosen.append((words, customer, text))
        if len(chosen) == most:
            break
    return [text for _, _, text in chosen]


def candidate_sentences(texts: Iterable[tuple[str, int]], mentions: Callable[[str], int], most: int) -> list[Candidate]:
    """Return up to `most` sentences of fit length that mention a theme."""
    result: list[Candidate] = []
    for text, customer in texts:
        result += [
            Candidate(sentence, customer)
            for sentence in sentences(text)
            if SHORTEST <= len(_WORD.findall(sentence)) <= LONGEST and mentions(sentence)
        ]
        if len(result) >= most:
            break
    return result
