"""Point layouts (schemes), and conversions between them."""

from facelandmarks.schemes.conversions import KINDS, Conversion, Kind, Point, Residuals
from facelandmarks.schemes.convert import CONVERSIONS, convert, convert_points, get_conversion
from facelandmarks.schemes.scheme import (
    AFLW19,
    ANIME28,
    COFW29,
    DEEPFASHION_FULL,
    DEEPFASHION_LOWER,
    DEEPFASHION_UPPER,
    IBUG68,
    LAPA106,
    POINTS5,
    SCHEMES,
    WFLW98,
    Contour,
    Scheme,
    get_scheme,
)

__all__ = [
    "AFLW19",
    "ANIME28",
    "COFW29",
    "CONVERSIONS",
    "DEEPFASHION_FULL",
    "DEEPFASHION_LOWER",
    "DEEPFASHION_UPPER",
    "IBUG68",
    "KINDS",
    "LAPA106",
    "POINTS5",
    "SCHEMES",
    "WFLW98",
    "Contour",
    "Conversion",
    "Kind",
    "Point",
    "Residuals",
    "Scheme",
    "convert",
    "convert_points",
    "get_conversion",
    "get_scheme",
]
