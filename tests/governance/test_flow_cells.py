"""What is hidden of a table of moves cannot be computed from what is shown; checked by linear programming."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog

from segmentation.governance._flow_cells import few_on_a_side, protect_flows, protect_together

MINIMUM = 10


def random_moves(rng):
    k = int(rng.integers(2, 6))
    counts = rng.negative_binomial(0.6, 0.02, (k + 1, k + 1))
    counts[rng.random(counts.shape) < 0.2] = 0
    counts[np.arange(k), np.arange(k)] += rng.integers(0, 150, k)
    counts[k, k] = 0
    return counts


def shown_sums(counts, flows):
    """Return everything that is shown about the table, as weights of its cells and their sum."""
    k = len(counts) - 1
    weights = []

    def add(rows, columns, *, off_diagonal=False):
        one = np.zeros(counts.shape)
        one[rows, columns] = 1
        if off_diagonal:
            np.fill_diagonal(one, 0)
        weights.append(one)

    for i, j in np.argwhere(~flows.cells):
        add(i, j)
    for i in range(k):
        if not flows.n_before[i]:
            add(i, slice(None))
        if not flows.n_after[i]:
            add(slice(None), i)
        if not flows.moved_out[i]:
            add(i, slice(k), off_diagonal=True)
        if not flows.moved_in[i]:
            add(slice(k), i, off_diagonal=True)
    if not flows.totals:
        add(k, slice(None))
        add(slice(None), k)
        add(slice(k), slice(k), off_diagonal=True)
        add(slice(k), slice(k))
    return np.array(weights).reshape(len(weights), -1), np.array([(one * counts).sum() for one in weights])


@pytest.mark.parametrize("seed", range(30))
def test_no_small_cell_follows_from_what_is_shown(seed):
    counts = random_moves(np.random.default_rng(seed))
    flows = protect_flows(counts, MINIMUM)
    small = (counts > 0) & (counts < MINIMUM)
    assert flows.cells[small].all()
    assert not flows.cells[counts == 0].any()
    weights, sums = shown_sums(counts, flows)
    figures = []
    for i, j in np.argwhere(small):
        figures.append(np.zeros(counts.shape))
        figures[-1][i, j] = 1
    k = len(counts) - 1
    for i in range(k):
        for rows, columns in ((i, slice(k)), (slice(k), i)):
            one = np.zeros(counts.shape)
            one[rows, columns] = 1
            np.fill_diagonal(one, 0)
            if 0 < (one * counts).sum() < MINIMUM:
                figures.append(one)
    for cost in figures:
        bounds = []
        for sign in (1, -1):
            found = linprog(sign * cost.ravel(), A_eq=weights, b_eq=sums, bounds=(0, None), method="highs")
            assert found.status in (0, 3)
            bounds.append(sign * found.fun if found.status == 0 else np.inf)
        assert bounds[1] - bounds[0] >= 0.999, (counts.tolist(), cost.tolist())


def test_nothing_is_hidden_where_nobody_is_few():
    counts = np.array([[100, 20, 30], [40, 200, 50], [60, 70, 0]])
    flows = protect_flows(counts, MINIMUM)
    assert not flows.any
    assert not (flows.moved_out | flows.moved_in).any()
    assert not flows.totals


def test_a_single_move_in_all_is_not_told_by_the_totals():
    counts = np.array([[100, 3, 0], [0, 200, 0], [0, 0, 0]])
    flows = protect_flows(counts, MINIMUM)
    assert flows.cells[0, 1]
    # one cell alone in its column and row: the sizes of the segments would give it away as well
    assert flows.totals
    assert flows.n_before.all()


def test_small_segments_take_all_their_moves_with_them():
    counts = np.array([[100, 20, 30, 0], [4, 2, 0, 0], [30, 0, 90, 0], [0, 0, 0, 0]])
    flows = protect_flows(counts, MINIMUM)
    assert flows.n_before[1]
    assert flows.n_before.sum() >= 2
    assert flows.cells[1, 0]
    assert flows.cells[1, 1]


def test_more_hidden_cells_than_necessary_are_shown_again():
    counts = np.array(
        [
            [697, 1, 0, 49, 0, 0],
            [0, 595, 1, 40, 2, 0],
            [2, 38, 265, 83, 8, 0],
            [0, 0, 84, 222, 40, 0],
            [0, 0, 6, 8, 216, 0],
            [0, 0, 0, 0, 0, 0],
        ]
    )
    cells = protect_flows(counts, MINIMUM).cells
    assert not cells[2, 3]  # the largest move
    assert cells.sum() <= 13


def test_rows_with_several_counts_and_sides():
    hidden = protect_together([np.array([90, 40, 30]), np.array([80, 4, 70])], MINIMUM)
    assert hidden.tolist() == [False, True, True]
    assert not protect_together([np.array([90, 40])], MINIMUM).any()
    assert few_on_a_side(np.array([3, 20, 0, 30]), 32, MINIMUM).tolist() == [True, False, False, True]
