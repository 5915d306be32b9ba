"""The command ``python -m segmentation``: arguments, files good and bad, what it prints, writes and returns."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import re
import signal
import subprocess
import sys
import warnings
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import segmentation as sg
from segmentation import datasets, features
from segmentation.__main__ import main
from segmentation._cli import _cells, _files, _job, _report, _show, _write
from segmentation._cli._errors import CommandError
from segmentation._progress import progress
from segmentation.exceptions import FitDiagnosisWarning, SegmentationWarning
from segmentation.prioritizers import ValuePrioritizer
from segmentation.scorers import CLVScorer
from segmentation.segmenters import KMeansSegmenter

DOCS = Path(__file__).resolve().parents[1] / "docs" / "command_line.md"
HEADER = "customer_id,timestamp,amount\n"
COLUMNS = {"customer_id": "customer_id", "timestamp": "timestamp", "amount": "amount"}
SCORES = ["clv", "expected_purchases", "expected_value", "p_alive"]
RFM = ["days_since_last_purchase", "n_purchases", "total_spend"]


@pytest.fixture(scope="module")
def orders():
    """Orders of 200 real customers, their ids with leading zeros."""
    table = datasets.load_cdnow()[["customer_id", "timestamp", "amount"]]
    few = table[table["customer_id"].isin(table["customer_id"].unique()[:200])].reset_index(drop=True)
    return few.assign(customer_id=few["customer_id"].map("{:06d}".format).astype(object))


@pytest.fixture(scope="module")
def orders_csv(orders, tmp_path_factory):
    path = tmp_path_factory.mktemp("orders") / "orders.csv"
    orders.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def expected(orders):
    """What the library gives for these orders: the tables that the command has to write."""
    return library_result(orders)


def library_result(orders, n_segments=5, **scorer):
    customers = features.rfm_table(orders, **COLUMNS)
    purchases = features.btyd_table(orders, **COLUMNS)
    segments = sg.assign(KMeansSegmenter(n_segments, random_state=0).fit(customers), customers)
    model = CLVScorer(**scorer).fit(purchases)
    scores = sg.score_customers(model, purchases)
    draws = sg.sample_segments(model, purchases, segments, n_draws=400, random_state=0)
    profile = sg.profile_segments(segments, scores=scores, features=customers, draws=draws)
    plan = ValuePrioritizer(by="clv_total").prioritize(profile)
    table = profile.loc[plan.index].join(plan)
    bounds = [name for name in table if name.endswith(("_low", "_high"))]
    return segments.join(customers).join(scores), table[[*table.columns.difference(bounds, sort=False), *bounds]]


def run(capsys, *arguments, report=False):
    """Run the command in this process, with a report only if that is asked for; return status, output, errors."""
    words = [str(argument) for argument in arguments]
    status = main([*words, "--no-report"] if "--output" in words and not report else words)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def refused(capsys, *arguments):
    """Run the command, check that it ends as bad input has to, and return its one line."""
    status, out, err = run(capsys, *arguments, report=True)
    assert (status, out) == (2, "")
    assert err.startswith("segmentation: error: ")
    assert err.endswith("\n")
    assert err.count("\n") == 1
    return err


def write(path, text, encoding="utf-8"):
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


def read_csv(path):
    """Read a written table with every digit, ids as text."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    numbers = table.columns.difference(["customer_id", "segment", "reason"])
    return table.assign(**{name: [float(text or "nan") for text in table[name]] for name in numbers})


# ---------------------------------------------------------------------------------------------- what it prints


