"""What is required of a plan, one sentence each, and whether any efforts meet a choice of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segmentation._format import number
from segmentation.allocation._cells import Cells
from segmentation.allocation._keys import named
from segmentation.allocation._problem import Problem
from segmentation.allocation._resource import Resource

__all__ = ["TOLERANCE", "Requirement", "floor_text", "is_possible", "lower_text", "requirements", "resource_text"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]
TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class Requirement:
    """Rows ``low <= coefficients @ variables <= limit`` with the words for them.

    The variables are the efforts (n), whether each item is funded (n), numbers of whole units (n per resource that
    comes in such) and, where segments share customers, the share of each group that each of its segments serves.
    """

    text: str
    rows: tuple[tuple[Index, Array, float, float], ...]


def resource_text(resource: Resource) -> str:
    """Say how much there is."""
    return f"there are {resource.of(resource.amount)} of {resource.name!r}"


def lower_text(problem: Problem, i: int, taken: str = "") -> str:
    """Say the least effort of an item."""
    return f"{named(problem.items[i])} gets at least {number(float(problem.lower[i]))}{taken}"


def floor_text(problem: Problem, k: int, resources: Sequence[Resource]) -> str:
    """Say the least share of a segment."""
    floor = problem.floors[k]
    resource = resources[floor.resource]
    share = floor.amount / resource.amount
    none = "" if len(floor.positions) else ", and no action of it takes any"
    return (
        f"{floor.segment!r} gets at least {100 * share:.4g} % of {resource.name!r} ({resource.of(floor.amount)}){none}"
    )


def requirements(problem: Problem, resources: Sequence[Resource], cells: Cells | None = None) -> list[Requirement]:
    """Return all that is required of a plan, but that efforts are 0 or more."""
    return [
        *_of_resources(problem, resources),
        *_of_bounds(problem),
        *_of_floors(problem, resources),
        *(_of_caps(problem) if cells is None else _of_shared_caps(problem, cells)),
        *_of_choices(problem, resources),
    ]


def _at_most(positions: Index, row: Array, limit: float) -> tuple[Index, Array, float, float]:
    return positions, np.asarray(row, dtype=np.float64), -np.inf, limit


def _of_resources(problem: Problem, resources: Sequence[Resource]) -> list[Requirement]:
    n = len(problem.items)
    result = []
    for j, resource in enumerate(resources):
        if np.isfinite(resource.amount):
            row = np.concatenate([problem.use[:, j], np.asarray(problem.fixed)[:, j]])
            result.append(Requirement(resource_text(resource), (_at_most(np.arange(2 * n), row, resource.amount),)))
    return result


def _of_bounds(problem: Problem) -> list[Requirement]:
    n, result = len(problem.items), []
    optional = np.asarray(problem.optional)
    for i in np.flatnonzero(problem.lower > 0).tolist():
        least = float(problem.lower[i])
        if optional[i]:
            text = f"{named(problem.items[i])} gets at least {number(least)} or nothing"
            result.append(Requirement(text, (_at_most(np.array([i, n + i]), np.array([-1.0, least]), 0.0),)))
        else:
            result.append(Requirement(lower_text(problem, i), (_at_most(np.array([i]), np.array([-1.0]), -least),)))
    for i in np.flatnonzero(np.isfinite(problem.upper)).tolist():
        text = f"{named(problem.items[i])} gets at most {number(float(problem.upper[i]))}"
        result.append(Requirement(text, (_at_most(np.array([i]), np.ones(1), float(problem.upper[i])),)))
    return result


def _of_floors(problem: Problem, resources: Sequence[Resource]) -> list[Requirement]:
    return [
        Requirement(
            floor_text(problem, k, resources),
            (_at_most(floor.positions, -problem.use[floor.positions, floor.resource], -floor.amount),),
        )
        for k, floor in enumerate(problem.floors)
    ]


def _contacts(amount: float) -> str:
    return f"{number(amount)} contact{'' if amount == 1 else 's'}"


def _of_caps(problem: Problem) -> list[Requirement]:
    return [
        Requirement(
            f"{cap.segment!r} gets at most {_contacts(cap.amount)}",
            (_at_most(cap.positions, cap.weights, cap.amount),),
        )
        for cap in problem.caps
    ]


def _of_shared_caps(problem: Problem, cells: Cells) -> list[Requirement]:
    """The contacts of a segment are those of the customers that it serves."""
    cell, segment = np.nonzero(cells.member)
    first = (2 + int(np.asarray(problem.integer).sum())) * len(problem.items)
    place = {name: k for k, name in enumerate(cells.segments)}
    result = []
    for cap in problem.caps:
        here = np.flatnonzero(segment == place[cap.segment])
        each = cap.amount / cells.n_customers[cap.segment]
        where = np.concatenate([cap.positions, first + here])
        row = np.concatenate([cap.weights, -each * cells.size[cell[here]]])
        text = f"{cap.segment!r} gets at most {_contacts(each)} for each customer that it serves"
        result.append(Requirement(text, (_at_most(where, row, 0.0),)))
    rows = tuple(
        _at_most(first + np.flatnonzero(cell == c), np.ones(int(cells.member[c].sum())), 1.0)
        for c in range(len(cells.size))
    )
    return [*result, Requirement("each customer is served as a member of one segment", rows)]


def _of_choices(problem: Problem, resources: Sequence[Resource]) -> list[Requirement]:
    n, result = len(problem.items), []
    for group in problem.exclusive:
        text = f"at most one of {', '.join(named(problem.items[i]) for i in group)} is funded"
        result.append(Requirement(text, (_at_most(n + group, np.ones(len(group)), 1.0),)))
    for m, j in enumerate(np.flatnonzero(np.asarray(problem.integer)).tolist()):
        rows = []
        # what is taken once comes in whole units, too, where effort itself takes none
        takes = (problem.use[:, j] > 0) | (np.asarray(problem.fixed)[:, j] > 0)
        for i in np.flatnonzero(takes).tolist():
            where = np.array([i, n + i, (2 + m) * n + i])
            row = np.array([problem.use[i, j], np.asarray(problem.fixed)[i, j], -1.0])
            rows.append((where, row, 0.0, 0.0))
        if rows:
            result.append(Requirement(f"what each takes of {resources[j].name!r} comes in whole units", tuple(rows)))
    return result


def is_possible(chosen: Sequence[Requirement], problem: Problem, cells: Cells | None = None) -> bool:
    """Tell whether some efforts meet all of these; a linear programme, with whole numbers where choices are made."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array, vstack

    if any(not len(where) and limit < 0 for one in chosen for where, _, _, limit in one.rows):
        return False
    rows = [row for one in chosen for row in one.rows if len(row[0])]
    if not rows:
        return True
    n, n_whole = len(problem.items), int(np.asarray(problem.integer).sum())
    n_shares = 0 if cells is None else int(cells.member.sum())
    width = (2 + n_whole) * n + n_shares
    # efforts are counted in what is needed of them at most, and rows in their largest part: units do not matter
    furthest = _furthest(problem)
    unit = np.ones(width)
    unit[:n] = np.where(furthest > 0, furthest, 1.0)
    parts = [row * unit[where] for where, row, _, _ in rows]
    scale = np.array(
        [max(float(np.abs(part).max()), 1e-12 * abs(row[3]), 1e-300) for part, row in zip(parts, rows, strict=True)]
    )
    matrix = csr_array(
        (
            np.concatenate([part / s for part, s in zip(parts, scale, strict=True)]),
            (
                np.repeat(np.arange(len(rows)), [len(where) for where, *_ in rows]),
                np.concatenate([where for where, *_ in rows]),
            ),
        ),
        shape=(len(rows), width),
    )
    low = np.array([row[2] for row in rows]) / scale
    high = np.array([row[3] for row in rows]) / scale
    high += TOLERANCE * np.maximum(np.abs(high), 1.0)
    # what gets effort is funded; only items for which that matters are asked
    everything = np.arange(n)
    link = csr_array(
        (
            np.concatenate([np.ones(n), -np.ones(n)]),
            (np.concatenate([everything, everything]), np.concatenate([everything, n + everything])),
        ),
        shape=(n, width),
    )
    discrete = _has_choice(problem)
    kinds = np.zeros(width)
    kinds[n : 2 * n] = discrete
    kinds[2 * n : (2 + n_whole) * n] = 1
    top = np.concatenate(
        [(furthest > 0).astype(np.float64), np.ones(n), np.full(n_whole * n, np.inf), np.ones(n_shares)]
    )
    found = milp(
        np.zeros(width),
        constraints=LinearConstraint(
            vstack([matrix, link]),
            np.concatenate([low, np.full(n, -np.inf)]),
            np.concatenate([high, np.zeros(n)]),
        ),
        integrality=kinds,
        bounds=Bounds(np.zeros(width), top),
    )
    return bool(found.status != 2)


def _has_choice(problem: Problem) -> NDArray[np.bool_]:
    result = np.asarray(problem.optional) | np.asarray(problem.fixed).any(axis=1)
    for group in problem.exclusive:
        result[group] = True
    return np.asarray(result, dtype=bool)


def _furthest(problem: Problem) -> Array:
    """Return efforts above which none is needed to meet any requirement: least amounts, shares and a whole unit."""
    result = problem.lower.astype(np.float64)
    for floor in problem.floors:
        here = floor.positions
        result[here] = np.maximum(result[here], floor.amount / problem.use[here, floor.resource])
    whole = problem.use[:, np.asarray(problem.integer)]
    with np.errstate(divide="ignore"):
        unit = np.where(whole > 0, 1 / whole, 0.0).max(axis=1, initial=0.0)
    return np.asarray(result + 2 * unit)
