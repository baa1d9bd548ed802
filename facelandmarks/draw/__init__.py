"""Drawings: landmarks on an image, and pictures of the schemes."""

from facelandmarks.draw.landmarks import draw_landmarks

__all__ = ["draw_landmarks"]
