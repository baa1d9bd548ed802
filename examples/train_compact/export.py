"""Put the averaged weights of a training run into a file for the package.

    python export.py RUN/last.pt facelandmarks/assets/compact_detector.npz

Works for every network here: only the state dict under the key `ema` is read. Convolutions become int8.
"""

import argparse
import hashlib
import json
from pathlib import Path

import torch
from packed_writer import save_packed

from facelandmarks.weights.manifest import ASSETS, manifest_path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    state = torch.load(args.checkpoint, map_location="cpu", weights_only=True)["ema"]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    save_packed(args.out, {name: tensor.contiguous().numpy() for name, tensor in state.items()})
    print(f"{args.out}: {len(state)} tensors, {args.out.stat().st_size:,} bytes")
    if args.out.parent.resolve() == ASSETS:
        list_in_manifest(args.out)


def list_in_manifest(path: Path) -> None:
    """Write size and digest into `weights_manifest.json`: the package loads nothing else."""
    manifest = manifest_path()
    document = json.loads(manifest.read_text())
    content = path.read_bytes()
    document["files"][path.name] |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    manifest.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
