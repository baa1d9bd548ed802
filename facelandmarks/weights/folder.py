"""Models in a folder or a repository of the Hub: `model.safetensors`, and `config.json`, which says how to run it.

`config.json` is data: a record of the zoo, and of its file what the manifest says. It is checked value by value, and
nothing in it is imported or run. What it says of digests and accuracy is information, not proof.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from facelandmarks._files import parse_json
from facelandmarks._rules import first_problem, hexadecimal, is_text, object_of, one_of, or_null
from facelandmarks.errors import CheckpointError, FaceLandmarksError
from facelandmarks.weights.manifest import SCHEMA as MANIFEST_SCHEMA
from facelandmarks.weights.manifest import TABLES, FileRecord, Manifest, check_manifest, record_from
from facelandmarks.zoo.own import spec_from_dict, spec_to_dict
from facelandmarks.zoo.spec import ModelSpec

if TYPE_CHECKING:
    from facelandmarks.weights.checkpoint import State

CONFIG = "config.json"
SCHEMA = "facelandmarks-model/1"
MOST_CONFIG = 1_000_000  # bytes
_RULES = {
    "schema": (repr(SCHEMA), one_of((SCHEMA,))),
    "model": ("an object with the fields of a model's record", lambda value: isinstance(value, dict)),
    **dict.fromkeys(("files", *TABLES), ("an object", lambda value: isinstance(value, dict))),
    "made_from": (
        "an object of file and sha256, or null",
        or_null(object_of({"file": is_text, "sha256": or_null(hexadecimal("64"))})),
    ),
    "made_by": ("a text", is_text),
}


@dataclass(frozen=True)
class Config:
    """A model's record, and what is said of its file of weights, if anything."""

    spec: ModelSpec
    file: FileRecord | None
    manifest: Manifest  # of that file and what it refers to


def read_config(content: bytes, where: object) -> Config:
    """Return what a `config.json` says; a `CheckpointError` names the first value that is wrong."""
    try:
        document = parse_json(content)
    except ValueError as error:
        raise CheckpointError(f"{where} is not JSON: {error}") from error
    if problem := first_problem(document, _RULES, _RULES.keys() - {"schema", "model"}):
        raise CheckpointError(f"{where}: {problem}")
    tables = {name: document.get(name, {}) for name in TABLES}
    if problem := next((name for name in TABLES if not all(isinstance(r, dict) for r in tables[name].values())), None):
        raise CheckpointError(f"{where}: {problem} must hold objects")
    check_manifest({"schema": MANIFEST_SCHEMA, "files": document.get("files", {}), **tables}, where)
    try:
        spec = spec_from_dict(document["model"])
    except FaceLandmarksError as error:
        raise CheckpointError(f"{where}: {error}") from error
    files = {name: record_from(name, fields) for name, fields in document.get("files", {}).items()}
    manifest = Manifest(MappingProxyType(files), *(MappingProxyType(tables[name]) for name in TABLES))
    return Config(spec, files.get(spec.weights), manifest)


def write_config(spec: ModelSpec, document: Mapping[str, Any], made_from: Mapping[str, Any] | None, by: str) -> bytes:
    """Return the content of a `config.json`; `document` is the manifest of the model's one file."""
    said = {name: document[name] for name in ("files", *TABLES)}
    config = {"schema": SCHEMA, "made_by": by, "model": spec_to_dict(spec), "made_from": made_from, **said}
    return (json.dumps(config, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def write_tensors(state: "State", path: Path) -> None:
    """Write the tensors of a network as safetensors."""
    from safetensors.numpy import save_file

    save_file({key: value.copy(order="C") for key, value in state.items()}, path, {"format": "pt"})
