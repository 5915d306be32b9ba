"""The proxy audit: its figures against references, a planted proxy found, shuffled data quiet."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import mutual_info_score, roc_auc_score

from segmentation.exceptions import ColumnError, CustomerTableError
from segmentation.governance import proxy_audit
from segmentation.governance._association import auc_across_folds, cramers_v, holm, mutual_information
from segmentation.governance._carriers import carrier_codes


def people(n=1000, seed=0, shift=1.0):
    rng = np.random.default_rng(seed)
    ids = pd.RangeIndex(n, name="customer_id")
    gender = pd.Series(rng.choice(["f", "m"], n), index=ids, name="gender")
    features = pd.DataFrame(
        {
            "proxy": rng.normal(size=n) + shift * (gender == "f"),
            "noise": rng.normal(size=n),
            "level": rng.choice(list("uvw"), n),
        },
        index=ids,
    )
    segments = pd.Series(np.where(features["proxy"] > 0.5, "high", "low"), index=ids)
    return segments, gender, features


def test_cramers_v_is_bergsmas():
    # by hand: chi2 = 16.667, n = 100: phi2 = 1/6, less 1/99; both sides of two become 2 - 1/99
    table = np.array([[40.0, 20.0], [10.0, 30.0]])
    chi2 = stats.chi2_contingency(table, correction=False).statistic
    assert cramers_v(table) == pytest.approx(np.sqrt((chi2 / 100 - 1 / 99) / (1 - 1 / 99)))
    plain = np.sqrt(chi2 / 100)
    assert plain == pytest.approx(stats.contingency.association(table.astype(int), method="cramer"))
    assert cramers_v(np.stack([table, table.T, table[:, ::-1]])) == pytest.approx([float(cramers_v(table))] * 3)


def test_mutual_information_is_sklearns_less_its_bias():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 4, 500), rng.integers(0, 3, 500)
    b = np.where(rng.random(500) < 0.4, a % 3, b)
    table = np.zeros((4, 3))
    np.add.at(table, (a, b), 1)
    expected = (mutual_info_score(a, b) - 3 * 2 / (2 * 500)) / np.log(2)
    assert float(mutual_information(table)) == pytest.approx(expected)


def test_auc_is_sklearns_fold_by_fold():
    rng = np.random.default_rng(1)
    n, k = 600, 3
    group, carrier, fold = rng.integers(0, k, n), rng.integers(0, 6, n), rng.integers(0, 5, n)
    group = np.where(rng.random(n) < 0.3, carrier % k, group)
    counts = np.zeros((5, 6, k))
    np.add.at(counts, (fold, carrier, group), 1)
    prior = np.bincount(group) / n
    expected = 0.0
    for one in range(5):
        train, test = fold != one, fold == one
        for level in range(k):
            inside = [(carrier[train] == c).sum() for c in range(6)]
            yes = [((carrier[train] == c) & (group[train] == level)).sum() for c in range(6)]
            score = np.array([(y + 0.5 * prior[level]) / (m + 0.5) for y, m in zip(yes, inside, strict=True)])
            auc = roc_auc_score(group[test] == level, score[carrier[test]].round(12))
            expected += auc * prior[level] * test.sum() / n
    estimate, low, high = auc_across_folds(counts, 0.9)
    assert estimate == pytest.approx(expected)
    assert low < estimate < high


def test_intervals_cover():
    """V and AUC of a known population lie in their 90 % intervals about as often as they say."""
    joint = np.array([[0.28, 0.12], [0.17, 0.18], [0.05, 0.20]])
    population = cramers_v(joint * 1e9)
    score = joint[:, 0] / joint.sum(axis=1)
    order = np.argsort(score)
    yes, no = joint[order, 0] / joint[:, 0].sum(), joint[order, 1] / joint[:, 1].sum()
    auc = float((yes * (np.cumsum(no) - 0.5 * no)).sum())
    rng = np.random.default_rng(2)
    hits_v = hits_auc = 0
    n_tries, n = 120, 400
    for _ in range(n_tries):
        cell = rng.choice(6, size=n, p=joint.ravel())
        ids = pd.RangeIndex(n, name="customer_id")
        segments = pd.Series(cell // 2, index=ids).map(str)
        gender = pd.Series(cell % 2, index=ids).map({0: "f", 1: "m"})
        row = proxy_audit(segments, gender, n_permutations=99, random_state=rng).table.iloc[0]
        hits_v += row["cramers_v_low"] <= population <= row["cramers_v_high"]
        hits_auc += row["auc_low"] <= auc <= row["auc_high"]
    for hits in (hits_v, hits_auc):
        assert stats.binomtest(int(hits), n_tries, 0.9).pvalue > 0.001


def test_a_planted_proxy_is_found_and_the_others_are_not():
    segments, gender, features = people()
    audit = proxy_audit(segments, gender, features, random_state=0)
    assert set(audit.proxies["carrier"]) == {"proxy", "segment"}
    rows = audit.table.set_index("carrier")
    unbinned = roc_auc_score(gender == "f", features["proxy"])
    assert rows.loc["proxy", "auc_low"] < unbinned < rows.loc["proxy", "auc_high"]
    assert rows.loc["noise", "cramers_v"] < rows.loc["noise", "v_by_chance"]
    assert rows.loc["proxy", "cramers_v_low"] > rows.loc["proxy", "v_by_chance"]
    assert len(audit.findings) == 2
    assert "stands in for 'gender'" in str(audit)
    assert "Most of all 'high'" in str(audit)
    assert "Not told from chance: 'noise', 'level'" in str(audit)
    assert "<table" in audit._repr_html_()
    assert audit.to_dict()["table"][0]["carrier"] == "segment"
    assert audit.to_pandas() is not audit.table
    assert audit.to_pandas().equals(audit.table)


def test_a_dependence_of_any_shape_and_missing_answers_are_seen():
    rng = np.random.default_rng(3)
    n = 800
    ids = pd.RangeIndex(n, name="customer_id")
    gender = pd.Series(rng.choice(["f", "m"], n), index=ids)
    u = rng.normal(size=n)
    bowl = np.where(gender == "f", np.sign(u) * (1 + np.abs(u)), u * 0.5)  # equal means, different middles
    silent = pd.Series(rng.normal(size=n), index=ids).mask((gender == "m") & (rng.random(n) < 0.4))
    features = pd.DataFrame({"bowl": bowl, "silent": silent, "constant": 1}, index=ids)
    segments = pd.Series(rng.choice(["a", "b"], n), index=ids)
    audit = proxy_audit(segments, gender, features, random_state=0)
    assert set(audit.proxies["carrier"]) == {"bowl", "silent"}
    constant = audit.table.set_index("carrier").loc["constant"]
    assert (constant["cramers_v"], constant["auc"], constant["p_value"]) == (0.0, 0.5, 1.0)


def test_shuffled_data_stay_quiet():
    """False alarms of whole audits; the full size is in benchmarks/bench_governance.py."""
    rng = np.random.default_rng(4)
    segments, gender, features = people(300, seed=5)
    n_tries = 120
    alarms = 0
    for _ in range(n_tries):
        shuffled = pd.Series(rng.permutation(gender.to_numpy()), index=gender.index)
        alarms += len(proxy_audit(segments, shuffled, features, n_permutations=999, random_state=rng).proxies) > 0
    assert alarms <= stats.binom.ppf(0.999, n_tries, 0.05)


def test_same_seed_same_audit_and_order_of_customers_does_not_matter_to_v():
    segments, gender, features = people(300)
    one = proxy_audit(segments, gender, features, random_state=1)
    two = proxy_audit(segments, gender, features, random_state=1)
    pd.testing.assert_frame_equal(one.table, two.table)
    order = np.random.default_rng(0).permutation(300)
    three = proxy_audit(segments.iloc[order], gender, features.iloc[order[::-1]], random_state=1)
    np.testing.assert_allclose(one.table["cramers_v"], three.table["cramers_v"])


def test_several_attributes_and_who_is_left_out():
    segments, gender, features = people(400)
    protected = pd.DataFrame(
        {"gender": gender.mask(gender.index < 30), "group": ["x"] * 195 + ["y"] * 200 + ["rare"] * 5},
        index=gender.index,
    ).iloc[:-1]
    audit = proxy_audit(segments, protected, features.assign(day=pd.Timestamp("2026-01-01")), random_state=0)
    assert audit.table["protected"].value_counts().to_dict() == {"gender": 5, "group": 5}
    text = " | ".join(audit.notes)
    assert "1 customer of the assignment not in the other tables" in text
    assert "gender: not known for 30 customers" in text
    assert "group: 1 group of fewer than 10 customers left out (4 customers)" in text
    assert audit.composition.groupby(["protected", "segment"])["share"].sum().round(12).eq(1).all()


def test_carrier_codes():
    codes, names = carrier_codes(pd.Series(np.arange(100.0)), 2)
    assert np.bincount(codes).tolist() == [10] * 10
    assert len(names) == 10
    codes, names = carrier_codes(pd.Series([0.0] * 95 + [1.0, 2.0, 3.0, np.nan, np.nan]), 2)
    assert names[-1] == "missing"
    assert len(set(codes[:95])) == 1
    codes, names = carrier_codes(pd.Series(list("a" * 20 + "b" * 20 + "cdefg")), 2)
    assert names == ["a", "b", "other"]
    assert np.bincount(codes).tolist() == [20, 20, 5]


def test_holm_known_answer():
    np.testing.assert_allclose(holm(np.array([0.01, 0.02, 0.03, 0.5])), [0.04, 0.06, 0.06, 0.5])


def test_picture():
    mpl = pytest.importorskip("matplotlib", reason="the picture needs matplotlib")
    mpl.use("Agg")
    plt = pytest.importorskip("matplotlib.pyplot")
    segments, gender, features = people(300)
    audit = proxy_audit(segments, gender, features, random_state=0)
    ax = audit.plot()
    assert [label.get_text() for label in ax.get_yticklabels()][-1] in ("proxy", "segments")
    assert ax.get_title("left") == "What stands in for gender"
    with pytest.raises(ValueError, match="protected must be one of 'gender'"):
        audit.plot(protected="age")
    plt.close("all")


def test_refusals():
    segments, gender, features = people(100)
    with pytest.raises(ColumnError, match="cut it into groups first"):
        proxy_audit(segments, pd.Series(np.arange(100), index=gender.index))
    with pytest.raises(ColumnError, match="two are needed"):
        proxy_audit(segments, gender.map({"f": "f", "m": "f"}))
    with pytest.raises(CustomerTableError, match="no customer is in all tables"):
        proxy_audit(segments, gender.rename(index=lambda i: f"c{i}"))
    with pytest.raises(ColumnError, match="called 'segment'"):
        proxy_audit(segments, gender, features.assign(segment=1))
    with pytest.raises(TypeError, match="features must be a table"):
        proxy_audit(segments, gender, [1])
    with pytest.raises(TypeError, match="protected must be a Series"):
        proxy_audit(segments, [1])
    for wrong in ({"level": 1}, {"alpha": 0}, {"n_permutations": 5}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            proxy_audit(segments, gender, **wrong)
