"""Forgetting: a planted customer leaves no trace in any output, file or repr, and nobody else is lost."""

import json
import pickle
from collections import namedtuple
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.pipeline import make_pipeline

import segmentation as sg
from segmentation._notes import with_notes
from segmentation.exceptions import ColumnError, SegmentationWarning
from segmentation.governance import ConsentGuard, filter_consent, forget, proxy_audit
from segmentation.segmenters import KMeansSegmenter

WHO = "cust-77-planted"
OTHERS = [f"cust-{i}" for i in range(40)]
IDS = [*OTHERS[:20], WHO, *OTHERS[20:]]


def traces(value):
    """Everything an onlooker could read of an object."""
    with pd.option_context("display.max_rows", None, "display.max_columns", None, "display.max_colwidth", None):
        html = value._repr_html_() if hasattr(value, "_repr_html_") else ""
        return [pickle.dumps(value), repr(value).encode(), str(value).encode(), (html or "").encode()]


def assert_gone(value, who=WHO):
    for data in traces(value):
        assert who.encode() not in data


def people():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {"spend": rng.gamma(2, 50, len(IDS)), "city": rng.choice(["A", "B"], len(IDS))},
        index=pd.Index(IDS, name="customer_id"),
    )


@dataclass(frozen=True)
class Merged:
    """Like the result of merging sources."""

    customers: pd.DataFrame
    lineage: pd.DataFrame
    conflicts: pd.DataFrame
    unmatched: dict
    notes: tuple = ()
    settings: dict = field(default_factory=dict)

    @cached_property
    def longest(self):
        return max(self.customers.index, key=len)


def merged():
    customers = people()
    result = Merged(
        customers=customers,
        lineage=customers.map(lambda _: "shop"),
        conflicts=pd.DataFrame({"customer_id": [WHO, OTHERS[0]], "column": "city", "kept": ["A", "B"], "why": "first"}),
        unmatched={"crm": pd.Index([WHO, OTHERS[1]]), "shop": [OTHERS[2], WHO], "survey": {WHO}},
        notes=(f"{WHO} stands in two sources", "nothing else"),
        settings={"example_ids": (WHO, OTHERS[3])},
    )
    assert result.longest == WHO  # kept in the object from now on
    return result


