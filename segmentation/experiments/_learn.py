"""From what an experiment showed to response curves, and to columns that prioritizers read."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import count, name_some
from segmentation._frames import is_frame, kind_of
from segmentation.curves import ResponseCurve, from_lift
from segmentation.curves._fit import check_n_draws, seed_of
from segmentation.exceptions import SegmentationWarning
from segmentation.experiments._analyze_intake import label_of
from segmentation.experiments._learn_belief import EffectBelief
from segmentation.experiments._learn_effects import Effects, effects_of
from segmentation.experiments._moments import Floats
from segmentation.experiments._policy_input import check_level
from segmentation.experiments._pooling_result import PooledEffects
from segmentation.experiments._vectors import as_table

__all__ = ["curves_from_experiment", "effects_to_profile"]


def curves_from_experiment(
    source: Any,
    *,
    effort: Any,
    n_customers: Any = None,
    outcome: str | None = None,
    arm: Any = None,
    segments: Any = None,
    pooled: bool = True,
    margin: float = 1.0,
    family: str = "exponential",
    half: Any = None,
    exponent: Any = None,
    shape: float = 1.0,
    n_draws: int = 1000,
    random_state: Any = None,
) -> dict[str, Any]:
    """Make response curves per segment from the effects that an experiment found.

    Parameters
    ----------
    source : ExperimentAnalysis, PooledEffects, EffectBelief, ImportedExperiment or dataframe
        Where effects are from; a table has ``estimate`` and ``se`` (and ``df``) by segment. Effects are per customer.
    effort : number or mapping
        What a treated customer got (contacts, money, minutes): one number, or by segment; with several arms, by arm.
    n_customers : number, mapping, Series or profile, optional
        Customers of each segment that the curves are for (a profile has the column ``n_customers``); efforts and
        outcomes are then totals of the segment. By default curves are of one customer.
    outcome : str, optional
        Needed where the source has several.
    arm : str or sequence of str, optional
        Needed where the source has several. Several arms give a curve each, as actions.
    segments : sequence, optional
        Which to take; by default all with an effect (the notes of the curves name those without).
    pooled : bool, default=True
        Whether effects are partially pooled over segments (`pool_effects`, from three on) before they become curves. An
        allocation runs after the largest effect, and unpooled it is the noisiest.
    margin : float, default=1.0
        Money per unit of outcome.
    family, half, exponent, shape
        What is assumed of the form, as in `segmentation.curves.from_lift`: one tested effort says nothing about it.
    n_draws : int, default=1000
    random_state : int, numpy Generator or RandomState, optional
        Draws of all segments are of the joint posterior: with the same number the same segments are high together only
        as far as pooling makes them.

    Returns
    -------
    dict
        Segment to `ResponseCurve`, or with several arms segment to arm to curve: as `allocate` takes them.

    Raises
    ------
    ValueError, TypeError
        If the sample-ratio check failed, the lift is no amount per customer (logs, ratios), a segment has no effect, no
        effort or no customers.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.experiments import curves_from_experiment
    >>> effects = pd.DataFrame({"estimate": [2.0, 1.0, 3.0], "se": [0.5, 0.4, 0.6]}, index=["new", "regular", "vip"])
    >>> curves = curves_from_experiment(effects, effort=1, n_customers={"new": 500, "regular": 2000, "vip": 100},
    ...                                 pooled=False, random_state=0)
    >>> float(curves["new"].value(500.0).round(1))  # everybody in the segment treated once
    1000.0
    """
    check_n_draws(n_draws)
    factor, chosen = _positive(margin, "margin"), segments is not None
    n_customers = as_table(n_customers)
    rng = np.random.default_rng(seed_of(random_state))
    form = {"family": family, "half": half, "exponent": exponent, "shape": shape}
    if (
        arm is not None
        and not isinstance(arm, str)
        and (isinstance(source, PooledEffects | EffectBelief) or is_frame(source))
    ):
        raise ValueError("several arms need a source that has them (an analysis); this one has one effect per segment.")
    if arm is not None and not isinstance(arm, str):
        named = _named(effort, "effort")
        lacking = [one for one in arm if str(one) not in named]
        if lacking:
            raise ValueError(f"with several arms, effort maps each to its effort; {name_some(lacking)} is missing.")
        made: dict[str, Any] = {}
        for one in arm:
            effects = effects_of(source, outcome, one, pooled=pooled, segments=segments, n_draws=n_draws, rng=rng)
            for name, curve in _curves(effects, named[str(one)], n_customers, factor, form, rng, chosen=chosen).items():
                made.setdefault(name, {})[str(one)] = curve
        return made
    effects = effects_of(source, outcome, arm, pooled=pooled, segments=segments, n_draws=n_draws, rng=rng)
    return dict(_curves(effects, effort, n_customers, factor, form, rng, chosen=chosen))


def _curves(
    effects: Effects, effort: Any, n_customers: Any, margin: float, form: Mapping[str, Any], rng: np.random.Generator,
    *, chosen: bool,
) -> dict[str, ResponseCurve]:  # fmt: skip
    efforts = per_name(effort, effects.segments, "effort")
    sizes = None
    if n_customers is not None:
        sizes = [
            _number(one, "n_customers") for one in per_name(_customers(n_customers), effects.segments, "n_customers")
        ]
    without = list(effects.left_out)
    if isinstance(n_customers, Mapping | pd.Series | pd.DataFrame) and not chosen:
        asked = [str(label_of(one)) for one in _named(_customers(n_customers), "n_customers")]
        without += [one for one in asked if one not in effects.segments and one not in without]
    made: dict[str, ResponseCurve] = {}
    for i, name in enumerate(effects.segments):
        curve = from_lift(
            margin * float(effects.estimate[i]), _positive(_number(efforts[i], "effort"), f"effort of {name!r}"),
            draws=margin * effects.draws[:, i], randomized=True, random_state=rng, **form,
        )  # fmt: skip
        notes = list(curve.notes)
        if effects.pooled:
            notes.append("The effect is partially pooled with those of the other segments.")
        if without:
            notes.append(f"No curve for {name_some(without)}: without an effect and its standard error.")
        curve = replace(curve, notes=tuple(notes))
        made[name] = curve if sizes is None else curve.for_customers(_positive(sizes[i], f"customers of {name!r}"))
    return made


def effects_to_profile(
    profile: Any,
    source: Any,
    *,
    outcome: str | None = None,
    arm: str | None = None,
    margin: float = 1.0,
    cost: float = 0.0,
    pooled: bool = True,
    level: float = 0.9,
    name: str = "effect",
    n_draws: int = 4000,
    random_state: Any = None,
) -> pd.DataFrame:
    """Put effects of treatment beside the other figures of a profile, for prioritizers to rank by.

    Parameters
    ----------
    profile : dataframe
        One row per segment, in the index or in a column ``segment``; with ``n_customers`` totals are added.
    source, outcome, arm, pooled
        As in `curves_from_experiment`.
    margin, cost : float
        Money per unit of outcome, and what treating one customer costs.
    level : float, default=0.9
    name : str, default="effect"
        Start of the new columns.
    n_draws : int, default=4000
    random_state : int, numpy Generator or RandomState, optional

    Returns
    -------
    pandas.DataFrame
        A copy with ``effect_mean`` (margin x effect - cost, per customer), ``effect_mean_low``, ``effect_mean_high``,
        ``effect_positive`` (probability that treating pays) and, with ``n_customers``, ``effect_total`` with bounds.
        Missing for segments without an effect.

    Warns
    -----
    SegmentationWarning
        If segments with an effect are not in the profile.

    Raises
    ------
    TypeError, ValueError
        If no segment of the profile has an effect, one stands there twice, or a column is there already.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.experiments import effects_to_profile
    >>> from segmentation.prioritizers import ValuePrioritizer
    >>> profile = pd.DataFrame({"n_customers": [500, 2000, 100]}, index=["new", "regular", "vip"])
    >>> effects = pd.DataFrame({"estimate": [2.0, 1.0, 3.0], "se": [0.5, 0.4, 0.6]}, index=profile.index)
    >>> told = effects_to_profile(profile, effects, cost=0.8, pooled=False, random_state=0)
    >>> told["effect_total"].round(6).to_dict()
    {'new': 600.0, 'regular': 400.0, 'vip': 220.0}
    >>> list(ValuePrioritizer(by="effect_total").prioritize(told).index)
    ['new', 'regular', 'vip']
    """
    check_level(level)
    check_n_draws(n_draws)
    factor = _positive(margin, "margin")
    if isinstance(cost, bool) or not isinstance(cost, int | float | np.number) or not np.isfinite(cost):
        raise ValueError(f"cost must be a finite number, what treating one customer costs, got {cost!r}.")
    paid = float(cost)
    profile = as_table(profile)
    if not isinstance(profile, pd.DataFrame):
        raise TypeError(f"profile must be a dataframe with one row per segment, got {kind_of(profile)}.")
    rng = np.random.default_rng(seed_of(random_state))
    effects = effects_of(source, outcome, arm, pooled=pooled, segments=None, n_draws=n_draws, rng=rng)
    labels = [str(label_of(one)) for one in profile.index]
    shared = [one for one in labels if one in effects.segments]
    if not shared:
        raise ValueError(
            f"no segment of the profile ({name_some(labels)}) has an effect (there are {name_some(effects.segments)})."
        )
    twice = sorted({one for one in labels if labels.count(one) > 1})
    if twice:
        raise ValueError(f"segments stand twice in the profile: {name_some(twice)}.")
    lost = [one for one in effects.segments if one not in labels]
    if lost:
        warnings.warn(
            f"{count(len(lost), 'segment')} with an effect not in the profile, left out: {name_some(lost)}.",
            SegmentationWarning, stacklevel=2,
        )  # fmt: skip
    net = factor * effects.draws - paid
    low, high = np.quantile(net, [(1 - level) / 2, (1 + level) / 2], axis=0)
    columns: dict[str, Floats] = {
        f"{name}_mean": factor * effects.estimate - paid, f"{name}_mean_low": low, f"{name}_mean_high": high,
        f"{name}_positive": (net > 0).mean(axis=0),
    }  # fmt: skip
    ends = ("", "_low", "_high") if "n_customers" in profile else ()
    taken = [column for column in (*columns, *(f"{name}_total{end}" for end in ends)) if column in profile]
    if taken:
        raise ValueError(f"the profile has {name_some(taken)} already: give another name=.")
    made = profile.copy()
    for column, values in columns.items():
        made[column] = pd.Series(dict(zip(effects.segments, values.tolist(), strict=True))).reindex(labels).to_numpy()
    if ends:
        try:
            size = profile["n_customers"].to_numpy(dtype=float, na_value=np.nan)
        except (TypeError, ValueError) as error:
            raise ValueError(f"'n_customers' of the profile must be numbers: {error}.") from error
        for end in ends:
            made[f"{name}_total{end}"] = made[f"{name}_mean{end}"].to_numpy(dtype=float) * size
    return made


def per_name(given: Any, names: tuple[str, ...], what: str) -> list[Any]:
    """Read one value for all segments, or one by segment."""
    if isinstance(given, int | float | np.number) and not isinstance(given, bool):
        return [given] * len(names)
    found = _named(given, what)
    lacking = [name for name in names if name not in found]
    if lacking:
        raise ValueError(f"{what} has nothing for {name_some(lacking)}.")
    return [found[name] for name in names]


def _named(given: Any, what: str) -> dict[str, Any]:
    if isinstance(given, pd.Series):
        given = given.to_dict()
    if not isinstance(given, Mapping):
        raise TypeError(f"{what} must be a number, or map names to numbers, got {given!r:.80}.")
    return {str(label_of(key)): value for key, value in given.items()}


def _customers(given: Any) -> Any:
    given = as_table(given)
    if not isinstance(given, pd.DataFrame):
        return given
    if "n_customers" not in given:
        raise ValueError("a profile as n_customers needs the column 'n_customers'.")
    return given["n_customers"]


def _number(value: Any, what: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} must be numbers, got {value!r}.") from error


def _positive(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < np.inf:
        raise ValueError(f"{what} must be a finite number above 0, got {value!r}.")
    return float(value)
