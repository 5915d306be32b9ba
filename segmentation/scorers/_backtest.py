"""Compare forecasts of a scorer with what happened afterwards, beside forecasts that need no model."""

from __future__ import annotations

import dataclasses
import inspect
import numbers
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone

from segmentation._format import count, money, name_some, percent
from segmentation._frames import kind_of
from segmentation._validation import as_customers
from segmentation.base import Scorer
from segmentation.exceptions import ColumnError, CustomerTableError, FitDiagnosisWarning
from segmentation.features._days import Granularity
from segmentation.features._orders import Refunds
from segmentation.scorers import _backtest_measures as measures_of
from segmentation.scorers._backtest_data import DAYS_PER_WEEK, BacktestData, naive_forecasts, read_backtest, weeks_of
from segmentation.scorers._backtest_result import CLVBacktest
from segmentation.scorers._clv import CLVScorer

__all__ = ["CLVBacktest", "backtest_clv"]

Floats = NDArray[np.float64]

# Orders customers, but says nothing about how much they will buy.
RANKS_ONLY = ("past_spend",)

# What a forecast of the holdout's spend is compared with: revenue as it came in, so neither is applied.
REVENUE = {"margin": 1.0, "annual_discount_rate": 0.0}

SHARES = np.linspace(0, 1, 101)

# Resamples by default, fewer where resamples times customers would be more than this.
RESAMPLES, FEWEST_RESAMPLES, MANY_ROWS = 1000, 200, 20_000_000


