"""Every prioritizer keeps the promises that are asked of plug-ins."""

import numpy as np
import pytest

from segmentation.curves import ExponentialCurve, HillCurve
from segmentation.prioritizers import (
    Criterion,
    ParetoPrioritizer,
    Rating,
    ReturnPrioritizer,
    ValuePrioritizer,
    WeightedPrioritizer,
)
from segmentation.testing import check_prioritizer, make_profile

NAMES = ("champions", "steady", "occasional", "newcomers")
CURVES = {name: ExponentialCurve(100.0 * (i + 1), 0.1) for i, name in enumerate(NAMES)}
DIRECTIONS = {"maximize": ["clv_total", "age"], "minimize": "churn_mean"}


@pytest.mark.parametrize(
    "prioritizer",
    [
        ValuePrioritizer("clv_mean"),
        WeightedPrioritizer({"clv_total": 60, "churn_mean": Criterion(40, higher_is_better=False)}),
        WeightedPrioritizer(
            {"clv_total": 1},
            competitiveness={"age": Rating(1, low=0, high=100), "clv_mean": 2},
            competitiveness_weight=0.3,
            knock_out={"churn_mean": (None, 0.5)},
            normalization="minmax",
        ),
        ParetoPrioritizer(**DIRECTIONS),
        ParetoPrioritizer(**DIRECTIONS, within="crowding"),
        ParetoPrioritizer("clv_mean", within="size", knock_out={"n_customers": 50}),
        ReturnPrioritizer(CURVES, effort=3.0),
        ReturnPrioritizer(CURVES | {"steady": HillCurve(90.0, 5.0, 2.0)}, effort="age", unit_cost=4, step=2.0),
        ReturnPrioritizer({name: CURVES[name] for name in NAMES[:3]}, effort=dict.fromkeys(NAMES, 1)),
        ReturnPrioritizer(by="clv_mean"),
    ],
    ids=lambda prioritizer: type(prioritizer).__name__,
)
def test_the_conformance_kit_passes(prioritizer):
    results = check_prioritizer(prioritizer)
    assert {result.status for result in results} == {"passed"}
    assert np.isfinite(prioritizer.prioritize(make_profile())["priority_score"]).any()
