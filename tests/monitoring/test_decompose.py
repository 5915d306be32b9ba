"""The change of a metric: pieces add up, are symmetric, equal Kitagawa's and Shapley's by definition, and draw."""

import itertools

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation.exceptions import AssignmentError, ColumnError, CustomerTableError
from segmentation.monitoring import WaterfallDisplay, decompose_change

mpl.use("Agg")


def tables(rng, n_segments=4, n=200, overlap=0.6):
    names = np.array([f"s{i}" for i in range(n_segments)], dtype=object)

    def one(ids):
        segment = rng.integers(0, n_segments, len(ids))
        return pd.DataFrame(
            {
                "segment": names[segment],
                "other": names[(segment + rng.integers(0, 2, len(ids))) % n_segments],
                "spend": rng.lognormal(2, 1, len(ids)) - 3,  # some negative
                "orders": rng.poisson(2, len(ids)) + (segment > 0),
            },
            index=pd.Index(ids, name="customer_id"),
        )

    return one(np.arange(n)), one(np.arange(int(n * (1 - overlap)), int(n * 1.5)))


@given(
    st.integers(0, 10_000),
    st.integers(1, 6),
    st.sampled_from([{}, {"kind": "total"}, {"denominator": "orders"}]),
    st.sampled_from([0, 1, 2]),
    st.sampled_from([True, False, None]),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_pieces_add_up_both_ways(seed, n_segments, kind, definition, separate, part):
    then, now = tables(np.random.default_rng(seed), n_segments)
    given_ = dict(kind)
    if definition:
        given_["after_old"] = now["other"].rename("segment")
    if definition == 2:
        given_["before_new"] = then["other"].rename("segment")
    if part and n_segments > 1:
        given_["of"] = ["s1"]
    change = decompose_change("spend", then, now, separate=separate, n_resamples=99, random_state=0, **given_)
    pieces = change.table["estimate"]
    scale = max(abs(change.before), abs(change.after), 1)
    assert abs(pieces["total"] - (change.after - change.before)) < 1e-9 * scale
    assert abs(pieces.drop("total").sum() - pieces["total"]) < 1e-9 * scale
    by_segment = change.segments[[*change.components, "total"]]
    assert np.allclose(by_segment.sum(), pieces[by_segment.columns], rtol=0, atol=1e-9 * scale)
    assert np.allclose(by_segment[change.components].sum(axis=1), by_segment["total"], rtol=0, atol=1e-9 * scale)
    back = decompose_change(
        "spend",
        now.assign(segment=now["other"] if definition else now["segment"]),
        then,
        separate=separate,
        n_resamples=99,
        **{k: v for k, v in given_.items() if k not in ("after_old", "before_new")},
    ).table["estimate"]
    if not definition:  # symmetric: the way back is the way there with the other sign
        assert np.allclose(back["mix"], -pieces["mix"], atol=1e-9 * scale)
        assert np.allclose(back["within"], -pieces["within"], atol=1e-9 * scale)


def test_mean_by_hand():
    ids = pd.RangeIndex(4)
    then = pd.DataFrame({"segment": list("aaab"), "spend": [10, 10, 10, 50]}, index=ids)
    now = pd.DataFrame({"segment": list("aabb"), "spend": [12, 12, 50, 50]}, index=ids)
    change = decompose_change("spend", then, now, n_resamples=99)
    # shares 3/4, 1/4 to 1/2, 1/2; means 10, 50 to 12, 50
    assert change.table.loc["mix", "estimate"] == pytest.approx(-0.25 * 11 + 0.25 * 50)
    assert change.table.loc["within", "estimate"] == pytest.approx((0.75 + 0.5) / 2 * 2)
    assert (change.before, change.after) == (20.0, 31.0)
    middle = 25.5
    assert change.segments.loc["a", "mix"] == pytest.approx(-0.25 * (11 - middle))  # fewer of the low ones raise it
    assert change.table.loc["definition"].drop("share_of_change").tolist() == [0, 0, 0]


@pytest.mark.parametrize("options", [{}, {"kind": "total"}, {"denominator": "orders"}, {"of": ["s1", "s2"]}])
@pytest.mark.parametrize("refitted", [False, True])
def test_exits_and_entries_are_exactly_0_where_nobody_left_or_came(options, refitted):
    then, now = tables(np.random.default_rng(4), n=997)
    both = then.index.intersection(now.index)
    given_ = dict(options)
    if refitted:
        given_["after_old"] = now["other"].rename("segment")
    for first, second, nobody in ((then.loc[both], now, "exits"), (then, now.loc[both], "entries")):
        mine = given_ | ({"after_old": given_["after_old"].loc[second.index]} if refitted else {})
        change = decompose_change("spend", first, second, separate=True, n_resamples=99, random_state=0, **mine)
        other = "entries" if nobody == "exits" else "exits"
        assert (change.table.loc[nobody].drop("share_of_change") == 0).all()
        assert (change.segments[[nobody, f"{nobody}_low", f"{nobody}_high"]] == 0).all(axis=None)
        assert change.table.loc[other, "estimate"] != 0
        assert change.table["estimate"].drop("total").sum() == pytest.approx(change.after - change.before)


def test_a_segment_that_nobody_left_has_no_exits_in_a_total():
    then, now = tables(np.random.default_rng(5), n=997)
    leavers = then.index.difference(now.index)
    then.loc[leavers[then.loc[leavers, "segment"] == "s1"], "segment"] = "s2"
    change = decompose_change("spend", then, now, kind="total", separate=True, n_resamples=99, random_state=0)
    assert (change.segments.loc["s1", ["exits", "exits_low", "exits_high"]] == 0).all()
    assert (change.segments.loc[["s0", "s2", "s3"], "exits"] != 0).all()


def test_total_is_the_average_over_all_orders_of_three_factors():
    rng = np.random.default_rng(1)
    then, now = tables(rng, 3, overlap=0)
    now.index = now.index + 10_000
    change = decompose_change("spend", then, now, kind="total", n_resamples=99)
    assert not change.settings["separate"]
    factors = []
    for table in (then, now):
        groups = table.groupby("segment")["spend"]
        factors.append((len(table), groups.size() / len(table), groups.mean()))
    expected = dict.fromkeys(("size", "mix", "within"), 0.0)
    for order in itertools.permutations(range(3)):
        state = [0, 0, 0]
        for changed in order:
            values = []
            for _ in range(2):
                n, share, mean = (factors[state[i]][i] for i in range(3))
                values.append((n * share * mean).sum())
                state[changed] = 1
            expected[("size", "mix", "within")[changed]] += (values[1] - values[0]) / 6
    for name, value in expected.items():
        assert change.table.loc[name, "estimate"] == pytest.approx(value)


def test_definitions_move_money_but_make_none():
    rng = np.random.default_rng(2)
    then, now = tables(rng)
    change = decompose_change(
        "spend", then, now, kind="total", after_old=now["other"].rename("segment"), n_resamples=99
    )
    assert change.table.loc["definition", "estimate"] == 0
    assert change.segments["definition"].abs().max() > 1
    stay = then.index.intersection(now.index)
    part = now.loc[stay]
    moved = part.groupby("segment")["spend"].sum() - part.groupby("other")["spend"].sum()
    assert np.allclose(change.segments["definition"], moved)
    only = decompose_change("spend", then, now, after_old=now["other"].rename("segment"), of=["s0"], n_resamples=99)
    expected = part.loc[part["segment"] == "s0", "spend"].mean() - part.loc[part["other"] == "s0", "spend"].mean()
    assert only.table.loc["definition", "estimate"] == pytest.approx(expected)


def test_pure_worlds_have_one_piece():
    rng = np.random.default_rng(3)
    then, _ = tables(rng)
    richer = then.assign(spend=then["spend"] + 5)
    pieces = decompose_change("spend", then, richer, n_resamples=99).table["estimate"]
    assert pieces["within"] == pytest.approx(5)
    assert pieces.drop(["within", "total"]).abs().max() < 1e-9
    grown = pd.concat([then, then.set_axis(then.index + 5000, axis=0).assign(spend=100.0)])
    pieces = decompose_change("spend", then, grown, separate=True, n_resamples=99).table["estimate"]
    assert pieces["entries"] == pytest.approx(pieces["total"])


def test_missing_and_empty_are_said():
    rng = np.random.default_rng(4)
    then, now = tables(rng, 3)
    now.loc[now.index[:7], "spend"] = np.nan
    now.loc[now["segment"] == "s2", "segment"] = "s0"
    change = decompose_change("spend", then, now, n_resamples=99)
    assert "7 customers of after without a metric left out." in change.warnings
    assert any("'s2' is empty at one date" in text for text in change.warnings)
    assert change.segments.loc["s2", "within"] == 0
    assert np.isnan(change.segments.loc["s2", "metric_after"])


def test_intervals_follow_the_seed_and_hold_the_total():
    rng = np.random.default_rng(5)
    hits = 0
    for i in range(60):
        own = rng.gamma(2, 5, 300)
        segment = np.where(rng.random(300) < 0.5, "a", "b")
        then = pd.DataFrame({"segment": segment, "spend": own + rng.normal(size=300)})
        now = then.assign(spend=own + 2 + rng.normal(size=300))
        found = decompose_change("spend", then, now, n_resamples=199, random_state=i).table.loc["within"]
        hits += found["estimate_low"] <= 2 <= found["estimate_high"]
        assert found["estimate_high"] - found["estimate_low"] < 0.4  # the same customers: their level cancels
    assert abs(hits / 60 - 0.9) <= 0.03 + 2.6 * np.sqrt(0.09 / 60)
    one, two = (decompose_change("spend", then, now, n_resamples=99, random_state=1).table for _ in range(2))
    pd.testing.assert_frame_equal(one, two)


def test_many_customers_are_resampled_in_blocks():
    rng = np.random.default_rng(6)
    then = pd.DataFrame({"segment": rng.choice(list("ab"), 25_000), "spend": rng.normal(10, 4, 25_000)})
    now = then.set_axis(then.index + 10**6, axis=0)
    found = decompose_change("spend", then, now, n_resamples=499, random_state=0).table.loc["total"]
    width = 2 * 1.645 * 4 * np.sqrt(2 / 25_000)
    assert found["estimate_high"] - found["estimate_low"] == pytest.approx(width, rel=0.15)


def test_bad_input():
    rng = np.random.default_rng(7)
    then, now = tables(rng)
    with pytest.raises(ColumnError, match="nearest: 'spend'"):
        decompose_change("spent", then, now)
    with pytest.raises(ColumnError, match="must hold numbers"):
        decompose_change("other", then, now)
    with pytest.raises(AssignmentError, match="of must name segments, got 's9'"):
        decompose_change("spend", then, now, of=["s9"])
    with pytest.raises(ValueError, match="denominator belongs to kind='ratio'"):
        decompose_change("spend", then, now, kind="total", denominator="orders")
    with pytest.raises(ColumnError, match="negative for"):
        decompose_change("orders", then, now, denominator="spend")
    with pytest.raises(CustomerTableError, match="no customer is in both"):
        decompose_change("spend", then, now.set_axis(now.index + 10**6, axis=0), separate=True)
    with pytest.raises(CustomerTableError, match="after_old lacks"):
        decompose_change("spend", then, now, after_old=now["segment"].iloc[:5])
    with pytest.raises(ValueError, match="needs after_old"):
        decompose_change("spend", then, now, before_new=then["segment"])
    with pytest.raises(CustomerTableError, match="the denominator is 0"):
        decompose_change("spend", then, now.assign(orders=0), denominator="orders")


@pytest.mark.parametrize("n_segments", [2, 6, 45])
def test_waterfall(n_segments):
    rng = np.random.default_rng(8)
    then, now = tables(rng, n_segments, n=900)
    long = {f"s{i}": f"{'people who travel by train every summer and pay by credit card ' * 2}{i}" for i in range(45)}
    then["segment"], now["segment"] = then["segment"].map(long), now["segment"].map(long)
    change = decompose_change("spend", then, now, kind="total", n_resamples=99, random_state=0)
    display = WaterfallDisplay.from_report(change).plot()
    assert [t.get_text() for t in display.ax_.get_yticklabels()] == ["before", *change.components, "after"]
    display = WaterfallDisplay.from_report(change).plot(by="segment")
    labels = [t.get_text() for t in display.ax_.get_yticklabels()]
    assert len(labels) == min(n_segments, 30) + 2
    assert ("16 others" in labels) == (n_segments == 45)
    ends = sum(bar.get_width() for bar in display.ax_.patches)
    assert ends == pytest.approx(change.after - change.before)
    change.plot(by="mix")
    with pytest.raises(ValueError, match="by must be"):
        change.plot(by="colour")
    mpl.pyplot.close("all")


def test_reads_well():
    rng = np.random.default_rng(9)
    change = decompose_change("spend", *tables(rng), denominator="orders", n_resamples=99, random_state=0)
    assert str(change).startswith("Change of spend per orders: ")
    assert "definition" in change._repr_html_()
    assert set(change.to_dict()["components"]) == {*change.components, "total"}
