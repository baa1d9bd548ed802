"""The command `facelandmarks`: lists the others, runs them, knows the models; --version everywhere."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import facelandmarks as fl
from facelandmarks.cli import COMMANDS, evaluate, export, main, models, predict, weights

OWN = {
    "facelandmarks-predict": predict.main,
    "facelandmarks-eval": evaluate.main,
    "facelandmarks-export": export.main,
    "facelandmarks-weights": weights.main,
    "facelandmarks models": models.main,
    "facelandmarks": main,
}


def test_without_a_word_the_commands_are_listed(capsys):
    assert main([]) == 0
    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in COMMANDS)


def test_a_command_is_run_with_the_words_after_it(capsys):
    assert main(["predict", "--scheme", "points5"]) == 0
    assert capsys.readouterr().out.startswith("points5: 5 points")


@pytest.mark.parametrize(("word", "hint"), [("predct", "did you mean predict?"), ("-x", "there are: demo, eval, ")])
def test_an_unknown_command_is_wrong_usage_with_a_hint(word, hint, capsys):
    with pytest.raises(SystemExit) as caught:
        main([word])
    assert caught.value.code == 2
    assert hint in capsys.readouterr().err


@pytest.mark.parametrize("name", OWN)
def test_every_command_says_its_version(name, capsys):
    with pytest.raises(SystemExit) as caught:
        OWN[name](["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"{name} {fl.__version__}\n"


def test_the_package_runs_as_a_module_and_loads_nothing_heavy():
    code = "import runpy, sys; sys.argv = ['facelandmarks', 'predict', '--version']\ntry:\n    runpy.run_module"
    code += "('facelandmarks', run_name='__main__')\nexcept SystemExit as end:\n    print(end.code)\n"
    code += "print(sorted({'torch', 'cv2', 'numpy', 'requests'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == [f"facelandmarks-predict {fl.__version__}", "0", "[]"]


def test_every_model_has_a_line(capsys):
    assert models.main([]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["name", "points", "scheme", "crop", "reported", "error", "weights"]
    assert [line.split()[0] for line in lines] == fl.list_models()
    by_name = {line.split()[0]: line for line in lines}
    assert by_name["compact_300w"].startswith("compact_300w (default)")
    assert by_name["compact_300w"].endswith("in the wheel")
    assert "NME 3.98 % (WFLW test)" in by_name["hrnetv2_w18_wflw_dark"]
    assert " % (our own: test (434 common-set faces))" in by_name["compact_300w"]  # nobody published it
    assert "NME 5.13 % (COCO-WholeBody-Face all)" in by_name["hrnetv2_w18_coco_wholebody_face_dark"]  # a fraction
    assert "NME 3.37 % (300-W full)" in by_name["hrnetv2_w18_300w"]  # not the common set, which stands first
    assert "PCK@0.2 98.3 % (DeepFashion FLD)" in by_name["hrnet_w48_deepfashion_full_udp"]


def test_models_may_be_asked_for_by_points_name_and_cache(capsys, tmp_path):
    assert models.main(["--points", "106"]) == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [line.split()[0] for line in lines] == [n for n in fl.list_models() if fl.model_info(n)["landmarks"] == 106]
    assert models.main(["rtmpose_m_wflw"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(fl.model_info("rtmpose_m_wflw")))
    Path(tmp_path / fl.model_info("rtmpose_m_wflw")["weights"]).write_bytes(b"")
    assert models.main(["--cache-dir", str(tmp_path)]) == 0
    cached = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.endswith("cached")]
    assert cached == ["rtmpose_m_wflw"]
    assert models.main(["rtmpose_m_wlfw"]) == 2
    assert "did you mean rtmpose_m_wflw" in capsys.readouterr().err
