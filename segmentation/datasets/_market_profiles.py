"""Profiles of the market: what a CRM system knows, with incomes missing where people prefer not to say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, ndtr, ndtri

from segmentation.datasets._market_needs import SEGMENTS, pick

__all__ = [
    "CHANNELS",
    "COLUMNS",
    "GENDERS",
    "INCOME",
    "INCOME_MISSING",
    "REGIONS",
    "TRAITS",
    "draw",
    "income_missing_probability",
]

Floats = NDArray[np.float64]

GENDERS = ("female", "male", "other")
REGIONS = ("north", "east", "south", "west", "central")
CHANNELS = ("store", "web", "app")

COLUMNS = ("age", "gender", "income", "region", "channel")

YOUNGEST, OLDEST = 18, 90

_SEGMENT = pd.Index(SEGMENTS, name="segment")

# One row per segment. Ages are normal, cut to 18 to 90; income_shift is in logarithms.
TRAITS = pd.DataFrame(
    {
        "age_mean": [45.0, 39.0, 35.0, 50.0, 55.0],
        "age_sd": [15.0, 12.0, 12.0, 13.0, 14.0],
        "female": [0.54, 0.52, 0.60, 0.45, 0.50],
        "male": [0.45, 0.47, 0.39, 0.54, 0.49],
        "other": [0.01, 0.01, 0.01, 0.01, 0.01],
        "income_shift": [-0.25, 0.05, -0.10, 0.30, -0.05],
        "north": [0.24, 0.18, 0.17, 0.18, 0.26],
        "east": [0.24, 0.18, 0.17, 0.22, 0.20],
        "south": [0.20, 0.22, 0.22, 0.20, 0.22],
        "west": [0.18, 0.18, 0.20, 0.20, 0.20],
        "central": [0.14, 0.24, 0.24, 0.20, 0.12],
        "store": [0.40, 0.18, 0.22, 0.42, 0.55],
        "web": [0.38, 0.35, 0.34, 0.40, 0.35],
        "app": [0.22, 0.47, 0.44, 0.18, 0.10],
    },
    index=_SEGMENT,
)

# Yearly income: log-normal around a median that peaks at an age, rounded to whole hundreds.
INCOME = pd.Series(
    {"median": 36_000.0, "log_sd": 0.40, "peak_age": 52.0, "curvature": 0.00025}, name="value", dtype=np.float64
)

# Log odds that the income is missing: by age (observed: missing at random) and by the income itself (not at random).
INCOME_MISSING = pd.Series({"intercept": -1.7, "per_decade_above_45": 0.25, "per_log_income": 1.5}, name="value")


def draw(segment: NDArray[np.int64], rng: np.random.Generator) -> dict[str, Any]:
    """Draw the columns of the profile table given the segments; `true_income` is complete, `income` is not."""
    traits = {name: column.to_numpy()[segment] for name, column in TRAITS.items()}
    # A stream per column: drawing one more, or in another way, does not change the others.
    for_age, for_gender, for_income, for_region, for_channel, for_missing = rng.spawn(6)
    age = _ages(traits["age_mean"], traits["age_sd"], for_age.random(segment.size))
    noise = INCOME["log_sd"] * for_income.standard_normal(segment.size)
    bend = INCOME["curvature"] * (age - INCOME["peak_age"]) ** 2
    income = np.round(INCOME["median"] * np.exp(traits["income_shift"] - bend + noise), -2)
    missing = for_missing.random(segment.size) < income_missing_probability(age, income)
    return {
        "age": age,
        "gender": _choose(GENDERS, segment, for_gender),
        "income": np.where(missing, np.nan, income),
        "region": _choose(REGIONS, segment, for_region),
        "channel": _choose(CHANNELS, segment, for_channel),
        "true_income": income,
    }


def income_missing_probability(age: NDArray[np.int64], income: Floats) -> Floats:
    """Return the probability that a customer of this age and income does not tell the income."""
    logit = (
        INCOME_MISSING["intercept"]
        + INCOME_MISSING["per_decade_above_45"] * (age - 45) / 10.0
        + INCOME_MISSING["per_log_income"] * np.log(income / INCOME["median"])
    )
    return np.asarray(expit(logit))


def _ages(mean: Floats, sd: Floats, uniform: Floats) -> NDArray[np.int64]:
    """Normal ages cut to the limits, in completed years, by inverting the distribution function."""
    low, high = ndtr((YOUNGEST - mean) / sd), ndtr((OLDEST + 1 - mean) / sd)
    age = np.floor(mean + sd * ndtri(low + uniform * (high - low)))
    return np.asarray(np.clip(age, YOUNGEST, OLDEST), dtype=np.int64)


def _choose(levels: tuple[str, ...], segment: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.object_]:
    share = TRAITS[list(levels)].to_numpy()[segment]
    return np.array(levels, dtype=object)[pick(share, rng.random(segment.size))]
