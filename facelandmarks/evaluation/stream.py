"""Points of many faces, one after the other: pictures are read by threads, the network sees whole batches."""

import hashlib
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from facelandmarks._threads import in_own_thread
from facelandmarks.evaluation.datasets import Sample
from facelandmarks.evaluation.protocol import Protocol
from facelandmarks.evaluation.regions import Region, face_size, place
from facelandmarks.images import load_image
from facelandmarks.model import Model
from facelandmarks.results import Crops

# Finds the region of an annotated face in a picture, or None.
Finder = Callable[[NDArray[np.uint8], Sample], Region | None]
_AHEAD = 1  # batches that are prepared while another is in the network


@dataclass(frozen=True, eq=False)
class Prediction:
    """Points float32 (K, 2) in pixels of the picture, NaN for a face that was not found; what errors are divided by."""

    points: NDArray[np.float32]
    size: float


def to_float32(points: NDArray[np.float64]) -> NDArray[np.float32]:
    """Points from a file in the precision that is scored; `ValueError` if one is beyond it, NaN may be."""
    if (np.abs(points) > np.finfo(np.float32).max).any():
        raise ValueError("a point is infinite")
    return points.astype(np.float32)


@dataclass(frozen=True, eq=False)
class _Prepared:
    """A face on its way to the network; without crops it was not found."""

    crops: Crops | None
    size: float


_Batch = list[tuple[str, Sample, Future[_Prepared] | None]]  # None: its prediction is known


def face_key(sample: Sample, form: str) -> str:
    """What a face is known by, in whichever subset it is read: its picture, its points, and the files they are from."""
    return f"{form}/{picture_name(sample)}#{hashlib.sha256(sample.points.tobytes()).hexdigest()[:16]}"


def picture_name(sample: Sample) -> str:
    """The name of a sample without the number of its face."""
    return re.sub(r"#\d+$", "", sample.name)


def predict_faces(
    model: Model,
    protocol: Protocol,
    samples: Iterable[tuple[str, Sample]],
    known: Mapping[str, Prediction],
    *,
    batch_size: int,
    workers: int,
    finder: Finder | None = None,
) -> Iterator[list[tuple[str, Sample, Prediction]]]:
    """Batches of keys, faces and their points, in the order of the samples.

    Parameters
    ----------
    model, protocol
        What predicts, and by which rules regions are placed.
    samples
        Faces with their keys (`face_key`). No more than three batches are taken ahead of what is given out.
    known
        Predictions by key that need not be made again.
    batch_size
        Faces in one call of the network.
    workers
        Threads that read pictures and cut crops.
    finder
        Finds faces in place of the annotated regions.
    """
    with ThreadPoolExecutor(workers) as readers:
        batches = _started(readers, partial(_prepare, model, protocol, finder=finder), samples, known, batch_size)
        for batch in in_own_thread(partial(_finish, model, known), batches):
            # In one block: NumPy hands small ones from thread to thread, and with them places in the network's heap.
            kept = np.stack([made.points for *_, made in batch])
            rows = zip(batch, kept, strict=True)
            yield [(key, sample, replace(made, points=points)) for (key, sample, made), points in rows]


def _started(
    readers: Executor,
    prepare: Callable[[Sample], _Prepared],
    samples: Iterable[tuple[str, Sample]],
    known: Mapping[str, Prediction],
    batch_size: int,
) -> Iterator[_Batch]:
    """Batches whose faces are being prepared."""
    iterator = iter(samples)
    waiting: deque[_Batch] = deque()
    while True:
        while len(waiting) <= _AHEAD and (batch := list(islice(iterator, batch_size))):
            waiting.append(
                [(key, sample, None if key in known else readers.submit(prepare, sample)) for key, sample in batch]
            )
        if not waiting:
            return
        yield waiting.popleft()


def _prepare(model: Model, protocol: Protocol, sample: Sample, *, finder: Finder | None) -> _Prepared:
    picture = load_image(sample.image)
    height, width = picture.shape[:2]
    annotated = place(sample, protocol, model.spec.box_convention, width, height)
    size = face_size(sample, protocol, annotated)
    region = annotated if finder is None else finder(picture, sample)
    if region is None:
        return _Prepared(None, size)
    return _Prepared(model.prepare(picture, region.box, center=region.center, scale=region.scale), size)


def _finish(model: Model, known: Mapping[str, Prediction], batch: _Batch) -> list[tuple[str, Sample, Prediction]]:
    """Run the network on what was prepared of a batch."""
    prepared = {key: future.result() for key, _, future in batch if future is not None}
    crops = [face.crops for face in prepared.values() if face.crops is not None]
    points = iter(model.infer(Crops.join(crops)).points)
    missed = np.full((len(model.scheme), 2), np.nan, np.float32)
    made = {
        key: Prediction(missed if face.crops is None else next(points), face.size) for key, face in prepared.items()
    }
    return [(key, sample, made[key] if key in made else known[key]) for key, sample, _ in batch]
