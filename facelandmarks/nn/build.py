"""Networks by the names that records use, and batch norms folded into convolutions: cheaper, with equal results."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from facelandmarks.nn.blazeface import BlazeFaceFull, BlazeFaceShort
from facelandmarks.nn.compact import CompactLandmarkNet
from facelandmarks.nn.compact_detector import CompactDetectorNet
from facelandmarks.nn.face_mesh import FaceMesh, FaceMeshAttention
from facelandmarks.nn.hrnet import HRNetPose, HRNetV2
from facelandmarks.nn.resnet import DeepPose, SimpleBaseline
from facelandmarks.nn.rtmcc import RTMPose

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
