"""Drawings: landmarks on an image, and a window to show it where this machine and this build of OpenCV have one."""

import operator
import os
import re
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor

from facelandmarks._opencv import cv2
from facelandmarks._rules import is_number
from facelandmarks.errors import DeviceError, InvalidOptionError, MissingDependencyError
from facelandmarks.schemes import Scheme

Array = NDArray[np.float32]
Color = tuple[int, int, int]

POINT = (255, 255, 255)
POINT_EDGE = (20, 20, 20)
DOUBT = (255, 120, 90)
BOX = (255, 190, 60)
FRACTION_BITS = 4  # OpenCV draws at sixteenths of a pixel
LARGEST_SIDE = 8000.0  # pixels: OpenCV refuses lines of more than some hundred pixels
# Sizes as shares of the face's side, so that a face looks the same at every size.
RADIUS, LINE_WIDTH, DIGITS = 1 / 140, 1 / 250, 1 / 45
LEAST_EDGED = 0.8  # pixels: a smaller point is its own edge
LEAST_LINED = 64.0  # pixels of the side: lines, a pixel wide at least, would cover a smaller face


@dataclass(frozen=True)
class Style:
    """How faces are drawn; `InvalidOptionError` for a colour or size that cannot be."""

    # Of contours, and of points without contours: RGB, 0 to 255 each, or text such as "red" and "#ff3c3c".
    color: Color | str = (40, 200, 255)
    size: float | None = None  # radius of points in pixels; None fits each face
    boxes: bool = True
    contours: bool = True
    indices: bool = False  # the number of each point beside it

    def __post_init__(self) -> None:
        object.__setattr__(self, "color", parse_color(self.color))
        if self.size is not None and not (is_number(self.size) and 0 < self.size <= LARGEST_SIDE):
            raise InvalidOptionError(f"size is a radius in pixels, above 0; got {self.size!r}")


def parse_color(color: Any) -> Color:
    """Return a colour as RGB; `InvalidOptionError` for what is none."""
    try:
        red, green, blue = ImageColor.getrgb(color)[:3] if isinstance(color, str) else map(operator.index, color)
    except (TypeError, ValueError) as error:
        raise InvalidOptionError(f"a color is (red, green, blue), 0 to 255 each, or a name; got {color!r}") from error
    if not 0 <= min(red, green, blue) <= max(red, green, blue) <= 255:
        raise InvalidOptionError(f"a color is (red, green, blue), 0 to 255 each; got {color!r}")
    return red, green, blue


STANDARD = Style()


def draw_landmarks(
    image: NDArray[np.uint8],
    points: Array,
    boxes: Array,
    scheme: Scheme,
    style: Style = STANDARD,
    doubtful: NDArray[np.bool_] | None = None,
) -> NDArray[np.uint8]:
    """Return a copy of an image, uint8 (H, W, 3) RGB, with contours, points and boxes on it.

    Points (N, K, 2) and boxes (N, 4) xyxy are in pixels of the image; points in the mask `doubtful` (N, K) are hollow.
    Sizes follow each box, also where it is not drawn; faces under 64 pixels have points only. What is not finite is
    left out: points, the lines to them, and boxes, in whose place the points tell the size.
    """
    canvas, color = image.copy(), parse_color(style.color)
    doubtful = np.zeros(points.shape[:2], bool) if doubtful is None else doubtful
    for face, box, hollow in zip(points, boxes, doubtful, strict=True):
        there, boxed = np.isfinite(face).all(axis=1), np.isfinite(box).all()
        corners = box.reshape(2, 2) if boxed else face[there]
        side = min(float(np.ptp(corners, axis=0).max()), LARGEST_SIDE) if len(corners) else 0.0
        thickness = max(1, round(side * LINE_WIDTH))
        if style.boxes and boxed:
            first, second = fixed_point(corners)
            cv2.rectangle(canvas, first, second, BOX, thickness, cv2.LINE_AA, FRACTION_BITS)
        lined = style.contours and side >= LEAST_LINED
        for contour in scheme.contours if lined else ():
            lines, closed = [list(contour.points)], contour.closed
            if not there[lines[0]].all():  # the pieces between neighbours that are there
                neighbours = pairwise((*contour.points, *contour.points[:closed]))
                lines, closed = [list(pair) for pair in neighbours if there[list(pair)].all()], False
            paths = [fixed_point(face[line]) for line in lines]
            cv2.polylines(canvas, paths, closed, color, thickness, cv2.LINE_AA, FRACTION_BITS)
        radius = side * RADIUS if style.size is None else style.size
        draw_points(canvas, face[there], hollow[there], radius, POINT if lined else color)
        if style.indices:
            draw_indices(canvas, face, side * DIGITS, radius)
    return canvas


