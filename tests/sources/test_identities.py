"""Linking records: normalisers, components against a slow reference, what is reported, counts that add up."""

import json
from functools import partial
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation.exceptions import ColumnError
from segmentation.sources import Key, normalise_email, normalise_phone, normalise_text, resolve_identities


def partition(found):
    """Return the customers as a set of sets of (source, record as text)."""
    table = found.identities
    groups = table.assign(name=table["source"] + ":" + table["record"].astype(str)).groupby("customer_id")["name"]
    return {frozenset(names) for _, names in groups}


def customer_of(found):
    table = found.identities
    return dict(zip(zip(table["source"], table["record"], strict=True), table["customer_id"], strict=True))


@pytest.mark.parametrize(
    ("given_value", "expected"),
    [
        ("  A.B@X.Com ", "a.b@x.com"),
        ("a b@x.com", "ab@x.com"),
        ("mailto:Ann@x.com", "ann@x.com"),
        ("STRASSE@x.de", "strasse@x.de"),
        ("none", None),
        ("@x.com", None),
        ("ann@", None),
        ("a@b@c", None),
        ("a.b+shop@gmail.com", "a.b+shop@gmail.com"),
        (17, None),
    ],
)
def test_email(given_value, expected):
    assert normalise_email(given_value) == expected


def test_email_of_a_provider_only_when_asked():
    by_provider = partial(normalise_email, ignore_dots_at=("gmail.com",), ignore_tags=True)
    assert by_provider("J.Doe+x@gmail.com") == "jdoe@gmail.com"
    assert by_provider("J.Doe+x@example.com") == "j.doe@example.com"


@pytest.mark.parametrize(
    ("given_value", "expected"),
    [
        ("+49 (0)30 12-34", "+49301234"),
        ("0049 (0) 30 1234".replace("(0) ", "(0)"), "+49301234"),
        ("(+49) 30 1234", "+49301234"),
        ("030/1234", "0301234"),
        (301234.0, "301234"),
        (301234, "301234"),
        ("000-000", "000000"),
        ("ext.", None),
        ("", None),
    ],
)
def test_phone(given_value, expected):
    assert normalise_phone(given_value) == expected


def test_phone_of_a_country():
    german = partial(normalise_phone, country_code="49")
    assert {german(number) for number in ["030 1234", "(0)30 1234", "+49 30 1234", "0049301234"]} == {"+49301234"}
    assert german("+43 1 5555") == "+4315555"
    assert german("000-000") == "000000"
    assert normalise_phone("06 1234", country_code="39", trunk_prefix="") == "+39061234"


def test_text():
    assert normalise_text("  Ada \t LOVELACE") == "ada lovelace"
    assert normalise_text(" ") is None


@pytest.fixture
def crm():
    return pd.DataFrame(
        {
            "id": [1, 2, 3, 4],
            "email": ["Ann@x.com", "bob@x.com", None, "info@x.com"],
            "tel": [None, "555-1", "555-2", "  "],
        }
    )


@pytest.fixture
def shop():
    return pd.DataFrame({"id": ["a", "b", "c"], "email": [" ann@X.com", "eve@x.com", ""], "tel": ["", "5552", None]})


KEYS = {"email": "email", "phone": "tel"}


def test_known_answer(crm, shop):
    found = resolve_identities({"crm": crm, "shop": shop}, KEYS, record_id="id")
    assert partition(found) == {
        frozenset({"crm:1", "shop:a"}),
        frozenset({"crm:2"}),
        frozenset({"crm:3", "shop:b"}),
        frozenset({"crm:4"}),
        frozenset({"shop:c"}),
    }
    assert found.identities["record"].tolist() == [1, 2, 3, 4, "a", "b", "c"]
    assert found.summary.loc["shop"].to_dict() == {
        "n_rows": 3,
        "n_records": 3,
        "n_without_key": 1,
        "n_customers": 3,
        "n_only_here": 1,
        "n_elsewhere_too": 2,
    }
    assert found.only_in("crm").tolist() == ["crm:2", "crm:4"]
    assert found.customers.loc["crm:1"].to_dict() == {"n_records": 2, "n_sources": 2, "sources": "crm+shop"}
    with pytest.raises(KeyError, match="no source 'erp'"):
        found.only_in("erp")


