"""Which face is which: the cheapest one-to-one assignment (Hungarian algorithm, by SciPy)."""

from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from facelandmarks.boxes import Boxes
from facelandmarks.errors import MissingDependencyError

_FORBIDDEN = 1e6


def require_scipy() -> None:
    """Raise `MissingDependencyError` if SciPy is not installed, before there is anything to assign."""
    if find_spec("scipy") is None:
        raise MissingDependencyError("following faces needs SciPy: pip install 'facelandmarks-zoo[video]'")


def assign(costs: NDArray[np.float64], limit: float) -> list[tuple[int, int]]:
    """Pairs (row, column) of least total cost; no pair costs more than `limit`.

    Parameters
    ----------
    costs
        (R, C), any numbers; infinite where a pair is impossible.
    limit
        As many pairs as can be had below it are preferred to cheaper pairs that leave others without.
    """
    from scipy.optimize import linear_sum_assignment

    possible = costs <= limit
    rows, columns = linear_sum_assignment(np.where(possible, costs, _FORBIDDEN))
    return [(int(row), int(column)) for row, column in zip(rows, columns, strict=True) if possible[row, column]]


def overlaps(first: Boxes, second: Boxes) -> NDArray[np.float64]:
    """(A, B): area shared by boxes (A, 4) and (B, 4), as a fraction of what both cover (IoU)."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    common = (high - low).clip(0).prod(2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (first, second)]
    return np.asarray(common / (areas[0][:, None] + areas[1][None] - common), np.float64)


def distances(first: Boxes, second: Boxes) -> NDArray[np.float64]:
    """(A, B): how far apart and how unlike in size boxes are, in sides of the larger box; 0 for the same box."""
    sides = [np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(1)) for boxes in (first, second)]
    middles = [(boxes[:, :2] + boxes[:, 2:]) / 2 for boxes in (first, second)]
    apart = np.linalg.norm(middles[0][:, None] - middles[1][None], axis=2)
    larger = np.maximum(sides[0][:, None], sides[1][None])
    unlike = np.abs(np.log(sides[0][:, None] / sides[1][None]))
    return np.asarray(apart / larger + unlike, np.float64)
