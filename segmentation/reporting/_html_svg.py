"""Pictures of matplotlib as SVG that may stand beside others in one page: no clashing ids, no links, no clouds."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from segmentation._frames import kind_of
from segmentation._plotting import take_literally

__all__ = ["Picture", "drawn", "figure_of", "is_picture", "picture_of", "pyplot", "with_prefix"]

# From so many marks on, a picture is smaller, and quicker to open, as dots than as shapes.
DENSE = 2_000
DOTS_PER_INCH = 144
POINTS_PER_INCH, PIXELS_PER_INCH = 72, 96

TAG = re.compile(r"<[^<>]*>")
IDS = re.compile(r'\s(id)="([^"]*)"')
LINKS = re.compile(r'\s(?:xlink:)?href="([^"]*)"')
URLS = re.compile(r"url\(#([^)]*)\)")
SIZE = re.compile(r'<svg[^>]* width="([\d.]+)pt"[^>]*>|<svg[^>]* height="[\d.]+pt"[^>]* width="([\d.]+)pt"')
VIEW = re.compile(r'viewBox="([^"]*)"')
# What only a file by itself needs. A style of `*` would reach everything else on the page.
NOT_INLINE = re.compile(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>|<!--.*?-->|<defs>\s*</defs>", re.DOTALL)
# Mark between which the name of the picture is put when its place on the page is known.
PLACE = "\x01"


@dataclass(frozen=True)
class Picture:
    """An inline SVG element without its name, and how wide it is by itself, in CSS pixels."""

    svg: str
    width: int


def is_picture(value: Any) -> bool:
    """Whether a value is a figure, or axes, of matplotlib, or a display that has drawn one."""
    if type(value).__module__.split(".")[0] == "matplotlib":
        return hasattr(value, "savefig") or hasattr(value, "get_figure")
    return hasattr(value, "figure_") or (type(value).__name__.endswith("Display") and hasattr(value, "plot"))


def pyplot() -> Any:
    """Import matplotlib's pyplot, or say how to get it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            'pictures of a report need matplotlib, which is not installed: pip install "customer-segments[report]". '
            "add(..., plot=False) leaves them out."
        ) from error
    return plt


@contextmanager
def drawn(value: Any) -> Iterator[Any]:
    """Call `value.plot()` without showing it anywhere, give the figure, and close it after.

    Figures that were there before stay open.
    """
    plt = pyplot()
    before = set(plt.get_fignums())
    try:
        with plt.ioff():
            yield figure_of(value.plot())
    finally:
        for number in set(plt.get_fignums()) - before:
            plt.close(number)


def figure_of(value: Any) -> Any:
    """Return the figure of axes, of a display that was drawn, or of an array of axes."""
    if hasattr(value, "savefig"):
        return value
    if hasattr(value, "figure_"):
        return value.figure_
    if hasattr(value, "get_figure"):
        return value.get_figure()
    if hasattr(value, "flat"):
        return figure_of(next(iter(value.flat)))
    if isinstance(value, list | tuple) and value:
        return figure_of(value[0])
    raise TypeError(f"a picture must be a figure or axes of matplotlib, or a display, got {kind_of(value)}.")


def picture_of(figure: Any, *, names_are_literal: bool = False) -> Picture:
    """Return a figure as inline SVG, equal for equal figures.

    Parameters
    ----------
    figure : matplotlib Figure
        Left as it is.
    names_are_literal : bool, default=False
        Take ``$`` in labels as a dollar sign, not as the beginning of a formula. Tick labels of numbers stay what they
        are.
    """
    import matplotlib as mpl

    buffer = io.StringIO()
    # text stays text: it can be read aloud, searched, and letters that matplotlib has no shape for are the browser's
    settings: Any = {"svg.hashsalt": "segmentation", "svg.fonttype": "none"}
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with mpl.rc_context(settings), warnings.catch_warnings(), _without_density(figure):
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        if names_are_literal:
            take_literally(figure.axes)
            for text in figure.texts:
                text.set_parse_math(False)
        figure.savefig(buffer, format="svg", metadata=nothing, bbox_inches="tight", dpi=DOTS_PER_INCH)
    return _inline(buffer.getvalue())


def _inline(text: str) -> Picture:
    """Make of an SVG file an element that can stand in a page."""
    text = text[text.index("<svg") :].replace(PLACE, "")
    text = NOT_INLINE.sub("", text)
    used = {name for tag in TAG.findall(text) for name in (*URLS.findall(tag), *_targets(tag))}
    width = float(next(filter(None, (SIZE.search(text) or _no_size()).groups())))
    view = (VIEW.search(text) or _no_size()).group(1)
    body = TAG.sub(lambda match: _tag(match.group(), used), text[text.index(">") + 1 :])
    body = re.sub(r">\s+<", "><", body.strip())
    # a text's own spaces stand in its style, so nothing is lost between tags
    return Picture(f'<svg viewBox="{view}" role="img" {PLACE}>{body}', round(width / POINTS_PER_INCH * PIXELS_PER_INCH))


def _no_size() -> Any:
    raise ValueError("the picture is no SVG with a width and a viewBox: matplotlib writes another form than expected.")


def _targets(tag: str) -> list[str]:
    return [link[1:] for link in LINKS.findall(tag) if link.startswith("#")]


def _tag(tag: str, used: set[str]) -> str:
    """Keep only ids that something refers to, marked for a prefix, and links only within the picture."""
    tag = IDS.sub(lambda m: f' id="{PLACE}{m[2]}"' if m[2] in used else "", tag)
    tag = URLS.sub(lambda m: f"url(#{PLACE}{m[1]})", tag)
    return LINKS.sub(_link, tag)


def _link(match: re.Match[str]) -> str:
    target = match[1]
    if target.startswith("#"):
        return f' href="#{PLACE}{target[1:]}"'
    return f' href="{target}"' if target.startswith("data:image/png;base64,") else ""


def with_prefix(picture: Picture, prefix: str, attributes: str) -> str:
    """Return the element with ids that begin with `prefix`, and with attributes, which must be escaped already."""
    head, _, body = picture.svg.partition(PLACE)
    return head + attributes + body.replace(PLACE, prefix)


@contextmanager
def _without_density(figure: Any) -> Iterator[None]:
    """Let what has very many marks be drawn as dots, and undo that after."""
    changed = [artist for artist in figure.findobj(_is_dense) if not artist.get_rasterized()]
    for artist in changed:
        artist.set_rasterized(True)
    try:
        yield
    finally:
        for artist in changed:
            artist.set_rasterized(False)


def _is_dense(artist: Any) -> bool:
    """Whether an artist is a line with very many points, or a collection of very many marks."""
    if hasattr(artist, "get_xdata"):
        return len(artist.get_xdata(orig=False)) > DENSE
    if hasattr(artist, "get_offsets") and hasattr(artist, "get_paths"):
        return max(len(artist.get_offsets()), len(artist.get_paths())) > DENSE
    return False
