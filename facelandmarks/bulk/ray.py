"""Rows on a cluster: what Ray Data calls with batches of paths. Needs no Ray to be imported."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from facelandmarks.bulk.stream import predict_rows
from facelandmarks.bulk.tables import Row, arrow_schema, to_arrow
from facelandmarks.errors import InvalidOptionError
from facelandmarks.rotations import UPRIGHT, check_rotations
from facelandmarks.zoo import DEFAULT_MODEL

if TYPE_CHECKING:
    import pyarrow as pa


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
    detector, min_score, max_faces, largest, rotations
        As in `Model.predict`.
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
        detector: str = "auto",
        min_score: float | None = None,
        max_faces: int | None = None,
        largest: bool = False,
        rotations: Sequence[int] = UPRIGHT,
        workers: int | None = None,
        load: Mapping[str, Any] | None = None,
    ) -> None:
        from facelandmarks.api import load_model

        arrow_schema()
        check_rotations(rotations)
        self._model = load_model(model, **(load or {}))
        self._column = column
        find: dict[str, Any] = {"detector": detector, "min_score": min_score, "rotations": tuple(rotations)}
        find |= {"max_faces": max_faces, "largest": largest}
        self._predict: Callable[..., Iterator[Row]] = partial(predict_rows, workers=workers, **find)

    def __call__(self, batch: Mapping[str, Any]) -> "pa.Table":
        """Return the rows of a batch, with the columns of `facelandmarks.bulk.tables.arrow_schema`."""
        if self._column not in batch:
            raise InvalidOptionError(f"the batches have no column {self._column!r}; they have {', '.join(batch)}")
        return to_arrow(self._predict(self._model, [str(path) for path in batch[self._column]]))
