"""Return on investment per segment, action and period, from the sums of a ledger."""

from __future__ import annotations

import numbers
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import count, money, name_some, nearest, percent
from segmentation._multiplicity import holm
from segmentation.monitoring._ledger_errors import LedgerError
from segmentation.monitoring._returns_control import SUMS, beside_controls
from segmentation.monitoring._returns_estimates import natural, ratio, ratios_to_date, total, trend
from segmentation.monitoring._returns_plan import PLAN_FOR, read_plan
from segmentation.monitoring._returns_result import LedgerReturns, group_name

__all__ = ["compute_returns"]

GROUPS = ("segment", "action", "period", "unit")
# Costs that differ by less than this share are the same: sums of floats.
SAME = 1e-9
FEW_PERIODS = 5
INCREMENTAL = ("incremental_outcome", "incremental_cost", "controlled_cost")


def compute_returns(
    cells: pd.DataFrame, *, by: Any, plan: Any, plan_for: str, budget: Any, level: Any
) -> LedgerReturns:
    """Return what `ReturnLedger.returns` does, from `ReturnLedger.cells`."""
    groups = _checked_by(by)
    if plan_for not in PLAN_FOR:
        raise ValueError(f"plan_for must be one of {name_some(PLAN_FOR)}, got {plan_for!r}.")
    level = _between(level)
    if not len(cells):
        raise LedgerError("the ledger has no entries that count; add some first.")
    periods = sorted(cells["period"].unique(), key=natural)
    base, notes = beside_controls(cells, units="unit" in groups)
    by_period = "period" in groups
    groups = [name for name in groups if name != "period"]
    over_time = _over_time(base, groups, periods, level)
    table = _by_group(base, over_time, groups, level)
    everything = _by_group(base, _over_time(base, [], periods, level), [], level).iloc[0]
    units = _units(cells)
    if by_period:
        table = over_time.copy()
    if plan is not None:
        kept = [*groups, "period"] if by_period else groups
        planned, said = read_plan(plan, kept, periods, plan_for)
        notes += said
        table = _with_plan(table, planned, kept, by_period)
    amounts = _amounts(cells, _checked_budget(budget))
    settings = {
        "by": [*groups, *(["period"] if by_period else [])],
        "level": level,
        "n_entries": int(cells["n_entries"].sum()),
        "n_periods": len(periods),
        "periods": periods,
        "plan": plan is not None,
        "plan_for": plan_for,
        "budget": budget,
        "control": bool((cells["arm"] == "control").any()),
        "units": units,
    }
    if len(units) > 1 and "unit" not in groups:
        table["effort"] = np.nan
        over_time["effort"] = np.nan
        notes.append(f"effort is in different units ({name_some(units)}) and not added up; by='unit' separates them.")
    notes = _warnings(cells, table, everything, amounts, settings) + notes
    return LedgerReturns(
        table, over_time, {str(name): value for name, value in everything.items()}, amounts, settings, tuple(notes)
    )


def _checked_by(by: Any) -> list[str]:
    names = [] if by is None else [by] if isinstance(by, str) else list(by) if isinstance(by, Iterable) else [by]
    for name in names:
        if name not in GROUPS:
            close = nearest(name, GROUPS)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ValueError(f"by takes {name_some(GROUPS)}, got {name!r}.{hint}")
    return [name for name in GROUPS if name in names]


def _between(level: Any) -> float:
    if isinstance(level, bool) or not isinstance(level, numbers.Real) or not 0 < float(level) < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level!r}.")
    return float(level)


def _checked_budget(budget: Any) -> float | None:
    if budget is None:
        return None
    if isinstance(budget, bool) or not isinstance(budget, numbers.Real) or not 0 <= float(budget) < np.inf:
        raise ValueError(f"budget must be an amount of money of at least 0, got {budget!r}.")
    return float(budget)


def _units(cells: pd.DataFrame) -> list[str]:
    return sorted(cells.loc[cells["stated_effort"] > 0, "unit"].unique())


def _over_time(base: pd.DataFrame, groups: list[str], periods: list[str], level: float) -> pd.DataFrame:
    """Return one row per group and period, with the returns up to and including each period."""
    sums = base.groupby([*groups, "period"], sort=False)[[*SUMS, *INCREMENTAL]].sum().reset_index()
    sums["position"] = sums["period"].map({period: i for i, period in enumerate(periods)})
    sums = sums.sort_values([*groups, "position"], kind="stable").reset_index(drop=True)
    sums["return_on_investment"] = _divided(sums["outcome"].where(sums["stated_outcome"] > 0), sums["cost"])
    sums["incremental_return"] = _divided(sums["incremental_outcome"], sums["incremental_cost"])
    # Only where all the money of the period had a control group is the difference about the period.
    part = ~_all_controlled(sums["cost"], sums["controlled_cost"])
    sums.loc[part, "incremental_return"] = np.nan
    names = ["to_date", "to_date_low", "to_date_high"]
    for prefix, cost, outcome in _measures():
        values = np.full((len(sums), 3), np.nan)
        for rows in _rows_by(sums, groups).values():
            if sums["stated_outcome"].to_numpy()[rows].any():
                values[rows] = ratios_to_date(cost(sums)[rows], outcome(sums)[rows], level)
        sums[[f"{prefix}{name}" for name in names]] = values
    without = sums["controlled_cost"] == 0
    sums.loc[without, [f"incremental_{name}" for name in names]] = np.nan
    return sums


