"""Annotations in text files, with errors that say file and line: lists with a face a row, `.pts` with a point a row."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facelandmarks.errors import DatasetError

_COUNT = re.compile(r"n_points:\s*(\d{1,9})$")
_IGNORED = re.compile(r"version:|[{}]$")
_PLACE = re.compile(r"0{0,9}[1-9]\d{0,2}")
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?")
_FLAGS = {"True": True, "False": False, "1": True, "0": False}


def malformed(path: Path, line: int, reason: str) -> DatasetError:
    """Return an error that says where in a file something is wrong."""
    return DatasetError(f"{path}, line {line}: {reason}")


def read_text(path: Path) -> str:
    """Read a text file; `DatasetError` if it cannot be read or is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"cannot read {path}: {error}") from error


def read_lines(path: Path) -> list[tuple[int, str]]:
    """Read the lines of a text file that are not empty, each with its number from 1."""
    lines = enumerate(read_text(path).splitlines(), 1)
    return [(number, line.strip()) for number, line in lines if line.strip()]


def to_numbers(values: Sequence[str], path: Path, line: int) -> NDArray[np.float64]:
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
    """A row of a list: `points` (K, 2), `extras` (E,) as in the file, `name` of the image, `line` in the file."""

    points: NDArray[np.float64]
    extras: NDArray[np.float64]
    name: str
    line: int


def read_list(path: Path, points: int, extras: int) -> Sequence[Row]:
    """Read a list: x and y of the points, further numbers, and the name of the image, which may hold blanks.

    Parameters
    ----------
    points
        Number of points of a row.
    extras
        Number of numbers between the points and the name.

    Raises
    ------
    DatasetError
        Naming file and line, for rows of another length and numbers that are not finite.
    """
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


def read_pts(path: Path) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Read the points of a face and which of them are visible, in any dialect of `.pts`.

    Parameters
    ----------
    path
        With or without the header (`version`, `n_points`) and the braces, any line ends, rows of `x y`, of
        `x y visible` (0 or 1), or of `number x y visible` (True or False).

    Returns
    -------
    points
        (K, 2), pixels, **as the file counts them**: from 1 in 300-W. Rows with numbers go to their places, numbers
        count from 1; a place without a row is NaN.
    visible
        (K,): as the flags say, all true without flags; false where there is no row.

    Raises
    ------
    DatasetError
        Naming file and line, for rows of another kind, numbers that are not finite, and fewer or more points than the
        header says.
    """
    rows: dict[int, tuple[NDArray[np.float64], bool]] = {}
    stated, count = None, 0
    for line, text in read_lines(path):
        header = _COUNT.match(text)
        if header:
            stated = int(header[1])
        elif not _IGNORED.match(text):
            place, point, visible = _parse_row(text.split(), path, line)
            rows[count if place is None else place] = point, visible
            count += 1
    if not rows or stated not in (None, count):
        raise DatasetError(f"{path} holds {count} points, its header says {stated}")
    if len(rows) < count:
        raise DatasetError(f"{path} has two rows of one number")
    points, flags = np.full((max(rows) + 1, 2), np.nan), np.zeros(max(rows) + 1, bool)
    for place, (point, visible) in rows.items():
        points[place], flags[place] = point, visible
    return points, flags


def _parse_row(words: Sequence[str], path: Path, line: int) -> tuple[int | None, NDArray[np.float64], bool]:
    """Return the place of a point, None for the next one, the point, and whether it is visible."""
    flag = _FLAGS.get(words[-1]) if len(words) in (3, 4) else True
    numbered = len(words) == 4
    if len(words) not in (2, 3, 4) or flag is None or (numbered and not _PLACE.fullmatch(words[0])):
        raise malformed(path, line, f"expected 'x y', 'x y 0/1' or 'number x y True/False', found {' '.join(words)!r}")
    point = to_numbers(words[1:3] if numbered else words[:2], path, line)
    return int(words[0]) - 1 if numbered else None, point, flag
