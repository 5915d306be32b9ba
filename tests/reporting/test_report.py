"""What a report takes, says, leaves out and promises; how it looks in a browser is in test_report_browser."""

from __future__ import annotations

import datetime as dt
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import polars as pl
import pytest
from matplotlib.figure import Figure

import segmentation as sg
from segmentation import datasets, evaluation, features, governance, scorers
from segmentation.evaluation import describe_segments
from segmentation.prioritizers import ValuePrioritizer
from segmentation.reporting import Report
from segmentation.reporting._html_svg import picture_of, with_prefix
from segmentation.reporting._report_cells import published
from segmentation.reporting._tables import plain_text, table_view
from segmentation.segmenters import KMeansSegmenter

DATE = "2027-03-31"
SIZES = {"gold": 60, "silver": 40, "bronze": 30, "tin": 4}


class Reader(HTMLParser):
    """Collects tables, texts, tags and attributes of a page."""

    def __init__(self, html):
        super().__init__()
        self.tables, self.texts, self.tags, self.links = [], [], [], []
        self._cell = None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("href", "src", "action")]
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th") and self.tables:
            self._cell = ""
        elif tag == "span" and self._cell is not None and ("class", "interval") in attrs:
            self._cell += " | "

    def handle_endtag(self, tag):
        if tag in ("td", "th") and self._cell is not None:
            self.tables[-1][-1].append(self._cell)
            self._cell = None

    def handle_data(self, data):
        self.texts.append(data)
        if self._cell is not None:
            self._cell += data

    @property
    def text(self):
        return " ".join("".join(self.texts).split())


@pytest.fixture(scope="module")
def customers():
    rng = np.random.default_rng(0)
    names = np.repeat(list(SIZES), list(SIZES.values()))
    index = pd.RangeIndex(len(names), name="customer_id")
    return pd.DataFrame(
        {"segment": names, "clv": rng.lognormal(3, 1, len(names)), "age": rng.normal(40, 9, len(names))}, index=index
    )


@pytest.fixture(scope="module")
def profile(customers):
    return sg.profile_segments(customers["segment"], scores=customers[["clv"]], features=customers[["age"]])


@pytest.fixture(scope="module")
def plan(profile):
    return ValuePrioritizer(by="clv_total").prioritize(profile)


@pytest.fixture(scope="module")
def report(customers, profile, plan):
    return Report.from_segmentation(customers["segment"], profile, plan, features=customers[["age"]], date=DATE)


class Result:
    """A result as the protocol has it."""

    def __init__(self, table, warnings=(), findings=(), settings=None):
        self.table, self.warnings, self.findings = table, warnings, findings
        self.settings = settings or {}

    def __str__(self):
        return "What was found\nand more"

    def plot(self, ax=None):
        import matplotlib.pyplot as plt

        ax = plt.figure(figsize=(3, 2)).subplots() if ax is None else ax
        ax.bar(["a", "b"], [1, 2])
        return ax


# ------------------------------------------------------------------------------------------------ what it contains


def test_profile_and_plan_become_tables_with_the_figures_of_the_library(report, profile, plan):
    reader = Reader(report.to_html())
    first, second = reader.tables[:2]
    rows = {row[0]: row[1:] for row in first[1:]}
    for name in ("gold", "silver"):
        given = profile.loc[name]
        assert rows[name][:2] == [f"{given['n_customers']:,.0f}", f"{100 * given['share']:.1f} %"]
        assert float(rows[name][3].replace(",", "")) == pytest.approx(given["clv_total"], abs=0.51)
    assert [row[0] for row in second[1:]] == list(plan.index)
    assert [row[3] for row in second[1:] if row[0] in ("gold", "silver")] == list(
        plan.loc[["gold", "silver"], "reason"]
    )


