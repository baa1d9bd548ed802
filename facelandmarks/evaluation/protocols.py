"""How published numbers were measured: one record for each family of rows, and which rows of the manifest it explains.

The numbers stand in the manifest (`published` of a file); a `Protocol` says from which faces, regions and rules they
came. What cannot be measured again is listed too, with the reason.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

from facelandmarks.errors import InvalidOptionError
from facelandmarks.evaluation.datasets import FORMS, RELEASES, get_release
from facelandmarks.weights.manifest import load_manifest
from facelandmarks.zoo import MODELS
from facelandmarks.zoo.spec import ModelSpec, Variant

# Where the region of a face comes from (`facelandmarks.evaluation.regions`).
RegionRule = Literal["annotation", "landmarks", "box", "clipped_box", "tight"]
# What errors are divided by (`facelandmarks.evaluation.regions`).
Normaliser = Literal["inter-ocular", "box size of the annotation", "side of the annotated region", "longer side of box"]
# Whose rules of averaging (`facelandmarks.evaluation.scoring`).
Scoring = Literal["mmpose", "hrnet_official", "plain"]


@dataclass(frozen=True)
class Cell:
    """One number of a published row.

    Attributes
    ----------
    key
        Its name in `values` of the manifest.
    subset
        Subset of the data set (`Release.faces`).
    metric
        A key of `facelandmarks.evaluation.scoring.METRICS`.
    digits
        Decimals that the table prints.
    faces
        How many faces it was measured on, where that is not the whole published subset.
    """

    key: str
    subset: str
    metric: str = "NME"
    digits: int = 2
    faces: tuple[int, ...] = ()


@dataclass(frozen=True)
class Protocol:
    """How a family of published rows was measured.

    Attributes
    ----------
    name, source
        For programs and for people: the program that measured.
    table_source, table
        The rows it explains: start of `source`, and `dataset`, in the manifest. The point layouts must agree, too.
    dataset, cells
        Data set of `RELEASES`, and what of it the numbers are of.
    forms
        Forms of its files (`FORMS`), the one that upstream read first; the first that is there is read.
    region, padding
        Where the region of a face comes from, and by how much it is enlarged. Boxes get the model's own padding.
    counts_from
        What upstream's annotations call the centre of the top-left pixel. It takes their numbers for positions in the
        picture as they stand, so regions are shifted by this, and points are scored so, too.
    box_shift
        By form: pixels to add to its boxes to get those that upstream read.
    normaliser, scoring
        What errors are divided by, and whose rules of averaging and rounding.
    variant, decode
        Choices of the model (`facelandmarks.pipeline.choose`); None leaves it as published.
    note
        What is not certain about it.
    """

    name: str
    source: str
    table_source: str
    table: str
    dataset: str
    cells: tuple[Cell, ...]
    forms: tuple[str, ...]
    region: RegionRule
    normaliser: Normaliser
    scoring: Scoring
    padding: float = 1.25
    counts_from: int = 0
    box_shift: Mapping[str, float] = field(default_factory=dict)
    variant: Variant | None = None
    decode: str | None = None
    note: str = ""


@dataclass(frozen=True)
class Row:
    """What is measured: a model, or the name of other predictions, and how.

    `source` and `values` are of the published row, numbers by key of the protocol's cells; empty if there is none.
    """

    model: str
    protocol: Protocol
    source: str = ""
    values: Mapping[str, float] = field(default_factory=dict)


def _cells(*subsets: str) -> tuple[Cell, ...]:
    return tuple(Cell(subset, subset) for subset in subsets)


WFLW_0X = Protocol(
    name="wflw_mmpose0x",
    source="MMPose 0.29.0",
    table_source="mmpose v0.29.0 table",
    table="WFLW",
    dataset="wflw",
    cells=_cells("test", "pose", "expression", "illumination", "makeup", "occlusion", "blur"),
    forms=("mmpose", "hrnet", "original", "subset_lists"),
    region="annotation",
    normaliser="inter-ocular",
    scoring="mmpose",
    variant="mmpose0x",
)
AFLW_0X = replace(
    WFLW_0X,
    name="aflw_mmpose0x",
    table="AFLW",
    dataset="aflw",
    cells=_cells("full", "frontal"),
    forms=("mmpose", "hrnet"),
    normaliser="box size of the annotation",
)
COFW_0X = replace(
    WFLW_0X,
    name="cofw_mmpose0x",
    table="COFW",
    dataset="cofw",
    cells=(Cell("all", "test"),),
    forms=("mmpose", "original"),
    region="box",
    # Its converter subtracts 1 from the points and not from the boxes.
    box_shift={"original": 1.0},
)
IBUG300W_0X = replace(
    WFLW_0X,
    name="300w_mmpose0x",
    table="300-W",
    dataset="300w",
    cells=_cells("common", "challenge", "full", "test"),
    forms=("mmpose", "hrnet", "original", "pfld", "spiga"),
    counts_from=1,
)

_1X: dict[str, Any] = {"source": "MMPose 1.3.2", "table_source": "mmpose v1.3.2 table", "variant": "mmpose1x"}
WFLW_1X = replace(WFLW_0X, name="wflw_mmpose1x", cells=(*WFLW_0X.cells, Cell("all", "test")), **_1X)
AFLW_1X = replace(AFLW_0X, name="aflw_mmpose1x", normaliser="side of the annotated region", **_1X)
COFW_1X = replace(COFW_0X, name="cofw_mmpose1x", region="clipped_box", **_1X)
IBUG300W_1X = replace(IBUG300W_0X, name="300w_mmpose1x", **_1X)
LAPA_1X = replace(
    WFLW_1X,
    name="lapa_mmpose1x",
    table="LaPa",
    dataset="lapa",
    cells=(Cell("all", "test"),),
    forms=("mmpose",),
    region="clipped_box",
    note="the table does not say which split it is of; the configuration tests on the test list",
)
FACE6_1X = replace(LAPA_1X, name="face6_mmpose1x", table="Face6", note="")
FASHION_UPPER_1X = replace(
    WFLW_1X,
    name="deepfashion_upper_mmpose1x",
    table="DeepFashion FLD",
    dataset="deepfashion_upper",
    cells=(
        Cell("PCK@0.2", "test", "PCK@0.2", digits=1),
        Cell("AUC", "test", "AUC", digits=1),
        Cell("EPE", "test", "EPE", digits=1),
    ),
    forms=("mmpose", "original"),
    region="clipped_box",
    normaliser="longer side of box",
    note="the table's heading says val set; the configuration tests on the test list",
)
FASHION_LOWER_1X = replace(FASHION_UPPER_1X, name="deepfashion_lower_mmpose1x", dataset="deepfashion_lower")
FASHION_FULL_1X = replace(FASHION_UPPER_1X, name="deepfashion_full_mmpose1x", dataset="deepfashion_full")

WFLW_OFFICIAL = replace(
    WFLW_0X,
    name="wflw_official",
    source="official HRNet repository at f776dbe",
    table_source="README at f776dbe",
    forms=("hrnet", "mmpose", "original", "subset_lists"),
    scoring="hrnet_official",
    variant=None,
    decode="hrnet_official",
)
_OFFICIAL: dict[str, Any] = {
    name: getattr(WFLW_OFFICIAL, name) for name in ("source", "table_source", "scoring", "variant", "decode")
}
AFLW_OFFICIAL = replace(AFLW_0X, name="aflw_official", **_OFFICIAL | {"forms": ("hrnet", "mmpose")})
COFW_OFFICIAL = replace(
    COFW_0X,
    name="cofw_official",
    cells=(Cell("test", "test"), Cell("FR_at_0_10", "test", "FR@0.10")),
    region="landmarks",
    counts_from=1,
    box_shift={},
    **_OFFICIAL | {"forms": ("original", "mmpose")},
)
IBUG300W_OFFICIAL = replace(
    IBUG300W_0X, name="300w_official", **_OFFICIAL | {"forms": ("hrnet", "mmpose", "original", "pfld", "spiga")}
)

COMPACT_300W = Protocol(
    name="300w_compact",
    source="examples/train_compact",
    table_source="measured by examples/train_compact",
    table="300-W without the challenging set",
    dataset="300w",
    cells=(
        Cell("validation (203 train faces held out)", "validation", faces=(203,)),
        Cell("test (434 common-set faces)", "common", faces=(434,)),
    ),
    forms=("original",),
    region="tight",
    normaliser="inter-ocular",
    scoring="plain",
)

# fmt: off
PROTOCOLS: Mapping[str, Protocol] = MappingProxyType({protocol.name: protocol for protocol in (
    WFLW_0X, AFLW_0X, COFW_0X, IBUG300W_0X,
    WFLW_1X, AFLW_1X, COFW_1X, IBUG300W_1X, LAPA_1X, FACE6_1X, FASHION_UPPER_1X, FASHION_LOWER_1X, FASHION_FULL_1X,
    WFLW_OFFICIAL, AFLW_OFFICIAL, COFW_OFFICIAL, IBUG300W_OFFICIAL,
    COMPACT_300W,
)})
# fmt: on
# Tables of the manifest that no protocol can measure again.
UNREACHABLE: Mapping[str, str] = MappingProxyType(
    {
        "300W-LP": "MMPose cannot evaluate it itself: its metric has no normaliser for this data set (KeyError)",
        "COCO-WholeBody-Face": "the annotations of COCO-WholeBody are not read here",
    }
)


def published_rows(spec: ModelSpec) -> Iterator[Row]:
    """Rows of the manifest of a model that can be measured again."""
    for row in load_manifest().files[spec.weights].published:
        for protocol in PROTOCOLS.values():
            if _explains(protocol, row, spec):
                yield Row(spec.name, protocol, row["source"], MappingProxyType(dict(row["values"])))


def _explains(protocol: Protocol, row: Mapping[str, Any], spec: ModelSpec) -> bool:
    return (
        row["source"].startswith(protocol.table_source)
        and row["dataset"] == protocol.table
        and spec.scheme == RELEASES[protocol.dataset].scheme
    )


def rows_of(dataset: str) -> list[Row]:
    """Every published row of a data set, model by model."""
    return [row for spec in MODELS.values() for row in published_rows(spec) if row.protocol.dataset == dataset]


# What differs in rows without published numbers.
_PLAIN: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {"aflw19": {"normaliser": "box size of the annotation"}}
    | {
        f"deepfashion_{part}": {
            "region": "box",
            "normaliser": "longer side of box",
            "cells": (Cell("", "test"), Cell("", "test", "PCK@0.2"), Cell("", "test", "EPE")),
        }
        for part in ("upper", "lower", "full")
    }
)


def plain_row(spec: ModelSpec, dataset: str, subsets: Sequence[str] = ()) -> Row:
    """A row without published numbers, for a model that has none of this data set.

    Raises
    ------
    InvalidOptionError
        If the model has another point layout than the data set.
    """
    scheme = get_release(dataset).scheme
    if spec.scheme != scheme:
        raise InvalidOptionError(f"{spec.name} gives {spec.scheme} points, {dataset} has {scheme}")
    return Row(spec.name, plain_protocol(dataset, subsets))


def plain_protocol(dataset: str, subsets: Sequence[str] = ()) -> Protocol:
    """Rules for what has no published number: the tight box of the truth as the model's own kind of box, plain means.

    Without subsets it is of the first one of the release.
    """
    release = get_release(dataset)
    protocol = Protocol(
        name=f"{dataset}_plain",
        source="not published",
        table_source="",
        table="",
        dataset=dataset,
        cells=tuple(Cell("", next(iter(release.faces)), metric) for metric in ("NME", "FR@0.10", "AUC@0.10")),
        forms=tuple(FORMS[dataset]),
        region="tight",
        normaliser="inter-ocular",
        scoring="plain",
    )
    protocol = replace(protocol, **_PLAIN.get(release.scheme, {}))
    if subsets:
        cells = (replace(cell, subset=subset) for subset in subsets for cell in protocol.cells)
        protocol = replace(protocol, cells=tuple(cells))
    return protocol
