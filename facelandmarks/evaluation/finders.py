"""Which of several faces is the annotated one: for detected boxes, and for predictions of other programs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facelandmarks._files import parse_json
from facelandmarks.boxes import CONVENTIONS, Boxes, convert_boxes, overlaps, tight_boxes
from facelandmarks.detection import load_detector
from facelandmarks.errors import InvalidOptionError
from facelandmarks.evaluation.datasets import Sample
from facelandmarks.evaluation.protocol import Protocol
from facelandmarks.evaluation.regions import Region, face_size, place
from facelandmarks.evaluation.stream import Prediction, picture_name, to_float32

LEAST_OVERLAP = 0.3  # intersection over union of two tight boxes, below which they are of different faces


def matching(boxes: Boxes, truth: NDArray[np.float64]) -> int | None:
    """Index of the tight box, of (N, 4), that fits the points (K, 2) best; None if none overlaps enough."""
    if not len(boxes):
        return None
    shares = overlaps(boxes, tight_boxes(truth[None])[0])
    best = int(shares.argmax())
    return best if shares[best] > LEAST_OVERLAP else None


class DetectedBoxes:
    """Finds annotated faces with a detector; boxes come in the model's convention.

    Parameters
    ----------
    convention
        What the model's boxes hold (`ModelSpec.box_convention`).
    detector
        Name of the detector; `name` says which one it really is.

    Raises
    ------
    InvalidOptionError
        If no detector finds boxes of that kind.
    """

    def __init__(self, convention: str, detector: str = "auto") -> None:
        if convention not in CONVENTIONS:
            raise InvalidOptionError(f"no detector here finds boxes of the kind {convention!r}: use --boxes gt")
        self._convention, self._detector = convention, load_detector(detector)
        self.name = self._detector.name

    def __call__(self, picture: NDArray[np.uint8], sample: Sample) -> Region | None:
        """The region of the face, or None."""
        given = self._detector.convention
        boxes = self._detector.detect(picture).boxes.astype(np.float64)
        index = matching(convert_boxes(boxes, given, "tight"), sample.points)
        return None if index is None else Region(convert_boxes(boxes[index : index + 1], given, self._convention))


class GivenPredictions:
    """Points that another program found, from a file as `facelandmarks-predict --json` writes it.

    Pictures are matched by the end of their path, faces by their tight boxes.

    Parameters
    ----------
    path
        JSON: `{"images": [{"image": path, "faces": [{"points": [[x, y], ..]}]}]}`, in pixels, (0, 0) the centre of the
        top-left one.
    landmarks
        How many points a face has.
    protocol
        By whose rules faces are scored.

    Raises
    ------
    InvalidOptionError
        If it is no such file, or its faces have another number of points.
    """

    def __init__(self, path: Path, landmarks: int, protocol: Protocol) -> None:
        self._protocol = protocol
        self._missed = np.full((landmarks, 2), np.nan, np.float32)
        # By the last part of their paths, then by all of it.
        self._faces: dict[str, dict[tuple[str, ...], NDArray[np.float32]]] = {}
        try:
            images = parse_json(path.read_text(encoding="utf-8"))["images"]
            for image in images:
                parts = _parts(image["image"])
                self._faces.setdefault(parts[-1], {})[parts] = _points(image["faces"], landmarks)
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise InvalidOptionError(f"{path} holds no predictions of {landmarks} points a face: {error}") from error

    def __call__(self, samples: Iterable[tuple[str, Sample]]) -> Iterator[list[tuple[str, Sample, Prediction]]]:
        """One face after the other."""
        for key, sample in samples:
            size = face_size(sample, self._protocol, place(sample, self._protocol, "tight", 0, 0))
            yield [(key, sample, Prediction(self._of(sample), size))]

    def _of(self, sample: Sample) -> NDArray[np.float32]:
        wanted = _parts(picture_name(sample))
        named = self._faces.get(wanted[-1], {})
        found = [faces for parts, faces in named.items() if _same_end(parts, wanted)]
        if len(found) > 1:
            raise InvalidOptionError(f"{sample.name} is the end of {len(found)} paths of the predictions")
        faces = found[0] if found else np.zeros((0, *self._missed.shape), np.float32)
        index = matching(tight_boxes(faces), sample.points) if len(faces) else None
        return self._missed if index is None else faces[index]


def _parts(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.replace("\\", "/").split("/") if part not in ("", "."))


def _same_end(path: Sequence[str], name: Sequence[str]) -> bool:
    """Whether the shorter of the two is the end of the other."""
    common = min(len(path), len(name))
    return path[-common:] == name[-common:]


def _points(faces: Sequence[Mapping[str, Any]], landmarks: int) -> NDArray[np.float32]:
    points: list[ArrayLike] = [face["points"] for face in faces]
    return to_float32(np.array(points, np.float64)).reshape(len(points), landmarks, 2)