def test_the_summary_says_only_what_the_tables_say(customers, profile, plan):
    whole = profile.drop(index="tin")
    whole = whole.assign(share=whole["n_customers"] / 130)
    text = Report("T", [whole, plan.drop(index="tin")], date=DATE).summary
    first = plan.index[0]
    assert text.splitlines() == [
        "130 customers in 3 segments.",
        "The largest is gold: 60 customers (46.2 %).",
        next(line for line in text.splitlines() if line.startswith("The most clv is in ")),
        *[line for line in text.splitlines() if line.startswith("Per customer ")],
        f"What to do first: act on {first}. The reason: {plan.loc[first, 'reason']}.",
    ]
    # without a plan nothing is said about what to do, without scores nothing about value
    sizes = sg.profile_segments(customers["segment"][:130])
    assert Report("T", [sizes], date=DATE).summary == (
        "130 customers in 3 segments.\nThe largest is gold: 60 customers (46.2 %)."
    )
    assert Report("T", text="Only this.").summary == "Only this."


def test_unassigned_and_empty_segments_are_said():
    segment = pd.Series(
        pd.Categorical(["a"] * 40 + ["b"] * 30 + ["unassigned"] * 20, categories=["a", "b", "c", "unassigned"]),
        index=pd.RangeIndex(90, name="customer_id"),
    )
    text = Report.from_segmentation(segment).summary
    assert "90 customers in 3 segments." in text
    assert "20 customers (22.2 %) in no segment." in text
    assert "1 segment without any customer." in text


def test_a_result_is_read_by_the_protocol():
    table = pd.DataFrame({"value": [0.5, 0.25], "value_low": [0.4, 0.1], "value_high": [0.6, 0.4]}, index=["x", "y"])
    result = Result(table, ("mind this",), ("found that",), {"alpha": 0.05, "names": ["p", "q"]})
    reader = Reader(Report("T", {"A title": result}, date=DATE).to_html())
    assert reader.tables[0] == [["", "value"], ["x", "0.500 | 0.400 to 0.600"], ["y", "0.250 | 0.100 to 0.400"]]
    assert reader.tables[1] == [["alpha", "0.05"], ["names", "p, q"]]
    for text in ("A title", "What was found", "mind this", "found that"):
        assert text in reader.text
    assert "and more" not in reader.text  # the table says it
    assert reader.tags.count("svg") == 1
    assert "1 remark to mind, in this section: A title" in reader.text
    assert "svg" not in Reader(Report("T").add(result, plot=False).to_html()).tags


def test_a_result_without_a_table_is_shown_as_it_prints():
    class Words:
        def __str__(self):
            return "Headline\n  one line\n  <b>another</b>"

        def _repr_html_(self):
            return "<script>alert(1)</script>"

    reader = Reader(Report("T", [Words()]).to_html())
    assert "Headline one line <b>another</b>" in reader.text
    assert "alert" not in reader.text
    assert Report("T", [Words()])._sections[0].title == "Words"


def test_results_of_the_library_fit_the_protocol():
    orders = datasets.load_cdnow()
    columns = {"customer_id": "customer_id", "timestamp": "timestamp", "amount": "amount"}
    table, orders_report = features.rfm_table(orders, **columns, return_report=True)
    purchases = features.btyd_table(orders, **columns)
    segment = pd.cut(table["n_purchases"], [0, 1, 3, 99], labels=["once", "some", "many"]).astype(object)
    group = pd.Series(np.where(table.index.to_numpy() % 2 == 0, "even", "odd"), index=table.index, name="parity")
    results = {
        "orders": orders_report,
        "checks": scorers.check_purchases(purchases),
        "groups": features.correlated_groups(table),
        "anonymity": governance.k_anonymity(table.assign(segment=segment).reset_index(), ["segment"]),
        "proxies": governance.proxy_audit(segment, group, random_state=0),
        "sheet": governance.data_use_sheet("Groups", purposes="test", retention="a year"),
    }
    reader = Reader(Report.from_segmentation(segment, features=table, results=results).to_html())
    for result in results.values():
        assert str(result).splitlines()[0] in reader.text
    assert "in 3 segments" in reader.text


def test_a_result_that_has_nothing_to_draw_says_so_and_stops_nothing():
    class Undrawable:
        table = pd.DataFrame({"n_customers": [40, 60]}, index=["a", "b"])

        def __str__(self):
            return "Two groups"

        def plot(self, ax=None):
            raise ValueError("a second axis is needed")

    segment = pd.Series(["a"] * 60 + ["b"] * 40, index=pd.RangeIndex(100, name="customer_id"))
    reader = Reader(Report.from_segmentation(segment, results={"matrix": Undrawable()}).to_html())
    assert "No picture: a second axis is needed" in reader.text
    assert "Two groups" in reader.text


