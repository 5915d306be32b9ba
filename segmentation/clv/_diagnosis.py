"""What in the data makes a fit impossible or doubtful, in plain words: the cause, the consequence, the remedy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from segmentation._format import count, money, percent
from segmentation.clv._fit import Fit
from segmentation.clv._formulas import PURCHASE_MODELS
from segmentation.exceptions import FitError

__all__ = ["Finding", "purchase_findings", "refuse_purchases", "refuse_spend", "rank_correlation", "spend_findings"]

Floats = NDArray[np.float64]

# Below this many repeat buyers four parameters have standard errors as large as themselves.
FEW_REPEATERS = 30
# One customer with this share of all repeat purchases is no ordinary buyer.
LARGE_SHARE = 0.2
# Rank correlation of spend and frequency from which it is mentioned, and from which it is a reason for doubt.
SPEND_CORRELATION, STRONG_SPEND_CORRELATION = 0.3, 0.5
# Share of the repeat buyers without positive spend from which the spend model is doubtful.
MANY_LEFT_OUT = 0.1

# What it means that a parameter ran to its limit: (parameter, towards infinity) -> words.
_ALIKE = "customers buy at nearly the same rate, so a customer's own frequency hardly changes the forecast"
_RUNAWAYS = {
    ("r", True): _ALIKE,
    ("r", False): "nearly all repeat purchases come from a few customers, the others look as if they never buy again",
    ("alpha", True): "repeat purchases are extremely rare",
    ("alpha", False): "some customers buy extremely often compared with the length of the history",
    ("a", True): "customers leave with nearly the same probability after each purchase, or leave at once",
    ("a", False): "nobody seems to leave, so past rates are continued unchanged",
    ("b", True): "customers leave with nearly the same probability after each purchase, or never",
    ("b", False): "nearly everybody seems to leave at once",
    ("s", True): "customers leave at nearly the same rate",
    ("s", False): "nobody seems to leave, so past rates are continued unchanged",
    ("beta", True): "nobody seems to leave within the time observed, so past rates are continued unchanged",
    ("beta", False): "many customers seem to leave at once",
}
_SPEND_RUNAWAYS = {
    ("p", True): "the purchases of one customer seem all alike, so own means are taken at face value",
    ("p", False): "amounts vary beyond measure, so own means say next to nothing",
    ("q", True): "customers seem to spend alike, so expected_value hardly differs between them",
    ("q", False): "a few customers spend beyond all comparison with the others",
    ("v", True): "customers seem to spend alike, so expected_value hardly differs between them",
    ("v", False): "most customers spend next to nothing compared with a few",
}


class Finding(NamedTuple):
    """One finding, and whether it makes the result doubtful or is only worth knowing."""

    text: str
    doubtful: bool


def refuse_purchases(x: Floats, T: Floats) -> None:
    """Raise FitError where no purchase model can be fitted: nobody was observed, or nobody bought again."""
    n_customers = count(len(x), "customer")
    if not T.any():
        raise FitError(
            f"T is 0 for all {n_customers}: everybody's first purchase is on the last day of the observation, so "
            "there was no time to buy again. Likely cause: an observation_end that is too early, or orders of a "
            "single day. Use a longer history."
        )
    if not x.any():
        raise FitError(
            f"none of the {n_customers} has bought again (frequency is 0 everywhere), so there is nothing to learn "
            f"a purchase rate from. Likely causes: a history too short for a second purchase (the longest T is "
            f"{T.max():,.0f} days), a new customer id with every order, or orders cut down to the first of each "
            "customer. Use a longer history, or check the ids."
        )


def refuse_spend(x: Floats, mean_spend: Floats) -> None:
    """Raise FitError where no spend model can be fitted."""
    if not ((x > 0) & (mean_spend > 0)).any():
        raise FitError(
            f"none of the {count(int((x > 0).sum()), 'repeat customer')} has a positive monetary_value, so there is "
            "no spend to learn from. Likely causes: amounts that are missing or zero, or refunds that exceed them. "
            "Check the amounts, or score without money: spend_model=None."
        )


def purchase_findings(model: str, fit: Fit, x: Floats, T: Floats, horizon_days: float) -> list[Finding]:
    """Examine a purchase fit and its data (times in days)."""
    functions = PURCHASE_MODELS[model]
    findings = []
    n_repeaters = int((x > 0).sum())
    if n_repeaters < FEW_REPEATERS:
        findings.append(
            Finding(
                f"only {n_repeaters} of {count(len(x), 'customer')} {'has' if n_repeaters == 1 else 'have'} bought "
                f"again; below about {FEW_REPEATERS} the parameters are hardly more than a guess. Use a longer "
                "history or more customers.",
                True,
            )
        )
    if n_repeaters == len(x) >= FEW_REPEATERS:
        findings.append(
            Finding(
                "every customer has bought again. If one-time buyers were left out of the table, put them back "
                "(frequency 0, recency 0): the models learn from them how many customers leave.",
                True,
            )
        )
    largest = x.max() / x.sum()
    if largest > LARGE_SHARE and n_repeaters >= FEW_REPEATERS:
        findings.append(
            Finding(
                f"one customer makes {percent(largest)} of all repeat purchases ({x.max():,.0f}): a reseller or a "
                "collective account shifts the parameters of everybody; consider fitting without it.",
                False,
            )
        )
    if horizon_days > T.max():
        findings.append(
            Finding(
                f"the horizon of {horizon_days:,.0f} days is longer than the longest history ({T.max():,.0f} days): "
                "forecasts beyond it rest on the form of the model alone.",
                False,
            )
        )
    return [*findings, *_parameter_findings(functions.title, functions.parameters, functions.in_time, fit)]


def _parameter_findings(title: str, names: tuple[str, ...], in_time: tuple[bool, ...], fit: Fit) -> list[Finding]:
    """Say which parameters ran to a limit, and about which the data say nothing."""
    findings = []
    for name, value, limit in zip(names, fit.params, fit.at_bound, strict=True):
        if limit:
            meaning = _RUNAWAYS[name, fit.towards_infinity[names.index(name)]]
            direction = "infinity" if fit.towards_infinity[names.index(name)] else "zero"
            findings.append(
                Finding(f"{title}: {name} ran towards {direction} (stopped at {value:.3g}): {meaning}.", True)
            )
    # a time runs along with the shape it belongs to, so it would only repeat the finding above
    open_ = [
        name
        for name, flag, limit, timed in zip(names, fit.undetermined, fit.at_bound, in_time, strict=True)
        if flag and not limit and not timed
    ]
    if open_:
        findings.append(
            Finding(
                f"{title}: the data say next to nothing about {' and '.join(open_)}; values 20 times as large or "
                "small would fit as well. There are too few customers, or too little variety among them.",
                True,
            )
        )
    if not fit.converged:
        findings.append(
            Finding(
                f"{title}: the optimiser did not settle; the parameters are the best found, not the best there are. "
                "Likely causes: a few extreme customers, or too little data. Try another purchase_model.",
                True,
            )
        )
    return findings


def rank_correlation(first: Floats, second: Floats) -> float:
    """Return Spearman's rank correlation; 0.0 where one of the two does not vary.

    Examples
    --------
    >>> rank_correlation(np.array([1.0, 2.0, 3.0]), np.array([1.0, 10.0, 100.0]))
    1.0
    """
    from scipy.stats import rankdata  # a slow import, needed in fit only

    ranks = [rankdata(values) for values in (first, second)]
    spread = [float(np.std(r)) for r in ranks]
    if len(first) < 2 or min(spread) == 0:
        return 0.0
    covariance = np.mean((ranks[0] - ranks[0].mean()) * (ranks[1] - ranks[1].mean()))
    return float(covariance / (spread[0] * spread[1]))


def spend_findings(
    fit: Fit, mean_spend: Floats, n_left_out: int, correlation: float, model_mean: float, fallback: float | None
) -> list[Finding]:
    """Examine a spend fit and its data.

    Parameters
    ----------
    fit : Fit
    mean_spend : ndarray of shape (n,)
        Of the repeat customers fitted.
    n_left_out : int
        Repeat customers without positive spend.
    correlation : float
        Rank correlation of frequency and spend.
    model_mean : float
        The population's expected spend by the model; may be infinite.
    fallback : float or None
        What is used in its place, if anything.
    """
    findings = []
    if n_left_out:
        share = n_left_out / (n_left_out + len(mean_spend))
        findings.append(
            Finding(
                f"{count(n_left_out, 'repeat customer')} ({percent(share)}) without a positive monetary_value (zero, "
                "or refunds exceed the spend) left out of the fit of the spend model, and scored as having spent 0.",
                share > MANY_LEFT_OUT,
            )
        )
    if np.ptp(mean_spend) <= 1e-9 * mean_spend.max():
        findings.append(
            Finding(
                f"all repeat customers spend the same per purchase ({money(float(mean_spend[0]))}), which is then "
                "everybody's expected_value. If that is a placeholder, pass the real amounts.",
                False,
            )
        )
    else:
        for name, limit, upwards in zip(("p", "q", "v"), fit.at_bound, fit.towards_infinity, strict=True):
            if limit:
                direction = "infinity" if upwards else "zero"
                findings.append(
                    Finding(f"Gamma-Gamma: {name} ran towards {direction}: {_SPEND_RUNAWAYS[name, upwards]}.", True)
                )
    if fallback is not None:
        said = "infinite (q is at most 1)" if np.isinf(model_mean) else money(model_mean)
        findings.append(
            Finding(
                f"Gamma-Gamma: a few customers spend so much more than the others that the model's mean spend is "
                f"{said}; the observed mean of repeat customers, {money(fallback)}, is used in its place. Check the "
                "largest amounts, or cap them.",
                True,
            )
        )
    if abs(correlation) > SPEND_CORRELATION and len(mean_spend) >= FEW_REPEATERS:
        more = "more" if correlation > 0 else "less"
        findings.append(
            Finding(
                f"frequent customers spend {more} per purchase (rank correlation {correlation:+.2f}), while the "
                "Gamma-Gamma model takes spend and frequency as independent: the value of frequent and of rare "
                "customers is drawn together. Consider one scorer per group.",
                abs(correlation) > STRONG_SPEND_CORRELATION,
            )
        )
    if not fit.converged:
        findings.append(
            Finding("Gamma-Gamma: the optimiser did not settle; expected_value may be off. Check the amounts.", True)
        )
    return findings
