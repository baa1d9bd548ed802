"""The built-in detector: what it finds, and that its boxes are in the pixels of the picture it was given."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import cv2
import numpy as np
import pytest

import facelandmarks as fl
from facelandmarks.detection.base import Detections, Detector
from facelandmarks.detection.compact import CompactDetector, merge, scored_together, size_of_look, suppress
from facelandmarks.errors import CheckpointError, InvalidImageError, InvalidOptionError

skimage_data = pytest.importorskip("skimage.data")

# YuNet's box (OpenCV 5.0.0) as a tight one: w / 0.978, h / 1.298, x1 - 0.013 w, y1 + 0.305 h; fitted on 537 faces.
ASTRONAUT = np.array([176.97, 89.54, 268.89, 176.85])

# YuNet's five points: right eye, left eye, nose, right and left corner of the mouth.
ASTRONAUT_POINTS = np.array([[200.1, 101.8], [247.1, 102.6], [220.4, 124.5], [198.6, 142.8], [239.7, 143.6]])


@pytest.fixture(scope="module")
def detector() -> CompactDetector:
    return CompactDetector()


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return np.ascontiguousarray(skimage_data.astronaut())


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    common = (high - low).clip(0).prod()
    return float(common / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - common))


def best_box(detector: Detector, image: np.ndarray) -> np.ndarray:
    boxes = detector.detect(image).boxes
    assert len(boxes)
    return boxes[0]


def assert_none(found: Detections) -> None:
    boxes, scores = found.boxes, found.scores
    assert boxes.shape == (0, 4)
    assert boxes.dtype == np.float32
    assert scores.shape == (0,)
    assert scores.dtype == np.float32


def test_finds_the_astronaut(detector: CompactDetector, astronaut: np.ndarray) -> None:
    found = detector.detect(astronaut)
    boxes, scores = found.boxes, found.scores
    assert boxes.shape == (1, 4)
    assert boxes.dtype == np.float32
    assert scores.shape == (1,)
    assert scores.dtype == np.float32
    assert 0 < scores[0] <= 1
    assert overlap(boxes[0], ASTRONAUT) >= 0.6


def test_is_a_detector(detector: CompactDetector) -> None:
    checked: Detector = detector
    assert (checked.name, checked.convention) == ("compact", "compact")


@pytest.mark.parametrize("value", [0, 128, 255])
def test_nothing_on_one_colour(detector: CompactDetector, value: int) -> None:
    assert_none(detector.detect(np.full((240, 320, 3), value, np.uint8)))


@pytest.mark.parametrize("seed", range(3))
def test_nothing_on_noise(detector: CompactDetector, seed: int) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    assert_none(detector.detect(noise))


def test_input_is_not_modified(detector: CompactDetector, astronaut: np.ndarray) -> None:
    image = astronaut.copy()
    image.setflags(write=False)
    detector.detect(image)
    np.testing.assert_array_equal(image, astronaut)


def test_padding_moves_the_box(detector: CompactDetector, astronaut: np.ndarray) -> None:
    """The padded picture is still made 640 px, so the network sees the face smaller: a tenth of the box is let pass."""
    before = best_box(detector, astronaut)
    after = best_box(detector, np.pad(astronaut, [(40, 0), (64, 0), (0, 0)]))
    np.testing.assert_allclose(after - before, [64, 40, 64, 40], atol=0.1 * (before[2] - before[0]))


def test_padding_below_by_whole_cells_changes_nothing(detector: CompactDetector, astronaut: np.ndarray) -> None:
    """Same scale and same place: only black is added where the network's own padding was black.

    Both heights are whole at the first look (5 / 4) and at the second (5 / 12). The last row is blended with black
    where there is some below it: hence a fifth of a pixel.
    """
    wide = astronaut[:300]
    before, after = best_box(detector, wide), best_box(detector, np.pad(wide, [(0, 36), (0, 0), (0, 0)]))
    np.testing.assert_allclose(after, before, atol=0.2)


@pytest.mark.parametrize("factor", [2, 3])
def test_enlarging_scales_the_box(detector: CompactDetector, astronaut: np.ndarray, factor: int) -> None:
    """The network sees nearly the same pixels, so the half-pixel rule has to hold to a fraction of a pixel."""
    before = best_box(detector, astronaut)
    large = cv2.resize(astronaut, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    after = best_box(detector, large)
    np.testing.assert_allclose((after + 0.5) / factor - 0.5, before, atol=0.02 * (before[2] - before[0]))


@pytest.mark.parametrize(
    ("size", "min_face", "seen"),
    [
        ((6000, 4001), None, (640, 427)),
        ((700, 700), None, (512, 512)),  # no more area than 576 x 512
        ((400, 400), None, (512, 512)),
        ((480, 480), None, (480, 480)),  # not enlarged by less than a tenth
        ((640, 480), None, (576, 432)),
        ((100, 80), None, (200, 160)),  # not enlarged more than twice
        ((480, 480), 0.2, (128, 128)),
        ((480, 480), 96, (128, 128)),
        ((6000, 4001), 0.01, (640, 427)),
    ],
)
def test_size_of_the_first_look(size: tuple[int, int], min_face: float | None, seen: tuple[int, int]) -> None:
    assert size_of_look(*size, min_face) == seen


@pytest.mark.parametrize("min_face", [0, -1, float("nan")])
def test_min_face_must_be_positive(detector: CompactDetector, astronaut: np.ndarray, min_face: float) -> None:
    with pytest.raises(InvalidOptionError, match="min_face"):
        detector.detect(astronaut, min_face=min_face)


@pytest.mark.parametrize("min_face", [0.15, 80])
def test_large_faces_are_found_at_a_small_look(
    detector: CompactDetector, astronaut: np.ndarray, min_face: float
) -> None:
    found = detector.detect(astronaut, min_face=min_face)
    assert len(found) == 1
    assert overlap(found.boxes[0], ASTRONAUT) >= 0.6


@pytest.mark.parametrize("side", [112, 256, 512, 1280])
@pytest.mark.parametrize("margin", [0.05, 0.3])
def test_a_face_that_fills_the_image_is_found(
    detector: CompactDetector, astronaut: np.ndarray, margin: float, side: int
) -> None:
    size = (ASTRONAUT[2:] - ASTRONAUT[:2]) * margin
    left, top = np.round(ASTRONAUT[:2] - size).astype(int)
    right, bottom = np.round(ASTRONAUT[2:] + size).astype(int)
    part = astronaut[top:bottom, left:right]
    scale = side / max(part.shape[:2])
    found = detector.detect(cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC))
    expected = (ASTRONAUT - [left, top, left, top] + 0.5) * scale - 0.5
    assert overlap(found.boxes[0], expected) >= 0.5


def test_five_points_as_the_person_has_them(detector: CompactDetector, astronaut: np.ndarray) -> None:
    """YuNet's points of the astronaut; 12 % of the box are let pass."""
    found = detector.detect(astronaut)
    assert found.points is not None
    assert found.points.shape == (1, 5, 2)
    assert found.points.dtype == np.float32
    np.testing.assert_allclose(found.points[0], ASTRONAUT_POINTS, atol=0.12 * (ASTRONAUT[2] - ASTRONAUT[0]))


