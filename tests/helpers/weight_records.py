"""Records, manifests and checkpoints for the tests of weights."""

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np

from facelandmarks.weights.manifest import FileRecord, FileSource

BODY = np.random.default_rng(13).bytes(300_000)
OTHER = BODY[:-1] + bytes([BODY[-1] ^ 1])  # of the same size
NAME = "weights.pth"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def record_of(*urls, body=BODY, **changes) -> FileRecord:
    """The record of a file with this content, from these addresses or sources; every digest and the size are known."""
    record = FileRecord(
        name=NAME,
        dialect="mmpose0x",
        sources=tuple(FileSource(url, "original") if isinstance(url, str) else url for url in urls),
        pages=(),
        bytes=len(body),
        sha256=sha256(body),
        sha256_prefix=None,
        prefix_trust=None,
        git_blob_sha1=None,
        licence="Apache-2.0",
        training_data=(),
        papers=(),
        source={"repository": None, "commit": None, "config": None},
        published=(),
        notes=(),
    )
    return dataclasses.replace(record, **changes)


def fields_of(record: FileRecord) -> dict:
    """As they stand in a manifest."""
    fields = dataclasses.asdict(record)
    del fields["name"], fields["asset"]
    return json.loads(json.dumps(fields))


def write_manifest(path: Path, *records: FileRecord) -> Path:
    """A manifest file of these records."""
    files = {record.name: fields_of(record) for record in records}
    path.write_text(json.dumps({"schema": "facelandmarks-manifest/1", "files": files}))
    return path
