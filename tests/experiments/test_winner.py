"""The best segment: truncated normals by scipy, coverage and median bias in small, splits, special and bad input."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from segmentation.exceptions import ColumnError
from segmentation.experiments import BestSegmentDisplay, best_segment, best_segment_by_split
from segmentation.experiments._truncated import conditional_mean, hybrid_mean, truncated_cdf
from segmentation.experiments._winner import corrected, simultaneous_reach, truncation


@settings(deadline=None, max_examples=60)
@given(st.floats(-4, 4), st.floats(-4, 4), st.floats(0.05, 5), st.floats(0.01, 0.99))
def test_truncated_cdf_equals_scipy(mean, low, width, place):
    x = low + place * width
    got = truncated_cdf(*(np.array([v]) for v in (x, mean, low, low + width))).item()
    # where scipy has no digits left in its tail, ours is compared by the density's integral
    assert got == pytest.approx(stats.truncnorm.cdf(x, low - mean, low + width - mean, loc=mean), abs=1e-7)


def test_truncated_cdf_far_in_the_tails():
    got = truncated_cdf(np.array([1.0, 0.01]), np.array([60.0, -60.0]), np.zeros(2), np.full(2, 2.0))
    ends = [stats.norm.logcdf([-60, -59, -58]), stats.norm.logsf([60, 60.01, 62])]
    expected = [np.exp(ends[0][1] - ends[0][2]), -np.expm1(ends[1][1] - ends[1][0])]
    assert got == pytest.approx(expected, rel=1e-9)


def test_conditional_and_hybrid_means_solve_their_equations():
    x, low = np.array([2.0, 1.0, 3.0]), np.array([1.5, 0.999, -2.0])
    for p in (0.025, 0.5, 0.975):
        found = conditional_mean(x, low, np.full(3, np.inf), p)
        for i in range(3):

            def off(mean, i=i, p=p):
                log = stats.norm.logsf(x[i] - mean) - stats.norm.logsf(low[i] - mean)
                return -np.expm1(log) - p

            bracket = (x[i] - 1e5, x[i] + 50)
            assert found[i] == pytest.approx(optimize.brentq(off, *bracket, xtol=1e-12), rel=1e-6, abs=1e-8)
        hybrid = hybrid_mean(x, low, np.full(3, np.inf), p, 2.9)
        assert (np.abs(hybrid - x) <= 2.9).all()
        back = truncated_cdf(x, hybrid, np.maximum(low, hybrid - 2.9), hybrid + 2.9)
        assert back == pytest.approx(np.full(3, p), abs=1e-9)


def test_truncation_is_where_the_best_stops_being_best():
    rng = np.random.default_rng(0)
    for _ in range(50):
        root = rng.standard_normal((4, 4))
        covariance = root @ root.T + 0.1 * np.eye(4)
        x = rng.multivariate_normal(np.zeros(4), covariance)
        best = int(x.argmax())
        low, high = truncation(x, covariance, best)
        assert low <= x[best] <= high
        slope = covariance[:, best] / covariance[best, best]
        for place, inside in ((low + 1e-6, True), (low - 1e-6, False), (high - 1e-6, True), (high + 1e-6, False)):
            if np.isfinite(place):
                moved = x + slope * (place - x[best])
                assert (int(moved.argmax()) == best) is inside


def test_simultaneous_reach_is_known():
    assert simultaneous_reach(1, 0.95) == pytest.approx(1.959964, abs=1e-6)
    assert simultaneous_reach(5, 0.95) == pytest.approx(stats.norm.ppf(0.5 + 0.95**0.2 / 2), abs=1e-10)


@pytest.mark.parametrize("true", [np.zeros(2), np.zeros(8), np.r_[2.0, np.zeros(4)], np.linspace(-1, 1, 20)],
                         ids=["2 alike", "8 alike", "one ahead", "20 spread"])  # fmt: skip
@pytest.mark.parametrize("method", ["conditional", "hybrid"])
def test_median_unbiased_with_a_valid_interval(true, method):
    rng = np.random.default_rng(1)
    n, k = 5000, len(true)
    y = true + rng.standard_normal((n, k))
    best = y.argmax(axis=1)
    x, second = np.sort(y, axis=1)[:, -1], np.sort(y, axis=1)[:, -2]
    middle, low, high = corrected(x, second, np.full(n, np.inf), k, 0.95, method)
    truth = true[best]
    # above the truth in half of the experiments, up to 4 Monte Carlo errors and the hybrid's .0025
    assert abs(np.mean(middle > truth) - 0.5) <= 4 * 0.5 / np.sqrt(n) + 0.0025
    assert abs(np.mean((low <= truth) & (truth <= high)) - 0.95) <= 0.006 + 3 * np.sqrt(0.05 * 0.95 / n)
    assert (low <= middle).all()
    assert (middle <= high).all()


def test_correlated_estimates_hold_too():
    rng = np.random.default_rng(2)
    covariance = np.array([[1.0, 0.6, 0.0], [0.6, 2.0, 0.5], [0.0, 0.5, 0.5]])
    held, above, n = 0, 0, 400
    for y in rng.multivariate_normal(np.zeros(3), covariance, n):
        found = best_segment(y, covariance=covariance)
        held += found.low <= 0 <= found.high
        above += found.estimate > 0
    assert abs(held / n - 0.9525) <= 3.5 * np.sqrt(0.05 * 0.95 / n)
    assert abs(above / n - 0.5) <= 3.5 * 0.5 / np.sqrt(n)


def test_naive_is_kept_beside_and_pulled_down():
    found = best_segment({"a": 2.0, "b": 1.9, "c": 0.0}, {"a": 1.0, "b": 1.0, "c": 1.0})
    assert (found.segment, found.runner_up) == ("a", "b")
    assert found.table.loc["naive", "estimate"] == 2.0
    assert found.estimate < 2.0
    assert found.table.loc["conditional", "low"] < found.table.loc["hybrid", "low"]
    assert found.headline.startswith("Best of 3: segment 'a', effect ")
    assert "2 as measured" in found.headline


def test_far_ahead_nothing_is_corrected():
    found = best_segment([50.0, 0.0, 1.0], [1.0, 1.0, 1.0], method="conditional")
    assert (found.estimate, found.low, found.high) == pytest.approx((50, 48.040036, 51.959964), abs=1e-6)


def test_smallest_mirrors_largest():
    y, s = np.array([1.0, 0.5, -0.3]), np.array([1.0, 0.5, 0.7])
    up, down = best_segment(-y, s), best_segment(y, s, largest=False)
    assert down.segment == up.segment == 2
    assert (down.estimate, down.low, down.high) == pytest.approx((-up.estimate, -up.high, -up.low))


def test_diagonal_covariance_equals_standard_errors():
    y, s = [1.0, 0.5, -0.3], np.array([1.0, 0.5, 0.7])
    pd.testing.assert_frame_equal(best_segment(y, s).table, best_segment(y, covariance=np.diag(s**2)).table)
    named = pd.DataFrame(np.diag(s**2), index=list("abc"), columns=list("abc")).loc[list("cab"), list("cab")]
    found = best_segment(dict(zip("abc", y, strict=True)), covariance=named)
    assert found.segment == "a"
    assert found.estimate == pytest.approx(best_segment(y, s).estimate)


def test_ties_one_segment_and_missing_ones():
    tie = best_segment({"a": 1.0, "b": 1.0}, {"a": 1.0, "b": 1.0}, method="conditional")
    assert tie.low == -np.inf
    assert any("equally good" in text for text in tie.warnings)
    assert any("method='hybrid' stays finite" in text for text in tie.warnings)
    assert np.isfinite(best_segment({"a": 1.0, "b": 1.0}, {"a": 1.0, "b": 1.0}).low)
    one = best_segment({"a": 1.0, "b": np.nan}, {"a": 1.0, "b": 1.0})
    assert one.low == pytest.approx(1 - 1.959964, abs=1e-6)
    assert "nothing was selected" in one.headline
    assert "1 segment without an estimate" in one.warnings[0]
    assert one.runner_up is None


def test_few_degrees_of_freedom_are_said():
    found = best_segment([1.0, 0.0], [1.0, 1.0], df=[5, 50])
    assert any("5 degrees of freedom" in text for text in found.warnings)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"method": "bootstrap"}, "'hybrid' or 'conditional'"),
        ({"standard_errors": [1.0, 1.0], "covariance": np.eye(2)}, "either standard_errors or covariance"),
        ({"covariance": np.eye(3)}, r"one row and column per segment \(2\)"),
        ({"covariance": [[1.0, 2.0], [0.0, 1.0]]}, "symmetric"),
        ({"covariance": [[1.0, 2.0], [2.0, 1.0]]}, "negative eigenvalue"),
        ({"covariance": [[-1.0, 0.0], [0.0, 1.0]]}, "negative in segments 0"),
        ({"standard_errors": [1.0, 0.0]}, "standard errors are 0"),
        ({"standard_errors": [1.0, 1e-200]}, "standard errors are 0"),
        ({"standard_errors": [1.0, 1.0], "largest": "no"}, "largest must be True"),
        ({"covariance": "unit"}, "matrix of numbers"),
    ],
)
def test_bad_input(more, message):
    with pytest.raises(ValueError, match=message):
        best_segment([1.0, 2.0], **more)


def test_nothing_to_choose_from():
    with pytest.raises(ValueError, match="none can be the best"):
        best_segment([np.nan], [1.0])


def rows(n, seed, lift=0.0):
    rng = np.random.default_rng(seed)
    made = pd.DataFrame({"tier": rng.choice(list("abcd"), n), "arm": rng.choice(["mail", "none"], n)})
    made["spend"] = rng.gamma(1, 10, n) + lift * ((made["tier"] == "c") & (made["arm"] == "mail"))
    return made.assign(store=rng.integers(0, 60, n))


KEYS = {"segment": "tier", "arm": "arm", "outcome": "spend", "control": "none"}


def test_split_chooses_on_one_part_and_estimates_on_the_other():
    table = rows(4000, 0, lift=5.0)
    found = best_segment_by_split(table, **KEYS, random_state=3)
    assert found.segment == "c"
    first = np.random.default_rng(3).random(4000) < 0.5
    part = table[~first]
    cell = part[part["tier"] == "c"].groupby("arm")["spend"]
    assert found.estimate == pytest.approx(cell.mean()["mail"] - cell.mean()["none"], rel=1e-10)
    other = table[first]
    chosen = other[other["tier"] == "c"].groupby("arm")["spend"].mean()
    assert found.table.loc["c", "chosen_by"] == pytest.approx(chosen["mail"] - chosen["none"], rel=1e-10)
    assert found.settings["n_choosing"] + found.settings["n_judging"] == 4000
    assert found.headline.startswith("Best of 4 by the first part: segment 'c'")
    assert "<p>" in found._repr_html_()
    assert found.to_dict()["segment"] == "c"


def test_split_keeps_clusters_together_and_refuses_nonsense():
    table = rows(2000, 1)
    found = best_segment_by_split(table, **KEYS, cluster="store", random_state=0)
    codes, levels = pd.factorize(table["store"])
    first = (np.random.default_rng(0).random(len(levels) + 1) < 0.5)[codes]
    assert found.settings["n_choosing"] == first.sum()
    assert not set(table["store"][first]) & set(table["store"][~first])
    for share in (0, 1, "half", True):
        with pytest.raises(ValueError, match="share of customers who choose"):
            best_segment_by_split(table, **KEYS, share=share)
    with pytest.raises(ValueError, match="one part of the split is empty"):
        best_segment_by_split(table.iloc[:2], **KEYS, share=1e-9)


def test_at_a_tie_only_the_simultaneous_interval_is_given():
    for largest in (True, False):
        sign = 1 if largest else -1
        tie = best_segment(sign * np.array([2.0, 2.0, 1.0]), np.ones(3), largest=largest)
        assert (tie.low, tie.high) == tuple(tie.table.loc["simultaneous", ["low", "high"]])
        assert tie.estimate == (tie.low if largest else tie.high)
        assert tie.settings["tied"]
        assert any("at a tie no estimate is above the truth in half" in text for text in tie.warnings)
        lone = best_segment(sign * np.array([2.0, 2.0, 1.0]), np.ones(3), largest=largest, method="conditional")
        assert (lone.low, lone.high) == (-np.inf, np.inf)
    # a tie in standard errors: the runner-up is nothing behind beside the error of the best
    wide = best_segment([2.0, 1.0, 1.0], [1e9, 1.0, 1.0])
    assert wide.settings["tied"]
    assert wide.high - wide.low > 2 * 1.96e9


def test_a_very_close_runner_up_is_said():
    close = best_segment([2.0, 1.995, 1.0], [1.0, 1.0, 1.0])
    (text,) = [text for text in close.warnings if "squeezed together" in text]
    assert "0.005 standard errors behind" in text
    assert close.high - close.low < 1.96
    far = best_segment([2.0, 1.9, 1.0], [1.0, 1.0, 1.0])
    assert not any("squeezed" in text for text in far.warnings)
    # the claim: hardly ever holds there, and the simultaneous one does
    rng = np.random.default_rng(4)
    y = np.sort(rng.standard_normal((40_000, 8)), axis=1)
    x, low = y[:, -1], y[:, -2]
    _, bottom, top = corrected(x, low, np.full(len(x), np.inf), 8, 0.95, "hybrid")
    squeezed = top - bottom < 1.96
    held = (bottom <= 0) & (top >= 0)
    assert 0.005 < squeezed.mean() < 0.03
    assert held[squeezed].mean() < 0.1
    assert np.mean(np.abs(x[squeezed]) <= simultaneous_reach(8, 0.95)) > 0.95
    assert held.mean() > 0.944


def test_tables_of_other_libraries():
    polars = pytest.importorskip("polars")
    table = pd.DataFrame({"segment": ["a", "b", "c"], "estimate": [1.0, 2.0, 0.0], "se": [1.0, 1.0, 1.0]})
    expected = best_segment(table.set_index("segment"))
    for other in (table, polars.from_pandas(table)):
        assert best_segment(other).table.equals(expected.table)


@pytest.mark.parametrize("n", [2, 6, 45])
@pytest.mark.parametrize("method", ["hybrid", "conditional"])
def test_display_has_every_segment_best_first_and_the_correction(n, method):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = [f"${i} - $100 " + "customers of the long name " * 3 + str(i) for i in range(n)]
    estimate = pd.Series(np.linspace(0, 3, n), names)
    found = best_segment(estimate, pd.Series(1.0, names), method=method)
    display = BestSegmentDisplay.from_best(found)
    ax = found.plot()
    labels = [text.get_text() for text in ax.get_yticklabels()]
    assert len(labels) == min(n, 30)
    assert labels[0].endswith(str(n - 1))
    assert all(len(text) <= 30 for text in labels)
    assert list(display.segments.index) == list(estimate.sort_values(ascending=False).index[:30])
    assert display.corrected.loc["corrected"].to_list() == [found.estimate, found.low, found.high]
    assert ("15 behind them not drawn" in ax.get_title(loc="left")) is (n == 45)
    drawn = np.concatenate([np.asarray(part.get_offsets()) for part in ax.collections if len(part.get_offsets()) == 1])
    assert np.clip(found.estimate, *ax.get_xlim()) in drawn[:, 0]
    ax.figure.canvas.draw()
    plt.close(ax.figure)


def test_all_segments_stay_in_the_result():
    found = best_segment({"a": 1.0, "b": np.nan, "c": 0.5}, {"a": 1.0, "b": 1.0, "c": 2.0})
    assert found.segments["se"].to_dict() == {"a": 1.0, "b": 1.0, "c": 2.0}
    assert len(found.to_dict()["segments"]) == 3
    json.dumps(found.to_dict())


def test_split_says_whom_it_left_out():
    table = rows(3000, 2)
    table = table.assign(
        tier=table["tier"].where(table.index % 10 > 0), arm=table["arm"].where(table.index % 10 != 1),
        spend=table["spend"].where(table.index % 10 != 2),
    )  # fmt: skip
    said = " ".join(best_segment_by_split(table, **KEYS, random_state=0).warnings)
    assert "300 rows without an arm left out" in said
    assert "300 customers in no segment left out" in said
    assert "'spend' is missing in 300 rows" in said
    with pytest.raises(ColumnError, match="no column 'shop'"):
        best_segment_by_split(table, **KEYS, cluster="shop")
    lone = rows(2000, 3)
    lone.loc[lone["tier"] == "a", "arm"] = "mail"
    assert any("'a' had no estimate in the first part" in text
               for text in best_segment_by_split(lone, **KEYS, random_state=0).warnings)  # fmt: skip
