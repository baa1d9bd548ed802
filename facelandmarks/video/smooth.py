"""Steady points with little lag: One-Euro filters in the coordinates of the face, and measures of both.

A face is split into its place, its size and turn, and its shape: the points in an upright face of size 1. Each part is
smoothed according to its own speed, so that a face that walks, comes nearer or tilts its head does not drag its points
behind, while trembling points are held. The same settings fit small and large faces and all frame rates.

The filter is that of Casiez, Roussel and Vogel, "1 Euro Filter", CHI 2012: a first-order low-pass filter whose cut-off
frequency grows with speed.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facelandmarks._rules import is_number
from facelandmarks.errors import InvalidOptionError

LONGEST_LAG = 0.5  # seconds
FINEST = 0.0005  # seconds
LEAST_DIFFERENCE = 1e-3  # pixels: what delays differ by where they can be told apart


@dataclass(frozen=True)
class Cutoffs:
    """Settings of one filter. Speeds are in face sizes, radians, or factors e of size, per second."""

    least: float  # cut-off frequency at rest, in Hz: lower is steadier
    slope: float  # rise in Hz per unit of speed: higher lags less
    speed: float  # cut-off frequency of the filter of the speed itself, in Hz

    def __post_init__(self) -> None:
        known = all(map(is_number, (self.least, self.slope, self.speed)))
        if not (known and 0 < self.least < np.inf and 0 <= self.slope < np.inf and 0 < self.speed < np.inf):
            raise InvalidOptionError(f"least and speed must be positive, slope at least 0, and all finite; got {self}")


@dataclass(frozen=True)
class Smoothing:
    """How points are smoothed; `benchmarks/video.py` measures the effect of the numbers."""

    place: Cutoffs = Cutoffs(0.4, 40.0, 1.5)  # of the middle of the face
    pose: Cutoffs = Cutoffs(0.4, 40.0, 1.5)  # of its size and turn
    shape: Cutoffs = Cutoffs(0.4, 40.0, 1.0)  # of the points relative to these
    gap: float = 0.25  # seconds without the face after which the filters start anew
    sure: float = 0.02  # face sizes: points of a larger expected error follow more slowly

    def __post_init__(self) -> None:
        if not all(isinstance(part, Cutoffs) for part in (self.place, self.pose, self.shape)):
            raise InvalidOptionError(f"place, pose and shape must be Cutoffs(least, slope, speed); got {self}")
        if not (is_number(self.gap) and self.gap >= 0 and is_number(self.sure) and self.sure >= 0):
            raise InvalidOptionError(f"gap and sure must be numbers of at least 0; got {self.gap!r} and {self.sure!r}")


class OneEuro:
    """One-Euro filter of complex numbers (...,); each has the cut-off of its own speed."""

    def __init__(self, cutoffs: Cutoffs, value: NDArray[np.complex128]) -> None:
        self._cutoffs = cutoffs
        self._last = self._value = value
        self._speed = np.zeros_like(value)

    def update(
        self, value: NDArray[np.complex128], step: float, unit: float = 1.0, trust: float | NDArray[np.float64] = 1.0
    ) -> NDArray[np.complex128]:
        """Return the smoothed value `step` seconds after the last one; speeds count in `unit` per second."""
        # The speed of the raw values: that of the smoothed ones would be too high after each start.
        speed, self._last = (value - self._last) / step, value
        self._speed = self._speed + _weight(self._cutoffs.speed, step) * (speed - self._speed)
        cutoff = self._cutoffs.least + self._cutoffs.slope * np.abs(self._speed) / unit
        self._value = self._value + trust * _weight(cutoff, step) * (value - self._value)
        return self._value


def _weight(cutoff: float | NDArray[np.float64], step: float) -> float | NDArray[np.float64]:
    """Return the weight of a new value in a first-order low-pass filter, `step` seconds after the last one."""
    return 1 / (1 + 1 / (2 * np.pi * cutoff * step))


class FaceSmoother:
    """Smooths the points of one face."""

    def __init__(self, smoothing: Smoothing) -> None:
        self._smoothing = smoothing
        self._time = -np.inf
        self._parts: _Parts | None = None

    def smooth(
        self, points: NDArray[np.floating], time: float, expected_error: NDArray[np.floating] | None = None
    ) -> NDArray[np.float32]:
        """Smooth the points of the next frame; the first ones, and those after a gap, stay as they are.

        `points` (K, 2) in pixels are not all on one level or upright line; `time` is in seconds;
        `expected_error` (K,) in pixels, if known, makes doubtful points count less within the face.
        """
        step, self._time = time - self._time, time
        plane = points[:, 0].astype(np.float64) + 1j * points[:, 1]
        if self._parts is None or not 0 < step <= self._smoothing.gap:
            self._parts = _Parts(self._smoothing, plane)
            return points.astype(np.float32)
        trust = np.ones(len(points))
        if expected_error is not None:
            sure = self._smoothing.sure * np.sqrt(np.ptp(plane.real) * np.ptp(plane.imag))
            trust = np.minimum(1.0, np.square(sure / np.maximum(expected_error, 1e-9)))
        smoothed = self._parts.update(plane, step, trust)
        return np.stack([smoothed.real, smoothed.imag], axis=-1).astype(np.float32)


class _Parts:
    """Place, pose and shape of a face, each with its filter.

    Points are complex numbers, so that size and turn are one factor, with a logarithm that has them side by side.
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

    def update(self, points: NDArray[np.complex128], step: float, trust: NDArray[np.float64]) -> NDArray[np.complex128]:
        place = np.array(points.mean())
        # The pose of the reference that fits the points best (least squares).
        factor = np.vdot(self._reference, points - place) / np.vdot(self._reference, self._reference)
        # Relative to the last pose, so that the angle does not jump after a full turn.
        self._pose += complex(np.log(factor / np.exp(self._pose)))
        middle = self._place_filter.update(place, step, unit=float(abs(factor)))
        pose = self._pose_filter.update(np.array(self._pose), step)
        return middle + np.exp(pose) * self._shape_filter.update((points - place) / factor, step, trust=trust)


