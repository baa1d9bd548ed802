"""The record that describes how a model is run; its file and accuracy are recorded in the manifest."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from facelandmarks.schemes.scheme import Scheme

# The upstream implementation whose arithmetic is followed, where two run the same file.
Variant = Literal["mmpose0x", "mmpose1x"]
# How the outputs for a crop and its mirror image are averaged (`facelandmarks.decode`).
FlipAverage = Literal["heatmaps", "shifted_heatmaps", "coordinates", "shifted_coordinates", "simcc", "points", "mesh"]
Changes = Mapping[str, Any]

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)
# Of a second opinion: the factors of what tells a face (`facelandmarks.finding.evidence`), the least sum of a face, and
# how much less is enough beside one.
OPINION = ("doubt", "apart", "detector", "side", "least", "beside")


@dataclass(frozen=True)
class ModelSpec:
    """What a model is and how it is run as published."""

    name: str
    title: str  # for people
    network: str  # key in `facelandmarks.nn.build`
    network_options: Mapping[str, Any]  # arguments of the network's constructor
    scheme: "str | Scheme"  # of the output: a name in `facelandmarks.schemes`, or one's own
    weights: str  # key of the file in `weights_manifest.json`
    input_size: tuple[int, int]  # width and height of the crop in pixels
    geometry: str  # maps a box to a crop and points back (`facelandmarks.geometry`)
    decode: str  # turns the network's output into points of the crop (`facelandmarks.decode`)
    flip_test: bool  # whether the published numbers average the crop and its mirror image
    box_convention: str  # of the boxes it was trained on (`facelandmarks.boxes`)
    box_padding: float = 1.25  # by which the crop is larger than the box
    mean: tuple[float, float, float] = IMAGENET_MEAN  # RGB, 0 to 255: the input is `(pixel - mean) / std`
    std: tuple[float, float, float] = IMAGENET_STD
    flip_average: FlipAverage = "heatmaps"
    flip_exchange: bool = True  # whether left and right landmarks then change places; one model was trained without
    crop_options: Mapping[str, Any] = field(default_factory=dict)
    decode_options: Mapping[str, Any] = field(default_factory=dict)
    back_options: Mapping[str, Any] = field(default_factory=dict)  # of the way from the crop back to the image
    variant: Variant | None = None
    variants: Mapping[Variant, Changes] = field(default_factory=dict)  # to follow: changes to this record
    decodes: Mapping[str, Changes] = field(default_factory=dict)  # other ways to decode: changes to this record
    detector: str | None = None  # that belongs to it: "auto" takes it if its file is in the cache
    # On what a detector found, by its name: the numbers of `OPINION`, fitted to these weights and points.
    opinions: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    confirm_below: float | None = None  # mean point score below which no face was seen; None: scores do not tell
    story: str = ""  # facts to know before trusting the model
