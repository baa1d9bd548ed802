"""Crops of the official HRNet-Facial-Landmark-Detection repository, byte for byte.

Its crop is not a warp: a region with integer corners is copied out of the image, its contrast is stretched to 0..255,
and it is resized as Pillow does. A region with more than two pixels per pixel of the crop is cut from a shrunk image.
Crops are square; upstream is consistent for no other shape.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facelandmarks.errors import InvalidBoxError
from facelandmarks.geometry import Float32, Float64, Pixels

_UNIT = 200.0  # pixels: upstream's unit of scales
_FAR = 2.0**53  # pixels: further away than any image reaches


@dataclass(frozen=True)
class HRNetOfficial:
    """The convention of the official repository (`Geometry`)."""

    one_zoom: ClassVar[bool] = True
    input_size: tuple[int, int]  # width and height of the crop in pixels, equal
    padding: float = 1.25  # side of the region in longer sides of the box, which is tight about the landmarks
    # Stretch the contrast of an image that is shrunk first as well: true for WFLW, AFLW and 300W, whose images upstream
    # holds as floats; false for COFW, whose images are integers.
    stretch_image: bool = True
    # False: upstream's points, which gave its published numbers. They are whole pixels, and on average half a pixel too
    # far right and down: 1 is added, as coordinates are one-based there, and half is lost by truncation. True: neither.
    unbiased: bool = False

    def regions(self, boxes: Float64) -> tuple[Float64, Float64]:
        """Return center (float32 values) and scale (equal sides) of each box, see `Geometry`.

        Notes
        -----
        Source: `lib/datasets/cofw.py` (`scale = max(...) / 200`, then `scale *= 1.25`); the other datasets read center
        and scale from annotations that were made so. Upstream has no boxes as such.
        """
        boxes = np.asarray(boxes, np.float64)
        center = ((boxes[:, :2] + boxes[:, 2:]) / 2).astype(np.float32).astype(np.float64)
        side = (boxes[:, 2:] - boxes[:, :2]).max(axis=1) / _UNIT * self.padding * _UNIT
        return center, np.repeat(side[:, None], 2, axis=1)

    def cut(self, image: Pixels, center: Float64, scale: Float64) -> Pixels:
        """Cut one crop per region, see `Geometry`; only the width of `scale` counts.

        Raises `InvalidBoxError` if a region is not finite or has no area.

        Notes
        -----
        Source: `lib/utils/transforms.py` (`crop`) with SciPy 1.2's `imresize`. Its oddities are kept: padding takes
        part in the stretch; corners are truncated to integers, so the region is not quite square, yet resized to a
        square; the shrunk image has an integer size, but the center is divided by the exact factor; the 3 rows of an
        array with 3 rows are taken for its channels. Regions outside of the image, or so large that it shrinks to
        nothing, give black crops; upstream raises for some of them, depending on the side.
        """
        center, sides = np.asarray(center, np.float32), np.asarray(scale, np.float64)[:, 0]
        if not (np.isfinite(center).all() and np.isfinite(sides).all() and (sides > 0).all()):
            raise InvalidBoxError(f"regions must be finite and have an area; got centers {center} and sides {sides}")
        side = self.input_size[0]
        crops = np.zeros((len(center), side, side, 3), np.uint8)
        for crop, middle, length in zip(crops, center, sides, strict=True):
            region = self._copied(image, middle, float(length))
            if region.size:
                crop[:] = _resized(region, (side, side), _stretch(region))
        return crops

    def to_image(self, points: NDArray[np.floating], center: Float64, scale: Float64) -> Float32:
        """Map points to pixels of the image; only the width of `scale` counts.

        Notes
        -----
        Source: `lib/utils/transforms.py` (`transform_pixel`). It is not quite the inverse of the crop, whose corners
        are integers: they differ by up to 1.5 px of the image, and by up to 2.5 px of the crop if the image was shrunk.
        """
        center = np.asarray(center, np.float32).astype(np.float64)
        zoom, shift = self._back(center, np.asarray(scale, np.float64)[:, :1])
        exact = points * zoom[:, None] + shift[:, None]
        # Truncation is towards zero, not down: negative coordinates move up.
        return (exact if self.unbiased else np.trunc(exact) + 1).astype(np.float32)

    def _back(self, center: Float64, side: Float64) -> tuple[Float64, Float64]:
        """Return zoom (N, 1) and shift (N, 2) from pixels of the crop to pixels of the image.

        Upstream inverts a matrix. This order of operations gives the same last bit, which matters near whole pixels.
        """
        crop_side = self.input_size[0]
        zoom = 1 / (crop_side / side)
        return zoom, -(crop_side * (-center / side + 0.5)) * zoom

    def _copied(self, image: Pixels, center: Float32, side: float) -> Pixels:
        """Copy a square region, of the shrunk image if it is large; empty if the image shrinks to nothing."""
        height, width = image.shape[:2]
        factor = side / self.input_size[0]
        shrunk = factor >= 2
        if shrunk:
            height, width = math.floor(height / factor), math.floor(width / factor)
            center, side = center / np.float32(factor), _UNIT * (side / _UNIT / factor)
        if min(height, width) < 1 or max(height, width) < 2:
            return np.zeros((0, 0, 3), np.uint8)
        zoom, shift = self._back(center.astype(np.float64), np.array([side]))
        outer = np.array([[-1.0], [self.input_size[0] - 1.0]])
        # Truncation again. Clipped to what an integer holds; regions that far away have no pixels.
        corners = (outer * zoom + shift).clip(-_FAR, _FAR).astype(np.int64) + 1
        left, top, right, bottom = corners.ravel().tolist()
        pixels = np.zeros((bottom - top, right - left, 3), np.uint8)
        rows, columns = slice(max(0, top), min(height, bottom)), slice(max(0, left), min(width, right))
        if rows.start < rows.stop and columns.start < columns.stop:
            inside = (slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left))
            if shrunk:
                table = _stretch(image) if self.stretch_image else np.arange(256, dtype=np.uint8)
                pixels[inside] = _resized(image, (height, width), table, rows, columns)
            else:
                pixels[inside] = image[rows, columns]
        return pixels


def _stretch(pixels: Pixels) -> Pixels:
    """Return the table (256,) that stretches the contrast to 0..255 over all channels (SciPy's `bytescale`)."""
    low, high = np.float32(pixels.min()), np.float32(pixels.max())
    # In float32: with float64 one crop in ten gets other values.
    values = (np.arange(256, dtype=np.float32) - low) * (np.float32(255) / max(high - low, np.float32(1)))
    table: Pixels = (values.clip(0, 255) + np.float32(0.5)).astype(np.uint8)
    return table


def _resized(
    pixels: Pixels, size: tuple[int, int], table: Pixels, rows: slice = slice(None), columns: slice = slice(None)
) -> Pixels:
    """Return some rows and columns of an image that gets new values and is then resized to `size` (height, width)."""
    # SciPy takes the first axis of length 3 for the channels, be it the height.
    pixels = np.moveaxis(pixels, pixels.shape.index(3), -1)
    (height, width), (length, breadth) = size, pixels.shape[:2]
    seen_rows, seen_columns = _seen(rows, height, length), _seen(columns, width, breadth)
    part = np.zeros((seen_rows.stop - seen_rows.start, breadth, 3), np.uint8)
    part[:, seen_columns] = table[pixels[seen_rows, seen_columns]]
    # One axis at a time, columns first: the order of Pillow 5 to 12. For some sizes Pillow 13 takes rows first in a
    # single call, which changes values by 1.
    narrow = np.asarray(Image.fromarray(part).resize((width, len(part)), Image.Resampling.BILINEAR))[:, columns]
    tall = np.zeros((length, *narrow.shape[1:]), np.uint8)
    tall[seen_rows] = narrow
    return np.asarray(Image.fromarray(tall).resize((narrow.shape[1], height), Image.Resampling.BILINEAR))[rows]


def _seen(part: slice, new_length: int, length: int) -> slice:
    """Return the source pixels that a part of the resized pixels of an axis depends on, and two more at each end."""
    first, end, _ = part.indices(new_length)
    before, after = (first - 1) * length / new_length - 2, (end + 1) * length / new_length + 2
    return slice(max(0, math.floor(before)), min(length, math.ceil(after)))
