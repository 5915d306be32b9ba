"""From orders to one row per customer, in whichever dataframe engine the orders are."""

from segmentation.features._btyd import btyd_table, calibration_holdout
from segmentation.features._engagement import EventsReport, engagement_table, update_engagement
from segmentation.features._report import OrdersReport
from segmentation.features._rfm import rfm_table

__all__ = [
    "EventsReport",
    "OrdersReport",
    "btyd_table",
    "calibration_holdout",
    "engagement_table",
    "rfm_table",
    "update_engagement",
]
