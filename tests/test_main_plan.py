"""The plan of the command ``python -m segmentation --resources``, and the illustration without a file."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from segmentation import datasets
from segmentation.__main__ import main
from segmentation._cli import _plan

PLAN = """
period = "quarter"
note = "guesses of the sales team"

[[resources]]
name = "budget"
amount = 300
unit = "EUR"
price = 1

[curves."*"]
family = "exponential"
top = 0.2
rate = 0.5
per = "customer"
times = "clv_mean"
randomized = true

[current]
segment_1 = 150
segment_2 = 150
"""


def run(capsys, *arguments):
    assert main([*map(str, arguments), "--no-progress"]) == 0
    return capsys.readouterr().out


def refused(capsys, *arguments):
    assert main([*map(str, arguments), "--no-progress"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


@pytest.fixture
def plan_file(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text(PLAN, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def orders_csv(tmp_path_factory):
    path = tmp_path_factory.mktemp("orders") / "orders.csv"
    table = datasets.load_cdnow()
    table[table["customer_id"].isin(table["customer_id"].unique()[:300])].to_csv(path, index=False)
    return path


def test_without_a_file_of_orders_the_plan_is_an_open_illustration(capsys, tmp_path):
    text = run(capsys, "--output", tmp_path / "out", "--no-report")
    plan = text[text.index("Plan (") :]
    assert plan.startswith("Plan (ILLUSTRATION with invented curves, outcomes per year)")
    assert "note: the curves and costs are invented" in plan
    # invented figures are not left lying about as a table
    assert not (tmp_path / "out" / "allocation.csv").exists()
    assert all(len(line) <= 100 for line in plan[: plan.index("Written:")].splitlines())


def test_orders_of_ones_own_get_no_invented_plan(capsys, orders_csv):
    assert "Plan (" not in run(capsys, orders_csv)


def test_a_plan_file_is_planned_printed_and_written(capsys, orders_csv, plan_file, tmp_path):
    out = tmp_path / "out"
    text = run(capsys, orders_csv, "--segments", 3, "--resources", plan_file, "--output", out)
    assert f"Plan (curves of {plan_file}, outcomes per quarter)" in text
    assert "note: guesses of the sales team" in text
    assert re.search(r"Today's split costs about [\d,.]+ a quarter", text)
    segments = pd.read_csv(out / "segments.csv").set_index("segment")
    table = pd.read_csv(out / "allocation.csv").set_index("segment")
    assert set(table.index) == set(segments.index)
    assert table["budget"].sum() == pytest.approx(300)
    n, clv = segments["n_customers"], segments["clv_mean"]
    expected = n * clv * 0.2 * -np.expm1(-0.5 * table["effort"].reindex(n.index) / n)
    assert table["outcome"].reindex(n.index).to_numpy() == pytest.approx(expected.to_numpy())
    # the best split: what is funded earns the same at the margin
    slope = 0.1 * clv * np.exp(-0.5 * table["effort"].reindex(n.index) / n)
    funded = table["effort"].reindex(n.index) > 0
    assert slope[funded].to_numpy() == pytest.approx(slope[funded].max())
    assert (slope[~funded] <= slope[funded].max() * (1 + 1e-9)).all()
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "What each segment should get" in page
    assert "guesses of the sales team" in page
    shown = text[text.index("Plan (") : text.index("Written:")]
    row = next(line.split() for line in shown.splitlines() if line.strip().startswith("segment_1 "))
    assert float(row[1].replace(",", "")) == pytest.approx(table.loc["segment_1", "effort"], rel=1e-3)
    assert row[2] == "150"


def test_the_plan_hides_what_is_hidden(capsys, orders_csv, plan_file, tmp_path):
    out = tmp_path / "out"
    text = run(capsys, orders_csv, "--resources", plan_file, "--output", out, "--minimum-cell", 60, "--no-report")
    segments = pd.read_csv(out / "segments.csv").set_index("segment")
    hidden = segments.index[segments["n_customers"].isna()]
    assert 0 < len(hidden) < len(segments)
    table = pd.read_csv(out / "allocation.csv").set_index("segment")
    assert table.loc[hidden].drop(columns="action").isna().all(axis=None)
    assert table.drop(index=hidden)["effort"].notna().all()
    shown = text[text.index("Plan (") : text.index("Written:")]
    for segment in hidden:
        row = next(line for line in shown.splitlines() if line.strip().startswith(f"{segment} "))
        assert not re.search(r"\d", row.replace(segment, ""))


def test_without_amounts_a_plan_may_use_what_there_is(capsys, tmp_path, orders_csv, plan_file):
    table = pd.read_csv(orders_csv).drop(columns="amount")
    table.to_csv(tmp_path / "visits.csv", index=False)
    assert "the profile has no column 'clv_mean'" in refused(capsys, tmp_path / "visits.csv", "--resources", plan_file)
    plan_file.write_text(PLAN.replace("clv_mean", "expected_purchases_mean"), encoding="utf-8")
    assert "Plan (curves of" in run(capsys, tmp_path / "visits.csv", "--resources", plan_file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("budget = 3", "the plan has 'budget', which means nothing there"),
        (PLAN.replace("segment_2 =", "segment_9 ="), r"[current] names 'segment_9', which is no segment"),
        (PLAN.replace("amount = 300", "amount = -3"), "must be 0 or more"),
        (PLAN + "\n[bounds]\nsegment_1 = [400, 500]", "budget"),
        (PLAN.replace("rate = 0.5", "rate = nan"), "rate must be finite"),
    ],
)
def test_what_cannot_be_planned_is_one_line(capsys, orders_csv, plan_file, text, message):
    plan_file.write_text(text, encoding="utf-8")
    assert message in refused(capsys, orders_csv, "--resources", plan_file)


def test_a_plan_file_that_is_not_there_is_one_line(capsys, orders_csv, tmp_path):
    assert "cannot be read: No such file" in refused(capsys, orders_csv, "--resources", tmp_path / "none.toml")


def test_existing_allocations_are_not_replaced_unasked(capsys, orders_csv, plan_file, tmp_path):
    (tmp_path / "allocation.csv").write_text("mine", encoding="utf-8")
    error = refused(capsys, orders_csv, "--resources", plan_file, "--output", tmp_path)
    assert "'allocation.csv' already" in error
    assert (tmp_path / "allocation.csv").read_text(encoding="utf-8") == "mine"


def test_the_illustration_is_a_file_to_start_from(capsys, tmp_path):
    example = (_plan.files("segmentation._cli") / _plan.EXAMPLE).read_text(encoding="utf-8")
    path = tmp_path / "plan.toml"
    path.write_text(example, encoding="utf-8")
    own, shown = run(capsys, "--resources", path), run(capsys)
    rows = [[line for line in text.splitlines() if " letter " in line or " call " in line] for text in (own, shown)]
    assert rows[0] == rows[1]
    assert len(rows[0]) >= 10
