"""The step that DARK and UDP share: to where a surface, known by its derivatives at a pixel, has its peak."""

import numpy as np
from numpy.typing import NDArray

# Steps of a higher sensitivity are worked out from the whole map: the float32 logarithms, shifted by a constant, round
# to other last bits (1.2e-7 to 2.4e-7), which may move a point no further than 2e-4 px of a crop, four times the map.
FRAIL = 100.0


def taylor_step(
    gradient: tuple[NDArray[np.float64], NDArray[np.float64]],
    hessian: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Newton's step, and how much of an error in the values it was made of goes into it.

    Parameters
    ----------
    gradient
        First derivatives along x and y, (N, K) each.
    hessian
        Second derivatives along x, along y, mixed, (N, K) each.

    Returns
    -------
    step
        float64 (N, K, 2), pixels; not finite or 0 where there is no curvature.
    sensitivity
        float64 (N, K), pixels the step may move for each unit that the derivatives are off; 16 at the middle of a
        Gaussian of variance 8.
    """
    (gx, gy), (hxx, hyy, hxy) = gradient, hessian
    determinant = hxx * hyy - hxy * hxy
    with np.errstate(divide="ignore", invalid="ignore"):
        step = -np.stack([hyy * gx - hxy * gy, hxx * gy - hxy * gx], axis=-1) / determinant[..., None]
        sensitivity = (abs(hxx) + abs(hyy)) / abs(determinant) * (1 + abs(step).max(axis=-1))
    step[determinant == 0] = 0
    return step, sensitivity