def test_everything_that_holds_a_planted_customer():
    customers = people()
    pd_categories = pd.DataFrame({"customer_id": pd.Categorical(IDS), "x": 1.0})
    segments = sg.assign(KMeansSegmenter(2, random_state=0).fit(customers[["spend"]]), customers[["spend"]])
    segments = with_notes(segments, [f"{WHO} is an outlier"])
    decisions = pd.DataFrame({"customer_id": IDS, "purpose": "profiling", "granted": True})
    model = make_pipeline(ConsentGuard(decisions, purpose="profiling"), KMeansSegmenter(2, random_state=0))
    model.fit(customers[["spend"]])
    draws = pd.DataFrame(np.ones((3, len(IDS))), columns=pd.Index(IDS, name="customer_id"))
    multi = customers.assign(day=1).set_index("day", append=True)["spend"]
    arrow = customers.reset_index().astype({"customer_id": "string[pyarrow]"})
    Pair = namedtuple("Pair", "customer_id note")
    globals()["Pair"] = Pair  # pickle looks for it here
    Pair.__module__ = __name__
    things = [
        customers,
        pd_categories,
        pd_categories.set_index("customer_id"),
        segments,
        merged(),
        model,
        draws,
        multi,
        arrow,
        customers["spend"],
        pd.Index(IDS, name="customer_id"),
        filter_consent(customers, decisions[decisions["customer_id"] != WHO], purpose="profiling"),
        filter_consent(customers, decisions, purpose="profiling"),
        {WHO: 1, "other": [WHO, {"deep": f"see {WHO}."}]},
        [{"customer_id": WHO, "x": 1}, {"customer_id": OTHERS[0], "x": 2}],
        np.array([WHO, OTHERS[0]], dtype=object),
        Pair("x", f"about {WHO}"),
        proxy_audit(segments, customers["city"], customers[["spend"]], random_state=0),
        f"a report on {WHO}",
        pd.get_dummies(pd.Series(IDS)),
    ]
    result = forget([WHO], *things, also=["planted@example.org"])
    assert result.is_clean
    assert (result.n_ids, result.n_not_found) == (1, 0)
    for before, after in zip(things, result.objects, strict=True):
        assert type(after) is type(before) or isinstance(before, pd.DataFrame)
        assert_gone(after)
    assert_gone(result)
    assert WHO.encode() in pickle.dumps(things[0])  # what was given stays as it was

    new = result.objects
    pd.testing.assert_frame_equal(new[0], customers.drop(index=WHO))
    assert list(new[1]["customer_id"].cat.categories) == sorted(OTHERS)
    assert new[4].customers.shape == (40, 2)
    assert new[4].unmatched["crm"].tolist() == [OTHERS[1]]
    assert new[4].unmatched["shop"] == [OTHERS[2]]
    assert new[4].unmatched["survey"] == set()
    assert new[4].notes == ("[forgotten] stands in two sources", "nothing else")
    assert new[4].settings == {"example_ids": (OTHERS[3],)}
    assert new[5].predict(customers[["spend"]].drop(index=WHO)).shape == (40,)
    assert new[6].shape == (3, 40)
    assert new[14] == [{"customer_id": OTHERS[0], "x": 2}]
    assert len(new[7]) == 40
    assert "[forgotten] is an outlier" in str(new[3])
    for text in (str(result), result._repr_html_(), json.dumps(result.to_dict())):
        assert WHO not in text
        assert "object 5 (Merged).conflicts" in text


def test_real_merge_result():
    merging = pytest.importorskip("segmentation.sources._merge")
    crm = pd.DataFrame({"customer_id": IDS, "city": "A"})
    shop = pd.DataFrame({"customer_id": [WHO, *OTHERS[:5]], "city": "B", "spend": 1.0})
    result = merging.merge_sources({"crm": crm, "shop": shop}, identity="customer_id")
    (cleaned,) = forget(WHO, result).objects
    assert_gone(cleaned)
    assert len(cleaned.customers) == len(result.customers) - 1
    assert len(cleaned.lineage) == len(cleaned.customers)
    assert len(cleaned.conflicts) == len(result.conflicts) - 1


@pytest.mark.parametrize("who", [123456789, 7])
def test_numbers(who):
    ids = [*range(100, 110), who]
    table = pd.DataFrame({"n_purchases": [7] * 11, "x": 1.5}, index=pd.Index(ids, name="customer_id"))
    orders = pd.DataFrame({"customer_id": [who, 100.0, np.nan], "order_id": [1, 7, 9], "amount": [1.0, 2.0, 3.0]})
    texts = pd.DataFrame({"customer_id": [str(who), "100"], "note": ["a", "b"]})
    kept = {"customer_ids": [who, 100], "n_segments": 7, "counts": {7: 3}}
    result = forget(pd.Series([who]), table, orders, texts, kept)
    new = result.objects
    assert new[0].index.tolist() == list(range(100, 110))
    assert (new[0]["n_purchases"] == 7).all()
    assert new[1]["order_id"].tolist() == [7, 9]
    assert new[2]["customer_id"].tolist() == ["100"]
    assert new[3] == {"customer_ids": [100], "n_segments": 7, "counts": {7: 3}}
    assert result.is_clean
    if who == 7:
        assert any("so short" in note for note in result.notes)
        assert any("'order_id'" in note for note in result.notes)
    else:
        for one in new:
            assert_gone(one, str(who))
            assert (who).to_bytes(8, "little") not in pickle.dumps(one)


