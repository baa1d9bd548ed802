"""Logits of places along each axis to points by their highest bins (RTMPose)."""

import numpy as np
from numpy.typing import NDArray

from facelandmarks.zoo.spec import Variant


def decode(
    outputs: NDArray[np.float32],
    input_size: tuple[int, int],
    variant: Variant = "mmpose1x",  # noqa: ARG001
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Points of a batch of logits along x and y.

    Parameters
    ----------
    outputs
        float32 (N, 2, K, bins): along x, then along y.
    input_size
        Width and height of the crop in pixels.
    variant
        Not used, as MMPose 0.x has no SimCC; here because the other decoders have it.

    Returns
    -------
    points
        float32 (N, K, 2), pixels of the crop as `geometry.classic` expects it: bin times W / bins, half pixels where
        there are two bins a pixel. There is no refinement between bins.
    scores
        float32 (N, K), the lower one of the two maxima: logits, not limited to 0..1.

    Notes
    -----
    Source: Li et al., SimCC, ECCV 2022, as in MMPose 1.x `codecs/simcc_label.py` with
    `codecs/utils/post_processing.py` (`get_simcc_maximum`). As there, an axis without a positive value puts both
    coordinates at bin -1, outside of the crop. A NaN is the highest of its axis; in x it is also the score, in y the
    score is that of x.
    """
    places = outputs.argmax(axis=-1)
    maxima = np.take_along_axis(outputs, places[..., None], axis=-1)[..., 0]
    along_x, along_y = maxima[:, 0], maxima[:, 1]
    # Not `minimum`, which would take a NaN of either.
    scores = np.where(along_x > along_y, along_y, along_x)
    bins = np.moveaxis(places, 1, -1).astype(np.float32)
    bins[scores <= 0] = -1
    # Bin 0 is the crop's edge, as map pixel 0 is with heatmaps: no half bin.
    return bins * (np.array(input_size, np.float32) / np.float32(outputs.shape[-1])), scores
