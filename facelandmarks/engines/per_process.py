"""Things that do not survive a fork."""

import os
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


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
