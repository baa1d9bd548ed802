"""decode.heatmaps.decode_argmax against MMPose 0.x and 1.x, and on maps whose truth is known."""

from pathlib import Path

import numpy as np
import pytest
from golden_files import arrays, has_e2e
from golden_points import compare, e2e, parts

from facelandmarks.decode.heatmaps import decode_argmax, peaks
from facelandmarks.geometry.classic import Classic
from facelandmarks.zoo.spec import Variant

MODELS: list[tuple[Variant, str]] = [
    ("mmpose0x", "hrnetv2_w18_300w"),
    ("mmpose0x", "hrnetv2_w18_aflw"),
    ("mmpose0x", "hrnetv2_w18_cofw"),
    ("mmpose0x", "hrnetv2_w18_wflw"),
    ("mmpose1x", "hrnetv2_w18_300w"),
    ("mmpose1x", "hrnetv2_w18_aflw"),
    ("mmpose1x", "hrnetv2_w18_cofw"),
    ("mmpose1x", "hrnetv2_w18_wflw"),
    ("mmpose1x", "hrnet_w48_deepfashion_full_udp.asshipped"),
    ("mmpose1x", "hrnet_w48_deepfashion_lower_udp.asshipped"),
    ("mmpose1x", "hrnet_w48_deepfashion_upper_udp.asshipped"),
    ("mmpose1x", "res50_coco_wholebody_face"),
]


@pytest.mark.parametrize(("variant", "model"), [case for case in MODELS if has_e2e(*case)])
def test_points_of_stored_outputs(goldens: Path, variant: Variant, model: str) -> None:
    compared = left_out = 0
    for part in parts(e2e(goldens / variant, model)):
        height, width = part.output.shape[2:]
        size = (width * 4, height * 4)
        points, scores = decode_argmax(part.output, size, variant)
        np.testing.assert_array_equal(scores, part.scores)
        counts = compare(Classic(size, variant=variant).to_image(points, part.center, part.scale), part)
        compared, left_out = compared + counts[0], left_out + counts[1]
    print(f"{compared} points compared, {left_out} left out")
    assert compared > 0
    assert left_out <= 0.06 * (compared + left_out)


@pytest.mark.parametrize("size", ["64x64", "64x48"])
@pytest.mark.parametrize("batched", [True, False])
def test_synthetic_maps_of_mmpose_0x(goldens: Path, size: str, batched: bool) -> None:
    """Peaks inside, at borders and in corners, plateaus, negative maps, NaN, inf: all equal to the last bit."""
    golden = arrays(goldens / "mmpose0x/decode_mmpose0x.npz")
    maps = golden[f"maps_{size}"]
    batch = maps[None] if batched else maps[:, None]
    own_size = (maps.shape[2], maps.shape[1])
    points, scores = decode_argmax(batch, own_size)
    np.testing.assert_array_equal(points.reshape(-1, 2), golden[f"heatmap_points_{size}_default_k11"])
    np.testing.assert_array_equal(scores.ravel(), golden[f"scores_{size}_default_k11"].ravel())
    places, _ = peaks(batch)
    np.testing.assert_array_equal(places.reshape(-1, 2), golden[f"heatmap_points_{size}_none"])


@pytest.mark.parametrize("size", ["64x64", "64x48"])
def test_synthetic_maps_in_the_image(goldens: Path, size: str) -> None:
    golden = arrays(goldens / "mmpose0x/decode_mmpose0x.npz")
    maps = golden[f"maps_{size}"][:, None]
    crop = (maps.shape[3] * 4, maps.shape[2] * 4)
    points, _ = decode_argmax(maps, crop)
    found = Classic(crop).to_image(points, golden[f"center_{size}"], golden[f"scale_{size}"] * np.float32(200))
    np.testing.assert_allclose(found[:, 0], golden[f"points_{size}_default_k11"], rtol=0, atol=2e-4)


@pytest.mark.parametrize("size", ["64x64", "64x48"])
def test_synthetic_maps_of_mmpose_1x(goldens: Path, size: str) -> None:
    golden = arrays(goldens / "mmpose1x/decode_mmpose1x.npz")
    maps = golden[f"{size}_maps"][None]
    points, scores = decode_argmax(maps, (maps.shape[3] * 4, maps.shape[2] * 4), "mmpose1x")
    np.testing.assert_array_equal(points[0], golden[f"{size}_msra_points"])
    np.testing.assert_array_equal(scores[0], golden[f"{size}_msra_scores"])


def gaussians(centers: np.ndarray, height: int = 64, width: int = 48, sigma: float = 2.0) -> np.ndarray:
    """float32 (N, K, h, w) with the peaks at `centers` (N, K, 2)."""
    y, x = np.mgrid[:height, :width]
    dx, dy = x - centers[..., 0, None, None], y - centers[..., 1, None, None]
    return np.exp(-(dx**2 + dy**2) / (2 * sigma**2)).astype(np.float32)


def test_within_a_quarter_pixel_of_the_truth() -> None:
    centers = np.random.default_rng(0).uniform(3, 43, (3, 20, 2))
    points, scores = decode_argmax(gaussians(centers), (48, 64))
    assert np.abs(points - centers).max() <= 0.25 + 1e-6
    assert points.dtype == scores.dtype == np.float32
    assert scores.min() > 0.9


def test_map_pixel_times_zoom_without_half_pixels() -> None:
    points, _ = decode_argmax(gaussians(np.array([[[20.0, 30.0]]])), (192, 256))
    np.testing.assert_array_equal(points, [[[80, 120]]])


def test_border_rules_of_both_variants() -> None:
    """Column 1 is refined by nobody; in row 1 only 1.x refines x."""
    maps = gaussians(np.array([[[1.2, 20.0], [20.2, 1.0], [45.8, 20.0]]]))
    old, _ = decode_argmax(maps, (48, 64), "mmpose0x")
    new, _ = decode_argmax(maps, (48, 64), "mmpose1x")
    np.testing.assert_array_equal(old[0], [[1, 20], [20, 1], [45.75, 20]])
    np.testing.assert_array_equal(new[0], [[1, 20], [20.25, 1], [45.75, 20]])


def test_maps_without_a_peak() -> None:
    maps = np.full((1, 3, 16, 16), -1.0, np.float32)
    maps[0, 1] = 0
    maps[0, 2, 5, 7] = np.nan
    places, scores = peaks(maps)
    np.testing.assert_array_equal(places, np.full((1, 3, 2), -1))
    np.testing.assert_array_equal(scores, [[-1, 0, np.nan]])
    places, scores = peaks(maps, "mmpose1x")
    np.testing.assert_array_equal(places, [[[-1, -1], [-1, -1], [7, 5]]])


def test_no_crops_and_input_left_alone() -> None:
    points, scores = decode_argmax(np.zeros((0, 98, 64, 64), np.float32), (256, 256))
    assert points.shape == (0, 98, 2)
    assert scores.shape == (0, 98)
    maps = gaussians(np.array([[[20.3, 30.2]]]))
    maps.setflags(write=False)
    decode_argmax(maps, (192, 256))
