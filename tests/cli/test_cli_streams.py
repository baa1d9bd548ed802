"""What the commands do to stdout and stderr, and what they find out before anything is loaded."""

import io
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
from paths import ROOT

import facelandmarks as fl
from facelandmarks.cli import common, export, predict
from facelandmarks.cli import weights as weights_command

FACE = skimage.data.astronaut()[30:240, 110:330]
ODD = "日本 ż.png"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A current folder with a photo."""
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("face.png", FACE[..., ::-1])
    return tmp_path


@pytest.fixture
def loads_nothing(monkeypatch):
    def load(*_args, **_options):
        pytest.fail("a model was loaded")

    monkeypatch.setattr(common, "load_chosen_model", load)


def stdout_of(encoding, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    return stream


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
@pytest.mark.parametrize("name", [ODD, os.fsdecode(b"bytes \xff\xfe.png")])
def test_names_that_stdout_cannot_show_end_no_run(folder, monkeypatch, encoding, name):
    Path(name).write_bytes(Path("face.png").read_bytes())
    stream = stdout_of(encoding, monkeypatch)
    assert predict.main([name, "face.png", "--json", "all.json", "--draw", "drawn/"]) == 0
    stream.seek(0)
    said = stream.read().splitlines()
    assert [": 1 face, 68 landmarks" in line for line in said] == [True, True]
    assert (ODD in said[0]) == (encoding == "utf-8" and name == ODD)
    assert [len(image["faces"]) for image in json.loads(Path("all.json").read_bytes())["images"]] == [1, 1]
    assert len(list(Path("drawn").iterdir())) == 2


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_names_that_stdout_cannot_show_in_the_other_commands(folder, monkeypatch, encoding):
    Path(ODD).mkdir()
    stream = stdout_of(encoding, monkeypatch)
    assert weights_command.main(["--cache-dir", ODD, "clean"]) == 0
    assert predict.main(["face.png", "--out", f"{ODD}.csv", "--threads", "1"]) == 0
    assert predict.main(["--scheme", "points5", "--draw", f"{ODD}/"]) == 0
    stream.seek(0)
    assert stream.read().count("\\u65e5\\u672c") == 3


@pytest.mark.parametrize(
    "words",
    [
        ("predict", "--help"),
        ("predict", "--scheme", "wflw98"),
        ("predict", "face.png", "--json", "-", "--quiet"),
        ("predict", "face.png", "face.png"),
        ("weights", "list"),
        ("evaluate", "--list"),
    ],
)
def test_a_pipe_that_closes_is_141_without_a_word(folder, words):
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", f"facelandmarks.cli.{words[0]}", *words[1:]]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "FACELANDMARKS_ENGINE": "onnxruntime"}
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, env=env, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("predict --scheme points5 2>&-", 0),
        ("predict none.png 2>&-", 4),
        ("evaluate --render none.json 2>&-", 2),
        ("predict --scheme points5 >&-", 0),
        ("predict face.png --json - >&-", 141),
        ("predict face.png --json - >&- 2>&-", 141),
    ],
)
def test_closed_streams_are_no_error_unless_results_go_there(folder, words, code):
    command = f'"{sys.executable}" -m facelandmarks.cli.{words}'
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, shell=True, capture_output=True, env=env, text=True, check=False)
    assert (done.returncode, done.stderr) == (code, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_under_stdout_is_one_line(folder):
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "facelandmarks.cli.predict", "--scheme", "points5"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, cwd=ROOT, text=True, check=False)
    assert (done.returncode, done.stderr) == (4, "error: cannot write the output: No space left on device\n")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["none.png"], 4, "no such file: none.png"),
        (["none.png", "--bbox", "9,9,5,5"], 4, "no such file: none.png"),
        (["."], 2, "give --out FILE"),
        (["face.png", "--bbox", "90,90,10,10"], 2, "has no area"),
        (["face.png", "--bbox", "0.1,0.1,0.9,0.9"], 2, "multiply by its width and height"),
        (["face.png", "--draw", "a.gif"], 2, "--draw a.gif: drawings of images are written as .png, .jpg"),
        (["face.png", "--json", "no/a.json"], 2, "no such folder: no"),
        (["none.png", "--out", "no/a.csv"], 2, "no such folder: no"),
        (["", "--out", "a.csv"], 2, "an argument is empty"),
        (["face.png", "--model="], 2, "an argument is empty"),
        (["face.png", "--draw", "x.png", "--json", "./x.png"], 2, "x.png is named for two outputs"),
        (["face.png", "--draw", "new/", "--json", "new"], 2, "new is a folder: give the name of a file"),
        (["face.png", "--json", ".", "--force"], 2, ". is a folder: give the name of a file"),
        (["face.png", "--json", os.devnull, "--force"], 2, f"{os.devnull} is not a plain file"),
        (["face.png", "--out", "x.csv", "--draw", "x.csv"], 2, "x.csv is a folder: give the name of a file"),
        (["none*.png", "--out", "a.csv"], 4, "no images in none*.png"),
        (["none.txt", "--out", "a.csv"], 4, "cannot read the list none.txt"),
        (["none.mp4"], 4, "no such file: none.mp4"),
    ],
)
def test_arguments_come_first(folder, loads_nothing, capsys, words, code, said):
    assert predict.main([*words, "--engine", "torch"]) == code
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert said in err
    assert [path.name for path in folder.iterdir()] == ["face.png"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--device", "cuda:99"], 2, "'cuda:99' cannot be used here"),
        (["--device", "gpu"], 2, "no device 'gpu'; there are: auto, cpu, cuda, mps"),
        (["--model", "hrnet"], 2, "no model 'hrnet'; did you mean"),
        (["--weights", "none.pth"], 3, "no such weights file: none.pth"),
    ],
)
def test_wrong_options_are_told_without_pytorch(folder, words, code, said):
    command = [
        sys.executable,
        "-X",
        "importtime",
        "-m",
        "facelandmarks.cli.predict",
        "face.png",
        "--engine",
        "torch",
        *words,
    ]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    lines = done.stderr.splitlines()
    assert done.returncode == code
    assert not [line for line in lines if line.startswith("import time:") and line.split()[-1] == "torch"]
    (told,) = [line for line in lines if not line.startswith("import time:")]
    assert said in told


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
@pytest.mark.parametrize("name", ["loop.png", "loop.mp4"])
def test_a_circle_of_links_is_a_file_that_cannot_be_read(folder, capsys, name):
    Path(name).symlink_to(name)
    assert predict.main([name]) == 4
    assert name in capsys.readouterr().err
    Path("link.json").symlink_to("there.json")  # a link to a plain file is overwritten like one
    Path("there.json").touch()
    assert predict.main(["face.png", "--json", "link.json", "--force", "--threads", "1"]) == 0


def test_export_looks_at_its_images_first(folder, monkeypatch, capsys):
    import facelandmarks.export

    monkeypatch.setattr(facelandmarks.export, "export_model", lambda *_args, **_options: pytest.fail("exported"))
    assert export.main(["compact_300w", "m.onnx", "--verify", "none.png"]) == 4
    assert capsys.readouterr().err == "error: no such file: none.png\n"


@pytest.mark.parametrize("box", ["-12,20,200,220", "-12.5,-3,200,220", "-.5,20,200,220", "-1e1,20,200,220"])
@pytest.mark.parametrize("form", ["two words", "one word"])
def test_boxes_may_begin_beyond_the_edge(folder, box, form):
    words = ["--bbox", box] if form == "two words" else [f"--bbox={box}"]
    assert predict.main(["face.png", *words, "--json", "a.json", "--quiet", "--force"]) == 0
    (face,) = json.loads(Path("a.json").read_text())["images"][0]["faces"]
    np.testing.assert_allclose(face["box"], [float(part) for part in box.split(",")])


def test_the_help_shows_the_form_of_such_boxes(capsys):
    with pytest.raises(SystemExit, match="0"):
        predict.main(["--help"])
    assert "--bbox=-12,20,200,220" in capsys.readouterr().out


KINDS = {
    ".png": b"\x89PNG", ".jpg": b"\xff\xd8\xff", ".jpeg": b"\xff\xd8\xff", ".JPG": b"\xff\xd8\xff", ".webp": b"RIFF",
    ".bmp": b"BM", ".tif": b"II*\0", ".tiff": b"II*\0",
}  # fmt: skip


@pytest.mark.parametrize("suffix", KINDS)
@pytest.mark.parametrize("command", [["face.png"], ["--scheme", "points5"]])
def test_a_drawing_holds_what_its_suffix_says(folder, suffix, command):
    assert predict.main([*command, "--draw", f"drawn{suffix}", "--quiet"]) == 0
    assert Path(f"drawn{suffix}").read_bytes().startswith(KINDS[suffix])
    expected = FACE if command == ["face.png"] else cv2.imread(f"drawn{suffix}")
    assert cv2.imread(f"drawn{suffix}").shape == expected.shape


@pytest.mark.parametrize("suffix", [".gif", ".avif", ".heic", ".ico", ".mp4"])
@pytest.mark.parametrize("command", [["face.png"], ["--scheme", "points5"]])
def test_a_drawing_of_another_suffix_is_refused(folder, suffix, command, capsys):
    assert predict.main([*command, "--draw", f"drawn{suffix}"]) == 2
    assert "drawings of images are written as .png, .jpg" in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["face.png"]


@pytest.mark.parametrize(
    "name", ["run.1", "run.1/", "drawn", "drawn/", "photos.jpg/", "v1.2.3/deep", "a.mp4/", "out.dir"]
)
@pytest.mark.parametrize(
    ("command", "drawing"), [(["face.png"], "face_landmarks"), (["--scheme", "points5"], "points5")]
)
def test_folders_of_drawings(folder, name, command, drawing):
    assert predict.main([*command, "--draw", name, "--quiet"]) == 0
    assert [path.name for path in Path(name).iterdir()] == [f"{drawing}.png"]


def test_a_folder_that_cannot_be_written_to_is_one_line_with_the_name(folder, monkeypatch, capsys):
    def full(*names):
        raise PermissionError(13, "Permission denied", *map(str, names))

    monkeypatch.setattr(os, "replace", full)  # also: the name of the unfinished file means nothing to anybody
    assert predict.main(["face.png"]) == 4
    assert capsys.readouterr().err == "error: face.png: [Errno 13] Permission denied: 'face_landmarks.png'\n"
    assert [path.name for path in folder.iterdir()] == ["face.png"]


def test_warnings_are_one_line():
    told = []
    before = warnings.formatwarning

    def command(_words):
        told.append(warnings.formatwarning("mind the gap", UserWarning, "file.py", 3))
        return 0

    assert common.run_command(command, []) == 0
    assert told == ["warning: mind the gap\n"]
    assert warnings.formatwarning is before


NO_OPENCV = """
import sys

