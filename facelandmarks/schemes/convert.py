"""Points of one layout as points of another, as data: what stands for what, how good that is, how far off it was found.

Measured residuals stand beside each conversion where there are faces that people labelled in both layouts. There are
few: see `Residuals`. What a model gives for the same face in two layouts is no label, and is not used.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facelandmarks.errors import InvalidOptionError
from facelandmarks.schemes.conversions import Conversion
from facelandmarks.schemes.scheme import SCHEMES, Scheme
from facelandmarks.schemes.tables import TABLES

CONVERSIONS: Mapping[tuple[str, str], Conversion] = MappingProxyType(
    {(conversion.source, conversion.target): conversion for conversion in TABLES}
)


def get_conversion(source: str, target: str) -> Conversion:
    """The conversion between two layouts.

    Raises
    ------
    InvalidOptionError
        If there is none; the message lists them.
    """
    if (source, target) not in CONVERSIONS:
        known = ", ".join(f"{a} to {b}" for a, b in CONVERSIONS)
        raise InvalidOptionError(f"points of {source!r} cannot be converted to {target!r}; there are: {known}")
    return CONVERSIONS[source, target]


def convert_points(points: ArrayLike, source: str, target: str) -> NDArray[Any]:
    """Points of one layout as points of another.

    Parameters
    ----------
    points
        (..., K, 2) in any unit, K points of `source`.
    source, target
        Names of layouts: a key of `CONVERSIONS`, or twice the same.

    Returns
    -------
    ndarray
        (..., K', 2), a copy; NaN where the conversion's `kinds` say "unavailable".

    Raises
    ------
    InvalidOptionError
        If there is no conversion between these layouts, or `points` has another number of points.
    """
    given = np.asarray(points)
    conversion = None if source == target and source in SCHEMES else get_conversion(source, target)
    count = len(SCHEMES[source])
    if given.shape[-2:] != (count, 2):
        raise InvalidOptionError(f"points of {source} must be (..., {count}, 2); got {given.shape}")
    return given.copy() if conversion is None else conversion.apply(given)


def convert(points: ArrayLike, source: str | Scheme, target: str | Scheme) -> NDArray[Any]:
    """Points (..., K, 2) of one layout as points (..., K', 2) of another; NaN where the source has nothing for a point.

    `CONVERSIONS` says which there are, what stands for what, and how far off it is known to be.

    Raises
    ------
    InvalidOptionError
        If there is no conversion between these layouts, or `points` has another number of points.
    """
    names = (given.name if isinstance(given, Scheme) else given for given in (source, target))
    return convert_points(points, *names)
