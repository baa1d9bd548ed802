"""Which data sets there are, how many faces each subset has, and where to get them: the one table."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from facelandmarks.errors import lookup

# A subset may have been published with more than one number of faces; with none, nothing is checked.
Faces = Mapping[str, tuple[int, ...]]

_HRNET = "lists: the link in the README of github.com/HRNet/HRNet-Facial-Landmark-Detection"
_MMPOSE = "MMPose's annotations: https://download.openmmlab.com/mmpose/datasets/"


@dataclass(frozen=True)
class Release:
    """A data set as it was published.

    Attributes
    ----------
    title
        Its name for people.
    faces
        Published numbers of faces by subset.
    source
        Where these numbers are from.
    where
        How to obtain the release.
    terms
        Conditions of its use, as far as they are stated.
    """

    name: str
    title: str
    scheme: str
    faces: Faces
    source: str
    where: str
    terms: str


_WFLW_FACES: Faces = MappingProxyType(
    {
        "test": (2500,),
        "pose": (326,),
        "expression": (314,),
        "illumination": (698,),
        "makeup": (206,),
        "occlusion": (736,),
        "blur": (773,),
        "train": (7500,),
    }
)
_WFLW_SOURCE = "Wu et al., CVPR 2018; the attribute columns of the test list give the same numbers"
_WFLW_TERMS = "none stated on its page; images of WIDER FACE, so treat it as non-commercial research only"
_FASHION_WHERE = (
    "http://mmlab.ie.cuhk.edu.hk/projects/DeepFashion/LandmarkDetection.html (Fashion Landmark Detection Benchmark); "
    f"{_MMPOSE}fld_annotations.tar"
)


def _fashion(part: str) -> Release:
    return Release(
        name=f"deepfashion_{part}",
        title=f"DeepFashion landmarks (FLD), {part} clothes",
        scheme=f"deepfashion_{part}",
        faces=MappingProxyType({"test": (), "val": (), "train": ()}),
        source="123,016 images in all; the parts have no published number, the lists state their own",
        where=_FASHION_WHERE,
        terms="non-commercial research and education only",
    )


_TABLE = (
    Release(
        name="wflw",
        title="WFLW",
        scheme="wflw98",
        faces=_WFLW_FACES,
        source=_WFLW_SOURCE,
        where=f"https://wywu.github.io/projects/LAB/WFLW.html; {_HRNET}; {_MMPOSE}wflw_annotations.tar",
        terms=_WFLW_TERMS,
    ),
    Release(
        name="wflw68",
        title="WFLW, 68 of its points",
        scheme="ibug68",
        faces=_WFLW_FACES,
        source=_WFLW_SOURCE,
        where="https://wywu.github.io/projects/LAB/WFLW.html; list: github.com/github-luffy/PFLD_68points_Pytorch",
        terms=_WFLW_TERMS,
    ),
    Release(
        name="300w",
        title="300-W",
        scheme="ibug68",
        faces=MappingProxyType(
            {
                "full": (689,),
                "common": (554,),
                "challenge": (135,),
                "test": (600,),
                "indoor": (300,),
                "outdoor": (300,),
                "train": (3148,),
                # Every tenth training image of each folder, ours: AFW 34 of 337, HELEN 200 of 2000, LFPW 82 of 811.
                "validation": (316,),
            }
        ),
        source="Sagonas et al., ICCV-W 2013 and IMAVIS 2016",
        where=f"https://ibug.doc.ic.ac.uk/resources/300-W/; {_HRNET}; {_MMPOSE}300w_annotations.tar",
        terms="research only, no commercial use",
    ),
    Release(
        name="aflw",
        title="AFLW, 19 points",
        scheme="aflw19",
        # Papers count 1,314 frontal faces (HRNet, LAB), the authors of the list 1,165.
        faces=MappingProxyType({"full": (4386,), "frontal": (1314, 1165), "train": (20000,)}),
        source="Zhu et al., CVPR 2016; Wang et al., Deep High-Resolution Representation Learning",
        where=(
            "images on request from https://www.tugraz.at/institute/icg/research/team-bischof/lrs/downloads/aflw/, "
            "AFLWinfo_release.mat from http://mmlab.ie.cuhk.edu.hk/projects/compositional.html; "
            f"{_HRNET}; {_MMPOSE}aflw_annotations.tar"
        ),
        terms="non-commercial research only",
    ),
    Release(
        name="cofw",
        title="COFW",
        scheme="cofw29",
        faces=MappingProxyType({"test": (507,), "train": (1345,)}),
        source="Burgos-Artizzu et al., ICCV 2013",
        where="COFW_color.zip of http://www.vision.caltech.edu/xpburgos/ICCV13/ or https://data.caltech.edu/records/20099",
        terms="none stated; treat it as non-commercial research only",
    ),
    Release(
        name="cofw68",
        title="COFW-68",
        scheme="ibug68",
        faces=MappingProxyType({"test": (507,)}),
        source="Ghiasi and Fowlkes, 2015",
        where=(
            "annotations from github.com/golnazghiasi/cofw68-benchmark, images in COFW_test_color.mat of "
            "https://data.caltech.edu/records/20099"
        ),
        terms="none stated; treat it as non-commercial research only",
    ),
    _fashion("upper"),
    _fashion("lower"),
    _fashion("full"),
    Release(
        name="lapa",
        title="LaPa",
        scheme="lapa106",
        faces=MappingProxyType({"test": (2000,), "val": (2000,), "train": ()}),
        source="Liu et al., AAAI 2020; the number of training faces differs between the paper and the release",
        where="github.com/JDAI-CV/lapa-dataset",
        terms="non-commercial purposes, under its own licence",
    ),
)
RELEASES: Mapping[str, Release] = MappingProxyType({release.name: release for release in _TABLE})


def get_release(name: str) -> Release:
    """Return the data set of a name; `UnknownNameError` for an unknown one."""
    return lookup(RELEASES, name, "data set")


def check_subset(release: Release, subset: str) -> None:
    """Raise `UnknownNameError` if a data set has no such subset."""
    lookup(release.faces, subset, f"{release.name} subset")
