"""Why no plan meets all requirements: a smallest set of them that conflict."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from segmentation._format import count
from segmentation.allocation._cells import Cells
from segmentation.allocation._errors import InfeasibleError
from segmentation.allocation._problem import Problem
from segmentation.allocation._requirements import (
    TOLERANCE,
    Requirement,
    floor_text,
    is_possible,
    lower_text,
    requirements,
    resource_text,
)
from segmentation.allocation._resource import Resource

__all__ = ["check_feasible"]

Array = NDArray[np.float64]
# More conflicting requirements than this are counted, the largest of them named.
NAMED = 8


def check_feasible(problem: Problem, resources: Sequence[Resource], cells: Cells | None = None) -> None:
    """Raise InfeasibleError with a smallest conflicting set where no efforts meet all requirements.

    With `cells`, contacts are those of customers that a segment serves.
    """
    needed = np.where(np.asarray(problem.optional), 0.0, problem.lower)
    if not needed.any() and not problem.floors:
        return
    conflict = _one_resource(problem, resources, needed)
    if conflict is None and (problem.floors or problem.caps or problem.is_discrete):
        conflict = _by_deletion(problem, resources, cells)
    if conflict is None:
        return
    named = "; ".join(conflict[:NAMED])
    more = f"; and {count(len(conflict) - NAMED, 'more requirement')}" if len(conflict) > NAMED else ""
    raise InfeasibleError(
        f"no plan meets all requirements. These conflict, and would not with any one of them less: {named}{more}. "
        "Lower one of the least amounts, or provide more.",
        tuple(conflict),
    )


def _one_resource(problem: Problem, resources: Sequence[Resource], needed: Array) -> list[str] | None:
    """Find the fewest lower bounds and shares that together take more than there is of one resource."""
    best: list[str] | None = None
    once = np.where((needed > 0)[:, None], np.asarray(problem.fixed), 0.0)
    for j, resource in enumerate(resources):
        by_bound = problem.use[:, j] * needed + once[:, j]
        demands: list[tuple[float, list[str]]] = []
        covered = np.zeros(len(by_bound), dtype=bool)
        for k, floor in enumerate(problem.floors):
            # a share of a segment counts where it asks for more than the bounds of the segment's actions
            if floor.resource == j and floor.amount > by_bound[floor.positions].sum():
                demands.append((floor.amount, [floor_text(problem, k, resources)]))
                covered[floor.positions] = True
        for i in np.flatnonzero((by_bound > 0) & ~covered):
            plain = problem.use[i, j] == 1 and once[i, j] == 0
            with_fixed = " with its fixed cost" if once[i, j] > 0 else ""
            taken = "" if plain else f" (takes {resource.of(float(by_bound[i]))}{with_fixed})"
            demands.append((float(by_bound[i]), [lower_text(problem, int(i), taken)]))
        total = sum(amount for amount, _ in demands)
        if total <= resource.amount * (1 + TOLERANCE):
            continue
        demands.sort(key=lambda demand: -demand[0])
        enough = int(np.searchsorted(np.cumsum([amount for amount, _ in demands]), resource.amount * (1 + TOLERANCE)))
        found = [text for _, texts in demands[: enough + 1] for text in texts] + [resource_text(resource)]
        if best is None or len(found) < len(best):
            best = found
    return best


def _by_deletion(problem: Problem, resources: Sequence[Resource], cells: Cells | None) -> list[str] | None:
    """Find a set of requirements that conflict, of which none can be left out, by (whole) programmes (QuickXplain)."""
    everything = requirements(problem, resources, cells)

    def conflicts(chosen: Sequence[Requirement]) -> bool:
        return not is_possible(chosen, problem, cells)

    if not conflicts(everything):
        return None
    return [requirement.text for requirement in _smallest([], everything, conflicts, False)]


def _smallest(
    background: list[Requirement],
    candidates: list[Requirement],
    conflicts: Callable[[Sequence[Requirement]], bool],
    added: bool,
) -> list[Requirement]:
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
