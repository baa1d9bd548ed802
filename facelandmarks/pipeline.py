"""From a model's record to the arithmetic around its network: crops, flip average, decoding, way back."""

import logging
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from facelandmarks import decode as flips
from facelandmarks.decode import heatmaps, vectors
from facelandmarks.errors import InvalidOptionError
from facelandmarks.geometry import Float32, Geometry
from facelandmarks.geometry.classic import Classic, Udp
from facelandmarks.geometry.hrnet_official import HRNetOfficial
from facelandmarks.geometry.rotated import Rotated
from facelandmarks.results import Decoded
from facelandmarks.schemes import Scheme, get_scheme
from facelandmarks.zoo.own import find_scheme, reference
from facelandmarks.zoo.spec import FlipAverage, ModelSpec, Variant

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Step:
    """A decoder or a flip average."""

    function: Callable[..., Any]  # on arrays; its twin on tensors has the same name in `facelandmarks.decode.on_device`
    takes: tuple[str, ...]  # which of `input_size`, `variant` and `exchange` it takes besides the outputs
    options: Mapping[str, Any] = field(default_factory=dict)
    gives: tuple[str, ...] = ("points", "scores")  # a decoder's results: fields of `results.Decoded`
    scores: str = ""  # what a decoder's scores are, for people

    def result(self, arrays: Iterable[Float32]) -> Decoded:
        """Return what a decoder gave under its names."""
        return Decoded(**dict(zip(self.gives, arrays, strict=True)))


GEOMETRIES: Mapping[str, Callable[..., Geometry]] = MappingProxyType(
    {"classic": Classic, "udp": Udp, "hrnet_official": HRNetOfficial, "rotated": Rotated}
)
_PEAKS = "highest value of each heatmap: trained towards 1, and not limited to 0..1"
DECODERS: Mapping[str, Step] = MappingProxyType(
    {
        "argmax": Step(heatmaps.decode_argmax, ("input_size", "variant"), scores=_PEAKS),
        "dark": Step(heatmaps.decode_dark, ("input_size", "variant"), scores=_PEAKS),
        "udp": Step(heatmaps.decode_udp, ("input_size", "variant"), scores=_PEAKS),
        "regression": Step(vectors.decode_regression, ("input_size",), scores="always 1: the network gives none"),
        "points": Step(
            vectors.decode_points,
            ("input_size",),
            gives=("points", "scores", "expected_error"),
            scores="0 to 1, of each point",
        ),
        "simcc": Step(vectors.decode_simcc, ("input_size",), scores="logits, not limited to 0..1"),
        "mesh": Step(
            vectors.decode_mesh,
            (),
            gives=("points", "scores", "depth"),
            scores="0 to 1, one for all points of a face: whether there is one",
        ),
        # One decoder; they differ in the way back (`ModelSpec.back_options`).
        "hrnet_official": Step(heatmaps.decode_hrnet_official, ("input_size",), scores=_PEAKS),
        "hrnet_official_subpixel": Step(heatmaps.decode_hrnet_official, ("input_size",), scores=_PEAKS),
    }
)
AVERAGES: Mapping[FlipAverage, Step] = MappingProxyType(
    {
        "heatmaps": Step(flips.average_heatmaps, ("exchange",)),
        "shifted_heatmaps": Step(flips.average_heatmaps, ("exchange",), {"shifted": True}),
        "coordinates": Step(flips.average_coordinates, ("exchange", "input_size")),
        "shifted_coordinates": Step(flips.average_coordinates, ("exchange", "input_size"), {"shifted": True}),
        "simcc": Step(flips.average_simcc, ("exchange",)),
        "points": Step(flips.average_coordinates, ("exchange", "input_size")),
        "mesh": Step(flips.average_mesh, ("exchange", "input_size")),
    }
)


@dataclass(frozen=True)
class Pipeline:
    """The arithmetic around the network of one model, on arrays; built by `bind`."""

    geometry: Geometry
    average: Callable[[Float32, Float32], Float32]  # of the outputs for crops and for their mirror images (flip test)
    decode: Callable[[Float32], tuple[Float32, ...]]  # in pixels of the crop; in the order of `Step.gives`


def bind(spec: ModelSpec) -> Pipeline:
    """Build the pipeline that a record names."""
    variant = {"variant": spec.variant} if spec.variant else {}
    options = {**variant, **spec.crop_options, **spec.back_options}
    geometry = GEOMETRIES[spec.geometry](spec.input_size, spec.box_padding, **options)
    average, decode = AVERAGES[spec.flip_average].function, DECODERS[spec.decode].function
    average_options, decode_options = options_of(spec)
    return Pipeline(geometry, partial(average, **average_options), partial(decode, **decode_options))


def options_of(spec: ModelSpec) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what flip average and decoder of a record take besides the outputs; `exchange` is an array (K,)."""
    scheme = get_scheme(spec.scheme)
    exchange = scheme.mirror if spec.flip_exchange else np.arange(len(scheme))
    facts = {"input_size": spec.input_size, "variant": spec.variant or "mmpose0x", "exchange": exchange}
    steps = AVERAGES[spec.flip_average], DECODERS[spec.decode]
    average, decode = ({**{name: facts[name] for name in step.takes}, **step.options} for step in steps)
    return average, {**decode, **spec.decode_options}


def choose(
    spec: ModelSpec,
    *,
    scheme: str | os.PathLike[str] | Scheme | None = None,
    variant: str | None = None,
    decode: str | None = None,
    flip_test: bool | None = None,
) -> ModelSpec:
    """Return the record with the user's choices; None leaves it as published.

    Points of one's own without mirror pairs have no flip test: asking for one is an `InvalidOptionError`.
    """
    if scheme is not None:
        spec = replace(spec, scheme=reference(find_scheme(scheme)), flip_exchange=True, opinions={})
    if variant is not None:
        _check("variant", variant, spec.variants, spec.name)
        known: Variant = variant  # type: ignore[assignment]
        spec = replace(spec, variant=known, **spec.variants[known])
    if decode is not None and decode != spec.decode:
        _check("decode", decode, {*spec.decodes, spec.decode}, spec.name)
        spec = replace(spec, decode=decode, decode_options={}, **spec.decodes[decode])
    if flip_test not in (True, False, None):
        raise InvalidOptionError(f"flip_test must be True, False or None; got {flip_test!r}")
    if isinstance(spec.scheme, Scheme) and not spec.scheme.pairs and spec.flip_exchange:
        if flip_test:
            raise InvalidOptionError(f"a flip test needs the mirror pairs of the points; scheme {spec.scheme} has none")
        if spec.flip_test and flip_test is None:
            _LOG.warning("scheme %s has no mirror pairs: %s runs without flip test", spec.scheme, spec.name)
        return replace(spec, flip_test=False)
    return spec if flip_test is None else replace(spec, flip_test=flip_test)


def _check(option: str, value: str, choices: Collection[str], model: str) -> None:
    if value not in list(choices):  # a list compares what cannot be hashed, too
        rule = f"must be {' or '.join(sorted(choices))}" if choices else "cannot be chosen"
        raise InvalidOptionError(f"{option} {rule} for {model}; got {value!r}")
