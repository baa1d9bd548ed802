"""Where weights files lie on this machine, and what lies beside each: its pin, and copies made from it."""

import json
import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from facelandmarks._files import parse_json, sha256_of, whole_file, write_file
from facelandmarks.errors import CheckpointError, ChecksumError, DownloadError, FaceLandmarksError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}")  # no separators, no drives, no hidden files, no odd letters
OWN_ENDINGS = (".part", ".lock", ".json", ".tmp")  # of what this package keeps beside the files
LEFT_OVER = ("*.part", "*.part.json", ".*.tmp", "*.lock")
MOST_BYTES = 2 << 30  # of a file whose size is not published; the largest of the zoo have some 250 MB
YES = ("1", "true", "yes", "on")
PIN_SCHEMA = "facelandmarks-pin/1"
Folder = str | os.PathLike[str] | None
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Access:
    """How weights may be obtained: the options that `load_model` and `export_model` share.

    Attributes
    ----------
    cache_dir
        Folder of the cache; None as `cache_folder` says.
    offline
        Whether the network must not be used; None as `is_offline` says.
    allow_unverified
        Whether to accept, on first use, a file without a published digest.
    progress
        Whether to show a bar on stderr; None: if stderr is a terminal.
    """

    cache_dir: Folder = None
    offline: bool | None = None
    allow_unverified: bool = False
    progress: bool | None = None

    @property
    def folder(self) -> Path:
        """Return the folder of the cache."""
        return cache_folder(self.cache_dir)


USUAL = Access()


def cache_folder(chosen: Folder = None) -> Path:
    """Return `chosen`, else FACELANDMARKS_CACHE, else $XDG_CACHE_HOME/facelandmarks, else the platform's folder."""
    if chosen is not None:
        return Path(chosen).expanduser()
    if own := os.environ.get("FACELANDMARKS_CACHE"):
        return Path(own).expanduser()
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "facelandmarks"
    from platformdirs import user_cache_path

    return user_cache_path("facelandmarks", appauthor=False)


def is_offline(chosen: bool | None = None) -> bool:
    """Return `chosen`, else whether FACELANDMARKS_OFFLINE or HF_HUB_OFFLINE is set."""
    if chosen is not None:
        return chosen
    return any(os.environ.get(name, "").lower() in YES for name in ("FACELANDMARKS_OFFLINE", "HF_HUB_OFFLINE"))


@dataclass(frozen=True)
class Place:
    """A file of the cache (`check_name` holds for its name) and what belongs to it, all in one folder."""

    folder: Path
    name: str

    def __post_init__(self) -> None:
        check_name(self.name)

    @property
    def file(self) -> Path:
        """The verified file; no other file ever has this name."""
        return self.folder / self.name

    @property
    def partial(self) -> Path:
        """The bytes that have arrived so far, not verified."""
        return self.folder / f"{self.name}.part"

    @property
    def partial_origin(self) -> Path:
        """The source of the partial file."""
        return self.folder / f"{self.name}.part.json"

    @property
    def pin(self) -> Path:
        """The digest that the file was accepted with."""
        return self.folder / f"{self.name}.pin.json"

    @property
    def lock(self) -> Path:
        """Held by the process that fetches the file."""
        return self.folder / f"{self.name}.lock"

    def converted(self, sha256: str, version: int) -> "Place":
        """Return the place of the safetensors copy of the file with this digest, by this version of the conversion."""
        return Place(self.folder, f"{Path(self.name).stem[:150]}.{sha256[:16]}.v{version}.safetensors")

    def belongings(self) -> list[Path]:
        """List what is there for this file: itself, its copies, pins, lock and partial file."""
        own = [self.file, self.partial, self.partial_origin, self.pin, self.lock]
        copies = sorted(self.folder.glob(f"{Path(self.name).stem[:150]}.{'[0-9a-f]' * 16}.v*"))
        return [path for path in (*own, *copies) if path.exists()]


def check_name(name: str) -> str:
    """Return the name if it is a plain file name.

    Raises
    ------
    CheckpointError
        If it is a path, hidden, too long, or has an ending that this package uses for its own files.
    """
    if not NAME.fullmatch(name) or name.endswith(OWN_ENDINGS):
        raise CheckpointError(f"{name!r} cannot name a weights file: expected a plain file name, not a path")
    return name


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


@dataclass(frozen=True)
class Pin:
    """The facts of a file when it was accepted, and why it was."""

    sha256: str
    bytes: int
    mtime_ns: int  # of its last change; while this and the size hold, the file is not read again
    basis: str


def read_pin(place: Place) -> Pin | None:
    """Read the pin of a file; None if it has none.

    Raises
    ------
    ChecksumError
        If the pin cannot be read. To ignore it would accept any file.
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
    except (FileNotFoundError, NotADirectoryError, ChecksumError):
        return False
    if pin is None or (pin.bytes, pin.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
        return pin is not None
    return sha256_of(copy.file) == pin.sha256


def keep_copy(copy: Place, write: Callable[[Path], object], errors: tuple[type[Exception], ...] = (OSError,)) -> None:
    """Keep a file made from a verified one, and its pin; nothing if `write(path)` raises one of `errors`."""
    try:
        with whole_file(copy.file) as partial:
            write(partial)
            stat = partial.stat()
            write_pin(copy, Pin(sha256_of(partial), stat.st_size, stat.st_mtime_ns, "converted"))
    except errors as error:
        _LOG.info("cannot write %s: %s", copy.file, error)
