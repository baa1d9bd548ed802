"""Which pictures a folder, a pattern or a list means."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from facelandmarks.errors import InvalidImageError

LIST_SUFFIX = ".txt"
# Of files in folders; a file that is named, listed or matched may have any name.
# fmt: off
PICTURE_SUFFIXES = frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".ppm", ".pgm", ".pnm",
    ".gif", ".avif", ".heic", ".heif", ".jp2", ".j2k", ".ico", ".tga", ".psd", ".qoi", ".sgi", ".pcx",
))
# fmt: on


def is_many(text: str | os.PathLike[str]) -> bool:
    """Whether this stands for any number of pictures: a folder, a pattern, or a list."""
    path = Path(text)
    return path.is_dir() or path.suffix.lower() == LIST_SUFFIX or _is_pattern(path)


def find_pictures(inputs: Iterable[str | os.PathLike[str]]) -> list[str]:
    """The paths of all pictures, input by input.

    Parameters
    ----------
    inputs
        - A folder: the files in it and in the folders below whose suffix is that of a picture, in the order of their
          names, folder by folder. Hidden ones, whose name begins with a dot, are left out; links to folders are not
          followed.
        - A pattern with `*`, `?` or `[..]`, `**` for any folders: the files that match, in the order of their names.
        - A text file `*.txt`: one path a line, as seen from the current folder, in the order of the file.
        - Anything else: a picture.

    Raises
    ------
    InvalidImageError
        If an input stands for no picture at all, or a list cannot be read.
    """
    found: list[str] = []
    for given in inputs:
        text = os.fspath(given)
        pictures = list(_expand(text))
        if not pictures:
            raise InvalidImageError(f"no pictures in {text}")
        found += pictures
    return found


def _expand(text: str) -> Iterator[str]:
    path = Path(text)
    if path.is_dir():
        return _walk(text)
    if path.suffix.lower() == LIST_SUFFIX and not _is_pattern(path):
        return _read_list(path)
    if _is_pattern(path):
        return (name for name in sorted(glob.iglob(text, recursive=True)) if Path(name).is_file())  # noqa: PTH207
    return iter([text])


def _is_pattern(path: Path) -> bool:
    return glob.has_magic(os.fspath(path)) and not path.exists()


def _walk(folder: str) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in PICTURE_SUFFIXES:  # noqa: PTH122
                yield os.path.join(place, name)  # noqa: PTH118 (paths stay as they were given)


def _read_list(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape") as lines:
            yield from (line.rstrip("\r\n") for line in lines if line.strip())
    except OSError as error:
        raise InvalidImageError(f"cannot read the list {path}: {error.strerror}") from error