def jitter(points: ArrayLike, truth: ArrayLike | None = None) -> float:
    """Return how far points move that should not, from frame to frame: root mean square over points and frames.

    `points` (T, K, 2) are one face in successive frames, in pixels; `truth` (T, K, 2) is the true path up to a constant
    offset, None if the face held still. The result is in face sizes: the geometric mean of width and height of the
    points' box, averaged over frames. 0.001 is a tenth of a pixel for a face of 100 pixels.
    """
    found = _path(points)
    off = found if truth is None else found - _path(truth, found.shape)
    size = float(np.sqrt(np.ptp(found, axis=1).prod(axis=-1)).mean())
    return float(np.sqrt((np.diff(off, axis=0) ** 2).sum(axis=-1).mean()) / size)


def lag(points: ArrayLike, reference: ArrayLike, times: ArrayLike) -> float:
    """Return the delay of points behind a reference, in milliseconds: the one that explains them best.

    Least squares over all points, to half a millisecond between -500 and 500, at most a quarter of the time; a constant
    offset does not count. NaN if every delay explains them as well: the reference does not move, or at one velocity, or
    there are too few frames. `points` (T, K, 2) are as in `jitter`; `reference` (T, K, 2), the true points or those
    without smoothing, is interpolated between frames; `times` (T,) are in seconds, rising, in any steps.
    """
    found = _path(points)
    known = _path(reference, found.shape)
    when = np.asarray(times, np.float64)
    if when.shape != (len(found),) or not (np.diff(when) > 0).all():
        raise InvalidOptionError(f"times must be {len(found)} increasing numbers of seconds; got shape {when.shape}")
    reach = min(LONGEST_LAG, (when[-1] - when[0]) / 4)
    delays = np.arange(-reach, reach + FINEST / 2, FINEST)
    # The same frames for every delay, or a delay that leaves out the lively ones would win.
    inside = (when - reach >= when[0] - 1e-9) & (when + reach <= when[-1] + 1e-9)
    if inside.sum() < 2:
        return float("nan")
    errors = []
    for delay in delays:
        wanted = when[inside] - delay
        after = np.searchsorted(when, wanted).clip(1, len(when) - 1)
        share = ((wanted - when[after - 1]) / (when[after] - when[after - 1]))[:, None, None]
        off = found[inside] - ((1 - share) * known[after - 1] + share * known[after])
        errors.append(((off - off.mean(axis=0)) ** 2).sum(axis=-1).mean())
    if not np.ptp(errors) > LEAST_DIFFERENCE**2:
        return float("nan")
    return float(delays[int(np.argmin(errors))] * 1000)


def _path(points: ArrayLike, shape: tuple[int, ...] | None = None) -> NDArray[np.float64]:
    """Return points as float64 (T, K, 2), if they have the given shape."""
    array = np.asarray(points, np.float64)
    if shape is not None and array.shape != shape:
        raise InvalidOptionError(f"both must have the same shape; got {shape} and {array.shape}")
    if array.ndim != 3 or array.shape[2] != 2 or len(array) < 2 or not array.size:
        raise InvalidOptionError(f"points must be (T, K, 2) with two frames and a point, or more; got {array.shape}")
    return array