def test_torch_sees_what_onnxruntime_sees(astronaut: np.ndarray) -> None:
    a, b = (CompactDetector(engine=engine).detect(astronaut) for engine in ("onnxruntime", "torch"))
    np.testing.assert_allclose(a.boxes, b.boxes, atol=0.01)
    np.testing.assert_allclose(a.scores, b.scores, atol=1e-4)
    np.testing.assert_allclose(a.points, b.points, atol=0.01)


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (400, 1), (7, 13), (31, 31), (1, 9000)])
def test_tiny_pictures(detector: CompactDetector, shape: tuple[int, int]) -> None:
    assert_none(detector.detect(np.full((*shape, 3), 90, np.uint8)))


def test_a_very_large_picture(detector: CompactDetector, astronaut: np.ndarray) -> None:
    large = cv2.resize(astronaut, (6000, 4000), interpolation=cv2.INTER_LINEAR)
    box = best_box(detector, large)
    expected = (ASTRONAUT + 0.5) * np.tile([6000 / 512, 4000 / 512], 2) - 0.5
    assert overlap(box, expected) >= 0.6


def test_several_faces_best_first(detector: CompactDetector, astronaut: np.ndarray) -> None:
    row = np.hstack([astronaut, cv2.GaussianBlur(astronaut, (0, 0), 3), astronaut[:, ::-1]])
    found = detector.detect(row)
    boxes, scores = found.boxes, found.scores
    assert all(a >= b for a, b in pairwise(scores))
    assert sorted((boxes[:3, 0] // 512).tolist()) == [0, 1, 2]
    assert scores[2] > 0.7
    # Dark glass of the helmet looks like a face too; `predict`, which asks the landmark model, drops it.
    assert (scores[3:] < scores[2] - 0.3).all()
    assert len(fl.predict(row, detector=detector)) == 3


def test_the_threshold_is_kept(astronaut: np.ndarray) -> None:
    assert_none(CompactDetector().detect(astronaut, min_score=0.999))
    scores = CompactDetector().detect(astronaut, min_score=0.1).scores
    assert (scores >= 0.1).all()


def test_threads_agree(detector: CompactDetector, astronaut: np.ndarray) -> None:
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(detector.detect, [astronaut] * 8))
    for found in results:
        np.testing.assert_array_equal(found.boxes, results[0].boxes)
        np.testing.assert_array_equal(found.scores, results[0].scores)


def test_views_are_fine(detector: CompactDetector, astronaut: np.ndarray) -> None:
    """Negative strides, as BGR reversed in place, are pictures too."""
    box = best_box(detector, astronaut[..., ::-1].copy()[..., ::-1])
    np.testing.assert_array_equal(box, best_box(detector, astronaut))


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((5, 5), np.uint8),
        np.zeros((5, 5, 4), np.uint8),
        np.zeros((5, 5, 3), np.float32),
        np.zeros((0, 5, 3), np.uint8),
    ],
)
def test_what_is_no_picture(detector: CompactDetector, image: np.ndarray) -> None:
    with pytest.raises(InvalidImageError, match="uint8 RGB"):
        detector.detect(image)


