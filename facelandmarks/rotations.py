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

UPRIGHT = (0,)  # rotations: pictures as they are
QUARTERS = {0: 0, 90: 1, 180: 2, 270: 3}
Pictures = Sequence[NDArray[np.uint8]]
Predict = Callable[[Pictures, Sequence[Boxes | None]], Sequence[Landmarks]]


def check_rotations(rotations: Sequence[int]) -> None:
    """`InvalidOptionError` if there is no rotation, or another one than 0, 90, 180 and 270 degrees."""
    if len(rotations) == 0 or any(degrees not in QUARTERS for degrees in rotations):
        raise InvalidOptionError(f"rotations must be some of {', '.join(map(str, QUARTERS))}; got {rotations!r}")


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
        As of `keep_best`.

    Raises
    ------
    InvalidOptionError
        If there is no rotation, or another one than these.
    """
    check_rotations(rotations)
    given = [
        None if boxes is None else check_boxes(boxes, picture.shape[1], picture.shape[0])
        for picture, boxes in zip(pictures, bboxes, strict=True)
    ]
    turns = [_predict_turned(predict, pictures, given, degrees) for degrees in rotations]
    return [
        keep_best(results, rotations, detected=boxes is None) for *results, boxes in zip(*turns, given, strict=True)
    ]


def turn_picture(picture: NDArray[np.uint8], degrees: int) -> NDArray[np.uint8]:
    """A picture turned clockwise by 0, 90, 180 or 270 degrees."""
    return np.ascontiguousarray(np.rot90(picture, -QUARTERS[degrees]))


def keep_best(results: Sequence[Landmarks], rotations: Sequence[int], *, detected: bool) -> Landmarks:
    """The best of the results for one picture in several turns.

    Parameters
    ----------
    results
        One for each turn, in pixels of the turned picture.
    rotations
        The turns: degrees clockwise.
    detected
        Whether the faces were detected: then they are those of the turn in which box score times mean point score adds
        up to the most. For a box that was given, it is the turn with the highest mean point score. The first one wins
        among equals: networks that give no scores (DeepPose) cannot choose for given boxes.

    Returns
    -------
    Landmarks
        In pixels of the picture as it was before it was turned.
    """
    upright = [_turned_back(result, QUARTERS[degrees]) for result, degrees in zip(results, rotations, strict=True)]
    return _best(upright, detected)


def _predict_turned(
    predict: Predict, pictures: Pictures, bboxes: Sequence[Boxes | None], degrees: int
) -> Sequence[Landmarks]:
    """Results in one turn, in pixels of the turned pictures."""
    boxes = [
        None if given is None else turn_boxes(given, QUARTERS[degrees], (picture.shape[1], picture.shape[0]))
        for picture, given in zip(pictures, bboxes, strict=True)
    ]
    return predict([turn_picture(picture, degrees) for picture in pictures], boxes)


def _turned_back(result: Landmarks, quarters: int) -> Landmarks:
    back, (width, height) = -quarters % 4, result.image_size
    return replace(
        result,
        points=turn_points(result.points, back, result.image_size),
        boxes=turn_boxes(result.boxes, back, result.image_size),
        image_size=(height, width) if quarters % 2 else (width, height),
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
