"""A model as an ONNX file: the same points, and all that another program needs to know."""

import json
import warnings

import cv2
import numpy as np
import onnx
import pytest
import skimage.data
import torch

import facelandmarks as fl
from facelandmarks.cli.export import main
from facelandmarks.export import conventions, export_model, verify_export
from facelandmarks.nn.build import build_network
from facelandmarks.schemes import get_scheme
from facelandmarks.weights.manifest import get_record
from facelandmarks.zoo import MODELS, get_spec

FACE = (180.0, 91.0, 264.0, 175.0)
# One of each network but the largest, and of each decoder of heatmaps, coordinates and vectors.
SOME = ("deeppose_res50_wflw", "hrnetv2_w18_wflw_dark", "res50_coco_wholebody_face", "rtmpose_t_face6")


@pytest.fixture(scope="module")
def photo():
    return skimage.data.astronaut()


def random_weights(name):
    spec = get_spec(name)
    torch.manual_seed(0)
    network = build_network(spec.network, {**spec.network_options, "landmarks": len(get_scheme(spec.scheme))})
    return {"state_dict": network.state_dict()}


@pytest.mark.parametrize("decode", [False, True])
@pytest.mark.parametrize("name", ["compact_300w", *SOME])
def test_the_file_gives_the_same_points(name, decode, photo, tmp_path):
    weights = None if name == "compact_300w" else random_weights(name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a tracer's warning: what it saw may hold for its own input only
        path, _ = export_model(name, tmp_path / "m.onnx", decode_in_graph=decode, weights=weights)
    model = fl.load_model(name, weights=weights, engine="torch", device="cpu", flip_test=False)
    for count in (1, 3):
        crops = model.prepare(photo, np.array(FACE) + np.arange(count)[:, None])
        found = verify_export(path, model, crops)
        assert found.landmarks == count * len(model.scheme)
        assert found.largest < 0.01


def test_the_conventions_are_in_both_files(tmp_path):
    path, beside = export_model("compact_300w", tmp_path / "m.onnx")
    said = json.loads(beside.read_text())
    graph = onnx.load(str(path))
    assert json.loads({item.key: item.value for item in graph.metadata_props}["facelandmarks"]) == said
    assert said["input"]["shape"] == ["n", 128, 128, 3]
    assert said["outputs"] == [output.name for output in graph.graph.output]
    assert said["weights"]["sha256"] == get_record("compact_300w.onnx").sha256
    assert "W / scale" in said["crop"]["in_words"]
    assert len(said["scheme"]["landmarks"]) == 68


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_conventions(name):
    assert json.loads(json.dumps(conventions(get_spec(name), True)))["model"] == name


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(fl.InvalidOptionError, match=r"\*\.onnx"):
        export_model("compact_300w", tmp_path / "model.pt")


def test_no_face_is_no_comparison(tmp_path):
    path, _ = export_model("compact_300w", tmp_path / "m.onnx")
    model = fl.load_model("compact_300w", engine="torch")
    with pytest.raises(fl.InvalidOptionError, match="no face"):
        verify_export(path, model, model.prepare(np.zeros((64, 64, 3), np.uint8), []))


@pytest.fixture
def work(tmp_path, photo, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("photo.png", photo[..., ::-1])
    cv2.imwrite("blank.png", np.zeros((64, 64, 3), np.uint8))
    return tmp_path


def test_the_command(work, capsys):
    assert main(["compact_300w", "m.onnx", "--decode", "--verify", "photo.png"]) == 0
    out = capsys.readouterr().out
    assert "m.onnx m.json" in out
    assert "agrees with PyTorch" in out
    assert main(["compact_300w", "m.onnx"]) == 2
    assert "--force" in capsys.readouterr().err
    assert main(["compact_300w", "m.onnx", "--force", "--quiet"]) == 0
    assert capsys.readouterr().out == ""


def test_the_command_fails_above_the_tolerance(work, capsys):
    assert main(["compact_300w", "m.onnx", "--verify", "photo.png", "--tolerance", "-1"]) == 1
    assert "DOES NOT AGREE" in capsys.readouterr().err


def test_the_command_without_a_face(work, capsys):
    assert main(["compact_300w", "m.onnx", "--verify", "blank.png"]) == 2
    assert "no face" in capsys.readouterr().err
