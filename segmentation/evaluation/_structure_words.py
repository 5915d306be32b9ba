"""From figures to the verdict, and the sentences that give its evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from segmentation._format import count, name_some, number, percent
from segmentation.evaluation._structure_plan import Plan
from segmentation.evaluation._structure_stability import OPTIMISER_AGREES

if TYPE_CHECKING:
    from segmentation.evaluation._structure_result import StructureVerdict

__all__ = ["CUSTOMERS_NEEDED", "LEAST_ARI", "LEAST_SLSW", "evidence_of", "reproducible", "verdict_of"]

# Fewer customers are too few to tell "no groups" from "groups not seen": every part that is put aside has under 80.
CUSTOMERS_NEEDED = 400
# Conventions, not tests. A weakest segment of .6 is what Hennig's R package fpc calls a pattern in the data; .8 of
# agreement was chosen. `bench_structure.py --stability` prints what clouds without groups reach.
LEAST_ARI = 0.8
LEAST_SLSW = 0.6


def reproducible(table: pd.DataFrame) -> pd.Series[bool]:
    """Tell for which numbers of segments refits give the same segments."""
    return (table["ari"] >= LEAST_ARI) & (table["weakest_slsw"] >= LEAST_SLSW)


def verdict_of(table: Any, plan: Plan, level: float, n_customers: int) -> tuple[str, int | None]:
    """Return the verdict, and the number of segments at which groups are natural."""
    table["reproducible"] = reproducible(table)
    table["natural"] = table["p_adjusted"] <= level
    if "p_without_masses" in table:
        # not of the same number: taking the mass away may make another number the right one
        table["natural"] &= (table["p_without_masses"] <= level).any()
    natural = table[table["natural"]]
    if len(natural):
        # every segment apart, before segments that had to be taken together; then the clearest, then the finer one
        exact = natural[natural["n_groups"].astype("Int64") == natural.index]
        best = exact if len(exact) else natural
        if plan.own in best.index:
            return "natural", int(plan.own)
        clearest = best[best["p_adjusted"] <= best["p_adjusted"].min()]
        return "natural", int(clearest.index.max())
    if n_customers < CUSTOMERS_NEEDED or np.isnan(table.loc[_own(table, plan.own), "ari"]):
        return "cannot tell", None
    return ("reproducible" if table.loc[_own(table, plan.own), "reproducible"] else "constructive"), None


def _own(table: pd.DataFrame, own: int) -> int:
    """Return the number of segments that stands for the segmenter as it came."""
    return own if own in table.index else int(table.index[np.abs(table.index.to_numpy() - own).argmin()])


def evidence_of(result: StructureVerdict) -> tuple[str, ...]:
    """Return the sentences that give the evidence."""
    sentences = [_natural(result) if result.verdict == "natural" else _not_natural(result)]
    sentences += _masses(result)
    sentences.append(_stable(result))
    if result.verdict == "cannot tell":
        sentences.append(_too_few(result))
    return tuple(sentences)


def _natural(result: StructureVerdict) -> str:
    row: Any = result.table.loc[result.n_segments]
    at = f"With {count(int(result.n_segments or 0), 'segment')}"
    if row["test"] == "latent normal":
        text = (
            f"{at}, at most half as many customers as in the sparser segment stand between two neighbours, and fewer "
            f"than in tables without groups that have the same items and correlations (p = {_p(row['p_adjusted'])}, "
            "corrected for the numbers tried)."
        )
    else:
        groups = int(row["n_groups"])
        together = f" make {groups} groups that" if groups < int(result.n_segments or 0) else " all"
        text = (
            f"{at}, these{together} are apart from their nearest neighbours on customers they were not learnt from: "
            f"centres at least {row['distance']:.1f} standard deviations apart, dip test p = {_p(row['p_adjusted'])} "
            "for the least separated one, numbers being tested in the order of what the customers learnt from show."
        )
    own = result.settings["own"]
    if own == result.n_segments:
        return text
    return f"{text} The segmenter as given makes {count(own, 'segment')}, for which this does not hold in the same way."


def _not_natural(result: StructureVerdict) -> str:
    p_values: Any = result.table["p_adjusted"]
    tried = _range(list(result.table.index))
    if p_values.isna().all():
        return f"Whether the groups are apart could not be tested (numbers of segments tried: {tried})."
    best = p_values.idxmin()
    latent = result.simulated
    if latent is not None and (result.table["test"] == "latent normal").all() and not latent.apart.any():
        nearest: Any = latent.between.idxmin()
        return (
            f"No number of segments tried ({tried}) gives segments that are apart: between two neighbours stand at "
            f"least {percent(float(latent.between[nearest]))} as many customers as in the sparser one (with "
            f"{count(int(nearest), 'segment')}); 50 % or fewer was needed. That is no proof that there are none."
        )
    return (
        f"No number of segments tried ({tried}) gives groups that are all apart from their neighbours: smallest "
        f"p-value {_p(p_values[best])} at {best}, adjusted for the numbers tried; "
        f"{number(result.settings['level'])} was needed. That is no proof that there are none."
    )


def _masses(result: StructureVerdict) -> list[str]:
    if not len(result.point_masses):
        return []
    rows: Any = result.point_masses.itertuples()
    named = [f"{row.column} = {number(row.value)} ({percent(row.share)})" for row in rows]
    text = f"Point masses: {', '.join(named[:5])}{', ...' if len(named) > 5 else ''}."
    if "p_without_masses" not in result.table:
        return [f"{text} Without groups to begin with, nothing had to be repeated without them."]
    smallest = result.table["p_without_masses"].min()
    if result.verdict == "natural":
        return [f"{text} The groups are found without them, too (p = {_p(smallest)})."]
    return [f"{text} Groups seemed to be apart, but no longer without these values (p = {_p(smallest)})."]


def _stable(result: StructureVerdict) -> str:
    own = _own(result.table, result.settings["own"])
    row: Any = result.table.loc[own]
    if np.isnan(row["ari"]):
        return "The stability could not be measured."
    again = "come back" if row["reproducible"] else "do not come back"
    others = [k for k in result.table.index[result.table["reproducible"]] if k != own]
    text = (
        f"The {count(own, 'segment')} {again} in refits on other samples: median adjusted Rand index {row['ari']:.2f} "
        f"({LEAST_ARI:.2f} by convention), weakest segment's median Jaccard coefficient {row['weakest_slsw']:.2f} "
        f"({LEAST_SLSW:.2f})."
    )
    if others:
        text += f" {'Also' if row['reproducible'] else 'They do'} with {_range(others)}."
    if row["restart_ari"] < OPTIMISER_AGREES:
        text += (
            f" Restarts on the same customers agree by {row['restart_ari']:.2f} only: part of the instability is the "
            "optimiser's, so give the segmenter more starts."
        )
    return text


def _too_few(result: StructureVerdict) -> str:
    n = result.settings["n_customers"]
    if n >= CUSTOMERS_NEEDED:
        return "Without stability there is no telling reproducible from constructive."
    return (
        f"{count(n, 'customer')} are too few to tell that there are no groups: groups as far apart as five standard "
        f"deviations are often missed below {CUSTOMERS_NEEDED}."
    )


def _range(values: list[Any]) -> str:
    if len(values) > 2 and values == list(range(values[0], values[-1] + 1)):
        return f"{values[0]} to {values[-1]}"
    return name_some(values, 12)


def _p(value: float) -> str:
    return f"{value:.2f}" if value >= 0.095 else f"{value:.2g}"
