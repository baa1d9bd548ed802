"""From crops to points on the network's device: only uint8 crops go there, only points and scores come back."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facelandmarks.decode.on_device import bind
from facelandmarks.pipeline import DECODERS
from facelandmarks.results import Decoded
from facelandmarks.zoo.spec import ModelSpec

WARM_UPS = 3  # runs before capture, in which libraries choose algorithms and allocate memory


class PointsOnDevice:
    """Network, flip test, average and decoding, all on the device. May be called from many threads.

    `forward` turns crops uint8 (N, H, W, 3) on the device into the network's output, float32. With `cuda_graphs` all of
    it is captured once for each power of two of crops, and replayed; batches are padded.
    """

    def __init__(
        self, forward: Callable[[Tensor], Tensor], spec: ModelSpec, device: torch.device, cuda_graphs: bool = False
    ) -> None:
        self._forward, self._device = forward, device
        self._spec, self._after = spec, bind(spec, device)
        self._graphs = _Graphs(self._packed, device) if cuda_graphs else None

    def __call__(self, pixels: NDArray[np.uint8]) -> Decoded:
        """Return what the decoder gives for crops, see `ToPoints`."""
        crops = torch.from_numpy(np.ascontiguousarray(pixels))
        if self._device.type == "cuda":
            crops = crops.pin_memory()  # copies from other memory wait for the device
        with torch.inference_mode():
            if self._graphs is not None:
                packed = self._graphs(crops)
            else:
                packed = self._packed(crops.to(self._device, non_blocking=True)).cpu()  # the one wait
        array = packed.numpy()
        return DECODERS[self._spec.decode].result((array[..., :2], *np.moveaxis(array[..., 2:], -1, 0)))

    def _packed(self, crops: Tensor) -> Tensor:
        """Return points and all else in one tensor (N, K, 3 or 4), so that one copy fetches all."""
        if self._spec.flip_test:
            outputs = self._after.average(*self._forward(torch.cat([crops, crops.flip(2)])).chunk(2))
        else:
            outputs = self._forward(crops)
        points, *others = self._after.decode(outputs)
        return torch.cat([points, *(other[..., None] for other in others)], dim=-1)


class _Graph:
    """A captured run of a function: the tensor it reads, the graph that repeats it, and the tensor it writes."""

    def __init__(self, function: Callable[[Tensor], Tensor], crops: Tensor, pool: Any) -> None:
        self.crops = crops
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UPS):
                function(crops)
        torch.cuda.current_stream().wait_stream(aside)
        self.graph = torch.cuda.CUDAGraph()
        # Other threads may keep using the device meanwhile.
        with torch.cuda.graph(self.graph, pool=pool, capture_error_mode="thread_local"):
            self.result = function(crops)


class _Graphs:
    """A function of a batch on a CUDA device, captured once for each power of two."""

    def __init__(self, function: Callable[[Tensor], Tensor], device: torch.device) -> None:
        self._function, self._device = function, device
        self._captured: dict[tuple[int, ...], _Graph] = {}
        self._lock = threading.Lock()
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, crops: Tensor) -> Tensor:
        """Return the function's result on the host for crops on the host."""
        count = len(crops)
        shape = (batch_size(count), *crops.shape[1:])
        # All graphs share their memory, so a result must be fetched before the next one runs.
        with self._lock, torch.cuda.device(self._device):
            if shape not in self._captured:
                empty = torch.zeros(shape, dtype=torch.uint8, device=self._device)
                self._captured[shape] = _Graph(self._function, empty, self._pool)
            captured = self._captured[shape]
            captured.crops[:count].copy_(crops, non_blocking=True)
            captured.graph.replay()
            return captured.result[:count].cpu()


def batch_size(count: int) -> int:
    """Return the next power of two."""
    return 1 << (count - 1).bit_length()
