"""A model's network and its weights: published ones, or those that a user brings."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facelandmarks.engines.make import Source
from facelandmarks.schemes import get_scheme
from facelandmarks.weights.cache import cache_folder
from facelandmarks.weights.locate import Located, locate
from facelandmarks.zoo import MODELS
from facelandmarks.zoo.spec import ModelSpec

if TYPE_CHECKING:
    from torch import nn

    from facelandmarks.weights.checkpoint import Shapes, State

Weights = str | os.PathLike[str] | Mapping[str, Any]


def find_source(
    spec: ModelSpec,
    weights: Weights | None = None,
    *,
    cache_dir: str | os.PathLike[str] | None = None,
    offline: bool | None = None,
    allow_unverified: bool = False,
    progress: bool | None = None,
) -> Source:
    """Where an engine gets a model from; the published file is fetched if it is not here.

    Parameters and errors are those of `facelandmarks.load_model`.
    """
    if weights is not None:
        return _source(spec, partial(_given, weights), None)
    file = locate(
        spec.weights, cache_dir=cache_dir, offline=offline, allow_unverified=allow_unverified, progress=progress
    )
    return _source(spec, partial(_published, spec.weights, file), file)


def _source(spec: ModelSpec, read: "Callable[[], State]", file: Located | None) -> Source:
    """The network of a model, and its weights."""

    def fill(network: "nn.Module") -> None:
        from facelandmarks.weights.checkpoint import load_state

        load_state(network, read(), spec.name, candidates=_shapes_of_all)

    return Source(
        stem=Path(spec.weights).stem[:150],
        network=spec.network,
        options=network_numbers(spec),
        mean=spec.mean,
        std=spec.std,
        size=spec.input_size,
        fill=fill,
        digest=file.sha256 if file else None,
        folder=file.copies if file else cache_folder(),
    )


def _published(name: str, file: Located) -> "State":
    from facelandmarks.weights.published import load_published

    return load_published(name, file)


def _given(weights: Weights) -> "State":
    from facelandmarks.weights.given import read_given

    return read_given(weights)


def network_numbers(spec: ModelSpec) -> dict[str, Any]:
    """The numbers of the network's constructor."""
    return {**spec.network_options, "landmarks": len(get_scheme(spec.scheme))}


def _shapes_of_all() -> "dict[str, Shapes]":
    from facelandmarks.nn.build import network_shapes

    return {name: network_shapes(spec.network, network_numbers(spec)) for name, spec in MODELS.items()}
