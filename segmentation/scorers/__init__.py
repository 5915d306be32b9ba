"""Scorers: what each customer is worth."""

from segmentation.scorers._advocacy import AdvocacyScorer
from segmentation.scorers._backtest import CLVBacktest, backtest_clv
from segmentation.scorers._churn import ChurnScorer
from segmentation.scorers._clv import CLVScorer
from segmentation.scorers._composite import CompositeScorer
from segmentation.scorers._dummy import DummyScorer
from segmentation.scorers._engagement import EngagementScorer
from segmentation.scorers._propensity import PropensityScorer
from segmentation.scorers._purchase_checks import PurchaseChecks, check_purchases
from segmentation.scorers._rfm import RFMScorer

__all__ = [
    "AdvocacyScorer",
    "CLVBacktest",
    "CLVScorer",
    "ChurnScorer",
    "CompositeScorer",
    "DummyScorer",
    "EngagementScorer",
    "PropensityScorer",
    "PurchaseChecks",
    "RFMScorer",
    "backtest_clv",
    "check_purchases",
]
