"""Customer lifetime value from purchase histories."""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from segmentation._format import name_some
from segmentation.base import Scorer
from segmentation.clv import _diagnosis, _formulas
from segmentation.clv._fit import fit_purchases, fit_spend
from segmentation.clv._formulas import PURCHASE_MODELS
from segmentation.clv._lifetimes import fit_with_lifetimes
from segmentation.exceptions import ColumnError, FitDiagnosisWarning
from segmentation.scorers._purchase_table import PurchaseTable, looks_like_rfm, read_purchases

__all__ = ["CLVScorer"]

Floats = NDArray[np.float64]

SPEND_MODELS = ("gamma_gamma",)
DAYS_PER_YEAR = 365.0
DISCOUNT_STEP_DAYS = 7.0
# A population mean this many times the observed one is the work of a tail that the data do not show.
ABSURD_MEAN = 2.0

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
    `segmentation.features.btyd_table`.

    Parameters
    ----------
    purchase_model : {"mbg_nbd", "bg_nbd", "pareto_nbd"}, default="mbg_nbd"
        MBG/NBD [2]_: a customer may leave after each purchase, the first included. BG/NBD [1]_: only after a
        repeat purchase, so ``p_alive`` is exactly 1 for everybody who has bought once. Pareto/NBD [3]_: at any
        time; slower to fit.
    spend_model : {"gamma_gamma"} or None, default="gamma_gamma"
        Gamma-Gamma [4]_. With None there is no money: scores are ``expected_purchases`` and ``p_alive``, and the
        column ``monetary_value`` is not needed.
    horizon_days : float, default=365
        How far to look ahead, from the end of observation.
    annual_discount_rate : float, default=0.0
        0.1 makes a purchase in a year worth 1 / 1.1 of one today.
    margin : float, default=1.0
        Share of the spend that is earned; 1 values revenue.
    time_unit : {"day", "week", "month", "year"} or {"D", "W", "M", "Y"}, default="week"
        Unit in which ``params_`` and ``log_likelihood_`` are given, for comparison with the literature (a month
        is 365.25 / 12 days). It changes no score.

    Attributes
    ----------
    params_ : dict of str to float
        Parameters in the order of the papers: r, alpha, a, b or r, alpha, s, beta; then p, q, v.
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

    None of them is ever missing. They are expectations without intervals.

    `horizon_days`, `annual_discount_rate` and `margin` are used in scoring only, so they may be changed with
    ``set_params`` without fitting again.

    Where q <= 1 the Gamma-Gamma population mean is infinite (for q < 1 its formula even gives a negative number),
    and close above 1 it can be many times the observed one. Where it is more than twice that, the observed mean
    of the repeat customers takes its place, and a customer's own mean keeps the weight p x / (p x + q) in place
    of p x / (p x + q - 1); ``diagnosis_`` says so.

    The parameters are fitted with the likelihoods of `lifetimes` on unique rows with weights, and then held to the
    maximum of our own formulas, which stay finite for heavy buyers (see `segmentation.clv`). A fitted scorer
    keeps nothing but numbers and names.

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
    ) -> None:
        self.purchase_model = purchase_model
        self.spend_model = spend_model
        self.horizon_days = horizon_days
        self.annual_discount_rate = annual_discount_rate
        self.margin = margin
        self.time_unit = time_unit

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.scorer_tags.unit = "count" if self.spend_model is None else "currency"
        tags.scorer_tags.dataframe_only = True
        tags.input_tags.two_d_array = False
        tags.input_tags.allow_nan = True  # the spend of one-time buyers may be missing
        return tags

    def _required_columns(self) -> Sequence[str]:
        money = [] if self.spend_model is None else ["monetary_value"]
        return ["frequency", "recency", "T", *money]

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

    def _fit(self, X: pd.DataFrame, y: Any) -> Sequence[str]:
        self._check_parameters()
        customers = read_purchases(X, type(self).__name__, spend=self.spend_model is not None)
        findings = [*self._fit_purchases(customers), *self._fit_spend(customers)]
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

    def _fit_purchases(self, customers: PurchaseTable) -> list[_diagnosis.Finding]:
        """Fit the purchase model in days, and show its parameters in the unit asked for."""
        x, t_x, T, _ = customers
        _diagnosis.refuse_purchases(x, T)
        model, days = PURCHASE_MODELS[self.purchase_model], DAYS_IN[self.time_unit]
        rows, _, weights = _formulas.unique_rows(x, t_x, T)
        fit = fit_purchases(self.purchase_model, rows, weights, fit_with_lifetimes)
        self._fitted_model = self.purchase_model
        self._daily_params = fit.params
        self.params_ = dict(zip(model.parameters, model.rescale(fit.params, 1 / days), strict=True))
        # the density of purchase times changes with their unit, once for every repeat purchase
        self.log_likelihood_ = float(fit.log_likelihood + x.sum() * np.log(days))
        self.converged_ = fit.converged
        self.n_customers_, self.n_repeaters_ = len(x), int((x > 0).sum())
        return _diagnosis.purchase_findings(self.purchase_model, fit, x, T, float(self.horizon_days))

    def _fit_spend(self, customers: PurchaseTable) -> list[_diagnosis.Finding]:
        """Fit the spend model to the repeat customers with positive spend."""
        self._spend_params: tuple[float, ...] | None = None
        self._spend_fallback: float | None = None
        self.spend_log_likelihood_: float | None = None
        self.population_spend_: float | None = None
        self.spend_frequency_correlation_: float | None = None
        self.n_left_out_of_spend_ = 0
        if customers.mean_spend is None:
            return []
        _diagnosis.refuse_spend(customers.frequency, customers.mean_spend)
        usable = customers.mean_spend > 0
        x, mean_spend = customers.frequency[usable], customers.mean_spend[usable]
        rows, _, weights = _formulas.unique_rows(x, mean_spend)
        fit = fit_spend(rows, weights, fit_with_lifetimes)
        self.n_left_out_of_spend_ = int((customers.frequency > 0).sum() - usable.sum())
        self._spend_params = fit.params
        self.params_.update(zip(("p", "q", "v"), fit.params, strict=True))
        self.spend_log_likelihood_ = fit.log_likelihood
        self.converged_ = self.converged_ and fit.converged
        self.spend_frequency_correlation_ = _diagnosis.rank_correlation(x, mean_spend)
        model_mean = _formulas.population_spend(fit.params)
        if model_mean > ABSURD_MEAN * mean_spend.mean():
            self._spend_fallback = float(mean_spend.mean())
        self.population_spend_ = model_mean if self._spend_fallback is None else self._spend_fallback
        return _diagnosis.spend_findings(
            fit,
            mean_spend,
            self.n_left_out_of_spend_,
            self.spend_frequency_correlation_,
            model_mean,
            self._spend_fallback,
        )

    def _scores(self, X: pd.DataFrame) -> Floats:
        self._check_parameters()
        customers = read_purchases(X, type(self).__name__, spend=self._spend_params is not None)
        x, t_x, T, mean_spend = customers
        model = PURCHASE_MODELS[self._fitted_model]
        p_alive = model.p_alive(self._daily_params, x, t_x, T)
        purchases, discounted = self._purchases_if_alive(x, T)
        if self._spend_params is None or mean_spend is None:
            return np.column_stack([p_alive * purchases, p_alive])
        # refunds that exceed the spend count as having spent nothing: they must not raise anybody's value
        spent = np.maximum(mean_spend, 0.0)
        expected_value = _formulas.expected_spend(self._spend_params, x, spent, self._spend_fallback)
        clv = float(self.margin) * (p_alive * discounted) * expected_value
        return np.column_stack([clv, p_alive * purchases, expected_value, p_alive])

    def _purchases_if_alive(self, x: Floats, T: Floats) -> tuple[Floats, Floats]:
        """Return the purchases of active customers within the horizon, as they are and discounted.

        They depend on frequency and T alone, which many customers share.
        """
        (x, T), inverse, _ = _formulas.unique_rows(x, T)
        horizon, rate = float(self.horizon_days), float(self.annual_discount_rate)
        compute = PURCHASE_MODELS[self._fitted_model].purchases_if_alive
        total = compute(self._daily_params, x, T, horizon)
        if rate == 0:
            return total[inverse], total[inverse]
        discounted, before, start = np.zeros_like(total), np.zeros_like(total), 0.0
        while start < horizon:
            end = min(start + DISCOUNT_STEP_DAYS, horizon)
            until = total if end == horizon else compute(self._daily_params, x, T, end)
            discounted += (until - before) * (1.0 + rate) ** (-(start + end) / 2 / DAYS_PER_YEAR)
            before, start = until, end
        return total[inverse], discounted[inverse]

    def _check_parameters(self) -> None:
        """Refuse parameters that mean nothing, naming what was expected."""
        choices: dict[str, list[str | None]] = {
            "purchase_model": list(PURCHASE_MODELS),
            "spend_model": [*SPEND_MODELS, None],
            "time_unit": list(DAYS_IN),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                named = name_some(allowed, len(allowed))
                raise ValueError(f"{name} must be one of {named}, got {getattr(self, name)!r}.")
        if isinstance(self.margin, numbers.Real) and self.margin > 1:
            raise ValueError(
                f"margin is the share of the spend that is earned, at most 1, got {self.margin!r}; 30 % is 0.3."
            )
        for name, zero_allowed in (("horizon_days", False), ("annual_discount_rate", True), ("margin", False)):
            value = getattr(self, name)
            is_number = isinstance(value, numbers.Real) and not isinstance(value, bool) and np.isfinite(float(value))
            if not is_number or value < 0 or (value == 0 and not zero_allowed):
                expected = "a number from 0 on" if zero_allowed else "a positive number"
                raise ValueError(f"{name} must be {expected}, got {value!r}.")

    def summary(self) -> pd.DataFrame:
        """Return the fitted parameters as a table.

        Returns
        -------
        pandas.DataFrame
            Index ``parameter``; ``value`` (times in `time_unit`) and ``meaning``.
        """
        check_is_fitted(self)
        index = pd.Index(list(self.params_), name="parameter")
        unit = next(name for name, days in DAYS_IN.items() if days == DAYS_IN[self.time_unit])
        meanings = [_MEANINGS[name].format(unit=unit) for name in self.params_]
        return pd.DataFrame({"value": list(self.params_.values()), "meaning": meanings}, index=index)
