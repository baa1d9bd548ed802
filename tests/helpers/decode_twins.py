"""Cases for tests that hold the decoders on tensors to those on arrays."""

from collections.abc import Callable

import numpy as np
import torch

Decoder = Callable[..., tuple[np.ndarray, np.ndarray]]


def gaussians(centers: np.ndarray, height: int = 64, width: int = 48, sigma: float = 2.0) -> np.ndarray:
    """float32 (N, K, h, w) with the peaks at `centers` (N, K, 2)."""
    y, x = np.mgrid[:height, :width]
    dx, dy = x - centers[..., 0, None, None], y - centers[..., 1, None, None]
    return np.exp(-(dx**2 + dy**2) / (2 * sigma**2)).astype(np.float32)


def noisy(noise: float = 0.02) -> np.ndarray:
    """float32 (2, 98, 64, 48): peaks everywhere, some beyond the border, in noise."""
    rng = np.random.default_rng(0)
    heights = rng.uniform(0.05, 1.1, (2, 98, 1, 1)).astype(np.float32)
    maps = heights * gaussians(rng.uniform([-1, -1], [48, 64], (2, 98, 2)))
    return maps + rng.normal(0, noise, maps.shape).astype(np.float32) * heights


def special() -> np.ndarray:
    """float32 (1, 8, 64, 48): ties, a plateau, two peaks, NaN at the peak and elsewhere, infinity, a corner."""
    maps = gaussians(np.full((1, 8, 2), 20.3))
    maps[0, 0, 20, 20] = maps[0, 0, 40, 30] = maps[0, 0, 20, 21] = 1.5
    maps[0, 1, 18:23, 18:23] = 1.0
    maps[0, 2] += 0.999 * gaussians(np.array([[[35.2, 50.4]]]))[0, 0]
    maps[0, 3, 20, 20] = np.nan
    maps[0, 4, 60, 40] = maps[0, 4, 61, 41] = np.nan
    maps[0, 5, 30, 25] = np.inf
    maps[0, 6] = gaussians(np.array([[[0.2, 63.3]]]))[0, 0]
    maps[0, 7] = gaussians(np.array([[[1.6, 2.4]]]))[0, 0]
    return maps


def check_twins(
    on_tensors: Callable, on_arrays: Decoder, outputs: np.ndarray, *args: object, **options: object
) -> None:
    """At most 0.01 px of the crop apart, NaN at the same places; scores are the same numbers, and all else too.

    Scores of meshes come from a sigmoid, whose last bit is the library's own.
    """
    before = outputs.copy()
    points, scores, *others = (part.numpy() for part in on_tensors(torch.from_numpy(outputs), *args, **options))
    expected, expected_scores, *expected_others = on_arrays(outputs, *args, **options)
    assert points.dtype == scores.dtype == np.float32
    assert points.shape == expected.shape
    np.testing.assert_allclose(points, expected, rtol=0, atol=0.01)
    np.testing.assert_allclose(scores, expected_scores, rtol=2e-7 if others else 0, atol=0)
    np.testing.assert_array_equal(others, expected_others)
    np.testing.assert_array_equal(outputs, before)
