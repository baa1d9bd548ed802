"""What DARK and UDP share: the blur of whole maps, or of windows about their peaks at a tenth of the cost; the step."""

from typing import Literal

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from facelandmarks._opencv import cv2
from facelandmarks.decode import Float32, Float64, Places

# What lies beyond a map: zeros, or the map mirrored about its outer pixels.
Beyond = Literal["zeros", "mirror"]
# Crops whose windows are blurred at a time: more do not fit into the processor's cache, and take twice as long.
_TOGETHER = 8
# A step of higher sensitivity is computed from the whole map: float32 logarithms, shifted by a constant, round to other
# last bits (1.2e-7 to 2.4e-7), which may move a point by at most 2e-4 px of a crop of four times the map's size.
FRAIL = 100.0


def blur_with_zeros(maps: Float32, kernel: int) -> Float32:
    """Blur maps (K, h, w) with zeros around each, in one call of OpenCV."""
    k, h, w = maps.shape
    gap = kernel // 2
    # The maps stacked, a gap of zeros after each, so that the kernel never sees two maps at once. In float32, as
    # upstream: the goldens of 1.x come out bit for bit.
    tall = np.zeros((k, h + gap, w), np.float32)
    tall[:, :h] = maps
    blurred = cv2.GaussianBlur(tall.reshape(-1, w), (kernel, kernel), 0, borderType=cv2.BORDER_CONSTANT)
    return blurred.reshape(tall.shape)[:, :h].astype(np.float32, copy=False)


def blur_mirrored(maps: Float32, kernel: int) -> Float32:
    """Blur maps (K, h, w), each mirrored about its outer pixels, in one call of OpenCV."""
    h, w = maps.shape[1:]
    gap = kernel // 2
    # The maps stacked with their mirrored borders: what OpenCV itself does at the ends is cut off.
    tall = np.pad(maps, ((0, 0), (gap, gap), (gap, gap)), mode="reflect")
    blurred = cv2.GaussianBlur(tall.reshape(-1, w + 2 * gap), (kernel, kernel), 0)
    return blurred.reshape(tall.shape)[:, gap : gap + h, gap : gap + w].astype(np.float32, copy=False)


def blur_about(maps: Float32, places: NDArray[np.floating], kernel: int, reach: int, beyond: Beyond) -> Float32:
    """Blur maps (N, K, h, w) in a small square about one place of each: (N, K, 2), whole pixels of the map, from -1.

    Returns float32 (S, N, K, S), S = 2 * reach + 1: row, crop, landmark, column; meaningless beyond the map.
    """
    gap = kernel // 2
    about = np.empty((2 * reach + 1, *maps.shape[:2], 2 * reach + 1), np.float32)
    kept = slice(gap, gap + 2 * reach + 1)
    for first in range(0, len(maps), _TOGETHER):
        part = slice(first, first + _TOGETHER)
        # The windows side by side in one wide image: OpenCV works along rows, and every pixel that is kept sees its own
        # window alone. Each has the pixels that the blur of the whole map would see, and the same sums over them.
        wide = _windows(maps[part], places[part].astype(np.intp), reach + gap, beyond)
        blurred = cv2.GaussianBlur(wide.reshape(len(wide), -1), (kernel, kernel), 0).reshape(wide.shape)
        about[:, part] = blurred[kept, ..., kept]
    return about


def _windows(maps: Float32, places: Places, reach: int, beyond: Beyond) -> Float32:
    """Return the squares (S, N, K, S) about the places, S = 2 * reach + 1: row, crop, landmark, column."""
    n, k, h, w = maps.shape
    side = 2 * reach + 1
    flat, first = maps.ravel(), np.arange(n * k).reshape(n, k) * (h * w)
    x, y = places[..., 0], places[..., 1]
    within = (x >= reach) & (x < w - reach) & (y >= reach) & (y < h - reach)
    wide = np.empty((side, n, k, side), np.float32)
    if within.any():  # by whole rows of the windows
        starts = np.where(within, first + (y - reach) * w + (x - reach), 0)
        runs = as_strided(flat, (flat.size - side + 1, side), flat.strides * 2, writeable=False)
        wide = runs[starts + np.arange(side)[:, None, None] * w]
    across = ~within
    rows, columns = _window(h, y[across], reach, beyond)[..., None], _window(w, x[across], reach, beyond).T[None]
    values = flat.take(first[across, None] + rows.clip(0) * w + columns.clip(0))
    values[np.broadcast_to((rows < 0) | (columns < 0), values.shape)] = 0
    wide[:, across] = values
    return wide


def _window(length: int, middle: Places, reach: int, beyond: Beyond) -> Places:
    """Return indices (2 * reach + 1, M) along an axis about the middles (M,); -1 stands for a zero."""
    line = middle + np.arange(-reach, reach + 1)[:, None]
    if beyond == "zeros":
        return np.where((line >= 0) & (line < length), line, -1)
    period = max(2 * (length - 1), 1)  # of the axis and its mirror image
    line = abs(line) % period
    mirrored: Places = np.minimum(line, period - line)
    return mirrored


def taylor_step(
    gradient: tuple[Float64, Float64], hessian: tuple[Float64, Float64, Float64]
) -> tuple[Float64, Float64]:
    """Return Newton's step (N, K, 2) to the peak of a surface, in pixels, and its sensitivity (N, K).

    Takes the first derivatives along x and y, and the second along x, along y, mixed, (N, K) each. The step is not
    finite or 0 where there is no curvature. The sensitivity is in pixels per unit of error of the derivatives; 16 at
    the middle of a Gaussian of variance 8.
    """
    (gx, gy), (hxx, hyy, hxy) = gradient, hessian
    determinant = hxx * hyy - hxy * hxy
    with np.errstate(divide="ignore", invalid="ignore"):
        step = -np.stack([hyy * gx - hxy * gy, hxx * gy - hxy * gx], axis=-1) / determinant[..., None]
        sensitivity = (abs(hxx) + abs(hyy)) / abs(determinant) * (1 + abs(step).max(axis=-1))
    step[determinant == 0] = 0
    return step, sensitivity
