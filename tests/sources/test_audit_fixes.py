"""Fixes do what they say, count it, and nothing else; the audit finds nothing of the kind afterwards."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from segmentation.exceptions import ColumnError
from segmentation.sources import audit

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
from audit_tables import FAULTS, clean_table

AS_OF = "2024-06-30"
# finding a fault again after its fix would mean that the fix does not mend it
MENDED = [
    "-999 in a count", "word", "blank", "1900-01-01", "zero price", "impossible age", "negative spend", "off the scale",
    "joke category", "numbers as text", "1.234,50 as text", "two date formats", "invalid date", "spaces", "upper case",
    "mojibake", "html", "future", "row twice", "id twice", "two ids", "two sources", "constant", "redundant", "leak",
    "reverse keyed", "outlier, normal", "typed pattern", "mean filled in",
]  # fmt: skip


@pytest.mark.parametrize("fault", MENDED)
def test_fix_mends_and_touches_nothing_else(fault):
    clean = clean_table(600, 11)
    table, check, columns, count = FAULTS[fault](clean, np.random.default_rng(5))
    before = table.copy(deep=True)
    report = audit(table, as_of=AS_OF)
    (found,) = [f for f in report.findings if f.check == check and set(f.columns) == set(columns)]
    repaired, log = report.apply(table, fixes=[found.name])
    pd.testing.assert_frame_equal(table, before)
    assert log["finding"].tolist() == [found.name]
    assert log["n_changed"].item() >= min(count, len(before))
    again = audit(repaired, as_of=AS_OF)
    assert [f.name for f in again.findings if f.check == check and set(f.columns) == set(columns)] == []
    if len(repaired) == len(before):
        untouched = [c for c in repaired.columns if c not in found.fix["columns"]]
        pd.testing.assert_frame_equal(repaired[untouched], before[untouched])
    else:
        assert len(before) - len(repaired) == log["n_changed"].item() == count


def test_only_what_is_asked_is_done_in_the_order_asked():
    table = pd.DataFrame({"city": ["Bonn ", "bonn", "Bonn", "n/a"] * 30, "visits": [3.0, 4, 5, 999_999] * 30})
    report = audit(table)
    same, log = report.apply(table, fixes=[])
    pd.testing.assert_frame_equal(same, table)
    assert log.empty
    by_hand = {"action": "map_values", "columns": ["city"], "mapping": {"bonn": "Bonn"}}
    repaired, log = report.apply(table, fixes=["whitespace:city", by_hand])
    assert repaired["city"].tolist() == ["Bonn", "Bonn", "Bonn", "n/a"] * 30
    assert log[["finding", "n_changed"]].to_numpy().tolist() == [["whitespace:city", 30], ["(by hand)", 30]]
    assert repaired["visits"].equals(table["visits"])


def test_what_cannot_be_done_is_refused():
    table = pd.DataFrame({"a": [1.0, 2, 3], "b": [None, 1.0, 2.0]})
    report = audit(table)
    with pytest.raises(KeyError, match="no finding 'nonsense'"):
        report.apply(table, fixes=["nonsense"])
    with pytest.raises(ValueError, match="has no fix; what to do"):
        report.apply(table, fixes=["missing:b"])
    with pytest.raises(ValueError, match="unknown action 'explode'"):
        report.apply(table, fixes=[{"action": "explode"}])
    with pytest.raises(ColumnError, match="missing: 'c'"):
        report.apply(table, fixes=[{"action": "drop_columns", "columns": ["c"]}])
    with pytest.raises(TypeError, match="put it in brackets"):
        report.apply(table, fixes="missing:b")
