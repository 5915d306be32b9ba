"""Segmenters: who is alike."""

from segmentation.segmenters._clusterer import ClustererSegmenter
from segmentation.segmenters._density_path import density_path
from segmentation.segmenters._dummy import DummySegmenter
from segmentation.segmenters._hdbscan import HDBSCANSegmenter
from segmentation.segmenters._kmeans import KMeansSegmenter
from segmentation.segmenters._rfm import RFMSegmenter
from segmentation.segmenters._rules import RuleSegmenter

__all__ = [
    "ClustererSegmenter",
    "DummySegmenter",
    "HDBSCANSegmenter",
    "KMeansSegmenter",
    "RFMSegmenter",
    "RuleSegmenter",
    "density_path",
]
