"""UDP's decoder against MMPose 0.x and 1.x, and on maps whose truth is known."""

from pathlib import Path

import numpy as np
import pytest
from golden_files import arrays, has_e2e
from golden_points import compare, e2e, parts
from hypothesis import given, settings
from hypothesis import strategies as st

from facelandmarks.decode import heatmaps
from facelandmarks.decode.heatmaps import decode_udp
from facelandmarks.geometry.classic import Udp
from facelandmarks.zoo.spec import Variant

VARIANTS: list[Variant] = ["mmpose0x", "mmpose1x"]
MODELS: list[tuple[Variant, str]] = [
    *(("mmpose0x", f"hrnet_w48_udp_deepfashion_{part}") for part in ("upper", "lower", "full")),
    *(("mmpose1x", f"hrnet_w48_deepfashion_{part}_udp.udp") for part in ("upper", "lower", "full")),
]
NAN_0X = {"nan_one_pixel", "nan_at_peak", "nan_all"}  # kinds of synthetic maps


@pytest.mark.parametrize(("variant", "model"), [case for case in MODELS if has_e2e(*case)])
def test_points_of_stored_outputs(goldens: Path, variant: Variant, model: str) -> None:
    compared = left_out = 0
    for part in parts(e2e(goldens / variant, model)):
        points, scores = decode_udp(part.output, (192, 256), variant=variant)
        np.testing.assert_array_equal(scores, part.scores)
        counts = compare(Udp((192, 256), variant=variant).to_image(points, part.center, part.scale), part)
        compared, left_out = compared + counts[0], left_out + counts[1]
    print(f"{compared} points compared, {left_out} left out")
    assert compared > 0
    assert left_out <= 0.06 * (compared + left_out)


@pytest.mark.parametrize("size", ["64x64", "64x48"])
@pytest.mark.parametrize("kernel", [11, 17])
@pytest.mark.parametrize("batched", [True, False])
def test_synthetic_maps_of_mmpose_0x(goldens: Path, size: str, kernel: int, batched: bool) -> None:
    """Peaks inside, at borders and in corners, two peaks, plateaus, inf; without a peak: (-1, -1)."""
    golden = arrays(goldens / "mmpose0x/decode_mmpose0x.npz")
    maps = golden[f"maps_{size}"]
    expected, expected_scores = (golden[f"{field}_{size}_udp_k{kernel}"] for field in ("heatmap_points", "scores"))
    batch = maps[None] if batched else maps[:, None]
    points, scores = decode_udp(batch, (maps.shape[2], maps.shape[1]), kernel)
    np.testing.assert_array_equal(scores.ravel(), expected_scores.ravel())
    # A NaN anywhere is no peak; upstream then reads beyond the map, and finds the NaN with some kernels.
    kinds, found = golden[f"kind_{size}"], points.reshape(-1, 2)
    peak, broken = scores.ravel() > 0, np.isin(kinds, list(NAN_0X))
    np.testing.assert_allclose(found[peak], expected[peak], rtol=0, atol=2e-4)
    np.testing.assert_array_equal(found[broken], -1)
    if not batched:  # the stored ones were decoded one by one: what lies before a map was its own end
        alone = ~peak & ~broken
        np.testing.assert_allclose(found[alone], expected[alone], rtol=0, atol=2e-4)
    assert set(kinds[~peak]) == {"zero", "flat_neg", "negative_gauss", "all_negative", *NAN_0X}
    assert len(set(kinds[peak])) == 23


@pytest.mark.parametrize("size", ["64x64", "64x48"])
def test_synthetic_maps_of_mmpose_1x(goldens: Path, size: str) -> None:
    golden = arrays(goldens / "mmpose1x/decode_mmpose1x.npz")
    maps = golden[f"{size}_maps"][None]
    expected, expected_scores = golden[f"{size}_udp_points"], golden[f"{size}_udp_scores"]
    height, width = maps.shape[2:]
    crop = (4 * width, 4 * height)
    points, scores = decode_udp(maps, crop, variant="mmpose1x")
    np.testing.assert_array_equal(scores[0], expected_scores)
    # Upstream's unit is W / (W - 1) pixels, see geometry.classic.Udp.
    found = points[0] * np.array(crop) / (np.array(crop) - 1)
    # Of a map without a positive value upstream makes what the map before it is like; NaN of a map of zeros, and of
    # what comes after one with a NaN, where it stays at (-1, -1) here.
    no_peak = scores[0] <= 0
    stays = no_peak & np.isnan(expected).any(axis=-1)
    np.testing.assert_allclose(found[~stays], expected[~stays], rtol=0, atol=2e-4)
    corner = -np.array(crop) / np.array([width - 1, height - 1])
    np.testing.assert_allclose(found[stays], np.broadcast_to(corner, found[stays].shape), rtol=0, atol=1e-4)
    assert set(golden[f"{size}_label"][no_peak]) == {"zero", "flat_neg", "negative_gauss", "all_negative_peak"}


def gaussians(centers: np.ndarray, height: int = 64, width: int = 48, sigma: float = 2.0) -> np.ndarray:
    """float32 (N, K, h, w) with the peaks at `centers` (N, K, 2)."""
    y, x = np.mgrid[:height, :width]
    dx, dy = x - centers[..., 0, None, None], y - centers[..., 1, None, None]
    return np.exp(-(dx**2 + dy**2) / (2 * sigma**2)).astype(np.float32)


