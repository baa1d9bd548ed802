"""Reading and writing of videos: times, rates, damaged files, and nothing half written."""

import json
import os
import sys
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from facelandmarks.errors import InvalidImageError, InvalidOptionError, MissingVideoError, VideoError
from facelandmarks.video import Frame, TruncatedVideoWarning, Video, VideoWriter, as_frames, read_video
from facelandmarks.video.write import LinesWriter


def grey(value, size=(64, 48)):
    return np.full((size[1], size[0], 3), value, np.uint8)


def write(path, times, rate, values=None, size=(64, 48)):
    writer = VideoWriter(path, rate, *size)
    for time, value in zip(times, values or range(40, 40 + 10 * len(times), 10), strict=True):
        writer.write(grey(value, size), time)
    writer.close()
    writer.keep()
    return writer


def properties(path):
    capture = cv2.VideoCapture(str(path))
    found = capture.get(cv2.CAP_PROP_FPS), int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    capture.release()
    return found


@pytest.mark.parametrize("rate", [30000 / 1001, 24000 / 1001, 25, 60, 12.5])
@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv"])
def test_rates_are_kept(tmp_path, rate, suffix):
    path = tmp_path / f"clip{suffix}"
    write(path, np.arange(9) / rate, rate)
    assert properties(path)[0] == pytest.approx(rate, abs=2e-3)
    assert len(list(read_video(path))) == 9


def test_times_come_from_the_file(shared):
    frames = list(read_video(shared / "data" / "clips" / "crossing.mp4"))
    np.testing.assert_allclose([f.time for f in frames], np.arange(90) * 1001 / 30000, atol=1e-6)
    assert [f.index for f in frames] == list(range(90))


def test_uneven_times_come_from_the_file(shared):
    frames = list(read_video(shared / "data" / "clips" / "odd_rotate90_tag.mp4"))
    assert frames[0].image.shape == (320, 240, 3)  # turned as the file says
    np.testing.assert_allclose([f.time for f in frames], [*np.arange(9) / 30, 0.4], atol=1e-6)


def test_colours_are_rgb(tmp_path):
    writer = VideoWriter(tmp_path / "red.mp4", 30, 64, 48)
    writer.write(np.tile(np.array([220, 20, 20], np.uint8), (48, 64, 1)), 0.0)
    writer.close()
    writer.keep()
    assert np.abs(next(read_video(tmp_path / "red.mp4")).image.mean((0, 1)) - [220, 20, 20]).max() < 8


def test_frames_are_held_until_the_next_is_due(tmp_path):
    path = tmp_path / "clip.mp4"
    writer = write(path, [0, 0.1, 0.4, 0.5], 10, [40, 90, 140, 190])
    assert writer.written == 6
    shown = [round(float(f.image.mean()) / 50 - 0.8) for f in read_video(path)]
    assert shown == [0, 1, 1, 1, 2, 3]


def test_frames_that_come_in_bursts_are_all_there_and_later_ones_are_in_time(tmp_path):
    writer = write(tmp_path / "clip.mp4", [0, 0.01, 0.02, 0.03, 1.0], 10)
    assert writer.written == 11


def test_a_mad_time_does_not_fill_the_disk(tmp_path):
    assert write(tmp_path / "clip.mp4", [0, 1e6, 1e6 + 0.5], 2).written == 3 + 120


def test_frames_of_another_size_are_fitted(tmp_path):
    writer = VideoWriter(tmp_path / "clip.mp4", 30, 64, 48)
    writer.write(grey(100, (128, 96)), 0.0)
    writer.close()
    writer.keep()
    assert next(read_video(tmp_path / "clip.mp4")).image.shape == (48, 64, 3)


@pytest.mark.parametrize(("name", "why"), [("clip.xyz", "clip.xyz: .*.mp4, .m4v"), ("no/clip.mp4", "No such file")])
def test_a_writer_that_cannot_open_says_so_at_once(tmp_path, name, why):
    with pytest.raises(VideoError, match=why):
        VideoWriter(tmp_path / name, 30, 64, 48)
    assert not list(tmp_path.iterdir())


