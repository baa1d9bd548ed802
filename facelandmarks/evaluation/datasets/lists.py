"""Lists with a face a row: x and y of its points, further numbers, name of the picture."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facelandmarks.evaluation.datasets.files import malformed, read_lines, to_numbers

_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?")


@dataclass(frozen=True, eq=False)
class Row:
    """A row of a list: `points` (K, 2), `extras` (E,) as they stand, `name` of the picture, `line` in the file."""

    points: NDArray[np.float64]
    extras: NDArray[np.float64]
    name: str
    line: int


def read_list(path: Path, points: int, extras: int) -> Sequence[Row]:
    """Rows of a list.

    Parameters
    ----------
    path
        Text; numbers are separated by blanks, the name is all that follows them.
    points
        How many points a row has.
    extras
        How many numbers stand between the points and the name.

    Raises
    ------
    DatasetError
        Naming file and line, for rows of another length and numbers that are not finite.
    """
    return [_row(path, line, text, points, extras) for line, text in read_lines(path)]


def _row(path: Path, line: int, text: str, points: int, extras: int) -> Row:
    count = 2 * points + extras
    words = text.split(maxsplit=count)  # names may hold blanks
    if len(words) != count + 1:
        raise malformed(path, line, f"expected {count} numbers and a name, found {len(words)} words")
    numbers = to_numbers(words[:-1], path, line)
    # A longer row would have its surplus numbers in the name.
    if _NUMBER.fullmatch(words[-1].split()[0]):
        raise malformed(path, line, f"expected {count} numbers and a name, found more numbers")
    return Row(numbers[: 2 * points].reshape(points, 2), numbers[2 * points :], words[-1], line)
