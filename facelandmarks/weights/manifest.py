"""The manifest of all weights files, the only thing that is trusted, and the rules that it and its addresses keep."""

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from facelandmarks import _rules as rules
from facelandmarks._files import parse_json
from facelandmarks._rules import Accepts, Rules
from facelandmarks.errors import CheckpointError, DownloadError
from facelandmarks.weights.cache import is_plain

PACKAGE = Path(__file__).resolve().parents[1]
ASSETS = PACKAGE / "assets"  # the weights that ship in the wheel
NAME = "weights_manifest.json"
SCHEMA = "facelandmarks-manifest/1"
TABLES = ("training_data", "papers", "protocols")
ORIGIN = ("repository", "commit", "config")
KINDS = ("original", "mirror", "third-party")  # of sources
PREFIX_TRUST = {  # name -> what it says to people
    "high": "high trust",
    "medium": "medium trust",
    "stale_likely": "replaced since",  # the file was published again under its old name
}


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
class FileSource:
    """An address that gives a file, or a tar with the file in it. Its digests are those of what it gives."""

    url: str
    # original: the authors'; mirror: a copy that they or the user vouch for; third-party: anybody's
    kind: Literal["original", "mirror", "third-party"]
    member: str | None = None  # path of the file in the tar
    sha256: str | None = None  # of the file, or of the tar
    git_blob_sha1: str | None = None  # of the file
    note: str | None = None

    @property
    def has_digest(self) -> bool:
        """Tell whether the source itself says which bytes it gives."""
        return self.sha256 is not None or self.git_blob_sha1 is not None


@dataclass(frozen=True, kw_only=True)
class FileRecord:
    """One weights file: all that is published about it."""

    name: str  # of the file, and key in the manifest
    dialect: str  # a key of `DIALECTS`
    sources: tuple[FileSource, ...] = ()  # where a program can fetch it, in order of preference
    pages: tuple[Mapping[str, str], ...] = ()  # where a person can fetch it and no program: `url`, perhaps a `note`
    bytes: int | None = None  # None, here and below: not published
    sha256: str | None = None  # of the whole file, hexadecimal
    sha256_prefix: str | None = None  # its first digits, as upstream puts them into file names
    prefix_trust: str | None = None  # how far they hold: a key of PREFIX_TRUST
    git_blob_sha1: str | None = None  # the digest that Git gives the file
    licence: str  # of the code that it was published with; the terms of the training data bind the weights too
    training_data: tuple[str, ...] = ()  # keys of the manifest's table
    papers: tuple[str, ...] = ()  # keys of the manifest's table
    source: Mapping[str, str | None] = field(default_factory=lambda: dict.fromkeys(ORIGIN))  # what describes the model
    published: tuple[Mapping[str, Any], ...] = ()  # accuracy: the keys in `FIELD_RULES`; values by subset
    notes: tuple[str, ...] = ()  # other facts for users
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
    if own:
        added = read_document(Path(own))
        check_manifest(added, own, document)
        for name, fields in added["files"].items():
            if fields.get("asset") or document["files"].get(name, {}).get("asset"):
                raise CheckpointError(f"{own}: {name!r} is or claims to be a file of the package: choose another name")
        document = {key: {**document[key], **added.get(key, {})} for key in ("files", *TABLES)}
    return manifest_from(document)


def manifest_from(document: Mapping[str, Mapping[str, Any]]) -> Manifest:
    """Return the manifest that a checked document describes, or a part of one."""
    records = {}
    for name, fields in document.get("files", {}).items():
        frozen: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in fields.items()}
        frozen["sources"] = tuple(FileSource(**each) for each in fields["sources"])
        records[name] = FileRecord(name=name, **frozen)
    return Manifest(records, *(document.get(table, {}) for table in TABLES))


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


