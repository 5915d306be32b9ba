"""Monitoring: what became of segments and customers over time."""

from segmentation.monitoring._decompose import decompose_change
from segmentation.monitoring._decompose_display import WaterfallDisplay
from segmentation.monitoring._decompose_result import ChangeDecomposition
from segmentation.monitoring._drift import feature_drift
from segmentation.monitoring._drift_display import DriftDisplay
from segmentation.monitoring._drift_quality import SegmentQuality, segment_quality
from segmentation.monitoring._drift_quality_display import SegmentQualityDisplay
from segmentation.monitoring._drift_report import DriftReport
from segmentation.monitoring._drift_segments import SegmentDrift, segment_drift
from segmentation.monitoring._drift_segments_display import SegmentDriftDisplay
from segmentation.monitoring._ledger import ReturnLedger
from segmentation.monitoring._ledger_errors import LedgerBusyError, LedgerError
from segmentation.monitoring._ledger_import import LedgerImport
from segmentation.monitoring._match import match_segments
from segmentation.monitoring._match_display import MatchDisplay
from segmentation.monitoring._match_result import SegmentMatch
from segmentation.monitoring._migration import migration
from segmentation.monitoring._migration_display import MigrationDisplay
from segmentation.monitoring._migration_history import MigrationHistory
from segmentation.monitoring._migration_result import Migration
from segmentation.monitoring._refit import refit
from segmentation.monitoring._refit_segmenter import ContinuedSegmenter
from segmentation.monitoring._refresh import recommend_refresh
from segmentation.monitoring._refresh_display import RefreshDisplay
from segmentation.monitoring._refresh_result import RefreshAdvice
from segmentation.monitoring._retention import retention
from segmentation.monitoring._retention_display import RetentionDisplay
from segmentation.monitoring._retention_result import Retention
from segmentation.monitoring._returns_display import ReturnsDisplay
from segmentation.monitoring._returns_result import LedgerReturns
from segmentation.monitoring._split_migration import split_migration
from segmentation.monitoring._split_migration_display import SplitMigrationDisplay
from segmentation.monitoring._split_migration_result import SplitMigration

__all__ = [
    "ChangeDecomposition",
    "ContinuedSegmenter",
    "DriftDisplay",
    "DriftReport",
    "LedgerBusyError",
    "LedgerError",
    "LedgerImport",
    "LedgerReturns",
    "MatchDisplay",
    "Migration",
    "MigrationDisplay",
    "MigrationHistory",
    "RefreshAdvice",
    "RefreshDisplay",
    "Retention",
    "RetentionDisplay",
    "ReturnLedger",
    "ReturnsDisplay",
    "SegmentDrift",
    "SegmentDriftDisplay",
    "SegmentMatch",
    "SegmentQuality",
    "SegmentQualityDisplay",
    "SplitMigration",
    "SplitMigrationDisplay",
    "WaterfallDisplay",
    "decompose_change",
    "feature_drift",
    "match_segments",
    "migration",
    "recommend_refresh",
    "refit",
    "retention",
    "segment_drift",
    "segment_quality",
    "split_migration",
]
