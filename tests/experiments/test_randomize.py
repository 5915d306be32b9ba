"""Randomization: the hash written down, kinds of tables and ids, blocks, salts, manifests, bad input."""

import datetime as dt
import decimal
import hashlib
import json
import re
import uuid
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from segmentation.exceptions import ColumnError, CustomerTableError
from segmentation.experiments import RandomizationDisplay, RandomizationManifest, randomize
from segmentation.experiments._randomize_draw import block_codes, block_counts, hash_codes
from segmentation.experiments._randomize_hash import digests, exact_shares, units

THREE = {"control": 0.5, "mail": 0.3, "call": 0.2}


def arms_of(customers, **options):
    result = randomize(customers, **{"salt": "spring-mail", "within": None, **options})
    return {str(name): arm for name, arm in result.arms.items()}


def by_hand(text, salt, shares):
    """The published rule in plain Python, without anything of the library."""
    u = int(hashlib.sha256(f"{salt}:{text}".encode()).hexdigest()[:13], 16)
    total = Fraction(0)
    for name, share in shares.items():
        total += Fraction(str(share))
        if u < int(2**52 * total):
            return name
    raise AssertionError(text)


def test_known_answers():
    """Fixed for ever: another answer here means that every running experiment is mixed up."""
    ids = ["1", "2", "3", "c-17", "Zoë", "客户", "", "a b"]
    found = randomize(ids, within=None, salt="spring-mail", arms=THREE).arms.tolist()
    assert found == KNOWN
    assert [by_hand(text, "spring-mail", THREE) for text in ids] == KNOWN
    assert units(digests(["1"], "spring-mail")).tolist() == [KNOWN_UNIT]
    blocks = randomize(list(range(12)), within=None, salt="spring-mail", arms=THREE, method="blocks", holdout=0.2)
    assert "".join(arm[0] for arm in blocks.arms) == KNOWN_BLOCKS


KNOWN = ["mail", "control", "mail", "control", "mail", "control", "control", "control"]
KNOWN_UNIT = 2914795813954607
KNOWN_BLOCKS = "hmcmhhchcchc"


@given(
    st.lists(st.text(st.characters(codec="utf-8"), max_size=8), min_size=1, max_size=20, unique=True),
    st.text(st.characters(codec="utf-8", exclude_characters=":"), min_size=1, max_size=8).filter(str.strip),
)
@settings(deadline=None, max_examples=50)
def test_the_rule_is_what_the_docs_say(ids, salt):
    if salt == "global-holdout":
        return
    found = randomize(pd.Index(ids, dtype=object), within=None, salt=salt, arms=THREE)
    assert found.arms.tolist() == [by_hand(text, salt, THREE) for text in ids]


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint64", "Int64", "float64", "object", "str", "int64[pyarrow]"])
def test_ids_that_are_equal_get_the_same_arm(dtype):
    pytest.importorskip("pyarrow")
    ids = list(range(1, 200))
    index = pd.Index(pd.array(list(map(str, ids)) if dtype == "str" else ids, dtype=dtype), name="customer_id")
    expected = [by_hand(str(number), "spring-mail", {"control": 0.5, "treated": 0.5}) for number in ids]
    assert randomize(pd.DataFrame(index=index), within=None, salt="spring-mail").arms.tolist() == expected


@pytest.mark.parametrize("method", ["hash", "blocks"])
def test_every_kind_of_table_gives_the_same_arms(method):
    pl, pa = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"customer_id": np.arange(500), "segment": rng.choice(["a", "b", "c10", "c9"], 500)})
    options = {"within": "segment", "method": method, "arms": THREE, "holdout": 0.1}
    expected = arms_of(table, **options)
    series = table.set_index("customer_id")["segment"]
    shuffled = table.sample(frac=1, random_state=1)
    kinds = [
        pl.DataFrame(table),
        pl.DataFrame(table).lazy(),
        pl.DataFrame(table.astype({"customer_id": "int32"})),
        pa.table(table),
        series,
        series.astype("category"),
        table.set_index("customer_id"),
        table.assign(customer_id=table["customer_id"].astype(object)),
        shuffled,
    ]
    for kind in kinds:
        assert arms_of(kind, **options) == expected
    assert randomize(pl.DataFrame(table), salt="s").table.index.tolist() == ["a", "b", "c9", "c10"]


def test_the_query_of_the_docs_gives_the_same_arms():
    duckdb = pytest.importorskip("duckdb")
    page = (Path(__file__).resolve().parents[2] / "docs" / "experiments_plan.md").read_text(encoding="utf-8")
    query = re.search(r"```sql\n(.*?)```", page, re.DOTALL).group(1)
    customers = pd.DataFrame({"customer_id": [*(f"c{k}" for k in range(300)), "Zoë", "客户"]})
    con = duckdb.connect()
    con.register("customers", customers)
    found = con.sql(query).df().set_index("customer_id")["arm"].to_dict()
    assert found == arms_of(customers)


