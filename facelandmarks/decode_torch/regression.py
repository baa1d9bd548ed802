"""Regressed coordinates to points (DeepPose)."""

from torch import Tensor

from facelandmarks.decode_torch.argmax import scaled
from facelandmarks.zoo.spec import Variant


def decode(
    outputs: Tensor,
    input_size: tuple[int, int],
    variant: Variant = "mmpose0x",  # noqa: ARG001
) -> tuple[Tensor, Tensor]:
    """Points (N, K, 2) and scores (N, K), all 1, of fractions (N, K, 2); see `decode.regression.decode`."""
    return scaled(outputs, *input_size), outputs.new_ones(outputs.shape[:2])
