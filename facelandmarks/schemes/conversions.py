"""What a conversion between two layouts is made of, and how to write one down."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

# From the best to the worst:
# exact          one point of the source, at the same place of a face by both definitions
# interpolated   a mean of points of the source, whose place between them is known
# approximate    the nearest that the source has; the definitions differ
# unavailable    nothing in the source stands for it: the point is NaN
Kind = Literal["exact", "interpolated", "approximate", "unavailable"]
KINDS: tuple[Kind, ...] = ("exact", "interpolated", "approximate", "unavailable")


@dataclass(frozen=True)
class Point:
    """One point of the target: a weighted mean of points of the source, as (index, weight); without any it is NaN."""

    weights: tuple[tuple[int, float], ...]
    kind: Kind


@dataclass(frozen=True)
class Residuals:
    """Distances of converted labels from labels of the target, on the same faces.

    Attributes
    ----------
    percent
        Mean of each point of the target, in percent of the root of the area of the tight box; NaN where none is known.
    faces
        How many faces have labels of both; a point that is not visible in a face is not counted there.
    data
        Which faces.
    """

    percent: tuple[float, ...]
    faces: int
    data: str


@dataclass(frozen=True)
class Conversion:
    """How the points of one layout are made of the points of another.

    Attributes
    ----------
    source, target
        Names of the layouts.
    points
        One record for each point of the target.
    origin
        Who says so.
    residuals
        What is measured; None where no face is known that has labels of both.
    """

    source: str
    target: str
    points: tuple[Point, ...]
    origin: str
    residuals: Residuals | None = None

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """How good each point is."""
        return tuple(point.kind for point in self.points)

    @cached_property
    def _terms(self) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Indices and weights (K', T); the rows are filled up with their first index and weight 0."""
        rows = [point.weights or ((0, np.nan),) for point in self.points]
        longest = max(len(row) for row in rows)
        filled = np.array([row + ((row[0][0], 0.0),) * (longest - len(row)) for row in rows])
        return filled[..., 0].astype(np.intp), filled[..., 1]

    def apply(self, points: NDArray[Any]) -> NDArray[Any]:
        """Points (..., K', 2) of the target; float32 stays float32, whole numbers become float64."""
        indices, weights = self._terms
        dtype = np.result_type(points.dtype, np.float32)
        converted: NDArray[Any] = (points[..., indices, :].astype(dtype) * weights[..., None].astype(dtype)).sum(-2)
        return converted


def exact(*points: int) -> tuple[Point, ...]:
    """One point of the source for each, the same by both definitions."""
    return tuple(Point(((point, 1.0),), "exact") for point in points)


def near(*points: int) -> tuple[Point, ...]:
    """One point of the source for each, the nearest there is."""
    return tuple(Point(((point, 1.0),), "approximate") for point in points)


def mean(*points: int, kind: Kind = "interpolated") -> tuple[Point]:
    """One point: the mean of points of the source."""
    return (Point(tuple((point, 1 / len(points)) for point in points), kind),)


def through(first: Conversion, second: Conversion) -> Conversion:
    """Both conversions, one after the other; a point is as good as the worst that it is made of."""

    def chained(point: Point) -> Point:
        parts = [(first.points[index], weight) for index, weight in point.weights]
        sums: dict[int, float] = {}
        for part, weight in parts:
            for index, share in part.weights:
                sums[index] = sums.get(index, 0.0) + weight * share
        kind = _worst([point.kind, *(part.kind for part, _ in parts)])
        return Point(() if kind == "unavailable" else tuple(sums.items()), kind)

    origin = f"{first.source} to {first.target}, then {second.source} to {second.target}"
    return Conversion(first.source, second.target, tuple(map(chained, second.points)), origin)


def _worst(kinds: Iterable[Kind]) -> Kind:
    return max(kinds, key=KINDS.index)
