"""Schemes (point layouts), and conversions between them."""

from facelandmarks.schemes.conversions import KINDS, Conversion, Kind, Point, Residuals
from facelandmarks.schemes.convert import CONVERSIONS, convert, get_conversion
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
    check_points,
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
    "check_points",
    "convert",
    "get_conversion",
    "get_scheme",
]
