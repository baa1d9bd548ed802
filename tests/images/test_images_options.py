"""load_image: the limit of pixels, cut files that are asked for, several frames, and faces of turned pictures."""

import io

import cv2
import numpy as np
import pytest
from test_images import RGB, SMOOTH, UPRIGHT, chunk, encode, exif, png_with, refused

import facelandmarks as fl
from facelandmarks.errors import InvalidOptionError
from facelandmarks.images import load_image


def test_the_limit_may_stand_in_the_environment(monkeypatch):
    png = encode(".png")
    monkeypatch.setenv("FACELANDMARKS_MAX_PIXELS", "1535")
    refused(png, "48 x 32 pixels, more than max_pixels=1535")
    assert load_image(png, max_pixels=1536).shape == (32, 48, 3)
    monkeypatch.setenv("FACELANDMARKS_MAX_PIXELS", "")
    assert load_image(png).shape == (32, 48, 3)


@pytest.mark.parametrize("text", ["0", "-1", "many", "1e9", "9" * 5000])
def test_the_limit_of_the_environment_is_checked(monkeypatch, text):
    monkeypatch.setenv("FACELANDMARKS_MAX_PIXELS", text)
    with pytest.raises(InvalidOptionError, match="FACELANDMARKS_MAX_PIXELS must be a whole number"):
        load_image(RGB)


@pytest.mark.parametrize("limit", [0, -1, 1.5, "1000"])
def test_the_limit_that_is_given_is_checked(limit):
    with pytest.raises(InvalidOptionError, match="max_pixels must be a whole number"):
        load_image(RGB, max_pixels=limit)


def test_a_cut_jpeg_is_read_only_if_asked_for():
    whole = encode(".jpg", cv2.resize(SMOOTH, (480, 320)))
    cut = whole[: len(whole) * 2 // 3]
    refused(cut, "no end-of-image marker")
    part, full = load_image(cut, allow_truncated=True), load_image(whole)
    assert part.shape == full.shape
    np.testing.assert_array_equal(part[:160], full[:160])
    assert np.ptp(part[-8:]) == 0  # grey
    np.testing.assert_array_equal(load_image(whole, allow_truncated=True), full)
    refused(whole[:100], "cannot be", allow_truncated=True)
    refused(encode(".png")[:-100], "the file ends early", allow_truncated=True)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_log_says_that_there_are_more_frames(kind, caplog):
    image = pytest.importorskip("PIL.Image")
    one, two = (image.new("RGB", (8, 6), colour) for colour in ("red", "blue"))
    several, single = io.BytesIO(), io.BytesIO()
    one.save(several, kind, save_all=True, append_images=[two])
    one.save(single, kind)
    with caplog.at_level("INFO", logger="facelandmarks"):
        load_image(single.getvalue())
        assert caplog.messages == []
        load_image(several.getvalue())
    assert [message.partition(" has ")[2] for message in caplog.messages] == [
        "several frames or pages: the first is read"
    ]


# --- turned pictures ------------------------------------------------------------------------------------------------

STORED = {  # orientation -> how an upright picture is stored so that it is turned back
    **{orientation: UPRIGHT[orientation] for orientation in (1, 2, 3, 4, 5, 7)},
    6: UPRIGHT[8],
    8: UPRIGHT[6],
}


@pytest.fixture(scope="module")
def model():
    return fl.load_model()


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_every_orientation_gives_the_landmarks_of_the_upright_picture(orientation, model):
    data = pytest.importorskip("skimage.data")
    upright = data.astronaut()[::2, ::2]
    stored = encode(".png", np.ascontiguousarray(STORED[orientation](upright)))
    faces = model.predict(png_with(chunk(b"eXIf", exif(orientation)), png=stored))
    wanted = model.predict(upright)
    assert len(wanted) == 1
    assert faces.image_size == wanted.image_size
    np.testing.assert_array_equal(faces.points, wanted.points)


def test_the_jpegs_of_every_orientation(shared, model):
    """They were compressed after turning, so that points differ by the noise of JPEG."""
    folder = shared / "data" / "formats"
    box = (30, 40, 130, 160)
    wanted = model.predict(folder / "face_rgb.png", box).points
    for orientation in range(10):
        points = model.predict(folder / f"face_exif{orientation}.jpg", box).points
        assert np.abs(points - wanted).max() < 1.5, orientation  # px; the face is 100 px wide
