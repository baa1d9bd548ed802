"""The record that describes a model completely."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

# The upstream implementation whose arithmetic is followed, where two run the same file.
Variant = Literal["mmpose0x", "mmpose1x"]


@dataclass(frozen=True)
class ModelSpec:
    """What a model is and how it is run as published.

    Attributes
    ----------
    name, title
        For programs and for people.
    network, network_options
        Which network of `facelandmarks.nn`, and the numbers of its constructor.
    scheme
        Point layout of the output (`facelandmarks.schemes`).
    input_size
        Width and height of the crop in pixels.
    geometry
        Which arithmetic maps a box to a crop and points back (`facelandmarks.geometry`).
    box_convention, box_padding
        What the boxes it was trained on hold, and how far the crop reaches beyond them (factor of the side).
    decode, decode_options
        How the network's output becomes points (`facelandmarks.decode`).
    mean, std
        Per channel RGB, on the scale 0 to 255: the network sees `(pixel - mean) / std`.
    flip_test
        Whether the published numbers average the picture and its mirror image.
    weights
        Key of the file in `weights_manifest.json`.
    data, terms
        What it was trained on, and what its use is bound to.
    metrics
        Published or measured accuracy, in words with unit, normaliser and protocol.
    paper
        Where it is described.
    """

    name: str
    title: str
    network: str
    scheme: str
    input_size: tuple[int, int]
    geometry: str
    box_convention: str
    decode: str
    weights: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    flip_test: bool
    box_padding: float = 1.25
    network_options: Mapping[str, Any] = field(default_factory=dict)
    decode_options: Mapping[str, Any] = field(default_factory=dict)
    data: str = ""
    terms: str = ""
    metrics: tuple[str, ...] = ()
    paper: str = ""
