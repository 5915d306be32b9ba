"""Does the effect differ between segments at all: asked before anybody looks at one of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from segmentation.experiments._moments import Floats

__all__ = ["Interaction", "interaction_test"]


@dataclass(frozen=True)
class Interaction:
    """Cochran's Q of one outcome and arm."""

    n_segments: int
    q: float
    df: float
    p_value: float
    p_chi_squared: float
    between_sd: float


def interaction_test(lift: Floats, se: Floats, df: Floats) -> Interaction:
    """Test whether segments have one common effect (Cochran 1954, doi:10.2307/3001666).

    Q is the weighted sum of squared deviations of the lifts from their weighted mean, every segment with its own
    variance; an F test with one pooled variance rejects far more than it says where spread differs. Q is
    chi-squared with known variances; as they are estimated, ``p_value`` refers it to Welch's F (Welch 1951,
    doi:10.1093/biomet/38.3-4.330), which is the same where segments are large. Segments without a standard error are
    left out.

    Parameters
    ----------
    lift, se, df : arrays (segments,)
        Estimates, standard errors and their degrees of freedom (inf for proportions).

    Returns
    -------
    Interaction
        ``between_sd``: how much true effects differ, by the moments of DerSimonian and Laird
        (doi:10.1016/0197-2456(86)90046-2); 0 where Q is not above its degrees of freedom.

    Examples
    --------
    >>> import numpy as np
    >>> found = interaction_test(np.array([0.0, 1.0]), np.array([0.5, 0.5]), np.array([np.inf, np.inf]))
    >>> round(found.q, 3), found.df, round(found.p_value, 4)
    (2.0, 1.0, 0.1573)
    """
    known = np.isfinite(lift) & np.isfinite(se) & (se > 0)
    k = int(known.sum())
    if k < 2:
        return Interaction(k, np.nan, np.nan, np.nan, np.nan, np.nan)
    unit = float(se[known].min())  # in units of it nothing overflows, whatever the outcome is counted in
    d, w, freedom = lift[known] / unit, (unit / se[known]) ** 2, df[known]
    total = w.sum()
    q = float(np.sum(w * (d - np.sum(w * d) / total) ** 2))
    between = max(0.0, (q - (k - 1)) / float(total - np.sum(w**2) / total))
    loose = float(np.sum((1 - w / total) ** 2 / freedom))
    plain = float(stats.chi2.sf(q, k - 1))
    if loose > 0:
        f = q / (k - 1) / (1 + 2 * (k - 2) / (k**2 - 1) * loose)
        p = float(stats.f.sf(f, k - 1, (k**2 - 1) / (3 * loose)))
    else:
        p = plain
    return Interaction(k, q, float(k - 1), p, plain, unit * float(np.sqrt(between)))
