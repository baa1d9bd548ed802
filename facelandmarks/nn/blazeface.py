"""BlazeFace, the face detectors of MediaPipe, and the block that its face mesh is built of too.

Source: Bazarevsky et al., BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs, 2019; layer by layer as in
MediaPipe's files `face_detection_short_range.tflite` and `face_detection_full_range_sparse.tflite`.
"""

from collections import OrderedDict
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

KEYPOINTS = 6
VALUES = 4 + 2 * KEYPOINTS  # a box and its key points
SHORT_BLOCKS = (  # in, out, stride
    *((24, 24, 1), (24, 28, 1), (28, 32, 2), (32, 36, 1), (36, 42, 1), (42, 48, 2)),
    *((48, 56, 1), (56, 64, 1), (64, 72, 1), (72, 80, 1), (80, 88, 1)),
    *((88, 96, 2), (96, 96, 1), (96, 96, 1), (96, 96, 1), (96, 96, 1)),
)
FINE_BLOCKS = 11  # the first ones, whose 16x16 cells see small faces; 8x8 cells come after
# Of the full-range network by resolution, from 96x96 on: channels, channels of the bottleneck, blocks.
FULL_DOWN = ((32, 8, 2), (64, 16, 2), (128, 32, 2), (192, 48, 2), (384, 96, 3))
FULL_UP = ((96, 48, 2), (64, 32, 2), (48, 24, 1))


class SameConv2d(nn.Conv2d):
    """A convolution of stride 2 with TensorFlow's padding, whose smaller half is above and left of the image."""

    def forward(self, x: Tensor) -> Tensor:
        missing = self.kernel_size[0] - 2  # as all sides here are even
        near, far = missing // 2, missing - missing // 2
        if torch.onnx.is_in_onnx_export():
            padded: Tensor = _UnevenConv2d.apply(x, self.weight, self.bias, self.groups, near, far)  # type: ignore[no-untyped-call]
            return padded
        return super().forward(F.pad(x, (near, far, near, far)))


class _UnevenConv2d(torch.autograd.Function):
    """For ONNX, whose convolutions may pad unevenly: padding on its own costs a copy and ONNX Runtime's fast layout."""

    @staticmethod
    def forward(_: Any, x: Tensor, weight: Tensor, bias: Tensor, groups: int, near: int, far: int) -> Tensor:
        return F.conv2d(F.pad(x, (near, far, near, far)), weight, bias, stride=2, groups=groups)

    @staticmethod
    def symbolic(g: Any, x: Any, weight: Any, bias: Any, groups: int, near: int, far: int) -> Any:
        sides = weight.type().sizes()[2:]
        pads = [near, near, far, far]
        return g.op("Conv", x, weight, bias, kernel_shape_i=sides, pads_i=pads, strides_i=[2, 2], group_i=groups)


class PReLU(nn.PReLU):
    """A PReLU with one slope a channel.

    In ONNX it is x + (1 - slope) relu(-x) with convolutions of each channel for the products: ONNX Runtime then keeps
    its blocked layout from layer to layer, and the face mesh takes a quarter of the time.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.negative: Tensor
        self.register_buffer("negative", torch.full((channels, 1, 1, 1), -1.0), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if not torch.onnx.is_in_onnx_export():
            return super().forward(x)
        below = F.relu(F.conv2d(x, self.negative, groups=self.num_parameters))
        return x + F.conv2d(below, (1 - self.weight).view(-1, 1, 1, 1), groups=self.num_parameters)


class Block(nn.Module):
    """Depthwise and pointwise convolution beside a shortcut, whose missing channels are zeros; activation at the end.

    From `given` to `made` channels; at stride 2 the shortcut is pooled. `activation` takes a number of channels.
    """

    def __init__(self, given: int, made: int, stride: int, activation: Callable[[int], nn.Module]) -> None:
        super().__init__()
        if stride == 1:
            self.dw = nn.Conv2d(given, given, 3, padding=1, groups=given)
        else:
            self.dw = SameConv2d(given, given, 3, stride=stride, groups=given)
        self.pw = nn.Conv2d(given, made, 1)
        self.act = activation(made)
        self.stride = stride
        # Channels are appended by a convolution: it keeps the layout that runtimes choose for convolutions, padding
        # does not, and costs four times as much in ONNX Runtime.
        append = torch.eye(made, given)[:, :, None, None] if made > given else None
        self.append: Tensor | None
        self.register_buffer("append", append, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.stride == 1 else F.max_pool2d(x, 2)
        if self.append is not None:
            shortcut = F.conv2d(shortcut, self.append)
        result: Tensor = self.act(shortcut + self.pw(self.dw(x)))
        return result


class BlazeFaceShort(nn.Module):
    """The detector for faces within about two metres.

    Input float32 (N, 3, 128, 128), RGB in -1..1. Output float32 (N, 896, 17): a logit, then centre x and y, width,
    height and six key points (x, y), in pixels of the input from the cell's centre on. 512 cells of 16x16, two for each
    place, come before 384 of 8x8, six for each.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv2d(3, 24, 5, stride=2)
        blocks = [Block(*sizes, lambda _: nn.ReLU()) for sizes in SHORT_BLOCKS]
        self.fine, self.coarse = nn.Sequential(*blocks[:FINE_BLOCKS]), nn.Sequential(*blocks[FINE_BLOCKS:])
        self.fine_score, self.coarse_score = nn.Conv2d(88, 2, 1), nn.Conv2d(96, 6, 1)
        self.fine_box, self.coarse_box = nn.Conv2d(88, 2 * VALUES, 1), nn.Conv2d(96, 6 * VALUES, 1)

    def forward(self, x: Tensor) -> Tensor:
        fine = self.fine(F.relu(self.stem(x)))
        coarse = self.coarse(fine)
        scores = torch.cat([cells(self.fine_score(fine), 1), cells(self.coarse_score(coarse), 1)], 1)
        boxes = torch.cat([cells(self.fine_box(fine), VALUES), cells(self.coarse_box(coarse), VALUES)], 1)
        return torch.cat([scores, boxes], 2)


