"""Pictures with points on them."""

import cv2
import numpy as np
from numpy.typing import NDArray

from facelandmarks.results import Face, Landmarks

LINE = (40, 200, 255)  # RGB
POINT = (255, 255, 255)
POINT_EDGE = (20, 20, 20)
BOX = (255, 190, 60)
FRACTION_BITS = 4  # OpenCV draws at sixteenths of a pixel
LARGEST_SIDE = 8000.0  # pixels: OpenCV refuses lines of more than some hundred pixels


def draw_landmarks(image: NDArray[np.uint8], faces: Landmarks, *, boxes: bool = True) -> NDArray[np.uint8]:
    """A copy of a picture with contours, points and boxes; line widths follow the size of each face.

    Parameters
    ----------
    image
        uint8 (H, W, 3), RGB; not modified.
    faces
        What to draw.
    boxes
        Whether to draw the boxes too.
    """
    canvas = image.copy()
    for face in faces:
        _draw_face(canvas, face, boxes)
    return canvas


def _draw_face(canvas: NDArray[np.uint8], face: Face, boxes: bool) -> None:
    side = min(float(np.max(face.box[2:] - face.box[:2])), LARGEST_SIDE)
    thickness = max(1, round(side / 250))
    if boxes:
        first, second = fixed_point(face.box.reshape(2, 2))
        cv2.rectangle(canvas, first, second, BOX, thickness, cv2.LINE_AA, FRACTION_BITS)
    for contour in face.scheme.contours:
        line = fixed_point(face.points[list(contour.points)])
        cv2.polylines(canvas, [line], contour.closed, LINE, thickness, cv2.LINE_AA, FRACTION_BITS)
    radius = max(0.8, side / 140) * (1 << FRACTION_BITS)
    for point in fixed_point(face.points):
        cv2.circle(canvas, point, round(radius * 1.4), POINT_EDGE, -1, cv2.LINE_AA, FRACTION_BITS)
        cv2.circle(canvas, point, round(radius), POINT, -1, cv2.LINE_AA, FRACTION_BITS)


def fixed_point(points: NDArray[np.floating]) -> NDArray[np.int32]:
    """Points (N, 2) in pixels as OpenCV's drawing functions want them, in units of 2 ** -FRACTION_BITS pixels."""
    # Far outside the picture nothing shows, and OpenCV's 32-bit sums must not overflow.
    return np.round(points.clip(-(2**20), 2**20) * (1 << FRACTION_BITS)).astype(np.int32)
