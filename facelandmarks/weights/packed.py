"""Read the tensors of a built-in model: one ONNX file with int8 initializers and a float32 scale per output channel.

ONNX Runtime opens such a file as it is; its graph expands the weights (Cast, Mul), normalises pixels, and decodes. The
initializers have the names of the PyTorch module with its batch norms folded; an int8 tensor `NAME` stands for
`NAME * NAME.scale`. Names without a dot are not the network's. `examples/train_compact/export.py` writes such files.
"""

import os

import numpy as np
from numpy.typing import NDArray

from facelandmarks.errors import CheckpointError, MissingDependencyError

SCALE = ".scale"


def load_packed(path: str | os.PathLike[str]) -> dict[str, NDArray[np.float32]]:
    """Read the tensors of a built-in model, by name, all float32.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, or holds anything but float32 and scaled int8 tensors.
    MissingDependencyError
        If onnx is not installed.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise MissingDependencyError(f"reading {path} into PyTorch needs onnx: pip install onnx") from error
    try:
        graph = onnx.load_model(os.fspath(path), load_external_data=False).graph
        stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer if "." in tensor.name}
    except (OSError, DecodeError, ValueError, TypeError, KeyError) as error:
        raise CheckpointError(f"cannot read the weights {path}: {error}") from error
    found = {}
    for name, array in stored.items():
        if name.removesuffix(SCALE) in stored and name.endswith(SCALE):
            continue
        scale = stored.get(name + SCALE)
        if array.dtype == np.int8 and scale is not None and scale.dtype == np.float32:
            if scale.shape != (array.shape[0], *[1] * (array.ndim - 1)):
                raise CheckpointError(
                    f"{path}: {name}{SCALE} has shape {scale.shape}, which does not fit {array.shape}"
                )
            found[name] = array.astype(np.float32) * scale
        elif array.dtype == np.float32 and scale is None:
            found[name] = array.copy()  # onnx gives read-only views
        else:
            raise CheckpointError(f"{path}: expected {name} as float32, or int8 with a scale; found {array.dtype}")
    if not found:
        raise CheckpointError(f"{path} holds no weights")
    return found
