"""Landmarks as the key points of the `supervision` package, which draws, tracks and collects them."""

from typing import TYPE_CHECKING

import numpy as np

from facelandmarks.errors import MissingDependencyError
from facelandmarks.results import Landmarks

if TYPE_CHECKING:
    import supervision


def to_supervision(faces: Landmarks) -> "supervision.KeyPoints":
    """One instance a face, class 0; the boxes are `data["box"]`, float32 (N, 4) xyxy.

    Raises
    ------
    MissingDependencyError
        If supervision is not installed.
    """
    try:
        import supervision
    except ImportError as error:
        raise MissingDependencyError(
            'supervision is not installed: pip install "facelandmarks-zoo[supervision]"'
        ) from error
    return supervision.KeyPoints(
        xy=faces.points.copy(),
        class_id=np.zeros(len(faces), int),
        keypoint_confidence=faces.scores.copy(),
        detection_confidence=faces.box_scores.copy(),
        data={"box": faces.boxes.copy()},
    )
