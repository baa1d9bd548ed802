"""ONNX Runtime."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facelandmarks.engines.base import EngineInfo
from facelandmarks.errors import DeviceError, require
from facelandmarks.stream import PerProcess, usable_cpus

if TYPE_CHECKING:
    from facelandmarks.engines.choose import EngineSettings

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxRuntimeEngine:
    """An ONNX graph (a file or its bytes, see `facelandmarks.nn.build`) in ONNX Runtime, float32.

    Devices are `"cpu"`, `"cuda"` and `"cuda:1"`; `"auto"` is the CPU. Without `threads` it uses all processors that the
    process may use. `weights` is the SHA-256 of the weights; `sessions.get()` is the session of this process.
    """

    def __init__(self, graph: Path | bytes, settings: "EngineSettings", weights: str | None = None) -> None:
        self._arguments = (graph, settings, weights)
        kind, _, number = settings.device.partition(":")
        kind = "cpu" if kind == "auto" else kind
        if kind not in PROVIDERS or (number and not number.isdecimal()):
            raise DeviceError(f"ONNX Runtime runs on {' or '.join(PROVIDERS)} here; got device {settings.device!r}")
        self._kind, self._number, self._threads = kind, int(number or 0), settings.threads or usable_cpus()
        # Telemetry resolves a host of Microsoft and writes to the home folder; read at the first import.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # a user's own setting stands
        self._runtime = require("onnxruntime", "engine 'onnxruntime'", "onnxruntime")
        self.sessions = PerProcess(self._open)
        self.sessions.get()

    def __reduce__(self) -> tuple[Any, ...]:
        return OnnxRuntimeEngine, self._arguments

    @property
    def info(self) -> EngineInfo:
        """What really runs."""
        device = self._kind if self._kind == "cpu" else f"{self._kind}:{self._number}"
        version = self._runtime.__version__
        return EngineInfo("onnxruntime", version, device, "float32", self._threads, self._arguments[2])

    def run(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the network's output for RGB crops (N, H, W, 3), N at least 1; its first axis is N."""
        output: NDArray[np.float32] = self.sessions.get().run(None, {"pixels": np.ascontiguousarray(pixels)})[0]
        return output

    def _open(self) -> Any:
        """Start a session, one per process: the thread pool of a session does not survive a fork."""
        onnxruntime, provider = self._runtime, PROVIDERS[self._kind]
        if provider not in onnxruntime.get_available_providers():
            raise DeviceError(f"this build of ONNX Runtime has no {provider}; {self._kind!r} needs onnxruntime-gpu")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self._threads, 1
        options.log_severity_level = 3  # errors; its warnings are about its own choices
        chosen = [(provider, {"device_id": self._number})] if self._kind == "cuda" else [provider]
        graph = self._arguments[0] if isinstance(self._arguments[0], bytes) else os.fspath(self._arguments[0])
        session = onnxruntime.InferenceSession(graph, options, providers=chosen)
        if session.get_providers()[0] != provider:  # it falls back to the CPU if a library of CUDA is missing
            raise DeviceError(f"ONNX Runtime cannot use {self._kind!r} here; its {provider} did not start")
        return session
