"""What a table makes of errors: means, failures, curves, errors by landmark and by part of the face.

`errors` (N, K) are of N faces and K points, in any unit; `valid` (N, K) says which count, None means all.
Faces without a valid point are in no result. NaN where there is nothing to average.
"""

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
    """Mean over all valid points, or mean over faces of the mean over each face's valid points.

    The two agree where all points are valid.

    Raises
    ------
    InvalidOptionError
        If there is no such average.
    """
    if average not in get_args(Average):
        raise InvalidOptionError(f"no average {average!r}; there are: {', '.join(get_args(Average))}")
    values = errors[_counted(errors, valid)] if average == "points" else face_errors(errors, valid)
    return float(values.mean()) if values.size else float("nan")


def face_errors(errors: Errors, valid: Mask | None = None) -> Errors:
    """Mean error (M,) of each face that has a valid point, in their order."""
    counted = _counted(errors, valid)
    faces = counted.any(1)
    return np.asarray(np.mean(errors[faces], axis=1, where=counted[faces]))


def per_landmark(errors: Errors, valid: Mask | None = None) -> Errors:
    """Mean error (K,) of each landmark over the faces where it is valid."""
    return _means(errors, _counted(errors, valid))


def per_contour(errors: Errors, scheme: Scheme, valid: Mask | None = None) -> dict[str, float]:
    """Mean error by contour of the scheme; a point on two contours counts in both."""
    counted = _counted(errors, valid)
    columns = {contour.name: list(contour.points) for contour in scheme.contours}
    return {name: mean_error(errors[:, points], counted[:, points]) for name, points in columns.items()}


def failure_rate(faces: Errors, threshold: float) -> float:
    """Share of faces whose error is above the threshold; one exactly at it is no failure, NaN is one.

    `faces` (N,) as from `face_errors`, in the unit of the threshold.
    """
    return float(np.mean(~(faces <= threshold))) if faces.size else float("nan")


def ced(faces: Errors, thresholds: ArrayLike) -> Errors:
    """Cumulative error distribution: the share of faces (N,) with an error of at most each threshold."""
    found = np.sort(faces[~np.isnan(faces)])
    below = np.searchsorted(found, np.asarray(thresholds, np.float64), side="right")
    return np.asarray(below / len(faces) if faces.size else np.full(np.shape(thresholds), np.nan))


def auc(faces: Errors, threshold: float) -> float:
    """Area under the CED curve from 0 to the threshold, as a share of the whole: 1 if all errors are 0.

    Exact: a face with error e adds (1 - e / threshold) of its share, so no step width is needed. Programs that add up
    a sampled curve differ from it by the order of their step.
    """
    reached = np.clip(1 - np.nan_to_num(faces, nan=np.inf) / threshold, 0, 1)
    return float(reached.mean()) if faces.size else float("nan")


def _counted(errors: Errors, valid: Mask | None) -> Mask:
    return np.ones(errors.shape, bool) if valid is None else valid


def _means(errors: Errors, counted: Mask) -> Errors:
    """Mean of each column over what counts in it."""
    numbers = counted.sum(0)
    sums = np.sum(errors, axis=0, where=counted)
    return np.where(numbers > 0, sums / np.maximum(numbers, 1), np.nan)
