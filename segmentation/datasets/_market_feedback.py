"""Feedback of the market: an answer from 0 to 10, mostly with a text, in which planted themes hide.

A text holds a complaint of one theme, praise, or an off-topic remark. Around it stand, at random: a greeting, a
neutral sentence that uses words of the themes, the denial of some theme ("Delivery was not late at all."), a
closing, contact details. Some texts lose their capitals, some get typing errors.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation.datasets._market_clock import END, FEEDBACK_DAYS
from segmentation.datasets._market_complaints import COMPLAINTS, DENIALS
from segmentation.datasets._market_needs import SEGMENTS, pick
from segmentation.datasets._market_remarks import (
    CLOSERS,
    CONTACTS,
    FIRST_NAMES,
    ITEMS,
    NEUTRAL,
    OFF_TOPIC,
    OPENERS,
    PRAISE,
    WHEN,
)

__all__ = ["ANSWERS", "CHANCES", "KINDS", "NPS_BASE", "NPS_SHIFT", "PLANTED", "TEXT_SHARES", "THEMES", "draw"]

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

THEMES = tuple(COMPLAINTS)
KINDS = (*THEMES, "praise", "off_topic")

# Share of each segment's texts that complain of a theme it is planted in. `damaged_parcel` is planted nowhere: it is
# as frequent in every segment. A segment's other themes are rare, what is left is praise and off-topic remarks.
PLANTED = {
    "bargain": {"price_rises": 0.26, "broken_vouchers": 0.19},
    "convenience": {"slow_delivery": 0.27, "clumsy_checkout": 0.18},
    "inspiration": {"stale_range": 0.30, "clumsy_checkout": 0.14},
    "quality": {"poor_quality": 0.29, "hard_returns": 0.14},
    "reassurance": {"unhelpful_support": 0.27, "hard_returns": 0.18},
}
COMMON_THEME, COMMON_SHARE, RARE_SHARE = "damaged_parcel", 0.08, 0.025
PRAISE_SHARE = 0.6  # of the texts that do not complain


def _text_shares() -> pd.DataFrame:
    shares = pd.DataFrame(RARE_SHARE, index=pd.Index(SEGMENTS, name="segment"), columns=list(THEMES))
    shares[COMMON_THEME] = COMMON_SHARE
    for segment, themes in PLANTED.items():
        shares.loc[segment, list(themes)] = list(themes.values())
    left = 1.0 - shares.sum(axis=1)
    return shares.assign(praise=PRAISE_SHARE * left, off_topic=(1.0 - PRAISE_SHARE) * left)


# One row per segment, one column per kind of text; rows add up to 1.
TEXT_SHARES = _text_shares()

ANSWERS = np.array([0.60, 0.30, 0.10])  # probability that a customer gives 0, 1 or 2 answers in the period

# How often a text has each of these.
CHANCES = pd.Series(
    {
        "no_text": 0.10,
        "opener": 0.60,
        "neutral": 0.35,
        "denial": 0.12,
        "closer": 0.60,
        "contact": 0.02,
        "lower_case": 0.12,
        "typos": 0.25,
    },
    name="probability",
)
MOST_TYPOS = 3

# The answer from 0 to 10: a mean, a part of the customer, a part of the occasion; rounded and cut.
NPS_BASE = pd.Series([7.8, 8.1, 8.3, 8.0, 7.6], index=pd.Index(SEGMENTS, name="segment"), name="nps")
NPS_SHIFT = pd.Series({"complaint": -1.8, "praise": 1.0, "off_topic": 0.0, "no_text": 0.0}, name="nps")
NPS_CUSTOMER_SD, NPS_OCCASION_SD = 1.0, 1.3

NUMBERS = range(4, 13)  # what {n} can be
NEIGHBOURS = dict(
    zip("abcdefghijklmnopqrstuvwxyz", "snvfrghjoklknmpowtdyibecux", strict=True)
)  # a key beside each on a keyboard


LETTER_BEFORE_LETTER = re.compile("[a-zA-Z](?=[a-zA-Z])")


def draw(segment: Codes, first: Floats, rng: np.random.Generator) -> dict[str, Any]:
    """Draw all answers; the columns have one entry per answer, `customer` is the position of who gave it."""
    for_who, for_when, for_kind, for_nps, for_text = rng.spawn(5)
    times = pick(np.broadcast_to(ANSWERS, (segment.size, ANSWERS.size)), for_who.random(segment.size))
    customer = np.repeat(np.arange(segment.size), times)
    start = np.maximum(first, END - FEEDBACK_DAYS)[customer]
    kind = pick(TEXT_SHARES.to_numpy()[segment[customer]], for_kind.random(customer.size))
    silent = for_kind.random(customer.size) < CHANCES["no_text"]
    names = np.array([*["complaint"] * len(THEMES), "praise", "off_topic"], dtype=object)[kind]
    names[silent] = "no_text"
    complaint = names == "complaint"
    theme = np.array(KINDS, dtype=object)[kind]
    theme[~complaint] = None
    return {
        "customer": customer,
        "day": start + (END - start) * for_when.random(customer.size),
        "nps": _nps(segment, customer, names, for_nps),
        "kind": names,
        "theme": theme,
        **_texts(kind, silent, for_text),
    }


def _nps(segment: Codes, customer: Codes, kind: NDArray[np.object_], rng: np.random.Generator) -> Codes:
    of_customer = NPS_CUSTOMER_SD * rng.standard_normal(segment.size)
    mean = NPS_BASE.to_numpy()[segment[customer]] + NPS_SHIFT.reindex(kind).to_numpy() + of_customer[customer]
    answer = np.round(mean + NPS_OCCASION_SD * rng.standard_normal(customer.size))
    return np.asarray(np.clip(answer, 0, 10), dtype=np.int64)


def _texts(kind: Codes, silent: NDArray[np.bool_], rng: np.random.Generator) -> dict[str, Any]:
    """Write the texts; all random numbers are drawn beforehand, a row per text."""
    size = kind.size
    chance = dict(zip(CHANCES.index, rng.random((len(CHANCES), size)), strict=True))
    has = {name: (chance[name] < CHANCES[name]) & ~silent for name in CHANCES.index}
    # Numbers large enough that the remainder of a division by the length of a list is practically uniform.
    choices = rng.integers(0, 2**31, (size, 12))
    denied = _denied(kind, has["denial"], rng)
    n_typos = np.where(has["typos"], rng.integers(1, MOST_TYPOS + 1, size), 0)
    places = rng.random((size, MOST_TYPOS, 2))
    texts: list[str | None] = []
    phrasing = np.full(size, -1, dtype=np.int64)
    for i in range(size):
        if silent[i]:
            texts.append(None)
            continue
        core = _core(KINDS[kind[i]])
        phrasing[i] = choices[i, 0] % len(core)
        text = _compose(core[phrasing[i]], denied[i], choices[i], {name: bool(flag[i]) for name, flag in has.items()})
        text = _misspell(text, places[i, : n_typos[i]])
        texts.append(_sign(text, choices[i]) if has["contact"][i] else text)
    return {
        "text": np.array(texts, dtype=object),
        "denied_theme": np.array(denied, dtype=object),
        "phrasing": phrasing,
        "n_typos": n_typos,
        "has_contact": has["contact"],
    }


def _denied(kind: Codes, has: NDArray[np.bool_], rng: np.random.Generator) -> list[str | None]:
    """Choose the theme that a text denies: any but its own, whatever the segment."""
    ahead = rng.integers(1, len(THEMES), kind.size)
    anything = rng.integers(0, len(THEMES), kind.size)
    theme = np.where(kind < len(THEMES), (kind + ahead) % len(THEMES), anything)
    return [THEMES[t] if flag else None for t, flag in zip(theme, has, strict=True)]


def _core(kind: str) -> tuple[str, ...]:
    return {"praise": PRAISE, "off_topic": OFF_TOPIC}.get(kind) or COMPLAINTS[kind]


def _compose(core: str, denied: str | None, choice: Codes, has: dict[str, bool]) -> str:
    """Put the sentences of one text together; `choice` holds its random numbers."""
    parts = []
    if has["opener"]:
        parts.append(OPENERS[choice[1] % len(OPENERS)])
    if has["neutral"]:
        parts.append(_fill(NEUTRAL[choice[2] % len(NEUTRAL)], choice[3:6]))
    if denied is not None:
        parts.append(DENIALS[denied][choice[6] % len(DENIALS[denied])])
    parts.append(_fill(core, choice[7:10]))
    if has["closer"]:
        parts.append(CLOSERS[choice[10] % len(CLOSERS)])
    text = " ".join(parts)
    return text.lower() if has["lower_case"] else text


def _fill(sentence: str, choice: Codes) -> str:
    """Fill the gaps of a sentence and begin it with a capital."""
    if "{" in sentence:
        sentence = sentence.format(
            item=ITEMS[choice[0] % len(ITEMS)],
            when=WHEN[choice[1] % len(WHEN)],
            n=NUMBERS[choice[2] % len(NUMBERS)],
        )
    return sentence[0].upper() + sentence[1:]


def _sign(text: str, choice: Codes) -> str:
    contact = CONTACTS[choice[11] % len(CONTACTS)]
    name = FIRST_NAMES[choice[11] // len(CONTACTS) % len(FIRST_NAMES)]
    return f"{text} {contact.format(name=name, n=choice[11] % 100)}"


def _misspell(text: str, places: Floats) -> str:
    """Make one typing error per row of `places`: where (first number) and of which sort (second).

    Examples
    --------
    >>> [_misspell("slow", np.array([[0.0, sort]])) for sort in (0.0, 0.3, 0.6, 0.9)]
    ['lsow', 'low', 'sslow', 'dlow']
    """
    for place, sort in places:
        inside = [match.start() for match in LETTER_BEFORE_LETTER.finditer(text)]
        at = inside[int(place * len(inside))]
        here, following = text[at], text[at + 1]
        if sort < 0.25 and here != following:
            typed = following + here
        elif sort < 0.5:
            typed = following
        elif sort < 0.75:
            typed = here + here + following
        else:
            typed = NEIGHBOURS.get(here.lower(), "x") + following
        text = text[:at] + typed + text[at + 2 :]
    return text
