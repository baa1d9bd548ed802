"""COFW: pictures, points and occlusion flags in one MATLAB file; 29 points, or the 68 of COFW-68.

Both count from 1 (MATLAB's convention; MMPose's converter subtracts 1, too). MMPose's files differ otherwise: their
boxes are the original numbers, so one pixel further than here, and negative numbers were set to 0.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facelandmarks.errors import DatasetError
from facelandmarks.evaluation.datasets.coco import coco_form
from facelandmarks.evaluation.datasets.form import Faces, Form, Request
from facelandmarks.evaluation.datasets.matlab import load_mat, open_mat73, read_array, read_cell
from facelandmarks.evaluation.datasets.sample import Sample

POINTS, POINTS_68 = 29, 68
COUNTS_FROM = 1
_TEST_FILE = "COFW_test_color.mat"
# Suffix of the fields of a file, and the number of its first picture: the pictures have no names, these are those that
# MMPose's converter gives.
_FIELDS = {"test": ("T", 1346), "train": ("Tr", 1)}


def _load_mat(request: Request) -> Faces:
    suffix, _ = _FIELDS[request.subset]
    pictures, phis, boxes = f"Is{suffix}", f"phis{suffix}", f"bboxes{suffix}"
    with open_mat73(request.found, pictures, phis, boxes) as file:
        rows, corners = read_array(file, phis), _corners(read_array(file, boxes), request.found)
    if rows.shape != (len(corners), 3 * POINTS):
        raise DatasetError(f"{request.found}: expected {len(corners)} faces of {3 * POINTS} numbers, got {rows.shape}")

    def samples() -> Iterator[Sample]:
        with open_mat73(request.found, pictures) as file:
            for face, (row, corner) in enumerate(zip(rows, corners, strict=True)):
                x, y, occluded = row.reshape(3, POINTS)
                yield Sample(
                    name=_name(request.subset, face),
                    image=read_cell(file, pictures, face) if request.pictures else None,
                    points=np.stack([x, y], axis=-1) - COUNTS_FROM,
                    visible=np.ones(POINTS, bool),
                    occluded=occluded != 0,
                    box=corner,
                )

    return len(rows), samples()


def _corners(boxes: NDArray[Any], path: Path) -> NDArray[np.float64]:
    """Boxes (N, 4) of x, y, width, height, counted from 1, as xyxy."""
    if np.ndim(boxes) != 2 or np.shape(boxes)[1] != 4:
        raise DatasetError(f"{path}: expected boxes of 4 numbers, got an array of shape {np.shape(boxes)}")
    boxes = np.asarray(boxes, np.float64)
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1) - COUNTS_FROM


def _name(subset: str, face: int) -> str:
    return f"{_FIELDS[subset][1] + face:06d}.jpg"


def _load_68(request: Request) -> Faces:
    """One file of points a face, and a file of boxes beside their folder; the pictures are COFW's own."""
    files = sorted(request.found.glob("*_points.mat"), key=_number)
    file = request.found.parent / "cofw68_test_bboxes.mat"
    corners = _corners(load_mat(file, "bboxes")[0], file)
    if not all(1 <= _number(file) <= len(corners) for file in files):
        raise DatasetError(f"{request.found} has points of a face that none of the {len(corners)} boxes belongs to")
    pictures = _pictures_file(request) if request.pictures else None
    return len(files), _samples_68(files, corners, pictures)


def _pictures_file(request: Request) -> Path:
    path = min(request.root.rglob(_TEST_FILE), default=None)
    if path is None:
        raise DatasetError(
            f"COFW-68: looked for the pictures, {_TEST_FILE}, anywhere in {request.root}: it is not there. "
            f"To be had from {request.where}"
        )
    return path


def _number(file: Path) -> int:
    try:
        return int(file.name.partition("_")[0])
    except ValueError as error:
        raise DatasetError(f"{file} should have a number before its _") from error


def _samples_68(files: list[Path], corners: NDArray[np.float64], pictures: Path | None) -> Iterator[Sample]:
    if pictures is None:
        yield from (_face_68(file, corners, None) for file in files)
        return
    with open_mat73(pictures, "IsT") as store:
        for file in files:
            yield _face_68(file, corners, read_cell(store, "IsT", _number(file) - 1))


def _face_68(file: Path, corners: NDArray[np.float64], picture: NDArray[np.uint8] | None) -> Sample:
    points, occluded = load_mat(file, "Points", "Occ")
    if np.shape(points) != (POINTS_68, 2) or np.size(occluded) != POINTS_68:
        raise DatasetError(f"{file}: expected {POINTS_68} points and flags, got {np.shape(points)}")
    face = _number(file) - 1
    return Sample(
        name=_name("test", face),
        image=picture,
        points=np.asarray(points, np.float64) - COUNTS_FROM,
        visible=np.ones(POINTS_68, bool),
        occluded=np.ravel(occluded) != 0,
        box=corners[face],
    )


FORMS: Mapping[str, Form] = MappingProxyType(
    {
        "original": Form(
            {subset: (f"COFW_{subset}_color.mat", f"*/COFW_{subset}_color.mat") for subset in _FIELDS},
            _load_mat,
            COUNTS_FROM,
        ),
        "mmpose": coco_form({subset: f"cofw_{subset}.json" for subset in _FIELDS}, ("images",), POINTS, occlusion=True),
    }
)
FORMS_68: Mapping[str, Form] = MappingProxyType(
    {"original": Form({"test": ("test_annotations", "COFW68_Data/test_annotations")}, _load_68, COUNTS_FROM)}
)
