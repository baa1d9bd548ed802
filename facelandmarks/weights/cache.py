"""Where weights files lie on this machine, and what lies beside each: its pin, and copies made from it."""

import json
import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from facelandmarks._files import parse_json, sha256_of, whole_file, write_file
from facelandmarks.errors import CheckpointError, ChecksumError, DownloadError, FaceLandmarksError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}")  # no separators, no drives, no hidden files, no odd letters
OWN_ENDINGS = (".part", ".lock", ".json", ".tmp")  # of what this package keeps beside the files
NOWHERE = Path(os.devnull) / "no-home-folder"  # a folder that cannot be there: nothing is in it or goes into it
LEFT_OVER = ("*.part", "*.part.json", ".*.tmp", "*.lock")
MOST_BYTES = 2 << 30  # of a file whose size is not published; the largest of the zoo have some 250 MB
YES = ("1", "true", "yes", "on")
PIN_SCHEMA = "facelandmarks-pin/1"
Folder = str | os.PathLike[str] | None
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Access:
    """How weights may be obtained: the options that `load_model` and `export_model` share."""

    cache_dir: Folder = None  # folder of the cache; None: as `folder` says
    offline: bool | None = None  # whether the network must not be used; None: as `is_offline` says
    allow_unverified: bool = False  # whether to accept, on first use, a file without a published digest
    progress: bool | None = None  # whether to show a bar on stderr; None: if stderr is a terminal
    allow_third_party: bool = False  # whether to take anybody's copy of a file without a digest of its authors

    @property
    def folder(self) -> Path:
        """Return `cache_dir`, else FACELANDMARKS_CACHE, else $XDG_CACHE_HOME/facelandmarks, else the platform's folder.

        Without a home folder, as in a container that runs under a bare number, it is `NOWHERE`.
        """
        own = self.cache_dir if self.cache_dir is not None else os.environ.get("FACELANDMARKS_CACHE")
        try:
            if own:
                return Path(own).expanduser()
            base = Path(os.environ.get("XDG_CACHE_HOME", ""))
            if base.is_absolute():  # others count as not set (XDG Base Directory Specification)
                return base / "facelandmarks"
            from platformdirs import user_cache_path

            found = user_cache_path("facelandmarks", appauthor=False)
        except RuntimeError:  # of `~` without a home folder
            return NOWHERE
        return found if found.is_absolute() and os.environ.get("HOME") != "" else NOWHERE


USUAL = Access()


def is_offline(chosen: bool | None = None) -> bool:
    """Return `chosen`, else whether FACELANDMARKS_OFFLINE or HF_HUB_OFFLINE is set."""
    if chosen is not None:
        return chosen
    return any(os.environ.get(name, "").lower() in YES for name in ("FACELANDMARKS_OFFLINE", "HF_HUB_OFFLINE"))


ENDINGS = {"file": "", "partial": ".part", "partial_origin": ".part.json", "pin": ".pin.json", "lock": ".lock"}


@dataclass(frozen=True)
class Place:
    """A file of the cache and what belongs to it, all in one folder; its name must be plain (`is_plain`)."""

    folder: Path
    name: str
    file: Path = field(init=False)  # verified; no other file ever has this name
    partial: Path = field(init=False)  # the bytes that have arrived so far, not verified
    partial_origin: Path = field(init=False)  # the source of the partial file
    pin: Path = field(init=False)  # the digest that the file was accepted with
    lock: Path = field(init=False)  # held by the process that fetches the file

    def __post_init__(self) -> None:
        if not is_plain(self.name):
            raise CheckpointError(f"{self.name!r} cannot name a weights file: expected a plain file name, not a path")
        for part, ending in ENDINGS.items():
            object.__setattr__(self, part, self.folder / f"{self.name}{ending}")

    def converted(self, sha256: str, version: int) -> "Place":
        """Return the place of the safetensors copy of the file with this digest, by this version of the conversion."""
        return Place(self.folder, f"{Path(self.name).stem[:150]}.{sha256[:16]}.v{version}.safetensors")

    def belongings(self) -> list[Path]:
        """List what is there for this file: itself, its copies, pins, lock and partial file."""
        copies = sorted(self.folder.glob(f"{Path(self.name).stem[:150]}.{'[0-9a-f]' * 16}.v*"))
        return [path for path in (*(getattr(self, part) for part in ENDINGS), *copies) if path.exists()]


def is_plain(name: str) -> bool:
    """Tell whether this is a plain file name: no path, and no hidden, too long or own name (`OWN_ENDINGS`)."""
    return NAME.fullmatch(name) is not None and not name.endswith(OWN_ENDINGS)


def is_cached(name: str, access: Access) -> bool:
    """Tell whether a file of that name is in the cache; it is verified when it is obtained."""
    try:
        return (access.folder / name).is_file()
    except OSError:  # a folder of somebody else: as good as empty
        return False


def leftovers(folder: Path) -> list[Path]:
    """List the partial files and locks that interrupted downloads left in a cache."""
    return sorted({item for pattern in LEFT_OVER for item in folder.glob(pattern)})


@contextmanager
def disk_errors(place: Place) -> Iterator[None]:
    """Turn errors of the disk into `DownloadError`."""
    try:
        yield
    except FaceLandmarksError:
        raise  # some derive from OSError too
    except OSError as error:
        raise DownloadError(
            f"cannot read or write {place.name} in {place.folder}: {error.strerror or error}. Set FACELANDMARKS_CACHE "
            "to use another folder"
        ) from error


def drop(place: Place) -> None:
    """Remove a partial file and its origin."""
    with disk_errors(place):
        place.partial.unlink(missing_ok=True)
        place.partial_origin.unlink(missing_ok=True)


@dataclass(frozen=True)
class Pin:
    """The facts of a file when it was accepted, and why it was."""

    sha256: str
    bytes: int
    mtime_ns: int  # of its last change; while this and the size hold, the file is not read again
    basis: str


def read_pin(place: Place) -> Pin | None:
    """Read the pin of a file, if any; one that cannot be read is a `ChecksumError`: without it, any file would do."""
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
    """Write a pin; in a read-only folder nothing is kept, and the next load reads the file again."""
    document = {"schema": PIN_SCHEMA, "name": place.name, **asdict(pin)}
    try:
        write_file(place.pin, (json.dumps(document, indent=1) + "\n").encode())
    except OSError as error:
        _LOG.info("cannot write %s: %s", place.pin, error)


def is_good_copy(copy: Place) -> bool:
    """Return whether a copy is there and is as it was written; a damaged one is not an error: it is made again."""
    try:
        pin, stat = read_pin(copy), copy.file.stat()
    except (OSError, ChecksumError):
        return False
    if pin is None or (pin.bytes, pin.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
        return pin is not None
    return sha256_of(copy.file) == pin.sha256


def keep_copy(copy: Place, write: Callable[[Path], object]) -> None:
    """Keep a file made from a verified one, and its pin; nothing if `write(path)` or the disk raises `OSError`."""
    try:
        with whole_file(copy.file) as partial:
            write(partial)
            stat = partial.stat()
            write_pin(copy, Pin(sha256_of(partial), stat.st_size, stat.st_mtime_ns, "converted"))
    except OSError as error:
        _LOG.info("cannot write %s: %s", copy.file, error)
