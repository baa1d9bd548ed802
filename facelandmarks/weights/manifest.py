"""The list of every file of weights: the only thing that is trusted, and where each file's facts stand."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from facelandmarks._files import parse_json
from facelandmarks.errors import CheckpointError
from facelandmarks.weights.manifest_checks import TABLES, check_manifest

PACKAGE = Path(__file__).resolve().parents[1]
ASSETS = PACKAGE / "assets"  # the weights that ship in the wheel
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


def load_manifest() -> Manifest:
    """The manifest of the package, with the records of the file that FACELANDMARKS_MANIFEST names, if any.

    A record there replaces the whole record of that name.

    Raises
    ------
    CheckpointError
        If a manifest cannot be read or is wrong.
    """
    own = os.environ.get("FACELANDMARKS_MANIFEST")
    return _load(own, Path(own).stat().st_mtime_ns if own and Path(own).is_file() else None)


@lru_cache(maxsize=4)
def _load(own: str | None, _changed: int | None) -> Manifest:
    document = read_document(manifest_path())
    check_manifest(document, NAME)
    files, tables = document["files"], {table: document[table] for table in TABLES}
    if own:
        added = read_document(Path(own))
        check_manifest(added, own, tables)
        inside = [n for n, fields in added["files"].items() if fields.get("asset") or files.get(n, {}).get("asset")]
        if inside:
            raise CheckpointError(
                f"{own}: {inside[0]!r} is or claims to be a file of the package: it cannot be replaced"
            )
        files = {**files, **added["files"]}
        tables = {table: {**rows, **added.get(table, {})} for table, rows in tables.items()}
    records = {name: _record(name, fields) for name, fields in files.items()}
    return Manifest(MappingProxyType(records), *(MappingProxyType(tables[table]) for table in TABLES))


def read_document(path: Path) -> Any:
    """What a JSON file holds.

    Raises
    ------
    CheckpointError
        If it cannot be read.
    """
    try:
        return parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"cannot read the manifest {path}: {error}") from error


def get_record(name: str) -> FileRecord:
    """The record of a file.

    Raises
    ------
    CheckpointError
        If the manifest has none.
    """
    files = load_manifest().files
    if name not in files:
        raise CheckpointError(f"the manifest has no file {name!r}")
    return files[name]


def _record(name: str, fields: Mapping[str, Any]) -> FileRecord:
    frozen: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}
    return FileRecord(name=name, **frozen)
