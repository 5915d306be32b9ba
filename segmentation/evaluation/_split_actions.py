"""Is a segment two for those who act: would its parts be treated differently, and what would that bring in.

A difference in level changes nothing by itself: if the same action is best for both parts, one segment is enough. So
the gain of a split is value(best action per part) - value(best common action), found on one half of the customers and
measured on the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation.evaluation._equivalence import LEAST_EVENTS
from segmentation.evaluation._split import SplitTest, permutation_p, twice_median
from segmentation.evaluation._split_difference import Difference, mean_of, sum_of
from segmentation.evaluation._split_rules import Candidates

__all__ = ["KnownActions", "ObservedActions", "try_action_split"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Policy:
    """A cut and which action each side gets, beside the best action for all; codes of actions."""

    cut: int
    inside: int
    outside: int
    common: int


@dataclass(frozen=True)
class ObservedActions:
    """What happened to customers who each got one action at random: outcome and the action's code."""

    values: Array
    codes: NDArray[np.int64]
    n_actions: int

    def take(self, rows: NDArray[Any]) -> ObservedActions:
        return ObservedActions(self.values[rows], self.codes[rows], self.n_actions)

    def best_policy(self, inside: NDArray[np.bool_]) -> Policy | None:
        """Return the cut with the largest studentised gain, None where no cut has one."""
        moments = np.column_stack([np.ones(len(self.values)), self.values, self.values**2])
        sums = np.empty((2, self.n_actions, inside.shape[1], 3))
        for action in range(self.n_actions):
            rows = self.codes == action
            sums[0, action] = inside[rows].T.astype(np.float64) @ moments[rows]
            sums[1, action] = moments[rows].sum(axis=0) - sums[0, action]
        n = sums[..., 0]
        overall = sums.sum(axis=0)[:, 0]  # of any cut
        common = int(np.argmax(overall[:, 1] / np.maximum(overall[:, 0], 1)))
        usable = (n >= LEAST_EVENTS).all(axis=(0, 1))
        if not usable.any():
            return None
        n = np.maximum(n, 1)
        mean = sums[..., 1] / n
        error = np.maximum(sums[..., 2] / n - mean**2, 0.0) / n
        share = n.sum(axis=1) / n.sum(axis=(0, 1))
        best = mean.argmax(axis=1)  # per side and cut
        sides, cuts = np.ogrid[:2, : inside.shape[1]]
        gain = (share * (mean[sides, best, cuts] - mean[:, common])).sum(axis=0)
        spread = (share**2 * (error[sides, best, cuts] + error[:, common]) * (best != common)).sum(axis=0)
        score = np.where(usable & (gain > 0), gain / np.sqrt(np.where(spread > 0, spread, 1.0)), 0.0)
        cut = int(np.argmax(score))
        return Policy(cut, int(best[0, cut]), int(best[1, cut]), common) if score[cut] > 0 else None

    def _parts(self, policy: Policy, side: NDArray[np.bool_]) -> list[tuple[Array, NDArray[np.bool_], float]]:
        """Return, per side whose action would change: outcomes, who got the new action, share of the customers."""
        parts = []
        for rows, action in ((side, policy.inside), (~side, policy.outside)):
            if action != policy.common:
                compared = rows & ((self.codes == action) | (self.codes == policy.common))
                parts.append((self.values[compared], self.codes[compared] == action, float(rows.mean())))
        return parts

    def gain(self, policy: Policy, side: NDArray[np.bool_]) -> Difference:
        return sum_of(self._parts(policy, side))

    def p_value(self, policy: Policy, side: NDArray[np.bool_], n_permutations: int, rng: np.random.Generator) -> float:
        return permutation_p(self._parts(policy, side), n_permutations, rng)


@dataclass(frozen=True)
class KnownActions:
    """What each customer would bring in under each action: (n_customers, n_actions)."""

    worth: Array

    def take(self, rows: NDArray[Any]) -> KnownActions:
        return KnownActions(self.worth[rows])

    def best_policy(self, inside: NDArray[np.bool_]) -> Policy | None:
        """Return the cut with the largest gain, None where no cut has one."""
        total = self.worth.sum(axis=0)
        common = int(np.argmax(total))
        sums = inside.T.astype(np.float64) @ self.worth
        rest = total - sums
        gain = sums.max(axis=1) + rest.max(axis=1) - total[common]
        cut = int(np.argmax(gain))
        # sums of many amounts are equal only but for rounding
        if gain[cut] <= 1e-9 * float(np.abs(self.worth).sum()):
            return None
        return Policy(cut, int(np.argmax(sums[cut])), int(np.argmax(rest[cut])), common)

    def gain(self, policy: Policy, side: NDArray[np.bool_]) -> Difference:
        rows = np.arange(len(self.worth))
        chosen = np.where(side, policy.inside, policy.outside)
        return mean_of(self.worth[rows, chosen] - self.worth[:, policy.common])

    def p_value(self, policy: Policy, side: NDArray[np.bool_], n_permutations: int, rng: np.random.Generator) -> float:
        return self.gain(policy, side).p_above(0.0)


def try_action_split(
    actions: ObservedActions | KnownActions,
    labels: list[Any],
    candidates: Candidates,
    *,
    cost_per_customer: float,
    alpha: float,
    n_halvings: int,
    n_permutations: int,
    rng: np.random.Generator,
) -> SplitTest | None:
    """Test the best split of one segment by what different actions for its parts bring in; None if none brings any.

    Like `_split.try_split`; ``difference`` is the gain per customer of the segment, ``gain`` that of all of them, and
    ``p_worth`` is for the gain being larger than what one more segment costs.
    """
    n = len(candidates.inside)
    whole = actions.best_policy(candidates.inside) if candidates.inside.shape[1] else None
    if whole is None:
        return None
    found, p_values, p_worth, gains, lows = [], [], [], [], []
    for _ in range(n_halvings):
        order = rng.permutation(n)
        halves = order[: n // 2], order[n // 2 :]
        for find, test in (halves, halves[::-1]):
            policy = actions.take(find).best_policy(candidates.inside[find])
            if policy is None:  # no split changes the action there: a gain of nothing
                p_values.append(1.0)
                p_worth.append(1.0)
                gains.append(0.0)
                lows.append(0.0)
                continue
            side, other = candidates.inside[test, policy.cut], actions.take(test)
            figures = other.gain(policy, side)
            if figures.events < LEAST_EVENTS / 2:
                p_values.append(1.0)
                p_worth.append(1.0)
                continue
            found.append(candidates.columns[policy.cut])
            gains.append(figures.difference)
            lows.append(figures.low(alpha))
            p_values.append(other.p_value(policy, side, n_permutations, rng))
            p_worth.append(figures.p_above(cost_per_customer))
    column = candidates.columns[whole.cut]
    gain = float(np.mean(gains)) if gains else math.nan
    low = float(np.median(lows)) if lows else math.nan
    return SplitTest(
        rule=candidates.rules[whole.cut],
        column=column,
        n_inside=int(candidates.inside[:, whole.cut].sum()),
        column_share=sum(name == column for name in found) / len(p_values),
        difference=gain,
        difference_low=low,
        p_value=twice_median(p_values),
        p_worth=twice_median(p_worth),
        gain=gain * n,
        gain_low=low * n,
        actions=(labels[whole.inside], labels[whole.outside], labels[whole.common]),
    )
