"""How sure the order of segments is: the probability of each place, and who cannot be told apart."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from segmentation._format import count, name_some
from segmentation._priorities import candidate_segments, check_profile, valid_overrides
from segmentation.base import Override, Prioritizer
from segmentation.exceptions import SegmentationWarning
from segmentation.prioritizers._criteria import is_number
from segmentation.prioritizers._places import ahead_probability, place_probability
from segmentation.prioritizers._result import HeadedTable
from segmentation.prioritizers._worlds import figures_from_draws, figures_from_intervals, scores_in_worlds

__all__ = ["RankTable", "rank_table"]

Array = NDArray[np.float64]
# Below so many draws a probability is known to +- 0.07 at best.
FEW_DRAWS = 200


@dataclass(frozen=True, repr=False, eq=False)
class RankTable(HeadedTable):
    """How sure the places of a priority list are, see `rank_table`.

    Attributes
    ----------
    probabilities : pandas.DataFrame
        Of each segment (rows) to have priority 1, 2, ... or "excluded" (columns); rows add up to 1.
    pairs : pandas.DataFrame
        Probability that the segment of the row has the higher score than that of the column, ties counted half, among
        the worlds in which both are ranked. Overrides have no part in it.
    """

    # what a reader looks for, before the columns it rests on: a report shows these first
    columns_first: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "table": (
            "priority",
            "priority_low",
            "priority_high",
            "p_first",
            "tier",
            "told_apart",
            "p_ahead_of_next",
            "p_excluded",
        ),
    }

    probabilities: pd.DataFrame
    pairs: pd.DataFrame

    def _facts(self) -> dict[str, Any]:
        return {
            **super()._facts(),
            "probabilities": self.probabilities.to_dict("index"),
            "pairs": self.pairs.to_dict("index"),
        }

    def plot(self, ax: Any = None) -> Any:
        """Draw the probability of each place as a heatmap, see `RankDisplay`.

        Returns
        -------
        matplotlib Axes
        """
        from segmentation.prioritizers._rank_display import RankDisplay

        return RankDisplay.from_table(self).plot(ax).ax_


def rank_table(
    prioritizer: Prioritizer,
    profile: pd.DataFrame,
    draws: Any = None,
    *,
    overrides: Mapping[str, Override | tuple[Any, ...]] | None = None,
    level: float = 0.9,
    interval_level: float = 0.9,
    n_draws: int = 1000,
    random_state: Any = None,
    show_progress: bool | None = None,
) -> RankTable:
    """Say how sure each place of a priority list is, where the figures behind it have intervals.

    The prioritizer orders the segments in many possible worlds, knock-outs and normalisation included.

    Parameters
    ----------
    prioritizer : Prioritizer
        Any, also your own.
    profile : pandas.DataFrame
        As for ``prioritize``.
    draws : dataframe, or mapping of score or profile column to one, optional
        Rows are worlds, columns segments: what `segmentation.sample_segments` returns, or any table keyed by the column
        of the profile that it is about (``{"churn_mean": draws}``). Totals of a score also give its mean and share.
        Row i of several tables is the same world. Without them the draws of response curves are used where the
        prioritizer ranks by curves that have them, each curve independent of the others; else worlds are drawn from
        the intervals in the profile (``<figure>_low``, ``<figure>_high``), under the assumption that is noted beside
        the result.
    overrides : mapping, optional
        As for ``prioritize``: they hold in every world and are marked.
    level : float, default=0.9
        Of the intervals of places; neighbours are told apart where one is ahead in at least so large a share of worlds.
    interval_level : float, default=0.9
        Level of the intervals in the profile, where worlds are drawn from them.
    n_draws : int, default=1000
        Worlds, where `draws` are not given.
    random_state : int, RandomState or None, default=None
    show_progress : bool or None, default=None
        None: where standard error is a terminal.

    Returns
    -------
    RankTable
        Its ``table`` has the segments that can be ranked, in the order of the priority list, index ``segment``:

        ``priority``
            In the list, from the figures as they stand; <NA> if excluded there.
        ``priority_low``, ``priority_high``
            Interval of the place over the worlds in which it is ranked (equal tails).
        ``p_priority``, ``p_first``, ``p_excluded``
            Probability of the place it has, of the first place, of being knocked out.
        ``p_ahead_of_next``, ``told_apart``
            Probability to have the higher score than the next one in the list, and whether that is `level` or more;
            missing for the last, and beside a segment that people placed.
        ``tier``
            Neighbours in the same tier cannot be told apart, each from the next.
        ``override``
            Whether people placed it.

    Notes
    -----
    Segments with equal scores share the places that they take, as in `segmentation.rank_probability` (the list itself
    puts the larger one first). A frequency in 1,000 draws is known to about +- 0.03. Each pair of neighbours is judged
    by itself; that two segments cannot be told apart does not mean that they are equal.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.prioritizers import ValuePrioritizer, rank_table
    >>> profile = pd.DataFrame({"n_customers": [10, 10], "value": [12.0, 9.0]}, index=["a", "b"])
    >>> draws = pd.DataFrame({"a": [11.0, 13, 12, 10], "b": [9.0, 8, 8, 11]})
    >>> ranks = rank_table(ValuePrioritizer("value"), profile, {"value": draws})
    >>> ranks.probabilities.loc["a"].to_dict()
    {1: 0.75, 2: 0.25, 'excluded': 0.0}
    >>> print(ranks.headline)
    'a' comes first with a probability of 0.75; cannot be told apart: 'a' and 'b'.
    """
    _check_parameters(prioritizer, level, interval_level, n_draws)
    plan = prioritizer.prioritize(profile, overrides=overrides)
    candidates = candidate_segments(profile)
    if not len(candidates):
        raise ValueError("no segment can be ranked: every row is empty or unassigned.")
    scores, source, notes = _scores(
        prioritizer, profile, candidates, draws, interval_level, int(n_draws), random_state, show_progress
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SegmentationWarning)  # prioritize said it
        placed = {name: one.priority for name, one in valid_overrides(overrides or {}, check_profile(profile)).items()}
    order = [name for name in plan.index if name in candidates.index]
    scores = scores[:, candidates.index.get_indexer(pd.Index(order))]
    names = pd.Index(order, name="segment", dtype=candidates.index.dtype)
    places = {i: placed[name] for i, name in enumerate(order) if name in placed}
    probability = place_probability(scores, places)
    columns = pd.Index([*range(1, len(order) + 1), "excluded"], name="priority", dtype=object)
    probabilities = pd.DataFrame(probability, index=names, columns=columns)
    pairs = pd.DataFrame(ahead_probability(scores), index=names, columns=names)
    table = _table(plan.loc[order, "priority"], probability, pairs.to_numpy(), set(places), level)
    return RankTable(
        table=table.set_axis(names, axis=0),
        headline=_headline(table.set_axis(names, axis=0), level),
        settings={
            "prioritizer": repr(prioritizer),
            "source": source,
            "n_draws": len(scores),
            "level": level,
            "interval_level": interval_level if source == "intervals" else None,
            "random_state": random_state if source != "draws" else None,
        },
        warnings=(*notes, *_doubts(scores, places)),
        probabilities=probabilities,
        pairs=pairs,
    )


def _check_parameters(prioritizer: Any, level: Any, interval_level: Any, n_draws: Any) -> None:
    if not isinstance(prioritizer, Prioritizer):
        raise TypeError(f"rank_table takes a Prioritizer, got {type(prioritizer).__name__}.")
    for name, value in (("level", level), ("interval_level", interval_level)):
        if not is_number(value) or not 0 < value < 1:
            raise ValueError(f"{name} must be a number between 0 and 1, got {value!r}.")
    if level < 0.5:
        raise ValueError(f"level must be at least 0.5: below it both of two segments could be ahead; got {level!r}.")
    if not isinstance(n_draws, int | np.integer) or isinstance(n_draws, bool) or n_draws < 1:
        raise ValueError(f"n_draws must be a positive integer, got {n_draws!r}.")


def _scores(
    prioritizer: Any,
    profile: pd.DataFrame,
    candidates: pd.DataFrame,
    draws: Any,
    interval_level: float,
    n_draws: int,
    random_state: Any,
    show_progress: bool | None,
) -> tuple[Array, str, list[str]]:
    """Return scores of the candidates, (n_draws, n_segments), where they come from, and what to say of it."""
    rng = check_random_state(random_state)
    checked = check_profile(profile)
    if draws is not None:
        figures = figures_from_draws(checked, candidates.index, draws)
        return scores_in_worlds(prioritizer, candidates, figures, show_progress), "draws", []
    of_curves = getattr(prioritizer, "_score_draws", None)
    if of_curves is not None:
        eligible = candidates.drop(index=list(prioritizer._exclusions(candidates)))
        drawn = of_curves(eligible, n_draws, rng) if len(eligible) else None
        if drawn is not None:
            scores = np.full((n_draws, len(candidates)), np.nan)
            scores[:, candidates.index.get_indexer(eligible.index)] = drawn
            return scores, "curves", ["the curves of different segments are taken as independent of each other"]
    figures, notes = figures_from_intervals(checked, candidates.index, n_draws, interval_level, rng)
    return scores_in_worlds(prioritizer, candidates, figures, show_progress), "intervals", notes


def _table(priority: pd.Series[Any], probability: Array, pairs: Array, placed: set[int], level: float) -> pd.DataFrame:
    n = len(priority)
    ranked = probability[:, :-1]
    sure = ranked.sum(axis=1)
    with np.errstate(invalid="ignore"):
        cumulative = ranked.cumsum(axis=1) / sure[:, None]
    low = (cumulative < (1 - level) / 2 + 1e-12).sum(axis=1) + 1
    high = (cumulative < (1 + level) / 2 - 1e-12).sum(axis=1) + 1
    n_listed = int(priority.notna().sum())
    ahead = np.full(n, np.nan)
    for i in range(n_listed - 1):
        if not {i, i + 1} & placed:
            ahead[i] = pairs[i, i + 1]
    apart = np.where(np.isnan(ahead), np.nan, ahead >= level)
    own = [ranked[i, int(place) - 1] if not pd.isna(place) else np.nan for i, place in enumerate(priority)]
    tier = 1 + np.concatenate([[0], np.cumsum(apart[: n_listed - 1] != 0)]) if n_listed else np.zeros(0)
    return pd.DataFrame(
        {
            "priority": priority.to_numpy(),
            "priority_low": pd.array(np.where(sure > 0, low, np.nan), dtype="Int64"),
            "priority_high": pd.array(np.where(sure > 0, high, np.nan), dtype="Int64"),
            "p_priority": own,
            "p_first": ranked[:, 0],
            "p_excluded": probability[:, -1],
            "p_ahead_of_next": ahead,
            "told_apart": pd.array([pd.NA if np.isnan(a) else bool(a) for a in apart], dtype="boolean"),
            "tier": pd.array([*tier.astype(int), *[pd.NA] * (n - n_listed)], dtype="Int64"),
            "override": [i in placed for i in range(n)],
        }
    ).astype({"priority": "Int64"})


def _headline(table: pd.DataFrame, level: float) -> str:
    listed = table[table["priority"].notna()]
    if not len(listed):
        return "No segment is ranked."
    text = f"{listed.index[0]!r} comes first with a probability of {listed['p_first'].iloc[0]:.2f}"
    if listed["override"].iloc[0]:
        text = f"{listed.index[0]!r} comes first because people placed it there"
    unsure = [list(rows.index) for _, rows in listed.groupby("tier") if len(rows) > 1]
    if not unsure:
        compared = listed["told_apart"].notna()
        which = "all neighbours" if compared.iloc[:-1].all() else "all neighbours that people did not place"
        return text + (f"; {which} are told apart at {100 * level:g} %." if compared.any() else ".")
    groups = ["; ".join(" and ".join(map(repr, names)) if len(names) < 6 else name_some(names) for names in unsure)]
    return f"{text}; cannot be told apart: {groups[0]}."


def _doubts(scores: Array, placed: Mapping[int, Any]) -> list[str]:
    """Say where the probabilities rest on little."""
    doubts = []
    if len(scores) < FEW_DRAWS:
        worst = 1 / np.sqrt(len(scores))
        doubts.append(f"only {count(len(scores), 'draw')}: a probability is known to about +- {worst:.2f} at worst")
    same = (scores == scores[0]) | (np.isnan(scores) & np.isnan(scores[0]))
    if len(scores) > 1 and same.all():
        doubts.append(
            "no figure that it ranks by varies over the draws: the probabilities say nothing of how sure they are"
        )
    if placed:
        doubts.append(f"people placed {count(len(placed), 'segment')}: the place holds in every draw")
    return doubts
