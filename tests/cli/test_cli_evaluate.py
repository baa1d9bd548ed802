"""facelandmarks-eval: what is printed and written, exit codes, and the number that training reports."""

import contextlib
import csv
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
from evaluation_cases import cells_of, evaluate, publish
from miniature_releases import make_300w
from paths import EXAMPLES

from facelandmarks import api
from facelandmarks.cli.evaluate import main
from facelandmarks.engines.choose import ENGINES
from facelandmarks.evaluation import rows
from facelandmarks.evaluation.datasets import RELEASES
from facelandmarks.model import Model
from facelandmarks.share import write_model

TRAINING = EXAMPLES / "train_compact"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("300w")
    make_300w(folder)
    return folder


@pytest.fixture
def options(root):
    return ["--dataset", "300w", "--data-root", str(root), "--model", "compact_300w", "--device", "cpu", "--quiet"]


def test_the_validation_split_gives_the_number_of_the_training_script(shared, tmp_path):
    data = shared / "data"
    command = [sys.executable, str(TRAINING / "evaluate_landmarks.py"), str(data), "--quick"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=TRAINING).stdout
    wanted = float(re.search(r"true box +NME ([\d.]+)", printed)[1])
    arguments = ("--dataset", "300w", "--data-root", data / "300w", "--model", "compact_300w", "--allow-partial")
    code, card = evaluate(tmp_path, *arguments, "--subset", "validation", "--strict")
    cell = cells_of(card)["validation", "NME"]
    assert cell["measured"] == pytest.approx(wanted, abs=0.01)
    assert (code, cell["verdict"], cell["reference_kind"]) == (0, "SAME", "own")
    assert (cell["faces_found"], cell["reference_faces"], cell["faces_expected"]) == (203, [203], [316])


def test_the_test_folder_can_be_measured(shared, tmp_path, capsys):
    arguments = ("--dataset", "300w", "--data-root", shared / "data" / "300w_test", "--model", "compact_300w")
    code, card = evaluate(tmp_path, *arguments, "--allow-partial", "--subset", "common", "--limit", "8")
    assert code == 0
    cell = cells_of(card)["common", "NME"]
    assert (cell["verdict"], cell["faces_found"]) == ("PARTIAL", 8)
    assert (cell["faces_expected"], cell["reference_faces"]) == ([554], [434])
    out = capsys.readouterr().out
    pattern = r"compact_300w +examples/train_compact +common, 8 of 554 +NME +[\d.]+ own +\d\.\d\d % \(inter-ocular\)"
    assert re.search(pattern, out)
    assert "PARTIAL: not the faces of the reference" in out
    assert "own NME on 434 faces of common: measured by examples/train_compact" in out


def measured(options, tmp_path):
    code, card = evaluate(tmp_path, *options, "--subset", "full", "--allow-partial")
    assert code == 0
    return cells_of(card)["full", "NME"]["measured"]


def publish_row(monkeypatch, value, count=6):
    """Make the tiny release complete, and a number of it published for the model in the wheel."""
    publish(monkeypatch, "300w", full=count)
    plain = rows.plain_row(rows.MODELS["compact_300w"], "300w", ["full"])
    (cell, *_) = plain.protocol.cells
    named = rows.replace(plain.protocol, cells=(rows.replace(cell, key="full"),))
    row = rows.Row("compact_300w", named, "a test", {"full": value})
    monkeypatch.setattr("facelandmarks.evaluation.rows.published_rows", lambda spec: [row])


@pytest.mark.parametrize(
    ("off", "verdict", "code"), [(0, "PASS", 0), (0.02, "FAIL", 1), (-0.02, "FAIL", 1), (4, "FAIL", 1)]
)
def test_only_the_right_number_passes(options, tmp_path, monkeypatch, capsys, off, verdict, code):
    value = round(measured(options, tmp_path), 2)
    publish_row(monkeypatch, value + off)
    capsys.readouterr()
    found, card = evaluate(tmp_path, *options, "--strict")
    assert (found, cells_of(card)["full", "NME"]["verdict"]) == (code, verdict)
    assert verdict in capsys.readouterr().out
    assert evaluate(tmp_path, *options)[0] == 0  # a number that does not agree is a result, not an error


def test_wrong_points_do_not_pass(options, tmp_path, monkeypatch):
    publish_row(monkeypatch, round(measured(options, tmp_path), 2))
    kept = tmp_path / "kept"
    assert evaluate(tmp_path, *options, "--resume", kept, "--strict")[0] == 0
    (file,) = kept.iterdir()
    head, *lines = file.read_text().splitlines()
    for change in (2.0, np.nan):
        broken = [json.loads(line) for line in lines]
        broken[2]["points"] = (np.array(broken[2]["points"]) + change).tolist()
        file.write_text("\n".join([head, *map(json.dumps, broken)]) + "\n")
        code, card = evaluate(tmp_path, *options, "--resume", kept, "--strict")
        assert (code, cells_of(card)["full", "NME"]["verdict"]) == (1, "FAIL")


