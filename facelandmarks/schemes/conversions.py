"""What a conversion between two schemes is made of, and how to write one down."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

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
