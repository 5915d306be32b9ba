"""The campaign: a clean experiment whose effects are the stated ones."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit

from segmentation.datasets import _market_campaign as campaign
from segmentation.datasets import _market_clock as clock
from segmentation.datasets import make_market

SIZE = 60_000


@pytest.fixture(scope="module")
def market():
    return make_market(SIZE, random_state=41)


def test_arms_are_random(market):
    treated = market.campaign["arm"] == "treated"
    assert set(market.campaign["arm"]) == {"control", "treated"}
    assert abs(treated.mean() - 0.5) < 4 * 0.5 / np.sqrt(SIZE)
    for column in (market.truth["segment"], market.profiles["channel"], market.profiles["region"]):
        assert stats.chi2_contingency(pd.crosstab(column, treated)).pvalue > 1e-4
    for column in ("purchase_rate", "mean_spend", "clv"):
        ranks = market.truth[column].rank()
        assert abs(np.corrcoef(ranks, treated)[0, 1]) < 4 / np.sqrt(SIZE)


def test_outcomes_fit_together(market):
    table = market.campaign
    assert not (table["converted"] & ~table["visited"]).any()
    assert ((table["spend"] > 0) == table["converted"]).all()
    assert 0.02 < table["converted"].mean() < table["visited"].mean() < 0.3
    pd.testing.assert_series_equal(table["spend"], table["spend"].round(2))


@pytest.mark.parametrize("outcome", ["visited", "converted", "spend"])
def test_effects_equal_differences_in_means(market, outcome):
    treated = (market.campaign["arm"] == "treated").to_numpy()
    values = market.campaign[outcome].to_numpy(dtype=float)
    effect = market.truth[f"effect_{outcome}"].to_numpy()
    segment = market.truth["segment"].astype(str).to_numpy()
    for chosen in [np.ones(SIZE, dtype=bool), *(segment == name for name in market.segments)]:
        one, other = values[chosen & treated], values[chosen & ~treated]
        error = np.sqrt(one.var() / one.size + other.var() / other.size)
        assert abs(one.mean() - other.mean() - effect[chosen].mean()) < 4 * error


def test_effects_differ_by_segment(market):
    table = market.segment_truth
    assert table.loc["bargain", "effect_visited_mean"] > 0.1
    assert (market.truth.loc[market.truth["segment"] == "quality", "effect_spend"] == 0).all()
    assert (market.truth.loc[market.truth["segment"] == "reassurance", "effect_spend"] < 0).all()
    # Many more visits, hardly more purchases: what looks like success may not be.
    assert table.loc["inspiration", "effect_visited_mean"] > 5 * table.loc["inspiration", "effect_converted_mean"]


def test_effects_follow_the_stated_equations(market):
    truth = market.truth
    score = stats.norm.ppf(stats.gamma(1.2, scale=1 / 50).cdf(truth["purchase_rate"]))
    last = market.orders.drop_duplicates("customer_id", keep="last").set_index("customer_id")["timestamp"]
    began = clock.FIRST_DAY + pd.Timedelta(days=clock.CAMPAIGN_START)
    assert began == pd.Timestamp("2024-12-03")
    # Who had left when it began: those who are not alive at the end and whose last order came before.
    active = truth["alive"] | (last.reindex(truth.index) >= began)
    own = campaign.RESPONSE.loc[truth["segment"].astype(str)]
    logit = own["visit"].to_numpy() + 0.4 * score + 0.7 * active.to_numpy()
    visit_0, visit_1 = expit(logit), expit(logit + own["visit_added"].to_numpy())
    convert_0, convert_1 = expit(own["convert"].to_numpy()), expit((own["convert"] + own["convert_added"]).to_numpy())
    np.testing.assert_allclose(truth["effect_visited"], visit_1 - visit_0, atol=1e-9)
    converted = visit_1 * convert_1 - visit_0 * convert_0
    np.testing.assert_allclose(truth["effect_converted"], converted, atol=1e-9)
    np.testing.assert_allclose(truth["effect_spend"], converted * 0.8 * truth["mean_spend"], atol=1e-7)


def test_spend_of_buyers_is_gamma(market):
    buyers = market.campaign[market.campaign["converted"]]
    ratio = buyers["spend"] / (0.8 * market.truth["mean_spend"].loc[buyers.index])
    assert stats.kstest(ratio, stats.gamma(2, scale=0.5).cdf).pvalue > 1e-3
