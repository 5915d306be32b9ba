"""Which segment of a new segmentation goes on with which one of an old segmentation."""

from __future__ import annotations

import numbers
from collections.abc import Collection
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some, percent
from segmentation.assignment import as_assignment
from segmentation.exceptions import AssignmentError, CustomerTableError
from segmentation.monitoring._match_centres import evidence_of_centres, feature_values
from segmentation.monitoring._match_events import Events, events_of
from segmentation.monitoring._match_evidence import Evidence, count_pairs, evidence_of_customers
from segmentation.monitoring._match_names import carry_on
from segmentation.monitoring._match_result import SegmentMatch
from segmentation.monitoring._match_tables import event_table, new_table, old_table

__all__ = ["check_numbers", "match_assignments", "match_segments", "segment_codes"]

By = Literal["auto", "customers", "centres"]
# From so many of the smaller table's customers on, "auto" follows customers rather than centres.
ENOUGH_SHARED = 0.5
# A segment that only grew, or only shrank, has this Jaccard coefficient when it is five times as large as before, or a
# fifth. Beyond that a name would promise more than it can keep.
FIVEFOLD = 0.2
# Below so many compared customers, segments of a few people cannot be told from chance.
FEW = 50


def match_segments(
    old: Any,
    new: Any,
    *,
    by: By = "auto",
    features_old: Any = None,
    features_new: Any = None,
    min_jaccard: float = FIVEFOLD,
    alpha: float = 0.01,
) -> SegmentMatch:
    """Say which segments were continued, renamed, split, merged, born or died, and carry names and codes over.

    Parameters
    ----------
    old, new : assignment tables or Series of segment names, indexed by customer
        From `assign`. To compare definitions alone, give the assignments of the same customers by two models.
    by : {"auto", "customers", "centres"}, default="auto"
        "customers": count who is in both. "centres": for tables of different customers; needs the features. "auto":
        by customers if no features are given, or if at least half of the smaller table's customers stand in both.
    features_old, features_new : dataframe, optional
        Numeric features of the customers, the same columns in both.
    min_jaccard : float in (0, 1], default=0.2
        Smallest Jaccard coefficient of a pair that goes on under one id; 0.2 is that of a segment that kept everybody
        and grew fivefold.
    alpha : float in (0, 1), default=0.01
        Chance of calling any pair related where the two segmentations have nothing to do with each other.

    Returns
    -------
    SegmentMatch
        ``table`` with one row per event and its evidence, ``names``, ``codes``, ``relabel(assignment)``, ``colours()``.

    Raises
    ------
    AssignmentError, CustomerTableError, ColumnError, ValueError
        If a table is none or empty, no customer stands in both and there are no features, or features lack customers,
        columns or values.

    Notes
    -----
    Two segments are *related* if they share more customers than the sizes alone would give, by the hypergeometric
    distribution, with the p-values of all pairs adjusted after Holm; so a large segment is not the successor of another
    just because both are large. Related segments of which one has more than half of the other, with a Jaccard
    coefficient of at least `min_jaccard`, are paired one to one such that as many customers as possible keep their
    segment (an assignment problem): *continued*, or *renamed* if the names differ. A new segment that carries no id on
    and of which more than two thirds come from one old segment is a part of its *split*; an old one whose id is not
    carried on and of which more than two thirds go to one new segment is *merged* into it; both only where the parts
    together are at least half of the whole. In a split or a merger an id goes on only with a Jaccard coefficient above
    one half, which no second segment can have [1]_. A segment that carries an id on is itself called split (or merged)
    where the other parts are a tenth of it or more. Without a
    counterpart an old segment *died*, a new one was *born*. A name or code that died is never given to another.
    A segment dies once: one that had no customers in `old` already is *retired*, in ``old`` and in no event.

    Customers in no segment are counted in the sizes, and are no counterpart. Where all groups are the same in both,
    they continue, however few the customers are.

    By centres, every customer has a segment in the own table and the nearest centre of the other (columns scaled by
    their standard deviation over both tables); the overlap must be beyond chance in both tables, and the centres at
    most two standard deviations (of the wider segment) apart along the line that joins them, the distance up to which
    two equal normal groups have a single peak.

    References
    ----------
    .. [1] Hennig (2008), Dissolution point and isolation robustness, J. Multivariate Analysis 99(6),
       doi:10.1016/j.jmva.2007.07.002.
    .. [2] Spiliopoulou, Ntoutsi, Theodoridis, Schult (2006), MONIC: modeling and monitoring cluster transitions, KDD,
       doi:10.1145/1150402.1150491.
    .. [3] Holm (1979), A simple sequentially rejective multiple test procedure, Scand. J. Statistics 6(2).

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.monitoring import match_segments
    >>> ids = pd.RangeIndex(100, name="customer_id")
    >>> old = pd.Series(["loyal"] * 50 + ["new"] * 50, index=ids)
    >>> new = pd.Series(["segment_2"] * 48 + ["segment_1"] * 52, index=ids)
    >>> match = match_segments(old, new)
    >>> match.names
    {'segment_1': 'new', 'segment_2': 'loyal'}
    >>> match.relabel(new)["segment"].value_counts().to_dict()
    {'new': 52, 'loyal': 48, 'unassigned': 0}
    """
    check_numbers(min_jaccard, alpha)
    if by not in ("auto", "customers", "centres"):
        raise ValueError(f"by must be 'auto', 'customers' or 'centres', got {by!r}.")
    if (features_old is None) != (features_new is None):
        raise ValueError("features_old and features_new go together: give both or neither.")
    before, after = as_assignment(old), as_assignment(new)
    for name, table in (("old", before), ("new", after)):
        if not len(table):
            raise CustomerTableError(f"{name} has no customers: there is nothing to match.")
    notes: list[str] = []
    shared = before.index.intersection(after.index)
    chosen = _choose(by, len(shared), min(len(before), len(after)), features_old is not None, notes)
    if chosen == "customers":
        if not len(shared):
            raise AssignmentError(
                f"old and new have no customer in common: ids {name_some(before.index)} and {name_some(after.index)}. "
                "Give features_old and features_new to compare centres, or assign the new customers by the old model."
            )
        evidence = _by_customers(before, after, shared, alpha)
        left_out = (len(before) - len(shared), len(after) - len(shared))
        if any(left_out):
            notes.append(
                f"{left_out[0]:,} of {count(len(before), 'old customer')} and {left_out[1]:,} of "
                f"{count(len(after), 'new one')} stand in one table only and are not compared."
            )
    else:
        evidence = _by_centres(before, after, features_old, features_new, alpha)
    settings = {"by": chosen, "min_jaccard": float(min_jaccard), "alpha": float(alpha)}
    return match_assignments(before, after, evidence, settings, notes)


