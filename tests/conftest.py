"""Fixtures of all tests."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with the goldens, beside the checkout or named by FACELANDMARKS_SHARED; without it a test is skipped.

    Only the folder may be missing. A test that does not find a file inside of it fails.
    """
    folder = Path(os.environ.get("FACELANDMARKS_SHARED") or Path(__file__).parents[2] / "shared")
    if not folder.is_dir():
        pytest.skip(f"goldens are not here: no folder {folder} (set FACELANDMARKS_SHARED)")
    return folder
