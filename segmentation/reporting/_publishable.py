"""Results about segments over time and about feedback without figures that rest on few customers."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import count
from segmentation.governance._flow_cells import few_on_a_side, protect_flows, protect_together
from segmentation.reporting._transitions import PublishedTransitions

__all__ = [
    "Safe",
    "change_by_segment",
    "further_table",
    "is_known",
    "publishable",
    "sentences_left",
    "shown_columns",
    "title_of",
]

PACKAGES = ("segmentation.monitoring", "segmentation.feedback")
NOT_SHOWN = "not shown"
EVERYONE = "everyone"

TITLES = {
    "SegmentMatch": "What became of the segments",
    "Migration": "Who moved where",
    "MigrationHistory": "The segments over time",
    "SplitMigration": "Customers who moved, and definitions that moved",
    "DriftReport": "Which features drifted",
    "SegmentDrift": "What changed in each segment",
    "RefreshAdvice": "Keep, refit or rebuild",
    "SegmentQuality": "Missing values by segment",
    "LedgerReturns": "What the money brought",
    "Retention": "Who is still active",
    "NetPromoter": "Net promoter score",
    "Satisfaction": "Satisfaction",
    "PainPoints": "What hurts each segment",
}
# Tables shown besides the main one, and columns that tell most.
MORE = {"Migration": ("segments",), "RefreshAdvice": ("segments",), "PainPoints": ("quotes",)}
FIRST = {
    "SegmentMatch": ("event", "old", "new", "name", "n_old", "n_new", "n_both", "share_of_old", "share_of_new"),
    "DriftReport": ("feature", "segment", "drifted", "what", "p_adjusted"),
    "SegmentDrift": ("segment", "quantity", "moved", "before", "after", "change", "change_low", "change_high"),
    "SegmentQuality": ("period", "segment", "feature", "changed", "missing", "missing_low", "missing_high"),
    "LedgerReturns": ("segment", "action", "period", "cost", "outcome", "return_on_investment"),
    "PainPoints": ("segment", "theme", "feeling", "prevalence", "prevalence_others", "difference", "value_total"),
}
# Of a wide table a page shows these; the result's table has all.
SHOWN = {
    ("SegmentMatch", "table"): (
        *("event", "old", "new", "name", "n_old", "n_new", "n_both", "share_of_old", "share_of_new"),
        *("jaccard", "p_adjusted"),
    ),
}
# What a result asks its reader to do is done here.
DONE_HERE = re.compile(r"marked small")
FEEDBACK = ("NetPromoter", "Satisfaction", "PainPoints")


@dataclass(frozen=True)
class Safe:
    """What may be shown of a result.

    `tables` by their attribute, small cells blanked, and which cells these are; `picture` draws itself, None where
    nothing may be drawn; `findings` are sentences that stand in no table; `settings` replace some of the result's.
    """

    tables: Mapping[str, pd.DataFrame]
    hidden: Mapping[str, pd.DataFrame]
    picture: Any
    headline: str = ""
    findings: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def n_hidden(self) -> int:
        """How many figures are blanked."""
        return int(sum(mask.to_numpy().sum() for mask in self.hidden.values()))


def is_known(result: Any) -> bool:
    """Whether it is a result of following segments or of feedback."""
    kind = type(result)
    own = kind.__module__.startswith(PACKAGES)
    return own and (kind.__name__ in TITLES or kind.__name__ == "ChangeDecomposition")


def title_of(result: Any) -> str:
    """Return the title of its section."""
    name = type(result).__name__
    if name == "ChangeDecomposition":
        return f"What changed {result.settings['metric']}"
    inside = name == "DriftReport" and result.settings["within"]
    return f"{TITLES[name]} inside the segments" if inside else TITLES[name]


def publishable(result: Any, minimum: int) -> Safe:
    """Blank what rests on 1 to minimum - 1 customers, and what would give such a figure away.

    Parameters
    ----------
    result : object
        One that `is_known`.
    minimum : int
        0 and 1 blank nothing.
    """
    name = type(result).__name__
    if minimum < 2 or (name not in HANDLERS and name not in FEEDBACK):
        blanked = _as_it_is(result)
    else:
        blanked = _feedback(result, minimum) if name in FEEDBACK else HANDLERS[name](result, minimum)
    tables = {one: _telling_first(table, FIRST.get(name, ())) for one, table in blanked.tables.items()}
    hidden = {one: mask[list(tables[one].columns)] for one, mask in blanked.hidden.items()}
    more = _advice_in_words(result) if name == "RefreshAdvice" else ()
    return dataclasses.replace(blanked, tables=tables, hidden=hidden, findings=(*more, *blanked.findings))


def further_table(result: Any, name: str, minimum: int) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """Return another table of a result that is known, and which cells are blanked; None where that cannot be judged."""
    table = getattr(result, name)
    feedback = type(result).__name__ in FEEDBACK
    if minimum < 2 or (feedback and result.settings.get("minimum", 0) >= minimum):
        return table, _nothing(table)
    if type(result).__name__ == "Migration" and name in ("counts", "rates"):
        cells = protect_flows(result.counts.to_numpy(), minimum).cells
        return _blank(table, pd.DataFrame(cells, index=table.index, columns=table.columns))
    if feedback or "n_customers" not in table.columns:
        return None
    return _blank(table, _rows(table, protect_together([table["n_customers"].fillna(0)], minimum), _words(table)))


def _words(table: pd.DataFrame) -> tuple[str, ...]:
    """Return the columns of names."""
    return tuple(name for name in table.columns if not pd.api.types.is_numeric_dtype(table[name].dtype))


def shown_columns(result: Any, name: str, table: pd.DataFrame) -> list[Any]:
    """Return the columns of a table that a page shows."""
    return list(SHOWN.get((type(result).__name__, name), table.columns))


def sentences_left(texts: tuple[str, ...], minimum: int) -> tuple[str, ...]:
    """Return the remarks of a result without those that ask to blank small cells, where that was done."""
    return texts if minimum < 2 else tuple(text for text in texts if not DONE_HERE.search(text))


def _telling_first(table: pd.DataFrame, names: tuple[str, ...]) -> pd.DataFrame:
    leading = [name for name in names if name in table.columns]
    return table[[*leading, *(name for name in table.columns if name not in leading)]]


def _as_it_is(result: Any) -> Safe:
    names = [name for name in ("table", *MORE.get(type(result).__name__, ())) if len(getattr(result, name))]
    tables = {name: getattr(result, name) for name in names or ["table"]}
    return Safe(tables, {name: _nothing(table) for name, table in tables.items()}, result)


def _nothing(table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(np.zeros(table.shape, dtype=bool), index=table.index, columns=table.columns)


def _blank(table: pd.DataFrame, mask: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Blank the cells of a mask that hold something; return the table and which these are."""
    mask = (mask & table.notna()).astype(bool)
    columns = {}
    for name in table.columns:
        gone = mask[name].to_numpy()
        columns[name] = table[name].astype(object).where(~gone, None) if gone.any() else table[name]
    return pd.DataFrame(columns, index=table.index), mask


