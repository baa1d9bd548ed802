"""Records of many pictures, one after the other: threads read and detect, the network sees batches across pictures."""

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from itertools import islice

import cv2

from facelandmarks._threads import in_order
from facelandmarks.boxes import CONVENTIONS
from facelandmarks.bulk.records import Record, Row, record_of, to_rows
from facelandmarks.detection.base import Detector
from facelandmarks.engines.base import usable_cpus
from facelandmarks.errors import FaceLandmarksError, InvalidBoxError, InvalidOptionError
from facelandmarks.images import load_image
from facelandmarks.model import Model, Seen
from facelandmarks.rotations import UPRIGHT, check_rotations, keep_best, turn_picture

PICTURES = 32  # in a batch
_AHEAD = 3  # batches that are begun
Path = str | os.PathLike[str]
Look = Callable[[Path], tuple[Path, list[Seen] | str]]
Batches = Generator[list[Record], None, None]


def default_workers() -> int:
    """Threads that read pictures: one a core, 16 at most."""
    return min(usable_cpus(), 16)


def predict_rows(
    model: Model,
    images: Iterable[Path],
    *,
    detector: str | Detector = "auto",
    min_score: float | None = None,
    rotations: Sequence[int] = UPRIGHT,
    batch_size: int = PICTURES,
    workers: int | None = None,
) -> Iterator[Row]:
    """Rows of many pictures, in their order: one a face, one for a picture without any or that cannot be read.

    Arguments are those of `predict_batches`; the fields of a row are those of `facelandmarks.bulk.records.to_rows`.
    """
    batches = predict_batches(
        model,
        images,
        detector=detector,
        min_score=min_score,
        rotations=rotations,
        batch_size=batch_size,
        workers=workers,
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
    rotations: Sequence[int] = UPRIGHT,
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
    detector, min_score, rotations
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
        If `batch_size` or `workers` is less than 1, or a rotation is none of 0, 90, 180 and 270.
    """
    threads = default_workers() if workers is None else workers
    if batch_size < 1 or threads < 1:
        raise InvalidOptionError(f"batch_size and workers must be at least 1; got {batch_size} and {threads}")
    check_rotations(rotations)
    if model.spec.box_convention not in CONVENTIONS:
        raise InvalidBoxError(f"{model.spec.name} needs boxes that no detector here finds: give them to Model.predict")
    finder = model.detector(detector) if isinstance(detector, str) else detector
    look = partial(_look, model, finder, min_score, rotations)
    return _run(model, images, look, rotations, batch_size, threads)


def _run(
    model: Model, images: Iterable[Path], look: Look, rotations: Sequence[int], batch_size: int, threads: int
) -> Batches:
    with ThreadPoolExecutor(threads) as pool, closing(in_order(pool, look, images, _AHEAD * batch_size)) as seen:
        while batch := list(islice(seen, batch_size)):
            yield _finish(model, batch, rotations)


def _look(
    model: Model, finder: Detector, min_score: float | None, rotations: Sequence[int], image: Path
) -> tuple[Path, list[Seen] | str]:
    """The crops of a picture in each of its turns, or why it has none. One among a million must not end the run."""
    try:
        picture = load_image(image)
        turned = (turn_picture(picture, degrees) for degrees in rotations)
        return image, [model.look(turn, detector=finder, min_score=min_score) for turn in turned]
    except (FaceLandmarksError, OSError, cv2.error) as error:
        return image, str(error)
    except MemoryError:
        return image, "not enough memory for this picture"


def _finish(model: Model, batch: Sequence[tuple[Path, list[Seen] | str]], rotations: Sequence[int]) -> list[Record]:
    """Run the network on the crops of a batch."""
    faces = iter(model.finish([turn for _, turns in batch if isinstance(turns, list) for turn in turns]))
    return [
        record_of(image, model.spec.name, None, turns)
        if isinstance(turns, str)
        else record_of(image, model.spec.name, keep_best([next(faces) for _ in turns], rotations, detected=True), None)
        for image, turns in batch
    ]