class Broken:
    def find_spec(self, name, path=None, target=None):
        if name == "cv2":
            raise ImportError("libGL.so.1: cannot open shared object file: No such file or directory", name="cv2")

sys.meta_path.insert(0, Broken())
"""
NO_PYTORCH = "import sys; sys.modules['torch'] = None\n"


def without(blocked, code):
    """Run Python where a library cannot be imported."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "FACELANDMARKS_ENGINE": "auto"}
    return subprocess.run([sys.executable, "-c", blocked + code], env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "code",
    [
        "import facelandmarks as fl; fl.predict('face.png')",
        "from facelandmarks.images import load_image",
        "from facelandmarks.video import read_video",
        "from facelandmarks.measures import align",
    ],
)
def test_without_opencv_the_cure_is_named(folder, code):
    done = without(NO_OPENCV, code)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("facelandmarks.errors.MissingDependencyError: OpenCV cannot be imported here (libGL.so.1: ")
    assert "opencv-python-headless" in last
    assert "libgl1 libglib2.0-0" in last


def test_without_opencv_a_command_says_it_in_one_line(folder):
    done = without(NO_OPENCV, "from facelandmarks.cli.predict import main; sys.exit(main(['face.png']))")
    assert done.returncode == 4
    assert done.stderr.startswith("error: OpenCV cannot be imported here (libGL.so.1: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "code",
    [
        "import facelandmarks as fl; fl.load_model(engine='torch')",
        "import facelandmarks as fl; fl.load_model('rtmpose_t_face6', weights={'a.b': 1})",
        "import facelandmarks as fl; fl.load_model(dtype='bfloat16')",
        "import facelandmarks as fl; fl.export_model('compact_300w', 'm.onnx')",
        "from facelandmarks.cli.predict import main; sys.exit(main(['face.png', '--engine', 'torch']))",
    ],
)
def test_without_pytorch_it_is_named(folder, code):
    done = without(NO_PYTORCH, code)
    assert done.returncode != 0
    last = done.stderr.splitlines()[-1]
    assert "this needs PyTorch, which cannot be imported here (import of torch halted" in last
    assert "pip install torch" in last


