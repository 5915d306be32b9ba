"""The same figures by this library, one function for each group."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from segmentation.clv import (
    BetaGeoBetaBernoulli,
    BetaGeoCNBD,
    BetaGeoNBD,
    GammaGamma,
    ModifiedBetaGeoNBD,
    ParetoNBD,
    ShiftedBetaGeo,
)
from segmentation.datasets import load_cdnow
from segmentation.datasets._cdnow import _cdnow_file
from segmentation.features import btyd_table, calibration_holdout

__all__ = ["RECOMPUTE", "Data"]

CALIBRATION_END = "1997-09-30"
DAYS = 7.0

# Share of a cohort of contracts, in percent, that is still there after 0, 1, ... 7 years.
REGULAR = (100.0, 63.1, 46.8, 38.2, 32.6, 28.9, 26.2, 24.1)
HIGH_END = (100.0, 86.9, 74.3, 65.3, 59.3, 55.1, 51.7, 49.1)
COHORT = 1000


@dataclass(frozen=True)
class Data:
    """The data sets; those of the `lifetimes` distribution are read without importing it."""

    orders: pd.DataFrame
    donations: pd.DataFrame

    @classmethod
    def load(cls) -> Data:
        """Read them.

        Raises
        ------
        FileNotFoundError
            If the installed `lifetimes` distribution does not carry them.
        """
        donations = _cdnow_file().with_name("donations.csv")
        if not donations.is_file():
            raise FileNotFoundError(
                "the donations are read from the file datasets/donations.csv of the installed lifetimes distribution, "
                "and it is not there. Reinstall it: pip install --force-reinstall lifetimes"
            )
        return cls(load_cdnow(), pd.read_csv(donations))

    def purchases_by(self, granularity: str) -> pd.DataFrame:
        """Return the calibration period, one row per customer."""
        table: pd.DataFrame = btyd_table(
            self.orders,
            customer_id="customer_id",
            timestamp="timestamp",
            amount="amount",
            observation_end=CALIBRATION_END,
            granularity="W" if granularity == "W" else "D",
        )
        return table

    @cached_property
    def purchases(self) -> pd.DataFrame:
        """The calibration period, purchases by day."""
        return self.purchases_by("D")

    @cached_property
    def split(self) -> pd.DataFrame:
        """Calibration and holdout."""
        table: pd.DataFrame = calibration_holdout(
            self.orders, customer_id="customer_id", timestamp="timestamp", calibration_end=CALIBRATION_END
        )
        return table

    @property
    def histories(self) -> tuple[pd.Series, pd.Series, pd.Series]:
        """Frequency, recency and T, in weeks as in the papers."""
        table = self.purchases
        return table["frequency"], table["recency"] / DAYS, table["T"] / DAYS

    @property
    def log_intervals(self) -> pd.Series:
        """Sums of the logarithms of the times between purchases, in weeks."""
        table = self.purchases
        return table["sum_log_intervals"] - table["frequency"] * math.log(DAYS)


Figures = dict[str, float]


def _counts(data: Data) -> Figures:
    return {
        "customers": len(data.purchases),
        "repeat purchases, by day": float(data.purchases["frequency"].sum()),
        "repeat purchases, by calendar week": float(data.purchases_by("W")["frequency"].sum()),
        "repeat purchases in the holdout": float(data.split["frequency_holdout"].sum()),
        "repeat buyers": float((data.purchases["frequency"] > 0).sum()),
    }


def _bg_nbd(data: Data) -> Figures:
    model = BetaGeoNBD().fit(*data.histories)
    day, week, three_weeks = model.expected_purchases_new_customer([0.1429, 1.0, 3.0])
    split = data.split
    holdout_weeks = float(split["duration_holdout"].iloc[0]) / DAYS
    in_holdout = model.expected_purchases(holdout_weeks, split["frequency"], split["recency"] / DAYS, split["T"] / DAYS)
    return {
        **model.params_,
        "log-likelihood": model.log_likelihood_,
        "purchases of a new customer in 1 day": day,
        "purchases of a new customer in 1 week": week,
        "purchases of a new customer in 3 weeks": three_weeks,
        "in 39 weeks if x=2, t_x=30.43, T=38.86": model.expected_purchases(39, 2, 30.43, 38.86)[0],
        "purchases of all in the holdout": in_holdout.sum(),
    }


def _bg_nbd_points(data: Data) -> Figures:
    model = BetaGeoNBD.from_params(0.25, 4.0, 0.8, 2.5)
    return {
        "ln L of x=0, T=40": model.log_likelihood(0, 0, 40),
        "ln L of x=200, t_x=38, T=40": model.log_likelihood(200, 38, 40),
    }


def _pareto_nbd(data: Data) -> Figures:
    model = ParetoNBD().fit(*data.histories)
    return {**model.params_, "log-likelihood": model.log_likelihood_}


def _heavy_buyers(data: Data) -> Figures:
    heavy = ParetoNBD.from_params(r=0.5143, alpha=2.8845, s=0.2856, beta=14.1087)
    x = np.array([221.0, 254.0, 161.0, 204.0])
    t_x = np.array([103.42857, 97.14286, 94.71429, 98.57143])
    T = np.array([103.57143, 97.28571, 98.0, 99.42857])
    likelihoods = [heavy.log_likelihood(*history) for history in zip(x, t_x, T, strict=True)]
    ordinary = ParetoNBD.from_params(r=0.55, alpha=10.58, s=0.61, beta=11.67)
    fewer, more = ordinary.expected_purchases(10, [132, 133], 200, 200)
    return {
        "finite P(alive) of 4 heavy buyers": np.isfinite(heavy.p_alive(x, t_x, T)).sum(),
        "finite ln L of them": np.isfinite(likelihoods).sum(),
        "finite expected purchases of them": np.isfinite(heavy.expected_purchases(39, x, t_x, T)).sum(),
        "purchases in 10 if x=132, t_x=T=200": fewer,
        "purchases in 10 if x=133, t_x=T=200": more,
    }


def _mbg_nbd(data: Data) -> Figures:
    model = ModifiedBetaGeoNBD().fit(*data.histories)
    return {**model.params_, "log-likelihood": model.log_likelihood_}


def _mbg_cnbd(data: Data) -> Figures:
    model = BetaGeoCNBD().fit(*data.histories, sum_log_intervals=data.log_intervals)
    likelihoods = {f"log-likelihood, k={k}": value for k, value in model.candidates_.items()}
    return {"k that is chosen": model.k_, **likelihoods}


def _gamma_gamma(data: Data) -> Figures:
    table = data.purchases
    model = GammaGamma().fit(table["frequency"], table["monetary_value"])
    published = GammaGamma.from_params(p=6.25, q=3.74, v=15.44)
    spends = published.expected_spend([2, 1, 0, 7, 2], [22.35, 11.77, 0.0, 73.74, 25.55])
    after = ("2 purchases of 22.35", "1 purchase of 11.77", "no repeat purchase", "7 purchases of 73.74",
             "2 purchases of 25.55")  # fmt: skip
    points = {f"mean spend after {name}": value for name, value in zip(after, spends, strict=True)}
    return {**model.params_, "log-likelihood": model.log_likelihood_, **points}


def _bg_bb(data: Data) -> Figures:
    table = data.donations
    model = BetaGeoBetaBernoulli().fit(table["frequency"], table["recency"], table["periods"], table["weights"])
    never, some, always = model.p_alive([0, 2, 6], [0, 4, 6], 6)
    return {
        "donors": float(table["weights"].sum()),
        **model.params_,
        "log-likelihood": model.log_likelihood_,
        "P(alive in year 7) if x=0": never,
        "P(alive in year 7) if x=2, t_x=4": some,
        "P(alive in year 7) if x=6, t_x=6": always,
    }


def _sbg(percentages: tuple[float, ...]) -> Figures:
    return ShiftedBetaGeo().fit_survivors(np.array(percentages) * COHORT / 100.0).params_


RECOMPUTE: dict[str, Callable[[Data], Figures]] = {
    "counts": _counts,
    "bg_nbd": _bg_nbd,
    "bg_nbd_points": _bg_nbd_points,
    "pareto_nbd": _pareto_nbd,
    "heavy_buyers": _heavy_buyers,
    "mbg_nbd": _mbg_nbd,
    "mbg_cnbd": _mbg_cnbd,
    "gamma_gamma": _gamma_gamma,
    "bg_bb": _bg_bb,
    "sbg_regular": lambda data: _sbg(REGULAR),
    "sbg_high_end": lambda data: _sbg(HIGH_END),
}
"""By the key of the group."""
