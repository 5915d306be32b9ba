"""What customers say: net promoter score and satisfaction by segment, and what hurts whom."""

from __future__ import annotations

from segmentation.feedback._log_odds import weighted_log_odds
from segmentation.feedback._masking import mask_personal_data
from segmentation.feedback._net_promoter import net_promoter
from segmentation.feedback._pain_display import PainPointsDisplay
from segmentation.feedback._pain_points import pain_points
from segmentation.feedback._pain_result import PainPoints
from segmentation.feedback._satisfaction import satisfaction
from segmentation.feedback._survey_display import NetPromoterDisplay, SatisfactionDisplay
from segmentation.feedback._survey_result import NetPromoter, Satisfaction
from segmentation.feedback._themes import ThemeFinder

__all__ = [
    "NetPromoter",
    "NetPromoterDisplay",
    "PainPoints",
    "PainPointsDisplay",
    "Satisfaction",
    "SatisfactionDisplay",
    "ThemeFinder",
    "mask_personal_data",
    "net_promoter",
    "pain_points",
    "satisfaction",
    "weighted_log_odds",
]
