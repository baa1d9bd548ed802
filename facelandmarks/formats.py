"""Text that other programs read <-> plain records, as `Landmarks.to_dict` gives them: COCO, CSV, `.pts`.

COCO keypoints: one document for any number of images. Coordinates count from 0, the centre of the top-left pixel, as
MMPose reads them; `score` is that of the box. Other readers ignore fields that COCO does not have: `detector` of an
image, `keypoint_scores` of a face, those of `CARRIED` that it has.

CSV: one line per face. `.pts`, the files of 300-W: the points of one face, counted from 1.
"""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, count, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facelandmarks._files import parse_json
from facelandmarks.errors import InvalidOptionError, require
from facelandmarks.schemes import SCHEMES, Scheme, get_scheme

if TYPE_CHECKING:
    import pandas as pd

CARRIED = ("detector_points", "depth", "expected_error")
"""Fields of a face that are None where neither the detector nor the model gives them."""

CATEGORY = 1  # of COCO: a face
LABELLED = 2  # COCO's flag of a point that is there and visible; 0 is one without a label


def to_coco(records: Mapping[str, Mapping[str, Any]], scheme: Scheme | None = None) -> str:
    """Return the document of images by file name, all of one scheme (`scheme`: your own), or `InvalidOptionError`."""
    schemes = {record["scheme"] for record in records.values()}
    if len(schemes) != 1:
        raise InvalidOptionError(f"one document holds the points of one scheme; got {sorted(schemes)}")
    images, annotations, number = [], [], count(1)
    for image, (name, record) in enumerate(records.items(), 1):
        known = {key: record[key] for key in ("width", "height", "detector")}
        images.append({"id": image, "file_name": name, **known})
        annotations += [{"id": next(number), "image_id": image, **_annotation(face)} for face in record["faces"]]
    scheme = scheme or get_scheme(schemes.pop())
    lines = [(*contour.points, contour.points[0]) if contour.closed else contour.points for contour in scheme.contours]
    category = {
        "id": CATEGORY,
        "name": "face",
        "supercategory": "face",
        "keypoints": list(scheme.names),
        "skeleton": [[a + 1, b + 1] for line in lines for a, b in pairwise(line)],  # COCO counts from 1
    }
    return json.dumps({"images": images, "annotations": annotations, "categories": [category]}, allow_nan=False)


def _annotation(face: Mapping[str, Any]) -> dict[str, Any]:
    if None in face["box"]:
        raise InvalidOptionError("a face without a box cannot be written as COCO: give its boxes, or leave it out")
    left, top, right, bottom = face["box"]
    points = [(0, 0, 0) if None in point else (*point, LABELLED) for point in face["points"]]
    width, height = round(right - left, 3), round(bottom - top, 3)
    return {
        "category_id": CATEGORY,
        "iscrowd": 0,
        "bbox": [left, top, width, height],
        "area": round(width * height, 3),
        "keypoints": [*chain.from_iterable(points)],
        "num_keypoints": sum(flag > 0 for *_, flag in points),
        "score": face["box_score"],
        "keypoint_scores": face["scores"],
        **{name: face[name] for name in CARRIED if face[name] is not None},
    }


