"""The curves that were drawn together: in the units of the caller, the one nearest to all, what each period holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize

from segmentation.curves._base import ResponseCurve
from segmentation.curves._curve import FAMILIES
from segmentation.curves._joint_forms import Candidates
from segmentation.curves._joint_input import BASELINE, Periods
from segmentation.curves._joint_sample import Sample
from segmentation.curves._profile import RETENTION, Form

__all__ = ["Drawn", "decomposition"]

Array = NDArray[np.float64]


class Drawn:
    """The draws of all curves, in the units of the caller."""

    def __init__(
        self,
        sample: Sample,
        whole: Sequence[Candidates],
        fine: Sequence[Candidates],
        n_draws: int,
        size: float,
        rng: np.random.Generator,
    ) -> None:
        def flat(values: NDArray[Any]) -> NDArray[Any]:
            return np.asarray(values.swapaxes(0, 1).reshape(-1, values.shape[-1])[:n_draws])

        self.forms = [c.form for c in whole]
        self.efforts = [c.effort for c in whole]
        self.scale, self.share, self.number = flat(sample.scale) * size, flat(sample.share), flat(sample.point)
        self.points = []
        for j, (all_of, these) in enumerate(zip(whole, fine, strict=True)):
            # of a curve that is not there anything may be true: what was expected
            points = all_of.prior_points(len(self.scale), rng)
            here = self.number[:, j] >= 0
            points[here] = these.points[self.number[here, j]]
            self.points.append(points)

    def curve(self, j: int, level: float, randomized: bool | None, notes: tuple[str, ...]) -> ResponseCurve:
        """Return the curve of effort j: the one of its family nearest to the mean of those drawn."""
        form = self.forms[j]
        inner = [i for i, name in enumerate(form.bounds) if name != RETENTION]
        draws = np.column_stack([self.scale[:, j], self.points[j][:, inner]])
        point = _nearest(form, self.efforts[j], self.scale[:, j], self.points[j], level)
        return FAMILIES[form.family](*point.tolist(), draws=draws, randomized=randomized, notes=notes)

    def table(self, names: Sequence[Any]) -> pd.DataFrame:
        columns: dict[tuple[Any, str], Array] = {}
        for j, name in enumerate(names):
            columns[name, FAMILIES[self.forms[j].family].parameter_names[0]] = self.scale[:, j]
            columns.update({(name, p): self.points[j][:, i] for i, p in enumerate(self.forms[j].bounds)})
        table = pd.DataFrame(dict(enumerate(columns.values())))
        table.columns = pd.MultiIndex.from_tuples(list(columns), names=["effort", "parameter"])
        return table


def _nearest(form: Form, effort: Array, scale: Array, points: Array, level: float) -> Array:
    """Return scale and parameters of the curve that is nearest to the mean of the drawn ones over the efforts seen."""
    inner = [i for i, name in enumerate(form.bounds) if name != RETENTION]
    names = [list(form.bounds)[i] for i in inner]
    works = scale > 0
    middle = np.exp(np.median(np.log(points[:, inner]), axis=0))
    if works.mean() <= (1 - level) / 2:  # the interval is 0 to 0
        return np.array([0.0, *middle])
    at = np.unique(np.r_[np.linspace(0.0, effort.max(), 30), np.quantile(effort, np.linspace(0.02, 0.98, 30))])
    family = FAMILIES[form.family]
    mean = family._value(np.column_stack([scale, points[:, inner]])[:, None, :], at).mean(axis=0)

    def fitted(inner_points: Array) -> tuple[Array, Array]:
        shapes = family._value(np.column_stack([np.ones(len(inner_points)), inner_points])[:, None, :], at)
        best = np.maximum(shapes @ mean / np.maximum((shapes**2).sum(axis=1), 1e-300), 0.0)
        return best, ((best[:, None] * shapes - mean) ** 2).sum(axis=1)

    tried = np.unique(points[works][:, inner], axis=0)
    start = tried[int(np.argmin(fitted(tried)[1]))]
    free = [i for i, name in enumerate(names) if name in form.free]
    if free:
        ends = np.log([form.bounds[names[i]] for i in free])

        def loss(logs: Array) -> float:
            point = start.copy()
            point[free] = np.exp(np.clip(logs, ends[:, 0], ends[:, 1]))
            return float(fitted(point[None, :])[1][0])

        found = optimize.minimize(loss, np.log(start[free]), method="Nelder-Mead", options={"maxfev": 200})
        start = start.copy()
        start[free] = np.exp(np.clip(found.x, ends[:, 0], ends[:, 1]))
    return np.array([fitted(start[None, :])[0][0], *start])


def decomposition(periods: Periods, drawn: Drawn, fine: Sequence[Candidates]) -> pd.DataFrame:
    """Return each period's outcome, baseline, what efforts bring (means over draws), and what is left."""
    n = len(drawn.scale)
    brought = np.zeros_like(periods.efforts)
    for j, these in enumerate(fine):
        works = drawn.number[:, j] >= 0
        weight = np.bincount(drawn.number[works, j], drawn.scale[works, j], len(these.mean)) / n
        brought[:, j] = these.columns @ weight
    rest = periods.outcome - brought.sum(axis=1)
    baseline = periods.held @ np.linalg.lstsq(periods.held, rest, rcond=None)[0]
    table = pd.DataFrame(brought, columns=list(periods.names), index=periods.labels)
    table.insert(0, BASELINE, baseline)
    table.insert(0, "outcome", periods.outcome)
    table["left"] = rest - baseline
    return table
