"""Verified files in one zip, for machines without network; unpacked, it serves as a mirror.

A bundle holds files by name and a manifest of them with full digests. Who unpacks it trusts the manifest that is in
force there, and takes the bundle's digests in addition.
"""

import json
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from facelandmarks._files import parse_json
from facelandmarks.errors import CheckpointError, FaceLandmarksError
from facelandmarks.weights.cache import Place, check_name
from facelandmarks.weights.fetch import cached
from facelandmarks.weights.manifest import NAME, FileRecord, Manifest, load_manifest
from facelandmarks.weights.manifest_checks import SCHEMA, check_manifest
from facelandmarks.weights.register import add_stream
from facelandmarks.weights.trust import examine

MOST_MANIFEST = 10_000_000  # bytes
# What the module zipfile raises depends on where a file is broken.
BROKEN = (OSError, EOFError, zipfile.BadZipFile, zlib.error, struct.error, ValueError, RuntimeError)


def write_bundle(out: Path, files: Sequence[tuple[FileRecord, Path]]) -> None:
    """Write verified files and their manifest; the bundle is whole or not there.

    Parameters
    ----------
    out
        The zip file.
    files
        Records and where their verified files are.
    """
    found = [(record, path, examine(path)) for record, path in files]
    locked = [replace(record, bytes=facts.bytes, sha256=facts.sha256) for record, _, facts in found]
    partial = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(NAME, json.dumps(document_of(locked, load_manifest()), indent=1) + "\n")
            for record, path, _ in found:
                archive.write(path, record.name)
        os.replace(partial, out)
    finally:
        partial.unlink(missing_ok=True)


def document_of(records: Sequence[FileRecord], manifest: Manifest) -> dict[str, Any]:
    """A manifest of these records and of what they refer to."""
    rows = [row for record in records for row in record.published]
    return {
        "schema": SCHEMA,
        "training_data": _part(manifest.training_data, [name for record in records for name in record.training_data]),
        "papers": _part(manifest.papers, [name for record in records for name in record.papers]),
        "protocols": _part(manifest.protocols, [row["protocol"] for row in rows if row["protocol"]]),
        "files": {record.name: _fields(record) for record in records},
    }


def unpack_bundle(path: Path, folder: Path) -> list[Path]:
    """Take the files of a bundle into a cache.

    Parameters
    ----------
    path
        The zip file.
    folder
        The cache.

    Returns
    -------
    list
        The files in the cache.

    Raises
    ------
    CheckpointError
        If it is no bundle, or holds paths, links or files that the manifest in force does not know. Nothing of it is
        taken then.
    ChecksumError
        If a file is not the one that is meant.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: info for info in archive.infolist()}
            problem = next((found for found in map(_member_problem, archive.infolist()) if found), None)
            if problem or len(members) != len(archive.infolist()):
                raise CheckpointError(f"{path} is not taken: {problem or 'two of its files have one name'}")
            promised = _promised(path, archive, members)
            return [_take(archive, members[name], digest, folder) for name, digest in promised.items()]
    except FaceLandmarksError:
        raise
    except BROKEN as error:
        raise CheckpointError(f"cannot read the bundle {path}: {error}") from error


def _promised(path: Path, archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo]) -> dict[str, str]:
    """Full digests by name; every file is known to the manifest in force."""
    if NAME not in members or members[NAME].file_size > MOST_MANIFEST:
        raise CheckpointError(f"{path} is no bundle: it holds no {NAME}")
    try:
        document = parse_json(archive.read(NAME))
    except ValueError as error:
        raise CheckpointError(f"{path}: its {NAME} is damaged: {error}") from error
    check_manifest(document, path)
    digests = {name: fields["sha256"] for name, fields in document["files"].items()}
    unknown = sorted(digests.keys() - load_manifest().files.keys())
    if unknown:
        raise CheckpointError(
            f"{path} holds {unknown[0]}, which the manifest does not know; to trust the bundle's own manifest, unpack "
            f"{NAME} and name it by FACELANDMARKS_MANIFEST"
        )
    different = sorted(digests.keys() ^ (members.keys() - {NAME})) or [n for n, d in digests.items() if d is None]
    if different:
        raise CheckpointError(
            f"{path}: {different[0]} is not both in the bundle and, with its SHA-256, in its manifest"
        )
    return digests


def _take(archive: zipfile.ZipFile, info: zipfile.ZipInfo, sha256: str, folder: Path) -> Path:
    record, place = load_manifest().files[info.filename], Place(folder, info.filename)
    if found := cached(record, place):
        return found
    with archive.open(info) as stream:
        return add_stream(record, stream, place, sha256=sha256)


def _member_problem(info: zipfile.ZipInfo) -> str | None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if info.is_dir() or kind not in (0, stat.S_IFREG):
        return f"{info.filename!r} is a folder or a link, not a file"
    if info.flag_bits & 1:
        return f"{info.filename!r} is encrypted"
    try:
        if info.filename != NAME:
            check_name(info.filename)
    except CheckpointError as error:
        return str(error)
    return None


def _part(table: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: dict(table[name]) for name in dict.fromkeys(names)}


def _fields(record: FileRecord) -> dict[str, Any]:
    """The record as it stands in a manifest."""
    return {key: value for key, value in asdict(record).items() if key not in ("name", "asset")}
