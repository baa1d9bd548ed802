"""Heatmaps to points as the official HRNet-Facial-Landmark-Detection repository does."""

import torch
from torch import Tensor

from facelandmarks.decode_torch.argmax import cross, peaks, to_crop


def decode(heatmaps: Tensor, input_size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Points (N, K, 2) and scores (N, K) of heatmaps (N, K, h, w); see `decode.hrnet_official.decode`."""
    places, scores = peaks(heatmaps)
    return to_crop(places + _quarter_shift(heatmaps, places) + 0.5, heatmaps, input_size), scores


def _quarter_shift(heatmaps: Tensor, places: Tensor) -> Tensor:
    height, width = heatmaps.shape[2:]
    right, left, below, above = cross(heatmaps, places)
    x, y = places.unbind(dim=-1)
    inside = (x > 0) & (x < width - 1) & (y > 0) & (y < height - 1)
    higher, lower = torch.stack([right > left, below > above], dim=-1), torch.stack([right < left, below < above], -1)
    return (0.25 * (higher.float() - lower.float())).masked_fill(~inside[..., None], 0)
