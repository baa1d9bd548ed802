"""Conversions between schemes: what they are made of, how to write one down, and one record each.

The published lists of equal points are MMPose 1.3.2's, for training RTMPose on six datasets
(configs/face_2d_keypoint/rtmpose/face6). Its indices for COFW's eyes are those of WFLW, not of LaPa, and are read as
such here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import nan
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facelandmarks.boxes import to_float64
from facelandmarks.errors import InvalidOptionError, lookup
from facelandmarks.schemes import mesh
from facelandmarks.schemes.scheme import SCHEMES, Scheme, get_scheme

# From the best to the worst:
# exact          one point of the source, at the same place of a face by both definitions
# interpolated   a mean of points of the source, whose place between them is known
# approximate    the nearest point of the source; the definitions differ
# unavailable    the source has nothing for it: the point is NaN
Kind = Literal["exact", "interpolated", "approximate", "unavailable"]
KINDS: tuple[Kind, ...] = ("exact", "interpolated", "approximate", "unavailable")


@dataclass(frozen=True)
class Point:
    """One point of the target: a weighted mean of points of the source, as (index, weight); without any it is NaN."""

    weights: tuple[tuple[int, float], ...]
    kind: Kind


@dataclass(frozen=True)
class Residuals:
    """Mean distances of converted labels from labels of the target, on faces with labels in both schemes."""

    # One for each point of the target, in percent of the root of the tight box's area, over the faces where it is
    # visible; NaN if unknown.
    percent: tuple[float, ...]
    faces: int
    data: str


@dataclass(frozen=True)
class Conversion:
    """How the points of one scheme are made from the points of another."""

    source: str
    target: str
    points: tuple[Point, ...]  # one for each point of the target
    origin: str  # where the correspondence is published, or how it was found
    residuals: Residuals | None = None  # None if no faces have labels in both schemes

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """How good each point is."""
        return tuple(point.kind for point in self.points)

    @cached_property
    def _terms(self) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Indices and weights (K', T); short rows are filled with their first index and weight 0."""
        rows = [point.weights or ((0, np.nan),) for point in self.points]
        longest = max(len(row) for row in rows)
        filled = np.array([row + ((row[0][0], 0.0),) * (longest - len(row)) for row in rows])
        return filled[..., 0].astype(np.intp), filled[..., 1]

    def apply(self, points: NDArray[Any]) -> NDArray[Any]:
        """Return points (..., K', 2) of the target; float32 stays float32, whole numbers become float64."""
        indices, weights = self._terms
        dtype = np.result_type(points.dtype, np.float32)
        converted: NDArray[Any] = (points[..., indices, :].astype(dtype) * weights[..., None].astype(dtype)).sum(-2)
        return converted


def exact(*points: int) -> tuple[Point, ...]:
    """Return a target point for each of these source points: the same by both definitions."""
    return tuple(Point(((point, 1.0),), "exact") for point in points)


def near(*points: int) -> tuple[Point, ...]:
    """Return a target point for each of these source points: the nearest there are."""
    return tuple(Point(((point, 1.0),), "approximate") for point in points)


def mean(*points: int, kind: Kind = "interpolated") -> tuple[Point]:
    """Return one target point: the mean of these source points."""
    return (Point(tuple((point, 1 / len(points)) for point in points), kind),)


def through(first: Conversion, second: Conversion) -> Conversion:
    """Return both conversions, one after the other; a point is as good as the worst that it is made of."""

    def chained(point: Point) -> Point:
        parts = [(first.points[index], weight) for index, weight in point.weights]
        sums: dict[int, float] = {}
        for part, weight in parts:
            for index, share in part.weights:
                sums[index] = sums.get(index, 0.0) + weight * share
        kind = max((point.kind, *(part.kind for part, _ in parts)), key=KINDS.index)
        return Point(() if kind == "unavailable" else tuple(sums.items()), kind)

    origin = f"{first.source} to {first.target}, then {second.source} to {second.target}"
    return Conversion(first.source, second.target, tuple(map(chained, second.points)), origin)


MISSING = (Point((), "unavailable"),)

_FACE6 = "MMPose 1.3.2 configs/face_2d_keypoint/rtmpose/face6"
_AFLW2000 = "AFLW2000-3D: AFLW's labels, and 68 points of a 3D face that was fitted to the image"

LAPA106_TO_WFLW98 = Conversion(
    "lapa106", "wflw98", exact(*range(55), *range(58, 63), *range(66, 74), *range(75, 83), *range(84, 106)), _FACE6
)


