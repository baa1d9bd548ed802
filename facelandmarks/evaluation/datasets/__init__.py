"""Annotated faces, as the releases of the datasets and the files derived from them hold them.

`read("wflw", root, "test")` gives one `Sample` after the other. `RELEASES` says which datasets there are, how many
faces each subset has, and where to get it; `FORMS` in which files it is found.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from facelandmarks.errors import DatasetError, InvalidOptionError, lookup
from facelandmarks.evaluation.datasets import aflw, cofw, deepfashion, ibug300w, lapa, wflw
from facelandmarks.evaluation.datasets.records import Form, Request, Sample, box_region, landmark_region

# fmt: off
__all__ = [
    "FORMS", "RELEASES", "Found", "Release", "Sample", "box_region", "check_subset", "find", "get_release",
    "landmark_region", "read",
]
# fmt: on


# By dataset, in the order in which they are tried.
FORMS: Mapping[str, Mapping[str, Form]] = {
    "wflw": wflw.FORMS,
    "wflw68": wflw.FORMS_68,
    "300w": ibug300w.FORMS,
    "aflw": aflw.FORMS,
    "cofw": cofw.FORMS,
    "cofw68": cofw.FORMS_68,
    "deepfashion_upper": deepfashion.forms("upper", kind=1, points=6),
    "deepfashion_lower": deepfashion.forms("lower", kind=2, points=4),
    "deepfashion_full": deepfashion.forms("full", kind=3, points=8),
    "lapa": lapa.FORMS,
}


@dataclass(frozen=True)
class Found:
    """Files of a subset."""

    form: str
    path: Path  # the file or folder that showed that it is there
    whole: bool  # whether that is one file with all annotations, not one of many
    root: Path  # folder of the dataset


def find(name: str, root: str | Path, subset: str, forms: Sequence[str] = ()) -> Found:
    """Return the files that `read` would read: of the first form found, of `forms` or of all. Errors as for `read`."""
    release, root = get_release(name), Path(root)
    check_subset(release, subset)
    known = FORMS[name]
    for form in forms:
        lookup(known, form, f"form of {name}")
    places = [(form, place) for form in forms or known for place in known[form].places.get(subset, ())]
    if not places:
        raise InvalidOptionError(f"the form {' or '.join(forms)} of {name} has no subset {subset!r}")
    if not root.is_dir():
        raise DatasetError(f"{release.title}: folder {root} not found. Get the data from {release.where}")
    for form, place in places:
        path = min(root.glob(place), default=None)  # the same one on every machine
        if path is not None:
            return Found(form, path, whole=path.is_file() and "*" not in place, root=root)
    looked_for = ", ".join(dict.fromkeys(place for _, place in places))
    raise DatasetError(
        f"{release.title}, {subset}: looked for {looked_for} in {root}: not found. Get the data from {release.where}"
    )


def read(
    name: str,
    root: str | Path,
    subset: str,
    *,
    form: str | None = None,
    images: bool = True,
    allow_partial: bool = False,
) -> Iterator[Sample]:
    """Read the faces of a subset of a dataset, one after the other.

    Files are looked for, and faces counted, before the first is given; what is large is read as it is asked for.

    Parameters
    ----------
    name, root, subset
        A dataset of `RELEASES`, its folder, and a key of `Release.faces`.
    form
        Which files to read, a key of `FORMS[name]`; None takes the first form found.
    images
        Whether they are needed. If not, they may be missing, and are None where the release holds them in its own file.
    allow_partial
        Accept another number of faces than published.

    Raises
    ------
    InvalidOptionError
        If there is no such dataset, subset or form.
    DatasetError
        If files are missing (it says where to get them), malformed, or hold another number of faces than published.
    MissingDependencyError
        If a MATLAB file has to be read and the extra `evaluation` is not installed.
    """
    release, root = get_release(name), Path(root).absolute()  # readers give paths below it, or bare ones
    found = find(name, root, subset, () if form is None else (form,))
    chosen = FORMS[name][found.form]
    faces, samples = chosen.load(Request(root, found.path, subset, release.where, images, allow_partial))
    published = release.faces[subset]
    if published and faces not in published and not allow_partial:
        raise DatasetError(
            f"{release.title}, {subset}: {root} holds {faces} faces, the published number is "
            f"{' or '.join(map(str, published))}. Results on them are not comparable; allow_partial accepts them"
        )

    def finished() -> Iterator[Sample]:
        """Give samples unique names, the subset, and the paths of their images, which must exist."""
        times: Counter[str] = Counter()
        for sample in samples:
            image = chosen.locate(sample.image, root) if isinstance(sample.image, Path) else sample.image
            if images and isinstance(image, Path) and not image.is_file():
                raise DatasetError(
                    f"{release.title}, {subset}: image {image} not found. Get the data from {release.where}"
                )
            times[sample.name] += 1
            number = times[sample.name]
            name = sample.name if number == 1 else f"{sample.name}#{number}"
            yield replace(sample, name=name, image=image, subsets=sample.subsets | {subset})

    return finished()


@dataclass(frozen=True)
class Release:
    """A dataset as it was published."""

    name: str
    title: str  # for people
    scheme: str
    # Published numbers by subset: some have been published with more than one; with none, nothing is checked.
    faces: Mapping[str, tuple[int, ...]]
    source: str  # of these numbers
    where: str  # how to obtain it
    terms: str  # of its use, as far as they are stated


# fmt: off
_HRNET = "lists: the link in the README of github.com/HRNet/HRNet-Facial-Landmark-Detection"
_MMPOSE = "MMPose's annotations: https://download.openmmlab.com/mmpose/datasets/"
_WFLW_FACES = {"test": (2500,), "pose": (326,), "expression": (314,), "illumination": (698,), "makeup": (206,),
               "occlusion": (736,), "blur": (773,), "train": (7500,)}
_WFLW_SOURCE = "Wu et al., CVPR 2018; the attribute columns of the test list give the same numbers"
_WFLW_TERMS = "none stated on its page; images of WIDER FACE, so treat it as non-commercial research only"
_COFW_TERMS = "none stated; treat it as non-commercial research only"

_TABLE = (  # name, title, scheme, faces; source; where; terms
    Release(
        "wflw", "WFLW", "wflw98", _WFLW_FACES, _WFLW_SOURCE,
        f"https://wywu.github.io/projects/LAB/WFLW.html; {_HRNET}; {_MMPOSE}wflw_annotations.tar", _WFLW_TERMS,
    ),
    Release(
        "wflw68", "WFLW, 68 of its points", "ibug68", _WFLW_FACES, _WFLW_SOURCE,
        "https://wywu.github.io/projects/LAB/WFLW.html; list: github.com/github-luffy/PFLD_68points_Pytorch",
        _WFLW_TERMS,
    ),
    Release(
        "300w", "300-W", "ibug68",
        {"full": (689,), "common": (554,), "challenge": (135,), "test": (600,), "indoor": (300,), "outdoor": (300,),
         # Every tenth training image of each folder, ours: AFW 34 of 337, HELEN 200 of 2000, LFPW 82 of 811.
         "train": (3148,), "validation": (316,)},
        "Sagonas et al., ICCV-W 2013 and IMAVIS 2016",
        f"https://ibug.doc.ic.ac.uk/resources/300-W/; {_HRNET}; {_MMPOSE}300w_annotations.tar",
        "research only, no commercial use",
    ),
    Release(
        "aflw", "AFLW, 19 points", "aflw19",
        # Papers count 1,314 frontal faces (HRNet, LAB), the authors of the list 1,165.
        {"full": (4386,), "frontal": (1314, 1165), "train": (20000,)},
        "Zhu et al., CVPR 2016; Wang et al., Deep High-Resolution Representation Learning",
        "images on request from https://www.tugraz.at/institute/icg/research/team-bischof/lrs/downloads/aflw/, "
        "AFLWinfo_release.mat from http://mmlab.ie.cuhk.edu.hk/projects/compositional.html; "
        f"{_HRNET}; {_MMPOSE}aflw_annotations.tar",
        "non-commercial research only",
    ),
    Release(
        "cofw", "COFW", "cofw29", {"test": (507,), "train": (1345,)}, "Burgos-Artizzu et al., ICCV 2013",
        "COFW_color.zip of http://www.vision.caltech.edu/xpburgos/ICCV13/ or https://data.caltech.edu/records/20099",
        _COFW_TERMS,
    ),
    Release(
        "cofw68", "COFW-68", "ibug68", {"test": (507,)}, "Ghiasi and Fowlkes, 2015",
        "annotations from github.com/golnazghiasi/cofw68-benchmark, images in COFW_test_color.mat of "
        "https://data.caltech.edu/records/20099",
        _COFW_TERMS,
    ),
    *(
        Release(
            f"deepfashion_{part}", f"DeepFashion landmarks (FLD), {part} clothes", f"deepfashion_{part}",
            {"test": (), "val": (), "train": ()},
            "123,016 images in all; the parts have no published number, the lists state their own",
            "http://mmlab.ie.cuhk.edu.hk/projects/DeepFashion/LandmarkDetection.html (Fashion Landmark Detection "
            f"Benchmark); {_MMPOSE}fld_annotations.tar",
            "non-commercial research and education only",
        )
        for part in ("upper", "lower", "full")
    ),
    Release(
        "lapa", "LaPa", "lapa106", {"test": (2000,), "val": (2000,), "train": ()},
        "Liu et al., AAAI 2020; the number of training faces differs between the paper and the release",
        "github.com/JDAI-CV/lapa-dataset", "non-commercial purposes, under its own licence",
    ),
)
# fmt: on
RELEASES: Mapping[str, Release] = MappingProxyType({release.name: release for release in _TABLE})


def get_release(name: str) -> Release:
    """Return the dataset of a name; `UnknownNameError` for an unknown one."""
    return lookup(RELEASES, name, "dataset")


def check_subset(release: Release, subset: str) -> None:
    """Raise `UnknownNameError` if a dataset has no such subset."""
    lookup(release.faces, subset, f"{release.name} subset")
