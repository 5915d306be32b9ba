"""A market that never was: linked customer tables from one generator, with the truth beside them."""

from __future__ import annotations

import operator
from typing import Any, SupportsIndex

import numpy as np
import pandas as pd

from segmentation.datasets import _market_campaign as campaign
from segmentation.datasets import _market_clock as clock
from segmentation.datasets import _market_curves as curves
from segmentation.datasets import _market_events as events
from segmentation.datasets import _market_feedback as feedback
from segmentation.datasets import _market_needs as needs
from segmentation.datasets import _market_orders as orders
from segmentation.datasets import _market_profiles as profiles
from segmentation.datasets import _market_survey as survey
from segmentation.datasets import _market_tables as tables
from segmentation.datasets._market_parameters import parameters
from segmentation.datasets._market_result import Market

__all__ = ["make_market"]

# One stream of random numbers per table, in this order: a new table goes to the end and changes no other.
STREAMS = ("ids", "needs", "profiles", "orders", "survey", "events", "feedback", "campaign")


def make_market(
    n_customers: SupportsIndex = 2_000,
    random_state: SupportsIndex | np.random.Generator | np.random.RandomState | None = None,
    *,
    misspecified: bool = False,
) -> Market:
    """Simulate a market: linked profiles, orders, survey, events, feedback and a campaign, with known truth.

    Customers differ in a hidden need, one of five: ``bargain``, ``convenience``, ``inspiration``, ``quality``,
    ``reassurance``. It shows, never fully, in what they buy, answer, click, complain about and react to, so that
    every way of segmenting recovers a part of it, and the truth says which part.

    Parameters
    ----------
    n_customers : int, default=2000
        Number of customers, 1 or more.
    random_state : int, Generator, RandomState or None, default=None
        Seed. With equal seed (and equal versions of numpy and scipy) all tables are equal; None takes a new seed
        from the operating system, which the result keeps.
    misspecified : bool, default=False
        With False, the orders of the population follow the MBG/NBD and the Gamma-Gamma model exactly. With True
        they do not: the purchase rate has a season, three of four customers buy regularly, and those who buy often
        also spend more. Profiles, survey, segments, rates and dropout are those of the same seed without it.

    Returns
    -------
    Market
        The tables, the truth and the parameters; see there.

    Raises
    ------
    TypeError
        If `n_customers` or `random_state` is not a whole number (nor the alternatives above), or `misspecified` is
        not a bool.
    ValueError
        If `n_customers` is below 1 or `random_state` negative.

    Notes
    -----
    The generating equations, for customer i; all parameter values stand in ``market.generator`` and, explained, in
    docs/market.md.

    * Behaviour: rate ``l ~ Gamma(r, alpha)``, dropout ``p ~ Beta(a, b)``, ``nu ~ Gamma(q, v)``, independent. First
      order uniform over 701 of 731 days, then exponential waits with rate l; after every order the customer leaves
      with probability p: the MBG/NBD model [1]_. Amounts ``Gamma(shape, nu)`` with mean ``shape / nu``: the
      Gamma-Gamma model [2]_. A customer who is alive is expected to order ``(1 - exp(-365 l p)) / p`` times next
      year.
    * Segment: ``P(s) ~ exp(c_s + B_s z)`` with z the normal scores of rate, dropout and mean spend. All that follows
      depends on the segment and is independent given it, where nothing else is said.
    * Profile: cut normal ages, log-normal incomes, categories; the income is missing with log odds linear in age and
      in log income: partly at random, partly not at random in the sense of [3]_.
    * Survey: ordinal probit items [4]_ on five normal needs, with agreeing and straight-lining respondents. A
      classifier that knows all this is right for 83 % of those who answer.
    * Campaign: Bernoulli(1/2) arms; log odds of visits and purchases by segment, arm, rate and activity.
    * ``misspecified``: waits are Erlang-2 for 75 % of the customers (the regular buyers of [5]_), the clock of the
      purchases runs faster before Christmas and slower from January on and in summer, and the normal scores of spend
      and rate have correlation 0.5.

    The streams of random numbers are separate for each table. About five orders per customer are observed; a market
    of 100,000 customers takes a few seconds and 300 MiB.

    References
    ----------
    .. [1] Batislam, E. P., Denizel, M., Filiztekin, A. (2007), "Empirical validation and comparison of models for
       customer base analysis", International Journal of Research in Marketing 24(3), 201-209,
       https://doi.org/10.1016/j.ijresmar.2006.12.005
    .. [2] Fader, P. S., Hardie, B. G. S., Lee, K. L. (2005), "RFM and CLV: Using Iso-Value Curves for Customer Base
       Analysis", Journal of Marketing Research 42(4), 415-430, https://doi.org/10.1509/jmkr.2005.42.4.415
    .. [3] Rubin, D. B. (1976), "Inference and missing data", Biometrika 63(3), 581-592,
       https://doi.org/10.1093/biomet/63.3.581
    .. [4] Samejima, F. (1969), "Estimation of latent ability using a response pattern of graded scores",
       Psychometrika 34, Supplement 1, 1-97, https://doi.org/10.1007/BF03372160
    .. [5] Platzer, M., Reutterer, T. (2016), "Ticking Away the Moments: Timing Regularity Helps to Better Predict
       Customer Activity", Marketing Science 35(5), 779-799, https://doi.org/10.1287/mksc.2015.0963

    Examples
    --------
    >>> from segmentation.datasets import make_market
    >>> market = make_market(1_000, random_state=0)
    >>> market
    Market(1000, random_state=0, misspecified=False)
      period         2023-01-01 to 2024-12-31, future to 2025-12-31
      profiles       1,000 customers, income missing for ...
      orders         ...
      truth          5 segments: bargain, convenience, inspiration, quality, reassurance
    >>> market.profiles.shape, market.truth.index.equals(market.profiles.index)
    ((1000, 5), True)
    >>> market.truth["segment"].cat.categories.tolist()
    ['bargain', 'convenience', 'inspiration', 'quality', 'reassurance']
    """
    size, seed = _whole_number(n_customers), _seed(random_state)
    if not isinstance(misspecified, bool | np.bool_):
        raise TypeError(f"misspecified={misspecified!r}: expected True or False")
    children = np.random.SeedSequence(seed).spawn(len(STREAMS))
    streams = {name: np.random.default_rng(child) for name, child in zip(STREAMS, children, strict=True)}
    for_customers, for_orders, for_feedback = streams["ids"].spawn(3)

    ids = tables.customer_ids(size, for_customers)
    latents = needs.draw(size, streams["needs"], misspecified=bool(misspecified))
    season = clock.Season.by_month() if misspecified else clock.Season.none()
    history = orders.simulate(latents, season, streams["orders"])
    profile = profiles.draw(latents.segment, streams["profiles"])
    answers = survey.draw(latents.segment, streams["survey"])
    truth = tables.customer_truth(ids, latents, history, season, profile, answers)
    said = feedback.draw(latents.segment, history.first, streams["feedback"])
    shown, behind = tables.feedback_tables(ids, said, truth["segment"], for_feedback)
    past, future = tables.order_tables(ids, history, for_orders)
    return Market(
        profiles=tables.profile_table(ids, profile),
        orders=past,
        survey=tables.survey_table(ids, answers),
        survey_items=survey.ITEMS[["need", "reversed", "text"]].copy(),
        events=tables.event_table(ids, events.draw(latents, history.first, history.left, streams["events"])),
        feedback=shown,
        campaign=tables.campaign_table(ids, campaign.draw(latents, history.left, streams["campaign"])),
        curves=curves.curve_table(),
        future_orders=future,
        truth=truth,
        segment_truth=tables.segment_truth(truth, answers["answered"]),
        feedback_truth=behind,
        theme_truth=tables.theme_truth(behind),
        generator=parameters(),
        random_state=seed,
        misspecified=bool(misspecified),
        start=clock.FIRST_DAY,
        observation_end=clock.FIRST_DAY + pd.Timedelta(days=clock.END - 1),
        future_end=clock.FIRST_DAY + pd.Timedelta(days=clock.END + clock.FUTURE_DAYS - 1),
    )


def _whole_number(n_customers: Any) -> int:
    try:
        size = operator.index(n_customers)
    except TypeError:
        raise TypeError(f"n_customers={n_customers!r}: expected a whole number, for example 10_000") from None
    if isinstance(n_customers, bool | np.bool_) or size < 1:
        raise ValueError(f"n_customers={n_customers!r}: expected the number of customers, 1 or more")
    return size


def _seed(random_state: Any) -> int:
    """Turn the random state into a number from which the same market can be made again."""
    if random_state is None:
        return int(np.random.SeedSequence().entropy)  # type: ignore[arg-type]
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**63))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31, dtype=np.int64))
    try:
        seed = operator.index(random_state)
    except TypeError:
        raise TypeError(
            f"random_state={random_state!r}: expected a whole number, a numpy Generator or RandomState, or None"
        ) from None
    if seed < 0:
        raise ValueError(f"random_state={random_state!r}: a seed is 0 or more")
    return seed
