"""How scores, exclusions and human overrides become one priority list."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from segmentation._format import column_difference, name_some, nearest
from segmentation._frames import is_pandas, kind_of
from segmentation.assignment import UNASSIGNED
from segmentation.exceptions import ColumnError, OutputError, SegmentationWarning

__all__ = ["Override", "candidate_segments", "check_profile", "rank_segments", "valid_overrides"]


class Override(NamedTuple):
    """A human judgement about one segment, kept visible in the priority list.

    Attributes
    ----------
    priority : int or None
        Place in the list, 1 = first; None excludes the segment.
    reason : str
        Why.
    expires : date or ISO text, optional
        Last day on which it holds; without one it holds until it is taken out.
    """

    priority: int | None
    reason: str
    expires: str | dt.date | None = None


def check_profile(profile: Any) -> pd.DataFrame:
    """Return the profile, its index named ``segment``, or say what keeps it from being one."""
    if not is_pandas(profile):
        raise TypeError(
            f"prioritize takes a profile (a pandas DataFrame from profile_segments), got {kind_of(profile)}."
        )
    if "n_customers" not in profile.columns:
        raise ColumnError(
            f"a profile has a column 'n_customers'; this table has {name_some(profile.columns, 12)}. "
            "segmentation.profile_segments(assignment, scores=...) makes a profile."
        )
    if not profile.index.is_unique or profile.index.isna().any():
        repeated = profile.index[profile.index.duplicated()].unique()
        raise ColumnError(f"a profile has one row per segment; repeated or missing: {name_some(repeated)}.")
    return profile.rename_axis(index="segment")


def candidate_segments(profile: Any) -> pd.DataFrame:
    """Return the rows that the hooks of a prioritizer see: neither empty, blanked nor unassigned."""
    checked = check_profile(profile)
    return checked.drop(index=list(_always_excluded(checked)))


def rank_segments(prioritizer: Any, profile: pd.DataFrame, overrides: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """Rank the segments of a profile with the hooks of a prioritizer; see ``Prioritizer.prioritize``."""
    profile = check_profile(profile)
    try:
        return _rank(prioritizer, profile, overrides)
    except KeyError as error:
        name = error.args[0] if error.args else None
        if isinstance(name, str) and name not in profile.columns and name not in profile.index:
            who = type(prioritizer).__name__
            raise ColumnError(f"{who} needs a column; {column_difference([name], list(profile.columns))}.") from error
        raise


def _rank(prioritizer: Any, profile: pd.DataFrame, overrides: Mapping[str, Any] | None) -> pd.DataFrame:
    places = valid_overrides(overrides or {}, profile)
    nobody = _always_excluded(profile)
    candidates = profile.drop(index=list(nobody))
    exclusions = prioritizer._exclusions(candidates)
    if not isinstance(exclusions, Mapping):
        raise OutputError(
            f"{type(prioritizer).__name__}: _exclusions must return a mapping of segment to reason, "
            f"got {kind_of(exclusions)}."
        )
    unknown = [name for name in exclusions if name not in candidates.index]
    if unknown:
        raise OutputError(
            f"{type(prioritizer).__name__}: _exclusions names {name_some(unknown)}, which the profile does not have."
        )
    excluded = {name: exclusions[name] for name in candidates.index if name in exclusions}
    eligible = candidates.drop(index=list(exclusions))
    scores, reasons = _scored(prioritizer, eligible)
    missing = [name for name in eligible.index if np.isnan(scores[name])]
    excluded |= dict.fromkeys(missing, "no priority score: a value it rests on is missing")
    excluded |= nobody
    order = _ordered(eligible.drop(index=missing), scores, reasons)
    order, reasons = _place(order, reasons, excluded, places)
    last = sorted(excluded, key=lambda name: (name in nobody, name == UNASSIGNED))
    table = pd.DataFrame(
        {
            "priority": pd.array([*range(1, len(order) + 1), *[pd.NA] * len(last)], dtype="Int64"),
            "priority_score": [scores.get(name, np.nan) for name in order] + [np.nan] * len(last),
            "reason": [reasons[name] for name in order] + [excluded[name] for name in last],
        },
        index=pd.Index([*order, *last], name="segment", dtype=profile.index.dtype),
    )
    return table.astype({"priority_score": np.float64})


def _always_excluded(profile: pd.DataFrame) -> dict[Any, str]:
    """Empty segments, then the customers in no segment: nobody, and nothing, to act on."""
    size, named = profile["n_customers"], profile.index != UNASSIGNED
    reasons = dict.fromkeys(profile.index[(size == 0).fillna(False) & named], "excluded: no customers")
    # a profile for publication has the figures of small segments blanked
    reasons |= dict.fromkeys(profile.index[size.isna() & named], "excluded: its size is not shown")
    if UNASSIGNED in profile.index:
        reasons[UNASSIGNED] = "excluded: customers in no segment"
    return reasons


def _scored(prioritizer: Any, eligible: pd.DataFrame) -> tuple[dict[Any, float], dict[Any, str]]:
    """Call the two scoring hooks on the segments that can be acted on."""
    if not len(eligible):
        return {}, {}
    who = type(prioritizer).__name__
    scores = np.asarray(prioritizer._priority_scores(eligible))
    if scores.shape != (len(eligible),) or scores.dtype.kind not in "fiub":
        raise OutputError(
            f"{who}: _priority_scores must return one number per segment, shape ({len(eligible)},); "
            f"got {scores.dtype} of shape {scores.shape}."
        )
    scores = scores.astype(np.float64)
    given = prioritizer._reasons(eligible, scores)
    reasons = [str(reason) for reason in given] if isinstance(given, Iterable) and not isinstance(given, str) else []
    if len(reasons) != len(eligible):
        raise OutputError(f"{who}: _reasons must return one text per segment ({len(eligible)}), got {given!r}.")
    names = list(eligible.index)
    return dict(zip(names, scores.tolist(), strict=True)), dict(zip(names, reasons, strict=True))


def _ordered(eligible: pd.DataFrame, scores: dict[Any, float], reasons: dict[Any, str]) -> list[Any]:
    """Sort by score; equal scores by size, then by name, and say so in the reason."""
    size = eligible["n_customers"]
    order = sorted(eligible.index, key=lambda name: (-scores[name], -size[name], str(name)))
    for name in order:
        tied = [other for other in order if other != name and scores[other] == scores[name]]
        if tied:
            reasons[name] += f"; equal score with {name_some(tied)}: larger segment first, then by name"
    return order


def _place(
    order: list[Any], reasons: dict[Any, str], excluded: dict[Any, str], places: dict[Any, Override]
) -> tuple[list[Any], dict[Any, str]]:
    """Put overridden segments where people want them; the others keep their order around them."""
    computed = {name: f"computed priority {i}" for i, name in enumerate(order, start=1)}
    computed |= {name: f"otherwise {reason}" for name, reason in excluded.items()}
    wanted: dict[int, Any] = {}
    for name, override in places.items():
        until = f" until {override.expires}" if override.expires is not None else ""
        text = f"override{until}: {override.reason} ({computed[name]})"
        if override.priority is None:
            excluded[name] = text
        else:
            excluded.pop(name, None)
            wanted[override.priority] = name
            reasons[name] = text
    rest = iter([name for name in order if name not in places])
    n_ranked = sum(1 for name in order if name not in places) + len(wanted)
    beyond = [place for place in wanted if place > n_ranked]
    if beyond:
        raise ValueError(
            f"override priorities must lie in 1..{n_ranked} (the segments that are ranked), got {name_some(beyond)}."
        )
    return [wanted[i] if i in wanted else next(rest) for i in range(1, n_ranked + 1)], reasons


def valid_overrides(overrides: Mapping[str, Any], profile: pd.DataFrame) -> dict[Any, Override]:
    """Check overrides and leave out those that have expired, with a warning."""
    if not isinstance(overrides, Mapping):
        raise TypeError(f"overrides must be a mapping of segment to (priority, reason), got {kind_of(overrides)}.")
    valid: dict[Any, Override] = {}
    for name, given in overrides.items():
        if name not in profile.index:
            close = nearest(name, profile.index)
            raise ValueError(
                f"override for {name!r}, which the profile does not have: {name_some(profile.index)}."
                f"{f' Did you mean {name_some(close)}?' if close else ''}"
            )
        if not isinstance(given, tuple) or not 2 <= len(given) <= 3:
            raise ValueError(
                f"override for {name!r} must be (priority, reason) or (priority, reason, expires), got {given!r}."
            )
        override = Override(*given)
        if override.expires is not None:
            last_day = _as_date(override.expires, name)
            override = override._replace(expires=last_day)
            if last_day < dt.date.today():
                warnings.warn(
                    f"the override for {name!r} expired on {last_day} and is ignored; renew it or take it out.",
                    SegmentationWarning,
                    stacklevel=5,
                )
                continue
        _check_place(name, override, valid)
        valid[name] = override
    return valid


def _check_place(name: Any, override: Override, others: dict[Any, Override]) -> None:
    place = override.priority
    if not isinstance(override.reason, str) or not override.reason.strip():
        raise ValueError(f"override for {name!r} needs a reason in words, got {override.reason!r}.")
    if place is None:
        return
    if isinstance(place, bool) or not isinstance(place, int | np.integer) or place < 1:
        raise ValueError(f"override for {name!r}: priority must be an integer >= 1 or None, got {place!r}.")
    same = [other for other, held in others.items() if held.priority == place]
    if same:
        raise ValueError(f"overrides for {name!r} and {same[0]!r} both ask for priority {place}.")


def _as_date(value: Any, name: Any) -> dt.date:
    if isinstance(value, dt.datetime) and not pd.isna(value):  # pandas.NaT is a datetime that has no date
        return value.date()
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    try:
        return dt.date.fromisoformat(str(value))
    except ValueError as error:
        raise ValueError(
            f"override for {name!r}: expires must be a date or ISO text such as '2027-03-31', got {value!r}."
        ) from error
