"""The manifest of all weights files, the only thing that is trusted, and the rules that it keeps."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from facelandmarks._files import parse_json
from facelandmarks.errors import CheckpointError
from facelandmarks.weights.addresses import source_problem
from facelandmarks.weights.cache import check_name

PACKAGE = Path(__file__).resolve().parents[1]
ASSETS = PACKAGE / "assets"  # the weights that ship in the wheel
NAME = "weights_manifest.json"
SCHEMA = "facelandmarks-manifest/1"
TABLES = ("training_data", "papers", "protocols")
PREFIX_TRUST = ("high", "medium", "stale_likely")


@dataclass(frozen=True)
class Dialect:
    """How a family of files stores and names its tensors."""

    # torch: pickles of `torch.save`; mediapipe: TensorFlow Lite; onnx: graphs, not read
    format: Literal["torch", "safetensors", "packed", "mediapipe", "onnx"]
    renames: tuple[tuple[str, str], ...] = ()  # patterns, in order, that lead to the names of `facelandmarks.nn`
    suffix: str | None = None  # tells that a user's file is of this dialect


UNWRAP = (r"^module\.", "")  # what training on several devices puts before every name
# MMPose 0.x numbers the layers of HRNetV2's head through: 0 convolution, 1 norm, 2 ReLU, 3 output. 1.x converts in the
# same way when it loads 0.x files; names of 1.x are left alone.
MMPOSE_0X = (
    (r"^keypoint_head\.", "head."),
    (r"^head\.final_layer\.([01])\.", r"head.conv_layers.\1."),
    (r"^head\.final_layer\.3\.", "head.final_layer."),
)
HRNET_OFFICIAL = (
    (r"^(?!head\.)", "backbone."),
    (r"^head\.([01])\.", r"head.conv_layers.\1."),
    (r"^head\.3\.", "head.final_layer."),
)
DIALECTS: Mapping[str, Dialect] = {
    "packed": Dialect("packed", suffix=".onnx"),
    "safetensors": Dialect("safetensors", suffix=".safetensors"),
    "mmpose0x": Dialect("torch", (UNWRAP, *MMPOSE_0X)),
    "mmpose1x": Dialect("torch", (UNWRAP,)),
    "hrnet_official": Dialect("torch", (UNWRAP, *HRNET_OFFICIAL)),
    "mediapipe": Dialect("mediapipe", suffix=".tflite"),
    "yunet_onnx": Dialect("onnx"),
}


@dataclass(frozen=True)
class FileRecord:
    """One weights file: all that is published about it."""

    name: str  # of the file, and key in the manifest
    dialect: str  # a key of `DIALECTS`
    urls: tuple[str, ...]  # where it can be fetched, in order of preference
    pages: tuple[Mapping[str, str], ...]  # where a person can fetch it and no program: `url`, perhaps a `note`
    bytes: int | None  # None, here and below: not published
    sha256: str | None  # of the whole file, hexadecimal
    sha256_prefix: str | None  # its first digits, as upstream puts them into file names
    prefix_trust: str | None  # how far they hold; `stale_likely`: the file was published again under its old name
    git_blob_sha1: str | None  # the digest that Git gives the file
    licence: str  # of the code that it was published with; the terms of the training data bind the weights too
    training_data: tuple[str, ...]  # keys of the manifest's table
    papers: tuple[str, ...]  # keys of the manifest's table
    source: Mapping[str, str | None]  # `repository`, `commit` and `config` that describe the model
    published: tuple[Mapping[str, Any], ...]  # accuracy: the keys in `field_rules`; values by subset
    notes: tuple[str, ...]  # other facts for users
    asset: bool = False  # whether the file lies inside the package
    same_tensors: tuple[str, ...] = ()  # SHA-256 of files with the same weights in another container: as good


@dataclass(frozen=True)
class Manifest:
    """Every file by name, and the tables that the records refer to."""

    files: Mapping[str, FileRecord]
    training_data: Mapping[str, Mapping[str, str | None]]
    papers: Mapping[str, Mapping[str, Any]]
    protocols: Mapping[str, Mapping[str, Any]]


def get_record(name: str) -> FileRecord:
    """Return the record of a file, or raise `CheckpointError` if the manifest has none."""
    record = load_manifest().files.get(name)
    if record is None:
        raise CheckpointError(f"the manifest has no file {name!r}")
    return record


def load_manifest() -> Manifest:
    """Read the package's manifest, and over it the file that FACELANDMARKS_MANIFEST names, if any.

    A record of that file replaces the whole record of its name; one that breaks a rule is a `CheckpointError`.
    """
    own = os.environ.get("FACELANDMARKS_MANIFEST")
    return _load(own, Path(own).stat().st_mtime_ns if own and Path(own).is_file() else None)


@lru_cache(maxsize=4)
def _load(own: str | None, _changed: int | None) -> Manifest:
    document = read_document(manifest_path())  # its rules are held by a test, not at every start
    files, tables = document["files"], {table: document[table] for table in TABLES}
    if own:
        added = read_document(Path(own))
        check_manifest(added, own, tables)
        inside = [n for n, fields in added["files"].items() if fields.get("asset") or files.get(n, {}).get("asset")]
        if inside:
            raise CheckpointError(f"{own}: {inside[0]!r} is or claims to be a file of the package: choose another name")
        files = {**files, **added["files"]}
        tables = {table: {**rows, **added.get(table, {})} for table, rows in tables.items()}
    records = {}
    for name, fields in files.items():
        frozen: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in fields.items()}
        records[name] = FileRecord(name=name, **frozen)
    return Manifest(MappingProxyType(records), *(MappingProxyType(tables[table]) for table in TABLES))


def manifest_path() -> Path:
    """Return the path of the manifest: inside an installed package, or one folder up in a checkout."""
    for folder in (PACKAGE, PACKAGE.parent):
        if (folder / NAME).is_file():
            return folder / NAME
    raise CheckpointError(f"{NAME} is in neither {PACKAGE} nor {PACKAGE.parent}: please install the package again")


def read_document(path: Path) -> Any:
    """Read a JSON file, or raise `CheckpointError`."""
    try:
        return parse_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"cannot read the manifest {path}: {error}") from error


Accepts = Callable[[Any], bool]


def _text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _text_or_null(value: Any) -> bool:
    return value is None or _text(value)


def _hex(digits: str) -> Accepts:
    return lambda value: value is None or (_text(value) and bool(re.fullmatch(f"[0-9a-f]{{{digits}}}", value)))


def _list_of(accepts: Accepts) -> Accepts:
    return lambda value: isinstance(value, list) and all(map(accepts, value))


def _object(fields: Mapping[str, Accepts], optional: frozenset[str] = frozenset()) -> Accepts:
    return lambda value: (
        isinstance(value, dict)
        and fields.keys() - optional <= value.keys() <= fields.keys()
        and all(fields[key](inside) for key, inside in value.items())
    )


@cache
def field_rules() -> Mapping[str, tuple[str, Accepts]]:
    """Return for each field of a record what is expected, for messages, and the test of a value."""
    source = dict.fromkeys(("repository", "commit", "config"), _text_or_null)
    page = {"url": _text, "note": _text}
    published: Mapping[str, Accepts] = {
        **dict.fromkeys(("source", "dataset", "metric", "unit"), lambda _: True),
        "values": lambda value: isinstance(value, dict),
        "protocol": _text_or_null,
    }
    return {
        "dialect": (f"one of {', '.join(DIALECTS)}", lambda value: value in [*DIALECTS]),
        "urls": ("a list of addresses", _list_of(_text)),
        "pages": ("a list of objects with a url", _list_of(_object(page, optional=frozenset({"note"})))),
        "bytes": ("a whole number above 0, or null", lambda value: value is None or (type(value) is int and value > 0)),
        "sha256": ("64 small hexadecimal digits, or null", _hex("64")),
        "sha256_prefix": ("6 to 63 small hexadecimal digits, or null", _hex("6,63")),
        "prefix_trust": (f"one of {', '.join(PREFIX_TRUST)}, or null", lambda value: value in (None, *PREFIX_TRUST)),
        "git_blob_sha1": ("40 small hexadecimal digits, or null", _hex("40")),
        "licence": ("a text", _text),
        "training_data": ("a list of names", _list_of(_text)),
        "papers": ("a list of names", _list_of(_text)),
        "source": ("an object of repository, commit and config", _object(source)),
        "published": ("a list of rows", _list_of(_object(published))),
        "notes": ("a list of texts", _list_of(_text)),
        "asset": ("true or false", lambda value: isinstance(value, bool)),
        "same_tensors": (
            "a list of 64 small hexadecimal digits each",
            _list_of(lambda value: _text(value) and _hex("64")(value)),
        ),
    }


OPTIONAL = {"asset", "same_tensors"}


def check_manifest(document: Any, where: object, known: Mapping[str, Mapping[str, Any]] | None = None) -> None:
    """Refuse the content of a JSON file, called `where` in messages, that breaks a rule of manifests.

    The `CheckpointError` names the first record and field that is wrong, and what was expected. Records may refer to
    the document's own tables and to those in `known`.
    """
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise CheckpointError(f"{where} is not a manifest: expected a JSON object whose schema is {SCHEMA!r}")
    unknown = document.keys() - {"schema", "files", *TABLES}
    wrong = [key for key in ("files", *TABLES) if not isinstance(document.get(key, {}), dict)]
    if unknown or wrong or "files" not in document:
        keys = ", ".join([*sorted(unknown), *wrong]) or "files"
        raise CheckpointError(f"{where}: {keys} is unknown, missing or not an object")
    tables = {table: {**(known or {}).get(table, {}), **document.get(table, {})} for table in TABLES}
    for name, fields in document["files"].items():
        problem = record_problem(name, fields) or contradiction(fields, tables)
        if problem:
            raise CheckpointError(f"{where}: {name!r}: {problem}")


def record_problem(name: str, fields: Any) -> str | None:
    """Return what is wrong with the name or a field of a record, or None."""
    try:
        check_name(name)
    except CheckpointError as error:
        return str(error)
    if not isinstance(fields, dict):
        return "expected an object"
    rules = field_rules()
    different = sorted((fields.keys() - rules.keys()) | (rules.keys() - OPTIONAL - fields.keys()))
    if different:
        return f"{different[0]} is {'missing' if different[0] in rules else 'unknown'}"
    for field, (expected, accepts) in rules.items():
        if field in fields and not accepts(fields[field]):
            return f"{field} must be {expected}, not {fields[field]!r}"
    return None


def contradiction(fields: Mapping[str, Any], tables: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Return what is wrong with the fields of a record taken together, or with what they refer to; or None."""
    if (fields["sha256_prefix"] is None) != (fields["prefix_trust"] is None):
        return "sha256_prefix and prefix_trust belong together"
    if fields["sha256"] and not fields["sha256"].startswith(fields["sha256_prefix"] or ""):
        return "sha256 does not begin with sha256_prefix"
    rows = [row["protocol"] for row in fields["published"] if row["protocol"] is not None]
    named = {"training_data": fields["training_data"], "papers": fields["papers"], "protocols": rows}
    unknown = [
        f"{name!r} is not in the table {table}"
        for table in TABLES
        for name in named[table]
        if name not in tables[table]
    ]
    return next((problem for problem in (*map(source_problem, fields["urls"]), *unknown) if problem), None)
