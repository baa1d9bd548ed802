"""Heatmaps to points as the official HRNet-Facial-Landmark-Detection repository does."""

import numpy as np
from numpy.typing import NDArray

from facelandmarks.decode.argmax import neighbours, peaks, to_crop


def decode(
    heatmaps: NDArray[np.float32], input_size: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Points of a batch of heatmaps: the highest pixel, moved a quarter pixel towards the higher neighbour.

    Parameters
    ----------
    heatmaps
        float32 (N, K, h, w).
    input_size
        Width and height of the crop in pixels.

    Returns
    -------
    points
        float32 (N, K, 2), pixels of the crop: map pixel i is at (i + 0.5) * W / w, as `geometry.hrnet_official`
        expects it. A map without a positive value, or with a NaN, gives map pixel -1.
    scores
        float32 (N, K), the maximum of each map: not limited to 0..1. Upstream has no scores.

    Notes
    -----
    Source: `lib/core/evaluation.py` (`get_preds`, `decode_preds`), less the way back to the image, which is in
    `geometry.hrnet_official`, and less its coordinates that begin at 1.
    """
    places, scores = peaks(heatmaps)
    # Half a pixel for all points, those without a peak too: a map pixel's value was trained for its whole area.
    return to_crop(places + _quarter_shift(heatmaps, places) + np.float32(0.5), heatmaps, input_size), scores


def _quarter_shift(heatmaps: NDArray[np.float32], places: NDArray[np.float32]) -> NDArray[np.float32]:
    """A quarter of a map pixel towards the higher neighbour, on each axis; none in the outer rows and columns."""
    height, width = heatmaps.shape[2:]
    right, left, below, above = np.moveaxis(neighbours(heatmaps, places, [1, -1, 0, 0], [0, 0, 1, -1]), -1, 0)
    x, y = places[..., 0], places[..., 1]
    # One of the outer ones stops both axes. Unlike MMPose's, the rule is the same on all sides.
    inside = (x > 0) & (x < width - 1) & (y > 0) & (y < height - 1)
    # Compared, not subtracted: inf - inf has no sign.
    higher = np.stack([right > left, below > above], axis=-1)
    lower = np.stack([right < left, below < above], axis=-1)
    sign = higher.astype(np.float32) - lower.astype(np.float32)
    return np.where(inside[..., None], np.float32(0.25) * sign, np.float32(0))