def test_missing_keys_never_link():
    frame = pd.DataFrame(
        {"email": [None, np.nan, "", "  ", "none", "none"], "card": [np.nan, None, np.inf, np.nan, "", " "]}
    )
    found = resolve_identities({"crm": frame}, {"email": "email", "card": "card"})
    assert found.n_customers == len(frame)
    assert found.summary.loc["crm", "n_without_key"] == 6
    assert found.keys.loc["email", "n_unusable"] == 2  # the two "none"


def test_links_are_transitive_across_keys():
    a = pd.DataFrame({"email": ["x@x.de"], "phone": ["1"]}, index=["r"])
    b = pd.DataFrame({"email": ["y@x.de"], "phone": ["1"]}, index=["r"])
    c = pd.DataFrame({"email": ["Y@x.de"], "phone": [None]}, index=["r"])
    found = resolve_identities({"a": a, "b": b, "c": c}, ["email", "phone"])
    assert found.n_customers == 1
    (row,) = found.ambiguous.to_dict("records")
    assert row["reason"] == "keys_disagree"
    assert row["n_records"] == 3
    assert row["detail"] == "2 values of 'email': 'x@x.de', 'y@x.de'"


def test_one_key_means_the_same_as_in_another_source_whatever_its_type():
    a = pd.DataFrame({"card": [17, 18]})
    b = pd.DataFrame({"card": [17.0, np.nan]})
    c = pd.DataFrame({"card": [" 17", "x"]})
    d = pd.DataFrame({"card": pd.Categorical(["17", "18"])})
    found = resolve_identities({"a": a, "b": b, "c": c, "d": d}, "card")
    assert sorted(len(group) for group in partition(found)) == [1, 1, 2, 4]


def test_dates_are_keys_with_and_without_a_time():
    a = pd.DataFrame({"born": pd.to_datetime(["1980-01-31"]), "name": ["Ann  LEE"]})
    b = pd.DataFrame({"birth": ["1980-01-31"], "surname": ["ann lee"]})
    key = Key({"a": ["name", "born"], "b": ["surname", "birth"]}, normaliser="text")
    found = resolve_identities({"a": a, "b": b}, {"person": key})
    assert found.n_customers == 1


def test_a_key_of_several_columns_needs_all_of_them():
    frame = pd.DataFrame({"name": ["lee", "lee", "lee", "lee"], "born": ["1980", "1980", None, None]})
    found = resolve_identities({"a": frame}, {"person": Key(["name", "born"])})
    assert sorted(len(group) for group in partition(found)) == [1, 1, 2]
    with pytest.raises(ValueError, match="different number of columns"):
        resolve_identities({"a": frame, "b": frame}, {"person": Key({"a": ["name"], "b": ["name", "born"]})})


def test_columns_of_a_key_do_not_run_together():
    frame = pd.DataFrame({"x": ["a | b", "a"], "y": ["c", "b | c"]})
    assert resolve_identities({"s": frame}, {"both": Key(["x", "y"])}).n_customers == 2


def test_shared_keys_link_nobody_and_are_counted():
    n = 8
    crm = pd.DataFrame({"email": ["info@x.com"] * n, "phone": ["000-000"] * 6 + ["1", "2"]})
    web = pd.DataFrame({"email": ["INFO@x.com", "me@x.com"], "phone": [None, "1"]})
    found = resolve_identities({"crm": crm, "web": web}, ["email", "phone"])
    assert found.n_customers == 9  # crm 6 and the second of web share a telephone
    rows = found.shared_keys.to_dict("records")
    assert [(row["key"], row["value"], row["n_records"], row["most_in_one_source"]) for row in rows] == [
        ("email", "info@x.com", 9, 8),
        ("phone", "000000", 6, 6),
    ]
    assert rows[0]["examples"] == "crm:0, crm:1, crm:2, crm:3, crm:4"
    assert found.summary["n_without_key"].tolist() == [6, 1]
    assert found.keys["n_shared_records"].tolist() == [9, 6]
    assert "info@x.com (9)" in str(found)
    assert resolve_identities({"crm": crm, "web": web}, ["email"], max_shared=None).n_customers == 2
    assert resolve_identities({"crm": crm, "web": web}, ["email"], max_shared=8).n_customers == 2


