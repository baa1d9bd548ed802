"""A model as an ONNX file for other programs, with everything they need to know beside it."""

import json
import os
from dataclasses import dataclass
from inspect import getdoc, getmodule
from pathlib import Path
from typing import Any

import numpy as np

from facelandmarks import __version__
from facelandmarks._files import write_file
from facelandmarks.api import find_source
from facelandmarks.engines.choose import EngineSettings
from facelandmarks.engines.graph import filled_network
from facelandmarks.errors import InvalidOptionError
from facelandmarks.model import Model
from facelandmarks.pipeline import DECODERS, GEOMETRIES, choose
from facelandmarks.results import Crops, Decoded
from facelandmarks.schemes import Scheme, get_scheme
from facelandmarks.weights.cache import Access
from facelandmarks.weights.load import Name, find_record
from facelandmarks.weights.load import Source as Weights
from facelandmarks.weights.manifest import load_manifest
from facelandmarks.zoo.spec import ModelSpec

SCHEMA = "facelandmarks-export/1"


@dataclass(frozen=True)
class Agreement:
    """Distances of an exported file's points from PyTorch's, in pixels of the image."""

    largest: float
    mean: float
    landmarks: int  # their number


def export_model(
    name: Name,
    path: str | os.PathLike[str],
    *,
    decode_in_graph: bool = False,
    weights: Weights | None = None,
    scheme: str | os.PathLike[str] | Scheme | None = None,
    variant: str | None = None,
    decode: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    offline: bool | None = None,
    allow_unverified: bool = False,
    allow_third_party: bool = False,
    progress: bool | None = None,
) -> tuple[Path, Path]:
    """Write a model as ONNX, and beside it a JSON file of the same name that says how to use it.

    The graph takes crops, uint8 (n, H, W, 3) RGB, and normalises them itself. The conventions (which region of the
    image a crop shows, how the output becomes points) are in the JSON file and in the metadata of the graph. Both
    paths are returned. Other parameters and errors are those of `load_model`.

    Parameters
    ----------
    path
        The file to write, `*.onnx`; an existing one is replaced.
    decode_in_graph
        Decode in the graph: its outputs are `points` (n, K, 2) in pixels of the crop, `scores` (n, K) and, for meshes,
        `depth` (n, K), in place of the raw `output`.
    """
    path = Path(path)
    if path.suffix.lower() != ".onnx":
        raise InvalidOptionError(f"the file must be called *.onnx; got {os.fspath(path)!r}")
    access = Access(cache_dir, offline, allow_unverified, progress, allow_third_party)
    record, found = find_record(name, weights, access)
    spec = choose(record, scheme=scheme, variant=variant, decode=decode)
    source = find_source(spec, found, access)
    said = {**conventions(spec, decode_in_graph), "weights": {"file": spec.weights, "sha256": source.weights.sha256}}
    network, decode_step, outputs = filled_network(source), None, tuple(said["outputs"])
    if decode_in_graph:
        import torch

        from facelandmarks.decode.on_device import bind

        decode_step = bind(spec, torch.device("cpu")).decode
    from facelandmarks.nn.build import build_graph

    metadata = {"facelandmarks": json.dumps(said)}
    graph = build_graph(network, spec.mean, spec.std, spec.input_size, metadata, decode=decode_step, outputs=outputs)
    beside = path.with_suffix(".json")
    write_file(path, graph)
    write_file(beside, (json.dumps(said, indent=1) + "\n").encode())
    return path, beside


def conventions(spec: ModelSpec, decode_in_graph: bool = False) -> dict[str, Any]:
    """Return all that a program has to know to use a model's graph, as JSON values."""
    width, height = spec.input_size
    scheme, record = get_scheme(spec.scheme), load_manifest().files.get(spec.weights)
    return {
        "schema": SCHEMA,
        "model": spec.name,
        "title": spec.title,
        "made_by": f"facelandmarks-zoo {__version__}",
        "licence": record.licence if record else None,  # None, and no data: of a model of your own
        "training_data": list(record.training_data) if record else [],
        "input": {
            "name": "pixels",
            "dtype": "uint8",
            "shape": ["n", height, width, 3],
            "channels": "RGB",
            "normalisation_in_graph": {"mean": list(spec.mean), "std": list(spec.std)},
        },
        "crop": {
            "geometry": spec.geometry,
            "in_words": getdoc(getmodule(GEOMETRIES[spec.geometry])),
            "box_convention": spec.box_convention,
            "box_padding": spec.box_padding,
            "options": dict(spec.crop_options),
            "variant": spec.variant,
        },
        "outputs": list(DECODERS[spec.decode].gives) if decode_in_graph else ["output"],
        "decode": {
            "in_graph": decode_in_graph,
            "name": spec.decode,
            "in_words": getdoc(DECODERS[spec.decode].function),
            "options": dict(spec.decode_options),
            "points": "pixels of the crop",
            "back_to_image": dict(spec.back_options),
        },
        "flip_test": {
            "published": spec.flip_test,
            "average": spec.flip_average,
            "exchange": scheme.mirror.tolist() if spec.flip_exchange else None,
            "in_graph": False,
        },
        "scheme": {"name": scheme.name, "landmarks": list(scheme.names)},
    }


def verify_export(path: str | os.PathLike[str], model: Model, crops: Crops) -> Agreement:
    """Compare the points of an exported file, run in ONNX Runtime, with those of a model on the same crops.

    `model` is what was exported, in PyTorch in float32 and without flip test.
    """
    from facelandmarks.engines.onnxruntime import OnnxRuntimeEngine

    if not len(crops):
        raise InvalidOptionError("no face to compare on: give images with faces")
    session = OnnxRuntimeEngine(Path(path), EngineSettings(device="cpu")).sessions.get()
    outputs = session.run(None, {"pixels": crops.pixels})
    expected = model.decode(model.forward(crops), crops).points
    found = model.to_image(Decoded(*outputs[:2]), crops) if len(outputs) > 1 else model.decode(outputs[0], crops)
    distances = np.linalg.norm(found.points.astype(np.float64) - expected, axis=-1)
    return Agreement(float(distances.max()), float(distances.mean()), distances.size)
