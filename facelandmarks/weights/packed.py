"""The packed weights that ship in the wheel: an `.npz` of small arrays, read without pickle and without torch.

Each tensor is stored under its own name, as float16 (float32 where float16 would lose it) or as int8; an int8 tensor
has beside it `NAME.scale`, float32, one number for each entry along its first axis, and stands for `int8 * scale`.
"""

import os
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facelandmarks.errors import CheckpointError

Array = NDArray[Any]
LEVELS = 127  # of int8 on each side of zero
SCALE = ".scale"
MOST_UNPACKED = 1 << 30  # bytes
NOT_NEEDED = "num_batches_tracked"  # batch norm counts its batches; inference never asks
KEPT_EXACT = "running_var"  # divided by, so a small value must not lose its digits
HALF_SMALLEST = float(np.finfo(np.float16).smallest_normal)
HALF_LARGEST = float(np.finfo(np.float16).max)
# What NumPy raises depends on where a file is broken; TypeError: a bare .npy array is no archive.
BROKEN_FILE = (OSError, EOFError, zipfile.BadZipFile, zlib.error, struct.error)
BROKEN_CONTENT = (ValueError, KeyError, TypeError, NotImplementedError, RuntimeError)


def pack(state: Mapping[str, Array]) -> dict[str, Array]:
    """The arrays to store for a state dict.

    Parameters
    ----------
    state
        Tensors by name, as NumPy arrays. Integer tensors are refused, batch norm's counters apart, which are dropped.

    Returns
    -------
    dict
        Weights of convolutions (four axes) as int8 with a symmetric scale for each output channel (the first axis); the
        rest as float16, or as float32 where float16 would lose range.
    """
    packed: dict[str, Array] = {}
    for name, value in state.items():
        if name.endswith(NOT_NEEDED):
            continue
        array = np.asarray(value)
        if not np.issubdtype(array.dtype, np.floating) or not np.isfinite(array).all():
            raise CheckpointError(f"cannot pack {name}: expected finite floating-point numbers, found {array.dtype}")
        if array.ndim == 4:  # those of linear layers are few, and coordinates need their digits
            packed[name], packed[name + SCALE] = _to_int8(array)
        else:
            packed[name] = array.astype(np.float16 if _fits_half(name, array) else np.float32)
    return packed


def save_packed(path: str | os.PathLike[str], state: Mapping[str, Array]) -> None:
    """Pack a state dict into a file; the file is either wholly there or not at all."""
    path = Path(path)
    packed: dict[str, Any] = {**pack(state)}
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez_compressed(file, **packed)
        os.chmod(partial, 0o644)  # mkstemp makes files that only their owner may read
        os.replace(partial, path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def load_packed(path: str | os.PathLike[str]) -> dict[str, NDArray[np.float32]]:
    """Tensors by name, all float32, of a file made by `save_packed`.

    Raises
    ------
    CheckpointError
        If the file is not there, is cut or damaged, or holds something else than packed weights.
    """
    try:
        # Opened here: NumPy leaves a broken archive open.
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            _check_sizes(path, file)
            stored = {name: file[name] for name in file.files}
    except CheckpointError:
        raise
    except BROKEN_FILE + BROKEN_CONTENT as error:
        raise CheckpointError(f"cannot read the packed weights {path}: {error}; reinstall the package") from error
    stranger = next((name for name, value in stored.items() if not isinstance(value, np.ndarray)), None)
    if stranger is not None:  # NumPy gives the bytes of what is no array
        raise CheckpointError(f"{path} holds something else than packed weights: {stranger!r} is no array")
    return {name: _to_float(path, name, stored) for name in stored if not _is_scale(name, stored)}


def _check_sizes(path: str | os.PathLike[str], file: Any) -> None:
    """Refuse an archive that would unpack to more than any model has."""
    size = sum(info.file_size for info in file.zip.infolist())
    if size > MOST_UNPACKED:
        raise CheckpointError(f"{path} would unpack to {size} bytes, more than the {MOST_UNPACKED} allowed")


def _to_int8(array: Array) -> tuple[Array, Array]:
    rows = array.astype(np.float32).reshape(array.shape[0], -1)
    largest = np.abs(rows).max(1, initial=0.0)
    scale = np.where(largest > 0, largest / LEVELS, 1.0).astype(np.float32)
    # float64: a subnormal scale must not round the quotient beyond the levels
    quantised = np.rint(rows.astype(np.float64) / scale[:, None]).clip(-LEVELS, LEVELS)
    return quantised.astype(np.int8).reshape(array.shape), scale


def _fits_half(name: str, array: Array) -> bool:
    size = np.abs(array[array != 0])
    in_range = not size.size or bool(size.min() >= HALF_SMALLEST and size.max() <= HALF_LARGEST)
    return in_range and not name.endswith(KEPT_EXACT)


def _is_scale(name: str, stored: Mapping[str, Array]) -> bool:
    owner = stored.get(name.removesuffix(SCALE)) if name.endswith(SCALE) else None
    return owner is not None and owner.dtype == np.int8


def _to_float(path: str | os.PathLike[str], name: str, stored: Mapping[str, Array]) -> NDArray[np.float32]:
    array = stored[name]
    if array.dtype in (np.float16, np.float32):
        return array.astype(np.float32)
    if array.dtype != np.int8 or array.ndim == 0:
        raise CheckpointError(f"{path}: expected {name} as float16, float32 or int8, found {array.dtype} {array.shape}")
    scale = stored.get(name + SCALE)
    if scale is None or scale.shape != array.shape[:1] or scale.dtype != np.float32:
        found = "nothing" if scale is None else f"{scale.dtype} {scale.shape}"
        raise CheckpointError(f"{path}: expected {name}{SCALE} as float32 {array.shape[:1]}, found {found}")
    scaled: NDArray[np.float32] = array.astype(np.float32) * scale.reshape(-1, *[1] * (array.ndim - 1))
    return scaled
