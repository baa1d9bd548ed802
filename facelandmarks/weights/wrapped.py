"""Find the tensors of a network in what tools wrap around them: pickles, dictionaries, prefixes, counters, records.

Names alone decide here; shapes are checked when tensors are loaded. Nothing in a pickle runs: PyTorch's restricted
unpickler reads it, and every name but PyTorch's own stands for a class that takes everything and does nothing.
"""

import os
import pickle
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from facelandmarks.errors import CheckpointError

DEEPEST = 4  # dictionaries or lists inside of each other
# Modules that tools put around others, at any place of a name: compilers, data-parallel training, checkpointing.
TOOLS = re.compile(
    r"(?:^|(?<=\.))(?:_orig_mod|module|_fsdp_wrapped_module|_checkpoint_wrapped_module|_forward_module)\."
)
OPTIMISERS = re.compile("optim|sched|scaler")  # what these keep has names of tensors, too
# Of batch norms, profilers (thop) and averaged models: not used to compute anything.
COUNTERS = ("num_batches_tracked", "total_ops", "total_params", "n_averaged")
# Parts of networks here and upstream: what names begin with once nothing is wrapped around them.
# fmt: off
PARTS = frozenset((
    "backbone", "head", "keypoint_head", "data_preprocessor", "conv1", "bn1", "conv2", "bn2", "layer1", "transition1",
    "transition2", "transition3", "stage2", "stage3", "stage4", "stem", "stages", "lateral", "smooth", "shape", "body",
    "mesh", "flag", "near", "lips", "left_eye", "right_eye", "expected",
))
# fmt: on


def find_tensors(content: Any, where: object) -> dict[str, Any]:
    """Return the one mapping of tensors by name that a checkpoint holds, at any depth.

    Records beside the tensors (numbers, texts, options) are left out. Of several mappings, it is the one called
    "state_dict"; without one, or without any tensors, that is a `CheckpointError`. `where` is for messages.
    """
    found = dict(_mappings(content, ()))
    if not found:
        raise CheckpointError(
            f"{where} holds no tensors by name: expected a state dict, found {type(content).__name__}. Save "
            "network.state_dict(), not the network itself"
        )
    path = next(iter(found))
    preferred = (*path[:-1], "state_dict")  # beside all others
    if preferred in found and all(each[: len(path) - 1] == path[:-1] for each in found):
        path = preferred
    elif len(found) > 1:
        names = ["".join(f"[{key!r}]" for key in each) for each in found]
        raise CheckpointError(
            f"{where} holds several state dicts, {', '.join(names)}: drop all but one, or give it, "
            f"weights=torch.load(FILE){names[0]}"
        )
    return {
        str(key): value
        for key, value in found[path].items()
        if "." in str(key) or (isinstance(value, (Tensor, np.ndarray)) and np.ndim(value) > 0)
    }


def _mappings(content: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Mapping[Any, Any]]]:
    if len(path) > DEEPEST:
        return
    if isinstance(content, Mapping):
        if any("." in str(key) and isinstance(value, (Tensor, np.ndarray)) for key, value in content.items()):
            yield path, content
            return
        inside = list(content.items())
    else:
        inside = list(enumerate(content)) if isinstance(content, (list, tuple)) else []
    for key, value in inside:
        if isinstance(value, (Mapping, list, tuple)) and not OPTIMISERS.search(str(key)):
            yield from _mappings(value, (*path, key))


def unwrap_names(tensors: Mapping[str, Any], where: object) -> dict[str, Any]:
    """Return tensors without what tools put before or into their names, and without counters.

    What all names share goes, part by part, as long as a network remains. `CheckpointError` names the keys to drop
    where only some share it, or two tensors would have one name.
    """
    names = {key: TOOLS.sub("", str(key)) for key in tensors if not str(key).endswith(COUNTERS)}
    while (first := _shared_part(names.values())) is not None:
        names = {key: name.removeprefix(f"{first}.") for key, name in names.items()}
    halves = (name.partition(".") for name in names.values())
    inside = list(dict.fromkeys(first for first, _, rest in halves if _begins_a_network([rest])))
    if inside and not _begins_a_network(names.values()):
        others = [str(key) for key, name in names.items() if name.partition(".")[0] != inside[0]]
        begin = " or ".join(f"{part}." for part in inside)
        raise CheckpointError(
            f"{where}: the names of a network begin with {begin}, and others do not. Drop those of no use: "
            f"{', '.join(others[:5])}{', ...' * (len(others) > 5)} ({len(others)} keys)"
        )
    if len(set(names.values())) < len(names):
        twice = next(name for name in names.values() if list(names.values()).count(name) > 1)
        keys = [str(key) for key, name in names.items() if name == twice]
        raise CheckpointError(f"{where}: {' and '.join(keys)} both stand for {twice}: drop one of them")
    return {name: tensors[key] for key, name in names.items()}


def _shared_part(names: Any) -> str | None:
    """Return the first part of the names if all share it and a network remains without it."""
    firsts = {name.partition(".")[0] for name in names}
    rests = [name.partition(".")[2] for name in names]
    if len(firsts) != 1 or not all("." in rest for rest in rests):
        return None
    (first,) = firsts
    return first if first not in PARTS or _begins_a_network(rests) else None


def _begins_a_network(names: Any) -> bool:
    return any(name.partition(".")[0] in PARTS and "." in name for name in names)


MOST_NAMES = 100  # tries: names that a file needs, or that turn out to be dictionaries or lists


class Inert:
    """Stand-in for whatever a pickle names; accepts everything and does nothing."""

    kind: type = object  # a dictionary or list is one of Python's own: the unpickler fills no other

    def __new__(cls, *_: object) -> Any:  # noqa: D102
        return super().__new__(cls) if cls.kind is object else cls.kind()

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass

    def __setitem__(self, *_: object) -> None:
        pass


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
    kind: type
    kinds: dict[str, type] = {name: object for name in (*USUAL, *names) if not _is_code(name)}
    for _ in range(MOST_NAMES):
        stand_ins = {name: type(name, (Inert,), {"__module__": "inert", "kind": each}) for name, each in kinds.items()}
        try:
            with _LOCK, torch.serialization.safe_globals([(each, name) for name, each in stand_ins.items()]):
                return torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            message = str(error)
            if refused := re.search(r"GLOBAL (\S+) was not an allowed", message):
                name, kind = refused[1] if "." in refused[1] else f"builtins.{refused[1]}", object
            elif unfilled := re.search(r"but got <class 'inert\.(\S+)'>", message):
                name, kind = unfilled[1], list if " lists," in message else OrderedDict
            else:
                raise
            if _is_code(name) or kinds.get(name) is kind:
                raise
            kinds[name] = kind
    raise pickle.UnpicklingError(f"it names too many GLOBALs: more than {MOST_NAMES}")


def _is_code(name: str) -> bool:
    module, _, inside = name.partition(".")
    return module in CODE or (module in ("builtins", "__builtin__") and inside not in BUILTINS)
