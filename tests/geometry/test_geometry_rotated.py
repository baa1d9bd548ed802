"""Turned regions: both directions, the warp's arithmetic, its borders, and images too large for OpenCV."""

import cv2
import numpy as np
import pytest

from facelandmarks.geometry import rotated
from facelandmarks.geometry.rotated import Rotated, letterbox

SIZE = (192, 192)


def region(x, y, width, height=None, rotation=0.0):
    """Center, scale and rotation of one region; `rotation` turns the region itself, clockwise."""
    scale = [[width, width if height is None else height]]
    return np.array([[x, y]], float), np.array(scale, float), np.array([-rotation])


def cut(image, regions, size=SIZE, border="replicate"):
    return Rotated(size, border=border).cut(image, *regions)


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("degrees", [0, 20, -75, 180])
def test_a_point_is_found_where_it_was_drawn(degrees):
    """A Gaussian at a known place of the image, looked for in the crop, and taken back."""
    place = np.array([143.3, 96.8])
    y, x = np.indices((200, 260))
    blob = np.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / (2 * 5.0**2))
    image = np.repeat(np.rint(blob * 255).astype(np.uint8)[..., None], 3, axis=2)
    regions = region(130, 100, 120, rotation=np.deg2rad(degrees))
    crop = cut(image, regions)[0, ..., 0].astype(float)
    rows, columns = np.indices(crop.shape)
    found = np.array([[[(columns * crop).sum(), (rows * crop).sum()]]]) / crop.sum()
    # Rounded to uint8 and cut off at the crop's edges, a blob's middle is known to a hundredth of its width.
    np.testing.assert_allclose(Rotated(SIZE).to_image(found, *regions)[0, 0], place, atol=0.05)


def test_upright_regions_of_the_crops_size_are_copies():
    """Index 0 lies on the region's edge: a region of 32 px about (20, 30) begins at pixel (4, 14)."""
    image = noise(60, 50)
    np.testing.assert_array_equal(cut(image, region(20, 30, 32), (32, 32))[0], image[14:46, 4:36])


def test_clockwise_is_positive():
    """A quarter turn: what was at the right of the middle is at the top of the crop no more than elsewhere."""
    image = np.zeros((101, 101, 3), np.uint8)
    image[80, 50] = 255  # below the middle
    crop = cut(image, region(50, 50, 100, rotation=np.pi / 2), (100, 100))[0, ..., 0]
    assert np.argwhere(crop == crop.max()).mean(0).round().tolist() == [50, 80]  # to the right of the middle


def test_eyes_are_level_in_the_crop():
    left, right = np.array([[70.0, 90.0]], np.float32), np.array([[110.0, 70.0]], np.float32)
    center, scale = Rotated(SIZE).regions(np.array([[50, 40, 130, 140]]))
    regions = center, scale, Rotated(SIZE).rotations(left, right)
    assert scale.tolist() == [[150, 150]]  # one and a half times the longer side
    assert center.tolist() == [[90, 90]]
    assert np.rad2deg(regions[2][0]) == pytest.approx(
        26.565, abs=1e-3
    )  # to be turned clockwise: the right eye is higher
    image = np.zeros((200, 200, 3), np.uint8)
    for x, y in (left[0], right[0]):
        cv2.circle(image, (round(float(x)), round(float(y))), 3, (255, 255, 255), -1)
    rows, columns = np.nonzero(cut(image, regions)[0, ..., 0] > 127)
    middle = columns.mean()
    assert rows[columns < middle].mean() == pytest.approx(rows[columns > middle].mean(), abs=0.3)


@pytest.mark.parametrize(("across", "down", "degrees"), [(1, 0, 0), (0, 1, 90), (-1, 0, -180), (0, 0, 0), (1, -1, -45)])
def test_angles_lie_in_minus_pi_to_pi(across, down, degrees):
    start, end = np.zeros((1, 2), np.float32), np.array([[across, down]], np.float32)
    assert np.rad2deg(-Rotated(SIZE).rotations(start, end)[0]) == pytest.approx(degrees, abs=1e-4)


