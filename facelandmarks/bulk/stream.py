"""Records of many images: threads read and detect, the network runs on batches across images. Ray's batches too."""

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from facelandmarks._opencv import cv2
from facelandmarks._rules import MOST, is_whole
from facelandmarks.boxes import CONVENTIONS
from facelandmarks.bulk.tables import Record, Row, arrow_schema, paths_of, to_arrow, to_rows
from facelandmarks.errors import FaceLandmarksError, InvalidBoxError, InvalidOptionError
from facelandmarks.finding import Find, Found
from facelandmarks.model import STANDARD, Model
from facelandmarks.results import Crops, image_record
from facelandmarks.stream import stream, usable_cpus
from facelandmarks.zoo import DEFAULT_MODEL

if TYPE_CHECKING:
    import pyarrow as pa

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
    check_counts(batch_size, workers)
    paths, threads = paths_of(images), min(usable_cpus(), MOST_WORKERS) if workers is None else workers
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
        done = stream(model, paths, prepare, batch=batch_size, workers=threads, ahead=BATCHES_AHEAD * batch_size)
        with closing(done):
            for batch in done:
                yield [
                    image_record(image, model.spec.name, None, found)
                    if isinstance(found, str)
                    else image_record(image, model.spec.name, model.result(found, decoded), None)
                    for (image, found), decoded in batch
                ]

    return records()


def check_counts(batch_size: int, workers: int | None) -> None:
    """Refuse a number of images or threads that is none."""
    if not (is_whole(batch_size, 1) and (workers is None or is_whole(workers, 1))):
        got = f"{batch_size!r} and {workers!r}"
        raise InvalidOptionError(f"batch_size and workers must be whole numbers from 1 to {MOST}; got {got}")


class RayPredictor:
    """A model as a callable class for `ray.data.Dataset.map_batches` (extra `ray`); see `examples/ray_bulk.py`.

    >>> os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # else Ray reports home  # doctest: +SKIP
    >>> import ray  # doctest: +SKIP
    >>> images = ray.data.from_items([{"path": "a.jpg"}, {"path": "b.jpg"}])  # doctest: +SKIP
    >>> images.map_batches(RayPredictor, batch_size=64, compute=ray.data.ActorPoolStrategy(size=2))  # doctest: +SKIP

    Each actor loads the model once. An image that cannot be read becomes a row that says so.

    Parameters
    ----------
    column
        The column of the batches that holds paths, which every machine of the cluster must be able to read.
    find
        How faces are found; its fields are options of `Model.predict`.
    workers
        Threads of an actor that read images; None: one per core, at most 16. Ask Ray for as many CPUs.
    load
        Arguments of `load_model` besides the name: `{"device": "cuda"}`.
    """

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        *,
        column: str = "path",
        find: Find = STANDARD,
        workers: int | None = None,
        load: Mapping[str, Any] | None = None,
    ) -> None:
        from facelandmarks.api import load_model

        arrow_schema()
        self._model = load_model(model, **(load or {}))
        self._column = column
        self._predict: Callable[..., Iterator[Row]] = partial(predict_rows, find=find, workers=workers)

    def __call__(self, batch: Mapping[str, Any]) -> "pa.Table":
        """Return the rows of a batch, with the columns of `facelandmarks.bulk.tables.arrow_schema`."""
        if self._column not in batch:
            raise InvalidOptionError(f"the batches have no column {self._column!r}; they have {', '.join(batch)}")
        return to_arrow(self._predict(self._model, [str(path) for path in batch[self._column]]))
