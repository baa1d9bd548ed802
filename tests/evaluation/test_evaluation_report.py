"""The library call: what it gives, how it is repeated, what it refuses; reports as files."""

import json
import sys
import webbrowser
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np
import pytest
from evaluation_cases import evaluate as run_command
from miniature_releases import make_300w

import facelandmarks as fl
from facelandmarks.errors import InvalidOptionError, MissingDependencyError
from facelandmarks.evaluation import Report, evaluate
from facelandmarks.evaluation.datasets import read

OLD = Path(__file__).parents[1] / "data" / "report_schema2.json"


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
    assert [row["metric"] for row in report.rows] == ["NME"]
    assert report.rows[0]["measured"] == card["rows"][0]["cells"][0]["measured"]
    assert report.rows[0]["model"] == "compact_300w"
    assert report.verdicts == ["-"]
    statistics = card["rows"][0]["subsets"]["full"]["measured"]["statistics"]
    assert report.rows[0]["median"] == statistics["median"]["value"]
    assert [report.rows[0][f"auc_08_{end}"] for end in ("low", "high")] == statistics["auc_08"]["interval"]


def test_the_call_can_be_repeated_from_the_report(root, report, monkeypatch):
    (command,) = report.card["runs"][0]["command"]
    assert command == (
        f"facelandmarks.evaluation.evaluate('300w', {str(root)!r}, models=('compact_300w',), subsets=('full',), "
        "allow_partial=True, device='cpu')"
    )
    date = report.card["runs"][0]["date"]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(int(datetime.fromisoformat(date).timestamp())))
    again = eval(command, {"facelandmarks": fl})
    assert again.to_json() == report.to_json()


def test_the_date_is_of_the_run(report):
    age = datetime.now(UTC) - datetime.fromisoformat(report.card["runs"][0]["date"])
    assert 0 <= age.total_seconds() < 600


@pytest.mark.parametrize("value", ["99999999999999", "9" * 400, "yesterday"])
def test_a_date_that_is_none_is_told_before_anything_is_measured(tmp_path, monkeypatch, value):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", value)
    with pytest.raises(InvalidOptionError, match="SOURCE_DATE_EPOCH must be seconds since 1970"):
        evaluate("300w", tmp_path / "none")


def test_names_that_are_not_utf_8_are_written_as_escapes(report, tmp_path):
    card = json.loads(report.to_json())
    card["rows"][0]["model"] = "m\udcff"
    for suffix in ("html", "md", "csv", "txt", "json"):
        Report(card).save(tmp_path / f"report.{suffix}")
        assert b"\\udcff" in (tmp_path / f"report.{suffix}").read_bytes()


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


