"""Obtain verified files: from the cache, from the sources that may be used, or from a person who brings them."""

import logging
import os
import shutil
import tarfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING
from urllib.parse import quote

from facelandmarks._files import NotWritableError, exclusive
from facelandmarks.errors import ChecksumError, DownloadError, FaceLandmarksError, MissingCheckpointError, OfflineError
from facelandmarks.weights import trust
from facelandmarks.weights.cache import (
    MOST_BYTES,
    NOWHERE,
    USUAL,
    Access,
    Pin,
    Place,
    disk_errors,
    drop,
    is_offline,
    read_pin,
    write_pin,
)
from facelandmarks.weights.hub import download
from facelandmarks.weights.manifest import ASSETS, HUB, FileRecord, FileSource, source_problem

if TYPE_CHECKING:
    from facelandmarks.weights.download import Limits

Check = Callable[[Path], None]  # called with a copy whose digest is right; raises if its content does not fit
_LOG = logging.getLogger(__name__)


def obtain(record: FileRecord, access: Access = USUAL, *, limits: "Limits | None" = None) -> Path:
    """Return the verified file of a record; it is fetched if it is not in the cache.

    Errors are `OfflineError` if it is not there and the network must not be used, `ChecksumError` if the file there, or
    that all sources send, is not the one that is meant, else `DownloadError`.
    """
    place, allowed = Place(access.folder, record.name), access.allow_unverified
    if found := cached(record, place, allow_unverified=allowed):
        return found
    advice = by_hand(record, place.folder)
    if is_offline(access.offline):
        raise OfflineError(
            f"{record.name} is not in {place.folder} and offline mode forbids the network. {advice}. "
            "FACELANDMARKS_CACHE names another folder"
        )
    sources = usable(record, access, advice)
    with _locked(place):  # another process may have fetched it by now
        found = cached(record, place, allow_unverified=allowed)
        return found or _fetch(sources, record, place, access, limits)


def cached(record: FileRecord, place: Place, *, allow_unverified: bool = False) -> Path | None:
    """Return the file if it is in the cache; it is read and judged only if it changed since it was accepted."""
    with disk_errors(place):
        if not place.file.is_file():
            return None
        pin, stat = read_pin(place), place.file.stat()
        if trust.is_unchanged(record, pin, stat):
            return place.file
        found = trust.examine(place.file)
    verdict = trust.judge(record, found, pin, allow_unverified=allow_unverified)
    if verdict.action == "refuse":
        raise ChecksumError(
            f"{place.file} is not used: {verdict.reason}. If it is damaged or old, remove it with "
            f"facelandmarks-weights clean {record.name}"
        )
    if verdict.warning:
        warnings.warn(verdict.warning, stacklevel=2)
    write_pin(place, Pin(found.sha256, found.bytes, stat.st_mtime_ns, pin.basis if pin else verdict.reason))
    return place.file


def verify(record: FileRecord, folder: Path) -> Pin:
    """Read a file of the cache or of the wheel whole, whatever its pin says, and return its facts."""
    place = Place(ASSETS if record.asset else folder, record.name)
    if not place.file.is_file():
        raise DownloadError(f"{record.name} is not in {folder}: fetch it first")
    found = trust.examine(place.file)
    verdict = trust.judge(record, found, read_pin(place))
    if verdict.action == "refuse":
        raise ChecksumError(verdict.reason)
    return Pin(found.sha256, found.bytes, place.file.stat().st_mtime_ns, verdict.reason)


def by_hand(record: FileRecord, folder: os.PathLike[str], tried: Sequence[FileSource] = ()) -> str:
    """Say how a person gets the file, without the addresses that have just been named."""
    named = [source.url for source in tried]
    addresses = [source.url for source in record.sources if source.kind == "original"]
    places = [place for place in (*addresses, *(page["url"] for page in record.pages)) if place not in named]
    where = f" from {' or '.join(places)}" if places else ""
    return (
        f"Fetch {record.name} by hand{where}, then register it: facelandmarks-weights add {record.name} FILE "
        f"(it goes into {folder})"
    )


def add_file(record: FileRecord, source: Path, folder: Path, check: Check, *, allow_unverified: bool = False) -> Path:
    """Copy the file `source` into the cache `folder` if it is the one that the record means, as by `add_stream`."""
    if not source.is_file():
        raise MissingCheckpointError(f"no such file: {source}")
    with source.open("rb") as stream:
        return add_stream(record, stream, Place(folder, record.name), allow_unverified=allow_unverified, check=check)


