"""Small files of weights from which another training starts: batch norms as they are, convolutions in int8.

    python interim.py RUN/last.pt OUT.npz [--start WEIGHTS.npz --share 0.2]

The averaged weights are kept; with `--start`, the mean of those that the run started from and, for `--share`, its own.
The models of the package have their batch norms folded and cannot be trained further.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

LEVELS = 127  # of int8 on each side of zero
SCALE = ".scale"


def save_weights(path: Path, state: Mapping[str, np.ndarray]) -> None:
    """Write float tensors by name: int8 with a scale an output channel for convolutions, float16 for the others."""
    packed: dict[str, np.ndarray] = {}
    for name, array in state.items():
        if array.ndim == 4:
            largest = np.abs(array).max(axis=(1, 2, 3), keepdims=True)
            scale = (np.maximum(largest, 1e-30) / LEVELS).astype(np.float32)
            packed[name], packed[name + SCALE] = np.rint(array / scale).astype(np.int8), scale
        elif np.issubdtype(array.dtype, np.floating):
            # A small variance is divided by and must keep its digits.
            packed[name] = array.astype(np.float32 if name.endswith("running_var") else np.float16)
    np.savez_compressed(path, **packed)  # type: ignore[arg-type]


def load_weights(path: Path) -> dict[str, np.ndarray]:
    """Read float32 tensors by name."""
    with np.load(path) as file:
        stored = {name: file[name] for name in file.files}
    names = [name for name in stored if not (name.endswith(SCALE) and name.removesuffix(SCALE) in stored)]
    return {
        name: stored[name].astype(np.float32)
        * (stored[name + SCALE].reshape(-1, 1, 1, 1) if name + SCALE in stored else np.float32(1))
        for name in names
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--start", type=Path)
    parser.add_argument("--share", type=float, default=1.0)
    args = parser.parse_args()
    tensors = torch.load(args.checkpoint, map_location="cpu", weights_only=True)["ema"]
    state = {name: tensor.numpy() for name, tensor in tensors.items()}
    if args.start:
        start = load_weights(args.start)
        state = {name: (1 - args.share) * start[name] + args.share * array for name, array in state.items()}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    save_weights(args.out, state)
    print(f"{args.out}: {args.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
