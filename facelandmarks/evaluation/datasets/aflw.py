"""AFLW with 19 points: `AFLWinfo_release.mat` beside the images, and the lists derived from it.

Hidden points are annotated, and count. Nothing says what the points count from; both upstreams use them unchanged.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from facelandmarks.errors import DatasetError
from facelandmarks.evaluation.datasets.derived import derived_forms
from facelandmarks.evaluation.datasets.files import load_mat
from facelandmarks.evaluation.datasets.records import Faces, Form, Request, Sample

POINTS = 19
# Faces; those after them, in the order of the field `ra`, are the test set. Its frontal ones have every point seen.
TRAINING = 20000
_FOLDERS = ("data/flickr", "images", "images/flickr", "flickr")


def read_release(request: Request) -> Faces:
    """Read the MATLAB file: fields `bbox` (left, right, top, bottom), `data` (19 x, 19 y), `mask_new`, `ra`."""
    names, boxes, data, mask, order = load_mat(request.found, "nameList", "bbox", "data", "mask_new", "ra")
    names, order = np.ravel(names), np.ravel(order).astype(np.intp) - 1
    shapes = [np.shape(field) for field in (names, boxes, data, mask)]
    count = len(order)
    if shapes != [(count,), (count, 4), (count, 2 * POINTS), (count, POINTS)] or set(order) != set(range(count)):
        raise DatasetError(
            f"{request.found}: {count} faces in the field `ra`, the other fields have the shapes {shapes}"
        )
    seen = mask == 1
    chosen = order[:TRAINING] if request.subset == "train" else order[TRAINING:]
    if request.subset == "frontal":
        chosen = chosen[seen[chosen].all(1)]
    edges = np.asarray(boxes, np.float64)[:, [0, 2, 1, 3]]
    points = np.asarray(data, np.float64).reshape(-1, 2, POINTS).swapaxes(1, 2)

    def samples() -> Iterator[Sample]:
        for face in chosen:
            name = str(np.ravel(names[face])[0])
            yield Sample(
                name=name,
                image=Path(name),
                points=points[face],
                visible=np.ones(POINTS, bool),
                occluded=~seen[face],
                box=edges[face],
                box_size=float((edges[face, 2:] - edges[face, :2]).max()),
            )

    return len(chosen), samples()


_STEMS = {"full": "test", "frontal": "test_frontal", "train": "train"}
FORMS: Mapping[str, Form] = {
    "original": Form(dict.fromkeys(_STEMS, ("AFLWinfo_release.mat",)), read_release, folders=_FOLDERS),
    **derived_forms("aflw", _STEMS, _FOLDERS, POINTS, box_size=True),
}
