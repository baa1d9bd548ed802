"""Write the averaged weights of a training run as a built-in model: one ONNX file.

    python export.py detector|compact|tiny RUN/last.pt OUT.onnx    # or WEIGHTS.npz of interim.py

In the file each convolution's weight is an int8 initializer `NAME` beside a float32 initializer `NAME.scale` with one
number per output channel; the graph multiplies them (Cast, Mul), which ONNX Runtime does once at load. The names are
those of the PyTorch module with its batch norms folded, which reads the same initializers. Everything else is float32.
The graph takes uint8 images (N, H, W, 3) RGB under the name `pixels`; normalisation and decoding are part of it.
"""

import argparse
import hashlib
import io
import json
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import torch
from interim import load_weights
from networks import BRIGHTEST, NETWORKS
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from facelandmarks.nn.build import fuse_batch_norms
from facelandmarks.nn.compact import CompactDetectorNet, decode_map
from facelandmarks.weights.manifest import ASSETS, manifest_path

OPSET = 17
LEVELS = 127  # of int8 on each side of zero
SCALE = ".scale"
INPUT, OUTPUT = "pixels", "output"
MIDDLE = 127.5  # of a pixel's values; the landmark networks see -1..1
NETWORK = "network."  # the module with the weights within a graph's module


def to_int8(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the int8 levels of a convolution's weight and the scale of each output channel (O, 1, 1, 1)."""
    largest = np.abs(weight).max(axis=(1, 2, 3), keepdims=True)
    scale = np.maximum(largest, np.finfo(np.float32).tiny).astype(np.float32) / LEVELS
    return np.rint(weight / scale).astype(np.int8), scale.astype(np.float32)


def trace(module: nn.Module, height: int, width: int, dynamic: bool) -> onnx.ModelProto:
    """Return the graph of a module that takes images uint8 (N, H, W, 3); `dynamic`: of any height and width."""
    axes: dict[str, dict[int, str]] = {INPUT: {0: "n"}, OUTPUT: {0: "n"}}
    if dynamic:
        axes[INPUT] |= {1: "height", 2: "width"}
        axes[OUTPUT] |= {2: "cells"}
    file = io.BytesIO()
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # the tracer's, about sizes, which stay symbolic here
        torch.onnx.export(
            module.eval(),
            (torch.zeros(2, height, width, 3, dtype=torch.uint8),),
            file,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=OPSET,
            do_constant_folding=False,  # it would rename tensors that PyTorch looks for by name
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes=axes,
        )
    return onnx.load_from_string(file.getvalue())


def quantise(model: onnx.ModelProto) -> onnx.ModelProto:
    """Replace the weights of convolutions by int8 initializers that the graph expands, in place."""
    graph = model.graph
    weights = {node.input[1] for node in graph.node if node.op_type in ("Conv", "ConvTranspose")}
    expand = []
    for index, tensor in enumerate(list(graph.initializer)):
        traced = tensor.name
        name = traced.removeprefix(NETWORK)
        if traced in weights:
            levels, scale = to_int8(numpy_helper.to_array(tensor))
            graph.initializer[index].CopyFrom(numpy_helper.from_array(levels, name))
            graph.initializer.append(numpy_helper.from_array(scale, name + SCALE))
            expand.append(helper.make_node("Cast", [name], [name + ".float"], to=TensorProto.FLOAT))
            expand.append(helper.make_node("Mul", [name + ".float", name + SCALE], [name + ".expanded"]))
            rename(graph, traced, name + ".expanded")
        elif traced != name:
            rename(graph, traced, name)
            graph.initializer[index].name = name
    nodes = [*expand, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return model


def rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    """Let the graph's nodes read `new` where they read `old`."""
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name == old:
                node.input[place] = new


class DetectorGraph(nn.Module):
    """Images uint8 (N, H, W, 3) to what `decode_map` says of all cells: float32 (N, 15, L)."""

    def __init__(self, network: CompactDetectorNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        maps = self.network.maps(pixels.permute(0, 3, 1, 2).float())
        return torch.cat([decode_map(*level) for level in zip(maps, self.network.strides, strict=True)], 2)


def read_state(checkpoint: Path) -> dict[str, Tensor]:
    """Return the averaged weights of a run, or those of a file of interim.py, which has no counters of batch norms."""
    if checkpoint.suffix == ".npz":
        return {name: torch.from_numpy(value) for name, value in load_weights(checkpoint).items()}
    state: dict[str, Tensor] = torch.load(checkpoint, map_location="cpu", weights_only=True)["ema"]
    return state


def detector_graph(checkpoint: Path) -> onnx.ModelProto:
    """Return the detector's graph; the first convolution takes pixels of 0..255."""
    network = CompactDetectorNet().eval()
    state = read_state(checkpoint)
    if not any("running_mean" in name for name in state):
        fuse_batch_norms(network)  # the run was trained so
    network.load_state_dict(state)
    fuse_batch_norms(network)
    network.requires_grad_(False)
    network.stem[0][0].weight /= BRIGHTEST
    return quantise(trace(DetectorGraph(network), 128, 192, dynamic=True))


class LandmarkGraph(nn.Module):
    """Crops uint8 (N, H, W, 3) to what `CompactLandmarkNet` says of them."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        output: Tensor = self.network((pixels.permute(0, 3, 1, 2).contiguous().float() - MIDDLE) * (1 / MIDDLE))
        return output


def landmark_graph(name: str, checkpoint: Path) -> onnx.ModelProto:
    """Return the graph of one of `NETWORKS`."""
    network = NETWORKS[name].build().eval()
    counters = {name: value for name, value in network.state_dict().items() if name.endswith("num_batches_tracked")}
    network.load_state_dict(counters | read_state(checkpoint))
    fuse_batch_norms(network)  # levels of int8 stay what they are: a batch norm scales whole channels
    side = NETWORKS[name].side
    return quantise(trace(LandmarkGraph(network.requires_grad_(False)), side, side, dynamic=False))


def list_in_manifest(path: Path) -> None:
    """Write size and digest into `weights_manifest.json`: the package loads nothing else."""
    manifest = manifest_path()
    document = json.loads(manifest.read_text())
    content = path.read_bytes()
    document["files"][path.name] |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    manifest.write_text(json.dumps(document, indent=1) + "\n")


GRAPHS: dict[str, Callable[[Path], onnx.ModelProto]] = {
    "detector": detector_graph,
    **{name: partial(landmark_graph, name) for name in NETWORKS},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=GRAPHS)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    model = GRAPHS[args.model](args.checkpoint)
    onnx.checker.check_model(model)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_bytes(model.SerializeToString())
    print(f"{args.out}: {len(model.graph.initializer)} tensors, {args.out.stat().st_size:,} bytes")
    if args.out.parent.resolve() == ASSETS:
        list_in_manifest(args.out)


if __name__ == "__main__":
    main()
