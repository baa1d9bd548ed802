"""Pack verified files into one zip for machines without network, or lay them out in a folder that serves as a mirror.

Where a bundle is unpacked, the manifest in force there is trusted; the digests in its own must hold in addition.
"""

import json
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from facelandmarks._files import parse_json, whole_file, write_file
from facelandmarks.errors import CheckpointError, FaceLandmarksError
from facelandmarks.weights import manifest
from facelandmarks.weights.cache import Place, is_plain
from facelandmarks.weights.fetch import add_stream, cached
from facelandmarks.weights.trust import examine

MOST_MANIFEST = 10_000_000  # bytes
# What the module zipfile raises depends on where a file is broken.
BROKEN = (OSError, EOFError, zipfile.BadZipFile, zlib.error, struct.error, ValueError, RuntimeError)


def write_bundle(out: Path, files: Sequence[tuple[manifest.FileRecord, Path]]) -> None:
    """Write verified files (records and paths) and their manifest to a zip, which is there whole or not at all."""
    document = _locked_manifest(lock_records(files))
    with whole_file(out) as partial, zipfile.ZipFile(partial, "x", zipfile.ZIP_STORED) as archive:
        archive.writestr(manifest.NAME, document)
        for record, path in files:
            archive.write(path, record.name)


def write_mirror(folder: Path, files: Sequence[tuple[manifest.FileRecord, Path]]) -> list[manifest.FileRecord]:
    """Lay out verified files by name in a folder, with their manifest; return their records with full digests."""
    folder.mkdir(parents=True, exist_ok=True)
    records = lock_records(files)
    for record, (_, path) in zip(records, files, strict=True):
        target = folder / record.name
        if target.is_file() and examine(target).sha256 == record.sha256:
            continue
        with whole_file(target) as partial:
            shutil.copyfile(path, partial)
    write_file(folder / manifest.NAME, _locked_manifest(records).encode())
    return records


def lock_records(files: Sequence[tuple[manifest.FileRecord, Path]]) -> list[manifest.FileRecord]:
    """Return the records of verified files, with the size and the full digest of each."""
    facts = ((record, examine(path)) for record, path in files)
    return [replace(record, bytes=found.bytes, sha256=found.sha256) for record, found in facts]


def _locked_manifest(records: Sequence[manifest.FileRecord]) -> str:
    return json.dumps(document_of(records, manifest.load_manifest()), indent=1) + "\n"


def document_of(records: Sequence[manifest.FileRecord], known: manifest.Manifest) -> dict[str, Any]:
    """Return a manifest, as JSON values, of these records and of what they refer to."""
    protocols = [row["protocol"] for record in records for row in record.published if row["protocol"]]
    return {
        "schema": manifest.SCHEMA,
        "training_data": {name: dict(known.training_data[name]) for r in records for name in r.training_data},
        "papers": {name: dict(known.papers[name]) for record in records for name in record.papers},
        "protocols": {name: dict(known.protocols[name]) for name in protocols},
        "files": {r.name: {k: v for k, v in asdict(r).items() if k not in ("name", "asset")} for r in records},
    }


def unpack_bundle(path: Path, folder: Path) -> list[Path]:
    """Take the files of a bundle into the cache `folder`, and return where they are there.

    `CheckpointError`, and none is taken, if it is no bundle, or holds paths, links or files that the manifest in force
    does not know.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members: dict[str, zipfile.ZipInfo] = {}
            for info in archive.infolist():
                name, kind = info.filename, stat.S_IFMT(info.external_attr >> 16)
                problems = {
                    "a folder or a link, not a file": info.is_dir() or kind not in (0, stat.S_IFREG),
                    "encrypted": info.flag_bits & 1,
                    "one name of two files": name in members,
                    "not a plain file name": name != manifest.NAME and not is_plain(name),
                }
                if problem := next((problem for problem, holds in problems.items() if holds), None):
                    raise CheckpointError(f"{path} is refused: {name!r} is {problem}")
                members[name] = info
            taken = []
            for name, digest in read_digests(path, archive, members).items():
                record, place = manifest.load_manifest().files[name], Place(folder, name)
                found = cached(record, place)
                if not found:
                    with archive.open(name) as stream:
                        found = add_stream(record, stream, place, sha256=digest)
                taken.append(found)
            return taken
    except FaceLandmarksError:
        raise
    except BROKEN as error:
        raise CheckpointError(f"cannot read the bundle {path}: {error}") from error


def read_digests(path: Path, archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo]) -> dict[str, str]:
    """Read the full digests of a bundle by file name; every file is in it, and known to the manifest in force."""
    if manifest.NAME not in members or members[manifest.NAME].file_size > MOST_MANIFEST:
        raise CheckpointError(f"{path} is not a bundle: it holds no {manifest.NAME}")
    try:
        document = parse_json(archive.read(manifest.NAME))
    except ValueError as error:
        raise CheckpointError(f"{path}: its {manifest.NAME} is damaged: {error}") from error
    manifest.check_manifest(document, path)
    digests = {name: fields["sha256"] for name, fields in document["files"].items()}
    if unknown := sorted(digests.keys() - manifest.load_manifest().files.keys()):
        raise CheckpointError(
            f"{path} holds {unknown[0]}, which the manifest does not know; to trust the bundle's own manifest, unpack "
            f"{manifest.NAME} and name it by FACELANDMARKS_MANIFEST"
        )
    bare = {name for name, digest in digests.items() if digest is None}
    if different := sorted(bare | (digests.keys() ^ (members.keys() - {manifest.NAME}))):
        raise CheckpointError(
            f"{path}: {different[0]} is not both in the bundle and, with its SHA-256, in its manifest"
        )
    return digests


def lock_manifest(path: Path, folder: Path) -> list[str]:
    """Fill in size and SHA-256 of the verified files of the cache `folder` in a manifest file; return their names."""
    document = manifest.read_document(path)
    manifest.check_manifest(document, path, {"training_data": manifest.load_manifest().training_data})
    changed = []
    for name, fields in document["files"].items():
        record, place = manifest.load_manifest().files.get(name), Place(folder, name)
        if fields.get("asset") or fields["sha256"] or record is None or not cached(record, place):
            continue
        found = examine(place.file)
        fields["bytes"], fields["sha256"] = found.bytes, found.sha256
        changed.append(name)
    if changed:
        write_file(path, (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode())
    return changed
