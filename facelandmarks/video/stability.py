"""How much points tremble, and how late they are."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facelandmarks.errors import InvalidOptionError

LONGEST_LAG = 0.5  # seconds
FINEST = 0.0005  # seconds


def jitter(points: ArrayLike, truth: ArrayLike | None = None) -> float:
    """How far points move from one frame to the next that should not: root mean square over points and frames.

    Parameters
    ----------
    points
        (T, K, 2), one face in successive frames, in pixels.
    truth
        (T, K, 2), the way that was really gone, if the face moved; a constant offset does not count. None: it held
        still.

    Returns
    -------
    float
        In fractions of the face's size: the geometric mean of width and height of the box of its points, mean over
        frames. 0.001 is a tenth of a pixel for a face of 100 pixels.
    """
    found = _sequence(points)
    off = found if truth is None else found - _like(truth, found)
    steps = np.diff(off, axis=0)
    return float(np.sqrt((steps**2).sum(axis=-1).mean()) / _size(found))


def lag(points: ArrayLike, reference: ArrayLike, times: ArrayLike) -> float:
    """By how much points come later than a reference, in milliseconds: the delay that explains them best.

    Parameters
    ----------
    points
        (T, K, 2), one face in successive frames, in pixels.
    reference
        (T, K, 2), where the points really were, or what came out without smoothing.
    times
        (T,), in seconds, rising; they need not be even.

    Returns
    -------
    float
        In milliseconds, to half of one, between -500 and 500; NaN if the reference does not move. The delay of least
        squares over all points, the reference taken as straight between its frames. A constant offset does not count.
    """
    found = _sequence(points)
    known = _like(reference, found)
    when = np.asarray(times, np.float64)
    if when.shape != (len(found),) or not (np.diff(when) > 0).all():
        raise InvalidOptionError(f"times must be {len(found)} rising numbers of seconds; got shape {when.shape}")
    if np.ptp(known, axis=0).max() < 1e-6:
        return float("nan")
    reach = min(LONGEST_LAG, (when[-1] - when[0]) / 4)
    delays = np.arange(-reach, reach + FINEST / 2, FINEST)
    # The same frames for every delay, or a delay that skips the lively ones would win.
    inside = (when - reach >= when[0] - 1e-9) & (when + reach <= when[-1] + 1e-9)
    errors = [_misfit(found[inside], _at(when[inside] - delay, when, known)) for delay in delays]
    return float(delays[int(np.argmin(errors))] * 1000)


def _misfit(found: NDArray[np.float64], known: NDArray[np.float64]) -> float:
    off = found - known
    return float(((off - off.mean(axis=0)) ** 2).sum())


def _at(wanted: NDArray[np.float64], times: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values (T, K, 2) at other times, by straight lines."""
    after = np.searchsorted(times, wanted).clip(1, len(times) - 1)
    share = ((wanted - times[after - 1]) / (times[after] - times[after - 1]))[:, None, None]
    return np.asarray((1 - share) * values[after - 1] + share * values[after], np.float64)


def _sequence(points: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(points, np.float64)
    if array.ndim != 3 or array.shape[2] != 2 or len(array) < 2:
        raise InvalidOptionError(f"points must be (T, K, 2) of at least two frames; got shape {array.shape}")
    return array


def _like(other: ArrayLike, found: NDArray[np.float64]) -> NDArray[np.float64]:
    array = np.asarray(other, np.float64)
    if array.shape != found.shape:
        raise InvalidOptionError(f"both must have one shape; got {found.shape} and {array.shape}")
    return array


def _size(points: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.ptp(points, axis=1).prod(axis=-1)).mean())
