"""ONNX Runtime."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facelandmarks._threads import PerProcess
from facelandmarks.engines.base import EngineInfo, usable_cpus
from facelandmarks.errors import DeviceError, MissingDependencyError

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxRuntimeEngine:
    """An ONNX graph (`facelandmarks.nn.onnx_graph`) in ONNX Runtime, float32.

    Parameters
    ----------
    graph
        The file, or its bytes.
    device
        `"cpu"`, `"cuda"` or `"cuda:1"`; `"auto"` is the CPU.
    threads
        CPU threads of one call; None: all that the process may use.

    Raises
    ------
    MissingDependencyError
        If ONNX Runtime is not installed.
    DeviceError
        If the device cannot be had.
    """

    def __init__(self, graph: Path | bytes, *, device: str = "auto", threads: int | None = None) -> None:
        self._arguments = (graph, device, threads)
        kind, _, number = device.partition(":")
        kind = "cpu" if kind == "auto" else kind
        if kind not in PROVIDERS or (number and not number.isdecimal()):
            raise DeviceError(f"ONNX Runtime runs on {' or '.join(PROVIDERS)} here; got device {device!r}")
        self._kind, self._number, self._threads = kind, int(number or 0), threads or usable_cpus()
        self._session = PerProcess(self._open)
        self._session.get()

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, self._arguments

    @property
    def info(self) -> EngineInfo:
        """What really runs."""
        import onnxruntime

        device = self._kind if self._kind == "cpu" else f"{self._kind}:{self._number}"
        return EngineInfo("onnxruntime", onnxruntime.__version__, device, "float32", self._threads)

    def run(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The network's output, float32, for crops uint8 (N, H, W, 3) RGB; N of at least 1."""
        return self.run_all(pixels)[0]

    def run_all(self, pixels: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """All outputs of a graph that has several."""
        outputs: list[NDArray[np.float32]] = self._session.get().run(None, {"pixels": np.ascontiguousarray(pixels)})
        return outputs

    def _open(self) -> Any:
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingDependencyError(
                "engine 'onnxruntime' needs ONNX Runtime: pip install 'facelandmarks-zoo[onnxruntime]'"
            ) from error
        provider = PROVIDERS[self._kind]
        if provider not in onnxruntime.get_available_providers():
            raise DeviceError(
                f"this build of ONNX Runtime has no {provider}; device {self._kind!r} needs onnxruntime-gpu"
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self._threads, 1
        options.log_severity_level = 3  # errors; its warnings are about its own choices
        chosen = [(provider, {"device_id": self._number})] if self._kind == "cuda" else [provider]
        graph = self._arguments[0]
        session = onnxruntime.InferenceSession(
            graph if isinstance(graph, bytes) else os.fspath(graph), options, providers=chosen
        )
        if session.get_providers()[0] != provider:  # it goes on with the CPU if a library of CUDA is missing
            raise DeviceError(f"ONNX Runtime cannot use {self._kind!r} here; its {provider} did not start")
        return session


def _again(graph: Path | bytes, device: str, threads: int | None) -> OnnxRuntimeEngine:
    return OnnxRuntimeEngine(graph, device=device, threads=threads)
