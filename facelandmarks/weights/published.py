"""Tensors of a published file. The first load reads the checkpoint; later ones read a safetensors copy beside it."""

import logging
import os

from facelandmarks.errors import ChecksumError
from facelandmarks.weights.builtin import load_builtin
from facelandmarks.weights.cache import Place
from facelandmarks.weights.checkpoint import State, read_checkpoint
from facelandmarks.weights.fetch import Folder, obtain
from facelandmarks.weights.manifest import get_record
from facelandmarks.weights.trust import Pin, examine, read_pin, write_pin

CONVERSION = 1  # to be counted up when names or numbers of converted tensors change
CONVERTED = ("mmpose0x", "mmpose1x", "hrnet_official")  # dialects that are pickles
_LOG = logging.getLogger(__name__)


def load_published(
    name: str,
    *,
    cache_dir: Folder = None,
    offline: bool | None = None,
    allow_unverified: bool = False,
    progress: bool | None = None,
) -> State:
    """Tensors of a file of the manifest, by our names; fetched, verified and converted as needed.

    Parameters
    ----------
    name
        Key of the manifest.
    cache_dir, offline, allow_unverified, progress
        As in `facelandmarks.weights.fetch.obtain`.

    Raises
    ------
    DownloadError, ChecksumError, OfflineError
        If the file cannot be had, or is another than the one that is meant.
    CheckpointError
        If it cannot be read, names code, or holds something else than a network's tensors.
    """
    record = get_record(name)
    if record.asset:
        return load_builtin(name)
    path = obtain(record, cache_dir=cache_dir, offline=offline, allow_unverified=allow_unverified, progress=progress)
    if record.dialect not in CONVERTED:
        return read_checkpoint(path, record.dialect)
    original = Place(path.parent, name)
    pin = read_pin(original)
    copy = original.converted(pin.sha256 if pin else examine(path).sha256, CONVERSION)
    if is_good_copy(copy):
        return read_checkpoint(copy.file, "safetensors")
    state = read_checkpoint(path, record.dialect)
    keep_copy(state, copy)
    return state


def is_good_copy(copy: Place) -> bool:
    """Whether there is a copy that is as it was written; a damaged one is no error, it is made anew."""
    try:
        pin, stat = read_pin(copy), copy.file.stat()
    except (FileNotFoundError, ChecksumError):
        return False
    if pin is None or (pin.bytes, pin.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
        return pin is not None
    return examine(copy.file).sha256 == pin.sha256


def keep_copy(state: State, copy: Place) -> None:
    """Write the safetensors copy; where the folder cannot be written to, there is none."""
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    partial = copy.folder / f".{copy.name}.{os.getpid()}.tmp"
    try:
        save_file({key: value.copy(order="C") for key, value in state.items()}, partial)
        found = examine(partial)
        write_pin(copy, Pin(found.sha256, found.bytes, partial.stat().st_mtime_ns, "converted"))
        os.replace(partial, copy.file)
    except (OSError, SafetensorError) as error:
        _LOG.info("cannot write %s: %s", copy.file, error)
    finally:
        partial.unlink(missing_ok=True)