def _third(corner_side: int, middle: int) -> tuple[Point]:
    """Return a lid's point at a third of its length, from the points at a quarter and in the middle.

    300-W has two points on a lid and WFLW three, at other places: `LIDS` in tests/schemes/test_conversions.py measures
    the medians, from the outer corner (0) to the inner one (1).
    """
    return (Point(((corner_side, 2 / 3), (middle, 1 / 3)), "interpolated"),)


# 300-W has every second point of the finer jaw, and the upper edges of the brows' outlines.
WFLW98_TO_IBUG68 = Conversion(
    "wflw98",
    "ibug68",
    (
        *exact(*range(0, 33, 2), *range(33, 38), *range(42, 47), *range(51, 60)),
        *exact(60), *_third(61, 62), *_third(63, 62), *exact(64), *_third(65, 66), *_third(67, 66),
        *exact(68), *_third(69, 70), *_third(71, 70), *exact(72), *_third(73, 74), *_third(75, 74),
        *exact(*range(76, 96)),
    ),
    f"{_FACE6}; the list of 68 of WFLW's points in PFLD; the lids by measurement",
)  # fmt: skip


LAPA106_TO_COFW29 = Conversion(
    "lapa106",
    "cofw29",
    exact(
        *(33, 46, 38, 50, 35, 40, 44, 48),
        *(66, 79, 70, 75, 68, 72, 77, 81, 104, 105),
        *(57, 63, 54, 60),
        *(84, 90, 87, 98, 102, 93, 16),
    ),
    _FACE6,
)
WFLW98_TO_COFW29 = Conversion(
    "wflw98",
    "cofw29",
    (
        *exact(33, 46, 38, 50, 35, 40, 44, 48),
        *exact(60, 72, 64, 68, 62, 66, 70, 74, 96, 97),
        *near(55, 59),  # COFW marks the outermost points of the nose's wings, WFLW does not
        *exact(54, 57),
        *exact(76, 82, 79, 90, 94, 85),
        *exact(16),
    ),
    _FACE6,
)
IBUG68_TO_COFW29 = Conversion(
    "ibug68",
    "cofw29",
    (
        *exact(17, 26), *near(21, 22),
        *exact(19), *MISSING, *exact(24), *MISSING,  # the lower edges of the brows
        *exact(36, 45, 39, 42),
        *mean(37, 38), *mean(40, 41), *mean(43, 44), *mean(46, 47),
        *mean(*range(36, 42), kind="approximate"), *mean(*range(42, 48), kind="approximate"),
        *near(31, 35), *exact(30, 33),
        *exact(48, 54, 51, 62, 66, 57, 8),
    ),
    _FACE6,
    Residuals(
        (
            2.9, 2.5, 2.3, 3.2, 1.4, nan, 3.0, nan,
            1.9, 0.6, 1.0, 1.4, 1.5, 1.0, 2.2, 0.8, 1.8, 0.9,
            4.1, 3.2, 1.6, 1.7, 1.8, 1.3, 1.4, 0.9, 2.3, 2.7, 1.9,
        ),
        faces=2,
        data="COFW's test faces 1766 and 1805, labelled again in COFW68",
    ),
)  # fmt: skip
IBUG68_TO_AFLW19 = Conversion(
    "ibug68",
    "aflw19",
    (
        *near(17, 19, 21, 22, 24, 26),
        *exact(36), *mean(*range(36, 42)), *exact(39),
        *exact(42), *mean(*range(42, 48)), *exact(45),
        *near(31), *exact(30), *near(35),
        *exact(48), *mean(62, 66), *exact(54),
        *exact(8),
    ),
    "the places that both layouts describe",
    Residuals(
        (2.5, 2.7, 2.3, 2.8, 2.6, 3.8, 2.7, 2.4, 1.7, 1.9, 2.1, 2.5, 3.4, 2.3, 4.4, 2.1, 2.4, 2.4, 2.4),
        faces=16,
        data=_AFLW2000,
    ),
)  # fmt: skip
WFLW98_TO_AFLW19 = Conversion(
    "wflw98",
    "aflw19",
    (
        *near(33, 35, 37, 42, 44, 46),
        *exact(60), *mean(*range(60, 68)), *exact(64),
        *exact(68), *mean(*range(68, 76)), *exact(72),
        *near(55), *exact(54), *near(59),
        *exact(76), *mean(90, 94), *exact(82),
        *exact(16),
    ),
    "the places that both layouts describe",
)  # fmt: skip
COFW29_TO_AFLW19 = Conversion(
    "cofw29",
    "aflw19",
    (
        *near(0, 4, 2, 3, 6, 1),
        *exact(8), *mean(8, 10, 12, 13), *exact(10),
        *exact(11), *mean(9, 11, 14, 15), *exact(9),
        *near(18), *exact(20), *near(19),
        *exact(22), *mean(25, 26), *exact(23),
        *exact(28),
    ),
    "the places that both layouts describe",
)  # fmt: skip

