"""A Hugging Face Hub on loopback: repositories of files at commits, for the hub's own library."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import huggingface_hub.constants
import pytest
from fault_server import FaultServer, hub_file

COMMIT, LATER = "c" * 40, "d" * 40
REPOSITORY = "org/repo"


class FakeHub(FaultServer):
    """`commit` publishes files; what was asked for is in `requests`."""

    def commit(self, files: Mapping[str, bytes], commit: str = COMMIT, revision: str = "main") -> None:
        """Make a revision point to a commit with these files."""
        for name, body in files.items():
            for each in (revision, commit):
                self.routes[f"/{REPOSITORY}/resolve/{each}/{name}"] = [hub_file(body, commit)]


@contextlib.contextmanager
def fake_hub(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A hub that the library uses, with a cache of its own and without a token."""
    with FakeHub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(folder))
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        yield hub
