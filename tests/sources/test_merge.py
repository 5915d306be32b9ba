"""Merging sources: who wins and why, types, tables of events, and properties that hold for any tables."""

import datetime as dt
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from segmentation.exceptions import ColumnError, DroppedRowsWarning
from segmentation.sources import merge_sources, resolve_identities


def one(crm, shop, **arguments):
    """Merge two tables that share the column id."""
    return merge_sources({"crm": pd.DataFrame(crm), "shop": pd.DataFrame(shop)}, identity="id", **arguments)


def test_first_known_value_wins_by_default():
    merged = one({"id": [1, 2, 3], "city": ["Ulm", None, " "]}, {"id": [1, 2, 4], "city": ["Bonn", "Kiel", None]})
    assert merged.customers["city"].fillna("?").to_dict() == {1: "Ulm", 2: "Kiel", 3: "?", 4: "?"}
    assert merged.customers["city"].isna().tolist() == [False, False, True, True]
    assert merged.lineage["city"].astype(object).fillna("?").to_dict() == {1: "crm", 2: "shop", 3: "?", 4: "?"}
    assert merged.conflicts.to_dict("records") == [
        {
            "customer_id": 1,
            "column": "city",
            "kept": "Ulm",
            "kept_from": "crm",
            "other": "Bonn",
            "other_from": "shop",
            "why": "crm stands before shop",
        }
    ]
    assert merged.unmatched.to_dict("list") == {"source": ["crm", "shop"], "customer_id": [3, 4]}
    assert merged.summary[["n_unmatched", "n_values", "n_overruled"]].to_numpy().tolist() == [[1, 1, 0], [1, 1, 1]]


def test_lists_of_sources_per_column():
    crm = {"id": [1], "a": ["x"], "b": ["x"], "c": ["x"]}
    shop = {"id": [1], "a": ["y"], "b": ["y"], "c": ["y"]}
    merged = one(crm, shop, precedence={"a": ["shop", "crm"], "b": ["crm"]})
    assert merged.customers.loc[1].tolist() == ["y", "x", "x"]
    merged = one(crm, shop, precedence={"a": ["crm"], "*": ["shop"]})
    assert merged.customers.loc[1].tolist() == ["x", "y", "y"]
    assert one(crm, shop, precedence=["shop"]).customers.loc[1].tolist() == ["y"] * 3


def test_most_recent_takes_the_latest_known_value():
    crm = {"id": [1, 2, 3, 4], "city": ["a", "a", "a", "a"], "t": ["2024-05-01", "2024-01-01", None, "2024-01-01"]}
    shop = {
        "id": [1, 2, 3, 4],
        "city": ["b", None, "b", "b"],
        "t": ["2024-04-30", "2024-06-01", "2020-01-01", "2024-01-01"],
    }
    merged = one(crm, shop, precedence="most_recent", updated="t")
    assert merged.customers["city"].tolist() == ["a", "a", "b", "a"]
    assert merged.conflicts["why"].tolist() == [
        "more recent: 2024-05-01, not 2024-04-30",
        "more recent: 2020-01-01, not undated",
        "equally recent; crm stands before shop",
    ]
    assert list(merged.customers) == ["city"]


def test_most_recent_compares_moments_across_zones_and_kinds():
    crm = {"id": [1], "city": ["a"], "t": pd.to_datetime(["2024-01-01 23:30"]).tz_localize("America/New_York")}
    shop = {"id": [1], "city": ["b"], "changed": [dt.date(2024, 1, 2)]}
    merged = one(crm, shop, precedence="most_recent", updated={"crm": "t", "shop": "changed"})
    assert merged.customers["city"].tolist() == ["a"]  # 04:30 UTC of the same day
    assert merged.conflicts["why"].tolist() == ["more recent: 2024-01-02 04:30:00, not 2024-01-02"]


def test_as_of_leaves_later_rows_out():
    crm = {"id": [1, 1], "city": ["old", "new"], "t": pd.to_datetime(["2024-01-31 23:59", "2024-02-01 00:00"])}
    shop = {"id": [1, 2], "city": ["shop", "shop"]}
    merged = one(crm, shop, updated="t", as_of="2024-01-31")
    assert merged.customers["city"].to_dict() == {1: "old", 2: "shop"}
    assert merged.left_out.to_dict("records") == [{"source": "crm", "record": 1, "reason": "after as_of"}]
    assert any("2 rows without a time" in note for note in merged.notes)
    later = one(crm, shop, updated="t", as_of=dt.date(2024, 2, 1))
    assert later.customers.loc[1, "city"] == "new"