def test_the_right_number_of_other_faces_does_not_pass(options, tmp_path, monkeypatch, capsys):
    publish_row(monkeypatch, round(measured(options, tmp_path), 2), count=7)
    code, card = evaluate(tmp_path, *options, "--strict", "--allow-partial")
    assert (code, cells_of(card)["full", "NME"]["verdict"]) == (1, "PARTIAL")
    assert evaluate(tmp_path, *options, "--allow-partial")[0] == 0
    assert evaluate(tmp_path, *options)[0] == 4
    assert "holds 6 faces, the published number is 7" in capsys.readouterr().err


def test_everything_that_is_written(options, tmp_path, capsys):
    files = {kind: tmp_path / f"report.{kind}" for kind in ("json", "md", "csv")}
    outputs = ["--json", str(files["json"]), "--markdown", str(files["md"]), "--csv", str(files["csv"])]
    assert main([*options, "--subset", "full", "--allow-partial", *outputs]) == 0
    table = capsys.readouterr().out
    card = json.loads(files["json"].read_text())
    (row,) = card["rows"]
    assert card["runs"][0]["command"][:3] == ["facelandmarks-eval", "--dataset", "300w"]
    assert row["run"]["engine"]["device"] == "cpu"
    assert len(row["run"]["weights"]["sha256"]) == 64
    part = row["subsets"]["full"]
    errors = part["measured"]
    assert (len(part["names"]), len(errors["errors"]), len(errors["per_landmark"])) == (6, 6, 68)
    assert np.mean(errors["errors"]) == pytest.approx(row["cells"][0]["fraction"], abs=1e-5)
    assert len(part["annotations"]["faces_sha256"]) == 64
    numbers = list(csv.DictReader(files["csv"].read_text().splitlines()))
    assert [number["metric"] for number in numbers] == ["NME"]
    assert float(numbers[0]["measured"]) == row["cells"][0]["measured"]
    markdown = files["md"].read_text()
    assert "| model | measured by | subset |" in markdown
    assert "- `facelandmarks-eval --dataset 300w" in markdown
    for name, number in errors["statistics"].items():
        if name in ("faces", "missed"):
            continue
        assert float(numbers[0][name]) == number["value"]
        assert [float(numbers[0][f"{name}_{end}"]) for end in ("low", "high")] == number["interval"]
        for text in (table, markdown):
            assert f"{100 * number['value']:.2f}" in text
    for text in (table, markdown):
        assert "{:.2f} to {:.2f}".format(*(100 * end for end in errors["statistics"]["mean"]["interval"])) in text
    assert "| measured | subset | % of | jaw | brow left |" in markdown
    assert f"| {100 * errors['per_contour']['jaw']:.2f} |" in markdown
    # All of it comes out of the JSON file again, without data or model.
    again = tmp_path / "again.md"
    assert main(["--render", str(files["json"]), "--markdown", str(again)]) == 0
    assert capsys.readouterr().out == table
    assert again.read_text() == markdown
    assert main(["--render", str(files["json"]), "--markdown", str(again)]) == 2
    assert "exists" in capsys.readouterr().err
    assert main(["--render", str(files["md"])]) == 2
    assert "report.md is not a report" in capsys.readouterr().err


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_of_the_library_is_passed_on(options, tmp_path, monkeypatch, engine):
    """Which there are only `load_model` knows; what it says of the one that runs is kept."""
    asked, load_model = [], api.load_model

    class Named:
        def __init__(self, engine):
            self.run = engine.run
            self.info = replace(engine.info, engine=f"{asked[-1]} that ran")

    def load(name, *, engine, **options):
        asked.append(engine)
        model = load_model(name, **options)
        return Model(model.spec, Named(model.engine))

    monkeypatch.setattr(api, "load_model", load)
    code, card = evaluate(tmp_path, *options, "--subset", "challenge", "--allow-partial", "--engine", engine)
    assert (code, asked, card["rows"][0]["run"]["engine"]["engine"]) == (0, [engine], f"{engine} that ran")


