"""Experiments per segment: plan them, randomize, analyse honestly, and learn from them."""

from __future__ import annotations

from segmentation.experiments._analyze import analyze_experiment
from segmentation.experiments._analyze_aggregates import ExperimentAggregates, aggregate_experiment
from segmentation.experiments._analyze_display import ForestDisplay
from segmentation.experiments._analyze_outcomes import Outcome
from segmentation.experiments._analyze_result import ExperimentAnalysis
from segmentation.experiments._anytime import ConfidenceSequence, confidence_sequence
from segmentation.experiments._decision import SegmentDecisions, decide_segments
from segmentation.experiments._decision_display import DecisionDisplay
from segmentation.experiments._learn import curves_from_experiment, effects_to_profile
from segmentation.experiments._learn_belief import EffectBelief, update_effects
from segmentation.experiments._learn_belief_display import BeliefDisplay
from segmentation.experiments._minimum_size import MinimumSize, minimum_segment_size
from segmentation.experiments._multiplicity import CorrectedComparisons, correct_comparisons
from segmentation.experiments._next import NextExperiment, next_experiment
from segmentation.experiments._plan import plan_experiment
from segmentation.experiments._plan_baseline import outcome_baseline, ratio_baseline
from segmentation.experiments._plan_display import PlanDisplay
from segmentation.experiments._plan_result import ExperimentPlan
from segmentation.experiments._policy import policy_value
from segmentation.experiments._policy_result import PolicyDisplay, PolicyValue
from segmentation.experiments._pooling import pool_effects
from segmentation.experiments._pooling_display import PoolingDisplay
from segmentation.experiments._pooling_result import PooledEffects
from segmentation.experiments._randomize import Randomization, randomize
from segmentation.experiments._randomize_balance import BalanceCheck, check_balance
from segmentation.experiments._randomize_display import BalanceDisplay, RandomizationDisplay
from segmentation.experiments._randomize_manifest import RandomizationManifest
from segmentation.experiments._targeting import qini, targeting_curve
from segmentation.experiments._targeting_result import TargetingCurve, TargetingDisplay
from segmentation.experiments._tea import ImportedExperiment, from_tea_tasting
from segmentation.experiments._winner import BestSegment, best_segment
from segmentation.experiments._winner_display import BestSegmentDisplay
from segmentation.experiments._winner_split import SplitBest, best_segment_by_split

__all__ = [
    "BalanceCheck",
    "BalanceDisplay",
    "BeliefDisplay",
    "BestSegment",
    "BestSegmentDisplay",
    "ConfidenceSequence",
    "CorrectedComparisons",
    "DecisionDisplay",
    "EffectBelief",
    "ExperimentAggregates",
    "ExperimentAnalysis",
    "ExperimentPlan",
    "ForestDisplay",
    "ImportedExperiment",
    "MinimumSize",
    "NextExperiment",
    "Outcome",
    "PlanDisplay",
    "PolicyDisplay",
    "PolicyValue",
    "PooledEffects",
    "PoolingDisplay",
    "Randomization",
    "RandomizationDisplay",
    "RandomizationManifest",
    "SegmentDecisions",
    "SplitBest",
    "TargetingCurve",
    "TargetingDisplay",
    "aggregate_experiment",
    "analyze_experiment",
    "best_segment",
    "best_segment_by_split",
    "check_balance",
    "confidence_sequence",
    "correct_comparisons",
    "curves_from_experiment",
    "decide_segments",
    "effects_to_profile",
    "from_tea_tasting",
    "minimum_segment_size",
    "next_experiment",
    "outcome_baseline",
    "plan_experiment",
    "policy_value",
    "pool_effects",
    "qini",
    "randomize",
    "ratio_baseline",
    "targeting_curve",
    "update_effects",
]
