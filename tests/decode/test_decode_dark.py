"""decode.heatmaps.decode_dark against MMPose 0.x and 1.x, and on maps whose truth is known."""

from pathlib import Path

import numpy as np
import pytest
from golden_files import arrays, has_e2e
from golden_points import compare, e2e, parts
from hypothesis import given, settings
from hypothesis import strategies as st

from facelandmarks.decode import heatmaps
from facelandmarks.decode.heatmaps import decode_dark
from facelandmarks.geometry.classic import Classic
from facelandmarks.zoo.spec import Variant

MODELS: list[tuple[Variant, str]] = [
    ("mmpose0x", "hrnetv2_w18_aflw_dark"),
    ("mmpose0x", "hrnetv2_w18_wflw_dark"),
    ("mmpose1x", "hrnetv2_w18_wflw_dark"),
]


@pytest.mark.parametrize(("variant", "model"), [case for case in MODELS if has_e2e(*case)])
def test_points_of_stored_outputs(goldens: Path, variant: Variant, model: str) -> None:
    compared = left_out = 0
    for part in parts(e2e(goldens / variant, model)):
        points, scores = decode_dark(part.output, (256, 256), variant=variant)
        np.testing.assert_array_equal(scores, part.scores)
        counts = compare(Classic((256, 256), variant=variant).to_image(points, part.center, part.scale), part)
        compared, left_out = compared + counts[0], left_out + counts[1]
    print(f"{compared} points compared, {left_out} left out")
    assert compared > 0
    assert left_out <= 0.06 * (compared + left_out)


@pytest.mark.parametrize("size", ["64x64", "64x48"])
@pytest.mark.parametrize("kernel", [11, 17])
@pytest.mark.parametrize("batched", [True, False])
def test_synthetic_maps_of_mmpose_0x(goldens: Path, size: str, kernel: int, batched: bool) -> None:
    """Peaks inside, at borders and in corners, two peaks, plateaus, negative maps, NaN, inf."""
    golden = arrays(goldens / "mmpose0x/decode_mmpose0x.npz")
    maps = golden[f"maps_{size}"]
    batch = maps[None] if batched else maps[:, None]
    points, scores = decode_dark(batch, (maps.shape[2], maps.shape[1]), kernel)
    expected = golden[f"heatmap_points_{size}_dark_k{kernel}"]
    # White noise has peaks of almost no curvature, which blow a last bit up.
    noise = (golden[f"kind_{size}"] == "white_noise") & (kernel == 17)
    for rows, tolerance in ((noise, 5e-3), (~noise, 2e-4)):
        np.testing.assert_allclose(points.reshape(-1, 2)[rows], expected[rows], rtol=0, atol=tolerance)
    np.testing.assert_array_equal(scores.ravel(), golden[f"scores_{size}_dark_k{kernel}"].ravel())


@pytest.mark.parametrize("size", ["64x64", "64x48"])
def test_synthetic_maps_of_mmpose_1x(goldens: Path, size: str) -> None:
    golden = arrays(goldens / "mmpose1x/decode_mmpose1x.npz")
    maps = golden[f"{size}_maps"][None]
    points, scores = decode_dark(maps, (maps.shape[3] * 4, maps.shape[2] * 4), variant="mmpose1x")
    np.testing.assert_allclose(points[0], golden[f"{size}_msra_dark_points"], rtol=0, atol=2e-4)
    np.testing.assert_array_equal(scores[0], golden[f"{size}_msra_dark_scores"])


def gaussians(centers: np.ndarray, height: int = 64, width: int = 48, sigma: float = 2.0) -> np.ndarray:
    """float32 (N, K, h, w) with the peaks at `centers` (N, K, 2)."""
    y, x = np.mgrid[:height, :width]
    dx, dy = x - centers[..., 0, None, None], y - centers[..., 1, None, None]
    return np.exp(-(dx**2 + dy**2) / (2 * sigma**2)).astype(np.float32)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([1.5, 2.0, 3.0]))
def test_finds_gaussians_inside_the_map(seed: int, sigma: float) -> None:
    # Within the reach of the blurred Gaussian from the border, the zeros beyond it would bend the peak.
    margin = 8 + sigma
    centers = np.random.default_rng(seed).uniform([margin, margin], [47 - margin, 63 - margin], (2, 5, 2))
    points, _ = decode_dark(gaussians(centers, sigma=sigma), (48, 64))
    assert np.abs(points - centers).max() < 0.02


