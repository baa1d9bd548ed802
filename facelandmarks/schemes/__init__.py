"""Point layouts (schemes), and conversions between them."""

from facelandmarks.schemes.conversions import KINDS, Conversion, Kind, Point, Residuals
from facelandmarks.schemes.convert import CONVERSIONS, convert, convert_points, get_conversion
from facelandmarks.schemes.scheme import SCHEMES, Contour, Scheme, get_scheme

__all__ = [
    "CONVERSIONS",
    "KINDS",
    "SCHEMES",
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
