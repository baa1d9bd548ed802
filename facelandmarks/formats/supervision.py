"""Landmarks as key points of the `supervision` package, which draws, tracks and collects them."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from facelandmarks.errors import MissingDependencyError

if TYPE_CHECKING:
    import supervision

Array = NDArray[np.float32]


def to_supervision(points: Array, scores: Array, boxes: Array, box_scores: Array) -> "supervision.KeyPoints":
    """Return one instance a face, class 0; the boxes are `data["box"]`, float32 (N, 4) xyxy."""
    try:
        import supervision
    except ImportError as error:
        raise MissingDependencyError(
            'supervision is not installed: pip install "facelandmarks-zoo[supervision]"'
        ) from error
    return supervision.KeyPoints(
        xy=points.copy(),
        class_id=np.zeros(len(points), int),
        keypoint_confidence=scores.copy(),
        detection_confidence=box_scores.copy(),
        data={"box": boxes.copy()},
    )
