"""The record that describes how a model is run. Where its file comes from and how good it is stands in the manifest."""

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
        Which network of `facelandmarks.nn.build`, and the numbers of its constructor.
    scheme
        Point layout of the output (`facelandmarks.schemes`).
    weights
        Key of the file in `weights_manifest.json`.
    input_size
        Width and height of the crop in pixels.
    geometry, crop_options
        Which arithmetic maps a box to a crop and points back (`facelandmarks.geometry`).
    decode, decode_options, back_options
        How the network's output becomes points of the crop (`facelandmarks.decode`), and these points of the picture.
    mean, std
        Per channel RGB, on the scale 0 to 255: the network sees `(pixel - mean) / std`.
    flip_test, flip_average, flip_exchange
        Whether the published numbers average the crop and its mirror image; how; and whether left and right landmarks
        change places then (they should; one model was trained without).
    box_convention, box_padding
        What the boxes it was trained on hold (`facelandmarks.boxes`), and how far the crop reaches beyond them (factor
        of the side).
    variant, variants
        The upstream implementation that is followed; and those that can be, with what changes in this record.
    decodes
        Other ways to decode, with what changes in this record.
    confirm_below
        Detected faces whose mean point score is lower are no faces; None: scores of this model do not tell.
    story
        What a user has to know before trusting it.
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
