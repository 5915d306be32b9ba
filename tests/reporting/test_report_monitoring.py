"""Results about segments over time and about feedback in a report: sections, small cells, leaks, a browser."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil

import numpy as np
import pandas as pd
import pytest

import segmentation as sg
from segmentation import feedback, monitoring
from segmentation.reporting import Report
from segmentation.reporting._publishable import publishable
from segmentation.segmenters import KMeansSegmenter

DATE = "2027-03-31"
E_MAIL, PHONE, HANDLE, SECRET = "ada.lovelace@example.org", "+44 20 7946 0958", "@ada_l", "zanzibarquux marzipan"
NAMES = ("gold", "silver", "bronze", "tin")


def customers_at(date, n=700):
    rng = np.random.default_rng(5)
    level = np.repeat([20.0, 60.0, 150.0, 400.0], [n - 300, 150, 100, 50])
    later = np.random.default_rng(date)
    spend = level * later.lognormal(0.1 * date, 0.25, n)
    visits = np.maximum(rng.poisson(level / 20) + later.integers(0, 2, n), 1)
    ids = pd.Index([f"k{i:04d}" for i in range(n)], name="customer_id")
    return pd.DataFrame({"spend": spend, "visits": visits.astype(float)}, index=ids)


@pytest.fixture(scope="module")
def results():
    """One result of each kind; some cells rest on few customers."""
    then, now = customers_at(0), customers_at(1).iloc[6:]
    old = KMeansSegmenter(4, random_state=0).fit(then)
    new = monitoring.refit(KMeansSegmenter(4, random_state=0), now, previous=old)
    before, after = sg.assign(old, then), sg.assign(new, now)
    texts, answers = feedback_of(before)
    purchases = pd.DataFrame(
        {
            "customer": [one for one in then.index for _ in range(2)],
            "day": pd.to_datetime("2026-01-03")
            + pd.to_timedelta(np.random.default_rng(1).integers(0, 300, 2 * len(then)), unit="D"),
        }
    )
    drift = monitoring.feature_drift(then, now, random_state=0, n_draws=199)
    return {
        "match": monitoring.match_segments(before, after),
        "migration": monitoring.migration(before, after, value=(then["spend"], now["spend"])),
        "history": monitoring.migration({"spring": before, "summer": after, "autumn": sg.assign(new, then)}),
        "split": monitoring.split_migration(old, then, new, now),
        "drift": drift,
        "inside": monitoring.feature_drift(then, now, within=(before, after), random_state=0, n_draws=199),
        "segment drift": monitoring.segment_drift(before, after, values=(then["spend"], now["spend"]), random_state=0),
        "change": monitoring.decompose_change(
            "spend", then.assign(segment=before["segment"]), now.assign(segment=after["segment"]), kind="total",
            random_state=0, n_resamples=199,
        ),
        "advice": monitoring.recommend_refresh(old, then, now, n_refits=5, n_draws=199, random_state=0),
        "quality": monitoring.segment_quality(
            {"then": (then.mask(np.random.default_rng(2).random(then.shape) < 0.05), before), "now": (now, after)}
        ),
        "retention": monitoring.retention(purchases, customer_id="customer", timestamp="day"),
        "nps": feedback.net_promoter(answers, before),
        "satisfaction": feedback.satisfaction(answers, before, items=["service"], scale=(1, 5)),
        "pain": feedback.pain_points(texts, before, rating="rating", n_permutations=99, random_state=0),
    }  # fmt: skip


def feedback_of(before):
    """Return texts with planted personal data and phrases of single customers, and answers."""
    rng = np.random.default_rng(3)
    segment = before["segment"].astype(str).to_numpy()
    rows = []
    for i, one in enumerate(before.index):
        own = "delivery was late again and the parcel came broken" if segment[i] == "segment_1" else "nice quality"
        words = f"{own} and I {rng.choice(['liked', 'saw', 'bought'])} the {rng.choice(['tea', 'lamp', 'coat'])}"
        if i % 97 == 0:
            words += f". Write to {E_MAIL} or {PHONE} or {HANDLE}"
        if i == 11:
            words += f". {SECRET} happened to me"
        rows.append((one, words, float(rng.integers(1, 6))))
    texts = pd.DataFrame(rows, columns=["customer_id", "text", "rating"])
    n = len(before)
    answers = pd.DataFrame(
        {"customer_id": before.index, "nps": rng.integers(0, 11, n), "service": rng.integers(1, 6, n).astype(float)}
    )
    return texts, answers


@pytest.fixture(scope="module")
def ledger_returns(tmp_path_factory):
    path = tmp_path_factory.mktemp("ledger") / "ledger.sqlite"
    with monitoring.ReturnLedger(path) as ledger:
        for month in range(1, 7):
            for name, n in (("gold", 300), ("silver", 200), ("bronze", 4)):
                ledger.add(
                    segment=name, action="mail", period=f"2026-{month:02d}", cost=10.0 * n, outcome=(20.0 + month) * n,
                    n_customers=n if month == 1 else None,
                )  # fmt: skip
        return ledger.returns(by="segment")


@pytest.fixture(scope="module")
def html(results):
    return Report("Over time", list(results.values()), date=DATE).to_html()


def test_every_result_has_a_section_with_a_title_of_its_own(results, html):
    titles = re.findall(r"<h2[^>]*>(.*?)</h2>", html)
    wanted = [
        "What became of the segments",
        "Who moved where",
        "The segments over time",
        "Customers who moved, and definitions that moved",
        "Which features drifted",
        "Which features drifted inside the segments",
        "What changed in each segment",
        "What changed spend",
        "Keep, refit or rebuild",
        "Missing values by segment",
        "Who is still active",
        "Net promoter score",
        "Satisfaction",
        "What hurts each segment",
    ]
    assert [title for title in titles if title in wanted] == wanted
    assert html.count("<svg") >= 7
    assert str(results["nps"]).splitlines()[0] in html.replace("&#43;", "+")


def test_titles_and_further_tables_can_be_given(results):
    page = Report("T", date=DATE).add(results["nps"], "Would they?", tables=["differences"]).to_html()
    assert ">Would they?</h2>" in page
    assert "Would they?: differences" in page
    with pytest.raises(ValueError, match="has no table 'nothing'"):
        Report("T").add(results["nps"], tables=["nothing"])


def test_no_personal_data_and_no_single_phrase_gets_into_the_file(html):
    text = html.lower()
    for planted in (E_MAIL, "ada.lovelace", PHONE, "7946", HANDLE, "zanzibarquux", "marzipan"):
        assert planted.lower() not in text
    assert not re.search(r"\bk\d{4}\b", html)  # an id of a customer


def test_cells_of_few_customers_are_blank_and_said(results, html):
    safe = publishable(results["migration"], 10)
    few = results["migration"].table["n"] < 10
    assert few.any()
    assert safe.tables["table"].loc[few, "n"].isna().all()
    assert safe.tables["table"].loc[few, ["rate", "value_before", "value_after"]].isna().all(axis=None)
    assert "figures not shown: of fewer than 10 customers" in html
    shown = safe.tables["segments"].drop(
        columns=[one for one in safe.tables["segments"] if "share" in one or "rate" in one]
    )
    figures = shown.filter(regex="^(n_|stayed|moved|left|entered)").apply(pd.to_numeric, errors="coerce")
    assert not ((figures > 0) & (figures < 10)).to_numpy().any()
    whole = Report("T", [results["migration"]], minimum_cell=0, date=DATE).to_html()
    assert "figures not shown" not in whole


@pytest.mark.parametrize(
    "name", ["match", "history", "inside", "segment drift", "quality", "retention", "advice", "split"]
)
def test_counts_of_published_tables_are_none_or_many(results, name):
    safe = publishable(results[name], 30)
    for table in safe.tables.values():
        counts = table[
            [one for one in table if re.fullmatch(r"n|n_(before|after|both|old|new|customers|active)", str(one))]
        ]
        counts = counts.drop(columns="n") if name == "retention" else counts  # there it is the number of the period
        figures = counts.apply(pd.to_numeric, errors="coerce")
        assert not ((figures > 0) & (figures < 30)).to_numpy().any(), (name, figures)


def test_cohorts_of_few_customers_are_drawn_nowhere():
    rng = np.random.default_rng(0)
    rows = [(f"a{i}", f"2026-01-{1 + i % 28:02d}") for i in range(60)] + [("b0", "2026-02-03"), ("b1", "2026-02-04")]
    rows += [(f"c{i}", f"2026-03-{1 + i % 28:02d}") for i in range(40)]
    rows += [(one, f"2026-0{rng.integers(4, 7)}-15") for one, _ in rows]
    table = pd.DataFrame(rows, columns=["customer", "day"])
    found = monitoring.retention(table, customer_id="customer", timestamp="day", as_of="2026-07-31")
    safe = publishable(found, 10)
    hidden = safe.tables["table"].set_index(["group", "n"])["n_customers"].isna()
    gone = set(hidden.index.get_level_values(0)[hidden])
    assert "2026-02" in gone
    assert len(gone) >= 2  # or its size would follow from that of everyone
    assert "everyone" not in gone
    assert "2026-02" not in set(safe.picture.table["group"])
    active = pd.to_numeric(safe.tables["table"]["n_active"], errors="coerce")
    assert not ((active > 0) & (active < 10)).any()
    Report("T", [found], date=DATE).to_html()


def test_few_who_left_do_not_show_what_they_were_worth(results):
    change = results["change"]
    assert 0 < change.settings["n_before"] - change.settings["n_both"] < 10
    safe = publishable(change, 10)
    assert safe.tables["table"].loc["exits", "estimate"] is None
    assert safe.tables["table"]["estimate"].isna().sum() >= 2  # or the total would tell
    assert safe.picture is None
    page = Report("T", [change], date=DATE).to_html()
    assert f"{change.table.loc['exits', 'estimate']:,.0f}" not in page


def test_groups_of_a_ledger_with_few_customers(ledger_returns):
    safe = publishable(ledger_returns, 10)
    table = safe.tables["table"].set_index("segment")
    assert pd.isna(table.loc["bronze", "outcome"])
    assert table["outcome"].isna().sum() == 2
    page = Report("T", [ledger_returns], date=DATE).to_html()
    assert "What the money brought" in page
    assert "The picture is not shown" in page
    assert "<svg" in Report("T", [ledger_returns], minimum_cell=0, date=DATE).to_html()


def test_feedback_made_for_smaller_groups_is_not_shown(results):
    page = Report("T", [results["nps"], results["pain"]], minimum_cell=25, date=DATE).to_html()
    assert page.count("Make it with minimum=25") == 2
    assert "<svg" not in page
    assert "<blockquote" not in page


def test_tables_that_cannot_be_judged_are_not_shown(results):
    page = Report("T", date=DATE).add(results["migration"], tables=["counts"]).add(results["split"], tables=["flows"])
    html = page.to_html()
    assert "Who moved where: counts" in html
    assert "The table &#39;flows&#39; is not shown" in html or "The table 'flows' is not shown" in html
    everything = Report("T", minimum_cell=0, date=DATE).add(results["split"], tables=["flows"]).to_html()
    assert "definitions that moved: flows" in everything


def test_customers_stay_out_unless_they_are_asked_for(results):
    page = Report("T", date=DATE).add(results["split"], tables=["customers"]).to_html()
    assert "one row per customer" in page
    assert "k0010" not in page
    page = Report("T", date=DATE).add(results["split"], tables=["customers"], customers=True).to_html()
    assert "k0010" in page


def missing(what):
    if os.environ.get("SEGMENTATION_REQUIRE_ALL"):
        pytest.fail(f"{what} is missing, and SEGMENTATION_REQUIRE_ALL is set")
    pytest.skip(f"{what} is missing")


@pytest.mark.filterwarnings("ignore:.*unclosed.*:ResourceWarning")
@pytest.mark.parametrize(("width", "options"), [(1200, {}), (390, {"is_mobile": True, "has_touch": True})])
def test_in_a_browser_nothing_goes_out_and_nothing_goes_wrong(html, tmp_path, width, options):
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        missing("Chromium")
    if importlib.util.find_spec("playwright") is None:
        missing("playwright")
    from playwright.sync_api import sync_playwright

    file = tmp_path / "report.html"
    file.write_text(html, encoding="utf-8")
    said, asked = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": width, "height": 900}, **options).new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(file.as_uri())
        assert page.title() == "Over time"
        assert page.locator("svg").count() >= 7
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.locator("thead th button").first.click()
        assert page.locator("th[aria-sort]").count() == 1
        browser.close()
    assert said == []
    assert [url for url in asked if url != file.as_uri()] == []