def draw_points(
    canvas: NDArray[np.uint8], points: Array, hollow: NDArray[np.bool_], radius: float, color: Color
) -> None:
    """Draw points (K, 2) with a dark edge, the smallest ones without; those of the mask as rings, on top of others."""
    rings = ((1.8, DOUBT, max(1, round(radius / 2))),)
    discs = ((1.4, POINT_EDGE, -1), (1.0, color, -1))
    for which, circles in ((~hollow, discs if radius >= LEAST_EDGED else discs[1:]), (hollow, rings)):
        for point in fixed_point(points[which]):
            for share, ink, width in circles:
                reach = round(radius * share * (1 << FRACTION_BITS))
                cv2.circle(canvas, point, reach, ink, width, cv2.LINE_AA, FRACTION_BITS)


def draw_indices(canvas: NDArray[np.uint8], points: Array, height: float, radius: float) -> None:
    """Write the number of each of the points (K, 2) to its right; digits of about `height` pixels."""
    font = cv2.FONT_HERSHEY_SIMPLEX
    scale = max(height, 6.0) / cv2.getTextSize("0", font, 1.0, 1)[0][1]
    for number, (x, y) in enumerate(points):
        if abs(x) < LARGEST_SIDE * 4 and abs(y) < LARGEST_SIDE * 4:  # false for NaN
            place = (round(float(x) + 1.6 * radius + 1), round(float(y) - radius))
            for ink, stroke in ((POINT_EDGE, 3), (POINT, 1)):
                cv2.putText(canvas, str(number), place, font, scale, ink, stroke, cv2.LINE_AA)


def fixed_point(points: NDArray[np.floating]) -> NDArray[np.int32]:
    """Return points (N, 2) in units of 2 ** -FRACTION_BITS pixels, as OpenCV's drawing functions take them."""
    # Nothing shows far outside the image, and OpenCV's 32-bit sums must not overflow.
    return np.round(points.clip(-(2**20), 2**20) * (1 << FRACTION_BITS)).astype(np.int32)


LARGEST = (1280, 800)  # pixels: larger images are shown smaller
KEYS_THAT_END = (ord("q"), ord("Q"), 27)  # Esc
LOCAL_DISPLAY = re.compile(r"(?:unix)?:(\d+)")


def check_windows() -> None:
    """Raise an error if no window can be opened, which OpenCV would answer by ending the whole process.

    `MissingDependencyError` if OpenCV was built without windows, `DeviceError` if there is no screen.
    """
    framework = getattr(cv2, "currentUIFramework", lambda: "unknown")()
    if not framework:
        raise MissingDependencyError(
            "this OpenCV has no windows: install opencv-python in place of opencv-python-headless, or write a file"
        )
    if not sys.platform.startswith("linux"):
        return
    display = os.environ.get("DISPLAY", "")
    if not (display or os.environ.get("WAYLAND_DISPLAY")):
        raise DeviceError("there is no screen to open a window on (DISPLAY is not set): write a file instead")
    local = LOCAL_DISPLAY.match(display)
    if local and not Path(f"/tmp/.X11-unix/X{local[1]}").exists():  # noqa: S108 (where X servers have their sockets)
        raise DeviceError(f"no X server answers at DISPLAY={display}, so no window can be opened: write a file instead")


class Window:
    """A window with a title, until it is closed; errors as in `check_windows`."""

    def __init__(self, title: str) -> None:
        check_windows()
        self._title = title
        self._sized = self._ended = False
        cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)

    def show(self, image: NDArray[np.uint8], *, wait: bool = False) -> bool:
        """Show an RGB image (H, W, 3); return False once q or Esc was pressed or the window was closed.

        With `wait`, return when that happens, or any other key is pressed.
        """
        if self._ended:
            return False
        if not self._sized:
            height, width = image.shape[:2]
            factor = min(1.0, LARGEST[0] / width, LARGEST[1] / height)
            cv2.resizeWindow(self._title, max(1, round(width * factor)), max(1, round(height * factor)))
            self._sized = True
        cv2.imshow(self._title, np.ascontiguousarray(image[..., ::-1]))
        while True:
            key = cv2.waitKey(50 if wait else 1)
            closed = cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1
            self._ended = closed or (key & 0xFF) in KEYS_THAT_END
            if self._ended or not wait or key != -1:
                return not self._ended

    def close(self) -> None:
        """Close the window."""
        if cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) >= 1:
            cv2.destroyWindow(self._title)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def show_image(image: NDArray[np.uint8]) -> None:
    """Show an RGB image (H, W, 3) below the cell of a notebook, else in a window until a key is pressed."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if hasattr(shell, "kernel"):
        from IPython.display import display
        from PIL import Image

        display(Image.fromarray(image))
        return
    with Window("facelandmarks") as window:
        window.show(image, wait=True)
