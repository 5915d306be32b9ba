"""How much one grouping of customers says about another: figures of a table of counts, with intervals and a null."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from segmentation._multiplicity import holm

__all__ = ["Association", "associate", "auc_across_folds", "cramers_v", "holm", "mutual_information"]

Counts = NDArray[np.float64]
# Cells of random tables that are held at one time: 16 MB.
CELLS_AT_ONCE = 2_000_000
N_BOOTSTRAP = 1000


class Association(NamedTuple):
    """Figures of one table of counts; bounds of the given level, ``p_value`` by permutation."""

    cramers_v: float
    cramers_v_low: float
    cramers_v_high: float
    v_by_chance: float
    mutual_information: float
    mutual_information_low: float
    mutual_information_high: float
    p_value: float


def cramers_v(tables: Counts, *, times: float = 1.0) -> Counts:
    """Return Cramer's V with Bergsma's correction of its bias, of tables of shape (..., n_rows, n_columns).

    ``times=2`` takes the bias away twice, as a table needs that was resampled from one that has it already.

    Source: Bergsma (2013), doi:10.1016/j.jkss.2012.10.002.

    Examples
    --------
    >>> cramers_v(np.array([[50.0, 0.0], [0.0, 50.0]])).round(3), cramers_v(np.array([[25.0, 25.0], [25.0, 25.0]]))
    (np.float64(1.0), np.float64(0.0))
    """
    n = tables.sum(axis=(-2, -1))
    rows, columns = _present(tables)
    df = (rows - 1) * (columns - 1)
    phi2 = np.maximum(0.0, _phi2(tables) - times * df / (n - 1))
    least = np.minimum(rows - (rows - 1) ** 2 / (n - 1), columns - (columns - 1) ** 2 / (n - 1)) - 1
    v2 = np.divide(phi2, least, out=np.zeros_like(phi2), where=least > 0)
    result: Counts = np.sqrt(np.minimum(v2, 1.0))
    return result


def mutual_information(tables: Counts, *, times: float = 1.0) -> Counts:
    """Return the mutual information in bits, less its bias (Miller 1955, Madow), never below 0.

    Examples
    --------
    >>> mutual_information(np.array([[500.0, 0.0], [0.0, 500.0]])).round(2)
    np.float64(1.0)
    """
    n = tables.sum(axis=(-2, -1))
    p = tables / n[..., None, None]
    expected = p.sum(axis=-1, keepdims=True) * p.sum(axis=-2, keepdims=True)
    ratio = np.divide(p, expected, out=np.ones_like(p), where=p > 0)
    bits = (p * np.log2(ratio)).sum(axis=(-2, -1))
    rows, columns = _present(tables)
    result: Counts = np.maximum(0.0, bits - times * (rows - 1) * (columns - 1) / (2 * n * np.log(2)))
    return result


def _present(tables: Counts) -> tuple[Counts, Counts]:
    """Count the rows and columns that have somebody in them."""
    rows = (tables.sum(axis=-1) > 0).sum(axis=-1).astype(np.float64)
    columns = (tables.sum(axis=-2) > 0).sum(axis=-1).astype(np.float64)
    return rows, columns


def _phi2(tables: Counts) -> Counts:
    """Return chi-squared divided by the number of customers."""
    n = tables.sum(axis=(-2, -1))
    expected = tables.sum(axis=-1, keepdims=True) * tables.sum(axis=-2, keepdims=True) / n[..., None, None]
    parts = np.divide((tables - expected) ** 2, expected, out=np.zeros_like(expected), where=expected > 0)
    result: Counts = parts.sum(axis=(-2, -1)) / n
    return result


def associate(table: Counts, *, level: float, n_permutations: int, rng: np.random.Generator) -> Association:
    """Measure the association of rows and columns.

    Permuting the customers of one side gives tables with the same margins, so these are drawn instead of permuting
    (Patefield's algorithm in scipy). The p-value counts tables with at least this chi-squared, and the one observed.
    """
    observed, n = float(_phi2(table)), table.sum()
    margins = stats.random_table(table.sum(axis=1).astype(np.int64), table.sum(axis=0).astype(np.int64))
    beyond, by_chance = 0, []
    for size in _batches(n_permutations, table.size):
        drawn = np.asarray(margins.rvs(size=size, random_state=rng), dtype=np.float64)
        # a table that is equal but for rounding is as extreme as the one observed
        beyond += int((_phi2(drawn) >= observed - 1e-12).sum())
        by_chance.append(cramers_v(drawn))
    vs, bits = [], []
    for size in _batches(N_BOOTSTRAP, table.size):
        again = rng.multinomial(int(n), (table / n).ravel(), size=size).reshape(size, *table.shape).astype(np.float64)
        vs.append(cramers_v(again, times=2.0))
        bits.append(mutual_information(again, times=2.0))
    tails = [(1 - level) / 2, (1 + level) / 2]
    v, mi = float(cramers_v(table)), float(mutual_information(table))
    v_low, v_high = np.quantile(np.concatenate(vs), tails)
    mi_low, mi_high = np.quantile(np.concatenate(bits), tails)
    return Association(
        v,
        min(float(v_low), v),
        max(float(v_high), v),
        float(np.quantile(np.concatenate(by_chance), 0.95)),
        mi,
        min(float(mi_low), mi),
        max(float(mi_high), mi),
        (1 + beyond) / (1 + n_permutations),
    )


def _batches(total: int, cells: int) -> list[int]:
    each = max(1, CELLS_AT_ONCE // cells)
    return [min(each, total - start) for start in range(0, total, each)]


def auc_across_folds(folds: Counts, level: float) -> tuple[float, float, float]:
    """Return how well the column is told from the row, and its interval: cross-validated AUC, one against the rest.

    Parameters
    ----------
    folds : ndarray of shape (n_folds, n_rows, n_columns)
        Counts of the customers of each fold.
    level : float

    Notes
    -----
    The score of a customer for a column is the share of that column among the customers of the same row in the other
    folds, half a customer of the overall share added so that empty rows have one too. AUCs of the columns are averaged
    by their share of customers, AUCs of the folds by their size. The interval is that of the influence curve, given
    the scores: LeDell, Petersen, van der Laan (2015), doi:10.1214/15-EJS1035.
    """
    n = folds.sum()
    whole = folds.sum(axis=0)
    prior = whole.sum(axis=0) / n
    estimate, squares = 0.0, 0.0
    for test in folds:
        size = test.sum()
        train = whole - test
        scores = (train + 0.5 * prior) / (train.sum(axis=1, keepdims=True) + 0.5)
        influence = np.zeros_like(test)
        for column, weight in enumerate(prior):
            auc, curve = _auc(test, column, scores[:, column])
            estimate += weight * auc * size / n
            influence += weight * curve
        squares += float((test * influence**2).sum())
    half = float(stats.norm.ppf((1 + level) / 2)) * np.sqrt(squares) / n
    return float(estimate), float(max(0.0, estimate - half)), float(min(1.0, estimate + half))


def _auc(test: Counts, column: int, score: Counts) -> tuple[float, Counts]:
    """Return the AUC of a score per row for one column against the rest, and its influence curve per cell."""
    yes, no = test[:, column], test.sum(axis=1) - test[:, column]
    n_yes, n_no = yes.sum(), no.sum()
    curve = np.zeros_like(test)
    if not n_yes or not n_no:
        return 0.5, curve
    _, place = np.unique(score.round(12), return_inverse=True)
    yes_at, no_at = np.bincount(place, weights=yes), np.bincount(place, weights=no)
    below = (np.cumsum(no_at) - 0.5 * no_at)[place] / n_no  # share of the others that a yes of this row is above
    above = (n_yes - np.cumsum(yes_at) + 0.5 * yes_at)[place] / n_yes
    auc = float((yes * below).sum() / n_yes)
    size = n_yes + n_no
    curve[:] = ((above - auc) * size / n_no)[:, None]
    curve[:, column] = (below - auc) * size / n_yes
    return auc, curve
