"""Priority by several weighted criteria, after knock-out criteria: the segment evaluation matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import money
from segmentation._priorities import candidate_segments
from segmentation.base import Override, Prioritizer
from segmentation.prioritizers._criteria import (
    Criterion,
    Limits,
    Rating,
    check_normalization,
    is_number,
    knocked_out,
    normalized,
    read_criteria,
)
from segmentation.prioritizers._evaluation import SegmentEvaluation, evaluation_headline
from segmentation.prioritizers._sensitivity import WeightSensitivity, range_columns, sensitivity_headline

__all__ = ["WeightedPrioritizer"]

Array = NDArray[np.float64]
Criteria = Mapping[str, float | Criterion | Rating]
ATTRACTIVENESS, COMPETITIVENESS = "attractiveness", "competitiveness"


class WeightedPrioritizer(Prioritizer):
    """Order segments by the weighted sum of normalised criteria, after knock-out criteria.

    The attractiveness of a segment is the sum of weight times normalised value, with weights that add up to 1, so it
    lies in [0, 1] and 1 is a segment that is best in everything. Where `competitiveness` is given, how strong the
    organisation is in a segment, beside its competitors, is rated in the same way: the two are the axes of the segment
    evaluation matrix (`evaluate`), and the score is their mean, weighted by `competitiveness_weight`.

    Parameters
    ----------
    criteria : mapping of profile column to weight, Criterion or Rating
        How attractive the segment is to the organisation. A plain number is the weight of a criterion of which more is
        better. Weights are divided by their sum; people find it easiest to share out 100 points.
    knock_out : mapping of profile column to number, (minimum, maximum) or Limits, optional
        A plain number is the minimum. A segment outside is excluded, and the reason says why; so is one whose
        value is missing.
    normalization : {"rank", "minmax"}, default="rank"
        Of figures, on both axes. "rank": the share of the other segments that it beats, ties shared: robust against
        one giant segment. "minmax": distance between the worst and the best segment: keeps how much better one is. A
        criterion in which all segments are equal counts 0.5 for each. A `Rating` keeps the scale on which people rated.
    competitiveness : mapping of profile column to weight, Criterion or Rating, optional
        How attractive the organisation is to the segment, compared with its competitors.
    competitiveness_weight : float, default=0.5
        Weight of competitiveness in the score, 0 (it is only shown) to 1; not used without `competitiveness`.

    Notes
    -----
    Criteria are normalised over the segments that are left after the knock-out, so that with "rank" and "minmax" a
    segment less can change the order of the others; with ratings it cannot. A segment that lacks the value of a
    criterion is listed last with that reason. Knock-out criteria, attractiveness criteria with weights that sum to 100,
    and the matrix of segment attractiveness and relative organisational competitiveness are the procedure of Dolnicar,
    Grün and Leisch (2018), Market Segmentation Analysis, chapters 4 and 10 (doi:10.1007/978-981-10-8818-6). The book
    stops at the picture; one score for both axes is our addition.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.prioritizers import Criterion, WeightedPrioritizer
    >>> profile = pd.DataFrame(
    ...     {"n_customers": [500, 300, 12], "clv_total": [9.0, 8.0, 7.0], "churn_mean": [0.6, 0.1, 0.2]},
    ...     index=["a", "b", "c"])
    >>> plan = WeightedPrioritizer(
    ...     {"clv_total": 0.6, "churn_mean": Criterion(0.4, higher_is_better=False)},
    ...     knock_out={"n_customers": 50}).prioritize(profile)
    >>> plan["priority"].tolist()
    [1, 2, <NA>]
    >>> plan.loc["c", "reason"]
    'excluded: n_customers is 12, minimum 50'
    """

    def __init__(
        self,
        criteria: Criteria,
        *,
        knock_out: Mapping[str, float | tuple[float | None, float | None] | Limits] | None = None,
        normalization: Literal["rank", "minmax"] = "rank",
        competitiveness: Criteria | None = None,
        competitiveness_weight: float = 0.5,
    ) -> None:
        self.criteria = criteria
        self.knock_out = knock_out
        self.normalization = normalization
        self.competitiveness = competitiveness
        self.competitiveness_weight = competitiveness_weight

    # ------------------------------------------------------------------ hooks
    def _exclusions(self, profile: pd.DataFrame) -> Mapping[str, str]:
        return knocked_out(profile, self.knock_out, "WeightedPrioritizer")

    def _priority_scores(self, profile: pd.DataFrame) -> Array:
        balance = self._balance()
        # a tie is a tie whatever the order of the criteria and the size of the weights: 0.1 + 0.2 is not 0.3
        axes = {axis: parts.sum(axis=1) for axis, parts in self._contributions(profile).items()}
        scores: Array = axes[ATTRACTIVENESS]
        if balance is not None:
            scores = (1 - balance) * scores + balance * axes[COMPETITIVENESS]
        return scores.round(12)

    def _reasons(self, profile: pd.DataFrame, scores: Array) -> Sequence[str]:
        balance, parts = self._balance(), self._contributions(profile)
        texts = []
        for row, (_, values) in enumerate(profile.iterrows()):
            named = {axis: self._named(axis, values, parts[axis][row].round(12)) for axis in parts}
            if balance is None:
                texts.append(f"score {scores[row]:.2f} of 1: {named[ATTRACTIVENESS]}")
                continue
            sides = [
                f"{axis} {parts[axis][row].sum():.2f} (counts {100 * share:.4g} %: {named[axis]})"
                for axis, share in ((ATTRACTIVENESS, 1 - balance), (COMPETITIVENESS, balance))
            ]
            texts.append(f"score {scores[row]:.2f} of 1: {'; '.join(sides)}")
        return texts

    def _named(self, axis: str, values: pd.Series[Any], parts: Array) -> str:
        names = self._axes()[axis]
        return "; ".join(
            f"{name} {money(float(values[name]))} adds {part:.2f}"
            for name, part in zip(names, parts, strict=True)
            if not np.isnan(part)
        )

    # ------------------------------------------------------------------ axes
    def _axes(self) -> dict[str, dict[str, Criterion | Rating]]:
        axes = {ATTRACTIVENESS: read_criteria(self.criteria)}
        if self.competitiveness is not None:
            axes[COMPETITIVENESS] = read_criteria(self.competitiveness, "competitiveness")
        return axes

    def _balance(self) -> float | None:
        """Return the weight of competitiveness, None where there is no such axis."""
        weight = self.competitiveness_weight
        if not is_number(weight) or not 0 <= weight <= 1:
            raise ValueError(f"competitiveness_weight must be a number from 0 to 1, got {weight!r}.")
        return None if self.competitiveness is None else float(weight)

    def _weights(self) -> dict[str, Array]:
        """Return the weights of each axis, which add up to 1."""
        axes = {axis: np.array([one.weight for one in named.values()]) for axis, named in self._axes().items()}
        return {axis: weights / weights.sum() for axis, weights in axes.items()}

    def _normalized(self, profile: pd.DataFrame) -> dict[str, Array]:
        """Return the normalised criteria of each axis, (n_segments, n_criteria)."""
        check_normalization(self.normalization)
        whose = {ATTRACTIVENESS: "criteria", COMPETITIVENESS: COMPETITIVENESS}
        return {
            axis: np.column_stack(
                [
                    normalized(profile, name, one, self.normalization, f"WeightedPrioritizer({whose[axis]}=...)")
                    for name, one in named.items()
                ]
            )
            for axis, named in self._axes().items()
        }

    def _contributions(self, profile: pd.DataFrame) -> dict[str, Array]:
        """Return weight times normalised value of each axis, (n_segments, n_criteria)."""
        weights = self._weights()
        return {axis: weights[axis] * values for axis, values in self._normalized(profile).items()}

    # ------------------------------------------------------------------ results
    def evaluate(
        self, profile: pd.DataFrame, *, overrides: Mapping[str, Override | tuple[Any, ...]] | None = None
    ) -> SegmentEvaluation:
        """Return the segment evaluation matrix: attractiveness, competitiveness and what they consist of.

        Parameters
        ----------
        profile, overrides
            As for `prioritize`.

        Returns
        -------
        SegmentEvaluation
            Every segment of the priority list, in its order; ``plot()`` draws the matrix.

        Examples
        --------
        >>> from segmentation.prioritizers import Rating, WeightedPrioritizer
        >>> from segmentation.testing import make_profile
        >>> profile = make_profile().assign(brand=[9.0, 4.0, 4.0, 7.0, 1.0, 1.0])
        >>> prioritizer = WeightedPrioritizer({"clv_total": 100}, competitiveness={"brand": Rating(100, low=1, high=9)})
        >>> prioritizer.evaluate(profile).table.loc["newcomers", ["attractiveness", "competitiveness"]].tolist()
        [0.0, 0.75]
        """
        plan = self.prioritize(profile, overrides=overrides)
        eligible = self._eligible(profile)
        parts = self._contributions(eligible) if len(eligible) else {}
        table = plan[["priority"]].assign(n_customers=profile["n_customers"].reindex(plan.index))
        contributions = []
        for axis, named in self._axes().items():
            values = 100 * parts.get(axis, np.zeros((0, len(named))))
            points = pd.DataFrame(values, index=eligible.index, columns=list(named)).reindex(plan.index)
            table[axis] = points.sum(axis=1, skipna=False) / 100
            contributions.append(pd.concat({axis: points}, axis=1, names=["axis", "criterion"]))
        weights = {axis: dict(zip(named, self._weights()[axis], strict=True)) for axis, named in self._axes().items()}
        return SegmentEvaluation(
            table=table.assign(priority_score=plan["priority_score"], reason=plan["reason"]),
            headline=evaluation_headline(plan),
            settings={
                "weights": {axis: {name: 100 * w for name, w in named.items()} for axis, named in weights.items()},
                "competitiveness_weight": self._balance(),
                "normalization": self.normalization,
                "n_segments": len(plan),
            },
            warnings=(),
            contributions=pd.concat(contributions, axis=1),
        )

    def sensitivity(self, profile: pd.DataFrame, *, top: int = 1) -> WeightSensitivity:
        """Say how far each weight can move before first place changes.

        One weight moves from 0 to 100 % while the others of its axis keep their proportions; every score is then a
        straight line, so the range is exact. Human overrides do not depend on weights and are left out.

        Parameters
        ----------
        profile : pandas.DataFrame
            As for `prioritize`.
        top : int, default=1
            Ask for the set of the first `top` places instead of the first.

        Returns
        -------
        WeightSensitivity

        Examples
        --------
        a is ahead in value (1 against 0), b in loyalty: a leads while the weight of value is above a half.

        >>> import pandas as pd
        >>> from segmentation.prioritizers import WeightedPrioritizer
        >>> profile = pd.DataFrame(
        ...     {"n_customers": [10, 20], "value": [9.0, 5.0], "loyalty": [0.2, 0.7]}, index=["a", "b"])
        >>> print(WeightedPrioritizer({"value": 60, "loyalty": 40}).sensitivity(profile).headline)
        'a' stays first until the weight of 'value' goes from 60 below 50 %: then 'b' overtakes.
        """
        plan = self.prioritize(profile)
        names = list(plan.index[plan["priority"].notna()])
        if isinstance(top, bool) or not isinstance(top, int | np.integer) or top < 1:
            raise ValueError(f"top must be a whole number of at least 1, got {top!r}.")
        if not names:
            raise ValueError("no segment is ranked, so there is no first place; see prioritize(profile)['reason'].")
        leaders = names[:top]
        rows = [
            {
                "axis": axis,
                "criterion": name,
                "weight": round(100 * weight, 10),
                **range_columns(weight, *line, names, int(top)),
            }
            for axis, name, weight, line in self._lines(self._eligible(profile), names)
        ]
        table = pd.DataFrame(rows).set_index(["axis", "criterion"])
        for side in ("overtaken_below_by", "overtaken_above_by"):
            table[side] = pd.Series([row[side] for row in rows], index=table.index, dtype=object)  # None stays None
        return WeightSensitivity(
            table=table,
            headline=sensitivity_headline(leaders, table),
            settings={
                "top": int(top),
                "leaders": leaders,
                "normalization": self.normalization,
                "n_segments": len(names),
            },
            warnings=_only_ones(self._axes()),
        )

    def _eligible(self, profile: pd.DataFrame) -> pd.DataFrame:
        """Return the segments over which criteria are normalised."""
        candidates = candidate_segments(profile)
        return candidates.drop(index=list(self._exclusions(candidates)))

    def _lines(self, eligible: pd.DataFrame, names: list[Any]) -> list[tuple[str, str, float, tuple[Array, Array]]]:
        """Return axis, name, weight, and the scores as intercept and slope over it, of every weight that can move."""
        rows = eligible.index.get_indexer(pd.Index(names))
        values = {axis: parts[rows] for axis, parts in self._normalized(eligible).items()}
        weights, balance = self._weights(), self._balance()
        axes = {axis: values[axis] @ weights[axis] for axis in values}
        share = {ATTRACTIVENESS: 1.0 if balance is None else 1 - balance, COMPETITIVENESS: balance or 0.0}
        lines = []
        for axis, named in self._axes().items():
            other = sum(share[a] * axes[a] for a in axes if a != axis) + np.zeros(len(rows))
            for k, (name, weight) in enumerate(zip(named, weights[axis], strict=True)):
                own = values[axis][:, k]
                # the only criterion of its axis has all the weight, whatever it is
                rest = (axes[axis] - weight * own) / (1 - weight) if len(named) > 1 else own
                lines.append((axis, name, float(weight), (other + share[axis] * rest, share[axis] * (own - rest))))
        if balance is not None:
            first, second = axes[ATTRACTIVENESS], axes[COMPETITIVENESS]
            lines.append(("balance", "competitiveness_weight", balance, (first, second - first)))
        return lines


def _only_ones(axes: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(
        f"{next(iter(named))!r} is the only criterion of {axis}: no other weight of that axis can make up for it"
        for axis, named in axes.items()
        if len(named) == 1
    )