# As in the alignment of FFHQ.
_FIVE = "the middle of an eye is the mean of its outline"
IBUG68_TO_POINTS5 = Conversion(
    "ibug68",
    "points5",
    (*mean(*range(36, 42)), *mean(*range(42, 48)), *exact(30, 48, 54)),
    _FIVE,
    Residuals((2.4, 2.1, 2.3, 2.1, 2.4), faces=16, data=_AFLW2000),
)
WFLW98_TO_POINTS5 = Conversion(
    "wflw98", "points5", (*mean(*range(60, 68)), *mean(*range(68, 76)), *exact(54, 76, 82)), _FIVE
)
COFW29_TO_POINTS5 = Conversion(
    "cofw29", "points5", (*mean(8, 10, 12, 13), *mean(9, 11, 14, 15), *exact(20, 22, 23)), _FIVE
)
AFLW19_TO_POINTS5 = Conversion("aflw19", "points5", exact(7, 10, 13, 15, 17), "AFLW has the middles of the eyes")

# The mesh has its own definition of a face's outline and brows; points of the midline and corners are the same.
_ON_LABELS = "300-W's labels of the 203 validation faces, and the model's own points: its errors are in it"
_MESH_AS_5 = (*mean(*mesh.LEFT_EYE_OUTLINE), *mean(*mesh.RIGHT_EYE_OUTLINE), *near(4), *exact(61, 291))
MESH468_TO_IBUG68 = Conversion(
    "mesh468",
    "ibug68",
    (
        *near(127, 234, 93), *mean(132, 58, kind="approximate"), *mean(58, 172, kind="approximate"),
        *near(136, 150, 176), *exact(152), *near(400, 379, 365), *mean(397, 288, kind="approximate"),
        *mean(361, 288, kind="approximate"), *near(323, 454, 356),
        *near(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),
        *mean(168, 6, kind="approximate"), *mean(197, 195, kind="approximate"), *near(5, 4),
        *near(75, 97), *exact(2), *near(326, 305),
        *exact(33), *near(160, 158), *exact(133), *near(153, 144),
        *exact(362), *near(385, 387), *exact(263), *near(373, 380),
        *exact(61), *near(39, 37), *exact(0), *near(267, 269), *exact(291), *near(321, 314), *exact(17), *near(84, 91),
        *exact(78), *near(82), *exact(13), *near(312), *exact(308), *near(317), *exact(14), *near(87),
    ),
    "a list of points in common use, made even; the places that both layouts describe are exact",
    Residuals(
        (
            5.5, 6.0, 7.9, 6.0, 6.5, 5.6, 8.1, 6.6, 4.3, 6.5, 8.0, 5.8, 7.0, 6.6, 8.4, 6.4, 5.6,
            3.7, 3.1, 4.1, 4.3, 4.4, 4.2, 4.1, 3.8, 3.1, 3.8, 2.6, 4.1, 3.2, 2.3, 1.9, 1.7, 1.7, 1.7, 1.9,
            2.0, 2.5, 1.8, 1.7, 1.5, 1.6, 1.8, 1.7, 2.3, 2.1, 1.7, 2.0,
            1.8, 2.2, 2.1, 1.9, 2.0, 2.6, 2.0, 3.4, 2.4, 2.2, 2.4, 3.6, 1.9, 2.1, 1.8, 2.2, 2.0, 2.1, 1.8, 2.1,
        ),
        faces=203,
        data=_ON_LABELS,
    ),
)  # fmt: skip
MESH468_TO_POINTS5 = Conversion(
    "mesh468", "points5", _MESH_AS_5, _FIVE, Residuals((1.2, 1.3, 2.3, 1.8, 2.0), faces=203, data=_ON_LABELS)
)
MESH478_TO_MESH468 = Conversion("mesh478", "mesh468", exact(*range(mesh.POINTS)), "the irises left out")
MESH478_TO_IBUG68 = replace(
    MESH468_TO_IBUG68,
    source="mesh478",
    residuals=Residuals(
        (
            5.4, 6.0, 8.0, 6.0, 6.4, 5.4, 7.7, 6.1, 3.7, 5.9, 7.6, 5.6, 6.9, 6.6, 8.4, 6.5, 5.4,
            3.6, 2.8, 4.1, 4.4, 4.1, 3.8, 3.7, 3.4, 2.7, 3.6, 2.9, 4.3, 3.4, 2.4, 2.0, 1.8, 1.9, 1.7, 2.0,
            1.5, 2.0, 1.5, 1.6, 1.3, 1.3, 1.7, 1.3, 1.8, 1.6, 1.4, 1.7,
            1.4, 1.9, 1.8, 1.5, 1.5, 2.4, 1.7, 2.9, 1.9, 1.8, 2.1, 3.4, 1.6, 1.7, 1.4, 1.8, 1.5, 2.0, 1.6, 1.8,
        ),
        faces=203,
        data=_ON_LABELS,
    ),
)  # fmt: skip
MESH478_TO_POINTS5 = Conversion(
    "mesh478", "points5", _MESH_AS_5, _FIVE, Residuals((0.9, 1.0, 2.4, 1.4, 1.7), faces=203, data=_ON_LABELS)
)

