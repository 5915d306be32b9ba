"""ValuePrioritizer, by hand."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from segmentation.exceptions import ColumnError
from segmentation.prioritizers import ValuePrioritizer


@pytest.fixture
def profile():
    return pd.DataFrame(
        {
            "n_customers": [100, 20, 50],
            "clv_total": [1000.0, 3000.0, 1000.0],
            "clv_mean": [10.0, 150.0, 20.0],
            "churn_mean": [0.5, 0.25, 0.125],
        },
        index=["many", "few", "some"],
    )


def test_the_two_orders_differ(profile):
    by_total = ValuePrioritizer("clv_total").prioritize(profile)
    assert by_total.index.tolist() == ["few", "many", "some"]
    assert by_total["priority_score"].tolist() == [3000, 1000, 1000]
    by_mean = ValuePrioritizer("clv_mean").prioritize(profile)
    assert by_mean.index.tolist() == ["few", "some", "many"]


def test_reasons_name_the_figure_and_for_totals_the_share(profile):
    reasons = ValuePrioritizer("clv_total").prioritize(profile)["reason"]
    assert reasons["few"] == "clv_total 3,000, 60.0 % of all segments"
    assert reasons["many"].startswith("clv_total 1,000, 20.0 % of all segments; equal score with 'some'")
    assert ValuePrioritizer("clv_mean").prioritize(profile).loc["few", "reason"] == "clv_mean 150.00"


def test_the_lower_can_be_the_better(profile):
    plan = ValuePrioritizer("churn_mean", higher_is_better=False).prioritize(profile)
    assert plan.index.tolist() == ["some", "few", "many"]
    assert plan["priority_score"].tolist() == [-0.125, -0.25, -0.5]
    assert plan.loc["some", "reason"] == "churn_mean 0.12 (lower comes first)"


def test_there_is_no_share_where_a_total_is_negative_or_all_are_zero(profile):
    for totals in ([1000.0, -10.0, 5.0], [0.0, 0.0, 0.0]):
        reasons = ValuePrioritizer("clv_total").prioritize(profile.assign(clv_total=totals))["reason"]
        assert not reasons.str.contains("%").any()


def test_a_missing_value_is_no_value(profile):
    plan = ValuePrioritizer("clv_total").prioritize(profile.assign(clv_total=pd.array([1, None, 3], dtype="Int64")))
    assert plan.index.tolist() == ["some", "many", "few"]
    assert plan.loc["few", "reason"] == "no priority score: a value it rests on is missing"
    assert plan.loc["some", "reason"] == "clv_total 3.00, 75.0 % of all segments"


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("clv_totl", r"ValuePrioritizer\(by=\.\.\.\): missing: 'clv_totl' \(nearest: 'clv_total'\)"),
        (None, "missing: None"),
        ("town", r"column 'town' holds .* \(values 'x', 'y', 'z'\), not numbers"),
        ("infinite", "column 'infinite' is infinite for 'few'"),
    ],
)
def test_columns_that_cannot_be_ranked_are_refused(profile, by, message):
    with pytest.raises(ColumnError, match=message):
        ValuePrioritizer(by).prioritize(profile.assign(town=["x", "y", "z"], infinite=[1.0, np.inf, 1.0]))


def test_it_is_a_plain_estimator():
    prioritizer = ValuePrioritizer("clv_total", higher_is_better=False)
    assert prioritizer.get_params() == {"by": "clv_total", "higher_is_better": False}
    assert clone(prioritizer).get_params() == prioritizer.get_params()
