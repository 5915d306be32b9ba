"""Experiments per segment: plan them, randomize, analyse honestly, and learn from them."""

from __future__ import annotations

from segmentation.experiments._analyze import analyze_experiment
from segmentation.experiments._analyze_aggregates import ExperimentAggregates, aggregate_experiment
from segmentation.experiments._analyze_display import ForestDisplay
from segmentation.experiments._analyze_outcomes import Outcome
from segmentation.experiments._analyze_result import ExperimentAnalysis
from segmentation.experiments._minimum_size import MinimumSize, minimum_segment_size
from segmentation.experiments._plan import plan_experiment
from segmentation.experiments._plan_baseline import outcome_baseline, ratio_baseline
from segmentation.experiments._plan_display import PlanDisplay
from segmentation.experiments._plan_result import ExperimentPlan
from segmentation.experiments._randomize import Randomization, randomize
from segmentation.experiments._randomize_balance import BalanceCheck, check_balance
from segmentation.experiments._randomize_display import BalanceDisplay, RandomizationDisplay
from segmentation.experiments._randomize_manifest import RandomizationManifest

__all__ = [
    "BalanceCheck",
    "BalanceDisplay",
    "ExperimentAggregates",
    "ExperimentAnalysis",
    "ExperimentPlan",
    "ForestDisplay",
    "MinimumSize",
    "Outcome",
    "PlanDisplay",
    "Randomization",
    "RandomizationDisplay",
    "RandomizationManifest",
    "aggregate_experiment",
    "analyze_experiment",
    "check_balance",
    "minimum_segment_size",
    "outcome_baseline",
    "plan_experiment",
    "randomize",
    "ratio_baseline",
]