def _rows(table: pd.DataFrame, rows: Any, keep: tuple[str, ...] = ()) -> pd.DataFrame:
    """Return the mask that hides these rows but for the columns that say what they are about."""
    mask = _nothing(table)
    mask.loc[np.asarray(rows, dtype=bool), [name for name in table.columns if name not in keep]] = True
    return mask


def _made(parts: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]], picture: Any, **more: Any) -> Safe:
    blanked = {name: _blank(table, mask) for name, (table, mask) in parts.items()}
    tables, hidden = {name: one[0] for name, one in blanked.items()}, {name: one[1] for name, one in blanked.items()}
    safe = Safe(tables, hidden, picture, **more)
    if callable(picture):  # what is drawn depends on what is hidden
        return dataclasses.replace(safe, picture=picture(safe))
    return safe


def _only_whole(result: Any) -> Callable[[Safe], Any]:
    return lambda safe: None if safe.n_hidden else result


def _migration(result: Any, minimum: int) -> Safe:
    segments, table = result.segments.drop(columns="small"), result.table.drop(columns="small")
    k = len(segments)
    flows = protect_flows(result.counts.to_numpy(), minimum)
    mask = _nothing(segments)
    values = [name for name in ("value_before", "value_after") if name in segments]
    for names, gone in (
        (["n_before", "share_before", "stay_rate", "stay_rate_low", "stay_rate_high", *values[:1]], flows.n_before),
        (["n_after", "share_after", *values[1:]], flows.n_after),
        (["stayed", "stay_rate", "stay_rate_low", "stay_rate_high"], flows.cells.diagonal()[:k]),
        (["left"], flows.cells[:k, k]),
        (["entered"], flows.cells[k, :k]),
        (["moved_out"], flows.moved_out),
        (["moved_in"], flows.moved_in),
    ):
        mask.loc[gone, names] = True
    row = {name: i for i, name in enumerate(result.counts.index)}
    column = {name: i for i, name in enumerate(result.counts.columns)}
    places = [(row[a], column[b]) for a, b in zip(table["from"], table["to"], strict=True)]
    few = [flows.cells[place] for place in places]
    cells = _rows(table, few, ("from", "to", "kind", "n_from"))
    cells["n_from"] = [bool(flows.n_before[i]) if i < k else flows.totals for i, _ in places]
    told = ("n_both", "n_changed", "n_entered", "n_left", "changed_low", "changed_high") if flows.totals else ()
    safe = _made(
        {"segments": (segments, mask), "table": (table, cells)},
        None,
        headline="Migration: too few customers moved for their number to be shown" if flows.totals else "",
        settings={name: NOT_SHOWN for name in told if name in result.settings},
    )
    if not flows.any:
        return dataclasses.replace(safe, picture=result)
    drawable = None if flows.totals else PublishedTransitions(result.counts, flows, minimum)
    return dataclasses.replace(safe, picture=drawable)


