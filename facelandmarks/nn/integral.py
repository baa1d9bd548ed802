"""The last steps of our own landmark models: maps to points, points to a likelier shape, and how far to trust them.

All work in float32 whatever the network's number type is: coordinates do not fit into eight bits.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

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
