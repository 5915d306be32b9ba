"""What `personas` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd

from segmentation._format import count
from segmentation.reporting._phrases import Sentence, joined, markdown

__all__ = ["PARTS", "Persona", "Personas"]

PARTS: Mapping[str, str] = {
    "who": "Who they are",
    "values": "What sets them apart",
    "hurts": "What hurts",
    "offer": "What to offer",
    "avoid": "What to avoid",
}
TASKS: Mapping[str, str] = {"owner": "Owner", "next_action": "Next action", "review_date": "Review date"}


@dataclass(frozen=True, eq=False)
class Persona:
    """One segment in plain words.

    Attributes
    ----------
    segment, name : str
        The segment, and what readers call it.
    sentences : tuple of Sentence
        The paragraph.
    brief : mapping of "who", "values", "hurts", "offer", "avoid" to Sentence
    owner, next_action, review_date : str or None
    """

    segment: str
    name: str
    sentences: tuple[Sentence, ...]
    brief: Mapping[str, Sentence]
    owner: str | None = None
    next_action: str | None = None
    review_date: str | None = None

    @property
    def paragraph(self) -> str:
        """The sentences, one after the other."""
        return joined(self.sentences)

    @property
    def tasks(self) -> dict[str, str]:
        """Owner, next action and review date, as far as they were given."""
        given = {"owner": self.owner, "next_action": self.next_action, "review_date": self.review_date}
        return {name: value for name, value in given.items() if value is not None}

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values, the figures of every sentence beside it."""
        return {
            "segment": self.segment,
            "name": self.name,
            "paragraph": self.paragraph,
            "sentences": [_sentence(one) for one in self.sentences],
            "brief": {part: _sentence(one) for part, one in self.brief.items()},
            "owner": self.owner,
            "next_action": self.next_action,
            "review_date": self.review_date,
        }

    def __str__(self) -> str:
        lines = [self.name, f"  {self.paragraph}"]
        lines += [f"  {title}: {self.brief[part].text}" for part, title in PARTS.items() if part in self.brief]
        return "\n".join([*lines, *(f"  {TASKS[name]}: {value}" for name, value in self.tasks.items())])

    __repr__ = __str__


def _sentence(sentence: Sentence) -> dict[str, Any]:
    return {"text": sentence.text, "facts": [vars(fact) for fact in sentence.facts]}


@dataclass(frozen=True, eq=False)
class Personas:
    """Every segment in plain words, and a message brief.

    Attributes
    ----------
    personas : tuple of Persona
        In the order of the segments.
    settings : dict
    warnings : tuple of str
    """

    personas: tuple[Persona, ...]
    settings: Mapping[str, Any]
    warnings: tuple[str, ...]

    @property
    def table(self) -> pd.DataFrame:
        """One row per segment: ``name``, ``paragraph``, the parts of the brief, and what is to be done."""
        rows = [
            {
                "segment": one.segment,
                "name": one.name,
                "paragraph": one.paragraph,
                **{part: one.brief[part].text if part in one.brief else None for part in PARTS},
                **{name: one.tasks.get(name) for name in TASKS},
            }
            for one in self.personas
        ]
        return pd.DataFrame(rows).set_index("segment")

    def __len__(self) -> int:
        return len(self.personas)

    def __getitem__(self, segment: str) -> Persona:
        for one in self.personas:
            if one.segment == segment:
                return one
        raise KeyError(f"no segment {segment!r}; there are {[one.segment for one in self.personas][:5]}.")

    def to_pandas(self) -> pd.DataFrame:
        """Return a copy of the table."""
        return self.table.copy()

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "personas": [one.to_dict() for one in self.personas],
            "settings": dict(self.settings),
            "warnings": list(self.warnings),
        }

    def _headline(self) -> str:
        return (
            f"{count(len(self.personas), 'persona')}, written from tables by templates; every figure is in the tables"
        )

    def __str__(self) -> str:
        parts = [self._headline(), *(str(one) for one in self.personas)]
        return "\n\n".join(parts) + "".join(f"\n\nNote: {text}" for text in self.warnings)

    __repr__ = __str__

    def to_markdown(self) -> str:
        """Return the personas as Markdown; names and categories can do no harm in it."""
        lines = [markdown(self._headline()), ""]
        for one in self.personas:
            lines += [f"## {markdown(one.name)}", "", markdown(one.paragraph), ""]
            lines += [
                f"- **{title}:** {markdown(one.brief[part].text)}" for part, title in PARTS.items() if part in one.brief
            ]
            lines += [f"- **{TASKS[name]}:** {markdown(value)}" for name, value in one.tasks.items()]
            lines.append("")
        return "\n".join([*lines, *(f"Note: {markdown(text)}\n" for text in self.warnings)])

    def _repr_html_(self) -> str:
        parts = [f"<p>{escape(self._headline())}</p>"]
        for one in self.personas:
            told = [(title, one.brief[part].text) for part, title in PARTS.items() if part in one.brief]
            told += [(TASKS[name], value) for name, value in one.tasks.items()]
            items = "".join(f"<li><b>{escape(title)}:</b> {escape(text)}</li>" for title, text in told)
            parts.append(f"<h4>{escape(one.name)}</h4><p>{escape(one.paragraph)}</p><ul>{items}</ul>")
        return "".join([*parts, *(f"<p>Note: {escape(text)}</p>" for text in self.warnings)])
