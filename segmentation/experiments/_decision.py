"""From effects to decisions: what treating a segment is expected to bring, and how likely it loses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import count, money, name_some, percent
from segmentation._results import Result
from segmentation.experiments._moments import Floats
from segmentation.experiments._pooling_result import PooledEffects
from segmentation.experiments._vectors import per_segment

__all__ = ["SegmentDecisions", "decide_segments"]

TREAT, LEAVE, TEST, UNKNOWN = "treat", "do not treat", "test further", "no estimate"


@dataclass(frozen=True, repr=False, eq=False)
class SegmentDecisions(Result):
    """Which segments to treat.

    Attributes
    ----------
    headline : str
    table : pandas.DataFrame
        Index ``segment``: ``customers``, ``effect`` (pooled), ``value`` (per customer, after cost) with ``value_low``,
        ``value_high``, ``total`` with bounds (all its customers), ``probability_of_loss`` (that treating costs more
        than it brings), ``expected_loss_if_wrong`` (what a wrong choice of the better action is expected to cost, over
        all its customers: the most that knowing the truth could be worth), ``best_now``, ``decision``.
    total : mapping
        ``mean``, ``low``, ``high``, ``probability_of_loss`` of treating all segments whose decision is "treat";
        ``best_now`` likewise of those that are better treated as far as is known.
    settings : mapping
    warnings : tuple of str
    """

    headline: str
    table: pd.DataFrame
    total: Mapping[str, Mapping[str, float]]
    settings: Mapping[str, Any]
    warnings: tuple[str, ...]

    def segments(self, decision: str) -> list[Any]:
        """Return the segments of one decision: "treat", "do not treat" or "test further"."""
        known = [TREAT, LEAVE, TEST, UNKNOWN]
        if decision not in known:
            raise ValueError(f"decision must be one of {name_some(known)}, got {decision!r}.")
        return list(self.table.index[self.table["decision"] == decision])

    def _facts(self) -> dict[str, Any]:
        return {
            "headline": self.headline, "table": self.table.reset_index(),
            "total": {name: dict(values) for name, values in self.total.items()}, "settings": self.settings,
            "warnings": self.warnings,
        }  # fmt: skip

    def plot(self, ax: Any = None, **kwargs: Any) -> Any:
        """Draw value and probability of loss by segment; arguments as in `DecisionDisplay.from_decisions`."""
        from segmentation.experiments._decision_display import DecisionDisplay

        return DecisionDisplay.from_decisions(self, **kwargs).plot(ax).ax_

    def __str__(self) -> str:
        shown = self.table.to_string(float_format="{:.4g}".format)
        return "\n".join([self.headline, "", shown, "", *(f"Note: {text}" for text in self.warnings)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        notes = "".join(f"<p>Note: {escape(text)}</p>" for text in self.warnings)
        return f"<p>{escape(self.headline)}</p>{self.table.to_html(float_format='{:.4g}'.format)}{notes}"


def decide_segments(
    pooled: PooledEffects, *, customers: Any, margin: Any = 1.0, cost: Any = 0.0, certainty: float = 0.9
) -> SegmentDecisions:
    """Decide per segment whether to treat it, by what it is expected to bring after the cost of contact.

    Effects are the pooled ones: a segment is not treated because it happened to come out on top.

    Parameters
    ----------
    pooled : PooledEffects
        From `pool_effects`, of one outcome and arm. Effects are per customer treated (intention to treat: per customer
        assigned).
    customers : mapping, Series, array of shape (segments,), or number
        Who would be treated: customers of the segment, not of the experiment.
    margin : number or per segment, default=1.0
        Money per unit of the outcome: contribution margin of an order, share of the spend that remains. 1.0 where the
        outcome is money already. Below 0 where more of the outcome costs money (returns, churn); the warnings say so.
    cost : number or per segment, default=0.0
        Of treating one customer (contact, incentive), in the same money.
    certainty : float, default=0.9
        How sure a decision has to be: with a probability of loss up to 1 - certainty a segment is treated, from
        certainty on it is not; between them more testing is advised. .5 decides everywhere by the expected value.

    Returns
    -------
    SegmentDecisions

    Raises
    ------
    TypeError
        If `pooled` is no result of `pool_effects`.
    ValueError
        If customers, margins or costs are missing or infinite, customers or costs negative, or a margin is 0.

    Notes
    -----
    Per customer the value is ``margin * effect - cost``; its distribution is a mixture of normals, in which all figures
    are computed, not simulated. Totals over segments keep that effects share their mean. The experiment's customers are
    taken to respond as those to be treated, margin and cost as known.

    "test further" is advice about certainty. Whether a test pays its own cost is weighed by ``expected_loss_if_wrong``:
    a test worth more than that does not exist.

    Examples
    --------
    >>> from segmentation.experiments import decide_segments, pool_effects
    >>> lifts = pool_effects({"new": 2.1, "regular": 1.0, "lapsed": -0.4}, {"new": 0.4, "regular": 0.4, "lapsed": 0.4})
    >>> plan = decide_segments(lifts, customers={"new": 1000, "regular": 5000, "lapsed": 2000}, margin=0.5, cost=0.4)
    >>> plan.table["decision"].to_dict()
    {'new': 'treat', 'regular': 'test further', 'lapsed': 'do not treat'}
    """
    if not isinstance(pooled, PooledEffects):
        raise TypeError(
            f"decisions rest on pooled effects: give the result of pool_effects(...), got {type(pooled).__name__}."
        )
    if isinstance(certainty, bool) or not isinstance(certainty, int | float) or not 0.5 <= certainty < 1:
        raise ValueError(f"certainty must be .5 or more and below 1, got {certainty!r}.")
    names = pooled.table.index
    size, price = (_checked(values, what, names) for values, what in ((customers, "customers"), (cost, "cost")))
    gain = _checked(margin, "margin", names, negative=True)
    if (gain == 0).any():
        raise ValueError(f"margin is 0 in segments {name_some(names[gain == 0])}: nothing they do is worth anything.")
    known = pooled.table["pooled"].notna().to_numpy()
    table = _table(pooled, known, size, gain, price, certainty)
    total = {
        "treat": _total(pooled, known, size, gain, price, (table["decision"] == TREAT).to_numpy()),
        "best_now": _total(pooled, known, size, gain, price, (table["best_now"] == TREAT).to_numpy()),
    }
    settings = {
        "certainty": certainty, "level": pooled.settings["level"], "pooled": pooled.pooled,
        "margin": _plain(gain), "cost": _plain(price), "n_customers": float(size.sum()),
    }  # fmt: skip
    notes = _notes(pooled, table, certainty)
    if (gain < 0).any():
        notes.append(f"the margin is below 0 in {name_some(names[gain < 0])}: more of the outcome costs money there.")
    return SegmentDecisions(_headline(table, total, size), table, total, settings, tuple(notes))


def _checked(values: Any, what: str, names: pd.Index[Any], *, negative: bool = False) -> Floats:
    numbers = per_segment(values, what, names)
    bad = ~np.isfinite(numbers) | ((numbers < 0) & (not negative))
    if bad.any():
        kind = "finite numbers" if negative else "numbers of 0 and more"
        raise ValueError(
            f"{what} must be {kind} for every segment, got {name_some(numbers[bad])} in {name_some(names[bad])}."
        )
    return numbers


def _plain(values: Floats) -> float | list[float]:
    return float(values[0]) if np.all(values == values[0]) else values.tolist()


def _table(
    pooled: PooledEffects, known: Any, size: Floats, gain: Floats, price: Floats, certainty: float
) -> pd.DataFrame:
    tail = (1 - pooled.settings["level"]) / 2
    value = pooled._posterior.effects().moved(gain[known], -price[known])
    mean, n = value.expectation(), size[known]
    loss = value.cdf(0.0)
    columns: dict[str, Any] = {
        "value": mean, "value_low": value.quantile(tail), "value_high": value.quantile(1 - tail),
    }  # fmt: skip
    columns |= {name.replace("value", "total"): n * values for name, values in columns.items()}
    columns["probability_of_loss"] = loss
    columns["expected_loss_if_wrong"] = n * np.maximum(value.positive_part() - np.maximum(mean, 0.0), 0.0)
    made = pd.DataFrame({"customers": size, "effect": pooled.table["pooled"]}, index=pooled.table.index)
    for name, values in columns.items():
        made[name] = np.nan
        made.loc[known, name] = values
    best = np.full(len(made), UNKNOWN, dtype=object)
    best[known] = np.where(mean > 0, TREAT, LEAVE)
    decision = best.copy()
    # at .5 the probability and the expected value can point to different actions; there the value decides
    sure = np.where(mean > 0, loss <= 1 - certainty, loss >= certainty) | (certainty == 0.5)
    decision[known] = np.where(sure, best[known], TEST)
    return made.assign(best_now=best, decision=decision)


def _total(
    pooled: PooledEffects, known: Any, size: Floats, gain: Floats, price: Floats, chosen: Any
) -> dict[str, float]:
    factors = np.where(chosen, size * gain, 0.0)[known]
    spent = float(np.sum((size * price)[chosen]))
    if not np.any(factors):
        return {"mean": 0.0, "low": 0.0, "high": 0.0, "probability_of_loss": 0.0, "cost": 0.0}
    value = pooled._posterior.combined(factors).moved(1.0, -spent)
    tail = (1 - pooled.settings["level"]) / 2
    return {
        "mean": value.expectation().item(), "low": value.quantile(tail).item(), "high": value.quantile(1 - tail).item(),
        "probability_of_loss": value.cdf(0.0).item(), "cost": spent,
    }  # fmt: skip


def _headline(table: pd.DataFrame, total: Mapping[str, Mapping[str, float]], size: Floats) -> str:
    parts = []
    for decision in (TREAT, LEAVE, TEST, UNKNOWN):
        names = list(table.index[table["decision"] == decision])
        if names:
            parts.append(f"{decision}: {name_some(names)}")
    text = f"{'; '.join(parts)}."
    found = total["treat"]
    if (table["decision"] == TREAT).any():
        n = float(size[(table["decision"] == TREAT).to_numpy()].sum())
        text += (
            f" Treating {n:,.0f} customers is expected to bring {money(found['mean'])} after cost "
            f"({money(found['low'])} to {money(found['high'])}), "
            f"a loss with probability {percent(found['probability_of_loss'])}."
        )
    return text


def _notes(pooled: PooledEffects, table: pd.DataFrame, certainty: float) -> list[str]:
    notes = [
        "those to be treated are taken to respond as the experiment's customers did; margin and cost as known.",
    ]
    unsure = table[table["decision"] == TEST]
    if len(unsure):
        worth = float(unsure["expected_loss_if_wrong"].sum())
        treated = list(unsure.index[unsure["best_now"] == TREAT])
        until = f"treat {name_some(treated)} of them" if treated else "treat none of them"
        notes.append(
            f"{count(len(unsure), 'segment')} less than {percent(certainty)} sure either way; knowing the truth would "
            f"be worth {money(worth)} at most, and a test has to cost less. Without one, {until}."
        )
    if not pooled.pooled:
        notes.append(
            "effects are not pooled (fewer than three segments), so the best-looking one is likely over-estimated."
        )
    missing = list(table.index[table["decision"] == UNKNOWN])
    if missing:
        notes.append(f"no decision for {name_some(missing)}: without an estimate.")
    return [*notes, *(text for text in pooled.warnings if "stands alone" in text)]
