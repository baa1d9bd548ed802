"""The list of every file of weights: the only thing that is trusted, and where each file's facts stand."""

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
        How tensors are named and stored in it (`facelandmarks.weights.checkpoint.DIALECTS`).
    urls
        Where it can be fetched, in order of preference.
    pages
        Pages where a person can fetch it: `url` and perhaps a `note`. No program can.
    bytes, sha256
        Size and digest of the whole file, hexadecimal; None where nothing is published.
    sha256_prefix, prefix_trust
        The first digits of the digest, as upstream puts them into file names, and how far they hold: `high`, `medium`,
        or `stale_likely` for files that were published anew under their old name.
    git_blob_sha1
        The digest that Git gives the file.
    licence
        Of the code that it was published with; the weights themselves are bound by the training data's terms too.
    training_data, papers
        Keys of the manifest's tables.
    source
        `repository`, `commit` and `config` that describe the model.
    published
        Accuracy: `source`, `dataset`, `metric`, `unit`, `protocol` (a key of the manifest's table) and `values` by
        subset.
    notes
        What else a user should know.
    asset
        Whether the file lies inside the package.
    """

    name: str
    dialect: str
    urls: tuple[str, ...]
    pages: tuple[Mapping[str, str], ...]
    bytes: int | None
    sha256: str | None
    sha256_prefix: str | None
    prefix_trust: str | None
    git_blob_sha1: str | None
    licence: str
    training_data: tuple[str, ...]
    papers: tuple[str, ...]
    source: Mapping[str, str | None]
    published: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...]
    asset: bool = False


@dataclass(frozen=True)
class Manifest:
    """Every file by name, and the tables that the records refer to."""

    files: Mapping[str, FileRecord]
    training_data: Mapping[str, Mapping[str, str | None]]
    papers: Mapping[str, Mapping[str, Any]]
    protocols: Mapping[str, Mapping[str, Any]]


def manifest_path() -> Path:
    """Where the manifest is: inside an installed package, or one folder up in a checkout."""
    for folder in (PACKAGE, PACKAGE.parent):
        if (folder / NAME).is_file():
            return folder / NAME
    raise CheckpointError(f"{NAME} is in neither {PACKAGE} nor {PACKAGE.parent}: please install the package again")


@cache
def load_manifest() -> Manifest:
    """The manifest of the package."""
    document: dict[str, Any] = json.loads(manifest_path().read_text(encoding="utf-8"))
    files = {name: _record(name, fields) for name, fields in document["files"].items()}
    tables = (MappingProxyType(document[table]) for table in ("training_data", "papers", "protocols"))
    return Manifest(MappingProxyType(files), *tables)


def _record(name: str, fields: Mapping[str, Any]) -> FileRecord:
    frozen: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}
    return FileRecord(name=name, **frozen)
