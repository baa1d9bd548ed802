"""Point layouts: how many landmarks, what they are called, which mirror which, and how to join them in a drawing.

"left" and "right" are sides of the picture as one looks at it, not of the person.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from facelandmarks.errors import UnknownModelError


@dataclass(frozen=True)
class Contour:
    """Points `start` to `stop` (inclusive) that a line joins in this order."""

    name: str
    start: int
    stop: int
    closed: bool = False

    @property
    def points(self) -> tuple[int, ...]:
        """Indices of the points, in drawing order."""
        return tuple(range(self.start, self.stop + 1))


@dataclass(frozen=True)
class Scheme:
    """A point layout.

    Attributes
    ----------
    name
        What the layout is called here.
    contours
        Lines; every point belongs to at least one.
    pairs
        Points that change places in a mirrored picture.
    normaliser
        The two points whose distance divides the error in the usual NME.
    source
        Where order and pairs are published.
    """

    name: str
    contours: tuple[Contour, ...]
    pairs: tuple[tuple[int, int], ...]
    normaliser: tuple[int, int] | None
    source: str = field(compare=False)

    def __len__(self) -> int:
        return 1 + max(contour.stop for contour in self.contours)

    @cached_property
    def mirror(self) -> NDArray[np.intp]:
        """Index (K,) of each point's mirror image; a point on the axis is its own."""
        order = np.arange(len(self))
        first, second = np.array(self.pairs).T
        order[first], order[second] = second, first
        order.setflags(write=False)
        return order

    @cached_property
    def names(self) -> tuple[str, ...]:
        """One name a point: contour and place on it."""
        found = [""] * len(self)
        for contour in self.contours:
            for place, point in enumerate(contour.points):
                found[point] = f"{contour.name}_{place}"
        return tuple(found)


# fmt: off
IBUG68 = Scheme(
    name="ibug68",
    contours=(
        Contour("jaw", 0, 16),
        Contour("brow_left", 17, 21),
        Contour("brow_right", 22, 26),
        Contour("nose_bridge", 27, 30),
        Contour("nose_base", 31, 35),
        Contour("eye_left", 36, 41, closed=True),
        Contour("eye_right", 42, 47, closed=True),
        Contour("lips_outer", 48, 59, closed=True),
        Contour("lips_inner", 60, 67, closed=True),
    ),
    pairs=(
        (0, 16), (1, 15), (2, 14), (3, 13), (4, 12), (5, 11), (6, 10), (7, 9),
        (17, 26), (18, 25), (19, 24), (20, 23), (21, 22), (31, 35), (32, 34),
        (36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46),
        (48, 54), (49, 53), (50, 52), (55, 59), (56, 58), (60, 64), (61, 63), (65, 67),
    ),
    normaliser=(36, 45),
    source="300-W; pairs as in MMPose 1.3.2 configs/_base_/datasets/300w.py",
)
# fmt: on

SCHEMES: Mapping[str, Scheme] = MappingProxyType({scheme.name: scheme for scheme in (IBUG68,)})


def get_scheme(name: str) -> Scheme:
    """The layout of that name.

    Raises
    ------
    UnknownModelError
        If there is none.
    """
    if name not in SCHEMES:
        raise UnknownModelError(f"no point scheme {name!r}; there are: {', '.join(sorted(SCHEMES))}")
    return SCHEMES[name]
