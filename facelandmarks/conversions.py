"""Points of one layout as points of another."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facelandmarks.errors import InvalidOptionError
from facelandmarks.schemes import SCHEMES


@dataclass(frozen=True)
class Conversion:
    """Which points of one layout stand for the points of another.

    Attributes
    ----------
    source, target
        Names of the layouts.
    points
        For each point of the target the index of one point of the source.
    """

    source: str
    target: str
    points: tuple[int, ...]


# 300-W has every second point of the finer jaw, and of the brows' outlines the upper edges.
_UPPER_TO_IBUG68 = (*range(0, 33, 2), *range(33, 38), *range(42, 47), *range(51, 55))


def _six_of_eight(first: int) -> tuple[int, ...]:
    """An eye's outline of eight points without the middles of its lids."""
    return tuple(first + step for step in (0, 1, 3, 4, 5, 7))


WFLW98_TO_IBUG68 = Conversion(
    "wflw98", "ibug68", (*_UPPER_TO_IBUG68, *range(55, 60), *_six_of_eight(60), *_six_of_eight(68), *range(76, 96))
)
LAPA106_TO_IBUG68 = Conversion(
    "lapa106", "ibug68", (*_UPPER_TO_IBUG68, *range(58, 63), *_six_of_eight(66), *_six_of_eight(75), *range(84, 104))
)
CONVERSIONS: Mapping[tuple[str, str], Conversion] = MappingProxyType(
    {(conversion.source, conversion.target): conversion for conversion in (WFLW98_TO_IBUG68, LAPA106_TO_IBUG68)}
)


def convert_points(points: ArrayLike, source: str, target: str) -> NDArray[Any]:
    """Points of one layout as points of another.

    Parameters
    ----------
    points
        (..., K, 2) in any unit, K points of `source`.
    source, target
        Names of layouts: `"wflw98"` or `"lapa106"` to `"ibug68"`.

    Returns
    -------
    ndarray
        (..., K', 2), a copy of the same type.

    Raises
    ------
    InvalidOptionError
        If there is no conversion between these layouts, or `points` has another number of points.

    Notes
    -----
    Every converted point is a point of the source, never a mixture. On the lids the two layouts divide differently:
    300-W's points stand at a third and two thirds of the way from corner to corner (medians of 2,014 faces of its
    training set: 0.29 to 0.32 and 0.64 to 0.68), the ones given for them at about a quarter and three quarters.

    Source: the 68 of WFLW's 98 points as PFLD's list of the test set has them, the lids apart (it has means there);
    for LaPa the correspondences with which MMPose 1.3.2 trains RTMPose on six data sets
    (configs/face_2d_keypoint/rtmpose/face6).
    """
    if (source, target) not in CONVERSIONS:
        known = ", ".join(f"{a} to {b}" for a, b in CONVERSIONS)
        raise InvalidOptionError(f"points of {source!r} cannot be converted to {target!r}; there are: {known}")
    given, count = np.asarray(points), len(SCHEMES[source])
    if given.shape[-2:] != (count, 2):
        raise InvalidOptionError(f"points of {source} must be (..., {count}, 2); got {given.shape}")
    return given[..., list(CONVERSIONS[source, target].points), :]
