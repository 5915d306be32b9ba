"""What segments buy more of: figures against sets and scipy, false alarms, planted affinities, engines."""

import json

import duckdb
import matplotlib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse, stats
from statsmodels.stats.multitest import multipletests

from segmentation.evaluation import AffinityDisplay, affinity
from segmentation.evaluation._affinity_shrinkage import Spread, learn_spread
from segmentation.evaluation._affinity_statistics import lifts, permutation_p_values, sum_cells
from segmentation.exceptions import ColumnError, CustomerTableError

matplotlib.use("Agg")

ROLES = {"customer_id": "customer", "amount": "paid"}


def shop(n=600, n_products=12, seed=0, liked=(), n_segments=3):
    """Order lines with skewed baskets; `liked` are (segment, product, factor of the probability)."""
    rng = np.random.default_rng(seed)
    segment = rng.integers(0, n_segments, n)
    rate = np.tile(rng.uniform(0.05, 0.35, n_products), (n_segments, 1))
    for k, product, factor in liked:
        rate[k, product] = min(0.9, rate[k, product] * factor)
    activity = np.minimum(rng.lognormal(0, 0.6, n), 3)
    who, what = np.nonzero(rng.random((n, n_products)) < np.minimum(rate[segment] * activity[:, None], 0.97))
    again = rng.zipf(1.8, len(who)).clip(max=60)
    lines = pd.DataFrame({"customer": np.repeat(who, again), "kind": [f"p{j:02}" for j in np.repeat(what, again)]})
    lines["paid"] = rng.lognormal(1, 1, len(lines)).round(2)
    segments = pd.Series([f"s{k}" for k in segment], index=pd.RangeIndex(n, name="customer_id"), name="segment")
    return segments, lines


def buyers_of(segments, lines, kind):
    return set(lines.loc[lines["kind"] == kind, "customer"]) & set(segments.index)


def test_shares_and_p_values_equal_fisher():
    """Numbers of customers by sets, p-values by scipy's Fisher test, Holm by statsmodels."""
    segments, lines = shop(liked=[(0, 3, 2.0)])
    report = affinity(segments, lines, "kind", **ROLES, min_customers=2)
    everybody = set(lines["customer"])
    p_values = []
    for _, row in report.table.iterrows():
        own = {i for i in everybody if segments[i] == row["segment"]}
        buyers = buyers_of(segments, lines, row["category"])
        a, b = len(buyers & own), len(buyers - own)
        assert row["n_customers"] == a
        assert row["share"] == pytest.approx(a / len(own))
        assert row["share_rest"] == pytest.approx(b / len(everybody - own))
        table = [[a, len(own) - a], [b, len(everybody - own) - b]]
        assert row["p_value"] == pytest.approx(stats.fisher_exact(table, alternative="greater")[1])
        average = len(buyers) / len(everybody)
        lift = ((a + average) / (len(own) + 1)) / ((b + average) / (len(everybody - own) + 1))
        assert row["lift"] == pytest.approx(lift)
        p_values.append(row["p_value"])
    assert len(p_values) == report.settings["n_tested"] == 36
    np.testing.assert_allclose(report.table["p_adjusted"], multipletests(p_values, method="holm")[1])
    assert report.found[["segment", "category"]].to_numpy().tolist() == [["s0", "p03"]]


@pytest.mark.parametrize("measure", ["lines", "spend"])
def test_shares_of_baskets_are_those_of_the_profile(measure):
    """The mean of `category_share` of `order_features` over the customers of a segment."""
    from segmentation.features import order_features

    segments, lines = shop()
    report = affinity(segments, lines, "kind", **ROLES, measure=measure, n_permutations=99, random_state=0)
    lines = lines.assign(day="2024-01-01")
    named = {"amount": "paid"} if measure == "spend" else {}
    features = order_features(
        lines, customer_id="customer", timestamp="day", category="kind", categories=12, **named
    ).filter(like="category_share=")
    means = features.groupby(segments).mean()
    for _, row in report.table.iterrows():
        assert row["share"] == pytest.approx(means.loc[row["segment"], f"category_share={row['category']}"])
    own = segments[features.index] == "s1"
    rest = features[~own].mean()
    row = report.table[(report.table["segment"] == "s1") & (report.table["category"] == "p00")].iloc[0]
    assert row["share_rest"] == pytest.approx(rest["category_share=p00"])


