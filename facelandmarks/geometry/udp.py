"""Crop and way back of UDP (Huang et al., The Devil is in the Details, CVPR 2020) as in MMPose.

A region is the same as in `geometry.classic`, so `boxes_to_center_scale` is that one. It is shown from middle to middle
of the outer pixels: `center - scale / 2 .. center + scale / 2` lies on `0 .. W - 1`, not on `0 .. W`, and width and
height have a zoom each.

No published model runs with it. MMPose's three DeepFashion models with `udp` in their names set it at a place of their
1.x configs that nothing reads: what runs, and what their published numbers come from, is `geometry.classic` with
`decode.argmax` (and a flip test without shift). Their 0.x configs do use UDP, but 0.x never published files for them.
Here it is an option, to be used together with `decode.udp`.
"""

import numpy as np
from numpy.typing import NDArray

from facelandmarks.geometry.classic import REGION_DTYPE, boxes_to_center_scale
from facelandmarks.geometry.warp import warp_crops
from facelandmarks.zoo.spec import Variant

__all__ = ["boxes_to_center_scale", "crop_matrices", "cut_crops", "to_image"]


def crop_matrices(
    center: NDArray[np.float64],
    scale: NDArray[np.float64],
    input_size: tuple[int, int],
    variant: Variant = "mmpose0x",
) -> NDArray[np.float64]:
    """Affine maps from pixels of the image to pixels of the crop.

    Parameters
    ----------
    center, scale
        (N, 2) each, pixels of the image. Both sides of `scale` count.
    input_size
        Width and height of the crop in pixels.
    variant
        0.x holds the region in float32, 1.x in float64; the formula is one.

    Returns
    -------
    ndarray
        float64 (N, 2, 3) of float32 values. A scale of 0 gives infinities, as upstream.

    Notes
    -----
    Source: 0.x `core/post_processing/post_transforms.py` (`get_warp_matrix`), 1.x `structures/bbox/transforms.py`
    (`get_udp_warp_matrix`), rotation 0.
    """
    dtype = REGION_DTYPE[variant]
    center, scale = (np.asarray(value, dtype).astype(np.float64) for value in (center, scale))
    matrices = np.zeros((len(center), 2, 3), np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):  # scale 0
        zoom = (np.array(input_size) - 1) / scale
        matrices[:, [0, 1], [0, 1]] = zoom
        matrices[:, :, 2] = zoom * (0.5 * scale - center)
    # Upstream hands the float32 matrix to OpenCV; positions lie on rounding ties here too.
    return matrices.astype(np.float64)


def cut_crops(
    image: NDArray[np.uint8],
    center: NDArray[np.float64],
    scale: NDArray[np.float64],
    input_size: tuple[int, int],
    variant: Variant = "mmpose0x",
) -> NDArray[np.uint8]:
    """Cut one crop per region out of a picture (height, width, 3); what lies outside of it is black.

    Returns uint8 (N, H, W, 3). The other parameters are those of `crop_matrices`.
    """
    return warp_crops(image, crop_matrices(center, scale, input_size, variant), input_size)


def to_image(
    points: NDArray[np.floating],
    center: NDArray[np.float64],
    scale: NDArray[np.float64],
    input_size: tuple[int, int],
    variant: Variant = "mmpose0x",
) -> NDArray[np.float32]:
    """Points in pixels of the crop to points in pixels of the image: the inverse of `crop_matrices`.

    Parameters
    ----------
    points
        (N, K, 2), pixels of the crop: the last one is at (W - 1, H - 1), as `decode.udp` gives them.
    center, scale
        (N, 2) each, pixels of the image.
    input_size
        Width and height of the crop in pixels.
    variant
        0.x computes float32 points in float32, 1.x always in float64.

    Returns
    -------
    ndarray
        float32 (N, K, 2).

    Notes
    -----
    Source: 0.x `core/post_processing/post_transforms.py` (`transform_preds`, `use_udp`), 1.x
    `models/pose_estimators/topdown.py` (`add_pred_to_datasample`), whose division by W undoes a factor of W in
    `codecs/udp_heatmap.py`: its "input pixels" are W / (W - 1) times the pixels of the crop.
    """
    dtype = REGION_DTYPE[variant]
    center, scale = np.asarray(center, dtype)[:, None], np.asarray(scale, dtype)[:, None]
    last = np.array([side - 1 for side in input_size], dtype)
    return (points * (scale / last) + center - scale * dtype(0.5)).astype(np.float32)
