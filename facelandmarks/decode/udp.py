"""Heatmaps to points by DARK in the UDP manner: another blur, another Hessian, and no border (MMPose `use_udp`)."""

import numpy as np

from facelandmarks.decode import Decoded, Float32, Float64
from facelandmarks.decode.blur import FRAIL, blur_about, blur_mirrored, blur_with_zeros, taylor_step
from facelandmarks.decode.heatmaps import peaks
from facelandmarks.zoo.spec import Variant

# Offsets from the peak of the pixels that the step needs: itself, right, left, below, above, below right, above left.
_DX = np.array([0, 1, -1, 0, 0, 1, -1])
_DY = np.array([0, 0, 0, 1, -1, 1, -1])
LOWEST, HIGHEST = np.float32(0.001), np.float32(50)  # bounds of the blurred map, before its logarithm


def decode_udp(
    heatmaps: Float32, input_size: tuple[int, int], kernel: int = 11, variant: Variant = "mmpose0x"
) -> Decoded:
    """Refine the highest pixel of each map by a Taylor step on the logarithm of the blurred map.

    The outer pixels of the map are those of the crop, as `geometry.classic.Udp` expects it: map pixel i is crop pixel
    i * (W - 1) / (w - 1). Scores are the maxima before the blur. In variant 0.x the blur mirrors the map at its
    border, and a map with a NaN gives (-1, -1); in 1.x the blur sees zeros beyond the map and its height is restored,
    and a map with a NaN gives a NaN point.

    Notes
    -----
    Source: 0.x `core/evaluation/top_down_eval.py` (`post_dark_udp`), 1.x `codecs/utils/refinement.py`
    (`refine_keypoints_dark_udp`) and `codecs/udp_heatmap.py`. As there, the step is not limited, peaks next to the
    border take one too, and maps are clipped to 0.001..50.

    A map without a positive value yields (-1, -1). Like upstream, we still refine it, reading out-of-range memory: the
    end of the previous landmark's map, or of the last one's for the first. The result is meaningless but reproduced;
    unlike upstream, it never depends on another face. If it is not finite, the point stays at (-1, -1).

    Steps come from windows about the peaks. Restoring the height in 1.x adds the same to all logarithms and leaves the
    step alone. It matters where the map is clipped, and for the last bits of a sensitive step: such maps are blurred
    whole, and so are those without a peak.
    """
    places, scores = peaks(heatmaps, variant)
    n, k, height, width = heatmaps.shape
    about = blur_about(heatmaps, places, kernel, 1, "mirror" if variant == "mmpose0x" else "zeros")
    x, y = np.moveaxis(places.astype(np.intp), -1, 0)
    rows = (y + _DY[:, None, None]).clip(0, height - 1) - y + 1
    columns = (x + _DX[:, None, None]).clip(0, width - 1) - x + 1
    values = about[rows, np.arange(n)[:, None], np.arange(k), columns]
    steps, sensitivity = _udp_step(values)
    settled = (places[..., 0] >= 0) & (sensitivity < FRAIL)
    if variant == "mmpose1x":
        # Nothing is clipped: restoring the height only lifts values, to the score at most.
        settled &= (values > LOWEST).all(axis=0) & (scores <= HIGHEST)
    for face in np.flatnonzero(~settled.all(axis=1)):
        here = ~settled[face]
        whole = _around_peaks_of_whole_maps(heatmaps[face], places[face], scores[face], kernel, variant)
        steps[face, here] = _udp_step(whole[:, here])[0]
    undefined = (places[..., 0] < 0) & ~np.isfinite(steps).all(axis=-1)
    steps = np.where(undefined[..., None], 0.0, steps)
    zoom = (np.array(input_size) - 1) / np.array([width - 1, height - 1])
    return ((places + steps) * zoom).astype(np.float32), scores


def _udp_step(values: Float32) -> tuple[Float64, Float64]:
    """Return steps and their sensitivity from values (7, ...) of blurred maps at the peaks and about them."""
    log = np.log(values.clip(LOWEST, HIGHEST))
    centre, right, left, below, above, se, nw = log
    gradient = ((right - left) * 0.5).astype(np.float64), ((below - above) * 0.5).astype(np.float64)
    # Unlike DARK's, the second differences reach one pixel only, and the mixed one sees two of the four corners.
    epsilon = np.finfo(np.float32).eps
    hxx = (right - 2 * centre + left).astype(np.float64) + epsilon
    hyy = (below - 2 * centre + above).astype(np.float64) + epsilon
    hxy = (0.5 * (se - right - below + centre + centre - left - above + nw)).astype(np.float64)
    return taylor_step(gradient, (hxx, hyy, hxy))


def _around_peaks_of_whole_maps(
    maps: Float32, places: Float32, scores: Float32, kernel: int, variant: Variant
) -> Float32:
    """Return values (7, K) of one face's maps (K, h, w), blurred whole, at the peaks (K, 2) and about them."""
    if variant == "mmpose0x":
        blurred = blur_mirrored(maps, kernel)
    else:
        blurred = blur_with_zeros(maps, kernel)
        with np.errstate(divide="ignore", invalid="ignore"):  # maps of zeros, inf
            blurred = blurred * (scores / blurred.max(axis=(1, 2)))[:, None, None]
    # By position in memory, as upstream: (-1, -1) reads what lies before the map.
    padded = np.pad(blurred, ((0, 0), (1, 1), (1, 1)), mode="edge")
    k, height, width = padded.shape
    x, y = (places + 1).astype(np.intp).T
    first = (np.arange(k) * height + y) * width + x
    values: Float32 = padded.ravel().take(first + (_DY * width + _DX)[:, None], mode="wrap")
    return values