def test_an_image_is_no_report_and_is_not_printed(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG" * 999)
    with pytest.raises(InvalidOptionError, match="is not a report of facelandmarks-eval") as caught:
        Report.load(tmp_path / "a.png")
    assert len(str(caught.value)) < 600


def test_rows_as_a_pandas_table(report):
    pandas = pytest.importorskip("pandas", reason="the extra pandas is not installed")
    table = report.to_pandas()
    assert isinstance(table, pandas.DataFrame)
    assert list(table.columns) == list(report.rows[0])
    assert table.loc[0, "measured"] == report.rows[0]["measured"]


def test_a_table_without_pandas_names_the_extra(report, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingDependencyError, match=r"facelandmarks-zoo\[pandas\]"):
        report.to_pandas()


def test_the_page_is_shown(report, monkeypatch):
    shown = []
    monkeypatch.setattr(webbrowser, "open", shown.append)
    report.show()
    (address,) = shown
    path = Path(url2pathname(urlsplit(address).path))
    assert path.read_text(encoding="utf-8") == report.to_html() == report._repr_html_()
    path.unlink()


def test_reports_of_the_schema_before_are_read(tmp_path):
    """Made by an earlier version: our own number stood as a published one, and 434 faces as all of the subset."""
    old = json.loads(OLD.read_text())
    assert old["schema"] == "facelandmarks-evaluation/2"
    report = Report.load(OLD)
    text = report.to_text()
    assert "common, 4 of 554" in text
    assert "2.98 own" in text
    assert "challenge, 2 of 135" in text
    first = report.rows[0]
    assert (first["reference"], first["reference_kind"], first["verdict"]) == (2.98, "own", "PARTIAL")
    errors = old["rows"][0]["subsets"]["common"]["measured"]["errors"]
    assert first["median"] == pytest.approx(np.median(errors), abs=1e-6)
    assert report.to_csv().count("\n") == 1 + len(report.rows)
    assert "<svg" in report.to_html()
    report.save(tmp_path / "new.json")
    again = Report.load(tmp_path / "new.json")
    assert again.to_markdown() == report.to_markdown()


@pytest.mark.parametrize(("old", "new"), [("PASS", "SAME"), ("FAIL", "DIFFERENT")])
def test_verdicts_of_old_reports_on_our_own_numbers(tmp_path, old, new):
    card = json.loads(OLD.read_text())
    card["rows"][0]["cells"][0]["verdict"] = old
    (tmp_path / "old.json").write_text(json.dumps(card))
    assert Report.load(tmp_path / "old.json").verdicts[0] == new


@pytest.fixture(scope="module")
def pair(root, tmp_path_factory):
    """Reports of two programs: the second misses every point by twice as much, and one face."""
    folder, reports = tmp_path_factory.mktemp("pair"), []
    samples = list(read("300w", root, "full", allow_partial=True))
    for name, shift in (("a", 1.0), ("b", 2.0)):
        faces = [{"points": (sample.points + np.array([shift, 0])).tolist()} for sample in samples]
        entries = [{"image": s.name, "faces": [face]} for s, face in zip(samples, faces, strict=True)]
        if name == "b":
            entries[-1]["faces"] = []
        path = folder / f"{name}.json"
        path.write_text(json.dumps({"images": entries}))
        reports.append(evaluate("300w", root, predictions=path, subsets=["full"], allow_partial=True))
    sizes = np.array([np.linalg.norm(sample.points[36] - sample.points[45]) for sample in samples])
    return *reports, sizes


def test_a_known_difference_is_found(pair):
    first, second, sizes = pair
    both = first.compare(second)
    (found,) = both.comparisons
    assert found["labels"] == ["a.json", "b.json"]
    assert (found["faces"], found["both"], found["missed"]) == (6, 5, [0, 1])
    assert found["difference"]["value"] == pytest.approx(np.mean(1 / sizes[:5]), abs=1e-5)
    low, high = found["difference"]["interval"]
    assert 0 < low < found["difference"]["value"] < high
    assert (found["better"], found["wins"]["value"]) == ("first", 0.0)
    (turned,) = second.compare(first).comparisons
    assert (turned["better"], turned["wins"]["value"]) == ("second", 1.0)


def test_a_comparison_is_in_every_output(pair, tmp_path):
    both = pair[0].compare(pair[1])
    (found,) = both.comparisons
    number = f"{100 * found['difference']['value']:+.2f}"
    low, high = (f"{100 * end:+.2f}" for end in found["difference"]["interval"])
    for text in (both.to_text(), both.to_markdown(), both.to_html()):
        assert number in text
        assert f"{low} to {high}" in text
    assert "a.json is better; B, b.json, is nearer on 0.0 % of 6 faces" in both.to_html()
    assert 'aria-label="errors of a.json and b.json"' in both.to_html()
    both.save(tmp_path / "both.json")
    assert Report.load(tmp_path / "both.json").to_html() == both.to_html()
    assert [row["model"] for row in both.rows] == ["a.json", "b.json"]


def test_only_common_faces_are_compared(pair, root, tmp_path):
    limited = evaluate("300w", root, "compact_300w", subsets=["full"], allow_partial=True, limit=3)
    both = pair[0].compare(limited)
    (found,) = both.comparisons
    assert (found["faces"], found["faces_of"]) == (3, [6, 3])
    assert "the faces that both reports hold" in both.to_text()


def test_what_cannot_be_compared(pair, root):
    first = pair[0]
    other = evaluate("300w", root, "compact_300w", subsets=["challenge"], allow_partial=True)
    with pytest.raises(InvalidOptionError, match="nothing can be compared"):
        first.compare(other)
    one = evaluate("300w", root, "compact_300w", subsets=["full"], allow_partial=True, limit=1)
    with pytest.raises(InvalidOptionError, match="fewer than two faces of full in common"):
        first.compare(one)
    moved = Report(json.loads(first.to_json()))
    moved.card["rows"][0]["subsets"]["full"]["sizes"][2] += 1
    with pytest.raises(InvalidOptionError, match="other annotations"):
        first.compare(moved)


def test_reports_together_have_one_chart(pair):
    merged = Report.merge(pair[0], pair[1])
    assert [row["model"] for row in merged.rows] == ["a.json", "b.json"]
    page = merged.to_html()
    assert page.count('aria-label="cumulative error distribution"') == 1
    assert 'class="line s1"' in page
    assert len(merged.card["runs"]) == 2


WRONG = [
    ({"predictions": "a.json", "models": "compact_300w"}, "leave out models"),
    ({"predictions": "a.json", "boxes": "both"}, "boxes"),
    ({"weights": "a.pth"}, "0 models"),
    ({"weights": "a.pth", "models": ["compact_300w", "hrnetv2_w18_300w"]}, "2 models"),
    ({"boxes": "all"}, "'all'"),
    ({"dataset": "301w"}, "'301w'.*300w"),
    ({"batch_size": 0}, "batch_size must be a whole number from 1"),
    ({"workers": 0}, "workers must"),
    ({"limit": 0}, "limit must"),
    ({"limit": -1}, "limit must"),
    ({"limit": 2**70}, "limit must"),
    ({"batch_size": 1.5}, "batch_size must"),
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
