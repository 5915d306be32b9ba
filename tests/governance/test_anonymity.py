"""k-anonymity against a slow count and against pycanon."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation.exceptions import ColumnError, CustomerTableError
from segmentation.governance import k_anonymity


@given(st.lists(st.tuples(st.sampled_from([1, 2, None]), st.sampled_from("ab"), st.integers(0, 2)), min_size=1))
@settings(max_examples=60, deadline=None)
def test_equals_a_slow_count(rows):
    table = pd.DataFrame(rows, columns=["age", "city", "secret"])
    result = k_anonymity(table, ["age", "city"], sensitive="secret", minimum=3)
    counted = Counter((row[0], row[1]) for row in rows)
    secrets = {key: {row[2] for row in rows if (row[0], row[1]) == key} for key in counted}
    assert result.k == min(counted.values())
    assert result.l_diversity == {"secret": min(map(len, secrets.values()))}
    assert sorted(result.classes["n_customers"]) == sorted(counted.values())
    assert result.below(3)["n_customers"].sum() == sum(n for n in counted.values() if n < 3)
    assert result.n_with_missing == sum(row[0] is None for row in rows)


def test_rows_of_one_person_are_no_crowd():
    visits = pd.DataFrame({"customer_id": [1, 1, 1, 2, 2], "city": ["A", "A", "A", "B", "A"]})
    result = k_anonymity(visits, "city")
    assert result.classes.set_index("city")["n_customers"].to_dict() == {"B": 1, "A": 2}
    assert result.n_customers == 2
    assert k_anonymity(visits.drop(columns="customer_id"), "city").classes["n_customers"].tolist() == [1, 4]
    assert k_anonymity(visits.set_index("customer_id"), "city").k == 1


DATA = {
    "bank": ("bank_marketing/bank_full.parquet", ["age", "job", "marital", "education"], ["balance", "y"]),
    "households": (
        "complete_journey/demographics.parquet",
        ["age", "income", "household_size", "marital_status"],
        ["kids_count"],
    ),
    "survey": ("bfi/bfi.parquet", ["gender", "education", "age"], ["A1"]),
}


# pycanon groups by a list of one column, of which pandas 3 warns
@pytest.mark.filterwarnings("ignore:In a future version, the keys of `groups`")
@pytest.mark.parametrize("name", DATA)
def test_agrees_with_pycanon(name, shared_data):
    anonymity = pytest.importorskip("pycanon.anonymity", reason="pycanon is the independent oracle of this test")
    file, known, secret = DATA[name]
    table = pd.read_parquet(shared_data / file, columns=[*known, *secret]).sample(3000, replace=True, random_state=0)
    # pycanon leaves rows with a missing value out; as a value of their own they are written out
    table = table.astype(object).where(table.notna(), "missing").astype(str).reset_index(drop=True)
    result = k_anonymity(table, known, sensitive=secret)
    assert result.k == anonymity.k_anonymity(table, known)
    assert min(result.l_diversity.values()) == anonymity.l_diversity(table, known, secret)
    for coarse in known[:2]:  # larger classes, so that k is not always 1
        assert k_anonymity(table, coarse).k == anonymity.k_anonymity(table, [coarse])
        assert k_anonymity(table, coarse, sensitive=secret[-1]).l_diversity[secret[-1]] == anonymity.l_diversity(
            table, [coarse], [secret[-1]]
        )


def test_many_levels_do_not_overflow():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.integers(0, 10**6, size=(2000, 12)), columns=[f"q{i}" for i in range(12)])
    assert k_anonymity(table, list(table.columns)).k == 1
    assert k_anonymity(pd.concat([table, table]), list(table.columns)).k == 2


def test_printed():
    table = pd.DataFrame({"age": [30] * 20 + [None] * 3})
    result = k_anonymity(table, "age")
    assert "k = 3" in str(result)
    assert "classes of fewer than 10: 1, with 3 customers (13.0 %)" in repr(result)
    assert "3 customers with a missing value" in str(result)
    assert "<table" in result._repr_html_()
    assert result.to_dict()["n_customers_in_small_classes"] == 3
    assert result.to_pandas() is not result.classes
    assert result.to_pandas().equals(result.classes)


def test_refusals():
    table = pd.DataFrame({"age": [1], "n_customers": [2]})
    with pytest.raises(ColumnError, match="at least one quasi-identifier"):
        k_anonymity(table, [])
    with pytest.raises(ColumnError, match="missing: 'agee'"):
        k_anonymity(table, "agee")
    with pytest.raises(ColumnError, match="named twice"):
        k_anonymity(table, "age", sensitive="age")
    with pytest.raises(ColumnError, match="rename 'n_customers'"):
        k_anonymity(table, "n_customers")
    with pytest.raises(CustomerTableError, match="nobody in the table"):
        k_anonymity(table.iloc[:0], "age")
    with pytest.raises(CustomerTableError, match="no customer id"):
        k_anonymity(table.assign(customer_id=None), "age")
    with pytest.raises(TypeError, match="one row per person"):
        k_anonymity([1], "age")
