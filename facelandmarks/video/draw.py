"""Frames with points and numbers on them."""

import cv2
import numpy as np
from numpy.typing import NDArray

from facelandmarks.video.track import TrackedFrame

# RGB, apart from each other and from the colours of contours and boxes; taken in turn.
COLOURS = ((255, 190, 60), (120, 230, 120), (255, 120, 160), (150, 170, 255), (240, 240, 120), (200, 140, 255))
EDGE = (20, 20, 20)
HEIGHT = 0.16  # of the figures, as a part of the box's height
LEAST_HEIGHT = 10  # pixels


def draw_tracked(frame: TrackedFrame) -> NDArray[np.uint8]:
    """A copy of the frame's picture with contours, points, boxes, and the number above each face."""
    canvas = frame.faces.draw(frame.image)
    for number, face in zip(frame.ids, frame.faces, strict=True):
        _draw_number(canvas, int(number), face.box)
    return canvas


def _draw_number(canvas: NDArray[np.uint8], number: int, box: NDArray[np.float32]) -> None:
    wanted = max(LEAST_HEIGHT, HEIGHT * float(box[3] - box[1]))
    font = cv2.FONT_HERSHEY_DUPLEX
    scale = wanted / cv2.getTextSize("0", font, 1.0, 1)[0][1]
    thickness = max(1, round(scale))
    (width, height), _ = cv2.getTextSize(str(number), font, scale, thickness)
    # Inside of the picture, also where the box reaches over its border.
    x = int(np.clip(box[0], 1, max(1, canvas.shape[1] - width - 1)))
    y = int(np.clip(box[1] - 0.4 * height, height + 1, max(height + 1, canvas.shape[0] - 1)))
    cv2.putText(canvas, str(number), (x, y), font, scale, EDGE, thickness + 2, cv2.LINE_AA)
    cv2.putText(canvas, str(number), (x, y), font, scale, COLOURS[(number - 1) % len(COLOURS)], thickness, cv2.LINE_AA)