def test_functions_are_asked_where_sources_disagree():
    asked = []

    def highest(values):
        asked.append(values.to_dict())
        return values.max()

    merged = one({"id": [1, 2, 3], "age": [30, 40, 50]}, {"id": [1, 2, 4], "age": [35, 40, 60]}, precedence=highest)
    assert merged.customers["age"].to_dict() == {1: 35, 2: 40, 3: 50, 4: 60}
    assert merged.customers["age"].dtype == "int64"
    assert asked == [{"crm": 30, "shop": 35}]
    assert merged.lineage["age"].to_dict() == {1: "shop", 2: "crm", 3: "crm", 4: "shop"}
    (row,) = merged.conflicts.to_dict("records")
    assert (row["kept"], row["other"], row["other_from"], row["why"]) == (35, 30, "crm", "highest() of the values")


def test_a_function_may_make_a_new_value():
    def mean(values):
        return values.mean()

    merged = one({"id": [1, 2], "age": [30, 40]}, {"id": [1, 3], "age": [35, 9]}, precedence={"age": mean})
    assert merged.customers["age"].to_dict() == {1: 32.5, 2: 40.0, 3: 9.0}
    assert merged.customers["age"].dtype == "float64"
    assert merged.lineage.loc[1, "age"] == "mean()"
    assert merged.conflicts["other"].tolist() == [30, 35]
    assert merged.conflicts["kept_from"].tolist() == ["mean()", "mean()"]
    assert merged.columns_table().loc["age", ["crm", "shop", "mean()"]].tolist() == [1, 1, 1]


def test_a_function_must_not_forget():
    with pytest.raises(ValueError, match="returned a missing value"):
        one({"id": [1], "a": ["x"]}, {"id": [1], "a": ["y"]}, precedence=lambda values: None)


def test_rows_of_one_customer_in_one_source():
    crm = {
        "id": [1, 1, 1, 2, 3, 4, 5, 6],
        "record": ["c", "a", "b", "d", "e", "f", "g", "h"],
        "city": ["Ulm", None, "Kiel", "Bonn", "x", "x", "x", "x"],
        "age": [1, 2, 2, 3, 4, 4, 4, 4],
    }
    merged = one(crm, {"id": [1], "city": ["Trier"]}, record_id={"crm": "record"})
    assert merged.customers.loc[1].tolist() == ["Kiel", 2]  # record b has the first known city, record a the first age
    assert merged.conflicts[["other", "other_from", "why"]].to_numpy().tolist() == [
        ["Ulm", "crm", "same source: record b stands before c"],
        ["Trier", "shop", "crm stands before shop"],
        [1, "crm", "same source: record a stands before c"],
    ]
    assert merged.summary.loc["crm", ["n_rows", "n_used", "n_copies", "n_repeated"]].tolist() == [8, 8, 0, 1]


def test_exact_copies_are_dropped_and_counted():
    crm = pd.DataFrame({"id": [1, 2], "city": ["Ulm", None], "n": [1.0, np.nan]})
    merged = one(pd.concat([crm] * 3), {"id": [1], "city": ["Ulm"]})
    assert merged.summary.loc["crm", ["n_rows", "n_used", "n_copies", "n_left_out"]].tolist() == [6, 2, 4, 0]
    assert merged.conflicts.empty
    assert "4 exact copies" in str(merged)


def test_rows_without_a_customer_are_counted_and_warned_of():
    crm = {"id": [1, None], "city": ["Ulm", "Bonn"]}
    with pytest.warns(DroppedRowsWarning, match="1 of 'crm': no customer id"):
        merged = one(crm, {"id": [2], "city": ["Kiel"]})
    assert merged.customers.index.tolist() == [1, 2]
    assert merged.customers.index.dtype == "int64"
    assert merged.left_out.to_dict("records") == [{"source": "crm", "record": 1, "reason": "no customer id"}]