def test_names_that_are_no_utf8_are_refused(tmp_path):
    path = tmp_path / os.fsdecode(b"a\xff.mp4")
    with pytest.raises(VideoError, match="is not UTF-8"):
        VideoWriter(path, 30, 64, 48)
    (tmp_path / "link.mp4").symlink_to(path)
    with pytest.raises(VideoError, match="is not UTF-8"):
        VideoWriter(tmp_path / "link.mp4", 30, 64, 48)
    assert [file.name for file in tmp_path.iterdir()] == ["link.mp4"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_videos_whose_names_are_no_utf8_are_refused(tmp_path):
    path = tmp_path / os.fsdecode(b"a\xff.mp4")
    path.write_bytes(b"x")
    with pytest.raises(VideoError, match="is not UTF-8"):
        Video(path)


def test_the_file_of_a_link_is_written_and_nothing_but_a_file_replaced(tmp_path):
    (tmp_path / "clip.mp4").symlink_to(tmp_path / "movie")
    write(tmp_path / "clip.mp4", [0, 0.1], 10)
    assert (tmp_path / "clip.mp4").is_symlink()
    assert len(list(read_video(tmp_path / "movie"))) == 2
    os.mkfifo(tmp_path / "pipe.mp4")
    for path in (tmp_path / "pipe.mp4", tmp_path):
        with pytest.raises(VideoError, match="it is not a plain file"):
            LinesWriter(path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["clip.mp4", "movie", "pipe.mp4"]


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
@pytest.mark.parametrize(("rate", "side"), [(25, 1), (1e-9, 64), (25, 2**31 - 1)])
def test_a_writer_that_opencv_refuses_says_so_at_once(tmp_path, suffix, rate, side):
    with pytest.raises(VideoError, match=f"{side} x {side}"):
        VideoWriter(tmp_path / f"clip{suffix}", rate, side, side)
    assert not list(tmp_path.iterdir())


def test_an_error_of_opencv_leaves_no_file(tmp_path, monkeypatch):
    class Failing:
        fourcc = cv2.VideoWriter.fourcc
        isOpened = release = lambda _: False  # noqa: N815

        def open(self, *_):
            raise cv2.error("no")

    monkeypatch.setattr(cv2, "VideoWriter", Failing)
    with pytest.raises(VideoError, match="no writer for 64 x 48"):
        VideoWriter(tmp_path / "clip.mp4", 25, 64, 48)
    assert not list(tmp_path.iterdir())


NO_RATES = [np.inf, np.nan, 0, -25, "25", None, 10**400]


@pytest.mark.parametrize("rate", [*NO_RATES, 66000])
def test_a_writer_needs_a_rate(tmp_path, rate):
    with pytest.raises(InvalidOptionError, match="rate must be frames per second, above 0 and at most 1000; got"):
        VideoWriter(tmp_path / "clip.mp4", rate, 64, 48)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("side", [511.5, "64", None, 0, -64, np.nan, 2**40])
@pytest.mark.parametrize("turned", [False, True])
def test_a_writer_needs_whole_pixels(tmp_path, side, turned):
    with pytest.raises(InvalidOptionError, match=r"width and height must be .* pixels; got"):
        VideoWriter(tmp_path / "clip.avi", 25, *((48, side) if turned else (side, 48)))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "image", [grey(100) / 255, grey(100)[..., 0], grey(100)[:9], np.full((48, 64, 4), 100, np.uint8)]
)
def test_any_image_is_written(tmp_path, image):
    writer = VideoWriter(tmp_path / "clip.mp4", np.float32(25), np.int64(64), np.int64(48))
    writer.write(image, np.float32(0))
    writer.close()
    writer.keep()
    assert abs(next(read_video(tmp_path / "clip.mp4")).image.mean() - 100) < 8


@pytest.mark.parametrize(
    ("image", "time", "error", "why"),
    [
        (grey(9).astype(float), 0.0, InvalidImageError, "floats must lie in 0..1"),
        (grey(9)[..., :2], 0.0, InvalidImageError, "1, 3 or 4 channels"),
        (None, 0.0, InvalidImageError, "cannot read an image"),
        *((grey(9), time, InvalidOptionError, "time must be") for time in (np.nan, np.inf, 1e300, "1", None)),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path, image, time, error, why):
    writer = VideoWriter(tmp_path / "clip.mp4", 25, 64, 48)
    writer.write(grey(9), 0.0)
    with pytest.raises(error, match=why):
        writer.write(image, time)
    assert writer.written == 1
    writer.discard()


def test_nothing_has_its_name_before_it_is_whole(tmp_path):
    writer, lines = VideoWriter(tmp_path / "clip.mp4", 30, 64, 48), LinesWriter(tmp_path / "clip.jsonl")
    writer.write(grey(1), 0.0)
    lines.write(json.dumps({}))
    assert not (tmp_path / "clip.mp4").exists()
    assert not (tmp_path / "clip.jsonl").exists()
    writer.discard()
    lines.discard()
    assert not list(tmp_path.iterdir())


def test_a_file_that_lost_frames_is_an_error(tmp_path):
    writer = VideoWriter(tmp_path / "clip.mp4", 30, 64, 48)
    writer.write(grey(1), 0.0)
    writer.written += 1  # as if the disk had been full
    with pytest.raises(VideoError, match="1 of 2 frames"):
        writer.close()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("bad_empty.mp4", "is empty"),
        ("bad_text.mp4", "bad_text.mp4: .* not a video"),
        ("none.mp4", "no such file: .*none.mp4"),
    ],
)
def test_what_is_no_video_is_refused_before_the_first_frame(shared, name, why):
    with pytest.raises(VideoError, match=why):
        read_video(shared / "data" / "clips" / name)