@pytest.fixture(scope="module")
def on_cdnow():
    """Status, standard output and standard error of the command without arguments."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        status = main([])
    return status, out.getvalue(), err.getvalue()


def test_without_arguments_it_segments_values_and_prioritizes_cdnow(on_cdnow):
    status, out, err = on_cdnow
    assert (status, err) == (0, "")
    assert "6,919 rows read, 6,919 used: 2,357 customers, 1997-01-01 to 1998-06-30" in out
    assert "Priorities (by clv_total" in out
    assert "Nothing was written" in out
    assert re.search(r"Done in \d+\.\d s\.\n$", out)
    assert max(map(len, out.splitlines())) <= 100


def test_the_documented_output_is_what_is_printed(on_cdnow):
    """Compare the words; figures of k-means may differ in the last digit between versions of scikit-learn."""
    shown = re.search(r"```text\n(.*?)```", DOCS.read_text(), re.DOTALL)[1]

    def words(text):
        return [re.sub(r"[\d.,\s]+", " ", line) for line in text.splitlines() if not re.search("segment_|Done", line)]

    assert words(shown) == words(on_cdnow[1])


def test_profile_and_priorities_show_the_figures_of_the_library(capsys, orders_csv, expected):
    _, out, _ = run(capsys, orders_csv)
    _, segments = expected
    first = segments.iloc[0]
    assert f"   1  {segments.index[0]}  {first['reason']}" in out
    row = next(line for line in out.splitlines() if re.match(rf"  {segments.index[0]} +\d", line))
    assert f"{first['n_customers']:,.0f}" in row.split()
    assert f"{first['clv_mean']:,.2f}" in row.split()
    assert f"{100 * first['clv_share']:.1f}" in row.split()


def test_what_was_left_out_is_printed(capsys, tmp_path, orders):
    path = tmp_path / "orders.csv"
    orders.to_csv(path, index=False)
    with path.open("a") as handle:
        handle.write(",1998-01-01,5\nNULL,1998-01-01,5\n000004,,5\n000004,1998-01-01,\n000004,1998-01-02,-3\n")
    status, out, _ = run(capsys, path)
    assert status == 0
    assert "2 without a customer id" in out
    assert "1 with a timestamp that is missing" in out
    assert "1 with an amount that is missing" in out
    assert "1 refund, together -3.00" in out
    assert "note: 1 cell of column 'customer_id' with 'NULL': taken as missing" in out


def test_descriptions_compare_with_the_average_of_all_customers(capsys, orders_csv, expected):
    customers, segments = expected
    _, out, _ = run(capsys, orders_csv)
    described = re.findall(
        r"^  (segment_\d+)  last purchase .*?\(([\d.]+) x\), .*?\(([\d.]+) x\), .*?\(([\d.]+) x\)", out, re.M
    )
    assert len(described) == 5
    for segment, *ratios in described:
        true = segments.loc[segment, RFM] / customers[RFM].mean()
        np.testing.assert_allclose(np.array(ratios, float), true.to_numpy(float), atol=0.051)


@pytest.mark.parametrize(
    ("value", "average", "text"),
    [
        (80.0, 100.0, "low spend (0.80 x)"),
        (81.0, 100.0, "average spend (0.81 x)"),
        (125.0, 100.0, "high spend (1.2 x)"),
        (-5.0, -2.0, "low spend"),
        (3.0, 0.0, "high spend"),
        (0.0, 0.0, "average spend"),
    ],
)
def test_words_for_a_segment(value, average, text):
    assert _show._compared("total_spend", value, average) == text


def test_large_amounts_fit_the_width(capsys, tmp_path, orders):
    path = tmp_path / "yen.csv"
    orders.assign(amount=orders["amount"] * 1e9).to_csv(path, index=False)
    status, out, _ = run(capsys, path)
    assert status == 0
    assert max(map(len, out.splitlines())) <= 100


def test_settings_reach_the_models(capsys, orders_csv, orders, tmp_path):
    run(
        capsys, orders_csv, "--horizon-days", 90, "--margin", "0.3", "--annual-discount-rate", "0.1", "--segments", 3,
        "--purchase-model", "bg_nbd", "--output", tmp_path / "out",
    )  # fmt: skip
    customers, _ = library_result(
        orders, 3, purchase_model="bg_nbd", horizon_days=90, margin=0.3, annual_discount_rate=0.1
    )
    written = read_csv(tmp_path / "out" / "customers.csv").set_index("customer_id")
    np.testing.assert_array_equal(written[SCORES], customers[SCORES])
    assert written["segment"].tolist() == customers["segment"].tolist()


def test_as_of_ends_the_data_and_is_counted_from(capsys, orders_csv, orders, tmp_path):
    status, out, _ = run(capsys, orders_csv, "--as-of", "1997-12-31", "--output", tmp_path)
    assert status == 0
    assert f"{(orders['timestamp'] > '1997-12-31').sum():,} after the end that was given" in out
    written = read_csv(tmp_path / "customers.csv").set_index("customer_id")
    table = features.rfm_table(orders, **COLUMNS, as_of="1997-12-31")
    np.testing.assert_array_equal(written[RFM], table)


def test_version_and_help(capsys):
    assert run(capsys, "--version") == (0, f"customer-segments {sg.__version__}\n", "")
    status, out, err = run(capsys, "--help")
    assert (status, err) == (0, "")
    documented = set(re.findall(r"`(--[a-z-]+)", DOCS.read_text()))
    assert documented == set(re.findall(r"^  (--[a-z-]+)", out, re.M)) | {"--no-progress", "--no-report", "--help"}


# ----------------------------------------------------------------------------------------------- what it writes


def test_csv_holds_what_the_library_gives(capsys, orders_csv, expected, tmp_path):
    folder = tmp_path / "new" / "folder"
    status, out, _ = run(capsys, orders_csv, "--output", folder, report=True)
    assert status == 0
    assert f"Written: {folder / 'customers.csv'} (200 rows)" in out
    assert f"Written: {folder / 'segments.csv'} (5 rows)" in out
    assert f"Written: {folder / 'report.html'} (open it in a browser)" in out
    names = ["customers.csv", "report.html", "run.json", "segments.csv"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert f"Written: {folder / 'run.json'} (what 'compare' needs)" in out
    customers, segments = expected
    written = read_csv(folder / "customers.csv").set_index("customer_id")
    pd.testing.assert_frame_equal(
        written, customers.astype({"segment": object}), check_dtype=False, check_index_type=False, rtol=0, atol=0
    )
    assert written.index[0] == "000004"
    written = read_csv(folder / "segments.csv").set_index("segment")
    pd.testing.assert_frame_equal(
        written, segments, check_dtype=False, check_index_type=False, rtol=0, atol=0, check_names=False
    )


def test_parquet_holds_what_the_library_gives(capsys, orders_csv, expected, tmp_path):
    assert run(capsys, orders_csv, "--output", tmp_path, "--format", "parquet")[0] == 0
    for name, table in zip(["customers", "segments"], expected, strict=True):
        written = pd.read_parquet(tmp_path / f"{name}.parquet").set_index(table.index.name)
        pd.testing.assert_frame_equal(
            written, table, check_index_type=False, check_dtype=False, check_categorical=False
        )


def test_xlsx_holds_what_the_library_gives(capsys, orders_csv, expected, tmp_path):
    assert run(capsys, orders_csv, "--output", tmp_path, "--format", "xlsx")[0] == 0
    customers, segments = expected
    written = pd.read_excel(tmp_path / "customers.xlsx", dtype={"customer_id": str}).set_index("customer_id")
    assert written.index.tolist() == customers.index.tolist()
    np.testing.assert_allclose(written[RFM + SCORES], customers[RFM + SCORES], rtol=1e-14)
    written = pd.read_excel(tmp_path / "segments.xlsx", index_col=0)
    assert written["reason"].tolist() == segments["reason"].tolist()
    assert written["priority"].tolist() == [1, 2, 3, 4, 5]


def documented_columns(table):
    """Return the columns of a table of the docs, with what they depend on."""
    section = DOCS.read_text().split(f"\n`{table}`: one row")[1]
    rows = section[section.index("\n| column") :].split("\n\n")[0].splitlines()[3:]
    return [(cells[1].strip(" `"), cells[2].strip()) for cells in (row.split("|") for row in rows)]


def promised(table, *conditions, scores=()):
    names = [name for name, condition in documented_columns(table) if condition in ("", *conditions)]
    pairs = [re.findall(r"<first score>(_[a-z]+_low)|(_[a-z]+_high)", name) for name in names]
    bounds = [scores[0] + (low or high) for pair in pairs for low, high in pair]
    names = [name for name, pair in zip(names, pairs, strict=True) if not pair]
    figures = [name for name in names if name.startswith("<score>")]
    if not figures:
        return names + bounds
    first = names.index(figures[0])
    expanded = [figure.replace("<score>", score) for score in scores for figure in figures]
    return names[:first] + expanded + names[first + len(figures) :] + bounds


@pytest.mark.parametrize(
    ("keep", "conditions", "scores"),
    [
        ("all", ["with amounts", "with CLV", "with scores"], SCORES),
        ("no amount", ["with scores"], ["expected_purchases", "p_alive"]),
        ("first order", ["with amounts"], ["total_spend"]),
        ("first order, no amount", [], ["n_purchases"]),
    ],
)
def test_columns_are_those_promised(capsys, orders, tmp_path, keep, conditions, scores):
    table = orders.drop(columns="amount") if "no amount" in keep else orders
    table = table.drop_duplicates("customer_id") if "first" in keep else table
    path = tmp_path / "orders.csv"
    table.to_csv(path, index=False)
    status, out, _ = run(capsys, path, "--output", tmp_path)
    assert status == 0
    customers, segments = (read_csv(tmp_path / f"{name}.csv") for name in ("customers", "segments"))
    assert customers.columns.tolist() == promised("customers", *conditions)
    assert segments.columns.tolist() == promised("segments", *conditions, scores=scores)
    assert f"Priorities (by {scores[0]}_total" in out
    assert segments[f"{scores[0]}_total"].dropna().is_monotonic_decreasing


@pytest.fixture(scope="module")
def few_orders(orders, tmp_path_factory):
    """Orders of 60 customers in segments of 28, 14, 11, 4 and 3."""
    few = orders[orders["customer_id"].isin(orders["customer_id"].unique()[:60])].reset_index(drop=True)
    path = tmp_path_factory.mktemp("few") / "orders.csv"
    few.to_csv(path, index=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitDiagnosisWarning)
        return path, *library_result(few)


def test_figures_of_small_segments_are_shown_nowhere(capsys, few_orders, tmp_path):
    path, customers, segments = few_orders
    size = segments["n_customers"]
    assert sorted(size) == [3, 4, 11, 14, 28]
    small = size.index[size < 14]  # 3 and 4 are fewer than ten together, so 11 goes too
    status, out, _ = run(capsys, path, "--output", tmp_path)
    assert status == 0
    assert f"note: {len(small)} segments blanked" in out
    assert "--minimum-cell 0 shows all" in out
    written = read_csv(tmp_path / "segments.csv").set_index("segment")
    figures = written.columns.drop(["priority", "reason"])
    assert written.loc[small, figures].isna().all(axis=None)
    assert written.loc[small, "reason"].eq("not shown: it rests on figures that are suppressed").all()
    assert written["priority"].tolist() == [1, 2, 3, 4, 5]
    others = segments.index.difference(small)
    np.testing.assert_array_equal(written.loc[others, figures], segments.loc[others, figures].to_numpy(float))
    assert re.search(r"^segment_1,28,", (tmp_path / "segments.csv").read_text(), re.M)  # a whole number still
    for segment in small:
        assert f"  {segment}  not shown" in out
        row = next(line for line in out.splitlines() if re.match(rf"  {segment} +-", line))
        assert set(row.split()[1:]) == {"-"}
        for name in ("clv_mean", "clv_total", "total_spend"):
            assert f"{segments.loc[segment, name]:,.2f}" not in out
    assert len(read_csv(tmp_path / "customers.csv")) == len(customers)


def test_the_limit_of_small_cells_is_the_users(capsys, few_orders, tmp_path):
    path, _, segments = few_orders
    status, out, _ = run(capsys, path, "--minimum-cell", 0, "--output", tmp_path)
    assert status == 0
    assert "not shown" not in out
    written = read_csv(tmp_path / "segments.csv").set_index("segment")
    pd.testing.assert_frame_equal(
        written, segments, check_dtype=False, check_index_type=False, rtol=0, atol=0, check_names=False
    )
    status, out, _ = run(capsys, path, "--minimum-cell", 20)
    assert "note: 4 segments blanked" in out  # 11 and 14 are 20 and more together with 4 and 3
    assert "fewer than 20 customers" in " ".join(out.split())
    assert "a whole number" in refused(capsys, path, "--minimum-cell", "few")


@pytest.mark.parametrize("kind", ["parquet", "xlsx"])
def test_blanked_counts_are_whole_or_missing_in_every_format(capsys, few_orders, tmp_path, kind):
    path, _, segments = few_orders
    assert run(capsys, path, "--output", tmp_path, "--format", kind)[0] == 0
    read = pd.read_parquet if kind == "parquet" else pd.read_excel
    n_customers = read(tmp_path / f"segments.{kind}")["n_customers"]
    assert n_customers.dropna().tolist() == segments["n_customers"][lambda n: n >= 14].tolist()


def test_existing_files_are_replaced_only_by_force(capsys, orders_csv, tmp_path):
    write(tmp_path / "segments.csv", "mine")
    line = refused(capsys, orders_csv, "--output", tmp_path)
    assert "'segments.csv'" in line
    assert "--force" in line
    assert (tmp_path / "segments.csv").read_text() == "mine"
    assert not (tmp_path / "customers.csv").exists()
    assert run(capsys, orders_csv, "--output", tmp_path, "--format", "parquet", report=True)[0] == 0  # other names
    assert "'segments.csv', 'report.html'" in refused(capsys, orders_csv, "--output", tmp_path)
    assert run(capsys, orders_csv, "--output", tmp_path, "--force", report=True)[0] == 0
    assert (tmp_path / "segments.csv").read_text().startswith("segment,n_customers")


def page_of(folder):
    """Return the text of a written report as one line, without its tags, its style and the versions at its end."""
    html = (folder / "report.html").read_text(encoding="utf-8").partition('<table class="facts"><caption>Versions')[0]
    return " ".join(re.sub(r"<style.*?</style>|<script.*?</script>|<[^>]+>", " ", html, flags=re.DOTALL).split())


def test_the_report_shows_what_is_printed_and_written(capsys, orders_csv, expected, tmp_path):
    status, _, err = run(capsys, orders_csv, "--output", tmp_path, report=True)
    assert (status, err) == (0, "")
    text = page_of(tmp_path)
    customers, segments = expected
    first = segments.iloc[0]
    assert f"200 customers in {len(segments)} segments." in text
    assert f"What to do first: act on {segments.index[0]}. The reason: {first['reason']}." in text
    for title in (
        "The segments", "What to do first", "The segments in words", "What sets the segments apart", "The orders",
        "Checks before the models", "The settings", "How this was made",
    ):  # fmt: skip
        assert title in text
    assert f"{customers['total_spend'].mean():,.2f}" in text  # of all customers, in the words on the segments
    assert (tmp_path / "report.html").read_text(encoding="utf-8").count("<svg") >= 3


def test_figures_of_small_segments_are_not_in_the_report(capsys, few_orders, tmp_path):
    path, _, segments = few_orders
    small = segments.index[segments["n_customers"] < 14]
    status, out, _ = run(capsys, path, "--output", tmp_path, report=True)
    assert status == 0
    text = page_of(tmp_path)
    assert f"{len(small)} segments are not shown" in text
    doubt = re.search(r"doubtful: (.{40})", out)[1]
    assert f"doubtful: {doubt}" in text.partition("What the models have to say")[2]
    for segment in small:
        for name in ("clv_mean", "clv_total", "total_spend", "days_since_last_purchase"):
            assert f"{segments.loc[segment, name]:,.2f}" not in text
            assert f"{segments.loc[segment, name]:,.1f} " not in text
    assert run(capsys, path, "--output", tmp_path, "--minimum-cell", 0, "--force", report=True)[0] == 0
    text = page_of(tmp_path)
    assert "not shown" not in text
    assert f"{segments.loc[small[0], 'clv_mean']:,.2f}" in text


@pytest.mark.parametrize("keep", ["no amount", "first order", "first order, no amount"])
def test_there_is_a_report_whatever_could_be_estimated(capsys, orders, tmp_path, keep):
    table = orders.drop(columns="amount") if "no amount" in keep else orders
    table = table.drop_duplicates("customer_id") if "first" in keep else table
    path = tmp_path / "orders.csv"
    table.to_csv(path, index=False)
    status, _, err = run(capsys, path, "--output", tmp_path, report=True)
    assert (status, err) == (0, "")
    expected = "No customer lifetime value could be computed" if "first" in keep else "There are no amounts"
    assert expected in page_of(tmp_path)


def test_without_its_packages_there_is_no_report_and_the_command_is_said(capsys, orders_csv, tmp_path, monkeypatch):
    monkeypatch.setattr(_report, "missing", lambda: "jinja2")
    status, out, _ = run(capsys, orders_csv, "--output", tmp_path, report=True)
    assert status == 0
    assert "No report.html: it needs jinja2, not installed here: pip install 'customer-segments[report]'" in out
    assert not (tmp_path / "report.html").exists()
    line = refused(capsys, orders_csv, "--output", tmp_path / "other", "--report")
    assert "'jinja2'" in line
    assert "customer-segments[report]" in line
    assert "--report need --output DIR" in refused(capsys, orders_csv, "--report")


def test_warnings_while_the_report_is_made_are_notes(capsys, orders_csv, tmp_path, monkeypatch):
    real = _report.check_purchases

    def noisy(*arguments, **options):
        warnings.warn("there is something about this report", SegmentationWarning, stacklevel=1)
        return real(*arguments, **options)

    monkeypatch.setattr(_report, "check_purchases", noisy)
    status, out, err = run(capsys, orders_csv, "--output", tmp_path, report=True)
    assert (status, err) == (0, "")
    assert "note: there is something about this report" in out


def test_a_failing_write_leaves_what_was_there(capsys, orders_csv, tmp_path, monkeypatch):
    write(tmp_path / "customers.csv", "mine")
    real = pd.DataFrame.to_csv

    def full_disk(self, path, **options):
        if "segments" in str(path):
            real(self.head(1), path, **options)
            raise OSError(28, "No space left on device")
        return real(self, path, **options)

    monkeypatch.setattr(pd.DataFrame, "to_csv", full_disk)
    line = refused(capsys, orders_csv, "--output", tmp_path, "--force")
    assert "No space left on device" in line
    assert [path.name for path in tmp_path.iterdir()] == ["customers.csv"]
    assert (tmp_path / "customers.csv").read_text() == "mine"


@pytest.mark.skipif(sys.platform == "win32", reason="modes of files are those of POSIX")
def test_written_files_have_ordinary_permissions(tmp_path):
    _write.write_tables({"a": pd.DataFrame({"x": [1]})}, tmp_path, "csv")
    ordinary = write(tmp_path / "b", "x").stat().st_mode
    assert (tmp_path / "a.csv").stat().st_mode == ordinary


# ------------------------------------------------------------------------------------------- harmless spreadsheets

DANGEROUS_IDS = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\tx", "'=x", "''@", "\uff1d1", "a\rb", 'q"q', "ü", "-"]


@pytest.fixture
def dangerous(orders):
    """Orders whose first customers have ids that a spreadsheet might run."""
    ids = orders["customer_id"].unique()
    names = dict(zip(ids, DANGEROUS_IDS, strict=False))
    return orders.assign(customer_id=orders["customer_id"].map(lambda one: names.get(one, one)))


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_ids_that_look_like_formulas_become_text(capsys, dangerous, tmp_path, kind):
    path = tmp_path / "orders.parquet"
    dangerous.to_parquet(path, index=False)
    if kind == "xlsx":
        assert "cannot hold the id 'a\\rb'" in refused(capsys, path, "--output", tmp_path, "--format", kind)
        dangerous.replace({"customer_id": {"a\rb": "a\nb"}}).to_parquet(path, index=False)
    assert run(capsys, path, "--output", tmp_path, "--format", kind)[0] == 0
    if kind == "csv":
        with (tmp_path / "customers.csv").open(newline="", encoding="utf-8") as handle:
            rows = list(csv.reader(handle))
        # every line of the file begins with an id, none with a part of one that a line break cut off
        assert all(len(row) == len(rows[0]) for row in rows)
        ids = [row[0] for row in rows[1:]]
    else:
        openpyxl = pytest.importorskip("openpyxl")
        cells = openpyxl.load_workbook(tmp_path / "customers.xlsx").active["A"][1:]
        assert {cell.data_type for cell in cells} == {"s"}
        ids = [cell.value for cell in cells]
    assert not [one for one in ids if one[0] in "=+-@\t\r\n\0\uff1d\uff0b\uff0d\uff20"]
    assert len(set(ids)) == 200
    expected = {"'=cmd|' /C calc'!A0", "'+1", "'-1", "'@SUM(A1)", "''=x", "'''@", "'\uff1d1", "ü", "'-", 'q"q'}
    assert expected <= set(ids)
    assert ("a\rb" in ids) is (kind == "csv")


def test_parquet_is_not_touched(capsys, dangerous, tmp_path):
    path = tmp_path / "orders.parquet"
    dangerous.to_parquet(path, index=False)
    assert run(capsys, path, "--output", tmp_path, "--format", "parquet")[0] == 0
    ids = set(pd.read_parquet(tmp_path / "customers.parquet")["customer_id"])
    assert {one.strip() for one in DANGEROUS_IDS} <= ids


def test_numbers_and_categories_are_handled_as_what_they_are():
    table = pd.DataFrame(
        {
            "=name": pd.Categorical(["=a", "b"]),
            "number": [-1.5, 2.0],
            "count": pd.array([-1, None], dtype="Int64"),
        }
    )
    safe = _write.harmless(table)
    assert list(safe.columns) == ["'=name", "number", "count"]
    assert safe["'=name"].tolist() == ["'=a", "b"]
    assert safe["number"].tolist() == [-1.5, 2.0]
    assert safe["count"].tolist() == [-1, pd.NA]


@given(st.lists(st.text(alphabet="=+-@'\t\r\n\0ab1\uff1d ", max_size=5), unique=True))
def test_escaping_loses_nothing_and_leaves_nothing(texts):
    safe = _write.harmless(pd.DataFrame({"id": pd.Series(texts, dtype=object)}))["id"].tolist()
    assert not [one for one in safe if one[:1] and one[0] in "=+-@\t\r\n\0\uff1d"]
    back = [one[1:] if re.match("'+[=+\\-@\t\r\n\0\uff1d]", one) else one for one in safe]
    assert back == texts


def test_what_a_workbook_cannot_hold_is_said(capsys, orders, tmp_path, monkeypatch):
    path = tmp_path / "orders.csv"
    orders.replace({"customer_id": {"000004": "a\x07b"}}).to_csv(path, index=False)
    line = refused(capsys, path, "--output", tmp_path, "--format", "xlsx")
    assert "cannot hold the id 'a\\x07b'" in line
    assert [one.name for one in tmp_path.iterdir()] == ["orders.csv"]
    monkeypatch.setattr(_write, "EXCEL_ROWS", 200)
    assert "do not fit" in refused(capsys, path, "--output", tmp_path, "--format", "xlsx")
    monkeypatch.undo()
    orders.replace({"customer_id": {"000004": "a" * 40_000}}).to_csv(path, index=False)
    assert "40,000 letters" in refused(capsys, path, "--output", tmp_path, "--format", "xlsx")


def test_ids_too_long_for_excel_are_written_as_text(tmp_path):
    index = pd.Index([2**60 + 1, 5], name="customer_id")
    _write.write_tables({"customers": pd.DataFrame({"x": [1, 2]}, index=index)}, tmp_path, "xlsx")
    written = pd.read_excel(tmp_path / "customers.xlsx", dtype=object)
    assert written["customer_id"].tolist() == [str(2**60 + 1), "5"]


# --------------------------------------------------------------------------------------------------- text tables


def read(path, **options):
    columns = options.pop("columns", {})
    return _files.read_orders(path, _files.FileOptions(columns=columns, **options))


@pytest.mark.parametrize(
    ("text", "encoding", "options"),
    [
        (HEADER + "07,2024-01-31,1.5\n", "utf-8", {}),
        (HEADER + "07,2024-01-31,1.5\n", "utf-8-sig", {}),
        (HEADER + "07,2024-01-31,1.5\n", "utf-8-sig", {"encoding": "utf8"}),
        (HEADER + "07,2024-01-31,1.5\n", "utf-16", {}),
        (HEADER + "07,2024-01-31,1.5\n", "utf-16-le", {"encoding": "utf-16-le"}),
        (HEADER + "07,2024-01-31,1.5", "utf-8", {}),
        ("\r\n" + HEADER.strip() + "\r\n\r\n07,2024-01-31,1.5\r\n\r\n", "utf-8", {}),
        ('"customer_id", "timestamp", "amount"\n 07 , "2024-01-31", 1.5 \n', "utf-8", {}),
        ("customer_id;timestamp;amount\n07;2024-01-31;1.5\n", "utf-8", {}),
        ("customer_id\ttimestamp\tamount\n07\t2024-01-31\t1.5\n", "utf-8", {}),
        ("customer_id|timestamp|amount\n07|2024-01-31|1.5\n", "utf-8", {}),
        ("customer_id:timestamp:amount\n07:2024-01-31:1.5\n", "utf-8", {"separator": ":"}),
        ("customer_id;timestamp;amount;a,b,c,d,e\n07;2024-01-31;1,5;x\n", "utf-8", {"decimal": ","}),
        ("customer_id;timestamp;amount\n7;31.1.24;1,5\n", "utf-8", {"decimal": ",", "timestamp_format": "%d.%m.%y"}),
        ('note,amount,timestamp,customer_id\n"two\nlines, ""q""",+1.5e0,20240131,07\n', "utf-8", {}),
    ],
)  # fmt: skip
def test_text_tables_of_many_kinds_read_the_same(tmp_path, text, encoding, options):
    orders = read(write(tmp_path / "orders.csv", text, encoding), **options)
    assert orders.notes == []
    table = features.rfm_table(orders.table, **orders.columns)
    assert [one.zfill(2) for one in table.index] == ["07"]
    assert table["total_spend"].tolist() == [1.5]
    assert orders.table["timestamp"].str[:10].str.replace("-", "").tolist() == ["20240131"]


