"""Which sources of a file may be used, in which order, and how each kind of address gives its bytes."""

import os
import shutil
import tarfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote

from facelandmarks._files import exclusive
from facelandmarks.errors import ChecksumError, DownloadError
from facelandmarks.weights.addresses import HUB, source_problem
from facelandmarks.weights.cache import MOST_BYTES, Access, Place, disk_errors, read_pin
from facelandmarks.weights.manifest import FileRecord, FileSource
from facelandmarks.weights.trust import digest_kind, examine, is_independent, no_digest

if TYPE_CHECKING:
    from facelandmarks.weights.download import Limits

MOST_MEMBERS = 10_000  # of a tar


def sources_of(record: FileRecord) -> list[FileSource]:
    """Return all sources of a file, in order: FACELANDMARKS_MIRROR (files by name), then the manifest's."""
    mirror = os.environ.get("FACELANDMARKS_MIRROR", "").strip()
    first = [FileSource(f"{mirror.rstrip('/')}/{quote(record.name)}", "mirror")] if mirror else []
    sources = [*first, *record.sources]
    problem = next((found for source in sources if (found := source_problem(source.url))), None)
    if problem:
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
    known = access.allow_third_party or is_independent(record)
    permitted = [source for source in sources if known or source.kind != "third-party"]
    if not permitted:
        raise DownloadError(
            f"{record.name} has only third-party copies ({sources[0].url}), and its authors published no digest. To "
            f"use one, give allow_third_party=True (--third-party). {advice}"
        )
    verified = access.allow_unverified or digest_kind(record) != "none" or read_pin(Place(access.folder, record.name))
    found = [source for source in permitted if verified or source.has_digest]
    if not found:
        raise ChecksumError(no_digest(record))
    return found


def bring(source: FileSource, place: Place, size: int | None, access: Access, limits: "Limits") -> bool:
    """Make `place.partial` what a source gives; return whether a part of it was here before.

    Nothing of it is verified yet, but a tar, whose own digest must be right before it is opened.
    """
    from facelandmarks.weights.download import transfer

    if source.url.startswith(HUB):
        from facelandmarks.weights.hub import download

        path, _ = download(source.url, access, most=size or MOST_BYTES)
        with disk_errors(place):
            shutil.copyfile(path, place.partial)
            place.partial_origin.unlink(missing_ok=True)
        return False
    if source.member is None:
        return transfer(source.url, place, size, limits, progress=access.progress)
    archive = Place(place.folder, f"{str(source.sha256)[:16]}.tar")
    with exclusive(archive.lock):
        transfer(source.url, archive, None, limits, progress=access.progress)
        with disk_errors(archive):
            if (digest := examine(archive.partial).sha256) != source.sha256:
                archive.partial.unlink()
                raise ChecksumError(f"the SHA-256 of the archive is {digest}, not {source.sha256}")
            extract(archive, source.member, place, size or MOST_BYTES)
            archive.partial.unlink()
            archive.partial_origin.unlink(missing_ok=True)
    return False


def extract(archive: Place, member: str, place: Place, most: int) -> None:
    """Copy one file of the tar `archive.partial` to `place.partial`; nothing else of it is written anywhere.

    A `ChecksumError` if the tar is damaged, holds anything but plain files and folders under plain paths, or does not
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
