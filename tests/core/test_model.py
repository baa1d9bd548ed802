"""The pipeline: stages, batches, mirror test, colours, on a real photo."""

import json
import threading
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
from paths import DATA

import facelandmarks as fl
from facelandmarks.detection.base import Detections
from facelandmarks.errors import (
    DownloadError,
    InvalidBoxError,
    InvalidImageError,
    InvalidOptionError,
    UnknownModelError,
)
from facelandmarks.nn.build import build_network

FACE = (180.0, 91.0, 264.0, 175.0)
EXPECTED = DATA / "astronaut_compact_300w.json"
# Read off the enlarged photo by eye: outer and inner eye corners, nose tip, mouth corners, chin.
BY_EYE = {
    36: (194, 101),
    39: (212, 103),
    42: (237, 105),
    45: (257, 105),
    30: (223, 127),
    48: (203, 139),
    54: (245, 140),
}


@pytest.fixture(scope="module")
def photo():
    picture = skimage.data.astronaut()
    picture.setflags(write=False)
    return picture


@pytest.fixture(scope="module")
def model():
    return fl.load_model("compact_300w", device="cpu")


@pytest.fixture(scope="module")
def flipping():
    return fl.load_model("compact_300w", device="cpu", flip_test=True)


def test_points_are_where_they_were(model, photo):
    # 0.05 px: other machines add floats in another order, which moves points by a few thousandths at most.
    expected = np.array(json.loads(EXPECTED.read_text())["points"])
    np.testing.assert_allclose(model.predict(photo, FACE).points[0], expected, atol=0.05)


@pytest.mark.parametrize("given", [True, False])
def test_points_are_where_a_person_sees_them(model, photo, given):
    faces = model.predict(photo, FACE if given else None)
    assert len(faces) == 1
    for index, place in BY_EYE.items():
        # 4 px are 6 % of the distance of the eyes: eye and weights together.
        assert np.linalg.norm(faces.points[0, index] - place) < 4, (index, faces.points[0, index], place)


def test_the_stages_make_up_predict(model, photo):
    crops = model.prepare(photo, [FACE])
    assert crops.pixels.shape == (1, 128, 128, 3)
    assert crops.pixels.dtype == np.uint8
    outputs = model.forward(crops)
    assert outputs.shape == (1, 68, 4)
    decoded = model.decode(outputs, crops)
    points, scores = decoded.points, decoded.scores
    faces = model.predict(photo, FACE)
    assert np.array_equal(points, faces.points)
    assert np.array_equal(scores, faces.scores)
    assert points.dtype == scores.dtype == np.float32
    assert (scores > 0).all()
    assert (scores <= 1).all()


@pytest.mark.parametrize("name", ["compact_300w", "tiny_300w"])
def test_expected_errors_are_in_pixels_and_large_where_nothing_is_seen(name, photo):
    model = fl.load_model(name)
    faces, larger = model.predict(photo, FACE), model.predict(photo.repeat(2, 0).repeat(2, 1), 2 * np.array(FACE))
    assert faces.expected_error.shape == (1, 68)
    np.testing.assert_allclose(larger.expected_error.mean(), 2 * faces.expected_error.mean(), rtol=0.1)
    assert not faces.doubtful.any()
    covered = photo.copy()
    covered[135:] = 90  # nose, mouth and chin
    hidden = model.predict(covered, FACE)
    assert hidden.expected_error[0, 48:].mean() > 2 * faces.expected_error[0, 48:].mean()
    assert hidden.doubtful[0, 48:].mean() > 0.2
    assert (hidden.draw(covered) != replace(hidden, expected_error=None).draw(covered)).any()


def test_center_and_scale_stand_for_boxes(model, photo):
    by_box = model.prepare(photo, [FACE])
    by_region = model.prepare(photo, center=by_box.center, scale=by_box.scale)
    assert np.array_equal(by_box.pixels, by_region.pixels)
    half = by_box.scale * (1, 0.5)
    for wrong in (
        {},
        {"center": [[1, 2]]},
        {"center": [[1, 2]], "scale": [[0, 5]]},
        {"center": [1, 2], "scale": [9]},
        {"center": by_box.center, "scale": half},
    ):
        with pytest.raises(InvalidBoxError):
            model.prepare(photo, **wrong)