@pytest.mark.parametrize("kind", ["date", "bool", "float"])
def test_segments_of_other_types_have_one_name_in_every_kind_of_table(kind):
    pl, pa = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    values = {
        "date": [dt.date(2020, 1, 1), dt.date(2021, 5, 1), None],
        "bool": [True, False, None],
        "float": [1.0, 2.5, None],
    }[kind]
    columns = {"customer_id": [1, 2, 3], "since": values}
    tables = [pl.DataFrame(columns), pa.table(columns), pl.DataFrame(columns).to_pandas(), pd.DataFrame(columns)]
    names = [randomize(table, salt="s", within="since").table.index.tolist() for table in tables]
    assert names[0] == names[1] == names[2] == names[3]


def test_other_ids():
    key = uuid.UUID(int=7)
    assert arms_of(pd.Index([key])) == arms_of([str(key)])
    assert arms_of(pd.Index([decimal.Decimal(7), np.int64(8)], dtype=object)) == arms_of(["7", "8"])
    assert (
        randomize([-0.0], within=None, salt="s").arms.tolist() == randomize(["0"], within=None, salt="s").arms.tolist()
    )
    large = 2**60 + 1
    assert arms_of([large]) == arms_of([str(large)])


def test_salts_are_independent_and_arms_uniform():
    """10,000 salts: what each customer gets, with whom, and beside which covariate."""
    texts = [str(number) for number in range(40)]
    covariate = np.random.default_rng(0).normal(size=40)
    covariate -= covariate.mean()
    shares = list(exact_shares(["control", "treated"]).values())
    arms = np.array([hash_codes(digests(texts, f"salt-{k}"), shares) for k in range(10_000)])
    # each customer's share of salts: chi-squared over 40 customers
    z = (arms.sum(axis=0) - 5_000) / np.sqrt(2_500)
    assert stats.chi2.sf((z**2).sum(), 40) > 0.001
    # consecutive salts agree as often as coins do, over 400,000 pairs
    agree = (arms[1:] == arms[:-1]).mean()
    assert abs(agree - 0.5) < 4 * 0.5 / np.sqrt(arms[1:].size)
    # two customers agree as often as coins
    together = np.corrcoef(arms.T)[np.triu_indices(40, 1)]
    assert stats.chi2.sf((together**2).sum() * 10_000, len(together)) > 0.001
    # the difference in a covariate has the distribution that chance gives
    scores = (arms - 0.5) @ covariate / (0.5 * np.sqrt((covariate**2).sum()))
    assert stats.kstest(scores, "norm").pvalue > 0.001
    counts = stats.binomtest(int(arms.sum()), arms.size)
    assert counts.pvalue > 0.001


@pytest.mark.parametrize("method", ["hash", "blocks"])
def test_unequal_arms_and_small_blocks_have_their_shares(method):
    """Over 10,000 salts everybody has each arm with its share as probability, alone in a segment or not."""
    texts, stratum, names = list("abcdef"), np.array([0, 1, 1, 2, 2, 2]), ["one", "two", "three"]
    shares = list(exact_shares(THREE).values())
    totals = np.zeros((6, 3))
    for k in range(10_000):
        digest = digests(texts, f"s{k}")
        codes = hash_codes(digest, shares) if method == "hash" else block_codes(digest, stratum, names, shares, f"s{k}")
        totals[np.arange(6), codes] += 1
    expected = 10_000 * np.array([0.5, 0.3, 0.2])
    p = stats.chi2.sf(((totals - expected) ** 2 / expected).sum(axis=1), 2)
    assert p.min() > 0.001 / 6


@given(st.integers(0, 400), st.lists(st.integers(1, 20), min_size=2, max_size=6), st.fractions(0, 1))
@settings(deadline=None, max_examples=200)
def test_block_counts_are_exact(n, parts, start):
    shares = [Fraction(part, sum(parts)) for part in parts]
    counts = block_counts(n, shares, start % 1)
    assert sum(counts) == n
    assert all(abs(count - share * n) < 1 for count, share in zip(counts, shares, strict=True))


def test_blocks_balance_every_segment():
    rng = np.random.default_rng(0)
    segments = pd.Series(rng.choice(["a", "b", "c"], 1_003), index=pd.RangeIndex(1_003, name="customer_id"))
    result = randomize(segments, salt="s", method="blocks", arms={"control": 0.1, "treated": 0.9}, holdout=0.05)
    rest = result.table["n_customers"] - result.table["n_holdout"]
    assert (result.table["n_control"] - 0.1 * rest).abs().max() < 1
    assert result.table.sum(axis=1).tolist() == (2 * result.table["n_customers"]).tolist()


