"""What every face detector is."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Detector(Protocol):
    """Finds faces in a picture. Safe to use from many threads.

    Attributes
    ----------
    name
        The name it is asked for by.
    convention
        Which part of a face its boxes hold; a name that `facelandmarks.boxes` knows.
    """

    name: str
    convention: str

    def detect(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Boxes and scores of the faces, best first.

        Parameters
        ----------
        image
            uint8 RGB (H, W, 3), any size from 1x1 on; never modified.

        Returns
        -------
        boxes
            float32 (N, 4) xyxy in pixels of `image`, (0, 0) the centre of the top-left pixel; may cross the border.
        scores
            float32 (N,), 0..1, falling. No face: (0, 4) and (0,).
        """
        ...
