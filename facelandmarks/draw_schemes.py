"""Pictures of a scheme's numbering: contours, points, and each point's index beside it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from facelandmarks.draw import FRACTION_BITS, fixed_point
from facelandmarks.errors import InvalidOptionError
from facelandmarks.labels import place_labels
from facelandmarks.scheme_layouts import typical_layout
from facelandmarks.schemes import Contour, Scheme

Colour = tuple[int, int, int]  # RGB

SMALLEST, LARGEST = 300, 2000  # sides of a picture in pixels
FONT = cv2.FONT_HERSHEY_SIMPLEX
TITLE_INK: Colour = (40, 40, 40)
# Dark enough to be read on white; neighbours in the list differ most.
PALETTE: tuple[Colour, ...] = (
    (25, 90, 175),
    (190, 70, 15),
    (15, 120, 55),
    (135, 45, 150),
    (135, 95, 0),
    (0, 120, 130),
    (190, 25, 85),
)
SHADE = 17  # 16 shades a channel, white among them, look the same and halve the file
TITLE_BAND, MARGIN = 0.08, 0.05  # free of points, as parts of the side


def draw_scheme(scheme: Scheme, size: int = 900) -> NDArray[np.uint8]:
    """A picture of a scheme's numbering, on white. A contour and its mirror image have one colour.

    Parameters
    ----------
    scheme
        One of `facelandmarks.schemes.SCHEMES`.
    size
        Side of the picture in pixels, 300 to 2000. From 700 the numbers of every scheme can be read.

    Returns
    -------
    ndarray
        uint8 (size, size, 3), RGB.

    Raises
    ------
    InvalidOptionError
        If the size is out of range.
    UnknownModelError
        If there is no typical layout of the scheme.
    """
    if not SMALLEST <= size <= LARGEST:
        raise InvalidOptionError(f"size must be {SMALLEST} to {LARGEST} pixels, got {size!r}")
    canvas = draw_figure(scheme, size)
    boxes = label_boxes(scheme, canvas)
    colours = {p: colour for c, colour in reversed(_coloured(scheme)) for p in c.points}
    for point, box in enumerate(boxes.astype(int).tolist()):
        left_bottom = (box[0], box[3])
        cv2.putText(canvas, str(point), left_bottom, FONT, _font_scale(scheme, size), colours[point], 1, cv2.LINE_AA)
    return canvas // SHADE * SHADE


def draw_figure(scheme: Scheme, size: int) -> NDArray[np.uint8]:
    """The picture without the numbers: title, contours and points."""
    canvas = np.full((size, size, 3), 255, np.uint8)
    title = f"{scheme.name}: {len(scheme)} points"
    cv2.putText(canvas, title, (round(size * 0.025), round(size * 0.055)), FONT, size / 1000, TITLE_INK, 1, cv2.LINE_AA)
    points = picture_points(scheme, size)
    for contour, colour in reversed(_coloured(scheme)):  # of a point on several contours the first is on top
        path = fixed_point(points[list(contour.points)])
        cv2.polylines(canvas, [path], contour.closed, colour, max(1, size // 450), cv2.LINE_AA, FRACTION_BITS)
        for center in path:
            cv2.circle(canvas, center, round(size / 280 * (1 << FRACTION_BITS)), colour, -1, cv2.LINE_AA, FRACTION_BITS)
    return canvas


def label_boxes(scheme: Scheme, figure: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Where the numbers go in a figure: float64 (K, 4), x1 y1 x2 y2 in pixels."""
    size = len(figure)
    points = picture_points(scheme, size)
    texts = [cv2.getTextSize(str(point), FONT, _font_scale(scheme, size), 1)[0] for point in range(len(scheme))]
    return place_labels(points, np.array(texts, float), _outward(scheme, points), (figure != 255).any(axis=-1))


def picture_points(scheme: Scheme, size: int) -> NDArray[np.float64]:
    """Where the points lie in a picture of that size: float64 (K, 2), pixels."""
    side = size * (1 - TITLE_BAND - MARGIN)
    return typical_layout(scheme) * side + ((size - side) / 2, size * TITLE_BAND)


def _font_scale(scheme: Scheme, size: int) -> float:
    """The more points, the smaller the numbers."""
    return size / 900 * (0.72 - 0.0024 * len(scheme))


def _coloured(scheme: Scheme) -> list[tuple[Contour, Colour]]:
    """Contours and their colours; mirror images share one."""
    sides = [frozenset((*c.points, *scheme.mirror[list(c.points)].tolist())) for c in scheme.contours]
    order = list(dict.fromkeys(sides))
    return [(c, PALETTE[order.index(s) % len(PALETTE)]) for c, s in zip(scheme.contours, sides, strict=True)]


def _outward(scheme: Scheme, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit vectors (K, 2) at right angles to the contour, away from its middle; zeros for a contour of one point."""
    found = np.zeros_like(points)
    for contour in reversed(scheme.contours):  # of several contours the first counts
        path = points[list(contour.points)]
        padded = np.concatenate([path[-1:], path, path[:1]] if contour.closed else [path[:1], path, path[-1:]])
        along = padded[2:] - padded[:-2]
        normal = along[:, ::-1] * (1, -1)
        # The middle of a straight contour lies on it: a bit of the whole figure's middle tells which side is out.
        middle = 0.9 * path.mean(axis=0) + 0.1 * points.mean(axis=0)
        normal[((path - middle) * normal).sum(axis=1) < 0] *= -1
        found[list(contour.points)] = normal / np.maximum(np.hypot(*normal.T), 1e-9)[:, None]
    return found
