"""Drawings of faces: sizes that fit, styles, files and windows."""

import os
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import skimage.data

import facelandmarks as fl
from facelandmarks import draw
from facelandmarks.draw import Style
from facelandmarks.errors import DeviceError, InvalidImageError, InvalidOptionError, MissingDependencyError

BOX = np.array([180.0, 91.0, 264.0, 175.0])


@pytest.fixture(scope="module")
def astronaut():
    return skimage.data.astronaut()


@pytest.fixture(scope="module")
def faces(astronaut):
    return fl.predict(astronaut, BOX)


def changed(image, drawn):
    return (image != drawn).any(axis=2)


@pytest.mark.parametrize(("side", "most"), [(24, 0.4), (40, 0.25), (60, 0.15)])
def test_of_a_small_face_most_is_still_seen(astronaut, side, most):
    factor = side / 84
    image = cv2.resize(astronaut, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    box = BOX * factor
    drawn = fl.predict(image, box).draw(image, Style(boxes=False))
    x1, y1, x2, y2 = np.round(box).astype(int)
    inside = np.abs(drawn.astype(int) - image)[y1:y2, x1:x2].sum(axis=2) > 60
    assert 0.05 < inside.mean() < most  # 0.60, 0.35 and 0.23 where points have 0.8 pixels at least, and there are lines


def test_points_grow_with_the_face(astronaut, faces):
    large = cv2.resize(astronaut, None, fx=4, fy=4)
    points, boxes = faces.points * 4, faces.boxes * 4
    small = changed(astronaut, fl.draw.draw_landmarks(astronaut, faces.points, faces.boxes, faces.scheme)).sum()
    assert changed(large, fl.draw.draw_landmarks(large, points, boxes, faces.scheme)).sum() > 4 * small


def test_a_style_says_color_size_boxes_contours_and_indices(astronaut, faces):
    plain = changed(astronaut, faces.draw(astronaut))
    without_boxes = changed(astronaut, faces.draw(astronaut, Style(boxes=False)))
    assert without_boxes.sum() < plain.sum()
    assert not without_boxes[int(BOX[3]), 250:262].any()  # the lower edge of the box, beside the chin
    points_only = faces.draw(astronaut, Style(boxes=False, contours=False, color=(255, 0, 0), size=2.0))
    nose = faces.points[0, 30].round().astype(int)
    assert points_only[nose[1], nose[0]].tolist() == [255, 0, 0]
    larger = faces.draw(astronaut, Style(boxes=False, contours=False, size=4.0))
    assert changed(astronaut, larger).sum() > 1.8 * changed(astronaut, points_only).sum()
    numbered = faces.draw(astronaut, Style(boxes=False, indices=True))
    assert changed(astronaut, numbered).sum() > 1.3 * without_boxes.sum()
    green = faces.draw(astronaut, Style(color="#00ff00"))
    assert (np.abs(green.astype(int) - (0, 255, 0)).sum(axis=2) < 120).sum() > 50
    assert (faces.draw(astronaut, Style(color="red")) == faces.draw(astronaut, Style(color=(255, 0, 0)))).all()


@pytest.mark.parametrize("color", ["reddish", (1, 2), (1, 2, 256), (-1, 0, 0), (0.5, 0, 0), None, (1, 2, 3, 4)])
def test_a_color_that_is_none_is_refused(color):
    with pytest.raises(InvalidOptionError, match="a color is"):
        Style(color=color)


@pytest.mark.parametrize("size", [0, -1, float("nan"), float("inf"), "5"])
def test_a_size_that_is_none_is_refused(size):
    with pytest.raises(InvalidOptionError, match="size is a radius"):
        Style(size=size)


def test_points_far_outside_and_missing_ones_are_drawn_without_harm(astronaut, faces):
    points = faces.points.copy()
    points[0, 0], points[0, 1] = (1e9, -1e9), (3e38, 3e38)
    drawn = fl.draw.draw_landmarks(astronaut, points, faces.boxes, faces.scheme, Style(indices=True))
    assert drawn.shape == astronaut.shape


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("missing", [[8], [0, 16], [30, 37, 42, 47, 48, 59, 60], range(68)])
def test_what_is_missing_is_left_out_with_the_lines_to_it(astronaut, faces, missing, value):
    points, style = faces.points.copy(), Style(boxes=False, indices=True)
    points[0, missing, 1] = value
    drawn = replace(faces, points=points).draw(astronaut, style)
    where, whole = changed(astronaut, drawn), changed(astronaut, faces.draw(astronaut, style))
    assert where.sum() < whole.sum()
    assert where.any() == (len(missing) < 68)
    assert not (where & ~whole).any()


@pytest.mark.parametrize("box", [np.full(4, np.nan), [180, 91, np.inf, 175], BOX[[2, 3, 0, 1]], BOX[[0, 3, 2, 1]]])
def test_boxes_that_are_none_are_drawn_without_harm(astronaut, faces, box):
    odd = replace(faces, boxes=np.array([box], np.float32), expected_error=None)
    assert changed(astronaut, odd.draw(astronaut))[160:175, 200:240].any()  # the mouth and chin
    nothing = replace(odd, points=faces.points * np.nan).draw(astronaut, Style(boxes=False, indices=True))
    assert (nothing == astronaut).all()


def photo(folder, astronaut):
    path = folder / "photo.png"
    cv2.imwrite(str(path), astronaut[..., ::-1])
    return path


@pytest.mark.parametrize(("name", "start"), [("a.png", b"\x89PNG"), ("a.JPG", b"\xff\xd8\xff"), ("a.webp", b"RIFF"),
                                             ("a.bmp", b"BM"), ("a.tif", b"II*\x00")])  # fmt: skip
def test_saved_files_hold_what_their_suffix_says(tmp_path, astronaut, name, start):
    found = fl.predict(photo(tmp_path, astronaut))
    found.save(tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)
    read = cv2.imread(str(tmp_path / name))[..., ::-1]
    assert np.abs(read.astype(int) - found.draw()).mean() < 4  # JPEG


def test_a_file_is_read_again_from_any_folder(tmp_path, astronaut, monkeypatch):
    photo(tmp_path, astronaut)
    monkeypatch.chdir(tmp_path)
    for found in (fl.predict("photo.png"), fl.load_model().predict_batch(["photo.png"])[0]):
        assert found.source == str(tmp_path / "photo.png")
        monkeypatch.chdir("/")
        found[:1].save(tmp_path / "drawn.png")
        np.testing.assert_array_equal(found.draw(), found.draw(astronaut))
        monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.png").unlink()
    with pytest.raises(InvalidImageError, match=r"no such file: .*photo"):
        found.save(tmp_path / "other.png")
    assert not (tmp_path / "other.png").exists()


def test_what_was_no_file_must_be_given(tmp_path, astronaut, faces):
    assert faces.source is None
    with pytest.raises(InvalidOptionError, match="pass image="):
        faces.save(tmp_path / "a.png")
    faces.save(tmp_path / "a.png", astronaut)
    with pytest.raises(InvalidOptionError, match=r"a\.gif: images are written to files ending in \.png"):
        faces.save(tmp_path / "a.gif", astronaut)
    with pytest.raises(InvalidImageError, match="512 x 100 pixels, but the landmarks are of one with 512 x 512"):
        faces.save(tmp_path / "b.png", astronaut[:100])
    assert sorted(os.listdir(tmp_path)) == ["a.png"]  # noqa: PTH208


class Screen:
    """OpenCV's window functions, without a screen; `keys` are what somebody presses, one a call."""

    def __init__(self, keys):
        self.keys, self.shown, self.open = list(keys), [], False

    def install(self, monkeypatch):
        monkeypatch.setattr(draw, "check_windows", lambda: None)
        monkeypatch.setattr(cv2, "namedWindow", lambda *_: setattr(self, "open", True))
        monkeypatch.setattr(cv2, "destroyWindow", lambda *_: setattr(self, "open", False))
        monkeypatch.setattr(cv2, "resizeWindow", lambda _, width, height: setattr(self, "size", (width, height)))
        monkeypatch.setattr(cv2, "imshow", lambda _, image: self.shown.append(image))
        monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: float(self.open))
        monkeypatch.setattr(cv2, "waitKey", lambda _: self.press())
        return self

    def press(self):
        key = self.keys.pop(0)
        if key == "close":
            self.open = False
            return -1
        return key


