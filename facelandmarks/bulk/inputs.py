"""Which images a folder, a pattern or a list means."""

import glob
import os
from collections.abc import Iterable, Iterator
from io import StringIO
from pathlib import Path

from facelandmarks._files import IMAGE_SUFFIXES, decode_text
from facelandmarks.errors import InvalidImageError

LIST_SUFFIX = ".txt"


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
        - A text file `*.txt`: one path a line, relative to the current folder, in the order of the file; UTF-8, or as
          its byte order mark says. Quotes and blanks around a path are no part of it, unless such a file exists.
        - Anything else: an image.
    """
    found: list[str] = []
    for given in inputs:
        text, path, before = os.fspath(given), Path(given), len(found)
        if path.is_dir():
            for place, folders, files in os.walk(text):
                folders[:] = sorted(name for name in folders if not name.startswith("."))
                found += [
                    os.path.join(place, name)  # noqa: PTH118 (paths stay as they were given)
                    for name in sorted(files)
                    if not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122
                ]
        elif is_pattern(path):
            found += [name for name in sorted(glob.iglob(text, recursive=True)) if Path(name).is_file()]  # noqa: PTH207
        elif path.suffix.lower() == LIST_SUFFIX:
            found += _read_list(path)
        else:
            found.append(text)
        if len(found) == before:
            raise InvalidImageError(f"no images in {text}")
    return found


def _read_list(path: Path) -> Iterator[str]:
    try:
        text = decode_text(path.read_bytes(), "surrogateescape")
    except OSError as error:
        raise InvalidImageError(f"cannot read the list {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:  # an odd number of bytes of UTF-16
        raise InvalidImageError(f"cannot read the list {path}: {error}") from error
    for line in StringIO(text, newline=None):
        name = line.removesuffix("\n")
        bare = name.strip()
        if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "\"'":  # Windows copies paths with quotes around them
            bare = bare[1:-1].strip()
        if bare:
            yield name if name != bare and os.path.isfile(name) else bare  # noqa: PTH113
