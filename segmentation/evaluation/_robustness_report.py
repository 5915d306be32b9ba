"""The result of `assignment_robustness`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, percent
from segmentation._plotting import COLOURS, axes_or_new, shorten, tidy
from segmentation._results import Result
from segmentation.assignment import UNASSIGNED
from segmentation.evaluation._refits_run import Base

__all__ = ["REFIT_ALONE", "UNSEEN", "RobustnessReport", "tabulate"]

REFIT_ALONE = "refit alone"
# In an array of codes: the customer was not there in that repeat.
UNSEEN = -2
NEW = "a new segment"
NAME_WIDTH = 28


@dataclass(frozen=True, repr=False, eq=False)
class RobustnessReport(Result):
    """Who changes segment under perturbed data.

    Attributes
    ----------
    table : pandas.DataFrame
        Index ``perturbation``: ``n_repeats``, ``n_compared`` (mean number of customers), ``n_changed`` (mean),
        ``changed_share`` (mean over repeats) with ``changed_share_low`` and ``changed_share_high`` (quantiles over
        repeats; NaN with a single one),
        ``to_unassigned_share`` of those compared, ``ever_changed_share`` (changed in at least one repeat), ``what``.
    segments : pandas.DataFrame
        Index ``perturbation``, ``segment``: ``n_customers``, ``changed_share`` with its two bounds, ``moved_to`` (where
        most of those who leave go) and ``moved_to_share`` (of those who leave). Unassigned customers are the last row
        where there are any.
    customers : pandas.DataFrame
        Index ``customer_id``: ``segment``; per perturbation the share of repeats in which the customer changed (NaN
        if never seen); ``confidence``: the share of repeats in which they stay, under the perturbation that moves them
        most.
    settings : dict
    warnings : tuple of str
    """

    table: pd.DataFrame
    segments: pd.DataFrame
    customers: pd.DataFrame
    settings: dict[str, Any]
    warnings: tuple[str, ...]

    @property
    def findings(self) -> tuple[str, ...]:
        """One sentence per perturbation."""
        sentences = []
        for name, row in self.table.iterrows():
            spread = (
                ""
                if np.isnan(row["changed_share_low"])
                else f" ({percent(row['changed_share_low'])} to {percent(row['changed_share_high'])} over repeats)"
            )
            text = f"{name}: {percent(row['changed_share'])}{spread} of the customers change segment"
            rows = self.segments.xs(name).query("n_customers > 0").sort_values("changed_share", kind="stable")
            worst = rows.reset_index().iloc[-1]
            if worst["changed_share"] > 0:
                text += f", most of all in {worst['segment']!r} ({percent(worst['changed_share'])}"
                text += f", mostly to {worst['moved_to']!r})"
            sentences.append(f"{text}.")
        return tuple(sentences)

    def _facts(self) -> dict[str, Any]:
        return {
            "settings": self.settings,
            "warnings": self.warnings,
            "findings": self.findings,
            "table": self.table.reset_index(),
            "segments": self.segments.reset_index(),
        }

    @property
    def _head(self) -> str:
        settings = self.settings
        how = "segments learnt anew from the perturbed data" if settings["refit"] else "segments as they are defined"
        return (
            f"Robustness of {count(settings['n_customers'], 'assignment')} ({settings['segmenter']}; {how}): "
            f"{percent((self.customers['confidence'] >= 1).mean())} of the customers never change"
        )

    def __str__(self) -> str:
        lines = [self._head, *(f"  {text}" for text in self.findings)]
        shown = self.table[
            ["n_repeats", "n_compared", "changed_share", "changed_share_low", "changed_share_high", "what"]
        ]
        counts = {"n_compared": lambda n: f"{n:,.0f}"}
        lines.append(shown.to_string(float_format="{:.3f}".format, formatters=counts, na_rep=""))
        return "\n".join([*lines, *(f"  Warning: {note}" for note in self.warnings)])

    def _opening(self) -> tuple[str, ...]:
        return (self._head, *self.findings)

    def _html_tables(self) -> tuple[str, ...]:
        return (*super()._html_tables(), self.segments.round(3).to_html(na_rep=""))

    def plot(self, ax: Any = None) -> Any:
        """Draw, per segment, the share of its customers who change, one mark and interval per perturbation.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        names, changes = list(dict.fromkeys(self.segments.index.get_level_values(1))), list(self.table.index)
        ax = axes_or_new(ax, 7.0, 1.8 + (0.3 + 0.08 * len(changes)) * max(len(names), 3))
        colours = [COLOURS[key] for key in ("model", "first", "second", "third")]
        markers = "osD^v"
        places = np.arange(len(names))
        for i, change in enumerate(changes):
            rows = self.segments.loc[change].reindex(names)
            shifted = places + (i - (len(changes) - 1) / 2) * 0.7 / max(len(changes), 2)
            # grey for what refitting does by itself, so that a perturbation has one colour with and without refits
            n_before = sum(name != REFIT_ALONE for name in changes[:i])
            colour = COLOURS["quiet"] if change == REFIT_ALONE else colours[n_before % len(colours)]
            ax.hlines(shifted, rows["changed_share_low"], rows["changed_share_high"], color=colour, linewidth=1.8)
            label = shorten(change, NAME_WIDTH)
            ax.scatter(rows["changed_share"], shifted, color=colour, marker=markers[i % 5], s=28, zorder=3, label=label)
        sizes = self.segments["n_customers"].groupby(level=1, sort=False).first()
        ax.set_yticks(places, [f"{shorten(name, NAME_WIDTH)} ({int(sizes[name]):,})" for name in names])
        ax.set_ylim(len(names) - 0.4, -0.6)
        ax.set_xlim(left=-0.01)
        tidy(ax, title="Who changes segment", x="share of the segment's customers who change", y="")
        # below the axes: inside it would lie on marks, above it on the title
        lowered = -0.9 / ax.figure.get_size_inches()[1]
        ax.legend(fontsize=9, frameon=False, loc="upper left", bbox_to_anchor=(0, lowered), ncols=2, borderaxespad=0)
        return ax


