"""decode.vectors.decode_simcc against MMPose 1.x, and on logits whose truth is known."""

from pathlib import Path

import numpy as np
import pytest
from golden_files import arrays, has_e2e
from golden_points import compare, e2e, parts

from facelandmarks.decode.vectors import decode_simcc
from facelandmarks.geometry.classic import Classic

MODELS = [
    "rtmpose_t_face6",
    "rtmpose_s_face6",
    "rtmpose_m_face6",
    "rtmpose_m_lapa",
    "rtmpose_m_wflw",
    "rtmpose_m_coco_wholebody_face",
]


@pytest.mark.parametrize("model", [model for model in MODELS if has_e2e("mmpose1x", model)])
def test_points_of_stored_outputs(goldens: Path, model: str) -> None:
    compared = 0
    for part in parts(e2e(goldens / "mmpose1x", model)):
        points, scores = decode_simcc(part.output, (256, 256))
        np.testing.assert_array_equal(scores, part.scores)
        found = Classic((256, 256), variant="mmpose1x").to_image(points, part.center, part.scale)
        # Same output, so no peak is unclear; one rounding of float32 at 512 px.
        np.testing.assert_allclose(found, part.points, rtol=0, atol=1e-4)
        compared += sum(compare(found, part))
    assert compared == sum(len(part.scores.ravel()) for part in parts(e2e(goldens / "mmpose1x", model)))


@pytest.mark.parametrize("batched", [True, False])
def test_synthetic_logits(goldens: Path, batched: bool) -> None:
    """Peaks inside and at borders, two peaks, flat and negative logits, NaN: all equal to the last bit."""
    golden = arrays(goldens / "mmpose1x/decode_mmpose1x.npz")
    both = np.stack([golden["simcc_x"], golden["simcc_y"]])
    outputs = both[None] if batched else both.swapaxes(0, 1)[:, :, None]
    points, scores = decode_simcc(outputs, (256, 256))
    np.testing.assert_array_equal(points.reshape(-1, 2), golden["simcc_points"])
    np.testing.assert_array_equal(scores.ravel(), golden["simcc_scores"])


def logits(x: dict[int, float], y: dict[int, float], bins: int = 512) -> np.ndarray:
    """float32 (1, 2, 1, bins): -1 but for some bins."""
    outputs = np.full((1, 2, 1, bins), -1, np.float32)
    for axis, values in enumerate((x, y)):
        for place, value in values.items():
            outputs[0, axis, 0, place] = value
    return outputs


@pytest.mark.parametrize(
    ("x", "y", "point", "score"),
    [
        ({3: 5.0}, {511: 2.0}, (1.5, 255.5), 2.0),
        ({3: 5.0, 9: 5.0}, {0: 7.0}, (1.5, 0.0), 5.0),  # the first of equals
        ({3: 5.0}, {}, (-0.5, -0.5), -1.0),  # y has no positive value: x is given up too
        ({3: 0.0}, {8: 1.0}, (-0.5, -0.5), 0.0),
        ({3: np.nan}, {8: 1.0}, (1.5, 4.0), np.nan),
        ({3: 5.0}, {8: np.nan}, (1.5, 4.0), 5.0),
        ({}, {8: np.nan}, (-0.5, -0.5), -1.0),
        ({3: np.nan}, {}, (1.5, 0.0), np.nan),
    ],
)
def test_rules(x: dict[int, float], y: dict[int, float], point: tuple[float, float], score: float) -> None:
    points, scores = decode_simcc(logits(x, y), (256, 256))
    np.testing.assert_array_equal(points[0, 0], point)
    np.testing.assert_array_equal(scores, [[score]])


def test_within_a_quarter_pixel_of_the_truth() -> None:
    centers = np.random.default_rng(0).uniform(4, 250, (3, 20, 2))
    bins = np.arange(512) / 2
    outputs = np.exp(-((bins - np.moveaxis(centers, -1, 1)[..., None]) ** 2) / 18).astype(np.float32)
    outputs.setflags(write=False)
    points, scores = decode_simcc(outputs, (256, 256))
    assert np.abs(points - centers).max() <= 0.25 + 1e-6
    assert points.dtype == scores.dtype == np.float32
    assert scores.min() > 0.9


def test_each_axis_has_its_own_zoom() -> None:
    points, _ = decode_simcc(logits({100: 1.0}, {100: 1.0}, bins=256), (192, 256))
    np.testing.assert_array_equal(points, [[[75, 100]]])


def test_no_crops() -> None:
    points, scores = decode_simcc(np.zeros((0, 2, 106, 512), np.float32), (256, 256))
    assert points.shape == (0, 106, 2)
    assert scores.shape == (0, 106)
