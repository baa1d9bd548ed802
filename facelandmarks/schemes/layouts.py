"""Positions of each scheme's points on a typical, upright subject, for drawings of the numbering.

Drawn by hand in a unit square, x right and y down: one position for each point on the axis and one for each pair, that
of the smaller index; the other is its mirror image. Eyes, brows and lips are larger than life and the mouth is open, so
that there is room for every number. Only the meshes' are computed (`facelandmarks.schemes.mesh`).
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from facelandmarks.errors import lookup
from facelandmarks.schemes import mesh
from facelandmarks.schemes.scheme import Scheme

Half = tuple[tuple[float, float], ...]

# fmt: off
# One face for all face schemes; the points of each part in the order of their indices.
_JAW: Half = (
    (.060, .235), (.061, .294), (.065, .353), (.071, .411), (.080, .469), (.092, .527), (.107, .583), (.126, .639),
    (.149, .693), (.175, .746), (.207, .795), (.243, .841), (.285, .883), (.333, .918), (.385, .944), (.441, .960),
    (.500, .965),
)
_BROW: Half = (  # the upper edge, then the lower edge back
    (.115, .145), (.170, .082), (.250, .048), (.335, .050), (.415, .085),
    (.410, .140), (.330, .108), (.252, .105), (.178, .130),
)
_EYE8: Half = (
    (.165, .275), (.215, .225), (.285, .205), (.355, .228), (.408, .285), (.350, .320), (.283, .335), (.213, .318),
)
_EYE6: Half = ((.165, .275), (.240, .213), (.332, .215), (.408, .285), (.330, .328), (.238, .328))
_PUPIL: Half = ((.286, .270),)
_NOSE_BRIDGE: Half = ((.500, .245), (.500, .325), (.500, .405), (.500, .485))
_NOSE_BASE: Half = ((.418, .552), (.458, .570), (.500, .584))
_NOSE_SIDE: Half = ((.462, .285), (.440, .420), (.402, .490), (.400, .550), (.452, .572), (.500, .584))
# The lower lip runs back from right to left: its right points have the smaller indices.
_LIPS_OUTER: Half = (
    (.290, .715), (.365, .672), (.450, .648), (.500, .662), (.655, .795), (.580, .845), (.500, .862),
)
_LIPS_INNER: Half = ((.350, .722), (.420, .708), (.500, .715), (.580, .788), (.500, .798))

_HALVES: Mapping[str, Half] = {
    "aflw19": (
        _BROW[0], (.255, .078), (.412, .112), _EYE8[0], *_PUPIL, _EYE8[4], _NOSE_SIDE[3], _NOSE_BRIDGE[3],
        _LIPS_OUTER[0], (.500, .757), _JAW[16],
    ),
    "cofw29": (
        _BROW[0], (.412, .112), _BROW[2], _BROW[7], _EYE8[0], _EYE8[4], _EYE8[2], _EYE8[6], *_PUPIL,
        _NOSE_SIDE[3], _NOSE_BRIDGE[3], _NOSE_BASE[2],
        _LIPS_OUTER[0], _LIPS_OUTER[3], _LIPS_INNER[2], _LIPS_INNER[4], _LIPS_OUTER[6], _JAW[16],
    ),
    "ibug68": (*_JAW[::2], *_BROW[:5], *_NOSE_BRIDGE, *_NOSE_BASE, *_EYE6, *_LIPS_OUTER, *_LIPS_INNER),
    "wflw98": (*_JAW, *_BROW, *_NOSE_BRIDGE, *_NOSE_BASE, *_EYE8, *_LIPS_OUTER, *_LIPS_INNER, *_PUPIL),
    "lapa106": (*_JAW, *_BROW, *_NOSE_BRIDGE, *_NOSE_SIDE, *_EYE8, *_PUPIL, *_LIPS_OUTER, *_LIPS_INNER, *_PUPIL),
    "points5": (_PUPIL[0], _NOSE_BRIDGE[3], _LIPS_OUTER[0]),
    "anime28": (
        (.060, .380), (.150, .720), (.500, .950), (.160, .150), (.270, .090), (.400, .140),
        (.130, .370), (.260, .250), (.400, .340), (.185, .530), (.280, .570), (.375, .535),
        (.500, .640), (.400, .750), (.500, .735), (.500, .835),
    ),
    "deepfashion_upper": ((.390, .100), (.080, .500), (.250, .920)),
    "deepfashion_lower": ((.330, .080), (.200, .940)),
    "deepfashion_full": ((.410, .060), (.160, .380), (.350, .430), (.200, .950)),
    "mesh468": tuple((x / 1000, y / 1000) for x, y in mesh.HALF[:-mesh.IRIS]),
    "mesh478": tuple((x / 1000, y / 1000) for x, y in mesh.HALF),
}
# fmt: on


def typical_layout(scheme: Scheme) -> NDArray[np.float64]:
    """Return typical positions of a scheme's points: float64 (K, 2) in a unit square, symmetric under its mirror."""
    half = np.array(lookup(_HALVES, scheme.name, "typical layout of scheme"))
    first = np.flatnonzero(np.arange(len(scheme)) <= scheme.mirror)
    points = np.empty((len(scheme), 2))
    points[scheme.mirror[first]] = half * (-1, 1) + (1, 0)
    points[first] = half
    return points
