"""Fixtures of all tests."""

from pathlib import Path

import pytest
from golden_files import GOLDENS, HOW_TO_GET, find_shared


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with pictures and annotations that are not in the repository; `find_shared` says when it may be missing.

    A test that does not find a file inside of it fails.
    """
    return find_shared()


@pytest.fixture(scope="session")
def goldens() -> Path:
    """The goldens in use, full or small (see `golden_files`); never skipped."""
    if not GOLDENS.is_dir():
        raise FileNotFoundError(f"no goldens in {GOLDENS}: {HOW_TO_GET}")
    return GOLDENS
