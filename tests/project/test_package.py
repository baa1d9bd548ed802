"""The package as a whole: what importing costs, and what is public."""

import json
import subprocess
import sys

import pytest

import facelandmarks
from facelandmarks import errors


def in_fresh_python(code):
    result = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    return result.stdout


def test_importing_loads_no_heavy_package():
    code = "import sys, facelandmarks, json; print(json.dumps(sorted(sys.modules)))"
    loaded = set(json.loads(in_fresh_python(code)))
    assert not loaded & {"torch", "cv2", "numpy", "requests", "PIL", "huggingface_hub"}


def test_asking_for_models_loads_no_torch():
    asking = "fl.list_models(); fl.model_info('compact_300w')"
    code = f"import sys, facelandmarks as fl; {asking}; print('torch' in sys.modules)"
    assert in_fresh_python(code).strip() == "False"


def test_help_loads_no_heavy_package():
    code = (
        "import sys\n"
        "from facelandmarks.cli.predict import main\n"
        "try:\n    main(['--help'])\n"
        "except SystemExit:\n    print('heavy:', sorted({'torch', 'cv2', 'requests'} & set(sys.modules)))"
    )
    assert "heavy: []" in in_fresh_python(code)


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'landmark'"):
        facelandmarks.landmark  # noqa: B018


def test_every_error_is_ours_and_a_builtin():
    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, Exception)]
    for cls in classes:
        assert issubclass(cls, errors.FaceLandmarksError)
        assert str(cls("what went wrong")) == "what went wrong"
    builtins = (ValueError, KeyError, OSError, ImportError, RuntimeError)
    assert all(issubclass(c, builtins) for c in classes if c is not errors.FaceLandmarksError)


def test_model_info_says_what_terms_bind():
    info = facelandmarks.model_info("compact_300w")
    assert "commercial use prohibited" in info["training_data"]["300-W"]["terms"]
    assert info["landmarks"] == 68
    assert facelandmarks.list_models() == sorted(facelandmarks.list_models())
