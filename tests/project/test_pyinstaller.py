"""A program of one file made from an example, run where the package is not."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import pytest
import skimage.data
from paths import ROOT
from test_packaging import build

from facelandmarks.__pyinstaller import get_hook_dirs

HEAVY = ("torch", "openvino", "matplotlib", "pyarrow", "pandas", "IPython")  # what the example does not need


def test_the_wheel_tells_pyinstaller_where_the_hook_is(tmp_path):
    archive = zipfile.ZipFile(build("wheel", tmp_path))
    names = archive.namelist()
    points = archive.read(next(name for name in names if name.endswith("entry_points.txt"))).decode()
    assert "[pyinstaller40]\nhook-dirs = facelandmarks.__pyinstaller:get_hook_dirs" in points
    assert "facelandmarks/__pyinstaller/hook-facelandmarks.py" in names
    assert (Path(get_hook_dirs()[0]) / "hook-facelandmarks.py").is_file()


@pytest.mark.slow
def test_a_program_of_one_file_runs_without_the_package(tmp_path):
    pytest.importorskip("PyInstaller", reason="PyInstaller is not installed: pip install pyinstaller")
    site = tmp_path / "site"
    zipfile.ZipFile(build("wheel", tmp_path / "dist")).extractall(site)
    left_out = [word for name in HEAVY for word in ("--exclude-module", name)]
    folders = ["--distpath", str(tmp_path / "out"), "--workpath", str(tmp_path / "work"), "--specpath", str(tmp_path)]
    made = subprocess.run(
        [
            sys.executable,
            "-m",
            "PyInstaller",
            "--onefile",
            *left_out,
            *folders,
            str(ROOT / "examples" / "quickstart.py"),
        ],
        env={**os.environ, "PYTHONPATH": str(site)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr[-2000:]
    shutil.rmtree(site)
    empty = tmp_path / "empty"
    empty.mkdir()
    cv2.imwrite(str(empty / "photo.png"), skimage.data.astronaut()[..., ::-1])
    program = tmp_path / "out" / ("quickstart.exe" if sys.platform == "win32" else "quickstart")
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "TEMP", "TMP") if name in os.environ}
    ran = subprocess.run([program, "photo.png"], env=kept, cwd=empty, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "1 faces found by 'compact', 68 points each" in ran.stdout
    assert "tip of the nose at (224.2, 127.3)" in ran.stdout
    assert sorted(path.name for path in (empty / "quickstart").iterdir()) == ["face_0.png", "points.json", "points.png"]