def test_an_encoding_that_is_not_utf8_is_said(tmp_path):
    orders = read(write(tmp_path / "orders.csv", HEADER + "Zoë,2024-01-31,1.5\n", "latin-1"))
    assert orders.table["customer_id"].tolist() == ["Zoë"]
    assert "cp1252" in orders.notes[0]
    # 0x81 is no letter of Windows-1252
    orders = read(write(tmp_path / "orders.csv", (HEADER + "Zo\x81,2024-01-31,1.5\n").encode("latin-1")))
    assert orders.table["customer_id"].tolist() == ["Zo\x81"]
    assert "latin-1" in orders.notes[0]


def test_named_columns_decide_the_separator(tmp_path):
    text = "id,x;when,y;paid,z\n1;2024-01-31;2\n"
    columns = {"customer_id": "id,x", "timestamp": "when,y", "amount": "paid,z"}
    orders = read(write(tmp_path / "orders.csv", text), columns=columns)
    assert orders.table.columns.tolist() == ["id,x", "when,y", "paid,z"]


def test_words_for_nothing_are_missing_and_counted(tmp_path):
    text = HEADER + "NULL,2024-01-31,1\nNULL,NaT,1\na,2024-01-31,nan\n,,\nb,2024-01-31,2\n"
    orders = read(write(tmp_path / "orders.csv", text))
    assert orders.table.isna().sum().tolist() == [3, 2, 2]
    assert orders.notes == [
        "2 cells of column 'customer_id' with 'NULL': taken as missing",
        "1 cell of column 'timestamp' with 'NaT': taken as missing",
        "1 cell of column 'amount' with 'nan': taken as missing",
    ]


