"""Write packed weights, the files that `facelandmarks.weights.packed` reads."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facelandmarks._files import whole_file
from facelandmarks.errors import CheckpointError
from facelandmarks.weights.packed import SCALE

Array = NDArray[Any]
LEVELS = 127  # of int8 on each side of zero
NOT_NEEDED = "num_batches_tracked"  # batch norm counts its batches; inference never asks
KEPT_EXACT = "running_var"  # divided by, so a small value must not lose its digits
HALF_SMALLEST = float(np.finfo(np.float16).smallest_normal)
HALF_LARGEST = float(np.finfo(np.float16).max)


def pack(state: Mapping[str, Array]) -> dict[str, Array]:
    """Return the arrays to store for a state dict.

    Parameters
    ----------
    state
        Tensors by name, as NumPy arrays. Integer tensors are refused, batch norm's counters apart, which are dropped.

    Returns
    -------
    dict
        Weights of convolutions (four axes) as int8 with a symmetric scale for each output channel (the first axis); the
        rest as float16, or as float32 where float16 would lose range.
    """
    packed: dict[str, Array] = {}
    for name, value in state.items():
        if name.endswith(NOT_NEEDED):
            continue
        array = np.asarray(value)
        if not np.issubdtype(array.dtype, np.floating) or not np.isfinite(array).all():
            raise CheckpointError(f"cannot pack {name}: expected finite floating-point numbers, found {array.dtype}")
        if array.ndim == 4:  # those of linear layers are few, and coordinates need their digits
            packed[name], packed[name + SCALE] = _to_int8(array)
        else:
            packed[name] = array.astype(np.float16 if _fits_half(name, array) else np.float32)
    return packed


def save_packed(path: Path, state: Mapping[str, Array]) -> None:
    """Pack a state dict into a file, which is there whole or not at all."""
    packed: dict[str, Any] = {**pack(state)}
    with whole_file(path) as partial, partial.open("xb") as file:
        np.savez_compressed(file, **packed)


def _to_int8(array: Array) -> tuple[Array, Array]:
    rows = array.astype(np.float32).reshape(array.shape[0], -1)
    largest = np.abs(rows).max(1, initial=0.0)
    scale = np.where(largest > 0, largest / LEVELS, 1.0).astype(np.float32)
    # float64: a subnormal scale must not round the quotient beyond the levels
    quantised = np.rint(rows.astype(np.float64) / scale[:, None]).clip(-LEVELS, LEVELS)
    return quantised.astype(np.int8).reshape(array.shape), scale


def _fits_half(name: str, array: Array) -> bool:
    size = np.abs(array[array != 0])
    in_range = not size.size or bool(size.min() >= HALF_SMALLEST and size.max() <= HALF_LARGEST)
    return in_range and not name.endswith(KEPT_EXACT)
