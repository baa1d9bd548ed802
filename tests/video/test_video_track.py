"""Faces of clips keep their numbers; what is made of a clip."""

import csv
import json
import signal
import subprocess
import sys
import threading
from itertools import islice

import cv2
import numpy as np
import pytest
import skimage.data
from video_clips import make_clip, photos

import facelandmarks as fl
from facelandmarks.detection import load_detector
from facelandmarks.detection.base import Detections
from facelandmarks.errors import (
    InvalidBoxError,
    InvalidImageError,
    InvalidOptionError,
    MissingDependencyError,
    VideoError,
)
from facelandmarks.video import (
    FaceSmoother,
    Frame,
    Smoothing,
    annotate,
    as_frames,
    draw_tracked,
    jitter,
    lag,
    read_video,
    track,
    tracker,
)
from facelandmarks.video.motion import Motion, assign


@pytest.fixture(scope="module")
def model():
    return fl.load_model(threads=1)


def rows_of(shared, name):
    with (shared / "data" / "clips" / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def people(frames, rows, visible=0.9):
    """By person: the numbers that the face nearest to the true nose had, over the frames in which it is to be seen."""
    by_frame = {frame.index: frame for frame in frames}
    numbers, missing = {}, 0
    for row in rows:
        if float(row["visible"]) < visible:
            continue
        frame = by_frame[int(row["frame"])]
        nose = np.array([float(row["nose_x"]), float(row["nose_y"])])
        off = np.linalg.norm(frame.faces.points.mean(1) - nose, axis=1)
        if off.min(initial=np.inf) > 20:
            missing += 1
        else:
            numbers.setdefault(row["id"], set()).add(int(frame.ids[off.argmin()]))
    return numbers, missing


@pytest.mark.parametrize(
    ("name", "numbers"), [("crossing", {"1": {1}, "2": {2}}), ("leave_return", {"1": {1}}), ("spin_zoom", {"1": {1}})]
)
def test_numbers_stay_with_their_faces(shared, model, name, numbers):
    clip = shared / "data" / "clips" / f"{name}.mp4"
    frames = list(track(read_video(clip), model))
    assert [frame.index for frame in frames] == list(range(len(frames)))
    found, missing = people(frames, rows_of(shared, name))
    assert found == numbers
    assert missing <= 1
    assert {int(number) for frame in frames for number in frame.ids} == set.union(*numbers.values())
    if name == "leave_return":
        assert [len(frame.ids) for frame in frames[30:60]] == [0] * 30


def test_jitter_of_a_still_face_is_a_third_and_less_and_a_moving_face_is_not_late(shared, model):
    def points(name):
        frames = islice(read_video(shared / "data" / "clips" / name), 40)
        found = list(track(frames, model, smoothing=None))
        off, smoother = [f.faces.points[0] for f in found], FaceSmoother(Smoothing())
        on = [smoother.smooth(f.faces.points[0], f.time) for f in found]
        return np.array(off), np.array(on), [f.time for f in found]

    off, on, _ = points("still_noise.mp4")
    assert jitter(off) > 3 * jitter(on)
    off, on, times = points("spin_zoom.mp4")
    assert 0 <= lag(on, off, times) < 40


def test_track_smooths_as_the_smoother_does(shared, model):
    clip = make_clip([(photos(shared)[0], lambda t: (160 + 20 * t, 120, 0.8))], np.arange(6) / 25)
    smoother, plain = FaceSmoother(Smoothing()), track(clip, model, smoothing=None)
    found = [(frame.faces.points[0], frame.time, frame.faces.expected_error[0]) for frame in plain]
    expected = [smoother.smooth(*face) for face in found]
    np.testing.assert_array_equal([frame.faces.points[0] for frame in track(clip, model)], expected)


def straight(x0, x1, y, seconds):
    return lambda t: (x0 + (x1 - x0) * t / seconds, y, 0.8)


def turning(x0, x1, y, seconds):
    return lambda t: (x0 + (x1 - x0) * np.sin(np.pi * t / seconds), y, 0.8)


UNEVEN = np.cumsum(np.random.default_rng(1).choice([1 / 60, 1 / 30, 1 / 15], 36))
CROSSINGS = {
    "fast": (straight, np.arange(30) / 30, 1),
    "12 frames a second": (straight, np.arange(24) / 12, 0),
    "uneven times": (straight, UNEVEN, 0),
    "they meet and turn back": (turning, np.arange(30) / 15, 0),
}


@pytest.mark.parametrize("case", CROSSINGS)
def test_crossings(shared, model, case):
    kind, times, front = CROSSINGS[case]
    far = (260, 60) if kind is straight else (165, 165)
    paths = [kind(60, far[0], 110, times[-1]), kind(260, far[1], 125, times[-1])]
    faces = list(zip(photos(shared), paths, strict=True))
    frames = list(track(make_clip(faces if not front else faces[::-1], times), model))

    def numbers(frame):
        """Of the first and of the second person; None where a face is not to be seen."""
        middles = frame.faces.points.mean(1)[:, 0]
        found = [np.abs(middles - path(frame.time)[0]) for path in paths]
        return [int(frame.ids[off.argmin()]) if off.min(initial=99) < 25 else None for off in found]

    assert sorted(numbers(frames[0])) == [1, 2]
    assert numbers(frames[-1]) == numbers(frames[0])
    assert any(len(frame.ids) == 1 for frame in frames)  # one was covered


def test_another_person_after_a_while_has_another_number(shared, model):
    first, second = photos(shared)
    stays = lambda start, end: lambda t: (160, 120, 0.8) if start <= t < end else None  # noqa: E731
    clip = make_clip([(first, stays(0, 0.5)), (second, stays(1.0, 1.6))], np.arange(16) / 10)
    found = [frame.ids.tolist() for frame in track(clip, model)]
    assert found[:5] == [[1]] * 5
    assert found[10:] == [[2]] * 6
    again = make_clip([(first, stays(0, 0.5)), (first, stays(1.0, 1.6))], np.arange(16) / 10)
    assert [frame.ids.tolist() for frame in track(again, model)][10:] == [[1]] * 6


def test_a_face_that_is_away_for_long_is_a_new_one(shared, model):
    photo = photos(shared)[0]
    clip = make_clip([(photo, lambda t: None if 0.5 < t < 1.5 else (160, 120, 0.8))], np.arange(20) / 10)
    assert [frame.ids.tolist() for frame in track(clip, model, keep_lost=0.5)][-1] == [2]


def test_faces_are_detected_only_now_and_then(shared, model):
    class Counting:
        name = "counting"
        calls = 0

        def __init__(self):
            self.detector = load_detector("compact")
            self.convention = self.detector.convention

        def detect(self, image, *, min_score=None):
            self.calls += 1
            return self.detector.detect(image, min_score=min_score)

    counting = Counting()
    clip = make_clip([(photos(shared)[0], lambda t: (160, 120, 0.8))], np.arange(40) / 20)
    frames = list(track(clip, model, detector=counting, detect_every=10))
    assert all(frame.ids.tolist() == [1] for frame in frames)
    assert counting.calls == 1 + 1 + 3  # at first, to confirm, and every tenth
    assert frames[0].faces.detector == "counting"
    assert frames[-1].faces.box_scores[0] > 0.5


class TakesCatsForFaces:
    name = convention = "compact"
    least = 0.0

    def detect(self, image, *, min_score=None, min_face=None):
        self.least = min_face
        low, side = np.float32([140, 60]), 130
        five = low + side * np.float32([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])
        return Detections(np.concatenate([low, low + side])[None], np.float32([0.5]), five[None])


@pytest.mark.parametrize(
    ("options", "faces"), [({}, 0), ({"confirm": False}, 1), ({"confirm": False, "min_face": 140}, 0)]
)
def test_what_the_landmarks_do_not_confirm_is_not_followed(model, options, faces):
    detector = TakesCatsForFaces()
    found = list(track([skimage.data.chelsea()] * 7, model, rate=25, detector=detector, **options))
    assert [len(frame.ids) for frame in found] == [faces] * 7
    assert detector.least == options.get("min_face")


def test_a_face_that_is_followed_speaks_for_a_new_one(shared, model, monkeypatch):
    asked = []

    def ask(faces, spec, beside):
        asked.append((len(faces), beside))
        return np.ones(len(faces), bool)

    monkeypatch.setattr(tracker, "confirmed", ask)
    first, second = photos(shared)[:2]
    paths = [(first, lambda t: (80, 120, 0.5)), (second, lambda t: (240, 120, 0.5) if t > 0.5 else None)]
    frames = list(track(make_clip(paths, np.arange(20) / 20), model))
    assert len(frames[-1].ids) == 2
    assert asked == [(1, False), (1, True)]


def test_a_video_of_one_frame_and_of_none(shared, model):
    clip = make_clip([(photos(shared)[0], lambda t: (160, 120, 0.8))], [0.0])
    assert [frame.ids.tolist() for frame in track(clip, model)] == [[1]]
    assert list(track([], model, rate=30)) == []


def test_frames_without_faces_stay(model):
    frames = list(track([np.full((60, 80, 3), 127, np.uint8)] * 4, model, rate=25))
    assert [(f.time, len(f.faces), f.faces.points.shape) for f in frames] == [
        (index / 25, 0, (0, 68, 2)) for index in range(4)
    ]
    assert draw_tracked(frames[0]).shape == (60, 80, 3)
    json.dumps(frames[0].to_dict(), allow_nan=False)


def test_wrong_arguments_are_refused(model):
    grey = np.full((60, 80, 3), 127, np.uint8)
    with pytest.raises(InvalidOptionError, match=r"track\(read_video\('clip.mp4'\), model\)"):
        track("clip.mp4", model)
    with pytest.raises(InvalidOptionError, match="rate="):
        list(track([grey], model))
    for time in (0.0, np.nan, np.inf, "1"):
        with pytest.raises(InvalidOptionError, match="frame 1 is at"):
            list(track([Frame(0, 0.0, grey), Frame(1, time, grey)], model))
    with pytest.raises(InvalidImageError, match="floats must lie in"):
        list(track([Frame(0, 0.0, grey.astype(float))], model))
    for images in (grey, grey[..., 0], b"clip.mp4", None):
        with pytest.raises(InvalidOptionError, match="several images belong here"):
            track(images, model, rate=25)
    assert not issubclass(InvalidOptionError, InvalidBoxError)


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("detect_every", (np.nan, np.inf, "2", None, 0, -1, 2.5, True, 10**30)),
        ("keep_lost", (np.nan, -np.inf, "2", None, -1, True)),
        ("smoothing", (True, False, "on", 0.5)),
        ("rate", (np.nan, np.inf, "25", 0, -1)),
    ],
)
def test_options_that_are_out_of_range_are_refused_at_once(model, option, values):
    for value in values:
        with pytest.raises(InvalidOptionError, match=f"{option} must be"):
            track([], model, **{option: value})