def test_equal_shares_by_name_are_exact():
    result = randomize(list(range(3_000)), within=None, salt="s", arms=["control", "b", "c"], method="blocks")
    assert result.table.loc["all"].tolist() == [3_000, 1_000, 1_000, 1_000]


def test_hold_out_is_the_same_in_every_experiment_and_grows():
    ids = list(range(5_000))
    held = {}
    for salt, share in (("one", 0.05), ("two", 0.05), ("three", 0.1)):
        arms = randomize(ids, within=None, salt=salt, holdout=share).arms
        held[salt] = set(arms.index[arms == "holdout"])
    assert held["one"] == held["two"] < held["three"]
    assert len(held["one"]) == pytest.approx(250, abs=60)
    other = randomize(ids, within=None, salt="one", holdout=0.05, holdout_salt="another").arms
    assert held["one"] != set(other.index[other == "holdout"])
    without = randomize(ids, within=None, salt="one").arms
    with_it = randomize(ids, within=None, salt="one", holdout=0.05).arms
    kept = (with_it != "holdout").to_numpy()
    assert with_it[kept].astype(str).tolist() == without[kept].astype(str).tolist()


def test_a_manifest_is_saved_and_replayed(tmp_path):
    segments = pd.Series(list("aab") * 100, index=pd.Index([f"c{i}" for i in range(300)], name="customer_id"))
    for method in ("hash", "blocks"):
        result = randomize(segments, salt="s", method=method, arms=THREE, holdout=0.1)
        path = result.manifest.save(tmp_path / f"{method}.json")
        loaded = RandomizationManifest.load(path)
        assert loaded == result.manifest
        again = loaded.replay(segments.sample(frac=1, random_state=0))
        pd.testing.assert_series_equal(again.sort_index(), result.arms.sort_index())
        with pytest.raises(ValueError, match="299 instead of 300"):
            loaded.replay(segments.iloc[1:])
        renamed = segments.rename(index={"c0": "new"})
        with pytest.raises(ValueError, match="but other ids"):
            loaded.replay(renamed)


def test_new_customers_get_an_arm_by_hash_and_none_in_blocks():
    segments = pd.Series(list("ab") * 50, index=pd.Index(range(100), name="customer_id"))
    later = list(range(100, 200))
    by_hash = randomize(segments, salt="s").manifest
    assert by_hash.assign(later).tolist() == randomize(later, within=None, salt="s").arms.tolist()
    assert by_hash.assign([5]).tolist() == by_hash.replay(segments).loc[[5]].tolist()
    with pytest.raises(ValueError, match="no arm for customers who come later"):
        randomize(segments, salt="s", method="blocks").manifest.assign(later)


def test_blocks_refuse_customers_who_changed_segment_and_hash_does_not():
    segments = pd.Series(list("aabb"), index=pd.Index(range(4), name="customer_id"))
    moved = pd.Series(list("abab"), index=segments.index)
    with pytest.raises(ValueError, match=r"2 segments have other members now: 'a', 'b'"):
        randomize(segments, salt="s", method="blocks").manifest.replay(moved)
    by_hash = randomize(segments, salt="s")
    assert by_hash.manifest.replay(moved).tolist() == by_hash.arms.tolist()


def test_a_changed_manifest_is_refused(tmp_path):
    result = randomize(list(range(50)), within=None, salt="s")
    path = result.manifest.save(tmp_path / "m.json")
    content = json.loads(path.read_text(encoding="utf-8"))
    content["salt"] = "other"
    with pytest.raises(ValueError, match="changed after it was saved"):
        RandomizationManifest.from_dict(content)
    with pytest.raises(ValueError, match="version 2"):
        RandomizationManifest.from_dict({**content, "version": 2})
    with pytest.raises(ValueError, match="no manifest"):
        RandomizationManifest.from_dict({"salt": "s"})
    path.write_text("not json", encoding="utf-8")
    with pytest.raises(ValueError, match="no JSON"):
        RandomizationManifest.load(path)
    unsealed = RandomizationManifest(**{**vars(result.manifest), "arms": dict(reversed(result.manifest.arms.items()))})
    with pytest.raises(ValueError, match="arms come out differently"):
        unsealed.replay(list(range(50)))


def test_several_columns_form_segments():
    table = pd.DataFrame(
        {"segment": ["a", "a", "b", None], "country": [1, 2, 1, 1.0]}, index=pd.Index(list("wxyz"), name="customer_id")
    )
    result = randomize(table, salt="s", within=["segment", "country"], method="blocks")
    assert result.table.index.tolist() == ["a | 1", "a | 2", "b | 1", "unassigned | 1"]
    assert result.assigned.columns.tolist() == ["segment", "country", "arm"]