def test_lines_of_one_customer_are_no_evidence():
    """A hundred lines of a customer count as one purchase of hers."""
    segments, lines = shop()
    more = pd.concat([lines, *[lines[lines["customer"] == lines["customer"].iloc[0]]] * 100])
    one, other = (affinity(segments, frame, "kind", **ROLES) for frame in (lines, more))
    pd.testing.assert_frame_equal(one.table, other.table)


@pytest.mark.parametrize(("measure", "runs", "limit"), [("customers", 100, 11), ("lines", 25, 5), ("spend", 25, 5)])
def test_shuffled_segments_show_nothing(measure, runs, limit):
    """At most 5 % of reports find anything: the limits are the 99.5 % points of the binomial numbers."""
    assert limit >= stats.binom.ppf(0.995, runs, 0.05)
    _, lines = shop(n=400)
    rng = np.random.default_rng(1)
    alarms = 0
    for run in range(runs):
        segments = pd.Series(rng.choice(["a", "b", "c", "d"], 400, p=[0.5, 0.3, 0.15, 0.05])).rename_axis("customer_id")
        report = affinity(
            segments, lines, "kind", **ROLES, measure=measure, n_permutations=99, random_state=run, show_progress=False
        )
        alarms += bool(report.table["found"].any())
    assert alarms <= limit


def test_counting_lines_as_evidence_would_find_much():
    """What the customer as unit is for: chi-squared of lines cries wolf on the same shuffles."""
    _, lines = shop(n=400)
    rng = np.random.default_rng(1)
    alarms = 0
    for _ in range(20):
        segment = rng.integers(0, 4, 400)[lines["customer"]]
        counts = pd.crosstab(segment, lines["kind"]).to_numpy()
        n, own, kind = counts.sum(), counts.sum(axis=1)[:, None], counts.sum(axis=0)[None, :]
        p_values = stats.hypergeom.sf(counts - 1, n, kind, own)
        alarms += p_values.min() <= 0.05 / p_values.size
    assert alarms >= 15


@pytest.mark.parametrize("measure", ["customers", "lines", "spend"])
def test_planted_affinities_are_found(measure):
    liked = [(0, 1, 2.5), (1, 4, 2.5), (2, 7, 2.5)]
    segments, lines = shop(n=1500, liked=liked, seed=3)
    report = affinity(segments, lines, "kind", **ROLES, measure=measure, n_permutations=199, random_state=0)
    found = set(zip(report.found["segment"], report.found["category"], strict=True))
    assert found == {(f"s{k}", f"p{j:02}") for k, j, _ in liked}
    assert report.top("s1")["category"].tolist() == ["p04"]
    assert (report.segments["n_found"] == 1).all()


def test_less_is_found_where_asked_for():
    segments, lines = shop(n=1500, liked=[(0, 2, 0.3)], seed=4)
    over = affinity(segments, lines, "kind", **ROLES)
    assert not over.table.loc[over.table["direction"] == "under", "found"].any()
    both = affinity(segments, lines, "kind", **ROLES, direction="both")
    under = both.found[both.found["direction"] == "under"]
    assert under[["segment", "category"]].to_numpy().tolist() == [["s0", "p02"]]
    assert under["shrunken_lift_high"].iloc[0] < 1
    table = both.table
    row = table[(table["segment"] == "s0") & (table["category"] == "p02")].iloc[0]
    assert row["p_value"] == pytest.approx(_two_sided(segments, lines, "s0", "p02"))


