"""Reading checkpoints: fabricated files of every dialect, broken ones, and hostile ones."""

import collections
import os
import pickle
import sys
import types
import zipfile

import numpy as np
import pytest
import torch
from packed_files import save_packed
from safetensors.torch import save_file
from torch import nn

from facelandmarks.errors import CheckpointError
from facelandmarks.nn.build import build_network, network_shapes
from facelandmarks.weights.checkpoint import check_shapes, load_state, looks_like, read_checkpoint, rename


def state_of(prefix=""):
    """A few tensors under MMPose 1.x's names, with a counter."""
    values = np.random.default_rng(7)
    shapes = {"backbone.conv1.weight": (2, 3, 3, 3), "head.conv_layers.0.weight": (4, 2, 1, 1)}
    shapes |= {"head.conv_layers.1.running_var": (4,), "head.final_layer.weight": (5, 4, 1, 1)}
    state = collections.OrderedDict(
        (prefix + key, torch.tensor(values.standard_normal(shape), dtype=torch.float32))
        for key, shape in shapes.items()
    )
    state[prefix + "head.conv_layers.1.num_batches_tracked"] = torch.tensor(9)
    return state


def named(dialect, prefix=""):
    """The same tensors under the names of another dialect."""
    words = {
        "mmpose0x": {
            "head.conv_layers.": "keypoint_head.final_layer.",
            "head.final_layer.": "keypoint_head.final_layer.3.",
        },
        "hrnet_official": {"head.conv_layers.": "head.", "head.final_layer.": "head.3.", "backbone.": ""},
        "mmpose1x": {},
    }[dialect]
    state = collections.OrderedDict()
    for key, value in state_of().items():
        old = next((word for word in words if key.startswith(word)), "")
        state[prefix + words.get(old, "") + key.removeprefix(old)] = value
    return state


def rtmpose(seed=0):
    """The whole network of RTMPose, narrower; every tensor random."""
    network = build_network("rtmpose", {"width": 4, "depths": (1, 1, 1, 1), "landmarks": 98})
    torch.manual_seed(seed)
    for key, value in network.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            value.uniform_(0.5, 1.5)
    return network


def dataset_meta():
    names = {i: f"kpt-{i}" for i in range(98)}
    return {
        "dataset_name": "wflw",
        "num_keypoints": 98,
        "keypoint_id2name": names,
        "keypoint_name2id": {name: i for i, name in names.items()},
        "upper_body_ids": [],
        "lower_body_ids": [],
        "flip_indices": list(range(98)),
        "flip_pairs": [("kpt-0", "kpt-32")],
        "keypoint_colors": np.full((98, 3), 255, np.uint8),
        "num_skeleton_links": 0,
        "skeleton_links": [],
        "skeleton_link_colors": np.zeros(0, np.uint8),
        "dataset_keypoint_weights": np.ones(98, np.float32),
        "sigmas": np.zeros(0, np.float32),
        "CLASSES": [{"id": 1, "name": "person"}],
    }


def published_1x(state=None):
    meta = {"epoch": 60, "iter": 7000, "cfg": "model = dict()\n" * 200, "seed": 1, "dataset_meta": dataset_meta()}
    meta |= {"experiment_name": "rtmpose", "time": "20230529_120000", "mmengine_version": "0.10.7"}
    return {"meta": meta, "state_dict": state or state_of()}


