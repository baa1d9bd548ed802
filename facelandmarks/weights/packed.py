"""Read the packed weights that ship in the wheel: an `.npz` of small arrays, read without pickle and without torch.

Each tensor is stored under its own name, as float16 (float32 where float16 would lose it) or as int8; an int8 tensor
has beside it `NAME.scale`, float32, one number for each entry along its first axis, and stands for `int8 * scale`.
`examples/train_compact/packed_writer.py` writes such files.
"""

import os
import struct
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facelandmarks.errors import CheckpointError

Array = NDArray[Any]
SCALE = ".scale"
MOST_UNPACKED = 1 << 30  # bytes
# What NumPy raises depends on where a file is broken; TypeError: a bare .npy array is not an archive.
BROKEN_FILE = (OSError, EOFError, zipfile.BadZipFile, zlib.error, struct.error)
BROKEN_CONTENT = (ValueError, KeyError, TypeError, NotImplementedError, RuntimeError)


def load_packed(path: str | os.PathLike[str]) -> dict[str, NDArray[np.float32]]:
    """Read the tensors of a packed file, by name, all float32.

    Raises
    ------
    CheckpointError
        If the file is missing, cut or damaged, or holds anything but packed weights.
    """
    try:
        # Opened here: NumPy leaves a broken archive open.
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            size = sum(info.file_size for info in file.zip.infolist())
            if size > MOST_UNPACKED:
                raise CheckpointError(f"{path} would unpack to {size} bytes, more than the {MOST_UNPACKED} allowed")
            stored = {name: file[name] for name in file.files}
    except CheckpointError:
        raise
    except BROKEN_FILE + BROKEN_CONTENT as error:
        raise CheckpointError(f"cannot read the packed weights {path}: {error}; reinstall the package") from error
    stranger = next((name for name, value in stored.items() if not isinstance(value, np.ndarray)), None)
    if stranger is not None:  # NumPy gives the bytes of what is not an array
        raise CheckpointError(f"{path} does not hold packed weights: {stranger!r} is not an array")
    scales = {name + SCALE for name, value in stored.items() if value.dtype == np.int8}
    return {name: _to_float(path, name, stored) for name in stored if name not in scales}


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
