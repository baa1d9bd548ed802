"""BlazeFace, the detectors of MediaPipe.

Source: MediaPipe 0.10.21, `modules/face_detection` and the calculators that its graphs name (`SsdAnchors`,
`TensorsToDetections`, `NonMaxSuppression`, `DetectionLetterboxRemoval`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facelandmarks.boxes import overlaps
from facelandmarks.detection.base import Detections
from facelandmarks.detection.compact import check
from facelandmarks.engines.choose import EngineSettings, choose_engine, make_engine
from facelandmarks.engines.graph import Source
from facelandmarks.geometry.rotated import Rotated, letterbox
from facelandmarks.weights.cache import USUAL, Access
from facelandmarks.weights.load import Source as Weights
from facelandmarks.weights.load import find_weights

Floats = NDArray[np.float32]

SAME_FACE = np.float32(0.3)  # overlap (IoU) from which two boxes are averaged
FURTHEST_LOGIT = 100.0
KEYPOINTS = 6
MIDDLE = (127.5, 127.5, 127.5)  # the network sees pixels of -1..1


@dataclass(frozen=True)
class BlazeFaceSpec:
    """One of the published networks; `name` is also that of the network in `facelandmarks.nn.build`."""

    name: str
    weights: str  # key of the file in the manifest
    side: int  # of the input in pixels
    grids: tuple[tuple[int, int], ...]  # cells along a side, and the network's rows for each cell
    threshold: float  # of MediaPipe's graph
    convention: str  # of the boxes


_TABLE = (
    BlazeFaceSpec("blazeface_short", "face_detection_short_range.tflite", 128, ((16, 2), (8, 6)), 0.5, "mediapipe"),
    # `FaceDetection(model_selection=1)` of MediaPipe's Python package takes another threshold and ignores it.
    BlazeFaceSpec(
        "blazeface_full", "face_detection_full_range_sparse.tflite", 192, ((48, 1),), 0.6, "mediapipe_full_range"
    ),
)
SPECS: Mapping[str, BlazeFaceSpec] = MappingProxyType({spec.name: spec for spec in _TABLE})


class Found(NamedTuple):
    """Faces, float32; in fractions of the square that the network sees, or of an image."""

    boxes: Floats  # (N, 4): left, top, right, bottom
    points: Floats  # (N, 6, 2): eyes, tip of the nose, middle of the mouth, ears; of two the image's left one first
    scores: Floats  # (N,), 0..1

    def take(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> "Found":
        """Select faces, by a mask or by their places."""
        return Found(*(part[which] for part in self))


class BlazeFaceDetector:
    """One of MediaPipe's face detectors; the image is seen at one size, letterboxed.

    Its six points are eyes, nose, middle of the mouth and ears; the corners of the mouth are NaN in its `Detections`.
    `weights` are a file, or tensors by name, in place of the published file, which is fetched if it is not in the
    cache. Other arguments, and errors, are those of `facelandmarks.load_model`; it runs on the CPU.
    """

    def __init__(
        self,
        spec: BlazeFaceSpec,
        weights: Weights | None = None,
        *,
        engine: str = "auto",
        threads: int | None = None,
        access: Access = USUAL,
    ) -> None:
        self.name, self.convention = spec.name, spec.convention
        self._threshold = spec.threshold
        self._geometry = Rotated((spec.side, spec.side), border="black")
        self._anchors = anchors(spec.grids)
        settings = EngineSettings("cpu", threads=threads)
        self.engine = make_engine(network_source(spec, weights, access), choose_engine(engine, settings), settings)

    def detect(
        self,
        image: NDArray[np.uint8],
        *,
        min_score: float | None = None,
        min_face: float | None = None,  # noqa: ARG002  # the network sees every image at one size
    ) -> Detections:
        """Find the faces, best first; see `Detector`."""
        found = self.find(image, min_score=min_score)
        points = np.full((len(found.scores), 5, 2), np.nan, np.float32)
        points[:, :3] = found.points[:, :3]
        return Detections(found.boxes, found.scores, points)

    def find(self, image: NDArray[np.uint8], *, min_score: float | None = None) -> Found:
        """Find the faces, best first, with all six points; in pixels of the image."""
        check(image)
        height, width = image.shape[:2]
        outputs = self.engine.run(self._geometry.cut(image, *letterbox(width, height)))[0]
        threshold = self._threshold if min_score is None else min_score
        found, _ = decode(outputs, self._anchors, self._geometry.input_size[0], threshold)
        return to_image(merge(found), width, height)


def network_source(spec: BlazeFaceSpec, weights: Weights | None, access: Access) -> Source:
    """Return the network with its weights: the published, or those that the user brings."""
    found, size = find_weights(spec.weights, weights, access), (spec.side, spec.side)
    return Source(Path(spec.weights).stem, spec.name, {}, MIDDLE, MIDDLE, size, found, spec.name)


def anchors(grids: Sequence[tuple[int, int]]) -> Floats:
    """Give the centres (L, 2) of the cells that the network's rows belong to; see `BlazeFaceSpec.grids`."""
    centres = []
    for side, rows in grids:
        middles = (np.arange(side, dtype=np.float32) + np.float32(0.5)) / np.float32(side)
        y, x = np.meshgrid(middles, middles, indexing="ij")
        centres.append(np.repeat(np.stack([x, y], -1).reshape(-1, 2), rows, axis=0))
    return np.concatenate(centres)


