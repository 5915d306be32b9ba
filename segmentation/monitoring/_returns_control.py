"""What came of an action beyond what a control group of the same segment and period did without it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from segmentation._format import count, name_some
from segmentation.monitoring._ledger_entry import AMOUNTS

__all__ = ["SUMS", "beside_controls"]

SUMS = ("n_entries", *AMOUNTS, *(f"stated_{name}" for name in AMOUNTS))
PLACE = ["segment", "action", "period"]


def beside_controls(cells: pd.DataFrame, *, units: bool) -> tuple[pd.DataFrame, list[str]]:
    """Put beside each treated segment, action and period what its control group leads to expect.

    The control of the same segment, action and period is taken; where there is none, that of the segment and period
    without an action. Its outcome and cost are scaled by the numbers of customers.

    Returns
    -------
    pandas.DataFrame
        The treated, by segment, action, period (and unit): the sums, ``controlled`` (whether there is a usable
        control), ``incremental_outcome`` and ``incremental_cost`` (0 where not), ``controlled_cost``.
    list of str
        What could not be used, and why.
    """
    keys = [*PLACE, "unit"] if units else PLACE
    sums = list(SUMS)
    treated = cells[cells["arm"] == "treated"].groupby(keys, sort=False)[sums].sum().reset_index()
    control = cells[cells["arm"] == "control"].groupby(PLACE, sort=False)[sums].sum()
    own = _looked_up(control, treated[PLACE])
    shared = _looked_up(control, treated[PLACE].assign(action=""))
    chosen = shared.mask(own["n_entries"].notna(), own)
    there = chosen["n_entries"].notna().to_numpy()
    sized = (treated["n_customers"].to_numpy() > 0) & (chosen["n_customers"].to_numpy() > 0)
    stated = (chosen["stated_outcome"].to_numpy() > 0) & (treated["stated_outcome"].to_numpy() > 0)
    usable = there & sized & stated
    scale = np.divide(treated["n_customers"], chosen["n_customers"], out=np.zeros(len(treated)), where=usable)
    for name in ("outcome", "cost"):
        expected = np.where(usable, scale * chosen[name].fillna(0.0).to_numpy(), 0.0)
        treated[f"incremental_{name}"] = np.where(usable, treated[name] - expected, 0.0)
    treated["controlled"] = usable
    treated["controlled_cost"] = np.where(usable, treated["cost"], 0.0)
    return treated, _notes(treated, control, there, sized, stated)


def _looked_up(control: pd.DataFrame, places: pd.DataFrame) -> pd.DataFrame:
    wanted = pd.MultiIndex.from_frame(places)
    return control.reindex(wanted).reset_index(drop=True)


def _notes(
    treated: pd.DataFrame, control: pd.DataFrame, there: np.ndarray, sized: np.ndarray, stated: np.ndarray
) -> list[str]:
    notes = []
    if n := int((there & ~sized).sum()):
        notes.append(
            f"{count(n, 'treated cell')} with a control group but without n_customers in both arms: the control cannot "
            "be scaled and is not used there."
        )
    if n := int((there & sized & ~stated).sum()):
        notes.append(f"{count(n, 'treated cell')} where one of the two arms states no outcome: not compared.")
    met = set(map(tuple, treated[PLACE].to_numpy()))
    met |= {(segment, "", period) for segment, _, period in met}
    alone = [place for place in control.index if tuple(place) not in met]
    if alone:
        named = name_some(" / ".join(part for part in place if part) for place in alone)
        notes.append(f"{count(len(alone), 'control cell')} without anybody treated: {named}.")
    return notes
