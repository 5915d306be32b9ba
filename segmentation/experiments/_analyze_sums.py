"""Sums that a database has computed, checked and turned into moments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from segmentation._format import column_difference, name_some
from segmentation.exceptions import ColumnError
from segmentation.experiments._analyze_outcomes import Outcome
from segmentation.experiments._moments import Floats, Moments, moments_of

__all__ = ["customers_of_sums", "moments_of_sums"]

SUM_LOSS = 1e4  # sums of squares this many times the spread have lost four digits of sixteen to rounding
ROUNDING = 1e-9


def customers_of_sums(table: pd.DataFrame, name: str) -> Floats:
    """Return the numbers of customers of a column, or say that they are none."""
    n = _floats(table, name)
    bad = ~(np.isfinite(n) & (n >= 0) & (n == np.floor(n)))
    if bad.any():
        raise ColumnError(f"{name!r} must count customers, whole numbers of at least 0, got {name_some(n[bad])}.")
    return n


def _numbers(table: pd.DataFrame, name: str, n: Floats) -> Floats:
    """Return sums; without customers a database has none, which is 0."""
    values = np.where(n > 0, _floats(table, name), np.nan_to_num(_floats(table, name)))
    bad = ~np.isfinite(values) | ((n == 0) & (values != 0))
    if bad.any():
        raise ColumnError(
            f"{name!r} must hold a finite sum in every row that has customers, and 0 or nothing in others; got "
            f"{name_some(values[bad])}."
        )
    return np.asarray(values)


def _floats(table: pd.DataFrame, name: str) -> Floats:
    try:
        return np.asarray(table[name].to_numpy(dtype=float, na_value=np.nan))
    except (TypeError, ValueError) as error:
        raise ColumnError(f"column {name!r} must hold numbers, got {name_some(table[name])}.") from error


def moments_of_sums(table: pd.DataFrame, rows: Floats, outcome: Outcome, covariates: Sequence[str]) -> Moments:
    variables = [*outcome.columns, *covariates]
    needed, pairs = [f"sum_{name}" for name in variables], {}
    for i, a in enumerate(variables):
        for b in variables[: i + 1]:
            pairs[a, b] = f"sum_{a}_{b}" if f"sum_{a}_{b}" in table else f"sum_{b}_{a}"
    needed += list(pairs.values())
    if any(name not in table for name in needed):
        raise ColumnError(
            f"sums of {outcome.label!r} are not complete: {column_difference(needed, list(table.columns))}."
        )
    n = rows
    if f"n_{outcome.column}" in table:
        n = customers_of_sums(table, f"n_{outcome.column}")
        if (n > rows).any():
            raise ColumnError(f"'n_{outcome.column}' counts more customers than 'n': it is the number with an outcome.")
    if covariates and (n != rows).any():
        raise ColumnError(
            f"{outcome.label!r} is missing for some customers: sums of covariates cannot be told apart for them here. "
            "Use aggregate_experiment on the rows."
        )
    k = len(variables)
    products = np.empty((len(table), k, k))
    for i, a in enumerate(variables):
        for j, b in enumerate(variables[: i + 1]):
            products[:, i, j] = products[:, j, i] = _numbers(table, pairs[a, b], n)
    sums = np.column_stack([_numbers(table, f"sum_{name}", n) for name in variables])
    for i, name in enumerate(variables):
        squares = products[:, i, i]
        if (n * squares < sums[:, i] ** 2 * (1 - ROUNDING)).any():
            raise ColumnError(
                f"no values have the sums of {name!r}: {pairs[name, name]!r} must be at least the square of "
                f"'sum_{name}' over the customers. Is it the sum of the squares?"
            )
    made, loss = moments_of(n, sums, products, np.zeros((len(table), k)), np.zeros(k))
    if loss > SUM_LOSS:
        raise ColumnError(
            f"the sums of squares of {outcome.label!r} or its covariates are {loss:.0e} times the spread of the "
            "values: it is lost in rounding. Take a round number near the mean from all values before they are "
            "squared, or use aggregate_experiment on the rows."
        )
    return made
