"""Data to try the library with; nothing is downloaded."""

from segmentation.datasets._cdnow import load_cdnow
from segmentation.datasets._market import make_market
from segmentation.datasets._market_result import Market

__all__ = ["Market", "load_cdnow", "make_market"]
