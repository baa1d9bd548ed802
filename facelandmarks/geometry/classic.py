"""Crops of MMPose's top-down models and of the built-in ones; in UDP's manner too.

A plain crop shows `center - scale / 2 .. center + scale / 2` on `0 .. W` (not on `0 .. W - 1`, and without half
pixels): image and crop are related by one zoom W / scale that takes `center` to (W / 2, H / 2).

MMPose 0.x and 1.x differ in rounding only; `variant` selects which one is followed. Rounding matters: positions in a
crop lie on rounding ties, and other last bits of the matrix change bytes in 1 crop of 12.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from facelandmarks._opencv import cv2
from facelandmarks.geometry import Float32, Float64, Pixels
from facelandmarks.geometry.warp import warp_crops
from facelandmarks.zoo.spec import Variant

# The second of the three points that define the warp, seen from the centre in units of the width: above it in 0.x,
# left of it in 1.x. Mathematically the same.
_SECOND_POINT: dict[Variant, tuple[float, float]] = {"mmpose0x": (0.0, -0.5), "mmpose1x": (-0.5, 0.0)}
# 0.x stores centers and scales in float32, 1.x in the float64 of its boxes.
_REGION_DTYPE: dict[Variant, type[np.floating]] = {"mmpose0x": np.float32, "mmpose1x": np.float64}


@dataclass(frozen=True)
class Classic:
    """The convention of MMPose's plain models (`Geometry`)."""

    one_zoom: ClassVar[bool] = True
    input_size: tuple[int, int]  # width and height of the crop in pixels
    padding: float = 1.25  # side of the region in units of the box, once that has the aspect ratio of the crop
    variant: Variant = "mmpose0x"  # whose rounding to follow

    def regions(self, boxes: Float64) -> tuple[Float64, Float64]:
        """Return center and scale of each box, see `Geometry`; in variant `mmpose0x` they hold float32 values.

        Notes
        -----
        Source: 0.x `core/bbox/transforms.py` (`bbox_xyxy2xywh`) and `top_down_transform.py` (`bbox_xywh2cs`); 1.x
        `GetBBoxCenterScale` and `TopdownAffine._fix_aspect_ratio`. A box without area gives a scale of 0; a reversed
        one a negative scale, and a crop rotated by 180 degrees.
        """
        boxes = np.asarray(boxes, np.float64)
        # The far corner is where the box ends, not its last pixel: with + 1 upstream's centers of all golden boxes
        # would lie half a pixel further.
        size = boxes[:, 2:] - boxes[:, :2]
        # 1.x pads before it grows the shorter side to the aspect ratio: the same factors, other last bits.
        padded = self.variant == "mmpose1x"
        width, height = (size * self.padding if padded else size).T
        aspect = self.input_size[0] / self.input_size[1]
        wide = width > height * aspect
        grown = np.stack([np.where(wide, width, height * aspect), np.where(wide, width / aspect, height)], axis=-1)
        if padded:
            return (boxes[:, :2] + boxes[:, 2:]) * 0.5, grown
        center = boxes[:, :2] + size * 0.5
        # 0.x counts the scale in units of 200 px, in float32; the detour through the unit rounds.
        units = grown.astype(np.float32) / np.float32(200) * np.float32(self.padding)
        return center.astype(np.float32).astype(np.float64), (units * np.float32(200)).astype(np.float64)

    def matrices(self, center: Float64, scale: Float64) -> Float64:
        """Return the affine maps (N, 2, 3) from pixels of the image to pixels of the crop.

        Only the width of `scale` counts: one zoom serves both directions. A scale of 0 gives a matrix of zeros.

        Notes
        -----
        Source: 0.x `core/post_processing/post_transforms.py` (`get_affine_transform`), 1.x
        `structures/bbox/transforms.py` (`get_warp_matrix`), rotation 0. Three float32 points go through OpenCV's
        solver: the centre, one beside it at half the width, and a third at a right angle. The closed form agrees only
        to 2e-4, which changes bytes of the crop.
        """
        dtype = _REGION_DTYPE[self.variant]
        # The last region is the crop itself, whose centre is (W / 2, H / 2): its three points are where the others go.
        middle = np.concatenate([np.asarray(center, dtype), np.array([self.input_size]) / 2])
        width = np.concatenate([np.asarray(scale, dtype)[:, :1], [self.input_size[:1]]])
        first = middle.astype(np.float32)
        second = (middle + width * _SECOND_POINT[self.variant]).astype(np.float32)
        x, y = (first - second).T
        points = np.stack([first, second, second + np.stack([-y, x], axis=-1)], axis=1)
        matrices = np.empty((len(center), 2, 3))
        for matrix, source in zip(matrices, points[:-1], strict=True):
            matrix[:] = cv2.getAffineTransform(source, points[-1])
        return matrices

    def cut(self, image: Pixels, center: Float64, scale: Float64) -> Pixels:
        """Cut one crop per region out of an RGB image."""
        return warp_crops(image, self.matrices(center, scale), self.input_size)

    def to_image(self, points: NDArray[np.floating], center: Float64, scale: Float64) -> Float32:
        """Map points to pixels of the image: the inverse of `matrices` for the crop's aspect ratio.

        Notes
        -----
        Source: 0.x `core/post_processing/post_transforms.py` (`transform_preds`), 1.x
        `models/pose_estimators/topdown.py` (`add_pred_to_datasample`). Both sides of `scale` count. 0.x computes
        float32 points in float32, 1.x always in float64; they agree to about 3e-5 px at 400 px.
        """
        dtype = _REGION_DTYPE[self.variant]
        center, scale = np.asarray(center, dtype)[:, None], np.asarray(scale, dtype)[:, None]
        size = np.array(self.input_size, dtype)
        if self.variant == "mmpose1x":
            return (points / size * scale + center - 0.5 * scale).astype(np.float32)
        # No half pixel on either side: crop pixel 0 is at the region's edge, as in `matrices`.
        return (points * (scale / size) + center - scale * dtype(0.5)).astype(np.float32)


