"""Segments in plain words: paragraphs and message briefs, written by templates from tables."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import count, name_some
from segmentation._frames import is_frame, kind_of, to_pandas
from segmentation.assignment import UNASSIGNED
from segmentation.evaluation import SegmentDescription
from segmentation.exceptions import ColumnError
from segmentation.governance._cells import protect, score_groups
from segmentation.reporting._personas_result import Persona, Personas
from segmentation.reporting._personas_sources import Hint, read_affinity, read_pain_points
from segmentation.reporting._phrases import Phrases, Sentence, listing, merged, quoted

__all__ = ["personas"]

MINIMUM = 10
QUANTITIES = frozenset({"numeric", "interval"})
KINDS = QUANTITIES | {"binary", "category"}


def personas(
    description: Any,
    *,
    profile: Any = None,
    affinity: Any = None,
    pain_points: Any = None,
    owner: Any = None,
    next_action: Any = None,
    review_date: Any = None,
    names: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    money: Collection[str] = (),
    currency: str = "",
    max_items: int = 5,
    minimum: int | None = None,
) -> Personas:
    """Write a paragraph and a message brief per segment, from templates.

    Nothing is invented: every figure stands in one of the tables, and where the tables say nothing the brief says that
    it is not known. A difference is stated only where it is a marker (features) or survives Holm's correction
    (descriptors), or where the table of affinities or pain points flags it.

    Parameters
    ----------
    description : SegmentDescription, or profile table
        From `evaluation.describe_segments`; or a table from `segmentation.profile_segments`, which knows sizes and
        scores only.
    profile : dataframe, optional
        From `segmentation.profile_segments` with scores; adds what the segments are worth.
    affinity : result of `evaluation.affinity` or dataframe, optional
        What they buy more, and less, than others. A table has the columns ``segment``, ``category`` and ``direction``
        ("over" or "under"), and optionally ``share`` and ``share_rest``, and ``found`` (rows where it is false are left
        out).
    pain_points : dataframe, optional
        What hurts: columns ``segment`` and ``pain_point``, the worst first; optionally ``share`` (of the segment's
        customers). Or a mapping of segment to a list of texts.
    owner, next_action, review_date : str or date, or mapping of segment to one, optional
        One for all segments, or one for each.
    names : mapping of segment to name, optional
        What readers call the segments.
    labels : mapping of variable to text, optional
        What readers call the variables.
    money : collection of str, default=()
        Variables and scores that are amounts of money.
    currency : str, default=""
        Stands before them: "EUR".
    max_items : int, default=5
        Differences per sentence, the largest effects first; the rest is counted.
    minimum : int, optional
        Segments of fewer customers are not described, and shares of fewer are not counted out. By default that of
        `description`, else 10; 1 tells everything.

    Returns
    -------
    Personas

    Raises
    ------
    TypeError
        If `description` is neither, or a table is none.
    ColumnError
        If a table lacks a column.
    ValueError
        If a mapping names a segment that is not there, or a date is none.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.evaluation import describe_segments
    >>> from segmentation.reporting import personas
    >>> ids = pd.RangeIndex(100, name="customer_id")
    >>> sport = pd.DataFrame({"sport": [1] * 45 + [0] * 55}, index=ids)
    >>> segments = pd.Series(["active"] * 60 + ["calm"] * 40, index=ids)
    >>> found = personas(describe_segments(segments, sport), owner={"active": "Ada"})
    >>> print(found["active"])
    active
      “active” has 60 customers, 60.0 % of all. More than all customers: “sport” for 75.0 % (all customers: 45.0 %).
      Who they are: Not known: no descriptors were given.
      What sets them apart: More than all customers: “sport” for 75.0 % (all customers: 45.0 %).
      What hurts: Not known: no pain points were given.
      What to offer: Not known: no affinities were given.
      What to avoid: Nothing known: no share that lies below that of all customers is a marker.
      Owner: Ada
    """
    sizes, described, scores, whole = _sources(description, profile)
    segments = [str(segment) for segment in sizes.index]
    if minimum is None:
        minimum = int(described.settings["minimum"]) if described is not None else MINIMUM
    for name, value in (("max_items", max_items), ("minimum", minimum)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}.")
    if isinstance(money, str):
        raise TypeError(f"money must be a collection of names such as [{money!r}], got the text {money!r}.")
    called = _per_segment("names", names, segments)
    tasks = {
        "owner": _per_segment("owner", owner, segments),
        "next_action": _per_segment("next_action", next_action, segments),
        "review_date": {one: _day(day) for one, day in _per_segment("review_date", review_date, segments).items()},
    }
    phrases = Phrases(
        {str(name): str(label) for name, label in (labels or {}).items()}, frozenset(money), str(currency), int(minimum)
    )
    bought = read_affinity(affinity, segments)
    hurting = read_pain_points(pain_points, segments)
    hidden = _hidden(sizes, whole, int(minimum))
    told = []
    counts: Any = sizes["n_customers"]
    shares: Any = sizes["share"]
    for segment in segments:
        name = str(called.get(segment, segment))
        n = int(counts[segment])
        given = {task: values.get(segment) for task, values in tasks.items()}
        if n < minimum:
            short = "has no customers" if not n else f"has fewer than {count(int(minimum), 'customer')}"
            text = f"{quoted(name)} {short}: too few to describe a group without describing persons."
            told.append(Persona(segment, name, (Sentence(text if n else f"{quoted(name)} {short}."),), {}, **given))
            continue
        brief = _brief(segment, described, bought, hurting, phrases, max_items)
        size = (
            Sentence(f"The size of {quoted(name)} is withheld: it would give away that of a smaller segment.")
            if hidden[segment]
            else phrases.size(segment, name, n, float(shares[segment]))
        )
        worth = [] if hidden[segment] or scores is None else _worth(segment, scores, phrases)
        known = [brief[part] for part in ("values", "avoid", "who") if brief[part].facts]
        told.append(Persona(segment, name, (size, *worth, *known), brief, **given))
    settings = {
        "n_segments": len(segments),
        "minimum": int(minimum),
        "max_items": int(max_items),
        "currency": str(currency),
        "money": sorted(str(one) for one in money),
        "names": dict(called),
        "labels": dict(phrases.labels),
        "description": None if described is None else _settings(described, whole, int(minimum)),
    }
    few = 0 < whole < minimum
    notes = _warnings(described, whole, few=few, withheld=few or any(hidden.values()))
    return Personas(tuple(told), settings, notes)


def _sources(
    description: Any, profile: Any
) -> tuple[pd.DataFrame, SegmentDescription | None, pd.DataFrame | None, int]:
    """Return sizes, the description, the profile and how many customers are in no segment."""
    scores = _profile_table(profile) if profile is not None else None
    if isinstance(description, SegmentDescription):
        sizes = description.sizes.set_axis(description.sizes.index.map(str), axis=0)
        if scores is not None:
            lacking = [one for one in sizes.index if one not in scores.index]
            if lacking:
                raise ValueError(f"profile has no row for {name_some(lacking)}: is it of the same assignment?")
        return sizes, description, scores, int(description.settings["n_unassigned"])
    if not is_frame(description):
        raise TypeError(
            "description must come from describe_segments, or be a table from profile_segments; got "
            f"{kind_of(description)}."
        )
    table = _profile_table(description)
    rest = int(table["n_customers"].get(UNASSIGNED, 0))
    table = table.drop(index=[UNASSIGNED], errors="ignore")
    return table[["n_customers", "share"]], None, table if scores is None else scores, rest


def _profile_table(profile: Any) -> pd.DataFrame:
    if not is_frame(profile):
        raise TypeError(f"profile must be a table from profile_segments, got {kind_of(profile)}.")
    table = to_pandas(profile)
    if "segment" in table.columns:
        table = table.set_index("segment")
    lacking = [name for name in ("n_customers", "share") if name not in table.columns]
    if lacking:
        raise ColumnError(f"a profile has columns n_customers and share; {name_some(lacking)} not there.")
    if table[["n_customers", "share"]].isna().to_numpy().any():
        raise ColumnError("the profile has segments without a size: give the one before small cells were blanked.")
    return table.set_axis(table.index.map(str), axis=0)


def _per_segment(what: str, given: Any, segments: Sequence[str]) -> dict[str, Any]:
    """Return one value per segment, from a mapping or one for all."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        if what == "names":
            raise TypeError(f"names must be a mapping of segment to name, got {kind_of(given)}.")
        return dict.fromkeys(segments, given if what == "review_date" else str(given))
    unknown = [one for one in given if str(one) not in segments]
    if unknown:
        raise ValueError(f"{what} names {name_some(unknown)}; the segments are {name_some(segments)}.")
    return {
        str(one): value if what == "review_date" else str(value) for one, value in given.items() if value is not None
    }


