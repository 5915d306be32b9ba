"""Drift of features and of segments: measures against oracles, false alarms, power, pairs, bad input, the picture."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2_contingency, ks_2samp

from segmentation.exceptions import ColumnError, CustomerTableError
from segmentation.monitoring import DriftDisplay, feature_drift, segment_drift, segment_quality
from segmentation.monitoring._drift_measures import measures

mpl.use("Agg")


def other_ids(table):
    return table.set_axis(table.index + 1_000_000, axis=0)


def row(report, name):
    return report.table.set_index("feature").loc[name]


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=2, max_size=9))
@settings(max_examples=60, deadline=None)
def test_measures_equal_those_of_scipy(counts):
    then, now = np.array(counts, dtype=float).T
    if then.sum() == 0 or now.sum() == 0:
        return
    p, q = then / then.sum(), now / now.sum()
    n, m = then.sum(), now.sum()
    pooled = np.r_[(then + now) / (n + m), 0.0]  # nobody missing
    found = measures(pooled, np.r_[q - p, 0.0][None, :], (n, m), np.arange(len(pooled)), ordered=True)[0]
    used = then + now > 0
    assert found[1] == pytest.approx(jensenshannon(p, q, base=2), abs=1e-7)
    values = np.arange(len(p))
    sample = [np.repeat(values, c.astype(int)) for c in (then, now)]
    assert found[2] == pytest.approx(ks_2samp(*sample).statistic, abs=1e-9)
    expected = chi2_contingency(np.array([then, now])[:, used], correction=False)[0] if used.sum() > 1 else 0.0
    assert found[3] == pytest.approx(expected, abs=1e-7)
    a = (then[used] + 0.5) / (n + 0.5 * used.sum())
    b = (now[used] + 0.5) / (m + 0.5 * used.sum())
    assert found[0] == pytest.approx(((b - a) * np.log(b / a)).sum(), abs=1e-9)


def test_report_has_the_measures_of_the_tables():
    rng = np.random.default_rng(0)
    then = pd.DataFrame({"n": rng.integers(0, 9, 300), "c": rng.choice(list("ab"), 300)})
    now = pd.DataFrame({"n": rng.integers(2, 11, 200), "c": rng.choice(list("ab"), 200)})
    report = feature_drift(then, other_ids(now), n_draws=199, random_state=0)
    assert row(report, "n")["ks"] == pytest.approx(ks_2samp(then["n"], now["n"]).statistic, abs=1e-12)
    assert report.settings["null"] == "permutation"
    greater = (now["n"].to_numpy()[:, None] > then["n"].to_numpy()).mean()
    equal = (now["n"].to_numpy()[:, None] == then["n"].to_numpy()).mean()
    assert row(report, "n")["superiority"] == pytest.approx(greater + equal / 2, abs=1e-12)
    counts = pd.crosstab(np.repeat([0, 1], [300, 200]), pd.concat([then["c"], now["c"]]).to_numpy())
    assert row(report, "c")["chi2"] == pytest.approx(chi2_contingency(counts, correction=False)[0])
    assert np.isnan(row(report, "c")["ks"])


def stationary(rng, mode, n=300):
    latent = rng.normal(size=(n, 3))

    def table(z):
        noise = rng.normal(size=(n, 4))
        return pd.DataFrame(
            {
                "a": z[:, 0],
                "b": z[:, 0] + 0.2 * noise[:, 0],
                "heavy": np.exp(3 * z[:, 1]),
                "tied": np.where(noise[:, 1] > 0, 0.0, np.floor(np.exp(z[:, 1]))),
                "gaps": np.where(noise[:, 2] > 1, np.nan, z[:, 2]),
                "level": np.array(list("pqrst"))[np.clip(np.abs(2 * z[:, 2]).astype(int), 0, 4)],
                "flag": noise[:, 3] > 1.5,
            }
        )

    then = table(latent)
    if mode == "others":
        return then, other_ids(table(rng.normal(size=(n, 3))))
    return then, table(0.95 * latent + np.sqrt(1 - 0.95**2) * rng.normal(size=latent.shape))


@pytest.mark.parametrize("mode", ["others", "same"])
def test_false_alarms_of_whole_reports(mode):
    rng = np.random.default_rng(11)
    n = 100
    found = [bool(feature_drift(*stationary(rng, mode), n_draws=199, random_state=i).drifted) for i in range(n)]
    assert np.mean(found) <= 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / n)


def test_limits_and_findings_are_one_rule():
    rng = np.random.default_rng(3)
    for shift in (0.0, 0.2, 0.4):
        then, now = stationary(rng, "others")
        now["a"] += shift
        table = feature_drift(then, now, n_draws=199, random_state=0).table
        over = np.any(
            [table[m] > table[f"{m}_limit"] * (1 + 1e-9) for m in ("psi", "jensen_shannon", "ks", "chi2")], axis=0
        )
        near = np.any([abs(table[m] / table[f"{m}_limit"] - 1) < 1e-6 for m in ("psi", "ks", "chi2")], axis=0)
        assert ((over == table["drifted"]) | near).all()


def test_a_shift_is_found_and_the_same_customers_find_a_smaller_one():
    rng = np.random.default_rng(4)
    hits = {"others": 0, "same": 0}
    for mode in hits:
        for i in range(12):
            then, now = stationary(rng, mode, n=400)
            now["a"] += 0.2
            hits[mode] += "a" in feature_drift(then, now, n_draws=199, random_state=i).drifted
    assert hits["same"] == 12  # hardly anybody changes but by the shift
    assert hits["others"] < 12


def test_twins_are_no_evidence():
    """The same customers with the same values: the difference is 0, and so are chance and every p-value 1."""
    rng = np.random.default_rng(5)
    then, _ = stationary(rng, "others")
    report = feature_drift(then, then.copy(), n_draws=99, random_state=0)
    assert not report.drifted
    assert (report.table["p_adjusted"] == 1).all()
    assert report.settings["null"] == "swaps"
    assert report.settings["n_both"] == 300


def test_missing_values_and_new_levels_are_drift():
    rng = np.random.default_rng(6)
    then = pd.DataFrame({"x": rng.normal(size=400), "c": rng.choice(list("ab"), 400)})
    now = other_ids(pd.DataFrame({"x": rng.normal(size=400), "c": rng.choice(["a", "b", "new"], 400)}))
    now.loc[now.index[:80], "x"] = np.nan
    report = feature_drift(then, now, random_state=0, n_draws=199)
    assert set(report.drifted) == {"x", "c"}
    assert row(report, "x")["missing_current"] == pytest.approx(0.2)
    assert row(report, "x")["what"] == "missing: 0.0 % to 20.0 %"
    assert row(report, "c")["n_new_levels"] == 1
    assert "(new)" in row(report, "c")["what"]
    assert any("'new'" in text for text in report.warnings)


def test_within_segments_takes_the_mix_out():
    rng = np.random.default_rng(7)
    group = [rng.choice(2, 1000, p=p) for p in ([0.7, 0.3], [0.3, 0.7])]
    then, now = (pd.DataFrame({"x": 8.0 * g + rng.normal(size=1000)}) for g in group)
    now = other_ids(now)
    names = [pd.Series(np.array(["low", "high"])[g], index=t.index) for g, t in zip(group, (then, now), strict=True)]
    assert feature_drift(then, now, n_draws=199, random_state=0).drifted == ("x",)
    inside = feature_drift(then, now, within=tuple(names), n_draws=199, random_state=0)
    assert not inside.drifted
    now.loc[(names[1] == "high").to_numpy(), "x"] += 1
    table = feature_drift(then, now, within=tuple(names), n_draws=199, random_state=0).table.set_index("segment")
    assert table["drifted"].to_dict() == {"high": True, "low": False}


def test_seed_kinds_of_frames_and_many_customers():
    pl = pytest.importorskip("polars")
    rng = np.random.default_rng(8)
    then, now = stationary(rng, "others")
    one = feature_drift(then, now, n_draws=99, random_state=3)
    two = feature_drift(
        pl.from_pandas(then.rename_axis("customer_id").reset_index()),
        pl.from_pandas(now.rename_axis("customer_id").reset_index()),
        n_draws=99,
        random_state=3,
    )
    pd.testing.assert_frame_equal(one.table, two.table)
    large = pd.DataFrame({"x": rng.normal(size=15_000)})
    report = feature_drift(large, other_ids(pd.DataFrame({"x": rng.normal(size=15_000)})), n_draws=99, random_state=0)
    assert report.settings["null"] == "blocks"
    # mean of PSI without change: (1/n + 1/m) (bins - 1), so the limit lies above it
    assert 9 * 2 / 15_000 < row(report, "x")["psi_limit"] < 40 * 2 / 15_000


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (pd.Series(pd.date_range("2024-01-01", periods=20)), "days since then"),
        (pd.Series([[1]] * 20), "one type"),
        (pd.Series([1j] * 20), "two parts"),
        (pd.Series([f"id{i}" for i in range(200)]), "looks like an id"),
    ],
)
def test_types_without_distances_are_refused(column, words):
    table = pd.DataFrame({"x": column})
    with pytest.raises(ColumnError, match=words):
        feature_drift(table, table)


def test_bad_input():
    table = pd.DataFrame({"x": np.arange(20.0)})
    with pytest.raises(ColumnError, match=r"numeric in the reference .* categorical in the current"):
        feature_drift(table, table.astype(str))
    with pytest.raises(ColumnError, match="missing: 'x'"):
        feature_drift(table, table.rename(columns={"x": "y"}))
    with pytest.raises(CustomerTableError, match="infinite for 3"):
        feature_drift(table.replace(3.0, np.inf), table)
    with pytest.raises(CustomerTableError, match="at least 10"):
        feature_drift(table.head(5), table)
    with pytest.raises(ColumnError, match="no value in either"):
        feature_drift(table * np.nan, pd.DataFrame({"x": [None] * 20}, dtype=object))
    with pytest.raises(ValueError, match="alpha"):
        feature_drift(table, table, alpha=5)
    with pytest.raises(TypeError, match=r"write \['x'\]"):
        feature_drift(table, table, columns="x")
    report = feature_drift(table, table.assign(new=1.0), n_draws=99)
    assert "1 column only in the current table, not compared: 'new'." in report.warnings


@pytest.mark.parametrize("n", [2, 6, 40])
def test_panel(n):
    rng = np.random.default_rng(9)
    names = [f"{'a very long name of a feature that nobody can read in one go ' * 2}{i}" for i in range(n)]
    then = pd.DataFrame(rng.normal(size=(200, n)), columns=names)
    now = other_ids(pd.DataFrame(rng.normal(size=(200, n)), columns=names))
    now[names[1]] += 3
    report = feature_drift(then, now, n_draws=99, random_state=0)
    display = DriftDisplay.from_report(report).plot()
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert len(labels) == min(n, 30)
    assert labels[-1].endswith("1")  # what moved most stands on top
    assert all(len(label) <= 30 for label in labels)
    assert ("not drawn" in display.ax_.get_title(loc="left")) == (n == 40)
    assert report.plot(display.ax_) is display.ax_
    mpl.pyplot.close("all")


def test_report_reads_and_hides_no_markup():
    rng = np.random.default_rng(10)
    then = pd.DataFrame({"<b>x</b>": rng.normal(size=50)})
    report = feature_drift(then, other_ids(then), n_draws=99, random_state=0)
    assert str(report).startswith("Feature drift: 0 of 1 feature moved")
    assert "<b>x</b>" not in report._repr_html_()
    assert report.to_dict()["table"][0]["segment" if "segment" in report.table else "feature"] == "<b>x</b>"


def test_segment_drift_counts_customers_once():
    rng = np.random.default_rng(12)
    ids = pd.RangeIndex(600)
    then = pd.Series(rng.choice(list("abc"), 600), index=ids)
    values = pd.Series(rng.lognormal(3, 1, 600), index=ids)
    same = segment_drift(then, then, values=(values, values + rng.normal(0, 0.1, 600)), n_draws=199, random_state=0)
    other = segment_drift(then, other_ids(then), values=(values, other_ids(values)), n_draws=199, random_state=0)
    assert not len(same.moved)
    assert not len(other.moved)
    width = [r.table.eval("change_high - change_low")[r.table["quantity"] == "value"] for r in (same, other)]
    assert (width[0].to_numpy() < width[1].to_numpy() / 20).all()
    raised = segment_drift(then, then, values=(values, values + 1 * (then == "b")), n_draws=199, random_state=0)
    assert raised.moved[["segment", "quantity"]].to_numpy().tolist() == [["b", "value"]] or not len(raised.moved)
    doubled = segment_drift(then, then, values=(values, values * np.where(then == "b", 2, 1)), random_state=0)
    assert doubled.moved[["segment", "quantity"]].to_numpy().tolist() == [["b", "value"]]


def test_segment_drift_false_alarms():
    rng = np.random.default_rng(13)
    hits = 0
    for i in range(100):
        tables = [pd.Series(rng.choice(list("abcd"), 300), index=pd.RangeIndex(300) + 1000 * k) for k in (0, 1)]
        values = [pd.Series(rng.gamma(2, 5, 300), index=t.index) for t in tables]
        hits += len(segment_drift(*tables, values=tuple(values), n_draws=199, random_state=i).moved) > 0
    assert hits / 100 <= 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / 100)


def test_quality_of_segments():
    rng = np.random.default_rng(14)
    ids = pd.RangeIndex(400)
    segments = pd.Series(np.repeat(["a", "b"], 200), index=ids)
    whole = pd.DataFrame({"age": rng.normal(size=400), "city": rng.choice(list("xy"), 400)})
    later = whole.copy()
    later.loc[200:239, "city"] = None
    report = segment_quality({1: (whole, segments), 2: (whole, segments), 3: (later, segments)})
    assert report.changed[["period", "segment", "feature", "missing"]].to_numpy().tolist() == [[3, "b", "city", 0.2]]
    assert report.settings["n_tests"] == 8
    assert "3, b: 'city' missing for 20.0 %" in str(report)
    with pytest.raises(ColumnError, match="city"):
        segment_quality({1: (whole, segments), 2: (whole[["age"]], segments)})
    with pytest.raises(TypeError, match="two periods"):
        segment_quality({1: (whole, segments)})