@pytest.mark.parametrize("engine", ["onnxruntime", "torch"])
def test_the_stages_work_without_a_face_too(photo, engine):
    model = fl.load_model("compact_300w", device="cpu", engine=engine, flip_test=True)
    for crops in (model.prepare(photo, []), fl.Crops.join([])):
        outputs = model.forward(crops)
        decoded = model.decode(model.average(outputs, outputs), crops)
        assert (outputs.shape, decoded.points.shape, decoded.scores.shape) == ((0, 68, 4), (0, 68, 2), (0, 68))
        assert len(model.landmarks(crops, model.find(photo, []))) == 0


@pytest.mark.parametrize("rotation", [[np.pi], [0.0], 0.0, [[0, 0]], [0, 0, 0], [0, np.nan], [0, np.inf], ["a", "b"]])
def test_there_is_one_rotation_for_each_box(model, photo, rotation):
    boxes = [FACE, (170, 80, 270, 185)]
    assert len(model.prepare(photo, boxes, rotation=[0, np.pi])) == 2
    with pytest.raises(InvalidOptionError, match="rotation must be"):
        model.prepare(photo, boxes, rotation=rotation)


def test_detector_points_are_five_for_each_box(model, photo):
    for shape in ((2, 5, 2), (5, 2), (1, 6, 2)):
        with pytest.raises(InvalidOptionError, match="detector_points"):
            model.prepare(photo, [FACE], detector_points=np.zeros(shape, np.float32))


def test_what_belongs_to_other_crops_is_refused(model, photo):
    """NumPy would broadcast it, and give each face the points of the first."""
    crops = model.prepare(photo, [FACE, (170, 80, 270, 185)])
    outputs = model.forward(crops)
    found = model.find(photo, [FACE])
    for wrong in (outputs[:1], outputs[:0], outputs[:, :5]):
        with pytest.raises(InvalidOptionError, match="2 crops with 68 points"):
            model.decode(wrong, crops)
        with pytest.raises(InvalidOptionError, match="the same shape"):
            model.average(outputs, wrong)
    with pytest.raises(InvalidOptionError, match="boxes"):
        model.landmarks(crops, found)


@pytest.mark.parametrize("engine", ["onnxruntime", "torch"])
def test_crops_of_another_size_are_refused(photo, engine):
    model = fl.load_model("compact_300w", device="cpu", engine=engine)
    crops = model.prepare(photo, [FACE])
    smaller = replace(crops, pixels=crops.pixels[:, :96, :64])
    for stage in (model.forward, model.infer):
        with pytest.raises(InvalidOptionError, match="128 x 128 pixels; got 64 x 96"):
            stage(smaller)


def test_a_batch_is_one_by_one(model, photo):
    boxes = np.array([FACE, (170, 80, 270, 185), (190, 100, 280, 170)])
    together = model.predict(photo, boxes)
    for index, box in enumerate(boxes):
        alone = model.predict(photo, box)
        np.testing.assert_allclose(together.points[index], alone.points[0], atol=2e-3)
        np.testing.assert_allclose(together.scores[index], alone.scores[0], atol=1e-4)


def test_batches_cross_pictures(model, photo):
    small = cv2.resize(photo, (256, 256))
    half = np.array(FACE) / 2
    results = model.predict_batch([photo, small, np.zeros((64, 64, 3), np.uint8)], [FACE, [half, half], []])
    assert [len(faces) for faces in results] == [1, 2, 0]
    assert [faces.image_size for faces in results] == [(512, 512), (256, 256), (64, 64)]
    np.testing.assert_allclose(results[0].points, model.predict(photo, FACE).points, atol=2e-3)
    np.testing.assert_allclose(results[1].points[0], model.predict(small, half).points[0], atol=2e-3)
    assert model.predict_batch([]) == []


