"""Gorge plots: whether everybody is either clearly in a segment or clearly outside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some
from segmentation._plotting import COLOURS, axes_or_new, shorten, take_literally, tidy
from segmentation.base import largest_degree
from segmentation.evaluation._validity_input import place_customers
from segmentation.exceptions import AssignmentError, CustomerTableError

__all__ = ["GorgeDisplay"]

BINS = 40
OTHERS = "#B0B0B0"


@dataclass(eq=False)
class GorgeDisplay:
    """Per segment, how similar all customers are to it.

    A gorge, much at both ends and little between, says that customers clearly belong or clearly do not. One hill in
    the middle says that the border is drawn through a crowd.

    Make one by `from_assignment` or `from_membership`.

    Parameters
    ----------
    similarity : ndarray of shape (n_customers, n_segments)
        In [0, 1].
    codes : ndarray of shape (n_customers,)
        Own segment of each, -1 for unassigned.
    segments : list of str
    what : str
        What the similarity is, for the axis.
    notes : tuple of str, default=()
        What must be known beside the picture.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        Of the last ``plot``.
    """

    similarity: NDArray[np.float64]
    codes: NDArray[np.int64]
    segments: list[str]
    what: str = "degree of membership"
    notes: tuple[str, ...] = ()
    ax_: Any = field(default=None, init=False, repr=False)
    figure_: Any = field(default=None, init=False, repr=False)

    @classmethod
    def from_assignment(cls, X: Any, assignment: Any, *, space: Any = None, gamma: float = 1.0) -> GorgeDisplay:
        """Take similarities from distances to the segments' centres [1]_.

        The similarity of customer i to segment h is ``exp(-d_ih ** gamma) / sum_l exp(-d_il ** gamma)`` with d the
        Euclidean distance to the segment's mean.

        Parameters
        ----------
        X, assignment, space
            As in `validity`.
        gamma : float, default=1.0
            Above 1 draws the similarities to the ends, below 1 together. They depend on the scale of the columns
            as well: compare gorge plots only within one space.

        Raises
        ------
        ValueError
            If `gamma` is not positive; those of `validity`.

        References
        ----------
        .. [1] Dolnicar, Gruen, Leisch (2018), Market Segmentation Analysis, chapter 7, doi:10.1007/978-981-10-8818-6.
        """
        if isinstance(gamma, bool) or not isinstance(gamma, int | float | np.number) or not gamma > 0:
            raise ValueError(f"gamma must be a positive number, got {gamma!r}.")
        placed = place_customers(X, assignment, space, "GorgeDisplay")
        found = np.flatnonzero(placed.sizes)
        if not found.size:
            raise AssignmentError("nobody is in a segment: there is nothing to be similar to.")
        powers = np.empty((len(placed.codes), len(found)))
        for column, code in enumerate(found):
            centre = placed.points[placed.codes == code].mean(axis=0)
            powers[:, column] = -(np.sqrt(((placed.points - centre) ** 2).sum(axis=1)) ** gamma)
        powers -= powers.max(axis=1, keepdims=True)  # the same quotient, and nothing underflows for the far off
        similarity = np.exp(powers)
        similarity /= similarity.sum(axis=1, keepdims=True)
        codes = np.full(len(placed.codes), -1)
        inside = placed.codes >= 0
        codes[inside] = np.searchsorted(found, placed.codes[inside])
        names = [placed.segments[code] for code in found]
        what = f"similarity by distances to centres (gamma {gamma:g})"
        return cls(similarity, codes, names, what, placed.warnings)

    @classmethod
    def from_membership(cls, membership: Any, segments: Any = None, *, codes: Any = None) -> GorgeDisplay:
        """Take degrees of membership, such as ``model.transform(customers)``.

        Parameters
        ----------
        membership : DataFrame or array of shape (n_customers, n_segments)
            In [0, 1].
        segments : sequence of str, optional
            Names, such as ``model.segments_``; by default the columns of a table.
        codes : array of shape (n_customers,), optional
            Own segment of each, such as ``model.predict(customers)``; by default that of the largest degree.

        Raises
        ------
        CustomerTableError
            If shapes do not fit or there are no customers.
        AssignmentError
            If a degree lies outside [0, 1], or everyone is 0 or 1: there is no gorge to see then; use
            `from_assignment`.
        """
        names = list(membership.columns) if segments is None and isinstance(membership, pd.DataFrame) else segments
        degrees = np.asarray(membership, dtype=np.float64)
        if degrees.ndim != 2 or not degrees.size:
            raise CustomerTableError(
                f"membership must have a row per customer and a column per segment, got shape {degrees.shape}."
            )
        names = [f"segment_{i}" for i in range(1, degrees.shape[1] + 1)] if names is None else [str(n) for n in names]
        if len(names) != degrees.shape[1]:
            raise CustomerTableError(
                f"membership has {degrees.shape[1]} columns, but there are {len(names)} names: {name_some(names)}."
            )
        if not ((degrees >= 0) & (degrees <= 1)).all():
            raise AssignmentError("membership must lie in [0, 1] for everybody.")
        if np.isin(degrees, (0.0, 1.0)).all():
            raise AssignmentError(
                "all degrees of membership are 0 or 1, so there is nothing between to see: use "
                "GorgeDisplay.from_assignment, which takes similarities from distances."
            )
        own = largest_degree(degrees) if codes is None else np.asarray(codes).astype(np.int64)
        if own.shape != (len(degrees),) or own.max() >= degrees.shape[1]:
            raise CustomerTableError(
                f"codes must be one per customer and below {degrees.shape[1]}, got shape {own.shape}."
            )
        return cls(degrees, np.maximum(own, -1), names)

    def plot(self, ax: Any = None, *, heights: Literal["group", "count"] = "group") -> GorgeDisplay:
        """Draw one histogram per segment, one below the other, on one axis of similarity.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        heights : {"group", "count"}, default="group"
            "group": the segment's own customers upwards, all others downwards, each as shares of themselves, so that
            small segments are seen as well as large ones. "count": everybody upwards in one histogram, as the book
            draws it, with the own customers in colour.

        Returns
        -------
        self
        """
        if heights not in ("group", "count"):
            raise ValueError(f"heights must be 'group' or 'count', got {heights!r}.")
        k = len(self.segments)
        ax = axes_or_new(ax, 7.5, min(1.8 + (0.75 if k <= 12 else 0.42) * k, 14.0))
        edges = np.linspace(0, 1, BINS + 1)
        for row in range(k):
            self._draw_row(ax, row, edges, heights)
            ax.axhline(row, color=COLOURS["quiet"], linewidth=0.7)
        sizes = np.bincount(self.codes[self.codes >= 0], minlength=k)
        labels = [f"{shorten(name)}  ({n:,})" for name, n in zip(self.segments, sizes, strict=True)]
        ax.set_yticks(range(k), labels, fontsize=9 if k <= 15 else 8)
        colours = "own customers up, others down" if heights == "group" else "own customers blue, others grey"
        title = f"Gorge plot: {count(len(self.codes), 'customer')}, {count(k, 'segment')}"
        tidy(ax, title=f"{title}\n{colours}", x=f"{self.what}\nempty between the ends: clearly in or out", y="")
        ax.grid(visible=False, axis="y")
        ax.tick_params(axis="y", length=0)
        ax.set_xlim(-0.01, 1.01)
        ax.set_ylim(k - 0.4, -0.75) if heights == "group" else ax.set_ylim(k - 0.85, -1.0)
        self.ax_, self.figure_ = ax, ax.figure
        take_literally(self.ax_)
        return self

    def _draw_row(self, ax: Any, row: int, edges: NDArray[np.float64], heights: str) -> None:
        own = self.codes == row
        mine, others = (np.histogram(self.similarity[some, row], edges)[0].astype(float) for some in (own, ~own))
        if heights == "group":
            up, down = (part / part.max() if part.max() else part for part in (mine, others))
            ax.stairs(row - 0.55 * up, edges, baseline=row, fill=True, color=COLOURS["model"])
            ax.stairs(row + 0.3 * down, edges, baseline=row, fill=True, color=OTHERS)
            return
        scale = 0.85 / max(float((mine + others).max()), 1.0)
        ax.stairs(row - scale * mine, edges, baseline=row, fill=True, color=COLOURS["model"])
        ax.stairs(row - scale * (mine + others), edges, baseline=row - scale * mine, fill=True, color=OTHERS)