def tabulate(
    base: Base, index: pd.Index, codes: Mapping[str, NDArray[np.int64]], level: float
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Make the tables per perturbation, per segment and per customer.

    Parameters
    ----------
    base : Base
    index : pandas.Index of customers
    codes : mapping of perturbation to ndarray of shape (n_repeats, n_customers)
        Codes in the base's segments; n_segments for a new segment, -1 unassigned, -2 not there.
    level : float
    """
    names = [*base.segments, UNASSIGNED]
    segment = pd.Categorical.from_codes(
        np.where(base.codes < 0, len(base.segments), base.codes), categories=pd.Index(names, dtype=object)
    )
    people: dict[str, Any] = {"segment": segment}
    totals, parts = {}, []
    shown = range(len(names) if (base.codes < 0).any() else len(base.segments))
    for name, now in codes.items():
        seen = now != UNSEEN
        changed = seen & (now != base.codes[None, :])
        share = np.full(len(index), np.nan)
        np.divide(changed.sum(axis=0), seen.sum(axis=0), out=share, where=seen.any(axis=0))
        people[name] = share
        per_repeat = _shares(changed, seen)
        totals[name] = {
            "n_repeats": len(now),
            "n_compared": float(seen.sum(axis=1).mean()),
            "n_changed": float(changed.sum(axis=1).mean()),
            "changed_share": float(np.mean(per_repeat)),
            **_interval(per_repeat, level),
            "to_unassigned_share": float(_shares(changed & (now == -1), seen).mean()),
            "ever_changed_share": float((changed.any(axis=0).sum()) / max(int(seen.any(axis=0).sum()), 1)),
        }
        for code in shown:
            members = base.codes == (code if code < len(base.segments) else -1)
            parts.append(
                {"perturbation": name, "segment": names[code]} | _part(members, now, seen, changed, names, level)
            )
    customers = pd.DataFrame(people, index=index)
    customers["confidence"] = 1 - customers[list(codes)].max(axis=1)
    return (
        pd.DataFrame.from_dict(totals, orient="index").rename_axis("perturbation"),
        pd.DataFrame(parts).set_index(["perturbation", "segment"]),
        customers,
    )


def _part(
    members: NDArray[np.bool_],
    now: NDArray[np.int64],
    seen: NDArray[np.bool_],
    changed: NDArray[np.bool_],
    names: list[str],
    level: float,
) -> dict[str, Any]:
    """Return the figures of one segment under one perturbation."""
    shares = _shares(changed[:, members], seen[:, members])
    targets = now[:, members][changed[:, members]]
    moved_to, share = None, np.nan
    if targets.size:
        # places: the segments, then a new one, then unassigned
        counted = np.bincount(np.where(targets < 0, len(names), targets), minlength=len(names) + 1)
        most = int(counted.argmax())
        moved_to = [*names[:-1], NEW, UNASSIGNED][most]
        share = counted[most] / targets.size
    return {
        "n_customers": int(members.sum()),
        "changed_share": float(np.nanmean(shares)) if members.any() and not np.isnan(shares).all() else np.nan,
        **_interval(shares, level),
        "moved_to": moved_to,
        "moved_to_share": share,
    }


def _shares(changed: NDArray[np.bool_], seen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the share of those seen who changed, per repeat; NaN where nobody was seen."""
    shares = np.full(len(seen), np.nan)
    n_seen = seen.sum(axis=1)
    np.divide(changed.sum(axis=1), n_seen, out=shares, where=n_seen > 0)
    return shares


def _interval(shares: NDArray[np.float64], level: float) -> dict[str, float]:
    known = shares[~np.isnan(shares)]
    if len(known) < 2:
        return {"changed_share_low": np.nan, "changed_share_high": np.nan}
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return {"changed_share_low": float(low), "changed_share_high": float(high)}
