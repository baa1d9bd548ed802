"""Points of annotated faces: predicted in batches or found by another program, and kept so that a run can continue."""

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facelandmarks._files import Journal, parse_json
from facelandmarks.boxes import CONVENTIONS, Boxes, convert_boxes, overlaps, tight_boxes
from facelandmarks.errors import DatasetError, InvalidImageError, InvalidOptionError
from facelandmarks.evaluation.datasets import Sample, get_release
from facelandmarks.evaluation.protocols import Protocol, Region, face_size, place
from facelandmarks.images import load_image
from facelandmarks.model import Model
from facelandmarks.results import Crops
from facelandmarks.schemes import convert, get_scheme
from facelandmarks.stream import stream

SCHEMA = "facelandmarks-evaluation-points/2"
LEAST_OVERLAP = 0.3  # intersection over union of two tight boxes, below which they belong to different faces
# Finds the region of an annotated face in an image, or None.
Finder = Callable[[NDArray[np.uint8], Sample], Region | None]


@dataclass(frozen=True, eq=False)
class Prediction:
    """The points of a face in its image."""

    points: NDArray[np.float32]  # (K, 2), pixels; NaN if it was not found
    size: float  # what its errors are divided by, pixels
    score: float | None = None  # mean of the scores of its points


# A face with its key and its prediction; and what gives these, batch by batch, for faces with their keys.
Predicted = tuple[str, Sample, Prediction]
Predict = Callable[[Iterable[tuple[str, Sample]]], Iterator[list[Predicted]]]


def image_name(sample: Sample) -> str:
    """Return the name of a sample without the number of its face."""
    return re.sub(r"#\d+$", "", sample.name)


def face_key(sample: Sample, form: str) -> str:
    """Return a key of a face that is the same in every subset: the files it is from, its image and its points."""
    return f"{form}/{image_name(sample)}#{hashlib.sha256(sample.points.tobytes()).hexdigest()[:16]}"


def to_float32(points: NDArray[np.float64]) -> NDArray[np.float32]:
    """Convert points from a file, which may be NaN; `ValueError` for numbers beyond float32."""
    if (np.abs(points) > np.finfo(np.float32).max).any():
        raise ValueError("a point is infinite")
    return points.astype(np.float32)


def predict_faces(
    model: Model,
    protocol: Protocol,
    samples: Iterable[tuple[str, Sample]],
    known: Mapping[str, Prediction],
    *,
    batch_size: int,
    workers: int,
    finder: Finder | None = None,
) -> Iterator[list[Predicted]]:
    """Predict faces, given with their keys (`face_key`), in batches, in their order.

    Predictions that are known need not be made again. `batch_size` faces are in one call of the network, and as many
    prepared ahead of it by `workers` threads. A finder finds faces in place of the annotated regions. `DatasetError`
    for an image that cannot be read.
    """
    scheme = get_scheme(get_release(protocol.dataset).scheme)
    missed = np.full((len(scheme), 2), np.nan, np.float32)

    def prepare(face: tuple[str, Sample]) -> tuple[tuple[str, Sample, Prediction], Crops | None]:
        key, sample = face
        if key in known:
            return (key, sample, known[key]), None
        try:
            image = load_image(sample.image)
        except (InvalidImageError, OSError) as error:
            raise DatasetError(f"cannot read the image of {sample.name}: {error}") from error
        height, width = image.shape[:2]
        annotated = place(sample, protocol, model.spec.box_convention, width, height)
        region = annotated if finder is None else finder(image, sample)
        made = Prediction(missed, face_size(sample, protocol, annotated))
        if region is None:
            return (key, sample, made), None
        crops = model.prepare(
            image, region.box, detector_points=region.points, center=region.center, scale=region.scale
        )
        return (key, sample, made), crops

    for batch in stream(model, samples, prepare, batch=batch_size, workers=workers, ahead=batch_size):
        predicted = []
        for (key, sample, missing), decoded in batch:
            made = missing
            if len(decoded):
                points, score = convert(decoded.points[0], model.scheme, scheme), float(decoded.scores.mean())
                made = Prediction(points, missing.size, score if math.isfinite(score) else None)
            predicted.append((key, sample, made))
        yield predicted


def matching(boxes: Boxes, truth: NDArray[np.float64]) -> int | None:
    """Return the index of the tight box, of (N, 4), that fits the points (K, 2) best; None if none overlaps enough."""
    if not len(boxes):
        return None
    shares = overlaps(boxes, tight_boxes(truth[None])[0])
    best = int(shares.argmax())
    return best if shares[best] > LEAST_OVERLAP else None


