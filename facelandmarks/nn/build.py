"""Networks by the names that records use, with batch norms folded into convolutions, and as ONNX graphs."""

import io
import warnings
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from facelandmarks.errors import require
from facelandmarks.nn.blazeface import BlazeFaceFull, BlazeFaceShort
from facelandmarks.nn.compact import CompactDetectorNet, CompactLandmarkNet
from facelandmarks.nn.face_mesh import FaceMesh, FaceMeshAttention
from facelandmarks.nn.hrnet import HRNetPose, HRNetV2
from facelandmarks.nn.resnet import DeepPose, SimpleBaseline
from facelandmarks.nn.rtmpose import RTMPose

NETWORKS: Mapping[str, type[nn.Module]] = {
    "compact": CompactLandmarkNet,
    "compact_detector": CompactDetectorNet,
    "hrnetv2": HRNetV2,
    "hrnet": HRNetPose,
    "deeppose": DeepPose,
    "simple_baseline": SimpleBaseline,
    "rtmpose": RTMPose,
    "face_mesh": FaceMesh,
    "face_mesh_attention": FaceMeshAttention,
    "blazeface_short": BlazeFaceShort,
    "blazeface_full": BlazeFaceFull,
}
FIXED = ("face_mesh_attention",)  # which have no other number of landmarks
FOLDED = ("compact", "compact_detector")  # whose weights are kept with their batch norms folded
MOST_SHAPES = 64
_SHAPES: dict[str, dict[str, tuple[int, ...]]] = {}  # kept: the zoo has several models of most networks


def build_network(name: str, options: Mapping[str, Any]) -> nn.Module:
    """Return a network with fresh weights; `name` is a `ModelSpec.network`."""
    network = NETWORKS[name](**options)
    if name in FOLDED:
        fuse_batch_norms(network.eval())
    return network


def network_shapes(name: str, options: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a network's tensors by name, without allocating the tensors."""
    key = repr((name, sorted(options.items())))
    if key not in _SHAPES:
        if len(_SHAPES) >= MOST_SHAPES:  # options may be a stranger's: what is kept stays bounded
            _SHAPES.clear()
        with torch.device("meta"):
            network = build_network(name, options)
        _SHAPES[key] = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    return dict(_SHAPES[key])


def landmarks_of(name: str, options: Mapping[str, Any], given: Mapping[str, tuple[int, ...]]) -> int | None:
    """Return the number of landmarks of a network whose tensors have the shapes `given`; None if they do not tell.

    `options` are those of a network of the same kind; the tensors that grow with its landmarks are compared.
    """
    if name in FIXED:
        return None
    few, more = (network_shapes(name, {**options, "landmarks": count}) for count in (2, 3))
    if {key for key in few if not key.endswith("num_batches_tracked")} != given.keys():
        return None
    found = set()
    for key, shape in few.items():
        for axis, length in enumerate(shape):
            each = more[key][axis] - length  # what one more landmark adds
            if each and len(given[key]) == len(shape):
                found.add(2 + (given[key][axis] - length) / each)
    count = found.pop() if len(found) == 1 else 0.0
    return int(count) if count >= 1 and count == int(count) else None


@torch.no_grad()
def fuse_batch_norms(network: nn.Module) -> None:
    """Fold every batch norm into the convolution before it, in place; the network must be in evaluation mode.

    The layout of the modules says which convolution that is: the child before in an `nn.Sequential`, else the one of
    the same number (`conv1`, `bn1`). All networks here, like their originals, are written that way.
    """
    for parent in list(network.modules()):
        names = [name for name, _ in parent.named_children()]
        numbered = [(f"conv{name.removeprefix('bn')}", name) for name in names if name.startswith("bn")]
        for conv_name, norm_name in pairwise(names) if isinstance(parent, nn.Sequential) else numbered:
            conv, norm = parent.get_submodule(conv_name), parent.get_submodule(norm_name)
            if isinstance(conv, nn.Conv2d | nn.ConvTranspose2d) and isinstance(norm, nn.BatchNorm2d):
                # In place: `torch.nn.utils.fusion` would copy every convolution, and the memory is not returned.
                factor = norm.weight * torch.rsqrt(norm.get_buffer("running_var") + norm.eps)
                shape = (1, -1, 1, 1) if isinstance(conv, nn.ConvTranspose2d) else (-1, 1, 1, 1)
                conv.weight.mul_(factor.reshape(shape))
                bias = torch.zeros_like(factor) if conv.bias is None else conv.bias
                shift = (bias - norm.get_buffer("running_mean")) * factor + norm.bias
                conv.bias = nn.Parameter(shift, requires_grad=conv.weight.requires_grad)
                setattr(parent, norm_name, nn.Identity())


OPSET = 17
Decode = Callable[[Tensor], tuple[Tensor, ...]]
INPUT, OUTPUT = "pixels", "output"
_TRACED = 2  # crops: with one, the exporter might take an axis of length 1 for a constant


class Normalised(nn.Module):
    """A network behind the normalisation of RGB crops, uint8 (N, H, W, 3), and before a decoder if there is one.

    Normalises in float32 with `mean` and `std` per channel, on the scale 0 to 255; the network gets (N, 3, H, W) of
    number type `dtype`.
    """

    def __init__(
        self,
        network: nn.Module,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
        decode: Decode | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.network, self.decode, self.dtype = network, decode, dtype
        self.mean: Tensor
        self.inverse_std: Tensor
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("inverse_std", 1.0 / torch.tensor(std).view(3, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor | tuple[Tensor, ...]:
        # A permuted channels-last array is already in the memory order that convolutions want.
        normalised = (pixels.permute(0, 3, 1, 2).float() - self.mean) * self.inverse_std
        if self.dtype != torch.float32:  # a graph would keep even a cast that changes nothing
            normalised = normalised.to(self.dtype)
        output: Tensor = self.network(normalised)
        return self.decode(output) if self.decode else output


def build_graph(
    network: nn.Module,
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
    size: tuple[int, int] | None,
    metadata: Mapping[str, str],
    decode: Decode | None = None,
    outputs: tuple[str, ...] = (OUTPUT,),
) -> bytes:
    """Return the bytes of the ONNX file of `Normalised`: crops uint8 (N, H, W, 3) in, `outputs` float32 out.

    Batch norms are folded in place. `size` is the width and height of the crops in pixels; None leaves both open.
    """
    onnx = require("onnx", "writing an ONNX file", "onnx")
    network.eval().requires_grad_(False)
    fuse_batch_norms(network)
    width, height = size or (256, 256)
    axes = {INPUT: {0: "n"} if size else {0: "n", 1: "height", 2: "width"}, **{name: {0: "n"} for name in outputs}}
    file = io.BytesIO()
    with warnings.catch_warnings(), torch.inference_mode():
        # The older of PyTorch's two exporters gives equal numbers in a tenth of the time, without onnxscript.
        warnings.simplefilter("ignore", DeprecationWarning)
        # There the size of maps becomes a constant on purpose.
        warnings.filterwarnings("ignore", module="facelandmarks.nn.compact")
        torch.onnx.export(
            Normalised(network, mean, std, decode).eval(),
            (torch.zeros(_TRACED, height, width, 3, dtype=torch.uint8),),
            file,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=list(outputs),
            dynamic_axes=axes,
        )
    graph = onnx.load_from_string(file.getvalue())
    for key, value in metadata.items():
        graph.metadata_props.add(key=key, value=value)
    content: bytes = graph.SerializeToString()
    return content
