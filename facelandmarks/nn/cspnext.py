"""CSPNeXt, the backbone of RTMPose.

Lyu et al., "RTMDet: An Empirical Study of Designing Real-Time Object Detectors", 2022; parameter names are those of the
files that MMPose publishes.
"""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


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


class CSPNeXt(nn.Module):
    """The backbone: float32 (N, 3, H, W), multiples of 32, to (N, 16 * width, H / 32, W / 32) from the last stage.

    `width` are the channels of the stem (24 in tiny, 32 in small, 48 in medium), which each stage doubles; `depths` the
    blocks in each of the four stages: (1, 1, 1, 1), (1, 2, 2, 1), (2, 4, 4, 2).
    """

    EXPANSION = 16

    def __init__(self, width: int, depths: Sequence[int]) -> None:
        super().__init__()
        half = width // 2
        self.stem = nn.Sequential(conv_norm(3, half, 3, stride=2), conv_norm(half, half, 3), conv_norm(half, width, 3))
        self.stage1 = self._stage(width * 2, depths[0])
        self.stage2 = self._stage(width * 4, depths[1])
        self.stage3 = self._stage(width * 8, depths[2])
        # The last stage pools and has no shortcuts, as published.
        self.stage4 = self._stage(width * 16, depths[3], PyramidPooling(width * 16), shortcut=False)

    @staticmethod
    def _stage(channels: int, depth: int, *between: nn.Module, shortcut: bool = True) -> nn.Sequential:
        down = conv_norm(channels // 2, channels, 3, stride=2)
        return nn.Sequential(down, *between, CSPLayer(channels, depth, shortcut=shortcut))

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.stage4(self.stage3(self.stage2(self.stage1(self.stem(x)))))
        return features
