"""Where a published file is on this machine, and which one it is."""

from dataclasses import dataclass
from pathlib import Path

from facelandmarks.weights.cache import Place, cache_folder
from facelandmarks.weights.fetch import Folder, obtain
from facelandmarks.weights.manifest import ASSETS, get_record
from facelandmarks.weights.trust import examine, read_pin


@dataclass(frozen=True)
class Located:
    """A verified file.

    Attributes
    ----------
    path
        Of the file.
    sha256
        Of its bytes.
    copies
        The folder that takes what is made from it.
    """

    path: Path
    sha256: str
    copies: Path


def locate(
    name: str,
    *,
    cache_dir: Folder = None,
    offline: bool | None = None,
    allow_unverified: bool = False,
    progress: bool | None = None,
) -> Located:
    """A file of the manifest; fetched and verified if it is not here.

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
    """
    record = get_record(name)
    if record.asset and record.sha256 is not None:
        return Located(ASSETS / name, record.sha256, cache_folder(cache_dir))
    path = obtain(record, cache_dir=cache_dir, offline=offline, allow_unverified=allow_unverified, progress=progress)
    pin = read_pin(Place(path.parent, name))
    return Located(path, pin.sha256 if pin else examine(path).sha256, path.parent)
