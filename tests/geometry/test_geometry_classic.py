"""geometry.classic: boxes, crops and points of MMPose 0.x and 1.x."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from golden_files import arrays, has_e2e
from golden_points import e2e, picture
from hypothesis import given
from hypothesis import strategies as st

from facelandmarks.geometry.classic import Classic
from facelandmarks.geometry.warp import warp_crops
from facelandmarks.zoo.spec import Variant

CLASSIC_0X = [
    "deeppose_res50_wflw",
    "hrnetv2_w18_300w",
    "hrnetv2_w18_aflw",
    "hrnetv2_w18_aflw_dark",
    "hrnetv2_w18_cofw",
    "hrnetv2_w18_wflw",
    "hrnetv2_w18_wflw_dark",
]
# All models of one size have the same crops.
CLASSIC_1X = [((256, 256), "hrnetv2_w18_aflw"), ((192, 256), "hrnet_w48_deepfashion_lower_udp.asshipped")]
VARIANTS: list[Variant] = ["mmpose0x", "mmpose1x"]
SIZES = [(256, 256), (192, 256)]


@pytest.mark.parametrize("model", [model for model in CLASSIC_0X if has_e2e("mmpose0x", model)])
def test_regions_and_crops_of_mmpose_0x(goldens: Path, model: str) -> None:
    folder = goldens / "mmpose0x"
    golden = e2e(folder, model)
    center, scale = Classic((256, 256)).regions(golden["box"])
    np.testing.assert_array_equal(center, golden["center"])
    np.testing.assert_array_equal(scale, golden["scale"])
    matrices = Classic((256, 256)).matrices(center, scale)
    for name, matrix, digest in zip(golden["image_name"], matrices, golden["crop_sha256"], strict=True):
        crop = warp_crops(picture(folder, name), matrix[None], (256, 256))
        assert hashlib.sha256(crop.tobytes()).hexdigest() == digest, name


@pytest.mark.parametrize(("size", "model"), CLASSIC_1X)
def test_regions_and_crops_of_mmpose_1x(goldens: Path, size: tuple[int, int], model: str) -> None:
    folder = goldens / "mmpose1x"
    golden = e2e(folder, model)
    center, scale = Classic(size, variant="mmpose1x").regions(golden["box"])
    np.testing.assert_array_equal(center, golden["center"])
    np.testing.assert_array_equal(scale, golden["scale"])
    matrices = Classic(size, variant="mmpose1x").matrices(center, scale)
    for name, matrix, digest in zip(golden["image_name"], matrices, golden["crop_sha256"], strict=True):
        crop_bgr = warp_crops(picture(folder, name), matrix[None], size)[0, ..., ::-1]
        assert hashlib.sha256(crop_bgr.tobytes()).hexdigest() == digest, name


@pytest.mark.parametrize("size", SIZES)
def test_matrices_of_mmpose_1x_bit_for_bit(goldens: Path, size: tuple[int, int]) -> None:
    """64 boxes, flat, reversed and without area among them."""
    key = f"geom_{size[0]}x{size[1]}"
    golden = arrays(goldens / "mmpose1x/decode_mmpose1x.npz")
    center, scale = Classic(size, variant="mmpose1x").regions(golden["geom_box"])
    np.testing.assert_array_equal(center, golden[f"{key}_center"])
    np.testing.assert_array_equal(scale, golden[f"{key}_scale"])
    upright = golden["geom_rot_deg"] == 0
    matrices = Classic(size, variant="mmpose1x").matrices(center, scale)
    np.testing.assert_array_equal(matrices[upright], golden[f"{key}_warp"][upright])
    assert upright.sum() == 40


@pytest.mark.parametrize("variant", VARIANTS)
def test_points_of_deeppose(goldens: Path, variant: Variant) -> None:
    """Its output is a fraction of the crop, so only the way back to the image is between it and the points."""
    golden = e2e(goldens / variant, "deeppose_res50_wflw")
    samples = golden.get("output_idx", np.arange(len(golden["output"])))
    points = golden["output"].astype(np.float64) * 256
    found = Classic((256, 256), variant=variant).to_image(points, golden["center"][samples], golden["scale"][samples])
    # Half an ulp of float32 at 512 px: one rounding, at most.
    np.testing.assert_allclose(found, golden["points"][samples], rtol=0, atol=3.1e-5)


def test_the_far_corner_is_the_end_of_the_box() -> None:
    """Neither + 1 in the size nor half a pixel in the centre."""
    for variant in VARIANTS:
        center, scale = Classic((256, 256), 1.0, variant).regions(np.array([[10.0, 20.0, 110.0, 120.0]]))
        np.testing.assert_array_equal(center, [[60, 70]])
        np.testing.assert_array_equal(scale, [[100, 100]])


def test_the_shorter_side_grows() -> None:
    boxes = np.array([[0.0, 0, 90, 40], [0, 0, 30, 80], [0, 0, 60, 80]])
    for variant in VARIANTS:
        _, scale = Classic((192, 256), 1.25, variant).regions(boxes)
        np.testing.assert_allclose(scale, 1.25 * np.array([[90, 120], [60, 80], [60, 80]]), rtol=1e-7)


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
    center, scale = Classic(size, variant=variant).regions(box)
    matrix = Classic(size, variant=variant).matrices(center, scale)[0]
    corners = box.reshape(2, 2)
    in_crop = corners @ matrix[:, :2].T + matrix[:, 2]
    back = Classic(size, variant=variant).to_image(in_crop[None], center, scale)[0]
    # float32 in the three points of the matrix and in 0.x's way back: four ulps at the far end of the region.
    np.testing.assert_allclose(
        back, corners, rtol=0, atol=4 * np.spacing(np.float32(np.abs(center).max() + scale.max()))
    )


def test_centre_and_edges_of_the_crop() -> None:
    center, scale = np.array([[100.0, 50.0]]), np.array([[64.0, 64.0]])
    for variant in VARIANTS:
        matrix = Classic((256, 256), variant=variant).matrices(center, scale)[0]
        np.testing.assert_allclose(matrix @ [100, 50, 1], [128, 128], atol=1e-9)
        corners = np.array([[[0.0, 0.0], [256.0, 256.0]]])
        np.testing.assert_array_equal(
            Classic((256, 256), variant=variant).to_image(corners, center, scale)[0], [[68, 18], [132, 82]]
        )


def test_box_without_area() -> None:
    box = np.array([[5.0, 6.0, 5.0, 6.0]])
    for variant in VARIANTS:
        center, scale = Classic((256, 256), variant=variant).regions(box)
        assert not Classic((256, 256), variant=variant).matrices(center, scale).any()
        points = Classic((256, 256), variant=variant).to_image(np.ones((1, 3, 2), np.float32), center, scale)
        np.testing.assert_array_equal(points, np.broadcast_to([5, 6], (1, 3, 2)))


def test_no_boxes() -> None:
    for variant in VARIANTS:
        center, scale = Classic((256, 256), variant=variant).regions(np.zeros((0, 4)))
        assert center.shape == scale.shape == (0, 2)
        assert Classic((256, 256), variant=variant).matrices(center, scale).shape == (0, 2, 3)
        assert Classic((256, 256), variant=variant).to_image(np.zeros((0, 98, 2), np.float32), center, scale).shape == (
            0,
            98,
            2,
        )


def test_inputs_left_alone_and_dtypes() -> None:
    box = np.array([[10.0, 20.0, 110.0, 140.0]])
    for variant in VARIANTS:
        center, scale = Classic((256, 256), variant=variant).regions(box)
        points = np.ones((1, 2, 2), np.float32)
        assert Classic((256, 256), variant=variant).matrices(center, scale).dtype == np.float64
        assert Classic((256, 256), variant=variant).to_image(points, center, scale).dtype == np.float32
        assert center.dtype == scale.dtype == np.float64
        np.testing.assert_array_equal(points, 1)
        np.testing.assert_array_equal(box, [[10, 20, 110, 140]])
