"""Which files are called cut: those that their container says are, and no whole one."""

import struct

import cv2
import numpy as np
import pytest

from facelandmarks.video import TruncatedVideoWarning, VideoWriter, read_video
from facelandmarks.video.frames import read_container

FRAMES = 40


@pytest.fixture
def clip(tmp_path):
    """Write a clip of noise, which compresses badly, and return its path."""

    def write(suffix):
        path = tmp_path / f"clip{suffix}"
        writer = VideoWriter(path, 25, 160, 120)
        noise = np.random.default_rng(0).integers(0, 256, (FRAMES, 120, 160, 3), dtype=np.uint8)
        for index, image in enumerate(noise):
            writer.write(image, index / 25)
        writer.close()
        writer.keep()
        return path

    return write


def count(path):
    """Read all frames: a warning is an error here."""
    return len(list(read_video(path)))


def patched(path, mark, after, old, new):
    """Replace a field that stands some bytes after a mark."""
    data = bytearray(path.read_bytes())
    place = data.index(mark) + after
    assert struct.unpack_from(old[0], data, place)[0] == pytest.approx(old[1], rel=0.05)
    struct.pack_into(old[0], data, place, new)
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["audio_longer.mkv", "audio_longer.mp4", "screenrec_vfr.webm"])
def test_whole_files_of_others_are_whole(shared, name):
    assert count(shared / "data" / "cases" / name) == 20


def test_a_duration_that_is_longer_than_the_frames_is_no_damage(clip):
    path = clip(".mkv")
    patched(path, b"\x44\x89\x88", 3, (">d", 1000 * FRAMES / 25), 4000.0)
    assert cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FRAME_COUNT) == pytest.approx(100)  # what OpenCV makes of it
    assert count(path) == FRAMES


def test_frames_that_were_dropped_are_no_damage(clip):
    path = clip(".avi")
    patched(path, b"strh", 8 + 32, ("<I", FRAMES), 10 * FRAMES)
    assert count(path) == FRAMES


def test_a_clip_that_was_trimmed_by_an_edit_list_is_whole(shared, tmp_path):
    path = tmp_path / "trimmed.mp4"
    path.write_bytes((shared / "data" / "clips" / "crossing.mp4").read_bytes())
    patched(path, b"elst", 12, (">I", 3003), 3003 // 2)
    assert count(path) == 45


def test_a_live_stream_of_open_size_is_whole(clip):
    path = clip(".mkv")
    data = bytearray(path.read_bytes())
    place = data.index(b"\x18\x53\x80\x67") + 4
    data[place : place + 8] = b"\x01" + 7 * b"\xff"
    path.write_bytes(data)
    assert count(path) == FRAMES


def test_odd_bytes_after_the_end_are_no_damage(clip):
    for suffix in (".mp4", ".avi", ".mkv"):
        path = clip(suffix)
        path.write_bytes(path.read_bytes() + b"SEFT trailer")
        assert count(path) == FRAMES


@pytest.mark.parametrize("suffix", [".mkv", ".avi"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_cut_file_is_called_so(clip, suffix, share):
    path = clip(suffix)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.warns(TruncatedVideoWarning, match=r"breaks off after \d+ frames: the file is cut or damaged"):
        assert 0 < count(path) < FRAMES


def test_frames_that_a_container_stores_are_counted(shared, tmp_path):
    stored = read_container(shared / "data" / "clips" / "bad_truncated.mp4")
    assert (stored.frames, stored.cut) == (90, True)


@pytest.mark.parametrize(
    "start", [b"\0\0\0\x20ftypisom", b"RIFF\x10\0\0\0AVI ", b"\x1a\x45\xdf\xa3", b"\0\0\0\x08ftyp" * 9]
)
@pytest.mark.parametrize("rest", [b"", b"\xff" * 40, b"\0" * 40, b"\0\0\0\x10moov\0\0\0\x08trak" * 99])
def test_damaged_headers_are_read_without_an_error(tmp_path, start, rest):
    (tmp_path / "clip").write_bytes(start + rest)
    assert read_container(tmp_path / "clip").frames is None
