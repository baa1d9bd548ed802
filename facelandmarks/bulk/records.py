"""What is said of one image (docs/json.md), and the same as rows."""

import os
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from facelandmarks.errors import InvalidOptionError
from facelandmarks.formats.csv import rows_of
from facelandmarks.results import Landmarks, image_record

Record = dict[str, Any]
Row = dict[str, Any]


def is_record(record: Mapping[str, Any], image: str | os.PathLike[str], model: str, scheme: str) -> bool:
    """Tell whether this is what `image_record` makes of the image, to the last digit."""
    error = record.get("error")
    try:
        faces = Landmarks.from_dict(record) if error is None else None
    except InvalidOptionError:
        return False
    if not isinstance(error, str | None) or (faces is not None and faces.scheme.name != scheme):
        return False
    return record == image_record(image, model, faces, error)


def status_of(record: Mapping[str, Any]) -> Literal["ok", "no_face", "failed"]:
    """Return `"failed"` with an error, else `"ok"` or `"no_face"`."""
    if record["error"] is not None:
        return "failed"
    return "ok" if record["faces"] else "no_face"


def named(image: str, error: str) -> str:
    """Return an error with the name of its image, unless it has it already."""
    return error if image in error else f"{image}: {error}"


def to_rows(record: Mapping[str, Any]) -> Iterator[Row]:
    """Return one row a face; one for an image without any, whose `status` and `error` say which it is.

    Fields: `image`, `model`, `status`, `error`, `width`, `height`, `scheme`, `detector`, `face` (its number in the
    image from 0), `box`, `box_score`, `points`, `scores`.
    """
    head = {
        "image": record["image"],
        "model": record["model"],
        "status": status_of(record),
        "error": record["error"],
    }
    return ({**head, **row} for row in rows_of(record))
