"""Landmarks to text and back: JSON, CSV, .pts, COCO; and the key points of supervision."""

import json
import re
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from facelandmarks.errors import InvalidOptionError, MissingDependencyError, UnknownModelError
from facelandmarks.evaluation.datasets.files import read_pts
from facelandmarks.formats import CARRIED, to_coco
from facelandmarks.results import Landmarks
from facelandmarks.schemes import SCHEMES, get_scheme

PIXEL, SCORE = 5.1e-4, 5.1e-5  # half of the last digit that is written, and float32


def made(scheme, count, seed=0, detector="compact"):
    rng = np.random.default_rng(seed)
    layout = get_scheme(scheme)
    points = rng.uniform(-20, 900, (count, len(layout), 2)).astype(np.float32)
    return Landmarks(
        points,
        rng.uniform(0, 1, points.shape[:2]).astype(np.float32),
        np.concatenate([points.min(1), points.max(1)], 1),
        rng.uniform(0, 1, count).astype(np.float32),
        layout,
        (640, 480),
        detector,
    )


def assert_same(found, expected, scores=True):
    assert (found.scheme, found.image_size) == (expected.scheme, expected.image_size)
    assert found.points.dtype == found.scores.dtype == found.boxes.dtype == found.box_scores.dtype == np.float32
    np.testing.assert_allclose(found.points, expected.points, rtol=0, atol=PIXEL)
    np.testing.assert_allclose(found.boxes, expected.boxes, rtol=0, atol=2 * PIXEL)
    assert found.scores.shape == expected.scores.shape
    if scores:
        assert found.detector == expected.detector
        np.testing.assert_allclose(found.scores, expected.scores, rtol=0, atol=SCORE)
        np.testing.assert_allclose(found.box_scores, expected.box_scores, rtol=0, atol=SCORE)


def to_coco_twice(field):
    """A document whose second picture has the name or the number of the first."""
    document = json.loads(to_coco({"a.jpg": made("aflw19", 1).to_dict(), "b.jpg": made("aflw19", 0).to_dict()}))
    document["images"][1][field] = document["images"][0][field]
    return json.dumps(document)


WAYS = {
    "json": (Landmarks.to_json, Landmarks.from_json),
    "csv": (Landmarks.to_csv, Landmarks.from_csv),
    "coco": (lambda faces: faces.to_coco("a.jpg"), lambda text: Landmarks.from_coco(text)["a.jpg"]),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("count", [0, 1, 3])
def test_round_trip(way, scheme, count):
    write, read = WAYS[way]
    faces = made(scheme, count)
    text = write(faces)
    assert_same(read(text), faces)
    assert write(read(text)) == text


@pytest.mark.parametrize("way", WAYS)
def test_what_is_not_known_stays_unknown(way):
    write, read = WAYS[way]
    faces = made("ibug68", 2, detector=None)
    faces.scores[1] = np.nan
    faces.box_scores[0] = np.nan
    assert_same(read(write(faces)), faces)


def carrying(faces, **left_out):
    rng = np.random.default_rng(2)
    shape = faces.scores.shape
    carried = {
        "detector_points": rng.uniform(-9, 900, (len(faces), 5, 2)).astype(np.float32),
        "depth": rng.normal(0, 99, shape).astype(np.float32),
        "expected_error": rng.uniform(0, 9, shape).astype(np.float32),
    }
    return replace(faces, **{**carried, **left_out})


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("absent", [None, *CARRIED])
def test_carried_fields_come_back(way, absent):
    write, read = WAYS[way]
    faces = carrying(made("aflw19", 2), **({absent: None} if absent else {}))
    found = read(write(faces))
    assert_same(found, faces)
    for name in CARRIED:
        if name == absent:
            assert getattr(found, name) is None
        else:
            assert getattr(found, name).dtype == np.float32
            np.testing.assert_allclose(getattr(found, name), getattr(faces, name), rtol=0, atol=PIXEL)
    assert write(found) == write(faces)


def test_json_has_every_field_and_csv_only_columns_with_numbers():
    plain, full = made("aflw19", 1), carrying(made("aflw19", 1))
    (face,) = json.loads(plain.to_json())["faces"]
    assert list(face) == ["box", "box_score", "points", "scores", "detector_points", "depth", "expected_error"]
    assert [face[name] for name in CARRIED] == [None] * 3
    head = full.to_csv().splitlines()[0].split(",")
    assert head[: len(plain.to_csv().splitlines()[0].split(","))] == plain.to_csv().splitlines()[0].split(",")
    assert {"detector_x_0", "detector_y_4", "depth_0", "expected_error_18"} <= set(head)


def test_json_of_older_versions_is_read():
    record = made("aflw19", 2).to_dict()
    for face in record["faces"]:
        for name in CARRIED:
            del face[name]
    assert_same(Landmarks.from_json(json.dumps(record)), made("aflw19", 2))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("depth", [1.0]),
        ("depth", None),
        ("expected_error", ["x"] * 19),
        ("detector_points", [[0, 0]] * 4),
        ("depth", 3),
    ],
)
def test_carried_fields_of_another_shape_are_refused(name, value):
    record = carrying(made("aflw19", 2)).to_dict()
    record["faces"][1][name] = value
    with pytest.raises(InvalidOptionError):
        Landmarks.from_dict(record)