def decode(outputs: Floats, centres: Floats, side: int, threshold: float) -> tuple[Found, NDArray[np.intp]]:
    """Turn the network's rows into faces from a score on, and say which rows (N,) they are.

    `outputs` (L, 17) are a logit, then x, y, width, height and six points, in pixels of the input of `side` pixels from
    the centre on (`anchors`). Faces are in fractions of the square, in the order of the rows, perhaps many times each.
    """
    logits = np.clip(outputs[:, 0], -FURTHEST_LOGIT, FURTHEST_LOGIT)
    with np.errstate(over="ignore"):  # the score is 0 then
        scores = np.float32(1) / (np.float32(1) + np.exp(-logits))
    rows = np.flatnonzero(scores >= np.float32(threshold))
    values = (outputs[rows, 1:] / np.float32(side)).reshape(len(rows), 2 + KEYPOINTS, 2)
    middle, half = values[:, 0] + centres[rows], values[:, 1] / np.float32(2)
    boxes = np.concatenate([middle - half, middle + half], axis=1)
    real = np.isfinite(boxes).all(1) & (half >= 0).all(1)
    found = Found(boxes, values[:, 2:] + centres[rows][:, None], scores[rows])
    return found.take(real), rows[real]


def merge(found: Found) -> Found:
    """Make one face of all that overlap, best first: boxes and points averaged by score, the score of the best one.

    Source: `NonMaxSuppressionCalculator` with `algorithm: WEIGHTED`.
    """
    found = found.take(np.argsort(-found.scores, kind="stable"))
    merged = []
    while len(found.scores):
        same = overlaps(found.boxes, found.boxes[0]) > SAME_FACE
        score = found.scores[:1]
        if not same.any():  # a box without area does not even overlap itself: upstream stops there
            merged.append(found.take(np.arange(1)))
            break
        near = found.take(same)
        total = np.add.accumulate(near.scores)[-1]
        boxes, points = (
            np.add.accumulate(part * near.scores.reshape(-1, *[1] * (part.ndim - 1)))[-1:] / total for part in near[:2]
        )
        merged.append(Found(boxes, points, score))
        found = found.take(~same)
    return Found(*map(np.concatenate, zip(*merged, strict=True))) if merged else found


def to_image(found: Found, width: int, height: int) -> Found:
    """Return fractions of the square as pixels of the image; as in MediaPipe, `fraction * width` is a pixel's index."""
    size = np.array([width, height], np.float32)
    longest = size.max()
    zoom, shift = longest / size, (size - longest) / (np.float32(2) * size)
    boxes = (found.boxes.reshape(-1, 2, 2) * zoom + shift) * size
    return Found(boxes.reshape(-1, 4), (found.points * zoom + shift) * size, found.scores)
