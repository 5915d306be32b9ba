"""Curves on real and published simulated data: bounded intervals, and the sentence that they are observational."""

import numpy as np
import pandas as pd
import pytest

from segmentation import datasets
from segmentation.curves import ExponentialCurve, HillCurve, fit_response_curve, from_lift
from segmentation.datasets._market_curves import response


def season(weeks):
    t = np.arange(weeks) / 52.18
    return np.column_stack([*(f(2 * np.pi * k * t) for k in (1, 2) for f in (np.sin, np.cos)), t])


def robyn(folder):
    table = pd.read_parquet(folder / "robyn_weekly" / "dt_simulated_weekly.parquet")
    controls = np.column_stack([season(len(table)), table["competitor_sales_B"]])
    return {
        "effort": table["tv_S"],
        "outcome": table["revenue"],
        "period": table["DATE"],
        "controls": controls,
        "carry_over": "geometric",
    }


def meridian(folder):
    table = pd.read_parquet(folder / "meridian_geo" / "geo_all_channels.parquet")
    people = table["population"]
    return {
        "effort": table["Channel4_spend"] / people,
        "outcome": table["conversions"] * table["revenue_per_conversion"] / people,
        "customer": table["geo"],
        "period": table["time"],
        "controls": table[["competitor_sales_control", "sentiment_score_control", "Promo"]],
        "adjust": "within",
    }


def cheese(folder):
    table = pd.read_parquet(folder / "cheese" / "cheese.parquet")
    return {
        "effort": table["DISP"],
        "outcome": table["VOLUME"],
        "customer": table["RETAILER"],
        "controls": np.log(table["PRICE"]),
        "adjust": "within",
    }


def mmm(folder):
    table = pd.read_parquet(folder / "mmm_stan" / "weekly_retail_mmm.parquet")
    holidays = table.filter(like="hldy_").to_numpy().sum(axis=1)
    controls = np.column_stack([season(len(table)), holidays, table["me_ics_all"]])
    return {
        "effort": table["mdsp_dm"],
        "outcome": table["sales"],
        "period": table["wk_strt_dt"],
        "controls": controls,
        "carry_over": "geometric",
    }


@pytest.mark.parametrize("read", [robyn, meridian, cheese, mmm])
@pytest.mark.parametrize("family", ["exponential", "log", "auto"])
def test_observational_data(shared_data, read, family):
    data = read(shared_data)
    fit = fit_response_curve(**data, family=family, n_draws=200, random_state=0)
    assert any("assigned at random" in text for text in fit.warnings)
    # no effort brings more than there is: the bound of the highest effort stays in the range of the outcome
    top = fit.at_efforts.iloc[-1]
    assert 0 <= top["value_low"] <= top["value"] <= top["value_high"]
    assert top["value_high"] <= 3 * np.max(data["outcome"])
    assert 0 <= fit.table.loc["baseline", "low"] <= fit.baseline <= np.max(data["outcome"])
    if read is cheese:  # displays sell: the one strong effect of the four
        assert top["value_low"] > 1000


def test_hillstrom_from_the_experiment(shared_data):
    table = pd.read_parquet(shared_data / "hillstrom" / "hillstrom.parquet")
    mailed = (table["segment"] != "No E-Mail").to_numpy()
    effect = table["spend"][mailed].mean() - table["spend"][~mailed].mean()
    se = np.sqrt(sum(table["spend"][arm].var() / arm.sum() for arm in (mailed, ~mailed)))
    curve = from_lift(effect, effort=1, se=se, half=1.0, random_state=0)
    fitted = fit_response_curve(mailed.astype(float), table["spend"], half=1.0, randomized=True, random_state=0)
    assert curve.caveats == curve.notes
    assert curve.value(1) == pytest.approx(fitted.curve.value(1)) == pytest.approx(0.5968, abs=5e-4)
    assert curve.interval(1) == pytest.approx(fitted.curve.interval(1), abs=0.04)
    assert curve.interval(1)[0] > 0.3


@pytest.mark.parametrize("action", ["mail", "call", "visit"])
def test_curves_of_the_market_are_found_by_a_randomized_test(action):
    market = datasets.make_market(n_customers=100, random_state=0)
    rows = market.curves[market.curves["action"] == action]
    at, hits = np.array([1.0, 3.0]), []
    for i, (_, row) in enumerate(rows.iterrows()):
        rng = np.random.default_rng(i)
        x = rng.choice([0.0, 1.0, 2.0, 3.0, 4.0, 6.0], 20_000)
        paid = rng.gamma(0.8, (8.0 + response(row, x)) / 0.4 / 0.8)
        spend = np.where(rng.random(len(x)) < 0.4, paid, 0.0)
        fit = fit_response_curve(x, spend, family=row["form"], randomized=True, n_draws=200, level=0.99, random_state=i)
        table, truth = fit.at(at), response(row, at)
        hits += list((table["value_low"] <= truth) & (truth <= table["value_high"]))
        assert not any("assigned at random" in text for text in fit.warnings)
    assert np.mean(hits) >= 0.9


def test_market_response_is_one_of_the_families():
    market = datasets.make_market(n_customers=100, random_state=0)
    x = np.linspace(0, 8, 30)
    for _, row in market.curves.iterrows():
        if row["form"] == "exponential":
            curve = ExponentialCurve(row["ceiling"], 1 / row["scale"])
        else:
            curve = HillCurve(row["ceiling"], row["scale"], row["shape"])
        assert curve.value(x) == pytest.approx(response(row, x))
