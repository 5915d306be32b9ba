"""Keep, rename, refit or rebuild a segmentation: an answer from evidence, with a date to ask again."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone

from segmentation._format import percent
from segmentation._validation import as_customers
from segmentation.assignment import UNASSIGNED
from segmentation.compose import assign
from segmentation.exceptions import CustomerTableError
from segmentation.monitoring._drift import feature_drift
from segmentation.monitoring._drift_report import DriftReport
from segmentation.monitoring._inputs import customer_values
from segmentation.monitoring._match_result import SegmentMatch
from segmentation.monitoring._refit_segmenter import last_step, unfrozen, without_past
from segmentation.monitoring._refresh_cost import as_date, cost_of_waiting, days_to_review, elapsed_days, growth_of
from segmentation.monitoring._refresh_evidence import (
    Noise,
    best_names,
    codes_of,
    differs,
    displaced,
    gains_of_numbers,
    goes_on,
    identity_of,
    noise_of_refits,
)
from segmentation.monitoring._refresh_questions import (
    decide,
    groups_are_others,
    of_features,
    of_groups,
    of_in_force,
    of_inside,
    of_mix,
    of_number,
    of_places,
)
from segmentation.monitoring._refresh_result import RefreshAdvice

__all__ = ["recommend_refresh"]

N_CONFIRM = 10


def recommend_refresh(
    model: Any,
    reference: Any,
    current: Any,
    *,
    in_force: Any = None,
    values: Any = None,
    refresh_cost: float | None = None,
    reference_date: Any = None,
    current_date: Any = None,
    tolerance: float = 0.05,
    alpha: float = 0.05,
    n_refits: int = 20,
    n_draws: int = 999,
    random_state: Any = None,
) -> RefreshAdvice:
    """Advise whether to keep, rename, refit or rebuild segments, given customers then and now.

    Parameters
    ----------
    model : fitted Segmenter, or Pipeline that ends in one
        The definition whose age is in question. It must be able to place customers that it was not fitted to. Of one
        that came from `refit`, the segments that it has today are asked about, under their names.
    reference, current : dataframe
        Customers with the features of the model: those it was fitted to (or last reviewed on), and those of today.
    in_force : assignment, optional
        The segments that are in use for the customers of `current` today, where they may come from elsewhere.
    values : Series, optional
        Money per customer and period, for what waiting exposes. Who has none counts 0, and is counted.
    refresh_cost : float, optional
        What a refresh costs, in that money; gives the share of value at which it pays.
    reference_date, current_date : date, optional
        Of the two tables; without them there is no date of a next review.
    tolerance : float, default=0.05
        Share of customers in another segment than a refit says that can be lived with.
    alpha : float, default=0.05
        Chance that any of the three drift reports (features, mix, inside) is a false alarm; a third each.
    n_refits : int, default=20
        Refits to resamples of `reference`, which show how far refits differ when nothing has changed.
    n_draws : int, default=999
        See `feature_drift`.
    random_state : int or Generator, optional
        A number makes the advice repeatable, if the model has a `random_state` too.

    Returns
    -------
    RefreshAdvice
        Print it. ``action``, ``reason``, ``table`` (the evidence), ``segments``, ``cost``, ``next_review``.

    Raises
    ------
    TypeError, ValueError, CustomerTableError, OutOfSampleError
        If something given is not what it should be, or the model cannot place new customers.

    Notes
    -----
    The first that applies:

    ========= ==========================================================================================================
    rebuild   something moved (a feature, the mix, or a feature inside a segment: drift reports at `alpha`), and the
              *groups* are others: fitted to `current`, and to most of 10 resamples of it, the model finds segments that
              split, merge, are born or die, where at most a quarter of refits to resamples of `reference` do; or one
              segment more has the better mean silhouette in three quarters of 6 samples of `current` and the worse one
              in as many of `reference` (of models that have a number of segments). Or `in_force` is another definition
              (more customers elsewhere than `tolerance` and than three quarters of refits displace)
    refit     something moved, and the groups are the same, but their *places* are not: a refit puts more customers
              elsewhere than `tolerance`, and than three quarters of pairs of refits to resamples of `reference`
    rename    groups and places are the same, and `in_force` calls them by other *names*
    keep      none of it. The mix of segments may have changed: then targets and budgets are due, not the definition
    ========= ==========================================================================================================

    Identity of segments is judged on both definitions applied to the customers of today; where not all segments go on
    by that, on the customers of both dates; then by centres after what moved everybody alike is taken out. One way in
    which all go on is enough: drift is not mistaken for other groups.

    **Next review.** The share displaced beyond the median of refits, at its upper 95 % bound, is taken to have grown
    evenly since `reference_date`. The review is due when it would reach `tolerance` (from now, if something is done),
    no later than after twice the time between the dates and no sooner than a quarter of it.

    **Cost of waiting** is what is *exposed*: customers (and their value) handled as another segment. How much of that
    is lost depends on how different the treatment is, which no table here knows; `refresh_cost` is turned into the
    share of the exposed value that would have to be lost per period for the refresh to pay.

    A model that learns nothing, such as rules, is never displaced by a refit: whether its limits still mean what they
    meant has to be judged by the drift inside its segments, which is then said.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from segmentation.monitoring import recommend_refresh
    >>> from segmentation.segmenters import KMeansSegmenter
    >>> rng = np.random.default_rng(0)
    >>> def month(price):
    ...     centre = np.repeat([[10.0, 1.0], [40.0, 3.0], [90.0, 8.0]], 100, axis=0)
    ...     table = centre * rng.normal(1, 0.1, centre.shape) * [price, 1]
    ...     return pd.DataFrame(table, columns=["spend", "orders"])
    >>> then = month(1.0)
    >>> model = KMeansSegmenter(3, random_state=0).fit(then)
    >>> recommend_refresh(model, then, month(1.0), random_state=0).action
    'keep'
    """
    _check(tolerance, alpha, n_refits, refresh_cost, values)
    given, model = model, without_past(model)
    rng = np.random.default_rng(random_state)
    then, now = (as_customers(frame) for frame in (reference, current))
    elapsed = elapsed_days(reference_date, current_date)
    if values is not None:
        customer_values(values, now.index, "values")  # said before the long work, not after it
    before, by_model = assign(model, then), assign(model, now)
    columns = _columns(model, then)
    noise, _ = noise_of_refits(model, then, int(n_refits), rng)
    challenger, by_refit, agreed = _challenger(model, now, by_model, rng)
    match, how = identity_of(before, by_model, by_refit, then, now, columns)
    names = match.names if goes_on(match) else best_names(by_model, by_refit)
    moved = displaced(by_model, by_refit, names)
    gains = gains_of_numbers(model, then, now, columns, rng)
    each = alpha / 3
    seeds = rng.integers(0, 2**31, 3).tolist()
    drift = feature_drift(then, now, columns=columns, alpha=each, n_draws=n_draws, random_state=seeds[0])
    mix = feature_drift(before[["segment"]].astype(object), by_model[["segment"]].astype(object),
                        alpha=each, n_draws=n_draws, random_state=seeds[1])  # fmt: skip
    inside = _inside(then, now, before, by_model, columns, each, n_draws, seeds[2])
    rows = {
        "features": of_features(drift, each),
        "mix": of_mix(mix, before, by_model, each),
        "inside": of_inside(inside, each),
        "groups": of_groups(match, how, noise, agreed),
        "number": of_number(model, gains),
        "places": of_places(moved, noise, tolerance),
    }
    warnings: list[str] = []
    force_names: dict[str, str] = {}
    wrong_name = np.zeros(len(now), dtype=bool)
    if in_force is not None:
        found = of_in_force(in_force, by_model, noise, tolerance)
        rows |= found[0]
        force_names, wrong_name = found[1], found[2]
        warnings += found[3]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["found", "figure", "limit", "evidence"])
    table["found"] = table["found"].astype(bool)
    table.index.name = "question"
    action, reason = decide(table)
    by_names = action == "rename" or (action == "rebuild" and not groups_are_others(table))
    usual = float(np.median(noise.displaced))
    days = days_to_review(elapsed, growth_of(float(moved.mean()), usual, noise, len(now)), tolerance, action)
    who = wrong_name if by_names else moved
    cost, said = cost_of_waiting(
        who, 0.0 if by_names else usual, values, now.index, refresh_cost, None if by_names else elapsed, days, rng
    )
    warnings += said + _remarks(model, by_model, by_refit, inside, noise, tolerance, drift, elapsed)
    return RefreshAdvice(
        action=action,
        reason=reason,
        table=table,
        segments=_segments(before, by_model, match, moved, given),
        cost=cost,
        next_review=None if days is None else as_date(current_date, "current_date") + dt.timedelta(days=days),
        names=force_names or names,
        challenger=challenger,
        match=match,
        drift=drift,
        drift_inside=inside,
        settings={
            "tolerance": tolerance,
            "alpha": alpha,
            "n_refits": n_refits,
            "n_draws": n_draws,
            "n_segments": len(before["segment"].cat.categories) - 1,
            "n_reference": len(then),
            "n_current": len(now),
            "elapsed_days": elapsed,
            "identity": how,
            "exposed_by": "names" if by_names else "places",
            "refresh_cost": refresh_cost,
            "values": None if values is None else str(getattr(values, "name", None) or "value"),
            "random_state": random_state if isinstance(random_state, int | None) else "generator",
        },
        warnings=tuple(warnings),
    )


def _challenger(
    model: Any, now: pd.DataFrame, by_model: pd.DataFrame, rng: np.random.Generator
) -> tuple[Any, pd.DataFrame, float]:
    """Refit the model to the customers of today; return it, its assignment and the share of refits that agree.

    One fit may end in a poor local optimum and seem to find other groups. So resamples of today's customers are
    fitted too, and where most of them differ from the one fit in whether all segments go on, the one of them with the
    median displacement takes its place.
    """
    codes, _ = codes_of(by_model)
    challenger = clone(model).fit(now)
    by_refit = assign(challenger, now)
    _, events = differs(codes, codes_of(by_refit)[0])
    again, models = noise_of_refits(model, now, N_CONFIRM, rng, against=codes)
    usual = bool(again.events.mean() > 0.5)
    same = np.flatnonzero(again.events == usual)
    if usual != events:
        chosen = same[np.argsort(again.displaced[same], kind="stable")[len(same) // 2]]
        challenger = models[int(chosen)]
        by_refit = assign(challenger, now)
    return challenger, by_refit, len(same) / N_CONFIRM


def _check(tolerance: Any, alpha: Any, n_refits: Any, refresh_cost: Any, values: Any) -> None:
    for name, value in (("tolerance", tolerance), ("alpha", alpha)):
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < 1:
            raise ValueError(f"{name} must be a number between 0 and 1, got {value!r}.")
    if isinstance(n_refits, bool) or not isinstance(n_refits, int | np.integer) or n_refits < 5:
        raise ValueError(f"n_refits must be a whole number of at least 5, got {n_refits!r}.")
    if refresh_cost is not None and (
        isinstance(refresh_cost, bool)
        or not isinstance(refresh_cost, int | float | np.number)
        or not 0 <= refresh_cost < np.inf
    ):
        raise ValueError(f"refresh_cost must be an amount of money, 0 or more, got {refresh_cost!r}.")
    if refresh_cost is not None and values is None:
        raise ValueError("refresh_cost needs values beside it: money per customer and period.")


def _columns(model: Any, table: pd.DataFrame) -> list[Any]:
    """Return the features that the model has learnt from, as far as it says."""
    steps = getattr(model, "steps", None)
    first = steps[0][1] if steps else model
    known = getattr(first, "feature_names_in_", None)
    if known is None:
        return list(table.columns)
    by_text = {str(name): name for name in table.columns}
    return [by_text[str(name)] for name in known if str(name) in by_text]


def _inside(
    then: pd.DataFrame,
    now: pd.DataFrame,
    before: pd.DataFrame,
    by_model: pd.DataFrame,
    columns: list[Any],
    alpha: float,
    n_draws: int,
    seed: int,
) -> DriftReport | None:
    try:
        return feature_drift(
            then, now, columns=columns, within=(before, by_model), alpha=alpha, n_draws=n_draws, random_state=seed
        )
    except CustomerTableError:  # no segment has enough customers at both dates
        return None


def _segments(
    before: pd.DataFrame, by_model: pd.DataFrame, match: SegmentMatch, moved: NDArray[np.bool_], given: Any
) -> pd.DataFrame:
    there = [str(name) for name in before["segment"].cat.categories]
    order = [str(name) for name in last_step(unfrozen(given)).segments_]  # as the model given has them
    names = sorted(there, key=lambda name: order.index(name) if name in order else len(order))
    counts = [table["segment"].astype(str).value_counts().reindex(names, fill_value=0) for table in (before, by_model)]
    share = pd.Series(moved).groupby(by_model["segment"].astype(str).to_numpy(dtype=object)).mean().reindex(names)
    result = pd.DataFrame(
        {
            "n_reference": counts[0],
            "n_current": counts[1],
            "share_reference": counts[0] / len(before),
            "share_current": counts[1] / len(by_model),
            "event": match.old["event"].reindex(names),
            "displaced": share,
        }
    )
    result.index.name = "segment"
    nobody = UNASSIGNED in result.index and result.loc[UNASSIGNED, ["n_reference", "n_current"]].sum() == 0
    return result.drop(index=UNASSIGNED) if nobody else result


def _remarks(
    model: Any,
    by_model: pd.DataFrame,
    by_refit: pd.DataFrame,
    inside: DriftReport | None,
    noise: Noise,
    tolerance: float,
    drift: DriftReport,
    elapsed: int | None,
) -> list[str]:
    said = []
    if noise.displaced.max() == 0 and inside is not None and inside.drifted:
        same = by_model["segment"].astype(str).equals(by_refit["segment"].astype(str))
        if same:
            said.append(
                f"refitting {type(last_step(model)).__name__} changes nothing, yet features moved inside its segments: "
                "judge whether its limits still mean what they meant."
            )
    if np.median(noise.displaced) > tolerance:
        said.append(
            f"refits to resamples of the reference itself displace {percent(float(np.median(noise.displaced)))} of the "
            "customers: this segmentation is not stable, and a refit moves people for no reason of theirs."
        )
    if elapsed is None:
        said.append("no dates were given, so no date of a next review.")
    else:
        said.append("the date of the next review takes change to go on as evenly as it came.")
    return [*said, *(text for text in drift.warnings if "season" in text)]
