"""An engine for a network, in whichever library; graphs for others than PyTorch are built once and kept."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facelandmarks._files import NotWritableError, exclusive
from facelandmarks.engines.base import Engine
from facelandmarks.engines.choose import EngineSettings
from facelandmarks.weights.cache import Place, is_good_copy, keep_copy

if TYPE_CHECKING:
    from torch import nn

GRAPH = 1  # to be counted up when a graph of the same weights would be another


@dataclass(frozen=True)
class Source:
    """A network and where its weights come from.

    Attributes
    ----------
    stem
        What the names of the files begin with that are made from it.
    network, options
        Which network of `facelandmarks.nn.build`, and the numbers of its constructor.
    mean, std
        Per channel, on the scale 0 to 255.
    size
        Width and height of the input in pixels; None: any.
    fill
        Puts the weights into a network.
    digest
        SHA-256 of the file of weights; None: unknown, and nothing is kept.
    folder
        Where graphs are kept.
    """

    stem: str
    network: str
    options: Mapping[str, Any]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    size: tuple[int, int] | None
    fill: Callable[["nn.Module"], None]
    digest: str | None
    folder: Path


def make_engine(source: Source, engine: str, settings: EngineSettings) -> Engine:
    """The engine of that name (`facelandmarks.engines.choose`), ready to run.

    Raises
    ------
    MissingDependencyError
        If the engine, or what builds a graph for it, is not installed.
    DeviceError, InvalidOptionError
        If it cannot run on the device, or not in the number type.
    CheckpointError
        If the weights do not fit.
    """
    if engine == "torch":
        from facelandmarks.engines.torch import TorchEngine

        return TorchEngine(
            filled_network(source),
            source.mean,
            source.std,
            device=settings.device,
            dtype=settings.dtype,
            threads=settings.threads,
            compile_for=source.size if settings.compile else None,
            cuda_graphs=settings.cuda_graphs,
        )
    graph = obtain_graph(source)
    if engine == "openvino":
        from facelandmarks.engines.openvino import OpenVinoEngine

        return OpenVinoEngine(graph, device=settings.device, dtype=settings.dtype, threads=settings.threads)
    from facelandmarks.engines.onnxruntime import OnnxRuntimeEngine

    return OnnxRuntimeEngine(graph, device=settings.device, threads=settings.threads)


def filled_network(source: Source) -> "nn.Module":
    """The network with its weights, in PyTorch."""
    from facelandmarks.nn.build import build_network

    network = build_network(source.network, source.options)
    source.fill(network)
    return network


def obtain_graph(source: Source) -> Path | bytes:
    """The ONNX graph of a network: the file that is kept; or its bytes, where none can be kept."""
    place = graph_place(source)
    if place is None:
        return _build(source)
    if is_good_copy(place):
        return place.file
    try:
        with exclusive(place.lock):  # two processes that start together build it once
            return place.file if is_good_copy(place) else _build_and_keep(source, place)
    except NotWritableError:
        return _build(source)


def graph_place(source: Source) -> Place | None:
    """Where the graph of a network is kept, named by all that it depends on."""
    if source.digest is None:
        return None
    recipe = json.dumps([source.network, dict(source.options), source.mean, source.std, source.size])
    made_by = f"v{GRAPH}-{hashlib.sha256(recipe.encode()).hexdigest()[:8]}"
    return Place(source.folder, f"{source.stem}.{source.digest[:16]}.{made_by}.onnx")


def _build_and_keep(source: Source, place: Place) -> Path | bytes:
    graph = _build(source)
    keep_copy(place, lambda path: path.write_bytes(graph))
    return place.file if is_good_copy(place) else graph


def _build(source: Source) -> bytes:
    from facelandmarks.nn.onnx_graph import build_graph

    metadata = {"made_from": source.stem, "weights_sha256": source.digest or "unknown"}
    return build_graph(filled_network(source), source.mean, source.std, source.size, metadata)
