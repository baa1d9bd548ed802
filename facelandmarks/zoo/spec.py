"""The record that describes how a model is run; its file and accuracy are recorded in the manifest."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

# The upstream implementation whose arithmetic is followed, where two run the same file.
Variant = Literal["mmpose0x", "mmpose1x"]
# How the outputs for a crop and its mirror image are averaged (`facelandmarks.decode.flip`).
FlipAverage = Literal["heatmaps", "shifted_heatmaps", "coordinates", "shifted_coordinates", "simcc", "points"]
Changes = Mapping[str, Any]

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True)
class ModelSpec:
    """What a model is and how it is run as published.

    Attributes
    ----------
    name, title
        For programs and for people.
    network, network_options
        Key in `facelandmarks.nn.build`, and the arguments of its constructor.
    scheme
        Scheme of the output (`facelandmarks.schemes`).
    weights
        Key of the file in `weights_manifest.json`.
    input_size
        Width and height of the crop in pixels.
    geometry, crop_options
        Arithmetic that maps a box to a crop and points back (`facelandmarks.geometry`).
    decode, decode_options, back_options
        How the network's output becomes points of the crop (`facelandmarks.decode`), and those become points of the
        image.
    mean, std
        RGB, on the scale 0 to 255: the network's input is `(pixel - mean) / std`.
    flip_test, flip_average, flip_exchange
        Whether the published numbers average the crop and its mirror image; how; and whether left and right landmarks
        then change places (they should; one model was trained without).
    box_convention, box_padding
        Convention of the boxes it was trained on (`facelandmarks.boxes`), and the factor by which the crop is larger.
    variant, variants
        The upstream implementation that is followed; and all that can be, with their changes to this record.
    decodes
        Other ways to decode, with their changes to this record.
    confirm_below
        A detection whose mean point score is lower is not a face; None if this model's scores do not tell.
    story
        Facts to know before trusting the model.
    """

    name: str
    title: str
    network: str
    network_options: Mapping[str, Any]
    scheme: str
    weights: str
    input_size: tuple[int, int]
    geometry: str
    decode: str
    flip_test: bool
    box_convention: str
    box_padding: float = 1.25
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    flip_average: FlipAverage = "heatmaps"
    flip_exchange: bool = True
    crop_options: Mapping[str, Any] = field(default_factory=dict)
    decode_options: Mapping[str, Any] = field(default_factory=dict)
    back_options: Mapping[str, Any] = field(default_factory=dict)
    variant: Variant | None = None
    variants: Mapping[Variant, Changes] = field(default_factory=dict)
    decodes: Mapping[str, Changes] = field(default_factory=dict)
    confirm_below: float | None = None
    story: str = ""
