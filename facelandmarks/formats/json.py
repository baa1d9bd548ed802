"""Landmarks from the lists and numbers of `Landmarks.to_dict`, and from the same as JSON text."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from facelandmarks.errors import InvalidOptionError
from facelandmarks.results import Landmarks
from facelandmarks.schemes import get_scheme


def from_json(text: str) -> Landmarks:
    """The landmarks of one picture from `Landmarks.to_json`; errors are those of `from_dict`."""
    try:
        record = json.loads(text)
    except json.JSONDecodeError as error:
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
        size = (int(record["width"]), int(record["height"]))
        return from_faces(record["faces"], record["scheme"], size, record["detector"])
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidOptionError(f"these are no landmarks of a picture: {type(error).__name__}: {error}") from error


def from_faces(
    faces: Sequence[Mapping[str, Any]], scheme: str, size: tuple[int, int], detector: str | None
) -> Landmarks:
    """Landmarks from faces as `Face.to_dict` gives them; `ValueError` for another number of points."""
    layout = get_scheme(scheme)
    return Landmarks(
        points=_stack([face["points"] for face in faces], (len(layout), 2)),
        scores=_stack([face["scores"] for face in faces], (len(layout),)),
        boxes=_stack([face["box"] for face in faces], (4,)),
        box_scores=_stack([face["box_score"] for face in faces], ()),
        scheme=layout,
        image_size=size,
        detector=detector,
    )


def _stack(values: Sequence[Any], shape: tuple[int, ...]) -> Any:
    """float32 (N, *shape)."""
    array = np.array(values, np.float32).reshape(len(values), -1) if values else np.zeros(0, np.float32)
    return array.reshape(len(values), *shape)
