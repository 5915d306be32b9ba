"""Effects per segment, from whatever has them: an analysis, pooled effects, a belief, another tool, a table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import name_some
from segmentation._frames import kind_of
from segmentation.experiments._analyze_intake import label_of
from segmentation.experiments._moments import Floats
from segmentation.experiments._pooling import pool_effects
from segmentation.experiments._pooling_result import PooledEffects
from segmentation.experiments._vectors import as_table

__all__ = ["Effects", "effects_of", "known_of", "read_table"]


@dataclass(frozen=True, eq=False)
class Effects:
    """Effects of segments with draws of them together.

    Attributes
    ----------
    segments : tuple of str
    estimate, se : ndarray of shape (segments,)
        Pooled where `pooled`.
    raw_se : ndarray of shape (segments,)
        Of each segment by itself.
    n : ndarray of shape (segments,)
        Customers behind it, NaN where not known.
    draws : ndarray of shape (n_draws, segments)
    pooled : bool
    left_out : tuple of str
        Segments of the source without an effect or a standard error above 0.
    """

    segments: tuple[str, ...]
    estimate: Floats
    se: Floats
    raw_se: Floats
    n: Floats
    draws: Floats
    pooled: bool
    left_out: tuple[str, ...] = ()


def read_table(source: Any, outcome: str | None, arm: str | None) -> pd.DataFrame:
    """Return ``estimate``, ``se``, ``df``, ``n`` per segment; refuse what must not be used."""
    source = as_table(source)
    if isinstance(source, pd.DataFrame):
        lacking = [name for name in ("estimate", "se") if name not in source]
        if lacking:
            raise ValueError(f"a table of effects needs columns 'estimate' and 'se' by segment, {name_some(lacking)} "
                             "is missing.")  # fmt: skip
        table = source
    elif hasattr(source, "estimates"):
        if not getattr(source, "trustworthy", True):
            raise ValueError(
                "the sample-ratio check of this experiment failed, so none of its figures may be used: find out what "
                "moved customers between arms first."
            )
        table = source.estimates(outcome, arm)
        _per_customer(source, outcome, arm)
    else:
        raise TypeError(
            "effects come from analyze_experiment, pool_effects, update_effects, from_tea_tasting, or a table with "
            f"'estimate' and 'se' by segment; got {kind_of(source)}."
        )
    try:
        made = pd.DataFrame({"estimate": table["estimate"], "se": table["se"]}).astype(float)
        made["df"] = table["df"].astype(float) if "df" in table else np.inf
    except (TypeError, ValueError) as error:
        raise ValueError(f"effects and standard errors must be numbers: {error}.") from error
    parts = [name for name in ("n_control", "n_treated") if name in table]
    made["n"] = table[parts].sum(axis=1).astype(float) if len(parts) == 2 else np.nan
    made.index = pd.Index([str(label_of(name)) for name in table.index], name="segment")
    if not made.index.is_unique:
        raise ValueError(f"segments stand twice: {name_some(made.index[made.index.duplicated()])}.")
    for what, bad in (
        ("effects are infinite", np.isinf(made["estimate"])), ("standard errors are negative", made["se"] < 0),
    ):  # fmt: skip
        if bad.any():
            raise ValueError(f"{what} in segments {name_some(made.index[bad])}.")
    return made


def known_of(table: pd.DataFrame) -> pd.Series[bool]:
    """Tell which segments have an effect with a standard error above 0; refuse where none has."""
    known: pd.Series[bool] = table["estimate"].notna() & np.isfinite(table["se"]) & (table["se"] > 0)
    if not known.any():
        raise ValueError("no segment has an effect with a standard error above 0.")
    return known


def _per_customer(source: Any, outcome: str | None, arm: str | None) -> None:
    """A lift of logs or of a ratio is no amount per customer, and no curve may add it up."""
    table = getattr(source, "segments", None)
    if not isinstance(table, pd.DataFrame) or "method" not in table or not hasattr(source, "_choose"):
        return
    name, _ = source._choose(outcome, arm)
    methods = table.loc[table["outcome"] == name, "method"]
    if name.startswith("log(1 + ") or methods.str.startswith("ratio").any():
        raise ValueError(
            f"the lift of {name!r} is one of logs or of a ratio of means, not an amount per customer that adds up over "
            "a segment. Analyse the plain outcome (spend, not spend per order) too, and take that."
        )


def effects_of(
    source: Any, outcome: str | None, arm: str | None, *, pooled: bool, segments: Any, n_draws: int,
    rng: np.random.Generator,
) -> Effects:  # fmt: skip
    """Read effects, pool them if asked for and possible, and draw from what is known of them."""
    if isinstance(source, PooledEffects):
        return _of_pooled(source, segments, n_draws, rng, np.full(len(source.table), np.nan))
    table = read_table(source, outcome, arm)
    known = known_of(table)
    left_out = tuple(table.index[~known])
    if pooled and int(known.sum()) >= 3:
        found = pool_effects(table[["estimate", "se", "df"]].loc[known])
        made = _of_pooled(found, segments, n_draws, rng, table.loc[known, "n"].to_numpy(dtype=float))
        return replace(made, left_out=left_out)
    chosen = _chosen(table.index[known], segments)
    part = table.loc[chosen]
    estimate, se, df = (part[name].to_numpy(dtype=float) for name in ("estimate", "se", "df"))
    # Student's t, as a normal over the root of a chi-squared where degrees of freedom are finite
    scale = np.ones((n_draws, len(df)))
    few = np.isfinite(df)
    scale[:, few] = np.sqrt(df[few] / np.maximum(rng.chisquare(df[few], (n_draws, int(few.sum()))), 1e-12))
    draws = estimate + se * scale * rng.standard_normal((n_draws, len(se)))
    return Effects(tuple(chosen), estimate, se, se, part["n"].to_numpy(dtype=float), draws, False, left_out)


def _of_pooled(found: PooledEffects, segments: Any, n_draws: int, rng: np.random.Generator, n: Floats) -> Effects:
    table = found.table.assign(n=n)
    table.index = pd.Index([str(label_of(name)) for name in table.index], name="segment")
    known = table.index[table["pooled"].notna()]
    chosen = _chosen(known, segments)
    draws = found.draws(n_draws, random_state=rng)
    draws.columns = known
    part = table.loc[chosen]
    estimate, se, raw, size = (part[name].to_numpy(dtype=float) for name in ("pooled", "pooled_se", "se", "n"))
    joint = draws[chosen].to_numpy(dtype=float)
    left_out = tuple(table.index[table["pooled"].isna()])
    return Effects(tuple(chosen), estimate, se, raw, size, joint, found.pooled, left_out)


def _chosen(known: pd.Index[Any], segments: Any) -> list[str]:
    if segments is None:
        return [str(name) for name in known]
    wanted = [str(label_of(name)) for name in ([segments] if isinstance(segments, str) else segments)]
    absent = [name for name in wanted if name not in known]
    if absent:
        raise ValueError(f"no effect with a standard error for {name_some(absent)}; there are {name_some(known, 12)}.")
    return wanted