def _day(day: Any) -> str:
    if isinstance(day, dt.datetime | pd.Timestamp):
        return day.date().isoformat()
    if isinstance(day, dt.date):
        return day.isoformat()
    try:
        return dt.date.fromisoformat(str(day)).isoformat()
    except ValueError as error:
        raise ValueError(f"review_date must be a date, or text such as 2026-03-31; got {day!r}.") from error


def _hidden(sizes: pd.DataFrame, rest: int, minimum: int) -> dict[str, bool]:
    """Say which sizes stay untold, so that no small one can be computed from the others."""
    counts = np.append(sizes["n_customers"].to_numpy(dtype=np.float64), rest)
    hide = protect(counts, minimum)
    return dict(zip(map(str, sizes.index), hide[:-1].tolist(), strict=True))


def _worth(segment: str, scores: pd.DataFrame, phrases: Phrases) -> list[Sentence]:
    row: dict[str, Any] = {str(name): value for name, value in scores.loc[segment].items()}
    return [
        phrases.score(segment, score, row)
        for score in score_groups(list(scores.columns))
        if row[f"{score}_mean"] == row[f"{score}_mean"] and row[f"{score}_n"] >= phrases.minimum
    ]


def _brief(
    segment: str,
    described: SegmentDescription | None,
    bought: Mapping[str, list[Hint]] | None,
    hurting: Mapping[str, list[Hint]] | None,
    phrases: Phrases,
    max_items: int,
) -> dict[str, Sentence]:
    above = below = fewer = None
    if described is not None:
        # a share below that of all is a message to avoid; a low mean, such as of purchases, is how they are
        above = _markers(segment, described, phrases, max_items, 1, KINDS)
        fewer = _markers(segment, described, phrases, max_items, -1, QUANTITIES)
        below = _markers(segment, described, phrases, max_items, -1, KINDS - QUANTITIES)
    unknown = Sentence("Not known: only a profile was given, and it does not say which differences are worth stating.")
    if described is None:
        who = unknown
    elif not len(described.descriptors):
        who = Sentence("Not known: no descriptors were given.")
    else:
        who = _who(segment, described, phrases, max_items)
    apart = [sentence for sentence in (above, fewer) if sentence is not None]
    nothing_apart = Sentence(
        "Nothing known: no mean of this segment is a marker, and no share that lies above that of all customers."
    )
    nothing_below = "no share that lies below that of all customers is a marker"
    return {
        "who": who,
        "values": unknown if described is None else merged(apart) if apart else nothing_apart,
        "hurts": _hints("Not known: no pain points were given.", "They say:", hurting, segment, max_items),
        "offer": _hints(
            "Not known: no affinities were given.", "They buy more than others:", bought, segment, max_items
        ),
        "avoid": _avoid(segment, below, bought, nothing_below, max_items, known=described is not None),
    }


