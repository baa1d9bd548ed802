"""Weights that a user brings: every dialect and wrapping, told apart by the names of the tensors."""

import numpy as np
import pytest
import torch
from packed_files import save_packed
from safetensors.numpy import save_file

import facelandmarks as fl
from facelandmarks.errors import CheckpointError
from facelandmarks.nn.build import build_network
from facelandmarks.weights.load import find_weights, read_given

MODEL = "hrnetv2_w18_aflw"
TO_0X = (("head.conv_layers.", "keypoint_head.final_layer."), ("head.final_layer.", "keypoint_head.final_layer.3."))
TO_OFFICIAL = (("head.conv_layers.", "head."), ("head.final_layer.", "head.3."), ("backbone.", ""))


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(0)
    network = build_network("hrnetv2", {"width": 18, "landmarks": 19})
    return {key: value.numpy() for key, value in network.state_dict().items()}


def renamed(state, pairs):
    found = {}
    for key, value in state.items():
        old, new = next((pair for pair in pairs if key.startswith(pair[0])), ("", ""))
        found[new + key.removeprefix(old)] = value
    return found


def check(found, state):
    wanted = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    assert found.keys() == wanted.keys()
    assert all(np.array_equal(found[key], value) for key, value in wanted.items())


@pytest.mark.parametrize("pairs", [(), TO_0X, TO_OFFICIAL], ids=["1x", "0x", "official"])
@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("wrapped", [False, True])
def test_mappings(state, pairs, prefix, wrapped):
    tensors = {prefix + key: torch.from_numpy(value.copy()) for key, value in renamed(state, pairs).items()}
    given = {"state_dict": tensors, "epoch": 3} if wrapped else tensors
    before = dict(tensors)
    check(read_given(given), state)
    assert tensors == before


@pytest.mark.parametrize("pairs", [(), TO_0X, TO_OFFICIAL], ids=["1x", "0x", "official"])
def test_torch_files(state, pairs, tmp_path):
    tensors = {key: torch.from_numpy(value.copy()) for key, value in renamed(state, pairs).items()}
    torch.save({"state_dict": tensors, "meta": {}}, tmp_path / "file.pth", _use_new_zipfile_serialization=False)
    check(read_given(tmp_path / "file.pth"), state)
    check(read_given(str(tmp_path / "file.pth")), state)


def test_safetensors(state, tmp_path):
    save_file(state, tmp_path / "file.safetensors")
    check(read_given(tmp_path / "file.safetensors"), state)


def test_packed_files(tmp_path):
    own = find_weights("compact_300w.onnx").state()
    save_packed(tmp_path / "own.onnx", own)
    assert read_given(tmp_path / "own.onnx").keys() == own.keys()
    points = fl.load_model("compact_300w", weights=own, device="cpu").predict(
        np.zeros((99, 99, 3), np.uint8), (9, 9, 90, 90)
    )
    assert np.isfinite(points.points).all()


def test_the_model_that_a_file_looks_like(state):
    with pytest.raises(CheckpointError) as caught:
        fl.load_model("hrnetv2_w18_cofw", weights=state)
    message = str(caught.value)
    assert "head.final_layer.weight is (19, 270, 1, 1), not (29, 270, 1, 1)" in message
    assert "looks like hrnetv2_w18_aflw" in message
    with pytest.raises(CheckpointError, match="looks like hrnetv2_w18_aflw"):
        fl.load_model("deeppose_res50_wflw", weights=renamed(state, TO_OFFICIAL))


def test_no_such_file(tmp_path):
    with pytest.raises(CheckpointError, match=r"missing\.pth"):
        fl.load_model(MODEL, weights=tmp_path / "missing.pth")


@pytest.mark.parametrize("value", [np.zeros(3, np.int64), "text", None, np.array(["a"]), torch.zeros(2).to_sparse()])
def test_what_is_no_tensor_of_a_network(state, value):
    broken = {**state, "head.final_layer.bias": value}
    with pytest.raises(CheckpointError, match=r"head\.final_layer\.bias"):
        read_given(broken)
