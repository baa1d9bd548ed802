"""Weights that a user brings along: a file, or tensors by name, however they are called."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from facelandmarks.errors import CheckpointError
from facelandmarks.weights.checkpoint import State, from_tensors, read_raw

READERS = {".safetensors": "safetensors", ".npz": "packed"}


def read_given(source: str | os.PathLike[str] | Mapping[str, Any]) -> State:
    """Tensors under the names of `facelandmarks.nn`.

    Parameters
    ----------
    source
        Path of a checkpoint (`torch.save` in either format, safetensors, or a packed file of this package), or tensors
        or arrays by name. Names may be those of MMPose 0.x or 1.x, of the official HRNet repository, or ours, each also
        with `module.` in front, and in an outer "state_dict".

    Raises
    ------
    CheckpointError
        If there is no such file, it cannot be read, names code, or holds something else than a network's tensors.
    """
    if isinstance(source, Mapping):
        inner = source.get("state_dict")
        tensors: Mapping[str, Any] = inner if isinstance(inner, Mapping) else source
        return from_tensors("weights", tensors, _dialect(tensors))
    path = Path(source)
    if not path.is_file():
        raise CheckpointError(f"no such file of weights: {path}")
    tensors = read_raw(path, READERS.get(path.suffix.lower(), "mmpose1x"))
    return from_tensors(path, tensors, _dialect(tensors))


def _dialect(tensors: Mapping[str, Any]) -> str:
    """Whose names these are, by what only they have."""
    names = [str(name).removeprefix("module.") for name in tensors]
    if any(name.startswith(("backbone.", "keypoint_head.")) for name in names):
        return "mmpose0x"  # leaves names of 1.x, which are ours, as they are
    return "hrnet_official" if any(name.startswith("stage4.") for name in names) else "mmpose1x"
