"""Drawings of a scheme's numbering: contours, points on a typical subject, and each point's index beside it.

The layouts are drawn by hand in a unit square, x right and y down: one position for each point on the axis and one for
each pair, that of the smaller index; the other is its mirror image. Eyes, brows and lips are larger than life and the
mouth is open, so that there is room for every number. Only the meshes' are computed (`facelandmarks.schemes.mesh`).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facelandmarks._opencv import cv2
from facelandmarks._rules import is_whole
from facelandmarks.boxes import shared_area
from facelandmarks.draw import FRACTION_BITS, Color, fixed_point
from facelandmarks.errors import InvalidOptionError, lookup
from facelandmarks.schemes import SCHEMES, Contour, Scheme, mesh

MANY = 200  # points from which dots are small
SMALLEST, LARGEST = 300, 2000  # sides of a drawing in pixels
FONT = cv2.FONT_HERSHEY_SIMPLEX
TITLE_INK: Color = (40, 40, 40)
# Dark enough to read on white; neighbours in the list differ most.
PALETTE: tuple[Color, ...] = (
    (25, 90, 175), (190, 70, 15), (15, 120, 55), (135, 45, 150), (135, 95, 0), (0, 120, 130), (190, 25, 85),
)  # fmt: skip
SHADE = 17  # 16 shades a channel, white among them, look the same and halve the file's size
TITLE_BAND, MARGIN = 0.08, 0.05  # free of points, as fractions of the side


def draw_scheme(scheme: Scheme, size: int | None = None) -> NDArray[np.uint8]:
    """Draw the numbering of one of `SCHEMES` on white: uint8 (size, size, 3), RGB.

    A contour and its mirror image have one colour. Sizes are 300 to 2000 pixels. None takes 900, and 1800
    for meshes; from 700 the numbers of all other schemes can be read.
    """
    side: Any = usual_size(scheme) if size is None else size
    if not (is_whole(side, SMALLEST) and side <= LARGEST):
        raise InvalidOptionError(f"size must be {SMALLEST} to {LARGEST} pixels, a whole number; got {size!r}")
    side = int(side)
    canvas = draw_figure(scheme, side)
    boxes = label_boxes(scheme, canvas)
    colours = {p: colour for c, colour in reversed(_coloured(scheme)) for p in c.points}
    for point, box in enumerate(boxes.astype(int).tolist()):
        left_bottom, colour = (box[0], box[3]), colours.get(point, TITLE_INK)
        cv2.putText(canvas, str(point), left_bottom, FONT, _font_scale(scheme, side), colour, 1, cv2.LINE_AA)
    return canvas // SHADE * SHADE


def usual_size(scheme: Scheme) -> int:
    """Return the side of a drawing in pixels in which all numbers can be read."""
    return 900 if len(scheme) < MANY else 1800


def draw_figure(scheme: Scheme, size: int) -> NDArray[np.uint8]:
    """Draw title, contours and points, without the numbers."""
    canvas = np.full((size, size, 3), 255, np.uint8)
    title = f"{scheme.name}: {len(scheme)} points"
    cv2.putText(canvas, title, (round(size * 0.025), round(size * 0.055)), FONT, size / 1000, TITLE_INK, 1, cv2.LINE_AA)
    points = drawn_points(scheme, size)
    radius = round(size / (280 if len(scheme) < MANY else 600) * (1 << FRACTION_BITS))
    on_lines = {point for contour in scheme.contours for point in contour.points}
    for center in fixed_point(points[[point for point in range(len(scheme)) if point not in on_lines]]):
        cv2.circle(canvas, center, radius, TITLE_INK, -1, cv2.LINE_AA, FRACTION_BITS)
    for contour, colour in reversed(_coloured(scheme)):  # of a point on several contours the first is on top
        path = fixed_point(points[list(contour.points)])
        cv2.polylines(canvas, [path], contour.closed, colour, max(1, size // 450), cv2.LINE_AA, FRACTION_BITS)
        for center in path:
            cv2.circle(canvas, center, radius, colour, -1, cv2.LINE_AA, FRACTION_BITS)
    return canvas


def label_boxes(scheme: Scheme, figure: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the places of the numbers in a figure: float64 (K, 4), x1 y1 x2 y2 in pixels."""
    size = len(figure)
    points = drawn_points(scheme, size)
    outward = np.zeros_like(points)  # at right angles to the contour, away from its middle
    for contour in reversed(scheme.contours):  # the first of several contours counts
        path = points[list(contour.points)]
        padded = np.concatenate([path[-1:], path, path[:1]] if contour.closed else [path[:1], path, path[-1:]])
        along = padded[2:] - padded[:-2]
        normal = along[:, ::-1] * (1, -1)
        # The middle of a straight contour lies on it: the middle of the whole figure tells which side is outside.
        middle = 0.9 * path.mean(axis=0) + 0.1 * points.mean(axis=0)
        normal[((path - middle) * normal).sum(axis=1) < 0] *= -1
        outward[list(contour.points)] = normal / np.maximum(np.hypot(*normal.T), 1e-9)[:, None]
    texts = [cv2.getTextSize(str(point), FONT, _font_scale(scheme, size), 1)[0] for point in range(len(scheme))]
    return place_labels(points, np.array(texts, float), outward, (figure != 255).any(axis=-1))