TABLES = (
    WFLW98_TO_IBUG68, WFLW98_TO_COFW29, WFLW98_TO_AFLW19, WFLW98_TO_POINTS5,
    LAPA106_TO_WFLW98, through(LAPA106_TO_WFLW98, WFLW98_TO_IBUG68), LAPA106_TO_COFW29,
    through(LAPA106_TO_WFLW98, WFLW98_TO_AFLW19), through(LAPA106_TO_WFLW98, WFLW98_TO_POINTS5),
    IBUG68_TO_COFW29, IBUG68_TO_AFLW19, IBUG68_TO_POINTS5,
    COFW29_TO_AFLW19, COFW29_TO_POINTS5, AFLW19_TO_POINTS5,
    MESH468_TO_IBUG68, MESH468_TO_POINTS5, MESH478_TO_MESH468, MESH478_TO_IBUG68, MESH478_TO_POINTS5,
)  # fmt: skip

CONVERSIONS: Mapping[tuple[str, str], Conversion] = MappingProxyType(
    {(conversion.source, conversion.target): conversion for conversion in TABLES}
)


def get_conversion(source: str, target: str) -> Conversion:
    """Return the conversion between two schemes; `InvalidOptionError` says why there is none, and which there are."""
    points, wanted = (len(lookup(SCHEMES, name, "point scheme")) for name in (source, target))
    if (source, target) not in CONVERSIONS:
        why = f": {wanted} points cannot be made of {points}" if wanted > points else ""
        known = ", ".join(b for a, b in CONVERSIONS if a == source) or "none"
        raise InvalidOptionError(
            f"points of {source!r} cannot be converted to {target!r}{why}; conversions of {source!r} to: {known}"
        )
    return CONVERSIONS[source, target]


def convert(points: ArrayLike, source: str | Scheme, target: str | Scheme) -> NDArray[Any]:
    """Convert points (..., K, 2) of one scheme to points (..., K', 2) of another; the result is a copy.

    `CONVERSIONS` holds the pairs that are possible, besides twice the same scheme; `InvalidOptionError` for others, and
    for what is no number. A point whose kind there is "unavailable" becomes NaN; tensors become arrays, and float32
    stays float32.
    """
    first, second = get_scheme(source), get_scheme(target)
    own = next((scheme.name for scheme in (first, second) if SCHEMES.get(scheme.name) != scheme), None)
    if own is not None and first != second:
        raise InvalidOptionError(
            f"{own!r} is a scheme of your own, which cannot be converted to others, nor others to it"
        )
    conversion = None if first == second else get_conversion(first.name, second.name)
    expected = f"points of {first.name} must be (..., {len(first)}, 2)"
    array: NDArray[Any]
    if isinstance(points, np.ndarray) and points.dtype.kind in "iuf":
        array = points
    else:
        array, part = to_float64(points, f"{expected}, numbers", InvalidOptionError), points
        while isinstance(part, list | tuple) and part:
            part = part[0]
        if str(getattr(part, "dtype", "")).endswith("float32"):  # an array or a tensor
            array = array.astype(np.float32)
    if array.shape[-2:] != (len(first), 2):
        raise InvalidOptionError(f"{expected}; got {array.shape}")
    return array.copy() if conversion is None else conversion.apply(array)
