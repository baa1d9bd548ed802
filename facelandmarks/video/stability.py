"""Measures of points in time: how much they tremble, and how late they are."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facelandmarks.errors import InvalidOptionError

LONGEST_LAG = 0.5  # seconds
FINEST = 0.0005  # seconds


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

    Least squares over all points, to half a millisecond between -500 and 500; a constant offset does not count. NaN if
    the reference does not move. `points` (T, K, 2) are as in `jitter`; `reference` (T, K, 2), the true points or those
    without smoothing, is interpolated between frames; `times` (T,) are in seconds, rising, in any steps.
    """
    found = _path(points)
    known = _path(reference, found.shape)
    when = np.asarray(times, np.float64)
    if when.shape != (len(found),) or not (np.diff(when) > 0).all():
        raise InvalidOptionError(f"times must be {len(found)} increasing numbers of seconds; got shape {when.shape}")
    if np.ptp(known, axis=0).max() < 1e-6:
        return float("nan")
    reach = min(LONGEST_LAG, (when[-1] - when[0]) / 4)
    delays = np.arange(-reach, reach + FINEST / 2, FINEST)
    # The same frames for every delay, or a delay that leaves out the lively ones would win.
    inside = (when - reach >= when[0] - 1e-9) & (when + reach <= when[-1] + 1e-9)
    errors = []
    for delay in delays:
        wanted = when[inside] - delay
        after = np.searchsorted(when, wanted).clip(1, len(when) - 1)
        share = ((wanted - when[after - 1]) / (when[after] - when[after - 1]))[:, None, None]
        off = found[inside] - ((1 - share) * known[after - 1] + share * known[after])
        errors.append(((off - off.mean(axis=0)) ** 2).sum())
    return float(delays[int(np.argmin(errors))] * 1000)


def _path(points: ArrayLike, shape: tuple[int, ...] | None = None) -> NDArray[np.float64]:
    """Return points as float64 (T, K, 2), if they have the given shape."""
    array = np.asarray(points, np.float64)
    if shape is not None and array.shape != shape:
        raise InvalidOptionError(f"both must have the same shape; got {shape} and {array.shape}")
    if array.ndim != 3 or array.shape[2] != 2 or len(array) < 2:
        raise InvalidOptionError(f"points must be (T, K, 2) with at least two frames; got shape {array.shape}")
    return array
