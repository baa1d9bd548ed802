"""Box checks, conventions and overlap."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from facelandmarks.boxes import (
    CONVENTIONS,
    check_boxes,
    check_regions,
    convert_boxes,
    get_convention,
    overlaps,
    tight_boxes,
)
from facelandmarks.detection.base import Detections
from facelandmarks.errors import InvalidBoxError, InvalidOptionError

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("boxes", "what"),
    [
        ([1, 2, 3], "shape"),
        (np.zeros((2, 3)), "shape"),
        (np.zeros((1, 1, 4)), "shape"),
        ("abcd", "numbers"),
        ([[1, 2, 3, 4], [1, 2]], "numbers"),
        ([0, 0, NAN, 9], "finite"),
        ([0, 0, INF, 9], "finite"),
        ([10, 0, 5, 9], "no area"),
        ([5, 5, 5, 9], "no area"),
        ([-20, 0, -1, 9], "outside"),
        ([100, 0, 120, 9], "outside"),
        ([0, 51, 9, 60], "outside"),
        ([[0, 0, 5, 5], [9, 9, 3, 3]], "box 1 of 2"),
    ],
)
def test_impossible_boxes_are_refused(boxes, what):
    with pytest.raises(InvalidBoxError, match=what):
        check_boxes(boxes, 100, 50)


@pytest.mark.parametrize(
    "boxes",
    [
        (0.1, 0.2, 0.6, 0.9),
        (0, 0, 1, 1),
        [[10, 10, 50, 40], [0.25, 0.25, 0.75, 0.75]],
        (-0.02, 0.3, 0.6, 1.04),
        (0.5, 0.5, 0.2, 0.3),
        (3.2, 4.1, 3.9, 40.0),
    ],
)
def test_boxes_in_fractions_are_refused_with_a_hint(boxes):
    hint = r"multiply by its width and height, \(100, 50, 100, 50\)"
    with pytest.raises(InvalidBoxError, match=hint):
        check_boxes(boxes, 100, 50)


def test_small_faces_are_no_fractions():
    np.testing.assert_array_equal(check_boxes((0, 0, 1.5, 2), 100, 50), [[0, 0, 1.5, 2]])


BOXES = [[10.0, 5.0, 60.0, 45.5], [1.0, 2.0, 33.0, 44.0]]


@pytest.mark.parametrize("form", [list, tuple, np.array, torch.tensor, lambda boxes: list(torch.tensor(boxes))])
@pytest.mark.parametrize("count", [1, 2])
def test_forms_of_boxes(form, count):
    np.testing.assert_array_equal(check_boxes(form(BOXES[:count]), 100, 50), BOXES[:count])
    np.testing.assert_array_equal(check_boxes(form(BOXES[0]), 100, 50), BOXES[:1])


@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.uint8]
)
def test_tensors_of_every_number_type(dtype):
    boxes = torch.tensor([[10, 5, 60, 45]]).to(dtype)
    if dtype.is_floating_point:
        boxes = boxes.requires_grad_() * 1  # no leaf
    for form in (boxes, boxes[0], [boxes[0]], tuple(boxes[0]), boxes.double().t().contiguous().t()):
        np.testing.assert_array_equal(check_boxes(form, 100, 50), [[10, 5, 60, 45]])


def test_tensors_that_hold_no_numbers_are_our_error():
    for form in (torch.zeros(1, 4, device="meta"), torch.zeros(1, 4).to_sparse(), [object()] * 4):
        with pytest.raises(InvalidBoxError, match="must be numbers"):
            check_boxes(form, 100, 50)


def test_boxes_partly_outside_are_fine():
    boxes = check_boxes([[-50, -50, 0, 0], [99, 49, 1e6, 1e6]], 100, 50)
    assert boxes.dtype == np.float64
    assert boxes.shape == (2, 4)


def test_no_boxes():
    assert check_boxes([], 100, 50).shape == (0, 4)
    assert check_boxes(np.zeros((0, 4)), 100, 50).shape == (0, 4)


def test_input_is_not_modified_or_shared():
    boxes = np.array([[1.0, 2.0, 3.0, 4.0]])
    check_boxes(boxes, 100, 50)[:] = 0
    assert boxes.tolist() == [[1, 2, 3, 4]]


@given(st.sampled_from(sorted(CONVENTIONS)), st.sampled_from(sorted(CONVENTIONS)))
def test_conversion_is_undone_by_the_way_back(source, target):
    boxes = np.array([[10.0, 20.0, 110.0, 150.0], [-5.0, 0.0, 3.0, 9.0]])
    there = convert_boxes(boxes, source, target)
    np.testing.assert_allclose(convert_boxes(there, target, source), boxes, atol=1e-9)


def test_yunet_boxes_reach_above_tight_ones():
    tight = np.array([[0.0, 0.0, 100.0, 200.0]])
    np.testing.assert_allclose(convert_boxes(tight, "tight", "yunet"), [[1.3, -61.0, 99.1, 198.6]])


def test_many_numbers_in_a_row_are_no_boxes_rather_than_too_many():
    with pytest.raises(InvalidBoxError, match="shape"):
        check_boxes([0.0] * 40_000, 640, 480)


def test_unknown_convention():
    with pytest.raises(InvalidOptionError, match="tight"):
        get_convention("mtcnn")


@pytest.mark.parametrize("name", ["yunet", "retinaface", "mediapipe", "mediapipe_full_range", "dlib"])
def test_boxes_of_detectors_hold_the_forehead(name):
    convention = get_convention(name)
    assert convention.top > 0.05
    assert convention.faces > 300
    assert 0 < convention.residual < 0.1


def test_tight_boxes():
    points = np.array([[[1, 2], [5, -3], [2, 9]]], np.float32)
    assert tight_boxes(points).tolist() == [[1, -3, 5, 9]]


BOX = np.array([10.0, 20, 30, 60])
CASES = [
    ((10, 20, 30, 60), 1),
    ((10, 20, 20, 60), 1 / 2),  # a half of it
    ((20, 40, 40, 80), 200 / 1400),  # a quarter of each in common
    ((30, 20, 50, 60), 0),  # side by side
    ((100, 200, 300, 600), 0),
    ((40, 70, 50, 80), 0),  # beyond it in both directions: two negative sides are no area
    ((15, 30, 15, 50), 0),  # a line inside
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shares(dtype):
    boxes = np.array([box for box, _ in CASES], dtype)
    found = overlaps(boxes, BOX.astype(dtype))
    assert found.dtype == dtype
    np.testing.assert_allclose(found, [share for _, share in CASES], rtol=1e-6)
    for box, share in zip(boxes, found, strict=True):
        assert overlaps(BOX.astype(dtype)[None], box)[0] == pytest.approx(share)


def test_shares_of_every_box_with_every_other():
    boxes = np.array([box for box, _ in CASES], float)
    table = overlaps(boxes[:, None], boxes[:2])
    assert table.shape == (len(boxes), 2)
    np.testing.assert_array_equal(table[:, 1], overlaps(boxes, boxes[1]))


def test_boxes_without_area_overlap_nothing():
    point = np.array([5.0, 5, 5, 5])
    assert overlaps(np.stack([point, BOX]), point).tolist() == [0, 0]
    assert overlaps(np.zeros((0, 4)), BOX).shape == (0,)


@pytest.mark.parametrize("boxes", [np.zeros((5, 0)), np.zeros((0, 5)), np.zeros((0, 4, 2)), [[], []]])
def test_nothing_in_another_shape_is_no_list_of_no_boxes(boxes):
    with pytest.raises(InvalidBoxError, match="must have shape"):
        check_boxes(boxes, 100, 100)


def test_results_are_no_boxes():
    found = Detections(np.float32([[10, 10, 30, 30]]), np.float32([0.5]))
    with pytest.raises(InvalidBoxError, match=r"\.boxes of these Detections"):
        check_boxes(found, 100, 100)
    assert len(found[:1]) == len(found[[0]]) == 1
    for single in (0, -1, np.int64(0)):
        with pytest.raises(InvalidOptionError, match=r"\[:1\] for the first"):
            found[single]


def test_regions_have_the_aspect_ratio_of_crops_with_one_zoom():
    center, scale = [[50, 50], [20, 20]], [[30, 40], [60, 80]]
    for aspect in (None, (192, 256)):
        assert check_regions(center, scale, aspect)[1].tolist() == scale
    with pytest.raises(InvalidBoxError, match="as 256 to 256"):
        check_regions(center, scale, (256, 256))
    for wrong in (([[1e10, 0]], [[5, 5]]), ([[0, 0]], [[1e10, 1e10]]), ([[0, np.nan]], [[5, 5]]), ([[0, 0]], [[0, 5]])):
        with pytest.raises(InvalidBoxError, match="must be finite"):
            check_regions(*wrong)
