"""Box, crop and way back of the official HRNet-Facial-Landmark-Detection repository.

Its crop is no warp: a region with integer corners is copied out of the picture, its contrast is stretched to 0..255,
and it is resized as Pillow does, in two passes of 8 bits. A region of more than two pixels for a pixel of the crop is
cut from a picture shrunk before. All of it is stated here in NumPy, byte for byte.

Regions are `center` and `scale` in pixels of the image, as in the other families; upstream's units of 200 px and its
coordinates that begin at 1 stay in here. Crops are square, the only ones for which upstream is consistent.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facelandmarks.errors import InvalidBoxError

# Upstream's unit of scales in pixels.
_UNIT = 200.0
# Pillow's weights are integers of this many bits.
_WEIGHT_BITS = 22
# Pixels that are further away than any picture reaches.
_FAR = 2.0**53


class _Region(NamedTuple):
    """A part of a picture: corners left, top, right, bottom; of a picture of `full` height and width."""

    corners: NDArray[np.int64]
    full: tuple[int, int]
    shrunk: bool


def boxes_to_center_scale(
    boxes: NDArray[np.float64],
    input_size: tuple[int, int],  # noqa: ARG001
    padding: float = 1.25,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Region of the picture that is shown to the network for each box.

    Parameters
    ----------
    boxes
        float64 (N, 4), x1 y1 x2 y2 in pixels of the image: the tight boxes of the landmarks.
    input_size
        Not used, as regions are square; here because the other geometries have it.
    padding
        The region's side in units of the longer side of the box.

    Returns
    -------
    center, scale
        float64 (N, 2) each, pixels of the image; `center` holds float32 values, and both columns of `scale` are equal.

    Notes
    -----
    Source: `lib/datasets/cofw.py` (`scale = max(...) / 200`, then `scale *= 1.25`); the other data sets read center and
    scale from annotations that were made so. Boxes as such do not occur upstream.
    """
    boxes = np.asarray(boxes, np.float64)
    center = ((boxes[:, :2] + boxes[:, 2:]) / 2).astype(np.float32).astype(np.float64)
    side = (boxes[:, 2:] - boxes[:, :2]).max(axis=1) / _UNIT * padding * _UNIT
    return center, np.repeat(side[:, None], 2, axis=1)


def cut_crops(
    image: NDArray[np.uint8],
    center: NDArray[np.float64],
    scale: NDArray[np.float64],
    input_size: tuple[int, int],
    stretch_picture: bool = True,
) -> NDArray[np.uint8]:
    """Cut one crop per region out of a picture; what lies outside of the picture is black.

    Parameters
    ----------
    image
        uint8 (height, width, 3), RGB.
    center, scale
        (N, 2) each, pixels of the image. Only the width of `scale` counts.
    input_size
        Width and height of the crops in pixels, equal.
    stretch_picture
        Whether the contrast of a picture that is shrunk first is stretched then too: as for WFLW, AFLW and 300W, whose
        pictures upstream holds as floats; not for COFW, whose pictures are integers.

    Returns
    -------
    ndarray
        uint8 (N, H, W, 3).

    Raises
    ------
    InvalidBoxError
        If a region is not finite or has no area.

    Notes
    -----
    Source: `lib/utils/transforms.py` (`crop`) with SciPy 1.2's `imresize`. The ugly sides are kept: padding takes part
    in the stretch; corners are cut to integers, towards zero, so the region is not quite square, and it is resized to
    a square all the same; the shrunk picture has an integer size, but the center is divided by the exact factor; of an
    array with 3 rows, these are taken for the channels.

    Regions outside of the picture, or so large that the picture shrinks to nothing, are black crops here; upstream
    raises for some of them, by the side on which they lie.
    """
    center, sides = np.asarray(center, np.float32), np.asarray(scale, np.float64)[:, 0]
    if not (np.isfinite(center).all() and np.isfinite(sides).all() and (sides > 0).all()):
        raise InvalidBoxError(f"regions must be finite and have an area; got centers {center} and sides {sides}")
    side = input_size[0]
    crops = np.zeros((len(center), side, side, 3), np.uint8)
    for crop, middle, length in zip(crops, center, sides, strict=True):
        region = _copied(image, _region(image.shape[:2], middle, float(length), side), stretch_picture)
        if region.size:
            crop[:] = _resized(region, (side, side), _stretch(region))
    return crops


def to_image(
    points: NDArray[np.floating],
    center: NDArray[np.float64],
    scale: NDArray[np.float64],
    input_size: tuple[int, int],
    unbiased: bool = False,
) -> NDArray[np.float32]:
    """Points in pixels of the crop to points in pixels of the image.

    Parameters
    ----------
    points
        (N, K, 2), pixels of the crop, as `decode.hrnet_official` gives them.
    center, scale
        (N, 2) each, pixels of the image. Only the width of `scale` counts.
    input_size
        Width and height of the crop in pixels, equal.
    unbiased
        False: upstream's points, which its published numbers are made of. They are whole pixels, and on average half a
        pixel too far right and down: 1 is added, as coordinates begin at 1 there, and half is lost by the truncation.
        True: neither.

    Returns
    -------
    ndarray
        float32 (N, K, 2).

    Notes
    -----
    Source: `lib/utils/transforms.py` (`transform_pixel`). It is not quite the inverse of the crop, whose corners are
    integers: they differ by up to 1.5 px of the image, and by up to 2.5 px of the crop if the picture was shrunk.
    """
    zoom, shift = _back(
        np.asarray(center, np.float32).astype(np.float64), np.asarray(scale, np.float64)[:, :1], input_size[0]
    )
    exact = points * zoom[:, None] + shift[:, None]
    # Truncation is towards zero, not down: negative coordinates move up.
    return (exact if unbiased else np.trunc(exact) + 1).astype(np.float32)


