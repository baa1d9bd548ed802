"""Whether a file is the one that was meant: decided from the manifest's record and what was pinned before.

`judge` only decides; pins are read and written by the functions below it.
"""

import hashlib
import json
import logging
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from facelandmarks._files import parse_json, write_file
from facelandmarks.errors import ChecksumError
from facelandmarks.weights.cache import Place
from facelandmarks.weights.manifest import FileRecord

SCHEMA = "facelandmarks-pin/1"
CHUNK = 1 << 20  # bytes
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Found:
    """What a file is: its size in bytes and its digests, hexadecimal."""

    bytes: int
    sha256: str
    git_blob_sha1: str


@dataclass(frozen=True)
class Pin:
    """What a file was accepted with.

    Attributes
    ----------
    sha256, bytes
        Of the whole file.
    mtime_ns
        When it was last changed, in nanoseconds: while this and the size hold, it is not read again.
    basis
        Why it was accepted.
    """

    sha256: str
    bytes: int
    mtime_ns: int
    basis: str


@dataclass(frozen=True)
class Verdict:
    """What to do with a file, why, and what to warn of."""

    action: Literal["accept", "refuse"]
    reason: str
    warning: str | None = None


def judge(record: FileRecord, found: Found, pin: Pin | None, *, allow_unverified: bool = False) -> Verdict:
    """Decide about a file that was read whole.

    Published facts come first, in the order of how much they say: size, SHA-256, the pin of the first use, Git's
    digest, the digits in the name. Without any, only `allow_unverified` lets a file in.

    Parameters
    ----------
    record
        What the manifest says.
    found
        What the file is.
    pin
        What was accepted under this name before.
    allow_unverified
        Whether a file may be taken on first use that no published digest vouches for.
    """
    name, sha256 = record.name, found.sha256
    if record.bytes is not None and record.bytes != found.bytes:
        return Verdict("refuse", f"{name} has {found.bytes} bytes, not {record.bytes}; its SHA-256 is {sha256}")
    if record.sha256 is not None:
        if record.sha256 == sha256:
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
    if pin is not None:
        return Verdict("accept", "pin")
    if allow_unverified:
        return Verdict("accept", "first use, unverified", f"no digest of {name} is published: {_taken(sha256)}")
    return Verdict(
        "refuse",
        f"no digest of {name} is published, so that nothing tells whether a file is the right one; to take it all the "
        "same, give allow_unverified=True (--allow-unverified): its SHA-256 is pinned then",
    )


def _judge_prefix(record: FileRecord, sha256: str, *, known: bool) -> Verdict:
    name, prefix = record.name, record.sha256_prefix or ""
    if sha256.startswith(prefix):
        return Verdict("accept", "sha256_prefix")
    differs = f"the SHA-256 of {name} is {sha256} and does not begin with {prefix}, as its name says"
    if record.prefix_trust == "stale_likely":
        return Verdict("accept", "first use", f"{differs}; it was published anew under this name. {_taken(sha256)}")
    if record.prefix_trust == "medium" and known:
        return Verdict("accept", "first use, unverified", f"{differs}. {_taken(sha256)}")
    doubt = "; if you know better, give allow_unverified=True (--allow-unverified)"
    return Verdict("refuse", differs + (doubt if record.prefix_trust == "medium" else ""))


def _taken(sha256: str) -> str:
    return f"It was taken, and its SHA-256 is pinned as {sha256}: compare it with somebody else's"


def may_be_fetched(record: FileRecord, pin: Pin | None, *, allow_unverified: bool) -> bool:
    """Whether a download has a chance to be accepted, so that nothing is fetched only to be refused."""
    published = (record.sha256, record.sha256_prefix, record.git_blob_sha1)
    return allow_unverified or pin is not None or any(digest is not None for digest in published)


def digest_kind(record: FileRecord) -> str:
    """The strongest published digest: `sha256`, `git_blob_sha1`, `sha256_prefix` with its trust, or `none`."""
    if record.sha256 is not None:
        return "sha256"
    if record.git_blob_sha1 is not None:
        return "git_blob_sha1"
    return f"sha256_prefix ({record.prefix_trust})" if record.sha256_prefix is not None else "none"


def examine(path: Path) -> Found:
    """Read a file whole: its size and digests."""
    size = path.stat().st_size
    sha256, git = hashlib.sha256(), hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            sha256.update(chunk)
            git.update(chunk)
    return Found(size, sha256.hexdigest(), git.hexdigest())


def read_pin(place: Place) -> Pin | None:
    """What was pinned for a file, or None.

    Raises
    ------
    ChecksumError
        If there is a pin that cannot be read: it is not ignored, for what it guards against would pass then.
    """
    try:
        text = place.pin.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ChecksumError(f"cannot read {place.pin}: {error.strerror or error}") from error
    try:
        fields = parse_json(text)
        digest, size, when = fields["sha256"], fields["bytes"], fields["mtime_ns"]
        return Pin(str(digest), int(size), int(when), str(fields["basis"]))
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise ChecksumError(f"{place.pin} is damaged; if you did not change it, remove it: {error}") from error


def write_pin(place: Place, pin: Pin) -> None:
    """Keep a pin; where the folder cannot be written to, the next load reads the file again."""
    document = {"schema": SCHEMA, "name": place.name, **asdict(pin)}
    try:
        write_file(place.pin, (json.dumps(document, indent=1) + "\n").encode())
    except OSError as error:
        _LOG.info("cannot write %s: %s", place.pin, error)


def is_unchanged(record: FileRecord, pin: Pin | None, stat: os.stat_result) -> bool:
    """Whether a file need not be read again: it is as it was when accepted, and the manifest still agrees."""
    if pin is None or (pin.bytes, pin.mtime_ns) != (stat.st_size, stat.st_mtime_ns):
        return False
    found = Found(pin.bytes, pin.sha256, record.git_blob_sha1 or "")
    return judge(record, found, pin, allow_unverified=True).action == "accept"
