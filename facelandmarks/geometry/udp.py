"""Crops of UDP (Huang et al., The Devil is in the Details, CVPR 2020) as in MMPose.

The region of a box is that of `geometry.classic`, but it is shown from middle to middle of the outer pixels:
`center - scale / 2 .. center + scale / 2` lies on `0 .. W - 1`, and width and height have a zoom each.

No published model runs with it. MMPose's three DeepFashion models with `udp` in their names set it where their 1.x
configs do not read it: what runs, and what gave their published numbers, is `geometry.classic` with the decoder
`argmax` (and a flip test without shift). Their 0.x configs do use UDP, but 0.x never published files for them. Here it
is an option, to be used together with the decoder `udp`.
"""

import numpy as np
from numpy.typing import NDArray

from facelandmarks.geometry.classic import REGION_DTYPE, Classic


class Udp(Classic):
    """The convention of UDP (`Geometry`); regions are those of `Classic`."""

    def matrices(self, center: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the affine maps (N, 2, 3) from pixels of the image to pixels of the crop; they hold float32 values.

        Both sides of `scale` count. A scale of 0 gives infinities, as upstream.

        Notes
        -----
        Source: 0.x `core/post_processing/post_transforms.py` (`get_warp_matrix`), 1.x `structures/bbox/transforms.py`
        (`get_udp_warp_matrix`), rotation 0.
        """
        dtype = REGION_DTYPE[self.variant]
        center, scale = (np.asarray(value, dtype).astype(np.float64) for value in (center, scale))
        matrices = np.zeros((len(center), 2, 3), np.float32)
        with np.errstate(divide="ignore", invalid="ignore"):  # scale 0
            zoom = (np.array(self.input_size) - 1) / scale
            matrices[:, [0, 1], [0, 1]] = zoom
            matrices[:, :, 2] = zoom * (0.5 * scale - center)
        # Upstream passes the float32 matrix to OpenCV; positions lie on rounding ties here too.
        return matrices.astype(np.float64)

    def to_image(
        self, points: NDArray[np.floating], center: NDArray[np.float64], scale: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Map points to pixels of the image, see `Geometry`; (W - 1, H - 1) is the last pixel of the crop.

        Notes
        -----
        Source: 0.x `core/post_processing/post_transforms.py` (`transform_preds`, `use_udp`), 1.x
        `models/pose_estimators/topdown.py` (`add_pred_to_datasample`), whose division by W undoes a factor of W in
        `codecs/udp_heatmap.py`: its "input pixels" are W / (W - 1) times the pixels of the crop.
        """
        dtype = REGION_DTYPE[self.variant]
        center, scale = np.asarray(center, dtype)[:, None], np.asarray(scale, dtype)[:, None]
        last = np.array([side - 1 for side in self.input_size], dtype)
        return (points * (scale / last) + center - scale * dtype(0.5)).astype(np.float32)
