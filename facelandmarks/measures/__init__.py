"""Measures of landmarks: aspect ratios of eyes and mouth (here), head pose, aligned crops. Without torch, batch first.

Each result has a flag `valid`; a value whose flag is not set means nothing. A scheme that lacks the points of a measure
is an error.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facelandmarks.errors import InvalidOptionError
from facelandmarks.measures.alignment import ALIGNMENTS, Aligned, Alignment, align
from facelandmarks.measures.pose import HeadPose, head_pose
from facelandmarks.schemes import SCHEMES, Scheme, check_points

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


LEAST_WIDTH = 4.0  # pixels: below, the points' own error is as large as the opening
# An eye that is this much narrower than the other is seen from the side: its width shrinks, its height does not. In 59
# labelled faces of 300-W with a quotient of 0.6 to 0.7, the narrower eye's ratio is 1.4 times the other's (median).
NARROW = 0.6


@dataclass(frozen=True, eq=False)
class Ratios:
    """Aspect ratios: `values` float64, 0 if closed, NaN where points are missing; `valid` bool of the same shape."""

    values: NDArray[np.float64]
    valid: NDArray[np.bool_]


def eye_aspect_ratios(points: ArrayLike, scheme: str | Scheme) -> Ratios:
    """Measure height over width (N, 2) of both eyes: mean distance of the lids over the distance of the corners.

    The eye on the left of the image is first. Not valid: points missing, an eye narrower than 4 px, or less than 0.6
    times as wide as the other.

    Parameters
    ----------
    points
        (N, K, 2) in pixels.
    scheme
        Name or record of a scheme whose eyes are closed outlines: `ibug68`, `wflw98`, `lapa106`, `cofw29` or
        a mesh.

    Notes
    -----
    Source: Soukupova and Cech, Real-Time Eye Blink Detection using Facial Landmarks, CVWW 2016, for six points; the
    same rule serves outlines with other numbers of points. Values of different schemes cannot be compared: each has
    its lid points elsewhere.
    """
    array, known = check_points(points, scheme)
    values, widths = zip(*(_open(array, known, name) for name in ("eye_left", "eye_right")), strict=True)
    ratios, width = np.stack(values, axis=-1), np.stack(widths, axis=-1)
    frontal = width >= NARROW * width[:, ::-1]
    return Ratios(ratios, np.isfinite(ratios) & (width >= LEAST_WIDTH) & frontal)


def mouth_aspect_ratio(points: ArrayLike, scheme: str | Scheme) -> Ratios:
    """Measure height over width (N,) of the opening between the lips; arguments and errors as in `eye_aspect_ratios`.

    Not valid: points missing, or a mouth narrower than 4 px.
    """
    ratios, width = _open(*check_points(points, scheme), "lips_inner")
    return Ratios(ratios, np.isfinite(ratios) & (width >= LEAST_WIDTH))


def _open(points: NDArray[np.float64], scheme: Scheme, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return ratio (N,) and width (N,) of an outline that begins in a corner and has as many points above as below."""
    outline = _outline(scheme, name)
    if outline is None:
        having = [known.name for known in SCHEMES.values() if _outline(known, name)]
        raise InvalidOptionError(f"{scheme.name} has no closed outline {name!r}; these have: {', '.join(having)}")
    half = len(outline) // 2
    above, below = list(outline[1:half]), list(outline[:half:-1])
    width = np.linalg.norm(points[:, outline[half]] - points[:, outline[0]], axis=-1)
    heights = np.linalg.norm(points[:, above] - points[:, below], axis=-1)
    ratios = np.full(len(points), np.nan)
    np.divide(heights.mean(axis=-1), width, out=ratios, where=width > 0)
    return ratios, width


def _outline(scheme: Scheme, name: str) -> tuple[int, ...] | None:
    return next((contour.points for contour in scheme.contours if contour.name == name and contour.closed), None)
