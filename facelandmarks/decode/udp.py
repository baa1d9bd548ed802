"""Heatmaps to points by DARK in the UDP manner: another blur, another Hessian, and no border (MMPose `use_udp`)."""

import numpy as np
from numpy.typing import NDArray

from facelandmarks.decode.argmax import peaks
from facelandmarks.decode.blur import blur_about, blur_mirrored, blur_with_zeros
from facelandmarks.decode.taylor import FRAIL, taylor_step
from facelandmarks.zoo.spec import Variant

# Offsets from the peak of the pixels that the step needs: itself, right, left, below, above, below right, above left.
_DX = np.array([0, 1, -1, 0, 0, 1, -1])
_DY = np.array([0, 0, 0, 1, -1, 1, -1])
LOWEST, HIGHEST = np.float32(0.001), np.float32(50)  # where the blurred map is cut, before its logarithm


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
    points = (places + _steps(heatmaps, places, scores, kernel, variant)) * zoom
    return points.astype(np.float32), scores


def _steps(
    heatmaps: NDArray[np.float32],
    places: NDArray[np.float32],
    scores: NDArray[np.float32],
    kernel: int,
    variant: Variant,
) -> NDArray[np.float64]:
    """Steps (N, K, 2) in pixels of the map from the peaks towards the peaks of the Gaussians below them.

    They come from windows about the peaks. That 1.x brings the blurred map back to the height of the map adds the same
    to all logarithms, and a step sees none of it. It matters where the map is cut flat, and in last bits where a step
    hangs on them: such maps are worked out whole, as are those without a peak, for what lies before them.
    """
    values = _around_peaks(heatmaps, places, kernel, variant)
    steps, sensitivity = _step(values)
    settled = (places[..., 0] >= 0) & (sensitivity < FRAIL)
    if variant == "mmpose1x":
        settled &= _between_limits(values, scores)
    for n in np.flatnonzero(~settled.all(axis=1)):
        here = ~settled[n]
        whole = _around_whole(heatmaps[n], places[n], scores[n], kernel, variant)
        steps[n, here] = _step(whole[:, here])[0]
    undefined = (places[..., 0] < 0) & ~np.isfinite(steps).all(axis=-1)
    return np.where(undefined[..., None], 0.0, steps)


def _step(values: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Steps and their sensitivity from values (7, ...) of blurred maps at the peaks and about them."""
    log = np.log(values.clip(LOWEST, HIGHEST))
    centre, right, left, below, above, se, nw = log
    gradient = ((right - left) * 0.5).astype(np.float64), ((below - above) * 0.5).astype(np.float64)
    # Unlike DARK's, the second differences reach one pixel only, and the mixed one sees two of the four corners.
    epsilon = np.finfo(np.float32).eps
    hxx = (right - 2 * centre + left).astype(np.float64) + epsilon
    hyy = (below - 2 * centre + above).astype(np.float64) + epsilon
    hxy = (0.5 * (se - right - below + centre + centre - left - above + nw)).astype(np.float64)
    return taylor_step(gradient, (hxx, hyy, hxy))


def _around_peaks(
    heatmaps: NDArray[np.float32], places: NDArray[np.float32], kernel: int, variant: Variant
) -> NDArray[np.float32]:
    """Values (7, N, K) of the blurred maps at the peaks and about them, from windows about the peaks."""
    n, k, height, width = heatmaps.shape
    about = blur_about(heatmaps, places, kernel, 1, "mirror" if variant == "mmpose0x" else "zeros")
    x, y = np.moveaxis(places.astype(np.intp), -1, 0)
    rows = (y + _DY[:, None, None]).clip(0, height - 1) - y + 1
    columns = (x + _DX[:, None, None]).clip(0, width - 1) - x + 1
    values: NDArray[np.float32] = about[rows, np.arange(n)[:, None], np.arange(k), columns]
    return values


def _between_limits(values: NDArray[np.float32], scores: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where (N, K) no value (7, N, K) is cut: to restore the height only lifts them, to the score at most."""
    return (values > LOWEST).all(axis=0) & (scores <= HIGHEST)


def _around_whole(
    maps: NDArray[np.float32],
    places: NDArray[np.float32],
    scores: NDArray[np.float32],
    kernel: int,
    variant: Variant,
) -> NDArray[np.float32]:
    """Values (7, K) of one face's maps (K, h, w), blurred whole, at the peaks (K, 2) and about them."""
    if variant == "mmpose0x":
        blurred = blur_mirrored(maps, kernel)
    else:
        blurred = blur_with_zeros(maps, kernel)
        with np.errstate(divide="ignore", invalid="ignore"):  # maps of zeros, inf
            blurred = blurred * (scores / blurred.max(axis=(1, 2)))[:, None, None]
    return _gather(blurred, places)


def _gather(maps: NDArray[np.float32], places: NDArray[np.float32]) -> NDArray[np.float32]:
    """Values (7, K) of maps (K, h, w) at the peaks (K, 2) and about them, by their places in memory as upstream."""
    padded = np.pad(maps, ((0, 0), (1, 1), (1, 1)), mode="edge")
    k, height, width = padded.shape
    x, y = (places + 1).astype(np.intp).T
    first = (np.arange(k) * height + y) * width + x
    around = first + (_DY * width + _DX)[:, None]
    values: NDArray[np.float32] = padded.ravel().take(around, mode="wrap")
    return values