def drawn_points(scheme: Scheme, size: int) -> NDArray[np.float64]:
    """Return the points in a drawing of that size: float64 (K, 2), pixels."""
    side = size * (1 - TITLE_BAND - MARGIN)
    return typical_layout(scheme) * side + ((size - side) / 2, size * TITLE_BAND)


def _font_scale(scheme: Scheme, size: int) -> float:
    return size / 900 * max(0.72 - 0.0024 * len(scheme), 0.19)  # the more points, the smaller the numbers


def _coloured(scheme: Scheme) -> list[tuple[Contour, Color]]:
    """Return contours and their colours; mirror images share one."""
    sides = [frozenset((*c.points, *scheme.mirror[list(c.points)].tolist())) for c in scheme.contours]
    order = list(dict.fromkeys(sides))
    return [(c, PALETTE[order.index(s) % len(PALETTE)]) for c, s in zip(scheme.contours, sides, strict=True)]


DIRECTIONS = 24
GAPS = (0.6, 0.8, 1.1, 1.5)  # between a point and its label, in heights of the text
CLEARANCE = 0.15  # free space that is kept around labels, in heights of the text
# The costs of a place; areas and gaps are counted in heights of the text.
OVERLAP = 200.0  # area shared with another label or outside the drawing
HIDDEN = 50.0  # area of the drawing that is covered
FAR = 3.0  # gap
TURN = 2.0  # half of 1 - cosine of the angle to the preferred direction
SWEEPS = 20


