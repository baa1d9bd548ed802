"""Coordinates, or scores of places along each axis, to points."""

import numpy as np

from facelandmarks.decode import Decoded, Float32


def decode_regression(outputs: Float32, input_size: tuple[int, int]) -> Decoded:
    """Scale regressed coordinates (N, K, 2), fractions of the crop's width and height (DeepPose).

    Points are those of `geometry.classic`: 1.0 is pixel W; nothing is clipped. Scores are all 1, as upstream.

    Notes
    -----
    Source: Toshev and Szegedy, DeepPose, CVPR 2014, as in MMPose 0.x `core/evaluation/top_down_eval.py`
    (`keypoints_from_regression`) and 1.x `codecs/regression_label.py`, which agree, and multiply in float64: 1.5e-5 px
    of the crop away at most.
    """
    points = outputs * np.array(input_size, np.float32)
    return points.astype(np.float32, copy=False), np.ones(outputs.shape[:2], np.float32)


def decode_points(outputs: Float32, input_size: tuple[int, int]) -> tuple[Float32, Float32, Float32]:
    """Scale what our own networks say (N, K, 4): x and y in crop sides, score in 0..1, expected error in crop widths.

    Returns points, scores and expected errors (N, K). Nothing is clipped.
    """
    # Half a pixel: the fraction 0 is the edge of the first pixel, not its centre.
    points = outputs[..., :2] * np.array(input_size, np.float32) - np.float32(0.5)
    return points, outputs[..., 2], outputs[..., 3] * np.float32(input_size[0])


def decode_mesh(outputs: Float32) -> tuple[Float32, Float32, Float32]:
    """Split x, y, z of each point in pixels of the crop, and the logit of whether it shows a face (N, 3 K + 1).

    Returns points (N, K, 2), scores (N, K), 0..1 and one for all points of a crop, and depth (N, K), smaller being
    nearer to the camera. Nothing is clipped.

    Notes
    -----
    Source: MediaPipe 0.10.21, `modules/face_landmark` (`TensorsToFaceLandmarks`, `TensorsToFloats` with a sigmoid).
    """
    places = outputs[:, :-1].reshape(len(outputs), outputs.shape[1] // 3, 3)
    with np.errstate(over="ignore"):  # the score is 0 then
        scores = 1 / (1 + np.exp(-outputs[:, -1:]))
    return places[..., :2], np.repeat(scores, places.shape[1], axis=1), places[..., 2]


def decode_simcc(outputs: Float32, input_size: tuple[int, int]) -> Decoded:
    """Take the highest bin along each axis of logits (N, 2, K, bins), along x, then along y (RTMPose).

    Points are bins times W / bins, as `geometry.classic` expects them: half pixels where there are two bins per pixel,
    and nothing is refined between bins. Scores are the lower one of the two maxima: logits, not limited to 0..1.

    Notes
    -----
    Source: Li et al., SimCC, ECCV 2022, as in MMPose 1.x `codecs/simcc_label.py` with
    `codecs/utils/post_processing.py` (`get_simcc_maximum`). As there, an axis without a positive value puts both
    coordinates at bin -1, outside of the crop. A NaN is the highest of its axis; a NaN in x is also the score, with a
    NaN in y the score is that of x.
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
