"""OpenCV, or an error that says how to install it: its usual build needs system libraries that slim images lack."""

from facelandmarks.errors import import_of

with import_of("cv2"):
    import cv2

__all__ = ["cv2"]
