"""A loaded model: image and boxes -> crops -> network output -> landmarks."""

import math
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import repeat
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike

from facelandmarks._rules import is_whole
from facelandmarks.boxes import Boxes, check_boxes, check_regions, to_float64
from facelandmarks.detection import load_detector
from facelandmarks.detection.base import Detector
from facelandmarks.engines.base import Engine, EngineInfo, PointsEngine
from facelandmarks.errors import InvalidBoxError, InvalidOptionError
from facelandmarks.finding import (
    UPRIGHT,
    Find,
    Found,
    best_rotation,
    confirmed,
    find_faces,
    foremost,
    quarters_of,
    turn_boxes,
    turn_image,
    turn_points,
)
from facelandmarks.geometry import Float32, Float64, Pixels
from facelandmarks.geometry.rotated import Rotated
from facelandmarks.images import ColorOrder, check_several, load_image
from facelandmarks.images.files import path_of
from facelandmarks.pipeline import DECODERS, bind
from facelandmarks.results import Crops, Decoded, Landmarks
from facelandmarks.schemes import get_scheme
from facelandmarks.stream import stream
from facelandmarks.zoo.spec import ModelSpec

Regions = tuple[Float64, Float64, Float64]
BATCH = 64  # crops in one call of the network
DEVICE_BATCH = 256  # the same where points come back instead of heatmaps
STANDARD = Find()
EYES = ("eye_left_outer", "eye_right_outer")  # between which a region is level


