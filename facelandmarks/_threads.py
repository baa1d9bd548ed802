"""Work done by threads a little ahead of where its results are used."""

import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from itertools import islice
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_order(pool: Executor, function: Callable[[T], R], items: Iterable[T], ahead: int) -> Generator[R, None, None]:
    """Results of a function in the order of its items; an error is raised in its turn.

    Unlike `Executor.map` it takes no more than `ahead` items before they are needed, and drops the rest when it is
    closed or something fails.

    Parameters
    ----------
    pool
        Runs the function.
    function, items
        What is done with each.
    ahead
        How many are begun before the first is asked for, at most.
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
    """Results of a function in the order of its items, from a thread that does nothing else; for networks.

    With the thread the network has a heap to itself (glibc). What is kept of each face would otherwise come to lie in
    the holes that heatmaps leave, and every batch would need new memory: copy what is kept of the results.
    """
    with ThreadPoolExecutor(1) as own:
        yield from in_order(own, function, items, 1)


class PerProcess(Generic[T]):
    """One thing a process, made when it is first asked for.

    The thread pools of inference libraries stay behind in the parent when a process forks, and the child would wait
    for them for ever.

    Parameters
    ----------
    make
        Makes it.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        # By process. Those of parents are never freed: that would wait for their threads too.
        self._made: dict[int, T] = {}
        self._locks: dict[int, threading.Lock] = {}  # a parent's may be held, and nobody is left to release it

    def get(self) -> T:
        """The thing of this process."""
        process = os.getpid()
        if process not in self._made:
            with self._locks.setdefault(process, threading.Lock()):
                if process not in self._made:
                    self._made[process] = self._make()
        return self._made[process]
