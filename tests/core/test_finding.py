"""Which of the faces that a detector finds are kept."""

import json

import numpy as np
import pytest

import facelandmarks as fl
from facelandmarks.detection.base import Detections
from facelandmarks.errors import InvalidOptionError
from facelandmarks.finding import Find

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


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"min_score": float("nan")}, "min_score must be a finite number"),
        ({"min_score": "0.5"}, "min_score must be"),
        ({"min_face": float("inf")}, "min_face must be positive"),
        ({"min_face": "10"}, "min_face must be"),
        ({"max_faces": 2.5}, "max_faces must be"),
        ({"max_faces": "1"}, "max_faces must be"),
        ({"rotations": 90}, "rotations must be"),
        ({"rotations": None}, "rotations must be"),
        ({"rotations": (45,)}, "rotations must be some of"),
        ({"detector": None}, "a detector is a name"),
        ({"detector": 5}, "a detector is a name"),
    ],
)
def test_options_that_say_nothing_are_refused(options, said):
    with pytest.raises(InvalidOptionError, match=said):
        Find(**options)


def test_a_rotation_that_is_named_twice_does_not_find_each_face_twice():
    find = Find(min_score=np.float32(0.5), max_faces=np.int64(2), min_face=1e-320, rotations=np.array([0, 90, 0]))
    assert json.dumps(find.rotations) == "[0, 90]"
    assert Find(rotations=iter((180, 0))).rotations == (180, 0)


def test_a_wrong_convention_is_told_without_boxes_too():
    with pytest.raises(InvalidOptionError, match="no box convention 'foo'"):
        fl.load_model("tiny_300w").predict(np.zeros((40, 40, 3), np.uint8), box_convention="foo")


def test_scores_that_are_no_numbers_are_told():
    class Unsure:
        name = convention = "unsure"

        def detect(self, image, *, min_score=None):
            return Detections(np.float32([[10, 10, 30, 30]]), np.float32([np.nan]))

    with pytest.raises(InvalidOptionError, match="detector 'unsure' gave a score"):
        fl.load_model("tiny_300w").predict(np.zeros((40, 40, 3), np.uint8), detector=Unsure(), rotations=(0, 90))
