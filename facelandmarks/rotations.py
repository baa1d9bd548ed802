"""Quarter turns: images that may lie on their side or upside down are searched in several turns, the best is kept.

Networks and detectors know upright faces. Of 149 labelled faces of 300-W's test photos, all upright, the built-in
detector still finds 28, 60 and 23 % when the photo is turned by 90, 180 and 270 degrees counterclockwise, so finding a
face proves nothing. Box score times mean point score is highest upright for all 149, with a margin of at least 0.27
(box score alone: 0.04). Choosing a rotation per face would also work, but 21 false detections in 40 photos score higher
when rotated; so detected faces share one rotation per image. Of 57 validation photos with one to several faces, turned
by 0 to 270 degrees, all are seen upright.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facelandmarks.errors import InvalidOptionError

UPRIGHT = (0,)  # rotations: images as they are
QUARTERS = {0: 0, 90: 1, 180: 2, 270: 3}


def check_rotations(rotations: Sequence[int]) -> None:
    """Raise `InvalidOptionError` if there is no rotation, or one other than 0, 90, 180 and 270 degrees."""
    if not len(rotations) or any(degrees not in QUARTERS for degrees in rotations):
        raise InvalidOptionError(f"rotations must be some of {', '.join(map(str, QUARTERS))}; got {rotations!r}")


def quarters_of(rotation: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return angles (N,) in radians as quarters of a circle, 0 to 3; `InvalidOptionError` for angles in between."""
    turns = rotation / (math.pi / 2)
    whole = np.rint(turns)
    if not (np.abs(turns - whole) < 1e-6).all():
        raise InvalidOptionError(f"this model takes rotations in quarters of a circle; got {rotation.tolist()} radians")
    return whole.astype(np.intp) % 4


def turn_image(image: NDArray[np.uint8], quarters: int) -> NDArray[np.uint8]:
    """Return an image turned clockwise by quarters of a circle."""
    return np.ascontiguousarray(np.rot90(image, -quarters)) if quarters else image


def turn_points(points: NDArray[Any], quarters: int, size: tuple[int, int]) -> NDArray[Any]:
    """Return points (..., 2) of an image of a width and height in the image turned clockwise by quarters of a circle.

    Negative quarters turn back; `size` is always that of the image that the points are in.
    """
    width, height = size
    for _ in range(quarters % 4):
        points = np.stack([height - 1 - points[..., 1], points[..., 0]], axis=-1)
        width, height = height, width
    return points


def turn_boxes(boxes: NDArray[Any], quarters: int, size: tuple[int, int]) -> NDArray[Any]:
    """Return boxes (N, 4) likewise."""
    if quarters % 4 == 0:
        return boxes
    corners = turn_points(boxes.reshape(-1, 2, 2), quarters, size)
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


def best_rotation(
    rotation: NDArray[np.float64], box_scores: NDArray[np.float32], means: NDArray[np.float64], rotations: int
) -> NDArray[np.intp]:
    """Return which faces to keep (rows) of one image that was searched in several rotations.

    `rotation` (N,) in radians has the faces of one rotation after the other; `box_scores` (N,) are NaN for boxes that
    were given; `means` (N,) are the mean scores of the points.

    Detected faces: those of the rotation in which box score times mean point score adds up to the most. Given boxes:
    each in its rotation of the highest mean point score. The first rotation wins among equals: networks without scores
    (DeepPose) cannot choose for given boxes.
    """
    if np.isnan(box_scores).all():
        given = len(rotation) // rotations
        best = np.argmax(means.reshape(rotations, given), axis=0) if given else np.zeros(0, np.intp)
        return best * given + np.arange(given)
    merits = box_scores * means
    totals = {angle: merits[rotation == angle].sum() for angle in dict.fromkeys(rotation.tolist())}
    return np.flatnonzero(rotation == max(totals, key=totals.__getitem__))
