"""Which images a folder, a pattern or a list means."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from facelandmarks.errors import InvalidImageError

LIST_SUFFIX = ".txt"
# Of files in folders; a file that is named, listed or matched may have any name.
# fmt: off
IMAGE_SUFFIXES = frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".ppm", ".pgm", ".pnm",
    ".gif", ".avif", ".heic", ".heif", ".jp2", ".j2k", ".ico", ".tga", ".psd", ".qoi", ".sgi", ".pcx",
))
# fmt: on


def is_many(text: str | os.PathLike[str]) -> bool:
    """Tell whether this stands for any number of images: a folder, a pattern, or a list."""
    path = Path(text)
    return path.is_dir() or path.suffix.lower() == LIST_SUFFIX or is_pattern(path)


def is_pattern(path: Path) -> bool:
    """Tell whether this is a pattern, and not the name of a file with such characters."""
    return glob.has_magic(os.fspath(path)) and not path.exists()


def find_images(inputs: Iterable[str | os.PathLike[str]]) -> list[str]:
    """Return the paths of all images, input by input; one that stands for none is an `InvalidImageError`.

    Parameters
    ----------
    inputs
        - A folder: the files in it and in the folders below with the suffix of an image, in the order of their names,
          folder by folder. Hidden ones, whose name begins with a dot, are left out; links to folders are not followed.
        - A pattern with `*`, `?` or `[..]`, `**` for any folders: the files that match, in the order of their names.
        - A text file `*.txt`: one path a line, relative to the current folder, in the order of the file.
        - Anything else: an image.
    """
    found: list[str] = []
    for given in inputs:
        images = list(_expand(os.fspath(given)))
        if not images:
            raise InvalidImageError(f"no images in {os.fspath(given)}")
        found += images
    return found


def _expand(text: str) -> Iterator[str]:
    path = Path(text)
    if path.is_dir():
        for place, folders, files in os.walk(text):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                if not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES:  # noqa: PTH122
                    yield os.path.join(place, name)  # noqa: PTH118 (paths stay as they were given)
    elif is_pattern(path):
        yield from (name for name in sorted(glob.iglob(text, recursive=True)) if Path(name).is_file())  # noqa: PTH207
    elif path.suffix.lower() == LIST_SUFFIX:
        try:
            with path.open(encoding="utf-8-sig", errors="surrogateescape") as lines:
                yield from (line.rstrip("\r\n") for line in lines if line.strip())
        except OSError as error:
            raise InvalidImageError(f"cannot read the list {path}: {error.strerror}") from error
    else:
        yield text
