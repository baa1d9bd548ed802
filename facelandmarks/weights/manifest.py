"""The list of every file of weights: the only thing that is trusted."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from facelandmarks.errors import CheckpointError

PACKAGE = Path(__file__).resolve().parents[1]
NAME = "weights_manifest.json"


@dataclass(frozen=True)
class FileRecord:
    """One file of weights.

    Attributes
    ----------
    name
        File name, and key in the manifest.
    dialect
        How tensors are named and stored in it.
    bytes
        Size.
    sha256
        Digest of the whole file, hexadecimal.
    asset
        Whether the file lies inside the package.
    """

    name: str
    dialect: str
    bytes: int
    sha256: str
    asset: bool


def manifest_path() -> Path:
    """Where the manifest is: inside an installed package, or one folder up in a checkout."""
    for folder in (PACKAGE, PACKAGE.parent):
        if (folder / NAME).is_file():
            return folder / NAME
    raise CheckpointError(f"{NAME} is in neither {PACKAGE} nor {PACKAGE.parent}: please install the package again")


@cache
def load_manifest() -> Mapping[str, FileRecord]:
    """Every record by file name."""
    document: dict[str, Any] = json.loads(manifest_path().read_text(encoding="utf-8"))
    return MappingProxyType({name: FileRecord(name=name, **fields) for name, fields in document["files"].items()})
