"""Customer lifetime value from purchase histories."""

from __future__ import annotations

import json
import numbers
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from segmentation._format import name_some
from segmentation.base import Scorer
from segmentation.clv import (
    BetaGeoCNBD,
    BetaGeoNBD,
    GammaGamma,
    ModifiedBetaGeoNBD,
    ParetoNBD,
)
from segmentation.clv._diagnosis import Finding, rank_correlation, refuse_spend
from segmentation.clv._gamma_gamma import draw_spend
from segmentation.clv._lifetimes import fit_with_lifetimes
from segmentation.clv._rows import unique_rows
from segmentation.exceptions import ColumnError, FitDiagnosisWarning
from segmentation.scorers._discounting import check_infinite_horizon, discounted_purchases
from segmentation.scorers._purchase_table import PurchaseTable, looks_like_rfm, read_intervals, read_purchases

__all__ = ["CLVScorer"]

Floats = NDArray[np.float64]

PURCHASE_MODELS: dict[str, Callable[..., Any]] = {
    "mbg_nbd": ModifiedBetaGeoNBD,
    "bg_nbd": BetaGeoNBD,
    "pareto_nbd": ParetoNBD,
    "mbg_cnbd": lambda **settings: BetaGeoCNBD(modified=True, **settings),
    "bg_cnbd": lambda **settings: BetaGeoCNBD(modified=False, **settings),
}
CLASSES = {cls.__name__: cls for cls in (ModifiedBetaGeoNBD, BetaGeoNBD, ParetoNBD, BetaGeoCNBD)}
# Those that lifetimes can fit, and that take covariates.
PLAIN_MODELS = ("mbg_nbd", "bg_nbd", "pareto_nbd")
SPEND_MODELS = ("gamma_gamma",)
ENGINES = ("native", "lifetimes")
# Days; beyond, only "for ever" means anything.
LONGEST_HORIZON = 1_000_000
# Customers scored at once, which bounds the memory beside the result.
CHUNK = 100_000
# Version of the format of `to_dict`.
FORMAT = 1

# Days in each unit that parameters can be shown in; months and years are mean ones.
DAYS_IN = {
    **dict.fromkeys(("day", "D"), 1.0),
    **dict.fromkeys(("week", "W"), 7.0),
    **dict.fromkeys(("month", "M"), 365.25 / 12),
    **dict.fromkeys(("year", "Y"), 365.25),
}

_MEANINGS = {
    "r": "shape of the purchase rates: small = customers differ widely",
    "alpha": "scale of the purchase rates: r / alpha is the mean number of purchases per {unit}",
    "a": "a / (a + b) is the mean probability of leaving after a purchase",
    "b": "a + b: large = customers leave with similar probabilities",
    "s": "shape of the leaving rates: small = customers differ widely",
    "beta": "scale of the leaving rates: s / beta is the mean leaving rate per {unit}",
    "p": "regularity of a customer's spend: large = purchases of one customer are alike",
    "q": "similarity of customers' spend: large = customers spend alike",
    "v": "scale of spend: p v / (q - 1) is the population's mean spend per purchase",
}