def backtest_clv(
    orders: Any,
    scorer: Any = None,
    *,
    customer_id: str,
    timestamp: str,
    amount: str | None = None,
    calibration_end: Any,
    observation_end: Any = None,
    customers: Any = None,
    granularity: Granularity = "D",
    refunds: Refunds = "net",
    level: float = 0.9,
    n_resamples: int | None = None,
    random_state: int | np.random.Generator | None = 0,
) -> CLVBacktest:
    """Fit a scorer to the past of `calibration_end` and compare its forecasts with what happened afterwards.

    Parameters
    ----------
    orders, customer_id, timestamp, amount, observation_end, granularity, refunds
        As in `segmentation.features.calibration_holdout`. Without `amount` only purchases are compared.
    scorer : CLVScorer or other Scorer, optional
        Not changed: a clone is fitted, with ``horizon_days`` set to the length of the holdout, ``margin`` to 1 and
        ``annual_discount_rate`` to 0, because it is compared with revenue as it came in. It must score
        ``expected_purchases`` and, to be judged by value, ``clv``. Default: ``CLVScorer()``, without a spend model
        where there is no `amount`.
    calibration_end : date, datetime, Timestamp or ISO 8601 text
        Last day that the scorer may learn from.
    customers : dataframe, optional
        What is known of customers besides their orders, by customer: covariates of the scorer. They must have been
        known at `calibration_end`, or the backtest flatters the model.
    level : float, default=0.9
        Of the intervals.
    n_resamples : int, optional
        Bootstrap resamples of the customers, for the differences between model and baselines. Default: 1,000 up to
        20,000 customers, then fewer, as the time grows with both; never below 200.
    random_state : int, Generator or None, default=0
        Of those resamples.

    Returns
    -------
    CLVBacktest
        Print it: totals, errors, ranking and a plain verdict against each baseline. Tables and plots are in it.

    Raises
    ------
    ValueError
        If no customer of the calibration bought in the holdout, if the scorer has no ``horizon_days`` or no
        ``expected_purchases``, for a `level` outside (0, 1) or fewer than 100 resamples; also as
        `calibration_holdout`.
    TypeError
        If `scorer` is no Scorer.
    FitError
        As the scorer's ``fit``.

    Notes
    -----
    **Who**: customers with a purchase up to `calibration_end`. Those who first bought later cannot be scored; they
    are counted, with what they bought, in ``notes``.

    **What happened**: *purchases* are the days (or weeks, by `granularity`) with a purchase in the holdout; *value*
    is all money dated in the holdout. With ``refunds="net"`` refunds dated in the holdout are subtracted, also where
    the purchase lies before it, so the value of a customer can be negative.

    **Naive forecasts**, over a holdout of H days:

    * ``historical_rate``: frequency / T * H, and 0 where T is 0; in money times the mean spend of all purchases of
      the calibration, the first one included, refunds subtracted;
    * ``last_period``: repeat purchases of the last H days of the calibration once more, and the money after the
      first purchase in them. The first purchase does not count: everybody has one by being a customer. Where the
      calibration is shorter than H, all of it is taken and scaled up.
    * ``past_spend`` only ranks: all spend of the calibration, the first purchase included, refunds subtracted.

    **Ties** in a ranking count as if broken at random, in expectation.

    **Intervals** of the differences are percentile bootstrap intervals over customers, paired: model and baseline see
    the same resample. The model is not fitted again, and there is one holdout: they say what other customers would
    have shown in this period, not what another period would. Each stands for itself; of many comparisons without a
    true difference, one in ten leaves out 0 at the level 0.9. Intervals of the actual means in ``calibration`` are
    mean ± z standard errors.

    The mean absolute error is least for the *median*: where most customers buy nothing, forecasts that are too low
    do well on it. The expectations of a model are made for the squared error.

    Examples
    --------
    >>> from segmentation import datasets
    >>> from segmentation.scorers import CLVScorer, backtest_clv
    >>> result = backtest_clv(
    ...     datasets.load_cdnow(), CLVScorer("bg_nbd", spend_model=None), customer_id="customer_id",
    ...     timestamp="timestamp", calibration_end="1997-09-30", n_resamples=200)
    >>> result.measures[["method", "predicted", "actual", "ratio", "gini"]].round(2)
                method  predicted  actual  ratio  gini
    0            model    1653.41  1882.0   0.88  0.66
    1  historical_rate    2930.10  1882.0   1.56  0.67
    2      last_period    2457.00  1882.0   1.31  0.66
    """
    _check_settings(level, n_resamples)
    model = _prepared_scorer(scorer, amount)
    data = read_backtest(
        orders,
        customer_id=customer_id,
        timestamp=timestamp,
        amount=amount,
        calibration_end=calibration_end,
        observation_end=observation_end,
        granularity=granularity,
        refunds=refunds,
    )
    actual = _what_happened(data)
    if customers is not None:
        data = _with_attributes(data, customers)
    model, notes = _fitted(model, data, amount)
    forecasts = _forecasts(model, data)
    if "value" in actual and (missing := _no_value(actual["value"], forecasts["value"])):
        notes.append(missing)
        actual, forecasts = {"purchases": actual["purchases"]}, {"purchases": forecasts["purchases"]}
    if n_resamples is None:
        n_resamples = int(np.clip(MANY_ROWS // len(data.table), FEWEST_RESAMPLES, RESAMPLES))
    rng = np.random.default_rng(random_state)
    return CLVBacktest(
        measures=_measures(forecasts, actual),
        comparisons=_comparisons(forecasts, actual, level, n_resamples, rng),
        calibration=_calibration(forecasts, actual, level),
        tracking=_tracking(model, data, forecasts["purchases"]),
        capture=_capture(forecasts, actual),
        customers=_customers(forecasts, actual, data),
        scorer=model,
        report=data.report,
        horizon_days=data.horizon,
        window_days=data.window,
        level=level,
        n_resamples=n_resamples,
        notes=(*_notes_on(data, actual), *notes),
    )


def _with_attributes(data: BacktestData, customers: Any) -> BacktestData:
    """Join what is known of the customers to the table that the scorer is fitted to."""
    table = as_customers(customers)
    missing = data.table.index.difference(table.index)
    if len(missing):
        raise CustomerTableError(
            f"{len(missing):,} of {len(data.table):,} customers of the calibration are not in customers "
            f"({name_some(missing)}): add them, or leave their orders out."
        )
    clash = [name for name in table.columns if name in data.table.columns]
    if clash:
        raise ColumnError(f"customers has columns that are made from the orders: {name_some(clash)}; rename them.")
    return dataclasses.replace(data, table=data.table.join(table))


def _check_settings(level: Any, n_resamples: Any) -> None:
    if not isinstance(level, numbers.Real) or not 0 < float(level) < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level!r}; 90 % is 0.9.")
    if n_resamples is None:
        return
    if not isinstance(n_resamples, numbers.Integral) or isinstance(n_resamples, bool) or int(n_resamples) < 100:
        raise ValueError(f"n_resamples must be a whole number of at least 100, got {n_resamples!r}.")


def _prepared_scorer(scorer: Any, amount: str | None) -> Any:
    """Return a clone to fit, or raise where the scorer can give no forecast over the holdout."""
    if scorer is None:
        return CLVScorer() if amount is not None else CLVScorer(spend_model=None)
    if inspect.isclass(scorer):
        raise TypeError(f"scorer must be an object, got the class {scorer.__name__}: pass {scorer.__name__}(...).")
    if not isinstance(scorer, Scorer):
        raise TypeError(f"scorer must be a Scorer such as CLVScorer(), got {kind_of(scorer)}.")
    if "horizon_days" not in scorer.get_params(deep=False):
        raise ValueError(
            f"{type(scorer).__name__} has no parameter horizon_days, so its forecast cannot be made for the length "
            "of the holdout. Backtest a scorer of purchases, such as CLVScorer()."
        )
    return clone(scorer)


def _fitted(model: Any, data: BacktestData, amount: str | None) -> tuple[Any, list[str]]:
    """Fit the clone to the calibration; what it found doubtful becomes notes."""
    parameters = model.get_params(deep=False)
    settings = {name: neutral for name, neutral in REVENUE.items() if name in parameters}
    notes = [
        f"{name}={parameters[name]!r} is not applied: forecasts are compared with revenue as it came in."
        for name, neutral in settings.items()
        if parameters[name] != neutral
    ]
    model.set_params(horizon_days=data.horizon, **settings)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FitDiagnosisWarning)
            model.fit(data.table)
    except ColumnError as error:
        remedy = (
            "If these are covariates, which orders do not carry, pass a table that has them by customer: "
            "backtest_clv(..., customers=table)."
        )
        if amount is None:
            remedy = (
                "The orders have no amount here: name it (amount=...), or use a scorer without money "
                f"(CLVScorer(spend_model=None)). {remedy}"
            )
        raise ColumnError(f"{error} {remedy}") from error
    if "expected_purchases" not in model.score_names_:
        raise ValueError(
            f"{type(model).__name__} gives {', '.join(model.score_names_)}, no expected_purchases to compare with "
            "what happened."
        )
    return model, [*notes, *(f"the scorer says: {text}" for text in getattr(model, "diagnosis_", ()))]


