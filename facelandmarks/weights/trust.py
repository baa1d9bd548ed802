"""Decide whether a file is the one that was meant, from the manifest's record and from what was pinned before."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from facelandmarks.weights.cache import Pin
from facelandmarks.weights.manifest import PREFIX_TRUST, FileRecord, FileSource

CHUNK = 1 << 20  # bytes


@dataclass(frozen=True)
class Found:
    """Size of a file in bytes, and its digests, hexadecimal."""

    bytes: int
    sha256: str
    git_blob_sha1: str


@dataclass(frozen=True)
class Verdict:
    """What to do with a file, why, and a warning for the user."""

    action: Literal["accept", "refuse"]
    reason: str
    warning: str | None = None


def judge(
    record: FileRecord, found: Found, pin: Pin | None, *, allow_unverified: bool = False, vouched: bool = False
) -> Verdict:
    """Decide about a file that was read whole; `pin` is the file that was accepted under its name before.

    Facts count in the order of how much they say: size, SHA-256, the pin of the first use, Git's digest, the digits in
    the name. Without any, only `vouched`, a digest of the source that sent it, or `allow_unverified` lets a file in.
    """
    name, sha256 = record.name, found.sha256
    if record.bytes not in (None, found.bytes) and sha256 not in record.same_tensors:
        return Verdict("refuse", f"{name} has {found.bytes} bytes, not {record.bytes}; its SHA-256 is {sha256}")
    if record.sha256 is not None:
        if sha256 in (record.sha256, *record.same_tensors):
            return Verdict("accept", "sha256")
        return Verdict("refuse", f"the SHA-256 of {name} is {sha256}, not {record.sha256}")
    if pin is not None and pin.sha256 != sha256:
        return Verdict("refuse", f"the SHA-256 of {name} is {sha256}, but {pin.sha256} was pinned on first use")
    if record.git_blob_sha1 is not None:
        if record.git_blob_sha1 == found.git_blob_sha1:
            return Verdict("accept", "git_blob_sha1")
        return Verdict("refuse", f"Git's digest of {name} is {found.git_blob_sha1}, not {record.git_blob_sha1}")
    if record.sha256_prefix is not None:
        return _judge_prefix(record, sha256, known=pin is not None or allow_unverified)
    if pin is not None or vouched:
        return Verdict("accept", "pin" if pin is not None else "first use, digest of its source")
    if allow_unverified:
        return Verdict("accept", "first use, unverified", f"no digest of {name} is published: {_taken(sha256)}")
    return Verdict("refuse", no_digest(record))


def differs_from(record: FileRecord, source: FileSource, found: Found) -> str | None:
    """Return how a file differs from what its source was to send, or None; a tar is examined before it is opened."""
    if source.member is None and source.sha256 not in (None, found.sha256):
        return f"the SHA-256 of {record.name} is {found.sha256}, not {source.sha256} as from this source"
    if source.git_blob_sha1 not in (None, found.git_blob_sha1):
        return f"Git's digest of {record.name} is {found.git_blob_sha1}, not {source.git_blob_sha1} as from this source"
    if source.kind == "third-party" and not found.sha256.startswith(record.sha256_prefix or ""):
        return f"the SHA-256 of this third-party copy is {found.sha256} and does not begin with {record.sha256_prefix}"
    return None


def is_independent(record: FileRecord) -> bool:
    """Tell whether a digest of the authors says which file is meant, wherever it comes from."""
    return bool(record.sha256 or record.git_blob_sha1 or record.prefix_trust not in (None, "stale_likely"))


def _judge_prefix(record: FileRecord, sha256: str, *, known: bool) -> Verdict:
    name, prefix = record.name, record.sha256_prefix or ""
    if sha256.startswith(prefix):
        return Verdict("accept", "sha256_prefix")
    differs = f"the SHA-256 of {name} is {sha256} and does not begin with {prefix}, as its name says"
    if record.prefix_trust == "stale_likely":
        return Verdict("accept", "first use", f"{differs}; upstream replaced the file. {_taken(sha256)}")
    if record.prefix_trust == "medium" and known:
        return Verdict("accept", "first use, unverified", f"{differs}. {_taken(sha256)}")
    doubt = "; to accept it anyway, give allow_unverified=True (--allow-unverified)"
    return Verdict("refuse", differs + (doubt if record.prefix_trust == "medium" else ""))


def _taken(sha256: str) -> str:
    return f"It was accepted, and its SHA-256 is pinned as {sha256}: compare it with a second source"


def no_digest(record: FileRecord) -> str:
    """Say why a file without a published digest is refused, and how to accept it."""
    return (
        f"no digest of {record.name} is published, so it cannot be verified. To accept it anyway, give "
        "allow_unverified=True (--allow-unverified); its SHA-256 is then pinned"
    )


def digest_kind(record: FileRecord) -> str:
    """Name the strongest published digest for people; `none` if there is none."""
    if record.sha256 is not None:
        return "SHA-256"
    if record.git_blob_sha1 is not None:
        return "Git's SHA-1"
    return "none" if record.prefix_trust is None else f"first digits ({PREFIX_TRUST[record.prefix_trust]})"


def examine(path: Path) -> Found:
    """Read a file whole, and return its size and digests."""
    size = path.stat().st_size
    sha256, git = hashlib.sha256(), hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            sha256.update(chunk)
            git.update(chunk)
    return Found(size, sha256.hexdigest(), git.hexdigest())


def is_unchanged(record: FileRecord, pin: Pin | None, stat: os.stat_result) -> bool:
    """Return whether a file need not be read again: it is as it was accepted, and the manifest still agrees."""
    if pin is None or (pin.bytes, pin.mtime_ns) != (stat.st_size, stat.st_mtime_ns):
        return False
    found = Found(pin.bytes, pin.sha256, record.git_blob_sha1 or "")
    return judge(record, found, pin, allow_unverified=True).action == "accept"
