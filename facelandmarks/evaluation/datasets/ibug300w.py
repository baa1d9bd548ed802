"""300-W: folders of images with a `.pts` each, counted from 1; and lists derived from them.

Some copies of the folders hold mirrored images (`_mirror` in the name), which are not part of the dataset.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from facelandmarks.errors import DatasetError
from facelandmarks.evaluation.datasets.derived import derived_forms, read_spiga
from facelandmarks.evaluation.datasets.files import read_list, read_pts
from facelandmarks.evaluation.datasets.records import Faces, Form, Request, Sample

POINTS = 68
COUNTS_FROM = 1  # MATLAB's convention, as the 300-W site says
_VALIDATION = 10  # every tenth training image of a folder
_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
_IMAGES = "images"

# Parts of the release, and the folders that hold them, of which the first with `.pts` files is read.
_PARTS: Mapping[str, tuple[str, ...]] = {
    "afw": ("afw", "afw/train"),
    "helen_train": ("helen/trainset", "helen/train"),
    "helen_test": ("helen/testset", "helen/test"),
    "lfpw_train": ("lfpw/trainset", "lfpw/train"),
    "lfpw_test": ("lfpw/testset", "lfpw/test"),
    "ibug": ("ibug", "ibug/test"),
    "private": ("300W/0[12]_*", "Test/0[12]_*", "0[12]_*", "private/test"),
}
_TRAIN = ("afw", "helen_train", "lfpw_train")
_SUBSETS: Mapping[str, tuple[str, ...]] = {
    "full": ("helen_test", "lfpw_test", "ibug"),
    "common": ("helen_test", "lfpw_test"),
    "challenge": ("ibug",),
    "test": ("private",),
    "indoor": ("private",),
    "outdoor": ("private",),
    "train": _TRAIN,
    "validation": _TRAIN,
}


def _is_ibug(name: str) -> bool:
    return name.startswith("image_") and name.endswith(".jpg")  # LFPW's are .png, HELEN's have other names


# Which images of a longer list belong to a subset.
_MEMBERS: Mapping[str, Callable[[str], bool]] = {
    "challenge": _is_ibug,
    "common": lambda name: not _is_ibug(name),
    "indoor": lambda name: name.startswith("indoor"),
    "outdoor": lambda name: name.startswith("outdoor"),
}


def _belongs(path: str, subset: str) -> bool:
    return subset not in _MEMBERS or _MEMBERS[subset](path.rpartition("/")[2])


def read_release(request: Request) -> Faces:
    """Read the faces in the folders of a subset, in the order of their names."""
    inner = request.root / _IMAGES
    root = inner if request.found.is_relative_to(inner) else request.root
    files = [file for part in _SUBSETS[request.subset] for file in _files_of(root, part, request)]
    if request.subset in ("indoor", "outdoor"):
        files = [file for file in files if _belongs(file.name, request.subset)]
    if request.images:
        alone = {file for file in files if _image_of(file) is None}
        if alone and not request.partial:
            raise DatasetError(
                f"300-W: {len(alone)} of {len(files)} faces have no image beside their .pts, first {min(alone)}. "
                f"Get the data from {request.where}"
            )
        files = [file for file in files if file not in alone]

    def samples() -> Iterator[Sample]:
        for file in files:
            points, _ = read_pts(file)
            if len(points) != POINTS:
                raise DatasetError(f"{file} holds {len(points)} points, 300-W has {POINTS}")
            image = _image_of(file)
            name = (image or file).relative_to(root).as_posix().replace(" _", "_")  # as in the lists: `_OTHER_NAMES`
            yield Sample(name, image, points - COUNTS_FROM, np.ones(POINTS, bool))

    return len(files), samples()


def _files_of(root: Path, part: str, request: Request) -> list[Path]:
    """Return the `.pts` files of a part of the release."""
    for pattern in _PARTS[part]:
        found = [path for path in sorted(root.glob(f"{pattern}/*.pts")) if "_mirror" not in path.stem]
        if found:
            return found[::_VALIDATION] if request.subset == "validation" else found
    if request.partial:
        return []
    raise DatasetError(
        f"300-W: looked for .pts files in {', '.join(_PARTS[part])} of {root}: not found. "
        f"Get the data from {request.where}"
    )


def _image_of(file: Path) -> Path | None:
    candidates = (file.with_suffix(variant) for suffix in _SUFFIXES for variant in (suffix, suffix.upper()))
    return next((path for path in candidates if path.is_file()), None)


def read_pfld(request: Request) -> Faces:
    """Read a list of the 689 faces: points as in the `.pts`, a box, a name."""
    rows = [row for row in read_list(request.found, POINTS, 4) if _belongs(row.name, request.subset)]
    seen = np.ones(POINTS, bool)
    return len(rows), (
        Sample(row.name, Path(row.name), row.points - COUNTS_FROM, seen, box=row.extras - COUNTS_FROM) for row in rows
    )


def read_spiga_list(request: Request) -> Faces:
    """Read those faces of SPIGA's file that belong to the subset."""
    samples = [sample for sample in read_spiga(request.found, POINTS)[1] if _belongs(sample.name, request.subset)]
    return len(samples), iter(samples)


_STEMS = {"full": "valid", "common": "valid_common", "challenge": "valid_challenge", "test": "test", "train": "train"}
_FOLDERS = {
    subset: tuple(
        f"{prefix}{folder}/*.pts" for part in parts for folder in _PARTS[part] for prefix in ("", f"{_IMAGES}/")
    )
    for subset, parts in _SUBSETS.items()
}
_PUBLIC, _PRIVATE = ("full", "common", "challenge"), ("test", "indoor", "outdoor")
# One image of iBUG has a blank in its name, which the derived lists leave out.
_OTHER_NAMES = {"image_092_01.jpg": "image_092 _01.jpg"}
_DERIVED = derived_forms("300w", _STEMS, (_IMAGES,), POINTS, counts_from=COUNTS_FROM) | {
    "pfld": Form(dict.fromkeys(_PUBLIC, ("test_data/list.txt", "list.txt")), read_pfld, COUNTS_FROM, (_IMAGES,)),
    "spiga": Form(
        dict.fromkeys(_PUBLIC, ("300wpublic/test.json",)) | dict.fromkeys(_PRIVATE, ("300wprivate/test.json",)),
        read_spiga_list,
    ),
}
FORMS: Mapping[str, Form] = {
    "original": Form(_FOLDERS, read_release, COUNTS_FROM),
    **{name: replace(form, other_names=_OTHER_NAMES) for name, form in _DERIVED.items()},
}
