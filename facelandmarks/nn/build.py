"""Networks by the names that records use."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from facelandmarks.nn.blazeface import BlazeFaceFull, BlazeFaceShort
from facelandmarks.nn.compact import CompactLandmarkNet
from facelandmarks.nn.compact_detector import CompactDetectorNet
from facelandmarks.nn.face_mesh import FaceMesh, FaceMeshAttention
from facelandmarks.nn.fuse import fuse_batch_norms
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
FOLDED = ("compact", "compact_detector")  # whose weights are kept with their batch norms folded


def build_network(name: str, options: Mapping[str, Any]) -> nn.Module:
    """Return a network with fresh weights; `name` is a `ModelSpec.network`."""
    network = NETWORKS[name](**options)
    if name in FOLDED:
        fuse_batch_norms(network.eval())
    return network


def network_shapes(name: str, options: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a network's tensors by name, without allocating the tensors."""
    with torch.device("meta"):
        network = build_network(name, options)
    return {key: tuple(value.shape) for key, value in network.state_dict().items()}
