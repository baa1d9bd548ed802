"""A rough look of a face, to tell whether one that comes back is the one that went."""

import cv2
import numpy as np
from numpy.typing import NDArray

from facelandmarks.boxes import Boxes

SIDE = 24  # pixels


def look(image: NDArray[np.uint8], box: Boxes) -> NDArray[np.float64]:
    """What a face looks like, seen small and grey: float64 (SIDE * SIDE,), mean 0, length 1 (or 0 for a plain area).

    Parameters
    ----------
    image
        uint8 RGB (H, W, 3).
    box
        float64 (4,), the tight box of the points.

    Notes
    -----
    The product of two looks is their correlation, -1 to 1. Of 1,000 YouTube Faces frames, pairs of two people have
    0.23 in the median and 5 % of them over 0.59; pairs of one person, mostly from different videos, 0.47.
    """
    size = box[2:] - box[:2]
    reach = np.ceil(np.maximum(size / SIDE, 1))
    low = np.floor(box[:2] - reach).clip(0, np.subtract(image.shape[1::-1], 1)).astype(int)
    high = np.ceil(box[2:] + reach).clip(low + 1, image.shape[1::-1]).astype(int)
    part = cv2.cvtColor(image[low[1] : high[1], low[0] : high[0]], cv2.COLOR_RGB2GRAY)
    zoom = SIDE / size
    # Pixels of the small picture are blurred together in the large one first, else it would hold noise.
    part = cv2.GaussianBlur(part, (0, 0), float(max(0.3, 0.5 / zoom.mean())))
    matrix = np.array(
        [[zoom[0], 0, zoom[0] * (low[0] - box[0]) - 0.5], [0, zoom[1], zoom[1] * (low[1] - box[1]) - 0.5]]
    )
    small = cv2.warpAffine(part, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    values = small.astype(np.float64).ravel() - small.mean()
    return np.asarray(values / max(float(np.linalg.norm(values)), 1e-9), np.float64)
