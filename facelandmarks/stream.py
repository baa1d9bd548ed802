"""Many images through one model: read ahead in threads, batches across images, results in order."""

from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import pairwise
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
    """Run a model on many items, and yield one batch after the other, in their order.

    `prepare` turns an item into a tag and its crops (None: none), in `workers` threads, at most `ahead` items before
    they are needed; what it raises is raised in its turn. The network runs in a thread of its own. A batch has `batch`
    items; None: as many as fill one of the network.
    """

    def run(parts: list[tuple[Tag, Crops | None]]) -> tuple[list[tuple[Tag, Crops | None]], Decoded]:
        return parts, model.infer(Crops.join([crops for _, crops in parts if crops is not None]))

    def batches(prepared: Iterable[tuple[Tag, Crops | None]]) -> Iterator[list[tuple[Tag, Crops | None]]]:
        parts, crops = [], 0
        for part in prepared:
            parts.append(part)
            crops += 0 if part[1] is None else len(part[1])
            if len(parts) >= (batch or model.batch) or (batch is None and crops >= model.batch):
                yield parts
                parts, crops = [], 0
        if parts:
            yield parts

    with (
        ThreadPoolExecutor(workers) as readers,
        closing(in_order(readers, prepare, items, ahead)) as prepared,
        closing(in_own_thread(run, batches(prepared))) as done,
    ):
        for parts, decoded in done:
            # Copied in one block: what is kept must not lie in the network's heap (`in_own_thread`).
            kept = decoded.copy()
            ends = np.cumsum([0, *(0 if crops is None else len(crops) for _, crops in parts)])
            yield [(tag, kept[first:last]) for (tag, _), (first, last) in zip(parts, pairwise(ends), strict=True)]
