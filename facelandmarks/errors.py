"""Every error of the package, each also derived from a builtin; and the one way to look up a name or an import."""

import difflib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any, TypeVar

T = TypeVar("T")
# What to do where a library cannot be imported.
CURES = {
    "cv2": (
        "OpenCV cannot be imported here ({error}). On a machine without a screen, install opencv-python-headless in "
        "place of opencv-python, or two packages of the system: apt-get install libgl1 libglib2.0-0"
    ),
    "torch": (
        "this needs PyTorch, which cannot be imported here ({error}): pip install torch. Built-in models run without "
        "it, with engine='onnxruntime'"
    ),
}


class FaceLandmarksError(Exception):
    """Base of all errors that this package raises on purpose."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""  # KeyError would quote the message


class InvalidImageError(FaceLandmarksError, ValueError):
    """An image that cannot be read, or an array that does not hold an image."""


class MissingImageError(InvalidImageError, FileNotFoundError):
    """An image file that does not exist."""


class InvalidBoxError(FaceLandmarksError, ValueError):
    """A box that cannot hold a face: wrong shape, not finite, no area, or wholly outside the image."""


class InvalidOptionError(FaceLandmarksError, ValueError):
    """An argument outside its documented values."""


class UnknownNameError(InvalidOptionError, KeyError):
    """A name that is not in its table: of a model, scheme, detector, box convention, ..."""


UnknownModelError = UnknownNameError


class DeviceError(FaceLandmarksError, RuntimeError):
    """A device or engine that was asked for and is not available."""


class DownloadError(FaceLandmarksError, OSError):
    """A weights file that could not be fetched."""


class ChecksumError(DownloadError):
    """A file whose bytes are not those that the manifest promises."""


class OfflineError(DownloadError):
    """A file that is not in the cache while the network must not be used."""


class CheckpointError(FaceLandmarksError, ValueError):
    """A checkpoint that cannot be read or does not fit the model."""


class MissingCheckpointError(CheckpointError, FileNotFoundError):
    """A checkpoint file that does not exist."""


class MissingDependencyError(FaceLandmarksError, ImportError):
    """A package that is needed but not installed, or does not start here; the message says what to install."""


class VideoError(FaceLandmarksError, OSError):
    """A video that cannot be read, or a path that no video can be written to."""


class MissingVideoError(VideoError, FileNotFoundError):
    """A video file that does not exist."""


class DatasetError(FaceLandmarksError, ValueError):
    """Annotations or images of a dataset that are missing or differ from the published ones."""


@contextmanager
def import_of(package: str, cure: str | None = None) -> Iterator[None]:
    """Turn the failed import of a package into a `MissingDependencyError` with a cure; None: that of `CURES`."""
    name = package.partition(".")[0]
    try:
        yield
    except ImportError as error:
        if isinstance(error, FaceLandmarksError) or (error.name or name).partition(".")[0] != name:
            raise
        raise MissingDependencyError((cure or CURES[name]).replace("{error}", str(error))) from error


def lookup(table: Mapping[str, T], name: str, kind: str) -> T:
    """Return the entry of that name, else raise `UnknownNameError`; `kind` says what the table holds."""
    with suppress(KeyError, TypeError):  # lists and the like cannot be keys
        return table[name]
    raise UnknownNameError(f"no {kind} {name!r:.200}; {hint_at(name, table)}")


def require(package: str, purpose: str, install: str) -> Any:
    """Import a package, or raise `MissingDependencyError`: `purpose` needs it, `pip install INSTALL` brings it."""
    with import_of(package, f"{purpose} needs {package.partition('.')[0]}: pip install {install}"):
        return import_module(package)


def hint_at(name: object, known: Collection[str]) -> str:
    """Return advice on an unknown name: near matches, else all known names."""
    near = difflib.get_close_matches(str(name), known, n=3, cutoff=0.4)
    return f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(sorted(known))}"
