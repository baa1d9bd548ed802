"""Annotations derived from the releases: MMPose's COCO files, HRNet's CSV lists, SPIGA's JSON."""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from facelandmarks._files import parse_json
from facelandmarks.errors import DatasetError
from facelandmarks.evaluation.datasets.files import malformed, read_text, to_numbers
from facelandmarks.evaluation.datasets.records import SCALE_UNIT, Faces, Form, Sample


def coco_form(
    files: Mapping[str, str], folders: tuple[str, ...], points: int, *, occlusion: bool = False, counts_from: int = 0
) -> Form:
    """Return the form of MMPose's files: names by subset, in `annotations/` or in the root.

    `occlusion` says that a flag of 1 means a hidden point; otherwise all points have that flag, and it says nothing.
    """
    return Form(
        {subset: (f"annotations/{name}", name) for subset, name in files.items()},
        lambda request: read_coco(request.found, points, occlusion=occlusion, counts_from=counts_from),
        counts_from,
        folders,
    )


def derived_forms(
    name: str,
    stems: Mapping[str, str],
    folders: tuple[str, ...],
    points: int,
    *,
    box_size: bool = False,
    counts_from: int = 0,
) -> dict[str, Form]:
    """Return the forms of MMPose's and HRNet's files, `face_landmarks_NAME_STEM`, with stems by subset.

    `box_size` says whether HRNet's lists have that column (AFLW).
    """
    files = {subset: f"face_landmarks_{name}_{stem}" for subset, stem in stems.items()}
    hrnet = Form(
        {subset: (f"{file}.csv", f"annotations/{file}.csv") for subset, file in files.items()},
        lambda request: read_hrnet_csv(request.found, points, box_size=box_size, counts_from=counts_from),
        counts_from,
        folders,
    )
    documents = {subset: f"{file}.json" for subset, file in files.items()}
    return {"mmpose": coco_form(documents, folders, points, counts_from=counts_from), "hrnet": hrnet}


def read_coco(path: Path, points: int, *, occlusion: bool = False, counts_from: int = 0) -> Faces:
    """Read the faces of one COCO file, in order; `DatasetError` for other files and incomplete annotations."""
    try:
        document = parse_json(read_text(path))
        names = {image["id"]: str(image["file_name"]) for image in document["images"]}
        annotations = list(document["annotations"])
    except (LookupError, TypeError, ValueError) as error:
        raise DatasetError(f"{path} is not an annotation file in COCO's form: {error!r}") from error

    def samples() -> Iterator[Sample]:
        for number, annotation in enumerate(annotations):
            try:
                sample = _coco_sample(annotation, names, points, occlusion, counts_from)
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                raise DatasetError(f"{path}, annotation {number}: {error!r}") from error
            yield sample

    return len(annotations), samples()


def _coco_sample(
    annotation: Mapping[str, Any], names: Mapping[Any, str], points: int, occlusion: bool, counts_from: int
) -> Sample:
    rows = np.array(annotation["keypoints"], np.float64).reshape(points, 3)
    if not np.isfinite(rows).all():
        raise ValueError("a number is not finite")
    x, y, width, height = (float(value) for value in annotation["bbox"])
    center, scale, size = (annotation.get(key) for key in ("center", "scale", "box_size"))
    name = names[annotation["image_id"]]
    return Sample(
        name=name,
        image=Path(name),
        points=rows[:, :2] - counts_from,
        visible=rows[:, 2] > 0,
        occluded=rows[:, 2] == 1 if occlusion else None,
        box=np.array([x, y, x + width, y + height]) - counts_from,
        center=None if center is None else np.array(center, np.float64) - counts_from,
        scale=None if scale is None else np.full(2, SCALE_UNIT * float(scale)),
        box_size=None if size is None else float(size),
    )


def read_hrnet_csv(path: Path, points: int, *, box_size: bool = False, counts_from: int = 0) -> Faces:
    """Read the faces of one list: image, scale, box_size if there is one, centre, points; columns go by position."""
    try:
        rows = list(enumerate(csv.reader(read_text(path).splitlines()), 1))[1:]  # the first names the columns
    except csv.Error as error:
        raise DatasetError(f"{path} is not a CSV file: {error}") from error
    first = 5 if box_size else 4  # column of the first x
    samples = []
    for line, row in rows:
        if not row:
            continue
        if len(row) != first + 2 * points:
            raise malformed(path, line, f"expected {first + 2 * points} columns, found {len(row)}")
        numbers = to_numbers(row[1:], path, line)
        samples.append(
            Sample(
                name=row[0],
                image=Path(row[0]),
                points=numbers[first - 1 :].reshape(points, 2) - counts_from,
                visible=np.ones(points, bool),
                center=numbers[first - 3 : first - 1] - counts_from,
                scale=np.full(2, SCALE_UNIT * numbers[0]),
                box_size=float(numbers[1]) if box_size else None,
            )
        )
    return len(samples), iter(samples)


def read_spiga(path: Path, points: int) -> Faces:
    """Read the faces of one of SPIGA's files, counted from 0; boxes are x, y, width, height."""
    samples = []
    try:
        for face in parse_json(read_text(path)):
            x, y, width, height = (float(value) for value in face["bbox"])
            truth, box = np.array(face["landmarks"], np.float64), np.array([x, y, x + width, y + height])
            name, seen = face["imgpath"], np.ones(points, bool)
            samples.append(Sample(name, Path(name), truth.reshape(points, 2), seen, box=box))
    except (LookupError, TypeError, ValueError) as error:
        raise DatasetError(f"{path} is not an annotation file of SPIGA's: {error!r}") from error
    return len(samples), iter(samples)
