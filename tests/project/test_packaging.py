"""What is in the wheel and in the source distribution, and that both find their weights."""

import subprocess
import sys
import tarfile
import zipfile

import pytest
from paths import ROOT

LARGEST = 10_000_000  # bytes
LARGEST_WHEEL = 8_000_000
CHECK = """
import facelandmarks
from pathlib import Path
from facelandmarks.weights.manifest import manifest_path
from facelandmarks.weights.load import find_weights
assert Path(facelandmarks.__file__).is_relative_to({root!r}), facelandmarks.__file__
assert manifest_path().is_relative_to({root!r}), manifest_path()
print(len(find_weights("compact_300w.onnx").state()) > 50, manifest_path().relative_to({root!r}).as_posix())
"""


def build(kind, folder):
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (found,) = folder.iterdir()
    return found


def run_from(root):
    """Run the check with the package of that folder, from an empty one, without the installed package."""
    code = CHECK.format(root=str(root.resolve()))
    environment = {"PYTHONPATH": str(root.resolve()), "PATH": ""}
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=root.parent, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build("wheel", tmp_path_factory.mktemp("wheel"))


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    assert wheel.name.startswith("facelandmarks_zoo-")
    assert wheel.stat().st_size < LARGEST_WHEEL
    names = set(zipfile.ZipFile(wheel).namelist())
    for name in ("weights_manifest.json", "py.typed", "assets/compact_300w.onnx", "assets/compact.onnx"):
        assert f"facelandmarks/{name}" in names
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"facelandmarks"}
    entry_points = next(name for name in names if name.endswith("entry_points.txt"))
    commands = zipfile.ZipFile(wheel).read(entry_points)
    assert all(
        command in commands for command in (b"facelandmarks-predict", b"facelandmarks-weights", b"facelandmarks-eval")
    )


def test_the_wheel_finds_its_weights(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    assert run_from(tmp_path / "site") == ["True", "facelandmarks/weights_manifest.json"]


def test_the_source_distribution_finds_its_weights(tmp_path):
    archive = build("sdist", tmp_path / "dist")
    assert archive.stat().st_size < LARGEST
    with tarfile.open(archive) as file:
        file.extractall(tmp_path / "source", filter="data")
    (root,) = (tmp_path / "source").iterdir()
    assert run_from(root) == ["True", "weights_manifest.json"]
    assert (root / "tests" / "project" / "test_packaging.py").is_file()
    assert not (root / ".venv").exists()


def test_the_checkout_finds_its_weights():
    assert run_from(ROOT) == ["True", "weights_manifest.json"]
