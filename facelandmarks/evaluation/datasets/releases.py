"""Which datasets there are, how many faces each subset has, and where to get them: the one table."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from facelandmarks.errors import lookup


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
