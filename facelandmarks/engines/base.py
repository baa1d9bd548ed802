"""What every engine offers."""

import os
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


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
