"""``python -m segmentation verify``: every published figure comes out, and a wrong one is seen."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from segmentation import __version__
from segmentation.__main__ import main
from segmentation.clv import BetaGeoNBD, ParetoNBD
from segmentation.verification import Verification, _published, _recompute, verify

FIGURES = [(group.title, figure.name) for group in _published.PUBLISHED for figure in group.figures]


@pytest.fixture(scope="module")
def result():
    return verify()


def run(capsys, *arguments):
    status = main(list(arguments))
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def with_printed(monkeypatch, key, name, printed):
    """Replace what is printed of one figure."""
    groups = tuple(
        dataclasses.replace(
            group,
            figures=tuple(
                dataclasses.replace(figure, printed=printed) if (group.key, figure.name) == (key, name) else figure
                for figure in group.figures
            ),
        )
        for group in _published.PUBLISHED
    )
    assert groups != _published.PUBLISHED
    monkeypatch.setattr(_published, "PUBLISHED", groups)


# ------------------------------------------------------------------------------------------------- what comes out


@pytest.mark.parametrize(("group", "what"), FIGURES)
def test_figure_is_reproduced(result, group, what):
    row = result.to_pandas().set_index(["group", "what"]).loc[(group, what)]
    assert abs(row["computed"] - row["published"]) <= row["tolerance"]
    assert row["passed"]


@pytest.mark.parametrize(
    ("key", "figures"),
    [
        ("counts", {"customers": 2357, "repeat purchases, by day": 2457, "repeat purchases in the holdout": 1882,
                    "repeat purchases, by calendar week": 2248, "repeat buyers": 946}),
        ("bg_nbd", {"log-likelihood": -9582.429, "r": 0.2426, "alpha": 4.4136, "a": 0.7929, "b": 2.4259,
                    "purchases of all in the holdout": 1653}),
        ("pareto_nbd", {"log-likelihood": -9594.976, "r": 0.5533, "alpha": 10.578, "s": 0.6062, "beta": 11.669}),
        ("mbg_nbd", {"log-likelihood": -9582.136, "r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614}),
        ("mbg_cnbd", {"k that is chosen": 1, "log-likelihood, k=2": -9853.25, "log-likelihood, k=3": -10394.36}),
        ("gamma_gamma", {"log-likelihood": -4055.92, "p": 6.25, "q": 3.74, "v": 15.44}),
        ("bg_bb", {"log-likelihood": -33225.58, "alpha": 1.2035, "beta": 0.7497, "gamma": 0.6567, "delta": 2.7834,
                   "donors": 11104}),
        ("sbg_regular", {"alpha": 0.7041, "beta": 1.1820}),
        ("sbg_high_end", {"alpha": 0.6681, "beta": 3.8061}),
    ],
)  # fmt: skip
def test_the_figures_are_those_of_the_literature(key, figures):
    """Typed a second time, so that a slip in the table of published figures is seen."""
    (group,) = [group for group in _published.PUBLISHED if group.key == key]
    printed = {figure.name: figure.published for figure in group.figures}
    assert {name: printed[name] for name in figures} == figures


@pytest.mark.parametrize(
    ("printed", "rule", "tolerance"),
    [
        ("0.0078", "digits", 0.00005),
        ("1.226", "digits", 0.0005),
        ("2457", "digits", 0.5),
        ("-9582.429", "likelihood", 0.01),
        ("-0.2426", "parameter", 0.001213),
        ("24.65", "tenth", 0.1),
    ],
)
def test_tolerances_follow_from_what_is_printed(printed, rule, tolerance):
    assert _published.Value("name", printed, "fader_2005", rule).tolerance == pytest.approx(tolerance, rel=1e-12)


def test_every_figure_has_its_name_once_its_source_and_a_function():
    assert len(set(FIGURES)) == len(FIGURES)
    assert {group.key for group in _published.PUBLISHED} == set(_recompute.RECOMPUTE)
    used = {figure.source for group in _published.PUBLISHED for figure in group.figures}
    assert used == set(_published.SOURCES)


def test_what_no_author_has_printed_is_called_a_recomputation(result):
    table = result.to_pandas()
    cnbd = table["what"].str.startswith("log-likelihood, k=")
    sbg = table["group"].str.startswith("sBG")
    assert table.loc[cnbd | sbg, "source"].str.startswith("recomputation").all()


# ---------------------------------------------------------------------------------------------------- it can fail


def test_a_wrong_printed_figure_fails(monkeypatch, capsys):
    with_printed(monkeypatch, "bg_nbd", "log-likelihood", "-9582.45")
    status, out, err = run(capsys, "verify")
    assert (status, err) == (1, "")
    assert out.endswith("FAILED: 1 of 58 published figures not reproduced.\n")
    (line,) = [line for line in out.splitlines() if "FAIL " in line]
    assert line.split()[:4] == ["log-likelihood", "-9582.45", "-9582.429", "+0.021"]


def test_a_wrong_count_fails(monkeypatch):
    with_printed(monkeypatch, "counts", "repeat purchases in the holdout", "1881")
    failed = verify()
    assert not failed.passed
    assert failed.table.loc[~failed.table["passed"], "computed"].tolist() == [1882.0]


def test_a_model_that_computes_something_else_fails(monkeypatch):
    right = BetaGeoNBD._log_likelihood_rows
    monkeypatch.setattr(BetaGeoNBD, "_log_likelihood_rows", lambda self, *args: right(self, *args) + 1e-4)
    failed = verify().to_pandas()
    assert set(failed.loc[~failed["passed"], "group"]) == {"BG/NBD with r=.25, alpha=4, a=.8, b=2.5"}


def test_figures_that_are_not_finite_fail(monkeypatch):
    def overflown(self, params, *history):
        return np.full(len(history[0]), np.nan)

    monkeypatch.setattr(ParetoNBD, "_p_alive_rows", overflown)
    failed = verify().to_pandas().set_index("what")
    assert failed.loc["finite P(alive) of 4 heavy buyers", "computed"] == 0
    assert not failed.loc["finite P(alive) of 4 heavy buyers", "passed"]
    assert not failed.loc["purchases in 10 if x=132, t_x=T=200", "passed"]


def test_a_model_that_raises_fails_and_the_others_are_still_compared(monkeypatch, capsys):
    def broken(data):
        raise ArithmeticError("division by <zero>")

    monkeypatch.setitem(_recompute.RECOMPUTE, "bg_bb", broken)
    result = verify()
    assert result.problems == ("BG/BB on donations, 6 years: ArithmeticError: division by <zero>",)
    table = result.to_pandas()
    assert set(table.loc[~table["passed"], "group"]) == {"BG/BB on donations, 6 years"}
    assert table.loc[~table["passed"], "computed"].isna().all()
    assert "division by <zero>" in str(result)
    assert "division by &lt;zero&gt;" in result._repr_html_()
    assert result.to_dict()["figures"][-6]["computed"] is None
    status, out, _ = run(capsys, "verify", "--json")
    assert status == 1
    assert json.loads(out)["n_failed"] == 9


def test_a_figure_that_is_not_computed_at_all_fails(monkeypatch):
    monkeypatch.setitem(_recompute.RECOMPUTE, "sbg_regular", lambda data: {"alpha": 0.7041})
    assert verify().n_failed == 1


# ------------------------------------------------------------------------------------------------------ the result


def test_result_in_all_its_forms(result):
    assert result.passed
    assert result.n_figures == len(FIGURES) == 58
    assert result.verdict == "All 58 published figures reproduced."
    assert repr(result) == "<Verification: All 58 published figures reproduced.>"
    assert result.to_pandas().columns.tolist() == [
        "group", "what", "published", "computed", "difference", "tolerance", "passed", "source",
    ]  # fmt: skip
    text = str(result)
    assert max(map(len, text.splitlines())) <= 102
    assert text.count("  pass  [") == 58
    assert "10.1287/mksc.1040.0098" in text
    html = result._repr_html_()
    assert html.count("<tr") == 59
    assert json.loads(result.to_json()) == result.to_dict()
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.table = None


def test_the_table_handed_out_is_a_copy(result):
    table = result.to_pandas()
    table["passed"] = False
    assert result.passed


def test_an_empty_table_has_nothing_that_failed():
    table = pd.DataFrame({"group": [], "what": [], "passed": pd.Series(dtype=bool), "source": []})
    assert Verification(table).n_failed == 0


def test_verify_twice_gives_the_same(result):
    pd.testing.assert_frame_equal(verify().table, result.table)


# ----------------------------------------------------------------------------------------------------- the command


def test_command_prints_the_table_and_returns_0(capsys, result):
    status, out, err = run(capsys, "verify")
    assert (status, err) == (0, "")
    assert out == f"customer-segments {__version__}\n\n{result}\n"


def test_command_prints_json(capsys, result):
    status, out, err = run(capsys, "verify", "--json")
    assert (status, err) == (0, "")
    assert json.loads(out) == result.to_dict()


@pytest.mark.parametrize("word", ["--segments", "orders.csv", "--jso"])
def test_arguments_of_the_other_job_are_refused(capsys, word):
    status, out, err = run(capsys, "verify", word)
    assert (status, out) == (2, "")
    assert err.startswith("segmentation: error: unrecognized arguments")
    assert err.count("\n") == 1


def test_help(capsys):
    status, out, _ = run(capsys, "verify", "--help")
    assert status == 0
    assert "--json" in out
    assert "verify [--json]" in run(capsys, "--help")[1]


@pytest.mark.parametrize("name", ["./verify", "verify.csv", "verify/orders.csv"])
def test_a_file_of_that_name_is_still_a_file(capsys, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "verify.csv").write_text("customer_id,timestamp\nA,2024-01-01\nB,2024-01-02\nB,2024-01-05\n")
    status, out, err = run(capsys, name, "--segments", "1")
    if name == "verify.csv":
        assert status == 0
        assert "3 rows read" in out
    else:
        assert status == 2
        assert "there is no file" in err


def test_missing_data_are_said_in_one_line(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(_recompute, "_cdnow_file", lambda: tmp_path / "CDNOW_sample.txt")
    status, out, err = run(capsys, "verify")
    assert (status, out) == (2, "")
    assert "donations.csv" in err
    assert "pip install" in err


def test_command_in_a_process_of_its_own_without_lifetimes():
    """The exit status is that of the process, and lifetimes is not imported for its data."""
    code = (
        "import sys; from segmentation.__main__ import main; status = main(['verify', '--json']); "
        "sys.exit(status or 10 * ('lifetimes' in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["passed"]
