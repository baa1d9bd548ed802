"""From a box to the crop of an image, and from points in the crop back to the image."""

from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


class Geometry(Protocol):
    """A crop convention, both directions; half pixels, units and one-based coordinates of the original stay inside.

    A region has a `center` and a `scale` (width and height), float64 (N, 2) each, in pixels of the image.
    """

    one_zoom: ClassVar[bool]  # whether `cut` knows one zoom only, so that regions must have the aspect ratio of crops

    def regions(self, boxes: Float64) -> tuple[Float64, Float64]:
        """Return center and scale of the region of each box (N, 4), xyxy in pixels; unchecked, as upstream."""

    def cut(self, image: Pixels, center: Float64, scale: Float64) -> Pixels:
        """Cut crops (N, H, W, 3) out of an RGB image (height, width, 3); outside of the image they are black."""

    def to_image(self, points: NDArray[np.floating], center: Float64, scale: Float64) -> Float32:
        """Map points (N, K, 2) from pixels of the crop to pixels of the image, float32."""
