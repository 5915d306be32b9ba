"""The promises of a Prioritizer, one check each."""

from __future__ import annotations

import contextlib
import pickle
from typing import Any

import numpy as np
import pandas as pd

from segmentation._priorities import rank_segments
from segmentation.assignment import UNASSIGNED
from segmentation.base import Prioritizer
from segmentation.exceptions import OutputError
from segmentation.testing import _common
from segmentation.testing._common import Case, Check, CheckSkipped, expect_equal, require

__all__ = ["CHECKS"]


def _plan(case: Case, profile: pd.DataFrame | None = None, **options: Any) -> pd.DataFrame:
    """Prioritize through the interface; an override of ``prioritize`` is the business of check_final_methods."""
    return rank_segments(case.model(), case.data() if profile is None else profile, **options)


def _candidates(profile: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that the hooks see."""
    return profile[(profile["n_customers"] > 0) & (profile.index != UNASSIGNED)]


def _check_interface(case: Case) -> None:
    """It is a Prioritizer whose parameters can be read and set."""
    require(isinstance(case.plugin, Prioritizer), f"{type(case.plugin).__name__} is not a subclass of Prioritizer.")
    _common.is_cloneable(case.plugin)


def _check_runs(case: Case) -> None:
    """It prioritizes the profile; wrong output of the hooks is for the checks of output."""
    with contextlib.suppress(OutputError):
        _plan(case)


def _check_exclusions(case: Case) -> None:
    """``_exclusions`` names segments of the profile only, each with a reason in words."""
    candidates = _candidates(case.data())
    exclusions = dict(case.model()._exclusions(candidates.copy()))
    unknown = [name for name in exclusions if name not in candidates.index]
    require(not unknown, f"_exclusions names segments that the profile does not have: {unknown}.")
    silent = [name for name, reason in exclusions.items() if not isinstance(reason, str) or not reason.strip()]
    require(not silent, f"_exclusions gives no reason for {silent}.")


def _eligible(case: Case) -> pd.DataFrame:
    candidates = _candidates(case.data())
    eligible = candidates.drop(index=list(case.model()._exclusions(candidates.copy())))
    if not len(eligible):
        raise CheckSkipped("it excludes every segment of the example profile; pass one of its own as data")
    return eligible


def _check_scores(case: Case) -> None:
    """``_priority_scores`` returns one number per row, never infinite."""
    eligible = _eligible(case)
    scores = np.asarray(case.model()._priority_scores(eligible.copy()))
    require(
        scores.shape == (len(eligible),),
        f"_priority_scores returned shape {scores.shape} for {len(eligible)} segments.",
    )
    require(scores.dtype.kind in "fiub", f"_priority_scores returned {scores.dtype}, expected numbers.")
    require(not np.isinf(scores.astype(float)).any(), "_priority_scores returned infinities.")


def _check_reasons(case: Case) -> None:
    """``_reasons`` returns one non-empty text per row."""
    eligible, model = _eligible(case), case.model()
    scores = np.asarray(model._priority_scores(eligible.copy()), dtype=np.float64)
    reasons = list(model._reasons(eligible.copy(), scores))
    require(len(reasons) == len(eligible), f"_reasons returned {len(reasons)} texts for {len(eligible)} segments.")
    require(all(isinstance(reason, str) and reason.strip() for reason in reasons), "_reasons returned an empty reason.")


def _check_table(case: Case) -> None:
    """Every segment stands in the list once; excluded, unassigned and empty ones last, each with the reason."""
    profile, plan = case.data(), _plan(case)
    require(list(plan.columns) == ["priority", "priority_score", "reason"], f"columns are {list(plan.columns)}.")
    require(plan.index.name == "segment", "the index is not called 'segment'.")
    require(sorted(map(str, plan.index)) == sorted(map(str, profile.index)), "segments were lost or repeated.")
    ranked = plan["priority"].dropna()
    require(ranked.tolist() == list(range(1, len(ranked) + 1)), "priorities are not 1, 2, 3, ... from the top.")
    never = [name for name in profile.index if name not in _candidates(profile).index]
    require(plan.loc[never, "priority"].isna().all(), "an empty or unassigned row got a priority.")
    require(plan["priority"].isna().is_monotonic_increasing, "excluded segments do not stand last.")
    require(plan["reason"].str.strip().astype(bool).all(), "a segment has no reason.")


def _check_input_unchanged(case: Case) -> None:
    """``prioritize`` does not change the profile."""
    profile = case.data()
    with contextlib.suppress(OutputError):  # wrong output is found elsewhere
        _plan(case, profile)
    pd.testing.assert_frame_equal(profile, case.table, obj="the profile after prioritize")
    eligible = _eligible(case)
    before = eligible.copy()
    case.model()._priority_scores(eligible)
    pd.testing.assert_frame_equal(eligible, before, obj="the profile after _priority_scores")


def _check_same_twice(case: Case) -> None:
    """The same profile gives the same list."""
    first, second = _plan(case), _plan(case)
    require(first.index.equals(second.index), "two calls on the same profile give different orders.")
    expect_equal(first["priority_score"], second["priority_score"], "two calls give different scores.")


def _check_row_order(case: Case) -> None:
    """The list does not depend on the order of rows of the profile."""
    expected = _plan(case)
    ranked = expected.index[expected["priority"].notna()]
    reverse = _plan(case, case.data().iloc[::-1])
    require(list(reverse.index[reverse["priority"].notna()]) == list(ranked), "priorities depend on the order of rows.")
    expect_equal(
        reverse.loc[ranked, "priority_score"],
        expected.loc[ranked, "priority_score"],
        "scores depend on the order of rows.",
    )


def _check_one_segment(case: Case) -> None:
    """A profile of one segment is prioritized."""
    plan = _plan(case)
    ranked = plan.index[plan["priority"].notna()]
    if not len(ranked):
        raise CheckSkipped("it excludes every segment of the example profile; pass one of its own as data")
    alone = _plan(case, case.data().loc[[ranked[0]]])
    require(alone.shape == (1, 3), "a profile of one segment does not give one row.")


def _check_overrides(case: Case) -> None:
    """A human override goes before the computed order and stays visible."""
    plan = _plan(case)
    ranked = plan.index[plan["priority"].notna()]
    if len(ranked) < 2:
        raise CheckSkipped("fewer than two ranked segments in the example profile; pass one of its own as data")
    changed = _plan(case, overrides={ranked[-1]: (1, "promised to the board")})
    require(changed.index[0] == ranked[-1], "an override to priority 1 does not come first.")
    require("promised to the board" in changed["reason"].iloc[0], "the reason of an override is not shown.")


def _check_pickle(case: Case) -> None:
    """It survives pickle."""
    restored = pickle.loads(pickle.dumps(case.plugin))  # noqa: S301  (made on the line itself)
    require(rank_segments(restored, case.data()).equals(_plan(case)), "the list differs after pickle.")


CHECKS: dict[str, Check] = {
    "check_interface": Check(_check_interface),
    "check_final_methods": Check(_common.check_final_methods(Prioritizer)),
    "check_runs": Check(_check_runs, ("check_interface",)),
    "check_exclusions": Check(_check_exclusions, ("check_runs",)),
    "check_scores": Check(_check_scores, ("check_exclusions",)),
    "check_reasons": Check(_check_reasons, ("check_scores",)),
    "check_input_unchanged": Check(_check_input_unchanged, ("check_exclusions",)),
    "check_same_twice": Check(_check_same_twice, ("check_reasons", "check_input_unchanged")),
    "check_table": Check(_check_table, ("check_same_twice",)),
    "check_row_order": Check(_check_row_order, ("check_same_twice",)),
    "check_one_segment": Check(_check_one_segment, ("check_same_twice",)),
    "check_overrides": Check(_check_overrides, ("check_same_twice",)),
    "check_pickle": Check(_check_pickle, ("check_same_twice",)),
}
