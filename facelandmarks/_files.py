"""Files: their kinds by name, files that are written whole or not at all, digests and locks, JSON from anywhere."""

import codecs
import errno
import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from glob import has_magic
from pathlib import Path
from typing import Any

from facelandmarks.errors import InvalidOptionError

# fmt: off
IMAGE_SUFFIXES = frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".ppm", ".pgm", ".pnm",
    ".gif", ".avif", ".heic", ".heif", ".jp2", ".j2k", ".ico", ".tga", ".psd", ".qoi", ".sgi", ".pcx",
))
VIDEO_SUFFIXES = frozenset((
    ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".ts", ".3gp", ".ogv",
))
# fmt: on
LIST_SUFFIX = ".txt"  # of a list of paths
WRITTEN_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")  # images that every OpenCV can write
_MOST_DIGITS = 20  # of a whole number: more fit into no number of 64 bits
# The longer marks first: one of UTF-32 begins with one of UTF-16.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def is_many(path: str | os.PathLike[str]) -> bool:
    """Tell whether this stands for any number of images: a folder, a pattern, or a list."""
    place = Path(path)
    return place.is_dir() or place.suffix.lower() == LIST_SUFFIX or is_pattern(place)


def is_pattern(path: Path) -> bool:
    """Tell whether this is a pattern, and not the name of a file with such characters."""
    return has_magic(os.fspath(path)) and not path.exists()


def decode_text(data: bytes, errors: str = "strict") -> str:
    """Decode a text as its byte order mark says (PowerShell writes UTF-16), else as UTF-8; `errors` as in `decode`."""
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "utf-8")
    return data.decode(encoding, errors)


def parse_json(text: str | bytes) -> Any:
    """Return what a JSON text holds, in UTF-8, -16 or -32, with a byte order mark or without.

    `ValueError` if it is none, is nested too deep, or has a whole number beyond 64 bits, on which arithmetic may fail.
    """

    def whole_number(digits: str) -> int:
        if len(digits) > _MOST_DIGITS:
            raise ValueError(f"it holds a whole number of {len(digits)} digits")
        return int(digits)

    try:
        text = text.removeprefix("\ufeff") if isinstance(text, str) else text
        return json.loads(text, parse_int=whole_number)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def plain_target(path: Path) -> Path:
    """Return the file to replace where `path` is to be written: that of a link, so that the link stays.

    `OSError` for a folder, a pipe or a device: a file must not take the place of one.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is not a plain file", os.fspath(path))
    return Path(os.path.realpath(path))


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a path beside `path` to write to, which becomes `path` at the end, or is removed if anything fails.

    Errors are those of `plain_target`, and of the disk.
    """
    target = plain_target(path)
    partial = target.with_name(f".{target.name}.{secrets.token_hex(8)}.tmp")
    try:
        yield partial
        os.replace(partial, target)
    except BaseException as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename == os.fspath(partial):  # which no user knows
            raise OSError(error.errno, error.strerror, os.fspath(path)) from error
        raise


def write_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with whole_file(path) as partial, partial.open("xb") as file:
        file.write(content)


def distinct(names: Sequence[str]) -> list[str]:
    """Number names that occur twice, so that no file overwrites another: a, b, a_2."""
    taken: set[str] = set()
    counts: dict[str, int] = {}
    found = []
    for name in names:
        candidate = name
        while candidate in taken:
            counts[name] = counts.get(name, 1) + 1
            candidate = f"{name}_{counts[name]}"
        taken.add(candidate)
        found.append(candidate)
    return found


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class NotWritableError(OSError):
    """A folder in which no file can be made."""


@contextmanager
def exclusive(path: Path, busy: Exception | None = None) -> Iterator[None]:
    """Hold a lock file against other processes of this machine; its folder is made if it is missing.

    `busy` is raised at once if another process holds the lock, and the file is removed at the end. None: wait, and
    leave the file to those who wait for it. `NotWritableError` also where the file system has no locks.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=-1 if busy is None else 0, poll_interval=0.1)
    except Timeout as error:
        raise busy or error from error
    except (OSError, NotImplementedError) as error:
        raise NotWritableError(str(error)) from error
    try:
        yield
    finally:
        if busy is not None:
            path.unlink(missing_ok=True)
        lock.release()


class Journal:
    """A JSON-lines file to resume a run from: first the settings that the run depends on, then one line a record.

    A run that is killed leaves whole lines, and perhaps the beginning of one, which is ignored.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self.path = path
        self._settings = json.loads(json.dumps(settings, default=lambda value: value.tolist()))  # NumPy's numbers

    def begin(self) -> None:
        """Write a file without records, replacing an older one."""
        write_file(self.path, _line(self._settings))

    def check(self) -> None:
        """Raise `InvalidOptionError` if the file belongs to a run with other settings, or is not a journal."""
        with self.path.open("rb") as file:
            found = self._parsed(file.readline(), 1)
        other = sorted(name for name in {*found, *self._settings} if found.get(name) != self._settings.get(name))
        if other:
            was = ", ".join(f"{name} {found.get(name)!r}, now {self._settings.get(name)!r}" for name in other)
            raise InvalidOptionError(f"{self.path} belongs to another run: {was}")

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield the records, from the first on."""
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if number > 1 and line.endswith(b"\n"):
                    yield self._parsed(line, number)

    def keep(self, multiple: int) -> int:
        """Drop an incomplete last line, then truncate to a multiple of this number of records; return their number."""
        count, end, kept = -1, 0, (0, 0)
        with self.path.open("rb+") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                count, end = count + 1, end + len(line)
                if count % multiple == 0:
                    kept = (count, end)
            file.truncate(kept[1])
        return kept[0]

    def append(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Append records; they are on the disk when this returns."""
        with self.path.open("ab") as file:
            file.write(b"".join(_line(record) for record in records))
            file.flush()
            os.fsync(file.fileno())

    def _parsed(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            found = parse_json(line)
        except ValueError as error:
            raise InvalidOptionError(f"{self.path} is damaged in line {number}: {error}") from error
        if not isinstance(found, dict):
            raise InvalidOptionError(f"{self.path} is damaged in line {number}: it does not hold a record")
        return found


def _line(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, allow_nan=False).encode() + b"\n"
