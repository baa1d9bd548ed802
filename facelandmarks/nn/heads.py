"""Heads: from a backbone's features to heatmaps or coordinates. Parameter names are those of MMPose 1.x."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ConcatHead(nn.Module):
    """Enlarges all branches to the highest resolution and turns them into one heatmap per landmark (HRNetV2).

    The official repository and both generations of MMPose share this head, under three sets of names
    (`facelandmarks.weights.checkpoint`).
    """

    def __init__(self, channels: int, landmarks: int) -> None:
        super().__init__()
        self.conv_layers = nn.Sequential(nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels), nn.ReLU())
        self.final_layer = nn.Conv2d(channels, landmarks, 1)

    def forward(self, branches: list[Tensor]) -> Tensor:
        size = branches[0].shape[2:]
        enlarged = [F.interpolate(x, size=size, mode="bilinear", align_corners=False) for x in branches[1:]]
        heatmaps: Tensor = self.final_layer(self.conv_layers(torch.cat([branches[0], *enlarged], 1)))
        return heatmaps


class HeatmapHead(nn.Module):
    """Doubles the resolution of features (N, channels, h, w) by transposed convolutions, then gives heatmaps.

    `deconvolutions` are the channels of each transposed convolution: none for HRNet-W48, three for Simple Baselines.
    """

    def __init__(self, channels: int, landmarks: int, deconvolutions: Sequence[int] = ()) -> None:
        super().__init__()
        steps: list[nn.Module] = []
        for width in deconvolutions:
            conv = nn.ConvTranspose2d(channels, width, 4, 2, 1, bias=False)
            steps += [conv, nn.BatchNorm2d(width), nn.ReLU()]
            channels = width
        self.deconv_layers = nn.Sequential(*steps)
        self.final_layer = nn.Conv2d(channels, landmarks, 1)

    def forward(self, features: Tensor) -> Tensor:
        heatmaps: Tensor = self.final_layer(self.deconv_layers(features))
        return heatmaps


class RegressionHead(nn.Module):
    """Averages all pixels, then a linear layer: (N, channels, h, w) to (N, landmarks, 2), x and y interleaved."""

    def __init__(self, channels: int, landmarks: int) -> None:
        super().__init__()
        self.fc = nn.Linear(channels, landmarks * 2)

    def forward(self, features: Tensor) -> Tensor:
        points: Tensor = self.fc(features.mean((2, 3)))
        return points.view(-1, self.fc.out_features // 2, 2)
