"""How published numbers, and our own, were measured: one record for each family of rows, and what its rules mean.

The numbers themselves stand in the manifest (`published` of a file); `Protocol.reference` says whose they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from facelandmarks.boxes import convert_boxes, tight_boxes
from facelandmarks.errors import DatasetError
from facelandmarks.evaluation.datasets import RELEASES, Sample, box_region, landmark_region
from facelandmarks.evaluation.metrics import box_sides, point_pair
from facelandmarks.schemes import get_scheme
from facelandmarks.zoo.spec import Variant

# Where the region of a face comes from (`place`).
RegionRule = Literal[
    "annotation_or_box", "annotation_or_landmarks", "landmarks", "box", "clipped_box", "clipped_box_or_tight", "tight"
]
# What errors are divided by (`face_size`).
Normaliser = Literal["inter-ocular", "box size of the annotation", "side of the annotated region", "longer side of box"]
# Whose number a measured one is compared with: of the authors of the weights, or of an earlier run of ours.
Reference = Literal["published", "own"]
# Whose rules of averaging (`facelandmarks.evaluation.scoring`).
Scoring = Literal["mmpose", "hrnet_official", "plain"]


@dataclass(frozen=True)
class Cell:
    """One number of a published row."""

    key: str  # its name in `values` of the manifest
    subset: str  # of the dataset (`Release.faces`)
    metric: str = "NME"  # a key of `facelandmarks.evaluation.scoring.METRICS`
    digits: int = 2  # decimals that the table prints
    faces: tuple[int, ...] = ()  # how many our own number was measured on, if that is not the whole subset


@dataclass(frozen=True)
class Protocol:
    """How a family of published rows was measured."""

    name: str
    source: str  # the program that measured, for people
    # The rows it explains: start of `source`, and `dataset`, in the manifest. The schemes must agree, too.
    table_source: str
    table: str
    dataset: str  # a key of `RELEASES`
    cells: tuple[Cell, ...]
    forms: tuple[str, ...]  # of its files (`FORMS`), first the one that upstream read; the first one found is read
    region: RegionRule
    normaliser: Normaliser
    scoring: Scoring
    padding: float = 1.25  # by how much regions are enlarged; boxes get the model's own padding
    # What upstream's annotations call the centre of the top-left pixel. Upstream uses their numbers unchanged as
    # positions in the image, so regions and scored points are shifted by this.
    counts_from: int = 0
    box_shift: Mapping[str, float] = field(default_factory=dict)  # by form: pixels to add to get upstream's boxes
    variant: Variant | None = None  # choices of the model (`facelandmarks.pipeline.choose`); None: as published
    decode: str | None = None
    note: str = ""  # what is uncertain about it
    reference: Reference = "published"


@dataclass(frozen=True)
class Row:
    """A model, or the name of other predictions, and how it is measured."""

    model: str
    protocol: Protocol
    # Of the published row, numbers by key of the protocol's cells; empty without one.
    source: str = ""
    values: Mapping[str, float] = field(default_factory=dict)


def _cells(*subsets: str) -> tuple[Cell, ...]:
    return tuple(Cell(subset, subset) for subset in subsets)


# fmt: off
WFLW_0X = Protocol(
    name="wflw_mmpose0x", source="MMPose 0.29.0", table_source="mmpose v0.29.0 table", table="WFLW", dataset="wflw",
    cells=_cells("test", "pose", "expression", "illumination", "makeup", "occlusion", "blur"),
    forms=("mmpose", "hrnet", "original", "subset_lists"), region="annotation_or_landmarks",
    normaliser="inter-ocular", scoring="mmpose", variant="mmpose0x",
)
AFLW_0X = replace(
    WFLW_0X, name="aflw_mmpose0x", table="AFLW", dataset="aflw", cells=_cells("full", "frontal"),
    forms=("mmpose", "hrnet", "original"), region="annotation_or_box", normaliser="box size of the annotation",
)
COFW_0X = replace(
    WFLW_0X, name="cofw_mmpose0x", table="COFW", dataset="cofw", cells=(Cell("all", "test"),),
    forms=("mmpose", "original"), region="box",
    box_shift={"original": 1.0},  # its converter subtracts 1 from the points and not from the boxes
)
IBUG300W_0X = replace(
    WFLW_0X, name="300w_mmpose0x", table="300-W", dataset="300w", cells=_cells("common", "challenge", "full", "test"),
    forms=("mmpose", "hrnet", "original", "pfld", "spiga"), counts_from=1,
)

_1X: dict[str, Any] = {"source": "MMPose 1.3.2", "table_source": "mmpose v1.3.2 table", "variant": "mmpose1x"}
WFLW_1X = replace(WFLW_0X, name="wflw_mmpose1x", cells=(*WFLW_0X.cells, Cell("all", "test")), **_1X)
AFLW_1X = replace(AFLW_0X, name="aflw_mmpose1x", normaliser="side of the annotated region", **_1X)
COFW_1X = replace(COFW_0X, name="cofw_mmpose1x", region="clipped_box", **_1X)
IBUG300W_1X = replace(IBUG300W_0X, name="300w_mmpose1x", **_1X)
LAPA_1X = replace(
    WFLW_1X, name="lapa_mmpose1x", table="LaPa", dataset="lapa", cells=(Cell("all", "test"),),
    forms=("mmpose", "original"), region="clipped_box_or_tight",
    note="the table does not say which split it is of; the configuration tests on the test list",
)
FACE6_1X = replace(LAPA_1X, name="face6_mmpose1x", table="Face6", note="")
FASHION_UPPER_1X = replace(
    WFLW_1X, name="deepfashion_upper_mmpose1x", table="DeepFashion FLD", dataset="deepfashion_upper",
    cells=tuple(Cell(metric, "test", metric, digits=1) for metric in ("PCK@0.2", "AUC", "EPE")),
    forms=("mmpose", "original"), region="clipped_box", normaliser="longer side of box",
    note="the table's heading says val set; the configuration tests on the test list",
)
FASHION_LOWER_1X = replace(FASHION_UPPER_1X, name="deepfashion_lower_mmpose1x", dataset="deepfashion_lower")
FASHION_FULL_1X = replace(FASHION_UPPER_1X, name="deepfashion_full_mmpose1x", dataset="deepfashion_full")

_OFFICIAL: dict[str, Any] = {
    "source": "official HRNet repository at f776dbe", "table_source": "README at f776dbe",
    "scoring": "hrnet_official", "variant": None, "decode": "hrnet_official",
}
WFLW_OFFICIAL = replace(
    WFLW_0X, name="wflw_official", forms=("hrnet", "mmpose", "original", "subset_lists"), **_OFFICIAL,
)
AFLW_OFFICIAL = replace(AFLW_0X, name="aflw_official", forms=("hrnet", "mmpose", "original"), **_OFFICIAL)
COFW_OFFICIAL = replace(
    COFW_0X, name="cofw_official", cells=(Cell("test", "test"), Cell("FR_at_0_10", "test", "FR@0.10")),
    forms=("original", "mmpose"), region="landmarks", counts_from=1, box_shift={}, **_OFFICIAL,
)
IBUG300W_OFFICIAL = replace(
    IBUG300W_0X, name="300w_official", forms=("hrnet", "mmpose", "original", "pfld", "spiga"), **_OFFICIAL,
)

COMPACT_300W = Protocol(
    name="300w_compact", source="examples/train_compact", table_source="measured by examples/train_compact",
    table="300-W without the challenging set", dataset="300w",
    cells=(
        Cell("validation (203 train faces held out)", "validation", faces=(203,)),
        Cell("test (434 common-set faces)", "common", faces=(434,)),
    ),
    forms=("original",), region="tight", normaliser="inter-ocular", scoring="plain", reference="own",
)

PROTOCOLS: Mapping[str, Protocol] = MappingProxyType({protocol.name: protocol for protocol in (
    WFLW_0X, AFLW_0X, COFW_0X, IBUG300W_0X,
    WFLW_1X, AFLW_1X, COFW_1X, IBUG300W_1X, LAPA_1X, FACE6_1X, FASHION_UPPER_1X, FASHION_LOWER_1X, FASHION_FULL_1X,
    WFLW_OFFICIAL, AFLW_OFFICIAL, COFW_OFFICIAL, IBUG300W_OFFICIAL,
    COMPACT_300W,
)})
# fmt: on


Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Region:
    """What `Model.prepare` is given, in pixels as upstream counts them: a box, or center and scale."""

    box: Numbers | None = None  # (1, 4)
    center: Numbers | None = None  # (1, 2)
    scale: Numbers | None = None  # (1, 2)
    points: NDArray[np.float32] | None = None  # (1, 5, 2): those of the detector that found the box


def place(sample: Sample, protocol: Protocol, convention: str, width: int, height: int) -> Region:
    """Return the region of a face by its protocol, for a model whose boxes hold `convention`.

    Width and height are the image's. `DatasetError` if the annotations lack what the rule needs.
    """
    points, size = sample.points + protocol.counts_from, (width, height)
    # Where the annotation has no center and scale, they are made as those of the derived lists were made.
    match protocol.region:
        case "annotation_or_landmarks":
            return _padded(protocol, *(_annotation(sample, protocol) or landmark_region(points)))
        case "annotation_or_box":
            annotation = _annotation(sample, protocol)
            return _padded(protocol, *(annotation or box_region(_annotated_box(sample, protocol)[0])))
        case "landmarks":
            return _padded(protocol, *landmark_region(points))
        case "box":
            return Region(box=_annotated_box(sample, protocol))
        case "clipped_box":
            return _clipped(_annotated_box(sample, protocol), size)
        case "clipped_box_or_tight":
            # Without a box, the tight one of the points, as MMPose's `lapa2coco.py` makes it.
            return _clipped(tight_boxes(points[None]) if sample.box is None else _annotated_box(sample, protocol), size)
        case "tight":
            return Region(box=convert_boxes(tight_boxes(sample.points[None]), "tight", convention))


def as_upstream(sample: Sample, protocol: Protocol, form: str) -> Sample:
    """Return the sample with the box that upstream's own file has, whichever form it was read from."""
    shift = protocol.box_shift.get(form, 0.0)
    return sample if sample.box is None or not shift else replace(sample, box=sample.box + shift)


