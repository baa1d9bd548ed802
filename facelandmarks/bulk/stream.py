"""Records of many pictures, one after the other: threads read and detect, the network sees batches across pictures."""

import os
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice, pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from facelandmarks.boxes import CONVENTIONS, Boxes, convert_boxes
from facelandmarks.bulk.records import Record, Row, record_of, to_rows
from facelandmarks.detection.base import Detector
from facelandmarks.errors import FaceLandmarksError, InvalidBoxError, InvalidOptionError
from facelandmarks.images import load_image
from facelandmarks.model import BATCH, Model, join
from facelandmarks.results import Crops, Landmarks

PICTURES = 32  # in a batch
_AHEAD = 2  # batches that are prepared while the network runs
Path = str | os.PathLike[str]
Batches = Generator[list[Record], None, None]


@dataclass(frozen=True, eq=False)
class _Prepared:
    """A picture on its way to the network: only its crops are kept, not the picture."""

    crops: Crops
    boxes: Boxes
    scores: NDArray[np.float32]
    size: tuple[int, int]


def default_workers() -> int:
    """Threads that read pictures: one a core, 16 at most."""
    return min(os.cpu_count() or 1, 16)


def predict_rows(
    model: Model,
    images: Iterable[Path],
    *,
    detector: str | Detector = "auto",
    min_score: float | None = None,
    batch_size: int = PICTURES,
    workers: int | None = None,
) -> Iterator[Row]:
    """Rows of many pictures, in their order: one a face, one for a picture without any or that cannot be read.

    Arguments are those of `predict_batches`; the fields of a row are those of `facelandmarks.bulk.records.to_rows`.
    """
    batches = predict_batches(
        model, images, detector=detector, min_score=min_score, batch_size=batch_size, workers=workers
    )
    with closing(batches):
        for batch in batches:
            for record in batch:
                yield from to_rows(record)


def predict_batches(
    model: Model,
    images: Iterable[Path],
    *,
    detector: str | Detector = "auto",
    min_score: float | None = None,
    batch_size: int = PICTURES,
    workers: int | None = None,
) -> Batches:
    """Records of many pictures (docs/json.md), in batches, in their order.

    A picture that cannot be read gets a record that says so. Pictures are decoded at most `workers` at a time; of those
    that wait for the network only the crops are kept.

    Parameters
    ----------
    model
        What predicts.
    images
        Paths. No more than three batches are taken ahead of what is given out.
    detector, min_score
        As in `Model.predict`.
    batch_size
        Pictures in a batch.
    workers
        Threads that read pictures and find faces in them; None: one a core, 16 at most.

    Raises
    ------
    InvalidBoxError
        If no detector finds the boxes that the model needs.
    InvalidOptionError
        If `batch_size` or `workers` is less than 1.
    """
    threads = default_workers() if workers is None else workers
    if batch_size < 1 or threads < 1:
        raise InvalidOptionError(f"batch_size and workers must be at least 1; got {batch_size} and {threads}")
    if model.spec.box_convention not in CONVENTIONS:
        raise InvalidBoxError(f"{model.spec.name} needs boxes that no detector here finds: give them to Model.predict")
    finder = model.detector(detector) if isinstance(detector, str) else detector
    return _run(model, iter(images), finder, min_score, batch_size, ThreadPoolExecutor(threads))


def _run(
    model: Model,
    images: Iterator[Path],
    finder: Detector,
    min_score: float | None,
    batch_size: int,
    pool: ThreadPoolExecutor,
) -> Batches:
    waiting: deque[list[tuple[Path, Future[_Prepared | str]]]] = deque()
    try:
        while True:
            while len(waiting) <= _AHEAD and (batch := list(islice(images, batch_size))):
                waiting.append([(image, pool.submit(_prepare, model, finder, min_score, image)) for image in batch])
            if not waiting:
                return
            yield _finish(model, finder.name, [(image, future.result()) for image, future in waiting.popleft()])
    finally:
        pool.shutdown(cancel_futures=True)


def _prepare(model: Model, finder: Detector, min_score: float | None, image: Path) -> _Prepared | str:
    """The crops of a picture, or why it has none. One picture among a million must not end the run."""
    try:
        picture = load_image(image)
        found, scores = finder.detect(picture, min_score=min_score)
        boxes = convert_boxes(found.astype(np.float64), finder.convention, model.spec.box_convention)
        return _Prepared(model.prepare(picture, boxes), boxes, scores, (picture.shape[1], picture.shape[0]))
    except (FaceLandmarksError, OSError, cv2.error) as error:
        return str(error)
    except MemoryError:
        return "not enough memory for this picture"


def _finish(model: Model, detector: str, batch: Sequence[tuple[Path, _Prepared | str]]) -> list[Record]:
    """Run the network on the crops of a batch."""
    prepared = [part for _, part in batch if isinstance(part, _Prepared)]
    predicted = iter(_landmarks(model, detector, prepared))
    return [
        record_of(image, model.spec.name, None, part)
        if isinstance(part, str)
        else record_of(image, model.spec.name, next(predicted), None)
        for image, part in batch
    ]


def _landmarks(model: Model, detector: str, batch: Sequence[_Prepared]) -> list[Landmarks]:
    if not batch:
        return []
    crops = join([part.crops for part in batch])
    # Decoded chunk by chunk: the outputs for a group photo of hundreds would fill the memory.
    chunks = [
        model.landmarks(Crops(crops.pixels[rows], crops.center[rows], crops.scale[rows]))
        for rows in (slice(start, start + BATCH) for start in range(0, max(len(crops), 1), BATCH))
    ]
    points, scores = (np.concatenate(parts) for parts in zip(*chunks, strict=True))
    ends = np.cumsum([0, *(len(part.crops) for part in batch)])
    return [
        Landmarks(
            points[first:last],
            scores[first:last],
            part.boxes.astype(np.float32),
            part.scores,
            model.scheme,
            part.size,
            detector,
        )
        for part, (first, last) in zip(batch, pairwise(ends), strict=True)
    ]
