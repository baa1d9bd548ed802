"""Which engine runs a network here."""

import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from facelandmarks.errors import InvalidOptionError

VARIABLE = "FACELANDMARKS_ENGINE"
_LOG = logging.getLogger(__name__)
# What is there if a GPU's driver is: asking PyTorch would cost the seconds that other engines save.
_SIGNS_OF_A_GPU = ("/proc/driver/nvidia", "/dev/nvidiactl", "/dev/dxg", "/dev/kfd", r"C:\Windows\System32\nvcuda.dll")


@dataclass(frozen=True)
class EngineSettings:
    """How an engine is to run.

    Attributes
    ----------
    device, dtype, threads, compile, cuda_graphs
        As in `facelandmarks.load_model`.
    """

    device: str = "auto"
    dtype: str = "float32"
    threads: int | None = None
    compile: bool = False
    cuda_graphs: bool = False

    @property
    def of_torch(self) -> bool:
        """Whether something is asked for that only PyTorch has."""
        return self.compile or self.cuda_graphs


@dataclass(frozen=True)
class EngineRecord:
    """What an engine needs and can do.

    Attributes
    ----------
    packages
        What has to be installed.
    dtypes
        Number types that it can be asked for.
    """

    packages: tuple[str, ...]
    dtypes: tuple[str, ...]


# In the order of preference of "auto" on a CPU. OpenVINO is a little faster, but does not survive a fork.
RECORDS: Mapping[str, EngineRecord] = MappingProxyType(
    {
        "onnxruntime": EngineRecord(("onnxruntime", "onnx"), ("float32",)),
        "openvino": EngineRecord(("openvino", "onnx"), ("float32", "bfloat16", "float16")),
        "torch": EngineRecord(("torch",), ("float32", "bfloat16", "float16")),
    }
)
ENGINES = ("auto", *sorted(RECORDS))
DTYPES = RECORDS["torch"].dtypes


def choose_engine(engine: str, settings: EngineSettings) -> str:
    """The name of the engine to use; what `"auto"` takes is logged.

    Parameters
    ----------
    engine
        One of `ENGINES`. `"auto"` is what the environment says (`FACELANDMARKS_ENGINE`); else, for float32 on a CPU,
        the first of ONNX Runtime and OpenVINO that is installed with onnx; else PyTorch.
    settings
        What the user asked for.

    Raises
    ------
    InvalidOptionError
        If there is no such engine, or it cannot do what is asked for, or the number of threads is below 1.
    """
    if engine == "auto":
        engine = os.environ.get(VARIABLE) or "auto"
    if engine not in ENGINES:
        raise InvalidOptionError(f"engine must be one of {', '.join(ENGINES)}; got {engine!r}")
    if settings.dtype not in DTYPES:
        raise InvalidOptionError(f"dtype must be one of {', '.join(DTYPES)}; got {settings.dtype!r}")
    if settings.threads is not None and settings.threads < 1:
        raise InvalidOptionError(f"threads must be at least 1; got {settings.threads}")
    if engine == "auto":
        engine = _first_here(settings)
        _LOG.info("engine 'auto' is %s here", engine)
    if settings.dtype not in RECORDS[engine].dtypes:
        kinds = " or ".join(RECORDS[engine].dtypes)
        raise InvalidOptionError(f"engine {engine!r} runs in {kinds} only; got dtype={settings.dtype!r}")
    if settings.of_torch and engine != "torch":
        raise InvalidOptionError(f"compile and cuda_graphs are PyTorch's: engine {engine!r} has neither")
    return engine


def _first_here(settings: EngineSettings) -> str:
    """The first engine that is installed, if this is work for a CPU in float32; else PyTorch.

    Of other number types PyTorch's is the only one that every machine has.
    """
    if settings.dtype != "float32" or settings.of_torch or settings.device not in ("auto", "cpu"):
        return "torch"
    if settings.device == "auto" and _may_have_gpu():
        return "torch"
    return next(name for name, record in RECORDS.items() if all(find_spec(package) for package in record.packages))


def _may_have_gpu() -> bool:
    return sys.platform == "darwin" or any(Path(sign).exists() for sign in _SIGNS_OF_A_GPU)