@given(arrays(np.float32, (1, 8, 2), elements=st.floats(-1e4, 1e4, width=32)))
def test_round_trip_of_any_points(points):
    faces = Landmarks(
        points,
        np.ones((1, 8), np.float32),
        np.array([[0, 0, 9, 9]], np.float32),
        np.ones(1, np.float32),
        get_scheme("deepfashion_full"),
        (20_000, 20_000),
    )
    for write, read in WAYS.values():
        np.testing.assert_allclose(read(write(faces)).points, points, rtol=1e-7, atol=PIXEL)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_pts_counts_from_one_and_comes_back(count):
    faces = made("ibug68", count)
    texts = faces.to_pts()
    found = Landmarks.from_pts(texts, "ibug68", faces.image_size)
    assert_same(found, faces, scores=False)
    assert np.isnan(found.scores).all()
    assert found.to_pts() == texts
    assert found.to_json()  # no NaN in it
    for text, face in zip(texts, faces, strict=True):
        lines = text.splitlines()
        assert lines[:3] == ["version: 1", "n_points: 68", "{"]
        assert lines[3] == f"{float(face.points[0, 0]) + 1:.3f} {float(face.points[0, 1]) + 1:.3f}"


def test_pts_is_what_the_readers_of_data_sets_take(tmp_path):
    faces = made("ibug68", 1)
    (tmp_path / "face.pts").write_text(faces.to_pts()[0])
    points, visible = read_pts(tmp_path / "face.pts")
    np.testing.assert_allclose(points - 1, faces.points[0], rtol=0, atol=PIXEL)
    assert visible.all()


def test_real_pts_files_are_read(shared):
    path = min((shared / "data" / "300w_test" / "lfpw" / "test").glob("*.pts"))
    found = Landmarks.from_pts([path.read_text()], "ibug68", (300, 300))
    np.testing.assert_allclose(found.points[0], read_pts(path)[0] - 1, rtol=0, atol=1e-4)


def test_coco_is_the_published_form():
    faces = {"a.jpg": made("ibug68", 2), "b/c.jpg": made("ibug68", 0), "d.jpg": made("ibug68", 1, seed=1)}
    document = json.loads(to_coco({name: found.to_dict() for name, found in faces.items()}))
    assert [image["id"] for image in document["images"]] == [1, 2, 3]
    assert [(a["id"], a["image_id"]) for a in document["annotations"]] == [(1, 1), (2, 1), (3, 3)]
    first, box = document["annotations"][0], faces["a.jpg"].boxes[0]
    np.testing.assert_allclose(first["bbox"], [*box[:2], *(box[2:] - box[:2])], atol=2 * PIXEL)
    assert len(first["keypoints"]) == 3 * first["num_keypoints"] == 3 * 68
    assert set(first["keypoints"][2::3]) == {2}
    (category,) = document["categories"]
    assert len(category["keypoints"]) == 68
    assert {point for line in category["skeleton"] for point in line} == set(range(1, 69))
    back = Landmarks.from_coco(json.dumps(document))
    assert list(back) == list(faces)
    for name, expected in faces.items():
        assert_same(back[name], expected)


def test_coco_of_others_has_no_scores_and_points_without_labels():
    document = json.loads(made("aflw19", 1).to_coco("a.jpg"))
    (annotation,) = document["annotations"]
    del annotation["score"], annotation["keypoint_scores"], document["images"][0]["detector"]
    annotation["keypoints"][3:6] = [0, 0, 0]
    found = Landmarks.from_coco(json.dumps(document))["a.jpg"]
    assert np.isnan(found.points[0, 1]).all()
    assert np.isfinite(np.delete(found.points[0], 1, 0)).all()
    assert np.isnan(found.scores).all()
    assert np.isnan(found.box_scores).all()