def test_an_unnamed_index_of_numbers_is_not_of_ids_where_the_table_has_them():
    orders = pd.DataFrame({"customer_id": [1, 2, 3, 4]}).iloc[[1, 2, 3]]  # index 1, 2, 3
    (left,) = forget(3, orders).objects
    assert left["customer_id"].tolist() == [2, 4]
    plain = pd.DataFrame({"x": [1.0, 2.0]}, index=[5, 6])
    assert forget(5, plain).objects[0].index.tolist() == [6]


def test_other_names_of_ids():
    table = pd.DataFrame({"household_id": [1, 2], "x": [5, 6]})
    assert len(forget(1, table).objects[0]) == 2
    assert any("household_id" in note for note in forget(1, table).notes)
    assert forget(1, table, id_columns=["household_id"]).objects[0]["household_id"].tolist() == [2]


def test_also_texts_and_references_of_others():
    table = pd.DataFrame(
        {"customer_id": ["c-1001", "c-1002"], "mail": ["a@example.org", "b@example.org"], "by": ["x", "c-1001"]}
    )
    remarks = pd.Series(["mail a@example.org", "none", "aa@example.org.uk"])
    new = forget("c-1001", table, remarks, also="a@example.org").objects
    assert new[0]["customer_id"].tolist() == ["c-1002"]
    assert new[0]["by"].tolist() == ["[forgotten]"]
    assert new[1].tolist()[:2] == ["mail [forgotten]", "none"]


def test_an_id_within_a_longer_one_is_another():
    ids = ["cust-7", "cust-77", "cust-7-a", "acust-7"]
    table = pd.DataFrame({"x": range(4)}, index=pd.Index(ids, name="customer_id"))
    result = forget("cust-7", table, f"{ids[1]} and {ids[3]}")
    assert result.objects[0].index.tolist() == ids[1:]
    assert result.objects[1] == "cust-77 and acust-7"


@given(
    st.lists(st.sampled_from([f"id-{i:04d}" for i in range(12)]), min_size=1, max_size=30),
    st.sets(st.sampled_from([f"id-{i:04d}" for i in range(15)]), min_size=1, max_size=5),
)
@settings(max_examples=60, deadline=None)
def test_nobody_else_is_lost(rows, gone):
    orders = pd.DataFrame({"customer_id": rows, "amount": range(len(rows))})
    result = forget(gone, orders)
    expected = orders[~orders["customer_id"].isin(gone)]
    pd.testing.assert_frame_equal(result.objects[0], expected)
    assert result.n_not_found == len(gone - set(rows))
    assert result.removed["n"].sum() == len(orders) - len(expected)
    again = forget(gone, result.objects[0])
    assert again.objects[0] is result.objects[0]
    assert again.n_not_found == len(gone)


def test_files(tmp_path):
    customers = people()
    customers["remark"] = 'says "yes",\nand more'
    customers.to_csv(tmp_path / "customers.csv", lineterminator="\r\n")
    customers.to_parquet(tmp_path / "customers.parquet")
    customers.reset_index().to_parquet(tmp_path / "flat.parquet")
    lines = [{"customer_id": one, "tags": ["a"], "friend": WHO if one == OTHERS[0] else None} for one in IDS]
    (tmp_path / "ledger.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "report.json").write_text(json.dumps({"examples": [WHO, OTHERS[0]], "text": f"on {WHO}", "n": 41}))
    sub = tmp_path / "deep"
    sub.mkdir()
    (sub / "semicolons.csv").write_text(f"customer_id;x\n'{WHO};1\n{OTHERS[0]};2\n")
    untouched = sub / "other.csv"
    untouched.write_bytes(b"customer_id,x\r\nsomebody,1")
    result = forget(WHO, files=tmp_path)
    assert result.is_clean
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert WHO.encode() not in path.read_bytes(), path.name
    expected = customers.drop(index=WHO)
    back = pd.read_csv(tmp_path / "customers.csv", index_col="customer_id")
    np.testing.assert_allclose(back["spend"], expected["spend"])
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "customers.parquet"), expected, check_column_type=False)
    assert list(pd.read_parquet(tmp_path / "flat.parquet").index) == list(range(40))
    kept = [json.loads(line) for line in (tmp_path / "ledger.jsonl").read_text().splitlines()]
    assert [line["customer_id"] for line in kept] == OTHERS
    assert kept[0]["friend"] == "[forgotten]"
    assert json.loads((tmp_path / "report.json").read_text()) == {
        "examples": [OTHERS[0]],
        "text": "on [forgotten]",
        "n": 41,
    }
    assert (sub / "semicolons.csv").read_text() == f"customer_id;x\n{OTHERS[0]};2\n"
    assert untouched.read_bytes() == b"customer_id,x\r\nsomebody,1"
    assert not list(tmp_path.rglob("*.new"))


