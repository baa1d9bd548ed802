"""Heatmaps to points by their highest pixel, moved a quarter pixel towards the higher neighbour (MMPose `default`)."""

import torch
from torch import Tensor

from facelandmarks.zoo.spec import Variant


def decode(heatmaps: Tensor, input_size: tuple[int, int], variant: Variant = "mmpose0x") -> tuple[Tensor, Tensor]:
    """Points (N, K, 2) and scores (N, K) of heatmaps (N, K, h, w); see `decode.argmax.decode`."""
    places, scores = peaks(heatmaps, variant)
    return to_crop(places + _quarter_shift(heatmaps, places, variant), heatmaps, input_size), scores


def peaks(heatmaps: Tensor, variant: Variant = "mmpose0x") -> tuple[Tensor, Tensor]:
    """The first highest pixel (N, K, 2) of each map, and its value (N, K); see `decode.argmax.peaks`."""
    width = heatmaps.shape[3]
    flat = heatmaps.flatten(2)
    index = flat.argmax(dim=-1)  # the first of equals, and a NaN before all numbers, as in NumPy
    scores = flat.gather(2, index[..., None])[..., 0]
    places = torch.stack([index % width, index // width], dim=-1).float()
    without = scores <= 0 if variant == "mmpose1x" else ~(scores > 0)
    return places.masked_fill(without[..., None], -1), scores


def to_crop(places: Tensor, heatmaps: Tensor, input_size: tuple[int, int]) -> Tensor:
    """Pixels of the map (N, K, 2) to pixels of the crop, in MMPose's plain convention."""
    height, width = heatmaps.shape[2:]
    return scaled(places, input_size[0] / width, input_size[1] / height)


def scaled(places: Tensor, x_factor: float, y_factor: float) -> Tensor:
    """Points (N, K, 2) with either coordinate times its factor; numbers of Python need no copy to the device."""
    return torch.stack([places[..., 0] * x_factor, places[..., 1] * y_factor], dim=-1)


def cross(maps: Tensor, places: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Values (N, K) right, left, below and above the places; the nearest pixel beyond the border."""
    height, width = maps.shape[2:]
    x, y = places.long().unbind(dim=-1)
    flat = maps.flatten(2)

    def at(dx: int, dy: int) -> Tensor:
        index = (y + dy).clamp(0, height - 1) * width + (x + dx).clamp(0, width - 1)
        return flat.gather(2, index[..., None])[..., 0]

    return at(1, 0), at(-1, 0), at(0, 1), at(0, -1)


def _quarter_shift(heatmaps: Tensor, places: Tensor, variant: Variant) -> Tensor:
    height, width = heatmaps.shape[2:]
    right, left, below, above = cross(heatmaps, places)
    x, y = places.unbind(dim=-1)
    x_inside, y_inside = (x > 1) & (x < width - 1), (y > 1) & (y < height - 1)
    if variant == "mmpose1x":
        x_allowed, y_allowed = x_inside & (y > 0), y_inside & (x > 0)
    else:
        x_allowed = y_allowed = x_inside & y_inside
    slope = torch.stack([right - left, below - above], dim=-1)
    # The sign of NaN is NaN in NumPy and 0 here; NaN stays NaN by the product.
    sign = torch.where(slope.isnan(), slope, slope.sign())
    return (0.25 * sign).masked_fill(~torch.stack([x_allowed, y_allowed], dim=-1), 0)
