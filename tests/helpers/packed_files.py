"""ONNX files that hold nothing but initializers, as those of built-in models hold them."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from onnx import helper, numpy_helper

from facelandmarks.weights.checkpoint import SCALE


def pack(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Convolutions as int8 with a float32 scale per output channel, everything else as float32."""
    packed = {}
    for name, array in state.items():
        if array.ndim == 4:
            largest = np.abs(array).max(axis=(1, 2, 3), keepdims=True)
            scale = (np.maximum(largest, 1e-30) / 127).astype(np.float32)
            packed[name], packed[name + SCALE] = np.rint(array / scale).astype(np.int8), scale
        else:
            packed[name] = array.astype(np.float32)
    return packed


def save_tensors(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """Write tensors as they are."""
    graph = helper.make_graph([], "weights", [], [], [numpy_helper.from_array(v, k) for k, v in tensors.items()])
    path.write_bytes(helper.make_model(graph).SerializeToString())


def save_packed(path: Path, state: Mapping[str, np.ndarray]) -> None:
    """Write a state dict as a built-in model has it."""
    save_tensors(path, pack(state))
