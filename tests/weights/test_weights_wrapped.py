"""One state dict in what trainers, compilers and profilers make of it: all forms give the same tensors."""

import argparse
import collections
import datetime as dt
import enum
import pathlib
import types

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import facelandmarks as fl
from facelandmarks.api import network_numbers
from facelandmarks.errors import CheckpointError
from facelandmarks.nn.build import build_network, network_shapes
from facelandmarks.weights.load import read_given
from facelandmarks.weights.wrapped import PARTS, unwrap_names
from facelandmarks.zoo import MODELS

MODEL = "rtmpose_t_face6"
SCALARS = {"epoch": 7, "best": 0.25, "name": "run 3", "done": True, "nothing": None, "step": torch.tensor(9)}


@pytest.fixture(scope="module")
def state():
    """A small network of the zoo's kinds, with a batch norm."""
    torch.manual_seed(0)
    network = build_network("rtmpose", {"width": 4, "depths": (1, 1, 1, 1), "landmarks": 5})
    return network.state_dict()


def check(found, state):
    wanted = {key: value.numpy() for key, value in state.items() if not key.endswith("num_batches_tracked")}
    assert found.keys() == wanted.keys()
    assert all(np.array_equal(found[key], value) for key, value in wanted.items())


def both(content, folder, state):
    """The same from memory and from files of both formats."""
    check(read_given(content), state)
    for zipped in (True, False):
        torch.save(content, folder / "file.pth", _use_new_zipfile_serialization=zipped)
        check(read_given(folder / "file.pth"), state)


def prefixed(state, prefix):
    return {prefix + key: value for key, value in state.items()}


@pytest.mark.parametrize(
    "prefix",
    [
        *("_orig_mod.", "module.", "module.module.", "module._orig_mod.", "_orig_mod.module.", "_forward_module."),
        *("model.", "net.", "network.", "student.", "pose_estimator.", "model.net.", "module.model._orig_mod."),
        *("backbone.", "head.", "lit.system.model."),
    ],
)
def test_names_with_something_before_them(state, prefix, tmp_path):
    both(prefixed(state, prefix), tmp_path, state)
    save_file({prefix + key: value.clone() for key, value in state.items()}, tmp_path / "file.safetensors")
    check(read_given(tmp_path / "file.safetensors"), state)


@pytest.mark.parametrize("tool", ["_orig_mod", "module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"])
def test_names_with_something_inside(state, tool):
    inside = {
        key.replace("backbone.", f"backbone.{tool}.").replace("head.", f"head.{tool}."): v for key, v in state.items()
    }
    check(read_given(inside), state)


def test_what_pytorch_itself_makes(state, tmp_path):
    network = build_network("rtmpose", {"width": 4, "depths": (1, 1, 1, 1), "landmarks": 5})
    network.load_state_dict(state)
    averaged = torch.optim.swa_utils.AveragedModel(network)
    both(averaged.state_dict(), tmp_path, state)
    both(nn.DataParallel(network).state_dict(), tmp_path, state)
    both(nn.ModuleDict({"student": network}).state_dict(), tmp_path, state)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"state_dict": state},
        lambda state: {"model": state, **SCALARS},
        lambda state: {"model_state_dict": state, "optimizer_state_dict": {"state": {0: {"exp_avg": torch.ones(3)}}}},
        lambda state: {"net": state, "optimizer": {"state": {"a.b": torch.ones(3)}}},
        lambda state: {"params": state},
        lambda state: {"weights": state},
        lambda state: {"module": state, "lr_scheduler": {"a.b": torch.ones(2)}},
        lambda state: {"checkpoint": {"model": state}, "epoch": 3},
        lambda state: {"model": {"state_dict": state}},
        lambda state: {"state_dict": state, "state_dict_ema": {key: value + 1 for key, value in state.items()}},
        lambda state: (state, 3),
        lambda state: [{"epoch": 1}, state],
        lambda state: {**state, **SCALARS},
        lambda state: {"state_dict": prefixed(state, "model."), "hyper_parameters": {"lr": 0.1}},
    ],
)
def test_dictionaries_around_the_tensors(state, wrap, tmp_path):
    content = wrap(state)
    if isinstance(content, dict):
        both(content, tmp_path, state)
    torch.save(content, tmp_path / "file.pth")
    check(read_given(tmp_path / "file.pth"), state)


class Colour(enum.Enum):
    RED = "red"


class Config:
    def __init__(self):
        self.lr, self.inner = 0.1, argparse.Namespace(a=1)


class AttributeDict(dict):
    def __getattr__(self, name):
        return self[name]


class History(list):
    pass


class Slots:
    __slots__ = ("a",)

    def __init__(self):
        self.a = 1


