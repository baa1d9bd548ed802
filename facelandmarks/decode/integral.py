"""Maps of logits to points by the expectation of their softmax (our own models)."""

import numpy as np
from numpy.typing import NDArray

# Half the side of the window whose probability is the score, in cells.
_SCORE_REACH = 1.5


def decode(logits: NDArray[np.float32], input_size: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Points of a batch of maps of logits.

    Parameters
    ----------
    logits
        float32 (N, K, h, w), one map per landmark; any offset of a map is the same.
    input_size
        Width and height of the crop in pixels.

    Returns
    -------
    points
        float32 (N, K, 2), pixels of the crop, (0, 0) being the centre of its first pixel.
    scores
        float32 (N, K) in 0..1: the probability of the cells whose centres lie within 1.5 cells of the point on both
        axes (3 or 4 cells a side; those beyond the map count nothing).

    Notes
    -----
    Source: Sun et al., Integral Human Pose Regression, ECCV 2018. A cell of -inf has no probability. A map with NaN or
    +inf, or of -inf alone, gives a NaN point with a NaN score, and leaves the other maps as they are.
    """
    height, width = logits.shape[2:]
    xs, ys = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
    with np.errstate(invalid="ignore"):  # inf - inf
        weights = np.exp(logits - logits.max(axis=(2, 3), keepdims=True))
    # Each row's sum and its moment in x are one matrix product; all else then needs rows only.
    rows = weights @ np.stack([np.ones_like(xs), xs], axis=-1)
    total = rows[..., 0].sum(axis=-1)
    x = rows[..., 1].sum(axis=-1) / total
    y = rows[..., 0] @ ys / total
    near_x = np.abs(xs - x[..., None]) <= _SCORE_REACH
    near_y = np.abs(ys - y[..., None]) <= _SCORE_REACH
    near = (weights @ near_x[..., None].astype(np.float32))[..., 0]
    scores = (near * near_y).sum(axis=-1) / total
    # Cells are areas: cell i covers W / w pixels, and its centre lies at (i + 0.5) * W / w - 0.5.
    zoom = np.array([input_size[0] / width, input_size[1] / height], np.float32)
    points = (np.stack([x, y], axis=-1) + np.float32(0.5)) * zoom - np.float32(0.5)
    return points, np.minimum(scores, np.float32(1))