def test_without_pytorch_built_in_models_work(folder):
    done = without(NO_PYTORCH, "import facelandmarks as fl; print(len(fl.predict('face.png')))")
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_missing_files_are_what_python_calls_them(tmp_path):
    from facelandmarks.video import read_video

    calls = (
        fl.load_image,
        fl.predict,
        read_video,
        lambda path: fl.load_model(weights=path),
    )
    for call in calls:
        with pytest.raises(FileNotFoundError, match=r"no such .*none\.xyz") as caught:
            call(tmp_path / "none.xyz")
        assert isinstance(caught.value, fl.FaceLandmarksError)
    with pytest.raises(fl.InvalidImageError):
        fl.load_image(tmp_path / "none.jpg")
    with pytest.raises(ValueError, match="directory"):  # no missing file: another error
        fl.load_image(tmp_path)


def test_the_default_model_is_loaded_once_and_after_the_image(tmp_path, monkeypatch):
    from facelandmarks import api

    monkeypatch.setattr(api, "_default_model", lambda: pytest.fail("a model was loaded"))
    with pytest.raises(FileNotFoundError):
        fl.predict(tmp_path / "none.jpg")
    monkeypatch.undo()
    model = api._default_model()
    monkeypatch.setattr(api, "load_model", lambda: pytest.fail("loaded again"))
    bgr = np.ascontiguousarray(FACE[..., ::-1])
    assert fl.predict(bgr, color="bgr").to_dict() == fl.predict(FACE).to_dict() == model.predict(FACE).to_dict()
    assert api._default_model() is model
