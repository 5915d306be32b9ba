"""From orders to one row per customer, in whichever dataframe engine the orders are."""

from segmentation.features._btyd import btyd_table, calibration_holdout
from segmentation.features._correlated import correlated_groups
from segmentation.features._correlated_result import CorrelatedGroups
from segmentation.features._engagement import engagement_table, update_engagement
from segmentation.features._events_report import EventsReport
from segmentation.features._order_features import order_features
from segmentation.features._order_features_report import OrderFeaturesReport
from segmentation.features._preprocessor import CustomerPreprocessor
from segmentation.features._report import OrdersReport
from segmentation.features._rfm import rfm_table
from segmentation.features._survey import survey_scales
from segmentation.features._survey_result import SurveyScales

__all__ = [
    "CorrelatedGroups",
    "CustomerPreprocessor",
    "EventsReport",
    "OrderFeaturesReport",
    "OrdersReport",
    "SurveyScales",
    "btyd_table",
    "calibration_holdout",
    "correlated_groups",
    "engagement_table",
    "order_features",
    "rfm_table",
    "survey_scales",
    "update_engagement",
]
