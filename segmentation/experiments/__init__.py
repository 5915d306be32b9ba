"""Experiments per segment: how many customers they need."""

from __future__ import annotations

from segmentation.experiments._minimum_size import MinimumSize, minimum_segment_size, outcome_baseline

__all__ = ["MinimumSize", "minimum_segment_size", "outcome_baseline"]
