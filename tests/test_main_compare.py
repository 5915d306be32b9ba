"""The command ``python -m segmentation compare``: two runs, what is said of them, and what a run leaves for it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import segmentation as sg
from segmentation import datasets, features, monitoring
from segmentation.__main__ import main
from segmentation._cli import _model, _record, _write
from segmentation.segmenters import KMeansSegmenter

DOCS = Path(__file__).resolve().parents[1] / "docs" / "compare.md"
RFM = ["days_since_last_purchase", "n_purchases", "total_spend"]
COLUMNS = {"customer_id": "customer_id", "timestamp": "timestamp", "amount": "amount"}
K = 5
FEW = "customer_id,timestamp,amount\na,2024-01-01,1\na,2024-02-01,2\nb,2024-01-05,3\nc,2024-01-07,4\n"


def call(*arguments):
    return main([*map(str, arguments), *(["--no-progress"] if arguments and arguments[0] != "verify" else [])])


def ran(capsys, *arguments):
    """Run the command; return what it prints."""
    assert call(*arguments) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def refused(capsys, *arguments):
    assert call(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("segmentation: error: ")
    assert captured.err.count("\n") == 1
    return captured.err


def rows_of(path):
    return pd.read_csv(path, keep_default_na=True)


@pytest.fixture(scope="module")
def orders():
    """Orders of 600 real customers."""
    table = datasets.load_cdnow()[["customer_id", "timestamp", "amount"]]
    some = table[table["customer_id"].isin(table["customer_id"].unique()[:600])].reset_index(drop=True)
    return some.assign(customer_id=some["customer_id"].map("{:06d}".format).astype(object))


@pytest.fixture(scope="module")
def orders_csv(orders, tmp_path_factory):
    path = tmp_path_factory.mktemp("orders") / "orders.csv"
    orders.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def runs(orders_csv, tmp_path_factory):
    """Folders of two runs: until the end of January, and until the end of June."""
    folder = tmp_path_factory.mktemp("runs")
    common = ["--no-report", "--segments", K]
    assert call(orders_csv, "--output", folder / "january", "--as-of", "1998-01-31", *common) == 0
    assert call(orders_csv, "--output", folder / "june", *common) == 0
    return folder / "january", folder / "june"


@pytest.fixture(scope="module")
def compared(runs, tmp_path_factory):
    """What a comparison of them prints and writes."""
    import contextlib
    import io

    folder = tmp_path_factory.mktemp("comparison") / "new"
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert call("compare", *runs, "--output", folder) == 0
    return out.getvalue(), folder


@pytest.fixture
def few(tmp_path):
    """A run of three customers."""
    (tmp_path / "few.csv").write_text(FEW)
    assert call(tmp_path / "few.csv", "--segments", 2, "--output", tmp_path / "few", "--no-report") == 0
    return tmp_path / "few"


# ------------------------------------------------------------------------------------------------- what a run leaves


def test_a_run_leaves_what_places_its_customers(runs, orders):
    run = _record.read_run(runs[1])
    table = features.rfm_table(orders, **COLUMNS)
    model = KMeansSegmenter(K, random_state=0).fit(table)
    assert run.notes == []
    np.testing.assert_array_equal(run.features.to_numpy(), table.to_numpy())
    assert run.features.index.tolist() == [str(one) for one in table.index]
    expected = sg.assign(model, table)
    again = sg.assign(run.model, table)
    pd.testing.assert_frame_equal(again, expected)
    assert run.assignment["segment"].tolist() == expected["segment"].tolist()
    pd.testing.assert_frame_equal(run.model.centers_, model.centers_)
    assert (run.first_day.isoformat(), run.last_day.isoformat()) == ("1997-01-01", "1998-06-30")


@pytest.mark.parametrize("kind", ["csv", "parquet", "xlsx"])
def test_every_format_gives_the_same_run(orders_csv, runs, tmp_path, kind):
    assert call(orders_csv, "--output", tmp_path, "--no-report", "--segments", K, "--format", kind) == 0
    run, other = _record.read_run(tmp_path), _record.read_run(runs[1])
    assert run.notes == []
    assert run.model_id == other.model_id
    pd.testing.assert_frame_equal(run.features, other.features, rtol=1e-14)
    pd.testing.assert_frame_equal(run.assignment, other.assignment, rtol=1e-13)
    pd.testing.assert_frame_equal(run.scores, other.scores, rtol=1e-13)


def test_ids_that_a_spreadsheet_would_compute_come_back(tmp_path, capsys):
    ids = ["=1+1", "'=1+1", "007", "-5", "a'b", "NA x", " @me"]
    rows = [f'"{one}",2024-0{1 + i % 3}-0{1 + i},{5 + i}' for i, one in enumerate(ids)]
    (tmp_path / "orders.csv").write_text(
        "\n".join(["customer_id,timestamp,amount", *rows, '"007",2024-05-01,3']) + "\n"
    )
    for kind in ("csv", "xlsx"):
        folder = tmp_path / kind
        ran(capsys, tmp_path / "orders.csv", "--segments", 2, "--output", folder, "--no-report", "--format", kind)
        assert sorted(_record.read_run(folder).features.index) == sorted(one.strip() for one in ids)


@pytest.mark.parametrize("cell", ["'", "''", "'=", "''=1", "'a", "=x", "a", "", "'\t"])
def test_harmless_texts_have_one_original(cell):
    table = _write.harmless(pd.DataFrame({"id": [cell]}))
    assert _write.original(table["id"].iloc[0]) == cell


def test_the_record_is_figures_and_nothing_that_runs(runs):
    record = json.loads((runs[0] / "run.json").read_text())
    assert record["format_version"] == 1
    assert record["settings"]["as_of"] == "1998-01-31"
    assert record["files"]["customers"]["sha256"] == _write.digest(runs[0] / "customers.csv")
    assert record["model_sha256"] == _model.fingerprint(record["model"])
    assert not list(runs[0].glob("*.pkl")) + list(runs[0].glob("*.joblib"))


# ------------------------------------------------------------------------------------------------ what is compared


def test_the_figures_are_those_of_the_library(compared, orders):
    _, folder = compared
    then = features.rfm_table(orders, **COLUMNS, as_of="1998-01-31")
    now = features.rfm_table(orders, **COLUMNS)
    old, new = (KMeansSegmenter(K, random_state=0).fit(table) for table in (then, now))
    match = monitoring.match_segments(sg.assign(old, now), sg.assign(new, now))
    moved = monitoring.migration(sg.assign(old, then), match.relabel(sg.assign(new, now)))
    written = rows_of(folder / "migration_segments.csv").set_index("segment")
    np.testing.assert_array_equal(written["n_before"], moved.segments["n_before"])
    shown = written["stayed"].notna()
    np.testing.assert_array_equal(written["stayed"][shown], moved.segments["stayed"][shown])
    split = monitoring.split_migration(old, then, new, now, match=match)
    written = rows_of(folder / "split_migration.csv").set_index("segment")
    np.testing.assert_allclose(written["definition"], split.table["definition"])
    matched = rows_of(folder / "matched_segments.csv")
    assert matched["event"].tolist() == match.table["event"].tolist()


def test_the_parts_add_up(compared):
    _, folder = compared
    split = rows_of(folder / "split_migration.csv")
    parts = split[["n_before", "left", "entered", "moved", "definition"]].sum(axis=1)
    assert (parts - split["n_after"]).abs().max() < 1e-9
    changes = rows_of(folder / "changes.csv").set_index(["metric", "component"])["estimate"]
    assert set(changes.index.get_level_values(0)) == {"clv", "total_spend"}
    for metric, one in changes.groupby(level=0):
        pieces = one[metric].drop("total")
        assert set(pieces.index) >= {"mix", "within", "definition"}
        assert pieces.sum() == pytest.approx(one[metric]["total"], abs=1e-9 * abs(one[metric]).max())
    segments = rows_of(folder / "changes_segments.csv")
    change = segments["metric_after"] - segments["metric_before"]
    np.testing.assert_allclose(segments[["exits", "mix", "within", "definition", "entries"]].sum(axis=1), change)
    definition = segments.groupby("metric")["definition"].sum()
    assert definition.abs().max() < 1e-6


def test_every_customer_has_a_row_with_the_cause(compared, runs):
    _, folder = compared
    moves = pd.read_csv(folder / "customers_moved.csv", dtype={"customer_id": str})
    before, after = (_record.read_run(one) for one in runs)
    assert len(moves) == 600
    assert set(moves["cause"]) <= {"stayed", "moved", "definition", "both", "undone", "entered", "left"}
    known = moves.set_index("customer_id")
    assert known["before"].to_dict() == before.assignment["segment"].astype(str).to_dict()
    assert known["after_as_it_came"].to_dict() == after.assignment["segment"].astype(str).to_dict()
    assert (moves["before"].eq(moves["after"]) == moves["cause"].isin(["stayed", "undone"])).all()


def test_it_is_said_in_words(compared):
    out, folder = compared
    assert out.startswith(f"customer-segments {sg.__version__}\n\nBefore: ")
    for text in (
        "What became of the segments (matched by ",
        "customers of both runs changed segment (",
        "Customers who moved, and definitions that moved",
        "What changed clv: ",
        "What changed total_spend: ",
        "What drifted",
        "no value is missing in either run",
        "Keep, refit or rebuild",
        "Next review: 1998-",
        "the orders span 396 days, then 546",
    ):
        assert text in " ".join(out.split())
    assert f"Written: {folder / 'comparison.html'} (open it in a browser)\n" in out
    body = out[: out.index("Written:")]
    assert max(map(len, body.splitlines())) <= 100


def test_the_page_has_the_sections_and_asks_for_nothing_outside(compared):
    _, folder = compared
    html = (folder / "comparison.html").read_text(encoding="utf-8")
    titles = re.findall(r"<h2[^>]*>(.*?)</h2>", html)
    wanted = [
        "What became of the segments",
        "Who moved where",
        "Customers who moved, and definitions that moved",
        "What changed clv",
        "What changed total_spend",
        "Which features drifted",
        "What changed in each segment",
        "Keep, refit or rebuild",
        "What to mind about the two runs",
        "The settings",
    ]
    places = [titles.index(title) for title in wanted]
    assert places == sorted(places)
    assert "<svg" in html
    assert not re.search(r'(?:src|href)="https?:', html)
    assert "customers_moved" not in html


def test_equal_runs_say_so_and_keep(runs, tmp_path, capsys):
    shutil.copytree(runs[0], tmp_path / "copy")
    out = " ".join(ran(capsys, "compare", runs[0], tmp_path / "copy").split())
    assert "both folders hold the same run" in out
    assert "0 of 600 customers of both runs changed segment" in out
    assert "keep: The segments still describe today's customers" in out
    assert "Next review" not in out  # no time has passed


def test_without_advice_it_is_quick_and_says_so(runs, capsys):
    assert "Keep, refit or rebuild: not asked (--no-advice)" in ran(capsys, "compare", *runs, "--no-advice")


def test_equal_seeds_give_equal_figures(runs, capsys, tmp_path):
    outs = [ran(capsys, "compare", *runs, "--random-state", 3) for _ in range(2)]
    first, second = (re.sub(r"Done in.*", "", out) for out in outs)
    assert first == second


def test_a_renamed_segment_goes_on_under_its_name(orders_csv, orders, tmp_path, capsys):
    """The largest segment shrinks to the smallest: its number changes, its name does not."""
    rng = np.random.default_rng(0)

    def market(n_frequent, n_seldom):
        rows = []
        for group, n, times in (("f", n_frequent, 12), ("s", n_seldom, 2)):
            for i in range(n):
                days = np.sort(rng.integers(0, 364, times))
                rows += [(f"{group}{i}", f"2024-{1 + d // 31:02d}-{1 + d % 28:02d}", 10.0 * times) for d in days]
        return pd.DataFrame(rows, columns=["customer_id", "timestamp", "amount"])

    for name, table in (("before", market(300, 100)), ("after", market(100, 300))):
        table.to_csv(tmp_path / f"{name}.csv", index=False)
        ran(capsys, tmp_path / f"{name}.csv", "--segments", 2, "--output", tmp_path / name, "--no-report")
    ran(
        capsys,
        "compare",
        tmp_path / "before",
        tmp_path / "after",
        "--output",
        tmp_path / "out",
        "--no-report",
        "--no-advice",
    )
    matched = rows_of(tmp_path / "out" / "matched_segments.csv").set_index("old")
    assert matched["event"].tolist() == ["renamed", "renamed"]
    assert matched.loc["segment_1", "new"] == "segment_2"
    moved = rows_of(tmp_path / "out" / "migration_segments.csv").set_index("segment")
    assert moved.loc["segment_1", ["n_before", "n_after"]].tolist() == [300, 100]


# ------------------------------------------------------------------------------------------------ small cells


def test_small_cells_are_shown_nowhere_by_default(runs, compared, tmp_path, capsys):
    out, folder = compared
    assert "--minimum-cell 0 shows all" in out
    table = rows_of(folder / "migration.csv")
    assert table["n"].isna().any()
    assert not table["n"].between(1, 9).any()
    ran(capsys, "compare", *runs, "--output", tmp_path / "all", "--no-report", "--minimum-cell", 0, "--no-advice")
    everything = rows_of(tmp_path / "all" / "migration.csv")
    assert everything["n"].between(1, 9).any()
    html = (folder / "comparison.html").read_text(encoding="utf-8")
    hidden = everything[everything["n"].between(1, 9)]
    for value in hidden["value_before"].round(2).astype(str):
        assert f">{value}<" not in html
    for name in ("migration_segments", "matched_segments", "segment_drift", "split_migration"):
        counts = rows_of(folder / f"{name}.csv").filter(regex="^(n_before|n_after|n_both|stayed|left|entered|moved_)")
        assert not counts.map(lambda value: 0 < abs(value) < 10).to_numpy().any(), name


def test_a_run_of_three_customers_shows_no_segment(few, tmp_path, capsys):
    shutil.copytree(few, tmp_path / "again")
    out = " ".join(ran(capsys, "compare", few, tmp_path / "again").split())
    assert "too few moved for their number to be shown" in out
    assert "a run has fewer than 20 customers: drift of features is not measured" in out
    assert re.search(r"segment_1 segment_1 continued segment_1 - -", out)


# ------------------------------------------------------------------------------------------------ what differs is said


def variant(orders, path, capsys, name, *arguments, **changes):
    table = orders.assign(**changes) if changes else orders
    table.to_csv(path / f"{name}.csv", index=False)
    ran(capsys, path / f"{name}.csv", "--output", path / name, "--no-report", "--segments", K, *arguments)
    return path / name


def test_other_options_are_said_and_value_is_not_compared(orders, runs, tmp_path, capsys):
    folder = variant(orders, tmp_path, capsys, "margin", "--margin", 0.5, "--segments", 4)
    out = " ".join(ran(capsys, "compare", runs[0], folder, "--no-advice").split())
    assert "--margin was 1.0, then 0.5" in out
    assert "--segments was 5, then 4" in out
    assert "the CLV of the two runs does not mean the same, and is not compared" in out
    assert "What changed clv" not in out
    assert "What changed total_spend" in out


def test_another_currency_is_noticed_from_those_who_bought_nothing(orders, runs, tmp_path, capsys):
    folder = variant(orders, tmp_path, capsys, "euros", amount=orders["amount"] * 0.9)
    out = " ".join(ran(capsys, "compare", runs[0], folder, "--no-advice").split())
    assert re.search(r"amounts are in another unit: \d+ customers bought the same in both runs", out)
    assert "is 0.9 times as much" in out
    assert "another unit" not in " ".join(ran(capsys, "compare", *runs, "--no-advice").split())


def test_other_columns_and_no_amounts_are_said(orders, runs, tmp_path, capsys):
    table = orders.rename(columns={"amount": "net"})
    table.to_csv(tmp_path / "net.csv", index=False)
    ran(capsys, tmp_path / "net.csv", "--amount", "net", "--output", tmp_path / "net", "--no-report", "--segments", K)
    out = " ".join(ran(capsys, "compare", runs[0], tmp_path / "net", "--no-advice").split())
    assert "amounts came from column 'amount', then 'net': do both mean the same?" in out
    ran(capsys, tmp_path / "net.csv", "--output", tmp_path / "without", "--no-report", "--segments", K)
    out = " ".join(ran(capsys, "compare", runs[0], tmp_path / "without").split())
    assert "only the earlier run has amounts: spend and value are not compared" in out
    assert "what definitions did is not told from what customers did" in out
    assert "What changed n_purchases" in out


def test_a_table_changed_after_the_run_is_said(runs, tmp_path, capsys):
    folder = tmp_path / "june"
    shutil.copytree(runs[1], folder)
    table = pd.read_csv(folder / "customers.csv", dtype=str)
    table.loc[table["segment"] == "segment_1", "segment"] = "segment_2"
    table.to_csv(folder / "customers.csv", index=False)
    out = " ".join(ran(capsys, "compare", runs[0], folder, "--no-advice").split())
    assert "was changed after the run: the comparison is of what it holds now" in out
    assert "elsewhere than its table does" in out
    assert "not told apart: see the notes above" in out


# ------------------------------------------------------------------------------------------------ what is refused


def test_folders_that_are_none_of_a_run(runs, orders_csv, tmp_path, capsys):
    before, after = runs
    assert "there is no folder" in refused(capsys, "compare", tmp_path / "nowhere", after)
    assert "is no folder: give the folder" in refused(capsys, "compare", orders_csv, after)
    assert "it has no run.json" in refused(capsys, "compare", before, tmp_path)
    assert "are the same folder" in refused(capsys, "compare", before, before / ".." / before.name)
    assert "BEFORE, AFTER" in refused(capsys, "compare")
    assert "AFTER" in refused(capsys, "compare", before)
    assert "give the earlier run first" in refused(capsys, "compare", after, before)


def damaged(folder, target, change):
    shutil.copytree(folder, target)
    path = target / "run.json"
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))
    return target


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: r.update(format_version=2, program_version="9.9"), "was written by version '9.9', which is newer"),
        (lambda r: r.update(format_version=0), "is damaged"),
        (lambda r: r.update(format="other"), "was not written by a run"),
        (lambda r: r.pop("model"), "is damaged"),
        (lambda r: r.pop("features"), "is damaged"),
        (lambda r: r["model"].update(kind="pickle"), "of a kind that this version does not know"),
        (lambda r: r["model"]["scaled_centers"].pop(), "do not fit each other"),
        (lambda r: r["model"]["scaling"][0].update(width="x"), "is damaged"),
        (lambda r: r["model"].update(segments=["a", "a", "b"]), "names are missing or stand twice"),
        (lambda r: r["model"]["parameters"].update(scale="__import__"), "is damaged"),
        (lambda r: r.update(table_format="../../etc/passwd"), "is damaged"),
        (lambda r: r.update(last_day="soon"), "is damaged"),
        (lambda r: r.update(features=["nothing"]), "missing: 'nothing'"),
    ],
)
def test_records_that_cannot_be_read(few, runs, tmp_path, capsys, change, said):
    folder = damaged(few, tmp_path / "damaged", change)
    assert said in refused(capsys, "compare", folder, runs[1])


def test_other_damage(few, runs, tmp_path, capsys):
    for name, text, said in [
        ("run.json", "{", "it is no JSON"),
        ("run.json", "[1]", "was not written by a run"),
        ("customers.csv", "customer_id,segment\n", "missing: "),
        ("customers.csv", "", "is no readable table"),
    ]:
        folder = tmp_path / "other"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(few, folder)
        (folder / name).write_text(text)
        assert said in refused(capsys, "compare", folder, runs[1])
    (folder / "customers.csv").unlink()
    assert "has no customers.csv" in refused(capsys, "compare", folder, runs[1])
    (folder / "run.json").unlink()
    assert "has 'segments.csv' and no run.json: an earlier version" in refused(capsys, "compare", folder, runs[1])


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("customer_id", "a", "has customers twice: 'a'"),
        ("segment", "gold", "are in segments that the run does not know: 'gold'"),
        ("total_spend", "much", "column 'total_spend' holds other things than numbers"),
        ("total_spend", "", "missing or not finite"),
        ("membership", "2", "membership must lie in [0, 1]"),
    ],
)
def test_tables_that_cannot_be_used(few, runs, capsys, column, value, said):
    table = pd.read_csv(few / "customers.csv", dtype=str)
    table[column] = table[column].where(table.index != 1, value)
    table.to_csv(few / "customers.csv", index=False)
    assert said in refused(capsys, "compare", few, runs[1])


def test_runs_of_other_customers(few, runs, capsys):
    error = refused(capsys, "compare", runs[1], few)
    assert "no customer is in both runs: BEFORE has ids such as '" in error
    assert "AFTER 'a', 'b'" in error


def test_output(runs, tmp_path, capsys):
    assert "need --output DIR" in refused(capsys, "compare", *runs, "--force")
    assert "is one of the runs" in refused(capsys, "compare", *runs, "--output", runs[0], "--force")
    (tmp_path / "drift.csv").write_text("mine")
    assert "has 'drift.csv' already" in refused(capsys, "compare", *runs, "--output", tmp_path)
    out = ran(capsys, "compare", *runs, "--output", tmp_path, "--force", "--no-report", "--no-advice")
    assert f"Written: {tmp_path / 'drift.csv'} (3 rows)" in out
    assert not (tmp_path / "comparison.html").exists()
    assert "it has no run.json" in refused(capsys, "compare", tmp_path, runs[1])


def test_a_missing_package_is_said_before_the_work(runs, tmp_path, capsys, monkeypatch):
    from segmentation._cli import _report

    monkeypatch.setattr(_report, "missing", lambda: "jinja2")
    error = refused(capsys, "compare", *runs, "--output", tmp_path, "--report")
    assert "pip install 'customer-segments[report]'" in error
    out = ran(capsys, "compare", *runs, "--output", tmp_path, "--no-advice")
    assert "No comparison.html: it needs jinja2" in out


def test_a_file_called_compare_is_not_mistaken(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "compare.csv").write_text(FEW)
    (tmp_path / "compare").write_text(FEW)
    assert "Priorities" in ran(capsys, "compare.csv", "--segments", 2)
    assert "none of .csv" in refused(capsys, "./compare")


def test_help_is_documented(capsys):
    assert call("compare", "--help") == 0
    out = capsys.readouterr().out
    options = set(re.findall(r"^  (--[a-z-]+)", out, re.M))
    documented = set(re.findall(r"^\| `(--[a-z-]+)", DOCS.read_text(), re.M))
    assert documented == options


def test_the_documented_output_is_what_is_printed(capsys, tmp_path, monkeypatch):
    """Compare the words; figures of k-means may differ in the last digit between versions of scikit-learn."""
    monkeypatch.chdir(tmp_path)
    ran(capsys, "--as-of", "1998-01-31", "--output", "january", "--no-report")
    ran(capsys, "--output", "june", "--no-report")
    out = ran(capsys, "compare", "january", "june")
    shown = re.search(r"```text\n(.*?)```", DOCS.read_text(), re.DOTALL)[1]

    def words(text):
        lines = re.sub(r"[-+]?\d[\d.,]*", "0", text).splitlines()
        return [" ".join(line.split()) for line in lines if not re.search("segment_|Done|figures? not", line)]

    assert words(shown) == words(out)
