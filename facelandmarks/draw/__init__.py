"""Drawings: landmarks on an image, and the numbering of schemes."""

from facelandmarks.draw.landmarks import draw_landmarks

__all__ = ["draw_landmarks"]
