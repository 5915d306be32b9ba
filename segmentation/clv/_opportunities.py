"""The likelihood of the BG/BB model: the ways in which a history can have come about, and their sum."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, digamma, gammaln

from segmentation.clv._discrete import DIRECT_TERMS, sum_nodes
from segmentation.clv._model import Params
from segmentation.clv._optimise import Objective
from segmentation.clv._rows import unique_rows

__all__ = ["Ends", "blocks_of", "log_likelihoods", "summed_likelihood"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Cells of a table that is computed at once; bounds the memory at about 100 MB.
LARGEST_BLOCK = 1_000_000
# So many ends are kept between evaluations of a likelihood (about 200 MB).
LARGEST_KEPT = 4_000_000


@dataclass(frozen=True)
class Ends:
    """The ways in which histories can have come about: active all the time, or gone after opportunity s.

    The ends of a row stand together, from `starts` on, active all the time first. Gamma functions are computed once
    for each distinct value of x, s - x and s, and spread by their places.

    Attributes
    ----------
    row, x_place, missed_place, s_place : ndarray of shape (n_ends,), int
    left : ndarray of shape (n_ends,), bool
    log_weight : ndarray of shape (n_ends,)
        Not 0 where a long list of ends is thinned out.
    starts : ndarray of shape (n_rows,), int
    x, missed, s : ndarray
        Distinct values.
    """

    row: Ints
    x_place: Ints
    missed_place: Ints
    s_place: Ints
    left: NDArray[np.bool_]
    log_weight: Floats
    starts: Ints
    x: Floats
    missed: Floats
    s: Floats

    @classmethod
    def of(cls, x: Floats, t_x: Floats, n: Floats) -> Ends:
        """List the ends of each row."""
        nodes, weights = sum_nodes(n - t_x)
        s = np.column_stack([n, t_x[:, None] + nodes])
        weights = np.column_stack([np.ones(len(x)), weights])
        row, column = np.nonzero(weights)
        s = s[row, column]
        (bought,), x_place, _ = unique_rows(x)
        (missed,), missed_place, _ = unique_rows(s - x[row])
        (lived,), s_place, _ = unique_rows(s)
        return cls(
            row=row,
            x_place=x_place[row],
            missed_place=missed_place,
            s_place=s_place,
            left=column > 0,
            log_weight=np.log(weights[row, column]),
            starts=np.flatnonzero(column == 0),
            x=bought,
            missed=missed,
            s=lived,
        )

    def log_terms(self, params: Params) -> Floats:
        """Return the logarithm of the likelihood of each end."""
        alpha, beta, gamma, delta = params
        gone = gammaln(gamma + 1.0) + gammaln(delta + self.s) - gammaln(gamma + delta + 1.0 + self.s)
        there = gammaln(gamma) + gammaln(delta + self.s) - gammaln(gamma + delta + self.s)
        at_s = np.stack([there, gone]) - gammaln(alpha + beta + self.s) - betaln(alpha, beta) - betaln(gamma, delta)
        terms = gammaln(alpha + self.x)[self.x_place] + gammaln(beta + self.missed)[self.missed_place]
        terms += at_s[self.left.astype(np.int64), self.s_place] + self.log_weight
        return np.asarray(terms, dtype=np.float64)

    def log_sums(self, terms: Floats) -> Floats:
        """Return the logarithm of the sum of exp(terms) in each row."""
        largest = np.maximum.reduceat(terms, self.starts)
        sums = np.add.reduceat(np.exp(terms - largest[self.row]), self.starts)
        return np.asarray(largest + np.log(sums), dtype=np.float64)

    def slopes(self, params: Params, shares: Floats) -> Floats:
        """Return the sum of shares times the derivatives of the terms by the logarithms of the parameters, (4,)."""
        alpha, beta, gamma, delta = params
        by_x = np.bincount(self.x_place, shares)
        by_missed = np.bincount(self.missed_place, shares)
        by_s = np.bincount(self.s_place, shares)
        gone = np.bincount(self.s_place, shares * self.left)
        total = by_s.sum()
        buying = by_s @ digamma(alpha + beta + self.s) - total * digamma(alpha + beta)
        together = gone @ digamma(gamma + delta + 1.0 + self.s) + (by_s - gone) @ digamma(gamma + delta + self.s)
        together -= total * digamma(gamma + delta)
        return np.array(
            [
                alpha * (by_x @ digamma(alpha + self.x) - total * digamma(alpha) - buying),
                beta * (by_missed @ digamma(beta + self.missed) - total * digamma(beta) - buying),
                gone.sum() - gamma * together,
                delta * (by_s @ digamma(delta + self.s) - total * digamma(delta) - together),
            ]
        )


def blocks_of(columns: tuple[Floats, ...], width: float) -> Iterator[slice]:
    """Cut rows into blocks of at most LARGEST_BLOCK cells."""
    step = max(1, int(LARGEST_BLOCK / max(width, 1.0)))
    return (slice(i, i + step) for i in range(0, len(columns[0]), step))


def summed_likelihood(rows: tuple[Floats, Floats, Floats], weights: Floats) -> Objective:
    """Return log-likelihood and gradient as functions of the logarithms of the parameters."""
    x, t_x, n = rows
    lengths = np.minimum(n - t_x + 1.0, 2.0 * DIRECT_TERMS)
    blocks = list(blocks_of(rows, float(lengths.max())))
    few = lengths.sum() <= LARGEST_KEPT
    kept = [Ends.of(x[block], t_x[block], n[block]) for block in blocks] if few else None

    def value_and_gradient(theta: Floats) -> tuple[float, Floats]:
        params, value, gradient = np.exp(theta).tolist(), 0.0, np.zeros(4)
        for i, block in enumerate(blocks):
            ends = kept[i] if kept is not None else Ends.of(x[block], t_x[block], n[block])
            terms = ends.log_terms(params)
            logs = ends.log_sums(terms)
            value += float(weights[block] @ logs)
            gradient += ends.slopes(params, np.exp(terms - logs[ends.row]) * weights[block][ends.row])
        return value, gradient

    return Objective(value_and_gradient)


def log_likelihoods(params: Params, x: Floats, t_x: Floats, n: Floats) -> Floats:
    """Return the log-likelihood of each history."""
    (x, t_x, n), places, _ = unique_rows(x, t_x, n)
    logs = np.zeros(len(x))
    for block in blocks_of((x,), min(float((n - t_x).max(initial=0.0)), 2.0 * DIRECT_TERMS)):
        ends = Ends.of(x[block], t_x[block], n[block])
        logs[block] = ends.log_sums(ends.log_terms(params))
    return np.asarray(logs[places], dtype=np.float64)