HARMLESS = {
    "namespace": argparse.Namespace(lr=0.1, out=pathlib.PurePosixPath("/tmp/run")),
    "path": pathlib.PurePosixPath("a/b"),
    "windows path": pathlib.PureWindowsPath("a/b"),
    "simple": types.SimpleNamespace(a=[1, 2]),
    "default": collections.defaultdict(list, {"loss": [1.0, 2.0]}),
    "counter": collections.Counter("abc"),
    "deque": collections.deque([1, 2, 3], maxlen=5),
    "date": dt.datetime(2026, 1, 2, tzinfo=dt.UTC),
    "enum": Colour.RED,
    "class": Config(),
    "dict": AttributeDict(a=1, b=AttributeDict(c=2)),
    "list": History([1, 2, 3]),
    "slots": Slots(),
    "set": {1, 2, 3},
    "frozen": frozenset("ab"),
    "range": range(3),
    "complex": 1 + 2j,
    "array": np.arange(6.0).reshape(2, 3),
    "number": np.float64(0.5),
    "generator": np.random.default_rng(0).bit_generator.state,
    "dtype": torch.float16,
    "size": torch.Size([1, 2]),
    "device": torch.device("cpu"),
    "type": int,
    "module": nn.Linear(2, 2),
}


@pytest.mark.parametrize(
    ("kind", "zipped"),
    # The older format keeps modules outside of its pickle, which PyTorch refuses.
    [(kind, zipped) for kind in HARMLESS for zipped in (True, False) if zipped or kind != "module"],
)
def test_objects_beside_the_tensors_do_nothing(state, kind, zipped, tmp_path):
    for content in ({"model": state, "args": HARMLESS[kind]}, {**state, "args": HARMLESS[kind]}):
        torch.save(content, tmp_path / "file.pth", _use_new_zipfile_serialization=zipped)
        check(read_given(tmp_path / "file.pth"), state)


def test_all_of_them_at_once(state, tmp_path):
    torch.save({"model": prefixed(state, "module."), "args": HARMLESS, **HARMLESS}, tmp_path / "file.pth")
    check(read_given(tmp_path / "file.pth"), state)


def test_nothing_of_a_file_is_run(state, tmp_path):
    mark = tmp_path / "mark"

    class Runs:
        def __reduce__(self):
            return pathlib.Path.touch, (mark,)

    torch.save({"model": state, "args": Runs()}, tmp_path / "file.pth")
    try:
        check(read_given(tmp_path / "file.pth"), state)
    except CheckpointError as error:
        assert "nothing in it was run" in str(error)  # noqa: PT017 - either is safe
    assert not mark.exists()


def test_counters_of_profilers(state, tmp_path):
    """`thop` leaves these in every module, the outermost too."""
    counted = dict(state)
    for key in state:
        counted[key.rpartition(".")[0] + ".total_ops"] = torch.zeros(1, dtype=torch.float64)
        counted[key.rpartition(".")[0] + ".total_params"] = torch.zeros(1, dtype=torch.float64)
    counted |= {"total_ops": torch.zeros(1, dtype=torch.float64), "total_params": torch.zeros(1, dtype=torch.float64)}
    both(counted, tmp_path, state)
    both({"module." + key if "." in key else key: value for key, value in counted.items()}, tmp_path, state)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda s: {"model": s, "ema": s}, r"several state dicts, \['model'\], \['ema'\].*\['model'\]$"),
        (
            lambda s: {**prefixed(s, "student."), **prefixed(s, "teacher.")},
            r"begin with student\. or teacher\..*Drop those of no use: teacher\.\S+",
        ),
        (
            lambda s: {**prefixed(s, "model."), "criterion.weight": torch.ones(3)},
            r"begin with model\..*Drop those of no use: criterion\.weight \(1 keys\)",
        ),
        (lambda s: {**s, **prefixed(s, "module.")}, r"backbone\.\S+ and module\.backbone\.\S+ both stand for backbone"),
        (lambda s: {"model": {"a": 1}}, "expected a state dict"),
        (lambda s: {**s, "head.final_layer.bias": "text"}, r"head\.final_layer\.bias"),
    ],
)
def test_what_is_not_one_network_names_the_keys_to_drop(state, content, words):
    with pytest.raises(CheckpointError, match=words):
        read_given(content(state))


def test_a_whole_network_is_no_state_dict(tmp_path):
    torch.save(nn.Linear(2, 2), tmp_path / "file.pth")
    with pytest.raises(
        CheckpointError, match=r"found torch\.nn\.modules\.linear\.Linear\. Save network\.state_dict\(\)"
    ):
        read_given(tmp_path / "file.pth")


def test_keys_too_many_are_named_and_shapes_stay_strict():
    shapes = network_shapes("rtmpose", {**MODELS[MODEL].network_options, "landmarks": 106})
    state = {key: torch.zeros(shape) for key, shape in shapes.items()}
    with pytest.raises(CheckpointError, match=r"without them they would fit: drop aux\.bias, aux\.weight"):
        fl.load_model(MODEL, weights={**state, "aux.bias": torch.ones(2), "aux.weight": torch.ones(2)}, device="cpu")
    state["head.cls_x.weight"] = state["head.cls_x.weight"][:-1]
    with pytest.raises(CheckpointError, match=r"1 of another shape \(first: head\.cls_x\.weight"):
        fl.load_model(MODEL, weights={"model": prefixed(state, "net.")}, device="cpu")


def test_the_parts_of_all_networks_are_known():
    """Without this, a prefix could be taken for a part, or a part for a prefix."""
    for spec in MODELS.values():
        shapes = network_shapes(spec.network, network_numbers(spec))
        assert {name.partition(".")[0] for name in shapes} <= PARTS
        assert list(unwrap_names(shapes, "it")) == [n for n in shapes if not n.endswith("num_batches_tracked")]
