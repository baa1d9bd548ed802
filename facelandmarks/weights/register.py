"""Files that a person brings along, checked as strictly as those that are fetched."""

from collections.abc import Callable
from pathlib import Path
from typing import IO

from facelandmarks.errors import CheckpointError, ChecksumError
from facelandmarks.weights.cache import MOST_BYTES, Place, disk_errors
from facelandmarks.weights.fetch import admit, locked
from facelandmarks.weights.manifest import FileRecord
from facelandmarks.weights.trust import digest_kind, examine

CHUNK = 1 << 20  # bytes


def add_file(
    record: FileRecord, source: Path, folder: Path, check: Callable[[Path], None], *, allow_unverified: bool = False
) -> Path:
    """Copy a file into the cache, if it is the one that the record means.

    Parameters
    ----------
    record
        Of the manifest.
    source
        The file; it stays where it is.
    folder
        The cache.
    check
        Called with a copy whose digest is right; raises CheckpointError if it does not fit.
    allow_unverified
        Whether to take a file whose digest is not the published one, where that is known to be doubtful.

    Raises
    ------
    CheckpointError
        If there is no such file, or it does not fit.
    ChecksumError
        If it is another file than the one that is meant.
    DownloadError
        If the cache cannot be written to.
    """
    if not source.is_file():
        raise CheckpointError(f"no such file: {source}")
    with source.open("rb") as stream:
        return add_stream(record, stream, Place(folder, record.name), allow_unverified=allow_unverified, check=check)


def add_stream(
    record: FileRecord,
    stream: IO[bytes],
    place: Place,
    *,
    allow_unverified: bool = False,
    sha256: str | None = None,
    check: Callable[[Path], None] | None = None,
) -> Path:
    """As `add_file`, from an open file.

    A file without any published digest is taken, for a person chose it, and pinned. `sha256` is a digest
    that it must have besides.
    """
    most = MOST_BYTES if record.bytes is None else record.bytes
    with locked(place):
        _copy(stream, place, most)
        place.partial_origin.unlink(missing_ok=True)
        found = examine(place.partial).sha256
        if sha256 is not None and found != sha256:
            place.partial.unlink()
            raise ChecksumError(f"the SHA-256 of {record.name} is {found}, not {sha256}")
        trusted = allow_unverified or digest_kind(record) == "none"
        return admit(record, place, allow_unverified=trusted, check=check)


def _copy(stream: IO[bytes], place: Place, most: int) -> None:
    size = 0
    try:
        with disk_errors(place), place.partial.open("wb") as file:
            while chunk := stream.read(CHUNK):
                size += len(chunk)
                if size > most:
                    raise ChecksumError(f"{place.name} has more than {most} bytes")
                file.write(chunk)
    except BaseException:
        place.partial.unlink(missing_ok=True)
        raise
