"""The check whether the same segments would be found again."""

from __future__ import annotations

from typing import Any

import pandas as pd

from segmentation._format import name_some
from segmentation.evaluation._review_checks import ReviewCheck, Status, not_checked, sentence, worst
from segmentation.exceptions import ColumnError

__all__ = ["stable"]

# Hennig (2007): a valid, stable cluster has a mean Jaccard of .75 or more; below .6 it should not be trusted.
TRUSTED, DOUBTFUL = 0.75, 0.60


def stable(segments: pd.DataFrame, stability: Any, verdict: Any) -> ReviewCheck:
    """Ask whether the same segments would be found in other customers of the same market."""
    question = "Would the same segments be found again, in other customers of the same market?"
    if stability is None and verdict is None:
        return not_checked("stable", question, "stability or a verdict")
    status: list[Status] = []
    evidence, advice = [], []
    figures: dict[str, Any] = {}
    if stability is not None:
        medians = stability.slsw.median()
        medians.index = medians.index.astype(str)
        absent = [name for name in segments.index if name not in medians.index]
        if absent:
            raise ColumnError(
                f"the stability report has no segment {name_some(absent)} but {name_some(medians.index)}: give the "
                "report of this segmentation."
            )
        medians = medians.reindex(segments.index)
        segments["stability"] = medians
        least = float(medians.min())
        figures["weakest"] = least
        status.append("pass" if least >= TRUSTED else "warn" if least >= DOUBTFUL else "fail")
        weak = [str(name) for name in medians.index[medians < TRUSTED]]
        evidence.append(
            f"Median Jaccard of {least:.2f} ({medians.idxmin()}) to {medians.max():.2f} ({medians.idxmax()})."
        )
        if weak:
            advice.append(
                f"treat {name_some(weak)} with care: another sample may give other members; try another number of "
                "segments, more restarts or fewer variables"
            )
    if verdict is not None:
        figures["verdict"] = verdict.verdict
        status.append("pass" if verdict.verdict in {"natural", "reproducible"} else "warn")
        evidence.append(f"The structure of the data is judged: {verdict.verdict}.")
        if verdict.verdict == "constructive":
            advice.append("say openly that these segments were made, not found, and choose them by use")
        elif status[-1] == "warn":
            advice.append("gather more customers before the structure is judged")
    return ReviewCheck("stable", question, worst(status), " ".join(evidence), sentence(advice), figures)