def test_a_batch_larger_than_one_call_of_the_network(model, photo):
    from facelandmarks.model import BATCH

    faces = model.predict(photo, np.tile(FACE, (BATCH + 3, 1)))
    assert len(faces) == BATCH + 3
    np.testing.assert_allclose(faces.points, np.broadcast_to(faces.points[:1], faces.points.shape), atol=2e-3)


@pytest.mark.parametrize("images", ["a.png", Path("a.png"), b"", np.zeros((40, 40, 3), np.uint8), 5, None])
def test_a_batch_is_several_images(model, images):
    with pytest.raises(InvalidOptionError, match="give a list"):
        model.predict_batch(images)


def test_lists_of_other_lengths_are_refused(model, photo):
    with pytest.raises(InvalidBoxError, match="got 2 for 1"):
        model.predict_batch([photo], [FACE, FACE])


def test_moving_the_picture_moves_the_points(model, photo):
    moved = np.zeros((560, 600, 3), np.uint8)
    moved[40:552, 70:582] = photo
    expected = model.predict(photo, FACE).points + np.array([70, 40], np.float32)
    box = np.add(FACE, [70, 40, 70, 40])
    # The crop is the same up to rounding of its position to 1/32 px.
    np.testing.assert_allclose(model.predict(moved, box).points, expected, atol=0.1)


def test_flip_test_answers_a_mirrored_picture_with_mirrored_points(flipping, photo):
    # The crop's middle is index W / 2, the mirror's axis (W - 1) / 2: cut the mirrored crop itself to compare alike.
    crops = flipping.prepare(photo, [FACE])
    mirrored = replace(crops, pixels=np.ascontiguousarray(crops.pixels[:, :, ::-1]))
    points = flipping.infer(crops).points
    back = flipping.infer(mirrored).points
    in_crop = (points - crops.center[:, None] + crops.scale[:, None] / 2) * 128 / crops.scale[:, None]
    back_in_crop = (back - crops.center[:, None] + crops.scale[:, None] / 2) * 128 / crops.scale[:, None]
    expected = in_crop[:, flipping.scheme.mirror] * [-1, 1] + [127, 0]
    np.testing.assert_allclose(back_in_crop, expected, atol=1e-2)


def test_flip_test_averages_and_stays_near(model, flipping, photo):
    with_flip, without = flipping.predict(photo, FACE), model.predict(photo, FACE)
    distance = np.linalg.norm(with_flip.points - without.points, axis=-1)
    assert 0 < distance.mean() < 1.5


def test_the_colour_order_is_not_ignored(model, photo):
    right = model.predict(photo, FACE)
    swapped = model.predict(photo[..., ::-1], FACE)
    assert np.array_equal(model.predict(photo[..., ::-1], FACE, color="bgr").points, right.points)
    assert np.abs(swapped.points - right.points).max() > 0.1
    # A file, a PIL image and an array of the same picture are the same picture.
    encoded = cv2.imencode(".png", photo[..., ::-1])[1].tobytes()
    assert np.array_equal(model.predict(encoded, FACE).points, right.points)


def test_a_picture_without_faces_is_an_empty_result(model):
    faces = model.predict(np.full((200, 300, 3), 128, np.uint8))
    assert len(faces) == 0
    assert faces.points.shape == (0, 68, 2)
    assert faces.scores.shape == (0, 68)
    assert faces.boxes.shape == (0, 4)
    assert faces.image_size == (300, 200)


@pytest.mark.parametrize("name", ["compact_300w", "tiny_300w"])
def test_results_without_faces_have_the_fields_of_those_with(name, photo):
    """So that a filter such as `faces[faces.expected_error.mean(1) < 3]` works on every image."""
    model, blank = fl.load_model(name), np.zeros((64, 64, 3), np.uint8)
    for faces in (model.predict(blank), *model.predict_batch([blank, blank]), model.predict_batch([photo, blank])[1]):
        assert faces.expected_error.shape == (0, 68)
        assert faces.depth is None


