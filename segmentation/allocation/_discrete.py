"""The best plan where some choices are all or nothing: S-shaped curves, fixed costs, whole units, exclusive actions."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segmentation.allocation._discrete_bound import bound_at, tightened, uniform_price
from segmentation.allocation._discrete_domain import Domain, make_domain
from segmentation.allocation._discrete_model import Choice, Cuts, Model, Prices
from segmentation.allocation._discrete_order import canonical_order, reordered
from segmentation.allocation._discrete_pieces import CONCAVE, Pieces, first_pieces
from segmentation.allocation._discrete_plan import plan_of
from segmentation.allocation._errors import InfeasibleError
from segmentation.allocation._keys import named
from segmentation.allocation._problem import Problem, Solution

__all__ = ["solve_discrete"]

Array = NDArray[np.float64]
PROVEN = 1e-6
# Rounds of tangents for the relaxed problem, of narrowing by its prices, and of whole programmes after that.
RELAXED_ROUNDS = 12
NARROWINGS = 3
ROUNDS = 100
FIRST_TANGENTS = (0.002, 0.05, 0.3, 1.0)
# First tangents are also put where pieces are best at one price for all resources, and at these parts of it.
AROUND = (0.6, 0.8, 0.92, 1.0, 1.1, 1.3, 1.8)
LATER_TANGENTS = (0.0, 0.05, 0.25, 0.5, 0.75, 1.0)
# Tangents that lower the relaxed programme by no more than this part of the gap are enough.
STALLED = 0.1
# Which part of the gap the programme may leave, and from how much more than the best plan on others are looked for.
OF_GAP = 0.5
# The finest gap that is aimed at: the bound of the linear programme is raised by more than a fifth of it.
FINEST = 5e-7
# What the bound of the linear programme is raised by, relative, for the tolerance of its solver.
SOLVER = 1e-7


def solve_discrete(problem: Problem, *, gap: float = 1e-4, time_limit: float | None = None) -> Solution:
    """Find the efforts with the largest total outcome, less what items cost once, where choices are all or nothing.

    Parameters
    ----------
    problem : Problem
        Curves may be S-shaped (their slope rises once and then falls). An item above 0 takes ``fixed`` of the
        resources and ``fixed_cost``; an ``optional`` one is 0 or at least ``lower``; of an ``integer`` resource each
        item takes whole units, what it takes once included; of each ``exclusive`` group at most one item is above 0.
    gap : float, default=1e-4
        Stop where the plan is proven to be this near to the best possible one, relative to its total; 5e-7 at least.
    time_limit : float, optional
        Seconds after which the best plan so far is returned, with the gap that is proven for it.

    Returns
    -------
    Solution
        ``gap`` is proven, ``(bound - total) / |total|``; ``status`` is "optimal" (at most 1e-6), "within gap", or
        "stopped" where the time (or the precision of the solver) ran out before the gap was reached. Prices are those
        of the concave problem that is left once the choices are made: who gets something, how many whole units, and
        efforts on the part of an S-shaped curve that still rises faster. A choice itself has no price: more of a
        resource may well change it.

    Raises
    ------
    InfeasibleError
        If no plan meets all requirements.
    UnboundedError
        If nothing limits an effort whose return never ends.
    TimeoutError
        If the time ran out before any plan was found that keeps everything.
    ValueError
        If a curve is neither concave nor S-shaped.

    Notes
    -----
    Every curve is cut at its inflection; there the straight line between the ends of the convex part and tangents of
    the concave part are never below it. On these pieces the problem is a mixed-integer linear programme that is at
    least as good as the problem itself, so that its bound holds; HiGHS solves it, tangents are added and convex parts
    cut in two where the programme hoped for too much (Horst and Tuy (1996), doi:10.1007/978-3-662-03199-5). Before, the
    prices of the relaxed programme bound the total by looking at every item by itself (the Lagrangian dual, which needs
    no straight pieces; Fisher (1981), doi:10.1287/mnsc.27.1.1), which often proves the gap at once, and otherwise
    leaves out what cannot be part of a better plan. Plans are those of `solve_concave` with the choices fixed. The
    bound of the programme is raised by 1e-7 of the total for the tolerance of its solver.

    Items are sorted by their own numbers first, so that neither names nor order change the plan. Where whole units or
    a funding go to one of several items that are equal in everything, no rule can treat them alike: the first of them
    as they stand gets it.

    Examples
    --------
    >>> import numpy as np
    >>> from segmentation.allocation._problem import Problem
    >>> from segmentation.curves import HillCurve, LogCurve
    >>> problem = Problem(
    ...     items=(("loyal", "visit"), ("new", "visit")),
    ...     curves=(HillCurve(top=100.0, half=5.0, shape=3.0), LogCurve(scale=20.0, rate=1.0)),
    ...     use=np.array([[1.0], [1.0]]),
    ...     supply=np.array([9.0]),
    ...     lower=np.zeros(2),
    ...     upper=np.full(2, np.inf),
    ...     integer=np.array([True]),
    ... )
    >>> solution = solve_discrete(problem)
    >>> solution.x.tolist(), bool(solution.gap <= 1e-4)
    ([7.0, 2.0], True)
    """
    order, columns = canonical_order(problem)
    sorted_problem, floors = reordered(problem, order, columns)
    search = _solve(sorted_problem, max(gap, FINEST), time_limit)
    if search.x is None or search.solution is None:
        raise _without_plan(search, time_limit)
    relative = search.relative_gap()
    x = np.empty(len(order))
    x[order] = search.x
    prices = np.empty(len(columns))
    prices[columns] = search.solution.shadow_prices
    floor_prices = np.zeros(len(floors))
    floor_prices[floors] = search.solution.floor_prices
    return dataclasses.replace(
        search.solution,
        x=x,
        gap=relative,
        status="optimal" if relative <= PROVEN else "within gap" if relative <= gap else "stopped",
        shadow_prices=prices,
        floor_prices=floor_prices,
        n_iterations=search.programmes,
    )


@dataclass
class _Search:
    """What is known so far: the best plan, and what no plan exceeds."""

    domain: Domain
    gap: float
    deadline: float | None
    worth: float
    best: float = -np.inf
    bound: float = np.inf
    x: Array | None = None
    solution: Solution | None = None
    programmes: int = 0

    def seconds(self) -> float | None:
        """Return the seconds left; None where there is no limit."""
        return None if self.deadline is None else self.deadline - time.perf_counter()

    def late(self) -> bool:
        """Tell whether the time has run out."""
        return self.deadline is not None and time.perf_counter() > self.deadline

    def size(self) -> float:
        """Return what gaps are relative to."""
        return max(abs(self.best) if self.x is not None else 0.0, 1e-9 * self.worth)

    def relative_gap(self) -> float:
        """Return the proven gap of the best plan."""
        distance = self.bound - self.best
        return max(distance, 0.0) / self.size() if np.isfinite(distance) else np.inf

    def done(self) -> bool:
        """Tell whether the gap is reached."""
        return self.relative_gap() <= self.gap

    def offer(self, pieces: Pieces, choice: Choice | None) -> None:
        """Take the plan of a choice where it is the best so far."""
        found = None if choice is None or not choice.found else plan_of(self.domain, pieces, choice)
        if found is None:
            return
        value = self.domain.problem.net(found[0])
        if self.x is None or value > self.best:
            self.best, (self.x, self.solution) = value, found

    def cutoff(self) -> float:
        """Return what another plan must bring to be worth looking for; minus infinity where there is no plan yet."""
        return self.best + OF_GAP * self.gap * self.size() if self.x is not None else -np.inf


def _solve(problem: Problem, gap: float, time_limit: float | None) -> _Search:
    deadline = None if time_limit is None else time.perf_counter() + time_limit
    domain = make_domain(problem)
    pieces = first_pieces(domain)
    worth = float(np.maximum(pieces.at_b, 0.0).mean()) if len(pieces) else 0.0
    search = _Search(domain, gap, deadline, worth if worth > 0 else 1.0)
    price = uniform_price(domain, pieces)
    if price is not None:
        search.bound = bound_at(domain, pieces, price)[0]
    model, choice = _relaxed(search, pieces, _first_tangents(domain, pieces, price))
    if choice is None:
        raise _conflict(problem)
    if choice.found:
        # what the relaxed programme chose, with whole numbers: few items are left to decide on
        search.offer(pieces, model.solve(OF_GAP * gap, search.seconds(), model.near(choice)))
        search.programmes += 1
    if not _whole(search, pieces, choice.prices):
        raise _conflict(problem)
    if search.x is None:
        _least(search)
    return search


def _least(search: _Search) -> None:
    """Take the plan in which nothing gets more than it must, where that is one."""
    problem, domain = search.domain.problem, search.domain
    x = np.where(domain.can_be_zero, 0.0, domain.lower)
    if problem.is_feasible(x):
        prices = np.zeros(len(problem.supply)), np.zeros(len(problem.floors))
        search.x, search.best = x, problem.net(x)
        search.solution = Solution(x, prices[0], np.inf, "stopped", prices[1])


def _relaxed(search: _Search, pieces: Pieces, cuts: Cuts) -> tuple[Model, Choice | None]:
    """Solve without whole numbers, with tangents added where they are missing; its prices bound all plans."""
    bent = np.flatnonzero((pieces.kind == CONCAVE) & (pieces.b > pieces.a))
    model = Model(search.domain, pieces, cuts, search.worth)
    choice = model.relaxed(search.seconds())
    for _ in range(RELAXED_ROUNDS):
        if choice is None or choice.prices is None or search.late():
            break
        _, best_x, _ = bound_at(search.domain, pieces, choice.prices)
        x = np.clip(choice.effort[bent] / np.maximum(choice.weight[bent], 1e-9), pieces.a[bent], pieces.b[bent])
        over = choice.value[bent] - choice.weight[bent] * pieces.curves.value(pieces.item[bent], x)
        if over.sum() <= 0.1 * search.gap * abs(choice.bound):
            break
        worst = over > 0.01 * search.gap * abs(choice.bound) / len(bent)
        cuts = cuts.with_tangents(pieces, bent[worst], x[worst])
        cuts = cuts.with_tangents(pieces, bent[worst], best_x[bent[worst]])
        model = Model(search.domain, pieces, cuts, search.worth)
        newer = model.relaxed(search.seconds())
        if newer is not None and not newer.found:
            break
        fall = np.inf if newer is None else choice.bound - newer.bound
        choice = newer
        if fall <= STALLED * search.gap * abs(choice.bound if choice else 1.0):
            break
    if choice is not None and choice.prices is not None:
        search.bound = min(search.bound, max(bound_at(search.domain, pieces, choice.prices)[0], search.cutoff()))
    elif choice is not None and choice.found:
        search.bound = max(choice.bound, search.cutoff())
    return model, choice


def _whole(search: _Search, pieces: Pieces, prices: Prices | None) -> bool:
    """Solve with whole numbers on what can still be better; False where there is no plan.

    Refine where the programme was too hopeful, until the gap is reached or the time has run out.
    """
    narrowed_at = -np.inf
    cuts = _tangents(pieces, FIRST_TANGENTS)
    if prices is not None:
        cuts = cuts.with_tangents(pieces, *_responses(search.domain, pieces, prices))
    for _ in range(ROUNDS):
        if search.done() or search.late():
            return True
        if search.best > narrowed_at and prices is not None:
            pieces, cuts, prices = _narrowed(search, pieces, prices)
            narrowed_at = search.best
            if search.done():
                return True
        choice = Model(search.domain, pieces, cuts, search.worth).solve(OF_GAP * search.gap, search.seconds())
        search.programmes += 1
        if choice is None:
            search.bound = min(search.bound, search.cutoff())
            return search.x is not None
        allowed = SOLVER * max(abs(choice.bound), search.size())
        search.bound = min(search.bound, max(choice.bound + allowed, search.cutoff()))
        if not choice.found:
            return True
        search.offer(pieces, choice)
        pieces, cuts, changed = _refined(search, pieces, cuts, choice)
        if not changed:
            return True
    return True


def _narrowed(search: _Search, pieces: Pieces, prices: Prices) -> tuple[Pieces, Cuts, Prices]:
    """Leave out what prices prove to be no part of a better plan; what is left has better prices, and so on."""
    for k in range(NARROWINGS):
        before, length = len(pieces), float(pieces.span.sum())
        pieces = tightened(search.domain, pieces, prices, search.cutoff())
        cuts = _tangents(pieces, LATER_TANGENTS)
        cuts = cuts.with_tangents(pieces, *_responses(search.domain, pieces, prices))
        little = len(pieces) > 0.9 * before and float(pieces.span.sum()) > 0.7 * length
        if (k and little) or search.late():
            break
        _, choice = _relaxed(search, pieces, cuts)
        if choice is None:
            search.bound = min(search.bound, search.cutoff())
        if choice is None or choice.prices is None or search.done():
            break
        prices = choice.prices
    return pieces, cuts, prices


def _tangents(pieces: Pieces, shares: tuple[float, ...]) -> Cuts:
    bent = np.flatnonzero((pieces.kind == CONCAVE) & (pieces.b > pieces.a))
    cuts = Cuts.none()
    for share in shares:
        cuts = cuts.with_tangents(pieces, bent, pieces.a[bent] + share * pieces.span[bent])
    return cuts


def _first_tangents(domain: Domain, pieces: Pieces, price: Prices | None) -> Cuts:
    """Put tangents where efforts may end up: near what is best at the price at which resources are just used up."""
    cuts = _tangents(pieces, FIRST_TANGENTS)
    if price is None:
        return cuts
    for factor in AROUND:
        around = Prices(price.resources * factor, price.floors, price.groups)
        cuts = cuts.with_tangents(pieces, *_responses(domain, pieces, around))
    return cuts


def _responses(domain: Domain, pieces: Pieces, prices: Prices) -> tuple[NDArray[np.int64], Array]:
    """Return concave pieces and what is best on them at the prices."""
    bent = np.flatnonzero((pieces.kind == CONCAVE) & (pieces.b > pieces.a))
    return bent, bound_at(domain, pieces, prices)[1][bent]


def _refined(search: _Search, pieces: Pieces, cuts: Cuts, choice: Choice) -> tuple[Pieces, Cuts, bool]:
    """Add tangents and cut convex pieces where the programme took more than the curve brings."""
    chosen = np.flatnonzero((choice.weight > 0.5) & (pieces.b > pieces.a))
    x = np.clip(choice.effort[chosen], pieces.a[chosen], pieces.b[chosen])
    over = choice.value[chosen] - pieces.curves.value(pieces.item[chosen], x)
    hopeful = over > 0.02 * search.gap * search.size() / max(len(chosen), 1)
    bent = pieces.kind[chosen] == CONCAVE
    cuts = cuts.with_tangents(pieces, chosen[hopeful & bent], x[hopeful & bent])
    where = hopeful & ~bent
    if not where.any():
        return pieces, cuts, bool(hopeful.any())
    cut = pieces.split(chosen[where], x[where])
    # cutting pieces moves the positions of the others: their tangents go along
    place = {end: k for k, end in enumerate(zip(cut.item.tolist(), cut.a.tolist(), cut.b.tolist(), strict=True))}
    old = pieces.take(cuts.piece)
    moved = [place[end] for end in zip(old.item.tolist(), old.a.tolist(), old.b.tolist(), strict=True)]
    return cut, dataclasses.replace(cuts, piece=np.array(moved, dtype=np.int64)), True


def _without_plan(search: _Search, time_limit: float | None) -> Exception:
    if search.late():
        return TimeoutError(
            f"no plan that keeps everything was found within time_limit={time_limit!r} seconds: give it more time, or "
            "ask for less."
        )
    return RuntimeError(
        "the solver of linear programmes (HiGHS) gave up without a plan: bring amounts, efforts and outcomes to units "
        "in which they are neither huge nor tiny."
    )


def _conflict(problem: Problem) -> InfeasibleError:
    """Return the error that says what there is to keep, of which something is too much."""
    required = (problem.lower > 0) & ~np.asarray(problem.optional)
    for group in problem.exclusive:
        both = [i for i in group.tolist() if required[i]]
        if len(both) > 1:
            demands = [f"{named(problem.items[i])} gets at least {problem.lower[i]:g}" for i in both[:2]]
            rule = f"at most one of {', '.join(named(problem.items[i]) for i in group.tolist())} gets anything"
            return InfeasibleError(f"no plan meets all requirements: {'; '.join([*demands, rule])}.", (*demands, rule))
    whole = np.asarray(problem.integer)
    demands = [f"{named(problem.items[i])} gets at least {problem.lower[i]:g}" for i in np.flatnonzero(required)]
    demands += [
        f"{f.segment!r} gets at least {f.amount:g} of {problem.resources[f.resource]!r}" for f in problem.floors
    ]
    demands += [
        f"at most one of {', '.join(named(problem.items[i]) for i in g)} gets anything" for g in problem.exclusive
    ]
    demands += [
        f"there are {problem.supply[j]:g} of {problem.resources[j]!r}{', in whole units' if whole[j] else ''}"
        for j in np.flatnonzero(np.isfinite(problem.supply))
    ]
    return InfeasibleError(f"no plan meets all requirements together: {'; '.join(demands[:8])}.", tuple(demands))
