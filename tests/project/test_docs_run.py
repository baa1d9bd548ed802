"""Blocks of code in documents do what they are there for: Python and commands are run, page by page.

A block that is not run stands behind the comment `<!-- not run: REASON -->`, with one of `REASONS`.
"""

import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
from paths import DOCS, ROOT

PAGES = sorted([*DOCS.glob("*.md"), ROOT / "README.md"])
BLOCK = re.compile(r"(?:^<!-- not run: ([^\n]*) -->\n)?^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
REASONS = {
    "installs",
    "downloads",
    "uploads",
    "needs a camera",
    "needs a dataset",
    "needs a checkpoint of yours",
    "needs an account",
    "needs Ray",
    "opens a window",
    "another program",
    "in a clone",
    "part of a program",
}
KINDS = {"python", "bash", "text", "json"}


def blocks_of(page: Path) -> list[tuple[str, str, str]]:
    """Reason, kind and text of each block without prompts; those with prompts are doctests of test_docs."""
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [(reason, kind, text) for reason, kind, text in found if ">>>" not in text]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_says_what_it_is(page: Path) -> None:
    for reason, kind, text in blocks_of(page):
        assert kind in KINDS, f"{page.name}: a block of kind {kind!r}: {text[:60]}"
        assert not reason or reason in REASONS, f"{page.name}: {reason}"


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with `photo.jpg`, `photos/` and `clip.mp4`, one face in each, which the test runs in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACELANDMARKS_OFFLINE", "1")
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    photo = skimage.data.astronaut()[..., ::-1]
    cv2.imwrite("photo.jpg", photo)
    Path("photos").mkdir()
    Path("images.txt").write_text("photo.jpg\nphotos/0.jpg\n")
    for number in range(2):
        cv2.imwrite(f"photos/{number}.jpg", photo[: 400 - 20 * number])
    writer = cv2.VideoWriter("clip.mp4", cv2.VideoWriter_fourcc(*"mp4v"), 25, (256, 256))
    for step in range(8):
        writer.write(np.ascontiguousarray(photo[:256, 60 + step : 316 + step]))
    writer.release()
    return tmp_path


RUN = [page for page in PAGES if any(k in {"python", "bash"} and not r for r, k, _ in blocks_of(page))]


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.name)
def test_blocks_run(page: Path, workplace: Path) -> None:
    names: dict[str, object] = {"__name__": "document"}
    for reason, kind, text in blocks_of(page):
        if reason:
            continue
        if kind == "python":
            exec(compile(text, str(page), "exec"), names)
        elif kind == "bash":
            done = subprocess.run(["bash", "-ec", text], check=False, capture_output=True, text=True, cwd=workplace)
            assert done.returncode == 0, f"{page.name}:\n{text}\n{done.stderr}"