def _match(result: Any, minimum: int) -> Safe:
    table = result.table
    few_old = dict(zip(result.old.index, protect_together([result.old["n_customers"]], minimum), strict=True))
    few_new = dict(zip(result.new.index, protect_together([result.new["n_customers"]], minimum), strict=True))
    both = table["n_both"].to_numpy(dtype=np.float64)
    gone = (both > 0) & (both < minimum)
    for column, sizes in (("old", result.old["n_compared"]), ("new", result.new["n_compared"])):
        known = table.groupby(column)["n_both"].sum() if table[column].notna().any() else pd.Series(dtype=float)
        rest = {name: few_on_a_side(np.array([known[name]]), float(sizes[name]), minimum)[0] for name in known.index}
        gone |= np.array([bool(rest.get(name, False)) for name in table[column]])
    old = np.array([few_old.get(name, False) for name in table["old"]])
    new = np.array([few_new.get(name, False) for name in table["new"]])
    pair = ["n_both", "n_expected", "jaccard", "share_of_old", "share_of_new", "p_value", "p_adjusted", "reason"]
    mask = _nothing(table)
    mask.loc[gone | old | new, [name for name in pair if name in table]] = True
    mask.loc[old, "n_old"] = True
    mask.loc[new, "n_new"] = True
    return _made({"table": (table, mask)}, _only_whole(result))


def _history(result: Any, minimum: int) -> Safe:
    table = result.table
    gone = np.zeros(len(table), dtype=bool)
    for _, rows in table.groupby("date", sort=False):
        places = table.index.get_indexer(rows.index)
        gone[places] = protect_together([rows["n"]], minimum)
    return _made({"table": (table, _rows(table, gone, ("date", "segment")))}, _only_whole(result))


