"""Points that a network gives itself, with scores (our own models)."""

from torch import Tensor

from facelandmarks.decode_torch.argmax import scaled


def decode(outputs: Tensor, input_size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Points (N, K, 2) and scores (N, K) of fractions with scores (N, K, 3); see `decode.points.decode`."""
    return scaled(outputs, *input_size) - 0.5, outputs[..., 2]
