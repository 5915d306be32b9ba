"""In what two runs differ besides their customers, said before anything is compared."""

from __future__ import annotations

import numpy as np

from segmentation._cli._record import Run
from segmentation._format import count, percent

__all__ = ["differences"]

# What an option of the main job changes; those of value make the CLV of both runs mean different things.
OPTIONS = {
    "n_segments": "--segments",
    "horizon_days": "--horizon-days",
    "margin": "--margin",
    "annual_discount_rate": "--annual-discount-rate",
    "refunds": "--refunds",
    "purchase_model": "--purchase-model",
    "random_state": "--random-state",
}
OF_VALUE = ("horizon_days", "margin", "annual_discount_rate")
COLUMNS = {"customer_id": "customers", "timestamp": "times", "amount": "amounts"}
# Amounts that were rounded differ by less; another currency, taxes or cents by more.
SAME_UNIT = 0.002
ENOUGH = 10
# Spans that differ by less are those of months and quarters.
SPAN = 0.05


def differences(old: Run, new: Run) -> list[str]:
    """Return sentences about what differs; nothing where the runs were made alike."""
    return [
        *_of_data(old, new),
        *_of_columns(old, new),
        *_of_options(old, new),
        *_of_unit(old, new),
        *_of_span(old, new),
        *_of_scores(old, new),
    ]


def _of_data(old: Run, new: Run) -> list[str]:
    if old.model_id == new.model_id and old.data_id == new.data_id:
        return ["both folders hold the same run: nothing can have changed between them"]
    return []


def _of_columns(old: Run, new: Run) -> list[str]:
    said = []
    for role, what in COLUMNS.items():
        first, second = old.columns.get(role), new.columns.get(role)
        if first != second and first is not None and second is not None:
            said.append(f"{what} came from column {first!r}, then {second!r}: do both mean the same?")
    if ("amount" in old.columns) != ("amount" in new.columns):
        which = "earlier" if "amount" in old.columns else "later"
        said.append(f"only the {which} run has amounts: spend and value are not compared")
    return said


def _of_options(old: Run, new: Run) -> list[str]:
    said = [
        f"{option} was {old.settings.get(name)}, then {new.settings.get(name)}"
        for name, option in OPTIONS.items()
        if old.settings.get(name) != new.settings.get(name)
    ]
    if any(old.settings.get(name) != new.settings.get(name) for name in OF_VALUE):
        said.append("so the CLV of the two runs does not mean the same, and is not compared")
    return said


def _of_unit(old: Run, new: Run) -> list[str]:
    """Look at customers who bought nothing in between: they have spent the same, unless the unit is another."""
    if "total_spend" not in old.features or "total_spend" not in new.features:
        return []
    both = old.features.index.intersection(new.features.index)
    then, now = old.features.loc[both], new.features.loc[both]
    days = (new.last_day - old.last_day).days
    same = (now["n_purchases"] == then["n_purchases"]) & (
        now["days_since_last_purchase"] - then["days_since_last_purchase"] == days
    )
    same &= (then["total_spend"] > 0) & (now["total_spend"] > 0)
    if same.sum() < ENOUGH:
        return []
    ratios = (now["total_spend"] / then["total_spend"])[same].to_numpy()
    ratio = float(np.median(ratios))
    if abs(ratio - 1) <= SAME_UNIT:
        return []
    return [
        f"amounts are in another unit: {count(int(same.sum()), 'customer')} bought the same in both runs, and their "
        f"spend is {ratio:.4g} times as much in the later one (median). Another currency, taxes, or cents? Spend and "
        "value do not compare"
    ]


def _of_span(old: Run, new: Run) -> list[str]:
    if abs(new.n_days / old.n_days - 1) <= SPAN:
        return []
    which = "later" if new.n_days > old.n_days else "earlier"
    more = max(new.n_days, old.n_days) / min(new.n_days, old.n_days) - 1
    return [
        f"the orders span {count(old.n_days, 'day')}, then {new.n_days:,}: purchases and spend count from the first "
        f"order on, so those of the {which} run are larger by themselves ({percent(more)} more days). Orders of "
        "equally long spans, such as the last twelve months, compare better"
    ]


def _of_scores(old: Run, new: Run) -> list[str]:
    if (old.scores is None) == (new.scores is None):
        return []
    which = "earlier" if new.scores is None else "later"
    return [f"only the {which} run has customer values, so they are not compared"]
