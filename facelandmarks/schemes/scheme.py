"""Schemes: the number of landmarks, their names, mirror pairs, and the lines that join them in a drawing.

"left" and "right" are sides of the image as one looks at it, not of the person.
"""

import operator
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facelandmarks.boxes import to_float64
from facelandmarks.errors import InvalidOptionError, lookup
from facelandmarks.schemes import mesh


@dataclass(frozen=True)
class Contour:
    """Indices of points that a line joins in this order."""

    name: str
    points: tuple[int, ...]
    closed: bool = False


@dataclass(frozen=True)
class Scheme:
    """A point layout: one of `SCHEMES`, or your own, such as `Scheme("mine", size=5, pairs=((0, 1), (3, 4)))`.

    `InvalidOptionError` if an index is out of range or no whole number, a pair has not two, a point is in two pairs, or
    names and points differ in number.
    """

    name: str  # key in `SCHEMES`, for those that are there
    contours: tuple[Contour, ...] = ()  # every point belongs to at least one, unless there is a `size`
    pairs: tuple[tuple[int, int], ...] = ()  # points that change places in a mirrored image
    # The points whose distance divides the error in the usual NME; None if a box does, or nothing is usual.
    normaliser: tuple[int, int] | None = None
    source: str = field(default="", compare=False)  # where order and pairs are published
    published_names: tuple[str, ...] = ()  # of the points in that source, if they have any
    # Indices of points by what they are (`eye_left_outer`, `nose_tip`, ...), as far as the scheme has them.
    named: Mapping[str, int] = field(default_factory=dict, compare=False)
    box_convention: str = "tight"  # of the bounding box of the points (`facelandmarks.boxes`)
    size: int | None = None  # number of points, if not all are on contours

    def __post_init__(self) -> None:
        try:
            paired = [point for first, second in self.pairs for point in (first, second)]
            normalisers = () if self.normaliser is None else (self.normaliser,)
            ends = [point for first, second in normalisers for point in (first, second)]
            used = [point for contour in self.contours for point in contour.points]
            sized = self.size is not None or bool(used)
            count = operator.index(len(self) if self.size is None else self.size) if sized else 0
            used += [*paired, *ends, *self.named.values()]
            wrong = next((point for point in used if not 0 <= operator.index(point) < count), None)
            names = len(self.published_names)
        except (AttributeError, TypeError, ValueError) as error:
            expected = "the size and all indices are whole numbers, pairs and the normaliser two indices each"
            raise InvalidOptionError(f"scheme {self.name!r:.99}: {expected}; {error}") from error
        if not sized:
            problem = "give size=, the number of points"
        elif count < 1 or wrong is not None:
            problem = f"it has {count} points" + ("" if wrong is None else f", and no point {wrong}")
        elif len(set(paired)) < len(paired):
            twice = next(point for point in paired if paired.count(point) > 1)
            problem = f"point {twice} is in two pairs, or paired with itself: leave out points on the axis"
        elif names not in (0, count):
            problem = f"it has {names} names for {count} points"
        else:
            return
        raise InvalidOptionError(f"scheme {self.name!r}: {problem}")

    def __str__(self) -> str:
        return self.name

    def __len__(self) -> int:
        return self._count if self.size is None else self.size

    @cached_property
    def _count(self) -> int:
        return 1 + max(max(each.points, default=0) for each in self.contours)

    @cached_property
    def mirror(self) -> NDArray[np.intp]:
        """Indices (K,) of the points' mirror images; a point on the axis is its own."""
        order = np.arange(len(self))
        first, second = np.array(self.pairs, np.intp).reshape(-1, 2).T
        order[first], order[second] = second, first
        order.setflags(write=False)
        return order

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the points: as published, else of their first contour with the place on it, else by number."""
        if self.published_names:
            return self.published_names
        found: dict[int, str] = {}
        for contour in self.contours:
            for place, point in enumerate(contour.points):
                found.setdefault(point, f"{contour.name}_{place}")
        return tuple(found.get(point, f"point_{point}") for point in range(len(self)))


_CORNERS = ("eye_left_outer", "eye_left_inner", "eye_right_inner", "eye_right_outer")
_TIPS = ("nose_tip", "mouth_left", "mouth_right", "chin")


def _named(*points: int) -> dict[str, int]:
    """Name the points that every scheme of a face has, in the order of `_CORNERS` and `_TIPS`."""
    return dict(zip(_CORNERS + _TIPS, points, strict=True))


def _run(name: str, first: int, last: int, closed: bool = False) -> Contour:
    """Return a contour of consecutive points."""
    return Contour(name, tuple(range(first, last + 1)), closed)


def _facing(*runs: tuple[int, int, int]) -> tuple[tuple[int, int], ...]:
    """Return the pairs of runs (first, last, count): first and last, the points after and before them, and so on."""
    return tuple((first + i, last - i) for first, last, count in runs for i in range(count))


def _clothes(kind: str, parts: tuple[str, ...], contours: tuple[Contour, ...]) -> Scheme:
    """Return a scheme of DeepFashion; each of the parts has a left point and then a right one."""
    return Scheme(
        name=f"deepfashion_{kind}",
        contours=contours,
        pairs=tuple((2 * part, 2 * part + 1) for part in range(len(parts))),
        source=f"DeepFashion, {kind} clothes; MMPose 1.3.2 configs/_base_/datasets/deepfashion_{kind}.py, the same in "
        "0.29.0",
        published_names=tuple(f"{side} {part}" for part in parts for side in ("left", "right")),
    )


# fmt: off
AFLW19 = Scheme(
    name="aflw19",
    contours=(
        _run("brow_left", 0, 2), _run("brow_right", 3, 5), _run("eye_left", 6, 8), _run("eye_right", 9, 11),
        _run("nose", 12, 14), _run("mouth", 15, 17), Contour("chin", (18,)),
    ),
    pairs=_facing((0, 5, 3), (6, 11, 3), (12, 14, 1), (15, 17, 1)),
    source="AFLW without the ears; MMPose 1.3.2 configs/_base_/datasets/aflw.py, the same in 0.29.0 and official HRNet",
    named=_named(6, 8, 9, 11, 13, 15, 17, 18),
    box_convention="tight_no_jaw",
)

COFW29 = Scheme(
    name="cofw29",
    contours=(
        Contour("brow_left", (0, 4, 2, 5), closed=True), Contour("brow_right", (3, 6, 1, 7), closed=True),
        Contour("eye_left", (8, 12, 10, 13), closed=True), Contour("eye_right", (11, 14, 9, 15), closed=True),
        Contour("pupil_left", (16,)), Contour("pupil_right", (17,)),
        Contour("nose", (18, 21, 19)), Contour("nose_tip", (20,)),
        Contour("lips_outer", (22, 24, 23, 27), closed=True), Contour("lips_inner", (22, 25, 23, 26), closed=True),
        Contour("chin", (28,)),
    ),
    pairs=((0, 1), (2, 3), (4, 6), (5, 7), (8, 9), (10, 11), (12, 14), (13, 15), (16, 17), (18, 19), (22, 23)),
    normaliser=(8, 9),
    source="COFW; MMPose 1.3.2 configs/_base_/datasets/cofw.py, the same in 0.29.0 and official HRNet",
    named=_named(8, 10, 11, 9, 20, 22, 23, 28),
    box_convention="tight_no_jaw",
)

IBUG68 = Scheme(
    name="ibug68",
    contours=(
        _run("jaw", 0, 16), _run("brow_left", 17, 21), _run("brow_right", 22, 26),
        _run("nose_bridge", 27, 30), _run("nose_base", 31, 35),
        _run("eye_left", 36, 41, closed=True), _run("eye_right", 42, 47, closed=True),
        _run("lips_outer", 48, 59, closed=True), _run("lips_inner", 60, 67, closed=True),
    ),
    pairs=_facing(
        (0, 16, 8), (17, 26, 5), (31, 35, 2), (36, 45, 4), (40, 47, 2), (48, 54, 3), (55, 59, 2), (60, 64, 2),
        (65, 67, 1),
    ),
    normaliser=(36, 45),
    source="300-W; pairs as in MMPose 1.3.2 configs/_base_/datasets/300w.py, the same in 0.29.0 and official HRNet",
    named=_named(36, 39, 42, 45, 30, 48, 54, 8),
)

# Points 0 to 54 of WFLW and LaPa are the same.
_UPPER_CONTOURS = (
    _run("jaw", 0, 32), _run("brow_left", 33, 41, closed=True), _run("brow_right", 42, 50, closed=True),
    _run("nose_bridge", 51, 54),
)
_UPPER_PAIRS = ((0, 32, 16), (33, 46, 5), (38, 50, 4))

WFLW98 = Scheme(
    name="wflw98",
    contours=(
        *_UPPER_CONTOURS,
        _run("nose_base", 55, 59),
        _run("eye_left", 60, 67, closed=True), _run("eye_right", 68, 75, closed=True),
        _run("lips_outer", 76, 87, closed=True), _run("lips_inner", 88, 95, closed=True),
        Contour("pupil_left", (96,)), Contour("pupil_right", (97,)),
    ),
    pairs=_facing(
        *_UPPER_PAIRS, (55, 59, 2), (60, 72, 5), (65, 75, 3), (76, 82, 3), (83, 87, 2), (88, 92, 2), (93, 95, 1),
        (96, 97, 1),
    ),
    normaliser=(60, 72),
    source="WFLW; MMPose 1.3.2 configs/_base_/datasets/wflw.py, the same in 0.29.0 and official HRNet",
    named=_named(60, 64, 68, 72, 54, 76, 82, 16),
)

LAPA106 = Scheme(
    name="lapa106",
    contours=(
        *_UPPER_CONTOURS,
        _run("nose_side_and_base", 55, 65),
        _run("eye_left", 66, 73, closed=True), _run("eye_right", 75, 82, closed=True),
        Contour("eye_centre_left", (74,)), Contour("eye_centre_right", (83,)),
        _run("lips_outer", 84, 95, closed=True), _run("lips_inner", 96, 103, closed=True),
        Contour("pupil_left", (104,)), Contour("pupil_right", (105,)),
    ),
    pairs=_facing(
        *_UPPER_PAIRS, (55, 65, 5), (66, 79, 5), (71, 82, 3), (74, 83, 1), (84, 90, 3), (91, 95, 2), (96, 100, 2),
        (101, 103, 1), (104, 105, 1),
    ),
    normaliser=(66, 79),
    source="LaPa; MMPose 1.3.2 configs/_base_/datasets/lapa.py",
    named=_named(66, 70, 75, 79, 54, 84, 90, 16),
)

POINTS5 = Scheme(
    name="points5",
    contours=(
        Contour("eye_left", (0,)), Contour("eye_right", (1,)), Contour("nose", (2,)), Contour("mouth", (3, 4)),
    ),
    pairs=((0, 1), (3, 4)),
    source="the five points of MTCNN, RetinaFace and ArcFace; no model here has them, `convert` makes them",
    named={"nose_tip": 2, "mouth_left": 3, "mouth_right": 4},
)

DEEPFASHION_UPPER = _clothes(
    "upper",
    ("collar", "sleeve", "hem"),
    (
        Contour("collar", (0, 1)), Contour("sleeve_left", (0, 2)), Contour("sleeve_right", (1, 3)),
        Contour("hem", (4, 5)),
    ),
)
DEEPFASHION_LOWER = _clothes(
    "lower",
    ("waistline", "hem"),
    (
        Contour("waistline", (0, 1)), Contour("hem", (2, 3)),
        Contour("side_left", (0, 2)), Contour("side_right", (1, 3)),
    ),
)
DEEPFASHION_FULL = _clothes(
    "full",
    ("collar", "sleeve", "waistline", "hem"),
    (
        Contour("collar", (0, 1)), Contour("sleeve_left", (0, 2)), Contour("sleeve_right", (1, 3)),
        Contour("waistline", (4, 5)), Contour("hem", (6, 7)),
    ),
)

ANIME28 = Scheme(
    name="anime28",
    contours=(
        _run("jaw", 0, 4), _run("brow_left", 5, 7), _run("brow_right", 8, 10),
        _run("eye_left_upper", 11, 13), _run("eye_left_lower", 14, 16),
        _run("eye_right_upper", 17, 19), _run("eye_right_lower", 20, 22),
        Contour("nose", (23,)), _run("mouth", 24, 27, closed=True),
    ),
    pairs=_facing((0, 4, 2), (5, 10, 3), (11, 19, 3), (14, 22, 3), (24, 26, 1)),
    source="anime-face-detector 7bcc2ae configs/mmpose/hrnetv2.py",
)

MESH468 = Scheme(
    name="mesh468",
    contours=tuple(Contour(*line) for line in mesh.CONTOURS),
    pairs=mesh.PAIRS,
    normaliser=(33, 263),
    source="MediaPipe 0.10.21, face mesh",
    # The tip of the nose is the vertex that head pose knows (`facelandmarks.measures.pose`).
    named=_named(33, 133, 362, 263, 1, 61, 291, 152),
    box_convention="mesh",
    size=468,
)
MESH478 = replace(
    MESH468,
    name="mesh478",
    contours=(*MESH468.contours, *(Contour(*line) for line in mesh.IRIS_CONTOURS)),
    pairs=(*mesh.PAIRS, *mesh.IRIS_PAIRS),
    source="MediaPipe 0.10.21, face mesh with attention",
    size=478,
)

SCHEMES: Mapping[str, Scheme] = MappingProxyType({scheme.name: scheme for scheme in (
    AFLW19, COFW29, IBUG68, WFLW98, LAPA106, POINTS5, DEEPFASHION_UPPER, DEEPFASHION_LOWER, DEEPFASHION_FULL, ANIME28,
    MESH468, MESH478,
)})
# fmt: on


def get_scheme(name: str | Scheme) -> Scheme:
    """Return the scheme of that name, `UnknownNameError` if there is none; a scheme is returned as it is."""
    return name if isinstance(name, Scheme) else lookup(SCHEMES, name, "point scheme")


def check_points(points: ArrayLike, scheme: str | Scheme) -> tuple[NDArray[np.float64], Scheme]:
    """Return points as float64 (N, K, 2), also those of tensors, and their scheme.

    `InvalidOptionError` for what is no number, and for points that do not fit the scheme.
    """
    known = get_scheme(scheme)
    expected = f"points of {known.name} must be (N, {len(known)}, 2)"
    array = to_float64(points, f"{expected}, numbers", InvalidOptionError)
    if array.ndim != 3 or array.shape[1:] != (len(known), 2):
        raise InvalidOptionError(f"{expected}; got {array.shape}")
    return array, known
