"""From the parts of a report to one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
from html import escape
from importlib import resources
from typing import Any

__all__ = ["clean", "frame_of", "page", "paragraphs"]

# Control characters have no meaning in a page, and lone surrogates cannot be written as UTF-8.
UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
FRAME_HEIGHT = 640


def clean(text: object) -> str:
    r"""Return a text without characters that cannot be written; each becomes U+FFFD.

    Examples
    --------
    >>> clean("a\x00b")
    'a\ufffdb'
    """
    return UNWRITABLE.sub("\ufffd", str(text))


def paragraphs(text: str) -> list[tuple[str, list[str]]]:
    r"""Split plain text at empty lines into paragraphs, ``("p", [text])``, and lists, ``("ul", items)``.

    Lines that begin with ``-`` or ``*`` and a blank are the items of a list.

    Examples
    --------
    >>> paragraphs("One\nline.\n\n- a\n- b")
    [('p', ['One line.']), ('ul', ['a', 'b'])]
    """
    parts: list[tuple[str, list[str]]] = []
    for block in re.split(r"\n\s*\n", clean(text)):
        lines = [line.strip() for line in block.splitlines() if line.strip()]
        for is_item, group in itertools.groupby(lines, key=lambda line: line.startswith(("- ", "* "))):
            some = list(group)
            parts.append(("ul", [line[2:].strip() for line in some]) if is_item else ("p", [" ".join(some)]))
    return parts


def page(**parts: Any) -> str:
    """Fill the template; every text in `parts` is escaped but those that are marked as safe.

    Raises
    ------
    ImportError
        If jinja2 is not installed; the message has the command.
    """
    try:
        import jinja2
    except ImportError as error:
        raise ImportError(
            'HTML reports need jinja2, which is not installed: pip install "customer-segments[report]". '
            "The results themselves can be printed and plotted without it."
        ) from error
    from markupsafe import Markup

    files = {name: _template(name) for name in ("report.html", "report.css", "report.js")}
    environment = jinja2.Environment(
        loader=jinja2.DictLoader({"report.html": files["report.html"]}),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    script = files["report.js"]
    return environment.get_template("report.html").render(
        css=Markup(files["report.css"]),  # noqa: S704  # files of this package
        js=Markup(script),  # noqa: S704
        policy=_policy(script),
        safe=lambda svg: Markup(svg),  # noqa: S704  # made by _html_svg
        **parts,
    )


def _template(name: str) -> str:
    return resources.files("segmentation.reporting").joinpath("templates", name).read_text(encoding="utf-8")


def _policy(script: str) -> str:
    """Return the Content-Security-Policy: this script, and styles and pictures within the page."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def frame_of(document: str, title: str) -> str:
    """Return a page as a frame for a notebook, in which its styles and its script stay among themselves."""
    return (
        f'<iframe title="{escape(clean(title))}" sandbox="allow-scripts" srcdoc="{escape(document)}" '
        f'style="width:100%;height:{FRAME_HEIGHT}px;border:1px solid #ccc;background:#fff"></iframe>'
    )
