"""Records of many images, one after the other: threads read and detect, the network runs on batches across images."""

import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import replace

from facelandmarks._opencv import cv2
from facelandmarks._threads import usable_cpus
from facelandmarks.boxes import CONVENTIONS
from facelandmarks.bulk.tables import Record, Row, to_rows
from facelandmarks.errors import FaceLandmarksError, InvalidBoxError, InvalidOptionError
from facelandmarks.finding import Find, Found
from facelandmarks.model import STANDARD, Model
from facelandmarks.results import Crops, image_record
from facelandmarks.stream import stream

IMAGES = 32  # in a batch
BATCHES_AHEAD = 2  # that are prepared while one more waits for the network
MOST_WORKERS = 16
Path = str | os.PathLike[str]
Batches = Generator[list[Record], None, None]


def predict_rows(
    model: Model,
    images: Iterable[Path],
    find: Find = STANDARD,
    *,
    batch_size: int = IMAGES,
    workers: int | None = None,
) -> Iterator[Row]:
    """Yield rows of many images, in their order: one per face, one for an image without any or that cannot be read.

    Arguments are those of `predict_batches`; the fields of a row are those of `facelandmarks.bulk.tables.to_rows`.
    """
    with closing(predict_batches(model, images, find, batch_size=batch_size, workers=workers)) as batches:
        for batch in batches:
            for record in batch:
                yield from to_rows(record)


def predict_batches(
    model: Model,
    images: Iterable[Path],
    find: Find = STANDARD,
    *,
    batch_size: int = IMAGES,
    workers: int | None = None,
) -> Batches:
    """Yield records of many images (docs/json.md), in batches, in their order.

    An image that cannot be read gets a record with the reason. At most `workers` images are decoded at a time; of those
    that wait for the network only the crops are kept. A model whose boxes no detector finds is an `InvalidBoxError`.

    Parameters
    ----------
    images
        Paths. At most three batches are taken ahead of what is given out.
    find
        How faces are found; its fields are options of `Model.predict`.
    batch_size
        Images in a batch.
    workers
        Threads that read images and detect faces; None: one per core, at most 16.
    """
    threads = min(usable_cpus(), MOST_WORKERS) if workers is None else workers
    if batch_size < 1 or threads < 1:
        raise InvalidOptionError(f"batch_size and workers must be at least 1; got {batch_size} and {threads}")
    if model.spec.box_convention not in CONVENTIONS:
        raise InvalidBoxError(f"{model.spec.name} needs boxes that no detector here finds: give them to Model.predict")
    if isinstance(find.detector, str):
        find = replace(find, detector=model.detector(find.detector))

    def prepare(image: Path) -> tuple[tuple[Path, Found | str], Crops | None]:
        """Give an unreadable image the reason in place of faces: one among a million must not end the run."""
        try:
            found, crops = model.find_and_prepare(image, None, find)
        except (FaceLandmarksError, OSError, cv2.error) as error:
            return (image, str(error)), None
        except MemoryError:
            return (image, "not enough memory for this image"), None
        return (image, found), crops

    def records() -> Batches:
        done = stream(model, images, prepare, batch=batch_size, workers=threads, ahead=BATCHES_AHEAD * batch_size)
        with closing(done):
            for batch in done:
                yield [
                    image_record(image, model.spec.name, None, found)
                    if isinstance(found, str)
                    else image_record(image, model.spec.name, model.result(found, decoded), None)
                    for (image, found), decoded in batch
                ]

    return records()
