"""MATLAB files: versions 5 to 7 by our own reader, version 7.3 (HDF5) by h5py, of the extra `evaluation`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facelandmarks.errors import DatasetError, MissingDependencyError
from facelandmarks.evaluation.datasets.mat5 import read_mat5

# What h5py raises depends on where a file is broken.
_BROKEN = (OSError, ValueError, TypeError, LookupError, RuntimeError, AttributeError, MemoryError)
_MOST_NUMBERS = 1 << 28  # of one array: a header may claim any size without holding it


def load_mat(path: Path, *fields: str) -> list[Any]:
    """Arrays of a file of MATLAB 5 to 7.

    Raises
    ------
    DatasetError
        If it is no such file, or a field is missing.
    """
    try:
        content = read_mat5(path.read_bytes(), fields)
    except (OSError, ValueError) as error:
        raise DatasetError(f"cannot read the MATLAB file {path}: {error}") from error
    _require(path, fields, content)
    return [content[field] for field in fields]


@contextmanager
def open_mat73(path: Path, *fields: str) -> Iterator[Any]:
    """A file of MATLAB 7.3, open for `read_array` and `read_cell`.

    Raises
    ------
    DatasetError
        If it is no such file, or a field is missing.
    MissingDependencyError
        If h5py is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise _missing(path, "h5py") from error
    with _damage_is_ours(path):
        file = h5py.File(path, "r")
    with file:
        with _damage_is_ours(path):
            _require(path, fields, file)
        yield file


def read_array(file: Any, field: str) -> NDArray[np.float64]:
    """Numbers of a field, with the axes that MATLAB shows: HDF5 has them reversed."""
    with _damage_is_ours(file.filename):
        return np.asarray(_bounded(file[field]), np.float64).T


def read_cell(file: Any, field: str, index: int) -> NDArray[np.uint8]:
    """Picture in a column of cells, RGB (H, W, 3) or grey (H, W)."""
    with _damage_is_ours(file.filename):
        return np.ascontiguousarray(np.asarray(_bounded(file[_bounded(file[field])[0, index]]), np.uint8).T)


def _bounded(values: Any) -> Any:
    if values.size > _MOST_NUMBERS:
        raise ValueError(f"{values.name} claims {values.size} numbers, more than the {_MOST_NUMBERS} allowed")
    return values


@contextmanager
def _damage_is_ours(path: Path | str) -> Iterator[None]:
    try:
        yield
    except DatasetError:
        raise  # said already
    except _BROKEN as error:
        raise DatasetError(f"cannot read {path} as a file of MATLAB 7.3: {error}") from error


def _require(path: Path, fields: tuple[str, ...], content: Any) -> None:
    absent = [field for field in fields if field not in content]
    if absent:
        raise DatasetError(f"{path} has no field {', '.join(absent)}")


def _missing(path: Path, package: str) -> MissingDependencyError:
    return MissingDependencyError(
        f"reading {path.name} needs the package {package}: pip install 'facelandmarks-zoo[evaluation]'"
    )