def add_stream(
    record: FileRecord,
    stream: IO[bytes],
    place: Place,
    *,
    allow_unverified: bool = False,
    sha256: str | None = None,
    check: Check | None = None,
) -> Path:
    """Copy an open file into the cache if it is the one that the record means.

    A file without any published digest is accepted, since a person chose it, and pinned; one whose digest differs from
    a doubtful published one only if `allow_unverified`. `sha256` is one more digest that it must have.
    """
    most = MOST_BYTES if record.bytes is None else record.bytes
    with _locked(place):
        drop(place)  # what an earlier download left
        try:
            with disk_errors(place), place.partial.open("wb") as file:
                while chunk := stream.read(trust.CHUNK):
                    if file.write(chunk) and file.tell() > most:
                        raise ChecksumError(f"{place.name} has more than {most} bytes")
            found = trust.examine(place.partial).sha256
            if sha256 is not None and found != sha256:
                raise ChecksumError(f"the SHA-256 of {record.name} is {found}, not {sha256}")
        except BaseException:
            drop(place)
            raise
        trusted = allow_unverified or trust.digest_kind(record) == "none"
        return admit(record, place, allow_unverified=trusted, check=check)


def admit(
    record: FileRecord,
    place: Place,
    *,
    allow_unverified: bool,
    check: Check | None = None,
    source: FileSource | None = None,
) -> Path:
    """Judge `place.partial`, check and pin it, and give it its name, or remove it; the lock must be held."""
    with disk_errors(place):
        try:
            found = trust.examine(place.partial)
            if source is not None and (problem := trust.differs_from(record, source, found)):
                raise ChecksumError(problem)
            vouched = source is not None and source.has_digest
            verdict = trust.judge(record, found, read_pin(place), allow_unverified=allow_unverified, vouched=vouched)
            if verdict.action == "refuse":
                raise ChecksumError(verdict.reason)
            if check:
                check(place.partial)
        except FaceLandmarksError:
            drop(place)
            raise
        with place.partial.open("rb+") as file:
            os.fsync(file.fileno())  # so that a power cut after the renaming leaves no hole in it
        # The pin first: a file without one would be a first use again.
        write_pin(place, Pin(found.sha256, found.bytes, place.partial.stat().st_mtime_ns, verdict.reason))
        os.replace(place.partial, place.file)
        place.partial_origin.unlink(missing_ok=True)
    if verdict.warning:
        warnings.warn(verdict.warning, stacklevel=2)
    return place.file


@contextmanager
def _locked(place: Place) -> Iterator[None]:
    try:
        with exclusive(place.lock):
            yield
    except NotWritableError as error:
        homeless = place.folder == NOWHERE
        why = "there is no home folder to keep it in" if homeless else f"{place.folder} cannot be written to: {error}"
        raise DownloadError(
            f"{place.name} is not here, and {why}. Set FACELANDMARKS_CACHE to a folder that can be written to"
        ) from error


def _fetch(
    sources: Sequence[FileSource], record: FileRecord, place: Place, access: Access, limits: "Limits | None"
) -> Path:
    """Try the sources in turn."""
    from facelandmarks.weights.download import NO_HOST, Limits, SourceError

    problems: list[DownloadError] = []
    for source in sources:
        for _ in range(2):
            put_together = False
            try:
                put_together = bring(source, place, record.bytes, access, limits or Limits())
                return admit(record, place, allow_unverified=access.allow_unverified, source=source)
            except ChecksumError as error:
                problems.append(ChecksumError(f"{source.url} sent another file: {error}"))
            except DownloadError as error:
                if not isinstance(error, SourceError) and not source.url.startswith(HUB):
                    raise  # of the disk: another source does not help
                problems.append(error)
            _LOG.info("%s", problems[-1])
            if not put_together:  # a file of two transfers may be wrong by that alone
                break
    kind = ChecksumError if any(isinstance(problem, ChecksumError) for problem in problems) else DownloadError
    listed = "".join(f"\n  {problem}" for problem in problems)
    listed += "\nIs this machine online?" if all(NO_HOST in str(problem) for problem in problems) else ""
    left_out = len(sources_of(record)) - len(sources)
    more = f". {left_out} third-party copies were not tried: allow_third_party=True (--third-party)" if left_out else ""
    raise kind(f"cannot fetch {record.name}:{listed}\n{by_hand(record, place.folder, tried=sources)}{more}")


