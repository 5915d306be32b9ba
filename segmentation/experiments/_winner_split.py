"""The best segment by an honest split: one part of the customers chooses it, the other part says how good it is."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import column_difference, count, name_some
from segmentation._frames import to_pandas
from segmentation._results import Result
from segmentation.exceptions import ColumnError

__all__ = ["SplitBest", "best_segment_by_split"]


@dataclass(frozen=True, repr=False, eq=False)
class SplitBest(Result):
    """The segment that one part of the customers chose, as the other part sees it.

    Attributes
    ----------
    headline : str
    segment : str
    estimate, low, high : float
        In the second part, which had no say in the choice: an ordinary interval.
    table : pandas.DataFrame
        Index ``segment``: ``chosen_by`` (estimate in the first part), ``estimate``, ``se``, ``low``, ``high`` (second).
    settings : dict
    warnings : tuple of str
    """

    headline: str
    segment: str
    estimate: float
    low: float
    high: float
    table: pd.DataFrame
    settings: dict[str, Any]
    warnings: tuple[str, ...]

    def _facts(self) -> dict[str, Any]:
        return {
            "headline": self.headline, "segment": self.segment, "estimate": self.estimate, "low": self.low,
            "high": self.high, "table": self.table.reset_index(), "settings": self.settings,
            "warnings": self.warnings,
        }  # fmt: skip

    def __str__(self) -> str:
        shown = self.table.to_string(float_format="{:.4g}".format)
        return "\n".join([self.headline, "", shown, "", *(f"Note: {text}" for text in self.warnings)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        notes = "".join(f"<p>Note: {escape(text)}</p>" for text in self.warnings)
        return f"<p>{escape(self.headline)}</p>{self.table.to_html(float_format='{:.4g}'.format)}{notes}"


def best_segment_by_split(
    data: Any, *, segment: str, arm: str, outcome: Any, control: Any, treated: Any = None, share: float = 0.5,
    largest: bool = True, cluster: str | None = None, level: float = 0.95, random_state: Any = None, **options: Any,
) -> SplitBest:  # fmt: skip
    """Choose the best segment on a random part of the customers, and estimate it on the others.

    Simpler than `best_segment` and free of its assumption of normal estimates, at the price of the customers who only
    choose. Decide on the split before you look at the data.

    Parameters
    ----------
    data : dataframe
        Rows, as for `analyze_experiment`.
    segment, arm : str
    outcome : str or Outcome
    control, treated : object
        Arms to compare; `treated` may be left out with two arms.
    share : float, default=0.5
        Of customers who choose.
    largest : bool, default=True
    cluster : str, optional
        Whole clusters are split then.
    level : float, default=0.95
    random_state : int, numpy Generator or None, default=None
    **options
        For `analyze_experiment`, for instance ``covariates``.

    Returns
    -------
    SplitBest

    Raises
    ------
    ValueError
        If `share` is no share, or the first part has no segment with an estimate.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from segmentation.experiments import best_segment_by_split
    >>> rng = np.random.default_rng(0)
    >>> rows = pd.DataFrame({"tier": rng.choice(["a", "b", "c"], 3000), "arm": rng.choice(["mail", "none"], 3000)})
    >>> rows["spend"] = rng.normal(10, 5, 3000) + ((rows["arm"] == "mail") & (rows["tier"] == "b"))
    >>> found = best_segment_by_split(rows, segment="tier", arm="arm", outcome="spend", control="none", random_state=1)
    >>> found.segment
    'b'
    """
    # analyze_experiment uses best_segment, so that it cannot be imported above
    from segmentation.experiments._analyze import analyze_experiment

    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < 1:
        raise ValueError(f"share of customers who choose must be between 0 and 1, got {share!r}.")
    table = to_pandas(data, name="data").reset_index(drop=True)
    if cluster is not None and cluster not in table.columns:
        raise ColumnError(
            f"data has no column {cluster!r} (cluster=): {column_difference([cluster], list(table.columns))}"
        )
    rng = np.random.default_rng(random_state)
    if cluster is None:
        first = rng.random(len(table)) < share
    else:
        codes, levels = pd.factorize(table[cluster])
        first = (rng.random(len(levels) + 1) < share)[codes]
    parts = []
    for inside in (first, ~first):
        if not inside.any():
            raise ValueError("one part of the split is empty: there are too few customers for it.")
        found = analyze_experiment(
            table[inside], segment=segment, arm=arm, outcomes=outcome, control=control, cluster=cluster, level=level,
            **options,
        )  # fmt: skip
        chosen = found._choose(None, None if treated is None else str(treated))
        rows: Any = found.segments[(found.segments["outcome"] == chosen[0]) & (found.segments["arm"] == chosen[1])]
        parts.append((found, rows.set_index("segment")))
    choosing, judging = parts[0][1], parts[1][1]
    usable = choosing["lift"].where(np.isfinite(choosing["se"])).dropna()
    if not len(usable):
        raise ValueError("no segment has an estimate in the first part: there are too few customers for a split.")
    best = str(usable.idxmax() if largest else usable.idxmin())
    made = pd.DataFrame({"chosen_by": choosing["lift"]}).join(
        judging[["lift", "se", "lift_low", "lift_high"]].set_axis(["estimate", "se", "low", "high"], axis=1)
    )
    row: Any = made.loc[best]
    notes = [f"the choice rests on {int(first.sum()):,} of {len(table):,} rows, the estimate on the others."]
    if not np.isfinite(row["low"]):
        notes.append(f"the second part has no interval for {best!r}: too few customers of it in an arm.")
    if not all(part[0].trustworthy for part in parts):
        notes.append("the sample-ratio check failed: arms are not comparable.")
    notes += _left_out(parts[0][0], parts[1][0])
    missing = int(table[outcome].isna().sum()) if isinstance(outcome, str) and outcome in table else 0
    if missing:
        notes.append(f"{outcome!r} is missing in {count(missing, 'row')}, left out.")
    none = [name for name in choosing.index if name not in usable.index]
    if none:
        notes.append(f"segments {name_some(none)} had no estimate in the first part, so they could not be chosen.")
    lost = [name for name in choosing.index if name not in judging.index]
    if lost:
        notes.append(f"segments {name_some(lost)} have nobody in the second part.")
    text = (
        f"Best of {len(usable)} by the first part: segment {best!r}; in the second part its effect is "
        f"{row['estimate']:.4g} ({row['low']:.4g} to {row['high']:.4g}, {100 * level:g} %), {row['chosen_by']:.4g} in "
        "the first."
    )
    settings = {
        "share": share, "level": level, "largest": largest, "cluster": cluster, "n_choosing": int(first.sum()),
        "n_judging": int((~first).sum()), "random_state": random_state,
    }  # fmt: skip
    return SplitBest(
        text, best, float(row["estimate"]), float(row["low"]), float(row["high"]), made, settings, tuple(notes)
    )


def _left_out(*parts: Any) -> list[str]:
    """Say whom the analyses of both parts left out."""
    said = []
    for key, what in (("n_without_arm", "row"), ("n_unassigned", "customer")):
        n = sum(int(part.settings.get(key) or 0) for part in parts)
        if n:
            said.append(f"{count(n, what)} {'without an arm' if what == 'row' else 'in no segment'} left out.")
    return said
