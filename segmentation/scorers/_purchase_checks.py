"""Checks of a table of purchases before anything is fitted to it: what the models need, and what they assume."""

from __future__ import annotations

import html
import math
import numbers
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import column_difference, count, money, number, percent
from segmentation._validation import as_customers
from segmentation.clv._diagnosis import rank_correlation
from segmentation.exceptions import ColumnError
from segmentation.scorers._purchase_table import PurchaseTable, looks_like_rfm, read_purchases

__all__ = ["PurchaseCheck", "PurchaseChecks", "check_purchases"]

Floats = NDArray[np.float64]
Status = Literal["ok", "note", "doubtful", "impossible"]

WHO = "check_purchases"

# Repeat customers: below the first a fit is hardly more than a guess, below the second its parameters are rough.
FEW_REPEATERS, SOME_REPEATERS = 30, 100
# One customer with this share of all repeat purchases, or of all repeat spend, is no ordinary buyer.
LARGE_SHARE = 0.2
# Rank correlation of spend and frequency from which it is mentioned, and from which it is a reason for doubt.
SPEND_CORRELATION, STRONG_SPEND_CORRELATION = 0.3, 0.5
# Share of the repeat customers without positive spend from which the spend model is doubtful.
MANY_WITHOUT_SPEND = 0.1
# A quiet end: so unlikely at the pace just before it, and longer than a weekend; two weeks are no holiday any more.
QUIET_CHANCE, QUIET_DAYS, LONG_QUIET_DAYS = 1e-3, 3.0, 14.0
PACE_OF = 30
# Share of the first purchases in the first tenth of the history from which old customers are suspected among them.
SURGE_PART, SURGE_SHARE = 0.1, 0.2
# Within so many days before the end many repeat customers' usual gap lies, if history is long enough.
GAPS_IN_HISTORY, FEW_GAPS_IN_HISTORY = 2.0, 1.0
WIDTH = 130
N_PERMUTATIONS, LARGE_SAMPLE = 999, 100


@dataclass(frozen=True)
class PurchaseCheck:
    """One check: its name, its status, what was found, the figures behind it, and what to do."""

    name: str
    status: Status
    finding: str
    evidence: dict[str, float]
    advice: str = ""