def test_the_limit_counts_within_a_source():
    """Seven systems that know one customer by one address are no reason for doubt."""
    sources = {f"s{i}": pd.DataFrame({"email": ["ann@x.com"]}) for i in range(7)}
    found = resolve_identities(sources, "email")
    assert found.n_customers == 1
    assert found.shared_keys.empty
    assert found.ambiguous.empty


def test_several_records_of_one_source_are_reported(crm):
    twice = pd.concat([crm, crm.assign(id=crm["id"] + 10)], ignore_index=True)
    found = resolve_identities({"crm": twice}, KEYS, record_id="id")
    assert found.ambiguous["reason"].unique().tolist() == ["several_records"]
    assert found.ambiguous["detail"].iloc[0] == "2 records of 'crm': '1', '11'"


def test_weak_keys_are_reported_only_where_nothing_else_holds():
    a = pd.DataFrame({"email": ["x@x.de", "y@x.de"], "zip": ["1", "2"]})
    b = pd.DataFrame({"email": ["x@x.de", None], "zip": ["1", "2"]})
    found = resolve_identities({"a": a, "b": b}, {"email": "email", "zip": Key("zip", weak=True)})
    assert found.n_customers == 2
    (row,) = found.ambiguous.to_dict("records")
    assert (row["customer_id"], row["reason"]) == ("a:1", "weak_key")
    assert row["detail"] == "2 parts that only 'zip' holds together"


def test_rows_of_one_record_are_one_record():
    """A long table, a row per address, lets a record have several values of one key."""
    crm = pd.DataFrame({"id": [1, 1, 2], "phone": ["11", "22", "33"]})
    shop = pd.DataFrame({"id": [7, 8], "phone": ["22", "11"]})
    found = resolve_identities({"crm": crm, "shop": shop}, "phone", record_id="id")
    assert partition(found) == {frozenset({"crm:1", "shop:7", "shop:8"}), frozenset({"crm:2"})}
    assert found.summary.loc["crm", ["n_rows", "n_records"]].tolist() == [3, 2]


def test_ids_of_a_source(crm, shop):
    found = resolve_identities({"crm": crm, "shop": shop}, KEYS, record_id="id", id_source="shop")
    ids = customer_of(found)
    assert ids["crm", 1] == "a"
    assert ids["crm", 2] == "crm:2"
    odd = pd.DataFrame({"id": ["crm:2"], "email": ["q@q.de"], "tel": [None]})
    with pytest.raises(ValueError, match="look like ids of customers"):
        resolve_identities({"crm": crm, "shop": odd}, KEYS, record_id="id", id_source="shop")


def test_ids_sort_numbers_as_numbers():
    crm = pd.DataFrame({"id": [10, 9], "email": ["a@a.de", "a@a.de"]})
    assert set(resolve_identities({"crm": crm}, "email", record_id="id").identities["customer_id"]) == {"crm:9"}


def test_float_ids_lost_their_type():
    crm = pd.DataFrame({"id": [10.0, 9.0], "email": ["a@a.de", "b@a.de"]})
    assert resolve_identities({"crm": crm}, "email", record_id="id").identities["record"].tolist() == [9, 10]


def test_custom_normaliser_is_called_once_per_value_and_explains_itself():
    seen = []

    def first_letter(value):
        seen.append(value)
        return value[0]

    frame = pd.DataFrame({"name": ["ann", "anna", "ann", None]})
    found = resolve_identities({"a": frame}, {"name": Key("name", normaliser=first_letter)})
    assert found.n_customers == 2
    assert sorted(seen) == ["ann", "anna"]
    assert found.settings["keys"] == {"name": "first_letter"}
    with pytest.raises(AttributeError) as caught:
        resolve_identities({"a": pd.DataFrame({"n": [1]})}, {"n": Key("n", normaliser=lambda value: value.lower())})
    assert any("key 'n' failed on 1" in note for note in caught.value.__notes__)


