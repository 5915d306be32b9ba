"""Capability tags: what an estimator can do, stated as data, so that nobody has to ask for its type."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Literal

from sklearn.utils import Tags

__all__ = ["ScorerTags", "SegmentationTags", "SegmenterTags", "extend_tags"]


@dataclass(slots=True)
class SegmenterTags:
    """What a segmenter can do.

    Attributes
    ----------
    membership : {"hard", "soft", "overlapping"}
        hard: every degree is 0 or 1 and a row has at most one 1; soft: a row sums to at most 1; overlapping: a
        customer may belong fully to several segments.
    unassigned : bool
        Whether customers may end in no segment (code -1).
    out_of_sample : bool
        Whether ``predict`` works on customers that ``fit`` has not seen.
    dataframe_only : bool
        Whether it needs a table with named columns, of which it records and requires only those it uses.
    """

    membership: Literal["hard", "soft", "overlapping"] = "hard"
    unassigned: bool = False
    out_of_sample: bool = True
    dataframe_only: bool = False


@dataclass(slots=True)
class ScorerTags:
    """What a scorer's primary score is.

    Attributes
    ----------
    unit : {"currency", "count", "probability", "index"}
        What one unit of the primary score means.
    higher_is_better : bool
        Whether a larger primary score speaks for the customer.
    dataframe_only : bool
        Whether it needs a table with named columns, of which it records and requires only those it uses.
    draws : bool
        Whether ``sample_customers`` returns draws that carry its uncertainty.
    """

    unit: Literal["currency", "count", "probability", "index"] = "index"
    higher_is_better: bool = True
    dataframe_only: bool = False
    draws: bool = False


@dataclass(slots=True)
class SegmentationTags(Tags):
    """scikit-learn's tags with ours beside them."""

    segmenter_tags: SegmenterTags = field(default_factory=SegmenterTags)
    scorer_tags: ScorerTags = field(default_factory=ScorerTags)


def extend_tags(tags: Any) -> SegmentationTags:
    """Copy scikit-learn's tags into ours, whatever fields its version has."""
    if isinstance(tags, SegmentationTags):
        return tags
    return SegmentationTags(**{f.name: getattr(tags, f.name) for f in fields(tags)})
