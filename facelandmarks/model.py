"""A loaded model: picture and boxes -> crops -> network output -> landmarks."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facelandmarks.boxes import CONVENTIONS, Boxes, check_boxes, check_count, convert_boxes
from facelandmarks.detection import load_detector
from facelandmarks.detection.base import Detector
from facelandmarks.engines.base import Engine, EngineInfo
from facelandmarks.errors import InvalidBoxError
from facelandmarks.images import ColorOrder, load_image
from facelandmarks.pipeline import bind
from facelandmarks.results import Crops, Landmarks
from facelandmarks.schemes import Scheme, get_scheme
from facelandmarks.zoo.spec import ModelSpec

BATCH = 64  # crops in one call of the network


class _Found(NamedTuple):
    """The faces of a picture: boxes in the model's convention, scores, and who found them (None: given)."""

    boxes: Boxes
    scores: NDArray[np.float32]
    detector: str | None


class Model:
    """One published model, run the way its record says. Immutable; may be used from many threads.

    Parameters
    ----------
    spec
        The record of the model, with the user's choices (`facelandmarks.pipeline.choose`).
    engine
        Runs the network.
    """

    def __init__(self, spec: ModelSpec, engine: Engine) -> None:
        self.spec = spec
        self._pipeline = bind(spec)
        self.engine = engine
        self._detectors: dict[str, Detector] = {}
        self._detectors_lock = threading.Lock()

    @property
    def scheme(self) -> Scheme:
        """The point layout of the output."""
        return get_scheme(self.spec.scheme)

    def engine_info(self) -> EngineInfo:
        """What really runs: engine, device, number type, threads."""
        return self.engine.info

    def __repr__(self) -> str:
        info = self.engine_info()
        return f"Model({self.spec.name!r}, {len(self.scheme)} landmarks, {info.engine} {info.dtype} on {info.device})"

    def predict(
        self,
        image: Any,
        bbox: ArrayLike | None = None,
        *,
        detector: str | Detector = "auto",
        box_convention: str | None = None,
        color: ColorOrder = "rgb",
        min_score: float | None = None,
    ) -> Landmarks:
        """Landmarks of the faces of one picture.

        Parameters
        ----------
        image
            Path, bytes of a picture file, PIL image, array (H, W), (H, W, 3) or (H, W, 4) of uint8, uint16 or floats in
            0..1, or tensor (C, H, W). Files are read upright (EXIF).
        bbox
            One box (4,) or several (N, 4): x1, y1, x2, y2 in pixels of the upright picture. None: faces are detected.
        detector
            Name of a detector, or an object with its `detect` method.
        box_convention
            What the given boxes hold (`facelandmarks.boxes.CONVENTIONS`); None takes them as the model's own.
        color
            `"rgb"` or `"bgr"`: channel order of arrays and tensors.
        min_score
            Leave out detected faces whose score is lower; None is the detector's own threshold.

        Returns
        -------
        Landmarks
            Without faces it is empty. In pixels of the upright picture.

        Raises
        ------
        InvalidImageError
            If the picture cannot be read.
        InvalidBoxError
            If a box cannot hold a face.
        """
        picture = load_image(image, color=color)
        found = self._find_boxes(picture, bbox, detector, box_convention, min_score)
        points, point_scores = self._landmarks(self.prepare(picture, found.boxes))
        return self._result(picture, found, points, point_scores)

    def predict_batch(
        self,
        images: Iterable[Any],
        bboxes: Sequence[ArrayLike | None] | None = None,
        *,
        detector: str | Detector = "auto",
        box_convention: str | None = None,
        color: ColorOrder = "rgb",
        min_score: float | None = None,
    ) -> list[Landmarks]:
        """Landmarks of several pictures, one result a picture; batches of the network cross pictures.

        Parameters are those of `predict`; `bboxes` has one entry a picture, each a box, several, or None to detect.
        """
        pictures = [load_image(image, color=color) for image in images]
        given = [None] * len(pictures) if bboxes is None else list(bboxes)
        if len(given) != len(pictures):
            raise InvalidBoxError(
                f"bboxes must have one entry a picture: {len(pictures)} pictures, {len(given)} entries"
            )
        found = [
            self._find_boxes(picture, boxes, detector, box_convention, min_score)
            for picture, boxes in zip(pictures, given, strict=True)
        ]
        crops = [self.prepare(picture, here.boxes) for picture, here in zip(pictures, found, strict=True)]
        points, scores = self._landmarks(join(crops)) if crops else self._empty()
        ends = np.cumsum([len(part) for part in crops])[:-1]
        rows = zip(pictures, found, np.split(points, ends), np.split(scores, ends), strict=True) if crops else ()
        return [self._result(*row) for row in rows]

    def prepare(
        self,
        image: Any,
        bboxes: ArrayLike | None = None,
        *,
        center: ArrayLike | None = None,
        scale: ArrayLike | None = None,
        color: ColorOrder = "rgb",
    ) -> Crops:
        """First stage: the regions that the network will see.

        Parameters
        ----------
        image, color
            As in `predict`.
        bboxes
            (N, 4) xyxy in pixels, in the model's own convention.
        center, scale
            (N, 2) each, in place of boxes: middle, width and height of the regions in pixels.
        """
        picture = load_image(image, color=color)
        if (bboxes is None) == (center is None) or (center is None) != (scale is None):
            raise InvalidBoxError("give either bboxes, or center and scale")
        if bboxes is not None:
            boxes = check_boxes(bboxes, picture.shape[1], picture.shape[0])
            centers, scales = self._pipeline.regions(boxes)
        else:
            centers, scales = _check_regions(center, scale)
        return Crops(self._pipeline.cut(picture, centers, scales), centers, scales)

    def forward(self, crops: Crops) -> NDArray[np.float32]:
        """Second stage: the raw output of the network for each crop, float32, first axis N."""
        return np.concatenate([self.engine.run(pixels) for pixels in _chunks(crops.pixels)])

    def decode(self, outputs: NDArray[np.float32], crops: Crops) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Last stage: points (N, K, 2) in pixels of the picture, and their scores (N, K)."""
        points, scores = self._pipeline.decode(outputs)
        return self._pipeline.to_image(points, crops.center, crops.scale), scores

    def average(self, outputs: NDArray[np.float32], mirrored: NDArray[np.float32]) -> NDArray[np.float32]:
        """Flip test: the mean of the outputs for crops and for their mirror images (`pixels[:, :, ::-1]`)."""
        return self._pipeline.average(outputs, mirrored)

    def _landmarks(self, crops: Crops) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        if not len(crops):
            return self._empty()
        outputs = self.forward(crops)
        if self.spec.flip_test:
            mirrored = self.forward(replace(crops, pixels=crops.pixels[:, :, ::-1]))
            outputs = self.average(outputs, mirrored)
        return self.decode(outputs, crops)

    def _find_boxes(
        self,
        picture: NDArray[np.uint8],
        bbox: ArrayLike | None,
        detector: str | Detector,
        box_convention: str | None,
        min_score: float | None,
    ) -> "_Found":
        height, width = picture.shape[:2]
        own = self.spec.box_convention
        if bbox is not None:
            boxes = check_boxes(bbox, width, height)
            return _Found(
                convert_boxes(boxes, box_convention or own, own), np.full(len(boxes), np.nan, np.float32), None
            )
        if own not in CONVENTIONS:
            raise InvalidBoxError(
                f"{self.spec.name} needs bbox=(x1, y1, x2, y2): no detector here finds boxes of the kind {own!r}; "
                f"the whole picture is (0, 0, {width}, {height})"
            )
        finder = self._detector(detector) if isinstance(detector, str) else detector
        found, scores = finder.detect(picture, min_score=min_score)
        return _Found(convert_boxes(found.astype(np.float64), finder.convention, own), scores, finder.name)

    def _detector(self, name: str) -> Detector:
        with self._detectors_lock:
            if name not in self._detectors:
                self._detectors[name] = load_detector(name)
            return self._detectors[name]

    def _empty(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        count = len(self.scheme)
        return np.zeros((0, count, 2), np.float32), np.zeros((0, count), np.float32)

    def _result(
        self,
        picture: NDArray[np.uint8],
        found: "_Found",
        points: NDArray[np.float32],
        scores: NDArray[np.float32],
    ) -> Landmarks:
        size, boxes = (picture.shape[1], picture.shape[0]), found.boxes.astype(np.float32)
        return Landmarks(points, scores, boxes, found.scores, self.scheme, size, found.detector)


def _chunks(pixels: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    return (pixels[start : start + BATCH] for start in range(0, len(pixels), BATCH))


def join(parts: Sequence[Crops]) -> Crops:
    """Crops of several pictures as one batch."""
    return Crops(
        np.concatenate([part.pixels for part in parts]),
        np.concatenate([part.center for part in parts]),
        np.concatenate([part.scale for part in parts]),
    )


def _check_regions(center: Any, scale: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    centers, scales = (np.atleast_2d(np.array(value, np.float64)) for value in (center, scale))
    if centers.shape != scales.shape or centers.ndim != 2 or centers.shape[1] != 2:
        raise InvalidBoxError(f"center and scale must both be (N, 2); got {centers.shape} and {scales.shape}")
    check_count(len(centers))
    if not (np.isfinite(centers).all() and np.isfinite(scales).all() and (scales > 0).all()):
        raise InvalidBoxError("center and scale must be finite, and scale positive")
    return centers, scales
