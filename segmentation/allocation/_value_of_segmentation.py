"""What a segmentation earns over treating all customers alike."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import number
from segmentation._results import Result
from segmentation.allocation._comparison import split
from segmentation.allocation._keys import amount_of
from segmentation.allocation._misallocation import check_draws, customers_of, misallocation_of
from segmentation.allocation._misallocation_parts import as_it_is
from segmentation.allocation._misallocation_plan import plan_from
from segmentation.allocation._misallocation_result import told
from segmentation.allocation._misallocation_study import Figure

__all__ = ["ValueOfSegmentation", "value_of_segmentation"]

Array = NDArray[np.float64]
SHOWN = 12


@dataclass(frozen=True, eq=False, repr=False)
class ValueOfSegmentation(Result):
    """What a segmentation earns over treating all customers alike.

    Attributes
    ----------
    earns : Figure
        What deciding by segment brings more, with ``low`` and ``high``; may be below zero.
    net : Figure
        That less the running cost.
    potential : Figure or None
        From curves only: what the best plan by segment, which nobody knows, brings more than treating all alike; its
        lower bound is 0 where the segments may differ in nothing that counts.
    alike, by_segment : Figure
        What treating all alike and deciding by segment bring in all, arms or actions paid, the running cost not.
    table : pandas.DataFrame
        One row per segment: what it gets alike and by segment, and the ``change`` of outcome with interval.
    settings : dict
    warnings : tuple of str
    """

    earns: Figure
    net: Figure
    potential: Figure | None
    alike: Figure
    by_segment: Figure
    table: pd.DataFrame
    settings: Mapping[str, Any]
    warnings: tuple[str, ...]

    def _facts(self) -> dict[str, Any]:
        return {
            "earns": vars(self.earns),
            "net": vars(self.net),
            "potential": None if self.potential is None else vars(self.potential),
            "alike": vars(self.alike),
            "by_segment": vars(self.by_segment),
            "table": self.table.reset_index(),
            "settings": self.settings,
            "warnings": self.warnings,
        }

    def _headline(self) -> str:
        level, cost = self.settings["level"], self.settings["running_cost"]
        period = f" {self.settings['period']}" if self.settings["period"] else ""
        less = f"; after its running cost of {number(cost)}: {told(self.net, level)}" if cost else ""
        return f"Deciding by segment earns {told(self.earns, level)}{period} over treating all alike{less}"

    def _lines(self) -> list[str]:
        lines = []
        if self.potential is not None:
            lines.append(
                f"with perfectly known curves it could earn {told(self.potential, self.settings['level'])}"
                + (": the segments may differ in nothing that counts" if self.potential.low <= 0 else "")
            )
        if self.net.low > 0:
            lines.append("it pays")
        elif self.net.high < 0:
            lines.append("it does not pay")
        elif np.isfinite(self.net.low):
            lines.append("whether it pays cannot be told: the interval holds zero")
        return lines

    def __str__(self) -> str:
        table = self.table.head(SHOWN).reset_index()
        shown = table.to_string(index=False, float_format=lambda value: number(float(value)))
        more = [f"... and {len(self.table) - SHOWN} more in .table"] if len(self.table) > SHOWN else []
        lines = [self._headline(), *(f"  {line}" for line in self._lines()), "", shown, *more]
        return "\n".join([*lines, *(f"Note: {text}" for text in self.warnings)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        lines = "".join(f"<li>{html.escape(line)}</li>" for line in self._lines())
        notes = "".join(f"<p>Note: {html.escape(text)}</p>" for text in self.warnings)
        table: Any = self.table.head(SHOWN).reset_index()
        shown = table.to_html(index=False, escape=True, float_format=lambda value: number(float(value)))
        return f"<p>{html.escape(self._headline())}</p><ul>{lines}</ul>{shown}{notes}"

    def plot(self, ax: Any = None) -> Any:
        """Draw what deciding by segment earns and what its running cost leaves; see `ValueOfSegmentationDisplay`."""
        from segmentation.allocation._value_of_segmentation_display import ValueOfSegmentationDisplay

        return ValueOfSegmentationDisplay.from_value(self).plot(ax).ax_


def value_of_segmentation(
    curves: Any = None,
    resources: Any = None,
    *,
    n_customers: Any = None,
    uses: Any = None,
    bounds: Any = None,
    min_share: Any = None,
    fixed_costs: Any = None,
    minimum_if_funded: Any = None,
    exclusive: Any = None,
    outcome: Any = None,
    arm: Any = None,
    assignment: Any = None,
    arm_cost: Any = None,
    probability: Any = None,
    customer: Any = None,
    n_target: float | None = None,
    running_cost: float = 0.0,
    level: float = 0.9,
    n_draws: int | None = None,
    n_folds: int = 5,
    n_repeats: int = 5,
    period: str | None = None,
    random_state: Any = None,
) -> ValueOfSegmentation:
    """Say what deciding by segment earns over treating all customers alike, less what the segmentation costs to run.

    From curves and resources, or from the rows of an experiment. The rows are the better witness: what is decided on
    one part of the customers is valued on another, so that segments that mean nothing earn nothing.

    Parameters
    ----------
    curves, resources, uses, bounds, min_share, fixed_costs, minimum_if_funded, exclusive
        As in `allocate`. Alike means that every segment gets its share of every resource by customers, its actions
        equal parts of it.
    n_customers : mapping
        Customers by segment, with `curves`.
    outcome, arm, assignment : array-like of shape (n_rows,)
        From an experiment: what came of each customer, which arm (a treatment, a level of effort) chance gave, and the
        segment. Pandas objects are taken by position.
    arm_cost : mapping, optional
        What an arm costs per row, in the unit of the outcome; arms not named cost nothing.
    probability : mapping, optional
        The probability of each arm, where it is known; by default its share of the rows.
    customer : array-like of shape (n_rows,), optional
        Who, where customers have several rows: they are kept together.
    n_target : float, optional
        Number of customers (rows) that will be decided on; by default as many as there are rows.
    running_cost : float, default=0
        What the segmentation costs for the same period, in the unit of the outcome.
    level : float, default=0.9
    n_draws : int, optional
        With `curves`, as in `misallocation_cost`.
    n_folds, n_repeats : int, default=5
        Parts of the customers, and times that they are made anew.
    period : str, optional
        What the figures are for, such as "a quarter"; for the sentences.
    random_state : int, numpy Generator or RandomState, optional
        Parts of the customers.

    Returns
    -------
    ValueOfSegmentation

    Raises
    ------
    ValueError, TypeError
        Both or neither of curves and rows given, missing values, rows that do not match, an arm with no row.

    Notes
    -----
    *From curves*: the gain of the plan by segment over treating all alike, and its cost against the unknown optimum,
    both corrected as in `misallocation_cost`.

    *From rows*: customers are put into parts at random. In each part but the first, the arm that is best by segment and
    the one that is best for all are chosen on the parts before it, and both are valued in it by augmented
    inverse-probability weighting, whose means of arms by segment come from the parts before, too. Differences of
    segments are shrunk by what is noise in them before one gets an arm of its own, and all get the same where chance
    alone would make as large differences in 1 of 100 cases (Cochran's Q). The value is that of choices made on
    1 to ``n_folds - 1`` parts of the data, so it is rather too low for segments that matter. Choosing on all other
    parts would use the data better, but where arms are equal the parts would err together, and the interval would be
    too short [1]_; in this order errors add up like those of independent customers. Repetitions with other parts are
    averaged and their mean standard error is kept, which is rather too large. Where segments choose the arm that all
    would get, the value is exactly zero. ``uncorrected`` is what the best arm of each segment brings more on the rows
    that chose it.

    References
    ----------
    .. [1] Luedtke, A. R., van der Laan, M. J. (2016). Statistical inference for the mean outcome under a possibly
       non-unique optimal treatment strategy. Annals of Statistics 44. doi:10.1214/15-AOS1384

    Examples
    --------
    >>> import numpy as np
    >>> from segmentation.allocation import value_of_segmentation
    >>> rng = np.random.default_rng(0)
    >>> segment = rng.choice(["young", "old"], size=4000)
    >>> arm = rng.choice(["none", "call"], size=4000)
    >>> spend = 20 + np.where(arm == "call", np.where(segment == "old", 6.0, 1.0), 0.0) + rng.normal(0, 10, 4000)
    >>> found = value_of_segmentation(
    ...     outcome=spend, arm=arm, assignment=segment, arm_cost={"call": 3.0}, random_state=0
    ... )
    >>> bool(found.earns.low > 0), found.table.loc["old", "arm"], found.table.loc["young", "arm"]
    (True, 'call', 'none')
    """
    arguments = dict(locals())
    _check_level(level)
    cost = amount_of(running_cost, "running_cost")
    rows = {"outcome": outcome, "arm": arm, "assignment": assignment}
    given = [name for name, value in rows.items() if value is not None]
    if (curves is None) == (not given):
        raise ValueError(
            "give either curves, resources and n_customers, or outcome, arm and assignment of an experiment; got "
            + ("both." if given else "neither.")
        )
    if curves is None:
        from segmentation.allocation._value_of_segmentation_rows import from_rows

        lacking = [name for name, value in rows.items() if value is None]
        if lacking:
            raise ValueError(
                f"rows of an experiment need outcome, arm and assignment; {', '.join(lacking)} is missing."
            )
        (earns, brings, by_segment), table, settings, warnings = from_rows(
            outcome, arm, assignment, arm_cost=arm_cost, probability=probability, customer=customer,
            n_target=n_target, level=level, n_folds=n_folds, n_repeats=n_repeats, random_state=random_state,
        )  # fmt: skip
        settings |= {"level": level, "running_cost": cost, "period": period}
        return ValueOfSegmentation(earns, earns.less(cost), None, brings, by_segment, table, settings, warnings)
    if resources is None or n_customers is None:
        raise ValueError("with curves, give resources and n_customers: alike means in proportion to customers.")
    check_draws(n_draws)
    plan = plan_from(arguments)
    problem = plan.problem
    if not np.isfinite(problem.supply).all():
        raise ValueError("treating all alike needs resources with a limit; one has none.")
    customers = customers_of(problem, n_customers)
    weights = {segment: float(n) for (segment, _), n in zip(problem.items, customers, strict=True)}
    alike = split(problem, weights)
    found = misallocation_of(
        plan, alike, None, level=level, n_draws=n_draws, period=period, called="Treating all alike"
    )
    columns = {"effort_today": "effort_alike", "effort_plan": "effort_by_segment"}
    table = found.by_segment.rename(columns=columns)[[*columns.values(), "change", "change_low", "change_high"]]
    return ValueOfSegmentation(
        earns=found.gain,
        net=found.gain.less(cost),
        potential=found.cost,
        alike=as_it_is(problem, alike, level),
        by_segment=found.expected_return,
        table=table,
        settings={**found.settings, "running_cost": cost, "n_customers": weights},
        warnings=found.warnings,
    )


def _check_level(level: Any) -> None:
    if isinstance(level, bool) or not isinstance(level, int | float | np.number) or not 0 < level < 1:
        raise ValueError(f"level must be a number between 0 and 1, got {level!r}.")