def test_tables_of_any_kind_figures_and_text_are_taken():
    figure = Figure(figsize=(3, 2))
    figure.subplots().plot([1, 2], [3, 4])
    frame = pl.DataFrame({"name": ["x", "y"], "value": [1, 2]})
    report = Report("T", date=DATE).add(frame, "Polars").add(figure, "A picture", "seen from above")
    report.add(figure.axes[0]).add(pd.Series([1, 2], index=["p", "q"], name="n")).add("One.\n\n- two\n- three")
    reader = Reader(report.to_html())
    assert reader.tables[0] == [["name", "value"], ["x", "1"], ["y", "2"]]
    assert reader.tables[1] == [["", "n"], ["p", "1"], ["q", "2"]]
    assert reader.tags.count("svg") == 2
    assert "seen from above" in reader.text
    assert repr(report) == "Report 'T' of 2027-03-31: 5 sections (Polars, A picture, Axes, Table, Remarks)"


def test_a_display_is_drawn_and_left_without_a_window():
    import matplotlib.pyplot as plt

    class ShareDisplay:
        def plot(self, ax=None):
            self.figure_ = plt.figure(figsize=(2, 2))
            self.figure_.subplots().set_title("drawn")
            return self

    kept = plt.figure()
    before = plt.get_fignums()
    html = Report("T", [ShareDisplay(), Result(pd.DataFrame({"a": [1]}))]).to_html()
    assert plt.get_fignums() == before
    plt.close(kept)
    assert ">drawn<" in html


def test_what_was_added_stays_as_it_was():
    table = pd.DataFrame({"value": [1, 2]}, index=["x", "y"])
    report = Report("T", [table], date=DATE)
    before = report.to_html()
    table.loc["x", "value"] = 99
    assert report.to_html() == before


def test_further_tables_are_shown_when_asked_for():
    result = Result(pd.DataFrame({"a": [1]}))
    result.details = pd.DataFrame({"b": [2]})
    assert len(Reader(Report("T").add(result).to_html()).tables) == 2  # with the versions
    assert Reader(Report("T").add(result, tables=["details"]).to_html()).tables[1] == [["b"], ["2"]]
    with pytest.raises(ValueError, match="has no table 'other'"):
        Report("T").add(result, tables=["other"])
    with pytest.raises(TypeError, match="put it in brackets"):
        Report("T").add(result, tables="details")


# ------------------------------------------------------------------------------------------------- small cells


def figures_of(reader):
    return {cell for table in reader.tables for row in table for cell in row}


def test_small_segments_are_not_shown_by_default(report, profile, plan):
    reader = Reader(report.to_html())
    rows = {row[0]: row[1:] for row in reader.tables[0][1:]}
    # four customers; with bronze gone too they cannot be computed
    assert set(rows["tin"]) == {"not shown"} == set(rows["bronze"])
    plan_rows = {row[0]: row[1:] for row in reader.tables[1][1:]}
    assert plan_rows["tin"][1:] == ["not shown", "not shown: it rests on figures that are suppressed"]
    assert plan_rows["tin"][0] == str(plan.loc["tin", "priority"])
    for name in ("tin", "bronze"):
        for column in ("clv_total", "clv_mean", "age"):
            assert f"{profile.loc[name, column]:,.1f}" not in reader.text
    assert "2 segments are not shown, because of groups of fewer than 10 customers." in report.summary
    assert "The largest of those shown is gold" in report.summary
    assert "fewer than 10 customers are not shown" in reader.text


def test_showing_everything_must_be_asked_for_and_is_said(customers, profile):
    report = Report.from_segmentation(customers["segment"], profile, minimum_cell=0)
    reader = Reader(report.to_html())
    assert "not shown" not in reader.text
    assert {row[0]: row[1] for row in reader.tables[0][1:]}["tin"] == "4"
    assert "this is no report to publish" in reader.text
    assert "fewer than 50" in Reader(Report("T", [profile], minimum_cell=50).to_html()).text


