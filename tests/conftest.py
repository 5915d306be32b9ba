"""Fixtures that several test modules share."""

import os
import sys

# before numpy loads: threads that wait for each other cost more than they give on tables of this size
os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# The same cases on every machine, so that a change alone can make a test fail; --hypothesis-profile=search looks for
# new ones, which a failing one among them then joins as an @example.
settings.register_profile("same", derandomize=True)
settings.register_profile("search", derandomize=False, print_blob=True)
settings.load_profile("same")

PROJECT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real data sets; tests that need it are skipped by name where it is absent."""
    folder = Path(os.environ.get("SEGMENTATION_DATA", PROJECT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data sets are not here: SEGMENTATION_DATA names no folder ({folder.name})")
    return folder


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    """Close what a test has drawn, so that no other test finds it open."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
