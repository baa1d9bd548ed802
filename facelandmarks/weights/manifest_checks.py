"""Whether a document is a manifest: the rules of docs/weights_manifest.schema.json, and what a schema cannot say."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from facelandmarks.errors import CheckpointError
from facelandmarks.weights.cache import check_name
from facelandmarks.weights.sources import source_problem

SCHEMA = "facelandmarks-manifest/1"
TABLES = ("training_data", "papers", "protocols")
DIALECTS = ("packed", "safetensors", "mmpose0x", "mmpose1x", "hrnet_official", "yunet_onnx")
PREFIX_TRUST = ("high", "medium", "stale_likely")
PUBLISHED = {"source", "dataset", "metric", "unit", "values", "protocol"}
Rule = tuple[str, Callable[[Any], bool]]


def _digits(least: int, most: int) -> Callable[[Any], bool]:
    pattern = re.compile(rf"[0-9a-f]{{{least},{most}}}")
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _or_null(accepts: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or accepts(value)


def _text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _page(value: Any) -> bool:
    return isinstance(value, dict) and "url" in value and value.keys() <= {"url", "note"} and _texts([*value.values()])


def _row(value: Any) -> bool:
    if not isinstance(value, dict) or value.keys() != PUBLISHED:
        return False
    return isinstance(value["values"], dict) and (value["protocol"] is None or _text(value["protocol"]))


def _source(value: Any) -> bool:
    fields = {"repository", "commit", "config"}
    return isinstance(value, dict) and value.keys() == fields and all(map(_or_null(_text), value.values()))


FIELDS: Mapping[str, Rule] = {
    "dialect": (f"one of {', '.join(DIALECTS)}", lambda value: value in DIALECTS),
    "urls": ("a list of addresses", _texts),
    "pages": ("a list of objects with a url", lambda value: isinstance(value, list) and all(map(_page, value))),
    "bytes": ("a whole number above 0, or null", _or_null(_whole)),
    "sha256": ("64 small hexadecimal digits, or null", _or_null(_digits(64, 64))),
    "sha256_prefix": ("6 to 63 small hexadecimal digits, or null", _or_null(_digits(6, 63))),
    "prefix_trust": (f"one of {', '.join(PREFIX_TRUST)}, or null", lambda value: value in (None, *PREFIX_TRUST)),
    "git_blob_sha1": ("40 small hexadecimal digits, or null", _or_null(_digits(40, 40))),
    "licence": ("a text", _text),
    "training_data": ("a list of names", _texts),
    "papers": ("a list of names", _texts),
    "source": ("an object of repository, commit and config", _source),
    "published": ("a list of rows", lambda value: isinstance(value, list) and all(map(_row, value))),
    "notes": ("a list of texts", _texts),
    "asset": ("true or false", lambda value: isinstance(value, bool)),
}
OPTIONAL = {"asset"}


def check_manifest(document: Any, where: object, known: Mapping[str, Mapping[str, Any]] | None = None) -> None:
    """Refuse what is no manifest.

    Parameters
    ----------
    document
        What the JSON file holds.
    where
        For messages.
    known
        Tables that records may refer to besides the document's own.

    Raises
    ------
    CheckpointError
        Naming the first record and field that is wrong, and what was expected.
    """
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise CheckpointError(f"{where} is no manifest: expected a JSON object whose schema is {SCHEMA!r}")
    unknown = document.keys() - {"schema", "files", *TABLES}
    wrong = [key for key in ("files", *TABLES) if not isinstance(document.get(key, {}), dict)]
    if unknown or wrong or "files" not in document:
        raise CheckpointError(f"{where}: {', '.join([*sorted(unknown), *wrong]) or 'files'} is unknown, or no object")
    tables = {table: {**(known or {}).get(table, {}), **document.get(table, {})} for table in TABLES}
    for name, fields in document["files"].items():
        problem = record_problem(name, fields, tables)
        if problem:
            raise CheckpointError(f"{where}: {name!r}: {problem}")


def record_problem(name: str, fields: Any, tables: Mapping[str, Mapping[str, Any]]) -> str | None:
    """What is wrong with a record, or None."""
    try:
        check_name(name)
    except CheckpointError as error:
        return str(error)
    if not isinstance(fields, dict):
        return "expected an object"
    different = sorted((fields.keys() - FIELDS.keys()) | (FIELDS.keys() - OPTIONAL - fields.keys()))
    if different:
        return f"{different[0]} is {'missing' if different[0] in FIELDS else 'unknown'}"
    for field, (expected, accepts) in FIELDS.items():
        if field in fields and not accepts(fields[field]):
            return f"{field} must be {expected}, not {fields[field]!r}"
    return _contradiction(fields) or _unknown_reference(fields, tables)


def _contradiction(fields: Mapping[str, Any]) -> str | None:
    """What no single field shows."""
    if (fields["sha256_prefix"] is None) != (fields["prefix_trust"] is None):
        return "sha256_prefix and prefix_trust belong together"
    if fields["sha256"] and not fields["sha256"].startswith(fields["sha256_prefix"] or ""):
        return "sha256 does not begin with sha256_prefix"
    return next((problem for problem in map(source_problem, fields["urls"]) if problem), None)


def _unknown_reference(fields: Mapping[str, Any], tables: Mapping[str, Mapping[str, Any]]) -> str | None:
    rows = [row["protocol"] for row in fields["published"] if row["protocol"] is not None]
    named = {"training_data": fields["training_data"], "papers": fields["papers"], "protocols": rows}
    missing = [
        f"{name!r} is not in the table {table}"
        for table, names in named.items()
        for name in names
        if name not in tables[table]
    ]
    return missing[0] if missing else None
