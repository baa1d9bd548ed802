"""Measures of landmarks: aspect ratios of eyes and mouth, head pose, aligned crops. Without torch, batch first.

Each result has a flag `valid`; a value whose flag is not set means nothing. A scheme that lacks the points of a measure
is an error.
"""

from facelandmarks.measures.alignment import ALIGNMENTS, Aligned, Alignment, align
from facelandmarks.measures.pose import HeadPose, head_pose
from facelandmarks.measures.ratios import Ratios, eye_aspect_ratios, mouth_aspect_ratio

__all__ = [
    "ALIGNMENTS",
    "Aligned",
    "Alignment",
    "HeadPose",
    "Ratios",
    "align",
    "eye_aspect_ratios",
    "head_pose",
    "mouth_aspect_ratio",
]
