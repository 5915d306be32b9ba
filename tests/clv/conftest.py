"""Data for the tests of the purchase and spend models."""

import numpy as np
import pytest

from segmentation.datasets import load_cdnow
from segmentation.features import btyd_table


@pytest.fixture(scope="session")
def cdnow():
    """The calibration period of the literature: CDNOW, 39 weeks to 1997-09-30, purchases by day."""
    return btyd_table(
        load_cdnow(), customer_id="customer_id", timestamp="timestamp", amount="amount", observation_end="1997-09-30"
    )


@pytest.fixture(scope="session")
def simulate():
    """Function that draws customers from a purchase model, following its story step by step."""

    def draw(model, params, T, rng):
        n = len(T)
        r, alpha, third, fourth = params
        rate = rng.gamma(r, 1 / alpha, n)
        leaves_at, p_leave = np.full(n, np.inf), np.zeros(n)
        if model == "pareto_nbd":
            leaves_at = rng.exponential(1 / rng.gamma(third, 1 / fourth, n))
        else:
            p_leave = rng.beta(third, fourth, n)
        x, t_x, now = np.zeros(n), np.zeros(n), np.zeros(n)
        active = np.ones(n, dtype=bool)
        if model == "mbg_nbd":
            active = rng.random(n) >= p_leave
        here = np.flatnonzero(active)
        while here.size:
            now[here] += rng.exponential(1 / rate[here])
            here = here[now[here] <= np.minimum(T[here], leaves_at[here])]
            x[here] += 1
            t_x[here] = now[here]
            here = here[rng.random(here.size) >= p_leave[here]]
        return x, t_x, T

    return draw
