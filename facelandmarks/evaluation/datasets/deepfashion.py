"""DeepFashion's Fashion Landmark Detection Benchmark: lists of landmarks, boxes and the partition.

Nothing says what the lists count from; they are used unchanged. Landmarks that are cut off have no place in the image,
and do not count.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facelandmarks.errors import DatasetError
from facelandmarks.evaluation.datasets.derived import coco_form
from facelandmarks.evaluation.datasets.files import malformed, read_lines, to_numbers
from facelandmarks.evaluation.datasets.records import Faces, Form, Request, Sample

IMAGES = 123_016  # of the whole release; its parts have no published number
_PARTITIONS = ("test", "val", "train")
_KINDS = ("1", "2", "3")  # upper, lower, full-body clothes
_HIDDEN, _CUT_OFF = 1, 2  # of the visibility; 0 is in plain sight
VARIATIONS = {"1": "normal pose", "2": "medium pose", "3": "large pose", "4": "medium zoom-in", "5": "large zoom-in"}
Row = tuple[int, list[str]]  # line, words after the name


def forms(part: str, kind: int, points: int) -> Mapping[str, Form]:
    """Return the forms of upper (kind 1), lower (2) or full-body (3) clothes."""
    files = {partition: f"fld_{part}_{partition}.json" for partition in _PARTITIONS}
    return {
        "original": Form(
            dict.fromkeys(_PARTITIONS, ("Anno/list_landmarks.txt", "list_landmarks.txt")),
            lambda request: read_release(request, kind, points),
            folders=("Img",),
        ),
        "mmpose": coco_form(files, ("img", "Img/img"), points, occlusion=True),
    }


def read_release(request: Request, kind: int, points: int) -> Faces:
    """Read the faces of one part from its lists."""
    boxes_file = _beside(request, "Anno", "list_bbox.txt")
    boxes = _read(boxes_file, 4)
    parts = _read(_beside(request, "Eval", "list_eval_partition.txt"), 1)
    rows = _read(request.found)
    if len(rows) != IMAGES and not request.partial:
        raise DatasetError(
            f"DeepFashion: {request.found} holds {len(rows)} images, the published number is {IMAGES}. "
            "Results on them are not comparable; allow_partial accepts them"
        )
    for name, (line, words) in rows.items():
        if name not in boxes or name not in parts or words[0] not in _KINDS or parts[name][1][0] not in _PARTITIONS:
            raise malformed(request.found, line, f"{name} has no box, no known partition or no known type of clothes")
    chosen = {
        name: (line, words)
        for name, (line, words) in rows.items()
        if words[0] == str(kind) and parts[name][1][0] == request.subset
    }

    def samples() -> Iterator[Sample]:
        for name, row in chosen.items():
            line, corners = boxes[name]
            yield _sample(name, row, to_numbers(corners, boxes_file, line), request.found, points)

    return len(chosen), samples()


def _beside(request: Request, folder: str, name: str) -> Path:
    for path in (request.root / folder / name, request.found.with_name(name)):
        if path.is_file():
            return path
    raise DatasetError(
        f"DeepFashion: looked for {folder}/{name} in {request.root}: not found. Get the data from {request.where}"
    )


def _read(path: Path, count: int | None = None) -> dict[str, Row]:
    """Read rows by name of image. The first line says how many there are, the second what the columns are."""
    lines = read_lines(path)
    if len(lines) < 2 or lines[0][1] != str(len(lines) - 2):
        stated = lines[0][1] if lines else "nothing"
        raise DatasetError(f"{path} holds {max(len(lines) - 2, 0)} rows, its first line says {stated}")
    rows: dict[str, Row] = {}
    for line, text in lines[2:]:
        name, *words = text.split()
        if len(words) < 1 or count not in (None, len(words)):
            raise malformed(path, line, f"expected a name and {count or 'some'} values, found {len(words)}")
        if name in rows:
            raise malformed(path, line, f"a second row of {name}")
        rows[name] = (line, words)
    return rows


def _sample(name: str, row: Row, box: NDArray[np.float64], path: Path, points: int) -> Sample:
    line, words = row
    if len(words) != 2 + 3 * points:
        raise malformed(path, line, f"expected {points} landmarks of 3 numbers, found {len(words) - 2} numbers")
    rows = to_numbers(words[2:], path, line).reshape(points, 3)
    if not np.isin(rows[:, 0], (0, _HIDDEN, _CUT_OFF)).all():
        raise malformed(path, line, f"visibilities must be 0, 1 or 2, found {rows[:, 0].tolist()}")
    return Sample(
        name=name,
        image=Path(name),
        points=rows[:, 1:],
        visible=rows[:, 0] != _CUT_OFF,
        occluded=rows[:, 0] == _HIDDEN,
        box=box,
        subsets=frozenset({VARIATIONS[words[1]]} if words[1] in VARIATIONS else ()),
    )