def _annotation(sample: Sample, protocol: Protocol) -> tuple[Numbers, Numbers] | None:
    if sample.center is None or sample.scale is None:
        return None
    return sample.center + protocol.counts_from, sample.scale


def _annotated_box(sample: Sample, protocol: Protocol) -> Numbers:
    if sample.box is None:
        raise DatasetError(f"{sample.name}: {protocol.name} needs boxes, and these annotations have none")
    return sample.box[None] + protocol.counts_from


def _padded(protocol: Protocol, center: Numbers, scale: Numbers) -> Region:
    return Region(center=center[None], scale=scale[None] * protocol.padding)


def _clipped(box: Numbers, size: tuple[int, int]) -> Region:
    """Clip both corners to the image, in float32.

    Source: MMPose 1.x `datasets/datasets/base/base_coco_style_dataset.py`.
    """
    return Region(box=np.clip(box, 0, np.array([*size, *size]) - 1).astype(np.float32).astype(np.float64))


def face_size(sample: Sample, protocol: Protocol, region: Region) -> float:
    """Return the size in pixels that the errors of a face are divided by; `DatasetError` if the annotations lack it."""
    size = None
    match protocol.normaliser:
        case "inter-ocular":
            pair = get_scheme(RELEASES[protocol.dataset].scheme).normaliser
            size = None if pair is None else point_pair(truth_of(sample, protocol)[None], pair)[0]
        case "box size of the annotation":
            size = sample.box_size
        case "side of the annotated region":
            size = None if region.scale is None else region.scale.max() / protocol.padding
        case "longer side of box":
            size = None if region.box is None else box_sides(region.box)[0]
    if size is None:
        lack = f"divides by the {protocol.normaliser}, which these annotations lack"
        raise DatasetError(f"{sample.name}: {protocol.name} {lack}")
    return float(size)


def truth_of(sample: Sample, protocol: Protocol) -> NDArray[np.float32]:
    """Return the points (K, 2) that upstream scores against: in the numbers of its files, float32."""
    return (sample.points + protocol.counts_from).astype(np.float32)
