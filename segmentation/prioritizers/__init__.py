"""Prioritizers: which segment comes first."""

from segmentation.base import Override
from segmentation.prioritizers._value import ValuePrioritizer
from segmentation.prioritizers._weighted import Criterion, Limits, WeightedPrioritizer

__all__ = ["Criterion", "Limits", "Override", "ValuePrioritizer", "WeightedPrioritizer"]
