"""The plan of the main job: what each segment gets of the resources that a file names."""

from __future__ import annotations

import textwrap
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from segmentation._cli._errors import CommandError, one_line, refused_as
from segmentation._cli._job import Result, Settings
from segmentation._cli._show import MISSING, WIDTH, aligned, wrapped
from segmentation._format import number, percent

if TYPE_CHECKING:
    from segmentation.allocation import Allocation, Misallocation

__all__ = ["EXAMPLE", "Plan", "plan_of", "show_plan"]

# Of the embedded orders only; its curves are invented, and it says so.
EXAMPLE = "example_plan.toml"
# Beyond so many rows the smallest outcomes stand in the written table only.
MOST_ROWS = 30


@dataclass(frozen=True)
class Plan:
    """What the segments get, and what today's way costs.

    `table` is the library's, with nothing about segments of which no figure is shown.
    """

    allocation: Allocation
    misallocation: Misallocation | None
    table: pd.DataFrame
    source: str
    note: str
    period: str
    is_example: bool


def plan_of(path: Path | None, result: Result, settings: Settings) -> Plan | None:
    """Plan with the curves and resources of a file; those of the example without one.

    Returns
    -------
    Plan or None
        None where the example needs the value of customers and there is none.

    Raises
    ------
    CommandError
        If the file cannot be used, or no plan keeps what it asks for.
    """
    # not when the command starts: scipy's optimisers are behind them
    from segmentation.allocation import (
        InfeasibleError,
        PlanFileError,
        UnboundedError,
        allocate,
        misallocation_cost,
        read_plan,
    )

    if path is None and result.no_value is not None:
        return None
    name = EXAMPLE if path is None else str(path)
    with refused_as(PlanFileError, InfeasibleError, UnboundedError, TypeError, ValueError):
        try:
            content = read_plan(_example() if path is None else path)
        except OSError as error:
            raise CommandError(f"--resources {name!r} cannot be read: {one_line(error.strerror or error)}.") from error
        arguments = content.arguments(result.profile, random_state=settings.random_state)
        allocation = allocate(**arguments)
        today = arguments.pop("current", None)
        misallocation = None
        # of what today's way costs on the way to a target there is no figure
        if today is not None and allocation.settings["objective"] == "return":
            arguments |= {"n_customers": content.customers(result.profile)}
            wanted = {key: value for key, value in arguments.items() if key != "objective"}
            period = f"a {content.period}" if content.period else None
            misallocation = misallocation_cost(today, period=period, **wanted)
    return Plan(
        allocation=allocation,
        misallocation=misallocation,
        table=_published(allocation.table, result),
        source="an example" if path is None else name,
        note=content.note,
        period=content.period,
        is_example=path is None,
    )


def _example() -> dict[str, Any]:
    return tomllib.loads((files("segmentation._cli") / EXAMPLE).read_text(encoding="utf-8"))


def _published(table: pd.DataFrame, result: Result) -> pd.DataFrame:
    """Return the table without the figures of segments of which nothing is shown."""
    hidden = table["segment"].isin(result.hidden)
    if not hidden.any():
        return table.set_index("segment")
    kept = table.astype(object)
    kept.loc[hidden, [name for name in table.columns if name not in ("segment", "action")]] = None
    return kept.astype({name: kind for name, kind in table.dtypes.items() if kind.kind == "f"}).set_index("segment")


COLUMNS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "action": ("action", str),
    "effort": ("effort", number),
    "today": ("today", number),
    "cost": ("cost", number),
    "outcome": ("outcome", number),
    "outcome_low": ("90 % from", number),
    "outcome_high": ("to", number),
    "marginal_return": ("next unit", number),
}


def show_plan(plan: Plan) -> str:
    """Return the plan as text, at most as wide as the rest."""
    allocation = plan.allocation
    period = f", outcomes per {plan.period}" if plan.period else ""
    head = f"Plan ({'ILLUSTRATION with invented curves' if plan.is_example else f'curves of {plan.source}'}{period})"
    lines = str(allocation).split("\n\n")[0].splitlines()
    if plan.misallocation is not None:
        # beside these two, which know of the choice, the plain difference to today's would say the same less well
        lines = [line for line in lines if not line.strip().startswith("current:")]
        lines += [f"{text[0].upper()}{text[1:]}" for text in plan.misallocation.sentences]
    parts = [
        head,
        *(wrapped("", text.strip(), "  ") for text in lines),
        _table(plan),
        *(wrapped("note: ", text, "  ") for text in (plan.note, *_notes(allocation)) if text),
    ]
    return "\n".join(parts)


def _table(plan: Plan) -> str:
    table = plan.table
    today = plan.allocation.others.get("current")
    if today is not None:
        table = table.assign(today=pd.Series(today, index=table.index).where(table["effort"].notna()))
    if table["outcome_low"].isna().all():
        table = table.drop(columns=["outcome_low", "outcome_high"])
    if len(set(table["action"])) == 1:
        table = table.drop(columns="action")
    if table["cost"].isna().all():
        table = table.drop(columns="cost")
    level = percent(plan.allocation.settings["level"]).replace(".0", "")
    shown = [name for name in COLUMNS if name in table.columns]
    heads = [COLUMNS[name][0].replace("90 %", level) for name in shown]
    largest = table.sort_values("outcome", ascending=False, kind="stable").index[:MOST_ROWS]
    rows = [
        [str(segment), *(MISSING if pd.isna(row[name]) else COLUMNS[name][1](row[name]) for name in shown)]
        for segment, row in table.iterrows()
        if segment in set(largest)
    ]
    return aligned([["segment", *heads], *rows])


def _notes(allocation: Allocation) -> list[str]:
    return [textwrap.shorten(text, 4 * WIDTH, placeholder=" ...") for text in allocation.warnings]
