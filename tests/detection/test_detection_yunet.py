"""YuNet beside the built-in detector: its quirks, and when it is used."""

import csv
import socket
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import skimage.data

import facelandmarks as fl
from facelandmarks.cli.weights import main
from facelandmarks.detection import DETECTORS, YUNET_FILE, load_detector
from facelandmarks.detection.compact import LONG_SIDE
from facelandmarks.detection.yunet import YuNetDetector
from facelandmarks.errors import CheckpointError, ChecksumError, InvalidImageError, OfflineError, UnknownModelError

ASTRONAUT = [178.167, 62.908, 178.167 + 89.900, 62.908 + 113.332]  # measured with OpenCV 4.10 and 5.0


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache on a machine without network."""
    monkeypatch.setenv("FACELANDMARKS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FACELANDMARKS_OFFLINE", "1")
    return tmp_path / "cache"


@pytest.fixture
def file(shared):
    return shared / "data" / "detection" / "yunet" / YUNET_FILE


@pytest.fixture
def yunet(file):
    return YuNetDetector(file)


@pytest.fixture(scope="module")
def astronaut():
    return np.ascontiguousarray(skimage.data.astronaut())


def test_the_known_box(yunet, astronaut):
    before = astronaut.copy()
    found = yunet.detect(astronaut)
    boxes, scores = found.boxes, found.scores
    np.testing.assert_allclose(boxes, [ASTRONAUT], atol=0.01)
    np.testing.assert_allclose(scores, [0.932], atol=0.001)
    assert boxes.dtype == scores.dtype == np.float32
    assert np.array_equal(astronaut, before)
    assert (yunet.name, yunet.convention) == ("yunet", "yunet")


def test_the_recorded_detections_of_the_scenes(yunet, shared):
    """Boxes and scores that another program found at 0.3, in the first scenes; two OpenCV versions differ a little."""
    with (shared / "data" / "detection" / "scenes_yunet.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert {"x1", "y1", "x2", "y2", "score"} <= rows[0].keys(), rows[0].keys()
    files = list(dict.fromkeys(row["file"] for row in rows))[:12]
    for name in files:
        found = shared / "data" / "scenes" / name
        image = cv2.imread(str(found))[..., ::-1]
        expected = np.array(
            [[float(r[k]) for k in ("x1", "y1", "x2", "y2", "score")] for r in rows if r["file"] == name]
        )
        found = yunet.detect(image, min_score=0.3)
        boxes, scores = found.boxes, found.scores
        expected = expected[np.argsort(-expected[:, 4], kind="stable")]
        assert len(boxes) == len(expected), name
        np.testing.assert_allclose(boxes, expected[:, :4], atol=0.6, err_msg=name)
        np.testing.assert_allclose(scores, expected[:, 4], atol=0.01, err_msg=name)


def test_large_pictures_are_seen_smaller(yunet, astronaut):
    factor = 4
    large = cv2.resize(astronaut, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    assert max(large.shape) > LONG_SIDE
    boxes = yunet.detect(large).boxes
    np.testing.assert_allclose((boxes + 0.5) / factor - 0.5, [ASTRONAUT], atol=3)


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (400, 1), (31, 31), (33, 700), (3000, 2)])
def test_odd_sizes_have_no_face(yunet, size):
    found = yunet.detect(np.full((*size, 3), 127, np.uint8))
    boxes, scores = found.boxes, found.scores
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)


@pytest.mark.parametrize("shape", [(64, 64), (64, 64, 4), (0, 64, 3)])
def test_other_arrays_are_refused(yunet, shape):
    with pytest.raises(InvalidImageError):
        yunet.detect(np.zeros(shape, np.uint8))
    with pytest.raises(InvalidImageError):
        yunet.detect(np.zeros((64, 64, 3), np.float32))


def test_the_least_score_is_of_one_call(yunet, astronaut):
    assert len(yunet.detect(astronaut, min_score=0.95)) == 0
    assert len(yunet.detect(astronaut)) == 1


def test_threads_with_pictures_of_several_sizes(yunet, astronaut):
    pictures = [astronaut[: 512 - 16 * n, 16 * n :] for n in range(6)] * 3
    expected = [yunet.detect(picture).boxes for picture in pictures]
    with ThreadPoolExecutor(6) as pool:
        for boxes, wanted in zip(pool.map(lambda p: yunet.detect(p).boxes, pictures), expected, strict=True):
            np.testing.assert_array_equal(boxes, wanted)


def test_something_else_than_a_network(tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match=r"OpenCV cannot read .*x\.onnx"):
        YuNetDetector(tmp_path / "x.onnx")


def test_auto_is_the_built_in_one_whatever_is_in_the_cache(cache, file, astronaut, monkeypatch, capsys):
    """`auto` opens no socket, offline or not."""
    monkeypatch.delenv("FACELANDMARKS_OFFLINE")
    monkeypatch.setattr(socket, "socket", None)
    assert load_detector("auto").name == "compact"
    assert not cache.exists()
    model = fl.load_model("compact_300w", device="cpu")
    assert model.predict(astronaut).detector == "compact"
    assert main(["add", "yunet", str(file)]) == 0
    assert load_detector("auto").name == load_detector("compact").name == "compact"
    faces = fl.load_model("compact_300w", device="cpu").predict(astronaut, detector="yunet")
    assert (faces.detector, faces[:1].detector, faces.to_dict()["detector"]) == ("yunet", "yunet", "yunet")
    # The same face: the box that the model got is tight, as the model wants it.
    built_in = model.predict(astronaut, detector="compact")
    assert np.abs(faces.points - built_in.points).max() < 6
    assert model.predict(astronaut, ASTRONAUT).detector is None
    assert model.predict_batch([astronaut], detector="yunet")[0].detector == "yunet"


@pytest.mark.parametrize("preferred", [None, "auto", "compact", "yunet"])
def test_a_model_may_prefer_any_detector(cache, preferred):
    """Records of one's own may name each of them: `auto` is the built-in one while the file is not in the cache."""
    assert load_detector("auto", preferred=preferred).name == "compact"


def test_another_file_in_its_place_is_refused(cache, file):
    cache.mkdir()
    (cache / YUNET_FILE).write_bytes(file.read_bytes()[:-1] + b"\x01")
    with pytest.raises(ChecksumError, match="clean"):
        load_detector("yunet")


def test_asking_for_it_offline(cache):
    with pytest.raises(OfflineError, match=f"add {YUNET_FILE} FILE"):
        load_detector("yunet")


def test_unknown_detectors():
    with pytest.raises(UnknownModelError, match=", ".join(sorted(DETECTORS))):
        load_detector("dlib")
