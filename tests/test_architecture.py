"""What holds for the project as a whole: the import rule, public names, light imports, the wheel."""

import ast
import importlib
import os
import pkgutil
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import segmentation

PACKAGE = Path(segmentation.__file__).parent
PROJECT = Path(__file__).resolve().parents[1]

# Lowest first. A module imports from its own layer (not from a sibling subpackage) and from lower ones.
LAYERS = [
    {
        "_tags",
        "_frames",
        "_validation",
        "_optional",
        "_progress",
        "_format",
        "_notes",
        "_plotting",
        "_results",
        "_multiplicity",
        "exceptions",
    },
    {"base", "assignment", "compose", "draws", "explanation", "profile", "_priorities", "_why"},
    {"datasets", "sources", "features", "clv", "curves"},
    {"segmenters", "scorers", "prioritizers"},
    {"governance", "feedback"},
    {"allocation"},
    {"experiments"},
    {"evaluation", "monitoring"},
    {"reporting"},
    {"persistence", "integrations", "plugins", "testing", "verification", "__main__", "_cli"},
]
# Within a layer only these see each other: they are one piece.
SAME_LAYER = {*LAYERS[0], *LAYERS[1]}


def layer_of(name):
    return next(i for i, names in enumerate(LAYERS) if name in names or (name.startswith("_cli") and "_cli" in names))


def imports_of(path):
    """Return (module, line) of every absolute import of this package in a file, and fail on a relative one."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}:{node.lineno} uses a relative import"
            if node.module == "segmentation":
                for alias in node.names:
                    yield f"segmentation.{alias.name}", node.lineno
            elif (node.module or "").startswith("segmentation."):
                yield node.module, node.lineno
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "segmentation":
                    yield alias.name, node.lineno


def modules():
    return [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down_only(path):
    own = path.relative_to(PACKAGE).with_suffix("").parts[0]
    for module, line in imports_of(path):
        parts = module.split(".")
        if len(parts) < 2 or parts[1] == "__version__":
            continue
        other = parts[1]
        if other == own:
            continue
        where = f"{path.relative_to(PACKAGE)}:{line} imports {module}"
        if own == "testing":
            assert layer_of(other) <= 1, f"{where}; the kit sees the two lowest layers only"
        assert layer_of(other) <= layer_of(own), f"{where}, which is above it"
        if layer_of(other) == layer_of(own):
            assert {own, other} <= SAME_LAYER or own.startswith("_cli") or own == "__main__", f"{where}, a sibling"


def public_packages():
    packages = ["segmentation"]
    packages += [f"segmentation.{info.name}" for info in pkgutil.iter_modules([str(PACKAGE)]) if info.ispkg]
    packages += ["segmentation.exceptions", "segmentation.assignment", "segmentation.base", "segmentation.profile"]
    return [name for name in packages if not name.split(".")[-1].startswith("_")]


@pytest.mark.parametrize("name", public_packages())
def test_public_names_exist_sorted_and_documented(name):
    module = importlib.import_module(name)
    assert list(module.__all__) == sorted(module.__all__)
    assert len(set(module.__all__)) == len(module.__all__)
    assert module.__doc__
    for public in module.__all__:
        value = getattr(module, public)
        if callable(value):
            assert value.__doc__, f"{name}.{public} has no docstring"


def test_top_level_names():
    promised = {
        "Prioritizer",
        "Scorer",
        "Segmenter",
        "UNASSIGNED",
        "__version__",
        "as_customers",
        "assign",
        "explain",
        "profile_segments",
        "relabel",
        "score_customers",
    }
    assert promised <= set(segmentation.__all__)
    assert {"segmenters", "scorers", "prioritizers", "features", "datasets", "testing"} <= set(dir(segmentation))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        segmentation.nonsense  # noqa: B018


HEAVY = [
    "matplotlib", "jinja2", "lifetimes", "hdbscan", "sklearn.cluster", "pyspark", "polars", "duckdb", "pyarrow", "dask",
]  # fmt: skip


@pytest.mark.parametrize(
    "statement",
    [
        "import segmentation",
        "import segmentation.segmenters, segmentation.scorers, segmentation.prioritizers, segmentation.features",
        "import segmentation.sources, segmentation.governance, segmentation.clv, segmentation.verification",
        "import segmentation.evaluation, segmentation.experiments, segmentation.reporting",
        "import segmentation.allocation, segmentation.curves",
        "import segmentation.feedback, segmentation.monitoring",
        "import segmentation.datasets; segmentation.datasets.load_cdnow()",
    ],
)
def test_heavy_packages_load_only_when_used(statement):
    # pyarrow is pandas' own optional dependency: pandas loads it by itself
    code = f"import sys; import pandas; before = set(sys.modules); {statement}; print(set(sys.modules) - before)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT)
    new = ast.literal_eval(loaded.stdout)
    assert [name for name in HEAVY if name in new] == []


def test_version_is_the_distributions():
    from importlib.metadata import version

    assert segmentation.__version__ == version("customer-segments")


def test_wheel_ships_types_and_nothing_else_at_top_level(tmp_path):
    pytest.importorskip("hatchling", reason="building a wheel needs hatchling, the project's build backend")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=PROJECT,
        check=True,
        capture_output=True,
        env={**os.environ, "HATCH_BUILD_HOOKS_ENABLE": "false"},
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "segmentation/py.typed" in names
    tops = {name.split("/")[0] for name in names}
    assert tops == {"segmentation", f"customer_segments-{segmentation.__version__}.dist-info"}


def test_results_hand_out_copies_of_their_tables():
    lent = re.compile(r"def to_pandas\(self\)[^\n]*\n(?:        \"\"\"[^\n]*\n)?        return self\.\w+\n")
    assert not [str(path.relative_to(PACKAGE)) for path in modules() if lent.search(path.read_text(encoding="utf-8"))]
