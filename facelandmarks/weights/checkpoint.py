"""A checkpoint file into a network, safely and strictly.

No code in a file is ever run: pickles go through PyTorch's restricted unpickler, and what checkpoints hold beside their
tensors (records of the training) comes out as inert objects that do nothing.
"""

import os
import pickle
import re
import struct
import threading
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facelandmarks.errors import CheckpointError
from facelandmarks.weights.packed import load_packed

Path = str | os.PathLike[str]
State = dict[str, NDArray[np.float32]]
Shapes = Mapping[str, tuple[int, ...]]
Candidates = Callable[[], Mapping[str, Shapes]]

COUNTERS = "num_batches_tracked"  # of batch norms; no part of what a network computes
PREPROCESSOR = "data_preprocessor."  # mean and standard deviation, in some old MMPose 1.x files
ENOUGH_ALIKE = 0.5  # share of equal tensors from which a file looks like a model


class _Inert:
    """Stands for whatever a pickle names; accepts everything and does nothing."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass


# What MMPose's files name besides tensors, in the records of their training. `bytes` is called for empty arrays,
# `getattr` by the training log. All of it becomes `_Inert`: nothing here is the function of that name.
INERT_NAMES = (
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "numpy.ndarray",
    "numpy.dtype",
    "builtins.bytes",
    "builtins.getattr",
    "mmengine.logging.history_buffer.HistoryBuffer",
)
_LOCK = threading.Lock()  # PyTorch keeps its list of allowed names in one place for all threads
# What PyTorch raises depends on where a file is broken.
BROKEN_FILE = (OSError, EOFError, zipfile.BadZipFile, struct.error, MemoryError)
BROKEN_CONTENT = (RuntimeError, ValueError, LookupError, TypeError, AttributeError, AssertionError, OverflowError)


@dataclass(frozen=True)
class Dialect:
    """How a family of files names its tensors.

    Attributes
    ----------
    read
        From a path to tensors by their names in the file.
    renames
        Patterns and replacements, applied in order, that lead to the names of `facelandmarks.nn` (MMPose 1.x's).
    """

    read: Callable[[Path], Mapping[str, Any]]
    renames: tuple[tuple[str, str], ...] = ()


def read_torch(path: Path) -> Mapping[str, Any]:
    """Tensors by name of a file written by `torch.save`, in either of its formats.

    The file holds a state dict, bare or under "state_dict"; nothing else of it is used. (In MMPose files with an
    exponential average, "state_dict" is the average, and "ema_state_dict", despite its name, is not.)
    """
    allowed: list[Any] = [(_Inert, name) for name in INERT_NAMES]
    try:
        _check_archive(path)
        with _LOCK, torch.serialization.safe_globals(allowed):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except CheckpointError:
        raise
    except pickle.UnpicklingError as error:
        reason = next((line for line in str(error).splitlines() if "GLOBAL" in line or "global" in line), "")
        raise CheckpointError(
            f"{path} is damaged, or names code besides its tensors; it was refused and nothing of it was run. {reason}"
        ) from error
    except BROKEN_FILE + BROKEN_CONTENT as error:
        raise CheckpointError(f"cannot read the checkpoint {path}: {error}") from error
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path} holds no tensors by name: expected a state dict, found {type(content).__name__}")
    return content


def _check_archive(path: Path) -> None:
    """Refuse a zip container with compressed parts, which can unpack to any size; `torch.save` compresses nothing."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        packed = next((info for info in archive.infolist() if info.compress_type != zipfile.ZIP_STORED), None)
    if packed:
        raise CheckpointError(
            f"{path} holds compressed parts, which no checkpoint of PyTorch does (first: {packed.filename!r}, "
            f"{packed.compress_size} bytes for {packed.file_size}); it was refused"
        )


def read_safetensors(path: Path) -> Mapping[str, Any]:
    """Tensors by name of a safetensors file."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (SafetensorError, *BROKEN_FILE, *BROKEN_CONTENT) as error:
        raise CheckpointError(f"cannot read the checkpoint {path}: {error}") from error
    return tensors


UNWRAP = (r"^module\.", "")  # what training on several devices puts before every name
# MMPose 0.x numbers the layers of HRNetV2's head through: 0 convolution, 1 norm, 2 ReLU, 3 output. 1.x converts in the
# same way when it loads 0.x files; names of 1.x are left as they are.
MMPOSE_0X = (
    (r"^keypoint_head\.", "head."),
    (r"^head\.final_layer\.([01])\.", r"head.conv_layers.\1."),
    (r"^head\.final_layer\.3\.", "head.final_layer."),
)
HRNET_OFFICIAL = (
    (r"^(?!head\.)", "backbone."),
    (r"^head\.([01])\.", r"head.conv_layers.\1."),
    (r"^head\.3\.", "head.final_layer."),
)
DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {
        "packed": Dialect(load_packed),
        "safetensors": Dialect(read_safetensors),
        "mmpose0x": Dialect(read_torch, (UNWRAP, *MMPOSE_0X)),
        "mmpose1x": Dialect(read_torch, (UNWRAP,)),
        "hrnet_official": Dialect(read_torch, (UNWRAP, *HRNET_OFFICIAL)),
    }
)


def read_checkpoint(path: Path, dialect: str) -> State:
    """Tensors of a checkpoint, under our names.

    Parameters
    ----------
    path
        The file.
    dialect
        How it was written: a key of `DIALECTS`, as in `FileRecord.dialect`.

    Returns
    -------
    dict
        float32 arrays by name, in the file's order, without counters of batch norms.

    Raises
    ------
    CheckpointError
        If the file cannot be read, names code, or holds something else than a network's tensors.
    """
    return from_tensors(path, read_raw(path, dialect), dialect)


def read_raw(path: Path, dialect: str) -> Mapping[str, Any]:
    """What a file holds by name, under its own names; the errors are those of `read_checkpoint`."""
    if dialect not in DIALECTS:
        raise CheckpointError(f"no dialect {dialect!r}; there are: {', '.join(DIALECTS)}")
    return DIALECTS[dialect].read(path)


def from_tensors(source: object, tensors: Mapping[str, Any], dialect: str) -> State:
    """The tensors that networks have, as float32 arrays under our names; `source` is for messages."""
    renamed = rename(tensors, dialect)
    wanted = {k: v for k, v in renamed.items() if not k.endswith(COUNTERS) and not k.startswith(PREPROCESSOR)}
    return {key: _to_array(source, key, value) for key, value in wanted.items()}


def rename(tensors: Mapping[str, Any], dialect: str) -> dict[str, Any]:
    """The same tensors under the names of `facelandmarks.nn`."""
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
    network: nn.Module, tensors: Mapping[str, NDArray[np.float32]], model: str, candidates: Candidates | None = None
) -> None:
    """Copy tensors into a network; every name and shape must fit.

    Parameters
    ----------
    network
        Changed in place.
    tensors
        By name.
    model
        What to call the network in messages.
    candidates
        Called if the tensors do not fit: shapes by tensor name of each model that the file may be of instead.

    Raises
    ------
    CheckpointError
        Naming the first missing, unexpected and mis-shaped tensor, and the models that the tensors look like.
    """
    wanted = _without_counters({key: tuple(value.shape) for key, value in network.state_dict().items()})
    given = {key: tuple(value.shape) for key, value in tensors.items()}
    problems = _differences(wanted, given)
    if problems:
        names = looks_like(given, candidates()) if candidates else ()
        hint = f". The file looks like {' or '.join(names)}" if names and model not in names else ""
        raise CheckpointError(f"these weights do not fit {model}: {'; '.join(problems)}{hint}")
    state = {key: torch.from_numpy(np.ascontiguousarray(value)) for key, value in tensors.items()}
    network.load_state_dict(state, strict=False)  # strict was checked above, all but the counters


def looks_like(given: Shapes, candidates: Mapping[str, Shapes]) -> tuple[str, ...]:
    """Names of the candidates that share the most tensors (name and shape) with a file; none if all share little."""
    found = set(_without_counters(given).items())
    shares = {}
    for name, shapes in candidates.items():
        wanted = set(_without_counters(shapes).items())
        shares[name] = len(found & wanted) / max(len(found | wanted), 1)
    best = max(shares.values(), default=0.0)
    return tuple(name for name, share in shares.items() if share == best) if best >= ENOUGH_ALIKE else ()


def _without_counters(shapes: Shapes) -> dict[str, tuple[int, ...]]:
    return {key: shape for key, shape in shapes.items() if not key.endswith(COUNTERS)}


def _to_array(source: object, key: str, value: object) -> NDArray[np.float32]:
    if isinstance(value, np.ndarray) and np.issubdtype(value.dtype, np.floating):
        return value.astype(np.float32, copy=False)
    if not isinstance(value, Tensor) or not value.is_floating_point() or value.layout is not torch.strided:
        kind = f"{value.dtype} {value.layout}" if isinstance(value, Tensor) else type(value).__name__
        raise CheckpointError(f"{source}: expected {key} as a floating-point tensor, found {kind}")
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        raise CheckpointError(f"{source}: {key} claims the size {tuple(value.shape)}, more than the file holds of it")
    array: NDArray[np.float32] = value.detach().float().cpu().numpy()
    return array


def _differences(wanted: Shapes, given: Shapes) -> list[str]:
    missing = [key for key in wanted if key not in given]
    unexpected = [key for key in given if key not in wanted]
    both = [key for key in wanted if key in given]
    shapes = [f"{key} is {given[key]}, not {wanted[key]}" for key in both if given[key] != wanted[key]]
    groups = {"missing": missing, "unexpected": unexpected, "of another shape": shapes}
    return [f"{len(found)} {what} (first: {found[0]})" for what, found in groups.items() if found]
