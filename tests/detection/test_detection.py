"""The built-in detector: what it finds, and that its boxes are in the pixels of the picture it was given."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import cv2
import numpy as np
import pytest

from facelandmarks.detection.base import Detections, Detector
from facelandmarks.detection.compact import CompactDetector, padded, resized, suppress
from facelandmarks.errors import CheckpointError, InvalidImageError

skimage_data = pytest.importorskip("skimage.data")

# YuNet's box (OpenCV 5.0.0) as a tight one: w / 0.978, h / 1.298, x1 - 0.013 w, y1 + 0.305 h; fitted on 537 faces.
ASTRONAUT = np.array([176.97, 89.54, 268.89, 176.85])


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
    """Same scale and same place: only black is added where the network's own padding was black."""
    wide = astronaut[:300]
    before, after = best_box(detector, wide), best_box(detector, np.pad(wide, [(0, 20), (0, 0), (0, 0)]))
    np.testing.assert_allclose(after, before, atol=0.05)


@pytest.mark.parametrize("factor", [2, 3])
def test_enlarging_scales_the_box(detector: CompactDetector, astronaut: np.ndarray, factor: int) -> None:
    """The network sees nearly the same pixels, so the half-pixel rule has to hold to a fraction of a pixel."""
    before = best_box(detector, astronaut)
    large = cv2.resize(astronaut, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    after = best_box(detector, large)
    np.testing.assert_allclose((after + 0.5) / factor - 0.5, before, atol=0.02 * (before[2] - before[0]))


def test_factors_of_resizing_are_exact() -> None:
    """A 6000x4001 picture becomes 640x427: 427 is no whole share of 4001, and the factor has to say so."""
    seen, factor = resized(np.zeros((4001, 6000, 3), np.uint8))
    assert seen.shape == (427, 640, 3)
    np.testing.assert_allclose(factor, [640 / 6000, 427 / 4001])


def test_padding_is_below_and_right() -> None:
    image = np.full((65, 64, 3), 7, np.uint8)
    result = padded(image, 64)
    assert result.shape == (128, 64, 3)
    np.testing.assert_array_equal(result[:65], image)
    assert not result[65:].any()


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
    assert len(boxes) == 3
    assert all(a >= b for a, b in pairwise(scores))
    assert sorted((boxes[:, 0] // 512).tolist()) == [0, 1, 2]


def test_the_threshold_is_kept(astronaut: np.ndarray) -> None:
    assert_none(CompactDetector(threshold=0.999).detect(astronaut))
    scores = CompactDetector(threshold=0.1).detect(astronaut).scores
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
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10], [5, 0, 15, 10]], np.float32)
    scores = np.array([0.5, 0.9, 0.3, 0.4], np.float32)
    # 5..15 overlaps 1..11 by 60 / 140 = 0.43
    assert suppress(boxes, scores, 0.45).tolist() == [1, 3, 2]
    assert suppress(boxes, scores, 0.42).tolist() == [1, 2]
    assert suppress(boxes[:0], scores[:0], 0.45).tolist() == []
