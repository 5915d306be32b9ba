"""From a table of customers to the state that places them: scaling, sampling, the package, its tree as arrays."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from segmentation.segmenters._density_package import DensitySettings, PackageResult, run_hdbscan
from segmentation.segmenters._density_rows import group_identical, sample_rows
from segmentation.segmenters._density_tree import Density, build_density
from segmentation.segmenters._scaling import Scale, apply_scaling, learn_scaling

__all__ = ["Learnt", "Prepared", "learn_density", "prepare"]


@dataclass(frozen=True)
class Prepared:
    """Customers brought to the scale of the distances.

    Attributes
    ----------
    scaling : pandas.DataFrame
    scaled : ndarray of shape (n_customers, n_features)
    group : ndarray of shape (n_customers,)
        Number of each customer's group of identical ones.
    positions : ndarray of shape (n_rows,)
        Which customers are learnt from, in the order in which they are.
    """

    scaling: pd.DataFrame
    scaled: NDArray[np.float64]
    group: NDArray[np.intp]
    positions: NDArray[np.intp]

    @property
    def n_repeated(self) -> int:
        """How many customers repeat the values of another one that is counted already."""
        return len(self.group) - int(self.group.max()) - 1


@dataclass(frozen=True)
class Learnt:
    """What was found in the customers learnt from."""

    density: Density
    package_codes: NDArray[np.int64]
    validity: float

    @property
    def n_relabelled(self) -> int:
        """How many customers have another code than the package gave them."""
        return int((self.density.code[self.density.row_node] != self.package_codes).sum())


def prepare(
    X: NDArray[np.float64], names: Sequence[Any], scale: Scale, max_fit_customers: Any, random_state: Any
) -> Prepared:
    """Scale the customers, and choose those that are learnt from."""
    positions = np.arange(len(X))
    if max_fit_customers is None:
        scaling = learn_scaling(X, names, scale)
    else:
        whole = isinstance(max_fit_customers, numbers.Integral) and not isinstance(max_fit_customers, bool)
        if not whole or max_fit_customers < 1:
            raise ValueError(f"max_fit_customers must be a positive integer or None, got {max_fit_customers!r}.")
        order, group = group_identical(X)
        seed = int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
        positions = sample_rows(X, order, group, int(max_fit_customers), seed)
        # sums depend on the order of their terms by rounding, and ties on that rounding
        scaling = learn_scaling(X[order], names, scale)
    scaled = apply_scaling(X, scaling)
    return Prepared(scaling, scaled, group_identical(scaled)[1], positions)


def learn_density(
    prepared: Prepared, settings: DensitySettings, *, validity: bool = False, memory: Any = None
) -> Learnt:
    """Run the package on the customers learnt from."""
    rows = prepared.scaled[prepared.positions]
    group = np.unique(prepared.group[prepared.positions], return_inverse=True)[1]
    found: PackageResult = run_hdbscan(rows, settings, validity=validity, memory=memory)
    density, package_codes = build_density(rows, group, found)
    return Learnt(density, package_codes, found.validity)
