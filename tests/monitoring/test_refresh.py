"""Advice on ageing segments in histories with a known answer."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import segmentation as sg
from segmentation.exceptions import CustomerTableError
from segmentation.monitoring import ContinuedSegmenter, recommend_refresh, refit
from segmentation.segmenters import KMeansSegmenter, RuleSegmenter

CENTRES = np.array([[0.0, 0, 0], [6, 0, 2], [0, 6, 0]])
N = 400


def people(rng, shares=(0.5, 0.3, 0.2), centres=CENTRES):
    group = rng.choice(len(centres), N, p=shares)
    return pd.DataFrame(centres[group] + rng.normal(size=(N, 3)), columns=list("abc"))


def history(world, seed):
    rng = np.random.default_rng(seed)
    then = people(rng)
    model = KMeansSegmenter(3, random_state=0).fit(then)
    now = {
        "mix": lambda: people(rng, (0.2, 0.3, 0.5)),
        "drift": lambda: people(rng, centres=CENTRES + np.array([2.5, 0, 1])),
        "groups": lambda: people(rng, (0.4, 0.2, 0.15, 0.25), np.vstack([CENTRES, [9, 9, 9]])),
    }.get(world, lambda: people(rng))()
    now.index = now.index + 1000
    given = {}
    if world == "names":
        given["in_force"] = sg.relabel(sg.assign(model, now), dict(zip(model.segments_, "xyz", strict=True)))
    if world == "definition":
        given["in_force"] = pd.Series(np.where(now["c"] > 1, "high", "low"), index=now.index)
    return model, then, now, given


@pytest.mark.parametrize(
    ("world", "action"),
    [
        ("nothing", "keep"),
        ("mix", "keep"),
        ("drift", "refit"),
        ("groups", "rebuild"),
        ("names", "rename"),
        ("definition", "rebuild"),
    ],
)
def test_right_in_known_histories(world, action):
    right = 0
    for seed in range(3):
        model, then, now, given = history(world, seed)
        advice = recommend_refresh(model, then, now, n_refits=8, n_draws=199, random_state=seed, **given)
        right += advice.action == action
        if world == "mix":
            assert advice.table.loc["mix", "found"]
        if world == "names":
            assert advice.names == dict(zip("xyz", model.segments_, strict=True))
    # 90 of 100, less 2.6 standard errors of 3 histories
    assert right / 3 >= 0.9 - 2.6 * np.sqrt(0.09 / 3)


def test_same_customers_who_all_shift_keep_their_segments():
    rng = np.random.default_rng(5)
    then = people(rng)
    model = KMeansSegmenter(3, random_state=0).fit(then)
    now = then + np.array([6, 6, 0]) + rng.normal(0, 0.3, then.shape)
    advice = recommend_refresh(model, then, now, n_refits=8, n_draws=199, random_state=0)
    assert advice.action == "refit"
    assert advice.settings["identity"] == "the same customers at both dates"
    assert (advice.segments["event"] == "continued").all()


@pytest.mark.parametrize("in_pipeline", [False, True])
def test_a_refitted_model_is_asked_about_the_segments_it_has_today(in_pipeline):
    """Names that are retired are no segments of today, and whether one segment more suits can be asked."""
    rng = np.random.default_rng(2)
    then, now = people(rng), people(rng)
    four = np.vstack([CENTRES, [9, 9, 9]])
    old = KMeansSegmenter(4, random_state=0).fit(people(rng, (0.25, 0.25, 0.25, 0.25), four))
    named = sg.relabel(sg.assign(old, then), dict(zip(old.segments_, "abcd", strict=True)))
    named = ContinuedSegmenter(KMeansSegmenter(4, random_state=0), previous=named).fit(people(rng, (0.25,) * 4, four))
    inner = KMeansSegmenter(3, random_state=0)
    if in_pipeline:
        inner = make_pipeline(StandardScaler(), inner)
    model = refit(inner, then, previous=named)
    assert set(model.match_.retired)
    settings = {"n_refits": 8, "n_draws": 199, "random_state": 0}
    advice = recommend_refresh(model, then, now, in_force=sg.assign(model, now), **settings)
    assert advice.action == "keep"
    assert advice.table.loc["groups", "evidence"].startswith("Refitted, every segment goes on")
    assert "Not asked" not in advice.table.loc["number", "evidence"]
    assert list(advice.segments.index) == [name for name in model.segments_ if name not in model.match_.retired]
    plain = recommend_refresh(model.segmenter_, then, now, **settings)
    assert plain.table["figure"].equals(advice.table.loc[plain.table.index, "figure"])
    assert type(advice.challenger) is type(inner)


def test_pipelines_that_end_in_a_refit_are_taken_apart():
    rng = np.random.default_rng(3)
    then, now = people(rng), people(rng)
    start = pd.Series("x", index=then.index).where(then["a"] < 3, "y")
    model = make_pipeline(StandardScaler(), ContinuedSegmenter(KMeansSegmenter(3, random_state=0), previous=start)).fit(
        then
    )
    advice = recommend_refresh(model, then, now, n_refits=8, n_draws=199, random_state=0)
    assert advice.action == "keep"
    assert "3 segments" in str(advice)
    assert "Not asked" not in str(advice)
    with pytest.raises(NotFittedError):
        recommend_refresh(ContinuedSegmenter(KMeansSegmenter(3)), then, now)


def test_dates_costs_and_reading():
    model, then, now, _ = history("drift", 3)
    values = pd.Series(10.0, index=now.index, name="margin")
    given = {"n_refits": 8, "n_draws": 199, "random_state": 0}
    advice = recommend_refresh(
        model,
        then,
        now,
        values=values,
        refresh_cost=100.0,
        reference_date="2024-01-01",
        current_date="2024-04-10",
        **given,
    )
    cost = advice.cost
    assert cost.loc["value", "now"] == pytest.approx(10 * cost.loc["customers", "now"])
    assert cost.loc["customers", "now_low"] <= cost.loc["customers", "now"] <= cost.loc["customers", "now_high"]
    assert cost.loc["customers", "added_per_day"] == pytest.approx(cost.loc["customers", "now"] / 100)
    wait = (advice.next_review - dt.date(2024, 4, 10)).days
    assert 25 <= wait <= 200
    assert any("pays within a period" in text for text in advice.warnings)
    assert "Waiting: margin of " in str(advice)
    assert " lies with customers in another segment than a refreshed definition says" in str(advice)
    assert "they change the mean silhouette by " in str(advice)
    assert str(advice).startswith("Advice: refit (3 segments; 400 customers, then 400)")
    assert "Next review" in advice._repr_html_()
    assert advice.to_dict()["next_review"] == advice.next_review.isoformat()
    again = recommend_refresh(model, then, now, **given)
    assert again.action == "refit"
    assert again.next_review is None
    assert again.table["figure"].equals(advice.table["figure"])


def test_nothing_seen_means_a_long_wait_but_no_longer_than_twice():
    model, then, now, _ = history("nothing", 0)
    advice = recommend_refresh(
        model,
        then,
        now,
        reference_date="2024-01-01",
        current_date="2024-04-10",
        n_refits=8,
        n_draws=199,
        random_state=0,
    )
    assert 25 <= (advice.next_review - dt.date(2024, 4, 10)).days <= 200


def test_rules_cannot_be_refitted_and_that_is_said():
    rng = np.random.default_rng(6)
    then = pd.DataFrame({"spend": rng.gamma(4, 10, 500)})
    now = pd.DataFrame({"spend": 1.5 * rng.gamma(4, 10, 500)}, index=pd.RangeIndex(500) + 1000)
    rules = RuleSegmenter({"high": "spend >= 60", "low": "spend < 60"}).fit(then)
    advice = recommend_refresh(rules, then, now, n_refits=5, n_draws=199, random_state=0)
    assert advice.action == "keep"
    assert advice.table.loc["inside", "found"]
    assert any("refitting RuleSegmenter changes nothing" in text for text in advice.warnings)


def test_bad_input():
    model, then, now, _ = history("nothing", 1)
    with pytest.raises(ValueError, match="tolerance"):
        recommend_refresh(model, then, now, tolerance=5)
    with pytest.raises(ValueError, match="go together"):
        recommend_refresh(model, then, now, current_date="2024-01-01")
    with pytest.raises(ValueError, match="must lie after"):
        recommend_refresh(model, then, now, reference_date="2024-02-01", current_date="2024-01-01")
    with pytest.raises(TypeError, match="takes a fitted Segmenter"):
        recommend_refresh(object(), then, now)
    with pytest.raises(ValueError, match="refresh_cost needs values"):
        recommend_refresh(model, then, now, refresh_cost=5.0, n_refits=5, n_draws=99)
    with pytest.raises(CustomerTableError, match="in_force lacks"):
        recommend_refresh(model, then, now, in_force=pd.Series(["a"], index=[1000]), n_refits=5, n_draws=99)


def test_a_feature_that_scatters_more_is_no_further_group():
    from segmentation.monitoring._refresh_evidence import gains_of_numbers

    found = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        then = pd.DataFrame({"a": np.repeat([0.0, 9.0], 150) + rng.normal(size=300), "b": rng.normal(size=300)})
        now = then + rng.normal(size=then.shape)
        model = KMeansSegmenter(2, random_state=0).fit(then)
        before, after = gains_of_numbers(model, then, now, ["a", "b"], rng)
        found.append(np.quantile(before[3], 0.75) < 0 < np.quantile(after[3], 0.25))
    assert sum(found) <= 1  # all five, were today's features measured on the scale of then
