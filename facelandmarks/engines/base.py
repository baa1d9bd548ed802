"""What every engine offers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from facelandmarks.results import Decoded
from facelandmarks.zoo.spec import ModelSpec

# Crops uint8 (N, H, W, 3) to what `pipeline.Pipeline.decode` gives, flip test included.
ToPoints = Callable[[NDArray[np.uint8]], Decoded]


NOT_RUN = "not yet run on a GPU: its arithmetic is tested on the CPU only (docs/engines.md)"


@dataclass(frozen=True)
class EngineInfo:
    """What really runs, and in `note` what is not known of it."""

    engine: str
    version: str
    device: str
    dtype: str
    threads: int
    weights: str | None = None  # their SHA-256, if known
    note: str | None = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "note", None if self.device.lower().startswith("cpu") else NOT_RUN)


class Engine(Protocol):
    """Turns crops into the raw output of a network. May be called from many threads."""

    @property
    def info(self) -> EngineInfo:
        """What really runs."""

    def run(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the network's output for RGB crops (N, H, W, 3), N at least 1; its first axis is N."""


@runtime_checkable
class PointsEngine(Protocol):
    """An engine that can also do what follows the network, where the network's output is slow to fetch."""

    def points_of(self, spec: ModelSpec) -> ToPoints | None:
        """Return flip test, average and decoding of a record; None: `Engine.run` and arrays are faster."""
