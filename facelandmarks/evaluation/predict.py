"""Points of annotated faces: predicted in batches, and kept in a file so that a stopped run can continue."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facelandmarks._files import Journal
from facelandmarks.errors import InvalidOptionError
from facelandmarks.evaluation.datasets import Sample
from facelandmarks.evaluation.protocols import Protocol
from facelandmarks.evaluation.regions import Region, face_size, place
from facelandmarks.images import load_image
from facelandmarks.model import Model
from facelandmarks.results import Crops
from facelandmarks.stream import stream

SCHEMA = "facelandmarks-evaluation-points/1"
# Finds the region of an annotated face in an image, or None.
Finder = Callable[[NDArray[np.uint8], Sample], Region | None]


@dataclass(frozen=True, eq=False)
class Prediction:
    """Points float32 (K, 2) in pixels of the image, NaN for a face that was not found, and the size to divide by."""

    points: NDArray[np.float32]
    size: float


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
    """Predict faces, in batches, in their order.

    Parameters
    ----------
    model, protocol
        What predicts, and by which rules regions are placed.
    samples
        Faces with their keys (`face_key`).
    known
        Predictions by key that need not be made again.
    batch_size
        Faces in one call of the network; as many are prepared ahead of it.
    workers
        Threads that read images and cut crops.
    finder
        Finds faces in place of the annotated regions.
    """
    missed = np.full((len(model.scheme), 2), np.nan, np.float32)

    def prepare(face: tuple[str, Sample]) -> tuple[tuple[str, Sample, Prediction], Crops | None]:
        key, sample = face
        if key in known:
            return (key, sample, known[key]), None
        image = load_image(sample.image)
        height, width = image.shape[:2]
        annotated = place(sample, protocol, model.spec.box_convention, width, height)
        region = annotated if finder is None else finder(image, sample)
        made = Prediction(missed, face_size(sample, protocol, annotated))
        if region is None:
            return (key, sample, made), None
        return (key, sample, made), model.prepare(image, region.box, center=region.center, scale=region.scale)

    for batch in stream(model, samples, prepare, batch=batch_size, workers=workers, ahead=batch_size):
        yield [
            (key, sample, Prediction(decoded.points[0], made.size) if len(decoded) else made)
            for (key, sample, made), decoded in batch
        ]


class PredictionStore(dict[str, Prediction]):
    """Predictions by key of their face, also kept in a journal.

    Parameters
    ----------
    path
        The file; None keeps nothing.
    settings
        What the predictions depend on: the first line of the file.

    Raises
    ------
    InvalidOptionError
        If the file was made with other settings, or is another kind of file.
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
                if points.ndim != 2 or points.shape[1] != 2 or not isinstance(record["face"], str):
                    raise ValueError(f"points of shape {points.shape} of the face {record['face']!r:.99}")
            except (LookupError, TypeError, ValueError) as error:
                raise InvalidOptionError(f"{path} does not hold the predictions of a run: {error!r}") from error
            self[record["face"]] = Prediction(points, size)

    def keep(self, predictions: Iterable[tuple[str, Prediction]]) -> None:
        """Add predictions that are new."""
        new = {key: made for key, made in predictions if key not in self}
        self.update(new)
        if self._journal is not None and new:
            records = []
            for key, made in new.items():
                points = made.points.astype(object)
                points[np.isnan(made.points)] = None  # JSON has no NaN
                records.append({"face": key, "size": made.size, "points": points.tolist()})
            self._journal.append(records)
