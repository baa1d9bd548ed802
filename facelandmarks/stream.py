"""Many images through one model: read ahead in threads, batches across images, results in order."""

from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import islice, pairwise
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from facelandmarks._threads import in_order, in_own_thread, usable_cpus
from facelandmarks.results import Crops, Decoded

if TYPE_CHECKING:
    from facelandmarks.model import Model

WORKERS = min(4, usable_cpus())  # threads that read images ahead of the network
IMAGES_AHEAD = 16

Item = TypeVar("Item")
Tag = TypeVar("Tag")


def stream(
    model: "Model",
    items: Iterable[Item],
    prepare: Callable[[Item], tuple[Tag, Crops | None]],
    *,
    batch: int | None = None,
    workers: int = WORKERS,
    ahead: int = IMAGES_AHEAD,
) -> Generator[list[tuple[Tag, Decoded]], None, None]:
    """Run a model on many items: threads prepare them ahead, the network runs in a thread of its own.

    Yields one batch after the other, in the order of the items.

    Parameters
    ----------
    model, items
        At most `ahead` items are begun before they are needed.
    prepare
        Turns an item into a tag and its crops (None: none), in `workers` threads; what it raises is raised in its turn.
    batch
        Items in one batch; None: as many as fill a batch of the network.
    """

    def run(parts: list[tuple[Tag, Crops | None]]) -> tuple[list[tuple[Tag, Crops | None]], Decoded]:
        return parts, model.infer(Crops.join([crops for _, crops in parts if crops is not None]))

    with ThreadPoolExecutor(workers) as readers, closing(in_order(readers, prepare, items, ahead)) as prepared:
        batches = _filled(prepared, model.batch) if batch is None else iter(lambda: list(islice(prepared, batch)), [])
        with closing(in_own_thread(run, batches)) as done:
            for parts, decoded in done:
                # Copied in one block: what is kept must not lie in the network's heap (`in_own_thread`).
                kept = decoded.copy()
                ends = np.cumsum([0, *(0 if crops is None else len(crops) for _, crops in parts)])
                yield [(tag, kept[first:last]) for (tag, _), (first, last) in zip(parts, pairwise(ends), strict=True)]


def _filled(prepared: Iterable[tuple[Tag, Crops | None]], size: int) -> Iterator[list[tuple[Tag, Crops | None]]]:
    """Gather as many items as fill a batch of the network."""
    waiting: list[tuple[Tag, Crops | None]] = []
    for part in prepared:
        waiting.append(part)
        if sum(len(crops) for _, crops in waiting if crops is not None) >= size or len(waiting) >= size:
            yield waiting
            waiting = []
    if waiting:
        yield waiting
