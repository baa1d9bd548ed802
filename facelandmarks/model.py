"""A loaded model: picture and boxes -> crops -> network output -> landmarks."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise, repeat
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facelandmarks._threads import in_order, in_own_thread
from facelandmarks.boxes import CONVENTIONS, Boxes, check_boxes, check_count, convert_boxes
from facelandmarks.detection import load_detector
from facelandmarks.detection.base import Detector
from facelandmarks.engines.base import Engine, EngineInfo, PointsEngine, usable_cpus
from facelandmarks.errors import InvalidBoxError
from facelandmarks.images import ColorOrder, load_image
from facelandmarks.pipeline import bind
from facelandmarks.results import Crops, Landmarks
from facelandmarks.rotations import UPRIGHT, best_of_rotations
from facelandmarks.schemes import Scheme, get_scheme
from facelandmarks.zoo.spec import ModelSpec

BATCH = 64  # crops in one call of the network
DEVICE_BATCH = 256  # the same where points come back and no heatmaps


WORKERS = min(4, usable_cpus())  # threads that read pictures ahead of the network
PICTURES_AHEAD = 16


@dataclass(frozen=True, eq=False)
class Seen:
    """A picture whose faces are cut out; the picture itself need not be kept.

    Attributes
    ----------
    crops
        What the network will see.
    boxes
        float64 (N, 4), in the model's convention.
    scores
        float32 (N,), NaN where boxes were given.
    detector
        Who found the boxes; None: they were given.
    size
        Width and height of the picture.
    """

    crops: Crops
    boxes: Boxes
    scores: NDArray[np.float32]
    detector: str | None
    size: tuple[int, int]


class Model:
    """One published model, run the way its record says. Immutable; may be used from many threads.

    Parameters
    ----------
    spec
        The record of the model, with the user's choices (`facelandmarks.pipeline.choose`).
    engine
        Runs the network.
    find_detector
        Gives the face detector of a name.
    """

    def __init__(
        self, spec: ModelSpec, engine: Engine, find_detector: Callable[[str], Detector] = load_detector
    ) -> None:
        self.spec = spec
        self._find_detector = find_detector
        self._pipeline = bind(spec)
        self.engine = engine
        self._to_points = engine.points_of(spec) if isinstance(engine, PointsEngine) else None
        self._batch = BATCH if self._to_points is None else DEVICE_BATCH
        self._detectors: dict[str, Detector] = {}
        self._detectors_lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return Model, (self.spec, self.engine, self._find_detector)

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
        rotations: Sequence[int] = UPRIGHT,
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
        rotations
            Turns of the picture to try, in degrees clockwise, of 0, 90, 180 and 270; the best is kept
            (`facelandmarks.rotations`). Each costs as much as one prediction.

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
        if tuple(rotations) != UPRIGHT:
            picture = load_image(image, color=color)
            turned = partial(self.predict_batch, detector=detector, box_convention=box_convention, min_score=min_score)
            return best_of_rotations(turned, [picture], [bbox], rotations)[0]
        seen = self.look(
            image, bbox, detector=detector, box_convention=box_convention, color=color, min_score=min_score
        )
        return self.finish([seen])[0]

    def predict_batch(
        self,
        images: Iterable[Any],
        bboxes: Sequence[ArrayLike | None] | None = None,
        *,
        detector: str | Detector = "auto",
        box_convention: str | None = None,
        color: ColorOrder = "rgb",
        min_score: float | None = None,
        rotations: Sequence[int] = UPRIGHT,
    ) -> list[Landmarks]:
        """Landmarks of several pictures, one result a picture; batches of the network cross pictures.

        Parameters are those of `predict`; `bboxes` has one entry a picture, each a box, several, or None to detect.
        """
        given: Iterable[ArrayLike | None] = repeat(None)
        if bboxes is not None:
            images, given = list(images), list(bboxes)
            if len(given) != len(images):
                raise InvalidBoxError(
                    f"bboxes must have one entry a picture: {len(images)} pictures, {len(given)} entries"
                )
        if tuple(rotations) != UPRIGHT:
            pictures = [load_image(image, color=color) for image in images]
            boxes = [None] * len(pictures) if bboxes is None else list(bboxes)
            turned = partial(self.predict_batch, detector=detector, box_convention=box_convention, min_score=min_score)
            return best_of_rotations(turned, pictures, boxes, rotations)
        look = partial(self.look, detector=detector, box_convention=box_convention, color=color, min_score=min_score)
        with ThreadPoolExecutor(WORKERS) as pool:
            seen = in_order(pool, lambda work: look(*work), zip(images, given, strict=False), PICTURES_AHEAD)
            done = in_own_thread(self._run, _batches(seen, self._batch))
            return [faces for batch, *found in done for faces in self._faces(batch, *(part.copy() for part in found))]

    def look(
        self,
        image: Any,
        bbox: ArrayLike | None = None,
        *,
        detector: str | Detector = "auto",
        box_convention: str | None = None,
        color: ColorOrder = "rgb",
        min_score: float | None = None,
    ) -> Seen:
        """The first part of `predict`, of the same parameters: what threads do while the network is busy."""
        picture = load_image(image, color=color)
        boxes, scores, finder = self._find_boxes(picture, bbox, detector, box_convention, min_score)
        crops = self._cut(picture, *self._pipeline.regions(boxes))
        return Seen(crops, boxes, scores, finder, (picture.shape[1], picture.shape[0]))

    def finish(self, seen: Sequence[Seen]) -> list[Landmarks]:
        """The second part of `predict`, for any number of pictures: one result each, batches cross pictures."""
        if not seen:
            return []
        return self._faces(*self._run(seen))

    def _run(self, seen: Sequence[Seen]) -> tuple[Sequence[Seen], NDArray[np.float32], NDArray[np.float32]]:
        return seen, *self.landmarks(join([part.crops for part in seen]))

    def _faces(self, seen: Sequence[Seen], points: NDArray[np.float32], scores: NDArray[np.float32]) -> list[Landmarks]:
        """Points and scores of the faces of several pictures, picture by picture."""
        ends = np.cumsum([0, *(len(part.crops) for part in seen)])
        return [
            Landmarks(
                points[first:last],
                scores[first:last],
                part.boxes.astype(np.float32),
                part.scores,
                self.scheme,
                part.size,
                part.detector,
            )
            for part, (first, last) in zip(seen, pairwise(ends), strict=True)
        ]

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
        return self._cut(picture, centers, scales)

    def _cut(self, picture: NDArray[np.uint8], centers: NDArray[np.float64], scales: NDArray[np.float64]) -> Crops:
        return Crops(self._pipeline.cut(picture, centers, scales), centers, scales)

    def forward(self, crops: Crops) -> NDArray[np.float32]:
        """Second stage: the raw output of the network for each crop, float32, first axis N."""
        starts = range(0, len(crops), BATCH)
        parts = [self.engine.run(crops.pixels[start : start + BATCH]) for start in starts]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)  # heatmaps are large: no copy without need

    def decode(self, outputs: NDArray[np.float32], crops: Crops) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Last stage: points (N, K, 2) in pixels of the picture, and their scores (N, K)."""
        points, scores = self._pipeline.decode(outputs)
        return self.to_image(points, crops), scores

    def to_image(self, points: NDArray[np.float32], crops: Crops) -> NDArray[np.float32]:
        """Points (N, K, 2) in pixels of the crops as the decoder gives them, in pixels of the picture."""
        return self._pipeline.to_image(points, crops.center, crops.scale)

    def average(self, outputs: NDArray[np.float32], mirrored: NDArray[np.float32]) -> NDArray[np.float32]:
        """Flip test: the mean of the outputs for crops and for their mirror images (`pixels[:, :, ::-1]`)."""
        return self._pipeline.average(outputs, mirrored)

    def landmarks(self, crops: Crops) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """From crops to points (N, K, 2) in pixels of the picture and scores (N, K): `forward`, flip test, `decode`."""
        # Chunk by chunk to the end: the heatmaps of a group photo of hundreds would fill the memory.
        size = self._batch
        chunks = [self._landmarks(crops[start : start + size]) for start in range(0, max(len(crops), 1), size)]
        points, scores = zip(*chunks, strict=True)
        return np.concatenate(points), np.concatenate(scores)

    def _landmarks(self, crops: Crops) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        if not len(crops):
            count = len(self.scheme)
            return np.zeros((0, count, 2), np.float32), np.zeros((0, count), np.float32)
        if self._to_points is not None:
            points, scores = self._to_points(crops.pixels)
            return self.to_image(points, crops), scores
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
    ) -> tuple[Boxes, NDArray[np.float32], str | None]:
        height, width = picture.shape[:2]
        own = self.spec.box_convention
        if bbox is not None:
            boxes = check_boxes(bbox, width, height)
            if box_convention not in (None, own):
                boxes = check_boxes(convert_boxes(boxes, box_convention, own), width, height)
            return boxes, np.full(len(boxes), np.nan, np.float32), None
        if own not in CONVENTIONS:
            raise InvalidBoxError(
                f"{self.spec.name} needs bbox=(x1, y1, x2, y2): no detector here finds boxes of the kind {own!r}; "
                f"the whole picture is (0, 0, {width}, {height})"
            )
        finder = self.detector(detector) if isinstance(detector, str) else detector
        found, scores = finder.detect(picture, min_score=min_score)
        boxes = convert_boxes(found.astype(np.float64), finder.convention, own)
        return check_boxes(boxes, width, height), scores, finder.name

    def detector(self, name: str = "auto") -> Detector:
        """The face detector of that name, loaded once; it runs in the model's engine."""
        with self._detectors_lock:
            if name not in self._detectors:
                self._detectors[name] = self._find_detector(name)
            return self._detectors[name]


def _batches(seen: Iterable[Seen], size: int) -> Iterator[list[Seen]]:
    """As many pictures together as fill a batch of the network."""
    waiting: list[Seen] = []
    for picture in seen:
        waiting.append(picture)
        if sum(len(part.crops) for part in waiting) >= size or len(waiting) >= size:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def join(parts: Sequence[Crops]) -> Crops:
    """Crops of several pictures as one batch."""
    if len(parts) == 1:
        return parts[0]
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
