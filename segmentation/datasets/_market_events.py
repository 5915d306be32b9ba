"""The web log of the market: sessions of a few events each, over the last year of the observation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation.datasets._market_clock import END, EVENT_DAYS
from segmentation.datasets._market_needs import SEGMENTS, Latents, pick

__all__ = ["AFTER_LEAVING", "EVENT_TYPES", "INTENSITY", "SESSIONS", "TYPE_SHARES", "Events", "draw"]

Floats = NDArray[np.float64]

EVENT_TYPES = ("product_view", "search", "offer_view", "wishlist", "cart", "help")

# Share of each type in a segment's events; rows add up to 1.
TYPE_SHARES = pd.DataFrame(
    [
        [0.34, 0.20, 0.28, 0.05, 0.10, 0.03],
        [0.36, 0.30, 0.08, 0.04, 0.18, 0.04],
        [0.50, 0.12, 0.10, 0.18, 0.07, 0.03],
        [0.46, 0.22, 0.06, 0.10, 0.11, 0.05],
        [0.40, 0.18, 0.09, 0.06, 0.09, 0.18],
    ],
    index=pd.Index(SEGMENTS, name="segment"),
    columns=list(EVENT_TYPES),
)

# Sessions per day = (base + per_order * purchase rate) * intensity of the segment * a Gamma of mean 1.
SESSIONS = pd.Series({"base": 0.008, "per_order": 0.40, "gamma_shape": 2.0, "more_events": 1.0}, name="value")
INTENSITY = pd.Series([1.1, 0.9, 1.7, 0.9, 0.6], index=pd.Index(SEGMENTS, name="segment"), name="intensity")
AFTER_LEAVING = 0.15  # of the sessions go on after a customer has left

SECONDS_BETWEEN = 60.0  # mean time between the events of a session


@dataclass(frozen=True)
class Events:
    """Events, all arrays of shape (n_events,).

    Attributes
    ----------
    customer : ndarray of int64
        Position of the customer.
    day : ndarray
        Days from the start to the beginning of the session.
    seconds : ndarray
        Seconds since the session began.
    type : ndarray of int64
        Position in `EVENT_TYPES`.
    """

    customer: NDArray[np.int64]
    day: Floats
    seconds: Floats
    type: NDArray[np.int64]


def draw(latents: Latents, first: Floats, left: Floats, rng: np.random.Generator) -> Events:
    """Draw the events from each customer's first order on."""
    for_sessions, for_days, for_length, for_types = rng.spawn(4)
    per_day = SESSIONS["base"] + SESSIONS["per_order"] * latents.rate
    per_day = per_day * INTENSITY.to_numpy()[latents.segment]
    per_day = per_day * for_sessions.gamma(SESSIONS["gamma_shape"], 1.0 / SESSIONS["gamma_shape"], per_day.size)
    start = np.maximum(first, END - EVENT_DAYS)
    leaving = np.maximum(left, start)
    before, after = leaving - start, END - leaving
    customer, day = [], []
    for begin, span, rate in ((start, before, per_day), (leaving, after, AFTER_LEAVING * per_day)):
        who = np.repeat(np.arange(span.size), for_sessions.poisson(rate * span))
        customer.append(who)
        day.append(begin[who] + span[who] * for_days.random(who.size))
    length = 1 + for_length.poisson(SESSIONS["more_events"], sum(map(len, customer)))
    whose = np.repeat(np.concatenate(customer), length)
    position = np.arange(whose.size) - np.repeat(np.cumsum(length) - length, length)
    pause = np.where(position == 0, 0.0, for_length.exponential(SECONDS_BETWEEN, whose.size))
    # Seconds since the start of the session: a running sum that starts anew with each session.
    running = np.cumsum(pause)
    since = running - np.repeat(running[np.cumsum(length) - length], length)
    types = pick(TYPE_SHARES.to_numpy()[latents.segment[whose]], for_types.random(whose.size))
    return Events(whose, np.repeat(np.concatenate(day), length), since, types)
