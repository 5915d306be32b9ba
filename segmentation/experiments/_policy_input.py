"""Rows of a randomized experiment as arrays, for what is valued customer by customer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import column_difference, count, name_some
from segmentation._frames import kind_of, to_pandas
from segmentation.assignment import UNASSIGNED
from segmentation.exceptions import ColumnError, CustomerTableError
from segmentation.experiments._analyze_intake import label_of, segment_order
from segmentation.experiments._moments import Floats
from segmentation.experiments._sample_ratio import check_ratio, planned_shares, ratio_notes

__all__ = ["Codes", "Trial", "amounts", "check_level", "finite", "read_trial"]

Codes = NDArray[np.int64]
ALL = "all customers"
# Standard errors beyond which probabilities do not fit, and share of an arm's weight that is too much for a customer.
UNFIT = 4.0
HEAVY = 0.1


@dataclass(frozen=True, eq=False)
class Trial:
    """What chance did to each customer and what came of it.

    Attributes
    ----------
    frame : pandas.DataFrame
        The rows that are used, with their own index.
    y : ndarray of shape (n,)
        Outcome times margin, before any cost.
    arm, segment : ndarrays of shape (n,)
        Codes of `arms` (control first) and `segments`.
    chance : ndarray of shape (n, n_arms)
        Probability of each arm; only that of the arm received is known (others NaN) where a column gave it.
    x : ndarray of shape (n, n_covariates)
        Standardized, missing ones 0.
    cluster : ndarray of shape (n,)
        Codes of what is independent.
    estimated : bool
        Whether the probabilities are shares of the rows in each segment.
    kept : ndarray of bool, shape (rows of the data,)
    """

    frame: pd.DataFrame
    y: Floats
    arm: Codes
    arms: tuple[str, ...]
    segment: Codes
    segments: tuple[str, ...]
    chance: Floats
    x: Floats
    cluster: Codes
    estimated: bool
    kept: NDArray[np.bool_]
    settings: dict[str, Any]
    warnings: tuple[str, ...]

    @property
    def n(self) -> int:
        """Number of customers."""
        return len(self.y)

    @property
    def n_clusters(self) -> int:
        """Number of clusters; customers where there are none."""
        return int(self.cluster.max()) + 1

    def clusters_within(self) -> Codes:
        """Return the number of clusters (or customers) in each segment."""
        pairs = np.unique(self.segment * np.int64(self.n_clusters) + self.cluster) // self.n_clusters
        return np.asarray(np.bincount(pairs, minlength=len(self.segments)), dtype=np.int64)

    @property
    def received(self) -> Floats:
        """Probability of the arm that was received."""
        return np.asarray(self.chance[np.arange(self.n), self.arm])

    def part(self, rows: NDArray[np.bool_]) -> Trial:
        """Return some of the customers as a trial of their own, with shares of their own where they are estimated."""
        s, w, a = self.segment[rows], self.arm[rows], len(self.arms)
        chance = _shares(_counts(s, w, len(self.segments), a))[s] if self.estimated else self.chance[rows]
        groups = np.unique(self.cluster[rows], return_inverse=True)[1].astype(np.int64)
        kept = self.kept.copy()
        kept[np.flatnonzero(kept)[~rows]] = False
        return replace(
            self, frame=self.frame.loc[rows], y=self.y[rows], arm=w, segment=s, chance=chance, x=self.x[rows],
            cluster=groups, kept=kept,
        )  # fmt: skip

    def error(self, influence: Floats) -> Floats:
        """Return standard errors of means from influence values, (n,) or (n, k): clusters are independent."""
        total = influence - influence.mean(axis=0)
        if self.n_clusters < self.n:
            columns = total.reshape(self.n, -1).T
            total = np.stack([np.bincount(self.cluster, column) for column in columns], axis=1)
            total = total.reshape(-1, *influence.shape[1:])
        groups = len(total)
        return np.asarray(np.sqrt(groups / (groups - 1) * (total**2).sum(axis=0)) / self.n)


def read_trial(
    data: Any,
    *,
    outcome: str,
    arm: str,
    control: Any,
    segment: str | None = None,
    propensity: Any = None,
    covariates: Sequence[str] | None = None,
    cluster: str | None = None,
    margin: float = 1.0,
    held_out: str | None = None,
    more: Sequence[str] = (),
) -> Trial:
    """Read the rows, say what was left out, and check whether the arms got the shares that were planned."""
    frame = to_pandas(data, name="data")
    covariates = (covariates,) if isinstance(covariates, str) else tuple(covariates or ())
    needed = [outcome, arm, *covariates, *more]
    needed += [name for name in (segment, cluster, held_out) if name is not None]
    column = propensity if isinstance(propensity, str) and propensity != "segment" else None
    needed += [column] if column is not None else []
    absent = [name for name in dict.fromkeys(needed) if name not in frame.columns]
    if absent:
        raise ColumnError(
            f"data does not have every column that was named: {column_difference(absent, list(frame.columns))}"
        )
    twice = sorted({name for name in needed if list(frame.columns).count(name) > 1})
    if twice:
        raise ColumnError(f"data has several columns called {name_some(twice)}: rename them.")
    notes: list[str] = []
    keep, settings = _kept(frame, outcome, arm, held_out, notes)
    order = [ALL] if segment is None else segment_order(frame, segment, _labels(frame.loc[keep, segment])[1])
    frame = frame.loc[keep]
    if not len(frame):
        raise CustomerTableError("data has no row with an arm and an outcome to value a policy on.")
    w, arms = _arms(frame[arm], control)
    s, segments = _segments(frame, segment, order)
    y = margin * _numbers(frame, outcome)
    groups = np.arange(len(frame), dtype=np.int64)
    if cluster is not None:
        if frame[cluster].isna().any():
            raise CustomerTableError(
                f"{cluster!r} is missing in {count(int(frame[cluster].isna().sum()), 'row')}: give each its own."
            )
        groups = pd.factorize(frame[cluster])[0].astype(np.int64)
    if int(groups.max()) < 1:
        raise CustomerTableError("one customer (or one cluster) says nothing about others: at least two are needed.")
    chance, estimated = _chances(frame, propensity, column, w, arms, s, segments, groups, notes)
    settings |= {
        "outcome": outcome, "arm": arm, "arms": list(arms), "control": arms[0], "segment": segment,
        "covariates": list(covariates), "cluster": cluster, "margin": margin, "n_customers": len(frame),
        "n_clusters": int(groups.max()) + 1, "held_out": held_out,
        "propensity": "shares within segments" if estimated else f"column {column!r}" if column else "planned shares",
    }  # fmt: skip
    x = _covariates(frame, covariates, notes)
    return Trial(frame, y, w, arms, s, segments, chance, x, groups, estimated, keep, settings, tuple(notes))


def _kept(
    frame: pd.DataFrame, outcome: str, arm: str, held_out: str | None, notes: list[str]
) -> tuple[NDArray[np.bool_], dict[str, Any]]:
    """Rows that were not learnt from, with an arm and an outcome."""
    inside = np.ones(len(frame), dtype=bool)
    if held_out is not None:
        inside = (frame[held_out] == True).fillna(False).to_numpy(dtype=bool)  # noqa: E712  (1 counts as true)
        if not inside.any():
            raise CustomerTableError(f"no row of {held_out!r} is true: it names the customers not learnt from.")
    no_arm = frame[arm].isna().to_numpy(dtype=bool)
    nothing = frame[outcome].isna().to_numpy(dtype=bool)
    counts = {
        "n_without_arm": int((inside & no_arm).sum()),
        "n_without_outcome": int((inside & ~no_arm & nothing).sum()),
        "n_not_held_out": int((~inside).sum()),
    }
    if counts["n_without_arm"]:
        notes.append(f"{count(counts['n_without_arm'], 'row')} without an arm left out.")
    if counts["n_without_outcome"]:
        notes.append(
            f"{count(counts['n_without_outcome'], 'row')} without an outcome left out: if outcomes are missing more "
            "often in one arm, all figures are off."
        )
    return inside & ~no_arm & ~nothing, counts


def _labels(column: pd.Series[Any]) -> tuple[Codes, list[str]]:
    codes, levels = pd.factorize(column.astype(object))
    # numbers and texts that look alike are one label
    texts = [label_of(level) for level in levels]
    names: dict[str, int] = {}
    for text in texts:
        names.setdefault(str(text), len(names))
    place = np.array([names[str(text)] for text in texts] + [-1], dtype=np.int64)
    return place[codes], list(names)


def _arms(column: pd.Series[Any], control: Any) -> tuple[Codes, tuple[str, ...]]:
    codes, names = _labels(column)
    first = str(label_of(control))
    if first not in names:
        raise ValueError(f"control must be one of the arms {name_some(sorted(names), 12)}, got {control!r}.")
    if len(names) < 2:
        raise ValueError(f"every customer is in {first!r}: an experiment needs a second arm to compare it with.")
    order = [first, *sorted(name for name in names if name != first)]
    place = np.array([order.index(name) for name in names], dtype=np.int64)
    return place[codes], tuple(order)


def _segments(frame: pd.DataFrame, segment: str | None, order: list[str]) -> tuple[Codes, tuple[str, ...]]:
    if segment is None:
        return np.zeros(len(frame), dtype=np.int64), (ALL,)
    codes, names = _labels(frame[segment])
    known = [name for name in order if name in names]
    # whoever is in no segment is told apart, because a rule has to say what these customers get
    if (codes < 0).any() or UNASSIGNED in names:
        known.append(UNASSIGNED)
    place = np.array([known.index(name) for name in names] + [len(known) - 1], dtype=np.int64)
    return place[codes], tuple(known)


def _numbers(frame: pd.DataFrame, name: str) -> Floats:
    try:
        values = frame[name].to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise ColumnError(f"{name!r} must be numbers or True and False, it holds {frame[name].dtype}.") from error
    if np.isinf(values).any():
        raise ColumnError(f"{name!r} holds infinite values: make them missing, or leave these customers out.")
    return np.asarray(values)


def _covariates(frame: pd.DataFrame, names: Sequence[str], notes: list[str]) -> Floats:
    x = np.zeros((len(frame), len(names)))
    for i, name in enumerate(names):
        values = _numbers(frame, name)
        known = np.isfinite(values)
        spread = float(values[known].std()) if known.any() else 0.0
        if spread > 0:
            x[known, i] = (values[known] - values[known].mean()) / spread
        if not known.all():
            notes.append(f"covariate {name!r} is missing in {count(int((~known).sum()), 'row')}: taken as its mean.")
    return x


def _chances(
    frame: pd.DataFrame, propensity: Any, column: str | None, w: Codes, arms: tuple[str, ...], s: Codes,
    segments: tuple[str, ...], groups: Codes, notes: list[str],
) -> tuple[Floats, bool]:  # fmt: skip
    """Return the probability of each arm for each customer, and whether it is a share of the rows."""
    n_arms, n_segments = len(arms), len(segments)
    counts = _counts(s, w, n_segments, n_arms)
    if column is not None:
        own = _numbers(frame, column)
        if not ((own > 0) & (own <= 1)).all():
            raise ValueError(
                f"{column!r} must hold the probability of the arm each customer got, above 0 and at most 1; got "
                f"{name_some(own[~((own > 0) & (own <= 1))])}."
            )
        chance = np.full((len(w), n_arms), np.nan)
        chance[np.arange(len(w)), w] = own
        notes += _weights(1 / own, w, arms, s, counts, groups)
        return chance, False
    if propensity is None or isinstance(propensity, str):
        if propensity is None:
            notes.append(
                "probabilities of arms were not given (propensity=), so they are the shares of the rows in each segment"
                if n_segments > 1
                else "probabilities of arms were not given (propensity=), so they are the shares of the rows"
            )
            notes[-1] += "; that chance alone gave the arms is taken from you."
        return _shares(counts)[s], True
    if not isinstance(propensity, Mapping):
        raise TypeError(
            "propensity maps each arm to its planned share (or each segment to such a mapping), names a column with "
            f'the probability of the arm received, or is "segment"; got {kind_of(propensity)}.'
        )
    planned, _, differs = planned_shares(propensity, arms, segments)
    if len(np.unique(groups)) == len(groups):  # shares of clusters are those of whole clusters
        every = counts.sum(axis=1) @ planned / counts.sum()
        found = check_ratio(counts, planned, segments, arms, counts.sum(axis=0), every)
        notes += ratio_notes(found.iloc[:1] if not differs else found, arms, given=True, unit="customers")
    return planned[s], False


def _weights(weight: Floats, w: Codes, arms: tuple[str, ...], s: Codes, counts: Floats, groups: Codes) -> list[str]:
    """Say where probabilities of a column cannot be those by which arms were given, or few customers weigh it all."""
    notes, n = [], len(w)
    for a, arm in enumerate(arms):
        mine = w == a
        # over customers who could get the arm, 1 / probability of those who did has a mean of 1
        reached = counts[s, a] > 0
        values = np.where(mine, weight, 0.0)[reached]
        mean = float(values.mean())
        error = float(np.sqrt(np.sum(np.bincount(groups[reached], values - mean) ** 2))) / len(values)
        if abs(mean - 1) > UNFIT * error:
            notes.append(
                f"The probabilities do not fit the arms: those who got {arm!r} stand for {100 * mean:.4g} % of the "
                "customers, where it should be about 100 %. Values by them are off."
            )
        most = float(weight[mine].max() / weight[mine].sum())
        if most > HEAVY and int(mine.sum()) > 1 / HEAVY * 2:
            notes.append(
                f"One customer of {arm!r} makes {100 * most:.3g} % of its weight, being very unlikely to get it: its "
                f"figures rest on few of {count(n, 'customer')}."
            )
    return notes


def _counts(s: Codes, w: Codes, n_segments: int, n_arms: int) -> Floats:
    cells = np.bincount(s * n_arms + w, minlength=n_segments * n_arms)
    return np.asarray(cells.reshape(n_segments, n_arms), dtype=float)


def _shares(counts: Floats) -> Floats:
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0))


def amounts(given: Any, arms: Sequence[str], what: str) -> Floats:
    """Read an amount per arm: one number for every arm but control, or a mapping (arms not named: 0)."""
    if given is None:
        return np.zeros(len(arms))
    if isinstance(given, Mapping):
        named = {str(label_of(key)): value for key, value in given.items()}
        unknown = [key for key in named if key not in arms]
        if unknown:
            raise ValueError(f"{what} names {name_some(unknown)}, which is no arm; arms: {name_some(arms, 12)}.")
        values = [named.get(name, 0.0) for name in arms]
    else:
        values = [0.0, *[given] * (len(arms) - 1)]
    try:
        result = np.array(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{what} must be a number, or map arms to numbers, got {given!r}.") from error
    if not np.isfinite(result).all():
        raise ValueError(f"{what} must be finite, got {given!r}.")
    return result


def check_level(level: Any) -> None:
    """Refuse what is no level of an interval."""
    if isinstance(level, bool) or not isinstance(level, int | float | np.number) or not 0 < level < 1:
        raise ValueError(f"level must be a number between 0 and 1, got {level!r}.")


def finite(value: Any, what: str) -> float:
    """Refuse what is no finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not np.isfinite(value):
        raise ValueError(f"{what} must be a finite number, got {value!r}.")
    return float(value)