def check_numbers(min_jaccard: Any, alpha: Any) -> None:
    """Raise ValueError unless both are shares."""
    for name, value, closed in (("min_jaccard", min_jaccard, True), ("alpha", alpha, False)):
        number = isinstance(value, numbers.Real) and not isinstance(value, bool)
        if not number or not 0 < value <= 1 or (value == 1 and not closed):
            raise ValueError(f"{name} must be a number in (0, 1{']' if closed else ')'}, got {value!r}.")


def _choose(by: str, n_shared: int, smaller: int, has_features: bool, notes: list[str]) -> str:
    """Settle what is compared."""
    if by == "centres" and not has_features:
        raise ValueError("by='centres' needs features_old and features_new: the tables the segments were made from.")
    if by != "auto" or not has_features:
        return "customers" if by == "auto" else by
    if smaller and n_shared >= ENOUGH_SHARED * smaller:
        return "customers"
    notes.append(
        f"only {count(n_shared, 'customer stands', 'customers stand')} in both tables "
        f"({percent(n_shared / max(smaller, 1))} of the smaller one), so centres are compared; by='customers' follows "
        "those few."
    )
    return "centres"


def segment_codes(table: pd.DataFrame) -> tuple[NDArray[np.int64], list[str]]:
    """Return the codes (-1: in none) and names of a valid assignment."""
    names = [str(name) for name in table["segment"].cat.categories[:-1]]
    codes = table["segment"].cat.codes.to_numpy(dtype=np.int64)
    return np.where(codes == len(names), -1, codes), names


