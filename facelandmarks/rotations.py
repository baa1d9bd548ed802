"""Pictures that may lie on their side or upside down: predict in several turns of them, keep the best.

Networks and detectors know upright faces. Of 149 labelled faces of 300-W's test photos, all upright, the built-in
detector still finds 28, 60 and 23 % when the photo is turned by 90, 180 and 270 degrees counterclockwise, so that to
find a face proves nothing; box score times mean point score is highest upright for all 149, with 0.27 to spare at
least (box score alone: 0.04). Each face by itself would do for that, but 40 photos have 21 things that look a little
like faces in another turn: for faces that are detected, one turn serves the whole picture. Of 57 validation photos with
one to several faces, turned by 0 to 270 degrees, all are seen upright.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facelandmarks.boxes import Boxes, check_boxes
from facelandmarks.errors import InvalidOptionError
from facelandmarks.results import Landmarks

QUARTERS = {0: 0, 90: 1, 180: 2, 270: 3}
Pictures = Sequence[NDArray[np.uint8]]
Predict = Callable[[Pictures, Sequence[Boxes | None]], Sequence[Landmarks]]


def best_of_rotations(
    predict: Predict, pictures: Pictures, bboxes: Sequence[ArrayLike | None], rotations: Sequence[int]
) -> list[Landmarks]:
    """Landmarks of pictures that are seen in several turns.

    Parameters
    ----------
    predict
        Pictures and boxes (None: detect) to one result each, as `Model.predict_batch`.
    pictures
        uint8 (H, W, 3) each.
    bboxes
        For each picture boxes (N, 4) in its own pixels, or None.
    rotations
        Degrees by which the pictures are turned clockwise before `predict` sees them: of 0, 90, 180 and 270.

    Returns
    -------
    list of Landmarks
        In pixels of the pictures as they were given. Faces that are detected are those of the turn in which box score
        times mean point score adds up to the most; for a box that is given, it is the turn with the highest mean point
        score. The first one wins among equals: networks that give no scores (DeepPose) cannot choose for given boxes.

    Raises
    ------
    InvalidOptionError
        If there is no rotation, or another one than these.
    """
    quarters = [QUARTERS.get(degrees) for degrees in rotations]
    if not quarters or None in quarters:
        raise InvalidOptionError(f"rotations must be some of {', '.join(map(str, QUARTERS))}; got {rotations!r}")
    given = [
        None if boxes is None else check_boxes(boxes, picture.shape[1], picture.shape[0])
        for picture, boxes in zip(pictures, bboxes, strict=True)
    ]
    turns = [_predict_turned(predict, pictures, given, quarter) for quarter in quarters if quarter is not None]
    return [_best(results, boxes is None) for *results, boxes in zip(*turns, given, strict=True)]


def _predict_turned(
    predict: Predict, pictures: Pictures, bboxes: Sequence[Boxes | None], quarters: int
) -> list[Landmarks]:
    """Results in one turn, in pixels of the pictures as they are."""
    turned = [np.ascontiguousarray(np.rot90(picture, -quarters)) for picture in pictures]
    boxes = [
        None if given is None else turn_boxes(given, quarters, _size(picture))
        for picture, given in zip(pictures, bboxes, strict=True)
    ]
    results = predict(turned, boxes)
    return [_turned_back(result, quarters, _size(picture)) for result, picture in zip(results, pictures, strict=True)]


def _turned_back(result: Landmarks, quarters: int, size: tuple[int, int]) -> Landmarks:
    back = -quarters % 4
    return replace(
        result,
        points=turn_points(result.points, back, result.image_size),
        boxes=turn_boxes(result.boxes, back, result.image_size),
        image_size=size,
    )


def _best(results: Sequence[Landmarks], detected: bool) -> Landmarks:
    """The best of the results of one picture in several turns."""
    means = [result.scores.mean(axis=1) for result in results]
    if detected:
        totals = [float((result.box_scores * mean).sum()) for result, mean in zip(results, means, strict=True)]
        return results[int(np.argmax(totals))]
    turn = np.argmax(means, axis=0)
    faces = np.arange(len(turn))
    points, scores, boxes = (
        np.stack([getattr(result, name) for result in results])[turn, faces] for name in ("points", "scores", "boxes")
    )
    return replace(results[0], points=points, scores=scores, boxes=boxes)


def turn_points(points: NDArray[Any], quarters: int, size: tuple[int, int]) -> NDArray[Any]:
    """Points (..., 2) of a picture of a width and height, in the picture turned clockwise by quarters of a circle."""
    width, height = size
    for _ in range(quarters):
        points = np.stack([height - 1 - points[..., 1], points[..., 0]], axis=-1)
        width, height = height, width
    return points


def turn_boxes(boxes: NDArray[Any], quarters: int, size: tuple[int, int]) -> NDArray[Any]:
    """Boxes (N, 4) likewise."""
    corners = turn_points(boxes.reshape(-1, 2, 2), quarters, size)
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


def _size(picture: NDArray[np.uint8]) -> tuple[int, int]:
    return picture.shape[1], picture.shape[0]
