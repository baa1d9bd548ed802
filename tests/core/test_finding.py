"""Which of the faces that a detector finds are kept."""

import numpy as np
import pytest

import facelandmarks as fl
from facelandmarks.detection.base import Detections

BOXES = np.array([[0, 0, 10, 10], [20, 0, 60, 30], [0, 50, 20, 70], [40, 50, 60, 70]], np.float32)
SCORES = np.array([0.9, 0.8, 0.7, 0.6], np.float32)


class Finder:
    """A detector that finds four faces of known sizes: 100, 1200, 400 and 400 pixels."""

    name, convention = "finder", "compact"

    def detect(self, image, *, min_score=None, min_face=None):
        return Detections(BOXES, SCORES, None)


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, [0, 1, 2, 3]),
        ({"max_faces": 2}, [0, 1]),
        ({"largest": True}, [1]),
        ({"largest": True, "max_faces": 2}, [1, 2]),  # of two alike, the one with the better score
        ({"largest": True, "max_faces": 9}, [0, 1, 2, 3]),
        ({"largest": True, "min_face": 1000}, []),
    ],
)
def test_the_best_or_the_largest_are_kept_in_the_order_of_their_scores(options, kept):
    image = np.zeros((80, 80, 3), np.uint8)
    found = fl.detect(image, detector=Finder(), **options)
    assert found.scores.tolist() == SCORES[kept].tolist()
    faces = fl.predict(image, detector=Finder(), confirm=False, **options)
    assert faces.box_scores.tolist() == SCORES[kept].tolist()
    (batch,) = fl.load_model().predict_batch([image], detector=Finder(), confirm=False, **options)
    assert batch.box_scores.tolist() == SCORES[kept].tolist()