def test_identity_table_from_elsewhere():
    crm = pd.DataFrame({"id": [1, 2, 3], "city": ["Ulm", "Bonn", "Hof"]})
    shop = pd.DataFrame({"nr": ["a", "b"], "city": [None, "Kiel"]})
    table = pd.DataFrame(
        {
            "source": ["crm", "crm", "shop", "shop", "shop"],
            "record": ["1", "2", "a", "b", "z"],
            "customer_id": list("pqpqr"),
        }
    )
    with pytest.warns(DroppedRowsWarning, match="not in the table of identities"):
        merged = merge_sources(
            {"crm": crm, "shop": shop}, identity=table, record_id={"crm": "id", "shop": "nr"}, precedence=["shop"]
        )
    assert merged.customers["city"].to_dict() == {"p": "Ulm", "q": "Kiel"}
    assert any("1 record of the table of identities stand" in note for note in merged.notes)
    twice = pd.concat([table, table.assign(customer_id="other").head(1)])
    with pytest.raises(ValueError, match="one record several customers: 'crm:1'"):
        merge_sources({"crm": crm, "shop": shop}, identity=twice, record_id={"crm": "id", "shop": "nr"})
    with pytest.raises(ColumnError, match="missing: 'record'"):
        merge_sources({"crm": crm}, identity=table.drop(columns="record"))


def test_with_resolved_identities():
    crm = pd.DataFrame({"id": [1, 2], "email": ["a@x.de", "b@x.de"], "city": ["Ulm", "Bonn"]})
    shop = pd.DataFrame({"id": ["u", "v"], "email": ["B@x.de", "c@x.de"], "spend": [5.0, 7.0]})
    sources = {"crm": crm, "shop": shop}
    found = resolve_identities(sources, "email", record_id="id")
    merged = merge_sources(sources, identity=found, record_id="id")
    assert merged.customers["spend"].fillna(0).to_dict() == {"crm:1": 0, "crm:2": 5, "shop:v": 7}
    assert merged.unmatched["customer_id"].tolist() == ["crm:1", "shop:v"]
    assert merged.summary["n_unmatched"].to_dict() == found.summary["n_only_here"].to_dict()


def test_types_stay():
    zoned = pd.to_datetime(["2024-01-01", "2024-02-01"]).tz_localize("Europe/Berlin")
    crm = pd.DataFrame(
        {
            "id": [1, 2],
            "n": [2**60 + 1, 2],
            "flag": [True, False],
            "level": pd.Categorical(["low", "high"], ["low", "mid", "high"], ordered=True),
            "seen": zoned,
            "nullable": pd.array([1, None], dtype="Int32"),
            "small": np.array([1.5, 2.5], dtype="float32"),
            "day": [dt.date(2024, 1, 1), None],
        }
    )
    full = merge_sources({"crm": crm}, identity="id")
    assert full.customers.dtypes.to_dict() == crm.drop(columns="id").dtypes.to_dict()
    with_hole = merge_sources({"crm": crm, "shop": pd.DataFrame({"id": [3]})}, identity="id").customers
    assert {name: str(dtype) for name, dtype in with_hole.dtypes.items()} == {
        "n": "Int64",
        "flag": "boolean",
        "level": "category",
        "seen": str(zoned.dtype),
        "nullable": "Int32",
        "small": "float32",
        "day": "object",
    }
    assert with_hole.loc[1, "n"] == 2**60 + 1
    assert with_hole["level"].cat.ordered
    assert with_hole.loc[3].isna().all()


def rich():
    return pd.DataFrame(
        {
            "id": [3, 1, 2],
            "n": pd.array([2**60 + 1, None, 3], dtype="Int64"),
            "flag": pd.array([True, None, False], dtype="boolean"),
            "level": pd.Categorical(["low", None, "high"], ["low", "mid", "high"], ordered=True),
            "seen": pd.to_datetime(["2024-01-01", None, "2024-02-01"]).tz_localize("Europe/Berlin"),
            "day": [dt.date(2024, 1, 1), None, dt.date(2024, 1, 2)],
            "text": ["a", None, "b"],
            "wait": pd.to_timedelta([1, None, 2], unit="D"),
        }
    )


def test_merging_with_itself_keeps_types_and_holes():
    once = merge_sources({"crm": rich(), "shop": pd.DataFrame({"id": [4], "x": [1.5]})}, identity="id").customers
    again = merge_sources({"a": once, "b": once.sample(frac=1, random_state=0)}, identity="customer_id")
    pd.testing.assert_frame_equal(again.customers, once)
    assert again.conflicts.empty


