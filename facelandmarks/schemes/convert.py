"""Conversion of points from one scheme to another.

Errors are measured on the few faces that people labelled in both schemes. A model's output for one face in two schemes
is not a label, and is not used.
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
    """Return the conversion between two schemes; `InvalidOptionError` lists them all if there is none."""
    if (source, target) not in CONVERSIONS:
        known = ", ".join(f"{a} to {b}" for a, b in CONVERSIONS)
        raise InvalidOptionError(f"points of {source!r} cannot be converted to {target!r}; there are: {known}")
    return CONVERSIONS[source, target]


def convert(points: ArrayLike, source: str | Scheme, target: str | Scheme) -> NDArray[Any]:
    """Convert points (..., K, 2) of one scheme to points (..., K', 2) of another; the result is a copy.

    `CONVERSIONS` holds the pairs that are possible, besides twice the same scheme. A point whose kind there is
    "unavailable" becomes NaN.

    Raises
    ------
    InvalidOptionError
        If there is no conversion between these schemes, or `points` has another number of points.
    """
    first, second = (given.name if isinstance(given, Scheme) else given for given in (source, target))
    array = np.asarray(points)
    conversion = None if first == second and first in SCHEMES else get_conversion(first, second)
    count = len(SCHEMES[first])
    if array.shape[-2:] != (count, 2):
        raise InvalidOptionError(f"points of {first} must be (..., {count}, 2); got {array.shape}")
    return array.copy() if conversion is None else conversion.apply(array)
