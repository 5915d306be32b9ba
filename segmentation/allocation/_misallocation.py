"""What today's split costs, and what the recommended plan would bring."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some, number
from segmentation.allocation._contacts import read_customers
from segmentation.allocation._keys import amount_of, by_item
from segmentation.allocation._misallocation_draws import point_batch
from segmentation.allocation._misallocation_optimum import cost_of
from segmentation.allocation._misallocation_parts import alike, cause_figures, changes
from segmentation.allocation._misallocation_plan import plan_from
from segmentation.allocation._misallocation_result import Misallocation
from segmentation.allocation._misallocation_study import FEW_WORLDS, Figure, Study, n_drawn, study_of
from segmentation.allocation._problem import Problem
from segmentation.allocation._result import Allocation

__all__ = ["check_draws", "customers_of", "misallocation_cost", "misallocation_of", "study_notes"]

Array = NDArray[np.float64]
# An effort below this share of the largest is none.
NOTHING = 1e-9


def misallocation_cost(
    actual: Any,
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
    level: float = 0.9,
    n_draws: int | None = None,
    period: str | None = None,
) -> Misallocation:
    """Say what today's split costs, which segments and causes that comes from, and what the better plan would bring.

    Two figures, each with its own interval. The **gain** is what the recommended plan is expected to bring more than
    today's; its interval may reach below zero, because the plan was chosen on estimates and may be worse. The **cost**
    is what today's split brings less than the best possible one, which nobody knows; it is never below zero.

    Parameters
    ----------
    actual : mapping
        Today's efforts, by (segment, action) or segment; what is not named is 0.
    curves, resources, uses, bounds, min_share, fixed_costs, minimum_if_funded, exclusive, contact_cap, contacts
        As in `allocate`. Curves need draws for intervals and corrections.
    n_customers : mapping, optional
        Customers by segment: what comes from treating all customers alike is then told apart in ``by_cause``.
    level : float, default=0.9
    n_draws : int, optional
        Draws in which the plan is made again, at least 20; by default 1,000, where problems have to be solved one by
        one (several resources, shares over several actions) 300, where they are discrete 60.
    period : str, optional
        What the efforts and outcomes are for, such as "a quarter"; for the sentences.

    Returns
    -------
    Misallocation
        ``gain``, ``cost``, ``expected_return`` (figures with ``value``, ``low``, ``high`` and ``uncorrected``),
        ``regret``, ``table``, ``by_segment``, ``by_cause``, ``plan`` (the `Allocation`).

    Raises
    ------
    InfeasibleError, UnboundedError
        As `allocate`.
    ValueError, TypeError
        Today's efforts name what is no segment, are negative or missing; n_draws below 20.

    Notes
    -----
    *Two figures.* The best split is as good as the plan or better: value and bounds of the cost are nowhere below those
    of the gain.

    *Correction.* The plan that looks best on estimates is, on average, not as good as it looks, and the best outcome
    over estimates is higher than the best outcome. Both are measured by choosing again: errors like those of the
    estimates are taken from the draws (which should scatter as estimates do from sample to sample: a bootstrap, or an
    estimate with its standard error), plans are made with them and valued without them. For the gain part of the error
    is enough, so that choices among nearly equal segments are corrected by as much as they need [1]_. The interval of
    the gain adds the uncertainty of the choice to that of the curves; that of the cost holds those costs under which
    the cost seen would not be surprising, the higher ones in curves moved as errors do that would hide them [3]_. Where
    today's split may be the best, errors act by their squares, and both intervals follow that: for quadratic outcomes
    and normal errors the gain is in its 90 % interval in 89 to 94 % of cases, wherever today's split is. Draw by draw,
    the best outcome minus today's is positive whatever today's split is; its quantiles are no interval of the cost, and
    are not shown.

    *Plans that are followed.* Today's split is taken for older than the curves. One that was chosen on them, such as
    the plan itself or what it was rounded to, looks as much too good as the plan; it is told by how near it is,
    nothing is taken off the gain, and a warning says so.

    *Segments.* ``by_segment`` has what each segment brings more or less in the plan; the changes add up to the gain.

    *Causes.* Effort that moves from one segment to another pays twice: charged at the shadow prices, both changes are
    gains where nothing but the resources stands in the way. "Wrong segments": those that get something today and
    nothing in the plan, or the reverse. "Wrong amounts": those with more or less than in the plan. "Coarse
    segmentation" (with `n_customers`): the stretch between the effort of treating all customers alike, which is today's
    effort of each action in proportion to customers, and the plan's, as far as today's effort lies on or beyond it; a
    split that is the same for every customer is coarse and nothing else. "Unused resources": what is left today (below
    zero if today takes more than there is) at its shadow price. The four add up to the gain.

    References
    ----------
    .. [1] Oliveira, N. L., Lei, J., Tibshirani, R. J. (2021). Unbiased risk estimation in the normal means problem via
       coupled bootstrap techniques. arXiv:2111.09447
    .. [2] Smith, J. E., Winkler, R. L. (2006). The optimizer's curse: skepticism and postdecision surprise in decision
       analysis. Management Science 52. doi:10.1287/mnsc.1050.0451
    .. [3] DiCiccio, T., Efron, B. (1992). More accurate confidence intervals in exponential families. Biometrika 79.
       doi:10.1093/biomet/79.2.231

    Examples
    --------
    >>> from segmentation.allocation import Resource, misallocation_cost
    >>> from segmentation.curves import from_lift
    >>> curves = {
    ...     "loyal": from_lift(600.0, effort=20, se=60, half=10, random_state=1),
    ...     "new": from_lift(200.0, effort=20, se=60, half=10, random_state=2),
    ... }
    >>> found = misallocation_cost({"loyal": 20, "new": 20}, curves, Resource("budget", 40), period="a quarter")
    >>> print(found.sentences[0])
    today's split costs about 32.71 (90 % interval 12.44 to 74.74) a quarter
    """
    arguments = dict(locals())
    check_draws(n_draws)
    plan = plan_from(arguments)
    problem = plan.problem
    today = _efforts(problem, actual)
    common = None
    if n_customers is not None:
        common = alike(problem, today, customers_of(problem, n_customers))
    return misallocation_of(plan, today, common, level=level, n_draws=n_draws, period=period)


def misallocation_of(
    plan: Allocation,
    today: Array,
    common: Array | None,
    *,
    level: float,
    n_draws: int | None,
    period: str | None,
    called: str = "Today",
) -> Misallocation:
    """Compare a plan with efforts of today, or of what is `called` otherwise."""
    problem = plan.problem
    best = np.where(plan.solution.x > NOTHING * plan.solution.x.max(initial=0.0), plan.solution.x, 0.0)
    prices = plan.solution.shadow_prices
    point = point_batch(problem)
    study = study_of(problem, best, n_draws)
    whole = np.ones((1, len(today)))
    (gain,) = changes(problem, point, study, best, today, whole, level)
    (brings,) = changes(problem, point, study, best, np.zeros(len(today)), whole, level)
    cost = Figure(max(gain.value, 0.0), np.nan, np.nan, gain.uncorrected)
    if study is not None:
        cost = cost_of(study, today, level, prices, gain)
    segments = list(dict.fromkeys(segment for segment, _ in problem.items))
    groups = np.array([[float(s == segment) for s, _ in problem.items] for segment in segments])
    by_segment = changes(problem, point, study, best, today, groups, level)
    causes = cause_figures(problem, point, study, best, today, common, prices, level)
    regret = np.nan if study is None else float(study.regret.mean())
    error = np.nan if study is None else float(study.regret.std(ddof=1) / np.sqrt(len(study.regret)))
    settings = {
        "level": level,
        "n_draws": n_drawn(problem),
        "n_solved": 0 if study is None else study.solved.n_worlds,
        "period": period,
        "n_items": len(problem.items),
        "resources": plan.settings["resources"],
        "alike": None if common is None else common.tolist(),
    }
    return Misallocation(
        gain=gain,
        cost=cost,
        expected_return=brings,
        regret=regret,
        regret_se=error,
        by_segment=_segment_table(plan, segments, groups, by_segment, best, today),
        by_cause=pd.DataFrame(
            [(figure.value, figure.low, figure.high) for figure in causes.values()],
            index=pd.Index(list(causes), name="cause"),
            columns=["amount", "low", "high"],
        ),
        today=float(problem.net(today)),
        plan=plan,
        settings=settings,
        warnings=(*_today_notes(problem, today, called, study), *study_notes(problem, study), *plan.warnings),
    )


def _segment_table(
    plan: Allocation, segments: Sequence[Any], groups: Array, figures: Sequence[Figure], best: Array, today: Array
) -> pd.DataFrame:
    problem = plan.problem
    columns: dict[str, Any] = {}
    for j, name in enumerate(problem.resources):
        columns[f"{name}_today"] = groups @ problem.taken(today)[:, j]
        columns[f"{name}_plan"] = groups @ problem.taken(best)[:, j]
    now, then = (_weight(problem, groups, x, plan) for x in (today, best))
    columns |= {
        "effort_today": groups @ today,
        "effort_plan": groups @ best,
        "served": [_served(*pair) for pair in zip(now, then, strict=True)],
        "outcome_today": groups @ (problem.value(today) - problem.fixed_costs(today)),
        "outcome_plan": groups @ (problem.value(best) - problem.fixed_costs(best)),
        "change": [figure.value for figure in figures],
        "change_low": [figure.low for figure in figures],
        "change_high": [figure.high for figure in figures],
    }
    return pd.DataFrame(columns, index=pd.Index(segments, name="segment", tupleize_cols=False))


def _weight(problem: Problem, groups: Array, x: Array, plan: Allocation) -> Array:
    """Return what each segment takes, at shadow prices; effort where nothing is scarce."""
    prices = plan.solution.shadow_prices
    worth = problem.use @ prices
    return groups @ (x * (worth if (worth > 0).any() else 1.0))


def _served(now: float, then: float) -> str:
    if abs(then - now) <= 1e-6 * max(now, then):
        return "as planned"
    return "under-served" if now < then else "over-served"


def _efforts(problem: Problem, actual: Any) -> Array:
    given = actual.to_dict() if isinstance(actual, pd.Series) else actual
    result = np.zeros(len(problem.items))
    for i, effort in by_item(given, problem.items, "actual").items():
        value = amount_of(effort, f"today's effort of {problem.items[i]!r}")
        result[i] = value
    return result


def customers_of(problem: Problem, n_customers: Any) -> Array:
    """Return the customers of the segment of each item."""
    customers = read_customers(n_customers, problem.items)
    missing = [s for s in dict.fromkeys(s for s, _ in problem.items) if s not in customers]
    if missing:
        raise ValueError(f"n_customers has nothing for {name_some(missing)}.")
    result = np.array([float(customers[segment]) for segment, _ in problem.items])
    if not (np.isfinite(result).all() and result.sum() > 0):
        raise ValueError("n_customers must be finite, and above 0 in at least one segment.")
    return result


def check_draws(n_draws: Any) -> None:
    if n_draws is None:
        return
    if isinstance(n_draws, bool) or not isinstance(n_draws, numbers.Integral) or n_draws < FEW_WORLDS:
        raise ValueError(f"n_draws must be a whole number of at least {FEW_WORLDS}, got {n_draws!r}.")


def _today_notes(problem: Problem, today: Array, called: str, study: Study | None) -> list[str]:
    notes = []
    if study is not None and study.regret.any() and study.follows(today):
        notes.append(
            f"{called} is nearer to the plan than the errors of the curves would let it be by chance, so it seems to "
            "come from the same curves: both look better than they are, and nothing is taken off their difference."
        )
    used = problem.used(today)
    for j, name in enumerate(problem.resources):
        takes, supply = float(used[j]), float(problem.supply[j])
        if takes > supply * (1 + 1e-9):
            notes.append(
                f"{called} takes {number(takes)} of {name!r}, more than the {number(supply)} that the plan may take: "
                "the comparison is not of the same money."
            )
        elif np.isfinite(supply) and takes < supply * (1 - 1e-6):
            notes.append(
                f"{called} leaves {number(supply - takes)} of {number(supply)} of {name!r} unused; what the plan makes "
                "of it is part of the gain."
            )
    others = [i for i in range(len(today)) if not problem.lower[i] * (1 - 1e-9) <= today[i] <= problem.upper[i]]
    if others:
        notes.append(
            f"{called} is outside of the bounds of the plan in {count(len(others), 'case')} "
            f"({name_some(problem.items[i][0] for i in others)}): what bounds cost is part of the comparison."
        )
    return notes


def study_notes(problem: Problem, study: Study | None) -> list[str]:
    """Say what the intervals rest on."""
    if study is None:
        return [
            f"Curves have fewer than {FEW_WORLDS} draws: nothing is known of their uncertainty, so there are no "
            "intervals, and the figures are as high as the plan looks on its own estimates."
        ]
    notes = []
    if study.solved.n_worlds < study.draws.n_worlds:
        notes.append(
            f"The plan was made again in {study.solved.n_worlds} of {study.draws.n_worlds:,} draws, because each takes "
            "time; corrections and the interval of the cost rest on these (n_draws= takes more)."
        )
    return notes
