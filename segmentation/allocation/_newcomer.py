"""What a customer who has just been acquired is worth, day by day."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from segmentation._format import name_some

__all__ = ["newcomer_value"]

Array = NDArray[np.float64]
DAYS_PER_YEAR = 365.0
WEEK = 7.0


def newcomer_value(
    scorer: Any, days: ArrayLike, *, first_purchase: bool = True, n_draws: int = 500, random_state: Any = None
) -> pd.DataFrame:
    """Return the margin that a new customer is expected to have brought by each day, as draws.

    The value within a horizon of customers who are there already is not that of new ones: they have shown how often
    they buy. This is the value of somebody of whom only the first purchase is known.

    Parameters
    ----------
    scorer : fitted CLVScorer with a spend model
        Fit one per segment, to the customers of the segment from their first purchase on. Its ``margin`` and
        ``annual_discount_rate`` count, its ``horizon_days`` does not.
    days : array-like of float, 0 or more
        Days after the first purchase, rising, such as ``range(0, 366, 30)``. The last is the horizon.
    first_purchase : bool, default=True
        Whether the first purchase counts (at day 0): it does where the money was spent to get it.
    n_draws : int, default=500
        Draws of the parameters of both models from what the data leave open about them.
    random_state : int, RandomState or None

    Returns
    -------
    pandas.DataFrame of shape (n_draws, n_days)
        Index ``draw``, columns ``day``; each row rises. Expectations: what single customers do is not in them.
        Goes into ``acquisition_cost(cumulative_margin={segment: ...})``.

    Notes
    -----
    margin * (expected spend per purchase of a customer of whom nothing is known) * (1 + repeat purchases expected by
    that day); with a discount rate repeat purchases of a week are discounted from its middle. The first purchase is
    taken to be worth as much as the later ones, of which the spend model knows.

    Examples
    --------
    >>> from segmentation import datasets, features
    >>> from segmentation.allocation import newcomer_value
    >>> from segmentation.scorers import CLVScorer
    >>> purchases = features.btyd_table(
    ...     datasets.load_cdnow(), customer_id="customer_id", timestamp="timestamp", amount="amount")
    >>> scorer = CLVScorer(margin=0.3).fit(purchases)
    >>> value = newcomer_value(scorer, [0, 90, 365], n_draws=100, random_state=0)
    >>> value.mean().round(0).tolist()
    [11.0, 16.0, 27.0]
    """
    check_is_fitted(scorer)
    if getattr(scorer, "spend_model_", None) is None:
        raise ValueError(
            f"newcomer_value needs a CLVScorer with a spend model (money), got {type(scorer).__name__} without one."
        )
    if scorer._covariate_columns():
        raise ValueError("with covariates new customers differ: fit a scorer without covariates per segment.")
    grid = _days(days)
    if isinstance(n_draws, bool) or not isinstance(n_draws, int | np.integer) or n_draws < 1:
        raise ValueError(f"n_draws must be a positive integer, got {n_draws!r}.")
    rng = check_random_state(random_state)
    seeds = rng.randint(0, 2**31 - 1, size=2)
    model, spend = scorer.purchase_model_, scorer.spend_model_
    params, spends = model.draw_params(int(n_draws), int(seeds[0])), spend.draw_params(int(n_draws), int(seeds[1]))
    names, rate = list(model.params_), float(scorer.annual_discount_rate)
    ends = grid if rate == 0 else np.unique(np.append(grid, np.arange(0.0, grid[-1], WEEK)))
    positive = ends[ends > 0]
    values = np.empty((int(n_draws), len(grid)))
    for d in range(int(n_draws)):
        drawn = model._with_params(dict(zip(names, params[d].tolist(), strict=True)))
        purchases = np.zeros(len(ends))
        purchases[ends > 0] = drawn.expected_purchases_new_customer(positive)
        if rate:
            middles = (ends[1:] + ends[:-1]) / 2
            purchases[1:] = purchases[0] + np.cumsum(np.diff(purchases) * (1 + rate) ** (-middles / DAYS_PER_YEAR))
        p, q, v = spend._prior(spends[d])
        values[d] = float(p * v / (q - 1.0)) * (purchases[np.searchsorted(ends, grid)] + bool(first_purchase))
    columns = pd.Index(grid, name="day")
    return pd.DataFrame(values * float(scorer.margin), columns=columns, index=pd.RangeIndex(int(n_draws), name="draw"))


def _days(days: ArrayLike) -> Array:
    grid = np.atleast_1d(np.asarray(list(days) if isinstance(days, range) else days, dtype=np.float64))
    if grid.ndim != 1 or not len(grid) or not np.isfinite(grid).all() or (grid < 0).any():
        raise ValueError(f"days must be finite numbers of 0 or more, got {name_some(np.ravel(grid))}.")
    if (np.diff(grid) <= 0).any():
        raise ValueError(f"days must rise from one to the next, got {name_some(grid)}.")
    return grid