def test_any_kind_of_frame(crm, shop):
    polars = pytest.importorskip("polars", reason="polars is not installed")
    expected = resolve_identities({"crm": crm, "shop": shop}, KEYS, record_id="id").identities
    given_frames = {"crm": polars.from_pandas(crm), "shop": polars.from_pandas(shop)}
    pd.testing.assert_frame_equal(resolve_identities(given_frames, KEYS, record_id="id").identities, expected)


def test_a_source_without_the_column_is_said(crm):
    survey = pd.DataFrame({"id": [1], "Email": ["ann@x.com"], "tel": ["9"]})
    found = resolve_identities({"crm": crm, "survey": survey}, KEYS, record_id="id")
    assert any("'survey' has no column 'email' (nearest: 'Email')" in note for note in found.notes)
    assert found.n_customers == 5


def test_row_numbers_as_ids_are_said(crm):
    assert any("named by row number" in note for note in resolve_identities({"crm": crm}, KEYS).notes)
    assert not resolve_identities({"crm": crm.set_index("id")}, KEYS).notes


def test_result_is_readable(crm, shop):
    crm.loc[0, "email"] = "<b>@x.com"
    found = resolve_identities({"crm": pd.concat([crm] * 6, ignore_index=True), "shop": shop}, KEYS)
    assert json.loads(json.dumps(found.to_dict()))["n_records"] == 27
    assert "x.com" not in json.dumps(found.to_dict())
    assert "&lt;b&gt;@x.com" in found._repr_html_()
    assert "<b>" not in found._repr_html_()
    assert found.to_pandas() is not found.identities


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"sources": {}}, ValueError, "sources is empty"),
        ({"sources": [1]}, TypeError, "mapping from name to dataframe"),
        ({"sources": {"a": 1}}, TypeError, r"sources\['a'\] must be a dataframe"),
        ({"sources": {"a:b": pd.DataFrame({"email": ["x"]})}}, ValueError, "without a colon"),
        ({"sources": {"a": pd.DataFrame({"email": []})}}, ValueError, "no rows in any source"),
        ({"keys": {}}, ValueError, "at least one key"),
        ({"keys": {"email": "mail"}}, ColumnError, "no source has the column"),
        ({"keys": {"email": {"crm": "mail"}}}, ColumnError, "no column 'mail'"),
        ({"keys": {"email": {"erp": "mail"}}}, ValueError, "sources that are not there: 'erp'"),
        ({"record_id": "nr"}, ColumnError, "no column 'nr'"),
        ({"record_id": {"erp": "nr"}}, ValueError, "record_id names sources"),
        ({"record_id": "tel"}, ValueError, "2 of 4 rows have no record id"),
        ({"max_shared": 0}, ValueError, "max_shared must be at least 1"),
        ({"id_source": "erp"}, ValueError, "id_source must be one of"),
    ],
)
def test_bad_input(crm, change, error, words):
    arguments = {"sources": {"crm": crm}, "keys": KEYS, **change}
    with pytest.raises(error, match=words):
        resolve_identities(arguments.pop("sources"), arguments.pop("keys"), **arguments)


def test_a_source_without_rows_changes_nothing(crm):
    found = resolve_identities({"crm": crm, "shop": crm.head(0)}, KEYS, record_id="id")
    expected = resolve_identities({"crm": crm}, KEYS, record_id="id")
    pd.testing.assert_frame_equal(found.identities, expected.identities)
    assert found.summary.loc["shop"].eq(0).all()


def test_a_partial_function_is_named_with_its_arguments(crm):
    key = Key("tel", normaliser=partial(normalise_phone, country_code="49"))
    found = resolve_identities({"crm": crm}, {"phone": key}, record_id="id")
    assert found.settings["keys"] == {"phone": "normalise_phone(country_code='49')"}


