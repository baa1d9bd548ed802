"""Logits of places along each axis to points by their highest bins (RTMPose)."""

import torch
from torch import Tensor

from facelandmarks.decode_torch.argmax import scaled
from facelandmarks.zoo.spec import Variant


def decode(
    outputs: Tensor,
    input_size: tuple[int, int],
    variant: Variant = "mmpose1x",  # noqa: ARG001
) -> tuple[Tensor, Tensor]:
    """Points (N, K, 2) and scores (N, K) of logits (N, 2, K, bins); see `decode.simcc.decode`."""
    places = outputs.argmax(dim=-1)
    along_x, along_y = outputs.gather(3, places[..., None])[..., 0].unbind(dim=1)
    scores = torch.where(along_x > along_y, along_y, along_x)  # not `minimum`, which would take a NaN of either
    bins = places.movedim(1, -1).float().masked_fill((scores <= 0)[..., None], -1)
    count = outputs.shape[-1]
    return scaled(bins, input_size[0] / count, input_size[1] / count), scores
