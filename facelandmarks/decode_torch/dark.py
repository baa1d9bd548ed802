"""Heatmaps to points by DARK: a Taylor step on the logarithm of the blurred map (MMPose `unbiased`)."""

import torch
from torch import Tensor

from facelandmarks.decode_torch.argmax import peaks, to_crop
from facelandmarks.decode_torch.blur import blur_about, highest_blurred
from facelandmarks.decode_torch.taylor import taylor_step
from facelandmarks.zoo.spec import Variant

FLOOR = 1e-10  # of the blurred map, before its logarithm


def decode(
    heatmaps: Tensor, input_size: tuple[int, int], kernel: int = 11, variant: Variant = "mmpose0x"
) -> tuple[Tensor, Tensor]:
    """Points (N, K, 2) and scores (N, K) of heatmaps (N, K, h, w); see `decode.dark.decode`."""
    places, scores = peaks(heatmaps, variant)
    height, width = heatmaps.shape[2:]
    x, y = places.unbind(dim=-1)
    inside = (x > 1) & (x < width - 2) & (y > 1) & (y < height - 2)
    about = blur_about(heatmaps, places, kernel, 2, "zeros")
    about = about * (scores / highest_blurred(heatmaps, kernel))[..., None, None]
    step = _step(about.clamp(min=FLOOR).log())
    step = torch.where(inside[..., None], step, torch.zeros_like(step))
    return to_crop(places + step, heatmaps, input_size), scores


def _step(log: Tensor) -> Tensor:
    """Steps (N, K, 2) from logarithms (N, K, 5, 5) about the peaks."""
    centre, right, left, below, above = (log[..., 2 + y, 2 + x] for x, y in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)))
    right2, left2, below2, above2 = (log[..., 2 + y, 2 + x] for x, y in ((2, 0), (-2, 0), (0, 2), (0, -2)))
    mixed = log[..., 3, 3] - log[..., 3, 1] - log[..., 1, 3] + log[..., 1, 1]
    gradient = (right - left) / 2, (below - above) / 2
    return taylor_step(gradient, ((right2 - 2 * centre + left2) / 4, (below2 - 2 * centre + above2) / 4, mixed / 4))
