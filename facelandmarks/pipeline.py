"""The arithmetic around a model's network, chosen by its record: crop, flip average, decoding, way back."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType, ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facelandmarks.decode import argmax, dark, hrnet_official, points, regression, simcc, udp
from facelandmarks.decode.flip import AVERAGES
from facelandmarks.errors import InvalidOptionError
from facelandmarks.geometry import classic as classic_geometry
from facelandmarks.geometry import hrnet_official as official_geometry
from facelandmarks.geometry import udp as udp_geometry
from facelandmarks.schemes import get_scheme
from facelandmarks.zoo.spec import ModelSpec, Variant

GEOMETRIES: Mapping[str, ModuleType] = MappingProxyType(
    {"classic": classic_geometry, "udp": udp_geometry, "hrnet_official": official_geometry}
)
DECODERS: Mapping[str, Callable[..., tuple[NDArray[np.float32], NDArray[np.float32]]]] = MappingProxyType(
    {
        "argmax": argmax.decode,
        "dark": dark.decode,
        "udp": udp.decode,
        "regression": regression.decode,
        "points": points.decode,
        "simcc": simcc.decode,
        # One decoder; they differ in the way back (`ModelSpec.back_options`).
        "hrnet_official": hrnet_official.decode,
        "hrnet_official_subpixel": hrnet_official.decode,
    }
)


@dataclass(frozen=True)
class Pipeline:
    """What is done around the network. Built by `bind`; input size and options are filled in.

    Attributes
    ----------
    regions
        Boxes (N, 4) to center and scale (N, 2) in pixels of the picture.
    cut
        Picture, center and scale to crops uint8 (N, H, W, 3).
    average
        Outputs for crops and for their mirror images to one output (flip test).
    decode
        Output to points (N, K, 2) in pixels of the crop, and scores (N, K).
    to_image
        Points, center and scale to points in pixels of the picture.
    """

    regions: Callable[..., tuple[NDArray[np.float64], NDArray[np.float64]]]
    cut: Callable[..., NDArray[np.uint8]]
    average: Callable[..., NDArray[np.float32]]
    decode: Callable[..., tuple[NDArray[np.float32], NDArray[np.float32]]]
    to_image: Callable[..., NDArray[np.float32]]


def choose(
    spec: ModelSpec, *, variant: str | None = None, decode: str | None = None, flip_test: bool | None = None
) -> ModelSpec:
    """The record with the user's choices; None leaves it as published.

    Raises
    ------
    InvalidOptionError
        If the model has no such variant or decoder.
    """
    if variant is not None:
        _check("variant", variant, spec.variants, spec.name)
        known: Variant = variant  # type: ignore[assignment]
        spec = replace(spec, variant=known, **spec.variants[known])
    if decode is not None and decode != spec.decode:
        _check("decode", decode, {*spec.decodes, spec.decode}, spec.name)
        spec = replace(spec, decode=decode, decode_options={}, **spec.decodes[decode])
    return spec if flip_test is None else replace(spec, flip_test=flip_test)


def _check(option: str, value: str, choices: Collection[str], model: str) -> None:
    if value not in choices:
        rule = f"must be {' or '.join(sorted(choices))}" if choices else "cannot be chosen"
        raise InvalidOptionError(f"{option} {rule} for {model}; got {value!r}")


def bind(spec: ModelSpec) -> Pipeline:
    """The functions that a record names."""
    geometry, size, arithmetic = GEOMETRIES[spec.geometry], spec.input_size, _arithmetic(spec)
    return Pipeline(
        regions=partial(geometry.boxes_to_center_scale, input_size=size, padding=spec.box_padding, **arithmetic),
        cut=partial(geometry.cut_crops, input_size=size, **arithmetic, **spec.crop_options),
        average=partial(AVERAGES[spec.flip_average], **average_options(spec)),
        decode=partial(DECODERS[spec.decode], **decode_options(spec)),
        to_image=partial(geometry.to_image, input_size=size, **arithmetic, **spec.back_options),
    )


def average_options(spec: ModelSpec) -> dict[str, Any]:
    """What an average of `decode.flip` takes besides the outputs."""
    scheme = get_scheme(spec.scheme)
    exchange = scheme.mirror if spec.flip_exchange else np.arange(len(scheme))
    return {"exchange": exchange, "input_size": spec.input_size}


def decode_options(spec: ModelSpec) -> dict[str, Any]:
    """What a decoder takes besides the output."""
    return {"input_size": spec.input_size, **_arithmetic(spec), **spec.decode_options}


def _arithmetic(spec: ModelSpec) -> dict[str, Any]:
    return {"variant": spec.variant} if spec.variant else {}
