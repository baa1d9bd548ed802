"""Heatmaps to points by DARK: a Taylor step on the logarithm of the blurred map (MMPose `unbiased`)."""

import numpy as np
from numpy.typing import NDArray

from facelandmarks.decode.argmax import neighbours, peaks, to_crop
from facelandmarks.decode.blur import blur_about, blur_with_zeros
from facelandmarks.decode.taylor import FRAIL, taylor_step
from facelandmarks.zoo.spec import Variant

# Offsets from the peak of the pixels that the step needs: itself, one and two pixels right, left, below and above,
# then the corners below right, below left, above right, above left.
_DX = np.array([0, 1, -1, 0, 0, 2, -2, 0, 0, 1, -1, 1, -1])
_DY = np.array([0, 0, 0, 1, -1, 0, 0, 2, -2, 1, 1, -1, -1])
FLOOR = np.float32(1e-10)  # of the blurred map, before its logarithm


def decode(
    heatmaps: NDArray[np.float32], input_size: tuple[int, int], kernel: int = 11, variant: Variant = "mmpose0x"
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Points of a batch of heatmaps.

    Parameters
    ----------
    heatmaps
        float32 (N, K, h, w).
    input_size
        Width and height of the crop in pixels.
    kernel
        Odd side of the Gaussian blur in pixels of the map; OpenCV derives its sigma (2.0 for 11, 2.9 for 17).
    variant
        What a map with a NaN gives: (-1, -1) as in 0.x, or a NaN point as in 1.x. Nothing else differs.

    Returns
    -------
    points
        float32 (N, K, 2), pixels of the crop: map pixel times W / w, as `geometry.classic` expects it.
    scores
        float32 (N, K), the maximum of each map before the blur.

    Notes
    -----
    Source: Zhang et al., Distribution-Aware Coordinate Representation for Human Pose Estimation, CVPR 2020, as in
    MMPose 0.x `core/evaluation/top_down_eval.py` (`_gaussian_blur`, `_taylor`, `post_process="unbiased"`) and 1.x
    `codecs/utils/refinement.py` (`refine_keypoints_dark`). As there, the step is not limited (two near peaks can throw
    a point some pixels), and there is none within two pixels of the border or for a map without a positive value.
    """
    places, scores = peaks(heatmaps, variant)
    return to_crop(places + _steps(heatmaps, places, scores, kernel), heatmaps, input_size), scores


def _steps(
    heatmaps: NDArray[np.float32], places: NDArray[np.float32], scores: NDArray[np.float32], kernel: int
) -> NDArray[np.float64]:
    """Steps (N, K, 2) in pixels of the map from the peaks towards the peaks of the Gaussians below them.

    They come from windows about the peaks. Upstream brings the blurred map back to the height of the map before it
    takes the logarithm; that adds the same to all logarithms, and a step sees none of it. It matters where values lie
    at the floor, and in last bits where a step hangs on them: such maps are worked out whole.
    """
    height, width = heatmaps.shape[2:]
    x, y = places[..., 0], places[..., 1]
    inside = (x > 1) & (x < width - 2) & (y > 1) & (y < height - 2)
    values = blur_about(heatmaps, places, kernel, 2, "zeros")[2 + _DY, :, :, 2 + _DX]
    steps, sensitivity = _step(values)
    unsettled = inside & ~(_above_floor(values) & (sensitivity < FRAIL))
    for n in np.flatnonzero(unsettled.any(axis=1)):
        here = unsettled[n]
        steps[n, here] = _step(_around_whole(heatmaps[n, here], places[n, here], scores[n, here], kernel))[0]
    return np.where(inside[..., None], steps, 0.0)


def _step(values: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Steps and their sensitivity from values (13, ...) of blurred maps at the peaks and about them."""
    log = np.log(np.maximum(values, FLOOR)).astype(np.float64)
    centre, right, left, below, above, right2, left2, below2, above2, se, sw, ne, nw = log
    with np.errstate(invalid="ignore"):  # inf - inf
        gradient = (right - left) / 2, (below - above) / 2
        # Second differences over two pixels to either side, so that they fit the first ones.
        hessian = (right2 - 2 * centre + left2) / 4, (below2 - 2 * centre + above2) / 4, (se - sw - ne + nw) / 4
        return taylor_step(gradient, hessian)


def _above_floor(values: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where all values (13, ...) are numbers above the floor; to restore the height only lifts them."""
    above: NDArray[np.bool_] = np.all((values > FLOOR) & (values < np.inf), axis=0)
    return above


def _around_whole(
    maps: NDArray[np.float32], places: NDArray[np.float32], scores: NDArray[np.float32], kernel: int
) -> NDArray[np.float32]:
    """Values (13, K) of maps (K, h, w), blurred whole and brought back to their height, at the peaks and about them."""
    blurred = blur_with_zeros(maps, kernel)
    values: NDArray[np.float32] = neighbours(blurred[None], places[None], _DX, _DY)[0].T
    with np.errstate(divide="ignore", invalid="ignore"):  # inf
        values *= scores / blurred.max(axis=(1, 2))
    return values
