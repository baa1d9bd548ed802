"""Cut crops out of an image with OpenCV 4's integer warp, byte for byte, under every OpenCV version.

All published models were trained and measured with OpenCV 4's `warpAffine`, which is integer arithmetic; OpenCV 5
gives other bytes. We compute the source positions of OpenCV 4 and pass them to `cv2.remap`, whose fixed-point maps
blend alike in both versions.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facelandmarks._opencv import cv2
from facelandmarks.geometry import Float64, Pixels

Ints = NDArray[np.int64]
Terms = tuple[Ints, Ints, Ints, Ints]
Border = Literal["replicate", "black"]

# cv2.remap takes int16 positions and refuses images with a side of this size.
SIDE_LIMIT = 32767
# Positions are in units of 1/1024 px: the end of int16 pixels, and the largest term whose sums stay exact.
_INT16_EDGE = 32768 * 1024
_FAR = 2.0**60
# Rows that one call of `cv2.remap` fills: several crops stacked, as it gives each thread as many pixels as a crop has.
# With more rows the maps need fresh pages from the system, which costs as much as the blend.
_ROWS = 2048
_BAND = 64  # rows whose maps are computed at a time, so that intermediate arrays stay in the processor's cache


def warp_crops(image: Pixels, matrices: Float64, size: tuple[int, int]) -> Pixels:
    """Cut crops (N, H, W, 3) of `size` (W, H) out of an image (height, width, 3); outside of it they are black.

    `matrices` (N, 2, 3), finite, take pixels of the image to pixels of the crop.

    Notes
    -----
    Source: OpenCV 4.x `modules/imgproc/src/imgwarp.cpp` (`warpAffine`, `WarpAffineInvoker`) with `INTER_LINEAR` and a
    constant border of 0. Positions are multiples of 1/32 px. As there, a singular matrix shows the pixel at (0, 0)
    everywhere. OpenCV raises for images with a side of 32,767 px or more; we cut them all the same.
    """
    width, height = size
    crops = np.empty((len(matrices), height, width, 3), np.uint8)
    image = np.ascontiguousarray(image)
    terms = _position_terms(matrices, width, height)
    if max(image.shape[:2]) >= SIDE_LIMIT:
        for crop, x_rows, x_columns, y_rows, y_columns in zip(crops, *terms, strict=True):
            crop[:] = blend(image, (x_rows + x_columns) >> 5, (y_rows + y_columns) >> 5)
        return crops
    # Fixed-point maps: int16 pixel, and 32 * fy + fx, 5 bits each.
    count = max(1, _ROWS // height)
    pixel = np.empty((min(count, len(crops)), height, width, 2), np.int16)
    fraction = np.empty(pixel.shape[:3], np.uint16)
    for first in range(0, len(crops), count):
        stack = crops[first : first + count]
        for number in range(len(stack)):
            x_rows, x_columns, y_rows, y_columns = (term[first + number] for term in terms)
            _fill_maps(x_rows, x_columns, y_rows, y_columns, pixel[number], fraction[number])
        rows = len(stack) * height
        maps = pixel.reshape(-1, width, 2)[:rows], fraction.reshape(-1, width)[:rows]
        cv2.remap(image, *maps, cv2.INTER_LINEAR, stack.reshape(rows, width, 3), cv2.BORDER_CONSTANT, 0)
    return crops


def _position_terms(matrices: Float64, width: int, height: int) -> Terms:
    """Return source positions as terms of sums: x of rows (N, H, 1) and columns (N, 1, W), then y, in 1/1024 px."""
    m = np.asarray(matrices, np.float64)
    determinant = m[:, 0, 0] * m[:, 1, 1] - m[:, 0, 1] * m[:, 1, 0]
    d = np.divide(1.0, determinant, out=np.zeros_like(determinant), where=determinant != 0)
    # The inverse in OpenCV's own order of operations: another order moves positions that lie on a rounding tie.
    a11, a12, a21, a22 = m[:, 1, 1] * d, m[:, 0, 1] * -d, m[:, 1, 0] * -d, m[:, 0, 0] * d
    b1 = -a11 * m[:, 0, 2] - a12 * m[:, 1, 2]
    b2 = -a21 * m[:, 0, 2] - a22 * m[:, 1, 2]
    rows = np.multiply.outer((a12, a22), np.arange(height)) + np.stack([b1, b2])[:, :, None]
    columns = np.multiply.outer((a11, a21), np.arange(width))
    half = 16  # of 32: positions are cut, not rounded, to 1/32 px
    # Ties to even, as in OpenCV.
    fixed = [np.rint(np.minimum(np.maximum(term * 1024, -_FAR), _FAR)).astype(np.int64) for term in (rows, columns)]
    (x_rows, y_rows), (x_columns, y_columns) = fixed[0][..., None] + half, fixed[1][:, :, None]
    return x_rows, x_columns, y_rows, y_columns


def _fill_maps(
    x_rows: Ints, x_columns: Ints, y_rows: Ints, y_columns: Ints, pixel: NDArray[np.int16], fraction: NDArray[np.uint16]
) -> None:
    """Fill the maps (H, W, 2) and (H, W) of one crop."""
    if (x_rows == x_rows[0]).all() and (y_columns == y_columns[:, :1]).all():
        # Not rotated: a row of x and a column of y say all. Both positions of a pixel are written as one number, x
        # beside 0 combined by OR with 0 beside y.
        x, y = _within_int16(x_rows[:1], x_columns), _within_int16(y_rows, y_columns[:, :1])
        right, down = np.zeros((1, x.size, 2), np.int16), np.zeros((y.size, 1, 2), np.int16)
        right[..., 0], down[..., 1] = x >> 10, y >> 10
        np.bitwise_or(right.view(np.uint32), down.view(np.uint32), out=pixel.view(np.uint32))
        np.bitwise_or((x >> 5 & 31).astype(np.uint16), (y & 31 << 5).astype(np.uint16), out=fraction)
        return
    for top in range(0, len(y_rows), _BAND):
        part = slice(top, top + _BAND)
        x, y = _within_int16(x_rows[part], x_columns), _within_int16(y_rows[part], y_columns)
        pixel[part, :, 0] = (x >> 10).astype(np.int16)
        pixel[part, :, 1] = (y >> 10).astype(np.int16)
        fraction[part] = (x >> 5 & 31).astype(np.uint16) | (y & 31 << 5).astype(np.uint16)


def _within_int16(rows: Ints, columns: Ints) -> NDArray[np.int32]:
    """Sum the terms, clipped to int16 pixels: a cast alone would wrap, and a far image would appear again."""
    if np.abs(rows).max() + np.abs(columns).max() < _INT16_EDGE:
        total: NDArray[np.int32] = rows.astype(np.int32) + columns.astype(np.int32)
    else:
        total = np.clip(rows + columns, -_INT16_EDGE, _INT16_EDGE - 1).astype(np.int32)
    return total


def blend(image: Pixels, x: Ints, y: Ints, border: Border = "black") -> Ints:
    """Return an image at positions (H, W) in 1/32 px: (H, W, 3), each blended of the four pixels around it.

    The same as `cv2.remap`, slower, for images that are too large for it; `border` is what lies outside of the image.
    """
    last_x, last_y = image.shape[1] - 1, image.shape[0] - 1

    def pixels(x: Ints, y: Ints) -> Ints:
        near_x, near_y = x.clip(0, last_x), y.clip(0, last_y)
        values: Ints = image[near_y, near_x].astype(np.int64)
        if border == "black":
            values[(near_x != x) | (near_y != y)] = 0
        return values

    fx, fy = (x & 31)[..., None], (y & 31)[..., None]
    x, y = x >> 5, y >> 5
    top = pixels(x, y) * (32 - fx) + pixels(x + 1, y) * fx
    bottom = pixels(x, y + 1) * (32 - fx) + pixels(x + 1, y + 1) * fx
    blended: Ints = (top * (32 - fy) + bottom * fy + 512) >> 10
    return blended