@pytest.mark.parametrize("before", [b"", b"ID3\x04\0\0\0\0\x10\0" + bytes(2048)], ids=["bare", "after a tag"])
@pytest.mark.parametrize("suffix", [".mp4", ".m3u8"])
@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{other}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile other.mp4\n",
    ],
    ids=["m3u8", "ffconcat"],
)
def test_a_list_of_other_files_is_no_video(tmp_path, text, suffix, before):
    other = tmp_path / "other.mp4"
    write(other, np.arange(3) / 25, 25)
    path = tmp_path / f"list{suffix}"
    path.write_bytes(before + text.format(other=other).encode())
    with pytest.raises(VideoError, match=f"list{suffix} is a list"):
        Video(path)


def test_a_cut_file_gives_its_frames_and_a_warning(shared):
    with pytest.warns(TruncatedVideoWarning, match="16 of 90 frames"):
        assert len(list(read_video(shared / "data" / "clips" / "bad_truncated.mp4"))) == 16


def test_plain_images_are_frames():
    frames = list(as_frames([grey(1), grey(2)], 25))
    assert [(f.index, f.time) for f in frames] == [(0, 0.0), (1, 0.04)]
    assert isinstance(frames[0], Frame)
    for rate in (Fraction(25), np.float32(25)):
        assert [(type(frame.time), frame.time) for frame in as_frames([grey(1), grey(2)], rate)][1] == (float, 0.04)


@pytest.mark.parametrize("rate", NO_RATES)
def test_plain_images_need_a_rate(rate):
    with pytest.raises(InvalidOptionError, match="rate must be a positive number of frames per second; got"):
        as_frames([], rate)


@pytest.mark.parametrize("images", ["clip.mp4", Path("clip.mp4"), grey(1), None])
def test_one_image_is_no_list(images):
    with pytest.raises(InvalidOptionError, match="several images belong here"):
        as_frames(images, 25)


@pytest.mark.parametrize("source", [-1, np.int64(-1), True, 2**40, 10**400, 2.5, np.nan, None, b"clip.mp4"])
def test_what_is_neither_a_path_nor_a_camera_is_refused(source):
    with pytest.raises(VideoError, match=r"path of a file, or the number of a camera from 0; got"):
        Video(source)


def test_a_name_that_is_too_long_is_none():
    with pytest.raises(MissingVideoError, match="no such file: xxx"):
        Video("x" * 5000)


class StandingClock:
    """A stream whose times do not go on."""

    shown = 0.0  # ms

    def __init__(self, source):
        self.left = 3

    def isOpened(self):  # noqa: N802
        return True

    def get(self, what):
        known = {cv2.CAP_PROP_FPS: 25.0, cv2.CAP_PROP_FRAME_COUNT: 3.0, cv2.CAP_PROP_POS_MSEC: self.shown}
        return known.get(what, 0.0)

    def set(self, *_):
        return True

    def grab(self):
        self.left -= 1
        return self.left >= 0

    def retrieve(self):
        return True, grey(5)

    def release(self):
        self.left = 0


@pytest.mark.parametrize("shown", [0.0, -7.7e15, np.inf, np.nan])  # the second in a damaged file, by OpenCV 4.8
def test_times_that_stand_still_or_are_none_go_on_by_the_rate(tmp_path, monkeypatch, shown):
    monkeypatch.setattr(StandingClock, "shown", shown)
    monkeypatch.setattr(cv2, "VideoCapture", StandingClock)
    (tmp_path / "clip.mp4").write_bytes(b"x")
    assert [f.time for f in Video(tmp_path / "clip.mp4")] == [0.0, 0.04, 0.08]


def test_a_camera_has_the_time_of_the_clock(monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", StandingClock)
    camera = Video(np.int64(0))
    assert (camera.live, camera.info.count, camera.name) == (True, None, "camera 0")
    times = [f.time for f in camera]
    assert len(times) == 3
    assert times == sorted(times)
    assert times[-1] < 30