def _split(result: Any, minimum: int) -> Safe:
    """Blank who left and entered where that is few; what moved and what definitions did are net figures."""
    table = result.table
    left, entered = table["left"].abs().to_numpy(), table["entered"].abs().to_numpy()
    few = protect_together([table["n_before"], table["n_after"]], minimum)
    beside = protect_together([left, entered], minimum)
    mask = _rows(table, few)
    mask.loc[beside, ["left", "entered"]] = True
    mask.loc[beside & (left + entered < minimum), ["moved"]] = True
    shown = table[~mask["moved"] & ~mask["definition"]]
    if 0 < int(result.summary["n_changed"]) < minimum:
        text = "Split of migration: too few customers changed segment for their number to be shown"
        return _made({"table": (table, mask)}, None, headline=text)
    picture = dataclasses.replace(result, table=shown) if len(shown) else None
    return _made({"table": (table, mask)}, picture)


def _drift(result: Any, minimum: int) -> Safe:
    table = result.table
    if not result.settings["within"]:
        return _as_it_is(result)
    mask = _nothing(table)
    for name, of in (("missing_reference", "n_reference"), ("missing_current", "n_current")):
        mask[name] = few_on_a_side((table[name] * table[of]).round(), table[of], minimum)
    sizes = table.drop_duplicates("segment").set_index("segment")
    few = sizes.index[protect_together([sizes["n_reference"], sizes["n_current"]], minimum)]
    mask |= _rows(table, table["segment"].isin(few), ("feature", "segment"))
    return _made({"table": (table, mask)}, _only_whole(result))


def _segment_drift(result: Any, minimum: int) -> Safe:
    table = result.table
    shares = table[table["quantity"] == "share"].set_index("segment")
    few = shares.index[protect_together([shares["n_before"], shares["n_after"]], minimum)]
    rows = table["segment"].isin(few).to_numpy()
    return _made({"table": (table, _rows(table, rows, ("segment", "quantity")))}, result)


def _change(result: Any, minimum: int) -> Safe:
    table, settings = result.table, result.settings
    mask = _nothing(table)
    sides = {"exits": settings["n_before"] - settings["n_both"], "entries": settings["n_after"] - settings["n_both"]}
    few = [name for name, n in sides.items() if name in table.index and 0 < n < minimum]
    if few:
        others = table.drop(index=[*few, "total"])["estimate"].abs()
        mask.loc[[*few, *([others.idxmin()] if len(others) else [])]] = True
    return _made({"table": (table, mask)}, _only_whole(result))


