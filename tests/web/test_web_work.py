"""What the demo page does, without Gradio: landmarks, tables, files, and nothing left behind."""

import json
import os
import time

import cv2
import numpy as np
import pytest
import skimage.data

import facelandmarks as fl
from facelandmarks.video import VideoWriter
from facelandmarks.web import work
from facelandmarks.zoo import DEFAULT_MODEL

USUAL = ["boxes", "lines"]


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.jpg"
    cv2.imwrite(str(path), skimage.data.astronaut()[..., ::-1])
    return path


@pytest.fixture
def clip(tmp_path):
    """A second of a video: the face moves to the left."""
    path = tmp_path / "clip.mp4"
    writer = VideoWriter(path, 10, 256, 256)
    for index in range(10):
        left = 90 + 2 * index
        writer.write(np.ascontiguousarray(skimage.data.astronaut()[20:276, left : left + 256]), index / 10)
    writer.close()
    writer.keep()
    return path


def test_models_are_those_whose_faces_a_detector_finds():
    names = work.face_models()
    assert {DEFAULT_MODEL, "hrnetv2_w18_wflw_dark"} <= set(names) <= set(fl.list_models())
    assert "hrnet_w48_deepfashion_full_udp" not in names  # clothes
    built_in = work.face_models(built_in=True)
    assert {DEFAULT_MODEL} <= set(built_in) < set(names)
    labels = {name: label for label, name in work.model_choices(names)}
    assert labels[DEFAULT_MODEL] == f"{DEFAULT_MODEL} · 68 points · built in"
    assert labels["hrnetv2_w18_wflw_dark"].endswith("98 points · fetched at first use")


def test_a_photo_gives_the_landmarks_of_predict(photo, tmp_path):
    (answer,) = work.find_landmarks(photo, [DEFAULT_MODEL], "compact", USUAL)
    expected = fl.load_model().predict(photo, detector="compact")
    assert answer.faces.to_dict() == expected.to_dict()
    assert (answer.drawing == expected.draw(photo)).all()
    assert work.summary(answer).startswith(f"{DEFAULT_MODEL}: 1 face found by compact; ")
    assert f"expected error {expected.expected_error.mean():.1f} px" in work.summary(answer)

    (face,) = work.table_of_faces([answer])
    assert len(face) == len(work.FACES_HEAD)
    assert face[:3] == [DEFAULT_MODEL, 1, ", ".join(f"{value:.0f}" for value in expected.boxes[0])]
    assert face[-1] == f"{expected.doubtful.sum()} of 68"
    points = work.table_of_points([answer])
    assert [len(row) for row in points] == [len(work.POINTS_HEAD)] * 68
    assert [float(value) for value in points[30][4:6]] == pytest.approx(expected.points[0, 30], abs=0.006)

    path = work.write_answers(photo, [answer], tmp_path)
    assert path.name == "photo_landmarks.json"
    written = json.loads(path.read_text())
    assert written["images"][0]["faces"] == json.loads(expected.to_json())["faces"]
    assert str(tmp_path) not in path.read_text()  # where the server keeps uploads is nobody's business


def test_two_models_give_two_answers(photo, tmp_path):
    answers = work.find_landmarks(photo, ["compact_300w", "tiny_300w"], "compact", [])
    assert [answer.model for answer in answers] == ["compact_300w", "tiny_300w"]
    assert not (answers[0].faces.points == answers[1].faces.points).all()
    assert len(work.table_of_faces(answers)) == 2
    written = json.loads(work.write_answers(photo, answers, tmp_path).read_text())
    assert [record["model"] for record in written["images"]] == ["compact_300w", "tiny_300w"]


def test_each_drawing_option_changes_the_drawing(photo):
    chosen = ([], *([each] for each in work.DRAWN))
    drawings = [work.find_landmarks(photo, [DEFAULT_MODEL], "compact", each)[0].drawing for each in chosen]
    assert len({drawing.tobytes() for drawing in drawings}) == len(work.DRAWN) + 1


def test_an_image_without_faces_has_empty_tables(tmp_path):
    path = tmp_path / "grey.png"
    cv2.imwrite(str(path), np.full((80, 80, 3), 128, np.uint8))
    answers = work.find_landmarks(path, [DEFAULT_MODEL], "compact", USUAL)
    assert "no face" in work.summary(answers[0])
    assert work.table_of_faces(answers) == work.table_of_points(answers) == []


def test_a_model_that_does_not_tell_its_error_says_so(photo):
    faces = fl.load_model().predict(photo, detector="compact")
    silent = fl.Landmarks(**{**vars(faces), "expected_error": None})
    answer = work.Answer("other", silent, silent.draw(photo))
    assert "does not tell" in work.summary(answer)
    assert work.table_of_faces([answer])[0][-2:] == ["unknown", "unknown"]
    assert {row[-1] for row in work.table_of_points([answer])} == {"unknown"}


def test_what_is_no_image_or_not_here_is_refused(tmp_path, photo):
    wrong = tmp_path / "notes.jpg"
    wrong.write_text("no image")
    with pytest.raises(fl.InvalidImageError, match=r"notes\.jpg"):
        work.find_landmarks(wrong, [DEFAULT_MODEL], "compact", USUAL)
    with pytest.raises(fl.OfflineError):
        work.find_landmarks(photo, ["hrnetv2_w18_wflw_dark"], "compact", USUAL, offline=True)


def test_a_video_gives_a_film_for_browsers_and_lines(clip, tmp_path):
    seen = []
    text, drawn, lines = work.follow_faces(clip, DEFAULT_MODEL, "compact", tmp_path, progress=seen.append)
    assert text == f"{DEFAULT_MODEL}: 10 frames, 1 face, seen in 10 of them"
    assert seen == list(range(1, 11))
    assert drawn.read_bytes()[:4] == b"\x1aE\xdf\xa3"  # WebM
    capture = cv2.VideoCapture(str(drawn))
    assert int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) == 10
    records = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [len(record["faces"]) for record in records] == [1] * 10


def test_a_long_video_says_that_it_is_cut(clip, tmp_path, monkeypatch):
    monkeypatch.setattr(work, "MOST_FRAMES", 4)
    text, _, lines = work.follow_faces(clip, DEFAULT_MODEL, "compact", tmp_path)
    assert "only the first 4 frames were used" in text
    assert len(lines.read_text().splitlines()) == 4


def test_what_is_no_video_is_refused(photo, tmp_path):
    wrong = tmp_path / "notes.mp4"
    wrong.write_text("no video")
    with pytest.raises(fl.VideoError, match=r"notes\.mp4"):
        work.follow_faces(wrong, DEFAULT_MODEL, "compact", tmp_path)


def test_results_are_removed_when_they_are_old(tmp_path):
    old, new = work.new_place(tmp_path), work.new_place(tmp_path)
    (old / "photo_landmarks.json").write_text("{}")
    before = time.time() - work.KEPT - 1
    os.utime(old, (before, before))
    last = work.new_place(tmp_path)
    assert not old.exists()
    assert {path for path in tmp_path.iterdir() if path.name.startswith("result-")} == {new, last}
