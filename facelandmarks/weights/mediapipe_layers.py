"""MediaPipe's files of weights, under the names of `facelandmarks.nn`.

In the files each kind of layer is numbered on its own, in the order in which the network was written down.
"""

import os
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from facelandmarks.errors import CheckpointError
from facelandmarks.weights.tflite import read_tflite

BLOCK = ("dw", "pw", "act")
WITHOUT_SLOPES = ("dw", "pw")
BOTTLENECK = ("first.dw", "first.pw", "second.dw", "second.pw")
# The last part of our name for a layer that is no plain convolution.
KINDS = {"dw": "depthwise_conv2d", "act": "p_re_lu"}


def _run(name: str, count: int, parts: tuple[str, ...] = BLOCK) -> list[str]:
    """The layers of a run of equal blocks."""
    return [f"{name}.{number}.{part}" for number in range(count) for part in parts]


def _head(name: str, blocks: int) -> list[str]:
    """The layers of `nn.face_mesh.Head`, but for the one that gives the output."""
    parts = ("narrow.conv", "narrow.act", *(f"last.{part}" for part in BLOCK))
    return [*_run(f"{name}.blocks", blocks), *(f"{name}.{part}" for part in parts)]


def _numbered(layers: Iterable[str], conv: int = 0, dw: int = 0, act: int = 0) -> dict[str, str]:
    """Our layers by the file's names; the numbers are those of the first one of each kind, and 0 is not written."""
    numbers = {"conv2d": conv, "depthwise_conv2d": dw, "p_re_lu": act}
    named = {}
    for layer in layers:
        kind = KINDS.get(layer.rpartition(".")[2], "conv2d")
        named[f"{kind}_{numbers[kind]}" if numbers[kind] else kind] = layer
        numbers[kind] += 1
    return named


def _eye(side: str, conv: int, dw: int) -> dict[str, str]:
    """The layers of the region of an eye; activations have the numbers of convolutions there."""
    name = f"{side}_eye"
    layers = [*_run(f"{name}.blocks", 6), *_head(f"{name}.contour", 5), *_head(f"{name}.iris", 5)]
    outputs = {f"conv_{name}": f"{name}.contour.out", f"conv_{side}_iris": f"{name}.iris.out"}
    return _numbered(layers, conv, dw, conv) | outputs


_STEM = ("stem.conv", "stem.act")
LAYERS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "face_mesh": {
            **_numbered([*_STEM, *_run("body", 14), *_head("mesh", 3), "mesh.out"], 1, 1, 1),
            **_numbered([*_head("flag", 1), "flag.out"], 28, 23, 26),
        },
        "face_mesh_attention": {
            **_numbered([*_STEM, *_run("near", 3), *_run("body", 11), *_head("mesh", 3)]),
            **_numbered([*_run("lips.blocks", 6), *_head("lips.contour", 5)], 20, 18, 20),
            **_eye("left", 33, 30),
            **_eye("right", 53, 48),
            "output_mesh": "mesh.out",
            "conv_faceflag": "flag",
            "conv_lips": "lips.contour.out",
        },
        "blazeface_short": {
            **_numbered(["stem", *_run("fine", 11, WITHOUT_SLOPES), *_run("coarse", 5, WITHOUT_SLOPES)]),
            "classificator_8": "fine_score",
            "classificator_16": "coarse_score",
            "regressor_8": "fine_box",
            "regressor_16": "coarse_box",
        },
        "blazeface_full": {
            **_numbered(
                [
                    "stem",
                    *_run("first", 2, BOTTLENECK),
                    *(
                        layer
                        for level, count in enumerate((2, 2, 2, 3))
                        for layer in (
                            *(f"down.{level}.{part}" for part in BOTTLENECK),
                            *_run(f"down.{level}.blocks", count, BOTTLENECK),
                        )
                    ),
                    *(
                        layer
                        for level, count in enumerate((2, 2, 1))
                        for layer in (
                            f"up.{level}.below",
                            f"up.{level}.beside",
                            *_run(f"up.{level}.blocks", count, BOTTLENECK),
                        )
                    ),
                    "score.dw",
                    "box.dw",
                ]
            ),
            "classifier_face_4_NO_PRUNING": "score.pw",
            "regressor_face_4_NO_PRUNING": "box.pw",
        },
    }
)
"""The names for each network of `facelandmarks.nn.build` that MediaPipe published."""


def read_mediapipe(path: str | os.PathLike[str]) -> dict[str, NDArray[np.float32]]:
    """Read the weights of one of the networks in `LAYERS`, under our names; `CheckpointError` for other files."""
    tensors = read_tflite(path)
    found = {name.rpartition(".")[0] for name in tensors}
    names = next((names for names in LAYERS.values() if names.keys() == found), None)
    if names is None:
        raise CheckpointError(f"{path} has the layers of none of MediaPipe's networks: {', '.join(LAYERS)}")
    parts = [name.rpartition(".") for name in tensors]
    return {f"{names[layer]}.{part}": tensors[f"{layer}.{part}"] for layer, _, part in parts}