def test_other_results_keep_quiet_about_small_segments(customers, profile):
    index = pd.Index(list(SIZES), name="segment")
    stability = pd.DataFrame({"stability": [0.9, 0.8, 0.7, 0.123456], "word": list("wxyz")}, index=index)
    result = Result(stability, ("'tin' has only 4 customers", "all is well"), ("tin is odd", "a tint of gold"))
    pairs = pd.DataFrame({"segment_a": ["gold", "gold"], "segment_b": ["silver", "tin"], "n_shared": [11.5, 3.77]})
    square = pd.DataFrame(np.full((4, 4), 2.22), index=list(SIZES), columns=list(SIZES))
    results = {"stability": result, "pairs": pairs, "square": square}
    report = Report.from_segmentation(customers["segment"], profile, results=results)
    reader = Reader(report.to_html())
    _, stable, shared, crossed, _ = reader.tables
    assert stable[1:] == [
        ["gold", "0.900", "w"],
        ["silver", "0.800", "x"],
        *([n, "not shown", "not shown"] for n in ("bronze", "tin")),
    ]
    assert shared[1:] == [["gold", "silver", "11.50"], ["gold", "tin", "not shown"]]
    assert crossed[1] == ["gold", "2.22", "2.22", "not shown", "not shown"]
    assert crossed[3][1:] == ["not shown"] * 4
    assert "only 4 customers" not in reader.text
    assert "tin is odd" not in reader.text
    assert "a tint of gold" in reader.text
    assert "all is well" in reader.text
    assert "2 sentences about segments that are not shown are left out." in reader.text
    assert "The picture is not shown" in reader.text
    assert reader.tags.count("svg") == 2  # those of the profile


def test_sizes_in_other_tables_are_judged_by_themselves():
    table = pd.DataFrame(
        {"n_customers": [50, 9, 30], "stability": [0.9, 0.8, 0.7]}, index=pd.Index(["a", "b", "c"], name="segment")
    )
    one = published(table, 10, frozenset(), frozenset(), customers=False)
    assert one.table["stability"].tolist() == [0.9, None, None]  # c goes too: the rest of a known sum
    assert published(table, 5, frozenset(), frozenset(), customers=False).is_whole
    assert published(table, 0, frozenset("b"), frozenset("abc"), customers=False).is_whole
    # what is no table of segments is left alone
    other = table.rename_axis("variable")
    assert published(other, 10, frozenset(), frozenset(), customers=False).is_whole


def test_customers_are_not_shown_unless_asked_for(customers):
    per_customer = customers[["clv"]]
    assignment = sg.assignment.as_assignment(customers["segment"])
    reader = Reader(Report("T", [per_customer]).to_html())
    assert len(reader.tables) == 1  # the versions
    assert "one row per customer and is not shown" in reader.text
    assert len(Reader(Report("T").add(per_customer, customers=True).to_html()).tables[0]) == 1 + len(customers)
    sizes = Reader(Report("T", [assignment]).to_html()).tables[0]
    assert [row[0] for row in sizes[1:]] == sorted(SIZES)
    found = Result(pd.DataFrame({"count": [2], "examples": [["customer 17", "customer 18"]]}, index=["odd"]))
    assert "customer 17" not in Reader(Report("T", [found]).to_html()).text
    assert "customer 17" in Reader(Report("T").add(found, customers=True).to_html()).text


def test_the_fingerprint_gives_no_small_cell_away(customers, profile):
    other = profile.copy()
    other.loc["tin", ["clv_mean", "clv_total", "age"]] += 1
    prints = [Report("T", [table], date=DATE).fingerprint for table in (profile, other)]
    assert prints[0] == prints[1]


# ------------------------------------------------------------------------------------------------- promises


def test_equal_inputs_give_an_equal_file(customers, profile, plan):
    def make(date=DATE, **changes):
        segment = customers["segment"]
        return Report.from_segmentation(segment, profile, plan, **{"title": "T", "date": date, **changes})

    assert make().to_html() == make().to_html()
    later = make(date="2027-04-01")
    assert later.fingerprint == make().fingerprint
    assert later.to_html().replace("2027-04-01", DATE) == make().to_html()
    assert make(title="U").fingerprint != make().fingerprint
    assert make(minimum_cell=5).fingerprint != make().fingerprint
    changed = profile.copy()
    changed.loc["gold", "age"] += 1e-9
    assert Report("T", [changed]).fingerprint != Report("T", [profile]).fingerprint


