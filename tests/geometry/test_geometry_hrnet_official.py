"""geometry.hrnet_official: regions and crops of the official HRNet repository."""

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from golden_files import GOLDENS, arrays, document, e2e_names, e2e_path, is_small
from golden_points import picture
from hypothesis import given, settings
from hypothesis import strategies as st

from facelandmarks.errors import InvalidBoxError
from facelandmarks.geometry import hrnet_official
from facelandmarks.geometry.hrnet_official import boxes_to_center_scale, cut_crops, to_image

SIZE = (256, 256)
SAME = np.arange(256, dtype=np.uint8)
MODELS = sorted(e2e_names(GOLDENS)["official"])
# Upstream raises; these regions are black crops here. All other errors are errors here too.
BLACK = {"outside left", "outside above", "outside both", "thin image shrunk to zero rows"}


def cut(image: np.ndarray, center: list[float], scale: float, stretch_picture: bool) -> np.ndarray:
    """One crop, the scale in upstream's unit."""
    return cut_crops(image, np.array([center]), np.full((1, 2), 200 * scale), SIZE, stretch_picture)[0]


def digest(crop: np.ndarray) -> str:
    return hashlib.sha256(crop.tobytes()).hexdigest()


def test_all_crops(goldens: Path) -> None:
    """Regions inside, outside in part, of 12 px, shrunk first; pictures as floats and as integers."""
    folder = goldens / "official"
    cases = document(folder / "crop_cases.json")
    images = {name: picture(folder, name.removesuffix(".png")) for name in {case["image"] for case in cases}}
    wrong = [
        (case["image"], case["case"], case["center"], case["scale"])
        for case in cases
        if digest(cut(images[case["image"]], case["center"], case["scale"], case["image_dtype"] == "float32"))
        != case["sha256"]
    ]
    assert not wrong
    counts = len(cases), sum(case["preshrink"] for case in cases)
    assert counts == ((26, 4) if is_small(goldens) else (138, 42))


def degenerate_image(case: dict, astronaut: np.ndarray) -> np.ndarray:
    """The picture that goldens/official/README.md names for a case of `crop_degenerate.json`."""
    if case["image_shape"] == [512, 512, 3]:
        return astronaut
    if case["image_shape"] == [3, 512, 3]:
        return astronaut[:3]
    if case["tag"].startswith("constant"):
        return np.full((300, 300, 3), 128, np.uint8)
    image = np.full((300, 300, 3), 100, np.uint8)
    image[:, 150:] = 101
    return image


def test_all_degenerate_inputs(goldens: Path) -> None:
    folder = goldens / "official"
    cases = document(folder / "crop_degenerate.json")
    astronaut = picture(folder, "off_astronaut")
    counts = {"crop": 0, "black": 0, "error": 0}
    for case in cases:
        arguments = degenerate_image(case, astronaut), case["center"], case["scale"], "uint8" not in case["tag"]
        if "sha256" in case:
            assert digest(cut(*arguments)) == case["sha256"], case["tag"]
            counts["crop"] += 1
        elif "result" in case or case["tag"] in BLACK:
            assert not cut(*arguments).any(), case["tag"]
            counts["black"] += 1
        else:
            with pytest.raises(InvalidBoxError):
                cut(*arguments)
            counts["error"] += 1
    assert counts == {"crop": 17, "black": 5, "error": 4}


@pytest.mark.parametrize("model", MODELS)
def test_crops_of_the_models(goldens: Path, model: str) -> None:
    folder = goldens / "official"
    fields = arrays(e2e_path(folder, model))
    for name, center, scale, expected in zip(
        *(fields[key] for key in ("image_name", "center", "scale", "crop")), strict=True
    ):
        image = picture(folder, str(name).removesuffix(".png"))
        np.testing.assert_array_equal(cut(image, center, scale, "cofw" not in model), expected)
    center, scale = boxes_to_center_scale(fields["box"], SIZE)
    # `box` was computed from center and scale, so it went through float64 once more.
    np.testing.assert_allclose(center, fields["center"], rtol=1e-6, atol=1e-4)
    np.testing.assert_allclose(scale, np.stack([200 * fields["scale"]] * 2, axis=1), rtol=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.tuples(*[st.integers(4, 150)] * 4), st.integers(0, 2**32), st.data())
def test_resizing_is_pillows(shape: tuple[int, ...], seed: int, data: st.DataObject) -> None:
    pillow = pytest.importorskip("PIL.Image")
    height, width, rows, columns = shape
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    # Two calls: in one, Pillow 13 takes rows first for some sizes, unlike all before.
    narrow = pillow.fromarray(image).resize((columns, height), pillow.Resampling.BILINEAR)
    expected = np.asarray(narrow.resize((columns, rows), pillow.Resampling.BILINEAR))
    np.testing.assert_array_equal(hrnet_official._resized(image, (rows, columns), SAME), expected)
    top, left = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, columns - 1))
    part = hrnet_official._resized(image, (rows, columns), SAME, slice(top, rows), slice(left, left + 1))
    np.testing.assert_array_equal(part, expected[top:, left : left + 1])


