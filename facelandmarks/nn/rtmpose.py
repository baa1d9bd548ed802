"""RTMPose: CSPNeXt, attention among the landmarks, and classification of places along each axis (SimCC).

Jiang et al., "RTMPose: Real-Time Multi-Person Pose Estimation based on MMPose", 2023; the backbone is that of Lyu et
al., "RTMDet: An Empirical Study of Designing Real-Time Object Detectors", 2022. Parameter names are those of the files
that MMPose publishes.
"""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facelandmarks.nn.resnet import PoseNet


def conv_norm(channels_in: int, channels_out: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Return a convolution without bias (padded to keep the size at stride 1), its batch norm and SiLU."""
    conv = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, groups=groups, bias=False)
    # The published weights belong to an epsilon of 1e-5, PyTorch's own; detectors of the same family have 1e-3.
    return nn.Sequential(OrderedDict(conv=conv, bn=nn.BatchNorm2d(channels_out), activate=nn.SiLU()))


class Block(nn.Module):
    """A 3x3 convolution and a separable 5x5 one, beside a shortcut if there is one."""

    def __init__(self, channels: int, *, shortcut: bool) -> None:
        super().__init__()
        self.shortcut = shortcut
        self.conv1 = conv_norm(channels, channels, 3)
        depthwise = conv_norm(channels, channels, 5, groups=channels)
        pointwise = conv_norm(channels, channels, 1)
        self.conv2 = nn.Sequential(OrderedDict(depthwise_conv=depthwise, pointwise_conv=pointwise))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv2(self.conv1(x))
        return x + y if self.shortcut else y


class ChannelAttention(nn.Module):
    """Weights each channel by 0..1, from the means of all channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * F.hardsigmoid(self.fc(x.mean((2, 3), keepdim=True)))


class CSPLayer(nn.Module):
    """Sends half of the channels through blocks and the other half past them, then weights and mixes both."""

    def __init__(self, channels: int, depth: int, *, shortcut: bool) -> None:
        super().__init__()
        half = channels // 2
        self.main_conv = conv_norm(channels, half, 1)
        self.short_conv = conv_norm(channels, half, 1)
        self.blocks = nn.Sequential(*(Block(half, shortcut=shortcut) for _ in range(depth)))
        self.attention = ChannelAttention(channels)
        self.final_conv = conv_norm(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        both = torch.cat([self.blocks(self.main_conv(x)), self.short_conv(x)], 1)
        mixed: Tensor = self.final_conv(self.attention(both))
        return mixed


class PyramidPooling(nn.Module):
    """Adds the maxima of growing neighbourhoods to the features."""

    SIDES = (5, 9, 13)  # pixels

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.conv1 = conv_norm(channels, half, 1)
        self.conv2 = conv_norm(half * (1 + len(self.SIDES)), channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        pooled = [F.max_pool2d(x, side, 1, side // 2) for side in self.SIDES]
        features: Tensor = self.conv2(torch.cat([x, *pooled], 1))
        return features


class CSPNeXt(nn.Sequential):
    """The backbone: float32 (N, 3, H, W), multiples of 32, to (N, 16 * width, H / 32, W / 32) from the last stage.

    `width` are the channels of the stem (24 in tiny, 32 in small, 48 in medium), which each stage doubles; `depths` the
    blocks in each of the four stages: (1, 1, 1, 1), (1, 2, 2, 1), (2, 4, 4, 2).
    """

    EXPANSION = 16

    def __init__(self, width: int, depths: Sequence[int]) -> None:
        half = width // 2
        stem = nn.Sequential(conv_norm(3, half, 3, stride=2), conv_norm(half, half, 3), conv_norm(half, width, 3))
        stages = OrderedDict[str, nn.Module](stem=stem)
        for number, depth in enumerate(depths, start=1):
            last, channels = number == len(depths), width * 2**number
            down = conv_norm(channels // 2, channels, 3, stride=2)
            # The last stage pools and has no shortcuts, as published.
            pooling = [PyramidPooling(channels)] if last else []
            stages[f"stage{number}"] = nn.Sequential(down, *pooling, CSPLayer(channels, depth, shortcut=not last))
        super().__init__(stages)


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
        self.res_scale = nn.ParameterDict({"scale": torch.ones(features)})

    def forward(self, x: Tensor) -> Tensor:
        gate, value, base = torch.split(F.silu(self.uv(self.ln(x))), self.parts, dim=-1)
        query, key = (base[:, :, None] * self.gamma + self.beta).unbind(2)
        weights = F.relu(query @ key.transpose(1, 2) / self.parts[2] ** 0.5).square()
        out: Tensor = x * self.res_scale["scale"] + self.o(gate * (weights @ value))
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

    One array, as every network has one output; two in the original. `width` and `depths` are those of `CSPNeXt`.
    """

    def __init__(self, width: int, depths: Sequence[int], landmarks: int) -> None:
        super().__init__(CSPNeXt(width, depths), SimCCHead(CSPNeXt.EXPANSION * width, landmarks))
