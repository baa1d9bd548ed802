"""How far landmarks are from the truth, in pixels and in units of a normaliser.

Throughout: N faces of K points; points (N, K, 2) and boxes (N, 4) xyxy in pixels of the image.
`visible` (N, K) says which points of the truth count (not zero); None means all. A missing prediction is NaN: its error
is NaN, means become NaN, and shares count it as a miss.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facelandmarks.errors import InvalidOptionError, lookup
from facelandmarks.evaluation.metrics.summaries import Average, Errors, Mask, mean_error

Floats = NDArray[np.floating]
SideRule = Literal["longer", "diagonal", "root_area"]
_SIDES: Mapping[str, Callable[[Floats, Floats], Floats]] = MappingProxyType(
    {
        "longer": np.maximum,
        "diagonal": np.hypot,
        "root_area": lambda width, height: np.sqrt(width * height),
    }
)


def distances(points: ArrayLike, truth: ArrayLike) -> Errors:
    """Return Euclidean distances (N, K) in pixels between points and truth, both (N, K, 2).

    Raises
    ------
    InvalidOptionError
        If the shapes differ, or are not (N, K, 2).
    """
    given, wanted = np.asarray(points, np.float64), np.asarray(truth, np.float64)
    if given.shape != wanted.shape or given.ndim != 3 or given.shape[-1] != 2:
        raise InvalidOptionError(
            f"points and truth must have one shape (N, K, 2); got {given.shape} for points and {wanted.shape} for truth"
        )
    lengths: Errors = np.linalg.norm(given - wanted, axis=-1)
    return lengths


def point_pair(truth: Floats, pair: tuple[int, int]) -> Floats:
    """Return the distance (N,) in pixels of two landmarks of the truth (N, K, 2), whether visible or not.

    With `Scheme.normaliser` as the pair this is the interocular distance of the outer eye corners.
    """
    lengths: Floats = np.linalg.norm(truth[:, pair[0]] - truth[:, pair[1]], axis=-1)
    return lengths


def box_sides(boxes: Floats, rule: SideRule = "longer") -> Floats:
    """Return the size (N,) in pixels of boxes (N, 4), in their precision.

    Parameters
    ----------
    rule
        `longer` side (AFLW, DeepFashion), `diagonal`, or `root_area`, the root of width times height.

    Raises
    ------
    InvalidOptionError
        For an unknown rule.
    """
    side = lookup(_SIDES, rule, "size of a box")
    sides = boxes[:, 2:] - boxes[:, :2]
    return side(sides[:, 0], sides[:, 1])


def normalised(lengths: Errors, sizes: ArrayLike) -> Errors:
    """Return distances (N, K) as fractions of one size a face.

    Parameters
    ----------
    lengths
        From `distances`, pixels.
    sizes
        (N,) pixels: from `point_pair`, `box_sides`, or the data set.

    Raises
    ------
    InvalidOptionError
        If a face lacks a finite positive size; the first one is named.
    """
    divisors = np.asarray(sizes, np.float64)
    if divisors.shape != lengths.shape[:1]:
        raise InvalidOptionError(f"expected {len(lengths)} sizes, one a face; got shape {divisors.shape}")
    bad = np.flatnonzero(~(np.isfinite(divisors) & (divisors > 0)))
    if bad.size:
        raise InvalidOptionError(
            f"face {bad[0]} of {len(divisors)} has a normaliser of {divisors[bad[0]]:g} px ({bad.size} are not "
            "positive): leave these faces out, or use the rules of metrics.mmpose"
        )
    return lengths / divisors[:, None]


def nme(
    points: ArrayLike, truth: ArrayLike, sizes: ArrayLike, visible: ArrayLike | None = None, average: Average = "points"
) -> float:
    """Return the normalised mean error, a fraction: `mean_error` of the `distances` `normalised` by `sizes`."""
    return mean_error(normalised(distances(points, truth), sizes), as_mask(visible), average)


def epe(points: ArrayLike, truth: ArrayLike, visible: ArrayLike | None = None, average: Average = "points") -> float:
    """Return the end-point error: the mean distance in pixels."""
    return mean_error(distances(points, truth), as_mask(visible), average)


def pck(
    points: ArrayLike, truth: ArrayLike, sizes: ArrayLike, threshold: float, visible: ArrayLike | None = None
) -> float:
    """Return the share of visible points no further off than `threshold` times the size of their face; NaN if none."""
    errors = normalised(distances(points, truth), sizes)
    return mean_error(np.where(errors <= threshold, 1.0, 0.0), as_mask(visible))


def as_mask(visible: ArrayLike | None) -> Mask | None:
    """Convert visibilities of any type (0 / 1 / 2, shares) to bool: anything but zero counts."""
    return None if visible is None else np.asarray(visible).astype(bool)
