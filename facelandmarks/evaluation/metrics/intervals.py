"""How sure a mean over faces is."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


def bootstrap_interval(
    statistic: Callable[[NDArray[np.intp]], float],
    faces: int,
    *,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of a number that is computed from faces.

    Parameters
    ----------
    statistic
        The number, from indices (N,) of faces drawn with repetition:
        `lambda drawn: mean_error(errors[drawn], valid[drawn])`.
    faces
        How many there are.
    level
        Share of the resamples inside the interval.
    resamples
        How many data sets of the same size are drawn.
    seed
        Of the drawing: one seed, one interval.

    Returns
    -------
    low, high
        In the unit of the statistic. It says how the number would vary with other pictures of the same kind, not
        between trainings. Faces are drawn, not points: the points of one face are not independent.

    Notes
    -----
    Source: Efron, Bootstrap Methods: Another Look at the Jackknife, 1979.
    """
    rng = np.random.default_rng(seed)
    values = [statistic(rng.integers(faces, size=faces)) for _ in range(resamples)]
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
