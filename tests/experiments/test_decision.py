"""Decisions: values by numerical integration and by draws, each rule, totals, special and bad input."""

import numpy as np
import pytest
from scipy import integrate, stats

from segmentation.experiments import DecisionDisplay, decide_segments, pool_effects

LIFTS = pool_effects({"a": 2.1, "b": 1.0, "c": -0.4, "d": 0.8}, {"a": 0.4, "b": 0.4, "c": 0.4, "d": 1.5})
SIZE = {"a": 1000, "b": 5000, "c": 2000, "d": 300}


def test_figures_equal_those_of_draws():
    found = decide_segments(LIFTS, customers=SIZE, margin=0.5, cost=0.4)
    value = 0.5 * LIFTS.draws(400_000, random_state=0) - 0.4
    table = found.table
    assert table["value"].to_numpy() == pytest.approx(value.mean().to_numpy(), abs=0.003)
    assert table["value_low"].to_numpy() == pytest.approx(value.quantile(0.025).to_numpy(), abs=0.01)
    assert table["probability_of_loss"].to_numpy() == pytest.approx((value < 0).mean().to_numpy(), abs=0.003)
    best = np.maximum(value.mean(), 0)
    wrong = (value.clip(lower=0).mean() - best) * table["customers"]
    assert table["expected_loss_if_wrong"].to_numpy() == pytest.approx(wrong.to_numpy(), abs=6)
    assert table["total"].to_numpy() == pytest.approx((table["value"] * table["customers"]).to_numpy())
    chosen = list(table.index[table["best_now"] == "treat"])
    whole = (value[chosen] * table["customers"][chosen]).sum(axis=1)
    total = found.total["best_now"]
    assert total["mean"] == pytest.approx(whole.mean(), rel=0.01)
    assert (total["low"], total["high"]) == pytest.approx(tuple(whole.quantile([0.025, 0.975])), rel=0.05)
    assert total["probability_of_loss"] == pytest.approx((whole < 0).mean(), abs=0.003)
    assert total["cost"] == pytest.approx(0.4 * sum(SIZE[name] for name in chosen))


def test_expected_loss_of_a_single_normal():
    lone = pool_effects({"x": 1.0}, {"x": 2.0})
    found = decide_segments(lone, customers=10, margin=3, cost=1).table.loc["x"]
    density = stats.norm(3 * 1 - 1, 6).pdf
    gain = integrate.quad(lambda v: v * density(v), 0, np.inf)[0]
    assert found["value"] == pytest.approx(2)
    assert found["expected_loss_if_wrong"] == pytest.approx(10 * (gain - 2), rel=1e-6)
    assert found["probability_of_loss"] == pytest.approx(stats.norm.cdf(0, 2, 6))


def test_the_three_decisions():
    found = decide_segments(LIFTS, customers=SIZE, margin=0.5, cost=0.4)
    assert found.segments("treat") == ["a"]
    assert found.segments("do not treat") == ["c"]
    assert found.segments("test further") == ["b", "d"]
    loss = found.table["probability_of_loss"]
    assert loss["a"] <= 0.1 <= loss["b"] <= 0.9 <= loss["c"]
    bold = decide_segments(LIFTS, customers=SIZE, margin=0.5, cost=0.4, certainty=0.5).table
    assert (bold["decision"] == np.where(bold["value"] > 0, "treat", "do not treat")).all()
    assert (bold["decision"] == bold["best_now"]).all()


def test_cost_turns_a_decision_around():
    cheap = decide_segments(LIFTS, customers=SIZE, margin=0.5, cost=0.0)
    dear = decide_segments(LIFTS, customers=SIZE, margin=0.5, cost={"a": 5, "b": 0, "c": 0, "d": 0})
    assert cheap.table.loc["a", "decision"] == "treat"
    assert dear.table.loc["a", "decision"] == "do not treat"
    assert dear.table.loc["b", "value"] == cheap.table.loc["b", "value"]


def test_the_winner_is_pooled_not_raw():
    found = decide_segments(LIFTS, customers=SIZE)
    assert found.table.loc["a", "value"] == pytest.approx(LIFTS.table.loc["a", "pooled"])
    assert found.table.loc["a", "value"] < LIFTS.table.loc["a", "estimate"]


def test_nobody_is_treated():
    found = decide_segments(LIFTS, customers=SIZE, cost=100)
    assert found.total["treat"] == {"mean": 0.0, "low": 0.0, "high": 0.0, "probability_of_loss": 0.0, "cost": 0.0}
    assert found.headline == "do not treat: 'a', 'b', 'c', 'd'."


def test_segments_without_an_estimate_get_no_decision():
    lifts = pool_effects({"a": 2.0, "b": np.nan, "c": 1.0, "d": 1.5}, {"a": 0.1, "b": 0.1, "c": 0.1, "d": 0.1})
    found = decide_segments(lifts, customers=100)
    assert found.segments("no estimate") == ["b"]
    assert np.isnan(found.table.loc["b", "value"])
    assert any("no decision for 'b'" in text for text in found.warnings)
    assert found.total["treat"]["mean"] == pytest.approx(found.table["total"].sum())


