"""OpenVINO."""

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facelandmarks._threads import PerProcess
from facelandmarks.engines.base import EngineInfo, usable_cpus
from facelandmarks.errors import DeviceError, InvalidOptionError, MissingDependencyError

# What OpenVINO calls a number type as a hint, and among what a device can do.
DTYPES = {"float32": ("f32", "FP32"), "bfloat16": ("bf16", "BF16"), "float16": ("f16", "FP16")}


class OpenVinoEngine:
    """An ONNX graph (`facelandmarks.nn.onnx_graph`) in OpenVINO.

    Parameters
    ----------
    graph
        The file, or its bytes.
    device
        `"cpu"`, or another device of OpenVINO such as `"gpu"` (Intel's); `"auto"` is the CPU.
    dtype
        `"float32"`, or `"bfloat16"` or `"float16"` where the device has arithmetic for it.
    threads
        CPU threads of one call; None: all that the process may use.

    Raises
    ------
    MissingDependencyError
        If OpenVINO is not installed.
    DeviceError
        If the device cannot be had; from `run`, in a process that was forked after the engine was made.
    InvalidOptionError
        If the device has no arithmetic for the number type.
    """

    def __init__(
        self, graph: Path | bytes, *, device: str = "auto", dtype: str = "float32", threads: int | None = None
    ) -> None:
        self._arguments = (graph, device, dtype, threads)
        self._device, self._threads = "CPU" if device == "auto" else device.upper(), threads or usable_cpus()
        self._process = os.getpid()
        self._model, self._requests = self._compile(), threading.local()

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, self._arguments

    @property
    def info(self) -> EngineInfo:
        """What really runs."""
        import openvino

        version = openvino.get_version().split("-")[0]
        return EngineInfo("openvino", version, self._device.lower(), self._arguments[2], self._threads)

    def run(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The network's output, float32, for crops uint8 (N, H, W, 3) RGB; N of at least 1."""
        if os.getpid() != self._process:  # it would wait for ever for threads that stayed in the parent
            raise DeviceError(
                "OpenVINO does not work in a forked process: load the model there, start the process by 'spawn', or "
                "take engine='onnxruntime'"
            )
        if not hasattr(self._requests, "own"):
            self._requests.own = self._model.create_infer_request()  # one a thread: a request is not to be shared
        found = self._requests.own.infer([np.ascontiguousarray(pixels)])
        output: NDArray[np.float32] = found[0]
        return output

    def _compile(self) -> Any:
        core = _CORE.get()
        graph, _, dtype, _ = self._arguments
        if self._device.split(".")[0] not in {name.split(".")[0] for name in core.available_devices}:
            there = ", ".join(name.lower() for name in core.available_devices)
            raise DeviceError(f"OpenVINO has no device {self._device.lower()!r} here; there are: {there}")
        hint, capability = DTYPES[dtype]
        if capability not in core.get_property(self._device, "OPTIMIZATION_CAPABILITIES"):
            raise InvalidOptionError(
                f"{self._device.lower()} has no arithmetic for {dtype} that OpenVINO uses; take dtype='float32', or "
                "engine='torch'"
            )
        options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": hint}
        if self._device == "CPU":
            options["INFERENCE_NUM_THREADS"] = self._threads
        model = core.read_model(graph if isinstance(graph, bytes) else os.fspath(graph))
        return core.compile_model(model, self._device, options)


def _make_core() -> Any:
    try:
        import openvino
    except ImportError as error:
        raise MissingDependencyError(
            "engine 'openvino' needs OpenVINO: pip install 'facelandmarks-zoo[openvino]'"
        ) from error
    return openvino.Core()


# One for all engines, and never freed. Each core gives the thread that makes it a stack for signal handlers, unmaps it
# when it goes, and puts back the one before it, in the thread where it goes. If two go in the order in which they came,
# or one goes in another thread, a thread is left with an unmapped stack, and its next signal with a handler in Python
# (Ctrl-C; SIGCHLD, once PyTorch's DataLoader had workers) ends the process by SIGSEGV. So it is in 2026.4.
_CORE = PerProcess(_make_core)


def _again(graph: Path | bytes, device: str, dtype: str, threads: int | None) -> OpenVinoEngine:
    return OpenVinoEngine(graph, device=device, dtype=dtype, threads=threads)
