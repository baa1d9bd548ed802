"""facelandmarks-predict with folders, patterns and lists: options, exit codes, and processes that are killed."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from bulk_cases import make_pictures, read_jsonl
from paths import HELPERS

from facelandmarks.cli.predict import main

CHEAP = HELPERS / "bulk_and_die.py"
KILLS = 20


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Pictures in `in`, which lies in the current folder."""
    make_pictures(tmp_path / "in", 8)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_folder_a_pattern_and_a_list_give_the_same_rows(folder, capsys):
    assert main(["in", "--out", "folder.jsonl", "--threads", "1"]) == 1
    captured = capsys.readouterr()
    assert "10 images: 7 faces, 1 without a face, 2 failed -> folder.jsonl" in captured.out
    assert "images/s" in captured.err or "s/ images" in captured.err
    rows = read_jsonl("folder.jsonl")
    Path("list.txt").write_text("".join(f"{image}\n" for image in dict.fromkeys(row["image"] for row in rows)))
    assert main(["list.txt", "--out", "list.jsonl", "--quiet", "--threads", "1", "--workers", "2"]) == 1
    assert main(["in/*.*", "in/more/*", "--out", "pattern.jsonl", "--quiet", "--threads", "1"]) == 1
    out, err = capsys.readouterr()
    assert not out
    assert [line.split()[:2] for line in err.splitlines()] == 2 * [
        ["error:", "in/broken.jpg"],
        ["error:", "in/more/empty.png"],
    ]
    assert Path("list.jsonl").read_bytes() == Path("pattern.jsonl").read_bytes() == Path("folder.jsonl").read_bytes()


