"""Which engine runs a network here."""

import ctypes
import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from facelandmarks._rules import is_whole
from facelandmarks.engines import TORCH_DEVICES
from facelandmarks.errors import DeviceError, InvalidOptionError, import_of

if TYPE_CHECKING:
    from facelandmarks.engines.base import Engine
    from facelandmarks.engines.graph import Source

VARIABLE = "FACELANDMARKS_ENGINE"
DTYPES = ("float32", "bfloat16", "float16")
MOST_THREADS = 1024
_LOG = logging.getLogger(__name__)
# Files that exist if a GPU's driver does: asking PyTorch would cost the seconds that other engines save.
_SIGNS_OF_A_GPU = ("/proc/driver/nvidia", "/dev/nvidiactl", "/dev/dxg", "/dev/kfd", r"C:\Windows\System32\nvcuda.dll")


@dataclass(frozen=True)
class EngineSettings:
    """How an engine shall run; fields as in `facelandmarks.load_model`."""

    device: str = "auto"
    dtype: str = "float32"
    threads: int | None = None
    compile: bool = False
    cuda_graphs: bool = False

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise InvalidOptionError(f"dtype must be one of {', '.join(DTYPES)}; got {self.dtype!r}")
        kind, _, number = str(self.device).partition(":")  # a `torch.device` will do
        if kind == "cpu" and number not in ("", "0"):
            raise DeviceError(f"there is one CPU, device='cpu'; got {str(self.device)!r}")
        object.__setattr__(self, "device", "cpu" if kind == "cpu" else str(self.device))
        if self.threads is not None:
            if not (is_whole(self.threads, 1) and self.threads <= MOST_THREADS):
                expected = f"a whole number from 1 to {MOST_THREADS}"
                raise InvalidOptionError(f"threads must be {expected}; got {self.threads!r}")
            object.__setattr__(self, "threads", int(self.threads))  # `EngineInfo` becomes JSON


@dataclass(frozen=True)
class EngineRecord:
    """The number types that an engine can run in, and its class; module and package have the engine's name."""

    dtypes: tuple[str, ...]
    class_name: str  # in the module of the engine's name


# In the order of preference of "auto" on a CPU. OpenVINO is a little faster, but does not survive a fork.
RECORDS: Mapping[str, EngineRecord] = MappingProxyType(
    {
        "onnxruntime": EngineRecord(("float32",), "OnnxRuntimeEngine"),
        "openvino": EngineRecord(DTYPES, "OpenVinoEngine"),
        "torch": EngineRecord(DTYPES, "TorchEngine"),
    }
)
ENGINES = ("auto", *sorted(RECORDS))


def make_engine(source: "Source", engine: str, settings: EngineSettings) -> "Engine":
    """Return the engine of that name (from `choose_engine`), ready to run.

    `MissingDependencyError` if it, or what builds a graph for it, is not installed, `DeviceError` or
    `InvalidOptionError` if it cannot run on the device or in the number type, `CheckpointError` if weights do not fit.
    """
    from facelandmarks.engines.graph import filled_network, obtain_graph

    weights = source.weights
    if engine == "torch":
        with import_of("torch"):
            from facelandmarks.engines.torch import TorchEngine
        return TorchEngine(filled_network(source), source.mean, source.std, settings, source.size, weights.sha256)
    record = RECORDS[engine]
    constructor = getattr(import_module(f"facelandmarks.engines.{engine}"), record.class_name)
    made: Engine = constructor(weights.graph or obtain_graph(source), settings, weights.sha256)
    return made


def choose_engine(engine: str, settings: EngineSettings, *, built_in: bool = False) -> str:
    """Return the name of the engine to use, or raise `InvalidOptionError`; what `"auto"` becomes is logged.

    `"auto"` follows the environment (`FACELANDMARKS_ENGINE`); else, for float32 on a CPU, it is ONNX Runtime; else
    PyTorch. Built-in models run on the CPU unless a device is named: it is as fast, and starts at once.
    """
    if engine == "auto":
        engine = os.environ.get(VARIABLE) or "auto"
    if engine not in ENGINES:
        raise InvalidOptionError(f"engine must be one of {', '.join(ENGINES)}; got {engine!r}")
    only_torch = settings.compile or settings.cuda_graphs
    if engine == "auto":
        on_cpu = settings.device == "cpu" or (settings.device == "auto" and (built_in or not _may_have_gpu()))
        # In other number types only PyTorch runs on every machine.
        wanted = RECORDS if on_cpu and settings.dtype == "float32" and not only_torch else ("torch",)
        engine = next((name for name in wanted if find_spec(name)), "torch")
        _LOG.info("engine 'auto' is %s here", engine)
    if settings.dtype not in RECORDS[engine].dtypes:
        kinds = " or ".join(RECORDS[engine].dtypes)
        raise InvalidOptionError(f"engine {engine!r} runs in {kinds} only; got dtype={settings.dtype!r}")
    if only_torch and engine != "torch":
        raise InvalidOptionError(f"only engine 'torch' has compile and cuda_graphs; got engine {engine!r}")
    return engine


def check_torch_device(device: str) -> None:
    """Raise `DeviceError` for a device that PyTorch cannot have here, without the seconds that its import takes."""
    if device != "auto" and device.partition(":")[0] not in TORCH_DEVICES:
        known = ", ".join(("auto", *TORCH_DEVICES))
        raise DeviceError(f"no device {device!r}; there are: {known}, and cuda:1 for a second GPU")
    if device.startswith("cuda") and not _may_have_gpu():
        try:
            ctypes.CDLL("libcuda.so.1")
        except OSError as error:
            reason = "no driver of a GPU. Try device='cpu' or 'auto'"
            raise DeviceError(f"device {device!r} cannot be used here: {reason}") from error


def _may_have_gpu() -> bool:
    return sys.platform == "darwin" or any(Path(sign).exists() for sign in _SIGNS_OF_A_GPU)
