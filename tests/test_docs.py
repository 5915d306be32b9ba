"""Every example in a docstring, the README and docs/ runs and prints what it says."""

import doctest
import importlib
import pkgutil
import re
import sys
import types
from pathlib import Path

import pytest

import segmentation

PROJECT = Path(__file__).resolve().parents[1]
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def all_modules():
    names = ["segmentation"]
    names += [m.name for m in pkgutil.walk_packages(segmentation.__path__, "segmentation.") if "__main__" not in m.name]
    return sorted(names)


@pytest.mark.parametrize("name", all_modules())
def test_docstrings(name):
    module = importlib.import_module(name)
    results = doctest.testmod(module, optionflags=OPTIONS)
    assert results.failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages(page, request, tmp_path, monkeypatch):
    """The blocks of a page form one script; blocks with prompts are compared with what they print."""
    text = page.read_text(encoding="utf-8")
    if text.startswith("<!-- needs: shared data -->"):
        monkeypatch.setenv("SEGMENTATION_DATA", str(request.getfixturevalue("shared_data")))
    monkeypatch.chdir(tmp_path)
    script = types.ModuleType("__docs__")  # a real module, so that classes of a page can be pickled
    monkeypatch.setitem(sys.modules, "__docs__", script)
    namespace = script.__dict__
    for match in BLOCK.finditer(text):
        line = text[: match.start()].count("\n") + 2
        code = match.group(1)
        if code.lstrip().startswith(">>>"):
            test = doctest.DocTestParser().get_doctest(code, namespace, page.name, str(page), line - 1)
            runner = doctest.DocTestRunner(optionflags=OPTIONS)
            runner.run(test, clear_globs=False)
            assert runner.failures == 0, f"{page.name}: see the output"
            namespace.update(test.globs)
        else:
            exec(compile("\n" * (line - 1) + code, str(page), "exec"), namespace)  # noqa: S102


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages(page):
    """Every relative link leads to a file of the project."""
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"


def test_pages_name_no_machine():
    for page in PAGES:
        assert not re.search(r"/(work|tmp|home|root)/", page.read_text(encoding="utf-8")), page.name
