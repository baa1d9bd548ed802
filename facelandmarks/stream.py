"""Threads: images read ahead of a model, results in order, and objects that processes must not share."""

import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from facelandmarks.results import Crops, Decoded

if TYPE_CHECKING:
    from facelandmarks.model import Model

T = TypeVar("T")
R = TypeVar("R")
Item = TypeVar("Item")
Tag = TypeVar("Tag")


def usable_cpus() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(pool: Executor, function: Callable[[T], R], items: Iterable[T], ahead: int) -> Generator[R, None, None]:
    """Yield a function's results in the order of its items; an error is raised in its turn.

    Unlike `Executor.map` it takes at most `ahead` items before they are needed, and drops the rest when it is closed or
    something fails.
    """
    left = iter(items)
    begun: deque[Future[R]] = deque(pool.submit(function, item) for item in islice(left, ahead))
    try:
        while begun:
            result = begun.popleft().result()
            begun.extend(pool.submit(function, item) for item in islice(left, 1))
            yield result
    finally:
        for future in begun:
            future.cancel()


def in_own_thread(function: Callable[[T], R], items: Iterable[T]) -> Generator[R, None, None]:
    """Yield a function's results in the order of its items, from a thread that does nothing else; for networks.

    There the network has its own heap (glibc); else results that are kept would settle in the holes that heatmaps
    leave, and every batch would need new memory. Copy what you keep of the results.
    """
    with ThreadPoolExecutor(1) as own:
        yield from in_order(own, function, items, 1)


WORKERS = min(4, usable_cpus())  # threads that read images ahead of the network
IMAGES_AHEAD = 16


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


class PerProcess(Generic[T]):
    """One object a process, made by `make` when it is first needed.

    A fork leaves the thread pools of inference libraries behind, and the child would wait for them for ever.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        # By process. Objects of parents are never freed: that would wait for their threads too.
        self._made: dict[int, T] = {}
        self._locks: dict[int, threading.Lock] = {}  # a parent's may be locked, with no thread left to release it

    def get(self) -> T:
        """Return the object of this process."""
        process = os.getpid()
        if process not in self._made:
            with self._locks.setdefault(process, threading.Lock()):
                if process not in self._made:
                    self._made[process] = self._make()
        return self._made[process]