def _by_customers(before: pd.DataFrame, after: pd.DataFrame, shared: pd.Index, alpha: float) -> Evidence:
    first, old = segment_codes(before.loc[shared])
    second, new = segment_codes(after.loc[shared])
    return evidence_of_customers(count_pairs(first, second, len(old), len(new)), alpha)


def _by_centres(
    before: pd.DataFrame, after: pd.DataFrame, features_old: Any, features_new: Any, alpha: float
) -> Evidence:
    first, old = segment_codes(before)
    second, new = segment_codes(after)
    values_old = feature_values(features_old, before, None, "features_old")
    values_new = feature_values(features_new, after, list(values_old.columns), "features_new")
    sizes = (len(old), len(new))
    return evidence_of_centres(first, second, values_old.to_numpy(), values_new.to_numpy(), sizes, alpha)


def match_assignments(
    before: pd.DataFrame,
    after: pd.DataFrame,
    evidence: Evidence,
    settings: dict[str, Any],
    notes: list[str],
    *,
    keep_new_names: bool = False,
    settled: bool = False,
    gone: Collection[str] | None = None,
) -> SegmentMatch:
    """Turn evidence into the result.

    With `settled` a segment is renamed only if it does not carry its name on. `gone` are the old segments that were
    retired before, by default those without customers.
    """
    first, old = segment_codes(before)
    second, new = segment_codes(after)
    events = events_of(evidence, settings["min_jaccard"])
    n_old, n_new = (
        np.bincount(first[first >= 0], minlength=len(old)),
        np.bincount(second[second >= 0], minlength=len(new)),
    )
    _continue_empty(events, evidence, old, new, gone or ())
    carried = carry_on(old, new, events.successor, keep_new_names=keep_new_names)
    retired = [i for i, name in enumerate(old) if (not n_old[i] if gone is None else name in gone)]
    _retire(events, retired, carried.codes)
    called = list(carried.names) if settled else new
    settings = {
        **settings,
        "n_old": len(before),
        "n_new": len(after),
        "n_compared": evidence.n_compared,
        "n_unassigned_old": int((first < 0).sum()),
        "n_unassigned_new": int((second < 0).sum()),
    }
    if evidence.n_compared < FEW:
        notes.append(
            f"{count(evidence.n_compared, 'customer was', 'customers were')} compared: segments of a few customers "
            "cannot be told from chance, and count as died and born unless all groups are the same."
        )
    return SegmentMatch(
        event_table(events, evidence, carried, old, new, called, n_old, n_new),
        old_table(events, evidence, old, new, called, n_old),
        new_table(events, evidence, carried, old, new, called, n_new),
        evidence.table(old, new),
        carried.segments,
        settings,
        tuple(notes),
    )


def _retire(events: Events, retired: list[int], codes: tuple[int, ...]) -> None:
    """Say of segments that died before that they are retired, or that they have returned under their old name."""
    for i in retired:
        if events.event_old[i] != "died":
            continue
        events.event_old[i] = "retired"
        if i in codes:
            j = codes.index(i)
            events.successor[i] = j
            events.event_old[i] = "returned"
            events.links.append((i, j, "returned"))
            if events.event_new[j] == "born":
                events.event_new[j] = "returned"


def _continue_empty(events: Events, evidence: Evidence, old: list[str], new: list[str], gone: Collection[str]) -> None:
    """Let segments without customers before and after go on by their name, all that there is of them."""
    for i, name in enumerate(old):
        if evidence.sizes_old[i] or name not in new or name in gone:
            continue
        j = new.index(name)
        if not evidence.sizes_new[j]:
            events.successor[i] = j
            events.event_old[i] = events.event_new[j] = "continued"
            events.links.append((i, j, "continued"))
