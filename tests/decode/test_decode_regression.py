"""decode.vectors.decode_regression against MMPose 0.x and 1.x."""

from pathlib import Path

import numpy as np
import pytest
from golden_files import arrays
from golden_points import e2e

from facelandmarks.decode.vectors import decode_regression
from facelandmarks.geometry.classic import Classic
from facelandmarks.zoo.spec import Variant


@pytest.mark.parametrize("variant", ["mmpose0x", "mmpose1x"])
def test_points_of_stored_outputs(goldens: Path, variant: Variant) -> None:
    golden = e2e(goldens / variant, "deeppose_res50_wflw")
    compared = 0
    for field, suffix in (("output", ""), ("output_flip", "_flip"), ("output_flipmerged", "_flip")):
        if field not in golden:
            continue
        output = golden[field].reshape(-1, 98, 2)  # 1.x stores the merged ones with one axis more
        samples = golden["output_idx"] if field == "output" and variant == "mmpose1x" else np.arange(len(output))
        points, scores = decode_regression(output, (256, 256))
        found = Classic((256, 256), variant=variant).to_image(
            points, golden["center"][samples], golden["scale"][samples]
        )
        # Two roundings of float32 at 800 px; goldens/README.md allows 0.01.
        np.testing.assert_allclose(found, golden[f"points{suffix}"][samples], rtol=0, atol=1e-4)
        np.testing.assert_array_equal(scores, golden[f"scores{suffix}"][samples])
        compared += points[..., 0].size
    stored = [value for name, value in golden.items() if name.startswith("output") and value.shape[-2:] == (98, 2)]
    assert len(stored) == 2
    assert compared == sum(value[..., 0].size for value in stored)


@pytest.mark.parametrize("size", [(256, 256), (192, 256)])
def test_synthetic_coordinates_of_mmpose_0x(goldens: Path, size: tuple[int, int]) -> None:
    key = f"{size[0]}x{size[1]}"
    golden = arrays(goldens / "mmpose0x/decode_mmpose0x.npz")
    points, scores = decode_regression(golden["regression_input"], size)
    scale = golden[f"regression_scale_{key}"] * np.float32(200)
    # float32 at up to 1,200 px: an ulp is 1.2e-4.
    found = Classic(size).to_image(points, golden["regression_center"], scale)
    np.testing.assert_allclose(found, golden[f"regression_points_{key}"], rtol=0, atol=2e-4)
    np.testing.assert_array_equal(scores, golden[f"regression_scores_{key}"][..., 0])


def test_synthetic_coordinates_of_mmpose_1x(goldens: Path) -> None:
    golden = arrays(goldens / "mmpose1x/decode_mmpose1x.npz")
    points, scores = decode_regression(np.atleast_3d(golden["reg_in"]), (256, 256))
    np.testing.assert_allclose(points, golden["reg_points"].reshape(points.shape), rtol=1e-7)
    np.testing.assert_array_equal(scores, golden["reg_scores"].reshape(scores.shape))


def test_fractions_of_the_crop_unclipped() -> None:
    outputs = np.array([[[0.0, 0.0], [0.5, 0.25], [1.0, 1.0], [-0.25, 1.5]]], np.float32)
    outputs.setflags(write=False)
    points, scores = decode_regression(outputs, (192, 256))
    np.testing.assert_array_equal(points, [[[0, 0], [96, 64], [192, 256], [-48, 384]]])
    np.testing.assert_array_equal(scores, np.ones((1, 4)))
    assert points.dtype == scores.dtype == np.float32


def test_no_crops() -> None:
    points, scores = decode_regression(np.zeros((0, 98, 2), np.float32), (256, 256))
    assert points.shape == (0, 98, 2)
    assert scores.shape == (0, 98)
