"""A segmentation reviewed against the criteria that make one worth acting on: named checks with evidence and advice."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from segmentation._format import count, name_some
from segmentation._results import Result
from segmentation.assignment import UNASSIGNED, as_assignment
from segmentation.evaluation._refits import root_seed
from segmentation.evaluation._review_base import NOT_CHECKED, ReviewCheck, one_sided
from segmentation.evaluation._review_checks import actionable, differentiable, measurable, substantial
from segmentation.evaluation._review_people import accessible, not_a_proxy, private
from segmentation.evaluation._review_stable import stable
from segmentation.exceptions import AssignmentError

__all__ = ["ReviewCheck", "SegmentationReview", "review"]

WIDTH = 120


@dataclass(frozen=True, repr=False, eq=False)
class SegmentationReview(Result):
    """What speaks for and against a segmentation, check by check.

    A status is ``"pass"``; ``"warn"``, usable once the advice was considered; ``"fail"``, not to be acted on as it is;
    or ``"not checked"``, because what it needs was not given.

    Attributes
    ----------
    checks : tuple of ReviewCheck
        Each with ``name``, ``question``, ``status``, ``evidence`` in words, ``figures`` by name and ``recommendation``.
    segments : pandas.DataFrame
        One row per segment: the figures that checks found for it.
    settings : dict
        Numbers of customers and segments, and what was given.
    warnings : tuple of str
    """

    checks: tuple[ReviewCheck, ...]
    segments: pd.DataFrame
    settings: dict[str, Any]
    warnings: tuple[str, ...]

    def __getitem__(self, name: str) -> ReviewCheck:
        for check in self.checks:
            if check.name == name:
                return check
        raise KeyError(f"no check {name!r}; there are {', '.join(check.name for check in self.checks)}.")

    @property
    def status(self) -> str:
        """The worst status of what was checked."""
        found = {check.status for check in self.checks}
        return next((status for status in ("fail", "warn", "pass") if status in found), NOT_CHECKED)

    @property
    def table(self) -> pd.DataFrame:
        """One row per check: ``status``, ``question``, ``evidence``, ``recommendation``."""
        columns = ("status", "question", "evidence", "recommendation")
        rows = [[getattr(check, name) for name in columns] for check in self.checks]
        return pd.DataFrame(rows, columns=list(columns), index=pd.Index([c.name for c in self.checks], name="check"))

    def _facts(self) -> dict[str, Any]:
        return {
            "status": self.status,
            "settings": self.settings,
            "warnings": self.warnings,
            "checks": [check.to_dict() for check in self.checks],
        }

    def _headline(self) -> str:
        words = []
        for status in ("fail", "warn", "pass", NOT_CHECKED):
            names = [check.name for check in self.checks if check.status == status]
            if names:
                words.append(f"{status}: {', '.join(names)}")
        return (
            f"Review of {count(self.settings['n_segments'], 'segment')}, "
            f"{count(self.settings['n_customers'], 'customer')} - {'; '.join(words)}"
        )

    def __str__(self) -> str:
        width = max(len(check.name) for check in self.checks)
        lines = [self._headline()]
        for check in self.checks:
            margin = " " * (width + 17)
            lines.append(
                textwrap.fill(
                    check.evidence,
                    WIDTH,
                    initial_indent=f"  {check.status:<11}  {check.name:<{width}}  ",
                    subsequent_indent=margin,
                )
            )
            if check.recommendation:
                lines.append(
                    textwrap.fill(
                        f"-> {check.recommendation}", WIDTH, initial_indent=margin, subsequent_indent=f"{margin}   "
                    )
                )
        return "\n".join([*lines, *(f"Note: {text}" for text in self.warnings)])

    def _opening(self) -> tuple[str, ...]:
        return (self._headline(),)

    def _html_tables(self) -> tuple[str, ...]:
        rows = "".join(
            "<tr>" + "".join(f"<td style='text-align:left'>{html.escape(text)}</td>" for text in cells) + "</tr>"
            for cells in ((c.status, c.name, c.evidence, c.recommendation) for c in self.checks)
        )
        head = "".join(f"<th>{name}</th>" for name in ("status", "check", "evidence", "recommendation"))
        return (f"<table><tr>{head}</tr>{rows}</table>",)


def review(
    assignment: Any,
    *,
    model: Any = None,
    features: Any = None,
    descriptors: Any = None,
    description: Any = None,
    granularity: Any = None,
    minimum_size: int | Mapping[str, int] | None = None,
    values: Any = None,
    running_cost: float = 0.0,
    actions: Mapping[str, Any] | None = None,
    reachable: Any = None,
    stability: Any = None,
    verdict: Any = None,
    protected: Any = None,
    quasi_identifiers: Any = None,
    random_state: Any = None,
) -> SegmentationReview:
    """Review a segmentation against eight criteria, each with evidence and advice.

    Parameters
    ----------
    assignment : dataframe or Series
        From `segmentation.assign`.
    model : fitted segmenter or pipeline, optional
        What made the segments (measurable: can it place a new customer?).
    features : dataframe, optional
        What the segments were formed by, one row per customer (measurable, differentiable).
    descriptors : dataframe, optional
        What is known of customers also where the features are not, such as age or region (accessible: can members be
        found by it? differentiable).
    description : SegmentDescription, optional
        From `describe_segments` (differentiable); made from `features` and `descriptors` where not given.
    granularity : GranularityReport, optional
        From `review_granularity` (differentiable: segments that need no telling apart).
    minimum_size : int or mapping of segment to int, optional
        Customers that a segment needs, as `experiments.minimum_segment_size` gives them (substantial).
    values : Series or score table, optional
        Money per customer over the period of `running_cost`; of a table the first column (substantial). Who has none
        counts as 0, which the evidence says.
    running_cost : float, default=0
        What it costs to serve one more segment, in the same money (substantial).
    actions : mapping of segment to action, optional
        What is to be done with each segment (actionable). Actions that read the same, case and blanks aside, are one;
        a segment without one, or with a missing one, has none.
    reachable : Series or dataframe, optional
        Whether a customer may and can be contacted, per channel if a table; true in one is enough (accessible).
    stability : StabilityReport, optional
        From `segment_stability` (stable).
    verdict : StructureVerdict, optional
        From `structure_verdict` (stable).
    protected : Series or dataframe, optional
        Protected attributes (not_a_proxy), see `governance.proxy_audit`.
    quasi_identifiers : dataframe, optional
        What outsiders may know of customers and will be published beside the segment (private).
    random_state : int, RandomState or Generator, optional
        For what draws at random (accessible, differentiable, not_a_proxy). A number makes the review repeatable.
        ``settings`` has the number that gives the same review again.

    Returns
    -------
    SegmentationReview
        Print it. ``status`` is the worst of what was checked.

    Raises
    ------
    AssignmentError, TypeError, ColumnError, CustomerTableError, ValueError
        If something given is not what it should be, or names segments that are not there.

    Notes
    -----
    The first five are Kotler's criteria of useful segments. What counts as a pass is a convention, stated here:

    ================ ==================================================== ==========================================
    check            pass                                                 fail
    ================ ==================================================== ==========================================
    measurable       at most 5 % of customers in no segment, no feature   more than 25 % in no segment, or a feature
                     missing for over 10 %, new customers can be placed   missing for more than half
    substantial      every segment has `minimum_size` customers (without  one has fewer than 10; those too small hold
                     it 1 % of all, 10 at least) and is worth twice       over 10 % of the customers; or one is worth
                     `running_cost`                                       less than it costs
    accessible       half of every segment can be reached; the area under less than a fifth of one can be reached; the
                     the curve (AUC) of telling members from others by    AUC is not told from chance for half of the
                     `descriptors` is 0.7 or more for every segment       segments or more
    differentiable   every segment has a marker variable or a descriptor  half of the segments have none, or after all
                     that stands out after Holm; no two can be merged     merges a single one is left
    actionable       every segment has an action, no two the same         all have the same, or segments without one
                                                                          hold over 10 % of the customers
    stable           mean Jaccard (SLSW) of every segment .75 or more     one is below .6 (Hennig 2007; fpc)
    private          nobody in a class of fewer than 10                   more than 5 % are, or a segment has fewer
    not_a_proxy      segments not told from chance                        moderate or strong (Cramer's V .3 or more)
    ================ ==================================================== ==========================================

    What lies between is a warning. For stable so is a verdict that is neither natural nor reproducible.
    A descriptor's AUC is estimated on customers that were not learnt from (5 folds).

    References
    ----------
    Kotler and Keller, Marketing Management: measurable, substantial, accessible, differentiable, actionable.
    Hennig (2007). Cluster-wise assessment of cluster stability. doi:10.1016/j.csda.2006.11.025.
    Hosmer, Lemeshow and Sturdivant (2013), Applied Logistic Regression, section 5.2.4: an AUC of 0.7 is acceptable.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from segmentation.evaluation import review
    >>> ids = pd.RangeIndex(1000, name="customer_id")
    >>> segments = pd.Series(np.repeat(["locals", "tourists"], [700, 300]), index=ids)
    >>> checked = review(segments, minimum_size=400, actions={"locals": "newsletter", "tourists": "map"})
    >>> checked["substantial"].status, checked["actionable"].status, checked["stable"].status
    ('fail', 'pass', 'not checked')
    >>> print(checked["substantial"].evidence)
    Too small: tourists (300 of 400 customers needed), which holds 30.0 % of the customers.
    """
    table = as_assignment(assignment)
    sizes = table["segment"].value_counts(sort=False).drop(UNASSIGNED)
    if not len(sizes) or not sizes.sum():
        raise AssignmentError("there is no customer in any segment; nothing to review.")
    empty = [str(name) for name in sizes.index[sizes == 0]]
    warnings = [f"{count(len(empty), 'empty segment')} left out: {name_some(empty)}."] if empty else []
    segments = sizes[sizes > 0].rename("n_customers").to_frame()
    segments.index = pd.Index(segments.index.astype(str), name="segment")
    seed = root_seed(random_state)
    checks = (
        measurable(table, segments, model, features),
        substantial(table, segments, minimum_size, values, running_cost),
        accessible(table, segments, reachable, descriptors, seed),
        differentiable(table, segments, features, descriptors, description, granularity, seed),
        actionable(table, segments, actions),
        stable(segments, stability, verdict),
        private(table, segments, quasi_identifiers),
        not_a_proxy(table, protected, seed),
    )
    given = {
        "model": model, "features": features, "descriptors": descriptors, "description": description,
        "granularity": granularity, "minimum_size": minimum_size, "values": values, "actions": actions,
        "reachable": reachable, "stability": stability, "verdict": verdict, "protected": protected,
        "quasi_identifiers": quasi_identifiers,
    }  # fmt: skip
    drawn = descriptors is not None or protected is not None or (features is not None and description is None)
    settings = {
        "n_customers": len(table),
        "n_segments": len(segments),
        "given": [name for name, value in given.items() if value is not None],
        "running_cost": float(running_cost),
        # where nothing is drawn, no seed is needed for the same review
        "random_state": seed if random_state is not None or drawn else None,
    }
    rows_per_customer = ("features", "descriptors", "values", "reachable", "protected", "quasi_identifiers")
    warnings += [text for what in rows_per_customer for text in one_sided(given[what], table, what)]
    return SegmentationReview(checks, segments, settings, tuple(warnings))
