"""`.pts`, the files of 300-W: the points of one face, counted from 1 (the centre of the top-left pixel is 1, 1)."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facelandmarks.boxes import tight_boxes
from facelandmarks.errors import InvalidOptionError
from facelandmarks.results import Landmarks
from facelandmarks.schemes import get_scheme

ORIGIN = 1.0  # coordinate of the centre of the first pixel in these files; here it is 0
_FILE = re.compile(r"\s*version:\s*[0-9]+\s+n_points:\s*([0-9]{1,9})\s*\{([^{}]*)\}\s*")


def to_pts(points: NDArray[np.float32]) -> str:
    """The file of one face from its points (K, 2)."""
    rows = [f"{x:.3f} {y:.3f}" for x, y in points.astype(np.float64) + ORIGIN]
    return "\n".join(["version: 1", f"n_points: {len(rows)}", "{", *rows, "}", ""])


def from_pts(texts: Sequence[str], scheme: str, image_size: tuple[int, int]) -> Landmarks:
    """Faces of one picture from the texts of their files.

    The files know neither scores nor boxes: scores are NaN, boxes are the bounds of the points.

    Parameters
    ----------
    texts
        One a face.
    scheme
        Name of the point scheme; the files do not say it.
    image_size
        Width and height of the picture in pixels.

    Raises
    ------
    InvalidOptionError
        If a text is no such file, or has another number of points than the scheme.
    UnknownModelError
        If there is no such scheme.
    """
    layout = get_scheme(scheme)
    count = len(layout)
    points = np.array([_points(text, count) for text in texts], np.float32).reshape(len(texts), count, 2)
    unknown = np.full((len(texts), count), np.nan, np.float32)
    return Landmarks(points, unknown, tight_boxes(points).astype(np.float32), unknown[:, 0], layout, image_size)


def _points(text: str, count: int) -> NDArray[np.float64]:
    match = _FILE.fullmatch(text)
    try:
        numbers = np.array(match[2].split(), np.float64) if match else np.zeros(0)
    except ValueError as error:
        raise InvalidOptionError(f"this .pts file holds something else than numbers: {error}") from error
    if match is None or int(match[1]) != count or numbers.size != 2 * count or not _fit_float32(numbers):
        found = f"{numbers.size} numbers, 'n_points: {match[1]}'" if match else f"{text[:40]!r}"
        raise InvalidOptionError(f"expected the .pts file of {count} points, found {found}")
    return numbers.reshape(count, 2) - ORIGIN


def _fit_float32(numbers: NDArray[np.float64]) -> bool:
    return bool((np.abs(numbers) <= np.finfo(np.float32).max).all())  # not so for NaN