def test_two_segments_are_said_not_to_be_pooled():
    found = decide_segments(pool_effects([2.0, 1.0], [0.5, 0.5]), customers=[10, 20])
    assert any("not pooled" in text for text in found.warnings)
    assert found.table["value"].tolist() == [2.0, 1.0]


def test_words():
    found = decide_segments(LIFTS, customers=SIZE, margin=0.5, cost=0.4)
    assert found.headline.startswith("treat: 'a'; do not treat: 'c'; test further: 'b', 'd'. Treating 1,000 customers")
    (text,) = [text for text in found.warnings if "sure either way" in text]
    assert text.startswith("2 segments less than 90.0 % sure")
    worth = found.table.loc[["b", "d"], "expected_loss_if_wrong"].sum()
    assert f"worth {worth:.2f} at most" in text
    assert "Note: " in str(found)
    assert "<table" in found._repr_html_()
    assert found.to_dict()["total"]["treat"]["mean"] == found.total["treat"]["mean"]
    assert found.to_pandas().equals(found.table)
    outlier = pool_effects([0.1, -0.4, 0.3, 0.2, -0.2, 0.0, 0.4, 9.0], np.ones(8))
    assert any("stands alone" in text for text in decide_segments(outlier, customers=1).warnings)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"customers": {"a": 1}}, "missing 'b', 'c', 'd'"),
        ({"customers": -1}, "customers must be numbers of 0 and more"),
        ({"customers": SIZE, "cost": np.nan}, "cost must be numbers"),
        ({"customers": SIZE, "margin": np.inf}, "margin must be finite numbers"),
        ({"customers": SIZE, "cost": -1}, "cost must be numbers of 0 and more"),
        ({"customers": SIZE, "margin": 0}, "margin is 0 in segments"),
        ({"customers": SIZE, "certainty": 0.2}, "certainty must be"),
        ({"customers": SIZE, "certainty": "high"}, "certainty must be"),
    ],
)
def test_bad_input(more, message):
    with pytest.raises(ValueError, match=message):
        decide_segments(LIFTS, **more)


def test_raw_estimates_are_refused():
    with pytest.raises(TypeError, match="decisions rest on pooled effects"):
        decide_segments(LIFTS.table, customers=1)
    with pytest.raises(ValueError, match="decision must be one of"):
        decide_segments(LIFTS, customers=1).segments("maybe")


def test_a_margin_below_zero_is_for_outcomes_that_cost():
    returns = decide_segments(LIFTS, customers=SIZE, margin=-0.5, cost=0.1)
    mirror = pool_effects({"a": -2.1, "b": -1.0, "c": 0.4, "d": -0.8}, {"a": 0.4, "b": 0.4, "c": 0.4, "d": 1.5})
    same = decide_segments(mirror, customers=SIZE, margin=0.5, cost=0.1)
    columns = ["value", "value_low", "value_high", "total", "probability_of_loss", "expected_loss_if_wrong"]
    assert returns.table[columns].to_numpy() == pytest.approx(same.table[columns].to_numpy(), rel=1e-6, abs=1e-9)
    assert returns.table["decision"].equals(same.table["decision"])
    assert returns.table.loc["a", "decision"] == "do not treat"
    assert any("margin is below 0 in 'a', 'b', 'c', 'd'" in text for text in returns.warnings)
    assert not any("below 0" in text for text in same.warnings)


@pytest.mark.parametrize("n", [2, 6, 50])
def test_display_has_value_loss_and_decision(n):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = [f"<b>$x$ {i}" + " and more of the name" * 4 for i in range(n)]
    lifts = pool_effects(dict(zip(names, np.linspace(-3, 4, n), strict=True)), dict.fromkeys(names, 0.5))
    found = decide_segments(lifts, customers=1000, margin=0.5, cost=0.2)
    ax = found.plot()
    display = DecisionDisplay.from_decisions(found)
    assert len(ax.get_yticklabels()) == min(n, 40)
    texts = [text.get_text() for text in ax.texts]
    shown = found.table.loc[display.rows.index]
    assert texts == [*(f"{100 * loss:.1f} %" for loss in shown["probability_of_loss"]), "loss"]
    assert display.rows["value"].equals(shown["total"].rename("value"))
    assert ax.get_title(loc="left").startswith(f"Treat {len(found.segments('treat'))} of {n} segments: ")
    assert ("10 that matter least not drawn" in ax.get_title(loc="left")) is (n == 50)
    drawn = np.concatenate([np.asarray(part.get_offsets()) for part in ax.collections if hasattr(part, "get_sizes")
                            and len(part.get_sizes())])  # fmt: skip
    assert sorted(drawn[:, 0]) == pytest.approx(sorted(shown["total"]))
    assert "blue dot: treat" in ax.get_xlabel()
    one = found.plot(per_customer=True)
    assert "one customer" in one.get_xlabel()
    ax.figure.canvas.draw()
    plt.close(ax.figure)
    plt.close(one.figure)


def test_display_keeps_segments_without_an_estimate():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    lifts = pool_effects({"a": 2.0, "b": np.nan, "c": 1.0, "d": 1.5}, {"a": 0.1, "b": 0.1, "c": 0.1, "d": 0.1})
    ax = decide_segments(lifts, customers=100).plot()
    assert [text.get_text() for text in ax.texts][1] == "no estimate"
    assert len(ax.get_yticklabels()) == 4
    plt.close(ax.figure)
