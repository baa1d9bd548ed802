"""RTMPose: CSPNeXt, attention among the landmarks, and classification of places along each axis (SimCC).

Jiang et al., "RTMPose: Real-Time Multi-Person Pose Estimation based on MMPose", 2023; parameter names are those of
MMPose's published files.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facelandmarks.nn.cspnext import CSPNeXt
from facelandmarks.nn.resnet import PoseNet


class ScaleNorm(nn.Module):
    """Scales vectors (..., size) to one learned length (Nguyen and Salazar, Transformers without Tears, IWSLT 2019)."""

    SHORTEST = 1e-5  # root mean square below which a vector is not lengthened further

    def __init__(self, size: int) -> None:
        super().__init__()
        self.per_root = size**-0.5
        self.g = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        root_mean_square: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True) * self.per_root
        return x / root_mean_square.clamp(min=self.SHORTEST) * self.g


class Scale(nn.Module):
    """Scales each feature by a learned factor."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


class GatedAttention(nn.Module):
    """Gated attention unit: each landmark sees the others; (N, K, features) to the same.

    `expanded` is the number of features that are gated and exchanged, `shared` that of the common base of queries and
    keys. As in RTMPose: squared ReLU instead of softmax, not divided by the number of landmarks, and no positional
    encoding. Hua et al., "Transformer Quality in Linear Time", ICML 2022.
    """

    def __init__(self, features: int, expanded: int, shared: int) -> None:
        super().__init__()
        self.parts = [expanded, expanded, shared]  # gate, value, common base of queries and keys
        self.ln = ScaleNorm(features)
        self.uv = nn.Linear(features, sum(self.parts), bias=False)
        self.gamma = nn.Parameter(torch.ones(2, shared))
        self.beta = nn.Parameter(torch.zeros(2, shared))
        self.o = nn.Linear(expanded, features, bias=False)
        self.res_scale = Scale(features)

    def forward(self, x: Tensor) -> Tensor:
        gate, value, base = torch.split(F.silu(self.uv(self.ln(x))), self.parts, dim=-1)
        query, key = (base[:, :, None] * self.gamma + self.beta).unbind(2)
        weights = F.relu(query @ key.transpose(1, 2) / self.parts[2] ** 0.5).square()
        out: Tensor = self.res_scale(x) + self.o(gate * (weights @ value))
        return out


class SimCCHead(nn.Module):
    """Turns a map of 8 x 8 per landmark, by attention, into logits of places along x and along y.

    Li et al., "SimCC: a Simple Coordinate Classification Perspective for Human Pose Estimation", ECCV 2022.
    """

    PIXELS = 8 * 8  # of the backbone's features: all published face models see 256 x 256 pixels
    FEATURES = 256
    EXPANDED = 512
    SHARED = 128
    BINS = 512  # two for each pixel of the crop

    def __init__(self, channels: int, landmarks: int) -> None:
        super().__init__()
        self.final_layer = nn.Conv2d(channels, landmarks, 7, padding=3)
        self.mlp = nn.Sequential(ScaleNorm(self.PIXELS), nn.Linear(self.PIXELS, self.FEATURES, bias=False))
        self.gau = GatedAttention(self.FEATURES, self.EXPANDED, self.SHARED)
        self.cls_x = nn.Linear(self.FEATURES, self.BINS, bias=False)
        self.cls_y = nn.Linear(self.FEATURES, self.BINS, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        landmarks = self.gau(self.mlp(self.final_layer(features).flatten(2)))
        return torch.stack([self.cls_x(landmarks), self.cls_y(landmarks)], 1)


class RTMPose(PoseNet):
    """Crops of 256 x 256 pixels to (N, 2, landmarks, 512): logits of places along x (0) and along y (1).

    The original returns two arrays. Here they are one, so that every network has one output. `width` and `depths` are
    those of `CSPNeXt`.
    """

    def __init__(self, width: int, depths: Sequence[int], landmarks: int) -> None:
        super().__init__(CSPNeXt(width, depths), SimCCHead(CSPNeXt.EXPANSION * width, landmarks))
