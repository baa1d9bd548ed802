"""Steady points without much lag: One-Euro filters in the coordinates of the face.

A face is taken apart into where it is, how large, how it is turned, and its shape: the points as they lie in an upright
face of size 1. Each part is smoothed at the speed at which it changes. So a face that walks, nears or tilts its head
does not drag its points behind, while points that tremble inside of it are held; and the same numbers fit small faces
and large ones, few frames a second and many.

The filter is that of Casiez, Roussel and Vogel, "1 Euro Filter", CHI 2012: a first-order low-pass filter whose cut-off
frequency grows with speed.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Cutoffs:
    """Of one filter.

    Attributes
    ----------
    least
        Cut-off frequency at rest, in Hz: lower is steadier.
    slope
        By how many Hz it rises for each unit of speed (a unit is a face size, a radian, or a factor e of size, a
        second): higher lags less.
    speed
        Cut-off frequency of the filter of the speed itself, in Hz.
    """

    least: float
    slope: float
    speed: float


@dataclass(frozen=True)
class Smoothing:
    """How points are smoothed; `benchmarks/video.py` measures what the numbers give.

    Attributes
    ----------
    place, pose, shape
        The middle of the face; its size and turn; its points, seen from there.
    gap
        Seconds without the face, after which it is begun anew.
    """

    place: Cutoffs = Cutoffs(0.4, 40.0, 1.5)
    pose: Cutoffs = Cutoffs(0.4, 40.0, 1.5)
    shape: Cutoffs = Cutoffs(0.4, 40.0, 1.0)
    gap: float = 0.25


class OneEuro:
    """One-Euro filter of complex numbers (...,); each element has the cut-off that its own speed asks for."""

    def __init__(self, cutoffs: Cutoffs, value: NDArray[np.complex128]) -> None:
        self._cutoffs = cutoffs
        self._last = self._value = value
        self._speed = np.zeros_like(value)

    def update(self, value: NDArray[np.complex128], step: float, unit: float = 1.0) -> NDArray[np.complex128]:
        """The smoothed value, `step` seconds after the last one; speeds count in `unit` a second."""
        # The speed of the values as they come: counted from the smoothed ones it would be too high after each start.
        speed, self._last = (value - self._last) / step, value
        self._speed = self._speed + _weight(self._cutoffs.speed, step) * (speed - self._speed)
        cutoff = self._cutoffs.least + self._cutoffs.slope * np.abs(self._speed) / unit
        self._value = self._value + _weight(cutoff, step) * (value - self._value)
        return self._value


def _weight(cutoff: float | NDArray[np.float64], step: float) -> float | NDArray[np.float64]:
    """Weight of a new value in a first-order low-pass filter, whatever the step in seconds."""
    return 1 / (1 + 1 / (2 * np.pi * cutoff * step))


class FaceSmoother:
    """Smooths the points of one face.

    Parameters
    ----------
    smoothing
        How.
    """

    def __init__(self, smoothing: Smoothing) -> None:
        self._smoothing = smoothing
        self._time = -np.inf
        self._parts: _Parts | None = None

    def smooth(self, points: NDArray[np.floating], time: float) -> NDArray[np.float32]:
        """The points, smoothed.

        Parameters
        ----------
        points
            (K, 2) in pixels; they must not all be on one upright or level line.
        time
            In seconds, later than in the call before.

        Returns
        -------
        ndarray
            float32 (K, 2). The first time and after a gap, the points as they are.
        """
        step, self._time = time - self._time, time
        plane = points[:, 0].astype(np.float64) + 1j * points[:, 1]
        if self._parts is None or not 0 < step <= self._smoothing.gap:
            self._parts = _Parts(self._smoothing, plane)
            return points.astype(np.float32)
        smoothed = self._parts.update(plane, step)
        return np.stack([smoothed.real, smoothed.imag], axis=-1).astype(np.float32)


class _Parts:
    """Place, pose and shape of a face, each with its filter.

    Points are complex numbers: size and turn are one factor then, and its logarithm has them side by side.
    """

    def __init__(self, smoothing: Smoothing, points: NDArray[np.complex128]) -> None:
        place = np.array(points.mean())
        around = points - place
        side = float(np.sqrt(np.ptp(around.real) * np.ptp(around.imag)))
        self._reference = around / side
        self._pose = complex(np.log(side))
        self._place_filter = OneEuro(smoothing.place, place)
        self._pose_filter = OneEuro(smoothing.pose, np.array(self._pose))
        self._shape_filter = OneEuro(smoothing.shape, self._reference)

    def update(self, points: NDArray[np.complex128], step: float) -> NDArray[np.complex128]:
        """The smoothed points."""
        place = np.array(points.mean())
        # Least squares: how the reference lies upon the points.
        factor = np.vdot(self._reference, points - place) / np.vdot(self._reference, self._reference)
        # Counted on from the last pose, so that the angle does not jump where a turn is full.
        self._pose += complex(np.log(factor / np.exp(self._pose)))
        middle = self._place_filter.update(place, step, unit=float(abs(factor)))
        pose = self._pose_filter.update(np.array(self._pose), step)
        return middle + np.exp(pose) * self._shape_filter.update((points - place) / factor, step)
