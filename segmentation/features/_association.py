"""How strongly two columns of any type go together, on one scale from 0 to 1, and whether chance explains it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from segmentation.features._column_roles import Decision
from segmentation.features._column_values import ColumnValues, as_days, as_levels, as_numbers

__all__ = ["Feature", "associate", "association_matrix", "make_feature"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Feature:
    """A column as `association_matrix` needs it.

    Attributes
    ----------
    kind : {"ranked", "nominal", "empty", "text"}
        ranked: `numbers` are values of which only the order counts (two levels have an order too); nominal: they
        are codes of levels; empty: no two customers differ; text: ids and free text, of which hardly two are equal.
    numbers : ndarray of shape (n_customers,), float64
        NaN where missing.
    """

    name: Any
    kind: str
    numbers: Floats

    @cached_property
    def n_missing(self) -> int:
        return int(np.isnan(self.numbers).sum())

    @cached_property
    def ranks(self) -> Floats:
        """Ranks around their mean, of a column without missing values: computed once, not once per pair."""
        return _ranks(self.numbers)


def make_feature(name: Any, values: ColumnValues, decision: Decision) -> Feature:
    """Turn a column into ranks or codes, by the role it has."""
    role = decision.role
    if role == "drop" and (decision.why.startswith("constant") or values.missing.all()):
        return Feature(name, "empty", np.full(len(values.missing), np.nan))
    if role == "presence":
        return Feature(name, "ranked", (~values.missing).astype(np.float64))
    if role == "date":
        return Feature(name, "ranked", as_days(values))
    if role in ("amount", "count", "number") or (role == "ordinal" and not decision.levels):
        return Feature(name, "ranked", as_numbers(values))
    if role == "drop" and values.numbers is None:
        return Feature(name, "text", np.where(values.missing, np.nan, 0.0))
    codes, levels = as_levels(values)
    if decision.levels:
        place = {level: float(i) for i, level in enumerate(decision.levels)}
        return Feature(name, "ranked", np.array([place.get(level, np.nan) for level in levels] + [np.nan])[codes])
    if values.kind == "number" and role == "drop":  # an id: its order may still be that of another column
        return Feature(name, "ranked", as_numbers(values))
    used = np.unique(codes[codes >= 0])
    numbers = np.where(codes >= 0, codes, np.nan).astype(np.float64)
    return Feature(name, "ranked" if len(used) == 2 else "nominal", numbers)


def association_matrix(features: list[Feature]) -> tuple[Floats, Floats]:
    """Return association and p-value of every pair, each of shape (n_features, n_features)."""
    n = len(features)
    strength, p = np.eye(n), np.ones((n, n))
    for i in range(n):
        for j in range(i):
            strength[i, j], p[i, j] = associate(features[i], features[j])
    upper = np.triu_indices(n, 1)
    strength[upper], p[upper] = strength.T[upper], p.T[upper]
    return strength, p


def associate(a: Feature, b: Feature) -> tuple[float, float]:
    """Return how strongly two columns go together, and how often chance alone would do as much.

    Two ranked columns: |Spearman's rho|. Two nominal ones: Cramer's V corrected for bias. One of each: the square root
    of the share of the variance of ranks between the levels (epsilon squared of Kruskal and Wallis), which corrects
    for the number of levels. Customers who lack one of the two do not count.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(50.0)
    >>> associate(Feature("x", "ranked", x), Feature("square", "ranked", x**2))[0]
    1.0
    """
    if {a.kind, b.kind} & {"empty", "text"}:
        return 0.0, 1.0
    if a.kind == b.kind == "ranked" and not (a.n_missing or b.n_missing) and len(a.numbers) >= 3:
        return _spearman(a.ranks, b.ranks)
    both = ~(np.isnan(a.numbers) | np.isnan(b.numbers))
    x, y = a.numbers[both], b.numbers[both]
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0, 1.0
    if a.kind == b.kind == "ranked":
        return _spearman(_ranks(x), _ranks(y))
    if a.kind == b.kind == "nominal":
        return _cramer(x, y)
    return _correlation_ratio(x, y) if a.kind == "nominal" else _correlation_ratio(y, x)


def _ranks(x: Floats) -> Floats:
    ranks: Floats = stats.rankdata(x)
    ranks -= ranks.mean()
    return ranks


def _spearman(x: Floats, y: Floats) -> tuple[float, float]:
    rho = min(abs(float(x @ y) / float(np.sqrt((x @ x) * (y @ y)))), 1.0)
    n, almost = len(x), min(rho, 1.0 - 1e-12)
    t = almost * np.sqrt((n - 2) / (1.0 - almost**2))
    return 1.0 if rho > almost else rho, float(2.0 * stats.t.sf(t, n - 2))


def _cramer(x: Floats, y: Floats) -> tuple[float, float]:
    """Bias-corrected as Bergsma (2013), doi:10.1016/j.jkss.2012.10.002."""
    n = len(x)
    _, row, in_row = np.unique(x, return_inverse=True, return_counts=True)
    _, column, in_column = np.unique(y, return_inverse=True, return_counts=True)
    rows, columns = len(in_row), len(in_column)
    # only cells that somebody is in: two columns of many levels would make a huge table of zeros
    cell, in_cell = np.unique(row * columns + column, return_counts=True)
    per_expected = in_cell / (in_row[cell // columns] / n) / in_column[cell % columns]
    chi2 = max(float((in_cell * per_expected).sum()) - n, 0.0)
    freedom = (rows - 1) * (columns - 1)
    phi2 = max(chi2 / n - freedom / (n - 1), 0.0)
    fewer = min(rows - (rows - 1) ** 2 / (n - 1), columns - (columns - 1) ** 2 / (n - 1)) - 1
    strength = float(np.sqrt(min(phi2 / fewer, 1.0))) if fewer > 0 else 0.0
    return strength, float(stats.chi2.sf(chi2, freedom))


def _correlation_ratio(codes: Floats, y: Floats) -> tuple[float, float]:
    _, group = np.unique(codes, return_inverse=True)
    ranks = _ranks(y)
    sizes = np.bincount(group)
    n, k = len(y), len(sizes)
    if n <= k:
        return 0.0, 1.0
    between = float((np.bincount(group, weights=ranks) ** 2 / sizes).sum())
    h = (n - 1) * between / float(ranks @ ranks)
    epsilon2 = min(max((h - k + 1) / (n - k), 0.0), 1.0)
    return float(np.sqrt(epsilon2)), float(stats.chi2.sf(h, k - 1))
