"""geometry.warp: the bytes of OpenCV 4's warp under the installed OpenCV."""

import hashlib
import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest
from golden_files import existing
from hypothesis import given, settings
from hypothesis import strategies as st

from facelandmarks.geometry import warp
from facelandmarks.geometry.warp import warp_crops

SIZE = (48, 40)

# First half of the SHA-256 of crops of `synthetic_picture()`, made with goldens/mmpose0x/warp_opencv4.py: NumPy alone,
# equal to cv2.warpAffine of OpenCV 4.5 to 4.14 on all golden crops of its folder.
STORED = {
    "identity": ([[1, 0, 0], [0, 1, 0]], "3246de721ab1e8fd"),
    "zoomed in": ([[3.7, 0, -150.3], [0, 3.7, -90.9]], "981fb6e9878b87d9"),
    "zoomed out": ([[0.31, 0, 4.2], [0, 0.31, 7.7]], "6ecb673f5a36723d"),
    "on rounding ties": ([[1.28, 0, -20.48], [0, 1.28, -11.52]], "3872579ba371f49b"),
    "turned": ([[0.8, -0.6, 20.1], [0.6, 0.8, -15.7]], "4be065aff1d1513a"),
    "turned by 180 degrees": ([[-0.4, 0, 44.3], [0, -0.4, 38.9]], "97d27ead6ed94a21"),
    "sheared": ([[0.9, 0.35, -30], [-0.2, 1.1, 3.3]], "0341397841745e5c"),
    "over the border": ([[0.9, 0, 20.5], [0, 0.9, 17.25]], "dbc7377970e982e9"),
    "without inverse": ([[0, 0, 0], [0, 0, 0]], "7f701082f7417292"),
    # As int16, 65546 would be 10: the picture would appear again.
    "far outside": ([[1, 0, -65546], [0, 1, 0]], "32ead73abab870ab"),
}


def synthetic_picture(height: int = 90, width: int = 120) -> np.ndarray:
    """A picture of integer arithmetic, every channel different."""
    y, x, c = np.ogrid[:height, :width, :3]
    return ((x * 37 + y * 101 + x * y % 251 + c * 85) % 256).astype(np.uint8)


def random_matrix(rng: np.random.Generator) -> np.ndarray:
    matrix = np.eye(2, 3) * rng.uniform(0.05, 6) + rng.normal(0, 0.3, (2, 3)) * rng.integers(0, 2)
    matrix[:, 2] += rng.uniform(-150, 150, 2)
    return matrix


@pytest.mark.parametrize("case", STORED)
def test_stored_bytes(case: str) -> None:
    matrix, digest = STORED[case]
    crop = warp_crops(synthetic_picture(), np.array([matrix], float), SIZE)
    assert hashlib.sha256(crop.tobytes()).hexdigest()[:16] == digest


def test_all_crops_in_one_call_are_the_crops_of_single_calls() -> None:
    picture = synthetic_picture()
    matrices = np.array([matrix for matrix, _ in STORED.values()], float)
    together = warp_crops(picture, matrices, SIZE)
    assert together.shape == (len(STORED), 40, 48, 3)
    alone = [warp_crops(picture, matrix[None], SIZE)[0] for matrix in matrices]
    np.testing.assert_array_equal(together, np.stack(alone))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_equals_the_stated_arithmetic_on_random_maps(goldens: Path, seed: int) -> None:
    spec = importlib.util.spec_from_file_location("warp_opencv4", existing(goldens / "mmpose0x/warp_opencv4.py"))
    assert spec is not None
    assert spec.loader is not None
    stated = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(stated)
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, (*rng.integers(1, 200, 2), 3), dtype=np.uint8)
    matrix = random_matrix(rng)
    size = (int(rng.integers(1, 80)), int(rng.integers(1, 80)))
    np.testing.assert_array_equal(warp_crops(picture, matrix[None], size)[0], stated.warp4(picture, matrix, size))


@pytest.mark.skipif(int(cv2.__version__.split(".")[0]) != 4, reason="the function that is reproduced is OpenCV 4's")
@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32))
def test_equals_opencv_4_itself(seed: int) -> None:
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, (*rng.integers(1, 200, 2), 3), dtype=np.uint8)
    matrix = random_matrix(rng) * rng.choice([1.0, 1.0, -1.0, 1e-3, 1e3])
    expected = cv2.warpAffine(picture, matrix, SIZE, flags=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(warp_crops(picture, matrix[None], SIZE)[0], expected)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_both_ways_to_cut_are_equal(seed: int) -> None:
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, (*rng.integers(1, 200, 2), 3), dtype=np.uint8)
    matrices = np.stack([random_matrix(rng) for _ in range(rng.integers(1, 80))])  # more than one call of OpenCV
    matrices[::3, [0, 1], [1, 0]] = 0  # not turned
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(warp, "SIDE_LIMIT", 0)  # as if the picture were too large for OpenCV
        slow = warp_crops(picture, matrices, SIZE)
    np.testing.assert_array_equal(warp_crops(picture, matrices, SIZE), slow)


def test_picture_wider_than_opencv_takes() -> None:
    picture = synthetic_picture(30, 40_000)
    part = np.ascontiguousarray(picture[:, 33_000:33_100])
    in_part = np.array([[1.7, 0, -20.0], [0, 1.7, 4.0]])
    in_picture = in_part - [[0, 0, 1.7 * 33_000], [0, 0, 0]]
    whole = warp_crops(picture, in_picture[None], (64, 64))
    np.testing.assert_array_equal(whole, warp_crops(part, in_part[None], (64, 64)))
    assert whole.any()
    # A crop of all of it: 1000 px of the picture to one of the crop.
    assert warp_crops(picture, np.array([[[1e-3, 0, 0], [0, 1e-3, 0]]]), (40, 1))[0, 0].any(axis=-1).sum() > 35


@pytest.mark.parametrize("shift", [65_546.0, -65_526.0, 3e6, -5e9, 1e15, -1e300])
def test_far_outside_is_black(shift: float) -> None:
    crops = warp_crops(synthetic_picture(), np.array([[[1.0, 0, shift], [0, 1.0, 0]]]), SIZE)
    assert not crops.any()


def test_layouts_and_input_left_alone() -> None:
    picture = synthetic_picture()
    matrix = np.array([STORED["turned"][0]], float)
    expected = warp_crops(picture, matrix, SIZE)
    views = {
        "reversed channels": picture[..., ::-1].copy()[..., ::-1],
        "mirrored": picture[:, ::-1].copy()[:, ::-1],
        "channels first in memory": picture.transpose(2, 0, 1).copy().transpose(1, 2, 0),
        "part of a larger picture": np.pad(picture, ((3, 3), (5, 5), (0, 0)))[3:-3, 5:-5],
        "in columns": np.asfortranarray(picture),
    }
    for name, view in views.items():
        view.setflags(write=False)
        np.testing.assert_array_equal(warp_crops(view, matrix, SIZE), expected, err_msg=name)
    np.testing.assert_array_equal(picture, synthetic_picture())


def test_no_crops() -> None:
    crops = warp_crops(synthetic_picture(), np.zeros((0, 2, 3)), SIZE)
    assert crops.shape == (0, 40, 48, 3)
    assert crops.dtype == np.uint8
