"""The examples run as their first lines say, and the notebook's stored outputs are what its cells give."""

import importlib
import json
import runpy
import shutil
import sys
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from paths import EXAMPLES

from facelandmarks.nn.compact import decode_map

SEED = torch.Generator().manual_seed(0)


@pytest.fixture
def run(monkeypatch, capsys):
    """Run an example with arguments; what it printed."""

    def runner(name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return runner


def test_quickstart(run, tmp_path):
    said = run("quickstart.py", "--out", tmp_path)
    assert "1 faces found by 'compact', 68 points each" in said
    assert "middles of the eyes: [[203.6, 102.1]," in said
    drawn, crop = (cv2.imread(str(tmp_path / name)) for name in ("points.png", "face_0.png"))
    assert drawn.shape == (512, 512, 3)
    assert crop.shape == (112, 112, 3)
    assert len(json.loads((tmp_path / "points.json").read_text())["faces"]) == 1


def test_batch(run, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.jpg"), skimage.data.astronaut()[..., ::-1])
    (folder / "b.JPG").write_bytes(b"")
    cv2.imwrite(str(folder / "c.png"), np.zeros((60, 60, 3), np.uint8))
    said = run("batch.py", folder, tmp_path / "out.jsonl", "--batch", 2)
    assert "3 photos, 1 faces, 1 photos could not be read" in said
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [Path(row["image"]).name for row in rows] == ["a.jpg", "b.JPG", "c.png"]
    assert [len(row.get("faces", ())) for row in rows] == [1, 0, 0]
    assert "empty" in rows[1]["error"]


@pytest.mark.parametrize("boxes", ["labels", "detector"])
def test_evaluation(run, shared, tmp_path, boxes):
    for path in sorted((shared / "data/300w_test/lfpw/test").glob("image_00[01]*")):
        shutil.copy(path, tmp_path)
    said = run("evaluation.py", tmp_path, "--boxes", boxes)
    faces = len(list(tmp_path.glob("*.pts")))
    assert faces > 5
    assert f"{faces} of {faces} faces" in said
    error = float(said.split("NME ")[1].split("%")[0])
    assert 1.5 < error < 4.5  # 2.97 % on all of the test faces


def test_notebook_gives_its_stored_outputs(monkeypatch):
    display = ModuleType("IPython.display")
    display.Image = lambda data: data
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    notebook = json.loads((EXAMPLES / "quickstart.ipynb").read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    names, shown = {}, 0
    for cell in cells:
        *lines, last = "".join(cell["source"]).split("\n")
        results = [output for output in cell["outputs"] if output["output_type"] == "execute_result"]
        exec("\n".join(lines) if results else "\n".join([*lines, last]), names)
        for result in results:
            value = eval(last, names)
            shown += 1
            stored = "".join(result["data"]["text/plain"])
            assert stored == repr(value) or "image/jpeg" in result["data"]
        assert not [output for output in cell["outputs"] if output["output_type"] == "error"]
    assert shown == 6
    assert (EXAMPLES / "quickstart.ipynb").stat().st_size < 100_000


def test_training_sees_what_the_detector_says(monkeypatch):
    """Cells that are picked near faces, and their boxes and points, are those of the network's own decoding."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(EXAMPLES / "train_compact")
    training, networks = (importlib.import_module(name) for name in ("train_detector", "networks"))
    for name in set(sys.modules) - before:
        if str(EXAMPLES) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
    size, strides = 256, networks.new_detector().strides
    faces = torch.tensor([[60.0, 50, 100, 97], [10, 20, 210, 250], [140, 150, 154, 166]])
    batch = training.Batch(
        torch.zeros(1, size, size, 3), faces, torch.zeros(3, 5, 2), torch.ones(3), torch.zeros(3, dtype=torch.long),
        torch.zeros(0, 5), torch.zeros(0, dtype=torch.long),
    )  # fmt: skip
    maps = [torch.randn(1, 15, size // stride, size // stride, generator=SEED) for stride in strides]
    decoded = torch.cat([decode_map(level, stride) for level, stride in zip(maps, strides, strict=True)], 2)[0].T
    flat = torch.cat([level.flatten(2).transpose(1, 2) for level in maps], 1)[0]
    cells, centres, steps = (each.flatten(0, 1) for each in training.candidates(batch, strides))
    fits = cells >= 0
    assert len({*steps[fits].tolist()}) > 2  # cells of several levels
    cells, centres, steps = cells[fits], centres[fits], steps[fits]
    boxes = networks.boxes_of(flat[cells], centres, steps)
    torch.testing.assert_close(boxes, decoded[cells, 1:5], rtol=1e-5, atol=1e-3)
    points = networks.points_of(flat[cells], boxes)
    torch.testing.assert_close(
        points, torch.stack([decoded[cells, 5:10], decoded[cells, 10:]], 2), rtol=1e-5, atol=1e-3
    )
    middle = (centres[:, None] - (faces[:, :2] + faces[:, 2:]) / 2).abs().amax(-1).amin(1)
    assert (middle < training.NEAR * steps).all()
