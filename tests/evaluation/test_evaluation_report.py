"""The library call: what it gives, how it is repeated, what it refuses; reports as files."""

import json

import numpy as np
import pytest
from evaluation_cases import evaluate as run_command
from miniature_releases import make_300w

import facelandmarks as fl
from facelandmarks.errors import InvalidOptionError, MissingDependencyError
from facelandmarks.evaluation import Report, evaluate


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("300w")
    make_300w(folder)
    return folder


@pytest.fixture(scope="module")
def report(root):
    return evaluate("300w", root, "compact_300w", subsets=["full"], allow_partial=True, device="cpu")


def test_the_call_gives_the_numbers_of_the_command(root, report, tmp_path):
    words = ("--dataset", "300w", "--data-root", root, "--model", "compact_300w", "--subset", "full", "--allow-partial")
    code, card = run_command(tmp_path, *words)
    assert code == 0
    assert card["rows"][0]["cells"] == report.card["rows"][0]["cells"]
    assert [row["metric"] for row in report.rows] == ["NME", "FR@0.10", "AUC@0.10"]
    assert report.rows[0]["measured"] == card["rows"][0]["cells"][0]["measured"]
    assert report.rows[0]["model"] == "compact_300w"
    assert report.verdicts == ["-"] * 3


def test_the_call_can_be_repeated_from_the_report(root, report):
    (command,) = report.card["command"]
    assert command == (
        f"facelandmarks.evaluation.evaluate('300w', {str(root)!r}, models=('compact_300w',), subsets=('full',), "
        "allow_partial=True, device='cpu')"
    )
    again = eval(command, {"facelandmarks": fl})
    assert again.to_json() == report.to_json()


def test_reports_are_saved_by_their_suffix_and_read_again(report, tmp_path):
    texts = {"txt": report.to_text(), "md": report.to_markdown(), "csv": report.to_csv(), "json": report.to_json()}
    for suffix, text in texts.items():
        report.save(tmp_path / f"report.{suffix}")
        assert (tmp_path / f"report.{suffix}").read_text() == text
    again = Report.load(tmp_path / "report.json")
    assert (again.rows, again.to_text(), again.to_json()) == (report.rows, report.to_text(), report.to_json())
    with pytest.raises(InvalidOptionError, match=r"report\.pdf.*\.json, \.html, \.md, \.csv, \.txt"):
        report.save(tmp_path / "report.pdf")


def test_files_that_are_not_whole_reports_are_named(report, tmp_path):
    path = tmp_path / "report.json"
    card = json.loads(report.to_json())
    del card["rows"][0]["cells"][0]["digits"]
    path.write_text(json.dumps(card))
    with pytest.raises(InvalidOptionError, match=r"report\.json.*'digits'"):
        Report.load(path).to_text()
    path.write_text(json.dumps(card | {"schema": "other/1"}))
    with pytest.raises(InvalidOptionError, match="other/1"):
        Report.load(path)


def test_a_page_without_matplotlib_names_the_extra(report, monkeypatch):
    monkeypatch.setattr("facelandmarks.evaluation.html.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="report"):
        report.to_html()


WRONG = [
    ({"predictions": "a.json", "models": "compact_300w"}, "leave out models"),
    ({"predictions": "a.json", "boxes": "both"}, "boxes"),
    ({"weights": "a.pth"}, "0 models"),
    ({"weights": "a.pth", "models": ["compact_300w", "hrnetv2_w18_300w"]}, "2 models"),
    ({"boxes": "all"}, "'all'"),
    ({"dataset": "301w"}, "'301w'.*300w"),
    ({"models": "compact_300w", "detector": "none", "boxes": "detector"}, "'none'"),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_options_that_do_not_go_together(root, options, message):
    with pytest.raises(InvalidOptionError, match=message):
        evaluate(**{"dataset": "300w", "data_root": root} | options)


def test_the_detector_is_the_models_own(root, monkeypatch):
    """It was loaded once, and runs in the model's engine with its threads."""
    asked = []
    detector = fl.Model.detector
    monkeypatch.setattr(fl.Model, "detector", lambda model, name: asked.append(name) or detector(model, name))
    report = evaluate(
        *("300w", root, "compact_300w"),
        subsets=["challenge"],
        allow_partial=True,
        boxes="detector",
        detector="compact",
        engine="torch",
        threads=1,
    )
    assert asked == ["compact"]
    run = report.card["rows"][0]["run"]
    assert (run["detector"], run["engine"]["engine"], run["engine"]["threads"]) == ("compact", "torch", 1)
    assert np.isfinite(report.rows[0]["detector_failures"])
