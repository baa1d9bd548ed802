"""COFW: images, points and occlusion flags in one MATLAB file; 29 points, or the 68 of COFW-68.

Both count from 1 (MATLAB's convention; MMPose's converter subtracts 1, too). MMPose's files differ otherwise: their
boxes are the original numbers, so one pixel further than here, and negative numbers were set to 0.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facelandmarks.errors import DatasetError
from facelandmarks.evaluation.datasets.derived import coco_form
from facelandmarks.evaluation.datasets.files import load_mat, open_mat73, read_array, read_cell
from facelandmarks.evaluation.datasets.records import Faces, Form, Request, Sample

POINTS, POINTS_68 = 29, 68
COUNTS_FROM = 1
_TEST_FILE = "COFW_test_color.mat"
# Suffix of the fields of a file, and the number of its first image: the images have no names, these are those that
# MMPose's converter gives.
_FIELDS = {"test": ("T", 1346), "train": ("Tr", 1)}


def read_release(request: Request) -> Faces:
    """Read the faces with 29 points, of a file of MATLAB 7.3."""
    suffix, first = _FIELDS[request.subset]
    images, phis, boxes = f"Is{suffix}", f"phis{suffix}", f"bboxes{suffix}"
    with open_mat73(request.found, images, phis, boxes) as file:
        rows, corners = read_array(file, phis), _corners(read_array(file, boxes), request.found)
    if rows.shape != (len(corners), 3 * POINTS):
        raise DatasetError(f"{request.found}: expected {len(corners)} faces of {3 * POINTS} numbers, got {rows.shape}")

    def samples() -> Iterator[Sample]:
        with open_mat73(request.found, images) as file:
            for face, (row, corner) in enumerate(zip(rows, corners, strict=True)):
                x, y, occluded = row.reshape(3, POINTS)
                yield Sample(
                    name=f"{first + face:06d}.jpg",
                    image=read_cell(file, images, face) if request.images else None,
                    points=np.stack([x, y], axis=-1) - COUNTS_FROM,
                    visible=np.ones(POINTS, bool),
                    occluded=occluded != 0,
                    box=corner,
                )

    return len(rows), samples()


def _corners(boxes: NDArray[Any], path: Path) -> NDArray[np.float64]:
    """Convert boxes (N, 4) of x, y, width, height, counted from 1, to xyxy."""
    if np.ndim(boxes) != 2 or np.shape(boxes)[1] != 4:
        raise DatasetError(f"{path}: expected boxes of 4 numbers, got an array of shape {np.shape(boxes)}")
    boxes = np.asarray(boxes, np.float64)
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1) - COUNTS_FROM


def read_release_68(request: Request) -> Faces:
    """Read the faces with 68 points: a file of points each, and a file of boxes; the images are COFW's own."""
    files = sorted(request.found.glob("*_points.mat"), key=_number)
    file = request.found.parent / "cofw68_test_bboxes.mat"
    corners = _corners(load_mat(file, "bboxes")[0], file)
    if not all(1 <= _number(file) <= len(corners) for file in files):
        raise DatasetError(f"{request.found} has points of a face that none of the {len(corners)} boxes belongs to")
    images = min(request.root.rglob(_TEST_FILE), default=None) if request.images else None
    if request.images and images is None:
        place = f"{_TEST_FILE}, anywhere in {request.root}"
        raise DatasetError(f"COFW-68: looked for the images, {place}: not found. Get the data from {request.where}")

    def samples() -> Iterator[Sample]:
        with ExitStack() as stack:
            store = stack.enter_context(open_mat73(images, "IsT")) if images is not None else None
            for file in files:
                face = _number(file) - 1
                points, occluded = load_mat(file, "Points", "Occ")
                if np.shape(points) != (POINTS_68, 2) or np.size(occluded) != POINTS_68:
                    raise DatasetError(f"{file}: expected {POINTS_68} points and flags, got {np.shape(points)}")
                yield Sample(
                    name=f"{_FIELDS['test'][1] + face:06d}.jpg",
                    image=None if store is None else read_cell(store, "IsT", face),
                    points=np.asarray(points, np.float64) - COUNTS_FROM,
                    visible=np.ones(POINTS_68, bool),
                    occluded=np.ravel(occluded) != 0,
                    box=corners[face],
                )

    return len(files), samples()


def _number(file: Path) -> int:
    try:
        return int(file.name.partition("_")[0])
    except ValueError as error:
        raise DatasetError(f"{file} should have a number before its _") from error


FORMS: Mapping[str, Form] = {
    "original": Form(
        {subset: (f"COFW_{subset}_color.mat", f"*/COFW_{subset}_color.mat") for subset in _FIELDS},
        read_release,
        COUNTS_FROM,
    ),
    "mmpose": coco_form({subset: f"cofw_{subset}.json" for subset in _FIELDS}, ("images",), POINTS, occlusion=True),
}
FORMS_68: Mapping[str, Form] = {
    "original": Form({"test": ("test_annotations", "COFW68_Data/test_annotations")}, read_release_68, COUNTS_FROM)
}
