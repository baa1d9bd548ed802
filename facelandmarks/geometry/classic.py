"""Crops of MMPose's plain top-down models (all but UDP), and of the built-in models.

A crop shows `center - scale / 2 .. center + scale / 2` on `0 .. W` (not on `0 .. W - 1`, and without half pixels):
image and crop are related by one zoom W / scale that takes `center` to (W / 2, H / 2).

MMPose 0.x and 1.x differ in rounding only; `variant` selects which one is followed. Rounding matters: positions in a
crop lie on rounding ties, and other last bits of the matrix change bytes in 1 crop of 12.
"""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from facelandmarks.geometry.warp import warp_crops
from facelandmarks.zoo.spec import Variant

# The second of the three points that define the warp, seen from the centre in units of the width: above it in 0.x,
# left of it in 1.x. Mathematically the same.
_SECOND_POINT: dict[Variant, tuple[float, float]] = {"mmpose0x": (0.0, -0.5), "mmpose1x": (-0.5, 0.0)}
# 0.x stores centers and scales in float32, 1.x in the float64 of its boxes.
REGION_DTYPE: dict[Variant, type[np.floating]] = {"mmpose0x": np.float32, "mmpose1x": np.float64}


@dataclass(frozen=True)
class Classic:
    """The convention of MMPose's plain models (`Geometry`).

    Attributes
    ----------
    input_size
        Width and height of the crop in pixels.
    padding
        Side of the region in units of the box, once the box has the aspect ratio of the crop.
    variant
        Whose rounding to follow.
    """

    input_size: tuple[int, int]
    padding: float = 1.25
    variant: Variant = "mmpose0x"

    def regions(self, boxes: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return center and scale of each box, see `Geometry`; in variant `mmpose0x` they hold float32 values.

        Notes
        -----
        Source: 0.x `core/bbox/transforms.py` (`bbox_xyxy2xywh`) and `top_down_transform.py` (`bbox_xywh2cs`); 1.x
        `GetBBoxCenterScale` and `TopdownAffine._fix_aspect_ratio`. A box without area gives a scale of 0; a reversed
        one a negative scale, and a crop rotated by 180 degrees.
        """
        boxes = np.asarray(boxes, np.float64)
        # The far corner is where the box ends, not its last pixel: no + 1 in the size. Upstream's centers of all golden
        # boxes are x1 + w / 2 with w = x2 - x1; with + 1 each would lie half a pixel further.
        size = boxes[:, 2:] - boxes[:, :2]
        if self.variant == "mmpose1x":
            # Padding before aspect ratio: another order of the same factors, other last bits.
            return (boxes[:, :2] + boxes[:, 2:]) * 0.5, self._grown_to_aspect(size * self.padding)
        center = boxes[:, :2] + size * 0.5
        # 0.x counts the scale in units of 200 px, in float32; the detour through the unit rounds.
        units = self._grown_to_aspect(size).astype(np.float32) / np.float32(200) * np.float32(self.padding)
        return center.astype(np.float32).astype(np.float64), (units * np.float32(200)).astype(np.float64)

    def _grown_to_aspect(self, size: NDArray[np.float64]) -> NDArray[np.float64]:
        """Grow the shorter side of sizes (N, 2) to the aspect ratio of the crop."""
        width, height = size[:, 0], size[:, 1]
        aspect = self.input_size[0] / self.input_size[1]
        wide = width > height * aspect
        return np.stack([np.where(wide, width, height * aspect), np.where(wide, width / aspect, height)], axis=-1)

    def matrices(self, center: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the affine maps (N, 2, 3) from pixels of the image to pixels of the crop.

        Only the width of `scale` counts: one zoom serves both directions. A scale of 0 gives a matrix of zeros.

        Notes
        -----
        Source: 0.x `core/post_processing/post_transforms.py` (`get_affine_transform`), 1.x
        `structures/bbox/transforms.py` (`get_warp_matrix`), rotation 0. Three float32 points go through OpenCV's
        solver: the centre, one beside it at half the width, and a third at a right angle. The closed form agrees only
        to 2e-4, which changes bytes of the crop.
        """
        dtype = REGION_DTYPE[self.variant]
        center, scale = np.asarray(center, dtype), np.asarray(scale, dtype)
        source = _three_points(center, scale[:, :1] * np.array(_SECOND_POINT[self.variant]))
        target = _points_in_crop(self.input_size, self.variant)
        matrices = np.empty((len(source), 2, 3))
        for matrix, points in zip(matrices, source, strict=True):
            matrix[:] = cv2.getAffineTransform(points, target)
        return matrices

    def cut(
        self, image: NDArray[np.uint8], center: NDArray[np.float64], scale: NDArray[np.float64]
    ) -> NDArray[np.uint8]:
        """Cut one crop per region, see `Geometry`."""
        return warp_crops(image, self.matrices(center, scale), self.input_size)

    def to_image(
        self, points: NDArray[np.floating], center: NDArray[np.float64], scale: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Map points to pixels of the image, see `Geometry`: the inverse of `matrices` for the crop's aspect ratio.

        Notes
        -----
        Source: 0.x `core/post_processing/post_transforms.py` (`transform_preds`), 1.x
        `models/pose_estimators/topdown.py` (`add_pred_to_datasample`). Both sides of `scale` count. 0.x computes
        float32 points in float32, 1.x always in float64; they agree to about 3e-5 px at 400 px.
        """
        dtype = REGION_DTYPE[self.variant]
        center, scale = np.asarray(center, dtype)[:, None], np.asarray(scale, dtype)[:, None]
        size = np.array(self.input_size, dtype)
        if self.variant == "mmpose1x":
            return (points / size * scale + center - 0.5 * scale).astype(np.float32)
        # No half pixel on either side: crop pixel 0 is at the region's edge, as in `matrices`.
        return (points * (scale / size) + center - scale * dtype(0.5)).astype(np.float32)


@cache
def _points_in_crop(input_size: tuple[int, int], variant: Variant) -> NDArray[np.float32]:
    """Return where the three points (3, 2) lie in a crop."""
    width, height = input_size
    # The centre goes to (W / 2, H / 2): crop pixel 0 shows the region's edge, not the middle of its first W-th.
    centre = np.array([[width * 0.5, height * 0.5]])
    points: NDArray[np.float32] = _three_points(centre, width * np.array([_SECOND_POINT[variant]]))[0]
    return points


def _three_points(first: NDArray[np.floating], step: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return a point, the point one step on, and the one at a right angle from there: float32 (N, 3, 2)."""
    a = first.astype(np.float32)
    b = (first + step).astype(np.float32)
    d = a - b
    return np.stack([a, b, b + np.stack([-d[:, 1], d[:, 0]], axis=-1)], axis=1)