def test_tables_of_ids_only():
    merged = one({"id": pd.Categorical(["a", "b"])}, {"id": ["b", "c"]})
    assert merged.customers.index.tolist() == ["a", "b", "c"]
    assert merged.customers.shape == (3, 0)
    assert merged.unmatched["customer_id"].tolist() == ["a", "c"]
    assert merged.columns_table().empty
    assert "3 customers from 2 sources, 0 columns" in str(merged)
    assert "0 columns" in merged._repr_html_()


def test_column_names_need_not_be_text():
    merged = one({"id": [1], 5: ["x"]}, {"id": [1], 5: ["y"]}, precedence={5: ["shop"]})
    assert merged.customers.loc[1, 5] == "y"
    assert merged.to_dict()["conflicts"] == {"5": 1}


def test_index_as_identity():
    crm = pd.DataFrame({"a": [1, 2]}, index=pd.Index(["x", "y"], name="customer_id"))
    merged = merge_sources({"crm": crm, "till": crm.rename(columns={"a": "b"})}, identity="customer_id")
    assert merged.customers.loc["y"].tolist() == [2, 2]


def test_a_source_without_rows_changes_nothing():
    crm = rich().assign(whole=[1, 2, 3])
    expected = merge_sources({"crm": crm}, identity="id").customers
    merged = merge_sources({"crm": crm, "shop": crm.head(0)}, identity="id")
    pd.testing.assert_frame_equal(merged.customers, expected)
    assert merged.summary.loc["shop"].eq(0).all()


@pytest.mark.parametrize(
    ("first", "second", "dtype", "note"),
    [
        (pd.Series([1]), pd.Series([2.5]), "float64", "int64 in 'crm', float64 in 'shop'"),
        (pd.Series([1]), pd.Series([2], dtype="Int64"), "Int64", "merged as Int64"),
        (pd.Series([1], dtype="int8"), pd.Series([2]), "int64", "merged as int64"),
        (pd.Series([1]), pd.Series([None], dtype=object), "int64", None),
        (pd.Series([1]), pd.Series([np.nan]), "int64", None),
        (pd.Series([True]), pd.Series([None], dtype=object), "bool", None),
        (pd.Series([True]), pd.Series([False], dtype="boolean"), "boolean", "merged as boolean"),
        (pd.Series(["b"], dtype="category"), pd.Series(["a"], dtype="category"), "category", "merged as category"),
        (pd.Series(pd.to_datetime(["2024"])), pd.Series([dt.date(2024, 1, 1)]), None, "object in 'shop'"),
        (
            pd.Series(pd.to_datetime(["2024"])).dt.tz_localize("Asia/Tokyo"),
            pd.Series(pd.to_datetime(["2023-12-31 15:00"])).dt.tz_localize("UTC"),
            None,
            "UTC",
        ),
    ],
)
def test_types_that_go_together(first, second, dtype, note):
    merged = one({"id": [1], "x": first}, {"id": [2], "x": second})
    if dtype is not None:
        expected = dtype if second.notna().all() else {"int64": "Int64", "bool": "boolean"}[dtype]
        assert str(merged.customers["x"].dtype) == expected
    assert merged.customers.loc[1, "x"] == first[0]
    assert (note is None) == (not merged.notes)
    assert note is None or note in merged.notes[0]


def test_categories_are_united_in_the_order_of_the_sources():
    merged = one(
        {"id": [1], "x": pd.Categorical(["b"], ["b", "c"])}, {"id": [2], "x": pd.Categorical(["a"], ["a", "b"])}
    )
    assert merged.customers["x"].cat.categories.tolist() == ["b", "c", "a"]
    merged = one({"id": [1], "x": pd.Categorical(["b"])}, {"id": [2], "x": ["a"]})
    assert merged.customers["x"].tolist() == ["b", "a"]
    assert "category in 'crm'" in merged.notes[0]


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ([42], ["42"], r"'x' has numbers in 'crm' \(such as 42\); text in 'shop' \(such as '42'\)"),
        ([True], [1], "true/false in 'crm'"),
        (
            pd.to_datetime(["2024"]),
            pd.to_datetime(["2024"]).tz_localize("UTC"),
            "times without a zone in 'crm'.*times with a zone",
        ),
        (pd.Categorical(["a"], ["a", "b"], ordered=True), pd.Categorical(["a"], ["b", "a"], ordered=True), "one order"),
        ([2**60 + 1], [0.5], "a float cannot hold exactly"),
        (pd.Categorical(["a"]), [1], "text in 'crm'"),
    ],
)
def test_types_that_clash_are_explained(first, second, words):
    with pytest.raises(ColumnError, match=words):
        one({"id": [1], "x": first}, {"id": [2], "x": second})


