"""The check whether the same segments would be found again."""

from __future__ import annotations

from typing import Any

import pandas as pd

from segmentation._format import name_some
from segmentation.evaluation._review_base import ReviewCheck, Status, has, not_checked, sentence, span, worst
from segmentation.exceptions import ColumnError

__all__ = ["stable"]

# Means, as the readings of segment_stability: a valid, stable cluster has a mean Jaccard of .75 or more (Hennig 2007);
# below .6 it should not be trusted (documentation of his R package fpc).
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
        has(stability, ("slsw",), "stability", "segment_stability")
        means = stability.slsw.mean()
        means.index = means.index.astype(str)
        absent = [name for name in segments.index if name not in means.index]
        if absent:
            raise ColumnError(
                f"the stability report has no segment {name_some(absent)} but {name_some(means.index)}: give the "
                "report of this segmentation."
            )
        means = means.reindex(segments.index)
        segments["stability"] = means
        least = float(means.min())
        figures["weakest"] = least
        status.append("pass" if least >= TRUSTED else "warn" if least >= DOUBTFUL else "fail")
        weak = [str(name) for name in means.index[means < TRUSTED]]
        evidence.append(f"Refits on other samples have a mean Jaccard coefficient of {span(means)}.")
        if weak:
            advice.append(
                f"treat {name_some(weak)} with care: another sample may give other members; try another number of "
                "segments, more restarts or fewer variables"
            )
    if verdict is not None:
        has(verdict, ("verdict",), "verdict", "structure_verdict")
        figures["verdict"] = verdict.verdict
        status.append("pass" if verdict.verdict in {"natural", "reproducible"} else "warn")
        evidence.append(f"The structure of the data is judged: {verdict.verdict}.")
        if verdict.verdict == "constructive":
            advice.append("say openly that these segments were made, not found, and choose them by use")
        elif status[-1] == "warn":
            advice.append("gather more customers before the structure is judged")
    return ReviewCheck("stable", question, worst(status), " ".join(evidence), sentence(advice), figures)
