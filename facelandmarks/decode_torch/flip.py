"""Flip test: the average of a network's outputs for a crop and for its mirror image; see `decode.flip`."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import torch
from torch import Tensor

from facelandmarks.zoo.spec import FlipAverage


def average_heatmaps(
    direct: Tensor,
    mirrored: Tensor,
    exchange: Tensor,
    input_size: tuple[int, int],  # noqa: ARG001
    shifted: bool = False,
) -> Tensor:
    """Mean (N, K, h, w) of heatmaps; `exchange` (K,) is on their device."""
    back = mirrored.index_select(1, exchange).flip(3)
    if shifted:
        back = torch.cat([back[..., :1], back[..., :-1]], dim=-1)
    return (direct + back) * 0.5


def average_coordinates(
    direct: Tensor, mirrored: Tensor, exchange: Tensor, input_size: tuple[int, int], shifted: bool = False
) -> Tensor:
    """Mean (N, K, 2) of regressed coordinates."""
    x, y = mirrored.index_select(1, exchange).unbind(dim=-1)
    x = 1 - x - 1 / input_size[0] if shifted else 1 - x
    return (direct + torch.stack([x, y], dim=-1)) * 0.5


def average_simcc(
    direct: Tensor,
    mirrored: Tensor,
    exchange: Tensor,
    input_size: tuple[int, int],  # noqa: ARG001
) -> Tensor:
    """Mean (N, 2, K, bins) of logits along x and y."""
    x, y = mirrored.index_select(2, exchange).unbind(dim=1)
    return (direct + torch.stack([x.flip(-1), y], dim=1)) * 0.5


def average_points(direct: Tensor, mirrored: Tensor, exchange: Tensor, input_size: tuple[int, int]) -> Tensor:
    """Mean (N, K, 3) of points with scores."""
    points = average_coordinates(direct[..., :2], mirrored[..., :2], exchange, input_size)
    scores = (direct[..., 2:] + mirrored.index_select(1, exchange)[..., 2:]) * 0.5
    return torch.cat([points, scores], dim=-1)


AVERAGES: Mapping[FlipAverage, Callable[..., Tensor]] = MappingProxyType(
    {
        "heatmaps": average_heatmaps,
        "shifted_heatmaps": partial(average_heatmaps, shifted=True),
        "coordinates": average_coordinates,
        "shifted_coordinates": partial(average_coordinates, shifted=True),
        "simcc": average_simcc,
        "points": average_points,
    }
)