def test_missing_weights() -> None:
    with pytest.raises(CheckpointError, match=r"nowhere\.onnx"):
        CompactDetector(weights="nowhere.onnx")


def test_suppression_keeps_the_best_of_each_cluster() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10], [5, 0, 15, 10], [7, 0, 17, 10]], np.float32)
    scores = np.array([0.5, 0.9, 0.3, 0.4, 0.2], np.float32)
    # 5..15 overlaps 1..11 by 60 / 140, over the limit; 7..17 by 40 / 160
    assert suppress(boxes, scores).tolist() == [1, 2, 4]
    assert suppress(boxes[:0], scores[:0]).tolist() == []


def test_suppression_drops_parts_of_a_better_face() -> None:
    boxes = np.array([[0, 0, 100, 100], [10, 60, 50, 100], [90, 90, 130, 130]], np.float32)
    assert suppress(boxes, np.array([0.9, 0.8, 0.7], np.float32)).tolist() == [0, 2]
    assert suppress(boxes, np.array([0.7, 0.8, 0.9], np.float32)).tolist() == [2, 1, 0]  # a better one inside stays


def test_suppression_drops_the_ears_of_a_better_face() -> None:
    boxes = np.array([[0, 0, 100, 100], [-32, 30, -5, 57], [-60, 30, -40, 50]], np.float32)
    assert suppress(boxes, np.array([0.9, 0.8, 0.7], np.float32)).tolist() == [0, 2]
    assert suppress(boxes, np.array([0.7, 0.8, 0.6], np.float32)).tolist() == [1, 0, 2]