def test_csv_keeps_the_other_bytes(tmp_path):
    path = tmp_path / "a.csv"
    rows = [b'"customer_id",x,"note"\r\n', b'7,1.50,"a ""b"""\r\n', b'70,1e3,"two\nlines"\r\n', b"7.0,,\n", b"700,07,"]
    path.write_bytes(b"\xef\xbb\xbf" + b"".join(rows))
    result = forget(7, files=[path])
    assert path.read_bytes() == b"\xef\xbb\xbf" + rows[0] + rows[2] + rows[4]
    assert result.removed.to_dict("records") == [{"place": "file a.csv", "what": "rows", "n": 2}]


def test_what_cannot_be_rewritten_is_searched_and_said(tmp_path):
    (tmp_path / "model.pkl").write_bytes(pickle.dumps({"who": WHO}))
    with pytest.warns(SegmentationWarning, match="still there: 'file model.pkl'"):
        result = forget(WHO, files=tmp_path)
    assert not result.is_clean
    assert "STILL THERE" in str(result)
    with pytest.raises(ValueError, match=r"model.pkl' cannot be rewritten"):
        forget(WHO, files=tmp_path / "model.pkl")
    with pytest.raises(FileNotFoundError, match="no file or folder"):
        forget(WHO, files=tmp_path / "nothing.csv")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(ValueError, match="cannot be read as"):
        forget(WHO, files=tmp_path / "bad.json")


class Stubborn:
    """Has a customer where no walk gets: in a closure."""

    def __init__(self, who):
        self.say = lambda: who

    def __repr__(self):
        return f"Stubborn({self.say()})"


def test_what_is_left_is_found():
    with pytest.warns(SegmentationWarning, match="still there"):
        result = forget(WHO, Stubborn(WHO))
    assert not result.is_clean
    assert result.searched.set_index("how")["n_found"].to_dict()["repr"] == 2
    assert any("could not be searched as pickle" in note for note in result.notes)


class Positions:
    def __init__(self):
        self.customers = pd.Index(IDS, name="customer_id")
        self.values = np.ones((3, len(IDS)))


def test_rows_that_only_a_list_beside_them_names_are_refused():
    with pytest.raises(TypeError, match=r"names the rows of the array 'values'") as caught:
        forget(WHO, Positions())
    assert WHO not in str(caught.value)


def test_refusals():
    with pytest.raises(ValueError, match="nobody to forget"):
        forget([])
    with pytest.raises(ValueError, match=r"entries 1 of customer_ids are not"):
        forget([1, None])
    with pytest.raises(ValueError, match=r"no texts of 5 letters or more"):
        forget(1, also=["abc"])
    with pytest.raises(ColumnError, match="needs a column or index 'customer_id'"):
        forget(pd.DataFrame({"x": [1]}))
    table = people()
    assert forget(table.loc[[WHO]], table).n_not_found == 0


def test_polars_and_arrow():
    pl = pytest.importorskip("polars")
    table = pl.from_pandas(people().reset_index())
    result = forget(WHO, table, table.to_arrow(), pl.DataFrame({"customer_id": ["x"]}))
    assert [len(one) for one in result.objects] == [40, 40, 1]
    assert isinstance(result.objects[2], pl.DataFrame)
    assert result.is_clean
