"""decode.integral on maps whose truth is known."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facelandmarks.decode import integral


def logits_of(centers: np.ndarray, height: int = 32, width: int = 32, sigma: float = 0.8) -> np.ndarray:
    """Logits float32 (N, K, h, w) whose softmax is a Gaussian about `centers` (N, K, 2), in cells."""
    y, x = np.mgrid[:height, :width]
    dx, dy = x - centers[..., 0, None, None], y - centers[..., 1, None, None]
    return (-(dx**2 + dy**2) / (2 * sigma**2)).astype(np.float32)


def stated(logits: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The documented definition, in float64 and without tricks."""
    height, width = logits.shape[2:]
    p = np.exp(logits.astype(np.float64) - logits.max(axis=(2, 3), keepdims=True))
    p /= p.sum(axis=(2, 3), keepdims=True)
    y, x = np.mgrid[:height, :width]
    ex, ey = (p * x).sum(axis=(2, 3)), (p * y).sum(axis=(2, 3))
    near = (np.abs(x - ex[..., None, None]) <= 1.5) & (np.abs(y - ey[..., None, None]) <= 1.5)
    points = np.stack([(ex + 0.5) * size[0] / width - 0.5, (ey + 0.5) * size[1] / height - 0.5], axis=-1)
    return points, (p * near).sum(axis=(2, 3))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32))
def test_finds_sharp_gaussians(seed: int) -> None:
    cells = np.random.default_rng(seed).uniform([4, 4], [27, 19], (2, 6, 2))
    points, scores = integral.decode(logits_of(cells, height=24), (128, 96))
    assert np.abs((points + 0.5) / 4 - 0.5 - cells).max() < 0.02
    assert scores.min() > 0.8


# The same examples each time: a point within a rounding of a window's edge could see another row of cells.
@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 1.0, 10.0, 300.0]))
def test_equals_the_definition(seed: int, spread: float) -> None:
    rng = np.random.default_rng(seed)
    logits = (rng.standard_normal((2, 5, 24, 32)) * spread + rng.uniform(-500, 500)).astype(np.float32)
    points, scores = integral.decode(logits, (256, 96))
    expected, expected_scores = stated(logits, (256, 96))
    np.testing.assert_allclose(points, expected, rtol=0, atol=1e-3)
    np.testing.assert_allclose(scores, expected_scores, rtol=0, atol=1e-4)


def test_centre_of_the_map_is_the_centre_of_the_crop() -> None:
    """Half a pixel: the middle of 128 pixels lies at 63.5."""
    points, scores = integral.decode(np.zeros((1, 1, 32, 32), np.float32), (128, 128))
    np.testing.assert_allclose(points, [[[63.5, 63.5]]], atol=1e-4)
    np.testing.assert_allclose(scores, 16 / 1024, rtol=1e-5)  # 15.5 +- 1.5 holds four cells a side


def test_first_cell_is_centred_in_its_pixels() -> None:
    logits = np.full((1, 1, 32, 32), -np.inf, np.float32)
    logits[..., 0, 0] = 0
    points, scores = integral.decode(logits, (128, 128))
    np.testing.assert_array_equal(points, [[[1.5, 1.5]]])
    np.testing.assert_array_equal(scores, 1)


def test_two_equal_peaks_have_a_low_score_between_them() -> None:
    logits = np.full((1, 1, 32, 32), -50, np.float32)
    logits[0, 0, 10, [5, 25]] = 0
    points, scores = integral.decode(logits, (32, 32))
    np.testing.assert_allclose(points, [[[15, 10]]], atol=1e-4)
    assert scores[0, 0] < 1e-6


@pytest.mark.parametrize("offset", [0.0, 88.0, -1e4, 1e30])
def test_large_logits_do_not_overflow(offset: float) -> None:
    logits = logits_of(np.array([[[12.0, 9.0]]])) + np.float32(offset)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        points, scores = integral.decode(logits, (128, 128))
    assert np.isfinite(points).all()
    assert ((scores >= 0) & (scores <= 1)).all()


def test_broken_maps_give_nan_and_leave_the_others_alone() -> None:
    logits = logits_of(np.full((2, 4, 2), 12.25))
    expected, expected_scores = integral.decode(logits, (128, 128))
    logits[0, 1, 3, 3] = np.nan
    logits[0, 2, 3, 3] = np.inf
    logits[1, 3] = -np.inf
    broken = np.zeros((2, 4), bool)
    broken[[0, 0, 1], [1, 2, 3]] = True
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        points, scores = integral.decode(logits, (128, 128))
    assert np.isnan(points[broken]).all()
    assert np.isnan(scores[broken]).all()
    np.testing.assert_array_equal(points[~broken], expected[~broken])
    np.testing.assert_array_equal(scores[~broken], expected_scores[~broken])


def test_no_crops_dtypes_and_input_left_alone() -> None:
    points, scores = integral.decode(np.zeros((0, 68, 32, 32), np.float32), (128, 128))
    assert points.shape == (0, 68, 2)
    assert scores.shape == (0, 68)
    logits = logits_of(np.full((1, 2, 2), 12.25))
    logits.setflags(write=False)
    points, scores = integral.decode(logits, (128, 128))
    assert points.dtype == scores.dtype == np.float32