def test_equal_in_another_process(tmp_path):
    code = (
        "import pandas as pd; from segmentation.reporting import Report\n"
        "profile = pd.DataFrame({'n_customers': [30, 20], 'share': [.6, .4], 'x': [1., 2.]},"
        " index=pd.Index(['a', 'b'], name='segment'))\n"
        "import hashlib; r = Report('T', [profile], date='2027-03-31')\n"
        "print(r.fingerprint, hashlib.sha256(r.to_html().encode()).hexdigest())"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={**__import__("os").environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1


def test_the_file_needs_nothing_else(report):
    html = report.to_html()
    reader = Reader(html)
    assert all(link.startswith("#") for link in reader.links)
    assert reader.tags.count("script") == 1
    assert not re.search(r"@import|@font-face|url\((?!#)", html)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)[1]
    assert policy.startswith("default-src &#39;none&#39;; script-src &#39;sha256-")
    assert "http:" not in html.replace("http://www.w3.org", "")
    assert "https:" not in html


def test_saving_writes_whole_files_and_replaces_none_unasked(report, tmp_path):
    path = report.save(tmp_path / "report.html")
    assert path.read_text(encoding="utf-8") == report.to_html()
    with pytest.raises(FileExistsError, match="overwrite=True"):
        report.save(path)
    assert report.save(str(path), overwrite=True) == path
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]
    with pytest.raises(ValueError, match=r"must end in \.html"):
        report.save(tmp_path / "report.pdf")
    with pytest.raises(FileNotFoundError):
        report.save(tmp_path / "nowhere" / "report.html")


def test_thirty_segments_and_a_dense_cloud_stay_small(tmp_path):
    names = [f"segment {i} " + "long name " * 8 for i in range(30)]
    rng = np.random.default_rng(0)
    index = pd.RangeIndex(3000, name="customer_id")
    segment = pd.Series(np.repeat(names, 100), index=index)
    table = pd.DataFrame(rng.normal(size=(3000, 14)), index=index).rename(columns="feature_{}".format)
    figure = Figure(figsize=(6, 4))
    figure.subplots().scatter(rng.normal(size=100_000), rng.normal(size=100_000), s=1)
    scores = pd.DataFrame({"clv": rng.lognormal(size=3000)}, index=index)
    report = Report.from_segmentation(segment, scores=scores, features=table, results={"map": figure})
    assert len(report.to_html().encode()) < 1_000_000
    assert not figure.axes[0].collections[0].get_rasterized()  # left as it was


