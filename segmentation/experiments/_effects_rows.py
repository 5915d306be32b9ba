"""Estimates that need the rows: trimmed means, and variances that weigh each customer's residual (HC2, HC3)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation.experiments._effects import Arms, slopes_of
from segmentation.experiments._moments import Floats, Moments

__all__ = ["sandwich", "trimmed"]


def trimmed(
    values: Floats, scope: NDArray[np.int64], arm: NDArray[np.int64], size: tuple[int, int], share: float
) -> Arms:
    """Trimmed mean of every arm in every scope, with the variance of Yuen (1974, doi:10.1093/biomet/61.1.165).

    Parameters
    ----------
    values, scope, arm : arrays (customers,)
        Without missing values; a scope of -1 is left out.
    size : (scopes, arms)
    share : float
        Left out at each end: the whole number of customers below share * n.
    """
    s, a = size
    mean, own, df = (np.full(size, np.nan) for _ in range(3))
    used = scope >= 0
    cell = scope[used] * a + arm[used]
    order = np.lexsort((values[used], cell))
    ordered, cells = values[used][order], cell[order]
    starts = np.searchsorted(cells, np.arange(s * a))
    ends = np.searchsorted(cells, np.arange(s * a), side="right")
    for i, (start, end) in enumerate(zip(starts, ends, strict=True)):
        n = int(end - start)
        cut = int(share * n)
        left = n - 2 * cut
        if left < 1:
            continue
        kept = ordered[start + cut : end - cut]
        where = divmod(i, a)
        mean[where] = kept.mean()
        if left < 2:
            continue
        wins = np.concatenate([np.full(cut, kept[0]), kept, np.full(cut, kept[-1])])
        own[where] = float(((wins - wins.mean()) ** 2).sum()) / (left * (left - 1.0))
        df[where] = left - 1.0
    return Arms(mean, own, np.zeros((s, a, a)), df, np.full(s, np.inf))


def sandwich(
    rows: pd.DataFrame, columns: list[str], scope: NDArray[np.int64], arm: NDArray[np.int64], moments: Moments,
    means: Floats, kind: str,
) -> Floats:  # fmt: skip
    """Variance of the adjusted mean of every arm, each customer with the own residual (MacKinnon, White 1985).

    HC2 divides the squared residual by 1 - h, HC3 by (1 - h)^2, h the leverage in the regression of the arm
    (doi:10.1016/0304-4076(85)90158-7).

    Parameters
    ----------
    rows : DataFrame
        Column ``outcome`` (less the origin, linearised) and the covariates (less theirs); no missing outcome.
    columns : list of str
        The covariates.
    means : array (scopes, arms)
        Adjusted means.
    """
    slopes, _ = slopes_of(moments, "lin")
    centre = moments.pooled(axis=-1).mean[..., 1:]
    own = np.full(moments.n.shape, np.nan)
    x_all: Any = rows[columns].to_numpy(dtype=float)
    y_all = rows["outcome"].to_numpy(dtype=float)
    for s, a in np.ndindex(*moments.n.shape):
        where = (scope == s) & (arm == a)
        n = int(where.sum())
        if n < 2 + len(columns):
            continue
        x = x_all[where] - centre[s]
        residual = y_all[where] - means[s, a] - x @ slopes[s, a]
        design = np.column_stack([np.ones(n), x])
        unit = np.sqrt((design**2).mean(axis=0))
        unit[unit == 0] = 1.0
        scaled = design / unit
        bread = np.linalg.pinv(scaled.T @ scaled, rcond=1e-11, hermitian=True)
        leverage = np.einsum("ij,jk,ik->i", scaled, bread, scaled)
        weights = scaled @ bread[:, 0] / unit[0]
        left = np.maximum(1 - leverage, 1e-12)
        own[s, a] = float(np.sum((weights * residual) ** 2 / (left if kind == "hc2" else left**2)))
    return own
