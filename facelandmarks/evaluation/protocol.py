"""The record of how a family of published rows was measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from facelandmarks.zoo.spec import Variant

# Where the region of a face comes from (`facelandmarks.evaluation.regions`).
RegionRule = Literal[
    "annotation_or_box", "annotation_or_landmarks", "landmarks", "box", "clipped_box", "clipped_box_or_tight", "tight"
]
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
