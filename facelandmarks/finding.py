"""Which faces an image has: boxes given or detected, in one or more rotations, and a second opinion on the detected.

Images that may lie on their side or upside down are searched in several quarter turns, and the best is kept. Networks
and detectors know upright faces. Of the 127 upright faces that are alone in a photo of AFW and 300-W's validation, the
built-in detector still finds 14, 61 and 15 % when the photo is turned by 90, 180 and 270 degrees counterclockwise, so
finding a face proves nothing. Box score times mean point score is highest upright for all 127, by 0.26 or more
(box score alone: 0.07). Choosing a rotation per face would also work, but a false detection may score higher when
rotated; so detected faces share one rotation per image. All 208 of these photos, with one to several faces, are seen
upright however they are turned.
"""

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facelandmarks._rules import is_number, is_whole
from facelandmarks.boxes import CONVENTIONS, Boxes, check_boxes, convert_boxes, get_convention
from facelandmarks.detection.base import Detections, Detector
from facelandmarks.errors import InvalidBoxError, InvalidOptionError
from facelandmarks.results import Landmarks, joined
from facelandmarks.schemes import CONVERSIONS
from facelandmarks.zoo.spec import OPINION, ModelSpec

__all__ = [
    "QUARTERS", "UPRIGHT", "Find", "Found", "best_rotation", "check_rotations", "confirmed", "detect_faces",
    "find_faces", "foremost", "quarters_of", "turn_boxes", "turn_image", "turn_points",
]  # fmt: skip

UPRIGHT = (0,)  # rotations: images as they are
QUARTERS = {0: 0, 90: 1, 180: 2, 270: 3}
# Values of `evidence` outside count as the limit.
NEAREST, FARTHEST = 0.01, 1.5  # sides of the box, between points of the detector and of the model
LEAST_SCORE = 0.02  # of the detector; at most one less that
SIDES = (8.0, 200.0)  # pixels


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
    return np.ascontiguousarray(np.rot90(image, -quarters))


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


@dataclass(frozen=True)
class Find:
    """How faces are found: options of `Model.predict`, where they are described."""

    detector: str | Detector = "auto"
    box_convention: str | None = None
    min_score: float | None = None
    min_face: float | None = None
    max_faces: int | None = None
    largest: bool = False
    rotations: Sequence[int] = UPRIGHT
    confirm: bool = True

    def __post_init__(self) -> None:
        try:
            rotations = tuple(dict.fromkeys(map(operator.index, self.rotations)))  # once each: twice finds faces twice
        except TypeError as error:
            raise InvalidOptionError(
                f"rotations must be whole numbers of degrees; got {self.rotations!r:.99}"
            ) from error
        if rotations != UPRIGHT:
            check_rotations(rotations)
        object.__setattr__(self, "rotations", rotations)
        if self.max_faces is not None and not is_whole(self.max_faces, 1):
            raise InvalidOptionError(f"max_faces must be a whole number of at least 1; got {self.max_faces!r}")
        score, side = self.min_score, self.min_face
        if score is not None and not (is_number(score) and math.isfinite(score)):
            raise InvalidOptionError(f"min_score must be a finite number; got {score!r}")
        if side is not None and not (is_number(side) and 0 < side < math.inf):
            raise InvalidOptionError(f"min_face must be positive: pixels, or a share below 1; got {side!r}")
        if not isinstance(self.detector, str) and not hasattr(self.detector, "detect"):
            raise InvalidOptionError(f"a detector is a name, or has a method `detect`; got {self.detector!r:.99}")


@dataclass(frozen=True, eq=False)
class Found:
    """Where the faces of an image are; with several rotations, the faces of one after the other."""

    boxes: Boxes  # (N, 4) xyxy in pixels of the image, in the model's convention
    scores: NDArray[np.float32]  # (N,), NaN where boxes were given
    points: NDArray[np.float32] | None  # (N, 5, 2), the detector's, or None
    rotation: NDArray[np.float64]  # (N,), radians: the image turned clockwise by this angle shows the face upright
    detector: str | None  # its name; None where boxes were given
    size: tuple[int, int]  # width and height of the image
    find: Find = Find()  # how they were found, and which of them are kept


