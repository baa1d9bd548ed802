"""Where a face will be: constant velocity of its box."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from facelandmarks.boxes import Boxes

# Gains of the filter (alpha-beta, critically damped: beta = alpha^2 / (2 - alpha)). High: landmarks are little noise
# beside the way a face goes between frames.
POSITION_GAIN = 0.7
VELOCITY_GAIN = POSITION_GAIN**2 / (2 - POSITION_GAIN)
COASTS = 0.75  # seconds for which an unseen face is taken to keep its velocity
LONGEST_STEP = 0.2  # seconds; after longer gaps two positions say nothing of a velocity now


@dataclass(frozen=True, eq=False)
class Motion:
    """State of a box at a time.

    Attributes
    ----------
    state
        float64 (4,): centre x and y in pixels, logarithms of width and height.
    velocity
        float64 (4,): the same, a second.
    time
        In seconds.
    """

    state: NDArray[np.float64]
    velocity: NDArray[np.float64]
    time: float

    @classmethod
    def at_rest(cls, box: Boxes, time: float) -> "Motion":
        """A box (4,) xyxy of which nothing more is known."""
        return cls(_to_state(box), np.zeros(4), time)

    def box(self, time: float) -> Boxes:
        """The box (4,) that is expected then."""
        return _to_box(self._ahead(time))

    def updated(self, box: Boxes, time: float) -> "Motion":
        """The motion after a box was seen."""
        step = time - self.time
        if step > LONGEST_STEP:
            return replace(self.at_rest(box, time), velocity=np.zeros(4))
        expected = self._ahead(time)
        missed_by = _to_state(box) - expected
        return Motion(expected + POSITION_GAIN * missed_by, self.velocity + VELOCITY_GAIN / step * missed_by, time)

    def _ahead(self, time: float) -> NDArray[np.float64]:
        moved = self.state + self.velocity * min(time - self.time, COASTS)
        # A zoom does not go on while a face is unseen as its way does.
        short = self.velocity[2:] * min(time - self.time, LONGEST_STEP)
        return np.concatenate([moved[:2], self.state[2:] + short])


def _to_state(box: Boxes) -> NDArray[np.float64]:
    return np.concatenate([(box[:2] + box[2:]) / 2, np.log(box[2:] - box[:2])])


def _to_box(state: NDArray[np.float64]) -> Boxes:
    half = np.exp(state[2:]) / 2
    return np.concatenate([state[:2] - half, state[:2] + half])
