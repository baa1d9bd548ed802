"""Point layouts (schemes), and conversions between them, which are read when they are first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from facelandmarks.schemes.scheme import (
    AFLW19,
    ANIME28,
    COFW29,
    DEEPFASHION_FULL,
    DEEPFASHION_LOWER,
    DEEPFASHION_UPPER,
    IBUG68,
    LAPA106,
    MESH468,
    MESH478,
    POINTS5,
    SCHEMES,
    WFLW98,
    Contour,
    Scheme,
    check_points,
    get_scheme,
)  # fmt: skip

if TYPE_CHECKING:
    from facelandmarks.schemes.conversions import (
        CONVERSIONS,
        KINDS,
        Conversion,
        Kind,
        Point,
        Residuals,
        convert,
        get_conversion,
    )

__all__ = [
    "AFLW19", "ANIME28", "COFW29", "CONVERSIONS", "DEEPFASHION_FULL", "DEEPFASHION_LOWER", "DEEPFASHION_UPPER",
    "IBUG68", "KINDS", "LAPA106", "MESH468", "MESH478", "POINTS5", "SCHEMES", "WFLW98", "Contour", "Conversion", "Kind",
    "Point", "Residuals", "Scheme", "check_points", "convert", "get_conversion", "get_scheme",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.conversions"), name)
