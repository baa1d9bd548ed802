"""A network with its weights, and its ONNX graph, which is built once and kept."""

import hashlib
import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facelandmarks._files import NotWritableError, exclusive
from facelandmarks.errors import import_of
from facelandmarks.weights.cache import Place, is_good_copy, keep_copy
from facelandmarks.weights.load import Weights

if TYPE_CHECKING:
    from torch import nn

    from facelandmarks.weights.checkpoint import Shapes

GRAPH = 1  # to be counted up when the same weights would give another graph
_TOLD: set[Path] = set()  # folders that users were told cannot be written to: once for all models


@dataclass(frozen=True)
class Source:
    """A network and where its weights come from."""

    stem: str  # first part of the names of files that are made from it
    network: str  # one of `facelandmarks.nn.build`
    options: Mapping[str, Any]  # arguments of its constructor
    mean: tuple[float, float, float]  # per channel, on the scale 0 to 255
    std: tuple[float, float, float]
    size: tuple[int, int] | None  # width and height of the input in pixels; None: any
    weights: Weights  # in whose folder the graph is kept
    model: str  # what messages call it
    check: "Callable[[Shapes, Shapes], None] | None" = None  # raises a better error than ours if shapes do not fit


def filled_network(source: Source) -> "nn.Module":
    """Return the network with its weights, in PyTorch."""
    with import_of("torch"):
        from facelandmarks.nn.build import build_network, network_shapes
    from facelandmarks.weights.checkpoint import check_shapes, load_state

    check = source.check or partial(check_shapes, model=source.model)
    if source.weights.shapes:  # nobody vouches for them: no memory is taken for a network before they fit
        check(network_shapes(source.network, source.options), source.weights.shapes())
    network = build_network(source.network, source.options)
    load_state(network, source.weights.state(), source.model, check)
    return network


def obtain_graph(source: Source) -> Path | bytes:
    """Return the file of a network's ONNX graph, building it if needed; its bytes where no file can be kept."""
    place = graph_place(source)
    if place is None:
        return _build(source)
    if is_good_copy(place):
        return place.file
    try:
        with exclusive(place.lock):  # two processes that start together build it once
            if is_good_copy(place):
                return place.file
            graph = _build(source)
            keep_copy(place, lambda path: path.write_bytes(graph))
            if is_good_copy(place):
                return place.file
    except NotWritableError:
        graph = _build(source)
    if place.folder not in _TOLD:
        _TOLD.add(place.folder)
        warnings.warn(
            f"{place.folder} cannot be written to, so graphs are built anew by PyTorch at every start, which takes "
            "seconds. Set FACELANDMARKS_CACHE to a folder that can be written to",
            stacklevel=3,
        )
    return graph


def graph_place(source: Source) -> Place | None:
    """Return where the graph of a network is kept; the name has all that the graph depends on."""
    weights = source.weights
    if weights.sha256 is None or weights.folder is None:
        return None
    recipe = json.dumps([source.network, dict(source.options), source.mean, source.std, source.size])
    made_by = f"v{GRAPH}-{hashlib.sha256(recipe.encode()).hexdigest()[:8]}"
    return Place(weights.folder, f"{source.stem}.{weights.sha256[:16]}.{made_by}.onnx")


def _build(source: Source) -> bytes:
    network = filled_network(source)
    from facelandmarks.nn.build import build_graph

    metadata = {"made_from": source.stem, "weights_sha256": source.weights.sha256 or "unknown"}
    return build_graph(network, source.mean, source.std, source.size, metadata)
