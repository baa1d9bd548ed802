"""facelandmarks-predict with folders, patterns and lists: options, exit codes, and processes that are killed."""

import csv
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

import facelandmarks as fl
from facelandmarks.bulk import run
from facelandmarks.bulk.run import drawing_paths
from facelandmarks.bulk.tables import check_table, find_images
from facelandmarks.cli.predict import main
from facelandmarks.errors import InvalidOptionError
from facelandmarks.measures.pose import openface_columns

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
    assert main(["in", "--out", "large.jsonl", "--quiet", "--threads", "1", "--min-face", "5000"]) == 1
    assert {row["status"] for row in read_jsonl("large.jsonl")} == {"no_face", "failed"}
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
        (["in"], "give --out FILE"),
        (["in/*.png", "--json", "x.json"], "give --out FILE"),
        (["in", "--out", "x.jsonl", "--draw", "y.png"], "give a folder, such as y/"),
        (["in", "--draw", "no/y"], "no such folder: no"),
        (["in", "--draw", "y", "--show"], "are for single images"),
        (["in", "--out", "x.jsonl", "--columns", "openface"], "written to files ending in .csv"),
        (["in", "--out", "x.jsonl", "--bbox", "1,2,3,4"], "are for single images"),
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


def drawings(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


def test_a_folder_is_drawn_as_it_lies(folder, capsys):
    assert main(["in", "--draw", "drawn", "--threads", "1", "--no-boxes"]) == 1
    assert "10 images: 7 faces, 1 without a face, 2 failed -> drawn" in capsys.readouterr().out
    images = [path for path in find_images(["in"]) if Path(path).name not in ("broken.jpg", "empty.png")]
    expected = sorted(f"{Path(image).relative_to('in').with_suffix('')}_landmarks.png" for image in images)
    assert drawings(folder / "drawn") == expected
    assert any("/" in name for name in expected)
    image = next(image for image in images if len(fl.predict(image)))
    drawn = cv2.imread(f"drawn/{Path(image).relative_to('in').with_suffix('')}_landmarks.png")[..., ::-1]
    wanted = fl.load_model(threads=1).predict(image).draw(style=fl.Style(boxes=False))
    assert (np.abs(drawn.astype(int) - wanted) > 40).mean() < 1e-3  # rows have points to 0.001 pixels
    assert (drawn != fl.load_image(image)).any()


def test_rows_and_drawings_in_one_run_which_can_be_resumed(folder, capsys):
    assert main(["in/p*.png", "--out", "rows.jsonl", "--draw", "drawn/", "--threads", "1"]) == 0
    assert "-> rows.jsonl, drawn" in capsys.readouterr().out
    images = {row["image"] for row in read_jsonl("rows.jsonl")}
    assert drawings(folder / "drawn") == sorted(f"{Path(image).stem}_landmarks.png" for image in images)
    Path("rows.jsonl").unlink()
    assert main(["in/p*.png", "--out", "rows.jsonl", "--draw", "drawn/", "--quiet"]) == 2
    assert "choose another folder, or overwrite it with --force" in capsys.readouterr().err
    assert main(["in/p*.png", "--out", "rows.jsonl", "--draw", "drawn/", "--force", "--quiet"]) == 0


def test_two_images_of_one_name_have_two_drawings(tmp_path):
    images = [str(tmp_path / name) for name in ("a/1.jpg", "a/1.png", "b/1.jpg")]
    found = [path.as_posix() for path in drawing_paths(images, Path("out"))]
    assert found == ["out/a/1_landmarks.png", "out/a/1_landmarks_2.png", "out/b/1_landmarks.png"]
    assert [path.as_posix() for path in drawing_paths(images[:1], Path("out"))] == ["out/1_landmarks.png"]


def test_a_drawing_never_replaces_an_image(folder, capsys):
    image = next(path for path in find_images(["in"]) if path.endswith(".png"))
    twin = Path(image).with_name(f"{Path(image).stem}_landmarks.png")
    twin.write_bytes(Path(image).read_bytes())
    assert main(["in", "--draw", "in", "--force", "--quiet"]) == 2
    assert "is an input: write the drawings to another folder" in capsys.readouterr().err


def test_an_image_that_is_gone_when_it_is_drawn_is_a_failed_row(folder, monkeypatch):
    images = sorted(str(path) for path in Path("in").glob("p*.png"))[:2]
    batches = run.predict_batches

    def vanishing(*args, **options):
        for batch in batches(*args, **options):
            Path(images[1]).unlink()
            yield batch

    monkeypatch.setattr(run, "predict_batches", vanishing)
    assert main([*images, "--out", "rows.jsonl", "--draw", "drawn", "--quiet"]) == 1
    assert [row["status"] for row in read_jsonl("rows.jsonl")][-1] == "failed"
    assert drawings(folder / "drawn") == [f"{Path(images[0]).stem}_landmarks.png"]


def test_columns_of_openface(folder):
    assert (
        main(["in", "--out", "rows.csv", "--columns", "openface", "--quiet", "--threads", "1", "--max-faces", "1"]) == 1
    )
    with Path("rows.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    head = list(rows[0])
    assert head[:8] == ["frame", "face_id", "timestamp", "confidence", "success", "pose_Rx", "pose_Ry", "pose_Rz"]
    assert head[8:] == [f"x_{i}" for i in range(68)] + [f"y_{i}" for i in range(68)] + ["image"]
    images = find_images(["in"])
    assert [(int(row["frame"]), row["image"]) for row in rows] == list(enumerate(images, 1))
    model = fl.load_model(threads=1)
    for row in rows:
        if row["success"] == "0":
            assert row["confidence"] == "0"
            assert row["x_0"] == ""
        else:
            face = model.predict(row["image"])[0]
            found = np.array([[float(row[f"{axis}_{i}"]) for i in range(68)] for axis in "xy"]).T
            np.testing.assert_allclose(found, face.points, atol=2e-3)
            assert float(row["confidence"]) == pytest.approx(face.box_score, abs=1e-4)
    assert {row["success"] for row in rows} == {"0", "1"}


def test_columns_of_openface_need_points_for_a_head_pose(folder, monkeypatch):
    with pytest.raises(InvalidOptionError, match="lacks points that head pose needs"):
        openface_columns("deepfashion_full")
    with pytest.raises(InvalidOptionError, match="columns must be one of all, openface"):
        check_table(Path("a.csv"), "dlib")


def test_a_finished_run_is_not_drawn_later_in_silence(folder, capsys):
    arguments = ["in", "--out", "x.jsonl", "--quiet"]
    main([*arguments, "--draw", "drawn/"])
    assert main([*arguments, "--draw", "drawn/", "--resume"]) == 0
    assert main([*arguments, "--draw", "others/", "--resume"]) == 2
    assert "without drawings in others" in capsys.readouterr().err
