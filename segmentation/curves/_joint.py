"""Response curves of several efforts that share one series of outcomes."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from segmentation.curves._base import ResponseCurve
from segmentation.curves._fit import check_options, seed_of
from segmentation.curves._joint_drawn import Drawn, decomposition
from segmentation.curves._joint_forms import Candidates, Expectation, form_for
from segmentation.curves._joint_input import (
    BASELINE,
    by_name,
    check_carry_over,
    check_families,
    expected_shares,
    read_periods,
    refuse_too_many,
)
from segmentation.curves._joint_result import CurveFits
from segmentation.curves._joint_sample import Series, draw_curves, largest_ratio
from segmentation.curves._joint_told import expected_together, identification, warnings_of

__all__ = ["fit_response_curves"]

Array = NDArray[np.float64]
# What is expected of efforts that work: of one, of all of them together.
SHARE_OF_ONE, SHARE_OF_ALL = 0.2, 0.5


def fit_response_curves(
    efforts: Any,
    outcome: ArrayLike,
    *,
    family: Any = "exponential",
    randomized: bool | None = None,
    period: Any = None,
    carry_over: Any = None,
    controls: ArrayLike | None = None,
    trend: bool = False,
    season: float | None = None,
    expected_share: Any = None,
    works: float = 0.9,
    level: float = 0.9,
    n_draws: int = 1000,
    random_state: Any = None,
) -> CurveFits:
    """Fit what several efforts bring to one series of outcomes, all at once.

    The mean outcome is a baseline (constant, trend, season, controls) and the sum of one curve per effort: none falls,
    and where no outcome is negative they bring no more together than there is. What one effort is credited with, the
    others are not: fitted one by one, several can claim the same sales.

    Draws are from the joint distribution of all curves given the data, so they are kept together by `allocate`: their
    shares and that of the baseline add up to the whole outcome in every draw. Errors are normal, and a part of each
    (estimated) lasts into the next period.

    Parameters
    ----------
    efforts : dataframe of shape (n_periods, n_efforts), or mapping of names to columns
        One named column per effort, 0 or more, one row per period.
    outcome : array-like of shape (n_periods,)
    family : str or mapping of effort to str, default="exponential"
        "exponential", "log", "power", "linear" or "hill"; of efforts that a mapping leaves out, exponential.
    randomized : bool, optional
        Whether chance decided how much went where and when. Unless True, a warning stands beside every result.
    period : array-like of shape (n_periods,), optional
        When (sortable). Without it rows are periods in their order.
    carry_over : {None, "geometric"}, float, or mapping of effort to these, default=None
        Effort still works in later periods, as in `fit_response_curve`: the curve is one of the running mean
        ``(1 - r) * effort + r * mean before``, so that its `effort` is what is spent each period for good.
    controls : array-like of shape (n_periods, n_controls), optional
        What else moves the outcome (prices, holidays), held equal linearly.
    trend : bool, default=False
        Hold a straight line over time equal.
    season : float, optional
        Periods per cycle, such as 52.18 weeks: two waves of it are held equal.
    expected_share : float or mapping of effort to float, optional
        What an effort that works is expected to bring, as a share of the outcome: the mean of an exponential prior. By
        default 0.2, of three efforts or more 0.5 over their number.
    works : float, default=0.9
        The chance, before the data, that an effort brings anything at all. Much less than the default makes intervals
        of weak efforts too short: with 0.5 those whose effect is one to two standard errors are held in 60 to 80 %.
    level : float, default=0.9
        Of the intervals.
    n_draws : int, default=1000
    random_state : int, numpy Generator or RandomState, optional

    Returns
    -------
    CurveFits
        ``curves`` (for `allocate`), ``table`` (shares of the outcome), ``shares`` (their draws), ``parameters``,
        ``decomposition``, ``warnings``, ``settings``, ``plot()``.

    Raises
    ------
    ValueError
        Efforts below 0, NaN, names that repeat, several rows of one period.
    FitError
        An effort that does not vary, moves exactly with another or is explained by controls; more figures to fit than
        periods.

    Notes
    -----
    Ten efforts that rise and fall together in two hundred weeks do not say by themselves what each of them brings.
    What they leave open is filled by stated expectations: an effort works with chance `works`; if so, its share has an
    exponential prior; half of its rise lies about its median effort (log-normal, within a factor of 7 in 95 of 100
    cases), within the range that `fit_response_curve` searches; every retention and persistence of errors is as likely
    as any other. The warnings name the efforts whose interval is mostly expectation, and those that cannot be told
    apart. The estimate is the mean over draws: shares add up, and the curve is the one of its family nearest to the
    mean of the drawn curves.

    Media mix models rest on the same sum of saturating curves [1]_, with priors on the share or return of each [2]_.
    Whether an effort works at all is drawn as in the selection of variables [3]_.

    References
    ----------
    .. [1] Jin, Y. et al. (2017). Bayesian methods for media mix modeling with carryover and shape effects. Google.
    .. [2] Zhang, Y. et al. (2023). Media mix model calibration with Bayesian priors. Google.
    .. [3] George, E. I., McCulloch, R. E. (1993). Variable selection via Gibbs sampling. Journal of the American
       Statistical Association 88. doi:10.1080/01621459.1993.10476353

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> spent = pd.DataFrame(rng.gamma(2.0, 1.0, (150, 3)), columns=["radio", "mail", "posters"])
    >>> sales = 60 + 30 * (1 - np.exp(-0.8 * spent["radio"])) + 5 * spent["mail"] + rng.normal(0, 4, 150)
    >>> fit = fit_response_curves(spent, sales, randomized=True, random_state=0)
    >>> fit.table["share"].round(2).to_dict()  # posters bring nothing
    {'baseline': 0.61, 'radio': 0.26, 'mail': 0.11, 'posters': 0.02}
    >>> bool(np.allclose(fit.shares.sum(axis=1), 1.0))
    True
    """
    check_options(level, n_draws, randomized)
    if isinstance(works, bool) or not isinstance(works, numbers.Real) or not 0 < float(works) <= 1:
        raise ValueError(f"works must be a chance above 0, at most 1, got {works!r}.")
    seed = seed_of(random_state)
    rng = np.random.default_rng(seed)
    periods = read_periods(efforts, outcome, period=period, controls=controls, trend=trend, season=season)
    names = periods.names
    families = check_families(family, names)
    carry = [
        check_carry_over(c, name) for c, name in zip(by_name(carry_over, names, "carry_over", None), names, strict=True)
    ]
    share = expected_shares(expected_share, names, min(SHARE_OF_ONE, SHARE_OF_ALL / len(names)))
    whole = [
        Candidates.of(form_for(f, x, c), x, Expectation(s, float(works), float(np.median(x[x > 0]))))
        for f, x, c, s in zip(families, periods.efforts.T, carry, share, strict=True)
    ]
    n_curves = sum(1 + len(c.form.free) for c in whole)
    notes = refuse_too_many(len(periods.outcome), periods.held.shape[1], n_curves, len(names))
    size = float(np.abs(periods.outcome).mean())
    bound = float(periods.outcome.mean() / size) if periods.outcome.min() >= 0 else math.inf
    series = Series(periods.outcome / size, periods.held, bound)
    sample, fine = draw_curves(series, whole, int(n_draws), rng)
    drawn = Drawn(sample, whole, fine, int(n_draws), size, rng)

    shares = pd.DataFrame(drawn.share * size / periods.outcome.mean(), columns=list(names))
    shares.insert(0, BASELINE, 1.0 - shares.sum(axis=1))
    found = identification(periods, shares, level, [c.expected for c in whole])
    told, own = warnings_of(periods, whole, families, shares, found, sample, level)
    randomized = None if randomized is None else bool(randomized)
    curves: dict[Any, ResponseCurve] = {}
    for j, name in enumerate(names):
        curves[name] = drawn.curve(j, level, randomized, (*own[name], *notes))
    caveats = list(dict.fromkeys(text for curve in curves.values() for text in curve.caveats[: 0 if randomized else 1]))
    return CurveFits(
        curves=curves,
        shares=shares,
        draws=drawn.table(names),
        identification=found,
        decomposition=decomposition(periods, drawn, fine),
        mean_outcome=float(periods.outcome.mean()),
        efforts=pd.DataFrame(
            {"mean": periods.efforts.mean(axis=0), "highest": periods.efforts.max(axis=0)},
            index=pd.Index(names, name="effort"),
        ),
        settings={
            "family": dict(zip(names, (c.form.family for c in whole), strict=True)),
            "randomized": randomized,
            "carry_over": dict(zip(names, carry, strict=True)),
            "trend": bool(trend),
            "season": season,
            "n_controls": periods.held.shape[1] - 1,
            "expected_share": dict(zip(names, share, strict=True)),
            "works": float(works),
            "expected_together": expected_together(share, float(works), level, bound < math.inf),
            "level": level,
            "n_draws": int(n_draws),
            "random_state": seed,
            "n_periods": len(periods.outcome),
            "n_figures": periods.held.shape[1] + n_curves,
            "persistence": float(sample.persistence.mean()),
            "spread": float(sample.spread.mean() * size),
            "chain_ratio": largest_ratio(sample),
            "condition": float(found.attrs["condition"]),
            "searched": {n: {p: list(b) for p, b in c.form.bounds.items()} for n, c in zip(names, whole, strict=True)},
        },
        warnings=tuple(dict.fromkeys([*caveats, *told, *notes, *periods.notes])),
    )
