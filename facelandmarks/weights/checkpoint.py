"""Read checkpoint files, safely, and put their tensors into networks, strictly.

No code in a file is ever run (`facelandmarks.weights.wrapped`). A file that cannot be read, names code, or holds
anything but a network's tensors is a `CheckpointError`.
"""

import os
import pickle
import re
import struct
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facelandmarks.errors import CheckpointError, hint_at, require
from facelandmarks.weights.manifest import DIALECTS
from facelandmarks.weights.tflite import read_mediapipe
from facelandmarks.weights.wrapped import COUNTERS, find_tensors, load_inert

Path = str | os.PathLike[str]
State = dict[str, NDArray[np.float32]]
Shapes = Mapping[str, tuple[int, ...]]
Candidates = Callable[[], Mapping[str, Shapes]]

PREPROCESSOR = "data_preprocessor."  # mean and standard deviation, in some old MMPose 1.x files
ENOUGH_ALIKE = 0.5  # share of equal tensors from which a file looks like a model
SCALE = ".scale"  # of a built-in model: ends the name of the float32 scale per output channel of an int8 tensor
# What PyTorch raises depends on where a file is broken.
BROKEN_FILE = (OSError, EOFError, zipfile.BadZipFile, struct.error, MemoryError)
BROKEN_CONTENT = (RuntimeError, ValueError, LookupError, TypeError, AttributeError, AssertionError, OverflowError)


def read_torch(path: Path) -> Mapping[str, Any]:
    """Read the tensors by name of a file written by `torch.save`, in either of its formats (`find_tensors`).

    In MMPose files with an exponential average, "state_dict" is the average; "ema_state_dict", despite its name, not.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                packed = [info for info in archive.infolist() if info.compress_type != zipfile.ZIP_STORED]
            if packed:  # they can unpack to any size
                raise CheckpointError(
                    f"{path} has compressed parts, as no checkpoint of PyTorch has (first: {packed[0].filename!r}, "
                    f"{packed[0].compress_size} bytes for {packed[0].file_size}); it was refused"
                )
        content = load_inert(path)
    except CheckpointError:
        raise
    except pickle.UnpicklingError as error:
        reason = next((line for line in str(error).splitlines() if "GLOBAL" in line or "global" in line), "")
        raise CheckpointError(
            f"{path} is damaged, or names code besides its tensors; it was refused and nothing in it was run. {reason}"
        ) from error
    except BROKEN_FILE + BROKEN_CONTENT as error:
        raise CheckpointError(f"cannot read the checkpoint {path}: {error}") from error
    return find_tensors(content, path)


def read_safetensors(path: Path) -> Mapping[str, Any]:
    """Read the tensors by name of a safetensors file."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (SafetensorError, *BROKEN_FILE, *BROKEN_CONTENT) as error:
        raise CheckpointError(f"cannot read the checkpoint {path}: {error}") from error
    return tensors


