"""A state dict into a network, strictly."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from facelandmarks.errors import CheckpointError

COUNTERS = "num_batches_tracked"  # of batch norms; no part of what a network computes


def load_state(network: nn.Module, tensors: Mapping[str, NDArray[np.float32]], model: str) -> None:
    """Copy tensors into a network; every name and shape must fit.

    Raises
    ------
    CheckpointError
        Naming the first missing, unexpected and mis-shaped tensor.
    """
    wanted = {key: value for key, value in network.state_dict().items() if not key.endswith(COUNTERS)}
    problems = _differences({k: tuple(v.shape) for k, v in wanted.items()}, {k: v.shape for k, v in tensors.items()})
    if problems:
        raise CheckpointError(f"these weights do not fit {model}: " + "; ".join(problems))
    state = {key: torch.from_numpy(np.ascontiguousarray(value)) for key, value in tensors.items()}
    network.load_state_dict(state, strict=False)  # strict was checked above, all but the counters


def _differences(wanted: Mapping[str, tuple[int, ...]], given: Mapping[str, tuple[int, ...]]) -> list[str]:
    missing = [key for key in wanted if key not in given]
    unexpected = [key for key in given if key not in wanted]
    both = [key for key in wanted if key in given]
    shapes = [f"{key} is {given[key]}, not {wanted[key]}" for key in both if given[key] != wanted[key]]
    groups = {"missing": missing, "unexpected": unexpected, "of another shape": shapes}
    return [f"{len(found)} {what} (first: {found[0]})" for what, found in groups.items() if found]
