"""decode.heatmaps.decode_hrnet_official against the official repository, and on maps whose truth is known."""

from pathlib import Path

import numpy as np
import pytest
from golden_files import GOLDENS, arrays, e2e_names, e2e_path
from golden_points import stored_outputs

from facelandmarks.decode.heatmaps import decode_hrnet_official
from facelandmarks.geometry.hrnet_official import HRNetOfficial

SIZE = (256, 256)
MODELS = sorted(e2e_names(GOLDENS)["official"])


def sides(scale: np.ndarray) -> np.ndarray:
    """Upstream's scales as sides of the region (N, 2) in pixels."""
    return np.stack([200 * scale] * 2, axis=1)


@pytest.mark.parametrize("model", MODELS)
def test_points_of_stored_outputs(goldens: Path, model: str) -> None:
    golden = arrays(e2e_path(goldens / "official", model))
    ((_, output, samples, landmarks),) = stored_outputs(golden)
    center, scale = golden["center"][samples], sides(golden["scale"][samples])
    names = ("scores", "coords_hm", "points", "points_subpixel")
    expected = {name: golden[name][samples][:, landmarks] for name in names}
    points, scores = decode_hrnet_official(output, SIZE)
    np.testing.assert_array_equal(scores, expected["scores"])
    np.testing.assert_array_equal(points / 4 + 1, expected["coords_hm"])
    # Whole pixels, from the same maps: equal, none left out.
    np.testing.assert_array_equal(HRNetOfficial(SIZE).to_image(points, center, scale), expected["points"])
    exact = HRNetOfficial(SIZE, unbiased=True).to_image(points, center, scale)
    np.testing.assert_allclose(exact + 1, expected["points_subpixel"], rtol=0, atol=1e-4)


@pytest.mark.parametrize("model", MODELS)
def test_points_of_stored_map_coordinates(goldens: Path, model: str) -> None:
    """The way back of all samples, whose maps are not all stored."""
    golden = arrays(e2e_path(goldens / "official", model))
    points = (golden["coords_hm"] - 1) * 4
    found = HRNetOfficial(SIZE).to_image(points, golden["center"], sides(golden["scale"]))
    np.testing.assert_array_equal(found, golden["points"])


@pytest.mark.parametrize("file", ["decode_official", "decode_official_res32"])
@pytest.mark.parametrize("batched", [True, False])
def test_synthetic_maps(goldens: Path, file: str, batched: bool) -> None:
    """Peaks inside, at borders and in corners, ties, plateaus, negative maps, NaN, inf: all equal."""
    golden = arrays(goldens / f"official/{file}.npz")
    maps, zoom = golden["maps"], 256 / golden["res"][0]
    points, scores = decode_hrnet_official(maps[None] if batched else maps[:, None], SIZE)
    points = points.reshape(-1, 1, 2)
    np.testing.assert_array_equal(scores.ravel(), golden["scores"])
    np.testing.assert_array_equal(points[:, 0] / zoom + 1, golden["coords_hm"])
    found = HRNetOfficial(SIZE).to_image(points, golden["center"], sides(golden["scale"]))
    np.testing.assert_array_equal(found[:, 0], golden["points"])
    assert len(set(golden["tag"])) == 25


def gaussians(centers: np.ndarray, height: int = 64, width: int = 64, sigma: float = 1.5) -> np.ndarray:
    """float32 (N, K, h, w) with the peaks at `centers` (N, K, 2)."""
    y, x = np.mgrid[:height, :width]
    dx, dy = x - centers[..., 0, None, None], y - centers[..., 1, None, None]
    return np.exp(-(dx**2 + dy**2) / (2 * sigma**2)).astype(np.float32)


def test_within_a_quarter_pixel_of_the_truth() -> None:
    centers = np.random.default_rng(0).uniform(3, 60, (3, 20, 2))
    points, scores = decode_hrnet_official(gaussians(centers), SIZE)
    assert np.abs(points / 4 - 0.5 - centers).max() <= 0.25 + 1e-6
    assert points.dtype == scores.dtype == np.float32
    assert scores.min() > 0.9


def test_no_shift_in_the_outer_rows_and_columns() -> None:
    maps = gaussians(np.array([[[0.2, 20], [1.2, 20], [20.2, 0.2], [62.2, 20], [62.8, 20.2]]]))
    points, _ = decode_hrnet_official(maps, (64, 64))
    np.testing.assert_array_equal(points[0], np.array([[0, 20], [1.25, 20], [20, 0], [62.25, 20], [63, 20]]) + 0.5)


def test_maps_without_a_peak() -> None:
    maps = np.full((1, 4, 16, 16), -1.0, np.float32)
    maps[0, 1] = 0
    maps[0, 2, 5, 7] = np.nan
    maps[0, 3, 5, 7] = np.nan
    maps[0, 3, 9, 9] = 1
    points, scores = decode_hrnet_official(maps, (64, 64))
    np.testing.assert_array_equal(points, np.full((1, 4, 2), -2))
    np.testing.assert_array_equal(scores, [[-1, 0, np.nan, np.nan]])


def test_no_crops_and_input_left_alone() -> None:
    points, scores = decode_hrnet_official(np.zeros((0, 98, 64, 64), np.float32), SIZE)
    assert points.shape == (0, 98, 2)
    assert scores.shape == (0, 98)
    maps = gaussians(np.array([[[20.3, 30.2]]]))
    maps.setflags(write=False)
    decode_hrnet_official(maps, SIZE)
