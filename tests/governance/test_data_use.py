"""The data-use sheet: what is known stands in it, what is not says so, and no customer is in it."""

import datetime as dt
import json
import pickle
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import segmentation as sg
from segmentation.exceptions import ColumnError
from segmentation.governance import data_use_sheet, filter_consent, proxy_audit
from segmentation.governance._data_use import _suggests
from segmentation.segmenters import KMeansSegmenter

IDS = [f"person-{i}" for i in range(60)]


def full():
    rng = np.random.default_rng(0)
    customers = pd.DataFrame(
        {"spend": rng.gamma(2, 50, 60), "visits": rng.poisson(3, 60), "gender": rng.choice(["f", "m"], 60)},
        index=pd.Index(IDS, name="customer_id"),
    )
    decisions = pd.DataFrame({"customer_id": IDS[:50], "purpose": "profiling", "granted": [True] * 48 + [False] * 2})
    consent = filter_consent(customers, decisions, purpose="profiling", as_of="2026-03-01")
    data = consent.customers[["spend", "visits"]]
    model = make_pipeline(StandardScaler(), KMeansSegmenter(2, random_state=0)).fit(data)
    segments = sg.assign(model, data)
    lineage = pd.DataFrame({"spend": ["shop"] * 60, "visits": ["web"] * 40 + ["app"] * 20}, index=customers.index)
    merged = SimpleNamespace(customers=customers, lineage=lineage, left_out=pd.DataFrame({"reason": ["no id"] * 3}))
    audit = proxy_audit(segments, customers["gender"], random_state=0)
    return data_use_sheet(
        "spring | <b>",
        model=model,
        customers=customers,
        merged=merged,
        consent=consent,
        assignment=segments,
        audit=audit,
        purposes=["newsletter"],
        retention="13 months",
        protected=["gender"],
        responsible="data office",
        left_out="staff",
        made_on=dt.date(2026, 3, 2),
    )


def test_what_is_known_stands_in_it():
    sheet = full()
    assert sheet.columns.loc["spend"].tolist() == ["yes", "shop", "no sign of it"]
    assert sheet.columns.loc["visits"].tolist() == ["yes", "web, app", "no sign of it"]
    assert sheet.columns.loc["gender"].tolist() == ["no", "not stated", "stated"]
    assert sheet.facts["Purposes"] == "newsletter; profiling"
    assert sheet.facts["Basis"] == "consent for 'profiling' at 2026-03-01 23:59 UTC, 48 customers"
    assert sheet.facts["Method"] == "KMeansSegmenter, 2 segments"
    assert sheet.facts["Left out"] == (
        "without consent: 12 (absent 10, refused 2); in no segment: 0 (0.0 %); "
        "rows of sources that belong to no customer or are too late: 3; staff"
    )
    assert sheet.facts["Protected attributes"] == "stated: 'gender'"
    assert sheet.facts["Stand-ins for protected attributes"] == "none found among 1 comparison"
    assert sheet.not_stated == ()


def test_forms():
    sheet = full()
    markdown = sheet.to_markdown()
    assert markdown.startswith("# Data use: spring \\| &lt;b>\n")
    assert "| visits | yes | web, app | no sign of it |" in markdown
    assert json.loads(json.dumps(sheet.to_dict()))["facts"]["Retention"] == "13 months"
    assert "<b>" not in sheet._repr_html_()
    assert "13 months" in str(sheet)
    assert sheet.to_pandas() is not sheet.columns
    assert sheet.to_pandas().equals(sheet.columns)
    for text in (markdown.encode(), repr(sheet).encode(), pickle.dumps(sheet)):
        assert b"person-" not in text


def test_unknown_is_said():
    sheet = data_use_sheet("nothing")
    assert set(sheet.facts.values()) == {"not stated"}
    assert len(sheet.columns) == 0
    array = KMeansSegmenter(2, random_state=0).fit(np.arange(10.0).reshape(-1, 1))
    people = pd.DataFrame({"x": [1.0]}, index=pd.Index([1], name="customer_id"))
    assert data_use_sheet("array", model=array, customers=people).columns.loc["x", "used"] == "not stated"
    assert data_use_sheet("none", customers=people, protected=[]).facts["Protected attributes"] == "stated: none"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("age", True),
        ("AgeGroup", True),
        ("customer_age", True),
        ("Year_Birth", True),
        ("MARITAL.STATUS", True),
        ("ETHNIC.CLASS", True),
        ("average", False),
        ("language", True),
        ("page_views", False),
        ("usage", False),
        ("sessions", False),
        ("essex_store", False),
        ("total_spend", False),
    ],
)
def test_names_that_suggest(name, expected):
    assert _suggests(name) is expected


def test_refusals():
    people = pd.DataFrame({"x": [1.0]}, index=pd.Index([1], name="customer_id"))
    with pytest.raises(ColumnError, match="sources names 'y'"):
        data_use_sheet("a", customers=people, sources={"y": "shop"})
    with pytest.raises(ColumnError, match="protected names 'y'"):
        data_use_sheet("a", customers=people, protected=["y"])
    with pytest.raises(ValueError, match="name must be"):
        data_use_sheet(" ")
    with pytest.raises(TypeError, match="consent must have 'purpose'"):
        data_use_sheet("a", consent=people)
    with pytest.raises(TypeError, match="merged must have"):
        data_use_sheet("a", merged=people)
    with pytest.raises(TypeError, match="customers must be a table"):
        data_use_sheet("a", customers=[1])
