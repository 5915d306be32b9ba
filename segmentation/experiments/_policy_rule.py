"""Rules that say which arm each customer gets: read from what users have, or learnt from rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some
from segmentation.assignment import UNASSIGNED
from segmentation.experiments._analyze_intake import label_of
from segmentation.experiments._moments import Floats
from segmentation.experiments._policy_input import Codes, Trial
from segmentation.experiments._policy_scores import cell_means
from segmentation.experiments._pooling import FEWEST, posterior_of

__all__ = ["check_support", "codes_of", "learnt_rule", "pooled_rule", "unsupported"]


def codes_of(policy: Any, trial: Trial, notes: list[str] | None = None, what: str = "the policy") -> Codes:
    """Return the arm per customer that a policy says; segments that it names and the data lack go to `notes`."""
    if callable(policy):
        return _of_result(policy(trial.frame), trial)
    if isinstance(policy, Mapping):
        return _by_segment(dict(policy), trial, notes, what)
    if isinstance(policy, pd.Series) and len(policy) != len(trial.kept):
        labels = {str(label_of(key)) for key in policy.index}
        if labels >= set(trial.segments):
            return _by_segment(policy.to_dict(), trial, notes, what)
    if isinstance(policy, pd.Series):
        return _aligned(policy, trial)
    if isinstance(policy, str | int | float | bool | np.generic):
        return np.full(trial.n, _places(np.array([policy], dtype=object), trial)[0], dtype=np.int64)
    values = np.asarray(policy, dtype=object)
    if values.ndim != 1 or len(values) != len(trial.kept):
        raise ValueError(
            f"a policy as an array has one arm per row of the data ({len(trial.kept):,}), got shape {values.shape}. It "
            "may also map segments to arms, name one arm, be a Series with the index of the data, or a function of it."
        )
    return _places(values[trial.kept], trial)


def _of_result(result: Any, trial: Trial) -> Codes:
    """Arms that a function of the rows returned."""
    if callable(result):
        raise TypeError("a policy as a function returns the arm of each row it is given, got another function.")
    if isinstance(result, Mapping | str):
        return codes_of(result, trial)
    if isinstance(result, pd.Series) and not result.index.equals(trial.frame.index):
        return _aligned(result, trial)  # sorted or filtered on the way
    values = np.asarray(result, dtype=object)
    if values.shape != (trial.n,):
        raise ValueError(
            f"a policy as a function returns one arm per row it is given ({trial.n:,}), got shape {values.shape}."
        )
    return _places(values, trial)


def _by_segment(policy: dict[Any, Any], trial: Trial, notes: list[str] | None, what: str) -> Codes:
    if trial.settings["segment"] is None:
        raise ValueError(f"{what} maps segments to arms, which needs segment=: the column that says who is in which.")
    named = {str(label_of(key)): value for key, value in policy.items()}
    lacking = [name for name in trial.segments if name not in named]
    if lacking:
        sizes = np.bincount(trial.segment, minlength=len(trial.segments))
        n = int(sum(sizes[trial.segments.index(name)] for name in lacking))
        raise ValueError(
            f"the policy has no arm for {name_some(lacking)} ({count(n, 'customer')}): give each segment one, "
            f"{trial.arms[0]!r} for those not to be treated."
        )
    absent = [name for name in named if name not in trial.segments and name != UNASSIGNED]
    if absent and notes is not None:
        notes.append(
            f"{what} names {name_some(absent)}, where the data have no customer: its value does not have what it earns "
            "there."
        )
    values = np.array([named[name] for name in trial.segments], dtype=object)
    return _places(values, trial)[trial.segment]


def _aligned(policy: pd.Series[Any], trial: Trial) -> Codes:
    if not policy.index.is_unique or not trial.frame.index.is_unique:
        raise ValueError("a policy as a Series is matched by index, and ids stand twice: give an array in row order.")
    absent = trial.frame.index.difference(policy.index)
    if len(absent):
        raise ValueError(
            f"the policy has no arm for {count(len(absent), 'row')} of the data (index {name_some(absent)}): a Series "
            "is matched by its index; give an array to go by position."
        )
    return _places(policy.reindex(trial.frame.index).to_numpy(dtype=object), trial)


def _places(values: NDArray[Any], trial: Trial) -> Codes:
    codes, levels = pd.factorize(pd.Series(values, dtype=object))
    if (codes < 0).any():
        raise ValueError(f"the policy has no arm for {count(int((codes < 0).sum()), 'row')} (missing values).")
    names = [str(label_of(level)) for level in levels]
    unknown = [name for name in names if name not in trial.arms]
    if unknown:
        raise ValueError(f"the policy gives {name_some(unknown)}, which is no arm; arms: {name_some(trial.arms, 12)}.")
    return np.array([trial.arms.index(name) for name in names], dtype=np.int64)[codes]


def unsupported(policy: Codes, trial: Trial) -> list[str]:
    """Name segments, with the arm, to which a policy gives an arm that nobody in them got."""
    n_arms = len(trial.arms)
    size = len(trial.segments) * n_arms
    wanted = np.bincount(trial.segment * n_arms + policy, minlength=size)
    seen = np.bincount(trial.segment * n_arms + trial.arm, minlength=size)
    empty = np.flatnonzero((wanted > 0) & (seen == 0))
    return [f"{trial.segments[cell // n_arms]}: {trial.arms[cell % n_arms]}" for cell in empty]


def check_support(policy: Codes, trial: Trial, what: str = "the policy") -> None:
    """Refuse a policy that gives a segment an arm that nobody in it got: nothing is known of it there."""
    cells = unsupported(policy, trial)
    if cells:
        raise ValueError(
            f"nobody got what {what} says in {name_some(cells)}, so its value is not known. Leave rows of the segment "
            "out, or give it an arm that was tried there."
        )


def pooled_rule(trial: Trial, rows: NDArray[np.bool_], cost: Floats) -> Codes:
    """Return the arm of each segment: the one with the largest effect after cost, control where none is above 0.

    Effects are partially pooled over segments as in `pool_effects`, each arm by itself, so that the largest of many
    noisy effects is not taken at its word; a segment that cannot say gets the mean of all, but no arm that was not
    tried there. One or two segments stand for themselves.
    """
    n_arms, n_segments = len(trial.arms), len(trial.segments)
    seen = np.bincount(trial.segment * n_arms + trial.arm, minlength=n_segments * n_arms).reshape(n_segments, n_arms)
    _, mean, error = cell_means(trial, rows.astype(float))
    best = np.zeros(len(trial.segments))
    chosen = np.zeros(len(trial.segments), dtype=np.int64)
    for a in range(1, len(trial.arms)):
        effect = mean[:, a] - mean[:, 0] - (cost[a] - cost[0])
        pooled = _pooled(effect, error[:, a] + error[:, 0])
        # an arm that nobody in the segment ever got cannot be valued there
        better = (pooled > best) & (seen[:, a] > 0)
        chosen[better], best[better] = a, pooled[better]
    return chosen


def _pooled(effect: Floats, variance: Floats) -> Floats:
    known = np.isfinite(effect) & np.isfinite(variance) & (variance > 0)
    if known.sum() < FEWEST:
        return np.where(np.isfinite(effect), effect, 0.0)
    posterior = posterior_of(effect[known], np.sqrt(variance[known]))
    result = np.full(len(effect), float(posterior.average().expectation().item()))
    result[known] = posterior.effects().expectation()
    return result


def learnt_rule(
    learn: str | Callable[[pd.DataFrame], Any], trial: Trial, rows: NDArray[np.bool_], cost: Floats
) -> Codes:
    """Return the arm of every customer by the rule that `rows` teach."""
    if callable(learn):
        return codes_of(learn(trial.frame.loc[rows]), trial)
    return pooled_rule(trial, rows, cost)[trial.segment]
