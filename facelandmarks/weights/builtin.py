"""The weights that ship in the wheel: read from the package, checked against the manifest, never fetched."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from facelandmarks.errors import ChecksumError
from facelandmarks.weights.manifest import ASSETS, load_manifest
from facelandmarks.weights.packed import load_packed


def load_builtin(name: str) -> dict[str, NDArray[np.float32]]:
    """Tensors by name, of a packed file in `assets/`.

    Raises
    ------
    ChecksumError
        If the file is missing or is not the one that the manifest lists.
    """
    record, path = load_manifest().files[name], ASSETS / name
    if not path.is_file():
        raise ChecksumError(f"{path} is missing from this installation: please install the package again")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != record.sha256:
        raise ChecksumError(
            f"{path} is damaged: its SHA-256 is {digest}, not {record.sha256}. Please install the package again"
        )
    return load_packed(path)
