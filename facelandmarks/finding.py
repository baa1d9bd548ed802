"""Where the faces of an image are: in boxes that were given, or as a detector finds them, in one or more rotations."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facelandmarks.boxes import CONVENTIONS, Boxes, check_boxes, convert_boxes
from facelandmarks.detection.base import Detections, Detector
from facelandmarks.errors import InvalidBoxError, InvalidOptionError
from facelandmarks.results import joined
from facelandmarks.rotations import QUARTERS, UPRIGHT, check_rotations, turn_boxes, turn_image, turn_points
from facelandmarks.zoo.spec import ModelSpec


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
        if self.rotations != UPRIGHT:
            check_rotations(self.rotations)
        if self.max_faces is not None and self.max_faces < 1:
            raise InvalidOptionError(f"max_faces must be at least 1; got {self.max_faces}")
        if self.min_face is not None and not self.min_face > 0:
            raise InvalidOptionError(f"min_face must be positive: pixels, or a share below 1; got {self.min_face}")


@dataclass(frozen=True, eq=False)
class Found:
    """Where the faces of an image are; with several rotations, the faces of one after the other."""

    boxes: Boxes  # (N, 4) xyxy in pixels of the image, in the model's convention
    scores: NDArray[np.float32]  # (N,), NaN where boxes were given
    points: NDArray[np.float32] | None  # (N, 5, 2), the detector's, or None
    rotation: NDArray[np.float64]  # (N,), radians: the image turned clockwise by this angle shows the face upright
    detector: str | None  # its name; None where boxes were given
    size: tuple[int, int]  # width and height of the image
    rotations: int = 1  # how many were tried
    confirm: bool = False  # whether landmarks with low scores may refute a detection


def find_faces(
    image: NDArray[np.uint8],
    bbox: ArrayLike | None,
    find: Find,
    spec: ModelSpec,
    load_detector: Callable[[str], Detector],
) -> Found:
    """Find the faces of an image for a model; arguments and errors as in `Model.predict`."""
    size = (image.shape[1], image.shape[0])
    if tuple(find.rotations) != UPRIGHT:
        return _find_in_rotations(image, bbox, find, spec, load_detector)
    if bbox is None:
        if spec.box_convention not in CONVENTIONS:
            raise InvalidBoxError(
                f"{spec.name} needs bbox=(x1, y1, x2, y2): no detector here finds boxes of the kind "
                f"{spec.box_convention!r}; the whole image is (0, 0, {size[0]}, {size[1]})"
            )
        detector = load_detector(find.detector) if isinstance(find.detector, str) else find.detector
        faces, name, convention = detect_faces(image, detector, find), detector.name, detector.convention
        boxes, scores, points = faces.boxes.astype(np.float64), faces.scores, faces.points
    else:
        boxes, name, convention = check_boxes(bbox, *size), None, find.box_convention or spec.box_convention
        scores, points = np.full(len(boxes), np.nan, np.float32), None
    if convention != spec.box_convention:
        boxes = check_boxes(convert_boxes(boxes, convention, spec.box_convention), *size)
    return Found(boxes, scores, points, np.zeros(len(boxes)), name, size, confirm=find.confirm)


def _find_in_rotations(
    image: NDArray[np.uint8],
    bbox: ArrayLike | None,
    find: Find,
    spec: ModelSpec,
    load_detector: Callable[[str], Detector],
) -> Found:
    """Find the faces in each of the rotations, and return them one rotation after the other."""
    size = (image.shape[1], image.shape[0])
    given = None if bbox is None else check_boxes(bbox, *size)
    parts = []
    for degrees in find.rotations:
        turns = QUARTERS[degrees]
        boxes = None if given is None else turn_boxes(given, turns, size)
        found = find_faces(turn_image(image, turns), boxes, replace(find, rotations=UPRIGHT), spec, load_detector)
        back = turn_boxes(found.boxes, -turns, found.size)
        points = None if found.points is None else turn_points(found.points, -turns, found.size)
        parts.append(replace(found, boxes=back, points=points, rotation=np.full(len(back), turns * math.pi / 2)))
    arrays: Any = joined(parts, ("boxes", "scores", "points", "rotation"))
    return replace(parts[0], **arrays, size=size, rotations=len(parts))


def detect_faces(image: NDArray[np.uint8], detector: Detector, find: Find) -> Detections:
    """Detect the faces of an image, best first, in the detector's own convention; `find` as in `Model.predict`."""
    if find.min_face is None:
        faces = detector.detect(image, min_score=find.min_score)
    else:
        faces = detector.detect(image, min_score=find.min_score, min_face=find.min_face)
        least = find.min_face * max(image.shape[:2]) if find.min_face < 1 else find.min_face
        faces = faces[(faces.boxes[:, 2:] - faces.boxes[:, :2]).max(axis=1, initial=0) >= least]
    if not find.largest:
        return faces if find.max_faces is None else faces[: find.max_faces]
    areas = (faces.boxes[:, 2:] - faces.boxes[:, :2]).prod(axis=1)
    return faces[np.sort(np.argsort(-areas, kind="stable")[: find.max_faces or 1])]