def test_show_waits_for_a_key_or_the_closing_of_its_window(astronaut, faces, monkeypatch):
    for keys in ([-1, -1, ord("x")], [-1, "close"], [27], [ord("q")]):
        screen = Screen(keys).install(monkeypatch)
        faces.show(astronaut)
        assert not screen.keys
        assert not screen.open
        np.testing.assert_array_equal(screen.shown[0][..., ::-1], faces.draw(astronaut))


def test_a_window_says_when_it_is_to_end_and_fits_the_screen(monkeypatch):
    screen = Screen([-1, ord("x"), ord("q")]).install(monkeypatch)
    image = np.zeros((2000, 4000, 3), np.uint8)
    with draw.Window("t") as opened:
        assert [opened.show(image) for _ in range(3)] == [True, True, False]
    assert screen.size == (1280, 640)
    assert not screen.open


def test_a_notebook_shows_the_image_in_its_cell(astronaut, faces, monkeypatch):
    displayed = []
    shell = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=1))
    monkeypatch.setitem(sys.modules, "IPython", shell)
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=displayed.append))
    faces.show(astronaut)
    np.testing.assert_array_equal(np.asarray(displayed[0]), faces.draw(astronaut))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems always have a screen")
def test_no_screen_is_an_error_and_not_the_end_of_the_process(astronaut, faces, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(DeviceError, match="no screen"):
        faces.show(astronaut)
    free = next(number for number in range(90, 999) if not Path(f"/tmp/.X11-unix/X{number}").exists())
    monkeypatch.setenv("DISPLAY", f":{free}.0")
    with pytest.raises(DeviceError, match="no X server answers"):
        faces.show(astronaut)


def test_an_opencv_without_windows_is_a_missing_dependency(astronaut, faces, monkeypatch):
    monkeypatch.setattr(cv2, "currentUIFramework", lambda: "", raising=False)
    with pytest.raises(MissingDependencyError, match="opencv-python in place of opencv-python-headless"):
        faces.show(astronaut)
