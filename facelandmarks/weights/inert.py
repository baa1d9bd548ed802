"""Load pickles of `torch.save` so that nothing in them runs: every name but PyTorch's own becomes an inert object.

PyTorch's restricted unpickler does the reading. It is told that each further name in a file is allowed, and that it
stands for one of the classes here, which take everything and do nothing.
"""

import os
import pickle
import re
import threading
from collections import OrderedDict
from typing import Any

import torch

MOST_NAMES = 100  # tries: names that a file needs, or that turn out to be dictionaries or lists


class Inert:
    """Stand-in for whatever a pickle names; accepts everything and does nothing."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass

    def __setitem__(self, *_: object) -> None:
        pass


class InertDict(Inert):
    """The same for a kind of dictionary: the unpickler fills no other than Python's own."""

    def __new__(cls, *_: object) -> Any:  # noqa: D102
        return OrderedDict()


class InertList(Inert):
    """The same for a kind of list."""

    def __new__(cls, *_: object) -> Any:  # noqa: D102
        return []


# In most files of trainers. `bytes` is called for empty arrays, `getattr` by MMEngine's log: neither is that function.
# fmt: off
USUAL = (
    "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct", "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar", "numpy.ndarray", "numpy.dtype", "builtins.bytes", "builtins.getattr",
    "mmengine.logging.history_buffer.HistoryBuffer",
)
# Nothing of these would run, but no honest checkpoint names them: such a file is refused as a whole.
CODE = frozenset((
    "os", "posix", "nt", "sys", "subprocess", "pty", "shutil", "socket", "ctypes", "importlib", "runpy", "code",
    "pickle", "_pickle", "marshal", "operator", "_operator", "webbrowser", "pip", "timeit", "pdb", "cProfile",
))
BUILTINS = frozenset((
    "list", "dict", "tuple", "set", "frozenset", "slice", "range", "object", "bytes", "bytearray", "complex", "int",
    "float", "bool", "str", "type", "getattr",
))
# fmt: on
_LOCK = threading.Lock()  # PyTorch keeps its list of allowed names in one place for all threads


def load_inert(path: str | os.PathLike[str]) -> Any:
    """Return what a file of `torch.save` holds, with inert objects in place of all but tensors and Python's own types.

    `pickle.UnpicklingError` for a file that names code (`CODE`), or is broken; other errors of PyTorch as they come.
    """
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except (ValueError, RuntimeError, OSError, EOFError, pickle.UnpicklingError):
        names = []  # of a file of the older format, which is asked name by name
    stand_ins = {name: _stand_in(name, Inert) for name in (*USUAL, *names) if not _is_code(name)}
    for _ in range(MOST_NAMES):
        try:
            with _LOCK, torch.serialization.safe_globals([(each, name) for name, each in stand_ins.items()]):
                return torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            message = str(error)
            if refused := re.search(r"GLOBAL (\S+) was not an allowed", message):
                name, kind = refused[1] if "." in refused[1] else f"builtins.{refused[1]}", Inert
            elif unfilled := re.search(r"but got <class 'inert\.(\S+)'>", message):
                name, kind = unfilled[1], InertList if " lists," in message else InertDict
            else:
                raise
            if _is_code(name) or issubclass(stand_ins.get(name, object), kind):
                raise
            stand_ins[name] = _stand_in(name, kind)
    raise pickle.UnpicklingError(f"it names too many GLOBALs: more than {MOST_NAMES}")


def _stand_in(name: str, kind: type) -> type:
    return type(name, (kind,), {"__module__": "inert"})


def _is_code(name: str) -> bool:
    module, _, inside = name.partition(".")
    return module in CODE or (module in ("builtins", "__builtin__") and inside not in BUILTINS)