def test_dates_of_impossible_years_are_counted_and_do_not_stop(capsys, tmp_path, orders):
    path = tmp_path / "orders.csv"
    orders.to_csv(path, index=False)
    with path.open("a") as handle:
        handle.write("000004,9999-12-31,5\n000004,0001-01-01,5\n")
    status, out, _ = run(capsys, path)
    assert status == 0
    assert "2 with a timestamp that is missing or no date" in out


def test_a_format_with_a_zone_keeps_the_day_as_written(tmp_path):
    text = HEADER + "a,31/01/2024 23:30 +0000,1\nb,31/01/2024 23:30 -0800,1\nc,1/2/2024 8:26 +0100,1\n"
    orders = read(write(tmp_path / "orders.csv", text), timestamp_format="%d/%m/%Y %H:%M %z")
    assert orders.table["timestamp"].tolist() == ["2024-01-31T23:30:00", "2024-01-31T23:30:00", "2024-02-01T08:26:00"]


BAD_TABLES = {
    "empty": ("", ["is empty (0 bytes)"]),
    "blank lines": ("\n \n\n", ["has no header line"]),
    "header only": (HEADER, ["has a header and no rows"]),
    "no such columns": (
        "CustomerID,Timestamp,x\n1,2024-01-01,2\n",
        ["missing: 'customer_id' (nearest: 'CustomerID'), 'timestamp' (nearest: 'Timestamp')", "present: ", "'x'"],
    ),
    "a column twice": ("customer_id,timestamp,amount,amount\n1,2024-01-01,2,3\n", ["2 columns named 'amount'"]),
    "too few fields": (HEADER + "1,2024-01-01,2\n\n1,2024-01-01\n", ["line 4 has 2 fields", "header 3"]),
    "too many fields": (HEADER + '1,"2024-\n01-01",2\n1,2024-01-01,2,5\n', ["line 4 has 4 fields"]),
    "open quote": (HEADER + '1,2024-01-01,2\n1,2024-01-01,"2\n1,2024-01-01,2\n', ["line 3", "quote"]),
    "text after a quote": (HEADER + '"1"x,2024-01-01,2\n', ["line 2", "quote"]),
    "other date": (
        HEADER + "1,2024-01-01,2\n1,12/1/2010 8:26,2\n",
        ["column 'timestamp' has '12/1/2010 8:26' in line 3", "'%d/%m/%Y %H:%M' or '%m/%d/%Y %H:%M'"],
    ),
    "no date": (HEADER + "1,2024-01-01,2\n1,soon,2\n", ["'soon' in line 3", "--timestamp-format"]),
    "day that is none": (HEADER + "1,2023-02-29,2\n", ["'2023-02-29' in line 2"]),
    "week date": (HEADER + "1,2024-W05-3,2\n", ["'2024-W05-3' in line 2"]),
    "currency": (HEADER + "1,2024-01-01,2\n1,2024-01-01,$2\n", ["column 'amount' has '$2' in line 3", "no currency"]),
    "decimal comma": (
        "customer_id;timestamp;amount\n1;2024-01-01;2,50\n",
        ["column 'amount' has '2,50' in line 2", "--decimal ','"],
    ),
    "infinite": (HEADER + "1,2024-01-01,inf\n", ["'inf' in line 2"]),
    "underscore": (HEADER + "1,2024-01-01,1_000\n", ["'1_000' in line 2"]),
    "huge": (HEADER + "1,2024-01-01,2\n1,2024-01-01,1e300\n", ["1e+300 in line 3", "1e+15"]),
    "no customer": (HEADER + ",2024-01-01,2\n,2024-01-01,3\n", ["none of the 2 rows", "2 without a customer id"]),
    "no amount": (HEADER + "1,2024-01-01,\n", ["1 without a finite amount in 'amount'"]),
    "refunds only": (HEADER + "1,2024-01-01,-2\n", ["no customer of orders has a purchase"]),
    "too few customers": (HEADER + "1,2024-01-01,2\n2,2024-01-01,3\n", ["2 customers cannot make 5", "--segments 2"]),
    "binary": (b"customer_id,\0\1\2\n", ["NUL bytes"]),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_TABLES)