class CLVScorer(Scorer):
    r"""Expected value of each customer over a horizon, from when and for how much they bought.

    A purchase model says how often an active customer buys and when customers leave without saying so; a spend
    model says what a purchase is worth. Both are fitted by maximum likelihood to a table from
    `segmentation.features.btyd_table`. ``sample_customers`` and `segmentation.sample_segments` draw what customers
    and segments will really be worth, for intervals.

    Parameters
    ----------
    purchase_model : {"mbg_nbd", "bg_nbd", "pareto_nbd", "mbg_cnbd", "bg_cnbd"}, default="mbg_nbd"
        MBG/NBD [2]_: a customer may leave after each purchase, the first included. BG/NBD [1]_: only after a
        repeat purchase, so ``p_alive`` is exactly 1 for everybody who has bought once. Pareto/NBD [3]_: at any
        time; slower to fit. MBG/CNBD-k and BG/CNBD-k [5]_: as the first two for customers who buy at more or less
        regular times, k chosen by the likelihood; they need the column ``sum_log_intervals`` too.
    spend_model : {"gamma_gamma"} or None, default="gamma_gamma"
        Gamma-Gamma [4]_. With None there is no money: scores are ``expected_purchases`` and ``p_alive``, and the
        column ``monetary_value`` is not needed.
    horizon_days : float, default=365
        How far to look ahead, from the end of observation. ``inf`` is possible with "pareto_nbd" and a discount rate
        above 0; ``expected_purchases`` are then the discounted ones, which alone are always finite.
    annual_discount_rate : float, default=0.0
        0.1 makes a purchase in a year worth 1 / 1.1 of one today.
    margin : float, default=1.0
        Share of the spend that is earned; 1 values revenue.
    time_unit : {"day", "week", "month", "year"} or {"D", "W", "M", "Y"}, default="week"
        Unit in which ``params_`` and ``log_likelihood_`` are given, for comparison with the literature (a month
        is 365.25 / 12 days). It changes no score.
    covariates : list of column, or mapping of "purchase", "dropout" to one, optional
        Numeric columns that change how often customers buy and how soon they leave (BG/NBD, MBG/NBD, Pareto/NBD); a
        list serves both. Missing values are refused; categories are to be turned into 0/1 columns.
    covariate_penalty : float, default=0.0
        Times the sum of squared coefficients is subtracted from the log-likelihood; standardise the columns first.
    currency : str, optional
        A label for the money, which goes into ``attrs["currency"]`` of the scores. Nothing is converted or guessed.
    engine : {"native", "lifetimes"}, default="native"
        Who climbs the likelihood: our own optimiser with analytic gradients, or lifetimes' likelihoods with their
        automatic ones, for those who must match old results. Both end at the maximum of the same function.

    Attributes
    ----------
    params_ : dict of str to float
        Parameters in the order of the papers: r, alpha, a, b or r, alpha, s, beta; then p, q, v.
        Coefficients of covariates, ``purchase_<column>`` and ``dropout_<column>``, stand between the two.
    standard_errors_ : dict of str to float
        Of these, from the Hessian.
    purchase_model_, spend_model_ : objects of `segmentation.clv`
        The fitted models, times in days; the second is None without money.
    log_likelihood_ : float
        Of the purchase model, summed over customers, with times in `time_unit`.
    spend_log_likelihood_ : float or None
        Of the spend model, summed over the repeat customers it was fitted to.
    population_spend_ : float or None
        Expected spend per purchase of a customer whose spend is not known.
    spend_frequency_correlation_ : float or None
        Spearman's rank correlation of frequency and spend among repeat customers; the spend model assumes 0.
    n_customers_, n_repeaters_, n_left_out_of_spend_ : int
        Customers fitted; those with a repeat purchase; those of them without positive ``monetary_value``.
    converged_ : bool
        Whether all fits ended where less than 1e-6 of log-likelihood was left to gain.
    diagnosis_ : tuple of str
        What in the data limits the result, in plain words; empty when nothing does.
    score_names_, feature_names_in_, n_features_in_
        As for every `Scorer`.

    Raises
    ------
    FitError
        From ``fit``, if there is nothing to learn from: no repeat purchases, no time observed, no positive spend.
        The message names the likely cause.
    ColumnError, CustomerTableError
        If columns are missing or values impossible; see Notes.

    Warns
    -----
    FitDiagnosisWarning
        If the model was fitted but the result is doubtful: fewer than 30 repeat customers, no one-time buyers,
        parameters that ran to a limit or that the data do not determine, an infinite mean spend, spend that
        depends strongly on frequency (rank correlation beyond 0.5), many customers without positive spend.

    Notes
    -----
    **Columns**: ``frequency`` (repeat purchases), ``recency`` (days from first to last purchase), ``T`` (days from
    the first purchase to the end of observation), ``monetary_value`` (mean spend per repeat purchase, ignored
    where frequency is 0). Refused, with the customers named: missing values, a frequency that is negative or
    not whole, recency beyond T, and a recency that is 0 while frequency is not, or the reverse.

    **Scores**, for customers of ``fit`` and any others:

    * ``clv`` = margin * expected_value * sum over weeks i of the horizon of
      (purchases expected in week i) * (1 + annual_discount_rate)^(-m_i / 365), with m_i the middle of the week in
      days; without discounting exactly margin * expected_purchases * expected_value;
    * ``expected_purchases`` within the horizon, not discounted;
    * ``expected_value``: expected spend per purchase, the customer's own mean drawn towards the population's; the
      population's where there is no repeat purchase; a ``monetary_value`` below 0 (refunds) counts as 0;
    * ``p_alive``: probability that the customer has not left by the end of observation.

    None of them is ever missing. They are expectations.

    **Draws** of ``clv`` (of ``expected_purchases`` without money) are what may really happen: parameters are drawn from
    what the data leave open about them (shared by all customers of a draw), then each customer's activity, rate,
    purchases and spend by simulation. Aggregate within draws: sums of customers' own bounds mean nothing. Purchases
    are discounted by the customer's mean discount factor within the horizon. Intervals of segment totals cover as
    promised where the models hold (``benchmarks/bench_clv_coverage.py``); those of single customers are wide and rest
    on the form of the distributions.

    `horizon_days`, `annual_discount_rate` and `margin` are used in scoring only, so they may be changed with
    ``set_params`` without fitting again.

    Where q <= 1 the Gamma-Gamma population mean is infinite (for q < 1 its formula even gives a negative number),
    and close above 1 it can be many times the observed one. Where it is more than twice that, the observed mean
    of the repeat customers takes its place, and a customer's own mean keeps the weight p x / (p x + q) in place
    of p x / (p x + q - 1); ``diagnosis_`` says so.

    The models are those of `segmentation.clv`, fitted to unique histories, and finite for heavy buyers. A fitted
    scorer keeps nothing but numbers and names: pickle, and JSON (``to_json``, ``from_json``), give the same scores to
    the last bit.

    References
    ----------
    .. [1] Fader, Hardie, Lee (2005), "Counting Your Customers" the Easy Way: An Alternative to the Pareto/NBD
       Model, Marketing Science 24(2), 275-284, doi:10.1287/mksc.1040.0098.
    .. [2] Batislam, Denizel, Filiztekin (2007), Empirical validation and comparison of models for customer base
       analysis, International Journal of Research in Marketing 24(3), 201-209,
       doi:10.1016/j.ijresmar.2006.12.005; with the erratum of Wagner and Hoppe (2008), 25(3), 225-226.
    .. [3] Schmittlein, Morrison, Colombo (1987), Counting Your Customers: Who Are They and What Will They Do
       Next?, Management Science 33(1), 1-24, doi:10.1287/mnsc.33.1.1.
    .. [4] Fader, Hardie (2013), The Gamma-Gamma Model of Monetary Value, http://brucehardie.com/notes/025/.
    .. [5] Platzer, Reutterer (2016), Ticking Away the Moments: Timing Regularity Helps to Better Predict Customer
       Activity, Marketing Science 35(5), 779-799, doi:10.1287/mksc.2015.0963.

    Examples
    --------
    >>> from segmentation import datasets, features
    >>> from segmentation.scorers import CLVScorer
    >>> purchases = features.btyd_table(
    ...     datasets.load_cdnow(), customer_id="customer_id", timestamp="timestamp", amount="amount",
    ...     observation_end="1997-09-30")
    >>> scorer = CLVScorer("bg_nbd", horizon_days=273).fit(purchases)
    >>> {name: round(value, 2) for name, value in scorer.params_.items()}
    {'r': 0.24, 'alpha': 4.41, 'a': 0.79, 'b': 2.43, 'p': 6.25, 'q': 3.74, 'v': 15.44}
    >>> scorer.score_customers(purchases).head(3).round(2)  # doctest: +NORMALIZE_WHITESPACE
                   clv  expected_purchases  expected_value  p_alive
    customer_id
    4            30.23                1.23           24.65     0.73
    18            6.91                0.20           35.17     1.00
    21            3.85                0.20           18.91     0.21
    """

    def __init__(
        self,
        purchase_model: str = "mbg_nbd",
        *,
        spend_model: str | None = "gamma_gamma",
        horizon_days: float = 365,
        annual_discount_rate: float = 0.0,
        margin: float = 1.0,
        time_unit: str = "week",
        covariates: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
        covariate_penalty: float = 0.0,
        currency: str | None = None,
        engine: str = "native",
    ) -> None:
        self.purchase_model = purchase_model
        self.spend_model = spend_model
        self.horizon_days = horizon_days
        self.annual_discount_rate = annual_discount_rate
        self.margin = margin
        self.time_unit = time_unit
        self.covariates = covariates
        self.covariate_penalty = covariate_penalty
        self.currency = currency
        self.engine = engine

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.scorer_tags.unit = "count" if self.spend_model is None else "currency"
        tags.scorer_tags.dataframe_only = True
        tags.scorer_tags.draws = True
        tags.input_tags.two_d_array = False
        tags.input_tags.allow_nan = True  # the spend of one-time buyers may be missing
        return tags

    def _required_columns(self) -> Sequence[str]:
        columns = ["frequency", "recency", "T"]
        if self.spend_model is not None:
            columns.append("monetary_value")
        if self.purchase_model in ("mbg_cnbd", "bg_cnbd"):
            columns.append("sum_log_intervals")
        return list(
            dict.fromkeys([*columns, *(name for names in self._covariate_columns().values() for name in names)])
        )

    def _covariate_columns(self) -> dict[str, list[str]]:
        """Return the columns of covariates for each process."""
        given: Any = self.covariates
        if given is None or (not isinstance(given, str | Mapping) and np.ndim(given) == 1 and not len(given)):
            return {}
        if isinstance(given, Mapping):
            wrong = [role for role, names in given.items() if isinstance(names, str) or np.ndim(names) != 1]
            if wrong:
                raise ValueError(
                    f"covariates of {wrong[0]!r} must be a list of columns, got {given[wrong[0]]!r}; do you mean "
                    f"[{given[wrong[0]]!r}]?"
                )
            return {str(role): list(names) for role, names in given.items()}
        if np.ndim(given) != 1 and not isinstance(given, str):
            raise ValueError(f"covariates must be a list of columns, or a mapping of process to one; got {given!r}.")
        if isinstance(given, str):
            raise ValueError(
                f"covariates is a list of columns, got the text {self.covariates!r}: [{self.covariates!r}]?"
            )
        return {role: list(given) for role in ("purchase", "dropout")}

    def _customers(self, X: Any, *, reset: bool) -> tuple[Any, pd.Index]:
        try:
            return super()._customers(X, reset=reset)
        except ColumnError as error:
            if looks_like_rfm(getattr(X, "columns", ())):
                raise ColumnError(
                    f"{error} This looks like an RFM table; {type(self).__name__} needs the one that "
                    "segmentation.features.btyd_table makes from the same orders."
                ) from error
            raise

    # --- fitting ---

    def _fit(self, X: pd.DataFrame, y: Any) -> Sequence[str]:
        self._check_parameters()
        customers = read_purchases(X, type(self).__name__, spend=self.spend_model is not None)
        findings = [*self._fit_purchases(customers, X), *self._fit_spend(customers)]
        self.diagnosis_ = tuple(finding.text for finding in findings)
        doubts = [finding.text for finding in findings if finding.doubtful]
        if doubts:
            numbered = " ".join(f"({i}) {text}" for i, text in enumerate(doubts, 1))
            # three levels up is the caller of fit
            warnings.warn(
                f"{type(self).__name__} is fitted, but its scores are doubtful: {numbered}",
                FitDiagnosisWarning,
                stacklevel=3,
            )
        if self.spend_model is None:
            return ["expected_purchases", "p_alive"]
        return ["clv", "expected_purchases", "expected_value", "p_alive"]

    def _fit_purchases(self, customers: PurchaseTable, X: pd.DataFrame) -> list[Finding]:
        """Fit the purchase model in days, and show its parameters in the unit asked for."""
        x, t_x, T, _ = customers
        days = DAYS_IN[self.time_unit]
        engine = None if self.engine == "native" else fit_with_lifetimes
        make = PURCHASE_MODELS[self.purchase_model]
        if self.purchase_model in PLAIN_MODELS:
            model = make(penalty=float(self.covariate_penalty))
            model._fit((x, t_x, T), None, self._read_covariates(X), engine)
        else:
            model = make().fit(x, t_x, T, sum_log_intervals=read_intervals(X, x, type(self).__name__))
        self.purchase_model_ = model
        self._fitted_covariates = self._covariate_columns()
        scale = {
            name: 1.0 / days if timed else 1.0 for name, timed in zip(model.parameters, model.in_time, strict=True)
        }
        self.params_ = {name: value * scale.get(name, 1.0) for name, value in model.params_.items()}
        self.standard_errors_ = {name: value * scale.get(name, 1.0) for name, value in model.standard_errors_.items()}
        # the density of purchase times changes with their unit, once for every repeat purchase
        self.log_likelihood_ = float(model.log_likelihood_ + x.sum() * np.log(days))
        self.converged_ = model.converged_
        self.n_customers_, self.n_repeaters_ = len(x), int((x > 0).sum())
        findings = list(model._findings)
        if float(self.horizon_days) > T.max():
            unlimited = np.isinf(self.horizon_days)
            horizon = "unlimited horizon" if unlimited else f"horizon of {self.horizon_days:,.0f} days"
            findings.append(
                Finding(
                    f"the {horizon} is longer than the longest history ({T.max():,.0f} days): forecasts beyond it rest "
                    "on the form of the model alone.",
                    False,
                )
            )
        return findings

    def _read_covariates(self, X: pd.DataFrame) -> dict[str, pd.DataFrame] | None:
        """Return the tables of covariates, or None."""
        columns = self._covariate_columns()
        return {role: X[names] for role, names in columns.items()} or None

    def _fit_spend(self, customers: PurchaseTable) -> list[Finding]:
        """Fit the spend model to the repeat customers with positive spend."""
        self.spend_model_: GammaGamma | None = None
        self.spend_log_likelihood_: float | None = None
        self.population_spend_: float | None = None
        self.spend_frequency_correlation_: float | None = None
        self.n_left_out_of_spend_ = 0
        if customers.mean_spend is None:
            return []
        x, mean_spend = customers.frequency, customers.mean_spend
        refuse_spend(x, mean_spend)
        model = GammaGamma()
        model._fit(x, mean_spend, None, None if self.engine == "native" else fit_with_lifetimes)
        self.spend_model_ = model
        self.params_ |= model.params_
        self.standard_errors_ |= model.standard_errors_
        self.spend_log_likelihood_ = model.log_likelihood_
        self.population_spend_ = model.population_spend_
        self.n_left_out_of_spend_ = round(model.n_left_out_)
        self.converged_ = self.converged_ and model.converged_
        usable = mean_spend > 0
        self.spend_frequency_correlation_ = rank_correlation(x[usable], mean_spend[usable])
        return list(model._findings)

    # --- scoring ---

    def _scores(self, X: pd.DataFrame) -> Floats:
        self._check_parameters()
        self._check_same()
        customers = read_purchases(X, type(self).__name__, spend=self.spend_model_ is not None)
        x, t_x, T, mean_spend = customers
        total, discounted, places = self._if_alive(X, x, t_x, T)
        scores = np.empty((len(x), len(self.score_names_)))
        for start in range(0, len(x), CHUNK):
            part = slice(start, start + CHUNK)
            params = self.purchase_model_._params(self._read_covariates(X.iloc[part]), len(x[part]))
            chosen = part if places is None else places[part]
            p_alive = self.purchase_model_._p_alive_rows(params, x[part], t_x[part], T[part])
            purchases = p_alive * total[chosen]
            if self.spend_model_ is None or mean_spend is None:
                scores[part, 0], scores[part, 1] = purchases, p_alive
                continue
            value = self.spend_model_.expected_spend(x[part], mean_spend[part])
            counted = purchases if discounted is total else p_alive * discounted[chosen]
            clv = counted * value
            clv *= float(self.margin)
            for column, values in enumerate((clv, purchases, value, p_alive)):
                scores[part, column] = values
        return scores

    def _check_same(self) -> None:
        """Refuse covariates that have been changed since fit."""
        if self._covariate_columns() != self._fitted_covariates:
            raise ValueError(
                f"covariates was {self._fitted_covariates or None} in fit and is {self.covariates!r} now: fit again."
            )

    def _if_alive(
        self, X: pd.DataFrame, x: Floats, t_x: Floats, T: Floats
    ) -> tuple[Floats, Floats, NDArray[np.int64] | None]:
        """Return the purchases of active customers within the horizon, as they are and discounted.

        With the place of each customer among these, where many share them: the purchases of an active customer
        mostly depend on frequency and T alone.
        """
        model, covariates = self.purchase_model_, self._read_covariates(X)
        params = model._params(covariates, len(x))
        horizon, rate = float(self.horizon_days), float(self.annual_discount_rate)
        if covariates is not None or not model.forgets_recency:
            return (*discounted_purchases(model, params, horizon, rate, x, t_x, T), None)
        rows, places, _ = unique_rows(x, T)
        purchases = discounted_purchases(model, params, horizon, rate, rows[0], np.zeros_like(rows[0]), rows[1])
        return (*purchases, places)

    def _sample(self, X: pd.DataFrame, n_draws: int, rng: np.random.Generator) -> Floats:
        """Draw what customers really will be worth: parameters, then each customer's own purchases and spend."""
        self._check_parameters()
        self._check_same()
        customers = read_purchases(X, type(self).__name__, spend=self.spend_model_ is not None)
        x, t_x, T, mean_spend = customers
        model, horizon = self.purchase_model_, float(self.horizon_days)
        params = model.draw_params(n_draws, rng)
        spends = None if self.spend_model_ is None else self.spend_model_.draw_params(n_draws, rng)
        factor = self._discount_factors(X, x, t_x, T)
        draws = np.empty((n_draws, len(x)))
        names = list(model.params_)
        covariates = self._read_covariates(X)
        for i in range(n_draws):
            drawn = model._with_params(dict(zip(names, params[i].tolist(), strict=True)))
            theirs = drawn._params(covariates, len(x))
            if np.isinf(horizon):
                future = drawn._draw_discounted(theirs, float(self.annual_discount_rate), rng, x, t_x, T)
            else:
                future = drawn._draw(theirs, horizon, rng, x, t_x, T)
            if spends is not None and self.spend_model_ is not None and mean_spend is not None:
                future = draw_spend(self.spend_model_._prior(spends[i]), future, x, mean_spend, rng)
                future *= float(self.margin)
            draws[i] = future if factor is None else future * factor
        return draws

    def _discount_factors(self, X: pd.DataFrame, x: Floats, t_x: Floats, T: Floats) -> Floats | None:
        """Return what a purchase within the horizon is worth on average, per customer; None without discounting."""
        if float(self.annual_discount_rate) == 0 or np.isinf(self.horizon_days) or self.spend_model_ is None:
            return None
        total, discounted, places = self._if_alive(X, x, t_x, T)
        factors = np.divide(discounted, total, out=np.ones_like(total), where=total > 0)
        return factors if places is None else factors[places]

    def expected_purchases_new_customer(self, days: Any) -> Any:
        """Return the repeat purchases expected of a customer within `days` after the first purchase.

        Parameters
        ----------
        days : float or array
            Several give the unconditional curve.

        Returns
        -------
        float or ndarray of the same shape
        """
        check_is_fitted(self)
        if self._covariate_columns():
            raise ValueError("with covariates the curve depends on them: use purchase_model_ with covariates=.")
        return self.purchase_model_.expected_purchases_new_customer(days)

    def _table_attrs(self) -> dict[str, Any]:
        return {} if self.currency is None else {"currency": self.currency}

    def _check_parameters(self) -> None:
        """Refuse parameters that mean nothing, naming what was expected."""
        choices: dict[str, list[str | None]] = {
            "purchase_model": list(PURCHASE_MODELS),
            "spend_model": [*SPEND_MODELS, None],
            "time_unit": list(DAYS_IN),
            "engine": list(ENGINES),
        }
        for name, allowed in choices.items():
            value = getattr(self, name)
            if not (value is None or isinstance(value, str)) or value not in allowed:
                named = name_some(allowed, len(allowed))
                raise ValueError(f"{name} must be one of {named}, got {value!r}.")
        if isinstance(self.margin, numbers.Real) and self.margin > 1:
            raise ValueError(
                f"margin is the share of the spend that is earned, at most 1, got {self.margin!r}; 30 % is 0.3."
            )
        if isinstance(self.annual_discount_rate, numbers.Real) and 1 < self.annual_discount_rate < np.inf:
            raise ValueError(
                f"annual_discount_rate is a share per year, at most 1, got {self.annual_discount_rate!r}; 15 % is 0.15."
            )
        for name, zero_allowed in (("horizon_days", False), ("annual_discount_rate", True), ("margin", False)):
            value = getattr(self, name)
            is_number = isinstance(value, numbers.Real) and not isinstance(value, bool) and not np.isnan(float(value))
            if not is_number or value < 0 or (value == 0 and not zero_allowed):
                expected = "a number from 0 on" if zero_allowed else "a positive number"
                raise ValueError(f"{name} must be {expected}, got {value!r}.")
            if np.isinf(float(value)) and name != "horizon_days":
                raise ValueError(f"{name} must be finite, got {value!r}.")
        if LONGEST_HORIZON < float(self.horizon_days) < np.inf:
            raise ValueError(f"horizon_days must be at most {LONGEST_HORIZON:,} or inf, got {self.horizon_days!r}.")
        if not (self.currency is None or isinstance(self.currency, str)):
            raise ValueError(f"currency is a label such as 'EUR' or None, got {self.currency!r}.")
        penalty = self.covariate_penalty
        if not isinstance(penalty, numbers.Real) or isinstance(penalty, bool) or not 0 <= float(penalty) < np.inf:
            raise ValueError(f"covariate_penalty must be a number from 0 on, got {penalty!r}.")
        if np.isinf(float(self.horizon_days)):
            model = getattr(self, "purchase_model_", None) or PURCHASE_MODELS[self.purchase_model]()
            check_infinite_horizon(model, float(self.annual_discount_rate))
        if self.engine == "lifetimes" and (self.purchase_model not in PLAIN_MODELS or self._covariate_columns()):
            raise ValueError(
                f"engine='lifetimes' fits {name_some(PLAIN_MODELS, 3)} without covariates; use engine='native'."
            )
        if self._covariate_columns() and self.purchase_model not in PLAIN_MODELS:
            raise ValueError(f"covariates are for {name_some(PLAIN_MODELS, 3)}, not for {self.purchase_model!r}.")

    # --- showing and storing ---

    def summary(self) -> pd.DataFrame:
        """Return the fitted parameters as a table.

        Returns
        -------
        pandas.DataFrame
            Index ``parameter``; ``value`` and ``standard_error`` (times in `time_unit`), and ``meaning``. For
            regular buyers a last row ``k``, chosen and without a standard error (0). With covariates, alpha, a, b, s
            and beta are those of customers with all covariates 0.
        """
        check_is_fitted(self)
        index = pd.Index(list(self.params_), name="parameter")
        unit = next(name for name, days in DAYS_IN.items() if days == DAYS_IN[self.time_unit])
        stages = getattr(self.purchase_model_, "k_", 1)
        at_any_time = isinstance(self.purchase_model_, ParetoNBD)
        odds = "the rate of leaving is" if at_any_time else "the odds of leaving after a purchase are"
        meanings = [_meaning(name, stages, odds).format(unit=unit) for name in self.params_]
        table = pd.DataFrame(
            {
                "value": list(self.params_.values()),
                "standard_error": list(self.standard_errors_.values()),
                "meaning": meanings,
            },
            index=index,
        )
        if hasattr(self.purchase_model_, "k_"):
            meaning = "stages between two purchases: 1 = at random, large = by the clock"
            row = pd.DataFrame({"value": [float(stages)], "standard_error": [0.0], "meaning": [meaning]}, index=["k"])
            table = pd.concat([table, row]).rename_axis("parameter")
        return table

    def to_dict(self) -> dict[str, Any]:
        """Return the fitted scorer as plain numbers, lists and text.

        Returns
        -------
        dict
            What `from_dict` makes an equal scorer of; it survives JSON, and scores do not change by a bit.
        """
        check_is_fitted(self)
        state: dict[str, Any] = {"format": FORMAT, "class": type(self).__name__, "settings": self.get_params()}
        state["settings"]["horizon_days"] = _json_number(self.horizon_days)
        if not (self.covariates is None or isinstance(self.covariates, Mapping)):
            state["settings"]["covariates"] = list(self.covariates)
        state["purchase_model_"] = self.purchase_model_.to_dict()
        state["spend_model_"] = None if self.spend_model_ is None else self.spend_model_.to_dict()
        for name in _FITTED:
            state[name] = getattr(self, name)
        for name in ("diagnosis_", "score_names_", "feature_names_in_"):
            state[name] = [str(value) for value in getattr(self, name)]
        return state

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Self:
        """Make the fitted scorer that `to_dict` described."""
        if not isinstance(state, Mapping):
            raise ValueError(f"this is no state of a {cls.__name__}, but a {type(state).__name__}; to_dict makes one.")
        if state.get("class") != cls.__name__ or state.get("format") != FORMAT:
            raise ValueError(
                f"this describes a {state.get('class')!r} in format {state.get('format')!r}; {cls.__name__} of this "
                f"version reads format {FORMAT}."
            )
        try:
            return cls._from_state(state)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"this state of a {cls.__name__} is damaged ({type(error).__name__}: {error}); write it again with "
                "to_dict or to_json."
            ) from error

    @classmethod
    def _from_state(cls, state: Mapping[str, Any]) -> Self:
        """Read a state whose class and format are right."""
        settings = dict(state["settings"])
        settings["horizon_days"] = float("inf") if settings["horizon_days"] == "inf" else settings["horizon_days"]
        scorer = cls(**settings)
        scorer.purchase_model_ = CLASSES[state["purchase_model_"]["model"]].from_dict(state["purchase_model_"])
        spend = state["spend_model_"]
        scorer.spend_model_ = None if spend is None else GammaGamma.from_dict(spend)
        for name in _FITTED:
            setattr(scorer, name, state[name])
        scorer.diagnosis_ = tuple(state["diagnosis_"])
        scorer.score_names_ = np.asarray(state["score_names_"], dtype=object)
        scorer.feature_names_in_ = np.asarray(state["feature_names_in_"], dtype=object)
        scorer.n_features_in_ = len(state["feature_names_in_"])
        scorer._fitted_covariates = scorer._covariate_columns()
        return scorer

    def to_json(self) -> str:
        """Return `to_dict` as JSON text."""
        return json.dumps(self.to_dict(), default=_plain, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Make the fitted scorer that `to_json` described."""
        return cls.from_dict(json.loads(text))


_FITTED = (
    "params_",
    "standard_errors_",
    "log_likelihood_",
    "spend_log_likelihood_",
    "population_spend_",
    "spend_frequency_correlation_",
    "n_customers_",
    "n_repeaters_",
    "n_left_out_of_spend_",
    "converged_",
)


def _json_number(value: Any) -> Any:
    return "inf" if np.isinf(float(value)) else value


def _plain(value: Any) -> Any:
    """Turn numbers of numpy into Python's."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} ({type(value).__name__}) cannot be written as JSON; use plain numbers and text.")


def _meaning(name: str, stages: int, leaving: str) -> str:
    """Say what a parameter or a coefficient means."""
    if name == "alpha" and stages > 1:
        return f"scale of the rates of stages: r / ({stages} alpha) is the mean number of purchases per {{unit}}"
    if name.startswith("purchase_"):
        return f"coefficient of {name.removeprefix('purchase_')}: purchase rates are multiplied by exp(coefficient)"
    if name.startswith("dropout_"):
        return f"coefficient of {name.removeprefix('dropout_')}: {leaving} multiplied by exp(coefficient)"
    return _MEANINGS[name]
