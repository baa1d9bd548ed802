"""Which face is which: where a face will be, how it looks, and the cheapest assignment."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facelandmarks._opencv import cv2
from facelandmarks.boxes import Boxes

# Gains of an alpha-beta filter, critically damped: beta = alpha^2 / (2 - alpha). They are high because the noise of
# landmarks is small beside the movement of a face from frame to frame.
POSITION_GAIN = 0.7
VELOCITY_GAIN = POSITION_GAIN**2 / (2 - POSITION_GAIN)
COASTS = 0.75  # seconds for which an unseen face is assumed to keep its velocity
LONGEST_STEP = 0.2  # seconds; over a longer gap, two positions do not give the present velocity
SIDE = 24  # pixels, of the image behind `appearance`
_FORBIDDEN = 1e6


@dataclass(frozen=True, eq=False)
class Motion:
    """The motion of a box: constant velocity."""

    state: NDArray[np.float64]  # (4,): centre x and y in pixels, logarithms of width and height
    velocity: NDArray[np.float64]  # (4,): change of the state per second
    time: float  # of the state, in seconds

    @classmethod
    def at_rest(cls, box: Boxes, time: float) -> "Motion":
        """Return the motion of a box (4,) xyxy that was seen once."""
        return cls(_state(box), np.zeros(4), time)

    def box(self, time: float) -> Boxes:
        """Return the box (4,) that is expected at a time."""
        state = self._ahead(time)
        half = np.exp(state[2:]) / 2
        return np.concatenate([state[:2] - half, state[:2] + half])

    def updated(self, box: Boxes, time: float) -> "Motion":
        """Return the motion after the box was seen again."""
        step = time - self.time
        if step > LONGEST_STEP:
            return self.at_rest(box, time)
        expected = self._ahead(time)
        missed_by = _state(box) - expected
        return Motion(expected + POSITION_GAIN * missed_by, self.velocity + VELOCITY_GAIN / step * missed_by, time)

    def _ahead(self, time: float) -> NDArray[np.float64]:
        moved = self.state + self.velocity * min(time - self.time, COASTS)
        # An unseen face is assumed to keep moving for longer than it keeps growing.
        grown = self.state[2:] + self.velocity[2:] * min(time - self.time, LONGEST_STEP)
        return np.concatenate([moved[:2], grown])


def _state(box: Boxes) -> NDArray[np.float64]:
    return np.concatenate([(box[:2] + box[2:]) / 2, np.log(box[2:] - box[:2])])


def appearance(image: NDArray[np.uint8], box: Boxes) -> NDArray[np.float64]:
    """Describe how the face in a tight box (4,) looks, small and grey: (SIDE * SIDE,), mean 0, length 1 (or all 0).

    The product of two appearances is their correlation, -1 to 1. In 1,000 YouTube Faces frames, pairs of two people
    have a median of 0.23, 5 % of them over 0.59; pairs of one person, mostly from different videos, 0.47.
    """
    size = box[2:] - box[:2]
    reach = np.ceil(np.maximum(size / SIDE, 1))
    low = np.floor(box[:2] - reach).clip(0, np.subtract(image.shape[1::-1], 1)).astype(int)
    high = np.ceil(box[2:] + reach).clip(low + 1, image.shape[1::-1]).astype(int)
    part = cv2.cvtColor(image[low[1] : high[1], low[0] : high[0]], cv2.COLOR_RGB2GRAY)
    zoom = SIDE / size
    # Blur before shrinking, or the small image would alias.
    part = cv2.GaussianBlur(part, (0, 0), float(max(0.3, 0.5 / zoom.mean())))
    matrix = np.array(
        [[zoom[0], 0, zoom[0] * (low[0] - box[0]) - 0.5], [0, zoom[1], zoom[1] * (low[1] - box[1]) - 0.5]]
    )
    small = cv2.warpAffine(part, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    values = small.astype(np.float64).ravel() - small.mean()
    return np.asarray(values / max(float(np.linalg.norm(values)), 1e-9), np.float64)


def assign(costs: NDArray[np.float64], limit: float) -> list[tuple[int, int]]:
    """Return the pairs (row, column) of least total cost (Hungarian algorithm), each of at most `limit`.

    More pairs win over fewer cheaper ones. Costs are (R, C), infinite where a pair is impossible.
    """
    from scipy.optimize import linear_sum_assignment

    possible = costs <= limit
    rows, columns = linear_sum_assignment(np.where(possible, costs, _FORBIDDEN))
    return [(int(row), int(column)) for row, column in zip(rows, columns, strict=True) if possible[row, column]]


def distances(first: Boxes, second: Boxes) -> NDArray[np.float64]:
    """Return how far apart boxes (A, 4) and (B, 4) are and how different in size: (A, B), in sides of the larger."""
    sides = [np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(1)) for boxes in (first, second)]
    middles = [(boxes[:, :2] + boxes[:, 2:]) / 2 for boxes in (first, second)]
    apart = np.linalg.norm(middles[0][:, None] - middles[1][None], axis=2)
    larger = np.maximum(sides[0][:, None], sides[1][None])
    unlike = np.abs(np.log(sides[0][:, None] / sides[1][None]))
    return np.asarray(apart / larger + unlike, np.float64)
