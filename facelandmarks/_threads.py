"""Threads: work a little ahead of its results, and objects that must not be shared between processes."""

import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from itertools import islice
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


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