def _what_happened(data: BacktestData) -> dict[str, Floats]:
    in_holdout = data.cells["in_holdout"]
    actual = {"purchases": data.total(in_holdout, money=False)}
    if not actual["purchases"].any():
        raise ValueError(
            f"none of the {count(len(data.table), 'customer')} of the calibration bought in the holdout of "
            f"{count(data.horizon, 'day')}, so there is nothing to compare with. Choose an earlier calibration_end, "
            "and check that ids are the same in both periods."
        )
    if data.has_amount:
        actual["value"] = data.total(in_holdout, money=True)
    return actual


def _forecasts(model: Any, data: BacktestData) -> dict[str, dict[str, Floats]]:
    """Return target -> method -> forecast per customer; the model has none of value where it gives no ``clv``."""
    scores = model.score_customers(data.table)
    purchases, value = naive_forecasts(data)
    forecasts = {"purchases": {"model": scores["expected_purchases"].to_numpy(), **purchases}}
    if data.has_amount:
        past_spend = data.total(~data.cells["in_holdout"], money=True)
        forecasts["purchases"]["past_spend"] = past_spend
        mine = {"model": scores["clv"].to_numpy()} if "clv" in scores else {}
        forecasts["value"] = {**mine, **value, "past_spend": past_spend}
    return forecasts


def _no_value(actual: Floats, forecasts: Mapping[str, Floats]) -> str | None:
    """Say why value cannot be compared, if it cannot."""
    if "model" not in forecasts:
        return "the scorer gives no clv, so only purchases are compared."
    if actual.sum() <= 0:
        return f"the value of the holdout is {money(actual.sum())}, so only purchases are compared."
    return None