def _two_sided(segments, lines, segment, kind):
    everybody = set(lines["customer"])
    own, buyers = {i for i in everybody if segments[i] == segment}, buyers_of(segments, lines, kind)
    a, b = len(buyers & own), len(buyers - own)
    table = [[a, len(own) - a], [b, len(everybody - own) - b]]
    return min(1, 2 * min(stats.fisher_exact(table, alternative=side)[1] for side in ("less", "greater")))


def test_step_down_equals_statistics_by_hand():
    """The same shuffles by dense arrays: Welch's t with the larger of both variances, successive maxima by hand."""
    rng = np.random.default_rng(5)
    table = np.where(rng.random((60, 4)) < 0.5, rng.random((60, 4)), 0.0)
    segment = rng.integers(0, 3, 60)  # code 2 is unassigned
    table[segment == 0, 1] += 0.4
    tested = np.ones((2, 4), dtype=bool)
    alone, adjusted = permutation_p_values(
        segment, 2, sparse.csr_matrix(table), tested, "over", 150, np.random.default_rng(9), show=False
    )

    def spread_of(rows):
        likely = (rows**2).sum() / rows.sum() * table.mean(axis=0) - table.mean(axis=0) ** 2
        return np.maximum(rows.var(axis=0, ddof=1), likely) / len(rows)

    def t_of(codes):
        sides = [(table[codes == k], table[codes != k]) for k in range(2)]
        return np.concatenate(
            [(a.mean(axis=0) - b.mean(axis=0)) / np.sqrt(spread_of(a) + spread_of(b)) for a, b in sides]
        )

    again = np.random.default_rng(9)
    drawn = np.array([t_of(again.permutation(segment)) for _ in range(150)])
    observed = t_of(segment)
    np.testing.assert_allclose(alone.ravel(), (1 + (drawn >= observed).sum(axis=0)) / 151)
    order, expected, last = np.argsort(-observed), np.empty(8), 0.0
    for place, j in enumerate(order):
        most = drawn[:, order[place:]].max(axis=1)
        last = max(last, (1 + (most >= observed[j]).sum()) / 151)
        expected[j] = last
    np.testing.assert_allclose(adjusted.ravel(), expected)


def test_lift_intervals_cover():
    """Of samples of customers, 90 % intervals hold the true lift about 90 times of 100."""
    rng = np.random.default_rng(6)
    rate, n = np.array([[0.3, 0.1, 0.05], [0.2, 0.12, 0.08]]), np.array([150, 500])
    hits = np.zeros((2, 3))
    runs = 800
    for _ in range(runs):
        segment = np.repeat([0, 1], n)
        bought = (rng.random((n.sum(), 3)) < rate[segment]).astype(float)
        log_lift, variance = lifts(sum_cells(segment, 2, sparse.csr_matrix(bought)), binary=True)
        hits += np.abs(log_lift - np.log(rate / rate[::-1])) <= 1.645 * np.sqrt(variance)
    assert np.all(np.abs(hits / runs - 0.9) < 0.04)


def test_shrinkage_draws_to_one_the_less_is_known():
    segments, lines = shop(n=1500, liked=[(0, 1, 2.5)], seed=3)
    table = affinity(segments, lines, "kind", **ROLES).table
    own, drawn = np.log(table["lift"]), np.log(table["shrunken_lift"])
    assert (np.abs(drawn) <= np.abs(own) + 1e-6).all()
    assert (drawn * own >= -1e-6).all()
    width = np.log(table["lift_high"] / table["lift_low"])
    narrower = np.log(table["shrunken_lift_high"] / table["shrunken_lift_low"])
    assert (narrower <= width).all()
    assert (narrower > 0).all()


def test_spread_of_nothing_is_small_and_not_zero():
    rng = np.random.default_rng(7)
    noise = np.full(400, 0.09)
    none, some = (learn_spread(rng.normal(0, spread, 400), noise) for spread in (0.3, 0.5))
    assert 0 < none.overall < 0.12
    assert some.overall == pytest.approx(0.4, abs=0.07)
    assert learn_spread(np.empty(0), np.empty(0)).overall == 1.0


