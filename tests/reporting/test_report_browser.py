"""The report as a reader has it: sorted, followed, printed, on a phone, with evil names; in headless Chromium."""

from __future__ import annotations

import importlib.util
import os
import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import segmentation as sg
from segmentation.prioritizers import ValuePrioritizer
from segmentation.reporting import Report

pytestmark = pytest.mark.filterwarnings("ignore:.*unclosed.*:ResourceWarning")

EVIL = [
    "<script>alert(1)</script>",
    "</style></svg></title><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)" x="',
    "' onfocus=alert(1) autofocus '",
    "{{ 7 * 7 }}{% raw %}",
    "$\\frac{1$ for $100",
    'id="x" url(#y) href="https://example.com/z"',
    "https://example.com/track.png",
    "]]> --> <!-- &lt;b&gt; &#60;",
    "javascript:alert(1)",
    "\u202eright to left\u202c \u05e9\u05dc\u05d5\u05dd \u0627\u0644\u0639\u0631\u0628\u064a\u0629",
    "W" * 200,
    "many words of a name " * 10,
    "__proto__",
    "null\x00 bell\x07 escape\x1b[31m",
]


def missing(what):
    """Skip by name; the project's own run provides the browser and does not accept it."""
    if os.environ.get("SEGMENTATION_REQUIRE_ALL"):
        pytest.fail(f"{what} is missing, and SEGMENTATION_REQUIRE_ALL is set")
    pytest.skip(f"{what} is missing")


@pytest.fixture(scope="module")
def browser():
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        missing("Chromium")
    if importlib.util.find_spec("playwright") is None:
        missing("playwright")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser, tmp_path):
    """Open a report; what the console says, what is asked for outside and every dialog are recorded."""
    contexts = []

    def open_report(html, width=1200, height=900, **options):
        path = tmp_path / f"report{len(contexts)}.html"
        path.write_text(html, encoding="utf-8")
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        seen = SimpleNamespace(console=[], requests=[], dialogs=[], address=path.as_uri())
        page.on("console", lambda message: seen.console.append(message.text))
        page.on("pageerror", lambda error: seen.console.append(str(error)))

        def dialog(one):
            seen.dialogs.append(one.message)
            one.dismiss()

        def route(one):
            if one.request.url == seen.address:
                one.continue_()
            else:
                seen.requests.append(one.request.url)
                one.abort()

        page.on("dialog", dialog)
        page.route("**/*", route)
        page.goto(seen.address)
        return page, seen

    yield open_report
    for context in contexts:
        context.close()


def market(names, seed=0):
    """Return an assignment, scores and features of customers in segments of these names."""
    rng = np.random.default_rng(seed)
    sizes = 20 + 7 * np.arange(len(names))[::-1]
    index = pd.RangeIndex(sizes.sum(), name="customer_id")
    segment = pd.Series(np.repeat(np.array(names, dtype=object), sizes), index=index)
    scores = pd.DataFrame({"clv": rng.lognormal(3, 1, len(index))}, index=index)
    features = pd.DataFrame(
        {
            "age": rng.normal(45, 12, len(index)).round(1),
            "visits": rng.poisson(4, len(index)),
            "region": rng.choice([names[0], "north", "south"], len(index)),
        },
        index=index,
    )
    return segment, scores, features


def report_of(names, title="Customers", results=(), **options):
    segment, scores, features = market(names)
    profile = sg.profile_segments(segment, scores=scores, features=features)
    plan = ValuePrioritizer(by="clv_total").prioritize(profile)
    return Report.from_segmentation(
        segment, profile, plan, features=features, title=title, results=results, date="2027-03-31", **options
    )


class Result:
    """A result as any package may make one, with names of its own in every part."""

    def __init__(self, names):
        self.table = pd.DataFrame({name: np.arange(3.0) for name in names}, index=list(names[:3]))
        self.warnings = tuple(names)
        self.findings = tuple(names)
        self.settings = {name: name for name in names}
        self.names = names

    def __str__(self):
        return self.names[0]

    def plot(self, ax=None):
        import matplotlib.pyplot as plt

        ax = plt.figure().subplots() if ax is None else ax
        ax.barh(range(len(self.names)), range(len(self.names)), label=self.names[5])
        ax.set_yticks(range(len(self.names)), [name[:40] for name in self.names])
        ax.set_title(self.names[0])
        ax.set_xlabel(self.names[5])
        ax.annotate(self.names[1], (1, 1))
        ax.legend()
        return ax


@pytest.fixture(scope="module")
def evil_html():
    report = report_of(EVIL, title=EVIL[1], text="\n\n".join(EVIL), results={EVIL[0]: Result(EVIL)})
    return report.to_html()


@pytest.fixture(scope="module")
def html():
    return report_of(["gold", "silver", "bronze", "tin"]).to_html()


def shown(page, column, table=0):
    """Return the texts of a column of a table as they stand, of estimates without their interval."""
    cells = page.locator("table.sortable").nth(table).locator(f"tbody tr > :nth-child({column})")
    return [text.split("\n")[0] for text in cells.all_inner_texts()]


def test_nothing_goes_out_and_nothing_goes_wrong(opened, html):
    page, seen = opened(html)
    assert page.title() == "Customers"
    assert page.locator("svg").count() == 2
    assert (seen.console, seen.requests, seen.dialogs) == ([], [], [])
    # and the page may not: whoever got a script or a link in would ask in vain
    asked = page.evaluate(
        """() => {
            const image = new Image(); image.src = "https://example.com/a.png"; document.body.append(image);
            return fetch("https://example.com/").then(() => "sent", () => "refused");
        }"""
    )
    assert asked == "refused"
    assert seen.requests == []
    assert any("Content Security Policy" in text for text in seen.console)


