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
from facelandmarks.geometry.hrnet_official import HRNetOfficial

SIZE = (256, 256)
WHOLE, SUBPIXEL = HRNetOfficial(SIZE), HRNetOfficial(SIZE, unbiased=True)
SAME = np.arange(256, dtype=np.uint8)
MODELS = sorted(e2e_names(GOLDENS)["official"])
# Upstream raises; these regions are black crops here. All other errors are errors here too.
BLACK = {"outside left", "outside above", "outside both", "thin image shrunk to zero rows"}


def cut(image: np.ndarray, center: list[float], scale: float, stretch_image: bool) -> np.ndarray:
    """One crop, the scale in upstream's unit."""
    return HRNetOfficial(SIZE, stretch_image=stretch_image).cut(
        image, np.array([center]), np.full((1, 2), 200 * scale)
    )[0]


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
    center, scale = WHOLE.regions(fields["box"])
    # `box` was computed from center and scale, so it went through float64 once more.
    np.testing.assert_allclose(center, fields["center"], rtol=1e-6, atol=1e-4)
    np.testing.assert_allclose(scale, np.stack([200 * fields["scale"]] * 2, axis=1), rtol=1e-12)


# First half of the SHA-256 of resized noise, made by weighted sums in NumPy after Pillow's `Resample.c`: sizes (height,
# width) before and after.
STORED = {
    ((40, 60), (40, 60)): "d493d60ae82a6cf1",
    ((5, 4), (150, 97)): "c3096c04e4a07565",
    ((150, 97), (5, 4)): "06e0c139f561e038",
    ((73, 78), (114, 142)): "8f4547c36be0112b",
    ((9, 25), (124, 142)): "d68d9bc90cabc28a",
    ((40, 49), (130, 65)): "6cfaef668811dbea",
    ((43, 124), (41, 63)): "c37f72f22b15caed",
    ((97, 84), (16, 8)): "43eb3d89207ca1c2",
    ((130, 114), (126, 82)): "18fac18cba255fe3",
    ((123, 52), (70, 119)): "b05043baa1052127",
    ((22, 48), (22, 70)): "d241ee4cfb7ebcd6",
    ((146, 23), (59, 62)): "0d7758d44b3ab0fd",
    ((135, 33), (77, 42)): "ddfd7213f5bc1c3c",
    ((6, 113), (13, 44)): "52193d1568ddda14",
    ((76, 74), (21, 147)): "1777cd63f8069f4a",
    ((113, 144), (17, 109)): "5fc3de6c0c9041c9",
    ((46, 83), (139, 44)): "af6331e105ad5e38",
    ((109, 27), (51, 145)): "8b64ed238428f648",
    ((65, 79), (46, 20)): "5edaafa9d458fb12",
    ((65, 95), (70, 117)): "36e7476e3adf7f01",
    ((56, 93), (116, 137)): "7534a44e947df330",
    ((66, 9), (108, 81)): "ee2c49a1752d9aaa",
    ((131, 71), (57, 13)): "64bb4585ec5d4840",
    ((700, 500), (256, 256)): "0ac9cc2f44c8e54b",
    ((33, 1200), (256, 256)): "1ee0d80684cbbd85",
}


@pytest.mark.parametrize(("before", "after"), STORED)
def test_resizing_gives_stored_bytes(before: tuple[int, int], after: tuple[int, int]) -> None:
    image = np.random.default_rng(before).integers(0, 256, (*before, 3), np.uint8)
    assert digest(hrnet_official._resized(image, after, SAME))[:16] == STORED[before, after]


@settings(max_examples=40, deadline=None)
@given(st.tuples(*[st.integers(4, 150)] * 4), st.integers(0, 2**32), st.data())
def test_a_part_of_a_resized_image_is_that_of_the_whole(shape: tuple[int, ...], seed: int, data: st.DataObject) -> None:
    height, width, rows, columns = shape
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    whole = hrnet_official._resized(image, (rows, columns), SAME)
    top, left = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, columns - 1))
    bottom, right = data.draw(st.integers(top + 1, rows)), data.draw(st.integers(left + 1, columns))
    part = hrnet_official._resized(image, (rows, columns), SAME, slice(top, bottom), slice(left, right))
    np.testing.assert_array_equal(part, whole[top:bottom, left:right])


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
    arguments = np.array([[[x, y]]], np.float32), np.array([[cx, cy]]), np.full((1, 2), side)
    np.testing.assert_array_equal(WHOLE.to_image(*arguments)[0, 0], np.trunc(expected).astype(np.float32) + 1)
    np.testing.assert_array_equal(SUBPIXEL.to_image(*arguments)[0, 0], expected.astype(np.float32))


def test_there_and_back() -> None:
    """A cross in a picture, found in the crop, comes back to where it was: within a pixel, as corners are whole."""
    image = np.zeros((400, 500, 3), np.uint8)
    image[220:224, 300:304] = 255
    center, scale = WHOLE.regions(np.array([[200.0, 150, 330, 260]]))
    crop = WHOLE.cut(image, center, scale)[0, ..., 0]
    moments = cv2.moments(crop)
    found = np.array([[[moments["m10"], moments["m01"]]]]) / moments["m00"]
    back = SUBPIXEL.to_image(found, center, scale)[0, 0]
    np.testing.assert_allclose(back, [301.5, 221.5], atol=1.5)
    np.testing.assert_array_equal(WHOLE.to_image(found, center, scale)[0, 0], np.trunc(back) + 1)


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
    center, scale = HRNetOfficial(SIZE, 1.0).regions(np.array([[10.0, 20, 110, 80]]))
    np.testing.assert_array_equal(center, [[60, 50]])
    np.testing.assert_allclose(scale, [[100, 100]], rtol=1e-15)


def test_no_boxes_and_inputs_left_alone() -> None:
    center, scale = WHOLE.regions(np.zeros((0, 4)))
    assert center.shape == scale.shape == (0, 2)
    assert WHOLE.cut(np.zeros((5, 5, 3), np.uint8), center, scale).shape == (0, 256, 256, 3)
    assert WHOLE.to_image(np.zeros((0, 98, 2), np.float32), center, scale).shape == (0, 98, 2)
    image = np.random.default_rng(0).integers(0, 256, (70, 600, 3), np.uint8)
    image.setflags(write=False)
    for view in (image, image[:, ::-1], np.asfortranarray(image)):
        crops = WHOLE.cut(view, np.array([[300.5, 30], [20, 20]]), np.full((2, 2), [[600.0], [50]]))
        expected = WHOLE.cut(view.copy(), np.array([[300.5, 30], [20, 20]]), np.full((2, 2), [[600.0], [50]]))
        np.testing.assert_array_equal(crops, expected)
        assert crops.dtype == np.uint8
