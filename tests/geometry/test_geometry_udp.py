"""geometry.classic.Udp: crops and points of MMPose's UDP, 0.x and 1.x."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from golden_files import arrays, has_e2e
from golden_points import e2e, picture
from hypothesis import given
from hypothesis import strategies as st

from facelandmarks.geometry.classic import Udp
from facelandmarks.geometry.warp import warp_crops
from facelandmarks.zoo.spec import Variant

VARIANTS: list[Variant] = ["mmpose0x", "mmpose1x"]
SIZES = [(256, 256), (192, 256)]
MODELS: list[tuple[Variant, str]] = [
    *(("mmpose0x", f"hrnet_w48_udp_deepfashion_{part}") for part in ("upper", "lower", "full")),
    *(("mmpose1x", f"hrnet_w48_deepfashion_{part}_udp.udp") for part in ("upper", "lower", "full")),
]


@pytest.mark.parametrize(("variant", "model"), [case for case in MODELS if has_e2e(*case)])
def test_regions_and_crops(goldens: Path, variant: Variant, model: str) -> None:
    folder = goldens / variant
    golden = e2e(folder, model)
    center, scale = Udp((192, 256), variant=variant).regions(golden["box"])
    np.testing.assert_array_equal(center, golden["center"])
    np.testing.assert_array_equal(scale, golden["scale"])
    matrices = Udp((192, 256), variant=variant).matrices(center, scale)
    channels = slice(None, None, 1 if variant == "mmpose0x" else -1)  # digests of RGB, of BGR
    for name, matrix, digest in zip(golden["image_name"], matrices, golden["crop_sha256"], strict=True):
        crop = warp_crops(picture(folder, name), matrix[None], (192, 256))[0]
        assert hashlib.sha256(crop[..., channels].tobytes()).hexdigest() == digest, name


@pytest.mark.parametrize("size", SIZES)
def test_matrices_of_mmpose_1x_bit_for_bit(goldens: Path, size: tuple[int, int]) -> None:
    """The upright ones of 64 boxes, flat, reversed and without area among them."""
    key = f"geom_{size[0]}x{size[1]}"
    golden = arrays(goldens / "mmpose1x/decode_mmpose1x.npz")
    upright = golden["geom_rot_deg"] == 0
    expected = golden[f"{key}_warp_udp_float32"][upright]
    center, scale = golden[f"{key}_center"][upright], golden[f"{key}_scale"][upright]
    matrices = Udp(size, variant="mmpose1x").matrices(center, scale)
    finite = np.isfinite(expected).all(axis=(1, 2))
    np.testing.assert_array_equal(matrices[finite], expected[finite])
    assert (scale[~finite] == 0).all()
    assert not np.isfinite(matrices[~finite]).all(axis=(1, 2)).any()
    assert (finite.sum(), (~finite).sum()) == (39, 1)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("size", SIZES)
@given(
    left=st.floats(-500, 4000),
    top=st.floats(-500, 4000),
    width=st.floats(4, 2000),
    height=st.floats(4, 2000),
)
def test_there_and_back(
    variant: Variant, size: tuple[int, int], left: float, top: float, width: float, height: float
) -> None:
    box = np.array([[left, top, left + width, top + height]])
    center, scale = Udp(size, variant=variant).regions(box)
    matrix = Udp(size, variant=variant).matrices(center, scale)[0]
    corners = box.reshape(2, 2)
    in_crop = corners @ matrix[:, :2].T + matrix[:, 2]
    back = Udp(size, variant=variant).to_image(in_crop[None], center, scale)[0]
    # The matrix is float32, and its shift is as large as the far end of the region: four ulps.
    tolerance = 4 * np.spacing(np.float32(np.abs(center).max() + scale.max()))
    np.testing.assert_allclose(back, corners, rtol=0, atol=tolerance)


def test_edges_of_the_region_are_the_outer_pixels() -> None:
    center, scale = np.array([[100.0, 50.0]]), np.array([[60.0, 80.0]])
    for variant in VARIANTS:
        matrix = Udp((192, 256), variant=variant).matrices(center, scale)[0]
        np.testing.assert_allclose(matrix @ [70, 10, 1], [0, 0], atol=1e-4)
        np.testing.assert_allclose(matrix @ [130, 90, 1], [191, 255], atol=1e-4)
        corners = np.array([[[0.0, 0.0], [191.0, 255.0]]])
        np.testing.assert_allclose(
            Udp((192, 256), variant=variant).to_image(corners, center, scale)[0], [[70, 10], [130, 90]]
        )


def test_no_boxes_dtypes_and_inputs_left_alone() -> None:
    for variant in VARIANTS:
        none = np.zeros((0, 2))
        assert Udp((192, 256), variant=variant).matrices(none, none).shape == (0, 2, 3)
        assert Udp((192, 256), variant=variant).to_image(np.zeros((0, 8, 2), np.float32), none, none).shape == (0, 8, 2)
        center, scale, points = np.full((1, 2), 5.0), np.full((1, 2), 7.0), np.ones((1, 3, 2), np.float32)
        assert Udp((192, 256), variant=variant).matrices(center, scale).dtype == np.float64
        assert Udp((192, 256), variant=variant).to_image(points, center, scale).dtype == np.float32
        assert [center[0, 0], scale[0, 0], points[0, 0, 0]] == [5, 7, 1]
