"""YuNet, run by OpenCV: a small published detector for faces of about 10 to 300 pixels."""

import os
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facelandmarks._opencv import cv2, silent_opencv
from facelandmarks.detection.base import Detections
from facelandmarks.detection.compact import check, enough
from facelandmarks.errors import CheckpointError

# opencv_zoo's own (models/face_detection_yunet/yunet.py); the score is what `facelandmarks.boxes` was fitted at too.
THRESHOLD = 0.6
SAME_FACE = 0.3
MOST_BOXES = 5000
SURE_SIDE = 24  # pixels: a face of this size is found wherever it is seen at all
LEAST_SIDE = 32  # pixels: in smaller images OpenCV finds nothing, or (4.10) boxes that are no numbers


class YuNetDetector:
    """YuNet (2023 March) on `cv2.FaceDetectorYN`, from its ONNX file."""

    name = "yunet"
    convention = "yunet"

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._lock = threading.Lock()  # the size of the image is a state of OpenCV's object
        try:
            with silent_opencv():  # OpenCV 5 warns at the first detection that it takes its usual target
                self._net = cv2.FaceDetectorYN.create(os.fspath(path), "", (32, 32), THRESHOLD, SAME_FACE, MOST_BOXES)
                self._net.detect(np.zeros((32, 32, 3), np.uint8))
        except cv2.error as error:
            raise CheckpointError(f"OpenCV cannot read {path}: {error}") from error

    def detect(
        self, image: NDArray[np.uint8], *, min_score: float | None = None, min_face: float | None = None
    ) -> Detections:
        """Find the faces, best first; see `Detector`. Images under 32 pixels on a side have none."""
        check(image)
        long_side = max(LEAST_SIDE, enough(max(image.shape[:2]), min_face, SURE_SIDE))
        seen, scale = reduced(image, long_side)
        found: Any = None  # as OpenCV gives it without a face, in place of an empty array
        if min(seen.shape[:2]) >= LEAST_SIDE:
            with self._lock:
                self._net.setScoreThreshold(THRESHOLD if min_score is None else min_score)
                self._net.setInputSize(seen.shape[1::-1])
                found = self._net.detect(np.ascontiguousarray(seen[..., ::-1]))[1]  # in BGR
        rows = np.zeros((0, 15), np.float32) if found is None else found
        rows = rows[np.argsort(-rows[:, 14], kind="stable")]
        low, size = rows[:, :2], rows[:, 2:4]
        boxes = (np.concatenate([low, low + size], axis=1).astype(np.float64) + 0.5) / np.tile(scale, 2) - 0.5
        points = (rows[:, 4:14].reshape(-1, 5, 2).astype(np.float64) + 0.5) / scale - 0.5
        scores = np.clip(rows[:, 14], 0.0, 1.0).astype(np.float32)
        return Detections(boxes.astype(np.float32), scores, points.astype(np.float32))


def reduced(image: NDArray[np.uint8], long_side: int) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Return the image with no longer side, and the exact factors (x, y): new = (old + 0.5) * factor - 0.5."""
    size = np.array(image.shape[1::-1])
    if size.max() <= long_side:
        return image, np.ones(2)
    wanted = np.maximum(1, np.rint(size * long_side / size.max())).astype(int)
    smaller = cv2.resize(image, wanted.tolist(), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return smaller, wanted / size