@pytest.mark.parametrize("most", [np.nan, np.inf, "2", 0, -1, 2.5, True, 10**30])
def test_a_number_of_frames_is_whole(model, tmp_path, most):
    with pytest.raises(InvalidOptionError, match="most_frames must be a whole number"):
        annotate(tmp_path / "none.mp4", model, most_frames=most)


def test_options_may_be_numbers_of_numpy(model):
    options = {"rate": np.float32(25), "detect_every": np.int64(2), "keep_lost": np.float32(1)}
    assert len(list(track(np.full((3, 60, 80, 3), 127, np.uint8), model, **options))) == 3
    assert list(track([], model, keep_lost=np.inf)) == []


def test_without_scipy_nothing_is_begun(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(MissingDependencyError, match=r"tracking faces needs scipy: .*facelandmarks-zoo\[video\]"):
        track([], model)


def test_as_many_pairs_as_can_be_are_found():
    costs = np.array([[0.1, 0.2], [0.15, 9.0]])
    assert assign(costs, 1.0) == [(0, 1), (1, 0)]
    assert assign(np.array([[2.0]]), 1.0) == []
    assert assign(np.zeros((0, 3)), 1.0) == []


@pytest.mark.parametrize("rate", [10, 30, 60])
def test_motion_foresees_a_steady_way(rate):
    def box(t):
        middle, half = np.array([100 + 60 * t, 50 - 20 * t]), np.array([20.0, 25.0])
        return np.concatenate([middle - half, middle + half])

    motion = Motion.at_rest(box(0), 0.0)
    for time in np.arange(1, 2 * rate) / rate:
        motion = motion.updated(box(time), time)
    np.testing.assert_allclose(motion.box(2.3), box(2.3), atol=0.5)
    # Longer than it may go on: there it stays.
    np.testing.assert_array_equal(motion.box(5.0), motion.box(9.0))


class Recording:
    """A model that notes which threads run it."""

    def __init__(self, model):
        self.model, self.spec, self.scheme = model, model.spec, model.scheme
        self.threads, self.detectors = set(), []

    def detector(self, name):
        self.detectors.append(name)
        return self.model.detector(name)

    def predict(self, *args, **options):
        self.threads.add(threading.get_ident())
        return self.model.predict(*args, **options)

    def regions_after(self, points):
        return self.model.regions_after(points)


def test_frames_are_read_ahead_and_the_network_has_a_thread_of_its_own(shared, model):
    readers, left = set(), []

    def frames():
        for frame in make_clip([(photos(shared)[0], lambda t: (160, 120, 0.8))], np.arange(6) / 25):
            readers.add(threading.get_ident())
            left.append(frame.index)
            yield frame

    recording = Recording(model)
    tracked = track(frames(), recording, detector="compact")
    assert next(tracked).ids.tolist() == [1]
    tracked.close()
    assert len(left) <= 4  # one held back, one in the network, one read ahead
    assert recording.detectors == ["compact"]  # the model's own
    assert len(readers) == len(recording.threads) == 1
    assert len(readers | recording.threads | {threading.get_ident()}) == 3
    assert not [thread for thread in threading.enumerate() if thread.ident in readers | recording.threads]


def test_an_error_comes_after_the_frames_before_it(shared, model):
    def frames():
        yield from make_clip([(photos(shared)[0], lambda t: (160, 120, 0.8))], np.arange(4) / 25)
        raise ZeroDivisionError

    tracked = track(frames(), model)
    assert [next(tracked).index for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(ZeroDivisionError):
        next(tracked)


class EndlessCamera:
    """A camera that shows a grey wall."""

    def __init__(self, source):
        self.known = {cv2.CAP_PROP_FPS: 25.0, cv2.CAP_PROP_FRAME_WIDTH: 80.0, cv2.CAP_PROP_FRAME_HEIGHT: 60.0}

    def isOpened(self):  # noqa: N802
        return True

    def get(self, what):
        return self.known.get(what, 0.0)

    def set(self, *_):
        return True

    def grab(self):
        return True

    def retrieve(self):
        return True, np.full((60, 80, 3), 127, np.uint8)

    def release(self):
        pass


def test_ctrl_c_ends_a_camera_and_keeps_the_file(model, tmp_path, monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", EndlessCamera)
    before = signal.getsignal(signal.SIGINT)
    press = lambda frame: signal.raise_signal(signal.SIGINT) if frame.index == 2 else None  # noqa: E731
    summary = annotate(0, model, out=tmp_path / "a.jsonl", progress=press)
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert [line["frame"] for line in lines] == list(range(summary.frames))
    assert 3 <= summary.frames <= 7
    assert signal.getsignal(signal.SIGINT) is before


def test_annotate_makes_both_files(shared, model, tmp_path):
    clip, draw, out = shared / "data" / "clips" / "crossing.mp4", tmp_path / "a.mp4", tmp_path / "a.jsonl"
    summary = annotate(clip, model, draw=draw, out=out, most_frames=12)
    assert (summary.frames, summary.with_faces, summary.ids) == (12, 12, (1, 2))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "a.mp4"]
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["frame"] for line in lines] == list(range(12))
    assert lines[3]["time"] == pytest.approx(3 * 1001 / 30000, abs=1e-6)
    assert [face["id"] for face in lines[3]["faces"]] == [1, 2]
    drawn, plain = list(read_video(draw)), list(read_video(clip))
    assert len(drawn) == 12
    # Around the points it is drawn upon, elsewhere not.
    x, y = np.round(lines[3]["faces"][0]["points"][30]).astype(int)
    change = np.abs(drawn[3].image.astype(int) - plain[3].image)
    assert change[y - 2 : y + 3, x - 2 : x + 3].max() > 60
    assert change[200:].mean() < 6


def test_annotate_writes_columns_of_openface(shared, model, tmp_path):
    clip, out, lines = shared / "data" / "clips" / "crossing.mp4", tmp_path / "a.csv", tmp_path / "a.jsonl"
    annotate(clip, model, out=out, columns="openface", most_frames=4)
    annotate(clip, model, out=lines, most_frames=4)
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    frames = [json.loads(line) for line in lines.read_text().splitlines()]
    wanted = [(frame["frame"] + 1, face["id"] - 1) for frame in frames for face in frame["faces"]]
    assert [(int(row["frame"]), int(row["face_id"])) for row in rows] == wanted
    assert [float(row["timestamp"]) for row in rows[::2]] == [round(frame["time"], 3) for frame in frames]
    assert float(rows[0]["y_30"]) == pytest.approx(frames[0]["faces"][0]["points"][30][1], abs=2e-3)
    with pytest.raises(InvalidOptionError, match="columns must be 'all' or 'openface'"):
        annotate(clip, model, out=tmp_path / "b.csv", columns="dlib")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "a.jsonl"]