def test_shrinkage_by_one_normal_distribution_is_the_textbook_one():
    effects, variances = np.array([0.5, -1.0, 0.2]), np.array([0.04, 0.5, 0.01])
    low, median, high = Spread(np.array([0.3]), np.array([1.0])).shrink(effects, variances, (0.05, 0.5, 0.95))
    weight = 0.09 / (0.09 + variances)
    np.testing.assert_allclose(median, weight * effects, atol=1e-9)
    half = 1.6448536269514722 * np.sqrt(weight * variances)
    np.testing.assert_allclose([low, high], [weight * effects - half, weight * effects + half], atol=1e-9)


def test_few_large_effects_among_many_of_nothing_are_drawn_in_little():
    """Where 5 % of effects are large, and intervals hold the truth as often as they say."""
    rng = np.random.default_rng(11)
    truth = np.where(rng.random(4000) < 0.05, rng.normal(0, 1.0, 4000), rng.normal(0, 0.02, 4000))
    noise = rng.uniform(0.01, 0.05, 4000)
    effects = truth + rng.normal(0, np.sqrt(noise))
    low, median, high = learn_spread(effects, noise).shrink(effects, noise, (0.05, 0.5, 0.95))
    clear = np.abs(truth) > 1.0
    assert np.median(median[clear] / truth[clear]) > 0.9
    assert np.median(np.abs(median[np.abs(truth) < 0.05])) < 0.02
    assert 0.88 < np.mean((low <= truth) & (truth <= high)) < 0.97
    assert np.mean((median - truth) ** 2) < 0.5 * np.mean((effects - truth) ** 2)


def test_engines_agree():
    segments, lines = shop()
    lines.loc[0, "kind"] = None
    lines.loc[1, "paid"] = -3.0
    expected = affinity(segments, lines, "kind", **ROLES)
    in_polars = pl.from_pandas(lines)
    con = duckdb.connect()
    con.register("lines", in_polars.to_arrow())
    frames = (
        in_polars,
        in_polars.lazy(),
        in_polars.to_arrow(),
        con.table("lines"),
        lines.sample(frac=1, random_state=0),
    )
    for frame in frames:
        report = affinity(segments, frame, "kind", **ROLES)
        pd.testing.assert_frame_equal(report.table, expected.table)
        assert report.settings == expected.settings
    expected = affinity(segments, lines, "kind", **ROLES, measure="spend", n_permutations=99, random_state=0)
    report = affinity(segments, in_polars, "kind", **ROLES, measure="spend", n_permutations=99, random_state=0)
    pd.testing.assert_frame_equal(report.table, expected.table)


def test_categories_as_numbers_and_as_categories():
    segments, lines = shop()
    expected = affinity(segments, lines, "kind", **ROLES).table
    as_category = affinity(segments, lines.astype({"kind": "category"}), "kind", **ROLES).table
    pd.testing.assert_frame_equal(as_category, expected)
    numbers = affinity(segments, lines.assign(kind=lines["kind"].str[1:].astype(int)), "kind", **ROLES).table
    assert sorted(numbers["category"].unique(), key=int) == [str(j) for j in range(12)]
    with pytest.raises(TypeError, match="text or whole numbers"):
        affinity(segments, lines.assign(kind=1.5), "kind", **ROLES)


