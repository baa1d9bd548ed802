"""A verified file in the cache: the one that is there, or one that is fetched now."""

import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from facelandmarks.errors import ChecksumError, DownloadError, FaceLandmarksError, OfflineError
from facelandmarks.weights.cache import Place, cache_folder, disk_errors, is_offline
from facelandmarks.weights.manifest import FileRecord
from facelandmarks.weights.sources import by_hand, sources_of
from facelandmarks.weights.trust import Pin, examine, is_unchanged, judge, may_be_fetched, read_pin, write_pin

if TYPE_CHECKING:
    from facelandmarks.weights.partial import Limits

Folder = str | os.PathLike[str] | None
_LOG = logging.getLogger(__name__)


def obtain(
    record: FileRecord,
    *,
    cache_dir: Folder = None,
    offline: bool | None = None,
    allow_unverified: bool = False,
    progress: bool | None = None,
    limits: "Limits | None" = None,
) -> Path:
    """The verified file of a record, fetched if it is not in the cache.

    Parameters
    ----------
    record
        Of the manifest.
    cache_dir
        Folder of the cache; None as `cache_folder` says.
    offline
        Whether the network must not be used; None as FACELANDMARKS_OFFLINE and HF_HUB_OFFLINE say.
    allow_unverified
        Whether to take a file that no published digest vouches for.
    progress
        Whether to show a bar on stderr; None: if that is a terminal.
    limits
        How patient to be.

    Raises
    ------
    OfflineError
        If it is not in the cache and the network must not be used.
    ChecksumError
        If the file in the cache, or what all sources send, is not the one that is meant.
    DownloadError
        If no source gives it, or it cannot be written.
    """
    place = Place(cache_folder(cache_dir), record.name)
    if found := cached(record, place, allow_unverified=allow_unverified):
        return found
    if is_offline(offline):
        raise OfflineError(
            f"{record.name} is not in {place.folder} and the network must not be used (offline). "
            f"{by_hand(record, place.folder)}"
        )
    sources = sources_of(record)
    if not sources:
        raise DownloadError(f"no program can fetch {record.name}. {by_hand(record, place.folder)}")
    if not may_be_fetched(record, read_pin(place), allow_unverified=allow_unverified):
        raise ChecksumError(
            f"no digest of {record.name} is published, so that nothing tells whether a file is the right one. To fetch "
            "it all the same, give allow_unverified=True (--allow-unverified): its SHA-256 is pinned then"
        )
    with locked(place):
        found = cached(record, place, allow_unverified=allow_unverified)  # another process may have fetched it
        return found or _from_any(sources, record, place, allow_unverified, progress, limits)


def cached(record: FileRecord, place: Place, *, allow_unverified: bool = False) -> Path | None:
    """The file if it is in the cache; it is read whole only if it changed since it was accepted.

    Raises
    ------
    ChecksumError
        If there is one, and it is another than the one that is meant.
    """
    with disk_errors(place):
        if not place.file.is_file():
            return None
        pin, stat = read_pin(place), place.file.stat()
        if is_unchanged(record, pin, stat):
            return place.file
        found = examine(place.file)
    verdict = judge(record, found, pin, allow_unverified=allow_unverified)
    if verdict.action == "refuse":
        raise ChecksumError(
            f"{place.file} is not used: {verdict.reason}. If it is damaged or old, remove it with "
            f"facelandmarks-weights clean {record.name}"
        )
    _warn(verdict.warning)
    write_pin(place, Pin(found.sha256, found.bytes, stat.st_mtime_ns, pin.basis if pin else verdict.reason))
    return place.file


def admit(
    record: FileRecord, place: Place, *, allow_unverified: bool, check: Callable[[Path], None] | None = None
) -> Path:
    """Judge `place.partial`, pin it and give it its name; a file that is refused is removed.

    Parameters
    ----------
    record, place
        What the file should be, and where it is; the lock must be held.
    allow_unverified
        As in `obtain`.
    check
        Called with the judged file before it gets its name; may raise.
    """
    with disk_errors(place):
        try:
            found = examine(place.partial)
            verdict = judge(record, found, read_pin(place), allow_unverified=allow_unverified)
            if verdict.action == "refuse":
                raise ChecksumError(verdict.reason)
            if check:
                check(place.partial)
        except FaceLandmarksError:
            place.partial.unlink(missing_ok=True)
            raise
        _sync(place.partial)
        # The pin first: a file without one would be a first use again.
        write_pin(place, Pin(found.sha256, found.bytes, place.partial.stat().st_mtime_ns, verdict.reason))
        os.replace(place.partial, place.file)
        place.partial_origin.unlink(missing_ok=True)
    _warn(verdict.warning)
    return place.file


@contextmanager
def locked(place: Place) -> Iterator[None]:
    """Hold the lock of a file; the folder of the cache is made.

    Raises
    ------
    DownloadError
        If the folder cannot be written to.
    """
    from filelock import FileLock

    lock = FileLock(place.lock)
    try:
        place.folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(poll_interval=0.1)
    except (OSError, NotImplementedError) as error:
        raise DownloadError(
            f"{place.name} is not in {place.folder}, and the folder cannot be written to: {error}. Another folder can "
            "be named by FACELANDMARKS_CACHE"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _from_any(
    sources: list[str],
    record: FileRecord,
    place: Place,
    allow_unverified: bool,
    progress: bool | None,
    limits: "Limits | None",
) -> Path:
    from facelandmarks.weights.download import SourceError, transfer
    from facelandmarks.weights.partial import Limits

    problems: list[DownloadError] = []
    for url in sources:
        for last in (False, True):
            put_together = False
            try:
                put_together = transfer(url, place, record.bytes, limits or Limits(), progress=progress)
                return admit(record, place, allow_unverified=allow_unverified)
            except SourceError as error:
                problems.append(error)
            except ChecksumError as error:
                problems.append(ChecksumError(f"{url} sent another file: {error}"))
            _LOG.warning("%s", problems[-1])
            if last or not put_together:  # a file of two transfers may be wrong by that alone
                break
    kind = ChecksumError if any(isinstance(problem, ChecksumError) for problem in problems) else DownloadError
    listed = "".join(f"\n  {problem}" for problem in problems)
    raise kind(f"cannot fetch {record.name}:{listed}\n{by_hand(record, place.folder)}")


def _sync(path: Path) -> None:
    """Bring a file to the disk, so that a power cut after the renaming leaves no hole in it."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _warn(message: str | None) -> None:
    if message:
        warnings.warn(message, stacklevel=3)