def test_what_the_result_says():
    segments = pd.Series(["a"] * 99 + ["<b>"], index=pd.Index(range(100), name="customer_id"))
    result = randomize(segments, salt="spring", holdout=0.1)
    text = str(result)
    assert text.startswith("Randomization 'spring' by hash within segment: 100 customers, control 0.5, treated 0.5")
    assert "'<b>'" in result.warnings[0]
    assert "are held out" in text
    assert "&lt;b&gt;" in result._repr_html_()
    assert json.dumps(result.to_dict()["manifest"])
    assert result.to_pandas()["arm"].cat.categories.tolist() == ["control", "treated", "holdout"]
    assert 0 <= result.settings["sample_ratio_p"] <= 1


def test_a_picture_of_the_shares():
    pytest.importorskip("matplotlib").use("Agg")
    import matplotlib.pyplot as plt

    segments = pd.Series(["a", "b"] * 50, index=pd.Index(range(100), name="customer_id"))
    result = randomize(segments, salt="s", method="blocks", arms=THREE)
    display = RandomizationDisplay.from_randomization(result).plot()
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == ["a (50)", "b (50)"]
    assert display.shares.loc["a"].tolist() == [0.5, 0.3, 0.2]
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == [
        "control: 0.5",
        "mail: 0.3",
        "call: 0.2",
    ]
    plt.close("all")


BAD_IDS = [1, "1"]
BROKEN_TEXT = pd.Index(["\ud800"], dtype=object)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: randomize(pd.Index(BAD_IDS, dtype=object), within=None, salt="s"), CustomerTableError, "twice: '1'"),
        (lambda: randomize([1.5], within=None, salt="s"), CustomerTableError, "whole number, got 1.5"),
        (lambda: randomize([2.0**53], within=None, salt="s"), CustomerTableError, "from 2\\^53 on"),
        (lambda: randomize([True], within=None, salt="s"), CustomerTableError, "whole number, got True"),
        (lambda: randomize([pd.Timestamp("2020")], within=None, salt="s"), CustomerTableError, "whole number, got"),
        (
            lambda: randomize(pd.Index(["\ud800"], dtype=object), within=None, salt="s"),
            CustomerTableError,
            "no valid text",
        ),
        (lambda: randomize([None, "a"], within=None, salt="s"), CustomerTableError, "no customer id"),
        (lambda: randomize(["a", "a"], within=None, salt="s"), CustomerTableError, "more than one row"),
        (lambda: randomize([], within=None, salt="s"), CustomerTableError, "nobody to randomize"),
        (lambda: randomize(["a"], salt="s"), ColumnError, "a list of ids has no columns"),
        (lambda: randomize("abc", within=None, salt="s"), TypeError, "a list of ids, got str"),
        (lambda: randomize(pd.DataFrame({"segment": ["a"]}), salt="s"), ColumnError, "row numbers change"),
        (lambda: randomize(pd.DataFrame({"customer_id": ["a"]}), salt="s"), ColumnError, "within=None"),
        (lambda: randomize(["a"], within=None, salt=""), ValueError, "names the experiment"),
        (lambda: randomize(["a"], within=None, salt="a:b"), ValueError, "must not contain ':'"),
        (lambda: randomize(["a"], within=None, salt="global-holdout"), ValueError, "are both 'global-holdout'"),
        (lambda: randomize(["a"], within=None, salt="s", method="coin"), ValueError, "'hash', 'blocks'"),
        (lambda: randomize(["a"], within=None, salt="s", holdout=1), ValueError, "holdout must be a share"),
        (lambda: randomize(["a"], within=None, salt="s", holdout="x"), TypeError, "holdout must be a number"),
        (lambda: randomize(["a"], within=None, salt="s", arms={"a": 0.5, "b": 0.6}), ValueError, "sum 1.1"),
        (lambda: randomize(["a"], within=None, salt="s", arms={"a": 1}), ValueError, "two arms or more"),
        (lambda: randomize(["a"], within=None, salt="s", arms=["a", "a"]), ValueError, "different names"),
        (lambda: randomize(["a"], within=None, salt="s", arms={"a": 0.5, 2: 0.5}), TypeError, "non-empty text"),
        (lambda: randomize(["a"], within=None, salt="s", arms=["a", "holdout"]), ValueError, "held out"),
        (lambda: randomize(["a"], within=None, salt="s", arms={"a": 0.5, "b": np.nan}), ValueError, "between 0 and 1"),
        (lambda: randomize(["a"], within=None, salt="s", arms=2), TypeError, "mapping of names to shares"),
        (lambda: randomize(["a"], within=3, salt="s"), TypeError, "name of a column"),
        (lambda: randomize(["a"], within=["arm"], salt="s"), ValueError, "none of them called 'arm'"),
    ],
)
def test_bad_input_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()
