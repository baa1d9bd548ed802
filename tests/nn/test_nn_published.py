"""The structure of the published networks against the key lists, parameter counts and MACs of the originals."""

from functools import cache
from typing import Any

import pytest
import torch
from golden_files import document
from golden_weights import keys_of
from torch import nn

from facelandmarks.nn.build import build_network, network_shapes
from facelandmarks.weights.checkpoint import rename

DIALECTS = {"mmpose0x": "mmpose0x", "mmpose1x": "mmpose1x", "official": "hrnet_official"}
POINTS = {"300w": 68, "300wlp": 68, "aflw": 19, "coco": 68, "cofw": 29, "face6": 106, "lapa": 106, "wflw": 98}
POINTS |= {"upper": 6, "lower": 4, "full": 8}
# The name of a golden begins with its architecture.
ARCHITECTURES = {
    "deeppose_res50_": ("deeppose", {}),
    "res50_": ("simple_baseline", {}),
    "hrnetv2_w18_": ("hrnetv2", {"width": 18}),
    "hrnet_w48_udp_deepfashion_": ("hrnet", {"width": 48}),
    "hrnet_w48_deepfashion_": ("hrnet", {"width": 48}),
    "rtmpose_t_": ("rtmpose", {"width": 24, "depths": (1, 1, 1, 1)}),
    "rtmpose_s_": ("rtmpose", {"width": 32, "depths": (1, 2, 2, 1)}),
    "rtmpose_m_": ("rtmpose", {"width": 48, "depths": (2, 4, 4, 2)}),
}
MODELS = {
    "mmpose0x": [
        "deeppose_res50_wflw",
        *(f"hrnet_w48_udp_deepfashion_{part}" for part in ("full", "lower", "upper")),
        *(f"hrnetv2_w18_{name}" for name in ("300w", "aflw", "aflw_dark", "cofw", "wflw", "wflw_dark")),
    ],
    "mmpose1x": [
        *(f"deeppose_res50_wflw{loss}" for loss in ("", "_softwing", "_wing")),
        *(f"hrnet_w48_deepfashion_{part}_udp" for part in ("full", "lower", "upper")),
        *(f"hrnetv2_w18_{name}" for name in ("300w", "300wlp", "aflw", "aflw_dark", "cofw")),
        *(f"hrnetv2_w18_wflw{kind}" for kind in ("", "_awing", "_dark")),
        *(f"hrnetv2_w18_coco_wholebody_face{kind}" for kind in ("", "_dark")),
        "res50_coco_wholebody_face",
        *(f"rtmpose_{size}_face6" for size in "tsm"),
        *(f"rtmpose_m_{data}" for data in ("coco_wholebody_face", "lapa", "wflw")),
    ],
    "official": [
        f"hrnetv2_w18_{data}_official{kind}" for data in ("300w", "aflw", "cofw", "wflw") for kind in ("", ".module")
    ],
}
ALL = [(folder, model) for folder, models in MODELS.items() for model in models]


def network_of(model: str) -> tuple[str, dict[str, Any]]:
    """Name and options of the network of a golden model."""
    prefix = next(prefix for prefix in ARCHITECTURES if model.startswith(prefix))
    name, options = ARCHITECTURES[prefix]
    words = model.removeprefix(prefix).split(".")[0].split("_")
    return name, {**options, "landmarks": next(points for data, points in POINTS.items() if data in words)}


@cache
def shapes_of(name: str, *options: tuple[str, Any]) -> dict[str, tuple[int, ...]]:
    """Many models are one network."""
    return network_shapes(name, dict(options))


@cache
def size_of(input_size: tuple[int, int], name: str, *options: tuple[str, Any]) -> tuple[int, int]:
    """Parameters and MACs of a network."""
    with torch.device("meta"):
        network = build_network(name, dict(options)).eval()
        macs = count_macs(network, torch.zeros(1, 3, *input_size[::-1]))
    return sum(p.numel() for p in network.parameters()), macs


def count_macs(network: nn.Module, x: torch.Tensor) -> int:
    """Multiply-accumulates of convolutions and linear layers; bias, norms and resizing not counted."""
    macs = 0

    def add(layer, inputs, output):
        nonlocal macs
        if isinstance(layer, nn.Linear):  # each weight is used once for each vector
            macs += layer.weight.numel() * output[0, ..., 0].numel()
            return
        # Each weight is used once for each pixel: of the output, or of the input if the layer is transposed.
        pixels = inputs[0] if isinstance(layer, nn.ConvTranspose2d) else output
        macs += layer.weight.numel() * pixels[0, 0].numel()

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            layer.register_forward_hook(add)
    network(x)
    return macs


def test_every_list_of_keys_is_looked_at(goldens):
    for folder, models in MODELS.items():
        files = {path.name.partition(".json")[0] for path in (goldens / folder / "keys").iterdir()}
        assert files == set(models)


@pytest.mark.parametrize(("folder", "model"), ALL)
def test_names_and_shapes_are_those_of_the_published_files(goldens, folder, model):
    published = rename(dict(keys_of(goldens / folder, model)), DIALECTS[folder])
    name, options = network_of(model)
    assert shapes_of(name, *options.items()) == published


@pytest.mark.parametrize(("folder", "model"), [pair for pair in ALL if not pair[1].endswith(".module")])
def test_parameters_and_macs_are_those_of_the_originals(goldens, folder, model):
    facts = document(goldens / folder / "keys" / f"{model}.json")
    name, options = network_of(model)
    parameters, macs = size_of(tuple(facts.get("input_size_wh", (256, 256))), name, *options.items())
    assert parameters == facts["parameters"]
    assert macs == next(facts[name] for name in ("MACs", "macs", "conv_macs") if name in facts)


@pytest.mark.parametrize(
    ("network", "options", "size", "shape"),
    [
        ("hrnetv2", {"width": 18}, (64, 96), (1, 5, 16, 24)),
        ("hrnet", {"width": 48}, (64, 96), (1, 5, 16, 24)),
        ("simple_baseline", {}, (64, 96), (1, 5, 16, 24)),
        ("deeppose", {}, (64, 96), (1, 5, 2)),
        ("rtmpose", {"width": 24, "depths": (1, 1, 1, 1)}, (256, 256), (1, 2, 5, 512)),
    ],
)
def test_shape_of_the_output(network, options, size, shape):
    with torch.device("meta"):
        output = build_network(network, {**options, "landmarks": 5}).eval()(torch.zeros(1, 3, *size))
    assert output.shape == shape
