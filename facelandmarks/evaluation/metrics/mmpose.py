"""Metrics as MMPose computes them, 0.x and 1.x alike, with all their peculiarities.

- Distances are float32, and so is their sum.
- A face whose normaliser is 0 is left out. A **negative** one (a reversed box) becomes 1e6: the errors of that face
  vanish, and its points still count.
- Thresholds are strict: a distance exactly at one is a miss, and nothing is inside a threshold of 0.
- PCK is the mean over landmarks of each landmark's share, not the share of all points.
- AUC averages the thresholds 0, 1/20 .. 19/20 of the normaliser: 1 is not among them, so perfect points get 0.95.
- Where nothing counts, every metric is 0. A NaN point makes NME and EPE NaN, but is a miss for PCK and AUC.

Parameters throughout: points and truth (N, K, 2) in pixels, in upstream's precision (float32 from its datasets); sizes
(N,) in pixels; visible (N, K), anything but 0 counts. Normalisers are taken from the truth even where points are not
visible.

Source: 0.x `core/evaluation/top_down_eval.py` (`_calc_distances` and what uses it), 1.x
`evaluation/functional/keypoint_eval.py`.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facelandmarks.evaluation.metrics import Floats, Mask, check_pairs, check_shape

NEGATIVE_SIZE = 1e6  # px, what upstream divides by where the normaliser is negative
AUC_SIZE = 30.0  # px, of the tables of DeepFashion
AUC_STEPS = 20


def normalised(points: Floats, truth: Floats, sizes: ArrayLike, visible: ArrayLike) -> tuple[NDArray[np.float32], Mask]:
    """Return distances as fractions of the size of each face (N, K), and which of them count (N, K)."""
    divisors = np.asarray(sizes)
    check_pairs(points, truth)
    check_shape("sizes", divisors, points.shape[:1])
    check_shape("visible", visible, points.shape[:2])
    valid = np.asarray(visible).astype(bool) & (divisors != 0)[:, None]
    # Upstream divides the differences, not the distance, in the precision of its arrays.
    divisors = np.where(divisors <= 0, divisors.dtype.type(NEGATIVE_SIZE), divisors)
    errors = np.linalg.norm((points - truth) / divisors[:, None, None], axis=-1)
    return errors.astype(np.float32), valid


def nme(points: Floats, truth: Floats, sizes: ArrayLike, visible: ArrayLike) -> float:
    """Return the normalised mean error, a fraction: the mean over all points that count."""
    errors, valid = normalised(points, truth, sizes, visible)
    # Landmark by landmark: a sum of float32 depends on its order.
    counted = errors.T[valid.T]
    return float(counted.sum()) / max(1, counted.size)


def epe(points: Floats, truth: Floats, visible: ArrayLike) -> float:
    """Return the end-point error: the mean distance in pixels over all points that count."""
    return nme(points, truth, np.ones(len(points), np.float32), visible)


def landmark_accuracy(
    points: Floats, truth: Floats, sizes: ArrayLike, visible: ArrayLike, threshold: float
) -> NDArray[np.float64]:
    """Return each landmark's share (K,) of faces in which it is nearer than threshold * size; NaN if none counts."""
    errors, valid = normalised(points, truth, sizes, visible)
    return _accuracy(errors, valid, threshold)


def pck(points: Floats, truth: Floats, sizes: ArrayLike, visible: ArrayLike, threshold: float = 0.2) -> float:
    """Return the percentage of correct keypoints, a fraction: the mean of `landmark_accuracy` where it is a number."""
    return _mean(landmark_accuracy(points, truth, sizes, visible, threshold))


def auc(points: Floats, truth: Floats, visible: ArrayLike, size: float = AUC_SIZE, steps: int = AUC_STEPS) -> float:
    """Return the mean PCK at the thresholds 0, 1 / steps .. (steps - 1) / steps of one size in pixels for all faces."""
    errors, valid = normalised(points, truth, np.full(len(points), size), visible)
    return float(np.mean([_mean(_accuracy(errors, valid, step / steps)) for step in range(steps)]))


def _accuracy(errors: NDArray[np.float32], valid: Mask, threshold: float) -> NDArray[np.float64]:
    numbers = valid.sum(0)
    hits = ((errors < np.float32(threshold)) & valid).sum(0)
    return np.where(numbers > 0, hits / np.maximum(numbers, 1), np.nan)


def _mean(accuracy: NDArray[np.float64]) -> float:
    known = accuracy[~np.isnan(accuracy)]
    return float(known.mean()) if known.size else 0.0
