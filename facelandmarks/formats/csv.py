"""A table with one line per face."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from facelandmarks.errors import InvalidOptionError, require
from facelandmarks.formats import CARRIED

if TYPE_CHECKING:
    import pandas as pd

IMAGE = ("width", "height", "scheme", "detector")
BOX = ("box_x1", "box_y1", "box_x2", "box_y2")
DETECTOR_POINTS = tuple(f"detector_{axis}_{index}" for index in range(5) for axis in "xy")


def rows_of(record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield one row per face: its number, its fields, and those of the image.

    An image without faces has one row, in which all that belongs to a face is None.
    """
    image = {name: record[name] for name in IMAGE}
    nothing = dict.fromkeys(("face", "box", "box_score", "points", "scores", *CARRIED))
    for face in [{"face": number, **face} for number, face in enumerate(record["faces"])] or [nothing]:
        yield {**image, **face}


def carried_by(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the fields of `CARRIED` that a face has."""
    faces = (face for record in records for face in record["faces"])
    found = {name for face in faces for name in CARRIED if face[name] is not None}
    return [name for name in CARRIED if name in found]


def columns(landmarks: int, carried: Sequence[str] = ()) -> list[str]:
    """Return the header of a table of faces with so many points, and with these fields of `CARRIED`."""
    points = [f"{name}_{index}" for index in range(landmarks) for name in ("x", "y", "score")]
    further = (DETECTOR_POINTS if name == "detector_points" else _numbered(name, landmarks) for name in carried)
    return [*IMAGE, "face", *BOX, "box_score", *points, *chain.from_iterable(further)]


def cells(row: Mapping[str, Any], landmarks: int, carried: Sequence[str] = ()) -> list[Any]:
    """Return the values of a row of `rows_of` under `columns`; None is an empty cell."""
    box = row["box"] or [None] * 4
    points = row["points"] or [(None, None)] * landmarks
    scores = row["scores"] or [None] * landmarks
    numbers = [value for (x, y), score in zip(points, scores, strict=True) for value in (x, y, score)]
    for name in carried:
        if name == "detector_points":
            numbers += chain.from_iterable(row[name] or [(None, None)] * 5)
        else:
            numbers += row[name] or [None] * landmarks
    return [*(row[name] for name in IMAGE), row["face"], *box, row["box_score"], *numbers]


def to_csv(record: Mapping[str, Any], landmarks: int) -> str:
    """Return the table of one image whose faces have so many points.

    It has columns for a field of `CARRIED` where the faces have it, and one line without a face if there are none.
    """
    carried = carried_by([record])
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns(landmarks, carried))
    writer.writerows(cells(row, landmarks, carried) for row in rows_of(record))
    return text.getvalue()


def to_pandas(record: Mapping[str, Any], landmarks: int) -> "pd.DataFrame":
    """Return the same table without the line that stands for no face, by the `pandas` package; NaN where unknown."""
    pandas = require("pandas", "to_pandas", '"facelandmarks-zoo[pandas]"')
    carried = carried_by([record])
    names = columns(landmarks, carried)
    lines = [cells(row, landmarks, carried) for row in rows_of(record)] if record["faces"] else []
    numbers = names[names.index("face") + 1 :]
    kinds = {"width": int, "height": int, "face": int, **dict.fromkeys(numbers, float)}
    table: pd.DataFrame = pandas.DataFrame(lines, columns=names).astype(kinds)
    return table


def from_csv(text: str) -> dict[str, Any]:
    """Return the record of the one image in a table of `to_csv`; `InvalidOptionError` for other tables."""
    try:
        lines = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    except csv.Error as error:
        raise InvalidOptionError(f"this is not a table: {error}") from error
    images = {tuple(line.get(name) for name in IMAGE) for line in lines}
    if len(images) != 1:
        raise InvalidOptionError(f"the table must hold one image, and has lines of {len(images)}")
    width, height, scheme, detector = images.pop()
    try:
        faces = [_face(line) for line in lines if line["face"] != ""]
        size = {"width": int(str(width)), "height": int(str(height))}
        return {**size, "scheme": scheme, "detector": detector or None, "faces": faces}
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidOptionError(f"this is not a table of faces: {type(error).__name__}: {error}") from error


def _face(line: Mapping[str, str]) -> dict[str, Any]:
    if None in line:
        raise ValueError("a line has more cells than the header")

    def numbers(*names: str) -> list[float | None]:
        return [None if line[name] == "" else float(line[name]) for name in names]

    count = sum(name.startswith("x_") for name in line)
    face = {
        "box": numbers(*BOX),
        "box_score": numbers("box_score")[0],
        "points": [numbers(f"x_{index}", f"y_{index}") for index in range(count)],
        "scores": numbers(*_numbered("score", count)),
    }
    if DETECTOR_POINTS[0] in line:
        face["detector_points"] = [numbers(*DETECTOR_POINTS[at : at + 2]) for at in range(0, 10, 2)]
    for name in ("depth", "expected_error"):
        if f"{name}_0" in line:
            face[name] = numbers(*_numbered(name, count))
    return face


def _numbered(name: str, count: int) -> list[str]:
    return [f"{name}_{index}" for index in range(count)]
