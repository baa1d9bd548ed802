"""Files with the points of one face, one a row: `.pts` in all its dialects."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facelandmarks.errors import DatasetError
from facelandmarks.evaluation.datasets.files import malformed, read_lines, to_numbers

_COUNT = re.compile(r"n_points:\s*(\d{1,9})$")
_IGNORED = re.compile(r"version:|[{}]$")
_NUMBER = re.compile(r"0{0,9}[1-9]\d{0,2}")
_FLAGS = {"True": True, "False": False, "1": True, "0": False}
Row = tuple[int, NDArray[np.float64], bool]  # place, point, visible


def read_pts(path: Path) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Points of a face and which of them are visible.

    Parameters
    ----------
    path
        With or without the header (`version`, `n_points`) and the braces, any line ends, rows of `x y`, of
        `x y visible` (0 or 1), or of `number x y visible` (True or False).

    Returns
    -------
    points
        float64 (K, 2), pixels, **as the file counts them**: from 1 in 300-W. Rows with numbers go to their places,
        numbers count from 1; what no row has is NaN.
    visible
        bool (K,): as the flags say, all true without flags; false where there is no row.

    Raises
    ------
    DatasetError
        Naming file and line, for rows of another kind, numbers that are not finite, and fewer or more points than the
        header says.
    """
    rows: list[Row] = []
    stated = None
    for line, text in read_lines(path):
        count = _COUNT.match(text)
        if count:
            stated = int(count[1])
        elif not _IGNORED.match(text):
            rows.append(_row(text.split(), path, line, len(rows)))
    if not rows or stated not in (None, len(rows)):
        raise DatasetError(f"{path} holds {len(rows)} points, its header says {stated}")
    if len({place for place, _, _ in rows}) < len(rows):
        raise DatasetError(f"{path} has two rows of one number")
    return _placed(rows)


def _row(words: Sequence[str], path: Path, line: int, place: int) -> Row:
    """One row; its place is the next one unless the row has a number."""
    flag = _FLAGS.get(words[-1]) if len(words) in (3, 4) else True
    if len(words) not in (2, 3, 4) or flag is None or (len(words) == 4 and not _NUMBER.fullmatch(words[0])):
        raise malformed(path, line, f"expected 'x y', 'x y 0/1' or 'number x y True/False', found {' '.join(words)!r}")
    if len(words) == 4:
        place, words = int(words[0]) - 1, words[1:]
    return place, to_numbers(words[:2], path, line), flag


def _placed(rows: Sequence[Row]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    places = [place for place, _, _ in rows]
    points, visible = np.full((max(places) + 1, 2), np.nan), np.zeros(max(places) + 1, bool)
    points[places] = [point for _, point, _ in rows]
    visible[places] = [flag for _, _, flag in rows]
    return points, visible