class Udp(Classic):
    """The convention of UDP (Huang et al., The Devil is in the Details, CVPR 2020), for the decoder `udp`.

    Regions are those of `Classic`, but shown from middle to middle of the outer pixels: `center - scale / 2 ..
    center + scale / 2` lies on `0 .. W - 1`, and width and height have a zoom each.

    No published model runs with it. MMPose's three DeepFashion models with `udp` in their names set it where 1.x does
    not read it: their published numbers are those of `Classic`, the decoder `argmax` and a flip test without shift.
    """

    one_zoom = False

    def matrices(self, center: Float64, scale: Float64) -> Float64:
        """Return the affine maps (N, 2, 3) from pixels of the image to pixels of the crop; they hold float32 values.

        Both sides of `scale` count. A scale of 0 gives infinities, as upstream.

        Notes
        -----
        Source: 0.x `core/post_processing/post_transforms.py` (`get_warp_matrix`), 1.x `structures/bbox/transforms.py`
        (`get_udp_warp_matrix`), rotation 0.
        """
        dtype = _REGION_DTYPE[self.variant]
        center, scale = (np.asarray(value, dtype).astype(np.float64) for value in (center, scale))
        matrices = np.zeros((len(center), 2, 3), np.float32)
        with np.errstate(divide="ignore", invalid="ignore"):  # scale 0
            zoom = (np.array(self.input_size) - 1) / scale
            matrices[:, [0, 1], [0, 1]] = zoom
            matrices[:, :, 2] = zoom * (0.5 * scale - center)
        # Upstream passes the float32 matrix to OpenCV; positions lie on rounding ties here too.
        return matrices.astype(np.float64)

    def to_image(self, points: NDArray[np.floating], center: Float64, scale: Float64) -> Float32:
        """Map points to pixels of the image; (W - 1, H - 1) is the last pixel of the crop.

        Notes
        -----
        Source: 0.x `core/post_processing/post_transforms.py` (`transform_preds`, `use_udp`), 1.x
        `models/pose_estimators/topdown.py` (`add_pred_to_datasample`), whose division by W undoes a factor of W in
        `codecs/udp_heatmap.py`: its "input pixels" are W / (W - 1) times the pixels of the crop.
        """
        dtype = _REGION_DTYPE[self.variant]
        center, scale = np.asarray(center, dtype)[:, None], np.asarray(scale, dtype)[:, None]
        last = np.array([side - 1 for side in self.input_size], dtype)
        return (points * (scale / last) + center - scale * dtype(0.5)).astype(np.float32)
