"""WFLW: 98 points, a rectangle and six attributes a face; and 68 of the points, as a list or beside crops.

Nothing says what the list counts from; both upstreams use it unchanged, and so do we.
"""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from facelandmarks.errors import DatasetError
from facelandmarks.evaluation.datasets.derived import derived_forms
from facelandmarks.evaluation.datasets.files import Row, malformed, read_list, read_pts, read_text, to_numbers
from facelandmarks.evaluation.datasets.records import Faces, Form, Request, Sample

POINTS, POINTS_68 = 98, 68
COUNTS_FROM = 1  # of the .pts files beside crops
# Columns of the list, in this order, between the rectangle and the name.
ATTRIBUTES = ("pose", "expression", "illumination", "makeup", "occlusion", "blur")
_RECTANGLE = 4  # numbers
_FOLDERS = ("WFLW_images", "images")
# Columns of the table of crops: where a crop is from, and flags by attribute.
_CROP_COLUMNS = ("file", "rect_x0", "rect_y0", "rect_x1", "rect_y1", "crop_x", "crop_y", "scale_x", "scale_y")
_FLAGS = {name: name for name in ATTRIBUTES} | {"makeup": "make_up"}
# The subsets in the names of files.
_STEMS = {"test": "test", "train": "train"} | {attribute: f"test_{attribute}" for attribute in ATTRIBUTES}
_STEMS["pose"] = "test_largepose"


def read_with_attributes(request: Request, points: int) -> Faces:
    """Read the list with rectangles and attributes; subsets are picked by the attributes."""
    marked = []
    for row in read_list(request.found, points, _RECTANGLE + len(ATTRIBUTES)):
        flags = row.extras[_RECTANGLE:]
        if not np.isin(flags, (0, 1)).all():
            raise malformed(request.found, row.line, f"attributes must be 0 or 1, found {flags.tolist()}")
        marked.append((row, frozenset(name for name, flag in zip(ATTRIBUTES, flags, strict=True) if flag)))
    if request.subset in ATTRIBUTES:
        marked = [(row, attributes) for row, attributes in marked if request.subset in attributes]
    return len(marked), (_sample(row, attributes) for row, attributes in marked)


def read_subset_list(request: Request) -> Faces:
    """Read a list of one subset: points and names only."""
    rows = read_list(request.found, POINTS, 0)
    return len(rows), (_sample(row, frozenset()) for row in rows)


def _sample(row: Row, attributes: frozenset[str]) -> Sample:
    return Sample(
        name=row.name,
        image=Path(row.name),
        points=row.points,
        visible=np.ones(len(row.points), bool),
        box=row.extras[:_RECTANGLE] if row.extras.size else None,
        subsets=attributes,
    )


def read_crops(request: Request) -> Faces:
    """Read faces cut out of the images, `test/*.jpg` with a `.pts` each, and the table that says what they are.

    Rectangles are in pixels of the whole image in the table, and of the crop here.
    """
    table = csv.DictReader(read_text(request.found).splitlines())
    lacking = {*_CROP_COLUMNS, *_FLAGS.values()} - {*(table.fieldnames or ())}
    if lacking:
        raise malformed(request.found, 1, f"no column {', '.join(sorted(lacking))}")
    rows = [row for row in enumerate(table, 2) if request.subset == "test" or row[1][_FLAGS[request.subset]] == "1"]
    folder = request.found.parent / "test"

    def samples() -> Iterator[Sample]:
        for line, row in rows:
            numbers = to_numbers([row[name] or "" for name in _CROP_COLUMNS[1:]], request.found, line)
            box, offset, scale = numbers[:4].reshape(2, 2), numbers[4:6], numbers[6:]
            image = folder / row["file"]
            points, _ = read_pts(image.with_suffix(".pts"))
            if len(points) != POINTS_68:
                raise DatasetError(f"{image.with_suffix('.pts')} holds {len(points)} points, not {POINTS_68}")
            yield Sample(
                name=f"test/{row['file']}",
                image=image,
                points=points - COUNTS_FROM,
                visible=np.ones(POINTS_68, bool),
                box=((box - offset + 0.5) * scale - 0.5).ravel(),
                subsets=frozenset(name for name, column in _FLAGS.items() if row[column] == "1"),
            )

    return len(rows), samples()


def _lists(points: int, *folders: str) -> Form:
    """Return the form of the list with attributes: one file for training, one for the test set and its subsets."""
    ends = {subset: "train" if subset == "train" else "test" for subset in _STEMS}
    return Form(
        {
            subset: tuple(f"{folder}list_{points}pt_rect_attr_{end}.txt" for folder in folders)
            for subset, end in ends.items()
        },
        lambda request: read_with_attributes(request, points),
        folders=_FOLDERS,
    )


_SUBSET_LISTS = {
    subset: tuple(
        f"{folder}list_98pt_{stem}.txt" for folder in ("WFLW_annotations/list_98pt_test/", "list_98pt_test/", "")
    )
    for subset, stem in _STEMS.items()
    if subset != "train"
}
_RECT = "list_98pt_rect_attr_train_test/"
FORMS: Mapping[str, Form] = {
    "original": _lists(POINTS, f"WFLW_annotations/{_RECT}", _RECT, ""),
    "subset_lists": Form(_SUBSET_LISTS, read_subset_list, folders=_FOLDERS),
    **derived_forms("wflw", _STEMS, _FOLDERS, POINTS),
}
FORMS_68: Mapping[str, Form] = {
    "original": _lists(POINTS_68, "WFLW_annotations/", f"WFLW_annotations/{_RECT}", "", _RECT),
    "crops": Form(dict.fromkeys(("test", *ATTRIBUTES), ("test.csv",)), read_crops, COUNTS_FROM),
}