_text, _texts = rules.or_null(rules.is_text), rules.list_of(rules.is_text)
_sha256, _sha1 = rules.or_null(rules.hexadecimal("64")), rules.or_null(rules.hexadecimal("40"))
_source: Mapping[str, Accepts] = {
    "url": rules.is_text,
    "kind": rules.one_of(KINDS),
    **dict.fromkeys(("member", "note"), _text),
    "sha256": _sha256,
    "git_blob_sha1": _sha1,
}
_row: Mapping[str, Accepts] = {
    **dict.fromkeys(("source", "dataset", "metric", "unit"), lambda _: True),
    "values": rules.of_type(dict),
    "protocol": _text,
}
FIELD_RULES: Rules = {
    "dialect": (f"one of {', '.join(DIALECTS)}", rules.one_of(DIALECTS)),
    "sources": (
        f"a list of objects with a url and a kind ({', '.join(KINDS)})",
        rules.list_of(rules.object_of(_source, _source.keys() - {"url", "kind"})),
    ),
    "pages": (
        "a list of objects with a url",
        rules.list_of(rules.object_of(dict.fromkeys(("url", "note"), rules.is_text), optional=("note",))),
    ),
    "bytes": ("a whole number above 0, or null", rules.or_null(rules.whole(1, 1 << 62))),
    "sha256": ("64 small hexadecimal digits, or null", _sha256),
    "sha256_prefix": ("6 to 63 small hexadecimal digits, or null", rules.or_null(rules.hexadecimal("6,63"))),
    "prefix_trust": (f"one of {', '.join(PREFIX_TRUST)}, or null", rules.one_of((None, *PREFIX_TRUST))),
    "git_blob_sha1": ("40 small hexadecimal digits, or null", _sha1),
    "licence": ("a text", rules.is_text),
    **dict.fromkeys(("training_data", "papers"), ("a list of names", _texts)),
    "source": ("an object of repository, commit and config", rules.object_of(dict.fromkeys(ORIGIN, _text))),
    "published": ("a list of rows", rules.list_of(rules.object_of(_row))),
    "notes": ("a list of texts", _texts),
    "asset": ("true or false", rules.of_type(bool)),
    "same_tensors": ("a list of 64 small hexadecimal digits each", rules.list_of(rules.hexadecimal("64"))),
}
OPTIONAL = {"asset", "same_tensors"}


def check_manifest(document: Any, where: object, known: Mapping[str, Mapping[str, Any]] | None = None) -> None:
    """Refuse the content of a JSON file, called `where` in messages, that breaks a rule of manifests.

    The `CheckpointError` names the first wrong field. Records may refer to the document's own tables and to `known`.
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
        plain = None if is_plain(name) else "expected a plain file name"
        if problem := plain or rules.first_problem(fields, FIELD_RULES, OPTIONAL) or contradiction(fields, tables):
            raise CheckpointError(f"{where}: {name!r}: {problem}")


def contradiction(fields: Mapping[str, Any], tables: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Return what is wrong with fields taken together, or with what they refer to, or None."""
    if (fields["sha256_prefix"] is None) != (fields["prefix_trust"] is None):
        return "sha256_prefix and prefix_trust belong together"
    if fields["sha256"] and not fields["sha256"].startswith(fields["sha256_prefix"] or ""):
        return "sha256 does not begin with sha256_prefix"
    for each in fields["sources"]:
        if problem := source_problem(each["url"]):
            return problem
        if each.get("member") and not each.get("sha256"):
            return f"{each['url']} is an archive: it needs its own sha256"
    named = {**fields, "protocols": [row["protocol"] for row in fields["published"] if row["protocol"]]}
    missing = ((table, name) for table in TABLES for name in named[table] if name not in tables[table])
    return next((f"{name!r} is not in the table {table}" for table, name in missing), None)


HUB = "hf://"
# As the hub writes them; a revision with a slash only for pull requests.
HUB_FORM = re.compile(
    r"hf://(?P<repository>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)"
    r"(@(?P<revision>refs/pr/\d+|[\w.+-]+))?(/(?P<path>[^@\\\s]+))?",
    re.ASCII,
)


def url_problem(url: str, before: str | None = None) -> str | None:
    """Return why an address must not be used, or None.

    https is fine; so is http on the loopback addresses of this machine, unless `before`, which led there, is https.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        return f"{url!r} is not an address: {error}"
    if any(ord(letter) <= ord(" ") for letter in url) or not host:
        return f"{url!r} is not an address"
    if parts.username is not None or parts.password is not None:
        return f"an address must not hold a user name or password: {host} (put them into ~/.netrc)"
    if parts.scheme == "https":
        return None
    if parts.scheme != "http":
        return f"{url} is neither https nor hf"
    if not is_loopback(host):
        return f"{url} is plain http: only https can be trusted"
    return f"{before} leads to plain http: {url}" if before and urlsplit(before).scheme != "http" else None


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine by its name alone, without a name server."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def source_problem(url: str) -> str | None:
    """Return why an address of the manifest or of FACELANDMARKS_MIRROR must not be used, or None."""
    if not url.startswith(HUB):
        return url_problem(url)
    try:
        hub_parts(url)
    except DownloadError as error:
        return str(error)
    return None


def hub_parts(url: str, *, need_path: bool = True) -> tuple[str, str, str | None]:
    """Split an `hf://` address into repository (`owner/name`), path inside it, and revision.

    The path is empty if there is none; with `need_path` that is a `DownloadError`, as are all other forms.
    """
    match = HUB_FORM.fullmatch(url)
    path = (match["path"] or "") if match else ""
    if match is None or any(part in ("", ".", "..") for part in path.split("/")) != (path == ""):
        raise DownloadError(f"{url!r} does not have the form hf://owner/repository@revision/file")
    if need_path and not path:
        raise DownloadError(f"{url!r} names no file: expected hf://owner/repository@revision/file")
    return match["repository"], path, match["revision"]
