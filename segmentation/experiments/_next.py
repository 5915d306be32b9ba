"""Which segment to test next: where a test is worth most after what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import count, name_some, number
from segmentation._frames import is_frame, kind_of
from segmentation._plotting import shorten
from segmentation._results import Result
from segmentation.allocation import ValueOfInformation, value_of_information
from segmentation.experiments._analyze_intake import label_of
from segmentation.experiments._learn import per_name
from segmentation.experiments._learn_effects import effects_of
from segmentation.experiments._plan_result import ExperimentPlan

__all__ = ["NextExperiment", "next_experiment"]

SHOWN = 15
# A Monte Carlo interval of about 95 %.
ERRORS = 2.0
YES, NO, UNCLEAR, NEVER = "worth it", "not worth it", "cannot be told", "no test possible"


@dataclass(frozen=True, eq=False, repr=False)
class NextExperiment(Result):
    """What a test of each segment is worth, as `next_experiment` returns it.

    Attributes
    ----------
    table : pandas.DataFrame
        Index ``segment``, best first: ``n_test`` (customers of the test), ``data`` (its size relative to what is known
        now), ``value`` (what better decisions are expected to bring over the horizon), ``standard_error`` (Monte
        Carlo), ``test_cost``, ``net``, ``changes_plan``, ``verdict``.
    value_of_information : ValueOfInformation
        Where the values are from; per period.
    settings : dict
    warnings : tuple of str
    """

    table: pd.DataFrame
    value_of_information: ValueOfInformation
    settings: Mapping[str, Any]
    warnings: tuple[str, ...]

    @property
    def segment(self) -> str | None:
        """The segment to test next; None where no test is worth its cost."""
        worth = self.table.index[self.table["verdict"] == YES]
        return None if worth.empty else str(worth[0])

    @property
    def headline(self) -> str:
        """The answer in a sentence."""
        best, row = self.table.index[0], self.table.iloc[0]
        if (self.table["verdict"] == NEVER).all():
            return "No test is possible: no segment has customers for one"
        figures = (
            f"{number(row['value'])} (Monte Carlo error {number(row['standard_error'])}) for a cost of "
            f"{number(row['test_cost'])}, {number(row['net'])} net"
        )
        if self.segment is not None:
            size = "" if pd.isna(row["n_test"]) else f" with {count(int(row['n_test']), 'customer')}"
            return f"Test {str(best)!r} next{size}: it is expected to bring {figures}"
        if (self.table["verdict"] == UNCLEAR).any():
            first: Any = self.table[self.table["verdict"] == UNCLEAR]
            return (
                f"Whether any test pays cannot be told: of {str(first.index[0])!r}, {number(first['net'].iloc[0])} net "
                f"with a Monte Carlo error of {number(first['standard_error'].iloc[0])}; n_draws= makes it smaller"
            )
        return f"No test is worth its cost: the best, of {str(best)!r}, is expected to bring {figures}"

    def _facts(self) -> dict[str, Any]:
        return {
            "headline": self.headline, "segment": self.segment, "table": self.table.reset_index(),
            "value_of_information": self.value_of_information.to_dict(), "settings": self.settings,
            "warnings": self.warnings,
        }  # fmt: skip

    def _cut(self) -> tuple[pd.DataFrame, str]:
        more = f"... {count(len(self.table), 'segment')} in .table" if len(self.table) > SHOWN else ""
        return self.table.head(SHOWN).rename(index=lambda name: shorten(name, 40)), more

    def __str__(self) -> str:
        table, more = self._cut()
        shown = table.to_string(float_format=lambda value: number(float(value)))
        return "\n".join([self.headline, "", shown, *filter(None, [more]), *(f"Note: {t}" for t in self.warnings)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        table: Any = self._cut()[0]
        shown = table.to_html(float_format=lambda value: number(float(value)), escape=True)
        notes = "".join(f"<p>Note: {escape(text)}</p>" for text in self.warnings)
        return f"<p>{escape(self.headline)}</p>{shown}<p>{escape(self._cut()[1])}</p>{notes}"

    def plot(self, ax: Any = None) -> Any:
        """Draw the value of testing each segment, per period, beside the cost (`ValueOfInformationDisplay`)."""
        return self.value_of_information.plot(ax)


def next_experiment(
    curves: Any,
    resources: Any,
    *,
    plan: ExperimentPlan | None = None,
    test_customers: Any = None,
    evidence: Any = None,
    outcome: str | None = None,
    arm: str | None = None,
    pooled: bool = True,
    cost_per_customer: Any = 0.0,
    fixed_cost: Any = 0.0,
    horizon: float = 1.0,
    **problem: Any,
) -> NextExperiment:
    """Rank segments by what testing them next is worth after its cost, and say where no test is.

    A test is worth what it lets the allocation do better, not how uncertain an effect is: a segment that gets the same
    money whatever the test says is not worth one. The values are those of
    `segmentation.allocation.value_of_information`.

    Parameters
    ----------
    curves, resources
        The allocation problem as in `segmentation.allocation.allocate`, curves with draws
        (`curves_from_experiment`).
    plan : ExperimentPlan, optional
        From `plan_experiment`: each test gets the customers needed there, or those available where they are fewer.
    test_customers : number, mapping or Series, optional
        In place of `plan`: customers of the test, all arms together.
    evidence : ExperimentAnalysis, dataframe, number, mapping or Series, optional
        What the curves rest on: the analysis they were made from (or a table with ``estimate``, ``se``, ``n_control``
        and ``n_treated``), or customers per segment; a belief does not say on how many it rests. With
        `test_customers` or `plan` it gives the size of the test relative to what is known. Left out, a test is taken
        to tell the curve exactly, which no test does: the values are then upper bounds.
    outcome, arm, pooled
        With an analysis, as in `curves_from_experiment`; a pooled effect rests on other segments' customers too.
    cost_per_customer : number, mapping or Series, default=0
        What a customer of the test costs, mean over arms, in the unit of the outcome (contact, and what the untreated
        do not bring).
    fixed_cost : number, mapping or Series, default=0
        What a test costs whatever its size.
    horizon : float, default=1.0
        For how many periods of the curves' outcome the allocation that the test improves will be used.
    **problem
        Further arguments of `value_of_information`: uses, bounds, min_share, fixed_costs, exclusive, n_draws, ...

    Returns
    -------
    NextExperiment

    Raises
    ------
    ValueError, TypeError
        If curves have no draws, sizes are missing or below 0, or the horizon is not above 0.

    Examples
    --------
    >>> from segmentation.allocation import Resource
    >>> from segmentation.curves import from_lift
    >>> from segmentation.experiments import next_experiment
    >>> curves = {
    ...     "loyal": from_lift(500.0, effort=20, se=25, half=10, random_state=1),
    ...     "new": from_lift(500.0, effort=20, se=200, half=10, random_state=2),
    ... }
    >>> found = next_experiment(curves, Resource("budget", 40), test_customers=2000, evidence=2000,
    ...                         cost_per_customer=0.01, horizon=12)
    >>> found.segment, found.table["verdict"].to_dict()
    ('new', {'new': 'worth it', 'loyal': 'not worth it'})
    """
    clash = sorted({"test_size", "test_cost"} & set(problem))
    if clash:
        raise TypeError(f"{name_some(clash)} is computed here from test_customers (or plan), evidence and costs.")
    if isinstance(horizon, bool) or not isinstance(horizon, int | float | np.number) or not 0 < horizon < np.inf:
        raise ValueError(f"horizon must be a finite number of periods above 0, got {horizon!r}.")
    if plan is not None and not isinstance(plan, ExperimentPlan):
        raise TypeError(f"plan must be what plan_experiment returned, got {kind_of(plan)}.")
    if plan is not None and test_customers is not None:
        raise ValueError("give plan or test_customers, not both: each says how large a test is.")
    names = _segments(curves)
    labels = tuple(str(label_of(name)) for name in names)
    notes: list[str] = []
    n_test = _sizes(plan, test_customers, labels, notes)
    known = None if evidence is None else _known(evidence, labels, outcome, arm, pooled=pooled)
    if known is not None and n_test is None:
        raise ValueError("evidence= compares with the size of a test: give plan= or test_customers= too.")
    data = np.full(len(labels), np.inf)
    if known is not None and n_test is not None:
        data = n_test / known
    elif known is None:
        notes.append(
            "What the curves rest on was not given (evidence=), so a test is taken to tell a curve exactly: values are "
            "upper bounds."
        )
    unit = _numbers(cost_per_customer, labels, "cost_per_customer")
    base = _numbers(fixed_cost, labels, "fixed_cost")
    sizes = np.zeros(len(labels)) if n_test is None else n_test
    possible = np.ones(len(labels), dtype=bool) if n_test is None else n_test > 0
    costs = np.where(possible, sizes * unit + base, 0.0)
    if n_test is None and (unit != 0).any():
        raise ValueError("cost_per_customer needs the size of the test: give plan= or test_customers=.")
    if not (np.isfinite(costs).all() and (costs >= 0).all()):
        raise ValueError(f"costs of a test must be finite and 0 or more, got {name_some(costs.tolist())}.")
    # the horizon multiplies the value; the same order and verdicts come from dividing the cost by it
    test_size = None if known is None else dict(zip(names, data.tolist(), strict=True))
    found = value_of_information(
        curves, resources, test_size=test_size, test_cost=dict(zip(names, (costs / horizon).tolist(), strict=True)),
        **problem,
    )  # fmt: skip
    place = {name: i for i, name in enumerate(names)}
    rows = found.table
    at = [place[name] for name in rows.index]
    value, error = (horizon * rows[name].to_numpy(dtype=float) for name in ("value", "standard_error"))
    value, error = np.where(possible[at], value, 0.0), np.where(possible[at], error, 0.0)
    net = value - costs[at]
    verdict = np.select([~possible[at], net > ERRORS * error, net <= -ERRORS * error], [NEVER, YES, NO], UNCLEAR)
    # a test that moves nothing in the plan is not worth the trouble, even where it costs nothing
    verdict = np.where(possible[at] & (rows["changes_plan"].to_numpy() == 0), NO, verdict)
    table = pd.DataFrame(
        {
            "n_test": np.full(len(at), np.nan) if n_test is None else n_test[at], "data": data[at], "value": value,
            "standard_error": error, "test_cost": costs[at], "net": net,
            "changes_plan": rows["changes_plan"].to_numpy(), "verdict": verdict,
        },
        index=pd.Index([labels[i] for i in at], name="segment"),
    )  # fmt: skip
    order = np.lexsort((-net, ~possible[at]))
    settings = dict(found.settings) | {
        "horizon": float(horizon), "exact": known is None,
        "sizes_from": "plan" if plan is not None else "given" if n_test is not None else None,
    }  # fmt: skip
    return NextExperiment(table.iloc[order], found, settings, (*notes, *found.warnings))


def _numbers(given: Any, labels: tuple[str, ...], what: str) -> Any:
    values = per_name(given, labels, what)
    try:
        return np.array(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} must be numbers, got {name_some(values)}.") from error


def _segments(curves: Any) -> list[Any]:
    if not isinstance(curves, Mapping) or not curves:
        raise TypeError("curves must map segments (or segments and actions) to response curves.")
    return list(dict.fromkeys(key[0] if isinstance(key, tuple) else key for key in curves))


def _sizes(plan: ExperimentPlan | None, given: Any, labels: tuple[str, ...], notes: list[str]) -> Any:
    if plan is None and given is None:
        return None
    if plan is not None:
        table = plan.table
        needed = table["n_needed"].astype("Float64").to_numpy(dtype=float, na_value=np.inf)
        there = table["n_available"].astype("Float64").to_numpy(dtype=float, na_value=np.inf)
        size = np.minimum(needed, there)
        short = table.index[(there < needed) & np.isfinite(there)]
        if len(short):
            notes.append(
                f"{count(len(short), 'segment')} ({name_some(short)}) cannot fill the test planned; theirs has the "
                "customers that there are."
            )
        given = {label_of(name): value for name, value in zip(table.index, size, strict=True) if np.isfinite(value)}
        given |= {name: 0.0 for name in labels if name not in given}
    sizes = _numbers(given, labels, "test_customers")
    if not (np.isfinite(sizes).all() and (sizes >= 0).all()):
        raise ValueError(f"test_customers must be finite and 0 or more, got {name_some(sizes.tolist())}.")
    return sizes


def _known(evidence: Any, labels: tuple[str, ...], outcome: str | None, arm: str | None, *, pooled: bool) -> Any:
    """Return on how many customers of its own each segment's curve rests."""
    if hasattr(evidence, "estimates") or is_frame(evidence):
        effects = effects_of(
            evidence, outcome, arm, pooled=pooled, segments=labels, n_draws=20, rng=np.random.default_rng(0)
        )
        if np.isnan(effects.n).any():
            raise ValueError(
                "this evidence does not say on how many customers it rests (n_control, n_treated): give evidence= as "
                "customers per segment."
            )
        # a pooled effect knows as much as so many more customers of the segment would tell
        n = effects.n * (effects.raw_se / effects.se) ** 2
    else:
        n = _numbers(evidence, labels, "evidence")
    if not (np.isfinite(n).all() and (n > 0).all()):
        raise ValueError(f"evidence must be customers above 0 per segment, got {name_some(np.asarray(n).tolist())}.")
    return n