def read_shapes(path: Path) -> Shapes:
    """Read names and shapes of a safetensors file under our names, without its tensors or counters of batch norms."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, *BROKEN_FILE, *BROKEN_CONTENT) as error:
        raise CheckpointError(f"cannot read the checkpoint {path}: {error}") from error
    return _without_counters(shapes)


def load_packed(path: Path) -> dict[str, NDArray[np.float32]]:
    """Read the tensors of a built-in model, by name: an ONNX file that `examples/train_compact/export.py` wrote.

    The initializers have the names of the PyTorch module with its batch norms folded; an int8 tensor `NAME` stands for
    `NAME * NAME.scale`, as the graph expands it. Names without a dot are not the network's.
    """
    onnx = require("onnx", f"reading {path} into PyTorch", "onnx")
    from google.protobuf.message import DecodeError

    try:
        graph = onnx.load_model(os.fspath(path), load_external_data=False).graph
        tensors = [tensor for tensor in graph.initializer if "." in tensor.name]
        if any(map(onnx.external_data_helper.uses_external_data, tensors)):
            raise ValueError("it keeps tensors in other files, which are not read")
        stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in tensors}
    except (OSError, DecodeError, ValueError, TypeError, KeyError) as error:
        raise CheckpointError(f"cannot read the weights {path}: {error}") from error
    found = {}
    for name, array in stored.items():
        if name.removesuffix(SCALE) in stored and name.endswith(SCALE):
            continue
        scale = stored.get(name + SCALE)
        if array.dtype == np.int8 and scale is not None and scale.dtype == np.float32:
            if scale.shape != (len(array), *[1] * (array.ndim - 1)):
                raise CheckpointError(f"{path}: {name}{SCALE} of shape {scale.shape} does not fit {array.shape}")
            found[name] = array.astype(np.float32) * scale
        elif array.dtype == np.float32 and scale is None:
            found[name] = array.copy()  # onnx gives read-only views
        else:
            raise CheckpointError(f"{path}: expected {name} as float32, or int8 with a scale; found {array.dtype}")
    if not found:
        raise CheckpointError(f"{path} holds no weights")
    return found


READERS: Mapping[str, Callable[[Path], Mapping[str, Any]]] = {
    "torch": read_torch,
    "safetensors": read_safetensors,
    "packed": load_packed,
    "mediapipe": read_mediapipe,
}  # by `Dialect.format`


def read_checkpoint(path: Path, dialect: str) -> State:
    """Read the tensors of a checkpoint: float32 arrays under our names, in its order; counters of batch norms go."""
    return from_tensors(path, read_raw(path, dialect), dialect)


def read_raw(path: Path, dialect: str) -> Mapping[str, Any]:
    """Read the content of a file under its own names."""
    known = [name for name, each in DIALECTS.items() if each.format in READERS]
    if dialect not in known:
        raise CheckpointError(f"no dialect {dialect!r} of checkpoints; {hint_at(dialect, known)}")
    return READERS[DIALECTS[dialect].format](path)


def from_tensors(source: object, tensors: Mapping[str, Any], dialect: str) -> State:
    """Return the tensors of a network as float32 arrays under our names; `source` names them in messages."""
    state: State = {}
    for key, value in rename(tensors, dialect).items():
        if key.endswith(COUNTERS) or key.startswith(PREPROCESSOR):
            continue
        if isinstance(value, np.ndarray) and np.issubdtype(value.dtype, np.floating):
            state[key] = value.astype(np.float32, copy=False)
            continue
        if not isinstance(value, Tensor) or not value.is_floating_point() or value.layout is not torch.strided:
            kind = f"{value.dtype} {value.layout}" if isinstance(value, Tensor) else type(value).__name__
            raise CheckpointError(f"{source}: expected {key} as a floating-point tensor, found {kind}")
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise CheckpointError(f"{source}: {key} claims the size {(*value.shape,)}, more than the file holds of it")
        state[key] = value.detach().float().cpu().numpy()
    return state


def rename(tensors: Mapping[str, Any], dialect: str) -> dict[str, Any]:
    """Return the same tensors under the names of `facelandmarks.nn`."""
    renamed: dict[str, Any] = {}
    for key, value in tensors.items():
        name = str(key)
        for pattern, replacement in DIALECTS[dialect].renames:
            name = re.sub(pattern, replacement, name)
        if name in renamed:
            raise CheckpointError(f"two tensors of the file stand for {name}; one is called {key}")
        renamed[name] = value
    return renamed


def load_state(
    network: nn.Module,
    tensors: Mapping[str, NDArray[np.float32]],
    model: str,
    check: Callable[[Shapes, Shapes], None] | None = None,
) -> None:
    """Copy tensors into a network, called `model` in messages; `check` raises if shapes do not fit (`check_shapes`)."""
    wanted = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    given = {key: value.shape for key, value in tensors.items()}
    (check or partial(check_shapes, model=model))(wanted, given)
    state = {key: torch.from_numpy(np.ascontiguousarray(value)) for key, value in tensors.items()}
    network.load_state_dict(state, strict=False)  # strict was checked above, all but the counters


def check_shapes(wanted: Shapes, given: Shapes, model: str, candidates: Candidates | None = None) -> None:
    """Raise `CheckpointError` if names and shapes of tensors are not those of a network, called `model` in messages.

    It names the first tensor of each fault, and those of the `candidates` (shapes by model) that the tensors look like.
    """
    wanted = _without_counters(wanted)
    differences = {
        "missing": [key for key in wanted if key not in given],
        "unexpected": [key for key in given if key not in wanted],
        "of another shape": [
            f"{key} is {given[key]}, not {shape}" for key, shape in wanted.items() if given.get(key, shape) != shape
        ],
    }
    problems = [f"{len(found)} {what} (first: {found[0]})" for what, found in differences.items() if found]
    surplus = differences["unexpected"]
    if surplus and len(problems) == 1:
        problems.append(f"without them they would fit: drop {', '.join(surplus[:5])}{', ...' * (len(surplus) > 5)}")
    if problems:
        names = looks_like(given, candidates()) if candidates else ()
        hint = f". The file looks like {' or '.join(names)}" if names and model not in names else ""
        raise CheckpointError(f"these weights do not fit {model}: {'; '.join(problems)}{hint}")


def looks_like(given: Shapes, candidates: Mapping[str, Shapes]) -> tuple[str, ...]:
    """Return the candidates that share the most tensors (name and shape) with a file; none if all share little."""
    found = set(_without_counters(given).items())
    shares = {}
    for name, shapes in candidates.items():
        wanted = set(_without_counters(shapes).items())
        shares[name] = len(found & wanted) / max(len(found | wanted), 1)
    best = max(shares.values(), default=0.0)
    return tuple(name for name, share in shares.items() if share == best) if best >= ENOUGH_ALIKE else ()


def _without_counters(shapes: Shapes) -> dict[str, tuple[int, ...]]:
    return {key: shape for key, shape in shapes.items() if not key.endswith(COUNTERS)}
