"""Regions of MediaPipe: square, turned so that the eyes are level, shown by OpenCV 4's perspective warp.

MediaPipe keeps boxes and points as fractions of the image in float32 and takes `fraction * side` for an index of a
pixel: nothing here knows of half pixels. A crop's index 0 lies on the region's edge, and index W, which is not there,
on the other one.

Source: MediaPipe 0.10.21, `modules/face_landmark` and the calculators that its graphs name (`DetectionsToRects`,
`RectTransformation`, `ImageToTensor`, `LandmarkProjection`); for the warp, OpenCV 4.x `modules/imgproc/src/imgwarp.cpp`
(`warpPerspective`, `WarpPerspectiveInvoker`).
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from facelandmarks._opencv import cv2
from facelandmarks.geometry import Float32, Float64, Pixels
from facelandmarks.geometry.warp import SIDE_LIMIT, Border, blend

_STEPS = 32  # a pixel is divided into
_BLOCK = 32  # OpenCV works through blocks of this many pixels squared
_BAND = 32  # rows whose positions are computed at a time: what is between stays in the processor's cache
_PI = np.float32(np.pi)


@dataclass(frozen=True)
class Rotated:
    """MediaPipe's convention (`Geometry`), whose regions may have any rotation.

    Rotations are those of `Crops`: the image turned clockwise by this angle shows the region upright.
    """

    one_zoom: ClassVar[bool] = False
    input_size: tuple[int, int]  # width and height of the crop in pixels
    padding: float = 1.5  # side of the region in longer sides of the box
    border: Border = "replicate"  # what is beyond the image: its outermost pixels again, or black

    def regions(self, boxes: Float64) -> tuple[Float64, Float64]:
        """Return center and scale of each box, see `Geometry`; they hold float32 values."""
        low, high = np.asarray(boxes, np.float32)[:, :2], np.asarray(boxes, np.float32)[:, 2:]
        size = high - low
        side = size.max(1, initial=0) * np.float32(self.padding)
        center = low + size / np.float32(2)
        return center.astype(np.float64), np.stack([side, side], 1).astype(np.float64)

    def rotations(self, left: NDArray[np.floating], right: NDArray[np.floating]) -> Float64:
        """Return the rotations (N,), in -pi..pi, that make the line between two points (N, 2) level: of the eyes.

        They hold float32 values. Equal points, and such that are NaN, leave the region upright.
        """
        across, down = (np.asarray(right, np.float32) - np.asarray(left, np.float32)).T
        angle = np.arctan2(down, across)
        angle = angle - 2 * _PI * np.floor((angle + _PI) / (2 * _PI))  # atan2 gives pi itself, which becomes -pi
        rotations: Float64 = np.where(np.isfinite(angle), -angle, 0).astype(np.float64)
        return rotations

    def regions_after(
        self, points: NDArray[np.floating], left: NDArray[np.floating], right: NDArray[np.floating]
    ) -> tuple[Float64, Float64, Float64]:
        """Return center, scale and rotation of the regions of landmarks (N, K, 2), with the eyes at `left` and `right`.

        Notes
        -----
        Source: MediaPipe 0.10.21, `modules/face_landmark/face_landmark_landmarks_to_roi.pbtxt`.
        """
        # Upstream looks for the largest coordinate from 0 on.
        boxes = np.concatenate([points.min(1), np.maximum(points.max(1), 0)], axis=1)
        return *self.regions(boxes), self.rotations(left, right)

    def cut(self, image: Pixels, center: Float64, scale: Float64, rotation: Float64 | None = None) -> Pixels:
        """Cut one crop per region, see `Geometry`; byte for byte as OpenCV 4 does. None: all are upright."""
        width, height = self.input_size
        crops = np.empty((len(center), height, width, 3), np.uint8)
        turn = np.zeros(len(center)) if rotation is None else -rotation
        middle, size, angle = (np.asarray(value, np.float32) for value in (center, scale, turn))
        # The corners as OpenCV's `RotatedRect` rounds them: bottom left, top left, top right and bottom right.
        degrees = ((angle * np.float32(180)).astype(np.float64) / np.pi).astype(np.float32)
        radians = degrees.astype(np.float64) * (np.pi / 180)
        cosine, sine = (each(radians).astype(np.float32) * np.float32(0.5) for each in (np.cos, np.sin))
        across, down = np.stack([cosine, sine], 1) * size[:, :1], np.stack([sine, -cosine], 1) * size[:, 1:]
        left = np.stack([middle - down - across, middle + down - across], axis=1)
        corners = np.concatenate([left, np.float32(2) * middle[:, None] - left], axis=1)
        mode = cv2.BORDER_REPLICATE if self.border == "replicate" else cv2.BORDER_CONSTANT
        for crop, four in zip(crops, corners, strict=True):
            x, y = _maps(four, width, height)
            if max(image.shape[:2]) < SIDE_LIMIT:
                # Fixed-point maps, int16 pixel and fraction: with them every OpenCV does the blend of OpenCV 4.
                maps = cv2.convertMaps(x, y, cv2.CV_16SC2)
                cv2.remap(image, *maps, cv2.INTER_LINEAR, crop, mode, 0)
            else:
                steps_x, steps_y = (np.rint(each.astype(np.float64) * _STEPS).astype(np.int64) for each in (x, y))
                crop[:] = blend(image, steps_x, steps_y, self.border)
        return crops

    def to_image(
        self, points: NDArray[np.floating], center: Float64, scale: Float64, rotation: Float64 | None = None
    ) -> Float32:
        """Map points to pixels of the image, see `Geometry`: the inverse of `cut`."""
        turn = np.zeros(len(center)) if rotation is None else -rotation
        middle, size, angle = (np.asarray(value, np.float32) for value in (center, scale, turn))
        side = np.array(self.input_size, np.float32)
        x, y = np.moveaxis(np.asarray(points, np.float32) / side - np.float32(0.5), -1, 0)
        sine, cosine = np.sin(angle)[:, None], np.cos(angle)[:, None]
        (width, height), (left, top) = size.T[..., None], middle.T[..., None]
        return np.stack([(cosine * x - sine * y) * width + left, (sine * x + cosine * y) * height + top], axis=-1)


def letterbox(width: int, height: int) -> tuple[Float64, Float64]:
    """Return center and scale of the one region that shows a whole image in a square."""
    return np.array([[width, height]]) / 2, np.full((1, 2), float(max(width, height)))


def _maps(corners: Float32, width: int, height: int) -> tuple[Float32, Float32]:
    """Return the places in the image of the pixels of a crop with these corners: x, y (H, W), multiples of 1/32 px."""
    target = np.array([[0, height], [0, 0], [width, 0], [width, height]], np.float32)
    matrix = cv2.invert(cv2.getPerspectiveTransform(corners, target))[1]
    rows = min(_BLOCK // 2, height)
    block = min(_BLOCK * _BLOCK // rows, width)
    maps = np.empty((2, height, width), np.float32)
    firsts, steps = matrix[:, :1] * np.arange(0, width, block), matrix[:, :1] * np.arange(block)
    with np.errstate(divide="ignore", invalid="ignore"):  # a region of no size
        for top in range(0, height, _BAND):
            downs = matrix[:, 1:2] * np.arange(top, min(top + _BAND, height))
            # In OpenCV's order: a row's start in a block of columns, then the step in the block.
            starts = firsts[:, None] + downs[..., None] + matrix[:, 2, None, None]
            x, y, w = (starts[..., None] + steps[:, None, None]).reshape(3, downs.shape[1], -1)[..., :width]
            factor = np.divide(_STEPS, w, out=w)
            np.rint(np.multiply(x, factor, out=x), out=maps[0, top : top + _BAND], casting="same_kind")
            np.rint(np.multiply(y, factor, out=y), out=maps[1, top : top + _BAND], casting="same_kind")
    maps *= np.float32(1 / _STEPS)
    return maps[0], maps[1]
