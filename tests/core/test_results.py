"""Landmarks: what people do with a result."""

import io
import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from facelandmarks.detection.base import Detections
from facelandmarks.errors import InvalidOptionError, MissingDependencyError
from facelandmarks.formats import CARRIED
from facelandmarks.results import Crops, Decoded, Face, Landmarks
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
    for form in (list, tuple, np.array, torch.tensor):
        assert np.array_equal(faces[form([2, 0])].points, faces.points[[2, 0]])
        assert np.array_equal(faces[form([True, False, True])].points, faces.points[[0, 2]])
    with pytest.raises(IndexError):
        faces[np.zeros(2, bool)]


@pytest.mark.parametrize("nothing", [[], (), range(0), np.zeros(0, int), slice(0)])
def test_a_selection_of_nothing_is_empty(faces, nothing):
    for whole in (faces, carrying(faces), faces[:0]):
        assert len(whole[nothing]) == 0
        assert whole[nothing].points.shape == (0, 68, 2)
    crops = Crops(np.zeros((3, 4, 4, 3), np.uint8), np.zeros((3, 2)), np.ones((3, 2)), np.zeros(3))
    found = Detections(faces.boxes, faces.box_scores, faces.points[:, :5])
    rows = list(nothing) if isinstance(nothing, tuple) else nothing
    for whole in (crops, Decoded(faces.points, faces.scores, depth=faces.scores), found):
        assert len(whole[rows]) == 0


def carrying(faces):
    rng = np.random.default_rng(1)
    return replace(
        faces,
        detector_points=rng.uniform(0, 99, (3, 5, 2)).astype(np.float32),
        depth=rng.normal(0, 9, (3, 68)).astype(np.float32),
        expected_error=rng.uniform(0, 3, (3, 68)).astype(np.float32),
    )


@pytest.mark.parametrize("name", CARRIED)
def test_carried_fields_go_with_their_faces(faces, name):
    array = getattr(carrying(faces), name)
    assert getattr(faces[0], name) is getattr(faces[1:], name) is None
    full = carrying(faces)
    for rows in (slice(1, None), [2, 0], np.array([True, False, True]), np.zeros(3, bool)):
        np.testing.assert_array_equal(getattr(full[rows], name), array[rows])
    for face, expected in zip(full, array, strict=True):
        np.testing.assert_array_equal(getattr(face, name), expected)
    np.testing.assert_array_equal(getattr(full[-1], name), array[-1])


def test_crops_and_decoded_are_cut_and_joined():
    crops = Crops(np.zeros((3, 4, 4, 3), np.uint8), np.zeros((3, 2)), np.ones((3, 2)), np.zeros(3))
    turned = replace(crops, rotation=np.array([0.0, 1, 2]))
    assert Crops.join([turned[1:], crops]).rotation.tolist() == [1, 2, 0, 0, 0]
    assert Crops.join([turned]) is turned
    points, scores = np.arange(12, dtype=np.float32).reshape(3, 2, 2), np.ones((3, 2), np.float32)
    plain, deep = Decoded(points, scores), Decoded(points, scores, depth=scores * 2)
    assert len(deep) == 3
    assert deep[1:].depth.tolist() == [[2, 2], [2, 2]]
    assert deep[1:].expected_error is None
    assert Decoded.join([deep[:1], deep[1:]]).depth.shape == (3, 2)
    assert Decoded.join([deep, plain]).depth is None
    np.testing.assert_array_equal(Decoded.join([plain, deep]).points, np.concatenate([points, points]))


@pytest.mark.parametrize(
    "wrong",
    [
        {"pixels": np.zeros((3, 4, 4, 3))},
        {"pixels": np.zeros((3, 4, 4), np.uint8)},
        {"pixels": np.zeros((3, 4, 4, 4), np.uint8)},
        {"pixels": np.zeros((2, 4, 4, 3), np.uint8)},
        {"center": np.zeros((1, 2))},
        {"scale": np.ones(3)},
        {"rotation": np.zeros(1)},
    ],
)
def test_crops_that_do_not_belong_together_are_refused(wrong):
    crops = Crops(np.zeros((3, 4, 4, 3), np.uint8), np.zeros((3, 2)), np.ones((3, 2)), np.zeros(3))
    with pytest.raises(InvalidOptionError, match=r"uint8 \(N, H, W, 3\)|center, scale and rotation of"):
        replace(crops, **wrong)
    with pytest.raises(InvalidOptionError, match=r"crops\[:1\]"):
        crops[0]


@pytest.mark.parametrize("name", ["points", "scores", "boxes", "box_scores", *CARRIED])
def test_landmarks_that_do_not_belong_together_are_refused(faces, name):
    full = carrying(faces)
    for wrong in (getattr(full, name)[:1], getattr(full, name)[..., None]):
        with pytest.raises(InvalidOptionError, match="must have the shape"):
            replace(full, **{name: wrong})
    with pytest.raises(InvalidOptionError, match="points"):
        replace(full, scheme=get_scheme("wflw98"))


def test_landmarks_are_joined_in_memory_of_their_own(faces):
    about = (faces.scheme, faces.image_size, faces.detector)
    joined = Landmarks.join([faces[1:], faces[:1]], *about)
    np.testing.assert_array_equal(joined.points, np.concatenate([faces.points[1:], faces.points[:1]]))
    assert not np.shares_memory(Landmarks.join([faces], *about).points, faces.points)
    none = Landmarks.join([], *about)
    assert (len(none), none.points.shape, none.box_scores.dtype) == (0, (0, len(faces.scheme), 2), np.float32)


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


def test_what_is_shown_is_one_short_line(faces):
    assert repr(faces) == "Landmarks(3 faces, 68 points of 'ibug68', image 100 x 100, boxes given)"
    found = replace(faces[:1], detector="compact")
    assert repr(found) == "Landmarks(1 face, 68 points of 'ibug68', image 100 x 100, found by 'compact')"
    assert repr(faces[0]).startswith("Face(68 points of 'ibug68', box (1")
    assert repr(faces[0]).endswith("), box_score 0.90)")
    crops = Crops(np.zeros((2, 64, 48, 3), np.uint8), np.zeros((2, 2)), np.ones((2, 2)), np.zeros(2))
    assert repr(crops) == "Crops(2 of 48 x 64 pixels)"


def test_a_table_of_pandas_has_the_numbers_of_the_csv(faces):
    pandas = pytest.importorskip("pandas")
    table, text = faces.to_pandas(), pandas.read_csv(io.StringIO(faces.to_csv()))
    # The CSV has no text for a detector that was not there, which pandas reads as NaN.
    assert table["detector"].isna().tolist() == text["detector"].isna().tolist()
    pandas.testing.assert_frame_equal(table.drop(columns="detector"), text.drop(columns="detector"), check_dtype=False)
    assert table["face"].tolist() == list(range(len(faces)))
    nothing = faces[:0].to_pandas()
    assert len(nothing) == 0
    assert nothing.columns.tolist() == text.columns.tolist()
    assert nothing["x_0"].dtype == float


def test_without_pandas_the_extra_is_named(faces, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingDependencyError, match=r"facelandmarks-zoo\[pandas\]"):
        faces.to_pandas()
