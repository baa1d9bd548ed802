"""The network of the built-in face detector: one stage, no anchors, dense 3x3 convolutions.

As in FCOS (Tian et al., ICCV 2019) every cell of a few coarse maps says whether a face is centred near it, and gives
its box and five points. Most of the capacity lies at strides 16 and 32, where a convolution is cheap and sees enough
to tell a face from a thing like a face.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from facelandmarks.nn.compact import PyramidTrunk

USUAL_SIDE = 3.0  # strides: the box side that an output of zero stands for
FIRST_LOGIT = -4.6  # one face in a hundred cells, so that the first steps are not all about background
LARGEST_LOG_SIDE = 4.0  # exp of it, times the usual side and the stride, is beyond any image; keeps exp finite
BRIGHTEST = 127.5  # divides the pixels, so that the network sees 0..2: black is zero, as is what pads an image
POINTS = 5
# Where the points of an average upright face lie, from the middle of its tight box in half sides (x, y): right eye,
# left eye, nose, right and left mouth corner. Medians over the 300-W training faces.
USUAL_POINTS = ((-0.45, -0.62), (0.45, -0.62), (0.0, -0.11), (-0.39, 0.33), (0.39, 0.33))
OUTPUTS = 5 + 2 * POINTS


def output_layer(channels: int) -> nn.Conv2d:
    """Make the layer of a cell's score, box and points; it starts from the same small score and face everywhere."""
    layer = nn.Conv2d(channels, OUTPUTS, 1)
    nn.init.normal_(layer.weight, std=0.01)
    bias = torch.zeros(OUTPUTS)
    bias[0] = FIRST_LOGIT
    bias[5:] = torch.tensor(USUAL_POINTS).flatten()
    layer.bias = nn.Parameter(bias)
    return layer


class CompactDetectorNet(PyramidTrunk):
    """Image to a face score, a box and five points per cell; the stages of the `PyramidTrunk` run at strides 8, 16, ...

    Input float32 (N, 3, H, W) RGB, H and W multiples of `strides[-1]`. Training divides pixels by `BRIGHTEST`; in the
    file of weights the first convolution does. `forward` gives float32 (N, 15, L), L the cells of all levels, fine to
    coarse, row by row: see `decode_map`. `outputs` gives (N, L, 15) before that: logit of the score, offset of the
    box's centre from the cell's centre in strides (x, y), the logarithm of the box's width and height in units of
    `USUAL_SIDE` strides, and the points (x, y) from the middle of the box in halves of its sides.
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
        self.head = nn.ModuleList(output_layer(neck) for _ in widths)

    def maps(self, x: Tensor) -> list[Tensor]:
        """Return the outputs of each level as maps (N, 15, H / stride, W / stride)."""
        return [head(level) for head, level in zip(self.head, self.pyramid(x), strict=True)]

    def outputs(self, x: Tensor) -> Tensor:
        """Return the outputs (N, L, 15) from which training learns."""
        return torch.cat([level.flatten(2).transpose(1, 2) for level in self.maps(x)], 1)

    def forward(self, x: Tensor) -> Tensor:
        levels = zip(self.maps(x), self.strides, strict=True)
        return torch.cat([decode_map(level.float(), stride) for level, stride in levels], 2)


def cells_of(height: int, width: int, strides: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return centres (L, 2) and strides (L,) of an input's cells in pixels; (0, 0) is the top-left pixel's centre."""
    centres, sizes = [], []
    for stride in strides:
        rows, columns = height // stride, width // stride
        y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        centres.append((torch.stack([x, y], -1).reshape(-1, 2) + 0.5) * stride - 0.5)
        sizes.append(torch.full((rows * columns,), float(stride)))
    return torch.cat(centres), torch.cat(sizes)


def boxes_of(outputs: Tensor, centres: Tensor, strides: Tensor) -> Tensor:
    """Return boxes (..., L, 4), xyxy in pixels, of network outputs (..., L, 15)."""
    middle = centres + outputs[..., 1:3] * strides[:, None]
    half = outputs[..., 3:5].clamp(max=LARGEST_LOG_SIDE).exp() * (strides[:, None] * USUAL_SIDE / 2)
    return torch.cat([middle - half, middle + half], -1)


def decode_map(outputs: Tensor, stride: int) -> Tensor:
    """Return what one level's map (N, 15, H, W) says of each cell, (N, 15, H * W).

    Score (0..1), box (x1, y1, x2, y2) and the five points' x, then their y, in pixels. The same arithmetic as
    `boxes_of` and `points_of`, row by row, which is how ONNX Runtime is fast at it.
    """
    rows, columns = outputs.shape[2], outputs.shape[3]
    first = (stride - 1) / 2
    x = outputs[:, 1:2] * stride + (torch.arange(columns, device=outputs.device) * stride + first)
    y = outputs[:, 2:3] * stride + (torch.arange(rows, device=outputs.device) * stride + first)[:, None]
    half = outputs[:, 3:5].clamp(max=LARGEST_LOG_SIDE).exp() * (stride * USUAL_SIDE / 2)
    wide, high = half[:, :1], half[:, 1:]
    points = [x + outputs[:, 5::2] * wide, y + outputs[:, 6::2] * high]
    return torch.cat([outputs[:, :1].sigmoid(), x - wide, y - high, x + wide, y + high, *points], 1).flatten(2)


def points_of(outputs: Tensor, boxes: Tensor) -> Tensor:
    """Return points (..., L, 5, 2) in pixels of network outputs (..., L, 15) with their boxes (..., L, 4)."""
    low, high = boxes[..., None, :2], boxes[..., None, 2:]
    relative = outputs[..., 5:].reshape(*outputs.shape[:-1], POINTS, 2)
    points: Tensor = (low + high) / 2 + relative * (high - low) / 2
    return points