def test_coco_writes_points_that_are_missing_as_unlabelled():
    faces = made("aflw19", 2)
    faces.points[1, 3] = np.nan
    first, second = json.loads(faces.to_coco("a"))["annotations"]
    assert (first["num_keypoints"], second["num_keypoints"]) == (19, 18)
    assert second["keypoints"][9:12] == [0, 0, 0]
    assert_same(Landmarks.from_coco(faces.to_coco("a"))["a"], faces)
    with pytest.raises(InvalidOptionError, match="without a box"):
        replace(faces, boxes=faces.boxes * np.nan).to_coco("a")


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (Landmarks.from_json, "no"),
        (Landmarks.from_json, "[]"),
        (Landmarks.from_json, made("aflw19", 1).to_json().replace("aflw19", "ibug68")),
        (Landmarks.from_json, made("aflw19", 1).to_json().replace("aflw19", "nobody")),
        (Landmarks.from_json, made("aflw19", 1).to_json().replace('"scores"', '"other"')),
        (Landmarks.from_csv, ""),
        (Landmarks.from_csv, "a,b\n1,2\n"),
        (Landmarks.from_csv, made("aflw19", 1).to_csv().rsplit(",", 1)[0]),
        (Landmarks.from_csv, made("aflw19", 1).to_csv() + made("ibug68", 1).to_csv()),
        (Landmarks.from_csv, made("aflw19", 1).to_csv().replace("compact,0,", "compact,0,x")),
        (Landmarks.from_coco, "{}"),
        (Landmarks.from_coco, made("aflw19", 1).to_coco("a").replace("brow_left_0", "tail")),
        (Landmarks.from_coco, made("aflw19", 1).to_coco("a").replace('"image_id": 1', '"image_id": 7')),
    ],
)
def test_other_texts_are_refused(read, text):
    with pytest.raises(InvalidOptionError):
        read(text)


JSON, CSV, COCO = (made("aflw19", 1).to_json(), made("aflw19", 1).to_csv(), made("aflw19", 1).to_coco("a"))
FOUND_BY_FUZZING = {
    "nested": (Landmarks.from_json, "[" * 100_000),
    "nested COCO": (Landmarks.from_coco, "[" * 100_000),
    "digits": (Landmarks.from_json, JSON.replace("640", "9" * 5000)),
    "infinite size": (Landmarks.from_json, JSON.replace("640", "Infinity")),
    "no pixels": (Landmarks.from_json, JSON.replace("640", "0")),
    "half a pixel": (Landmarks.from_coco, COCO.replace("640", "640.5")),
    "size of text": (Landmarks.from_coco, COCO.replace("640", '"640"')),
    "huge size": (Landmarks.from_csv, CSV.replace("640", "2147483648")),
    "detector": (Landmarks.from_json, JSON.replace('"compact"', "7")),
    "infinite point": (Landmarks.from_json, re.sub(r'("points": \[\[)([^,]*)', r"\g<1>1e39", JSON)),
    "text for a number": (Landmarks.from_json, re.sub(r'("box": \[)([^,]*)', r'\1"\2"', JSON)),
    "infinite box": (Landmarks.from_json, re.sub(r'("box": \[)([^,]*)', r"\g<1>1e39", JSON)),
    "other shape": (Landmarks.from_json, re.sub(r'("box": )(\[.*?\])', r"\1[\2]", JSON)),
    "infinite cell": (Landmarks.from_csv, re.sub(r"compact,0,[^,]*", "compact,0,inf", CSV)),
    "more cells": (Landmarks.from_csv, CSV.rstrip("\n") + ",1\n"),
    "bare return": (Landmarks.from_csv, CSV.replace("aflw19", "aflw\r19")),
    "long cell": (Landmarks.from_csv, CSV.replace("aflw19", "x" * 140_000)),
    "two pictures of one name": (Landmarks.from_coco, to_coco_twice("file_name")),
    "two pictures of one number": (Landmarks.from_coco, to_coco_twice("id")),
}


@pytest.mark.parametrize(("read", "text"), FOUND_BY_FUZZING.values(), ids=FOUND_BY_FUZZING)
def test_what_was_found_by_fuzzing_is_refused(read, text):
    assert text not in (JSON, CSV, COCO)
    with pytest.raises(InvalidOptionError):
        read(text)


@pytest.mark.parametrize("number", ["inf", "1e39", "nan"])
def test_pts_without_a_finite_number_are_refused(number):
    (text,) = made("ibug68", 1).to_pts()
    with pytest.raises(InvalidOptionError):
        Landmarks.from_pts([re.sub(r"(?<=\{\n)\S+", number, text)], "ibug68", (9, 9))


def test_pts_of_endless_many_points_are_refused():
    with pytest.raises(InvalidOptionError):
        Landmarks.from_pts(["version: 1\nn_points: " + "9" * 5000 + "\n{\n}"], "ibug68", (9, 9))


