"""Annotations in text files, with errors that say file and line."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facelandmarks._files import decode_text
from facelandmarks.errors import DatasetError, InvalidOptionError
from facelandmarks.formats.pts import parse_pts

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
