"""Where to write labels beside points so that they cover neither each other nor the drawing."""

import numpy as np
from numpy.typing import NDArray

DIRECTIONS = 24
GAPS = (0.6, 0.8, 1.1, 1.5)  # between a point and its label, in heights of the text
CLEARANCE = 0.15  # free space that is kept around labels, in heights of the text
# What a place costs; areas and gaps are counted in heights of the text.
OVERLAP = 200.0  # area shared with another label or outside the picture
HIDDEN = 50.0  # area of the drawing that is covered
FAR = 3.0  # gap
TURN = 2.0  # half of 1 - cosine of the angle to the preferred direction
SWEEPS = 20


def place_labels(
    points: NDArray[np.float64],
    sizes: NDArray[np.float64],
    preferred: NDArray[np.float64],
    drawn: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Boxes for the labels of points.

    Every label starts at the place that is best for it alone. Then one after the other moves to the place that is best
    with all others as they stand, until none moves (at most SWEEPS times each).

    Parameters
    ----------
    points
        (K, 2), what is labelled, in pixels of the picture.
    sizes
        (K, 2), width and height of each text in pixels.
    preferred
        (K, 2), the direction in which a label stands best, of length 1; zeros if all are equally good.
    drawn
        (H, W), the pixels of the picture that should not be covered.

    Returns
    -------
    ndarray
        float64 (K, 4), x1 y1 x2 y2 in pixels, whole numbers.
    """
    unit = float(sizes[:, 1].max())
    angles = np.arange(DIRECTIONS) * (2 * np.pi / DIRECTIONS)
    directions = np.stack([np.sin(angles), -np.cos(angles)], axis=-1)  # the first is up
    places = _places(points, sizes, directions, unit)
    room = places + np.array((-1, -1, 1, 1)) * round(CLEARANCE * unit)
    costs = np.tile(TURN * (0.5 - 0.5 * preferred @ directions.T), len(GAPS))
    costs += np.repeat(FAR * np.array(GAPS), DIRECTIONS)
    costs += HIDDEN / unit**2 * _sum_inside(drawn, room)
    picture = np.array((0, 0, *drawn.shape[::-1]), float)
    costs += OVERLAP / unit**2 * (_shared_area(places, places) - _shared_area(places, picture))
    chosen = _settled(places, room, costs, OVERLAP / unit**2)
    return places[np.arange(len(points)), chosen]


def _settled(
    places: NDArray[np.float64], room: NDArray[np.float64], costs: NDArray[np.float64], overlap: float
) -> NDArray[np.intp]:
    """Which place of (K, P) each label takes, by the places' own costs (K, P) and the areas that labels share."""
    labels = np.arange(len(places))
    chosen: NDArray[np.intp] = costs.argmin(axis=1)
    for _ in range(SWEEPS):
        before = chosen.copy()
        for label in labels:
            others = np.delete(room[labels, chosen], label, axis=0)
            shared = _shared_area(places[label][:, None], others).sum(axis=1)
            chosen[label] = np.argmin(costs[label] + overlap * shared)
        if np.array_equal(before, chosen):
            break
    return chosen


def _places(
    points: NDArray[np.float64], sizes: NDArray[np.float64], directions: NDArray[np.float64], unit: float
) -> NDArray[np.float64]:
    """Boxes (K, gaps x directions, 4) around each point, the nearest first."""
    steps = (unit * np.array(GAPS)[:, None, None] * directions).reshape(-1, 2)
    # A box stands behind the end of its step, seen from the point: its near side or corner is there.
    behind = np.tile(np.clip(1.5 * directions, -1, 1), (len(GAPS), 1))
    corners = np.round(points[:, None] + steps + (behind - 1) * sizes[:, None] / 2)
    return np.concatenate([corners, corners + sizes[:, None]], axis=-1)


def _sum_inside(drawn: NDArray[np.bool_], boxes: NDArray[np.float64]) -> NDArray[np.intp]:
    """How many pixels are set in each box (..., 4)."""
    height, width = drawn.shape
    x1, y1, x2, y2 = np.moveaxis(boxes.astype(np.intp).clip(0, (width, height, width, height)), -1, 0)
    above_left = np.zeros((height + 1, width + 1), np.intp)
    above_left[1:, 1:] = drawn.cumsum(axis=0).cumsum(axis=1)
    inside: NDArray[np.intp] = above_left[y2, x2] - above_left[y1, x2] - above_left[y2, x1] + above_left[y1, x1]
    return inside


def _shared_area(boxes: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area that boxes have in common with others; the shapes broadcast."""
    low = np.maximum(boxes[..., :2], others[..., :2])
    high = np.minimum(boxes[..., 2:], others[..., 2:])
    sides: NDArray[np.float64] = (high - low).clip(0)
    return sides[..., 0] * sides[..., 1]
