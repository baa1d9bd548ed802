"""Which of several faces is the annotated one: for detected boxes, and for predictions of other programs."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facelandmarks._files import parse_json
from facelandmarks.boxes import CONVENTIONS, Boxes, convert_boxes, overlaps, tight_boxes
from facelandmarks.errors import InvalidOptionError
from facelandmarks.evaluation.datasets import Sample
from facelandmarks.evaluation.predict import Predicted, Prediction, image_name, to_float32
from facelandmarks.evaluation.protocols import Protocol
from facelandmarks.evaluation.regions import Region, face_size, place
from facelandmarks.model import Model

LEAST_OVERLAP = 0.3  # intersection over union of two tight boxes, below which they belong to different faces


def matching(boxes: Boxes, truth: NDArray[np.float64]) -> int | None:
    """Return the index of the tight box, of (N, 4), that fits the points (K, 2) best; None if none overlaps enough."""
    if not len(boxes):
        return None
    shares = overlaps(boxes, tight_boxes(truth[None])[0])
    best = int(shares.argmax())
    return best if shares[best] > LEAST_OVERLAP else None


class DetectedBoxes:
    """Finds annotated faces with a detector of the model; `name` says which one it really is.

    Raises
    ------
    InvalidOptionError
        If no detector finds boxes of the model's convention.
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
        boxes = self._detector.detect(image).boxes.astype(np.float64)
        index = matching(convert_boxes(boxes, given, "tight"), sample.points)
        return None if index is None else Region(convert_boxes(boxes[index : index + 1], given, self._convention))


class GivenPredictions:
    """Points that another program found, from a file as `facelandmarks-predict --json` writes it.

    Images are matched by the end of their path, faces by their tight boxes.

    Parameters
    ----------
    path
        JSON: `{"images": [{"image": path, "faces": [{"points": [[x, y], ..]}]}]}`, in pixels, (0, 0) the centre of the
        top-left one.
    landmarks
        Number of points of a face.
    protocol
        The rules that faces are scored by.

    Raises
    ------
    InvalidOptionError
        If it is another kind of file, or its faces have another number of points.
    """

    def __init__(self, path: Path, landmarks: int, protocol: Protocol) -> None:
        self._protocol = protocol
        self._missed = np.full((landmarks, 2), np.nan, np.float32)
        # By the last part of their paths, then by all of it.
        self._faces: dict[str, dict[tuple[str, ...], NDArray[np.float32]]] = {}
        try:
            for image in parse_json(path.read_text(encoding="utf-8"))["images"]:
                parts = _parts(image["image"])
                points = np.array([face["points"] for face in image["faces"]], np.float64)
                faces = to_float32(points).reshape(len(image["faces"]), landmarks, 2)
                self._faces.setdefault(parts[-1], {})[parts] = faces
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise InvalidOptionError(
                f"{path} does not hold predictions of {landmarks} points a face: {error}"
            ) from error

    def __call__(self, samples: Iterable[tuple[str, Sample]]) -> Iterator[list[Predicted]]:
        """Give the prediction of one face after the other."""
        for key, sample in samples:
            size = face_size(sample, self._protocol, place(sample, self._protocol, "tight", 0, 0))
            yield [(key, sample, Prediction(self._points_of(sample), size))]

    def _points_of(self, sample: Sample) -> NDArray[np.float32]:
        wanted = _parts(image_name(sample))
        named = self._faces.get(wanted[-1], {})
        # The shorter of the two paths must be the end of the other.
        ends = {parts: min(len(parts), len(wanted)) for parts in named}
        found = [named[parts] for parts, end in ends.items() if parts[-end:] == wanted[-end:]]
        if len(found) > 1:
            raise InvalidOptionError(f"{sample.name} is the end of {len(found)} paths of the predictions")
        faces = found[0] if found else np.zeros((0, *self._missed.shape), np.float32)
        index = matching(tight_boxes(faces), sample.points) if len(faces) else None
        return self._missed if index is None else faces[index]


def _parts(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.replace("\\", "/").split("/") if part not in ("", "."))
