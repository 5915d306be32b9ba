"""Which segments share customers, which are nearly the same, and how far two segmentations agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some
from segmentation._frames import is_frame
from segmentation.evaluation._conflicts import checked_ids, conflicts_between, conflicts_within
from segmentation.evaluation._overlap_agreement import (
    N_BOOTSTRAP,
    Segmentations,
    agreement_row,
    best_matches,
    crosstab,
    read_segmentations,
)
from segmentation.evaluation._overlap_membership import (
    Membership,
    between,
    combinations_of,
    read_membership,
    schemes_of,
)
from segmentation.evaluation._overlap_pairs import pair_table, shared_counts, soft_overlaps
from segmentation.evaluation._overlap_report import OverlapReport

__all__ = ["overlap"]

NOBODY = "(in none)"


def overlap(
    assignments_or_membership: Any,
    *,
    threshold: float = 0.5,
    near_duplicate: float = 0.8,
    contained: float = 0.95,
    level: float = 0.9,
    top: int = 20,
    exclusive: Any = None,
    ids: bool | int = False,
    random_state: Any = None,
) -> OverlapReport:
    """Say which segments share customers, which are nearly the same, and who is in conflict.

    Parameters
    ----------
    assignments_or_membership : dataframe, array, or mapping or list of assignments
        One overlapping segmentation: a table with a row per customer and a column per segment, true and false
        (`RuleSegmenter.match_table`, whose column ``segment`` is left aside) or degrees in [0, 1] (``transform``). Or
        two or more segmentations, ``{"rules": assignment, "clusters": assignment}``, each as `assign` returns it:
        they are compared over the customers that stand in all, the others are counted.
    threshold : float, default=0.5
        From which degree on a customer counts as being in a segment, in (0, 1].
    near_duplicate : float, default=0.8
        From which Jaccard coefficient on two segments are called nearly the same.
    contained : float, default=0.95
        From which share on one segment is said to lie in the other.
    level : float, default=0.9
        Level of the intervals.
    top : int, default=20
        So many exclusive combinations are kept; the rest is counted.
    exclusive : list of segments, or mapping of a name to such a list, optional
        Segments that nobody should be in two of. By default all segments of a membership form one such scheme.
    ids : bool or int, default=False
        Whether customers in conflict are named: none, all, or so many.
    random_state : int, Generator or None
        For the bootstrap of the adjusted Rand index.

    Returns
    -------
    OverlapReport
        ``table`` has one row per pair of segments (of different segmentations, named ``segmentation: segment``, where
        there are several), those that share most first:

        ``first``, ``second``, ``n_first``, ``n_second``, ``n_both``, ``n_either``
            The segments and numbers of customers.
        ``jaccard``, ``share_of_first``, ``share_of_second``
            Customers in both, as a share of those in either, in the first, in the second; each with ``_low`` and
            ``_high``. Missing where there are no such customers.
        ``near_duplicate``, ``contained``
            Whether the pair is nearly the same; which one lies in the other ("first", "second", "both" or "").
        ``soft_overlap``, ``_low``, ``_high``
            Only for degrees that are not all 0 and 1: sum of the smaller over the sum of the larger degrees of each
            customer. The other columns count customers from `threshold` on.

    Raises
    ------
    TypeError, ColumnError, AssignmentError, CustomerTableError, ValueError
        If a table is not what it should be, there is nothing to compare, or no customer is in all segmentations.

    Notes
    -----
    The figures are exact for the customers given. The intervals are for reading them as a sample of a larger base or of
    later customers: Wilson's interval for Jaccard (customers in both, of those in either) and containment, a linearised
    one for the soft overlap, a bootstrap of 500 samples of customers for the adjusted Rand index.

    Agreement of segmentations is given twice: among customers assigned in both (``ari``, ``ami``), and with
    "unassigned" as a group of its own (``ari_with_unassigned``, ``ami_with_unassigned``). Customers are in conflict
    where their two segments do not stand for each other: segments of the same name do, or, where the two have no name
    in common, those matched one to one so that most customers are in a matched pair. To move in or out of "unassigned"
    is a conflict, too.

    References
    ----------
    Hubert and Arabie (1985), adjusted Rand index, doi:10.1007/BF01908075. Vinh, Epps, Bailey (2010), adjusted mutual
    information, JMLR 11, 2837-2854. Lex et al. (2014), UpSet, doi:10.1109/TVCG.2014.2346248.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.evaluation import overlap
    >>> ids = pd.RangeIndex(5, name="customer_id")
    >>> members = pd.DataFrame({"young": [1, 1, 1, 0, 0], "urban": [0, 1, 1, 1, 0]}, index=ids).astype(bool)
    >>> print(overlap(members))
    2 segments, 5 customers: 40.0 % in two or more, 20.0 % in none; 0 pairs nearly the same (Jaccard of at least 0.8)
    first second in both Jaccard 90 % interval of first of second
    young  urban       2    0.50  0.18 to 0.82   66.7 %    66.7 %
    >>> overlap(members).intersections[["combination", "n_customers"]].values.tolist()
    [['young + urban', 2], ['young', 1], ['urban', 1], ['(in none)', 1]]
    """
    settings: dict[str, Any] = {
        "threshold": between(threshold, "threshold", ends="high"),
        "near_duplicate": between(near_duplicate, "near_duplicate", ends="high"),
        "contained": between(contained, "contained", ends="high"),
        "level": between(level, "level"),
        "top": _checked_top(top),
        "ids": ids,
    }
    limit = checked_ids(ids)
    given = assignments_or_membership
    if isinstance(given, Mapping) or (isinstance(given, Sequence) and not isinstance(given, str)):
        if exclusive is not None:
            raise ValueError("exclusive is for one overlapping segmentation; each of several is exclusive by itself.")
        return _between(read_segmentations(given), settings, limit, random_state)
    if not is_frame(given) and not isinstance(given, np.ndarray):
        raise TypeError(
            "overlap takes a table with a column per segment, or a mapping or list of assignments, "
            f"got {type(given).__name__}."
        )
    return _within(read_membership(given, settings["threshold"], fewest=2), settings, exclusive, limit)


def _checked_top(top: Any) -> int:
    if isinstance(top, bool) or not isinstance(top, int | np.integer) or top < 1:
        raise ValueError(f"top must be a whole number of at least 1, got {top!r}.")
    return int(top)


def _within(members: Membership, settings: dict[str, Any], exclusive: Any, ids: int | None) -> OverlapReport:
    """Overlap within one segmentation."""
    schemes = schemes_of(exclusive, members.names)
    pairs = list(combinations(range(len(members.names)), 2))
    table = _pairs_of(members, pairs, settings)
    conflicts, named, n_conflicts, notes = conflicts_within(members, schemes, ids)
    segments, multiplicity, intersections, rest = _sets_of(members, settings["top"])
    if members.degrees is not None:
        segments["degree_total"] = members.degrees.sum(axis=0)
    settings |= {
        "exclusive": {name: [members.names[i] for i in group] for name, group in schemes.items()},
        "n_customers": len(members.customers),
        "n_segments": len(members.names),
        "n_in_conflict": n_conflicts,
        "soft": members.degrees is not None,
        **rest,
    }
    warnings = [*members.notes, *notes, *_duplicates(table, settings)]
    return OverlapReport(
        table, segments, multiplicity, intersections, conflicts, named, None, {}, None, settings, tuple(warnings)
    )


def _between(one: Segmentations, settings: dict[str, Any], ids: int | None, random_state: Any) -> OverlapReport:
    """Overlap of the segments of several segmentations, and their agreement."""
    rng = np.random.default_rng(random_state)
    members, scheme_of = _as_membership(one)
    pairs = [(i, j) for i, j in combinations(range(len(members.names)), 2) if scheme_of[i] != scheme_of[j]]
    table = _pairs_of(members, pairs, settings)
    schemes = list(combinations(range(len(one.names)), 2))
    crosstabs = {(one.names[i], one.names[j]): crosstab(one, i, j) for i, j in schemes}
    agreement = pd.DataFrame([agreement_row(one, i, j, settings["level"], rng) for i, j in schemes])
    matches: list[dict[str, Any]] = []
    for (first, second), counts in crosstabs.items():
        matches += best_matches(counts, first, second) + best_matches(counts.T, second, first)
    conflicts, named, n_conflicts, notes, matched = conflicts_between(one, ids)
    segments, multiplicity, intersections, rest = _sets_of(members, settings["top"])
    settings |= {
        "segmentations": list(one.names),
        "n_customers": len(one.customers),
        "n_left_out": one.n_left_out,
        "n_segments": len(members.names),
        "n_in_conflict": n_conflicts,
        "matched_by": matched,
        "n_bootstrap": N_BOOTSTRAP,
        "random_state": random_state if isinstance(random_state, int | None) else "generator",
        "soft": False,
        **rest,
    }
    warnings = [*one.notes(), *notes, *_duplicates(table, settings)]
    return OverlapReport(
        table,
        segments,
        multiplicity,
        intersections,
        conflicts,
        named,
        agreement,
        crosstabs,
        pd.DataFrame(matches),
        settings,
        tuple(warnings),
    )


def _as_membership(one: Segmentations) -> tuple[Membership, NDArray[np.int64]]:
    """Put the segments of all segmentations beside each other."""
    names, scheme_of, columns = [], [], []
    for i, (scheme, segments) in enumerate(zip(one.names, one.segments, strict=True)):
        for k, segment in enumerate(segments):
            names.append(f"{scheme}: {segment}")
            scheme_of.append(i)
            columns.append(one.codes[i] == k)
    if len(set(names)) < len(names):
        repeated = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"two segments would both be called {name_some(repeated)}: rename a segmentation.")
    member = np.column_stack(columns) if columns else np.zeros((len(one.customers), 0), dtype=bool)
    return Membership(tuple(names), one.customers, member, None), np.array(scheme_of, dtype=np.int64)


def _pairs_of(members: Membership, pairs: list[tuple[int, int]], settings: dict[str, Any]) -> pd.DataFrame:
    limits = {name: settings[name] for name in ("level", "near_duplicate", "contained")}
    table = pair_table(members.names, shared_counts(members.member), pairs, **limits)
    if members.degrees is not None:
        figures = soft_overlaps(members.degrees, pairs, settings["level"])
        table["soft_overlap"], table["soft_overlap_low"], table["soft_overlap_high"] = figures
    by = ["jaccard", "n_both"] if members.degrees is None else ["jaccard", "soft_overlap"]
    return table.sort_values(by, ascending=False, kind="stable", ignore_index=True)


def _sets_of(members: Membership, top: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, int]]:
    """Return sizes, customers by number of segments, the exclusive combinations, and what `top` leaves out."""
    rows, _, counts = combinations_of(members.member)
    n, n_in = len(members.customers), rows.sum(axis=1)
    size = counts @ rows
    alone = (counts * (n_in == 1)) @ rows
    whole = np.where(size > 0, size, np.nan)
    segments = pd.DataFrame(
        {
            "segment": pd.Series(members.names, dtype=object),
            "n_customers": size,
            "share": size / n,
            "n_exclusive": alone,
            "n_shared": size - alone,
            "share_shared": (size - alone) / whole,
        }
    )
    by_number = np.bincount(n_in, weights=counts).astype(np.int64)
    multiplicity = pd.DataFrame(
        {"n_segments": np.arange(len(by_number)), "n_customers": by_number, "share": by_number / n}
    )
    # ties in the order of the segments, so that the customers' order does not matter
    order = sorted(range(len(rows)), key=lambda k: (-counts[k], *(~rows[k]).tolist()))[:top]
    sets = [tuple(members.names[j] for j in np.flatnonzero(rows[k])) for k in order]
    intersections = pd.DataFrame(
        {
            "combination": pd.Series([" + ".join(one) or NOBODY for one in sets], dtype=object),
            "segments": pd.Series(sets, dtype=object),
            "n_segments": n_in[order],
            "n_customers": counts[order],
            "share": counts[order] / n,
        }
    )
    rest = {
        "n_combinations": len(rows),
        "n_other_combinations": len(rows) - len(order),
        "n_in_other_combinations": n - int(counts[order].sum()),
    }
    return segments, multiplicity, intersections, rest


def _duplicates(table: pd.DataFrame, settings: dict[str, Any]) -> list[str]:
    """Name the pairs that are nearly the same, and those that lie in each other."""
    same = table[table["near_duplicate"]]
    notes = []
    if len(same):
        named = name_some([f"{a} / {b}" for a, b in zip(same["first"], same["second"], strict=True)])
        notes.append(
            f"{count(len(same), 'pair')} of segments nearly the same (Jaccard of at least "
            f"{settings['near_duplicate']:g}): {named}."
        )
    inside = table[(table["contained"] != "") & ~table["near_duplicate"]]
    if len(inside):
        texts = [
            f"{row['second']} in {row['first']}"
            if row["contained"] == "second"
            else f"{row['first']} in {row['second']}"
            for _, row in inside.iterrows()
        ]
        notes.append(
            f"{count(len(inside), 'segment lies', 'segments lie')} in another to {100 * settings['contained']:g} % or "
            f"more: {name_some(texts)}."
        )
    return notes