def change_by_segment(result: Any, minimum: int, few: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the segments of a `ChangeDecomposition`, and which cells are blanked.

    Parameters
    ----------
    result : ChangeDecomposition
    minimum : int
    few : mapping of segment to bool
        Of which segments so few left or entered that their number is not shown; then what they took or brought is not
        either, nor what would give it away.
    """
    table = result.segments
    if minimum < 2:
        return table, _nothing(table)
    mask = _rows(table, protect_together([table["n_before"], table["n_after"]], minimum))
    rows = [bool(few.get(name, False)) for name in table.index]
    gone = [f"{name}{end}" for name in ("exits", "within", "entries") for end in ("", "_low", "_high")]
    mask.loc[rows, [name for name in gone if name in table]] = True
    return _blank(table, mask)


def _advice(result: Any, minimum: int) -> Safe:
    segments, table = result.segments, result.table
    few = protect_together([segments["n_reference"], segments["n_current"]], minimum)
    mask = _rows(segments, few, ("event",))
    mask["displaced"] |= few_on_a_side(
        (segments["displaced"].fillna(0) * segments["n_current"]).round(), segments["n_current"], minimum
    )
    naming = _naming(map(str, segments.index[few]))
    rows = _nothing(table)
    rows["evidence"] = [bool(naming and naming.search(text)) for text in table["evidence"]]
    return _made({"table": (table, rows), "segments": (segments, mask)}, _only_whole(result))


def _naming(names: Any) -> re.Pattern[str] | None:
    words = [rf"(?<!\w){re.escape(name)}(?!\w)" for name in names]
    return re.compile("|".join(words)) if words else None


def _advice_in_words(result: Any) -> tuple[str, ...]:
    due = () if result.next_review is None else (f"Next review: {result.next_review.isoformat()}.",)
    return (result.reason, *result._what_waiting_costs(), *due)


def _quality(result: Any, minimum: int) -> Safe:
    table = result.table
    few: set[str] = set()
    for _, rows in table.groupby(["period", "feature"], sort=False):
        few |= set(rows["segment"][protect_together([rows["n_customers"]], minimum)])
    mask = _rows(table, table["segment"].isin(few), ("period", "segment", "feature"))
    said = few_on_a_side(table["n_missing"], table["n_customers"], minimum)
    mask.loc[said, ["n_missing", "missing", "missing_low", "missing_high", "p_adjusted"]] = True
    first = table[table["period"] == result.settings["first"]].set_index(["segment", "feature"])
    at_first = few_on_a_side(first["n_missing"], first["n_customers"], minimum)
    keys = dict(zip(first.index, at_first, strict=True))
    again = [keys.get(key, False) for key in zip(table["segment"], table["feature"], strict=True)]
    mask["missing_first"] |= np.array(again, dtype=bool)
    return _made({"table": (table, mask)}, None)


def _returns(result: Any, minimum: int) -> Safe:
    table = result.table
    keys = tuple(result.settings["by"])
    rows = protect_together([table["n_customers"].fillna(0)], minimum)
    return _made({"table": (table, _rows(table, rows, keys))}, _only_whole(result))


def _retention(result: Any, minimum: int) -> Safe:
    table = result.table
    sizes = table[table["group"] != EVERYONE].drop_duplicates("group").set_index("group")["n_customers"]
    few = set(sizes.index[protect_together([sizes], minimum)])
    gone = table["group"].isin(few).to_numpy()
    own = ~gone & (table["group"] != EVERYONE).to_numpy()
    bought = np.zeros(len(table), dtype=bool)
    for _, rows in table[table["n"] > 0].groupby("n"):
        places = table.index.get_indexer(rows.index)
        inside = places[own[places]]
        active = table["n_active"].to_numpy(dtype=np.float64)[inside]
        idle = table["n_observed"].to_numpy(dtype=np.float64)[inside] - active
        bought[inside] = protect_together([active, idle], minimum)
    bought |= (~own & ~gone) & few_on_a_side(table["n_active"], table["n_observed"], minimum)
    mask = _rows(table, gone, ("group", "n"))
    mask.loc[bought, ["n_active", "active", "active_low", "active_high"]] = True
    kept = table[~gone].copy()
    figures = ["active", "active_low", "active_high"]
    kept.loc[bought[~gone], figures] = np.nan
    picture = None
    if len(kept):
        survival = result.survival[~result.survival["group"].isin(few)]
        picture = dataclasses.replace(result, table=kept.reset_index(drop=True), survival=survival)
    return _made({"table": (table, mask)}, picture)


def _feedback(result: Any, minimum: int) -> Safe:
    made = result.settings.get("minimum", minimum)
    if made >= minimum:
        return _as_it_is(result)
    text = (
        f"Not shown: it was made for groups of at least {count(int(made), 'customer')}, and this report shows none of "
        f"fewer than {minimum}. Make it with minimum={minimum}."
    )
    return Safe({}, {}, None, notes=(text,))


HANDLERS: Mapping[str, Callable[[Any, int], Safe]] = {
    "Migration": _migration,
    "SegmentMatch": _match,
    "MigrationHistory": _history,
    "SplitMigration": _split,
    "DriftReport": _drift,
    "SegmentDrift": _segment_drift,
    "ChangeDecomposition": _change,
    "RefreshAdvice": _advice,
    "SegmentQuality": _quality,
    "LedgerReturns": _returns,
    "Retention": _retention,
}
