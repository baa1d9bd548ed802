"""Heatmaps to points by DARK in the UDP manner: another blur, another Hessian, and no border (MMPose `use_udp`)."""

import cv2
import numpy as np
from numpy.typing import NDArray

from facelandmarks.decode.argmax import peaks
from facelandmarks.decode.dark import blur_with_zeros
from facelandmarks.zoo.spec import Variant

# Offsets from the peak of the pixels that the step needs: itself, right, left, below, above, below right, above left.
_DX = [0, 1, -1, 0, 0, 1, -1]
_DY = [0, 0, 0, 1, -1, 1, -1]


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
        Whose blur: 0.x mirrors the map at its border; 1.x surrounds it with zeros and restores its height. And what a
        map with a NaN gives: (-1, -1) as in 0.x, or a NaN point as in 1.x.

    Returns
    -------
    points
        float32 (N, K, 2), pixels of the crop as `geometry.udp` expects it: the outer pixels of the map are the outer
        pixels of the crop, so map pixel i is crop pixel i * (W - 1) / (w - 1).
    scores
        float32 (N, K), the maximum of each map before the blur.

    Notes
    -----
    Source: 0.x `core/evaluation/top_down_eval.py` (`post_dark_udp`), 1.x `codecs/utils/refinement.py`
    (`refine_keypoints_dark_udp`) and `codecs/udp_heatmap.py`. As there, the step is not limited, the points next to
    the border take one too, and maps below 0.001 or above 50 are cut flat.

    The (-1, -1) of a map without a positive value takes a step too, from what lies before the map in memory: the end
    of the previous landmark's map, or of the last one's for the first. It is garbage, but upstream's, of one face a
    call; here every face is by itself, so that no result depends on other faces. Only where that gives no number, such
    a point stays where it is.
    """
    places, scores = peaks(heatmaps, variant)
    height, width = heatmaps.shape[2:]
    zoom = (np.array(input_size) - 1) / np.array([width - 1, height - 1])
    points = (places + _taylor_step(heatmaps, places, scores, kernel, variant)) * zoom
    return points.astype(np.float32), scores


def _taylor_step(
    heatmaps: NDArray[np.float32],
    places: NDArray[np.float32],
    scores: NDArray[np.float32],
    kernel: int,
    variant: Variant,
) -> NDArray[np.float64]:
    """Steps (N, K, 2) in pixels of the map from the peaks towards the peaks of the Gaussians below them."""
    log = _log_around(heatmaps, places, scores, kernel, variant)
    centre, right, left, below, above, se, nw = np.moveaxis(log, -1, 0)
    gx, gy = ((right - left) * 0.5).astype(np.float64), ((below - above) * 0.5).astype(np.float64)
    # Unlike DARK's, the second differences reach one pixel only, and the mixed one sees two of the four corners.
    epsilon = np.finfo(np.float32).eps
    hxx = (right - 2 * centre + left).astype(np.float64) + epsilon
    hyy = (below - 2 * centre + above).astype(np.float64) + epsilon
    hxy = (0.5 * (se - right - below + centre + centre - left - above + nw)).astype(np.float64)
    determinant = hxx * hyy - hxy * hxy
    with np.errstate(divide="ignore", invalid="ignore"):
        step = -np.stack([hyy * gx - hxy * gy, hxx * gy - hxy * gx], axis=-1) / determinant[..., None]
    undefined = (places[..., 0] < 0) & ~np.isfinite(step).all(axis=-1)
    return np.where((undefined | (determinant == 0))[..., None], 0.0, step)


def _log_around(
    heatmaps: NDArray[np.float32],
    places: NDArray[np.float32],
    scores: NDArray[np.float32],
    kernel: int,
    variant: Variant,
) -> NDArray[np.float32]:
    """Logarithm (N, K, 7) of the blurred maps at the peaks and about them, the outer pixel beyond the border."""
    values = np.empty((*places.shape[:2], len(_DX)), np.float32)
    blur = _blur_mirrored if variant == "mmpose0x" else blur_with_zeros
    for n, maps in enumerate(heatmaps):
        blurred = blur(maps, kernel)
        if variant == "mmpose1x":
            with np.errstate(divide="ignore", invalid="ignore"):  # maps of zeros, inf
                blurred = blurred * (scores[n] / blurred.max(axis=(1, 2)))[:, None, None]
        values[n] = _gather(blurred, places[n])
    log: NDArray[np.float32] = np.log(values.clip(np.float32(0.001), np.float32(50)))
    return log


def _gather(maps: NDArray[np.float32], places: NDArray[np.float32]) -> NDArray[np.float32]:
    """Values (K, 7) of maps (K, h, w) at the peaks (K, 2) and about them, by their places in memory as upstream."""
    padded = np.pad(maps, ((0, 0), (1, 1), (1, 1)), mode="edge")
    k, height, width = padded.shape
    x, y = (places + 1).astype(np.intp).T
    first = (np.arange(k) * height + y) * width + x
    around = first[:, None] + np.array(_DY) * width + np.array(_DX)
    values: NDArray[np.float32] = padded.ravel().take(around, mode="wrap")
    return values


def _blur_mirrored(maps: NDArray[np.float32], kernel: int) -> NDArray[np.float32]:
    """Gaussian blur (K, h, w) with each map mirrored about its outer pixels: one call of OpenCV for all maps."""
    h, w = maps.shape[1:]
    gap = kernel // 2
    # The maps one below another with their mirrored borders: what OpenCV itself does at the end of all is cut off.
    tall = np.pad(maps, ((0, 0), (gap, gap), (gap, gap)), mode="reflect")
    blurred = cv2.GaussianBlur(tall.reshape(-1, w + 2 * gap), (kernel, kernel), 0)
    return blurred.reshape(tall.shape)[:, gap : gap + h, gap : gap + w].astype(np.float32, copy=False)
