"""Fixtures that several test modules share."""

import os
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real data sets; tests that need it are skipped by name where it is absent."""
    folder = Path(os.environ.get("SEGMENTATION_DATA", PROJECT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data sets are not here: SEGMENTATION_DATA names no folder ({folder.name})")
    return folder
