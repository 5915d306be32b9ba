"""The gallery shows every display there is, and every picture it links to exists."""

import re
from pathlib import Path

import pytest

from segmentation import allocation, curves, evaluation, experiments, feedback, monitoring, prioritizers

PACKAGES = [allocation, curves, evaluation, experiments, feedback, monitoring, prioritizers]
DOCS = Path(__file__).parents[1] / "docs"
TEXT = (DOCS / "gallery.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_every_display_is_shown(package):
    displays = {name for name in package.__all__ if name.endswith("Display")}
    assert displays
    assert displays <= set(re.findall(r"`(\w+Display)", TEXT))


def test_every_picture_is_there_and_shown_with_a_description():
    shown = re.findall(r"!\[([^\]]+)\]\((gallery/\w+\.png)\)", TEXT)
    assert {name for _, name in shown} == {f"gallery/{path.name}" for path in (DOCS / "gallery").glob("*.png")}
    assert all(len(description) > 20 for description, _ in shown)
    assert all((DOCS / name).read_bytes().startswith(b"\x89PNG") for _, name in shown)
