"""What it would be worth to know the curve of a segment: where a test pays most."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some, number
from segmentation._results import Result
from segmentation.allocation._keys import by_segment
from segmentation.allocation._misallocation import check_draws
from segmentation.allocation._misallocation_draws import Batch, batch_of, best_plans, mixed, point_batch
from segmentation.allocation._misallocation_plan import plan_from
from segmentation.allocation._misallocation_study import FEW_WORLDS, n_drawn, n_worlds, net_value
from segmentation.allocation._problem import Problem

__all__ = ["ValueOfInformation", "value_of_information"]

Array = NDArray[np.float64]
# Worlds per segment: all at once; one by one; one by one where the problem is discrete.
WORLDS = (1000, 100, 30)
SHOWN = 12
NOTE = (
    "One segment at a time: its curve is drawn and the others are as estimated, so what a test of one segment says of "
    "the others does not count, and the values do not add up to that of knowing all."
)


@dataclass(frozen=True, eq=False, repr=False)
class ValueOfInformation(Result):
    """What it would be worth to know the curve of each segment.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per segment, the most worth first: ``value`` (what the plan is expected to bring more once the curve is
        known, or tested), ``standard_error`` (Monte Carlo), ``changes_plan`` (share of the draws in which the plan
        moves 1 % or more of a resource), and with `test_cost` ``test_cost`` and ``net``.
    knowing_all, knowing_all_se : float
        What it would be worth to know all curves: the regret of acting on estimates.
    settings : dict
    warnings : tuple of str
    """

    table: pd.DataFrame
    knowing_all: float
    knowing_all_se: float
    settings: Mapping[str, Any]
    warnings: tuple[str, ...]

    def _facts(self) -> dict[str, Any]:
        return {
            "knowing_all": self.knowing_all,
            "knowing_all_se": self.knowing_all_se,
            "table": self.table.reset_index(),
            "settings": self.settings,
            "warnings": self.warnings,
        }

    def _headline(self) -> str:
        best, row = self.table.index[0], self.table.iloc[0]
        what = "to know its curve" if self.settings["test_size"] is None else "to test"
        if not row["value"] > 0:
            return "No test pays: no draw of a single curve changes the plan"
        net = f", {number(row['net'])} after the cost of the test" if "net" in self.table else ""
        if net and row["net"] <= 0:
            return f"No test pays for itself: the best, of {best!r}, leaves {number(row['net'])}"
        return (
            f"A test pays most in {best!r}: {number(row['value'])} (Monte Carlo error "
            f"{number(row['standard_error'])}) {what}{net}; to know all curves: {number(self.knowing_all)}"
        )

    def __str__(self) -> str:
        table = self.table.head(SHOWN).reset_index()
        shown = table.to_string(index=False, float_format=lambda value: number(float(value)))
        more = [f"... and {len(self.table) - SHOWN} more in .table"] if len(self.table) > SHOWN else []
        return "\n".join([self._headline(), "", shown, *more, *(f"Note: {text}" for text in self.warnings)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        table: Any = self.table.head(SHOWN).reset_index()
        notes = "".join(f"<p>Note: {html.escape(text)}</p>" for text in self.warnings)
        shown = table.to_html(index=False, escape=True, float_format=lambda value: number(float(value)))
        return f"<p>{html.escape(self._headline())}</p>{shown}{notes}"

    def plot(self, ax: Any = None, **kwargs: Any) -> Any:
        """Draw the value per segment; arguments as in `ValueOfInformationDisplay`."""
        from segmentation.allocation._value_of_information_display import ValueOfInformationDisplay

        return ValueOfInformationDisplay.from_value(self, **kwargs).plot(ax).ax_


def value_of_information(
    curves: Any,
    resources: Any,
    *,
    uses: Any = None,
    bounds: Any = None,
    min_share: Any = None,
    fixed_costs: Any = None,
    minimum_if_funded: Any = None,
    exclusive: Any = None,
    contact_cap: Any = None,
    contacts: Any = None,
    n_customers: Any = None,
    test_size: Any = None,
    test_cost: Any = None,
    n_draws: int | None = None,
) -> ValueOfInformation:
    """Say what it would be worth to know the curve of each segment before the money is split.

    Parameters
    ----------
    curves, resources, uses, bounds, min_share, fixed_costs, minimum_if_funded, exclusive, contact_cap, contacts, \