def test_all_clashes_are_named_at_once():
    with pytest.raises(ColumnError, match=r"'x' has .*'y' has .*pandas.to_numeric"):
        one({"id": [1], "x": [1], "y": [1]}, {"id": [2], "x": ["a"], "y": ["b"]})


def orders(n_customers=3, each=3):
    ids = np.repeat(np.arange(n_customers), each)
    return pd.DataFrame({"id": ids, "day": pd.date_range("2024-01-01", periods=len(ids)), "amount": 1.0})


@pytest.mark.parametrize("kind", ["timestamp", "text", "date"])
def test_orders_are_refused(kind):
    table = orders()
    if kind == "text":
        table["day"] = table["day"].dt.strftime("%Y-%m-%d")
    elif kind == "date":
        table["day"] = table["day"].dt.date
    with pytest.raises(ValueError, match=r"'orders' has 3.0 rows per customer.*'day'.*rfm_table.*engagement_table"):
        merge_sources({"crm": pd.DataFrame({"id": [0]}), "orders": table}, identity="id")


def test_events_without_a_time_are_refused_from_some_size_on():
    links = pd.DataFrame({"id": np.repeat(np.arange(40), 2), "campaign": np.arange(80)})
    with pytest.raises(ValueError, match=r"2.0 rows per customer \(80 rows, 40 customers\): that is a table of events"):
        merge_sources({"links": links}, identity="id")
    assert len(merge_sources({"links": links.head(20)}, identity="id").customers) == 10
    allowed = merge_sources({"links": links}, identity="id", allow_many=["links"])
    assert allowed.summary.loc["links", "n_repeated"] == 40
    assert any("2.0 rows per customer" in note for note in allowed.notes)


def test_versions_of_a_profile_are_not_refused():
    table = orders().rename(columns={"day": "changed"})
    merged = merge_sources({"crm": table}, identity="id", updated="changed")
    assert len(merged.customers) == 3


def test_some_duplicates_are_no_events():
    table = pd.concat([orders(20, 1), orders(8, 1).assign(day=pd.Timestamp("2025-01-01"))])
    assert merge_sources({"crm": table}, identity="id").summary.loc["crm", "n_repeated"] == 8


def test_real_orders_are_refused():
    from segmentation.datasets import load_cdnow

    with pytest.raises(ValueError, match="rfm_table"):
        merge_sources({"orders": load_cdnow()}, identity="customer_id")


def test_any_kind_of_frame():
    polars = pytest.importorskip("polars", reason="polars is not installed")
    crm, shop = pd.DataFrame({"id": [1], "a": ["x"]}), pd.DataFrame({"id": [2], "a": ["y"]})
    expected = merge_sources({"crm": crm, "shop": shop}, identity="id").customers
    got = merge_sources({"crm": polars.from_pandas(crm), "shop": polars.from_pandas(shop)}, identity="id").customers
    assert isinstance(got, pd.DataFrame)
    pd.testing.assert_frame_equal(got, expected)


def test_input_is_never_changed():
    crm = pd.DataFrame({"id": [2, 1, 1], "a": ["x", " ", "y"], "t": ["2024-01-01"] * 3}, index=[5, 6, 7])
    before = crm.copy(deep=True)
    merge_sources({"crm": crm}, identity="id", updated="t", precedence="most_recent")
    pd.testing.assert_frame_equal(crm, before)


def test_result_is_readable():
    merged = one({"id": [1, 2], "<b>": ["Ulm", "x"]}, {"id": [1, 3], "<b>": ["Bonn", None]})
    text = str(merged)
    assert "3 customers from 2 sources, 1 column, 66.7 % of the values known" in text
    assert "conflicts, 1 of 1 customer:" in text
    assert "<b>: 1 (crm > shop)" in text
    assert "<b>:" not in merged._repr_html_()
    assert json.loads(json.dumps(merged.to_dict()))["sources"]["shop"]["n_overruled"] == 1
    assert merged.columns_table().loc["<b>"].to_dict() == {
        "n_known": 2,
        "crm": 2,
        "shop": 0,
        "n_conflicts": 1,
        "n_conflicting_customers": 1,
    }
    assert merged.to_pandas() is not merged.customers


