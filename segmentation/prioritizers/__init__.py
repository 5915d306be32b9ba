"""Prioritizers: which segment comes first."""

from segmentation.base import Override
from segmentation.prioritizers._criteria import Criterion, Limits, Rating
from segmentation.prioritizers._evaluation import SegmentEvaluation
from segmentation.prioritizers._matrix_display import EvaluationMatrixDisplay
from segmentation.prioritizers._pareto import ParetoPrioritizer
from segmentation.prioritizers._rank_display import RankDisplay
from segmentation.prioritizers._ranks import RankTable, rank_table
from segmentation.prioritizers._return import ReturnPrioritizer
from segmentation.prioritizers._sensitivity import WeightSensitivity
from segmentation.prioritizers._value import ValuePrioritizer
from segmentation.prioritizers._weighted import WeightedPrioritizer

__all__ = [
    "Criterion",
    "EvaluationMatrixDisplay",
    "Limits",
    "Override",
    "ParetoPrioritizer",
    "RankDisplay",
    "RankTable",
    "Rating",
    "ReturnPrioritizer",
    "SegmentEvaluation",
    "ValuePrioritizer",
    "WeightSensitivity",
    "WeightedPrioritizer",
    "rank_table",
]
