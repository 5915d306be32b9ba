"""Covariates of purchase models: read, named, centred, and turned into parameters of each customer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation._format import name_some
from segmentation.exceptions import ColumnError

__all__ = ["ROLES", "Covariates", "read_covariates"]

Floats = NDArray[np.float64]

ROLES = ("purchase", "dropout")
# A column whose standard deviation is a smaller share of its largest value is constant to rounding.
SMALLEST_SPREAD = 1e-12


@dataclass(frozen=True)
class Covariates:
    """What is known of customers besides their purchases, one matrix for each process.

    Attributes
    ----------
    purchase, dropout : ndarray of shape (n, n_purchase), (n, n_dropout)
    purchase_names, dropout_names : tuple of str
    """

    purchase: Floats
    dropout: Floats
    purchase_names: tuple[str, ...]
    dropout_names: tuple[str, ...]

    @property
    def coefficients(self) -> tuple[str, ...]:
        """Names of the coefficients: the process, then the covariate."""
        return (*(f"purchase_{n}" for n in self.purchase_names), *(f"dropout_{n}" for n in self.dropout_names))


def read_covariates(covariates: Any, n: int) -> Covariates:
    """Check covariates of n customers.

    Parameters
    ----------
    covariates : dataframe or array of shape (n, n_covariates), or mapping of "purchase", "dropout" to one
        One table serves both processes. Columns of an array are called z1, z2, ...
    n : int
    """
    given = dict(covariates) if isinstance(covariates, Mapping) else dict.fromkeys(ROLES, covariates)
    unknown = sorted(set(given) - set(ROLES), key=str)
    if unknown:
        raise ValueError(
            f"covariates are for 'purchase', 'dropout' or both; got {name_some(unknown)}. For one table that serves "
            "both, pass the table itself."
        )
    if not given:
        raise ValueError("covariates are empty; pass None for a model without them.")
    matrices: list[Any] = []
    for role in ROLES:
        matrix, names = _read_matrix(given.get(role), n, role)
        matrices += [matrix, names]
    return Covariates(matrices[0], matrices[2], matrices[1], matrices[3])


def _read_matrix(table: Any, n: int, role: str) -> tuple[Floats, tuple[str, ...]]:
    if table is None:
        return np.zeros((n, 0)), ()
    columns = getattr(table, "columns", None)
    try:
        matrix = np.asarray(table, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ColumnError(
            f"covariates of {role} must be numbers: {error}. Turn categories into 0/1 columns first "
            "(pandas.get_dummies with drop_first=True)."
        ) from error
    if matrix.ndim == 1:
        matrix = matrix[:, None]
    if matrix.ndim != 2 or len(matrix) != n:
        raise ValueError(f"covariates of {role} must have one row per customer: {n:,} rows, got shape {matrix.shape}.")
    names = (
        tuple(str(c) for c in columns) if columns is not None else tuple(f"z{i + 1}" for i in range(matrix.shape[1]))
    )
    if len(set(names)) != len(names):
        raise ColumnError(f"covariates of {role} must have different names, got {name_some(names)}.")
    bad = [name for name, column in zip(names, matrix.T, strict=True) if not np.all(np.isfinite(column))]
    if bad:
        raise ColumnError(f"covariates of {role} are missing or infinite in {name_some(bad)}. Fill them in first.")
    return matrix, names


@dataclass(frozen=True)
class Standard:
    """Mean and spread of columns, on which the optimiser works."""

    mean: Floats
    spread: Floats

    @classmethod
    def of(cls, matrix: Floats, weights: Floats, names: Sequence[str], role: str) -> Standard:
        """Learn them; refuse a column that does not vary."""
        # in units of the largest value, so that squares neither overflow nor vanish
        unit = np.abs(matrix).max(axis=0)
        unit = np.where(unit > 0, unit, 1.0)
        scaled = matrix / unit
        mean = weights @ scaled / weights.sum()
        spread = np.sqrt(weights @ (scaled - mean) ** 2 / weights.sum())
        flat = [name for name, s in zip(names, spread, strict=True) if s <= SMALLEST_SPREAD]
        if flat:
            raise ColumnError(
                f"covariates of {role}: {name_some(flat)} {'is' if len(flat) == 1 else 'are'} the same for all "
                "customers, or nearly, beside its size, so nothing can be learnt from it. Leave it out; if it does "
                "vary, subtract its mean first."
            )
        return cls(mean * unit, spread * unit)

    def apply(self, matrix: Floats) -> Floats:
        """Centre and scale."""
        return np.asarray((matrix - self.mean) / self.spread)