MOST_MEMBERS = 10_000  # of a tar


def sources_of(record: FileRecord) -> list[FileSource]:
    """Return all sources of a file, in order: FACELANDMARKS_MIRROR (files by name), then the manifest's."""
    mirror = os.environ.get("FACELANDMARKS_MIRROR", "").strip()
    first = [FileSource(f"{mirror.rstrip('/')}/{quote(record.name)}", "mirror")] if mirror else []
    sources = [*first, *record.sources]
    for source in sources:
        if problem := source_problem(source.url):
            raise DownloadError(f"{problem}. Correct it in FACELANDMARKS_MIRROR or in the manifest")
    return sources


def usable(record: FileRecord, access: Access, advice: str) -> list[FileSource]:
    """Return the sources that may be asked: nothing is fetched only to be refused.

    A third-party copy needs a digest of the authors, or `allow_third_party`; any source needs a digest, the file's or
    its own, or `allow_unverified`, or a pin of the first use. Without any, the error says what to do.
    """
    sources = sources_of(record)
    if not sources:
        raise DownloadError(f"{record.name} has no direct download. {advice}")
    known = access.allow_third_party or trust.is_independent(record)
    permitted = [source for source in sources if known or source.kind != "third-party"]
    if not permitted:
        raise DownloadError(
            f"{record.name} has only third-party copies ({sources[0].url}), and its authors published no digest. To "
            f"use one, give allow_third_party=True (--third-party). {advice}"
        )
    named = access.allow_unverified or trust.digest_kind(record) != "none"
    verified = named or read_pin(Place(access.folder, record.name))
    found = [source for source in permitted if verified or source.has_digest]
    if not found:
        raise ChecksumError(trust.no_digest(record))
    return found


def bring(source: FileSource, place: Place, size: int | None, access: Access, limits: "Limits") -> bool:
    """Make `place.partial` what a source gives, not verified yet; return whether a part of it was here before."""
    from facelandmarks.weights.download import transfer

    if source.url.startswith(HUB):
        path, _ = download(source.url, access, most=size or MOST_BYTES)
        with disk_errors(place):
            shutil.copyfile(path, place.partial)
            place.partial_origin.unlink(missing_ok=True)
        return False
    if source.member is None:
        return transfer(source.url, place, size, limits, progress=access.progress)
    archive = Place(place.folder, f"{str(source.sha256)[:16]}.tar")
    with exclusive(archive.lock):  # its digest must be right before it is opened
        transfer(source.url, archive, None, limits, progress=access.progress)
        with disk_errors(archive):
            if (digest := trust.examine(archive.partial).sha256) != source.sha256:
                drop(archive)
                raise ChecksumError(f"the SHA-256 of the archive is {digest}, not {source.sha256}")
            extract(archive, source.member, place, size or MOST_BYTES)
            drop(archive)
    return False


def extract(archive: Place, member: str, place: Place, most: int) -> None:
    """Copy one file of the tar `archive.partial` to `place.partial`.

    `ChecksumError` if the tar is damaged, holds anything but plain files and folders under plain paths, or does not
    hold the member, once and with at most `most` bytes.
    """
    found = []
    try:
        with tarfile.open(archive.partial, "r:") as tar:  # not compressed: no member is larger than the tar
            for count, info in enumerate(tar):
                path = PurePosixPath(info.name)
                plain = not (path.is_absolute() or ".." in path.parts or "\\" in info.name or ":" in info.name)
                problems = {
                    "not a plain path": not plain,
                    "a link or a device, not a file": not (info.isreg() or info.isdir()) or info.issparse(),
                    f"of more than {MOST_BYTES} bytes": info.size > MOST_BYTES,
                    f"one of more than {MOST_MEMBERS} members": count >= MOST_MEMBERS,
                }
                if problem := next((problem for problem, holds in problems.items() if holds), None):
                    raise ChecksumError(f"the archive is refused: {info.name!r:.99} is {problem}")
                found += [info] if info.name == member else []
            if len(found) != 1 or not found[0].isreg() or found[0].size > most:
                sizes = ", ".join(f"{info.size} bytes" for info in found) or "none"
                raise ChecksumError(f"the archive has no single file {member} of at most {most} bytes: {sizes}")
            content = tar.extractfile(found[0])
            with place.partial.open("wb") as file:
                shutil.copyfileobj(content, file)  # type: ignore[arg-type]
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise ChecksumError(f"the archive is damaged: {error}") from error