def test_everything_left_out_is_counted():
    segments, lines = shop()
    odd = pd.DataFrame(
        {
            "customer": [0.0, np.nan, 0, 0, 0, 9999],
            "kind": ["", "p00", "p00", "p00", None, "p00"],
            "paid": [1.0, 1.0, -5.0, np.inf, 1.0, 1.0],
        }
    )
    ours = segments.copy()
    ours.iloc[:30] = None
    ours.loc[100_000] = "s0"  # no order
    rare = pd.DataFrame({"customer": range(50, 55), "kind": "seldom", "paid": 1.0})
    report = affinity(ours, pd.concat([lines, odd, rare]), "kind", **ROLES)
    s = report.settings
    assert s["n_rows"] == len(lines) + 11
    assert (s["n_missing_customer"], s["n_missing_category"], s["n_refunds"], s["n_bad_amount"]) == (1, 2, 1, 1)
    assert s["n_lines_without_assignment"] == 1
    assert s["n_customers_without_assignment"] == 1
    assert s["n_rare_categories"] == 1
    bought = set(lines["customer"]) | set(range(50, 55))
    assert s["n_customers"] == len(bought)
    assert s["n_without_orders"] == 601 - len(bought)
    assert s["n_unassigned"] == len(bought & set(range(30)))
    text = str(report)
    for part in ("1 refund;", "1 row without a customer id", "2 rows without a category", "1 category bought by fewer"):
        assert part in text
    assert report.segments["n_customers"].sum() + s["n_unassigned"] == s["n_customers"]


def test_the_unassigned_are_part_of_the_rest():
    segments, lines = shop()
    unassigned = segments.where(segments != "s2", "unassigned")
    with_all, without = (affinity(one, lines, "kind", **ROLES).table for one in (segments, unassigned))
    columns = ["segment", "category", "share", "share_rest", "lift"]
    pd.testing.assert_frame_equal(
        with_all.loc[with_all["segment"] != "s2", columns].sort_values(columns[:2]).reset_index(drop=True),
        without[columns].sort_values(columns[:2]).reset_index(drop=True),
    )


def test_few_buyers_are_tested_but_not_shown():
    segments, lines = shop(n=300)
    few, all_ = (affinity(segments, lines, "kind", **ROLES, min_customers=n) for n in (25, 2))
    assert few.table["n_customers"].min() >= 25
    assert few.settings["n_suppressed"] == few.settings["n_tested"] - len(few.table) > 0
    assert few.segments["n_suppressed"].sum() == few.settings["n_suppressed"]
    assert len(all_.table) > len(few.table)


def test_buying_more_of_everything_is_said():
    rng = np.random.default_rng(8)
    heavy = np.arange(400) < 120
    who, what = np.nonzero(rng.random((400, 15)) < np.where(heavy, 0.6, 0.2)[:, None])
    lines = pd.DataFrame({"customer": who, "kind": what})
    segments = pd.Series(np.where(heavy, "heavy", "light")).rename_axis("customer_id")
    report = affinity(segments, lines, "kind", customer_id="customer")
    assert any("'heavy' buy" in text and "measure='lines'" in text for text in report.warnings)
    assert report.table.loc[report.table["segment"] == "heavy", "found"].all()
    mix = affinity(segments, lines, "kind", customer_id="customer", measure="lines", n_permutations=199, random_state=0)
    assert not mix.table["found"].any()


def test_equal_seeds_give_equal_results():
    segments, lines = shop()
    one, same, other = (
        affinity(segments, lines, "kind", **ROLES, measure="lines", n_permutations=99, random_state=seed).table
        for seed in (0, 0, 1)
    )
    pd.testing.assert_frame_equal(one, same)
    assert not one["p_value"].equals(other["p_value"])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"measure": "money"}, ValueError, "'money'"),
        ({"measure": "spend", "amount": None}, ValueError, "amount"),
        ({"direction": "up"}, ValueError, "'up'"),
        ({"min_customers": 1}, ValueError, "min_customers"),
        ({"n_permutations": 10}, ValueError, "n_permutations"),
        ({"alpha": 5}, ValueError, "alpha"),
        ({"customer_id": "buyer"}, ColumnError, "'buyer'"),
        ({"min_customers": 5000}, CustomerTableError, "nothing to compare"),
    ],
)
def test_bad_input(options, error, message):
    segments, lines = shop(n=100)
    with pytest.raises(error, match=message):
        affinity(segments, lines, "kind", **{**ROLES, **options})


