"""Drawings: landmarks on an image, and the numbering of schemes (`facelandmarks.draw.schemes`)."""

import cv2
import numpy as np
from numpy.typing import NDArray

from facelandmarks.schemes import Scheme

Array = NDArray[np.float32]

LINE = (40, 200, 255)  # RGB
POINT = (255, 255, 255)
POINT_EDGE = (20, 20, 20)
DOUBT = (255, 120, 90)
BOX = (255, 190, 60)
FRACTION_BITS = 4  # OpenCV draws at sixteenths of a pixel
LARGEST_SIDE = 8000.0  # pixels: OpenCV refuses lines of more than some hundred pixels


def draw_landmarks(
    image: NDArray[np.uint8],
    points: Array,
    boxes: Array,
    scheme: Scheme,
    *,
    doubtful: NDArray[np.bool_] | None = None,
    with_boxes: bool = True,
) -> NDArray[np.uint8]:
    """Return a copy of an image, uint8 (H, W, 3) RGB, with contours, points and boxes on it.

    Points (N, K, 2) and boxes (N, 4) xyxy are in pixels of the image. Line widths follow the size of each box, also
    without `with_boxes`. Points in the mask `doubtful` (N, K) are hollow.
    """
    doubtful = np.zeros(points.shape[:2], bool) if doubtful is None else doubtful
    canvas = image.copy()
    for face, box, unsure in zip(points, boxes, doubtful, strict=True):
        side = min(float(np.max(box[2:] - box[:2])), LARGEST_SIDE)
        thickness = max(1, round(side / 250))
        if with_boxes:
            first, second = fixed_point(box.reshape(2, 2))
            cv2.rectangle(canvas, first, second, BOX, thickness, cv2.LINE_AA, FRACTION_BITS)
        for contour in scheme.contours:
            line = fixed_point(face[list(contour.points)])
            cv2.polylines(canvas, [line], contour.closed, LINE, thickness, cv2.LINE_AA, FRACTION_BITS)
        radius = max(0.8, side / 140) * (1 << FRACTION_BITS)
        for point, hollow in zip(fixed_point(face), unsure, strict=True):
            if hollow:
                cv2.circle(canvas, point, round(radius * 1.8), DOUBT, thickness, cv2.LINE_AA, FRACTION_BITS)
                continue
            cv2.circle(canvas, point, round(radius * 1.4), POINT_EDGE, -1, cv2.LINE_AA, FRACTION_BITS)
            cv2.circle(canvas, point, round(radius), POINT, -1, cv2.LINE_AA, FRACTION_BITS)
    return canvas


def fixed_point(points: NDArray[np.floating]) -> NDArray[np.int32]:
    """Return points (N, 2) in units of 2 ** -FRACTION_BITS pixels, as OpenCV's drawing functions take them."""
    # Nothing shows far outside the image, and OpenCV's 32-bit sums must not overflow.
    return np.round(points.clip(-(2**20), 2**20) * (1 << FRACTION_BITS)).astype(np.int32)