def _measures() -> Any:
    return (
        ("", lambda table: table["cost"].to_numpy(), lambda table: table["outcome"].to_numpy()),
        (
            "incremental_",
            lambda table: table["incremental_cost"].to_numpy(),
            lambda table: table["incremental_outcome"].to_numpy(),
        ),
    )


def _rows_by(table: pd.DataFrame, groups: list[str]) -> dict[Any, Any]:
    if not groups:
        return {(): np.arange(len(table))}
    found: dict[Any, Any] = table.groupby(groups, sort=False).indices
    return found


def _divided(above: pd.Series[Any], below: pd.Series[Any]) -> Any:
    a, b = above.to_numpy(dtype=np.float64), below.to_numpy(dtype=np.float64)
    return np.divide(a, b, out=np.full(len(a), np.nan), where=b > 0)


def _all_controlled(cost: Any, controlled: Any) -> Any:
    return (cost > 0) & (np.abs(cost - controlled) <= SAME * np.abs(cost))


def _by_group(base: pd.DataFrame, over_time: pd.DataFrame, groups: list[str], level: float) -> pd.DataFrame:
    """Return one row per group over all periods."""
    rows = []
    for name, at in _rows_by(over_time, groups).items():
        own = over_time.iloc[at]
        row: dict[str, Any] = dict(zip(groups, name if isinstance(name, tuple) else (name,), strict=True))
        row |= {"n_periods": len(own)} | {column: own[column].sum() for column in (*SUMS, *INCREMENTAL)}
        row["net"] = row["outcome"] - row["cost"]
        cost, outcome = own["cost"].to_numpy(), own["outcome"].to_numpy()
        if not row["stated_outcome"]:  # unknown, which is not the same as nothing
            outcome = np.full(len(outcome), np.nan)
        row |= _three("return_on_investment", ratio(cost, outcome, level))
        row |= _three("outcome_total", total(outcome, level))
        # Replicates are the periods in which there was a control.
        with_control = own[own["controlled_cost"] != 0]
        more_cost = with_control["incremental_cost"].to_numpy()
        more = with_control["incremental_outcome"].to_numpy()
        row |= _three("incremental_return", ratio(more_cost, more, level))
        row |= _three("incremental_total", total(more, level) if len(more) else (np.nan,) * 3)
        full = bool(_all_controlled(row["cost"], row["controlled_cost"]))
        row["basis"] = "control" if full else "part" if row["controlled_cost"] else "gross"
        position = own["position"].to_numpy(dtype=np.float64)
        y = own["incremental_outcome"].to_numpy() if full else outcome
        x = own["incremental_cost"].to_numpy() if full else cost
        slope, low, high, p = trend(position, x, y, level)
        row |= {"trend": slope, "trend_low": low, "trend_high": high, "trend_p": p}
        rows.append(row)
    table = pd.DataFrame(rows)
    table["trend_p_adjusted"] = holm(table["trend_p"].to_numpy(dtype=np.float64))
    table["trend_says"] = [
        "too few periods" if np.isnan(p) else "not shown" if p > 1 - level else "rising" if slope > 0 else "falling"
        for slope, p in zip(table["trend"], table["trend_p_adjusted"], strict=True)
    ]
    table = table.drop(columns=["outcome_total"]).rename(
        columns={"outcome_total_low": "outcome_low", "outcome_total_high": "outcome_high"}
    )
    table = table.drop(columns=["incremental_total"]).rename(
        columns={"incremental_total_low": "incremental_low", "incremental_total_high": "incremental_high"}
    )
    table.loc[table["basis"] == "gross", list(INCREMENTAL[:2])] = np.nan
    return table


def _three(name: str, values: tuple[float, float, float]) -> dict[str, float]:
    return {name: values[0], f"{name}_low": values[1], f"{name}_high": values[2]}


def _with_plan(table: pd.DataFrame, planned: pd.DataFrame, keys: list[str], by_period: bool) -> pd.DataFrame:
    """Put the plan beside what was done; rows that stand on one side only stay, with nothing on the other."""
    if keys:
        merged = table.merge(planned, on=keys, how="outer", sort=False)
    else:
        merged = pd.concat([table.reset_index(drop=True), planned.reset_index(drop=True)], axis=1)
    order = {tuple(row): i for i, row in enumerate(table[keys].to_numpy().tolist())} if keys else {}
    place = [order.get(tuple(row), len(order)) for row in merged[keys].to_numpy().tolist()] if keys else [0]
    merged = merged.iloc[np.argsort(place, kind="stable")].reset_index(drop=True)
    columns = [name for name in planned.columns if name not in keys]
    done = [*SUMS, "n_periods", "net"] if not by_period else list(SUMS)
    merged["in_plan"] = merged[columns[0]].notna()
    for name in (*columns, *done):
        whole = name in table.columns and pd.api.types.is_integer_dtype(table[name].dtype)
        merged[name] = merged[name].fillna(0).astype("int64" if whole else "float64")
    if "planned_cost" in columns:
        merged["not_spent"] = merged["planned_cost"] - merged["cost"]
    if "planned_outcome" in columns:
        against = merged["outcome"]
        if not by_period:
            control = merged["basis"] == "control"
            against = against.where(~control, merged["incremental_outcome"])
            for end in ("low", "high"):
                value = merged[f"outcome_{end}"].where(~control, merged[f"incremental_{end}"])
                merged[f"beyond_plan_{end}"] = value - merged["planned_outcome"]
            merged["basis"] = merged["basis"].fillna("nothing done")
            merged["trend_says"] = merged["trend_says"].fillna("too few periods")
        merged["beyond_plan"] = against - merged["planned_outcome"]
    return merged