def find_faces(
    image: NDArray[np.uint8],
    bbox: ArrayLike | None,
    find: Find,
    spec: ModelSpec,
    load_detector: Callable[[str], Detector],
) -> Found:
    """Find the faces of an image for a model; arguments and errors as in `Model.predict`.

    Those of several rotations follow one rotation after the other.
    """
    size = (image.shape[1], image.shape[0])
    given, detector = np.zeros((0, 4)), None
    name, convention = None, find.box_convention or spec.box_convention
    if convention != spec.box_convention:
        get_convention(convention)  # a wrong name is told, also where there are no boxes
    if bbox is not None:
        given = check_boxes(bbox, *size)
    elif spec.box_convention not in CONVENTIONS:
        raise InvalidBoxError(
            f"{spec.name} needs bbox=(x1, y1, x2, y2): no detector here finds boxes of the kind "
            f"{spec.box_convention!r}; the whole image is (0, 0, {size[0]}, {size[1]})"
        )
    else:
        detector = load_detector(find.detector) if isinstance(find.detector, str) else find.detector
        name, convention = detector.name, detector.convention
    # Which faces are kept of those that are found is said after landmarks have refuted some (`Model.result`).
    may_refute = find.confirm and (name in spec.opinions or spec.confirm_below is not None)
    every = replace(find, max_faces=None, largest=False) if may_refute else find
    parts = []
    for degrees in find.rotations:
        turns = QUARTERS[degrees]
        turned = turn_image(image, turns) if turns else image
        seen = (turned.shape[1], turned.shape[0])
        if detector is not None:
            faces = detect_faces(turned, detector, every)
            if not np.isfinite(faces.scores).all():
                raise InvalidOptionError(f"detector {name!r} gave a score that is no finite number")
            boxes, scores, points = faces.boxes.astype(np.float64), faces.scores, faces.points
        else:
            boxes, points = turn_boxes(given, turns, size), None
            scores = np.full(len(boxes), np.nan, np.float32)
        if convention != spec.box_convention:
            boxes = check_boxes(convert_boxes(boxes, convention, spec.box_convention), *seen)
        if turns:
            boxes = turn_boxes(boxes, -turns, seen)
            points = None if points is None else turn_points(points, -turns, seen)
        angles = np.full(len(boxes), turns * math.pi / 2)
        parts.append(Found(boxes, scores, points, angles, name, size, find))
    if len(parts) == 1:
        return parts[0]
    arrays: Any = joined(parts, ("boxes", "scores", "points", "rotation"))
    return replace(parts[0], **arrays)


def detect_faces(image: NDArray[np.uint8], detector: Detector, find: Find) -> Detections:
    """Detect the faces of an image, best first, in the detector's own convention; `find` as in `Model.predict`."""
    if find.min_face is None:
        faces = detector.detect(image, min_score=find.min_score)
    else:
        faces = detector.detect(image, min_score=find.min_score, min_face=find.min_face)
        least = find.min_face * max(image.shape[:2]) if find.min_face < 1 else find.min_face
        faces = faces[(faces.boxes[:, 2:] - faces.boxes[:, :2]).max(axis=1, initial=0) >= least]
    return faces[foremost(faces.boxes, find)] if find.largest or find.max_faces else faces


def foremost(boxes: NDArray[np.floating], find: Find) -> Any:
    """Return the rows of boxes (N, 4), best first, that `max_faces` and `largest` keep."""
    if not find.largest:
        return slice(find.max_faces)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    return np.sort(np.argsort(-areas, kind="stable")[: find.max_faces or 1])


def confirmed(faces: Landmarks, spec: ModelSpec, beside: bool = False) -> NDArray[np.bool_]:
    """Say which detected faces (N,) the landmarks of a model confirm; all, if it has neither opinion nor limit.

    Where people are, what looks like a face more often is one: less is enough beside a face that is confirmed, or, with
    `beside`, known already.
    """
    opinion = spec.opinions.get(str(faces.detector))
    seen = evidence(faces) if opinion else None
    if opinion is None or seen is None:
        limit = -np.inf if spec.confirm_below is None else spec.confirm_below
        return np.asarray(faces.scores.mean(axis=1) >= limit)
    *weights, least, less = (opinion[name] for name in OPINION)
    return sure(seen @ weights, least, less, beside)


def sure(sums: NDArray[np.floating], least: float, less: float, beside: bool = False) -> NDArray[np.bool_]:
    """Say which sums (N,) of one image are enough: `least`, or beside a face so much less."""
    return np.asarray(sums >= (least - less if beside or (sums >= least).any() else least))


def evidence(faces: Landmarks) -> NDArray[np.float64] | None:
    """Return what tells a face from a thing like a face, (N, 4), in the order of `OPINION`.

    Logarithms of the mean expected error and of the largest distance between the detector's five points and the
    model's, both in sides of the box; log odds of the detector's score; logarithm of the box's side in pixels. None
    without the detector's points, expected errors, or a conversion of the model's points to those five.

    A thing like a face gets its points where faces have them on average, from model and detector alike: at the same
    expected error, points that disagree speak for a face.
    """
    conversion = CONVERSIONS.get((faces.scheme.name, "points5"))
    if faces.detector_points is None or faces.expected_error is None or conversion is None:
        return None
    side = np.sqrt((faces.boxes[:, 2:] - faces.boxes[:, :2]).astype(np.float64).prod(axis=1))
    apart = np.linalg.norm(conversion.apply(faces.points) - faces.detector_points, axis=2).max(axis=1) / side
    score = np.clip(faces.box_scores.astype(np.float64), LEAST_SCORE, 1 - LEAST_SCORE)
    parts = [
        np.log(faces.expected_error.mean(axis=1) / side),
        np.log(np.clip(apart, NEAREST, FARTHEST)),
        np.log(score / (1 - score)),
        np.log2(np.clip(side, *SIDES)),
    ]
    return np.stack(parts, axis=1)
