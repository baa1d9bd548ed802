"""`.pts`, the files of 300-W: the points of one face, counted from 1 (the centre of the top-left pixel is 1, 1)."""

import re

import numpy as np
from numpy.typing import NDArray

from facelandmarks.errors import InvalidOptionError

ORIGIN = 1.0  # coordinate of the centre of the first pixel in these files; here it is 0
_FILE = re.compile(r"\s*version:\s*[0-9]+\s+n_points:\s*([0-9]{1,9})\s*\{([^{}]*)\}\s*")


def to_pts(points: NDArray[np.float32]) -> str:
    """Return the file of one face with points (K, 2)."""
    rows = [f"{x:.3f} {y:.3f}" for x, y in points.astype(np.float64) + ORIGIN]
    return "\n".join(["version: 1", f"n_points: {len(rows)}", "{", *rows, "}", ""])


def from_pts(text: str, count: int) -> NDArray[np.float64]:
    """Return the points (count, 2) of a file; `InvalidOptionError` for other files and other numbers of points."""
    match = _FILE.fullmatch(text)
    try:
        numbers = np.array(match[2].split(), np.float64) if match else np.zeros(0)
    except ValueError as error:
        raise InvalidOptionError(f"this .pts file holds something other than numbers: {error}") from error
    fitting = bool((np.abs(numbers) <= np.finfo(np.float32).max).all())  # false for NaN
    if match is None or int(match[1]) != count or numbers.size != 2 * count or not fitting:
        found = f"{numbers.size} numbers, 'n_points: {match[1]}'" if match else f"{text[:40]!r}"
        raise InvalidOptionError(f"expected the .pts file of {count} points, found {found}")
    return numbers.reshape(count, 2) - ORIGIN
