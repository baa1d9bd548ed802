"""Heatmaps to points by their highest pixel: moved a quarter pixel (MMPose, official HRNet), or refined by DARK.

MMPose's `use_udp` is DARK with another blur, another Hessian, and no border.
"""

import numpy as np
from numpy.typing import NDArray

from facelandmarks.decode import Decoded, Float32, Float64, Places
from facelandmarks.decode.blur import FRAIL, blur_about, blur_mirrored, blur_with_zeros, taylor_step
from facelandmarks.zoo.spec import Variant

# Offsets from the peak of the pixels that DARK's step needs: itself, one and two pixels right, left, below and above,
# then the corners below right, below left, above right, above left.
_DX = np.array([0, 1, -1, 0, 0, 2, -2, 0, 0, 1, -1, 1, -1])
_DY = np.array([0, 0, 0, 1, -1, 0, 0, 2, -2, 1, 1, -1, -1])
FLOOR = np.float32(1e-10)  # lower bound of the blurred map, before its logarithm


def decode_argmax(heatmaps: Float32, input_size: tuple[int, int], variant: Variant = "mmpose0x") -> Decoded:
    """Take the highest pixel of each map, moved a quarter pixel towards the higher neighbour (MMPose `default`).

    Points are map pixels times W / w, as `geometry.classic` expects them; scores are the maxima, not limited to 0..1.
    The variants differ next to the border and for NaN.

    Notes
    -----
    Source: 0.x `core/evaluation/top_down_eval.py` (`keypoints_from_heatmaps`, `post_process="default"`), 1.x
    `codecs/msra_heatmap.py` with `utils/refinement.py` (`refine_keypoints`). As there, a map without a positive value
    gives map pixel (-1, -1): a point outside of the crop, not NaN.
    """
    places, scores = peaks(heatmaps, variant)
    height, width = heatmaps.shape[2:]
    x, y = places[..., 0], places[..., 1]
    # Lopsided upstream: the second pixel from the left is not refined, the second from the right is.
    x_inside, y_inside = (x > 1) & (x < width - 1), (y > 1) & (y < height - 1)
    x_if, y_if = (y > 0, x > 0) if variant == "mmpose1x" else (y_inside, x_inside)
    allowed = np.stack([x_inside & x_if, y_inside & y_if], axis=-1)
    right, left, below, above = _neighbours(heatmaps, places, _DX[1:5], _DY[1:5])
    with np.errstate(invalid="ignore"):  # inf - inf
        slope = np.stack([right - left, below - above], axis=-1)
    shift = np.where(allowed, np.float32(0.25) * np.sign(slope), np.float32(0))
    return _to_crop(places + shift, heatmaps, input_size), scores


def decode_hrnet_official(heatmaps: Float32, input_size: tuple[int, int]) -> Decoded:
    """Take the highest pixel of each map, moved a quarter pixel, as the official HRNet repository does.

    Map pixel i is at (i + 0.5) * W / w, as `geometry.hrnet_official` expects it; a map without a positive value, or
    with a NaN, gives map pixel -1. Scores are the maxima, not limited to 0..1; upstream has none.

    Notes
    -----
    Source: `lib/core/evaluation.py` (`get_preds`, `decode_preds`), without the way back to the image, which is in
    `geometry.hrnet_official`, and without its one-based coordinates.
    """
    places, scores = peaks(heatmaps)
    height, width = heatmaps.shape[2:]
    right, left, below, above = _neighbours(heatmaps, places, _DX[1:5], _DY[1:5])
    x, y = places[..., 0], places[..., 1]
    # A peak in an outer row or column is moved along neither axis. Unlike MMPose's, the rule is the same on all sides.
    inside = (x > 0) & (x < width - 1) & (y > 0) & (y < height - 1)
    # Compared, not subtracted: inf - inf has no sign.
    higher = np.stack([right > left, below > above], axis=-1)
    lower = np.stack([right < left, below < above], axis=-1)
    sign = higher.astype(np.float32) - lower.astype(np.float32)
    shift = np.where(inside[..., None], np.float32(0.25) * sign, np.float32(0))
    # Half a pixel for all points, those without a peak too: a map pixel was trained to stand for its whole area.
    return _to_crop(places + shift + np.float32(0.5), heatmaps, input_size), scores


