"""What every engine offers."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from facelandmarks.zoo.spec import ModelSpec

# Crops uint8 (N, H, W, 3) to points (N, K, 2) in pixels of the crop and scores (N, K), flip test included.
ToPoints = Callable[[NDArray[np.uint8]], tuple[NDArray[np.float32], NDArray[np.float32]]]


@dataclass(frozen=True)
class EngineInfo:
    """What really runs: engine and its version, device, number type, threads."""

    engine: str
    version: str
    device: str
    dtype: str
    threads: int


class Engine(Protocol):
    """Crops in, raw network output out. May be called from many threads."""

    @property
    def info(self) -> EngineInfo:
        """What really runs."""

    def run(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The network's output, float32, for crops uint8 (N, H, W, 3) RGB; N of at least 1."""


def usable_cpus() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@runtime_checkable
class PointsEngine(Protocol):
    """An engine that can do what follows the network as well, where the network's output lies far away."""

    def points_of(self, spec: ModelSpec) -> ToPoints | None:
        """Flip test, average and decoding of a record; None: better done on arrays from `Engine.run`."""