def test_plot_shows_every_column():
    pyplot = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed")
    import matplotlib as mpl

    mpl.use("Agg")
    merged = one({"id": [1, 2], "a": ["Ulm", "x"]}, {"id": [1, 3], "a": ["Bonn", None], "b": [1, 2]})
    axes = merged.plot()
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    widths = {bars.get_label(): [round(bar.get_width(), 3) for bar in bars] for bars in axes.containers}
    assert widths == {"crm": [0.667, 0.0], "shop": [0.0, 0.667], "nobody knows": [0.333, 0.333]}
    pyplot.close("all")


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"identity": 3}, TypeError, "identity must be the result"),
        ({"identity": "nr"}, ColumnError, "no column 'nr'"),
        ({"identity": {"crm": "id"}}, ValueError, "no column for 'shop'"),
        ({"precedence": {"cty": ["crm"]}}, ColumnError, "nearest: 'city'"),
        ({"precedence": ["erp"]}, ValueError, "not there: 'erp'"),
        ({"precedence": ["crm", "crm"]}, ValueError, "at most once"),
        ({"precedence": "latest"}, ValueError, "got 'latest'"),
        ({"precedence": "most_recent"}, ValueError, "give updated="),
        ({"as_of": "2024-01-01"}, ValueError, "as_of needs to know"),
        ({"updated": "t"}, ColumnError, "no source has a column 't'"),
        ({"updated": {"erp": "t"}}, ValueError, "updated names sources"),
        ({"updated": "city"}, ValueError, "no ISO 8601 times: 'Ulm'"),
        ({"updated": "id"}, TypeError, "holds numbers"),
        ({"updated": {"crm": "when"}, "as_of": "soon"}, ValueError, "as_of must be a date"),
        ({"allow_many": "crm"}, ValueError, "must be a list of sources"),
        ({"allow_many": ["erp"]}, ValueError, "got 'erp'"),
    ],
)
def test_bad_input(arguments, error, words):
    crm = pd.DataFrame({"id": [1], "city": ["Ulm"], "when": ["2024-01-01"]})
    shop = pd.DataFrame({"id": [1], "city": ["Bonn"]})
    with pytest.raises(error, match=words):
        merge_sources({"crm": crm, "shop": shop}, **{"identity": "id", **arguments})


def test_more_bad_input():
    with pytest.raises(ColumnError, match="a column 'customer_id' that is not the identity"):
        one({"id": [1], "customer_id": [1]}, {"id": [1]})
    with pytest.raises(ColumnError, match="customer id' has numbers in 'crm'"):
        one({"id": [1]}, {"id": ["a"]})
    with pytest.raises(ColumnError, match="lists"):
        one({"id": [1], "x": [[1]]}, {"id": [1], "x": [[2]]})
    with pytest.raises(ValueError, match="no row of any source belongs to a customer"):
        one({"id": [None], "a": [1]}, {"id": [None], "a": [1]})


# few customers and values, so that rows meet, disagree and repeat each other
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["u", "v", "w", None]),
        st.sampled_from([None, "", "a", "b"]),
        st.sampled_from([None, 1, 2]),
        st.sampled_from([None, "2024-01-01", "2024-01-02", "2024-01-03"]),
    ),
    min_size=1,
    max_size=6,
)
SOURCES = st.dictionaries(st.sampled_from(["crm", "shop", "web"]), ROWS, min_size=1).filter(
    lambda tables: any(row[0] for rows in tables.values() for row in rows)
)
RULES = st.sampled_from([None, "most_recent", ["web", "shop", "crm"]])


def frames(tables):
    built = {}
    for name, rows in tables.items():
        table = pd.DataFrame(rows, columns=["id", "city", "n", "t"], dtype=object)
        built[name] = table.assign(n=table["n"].astype("Int64"), record=[f"r{i}" for i in range(len(rows))])
    return built


