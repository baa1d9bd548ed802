"""Rows on a cluster: what Ray Data calls with batches of paths. Needs no Ray to be imported."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from facelandmarks.bulk.stream import predict_rows
from facelandmarks.bulk.tables import Row, arrow_schema, to_arrow
from facelandmarks.errors import InvalidOptionError
from facelandmarks.finding import Find
from facelandmarks.model import STANDARD
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
