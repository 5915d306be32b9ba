"""Plug-ins of another distribution: listed without importing, loaded with checks, passing the kit."""

import os
import subprocess
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from segmentation import Prioritizer, Scorer, Segmenter, plugins
from segmentation.exceptions import PluginError
from segmentation.testing import check_prioritizer, check_scorer, check_segmenter, make_customers

PACKAGE = Path(__file__).parent / "plugin_package"


@pytest.fixture(scope="module", autouse=True)
def installed():
    """The mini-distribution is really installed: its files and entry points come from a wheel."""
    if not [e for e in entry_points(group="segmentation.segmenters") if e.name == "season"]:
        if os.environ.get("SEGMENTATION_REQUIRE_ALL"):
            pytest.fail("the plug-in package is not installed: pip install ./tests/plugin_package")
        pytest.skip("the plug-in package is not installed: pip install ./tests/plugin_package")


def orders_per_season():
    counts = np.random.default_rng(0).poisson([6, 2, 2, 1], size=(60, 4))
    ids = pd.Index([f"C{i:02d}" for i in range(60)], name="customer_id")
    return pd.DataFrame(counts, columns=["spring", "summer", "autumn", "winter"], index=ids)


def test_available_lists_name_package_and_version():
    table = plugins.available()
    mine = table[table["package"] == "segmentation-seasons"]
    assert set(mine["version"]) == {"1.2.3"}
    found = set(zip(mine["kind"], mine["name"], strict=True))
    assert {("segmenter", "season"), ("scorer", "pace"), ("prioritizer", "headroom")} <= found
    assert plugins.available("scorer").query("name == 'pace'")["target"].tolist() == ["segmentation_seasons:PaceScorer"]


def test_available_imports_nothing():
    code = (
        "import sys; from segmentation import plugins; plugins.available(); "
        "print('segmentation_seasons' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


def test_load_returns_classes_that_pass_the_kit():
    segmenter = plugins.load("segmenter", "season")
    scorer = plugins.load("scorer", "pace")
    prioritizer = plugins.load("prioritizer", "headroom")
    assert issubclass(segmenter, Segmenter)
    assert issubclass(scorer, Scorer)
    assert issubclass(prioritizer, Prioritizer)
    assert {r.status for r in check_segmenter(segmenter(), orders_per_season())} == {"passed"}
    results = check_scorer(scorer(), make_customers(numeric=True)[["n_purchases", "age"]])
    assert not [r for r in results if r.status == "failed"]
    assert {r.status for r in check_prioritizer(prioritizer())} == {"passed"}


def test_load_says_what_is_wrong():
    with pytest.raises(PluginError, match=r"no segmenter plug-in 'seasons' is installed.*Did you mean 'season'\?"):
        plugins.load("segmenter", "seasons")
    with pytest.raises(
        PluginError, match=r"'not_a_segmenter' of segmentation-seasons .* is not a subclass of Segmenter"
    ):
        plugins.load("segmenter", "not_a_segmenter")
    with pytest.raises(
        PluginError, match=r"'cannot_import' of segmentation-seasons .* cannot be imported: ModuleNotFound"
    ):
        plugins.load("segmenter", "cannot_import")
    with pytest.raises(ValueError, match="kind must be one of 'segmenter', 'scorer', 'prioritizer', got 'scorers'"):
        plugins.load("scorers", "pace")


def test_two_packages_with_one_name_are_an_error(monkeypatch):
    group = plugins.GROUPS["scorer"]
    twice = [EntryPoint("pace", "a:Pace", group), EntryPoint("pace", "b:Pace", group)]
    monkeypatch.setattr(plugins, "entry_points", lambda group: twice)
    with pytest.raises(PluginError, match="two scorer plug-ins are called 'pace': a:Pace and b:Pace"):
        plugins.available("scorer")
    same = [EntryPoint("pace", "a:Pace", group)] * 2
    monkeypatch.setattr(plugins, "entry_points", lambda group: same)
    assert plugins.available("scorer")["name"].tolist() == ["pace"]


def test_the_package_is_what_the_documentation_shows():
    """The plug-ins of the package stand in docs/plugins.md to the letter."""
    page = (PACKAGE.parents[1] / "docs" / "plugins.md").read_text(encoding="utf-8")
    source = (PACKAGE / "src" / "segmentation_seasons" / "__init__.py").read_text(encoding="utf-8")
    classes = source.split("\n\n\nclass ")[1:]
    assert len(classes) == 3
    for one in classes:
        assert "class " + one.strip() in page
