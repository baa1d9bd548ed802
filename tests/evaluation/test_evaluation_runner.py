"""The runner on tiny releases with the model in the wheel: order, batches, resuming, detection, partial releases."""

import csv
import json
import os
import shutil
import sys
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from evaluation_cases import cells_of, evaluate, publish
from miniature_releases import make_300w, make_aflw, make_wflw
from random_networks import random_state

import facelandmarks as fl
from facelandmarks.detection.base import Detections
from facelandmarks.errors import DatasetError, InvalidOptionError
from facelandmarks.evaluation.datasets import Sample, read
from facelandmarks.evaluation.predict import (
    DetectedBoxes,
    GivenPredictions,
    Prediction,
    PredictionStore,
    face_key,
    matching,
    predict_faces,
)
from facelandmarks.evaluation.protocols import (
    AFLW_0X,
    AFLW_1X,
    AFLW_OFFICIAL,
    COFW_0X,
    COFW_1X,
    COMPACT_300W,
    IBUG300W_0X,
    LAPA_1X,
    Region,
    as_upstream,
    face_size,
    place,
)
from facelandmarks.evaluation.rows import plain_protocol
from facelandmarks.images import load_image
from facelandmarks.share import write_model


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """300-W with six test faces: pictures of noise, and points anywhere."""
    folder = tmp_path_factory.mktemp("300w")
    make_300w(folder)
    return folder


@pytest.fixture(scope="module")
def aflw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("aflw")
    make_aflw(folder)
    return folder


@pytest.fixture(scope="module")
def model():
    return fl.load_model(device="cpu")


def samples_of(root, subset="full"):
    return [(face_key(sample, "original"), sample) for sample in read("300w", root, subset, allow_partial=True)]


def predictions(model, samples, known=None, batch_size=4, workers=2):
    found = predict_faces(model, COMPACT_300W, samples, known or {}, batch_size=batch_size, workers=workers)
    return [made for batch in found for made in batch]


def test_points_are_those_of_predict_in_the_order_of_the_faces(root, model):
    samples = samples_of(root)
    found = predictions(model, samples)
    assert [key for key, _, _ in found] == [key for key, _ in samples]
    for _, sample, made in found:
        low, high = sample.points.min(0), sample.points.max(0)
        wanted = model.predict(sample.image, [*low, *high]).points[0]
        np.testing.assert_allclose(made.points, wanted, rtol=0, atol=1e-3)
        assert made.size == pytest.approx(np.linalg.norm(sample.points[36] - sample.points[45]))


@pytest.mark.parametrize(("batch_size", "workers"), [(1, 1), (5, 3), (64, 8)])
def test_batches_and_threads_change_nothing(root, model, batch_size, workers):
    samples = samples_of(root)
    wanted, found = predictions(model, samples), predictions(model, samples, None, batch_size, workers)
    for (key, _, one), (other, _, two) in zip(wanted, found, strict=True):
        assert key == other
        np.testing.assert_allclose(one.points, two.points, rtol=0, atol=1e-3)


