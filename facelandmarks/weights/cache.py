"""Where files of weights lie on this machine, and what lies beside each."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from facelandmarks.errors import CheckpointError, DownloadError, FaceLandmarksError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}")  # no separators, no drives, no hidden files, no odd letters
OWN_ENDINGS = (".part", ".lock", ".json", ".tmp")  # of what this package keeps beside the files
MOST_BYTES = 2 << 30  # of a file whose size is not published; the largest of the zoo have some 250 MB
YES = ("1", "true", "yes", "on")


@dataclass(frozen=True)
class Place:
    """A file of the cache and what belongs to it, all in one folder.

    Attributes
    ----------
    folder
        The cache.
    name
        Of the file; `check_name` is applied.
    """

    folder: Path
    name: str

    def __post_init__(self) -> None:
        check_name(self.name)

    @property
    def file(self) -> Path:
        """The verified file; nothing else is ever found under this name."""
        return self.folder / self.name

    @property
    def partial(self) -> Path:
        """What has arrived so far, not verified."""
        return self.folder / f"{self.name}.part"

    @property
    def partial_origin(self) -> Path:
        """Where the partial file comes from."""
        return self.folder / f"{self.name}.part.json"

    @property
    def pin(self) -> Path:
        """The digest that this file was accepted with."""
        return self.folder / f"{self.name}.pin.json"

    @property
    def lock(self) -> Path:
        """Held by the process that fetches the file."""
        return self.folder / f"{self.name}.lock"

    def converted(self, sha256: str, version: int) -> "Place":
        """The safetensors copy of the file with this digest, by this version of the conversion."""
        return Place(self.folder, f"{Path(self.name).stem[:150]}.{sha256[:16]}.v{version}.safetensors")

    def belongings(self) -> list[Path]:
        """Everything that is there for this file: itself, its copies, pins, lock and partial file."""
        own = [self.file, self.partial, self.partial_origin, self.pin, self.lock]
        copies = sorted(self.folder.glob(f"{Path(self.name).stem[:150]}.{'[0-9a-f]' * 16}.v*"))
        return [path for path in (*own, *copies) if path.exists()]


def check_name(name: str) -> str:
    """The name of a file, if it is one and nothing more.

    Raises
    ------
    CheckpointError
        If it is a path, hidden, too long, or of a kind that this package uses for itself.
    """
    if not NAME.fullmatch(name) or name.endswith(OWN_ENDINGS):
        raise CheckpointError(f"{name!r} cannot be the name of a file of weights: expected a plain file name, no path")
    return name


def cache_folder(chosen: str | os.PathLike[str] | None = None) -> Path:
    """The cache: `chosen`, else FACELANDMARKS_CACHE, else $XDG_CACHE_HOME/facelandmarks, else the platform's folder.

    It need not exist, and is not made here.
    """
    if chosen is not None:
        return Path(chosen).expanduser()
    if own := os.environ.get("FACELANDMARKS_CACHE"):
        return Path(own).expanduser()
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "facelandmarks"
    from platformdirs import user_cache_path

    return user_cache_path("facelandmarks", appauthor=False)


def is_offline(chosen: bool | None = None) -> bool:
    """Whether the network must not be used: `chosen`, else FACELANDMARKS_OFFLINE or HF_HUB_OFFLINE."""
    if chosen is not None:
        return chosen
    return any(os.environ.get(name, "").lower() in YES for name in ("FACELANDMARKS_OFFLINE", "HF_HUB_OFFLINE"))


@contextmanager
def disk_errors(place: Place) -> Iterator[None]:
    """Errors of the disk as errors of ours."""
    try:
        yield
    except FaceLandmarksError:
        raise  # some are errors of the operating system too, by class
    except OSError as error:
        raise DownloadError(
            f"cannot read or write {place.name} in {place.folder}: {error.strerror or error}. Another folder can be "
            "named by FACELANDMARKS_CACHE"
        ) from error
