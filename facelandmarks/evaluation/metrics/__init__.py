"""Errors of landmarks, and what tables make of them: means, failures, curves, intervals, parts of the face.

The functions here are the plain ones: float64, no special values, nothing dropped silently. The programs that made the
published tables have their own rules: `metrics.mmpose` and `metrics.hrnet_official`.

Throughout: N faces of K points; points and truth (N, K, 2) and boxes (N, 4) xyxy in pixels of the image; `errors`
(N, K) in any unit. `visible` (N, K), anything but 0, and `valid` (N, K), bool, say which points count; None means all.
A missing prediction is NaN: its error is NaN, means become NaN, and shares count it as a miss. Faces without a valid
point are left out. NaN where there is nothing to average.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facelandmarks.errors import InvalidOptionError, hint_at, lookup
from facelandmarks.schemes import Scheme

# fmt: off
__all__ = [
    "auc", "bootstrap_interval", "box_sides", "ced", "distances", "epe", "face_errors", "failure_rate", "mean_error",
    "nme", "normalised", "pck", "per_contour", "per_landmark", "point_pair",
]
# fmt: on
Floats = NDArray[np.floating]
Errors = NDArray[np.float64]
Mask = NDArray[np.bool_]
# "points": every valid point counts the same (micro average). "faces": every face counts the same.
Average = Literal["points", "faces"]
SideRule = Literal["longer", "diagonal", "root_area"]
_SIDES: Mapping[str, Callable[[Floats, Floats], Floats]] = {
    "longer": np.maximum,
    "diagonal": np.hypot,
    "root_area": lambda width, height: np.sqrt(width * height),
}


def check_pairs(points: Floats, truth: Floats) -> None:
    """Raise `InvalidOptionError` unless both shapes are one (N, K, 2)."""
    if points.shape != truth.shape or points.ndim != 3 or points.shape[-1] != 2:
        got = f"{points.shape} for points and {truth.shape} for truth"
        raise InvalidOptionError(f"points and truth must have one shape (N, K, 2); got {got}")


def check_shape(name: str, values: ArrayLike, shape: tuple[int, ...]) -> None:
    """Raise `InvalidOptionError` if values have another shape: NumPy would broadcast many a wrong one."""
    if np.shape(values) != shape:
        raise InvalidOptionError(f"{name} must have the shape {shape} here; got {np.shape(values)}")


def distances(points: ArrayLike, truth: ArrayLike) -> Errors:
    """Return Euclidean distances (N, K) in pixels; `InvalidOptionError` unless both shapes are one (N, K, 2)."""
    given, wanted = np.asarray(points, np.float64), np.asarray(truth, np.float64)
    check_pairs(given, wanted)
    lengths: Errors = np.linalg.norm(given - wanted, axis=-1)
    return lengths


def point_pair(truth: Floats, pair: tuple[int, int]) -> Floats:
    """Return the distance (N,) in pixels of two landmarks of the truth, whether visible or not.

    With `Scheme.normaliser` as the pair this is the interocular distance of the outer eye corners.
    """
    lengths: Floats = np.linalg.norm(truth[:, pair[0]] - truth[:, pair[1]], axis=-1)
    return lengths


def box_sides(boxes: Floats, rule: SideRule = "longer") -> Floats:
    """Return the size (N,) of boxes in their precision: `longer` side (AFLW, DeepFashion), `diagonal`, `root_area`."""
    side = lookup(_SIDES, rule, "size of a box")
    sides = boxes[:, 2:] - boxes[:, :2]
    return side(sides[:, 0], sides[:, 1])


def normalised(lengths: Errors, sizes: ArrayLike) -> Errors:
    """Return distances (N, K) as fractions of one size a face.

    Sizes (N,) in pixels are from `point_pair`, `box_sides`, or the dataset. `InvalidOptionError` names the first face
    without a finite positive size.
    """
    divisors = np.asarray(sizes, np.float64)
    check_shape("sizes", divisors, lengths.shape[:1])
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


def mean_error(errors: Errors, valid: Mask | None = None, average: Average = "points") -> float:
    """Return the mean over all valid points, or the mean over faces of each face's mean over its valid points.

    The two agree where all points are valid. `InvalidOptionError` for an unknown average.
    """
    if average not in get_args(Average):
        raise InvalidOptionError(f"no average {average!r}; {hint_at(average, get_args(Average))}")
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
    return np.where(numbers > 0, np.sum(errors, axis=0, where=counted) / np.maximum(numbers, 1), np.nan)


def per_contour(errors: Errors, scheme: Scheme, valid: Mask | None = None) -> dict[str, float]:
    """Return the mean error by contour of the scheme; a point on two contours counts in both."""
    counted = _counted(errors, valid)
    columns = {contour.name: list(contour.points) for contour in scheme.contours}
    return {name: mean_error(errors[:, points], counted[:, points]) for name, points in columns.items()}


def failure_rate(faces: Errors, threshold: float) -> float:
    """Return the share of faces whose error (N,) is above the threshold, not exactly at it; NaN is a failure."""
    return float(np.mean(~(faces <= threshold))) if faces.size else float("nan")


def ced(faces: Errors, thresholds: ArrayLike) -> Errors:
    """Return the cumulative error distribution: the share of faces (N,) with an error of at most each threshold."""
    found = np.sort(faces[~np.isnan(faces)])
    below = np.searchsorted(found, np.asarray(thresholds, np.float64), side="right")
    return np.asarray(below / len(faces) if faces.size else np.full(np.shape(thresholds), np.nan))


def auc(faces: Errors, threshold: float) -> float:
    """Return the area under the CED curve of faces (N,) from 0 to the threshold, as a share: 1 if all errors are 0.

    Exact: a face with error e adds (1 - e / threshold) of its share. Programs that sum a sampled curve differ from it
    by the order of their step.
    """
    if not threshold > 0:
        raise InvalidOptionError(f"threshold must be positive; got {threshold!r}")
    reached = np.clip(1 - np.nan_to_num(faces, nan=np.inf) / threshold, 0, 1)
    return float(reached.mean()) if faces.size else float("nan")


def bootstrap_interval(
    statistic: Callable[[NDArray[np.intp]], ArrayLike],
    faces: int,
    *,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[Errors, Errors]:
    """Return the ends of the percentile bootstrap interval of numbers that are computed from faces, in their units.

    It says how the numbers would vary with other images of the same kind, not between trainings. Faces are drawn, not
    points: the points of one face are not independent.

    Parameters
    ----------
    statistic
        The number, or an array of numbers, from indices (N,) of faces drawn with repetition:
        `lambda drawn: mean_error(errors[drawn], valid[drawn])`.
    faces, level
        Number of faces; share of the resamples inside the interval.
    resamples, seed
        Number of datasets of the same size to draw; the same seed gives the same interval.

    Returns
    -------
    Lower and upper ends, each in the shape of the statistic.

    Notes
    -----
    Source: Efron, Bootstrap Methods: Another Look at the Jackknife, 1979.
    """
    if faces < 1 or resamples < 1 or not 0 < level < 1:
        raise InvalidOptionError(f"need a face, a resample, and a level between 0 and 1: {faces}, {resamples}, {level}")
    rng = np.random.default_rng(seed)
    values = [statistic(rng.integers(faces, size=faces)) for _ in range(resamples)]
    low, high = np.quantile(np.array(values), [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def as_mask(visible: ArrayLike | None) -> Mask | None:
    """Convert visibilities of any type (0 / 1 / 2, shares) to bool: anything but zero counts."""
    return None if visible is None else np.asarray(visible).astype(bool)


def _counted(errors: Errors, valid: Mask | None) -> Mask:
    if valid is None:
        return np.ones(errors.shape, bool)
    check_shape("the mask of points", valid, errors.shape)
    return valid


# Thresholds of failures and of the area under the curve, fractions of the normaliser.
THRESHOLDS = (0.08, 0.10)
STATISTICS = ("mean", "median", "failures_08", "failures_10", "auc_08", "auc_10")


def json_number(value: float) -> float | None:
    """Round off the last bits, in which machines differ; None for NaN and infinity, which JSON does not have."""
    return round(float(value), 6) if np.isfinite(value) else None


def from_json(errors: list[float | None]) -> Errors:
    """Return the errors of a report as an array, NaN for None."""
    return np.array([np.nan if error is None else error for error in errors], np.float64)


def statistics_of(errors: Errors) -> Errors:
    """Return the numbers of `STATISTICS` (6,); NaN where no face was found."""
    found = errors[~np.isnan(errors)]
    middle = (found.mean(), np.median(found)) if found.size else (np.nan, np.nan)
    shares = [share(errors, limit) for share in (failure_rate, auc) for limit in THRESHOLDS]
    return np.array([*middle, *shares])


def summarize(errors: Errors) -> dict[str, Any]:
    """Return how many faces there are and were missed, and each statistic with its 95 % bootstrap interval.

    `{"faces": 3, "missed": 0, "mean": {"value": 0.04, "interval": [0.03, 0.05]}, ..}`; the interval is None for fewer
    than two faces, and the value where it is not a number.
    """
    values, intervals = statistics_of(errors), np.full((2, len(STATISTICS)), np.nan)
    if len(errors) > 1:
        intervals = np.array(bootstrap_interval(lambda drawn: statistics_of(errors[drawn]), len(errors)))
    numbers = {
        name: {"value": json_number(value), "interval": _ends(ends)}
        for name, value, ends in zip(STATISTICS, values, intervals.T, strict=True)
    }
    return {"faces": len(errors), "missed": int(np.isnan(errors).sum()), **numbers}


def compare_errors(first: Errors, second: Errors) -> dict[str, Any]:
    """Compare two models on the same N faces, at least two, by a paired bootstrap.

    `difference` is the mean of second - first over the faces that both found, negative if the second is better;
    `wins` the share of all faces on which the second is better, where a missed face is the worst and a tie half a win.
    Both with 95 % intervals. `better` is `"second"` or `"first"` if the interval of the difference excludes 0, else
    None.
    """
    both = ~np.isnan(first) & ~np.isnan(second)
    differences = np.where(both, second - first, np.nan)
    worst_last = [np.nan_to_num(errors, nan=np.inf) for errors in (first, second)]
    wins = np.where(worst_last[1] == worst_last[0], 0.5, worst_last[1] < worst_last[0])

    def means(drawn: NDArray[np.intp]) -> Errors:
        chosen = differences[drawn][both[drawn]]
        return np.array([chosen.mean() if chosen.size else np.nan, wins[drawn].mean()])

    values, ends = means(np.arange(len(first))), np.array(bootstrap_interval(means, len(first))).T
    low, high = ends[0]
    return {
        "faces": len(first),
        "both": int(both.sum()),
        "missed": [int(np.isnan(errors).sum()) for errors in (first, second)],
        "means": [json_number(errors[both].mean()) if both.any() else None for errors in (first, second)],
        "difference": {"value": json_number(values[0]), "interval": _ends(ends[0])},
        "wins": {"value": json_number(values[1]), "interval": _ends(ends[1])},
        "better": "second" if high < 0 else "first" if low > 0 else None,
    }


def _ends(ends: Errors) -> list[float | None] | None:
    return [json_number(end) for end in ends] if np.isfinite(ends).all() else None
