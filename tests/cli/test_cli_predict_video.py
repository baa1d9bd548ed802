"""facelandmarks-predict of a video: files written, exit codes, bad input."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
from paths import ROOT

from facelandmarks import video
from facelandmarks.cli.predict import build_parser, main, module_for
from facelandmarks.video import VideoWriter, as_frames, read_video


@pytest.fixture
def clips(shared, tmp_path, monkeypatch):
    """The folder of the clips; the current one is empty."""
    monkeypatch.chdir(tmp_path)
    return shared / "data" / "clips"


def names():
    return sorted(path.name for path in Path.cwd().iterdir())


def test_drawn_video_and_lines(clips, capsys):
    assert main([str(clips / "crossing.mp4"), "--draw", "out.mp4", "--out", "clip.jsonl", "--frames", "6"]) == 0
    assert names() == ["clip.jsonl", "out.mp4"]
    assert "6 frames, 2 faces in 6 of them -> out.mp4, clip.jsonl" in capsys.readouterr().out
    capture = cv2.VideoCapture("out.mp4")
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(29.97, abs=1e-3)
    lines = [json.loads(line) for line in Path("clip.jsonl").read_text().splitlines()]
    assert [line["frame"] for line in lines] == list(range(6))
    assert lines[0]["schema"] == "facelandmarks-video/1"
    assert np.shape(lines[5]["faces"][1]["points"]) == (68, 2)


def test_without_options_two_files_appear_in_the_current_folder(clips):
    assert main([str(clips / "still_noise.mp4"), "--frames", "2", "--quiet"]) == 0
    assert names() == ["still_noise_landmarks.jsonl", "still_noise_landmarks.mp4"]


def test_lines_on_stdout(clips, capsys):
    assert main([str(clips / "still_noise.mp4"), "--out", "-", "--frames", "3", "--no-smoothing"]) == 0
    out, err = capsys.readouterr()
    assert [json.loads(line)["frame"] for line in out.splitlines()] == [0, 1, 2]
    assert "3 frames, 1 face in 3" in err
    assert not names()


def test_a_video_without_faces_is_done(clips, capsys):
    writer = VideoWriter("grey.mp4", 25, 64, 48)
    for frame in as_frames([np.full((48, 64, 3), 127, np.uint8)] * 3, 25):
        writer.write(frame.image, frame.time)
    writer.close()
    writer.keep()
    assert main(["grey.mp4", "--draw", "out.avi"]) == 0
    assert "3 frames, no face ->" in capsys.readouterr().out
    # Of this clip's faces none has a longer side of nine tenths of the image's.
    small = ["--min-face", "0.9", "--no-confirm", "--frames", "3", "--out", "small.jsonl"]
    assert main([str(clips / "still_noise.mp4"), *small]) == 0
    assert "3 frames, no face ->" in capsys.readouterr().out
    assert len(list(read_video("out.avi"))) == 3


def test_nothing_is_overwritten_without_force(clips, capsys):
    Path("clip.jsonl").write_text("mine")
    command = [str(clips / "still_noise.mp4"), "--out", "clip.jsonl", "--frames", "2"]
    assert main(command) == 2
    assert Path("clip.jsonl").read_text() == "mine"
    assert "--force" in capsys.readouterr().err
    assert main([*command, "--force"]) == 0
    assert Path("clip.jsonl").read_text().count("\n") == 2


def test_a_cut_video_gives_what_is_there_and_says_so(clips, capsys):
    assert main([str(clips / "bad_truncated.mp4"), "--out", "clip.jsonl"]) == 1
    assert Path("clip.jsonl").read_text().count("\n") == 16
    assert "error: " in (said := capsys.readouterr().err)
    assert "breaks off after 16 of 90 frames" in said


def test_other_warnings_are_warnings(clips, monkeypatch):
    opened = video.Video.__init__
    monkeypatch.setattr(video.Video, "__init__", lambda *args: warnings.warn("mind", stacklevel=1) or opened(*args))
    with pytest.warns(UserWarning, match="mind"):
        assert main([str(clips / "still_noise.mp4"), "--frames", "1", "--out", "clip.jsonl"]) == 0


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM")
def test_a_run_that_is_terminated_leaves_nothing(clips):
    command = [sys.executable, "-m", "facelandmarks", "predict", str(clips / "crossing.mp4"), "--draw", "out.mp4"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=env, text=True) as process:
        while not names() and process.poll() is None:
            time.sleep(0.01)
        process.terminate()
        assert process.stderr.read() == "error: interrupted\n"
    assert names() == []
    # 130, as every shell calls the second too: Python ends itself by the signal where code from a text was interrupted.
    assert process.returncode in (130, -signal.SIGINT)


@pytest.mark.parametrize("name", ["bad_empty.mp4", "bad_text.mp4", "none.mp4"])
def test_what_is_no_video_leaves_nothing(clips, capsys, name):
    assert main([str(clips / name), "--draw", "out.mp4", "--out", "clip.jsonl"]) == 4
    assert not names()
    assert name in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--draw", "out.gif"], "--draw out.gif: "),
        (["--draw", "no/out.mp4"], "no such folder: no"),
        (["--out", "clip.txt"], "--out clip.txt: "),
        (["--bbox", "1,2,3,4"], "--bbox and"),
        (["--json", "clip.json"], "and --json"),
        (["--rotations", "0,90"], "--rotations is"),
        (["other.mp4"], "got 2 inputs"),
    ],
)
def test_wrong_usage(clips, capsys, options, why):
    assert main([str(clips / "crossing.mp4"), *options]) == 2
    assert why in capsys.readouterr().err
    assert not names()


def test_an_input_is_never_an_output(clips, capsys):
    shutil.copy(clips / "crossing.mp4", "clip.mp4")
    assert main(["clip.mp4", "--draw", "clip.mp4", "--force"]) == 2
    assert "is an input" in capsys.readouterr().err


def test_a_camera_that_is_not_there_is_one_clear_line(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert main(["97", "--draw", "me.mp4"]) == 4
    out, err = capfd.readouterr()
    assert not out
    assert err.startswith("error: cannot open camera 97: is there a camera of that number")
    assert err.count("\n") == 1  # nothing of OpenCV's own
    assert not names()


@pytest.mark.parametrize("option", [["--frames", "0"], ["--detect-every", "x"], ["--keep-lost", "-1"]])
def test_numbers_are_checked(option, capsys):
    parser = build_parser()
    with pytest.raises(SystemExit):
        parser.parse_args(option)
    assert "expected a" in capsys.readouterr().err


def test_what_is_a_video(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kinds = {name: module_for(build_parser().parse_args([name])) for name in ("a.MP4", "0", "a.jpg", "12.png")}
    assert kinds == {"a.MP4": "video", "0": "video", "a.jpg": "predict", "12.png": "predict"}
    Path("0").touch()
    assert module_for(build_parser().parse_args(["0"])) == "predict"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--largest"], "--max-faces and --largest are for images"),
        (["--out", "a.jsonl", "--columns", "openface"], "written as .csv, with --columns openface"),
        (["--out", "-", "--columns", "openface"], "written as .csv, with --columns openface"),
        (["--out", "a.csv"], "written as .jsonl, one line per frame"),
    ],
)
def test_options_that_no_video_has_are_wrong_usage(clips, words, message, capsys):
    assert main([str(clips / "still_noise.mp4"), *words]) == 2
    assert message in capsys.readouterr().err
    assert not names()