def test_an_engine_that_is_none(options, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([*options, "--subset", "challenge", "--allow-partial", "--engine", "steam"])
    error = capsys.readouterr().err
    assert stopped.value.code == 2
    assert all(engine in error for engine in ENGINES)


def test_json_on_stdout_is_all_of_it(options, capsys):
    assert main([*options, "--subset", "challenge", "--allow-partial", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"][0]["model"] == "compact_300w"


def test_annotation_files_have_digests(root, options, tmp_path):
    code, card = evaluate(tmp_path, *options, "--subset", "full", "--form", "pfld", "--allow-partial")
    assert code == 0
    annotations = card["rows"][0]["subsets"]["full"]["annotations"]
    assert (annotations["form"], len(annotations["sha256"])) == ("pfld", 64)


def test_models_that_are_not_at_hand_are_listed(root, capsys):
    assert main(["--dataset", "wflw", "--data-root", str(root)]) == 3
    out = capsys.readouterr().out
    assert "hrnetv2_w18_wflw_official (README at f776dbe): not measured: its weights are not at hand" in out


def test_weights_that_cannot_be_had_are_no_end_of_the_others(options, capsys):
    """Of the official program's weights there are copies of others only; --fetch says so, and goes on."""
    assert (
        main([*options, "--model", "hrnetv2_w18_300w_official", "--subset", "common", "--limit", "2", "--fetch"]) == 1
    )
    out = capsys.readouterr().out
    assert re.search("compact_300w +examples/train_compact +common, 2 of 554", out)
    assert "hrnetv2_w18_300w_official (README at f776dbe): not measured: HR18-300W.pth has only third-party" in out
    options[5] = "hrnetv2_w18_300w_official"
    assert main([*options, "--subset", "common", "--limit", "2", "--fetch"]) == 3
    assert "error: HR18-300W.pth has only third-party copies" in capsys.readouterr().err


def test_no_data(tmp_path, options, capsys):
    options[3] = str(tmp_path)
    assert main([*options, "--subset", "common"]) == 4
    error = capsys.readouterr().err
    assert "looked for helen/testset/*.pts" in error
    assert str(tmp_path) in error
    assert "ibug.doc.ic.ac.uk" in error


def test_what_is_missing_is_said_and_the_rest_is_measured(root, tmp_path, options):
    shutil.copytree(root / "ibug", tmp_path / "part" / "ibug")
    options[3] = str(tmp_path / "part")
    code, card = evaluate(tmp_path, *options, "--subset", "challenge", "--subset", "test", "--allow-partial")
    assert code == 1
    assert set(card["rows"][0]["subsets"]) == {"challenge"}
    assert "looked for" in card["rows"][0]["missing"]["test"]


def test_the_bar_ends_where_the_faces_end(root, tmp_path, options, monkeypatch):
    """A subset that is not there was counted: the bar stopped at 68 %."""
    import tqdm

    totals = []
    monkeypatch.setattr(tqdm, "tqdm", lambda total, **_: totals.append(total) or contextlib.nullcontext(mock.Mock()))
    shutil.copytree(root / "ibug", tmp_path / "part" / "ibug")
    options[3] = str(tmp_path / "part")
    assert main([*options, "--subset", "challenge", "--subset", "test", "--allow-partial"]) == 1
    assert totals == [135]


def test_an_incomplete_release_is_no_failure_where_it_is_allowed(root, tmp_path, options, capsys):
    """The row of the model has a validation and a test subset; only the pictures of one are there."""
    for part in ("helen", "lfpw"):
        shutil.copytree(root / part / "testset", tmp_path / "part" / part / "testset")
    options[3] = str(tmp_path / "part")
    code, card = evaluate(tmp_path, *options, "--allow-partial")
    assert (code, list(card["rows"][0]["missing"])) == (0, ["validation"])
    assert "validation: not measured: 300-W, validation: its files were not found" in capsys.readouterr().out
    assert evaluate(tmp_path, *options, "--allow-partial", "--subset", "common", "--subset", "validation")[0] == 1


def test_the_list_names_data_sets_terms_and_rows(capsys):
    assert main(["--list"]) == 0
    out = capsys.readouterr().out
    for release in RELEASES.values():
        assert f"{release.name}: {release.title}" in out
    assert "terms: research only, no commercial use" in out
    assert "row: compact_300w, 300w_compact: validation (203 train faces held out) 3.25" in out
    assert "hrnetv2_w18_wflw_official (weights not at hand), wflw_official: test 4.60, pose 7.86" in out
    assert "deepfashion_full_mmpose1x: PCK@0.2 98.3, AUC 67.3, EPE 11.7" in " ".join(out.split())
    assert "hrnetv2_w18_300wlp, 300W-LP: MMPose cannot evaluate it itself" in out


WRONG = [
    ((), "give --dataset NAME and --data-root DIR"),
    (("--data-root", "."), "give --dataset NAME and --data-root DIR"),
    (("--dataset", "300w"), "give --data-root DIR, the folder of 300-W; --list says"),
    (("--dataset", "301w"), "no dataset '301w'"),
    (("--dataset", "300w", "--data-root", ".", "--weights", "a.pth"), "got 0 models"),
    (("--dataset", "300w", "--data-root", ".", "--predictions", "a", "--model", "b"), "leave out models"),
    (("--dataset", "301w", "--data-root", ".", "--model", "compact_300w"), "no dataset '301w'"),
    (("--dataset", "300w", "--data-root", ".", "--model", "compact"), "no model 'compact'"),
    (("--dataset", "300w", "--data-root", ".", "--model", "compact_300w", "--subset", "half"), "no 300w subset 'half'"),
    (("--dataset", "wflw", "--data-root", ".", "--model", "compact_300w"), "gives ibug68 points, wflw has wflw98"),
    (("--dataset", "301w", "--data-root", "."), "no dataset '301w'"),
    (("--dataset", "300w", "--data-root", ".", "--json", "no/such/file.json"), "no such folder"),
    (("--render", "r.json", "--json", "q.json", "--csv", "q.json"), "q.json is named for two outputs"),
    (("--render", "r.json", "--json", ".", "--force"), ". is a folder: give the name of a file"),
    (("--dataset", "300w", "--data-root", ".", "--predictions", "p", "--csv", "p", "--force"), "p is an input"),
    *((("--render", "r.json", option, "-"), "only --json - is stdout") for option in ("--csv", "--markdown", "--html")),
    (("--compare", "compact_300w", "compact_300w"), "give --dataset NAME and --data-root DIR"),
    (("--compare", "a.json", "b.json", "--model", "compact_300w"), "leave out --model"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_wrong_usage(arguments, message, capsys):
    assert main([*arguments, "--quiet"]) == 2
    assert message in capsys.readouterr().err


def test_help_and_list_load_no_torch():
    code = (
        "import sys\n"
        "from facelandmarks.cli.evaluate import main\n"
        "main(['--list'])\n"
        "print(sorted({'torch', 'matplotlib', 'tqdm'} & set(sys.modules)), file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert result.stderr.strip() == "[]"


def test_two_models_are_compared(root, tmp_path, capsys):
    """A model with itself: each face is a tie."""
    options = ["--dataset", "300w", "--data-root", str(root), "--subset", "full", "--allow-partial"]
    code, card = evaluate(tmp_path, *options, "--compare", "compact_300w", "compact_300w")
    assert code == 0
    (found,) = card["comparisons"]
    assert (found["difference"], found["better"]) == ({"value": 0, "interval": [0, 0]}, None)
    assert found["wins"]["value"] == 0.5
    assert "neither is shown to be" in capsys.readouterr().out


def test_two_kept_reports_are_compared(options, tmp_path, capsys):
    whole, part, both = (tmp_path / f"{name}.json" for name in ("whole", "part", "both"))
    assert main([*options, "--subset", "full", "--allow-partial", "--json", str(whole)]) == 0
    assert main([*options, "--subset", "full", "--allow-partial", "--limit", "4", "--json", str(part)]) == 0
    capsys.readouterr()
    page = tmp_path / "page.html"
    assert main(["--compare", str(whole), str(part), "--json", str(both), "--html", str(page)]) == 0
    (found,) = json.loads(both.read_text())["comparisons"]
    assert (found["faces"], found["faces_of"]) == (4, [6, 4])
    assert "Compared on the same faces" in page.read_text()
    out = capsys.readouterr().out
    assert re.search(r"full +4, missed 0 and 0", out)
    assert main(["--render", str(whole), str(part)]) == 0
    assert capsys.readouterr().out.count("compact_300w") >= 4
    assert main(["--compare", str(whole), str(tmp_path / "no.json")]) == 2
    assert "no.json is not a report" in capsys.readouterr().err


def test_reports_without_settings_are_printed_again(options, tmp_path, capsys):
    path = tmp_path / "a.json"
    assert main([*options, "--subset", "full", "--allow-partial", "--json", str(path)]) == 0
    card = json.loads(path.read_text())
    card["runs"][0]["settings"] = {}
    card["not_run"] = [{"model": "tiny_300w", "source": "", "reason": "no time"}]
    path.write_text(json.dumps(card))
    assert main(["--render", str(path)]) == 0
    assert "\ntiny_300w: not measured: no time\n" in capsys.readouterr().out


def test_a_damaged_model_is_no_end_of_the_others(options, tmp_path, capsys):
    write_model("tiny_300w", tmp_path / "mine", rename="mine")
    (tmp_path / "mine" / "model.safetensors").unlink()
    assert main([*options, "--model", str(tmp_path / "mine"), "--subset", "challenge", "--allow-partial"]) == 1
    assert "mine: not measured: no weights beside the record" in capsys.readouterr().out


def test_no_such_file_of_weights(options, capsys):
    assert main([*options, "--weights", "no.pth"]) == 3
    assert "no.pth" in capsys.readouterr().err
