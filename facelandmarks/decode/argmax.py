"""Heatmaps to points by their highest pixel, moved a quarter pixel towards the higher neighbour (MMPose `default`)."""

import numpy as np
from numpy.typing import NDArray

from facelandmarks.zoo.spec import Variant

Offsets = list[int] | NDArray[np.intp]


def decode(
    heatmaps: NDArray[np.float32], input_size: tuple[int, int], variant: Variant = "mmpose0x"
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Points of a batch of heatmaps.

    Parameters
    ----------
    heatmaps
        float32 (N, K, h, w).
    input_size
        Width and height of the crop in pixels.
    variant
        Whose rules to follow next to the border and for NaN.

    Returns
    -------
    points
        float32 (N, K, 2), pixels of the crop: map pixel times W / w, as `geometry.classic` expects it.
    scores
        float32 (N, K), the maximum of each map: not limited to 0..1.

    Notes
    -----
    Source: 0.x `core/evaluation/top_down_eval.py` (`keypoints_from_heatmaps`, `post_process="default"`), 1.x
    `codecs/msra_heatmap.py` with `utils/refinement.py` (`refine_keypoints`). A map without a positive value gives map
    pixel (-1, -1), as there: a point outside of the crop, not NaN.
    """
    places, scores = peaks(heatmaps, variant)
    return to_crop(places + _quarter_shift(heatmaps, places, variant), heatmaps, input_size), scores


def peaks(
    heatmaps: NDArray[np.float32], variant: Variant = "mmpose0x"
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The first highest pixel of each map, row by row.

    Parameters
    ----------
    heatmaps
        float32 (N, K, h, w).
    variant
        In 0.x a map with a NaN counts as one without a peak; in 1.x the NaN is the peak.

    Returns
    -------
    places
        float32 (N, K, 2), x and y in pixels of the map; (-1, -1) for a map whose maximum is not above 0.
    scores
        float32 (N, K), the maxima; NaN for a map with a NaN.

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


def to_crop(
    places: NDArray[np.floating], heatmaps: NDArray[np.float32], input_size: tuple[int, int]
) -> NDArray[np.float32]:
    """Pixels of the map (N, K, 2) to pixels of the crop, in MMPose's plain convention."""
    height, width = heatmaps.shape[2:]
    # No half pixel: map pixel i is crop pixel i * W / w, not (i + 0.5) * W / w - 0.5; the maps were trained so.
    zoom = np.array([input_size[0] / width, input_size[1] / height], np.float32)
    return (places * zoom).astype(np.float32)


def neighbours(
    maps: NDArray[np.float32], places: NDArray[np.floating], dx: Offsets, dy: Offsets
) -> NDArray[np.float32]:
    """Values (N, K, M) of each map (N, K, h, w) at M offsets from its place; the nearest pixel beyond the border."""
    n, k, h, w = maps.shape
    x = np.clip(places[..., 0:1].astype(np.intp) + dx, 0, w - 1)
    y = np.clip(places[..., 1:2].astype(np.intp) + dy, 0, h - 1)
    values: NDArray[np.float32] = maps[np.arange(n)[:, None, None], np.arange(k)[:, None], y, x]
    return values


def _quarter_shift(heatmaps: NDArray[np.float32], places: NDArray[np.float32], variant: Variant) -> NDArray[np.float32]:
    """A quarter of a map pixel towards the higher neighbour, on each axis; 0 between equals and near the border."""
    height, width = heatmaps.shape[2:]
    right, left, below, above = np.moveaxis(neighbours(heatmaps, places, [1, -1, 0, 0], [0, 0, 1, -1]), -1, 0)
    x, y = places[..., 0], places[..., 1]
    # Lopsided upstream: the second pixel from the left is not refined, the second from the right is.
    x_inside, y_inside = (x > 1) & (x < width - 1), (y > 1) & (y < height - 1)
    if variant == "mmpose1x":
        allowed = np.stack([x_inside & (y > 0), y_inside & (x > 0)], axis=-1)
    else:
        allowed = np.broadcast_to((x_inside & y_inside)[..., None], places.shape)
    with np.errstate(invalid="ignore"):  # inf - inf
        slope = np.stack([right - left, below - above], axis=-1)
    return np.where(allowed, np.float32(0.25) * np.sign(slope), np.float32(0))