def decode_dark(
    heatmaps: Float32, input_size: tuple[int, int], kernel: int = 11, variant: Variant = "mmpose0x"
) -> Decoded:
    """Refine the highest pixel by DARK: a Taylor step on the logarithm of the blurred map (MMPose `unbiased`).

    Points are map pixels times W / w, as `geometry.classic` expects them; scores are the maxima before the blur.
    `variant` says what a map with a NaN gives: (-1, -1) as in 0.x, or a NaN point as in 1.x. Nothing else differs.

    Notes
    -----
    Source: Zhang et al., Distribution-Aware Coordinate Representation for Human Pose Estimation, CVPR 2020, as in
    MMPose 0.x `core/evaluation/top_down_eval.py` (`_gaussian_blur`, `_taylor`, `post_process="unbiased"`) and 1.x
    `codecs/utils/refinement.py` (`refine_keypoints_dark`). As there, the step is not limited (two near peaks can throw
    a point some pixels), and a peak within two pixels of the border, or of a map without a positive value, takes none.

    Steps come from windows about the peaks. Upstream restores the height of the blurred map before it takes the
    logarithm; this adds the same to all logarithms and leaves the step alone. It matters where values lie at the floor,
    and for the last bits of a sensitive step: such maps are blurred whole.
    """
    places, scores = peaks(heatmaps, variant)
    height, width = heatmaps.shape[2:]
    x, y = places[..., 0], places[..., 1]
    inside = (x > 1) & (x < width - 2) & (y > 1) & (y < height - 2)
    values = blur_about(heatmaps, places, kernel, 2, "zeros")[2 + _DY, :, :, 2 + _DX]
    steps, sensitivity = _dark_step(values)
    # Above the floor nothing is clipped: restoring the height only lifts values.
    settled = np.all((values > FLOOR) & (values < np.inf), axis=0) & (sensitivity < FRAIL)
    unsettled = inside & ~settled
    for n in np.flatnonzero(unsettled.any(axis=1)):
        here = unsettled[n]
        blurred = blur_with_zeros(heatmaps[n, here], kernel)
        around = _neighbours(blurred[None], places[n, here][None], _DX, _DY)[:, 0]
        with np.errstate(divide="ignore", invalid="ignore"):  # inf
            around *= scores[n, here] / blurred.max(axis=(1, 2))
        steps[n, here] = _dark_step(around)[0]
    return _to_crop(places + np.where(inside[..., None], steps, 0.0), heatmaps, input_size), scores


def peaks(heatmaps: Float32, variant: Variant = "mmpose0x") -> Decoded:
    """Find the first highest pixel of each map (N, K, h, w), row by row.

    Returns its x and y in pixels of the map, float32 (N, K, 2), (-1, -1) for a map whose maximum is not above 0, and
    the maxima (N, K), NaN for a map with a NaN. Such a map has no peak in 0.x; in 1.x the NaN is the peak.

    Notes
    -----
    Source: 0.x `top_down_eval.py` (`_get_max_preds`), 1.x `utils/post_processing.py` (`get_heatmap_maximum`).
    """
    n, k, h, w = heatmaps.shape
    index = heatmaps.reshape(n, k, h * w).argmax(axis=-1)
    scores = heatmaps.reshape(-1)[np.arange(n * k).reshape(n, k) * (h * w) + index]
    places = np.stack([index % w, index // w], axis=-1).astype(np.float32)
    places[scores <= 0 if variant == "mmpose1x" else ~(scores > 0)] = -1
    return places, scores


def _to_crop(places: NDArray[np.floating], heatmaps: Float32, input_size: tuple[int, int]) -> Float32:
    """Scale pixels of the map (N, K, 2) to pixels of the crop, in MMPose's plain convention."""
    height, width = heatmaps.shape[2:]
    # No half pixel: map pixel i is crop pixel i * W / w, not (i + 0.5) * W / w - 0.5; the maps were trained so.
    zoom = np.array([input_size[0] / width, input_size[1] / height], np.float32)
    return (places * zoom).astype(np.float32)


def _neighbours(maps: Float32, places: NDArray[np.floating], dx: Places, dy: Places) -> Float32:
    """Return values (M, N, K) of maps (N, K, h, w) at M offsets from the places; beyond the border the outer pixel."""
    n, k, h, w = maps.shape
    x = np.clip(places[..., 0].astype(np.intp) + dx[:, None, None], 0, w - 1)
    y = np.clip(places[..., 1].astype(np.intp) + dy[:, None, None], 0, h - 1)
    values: Float32 = maps[np.arange(n)[:, None], np.arange(k), y, x]
    return values


def _dark_step(values: Float32) -> tuple[Float64, Float64]:
    """Return steps and their sensitivity from values (13, ...) of blurred maps at the peaks and about them."""
    log = np.log(np.maximum(values, FLOOR)).astype(np.float64)
    centre, right, left, below, above, right2, left2, below2, above2, se, sw, ne, nw = log
    with np.errstate(invalid="ignore"):  # inf - inf
        gradient = (right - left) / 2, (below - above) / 2
        # Second differences over two pixels to either side, which fit the first ones.
        hessian = (right2 - 2 * centre + left2) / 4, (below2 - 2 * centre + above2) / 4, (se - sw - ne + nw) / 4
        return taylor_step(gradient, hessian)


# Offsets from the peak of the pixels that the step needs: itself, right, left, below, above, below right, above left.
_UDP_DX = np.array([0, 1, -1, 0, 0, 1, -1])
_UDP_DY = np.array([0, 0, 0, 1, -1, 1, -1])
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
    rows = (y + _UDP_DY[:, None, None]).clip(0, height - 1) - y + 1
    columns = (x + _UDP_DX[:, None, None]).clip(0, width - 1) - x + 1
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
    values: Float32 = padded.ravel().take(first + (_UDP_DY * width + _UDP_DX)[:, None], mode="wrap")
    return values
