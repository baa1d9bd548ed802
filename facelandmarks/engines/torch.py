"""PyTorch: batch norms folded into the convolutions, channels last; eager, compiled, or as CUDA graphs.

On a device only uint8 crops go there, and only points and scores come back.
"""

import os
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facelandmarks.decode.on_device import bind
from facelandmarks.engines import TORCH_DEVICES
from facelandmarks.engines.base import EngineInfo, ToPoints
from facelandmarks.errors import DeviceError, InvalidOptionError
from facelandmarks.nn.build import Normalised, fuse_batch_norms
from facelandmarks.pipeline import DECODERS
from facelandmarks.results import Decoded
from facelandmarks.zoo.spec import ModelSpec

if TYPE_CHECKING:
    from facelandmarks.engines.choose import EngineSettings

_FORKED = threading.Event()  # set in a child that was forked


if hasattr(os, "register_at_fork"):
    # A forked child computes with one thread: OpenMP's threads do not survive, and it would wait for ever.
    os.register_at_fork(after_in_child=partial(torch.set_num_threads, 1))
    os.register_at_fork(after_in_child=_FORKED.set)


def pick_device(wanted: str) -> torch.device:
    """Return the device of that name, or raise `DeviceError`; `"auto"` takes CUDA, then MPS, then the CPU."""
    if wanted == "auto":
        kind = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device(kind)
    try:
        device = torch.device(wanted)
        if device.type not in TORCH_DEVICES:
            raise NotImplementedError(f"expected one of {', '.join(TORCH_DEVICES)}")
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise DeviceError(f"device {wanted!r} cannot be used here: {reason}. Try device='cpu' or 'auto'") from error
    return device


class TorchEngine:
    """A network on a device, with its weights loaded; it is changed in place.

    `mean` and `std` are per channel, on the scale 0 to 255; `weights` is the SHA-256 of the weights. The device is
    `"auto"`, or a name that PyTorch knows. Threads are CPU threads of one call; None keeps PyTorch's setting.
    `cuda_graphs` captures what `points_of` does, once for each power of two of crops. A compiled network is tried at
    crops of `size` (W, H): this takes a minute or so, and again at the first batch of another size. `DeviceError` if
    the device cannot be used, or the network not be compiled here.
    """

    def __init__(
        self,
        network: nn.Module,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
        settings: "EngineSettings",
        size: tuple[int, int] | None = None,
        weights: str | None = None,
    ) -> None:
        self._settings, self._weights, self._device = settings, weights, pick_device(settings.device)
        if settings.cuda_graphs and self._device.type != "cuda":
            raise InvalidOptionError(f"cuda_graphs=True needs a CUDA device; this model runs on {self._device}")
        network.eval().requires_grad_(False)
        fuse_batch_norms(network)
        dtype: torch.dtype = getattr(torch, settings.dtype)
        network = network.to(self._device, dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if settings.compile:
            network = torch.compile(network)  # type: ignore[assignment]
        self._network = Normalised(network, mean, std, dtype=dtype).to(self._device)
        if settings.compile and size is not None:
            try:
                self.run(np.zeros((1, *size[::-1], 3), np.uint8))  # PyTorch compiles at the first call
            except (RuntimeError, OSError, ImportError) as error:  # of the compilers, and of what starts them
                reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
                hint = "Load it without compile=True"
                raise DeviceError(f"the network cannot be compiled here: {reason}. {hint}") from error

    @property
    def info(self) -> EngineInfo:
        """What really runs."""
        threads = self._settings.threads or torch.get_num_threads()
        device, dtype = str(self._device), self._settings.dtype
        return EngineInfo("torch", torch.__version__, device, dtype, threads, self._weights)

    def run(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the network's output for RGB crops (N, H, W, 3), N at least 1; its first axis is N."""
        with torch.inference_mode(), ExitStack() as afterwards:
            # PyTorch keeps this number per thread: other threads that run meanwhile are not affected, and this one is
            # restored. But a thread that first uses PyTorch meanwhile inherits it. To rule that out, give `threads` to
            # every model, or call `torch.set_num_threads` in each thread.
            if self._settings.threads is not None and not _FORKED.is_set():
                afterwards.callback(torch.set_num_threads, torch.get_num_threads())
                torch.set_num_threads(self._settings.threads)
            crops = torch.from_numpy(np.ascontiguousarray(pixels)).to(self._device)
            # Networks run channels-last; decoders read map by map, and would copy slowly what PyTorch copies fast.
            return self.forward(crops).contiguous().cpu().numpy()

    def points_of(self, spec: ModelSpec) -> ToPoints | None:
        """Return what keeps all work after the network on a GPU; None on a CPU, where NumPy and OpenCV are faster."""
        if self._device.type == "cpu":
            return None
        return PointsOnDevice(self.forward, spec, self._device, self._settings.cuda_graphs)

    def forward(self, crops: Tensor) -> Tensor:
        """Return the network's output, float32, for crops uint8 (N, H, W, 3) on its device."""
        output: Tensor = self._network(crops)
        return output.float()


WARM_UPS = 3  # runs before capture, in which libraries choose algorithms and allocate memory


class PointsOnDevice:
    """Network (`TorchEngine.forward`), flip test, average and decoding, all on the device, from any thread."""

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


class _Graphs:
    """A function of a batch on a CUDA device, captured once for each power of two; batches are padded to that."""

    def __init__(self, function: Callable[[Tensor], Tensor], device: torch.device) -> None:
        self._function, self._device = function, device
        self._captured: dict[tuple[int, ...], tuple[Tensor, torch.cuda.CUDAGraph, Tensor]] = {}
        self._lock = threading.Lock()
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, crops: Tensor) -> Tensor:
        """Return the function's result on the host for crops on the host."""
        count = len(crops)
        shape = (batch_size(count), *crops.shape[1:])
        # All graphs share their memory, so a result must be fetched before the next one runs.
        with self._lock, torch.cuda.device(self._device):
            if shape not in self._captured:
                self._captured[shape] = self.capture(torch.zeros(shape, dtype=torch.uint8, device=self._device))
            given, graph, result = self._captured[shape]
            given[:count].copy_(crops, non_blocking=True)
            graph.replay()
            return result[:count].cpu()

    def capture(self, crops: Tensor) -> tuple[Tensor, torch.cuda.CUDAGraph, Tensor]:
        """Return the tensor that a captured run reads, the graph that repeats it, and the tensor that it writes."""
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UPS):
                self._function(crops)
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        # Other threads may keep using the device meanwhile.
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            result = self._function(crops)
        return crops, graph, result


def batch_size(count: int) -> int:
    """Return the next power of two."""
    return 1 << (count - 1).bit_length()
