"""OpenCV, or an error that says how to install it: its usual build needs system libraries that slim images lack."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from facelandmarks.errors import import_of

with import_of("cv2"):
    import cv2

__all__ = ["cv2", "silent_opencv"]


@contextmanager
def silent_opencv() -> Iterator[None]:
    """Let OpenCV print nothing on stderr: it warns of its own choices there, one line or a page at a time."""
    levels: Any = getattr(cv2.utils, "logging", cv2)  # OpenCV 5 moved them
    level = levels.getLogLevel()
    levels.setLogLevel(0)
    try:
        yield
    finally:
        levels.setLogLevel(level)
