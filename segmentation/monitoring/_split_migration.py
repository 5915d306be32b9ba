"""Customers who moved, and definitions that moved."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some
from segmentation._frames import is_frame
from segmentation.assignment import UNASSIGNED
from segmentation.compose import assign
from segmentation.exceptions import AssignmentError, CustomerTableError
from segmentation.monitoring._match import match_segments
from segmentation.monitoring._match_names import are_numbered
from segmentation.monitoring._match_result import SegmentMatch
from segmentation.monitoring._migration_input import values_of
from segmentation.monitoring._refit_segmenter import ContinuedSegmenter
from segmentation.monitoring._split_migration_parts import ORDERS, Labels, causes, changed_shares, parts
from segmentation.monitoring._split_migration_result import SplitMigration

__all__ = ["split_migration"]

Order = Literal["shapley", "moved_first", "definition_first"]


def split_migration(
    model_old: Any,
    X_old: Any,
    model_new: Any,
    X_new: Any,
    *,
    match: Literal["auto", "names", "evidence"] | SegmentMatch = "auto",
    order: Order = "shapley",
    value: Any = None,
) -> SplitMigration:
    """Split the change of segments into customers who moved and definitions that moved, exactly adding up.

    Parameters
    ----------
    model_old, model_new : fitted Segmenter, or fitted Pipeline that ends in one
        Both must say something about customers they were not fitted on, and take both tables.
    X_old, X_new : dataframe of shape (n_customers, n_features)
        The customers at the two dates, with ids.
    match : {"auto", "names", "evidence"} or SegmentMatch, default="auto"
        Which segments of the two models are the same. "evidence": `match_segments` on where both models put the
        customers of `X_new`. "names": equal names. "auto": by names where `model_new` carries them on (from `refit`)
        or where they are more than numbers, else by evidence. Or a match made before.
    order : {"shapley", "moved_first", "definition_first"}, default="shapley"
        How the joint part is divided, see Notes; ``orders`` of the result has all three.
    value : Series indexed by customer, optional
        One value per customer; its total in every segment is split in the same way.

    Returns
    -------
    SplitMigration
        ``table`` per segment, ``summary``, ``flows``, ``customers`` with their cause.

    Raises
    ------
    CustomerTableError
        If a table has no ids, or no customer is at both dates.
    OutOfSampleError, TypeError, ColumnError
        As for `assign`.

    Notes
    -----
    Every customer who is there at both dates has four segments: by the old definition before and now, by the new one
    then and now. *moved_first* asks what the old definition makes of the new features (moved), then what the new
    definition changes (definition). *definition_first* asks in the other order. Where the two interact the answers
    differ; the *Shapley* value [1]_ is their mean, the only division that does not depend on the order and adds up.
    Customers who entered or left are counted as such by the mean of both definitions; that the new definition would
    have put them elsewhere than the old one is part of *definition*.

    This is accounting of the customers that were seen, not an estimate: it has no intervals, and says nothing on why
    features or definitions changed. A new definition is fitted to the new customers, so definitions also move because
    customers do: only moved_first reads as what would have happened without the refit.

    References
    ----------
    .. [1] Shorrocks (2013), Decomposition procedures for distributional analysis: a unified framework based on the
       Shapley value, J. Economic Inequality 11, doi:10.1007/s10888-011-9214-z.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.monitoring import split_migration
    >>> from segmentation.segmenters import RuleSegmenter
    >>> ids = pd.Index(["a", "b", "c", "d"], name="customer_id")
    >>> then = pd.DataFrame({"spend": [10, 10, 90, 90]}, index=ids)
    >>> now = pd.DataFrame({"spend": [10, 60, 90, 70]}, index=ids)
    >>> old = RuleSegmenter({"high": "spend >= 50", "low": "spend < 50"}).fit(then)
    >>> new = RuleSegmenter({"high": "spend >= 80", "low": "spend < 80"}).fit(now)
    >>> result = split_migration(old, then, new, now, order="moved_first")
    >>> result.table[["n_before", "moved", "definition", "n_after"]]
             n_before  moved  definition  n_after
    segment
    high          2.0    1.0        -2.0      1.0
    low           2.0   -1.0         2.0      3.0
    >>> result.customers["cause"].to_dict()
    {'a': 'stayed', 'b': 'undone', 'c': 'stayed', 'd': 'definition'}
    """
    if order not in ORDERS:
        raise ValueError(f"order must be one of {name_some(ORDERS)}, got {order!r}.")
    for name, X in (("X_old", X_old), ("X_new", X_new)):
        if not is_frame(X):
            raise CustomerTableError(
                f"{name} must be a table with customer ids, which tell who is at both dates; got {type(X).__name__}. "
                "pandas.DataFrame(X, index=ids) makes one."
            )
    before, old_now = assign(model_old, X_old), assign(model_old, X_new)
    new_then, after = assign(model_new, X_old), assign(model_new, X_new)
    n_both = len(before.index.intersection(after.index))
    if not n_both:
        raise CustomerTableError(
            f"no customer is in both tables: ids {name_some(before.index)} and {name_some(after.index)}, so nobody can "
            "have moved. Do both use the same ids?"
        )
    found, how = _match(match, model_new, old_now, after)
    names, labels, index = _labels(before, old_now, new_then, after, found)
    weights = np.ones(len(index))
    settings = {
        "order": order,
        "match": how,
        "n_old": len(before),
        "n_new": len(after),
        "n_both": n_both,
        "segments": tuple(names[:-1]),
    }
    changed, redefined = changed_shares(labels)
    text = np.array([*names, None], dtype=object)  # -1: not there
    customers = pd.DataFrame(
        {
            "before": text[labels.before],
            "old_definition_now": text[labels.old_now],
            "new_definition_then": text[labels.new_then],
            "after": text[labels.after],
            "cause": causes(labels),
        },
        index=index,
    )
    tables = {one: _table(labels, weights, names, one) for one in ORDERS}
    notes = _notes(found, labels, tables, how)
    worth = None
    if value is not None:
        worth = _table(labels, values_of(value, index, notes), names, order).rename(
            columns={"n_before": "value_before", "n_after": "value_after"}
        )
    return SplitMigration(
        tables[order],
        pd.concat(tables, names=["order"]).drop(columns=["n_before", "n_after", "change"]),
        _summary(labels, changed, redefined),
        _flows(customers, changed, redefined, labels.stays),
        customers,
        worth,
        found,
        settings,
        tuple(notes),
    )


def _match(match: Any, model_new: Any, old_now: pd.DataFrame, after: pd.DataFrame) -> tuple[SegmentMatch | None, str]:
    """Settle which segments are the same."""
    if isinstance(match, SegmentMatch):
        return match, "given"
    if match not in ("auto", "names", "evidence"):
        raise ValueError(f"match must be 'auto', 'names', 'evidence' or a SegmentMatch, got {match!r}.")
    names = [str(name) for name in after["segment"].cat.categories[:-1]]
    if match == "auto":
        continued = isinstance(model_new, ContinuedSegmenter)
        match = "names" if continued or not are_numbered(names) else "evidence"
    return (None, "names") if match == "names" else (match_segments(old_now, after), "evidence")


def _labels(
    before: pd.DataFrame, old_now: pd.DataFrame, new_then: pd.DataFrame, after: pd.DataFrame, match: SegmentMatch | None
) -> tuple[list[str], Labels, pd.Index]:
    """Bring the four assignments on common codes and customers; the unassigned are the last code."""
    if match is not None:
        unknown = [name for name in before["segment"].cat.categories[:-1] if name not in match.old.index]
        if unknown:
            raise AssignmentError(f"the match given does not know the old segments {name_some(unknown)}.")
        new_then, after = match.relabel(new_then), match.relabel(after)
    listed = [*before["segment"].cat.categories[:-1], *after["segment"].cat.categories[:-1]]
    names = [*dict.fromkeys(str(name) for name in listed), UNASSIGNED]
    index = before.index.append(after.index.difference(before.index, sort=False)).rename("customer_id")
    place = {name: code for code, name in enumerate(names)}

    def codes(table: pd.DataFrame) -> NDArray[np.int64]:
        own = table["segment"].astype(object).map(place).to_numpy(dtype=np.int64)
        position = table.index.get_indexer(index)
        return np.where(position >= 0, own[position], -1)

    return names, Labels(codes(before), codes(old_now), codes(new_then), codes(after)), index


def _table(labels: Labels, weights: NDArray[np.float64], names: list[str], order: str) -> pd.DataFrame:
    """Return the parts per segment; the row of the unassigned only where there are any at some time."""
    k = len(names)
    pieces = parts(labels, weights, k, order)
    there = labels.before >= 0
    n_before = np.bincount(labels.before[there], weights=weights[there], minlength=k)
    there = labels.after >= 0
    n_after = np.bincount(labels.after[there], weights=weights[there], minlength=k)
    table = pd.DataFrame(
        {"n_before": n_before, **pieces, "n_after": n_after, "change": n_after - n_before},
        index=pd.Index(names, name="segment", dtype=object),
    )
    nobody = not any((codes == k - 1).any() for codes in (labels.before, labels.old_now, labels.new_then, labels.after))
    return table.iloc[:-1] if nobody else table


def _summary(labels: Labels, moved: NDArray[np.float64], definition: NDArray[np.float64]) -> pd.Series[Any]:
    n, n_changed = int(labels.stays.sum()), float((moved + definition).sum())
    return pd.Series(
        {
            "n_compared": n,
            "n_changed": n_changed,
            "n_moved": moved.sum(),
            "n_definition": definition.sum(),
            "share_changed": n_changed / n,
            "share_moved": moved.sum() / n_changed if n_changed else np.nan,
            "share_definition": definition.sum() / n_changed if n_changed else np.nan,
            "n_entered": int(labels.enters.sum()),
            "n_left": int(labels.leaves.sum()),
        },
        name="summary",
    )


def _flows(
    customers: pd.DataFrame, moved: NDArray[np.float64], definition: NDArray[np.float64], stays: NDArray[np.bool_]
) -> pd.DataFrame:
    rows = customers.assign(n=1, n_moved=moved, n_definition=definition)[stays]
    rows = rows[rows["before"] != rows["after"]]
    flows = rows.groupby(["before", "after"], sort=False)[["n", "n_moved", "n_definition"]].sum().reset_index()
    return flows.sort_values(["n", "before", "after"], ascending=[False, True, True], ignore_index=True)


def _notes(match: SegmentMatch | None, labels: Labels, tables: dict[str, pd.DataFrame], how: str) -> list[str]:
    notes = []
    if how == "names":
        notes.append("segments of equal name count as the same; match='evidence' compares their customers instead.")
    if match is not None:
        lost = list(match.old.index[match.old["event"].isin(["split", "merged", "died"])])
        if lost:
            notes.append(
                f"{name_some(lost)} did not simply go on in the new definition: what went to or came from segments "
                "that only one definition knows is a change of definition here."
            )
    apart = (tables["moved_first"]["moved"] - tables["definition_first"]["moved"]).abs().max()
    if apart > 0:
        notes.append(
            f"the order matters by up to {apart:,.0f} customers in a segment: see orders for both, of which the "
            "Shapley division is the mean."
        )
    undone = int((causes(labels) == "undone").sum())
    if undone:
        notes.append(
            f"{count(undone, 'customer')} moved by the old definition and came back by the new one, and "
            f"{'counts' if undone == 1 else 'count'} as unchanged."
        )
    return notes
