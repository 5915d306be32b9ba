"""Are these segments real, distinct and worth having: validity, stability, structure, granularity, overlap."""

from __future__ import annotations

from segmentation.evaluation._affinity import affinity
from segmentation.evaluation._affinity_display import AffinityDisplay
from segmentation.evaluation._affinity_report import AffinityReport
from segmentation.evaluation._describe import describe_segments
from segmentation.evaluation._describe_result import SegmentDescription
from segmentation.evaluation._gorge import GorgeDisplay
from segmentation.evaluation._granularity import review_granularity
from segmentation.evaluation._granularity_display import GranularityDisplay
from segmentation.evaluation._granularity_report import GranularityReport
from segmentation.evaluation._n_segments import suggest_n_segments
from segmentation.evaluation._n_segments_result import KTableDisplay, SegmentNumbers
from segmentation.evaluation._overlap import overlap
from segmentation.evaluation._overlap_display import OverlapDisplay
from segmentation.evaluation._overlap_report import OverlapReport
from segmentation.evaluation._overlap_value import overlap_value
from segmentation.evaluation._overlap_value_result import OverlapValue
from segmentation.evaluation._profile_bars import ProfileDisplay
from segmentation.evaluation._review import ReviewCheck, SegmentationReview, review
from segmentation.evaluation._robustness import assignment_robustness
from segmentation.evaluation._robustness_report import RobustnessReport
from segmentation.evaluation._segment_map import SegmentMapDisplay
from segmentation.evaluation._silhouette_display import SilhouetteDisplay
from segmentation.evaluation._stability import segment_stability
from segmentation.evaluation._stability_display import SLSADisplay, SLSWDisplay
from segmentation.evaluation._stability_path import stability_path
from segmentation.evaluation._stability_path_result import StabilityPath
from segmentation.evaluation._stability_report import StabilityReport
from segmentation.evaluation._structure import structure_verdict
from segmentation.evaluation._structure_display import StructureDisplay
from segmentation.evaluation._structure_result import StructureVerdict
from segmentation.evaluation._validity import validity
from segmentation.evaluation._validity_report import ValidityReport
from segmentation.evaluation._validity_space import clustering_space

__all__ = [
    "AffinityDisplay",
    "AffinityReport",
    "GorgeDisplay",
    "GranularityDisplay",
    "GranularityReport",
    "KTableDisplay",
    "OverlapDisplay",
    "OverlapReport",
    "OverlapValue",
    "ProfileDisplay",
    "ReviewCheck",
    "RobustnessReport",
    "SLSADisplay",
    "SLSWDisplay",
    "SegmentDescription",
    "SegmentMapDisplay",
    "SegmentNumbers",
    "SegmentationReview",
    "SilhouetteDisplay",
    "StabilityPath",
    "StabilityReport",
    "StructureDisplay",
    "StructureVerdict",
    "ValidityReport",
    "affinity",
    "assignment_robustness",
    "clustering_space",
    "describe_segments",
    "overlap",
    "overlap_value",
    "review",
    "review_granularity",
    "segment_stability",
    "stability_path",
    "structure_verdict",
    "suggest_n_segments",
    "validity",
]
