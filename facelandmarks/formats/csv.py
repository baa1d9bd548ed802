"""Landmarks as a table with one line a face, numbers rounded as in JSON."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from facelandmarks.errors import InvalidOptionError
from facelandmarks.formats.json import from_faces
from facelandmarks.results import Landmarks

PICTURE = ("width", "height", "scheme", "detector")
BOX = ("box_x1", "box_y1", "box_x2", "box_y2")


def rows_of(record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One row a face of what `Landmarks.to_dict` gives: its number, and what is known of the picture.

    A picture without faces has one row whose `face`, `box`, `box_score`, `points` and `scores` are None.
    """
    picture = {name: record[name] for name in PICTURE}
    for number, face in enumerate(record["faces"]):
        yield {**picture, "face": number, **face}
    if not record["faces"]:
        yield {**picture, "face": None, "box": None, "box_score": None, "points": None, "scores": None}


def columns(landmarks: int) -> list[str]:
    """The head of the table for faces of so many points."""
    points = [f"{name}_{index}" for index in range(landmarks) for name in ("x", "y", "score")]
    return [*PICTURE, "face", *BOX, "box_score", *points]


def cells(row: Mapping[str, Any], landmarks: int) -> list[Any]:
    """The values of a row of `rows_of` under `columns`; None is an empty cell."""
    box = row["box"] or [None] * 4
    points = row["points"] or [(None, None)] * landmarks
    scores = row["scores"] or [None] * landmarks
    numbers = [value for (x, y), score in zip(points, scores, strict=True) for value in (x, y, score)]
    return [*(row[name] for name in PICTURE), row["face"], *box, row["box_score"], *numbers]


def to_csv(faces: Landmarks) -> str:
    """A head and one line a face; without faces one line that has only the size, scheme and detector."""
    count = faces.points.shape[1]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns(count))
    writer.writerows(cells(row, count) for row in rows_of(faces.to_dict()))
    return text.getvalue()


def from_csv(text: str) -> Landmarks:
    """The landmarks of one picture from `to_csv`.

    Raises
    ------
    InvalidOptionError
        If a column is missing, a value is no number, there is no such point scheme, or the lines are of several
        pictures.
    """
    try:
        lines = list(csv.DictReader(io.StringIO(text)))
    except csv.Error as error:
        raise InvalidOptionError(f"this is no table: {error}") from error
    pictures = {tuple(line.get(name) for name in PICTURE) for line in lines}
    if len(pictures) != 1:
        raise InvalidOptionError(f"expected the lines of one picture, found {len(pictures)} pictures")
    try:
        width, height, scheme, detector = pictures.pop()
        found = [_face(line) for line in lines if line["face"] != ""]
        return from_faces(found, str(scheme), (int(str(width)), int(str(height))), detector or None)
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidOptionError(f"these are no landmarks of a picture: {type(error).__name__}: {error}") from error


def _face(line: Mapping[str, str]) -> dict[str, Any]:
    if None in line:
        raise ValueError("a line has more cells than the head")
    count = sum(name.startswith("x_") for name in line)
    return {
        "box": _numbers([line[name] for name in BOX]),
        "box_score": _numbers([line["box_score"]])[0],
        "points": [_numbers([line[f"x_{index}"], line[f"y_{index}"]]) for index in range(count)],
        "scores": _numbers([line[f"score_{index}"] for index in range(count)]),
    }


def _numbers(texts: Sequence[str]) -> list[float | None]:
    return [None if text == "" else float(text) for text in texts]