def _back(
    center: NDArray[np.float64], side: NDArray[np.float64], crop_side: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Zoom (N, 1) and shift (N, 2) from pixels of the crop to pixels of the image.

    Upstream inverts a matrix; this order of operations gives the same to the last bit, and near whole pixels the last
    bit decides.
    """
    zoom = 1 / (crop_side / side)
    return zoom, -(crop_side * (-center / side + 0.5)) * zoom


def _region(shape: tuple[int, ...], center: NDArray[np.float32], side: float, crop_side: int) -> _Region:
    """The region of a square about a center, in a picture that is shrunk if the square is large."""
    height, width = shape
    factor = side / crop_side
    shrunk = factor >= 2
    if shrunk:
        height, width = math.floor(height / factor), math.floor(width / factor)
        center = center / np.float32(factor)
        side = _UNIT * (side / _UNIT / factor)
    zoom, shift = _back(center.astype(np.float64), np.array([side]), crop_side)
    outer = np.array([[-1.0], [crop_side - 1.0]])
    # Truncation again. Clipped, as integers end somewhere; so far away regions have no pixels.
    corners = (outer * zoom + shift).clip(-_FAR, _FAR).astype(np.int64) + 1
    return _Region(corners.ravel(), (height, width), shrunk)


def _copied(image: NDArray[np.uint8], region: _Region, stretch: bool) -> NDArray[np.uint8]:
    """The region's pixels, black outside of the picture; empty if the picture shrinks to nothing."""
    left, top, right, bottom = region.corners.tolist()
    height, width = region.full
    if min(height, width) < 1 or max(height, width) < 2:
        return np.zeros((0, 0, 3), np.uint8)
    pixels = np.zeros((bottom - top, right - left, 3), np.uint8)
    rows, columns = slice(max(0, top), min(height, bottom)), slice(max(0, left), min(width, right))
    if rows.start < rows.stop and columns.start < columns.stop:
        inside = (slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left))
        if region.shrunk:
            table = _stretch(image) if stretch else np.arange(256, dtype=np.uint8)
            pixels[inside] = _resized(image, (height, width), table, rows, columns)
        else:
            pixels[inside] = image[rows, columns]
    return pixels


def _stretch(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """New value (256,) of each value: contrast stretched to 0..255 over all channels (SciPy's `bytescale`)."""
    low, high = np.float32(pixels.min()), np.float32(pixels.max())
    # In float32: with float64 one crop in ten gets other values.
    values = (np.arange(256, dtype=np.float32) - low) * (np.float32(255) / max(high - low, np.float32(1)))
    table: NDArray[np.uint8] = (values.clip(0, 255) + np.float32(0.5)).astype(np.uint8)
    return table


def _resized(
    pixels: NDArray[np.uint8],
    size: tuple[int, int],
    table: NDArray[np.uint8],
    rows: slice = slice(None),
    columns: slice = slice(None),
) -> NDArray[np.uint8]:
    """A picture with new values, resized to `size` (height, width) as by Pillow; and of that some rows and columns.

    Source: Pillow `src/libImaging/Resample.c` (`BILINEAR`): a triangle as wide as a pixel of the result, columns first.
    That is the order of Pillow 5 to 12; Pillow 13 takes rows first for some sizes, which moves values by 1.
    """
    # SciPy takes the first axis of length 3 for the channels, be it the height.
    pixels = np.moveaxis(pixels, pixels.shape.index(3), -1)
    used_rows, top, row_weights = _weights(pixels.shape[0], size[0], rows)
    used_columns, left, column_weights = _weights(pixels.shape[1], size[1], columns)
    narrow = _resampled(np.moveaxis(table[pixels[used_rows, used_columns]], 1, 0), left, column_weights)
    return _resampled(np.moveaxis(narrow, 1, 0), top, row_weights)


def _weights(length: int, new_length: int, part: slice) -> tuple[slice, NDArray[np.int64], NDArray[np.int32]]:
    """How to make a part of the new pixels of an axis.

    The source pixels that count; among these, the first one (M,) of each new pixel; and integer weights (M, T) of that
    and those after it.
    """
    step = length / new_length
    reach = max(step, 1.0)
    middle = (np.arange(new_length)[part] + 0.5) * step
    first = np.maximum((middle - reach + 0.5).astype(np.int64), 0)
    end = np.minimum((middle + reach + 0.5).astype(np.int64), length)
    source = first[:, None] + np.arange((end - first).max())
    weights = np.maximum(1 - np.abs((source - middle[:, None] + 0.5) * (1 / reach)), 0)
    weights[source >= end[:, None]] = 0
    weights /= np.cumsum(weights, axis=1)[:, -1:]  # summed one by one, as in C
    used = slice(int(first[0]), int(end[-1]))
    return used, first - first[0], (weights * (1 << _WEIGHT_BITS) + 0.5).astype(np.int32)


def _resampled(pixels: NDArray[np.uint8], first: NDArray[np.int64], weights: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Weighted sums along the first axis, rounded to 8 bits."""
    sums = np.full((len(first), *pixels.shape[1:]), 1 << (_WEIGHT_BITS - 1), np.int32)
    for tap, weight in enumerate(weights.T):
        # Beyond the last pixel all weights are 0.
        sums += weight[:, None, None] * pixels[np.minimum(first + tap, len(pixels) - 1)]
    sums >>= _WEIGHT_BITS
    return sums.clip(0, 255).astype(np.uint8)
