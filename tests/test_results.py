"""Landmarks: what people do with a result."""

import json

import numpy as np
import pytest

from facelandmarks.results import Face, Landmarks
from facelandmarks.schemes import get_scheme


@pytest.fixture
def faces():
    rng = np.random.default_rng(0)
    points = rng.uniform(10, 90, (3, 68, 2)).astype(np.float32)
    boxes = np.concatenate([points.min(1), points.max(1)], 1)
    scores = np.array([0.9, 0.5, np.nan], np.float32)
    return Landmarks(points, np.full((3, 68), 0.5, np.float32), boxes, scores, get_scheme("ibug68"), (100, 100))


def test_length_iteration_and_indexing(faces):
    assert len(faces) == 3
    assert all(isinstance(face, Face) for face in faces)
    assert isinstance(faces[np.int64(1)], Face)
    assert np.array_equal(faces[-1].points, faces.points[2])
    with pytest.raises(IndexError):
        faces[3]


def test_selection_by_mask_slice_and_list(faces):
    mask = faces.box_scores > 0.6
    assert len(faces[mask]) == 1
    assert len(faces[1:]) == 2
    assert np.array_equal(faces[[2, 0]].points, faces.points[[2, 0]])
    assert len(faces[np.zeros(3, bool)]) == 0


def test_frozen(faces):
    with pytest.raises(AttributeError):
        faces.points = None


def test_json_holds_no_nan_and_keeps_a_hundredth_of_a_pixel(faces):
    back = json.loads(faces.to_json())
    assert (back["width"], back["height"], back["scheme"]) == (100, 100, "ibug68")
    assert [f["box_score"] for f in back["faces"]] == [0.9, 0.5, None]
    np.testing.assert_allclose([f["points"] for f in back["faces"]], faces.points, atol=1e-3)


def test_drawing_leaves_the_picture_alone_and_marks_the_points(faces):
    picture = np.full((100, 100, 3), 77, np.uint8)
    drawn = faces[:1].draw(picture)
    assert (picture == 77).all()
    x, y = np.round(faces.points[0, 30]).astype(int)
    assert (drawn[y, x] != 77).any()


def test_drawing_far_outside_and_without_faces(faces):
    picture = np.zeros((50, 50, 3), np.uint8)
    far = Landmarks(faces.points * 1e9, faces.scores, faces.boxes * 1e9, faces.box_scores, faces.scheme, (50, 50))
    assert far.draw(picture).shape == picture.shape
    assert np.array_equal(far[:0].draw(picture), picture)
