"""PyTorch: batch norms folded into the convolutions, channels last; eager, compiled, or as CUDA graphs."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facelandmarks.engines.base import EngineInfo, ToPoints
from facelandmarks.engines.torch_points import PointsOnDevice
from facelandmarks.errors import DeviceError, InvalidOptionError
from facelandmarks.nn.fuse import fuse_batch_norms
from facelandmarks.zoo.spec import ModelSpec

DEVICES = ("cpu", "cuda", "mps")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


_FORKED = threading.Event()  # set in a child that was forked


def _after_fork() -> None:
    """OpenMP's threads do not survive a fork, and a child would wait for them for ever: it computes with one."""
    torch.set_num_threads(1)
    _FORKED.set()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def pick_device(wanted: str) -> torch.device:
    """The device of that name; `"auto"` takes CUDA, then MPS, then the CPU.

    Raises
    ------
    DeviceError
        If a device was asked for that this machine or this build of PyTorch does not have.
    """
    if wanted == "auto":
        kind = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device(kind)
    try:
        device = torch.device(wanted)
        if device.type not in DEVICES:
            raise NotImplementedError(f"it is none of {', '.join(DEVICES)}")
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise DeviceError(f"device {wanted!r} cannot be used here: {reason}. Try device='cpu' or 'auto'") from error
    return device


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """That many threads for what the calling thread does.

    PyTorch's number belongs to each thread: others that run at the same time keep theirs, and this one gets its own
    back. But a thread whose first use of PyTorch falls into this time takes the number over; who needs certainty gives
    `threads` to every model, or calls `torch.set_num_threads` in each thread.
    """
    if count is None or _FORKED.is_set():
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class TorchEngine:
    """A network on a device.

    Parameters
    ----------
    network
        With its weights loaded; changed in place.
    mean, std
        Per channel, on the scale 0 to 255.
    device
        `"auto"`, or a name that PyTorch knows.
    dtype
        `"float32"`, `"bfloat16"` or `"float16"`.
    threads
        CPU threads of one call; None leaves PyTorch's setting alone.
    compile_for
        Width and height of crops for which the network is compiled (`torch.compile`); None: eager. Takes a minute or
        so, and once more at the first batch of another size.
    cuda_graphs
        Whether `points_of` records what it does as CUDA graphs, one for each power of two of crops.

    Raises
    ------
    DeviceError
        If the device cannot be had, or the network cannot be compiled here.
    InvalidOptionError
        If an option has no such value, or CUDA graphs are wanted on another device.
    """

    def __init__(
        self,
        network: nn.Module,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
        *,
        device: str = "auto",
        dtype: str = "float32",
        threads: int | None = None,
        compile_for: tuple[int, int] | None = None,
        cuda_graphs: bool = False,
    ) -> None:
        if dtype not in DTYPES:
            raise InvalidOptionError(f"dtype must be one of {', '.join(DTYPES)}; got {dtype!r}")
        if threads is not None and threads < 1:
            raise InvalidOptionError(f"threads must be at least 1; got {threads}")
        self._device, self._dtype, self._thread_count = pick_device(device), DTYPES[dtype], threads
        if cuda_graphs and self._device.type != "cuda":
            raise InvalidOptionError(f"cuda_graphs=True needs a CUDA device; this model runs on {self._device}")
        self._cuda_graphs = cuda_graphs
        network.eval().requires_grad_(False)
        fuse_batch_norms(network)
        self._network = network.to(self._device, self._dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._mean = torch.tensor(mean, device=self._device).view(3, 1, 1)
        self._inverse_std = 1.0 / torch.tensor(std, device=self._device).view(3, 1, 1)
        if compile_for is not None:
            self._compile(compile_for)

    @property
    def info(self) -> EngineInfo:
        """What really runs."""
        threads = self._thread_count or torch.get_num_threads()
        name = str(self._dtype).removeprefix("torch.")
        return EngineInfo("torch", torch.__version__, str(self._device), name, threads)

    def run(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The network's output, float32, for crops uint8 (N, H, W, 3) RGB; N of at least 1."""
        with torch.inference_mode(), _threads(self._thread_count):
            crops = torch.from_numpy(np.ascontiguousarray(pixels)).to(self._device)
            # Networks run channels-last; decoders read map by map, and would copy slowly what PyTorch copies fast.
            return self._forward(crops).contiguous().cpu().numpy()

    def points_of(self, spec: ModelSpec) -> ToPoints | None:
        """On a GPU, all that follows the network stays there; on a CPU NumPy and OpenCV are faster."""
        if self._device.type == "cpu":
            return None
        return PointsOnDevice(self._forward, spec, self._device, self._cuda_graphs)

    def _forward(self, crops: Tensor) -> Tensor:
        """The network's output, float32, for crops uint8 (N, H, W, 3) on its device."""
        output: Tensor = self._network(self._normalise(crops))
        return output.float()

    def _compile(self, size: tuple[int, int]) -> None:
        eager = self._network
        self._network = torch.compile(eager)
        try:
            self.run(np.zeros((1, *size[::-1], 3), np.uint8))
        except (RuntimeError, OSError, ImportError) as error:  # what PyTorch's compilers raise, and what starts them
            reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise DeviceError(f"the network cannot be compiled here: {reason}. Load it without compile=True") from error

    def _normalise(self, crops: Tensor) -> Tensor:
        # A permuted channels-last array is already in the memory order that the convolutions want.
        return ((crops.permute(0, 3, 1, 2).float() - self._mean) * self._inverse_std).to(self._dtype)
