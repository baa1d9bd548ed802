"""Derived annotations in COCO's JSON, as MMPose distributes them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from facelandmarks._files import parse_json
from facelandmarks.errors import DatasetError
from facelandmarks.evaluation.datasets.files import read_text
from facelandmarks.evaluation.datasets.form import SCALE_UNIT, Faces, Form, Request
from facelandmarks.evaluation.datasets.sample import Sample


def coco_form(
    files: Mapping[str, str],
    folders: tuple[str, ...],
    points: int,
    *,
    occlusion: bool = False,
    counts_from: int = 0,
) -> Form:
    """Files of MMPose.

    Parameters
    ----------
    files
        Name of the file by subset; looked for in `annotations/` and in the root.
    folders, counts_from
        See `Form`.
    points
        How many points a face has.
    occlusion
        Whether a flag of 1 says that the point is hidden. If not it says nothing, and 1 is what all points have.
    """

    def load(request: Request) -> Faces:
        return read_coco(request.found, points, occlusion=occlusion, counts_from=counts_from)

    places = {subset: (f"annotations/{name}", name) for subset, name in files.items()}
    return Form(places, load, counts_from, folders)


def read_coco(path: Path, points: int, *, occlusion: bool = False, counts_from: int = 0) -> Faces:
    """Faces of one file, in the order of its annotations.

    Raises
    ------
    DatasetError
        If it is no such file, or an annotation is not as it should be.
    """
    try:
        document = parse_json(read_text(path))
        pictures = {image["id"]: str(image["file_name"]) for image in document["images"]}
        annotations = list(document["annotations"])
    except (LookupError, TypeError, ValueError) as error:
        raise DatasetError(f"{path} is no annotation file in COCO's form: {error!r}") from error

    def samples() -> Iterator[Sample]:
        for number, annotation in enumerate(annotations):
            try:
                sample = _sample(annotation, pictures, points, occlusion, counts_from)
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                raise DatasetError(f"{path}, annotation {number}: {error!r}") from error
            yield sample

    return len(annotations), samples()


def _sample(
    annotation: Mapping[str, Any],
    pictures: Mapping[Any, str],
    points: int,
    occlusion: bool,
    counts_from: int,
) -> Sample:
    rows = np.array(annotation["keypoints"], np.float64).reshape(points, 3)
    if not np.isfinite(rows).all():
        raise ValueError("a number is not finite")
    x, y, width, height = (float(value) for value in annotation["bbox"])
    center, scale, size = (annotation.get(key) for key in ("center", "scale", "box_size"))
    name = pictures[annotation["image_id"]]
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
