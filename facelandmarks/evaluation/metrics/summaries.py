"""What tables make of errors: means, failures, curves, intervals, errors by landmark and by part of the face.

`errors` (N, K) belong to N faces of K points, in any unit; `valid` (N, K) says which count, None means all. Faces
without a valid point are left out. NaN where there is nothing to average.
"""

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facelandmarks.errors import InvalidOptionError
from facelandmarks.schemes import Scheme

Errors = NDArray[np.float64]
Mask = NDArray[np.bool_]
# "points": every valid point counts the same (micro average). "faces": every face counts the same.
Average = Literal["points", "faces"]


def mean_error(errors: Errors, valid: Mask | None = None, average: Average = "points") -> float:
    """Return the mean over all valid points, or the mean over faces of each face's mean over its valid points.

    The two agree where all points are valid.

    Raises
    ------
    InvalidOptionError
        For an unknown average.
    """
    if average not in get_args(Average):
        raise InvalidOptionError(f"no average {average!r}; there are: {', '.join(get_args(Average))}")
    values = errors[_counted(errors, valid)] if average == "points" else face_errors(errors, valid)
    return float(values.mean()) if values.size else float("nan")


def face_errors(errors: Errors, valid: Mask | None = None) -> Errors:
    """Return the mean error (M,) of each face that has a valid point, in order."""
    counted = _counted(errors, valid)
    faces = counted.any(1)
    return np.asarray(np.mean(errors[faces], axis=1, where=counted[faces]))


def per_landmark(errors: Errors, valid: Mask | None = None) -> Errors:
    """Return the mean error (K,) of each landmark over the faces where it is valid."""
    counted = _counted(errors, valid)
    numbers = counted.sum(0)
    sums = np.sum(errors, axis=0, where=counted)
    return np.where(numbers > 0, sums / np.maximum(numbers, 1), np.nan)


def per_contour(errors: Errors, scheme: Scheme, valid: Mask | None = None) -> dict[str, float]:
    """Return the mean error by contour of the scheme; a point on two contours counts in both."""
    counted = _counted(errors, valid)
    columns = {contour.name: list(contour.points) for contour in scheme.contours}
    return {name: mean_error(errors[:, points], counted[:, points]) for name, points in columns.items()}


def failure_rate(faces: Errors, threshold: float) -> float:
    """Return the share of faces whose error is above the threshold, not exactly at it; NaN is a failure.

    `faces` (N,) as from `face_errors`, in the unit of the threshold.
    """
    return float(np.mean(~(faces <= threshold))) if faces.size else float("nan")


def ced(faces: Errors, thresholds: ArrayLike) -> Errors:
    """Return the cumulative error distribution: the share of faces (N,) with an error of at most each threshold."""
    found = np.sort(faces[~np.isnan(faces)])
    below = np.searchsorted(found, np.asarray(thresholds, np.float64), side="right")
    return np.asarray(below / len(faces) if faces.size else np.full(np.shape(thresholds), np.nan))


def auc(faces: Errors, threshold: float) -> float:
    """Return the area under the CED curve from 0 to the threshold, as a share: 1 if all errors are 0.

    Exact: a face with error e adds (1 - e / threshold) of its share. Programs that sum a sampled curve differ from it
    by the order of their step.
    """
    reached = np.clip(1 - np.nan_to_num(faces, nan=np.inf) / threshold, 0, 1)
    return float(reached.mean()) if faces.size else float("nan")


def bootstrap_interval(
    statistic: Callable[[NDArray[np.intp]], float],
    faces: int,
    *,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of a number that is computed from faces.

    Parameters
    ----------
    statistic
        The number, from indices (N,) of faces drawn with repetition:
        `lambda drawn: mean_error(errors[drawn], valid[drawn])`.
    faces
        Number of faces.
    level
        Share of the resamples inside the interval.
    resamples
        Number of data sets of the same size to draw.
    seed
        The same seed gives the same interval.

    Returns
    -------
    low, high
        In the unit of the statistic: how the number would vary with other images of the same kind, not between
        trainings. Faces are drawn, not points: the points of one face are not independent.

    Notes
    -----
    Source: Efron, Bootstrap Methods: Another Look at the Jackknife, 1979.
    """
    rng = np.random.default_rng(seed)
    values = [statistic(rng.integers(faces, size=faces)) for _ in range(resamples)]
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _counted(errors: Errors, valid: Mask | None) -> Mask:
    return np.ones(errors.shape, bool) if valid is None else valid
