"""Checks that all measures share."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facelandmarks.errors import InvalidOptionError
from facelandmarks.schemes import Scheme, get_scheme


def checked(points: ArrayLike, scheme: str | Scheme) -> tuple[NDArray[np.float64], Scheme]:
    """Points as float64 (N, K, 2), and their scheme.

    Raises
    ------
    UnknownModelError
        If there is no such scheme.
    InvalidOptionError
        If the points do not fit it.
    """
    known = get_scheme(scheme) if isinstance(scheme, str) else scheme
    array = np.asarray(points, np.float64)
    if array.ndim != 3 or array.shape[1:] != (len(known), 2):
        raise InvalidOptionError(f"points of {known.name} must be (N, {len(known)}, 2); got {array.shape}")
    return array, known
