"""Without PyTorch all that can work does, and the rest says what is missing."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from paths import ROOT

import facelandmarks as fl
from facelandmarks.engines.choose import VARIABLE

HIDDEN = """
import sys
sys.modules["torch"] = None  # as if it were not installed
import numpy as np
import skimage.data
import facelandmarks as fl
from facelandmarks.errors import MissingDependencyError
image = skimage.data.astronaut()
"""
TRIED = {
    "engine": "fl.load_model(engine='torch')",
    "number type": "fl.load_model(dtype='bfloat16')",
    "compiler": "fl.load_model(compile=True)",
    "graph": "fl.load_model('hrnetv2_w18_wflw', weights={'a': np.zeros(3)})",
    "export": "export_model('compact_300w', 'compact.onnx')",
    "detector": "load_detector('blazeface_short', weights=ASSET)",
}


def without_torch(code: str, *arguments: str) -> str:
    command = [sys.executable, "-c", HIDDEN + code, *arguments]
    env = {name: value for name, value in os.environ.items() if name != VARIABLE}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["compact_300w", "tiny_300w"])
def test_built_in_models_run(name: str) -> None:
    code = f"faces = fl.load_model({name!r}).predict(image)\nprint(faces.to_json(), 'torch._C' in sys.modules)"
    text, imported = without_torch(code).rsplit(" ", 1)
    assert imported.strip() == "False"
    expected = fl.load_model(name).predict(skimage.data.astronaut())
    np.testing.assert_allclose(fl.Landmarks.from_json(text).points, expected.points, atol=2e-3)


def test_on_a_mac_too() -> None:
    """There `auto` is MPS for published checkpoints, and still ONNX Runtime for what is built in."""
    found = without_torch("sys.platform = 'darwin'\nprint(fl.load_model().engine_info())")
    assert "'onnxruntime'" in found
    assert "'cpu'" in found


def test_commands_run(tmp_path: Path) -> None:
    code = """
from facelandmarks.bulk import predict_rows
from facelandmarks.cli import predict
photo, folder = sys.argv[1:]
print(predict.main([photo, "--json", folder + "/a.json"]), predict.main([photo, "--out", folder + "/a.csv"]))
print(len(list(predict_rows(fl.load_model(), [photo]))))
"""
    assert without_torch(code, str(ROOT / "docs" / "astronaut.jpg"), str(tmp_path)).split()[-3:] == ["0", "0", "1"]


@pytest.mark.parametrize("what", TRIED)
def test_what_needs_torch_says_so(what: str) -> None:
    code = f"""
from pathlib import Path
from facelandmarks.detection import load_detector
from facelandmarks.export import export_model
ASSET = Path(fl.__file__).parent / "assets" / "compact.onnx"
try:
    {TRIED[what]}
except MissingDependencyError as error:
    print(error)
"""
    assert "pip install torch" in without_torch(code)
