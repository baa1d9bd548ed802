"""facelandmarks-predict --scheme: the table, the picture, exit codes, and what is imported for it."""

import subprocess
import sys

import cv2
import numpy as np
import pytest

from facelandmarks.cli.predict import main
from facelandmarks.draw.schemes import draw_scheme
from facelandmarks.schemes import SCHEMES, get_scheme


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=lambda s: s.name)
def test_table_has_a_line_for_every_point(scheme, folder, capsys):
    assert main(["--scheme", scheme.name]) == 0
    title, _, *rows = capsys.readouterr().out.splitlines()
    assert title == f"{scheme.name}: {len(scheme)} points, {len(scheme.pairs)} pairs"
    found = [(int(row.split()[0]), " ".join(row.split()[1:-1]), int(row.split()[-1])) for row in rows]
    assert found == list(zip(range(len(scheme)), scheme.names, scheme.mirror, strict=True))
    assert list(folder.iterdir()) == []


def test_picture_is_the_one_of_the_function(capsys):
    assert main(["--scheme", "cofw29", "--draw", "x.png", "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    assert np.array_equal(cv2.imread("x.png")[..., ::-1], draw_scheme(get_scheme("cofw29")))


def test_picture_goes_into_a_folder_too(folder, capsys):
    (folder / "old").mkdir()
    assert main(["--scheme", "aflw19", "--draw", "old"]) == 0
    assert main(["--scheme", "aflw19", "--draw", "new/er"]) == 0
    assert (folder / "old" / "aflw19.png").read_bytes() == (folder / "new" / "er" / "aflw19.png").read_bytes()
    assert "-> old/aflw19.png" in capsys.readouterr().out


def test_nothing_is_overwritten_without_force(folder, capsys):
    (folder / "x.png").write_text("mine")
    assert main(["--scheme", "aflw19", "--draw", "x.png"]) == 2
    captured = capsys.readouterr()
    assert "--force" in captured.err
    assert captured.out == ""
    assert (folder / "x.png").read_text() == "mine"
    assert main(["--scheme", "aflw19", "--draw", "x.png", "--force"]) == 0
    assert (folder / "x.png").read_bytes().startswith(b"\x89PNG")


def test_folder_that_is_not_there(folder, capsys):
    assert main(["--scheme", "aflw19", "--draw", "no/such/x.png"]) == 2
    assert "no such folder: no/such" in capsys.readouterr().err
    assert list(folder.iterdir()) == []


def test_folder_that_cannot_be_made(folder, capsys):
    (folder / "file").write_text("mine")
    assert main(["--scheme", "aflw19", "--draw", "file"]) == 4
    assert capsys.readouterr().err.count("error:") == 1
    assert (folder / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "hint"),
    [("wflw89", "did you mean wflw98"), ("ibug-68", "did you mean ibug68"), ("xyz", "there are: aflw19")],
)
def test_unknown_schemes_are_wrong_usage(name, hint, folder, capsys):
    assert main(["--scheme", name, "--draw", "x.png"]) == 2
    assert hint in capsys.readouterr().err
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("words", [["a.png"], ["--bbox", "1,2,3,4"], ["--json", "x.json"]])
def test_a_scheme_has_no_faces(words, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--scheme", "wflw98", *words])
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert ("goes with --draw, --force and --quiet only" in said) or ("the points of --weights" in said)


def test_neither_picture_nor_scheme_is_wrong_usage(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--draw", "x.png"])
    assert caught.value.code == 2
    assert "--scheme NAME" in capsys.readouterr().err


def test_no_torch_is_loaded():
    code = (
        "import sys\n"
        "from facelandmarks.cli.predict import main\n"
        "print(main(['--scheme', 'ibug68', '--quiet']), 'cv2' in sys.modules)\n"
        "print(main(['--scheme', 'ibug68', '--draw', 'x.png', '--quiet']), 'torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == ["0 False", "0 False"]
