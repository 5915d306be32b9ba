"""From aggregates (and rows, where they are needed) to the estimates of every outcome, arm and segment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._frames import to_pandas
from segmentation.experiments._analyze_aggregates import ExperimentAggregates
from segmentation.experiments._analyze_intake import CLUSTER, label_of, prepare
from segmentation.experiments._analyze_outcomes import Outcome
from segmentation.experiments._effects import Arms, Lifts, adjusted, lifts_of, linearised, raw, slopes_of, stratified
from segmentation.experiments._effects_clusters import ClusterArms, cluster_arms, cluster_lift
from segmentation.experiments._effects_proportions import score_difference, score_ratio
from segmentation.experiments._effects_rows import sandwich, trimmed
from segmentation.experiments._moments import Floats, Moments

__all__ = ["Compared", "Estimator", "Rows"]

Codes = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Rows:
    """Single customers, for estimates that are no function of aggregates."""

    table: pd.DataFrame
    scope: Codes
    arm: Codes

    @classmethod
    def read(
        cls, data: Any, *, segment: str, arm: str, columns: list[str], outcomes: tuple[Outcome, ...],
        held_out: str | None, segments: list[str], arms: list[str],
    ) -> Rows:  # fmt: skip
        """Pull the columns needed out of the engine."""
        wanted = list(dict.fromkeys([segment, arm, *columns, *([held_out] if held_out else [])]))
        table = to_pandas(prepare(data, wanted, outcomes, held_out).select(*wanted).to_native()).reset_index(drop=True)
        codes = []
        for column, names in ((segment, segments), (arm, arms)):
            levels, values = pd.factorize(table[column])
            place = {name: i for i, name in enumerate(names)}
            known = np.array([place.get(str(label_of(value)), -1) for value in values] + [-1])
            codes.append(known[levels])
        return cls(table, codes[0].astype(np.int64), codes[1].astype(np.int64))

    def numbers(self, name: str) -> Floats:
        """Return one column, missing as nan."""
        return np.asarray(self.table[name].to_numpy(dtype=float, na_value=np.nan))


@dataclass(frozen=True, eq=False)
class Compared:
    """One outcome, one arm against control, in several scopes; all arrays (s,)."""

    lifts: Lifts
    raw: Lifts | None
    low: Floats
    high: Floats
    p_value: Floats
    rel_bounds: tuple[Floats, Floats] | None
    raw_bounds: tuple[Floats, Floats] | None = None
    n_clusters: NDArray[np.int64] | None = None


@dataclass(frozen=True, eq=False)
class Estimator:
    """All that is needed to estimate: aggregates, arms, and how.

    Parameters
    ----------
    adjust : {"none", "lin", "cuped"}
    variance : {"arms", "hc2", "hc3", "cr1", "cr2"}
    """

    aggregates: ExperimentAggregates
    segments: list[str]
    arms: list[str]
    adjust: str
    variance: str
    level: float
    rows: Rows | None

    def codes(self) -> tuple[Codes, Codes]:
        """Segment (-1: unassigned) and arm of each cell."""
        places = {name: i for i, name in enumerate(self.segments)}
        arms = {name: i for i, name in enumerate(self.arms)}
        cells = self.aggregates.cells
        return (
            np.array([places.get(name, -1) for name in cells["segment"]], dtype=np.int64),
            np.array([arms[name] for name in cells["arm"]], dtype=np.int64),
        )

    def counts(self) -> tuple[Floats, Floats]:
        """Customers per segment and arm, and per arm in all (unassigned ones too)."""
        scope, arm = self.codes()
        n = self.aggregates.cells["n_customers"].to_numpy(dtype=float)
        a = len(self.arms)
        inside = scope >= 0
        counts = np.bincount(scope[inside] * a + arm[inside], n[inside], len(self.segments) * a)
        return counts.reshape(-1, a).astype(float), np.bincount(arm, n, a).astype(float)

    def is_proportion(self, outcome: Outcome) -> bool:
        """Tell whether an outcome is only 0 and 1, by its moments: then the sum is the sum of squares."""
        if outcome.kind == "mean" or outcome.per or outcome.log or outcome.trim is not None or outcome.cap is not None:
            return False
        m = self.aggregates.moments[outcome.label]
        share = m.mean[:, 0] + m.origin[0]
        with np.errstate(over="ignore"):
            binary = np.abs(m.cross[:, 0, 0] - m.n * share * (1 - share)) <= 1e-9 * m.n * np.abs(share)
        only = bool(np.all((binary & (share >= -1e-12) & (share <= 1 + 1e-12)) | (m.n == 0)))
        if outcome.kind == "proportion" and not only:
            raise ValueError(f"{outcome.label!r} is called a proportion and holds other values than 0 and 1.")
        return only and bool((m.n > 0).any())

    def moments(self, outcome: Outcome, *, overall: bool) -> Moments:
        """Moments by scope and arm; a ratio linearised in each."""
        scope, arm = self.codes()
        a = len(self.arms)
        source = self.aggregates.moments[outcome.label]
        if overall:
            flat = source.grouped(arm, a)
            shape: tuple[int, ...] = (1, a)
        else:
            inside = scope >= 0
            flat = source.chosen(inside).grouped(scope[inside] * a + arm[inside], len(self.segments) * a)
            shape = (len(self.segments), a)
        k = flat.mean.shape[-1]
        made = Moments(
            flat.n.reshape(shape), flat.mean.reshape(*shape, k), flat.cross.reshape(*shape, k, k), flat.origin
        )
        return linearised(made) if outcome.per else made

    def compare(self, outcome: Outcome, control: int, treated: int, *, overall: bool) -> Compared:
        """Compare an arm with control in every segment, or over all customers."""
        if outcome.trim is not None:
            arms = self._trimmed(outcome, overall=overall)
            return self._compared(lifts_of(arms, control, treated), None)
        if self.aggregates.clustered:
            return self._clustered(outcome, control, treated, overall=overall)
        moments = self.moments(outcome, overall=overall)
        proportion = self.is_proportion(outcome)
        plain = lifts_of(raw(moments, proportion=proportion), control, treated)
        if self.adjust != "none":
            arms = adjusted(moments, self.adjust)
            if self.variance in ("hc2", "hc3"):
                arms = replace(arms, own=self._sandwich(outcome, moments, arms, overall=overall))
            made = self._compared(lifts_of(arms, control, treated), plain)
            if not proportion:
                return made
            score = self._proportions(moments, plain, control, treated)
            return replace(made, raw_bounds=(score.low, score.high))
        if self.variance in ("hc2", "hc3") and not proportion:
            means = raw(moments, proportion=False)
            arms = replace(means, own=self._sandwich(outcome, _without(moments), means, overall=overall))
            return self._compared(lifts_of(arms, control, treated), None)
        if not proportion:
            return self._compared(plain, None)
        return self._proportions(moments, plain, control, treated)

    def over_segments(self, compared: Compared, weights: Floats) -> Compared:
        """Average the lifts of segments by their customers."""
        plain = None if compared.raw is None else stratified(compared.raw, weights)
        return self._compared(stratified(compared.lifts, weights), plain)

    def _compared(self, lifts: Lifts, plain: Lifts | None, n_clusters: Any = None) -> Compared:
        low, high = lifts.interval(self.level)
        bounds = None if plain is None else plain.interval(self.level)
        return Compared(lifts, plain, low, high, lifts.p_value(), None, bounds, n_clusters)

    def _proportions(self, moments: Moments, plain: Lifts, control: int, treated: int) -> Compared:
        share = moments.mean[..., 0] + moments.origin[0]
        events = tuple(np.rint(moments.n[:, i] * share[:, i]) for i in (treated, control))
        n = moments.n[:, treated], moments.n[:, control]
        low, high, p = score_difference((events[0], events[1]), n, self.level)
        below, above = score_ratio((events[0], events[1]), n, self.level)
        return Compared(plain, None, low, high, p, (below - 1, above - 1))

    def _trimmed(self, outcome: Outcome, *, overall: bool) -> Arms:
        rows = self._single()
        values = rows.numbers(outcome.column)
        kept = np.isfinite(values) & (rows.arm >= 0)
        scope = np.zeros_like(rows.scope) if overall else rows.scope
        size = (1 if overall else len(self.segments), len(self.arms))
        return trimmed(values[kept], scope[kept], rows.arm[kept], size, float(outcome.trim or 0.0))

    def _single(self) -> Rows:
        if self.rows is None:
            raise ValueError("this estimate needs rows, not aggregates.")
        return self.rows

    def trimmed_means(self, outcome: Outcome, *, overall: bool) -> Floats:
        """Return the trimmed mean of every scope and arm."""
        return self._trimmed(outcome, overall=overall).mean

    def _sandwich(self, outcome: Outcome, moments: Moments, arms: Arms, *, overall: bool) -> Floats:
        rows, a = self._single(), len(self.arms)
        names = list(self.aggregates.covariates)[: moments.mean.shape[-1] - 1]
        y = rows.numbers(outcome.column)
        scope = np.zeros_like(rows.scope) if overall else rows.scope
        known = np.isfinite(y) & (rows.arm >= 0) & (scope >= 0)
        if outcome.log:
            y = np.log1p(y)
        elif outcome.cap is not None:
            y = np.minimum(y, outcome.cap)
        elif outcome.per:
            below = rows.numbers(outcome.per)
            known &= np.isfinite(below)
            cell = np.where(known, scope * a + rows.arm, 0)
            size = moments.n.size
            top, bottom = (np.bincount(cell[known], v[known], size) for v in (y, below))
            rows_n = np.bincount(cell[known], minlength=size)
            with np.errstate(invalid="ignore", divide="ignore"):
                ratio, per = top / bottom, bottom / rows_n
            y = ratio[cell] + (y - ratio[cell] * below) / per[cell]
        table = pd.DataFrame({"outcome": y - moments.origin[0]})
        for i, name in enumerate(names):
            x = rows.numbers(name)
            x = np.where(np.isnan(x), np.nanmean(x), x)  # as in the aggregates
            table[f"x{i}"] = x - self.aggregates.moments[outcome.label].origin[-len(names) + i]
        columns = [f"x{i}" for i in range(len(names))]
        return sandwich(table[known], columns, scope[known], rows.arm[known], moments, arms.mean, self.variance)

    def _clustered(self, outcome: Outcome, control: int, treated: int, *, overall: bool) -> Compared:
        scope, arm = self.codes()
        clusters = pd.factorize(self.aggregates.cells[CLUSTER])[0]
        if overall:
            scope = np.zeros_like(scope)
        source = self.aggregates.moments[outcome.label]
        adjusted_lifts, plain_lifts, numbers = [], [], []
        for s in range(1 if overall else len(self.segments)):
            inside = scope == s
            here, in_arm, codes = _one_cell_each(source.chosen(inside), arm[inside], clusters[inside])
            if outcome.per:
                here = _linearised_cells(here, in_arm, len(self.arms))
            plain = self._cluster_arms(_without(here), in_arm, codes)
            plain_lifts.append(self._cluster_lift(plain, control, treated))
            numbers.append(int((plain.present[:, control] | plain.present[:, treated]).sum()))
            if self.adjust != "none":
                full = here if self.adjust == "lin" else _without_slope(here, in_arm, len(self.arms))
                made = self._cluster_arms(full, in_arm, codes)
                adjusted_lifts.append(self._cluster_lift(made, control, treated))
        plain_all = _stacked(plain_lifts)
        if not adjusted_lifts:
            return self._compared(plain_all, None, np.array(numbers))
        return self._compared(_stacked(adjusted_lifts), plain_all, np.array(numbers))

    def _cluster_arms(self, moments: Moments, arm: Codes, codes: Codes) -> ClusterArms:
        return cluster_arms(moments, arm, codes, len(self.arms), corrected=self.variance == "cr2")

    def _cluster_lift(self, arms: ClusterArms, control: int, treated: int) -> Lifts:
        return cluster_lift(arms, control, treated, corrected=self.variance == "cr2")


def _one_cell_each(moments: Moments, arm: Codes, cluster: Codes) -> tuple[Moments, Codes, Codes]:
    """Put cells of one arm and cluster together, which over all customers come from several segments."""
    pairs, codes = np.unique(np.column_stack([arm, cluster]), axis=0, return_inverse=True)
    inside = np.unique(pairs[:, 1], return_inverse=True)[1]
    return moments.grouped(codes.ravel(), len(pairs)), pairs[:, 0], inside.astype(np.int64)


def _without(moments: Moments) -> Moments:
    """Leave the covariates out."""
    return Moments(moments.n, moments.mean[..., :1], moments.cross[..., :1, :1], moments.origin[:1])


def _stacked(lifts: list[Lifts]) -> Lifts:
    return Lifts(*(np.concatenate([getattr(one, name) for one in lifts]) for name in Lifts.__dataclass_fields__))


def _linearised_cells(moments: Moments, arm: Codes, n_arms: int) -> Moments:
    """Linearise a ratio in every cluster around the ratio of its arm."""
    together = moments.grouped(arm, n_arms)
    whole = together.mean[:, :2] + together.origin[:2]
    with np.errstate(invalid="ignore", divide="ignore"):
        some = whole[:, 1] != 0
        ratio = np.where(together.n > 0, np.where(some, whole[:, 0] / whole[:, 1], np.nan), 0.0)
        scale = np.where((together.n > 0) & some, 1 / whole[:, 1], 0.0)
    k = moments.mean.shape[-1]
    matrix = np.zeros((len(moments.n), k - 1, k))
    matrix[:, 0, 0], matrix[:, 0, 1] = scale[arm], -(ratio * scale)[arm]
    matrix[:, np.arange(1, k - 1), np.arange(2, k)] = 1.0
    # deviations from the means of the arm, which keep their digits, and then the ratio
    apart = moments.mean - together.mean[arm]
    mean = np.einsum("cjk,ck->cj", matrix, apart)
    mean[:, 0] += ratio[arm]
    mean[:, 1:] += together.mean[arm][:, 2:]
    cross = matrix @ moments.cross @ np.swapaxes(matrix, 1, 2)
    return Moments(moments.n, mean, cross, np.concatenate([[0.0], moments.origin[2:]]))


def _without_slope(moments: Moments, arm: Codes, n_arms: int) -> Moments:
    """Take one slope on the covariates out of every cluster, for CUPED."""
    together = moments.grouped(arm, n_arms)
    by_arm = Moments(together.n[None], together.mean[None], together.cross[None], together.origin)
    slope = slopes_of(by_arm, "cuped")[0][0, 0]
    centre = together.pooled(axis=0).mean[1:]
    mean = moments.mean[:, 0] - (moments.mean[:, 1:] - centre) @ slope
    weights = np.concatenate([[1.0], -slope])
    cross = np.einsum("j,cjk,k->c", weights, moments.cross, weights)
    return Moments(moments.n, mean[:, None], cross[:, None, None], moments.origin[:1])