@given(
    cx=st.floats(-500, 4000, width=32),
    cy=st.floats(-500, 4000, width=32),
    scale=st.floats(0.02, 20),
    x=st.integers(-8, 264),
    y=st.integers(-8, 264),
)
def test_points_go_back_as_by_upstreams_matrix(cx: float, cy: float, scale: float, x: float, y: float) -> None:
    """The closed form is the inverted matrix to the last bit, which truncation makes a pixel."""
    side = 200 * scale
    matrix = np.array([[256 / side, 0, 256 * (-cx / side + 0.5)], [0, 256 / side, 256 * (-cy / side + 0.5)], [0, 0, 1]])
    expected = (np.linalg.inv(matrix) @ [x, y, 1])[:2]
    arguments = np.array([[[x, y]]], np.float32), np.array([[cx, cy]]), np.full((1, 2), side), SIZE
    np.testing.assert_array_equal(to_image(*arguments)[0, 0], np.trunc(expected).astype(np.float32) + 1)
    np.testing.assert_array_equal(to_image(*arguments, unbiased=True)[0, 0], expected.astype(np.float32))


def test_there_and_back() -> None:
    """A cross in a picture, found in the crop, comes back to where it was: within a pixel, as corners are whole."""
    image = np.zeros((400, 500, 3), np.uint8)
    image[220:224, 300:304] = 255
    center, scale = boxes_to_center_scale(np.array([[200.0, 150, 330, 260]]), SIZE)
    crop = cut_crops(image, center, scale, SIZE)[0, ..., 0]
    moments = cv2.moments(crop)
    found = np.array([[[moments["m10"], moments["m01"]]]]) / moments["m00"]
    back = to_image(found, center, scale, SIZE, unbiased=True)[0, 0]
    np.testing.assert_allclose(back, [301.5, 221.5], atol=1.5)
    np.testing.assert_array_equal(to_image(found, center, scale, SIZE)[0, 0], np.trunc(back) + 1)


def test_the_contrast_is_stretched() -> None:
    image = np.full((300, 300, 3), 100, np.uint8)
    image[:, 150:] = 101
    crop = cut(image, [150, 150], 1.0, True)
    assert (crop.min(), crop.max()) == (0, 255)
    assert not cut(image[:, :100], [50, 150], 0.3, True).any()  # nothing to stretch


def test_regions_outside_are_black() -> None:
    image = np.full((50, 60, 3), 200, np.uint8)
    for center in ([-300, 20], [300, 20], [30, -300], [30, 300], [1e9, 0], [130.5, 20], [1e30, 1e30]):
        assert not cut(image, center, 0.5, True).any(), center
    assert not cut(image, [30, 20], 1e-4, True).any()  # less than a pixel
    assert not cut(image, [30, 20], 1e6, True).any()


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf])
def test_regions_without_area(scale: float) -> None:
    with pytest.raises(InvalidBoxError, match="area"):
        cut(np.zeros((5, 5, 3), np.uint8), [2, 2], scale, True)


def test_box_without_padding() -> None:
    center, scale = boxes_to_center_scale(np.array([[10.0, 20, 110, 80]]), SIZE, 1.0)
    np.testing.assert_array_equal(center, [[60, 50]])
    np.testing.assert_allclose(scale, [[100, 100]], rtol=1e-15)


def test_no_boxes_and_inputs_left_alone() -> None:
    center, scale = boxes_to_center_scale(np.zeros((0, 4)), SIZE)
    assert center.shape == scale.shape == (0, 2)
    assert cut_crops(np.zeros((5, 5, 3), np.uint8), center, scale, SIZE).shape == (0, 256, 256, 3)
    assert to_image(np.zeros((0, 98, 2), np.float32), center, scale, SIZE).shape == (0, 98, 2)
    image = np.random.default_rng(0).integers(0, 256, (70, 600, 3), np.uint8)
    image.setflags(write=False)
    for view in (image, image[:, ::-1], np.asfortranarray(image)):
        crops = cut_crops(view, np.array([[300.5, 30], [20, 20]]), np.full((2, 2), [[600.0], [50]]), SIZE)
        expected = cut_crops(view.copy(), np.array([[300.5, 30], [20, 20]]), np.full((2, 2), [[600.0], [50]]), SIZE)
        np.testing.assert_array_equal(crops, expected)
        assert crops.dtype == np.uint8