class DetectedBoxes:
    """Finds annotated faces with a detector of the model; `name` says which one it really is.

    `InvalidOptionError` if no detector finds boxes of the model's convention.
    """

    def __init__(self, model: Model, detector: str = "auto") -> None:
        self._convention = model.spec.box_convention
        if self._convention not in CONVENTIONS:
            raise InvalidOptionError(
                f"no detector here finds boxes of the kind {self._convention!r}: use boxes='gt', the annotated ones"
            )
        self._detector = model.detector(detector)
        self.name = self._detector.name

    def __call__(self, image: NDArray[np.uint8], sample: Sample) -> Region | None:
        """Return the region of the face in the model's convention, or None."""
        given = self._detector.convention
        found = self._detector.detect(image)
        index = matching(convert_boxes(found.boxes.astype(np.float64), given, "tight"), sample.points)
        if index is None:
            return None
        face = found[index : index + 1]
        return Region(convert_boxes(face.boxes.astype(np.float64), given, self._convention), points=face.points)


class GivenPredictions:
    """Points that another program found, from a file as `facelandmarks-predict --json` writes it.

    JSON: `{"images": [{"image": path, "faces": [{"points": [[x, y], ..]}]}]}`, in pixels, (0, 0) the centre of the
    top-left one. Images are matched by the end of their path, faces by their tight boxes. `InvalidOptionError` for
    other files and other numbers of landmarks.
    """

    def __init__(self, path: Path, landmarks: int, protocol: Protocol) -> None:
        self._protocol = protocol
        self._missed = np.full((landmarks, 2), np.nan, np.float32)
        # By the last part of their paths, then by all of it.
        self._faces: dict[str, dict[tuple[str, ...], NDArray[np.float32]]] = {}
        try:
            for image in parse_json(path.read_bytes())["images"]:
                parts = _parts(image["image"])
                points = np.array([face["points"] for face in image["faces"]], np.float64)
                faces = to_float32(points).reshape(len(image["faces"]), landmarks, 2)
                self._faces.setdefault(parts[-1], {})[parts] = faces
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise InvalidOptionError(
                f"{path} does not hold predictions of {landmarks} points per face: {error}"
            ) from error

    def __call__(self, samples: Iterable[tuple[str, Sample]]) -> Iterator[list[Predicted]]:
        """Give the prediction of one face after the other."""
        for key, sample in samples:
            size = face_size(sample, self._protocol, place(sample, self._protocol, "tight", 0, 0))
            wanted = _parts(image_name(sample))
            named = self._faces.get(wanted[-1], {})
            # The shorter of the two paths must be the end of the other.
            ends = {parts: min(len(parts), len(wanted)) for parts in named}
            found = [named[parts] for parts, end in ends.items() if parts[-end:] == wanted[-end:]]
            if len(found) > 1:
                raise InvalidOptionError(f"{sample.name} is the end of {len(found)} paths of the predictions")
            faces = found[0] if found else np.zeros((0, *self._missed.shape), np.float32)
            index = matching(tight_boxes(faces), sample.points) if len(faces) else None
            points = self._missed if index is None else faces[index]
            yield [(key, sample, Prediction(points, size))]


def _parts(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.replace("\\", "/").split("/") if part not in ("", "."))


class PredictionStore(dict[str, Prediction]):
    """Predictions by key of their face, also kept in a journal; without a path, nothing is kept.

    `settings` are what the predictions depend on: the first line of the file. `InvalidOptionError` if it was made with
    others, or is another kind of file.
    """

    def __init__(self, path: Path | None, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self._journal = None if path is None else Journal(path, {"schema": SCHEMA, **settings})
        if path is None or self._journal is None:
            return
        if not path.is_file() or not path.stat().st_size:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._journal.begin()
        self._journal.check()
        self._journal.keep(1)
        for record in self._journal.records():
            try:
                points, size = to_float32(np.array(record["points"], np.float64)), float(record["size"])
                score = None if record["score"] is None else float(record["score"])
                if points.ndim != 2 or points.shape[1] != 2 or not isinstance(record["face"], str):
                    raise ValueError(f"points of shape {points.shape} of the face {record['face']!r:.99}")
            except (LookupError, TypeError, ValueError) as error:
                raise InvalidOptionError(f"{path} does not hold the predictions of a run: {error!r}") from error
            self[record["face"]] = Prediction(points, size, score)

    def keep(self, predictions: Iterable[tuple[str, Prediction]]) -> None:
        """Add predictions that are new."""
        new = {key: made for key, made in predictions if key not in self}
        self.update(new)
        if self._journal is not None and new:
            records = []
            for key, made in new.items():
                points = made.points.astype(object)
                points[np.isnan(made.points)] = None  # JSON has no NaN
                records.append({"face": key, "size": made.size, "score": made.score, "points": points.tolist()})
            self._journal.append(records)