def test_bad_text_tables_end_with_one_line_that_helps(capsys, tmp_path, name):
    text, parts = BAD_TABLES[name]
    line = refused(capsys, write(tmp_path / "orders.csv", text))
    for part in parts:
        assert part in line


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--encoding", "utf-16"], "cannot be read as utf-16"),
        (["--encoding", "ascii"], "cannot be read as ascii"),
        (["--separator", ";"], "missing: 'customer_id', 'timestamp'"),
        (["--customer-id", "Kunde"], "missing: 'Kunde'"),
        (["--amount", "customer_id"], "must be different columns"),
        (["--timestamp-format", "%d/%m/%Y"], "'1997-01-01' in line 2, which does not fit --timestamp-format"),
        (["--as-of", "1990-01-01"], "after --as-of 1990-01-01"),
        (["--segments", "201"], "200 customers cannot make 201 segments: give --segments 200 or fewer"),
        (["--decimal", ","], "which is no number"),
    ],
)
def test_arguments_that_do_not_fit_the_file(capsys, tmp_path, orders, arguments, part):
    path = tmp_path / "örders.csv"
    orders.replace({"customer_id": {"000004": "ü"}}).to_csv(path, index=False)
    assert part in refused(capsys, path, *arguments)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--bogus"], "--bogus"),
        (["a.csv", "b.csv"], "b.csv"),
        (["a.csv", "--segments", "0"], "whole number from 1"),
        (["a.csv", "--segments", "many"], "'many'"),
        (["a.csv", "--segments", "9" * 5000], "whole number"),
        (["a.csv", "--horizon-days", "0"], "from 1 to 36,500"),
        (["a.csv", "--horizon-days", "-3"], "from 1 to 36,500"),
        (["a.csv", "--margin", "0"], "above 0"),
        (["a.csv", "--margin", "nan"], "above 0"),
        (["a.csv", "--annual-discount-rate", "-0.1"], "from 0"),
        (["a.csv", "--as-of", "soon"], "2024-01-31, got 'soon'"),
        (["a.csv", "--random-state", "4294967296"], "from 0 to"),
        (["a.csv", "--refunds", "keep"], "choose from"),
        (["a.csv", "--format", "ods", "--output", "x"], "choose from"),
        (["a.csv", "--encoding", "base64"], "'base64'"),
        (["a.csv", "--encoding", "klingon"], "'klingon'"),
        (["a.csv", "--separator", ",,"], "one character"),
        (["a.csv", "--separator", '"'], "one character"),
        (["a.csv", "--timestamp-format", "%Q/%Y"], "'%Q'"),
        (["a.csv", "--timestamp-format", "%Y%"], "'%'"),
        (["a.csv", "--timestamp-format", "%d %m"], "no year"),
        (["a.csv", "--timestamp-format", "%Y %Y"], "twice"),
        (["--amount", "x"], "no FILE"),
        (["--format", "csv"], "--output"),
        (["--force"], "--output"),
    ],
)  # fmt: skip
def test_bad_arguments(capsys, arguments, part):
    assert part in refused(capsys, *arguments)