@pytest.mark.parametrize(
    "change",
    [
        *(("{", ""), ("version: 1", ""), ("n_points: 68\n", ""), ("\n{\n", " { "), ("version", "\ufeffversion")),
        *(("version: 1", "Version : 1"), ("n_points: 68", "N_POINTS:68"), ("\n", "\r\n"), ("\n", "\r"), ("}", "}\n\n")),
    ],
)
def test_dialects_of_pts_are_read(change, tmp_path):
    """By both that read them: the results and the evaluation."""
    faces = made("ibug68", 1)
    text = faces.to_pts()[0].replace(*change)
    assert_same(Landmarks.from_pts([text], "ibug68", faces.image_size), faces, scores=False)
    (tmp_path / "face.pts").write_bytes(text.encode())
    points, visible = read_pts(tmp_path / "face.pts")
    np.testing.assert_allclose(points - 1, faces.points[0], atol=PIXEL)
    assert visible.all()


@pytest.mark.parametrize("between", ["\t", ", ", ",", "  ", " ; "])
def test_numbers_of_pts_may_have_other_things_between_them(between):
    faces = made("ibug68", 1)
    text = re.sub(r"(?<=\d) (?=[-\d])", between, faces.to_pts()[0])
    assert_same(Landmarks.from_pts([text], "ibug68", faces.image_size), faces, scores=False)


@pytest.mark.parametrize("name", ["p_BOM.pts", "p_CRLF.pts", "p_no_header.pts"])
def test_pts_of_others_are_read(shared, name):
    path = shared / "data" / "cases" / name
    found = Landmarks.from_pts([path.read_bytes().decode()], "ibug68", (400, 400))
    np.testing.assert_allclose(found.points[0, 0], [179.178, 101.875], atol=1e-3)
    np.testing.assert_allclose(found.points[0] + 1, read_pts(path)[0], atol=1e-4)


def test_texts_with_a_byte_order_mark_are_read():
    faces = made("ibug68", 2)
    for read, text in (
        (Landmarks.from_csv, faces.to_csv()),
        (Landmarks.from_csv, faces.to_csv().replace("\n", "\r\n")),
        (Landmarks.from_json, faces.to_json()),
        (lambda text: Landmarks.from_coco(text)["a.jpg"], faces.to_coco("a.jpg")),
    ):
        assert_same(read("\ufeff" + text), read(text))
        assert len(read("\ufeff" + text)) == 2


READERS = {
    "json": Landmarks.from_json,
    "csv": Landmarks.from_csv,
    "coco": lambda text: Landmarks.from_coco(text)["a.jpg"],
    "pts": lambda text: Landmarks.from_pts([text], "ibug68", (640, 480)),
}


@pytest.mark.parametrize("way", READERS)
def test_bytes_are_read_and_what_is_no_text_is_refused(way):
    faces, read = made("ibug68", 1), READERS[way]
    texts = {"json": faces.to_json(), "csv": faces.to_csv(), "coco": faces.to_coco("a.jpg"), "pts": faces.to_pts()[0]}
    for encoding in ("utf-8", "utf-8-sig"):
        assert_same(read(texts[way].encode(encoding)), faces, scores=way != "pts")
    for other in (None, 5, b"\xff\xfe\xff", ["a"]):
        with pytest.raises(InvalidOptionError):
            read(other)


@pytest.mark.parametrize("size", [(0, 0), (640, -1), (2**31, 9), "ab", (9.5, 9), (9,), (9, 9, 3), None, 9])
def test_sizes_that_cannot_be_are_refused(size):
    with pytest.raises(InvalidOptionError, match="an image"):
        Landmarks.from_pts(made("ibug68", 1).to_pts(), "ibug68", size)


@pytest.mark.parametrize("change", [("68", "67"), ("}", "1 2 }"), (".", "x."), ("version", "vision"), ("{", "[")])
def test_other_pts_files_are_refused(change):
    (text,) = made("ibug68", 1).to_pts()
    with pytest.raises(InvalidOptionError):
        Landmarks.from_pts([text.replace(*change, 1)], "ibug68", (9, 9))
    with pytest.raises(UnknownModelError):
        Landmarks.from_pts([text], "nobody", (9, 9))


def test_one_coco_document_holds_one_scheme():
    with pytest.raises(InvalidOptionError, match="one scheme"):
        to_coco({"a": made("ibug68", 1).to_dict(), "b": made("aflw19", 1).to_dict()})


def test_supervision_gets_points_scores_and_boxes():
    pytest.importorskip("supervision")
    faces = made("ibug68", 2)
    found = faces.to_supervision()
    assert len(found) == 2
    np.testing.assert_array_equal(found.xy, faces.points)
    np.testing.assert_array_equal(found.keypoint_confidence, faces.scores)
    np.testing.assert_array_equal(found.data["box"], faces.boxes)
    assert len(made("ibug68", 0).to_supervision()) == 0


def test_without_supervision_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(MissingDependencyError, match=r"facelandmarks-zoo\[supervision\]"):
        made("ibug68", 1).to_supervision()