def test_a_broken_map_leaves_the_others_alone() -> None:
    maps = gaussians(np.array([[[20.3, 30.2], [20.3, 30.2], [20.3, 30.2]]]))
    expected, _ = decode_dark(maps, (192, 256))
    for value in (np.nan, np.inf):
        broken = maps.copy()
        broken[0, 1, -1, :] = value
        broken[0, 1, 0, :] = value
        points, _ = decode_dark(broken, (192, 256))
        np.testing.assert_array_equal(points[0, [0, 2]], expected[0, [0, 2]])


def test_no_step_within_two_pixels_of_the_border() -> None:
    centers = np.array([[[1.3, 20.0], [2.3, 20.0], [44.7, 20.0], [45.8, 20.0], [20.3, 1.2], [20.3, 61.8]]])
    points, _ = decode_dark(gaussians(centers), (48, 64))
    places = np.rint(centers)[0]
    stepped = (points[0] != places).any(axis=-1)
    np.testing.assert_array_equal(stepped, [False, True, True, False, False, False])


def test_maps_without_a_peak() -> None:
    maps = np.stack([np.full((16, 16), value, np.float32) for value in (-1, 0)])[None]
    points, scores = decode_dark(maps, (64, 64))
    np.testing.assert_array_equal(points, np.full((1, 2, 2), -4))
    np.testing.assert_array_equal(scores, [[-1, 0]])


def test_no_crops_and_input_left_alone() -> None:
    points, scores = decode_dark(np.zeros((0, 98, 64, 64), np.float32), (256, 256))
    assert points.shape == (0, 98, 2)
    assert scores.shape == (0, 98)
    maps = gaussians(np.array([[[20.3, 30.2]]]))
    maps.setflags(write=False)
    points, _ = decode_dark(maps, (192, 256))
    assert points.dtype == np.float32


def check_windows_against_whole_maps(monkeypatch: pytest.MonkeyPatch, maps: np.ndarray, kernel: int = 11) -> None:
    """Bound: 2e-4 px is how far last bits may move a point of a crop before its map is worked out whole."""
    size = (4 * maps.shape[3], 4 * maps.shape[2])
    quick, _ = decode_dark(maps, size, kernel)
    with monkeypatch.context() as patch:
        patch.setattr(heatmaps, "FRAIL", 0.0)  # everything is
        whole, _ = decode_dark(maps, size, kernel)
    distance = np.abs(quick - whole)
    assert distance.max() <= 2e-4
    if distance.size > 100:  # the small goldens have four landmarks, of which a last bit is more than the mean
        assert distance.mean() <= 5e-6
        assert (quick != whole).any()  # two ways indeed


@pytest.mark.parametrize("noise", [0.002, 0.05, 0.3])
@pytest.mark.parametrize("kernel", [11, 17])
def test_windows_and_whole_maps_agree(monkeypatch: pytest.MonkeyPatch, noise: float, kernel: int) -> None:
    """Peaks everywhere, some beyond the border."""
    rng = np.random.default_rng(0)
    maps = gaussians(rng.uniform([-1, -1], [48, 64], (2, 98, 2)))
    maps += rng.normal(0, noise, maps.shape).astype(np.float32)
    check_windows_against_whole_maps(monkeypatch, maps, kernel)


@pytest.mark.parametrize(("variant", "model"), [case for case in MODELS if has_e2e(*case)])
def test_windows_and_whole_maps_agree_on_stored_outputs(
    monkeypatch: pytest.MonkeyPatch, goldens: Path, variant: Variant, model: str
) -> None:
    for part in parts(e2e(goldens / variant, model)):
        check_windows_against_whole_maps(monkeypatch, part.output)


def test_usual_maps_are_never_blurred_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    maps = gaussians(rng.uniform([-1, -1], [48, 64], (2, 98, 2))) + rng.normal(0, 0.01, (2, 98, 64, 48))
    monkeypatch.setattr(heatmaps, "blur_with_zeros", None)
    decode_dark(maps.astype(np.float32), (192, 256))