def test_files_that_are_none(capsys, tmp_path):
    assert "no file" in refused(capsys, tmp_path / "none.csv")
    assert "no file" in refused(capsys, "x" * 5000 + ".csv")
    assert "is a folder" in refused(capsys, tmp_path)
    assert "none of .csv" in refused(capsys, write(tmp_path / "orders.json", "{}"))
    assert "as .xlsx" in refused(capsys, write(tmp_path / "orders.xls", "x"))
    assert "no readable Parquet" in refused(capsys, write(tmp_path / "orders.parquet", b"PAR1\0\0PAR1"))
    assert "no readable Excel" in refused(capsys, write(tmp_path / "orders.xlsx", b"PK\3\4 and no more"))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="everything is permitted to root")
def test_a_file_that_may_not_be_read(capsys, tmp_path):
    path = write(tmp_path / "orders.csv", HEADER)
    path.chmod(0)
    assert "Permission denied" in refused(capsys, path)


def test_an_unreadable_file_is_one_line_whoever_runs_it(capsys, orders_csv, monkeypatch):
    def denied(self, *arguments, **options):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", denied)
    assert "Permission denied" in refused(capsys, orders_csv)


def test_output_folders_that_are_none(capsys, orders_csv, tmp_path):
    write(tmp_path / "file", "x")
    assert "is a file, not a folder" in refused(capsys, orders_csv, "--output", tmp_path / "file")
    assert "is a file, not a folder" in refused(capsys, orders_csv, "--output", tmp_path / "file" / "below")
    (tmp_path / "customers.csv").mkdir()
    assert "is a folder and cannot be replaced" in refused(capsys, orders_csv, "--output", tmp_path, "--force")


@pytest.mark.parametrize(
    ("name", "arguments", "package", "extra"),
    [
        ("orders.xlsx", [], "openpyxl", "excel"),
        ("orders.parquet", [], "pyarrow", "parquet"),
        ("orders.csv", ["--output", "out", "--format", "xlsx"], "openpyxl", "excel"),
        ("orders.csv", ["--output", "out", "--format", "parquet"], "pyarrow", "parquet"),
    ],
)
def test_missing_packages_are_named_with_the_command(capsys, tmp_path, monkeypatch, name, arguments, package, extra):
    path = write(tmp_path / name, HEADER)
    find_spec = _files.importlib.util.find_spec
    monkeypatch.setattr(
        _files.importlib.util, "find_spec", lambda one, *rest: None if one == package else find_spec(one, *rest)
    )
    line = refused(capsys, path, *arguments)
    assert f"pip install 'customer-segments[{extra}]'" in line
    assert repr(package) in line


# -------------------------------------------------------------------------------------------- Parquet and Excel


def test_parquet_keeps_the_type_of_ids(capsys, tmp_path):
    orders = datasets.load_cdnow()
    orders[orders["customer_id"] < 2000].set_index("customer_id").to_parquet(tmp_path / "orders.parquet")
    status, out, _ = run(capsys, tmp_path / "orders.parquet", "--output", tmp_path / "out", "--format", "parquet")
    assert status == 0
    assert "timestamp" not in re.findall("note: (.*)", out)
    written = pd.read_parquet(tmp_path / "out" / "customers.parquet")
    assert written["customer_id"].dtype == np.int64


