"""Points that a network gives itself, with scores (our own models)."""

import numpy as np
from numpy.typing import NDArray


def decode(
    outputs: NDArray[np.float32], input_size: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Points of a batch of outputs.

    Parameters
    ----------
    outputs
        float32 (N, K, 3): x and y as fractions of the crop's width and height, and a score.
    input_size
        Width and height of the crop in pixels.

    Returns
    -------
    points
        float32 (N, K, 2), pixels of the crop, (0, 0) being the centre of its first pixel. Nothing is clipped.
    scores
        float32 (N, K) in 0..1.
    """
    # Half a pixel: the fraction 0 is the edge of the first pixel, not its centre.
    return outputs[..., :2] * np.array(input_size, np.float32) - np.float32(0.5), outputs[..., 2]
