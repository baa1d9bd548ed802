"""Flip average and decoding on tensors, chosen by a model's record."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import torch
from torch import Tensor

from facelandmarks.decode_torch import argmax, dark, hrnet_official, points, regression, simcc, udp
from facelandmarks.decode_torch.flip import AVERAGES
from facelandmarks.pipeline import average_options, decode_options
from facelandmarks.zoo.spec import ModelSpec

DECODERS: Mapping[str, Callable[..., tuple[Tensor, Tensor]]] = MappingProxyType(
    {
        "argmax": argmax.decode,
        "dark": dark.decode,
        "udp": udp.decode,
        "regression": regression.decode,
        "points": points.decode,
        "simcc": simcc.decode,
        "hrnet_official": hrnet_official.decode,
        "hrnet_official_subpixel": hrnet_official.decode,
    }
)


@dataclass(frozen=True)
class DevicePipeline:
    """What is done after the network on its device. Built by `bind`.

    Attributes
    ----------
    average
        Outputs for crops and for their mirror images to one output; None without flip test.
    decode
        Output to points (N, K, 2) in pixels of the crop, and scores (N, K).
    """

    average: Callable[..., Tensor] | None
    decode: Callable[..., tuple[Tensor, Tensor]]


def bind_decode(spec: ModelSpec) -> Callable[..., tuple[Tensor, Tensor]]:
    """The decoder that a record names."""
    return partial(DECODERS[spec.decode], **decode_options(spec))


def bind(spec: ModelSpec, device: torch.device) -> DevicePipeline:
    """The functions that a record names, their constants on the device."""
    options = average_options(spec)
    options["exchange"] = torch.tensor(options["exchange"], dtype=torch.long, device=device)
    average = partial(AVERAGES[spec.flip_average], **options) if spec.flip_test else None
    return DevicePipeline(average, bind_decode(spec))