def test_bad_normaliser_and_ids():
    with pytest.raises(ValueError, match=r"nearest: 'email'"):
        Key("email", normaliser="emial")
    frame = pd.DataFrame({"id": [1, "1"], "email": ["a@a", "b@b"]})
    with pytest.raises(ValueError, match="look alike as text"):
        resolve_identities({"a": frame}, "email", record_id="id")
    with pytest.raises(ColumnError, match=r"holds lists .*explode"):
        resolve_identities({"a": pd.DataFrame({"email": [["a@a"], ["b@b"]]})}, "email")
    repeated = pd.DataFrame([[1, 2]], columns=["email", "email"])
    with pytest.raises(ColumnError, match="same name"):
        resolve_identities({"a": repeated}, "email")


VALUES = st.sampled_from([None, "", "a@x", "B@x", "b@x ", "c@x"])
PHONES = st.sampled_from([None, "1", "2-2", "22", "+3"])
TABLES = st.dictionaries(
    st.sampled_from(["crm", "shop", "web"]), st.lists(st.tuples(VALUES, PHONES), min_size=1, max_size=6), min_size=1
)


def frames(tables):
    return {
        name: pd.DataFrame(rows, columns=["email", "phone"], dtype=object, index=[f"r{i}" for i in range(len(rows))])
        for name, rows in tables.items()
    }


def slow_partition(tables):
    """Link every pair that shares a value, until nothing changes."""
    records = {
        f"{name}:r{i}": {("e", str(e).strip().lower()) for e in [row[0]] if e}
        | {("p", p.replace("-", "")) for p in [row[1]] if p}
        for name, rows in tables.items()
        for i, row in enumerate(rows)
    }
    groups = [{name} for name in records]
    merging = True
    while merging:
        merging = False
        for one, other in combinations(groups, 2):
            if any(records[a] & records[b] for a in one for b in other):
                one |= other
                groups.remove(other)
                merging = True
                break
    return {frozenset(group) for group in groups}


@given(TABLES)
@settings(max_examples=60, deadline=None)
def test_components_equal_a_slow_reference(tables):
    found = resolve_identities(frames(tables), ["email", "phone"], max_shared=None)
    assert partition(found) == slow_partition(tables)


@given(TABLES, st.randoms(use_true_random=False), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_order_of_rows_sources_and_keys_does_not_matter(tables, random, max_shared):
    first = resolve_identities(frames(tables), ["email", "phone"], max_shared=max_shared)
    names = random.sample(sorted(tables), len(tables))
    shuffled = {name: frames(tables)[name].sample(frac=1, random_state=random.randrange(99)) for name in names}
    second = resolve_identities(shuffled, ["phone", "email"], max_shared=max_shared)
    pd.testing.assert_frame_equal(first.identities, second.identities)
    pd.testing.assert_frame_equal(first.ambiguous, second.ambiguous)
    pd.testing.assert_frame_equal(first.shared_keys, second.shared_keys)
    pd.testing.assert_frame_equal(first.summary, second.summary)


@given(TABLES)
@settings(max_examples=40, deadline=None)
def test_counts_add_up(tables):
    found = resolve_identities(frames(tables), ["email", "phone"], max_shared=2)
    assert found.n_records == sum(map(len, tables.values())) == found.summary["n_records"].sum()
    assert (found.summary["n_only_here"] + found.summary["n_elsewhere_too"] == found.summary["n_customers"]).all()
    for name in tables:
        assert len(found.only_in(name)) == found.summary.loc[name, "n_only_here"]
    assert found.customers["n_records"].sum() == found.n_records
    assert len(found.customers) == found.n_customers
    several = set(found.ambiguous.loc[found.ambiguous["reason"] == "several_records", "customer_id"])
    sizes = found.identities.groupby(["customer_id", "source"]).size()
    assert several == set(sizes[sizes > 1].index.get_level_values(0))