def cells(maps: Tensor, values: int) -> Tensor:
    """Maps (N, C, H, W) as cells (N, H * W * C / values, values), row by row."""
    return maps.permute(0, 2, 3, 1).reshape(maps.shape[0], -1, values)


def separable(given: int, made: int, stride: int = 1) -> nn.Sequential:
    """Make a depthwise and a pointwise convolution; here both sides are padded alike, at stride 2 too."""
    depthwise = nn.Conv2d(given, given, 3, stride=stride, padding=1, groups=given)
    return nn.Sequential(OrderedDict(dw=depthwise, pw=nn.Conv2d(given, made, 1)))


class Bottleneck(nn.Module):
    """Two depthwise separable convolutions with few channels in between, and a shortcut around both."""

    def __init__(self, channels: int, narrow: int) -> None:
        super().__init__()
        self.first, self.second = separable(channels, narrow), separable(narrow, channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(F.relu(self.first(x))))


def bottlenecks(channels: int, narrow: int, count: int) -> nn.Sequential:
    """Return so many blocks, one after the other."""
    return nn.Sequential(*(Bottleneck(channels, narrow) for _ in range(count)))


def down_step(given: int, channels: int, narrow: int, blocks: int) -> nn.Sequential:
    """Halve the resolution: two separable convolutions with few channels in between, then bottlenecks."""
    first, second = separable(given, narrow, stride=2), separable(narrow, channels)
    rest = bottlenecks(channels, narrow, blocks)
    return nn.Sequential(OrderedDict(first=first, act1=nn.ReLU(), second=second, act2=nn.ReLU(), blocks=rest))


class Up(nn.Module):
    """Twice the resolution: what comes from below is added to a level of the way down."""

    def __init__(self, below: int, beside: int, channels: int, narrow: int, blocks: int) -> None:
        super().__init__()
        self.below, self.beside = nn.Conv2d(below, channels, 1), nn.Conv2d(beside, channels, 1)
        self.blocks = bottlenecks(channels, narrow, blocks)

    def forward(self, below: Tensor, beside: Tensor) -> Tensor:
        larger = F.interpolate(F.relu(self.below(below)), scale_factor=2.0, mode="bilinear", align_corners=False)
        result: Tensor = self.blocks(F.relu(self.beside(beside)) + larger)
        return result


class Spread(nn.Module):
    """Four values for each cell of half the resolution, put to the four cells that it stands for."""

    def __init__(self, channels: int, values: int) -> None:
        super().__init__()
        self.values = values
        self.pw = nn.Conv2d(channels, 4 * values, 1)
        self.dw = nn.Conv2d(4 * values, 4 * values, 3, stride=2, padding=1, groups=4 * values)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.dw(self.pw(x))
        # Channels are row and column in the four, then the value.
        maps = maps.view(-1, 2, 2, self.values, *maps.shape[2:])
        spread: Tensor = maps.permute(0, 4, 1, 5, 2, 3).reshape(x.shape[0], -1, self.values)
        return spread


class BlazeFaceFull(nn.Module):
    """The detector for faces within about five metres.

    Input float32 (N, 3, 192, 192), RGB in -1..1. Output float32 (N, 2304, 17) as in `BlazeFaceShort`, for 48x48 cells.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, stride=2, padding=1)
        self.first = bottlenecks(*FULL_DOWN[0])
        self.down = nn.ModuleList(down_step(given[0], *sizes) for given, sizes in pairwise(FULL_DOWN))
        steps = zip((FULL_DOWN[-1], *FULL_UP[:-1]), FULL_DOWN[-2:0:-1], FULL_UP, strict=True)
        self.up = nn.ModuleList(Up(below[0], beside[0], *sizes) for below, beside, sizes in steps)
        self.score, self.box = Spread(FULL_UP[-1][0], 1), Spread(FULL_UP[-1][0], VALUES)

    def forward(self, x: Tensor) -> Tensor:
        levels = [self.first(F.relu(self.stem(x)))]
        for down in self.down:
            levels.append(down(levels[-1]))
        x = levels.pop()
        for up in self.up:
            x = up(x, levels.pop())
        return torch.cat([self.score(x), self.box(x)], 2)