def training_file(monkeypatch, state=None):
    """With a log whose class is not installed and which refers to `getattr`, as MMEngine writes it."""
    module = types.ModuleType("mmengine.logging.history_buffer")

    class HistoryBuffer:
        def __init__(self):
            self.history, self.max_length = np.arange(3.0), 10
            self.statistics = {"mean": self.mean}  # a bound method: pickled as getattr(self, "mean")

        def mean(self):
            raise AssertionError("code of a checkpoint was run")

    HistoryBuffer.__module__, HistoryBuffer.__qualname__ = module.__name__, "HistoryBuffer"
    module.HistoryBuffer = HistoryBuffer
    monkeypatch.setitem(sys.modules, "mmengine", types.ModuleType("mmengine"))
    monkeypatch.setitem(sys.modules, "mmengine.logging", types.ModuleType("mmengine.logging"))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    content = published_1x(state)
    return {
        **content,
        "message_hub": {"log_scalars": {"loss": HistoryBuffer()}, "runtime_info": {"best_score": np.float64(4.2)}},
        "optimizer": {"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [{"lr": 1e-3}]},
        "param_schedulers": [{"milestones": collections.Counter({40: 1})}],
        "ema_state_dict": {"steps": torch.tensor(5)} | {f"module.{k}": v + 1 for k, v in content["state_dict"].items()},
    }


def check(tensors):
    expected = {key: value for key, value in state_of().items() if not key.endswith("num_batches_tracked")}
    assert list(tensors) == list(expected)
    for key, value in expected.items():
        assert tensors[key].dtype == np.float32
        np.testing.assert_array_equal(tensors[key], value.numpy())


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("dialect", ["mmpose0x", "mmpose1x", "hrnet_official"])
def test_dialects(tmp_path, dialect, prefix, wrapped, zipped):
    state = named(dialect, prefix)
    content = {"meta": {"epoch": 1, "config": "text"}, "state_dict": state} if wrapped else state
    torch.save(content, tmp_path / "file.pth", _use_new_zipfile_serialization=zipped)
    check(read_checkpoint(tmp_path / "file.pth", dialect))


@pytest.mark.parametrize("metadata", [True, False])
def test_published_file_of_mmpose_1x(tmp_path, metadata):
    content = published_1x()
    if metadata:
        content["state_dict"]._metadata = collections.OrderedDict({"": {"version": 2}, "head": {"version": 2}})
    path = tmp_path / "file.pth"
    torch.save(content, path, _use_new_zipfile_serialization=False)
    check(read_checkpoint(path, "mmpose1x"))
    # Files of today's NumPy and of NumPy 1 spell its module in two ways.
    old, new = b"numpy.core.multiarray", b"numpy._core.multiarray"
    data = path.read_bytes()
    assert old in data or new in data
    path.write_bytes(data.replace(new, old))
    check(read_checkpoint(path, "mmpose1x"))
    path.write_bytes(data.replace(new, old).replace(old, new))
    check(read_checkpoint(path, "mmpose1x"))


def test_training_file_gives_the_averaged_weights_and_runs_nothing(tmp_path, monkeypatch):
    with monkeypatch.context() as installed:
        torch.save(training_file(installed), tmp_path / "file.pth")
    check(read_checkpoint(tmp_path / "file.pth", "mmpose1x"))


@pytest.mark.parametrize("kind", ["published", "training"])
def test_rtmpose_gets_the_averaged_weights(tmp_path, monkeypatch, kind):
    network, other, path = rtmpose(1), rtmpose(2), tmp_path / "file.pth"
    if kind == "published":
        torch.save(published_1x(network.state_dict()), path, _use_new_zipfile_serialization=False)
    else:
        with monkeypatch.context() as installed:
            torch.save(training_file(installed, network.state_dict()), path)
    load_state(other, read_checkpoint(path, "mmpose1x"), "rtmpose")
    assert all(torch.equal(value, network.state_dict()[key]) for key, value in other.state_dict().items())


class Hostile:
    def __init__(self, function, argument):
        self.function, self.argument = function, argument

    def __reduce__(self):
        return self.function, (self.argument,)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("function", [os.system, eval, exec, __import__])
def test_code_is_refused_and_not_run(tmp_path, function, zipped):
    mark = tmp_path / "mark"
    argument = f"touch {mark}" if function is os.system else f"open({str(mark)!r}, 'w')"
    content = {"meta": Hostile(function, argument), "state_dict": state_of()}
    torch.save(content, tmp_path / "file.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match="nothing in it was run"):
        read_checkpoint(tmp_path / "file.pth", "mmpose1x")
    assert not mark.exists()


def test_getattr_in_a_file_does_nothing(tmp_path):
    class Reaches:
        def __reduce__(self):
            return getattr, (np.ndarray, "tofile")

    torch.save({"state_dict": state_of(), "meta": Reaches()}, tmp_path / "file.pth")
    check(read_checkpoint(tmp_path / "file.pth", "mmpose1x"))


def test_the_allow_list_is_gone_afterwards(tmp_path):
    torch.save(published_1x(), tmp_path / "file.pth")
    before = set(torch.serialization.get_safe_globals())
    read_checkpoint(tmp_path / "file.pth", "mmpose1x")
    assert set(torch.serialization.get_safe_globals()) == before


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kept", [0.0, 0.02, 0.5, 0.98])
def test_cut_file(tmp_path, kept, zipped):
    path = tmp_path / "file.pth"
    torch.save(published_1x(), path, _use_new_zipfile_serialization=zipped)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(CheckpointError, match=r"file\.pth"):
        read_checkpoint(path, "mmpose1x")


def test_missing_file(tmp_path):
    with pytest.raises(CheckpointError, match=r"none\.pth"):
        read_checkpoint(tmp_path / "none.pth", "mmpose1x")


def test_unknown_dialect(tmp_path):
    with pytest.raises(CheckpointError, match="mmpose0x"):
        read_checkpoint(tmp_path / "file.pth", "caffe")


@pytest.mark.parametrize(
    "content", [torch.zeros(3), [1], {"a": 3}, {"a": torch.tensor(3)}, {"state_dict": {"a": "text"}}, {"a": np.ones(3)}]
)
def test_something_else_than_tensors(tmp_path, content):
    torch.save(content, tmp_path / "file.pth")
    with pytest.raises(CheckpointError, match="expected"):
        read_checkpoint(tmp_path / "file.pth", "mmpose1x")


def test_half_precision_becomes_float32_and_the_preprocessor_is_left_out(tmp_path):
    content = {"a.weight": torch.ones(2, dtype=torch.float16), "data_preprocessor.mean": torch.ones(3, 1, 1)}
    torch.save(content, tmp_path / "file.pth")
    tensors = read_checkpoint(tmp_path / "file.pth", "mmpose1x")
    assert list(tensors) == ["a.weight"]
    assert tensors["a.weight"].dtype == np.float32


def test_two_names_for_one_tensor():
    with pytest.raises(CheckpointError, match=r"head\.fc\.bias"):
        rename({"head.fc.bias": 1, "keypoint_head.fc.bias": 2}, "mmpose0x")


def test_files_of_mmpose_1x_pass_the_table_of_0x():
    assert list(rename(state_of(), "mmpose0x")) == list(state_of())


def test_packed(tmp_path):
    save_packed(tmp_path / "file.onnx", {"a.bias": np.ones(2, np.float32)})
    np.testing.assert_array_equal(read_checkpoint(tmp_path / "file.onnx", "packed")["a.bias"], 1)


def test_safetensors(tmp_path):
    save_file(dict(state_of()), tmp_path / "file.safetensors")
    tensors = read_checkpoint(tmp_path / "file.safetensors", "safetensors")
    check({key: tensors[key] for key in state_of() if key in tensors})
    (tmp_path / "file.safetensors").write_bytes(b"12345678{}")
    with pytest.raises(CheckpointError, match=r"file\.safetensors"):
        read_checkpoint(tmp_path / "file.safetensors", "safetensors")


def test_misfit_names_the_first_of_each_kind_and_the_likely_model():
    candidates = {name: network_shapes("hrnetv2", {"width": 18, "landmarks": n}) for name, n in (("a", 98), ("b", 68))}
    given = {key: np.broadcast_to(np.float32(0), shape) for key, shape in candidates["b"].items()}
    given = {key: value for key, value in given.items() if not key.endswith("num_batches_tracked")}
    given["head.extra"] = given.pop("backbone.conv1.weight")
    with torch.device("meta"):
        network = build_network("hrnetv2", {"width": 18, "landmarks": 98})
    with pytest.raises(CheckpointError) as error:
        load_state(network, given, "a", lambda *shapes: check_shapes(*shapes, "a", lambda: candidates))
    message = str(error.value)
    assert "1 missing (first: backbone.conv1.weight)" in message
    assert "1 unexpected (first: head.extra)" in message
    assert "first: head.final_layer.weight is (68, 270, 1, 1), not (98, 270, 1, 1)" in message
    assert message.endswith("The file looks like b")


def test_a_stranger_looks_like_nothing():
    assert looks_like({"x": (1,)}, {"a": network_shapes("deeppose", {"landmarks": 98})}) == ()
    assert looks_like({"x": (1,)}, {}) == ()


def test_loading_into_a_network(tmp_path):
    network = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    torch.save(network.state_dict(), tmp_path / "file.pth")
    other = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    load_state(other, read_checkpoint(tmp_path / "file.pth", "mmpose1x"), "it")
    assert torch.equal(other[0].weight, network[0].weight)


def test_damaged_text_encoding(tmp_path):
    # Found by fuzzing: pickle's helper for bytes looks up the encoding that the file names.
    path = tmp_path / "file.pth"
    torch.save(published_1x(), path, _use_new_zipfile_serialization=False)
    data = path.read_bytes()
    assert b"latin1" in data
    path.write_bytes(data.replace(b"latin1", b"lati^1"))
    with pytest.raises(CheckpointError, match="unknown encoding"):
        read_checkpoint(path, "mmpose1x")


def test_an_archive_with_compressed_parts_is_refused(tmp_path):
    """A few kilobytes can unpack to gigabytes; PyTorch itself never compresses."""
    path, bomb = tmp_path / "file.pth", tmp_path / "bomb.pth"
    torch.save({"a.weight": torch.zeros(2_000_000)}, path)
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed:
        for info in source.infolist():
            packed.writestr(info.filename, source.read(info))
    assert bomb.stat().st_size < 20_000
    with pytest.raises(CheckpointError, match="compressed parts"):
        read_checkpoint(bomb, "mmpose1x")


@pytest.mark.parametrize("zipped", [True, False])
def test_a_tensor_larger_than_its_storage_is_refused(tmp_path, zipped):
    """One number, seen a million million times: it would need terabytes as an array."""
    huge = torch.zeros(1).expand(10**6, 10**6)
    torch.save({"a.weight": huge}, tmp_path / "file.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match="more than the file holds"):
        read_checkpoint(tmp_path / "file.pth", "mmpose1x")


@pytest.mark.parametrize("claimed", [10**6, 10**15])
def test_a_storage_larger_than_the_file_is_refused(tmp_path, claimed):
    path = tmp_path / "file.pth"
    torch.save({"a.weight": torch.zeros(77_777)}, path, _use_new_zipfile_serialization=False)
    data = path.read_bytes()
    number = pickle.dumps(77_777, 2)[2:-1]
    assert data.count(number) >= 2  # of the storage and of the tensor
    path.write_bytes(data.replace(number, pickle.dumps(claimed, 2)[2:-1]))
    with pytest.raises(CheckpointError):
        read_checkpoint(path, "mmpose1x")


def test_safetensors_with_absurd_sizes(tmp_path):
    header = b'{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}'
    path = tmp_path / "file.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(16))
    with pytest.raises(CheckpointError, match=r"file\.safetensors"):
        read_checkpoint(path, "safetensors")
    path.write_bytes((1 << 60).to_bytes(8, "little") + header)
    with pytest.raises(CheckpointError, match=r"file\.safetensors"):
        read_checkpoint(path, "safetensors")
