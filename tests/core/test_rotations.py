"""Pictures that lie on their side or upside down."""

import csv

import cv2
import numpy as np
import pytest
import skimage.data

import facelandmarks as fl
from facelandmarks.errors import InvalidBoxError, InvalidOptionError
from facelandmarks.finding import QUARTERS, turn_boxes, turn_points

ALL = (0, 90, 180, 270)
FACE = (180.0, 91.0, 264.0, 175.0)


@pytest.fixture(scope="module")
def model():
    return fl.load_model("compact_300w", device="cpu")


@pytest.fixture(scope="module")
def photo():
    return skimage.data.astronaut()[:, 60:420]  # not square


@pytest.mark.parametrize("quarters", range(4))
def test_points_stay_on_their_pixels(quarters):
    picture = np.zeros((7, 5), np.uint8)
    picture[6, 1] = 1
    turned = np.rot90(picture, -quarters)
    x, y = turn_points(np.array([1, 6]), quarters, (5, 7))
    assert turned[y, x] == 1
    box = turn_boxes(np.array([[0.0, 5.0, 1.0, 6.0]]), quarters, (5, 7))
    back = turn_boxes(box, -quarters % 4, turned.shape[::-1])
    assert back.tolist() == [[0, 5, 1, 6]]
    assert (box[:, 2:] > box[:, :2]).all()


@pytest.mark.parametrize("degrees", ALL)
def test_a_turned_photo_gives_the_points_of_the_upright_one(model, photo, degrees):
    expected = model.predict(photo, rotations=ALL)
    # Faces of all rotations share a batch of the network, which moves the last digit.
    np.testing.assert_allclose(expected.points, model.predict(photo).points, atol=1e-3)
    quarters = QUARTERS[degrees]
    turned = np.ascontiguousarray(np.rot90(photo, -quarters))
    faces = model.predict(turned, rotations=ALL)
    size = (photo.shape[1], photo.shape[0])
    np.testing.assert_allclose(faces.points, turn_points(expected.points, quarters, size), atol=1e-3)
    np.testing.assert_allclose(faces.boxes, turn_boxes(expected.boxes, quarters, size), atol=1e-3)
    np.testing.assert_allclose(faces.scores, expected.scores, atol=1e-5)
    assert faces.image_size == (turned.shape[1], turned.shape[0])
    assert faces.detector == expected.detector


def test_each_given_box_has_its_own_turn(model, photo):
    """Two faces in one picture, one of them upside down."""
    face = photo[80:200, 100:220]
    picture = np.concatenate([face, face[::-1, ::-1]], axis=1)
    boxes = np.array([[20.0, 11, 104, 95], [135, 24, 219, 108]])
    faces = model.predict(picture, boxes, rotations=ALL)
    np.testing.assert_allclose(faces.boxes, boxes, atol=1e-4)
    upside_down = [239, 119] - faces.points[1]
    assert np.linalg.norm(faces.points[0] - upside_down, axis=-1).mean() < 1.0
    assert np.isnan(faces.box_scores).all()


def test_batches_are_one_by_one(model, photo):
    pictures = [photo, np.ascontiguousarray(photo[::-1, ::-1]), np.zeros((50, 60, 3), np.uint8)]
    together = model.predict_batch(pictures, rotations=ALL)
    assert [len(faces) for faces in together] == [1, 1, 0]
    for faces, picture in zip(together, pictures, strict=True):
        np.testing.assert_allclose(faces.points, model.predict(picture, rotations=ALL).points, atol=2e-3)
    given = model.predict_batch(pictures[:2], [np.subtract(FACE, (60, 0, 60, 0)), None], rotations=(180, 0))
    assert [len(faces) for faces in given] == [1, 1]
    assert model.predict_batch([], rotations=ALL) == []


def test_one_rotation_alone_is_that_rotation(model, photo):
    upside_down = np.ascontiguousarray(photo[::-1, ::-1])
    faces, upright = model.predict(upside_down, rotations=(180,)), model.predict(photo)
    assert len(faces) == 1
    last = np.subtract(photo.shape[1::-1], 1)
    np.testing.assert_allclose(faces.points, last - upright.points, atol=2e-3)


def test_impossible_rotations_and_boxes(model, photo):
    for rotations in ((), (45,), (0, 360)):
        with pytest.raises(InvalidOptionError, match="0, 90, 180, 270"):
            model.predict(photo, rotations=rotations)
    with pytest.raises(InvalidBoxError, match="360 x 512"):
        model.predict(photo, (400, 0, 500, 60), rotations=ALL)


def test_labelled_photos_stay_upright(model, shared):
    """Photos with one to several faces are seen upright, as they are."""
    with open(shared / "data/scenes/scenes.csv", newline="") as file:
        photos = sorted({row["photo"] for row in csv.DictReader(file) if row["val"] == "1"})[::5]
    pictures = [cv2.imread(str(shared / "data/scenes" / photo))[:, :, ::-1] for photo in photos]
    upright = model.predict_batch(pictures, detector="compact")
    best = model.predict_batch(pictures, detector="compact", rotations=(180, 0))
    assert len(photos) == 12
    for expected, faces in zip(upright, best, strict=True):
        np.testing.assert_allclose(faces.points, expected.points, atol=2e-3)
