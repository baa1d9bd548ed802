"""Files that are made from a verified one and kept beside it, each with a pin of its own."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

from facelandmarks.errors import ChecksumError
from facelandmarks.weights.cache import Place
from facelandmarks.weights.trust import Pin, examine, read_pin, write_pin

_LOG = logging.getLogger(__name__)


def is_good_copy(copy: Place) -> bool:
    """Whether there is a copy that is as it was written; a damaged one is no error, it is made anew."""
    try:
        pin, stat = read_pin(copy), copy.file.stat()
    except (FileNotFoundError, NotADirectoryError, ChecksumError):
        return False
    if pin is None or (pin.bytes, pin.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
        return pin is not None
    return examine(copy.file).sha256 == pin.sha256


def keep_copy(copy: Place, write: Callable[[Path], object], errors: tuple[type[Exception], ...] = (OSError,)) -> None:
    """Write a copy whole or not at all; where the folder cannot be written to, there is none.

    Parameters
    ----------
    copy
        Where it belongs.
    write
        Writes it to the path that it is given.
    errors
        What means that it cannot be written.
    """
    partial = copy.folder / f".{copy.name}.{os.getpid()}.tmp"
    try:
        write(partial)
        found = examine(partial)
        write_pin(copy, Pin(found.sha256, found.bytes, partial.stat().st_mtime_ns, "converted"))
        os.replace(partial, copy.file)
    except errors as error:
        _LOG.info("cannot write %s: %s", copy.file, error)
    finally:
        partial.unlink(missing_ok=True)
