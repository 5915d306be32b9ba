"""Orders of the market, and what each customer is worth over the next year, exactly.

Between orders a customer waits a Gamma time of mean 1 / rate and shape k (1: exponential); after every order, the
first included, they leave for good with their dropout probability. With k = 1 this is the MBG/NBD model [1]_; with
k = 2 its regular variant, MBG/CNBD-k [2]_. Amounts follow the Gamma-Gamma model [3]_.

References
----------
.. [1] Batislam, Denizel, Filiztekin (2007), International Journal of Research in Marketing 24(3), 201-209,
   https://doi.org/10.1016/j.ijresmar.2006.12.005
.. [2] Platzer, Reutterer (2016), Marketing Science 35(5), 779-799, https://doi.org/10.1287/mksc.2015.0963
.. [3] Fader, Hardie, Lee (2005), Journal of Marketing Research 42(4), 415-430,
   https://doi.org/10.1509/jmkr.2005.42.4.415
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import exprel

from segmentation.datasets._market_clock import END, FUTURE_DAYS, LAST_FIRST_ORDER, Season
from segmentation.datasets._market_needs import POPULATION, Latents

__all__ = ["UNITS_PER_AMOUNT", "History", "expected_purchases", "simulate"]

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

# Articles beyond the first in an order: Poisson with this mean per unit of currency.
UNITS_PER_AMOUNT = 0.02


@dataclass(frozen=True)
class History:
    """All orders of all customers, up to the end of the future year, and what is left of the customers at the end.

    Attributes
    ----------
    customer : ndarray of int64, shape (n_orders,)
        Position of the customer.
    day : ndarray, shape (n_orders,)
        Calendar days since the start; from `END` on, the order lies in the future.
    amount, quantity : ndarray, shape (n_orders,)
    first : ndarray, shape (n_customers,)
        Calendar day of the first order.
    alive : ndarray of bool, shape (n_customers,)
        Whether the customer has not left at the end of the observation.
    left : ndarray, shape (n_customers,)
        Calendar day of the order after which the customer left; `END` for those who are alive then.
    waiting : ndarray, shape (n_customers,)
        Days on the even clock from the last observed order to the end of the observation.
    """

    customer: Codes
    day: Floats
    amount: Floats
    quantity: Codes
    first: Floats
    alive: NDArray[np.bool_]
    left: Floats
    waiting: Floats


def simulate(latents: Latents, season: Season, rng: np.random.Generator) -> History:
    """Let every customer order from the first time to the end of the future year."""
    n_customers = len(latents.rate)
    first = season.to_even(rng.uniform(0.0, LAST_FIRST_ORDER, n_customers))
    end, horizon = season.to_even([END, END + FUTURE_DAYS])
    shape, scale = latents.erlang_shape, 1.0 / (latents.erlang_shape * latents.rate)
    now, last = first.copy(), first.copy()
    alive = np.ones(n_customers, dtype=bool)
    active = np.arange(n_customers)
    customers, times = [], []
    # One round per order: the k-th order of everybody who makes one. Rounds shrink fast, the last hold a handful.
    while active.size:
        customers.append(active)
        times.append(now[active])
        observed = now[active] < end
        last[active[observed]] = now[active[observed]]
        leaves = rng.random(active.size) < latents.dropout[active]
        alive[active[leaves & observed]] = False
        active = active[~leaves]
        now[active] += rng.gamma(shape[active], scale[active])
        active = active[now[active] < horizon]
    customer, time = np.concatenate(customers), np.concatenate(times)
    amount = _amounts(latents.mean_spend[customer], rng)
    return History(
        customer=customer,
        day=season.to_calendar(time),
        amount=amount,
        quantity=1 + rng.poisson(UNITS_PER_AMOUNT * amount),
        first=season.to_calendar(first),
        alive=alive,
        left=np.where(alive, float(END), season.to_calendar(last)),
        waiting=end - last,
    )


def _amounts(mean: Floats, rng: np.random.Generator) -> Floats:
    """Gamma amounts of the given means and the population's shape, in whole cents and never nothing."""
    shape = POPULATION["p"]
    return np.maximum(np.round(rng.gamma(shape, mean / shape), 2), 0.01)


def expected_purchases(latents: Latents, history: History, season: Season) -> Floats:
    """Return the expected number of orders in the future year given all that is hidden and all past orders.

    A customer who has left makes none. For one who has not, with rate l and dropout p and over t days on the even
    clock: exponential waits (k = 1) have no memory, and the expectation is ``(1 - exp(-l p t)) / p``. For k = 2 it
    depends on whether the first of the two stages of the current wait is over; see `_two_stages`.
    """
    end, horizon = season.to_even([END, END + FUTURE_DAYS])
    days = horizon - end
    even = latents.rate * days * exprel(-latents.rate * latents.dropout * days)
    regular = _two_stages(2.0 * latents.rate, latents.dropout, history.waiting, days)
    return np.asarray(np.where(history.alive, np.where(latents.erlang_shape == 1, even, regular), 0.0))


def _two_stages(speed: Floats, dropout: Floats, waiting: Floats, days: float) -> Floats:
    """Expected orders when each wait has two exponential stages of rate `speed` and `waiting` days have passed.

    Stages are a Markov chain (first -> second -> order, then first again with probability 1 - p) whose rates have
    the eigenvalues -speed (1 -+ s), s = sqrt(1 - p). Integrating the probability of the second stage gives the
    orders expected from the start of each stage. After a silence of w days the second stage has begun with
    probability ``speed w / (1 + speed w)``.
    """
    s = np.sqrt(1.0 - dropout)
    span = speed * days
    # (1 - exp(-c span)) / c for the two eigenvalues; 1 - s is written p / (1 + s), which p = 0 does not harm.
    slow = span * exprel(-span * dropout / (1.0 + s))
    fast = span * exprel(-span * (1.0 + s))
    from_first, from_second = (slow - fast) / (2.0 * s), (slow + fast) / 2.0
    begun = speed * waiting / (1.0 + speed * waiting)
    return np.asarray((1.0 - begun) * from_first + begun * from_second)