def test_the_same_run_gives_the_same_bytes(root, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    options = (
        "--dataset",
        "300w",
        "--data-root",
        root,
        "--model",
        "compact_300w",
        "--subset",
        "full",
        "--allow-partial",
    )
    first, second = evaluate(tmp_path, *options), evaluate(tmp_path, *options)
    assert first == second


def test_pictures_are_not_read_far_ahead(root, model):
    taken = []
    samples = samples_of(root) * 20

    def endless():
        for number, (key, sample) in enumerate(samples):
            taken.append(number)
            yield f"{number} {key}", sample

    batches = predict_faces(model, COMPACT_300W, endless(), {}, batch_size=2, workers=2)
    next(batches)
    assert len(taken) == 2 * 3
    next(batches)
    assert len(taken) == 2 * 4
    batches.close()


def test_faces_are_known_by_their_points_not_by_their_number(tmp_path):
    make_wflw(tmp_path, 68)
    keys = {}
    for subset in ("test", "expression"):  # the second face of a picture is the first of it in the smaller subset
        for sample in read("wflw68", tmp_path, subset, allow_partial=True):
            keys.setdefault(subset, {})[face_key(sample, "original")] = sample.points
    assert len(keys["test"]) == 6
    assert set(keys["expression"]) < set(keys["test"])
    for key, points in keys["expression"].items():
        np.testing.assert_array_equal(points, keys["test"][key])


def test_a_face_of_two_subsets_is_predicted_once(root, tmp_path, monkeypatch):
    counted = []
    infer = fl.Model.infer
    monkeypatch.setattr(fl.Model, "infer", lambda model, crops: counted.append(len(crops)) or infer(model, crops))
    options = ("--subset", "full", "--subset", "challenge", "--allow-partial")
    code, card = evaluate(tmp_path, "--dataset", "300w", "--data-root", root, "--model", "compact_300w", *options)
    assert (code, sum(counted)) == (0, 6)
    assert [cells_of(card)[subset, "NME"]["faces_found"] for subset in ("full", "challenge")] == [6, 2]


@pytest.fixture
def resumed(root, tmp_path):
    return (
        *("--dataset", "300w", "--data-root", root, "--model", "compact_300w", "--subset", "full", "--allow-partial"),
        *("--resume", tmp_path / "kept", "--batch-size", "2"),
    )


def test_a_run_goes_on_where_it_was(resumed, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    code, whole = evaluate(tmp_path, *resumed)
    (file,) = (tmp_path / "kept").iterdir()
    lines = file.read_text().splitlines(keepends=True)
    assert (code, len(lines)) == (0, 1 + 6)
    # The run was broken off in the middle of the fifth face.
    file.write_text("".join(lines[:5]) + lines[5][:50])
    counted = []
    infer = fl.Model.infer
    monkeypatch.setattr(fl.Model, "infer", lambda model, crops: counted.append(len(crops)) or infer(model, crops))
    assert evaluate(tmp_path, *resumed) == (0, whole)
    assert sum(counted) == 2
    assert sorted(file.read_text().splitlines()) == sorted(line.strip() for line in lines)


def test_predictions_of_other_settings_are_not_taken(resumed, tmp_path, capsys):
    evaluate(tmp_path, *resumed)
    (file,) = (tmp_path / "kept").iterdir()
    head, *rest = file.read_text().splitlines(keepends=True)
    file.write_text(json.dumps({**json.loads(head), "weights": "other"}) + "\n" + "".join(rest))
    assert evaluate(tmp_path, *resumed) == (2, None)
    assert "weights 'other', now" in capsys.readouterr().err
    for content in (b"nothing of the kind\n", b"\xff\n", head.encode() + b'{"face": "\xff"}\n'):
        file.write_bytes(content)
        assert evaluate(tmp_path, *resumed) == (2, None)


def test_predictions_of_a_changed_record_are_not_taken(root, tmp_path, capsys):
    write_model("tiny_300w", tmp_path / "mine", rename="mine")
    path = tmp_path / "mine" / "config.json"
    words = ["--dataset", "300w", "--data-root", root, "--model", tmp_path / "mine", "--subset", "challenge"]
    words += ["--allow-partial", "--resume", tmp_path / "kept"]
    config = json.loads(path.read_text())
    for change, code in (({}, 0), ({"title": "A better title"}, 0), ({"box_padding": 1.9}, 2), ({"std": [9, 9, 9]}, 2)):
        path.write_text(json.dumps({**config, "model": {**config["model"], **change}}))
        assert evaluate(tmp_path, *words)[0] == code
        assert not code or f"model.{next(iter(change))}" in capsys.readouterr().err
    (file,) = (tmp_path / "kept").iterdir()
    assert json.loads(file.read_text().partition("\n")[0])["version"] == fl.__version__


def test_an_image_that_cannot_be_read_is_no_end_of_the_others(tmp_path):
    make_300w(tmp_path / "300w")
    image = next((tmp_path / "300w" / "ibug").glob("*.jpg"))
    image.write_bytes(b"no image")
    named = image.with_name(os.fsdecode(b"caf\xe9.jpg")) if sys.platform == "linux" else image
    for suffix in (".jpg", ".pts"):
        image.with_suffix(suffix).rename(named.with_suffix(suffix))
    words = ["--dataset", "300w", "--data-root", tmp_path / "300w", "--model", "compact_300w", "--allow-partial"]
    code, card = evaluate(tmp_path, *words, "--subset", "challenge", "--subset", "common")
    assert (code, [list(row["subsets"]) for row in card["rows"]]) == (1, [["common"]])
    assert f"cannot read the image of ibug/{named.name}" in card["not_run"][0]["reason"]
    cv2.imwrite(str(image), np.zeros((300, 300, 3), np.uint8))
    image.replace(named)
    assert evaluate(tmp_path, *words, "--subset", "challenge")[0] == 0  # and a name may have any bytes


def test_predictions_are_kept_to_the_last_bit(tmp_path):
    points = np.random.default_rng(0).normal(0, 100, (68, 2)).astype(np.float32)
    points[3] = np.nan
    PredictionStore(tmp_path / "a.jsonl", {"model": "m"}).keep([("face", Prediction(points, 12.3, 0.7))])
    again = PredictionStore(tmp_path / "a.jsonl", {"model": "m"})["face"]
    np.testing.assert_array_equal(again.points, points)
    assert (again.size, again.score) == (12.3, 0.7)
    with pytest.raises(InvalidOptionError, match="model 'm', now 'n'"):
        PredictionStore(tmp_path / "a.jsonl", {"model": "n"})


class Everywhere:
    """A detector that finds the box it is given, and one that is far from every face."""

    name, convention = "test", "tight"

    def __init__(self, boxes):
        self.boxes = boxes

    def detect(self, image, *, min_score=None):
        return Detections(np.array(self.boxes, np.float32).reshape(-1, 4), np.ones(len(self.boxes), np.float32))


def test_detected_boxes_and_misses(root, tmp_path, monkeypatch):
    monkeypatch.setattr(fl.Model, "detector", lambda model, name: Everywhere([[2, 2, 61, 45], [0, 0, 3, 3]]))
    options = ("--dataset", "300w", "--data-root", root, "--model", "compact_300w", "--subset", "common")
    publish(monkeypatch, "300w", common=4)
    code, card = evaluate(tmp_path, *options, "--allow-partial", "--boxes", "detector")
    cell = cells_of(card)["common", "NME"]
    assert (code, cell["measured"], cell["verdict"]) == (0, None, "-")
    assert cell["detector"]["faces_missed"] == 0
    assert cell["detector"]["measured"] > 0
    monkeypatch.setattr(fl.Model, "detector", lambda model, name: Everywhere([[0, 0, 3, 3]]))
    cell = cells_of(evaluate(tmp_path, *options, "--allow-partial", "--boxes", "detector")[1])["common", "NME"]
    found = cell["detector"]
    assert (found["faces_missed"], found["failures"], found["measured"], cell["verdict"]) == (4, 1, None, "-")


class First:
    """A detector that finds a face in every second picture, where its annotation is."""

    name, convention = "first", "tight"

    def __init__(self, samples):
        self.boxes = {
            load_image(sample.image).tobytes(): np.concatenate([sample.points.min(0), sample.points.max(0)])
            for _, sample in samples[::2]
        }

    def detect(self, image, *, min_score=None):
        boxes = [self.boxes[image.tobytes()]] if image.tobytes() in self.boxes else []
        return Detections(np.array(boxes, np.float32).reshape(-1, 4), np.ones(len(boxes), np.float32))


def test_given_and_detected_boxes_stand_side_by_side(root, tmp_path, monkeypatch, capsys):
    root = shutil.copytree(root, tmp_path / "data")
    samples = samples_of(root)
    for number, (_, sample) in enumerate(samples):
        noise = np.random.default_rng(number).integers(0, 256, (48, 64, 3), np.uint8)
        cv2.imwrite(str(sample.image), noise)
    detector = First(samples)
    monkeypatch.setattr(fl.Model, "detector", lambda model, name: detector)
    options = ("--dataset", "300w", "--data-root", root, "--model", "compact_300w", "--subset", "full")
    files = {kind: tmp_path / f"report.{kind}" for kind in ("md", "csv")}
    written = ("--markdown", files["md"], "--csv", files["csv"])
    code, card = evaluate(tmp_path, *options, "--allow-partial", "--boxes", "both", *written)
    assert (code, card["rows"][0]["run"]["detector"]) == (0, "first")
    given = evaluate(tmp_path, *options, "--allow-partial")[1]
    for key, cell in cells_of(given).items():
        both = cells_of(card)[key]
        assert {**both, "detector": None} == cell
        assert (both["faces_missed"], both["detector"]["faces_missed"]) == (0, 6 - len(detector.boxes))
    subset = card["rows"][0]["subsets"]["full"]
    errors, detected = (np.array(subset[boxes]["errors"], float) for boxes in ("measured", "detector"))
    np.testing.assert_allclose(detected[::2], errors[::2], rtol=1e-3)
    nme = cells_of(card)["full", "NME"]["detector"]
    assert nme["fraction"] == pytest.approx(np.nanmean(detected), abs=1e-6)
    # What was missed has failed.
    assert nme["failures"] == pytest.approx(np.mean(~(detected <= 0.1)), abs=1e-6)
    assert subset["detector"]["statistics"]["failures_10"]["value"] == nme["failures"]
    out = capsys.readouterr().out
    missed = f"{100 * nme['failures']:.2f} %, {nme['faces_missed']} missed"
    value = f"{nme['measured']:.2f} % (inter-ocular)"
    for text in (out, files["md"].read_text()):
        assert "detected boxes" in text
        assert value in text
        assert missed in text
    (line, *_) = csv.DictReader(files["csv"].read_text().splitlines())
    assert float(line["detector_measured"]) == nme["measured"]
    assert (int(line["detector_faces_missed"]), float(line["detector_failures"])) == (
        nme["faces_missed"],
        nme["failures"],
    )
    assert float(line["measured"]) == cells_of(card)["full", "NME"]["measured"]


def test_clothes_are_not_detected():
    model = SimpleNamespace(spec=SimpleNamespace(box_convention="clothes"))
    with pytest.raises(InvalidOptionError, match="'clothes': use boxes='gt'"):
        DetectedBoxes(model)


def test_matching_takes_the_box_that_fits():
    truth = np.array([[10.0, 10.0], [30.0, 40.0]])
    boxes = np.array([[100.0, 100, 120, 130], [12, 9, 30, 40], [0, 0, 60, 60]])
    assert matching(boxes, truth) == 1
    assert matching(boxes[:1], truth) is None
    assert matching(np.zeros((0, 4)), truth) is None


def given(path, entries):
    path.write_text(json.dumps({"images": entries}))
    return path


def test_predictions_of_another_program(root, tmp_path):
    faces = [sample for _, sample in samples_of(root)]
    entries = [
        {"image": f"/elsewhere/{face.name}", "faces": [{"points": (face.points + np.array([0.5, 0])).tolist()}]}
        for face in faces
    ]
    entries[0]["faces"].insert(0, {"points": (faces[0].points + 500).tolist()})
    entries[5]["faces"] = []
    path = given(tmp_path / "preds.json", entries)
    options = ("--dataset", "300w", "--data-root", root, "--allow-partial", "--subset", "full")
    code, card = evaluate(tmp_path, *options, "--predictions", path)
    cells = cells_of(card)
    errors = [0.5 / np.linalg.norm(face.points[36] - face.points[45]) for face in faces[:5]]
    assert code == 0
    assert cells["full", "NME"]["fraction"] == pytest.approx(np.mean(errors), abs=1e-6)
    assert cells["full", "NME"]["faces_missed"] == 1
    statistics = card["rows"][0]["subsets"]["full"]["measured"]["statistics"]
    assert statistics["failures_10"]["value"] == pytest.approx((1 + np.sum(np.array(errors) > 0.1)) / 6, abs=1e-6)
    assert len(card["rows"][0]["run"]["sha256"]) == 64
    assert cells["full", "NME"]["verdict"] == "-"


@pytest.mark.parametrize("content", ['{"images": [{"image": "a.jpg", "faces": [{"points": [[1, 2]]}]}]}', "[]", "no"])
def test_predictions_that_are_none(root, tmp_path, capsys, content):
    path = tmp_path / "preds.json"
    path.write_text(content)
    code, _ = evaluate(tmp_path, "--dataset", "300w", "--data-root", root, "--predictions", path)
    assert code == 2
    assert "preds.json does not hold predictions of 68 points per face" in capsys.readouterr().err


def test_predictions_of_two_pictures_of_one_name(root):
    faces = samples_of(root)[:1]
    entries = [{"image": f"{part}/{faces[0][1].name}", "faces": []} for part in "ab"]
    path = given(root / "preds.json", entries)
    with pytest.raises(InvalidOptionError, match="is the end of 2 paths"):
        list(GivenPredictions(path, 68, plain_protocol("300w"))(faces))


def test_annotations_without_what_a_protocol_needs():
    sample = Sample("a.jpg", None, np.random.default_rng(0).uniform(0, 50, (29, 2)), np.ones(29, bool))
    with pytest.raises(DatasetError, match=r"a\.jpg: cofw_mmpose1x needs boxes"):
        place(sample, COFW_1X, "cofw", 60, 60)
    with pytest.raises(DatasetError, match=r"aflw_mmpose0x needs boxes"):
        place(sample, AFLW_0X, "aflw", 60, 60)
    for protocol, what in ((AFLW_0X, "box size of the annotation"), (AFLW_1X, "side of the annotated region")):
        with pytest.raises(DatasetError, match=what):
            face_size(replace(sample, points=sample.points[:19]), protocol, Region())


@pytest.mark.parametrize("protocol", [AFLW_0X, AFLW_1X, AFLW_OFFICIAL], ids=lambda protocol: protocol.name)
def test_the_release_of_aflw_gives_the_regions_of_its_derived_lists(aflw, protocol):
    forms = [list(read("aflw", aflw, "full", form=form, allow_partial=True)) for form in protocol.forms]
    assert len(forms) == 3
    for samples in zip(*forms, strict=True):
        places = [place(sample, protocol, "aflw", 60, 60) for sample in samples]
        sizes = [face_size(*given) for given in zip(samples, [protocol] * 3, places, strict=True)]
        for made, size in zip(places, sizes, strict=True):
            np.testing.assert_allclose(made.center, places[0].center, rtol=1e-12)
            np.testing.assert_allclose(made.scale, places[0].scale, rtol=1e-12)
            assert size == pytest.approx(sizes[0], rel=1e-12)


def test_boxes_of_lapa_are_made_from_its_points():
    points = np.array([[-3.0, 10.5], [20.25, 90.0]])
    sample = Sample("a.jpg", None, points, np.ones(2, bool))
    assert place(sample, LAPA_1X, "tight", 60, 50).box.tolist() == [[0, 10.5, 20.25, 49]]
    given = replace(sample, box=np.array([1.0, 2, 3, 4]))
    assert place(given, LAPA_1X, "tight", 60, 50).box.tolist() == [[1, 2, 3, 4]]


def test_regions_are_in_the_numbers_of_the_file():
    points = np.array([[10.25, 20.5], [50.0, 40.75]])
    sample = Sample("a.jpg", None, points - 1, np.ones(2, bool), box=np.array([9.0, 19, 69, 59]))
    made = place(sample, IBUG300W_0X, "tight", 60, 50)
    # Of the points as the file has them: edges 10 and 50, 20 and 41, and 1.25 times the longer side.
    assert (made.center.tolist(), made.scale.tolist()) == ([[30.0, 30.5]], [[50.0, 50.0]])
    given = replace(sample, center=np.array([29.0, 29.5]), scale=np.array([80.0, 80.0]))
    found = place(given, IBUG300W_0X, "tight", 60, 50)
    assert (found.center.tolist(), found.scale.tolist()) == ([[30.0, 30.5]], [[100.0, 100.0]])
    assert place(sample, COFW_0X, "cofw", 60, 50).box.tolist() == [[9, 19, 69, 59]]
    assert place(sample, COFW_1X, "cofw", 60, 50).box.tolist() == [[9, 19, 59, 49]]
    # MMPose's boxes of COFW are a pixel further than those of the original file.
    assert as_upstream(sample, COFW_0X, "original").box.tolist() == [10, 20, 70, 60]
    assert as_upstream(sample, COFW_0X, "mmpose") is sample
    assert place(sample, COMPACT_300W, "tight", 60, 50).box.tolist() == [[9.25, 19.5, 49.0, 39.75]]


def test_models_of_own_points_are_measured(tmp_path):
    """Weights that were fine-tuned to the points of another dataset, and the same as a folder; others are refused."""
    make_wflw(tmp_path / "wflw")
    weights, folder = tmp_path / "mine.pth", tmp_path / "mine"
    torch.save(random_state("tiny_300w", 98), weights)
    write_model("tiny_300w", folder, weights=weights, scheme="wflw98", rename="mine")
    data = [
        "--dataset",
        "wflw",
        "--data-root",
        tmp_path / "wflw",
        "--subset",
        "test",
        "--allow-partial",
        "--threads",
        1,
    ]
    code, card = evaluate(tmp_path, *data, "--model", "tiny_300w", "--weights", weights, "--scheme", "wflw98")
    assert code == 0
    again, own = evaluate(tmp_path, *data, "--model", folder)
    assert again == 0
    assert own["rows"][0]["model"] == "mine"
    assert cells_of(own) == cells_of(card)
    assert cells_of(card)["test", "NME"]["measured"] > 0
    scheme = tmp_path / "seven.json"
    scheme.write_text(json.dumps({"name": "seven", "size": 7}))
    code, card = evaluate(tmp_path, *data, "--model", "tiny_300w", "--weights", weights, "--scheme", scheme)
    assert (code, card) == (2, None)
