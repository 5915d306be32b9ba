"""Scorers: what each customer is worth."""

from segmentation.scorers._clv import CLVScorer
from segmentation.scorers._composite import CompositeScorer
from segmentation.scorers._dummy import DummyScorer
from segmentation.scorers._rfm import RFMScorer

__all__ = ["CLVScorer", "CompositeScorer", "DummyScorer", "RFMScorer"]
