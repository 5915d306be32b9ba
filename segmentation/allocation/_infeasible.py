"""Why no plan meets all requirements: a smallest set of them that conflict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segmentation._format import count, number
from segmentation.allocation._errors import InfeasibleError
from segmentation.allocation._input import ONLY_ACTION
from segmentation.allocation._problem import Problem
from segmentation.allocation._resource import Resource

__all__ = ["check_feasible"]

Array = NDArray[np.float64]
# More conflicting requirements than this are counted, the largest of them named.
NAMED = 8
TOLERANCE = 1e-9


@dataclass(frozen=True)
class _Requirement:
    """One row ``row @ x <= limit`` with the words for it."""

    text: str
    positions: NDArray[np.int64]
    row: Array
    limit: float


def check_feasible(problem: Problem, resources: Sequence[Resource]) -> None:
    """Raise InfeasibleError with a smallest conflicting set where no efforts meet all requirements."""
    conflict = _one_resource(problem, resources)
    if conflict is None and problem.floors:
        conflict = _by_deletion(problem, resources)
    if conflict is None:
        return
    named = "; ".join(conflict[:NAMED])
    more = f"; and {count(len(conflict) - NAMED, 'more requirement')}" if len(conflict) > NAMED else ""
    raise InfeasibleError(
        f"no plan meets all requirements. These conflict, and would not with any one of them less: {named}{more}. "
        "Lower one of the least amounts, or provide more.",
        tuple(conflict),
    )


def _label(problem: Problem, i: int) -> str:
    segment, action = problem.items[i]
    return repr(segment) if action == ONLY_ACTION else f"{segment!r} ({action})"


def _resource_text(resource: Resource) -> str:
    return f"there are {resource.of(resource.amount)} of {resource.name!r}"


def _lower_text(problem: Problem, i: int, taken: str = "") -> str:
    return f"{_label(problem, i)} gets at least {number(float(problem.lower[i]))}{taken}"


def _floor_text(problem: Problem, k: int, resources: Sequence[Resource]) -> str:
    floor = problem.floors[k]
    resource = resources[floor.resource]
    share = floor.amount / resource.amount
    return f"{floor.segment!r} gets at least {100 * share:.4g} % of {resource.name!r} ({resource.of(floor.amount)})"


def _one_resource(problem: Problem, resources: Sequence[Resource]) -> list[str] | None:
    """Find the fewest lower bounds and shares that together take more than there is of one resource."""
    best: list[str] | None = None
    for j, resource in enumerate(resources):
        by_bound = problem.use[:, j] * problem.lower
        demands: list[tuple[float, list[str]]] = []
        covered = np.zeros(len(by_bound), dtype=bool)
        for k, floor in enumerate(problem.floors):
            # a share of a segment counts where it asks for more than the bounds of the segment's actions
            if floor.resource == j and floor.amount > by_bound[floor.positions].sum():
                demands.append((floor.amount, [_floor_text(problem, k, resources)]))
                covered[floor.positions] = True
        for i in np.flatnonzero((by_bound > 0) & ~covered):
            taken = "" if problem.use[i, j] == 1 else f" (takes {resource.of(float(by_bound[i]))})"
            demands.append((float(by_bound[i]), [_lower_text(problem, int(i), taken)]))
        total = sum(amount for amount, _ in demands)
        if total <= resource.amount * (1 + TOLERANCE):
            continue
        demands.sort(key=lambda demand: -demand[0])
        needed = int(np.searchsorted(np.cumsum([amount for amount, _ in demands]), resource.amount * (1 + TOLERANCE)))
        found = [text for _, texts in demands[: needed + 1] for text in texts] + [_resource_text(resource)]
        if best is None or len(found) < len(best):
            best = found
    return best


def _requirements(problem: Problem, resources: Sequence[Resource]) -> list[_Requirement]:
    everything = np.arange(len(problem.items))
    result = [
        _Requirement(_resource_text(resource), everything, problem.use[:, j], resource.amount)
        for j, resource in enumerate(resources)
        if np.isfinite(resource.amount)
    ]
    in_floor = np.unique(np.concatenate([floor.positions for floor in problem.floors]))
    for i in np.flatnonzero(problem.lower > 0).tolist():
        here = np.array([i])
        result.append(_Requirement(_lower_text(problem, i), here, np.array([-1.0]), -float(problem.lower[i])))
    for i in in_floor[np.isfinite(problem.upper[in_floor])].tolist():
        text = f"{_label(problem, i)} gets at most {number(float(problem.upper[i]))}"
        result.append(_Requirement(text, np.array([i]), np.array([1.0]), float(problem.upper[i])))
    for k, floor in enumerate(problem.floors):
        row = -problem.use[floor.positions, floor.resource]
        result.append(_Requirement(_floor_text(problem, k, resources), floor.positions, row, -floor.amount))
    return result


def _by_deletion(problem: Problem, resources: Sequence[Resource]) -> list[str] | None:
    """Find a set of requirements that conflict, of which none can be left out, by linear programmes (QuickXplain)."""
    everything = _requirements(problem, resources)
    n = len(problem.items)

    def conflicts(chosen: Sequence[_Requirement]) -> bool:
        return not _possible(chosen, n)

    if not conflicts(everything):
        return None
    return [requirement.text for requirement in _smallest([], everything, conflicts, False)]


def _possible(chosen: Sequence[_Requirement], n: int) -> bool:
    from scipy.optimize import linprog
    from scipy.sparse import csr_array

    if not chosen:
        return True
    if any(not len(r.positions) and r.limit < 0 for r in chosen):
        return False
    scale = [max(abs(r.limit), 1e-12) for r in chosen]
    rows = np.repeat(np.arange(len(chosen)), [len(r.positions) for r in chosen])
    columns = np.concatenate([r.positions for r in chosen])
    data = np.concatenate([r.row / s for r, s in zip(chosen, scale, strict=True)])
    matrix = csr_array((data, (rows, columns)), shape=(len(chosen), n))
    limits = np.array([r.limit / s for r, s in zip(chosen, scale, strict=True)])
    result = linprog(np.zeros(n), A_ub=matrix, b_ub=limits + TOLERANCE, bounds=(0, None), method="highs")
    return bool(result.status != 2)


def _smallest(
    background: list[_Requirement],
    candidates: list[_Requirement],
    conflicts: Callable[[Sequence[_Requirement]], bool],
    added: bool,
) -> list[_Requirement]:
    """Return a minimal part of the candidates that conflicts with the background (Junker (2004), AAAI-04, 167-172)."""
    if added and conflicts(background):
        return []
    if len(candidates) == 1:
        return candidates
    half = len(candidates) // 2
    first, second = candidates[:half], candidates[half:]
    from_second = _smallest([*background, *first], second, conflicts, bool(first))
    from_first = _smallest([*background, *from_second], first, conflicts, bool(from_second))
    return [*from_first, *from_second]
