"""The survey of the market: 20 statements, answered from 1 to 7, and what they tell about a customer's segment.

A customer has a strength on each of five needs, normal around the means of their segment. Behind each answer stands
``loading * strength + shift + style + noise``, cut into seven levels at fixed thresholds: an ordinal probit, the
graded model of [1]_ with a normal ogive. Some customers agree with everything (their style adds the same amount to
all answers, reversed items included), some give the same answer throughout.

Given segment and style the five needs are independent, so the probability of 20 answers is a product of five
probabilities of four answers. There are 7**4 of those for each need: they are tabulated once, by quadrature, and
the posterior of the segments is read off the tables.

References
----------
.. [1] Samejima (1969), Estimation of latent ability using a response pattern of graded scores, Psychometrika 34,
   Supplement 1, 1-97, https://doi.org/10.1007/BF03372160
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr, softmax

from segmentation.datasets._market_needs import SEGMENTS, SHARES, pick

__all__ = ["ANSWERED", "ITEMS", "NEED_SD", "NOISE_SD", "STRENGTHS", "STYLES", "STYLE_SHARES", "THRESHOLDS"]
__all__ += ["YES_SAYING", "draw", "posterior"]

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

LEVELS = 7
PER_NEED = 4

# Share of each segment that answers; who answers is itself a weak sign of the segment.
ANSWERED = np.array([0.62, 0.48, 0.55, 0.65, 0.74])

# Mean strength of each need (columns) in each segment (rows), and the standard deviation around it.
STRENGTHS = pd.DataFrame(
    [
        [1.65, 0.00, -0.40, -1.00, 0.00],
        [-0.30, 1.65, 0.00, 0.15, -0.60],
        [0.00, 0.15, 1.70, 0.15, -0.75],
        [-1.05, -0.15, 0.15, 1.70, 0.30],
        [0.10, -0.50, -0.80, 0.30, 1.80],
    ],
    index=pd.Index(SEGMENTS, name="segment"),
    columns=list(SEGMENTS),
)
NEED_SD = 0.75

NOISE_SD = 0.9
THRESHOLDS = np.array([-2.0, -1.2, -0.4, 0.4, 1.2, 2.0])

STYLES = ("plain", "agreeing", "straight")
STYLE_SHARES = np.array([0.83, 0.13, 0.04])
YES_SAYING = 0.7  # what the agreeing add to every answer before it is cut into levels
STRAIGHT_ANSWER = np.array([0.06, 0.04, 0.10, 0.40, 0.20, 0.12, 0.08])  # of those who answer all items alike

_ITEMS: tuple[tuple[str, float, float, str], ...] = (
    ("bargain", 1.2, 0.3, "I compare prices before I buy."),
    ("bargain", 1.0, 0.0, "I wait for a sale when I can."),
    ("bargain", 1.1, -0.2, "A voucher often decides where I buy."),
    ("bargain", -0.9, -0.2, "I hardly look at what things cost."),
    ("convenience", 1.2, 0.4, "Shopping should take as little of my time as possible."),
    ("convenience", 1.0, 0.2, "I would rather have it tomorrow than a bit cheaper next week."),
    ("convenience", 1.1, -0.1, "I buy where my details are already stored."),
    ("convenience", -0.9, 0.1, "I do not mind waiting a few days for a parcel."),
    ("inspiration", 1.2, 0.0, "I like to browse without knowing what I want."),
    ("inspiration", 1.0, 0.2, "I enjoy discovering new things before my friends do."),
    ("inspiration", 1.1, -0.3, "I follow shops for ideas, not only to buy."),
    ("inspiration", -1.0, 0.1, "I buy the same things again and again."),
    ("quality", 1.2, 0.3, "I would rather own one good thing than three cheap ones."),
    ("quality", 1.0, 0.1, "I look closely at materials and workmanship."),
    ("quality", 1.1, 0.0, "I am willing to pay more for something that lasts."),
    ("quality", -0.9, 0.0, "Most brands are as good as each other."),
    ("reassurance", 1.2, 0.1, "I like to talk to somebody before I decide."),
    ("reassurance", 1.0, 0.3, "It matters to me that I can send things back."),
    ("reassurance", 1.1, 0.0, "I worry about making the wrong choice."),
    ("reassurance", -1.0, -0.1, "I trust my own judgement and need no advice."),
)

# One row per item; a negative loading makes it a reversed one: agreeing speaks against the need.
ITEMS = pd.DataFrame(_ITEMS, columns=["need", "loading", "shift", "text"])
ITEMS.index = pd.Index([f"q{number:02d}" for number in range(1, len(ITEMS) + 1)], name="item")
ITEMS.insert(1, "reversed", ITEMS["loading"] < 0)

# Strengths at which the integrals over a need are evaluated; the integrand is smooth and dies out at the ends, where
# the trapezoidal rule converges faster than any power of the step.
NODES = np.linspace(-8.0, 8.0, 161)


def draw(segment: Codes, rng: np.random.Generator) -> dict[str, Any]:
    """Draw who answers, in which style, and the answers (of everybody, also of those who keep them to themselves)."""
    n_customers = segment.size
    answered = rng.random(n_customers) < ANSWERED[segment]
    style = pick(np.broadcast_to(STYLE_SHARES, (n_customers, len(STYLES))), rng.random(n_customers))
    strength = STRENGTHS.to_numpy()[segment] + NEED_SD * rng.standard_normal((n_customers, len(SEGMENTS)))
    behind = np.repeat(strength, PER_NEED, axis=1) * ITEMS["loading"].to_numpy() + ITEMS["shift"].to_numpy()
    behind += (YES_SAYING * (style == STYLES.index("agreeing")))[:, None]
    behind += NOISE_SD * rng.standard_normal(behind.shape)
    answers = 1 + np.searchsorted(THRESHOLDS, behind).astype(np.int64)
    straight = style == STYLES.index("straight")
    same = 1 + pick(np.broadcast_to(STRAIGHT_ANSWER, (n_customers, LEVELS)), rng.random(n_customers))
    answers[straight] = same[straight, None]
    return {"answered": answered, "style": style, "answers": answers}


def posterior(answered: NDArray[np.bool_], answers: Codes) -> Floats:
    """Return the exact probability of each segment given the survey, shape (n_customers, n_segments).

    For those who answered: given their answers and that they answered; for the others: given that they did not.
    """
    log_prior = np.where(answered[:, None], np.log(SHARES * ANSWERED), np.log(SHARES * (1.0 - ANSWERED)))
    log_prior[answered] += _log_likelihood(answers[answered])
    return np.asarray(softmax(log_prior, axis=1))


def _log_likelihood(answers: Codes) -> Floats:
    """Return the log probability of 20 answers in each segment, mixed over the styles."""
    patterns = _pattern_codes(answers)
    tables = _pattern_tables()
    by_style = np.empty((len(STYLES), len(answers), len(SEGMENTS)))
    for style, table in enumerate(tables):
        by_style[style] = sum(table[need, patterns[:, need]] for need in range(len(SEGMENTS)))
    constant = (answers == answers[:, :1]).all(axis=1)
    chance = np.where(constant, STRAIGHT_ANSWER[answers[:, 0] - 1], 0.0)
    with np.errstate(divide="ignore"):  # log 0: answers that differ are never straight ones
        by_style[-1] = np.log(chance)[:, None]
    return np.asarray(np.logaddexp.reduce(by_style + np.log(STYLE_SHARES)[:, None, None], axis=0))


def _pattern_codes(answers: Codes) -> Codes:
    """Number the four answers of each need from 0 to 7**4 - 1, the first answer counting most."""
    place = LEVELS ** np.arange(PER_NEED - 1, -1, -1)
    return np.asarray((answers - 1).reshape(len(answers), len(SEGMENTS), PER_NEED) @ place, dtype=np.int64)


@lru_cache(maxsize=1)
def _pattern_tables() -> Floats:
    """Tabulate log P(four answers | segment), shape (2 styles, 5 needs, 7**4 patterns, 5 segments)."""
    tables = [[_need_table(need, shift) for need in range(len(SEGMENTS))] for shift in (0.0, YES_SAYING)]
    return np.asarray(np.log(np.array(tables)))


def _need_table(need: int, style_shift: float) -> Floats:
    """Return P(four answers of one need | segment), shape (7**4, n_segments)."""
    items = ITEMS.iloc[need * PER_NEED : (need + 1) * PER_NEED]
    joint = np.ones((1, NODES.size))
    for loading, shift in zip(items["loading"], items["shift"], strict=True):
        given_strength = _answer_probabilities(loading * NODES + shift + style_shift)
        joint = (joint[:, None, :] * given_strength[None, :, :]).reshape(-1, NODES.size)
    distance = (NODES[:, None] - STRENGTHS.to_numpy()[None, :, need]) / NEED_SD
    weights = np.exp(-0.5 * distance**2)
    return np.asarray(joint @ (weights / weights.sum(axis=0)))


def _answer_probabilities(location: Floats) -> Floats:
    """Return P(answer) for each of the seven levels (rows) at each location of the latent answer (columns)."""
    below = ndtr((THRESHOLDS[:, None] - location[None, :]) / NOISE_SD)
    edges = np.concatenate([np.zeros((1, location.size)), below, np.ones((1, location.size))])
    return np.diff(edges, axis=0)