def test_exit_codes_of_many_pictures(folder, capsys):
    assert main(["in/p*.png", "--out", "good.csv", "--quiet"]) == 0
    assert main(["in/broken.jpg", "--out", "bad.jsonl", "--quiet"]) == 4
    assert read_jsonl("bad.jsonl")[0]["status"] == "failed"
    assert main(["in/none*.png", "--out", "none.csv"]) == 4
    assert main(["in/p*.png", "--out", "good.csv", "--resume"]) == 0
    captured = capsys.readouterr()
    assert "no images in in/none*.png" in captured.err
    assert "nothing to resume" in captured.out
    assert "error: in/broken.jpg" in captured.err  # also with --quiet
    assert not Path("none.csv").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["in"], "need --out"),
        (["in/*.png", "--json", "x.json"], "need --out"),
        (["in", "--out", "x.jsonl", "--draw", "y"], "--out goes without"),
        (["in", "--out", "x.jsonl", "--bbox", "1,2,3,4"], "--out goes without"),
        (["in", "--out", "no/x.jsonl"], "no such folder: no"),
        (["in", "--out", "x.xml"], ".parquet, .jsonl, .csv"),
        (["in", "--out", "there.jsonl"], "--force"),
        (["in", "--out", "x.jsonl", "--model", "compact_300W"], "did you mean"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_done(folder, capsys, words, message):
    Path("there.jsonl").write_text("mine")
    assert main(words) == 2
    assert message in capsys.readouterr().err
    assert sorted(path.name for path in folder.iterdir()) == ["in", "there.jsonl"]


def test_a_name_that_is_nothing_is_said_and_many_of_them_are_counted(folder, capsys):
    assert main(["nowhere", "--out", "x.csv"]) == 4
    captured = capsys.readouterr()
    assert "error: no such file: nowhere" in captured.err
    assert "1 image: 0 faces, 0 without a face, 1 failed -> x.csv" in captured.out
    Path("list.txt").write_text("".join(f"none{number}.jpg\n" for number in range(5)))
    capsys.readouterr()
    assert main(["list.txt", "--out", "z.jsonl", "--quiet"]) == 4
    err = capsys.readouterr().err
    assert [f"none{number}.jpg" in err for number in range(5)] == [True] * 3 + [False] * 2
    assert "and 2 more: the rows with status failed say why" in err


def test_pictures_of_a_folder_may_lie_on_their_side(folder, capsys):
    words = ["in/p000.png", "--quiet", "--threads", "1", "--out"]
    assert main([*words, "upright.jsonl"]) == 0
    Path("turned").mkdir()
    picture = cv2.imread("in/p000.png")
    cv2.imwrite("turned/p.png", np.rot90(picture))
    assert main(["turned", "--rotations", "0,90", "--quiet", "--threads", "1", "--out", "turned.jsonl"]) == 0
    (upright,), (turned,) = read_jsonl("upright.jsonl"), read_jsonl("turned.jsonl")
    x, y = np.transpose(upright["points"])
    np.testing.assert_allclose(turned["points"], np.stack([y, picture.shape[1] - 1 - x], axis=1), atol=0.01)


@pytest.mark.parametrize(
    "words", [["in", "--resume"], ["--scheme", "ibug68", "--out", "x.csv"], ["in", "--rotations", "9"]]
)
def test_options_that_do_not_go_together(words):
    with pytest.raises(SystemExit, match="2"):
        main(words)


def test_a_full_disk_is_said_in_one_line_and_can_be_resumed(folder, capsys, monkeypatch):
    def full(*_args):
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("facelandmarks.bulk.run.write_table", full)
        assert main(["in", "--out", "x.jsonl", "--quiet"]) == 4
    assert "No space left on device; stopped after 10 of 10 images; --resume" in capsys.readouterr().err
    assert main(["in", "--out", "x.jsonl", "--quiet", "--resume"]) == 1
    assert len(read_jsonl("x.jsonl")) == 10


@pytest.fixture(scope="module")
def cheap(tmp_path_factory):
    """A folder of 200 tiny pictures and a broken one."""
    root = tmp_path_factory.mktemp("cheap")
    (root / "in").mkdir()
    for number in range(200):
        cv2.imwrite(str(root / "in" / f"{number:03}.png"), np.full((12, 12, 3), number, np.uint8))
    (root / "in" / "100.jpg").write_bytes(b"none")
    return root


def start(folder, out, *words):
    """The command in a process of its own, once its work begins."""
    command = [sys.executable, str(CHEAP), "in", "--out", out, "--batch-size", "8", "--workers", "2", *words]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n", process.communicate()[1]
    return process


def unbroken(folder, out):
    """Bytes of a whole run, and the seconds of its work."""
    process = start(folder, out)
    begin = time.perf_counter()
    _, errors = process.communicate()
    assert process.returncode == 1, errors
    return (folder / out).read_bytes(), time.perf_counter() - begin


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_a_run_killed_at_random_moments_has_the_rows_of_an_unbroken_one(cheap, suffix):
    expected, seconds = unbroken(cheap, f"whole{suffix}")
    chance = random.Random(suffix)
    out = cheap / f"killed{suffix}"
    journal = cheap / f"killed{suffix}.journal"
    kills = 0
    while kills < KILLS:
        process = start(cheap, out.name, "--resume")
        time.sleep(chance.uniform(0, seconds / 2))
        process.kill()
        process.communicate()
        # Whatever the moment: what has the name of the table is the whole table.
        assert not out.exists() or out.read_bytes() == expected
        if journal.exists() or not out.exists():
            kills += 1
        else:
            out.unlink()  # it was faster: once more from the beginning
    process = start(cheap, out.name, "--resume")
    _, errors = process.communicate()
    assert process.returncode == 1, errors
    assert out.read_bytes() == expected
    assert list(cheap.glob(f"killed{suffix}*")) == [out]


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_run_exits_with_130_and_goes_on(cheap, sent):
    expected, _ = unbroken(cheap, "all.jsonl")
    process = start(cheap, "cut.jsonl")
    journal = cheap / "cut.jsonl.journal"
    while not journal.exists() or journal.read_bytes().count(b"\n") < 2:
        time.sleep(0.005)
    process.send_signal(sent)
    _, errors = process.communicate()
    assert process.returncode == 130, errors
    assert "--resume continues from there" in errors
    assert not (cheap / "cut.jsonl").exists()
    kept = journal.read_bytes()
    assert kept.endswith(b"\n")
    assert all(json.loads(line) for line in kept.splitlines())
    process = start(cheap, "cut.jsonl", "--resume")
    assert process.communicate() is not None
    assert (cheap / "cut.jsonl").read_bytes() == expected
    for name in ("cut.jsonl", "all.jsonl"):
        (cheap / name).unlink()