def from_coco(text: str | bytes, own: Scheme | None = None) -> dict[str, dict[str, Any]]:
    """Return the records of a document's images by file name; `InvalidOptionError` if it is of another kind.

    Its only category must have the point names of a scheme that is known here, or of `own`. Points without a label, and
    scores that the document does not have, are None.
    """
    try:
        document = parse_json(text)
        (category,), images = document["categories"], document["images"]
        names = tuple(category["keypoints"])
        known = [*SCHEMES.values(), *([own] if own else [])]
        scheme = next((scheme.name for scheme in known if scheme.names == names), None)
        if scheme is None:
            raise InvalidOptionError(f"no scheme here has these {len(names)} points: {', '.join(names[:3])}, ...")
        _check_unlike(image["id"] for image in images)
        _check_unlike(str(image["file_name"]) for image in images)
        faces: dict[Any, list[dict[str, Any]]] = {image["id"]: [] for image in images}
        for annotation in document["annotations"]:
            faces[annotation["image_id"]].append(_coco_face(annotation))
        return {
            str(image["file_name"]): {
                "width": image["width"],
                "height": image["height"],
                "scheme": scheme,
                "detector": image.get("detector"),
                "faces": faces[image["id"]],
            }
            for image in images
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidOptionError(f"this is not a COCO document of faces: {type(error).__name__}: {error}") from error


def _check_unlike(names: Iterable[Any]) -> None:
    for name, times in Counter(names).items():
        if times > 1:
            raise ValueError(f"two images are called {str(name)!r:.99}")


def _coco_face(annotation: Mapping[str, Any]) -> dict[str, Any]:
    left, top, width, height = annotation["bbox"]
    x, y, flags = (annotation["keypoints"][start::3] for start in range(3))
    points = [(a, b) if flag else (None, None) for a, b, flag in zip(x, y, flags, strict=True)]
    return {
        "box": [left, top, left + width, top + height],
        "box_score": annotation.get("score"),
        "points": points,
        "scores": annotation.get("keypoint_scores") or [None] * len(points),
        **{name: annotation.get(name) for name in CARRIED},
    }


# Columns of CSV files.
IMAGE = ("width", "height", "scheme", "detector")
BOX = ("box_x1", "box_y1", "box_x2", "box_y2")
DETECTOR_POINTS = tuple(f"detector_{axis}_{index}" for index in range(5) for axis in "xy")


def rows_of(record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a row per face: its number, its fields, and the image's; one without a face (None) if there are none."""
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
    """Return the table of one image whose faces have so many points; one line without a face if there are none."""
    carried, text = carried_by([record]), io.StringIO()
    lines = (cells(row, landmarks, carried) for row in rows_of(record))
    csv.writer(text, lineterminator="\n").writerows([columns(landmarks, carried), *lines])
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


def _decoded(text: str | bytes) -> str:
    """Return a text without its byte order mark; bytes are UTF-8."""
    try:
        return text.decode("utf-8-sig") if isinstance(text, bytes) else text.removeprefix("\ufeff")
    except (AttributeError, ValueError) as error:
        raise InvalidOptionError(f"expected a text, or its bytes in UTF-8; got {text!r:.99}") from error


def from_csv(text: str | bytes) -> dict[str, Any]:
    """Return the record of the one image in a table of `to_csv`; `InvalidOptionError` for other tables."""
    try:
        lines = list(csv.DictReader(io.StringIO(_decoded(text))))
    except csv.Error as error:
        raise InvalidOptionError(f"this is not a table: {error}") from error
    images = {tuple(line.get(name) for name in IMAGE) for line in lines}
    if len(images) != 1:
        raise InvalidOptionError(f"the table must hold one image, and has lines of {len(images)}")
    width, height, scheme, detector = images.pop()
    try:
        faces = [_csv_face(line) for line in lines if line["face"] != ""]
        size = {"width": int(str(width)), "height": int(str(height))}
        return {**size, "scheme": scheme, "detector": detector or None, "faces": faces}
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidOptionError(f"this is not a table of faces: {type(error).__name__}: {error}") from error


def _csv_face(line: Mapping[str, str]) -> dict[str, Any]:
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


ORIGIN = 1.0  # coordinate of the centre of the first pixel in .pts files; here it is 0
_HEADER = re.compile(r"version\s*:\s*\S*|n_points\s*:\s*(\d{1,9})(?!\S)", re.IGNORECASE)
_PLACE = re.compile(r"0{0,9}[1-9]\d{0,2}")
_FLAGS = {"True": True, "False": False, "1": True, "0": False}


def to_pts(points: NDArray[np.float32]) -> str:
    """Return the file of one face with points (K, 2)."""
    rows = [f"{x:.3f} {y:.3f}" for x, y in points.astype(np.float64) + ORIGIN]
    return "\n".join(["version: 1", f"n_points: {len(rows)}", "{", *rows, "}", ""])


def from_pts(text: str | bytes, count: int) -> NDArray[np.float64]:
    """Return the points (count, 2) of a file; `InvalidOptionError` for other files and other numbers of points."""
    points, _ = parse_pts(text)
    if len(points) != count or not (np.abs(points) <= np.finfo(np.float32).max).all():  # false for NaN
        raise InvalidOptionError(f"expected the .pts file of {count} points, found {len(points)}, or beyond float32")
    return points - ORIGIN


def parse_pts(text: str | bytes) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Parse the points of a face, in any dialect of `.pts`.

    Header, braces and commas may be missing; rows are `x y`, `x y visible` (0 or 1), or `number x y visible` (True or
    False). `InvalidOptionError` names the line of another kind.

    Returns points (K, 2) in pixels **as the file counts them**, from 1 in 300-W, and which are visible (K,): all,
    without flags. Rows with numbers, which count from 1, go to their places; a place without a row is NaN and false.
    """
    rows: dict[int, tuple[NDArray[np.float64], bool]] = {}
    stated, count = None, 0
    for line, content in enumerate(_decoded(text).splitlines(), 1):
        for header in _HEADER.finditer(content):
            stated = int(header[1]) if header[1] else stated
        words = re.sub(r"[{},;]", " ", _HEADER.sub(" ", content)).split()
        if words:
            place, point, visible = _parse_row(words, line)
            rows[count if place is None else place] = point, visible
            count += 1
    if not rows or stated not in (None, count):
        raise InvalidOptionError(f"{count} points, its header says {stated}")
    if len(rows) < count:
        raise InvalidOptionError("two rows of one number")
    points, flags = np.full((max(rows) + 1, 2), np.nan), np.zeros(max(rows) + 1, bool)
    for place, (point, visible) in rows.items():
        points[place], flags[place] = point, visible
    return points, flags


def _parse_row(words: list[str], line: int) -> tuple[int | None, NDArray[np.float64], bool]:
    """Return the place of a point, None for the next one, the point, and whether it is visible."""
    flag = _FLAGS.get(words[-1]) if len(words) in (3, 4) else True
    numbered = len(words) == 4
    if len(words) not in (2, 3, 4) or flag is None or (numbered and not _PLACE.fullmatch(words[0])):
        expected = "'x y', 'x y 0/1' or 'number x y True/False'"
        raise InvalidOptionError(f"line {line}: expected {expected}, found {' '.join(words)!r:.99}")
    try:
        point = np.array([float(word) for word in words[numbered : numbered + 2]])
    except ValueError as error:
        raise InvalidOptionError(f"line {line}: {error!s:.99}") from error
    if not np.isfinite(point).all():
        raise InvalidOptionError(f"line {line}: a number is not finite")
    return int(words[0]) - 1 if numbered else None, point, flag
