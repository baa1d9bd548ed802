"""LaPa: a folder of pictures and one of text files with 106 points each, for training, validation and test."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from facelandmarks.evaluation.datasets.coco import coco_form
from facelandmarks.evaluation.datasets.files import malformed, read_lines, to_numbers
from facelandmarks.evaluation.datasets.form import Faces, Form, Request
from facelandmarks.evaluation.datasets.sample import Sample

POINTS = 106
_SUBSETS = ("test", "val", "train")


def _load_folder(request: Request) -> Faces:
    files = sorted(request.found.parent.glob("*.txt"))
    return len(files), _samples(files, request.found.parents[1] / "images")


def _samples(files: list[Path], folder: Path) -> Iterator[Sample]:
    for file in files:
        picture = folder / f"{file.stem}.jpg"
        yield Sample(
            name=f"{folder.parent.name}/images/{picture.name}",
            image=picture,
            points=_read_points(file),
            visible=np.ones(POINTS, bool),
        )


def _read_points(path: Path) -> NDArray[np.float64]:
    """Points (106, 2): the first line says how many, then one a line."""
    (line, count), *rows = read_lines(path) or [(1, "")]
    if count != str(POINTS) or len(rows) != POINTS:
        raise malformed(path, line, f"expected {POINTS} and as many points, found {count!r} and {len(rows)}")
    for number, text in rows:
        if len(text.split()) != 2:
            raise malformed(path, number, f"expected 'x y', found {text!r}")
    return np.stack([to_numbers(text.split(), path, number) for number, text in rows])


FORMS: Mapping[str, Form] = MappingProxyType(
    {
        "original": Form({subset: (f"{subset}/landmarks/*.txt",) for subset in _SUBSETS}, _load_folder),
        "mmpose": coco_form({subset: f"lapa_{subset}.json" for subset in _SUBSETS}, (), POINTS),
    }
)
