"""OpenVINO."""

import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facelandmarks.engines.base import EngineInfo
from facelandmarks.errors import DeviceError, InvalidOptionError, hint_at, require
from facelandmarks.stream import PerProcess, usable_cpus

if TYPE_CHECKING:
    from facelandmarks.engines.choose import EngineSettings

TELEMETRY = "openvino_telemetry"
# OpenVINO's names of a number type: as a hint, and among the capabilities of a device.
HINTS = {"float32": ("f32", "FP32"), "bfloat16": ("bf16", "BF16"), "float16": ("f16", "FP16")}


class OpenVinoEngine:
    """An ONNX graph (a file or its bytes, see `facelandmarks.nn.build`) in OpenVINO.

    Devices are `"cpu"`, or others of OpenVINO such as `"gpu"` (Intel's); `"auto"` is the CPU. Without `threads` it uses
    all processors that the process may use. `weights` is the SHA-256 of the weights. `run` raises `DeviceError` in a
    process that was forked after the engine was made.
    """

    def __init__(self, graph: Path | bytes, settings: "EngineSettings", weights: str | None = None) -> None:
        self._arguments = (graph, settings, weights)
        self._device = "CPU" if settings.device == "auto" else settings.device.upper()
        self._threads = settings.threads or usable_cpus()
        self._process = os.getpid()
        self._requests = threading.local()
        core = _CORE.get()
        if self._device.split(".")[0] not in {name.split(".")[0] for name in core.available_devices}:
            hint = hint_at(self._device.lower(), [name.lower() for name in core.available_devices])
            raise DeviceError(f"OpenVINO has no device {self._device.lower()!r} here; {hint}")
        hint, capability = HINTS[settings.dtype]
        if capability not in core.get_property(self._device, "OPTIMIZATION_CAPABILITIES"):
            raise InvalidOptionError(
                f"OpenVINO has no arithmetic for {settings.dtype} on {self._device.lower()} here; use dtype='float32' "
                "or engine='torch'"
            )
        options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": hint}
        if self._device == "CPU":
            options["INFERENCE_NUM_THREADS"] = self._threads
            # Else int8 weights make OpenVINO round activations too: scores move by up to 0.09 (2026.4).
            options["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = 0
        model = core.read_model(graph if isinstance(graph, bytes) else os.fspath(graph))
        self._model = core.compile_model(model, self._device, options)

    def __reduce__(self) -> tuple[Any, ...]:
        return OpenVinoEngine, self._arguments

    @property
    def info(self) -> EngineInfo:
        """What really runs."""
        version = import_openvino().get_version().split("-")[0]
        _, settings, weights = self._arguments
        return EngineInfo("openvino", version, self._device.lower(), settings.dtype, self._threads, weights)

    def run(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the network's output for RGB crops (N, H, W, 3), N at least 1; its first axis is N."""
        if os.getpid() != self._process:  # it would wait for ever for threads that stayed in the parent
            raise DeviceError(
                "OpenVINO does not work in a forked process: load the model there, start the process by 'spawn', or "
                "use engine='onnxruntime'"
            )
        if not hasattr(self._requests, "own"):
            self._requests.own = self._model.create_infer_request()  # one per thread: requests cannot be shared
        output: NDArray[np.float32] = self._requests.own.infer([np.ascontiguousarray(pixels)])[0]
        return output


def import_openvino() -> Any:
    """Import OpenVINO without its telemetry, which resolves a host of Google and writes to the home folder.

    There is no switch for it, but OpenVINO does without the package. A user who has imported it already keeps it.
    """
    without = sys.modules.setdefault(TELEMETRY, None) is None  # type: ignore[arg-type]
    try:
        return require("openvino", "engine 'openvino'", "'facelandmarks-zoo[openvino]'")
    finally:
        if without:
            sys.modules.pop(TELEMETRY, None)


# One per process, never freed: a core installs an alternate signal stack in its thread. Destroying cores out of order,
# or in another thread, leaves a dangling stack, and the next signal with a handler in Python (Ctrl-C; SIGCHLD, once
# PyTorch's DataLoader had workers) ends the process by SIGSEGV (OpenVINO 2026.4).
_CORE = PerProcess(lambda: import_openvino().Core())
