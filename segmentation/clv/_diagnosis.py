"""What in the data makes a fit impossible or doubtful, in plain words: the cause, the consequence, the remedy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from segmentation._format import count, money, percent
from segmentation.clv._optimise import Optimum
from segmentation.clv._rows import Histories
from segmentation.exceptions import FitError

__all__ = [
    "Finding",
    "parameter_findings",
    "purchase_findings",
    "rank_correlation",
    "refuse_purchases",
    "refuse_spend",
    "spend_findings",
]

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
            f"{T.max():,.6g}), a new customer id with every order, or orders cut down to the first of each "
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


def purchase_findings(model: Any, optimum: Optimum, histories: Histories) -> list[Finding]:
    """Examine the fit of a purchase model and its data (unique rows with weights)."""
    findings = []
    x, weights = histories.x, histories.weights
    n_customers = round(float(weights.sum()))
    n_repeaters = round(float(weights[x > 0].sum()))
    if n_repeaters < FEW_REPEATERS:
        findings.append(
            Finding(
                f"only {n_repeaters} of {count(n_customers, 'customer')} {'has' if n_repeaters == 1 else 'have'} "
                f"bought again; below about {FEW_REPEATERS} the parameters are hardly more than a guess. Use a longer "
                "history or more customers.",
                True,
            )
        )
    if n_repeaters == n_customers >= FEW_REPEATERS:
        findings.append(
            Finding(
                "every customer has bought again. If one-time buyers were left out of the table, put them back "
                "(frequency 0, recency 0): the models learn from them how many customers leave.",
                True,
            )
        )
    largest = float(x.max())
    share = largest / float(weights @ x)
    if share > LARGE_SHARE and n_repeaters >= FEW_REPEATERS:
        findings.append(
            Finding(
                f"one customer makes {percent(share)} of all repeat purchases ({largest:,.0f}): a reseller or a "
                "collective account shifts the parameters of everybody; consider fitting without it.",
                False,
            )
        )
    n_params = len(model.parameters)
    names = [*model.parameters, *model._coefficients()]
    return [
        *findings,
        *parameter_findings(model.title, names, model.in_time + (False,) * (len(names) - n_params), optimum),
    ]


def parameter_findings(
    title: str, names: Sequence[str], in_time: Sequence[bool], optimum: Optimum, runaways: Any = None
) -> list[Finding]:
    """Say which parameters ran to a limit, and about which the data say nothing.

    Parameters
    ----------
    title : str
    names : sequence of str
        Of the parameters, then of coefficients.
    in_time : sequence of bool
        Which are times: these run along with the shape they belong to.
    optimum : Optimum
    runaways : mapping of (name, towards infinity) to str, optional
        What it means that a parameter ran to a limit.
    """
    meanings = _RUNAWAYS if runaways is None else runaways
    findings = []
    limits, upwards = optimum.at_bound, optimum.towards_infinity
    for name, limit, up in zip(names, limits, upwards, strict=True):
        if limit:
            direction = "infinity" if up else "zero"
            meaning = meanings.get((name, bool(up)), "the data would have it more extreme than any number")
            findings.append(Finding(f"{title}: {name} ran towards {direction} and was stopped: {meaning}.", True))
    # a time runs along with the shape it belongs to, so it would only repeat the finding above
    open_: list[str] = []
    coefficients: list[str] = []
    for name, flag, limit, timed in zip(names, optimum.undetermined, limits, in_time, strict=True):
        if flag and not limit and not timed:
            (coefficients if name.startswith(("purchase_", "dropout_")) else open_).append(name)
    if coefficients:
        findings.append(
            Finding(
                f"{title}: the data say next to nothing about {' and '.join(coefficients)}: the covariate hardly "
                "varies, or another says the same. Leave one of them out, or use a penalty.",
                True,
            )
        )
    if open_:
        findings.append(
            Finding(
                f"{title}: the data say next to nothing about {' and '.join(open_)}; values 20 times as large or "
                "small would fit as well. There are too few customers, or too little variety among them.",
                True,
            )
        )
    if not optimum.converged:
        findings.append(
            Finding(
                f"{title}: the optimiser did not settle; the parameters are the best found, not the best there are. "
                "Likely causes: a few extreme customers, or too little data. Try another model.",
                True,
            )
        )
    return findings


def rank_correlation(first: Floats, second: Floats, weights: Floats | None = None) -> float:
    """Return Spearman's rank correlation; 0.0 where one of the two does not vary.

    Parameters
    ----------
    first, second : ndarray of shape (n,)
    weights : ndarray of shape (n,), optional
        How many customers each row stands for.

    Examples
    --------
    >>> rank_correlation(np.array([1.0, 2.0, 3.0]), np.array([1.0, 10.0, 100.0]))
    1.0
    """
    w = np.ones(len(first)) if weights is None else weights
    ranks = [_middle_ranks(values, w) for values in (first, second)]
    centred = [r - w @ r / w.sum() for r in ranks]
    squares = [float(w @ c**2) for c in centred]
    if len(first) < 2 or min(squares) <= 1e-18 * float(w.sum()) ** 2:
        return 0.0
    return float(np.clip(w @ (centred[0] * centred[1]) / np.sqrt(squares[0] * squares[1]), -1.0, 1.0))


def _middle_ranks(values: Floats, weights: Floats) -> Floats:
    """Return ranks, ties at their middle, where a row stands for several customers."""
    _, places = np.unique(values, return_inverse=True)
    totals = np.bincount(places, weights)
    return np.asarray((np.cumsum(totals) - totals / 2)[places])


def spend_findings(
    optimum: Optimum,
    frequency: Floats,
    mean_spend: Floats,
    weights: Floats,
    n_left_out: float,
    model_mean: float,
    fallback: float | None,
    q: float,
) -> list[Finding]:
    """Examine a spend fit and its data.

    Parameters
    ----------
    optimum : Optimum
    frequency, mean_spend, weights : ndarray of shape (n,)
        Of the repeat customers fitted.
    n_left_out : float
        Repeat customers without positive spend.
    model_mean : float
        The population's expected spend by the model; may be infinite.
    fallback : float or None
        What is used in its place, if anything.
    q : float
        Shape of the distribution of customers' rates.
    """
    findings = []
    n_fitted = round(float(weights.sum()))
    if n_left_out:
        share = n_left_out / (n_left_out + n_fitted)
        findings.append(
            Finding(
                f"{count(round(n_left_out), 'repeat customer')} ({percent(share)}) without a positive monetary_value "
                "(zero, or refunds exceed the spend) left out of the fit of the spend model, and scored as having "
                "spent 0.",
                share > MANY_LEFT_OUT,
            )
        )
    if np.ptp(mean_spend) <= 1e-9 * mean_spend.max():
        if n_fitted == 1:
            text = (
                f"only one repeat customer has a spend ({money(float(mean_spend[0]))}), which is then everybody's "
                "expected_value."
            )
        else:
            text = (
                f"all repeat customers spend the same per purchase ({money(float(mean_spend[0]))}), which is then "
                "everybody's expected_value. If that is a placeholder, pass the real amounts."
            )
        findings.append(Finding(text, n_fitted == 1))
    else:
        for name, limit, upwards in zip(("p", "q", "v"), optimum.at_bound, optimum.towards_infinity, strict=True):
            if limit:
                direction = "infinity" if upwards else "zero"
                findings.append(
                    Finding(
                        f"Gamma-Gamma: {name} ran towards {direction}: {_SPEND_RUNAWAYS[name, bool(upwards)]}.", True
                    )
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
    elif q <= 2.0:
        findings.append(
            Finding(
                f"Gamma-Gamma: the variance of spend is infinite (q is {q:.3g}, at most 2): totals and their intervals "
                "hang on a few customers. Check the largest amounts, or cap them.",
                False,
            )
        )
    correlation = rank_correlation(frequency, mean_spend, weights)
    if abs(correlation) > SPEND_CORRELATION and n_fitted >= FEW_REPEATERS:
        more = "more" if correlation > 0 else "less"
        findings.append(
            Finding(
                f"frequent customers spend {more} per purchase (rank correlation {correlation:+.2f}), while the "
                "Gamma-Gamma model takes spend and frequency as independent: the value of frequent and of rare "
                "customers is drawn together. Consider one scorer per group.",
                abs(correlation) > STRONG_SPEND_CORRELATION,
            )
        )
    if not optimum.converged:
        findings.append(
            Finding("Gamma-Gamma: the optimiser did not settle; expected_value may be off. Check the amounts.", True)
        )
    return findings
