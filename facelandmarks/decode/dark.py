"""Heatmaps to points by DARK: a Taylor step on the logarithm of the blurred map (MMPose `unbiased`)."""

import cv2
import numpy as np
from numpy.typing import NDArray

from facelandmarks.decode.argmax import neighbours, peaks, to_crop
from facelandmarks.zoo.spec import Variant

# Offsets from the peak of the pixels that the step needs: itself, one and two pixels right, left, below and above,
# then the corners below right, below left, above right, above left.
_DX = [0, 1, -1, 0, 0, 2, -2, 0, 0, 1, -1, 1, -1]
_DY = [0, 0, 0, 1, -1, 0, 0, 2, -2, 1, 1, -1, -1]


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
    return to_crop(places + _taylor_step(heatmaps, places, scores, kernel), heatmaps, input_size), scores


def _taylor_step(
    heatmaps: NDArray[np.float32], places: NDArray[np.float32], scores: NDArray[np.float32], kernel: int
) -> NDArray[np.float64]:
    """Steps (N, K, 2) in pixels of the map from the peaks towards the peaks of the Gaussians below them."""
    height, width = heatmaps.shape[2:]
    x, y = places[..., 0], places[..., 1]
    inside = (x > 1) & (x < width - 2) & (y > 1) & (y < height - 2)
    log = _log_around(heatmaps, places, scores, kernel).astype(np.float64)
    centre, right, left, below, above, right2, left2, below2, above2, se, sw, ne, nw = np.moveaxis(log, -1, 0)
    gx, gy = (right - left) / 2, (below - above) / 2
    # Second differences over two pixels to either side, so that they fit the first ones.
    hxx, hyy = (right2 - 2 * centre + left2) / 4, (below2 - 2 * centre + above2) / 4
    hxy = (se - sw - ne + nw) / 4
    determinant = hxx * hyy - hxy * hxy
    with np.errstate(divide="ignore", invalid="ignore"):
        step = -np.stack([hyy * gx - hxy * gy, hxx * gy - hxy * gx], axis=-1) / determinant[..., None]
    return np.where((inside & (determinant != 0))[..., None], step, 0.0)


def _log_around(
    heatmaps: NDArray[np.float32], places: NDArray[np.float32], scores: NDArray[np.float32], kernel: int
) -> NDArray[np.float32]:
    """Logarithm (N, K, 13) of the blurred maps at the peaks and about them.

    The blurred map is brought back to the height of the map. The factor matters only for the floor of 1e-10, but
    there it does: far from a peak the floor is a plateau.
    """
    values = np.empty((*places.shape[:2], len(_DX)), np.float32)
    highest = np.empty(places.shape[:2], np.float32)
    for n, maps in enumerate(heatmaps):
        blurred = blur_with_zeros(maps, kernel)
        values[n] = neighbours(blurred[None], places[n : n + 1], _DX, _DY)[0]
        highest[n] = blurred.max(axis=(1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):  # maps of zeros, inf
        values *= (scores / highest)[..., None]
        return np.log(np.maximum(values, np.float32(1e-10)))


def blur_with_zeros(maps: NDArray[np.float32], kernel: int) -> NDArray[np.float32]:
    """Gaussian blur (K, h, w) with zeros around each map: one call of OpenCV for all maps of a crop."""
    k, h, w = maps.shape
    gap = kernel // 2
    # The maps one below another, a gap of zeros after each: the kernel never sees two maps at once. In float32, as
    # upstream: the goldens of 1.x come out bit for bit.
    tall = np.zeros((k, h + gap, w), np.float32)
    tall[:, :h] = maps
    blurred = cv2.GaussianBlur(tall.reshape(-1, w), (kernel, kernel), 0, borderType=cv2.BORDER_CONSTANT)
    return blurred.reshape(tall.shape)[:, :h].astype(np.float32, copy=False)
