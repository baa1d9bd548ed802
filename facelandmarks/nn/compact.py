"""The network of the built-in landmark models, and the trunk that it shares with the built-in detector.

Plain 3x3 convolutions are used throughout because on CPUs they run near the arithmetic peak of the machine,
where depthwise ones are bound by memory. One map per landmark at a quarter of the input size; a landmark is the
expectation of its map (`facelandmarks.nn.integral`), so the map may be coarse.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facelandmarks.nn.integral import ExpectedError, ShapeCorrection, integrate


def conv_bn(channels_in: int, channels_out: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """A convolution without bias, padded to keep the size at stride 1, and its batch norm."""
    conv = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels_out))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut; a stride halves the shortcut by average pooling."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = conv_bn(channels_in, channels_out, stride=stride)
        self.conv2 = conv_bn(channels_out, channels_out)
        # A branch that starts at zero makes the block start as its shortcut.
        nn.init.zeros_(next(self.conv2[1].parameters()))
        steps: list[nn.Module] = [nn.AvgPool2d(stride)] if stride > 1 else []
        if channels_in != channels_out:
            steps.append(conv_bn(channels_in, channels_out, kernel=1))
        self.shortcut = nn.Sequential(*steps)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.shortcut(x) + self.conv2(F.relu(self.conv1(x))))


class PyramidTrunk(nn.Module):
    """Residual stages of falling resolution, and a top-down pyramid over them.

    `stem`, `widths` and `neck` are the channels of the two stride-2 convolutions at the input, of the residual stages,
    each after the first at half the resolution of the one before, and of the pyramid; `blocks` the residual blocks of
    each stage. `first_stride` is that of the first stage, after the 4 of the stem.
    """

    def __init__(
        self, stem: Sequence[int], widths: Sequence[int], blocks: Sequence[int], neck: int, first_stride: int
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            conv_bn(3, stem[0], stride=2), nn.ReLU(), conv_bn(stem[0], stem[1], stride=2), nn.ReLU()
        )
        self.stages = nn.ModuleList()
        channels, stride = stem[1], first_stride
        for width, count in zip(widths, blocks, strict=True):
            more = (ResidualBlock(width, width, 1) for _ in range(count - 1))
            self.stages.append(nn.Sequential(ResidualBlock(channels, width, stride), *more))
            channels, stride = width, 2
        self.lateral = nn.ModuleList(conv_bn(width, neck, kernel=1) for width in widths)
        self.smooth = nn.ModuleList(conv_bn(neck, neck) for _ in widths)

    def pyramid(self, x: Tensor) -> list[Tensor]:
        """Each level, finest first, with what the coarser ones saw."""
        x = self.stem(x)
        levels = []
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        steps = list(zip(levels, self.lateral, self.smooth, strict=True))
        level, narrow, blend = steps.pop()
        outputs = [F.relu(blend(F.relu(narrow(level))))]
        for level, narrow, blend in reversed(steps):
            merged = narrow(level) + F.interpolate(outputs[-1], scale_factor=2.0, mode="nearest")
            outputs.append(F.relu(blend(F.relu(merged))))
        return outputs[::-1]


class CompactLandmarkNet(PyramidTrunk):
    """Crop to points with scores and expected errors, by way of one map of logits for each of K landmarks.

    The first stage of the `PyramidTrunk` runs at a quarter of the input size. Input float32 (N, 3, H, W), H and W
    multiples of 32; output float32 (N, K, 4): x and y as fractions of the crop's sides, a score in 0..1, and the error
    to be expected as a fraction of the side of a square crop. `maps` gives the logits (N, K, H / 4, W / 4), from which
    training learns.
    """

    def __init__(
        self,
        landmarks: int,
        stem: Sequence[int] = (24, 48),
        widths: Sequence[int] = (48, 128, 192, 224),
        blocks: Sequence[int] = (2, 2, 2, 2),
        neck: int = 64,
    ) -> None:
        super().__init__(stem, widths, blocks, neck, first_stride=1)
        output = nn.Conv2d(neck, landmarks, 1)
        nn.init.normal_(output.weight, std=0.01)
        self.head = nn.Sequential(conv_bn(neck, neck), nn.ReLU(), output)
        self.shape = ShapeCorrection(landmarks)
        self.expected = ExpectedError(landmarks)

    def maps(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.pyramid(x)[0])
        return logits

    def forward(self, x: Tensor) -> Tensor:
        points, scores, spreads = integrate(self.maps(x))
        return torch.cat([self.shape(points), torch.stack([scores, self.expected(spreads)], -1)], -1)
