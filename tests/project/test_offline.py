"""Nothing phones home or is written outside of the cache: a fresh HOME, no CI, resolver and sockets watched."""

import os
import shutil
import subprocess
import sys

import cv2
import pytest
import skimage.data
from paths import HELPERS, ROOT

PREDICT = """
import sys
import facelandmarks as fl

model = fl.load_model(engine=sys.argv[1], device="cpu")
assert len(model.predict(sys.argv[2])) == 1
"""
DETECT = """
import sys
import facelandmarks as fl

assert len(fl.detect(sys.argv[2])) == 1
assert len(fl.predict(sys.argv[2]).draw(sys.argv[2])) > 0
print(fl.list_models(), fl.model_info("compact_300w"))
"""
# Python's own sockets, also where there is no compiler.
WATCHED = """
import sys

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.bind", "urllib.Request"):
        raise AssertionError(f"{event} {arguments}")

sys.addaudithook(refuse)
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """What is preloaded to watch libraries that are not written in Python; None where it cannot be built."""
    compiler = shutil.which("cc")
    if sys.platform != "linux" or compiler is None:
        return None
    made = tmp_path_factory.mktemp("watch") / "watch.so"
    source = HELPERS / "watch_network.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", made, source, "-ldl"], check=True, capture_output=True)
    return made


@pytest.fixture
def run(library, tmp_path):
    """Run Python as on a fresh machine; returns the process, what it did on the network, and what is in HOME."""
    home, log, work = tmp_path / "home", tmp_path / "network.log", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), skimage.data.astronaut()[..., ::-1])

    def start(*words):
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(home), "WATCH_LOG": str(log)}
        if library is not None:
            env["LD_PRELOAD"] = str(library)
        words = [str(photo) if word == "PHOTO" else word for word in words]
        done = subprocess.run([sys.executable, *words], env=env, cwd=work, capture_output=True, text=True, check=False)
        seen = log.read_text().splitlines() if log.exists() else []
        return done, seen, sorted(str(path.relative_to(home)) for path in home.rglob("*"))

    return start


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino", "torch"])
def test_engines_phone_nobody(run, engine):
    pytest.importorskip(engine)
    done, seen, written = run("-c", WATCHED + PREDICT, engine, "PHOTO")
    assert done.returncode == 0, done.stderr
    assert (seen, written) == ([], [])


def test_the_functions_of_the_package_phone_nobody(run):
    done, seen, written = run("-c", WATCHED + DETECT, "", "PHOTO")
    assert done.returncode == 0, done.stderr
    assert (seen, written) == ([], [])


@pytest.mark.parametrize(
    "words",
    [
        ("predict", "PHOTO", "--json", "out.json"),
        ("predict", "PHOTO", "--out", "out.csv"),
        ("weights", "list"),
        ("export", "compact_300w", "out.onnx", "--quiet"),
    ],
)
def test_commands_phone_nobody(run, words, tmp_path):
    done, seen, written = run("-m", f"facelandmarks.cli.{words[0]}", *words[1:])
    assert done.returncode == 0, done.stderr
    assert (seen, written) == ([], [])
    assert {path.name for path in (tmp_path / "work").iterdir()} <= {"out.json", "out.csv", "out.onnx"}


def test_the_watch_sees_what_libraries_do(run, library):
    if library is None:
        pytest.skip("needs Linux and a C compiler")
    code = "import ctypes; ctypes.CDLL(None).getaddrinfo(b'localhost', None, None, ctypes.byref(ctypes.c_void_p()))"
    assert run("-c", code)[1] == ["resolve localhost"]


def test_without_a_folder_for_a_cache_only_downloads_fail(run):
    """A container that runs under a bare number, without HOME, where nothing may be written."""
    code = "import os; del os.environ['HOME']; import pwd; pwd.getpwuid = {}.__getitem__\n"
    done, seen, written = run("-c", WATCHED + code + PREDICT, "onnxruntime", "PHOTO")
    assert (done.returncode, done.stderr, seen, written) == (0, "", [], [])
    for command in ("list", "fetch"):
        main = (
            f"from facelandmarks.cli.weights import main; sys.exit(main({[command, *['yunet'][: command == 'fetch']]}))"
        )
        done, seen, _ = run("-c", WATCHED + code + main)
        assert seen == []
        if command == "list":
            assert (done.returncode, done.stderr) == (0, "")
        else:
            assert done.returncode == 3
            assert done.stderr.count("\n") == 1
            assert "there is no home folder to keep it in. Set FACELANDMARKS_CACHE" in done.stderr
