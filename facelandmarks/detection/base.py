"""What every face detector is."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from facelandmarks.errors import InvalidOptionError


@dataclass(frozen=True, eq=False)
class Detections:
    """Faces that a detector found in an image, best first."""

    boxes: NDArray[Any]  # float32 (N, 4) xyxy in pixels of the image; may reach over the border
    scores: NDArray[np.float32]  # (N,), 0..1, falling
    # (N, 5, 2): right eye, left eye, nose, right and left corner of the mouth, as the person has them; None if the
    # detector gives no points.
    points: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, rows: Any) -> "Detections":
        boxes, points = self.boxes[rows], None if self.points is None else self.points[rows]
        if boxes.ndim != 2:
            raise InvalidOptionError(f"Detections take a slice, a mask or a list, [:1] for the first; got [{rows!r}]")
        return Detections(boxes, self.scores[rows], points)


class Detector(Protocol):
    """Finds faces in an image. Safe to use from many threads."""

    name: str
    convention: str  # which part of a face its boxes hold; a name that `facelandmarks.boxes` knows

    def detect(
        self, image: NDArray[np.uint8], *, min_score: float | None = None, min_face: float | None = None
    ) -> Detections:
        """Find the faces of an RGB image (H, W, 3) of any size from 1x1 on, which is never modified.

        `min_score` is the least score of a face; None is the detector's own threshold. `min_face` is the longer side of
        the smallest face that need be found: pixels, or below 1 a share of the image's longer side; the larger it is,
        the less work a detector may do.
        """
        ...
