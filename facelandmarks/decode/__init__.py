"""From the raw output of a network to points in pixels of its crop.

A decoder takes a batch, for example heatmaps, float32 (N, K, h, w), and `input_size`, width and height of the crop in
pixels. It returns points, float32 (N, K, 2), in pixels of the crop, and scores, float32 (N, K). `variant` selects the
upstream implementation to follow; `kernel` is the odd side of a Gaussian blur in pixels of the map, from which OpenCV
derives the sigma (2.0 for 11, 2.9 for 17). `facelandmarks.pipeline` lists the decoders by name. Only `on_device`
imports torch.

Before a decoder, the flip test averages the network's outputs for a crop and for its mirror image (here); `exchange`
(K,) says which landmark of the mirror image stands for each landmark.
"""

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from facelandmarks._opencv import cv2

if TYPE_CHECKING:
    from torch import Tensor

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Places = NDArray[np.intp]
Decoded = tuple[Float32, Float32]
Values = TypeVar("Values", Float32, "Tensor")  # what works on both has no twin in `on_device`


def average_heatmaps(direct: Float32, mirrored: Float32, exchange: Places, shifted: bool = False) -> Float32:
    """Return the mean of heatmaps (N, K, h, w).

    If `shifted`, the maps of the mirror image, flipped back, move one pixel to the right; the first column stays.

    Notes
    -----
    Without shift it is exact where the outer pixels of crop and map coincide (UDP), or where pixels are areas (the
    official HRNet repository). In MMPose's plain geometry it moves points 1.5 px of the crop to the left; the shift
    leaves 0.5 px to the right. Source: MMPose 0.x `models/heads/topdown_heatmap_simple_head.py` (`inference_model`),
    1.x `models/utils/tta.py` (`flip_heatmaps`).
    """
    width = direct.shape[-1]
    averaged = np.empty(direct.shape, np.float32)
    # Crop by crop, so that intermediate arrays stay in the processor's cache.
    for n, one in enumerate(direct):
        back = cv2.flip(mirrored[n, exchange].reshape(-1, width), 1)
        mean = averaged[n].reshape(-1, width)
        np.add(one.reshape(-1, width), back, out=mean)
        if shifted:  # the rows as one line, moved by one, and the first column by itself
            np.add(one.ravel()[1:], back.ravel()[:-1], out=mean.ravel()[1:])
            mean[:, 0] = one.reshape(-1, width)[:, 0] + back[:, 0]
        mean *= np.float32(0.5)
    return averaged


def average_coordinates(
    direct: Values, mirrored: Values, exchange: Any, input_size: tuple[int, int], shifted: bool = False
) -> Values:
    """Return the mean of regressed coordinates (N, K, 2 or more), fractions of the crop's width and height.

    What stands beside x and y, scores and expected errors, is averaged as it is. If `shifted`, the points of the mirror
    image, flipped back, move one pixel of the crop to the left: MMPose 1.x `models/utils/tta.py` (`flip_coordinates`),
    not 0.x `core/post_processing/post_transforms.py` (`fliplr_regression`).
    """
    back = mirrored[:, exchange]
    back[..., 0] = 1 - back[..., 0]
    if shifted:
        back[..., 0] -= 1 / input_size[0]
    return (direct + back) * 0.5


def average_simcc(direct: Float32, mirrored: Float32, exchange: Places) -> Float32:
    """Return the mean of logits along x and y, (N, 2, K, bins).

    Source: MMPose 1.x `models/utils/tta.py` (`flip_vectors`): the bins of x are reversed and nothing is shifted, which
    moves points 0.3 px of the crop to the right.
    """
    back = mirrored[:, :, exchange]
    back[:, 0] = back[:, 0, :, ::-1]
    averaged: Float32 = (direct + back) * np.float32(0.5)
    return averaged


def average_mesh(direct: Values, mirrored: Values, exchange: Any, input_size: tuple[int, int]) -> Values:
    """Return the mean of meshes as `decode.vectors.decode_mesh` takes them; upstream has no flip test.

    x and its mirror image add up to the crop's width: to 191.99 of 192 pixels in the mean of 445 faces.
    """
    count, width = mirrored.shape
    back = mirrored[:, :-1].reshape(count, width // 3, 3)[:, exchange]
    back[..., 0] = input_size[0] - back[..., 0]
    averaged = (direct + mirrored) * 0.5  # of the last column
    averaged[:, :-1] = (direct[:, :-1] + back.reshape(count, width - 1)) * 0.5
    return averaged
