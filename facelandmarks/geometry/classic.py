"""Box, crop and way back of MMPose's plain top-down models (all that are not UDP), and of the built-in models.

The region of a face is its `center` and `scale`, the sides of the region in pixels of the image. A crop shows
`center - scale / 2 .. center + scale / 2` on `0 .. W` (not on `0 .. W - 1`, and without half pixels): image and crop
are related by one zoom W / scale that takes `center` to (W / 2, H / 2).

MMPose 0.x and 1.x differ in roundings only; `variant` says whose are followed. They matter: positions of a crop lie on
rounding ties, and other last bits of the matrix change bytes of 1 crop in 12.
"""

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from facelandmarks.geometry.warp import warp_crops
from facelandmarks.zoo.spec import Variant

# The second of the three points that define the warp, seen from the centre in units of half the width: above it in
# 0.x, left of it in 1.x. Mathematically all the same.
_SECOND_POINT: dict[Variant, tuple[float, float]] = {"mmpose0x": (0.0, -0.5), "mmpose1x": (-0.5, 0.0)}
# 0.x stores centres and scales in float32, 1.x in the float64 of its boxes.
REGION_DTYPE: dict[Variant, type[np.floating]] = {"mmpose0x": np.float32, "mmpose1x": np.float64}


def boxes_to_center_scale(
    boxes: NDArray[np.float64], input_size: tuple[int, int], padding: float = 1.25, variant: Variant = "mmpose0x"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Region of the picture that is shown to the network for each box.

    Parameters
    ----------
    boxes
        float64 (N, 4), x1 y1 x2 y2 in pixels of the image.
    input_size
        Width and height of the network's input in pixels.
    padding
        The region's side in units of the box, after the box has got the aspect ratio of the input.
    variant
        Whose roundings to follow.

    Returns
    -------
    center, scale
        float64 (N, 2) each, pixels of the image; x and y, width and height. In variant `mmpose0x` they hold float32
        values.

    Notes
    -----
    Source: 0.x `core/bbox/transforms.py` (`bbox_xyxy2xywh`) and `top_down_transform.py` (`bbox_xywh2cs`); 1.x
    `GetBBoxCenterScale` and `TopdownAffine._fix_aspect_ratio`. Nothing is checked, as there: a box without area gives
    a scale of 0, a reversed one a negative scale and a crop turned by 180 degrees.
    """
    boxes = np.asarray(boxes, np.float64)
    # The far corner is where the box ends, not its last pixel: no + 1 in the size. Upstream's centers of all golden
    # boxes are x1 + w / 2 with w = x2 - x1; with + 1 each would lie half a pixel further.
    size = boxes[:, 2:] - boxes[:, :2]
    aspect = input_size[0] / input_size[1]
    if variant == "mmpose1x":
        # Padding first, then aspect: another order of the same factors, other last bits.
        center = (boxes[:, :2] + boxes[:, 2:]) * 0.5
        return center, _grown_to_aspect(size * padding, aspect)
    center = boxes[:, :2] + size * 0.5
    # 0.x counts the scale in units of 200 px, in float32; the detour through the unit rounds.
    units = _grown_to_aspect(size, aspect).astype(np.float32) / np.float32(200) * np.float32(padding)
    return center.astype(np.float32).astype(np.float64), (units * np.float32(200)).astype(np.float64)


def _grown_to_aspect(size: NDArray[np.float64], aspect: float) -> NDArray[np.float64]:
    """Sizes (N, 2) whose shorter side is grown until width / height is `aspect`."""
    width, height = size[:, 0], size[:, 1]
    wide = width > height * aspect
    return np.stack([np.where(wide, width, height * aspect), np.where(wide, width / aspect, height)], axis=-1)


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
        (N, 2) each, pixels of the image. Only the width of `scale` counts: one zoom serves both directions.
    input_size
        Width and height of the crop in pixels.
    variant
        Whose three points to use, see the notes.

    Returns
    -------
    ndarray
        float64 (N, 2, 3). A scale of 0 gives a matrix of zeros.

    Notes
    -----
    Source: 0.x `core/post_processing/post_transforms.py` (`get_affine_transform`), 1.x
    `structures/bbox/transforms.py` (`get_warp_matrix`), rotation 0. Three float32 points go through OpenCV's solver:
    the centre, one beside it at half the width, and a third at a right angle. The closed form is equal to 2e-4 only,
    and then bytes of the crop differ.
    """
    dtype = REGION_DTYPE[variant]
    center, scale = np.asarray(center, dtype), np.asarray(scale, dtype)
    direction = np.array(_SECOND_POINT[variant])
    source, target = _three_points(center, scale[:, :1] * direction), _targets(input_size, variant)
    matrices = np.empty((len(source), 2, 3))
    for matrix, points in zip(matrices, source, strict=True):
        matrix[:] = cv2.getAffineTransform(points, target)
    return matrices


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


@cache
def _targets(input_size: tuple[int, int], variant: Variant) -> NDArray[np.float32]:
    """Where the three points (3, 2) lie in a crop."""
    width, height = input_size
    # The centre goes to (W / 2, H / 2): crop pixel 0 shows the region's edge, not the middle of its first W-th.
    centre = np.array([[width * 0.5, height * 0.5]])
    points: NDArray[np.float32] = _three_points(centre, width * np.array([_SECOND_POINT[variant]]))[0]
    return points


def _three_points(first: NDArray[np.floating], step: NDArray[np.float64]) -> NDArray[np.float32]:
    """float32 (N, 3, 2): a point, the point one step on, and from there the step turned by a right angle."""
    a = first.astype(np.float32)
    b = (first + step).astype(np.float32)
    d = a - b
    return np.stack([a, b, b + np.stack([-d[:, 1], d[:, 0]], axis=-1)], axis=1)


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
        (N, K, 2), pixels of the crop.
    center, scale
        (N, 2) each, pixels of the image. Here both sides of `scale` count.
    input_size
        Width and height of the crop in pixels.
    variant
        0.x computes float32 points in float32, 1.x always in float64; they agree to about 3e-5 px at 400 px.

    Returns
    -------
    ndarray
        float32 (N, K, 2).

    Notes
    -----
    Source: 0.x `core/post_processing/post_transforms.py` (`transform_preds`), 1.x `models/pose_estimators/topdown.py`
    (`add_pred_to_datasample`). The inverse is exact where `scale` has the aspect ratio of the crop.
    """
    dtype = REGION_DTYPE[variant]
    center, scale = np.asarray(center, dtype)[:, None], np.asarray(scale, dtype)[:, None]
    size = np.array(input_size, dtype)
    if variant == "mmpose1x":
        return (points / size * scale + center - 0.5 * scale).astype(np.float32)
    # No half pixel on either side: crop pixel 0 is at the region's edge, as in `crop_matrices`.
    return (points * (scale / size) + center - scale * dtype(0.5)).astype(np.float32)
