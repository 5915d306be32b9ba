"""What all pictures share: names with dollars are names, numbers stay numbers."""

import re
from pathlib import Path

import pytest

import segmentation

PACKAGE = Path(segmentation.__file__).parent

plt = pytest.importorskip("matplotlib.figure", reason='pictures need matplotlib: pip install "customer-segments[plot]"')


def drawn(figure):
    """Return the texts of a figure as they are drawn, by the number of parts that are formulas."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    FigureCanvasAgg(figure).draw()
    return {text.get_text(): text.get_parse_math() for text in figure.findobj(Text) if text.get_text()}


def test_dollars_in_names_are_dollars_and_powers_stay_powers():
    from segmentation._plotting import take_literally

    figure = plt.Figure()
    left, right = figure.subplots(1, 2)
    inset = left.inset_axes((0.5, 0.5, 0.4, 0.4))
    for ax in (left, right, inset):
        ax.set_yticks([1, 2], ["$0 - $100", "$100 - $200"])
        ax.set_xscale("log")
        ax.set_xlim(1, 1e6)
        ax.set_title("from $5 to $6")
    take_literally([left, right])
    texts = drawn(figure)
    assert not texts["$0 - $100"]
    assert not texts["from $5 to $6"]
    powers = [text for text in texts if "10^{" in text]
    assert powers
    assert all(texts[text] for text in powers)


def test_every_display_takes_names_literally():
    """Each `plot` of a display ends so; a name with two dollars would lose them otherwise."""
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if re.search(r"^class \w+Display\b", text, re.M):
            assert "take_literally(" in text, f"{path.name}: end plot() with take_literally(self.ax_)"