def test_a_camera_is_shown_until_its_window_is_closed(model, tmp_path, monkeypatch):
    shown = []

    class Window:
        def __init__(self, title):
            shown.append(title)

        def show(self, image):
            shown.append(image)
            return len(shown) < 4  # the third frame is the last

        def __enter__(self):
            return self

        def __exit__(self, *_):
            shown.append("closed")

    monkeypatch.setattr(cv2, "VideoCapture", EndlessCamera)
    monkeypatch.setattr(sys.modules["facelandmarks.video.annotate"], "Window", Window)
    summary = annotate(0, model, show=True, out=tmp_path / "a.jsonl")
    assert (shown[0], shown[-1]) == ("camera 0", "closed")
    assert 3 <= summary.frames <= 7
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) == summary.frames
    assert shown[1].shape == (60, 80, 3)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_what_is_broken_off_leaves_nothing_and_keeps_what_was_there(shared, model, tmp_path, error):
    draw, out = tmp_path / "a.mp4", tmp_path / "a.jsonl"
    out.write_text("mine")

    def stop(frame):
        if frame.index == 2:
            raise error

    with pytest.raises(error):
        annotate(shared / "data" / "clips" / "still_noise.mp4", model, draw=draw, out=out, progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]
    assert out.read_text() == "mine"