class Model:
    """One published model, run the way its record says. Immutable; may be used from many threads.

    `spec` is its record with the user's choices (`facelandmarks.pipeline.choose`), `scheme` the layout of its points.
    `find_detector` gives the detector of a name.
    """

    def __init__(
        self, spec: ModelSpec, engine: Engine, find_detector: Callable[[str], Detector] = load_detector
    ) -> None:
        self.spec = spec
        self.scheme = get_scheme(spec.scheme)
        self._find_detector = find_detector
        self._pipeline = bind(spec)
        self.engine = engine
        self._to_points = engine.points_of(spec) if isinstance(engine, PointsEngine) else None
        self.batch = BATCH if self._to_points is None else DEVICE_BATCH
        self._detectors: dict[str, Detector] = {}
        self._detectors_lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return Model, (self.spec, self.engine, self._find_detector)

    @property
    def _follows(self) -> bool:
        """Whether landmarks say where to look next: for regions that follow the eyes, if the scheme names them."""
        return isinstance(self._pipeline.geometry, Rotated) and self.scheme.named.keys() >= set(EYES)

    def engine_info(self) -> EngineInfo:
        """Say what really runs: engine, device, number type, threads."""
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
        min_face: float | None = None,
        max_faces: int | None = None,
        largest: bool = False,
        rotations: Sequence[int] = UPRIGHT,
        confirm: bool = True,
        passes: int = 1,
    ) -> Landmarks:
        """Find the landmarks of the faces in one image, in pixels of the upright image; empty without faces.

        Parameters
        ----------
        image
            Path, bytes of an image file, PIL image, array (H, W), (H, W, 3) or (H, W, 4) of uint8, uint16 or floats in
            0..1, or tensor (C, H, W). Files are read upright (EXIF).
        bbox
            One box (4,) or several (N, 4): x1, y1, x2, y2 in pixels of the upright image. None: faces are detected.
        detector
            Its name, or an object with a `detect` method.
        box_convention
            What the given boxes hold (`facelandmarks.boxes.CONVENTIONS`); None takes them as the model's own.
        color
            `"rgb"` or `"bgr"`: channel order of arrays and tensors.
        min_score
            Leave out detected faces with a lower score; None is the detector's own threshold.
        min_face
            Leave out detected faces with a smaller longer side: in pixels, or below 1 a share of the image's.
        max_faces
            Keep at most this many detected faces, those with the best scores of the confirmed ones.
        largest
            Keep the largest detected face instead, or with `max_faces` that many of the largest.
        rotations
            Turns of the image to try, in degrees clockwise; the best is kept (`facelandmarks.finding`).
        confirm
            Drop detections whose landmarks do not look like a face's; only where that was fitted to model and detector.
        passes
            Looks at each face; from the second on, the region follows the landmarks of the one before.

        Raises
        ------
        InvalidImageError, InvalidBoxError, InvalidOptionError
            If the image cannot be read, a box cannot hold a face, an option is out of its range.
        """
        find = Find(detector, box_convention, min_score, min_face, max_faces, largest, rotations, confirm)
        pixels = load_image(image, color=color)
        found = self.find(pixels, bbox, find)
        crops = self.prepare(pixels, found.boxes, detector_points=found.points, rotation=found.rotation, passes=passes)
        return self.landmarks(crops, found, source=image)

    def predict_batch(
        self,
        images: Iterable[Any],
        bboxes: Sequence[ArrayLike | None] | None = None,
        *,
        detector: str | Detector = "auto",
        box_convention: str | None = None,
        color: ColorOrder = "rgb",
        min_score: float | None = None,
        min_face: float | None = None,
        max_faces: int | None = None,
        largest: bool = False,
        rotations: Sequence[int] = UPRIGHT,
        confirm: bool = True,
        passes: int = 1,
    ) -> list[Landmarks]:
        """Find the landmarks of several images, one result an image; batches of the network cross images.

        Parameters are those of `predict`; `bboxes` has one entry per image: a box, several, or None to detect.
        """
        find = Find(detector, box_convention, min_score, min_face, max_faces, largest, rotations, confirm)
        check_several(images)
        given: Iterable[ArrayLike | None] = repeat(None)
        if bboxes is not None:
            images, given = list(images), list(bboxes)
            if len(given) != len(images):
                raise InvalidBoxError(f"bboxes must have one entry per image: got {len(given)} for {len(images)}")

        def prepare(work: tuple[Any, ArrayLike | None]) -> tuple[tuple[Found, str | None], Crops]:
            found, crops = self.find_and_prepare(*work, find, color=color, passes=passes)
            return (found, path_of(work[0])), crops

        batches = stream(self, zip(images, given, strict=False), prepare)
        return [self.result(found, decoded, path) for batch in batches for (found, path), decoded in batch]

    def find_and_prepare(
        self, image: Any, bbox: ArrayLike | None, find: Find, *, color: ColorOrder = "rgb", passes: int = 1
    ) -> tuple[Found, Crops]:
        """Do all of `predict` that comes before the network: work for the threads of `stream`."""
        pixels = load_image(image, color=color)
        found = self.find(pixels, bbox, find)
        crops = self.prepare(pixels, found.boxes, detector_points=found.points, rotation=found.rotation, passes=passes)
        return found, crops

    def find(
        self, image: Any, bbox: ArrayLike | None = None, find: Find = STANDARD, *, color: ColorOrder = "rgb"
    ) -> Found:
        """Say where the faces of an image are: in the given boxes, or as detected; in the model's convention."""
        return find_faces(load_image(image, color=color), bbox, find, self.spec, self.detector)

    def prepare(
        self,
        image: Any,
        bboxes: ArrayLike | None = None,
        *,
        detector_points: Float32 | None = None,
        center: ArrayLike | None = None,
        scale: ArrayLike | None = None,
        rotation: ArrayLike | None = None,
        color: ColorOrder = "rgb",
        passes: int = 1,
    ) -> Crops:
        """Cut out the regions that the network will see.

        Parameters
        ----------
        image, color, passes
            As in `predict`.
        bboxes
            (N, 4) xyxy in pixels, in the model's own convention.
        detector_points
            (N, 5, 2), for models whose regions follow the eyes (geometry `rotated`).
        center, scale
            (N, 2) each, in place of boxes: middle, width and height of the regions in pixels; most models cut with one
            zoom, and need regions in the aspect ratio of their crops.
        rotation
            (N,) radians: the image turned clockwise by this angle shows each face upright; None: upright. Quarters of a
            circle, but for models whose regions follow the eyes.
        """
        pixels = load_image(image, color=color)
        if (bboxes is None) == (center is None) or (center is None) != (scale is None):
            raise InvalidBoxError("give either bboxes, or center and scale")
        geometry = self._pipeline.geometry
        if passes != 1 and not (self._follows and is_whole(passes, 1)):
            most = "at least 1" if self._follows else f"1: {self.spec.name} looks at each face once"
            raise InvalidOptionError(f"passes must be {most}; got {passes!r}")
        boxes = None if bboxes is None else check_boxes(bboxes, pixels.shape[1], pixels.shape[0])
        aspect = self.spec.input_size if geometry.one_zoom else None
        regions = check_regions(center, scale, aspect) if boxes is None else geometry.regions(boxes)
        angles = np.zeros(len(regions[0]))
        if rotation is not None:
            angles = to_float64(rotation, "rotation must be numbers", InvalidOptionError)
        if angles.shape != (len(regions[0]),) or not np.isfinite(angles).all():
            expected = f"finite numbers (N,) in radians, with N = {len(regions[0])} here"
            raise InvalidOptionError(f"rotation must be {expected}; got {rotation!r:.200}")
        five = None if detector_points is None else np.asarray(detector_points)
        if five is not None and five.shape != (len(angles), 5, 2):
            raise InvalidOptionError(f"detector_points must be ({len(angles)}, 5, 2) here; got shape {five.shape}")
        if isinstance(geometry, Rotated):
            if five is not None:
                angles = geometry.rotations(five[:, 0], five[:, 1])
            crops = Crops(geometry.cut(pixels, *regions, angles), *regions, angles)
            for _ in range(int(passes) - 1):
                crops = self._looked_again(pixels, crops, geometry)
            return crops
        if angles.any():
            return self._prepare_turned(pixels, boxes, regions, angles)
        return Crops(geometry.cut(pixels, *regions), *regions, angles)

    def _prepare_turned(
        self,
        pixels: Pixels,
        boxes: Boxes | None,
        regions: tuple[Float64, Float64],
        rotation: Float64,
    ) -> Crops:
        """Cut regions out of the image in its quarter turns; center and rotation are those of the image as it is."""
        size, turns, geometry = (pixels.shape[1], pixels.shape[0]), quarters_of(rotation), self._pipeline.geometry
        parts, order = [], []
        for turn in sorted(set(turns.tolist())):
            rows = np.flatnonzero(turns == turn)
            if boxes is not None:
                center, scale = geometry.regions(turn_boxes(boxes[rows], turn, size))
            else:
                center, scale = turn_points(regions[0][rows], turn, size), regions[1][rows]
            turned = turn_image(pixels, turn)
            middle = turn_points(center, -turn, (turned.shape[1], turned.shape[0]))
            parts.append(
                Crops(geometry.cut(turned, center, scale), middle, scale, np.full(len(rows), turn * math.pi / 2))
            )
            order.append(rows)
        return Crops.join(parts)[np.argsort(np.concatenate(order))]

    def forward(self, crops: Crops) -> Float32:
        """Run the network: its raw output for each crop, float32, first axis N; crops have its input size."""
        self._check_size(crops)
        if not len(crops):
            return self.engine.run(np.zeros((1, *self.spec.input_size[::-1], 3), np.uint8))[:0]
        starts = range(0, len(crops), BATCH)
        parts = [self.engine.run(crops.pixels[start : start + BATCH]) for start in starts]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)  # heatmaps are large: no copy without need

    def _check_size(self, crops: Crops) -> None:
        (width, height), (high, wide) = self.spec.input_size, crops.pixels.shape[1:3]
        if len(crops) and (wide, high) != (width, height):
            raise InvalidOptionError(f"crops for {self.spec.name} have {width} x {height} pixels; got {wide} x {high}")

    def average(self, outputs: Float32, mirrored: Float32) -> Float32:
        """Average the outputs for crops and for their mirror images, `pixels[:, :, ::-1]` (flip test)."""
        if outputs.shape != mirrored.shape:
            raise InvalidOptionError(f"outputs of mirror images have the same shape; {outputs.shape}, {mirrored.shape}")
        return self._pipeline.average(outputs, mirrored)

    def decode(self, outputs: Float32, crops: Crops) -> Decoded:
        """Turn the network's output into points in pixels of the image."""
        return self.to_image(DECODERS[self.spec.decode].result(self._pipeline.decode(outputs)), crops)

    def to_image(self, decoded: Decoded, crops: Crops) -> Decoded:
        """Bring what the decoder gives from pixels of the crops to pixels of the image."""
        if decoded.points.shape[:2] != (len(crops), len(self.scheme)):
            expected = f"{len(crops)} crops with {len(self.scheme)} points"
            raise InvalidOptionError(f"outputs must be of {expected}; got points of shape {decoded.points.shape}")
        geometry, center, rotation = self._pipeline.geometry, crops.center, crops.rotation
        if isinstance(geometry, Rotated):
            points = geometry.to_image(decoded.points, center, crops.scale, rotation)
        else:
            points = geometry.to_image(decoded.points, center, crops.scale)
            if rotation.any():  # the points are right in an image turned about the crop's middle: turn them back
                cos, sin = np.cos(rotation)[:, None], np.sin(rotation)[:, None]
                x, y = np.moveaxis(points - center[:, None], -1, 0)
                back = np.stack([cos * x + sin * y, cos * y - sin * x], axis=-1) + center[:, None]
                points = back.astype(np.float32)
        zoom = (crops.scale[:, :1] / self.spec.input_size[0]).astype(np.float32)
        depth, error = (None if part is None else part * zoom for part in (decoded.depth, decoded.expected_error))
        return Decoded(points, decoded.scores, depth, error)

    def regions_after(self, points: Float32) -> Regions | None:
        """Return center, scale and rotation of the regions that follow from landmarks (N, K, 2); None if none do."""
        geometry, named = self._pipeline.geometry, self.scheme.named
        if not (isinstance(geometry, Rotated) and self._follows):
            return None
        return geometry.regions_after(points, *(points[:, named[eye]] for eye in EYES))

    def _looked_again(self, pixels: Pixels, crops: Crops, geometry: Rotated) -> Crops:
        """Cut the regions that follow from the landmarks in `crops`; what is no face stays as it is."""
        seen = self.infer(crops)
        center, scale, rotation = self.regions_after(seen.points) or (crops.center, crops.scale, crops.rotation)
        no_face = seen.scores.mean(axis=1) < (self.spec.confirm_below or 0)
        center[no_face], scale[no_face] = crops.center[no_face], crops.scale[no_face]
        rotation[no_face] = crops.rotation[no_face]
        return Crops(geometry.cut(pixels, center, scale, rotation), center, scale, rotation)

    def infer(self, crops: Crops) -> Decoded:
        """Turn crops into points: `forward`, flip test, `decode`, batch by batch.

        Batch by batch to the end: the heatmaps of a group photo of hundreds would fill the memory.
        """
        if not len(crops):
            nothing = np.zeros((0, len(self.scheme)), np.float32)
            gives = dict.fromkeys(DECODERS[self.spec.decode].gives, nothing)
            return Decoded(**{**gives, "points": np.zeros((*nothing.shape, 2), np.float32)})
        parts = []
        for part in (crops[start : start + self.batch] for start in range(0, len(crops), self.batch)):
            if self._to_points is not None:
                self._check_size(part)
                parts.append(self.to_image(self._to_points(part.pixels), part))
                continue
            outputs = self.forward(part)
            if self.spec.flip_test:
                mirrored = self.forward(replace(part, pixels=part.pixels[:, :, ::-1]))
                outputs = self.average(outputs, mirrored)
            parts.append(self.decode(outputs, part))
        return parts[0] if len(parts) == 1 else Decoded.join(parts)

    def landmarks(self, crops: Crops, found: Found, source: Any = None) -> Landmarks:
        """Turn the crops of one image into its landmarks: `infer`, then the best rotation and confirmed faces.

        `source` is the image as it was given: of a file the result keeps the path (`Landmarks.source`).
        """
        return self.result(found, self.infer(crops), source)

    def result(self, found: Found, decoded: Decoded, source: Any = None) -> Landmarks:
        """Join what was found in an image and what the network said of it; `source` as in `landmarks`."""
        points, scores, depth, expected_error = decoded.points, decoded.scores, decoded.depth, decoded.expected_error
        boxes, about = found.boxes.astype(np.float32), (self.scheme, found.size, found.detector)
        carried, path = (found.points, depth, expected_error), path_of(source)
        faces = Landmarks(points, scores, boxes, found.scores, *about, *carried, source=path)
        find = found.find
        if len(find.rotations) > 1 and len(faces):
            rows = best_rotation(found.rotation, found.scores, scores.mean(axis=1), len(find.rotations))
            faces = cast("Landmarks", faces[rows])
        if found.detector is not None and len(faces):
            faces = cast("Landmarks", faces[confirmed(faces, self.spec)]) if find.confirm else faces
            faces = cast("Landmarks", faces[foremost(faces.boxes, find)]) if find.largest or find.max_faces else faces
        return faces

    def detector(self, name: str = "auto") -> Detector:
        """Return the face detector of that name, loaded once; it runs in the model's engine (YuNet: in OpenCV)."""
        with self._detectors_lock:
            if name not in self._detectors:
                self._detectors[name] = self._find_detector(name)
            return self._detectors[name]