def cell(score: float, x: float, side: float = 50) -> list[float]:
    """One cell of a look: a square box at (x, 0)."""
    return [score, x, 0, x + side, side, *[x] * 5, *[20] * 5]


def test_a_face_scores_what_the_looks_that_show_it_say() -> None:
    large = np.array([cell(0.6, 0, 200), cell(0.6, 300, 200), cell(0.6, 600, 20), cell(0.3, 0, 1024)], np.float32)
    small = np.array([cell(0.9, 5, 200), cell(0.6, 10, 1024)], np.float32)
    # Both show faces of 200 px well; the look that found one counts twice. The small one shows 20 px as 10: not at all.
    expected = [(1.2 + 0.9) / 3, 1.2 / 3, 0.6]
    np.testing.assert_allclose(scored_together(large, small, 1.0, 0.5)[:3, 0], expected, rtol=1e-6)
    # 1,024 px are too much for the large look, and 512 px for the small one: nothing but the own score is left.
    assert scored_together(large, small, 1.0, 0.5)[3, 0] == np.float32(0.3)
    np.testing.assert_allclose(scored_together(small, large, 0.5, 2)[:, 0], [(1.8 + 0.6) / 3, 0.6], rtol=1e-6)
    # At an eighth, 200 px are 25: the look counts as far as that is between 12 and 48 px.
    weight = 2 * np.log2(25 / 12) / 2
    found = scored_together(small, large, 0.125, 2)[0, 0]
    assert found == pytest.approx((weight * 0.9 + 0.6) / (weight + 1), rel=1e-6)
    np.testing.assert_allclose(scored_together(large, small[:0], 1.0, 0.5)[:, 0], [0.4, 0.4, 0.6, 0.3], rtol=1e-6)
    assert scored_together(large[:0], small, 1.0, 0.5).shape == (0, 15)
    assert large[0, 0] == np.float32(0.6)  # the looks stay as they were


def test_the_score_of_a_face_does_not_depend_on_the_least_score(
    detector: CompactDetector, astronaut: np.ndarray
) -> None:
    usual, found = detector.detect(astronaut), detector.detect(astronaut, min_score=0.02)
    assert len(found.scores) > len(usual.scores) == 1
    assert found.scores[0] == usual.scores[0]
    # What the other look would not have seen says nothing.
    large, small = np.array([cell(0.6, 0, 200)], np.float32), np.array([cell(0.15, 0, 200)], np.float32)
    np.testing.assert_allclose(scored_together(large, small, 1.0, 0.5)[:, 0], [0.4], rtol=1e-6)


def test_of_a_face_that_both_looks_see_the_large_one_gives_the_box() -> None:
    large = np.array([cell(0.8, 0), cell(0.4, 200)], np.float32)
    small = np.array([cell(0.84, 5), cell(0.95, 205)], np.float32)
    found = merge([large, small], 0.5, 1_000_000)
    assert found.boxes[:, 0].tolist() == [205, 0]  # 0.4: the large look saw a part of it
    np.testing.assert_allclose(found.scores, [0.95, 0.8])


def test_beside_a_face_that_fills_the_picture_small_boxes_need_more() -> None:
    cells = np.array([cell(0.9, 0, 200), cell(0.55, 300, 30), cell(0.7, 400, 30), cell(0.55, 500, 120)], np.float32)
    assert merge([cells], 0.5, 600 * 400).boxes[:, 0].tolist() == [0, 400, 500]
    assert merge([cells], 0.5, 1200 * 800).boxes[:, 0].tolist() == [0, 400, 300, 500]  # there it fills little
