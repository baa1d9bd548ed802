"""Fixtures of all tests."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from golden_files import GOLDENS, HOW_TO_GET, find_shared
from hypothesis import settings

settings.register_profile("patient", deadline=None)  # a busy machine is no failure
settings.register_profile("thorough", deadline=None, max_examples=3000)  # pytest --hypothesis-profile thorough
settings.load_profile("patient")


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


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An empty cache, and nothing of the user's settings: what this machine has fetched changes no test."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("FACELANDMARKS_MANIFEST", "FACELANDMARKS_MIRROR", "FACELANDMARKS_OFFLINE", "HF_HUB_OFFLINE"):
            patch.delenv(name, raising=False)
        patch.setenv("FACELANDMARKS_ENGINE", "torch")  # the others have tests of their own
        patch.setenv("FACELANDMARKS_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")
        yield


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """Let Ctrl-C end what tests start: a job in the background ignores it, and hands that down to its children."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what opens sockets: everything that uses the server of `fault_server`."""
    for item in items:
        if "server" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.network)