@pytest.mark.parametrize(
    ("column", "values", "part"),
    [
        ("timestamp", ["2024-01-01", "yesterday"], "'yesterday' in row 2"),
        ("timestamp", [20240131, 20240201], "--timestamp-format %Y%m%d"),
        ("timestamp", [[1], [2]], "not one value per row"),
        ("customer_id", [{"a": 1}, {"a": 2}], "not one value per row"),
        ("amount", ["1", "two"], "'two' in row 2"),
        ("amount", [True, False], "True in row 1"),
        ("amount", [1.0, 1e20], "1e+20 in row 2"),
    ],
)
def test_bad_parquet_columns(capsys, tmp_path, column, values, part):
    table = pd.DataFrame({"customer_id": ["a", "b"], "timestamp": ["2024-01-01"] * 2, "amount": [1.0, 2.0]})
    table[column] = values
    table.to_parquet(tmp_path / "orders.parquet")
    assert part in refused(capsys, tmp_path / "orders.parquet")


def test_damaged_and_empty_parquet(capsys, tmp_path):
    table = pd.DataFrame({"customer_id": ["a"] * 99, "timestamp": ["2024-01-01"] * 99, "amount": np.arange(99.0)})
    path = tmp_path / "orders.parquet"
    table.iloc[:0].to_parquet(path)
    assert "no rows" in refused(capsys, path)
    table.to_parquet(path)
    data = bytearray(path.read_bytes())
    data[4:60] = b"\xff" * 56
    path.write_bytes(data)
    assert "is damaged" in refused(capsys, path)


def test_parquet_values_of_many_types(tmp_path):
    from decimal import Decimal

    table = pd.DataFrame(
        {
            "customer_id": pd.Categorical([" 07", "b"]),
            "timestamp": [date(2024, 1, 31), date(2024, 2, 1)],
            "amount": [Decimal("1.50"), Decimal("2.25")],
        }
    )
    table.to_parquet(tmp_path / "orders.parquet")
    orders = read(tmp_path / "orders.parquet")
    assert orders.table["customer_id"].tolist() == ["07", "b"]
    assert orders.table["timestamp"].tolist() == ["2024-01-31", "2024-02-01"]
    assert orders.table["amount"].tolist() == [1.5, 2.25]
    numbers = table.assign(timestamp=[20240131, 20240201])
    numbers.to_parquet(tmp_path / "numbers.parquet")
    orders = read(tmp_path / "numbers.parquet", timestamp_format="%Y%m%d")
    assert orders.table["timestamp"].tolist() == ["2024-01-31T00:00:00", "2024-02-01T00:00:00"]


def test_a_format_for_dates_that_are_dates_is_noted(tmp_path, orders):
    orders.to_parquet(tmp_path / "orders.parquet")
    assert "is not needed" in read(tmp_path / "orders.parquet", timestamp_format="%Y").notes[0]


@pytest.fixture
def workbook(tmp_path):
    """A workbook as people make them: numbers as ids, dates and texts mixed, a blank row, a second sheet."""
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Orders"
    for row in [
        ["customer_id", "timestamp ", "amount", 5],
        [7, datetime(2024, 1, 31, 8, 30), 1.5, None],
        [None, None, None, None],
        ["007", "2024-02-01", "2.5", None],
        [7.0, date(2024, 2, 2), 3, "x"],
        ["NULL", None, "nan", None],
    ]:
        sheet.append(row)
    book.create_sheet("Other").append(["customer_id", "timestamp", "amount"])
    path = tmp_path / "orders.xlsx"
    book.save(path)
    return path


def test_workbooks(workbook, capsys):
    orders = read(workbook)
    assert orders.table["customer_id"].tolist() == ["7", "007", "7", pd.NA]
    assert orders.table["timestamp"].str[:10].tolist() == ["2024-01-31", "2024-02-01", "2024-02-02", pd.NA]
    np.testing.assert_array_equal(orders.table["amount"], [1.5, 2.5, 3.0, np.nan])
    assert "read sheet 'Orders' only, the first of 2 (--sheet names another)" in orders.notes
    assert len(read(workbook, sheet="Orders").notes) == len(orders.notes) - 1
    assert "no rows" in refused(capsys, workbook, "--sheet", "Other")
    assert "no sheet 'Orders ': 'Orders', 'Other'" in refused(capsys, workbook, "--sheet", "Orders ")
    status, out, _ = run(capsys, workbook, "--segments", 2)
    assert status == 0
    assert "4 rows read, 3 used: 2 customers" in out


def test_bad_cells_of_a_workbook_are_named_by_their_row(workbook, capsys):
    openpyxl = pytest.importorskip("openpyxl")
    for column, value, part in [
        ("B", 45000, "45000 in row 4"),
        ("B", "soon", "'soon' in row 4"),
        ("C", "x", "'x' in row 4"),
    ]:
        book = openpyxl.load_workbook(workbook)
        book["Orders"][f"{column}4"] = value
        book.save(workbook.with_name("bad.xlsx"))
        assert part in refused(capsys, workbook.with_name("bad.xlsx"))
    book = openpyxl.Workbook()
    book.save(workbook.with_name("empty.xlsx"))
    assert "is empty" in refused(capsys, workbook.with_name("empty.xlsx"))


# ---------------------------------------------------------------------------- no value, warnings, interruptions


def test_without_repeat_purchases_there_is_a_plan_and_the_reason(capsys, orders, tmp_path):
    path = tmp_path / "orders.csv"
    orders.drop_duplicates("customer_id").to_csv(path, index=False)
    status, out, err = run(capsys, path)
    assert (status, err) == (0, "")
    assert "No CLV could be computed: none of the 200 customers has bought again" in " ".join(out.split())
    assert "ordered by their past spend instead" in out
    orders.drop_duplicates("customer_id").drop(columns="amount").to_csv(path, index=False)
    status, out, _ = run(capsys, path)
    assert status == 0
    assert "ordered by their past number of purchases instead" in out


def test_without_amounts_purchases_are_expected(capsys, orders, tmp_path):
    path = tmp_path / "orders.csv"
    orders.drop(columns="amount").assign(Amount=1).to_csv(path, index=False)
    status, out, _ = run(capsys, path, "--output", tmp_path)
    assert status == 0
    text = " ".join(out.split())
    assert "no amount column was named and none is called 'amount'" in text
    assert "nearest name: 'Amount'" in text
    assert "expected purchases of the next 365 days" in out
    purchases = features.btyd_table(orders, customer_id="customer_id", timestamp="timestamp")
    scores = sg.score_customers(CLVScorer(spend_model=None).fit(purchases), purchases)
    written = read_csv(tmp_path / "customers.csv").set_index("customer_id")
    np.testing.assert_array_equal(written[["expected_purchases", "p_alive"]], scores)


