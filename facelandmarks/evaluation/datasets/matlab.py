"""MATLAB files: versions 5 to 7 by SciPy, version 7.3 (HDF5) by h5py; both are in the extra `evaluation`.

Both are native code in part: read only datasets that you chose yourself (SECURITY.md).
"""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facelandmarks.errors import DatasetError, require

# What SciPy and h5py raise depends on where a file is broken.
_BROKEN: tuple[type[Exception], ...] = (OSError, EOFError, ValueError, TypeError, LookupError, RuntimeError)
_BROKEN += (AttributeError, MemoryError, ArithmeticError, zlib.error, struct.error)
_INSTALL = "'facelandmarks-zoo[evaluation]'"
_MOST_NUMBERS = 1 << 28  # of one array: a header may claim any size without holding it


def load_mat(path: Path, *fields: str) -> list[Any]:
    """Read arrays of a file of MATLAB 5 to 7.

    `DatasetError` if it is another kind of file, is damaged or lacks a field; `MissingDependencyError` without SciPy.
    """
    io = require("scipy.io", f"reading {path.name}", _INSTALL)
    with _damage_is_ours(path, (*_BROKEN, io.matlab.MatReadError)):
        content = io.loadmat(path, appendmat=False, variable_names=fields)
    _require(path, fields, content)
    return [content[field] for field in fields]


@contextmanager
def open_mat73(path: Path, *fields: str) -> Iterator[Any]:
    """Open a file of MATLAB 7.3 for `read_array` and `read_cell`; errors as in `load_mat`, with h5py."""
    h5py = require("h5py", f"reading {path.name}", _INSTALL)
    with _damage_is_ours(path):
        file = h5py.File(path, "r")
    with file:
        with _damage_is_ours(path):
            _require(path, fields, file)
        yield file


def read_array(file: Any, field: str) -> NDArray[np.float64]:
    """Read the numbers of a field, with the axes that MATLAB shows: HDF5 has them reversed."""
    with _damage_is_ours(file.filename):
        return np.asarray(_bounded(file[field]), np.float64).T


def read_cell(file: Any, field: str, index: int) -> NDArray[np.uint8]:
    """Read the image in a column of cells, RGB (H, W, 3) or grey (H, W)."""
    with _damage_is_ours(file.filename):
        return np.ascontiguousarray(np.asarray(_bounded(file[_bounded(file[field])[0, index]]), np.uint8).T)


def _bounded(values: Any) -> Any:
    if values.size > _MOST_NUMBERS:
        raise ValueError(f"{values.name} claims {values.size} numbers, more than the {_MOST_NUMBERS} allowed")
    return values


@contextmanager
def _damage_is_ours(path: Path | str, broken: tuple[type[Exception], ...] = _BROKEN) -> Iterator[None]:
    """Turn what the libraries raise for damaged files into `DatasetError`."""
    try:
        yield
    except DatasetError:
        raise
    except broken as error:
        raise DatasetError(f"cannot read {path} as a MATLAB file: {error}") from error


def _require(path: Path, fields: tuple[str, ...], content: Any) -> None:
    absent = [field for field in fields if field not in content]
    if absent:
        raise DatasetError(f"{path} has no field {', '.join(absent)}")
