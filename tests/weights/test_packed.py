"""The weights of built-in models: what comes back from the ONNX file, and what is refused."""

import numpy as np
import onnx
import pytest
from packed_files import pack, save_packed, save_tensors

from facelandmarks.errors import CheckpointError
from facelandmarks.weights import load
from facelandmarks.weights.checkpoint import load_packed


def state():
    rng = np.random.default_rng(0)
    return {
        "conv.weight": (rng.normal(size=(6, 3, 3, 3)) * np.logspace(-4, 2, 6)[:, None, None, None]).astype(np.float32),
        "conv.bias": rng.normal(size=6).astype(np.float32),
        "conv.zeros": np.zeros((2, 4, 1, 1), np.float32),
        "linear.weight": np.full((2, 4), 0.25, np.float32),
        "number.scale": np.array(0.5, np.float32),
    }


def test_round_trip_is_within_half_a_level(tmp_path):
    before = state()
    save_packed(tmp_path / "w.onnx", before)
    after = load_packed(tmp_path / "w.onnx")
    assert after.keys() == before.keys()
    for name, array in before.items():
        level = np.abs(array).max(axis=(1, 2, 3), keepdims=True) / 127 if array.ndim == 4 else 0
        assert after[name].dtype == np.float32
        assert (np.abs(after[name] - array) <= level * 0.5001).all(), name


def test_numbers_of_the_graph_are_not_weights(tmp_path):
    save_tensors(tmp_path / "w.onnx", {**pack(state()), "mean": np.ones(3, np.float32), "17": np.ones(1, np.int64)})
    assert load_packed(tmp_path / "w.onnx").keys() == state().keys()


def test_cut_and_foreign_files_are_refused(tmp_path):
    save_packed(tmp_path / "good.onnx", state())
    content = (tmp_path / "good.onnx").read_bytes()
    for name, damaged in {"cut": content[:-7], "empty": b"", "text": b"what is this?", "zeros": bytes(99)}.items():
        (tmp_path / f"{name}.onnx").write_bytes(damaged)
        with pytest.raises(CheckpointError, match=f"{name}.onnx"):
            load_packed(tmp_path / f"{name}.onnx")
    with pytest.raises(CheckpointError, match="missing"):
        load_packed(tmp_path / "missing.onnx")


def test_tensors_in_other_files_are_not_read(tmp_path):
    save_tensors(tmp_path / "w.onnx", {"a.weight": np.ones(300, np.float32)})
    model = onnx.load_model(tmp_path / "w.onnx")
    onnx.save_model(model, tmp_path / "w.onnx", save_as_external_data=True, location="other", size_threshold=0)
    assert (tmp_path / "other").exists()
    with pytest.raises(CheckpointError, match="in other files"):
        load_packed(tmp_path / "w.onnx")


@pytest.mark.parametrize(
    "tensors",
    [
        {"a.weight": np.ones((2, 3, 1, 1), np.int8)},
        {"a.weight": np.ones((2, 3, 1, 1), np.int8), "a.weight.scale": np.ones((2, 1, 1, 1), np.float64)},
        {"a.weight": np.ones((2, 3, 1, 1), np.int8), "a.weight.scale": np.ones((3, 1, 1, 1), np.float32)},
        {"a.weight": np.ones((2, 3, 1, 1), np.float32), "a.weight.scale": np.ones((2, 1, 1, 1), np.float32)},
        {"a.weight": np.ones(3, np.float64)},
        {"a.weight": np.ones(3, np.int32)},
    ],
)
def test_other_types_and_shapes_are_refused(tensors, tmp_path):
    save_tensors(tmp_path / "w.onnx", tensors)
    with pytest.raises(CheckpointError, match=r"a\.weight"):
        load_packed(tmp_path / "w.onnx")


def test_the_built_in_files_hold_int8():
    for name in ("compact_300w.onnx", "tiny_300w.onnx", "compact.onnx"):
        path = load.find_weights(name).graph
        floats = sum(array.nbytes for array in load_packed(path).values())
        assert path.stat().st_size < 0.3 * floats
