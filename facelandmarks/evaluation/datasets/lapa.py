"""LaPa: a folder of images and one of text files with 106 points each, for training, validation and test."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facelandmarks.evaluation.datasets.derived import coco_form
from facelandmarks.evaluation.datasets.files import malformed, read_lines, to_numbers
from facelandmarks.evaluation.datasets.records import Faces, Form, Request, Sample

POINTS = 106
_SUBSETS = ("test", "val", "train")


def read_release(request: Request) -> Faces:
    """Read the faces of a folder, in the order of their names."""
    files = sorted(request.found.parent.glob("*.txt"))
    folder = request.found.parents[1] / "images"

    def samples() -> Iterator[Sample]:
        for file in files:
            image = folder / f"{file.stem}.jpg"
            name = f"{folder.parent.name}/images/{image.name}"
            yield Sample(name, image, read_points(file), np.ones(POINTS, bool))

    return len(files), samples()


def read_points(path: Path) -> NDArray[np.float64]:
    """Read points (106, 2): the first line says how many, then one per line."""
    (line, count), *rows = read_lines(path) or [(1, "")]
    if count != str(POINTS) or len(rows) != POINTS:
        raise malformed(path, line, f"expected {POINTS} and as many points, found {count!r} and {len(rows)}")
    for number, text in rows:
        if len(text.split()) != 2:
            raise malformed(path, number, f"expected 'x y', found {text!r}")
    return np.stack([to_numbers(text.split(), path, number) for number, text in rows])


FORMS: Mapping[str, Form] = {
    "original": Form({subset: (f"{subset}/landmarks/*.txt",) for subset in _SUBSETS}, read_release),
    "mmpose": coco_form({subset: f"lapa_{subset}.json" for subset in _SUBSETS}, (), POINTS),
}