def merge(tables, precedence, **arguments):
    rule = [name for name in precedence if name in tables] if isinstance(precedence, list) else precedence
    return merge_sources(
        tables, identity="id", record_id="record", updated="t", precedence=rule, allow_many=list(tables), **arguments
    )


def slow_winner(tables, precedence, customer, column):
    """Return the value that the rule of the documentation keeps, by sorting all known ones."""
    names = [name for name in precedence if name in tables] if isinstance(precedence, list) else list(tables)
    known = []
    for name, table in tables.items():
        for row in table.to_dict("records"):
            value = row[column]
            if row["id"] != customer or value is None or value is pd.NA or value == "":
                continue
            undated, latest = row["t"] is None, -int((row["t"] or "0").replace("-", ""))
            place = names.index(name)
            order = (undated, latest, place) if precedence == "most_recent" else (place, undated, latest)
            known.append(((*order, row["record"]), value))
    return min(known)[1] if known else None


@pytest.mark.filterwarnings("ignore::segmentation.exceptions.DroppedRowsWarning")
@given(SOURCES, RULES)
@settings(max_examples=30, deadline=None)
def test_winners_equal_a_slow_reference(tables, precedence):
    built = frames(tables)
    merged = merge(built, precedence)
    for column in ["city", "n"]:
        for customer, value in merged.customers[column].items():
            expected = slow_winner(built, precedence, customer, column)
            assert (expected is None and pd.isna(value)) or value == expected


@pytest.mark.filterwarnings("ignore::segmentation.exceptions.DroppedRowsWarning")
@given(SOURCES, RULES, st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_order_of_rows_does_not_matter_nor_of_sources_where_all_are_ranked(tables, precedence, random):
    built = frames(tables)
    names = random.sample(sorted(built), len(built)) if isinstance(precedence, list) else list(built)
    shuffled = {name: built[name].sample(frac=1, random_state=random.randrange(99)) for name in names}
    first, second = merge(built, precedence), merge(shuffled, precedence)
    columns = ["city", "n"]
    pd.testing.assert_frame_equal(first.customers[columns], second.customers[columns])
    pd.testing.assert_frame_equal(first.lineage.astype(object)[columns], second.lineage.astype(object)[columns])
    pd.testing.assert_frame_equal(
        first.conflicts.sort_values(list(first.conflicts), key=lambda c: c.astype(str), ignore_index=True),
        second.conflicts.sort_values(list(second.conflicts), key=lambda c: c.astype(str), ignore_index=True),
    )
    pd.testing.assert_frame_equal(first.summary.sort_index(), second.summary.sort_index())


@pytest.mark.filterwarnings("ignore::segmentation.exceptions.DroppedRowsWarning")
@given(SOURCES, RULES)
@settings(max_examples=30, deadline=None)
def test_nothing_is_lost(tables, precedence):
    in_time = [row for rows in tables.values() for row in rows if row[0] and (row[3] or "") <= "2024-01-02"]
    assume(in_time)
    built = frames(tables)
    merged = merge(built, precedence, as_of="2024-01-02")
    counts = merged.summary
    assert (counts["n_rows"] == counts["n_used"] + counts["n_copies"] + counts["n_left_out"]).all()
    assert counts["n_rows"].to_dict() == {name: len(table) for name, table in built.items()}
    assert counts["n_left_out"].sum() == len(merged.left_out)
    assert set(merged.customers.index) == {row[0] for row in in_time}
    for column, position in [("city", 1), ("n", 2)]:
        known = {(row[0], row[position]) for row in in_time if row[position]}
        kept = merged.customers[column].dropna()
        passed_over = merged.conflicts[merged.conflicts["column"] == column]
        told = set(kept.items()) | set(zip(passed_over["customer_id"], passed_over["other"], strict=True))
        assert told == known  # every value of every row is either in the table or among the conflicts


@pytest.mark.filterwarnings("ignore::segmentation.exceptions.DroppedRowsWarning")
@given(SOURCES, RULES)
@settings(max_examples=25, deadline=None)
def test_merging_the_result_with_itself_changes_nothing(tables, precedence):
    once = merge(frames(tables), precedence).customers
    again = merge_sources({"one": once, "two": once}, identity="customer_id")
    pd.testing.assert_frame_equal(again.customers, once)
    assert again.conflicts.empty
    assert again.unmatched.empty