def test_a_place_that_cannot_be_written_is_told_before_work(shared, model, tmp_path):
    seen = []
    for targets in (
        {"draw": tmp_path / "no" / "a.mp4"},
        {"draw": tmp_path / "a.mp4", "out": tmp_path / "no" / "a.jsonl"},
    ):
        with pytest.raises(VideoError, match="No such file"):
            annotate(shared / "data" / "clips" / "crossing.mp4", model, progress=seen.append, **targets)
    assert not seen
    assert not list(tmp_path.iterdir())


def test_a_video_is_not_replaced_by_what_is_made_of_it(model, tmp_path):
    clip, link = tmp_path / "clip.mp4", tmp_path / "link.mp4"
    clip.write_bytes(b"mine")
    link.symlink_to(clip)
    for targets in ({"draw": clip}, {"out": link}, {"draw": tmp_path / "b.mp4", "out": str(tmp_path / "b.mp4")}):
        with pytest.raises(InvalidOptionError, match="must be different files"):
            annotate(clip, model, **targets)
    assert clip.read_bytes() == b"mine"


def test_importing_loads_no_torch():
    code = "import sys, facelandmarks.video; print({'torch', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_plain_images_give_what_frames_give(shared, model):
    clip = make_clip([(photos(shared)[0], lambda t: (160, 120, 0.8))], np.arange(3) / 25)
    images = [frame.image for frame in clip]
    by_rate = [frame.faces.points for frame in track(images, model, rate=25)]
    by_frames = [frame.faces.points for frame in track(as_frames(images, 25), model)]
    np.testing.assert_array_equal(by_rate, by_frames)
