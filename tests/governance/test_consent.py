"""Consent: the latest decision wins, doubt is a no, the guard lets nobody through."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import segmentation as sg
from segmentation.exceptions import ColumnError, ConsentError
from segmentation.governance import ConsentGuard, filter_consent, require_consent
from segmentation.segmenters import KMeansSegmenter

AS_OF = "2026-06-30"


def people(ids):
    return pd.DataFrame({"spend": np.arange(float(len(ids)))}, index=pd.Index(ids, name="customer_id"))


def table(*rows):
    return pd.DataFrame(rows, columns=["customer_id", "purpose", "granted", "timestamp", "expires"]).astype(
        {"timestamp": "datetime64[ns]", "expires": "datetime64[ns]"}
    )


CASES = {
    "granted": [("profiling", True, "2026-01-01", None)],
    "granted again": [("profiling", False, "2026-01-01", None), ("profiling", True, "2026-02-01", None)],
    "refused": [("profiling", False, "2026-01-01", None)],
    "withdrawn": [("profiling", True, "2026-01-01", None), ("profiling", False, "2026-02-01", None)],
    "expired": [("profiling", True, "2026-01-01", "2026-06-30")],
    "expires tomorrow": [("profiling", True, "2026-01-01", "2026-07-01")],
    "renewed": [("profiling", True, "2025-01-01", "2026-01-01"), ("profiling", True, "2026-01-01", "2027-01-01")],
    "other purpose": [("mailing", True, "2026-01-01", None)],
    "contradictory": [("profiling", True, "2026-01-01", None), ("profiling", False, "2026-01-01", None)],
    "no answer": [("profiling", True, "2026-01-01", None), ("profiling", None, "2026-02-01", None)],
    "answer and none": [("profiling", True, "2026-01-01", None), ("profiling", None, "2026-01-01", None)],
    "undated": [("profiling", True, None, None)],
    "undated refusal": [("profiling", True, "2026-01-01", None), ("profiling", False, None, None)],
    "undated and dated grant": [("profiling", True, None, None), ("profiling", True, "2026-01-01", None)],
    "later grant": [("profiling", True, "2026-07-01", None)],
    "later withdrawal": [("profiling", True, "2026-01-01", None), ("profiling", False, "2026-07-01", None)],
    "grant that day": [("profiling", True, "2026-06-30 18:00", None)],
}
EXPECTED = {
    "granted": None,
    "granted again": None,
    "refused": "refused",
    "withdrawn": "withdrawn",
    "expired": "expired",
    "expires tomorrow": None,
    "renewed": None,
    "other purpose": "absent",
    "contradictory": "contradictory",
    "no answer": "no answer",
    "answer and none": "contradictory",
    "undated": "undated",
    "undated refusal": "refused",
    "undated and dated grant": None,
    "later grant": "after as_of",
    "later withdrawal": None,
    "grant that day": None,
}


def test_every_case():
    consent = table(*((name, *row) for name, rows in CASES.items() for row in rows))
    customers = people([*CASES, "never asked"])
    result = filter_consent(customers, consent, purpose="profiling", as_of=AS_OF)
    left_out = {name: reason for name, reason in EXPECTED.items() if reason} | {"never asked": "absent"}
    assert result.left_out.to_dict() == left_out
    assert list(result.customers.index) == [name for name, reason in EXPECTED.items() if reason is None]
    pd.testing.assert_frame_equal(result.customers, customers.loc[result.customers.index])
    counted = result.to_pandas()
    assert counted["n_customers"].sum() == len(customers)
    assert counted.loc["kept", "n_customers"] == len(result.customers)
    assert result.to_dict()["left_out"]["absent"] == 2
    for text in (str(result), result._repr_html_(), repr(result)):
        assert "absent" in text
        assert "never asked about this purpose" in text


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.sampled_from([True, False, None]), st.integers(0, 3), st.integers(0, 6)),
        max_size=12,
    ),
    st.randoms(),
)
@settings(max_examples=60, deadline=None)
def test_equals_a_slow_reference_in_any_order(rows, random):
    day = pd.Timestamp("2026-01-01")
    listed = [
        (who, "profiling", granted, day + pd.Timedelta(days=when), day + pd.Timedelta(days=end) if end else None)
        for who, granted, when, end in rows
    ]
    random.shuffle(listed)
    as_of = day + pd.Timedelta(days=2)
    allowed = set()
    for who in range(5):
        known = [row for row in listed if row[0] == who and row[3] <= as_of]
        last = [row for row in known if row[3] == max(row[3] for row in known)]
        if last and all(row[2] is True and (row[4] is None or row[4] > as_of) for row in last):
            allowed.add(who)
    consent = table(*listed).astype({"customer_id": "int64"})
    result = filter_consent(people(range(5)), consent, purpose="profiling", as_of=as_of)
    assert set(result.customers.index) == allowed
    assert len(result.customers) + len(result.left_out) == 5


def test_zones_and_words_and_other_frames():
    pl = pytest.importorskip("polars")
    customers = pl.DataFrame({"customer_id": ["a", "b", "c"], "spend": [1.0, 2.0, 3.0]})
    consent = pl.DataFrame(
        {
            "customer_id": ["a", "b", "c"],
            "purpose": ["profiling"] * 3,
            "granted": ["Yes", "no", "TRUE"],
            "timestamp": ["2026-07-01T00:30:00+02:00", "2026-01-01T00:00:00Z", "2026-07-01T00:30:00Z"],
        }
    )
    result = filter_consent(customers, consent, purpose="profiling", as_of=AS_OF)
    assert result.left_out.to_dict() == {"b": "refused", "c": "after as_of"}


def test_without_times_every_decision_counts():
    consent = pd.DataFrame({"customer_id": [1, 2, 2], "purpose": "profiling", "granted": [1, 1, 0]})
    result = filter_consent(people([1, 2]), consent, purpose="profiling")
    assert result.left_out.to_dict() == {2: "contradictory"}


def test_empty_tables():
    nothing = table()
    assert len(filter_consent(people([1]), nothing, purpose="profiling").left_out) == 1
    everything = table((1, "profiling", True, None, None))
    assert not len(
        filter_consent(people([]).set_index(pd.Index([], name="customer_id")), everything, purpose="profiling").left_out
    )


def test_refusals():
    consent = table((1, "profiling", True, "2026-01-01", None))
    with pytest.raises(ConsentError, match=r"nobody was asked about the purpose 'profilng'.*Did you mean 'profiling'"):
        filter_consent(people([1]), consent, purpose="profilng")
    with pytest.raises(ColumnError, match="missing: 'granted'"):
        filter_consent(people([1]), consent.drop(columns="granted"), purpose="profiling")
    with pytest.raises(ColumnError, match="'maybe': nothing else is taken for a yes"):
        filter_consent(people([1]), consent.assign(granted="maybe"), purpose="profiling")
    with pytest.raises(ColumnError, match="'granted' must be"):
        filter_consent(people([1]), consent.assign(granted=2), purpose="profiling")
    with pytest.raises(ColumnError, match="'timestamp' of the consent table must be dates"):
        filter_consent(people([1]), consent.assign(timestamp="soon"), purpose="profiling")
    with pytest.raises(ConsentError, match="ids of the customers look like"):
        filter_consent(people(["1"]), consent, purpose="profiling")
    with pytest.raises(ConsentError, match="row numbers are not taken for ids"):
        filter_consent(pd.DataFrame({"spend": [1.0, 2.0]}), consent, purpose="profiling")
    with pytest.raises(ConsentError, match="has none"):
        filter_consent(np.ones((2, 2)), consent, purpose="profiling")
    with pytest.raises(TypeError, match="one row per decision"):
        filter_consent(people([1]), {1: True}, purpose="profiling")
    with pytest.raises(ValueError, match="purpose must be"):
        filter_consent(people([1]), consent, purpose="")
    with pytest.raises(ValueError, match="as_of must be"):
        filter_consent(people([1]), consent, purpose="profiling", as_of="someday")


def test_require_returns_what_it_got_or_raises_without_names():
    consent = table(("anna-maria", "profiling", True, None, None))
    customers = people(["anna-maria"])
    assert require_consent(customers, consent, purpose="profiling") is customers
    with pytest.raises(ConsentError, match=r"1 of 2 customers.*absent: 1") as caught:
        require_consent(people(["anna-maria", "bernd-7"]), consent, purpose="profiling")
    assert "bernd-7" not in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_guard_in_a_pipeline_before_fit_and_before_use():
    ids = [f"c{i}" for i in range(40)]
    customers = people(ids)
    consent = table(*((one, "profiling", True, "2026-01-01", None) for one in ids))
    model = make_pipeline(
        ConsentGuard(consent, purpose="profiling"), StandardScaler(), KMeansSegmenter(2, random_state=0)
    )
    fitted = clone(model).fit(customers)
    bare = make_pipeline(StandardScaler(), KMeansSegmenter(2, random_state=0)).fit(customers)
    pd.testing.assert_frame_equal(sg.assign(fitted, customers), sg.assign(bare, customers))
    assert fitted.predict(customers).shape == (40,)
    more = people([*ids, "stranger"])
    for use in (clone(model).fit, fitted.predict, lambda X: sg.assign(fitted, X)):
        with pytest.raises(ConsentError, match="1 of 41 customers"):
            use(more)
    late = make_pipeline(StandardScaler(), ConsentGuard(consent, purpose="profiling"), KMeansSegmenter(2))
    with pytest.raises(ConsentError, match="the guard is the first step"):
        late.fit(customers)
    assert list(fitted[0].get_feature_names_out()) == ["spend"]


def test_guard_asks_again_each_time():
    current = {"table": table((1, "profiling", True, "2026-01-01", None), (2, "profiling", True, "2026-01-01", None))}
    guard = ConsentGuard(lambda: current["table"], purpose="profiling")
    customers = people([1, 2])
    assert guard.fit(customers).transform(customers) is customers
    withdrawal = table((2, "profiling", False, "2026-02-01", None))
    current["table"] = pd.concat([current["table"], withdrawal], ignore_index=True)
    with pytest.raises(ConsentError, match="withdrawn: 1"):
        guard.transform(customers)
