"""`.pts`, the files of 300-W: the points of one face, counted from 1 (the centre of the top-left pixel is 1, 1)."""

import re

import numpy as np
from numpy.typing import NDArray

from facelandmarks.errors import InvalidOptionError

ORIGIN = 1.0  # coordinate of the centre of the first pixel in these files; here it is 0
_HEADER = re.compile(r"version\s*:\s*\S*|n_points\s*:\s*(\d{1,9})(?!\S)", re.IGNORECASE)
_PLACE = re.compile(r"0{0,9}[1-9]\d{0,2}")
_FLAGS = {"True": True, "False": False, "1": True, "0": False}


def to_pts(points: NDArray[np.float32]) -> str:
    """Return the file of one face with points (K, 2)."""
    rows = [f"{x:.3f} {y:.3f}" for x, y in points.astype(np.float64) + ORIGIN]
    return "\n".join(["version: 1", f"n_points: {len(rows)}", "{", *rows, "}", ""])


def from_pts(text: str, count: int) -> NDArray[np.float64]:
    """Return the points (count, 2) of a file; `InvalidOptionError` for other files and other numbers of points."""
    points, _ = parse_pts(text)
    if len(points) != count or not (np.abs(points) <= np.finfo(np.float32).max).all():  # false for NaN
        raise InvalidOptionError(f"expected the .pts file of {count} points, found {len(points)}, or beyond float32")
    return points - ORIGIN


def parse_pts(text: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Parse the points of a face, in any dialect of `.pts`.

    The header (`version`, `n_points`), the braces and commas may be there or not; rows are `x y`, `x y visible` (0 or
    1), or `number x y visible` (True or False). `InvalidOptionError` names the line of another kind.

    Returns points (K, 2) in pixels **as the file counts them**, from 1 in 300-W, and which are visible (K,): all,
    without flags. Rows with numbers, which count from 1, go to their places; a place without a row is NaN and false.
    """
    rows: dict[int, tuple[NDArray[np.float64], bool]] = {}
    stated, count = None, 0
    for line, content in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        for header in _HEADER.finditer(content):
            stated = int(header[1]) if header[1] else stated
        words = re.sub(r"[{},;]", " ", _HEADER.sub(" ", content)).split()
        if words:
            place, point, visible = _parse_row(words, line)
            rows[count if place is None else place] = point, visible
            count += 1
    if not rows or stated not in (None, count):
        raise InvalidOptionError(f"{count} points, its header says {stated}")
    if len(rows) < count:
        raise InvalidOptionError("two rows of one number")
    points, flags = np.full((max(rows) + 1, 2), np.nan), np.zeros(max(rows) + 1, bool)
    for place, (point, visible) in rows.items():
        points[place], flags[place] = point, visible
    return points, flags


def _parse_row(words: list[str], line: int) -> tuple[int | None, NDArray[np.float64], bool]:
    """Return the place of a point, None for the next one, the point, and whether it is visible."""
    flag = _FLAGS.get(words[-1]) if len(words) in (3, 4) else True
    numbered = len(words) == 4
    if len(words) not in (2, 3, 4) or flag is None or (numbered and not _PLACE.fullmatch(words[0])):
        found = repr(" ".join(words))
        raise InvalidOptionError(
            f"line {line}: expected 'x y', 'x y 0/1' or 'number x y True/False', found {found:.99}"
        )
    try:
        point = np.array([float(word) for word in words[numbered : numbered + 2]])
    except ValueError as error:
        raise InvalidOptionError(f"line {line}: {error!s:.99}") from error
    if not np.isfinite(point).all():
        raise InvalidOptionError(f"line {line}: a number is not finite")
    return int(words[0]) - 1 if numbered else None, point, flag