def test_strange_tables():
    segments, lines = shop(n=100)
    with pytest.raises(CustomerTableError, match="no customer of orders"):
        affinity(segments.set_axis([f"c{i}" for i in range(100)]), lines, "kind", **ROLES)
    with pytest.raises(ValueError, match="no row of orders"):
        affinity(segments, lines.assign(kind=""), "kind", **ROLES)
    with pytest.raises(TypeError, match="dataframe"):
        affinity(segments, [1, 2], "kind", **ROLES)
    with pytest.raises(TypeError, match="numbers"):
        affinity(segments, lines.assign(paid="1 EUR"), "kind", **ROLES)
    with pytest.raises(ValueError, match="nobody spent"):
        affinity(segments, lines.assign(paid=0.0), "kind", **ROLES, measure="spend")
    with pytest.raises(KeyError, match="no segment"):
        affinity(segments, lines, "kind", **ROLES).top("s9")


def test_report_is_plain_values():
    segments, lines = shop(liked=[(0, 3, 2.5)])
    report = affinity(segments, lines.assign(kind="<i>" + lines["kind"]), "kind", **ROLES)
    plain = json.loads(json.dumps(report.to_dict()))
    assert plain["settings"]["correction"] == "Holm"
    assert len(plain["table"]) == len(report.table)
    assert "<i>" not in report._repr_html_()


@pytest.mark.parametrize("n_segments", [2, 30])
def test_picture_shows_the_table(n_segments):
    segments, lines = shop(n=1500, n_segments=n_segments, liked=[(0, 1, 3.0)])
    long = segments.map(lambda name: name + " who " * 20)
    report = affinity(long, lines.assign(kind=lines["kind"] + " of a very long name" * 4), "kind", **ROLES)
    display = AffinityDisplay.from_report(report, n_largest=3).plot()
    each = max(1, min(3, 60 // n_segments))
    expected = [
        name
        for one in report.segments["segment"]
        for name in report.table[(report.table["segment"] == one) & (report.table["direction"] == "over")]
        .head(each)["category"]
        .tolist()
    ]
    assert display.drawn_["category"].tolist() == expected
    ticks = [tick.get_text() for tick in display.ax_.get_yticklabels()]
    assert len(ticks) == len(expected)
    assert max(len(text) for text in ticks) < 50
    assert display.drawn_["place"].is_monotonic_increasing
    low, high = display.ax_.get_xlim()
    assert low < display.drawn_["shrunken_lift_low"].min()
    assert high > display.drawn_["shrunken_lift_high"].max()
    matplotlib.pyplot.close(display.figure_)
    with pytest.raises(ValueError, match="no segments"):
        AffinityDisplay.from_report(report, segments=["nobody"])


def test_planted_liking_of_real_shoppers(shared_data):
    """In real baskets, a segment made of half of the buyers of a product, and others, is told by that product."""
    lines = pd.read_parquet(
        shared_data / "complete_journey" / "transactions.parquet", columns=["household_id", "product_id"]
    )
    products = pd.read_parquet(
        shared_data / "complete_journey" / "products.parquet", columns=["product_id", "department"]
    )
    lines = lines.merge(products, on="product_id")
    ids = np.sort(lines["household_id"].unique())
    rng = np.random.default_rng(0)
    floral = set(lines.loc[lines["department"] == "FLORAL", "household_id"])
    chosen = [i for i in ids if (i in floral and rng.random() < 0.5) or rng.random() < 0.1]
    segments = pd.Series("rest", index=ids).rename_axis("customer_id")
    segments[chosen] = "florists"
    report = affinity(segments, lines, "department", customer_id="household_id")
    assert report.table["category"].iloc[0] == "FLORAL"
    assert report.table["found"].iloc[0]


def test_orders_without_rows_and_amounts_beyond_floats_are_refused():
    segments, lines = shop(n=200)
    with pytest.raises(ValueError, match="no row of orders can be used: it has none"):
        affinity(segments, lines.iloc[:0], "kind", **ROLES)
    with pytest.raises(ValueError, match=r"no row of orders can be used: .*n_bad_amount"):
        affinity(segments, lines.assign(paid=1e308), "kind", **ROLES, measure="spend", show_progress=False)
