"""From a box to the crop of an image, and from points in the crop back to the image."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Geometry(Protocol):
    """A crop convention: both directions in one object, which is built once per model.

    A region is given by its `center` and its `scale` (width and height), float64 (N, 2) each, in pixels of the image.
    Half pixels, units and one-based coordinates of the original stay inside.
    """

    def regions(self, boxes: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return center and scale of the region that the network sees for each box.

        `boxes` is (N, 4), x1 y1 x2 y2 in pixels of the image. As upstream, boxes are not checked.
        """

    def cut(
        self, image: NDArray[np.uint8], center: NDArray[np.float64], scale: NDArray[np.float64]
    ) -> NDArray[np.uint8]:
        """Cut one crop per region out of an RGB image (height, width, 3); outside of the image it is black.

        Returns uint8 (N, H, W, 3).
        """

    def to_image(
        self, points: NDArray[np.floating], center: NDArray[np.float64], scale: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Map points (N, K, 2) from pixels of the crop to pixels of the image, float32."""
