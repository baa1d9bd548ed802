"""The networks of the built-in models: landmarks, and the detector, which has the same trunk.

Plain 3x3 convolutions are used throughout because on CPUs they run near the arithmetic peak of the machine, where
depthwise ones are bound by memory. There is one map per landmark at a quarter of the input size; a landmark is the
expectation of its map, so the map may be coarse. What follows the maps works in float32 whatever the network's number
type is: coordinates do not fit into eight bits.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


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
        self.head = nn.Sequential(conv_bn(neck, neck), nn.ReLU(), nn.Conv2d(neck, landmarks, 1))
        self.shape = ShapeCorrection(landmarks)
        self.expected = ExpectedError(landmarks)

    def maps(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.pyramid(x)[0])
        return logits

    def forward(self, x: Tensor) -> Tensor:
        points, scores, spreads = integrate(self.maps(x))
        return torch.cat([self.shape(points), torch.stack([scores, self.expected(spreads)], -1)], -1)


# Half the side of the window whose probability is the score, in cells; a little over 1.5, so that rounding does not
# decide over cells that lie just so far from the point, as in a map that is the same everywhere.
SCORE_REACH = 1.5001
# Crop sides: a map of less spread than this, a thirtieth of a cell, says nothing more of its point.
LEAST_SPREAD = 1e-3
# Crop sides: no error is expected to be larger. Where nothing of a face is seen, its points are still put near it.
LARGEST_ERROR = 0.15


def integrate(logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return points as the expectation of the softmax of each map of logits (N, K, h, w), with scores and spreads.

    Points (N, K, 2) are fractions of the crop's width and height; cells are areas, so the middle of cell i is at
    (i + 0.5) / w. Scores (N, K), 0..1, are the probability of the cells whose middles lie within 1.5 cells of the point
    on both axes (3 or 4 cells a side; those beyond the map count nothing). Spreads (N, K) are the root mean square
    distance from the point over its map, in the same fractions.

    Notes
    -----
    Source: Sun et al., Integral Human Pose Regression, ECCV 2018. A cell of -inf has no probability. A map with NaN or
    +inf, or of -inf alone, gives a NaN point with NaN beside it, and leaves the other maps as they are.
    """
    # Numbers, not tensors, so that an exported graph need not work them out again for every crop.
    landmarks, height, width = (int(side) for side in logits.shape[1:])
    p = logits.float().reshape(-1, landmarks, height * width).softmax(-1)
    xs = torch.arange(width, device=p.device, dtype=p.dtype) + 0.5
    ys = torch.arange(height, device=p.device, dtype=p.dtype) + 0.5
    # From the middle of the map, where squares are small: their sums keep the digits of a narrow map.
    y, x = torch.meshgrid(ys / height - 0.5, xs / width - 0.5, indexing="ij")
    moments = p @ torch.stack([x, y, x.square(), y.square()], -1).flatten(0, 1)
    middle, squares = moments[..., :2], moments[..., 2:]
    spreads = (squares - middle.square()).sum(-1).clamp(min=0).sqrt()
    points = middle + 0.5
    near_x = ((xs - points[..., :1] * width).abs() <= SCORE_REACH).to(p.dtype)
    near_y = ((ys - points[..., 1:] * height).abs() <= SCORE_REACH).to(p.dtype)
    near = (p.view(-1, landmarks, height, width) @ near_x[..., None]).squeeze(-1)
    return points, (near * near_y).sum(-1).clamp(max=1), spreads


class ShapeCorrection(nn.Module):
    """Moves points (N, K, 2) by a linear function of all of them: other points often show the error of one.

    The function sees the shape without its position and size, so it works alike for every crop. It is fitted by ridge
    regression on training faces (examples/train_compact/fit_shape.py); before that it moves nothing.
    """

    def __init__(self, landmarks: int) -> None:
        super().__init__()
        self.linear = nn.Linear(landmarks * 2, landmarks * 2)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, points: Tensor) -> Tensor:
        shape, size = normalised_shape(points)
        moves = F.linear(shape.flatten(1), self.linear.weight.float(), self.linear.bias.float())
        return points + moves.view_as(points) * size


