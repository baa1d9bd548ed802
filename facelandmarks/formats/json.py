"""Landmarks from the lists and numbers of `Landmarks.to_dict`, and from the same as JSON text."""

import operator
from collections.abc import Mapping, Sequence
from numbers import Real
from types import NoneType
from typing import Any

import numpy as np

from facelandmarks._files import parse_json
from facelandmarks.errors import InvalidOptionError
from facelandmarks.results import Landmarks
from facelandmarks.schemes import get_scheme

MOST_PIXELS = 2**31 - 1  # of a side: what Parquet's column holds


def from_json(text: str) -> Landmarks:
    """The landmarks of one picture from `Landmarks.to_json`; errors are those of `from_dict`."""
    try:
        record = parse_json(text)
    except ValueError as error:
        raise InvalidOptionError(f"this is no JSON: {error}") from error
    return from_dict(record)


def from_dict(record: Mapping[str, Any]) -> Landmarks:
    """The landmarks of one picture from `Landmarks.to_dict`; what is None becomes NaN, other fields are ignored.

    Raises
    ------
    InvalidOptionError
        If a field is missing or holds something else, or there is no such point scheme.
    """
    try:
        size = (record["width"], record["height"])
        return from_faces(record["faces"], record["scheme"], size, record["detector"])
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidOptionError(f"these are no landmarks of a picture: {type(error).__name__}: {error}") from error


def from_faces(
    faces: Sequence[Mapping[str, Any]], scheme: str, size: tuple[int, int], detector: str | None
) -> Landmarks:
    """Landmarks from faces as `Face.to_dict` gives them.

    Raises
    ------
    KeyError, TypeError, ValueError
        If something is missing, or is not what it should be: another number of points, a number that float32 cannot
        hold, a picture without pixels.
    """
    layout = get_scheme(scheme)
    if not isinstance(detector, str | None):
        raise TypeError(f"the detector is a name or None; got {detector!r:.50}")
    return Landmarks(
        points=_stack([face["points"] for face in faces], (len(layout), 2)),
        scores=_stack([face["scores"] for face in faces], (len(layout),)),
        boxes=_stack([face["box"] for face in faces], (4,)),
        box_scores=_stack([face["box_score"] for face in faces], ()),
        scheme=layout,
        image_size=(_side(size[0]), _side(size[1])),
        detector=detector,
    )


def _side(value: Any) -> int:
    side = int(operator.index(value))
    if not 0 < side <= MOST_PIXELS:
        raise ValueError(f"a side of a picture cannot have {side} pixels")
    return side


def _stack(values: Sequence[Any], shape: tuple[int, ...]) -> Any:
    """float32 (N, *shape)."""
    found = np.array(values, object) if values else np.zeros((0, *shape), object)
    if found.shape != (len(values), *shape) or not all(isinstance(value, Real | NoneType) for value in found.flat):
        raise ValueError(f"expected numbers of shape {shape} a face, got shape {found.shape[1:]} or no numbers")
    array = found.astype(np.float64)
    if (np.abs(array) > np.finfo(np.float32).max).any():
        raise ValueError("a number is infinite, or beyond float32")
    return array.astype(np.float32)
