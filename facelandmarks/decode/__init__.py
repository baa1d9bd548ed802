"""From the raw output of a network to points in pixels of its crop.

A decoder takes a batch, for example heatmaps, float32 (N, K, h, w), and `input_size`, width and height of the crop in
pixels. It returns points, float32 (N, K, 2), in pixels of the crop, and scores, float32 (N, K). `variant` selects the
upstream implementation to follow; `kernel` is the odd side of a Gaussian blur in pixels of the map, from which OpenCV
derives the sigma (2.0 for 11, 2.9 for 17). `facelandmarks.pipeline` lists the decoders by name. Only `on_device`
imports torch.
"""

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Places = NDArray[np.intp]
Decoded = tuple[Float32, Float32]