@pytest.mark.parametrize("variant", VARIANTS)
@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([1.5, 2.0, 3.0]))
def test_finds_gaussians_inside_the_map(variant: Variant, seed: int, sigma: float) -> None:
    # Within the reach of the blurred Gaussian from the border, what lies beyond it would bend the peak.
    margin = 8 + sigma
    centers = np.random.default_rng(seed).uniform([margin, margin], [47 - margin, 63 - margin], (2, 5, 2))
    points, _ = decode_udp(gaussians(centers, sigma=sigma), (48, 64), variant=variant)
    assert np.abs(points - centers).max() < 0.02


def test_outer_pixels_of_the_map_are_those_of_the_crop() -> None:
    for variant in VARIANTS:
        points, _ = decode_udp(gaussians(np.array([[[20.0, 30.0]]])), (192, 256), variant=variant)
        np.testing.assert_allclose(points, [[[20 * 191 / 47, 30 * 255 / 63]]], atol=1e-3)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_broken_map_leaves_the_others_alone(variant: Variant) -> None:
    maps = gaussians(np.array([[[20.3, 30.2], [20.3, 30.2], [20.3, 30.2]]]))
    expected, _ = decode_udp(maps, (192, 256), variant=variant)
    for value in (np.nan, np.inf, -1, 0):
        broken = maps.copy()
        broken[0, 1] = value
        points, _ = decode_udp(broken, (192, 256), variant=variant)
        np.testing.assert_array_equal(points[0, [0, 2]], expected[0, [0, 2]])


def test_steps_at_the_border_too() -> None:
    points, _ = decode_udp(gaussians(np.array([[[0.3, 20.0], [46.7, 20.0]]])), (48, 64))
    assert (points[0, :, 0] != [0, 47]).all()


@pytest.mark.parametrize("variant", VARIANTS)
def test_maps_without_a_peak(variant: Variant) -> None:
    maps = np.stack([np.full((16, 16), value, np.float32) for value in (-1, 0)])[None]
    points, scores = decode_udp(maps, (61, 61), variant=variant)
    np.testing.assert_array_equal(points, np.full((1, 2, 2), -4))
    np.testing.assert_array_equal(scores, [[-1, 0]])


def test_no_crops_and_input_left_alone() -> None:
    points, scores = decode_udp(np.zeros((0, 98, 64, 64), np.float32), (256, 256))
    assert points.shape == (0, 98, 2)
    assert scores.shape == (0, 98)
    maps = gaussians(np.array([[[20.3, 30.2]]]))
    maps.setflags(write=False)
    points, _ = decode_udp(maps, (192, 256))
    assert points.dtype == np.float32


def check_windows_against_whole_maps(
    monkeypatch: pytest.MonkeyPatch, maps: np.ndarray, variant: Variant, kernel: int = 11
) -> None:
    """Bound: 2e-4 px is how far last bits may move a point of a crop before its map is worked out whole."""
    size = (4 * maps.shape[3], 4 * maps.shape[2])
    quick, _ = decode_udp(maps, size, kernel, variant)
    with monkeypatch.context() as patch:
        patch.setattr(heatmaps, "FRAIL", 0.0)  # everything is
        whole, _ = decode_udp(maps, size, kernel, variant)
    distance = np.abs(quick - whole)
    assert distance.max() <= 2e-4
    if distance.size > 100:  # the small goldens have four landmarks, of which a last bit is more than the mean
        assert distance.mean() <= (5e-6 if variant == "mmpose1x" else 1e-8)  # 0.x does not touch the height


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("noise", [0.002, 0.05, 0.3])
@pytest.mark.parametrize("kernel", [11, 17])
def test_windows_and_whole_maps_agree(
    monkeypatch: pytest.MonkeyPatch, variant: Variant, noise: float, kernel: int
) -> None:
    """Peaks everywhere, some beyond the border."""
    rng = np.random.default_rng(0)
    maps = gaussians(rng.uniform([-1, -1], [48, 64], (2, 98, 2)))
    maps += rng.normal(0, noise, maps.shape).astype(np.float32)
    check_windows_against_whole_maps(monkeypatch, maps, variant, kernel)


@pytest.mark.parametrize(("variant", "model"), [case for case in MODELS if has_e2e(*case)])
def test_windows_and_whole_maps_agree_on_stored_outputs(
    monkeypatch: pytest.MonkeyPatch, goldens: Path, variant: Variant, model: str
) -> None:
    for part in parts(e2e(goldens / variant, model)):
        check_windows_against_whole_maps(monkeypatch, part.output, variant)


@pytest.mark.parametrize("variant", VARIANTS)
def test_usual_maps_are_never_blurred_whole(monkeypatch: pytest.MonkeyPatch, variant: Variant) -> None:
    rng = np.random.default_rng(0)
    maps = gaussians(rng.uniform([0, 0], [47, 63], (2, 98, 2))) + rng.normal(0, 0.01, (2, 98, 64, 48))
    monkeypatch.setattr(heatmaps, "blur_with_zeros", None)
    monkeypatch.setattr(heatmaps, "blur_mirrored", None)
    decode_udp(maps.astype(np.float32), (192, 256), variant=variant)