def normalised_shape(points: Tensor) -> tuple[Tensor, Tensor]:
    """Return points (N, K, 2) about their mean, in units of their RMS distance from it, and that distance (N, 1, 1)."""
    centred = points - points.mean(1, keepdim=True)
    size = centred.square().sum(-1).mean(1).sqrt()[:, None, None]
    return centred / size.clamp(min=1e-6), size


class ExpectedError(nn.Module):
    """Tells from the spreads (N, K) of the maps how far off each point is in the mean, as a fraction of the side.

    A point errs the more, the wider its map and the wider those of the whole face are; some landmarks always err more
    than others. The numbers are fitted on faces that were not trained on (examples/train_compact/fit_expected.py);
    until then every error is called half the largest.
    """

    def __init__(self, landmarks: int) -> None:
        super().__init__()
        self.level = nn.Parameter(torch.zeros(landmarks))
        self.slopes = nn.Parameter(torch.zeros(2))  # of the point's own spread, and of the face's mean

    def forward(self, spreads: Tensor) -> Tensor:
        own = spreads.clamp(min=LEAST_SPREAD).log()
        face = own.mean(1, keepdim=True)
        slopes = self.slopes.float()
        return LARGEST_ERROR * torch.sigmoid(self.level.float() + slopes[0] * own + slopes[1] * face)


USUAL_SIDE = 3.0  # strides: the box side that an output of zero stands for
LARGEST_LOG_SIDE = 4.0  # exp of it, times the usual side and the stride, is beyond any image; keeps exp finite
POINTS = 5
OUTPUTS = 5 + 2 * POINTS  # of a cell: score, box, points


class CompactDetectorNet(PyramidTrunk):
    """Image to a face score, a box and five points per cell; the stages of the `PyramidTrunk` run at strides 8, 16, ...

    Input float32 (N, 3, H, W) RGB, H and W multiples of `strides[-1]`. `forward` gives float32 (N, 15, L), L the cells
    of all levels, fine to coarse, row by row: see `decode_map`. `maps` gives what comes before that, from which
    training learns: logit of the score, offset of the box's centre from the cell's centre in strides (x, y), the
    logarithm of the box's width and height in units of `USUAL_SIDE` strides, and the points (x, y) from the middle of
    the box in halves of its sides.
    """

    def __init__(
        self,
        stem: Sequence[int] = (16, 16),
        widths: Sequence[int] = (32, 64, 96, 96),
        blocks: Sequence[int] = (1, 2, 2, 1),
        neck: int = 32,
    ) -> None:
        super().__init__(stem, widths, blocks, neck, first_stride=2)
        self.strides = tuple(8 * 2**level for level in range(len(widths)))
        self.head = nn.ModuleList(nn.Conv2d(neck, OUTPUTS, 1) for _ in widths)

    def maps(self, x: Tensor) -> list[Tensor]:
        """Return the outputs of each level as maps (N, 15, H / stride, W / stride)."""
        return [head(level) for head, level in zip(self.head, self.pyramid(x), strict=True)]

    def forward(self, x: Tensor) -> Tensor:
        levels = zip(self.maps(x), self.strides, strict=True)
        return torch.cat([decode_map(level.float(), stride) for level, stride in levels], 2)


def decode_map(outputs: Tensor, stride: int) -> Tensor:
    """Return what one level's map (N, 15, H, W) says of each cell, (N, 15, H * W).

    Score (0..1), box (x1, y1, x2, y2) and the five points' x, then their y, in pixels. Computed row by row, which
    is fast in ONNX Runtime.
    """
    rows, columns = outputs.shape[2], outputs.shape[3]
    first = (stride - 1) / 2
    x = outputs[:, 1:2] * stride + (torch.arange(columns, device=outputs.device) * stride + first)
    y = outputs[:, 2:3] * stride + (torch.arange(rows, device=outputs.device) * stride + first)[:, None]
    half = outputs[:, 3:5].clamp(max=LARGEST_LOG_SIDE).exp() * (stride * USUAL_SIDE / 2)
    wide, high = half[:, :1], half[:, 1:]
    points = [x + outputs[:, 5::2] * wide, y + outputs[:, 6::2] * high]
    return torch.cat([outputs[:, :1].sigmoid(), x - wide, y - high, x + wide, y + high, *points], 1).flatten(2)
