"""Merging and linking what strangers bring: the same column in another type in each source, odd names, odd keys."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from segmentation.exceptions import ColumnError
from segmentation.sources import merge_sources, normalise_email, normalise_phone, resolve_identities

# --- every source its own types


def as_floats(values):
    return pd.Series([np.nan if value is None else float(value) for value in values])


def as_days(values):
    return pd.to_datetime(pd.Series(values, dtype=object), format="ISO8601")


MAKE = {
    "number": [lambda v: pd.Series(v, dtype="Int64"), as_floats, lambda v: pd.Series(v, dtype=object)],
    "text": [
        lambda v: pd.Series(v, dtype=object),
        lambda v: pd.Series(v, dtype="string"),
        lambda v: pd.Series(pd.Categorical(v)),
    ],
    "flag": [lambda v: pd.Series(v, dtype="boolean"), lambda v: pd.Series(v, dtype=object)],
    "day": [as_days, lambda v: as_days(v).astype("datetime64[ns]")],
}
VALUES = {
    "number": st.sampled_from([None, 0, 1, 2, 2**40]),
    "text": st.sampled_from([None, "", " ", "a", "A", "a "]),
    "flag": st.sampled_from([None, True, False]),
    "day": st.sampled_from([None, "2024-01-01", "2024-06-30 12:00", "1900-01-01"]),
}


@st.composite
def a_source(draw):
    n = draw(st.integers(0, 5))

    def cells(values):
        return draw(st.lists(values, min_size=n, max_size=n))

    table = {
        "id": pd.Series(cells(st.sampled_from(["u", "v", "w", None])), dtype=object),
        "record": pd.Series(cells(st.sampled_from(["r1", "r2", "r3"])), dtype=object),
        "t": pd.Series(cells(st.sampled_from([None, "2024-01-01", "2024-01-02T10:00:00+02:00"])), dtype=object),
    }
    for name in draw(st.lists(st.sampled_from(sorted(MAKE)), unique=True)):
        table[name] = draw(st.sampled_from(MAKE[name]))(cells(VALUES[name]))
    return pd.DataFrame(table)


SOURCES = st.lists(st.sampled_from(["crm", "shop", "web"]), unique=True, min_size=1).flatmap(
    lambda names: st.fixed_dictionaries({name: a_source() for name in names})
)


def known(value):
    return not pd.isna(value) and not (isinstance(value, str) and not value.strip())


def plain(value):
    if isinstance(value, bool | np.bool_ | str):
        return value
    return pd.Timestamp(value).isoformat() if isinstance(value, pd.Timestamp) else float(value)


@pytest.mark.filterwarnings("ignore::segmentation.exceptions.DroppedRowsWarning")
@given(SOURCES, st.sampled_from([None, "most_recent"]), st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_no_value_is_lost_between_types_and_the_order_of_rows_does_not_matter(tables, rule, seed):
    assume(any(table["id"].notna().any() for table in tables.values()))
    settled = {"identity": "id", "record_id": "record", "updated": "t", "precedence": rule, "allow_many": list(tables)}
    merged = merge_sources(tables, **settled)
    assert set(merged.customers.index) == {who for table in tables.values() for who in table["id"].dropna()}
    shuffled = {name: table.sample(frac=1, random_state=seed) for name, table in tables.items()}
    again = merge_sources(shuffled, **settled)
    for name in merged.customers:
        given_ = {
            (who, plain(value))
            for table in tables.values()
            if name in table
            for who, value in zip(table["id"], table[name].astype(object), strict=True)
            if known(who) and known(value)
        }
        kept = {(who, plain(v)) for who, v in merged.customers[name].astype(object).items() if known(v)}
        lost = merged.conflicts[merged.conflicts["column"] == name]
        assert kept | {(who, plain(v)) for who, v in zip(lost["customer_id"], lost["other"], strict=True)} == given_
        assert kept == {(who, plain(v)) for who, v in again.customers[name].astype(object).items() if known(v)}
    pd.testing.assert_frame_equal(merged.lineage.astype(object), again.lineage.astype(object)[list(merged.lineage)])
    twice = merge_sources({"one": merged.customers, "two": merged.customers}, identity="customer_id")
    pd.testing.assert_frame_equal(twice.customers, merged.customers)
    assert twice.conflicts.empty


# --- names and ids


def test_a_column_called_none_stays():
    table = pd.DataFrame({"id": [1, 2], None: [3, 4], ("a", "b"): [5, 6]})
    merged = merge_sources({"crm": table}, identity="id")
    assert list(merged.customers) == [None, ("a", "b")]


def test_levels_of_column_names_are_refused():
    table = pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")]))
    with pytest.raises(ColumnError, match=r"source 'crm' has 2 levels of column names.*flatten them"):
        merge_sources({"crm": table}, identity="a")
    with pytest.raises(ColumnError, match="2 levels"):
        resolve_identities({"crm": table}, "email")


def test_ids_that_differ_in_blanks_only_are_kept_apart_and_said():
    crm = pd.DataFrame({"id": ["A1", "b2"], "x": [1, 2]})
    shop = pd.DataFrame({"id": ["a1 ", "c3"], "y": [3, 4]})
    merged = merge_sources({"crm": crm, "shop": shop}, identity="id")
    assert len(merged.customers) == 4
    assert any("differ in blanks or case only" in note and "'A1', 'a1 '" in note for note in merged.notes)
    assert not merge_sources({"crm": crm}, identity="id").notes


def test_a_function_returns_one_value():
    with pytest.raises(ValueError, match=r"returned a list .* return a single value"):
        merge_sources(
            {"crm": pd.DataFrame({"id": [1], "x": [1]}), "shop": pd.DataFrame({"id": [1], "x": [2]})},
            identity="id",
            precedence=list,
        )


# --- keys


@pytest.mark.parametrize(
    ("written", "same"),
    [
        ("4930123456.0", "4930123456"), ("tel:+49 30 5551", "+49305551"), ("\uff0b49 30 5551", "+49305551"),
        ("\u0660\u0663\u0660 \u0661\u0662\u0663", "030123"), ("+49\u200b 30 5551", "+49305551"), ("12.0.1", "1201"),
    ],
)  # fmt: skip
def test_telephones_from_spreadsheets_and_other_scripts(written, same):
    assert normalise_phone(written) == same


@pytest.mark.parametrize(
    ("written", "same"),
    [
        ("Ann Lee <Ann@X.com>", "ann@x.com"), ("<ann@x.com>", "ann@x.com"), ("a\u200bnn@x.com", "ann@x.com"),
        ("\uff41nn@x.com", "ann@x.com"), ("<a@x.com> <b@x.com>", None), ("Ann <ann>", None),
    ],
)  # fmt: skip
def test_addresses_with_names_and_unseen_characters(written, same):
    assert normalise_email(written) == same


@pytest.mark.parametrize("limit", ["5", 2.5, 0])
def test_the_limit_of_sharing_is_a_whole_number(limit):
    with pytest.raises(ValueError, match="max_shared must be at least 1 and a whole number"):
        resolve_identities({"crm": pd.DataFrame({"email": ["a@x.com"]})}, "email", max_shared=limit)


def test_empty_columns_of_different_types_do_not_clash():
    empty = pd.DataFrame({"id": pd.Series([], dtype=object)})
    sources = {
        "crm": empty.assign(flag=pd.Series([], dtype=bool)),
        "shop": empty.assign(flag=pd.Series([], dtype=object)),
        "web": pd.DataFrame({"id": ["u"], "city": ["x"]}),
        "call": pd.DataFrame({"id": ["v"], "flag": pd.Series([None], dtype=object)}),
    }
    merged = merge_sources(sources, identity="id").customers
    assert merged.loc["u", "city"] == "x"
    assert merged["flag"].isna().all()
    assert str(merged["flag"].dtype) == "boolean"
