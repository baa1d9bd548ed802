"""How far boxes cover each other."""

import numpy as np
from numpy.typing import NDArray


def overlaps(boxes: NDArray[np.floating], box: NDArray[np.floating]) -> NDArray[np.floating]:
    """Intersection over union of boxes (N, 4) with one box (4,), xyxy: (N,), 0..1, in their precision.

    Two boxes without area overlap by 0, even where they are one.
    """
    low, high = np.maximum(boxes[:, :2], box[:2]), np.minimum(boxes[:, 2:], box[2:])
    common = (high - low).clip(0).prod(1)
    union = (boxes[:, 2:] - boxes[:, :2]).prod(1) + (box[2:] - box[:2]).prod() - common
    shares: NDArray[np.floating] = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    return shares