def test_a_notebook_gets_a_frame_of_its_own(report):
    shown = report._repr_html_()
    assert shown.startswith('<iframe title="Report: Customer segments" sandbox="allow-scripts" srcdoc="&lt;!DOCTYPE')
    assert Reader(shown).tags == ["iframe"]


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
def test_a_missing_package_is_named_with_the_command(profile, monkeypatch, package):
    gone = [name for name in sys.modules if name.split(".")[0] == package]
    for name in gone:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf'need {package}.*pip install "customer-segments\[report\]"'):
        Report("T", [profile]).to_html()
    if package == "matplotlib":
        assert "svg" not in Reader(Report("T").add(profile, plot=False).to_html()).tags


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Report(" "), ValueError, "title must be a text"),
        (lambda: Report("T", minimum_cell=-1), ValueError, "minimum_cell must be a whole number"),
        (lambda: Report("T", minimum_cell=True), ValueError, "minimum_cell must be a whole number"),
        (lambda: Report("T", date="soon"), ValueError, "date must be a date"),
        (lambda: Report("T", results="text"), TypeError, "put a single result in brackets"),
        (lambda: Report("T", results=pd.DataFrame()), TypeError, "put a single result in brackets"),
        (lambda: Report("T").add(42), TypeError, "a report takes results of this library.*got int"),
        (lambda: Report("T").add(Result), TypeError, "a report takes results of this library"),
    ],
)
def test_bad_input_says_what_is_expected(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_dates_of_every_kind():
    assert Report("T").date == dt.date.today()
    for given in (DATE, dt.date(2027, 3, 31), dt.datetime(2027, 3, 31, 12), pd.Timestamp(DATE)):
        assert Report("T", date=given).date == dt.date(2027, 3, 31)


# ------------------------------------------------------------------------------------------------- parts


def shown(values, name="value", **options):
    return [row[0].text for row in table_view(pd.DataFrame({name: values}), "T", **options).rows]


@pytest.mark.parametrize(
    ("values", "name", "texts"),
    [
        ([1, 2000], "value", ["1", "2,000"]),
        ([1.0, np.nan], "value", ["1", "\u2013"]),
        ([1234.5, 0.25], "value", ["1,234", "0.25"]),  # what rounding would lose keeps its digits
        ([0.1234, 0.5], "clv_share", ["12.3 %", "50.0 %"]),
        ([0.25, 1.5], "clv_share", ["0.25", "1.50"]),
        ([0.25], "region=north", ["25.0 %"]),
        ([0.000012, 0.5], "p_value", ["1.2e-05", "0.500"]),
        ([np.inf, 1.5], "value", ["inf", "1.50"]),
        ([True, False], "value", ["yes", "no"]),
        ([pd.Timestamp("2027-01-02"), pd.NaT], "value", ["2027-01-02", "\u2013"]),
        ([{"a": 1.5, "b": None}, ["x", 2]], "value", ["a = 1.5; b = \u2013", "x, 2"]),
        ([None, "text"], "value", ["\u2013", "text"]),
        ([3, "three"], "value", ["3", "three"]),
    ],
)
def test_values_as_people_write_them(values, name, texts):
    assert shown(pd.Series(values, dtype=object if isinstance(values[0], dict | list) else None), name) == texts


def test_long_tables_are_cut_and_say_so():
    view = table_view(pd.DataFrame({"n": range(700)}), "T")
    assert len(view.rows) == 500
    assert view.left_out == "200 more rows not shown; the result's table has all 700."


def test_several_levels_and_odd_columns():
    index = pd.MultiIndex.from_product([["a", "b"], [1, 2]], names=["segment", None])
    table = pd.DataFrame(
        np.arange(8).reshape(4, 2), index=index, columns=pd.MultiIndex.from_tuples([("x", 1), ("x", 2)])
    )
    view = table_view(table, "T")
    assert [column.label for column in view.columns] == ["segment", "", "x / 1", "x / 2"]
    assert [cell.text for cell in view.rows[3]] == ["b", "2", "6", "7"]
    assert table_view(pd.DataFrame(), "T").rows == ()


def test_texts_are_the_same_in_every_run():
    assert plain_text(object()) == "<object object>"
    assert plain_text({3, 1, 2}) == "1, 2, 3"


def test_pictures_beside_each_other_share_no_name():
    def one():
        figure = Figure(figsize=(3, 2))
        ax = figure.subplots()
        ax.plot([1, 2, 3], [3, 1, 2], "o-")
        ax.set_title('id="x" url(#y) href="z"')
        return picture_of(figure)

    assert one() == one()
    first, second = (with_prefix(one(), f"picture-{n}-", "") for n in (1, 2))
    names = [re.findall(r' id="([^"]*)"', svg) for svg in (first, second)]
    assert names[0]
    assert not set(names[0]) & set(names[1])
    for svg, own in zip((first, second), names, strict=True):
        assert {*re.findall(r"url\(#(picture[^)]*)\)", svg), *re.findall(r'href="#([^"]*)"', svg)} <= set(own)
    assert 'id="x" url(#y) href="z"' in first.replace("&quot;", '"')


def test_formulas_are_the_users_and_dollars_the_datas():
    figure = Figure(figsize=(3, 2))
    ax = figure.subplots()
    ax.set_title("$100 to $200")
    ax.set_yscale("log")
    ax.plot([1, 10], [1, 1000])
    literal = picture_of(figure, names_are_literal=True).svg
    assert "$100 to $200" in literal
    assert "mathdefault" not in literal  # ticks of logarithms are written by matplotlib


def test_a_sentence_beside_many_figures_has_room():
    table = pd.DataFrame({**{f"figure_{i}": [0.123] for i in range(15)}, "reading": ["stable; more starts first " * 3]})
    view = table_view(table, "Stability")
    assert [column.width for column in view.columns] == [0] * 15 + [24]


def test_a_finding_that_is_the_headline_is_said_once():
    class Result:
        table = pd.DataFrame({"a": [1, 2]})
        findings = ("Nine of ten agree", "One does not")

        def __str__(self):
            return "Nine of ten agree\n  One does not"

    assert Report("r", [Result()]).to_html().count("Nine of ten agree") == 1


def test_a_description_tells_its_markers_and_descriptors_in_the_report():
    ids = pd.RangeIndex(200, name="customer_id")
    rng = np.random.default_rng(0)
    club = pd.DataFrame({"club": [0] * 100 + [1] * 100}, index=ids)
    age = pd.DataFrame({"age": np.r_[rng.normal(30, 3, 100), rng.normal(50, 3, 100)]}, index=ids)
    found = describe_segments(pd.Series(["x"] * 100 + ["y"] * 100, index=ids), club, descriptors=age, random_state=0)
    assert found.findings[0] == "Markers of x: club 0.0 % (all: 50.0 %)"
    page = Report("r", [found]).to_html()
    assert all(text.replace("<", "&lt;") in page for text in found.findings)
    assert found.findings[-1].startswith("age: share of variance explained")


def test_columns_that_tell_most_come_first():
    class Result:
        columns_first = {"table": ("verdict", "not there"), "more": ("b",)}  # noqa: RUF012
        table = pd.DataFrame({"n": [1], "p": [0.5], "verdict": ["keep"]}, index=pd.Index(["x"], name="segment"))
        more = pd.DataFrame({"a": [1], "b": [2], "b_low": [1], "b_high": [3]})

        def __str__(self):
            return "A verdict"

    page = Report("r").add(Result(), tables=["more"]).to_html()
    heads = re.findall(r"<th[^>]*>(.*?)</th>", page, flags=re.DOTALL)
    told = [re.sub(r"<[^>]+>|\s", "", head) for head in heads]
    assert [name for name in told if name in ("segment", "verdict", "n", "p", "a", "b")] == [
        "segment", "verdict", "n", "p", "b", "a",
    ]  # fmt: skip


def test_columns_named_as_telling_are_there():
    ids = pd.RangeIndex(400, name="customer_id")
    rng = np.random.default_rng(0)
    segments = pd.Series(rng.choice(["x", "y"], 400), index=ids)
    other = pd.Series(rng.choice(["v", "w"], 400), index=ids)
    lines = pd.DataFrame({"who": rng.integers(0, 400, 2000), "what": rng.choice(["tea", "egg"], 2000)})
    X = pd.DataFrame({"a": rng.normal(size=400), "b": rng.normal(size=400)}, index=ids)
    member = pd.DataFrame({"x": segments == "x", "v": other == "v"})
    kmeans = KMeansSegmenter(n_clusters=2, n_init=1, random_state=0)
    optional = {"soft_overlap", "gain", "stability", "p_adjusted"}
    for result in (
        evaluation.affinity(segments, lines, "what", customer_id="who"),
        evaluation.overlap({"one": segments, "other": other}, random_state=0),
        evaluation.overlap_value(member, X["a"] ** 2),
        evaluation.review_granularity(segments, X["a"], margin=1, features=X[["b"]], n_halvings=1, random_state=0),
        describe_segments(segments, X[["a"]], descriptors=X[["b"]], n_permutations=99, random_state=0),
        evaluation.suggest_n_segments(kmeans, X, [2, 3], n_pairs=2, random_state=0),
        evaluation.structure_verdict(kmeans, X, n_segments=[2], n_passes=1, n_pairs=2, random_state=0),
        evaluation.segment_stability(kmeans, X, n_pairs=2, random_state=0),
    ):
        for name, columns in result.columns_first.items():
            assert set(columns) - optional <= set(getattr(result, name).columns), (type(result).__name__, name)