@pytest.mark.parametrize("passes", [0, -1, 2, 1.5, float("nan"), "1", None])
def test_a_number_of_passes_that_cannot_be(model, photo, passes):
    with pytest.raises(InvalidOptionError, match="passes must be"):
        model.predict(photo, FACE, passes=passes)


def test_detected_faces_have_scores_and_given_boxes_have_none(model, photo):
    assert np.isnan(model.predict(photo, FACE).box_scores).all()
    found = model.predict(photo)
    assert ((found.box_scores > 0) & (found.box_scores <= 1)).all()
    assert len(model.predict(photo, min_score=1.0)) == 0


def test_box_conventions_are_converted(model, photo):
    from facelandmarks.boxes import convert_boxes

    yunet = convert_boxes(np.array([FACE]), "tight", "yunet")
    converted = model.predict(photo, yunet, box_convention="yunet")
    np.testing.assert_allclose(converted.boxes, [FACE], atol=1e-3)
    assert np.abs(model.predict(photo, yunet).points - converted.points).max() > 0.5


@pytest.mark.parametrize(
    "box", [(5, 5, 5, 9), (float("nan"), 0, 9, 9), (264, 91, 180, 175), (600, 0, 700, 90), (1, 2, 3)]
)
def test_impossible_boxes(model, photo, box):
    with pytest.raises(InvalidBoxError):
        model.predict(photo, box)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((0, 10, 3), np.uint8),
        np.zeros((10, 10, 5), np.uint8),
        np.full((10, 10, 3), np.nan),
        np.zeros((10, 10, 3), "datetime64[s]"),
        b"no picture",
        "no such file.jpg",
        None,
        [1, 2, 3],
    ],
)
def test_impossible_pictures(model, image):
    with pytest.raises(InvalidImageError):
        model.predict(image, FACE)


def test_unknown_names(model, photo):
    with pytest.raises(UnknownModelError, match="did you mean compact_300w"):
        fl.load_model("compact-300w")
    with pytest.raises(UnknownModelError, match=r"there are: auto, .*compact"):
        model.predict(photo, detector="dlib")
    for decode in ("udp", "dark"):  # they read heatmaps, and this network gives points
        with pytest.raises(InvalidOptionError, match="must be points for compact_300w"):
            fl.load_model(decode=decode)
    assert fl.load_model(decode="points").spec.decode == "points"
    with pytest.raises(InvalidOptionError, match="engine"):
        fl.load_model(engine="tensorrt")


def test_clothes_need_a_box(photo):
    network = build_network("hrnet", {"width": 48, "landmarks": 4})
    upper = fl.load_model("hrnet_w48_deepfashion_lower_udp", weights=network.state_dict(), device="cpu")
    with pytest.raises(InvalidBoxError, match=r"needs bbox.*\(0, 0, 512, 512\)"):
        upper.predict(photo)
    assert upper.predict(photo, (100, 100, 400, 500)).points.shape == (1, 4, 2)


def test_weights_that_are_not_here_say_where_to_get_them():
    with pytest.raises(DownloadError, match=r"HR18-WFLW\.pth by hand from .*facelandmarks-weights add"):
        fl.load_model("hrnetv2_w18_wflw_official")


def test_other_detectors_are_taken(model, photo):
    class Everything:
        name, convention = "everything", "yunet"

        def detect(self, image, *, min_score=None):
            assert min_score == 0.25
            return Detections(np.array([[180, 60, 264, 175]], np.float32), np.array([0.5], np.float32))

    faces = model.predict(photo, detector=Everything(), min_score=0.25)
    assert faces.box_scores.tolist() == [0.5]
    assert faces.boxes[0, 1] > 80  # without the forehead


def test_many_threads_get_the_same_numbers(model, photo):
    expected = model.predict(photo).points
    results = []
    threads = [threading.Thread(target=lambda: results.append(model.predict(photo).points)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    for points in results:
        np.testing.assert_allclose(points, expected, atol=2e-3)


def test_top_level_predict(photo):
    assert len(fl.predict(photo, FACE)) == 1
