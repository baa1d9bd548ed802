"""The last steps of nn.compact on maps and shapes whose truth is known, and the decoder of what comes out."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from facelandmarks.decode.vectors import decode_points
from facelandmarks.nn.compact import LARGEST_ERROR, ExpectedError, ShapeCorrection, integrate, normalised_shape


def decoded(logits: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Points in pixels of a crop, and scores, by the network's last step and the decoder."""
    found, *others = integrate(torch.from_numpy(logits.copy()))
    return decode_points(torch.cat([found, torch.stack(others, -1)], -1).numpy(), size)[:2]


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
    points, scores = decoded(logits_of(cells, height=24), (128, 96))
    assert np.abs((points + 0.5) / 4 - 0.5 - cells).max() < 0.02
    assert scores.min() > 0.8


# The same examples each time: a point within a rounding of a window's edge could see another row of cells.
@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 1.0, 10.0, 300.0]))
def test_equals_the_definition(seed: int, spread: float) -> None:
    rng = np.random.default_rng(seed)
    logits = (rng.standard_normal((2, 5, 24, 32)) * spread + rng.uniform(-500, 500)).astype(np.float32)
    points, scores = decoded(logits, (256, 96))
    expected, expected_scores = stated(logits, (256, 96))
    np.testing.assert_allclose(points, expected, rtol=0, atol=1e-3)
    np.testing.assert_allclose(scores, expected_scores, rtol=0, atol=1e-4)


def test_centre_of_the_map_is_the_centre_of_the_crop() -> None:
    """Half a pixel: the middle of 128 pixels lies at 63.5."""
    points, scores = decoded(np.zeros((1, 1, 32, 32), np.float32), (128, 128))
    np.testing.assert_allclose(points, [[[63.5, 63.5]]], atol=1e-4)
    np.testing.assert_allclose(scores, 16 / 1024, rtol=1e-5)  # 15.5 +- 1.5 holds four cells a side


def test_first_cell_is_centred_in_its_pixels() -> None:
    logits = np.full((1, 1, 32, 32), -np.inf, np.float32)
    logits[..., 0, 0] = 0
    points, scores = decoded(logits, (128, 128))
    np.testing.assert_array_equal(points, [[[1.5, 1.5]]])
    np.testing.assert_array_equal(scores, 1)


def test_two_equal_peaks_have_a_low_score_between_them() -> None:
    logits = np.full((1, 1, 32, 32), -50, np.float32)
    logits[0, 0, 10, [5, 25]] = 0
    points, scores = decoded(logits, (32, 32))
    np.testing.assert_allclose(points, [[[15, 10]]], atol=1e-4)
    assert scores[0, 0] < 1e-6


@pytest.mark.parametrize("offset", [0.0, 88.0, -1e4, 1e30])
def test_large_logits_do_not_overflow(offset: float) -> None:
    logits = logits_of(np.array([[[12.0, 9.0]]])) + np.float32(offset)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        points, scores = decoded(logits, (128, 128))
    assert np.isfinite(points).all()
    assert ((scores >= 0) & (scores <= 1)).all()


def test_broken_maps_give_nan_and_leave_the_others_alone() -> None:
    logits = logits_of(np.full((2, 4, 2), 12.25))
    expected, expected_scores = decoded(logits, (128, 128))
    logits[0, 1, 3, 3] = np.nan
    logits[0, 2, 3, 3] = np.inf
    logits[1, 3] = -np.inf
    broken = np.zeros((2, 4), bool)
    broken[[0, 0, 1], [1, 2, 3]] = True
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        points, scores = decoded(logits, (128, 128))
    assert np.isnan(points[broken]).all()
    assert np.isnan(scores[broken]).all()
    np.testing.assert_array_equal(points[~broken], expected[~broken])
    np.testing.assert_array_equal(scores[~broken], expected_scores[~broken])


def test_half_precision_maps_give_single_precision_points() -> None:
    logits = torch.from_numpy(logits_of(np.full((1, 2, 2), 12.25))).bfloat16()
    assert {part.dtype for part in integrate(logits)} == {torch.float32}


@pytest.mark.parametrize("sigma", [0.7, 1.5, 3.0])
def test_the_spread_is_that_of_the_map(sigma: float) -> None:
    """A Gaussian of so many cells on both axes is spread by sqrt(2) of them."""
    spreads = integrate(torch.from_numpy(logits_of(np.array([[[15.3, 16.1]]]), sigma=sigma)))[2]
    np.testing.assert_allclose(spreads, sigma * np.sqrt(2) / 32, rtol=0.02)


def test_expected_errors_rise_with_the_spreads_up_to_a_limit() -> None:
    expected = ExpectedError(3)
    with torch.no_grad():
        expected.slopes.copy_(torch.tensor([1.0, 0.5]))
        errors = expected(torch.tensor([[0.0, 0.01, 0.02], [0.1, 0.2, 0.4]]))
    assert (errors.diff(dim=1) > 0).all()
    assert (errors[1] > errors[0]).all()
    assert (errors < LARGEST_ERROR).all()


def test_the_decoder_gives_expected_errors_in_pixels_of_the_crop() -> None:
    outputs = np.array([[[0.5, 0.25, 0.9, 0.02]]], np.float32)
    points, scores, errors = decode_points(outputs, (128, 64))
    np.testing.assert_allclose(points, [[[63.5, 15.5]]])
    np.testing.assert_allclose([scores[0, 0], errors[0, 0]], [0.9, 2.56], rtol=1e-6)


def shapes(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, 5, 2, generator=torch.Generator().manual_seed(seed))


def test_a_fresh_correction_moves_nothing() -> None:
    assert torch.equal(ShapeCorrection(5)(shapes(3)), shapes(3))


def test_the_correction_knows_neither_place_nor_size() -> None:
    correction = ShapeCorrection(5)
    torch.nn.init.normal_(correction.linear.weight, std=0.1, generator=torch.Generator().manual_seed(1))
    torch.nn.init.normal_(correction.linear.bias, std=0.1, generator=torch.Generator().manual_seed(2))
    place, size = torch.tensor([[[3.0, -7.0]]]), 20.0
    with torch.no_grad():
        torch.testing.assert_close(correction(shapes(4) * size + place), correction(shapes(4)) * size + place)


def test_points_in_one_place_stay_finite() -> None:
    assert torch.isfinite(ShapeCorrection(5)(torch.full((1, 5, 2), 0.4))).all()


def test_normalised_shape() -> None:
    shape, size = normalised_shape(shapes(3) * 7 + 2)
    torch.testing.assert_close(shape.mean(1), torch.zeros(3, 2), atol=1e-5, rtol=0)
    torch.testing.assert_close(shape.square().sum(-1).mean(1), torch.ones(3))
    torch.testing.assert_close(size.squeeze(), normalised_shape(shapes(3))[1].squeeze() * 7)
