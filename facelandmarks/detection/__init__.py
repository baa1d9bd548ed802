"""Detectors by name."""

from facelandmarks.detection.base import Detector
from facelandmarks.errors import UnknownModelError

DEFAULT_DETECTOR = "compact"


def load_detector(name: str = "auto") -> Detector:
    """The detector of that name; `"auto"` is the one in the wheel.

    Raises
    ------
    UnknownModelError
        If there is none of that name.
    """
    from facelandmarks.detection.compact import CompactDetector

    if name not in ("auto", DEFAULT_DETECTOR):
        raise UnknownModelError(f"no face detector {name!r}; there are: auto, {DEFAULT_DETECTOR}")
    return CompactDetector()