def _measures(forecasts: Mapping[str, Mapping[str, Floats]], actual: Mapping[str, Floats]) -> pd.DataFrame:
    rows = []
    for target, happened in actual.items():
        for method, predicted in forecasts[target].items():
            ranks_only = method in RANKS_ONLY
            found = measures_of.measure(predicted, happened, ranks_only=ranks_only)
            total = np.nan if ranks_only else predicted.sum()
            rows.append(
                {
                    "target": target,
                    "method": method,
                    "predicted": total,
                    "actual": happened.sum(),
                    "ratio": total / happened.sum(),
                    "bias": (total - happened.sum()) / len(happened),
                    **{name: found[name] for name in measures_of.MEASURES if name != "total_error"},
                }
            )
    return pd.DataFrame(rows)


def _comparisons(
    forecasts: Mapping[str, Mapping[str, Floats]],
    actual: Mapping[str, Floats],
    level: float,
    n_resamples: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    rows = []
    for target, happened in actual.items():
        baselines = {name: values for name, values in forecasts[target].items() if name != "model"}
        model = forecasts[target]["model"]
        found = {
            name: measures_of.measure(values, happened, ranks_only=name in RANKS_ONLY)
            for name, values in forecasts[target].items()
        }
        intervals = measures_of.paired_intervals(
            model, baselines, happened, ranks_only=RANKS_ONLY, level=level, n_resamples=n_resamples, rng=rng
        )
        rows += [
            {
                "target": target,
                "measure": name,
                "baseline": baseline,
                "model_figure": found["model"][name],
                "baseline_figure": found[baseline][name],
                "advantage": interval.advantage,
                "advantage_low": interval.low,
                "advantage_high": interval.high,
                "verdict": interval.verdict,
            }
            for (name, baseline), interval in intervals.items()
        ]
    return pd.DataFrame(rows)


def _calibration(
    forecasts: Mapping[str, Mapping[str, Floats]], actual: Mapping[str, Floats], level: float
) -> pd.DataFrame:
    from scipy.special import ndtri  # slow to import

    z, tables = float(ndtri((1 + level) / 2)), []
    for target, happened in actual.items():
        for method, predicted in forecasts[target].items():
            if method in RANKS_ONLY:
                continue
            found = measures_of.calibrate(predicted, happened)
            margin = z * found.standard_error
            ratio = np.full(len(found.n), np.nan)
            np.divide(found.predicted, found.actual, out=ratio, where=found.actual > 0)
            low = found.actual - margin
            tables.append(
                pd.DataFrame(
                    {
                        "target": target,
                        "method": method,
                        "decile": np.arange(1, len(found.n) + 1),
                        "n": found.n,
                        "predicted_mean": found.predicted,
                        "actual_mean": found.actual,
                        "actual_low": np.maximum(low, 0.0) if happened.min() >= 0 else low,
                        "actual_high": found.actual + margin,
                        "ratio": ratio,
                    }
                )
            )
    return pd.concat(tables, ignore_index=True)


def _tracking(model: Any, data: BacktestData, forecasts: Mapping[str, Floats]) -> pd.DataFrame:
    """Return weekly and cumulative purchases; forecasts of the holdout start from what happened until then."""
    weeks = weeks_of(data)
    holdout = (weeks["period"] == "holdout").to_numpy()
    before = float(weeks.loc[~holdout, "actual"].sum())
    ends = np.cumsum(weeks.loc[holdout, "days"].to_numpy())
    weeks["actual_cumulative"] = weeks["actual"].cumsum()
    cumulative = {"model": _expected_until(model, data.table, ends)}
    for name in ("historical_rate", "last_period"):
        cumulative[name] = forecasts[name].sum() * ends / data.horizon
    for name, totals in cumulative.items():
        weekly, total = np.full(len(weeks), np.nan), np.full(len(weeks), np.nan)
        weekly[holdout], total[holdout] = np.diff(totals, prepend=0.0), before + totals
        if name == "model" and (curve := _new_customer_curve(model, data, weeks.loc[~holdout])) is not None:
            weekly[~holdout], total[~holdout] = np.diff(curve, prepend=0.0), curve
        weeks[name], weeks[f"{name}_cumulative"] = weekly, total
    names = ["actual", *cumulative]
    return weeks[["period", "first_day", "last_day", "days", *names, *(f"{name}_cumulative" for name in names)]]


def _expected_until(model: Any, table: pd.DataFrame, ends: NDArray[np.int64]) -> Floats:
    """Sum the conditional expectations of all customers for growing horizons."""
    # a horizon takes part in scoring only, so the fitted model is asked again and again, and its own put back
    horizon = model.get_params(deep=False)["horizon_days"]
    try:
        totals = [
            model.set_params(horizon_days=int(end)).score_customers(table)["expected_purchases"].sum() for end in ends
        ]
    finally:
        model.set_params(horizon_days=horizon)
    return np.array(totals, dtype=np.float64)


def _new_customer_curve(model: Any, data: BacktestData, weeks: pd.DataFrame) -> Floats | None:
    """Return repeat purchases expected until the end of each week of the calibration, since each first purchase."""
    curve = getattr(model, "expected_purchases_new_customer", None)
    if curve is None or getattr(model, "_covariate_columns", dict)():  # with covariates there is no one curve for all
        return None
    ages = np.arange(1, data.end - data.first + DAYS_PER_WEEK)
    expected = np.concatenate([[0.0], np.asarray(curve(ages.astype(np.float64)), dtype=np.float64)])
    starts, n = np.unique(data.first_purchase, return_counts=True)
    lasts = np.array([day.toordinal() for day in weeks["last_day"]])
    age = np.maximum(lasts[:, None] - starts[None, :], 0)
    result: Floats = expected[age] @ n
    return result


def _capture(forecasts: Mapping[str, Mapping[str, Floats]], actual: Mapping[str, Floats]) -> pd.DataFrame:
    tables = []
    for target, happened in actual.items():
        for method, predicted in {**forecasts[target], "perfect": happened}.items():
            curve = measures_of.capture_curve(measures_of.Ranking(predicted), happened)
            columns = {"target": target, "method": method, "customers_share": SHARES, "caught": curve.at(SHARES)}
            tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def _customers(
    forecasts: Mapping[str, Mapping[str, Floats]], actual: Mapping[str, Floats], data: BacktestData
) -> pd.DataFrame:
    columns: dict[str, Floats] = {}
    for target, happened in actual.items():
        columns[target] = happened
        columns |= {f"{target}_{name}": x for name, x in forecasts[target].items() if name not in RANKS_ONLY}
    if data.has_amount:
        columns["past_spend"] = forecasts["purchases"]["past_spend"]
    return pd.DataFrame(columns, index=data.table.index)


def _notes_on(data: BacktestData, actual: Mapping[str, Floats]) -> list[str]:
    """Say what the comparison leaves out and how it counts, with figures."""
    notes = []
    if n_new := data.report.n_new_in_holdout_customers:
        total = actual["purchases"].sum() + data.n_new_purchases
        spent = f", spending {money(data.new_value)}" if data.has_amount else ""
        notes.append(
            f"{count(n_new, 'customer')} first bought in the holdout and cannot be scored: they made "
            f"{data.n_new_purchases:,} of its {total:,.0f} purchases ({percent(data.n_new_purchases / total)}){spent}."
        )
    if data.window < data.horizon:
        notes.append(
            f"the calibration has {count(data.window, 'day')}, fewer than the holdout's {data.horizon}: the last "
            "period is all of it, scaled up."
        )
    if n_unobserved := int((data.table["T"] == 0).sum()):
        notes.append(f"{count(n_unobserved, 'customer')} with T = 0: their historical rate is taken as 0.")
    if "value" in actual:
        value = "value is all money dated in the holdout"
        if data.report.refunds == "net" and data.report.n_refunds:
            negative = count(int((actual["value"] < 0).sum()), "customer")
            value += f", refunds subtracted also where the purchase is older; it is negative for {negative}"
        elif data.report.refunds == "drop" and data.report.n_refunds_dropped:
            value += ", refunds left out"
        notes.append(f"{value}.")
    notes.append("intervals are over customers; the model is not fitted again for them, and another period may differ.")
    return notes
