"""Heatmaps to points by DARK in the UDP manner: another blur, another Hessian, and no border (MMPose `use_udp`)."""

import torch
from torch import Tensor

from facelandmarks.decode_torch.argmax import peaks, scaled
from facelandmarks.decode_torch.blur import blur_about, highest_blurred
from facelandmarks.decode_torch.taylor import taylor_step
from facelandmarks.zoo.spec import Variant

LOWEST, HIGHEST = 0.001, 50.0  # where the blurred map is cut, before its logarithm


def decode(
    heatmaps: Tensor, input_size: tuple[int, int], kernel: int = 11, variant: Variant = "mmpose0x"
) -> tuple[Tensor, Tensor]:
    """Points (N, K, 2) and scores (N, K) of heatmaps (N, K, h, w); see `decode.udp.decode`.

    Notes
    -----
    One thing differs: a map without a positive value stays at its (-1, -1); what lies before it in memory does not move
    it.
    """
    places, scores = peaks(heatmaps, variant)
    height, width = heatmaps.shape[2:]
    about = blur_about(heatmaps, places, kernel, 1, "mirror" if variant == "mmpose0x" else "zeros")
    about = _outer_pixels_beyond(about, places, width, height)
    if variant == "mmpose1x":
        about = about * (scores / highest_blurred(heatmaps, kernel))[..., None, None]
    step = _step(about.clamp(LOWEST, HIGHEST).log())
    step = step.masked_fill((places[..., :1] < 0), 0)
    return scaled(places + step, (input_size[0] - 1) / (width - 1), (input_size[1] - 1) / (height - 1)), scores


def _outer_pixels_beyond(about: Tensor, places: Tensor, width: int, height: int) -> Tensor:
    """Squares (N, K, 3, 3) about the places, what lies beyond the map replaced by the outer pixel next to it."""
    x, y = places[..., 0, None, None], places[..., 1, None, None]
    left, middle, right = about[..., :1], about[..., 1:2], about[..., 2:]
    about = torch.cat([torch.where(x < 1, middle, left), middle, torch.where(x >= width - 1, middle, right)], dim=3)
    above, middle, below = about[:, :, :1], about[:, :, 1:2], about[:, :, 2:]
    return torch.cat([torch.where(y < 1, middle, above), middle, torch.where(y >= height - 1, middle, below)], dim=2)


def _step(log: Tensor) -> Tensor:
    """Steps (N, K, 2) from logarithms (N, K, 3, 3) about the peaks."""
    centre, right, left, below, above = (log[..., 1 + y, 1 + x] for x, y in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)))
    gradient = (right - left) * 0.5, (below - above) * 0.5
    epsilon = torch.finfo(torch.float32).eps
    hxx, hyy = right - 2 * centre + left + epsilon, below - 2 * centre + above + epsilon
    mixed = log[..., 2, 2] - right - below + centre + centre - left - above + log[..., 0, 0]
    return taylor_step(gradient, (hxx, hyy, 0.5 * mixed))
