"""The last steps of our own landmark models: maps of logits to points, and points to a likelier shape.

Both work in float32, whatever the network's number type: bfloat16 has too few bits for coordinates.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Half the side of the window whose probability is the score, in cells.
SCORE_REACH = 1.5


def integrate(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return points as the expectation of each map's softmax, and scores.

    `logits` (N, K, h, w) may be shifted by a constant per map. Points, float32 (N, K, 2), are fractions of the crop's
    width and height; cells are areas: the middle of cell i is at (i + 0.5) / w. Scores, float32 (N, K) in 0..1, are the
    probability of the cells whose middles lie within 1.5 cells of the point on both axes (3 or 4 cells a side; nothing
    beyond the map).

    Notes
    -----
    Source: Sun et al., Integral Human Pose Regression, ECCV 2018. A cell of -inf has no probability. A map with NaN or
    +inf, or of -inf alone, gives a NaN point with a NaN score; other maps are not affected.
    """
    height, width = logits.shape[2:]
    p = logits.float().flatten(2).softmax(-1).view(logits.shape)
    columns, rows = p.sum(2), p.sum(3)
    xs = torch.arange(width, device=p.device, dtype=p.dtype) + 0.5
    ys = torch.arange(height, device=p.device, dtype=p.dtype) + 0.5
    x, y = (columns * xs).sum(-1, keepdim=True), (rows * ys).sum(-1, keepdim=True)
    near_x = ((xs - x).abs() <= SCORE_REACH).to(p.dtype)
    near_y = ((ys - y).abs() <= SCORE_REACH).to(p.dtype)
    near = (p @ near_x[..., None])[..., 0]
    scores = (near * near_y).sum(-1).clamp(max=1)
    return torch.cat([x / width, y / height], -1), scores


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
