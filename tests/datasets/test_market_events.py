"""Web events: how many, when, and of which type."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from segmentation.datasets import _market_events as events
from segmentation.datasets import _market_needs as needs
from segmentation.datasets import make_market


@pytest.fixture(scope="module")
def market():
    return make_market(20_000, random_state=51)


def test_types_have_their_shares_in_every_segment(market):
    np.testing.assert_allclose(events.TYPE_SHARES.sum(axis=1), 1)
    segment = market.truth["segment"].loc[market.events["customer_id"]].to_numpy()
    for name, own in market.events["type"].groupby(segment, observed=True):
        counts = own.value_counts().reindex(events.EVENT_TYPES, fill_value=0)
        assert stats.chisquare(counts, events.TYPE_SHARES.loc[name] * counts.sum()).pvalue > 1e-4


def test_nothing_happens_before_the_first_order(market):
    first = market.orders.drop_duplicates("customer_id").set_index("customer_id")["timestamp"]
    assert (market.events["timestamp"].to_numpy() >= first.loc[market.events["customer_id"]].to_numpy()).all()


def test_numbers_follow_activity_rate_and_segment(market):
    """Two events a session; sessions by the stated rate, fewer after the customer has left."""
    truth, end = market.truth, pd.Timestamp("2025-01-01")
    first = market.orders.drop_duplicates("customer_id").set_index("customer_id")["timestamp"].reindex(truth.index)
    last = market.orders.drop_duplicates("customer_id", keep="last").set_index("customer_id")["timestamp"]
    start = first.clip(lower=end - pd.Timedelta(days=365))
    left = last.reindex(truth.index).where(~truth["alive"], end).clip(lower=start)
    before, after = ((b - a) / pd.Timedelta(days=1) for a, b in ((start, left), (left, end)))
    intensity = events.INTENSITY.loc[truth["segment"].astype(str)].to_numpy()
    per_day = intensity * (0.008 + 0.4 * truth["purchase_rate"])
    expected = 2 * per_day * (before + 0.15 * after)
    counts = market.events["customer_id"].value_counts().reindex(truth.index, fill_value=0)
    residual = counts - expected
    for group in (truth["alive"], truth["segment"], pd.qcut(truth["purchase_rate"], 4, labels=False)):
        for _, part in residual.groupby(group, observed=True):
            assert abs(part.mean()) < 4 * part.std() / np.sqrt(len(part))
    assert counts[truth["alive"]].mean() > 2 * counts[~truth["alive"]].mean()
    assert counts.mean() < 15


def test_sessions():
    latents = needs.draw(2_000, np.random.default_rng(0), misspecified=False)
    log = events.draw(latents, np.zeros(2_000), np.full(2_000, 731.0), np.random.default_rng(1))
    table = pd.DataFrame({"customer": log.customer, "day": log.day, "seconds": log.seconds})
    sessions = table.groupby(["customer", "day"])["seconds"]
    assert (sessions.min() == 0).all()
    assert (table.groupby(["customer", "day"])["seconds"].diff().dropna() > 0).all()
    pauses = table.groupby(["customer", "day"])["seconds"].diff().dropna()
    assert stats.kstest(pauses, stats.expon(scale=60).cdf).pvalue > 1e-3
    further = sessions.size() - 1
    assert abs(further.mean() - 1) < 4 / np.sqrt(len(further))