def test_doubts_about_the_fit_are_printed_as_such(capsys, tmp_path):
    text = HEADER + "a,2024-01-01,1\na,2024-02-01,2\nb,2024-01-05,3\nc,2024-01-07,4\n"
    status, out, err = run(capsys, write(tmp_path / "orders.csv", text), "--segments", 2)
    assert (status, err) == (0, "")
    assert "doubtful: only 1 of 3 customers has bought again" in out
    assert "note: the horizon of 365 days is longer than the longest history" in out
    assert "Warning" not in out


def test_warnings_of_the_library_are_notes_and_others_stay_warnings(capsys, orders_csv, monkeypatch):
    real = _job.run

    def noisy(*arguments):
        for _ in range(2):
            warnings.warn("small\n segment", SegmentationWarning, stacklevel=1)
        warnings.warn("the optimiser did not settle", FitDiagnosisWarning, stacklevel=1)
        warnings.warn("internal", RuntimeWarning, stacklevel=1)
        return real(*arguments)

    monkeypatch.setattr(_job, "run", noisy)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        with pytest.warns(RuntimeWarning, match="internal") as caught:
            status, out, _ = run(capsys, orders_csv)
    assert status == 0
    assert len(caught) == 1
    assert out.count("  note: small segment\n") == 1
    assert out.count("  doubtful: the optimiser did not settle\n") == 1


def test_a_defect_keeps_its_traceback(capsys, orders_csv, monkeypatch):
    def broken(*arguments):
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(_job, "run", broken)
    with pytest.raises(ZeroDivisionError):
        main([str(orders_csv)])


def test_interruption(capsys, orders_csv, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(_job, "run", interrupted)
    assert run(capsys, orders_csv) == (130, "", "segmentation: interrupted\n")


def test_progress_is_shown_only_where_asked_for(capsys, orders_csv):
    assert run(capsys, orders_csv, "--progress")[2].count("fitting customer value") > 0
    assert run(capsys, orders_csv)[2] == ""
    assert list(progress("ab", what="letters")) == ["a", "b"]
    assert capsys.readouterr().err == ""


def test_progress_looks_for_a_terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for show, expected in [(None, True), (False, False)]:
        stream = Terminal()
        monkeypatch.setattr(sys, "stderr", stream)
        with progress(what="fitting", total=2, show=show) as bar:
            bar.update()
        assert ("fitting: " in stream.getvalue()) is expected


# --------------------------------------------------------------------------------------------- real processes


def process(*arguments, **options):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    return subprocess.Popen(
        [sys.executable, "-m", "segmentation", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, **options,
    )  # fmt: skip


def test_as_a_process_it_ends_with_its_status(tmp_path):
    path = write(tmp_path / "örders.csv", HEADER + "1,soon,2\n")
    ended = process(path)
    out, err = ended.communicate()
    assert (ended.returncode, out) == (2, b"")
    assert b"'soon' in line 2" in err
    assert err.count(b"\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="pipes break otherwise there")
def test_nobody_reads_the_output(orders_csv, tmp_path):
    ended = process(orders_csv, "--output", tmp_path)
    ended.stdout.close()
    ended.stdout = None
    _, err = ended.communicate()
    assert (ended.returncode, err) == (141, b"")
    assert (tmp_path / "customers.csv").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send there")
def test_control_c_is_one_line():
    ended = process("--progress")
    shown = b""
    while b"forming segments" not in shown:
        letter = ended.stderr.read(1)
        assert letter, f"it ended before: {shown!r}"
        shown += letter
    ended.send_signal(signal.SIGINT)
    out, err = ended.communicate()
    assert (ended.returncode, out) == (130, b"")
    assert err.endswith(b"segmentation: interrupted\n")
    assert b"Traceback" not in err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_is_no_file(capsys, tmp_path):
    os.mkfifo(tmp_path / "orders.csv")
    assert "is a pipe" in refused(capsys, tmp_path / "orders.csv")


# ------------------------------------------------------------------------------------------------------- anything


CELLS = st.one_of(
    st.sampled_from(["", "a", "b", "1", "007", "NULL", "2024-01-01", "2024-02-30", "01/02/2024", "2024-03-05T10Z"]),
    st.sampled_from(["1.5", "-2", "0", "1,5", "inf", "1e400", "9" * 30, '"', "x\ty", "é", "\x00", "=1", "\n", "\r"]),
    st.text(max_size=4),
)  # fmt: skip
GOOD_ROWS = st.tuples(st.sampled_from("abcd"), st.dates(date(2020, 1, 1), date(2020, 3, 1)), st.integers(-5, 50))
ROWS = st.one_of(GOOD_ROWS.map(lambda row: list(map(str, row))), st.lists(CELLS, max_size=4))


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    header=st.sampled_from(["customer_id,timestamp,amount", "customer_id,timestamp", "amount,customer_id,timestamp"]),
    rows=st.lists(ROWS, max_size=6),
    noise=st.one_of(st.just(b""), st.just(b""), st.binary(max_size=6)),
    at=st.integers(0, 60),
    segments=st.integers(1, 3),
)
def test_whatever_the_table_there_is_a_result_or_one_line(capsys, tmp_path, header, rows, noise, at, segments):
    text = "\n".join([header, *(",".join(row) for row in rows), ""]).encode("utf-8", "surrogatepass")
    path = write(tmp_path / "orders.csv", text[:at] + noise + text[at:])
    status, out, err = run(capsys, path, "--segments", segments)
    if status == 0:
        assert err == ""
        assert "Priorities" in out
    else:
        assert status == 2
        assert (out, err.count("\n")) == ("", 1)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(GOOD_ROWS, min_size=3, max_size=12))
def test_good_tables_always_give_a_result(capsys, tmp_path, rows):
    spent = [(customer, day, abs(amount)) for customer, day, amount in rows]
    text = HEADER + "".join(f"{customer},{day},{amount}\n" for customer, day, amount in spent)
    n_segments = len({customer for customer, _, _ in spent})
    status, out, err = run(capsys, write(tmp_path / "orders.csv", text), "--segments", n_segments)
    assert (status, err) == (0, "")
    assert out.count("segment_") >= 3 * n_segments


def test_cells_speak_of_their_column():
    with pytest.raises(CommandError, match="column 'Umsatz' has '1,5' in line 9"):
        _cells.amounts(["1,5"], "Umsatz", lambda i: "line 9", ".", [])


def test_an_order_of_the_future_is_pointed_out(tmp_path, capsys):
    rows = [f"c{i % 7},2024-0{1 + i % 6}-1{i % 9},{5 + i}" for i in range(60)]
    file = tmp_path / "orders.csv"
    file.write_text("\n".join(["customer_id,timestamp,amount", *rows, "c1,2093-01-01,5"]) + "\n")
    assert main([str(file), "--segments", "2"]) == 0
    shown = "".join(capsys.readouterr())
    assert "the last order is dated 2093-01-01, after today" in " ".join(shown.split())
    assert main([str(file), "--segments", "2", "--as-of", "2024-07-01"]) == 0
    assert "after today" not in "".join(capsys.readouterr())
    assert main([str(file), "--margin", "30"]) == 2
    assert "at most 1, got '30'" in capsys.readouterr().err
