"""Every error of the package. Each also derives from the builtin that people would catch."""

import difflib
from collections.abc import Collection


def hint_at(name: object, known: Collection[str]) -> str:
    """What to say of a name that is not known: near matches, else all there are."""
    near = difflib.get_close_matches(str(name), known, n=3, cutoff=0.4)
    return f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(sorted(known))}"


class FaceLandmarksError(Exception):
    """Base of all errors raised on purpose by this package."""

    def __str__(self) -> str:
        # KeyError would quote the message.
        return str(self.args[0]) if self.args else ""


class UnknownModelError(FaceLandmarksError, KeyError):
    """No model, detector or option of that name."""


class InvalidImageError(FaceLandmarksError, ValueError):
    """A picture that cannot be read, or an array that is no picture."""


class InvalidBoxError(FaceLandmarksError, ValueError):
    """A box that cannot hold a face: wrong shape, not finite, no area, or wholly outside the picture."""


class InvalidOptionError(FaceLandmarksError, ValueError):
    """An argument outside its documented values."""


class DeviceError(FaceLandmarksError, RuntimeError):
    """A device or engine that was asked for and cannot be had."""


class DownloadError(FaceLandmarksError, OSError):
    """A file of weights that could not be fetched."""


class ChecksumError(DownloadError):
    """A file whose bytes are not the ones the manifest promises."""


class OfflineError(DownloadError):
    """A file that is not in the cache while the network must not be used."""


class CheckpointError(FaceLandmarksError, ValueError):
    """A checkpoint that cannot be read or does not fit the model."""


class MissingDependencyError(FaceLandmarksError, ImportError):
    """An optional package that is needed and not installed; the message names the extra."""


class VideoError(FaceLandmarksError, OSError):
    """A video that cannot be read, or a place where none can be written."""


class DatasetError(FaceLandmarksError, ValueError):
    """Annotations or pictures of a data set that are missing or not as published."""