n_customers
        As in `allocate`. Curves need draws.
    test_size : float or mapping, optional
        How much data a test would give, relative to what the curve rests on now: 1 for as much again; by segment or
        one for all. By default the test would tell the curve exactly, and no test is worth more.
    test_cost : float or mapping, optional
        What a test costs, in the unit of the outcome, by segment or one for all.
    n_draws : int, optional
        Draws per segment, at least 20; by default 1,000, where problems have to be solved one by one 100, where they
        are discrete 30.

    Returns
    -------
    ValueOfInformation

    Raises
    ------
    ValueError
        No curve has 20 draws or more; sizes or costs below 0.
    InfeasibleError, UnboundedError
        As `allocate`.

    Notes
    -----
    Expected value of partial perfect information [1]_: the mean, over draws of all curves of the segment, of the
    outcome of the best plan for the draw minus that of the plan made on the estimates. The curves of other segments
    stay as estimated; outcomes of segments add up, so their uncertainty changes the value only through how the mean
    of their draws bends differently from the estimate.

    With `test_size` r, the value of sample information: after the test the estimate will have moved from the one now
    by sqrt(r / (1 + r)) of what separates it from the truth, in standard deviations, the normal approximation of [2]_.

    References
    ----------
    .. [1] Felli, J. C., Hazen, G. B. (1998). Sensitivity analysis and the expected value of perfect information.
       Medical Decision Making 18. doi:10.1177/0272989X9801800117
    .. [2] Jalal, H., Alarid-Escudero, F. (2018). A Gaussian approximation approach for value of information analysis.
       Medical Decision Making 38. doi:10.1177/0272989X17715627

    Examples
    --------
    >>> from segmentation.allocation import Resource, value_of_information
    >>> from segmentation.curves import from_lift
    >>> curves = {
    ...     "loyal": from_lift(500.0, effort=20, se=25, half=10, random_state=1),
    ...     "new": from_lift(500.0, effort=20, se=200, half=10, random_state=2),
    ... }
    >>> found = value_of_information(curves, Resource("budget", 40), test_size=1, test_cost=5)
    >>> found.table["value"].round(1).to_dict()
    {'new': 3.7, 'loyal': 0.1}
    """
    arguments = dict(locals())
    check_draws(n_draws)
    plan = plan_from(arguments)
    problem, best = plan.problem, plan.solution.x
    available = n_drawn(problem)
    if available < FEW_WORLDS:
        raise ValueError(
            f"no curve has {FEW_WORLDS} draws or more, so nothing is known of what is not known: fit curves to data "
            "(fit_response_curve), or give se= to from_lift or uncertainty= to from_points."
        )
    segments = list(dict.fromkeys(segment for segment, _ in problem.items))
    sizes = _per_segment(test_size, problem.items, segments, "test_size")
    costs = _per_segment(test_cost, problem.items, segments, "test_cost")
    draws = batch_of(problem, available)
    n = min(available, n_worlds(problem, draws, WORLDS) if n_draws is None else int(n_draws))
    draws = draws.take(np.unique(np.linspace(0, available - 1, n).astype(np.int64)))
    point = point_batch(problem)
    rows = []
    for segment in segments:
        mine = np.array([s == segment for s, _ in problem.items])
        part = np.where(mine, _part(None if sizes is None else sizes[segment]), 0.0)
        worth, moved = _worth(problem, mixed(point, draws, part, best), best)
        row = {"segment": segment, "value": float(worth.mean()), "standard_error": _error(worth)}
        row["changes_plan"] = float((moved >= 0.01).mean())
        if costs is not None:
            row |= {"test_cost": costs[segment], "net": row["value"] - costs[segment]}
        rows.append(row)
    everything, _ = _worth(problem, draws, best)
    table = pd.DataFrame(rows).sort_values("value" if costs is None else "net", ascending=False, kind="stable")
    return ValueOfInformation(
        table=table.set_index("segment"),
        knowing_all=float(everything.mean()),
        knowing_all_se=_error(everything),
        settings={
            "n_draws": available,
            "n_solved": n,
            "test_size": sizes,
            "test_cost": costs,
            "resources": plan.settings["resources"],
        },
        warnings=(*_notes(problem, segments), *plan.warnings),
    )


def _part(size: float | None) -> float:
    """Return how far the estimate moves from where it is to the truth, in standard deviations."""
    return 1.0 if size is None else math.sqrt(size / (1 + size))


def _worth(problem: Problem, worlds: Batch, best: Array) -> tuple[Array, Array]:
    """Return what knowing each world is worth, and the share of resources that moves."""
    plans = best_plans(problem, worlds)
    more = (net_value(problem, worlds, plans) - net_value(problem, worlds, best)).sum(axis=1)
    # what a resource holds differently, in the resource where most moves
    moved = np.abs(plans - best) @ problem.use / 2
    with np.errstate(all="ignore"):
        share = np.where(best @ problem.use > 0, moved / (best @ problem.use), 0.0).max(axis=1)
    return np.maximum(more, 0.0), share


def _error(values: Array) -> float:
    return float(values.std(ddof=1) / math.sqrt(len(values)))


def _per_segment(
    given: Any, items: Sequence[tuple[Any, Any]], segments: Sequence[Any], what: str
) -> dict[Any, float] | None:
    if given is None:
        return None
    found = by_segment(given.to_dict() if isinstance(given, pd.Series) else given, items, what)
    missing = [segment for segment in segments if segment not in found]
    if missing:
        raise ValueError(f"{what} has nothing for {name_some(missing)}.")
    result = {}
    for segment, value in found.items():
        number_of = float(value)
        if not (math.isfinite(number_of) and number_of >= 0):
            raise ValueError(f"{what} of {segment!r} must be finite and 0 or more, got {value!r}.")
        result[segment] = number_of
    return result


def _notes(problem: Problem, segments: Sequence[Any]) -> list[str]:
    notes = [NOTE]
    known = [
        segment
        for segment in segments
        if all(c.draws is None for (s, _), c in zip(problem.items, problem.curves, strict=True) if s == segment)
    ]
    if known:
        notes.append(
            f"{count(len(known), 'segment')} ({name_some(known)}) without draws are taken as known: a test of them is "
            "worth nothing here."
        )
    return notes
