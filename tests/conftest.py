"""Fixtures of all tests."""

import os
from collections.abc import Iterator
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


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An empty cache, and nothing of the user's settings: what this machine has fetched changes no test."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("FACELANDMARKS_MANIFEST", "FACELANDMARKS_MIRROR", "FACELANDMARKS_OFFLINE", "HF_HUB_OFFLINE"):
            patch.delenv(name, raising=False)
        patch.setenv("FACELANDMARKS_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")
        yield
