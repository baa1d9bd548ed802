"""Regressed coordinates to points (DeepPose)."""

import numpy as np
from numpy.typing import NDArray

from facelandmarks.zoo.spec import Variant


def decode(
    outputs: NDArray[np.float32],
    input_size: tuple[int, int],
    variant: Variant = "mmpose0x",  # noqa: ARG001
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Points of a batch of regressed coordinates.

    Parameters
    ----------
    outputs
        float32 (N, K, 2), x and y as fractions of the crop's width and height.
    input_size
        Width and height of the crop in pixels.
    variant
        Not used, as MMPose 0.x and 1.x agree; here because the other decoders have it.

    Returns
    -------
    points
        float32 (N, K, 2), pixels of the crop as `geometry.classic` counts them: 1.0 is pixel W. Nothing is clipped.
    scores
        float32 (N, K), all 1: the network tells nothing about its certainty, and upstream says so.

    Notes
    -----
    Source: Toshev and Szegedy, DeepPose, CVPR 2014, as in MMPose 0.x `core/evaluation/top_down_eval.py`
    (`keypoints_from_regression`) and 1.x `codecs/regression_label.py`, which agree. Upstream multiplies in float64; in
    float32 a point is the same to half an ulp, 1.5e-5 px of the crop.
    """
    points = outputs * np.array(input_size, np.float32)
    return points.astype(np.float32, copy=False), np.ones(outputs.shape[:2], np.float32)
