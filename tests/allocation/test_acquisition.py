"""Cost of acquisition against value: hand-computed cases, intervals, payback, bad input, pictures."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy.stats import gamma

from segmentation import datasets, features
from segmentation.allocation import AcquisitionDisplay, acquisition_cost, newcomer_value
from segmentation.scorers import CLVScorer

SPEND = {"search": 9000.0, "fairs": 8000.0, "radio": 150.0}
ACQUIRED = {"search": 300, "fairs": 40, "radio": 0}
VALUE = {"search": 95.0, "fairs": 120.0, "radio": 100.0}


def test_by_hand():
    table = acquisition_cost(SPEND, ACQUIRED, VALUE).table
    assert list(table.index) == ["search", "fairs", "radio"]
    assert table["cost"].tolist() == [30.0, 200.0, np.inf]
    np.testing.assert_allclose(table["ratio"], [95 / 30, 120 / 200, 0.0])
    np.testing.assert_allclose(table["net_value"], [300 * 95 - 9000, 40 * 120 - 8000, -150])
    assert table["value_low"].isna().all()
    assert table["verdict"].tolist() == ["brings more than it costs", "costs more than it brings", "nobody acquired"]


def test_interval_of_cost_is_that_of_the_count():
    table = acquisition_cost(SPEND, ACQUIRED, VALUE, n_draws=200_000, level=0.8).table
    for segment in ("search", "fairs"):
        low, high = SPEND[segment] / gamma(ACQUIRED[segment] + 0.5).ppf([0.9, 0.1])
        assert table.loc[segment, "cost_low"] == pytest.approx(low, rel=5e-3)
        assert table.loc[segment, "cost_high"] == pytest.approx(high, rel=5e-3)


def test_nobody_acquired_is_one_sided():
    result = acquisition_cost(SPEND, ACQUIRED, VALUE, margin_per_day=1.0)
    row = result.table.loc["radio"]
    # with at most 2.3 customers to be expected, each costs at least so much
    assert row["cost_low"] == pytest.approx(150 / -np.log(0.1))
    assert row["cost_high"] == np.inf
    assert (row["ratio_low"], row["ratio_high"]) == pytest.approx((0.0, 100 * -np.log(0.1) / 150))
    assert (row["payback_days"], row["payback"]) == (np.inf, "nobody acquired")
    assert any("Nobody was acquired for 'radio'" in text for text in result.warnings)
    dear = acquisition_cost({"radio": 50_000.0}, {"radio": 0}, {"radio": 100.0}).table
    assert dear.loc["radio", "verdict"] == "nobody acquired, costs more than it brings"


def test_nothing_spent():
    result = acquisition_cost({"a": 0, "b": 0}, {"a": 5, "b": 0}, {"a": 10.0, "b": 10.0}, margin_per_day=1.0)
    assert result.table["verdict"].tolist() == ["nothing spent", "nothing spent"]
    assert result.table.loc["a", "cost"] == 0
    assert result.table["net_value"].tolist() == [50.0, 0.0]
    assert result.table.loc["a", "payback"] == "at once: nothing was spent"
    assert any("Nothing was spent for 'a', 'b'" in text for text in result.warnings)


def test_draws_of_value_and_cost_combine():
    """The relative variance of a ratio of independent parts is about the sum of theirs."""
    rng = np.random.default_rng(1)
    draws = {"a": rng.normal(100, 10, 4000)}
    row = acquisition_cost({"a": 4000.0}, {"a": 100}, draws, n_draws=4000).table.loc["a"]
    width = np.log(row["ratio_high"] / row["ratio_low"]) / (2 * 1.645)
    assert width == pytest.approx(np.hypot(0.1, 0.1), rel=0.08)
    assert row["value"] == pytest.approx(draws["a"].mean())
    assert row["net_low"] == pytest.approx(100 * np.quantile(draws["a"], 0.05) - 4000)


def test_totals_of_segments_are_divided_and_added_within_draws():
    rng = np.random.default_rng(2)
    shared = rng.normal(0, 5, 1000)
    draws = pd.DataFrame({"a": 1000 + 100 * shared, "b": 3000 - 100 * shared})
    result = acquisition_cost(
        {"a": 100.0, "b": 100.0}, {"a": 10, "b": 10}, draws, n_customers={"a": 10, "b": 10}, n_draws=1000
    )
    assert result.table["value"].to_numpy() == pytest.approx([draws["a"].mean() / 10, draws["b"].mean() / 10])
    # the two move against each other: what they bring together is certain
    assert result.net_total == pytest.approx(3800.0)
    assert result.net_total_high - result.net_total_low < 1e-6


def test_profile():
    profile = pd.DataFrame(
        {"n_customers": [5, 6], "clv_mean": [50.0, 80.0], "clv_mean_low": [40.0, 70.0], "clv_mean_high": [60.0, 90.0]},
        index=pd.Index(["a", "b"], name="segment"),
    )
    result = acquisition_cost({"a": 100.0}, {"a": 10}, profile)
    row = result.table.loc["a"]
    assert (row["value_low"], row["value_high"]) == pytest.approx((40.0, 60.0), abs=0.3)
    assert result.settings["score"] == "clv"
    assert any("'b' is not used" in text for text in result.warnings)
    known = acquisition_cost({"a": 100.0}, {"a": 10}, profile[["clv_mean"]])
    assert any("taken as known" in text for text in known.warnings)
    with pytest.raises(ValueError, match=r"several scores.*say which"):
        acquisition_cost({"a": 100.0}, {"a": 10}, profile.assign(churn_mean=1.0))
    with pytest.raises(ValueError, match="no score 'value'; scores: 'clv'"):
        acquisition_cost({"a": 100.0}, {"a": 10}, profile, score="value")


class TestPayback:
    def test_between_days_by_hand(self):
        margin = pd.Series([10.0, 20.0, 60.0], index=[0, 30, 130])
        table = acquisition_cost({"a": 4000.0}, {"a": 100}, cumulative_margin=margin).table
        # 40 per customer: halfway from 20 at day 30 to 60 at day 130
        assert table.loc["a", "payback_days"] == pytest.approx(80.0)
        assert table.loc["a", "value"] == 60.0
        low, high = 4000 / gamma(100.5).ppf([0.95, 0.05])
        assert table.loc["a", "payback_low"] == pytest.approx(30 + 2.5 * (low - 20), rel=0.02)
        assert table.loc["a", "payback_high"] == pytest.approx(30 + 2.5 * (high - 20), rel=0.02)

    def test_first_day_and_horizon(self):
        margin = pd.Series([50.0, 60.0], index=[0, 100])
        table = acquisition_cost(
            {"cheap": 1000.0, "dear": 9000.0, "near": 5900.0},
            {"cheap": 100, "dear": 100, "near": 100},
            cumulative_margin=margin,
        ).table
        assert table.loc["cheap", "payback_days"] == 0.0
        assert table.loc["dear", "payback_days"] == np.inf
        assert table.loc["dear", "payback"] == "not within 100 days"
        assert table.loc["near", "payback"].startswith("90 days (")
        assert table.loc["near", "payback"].endswith("to beyond 100 days)")

    def test_constant_margin(self):
        table = acquisition_cost(
            {"a": 300.0, "b": 300.0, "c": 300.0},
            {"a": 100, "b": 100, "c": 100},
            {"a": 1.0, "b": 1.0, "c": 1.0},
            margin_per_day={"a": 0.1, "b": 0.0, "c": 0.001},
        ).table
        assert table["payback_days"].tolist() == pytest.approx([30.0, np.inf, 3000.0])
        assert table.loc["b", "payback"] == "never: no margin"

    def test_horizon_of_a_table(self):
        margin = pd.Series([0.0, 100.0], index=[0, 100])
        table = acquisition_cost({"a": 5000.0}, {"a": 100}, cumulative_margin=margin, horizon_days=40).table
        assert table.loc["a", "payback"] == "not within 40 days"
        assert table.loc["a", "value"] == pytest.approx(40.0)

    def test_no_margin_no_columns(self):
        assert "payback" not in acquisition_cost(SPEND, ACQUIRED, VALUE).table

    def test_never_missing(self):
        rng = np.random.default_rng(0)
        draws = pd.DataFrame(np.cumsum(rng.exponential(1, (50, 5)), axis=1), columns=[0, 10, 20, 30, 40])
        spend = dict.fromkeys("abcdef", 1000.0)
        acquired = dict(zip("abcdef", (1, 10, 100, 300, 1000, 5000), strict=True))
        table = acquisition_cost(spend, acquired, cumulative_margin=draws).table
        assert table[["payback_days", "payback_low", "payback_high"]].notna().all(axis=None)
        assert (table["payback_low"] <= table["payback_high"]).all()
        assert table["payback_days"].is_monotonic_decreasing


@pytest.fixture(scope="module")
def scorer():
    purchases = features.btyd_table(
        datasets.load_cdnow(), customer_id="customer_id", timestamp="timestamp", amount="amount"
    )
    return CLVScorer(margin=0.3).fit(purchases)


class TestNewcomers:
    def test_mean_is_that_of_the_fitted_models(self, scorer):
        days = [0.0, 30.0, 365.0]
        values = newcomer_value(scorer, days, n_draws=400, random_state=0)
        expected = 0.3 * scorer.population_spend_ * (1 + np.append(0, scorer.expected_purchases_new_customer(days[1:])))
        assert values.shape == (400, 3)
        np.testing.assert_allclose(values.mean(), expected, rtol=0.03)
        assert (np.diff(values.to_numpy(), axis=1) > 0).all()
        without = newcomer_value(scorer, days, n_draws=5, first_purchase=False, random_state=0)
        assert (without[0.0] == 0).all()

    def test_agrees_with_the_scores_of_a_newcomer(self, scorer):
        """Repeat purchases of somebody with only a first purchase, discounted, as the scorer values them."""
        newcomer = pd.DataFrame({"frequency": [0], "recency": [0.0], "T": [0.0], "monetary_value": [0.0]})
        discounted = CLVScorer.from_dict(scorer.to_dict()).set_params(annual_discount_rate=0.2, horizon_days=364)
        clv = float(discounted.score_customers(newcomer)["clv"].iloc[0])
        fixed = discounted.purchase_model_
        # at the fitted parameters themselves
        draws = np.tile([fixed.params_[name] for name in fixed.params_], (2, 1))
        spends = np.tile(list(discounted.spend_model_.params_.values()), (2, 1))
        fixed.draw_params = lambda n, seed: draws
        discounted.spend_model_.draw_params = lambda n, seed: spends
        value = newcomer_value(discounted, [364.0], first_purchase=False, n_draws=2)
        assert value.to_numpy().ravel() == pytest.approx([clv, clv], rel=1e-9)

    def test_goes_into_acquisition_cost(self, scorer):
        margin = newcomer_value(scorer, range(0, 366, 30), n_draws=100, random_state=0)
        result = acquisition_cost({"all": 2000.0}, {"all": 100}, cumulative_margin={"all": margin})
        row = result.table.loc["all"]
        assert row["value"] == pytest.approx(margin[360.0].mean())
        assert 90 < row["payback_low"] < row["payback_days"] < row["payback_high"] < 360
        assert row["value_low"] < row["value"] < row["value_high"]

    @pytest.mark.parametrize(
        ("days", "message"),
        [([10, 5], "must rise"), ([-1.0, 5.0], "0 or more"), ([np.inf], "finite"), ([], "finite numbers")],
    )
    def test_bad_days(self, scorer, days, message):
        with pytest.raises(ValueError, match=message):
            newcomer_value(scorer, days)

    def test_needs_money(self):
        purchases = features.btyd_table(
            datasets.load_cdnow(), customer_id="customer_id", timestamp="timestamp", amount="amount"
        )
        with pytest.raises(ValueError, match="spend model"):
            newcomer_value(CLVScorer(spend_model=None).fit(purchases), [0, 30])


@pytest.mark.parametrize("n", [3, 30])
def test_coverage_of_the_ratio(n):
    """Value from a sample of customers, cost from a count: 90 % intervals of the ratio."""
    rng = np.random.default_rng(n)
    rate, mean, sd, trials = float(n), 80.0, 60.0, 400
    hits = 0
    for _ in range(trials):
        count, sample = rng.poisson(rate), rng.gamma((mean / sd) ** 2, sd**2 / mean, 200)
        draws = sample.mean() + sample.std(ddof=1) / np.sqrt(200) * rng.standard_normal(1000)
        row = acquisition_cost({"a": 1000.0}, {"a": count}, {"a": draws}, n_draws=1000, random_state=0).table.loc["a"]
        hits += row["ratio_low"] <= mean * rate / 1000.0 <= row["ratio_high"]
    # 86 to 94 % and three Monte Carlo errors
    assert 0.86 - 0.045 <= hits / trials <= 0.94 + 0.045


class TestBadInput:
    @pytest.mark.parametrize(
        ("change", "error", "message"),
        [
            ({"spend": {"a": -1.0}}, ValueError, "spend of 'a' must be 0 or more"),
            ({"spend": {"a": np.nan}}, ValueError, "spend of 'a' must be a finite number"),
            ({"spend": {"a": "much"}}, TypeError, "spend of 'a' must be a number"),
            ({"spend": [1.0]}, TypeError, "spend must map segments"),
            ({"spend": {}}, ValueError, "spend is empty"),
            ({"acquired": {"a": 1.5}}, ValueError, "whole number of customers"),
            ({"acquired": {"b": 1}}, ValueError, "acquired has nothing for 'a'"),
            ({"acquired": {"a": 1, "b": 1}}, ValueError, "names 'b', for which no spend"),
            ({"value": {"b": 1.0}}, ValueError, "value has nothing for 'a'"),
            ({"value": {"a": np.inf}}, ValueError, "value of 'a' must be a finite number"),
            ({"value": {"a": [1.0, 2.0]}}, ValueError, "at least 20"),
            ({"value": {"a": [np.nan] * 30}}, ValueError, "must be finite"),
            ({"value": None}, ValueError, "value is missing"),
            ({"value": 3.0}, TypeError, "value must map"),
            ({"score": "clv"}, ValueError, "score is for a profile"),
            ({"n_customers": {"a": 5}}, ValueError, "is one number"),
            ({"level": 1.0}, ValueError, "between 0 and 1"),
            ({"n_draws": 5}, ValueError, "at least 100"),
            ({"horizon_days": 5}, ValueError, "horizon_days is for the payback"),
            ({"horizon_days": 0, "margin_per_day": 1.0}, ValueError, "above 0"),
            ({"margin_per_day": 1.0, "cumulative_margin": pd.Series([1.0], [1])}, ValueError, "not both"),
            ({"cumulative_margin": pd.Series([1.0, 2.0], [5, 1])}, ValueError, "rise"),
            ({"cumulative_margin": pd.Series([1.0], ["x"])}, ValueError, "days must be numbers"),
            ({"cumulative_margin": pd.Series([np.nan], [3])}, ValueError, "must be finite; day 3"),
            ({"cumulative_margin": 3.0}, TypeError, "Series indexed by day"),
        ],
    )
    def test_is_named(self, change, error, message):
        given = {"spend": {"a": 10.0}, "acquired": {"a": 2}, "value": {"a": 5.0}} | change
        with pytest.raises(error, match=message):
            acquisition_cost(**given)

    def test_different_numbers_of_draws(self):
        with pytest.raises(ValueError, match="same number of draws"):
            acquisition_cost({"a": 1, "b": 1}, {"a": 1, "b": 1}, {"a": np.ones(30), "b": np.ones(40)})


class TestResult:
    def test_text(self):
        result = acquisition_cost(SPEND, ACQUIRED, VALUE, margin_per_day=0.25, horizon_days=365)
        text = str(result)
        assert text.startswith("Acquisition in 3 segments: 17,150 for 340 customers, net value 16,150")
        assert "Costs more than it brings, interval below 1: 'fairs'." in text
        assert "not within 365 days" in text
        assert "who would have come anyway" in text
        assert "<script>" not in acquisition_cost({"<script>": 1}, {"<script>": 1}, {"<script>": 1.0})._repr_html_()
        assert result.to_dict()["table"][0]["segment"] == "search"
        assert result.to_pandas() is not result.table

    def test_seed(self):
        one, two, other = (acquisition_cost(SPEND, ACQUIRED, VALUE, random_state=s).table for s in (1, 1, 2))
        pd.testing.assert_frame_equal(one, two)
        assert not one.equals(other)

    def test_order_of_segments_changes_little(self):
        table = acquisition_cost(SPEND, ACQUIRED, VALUE).table
        turned = acquisition_cost(dict(reversed(SPEND.items())), ACQUIRED, VALUE).table.reindex(table.index)
        np.testing.assert_allclose(table.loc["search", "ratio_low"], turned.loc["search", "ratio_low"], rtol=0.02)


class TestDisplay:
    def test_ratio(self):
        result = acquisition_cost(SPEND, ACQUIRED, VALUE, margin_per_day=0.25, horizon_days=365)
        display = AcquisitionDisplay.from_result(result, lines=(1, 3)).plot()
        assert display.table["label"].tolist() == ["search", "fairs", "radio"]
        labels = [tick.get_text() for tick in display.ax_.get_yticklabels()]
        assert labels == ["search", "fairs", "radio"]
        verticals = [line.get_xdata()[0] for line in display.ax_.lines]
        assert verticals == [1.0, 3.0]
        named = [text.get_text() for text in display.ax_.get_legend().get_texts()]
        assert named == ["interval below 1", "nobody acquired: at most"]
        plt.close(display.figure_)

    def test_payback(self):
        result = acquisition_cost(SPEND, ACQUIRED, VALUE, margin_per_day=0.25, horizon_days=365)
        ax = result.plot_payback()
        widths = sorted(bar.get_width() for bar in ax.patches)
        assert widths == pytest.approx([120.0, 365.0, 365.0])
        plt.close(ax.figure)
        with pytest.raises(ValueError, match="there is no payback"):
            acquisition_cost(SPEND, ACQUIRED, VALUE).plot_payback()

    def test_many_long_names(self):
        names = [f"customers who came through partner number {i} in the spring" for i in range(40)]
        result = acquisition_cost(
            dict.fromkeys(names, 100.0), dict.fromkeys(names, 10), dict.fromkeys(names, 12.0), margin_per_day=0.1
        )
        display = AcquisitionDisplay.from_result(result).plot_both()
        assert len(display.table) == 30
        assert display.table["label"].is_unique
        assert "10 more not drawn" in display.ax_.get_title(loc="left")
        plt.close(display.figure_)

    def test_bad_lines(self):
        with pytest.raises(ValueError, match="finite ratios above 0"):
            AcquisitionDisplay.from_result(acquisition_cost(SPEND, ACQUIRED, VALUE), lines=(0.0,))