def place_labels(
    points: NDArray[np.float64], sizes: NDArray[np.float64], preferred: NDArray[np.float64], drawn: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return boxes for the labels of points: float64 (K, 4), x1 y1 x2 y2 in whole pixels.

    Every label starts at the place that is best for it alone. Then one after the other moves to the place that is best
    given all others, until none moves (at most SWEEPS times each). `sizes` (K, 2) are width and height of each text,
    `preferred` (K, 2) the unit vector to the best place for a label (zeros if all directions are equally good), `drawn`
    (H, W) the pixels that should not be covered.
    """
    unit = float(sizes[:, 1].max())
    angles = np.arange(DIRECTIONS) * (2 * np.pi / DIRECTIONS)
    directions = np.stack([np.sin(angles), -np.cos(angles)], axis=-1)  # the first is up
    steps = (unit * np.array(GAPS)[:, None, None] * directions).reshape(-1, 2)
    # A box lies behind the end of its step, seen from the point: its near side or corner is there.
    behind = np.tile(np.clip(1.5 * directions, -1, 1), (len(GAPS), 1))
    corners = np.round(points[:, None] + steps + (behind - 1) * sizes[:, None] / 2)
    places = np.concatenate([corners, corners + sizes[:, None]], axis=-1)  # (K, gaps x directions, 4), nearest first
    room = places + np.array((-1, -1, 1, 1)) * round(CLEARANCE * unit)
    costs = np.tile(TURN * (0.5 - 0.5 * preferred @ directions.T), len(GAPS))
    costs += np.repeat(FAR * np.array(GAPS), DIRECTIONS)
    x1, y1, x2, y2 = np.moveaxis(room.clip(0, np.tile(drawn.shape[::-1], 2)).astype(np.intp), -1, 0)
    above_left = cv2.integral(drawn.astype(np.uint8))
    hidden = above_left[y2, x2] - above_left[y1, x2] - above_left[y2, x1] + above_left[y1, x1]
    costs += HIDDEN / unit**2 * hidden
    canvas = np.array((0, 0, *drawn.shape[::-1]), float)
    costs += OVERLAP / unit**2 * (shared_area(places, places) - shared_area(places, canvas))
    labels = np.arange(len(places))
    chosen: NDArray[np.intp] = costs.argmin(axis=1)
    for _ in range(SWEEPS):
        before = chosen.copy()
        for label in labels:
            others = np.delete(room[labels, chosen], label, axis=0)
            shared = shared_area(places[label][:, None], others).sum(axis=1)
            chosen[label] = np.argmin(costs[label] + OVERLAP / unit**2 * shared)
        if np.array_equal(before, chosen):
            break
    return places[labels, chosen]


Half = tuple[tuple[float, float], ...]

# fmt: off
# One face for all face schemes; the points of each part in the order of their indices.
_JAW: Half = (
    (.060, .235), (.061, .294), (.065, .353), (.071, .411), (.080, .469), (.092, .527), (.107, .583), (.126, .639),
    (.149, .693), (.175, .746), (.207, .795), (.243, .841), (.285, .883), (.333, .918), (.385, .944), (.441, .960),
    (.500, .965),
)
_BROW: Half = (  # the upper edge, then the lower edge back
    (.115, .145), (.170, .082), (.250, .048), (.335, .050), (.415, .085),
    (.410, .140), (.330, .108), (.252, .105), (.178, .130),
)
_EYE8: Half = (
    (.165, .275), (.215, .225), (.285, .205), (.355, .228), (.408, .285), (.350, .320), (.283, .335), (.213, .318),
)
_EYE6: Half = ((.165, .275), (.240, .213), (.332, .215), (.408, .285), (.330, .328), (.238, .328))
_PUPIL: Half = ((.286, .270),)
_NOSE_BRIDGE: Half = ((.500, .245), (.500, .325), (.500, .405), (.500, .485))
_NOSE_BASE: Half = ((.418, .552), (.458, .570), (.500, .584))
_NOSE_SIDE: Half = ((.462, .285), (.440, .420), (.402, .490), (.400, .550), (.452, .572), (.500, .584))
# The lower lip runs back from right to left: its right points have the smaller indices.
_LIPS_OUTER: Half = (
    (.290, .715), (.365, .672), (.450, .648), (.500, .662), (.655, .795), (.580, .845), (.500, .862),
)
_LIPS_INNER: Half = ((.350, .722), (.420, .708), (.500, .715), (.580, .788), (.500, .798))

_HALVES: Mapping[str, Half] = {
    "aflw19": (
        _BROW[0], (.255, .078), (.412, .112), _EYE8[0], *_PUPIL, _EYE8[4], _NOSE_SIDE[3], _NOSE_BRIDGE[3],
        _LIPS_OUTER[0], (.500, .757), _JAW[16],
    ),
    "cofw29": (
        _BROW[0], (.412, .112), _BROW[2], _BROW[7], _EYE8[0], _EYE8[4], _EYE8[2], _EYE8[6], *_PUPIL,
        _NOSE_SIDE[3], _NOSE_BRIDGE[3], _NOSE_BASE[2],
        _LIPS_OUTER[0], _LIPS_OUTER[3], _LIPS_INNER[2], _LIPS_INNER[4], _LIPS_OUTER[6], _JAW[16],
    ),
    "ibug68": (*_JAW[::2], *_BROW[:5], *_NOSE_BRIDGE, *_NOSE_BASE, *_EYE6, *_LIPS_OUTER, *_LIPS_INNER),
    "wflw98": (*_JAW, *_BROW, *_NOSE_BRIDGE, *_NOSE_BASE, *_EYE8, *_LIPS_OUTER, *_LIPS_INNER, *_PUPIL),
    "lapa106": (*_JAW, *_BROW, *_NOSE_BRIDGE, *_NOSE_SIDE, *_EYE8, *_PUPIL, *_LIPS_OUTER, *_LIPS_INNER, *_PUPIL),
    "points5": (_PUPIL[0], _NOSE_BRIDGE[3], _LIPS_OUTER[0]),
    "anime28": (
        (.060, .380), (.150, .720), (.500, .950), (.160, .150), (.270, .090), (.400, .140),
        (.130, .370), (.260, .250), (.400, .340), (.185, .530), (.280, .570), (.375, .535),
        (.500, .640), (.400, .750), (.500, .735), (.500, .835),
    ),
    "deepfashion_upper": ((.390, .100), (.080, .500), (.250, .920)),
    "deepfashion_lower": ((.330, .080), (.200, .940)),
    "deepfashion_full": ((.410, .060), (.160, .380), (.350, .430), (.200, .950)),
    "mesh468": tuple((x / 1000, y / 1000) for x, y in mesh.HALF[:-mesh.IRIS]),
    "mesh478": tuple((x / 1000, y / 1000) for x, y in mesh.HALF),
}
# fmt: on


def typical_layout(scheme: Scheme) -> NDArray[np.float64]:
    """Return typical positions of a scheme's points: float64 (K, 2) in a unit square, symmetric under its mirror."""
    if SCHEMES.get(scheme.name, scheme) != scheme:
        raise InvalidOptionError(f"there is another scheme {scheme.name!r} here, and no typical layout of this one")
    half = np.array(lookup(_HALVES, scheme.name, "typical layout of scheme"))
    first = np.flatnonzero(np.arange(len(scheme)) <= scheme.mirror)
    points = np.empty((len(scheme), 2))
    points[scheme.mirror[first]] = half * (-1, 1) + (1, 0)
    points[first] = half
    return points