def test_unknown_eyes_leave_a_region_upright():
    unknown = np.full((2, 2), np.nan)
    assert Rotated(SIZE).rotations(unknown, np.ones((2, 2))).tolist() == [0, 0]


def by_hand(image, regions, size, border):
    """The warp in plain float64 arithmetic, pixel by pixel, from the statement of the geometry alone."""
    height, width = image.shape[:2]
    (cx, cy), (w, h), angle = regions[0][0], regions[1][0], -float(regions[2][0])
    u, v = np.meshgrid(np.arange(size[0]) / size[0] - 0.5, np.arange(size[1]) / size[1] - 0.5)
    x = cx + np.cos(angle) * u * w - np.sin(angle) * v * h
    y = cy + np.sin(angle) * u * w + np.cos(angle) * v * h
    x, y = np.rint(x * 32) / 32, np.rint(y * 32) / 32
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    fx, fy = (x - left)[..., None], (y - top)[..., None]

    def pixels(px, py):
        inside = (px >= 0) & (px < width) & (py >= 0) & (py < height)
        values = image[py.clip(0, height - 1), px.clip(0, width - 1)].astype(float)
        return values if border == "replicate" else values * inside[..., None]

    upper = pixels(left, top) * (1 - fx) + pixels(left + 1, top) * fx
    lower = pixels(left, top + 1) * (1 - fx) + pixels(left + 1, top + 1) * fx
    return upper * (1 - fy) + lower * fy


@pytest.mark.parametrize("border", ["replicate", "black"])
@pytest.mark.parametrize("size", [(192, 192), (100, 60), (40, 7), (1, 1)])
def test_the_warp_is_what_it_says(border, size):
    image = noise(90, 120)
    for regions in (region(60, 45, 50, rotation=0.4), region(5, 80, 140, 130, rotation=-2.0), region(-300, 45, 40)):
        found = cut(image, regions, size, border)[0].astype(float)
        off = np.abs(found - by_hand(image, regions, size, border))
        # float32 corners move positions by up to 1e-5 px, and so some of them to the next 1/32 px.
        assert np.mean(off > 0.51) < 0.02
        assert off.max() <= 255 / 32 * 2 + 0.51


@pytest.mark.parametrize("border", ["replicate", "black"])
def test_images_too_large_for_opencv_are_cut_alike(monkeypatch, border):
    image = noise(150, 170)
    regions = region(20, 140, 160, rotation=0.7)
    small = cut(image, regions, SIZE, border)
    monkeypatch.setattr(rotated, "SIDE_LIMIT", 100)
    np.testing.assert_array_equal(cut(image, regions, SIZE, border), small)


def test_far_and_empty_regions_end_in_a_crop():
    image = noise(40, 40)
    for odd in (region(1e9, -1e9, 1e8, rotation=1.0), region(20, 20, 1e-3), region(20, 20, 1e7, rotation=-1.0)):
        assert cut(image, odd, (64, 64)).shape == (1, 64, 64, 3)
    assert cut(image, region(1e9, 20, 30), (8, 8), "black").max() == 0


def test_views_are_cut_as_their_copies_are():
    image = noise(80, 90)
    view = image[:, ::-1]
    found = cut(view, region(30, 40, 50, rotation=0.2))
    np.testing.assert_array_equal(found, cut(np.ascontiguousarray(view), region(30, 40, 50, rotation=0.2)))


def test_no_region_gives_no_crop():
    none = np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0)
    assert cut(noise(5, 5), none).shape == (0, 192, 192, 3)
    assert Rotated(SIZE).to_image(np.zeros((0, 468, 2)), *none).shape == (0, 468, 2)
    assert Rotated(SIZE).regions(np.zeros((0, 4)))[0].shape == (0, 2)


@pytest.mark.parametrize(("width", "height"), [(640, 480), (300, 500), (96, 96), (1, 1)])
def test_a_letterbox_shows_all_of_an_image(width, height):
    side = max(width, height)
    edges = Rotated((128, 128)).to_image(np.array([[[0, 0], [128, 128]]]), *letterbox(width, height))[0]
    np.testing.assert_allclose(
        edges, [[(width - side) / 2, (height - side) / 2], [(width + side) / 2, (height + side) / 2]]
    )
