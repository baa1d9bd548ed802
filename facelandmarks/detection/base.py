"""What every face detector is."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Detections:
    """Faces that a detector found in an image, best first.

    Attributes
    ----------
    boxes
        float32 (N, 4) xyxy in pixels of the image, (0, 0) the centre of the top-left pixel; may reach over the border.
    scores
        float32 (N,), 0..1, falling.
    points
        float32 (N, 5, 2): right eye, left eye, nose, right and left corner of the mouth, as the person has them; None
        if the detector gives no points.
    """

    boxes: NDArray[Any]
    scores: NDArray[np.float32]
    points: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, rows: Any) -> "Detections":
        points = None if self.points is None else self.points[rows]
        return Detections(self.boxes[rows], self.scores[rows], points)


class Detector(Protocol):
    """Finds faces in an image. Safe to use from many threads.

    Attributes
    ----------
    name
        The name it is asked for by.
    convention
        Which part of a face its boxes hold; a name that `facelandmarks.boxes` knows.
    """

    name: str
    convention: str

    def detect(
        self, image: NDArray[np.uint8], *, min_score: float | None = None, min_face: float | None = None
    ) -> Detections:
        """Find the faces of an image.

        Parameters
        ----------
        image
            uint8 RGB (H, W, 3), any size from 1x1 on; never modified.
        min_score
            Least score of a face; None is the detector's own threshold.
        min_face
            Longer side of the smallest face that need be found: pixels, or below 1 a share of the image's longer side.
            The larger it is, the less work a detector may do. None: whatever it can find. Smaller faces may be found
            all the same.
        """
        ...
