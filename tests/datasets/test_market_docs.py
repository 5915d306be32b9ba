"""The parameter tables of docs/market.md are those of the generator."""

import re
from pathlib import Path

import pandas as pd
import pytest

from segmentation.datasets import make_market

PAGE = Path(__file__).resolve().parents[2] / "docs" / "market.md"
TABLE = re.compile(r"<!-- generator: (\w+) -->\n((?:\|.*\n)+)")

MARKET = make_market(1, random_state=0)
TABLES = {**MARKET.generator, "curves": MARKET.curves.set_index(["segment", "action"])}


def read(name):
    """Return the cells of a table of the page as texts, the first line as columns."""
    found = dict(TABLE.findall(PAGE.read_text(encoding="utf-8")))
    lines = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in found[name].splitlines()]
    return pd.DataFrame(lines[2:], columns=lines[0])


def value(cell):
    if cell in {"yes", "no"}:
        return cell == "yes"
    try:
        return float(cell) if cell else float("nan")
    except ValueError:
        return cell


def test_every_table_is_on_the_page_once():
    names = [name for name, _ in TABLE.findall(PAGE.read_text(encoding="utf-8"))]
    assert sorted(names) == sorted(TABLES)


@pytest.mark.parametrize("name", list(TABLES))
def test_values(name):
    expected = TABLES[name]
    if expected.index.name == "segment":
        expected = expected.T.rename_axis(index="parameter")
    page = read(name).drop(columns="meaning", errors="ignore")
    expected = expected.reset_index()
    assert list(page.columns) == list(expected.columns)
    assert len(page) == len(expected)
    for column in page.columns:
        for shown, true in zip(page[column].map(value), expected[column], strict=True):
            assert shown == pytest.approx(true, abs=5e-7, nan_ok=True) if not isinstance(true, str) else shown == true