def _markers(
    segment: str, described: SegmentDescription, phrases: Phrases, max_items: int, sign: int, kinds: frozenset[str]
) -> Sentence | None:
    table = described.table
    rows = table[(table["segment"].astype(str) == segment) & table["marker"] & (table["difference"] * sign > 0)]
    rows = rows[rows["kind"].isin(kinds)]
    lead = "More than all customers:" if sign > 0 else "Less than all customers:"
    return _listed("table", segment, rows, "total", lead, phrases, max_items)


def _who(segment: str, described: SegmentDescription, phrases: Phrases, max_items: int) -> Sentence:
    table = described.contrasts.rename(columns={"descriptor": "variable"})
    rows = table[(table["segment"].astype(str) == segment) & table["differs"]]
    # what they are not is said by what they are: the shares of levels add up to all
    rows = rows[(rows["kind"] != "category") | (rows["difference"] > 0)]
    found = _listed("contrasts", segment, rows, "rest", "Unlike other customers:", phrases, max_items)
    return found or Sentence("Not known: no descriptor of this segment differs from other customers beyond chance.")


def _listed(
    source: str, segment: str, rows: pd.DataFrame, against: str, lead: str, phrases: Phrases, max_items: int
) -> Sentence | None:
    rows = rows[rows["n"] >= phrases.minimum].sort_values("effect", key=lambda one: -one.abs(), kind="stable")
    if not len(rows):
        return None
    items = [
        phrases.item(source, segment, {str(name): value for name, value in row.items()}, against)
        for row in rows.head(max_items).to_dict("records")
    ]
    return listing(lead, items, max(0, len(rows) - max_items))


def _hints(unknown: str, lead: str, given: Mapping[str, list[Hint]] | None, segment: str, max_items: int) -> Sentence:
    if given is None:
        return Sentence(unknown)
    found = [hint for hint in given.get(segment, []) if hint.direction == "over"]
    if not found:
        return Sentence("Nothing known: the table given flags nothing for this segment.")
    return listing(lead, [(hint.text, hint.facts) for hint in found[:max_items]], max(0, len(found) - max_items))


def _avoid(
    segment: str,
    below: Sentence | None,
    bought: Mapping[str, list[Hint]] | None,
    nothing: str,
    max_items: int,
    *,
    known: bool,
) -> Sentence:
    less = [hint for hint in (bought or {}).get(segment, []) if hint.direction == "under"]
    if less:
        more = max(0, len(less) - max_items)
        bought_less = listing("They buy less than others:", [(one.text, one.facts) for one in less[:max_items]], more)
        if below is None:
            return bought_less
        return merged([below, bought_less])
    if below is not None:
        return below
    return Sentence(f"Nothing known: {nothing}." if known else "Not known: no description was given.")


def _settings(described: SegmentDescription, rest: int, minimum: int) -> dict[str, Any]:
    """Return the settings of the description, a handful of unassigned customers not counted out."""
    return {**described.settings, "n_unassigned": None if 0 < rest < minimum else rest}


def _warnings(described: SegmentDescription | None, rest: int, *, few: bool, withheld: bool) -> tuple[str, ...]:
    notes = [
        "differences are of groups: they say nothing about the single customer, and nothing about causes.",
        *(text for text in (described.warnings if described is not None else ()) if not (few and UNASSIGNED in text)),
    ]
    if described is None and rest and not few:
        notes.append(f"{count(rest, 'customer')} in no segment.")
    if withheld:
        notes.append("sizes of small segments, and what would give them away, are withheld.")
    return tuple(notes)
