"""Files of annotations, text and MATLAB, with errors that say where they are broken.

MATLAB's versions 5 to 7 are read by SciPy, version 7.3 (HDF5) by h5py, which are in the extra `evaluation`. Both are
native code in part: read only datasets that you chose yourself (SECURITY.md).
"""

import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facelandmarks._files import decode_text
from facelandmarks.errors import DatasetError, InvalidOptionError, require
from facelandmarks.formats import parse_pts

_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?")


def malformed(path: str | Path, line: int, reason: str) -> DatasetError:
    """Return an error that says where in a file something is wrong."""
    return DatasetError(f"{path}, line {line}: {reason}")


def read_text(path: str | Path) -> str:
    """Read a text file; `DatasetError` if it cannot be read, or is neither UTF-8 nor what its mark says."""
    try:
        return decode_text(Path(path).read_bytes())
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"cannot read {path}: {error}") from error


def read_lines(path: str | Path) -> list[tuple[int, str]]:
    """Read the lines of a text file that are not empty, each with its number from 1."""
    lines = enumerate(read_text(path).splitlines(), 1)
    return [(number, line.strip()) for number, line in lines if line.strip()]


def to_numbers(values: Sequence[str], path: str | Path, line: int) -> NDArray[np.float64]:
    """Convert texts to finite numbers; `DatasetError` naming file and line if one is not."""
    try:
        numbers = np.array([float(value) for value in values])
    except ValueError as error:
        raise malformed(path, line, str(error)) from error
    if not np.isfinite(numbers).all():
        raise malformed(path, line, "a number is not finite")
    return numbers


@dataclass(frozen=True, eq=False)
class Row:
    """A row of a list."""

    points: NDArray[np.float64]  # (K, 2)
    extras: NDArray[np.float64]  # (E,), as in the file
    name: str  # of the image
    line: int  # in the file


def read_list(path: str | Path, points: int, extras: int) -> Sequence[Row]:
    """Read a list: x and y of `points` points, `extras` further numbers, and the name of the image, with its blanks."""
    count = 2 * points + extras
    rows = []
    for line, text in read_lines(path):
        words = text.split(maxsplit=count)
        if len(words) != count + 1:
            raise malformed(path, line, f"expected {count} numbers and a name, found {len(words)} words")
        numbers = to_numbers(words[:-1], path, line)
        # A longer row would have its surplus numbers in the name.
        if _NUMBER.fullmatch(words[-1].split()[0]):
            raise malformed(path, line, f"expected {count} numbers and a name, found more numbers")
        rows.append(Row(numbers[: 2 * points].reshape(points, 2), numbers[2 * points :], words[-1], line))
    return rows


def read_pts(path: str | Path) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Read the points of a face and which of them are visible, as `parse_pts`; `DatasetError` names file and line."""
    try:
        return parse_pts(read_text(path))
    except InvalidOptionError as error:
        raise DatasetError(f"{path}, {error}") from error


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
