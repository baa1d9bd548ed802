"""Metrics as the official HRNet-Facial-Landmark-Detection computes them.

- All points count, there is no visibility; the mean is over faces.
- A normaliser of 0 gives an error of inf (or NaN for a perfect face), and the mean is inf (or NaN).
- A failure is an error strictly above the threshold; NaN is not a failure.

It scores points as its decoder gives them, whole numbers counted from 1, against its unchanged annotations.

Source: `lib/core/evaluation.py` (`compute_nme`) and `lib/core/function.py` (`inference`).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facelandmarks.evaluation.metrics import Floats, check_pairs, check_shape

FAILURES = (0.08, 0.10)  # the thresholds it prints


def face_errors(points: Floats, truth: Floats, sizes: ArrayLike) -> NDArray[np.float64]:
    """Return the error (N,) of each face, a fraction: the mean distance of its points over its size.

    Points and truth (N, K, 2) in upstream's precision (float32), sizes (N,), pixels.
    """
    check_pairs(points, truth)
    check_shape("sizes", sizes, points.shape[:1])
    lengths = np.linalg.norm(points - truth, axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = lengths.sum(1) / (np.asarray(sizes) * lengths.shape[1])
    return np.asarray(errors, np.float64)


def nme(points: Floats, truth: Floats, sizes: ArrayLike) -> float:
    """Return the mean of `face_errors`, a fraction; NaN without faces."""
    errors = face_errors(points, truth, sizes)
    return float(errors.mean()) if errors.size else float("nan")


def failure_rate(faces: NDArray[np.float64], threshold: float) -> float:
    """Return the share of faces (N,) whose error is strictly above the threshold."""
    return float(np.mean(faces > threshold)) if faces.size else float("nan")