def test_numbers_sort_as_numbers_by_click_and_by_key(opened, html):
    page, _ = opened(html)
    header = page.locator("table.sortable").first.locator("thead th", has_text="customers").first
    button = header.locator("button")
    assert header.get_attribute("aria-sort") is None
    button.click()
    assert header.get_attribute("aria-sort") == "descending"
    assert shown(page, 2) == ["41", "34", "27", "20"]
    button.focus()
    page.keyboard.press("Enter")
    assert header.get_attribute("aria-sort") == "ascending"
    assert shown(page, 2) == ["20", "27", "34", "41"]
    page.keyboard.press("Space")
    assert shown(page, 1) == ["gold", "silver", "bronze", "tin"]
    # names as words; and the mark of the column sorted before is gone
    page.locator("table.sortable").first.locator("thead th button").first.click()
    assert shown(page, 1) == ["bronze", "gold", "silver", "tin"]
    assert page.locator("th[aria-sort]").count() == 1


def test_missing_values_are_last_in_both_directions(opened):
    table = pd.DataFrame({"figure": [1200.0, np.nan, 9.0, -30.0, 1e-9]}, index=pd.Index(list("abcde"), name="row"))
    page, _ = opened(Report("T", [table]).to_html())
    button = page.locator("thead th button").nth(1)
    button.click()
    assert shown(page, 1) == ["a", "c", "e", "d", "b"]
    button.click()
    assert shown(page, 1) == ["d", "e", "c", "a", "b"]


def test_every_anchor_leads_to_its_section(opened, evil_html):
    page, _ = opened(evil_html)
    targets = page.evaluate("[...document.querySelectorAll('a[href^=\"#\"]')].map(a => a.getAttribute('href'))")
    assert len(targets) >= 6
    assert all(page.evaluate("h => document.querySelectorAll(h).length", target) == 1 for target in targets)
    page.locator("nav a").nth(1).click()
    assert page.evaluate("location.hash") == "#section-2"
    assert 0 <= page.locator("#section-2").bounding_box()["y"] < 300
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))


def test_evil_names_are_only_text(opened, evil_html):
    page, seen = opened(evil_html)
    page.mouse.move(200, 300)
    for button in page.locator("thead th button").all()[:12]:
        button.click()
    assert (seen.console, seen.requests, seen.dialogs) == ([], [], [])
    assert page.locator("script").count() == 1
    assert page.locator("img, iframe, object, embed, link, base, form").count() == 0
    handlers = "[...document.querySelectorAll('*')].filter(e => [...e.attributes].some(a => a.name.startsWith('on')))"
    assert page.evaluate(f"{handlers}.length") == 0
    assert page.evaluate("[...document.querySelectorAll('a')].every(a => a.getAttribute('href').startsWith('#'))")
    assert "49" not in page.locator("#summary").inner_text()
    names = page.locator("table.sortable").first.locator("tbody th").all_inner_texts()
    assert {name.strip() for name in names} >= {EVIL[0], EVIL[2], EVIL[4], EVIL[5], EVIL[11]}
    # the picture of a result shows a dollar sign as one, and its title as it is
    drawn = page.locator("svg").last.inner_html()
    assert "$\\frac{1$ for $100" in drawn
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in drawn


@pytest.mark.parametrize("name", ["html", "evil_html"])
def test_a_phone_scrolls_down_and_not_sideways(opened, request, name):
    page, _ = opened(request.getfixturevalue(name), 390, 844, is_mobile=True, has_touch=True)
    width, inner = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert inner == 390
    assert width <= 390
    wide = page.locator(".wide").first
    assert wide.get_attribute("tabindex") == "0"  # what is wider scrolls by itself, also by key
    assert page.screenshot(full_page=True)[:4] == b"\x89PNG"


def test_it_prints_with_folded_parts_open(opened, evil_html):
    page, seen = opened(evil_html)
    assert page.locator("details:not([open])").count() > 0
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() > 0
    document = page.pdf(format="A4")
    assert document[:5] == b"%PDF-"
    assert len(document) > 20_000
    assert seen.requests == []


def test_dark_rooms_get_a_dark_page_with_readable_pictures(opened, html):
    page, _ = opened(html, color_scheme="dark")
    red, green, blue = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert max(red, green, blue) < 60
    assert page.evaluate("getComputedStyle(document.querySelector('.picture')).backgroundColor") == "rgb(255, 255, 255)"


def test_without_the_script_everything_is_there(opened, html):
    page, seen = opened(html, java_script_enabled=False)
    assert page.locator("thead th button").count() == 0
    assert page.locator("tbody th").first.inner_text() == "bronze"
    assert seen.console == []


def test_in_a_notebook_it_keeps_to_its_frame(opened):
    report = report_of(EVIL[:4])
    outside = "<!DOCTYPE html><p id=mine>mine</p><h1>mine</h1>"
    page, seen = opened(f"{outside}{report._repr_html_()}")
    colour = "getComputedStyle(document.getElementById('mine')).maxWidth"
    assert page.evaluate(colour) == "none"  # a paragraph of the report has a largest width
    frame = page.frames[1]
    frame.wait_for_selector("thead th button")
    frame.locator("thead th button").nth(1).click()
    assert frame.locator("th[aria-sort]").count() == 1
    assert page.evaluate("document.querySelector('iframe').contentDocument") is None  # of another origin
    assert (seen.console, seen.dialogs) == ([], [])
    assert [url for url in seen.requests if not url.startswith("about:")] == []