@dataclass(frozen=True, repr=False)
class PurchaseChecks:
    """What a table of purchases allows, check by check.

    A status is ``"ok"``; ``"note"``, worth knowing; ``"doubtful"``, a fit is possible but not to be trusted before
    the advice was followed; or ``"impossible"``, there is nothing to fit.

    Attributes
    ----------
    checks : tuple of PurchaseCheck
        Each with ``name``, ``status``, ``finding`` in words, ``evidence`` (figures by name) and ``advice`` (empty
        where all is well).
    n_customers : int
    horizon_days : float
    """

    checks: tuple[PurchaseCheck, ...]
    n_customers: int
    horizon_days: float

    @property
    def passed(self) -> bool:
        """Whether no check is doubtful or impossible."""
        return all(check.status in {"ok", "note"} for check in self.checks)

    def __getitem__(self, name: str) -> PurchaseCheck:
        for check in self.checks:
            if check.name == name:
                return check
        raise KeyError(f"no check {name!r}; there are {', '.join(check.name for check in self.checks)}.")

    def to_pandas(self) -> pd.DataFrame:
        """Return a table, index ``check``: ``status``, ``finding``, ``advice`` and ``evidence`` (dicts)."""
        columns = ("status", "finding", "advice", "evidence")
        values = {name: pd.Series([getattr(c, name) for c in self.checks], dtype=object) for name in columns}
        return pd.DataFrame(values).set_axis(pd.Index([check.name for check in self.checks], name="check"))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that can be written as JSON."""
        rows = [{"name": name, **row.to_dict()} for name, row in self.to_pandas().iterrows()]
        return {
            "n_customers": self.n_customers,
            "horizon_days": self.horizon_days,
            "passed": self.passed,
            "checks": [{**row, "evidence": dict(row["evidence"])} for row in rows],
        }

    def __str__(self) -> str:
        width = max(len(check.name) for check in self.checks)
        lines = [self._headline()]
        for check in self.checks:
            lines.append(f"  {check.status:<10}  {check.name:<{width}}  {check.finding}")
            if check.advice:
                margin = " " * (width + 16)
                lines.append(
                    textwrap.fill(f"-> {check.advice}", WIDTH, initial_indent=margin, subsequent_indent=f"{margin}   ")
                )
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        rows = "".join(
            "<tr>" + "".join(f"<td style='text-align:left'>{html.escape(text)}</td>" for text in cells) + "</tr>"
            for cells in ((c.status, c.name, c.finding, c.advice) for c in self.checks)
        )
        head = "".join(f"<th>{name}</th>" for name in ("status", "check", "finding", "advice"))
        return f"<table><caption>{html.escape(self._headline())}</caption><tr>{head}</tr>{rows}</table>"

    def _headline(self) -> str:
        verdict = "nothing speaks against a fit" if self.passed else self._verdict()
        return f"{count(self.n_customers, 'customer')}, horizon {self.horizon_days:,.0f} days: {verdict}"

    def _verdict(self) -> str:
        named = {
            status: ", ".join(check.name for check in self.checks if check.status == status)
            for status in ("impossible", "doubtful")
        }
        return "; ".join(f"{status}: {names}" for status, names in named.items() if names)


def check_purchases(purchases: Any, *, horizon_days: float = 365, spend: bool = True) -> PurchaseChecks:
    """Check a table of purchases before a `CLVScorer` is fitted to it.

    Parameters
    ----------
    purchases : dataframe
        From `segmentation.features.btyd_table`: ``frequency``, ``recency``, ``T`` and, with `spend`,
        ``monetary_value``, one row per customer; times in days. The calibration columns of `calibration_holdout`
        serve as well.
    horizon_days : float, default=365
        How far the forecast is to look.
    spend : bool, default=True
        Whether spend is to be modelled too.

    Returns
    -------
    PurchaseChecks
        Print it. ``passed`` tells whether no check is doubtful or impossible.

    Raises
    ------
    ColumnError, CustomerTableError
        If columns are missing or hold values that cannot be, as `CLVScorer`: that is an error in the table, no
        finding.
    ValueError
        If the table is empty or `horizon_days` no positive number.

    Notes
    -----
    ============================ ==================================================================================
    check                        asks
    ============================ ==================================================================================
    ``time_observed``            was anybody observed for any time?
    ``repeat_customers``         are there 30 who bought again? 100 for parameters that are more than rough
    ``one_time_buyers``          are there any? without them the models learn too little about leaving
    ``history_for_horizon``      is the horizon no longer than the longest history?
    ``history_for_rhythm``       is the median T two usual gaps between purchases long?
    ``quiet_end``                did somebody buy shortly before the end? a gap there, with a chance below 1 in
                                 1,000 at the pace just before it, means an end too late or missing orders, and
                                 everybody looks a little more lost; over two weeks it is doubtful
    ``old_customers_as_new``     does a fifth of the first purchases lie in the first tenth of the history?
    ``one_cohort``               do customers differ in T?
    ``one_customer``             does nobody make a fifth of all repeat purchases?
    ``positive_spend``           do repeat customers have a positive ``monetary_value``? doubtful from 10 % without
    ``spend_varies``             or is it the same for all?
    ``spend_of_one``             does nobody make a fifth of all repeat spend?
    ``spend_and_frequency``      does spend per purchase depend on frequency? The Gamma-Gamma model takes them as
                                 independent. Spearman's rank correlation: a note beyond 0.3, doubtful beyond 0.5, by
                                 its size and not by its p-value, which is small for any dependence in a large table
    ============================ ==================================================================================

    Where a check has nothing to look at (no repeat customer, for instance), it is left out. The thresholds are
    conventions, not theorems. The chance of a quiet end takes the last purchases of the customers who bought last as
    a Poisson stream; seasons and holidays are not known to it. The p-value of ``spend_and_frequency`` is that of the
    normal approximation, below 100 customers of 999 permutations.

    Examples
    --------
    >>> from segmentation import datasets, features
    >>> from segmentation.scorers import check_purchases
    >>> purchases = features.btyd_table(
    ...     datasets.load_cdnow(), customer_id="customer_id", timestamp="timestamp", amount="amount",
    ...     observation_end="1997-09-30")
    >>> found = check_purchases(purchases, horizon_days=270)
    >>> found.passed
    True
    >>> found["repeat_customers"].finding
    '946 of 2,357 customers have bought again'
    """
    is_number = isinstance(horizon_days, numbers.Real) and not isinstance(horizon_days, bool)
    if not is_number or not math.isfinite(horizon_days) or horizon_days <= 0:
        raise ValueError(f"horizon_days must be a positive number, got {horizon_days!r}.")
    table = as_customers(purchases)
    needed = ["frequency", "recency", "T", *(["monetary_value"] if spend else [])]
    if any(name not in table.columns for name in needed):
        hint = (
            " This looks like an RFM table; make this one with segmentation.features.btyd_table from the same orders."
            if looks_like_rfm(table.columns)
            else ""
        )
        hint += " Without money: spend=False." if spend and all(n in table.columns for n in needed[:3]) else ""
        raise ColumnError(f"{WHO} {column_difference(needed, list(table.columns))}.{hint}")
    if table.empty:
        raise ValueError(f"{WHO}: the table has no customers. Check the filter that made it.")
    customers = read_purchases(table, WHO, spend=spend)
    raw = table["monetary_value"].to_numpy(np.float64, na_value=np.nan) if spend else None
    checks = (*_purchase_checks(customers, float(horizon_days)), *_spend_checks(customers, raw))
    return PurchaseChecks(checks=checks, n_customers=len(table), horizon_days=float(horizon_days))


def _purchase_checks(customers: PurchaseTable, horizon: float) -> Iterator[PurchaseCheck]:
    x, t_x, T = customers.frequency, customers.recency, customers.T
    yield _time_observed(T)
    yield _repeat_customers(x)
    if not T.any():
        return
    yield _history_for_horizon(T, horizon)
    if x.any():
        yield _one_time_buyers(x)
        yield _history_for_rhythm(x, t_x, T)
        yield _one_customer(x)
    if len(x) >= FEW_REPEATERS:
        yield _quiet_end(T - t_x)
        yield from (check(T) for check in _COHORT_CHECKS)


def _time_observed(T: Floats) -> PurchaseCheck:
    evidence = {"median_T_days": float(np.median(T)), "longest_T_days": float(T.max())}
    if not T.any():
        return PurchaseCheck(
            "time_observed",
            "impossible",
            "T is 0 for everybody: all first purchases are on the last day observed",
            evidence,
            "Use a longer history, and check that observation_end is not too early.",
        )
    finding = f"observed for up to {T.max():,.0f} days, half of the customers for {np.median(T):,.0f} or more"
    return PurchaseCheck("time_observed", "ok", finding, evidence)


def _repeat_customers(x: Floats) -> PurchaseCheck:
    n = int((x > 0).sum())
    verb = "has" if n == 1 else "have"
    finding = f"{n:,} of {count(len(x), 'customer')} {verb} bought again"
    evidence = {"n_customers": float(len(x)), "n_repeaters": float(n), "share": n / len(x)}
    if n == 0:
        advice = (
            "Use a longer history; check that ids are not new with every order, and that orders are not cut down "
            "to the first of each customer."
        )
        return PurchaseCheck("repeat_customers", "impossible", finding, evidence, advice)
    if n < FEW_REPEATERS:
        advice = "Use a longer history or more customers: parameters would be hardly more than a guess."
        return PurchaseCheck("repeat_customers", "doubtful", finding, evidence, advice)
    if n < SOME_REPEATERS:
        advice = "Expect rough parameters; totals and rankings are safer than forecasts of single customers."
        return PurchaseCheck("repeat_customers", "note", finding, evidence, advice)
    return PurchaseCheck("repeat_customers", "ok", finding, evidence)


def _one_time_buyers(x: Floats) -> PurchaseCheck:
    n = int((x == 0).sum())
    evidence = {"n_one_time_buyers": float(n), "share": n / len(x)}
    if n == 0 and len(x) >= FEW_REPEATERS:
        return PurchaseCheck(
            "one_time_buyers",
            "doubtful",
            f"all {count(len(x), 'customer')} have bought again",
            evidence,
            "If one-time buyers were left out, put them back (frequency 0, recency 0): the models learn from them how "
            "many customers leave.",
        )
    finding = f"{count(n, 'customer')} ({percent(n / len(x))}) bought once"
    return PurchaseCheck("one_time_buyers", "ok", finding, evidence)


def _history_for_horizon(T: Floats, horizon: float) -> PurchaseCheck:
    longest = float(T.max())
    evidence = {"horizon_days": horizon, "longest_T_days": longest, "ratio": horizon / longest}
    finding = f"horizon {horizon:,.0f} days, longest history {longest:,.0f} days"
    if horizon <= longest:
        return PurchaseCheck("history_for_horizon", "ok", finding, evidence)
    advice = f"Forecast at most {longest:,.0f} days: beyond them it rests on the form of the model alone."
    status: Status = "doubtful" if horizon > 2 * longest else "note"
    return PurchaseCheck("history_for_horizon", status, finding, evidence, advice)


def _history_for_rhythm(x: Floats, t_x: Floats, T: Floats) -> PurchaseCheck:
    repeat = x > 0
    gap, history = float(np.median(t_x[repeat] / x[repeat])), float(np.median(T))
    gaps = history / gap
    evidence = {"median_gap_days": gap, "median_T_days": history, "gaps_in_history": gaps}
    finding = f"repeat customers usually wait {number(round(gap, 1))} days; half of all are observed for {history:,.0f}"
    if gaps >= GAPS_IN_HISTORY:
        return PurchaseCheck("history_for_rhythm", "ok", finding, evidence)
    return PurchaseCheck(
        "history_for_rhythm",
        "doubtful" if gaps < FEW_GAPS_IN_HISTORY else "note",
        finding,
        evidence,
        "Use a longer history: many customers were observed too briefly to tell who is between purchases from who "
        "has left.",
    )


def _one_customer(x: Floats) -> PurchaseCheck:
    share = float(x.max() / x.sum())
    evidence = {"largest_frequency": float(x.max()), "share": share}
    finding = f"the most frequent buyer makes {percent(share)} of all repeat purchases ({x.max():,.0f})"
    if share <= LARGE_SHARE or (x > 0).sum() < FEW_REPEATERS:
        return PurchaseCheck("one_customer", "ok", finding, evidence)
    advice = "Fit without it if it is a reseller or a collective account: it shifts the parameters of everybody."
    return PurchaseCheck("one_customer", "note", finding, evidence, advice)


def _quiet_end(since_last: Floats) -> PurchaseCheck:
    """Compare the days without any purchase at the end with the pace of last purchases just before them."""
    latest = np.sort(since_last)[: PACE_OF + 1]
    gap, span = float(latest[0]), float(latest[-1] - latest[0])
    # gap and span are waiting times of one stream: the share of the gap follows a beta law with one and n intervals
    chance = (span / (gap + span)) ** (len(latest) - 1) if gap > 0 else 1.0
    evidence = {"days_without_purchase": gap, "chance": float(chance)}
    finding = "somebody bought on the last day" if gap == 0 else f"nobody bought in the last {gap:,.0f} days"
    if chance >= QUIET_CHANCE or gap <= QUIET_DAYS:
        return PurchaseCheck("quiet_end", "ok", finding, evidence)
    return PurchaseCheck(
        "quiet_end",
        "doubtful" if gap > LONG_QUIET_DAYS else "note",
        finding,
        evidence,
        "Set observation_end to the last day for which the orders are complete, or add the missing orders: as it is, "
        "everybody looks more lost than they are.",
    )


def _old_customers_as_new(T: Floats) -> PurchaseCheck:
    longest = float(T.max())
    share = float(((1 - SURGE_PART) * longest <= T).mean())
    evidence = {"share_of_first_purchases": share, "part_of_history": SURGE_PART}
    finding = f"{percent(share)} of the first purchases lie in the first tenth of the history"
    if share < SURGE_SHARE or np.ptp(T) == 0:
        return PurchaseCheck("old_customers_as_new", "ok", finding, evidence)
    advice = (
        "If the shop is older than the orders, these are old customers whose first purchase is not in the data: "
        "their T is too short. Start from customers known to be new, if that matters; a cohort chosen so is fine."
    )
    return PurchaseCheck("old_customers_as_new", "note", finding, evidence, advice)


def _one_cohort(T: Floats) -> PurchaseCheck:
    evidence = {"shortest_T_days": float(T.min()), "longest_T_days": float(T.max())}
    if np.ptp(T) > 0:
        finding = f"T runs from {T.min():,.0f} to {T.max():,.0f} days"
        return PurchaseCheck("one_cohort", "ok", finding, evidence)
    advice = "Right for a cohort. If customers began at different times, T was computed wrongly: use btyd_table."
    return PurchaseCheck("one_cohort", "note", f"T is {T[0]:,.0f} days for everybody", evidence, advice)


_COHORT_CHECKS: Sequence[Callable[[Floats], PurchaseCheck]] = (_old_customers_as_new, _one_cohort)


def _spend_checks(customers: PurchaseTable, raw: Floats | None) -> Iterator[PurchaseCheck]:
    if raw is None or customers.mean_spend is None or not customers.frequency.any():
        return
    repeat = customers.frequency > 0
    usable = customers.mean_spend > 0
    yield _positive_spend(raw[repeat])
    if not usable.any():
        return
    x, spend = customers.frequency[usable], customers.mean_spend[usable]
    varies = bool(np.ptp(spend) > 1e-9 * spend.max())
    yield _spend_varies(spend, varies)
    if varies and len(spend) >= FEW_REPEATERS:
        yield _spend_of_one(x, spend)
        yield _spend_and_frequency(x, spend)


def _positive_spend(spend: Floats) -> PurchaseCheck:
    zero, negative = int((spend == 0).sum()), int((spend < 0).sum())
    share = (zero + negative) / len(spend)
    evidence = {"n_zero": float(zero), "n_negative": float(negative), "share": share}
    if not zero + negative:
        finding = "all repeat customers have a positive monetary_value"
        return PurchaseCheck("positive_spend", "ok", finding, evidence)
    finding = (
        f"of {count(len(spend), 'repeat customer')} {zero:,} have spent 0 and {negative:,} less than 0, by refunds"
    )
    if share == 1:
        advice = "Check the amounts and their sign, or score without money: CLVScorer(spend_model=None)."
        return PurchaseCheck("positive_spend", "impossible", finding, evidence, advice)
    advice = (
        "They are left out of the fit of spend and scored as spending 0; check that free orders and refunds are meant."
    )
    status: Status = "doubtful" if share > MANY_WITHOUT_SPEND else "note"
    return PurchaseCheck("positive_spend", status, finding, evidence, advice)


def _spend_varies(spend: Floats, varies: bool) -> PurchaseCheck:
    evidence = {"smallest": float(spend.min()), "median": float(np.median(spend)), "largest": float(spend.max())}
    if varies:
        finding = (
            f"mean spend per purchase from {money(spend.min())} to {money(spend.max())}, "
            f"median {money(float(np.median(spend)))}"
        )
        return PurchaseCheck("spend_varies", "ok", finding, evidence)
    finding = f"all repeat customers spend {money(float(spend[0]))} per purchase"
    advice = "If that is a placeholder, pass the real amounts; if it is a price, score purchases alone."
    return PurchaseCheck("spend_varies", "note", finding, evidence, advice)


def _spend_of_one(x: Floats, spend: Floats) -> PurchaseCheck:
    totals = x * spend
    share = float(totals.max() / totals.sum())
    evidence = {"largest_total": float(totals.max()), "share": share}
    finding = f"the largest customer makes {percent(share)} of all repeat spend ({money(float(totals.max()))})"
    if share <= LARGE_SHARE:
        return PurchaseCheck("spend_of_one", "ok", finding, evidence)
    advice = "Look at this customer by hand: a total of which it is a part says little about the others."
    return PurchaseCheck("spend_of_one", "note", finding, evidence, advice)


def _spend_and_frequency(x: Floats, spend: Floats) -> PurchaseCheck:
    rho = rank_correlation(x, spend)
    p = _p_value(x, spend, rho)
    once, often = spend[x == 1], spend[x >= np.quantile(x, 0.9)]
    evidence = {"rank_correlation": rho, "p_value": p}
    compared = ""
    if len(once) and x.max() > 1:
        ratio = float(often.mean() / once.mean())
        evidence["spend_of_frequent_to_rare"] = ratio
        compared = f"; the most frequent tenth spends {ratio:.2f} times as much per purchase as who came back once"
    chance = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
    finding = f"rank correlation of spend per purchase and frequency {rho:+.2f} ({chance}){compared}"
    if abs(rho) <= SPEND_CORRELATION:
        return PurchaseCheck("spend_and_frequency", "ok", finding, evidence)
    return PurchaseCheck(
        "spend_and_frequency",
        "doubtful" if abs(rho) > STRONG_SPEND_CORRELATION else "note",
        finding,
        evidence,
        "Gamma-Gamma takes them as independent and draws frequent and rare customers' value together: fit one scorer "
        "per group, and check its value by decile with backtest_clv.",
    )


def _p_value(x: Floats, spend: Floats, rho: float) -> float:
    """Return the two-sided p-value of a rank correlation of 0."""
    if len(x) >= LARGE_SAMPLE:
        return math.erfc(abs(rho) * math.sqrt((len(x) - 1) / 2))
    rng = np.random.default_rng(0)  # the same table gives the same answer
    shuffled = [abs(rank_correlation(rng.permutation(x), spend)) for _ in range(N_PERMUTATIONS)]
    return float((1 + np.sum(np.array(shuffled) >= abs(rho) - 1e-12)) / (1 + N_PERMUTATIONS))