def _amounts(cells: pd.DataFrame, budget: float | None) -> pd.DataFrame:
    """Return what all entries add up to, and what of it stands under no segment, no action or a control group."""
    treated = cells["arm"] == "treated"
    parts = {
        "all entries": cells,
        "treated, with segment and action": cells[treated & (cells["segment"] != "") & (cells["action"] != "")],
        "treated, without segment": cells[treated & (cells["segment"] == "")],
        "treated, without action": cells[treated & (cells["segment"] != "") & (cells["action"] == "")],
        "control groups": cells[~treated],
    }
    table = pd.DataFrame({name: part[["n_entries", "cost", "outcome"]].sum() for name, part in parts.items()}).T
    table["n_entries"] = table["n_entries"].astype("int64")
    if budget is not None:
        spent = float(cells["cost"].sum())
        table.loc["budget"] = [0, budget, np.nan]
        table.loc["not spent of the budget"] = [0, budget - spent, np.nan]
        table["n_entries"] = table["n_entries"].astype("int64")
    return table.rename_axis("amounts")


def _warnings(
    cells: pd.DataFrame, table: pd.DataFrame, everything: Any, amounts: pd.DataFrame, settings: dict[str, Any]
) -> list[str]:
    level = 100 * settings["level"]
    notes = [
        "Outcomes are taken as money in the unit of the costs; a return is one on investment only if they are "
        "contribution margins, not revenue.",
        f"Intervals ({level:g} %) take the periods as independent replicates and tell of returns in periods like "
        "these; outcomes that come in a later period than their costs, seasons and trends break that.",
    ]
    n = settings["n_periods"]
    if n == 1:
        notes.append("There is one period: no interval can be given.")
    elif n < FEW_PERIODS:
        notes.append(f"There are {n} periods only: intervals rest on {n} figures and are wide.")
    shaped = {"".join("9" if sign.isdigit() else sign for sign in period) for period in settings["periods"]}
    if len(shaped) > 1 and len({len(shape) for shape in shaped}) > 1:
        first = list({len(period): period for period in settings["periods"]}.values())
        notes.append(f"Periods are written in different ways ({name_some(first)}): each is a period of its own.")
    unplaced = {name: float(amounts[name].to_dict()["treated, without segment"]) for name in amounts.columns}
    if unplaced["n_entries"]:
        spent, whole = unplaced["cost"], float(amounts["cost"].to_numpy()[0])
        part = f", {percent(spent / whole)} of all," if whole > 0 else ""
        notes.append(
            f"A cost of {money(unplaced['cost'])}{part} and an outcome of {money(unplaced['outcome'])} are not "
            f"attributed to a segment; they stand in a row of their own ({group_name('', 'segment')}) and in the total."
        )
    treated = cells[cells["arm"] == "treated"]
    silent = treated.groupby("period")[["stated_outcome", "cost"]].sum()
    silent = silent[(silent["stated_outcome"] == 0) & (silent["cost"] > 0)]
    if len(silent):
        notes.append(
            f"No outcome is entered yet for {name_some(sorted(silent.index, key=natural))} (cost "
            f"{money(silent['cost'].sum())}); until then it counts as 0."
        )
    unpaid = treated.groupby("period")[["stated_cost", "outcome"]].sum()
    unpaid = unpaid[(unpaid["stated_cost"] == 0) & (unpaid["outcome"] != 0)]
    if len(unpaid):
        notes.append(
            f"No cost is entered for {name_some(sorted(unpaid.index, key=natural))} (outcome "
            f"{money(unpaid['outcome'].sum())}); it counts as 0, which makes returns look better if there was one."
        )
    if settings["control"] and everything["basis"] != "control":
        covered = everything["controlled_cost"] / everything["cost"] if everything["cost"] > 0 else 0.0
        notes.append(
            f"{percent(covered)} of the cost has a control group; incremental figures are about that part, the others "
            "are outcomes of customers who might have bought anyway."
        )
    if not settings["control"]:
        notes.append("There is no control group: outcomes include what would have come without any effort.")
    if "in_plan" in table.columns and (~table["in_plan"]).any():
        notes.append(f"{count(int((~table['in_plan']).sum()), 'row')} not in the plan, which counts as 0 there.")
    return notes
