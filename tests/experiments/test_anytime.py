"""Confidence sequences: the formula, the p-value as its inverse, peeking in small, and bad input."""

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

mpl.use("Agg")

import matplotlib.pyplot as plt

from segmentation.experiments import confidence_sequence
from segmentation.experiments._anytime import anytime_p, anytime_reach


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_reach_is_the_formula_of_the_paper():
    """Theorem 2.2: mean +- sd sqrt(2 (t rho^2 + 1) / (t^2 rho^2) log(sqrt(t rho^2 + 1) / alpha))."""
    alpha, at = 0.1, 500
    rho2 = (-2 * np.log(alpha) + np.log(-2 * np.log(alpha) + 1)) / at
    for t in (50, 500, 90_000):
        sd = 3.0
        paper = sd * np.sqrt(2 * (t * rho2 + 1) / (t**2 * rho2) * np.log(np.sqrt(t * rho2 + 1) / alpha))
        ours = anytime_reach(t, 1 - alpha, at) * sd / np.sqrt(t)
        assert ours == pytest.approx(paper, rel=1e-12)


def test_it_is_tightest_near_where_it_was_asked_to_be():
    """In units of the outcome the width times sqrt(n) is least there, up to the approximation of the paper."""
    grid = np.geomspace(100, 100_000, 2001)
    reach = anytime_reach(grid, 0.95, 3000)
    assert grid[np.argmin(reach)] == pytest.approx(3000, rel=0.15)
    assert reach.min() == pytest.approx(anytime_reach(3000, 0.95, 3000), rel=1e-3)


@settings(deadline=None, max_examples=60)
@given(st.floats(-8, 8), st.integers(10, 10**6), st.floats(0.8, 0.99))
def test_p_value_is_below_alpha_exactly_where_bounds_exclude_0(z, n, level):
    reach = float(anytime_reach(n, level))
    p = float(anytime_p(z, n, level))
    if abs(abs(z) - reach) > 1e-6:
        assert (p < 1 - level) == (abs(z) > reach)
    assert 0 <= p <= 1


def running(rng, n, at, draw):
    treated = rng.random(n) < 0.5
    values = draw(rng, n, treated)
    estimate, se = [], []
    for stop in at:
        a, b = values[:stop][treated[:stop]], values[:stop][~treated[:stop]]
        estimate.append(a.mean() - b.mean())
        se.append(np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b)))
    return estimate, se


@pytest.mark.parametrize("effect", [0.0, 0.2])
def test_twenty_looks_rarely_mislead(effect):
    """300 experiments; the full sizes are those of the benchmark."""
    at = np.arange(1, 21) * 200
    wrong, usual = 0, 0
    for run in range(300):
        estimate, se = running(np.random.default_rng(run), 4000, at,
                               lambda rng, n, t: rng.exponential(1, n) + effect * t)  # fmt: skip
        table = confidence_sequence(estimate, se, at).table
        wrong += ((table["low"] > effect) | (table["high"] < effect)).any()
        usual += ((table["fixed_low"] > effect) | (table["fixed_high"] < effect)).any()
    assert wrong / 300 <= 0.05
    assert usual / 300 > 0.15


def test_running_bounds_and_the_first_look_that_shows_it():
    found = confidence_sequence([0.5, 1.0, 0.6], [0.4, 0.2, 0.1], [100, 400, 1600])
    t = found.table
    assert t["running_low"].tolist() == np.maximum.accumulate(t["low"]).tolist()
    assert t["running_high"].tolist() == np.minimum.accumulate(t["high"]).tolist()
    assert t["running_p"].is_monotonic_decreasing
    assert found.first_shown == 400
    assert "an effect is shown since 400 customers" in found.headline
    assert confidence_sequence([0.1], [1.0], [50]).first_shown is None
    assert (t["high"] > t["fixed_high"]).all()


def test_warnings_say_what_was_fixed_and_what_contradicts():
    found = confidence_sequence([5.0, -5.0], [0.5, 0.3], [50, 200], tightest_at=300)
    assert "tightest at 300 customers" in found.warnings[0]
    assert "first look has 50 customers" in found.warnings[1]
    assert "contradict each other" in found.warnings[2]
    assert len(confidence_sequence(0.1, 0.1, 1000).warnings) == 1


@pytest.mark.parametrize(
    ("arguments", "more", "message"),
    [
        (([1.0, 2.0], [1.0], [10, 20]), {}, "one number per look"),
        (([1.0, np.nan], [1.0, 1.0], [10, 20]), {}, "estimates has missing"),
        (([1.0, 2.0], [1.0, 0.0], [10, 20]), {}, "must be above 0 at every look"),
        (([1.0, 2.0], [1.0, 1.0], [20, 20]), {}, "rise from look to look"),
        (([1.0], [1.0], [0]), {}, "rise from look to look"),
        (([], [], []), {}, "no looks"),
        ((1.0, 1.0, 10), {"tightest_at": 0}, "tightest_at must be"),
        ((1.0, 1.0, 10), {"level": 1}, "level is the share"),
    ],
)
def test_bad_input(arguments, more, message):
    with pytest.raises(ValueError, match=message):
        confidence_sequence(*arguments, **more)


def test_result_speaks_and_draws():
    found = confidence_sequence([0.5, 1.0], [0.4, 0.2], [100, 400])
    assert str(found).startswith("After 2 looks and 400 customers: effect 1 (")
    assert "<p>" in found._repr_html_()
    assert found.to_dict()["first_shown"] == 400
    assert found.to_pandas().equals(found.table)
    ax = found.plot()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["at any time", "one planned look", "estimate"]
    assert ax.get_lines()[2].get_ydata().tolist() == [0.5, 1.0]
