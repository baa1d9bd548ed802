"""JSON from outside, changed value by value: every reader takes it or says what is wrong in the package's own words."""

import copy
import json
from collections.abc import Iterator

import numpy as np
import pytest
from evaluation_cases import evaluate
from miniature_releases import make_300w

from facelandmarks._files import parse_json
from facelandmarks.cli.evaluate import main
from facelandmarks.errors import FaceLandmarksError, InvalidOptionError
from facelandmarks.evaluation.datasets.derived import read_coco, read_spiga
from facelandmarks.evaluation.predict import GivenPredictions, PredictionStore
from facelandmarks.evaluation.rows import plain_protocol
from facelandmarks.weights.cache import Place, read_pin
from facelandmarks.weights.manifest import NAME, check_manifest, manifest_path, read_document

ODD = [
    None,
    True,
    -1,
    0,
    1.5,
    1e308,
    10**19,
    float("nan"),
    float("inf"),
    "",
    "x",
    "../../x",
    "\0",
    [],
    {},
    [[]],
    [None],
]
TEXTS = [
    "",
    " ",
    "null",
    "3",
    '"x"',
    "[",
    "{}",
    "[]",
    "[" * 200_000,
    '{"a":' * 200_000,
    '{"images": ' + "9" * 5000 + "}",
]

POINTS = np.random.default_rng(4).uniform(0, 100, (4, 2)).round(2).tolist()
FACE = {"image_id": 1, "keypoints": [1, 2, 1] * 4, "bbox": [1, 2, 30, 40], "center": [1, 2], "scale": 1.5}
COCO = {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [FACE]}
SPIGA = [{"imgpath": "a.jpg", "bbox": [1, 2, 3, 4], "landmarks": POINTS}]
GIVEN = {"images": [{"image": "a/b.jpg", "faces": [{"points": POINTS}]}, {"image": "c.jpg", "faces": []}]}
KEPT = {"face": "a", "size": 1.5, "score": 0.5, "points": POINTS}
PIN = {"sha256": "0" * 64, "bytes": 3, "mtime_ns": 5, "basis": "sha256"}


def kept(path):
    """The document as the second line of a file of predictions."""
    header = {"schema": "facelandmarks-evaluation-points/2", "model": "m"}
    path.write_text(json.dumps(header) + "\n" + path.read_text().replace("\n", " ") + "\n")
    return PredictionStore(path, {"model": "m"})


def pin(path):
    place = Place(path.parent, "x")
    place.pin.parent.mkdir(parents=True, exist_ok=True)
    place.pin.write_text(path.read_text())
    return read_pin(place)


READERS = {
    "coco": (COCO, lambda path: list(read_coco(path, 4)[1])),
    "spiga": (SPIGA, lambda path: list(read_spiga(path, 4)[1])),
    "predictions": (GIVEN, lambda path: GivenPredictions(path, 4, plain_protocol("300w", ["common"]))),
    "kept": (KEPT, kept),
    "pin": (PIN, pin),
}


def changed(document: object) -> Iterator[object]:
    """The document with each of its values in turn left out, or replaced by each odd one."""
    yield from ODD
    keys = list(document) if isinstance(document, dict) else range(len(document)) if isinstance(document, list) else ()
    for key in keys:
        for inner in changed(document[key]):
            yield with_value(document, key, inner)
        without = copy.copy(document)
        del without[key]
        yield without


def with_value(document, key, value):
    result = copy.copy(document)
    result[key] = value
    return result


def accepted_or_refused(read, path, text: str) -> bool:
    path.write_text(text)
    try:
        read(path)
    except FaceLandmarksError:
        return False
    return True


@pytest.mark.parametrize("name", READERS)
def test_every_value_may_be_wrong(name, tmp_path):
    document, read = READERS[name]
    assert accepted_or_refused(read, tmp_path / "a.json", json.dumps(document))
    results = [accepted_or_refused(read, tmp_path / "a.json", json.dumps(wrong)) for wrong in changed(document)]
    assert sum(results) < len(results) > 70


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text[:9])
@pytest.mark.parametrize("name", READERS)
def test_texts_that_are_no_documents(name, text, tmp_path):
    empty = name == "spiga" and text in ("{}", "[]")  # a list without faces; how many there must be is said elsewhere
    assert accepted_or_refused(READERS[name][1], tmp_path / "a.json", text) == empty


def test_every_value_of_the_manifest_may_be_wrong():
    whole = read_document(manifest_path())
    name = next(name for name, fields in whole["files"].items() if fields["published"])
    document = {**whole, "files": {name: whole["files"][name]}}
    check_manifest(document, NAME)
    count = 0
    for wrong in changed({key: document[key] for key in ("schema", "files")}):
        tables = {table: document[table] for table in ("training_data", "papers", "protocols")}
        broken = {**tables, **wrong} if isinstance(wrong, dict) else wrong
        try:
            check_manifest(broken, NAME)
        except FaceLandmarksError:
            count += 1
    assert count > 100


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    folder = tmp_path_factory.mktemp("card")
    make_300w(folder)
    options = ("--dataset", "300w", "--data-root", folder, "--model", "compact_300w", "--allow-partial")
    return evaluate(folder, *options, "--subset", "challenge")[1]


def test_every_value_of_a_report_may_be_wrong(card, tmp_path, capsys):
    """One in twenty, for time; which of them, stays the same."""
    path, codes = tmp_path / "card.json", set()
    for number, wrong in enumerate(changed(card)):
        if number % 20 == 0:
            path.write_text(json.dumps(wrong))
            markdown = ["--markdown", str(tmp_path / "a.md"), "--csv", str(tmp_path / "a.csv"), "--force"]
            codes.add(main(["--render", str(path), *markdown]))
    capsys.readouterr()
    assert {0, 2} <= codes <= {0, 2, 3}


def test_a_page_shows_what_a_report_holds_and_runs_nothing(card, tmp_path):
    evil = "<script>alert(1)</script>"
    wrong = json.loads(json.dumps(card))
    wrong["rows"][0]["model"] = evil
    (tmp_path / "card.json").write_text(json.dumps(wrong))
    assert main(["--render", str(tmp_path / "card.json"), "--html", str(tmp_path / "a.html")]) == 0
    page = (tmp_path / "a.html").read_text()
    assert evil not in page
    assert "&lt;script&gt;" in page


def test_parse_json_raises_value_errors_only():
    for text in TEXTS[5:6] + TEXTS[8:]:
        with pytest.raises(ValueError, match=r"."):
            parse_json(text)
    assert parse_json(b'{"a": [1, -9223372036854775808, 1e400]}') == {"a": [1, -(2**63), float("inf")]}


def test_a_report_that_is_none(tmp_path, capsys):
    (tmp_path / "a.json").write_text("[" * 100_000)
    assert main(["--render", str(tmp_path / "a.json")]) == 2
    assert "a.json is not a report" in capsys.readouterr().err
    assert issubclass(InvalidOptionError, ValueError)
